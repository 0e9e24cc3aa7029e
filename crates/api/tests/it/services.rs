//! Endpoint services: stated, offered, connected to, taken away.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// A provider's VPC with a subnet in zone a, and a network load balancer there.
struct Provider {
    vpc: String,
    subnet: String,
    balancer: String,
}

fn balancer(world: &World, name: &str, subnets: &[&str]) -> String {
    let input = map! {
        "Name" => name, "Type" => "network", "Scheme" => "internal", "Subnets" => subnets.to_vec(),
    };
    let made = world.ok(Service::Elbv2, "CreateLoadBalancer", input);
    text(one(&made, "LoadBalancers"), "LoadBalancerArn")
}

impl Provider {
    fn new(world: &World) -> Provider {
        let vpc = world.vpc("10.9.0.0/16");
        let subnet = world.subnet(&vpc, "10.9.1.0/24", "a");
        let balancer = balancer(world, "backend", &[&subnet]);
        Provider {
            vpc,
            subnet,
            balancer,
        }
    }

    /// A service behind the load balancer: its id and its name.
    fn service(&self, world: &World, more: Value) -> (String, String) {
        let mut input = map! { "NetworkLoadBalancerArns" => list![self.balancer.as_str()] };
        for (name, value) in more.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        let made = world.ec2("CreateVpcEndpointServiceConfiguration", input);
        let service = made.get("ServiceConfiguration");
        (text(service, "ServiceId"), text(service, "ServiceName"))
    }
}

/// Makes another account: its id and the access key of its root user.
fn other_account(world: &World) -> (String, String) {
    let made = world.ok(Service::Adit, "CreateAccount", map! { "Name" => "other" });
    (text(&made, "AccountId"), text(&made, "AccessKeyId"))
}

fn permit(world: &World, service: &str, principal: &str) -> Value {
    let input = map! { "ServiceId" => service, "AddAllowedPrincipals" => list![principal] };
    world.ec2("ModifyVpcEndpointServicePermissions", input)
}

/// The input of an interface endpoint to a service.
fn endpoint(vpc: &str, subnet: &str, service: &str) -> Value {
    map! {
        "VpcId" => vpc, "ServiceName" => service, "VpcEndpointType" => "Interface",
        "SubnetIds" => list![subnet],
    }
}

fn connections(world: &World, service: &str) -> Vec<Value> {
    let filters = list![filter("service-id", &[service])];
    let shown = world.ec2(
        "DescribeVpcEndpointConnections",
        map! { "Filters" => filters },
    );
    shown.get("VpcEndpointConnections").list().to_vec()
}

#[test]
fn a_service_is_shown_as_it_was_stated() {
    let world = World::new();
    let provider = Provider::new(&world);
    let tags = list![map! {
        "ResourceType" => "vpc-endpoint-service",
        "Tags" => list![map! { "Key" => "team", "Value" => "a" }],
    }];
    let (id, name) = provider.service(&world, map! { "TagSpecifications" => tags });
    assert_eq!(name, format!("com.amazonaws.vpce.us-east-1.{id}"));
    let shown = world.ec2(
        "DescribeVpcEndpointServiceConfigurations",
        map! { "ServiceIds" => list![id.as_str()] },
    );
    let shown = one(&shown, "ServiceConfigurations");
    assert_eq!(text(shown, "ServiceState"), "Available");
    assert_eq!(shown.get("AcceptanceRequired").bool(), Some(true));
    assert_eq!(texts(shown, "AvailabilityZones"), ["us-east-1a"]);
    assert_eq!(
        texts(shown, "NetworkLoadBalancerArns"),
        [provider.balancer.as_str()]
    );
    assert_eq!(texts(shown, "SupportedIpAddressTypes"), ["ipv4"]);
    assert_eq!(shown.get("RemoteAccessEnabled").bool(), Some(false));
    assert_eq!(each(shown, "Tags", "Key"), ["team"]);
    assert_eq!(each(shown, "SupportedRegions", "Region"), ["us-east-1"]);

    // Its owner finds it among the services there are, and may tag it.
    let input = map! { "ServiceNames" => list![name.as_str()] };
    let offered = world.ec2("DescribeVpcEndpointServices", input);
    let detail = one(&offered, "ServiceDetails");
    assert_eq!(text(detail, "Owner"), ACCOUNT);
    assert_eq!(detail.get("VpcEndpointPolicySupported").bool(), Some(false));
    assert_eq!(detail.get("AcceptanceRequired").bool(), Some(true));
    let tag = list![map! { "Key" => "tier", "Value" => "1" }];
    world.ec2(
        "CreateTags",
        map! { "Resources" => list![id.as_str()], "Tags" => tag },
    );
    let filters = list![filter("tag:tier", &["1"])];
    let found = world.ec2(
        "DescribeVpcEndpointServiceConfigurations",
        map! { "Filters" => filters },
    );
    assert_eq!(text(one(&found, "ServiceConfigurations"), "ServiceId"), id);
}

