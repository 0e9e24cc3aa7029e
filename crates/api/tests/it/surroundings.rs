//! ACLs, gateways and addresses around a VPC: what calls make, what they refuse, what is shown.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// A VPC with a subnet.
fn place(world: &World) -> (String, String) {
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    (vpc, subnet)
}

fn acls_of(world: &World, vpc: &str) -> Vec<Value> {
    let filters = list![filter("vpc-id", &[vpc])];
    let shown = world.ec2("DescribeNetworkAcls", map! { "Filters" => filters });
    shown.get("NetworkAcls").list().to_vec()
}

fn entry(acl: &str, number: i64, egress: bool) -> Value {
    map! {
        "NetworkAclId" => acl, "RuleNumber" => number, "Egress" => egress,
        "Protocol" => "-1", "RuleAction" => "deny", "CidrBlock" => "0.0.0.0/0",
    }
}

/// (number, action, egress) of every rule of an ACL.
fn rules(acl: &Value) -> Vec<(i64, String, bool)> {
    let entries = acl.get("Entries").list().iter();
    let rule = |entry: &Value| {
        (
            entry.get("RuleNumber").int().unwrap(),
            text(entry, "RuleAction"),
            entry.get("Egress").bool().unwrap(),
        )
    };
    entries.map(rule).collect()
}

#[test]
fn every_subnet_is_in_exactly_one_acl() {
    let world = World::new();
    let (vpc, subnet) = place(&world);
    let other = world.subnet(&vpc, "10.0.2.0/24", "b");
    let default = acls_of(&world, &vpc)[0].clone();
    assert_eq!(
        rules(&default),
        [
            (100, "allow".to_string(), true),
            (32767, "deny".to_string(), true),
            (100, "allow".to_string(), false),
            (32767, "deny".to_string(), false),
        ]
    );
    let made = world.ec2("CreateNetworkAcl", map! { "VpcId" => vpc.as_str() });
    let acl = text(made.get("NetworkAcl"), "NetworkAclId");
    assert_eq!(
        rules(made.get("NetworkAcl")).len(),
        2,
        "nothing passes a new one"
    );
    let of_subnet = |shown: &Value| {
        let all = shown.get("Associations").list().to_vec();
        let found = all.into_iter().find(|a| text(a, "SubnetId") == subnet);
        found.map(|a| text(&a, "NetworkAclAssociationId"))
    };
    let input = map! {
        "AssociationId" => of_subnet(&default).unwrap(), "NetworkAclId" => acl.as_str(),
    };
    let moved = world.ec2("ReplaceNetworkAclAssociation", input);
    for shown in acls_of(&world, &vpc) {
        let expected =
            (text(&shown, "NetworkAclId") == acl).then(|| text(&moved, "NewAssociationId"));
        assert_eq!(of_subnet(&shown), expected);
    }
    let (code, _) = world.ec2_refused("DeleteNetworkAcl", map! { "NetworkAclId" => acl.as_str() });
    assert_eq!(code, "DependencyViolation");
    let (code, _) = world.ec2_refused("DeleteVpc", map! { "VpcId" => vpc.as_str() });
    assert_eq!(code, "DependencyViolation");
    for subnet in [subnet, other] {
        world.ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    }
    world.ec2("DeleteNetworkAcl", map! { "NetworkAclId" => acl });
    world.ec2("DeleteVpc", map! { "VpcId" => vpc });
    assert_eq!(world.intent().network_acls.size(), 0);
}

