//! Condition keys by the path of a request, and the policies that the S3 and VPC guides print.

use adit_policy::PolicyKind;

use crate::scene::*;

const GET: &str = "s3:GetObject";
const KEY: &str = "arn:aws:s3:::b/k";

const INTERNET: [(&str, &str); 1] = [("aws:SourceIp", "203.0.113.9")];
const INTERNET_ELSEWHERE: [(&str, &str); 1] = [("aws:SourceIp", "198.51.100.9")];
const ENDPOINT: [(&str, &str); 3] = [
    ("aws:SourceVpce", "vpce-1a2b3c4d"),
    ("aws:SourceVpc", "vpc-111bbb22"),
    ("aws:VpcSourceIp", "172.31.5.6"),
];
const OTHER_ENDPOINT: [(&str, &str); 3] = [
    ("aws:SourceVpce", "vpce-9z9z9z9z"),
    ("aws:SourceVpc", "vpc-999zzz99"),
    ("aws:VpcSourceIp", "10.0.0.1"),
];

/// Outcomes for: the internet within a range, the internet elsewhere, the endpoint, another.
fn by_path(effect: &str, condition: &str) -> [bool; 4] {
    let statement = format!(
        r#"{{"Effect":"{effect}","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{condition}}}"#
    );
    let scene = || {
        let scene = Scene::new().bucket(&statement);
        if effect == "Deny" {
            scene.identity(ALLOW_ALL)
        } else {
            scene
        }
    };
    [
        &INTERNET[..],
        &INTERNET_ELSEWHERE,
        &ENDPOINT,
        &OTHER_ENDPOINT,
    ]
    .map(|path| scene().ask(ANA, GET, KEY, path) == "allow")
}

#[test]
fn each_fragment_by_path() {
    for (effect, condition, allowed) in [
        (
            "Deny",
            r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
            [true, false, false, false],
        ),
        (
            "Deny",
            r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
            [false, true, true, true],
        ),
        (
            "Allow",
            r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
            [false; 4],
        ),
        (
            "Deny",
            r#"{"NotIpAddress":{"aws:VpcSourceIp":"172.31.0.0/16"}}"#,
            [false, false, true, false],
        ),
        (
            "Deny",
            r#"{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}"#,
            [false, false, true, false],
        ),
        (
            "Deny",
            r#"{"StringNotEquals":{"aws:sourceVpc":"vpc-111bbb22"}}"#,
            [false, false, true, false],
        ),
        (
            "Deny",
            r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-111bbb22"}}"#,
            [false, false, true, false],
        ),
        (
            "Deny",
            r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-111bbb22"},"Null":{"aws:SourceVpc":"false"}}"#,
            [true, true, true, false],
        ),
        (
            "Allow",
            r#"{"StringEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}"#,
            [false, false, true, false],
        ),
    ] {
        assert_eq!(by_path(effect, condition), allowed, "{effect} {condition}");
    }
}

