//! Groups, roles, managed policies, boundaries and sessions.

use adit_snapshot::Sessions;
use adit_wire::{ErrorReply, Service, Value, list, map};

use crate::world::*;

/// Everything of EC2 that looks.
const LOOK: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}"#;
/// Everything.
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

fn iam(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::Iam, name, input)
}

fn refused(world: &World, service: Service, name: &str, input: Value) -> (String, String) {
    let error = world.refused(service, name, input);
    (error.code.into_owned(), error.message)
}

/// A user with this inline policy, and the id of its key.
fn user(world: &World, name: &str, policy: Option<&str>) -> String {
    world.use_key(ROOT);
    let named = map! { "UserName" => name };
    iam(world, "CreateUser", named.clone());
    if let Some(policy) = policy {
        let input = map! { "UserName" => name, "PolicyName" => "p", "PolicyDocument" => policy };
        iam(world, "PutUserPolicy", input);
    }
    let key = iam(world, "CreateAccessKey", named);
    text(key.get("AccessKey"), "AccessKeyId")
}

fn may_look(world: &World) -> Result<Value, ErrorReply> {
    world.call(Service::Ec2, "DescribeVpcs", map! {})
}

fn managed(world: &World, name: &str, document: &str) -> String {
    world.use_key(ROOT);
    let made = iam(
        world,
        "CreatePolicy",
        map! { "PolicyName" => name, "PolicyDocument" => document },
    );
    text(made.get("Policy"), "Arn")
}

#[test]
fn a_user_may_what_its_groups_may() {
    let world = World::new();
    let key = user(&world, "ana", None);
    iam(
        &world,
        "CreateGroup",
        map! { "GroupName" => "Net", "Path" => "/x/" },
    );
    let both = map! { "GroupName" => "net", "UserName" => "ANA" };
    iam(&world, "AddUserToGroup", both.clone());
    let shown = iam(&world, "GetGroup", map! { "GroupName" => "net" });
    assert_eq!(
        text(shown.get("Group"), "Arn"),
        format!("arn:aws:iam::{ACCOUNT}:group/x/Net")
    );
    assert_eq!(each(&shown, "Users", "UserName"), ["ana"]);
    world.use_key(&key);
    assert_eq!(may_look(&world).unwrap_err().code, "UnauthorizedOperation");
    world.use_key(ROOT);
    let policy = map! { "GroupName" => "Net", "PolicyName" => "look", "PolicyDocument" => LOOK };
    iam(&world, "PutGroupPolicy", policy);
    world.use_key(&key);
    may_look(&world).unwrap();
    world.use_key(ROOT);
    // A renamed group keeps its users; one with users stays.
    iam(
        &world,
        "UpdateGroup",
        map! { "GroupName" => "net", "NewGroupName" => "net2" },
    );
    let groups = iam(&world, "ListGroupsForUser", map! { "UserName" => "ana" });
    assert_eq!(each(&groups, "Groups", "GroupName"), ["net2"]);
    let (code, why) = refused(
        &world,
        Service::Iam,
        "DeleteGroup",
        map! { "GroupName" => "net2" },
    );
    assert_eq!(code, "DeleteConflict");
    assert_eq!(
        why,
        "Cannot delete entity, must remove users from group first."
    );
    assert_eq!(
        refused(
            &world,
            Service::Iam,
            "DeleteUser",
            map! { "UserName" => "ana" }
        )
        .0,
        "DeleteConflict"
    );
    world.use_key(&key);
    may_look(&world).unwrap();
    world.use_key(ROOT);
    iam(
        &world,
        "RemoveUserFromGroup",
        map! { "GroupName" => "net2", "UserName" => "ana" },
    );
    world.use_key(&key);
    assert!(may_look(&world).is_err());
}

