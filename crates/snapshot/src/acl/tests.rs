//! Lists as they are asked for, kept and granted by.

use super::*;

const OBJECT: Subject<'_> = Subject {
    owner: "writer",
    bucket_owner: Some("bucket"),
};
const BUCKET: Subject<'_> = Subject {
    owner: "bucket",
    bucket_owner: None,
};

fn known(id: &str) -> bool {
    ["writer", "bucket", "other"].contains(&id)
}

fn by_name(name: &str, subject: Subject<'_>) -> Result<Vec<Grant>, AclError> {
    let asked = Asked {
        canned: Some(name),
        ..Asked::default()
    };
    grants(&asked, subject, known).map(Option::unwrap_or_default)
}

#[test]
fn canned_lists_by_subject() {
    for (name, on_bucket, on_object, public) in [
        ("private", Some(1), Some(1), false),
        ("public-read", Some(2), Some(2), true),
        ("public-read-write", Some(3), Some(3), true),
        ("authenticated-read", Some(2), Some(2), true),
        ("log-delivery-write", Some(3), None, false),
        ("bucket-owner-read", Some(1), Some(2), false),
        ("bucket-owner-full-control", Some(1), Some(2), false),
        ("aws-exec-read", None, None, false),
        ("Private", None, None, false),
        ("", None, None, false),
    ] {
        for (subject, count) in [(BUCKET, on_bucket), (OBJECT, on_object)] {
            let made = by_name(name, subject);
            assert_eq!(made.as_ref().ok().map(Vec::len), count, "{name}");
            let made = made.unwrap_or_default();
            assert_eq!(is_public(&made), public && count.is_some(), "{name}");
            // What is written is read again.
            assert_eq!(read_kept(write(&made).as_bytes()), Some(made));
        }
    }
    let same = Subject {
        owner: "bucket",
        bucket_owner: Some("bucket"),
    };
    for name in ["bucket-owner-read", "bucket-owner-full-control"] {
        assert_eq!(by_name(name, same), Ok(vec![own("bucket")]));
    }
}

#[test]
fn headers_name_grantees() {
    let header = |text| {
        grants(
            &Asked {
                headers: vec![("x-amz-grant-read", Permission::Read, text)],
                ..Asked::default()
            },
            OBJECT,
            known,
        )
    };
    let group = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let text = format!("id=\"other\", {group},ID=bucket");
    let found = header(&text).unwrap().unwrap();
    let who: Vec<Grantee> = found.into_iter().map(|grant| grant.grantee).collect();
    let account = |id: &str| Grantee::Account(id.to_owned());
    assert_eq!(
        who,
        [account("other"), Grantee::AllUsers, account("bucket")]
    );
    for (bad, code) in [
        ("", "InvalidArgument"),
        ("other", "InvalidArgument"),
        ("id=", "InvalidArgument"),
        ("id=nobody", "InvalidArgument"),
        ("uri=http://x", "InvalidArgument"),
        ("x=y", "InvalidArgument"),
        ("emailAddress=a@b", "MethodNotAllowed"),
    ] {
        assert_eq!(header(bad).unwrap_err().code(), code, "{bad}");
    }
    let many = vec!["id=other"; MOST_GRANTS + 1].join(",");
    assert_eq!(header(&many), Err(AclError::Malformed));
}

#[test]
fn documents_and_ways() {
    let given = |id, uri, permission| Given::new([id, uri, None], permission);
    let document = |owner, grants| Asked {
        document: Some(Document { owner, grants }),
        ..Asked::default()
    };
    let ask = |asked: &Asked<'_>| grants(asked, OBJECT, known);
    let one = given(Some("other"), None, Some("READ"));
    assert_eq!(ask(&Asked::default()), Ok(None));
    assert_eq!(ask(&document(Some("writer"), vec![])), Ok(Some(vec![])));
    assert_eq!(
        ask(&document(Some("writer"), vec![one]))
            .unwrap()
            .unwrap()
            .len(),
        1
    );
    for (asked, error) in [
        (document(None, vec![one]), AclError::Malformed),
        (document(Some("bucket"), vec![one]), AclError::OtherOwner),
        (
            document(Some("nobody"), vec![one]),
            AclError::UnknownId("nobody".into()),
        ),
        (
            document(Some("writer"), vec![given(None, None, Some("READ"))]),
            AclError::Malformed,
        ),
        (
            document(
                Some("writer"),
                vec![given(Some("other"), None, Some("ALL"))],
            ),
            AclError::Malformed,
        ),
        (
            document(
                Some("writer"),
                vec![given(None, Some("http://x"), Some("READ"))],
            ),
            AclError::UnknownGroup("http://x".into()),
        ),
    ] {
        assert_eq!(ask(&asked), Err(error));
    }
    let mut both = document(Some("writer"), vec![one]);
    both.canned = Some("private");
    assert_eq!(ask(&both), Err(AclError::UnexpectedContent));
    both.headers = vec![("x-amz-grant-read", Permission::Read, "id=other")];
    assert_eq!(ask(&both), Err(AclError::TwoWays));
}

#[test]
fn lists_grant_by_permission_and_grantee() {
    let list = by_name("public-read", OBJECT).unwrap();
    for (action, of, caller, grant) in [
        ("s3:GetObject", Of::Object, None, AclGrant::Public),
        (
            "s3:GetObjectVersion",
            Of::Object,
            Some("other"),
            AclGrant::Public,
        ),
        (
            "s3:GetObject",
            Of::Object,
            Some("writer"),
            AclGrant::Account,
        ),
        ("s3:GetObjectAcl", Of::Object, None, AclGrant::None),
        (
            "s3:DeleteObject",
            Of::Object,
            Some("writer"),
            AclGrant::None,
        ),
        ("s3:ListBucket", Of::Bucket, None, AclGrant::Public),
        ("s3:PutObject", Of::Bucket, None, AclGrant::None),
    ] {
        assert_eq!(
            granted(&list, action, of, caller),
            grant,
            "{action} {caller:?}"
        );
    }
    let list = by_name("authenticated-read", OBJECT).unwrap();
    let read = |caller| granted(&list, "s3:GetObject", Of::Object, caller);
    assert_eq!(read(None), AclGrant::None);
    assert_eq!(read(Some("other")), AclGrant::Public);
    // What nobody signed for is everybody's who does not sign.
    let list = [own(ANONYMOUS)];
    assert_eq!(
        granted(&list, "s3:GetObject", Of::Object, None),
        AclGrant::Account
    );
    assert_eq!(
        granted(&list, "s3:GetObject", Of::Object, Some("other")),
        AclGrant::None
    );
}

#[test]
fn what_cannot_be_read_grants_nothing() {
    for text in [
        "",
        "{}",
        r#"{"Grants":[{"Grantee":{"URI":"http://x"},"Permission":"READ"}]}"#,
        r#"{"Grants":[{"Grantee":{"ID":"a"},"Permission":"ALL"}]}"#,
    ] {
        assert_eq!(read_kept(text.as_bytes()), None, "{text}");
    }
}
