//! How the layers combine: same account, other accounts, anonymous callers, filters, access points,
//! ACLs, Block Public Access, organisations, trust.

use adit_policy::{AclGrant, Layers, Policy, PolicyKind, Principal, actions};

use crate::scene::*;

const GET: &str = "s3:GetObject";
const KEY: &str = "arn:aws:s3:::b/k";

fn grant(principal: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}}"#
    )
}

fn deny(principal: &str) -> String {
    grant(principal).replace("Allow", "Deny")
}

const TO_ANA: &str = r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#;
const TO_ROLE: &str = r#"{"AWS":"arn:aws:iam::111122223333:role/dev"}"#;
const TO_SESSION: &str = r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/s1"}"#;
const TO_ACCOUNT: &str = r#"{"AWS":"111122223333"}"#;
const TO_ALL: &str = r#""*""#;

#[test]
fn nothing_means_no() {
    assert_eq!(Scene::new().ask(ANA, GET, KEY, &[]), "implicit:identity");
    assert_eq!(
        Scene::new().ask(ANONYMOUS, GET, KEY, &[]),
        "implicit:resource"
    );
    assert_eq!(
        Scene::new().ask(STRANGER, GET, KEY, &[]),
        "implicit:identity"
    );
}

#[test]
fn same_account_needs_one_side() {
    let identity = || Scene::new().identity(ALLOW_ALL);
    assert_eq!(identity().ask(ANA, GET, KEY, &[]), "allow");
    for (principal, caller, outcome) in [
        (TO_ANA, ANA, "allow"),
        (TO_ALL, ANA, "allow"),
        (TO_ALL, SESSION, "allow"),
        (TO_ROLE, SESSION, "allow"),
        (TO_SESSION, SESSION, "allow"),
        // The account only delegates.
        (TO_ACCOUNT, ANA, "implicit:identity"),
        (TO_ACCOUNT, SESSION, "implicit:identity"),
        (TO_ANA, SESSION, "implicit:identity"),
    ] {
        let scene = Scene::new().bucket(&grant(principal));
        assert_eq!(
            scene.ask(caller, GET, KEY, &[]),
            outcome,
            "{principal} {caller}"
        );
        let both = identity().bucket(&grant(principal));
        assert_eq!(
            both.ask(caller, GET, KEY, &[]),
            "allow",
            "{principal} {caller}"
        );
    }
    assert_eq!(
        identity().bucket(&deny(TO_ALL)).ask(ANA, GET, KEY, &[]),
        "explicit:resource"
    );
    let both = Scene::new()
        .identity(&ALLOW_ALL.replace("Allow", "Deny"))
        .bucket(&grant(TO_ANA));
    assert_eq!(both.ask(ANA, GET, KEY, &[]), "explicit:identity");
}

#[test]
fn other_accounts_need_both_sides() {
    let to_other = r#"{"AWS":"444455556666"}"#;
    let identity = || Scene::new().identity(ALLOW_ALL);
    assert_eq!(identity().ask(STRANGER, GET, KEY, &[]), "implicit:resource");
    for principal in [
        to_other,
        TO_ALL,
        r#"{"AWS":"arn:aws:iam::444455556666:user/bob"}"#,
    ] {
        let bucket = Scene::new().bucket(&grant(principal));
        assert_eq!(
            bucket.ask(STRANGER, GET, KEY, &[]),
            "implicit:identity",
            "{principal}"
        );
        let both = identity().bucket(&grant(principal));
        assert_eq!(both.ask(STRANGER, GET, KEY, &[]), "allow", "{principal}");
    }
    assert_eq!(
        identity()
            .acl(AclGrant::Account)
            .ask(STRANGER, GET, KEY, &[]),
        "allow"
    );
    // The other account's root has all identity permissions, but still needs the owner's.
    let root = "arn:aws:iam::444455556666:root";
    assert_eq!(Scene::new().ask(root, GET, KEY, &[]), "implicit:resource");
    assert_eq!(
        Scene::new()
            .bucket(&grant(to_other))
            .ask(root, GET, KEY, &[]),
        "allow"
    );
}

