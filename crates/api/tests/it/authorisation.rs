//! Every control call is authorised, also a dry run.

use adit_wire::{Service, map};

use crate::world::*;

/// A user with this inline policy; calls are made with their key from here on.
fn become_user(world: &World, policy: Option<&str>) {
    let ana = map! { "UserName" => "ana" };
    world.ok(Service::Iam, "CreateUser", ana.clone());
    let key = world.ok(Service::Iam, "CreateAccessKey", ana);
    if let Some(policy) = policy {
        let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => policy };
        world.ok(Service::Iam, "PutUserPolicy", input);
    }
    world.use_key(&text(key.get("AccessKey"), "AccessKeyId"));
}

#[test]
fn who_may_only_look_may_not_make() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.gateway_endpoint(&vpc, &[]);
    become_user(
        &world,
        Some(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DescribeVpcEndpoints","Resource":"*"}}"#,
        ),
    );
    let shown = world.ec2("DescribeVpcEndpoints", map! {});
    assert_eq!(each(&shown, "VpcEndpoints", "VpcEndpointId"), [id]);
    for dry in [false, true] {
        let input = map! { "VpcId" => vpc.as_str(), "ServiceName" => S3, "DryRun" => dry };
        let error = world.refused(Service::Ec2, "CreateVpcEndpoint", input);
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("UnauthorizedOperation", 403)
        );
        let start = "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/ana is not authorized to perform: ec2:CreateVpcEndpoint";
        assert!(error.message.starts_with(start), "{}", error.message);
        assert!(
            error
                .message
                .contains("no identity-based policy allows the ec2:CreateVpcEndpoint action")
        );
    }
    let error = world.refused(Service::Iam, "ListUsers", map! {});
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));
    let error = world.refused(Service::Adit, "ListRuns", map! {});
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));
}

#[test]
fn who_one_is_needs_no_permission() {
    let world = World::new();
    let root = world.ok(Service::Sts, "GetCallerIdentity", map! {});
    assert_eq!(text(&root, "Arn"), "arn:aws:iam::123456789012:root");
    assert_eq!(
        (text(&root, "Account"), text(&root, "UserId")),
        (ACCOUNT.into(), ACCOUNT.into())
    );
    become_user(
        &world,
        Some(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#,
        ),
    );
    let ana = world.ok(Service::Sts, "GetCallerIdentity", map! {});
    assert_eq!(text(&ana, "Arn"), "arn:aws:iam::123456789012:user/ana");
    assert!(text(&ana, "UserId").starts_with("AIDA"));
    let error = world.refused(Service::Ec2, "DescribeVpcs", map! {});
    assert!(
        error
            .message
            .contains("with an explicit deny in an identity-based policy"),
        "{}",
        error.message
    );
}

#[test]
fn a_policy_is_in_force_when_the_call_returns() {
    let world = World::new();
    become_user(&world, None);
    assert_eq!(
        world.ec2_refused("DescribeVpcs", map! {}).0,
        "UnauthorizedOperation"
    );
    let key = world.key.lock().unwrap().clone();
    world.use_key(ROOT);
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}"#;
    let input = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => policy };
    world.ok(Service::Iam, "PutUserPolicy", input);
    world.use_key(&key);
    world.ec2("DescribeVpcs", map! {});
}

/// One statement that allows an action on a resource under a condition, as JSON.
fn allow(action: &str, resource: &str, condition: &str) -> String {
    let condition = match condition {
        "" => String::new(),
        text => format!(r#","Condition":{text}"#),
    };
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"{condition}}}"#)
}

fn policy(statements: &[String]) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    )
}