#[test]
fn acl_rules_have_numbers_of_their_own() {
    let world = World::new();
    let (vpc, _) = place(&world);
    let made = world.ec2("CreateNetworkAcl", map! { "VpcId" => vpc.as_str() });
    let acl = text(made.get("NetworkAcl"), "NetworkAclId");
    world.ec2("CreateNetworkAclEntry", entry(&acl, 10, false));
    world.ec2("CreateNetworkAclEntry", entry(&acl, 10, true));
    let refused = |name: &str, input: Value| world.ec2_refused(name, input).0;
    let create = "CreateNetworkAclEntry";
    assert_eq!(
        refused(create, entry(&acl, 10, false)),
        "NetworkAclEntryAlreadyExists"
    );
    for number in [0, 32767, 40000] {
        assert_eq!(
            refused(create, entry(&acl, number, false)),
            "InvalidParameterValue"
        );
    }
    assert_eq!(
        refused("ReplaceNetworkAclEntry", entry(&acl, 11, false)),
        "InvalidNetworkAclEntry.NotFound"
    );
    let tcp = |ports: Value| {
        map! {
            "NetworkAclId" => acl.as_str(), "RuleNumber" => 20i64, "Egress" => false,
            "Protocol" => "tcp", "RuleAction" => "allow", "CidrBlock" => "10.1.2.3/8",
            "PortRange" => ports,
        }
    };
    assert_eq!(refused(create, tcp(Value::Null)), "MissingParameter");
    let range = |from: i64, to: i64| map! { "From" => from, "To" => to };
    assert_eq!(refused(create, tcp(range(80, 79))), "InvalidParameterValue");
    world.ec2(create, tcp(range(80, 443)));
    let shown = world.ec2(
        "DescribeNetworkAcls",
        map! { "NetworkAclIds" => list![acl.as_str()] },
    );
    let shown = one(&shown, "NetworkAcls").get("Entries").list().to_vec();
    let shown = shown
        .iter()
        .find(|e| e.get("RuleNumber").int() == Some(20))
        .unwrap();
    assert_eq!(text(shown, "Protocol"), "6");
    assert_eq!(text(shown, "CidrBlock"), "10.0.0.0/8");
    assert_eq!(shown.get("PortRange").get("To").int(), Some(443));
    for number in 100..118 {
        world.ec2(create, entry(&acl, number, false));
    }
    assert_eq!(
        refused(create, entry(&acl, 200, false)),
        "NetworkAclEntryLimitExceeded"
    );
}

#[test]
fn an_address_leads_to_one_interface_at_a_time() {
    let world = World::new();
    let (vpc, subnet) = place(&world);
    let eip = world.ec2("AllocateAddress", map! {});
    let (id, ip) = (text(&eip, "AllocationId"), text(&eip, "PublicIp"));
    let eni = || {
        let made = world.ec2(
            "CreateNetworkInterface",
            map! { "SubnetId" => subnet.as_str() },
        );
        text(made.get("NetworkInterface"), "NetworkInterfaceId")
    };
    let (a, b) = (eni(), eni());
    let to = |eni: &str| map! { "AllocationId" => id.as_str(), "NetworkInterfaceId" => eni };
    assert_eq!(
        world.ec2_refused("AssociateAddress", to(&a)).0,
        "Gateway.NotAttached"
    );
    world.internet_gateway(Some(&vpc));
    world.ec2("AssociateAddress", to(&a));
    let shown = |eni: &str| {
        let shown = world.ec2(
            "DescribeNetworkInterfaces",
            map! { "NetworkInterfaceIds" => list![eni] },
        );
        let association = one(&shown, "NetworkInterfaces").get("Association").clone();
        association.get("PublicIp").str().map(str::to_string)
    };
    assert_eq!((shown(&a), shown(&b)), (Some(ip.clone()), None));
    let mut keep = to(&b);
    keep.map_mut().unwrap().push("AllowReassociation", false);
    assert_eq!(
        world.ec2_refused("AssociateAddress", keep).0,
        "Resource.AlreadyAssociated"
    );
    world.ec2("AssociateAddress", to(&b));
    assert_eq!((shown(&a), shown(&b)), (None, Some(ip.clone())));
    let release = map! { "AllocationId" => id.as_str() };
    assert_eq!(
        world.ec2_refused("ReleaseAddress", release.clone()).0,
        "InvalidIPAddress.InUse"
    );
    // An interface that goes away leaves its address free.
    world.ec2("DeleteNetworkInterface", map! { "NetworkInterfaceId" => b });
    let address = world.ec2(
        "DescribeAddresses",
        map! { "PublicIps" => list![ip.as_str()] },
    );
    assert!(one(&address, "Addresses").get("AssociationId").is_null());
    world.ec2("ReleaseAddress", release);
    let named = map! { "Address" => ip.as_str() };
    assert_eq!(
        text(&world.ec2("AllocateAddress", named.clone()), "PublicIp"),
        ip
    );
    assert_eq!(
        world.ec2_refused("AllocateAddress", named).0,
        "InvalidAddress.InUse"
    );
}

