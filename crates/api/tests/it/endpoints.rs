//! VPC endpoints: what they hold, what is shown of them, and when they are available.

use adit_model::{NetworkInterface, Subnet};
use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// A VPC with host names and two subnets, in zones a and b.
fn hybrid(world: &World) -> (String, String, String) {
    let vpc = world.vpc("10.0.0.0/16");
    let on = map! { "VpcId" => vpc.as_str(), "EnableDnsHostnames" => map! { "Value" => true } };
    world.ec2("ModifyVpcAttribute", on);
    let (a, b) = (
        world.subnet(&vpc, "10.0.1.0/24", "a"),
        world.subnet(&vpc, "10.0.2.0/24", "b"),
    );
    (vpc, a, b)
}

fn modify(world: &World, id: &str, name: &'static str, value: impl Into<Value>) {
    world.ec2(
        "ModifyVpcEndpoint",
        map! { "VpcEndpointId" => id, name => value },
    );
}

/// Creates an interface endpoint with more members than usual.
fn interface(world: &World, vpc: &str, more: Value) -> Value {
    let mut input = map! { "VpcId" => vpc, "ServiceName" => S3, "VpcEndpointType" => "Interface" };
    for (name, value) in more.map().unwrap().clone() {
        input.map_mut().unwrap().insert(name, value);
    }
    world
        .ec2("CreateVpcEndpoint", input)
        .get("VpcEndpoint")
        .clone()
}

#[test]
fn a_gateway_endpoint_as_aws_shows_it() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.table(&vpc);
    let shown = world.endpoint(&world.gateway_endpoint(&vpc, &[&table, &table]));
    assert_eq!(text(&shown, "State"), "available");
    assert_eq!(
        text(&shown, "PolicyDocument"),
        r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#
    );
    assert_eq!(texts(&shown, "RouteTableIds"), [table]);
    for empty in [
        "SubnetIds",
        "Groups",
        "NetworkInterfaceIds",
        "DnsEntries",
        "Tags",
    ] {
        assert_eq!(shown.get(empty), &list![], "{empty}");
    }
    assert_eq!(
        shown.get("DnsOptions").get("DnsRecordIpType").str(),
        Some("service-defined")
    );
    assert_eq!(shown.get("PrivateDnsEnabled").bool(), Some(false));
    // Whole seconds, where interface endpoints have milliseconds.
    assert_eq!(
        shown.get("CreationTimestamp").millis(),
        Some(1_700_000_000_000)
    );
    assert_eq!(text(&shown, "ServiceRegion"), "us-east-1");
}

#[test]
fn an_interface_endpoint_has_an_address_and_a_name_for_each_zone() {
    let world = World::new();
    let (vpc, a, b) = hybrid(&world);
    let id = world.interface_endpoint(&vpc, &[&b, &a]);
    let shown = world.endpoint(&id);
    assert_eq!(texts(&shown, "SubnetIds"), [b.clone(), a.clone()]);
    assert_eq!(
        each(&shown, "Groups", "GroupId"),
        [world.default_group(&vpc)]
    );
    assert_eq!(
        shown.get("CreationTimestamp").millis(),
        Some(1_700_000_000_123)
    );

    let names = each(&shown, "DnsEntries", "DnsName");
    let suffix = names[0]
        .strip_prefix(&format!("*.{id}-"))
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    assert_eq!(suffix.len(), 8);
    let domain = "s3.us-east-1.vpce.amazonaws.com";
    assert_eq!(
        names,
        [
            format!("*.{id}-{suffix}.{domain}"),
            format!("*.{id}-{suffix}-us-east-1b.{domain}"),
            format!("*.{id}-{suffix}-us-east-1a.{domain}"),
        ]
    );
    assert_eq!(
        each(&shown, "DnsEntries", "HostedZoneId"),
        ["Z7HUB22UULQXV"; 3]
    );

    let enis = texts(&shown, "NetworkInterfaceIds");
    let input = map! { "NetworkInterfaceIds" => list![enis[0].as_str()] };
    let eni = world.ec2("DescribeNetworkInterfaces", input);
    let eni = one(&eni, "NetworkInterfaces");
    assert_eq!(text(eni, "SubnetId"), b);
    assert_eq!(
        text(eni, "Description"),
        format!("VPC Endpoint Interface {id}")
    );
    assert_eq!(text(eni, "InterfaceType"), "vpc_endpoint");
    assert_eq!(text(eni, "PrivateIpAddress"), "10.0.2.10");
    assert_eq!(text(eni, "PrivateDnsName"), "ip-10-0-2-10.ec2.internal");
    assert_eq!(eni.get("RequesterManaged").bool(), Some(true));
    assert!(text(eni.get("Attachment"), "AttachmentId").starts_with("ela-attach-"));

    let subnets = world.ec2("DescribeSubnets", map! { "SubnetIds" => list![a] });
    assert_eq!(
        one(&subnets, "Subnets")
            .get("AvailableIpAddressCount")
            .int(),
        Some(250)
    );
}

