//! Access control lists of objects: what a request asks for, who owns what it makes, and what the lists of
//! a bucket and of an object grant a caller [s3-policy §B.1, §B.4].
//!
//! Only buckets whose ownership setting has lists pay for them: there the object is looked up before the
//! decision.

use adit_objects::VersionId;
use adit_policy::AclGrant;
use adit_snapshot::acl::{self, AclError, Asked, Grant, OWNER_PREFERRED, Of};
use adit_snapshot::{BucketView, Snapshot};
use adit_wire::s3::acl::{given, shown};
use adit_wire::{ErrorReply, Value};

use crate::ask::{Ask, stored_bucket};
use crate::decide::{Question, not_implemented, object_arn};

/// Actions on what is the object owner's to give, not the bucket owner's.
const OF_OWNER: [&str; 8] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectAcl",
    "s3:GetObjectVersionAcl",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
];

/// The object that a question is about, where its bucket has lists.
#[derive(Debug, Default)]
pub(crate) enum Subject {
    /// No lists, or no object.
    #[default]
    Off,
    /// There is no such object.
    Missing,
    /// An object, there or about to be.
    Object(Owned),
}

/// Whose an object is, and to whom it is open.
#[derive(Debug)]
pub(crate) struct Owned {
    /// Canonical id.
    pub(crate) owner: String,
    /// The account with that id, where it is not the bucket's owner; empty for nobody's.
    foreign: Option<String>,
    pub(crate) grants: Vec<Grant>,
}

impl Owned {
    fn new(ask: &Ask<'_>, view: &BucketView, owner: String, grants: Option<Vec<Grant>>) -> Owned {
        let mut accounts = ask.snapshot.intent.accounts.values();
        let foreign = match accounts.find(|account| account.canonical_id == owner) {
            Some(account) if account.id == view.bucket.owner => None,
            Some(account) => Some(account.id.to_string()),
            None => Some(String::new()),
        };
        Owned {
            grants: grants.unwrap_or_else(|| vec![acl::own(&owner)]),
            owner,
            foreign,
        }
    }
}

/// The canonical id of an account.
fn canonical<'a>(snapshot: &'a Snapshot, account: &str) -> Option<&'a str> {
    let account = snapshot.intent.accounts.get(account)?;
    Some(&account.canonical_id)
}

/// The canonical id of the caller's account; none for somebody who did not sign.
fn caller<'a>(ask: &Ask<'a>) -> Option<&'a str> {
    let key = ask.identity.key.as_ref()?;
    canonical(ask.snapshot, key.key.account.as_str())
}

/// Looks up an object for a decision, if that depends on it.
pub(crate) async fn look(
    ask: &Ask<'_>,
    view: &BucketView,
    key: &str,
    version: Option<&VersionId>,
) -> Subject {
    if !view.has_object_acls() {
        return Subject::Off;
    }
    let found = ask
        .gateway
        .store
        .peek(&stored_bucket(&view.bucket), key, version)
        .await;
    let Ok(object) = found else {
        return Subject::Missing;
    };
    let attributes = &object.info().attributes;
    let owner = attributes.owner.clone();
    let owner = owner.or_else(|| ask.owner_of(view)).unwrap_or_default();
    // A list that cannot be read is the owner's alone.
    let grants = attributes.acl.as_deref().and_then(acl::read_kept);
    Subject::Object(Owned::new(ask, view, owner, grants))
}

/// The object that a write is going to make: its list is its writer's to set, also where the writer
/// leaves it to the bucket's owner.
pub(crate) fn made(ask: &Ask<'_>) -> Subject {
    let Some(view) = ask
        .place
        .bucket
        .as_deref()
        .filter(|view| view.has_object_acls())
    else {
        return Subject::Off;
    };
    let owner = caller(ask).unwrap_or(acl::ANONYMOUS).to_owned();
    Subject::Object(Owned::new(ask, view, owner, None))
}

/// Who owns what the request writes.
fn writer(ask: &Ask<'_>, view: &BucketView) -> String {
    let gives = view.bucket.ownership == OWNER_PREFERRED
        && ask.header("x-amz-acl") == Some("bucket-owner-full-control");
    if gives || !view.has_object_acls() {
        return ask.owner_of(view).unwrap_or_default();
    }
    caller(ask).unwrap_or(acl::ANONYMOUS).to_owned()
}

/// What lists grant for a question, and the account of the object's owner if the bucket's owner has
/// nothing to say about it.
pub(crate) fn granted<'q>(ask: &Ask<'_>, question: &Question<'q>) -> (AclGrant, Option<&'q str>) {
    let Some(view) = question.bucket.filter(|view| view.has_acls()) else {
        return (AclGrant::None, None);
    };
    let caller = caller(ask);
    let action = question.action.name();
    let of_bucket = view.settings.grants.as_deref().unwrap_or_default();
    let by_bucket = |action| acl::granted(of_bucket, action, Of::Bucket, caller);
    let is = |name: &&str| name.eq_ignore_ascii_case(action);
    match question.subject {
        Some(Subject::Object(object)) if OF_OWNER.iter().any(&is) => {
            let grant = acl::granted(&object.grants, action, Of::Object, caller);
            (grant, object.foreign.as_deref())
        }
        // Who may list the bucket may learn that something is not there.
        Some(Subject::Missing) if OF_OWNER.iter().any(&is) => (by_bucket("s3:ListBucket"), None),
        // Who may write may delete what is theirs.
        Some(Subject::Object(object))
            if is(&"s3:DeleteObject") && object.owner == caller.unwrap_or(acl::ANONYMOUS) =>
        {
            (by_bucket("s3:PutObject"), None)
        }
        _ => (by_bucket(action), None),
    }
}