#[test]
fn the_default_version_of_a_managed_policy_is_in_force() {
    let world = World::new();
    let key = user(&world, "ana", None);
    let arn = managed(&world, "look", LOOK);
    let named = map! { "UserName" => "ana", "PolicyArn" => arn.as_str() };
    iam(&world, "AttachUserPolicy", named.clone());
    world.use_key(&key);
    may_look(&world).unwrap();
    world.use_key(ROOT);
    let other =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let version = |default: bool| {
        map! { "PolicyArn" => arn.as_str(), "PolicyDocument" => other, "SetAsDefault" => default }
    };
    iam(&world, "CreatePolicyVersion", version(false));
    world.use_key(&key);
    may_look(&world).unwrap();
    world.use_key(ROOT);
    let of = |id: &str| map! { "PolicyArn" => arn.as_str(), "VersionId" => id };
    iam(&world, "SetDefaultPolicyVersion", of("v2"));
    world.use_key(&key);
    assert!(may_look(&world).is_err());
    world.use_key(ROOT);
    for _ in 0..3 {
        iam(&world, "CreatePolicyVersion", version(false));
    }
    assert_eq!(
        refused(&world, Service::Iam, "CreatePolicyVersion", version(false)).0,
        "LimitExceeded"
    );
    let one = map! { "PolicyArn" => arn.as_str() };
    let versions = iam(&world, "ListPolicyVersions", one.clone());
    assert_eq!(
        each(&versions, "Versions", "VersionId"),
        ["v5", "v4", "v3", "v2", "v1"]
    );
    assert_eq!(
        refused(&world, Service::Iam, "DeletePolicyVersion", of("v2")).0,
        "DeleteConflict"
    );
    assert_eq!(
        refused(&world, Service::Iam, "DeletePolicyVersion", of("v9")).0,
        "NoSuchEntity"
    );
    assert_eq!(
        refused(&world, Service::Iam, "GetPolicyVersion", of("2")).0,
        "ValidationError"
    );
    for id in ["v1", "v3", "v4", "v5"] {
        iam(&world, "DeletePolicyVersion", of(id));
    }
    let shown = iam(&world, "GetPolicy", one.clone());
    assert_eq!(shown.get("Policy").get("AttachmentCount").int(), Some(1));
    let entities = iam(&world, "ListEntitiesForPolicy", one.clone());
    assert_eq!(each(&entities, "PolicyUsers", "UserName"), ["ana"]);
    assert_eq!(
        refused(&world, Service::Iam, "DeletePolicy", one.clone()).0,
        "DeleteConflict"
    );
    iam(&world, "DetachUserPolicy", named.clone());
    assert_eq!(
        refused(&world, Service::Iam, "DetachUserPolicy", named).0,
        "NoSuchEntity"
    );
    iam(&world, "DeletePolicy", one.clone());
    let (code, why) = refused(&world, Service::Iam, "GetPolicy", one);
    assert_eq!(
        (code.as_str(), why),
        ("NoSuchEntity", format!("Policy {arn} was not found."))
    );
}

#[test]
fn awss_own_policies_are_there_and_cannot_be_changed() {
    let world = World::new();
    let key = user(&world, "ana", None);
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    iam(
        &world,
        "AttachUserPolicy",
        map! { "UserName" => "ana", "PolicyArn" => arn },
    );
    let attached = iam(
        &world,
        "ListAttachedUserPolicies",
        map! { "UserName" => "ana" },
    );
    assert_eq!(
        each(&attached, "AttachedPolicies", "PolicyName"),
        ["ReadOnlyAccess"]
    );
    let used = iam(&world, "ListPolicies", map! { "OnlyAttached" => true });
    assert_eq!(each(&used, "Policies", "Arn"), [arn]);
    let local = iam(&world, "ListPolicies", map! { "Scope" => "Local" });
    assert_eq!(each(&local, "Policies", "Arn"), [""; 0]);
    let (code, _) = refused(
        &world,
        Service::Iam,
        "DeletePolicy",
        map! { "PolicyArn" => arn },
    );
    assert_eq!(code, "AccessDenied");
    for (wrong, code) in [
        ("arn:aws:iam::aws:policy/None", "NoSuchEntity"),
        ("nonsense", "ValidationError"),
        ("arn:aws:iam::210987654321:policy/x", "NoSuchEntity"),
    ] {
        let input = map! { "UserName" => "ana", "PolicyArn" => wrong };
        assert_eq!(
            refused(&world, Service::Iam, "AttachUserPolicy", input).0,
            code,
            "{wrong}"
        );
    }
    world.use_key(&key);
    may_look(&world).unwrap();
    assert_eq!(
        world
            .ec2_refused("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" })
            .0,
        "UnauthorizedOperation"
    );
}