#[test]
fn an_interface_endpoint_may_have_no_subnet_yet() {
    let world = World::new();
    let (vpc, a, _) = hybrid(&world);
    let id = world.interface_endpoint(&vpc, &[]);
    assert_eq!(world.endpoint(&id).get("DnsEntries").list().len(), 1);
    modify(&world, &id, "AddSubnetIds", list![a]);
    assert_eq!(world.endpoint(&id).get("DnsEntries").list().len(), 2);
}

#[test]
fn private_dns_adds_names_and_has_conditions() {
    let world = World::new();
    let (vpc, a, _) = hybrid(&world);
    let here = |inbound: bool| {
        map! {
            "SubnetIds" => list![a.as_str()],
            "PrivateDnsEnabled" => true,
            "DnsOptions" => map! { "PrivateDnsOnlyForInboundResolverEndpoint" => inbound },
        }
    };
    let first = interface(&world, &vpc, here(false));
    let id = text(&first, "VpcEndpointId");
    let names = each(&first, "DnsEntries", "DnsName");
    assert_eq!(
        names[2..],
        [
            "*.s3.us-east-1.amazonaws.com",
            "*.s3-accesspoint.us-east-1.amazonaws.com",
            "*.s3-control.us-east-1.amazonaws.com",
        ]
    );

    let mut again = here(false);
    for (name, value) in [
        ("VpcId", vpc.as_str()),
        ("ServiceName", S3),
        ("VpcEndpointType", "Interface"),
    ] {
        again.map_mut().unwrap().insert(name, value);
    }
    let (code, message) = world.ec2_refused("CreateVpcEndpoint", again);
    assert_eq!(code, "InvalidParameter");
    assert_eq!(
        message,
        format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for s3.us-east-1.amazonaws.com in the VPC {vpc}"
        )
    );

    // Off, then on without saying more: for inbound queries alone, which needs a gateway endpoint.
    modify(&world, &id, "PrivateDnsEnabled", false);
    assert_eq!(world.endpoint(&id).get("DnsEntries").list().len(), 2);
    let on = map! { "VpcEndpointId" => id.as_str(), "PrivateDnsEnabled" => true };
    let (code, message) = world.ec2_refused("ModifyVpcEndpoint", on.clone());
    assert_eq!(code, "InvalidParameter");
    assert_eq!(
        message,
        format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {vpc} must have a Gateway endpoint for the service."
        )
    );
    let gateway = world.gateway_endpoint(&vpc, &[]);
    world.ec2("ModifyVpcEndpoint", on);
    let option = |id: &str| {
        let shown = world.endpoint(id);
        shown
            .get("DnsOptions")
            .get("PrivateDnsOnlyForInboundResolverEndpoint")
            .bool()
    };
    assert_eq!(option(&id), Some(true));

    // Now the gateway endpoint is needed.
    let delete = |ids: Value| world.ec2("DeleteVpcEndpoints", map! { "VpcEndpointIds" => ids });
    let refused = delete(list![gateway.as_str()]);
    let refused = one(&refused, "Unsuccessful");
    assert_eq!(text(refused.get("Error"), "Code"), "InvalidParameter");
    assert_eq!(text(refused, "ResourceId"), gateway);
    let second = world.gateway_endpoint(&vpc, &[]);
    assert_eq!(
        delete(list![second]).get("Unsuccessful"),
        &list![],
        "another one is enough"
    );
    assert_eq!(
        delete(list![gateway, id]).get("Unsuccessful"),
        &list![],
        "both at once"
    );
}

