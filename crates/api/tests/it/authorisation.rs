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