#[test]
fn the_installations_own_services_have_every_field_and_filter() {
    let world = World::new();
    let shown = world.ec2("DescribeVpcEndpointServices", map! {});
    let kinds: Vec<String> = shown
        .get("ServiceDetails")
        .list()
        .iter()
        .map(|detail| text(&detail.get("ServiceType").list()[0], "ServiceType"))
        .collect();
    assert_eq!(kinds, ["Gateway", "Interface"]);
    assert_eq!(texts(&shown, "ServiceNames"), [S3]);
    let count = |name: &str, value: &str| {
        let filters = list![filter(name, &[value])];
        let shown = world.ec2("DescribeVpcEndpointServices", map! { "Filters" => filters });
        shown.get("ServiceDetails").list().len()
    };
    for (name, value, expected) in [
        ("service-type", "Interface", 1),
        ("service-type", "GatewayLoadBalancer", 0),
        ("owner", "amazon", 2),
        ("owner", ACCOUNT, 0),
        ("service-name", "*.s3", 2),
        ("service-region", "us-east-1", 2),
        ("service-region", "eu-west-1", 0),
        ("supported-ip-address-types", "ipv4", 2),
    ] {
        assert_eq!(count(name, value), expected, "{name} {value}");
    }
    let interface = &shown.get("ServiceDetails").list()[1];
    assert_eq!(
        text(interface, "PrivateDnsName"),
        "*.s3.us-east-1.amazonaws.com"
    );
    assert_eq!(
        text(interface, "PrivateDnsNameVerificationState"),
        "verified"
    );
    let (code, _) = world.ec2_refused(
        "DescribeVpcEndpointServices",
        map! { "ServiceNames" => list!["com.amazonaws.us-east-1.none"] },
    );
    assert_eq!(code, "InvalidServiceName");
}