#[test]
fn i9_states_come_from_the_planes_alone() {
    let world = World::new();
    let (vpc, a, _) = hybrid(&world);
    world.planes.stick();
    let made = interface(&world, &vpc, map! { "SubnetIds" => list![a] });
    let id = text(&made, "VpcEndpointId");
    assert_eq!(text(&made, "State"), "pending");
    assert!(
        !made.get("DnsEntries").list().is_empty(),
        "the reply has everything but the state"
    );
    let input = map! { "Filters" => list![filter("vpc-endpoint-state", &["pending"])] };
    assert_eq!(
        each(
            &world.ec2("DescribeVpcEndpoints", input),
            "VpcEndpoints",
            "VpcEndpointId"
        ),
        [id.as_str()]
    );
    world.planes.catch_up();
    assert_eq!(text(&world.endpoint(&id), "State"), "available");

    // A change takes it back until the planes have followed.
    world.planes.stick();
    modify(&world, &id, "PolicyDocument", ALLOW_ALL);
    assert_eq!(text(&world.endpoint(&id), "State"), "pending");
    world.planes.catch_up();
    assert_eq!(text(&world.endpoint(&id), "State"), "available");
    // What changes nothing changes no state.
    world.planes.stick();
    modify(&world, &id, "PolicyDocument", ALLOW_ALL);
    assert_eq!(text(&world.endpoint(&id), "State"), "available");

    world.planes.fail(&vpc, "no such device");
    let shown = world.endpoint(&id);
    assert_eq!(text(&shown, "State"), "pending");
    assert_eq!(text(shown.get("LastError"), "Message"), "no such device");
}

#[test]
fn policies_are_returned_as_they_were_given() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.gateway_endpoint(&vpc, &[]);
    let default = text(&world.endpoint(&id), "PolicyDocument");
    let spaced = ALLOW_ALL.replace(',', ",\n\t ");
    modify(&world, &id, "PolicyDocument", spaced.as_str());
    assert_eq!(text(&world.endpoint(&id), "PolicyDocument"), spaced);
    modify(&world, &id, "ResetPolicy", true);
    assert_eq!(text(&world.endpoint(&id), "PolicyDocument"), default);
}

#[test]
fn route_tables_come_and_go() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let (one_, two) = (world.table(&vpc), world.table(&vpc));
    let id = world.gateway_endpoint(&vpc, &[&one_]);
    let lists = |table: &str| {
        let shown = world.ec2(
            "DescribeRouteTables",
            map! { "RouteTableIds" => list![table] },
        );
        let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
        routes
            .iter()
            .filter_map(|r| r.get("DestinationPrefixListId").str().map(str::to_string))
            .collect::<Vec<_>>()
    };
    assert_eq!(lists(&one_), ["pl-63a5400a"]);
    let both = map! {
        "VpcEndpointId" => id.as_str(),
        "AddRouteTableIds" => list![two.as_str(), two.as_str()],
        "RemoveRouteTableIds" => list![one_.as_str()],
    };
    world.ec2("ModifyVpcEndpoint", both);
    assert_eq!((lists(&one_).len(), lists(&two).len()), (0, 1));
    // One that is there stays, and is no conflict with itself.
    modify(&world, &id, "AddRouteTableIds", list![two.as_str()]);
    assert_eq!(texts(&world.endpoint(&id), "RouteTableIds"), [two.as_str()]);
    world.ec2("DeleteRouteTable", map! { "RouteTableId" => two });
    assert_eq!(world.endpoint(&id).get("RouteTableIds"), &list![]);
    modify(&world, &id, "AddRouteTableIds", list![one_.as_str()]);
    world.ec2("DeleteVpcEndpoints", map! { "VpcEndpointIds" => list![id] });
    assert_eq!(lists(&one_).len(), 0);
}

