//! Route 53 Resolver: endpoints and rules.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

fn resolver(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::Route53Resolver, name, input)
}

fn refused(world: &World, name: &str, input: Value) -> (String, String) {
    let error = world.refused(Service::Route53Resolver, name, input);
    (error.code.into_owned(), error.message)
}

fn with(mut value: Value, name: &'static str, more: impl Into<Value>) -> Value {
    value.map_mut().unwrap().insert(name, more);
    value
}

/// A VPC with two subnets, and what an endpoint in it is asked with.
fn place(world: &World, direction: &str) -> (String, Value) {
    let vpc = world.vpc("10.0.0.0/16");
    let (a, b) = (
        world.subnet(&vpc, "10.0.1.0/24", "a"),
        world.subnet(&vpc, "10.0.2.0/24", "b"),
    );
    let addresses = list![
        map! { "SubnetId" => a.as_str(), "Ip" => "10.0.1.53" },
        map! { "SubnetId" => b.as_str() }
    ];
    let wish = map! {
        "CreatorRequestId" => direction, "Name" => "an endpoint", "Direction" => direction,
        "SecurityGroupIds" => vec![world.default_group(&vpc)], "IpAddresses" => addresses,
    };
    (vpc, wish)
}

fn endpoint(world: &World, wish: Value) -> String {
    let made = resolver(world, "CreateResolverEndpoint", wish);
    text(made.get("ResolverEndpoint"), "Id")
}

#[test]
fn an_endpoint_has_an_interface_for_each_address() {
    let world = World::new();
    let (vpc, wish) = place(&world, "INBOUND");
    let made = resolver(&world, "CreateResolverEndpoint", wish.clone());
    let made = made.get("ResolverEndpoint");
    let id = text(made, "Id");
    assert!(id.starts_with("rslvr-in-0"), "{id}");
    assert_eq!(text(made, "Status"), "OPERATIONAL");
    assert_eq!(text(made, "HostVPCId"), vpc);
    assert_eq!(made.get("IpAddressCount").int(), Some(2));
    assert_eq!(
        text(made, "CreationTime").len(),
        "2018-11-26T19:02:46.347Z".len()
    );
    let of = map! { "ResolverEndpointId" => id.as_str() };
    let listed = resolver(&world, "ListResolverEndpointIpAddresses", of.clone());
    let mut ips = each(&listed, "IpAddresses", "Ip");
    ips.sort();
    assert_eq!(ips, ["10.0.1.53", "10.0.2.10"]);
    assert_eq!(
        each(&listed, "IpAddresses", "Status"),
        ["ATTACHED", "ATTACHED"]
    );
    let enis = world.ec2("DescribeNetworkInterfaces", map! {});
    for eni in enis.get("NetworkInterfaces").list() {
        assert_eq!(eni.get("RequesterManaged").bool(), Some(true));
        let input = map! { "NetworkInterfaceId" => text(eni, "NetworkInterfaceId") };
        assert_eq!(
            world.ec2_refused("DeleteNetworkInterface", input).0,
            "OperationNotPermitted"
        );
    }
    assert_eq!(
        refused(&world, "CreateResolverEndpoint", wish).0,
        "ResourceExistsException"
    );
    let gone = resolver(&world, "DeleteResolverEndpoint", of.clone());
    assert_eq!(text(gone.get("ResolverEndpoint"), "Status"), "DELETING");
    assert!(world.intent().network_interfaces.is_empty());
    assert_eq!(
        refused(&world, "GetResolverEndpoint", of).0,
        "ResourceNotFoundException"
    );
}

#[test]
fn endpoints_are_refused() {
    let world = World::new();
    let (_, wish) = place(&world, "INBOUND");
    let elsewhere = world.vpc("10.9.0.0/16");
    let strange = world.subnet(&elsewhere, "10.9.1.0/24", "a");
    let address = |subnet: &str, ip: &str| map! { "SubnetId" => subnet, "Ip" => ip };
    let first = wish.get("IpAddresses").list()[0].clone();
    for (name, value, code, part) in [
        (
            "SecurityGroupIds",
            Value::from(vec!["test-invalid-sg-123"]),
            "InvalidParameterException",
            "[RSLVR-00408] Malformed security group ID: \"Invalid id: \"test-invalid-sg-123\" (expecting \"sg-...\")\".",
        ),
        (
            "Direction",
            "INBOUND_DELEGATION".into(),
            "InvalidParameterException",
            "not supported",
        ),
        (
            "Protocols",
            vec!["DoH"].into(),
            "InvalidParameterException",
            "not supported",
        ),
        (
            "ResolverEndpointType",
            "IPV6".into(),
            "InvalidParameterException",
            "not supported",
        ),
        (
            "Name",
            "123".into(),
            "InvalidParameterException",
            "not valid",
        ),
        (
            "IpAddresses",
            list![first.clone(), address(&strange, "10.9.1.9")],
            "InvalidParameterException",
            "not in the VPC",
        ),
        (
            "IpAddresses",
            list![first.clone(), first.clone()],
            "InvalidParameterException",
            "is in use",
        ),
    ] {
        let input = with(wish.clone(), name, value);
        let (got, message) = refused(&world, "CreateResolverEndpoint", input);
        assert_eq!(got, code, "{name}");
        assert!(message.contains(part), "{name}: {message}");
    }
}