#[test]
fn only_the_permitted_find_a_service_and_it_is_the_provider_who_accepts() {
    let world = World::new();
    let provider = Provider::new(&world);
    let (id, name) = provider.service(&world, map! {});
    let (other, other_root) = other_account(&world);
    world.use_key(&other_root);
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let outside = world.subnet(&vpc, "10.0.2.0/24", "b");
    let wanted = endpoint(&vpc, &subnet, &name);
    let (code, _) = world.ec2_refused("CreateVpcEndpoint", wanted.clone());
    assert_eq!(code, "InvalidServiceName");

    world.use_key(ROOT);
    let added = permit(&world, &id, &format!("arn:aws:iam::{other}:root"));
    assert_eq!(
        text(one(&added, "AddedPrincipals"), "PrincipalType"),
        "Account"
    );
    // What is there already is not added again.
    let again = permit(&world, &id, &format!("arn:aws:iam::{other}:root"));
    assert_eq!(again.get("AddedPrincipals").list().len(), 0);

    world.use_key(&other_root);
    let (code, _) = world.ec2_refused("CreateVpcEndpoint", endpoint(&vpc, &outside, &name));
    assert_eq!(code, "InvalidParameter", "the service is not in zone b");
    let made = world.ec2("CreateVpcEndpoint", wanted);
    let made = made.get("VpcEndpoint");
    let vpce = text(made, "VpcEndpointId");
    assert_eq!(text(made, "State"), "pendingAcceptance");
    let first = text(&made.get("DnsEntries").list()[0], "DnsName");
    assert!(
        first.starts_with(&vpce) && first.contains(&format!(".{id}.us-east-1.vpce.")),
        "{first}"
    );
    // It is the provider's to say, not the consumer's.
    let input = map! { "ServiceId" => id.as_str(), "VpcEndpointIds" => list![vpce.as_str()] };
    let (code, _) = world.ec2_refused("AcceptVpcEndpointConnections", input.clone());
    assert_eq!(code, "InvalidVpcEndpointServiceId.NotFound");

    world.use_key(ROOT);
    let seen = connections(&world, &id);
    assert_eq!(seen.len(), 1);
    assert_eq!(text(&seen[0], "VpcEndpointOwner"), other);
    assert_eq!(text(&seen[0], "VpcEndpointState"), "pendingAcceptance");
    let done = world.ec2("AcceptVpcEndpointConnections", input.clone());
    assert_eq!(done.get("Unsuccessful"), &list![]);
    // Accepted, and nobody answers behind it: it is not called available.
    let state = text(&connections(&world, &id)[0], "VpcEndpointState");
    assert_eq!(state, "failed");
    world.use_key(&other_root);
    let shown = world.endpoint(&vpce);
    assert_eq!(text(&shown, "State"), "failed");
    assert_eq!(text(shown.get("LastError"), "Code"), "ServiceUnavailable");

    world.use_key(ROOT);
    let missing =
        map! { "ServiceId" => id.as_str(), "VpcEndpointIds" => list!["vpce-00000000000000001"] };
    let done = world.ec2("RejectVpcEndpointConnections", missing);
    let error = one(&done, "Unsuccessful").get("Error");
    assert_eq!(text(error, "Code"), "InvalidVpcEndpointId.NotFound");
    world.ec2("RejectVpcEndpointConnections", input);
    world.use_key(&other_root);
    assert_eq!(text(&world.endpoint(&vpce), "State"), "rejected");
    let change =
        map! { "VpcEndpointId" => vpce.as_str(), "RemoveSubnetIds" => list![subnet.as_str()] };
    assert_eq!(
        world.ec2_refused("ModifyVpcEndpoint", change).0,
        "IncorrectState"
    );
    // The consumer alone removes it.
    world.ec2(
        "DeleteVpcEndpoints",
        map! { "VpcEndpointIds" => list![vpce.as_str()] },
    );
    world.use_key(ROOT);
    assert!(connections(&world, &id).is_empty());
}

#[test]
fn a_service_that_accepts_everybody_it_permits_accepts_at_once() {
    let world = World::new();
    let provider = Provider::new(&world);
    let (id, name) = provider.service(&world, map! { "AcceptanceRequired" => false });
    let made = world.ec2(
        "CreateVpcEndpoint",
        endpoint(&provider.vpc, &provider.subnet, &name),
    );
    assert_eq!(text(made.get("VpcEndpoint"), "State"), "failed");
    assert_eq!(
        made.get("VpcEndpoint").get("PrivateDnsEnabled").bool(),
        Some(false)
    );
    let vpce = text(made.get("VpcEndpoint"), "VpcEndpointId");
    // A policy of its own cannot be enforced.
    let change = map! { "VpcEndpointId" => vpce.as_str(), "PolicyDocument" => ALLOW_ALL };
    assert_eq!(
        world.ec2_refused("ModifyVpcEndpoint", change).0,
        "InvalidParameter"
    );

    // While there are connections, service and load balancer stay.
    let ids = map! { "ServiceIds" => list![id.as_str()] };
    let done = world.ec2("DeleteVpcEndpointServiceConfigurations", ids.clone());
    let error = one(&done, "Unsuccessful").get("Error");
    assert_eq!(text(error, "Code"), "ExistingVpcEndpointConnections");
    let arn = map! { "LoadBalancerArn" => provider.balancer.as_str() };
    let error = world.refused(Service::Elbv2, "DeleteLoadBalancer", arn.clone());
    assert_eq!(error.code, "ResourceInUse");

    world.ec2(
        "DeleteVpcEndpoints",
        map! { "VpcEndpointIds" => list![vpce.as_str()] },
    );
    let done = world.ec2("DeleteVpcEndpointServiceConfigurations", ids);
    assert_eq!(done.get("Unsuccessful"), &list![]);
    let (code, _) = world.ec2_refused(
        "DeleteSubnet",
        map! { "SubnetId" => provider.subnet.as_str() },
    );
    assert_eq!(code, "DependencyViolation", "the load balancer is there");
    world.ok(Service::Elbv2, "DeleteLoadBalancer", arn.clone());
    // Again is no error.
    world.ok(Service::Elbv2, "DeleteLoadBalancer", arn);
    world.ec2(
        "DeleteSubnet",
        map! { "SubnetId" => provider.subnet.as_str() },
    );
}

