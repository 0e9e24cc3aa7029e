//! IAM users, their keys and their inline policies.

use adit_wire::{ErrorReply, Service, Value, list, map};

use crate::world::*;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;

fn iam(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::Iam, name, input)
}

fn refused(world: &World, name: &str, input: Value) -> ErrorReply {
    world.refused(Service::Iam, name, input)
}

fn user(name: &str) -> Value {
    map! { "UserName" => name }
}

fn key_of(world: &World, name: &str) -> String {
    text(
        iam(world, "CreateAccessKey", user(name)).get("AccessKey"),
        "AccessKeyId",
    )
}

#[test]
fn a_user_has_an_arn_with_its_path() {
    let world = World::new();
    let input = map! { "UserName" => "Ana", "Path" => "/team/" };
    let made = iam(&world, "CreateUser", input);
    assert_eq!(
        text(made.get("User"), "Arn"),
        "arn:aws:iam::123456789012:user/team/Ana"
    );
    let got = iam(&world, "GetUser", user("ana"));
    assert_eq!(
        got.get("User"),
        made.get("User"),
        "names differ without regard to case"
    );
    iam(&world, "CreateUser", user("bea"));
    let listed = iam(&world, "ListUsers", map! { "PathPrefix" => "/team/" });
    assert_eq!(each(&listed, "Users", "UserName"), ["Ana"]);
    let mut seen = Vec::new();
    let mut marker = None::<String>;
    loop {
        let page = iam(
            &world,
            "ListUsers",
            map! { "MaxItems" => 1i64, "Marker" => marker },
        );
        seen.extend(each(&page, "Users", "UserName"));
        marker = page.get("Marker").str().map(str::to_string);
        assert_eq!(page.get("IsTruncated").bool(), Some(marker.is_some()));
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["Ana", "bea"]);
}

#[test]
fn the_root_user_can_ask_for_itself() {
    let world = World::new();
    let root = iam(&world, "GetUser", map! {});
    assert_eq!(
        text(root.get("User"), "Arn"),
        "arn:aws:iam::123456789012:root"
    );
}

#[test]
fn a_secret_is_shown_once() {
    let world = World::new();
    iam(&world, "CreateUser", user("ana"));
    let key = iam(&world, "CreateAccessKey", user("ana"));
    let secret = text(key.get("AccessKey"), "SecretAccessKey");
    assert_eq!(secret.len(), 40);
    let id = text(key.get("AccessKey"), "AccessKeyId");
    assert!(id.starts_with("AKIA") && id.len() == 20);
    let listed = iam(&world, "ListAccessKeys", user("ana"));
    assert_eq!(
        each(&listed, "AccessKeyMetadata", "AccessKeyId"),
        [id.as_str()]
    );
    assert!(!format!("{listed:?}").contains(&secret));
    assert_eq!(
        world.intent().access_keys.get(&id).unwrap().secret.expose(),
        secret
    );

    let off = map! { "UserName" => "ana", "AccessKeyId" => id.as_str(), "Status" => "Inactive" };
    iam(&world, "UpdateAccessKey", off);
    assert!(!world.intent().access_keys.get(&id).unwrap().active);
    let listed = iam(&world, "ListAccessKeys", user("ana"));
    assert_eq!(each(&listed, "AccessKeyMetadata", "Status"), ["Inactive"]);
}

#[test]
fn a_users_own_keys_need_no_name() {
    let world = World::new();
    iam(&world, "CreateUser", user("ana"));
    let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => POLICY.replace("s3:*", "iam:*") };
    iam(&world, "PutUserPolicy", input);
    let id = key_of(&world, "ana");
    let roots = iam(&world, "ListAccessKeys", map! {});
    assert_eq!(each(&roots, "AccessKeyMetadata", "AccessKeyId"), [ROOT]);
    world.use_key(&id);
    let own = iam(&world, "ListAccessKeys", map! {});
    assert_eq!(each(&own, "AccessKeyMetadata", "AccessKeyId"), [id]);
    assert_eq!(
        text(iam(&world, "GetUser", map! {}).get("User"), "UserName"),
        "ana"
    );
}

#[test]
fn a_new_name_takes_keys_and_policies_along() {
    let world = World::new();
    iam(&world, "CreateUser", user("ana"));
    let id = key_of(&world, "ana");
    let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => POLICY };
    iam(&world, "PutUserPolicy", input);
    let input = map! { "UserName" => "ana", "NewUserName" => "bea", "NewPath" => "/x/" };
    iam(&world, "UpdateUser", input);
    world.use_key(&id);
    let who = world.ok(Service::Sts, "GetCallerIdentity", map! {});
    assert_eq!(text(&who, "Arn"), "arn:aws:iam::123456789012:user/x/bea");
    world.use_key(ROOT);
    assert_eq!(
        texts(&iam(&world, "ListUserPolicies", user("bea")), "PolicyNames"),
        ["p"]
    );
    assert_eq!(refused(&world, "GetUser", user("ana")).code, "NoSuchEntity");
}