#[test]
fn addresses_come_and_go_above_the_fewest() {
    let world = World::new();
    let (_, wish) = place(&world, "OUTBOUND");
    let subnet = text(&wish.get("IpAddresses").list()[0], "SubnetId");
    let id = endpoint(&world, wish);
    let of = |address: Value| map! { "ResolverEndpointId" => id.as_str(), "IpAddress" => address };
    let third = map! { "SubnetId" => subnet.as_str(), "Ip" => "10.0.1.77" };
    let added = resolver(
        &world,
        "AssociateResolverEndpointIpAddress",
        of(third.clone()),
    );
    assert_eq!(
        added.get("ResolverEndpoint").get("IpAddressCount").int(),
        Some(3)
    );
    assert_eq!(
        refused(
            &world,
            "AssociateResolverEndpointIpAddress",
            of(third.clone())
        )
        .0,
        "ResourceExistsException"
    );
    resolver(
        &world,
        "DisassociateResolverEndpointIpAddress",
        of(third.clone()),
    );
    assert_eq!(
        refused(&world, "DisassociateResolverEndpointIpAddress", of(third)).0,
        "ResourceNotFoundException"
    );
    let first = map! { "SubnetId" => subnet.as_str(), "Ip" => "10.0.1.53" };
    let (code, message) = refused(&world, "DisassociateResolverEndpointIpAddress", of(first));
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("at least 2"), "{message}");
}

fn forward(endpoint: &str, domain: &str) -> Value {
    map! {
        "CreatorRequestId" => domain, "Name" => "a rule", "RuleType" => "FORWARD",
        "DomainName" => domain, "ResolverEndpointId" => endpoint,
        "TargetIps" => list![map! { "Ip" => "192.168.0.53" }],
    }
}

#[test]
fn rules_hold_in_vpcs_one_for_a_domain() {
    let world = World::new();
    let (vpc, wish) = place(&world, "OUTBOUND");
    let out = endpoint(&world, wish);
    let made = resolver(&world, "CreateResolverRule", forward(&out, "Corp.Example"));
    let rule = made.get("ResolverRule");
    let id = text(rule, "Id");
    assert_eq!(text(rule, "DomainName"), "corp.example.");
    assert_eq!(rule.get("TargetIps").list()[0].get("Port").int(), Some(53));
    let link = map! { "ResolverRuleId" => id.as_str(), "VPCId" => vpc.as_str() };
    let linked = resolver(&world, "AssociateResolverRule", link.clone());
    let linked = linked.get("ResolverRuleAssociation");
    assert_eq!(text(linked, "Status"), "COMPLETE");
    assert_eq!(
        refused(&world, "AssociateResolverRule", link.clone()).0,
        "ResourceExistsException"
    );
    let same = with(forward(&out, "corp.example"), "CreatorRequestId", "again");
    let same = resolver(&world, "CreateResolverRule", same);
    let same = with(
        link.clone(),
        "ResolverRuleId",
        text(same.get("ResolverRule"), "Id"),
    );
    let (code, message) = refused(&world, "AssociateResolverRule", same);
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("same domain name"), "{message}");
    let of = map! { "ResolverRuleId" => id.as_str() };
    assert_eq!(
        refused(&world, "DeleteResolverRule", of.clone()).0,
        "ResourceInUseException"
    );
    let (_, message) = refused(
        &world,
        "DeleteResolverEndpoint",
        map! { "ResolverEndpointId" => out.as_str() },
    );
    assert!(
        message.starts_with("[RSLVR-00806]") && message.contains(&id),
        "{message}"
    );
    let new = map! { "Name" => "other",
    "TargetIps" => list![map! { "Ip" => "192.168.0.54", "Port" => 5353i64 }] };
    let update = with(of.clone(), "Config", new);
    let updated = resolver(&world, "UpdateResolverRule", update);
    let target = updated.get("ResolverRule").get("TargetIps").list()[0].clone();
    assert_eq!(
        (text(&target, "Ip").as_str(), target.get("Port").int()),
        ("192.168.0.54", Some(5353))
    );
    resolver(&world, "DisassociateResolverRule", link);
    resolver(&world, "DeleteResolverRule", of.clone());
    let (code, message) = refused(&world, "GetResolverRule", of);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(
        message,
        format!("[RSLVR-00703] Resolver rule with ID \"{id}\" does not exist.")
    );
}