#[test]
fn anonymous_callers_need_a_grant_to_all() {
    let ask = |scene: Scene| scene.ask(ANONYMOUS, GET, KEY, &[]);
    assert_eq!(ask(Scene::new().bucket(&grant(TO_ALL))), "allow");
    assert_eq!(
        ask(Scene::new().bucket(&grant(TO_ACCOUNT))),
        "implicit:resource"
    );
    assert_eq!(ask(Scene::new().acl(AclGrant::Public)), "allow");
    assert_eq!(
        ask(Scene::new().acl(AclGrant::Public).block(true, false)),
        "implicit:resource"
    );
    assert_eq!(
        ask(Scene::new().bucket(&grant(TO_ALL)).block(false, true)),
        "explicit:block-public-access"
    );
    assert_eq!(
        ask(Scene::new().acl(AclGrant::Public).bucket(&deny(TO_ALL))),
        "explicit:resource"
    );
}

#[test]
fn a_policy_for_one_endpoint_is_not_public() {
    let statement = grant(TO_ALL).replacen(
        '{',
        r#"{"Condition":{"StringEquals":{"aws:sourceVpce":"vpce-1a2b3c4d"}},"#,
        1,
    );
    let scene = Scene::new().bucket(&statement).block(true, true);
    let through = [("aws:SourceVpce", "vpce-1a2b3c4d")];
    assert_eq!(scene.ask(ANONYMOUS, GET, KEY, &through), "allow");
    assert_eq!(scene.ask(ANONYMOUS, GET, KEY, &[]), "implicit:resource");
}

#[test]
fn restricted_public_buckets_serve_their_own_account() {
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .bucket(&grant(TO_ALL))
        .block(false, true);
    assert_eq!(scene.ask(ANA, GET, KEY, &[]), "allow");
    assert_eq!(
        scene.ask(STRANGER, GET, KEY, &[]),
        "explicit:block-public-access"
    );
    assert_eq!(
        scene.ask("logging.s3.amazonaws.com", GET, KEY, &[]),
        "allow"
    );
}

#[test]
fn root_is_full_and_can_repair_its_bucket_policy() {
    assert_eq!(Scene::new().ask(ROOT, GET, KEY, &[]), "allow");
    let locked = || Scene::new().bucket(&deny(TO_ALL));
    let bucket = "arn:aws:s3:::b";
    assert_eq!(locked().ask(ROOT, GET, KEY, &[]), "explicit:resource");
    for action in [
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
    ] {
        assert_eq!(locked().ask(ROOT, action, bucket, &[]), "allow", "{action}");
        let admin = locked().identity(ALLOW_ALL);
        assert_eq!(
            admin.ask(ANA, action, bucket, &[]),
            "explicit:resource",
            "{action}"
        );
        let blocked = locked().interface(&deny(TO_ALL));
        assert_eq!(
            blocked.ask(ROOT, action, bucket, &[]),
            "explicit:vpc-endpoint",
            "{action}"
        );
        let filtered = locked().interface(&grant(TO_ALL).replace("s3:*", "s3:GetObject"));
        assert_eq!(
            filtered.ask(ROOT, action, bucket, &[]),
            "implicit:vpc-endpoint",
            "{action}"
        );
        let scp = locked().scp(&ALLOW_ALL.replace("Allow", "Deny"));
        assert_eq!(
            scp.ask(ROOT, action, bucket, &[]),
            "explicit:service-control",
            "{action}"
        );
        // The root of another account has no such right.
        let other = locked().ask("arn:aws:iam::444455556666:root", action, bucket, &[]);
        assert_eq!(other, "explicit:resource", "{action}");
        assert!(actions::is_owner_only(action));
    }
    assert_eq!(
        locked().ask(ROOT, "s3:PutBucketAcl", bucket, &[]),
        "explicit:resource"
    );
}