#[test]
fn policies_come_back_percent_encoded() {
    let world = World::new();
    iam(&world, "CreateUser", user("ana"));
    let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => POLICY };
    iam(&world, "PutUserPolicy", input);
    let got = iam(
        &world,
        "GetUserPolicy",
        map! { "UserName" => "ana", "PolicyName" => "p" },
    );
    let document = text(&got, "PolicyDocument");
    assert!(
        document.starts_with("%7B%22Version%22%3A%222012-10-17%22"),
        "{document}"
    );
}

#[test]
fn what_iam_refuses() {
    let world = World::new();
    iam(&world, "CreateUser", user("ana"));
    let first = key_of(&world, "ana");
    let put = |name: &str, text: &str| {
        map! { "UserName" => "ana", "PolicyName" => name, "PolicyDocument" => text }
    };
    iam(&world, "PutUserPolicy", put("p", POLICY));
    let key = |id: &str| map! { "UserName" => "ana", "AccessKeyId" => id };
    let tags = |n: usize| -> Value {
        (0..n)
            .map(|n| map! { "Key" => format!("k{n}"), "Value" => "" })
            .collect()
    };
    let cases: Vec<(&str, Value, &str, u16, &str)> = vec![
        (
            "GetUser",
            user("bea"),
            "NoSuchEntity",
            404,
            "The user with name bea cannot be found.",
        ),
        ("CreateUser", user("ANA"), "EntityAlreadyExists", 409, "ANA"),
        (
            "CreateUser",
            user("a/b"),
            "ValidationError",
            400,
            "userName",
        ),
        (
            "CreateUser",
            user(&"x".repeat(65)),
            "ValidationError",
            400,
            "64",
        ),
        (
            "CreateUser",
            map! { "UserName" => "c", "Path" => "x" },
            "ValidationError",
            400,
            "path",
        ),
        (
            "CreateUser",
            map! { "UserName" => "c", "PermissionsBoundary" => "arn:aws:iam::aws:policy/None" },
            "NoSuchEntity",
            404,
            "does not exist or is not attachable",
        ),
        (
            "CreateUser",
            map! { "UserName" => "c", "Tags" => tags(51) },
            "LimitExceeded",
            409,
            "50",
        ),
        (
            "DeleteUser",
            user("ana"),
            "DeleteConflict",
            409,
            "must delete policies first",
        ),
        (
            "UpdateUser",
            map! { "UserName" => "bea", "NewUserName" => "c" },
            "NoSuchEntity",
            404,
            "",
        ),
        ("CreateAccessKey", user("bea"), "NoSuchEntity", 404, ""),
        (
            "DeleteAccessKey",
            key("AKIAUNKNOWNUNKNOWN00"),
            "NoSuchEntity",
            404,
            "AKIAUNKNOWNUNKNOWN00",
        ),
        // Somebody else's key is none of theirs.
        ("DeleteAccessKey", key(ROOT), "NoSuchEntity", 404, ROOT),
        (
            "UpdateAccessKey",
            map! { "UserName" => "ana", "AccessKeyId" => first.as_str(), "Status" => "On" },
            "ValidationError",
            400,
            "status",
        ),
        (
            "PutUserPolicy",
            put("p", "{"),
            "MalformedPolicyDocument",
            400,
            "",
        ),
        (
            "PutUserPolicy",
            put("p", ALLOW_ALL),
            "MalformedPolicyDocument",
            400,
            "",
        ),
        (
            "PutUserPolicy",
            put("a b", POLICY),
            "ValidationError",
            400,
            "policyName",
        ),
        (
            "GetUserPolicy",
            map! { "UserName" => "ana", "PolicyName" => "q" },
            "NoSuchEntity",
            404,
            "q",
        ),
        (
            "DeleteUserPolicy",
            map! { "UserName" => "ana", "PolicyName" => "q" },
            "NoSuchEntity",
            404,
            "q",
        ),
        (
            "ListUsers",
            map! { "MaxItems" => 0i64 },
            "ValidationError",
            400,
            "",
        ),
        (
            "TagUser",
            map! { "UserName" => "ana", "Tags" => list![
                map! { "Key" => "a", "Value" => "" }, map! { "Key" => "A", "Value" => "" },
            ]},
            "InvalidInput",
            400,
            "case insensitive",
        ),
    ];
    for (name, input, code, status, message) in cases {
        let error = refused(&world, name, input.clone());
        assert_eq!(
            (error.code.as_ref(), error.status),
            (code, status),
            "{name} {input:?}"
        );
        assert!(error.message.contains(message), "{name}: {}", error.message);
    }
    let long = POLICY.replace("s3:*", &format!("s3:{}", "x".repeat(2048)));
    assert_eq!(
        refused(&world, "PutUserPolicy", put("long", &long)).code,
        "LimitExceeded"
    );
    key_of(&world, "ana");
    assert_eq!(
        refused(&world, "CreateAccessKey", user("ana")).code,
        "LimitExceeded"
    );
    iam(
        &world,
        "DeleteUserPolicy",
        map! { "UserName" => "ana", "PolicyName" => "p" },
    );
    assert!(
        refused(&world, "DeleteUser", user("ana"))
            .message
            .contains("access keys")
    );
    let error = world.refused(
        Service::Sts,
        "GetAccessKeyInfo",
        map! { "AccessKeyId" => "AKIAUNKNOWNUNKNOWN00" },
    );
    assert_eq!(
        (error.code.as_ref(), error.status),
        ("ValidationError", 400)
    );
}