#[test]
fn rules_are_refused() {
    let world = World::new();
    let (_, wish) = place(&world, "INBOUND");
    let inbound = endpoint(&world, wish);
    let (code, message) = refused(&world, "CreateResolverRule", forward(&inbound, "x"));
    assert_eq!(code, "InvalidRequestException");
    assert_eq!(
        message,
        "[RSLVR-00700] Resolver rules can only be associated to OUTBOUND resolver endpoints."
    );
    let rule =
        |kind: &str| map! { "CreatorRequestId" => "r", "RuleType" => kind, "DomainName" => "x.y" };
    for (input, code) in [
        (rule("RECURSIVE"), "InvalidParameterException"),
        (rule("FORWARD"), "InvalidParameterException"),
        (
            with(
                rule("SYSTEM"),
                "TargetIps",
                list![map! { "Ip" => "10.0.0.1" }],
            ),
            "InvalidRequestException",
        ),
        (
            with(rule("SYSTEM"), "DomainName", "a..b"),
            "InvalidParameterException",
        ),
    ] {
        assert_eq!(refused(&world, "CreateResolverRule", input).0, code);
    }
    resolver(
        &world,
        "CreateResolverRule",
        with(rule("SYSTEM"), "DomainName", "."),
    );
}

#[test]
fn lists_have_pages_filters_and_what_is_always_there() {
    let world = World::new();
    let (vpc, wish) = place(&world, "OUTBOUND");
    let out = endpoint(&world, wish);
    for n in 0..5 {
        resolver(
            &world,
            "CreateResolverRule",
            forward(&out, &format!("d{n}.example")),
        );
    }
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let input = map! { "MaxResults" => 2i64, "NextToken" => token.clone() };
        let page = resolver(&world, "ListResolverRules", input);
        seen.extend(each(&page, "ResolverRules", "DomainName"));
        token = page.get("NextToken").str().map(str::to_string);
        if token.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen.len(), 6);
    assert_eq!(
        seen.first().map(String::as_str),
        Some("."),
        "the internet rule is always there"
    );
    let filters = list![
        map! { "Name" => "TYPE", "Values" => vec!["FORWARD"] },
        map! { "Name" => "DomainName", "Values" => vec!["d3.example."] }
    ];
    let found = resolver(&world, "ListResolverRules", map! { "Filters" => filters });
    assert_eq!(each(&found, "ResolverRules", "DomainName"), ["d3.example."]);
    let wrong = list![map! { "Name" => "nonsense", "Values" => vec!["x"] }];
    assert_eq!(
        refused(&world, "ListResolverRules", map! { "Filters" => wrong }).0,
        "InvalidParameterException"
    );
    assert_eq!(
        refused(&world, "ListResolverRules", map! { "NextToken" => "!" }).0,
        "InvalidNextTokenException"
    );
    let filters = list![map! { "Name" => "VPCId", "Values" => vec![vpc.as_str()] }];
    let held = resolver(
        &world,
        "ListResolverRuleAssociations",
        map! { "Filters" => filters },
    );
    assert_eq!(
        each(&held, "ResolverRuleAssociations", "ResolverRuleId"),
        ["rslvr-autodefined-rr-internet-resolver"]
    );
}

#[test]
fn rules_and_endpoints_have_tags() {
    let world = World::new();
    let (_, wish) = place(&world, "OUTBOUND");
    let made = resolver(&world, "CreateResolverEndpoint", wish);
    let arn = text(made.get("ResolverEndpoint"), "Arn");
    let of = map! { "ResourceArn" => arn.as_str() };
    let tags = list![map! { "Key" => "team", "Value" => "blue" }];
    resolver(&world, "TagResource", with(of.clone(), "Tags", tags));
    let listed = resolver(&world, "ListTagsForResource", of.clone());
    assert_eq!(each(&listed, "Tags", "Key"), ["team"]);
    resolver(
        &world,
        "UntagResource",
        with(of.clone(), "TagKeys", vec!["team"]),
    );
    let listed = resolver(&world, "ListTagsForResource", of);
    assert!(listed.get("Tags").list().is_empty());
}

#[test]
fn i9_states_follow_the_planes() {
    let world = World::new();
    let (vpc, wish) = place(&world, "INBOUND");
    world.planes.stick();
    let id = endpoint(&world, wish);
    let of = map! { "ResolverEndpointId" => id.as_str() };
    let status = |world: &World| {
        let shown = resolver(world, "GetResolverEndpoint", of.clone());
        text(shown.get("ResolverEndpoint"), "Status")
    };
    assert_eq!(status(&world), "CREATING");
    world.planes.catch_up();
    assert_eq!(status(&world), "OPERATIONAL");
    world.planes.fail(&vpc, "no room");
    assert_eq!(status(&world), "ACTION_NEEDED");
}

#[test]
fn reverse_names_are_answered_until_they_are_switched_off() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let of = map! { "ResourceId" => vpc.as_str() };
    let state = |shown: Value| text(shown.get("ResolverConfig"), "AutodefinedReverse");
    let now = || state(resolver(&world, "GetResolverConfig", of.clone()));
    assert_eq!(now(), "ENABLED");
    for (flag, shown) in [("DISABLE", "DISABLED"), ("ENABLE", "ENABLED")] {
        let update = with(of.clone(), "AutodefinedReverseFlag", flag);
        assert_eq!(
            state(resolver(&world, "UpdateResolverConfig", update)),
            shown
        );
        assert_eq!(now(), shown);
    }
    let other = with(of.clone(), "AutodefinedReverseFlag", "PERHAPS");
    assert_eq!(
        refused(&world, "UpdateResolverConfig", other).0,
        "InvalidParameterException"
    );
}
