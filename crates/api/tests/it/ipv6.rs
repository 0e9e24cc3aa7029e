//! IPv6: blocks of VPCs and subnets, addresses of interfaces, egress-only internet gateways.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// A VPC with an IPv6 block, and the block.
fn vpc_with_block(world: &World) -> (String, String, String) {
    let input = map! { "CidrBlock" => "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock" => true };
    let made = world.ec2("CreateVpc", input);
    let block = one(made.get("Vpc"), "Ipv6CidrBlockAssociationSet").clone();
    (
        text(made.get("Vpc"), "VpcId"),
        text(&block, "Ipv6CidrBlock"),
        text(&block, "AssociationId"),
    )
}

/// The `n`-th /64 of a /56.
fn nth(block: &str, n: u8) -> String {
    let start = block.strip_suffix("00::/56");
    match start {
        Some(start) => format!("{start}{n:02x}::/64"),
        // The pool's first block is written without its last group.
        None => format!("{}:0:{n:x}::/64", block.strip_suffix("::/56").unwrap()),
    }
}

fn subnet_with(world: &World, vpc: &str, cidr: &str, ipv6: &str) -> Value {
    let input = map! { "VpcId" => vpc, "CidrBlock" => cidr, "Ipv6CidrBlock" => ipv6 };
    world.ec2("CreateSubnet", input).get("Subnet").clone()
}

/// What an unfiltered member of the only default thing of a VPC says.
fn default_acl(world: &World, vpc: &str) -> Vec<(i64, bool, Option<String>)> {
    let filters = list![filter("vpc-id", &[vpc])];
    let shown = world.ec2("DescribeNetworkAcls", map! { "Filters" => filters });
    let acl = one(&shown, "NetworkAcls").clone();
    let entries = acl.get("Entries").list().iter();
    entries
        .map(|entry| {
            (
                entry.get("RuleNumber").int().unwrap(),
                entry.get("Egress").bool().unwrap(),
                entry.get("Ipv6CidrBlock").str().map(str::to_string),
            )
        })
        .collect()
}

/// The IPv6 blocks to which a group lets connections out.
fn out(world: &World, group: &str) -> Vec<String> {
    let shown = world.ec2(
        "DescribeSecurityGroups",
        map! { "GroupIds" => list![group] },
    );
    let group = one(&shown, "SecurityGroups").clone();
    let rules = group.get("IpPermissionsEgress").list().iter();
    rules
        .flat_map(|rule| each(rule, "Ipv6Ranges", "CidrIpv6"))
        .collect()
}

#[test]
fn a_first_block_opens_what_nobody_changed() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let (default, mine) = (world.default_group(&vpc), world.group(&vpc, "mine"));
    let closed = world.group(&vpc, "closed");
    let everything = map! {
        "IpProtocol" => "-1", "IpRanges" => list![map! { "CidrIp" => "0.0.0.0/0" }],
    };
    let input = map! { "GroupId" => closed.as_str(), "IpPermissions" => list![everything] };
    world.ec2("RevokeSecurityGroupEgress", input);
    assert_eq!(default_acl(&world, &vpc).len(), 4);

    let input = map! { "VpcId" => vpc.as_str(), "AmazonProvidedIpv6CidrBlock" => true };
    let made = world.ec2("AssociateVpcCidrBlock", input.clone());
    let association = text(made.get("Ipv6CidrBlockAssociation"), "AssociationId");
    let any = Some("::/0".to_string());
    let both = |egress| {
        [
            (100, egress, None),
            (101, egress, any.clone()),
            (32767, egress, None),
            (32768, egress, any.clone()),
        ]
    };
    let expected: Vec<_> = both(true).into_iter().chain(both(false)).collect();
    assert_eq!(default_acl(&world, &vpc), expected);
    for (group, opened) in [(&default, 1), (&mine, 1), (&closed, 0)] {
        assert_eq!(out(&world, group).len(), opened);
    }
    assert_eq!(out(&world, &world.group(&vpc, "late")), ["::/0"]);

    world.ec2("AssociateVpcCidrBlock", input.clone());
    assert_eq!(
        default_acl(&world, &vpc),
        expected,
        "a second one adds no rules"
    );
    for _ in 0..3 {
        world.ec2("AssociateVpcCidrBlock", input.clone());
    }
    let (code, _) = world.ec2_refused("AssociateVpcCidrBlock", input);
    assert_eq!(code, "CidrLimitExceeded");
    let input = map! { "AssociationId" => association };
    world.ec2("DisassociateVpcCidrBlock", input.clone());
    let (code, _) = world.ec2_refused("DisassociateVpcCidrBlock", input);
    assert_eq!(code, "InvalidVpcCidrBlockAssociationID.NotFound");
}