#[test]
fn keys_that_follow_from_the_request() {
    let holds = |condition: &str| condition_holds(condition, &[]);
    assert!(holds(
        r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/ana"}}"#
    ));
    assert!(holds(
        r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#
    ));
    assert!(holds(r#"{"StringEquals":{"aws:PrincipalType":"User"}}"#));
    assert!(holds(r#"{"StringEquals":{"aws:username":"ana"}}"#));
    assert!(holds(
        r#"{"StringEquals":{"aws:ResourceAccount":"111122223333"}}"#
    ));
    assert!(holds(
        r#"{"StringEquals":{"s3:ResourceAccount":"111122223333"}}"#
    ));
    assert!(holds(
        r#"{"Bool":{"aws:ViaAWSService":"false","aws:PrincipalIsAWSService":"false"}}"#
    ));
    // A value in the context wins.
    let other = [("aws:username", "bob")];
    assert!(condition_holds(
        r#"{"StringEquals":{"aws:username":"bob"}}"#,
        &other
    ));
    // The two clocks follow from each other.
    let now = [("aws:CurrentTime", "2026-01-01T00:00:00Z")];
    assert!(condition_holds(
        r#"{"NumericEquals":{"aws:EpochTime":"1767225600"}}"#,
        &now
    ));
    let epoch = [("aws:EpochTime", "1767225600")];
    assert!(condition_holds(
        r#"{"StringEquals":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}"#,
        &epoch
    ));
    // Nobody has no ARN and no account.
    let scene = Scene::new().bucket(
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*",
            "Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::1:user/x"},
            "Null":{"aws:PrincipalAccount":"true"},"StringEquals":{"aws:PrincipalType":"Anonymous"}}}"#,
    );
    assert_eq!(scene.ask(ANONYMOUS, GET, KEY, &[]), "allow");
    assert_eq!(scene.ask(ANA, GET, KEY, &[]), "implicit:identity");
    // The role's ARN, not the session's.
    let role = Scene::new().identity(
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/dev"}}}"#,
    );
    assert_eq!(role.ask(SESSION, GET, KEY, &[]), "allow");
}

/// The PrivateLink guide's endpoint policy for one bucket: two actions, so that listing fails.
#[test]
fn an_endpoint_policy_for_one_bucket() {
    let text = r#"{"Statement":[{"Sid":"Access-to-specific-bucket-only","Principal":"*",
        "Action":["s3:GetObject","s3:PutObject"],"Effect":"Allow",
        "Resource":["arn:aws:s3:::DOC-EXAMPLE-BUCKET1","arn:aws:s3:::DOC-EXAMPLE-BUCKET1/*"]}]}"#;
    for (bucket, kind) in [
        ("DOC-EXAMPLE-BUCKET1", PolicyKind::S3_INTERFACE),
        ("my_secure_bucket", PolicyKind::S3_GATEWAY),
    ] {
        let text = text.replace("DOC-EXAMPLE-BUCKET1", bucket);
        let scene = Scene::new().identity(ALLOW_ALL).endpoint(&text, kind);
        let object = format!("arn:aws:s3:::{bucket}/a/b");
        let ask = |action, resource: &str| scene.ask(ANA, action, resource, &ENDPOINT);
        assert_eq!(ask(GET, &object), "allow");
        assert_eq!(ask("s3:PutObject", &object), "allow");
        assert_eq!(ask("s3:GetObjectVersion", &object), "implicit:vpc-endpoint");
        assert_eq!(ask("s3:DeleteObject", &object), "implicit:vpc-endpoint");
        assert_eq!(
            ask("s3:ListBucket", &format!("arn:aws:s3:::{bucket}")),
            "implicit:vpc-endpoint"
        );
        assert_eq!(ask(GET, "arn:aws:s3:::other/k"), "implicit:vpc-endpoint");
    }
}

/// The later form adds listing.
#[test]
fn an_endpoint_policy_for_one_bucket_with_listing() {
    let scene = Scene::new().identity(ALLOW_ALL).gateway(
        r#"{"Sid":"Allow-access-to-specific-bucket","Effect":"Allow","Principal":"*",
            "Action":["s3:ListBucket","s3:GetObject","s3:PutObject"],
            "Resource":["arn:aws:s3:::bucket_name","arn:aws:s3:::bucket_name/*"]}"#,
    );
    assert_eq!(
        scene.ask(ANA, "s3:ListBucket", "arn:aws:s3:::bucket_name", &ENDPOINT),
        "allow"
    );
    assert_eq!(
        scene.ask(ANA, GET, "arn:aws:s3:::bucket_name/k", &ENDPOINT),
        "allow"
    );
}