#[test]
fn further_addresses_of_an_interface() {
    let world = World::new();
    let (_, subnet) = place(&world);
    let input = map! {
        "SubnetId" => subnet.as_str(), "PrivateIpAddress" => "10.0.1.50",
        "SecondaryPrivateIpAddressCount" => 2i64,
    };
    let made = world.ec2("CreateNetworkInterface", input);
    let eni = text(made.get("NetworkInterface"), "NetworkInterfaceId");
    let all = |shown: &Value| each(shown, "PrivateIpAddresses", "PrivateIpAddress");
    assert_eq!(
        all(made.get("NetworkInterface")),
        ["10.0.1.50", "10.0.1.10", "10.0.1.11"]
    );
    let assign = |ip: &str| {
        map! { "NetworkInterfaceId" => eni.as_str(), "PrivateIpAddresses" => list![ip] }
    };
    world.ec2("AssignPrivateIpAddresses", assign("10.0.1.60"));
    for (ip, code) in [
        ("10.0.2.1", "InvalidParameterValue"),
        ("10.0.1.3", "InvalidParameterValue"),
        ("nonsense", "InvalidParameterValue"),
    ] {
        assert_eq!(
            world.ec2_refused("AssignPrivateIpAddresses", assign(ip)).0,
            code,
            "{ip}"
        );
    }
    assert_eq!(
        world
            .ec2_refused("UnassignPrivateIpAddresses", assign("10.0.1.50"))
            .0,
        "InvalidParameterValue",
        "the primary one stays"
    );
    world.ec2("UnassignPrivateIpAddresses", assign("10.0.1.60"));
    let other = world.ec2(
        "CreateNetworkInterface",
        map! { "SubnetId" => subnet.as_str() },
    );
    assert_eq!(
        text(other.get("NetworkInterface"), "PrivateIpAddress"),
        "10.0.1.12",
        "nobody else gets an address twice"
    );
}

#[test]
fn a_nat_gateway_is_available_when_packets_pass() {
    let world = World::new();
    let (vpc, subnet) = place(&world);
    let eip = text(&world.ec2("AllocateAddress", map! {}), "AllocationId");
    let input = map! { "SubnetId" => subnet.as_str(), "AllocationId" => eip.as_str() };
    assert_eq!(
        world.ec2_refused("CreateNatGateway", input.clone()).0,
        "Gateway.NotAttached"
    );
    world.internet_gateway(Some(&vpc));
    world.planes.stick();
    let made = world.ec2("CreateNatGateway", input.clone());
    let made = made.get("NatGateway");
    assert_eq!(text(made, "State"), "pending");
    world.planes.catch_up();
    let id = text(made, "NatGatewayId");
    let shown = || {
        world.ec2(
            "DescribeNatGateways",
            map! { "NatGatewayIds" => list![id.as_str()] },
        )
    };
    assert_eq!(text(one(&shown(), "NatGateways"), "State"), "available");
    assert_eq!(
        world.ec2_refused("CreateNatGateway", input).0,
        "Resource.AlreadyAssociated"
    );
    let private = map! { "SubnetId" => subnet.as_str(), "ConnectivityType" => "private" };
    world.ec2("CreateNatGateway", private);
    let table = world.table(&vpc);
    let route = map! {
        "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "0.0.0.0/0",
        "NatGatewayId" => id.as_str(),
    };
    world.ec2("CreateRoute", route);
    let state = || {
        let input = map! { "RouteTableIds" => list![table.as_str()] };
        let shown = world.ec2("DescribeRouteTables", input);
        let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
        routes.iter().map(|r| text(r, "State")).collect::<Vec<_>>()
    };
    assert_eq!(state(), ["active", "active"]);
    let eni = one(&shown(), "NatGateways")
        .get("NatGatewayAddresses")
        .list()[0]
        .clone();
    let eni = map! { "NetworkInterfaceId" => text(&eni, "NetworkInterfaceId") };
    assert_eq!(
        world.ec2_refused("DeleteNetworkInterface", eni).0,
        "OperationNotPermitted"
    );
    world.ec2("DeleteNatGateway", map! { "NatGatewayId" => id.as_str() });
    assert_eq!(state(), ["active", "blackhole"]);
    let gone = map! { "NatGatewayIds" => list![id.as_str()] };
    assert_eq!(
        world.ec2_refused("DescribeNatGateways", gone).0,
        "NatGatewayNotFound"
    );
    world.ec2("ReleaseAddress", map! { "AllocationId" => eip });
}