#[test]
fn a_load_balancer_serves_one_service_and_a_service_keeps_one() {
    let world = World::new();
    let provider = Provider::new(&world);
    let b = world.subnet(&provider.vpc, "10.9.2.0/24", "b");
    let second = balancer(&world, "second", &[&b]);
    let (id, _) = provider.service(&world, map! {});
    let again = map! { "NetworkLoadBalancerArns" => list![provider.balancer.as_str()] };
    let (code, _) = world.ec2_refused("CreateVpcEndpointServiceConfiguration", again);
    assert_eq!(code, "InvalidParameter");
    let modify = |name: &'static str, value: Value| {
        map! { "ServiceId" => id.as_str(), name => value }
    };
    world.ec2(
        "ModifyVpcEndpointServiceConfiguration",
        modify("AddNetworkLoadBalancerArns", list![second.as_str()]),
    );
    let shown = world.ec2("DescribeVpcEndpointServiceConfigurations", map! {});
    let zones = texts(one(&shown, "ServiceConfigurations"), "AvailabilityZones");
    assert_eq!(zones, ["us-east-1a", "us-east-1b"]);
    let both = list![second.as_str(), provider.balancer.as_str()];
    for (name, value, code) in [
        ("RemoveNetworkLoadBalancerArns", both, "InvalidParameter"),
        (
            "RemoveSupportedIpAddressTypes",
            list!["ipv4"],
            "InvalidParameter",
        ),
        (
            "AddSupportedIpAddressTypes",
            list!["ipv6"],
            "InvalidParameter",
        ),
        (
            "AddSupportedIpAddressTypes",
            list!["ipv5"],
            "InvalidParameterValue",
        ),
        (
            "AddSupportedRegions",
            list!["mars-1"],
            "InvalidParameterValue",
        ),
        (
            "RemoveSupportedRegions",
            list!["us-east-1"],
            "InvalidParameter",
        ),
        (
            "AddGatewayLoadBalancerArns",
            list!["arn"],
            "UnsupportedOperation",
        ),
    ] {
        let refused =
            world.ec2_refused("ModifyVpcEndpointServiceConfiguration", modify(name, value));
        assert_eq!(refused.0, code, "{name}: {}", refused.1);
    }
    for (arn, code) in [
        (
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/1",
            "InvalidNetworkLoadBalancerArn.Malformed",
        ),
        (
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/a/1",
            "InvalidNetworkLoadBalancerArn.NotFound",
        ),
    ] {
        let input = map! { "NetworkLoadBalancerArns" => list![arn] };
        assert_eq!(
            world
                .ec2_refused("CreateVpcEndpointServiceConfiguration", input)
                .0,
            code
        );
    }
}

