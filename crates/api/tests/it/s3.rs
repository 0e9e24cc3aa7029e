//! Buckets and their settings.

use adit_api::Caller;
use adit_model::{AccessKey, Account, Bucket, KeyOwner, Secret};
use adit_wire::{ErrorReply, Service, Value, list, map};

use crate::world::*;

fn s3(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::S3, name, input)
}

fn refused(world: &World, name: &str, input: Value) -> ErrorReply {
    world.refused(Service::S3, name, input)
}

fn bucket(name: &str) -> Value {
    map! { "Bucket" => name }
}

fn with(name: &str, member: &'static str, value: impl Into<Value>) -> Value {
    map! { "Bucket" => name, member => value }
}

fn located(name: &str, constraint: &str) -> Value {
    with(
        name,
        "CreateBucketConfiguration",
        map! { "LocationConstraint" => constraint },
    )
}

fn field<'a>(error: &'a ErrorReply, name: &str) -> Option<&'a str> {
    error
        .fields
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Another account's root key; calls are made with it from here on.
fn become_another(world: &World) {
    world.write(|draft| {
        draft.put(Account {
            id: "999999999999".parse().unwrap(),
            canonical_id: "f".repeat(64),
            name: "other".into(),
            created: 0,
        });
        draft.put(AccessKey {
            id: "AKIAOTHEROTHEROTHER0".into(),
            secret: Secret::new("s"),
            account: "999999999999".parse().unwrap(),
            owner: KeyOwner::Root,
            active: true,
            created: 0,
        });
    });
    world.use_key("AKIAOTHEROTHEROTHER0");
}

#[test]
fn buckets_are_made_where_the_request_goes() {
    let world = World::new();
    let made = s3(&world, "CreateBucket", bucket("first"));
    assert_eq!(text(&made, "Location"), "/first");
    assert_eq!(text(&made, "BucketArn"), "arn:aws:s3:::first");
    let case = |input, code: &str| assert_eq!(refused(&world, "CreateBucket", input).code, code);
    case(located("second", "us-east-1"), "InvalidLocationConstraint");
    case(located("second", "mars"), "InvalidLocationConstraint");
    case(
        located("second", "mars-north-1"),
        "InvalidLocationConstraint",
    );
    case(
        located("second", "eu-west-1"),
        "IllegalLocationConstraintException",
    );
    case(
        located("second", "eu-west-2"),
        "IllegalLocationConstraintException",
    );
    // Elsewhere than in the first Region any other name is one of another Region, whether there is one or not.
    for name in ["us-east-1", "mars", "us-gov-east-2"] {
        let away = World::new();
        away.go_to("eu-west-1");
        let error = refused(&away, "CreateBucket", located("second", name));
        assert_eq!(error.code, "IllegalLocationConstraintException", "{name}");
    }
    let error = refused(&world, "CreateBucket", located("second", "eu-west-1"));
    assert_eq!(
        error.message,
        "The eu-west-1 location constraint is incompatible for the region specific endpoint this request was sent to."
    );
    assert!(
        s3(&world, "GetBucketLocation", bucket("first"))
            .get("LocationConstraint")
            .is_null()
    );

    world.go_to("eu-west-1");
    let case = |input, code: &str| assert_eq!(refused(&world, "CreateBucket", input).code, code);
    case(bucket("second"), "IllegalLocationConstraintException");
    case(
        located("second", "us-east-1"),
        "IllegalLocationConstraintException",
    );
    let made = s3(&world, "CreateBucket", located("second", "eu-west-1"));
    assert_eq!(text(&made, "Location"), "http://second.s3.amazonaws.com/");
    s3(&world, "CreateBucket", located("third", "EU"));
    let location = s3(&world, "GetBucketLocation", bucket("second"));
    assert_eq!(text(&location, "LocationConstraint"), "eu-west-1");
    let head = s3(&world, "HeadBucket", bucket("second"));
    assert_eq!(text(&head, "BucketRegion"), "eu-west-1");
    assert_eq!(
        refused(&world, "CreateBucket", located("second", "eu-west-1")).code,
        "BucketAlreadyOwnedByYou"
    );
}