#[test]
fn a_site_is_the_other_end_of_a_vpn_connection() {
    let world = World::new();
    let (vpc, _) = place(&world);
    let gateway = world.ec2("CreateVpnGateway", map! { "Type" => "ipsec.1" });
    let gateway = text(gateway.get("VpnGateway"), "VpnGatewayId");
    let customer = map! { "Type" => "ipsec.1", "PublicIp" => "203.0.113.9", "BgpAsn" => 65001i64 };
    let first = world.ec2("CreateCustomerGateway", customer.clone());
    let again = world.ec2("CreateCustomerGateway", customer);
    let customer = text(first.get("CustomerGateway"), "CustomerGatewayId");
    assert_eq!(
        text(again.get("CustomerGateway"), "CustomerGatewayId"),
        customer
    );
    assert_eq!(text(first.get("CustomerGateway"), "BgpAsn"), "65001");
    let made = world.ec2(
        "CreateVpnConnection",
        map! {
            "Type" => "ipsec.1", "CustomerGatewayId" => customer.as_str(),
            "VpnGatewayId" => gateway.as_str(),
            "Options" => map! { "StaticRoutesOnly" => true },
        },
    );
    let vpn = text(made.get("VpnConnection"), "VpnConnectionId");
    let site =
        map! { "Name" => "dc", "Cidr" => "192.168.7.0/24", "VpnConnectionId" => vpn.as_str() };
    let error = world.refused(Service::Adit, "CreateSite", site.clone());
    assert_eq!(error.code, "Gateway.NotAttached");
    let both = map! { "VpnGatewayId" => gateway.as_str(), "VpcId" => vpc.as_str() };
    world.ec2("AttachVpnGateway", both.clone());
    let status = || {
        let shown = world.ec2("DescribeVpnConnections", map! {});
        let shown = one(&shown, "VpnConnections")
            .get("VgwTelemetry")
            .list()
            .to_vec();
        shown.iter().map(|t| text(t, "Status")).collect::<Vec<_>>()
    };
    assert_eq!(status(), ["DOWN", "DOWN"]);
    world.ok(Service::Adit, "CreateSite", site);
    assert_eq!(status(), ["UP", "UP"]);

    let table = world.main_table(&vpc);
    let routes = || {
        let shown = world.ec2(
            "DescribeRouteTables",
            map! { "RouteTableIds" => list![table.as_str()] },
        );
        let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
        let routes = routes
            .iter()
            .map(|r| (text(r, "DestinationCidrBlock"), text(r, "Origin")));
        routes.collect::<Vec<_>>()
    };
    assert_eq!(routes().len(), 1, "nothing is taken over unasked");
    let input = map! { "GatewayId" => gateway.as_str(), "RouteTableId" => table.as_str() };
    world.ec2("EnableVgwRoutePropagation", input);
    let route = map! {
        "VpnConnectionId" => vpn.as_str(), "DestinationCidrBlock" => "192.168.0.0/16",
    };
    world.ec2("CreateVpnConnectionRoute", route);
    assert_eq!(
        routes()[1],
        (
            "192.168.0.0/16".to_string(),
            "EnableVgwRoutePropagation".to_string()
        )
    );
    let in_use = map! { "CustomerGatewayId" => customer.as_str() };
    assert_eq!(
        world.ec2_refused("DeleteCustomerGateway", in_use).0,
        "IncorrectState"
    );
    world.ec2("DetachVpnGateway", both);
    assert_eq!(routes().len(), 1);
    assert_eq!(status(), ["DOWN", "DOWN"]);

    // Who waits for the end sees it, for a day.
    world.ec2(
        "DeleteVpnConnection",
        map! { "VpnConnectionId" => vpn.as_str() },
    );
    let all = world.ec2("DescribeVpnConnections", map! {});
    assert_eq!(all.get("VpnConnections").list().len(), 0);
    let named = map! { "VpnConnectionIds" => list![vpn.as_str()] };
    let shown = world.ec2("DescribeVpnConnections", named.clone());
    assert_eq!(text(one(&shown, "VpnConnections"), "State"), "deleted");
    world.sleep(24 * 3600 * 1000);
    assert_eq!(
        world.ec2_refused("DescribeVpnConnections", named).0,
        "InvalidVpnConnectionID.NotFound"
    );
}