#[test]
fn a_service_reaches_the_regions_it_names() {
    let world = World::new();
    let provider = Provider::new(&world);
    let regions = map! { "SupportedRegions" => list!["eu-west-1"], "AcceptanceRequired" => false };
    let (id, name) = provider.service(&world, regions);
    world.go_to("eu-west-1");
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "b");
    let mut wanted = endpoint(&vpc, &subnet, &name);
    let (code, _) = world.ec2_refused("CreateVpcEndpoint", wanted.clone());
    assert_eq!(code, "InvalidServiceName", "its Region must be named");
    wanted
        .map_mut()
        .unwrap()
        .insert("ServiceRegion", "us-east-1");
    let made = world.ec2("CreateVpcEndpoint", wanted);
    let made = made.get("VpcEndpoint");
    assert_eq!(text(made, "ServiceRegion"), "us-east-1");
    // Across Regions there is the regional name alone.
    assert_eq!(made.get("DnsEntries").list().len(), 1);
    let regions =
        map! { "ServiceRegions" => list!["us-east-1"], "ServiceNames" => list![name.as_str()] };
    let offered = world.ec2("DescribeVpcEndpointServices", regions);
    assert_eq!(
        text(one(&offered, "ServiceDetails"), "ServiceRegion"),
        "us-east-1"
    );
    world.go_to("us-east-1");
    let filters = list![filter("vpc-endpoint-region", &["cross-region"])];
    let seen = world.ec2(
        "DescribeVpcEndpointConnections",
        map! { "Filters" => filters },
    );
    let seen = one(&seen, "VpcEndpointConnections").clone();
    assert_eq!(text(&seen, "VpcEndpointRegion"), "eu-west-1");
    assert_eq!(text(&seen, "ServiceId"), id);
}

#[test]
fn a_private_name_without_proof_is_not_given_to_endpoints() {
    let world = World::new();
    let provider = Provider::new(&world);
    let name = map! { "PrivateDnsName" => "api.example.com", "AcceptanceRequired" => false };
    let (id, service) = provider.service(&world, name);
    let show = || {
        let shown = world.ec2("DescribeVpcEndpointServiceConfigurations", map! {});
        one(&shown, "ServiceConfigurations")
            .get("PrivateDnsNameConfiguration")
            .clone()
    };
    let pending = show();
    assert_eq!(text(&pending, "State"), "pendingVerification");
    assert_eq!(text(&pending, "Type"), "TXT");
    assert!(
        text(&pending, "Value").starts_with("vpce:") && text(&pending, "Name").starts_with('_')
    );
    world.ec2(
        "StartVpcEndpointServicePrivateDnsVerification",
        map! { "ServiceId" => id.as_str() },
    );
    assert_eq!(text(&show(), "State"), "failed");
    let on =
        map! { "VpcId" => provider.vpc.as_str(), "EnableDnsHostnames" => map! { "Value" => true } };
    world.ec2("ModifyVpcAttribute", on);
    let mut wanted = endpoint(&provider.vpc, &provider.subnet, &service);
    wanted.map_mut().unwrap().insert("PrivateDnsEnabled", true);
    let (code, message) = world.ec2_refused("CreateVpcEndpoint", wanted);
    assert_eq!(code, "InvalidParameter");
    assert!(
        message.contains("does not provide a private DNS name"),
        "{message}"
    );
    // The same name keeps what is known of it; another starts anew.
    let modify = |name: &str| {
        let input = map! { "ServiceId" => id.as_str(), "PrivateDnsName" => name };
        world.ec2("ModifyVpcEndpointServiceConfiguration", input);
    };
    modify("api.example.com");
    assert_eq!(text(&show(), "State"), "failed");
    modify("*.example.com");
    assert_eq!(text(&show(), "State"), "pendingVerification");
    let remove = map! { "ServiceId" => id.as_str(), "RemovePrivateDnsName" => true };
    world.ec2("ModifyVpcEndpointServiceConfiguration", remove);
    assert_eq!(show(), Value::Null);
    let (code, _) = world.ec2_refused(
        "StartVpcEndpointServicePrivateDnsVerification",
        map! { "ServiceId" => id.as_str() },
    );
    assert_eq!(code, "InvalidParameter");
    for bad in ["Example.com", "com", "a..com", "-a.com", "*.com."] {
        let input = map! { "ServiceId" => id.as_str(), "PrivateDnsName" => bad };
        let (code, _) = world.ec2_refused("ModifyVpcEndpointServiceConfiguration", input);
        assert_eq!(code, "InvalidParameterValue", "{bad}");
    }
}