#[test]
fn a_boundary_limits_and_grants_nothing() {
    let world = World::new();
    let arn = managed(&world, "look", LOOK);
    let key = user(&world, "ana", Some(ALL));
    let limited = map! { "UserName" => "ana", "PermissionsBoundary" => arn.as_str() };
    iam(&world, "PutUserPermissionsBoundary", limited);
    let shown = iam(&world, "GetUser", map! { "UserName" => "ana" });
    let boundary = shown.get("User").get("PermissionsBoundary");
    assert_eq!(text(boundary, "PermissionsBoundaryArn"), arn);
    assert_eq!(
        refused(
            &world,
            Service::Iam,
            "DeletePolicy",
            map! { "PolicyArn" => arn.as_str() }
        )
        .0,
        "DeleteConflict"
    );
    world.use_key(&key);
    may_look(&world).unwrap();
    let (code, why) = world.ec2_refused("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    assert_eq!(code, "UnauthorizedOperation");
    assert!(
        why.contains("because no permissions boundary allows the ec2:CreateVpc action"),
        "{why}"
    );
    world.use_key(ROOT);
    iam(
        &world,
        "DeleteUserPermissionsBoundary",
        map! { "UserName" => "ana" },
    );
    world.use_key(&key);
    world.ec2("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
}

// ---- sessions ---------------------------------------------------------------------------------

fn trust(principal: &str, actions: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":{actions}{condition}}}]}}"#
    )
}

fn role(world: &World, name: &str, trust: &str, policy: &str) -> String {
    world.use_key(ROOT);
    let input = map! { "RoleName" => name, "AssumeRolePolicyDocument" => trust };
    let made = iam(world, "CreateRole", input);
    let input = map! { "RoleName" => name, "PolicyName" => "p", "PolicyDocument" => policy };
    iam(world, "PutRolePolicy", input);
    text(made.get("Role"), "Arn")
}

fn assume(world: &World, input: Value) -> Result<Value, ErrorReply> {
    world.call(Service::Sts, "AssumeRole", input)
}

fn as_role(arn: &str) -> Value {
    map! { "RoleArn" => arn, "RoleSessionName" => "work" }
}

/// Later calls are made with these credentials.
fn become_session(world: &World, answer: &Value) {
    let credentials = answer.get("Credentials");
    let id = text(credentials, "AccessKeyId");
    let token = text(credentials, "SessionToken");
    let snapshot = adit_api::Planes::snapshot(&*world.planes);
    let view = Sessions::default()
        .signer(&snapshot, &id, Some(&token), world.time())
        .unwrap();
    assert_eq!(
        view.key.secret.expose(),
        text(credentials, "SecretAccessKey")
    );
    world.use_session(&id, &token);
}

fn with(mut input: Value, name: &'static str, value: Value) -> Value {
    input.map_mut().unwrap().push(name, value);
    input
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let world = World::new();
    let ana = user(&world, "ana", None);
    let bea = user(&world, "bea", Some(ALL));
    let me = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let arn = role(&world, "R", &trust(&me, r#""sts:AssumeRole""#, ""), LOOK);
    // Root may not, whoever trusts it; bea is not trusted; ana is, by name, and needs no more.
    assert_eq!(
        assume(&world, as_role(&arn)).unwrap_err().message,
        "Roles may not be assumed by root accounts."
    );
    world.use_key(&bea);
    let error = assume(&world, as_role(&arn)).unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        (
            "AccessDenied",
            format!("User: arn:aws:iam::{ACCOUNT}:user/bea is not authorized to perform: sts:AssumeRole on resource: {arn}").as_str()
        )
    );
    // What is not there is told like what is forbidden.
    let none = format!("arn:aws:iam::{ACCOUNT}:role/None");
    let error = assume(&world, as_role(&none)).unwrap_err();
    assert!(
        error.message.ends_with(&format!("on resource: {none}")),
        "{}",
        error.message
    );
    world.use_key(&ana);
    let session = assume(&world, as_role(&arn)).unwrap();
    let whoami = |world: &World| {
        let shown = world.ok(Service::Sts, "GetCallerIdentity", map! {});
        (text(&shown, "Arn"), text(&shown, "UserId"))
    };
    become_session(&world, &session);
    let (shown, id) = whoami(&world);
    assert_eq!(shown, format!("arn:aws:sts::{ACCOUNT}:assumed-role/R/work"));
    assert_eq!(shown, text(session.get("AssumedRoleUser"), "Arn"));
    assert_eq!(id, text(session.get("AssumedRoleUser"), "AssumedRoleId"));
    assert!(id.starts_with("AROA") && id.ends_with(":work"), "{id}");
    may_look(&world).unwrap();
    let (code, why) = world.ec2_refused("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    assert_eq!(code, "UnauthorizedOperation");
    assert!(why.contains(&format!("User: {shown} is not")), "{why}");
    // No user speaks here.
    assert_eq!(
        refused(&world, Service::Sts, "GetSessionToken", map! {}).0,
        "AccessDenied"
    );
    let info = map! { "AccessKeyId" => text(session.get("Credentials"), "AccessKeyId") };
    world.use_key(ROOT);
    assert_eq!(
        text(&world.ok(Service::Sts, "GetAccessKeyInfo", info), "Account"),
        ACCOUNT
    );
}

#[test]
fn an_account_as_principal_delegates_to_its_own_policies() {
    let world = World::new();
    let ana = user(&world, "ana", None);
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let arn = role(&world, "R", &trust(&root, r#""sts:AssumeRole""#, ""), LOOK);
    world.use_key(&ana);
    assert_eq!(
        assume(&world, as_role(&arn)).unwrap_err().code,
        "AccessDenied"
    );
    world.use_key(ROOT);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{arn}"}}}}"#
    );
    let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => policy };
    iam(&world, "PutUserPolicy", input);
    world.use_key(&ana);
    assume(&world, as_role(&arn)).unwrap();
}

#[test]
fn across_accounts_both_sides_must_allow_and_an_external_id_can_be_asked_for() {
    let world = World::new();
    let other = world.ok(Service::Adit, "CreateAccount", map! { "Name" => "other" });
    let (other_id, other_key) = (text(&other, "AccountId"), text(&other, "AccessKeyId"));
    let condition = r#","Condition":{"StringEquals":{"sts:ExternalId":"x1"}}"#;
    let arn = role(
        &world,
        "R",
        &trust(&other_id, r#""sts:AssumeRole""#, condition),
        LOOK,
    );
    world.use_key(&other_key);
    let named = map! { "UserName" => "eve" };
    iam(&world, "CreateUser", named.clone());
    let key = iam(&world, "CreateAccessKey", named);
    let key = text(key.get("AccessKey"), "AccessKeyId");
    let with_id = with(as_role(&arn), "ExternalId", "x1".into());
    world.use_key(&key);
    assert_eq!(
        assume(&world, with_id.clone()).unwrap_err().code,
        "AccessDenied"
    );
    world.use_key(&other_key);
    let input = map! { "UserName" => "eve", "PolicyName" => "p", "PolicyDocument" => ALL };
    iam(&world, "PutUserPolicy", input);
    world.use_key(&key);
    assert_eq!(
        assume(&world, as_role(&arn)).unwrap_err().code,
        "AccessDenied"
    );
    let session = assume(&world, with_id).unwrap();
    become_session(&world, &session);
    let shown = world.ok(Service::Sts, "GetCallerIdentity", map! {});
    assert_eq!(text(&shown, "Account"), ACCOUNT);
    may_look(&world).unwrap();
}

#[test]
fn session_policies_and_tags_are_part_of_decisions() {
    let world = World::new();
    let key = user(&world, "ana", None);
    let me = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let allowed = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}}"#;
    let arn = role(
        &world,
        "R",
        &trust(&me, r#"["sts:AssumeRole","sts:TagSession"]"#, ""),
        allowed,
    );
    let no_tags = role(&world, "S", &trust(&me, r#""sts:AssumeRole""#, ""), allowed);
    world.use_key(&key);
    let tags = list![map! { "Key" => "team", "Value" => "blue" }];
    let tagged = |arn: &str| with(as_role(arn), "Tags", tags.clone());
    assert_eq!(
        assume(&world, tagged(&no_tags)).unwrap_err().code,
        "AccessDenied"
    );
    become_session(&world, &assume(&world, as_role(&arn)).unwrap());
    assert!(may_look(&world).is_err(), "the policy asks for a tag");
    world.use_key(&key);
    become_session(&world, &assume(&world, tagged(&arn)).unwrap());
    may_look(&world).unwrap();
    world.ec2("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    world.use_key(&key);
    let limited = with(tagged(&arn), "Policy", LOOK.into());
    let session = assume(&world, limited).unwrap();
    assert!(session.get("PackedPolicySize").int().unwrap() > 0);
    become_session(&world, &session);
    may_look(&world).unwrap();
    let (_, why) = world.ec2_refused("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    assert!(why.contains("because no session policy allows"), "{why}");
    world.use_key(&key);
    let managed = list![map! { "arn" => "arn:aws:iam::aws:policy/AmazonS3FullAccess" }];
    become_session(
        &world,
        &assume(&world, with(tagged(&arn), "PolicyArns", managed)).unwrap(),
    );
    assert!(may_look(&world).is_err());
}

#[test]
fn what_is_asked_of_a_session_is_checked() {
    let world = World::new();
    let key = user(&world, "ana", None);
    let me = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let role_arn = format!("arn:aws:iam::{ACCOUNT}:role/R");
    let both = format!(r#"{me}","{role_arn}"#);
    let trusts = trust(
        &both,
        r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#,
        "",
    )
    .replace(r#"{"AWS":""#, r#"{"AWS":[""#)
    .replace(r#""},"Action""#, r#""]},"Action""#);
    world.use_key(ROOT);
    // The role trusts itself, which is made after it is there.
    let first = trust(&me, r#""sts:AssumeRole""#, "");
    let arn = role(&world, "R", &first, ALL);
    let input = map! { "RoleName" => "R", "PolicyDocument" => trusts };
    iam(&world, "UpdateAssumeRolePolicy", input);
    let longer = map! { "RoleName" => "R", "MaxSessionDuration" => 7200i64 };
    iam(&world, "UpdateRole", longer);
    world.use_key(&key);
    let ask = |name: &'static str, value: Value| {
        assume(&world, with(as_role(&arn), name, value))
            .map_err(|error| (error.code.into_owned(), error.message))
    };
    for (name, value, code) in [
        ("DurationSeconds", Value::from(100i64), "ValidationError"),
        ("DurationSeconds", Value::from(7201i64), "ValidationError"),
        ("Policy", Value::from("{"), "MalformedPolicyDocument"),
        ("TokenCode", Value::from("123456"), "AccessDenied"),
        ("TransitiveTagKeys", list!["team"], "InvalidParameterValue"),
        (
            "Tags",
            list![
                map! { "Key" => "a", "Value" => "1" },
                map! { "Key" => "A", "Value" => "2" },
            ],
            "InvalidParameterValue",
        ),
        (
            "PolicyArns",
            list![map! { "arn" => "arn:aws:iam::aws:policy/None" }],
            "MalformedPolicyDocument",
        ),
    ] {
        assert_eq!(
            ask(name, value.clone()).unwrap_err().0,
            code,
            "{name} {value:?}"
        );
    }
    let error = assume(
        &world,
        map! { "RoleArn" => "arn:a:::something/r", "RoleSessionName" => "s1" },
    );
    let error = error.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("ValidationError", "arn:a:::something/r is invalid")
    );
    let error = assume(
        &world,
        map! { "RoleArn" => arn.as_str(), "RoleSessionName" => "a:b" },
    );
    assert_eq!(error.unwrap_err().code, "ValidationError");

    let mut asked = with(as_role(&arn), "DurationSeconds", Value::from(7200i64));
    asked = with(
        asked,
        "Tags",
        list![map! { "Key" => "team", "Value" => "blue" }],
    );
    asked = with(asked, "TransitiveTagKeys", list!["Team"]);
    asked = with(asked, "SourceIdentity", "ana".into());
    let session = assume(&world, asked).unwrap();
    assert_eq!(text(&session, "SourceIdentity"), "ana");
    become_session(&world, &session);
    // From here it is a chain: an hour at most, the tag and the source identity go along.
    assert_eq!(
        ask("DurationSeconds", Value::from(3601i64)).unwrap_err().0,
        "ValidationError"
    );
    let tags = list![map! { "Key" => "TEAM", "Value" => "red" }];
    assert_eq!(ask("Tags", tags).unwrap_err().0, "InvalidParameterValue");
    assert_eq!(
        ask("SourceIdentity", "bea".into()).unwrap_err().0,
        "AccessDenied"
    );
    let chained = assume(&world, as_role(&arn)).unwrap();
    assert_eq!(text(&chained, "SourceIdentity"), "ana");
    become_session(&world, &chained);
    let token = world.session_view();
    assert_eq!(token.tags.get("team").map(String::as_str), Some("blue"));
}

#[test]
fn users_and_roots_have_sessions_of_their_own() {
    let world = World::new();
    let key = user(&world, "ana", Some(ALL));
    world.use_key(&key);
    let session = world.ok(Service::Sts, "GetSessionToken", map! {});
    become_session(&world, &session);
    let shown = world.ok(Service::Sts, "GetCallerIdentity", map! {});
    assert_eq!(
        text(&shown, "Arn"),
        format!("arn:aws:iam::{ACCOUNT}:user/ana")
    );
    may_look(&world).unwrap();
    assert_eq!(
        refused(&world, Service::Iam, "ListUsers", map! {}).0,
        "InvalidClientTokenId"
    );
    world.use_key(&key);
    let vouched = map! { "Name" => "guest", "Policy" => LOOK };
    let session = world.ok(Service::Sts, "GetFederationToken", vouched);
    let arn = format!("arn:aws:sts::{ACCOUNT}:federated-user/guest");
    assert_eq!(text(session.get("FederatedUser"), "Arn"), arn);
    become_session(&world, &session);
    may_look(&world).unwrap();
    assert!(
        world
            .call(
                Service::Ec2,
                "CreateVpc",
                map! { "CidrBlock" => "10.0.0.0/16" }
            )
            .is_err()
    );
    // Without a policy a guest may nothing; root's guests what root passes.
    world.use_key(&key);
    let nothing = world.ok(
        Service::Sts,
        "GetFederationToken",
        map! { "Name" => "guest" },
    );
    become_session(&world, &nothing);
    assert!(may_look(&world).is_err());
    world.use_key(ROOT);
    let vouched = map! { "Name" => "guest", "Policy" => LOOK };
    become_session(
        &world,
        &world.ok(Service::Sts, "GetFederationToken", vouched),
    );
    may_look(&world).unwrap();
    assert!(
        world
            .call(
                Service::Ec2,
                "CreateVpc",
                map! { "CidrBlock" => "10.0.0.0/16" }
            )
            .is_err()
    );
}

#[test]
fn who_may_can_read_the_encoded_message_of_a_denial() {
    let world = World::new();
    let key = user(&world, "ana", Some(LOOK));
    world.use_key(&key);
    let (_, why) = world.ec2_refused("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    let (_, sealed) = why
        .split_once("Encoded authorization failure message: ")
        .unwrap();
    let input = map! { "EncodedMessage" => sealed };
    assert_eq!(
        refused(
            &world,
            Service::Sts,
            "DecodeAuthorizationMessage",
            input.clone()
        )
        .0,
        "AccessDenied"
    );
    world.use_key(ROOT);
    let opened = world.ok(Service::Sts, "DecodeAuthorizationMessage", input);
    let read: serde_json::Value = serde_json::from_str(&text(&opened, "DecodedMessage")).unwrap();
    assert_eq!(read["context"]["action"], "ec2:CreateVpc");
    assert_eq!(
        read["context"]["resource"],
        format!("arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/*")
    );
    assert_eq!(read["explicitDeny"], false);
    let wrong = map! { "EncodedMessage" => "AQ==" };
    assert_eq!(
        refused(&world, Service::Sts, "DecodeAuthorizationMessage", wrong).0,
        "InvalidAuthorizationMessageException"
    );
}