#[test]
fn secondary_blocks_keep_to_the_rules() {
    let world = World::new();
    let (vpc, _) = place(&world);
    let add = |cidr: &str| map! { "VpcId" => vpc.as_str(), "CidrBlock" => cidr };
    for cidr in [
        "10.0.0.0/24",
        "172.16.0.0/16",
        "192.168.0.0/16",
        "198.19.0.0/16",
        "169.254.0.0/24",
    ] {
        let (code, _) = world.ec2_refused("AssociateVpcCidrBlock", add(cidr));
        assert_eq!(code, "InvalidVpc.Range", "{cidr}");
    }
    assert_eq!(
        world
            .ec2_refused("AssociateVpcCidrBlock", add("100.64.0.0/8"))
            .0,
        "InvalidVpcRange"
    );
    let made = world.ec2("AssociateVpcCidrBlock", add("100.64.0.0/16"));
    let id = text(made.get("CidrBlockAssociation"), "AssociationId");
    let subnet = world.subnet(&vpc, "100.64.1.0/24", "a");
    let input = map! { "AssociationId" => id.as_str() };
    assert_eq!(
        world
            .ec2_refused("DisassociateVpcCidrBlock", input.clone())
            .0,
        "DependencyViolation"
    );
    world.ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    world.ec2("DisassociateVpcCidrBlock", input);
    let shown = world.ec2("DescribeVpcs", map! { "VpcIds" => list![vpc.as_str()] });
    let blocks = one(&shown, "Vpcs")
        .get("CidrBlockAssociationSet")
        .list()
        .to_vec();
    let primary = map! { "AssociationId" => text(&blocks[0], "AssociationId") };
    assert_eq!(
        world.ec2_refused("DisassociateVpcCidrBlock", primary).0,
        "OperationNotPermitted"
    );
    for n in 1..5 {
        world.ec2("AssociateVpcCidrBlock", add(&format!("10.{n}.0.0/16")));
    }
    assert_eq!(
        world
            .ec2_refused("AssociateVpcCidrBlock", add("10.9.0.0/16"))
            .0,
        "CidrLimitExceeded"
    );
}