#[test]
fn a_name_belongs_to_one_account() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let before = world
        .intent()
        .get::<Bucket>("mine")
        .unwrap()
        .incarnation
        .clone();
    s3(&world, "CreateBucket", bucket("mine"));
    assert_eq!(
        world.intent().get::<Bucket>("mine").unwrap().incarnation,
        before
    );
    become_another(&world);
    let error = refused(&world, "CreateBucket", bucket("mine"));
    assert_eq!(
        (error.code.as_ref(), error.status),
        ("BucketAlreadyExists", 409)
    );
    assert_eq!(field(&error, "BucketName"), Some("mine"));
    assert_eq!(s3(&world, "ListBuckets", map! {}).get("Buckets"), &list![]);
    // Policies are the owner's alone, whatever they say.
    for name in ["PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"] {
        let error = refused(&world, name, bucket("mine"));
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("MethodNotAllowed", 405),
            "{name}"
        );
    }
    world.use_key(ROOT);
    s3(&world, "DeleteBucket", bucket("mine"));
    s3(&world, "CreateBucket", bucket("mine"));
    assert_ne!(
        world.intent().get::<Bucket>("mine").unwrap().incarnation,
        before,
        "another bucket"
    );
}

#[test]
fn bad_names_and_wishes() {
    let world = World::new();
    for name in [
        "UPPER",
        "ab",
        "dot..dot",
        "192.168.1.1",
        "-dash",
        "under_score",
        "",
    ] {
        let error = refused(&world, "CreateBucket", bucket(name));
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("InvalidBucketName", 400),
            "{name}"
        );
    }
    for (input, code) in [
        (
            with("b1b", "ACL", "public-read"),
            "InvalidBucketAclWithObjectOwnership",
        ),
        (
            with("b1b", "GrantRead", "id=x"),
            "InvalidBucketAclWithObjectOwnership",
        ),
        (with("b1b", "ACL", "nonsense"), "InvalidArgument"),
        (
            map! { "Bucket" => "b1b", "ACL" => "public-read", "ObjectOwnership" => "ObjectWriter" },
            "InvalidBucketAclWithBlockPublicAccessError",
        ),
        (with("b1b", "ObjectOwnership", "nonsense"), "MalformedXML"),
    ] {
        assert_eq!(
            refused(&world, "CreateBucket", input.clone()).code,
            code,
            "{input:?}"
        );
    }
    s3(&world, "CreateBucket", with("b1b", "ACL", "private"));
}