#[test]
fn subnets_and_groups_come_and_go() {
    let world = World::new();
    let (vpc, a, b) = hybrid(&world);
    let group = world.group(&vpc, "endpoint");
    let id = world.interface_endpoint(&vpc, &[&a]);
    let first = texts(&world.endpoint(&id), "NetworkInterfaceIds").remove(0);
    modify(&world, &id, "AddSubnetIds", list![a.as_str(), b.as_str()]);
    let enis = texts(&world.endpoint(&id), "NetworkInterfaceIds");
    assert_eq!((enis.len(), &enis[0]), (2, &first), "what is there stays");

    modify(&world, &id, "AddSecurityGroupIds", list![group.as_str()]);
    let default = world.default_group(&vpc);
    modify(
        &world,
        &id,
        "RemoveSecurityGroupIds",
        list![default.as_str()],
    );
    let intent = world.intent();
    for eni in &enis {
        let eni = intent.get::<NetworkInterface>(eni).unwrap();
        assert_eq!(
            eni.groups.iter().map(|g| g.as_str()).collect::<Vec<_>>(),
            [group.as_str()]
        );
    }

    modify(&world, &id, "RemoveSubnetIds", list![a.as_str()]);
    assert!(
        world.intent().get::<NetworkInterface>(&first).is_none(),
        "gone with its subnet"
    );
    assert_eq!(texts(&world.endpoint(&id), "SubnetIds"), [b.as_str()]);
    world.ec2("DeleteSubnet", map! { "SubnetId" => a });

    // A designated address replaces the interface.
    let old = texts(&world.endpoint(&id), "NetworkInterfaceIds").remove(0);
    let at = |address: &str| list![map! { "SubnetId" => b.as_str(), "Ipv4" => address }];
    modify(&world, &id, "SubnetConfigurations", at("10.0.2.99"));
    let new = texts(&world.endpoint(&id), "NetworkInterfaceIds").remove(0);
    assert_ne!(old, new);
    let intent = world.intent();
    assert!(intent.get::<NetworkInterface>(&old).is_none());
    assert_eq!(
        intent
            .get::<NetworkInterface>(&new)
            .unwrap()
            .private_ip
            .to_string(),
        "10.0.2.99"
    );
    modify(&world, &id, "SubnetConfigurations", at("10.0.2.99"));
    assert_eq!(
        texts(&world.endpoint(&id), "NetworkInterfaceIds"),
        [new],
        "the same again"
    );
}

#[test]
fn deleting_is_each_for_itself() {
    let world = World::new();
    let (vpc, a, _) = hybrid(&world);
    let id = world.interface_endpoint(&vpc, &[&a]);
    let gone = "vpce-0123456789abcdef0";
    let ids = list![gone, id.as_str(), "nonsense", id.as_str()];
    let answer = world.ec2("DeleteVpcEndpoints", map! { "VpcEndpointIds" => ids });
    let failed = answer.get("Unsuccessful").list();
    let codes: Vec<String> = failed
        .iter()
        .map(|item| text(item.get("Error"), "Code"))
        .collect();
    assert_eq!(
        each(&answer, "Unsuccessful", "ResourceId"),
        [gone, "nonsense", id.as_str()]
    );
    assert_eq!(
        codes,
        [
            "InvalidVpcEndpointId.NotFound",
            "InvalidVpcEndpointId.Malformed",
            "InvalidVpcEndpointId.NotFound"
        ]
    );
    assert_eq!(world.intent().network_interfaces.size(), 0);
}

#[test]
fn a_token_makes_one_endpoint() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.table(&vpc);
    let input = |tables: Value| {
        map! {
            "VpcId" => vpc.as_str(), "ServiceName" => S3,
            "RouteTableIds" => tables, "ClientToken" => "once",
        }
    };
    let create = |input| {
        let made = world.ec2("CreateVpcEndpoint", input);
        assert_eq!(text(&made, "ClientToken"), "once");
        text(made.get("VpcEndpoint"), "VpcEndpointId")
    };
    let first = create(input(list![table.as_str()]));
    assert_eq!(create(input(list![table.as_str()])), first);
    assert_eq!(world.intent().vpc_endpoints.size(), 1);
    let (code, _) = world.ec2_refused("CreateVpcEndpoint", input(list![]));
    assert_eq!(code, "IdempotentParameterMismatch");
    // After a day it is forgotten: the same words are a new wish, which meets the first endpoint.
    world.sleep(24 * 60 * 60 * 1000);
    let (code, _) = world.ec2_refused("CreateVpcEndpoint", input(list![table.as_str()]));
    assert_eq!(code, "RouteAlreadyExists");
    create(input(list![]));
    assert_eq!(world.intent().vpc_endpoints.size(), 2);

    let table = |token: &str| {
        let input = map! { "VpcId" => vpc.as_str(), "ClientToken" => token };
        text(
            world.ec2("CreateRouteTable", input).get("RouteTable"),
            "RouteTableId",
        )
    };
    assert_eq!(table("t"), table("t"));
    assert_ne!(table("t"), table("u"));
}

#[test]
fn old_tokens_are_swept_away() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    for n in 0..100 {
        // Tokens of clients are random; these are spread alike.
        let token = format!("{:02x}", (n * 37) % 256);
        let input = map! { "VpcId" => vpc.as_str(), "ClientToken" => token };
        let made = world.ec2("CreateRouteTable", input);
        let id = text(made.get("RouteTable"), "RouteTableId");
        world.ec2("DeleteRouteTable", map! { "RouteTableId" => id });
        world.sleep(60 * 60 * 1000);
    }
    let left = world.intent().tokens.size();
    assert!(left < 60, "{left} tokens left of which 24 are young");
}