#[test]
fn the_provider_pays_once_and_for_all() {
    let world = World::new();
    let provider = Provider::new(&world);
    let (id, _) = provider.service(&world, map! {});
    let pay = |payer: &str| map! { "ServiceId" => id.as_str(), "PayerResponsibility" => payer };
    let (code, _) = world.ec2_refused(
        "ModifyVpcEndpointServicePayerResponsibility",
        pay("Consumer"),
    );
    assert_eq!(code, "InvalidParameterValue");
    world.ec2(
        "ModifyVpcEndpointServicePayerResponsibility",
        pay("ServiceOwner"),
    );
    let shown = world.ec2("DescribeVpcEndpointServiceConfigurations", map! {});
    let shown = one(&shown, "ServiceConfigurations");
    assert_eq!(text(shown, "PayerResponsibility"), "ServiceOwner");
}

#[test]
fn permissions_are_listed_filtered_and_taken_back() {
    let world = World::new();
    let provider = Provider::new(&world);
    let (id, _) = provider.service(&world, map! {});
    for principal in ["*", "arn:aws:iam::210987654321:role/ops/reader"] {
        permit(&world, &id, principal);
    }
    let bad =
        map! { "ServiceId" => id.as_str(), "AddAllowedPrincipals" => list!["arn:aws:iam::1:root"] };
    assert!(
        world
            .ec2_refused("ModifyVpcEndpointServicePermissions", bad)
            .0
            .starts_with("UnknownPrincipalType")
    );
    let list = |filters: Value| {
        let input = map! { "ServiceId" => id.as_str(), "Filters" => filters };
        let shown = world.ec2("DescribeVpcEndpointServicePermissions", input);
        each(&shown, "AllowedPrincipals", "PrincipalType")
    };
    assert_eq!(list(list![]), ["All", "Role"]);
    assert_eq!(list(list![filter("principal-type", &["Role"])]), ["Role"]);
    assert_eq!(list(list![filter("principal", &["arn:*"])]), ["Role"]);
    let remove = map! { "ServiceId" => id.as_str(), "RemoveAllowedPrincipals" => list!["*"] };
    world.ec2("ModifyVpcEndpointServicePermissions", remove);
    assert_eq!(list(list![]), ["Role"]);
}

#[test]
fn notifications_are_kept_and_shown_as_what_they_are() {
    let world = World::new();
    let provider = Provider::new(&world);
    let (id, _) = provider.service(&world, map! {});
    let topic = "arn:aws:sns:us-east-1:123456789012:events";
    let input = |subject: Value| {
        let mut input = map! {
            "ConnectionNotificationArn" => topic, "ConnectionEvents" => list!["Accept", "Connect"],
        };
        for (name, value) in subject.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        input
    };
    let create = "CreateVpcEndpointConnectionNotification";
    let vpc = world.vpc("10.0.0.0/16");
    let gateway = world.gateway_endpoint(&vpc, &[]);
    for (wrong, code) in [
        (map! {}, "MissingParameter"),
        (
            map! { "ServiceId" => id.as_str(), "VpcEndpointId" => gateway.as_str() },
            "InvalidParameterCombination",
        ),
        (
            map! { "VpcEndpointId" => gateway.as_str() },
            "InvalidParameter",
        ),
        (
            map! { "ServiceId" => id.as_str(), "ConnectionEvents" => list!["Open"] },
            "InvalidParameter",
        ),
        (
            map! { "ServiceId" => id.as_str(), "ConnectionNotificationArn" => "arn:aws:sqs:us-east-1:123456789012:q" },
            "InvalidParameter",
        ),
    ] {
        let refused = world.ec2_refused(create, input(wrong.clone()));
        assert_eq!(refused.0, code, "{wrong:?}: {}", refused.1);
    }
    let token = map! { "ServiceId" => id.as_str(), "ClientToken" => "once" };
    let made = world.ec2(create, input(token.clone()));
    let shown = made.get("ConnectionNotification");
    // Nothing is sent, and it does not say so.
    assert_eq!(text(shown, "ConnectionNotificationState"), "Disabled");
    let nfn = text(shown, "ConnectionNotificationId");
    let again = world.ec2(create, input(token));
    assert_eq!(
        text(
            again.get("ConnectionNotification"),
            "ConnectionNotificationId"
        ),
        nfn
    );
    let change =
        map! { "ConnectionNotificationId" => nfn.as_str(), "ConnectionEvents" => list!["Delete"] };
    world.ec2("ModifyVpcEndpointConnectionNotification", change);
    let filters = list![filter("service-id", &[&id])];
    let all = world.ec2(
        "DescribeVpcEndpointConnectionNotifications",
        map! { "Filters" => filters },
    );
    assert_eq!(
        texts(one(&all, "ConnectionNotificationSet"), "ConnectionEvents"),
        ["Delete"]
    );
    // They go with what they are about.
    world.ec2(
        "DeleteVpcEndpointServiceConfigurations",
        map! { "ServiceIds" => list![id.as_str()] },
    );
    let gone = map! { "ConnectionNotificationId" => nfn.as_str() };
    let (code, _) = world.ec2_refused("DescribeVpcEndpointConnectionNotifications", gone);
    assert_eq!(code, "InvalidConnectionNotification");
    let done = world.ec2(
        "DeleteVpcEndpointConnectionNotifications",
        map! { "ConnectionNotificationIds" => list![nfn.as_str()] },
    );
    assert_eq!(done.get("Unsuccessful").list().len(), 1);
}