#[test]
fn boundaries_and_session_policies_limit_the_identity_side() {
    let put_only = ALLOW_ALL.replace(r#""Action":"*""#, r#""Action":"s3:PutObject""#);
    let identity = || Scene::new().identity(ALLOW_ALL);
    assert_eq!(
        identity().boundary(ALLOW_ALL).ask(ANA, GET, KEY, &[]),
        "allow"
    );
    assert_eq!(
        identity().boundary(&put_only).ask(ANA, GET, KEY, &[]),
        "implicit:boundary"
    );
    assert_eq!(
        identity().empty_boundary().ask(ANA, GET, KEY, &[]),
        "implicit:boundary"
    );
    assert_eq!(
        identity().session(&put_only).ask(SESSION, GET, KEY, &[]),
        "implicit:session"
    );
    assert_eq!(
        Scene::new().boundary(ALLOW_ALL).ask(ANA, GET, KEY, &[]),
        "implicit:identity"
    );
    assert_eq!(
        identity().empty_boundary().ask(ROOT, GET, KEY, &[]),
        "allow"
    );
    let deny_all = ALLOW_ALL.replace("Allow", "Deny");
    assert_eq!(
        identity().boundary(&deny_all).ask(ANA, GET, KEY, &[]),
        "explicit:boundary"
    );
    assert_eq!(
        identity().session(&deny_all).ask(SESSION, GET, KEY, &[]),
        "explicit:session"
    );
}

#[test]
fn grants_by_the_resource_pass_limits_by_whom_they_name() {
    let put_only = ALLOW_ALL.replace(r#""Action":"*""#, r#""Action":"s3:PutObject""#);
    for (principal, caller, by_boundary, by_session) in [
        (TO_ANA, ANA, "allow", "allow"),
        (TO_SESSION, SESSION, "allow", "allow"),
        (TO_ALL, SESSION, "allow", "allow"),
        (TO_ROLE, SESSION, "implicit:boundary", "implicit:session"),
        (TO_ACCOUNT, SESSION, "implicit:boundary", "implicit:session"),
    ] {
        // With an identity grant, so that only the limit is missing.
        let scene = || Scene::new().identity(ALLOW_ALL).bucket(&grant(principal));
        let boundary = scene().boundary(&put_only).ask(caller, GET, KEY, &[]);
        assert_eq!(boundary, by_boundary, "{principal}");
        let session = scene().session(&put_only).ask(caller, GET, KEY, &[]);
        assert_eq!(session, by_session, "{principal}");
    }
    // In another account the limits are always on the caller's side.
    let stranger = r#"{"AWS":"arn:aws:iam::444455556666:user/bob"}"#;
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .bucket(&grant(stranger))
        .boundary(&put_only);
    assert_eq!(scene.ask(STRANGER, GET, KEY, &[]), "implicit:boundary");
}

#[test]
fn endpoint_policies_filter_and_never_grant() {
    assert_eq!(
        Scene::new().interface(ANYONE_ALL).ask(ANA, GET, KEY, &[]),
        "implicit:identity"
    );
    let scene = || Scene::new().identity(ALLOW_ALL).bucket(&grant(TO_ALL));
    assert_eq!(
        scene().interface(ANYONE_ALL).ask(ANA, GET, KEY, &[]),
        "allow"
    );
    assert_eq!(
        scene().interface(ANYONE_ALL).ask(ANONYMOUS, GET, KEY, &[]),
        "allow"
    );
    let other_bucket = grant(TO_ALL).replace(":b", ":c");
    assert_eq!(
        scene().interface(&other_bucket).ask(ANA, GET, KEY, &[]),
        "implicit:vpc-endpoint"
    );
    assert_eq!(
        scene().interface(&other_bucket).ask(ROOT, GET, KEY, &[]),
        "implicit:vpc-endpoint"
    );
    assert_eq!(
        scene().interface(&deny(TO_ALL)).ask(ANA, GET, KEY, &[]),
        "explicit:vpc-endpoint"
    );
    // Only Deny: allows nothing.
    let elsewhere = deny(TO_ALL).replace(":b", ":c");
    assert_eq!(
        scene().interface(&elsewhere).ask(ANA, GET, KEY, &[]),
        "implicit:vpc-endpoint"
    );
}

#[test]
fn endpoint_policies_are_about_their_own_service() {
    let scene = Scene::new().identity(ALLOW_ALL).interface(ANYONE_ALL);
    let vpc = "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1";
    assert_eq!(
        scene.ask(ANA, "ec2:DeleteVpc", vpc, &[]),
        "implicit:vpc-endpoint"
    );
    let deny_ec2 = r#"{"Effect":"Deny","Principal":"*","Action":"ec2:*","Resource":"*"}"#;
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .interface(&format!("{deny_ec2},{ANYONE_ALL}"));
    assert_eq!(scene.ask(ANA, GET, KEY, &[]), "allow");
    assert_eq!(
        scene.ask(ANA, "ec2:DeleteVpc", vpc, &[]),
        "implicit:vpc-endpoint"
    );
    let ec2 = PolicyKind::VpcEndpoint {
        gateway: false,
        service: "ec2",
    };
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .endpoint(&policy(ANYONE_ALL), ec2);
    assert_eq!(scene.ask(ANA, "ec2:DeleteVpc", vpc, &[]), "allow");
}

#[test]
fn an_account_in_a_gateway_policy_is_its_root() {
    let scene = |gateway: bool, principal: &str| {
        let scene = Scene::new().identity(ALLOW_ALL);
        let statement = grant(principal);
        if gateway {
            scene.gateway(&statement)
        } else {
            scene.interface(&statement)
        }
    };
    assert_eq!(
        scene(true, TO_ACCOUNT).ask(ANA, GET, KEY, &[]),
        "implicit:vpc-endpoint"
    );
    assert_eq!(scene(true, TO_ACCOUNT).ask(ROOT, GET, KEY, &[]), "allow");
    assert_eq!(scene(false, TO_ACCOUNT).ask(ANA, GET, KEY, &[]), "allow");
    let by_arn = ANYONE_ALL.replacen(
        '{',
        r#"{"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/dev"}},"#,
        1,
    );
    let scene = Scene::new().identity(ALLOW_ALL).gateway(&by_arn);
    assert_eq!(scene.ask(SESSION, GET, KEY, &[]), "allow");
    assert_eq!(scene.ask(ANA, GET, KEY, &[]), "implicit:vpc-endpoint");
}

#[test]
fn organisation_policies_filter_at_every_level() {
    let put_only = ALLOW_ALL.replace(r#""Action":"*""#, r#""Action":"s3:PutObject""#);
    let deny_get = ALLOW_ALL
        .replace("Allow", "Deny")
        .replace(r#""Action":"*""#, r#""Action":"s3:Get*""#);
    let scene = || Scene::new().identity(ALLOW_ALL);
    assert_eq!(
        scene()
            .scp(ALLOW_ALL)
            .scp(ALLOW_ALL)
            .ask(ANA, GET, KEY, &[]),
        "allow"
    );
    assert_eq!(
        scene()
            .scp(ALLOW_ALL)
            .scp(&put_only)
            .ask(ANA, GET, KEY, &[]),
        "implicit:service-control"
    );
    let denied = scene().scp(&format!("{ALLOW_ALL},{deny_get}"));
    assert_eq!(denied.ask(ANA, GET, KEY, &[]), "explicit:service-control");
    assert_eq!(denied.ask(ROOT, GET, KEY, &[]), "explicit:service-control");
    // They limit principals of accounts, not services or anonymous callers.
    let public = Scene::new().bucket(&grant(TO_ALL)).scp(&put_only);
    assert_eq!(public.ask(ANONYMOUS, GET, KEY, &[]), "allow");
    let rcp_deny = deny(TO_ALL);
    let rcp = Scene::new()
        .bucket(&grant(TO_ALL))
        .rcp(&format!("{ANYONE_ALL},{rcp_deny}"));
    assert_eq!(
        rcp.ask(ANONYMOUS, GET, KEY, &[]),
        "explicit:resource-control"
    );
    let rcp = Scene::new().bucket(&grant(TO_ALL)).rcp(ANYONE_ALL);
    assert_eq!(rcp.ask(ANONYMOUS, GET, KEY, &[]), "allow");
}

#[test]
fn access_points_are_decided_twice() {
    const POINT: &str = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/k";
    let on_point = |principal: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/*"}}"#
        )
    };
    let delegated = grant(TO_ALL).replacen(
        '{',
        r#"{"Condition":{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}},"#,
        1,
    );
    let through = [("s3:DataAccessPointAccount", OWNER)];
    // Delegation: the bucket leaves it to its access points.
    let scene = Scene::new()
        .bucket(&delegated)
        .access_point(POINT, &on_point(TO_ANA), "");
    assert_eq!(scene.ask(ANA, GET, KEY, &through), "allow");
    assert_eq!(scene.ask(SESSION, GET, KEY, &through), "implicit:identity");
    let direct = Scene::new().bucket(&delegated);
    assert_eq!(direct.ask(ANA, GET, KEY, &[]), "implicit:identity");
    // Both halves must permit.
    let only_point = Scene::new().access_point(POINT, &on_point(TO_ANA), "");
    assert_eq!(only_point.ask(ANA, GET, KEY, &through), "implicit:identity");
    let identity = Scene::new().identity(ALLOW_ALL).access_point(POINT, "", "");
    assert_eq!(identity.ask(ANA, GET, KEY, &through), "allow");
    // arn:aws:s3:::* does not cover the access point.
    let buckets = ALLOW_ALL.replace(r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::*""#);
    let scene = Scene::new().identity(&buckets).access_point(POINT, "", "");
    assert_eq!(scene.ask(ANA, GET, KEY, &through), "implicit:identity");
    // The endpoint's policy must allow both ARNs.
    let scene = || Scene::new().identity(ALLOW_ALL).access_point(POINT, "", "");
    assert_eq!(
        scene()
            .interface(&grant(TO_ALL))
            .ask(ANA, GET, KEY, &through),
        "implicit:vpc-endpoint"
    );
    assert_eq!(
        scene()
            .interface(&on_point(TO_ALL))
            .ask(ANA, GET, KEY, &through),
        "implicit:vpc-endpoint"
    );
    let both = format!("{},{}", grant(TO_ALL), on_point(TO_ALL));
    assert_eq!(
        scene().interface(&both).ask(ANA, GET, KEY, &through),
        "allow"
    );
    // Seed: a Deny on arn:aws:s3:::* bites on the bucket's half only.
    let by_account = format!(
        r#"{ANYONE_ALL},{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::*",
            "Condition":{{"StringNotEquals":{{"s3:ResourceAccount":"999999999999"}}}}}}"#
    );
    assert_eq!(
        scene().interface(&by_account).ask(ANA, GET, KEY, &through),
        "explicit:vpc-endpoint"
    );
    // Access point policies deny, and serve nobody without credentials.
    let denied = Scene::new().identity(ALLOW_ALL).access_point(
        POINT,
        &on_point(TO_ALL).replace("Allow", "Deny"),
        "",
    );
    assert_eq!(denied.ask(ANA, GET, KEY, &through), "explicit:access-point");
    let open = Scene::new()
        .bucket(&grant(TO_ALL))
        .access_point(POINT, &on_point(TO_ALL), "");
    assert_eq!(
        open.ask(ANONYMOUS, GET, KEY, &through),
        "implicit:access-point"
    );
}

#[test]
fn an_access_point_of_a_vpc_serves_that_vpc() {
    const POINT: &str = "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/k";
    let scene = Scene::new()
        .identity(ALLOW_ALL)
        .access_point(POINT, "", "vpc-1");
    assert_eq!(
        scene.ask(ANA, GET, KEY, &[("aws:SourceVpc", "vpc-1")]),
        "allow"
    );
    assert_eq!(
        scene.ask(ANA, GET, KEY, &[("aws:SourceVpc", "vpc-2")]),
        "explicit:network-origin"
    );
    assert_eq!(scene.ask(ANA, GET, KEY, &[]), "explicit:network-origin");
    let principal = Principal::parse(ANA).unwrap();
    let (_, message, _) = scene.tell(&principal, GET, KEY, &[]);
    assert_eq!(
        message,
        format!(
            "User: {ANA} is not authorized to perform: s3:GetObject on resource: \"{POINT}\" with an explicit deny in a resource-based policy"
        )
    );
}

#[test]
fn objects_of_others_are_not_the_buckets_to_grant() {
    let scene = || Scene::new().bucket(&grant(TO_ALL)).object_owner(OTHER);
    assert_eq!(scene().ask(ANONYMOUS, GET, KEY, &[]), "implicit:resource");
    assert_eq!(
        scene().acl(AclGrant::Public).ask(ANONYMOUS, GET, KEY, &[]),
        "allow"
    );
    let denied = Scene::new()
        .bucket(&deny(TO_ALL))
        .object_owner(OTHER)
        .acl(AclGrant::Public);
    assert_eq!(denied.ask(ANONYMOUS, GET, KEY, &[]), "explicit:resource");
    // Nor the bucket owner's own people's to read, unless the list lets them; the object's owner needs
    // nobody's leave.
    let all = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let mine = || Scene::new().identity(all).object_owner(OTHER);
    assert_eq!(mine().ask(ANA, GET, KEY, &[]), "implicit:resource");
    let listed = mine().acl(AclGrant::Account);
    assert_eq!(listed.ask(ANA, GET, KEY, &[]), "allow");
    assert_eq!(mine().ask(STRANGER, GET, KEY, &[]), "allow");
    assert_eq!(
        Scene::new()
            .bucket(&grant(TO_ALL))
            .object_owner(OWNER)
            .ask(ANONYMOUS, GET, KEY, &[]),
        "allow"
    );
}

#[test]
fn trust_policies_must_allow() {
    let role = "arn:aws:iam::111122223333:role/dev";
    let trust = |principal: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole",
                "Condition":{{"StringEqualsIfExists":{{"sts:ExternalId":"x"}}}}}}}}"#
        );
        Scene::new().resource(&text, PolicyKind::Trust)
    };
    let ask = |scene: &Scene, caller| scene.ask(caller, "sts:AssumeRole", role, &[]);
    assert_eq!(ask(&trust(TO_ANA), ANA), "allow");
    assert_eq!(ask(&trust(TO_ACCOUNT), ANA), "implicit:identity");
    assert_eq!(ask(&trust(TO_ACCOUNT).identity(ALLOW_ALL), ANA), "allow");
    assert_eq!(
        ask(&trust(r#"{"AWS":"444455556666"}"#).identity(ALLOW_ALL), ANA),
        "implicit:trust"
    );
    assert_eq!(
        ask(
            &trust(r#"{"AWS":"444455556666"}"#).identity(ALLOW_ALL),
            STRANGER
        ),
        "allow"
    );
    assert_eq!(
        ask(
            &trust(r#"{"Service":"ec2.amazonaws.com"}"#),
            "ec2.amazonaws.com"
        ),
        "allow"
    );
    assert_eq!(
        ask(&trust(TO_ANA).identity(ALLOW_ALL), ROOT),
        "implicit:trust"
    );
    let wrong = trust(TO_ANA).ask(ANA, "sts:AssumeRole", role, &[("sts:ExternalId", "y")]);
    assert_eq!(wrong, "implicit:trust");
}

#[test]
fn control_plane_actions_use_the_same_rules() {
    let statement = r#"{"Effect":"Allow","Action":"ec2:*VpcEndpoint*","Resource":"arn:aws:ec2:*:111122223333:vpc-endpoint/*",
        "Condition":{"StringEquals":{"ec2:VpceServiceName":["com.amazonaws.eu-west-1.s3"]}}}"#;
    let scene = Scene::new().identity(statement);
    let endpoint = "arn:aws:ec2:eu-west-1:111122223333:vpc-endpoint/*";
    let s3 = [("ec2:VpceServiceName", "com.amazonaws.eu-west-1.s3")];
    assert_eq!(
        scene.ask(ANA, "ec2:CreateVpcEndpoint", endpoint, &s3),
        "allow"
    );
    assert_eq!(
        scene.ask(ANA, "ec2:CreateVpcEndpoint", endpoint, &[]),
        "implicit:identity"
    );
    assert_eq!(
        scene.ask(ANA, "ec2:CreateVpc", endpoint, &s3),
        "implicit:identity"
    );
    assert_eq!(scene.ask(ROOT, "ec2:CreateVpc", "*", &[]), "allow");
    let principal = Principal::parse(ANA).unwrap();
    let (_, message, _) = scene.tell(&principal, "ec2:CreateVpcEndpoint", endpoint, &[]);
    assert_eq!(
        message,
        format!(
            "User: {ANA} is not authorized to perform: ec2:CreateVpcEndpoint on resource: {endpoint} because no identity-based policy allows the ec2:CreateVpcEndpoint action"
        )
    );
    let (_, message, _) = scene.tell(&principal, "ec2:DescribeVpcs", "*", &[]);
    assert!(
        message.contains("ec2:DescribeVpcs because no identity"),
        "{message}"
    );
}

#[test]
fn a_stored_policy_that_does_not_compile_allows_nothing() {
    let policy = std::sync::Arc::new(Policy::allowing_nothing(PolicyKind::S3_INTERFACE));
    let layers = Layers {
        endpoint: Some(std::slice::from_ref(&policy)),
        ..Layers::default()
    };
    let principal = Principal::parse(ROOT).unwrap();
    let request = adit_policy::Request {
        principal: &principal,
        action: GET.into(),
        resource: KEY,
        resource_account: Some(OWNER),
        context: &adit_policy::Context::new(),
    };
    let decision = adit_policy::decide(&layers, &request, None);
    assert_eq!(short(&decision), "implicit:vpc-endpoint");
    assert_eq!(policy.text(), "");
}

#[test]
fn owners_are_found_in_the_arn_or_the_caller() {
    let principal = Principal::parse(ANA).unwrap();
    let context = adit_policy::Context::new();
    let owner = |resource, resource_account| {
        adit_policy::Request {
            principal: &principal,
            action: GET.into(),
            resource,
            resource_account,
            context: &context,
        }
        .owner()
        .map(str::to_owned)
    };
    assert_eq!(owner(KEY, Some(OTHER)).as_deref(), Some(OTHER));
    assert_eq!(
        owner("arn:aws:ec2:r:444455556666:vpc/v", None).as_deref(),
        Some(OTHER)
    );
    assert_eq!(owner(KEY, None).as_deref(), Some(OWNER));
}