#[test]
fn a_dry_run_does_everything_but_act() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    for (name, input) in [
        (
            "CreateVpcEndpoint",
            map! { "VpcId" => vpc.as_str(), "ServiceName" => S3, "DryRun" => true },
        ),
        (
            "DeleteVpc",
            map! { "VpcId" => vpc.as_str(), "DryRun" => true },
        ),
        ("DescribeVpcs", map! { "DryRun" => true }),
    ] {
        let error = world.refused(Service::Ec2, name, input);
        assert_eq!(
            (error.code.as_ref(), error.status),
            ("DryRunOperation", 412)
        );
        assert_eq!(
            error.message,
            "Request would have succeeded, but DryRun flag is set."
        );
    }
    let bad = map! { "VpcId" => "vpc-00000000000000001", "ServiceName" => S3, "DryRun" => true };
    assert_eq!(
        world.ec2_refused("CreateVpcEndpoint", bad).0,
        "InvalidVpcID.NotFound"
    );
}

#[test]
fn the_service_has_an_entry_for_each_type() {
    let world = World::new();
    let shown = world.ec2(
        "DescribeVpcEndpointServices",
        map! { "ServiceNames" => list![S3] },
    );
    assert_eq!(texts(&shown, "ServiceNames"), [S3]);
    let types: Vec<String> = shown
        .get("ServiceDetails")
        .list()
        .iter()
        .map(|detail| text(one(detail, "ServiceType"), "ServiceType"))
        .collect();
    assert_eq!(types, ["Gateway", "Interface"]);
    let interface = &shown.get("ServiceDetails").list()[1];
    assert_eq!(
        text(interface, "PrivateDnsName"),
        "*.s3.us-east-1.amazonaws.com"
    );
    assert_eq!(
        texts(interface, "AvailabilityZones"),
        ["us-east-1a", "us-east-1b", "us-east-1c"]
    );
    assert_eq!(
        texts(interface, "BaseEndpointDnsNames"),
        ["s3.us-east-1.vpce.amazonaws.com"]
    );
    let input = map! { "Filters" => list![filter("service-type", &["Gateway"])] };
    let gateways = world.ec2("DescribeVpcEndpointServices", input);
    assert_eq!(gateways.get("ServiceDetails").list().len(), 1);

    world.go_to("eu-west-1");
    let shown = world.ec2("DescribeVpcEndpointServices", map! {});
    assert_eq!(
        texts(&shown, "ServiceNames"),
        ["com.amazonaws.eu-west-1.s3"]
    );
}

#[test]
fn what_is_elsewhere_does_not_exist_here() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = world.gateway_endpoint(&vpc, &[]);
    world.go_to("eu-west-1");
    assert_eq!(
        world
            .ec2("DescribeVpcEndpoints", map! {})
            .get("VpcEndpoints"),
        &list![]
    );
    let input = map! { "VpcEndpointIds" => list![id.as_str()] };
    assert_eq!(
        world.ec2_refused("DescribeVpcEndpoints", input.clone()).0,
        "InvalidVpcEndpointId.NotFound"
    );
    let failed = world.ec2("DeleteVpcEndpoints", input);
    assert_eq!(failed.get("Unsuccessful").list().len(), 1);
    assert_eq!(
        world.ec2_refused("DeleteVpc", map! { "VpcId" => vpc }).0,
        "InvalidVpcID.NotFound"
    );
}

#[test]
fn a_full_subnet_has_no_address_left() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/28", "a");
    for _ in 0..11 {
        world.run(&subnet);
    }
    let subnet_ = world.intent().get::<Subnet>(&subnet).unwrap().clone();
    let used: std::collections::BTreeSet<_> = world
        .intent()
        .network_interfaces
        .values()
        .map(|eni| eni.private_ip)
        .collect();
    assert_eq!(used.len(), 11);
    assert!(
        used.iter()
            .all(|ip| !adit_model::net::is_reserved(subnet_.cidr, *ip))
    );
    let input = map! {
        "VpcId" => vpc.as_str(), "ServiceName" => S3,
        "VpcEndpointType" => "Interface", "SubnetIds" => list![subnet.as_str()],
    };
    assert_eq!(
        world.ec2_refused("CreateVpcEndpoint", input).0,
        "InsufficientFreeAddressesInSubnet"
    );
}