#[test]
fn hosts_are_told_what_the_dhcp_options_say() {
    let world = World::new();
    let (vpc, subnet) = place(&world);
    let run = || {
        let input = map! { "SubnetId" => subnet.as_str(), "Pid" => 17i64, "Started" => 4i64 };
        let made = world.ok(Service::Adit, "CreateRun", input);
        let all = made.get("Resolvers").list().to_vec();
        let all: Vec<_> = all
            .iter()
            .filter_map(|v| v.str().map(str::to_string))
            .collect();
        (all, text(&made, "SearchDomain"))
    };
    assert_eq!(
        run(),
        (vec!["10.0.0.2".to_string()], "ec2.internal".to_string())
    );
    let option = |key: &str, values: Value| map! { "Key" => key, "Values" => values };
    let create = |options: Value| map! { "DhcpConfigurations" => options };
    for bad in [
        option(
            "domain-name-servers",
            list!["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"],
        ),
        option("domain-name-servers", list!["nonsense"]),
        option("nonsense", list!["x"]),
        option("netbios-node-type", list!["3"]),
    ] {
        let (code, _) = world.ec2_refused("CreateDhcpOptions", create(list![bad]));
        assert_eq!(code, "InvalidParameterValue");
    }
    let made = world.ec2(
        "CreateDhcpOptions",
        create(list![
            option(
                "domain-name-servers",
                list!["10.0.1.53", "AmazonProvidedDNS"]
            ),
            option("domain-name", list!["corp.example"]),
        ]),
    );
    let id = text(made.get("DhcpOptions"), "DhcpOptionsId");
    let associate = map! { "DhcpOptionsId" => id.as_str(), "VpcId" => vpc.as_str() };
    world.ec2("AssociateDhcpOptions", associate);
    let both = vec!["10.0.1.53".to_string(), "10.0.0.2".to_string()];
    assert_eq!(run(), (both, "corp.example".to_string()));
    let (code, _) = world.ec2_refused("DeleteDhcpOptions", map! { "DhcpOptionsId" => id });
    assert_eq!(code, "DependencyViolation");
}

#[test]
fn tables_of_gateways_lead_into_the_vpc_alone() {
    let world = World::new();
    let (vpc, subnet) = place(&world);
    let gateway = world.internet_gateway(Some(&vpc));
    let table = world.table(&vpc);
    let input = map! { "RouteTableId" => table.as_str(), "GatewayId" => gateway.as_str() };
    let made = world.ec2("AssociateRouteTable", input);
    let eni = world.run(&subnet);
    let route = |cidr: &str, member: &'static str, target: &str| {
        map! {
            "RouteTableId" => table.as_str(), "DestinationCidrBlock" => cidr, member => target,
        }
    };
    for input in [
        route("0.0.0.0/0", "GatewayId", &gateway),
        route("10.0.1.0/25", "NetworkInterfaceId", &eni),
    ] {
        assert_eq!(
            world.ec2_refused("CreateRoute", input).0,
            "InvalidParameterValue"
        );
    }
    world.ec2(
        "CreateRoute",
        route("10.0.1.0/24", "NetworkInterfaceId", &eni),
    );
    world.ec2(
        "ReplaceRoute",
        route("10.0.0.0/16", "NetworkInterfaceId", &eni),
    );
    let shown = || {
        let shown = world.ec2(
            "DescribeRouteTables",
            map! { "RouteTableIds" => list![table.as_str()] },
        );
        one(&shown, "RouteTables").clone()
    };
    let first = shown().get("Routes").list()[0].clone();
    assert_eq!(text(&first, "NetworkInterfaceId"), eni);
    assert_eq!(text(&first, "Origin"), "CreateRouteTable");
    let association = shown().get("Associations").list()[0].clone();
    assert_eq!(text(&association, "GatewayId"), gateway);
    assert_eq!(association.get("Main").bool(), Some(false));
    let local = map! {
        "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "10.0.0.0/16",
        "LocalTarget" => true,
    };
    world.ec2("ReplaceRoute", local);
    assert_eq!(text(&shown().get("Routes").list()[0], "GatewayId"), "local");
    let input = map! { "AssociationId" => text(&made, "AssociationId") };
    world.ec2("DisassociateRouteTable", input);
}