#[test]
fn every_resource_of_a_call_is_asked_about() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let other = world.vpc("10.1.0.0/16");
    let table = world.ec2("CreateRouteTable", map! { "VpcId" => vpc.as_str() });
    let table = text(table.get("RouteTable"), "RouteTableId");
    let tags = adit_wire::list![map! { "Key" => "team", "Value" => "blue" }];
    world.ec2(
        "CreateTags",
        map! { "Resources" => adit_wire::list![vpc.as_str()], "Tags" => tags },
    );
    let arn = |what: &str| format!("arn:aws:ec2:us-east-1:{ACCOUNT}:{what}");
    let create = "ec2:CreateVpcEndpoint";
    become_user(
        &world,
        Some(&policy(&[
            allow(
                create,
                &arn("vpc/*"),
                r#"{"StringEquals":{"aws:ResourceTag/team":"blue","ec2:Region":"us-east-1"}}"#,
            ),
            allow(
                create,
                &arn("vpc-endpoint/*"),
                &format!(
                    r#"{{"StringEquals":{{"ec2:VpceServiceName":"{S3}","ec2:VpceServiceOwner":"amazon"}}}}"#
                ),
            ),
            allow(
                create,
                &arn("route-table/*"),
                &format!(
                    r#"{{"ArnEquals":{{"ec2:Vpc":"{}"}}}}"#,
                    arn(&format!("vpc/{vpc}"))
                ),
            ),
            allow("ec2:CreateRoute", &arn("route-table/*"), ""),
        ])),
    );
    let on = |vpc: &str| map! { "VpcId" => vpc, "ServiceName" => S3, "DryRun" => true };
    let code = |input| world.ec2_refused("CreateVpcEndpoint", input);
    assert_eq!(code(on(&vpc)).0, "DryRunOperation");
    // Another VPC has no such tag, and another service is not allowed.
    let (refused, why) = code(on(&other));
    assert_eq!(refused, "UnauthorizedOperation");
    assert!(
        why.contains(&format!("on resource: {}", arn(&format!("vpc/{other}")))),
        "{why}"
    );
    let (refused, why) = code(
        map! { "VpcId" => vpc.as_str(), "ServiceName" => "com.amazonaws.us-east-1.dynamodb", "DryRun" => true },
    );
    assert_eq!(refused, "UnauthorizedOperation");
    assert!(why.contains(&arn("vpc-endpoint/*")), "{why}");
    // A table of the VPC may be named, one elsewhere may not.
    let with = |table: &str| {
        map! { "VpcId" => vpc.as_str(), "ServiceName" => S3, "DryRun" => true,
        "RouteTableIds" => adit_wire::list![table] }
    };
    assert_eq!(code(with(&table)).0, "DryRunOperation");
    assert_eq!(
        code(with("rtb-0123456789abcdef0")).0,
        "UnauthorizedOperation"
    );
    // Tags on create are a question of their own.
    let tagged = map! { "VpcId" => vpc.as_str(), "ServiceName" => S3, "DryRun" => true,
    "TagSpecifications" => adit_wire::list![map! { "ResourceType" => "vpc-endpoint",
        "Tags" => adit_wire::list![map! { "Key" => "a", "Value" => "b" }] }] };
    let (refused, why) = code(tagged);
    assert_eq!(refused, "UnauthorizedOperation");
    assert!(why.contains("ec2:CreateTags"), "{why}");
    // A route is decided on its table alone.
    let route = map! { "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "0.0.0.0/0",
    "GatewayId" => "igw-0123456789abcdef0", "DryRun" => true };
    assert_eq!(
        world.ec2_refused("CreateRoute", route).0,
        "InvalidGatewayID.NotFound"
    );
}

#[test]
fn a_deny_on_one_resource_is_heard() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let other = world.vpc("10.1.0.0/16");
    let deny = format!(
        r#"{{"Effect":"Deny","Action":"ec2:*","Resource":"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/{vpc}"}}"#
    );
    become_user(&world, Some(&policy(&[allow("ec2:*", "*", ""), deny])));
    let (code, why) = world.ec2_refused("DeleteVpc", map! { "VpcId" => vpc.as_str() });
    assert_eq!(code, "UnauthorizedOperation");
    assert!(
        why.contains("with an explicit deny in an identity-based policy"),
        "{why}"
    );
    world.ec2("DeleteVpc", map! { "VpcId" => other });
    // A describe has no resource level.
    world.ec2("DescribeVpcs", map! {});
}

#[test]
fn tags_of_a_request_are_condition_keys() {
    let world = World::new();
    become_user(
        &world,
        Some(&policy(&[
            allow(
                "ec2:CreateVpc",
                "*",
                r#"{"StringEquals":{"aws:RequestTag/team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#,
            ),
            allow(
                "ec2:CreateTags",
                "*",
                r#"{"StringEquals":{"ec2:CreateAction":"CreateVpc"}}"#,
            ),
        ])),
    );
    let create = |key: &str, value: &str| {
        let tags = adit_wire::list![map! { "Key" => key, "Value" => value }];
        let given = adit_wire::list![map! { "ResourceType" => "vpc", "Tags" => tags }];
        world.call(
            Service::Ec2,
            "CreateVpc",
            map! { "CidrBlock" => "10.0.0.0/16", "TagSpecifications" => given },
        )
    };
    let made = create("team", "blue").unwrap();
    let id = text(made.get("Vpc"), "VpcId");
    assert_eq!(
        create("team", "red").unwrap_err().code,
        "UnauthorizedOperation"
    );
    let tags = adit_wire::list![map! { "Key" => "team", "Value" => "blue" }];
    // Tagging what is there is not tagging on create.
    assert_eq!(
        world
            .ec2_refused(
                "CreateTags",
                map! { "Resources" => adit_wire::list![id], "Tags" => tags }
            )
            .0,
        "UnauthorizedOperation"
    );
}

#[test]
fn calls_of_iam_are_decided_on_whom_they_are_about() {
    let world = World::new();
    world.ok(Service::Iam, "CreateUser", map! { "UserName" => "bob" });
    let me = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    become_user(
        &world,
        Some(&policy(&[allow(
            "iam:*",
            "arn:aws:iam::*:user/${aws:username}",
            "",
        )])),
    );
    let shown = world.ok(Service::Iam, "GetUser", map! {});
    assert_eq!(text(shown.get("User"), "Arn"), me);
    world.ok(Service::Iam, "ListAccessKeys", map! { "UserName" => "ana" });
    let error = world.refused(Service::Iam, "GetUser", map! { "UserName" => "bob" });
    assert_eq!(error.code, "AccessDenied");
    let there = format!("iam:GetUser on resource: arn:aws:iam::{ACCOUNT}:user/bob because");
    assert!(error.message.contains(&there), "{}", error.message);
}
