//! Decisions in words: AWS's messages and plain sentences.

use adit_policy::{
    Context, Layers, Policy, PolicyKind, Principal, Request, Trace, decide, message,
};

use crate::scene::*;

const GET: &str = "s3:GetObject";
const KEY: &str = "arn:aws:s3:::b/k";

fn told(scene: &Scene, caller: &str) -> String {
    scene
        .tell(&Principal::parse(caller).unwrap(), GET, KEY, &[])
        .1
}

fn long(caller: &str, reason: &str) -> String {
    format!(
        "User: {caller} is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/k\" {reason}"
    )
}

#[test]
fn each_cause_has_its_clause() {
    let deny = ALLOW_ALL.replace("Allow", "Deny");
    let deny_anyone = ANYONE_ALL.replace("Allow", "Deny");
    let other = ALLOW_ALL.replace(r#""Action":"*""#, r#""Action":"s3:PutObject""#);
    let other_anyone = ANYONE_ALL.replace(r#""Action":"*""#, r#""Action":"s3:PutObject""#);
    let scene = || Scene::new().identity(ALLOW_ALL);
    let delegates = ANYONE_ALL.replace(r#""*","Action""#, r#"{"AWS":"111122223333"},"Action""#);
    for (scene, reason) in [
        (
            scene().interface(&deny_anyone),
            "with an explicit deny in a VPC endpoint policy",
        ),
        (
            scene().interface(&other_anyone),
            "because no VPC endpoint policy allows the s3:GetObject action",
        ),
        (
            scene().bucket(&deny_anyone),
            "with an explicit deny in a resource-based policy",
        ),
        (
            scene().identity(&deny),
            "with an explicit deny in an identity-based policy",
        ),
        (
            Scene::new().identity(&other),
            "because no identity-based policy allows the s3:GetObject action",
        ),
        (
            Scene::new().bucket(&delegates),
            "because no identity-based policy allows the s3:GetObject action",
        ),
        (
            scene().boundary(&deny),
            "with an explicit deny in a permissions boundary",
        ),
        (
            scene().boundary(&other),
            "because no permissions boundary allows the s3:GetObject action",
        ),
        (
            scene().session(&deny),
            "with an explicit deny in a session policy",
        ),
        (
            scene().session(&other),
            "because no session policy allows the s3:GetObject action",
        ),
        (
            scene().scp(&deny),
            "with an explicit deny in a service control policy",
        ),
        (
            scene().scp(&other),
            "because no service control policy allows the s3:GetObject action",
        ),
        (
            scene().rcp(&deny_anyone),
            "with an explicit deny in a resource control policy",
        ),
    ] {
        assert_eq!(told(&scene, ANA), long(ANA, reason));
    }
    let both = scene().interface(&deny_anyone).bucket(&deny_anyone);
    assert_eq!(
        told(&both, ANA),
        long(ANA, "with an explicit deny in a VPC endpoint policy")
    );
    let explicit_first = Scene::new().interface(&other_anyone).bucket(&deny_anyone);
    assert_eq!(
        told(&explicit_first, ANA),
        long(ANA, "with an explicit deny in a resource-based policy")
    );
    let session = Scene::new();
    assert_eq!(
        told(&session, SESSION),
        long(
            SESSION,
            "because no identity-based policy allows the s3:GetObject action"
        )
    );
    assert_eq!(told(&Scene::new().identity(ALLOW_ALL), ANA), "");
}

#[test]
fn strangers_are_told_little() {
    assert_eq!(told(&Scene::new(), ANONYMOUS), "Access Denied");
    assert_eq!(told(&Scene::new(), STRANGER), "Access Denied");
    assert_eq!(told(&Scene::new(), "vpce.amazonaws.com"), "Access Denied");
}

#[test]
fn an_organisation_is_told_except_by_endpoints() {
    let endpoint = std::sync::Arc::new(compile(
        &policy(&ANYONE_ALL.replace("Allow", "Deny")),
        PolicyKind::S3_INTERFACE,
    ));
    let principal = Principal::parse(STRANGER).unwrap();
    let request = Request {
        principal: &principal,
        action: GET.into(),
        resource: KEY,
        resource_account: Some(OWNER),
        context: &Context::new(),
    };
    let without = Layers::default();
    let decision = decide(&without, &request, None);
    let text = message(&decision, &without, &request, true);
    assert_eq!(
        text,
        long(
            STRANGER,
            "because no identity-based policy allows the s3:GetObject action"
        )
    );
    let through = Layers {
        endpoint: Some(std::slice::from_ref(&endpoint)),
        ..without
    };
    let decision = decide(&through, &request, None);
    assert_eq!(
        message(&decision, &through, &request, true),
        "Access Denied"
    );
}

#[test]
fn sentences_name_the_nearest_misses() {
    let scene = Scene::new().identity(ALLOW_ALL).interface(
        r#"{"Sid":"Reports","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}},
           {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::c/*"}"#,
    );
    let ana = Principal::parse(ANA).unwrap();
    let (_, _, sentences) = scene.tell(&ana, GET, KEY, &[("aws:SourceVpce", "vpce-2")]);
    assert_eq!(
        sentences,
        [
            format!("{ANA} may not do s3:GetObject on {KEY}."),
            "The VPC endpoint policy has no statement that allows it.".to_owned(),
            "Statement 0 (`Reports`) would allow it, but its Condition wants StringEquals aws:SourceVpce \
             `vpce-1`, and the request has `vpce-2`."
                .to_owned(),
            "Statement 1 does not apply: its Resource is `arn:aws:s3:::c/*`, the request's is \
             `arn:aws:s3:::b/k`."
                .to_owned(),
        ]
    );
    let (_, _, sentences) = scene.tell(&ana, GET, KEY, &[]);
    assert!(
        sentences[2].ends_with("and the request has no such key."),
        "{sentences:?}"
    );
    let (_, _, sentences) = scene.tell(&ana, GET, KEY, &[("aws:SourceVpce", "vpce-1")]);
    assert_eq!(
        sentences,
        [
            format!("{ANA} may do s3:GetObject on {KEY}."),
            "The VPC endpoint policy allows it by statement 0 (`Reports`).".to_owned(),
            "The identity-based policy allows it by statement 0.".to_owned(),
        ]
    );
}

#[test]
fn sentences_say_which_absent_key_made_a_deny_apply() {
    let scene = Scene::new().identity(ALLOW_ALL).bucket(
        r#"{"Sid":"OnlyEndpoint","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringNotEquals":{"aws:sourceVpce":"vpce-1"}}}"#,
    );
    let ana = Principal::parse(ANA).unwrap();
    let (_, _, sentences) = scene.tell(&ana, GET, KEY, &[]);
    assert_eq!(
        sentences[1],
        "The resource policy forbids it by statement 0 (`OnlyEndpoint`), which applies although (or \
         because) the request has no `aws:sourceVpce`."
    );
    let (_, _, sentences) = scene.tell(&ana, GET, KEY, &[("aws:sourceVpce", "vpce-2")]);
    assert_eq!(
        sentences[1],
        "The resource policy forbids it by statement 0 (`OnlyEndpoint`)."
    );
}

#[test]
fn traces_name_the_first_element_that_failed() {
    let text = policy(
        r#"{"Sid":"P","Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"*"},
           {"Sid":"A","Effect":"Deny","Principal":"*","Action":["s3:PutObject","s3:Put*"],"Resource":"*"},
           {"Sid":"R","Effect":"Allow","Principal":"*","Action":"s3:*","NotResource":"arn:aws:s3:::b/*"},
           {"Sid":"C","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*",
            "Condition":{"ForAnyValue:ArnEqualsIfExists":{"AWS:TagKeys":["x"]},"Null":{"s3:prefix":"false"}}},
           {"Sid":"M","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#,
    );
    let policy = compile(&text, PolicyKind::Bucket);
    let principal = Principal::parse(ANA).unwrap();
    let tags = ["a", "b"];
    let mut context = Context::new();
    context.set(adit_policy::keys::TAG_KEYS, &tags[..]);
    let request = Request {
        principal: &principal,
        action: GET.into(),
        resource: KEY,
        resource_account: Some(OWNER),
        context: &context,
    };
    let layers = Layers {
        resource: Some(&policy),
        ..Layers::default()
    };
    let mut trace = Trace::default();
    assert!(decide(&layers, &request, Some(&mut trace)).is_allowed());
    let layer = trace
        .layers
        .iter()
        .find(|layer| !layer.statements.is_empty())
        .unwrap();
    let failed: Vec<_> = layer
        .statements
        .iter()
        .map(|statement| {
            let sid = statement.sid.as_deref().unwrap();
            let mismatch = statement.mismatch.as_ref();
            (
                sid,
                mismatch.map(|m| (m.element.as_str(), m.operator.as_deref(), m.key.as_deref())),
            )
        })
        .collect();
    assert_eq!(
        failed,
        [
            ("P", Some(("Principal", None, None))),
            ("A", Some(("Action", None, None))),
            ("R", Some(("NotResource", None, None))),
            (
                "C",
                Some((
                    "Condition",
                    Some("ForAnyValue:ArnEqualsIfExists"),
                    Some("AWS:TagKeys")
                ))
            ),
            ("M", None),
        ]
    );
    let condition = layer.statements[3].mismatch.as_ref().unwrap();
    assert_eq!(condition.expected, ["x"]);
    assert_eq!(
        condition.actual.as_deref(),
        Some(&["a".to_owned(), "b".to_owned()][..])
    );
    let json = trace.to_json();
    assert!(json.contains(r#""sid":"C","effect":"Allow","matched":false,"element":"Condition","operator":"ForAnyValue:ArnEqualsIfExists","key":"AWS:TagKeys","expected":["x"],"actual":["a","b"]"#), "{json}");
}

#[test]
fn findings_read_as_one_line() {
    let errors = Policy::compile(r#"{"Statement":{}}"#, PolicyKind::Bucket).unwrap_err();
    let first = errors.findings()[0].to_string();
    assert_eq!(
        first,
        "1:14: error: Missing required field Effect (at Statement): there is no default [missing-element]"
    );
    assert!(errors.to_string().starts_with(&first));
}