/// Only buckets of one account: printed as a Deny alone, which allows nothing by itself.
#[test]
fn an_endpoint_policy_for_one_account() {
    let deny = r#"{"Sid":"Access-to-bucket-in-specific-account-only","Principal":"*",
        "Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],"Effect":"Deny","Resource":"arn:aws:s3:::*",
        "Condition":{"StringNotEquals":{"s3:ResourceAccount":"111122223333"}}}"#;
    let alone = Scene::new().identity(ALLOW_ALL).interface(deny);
    assert_eq!(alone.ask(ANA, GET, KEY, &ENDPOINT), "implicit:vpc-endpoint");
    let both = Scene::new()
        .identity(ALLOW_ALL)
        .interface(&format!("{deny},{ANYONE_ALL}"));
    assert_eq!(both.ask(ANA, GET, KEY, &ENDPOINT), "allow");
    let elsewhere = [ENDPOINT[0], ("s3:ResourceAccount", OTHER)];
    assert_eq!(both.ask(ANA, GET, KEY, &elsewhere), "explicit:vpc-endpoint");
}

/// Bucket policies that let only one endpoint, one VPC or one range in.
#[test]
fn bucket_policies_that_restrict_the_path() {
    for (action, condition) in [
        (
            r#""s3:*""#,
            r#"{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}"#,
        ),
        (
            r#""s3:*""#,
            r#"{"StringNotEquals":{"aws:sourceVpc":"vpc-111bbb22"}}"#,
        ),
        (
            r#"["s3:PutObject","s3:GetObject","s3:DeleteObject"]"#,
            r#"{"StringNotEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}}"#,
        ),
        (
            r#"["s3:PutObject","s3:GetObject","s3:DeleteObject"]"#,
            r#"{"NotIpAddress":{"aws:VpcSourceIp":"172.31.0.0/16"}}"#,
        ),
    ] {
        let statement = format!(
            r#"{{"Sid":"Allow-access-to-specific-VPCE","Principal":"*","Action":{action},"Effect":"Deny",
                "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{condition}}}"#
        );
        let scene = Scene::new().identity(ALLOW_ALL).bucket(&statement);
        assert_eq!(scene.ask(ANA, GET, KEY, &ENDPOINT), "allow", "{condition}");
        for path in [&INTERNET[..], &OTHER_ENDPOINT] {
            assert_eq!(
                scene.ask(ANA, GET, KEY, path),
                "explicit:resource",
                "{condition}"
            );
        }
        // Nobody without identity policy gets in by a Deny.
        let alone = Scene::new().bucket(&statement);
        assert_eq!(alone.ask(ANA, GET, KEY, &ENDPOINT), "implicit:identity");
        let repair = scene.ask(ANA, "s3:PutBucketPolicy", "arn:aws:s3:::b", &INTERNET);
        assert_eq!(repair == "allow", action.starts_with('['), "{action}");
    }
}

/// The repositories of an operating system, with a wildcard inside the bucket's name.
#[test]
fn an_endpoint_policy_for_repositories() {
    let text = r#"{"Statement":[{"Sid":"AmazonLinuxAMIRepositoryAccess","Principal":"*","Action":["s3:GetObject"],
        "Effect":"Allow","Resource":["arn:aws:s3:::packages.*.amazonaws.com/*","arn:aws:s3:::repo.*.amazonaws.com/*"]}]}"#;
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .endpoint(text, PolicyKind::S3_GATEWAY);
    for (resource, outcome) in [
        (
            "arn:aws:s3:::packages.eu-west-1.amazonaws.com/2018/x.rpm",
            "allow",
        ),
        ("arn:aws:s3:::repo.eu-west-1.amazonaws.com/x", "allow"),
        ("arn:aws:s3:::repo.amazonaws.com/x", "implicit:vpc-endpoint"),
        (
            "arn:aws:s3:::packages.eu-west-1.amazonaws.com",
            "implicit:vpc-endpoint",
        ),
    ] {
        assert_eq!(
            scene.ask(ANA, GET, resource, &ENDPOINT),
            outcome,
            "{resource}"
        );
    }
}