#[test]
fn a_bucket_that_is_not_there_or_not_whose_it_should_be() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    for row in adit_api::OPERATIONS
        .iter()
        .filter(|row| row.service == Service::S3)
    {
        if matches!(row.name, "CreateBucket" | "ListBuckets") {
            continue;
        }
        let mut input = bucket("nowhere");
        // Settings are checked before the bucket: give them something sound.
        let sound = [
            (
                "PutBucketVersioning",
                "VersioningConfiguration",
                map! { "Status" => "Enabled" },
            ),
            (
                "PutBucketOwnershipControls",
                "OwnershipControls",
                map! { "Rules" => list![map! { "ObjectOwnership" => "ObjectWriter" }] },
            ),
            (
                "PutBucketCors",
                "CORSConfiguration",
                map! { "CORSRules" => list![map! { "AllowedMethods" => list!["GET"], "AllowedOrigins" => list!["*"] }] },
            ),
            (
                "PutBucketLifecycleConfiguration",
                "LifecycleConfiguration",
                map! { "Rules" => list![map! { "Status" => "Enabled", "Prefix" => "", "Expiration" => map! { "Days" => 1i64 } }] },
            ),
            (
                "PutBucketEncryption",
                "ServerSideEncryptionConfiguration",
                map! { "Rules" => list![map! { "ApplyServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => "AES256" } }] },
            ),
        ];
        for (name, member, value) in sound {
            if row.name == name {
                input.map_mut().unwrap().insert(member, value);
            }
        }
        let error = refused(&world, row.name, input.clone());
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("NoSuchBucket", 404),
            "{row:?}"
        );
        assert_eq!(field(&error, "BucketName"), Some("nowhere"), "{row:?}");
        input.map_mut().unwrap().insert("Bucket", "mine");
        for (owner, code) in [
            ("999999999999", "AccessDenied"),
            ("x", "InvalidBucketOwnerAWSAccountID"),
        ] {
            input
                .map_mut()
                .unwrap()
                .insert("ExpectedBucketOwner", owner);
            assert_eq!(
                refused(&world, row.name, input.clone()).code,
                code,
                "{row:?}"
            );
        }
    }
}

#[test]
fn a_policy_is_checked_kept_and_returned_as_it_was() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let error = refused(&world, "GetBucketPolicy", bucket("mine"));
    assert_eq!(
        (error.code.as_ref(), error.status),
        ("NoSuchBucketPolicy", 404)
    );
    assert_eq!(error.message, "The bucket policy does not exist");
    let text_ = "{ \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mine/*\"} }";
    s3(&world, "PutBucketPolicy", with("mine", "Policy", text_));
    assert_eq!(
        text(&s3(&world, "GetBucketPolicy", bucket("mine")), "Policy"),
        text_
    );
    for broken in [
        "this is no policy",
        "{}",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::mine/*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Perhaps","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::mine/*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::another/*"}}"#,
    ] {
        let error = refused(&world, "PutBucketPolicy", with("mine", "Policy", broken));
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("MalformedPolicy", 400),
            "{broken}"
        );
        assert!(!error.message.is_empty());
    }
    s3(&world, "DeleteBucketPolicy", bucket("mine"));
    assert_eq!(
        refused(&world, "GetBucketPolicyStatus", bucket("mine")).code,
        "NoSuchBucketPolicy"
    );
    s3(&world, "DeleteBucketPolicy", bucket("mine"));
}

#[test]
fn public_policies_are_blocked_until_that_is_off() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let public = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::mine/*"}}"#;
    let error = refused(&world, "PutBucketPolicy", with("mine", "Policy", public));
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));
    assert!(error.message.ends_with("because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."));
    // Limited to one endpoint it is not public.
    let limited = public.replace(
        "\"Resource\"",
        "\"Condition\":{\"StringEquals\":{\"aws:SourceVpce\":\"vpce-0123456789abcdef0\"}},\"Resource\"",
    );
    s3(&world, "PutBucketPolicy", with("mine", "Policy", limited));
    let status = s3(&world, "GetBucketPolicyStatus", bucket("mine"));
    assert_eq!(
        status.get("PolicyStatus").get("IsPublic").bool(),
        Some(false)
    );
    s3(&world, "DeletePublicAccessBlock", bucket("mine"));
    assert_eq!(
        refused(&world, "GetPublicAccessBlock", bucket("mine")).code,
        "NoSuchPublicAccessBlockConfiguration"
    );
    s3(&world, "PutBucketPolicy", with("mine", "Policy", public));
    let status = s3(&world, "GetBucketPolicyStatus", bucket("mine"));
    assert_eq!(
        status.get("PolicyStatus").get("IsPublic").bool(),
        Some(true)
    );
}

#[test]
fn settings_that_were_never_made() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    assert!(
        s3(&world, "GetBucketVersioning", bucket("mine"))
            .get("Status")
            .is_null()
    );
    let ownership = s3(&world, "GetBucketOwnershipControls", bucket("mine"));
    let rule = one(ownership.get("OwnershipControls"), "Rules").clone();
    assert_eq!(text(&rule, "ObjectOwnership"), "BucketOwnerEnforced");
    let block = s3(&world, "GetPublicAccessBlock", bucket("mine"));
    let block = block.get("PublicAccessBlockConfiguration");
    assert!(
        block
            .map()
            .unwrap()
            .iter()
            .all(|(_, on)| on.bool() == Some(true))
    );
    s3(&world, "DeleteBucketOwnershipControls", bucket("mine"));
    for (name, code) in [
        (
            "GetBucketOwnershipControls",
            "OwnershipControlsNotFoundError",
        ),
        ("GetBucketTagging", "NoSuchTagSet"),
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        (
            "GetBucketLifecycleConfiguration",
            "NoSuchLifecycleConfiguration",
        ),
        (
            "GetBucketEncryption",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
    ] {
        let error = refused(&world, name, bucket("mine"));
        assert_eq!((error.code.as_ref(), error.status), (code, 404), "{name}");
        assert_eq!(field(&error, "BucketName"), Some("mine"));
    }
}

#[test]
fn documents_come_back_as_they_were_given() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let cors = map! { "CORSRules" => list![map! {
        "ID" => "one", "AllowedMethods" => list!["GET", "PUT"], "AllowedOrigins" => list!["https://*.example.com"],
        "AllowedHeaders" => list!["*"], "ExposeHeaders" => list!["ETag"], "MaxAgeSeconds" => 60i64,
    }]};
    s3(
        &world,
        "PutBucketCors",
        with("mine", "CORSConfiguration", cors.clone()),
    );
    assert_eq!(s3(&world, "GetBucketCors", bucket("mine")), cors);
    let rule = map! {
        "ID" => "old", "Status" => "Enabled",
        "Filter" => map! { "Tag" => map! { "Key" => "a", "Value" => "b" } },
        "Expiration" => map! { "Date" => Value::Time { millis: 1_900_022_400_000 } },
    };
    let rules = map! { "Rules" => list![rule.clone(), map! { "Status" => "Disabled", "Prefix" => "x", "Expiration" => map! { "Days" => 3i64 } }] };
    s3(
        &world,
        "PutBucketLifecycleConfiguration",
        with("mine", "LifecycleConfiguration", rules),
    );
    let got = s3(&world, "GetBucketLifecycleConfiguration", bucket("mine"));
    let got = got.get("Rules").list();
    assert_eq!(got[0], rule);
    assert!(
        got[1].get("ID").str().is_some_and(|id| !id.is_empty()),
        "a rule without an id gets one"
    );
    assert_eq!(got[1].get("Expiration").get("Days").int(), Some(3));
}

#[test]
fn bad_settings() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let cors = |rule: Value| {
        with(
            "mine",
            "CORSConfiguration",
            map! { "CORSRules" => list![rule] },
        )
    };
    let rule = |member: &'static str, value: Value| {
        let mut rule =
            map! { "Status" => "Enabled", "Prefix" => "", "Expiration" => map! { "Days" => 1i64 } };
        rule.map_mut().unwrap().insert(member, value);
        rule
    };
    let lifecycle =
        |rules: Value| with("mine", "LifecycleConfiguration", map! { "Rules" => rules });
    let encryption = |algorithm: &str| {
        let rule =
            map! { "ApplyServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => algorithm } };
        with(
            "mine",
            "ServerSideEncryptionConfiguration",
            map! { "Rules" => list![rule] },
        )
    };
    let tagging = |tags: Value| with("mine", "Tagging", map! { "TagSet" => tags });
    let tag = |key: &str| map! { "Key" => key, "Value" => "" };
    for (name, input, code) in [
        (
            "PutBucketVersioning",
            with("mine", "VersioningConfiguration", map! {}),
            "IllegalVersioningConfigurationException",
        ),
        (
            "PutBucketVersioning",
            with("mine", "VersioningConfiguration", map! { "Status" => "On" }),
            "MalformedXML",
        ),
        (
            "PutBucketVersioning",
            with(
                "mine",
                "VersioningConfiguration",
                map! { "Status" => "Enabled", "MFADelete" => "Enabled" },
            ),
            "NotImplemented",
        ),
        (
            "PutBucketTagging",
            tagging(list![tag("a"), tag("a")]),
            "InvalidTag",
        ),
        (
            "PutBucketTagging",
            tagging(list![tag("aws:a")]),
            "InvalidTag",
        ),
        ("PutBucketTagging", tagging(list![tag("")]), "InvalidTag"),
        (
            "PutBucketTagging",
            tagging((0..51).map(|n| tag(&n.to_string())).collect()),
            "BadRequest",
        ),
        (
            "PutBucketOwnershipControls",
            with("mine", "OwnershipControls", map! { "Rules" => list![] }),
            "MalformedXML",
        ),
        (
            "PutBucketCors",
            cors(map! { "AllowedMethods" => list!["PATCH"], "AllowedOrigins" => list!["*"] }),
            "InvalidRequest",
        ),
        (
            "PutBucketCors",
            cors(map! { "AllowedMethods" => list!["GET"], "AllowedOrigins" => list!["*.*"] }),
            "InvalidRequest",
        ),
        (
            "PutBucketCors",
            cors(map! { "AllowedMethods" => list!["GET"] }),
            "MalformedXML",
        ),
        (
            "PutBucketCors",
            with("mine", "CORSConfiguration", map! { "CORSRules" => list![] }),
            "MalformedXML",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![]),
            "MalformedXML",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("Status", "On".into())]),
            "MalformedXML",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("Filter", map! { "Prefix" => "" })]),
            "MalformedXML",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("Expiration", Value::Null)]),
            "InvalidRequest",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("Expiration", map! { "Days" => 0i64 })]),
            "InvalidArgument",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("Expiration", map! {})]),
            "MalformedXML",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule(
                "Transitions",
                list![map! { "Days" => 1i64, "StorageClass" => "GLACIER" }]
            )]),
            "NotImplemented",
        ),
        (
            "PutBucketLifecycleConfiguration",
            lifecycle(list![rule("ID", "a".into()), rule("ID", "a".into())]),
            "InvalidArgument",
        ),
        (
            "PutBucketEncryption",
            encryption("aws:kms"),
            "NotImplemented",
        ),
        ("PutBucketEncryption", encryption("rot13"), "MalformedXML"),
        (
            "PutBucketAcl",
            with("mine", "ACL", "public-read"),
            "AccessControlListNotSupported",
        ),
        (
            "PutBucketAcl",
            with(
                "mine",
                "GrantRead",
                "uri=http://acs.amazonaws.com/groups/global/AllUsers",
            ),
            "AccessControlListNotSupported",
        ),
    ] {
        assert_eq!(
            refused(&world, name, input.clone()).code,
            code,
            "{name} {input:?}"
        );
    }
}

#[test]
fn an_acl_gives_the_owner_everything() {
    let world = World::new();
    s3(&world, "CreateBucket", bucket("mine"));
    let acl = s3(&world, "GetBucketAcl", bucket("mine"));
    let id = text(acl.get("Owner"), "ID");
    assert_eq!(id.len(), 64);
    let grant = one(&acl, "Grants").clone();
    assert_eq!(
        (text(&grant, "Permission"), text(grant.get("Grantee"), "ID")),
        ("FULL_CONTROL".into(), id)
    );
    // What is so already may be said.
    s3(
        &world,
        "PutBucketAcl",
        with("mine", "AccessControlPolicy", acl),
    );
    let rules = map! { "Rules" => list![map! { "ObjectOwnership" => "ObjectWriter" }] };
    s3(
        &world,
        "PutBucketOwnershipControls",
        with("mine", "OwnershipControls", rules),
    );
    s3(&world, "PutBucketAcl", with("mine", "ACL", "private"));
    assert_eq!(
        refused(&world, "PutBucketAcl", with("mine", "ACL", "public-read")).code,
        "AccessDenied"
    );
    s3(&world, "DeletePublicAccessBlock", bucket("mine"));
    s3(&world, "PutBucketAcl", with("mine", "ACL", "public-read"));
    let acl = s3(&world, "GetBucketAcl", bucket("mine"));
    assert_eq!(each(&acl, "Grants", "Permission"), ["FULL_CONTROL", "READ"]);
    // What is shown can be said again; a list that grants others something keeps ACLs on.
    s3(
        &world,
        "PutBucketAcl",
        with("mine", "AccessControlPolicy", acl),
    );
    let enforced = || {
        let rules = map! { "Rules" => list![map! { "ObjectOwnership" => "BucketOwnerEnforced" }] };
        with("mine", "OwnershipControls", rules)
    };
    assert_eq!(
        refused(&world, "PutBucketOwnershipControls", enforced()).code,
        "InvalidBucketAclWithObjectOwnership"
    );
    for (input, code) in [
        (bucket("mine"), "MissingSecurityHeader"),
        (with("mine", "GrantRead", "id=nobody"), "InvalidArgument"),
        (with("mine", "ACL", "aws-exec-read"), "NotImplemented"),
    ] {
        assert_eq!(refused(&world, "PutBucketAcl", input).code, code);
    }
    s3(&world, "PutBucketAcl", with("mine", "ACL", "private"));
    s3(&world, "PutBucketOwnershipControls", enforced());
    assert_eq!(
        refused(&world, "PutBucketAcl", with("mine", "ACL", "public-read")).code,
        "AccessControlListNotSupported"
    );
}

#[test]
fn lists_have_pages_and_prefixes() {
    let world = World::new();
    for n in 0..5 {
        s3(&world, "CreateBucket", bucket(&format!("bucket-{n}")));
    }
    s3(&world, "CreateBucket", bucket("other"));
    let all = s3(&world, "ListBuckets", map! {});
    assert_eq!(all.get("Buckets").list().len(), 6);
    assert_eq!(text(all.get("Owner"), "ID").len(), 64);
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let page = s3(
            &world,
            "ListBuckets",
            map! { "Prefix" => "bucket-", "MaxBuckets" => 2i64, "ContinuationToken" => token },
        );
        assert_eq!(
            text(&page.get("Buckets").list()[0], "BucketRegion"),
            "us-east-1"
        );
        seen.extend(each(&page, "Buckets", "Name"));
        token = page.get("ContinuationToken").str().map(str::to_string);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(
        seen,
        ["bucket-0", "bucket-1", "bucket-2", "bucket-3", "bucket-4"]
    );
    let error = refused(
        &world,
        "ListBuckets",
        map! { "ContinuationToken" => "no token!" },
    );
    assert_eq!(
        (error.code.as_ref(), field(&error, "ArgumentName")),
        ("InvalidArgument", Some("continuation-token"))
    );
}

#[test]
fn s3_is_not_served_without_its_front_door() {
    let world = World::new();
    let snapshot = adit_api::Planes::snapshot(&*world.planes);
    let caller = Caller::of(snapshot.key(ROOT).unwrap());
    let parts = adit_wire::Parts {
        method: "PUT",
        path: "/mine",
        query: "",
        headers: adit_wire::Headers(&[]),
        body: b"",
    };
    let reply = world.serve(adit_api::Request {
        service: Service::S3,
        parts,
        caller,
        region: "us-east-1".parse().unwrap(),
        now: 0,
    });
    assert_eq!(reply.status, 400);
    assert_eq!(world.intent().buckets.size(), 0);
}

#[test]
fn object_lock_comes_with_versions_and_stays() {
    let world = World::new();
    let rule = |retention: Value| {
        with(
            "plain",
            "ObjectLockConfiguration",
            map! {
                "ObjectLockEnabled" => "Enabled",
                "Rule" => map! { "DefaultRetention" => retention },
            },
        )
    };
    let versioning = |name: &str, status: &str| {
        with(name, "VersioningConfiguration", map! { "Status" => status })
    };
    s3(&world, "CreateBucket", bucket("plain"));
    s3(
        &world,
        "CreateBucket",
        with("locks", "ObjectLockEnabledForBucket", true),
    );
    let shown = s3(&world, "GetBucketVersioning", bucket("locks"));
    assert_eq!(shown.get("Status").str(), Some("Enabled"));
    let shown = s3(&world, "GetObjectLockConfiguration", bucket("locks"));
    let shown = shown.get("ObjectLockConfiguration");
    assert_eq!(shown.get("ObjectLockEnabled").str(), Some("Enabled"));
    assert!(shown.get("Rule").is_null());
    let suspended = refused(
        &world,
        "PutBucketVersioning",
        versioning("locks", "Suspended"),
    );
    assert_eq!(
        (suspended.code.as_ref(), suspended.status),
        ("InvalidBucketState", 409)
    );
    s3(
        &world,
        "PutBucketVersioning",
        versioning("locks", "Enabled"),
    );

    let days = |mode: &str, days: i64| rule(map! { "Mode" => mode, "Days" => days });
    let early = refused(&world, "PutObjectLockConfiguration", days("GOVERNANCE", 1));
    assert_eq!(
        (early.code.as_ref(), early.status),
        ("InvalidBucketState", 409)
    );
    s3(
        &world,
        "PutBucketVersioning",
        versioning("plain", "Enabled"),
    );
    let both = map! { "Mode" => "GOVERNANCE", "Days" => 1, "Years" => 1 };
    let years = |years: i64| rule(map! { "Mode" => "COMPLIANCE", "Years" => years });
    for (input, code) in [
        (days("abc", 1), "MalformedXML"),
        (rule(both), "MalformedXML"),
        (rule(map! { "Mode" => "GOVERNANCE" }), "MalformedXML"),
        (rule(map! { "Days" => 1 }), "MalformedXML"),
        (bucket("plain"), "MalformedXML"),
        (
            with(
                "plain",
                "ObjectLockConfiguration",
                map! { "ObjectLockEnabled" => "Disabled" },
            ),
            "MalformedXML",
        ),
        (days("GOVERNANCE", 0), "InvalidRetentionPeriod"),
        (days("GOVERNANCE", 36_501), "InvalidRetentionPeriod"),
        (years(-1), "InvalidRetentionPeriod"),
        (years(101), "InvalidRetentionPeriod"),
    ] {
        let why = refused(&world, "PutObjectLockConfiguration", input.clone());
        assert_eq!((why.code.as_ref(), why.status), (code, 400), "{input:?}");
    }
    let none = refused(&world, "GetObjectLockConfiguration", bucket("plain"));
    assert_eq!(none.code, "ObjectLockConfigurationNotFoundError");
    let default = |world: &World| {
        let shown = s3(world, "GetObjectLockConfiguration", bucket("plain"));
        let rule = shown.get("ObjectLockConfiguration").get("Rule").clone();
        let default = rule.get("DefaultRetention");
        (default.get("Days").int(), default.get("Years").int())
    };
    s3(
        &world,
        "PutObjectLockConfiguration",
        days("GOVERNANCE", 36_500),
    );
    assert_eq!(default(&world), (Some(36_500), None));
    s3(&world, "PutObjectLockConfiguration", years(100));
    assert_eq!(default(&world), (None, Some(100)));
    // Without its rule, but never without Object Lock.
    let bare = map! { "ObjectLockEnabled" => "Enabled" };
    let bare = with("plain", "ObjectLockConfiguration", bare);
    s3(&world, "PutObjectLockConfiguration", bare);
    assert_eq!(default(&world), (None, None));
    let suspended = refused(
        &world,
        "PutBucketVersioning",
        versioning("plain", "Suspended"),
    );
    assert_eq!(suspended.code, "InvalidBucketState");
}