#[test]
fn load_balancers_are_checked_and_paged() {
    let world = World::new();
    let vpc = world.vpc("10.9.0.0/16");
    let (a, a2) = (
        world.subnet(&vpc, "10.9.1.0/24", "a"),
        world.subnet(&vpc, "10.9.2.0/24", "a"),
    );
    for name in ["one", "three", "two"] {
        balancer(&world, name, &[&a]);
    }
    let refused = |more: Value| {
        let mut input =
            map! { "Name" => "four", "Type" => "network", "Subnets" => list![a.as_str()] };
        for (name, value) in more.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        world
            .refused(Service::Elbv2, "CreateLoadBalancer", input)
            .code
    };
    for (wrong, code) in [
        (map! { "Name" => "one" }, "DuplicateLoadBalancerName"),
        (map! { "Name" => "a_b" }, "ValidationError"),
        (map! { "Type" => "application" }, "OperationNotPermitted"),
        (map! { "Scheme" => "outside" }, "InvalidScheme"),
        (
            map! { "Subnets" => list![a.as_str(), a2.as_str()] },
            "InvalidConfigurationRequest",
        ),
        (
            map! { "Subnets" => list!["subnet-00000000000000001"] },
            "SubnetNotFound",
        ),
        (map! { "Subnets" => list![] }, "ValidationError"),
        (map! { "IpAddressType" => "dualstack" }, "InvalidSubnet"),
        (
            map! { "SecurityGroups" => list!["sg-00000000000000001"] },
            "InvalidSecurityGroup",
        ),
    ] {
        assert_eq!(refused(wrong.clone()), code, "{wrong:?}");
    }
    let page = |marker: Option<&str>| {
        let input = map! { "PageSize" => 2i64, "Marker" => marker };
        let shown = world.ok(Service::Elbv2, "DescribeLoadBalancers", input);
        let names = each(&shown, "LoadBalancers", "LoadBalancerName");
        (names, shown.get("NextMarker").str().map(str::to_string))
    };
    let (first, marker) = page(None);
    let (second, end) = page(marker.as_deref());
    assert_eq!(
        (first, second, end),
        (vec!["one".into(), "three".into()], vec!["two".into()], None)
    );
    let shown = world.ok(
        Service::Elbv2,
        "DescribeLoadBalancers",
        map! { "Names" => list!["two"] },
    );
    // Nothing is balanced.
    assert_eq!(
        text(one(&shown, "LoadBalancers").get("State"), "Code"),
        "failed"
    );
    let error = world.refused(
        Service::Elbv2,
        "DescribeLoadBalancers",
        map! { "Names" => list!["five"] },
    );
    assert_eq!(error.code, "LoadBalancerNotFound");
}