#[test]
fn an_acl_that_was_changed_stays_as_it_is() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let filters = list![filter("vpc-id", &[&vpc])];
    let shown = world.ec2("DescribeNetworkAcls", map! { "Filters" => filters });
    let acl = text(one(&shown, "NetworkAcls"), "NetworkAclId");
    let input = map! { "NetworkAclId" => acl, "RuleNumber" => 100i64, "Egress" => false };
    world.ec2("DeleteNetworkAclEntry", input);
    let input = map! { "VpcId" => vpc.as_str(), "AmazonProvidedIpv6CidrBlock" => true };
    world.ec2("AssociateVpcCidrBlock", input);
    let opened = default_acl(&world, &vpc);
    let opened: Vec<bool> = opened
        .into_iter()
        .filter(|(number, ..)| *number == 101)
        .map(|(_, egress, _)| egress)
        .collect();
    assert_eq!(opened, [true], "outwards, where nothing was changed");
}

#[test]
fn blocks_of_subnets_are_slices_of_their_vpcs() {
    let world = World::new();
    let (vpc, block, association) = vpc_with_block(&world);
    let (_, other, _) = vpc_with_block(&world);
    assert_ne!(block, other);
    let first = subnet_with(&world, &vpc, "10.0.1.0/24", &nth(&block, 1));
    let first = text(&first, "SubnetId");
    let plain = world.subnet(&vpc, "10.0.2.0/24", "b");
    let shown = |subnet: &str| {
        let input = map! { "SubnetIds" => list![subnet] };
        one(&world.ec2("DescribeSubnets", input), "Subnets").clone()
    };
    let associate = |cidr: &str| map! { "SubnetId" => plain.as_str(), "Ipv6CidrBlock" => cidr };
    for (cidr, code) in [
        (nth(&block, 1), "InvalidSubnet.Conflict"),
        (nth(&other, 1), "InvalidSubnet.Range"),
        (block.clone(), "InvalidSubnet.Range"),
        ("fd00::/65".to_string(), "InvalidSubnet.Range"),
        ("10.0.9.0/24".to_string(), "InvalidParameterValue"),
    ] {
        let refused = world.ec2_refused("AssociateSubnetCidrBlock", associate(&cidr));
        assert_eq!(refused.0, code, "{cidr}");
    }
    let on = map! {
        "SubnetId" => plain.as_str(), "AssignIpv6AddressOnCreation" => map! { "Value" => true },
    };
    let (code, _) = world.ec2_refused("ModifySubnetAttribute", on.clone());
    assert_eq!(code, "InvalidParameterValue", "it has no block");
    let second = nth(&block, 2);
    let made = world.ec2("AssociateSubnetCidrBlock", associate(&second));
    let (code, _) = world.ec2_refused("AssociateSubnetCidrBlock", associate(&nth(&block, 3)));
    assert_eq!(code, "InvalidParameterValue", "it has one already");
    world.ec2("ModifySubnetAttribute", on);
    let now = shown(&plain);
    assert_eq!(now.get("AssignIpv6AddressOnCreation").bool(), Some(true));
    assert_eq!(
        each(&now, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock"),
        std::slice::from_ref(&second)
    );
    let name = "ipv6-cidr-block-association.ipv6-cidr-block";
    let filters = list![filter(name, &[&second])];
    let found = world.ec2("DescribeSubnets", map! { "Filters" => filters });
    assert_eq!(text(one(&found, "Subnets"), "SubnetId"), plain);
    let filters = list![filter(name, &[&block])];
    let found = world.ec2("DescribeVpcs", map! { "Filters" => filters });
    assert_eq!(text(one(&found, "Vpcs"), "VpcId"), vpc);

    let input = map! { "AssociationId" => association };
    let (code, _) = world.ec2_refused("DisassociateVpcCidrBlock", input.clone());
    assert_eq!(code, "DependencyViolation");
    let id = text(made.get("Ipv6CidrBlockAssociation"), "AssociationId");
    world.ec2(
        "DisassociateSubnetCidrBlock",
        map! { "AssociationId" => id.as_str() },
    );
    let (code, _) = world.ec2_refused(
        "DisassociateSubnetCidrBlock",
        map! { "AssociationId" => id },
    );
    assert_eq!(code, "InvalidSubnetCidrBlockAssociationID.NotFound");
    assert_eq!(
        shown(&plain).get("AssignIpv6AddressOnCreation").bool(),
        Some(false)
    );
    world.ec2("DeleteSubnet", map! { "SubnetId" => first });
    world.ec2("DisassociateVpcCidrBlock", input);
}

#[test]
fn interfaces_have_addresses_of_their_subnets() {
    let world = World::new();
    let (vpc, block, _) = vpc_with_block(&world);
    let cidr = nth(&block, 1);
    let base = cidr.strip_suffix("/64").unwrap();
    let subnet = subnet_with(&world, &vpc, "10.0.1.0/24", &cidr);
    let association = text(one(&subnet, "Ipv6CidrBlockAssociationSet"), "AssociationId");
    let subnet = text(&subnet, "SubnetId");
    let make = |more: Value| {
        let mut input = adit_wire::Map::new();
        input.push("SubnetId", subnet.as_str());
        for (name, value) in more.map().into_iter().flat_map(|map| map.iter()) {
            input.push(name.to_string(), value.clone());
        }
        Value::Map(input)
    };
    let addresses = |eni: &Value| each(eni, "Ipv6Addresses", "Ipv6Address");
    let create = |more: Value| {
        let made = world.ec2("CreateNetworkInterface", make(more));
        made.get("NetworkInterface").clone()
    };
    assert_eq!(addresses(&create(map! {})), Vec::<String>::new());
    let two = create(map! { "Ipv6AddressCount" => 2i64 });
    assert_eq!(addresses(&two), [format!("{base}a"), format!("{base}b")]);
    let own = format!("{base}beef");
    let named = |text: &str| map! { "Ipv6Addresses" => list![map! { "Ipv6Address" => text }] };
    let eni = text(&create(named(&own)), "NetworkInterfaceId");
    for (text, code) in [
        (own.as_str(), "InvalidIPAddress.InUse"),
        ("2001:db8::1", "InvalidParameterValue"),
        (&format!("{base}1"), "InvalidParameterValue"),
        ("10.0.1.9", "InvalidParameterValue"),
    ] {
        let refused = world.ec2_refused("CreateNetworkInterface", make(named(text)));
        assert_eq!(refused.0, code, "{text}");
    }

    let named = |texts: &[&str]| {
        map! { "NetworkInterfaceId" => eni.as_str(), "Ipv6Addresses" => texts.to_vec() }
    };
    let next = format!("{base}f00d");
    let added = world.ec2("AssignIpv6Addresses", named(&[&own, &next]));
    assert_eq!(
        texts(&added, "AssignedIpv6Addresses"),
        std::slice::from_ref(&next)
    );
    let counted = |count: i64| {
        map! { "NetworkInterfaceId" => eni.as_str(), "Ipv6AddressCount" => count }
    };
    let added = world.ec2("AssignIpv6Addresses", counted(1));
    assert_eq!(texts(&added, "AssignedIpv6Addresses"), [format!("{base}c")]);
    for (count, code) in [
        (-1, "InvalidParameterValue"),
        (48, "PrivateIpAddressLimitExceeded"),
    ] {
        assert_eq!(
            world.ec2_refused("AssignIpv6Addresses", counted(count)).0,
            code
        );
    }
    let (code, _) = world.ec2_refused("AssignIpv6Addresses", named(&[]));
    assert_eq!(code, "MissingParameter");
    let gone = world.ec2("UnassignIpv6Addresses", named(&[&own]));
    assert_eq!(
        texts(&gone, "UnassignedIpv6Addresses"),
        std::slice::from_ref(&own)
    );
    let (code, _) = world.ec2_refused("UnassignIpv6Addresses", named(&[&own]));
    assert_eq!(code, "InvalidParameterValue");
    let filters = list![filter("ipv6-addresses.ipv6-address", &[&next])];
    let found = world.ec2("DescribeNetworkInterfaces", map! { "Filters" => filters });
    assert_eq!(
        text(one(&found, "NetworkInterfaces"), "NetworkInterfaceId"),
        eni
    );

    let input = map! { "AssociationId" => association };
    let (code, _) = world.ec2_refused("DisassociateSubnetCidrBlock", input);
    assert_eq!(code, "DependencyViolation");
    let on = map! {
        "SubnetId" => subnet.as_str(), "AssignIpv6AddressOnCreation" => map! { "Value" => true },
    };
    world.ec2("ModifySubnetAttribute", on);
    assert_eq!(addresses(&create(map! {})).len(), 1, "the subnet gives one");
    let run = world.run(&subnet);
    let eni = world
        .intent()
        .network_interfaces
        .get(&run)
        .cloned()
        .unwrap();
    assert_eq!(eni.ipv6.len(), 1, "to runs too");
}

#[test]
fn routes_lead_ipv6_out_through_an_egress_only_gateway() {
    let world = World::new();
    let (vpc, block, _) = vpc_with_block(&world);
    let input = map! {
        "VpcId" => vpc.as_str(), "ClientToken" => "once",
        "TagSpecifications" => tagged("egress-only-internet-gateway", &[("Name", "out")]),
    };
    let made = world.ec2("CreateEgressOnlyInternetGateway", input.clone());
    let again = world.ec2("CreateEgressOnlyInternetGateway", input);
    let id = |made: &Value| {
        text(
            made.get("EgressOnlyInternetGateway"),
            "EgressOnlyInternetGatewayId",
        )
    };
    assert_eq!(id(&made), id(&again));
    let gateway = id(&made);
    let filters = list![filter("tag:Name", &["o*"])];
    let found = world.ec2(
        "DescribeEgressOnlyInternetGateways",
        map! { "Filters" => filters },
    );
    let shown = one(&found, "EgressOnlyInternetGateways");
    assert_eq!(text(one(shown, "Attachments"), "VpcId"), vpc);
    let (code, _) = world.ec2_refused("DeleteVpc", map! { "VpcId" => vpc.as_str() });
    assert_eq!(code, "DependencyViolation");

    let table = world.table(&vpc);
    let route = |name: &str, destination: &str| {
        let mut input = adit_wire::Map::new();
        input.push("RouteTableId", table.as_str());
        input.push("EgressOnlyInternetGatewayId", gateway.as_str());
        input.push(name.to_string(), destination);
        Value::Map(input)
    };
    let refused = world.ec2_refused("CreateRoute", route("DestinationCidrBlock", "0.0.0.0/0"));
    assert_eq!(refused.0, "InvalidParameterValue", "it carries IPv6 alone");
    world.ec2("CreateRoute", route("DestinationIpv6CidrBlock", "::/0"));
    let refused = world.ec2_refused("CreateRoute", route("DestinationIpv6CidrBlock", &block));
    assert_eq!(refused.0, "RouteAlreadyExists", "it is local");
    let routes = || {
        let input = map! { "RouteTableIds" => list![table.as_str()] };
        let shown = world.ec2("DescribeRouteTables", input);
        let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
        let v6 = routes.into_iter().filter_map(|route| {
            let destination = route.get("DestinationIpv6CidrBlock").str()?.to_string();
            Some((destination, text(&route, "State")))
        });
        v6.collect::<Vec<_>>()
    };
    let local = (block, "active".to_string());
    let out = |state: &str| ("::/0".to_string(), state.to_string());
    assert_eq!(routes(), [local.clone(), out("active")]);
    world.ec2(
        "DeleteEgressOnlyInternetGateway",
        map! { "EgressOnlyInternetGatewayId" => gateway.as_str() },
    );
    assert_eq!(routes(), [local, out("blackhole")]);
    let refused = world.refused(
        Service::Ec2,
        "DeleteEgressOnlyInternetGateway",
        map! { "EgressOnlyInternetGatewayId" => gateway.as_str() },
    );
    assert_eq!(refused.code, "InvalidEgressOnlyInternetGatewayId.NotFound");
}

#[test]
fn blocks_come_from_nowhere_else() {
    let world = World::new();
    for member in ["Ipv6CidrBlock", "Ipv6Pool", "Ipv6IpamPoolId"] {
        let mut input = adit_wire::Map::new();
        input.push("CidrBlock", "10.0.0.0/16");
        input.push(member, "2001:db8::/56");
        let (code, _) = world.ec2_refused("CreateVpc", Value::Map(input));
        assert_eq!(code, "UnsupportedOperation", "{member}");
    }
    let vpc = world.vpc("10.0.0.0/16");
    let both = map! {
        "VpcId" => vpc.as_str(), "CidrBlock" => "10.1.0.0/16",
        "AmazonProvidedIpv6CidrBlock" => true,
    };
    let (code, _) = world.ec2_refused("AssociateVpcCidrBlock", both);
    assert_eq!(code, "InvalidParameterCombination");
    let input = map! {
        "VpcId" => vpc.as_str(), "AmazonProvidedIpv6CidrBlock" => true,
        "Ipv6CidrBlockNetworkBorderGroup" => "eu-west-1",
    };
    let (code, _) = world.ec2_refused("AssociateVpcCidrBlock", input);
    assert_eq!(code, "InvalidParameterValue");
}

#[test]
fn an_endpoint_has_addresses_of_the_type_it_was_given() {
    let world = World::new();
    let (vpc, block, _) = vpc_with_block(&world);
    let on = map! { "VpcId" => vpc.as_str(), "EnableDnsHostnames" => map! { "Value" => true } };
    world.ec2("ModifyVpcAttribute", on);
    let both = subnet_with(&world, &vpc, "10.0.1.0/24", &nth(&block, 1));
    let (both, plain) = (
        text(&both, "SubnetId"),
        world.subnet(&vpc, "10.0.2.0/24", "b"),
    );
    let prefix = nth(&block, 1).strip_suffix("::/64").unwrap().to_string();
    let create = |subnet: &str, more: Value| {
        let mut input = map! {
            "VpcId" => vpc.as_str(), "ServiceName" => S3, "VpcEndpointType" => "Interface",
            "IpAddressType" => "dualstack", "SubnetIds" => list![subnet],
        };
        for (name, value) in more.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        input
    };
    let place = |v6: String| {
        list![map! { "SubnetId" => both.as_str(), "Ipv4" => "10.0.1.9", "Ipv6" => v6 }]
    };
    for (wrong, code) in [
        (create(&plain, map! {}), "InvalidParameter"),
        (
            create(&both, map! { "IpAddressType" => "ipv6" }),
            "InvalidParameter",
        ),
        (
            create(&both, map! { "IpAddressType" => "ipv5" }),
            "InvalidParameterValue",
        ),
        (
            create(
                &both,
                map! { "IpAddressType" => "ipv4", "SubnetConfigurations" => place(format!("{prefix}::9")) },
            ),
            "InvalidParameter",
        ),
        (
            create(
                &both,
                map! { "SubnetConfigurations" => place("2001:db8::9".into()) },
            ),
            "InvalidParameterValue",
        ),
        (
            create(
                &both,
                map! { "IpAddressType" => "ipv4", "DnsOptions" => map! { "DnsRecordIpType" => "dualstack" } },
            ),
            "InvalidParameter",
        ),
    ] {
        let refused = world.ec2_refused("CreateVpcEndpoint", wrong.clone());
        assert_eq!(refused.0, code, "{wrong:?}: {}", refused.1);
    }
    let more = map! { "SubnetConfigurations" => place(format!("{prefix}::9")) };
    let made = world.ec2("CreateVpcEndpoint", create(&both, more));
    let made = made.get("VpcEndpoint");
    let id = text(made, "VpcEndpointId");
    assert_eq!(text(made, "IpAddressType"), "dualstack");
    assert_eq!(text(made.get("DnsOptions"), "DnsRecordIpType"), "dualstack");
    let addresses = |id: &str| {
        let enis = list![texts(&world.endpoint(id), "NetworkInterfaceIds")[0].as_str()];
        let shown = world.ec2(
            "DescribeNetworkInterfaces",
            map! { "NetworkInterfaceIds" => enis },
        );
        let eni = one(&shown, "NetworkInterfaces").clone();
        (
            text(&eni, "PrivateIpAddress"),
            each(&eni, "Ipv6Addresses", "Ipv6Address"),
        )
    };
    assert_eq!(
        addresses(&id),
        ("10.0.1.9".into(), vec![format!("{prefix}::9")])
    );
    // The address is taken; the type can be changed, and the records must fit it.
    let again = create(
        &both,
        map! { "SubnetConfigurations" => place(format!("{prefix}::9")) },
    );
    assert_eq!(
        world.ec2_refused("CreateVpcEndpoint", again).0,
        "InvalidIPAddress.InUse"
    );
    let modify = |more: Value| {
        let mut input = map! { "VpcEndpointId" => id.as_str() };
        for (name, value) in more.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        input
    };
    let records = map! { "DnsOptions" => map! { "DnsRecordIpType" => "ipv6" } };
    world.ec2("ModifyVpcEndpoint", modify(records));
    let (code, _) = world.ec2_refused(
        "ModifyVpcEndpoint",
        modify(map! { "IpAddressType" => "ipv4" }),
    );
    assert_eq!(
        code, "InvalidParameter",
        "records of a kind it would not have"
    );
    let v4 =
        map! { "IpAddressType" => "ipv4", "DnsOptions" => map! { "DnsRecordIpType" => "ipv4" } };
    world.ec2("ModifyVpcEndpoint", modify(v4));
    assert_eq!(addresses(&id), ("10.0.1.9".into(), vec![]));
    world.ec2(
        "ModifyVpcEndpoint",
        modify(map! { "IpAddressType" => "dualstack" }),
    );
    assert_eq!(addresses(&id).1.len(), 1);
    let filters = list![filter("ip-address-type", &["dualstack"])];
    let found = world.ec2("DescribeVpcEndpoints", map! { "Filters" => filters });
    assert_eq!(text(one(&found, "VpcEndpoints"), "VpcEndpointId"), id);
    // Another interface of the subnet, designated anew.
    let moved = list![map! { "SubnetId" => both.as_str(), "Ipv6" => format!("{prefix}::a") }];
    world.ec2(
        "ModifyVpcEndpoint",
        modify(map! { "SubnetConfigurations" => moved }),
    );
    assert_eq!(addresses(&id).1, [format!("{prefix}::a")]);
}