/// The owner of an object as answers show it: where there are no lists, everything is the bucket owner's.
pub(crate) fn shown_owner(ask: &Ask<'_>, kept: Option<&str>) -> Option<String> {
    let view = ask.place.bucket.as_ref()?;
    let kept = kept.filter(|_| view.has_object_acls()).map(str::to_owned);
    kept.or_else(|| ask.owner_of(view))
}

/// The canonical id of an object's owner, and the object's list as it is kept.
pub(crate) type OfNew = (Option<String>, Option<Vec<u8>>);

/// The owner of what the request writes, and its list in the form it is kept in.
///
/// # Errors
/// A list where the bucket has none, one that is none, or a public one where those are blocked.
pub(crate) fn of_new(ask: &Ask<'_>) -> Result<OfNew, ErrorReply> {
    let view = ask.bucket()?;
    let owner = writer(ask, view);
    let bucket_owner = ask.owner_of(view).unwrap_or_default();
    let grants = asked(ask, None, &owner, &bucket_owner)?;
    let Some(grants) = grants else {
        return Ok((Some(owner), None));
    };
    allowed(ask, view, &grants, &bucket_owner, "s3:PutObject")?;
    Ok((Some(owner.clone()), kept(&grants, &owner)))
}

/// A list as the store keeps it; none for what the owner has anyway.
pub(crate) fn kept(grants: &[Grant], owner: &str) -> Option<Vec<u8>> {
    (grants != [acl::own(owner)]).then(|| acl::write(grants).into_bytes())
}

/// The grants that a request asks for; none when it asks for none.
///
/// # Errors
/// What is no list.
pub(crate) fn asked(
    ask: &Ask<'_>,
    document: Option<&Value>,
    owner: &str,
    bucket_owner: &str,
) -> Result<Option<Vec<Grant>>, ErrorReply> {
    let headers = acl::HEADERS.into_iter();
    let asked = Asked {
        canned: ask.header("x-amz-acl"),
        headers: headers
            .filter_map(|(name, permission)| Some((name, permission, ask.header(name)?)))
            .collect(),
        document: document.map(|policy| {
            let (owner, grants) = given(policy, acl::Given::new);
            acl::Document { owner, grants }
        }),
    };
    let subject = acl::Subject {
        owner,
        bucket_owner: Some(bucket_owner),
    };
    let known = |id: &str| {
        let mut accounts = ask.snapshot.intent.accounts.values();
        accounts.any(|account| account.canonical_id == id)
    };
    acl::grants(&asked, subject, known).map_err(|why| refusal(&why))
}

fn refusal(why: &AclError) -> ErrorReply {
    let reply = ErrorReply::new(why.code(), why.status(), why.to_string());
    match why.argument() {
        Some((name, value)) => reply
            .with("ArgumentName", name)
            .with("ArgumentValue", value),
        None => reply,
    }
}

/// Refuses a list where the bucket has none, unless it says the same as none, and a public one where
/// those are blocked.
///
/// # Errors
/// `AccessControlListNotSupported`; `NotImplemented` for objects that an upstream keeps; `AccessDenied`.
pub(crate) fn allowed(
    ask: &Ask<'_>,
    view: &BucketView,
    grants: &[Grant],
    bucket_owner: &str,
    action: &str,
) -> Result<(), ErrorReply> {
    if !view.has_object_acls() {
        return match grants == [acl::own(bucket_owner)] {
            true => Ok(()),
            false if view.has_acls() => Err(not_implemented("An ACL of an object of an upstream")),
            false => Err(ErrorReply::new(
                "AccessControlListNotSupported",
                400,
                "The bucket does not allow ACLs",
            )),
        };
    }
    let point = ask.place.access_point.as_ref().map(|view| view.block);
    let blocked =
        view.block.block_public_acls || point.is_some_and(|block| block.block_public_acls);
    if !blocked || !acl::is_public(grants) {
        return Ok(());
    }
    let message = match &ask.identity.key {
        Some(key) if key.key.account == view.bucket.owner => format!(
            "User: {} is not authorized to perform: {action} on resource: \"{}\" because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
            key.arn,
            object_arn(&ask.real_bucket(), ask.key()),
        ),
        _ => "Access Denied".to_owned(),
    };
    Err(ErrorReply::new("AccessDenied", 403, message))
}

/// Grants as replies show them.
pub(crate) fn show(grants: &[Grant]) -> Value {
    let grants = grants.iter();
    grants
        .map(|grant| {
            let (id, uri) = (grant.grantee.account(), grant.grantee.uri());
            shown(id, uri, grant.permission.name())
        })
        .collect()
}