/// Callers of one account or one role, through the endpoint, whatever they do.
#[test]
fn endpoint_policies_for_callers() {
    let statement =
        |condition: &str| ANYONE_ALL.replacen('{', &format!(r#"{{"Condition":{condition},"#), 1);
    let account = statement(r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#);
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .bucket(ANYONE_ALL)
        .gateway(&account);
    assert_eq!(scene.ask(ANA, GET, KEY, &ENDPOINT), "allow");
    assert_eq!(
        scene.ask(STRANGER, GET, KEY, &ENDPOINT),
        "implicit:vpc-endpoint"
    );
    assert_eq!(
        scene.ask(ANONYMOUS, GET, KEY, &ENDPOINT),
        "implicit:vpc-endpoint"
    );
    let role =
        statement(r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/dev"}}"#);
    let scene = Scene::new().identity(ALLOW_ALL).gateway(&role);
    assert_eq!(scene.ask(SESSION, GET, KEY, &ENDPOINT), "allow");
    assert_eq!(scene.ask(ANA, GET, KEY, &ENDPOINT), "implicit:vpc-endpoint");
}

/// Topics and keys that trust the endpoint service's notifications.
#[test]
fn resource_policies_for_notifications() {
    for (action, asked, resource) in [
        (
            r#""SNS:Publish""#,
            "sns:Publish",
            "arn:aws:sns:eu-west-1:111122223333:topic",
        ),
        (
            r#"["kms:GenerateDataKey*","kms:Decrypt"]"#,
            "kms:GenerateDataKeyPair",
            "arn:aws:kms:eu-west-1:111122223333:key/k",
        ),
    ] {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"vpce.amazonaws.com"}},
                "Action":{action},"Resource":"{resource}",
                "Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:ec2:eu-west-1:111122223333:vpc-endpoint/vpce-1"}},
                "StringEquals":{{"aws:SourceAccount":"111122223333"}}}}}}]}}"#
        );
        let scene = Scene::new().resource(&text, PolicyKind::Resource);
        let from = [
            (
                "aws:SourceArn",
                "arn:aws:ec2:eu-west-1:111122223333:vpc-endpoint/vpce-1",
            ),
            ("aws:SourceAccount", OWNER),
        ];
        assert_eq!(
            scene.ask("vpce.amazonaws.com", asked, resource, &from),
            "allow"
        );
        assert_eq!(
            scene.ask("vpce.amazonaws.com", asked, resource, &from[..1]),
            "implicit:resource"
        );
        assert_eq!(
            scene.ask("ec2.amazonaws.com", asked, resource, &from),
            "implicit:resource"
        );
    }
}

/// The default: everybody, everything, foreign buckets included.
#[test]
fn the_default_endpoint_policy() {
    let text = r#"{"Statement":[{"Action":"*","Effect":"Allow","Resource":"*","Principal":"*"}]}"#;
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .bucket(ANYONE_ALL)
        .endpoint(text, PolicyKind::S3_GATEWAY);
    for caller in [ANA, STRANGER, SESSION, ROOT, ANONYMOUS] {
        assert_eq!(scene.ask(caller, GET, KEY, &ENDPOINT), "allow", "{caller}");
    }
}

#[test]
fn policies_say_which_keys_they_ask_for() {
    use adit_policy::{Layers, keys};
    let text = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*",
            "Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"open"},"Null":{"AWS:sourcevpce":"false"}}}"#,
    );
    let policy = std::sync::Arc::new(compile(&text, PolicyKind::Identity));
    let layers = Layers {
        boundary: Some(std::slice::from_ref(&policy)),
        ..Layers::default()
    };
    for (key, mentioned) in [
        (keys::S3_EXISTING_OBJECT_TAG, true),
        (keys::SOURCE_VPCE, true),
        (keys::USER_NAME, true),
        (keys::SOURCE_VPC, false),
    ] {
        assert_eq!(policy.mentions(key), mentioned, "{key:?}");
        assert_eq!(layers.mention(key), mentioned, "{key:?}");
        assert!(!Layers::default().mention(key));
    }
}
