//! VPCs, subnets, routes and security groups: what calls make, and what is shown of it.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// The routes of a table: destination, target, state.
fn routes(world: &World, table: &str) -> Vec<(String, String, String)> {
    let shown = world.ec2(
        "DescribeRouteTables",
        map! { "RouteTableIds" => list![table] },
    );
    let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
    let member = |route: &Value, names: [&str; 2]| {
        let found = names.iter().find_map(|name| route.get(name).str());
        found.unwrap_or_default().to_string()
    };
    routes
        .iter()
        .map(|route| {
            (
                member(route, ["DestinationCidrBlock", "DestinationPrefixListId"]),
                member(route, ["GatewayId", "NetworkInterfaceId"]),
                text(route, "State"),
            )
        })
        .collect()
}

fn route(destination: &str, target: &str, state: &str) -> (String, String, String) {
    (destination.into(), target.into(), state.into())
}

fn add_route(world: &World, table: &str, destination: &str, member: &'static str, target: &str) {
    let input = map! {
        "RouteTableId" => table, "DestinationCidrBlock" => destination, member => target,
    };
    world.ec2("CreateRoute", input);
}

#[test]
fn a_vpc_block_loses_its_host_bits() {
    let world = World::new();
    let made = world.ec2("CreateVpc", map! { "CidrBlock" => "100.68.0.18/18" });
    assert_eq!(text(made.get("Vpc"), "CidrBlock"), "100.68.0.0/18");
}

#[test]
fn a_vpc_takes_its_defaults_along() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    world.main_table(&vpc);
    world.default_group(&vpc);
    world.ec2("DeleteVpc", map! { "VpcId" => vpc });
    let intent = world.intent();
    assert_eq!(
        (
            intent.vpcs.size(),
            intent.route_tables.size(),
            intent.security_groups.size()
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_default_vpc_is_complete() {
    let world = World::new();
    let vpc = text(world.ec2("CreateDefaultVpc", map! {}).get("Vpc"), "VpcId");
    let subnets = world.ec2("DescribeSubnets", map! {});
    assert_eq!(
        each(&subnets, "Subnets", "CidrBlock")
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"]
            .map(String::from)
            .into()
    );
    assert!(
        subnets
            .get("Subnets")
            .list()
            .iter()
            .all(|s| s.get("MapPublicIpOnLaunch").bool() == Some(true))
    );
    let gateways = world.ec2("DescribeInternetGateways", map! {});
    let gateway = text(one(&gateways, "InternetGateways"), "InternetGatewayId");
    assert_eq!(
        routes(&world, &world.main_table(&vpc)),
        [
            route("172.31.0.0/16", "local", "active"),
            route("0.0.0.0/0", &gateway, "active")
        ]
    );
    let shown = world.ec2(
        "DescribeAccountAttributes",
        map! { "AttributeNames" => list!["default-vpc"] },
    );
    let value = one(one(&shown, "AccountAttributes"), "AttributeValues").clone();
    assert_eq!(text(&value, "AttributeValue"), vpc);
    // Groups without a VPC are made there, and found by name.
    let made = world.ec2(
        "CreateSecurityGroup",
        map! { "GroupName" => "x", "Description" => "x" },
    );
    let found = world.ec2(
        "DescribeSecurityGroups",
        map! { "GroupNames" => list!["x"] },
    );
    assert_eq!(
        text(one(&found, "SecurityGroups"), "GroupId"),
        text(&made, "GroupId")
    );
}

#[test]
fn a_subnet_without_a_zone_goes_where_there_are_fewest() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    world.subnet(&vpc, "10.0.1.0/24", "a");
    let zones: Vec<String> = (2..5)
        .map(|n| {
            let input = map! { "VpcId" => vpc.as_str(), "CidrBlock" => format!("10.0.{n}.0/24") };
            text(
                world.ec2("CreateSubnet", input).get("Subnet"),
                "AvailabilityZone",
            )
        })
        .collect();
    assert_eq!(zones, ["us-east-1b", "us-east-1c", "us-east-1a"]);
    let input = map! {
        "VpcId" => vpc.as_str(), "CidrBlock" => "10.0.9.0/24", "AvailabilityZoneId" => "use1-az3",
    };
    let made = world.ec2("CreateSubnet", input);
    assert_eq!(text(made.get("Subnet"), "AvailabilityZone"), "us-east-1c");
}

#[test]
fn the_main_table_can_be_another() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let (old, new) = (world.main_table(&vpc), world.table(&vpc));
    let shown = world.ec2(
        "DescribeRouteTables",
        map! { "RouteTableIds" => list![old.as_str()] },
    );
    let association = one(one(&shown, "RouteTables"), "Associations").clone();
    let input = map! {
        "AssociationId" => text(&association, "RouteTableAssociationId"),
        "RouteTableId" => new.as_str(),
    };
    let id = text(
        &world.ec2("ReplaceRouteTableAssociation", input),
        "NewAssociationId",
    );
    assert_ne!(id, text(&association, "RouteTableAssociationId"));
    assert_eq!(world.main_table(&vpc), new);
    world.ec2("DeleteRouteTable", map! { "RouteTableId" => old });
}

#[test]
fn an_association_is_made_once_and_goes_with_its_subnet() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let (table, subnet) = (world.table(&vpc), world.subnet(&vpc, "10.0.1.0/24", "a"));
    let input = map! { "RouteTableId" => table.as_str(), "SubnetId" => subnet.as_str() };
    let first = text(
        &world.ec2("AssociateRouteTable", input.clone()),
        "AssociationId",
    );
    assert_eq!(
        text(&world.ec2("AssociateRouteTable", input), "AssociationId"),
        first
    );
    world.ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    world.ec2("DeleteRouteTable", map! { "RouteTableId" => table });
}

#[test]
fn routes_lead_where_their_target_is() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let (table, gateway) = (world.table(&vpc), world.internet_gateway(Some(&vpc)));
    let run = world.run(&subnet);
    add_route(&world, &table, "198.18.7.9/24", "GatewayId", &gateway);
    // The same again is no fault.
    add_route(&world, &table, "198.18.7.0/24", "GatewayId", &gateway);
    add_route(&world, &table, "0.0.0.0/0", "NetworkInterfaceId", &run);
    add_route(&world, &table, "10.0.1.0/24", "NetworkInterfaceId", &run);
    let input = map! { "Name" => "office", "Cidr" => "192.168.0.0/24", "VpcId" => vpc.as_str() };
    world.ok(Service::Adit, "CreateSite", input);
    let endpoint = world.gateway_endpoint(&vpc, &[&table]);
    let all = |gateway_state: &str, run_state: &str| {
        [
            route("10.0.0.0/16", "local", "active"),
            route("198.18.7.0/24", &gateway, gateway_state),
            route("0.0.0.0/0", &run, run_state),
            route("10.0.1.0/24", &run, run_state),
            route("pl-63a5400a", &endpoint, "active"),
            route("192.168.0.0/24", "site-office", "active"),
        ]
    };
    assert_eq!(routes(&world, &table), all("active", "active"));

    let both = map! { "InternetGatewayId" => gateway.as_str(), "VpcId" => vpc.as_str() };
    world.ec2("DetachInternetGateway", both.clone());
    let ended = map! { "NetworkInterfaceId" => run.as_str() };
    world.ok(Service::Adit, "DeleteRun", ended);
    assert_eq!(routes(&world, &table), all("blackhole", "blackhole"));
    let input = map! { "Filters" => list![filter("route.state", &["blackhole"])] };
    assert_eq!(
        each(
            &world.ec2("DescribeRouteTables", input),
            "RouteTables",
            "RouteTableId"
        ),
        [table.as_str()]
    );

    // A static route takes the place of a site's; another target takes the place of the first.
    world.ec2("AttachInternetGateway", both);
    add_route(&world, &table, "192.168.0.0/24", "GatewayId", &gateway);
    let input = map! {
        "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "0.0.0.0/0",
        "GatewayId" => gateway.as_str(),
    };
    world.ec2("ReplaceRoute", input);
    let now = routes(&world, &table);
    assert!(now.contains(&route("192.168.0.0/24", &gateway, "active")));
    assert!(now.contains(&route("0.0.0.0/0", &gateway, "active")));
    assert_eq!(now.len(), 6);
}

#[test]
fn numbers_of_tables_are_used_again() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let number = |id: &str| {
        world
            .intent()
            .get::<adit_model::RouteTable>(id)
            .unwrap()
            .number
    };
    let (a, b) = (world.table(&vpc), world.table(&vpc));
    assert_eq!(
        (number(&world.main_table(&vpc)), number(&a), number(&b)),
        (1, 2, 3)
    );
    world.ec2("DeleteRouteTable", map! { "RouteTableId" => a });
    assert_eq!(number(&world.table(&vpc)), 2);
    let other = world.vpc("10.0.0.0/16");
    assert_eq!(
        number(&world.table(&other)),
        2,
        "each VPC counts for itself"
    );
}

#[test]
fn rules_are_shown_by_protocol_and_ports() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let group = world.group(&vpc, "web");
    let default = world.default_group(&vpc);
    let permissions = list![
        map! {
            "IpProtocol" => "6", "FromPort" => 443i64, "ToPort" => 443i64,
            "IpRanges" => list![map! { "CidrIp" => "10.1.2.3/8", "Description" => "all of ten" }],
            "Ipv6Ranges" => list![map! { "CidrIpv6" => "2001:db8::1/32" }],
            "PrefixListIds" => list![map! { "PrefixListId" => "pl-63a5400a" }],
            "UserIdGroupPairs" => list![map! { "GroupName" => "default", "UserId" => ACCOUNT }],
        },
        map! { "IpProtocol" => "icmp", "FromPort" => 8i64, "ToPort" => -1i64, "IpRanges" => list![map! { "CidrIp" => "0.0.0.0/0" }] },
        map! { "IpProtocol" => "icmp", "IpRanges" => list![map! { "CidrIp" => "9.0.0.0/8" }] },
        map! { "IpProtocol" => "47", "IpRanges" => list![map! { "CidrIp" => "9.0.0.0/8" }] },
    ];
    let input = map! {
        "GroupId" => group.as_str(),
        "IpPermissions" => permissions,
        "TagSpecifications" => tagged("security-group-rule", &[("a", "b")]),
    };
    let made = world.ec2("AuthorizeSecurityGroupIngress", input);
    assert_eq!(made.get("SecurityGroupRules").list().len(), 7);
    let tags = world.ec2(
        "DescribeTags",
        map! { "Filters" => list![filter("resource-type", &["security-group-rule"])] },
    );
    assert_eq!(tags.get("Tags").list().len(), 7);

    let shown = world.ec2(
        "DescribeSecurityGroups",
        map! { "GroupIds" => list![group.as_str()] },
    );
    let ingress = one(&shown, "SecurityGroups")
        .get("IpPermissions")
        .list()
        .to_vec();
    assert_eq!(ingress.len(), 4);
    let https = &ingress[0];
    assert_eq!(
        (text(https, "IpProtocol"), https.get("FromPort").int()),
        ("tcp".into(), Some(443))
    );
    assert_eq!(each(https, "IpRanges", "CidrIp"), ["10.0.0.0/8"]);
    assert_eq!(each(https, "IpRanges", "Description"), ["all of ten"]);
    assert_eq!(each(https, "Ipv6Ranges", "CidrIpv6"), ["2001:db8::/32"]);
    assert_eq!(
        each(https, "PrefixListIds", "PrefixListId"),
        ["pl-63a5400a"]
    );
    assert_eq!(each(https, "UserIdGroupPairs", "GroupId"), [default]);
    assert_eq!(
        (
            ingress[1].get("FromPort").int(),
            ingress[1].get("ToPort").int()
        ),
        (Some(8), Some(-1))
    );
    assert_eq!(
        (
            ingress[2].get("FromPort").int(),
            ingress[2].get("ToPort").int()
        ),
        (Some(-1), Some(-1))
    );
    assert_eq!(
        (text(&ingress[3], "IpProtocol"), ingress[3].get("FromPort")),
        ("47".into(), &Value::Null)
    );

    let found = |name: &str, value: &str| {
        let input = map! { "Filters" => list![filter(name, &[value])] };
        each(
            &world.ec2("DescribeSecurityGroups", input),
            "SecurityGroups",
            "GroupId",
        )
        .contains(&group)
    };
    assert!(found("ip-permission.prefix-list-id", "pl-*"));
    assert!(found("ip-permission.group-name", "default"));
    assert!(found("egress.ip-permission.cidr", "0.0.0.0/0"));
    assert!(!found("egress.ip-permission.prefix-list-id", "pl-*"));
}

#[test]
fn the_flat_parameters_still_work() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let group = world.group(&vpc, "web");
    let https = map! {
        "GroupId" => group.as_str(), "IpProtocol" => "tcp",
        "FromPort" => 443i64, "ToPort" => 443i64, "CidrIp" => "10.0.0.0/8",
    };
    world.ec2("AuthorizeSecurityGroupIngress", https.clone());
    let from_group = map! { "GroupId" => group.as_str(), "SourceSecurityGroupName" => "default" };
    let made = world.ec2("AuthorizeSecurityGroupIngress", from_group);
    assert_eq!(text(one(&made, "SecurityGroupRules"), "IpProtocol"), "-1");
    world.ec2("RevokeSecurityGroupIngress", https);
    let shown = world.ec2(
        "DescribeSecurityGroups",
        map! { "GroupIds" => list![group] },
    );
    assert_eq!(
        one(&shown, "SecurityGroups")
            .get("IpPermissions")
            .list()
            .len(),
        1
    );
}

#[test]
fn in_a_default_vpc_unknown_rules_are_listed() {
    let world = World::new();
    world.ec2("CreateDefaultVpc", map! {});
    let group = world.ec2(
        "CreateSecurityGroup",
        map! { "GroupName" => "x", "Description" => "x" },
    );
    let permission = map! {
        "IpProtocol" => "tcp", "FromPort" => 1i64, "ToPort" => 1i64,
        "IpRanges" => list![map! { "CidrIp" => "9.0.0.0/8" }],
    };
    let input = map! { "GroupId" => text(&group, "GroupId"), "IpPermissions" => list![permission] };
    let answer = world.ec2("RevokeSecurityGroupIngress", input);
    assert_eq!(
        each(one(&answer, "UnknownIpPermissions"), "IpRanges", "CidrIp"),
        ["9.0.0.0/8"]
    );
    assert_eq!(answer.get("RevokedSecurityGroupRules"), &list![]);
}

#[test]
fn tags_are_overwritten_and_removed() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let input = map! {
        "VpcId" => vpc.as_str(), "CidrBlock" => "10.0.1.0/24",
        "TagSpecifications" => tagged("subnet", &[("Name", "private"), ("empty", "")]),
    };
    let made = world.ec2("CreateSubnet", input);
    let subnet = text(made.get("Subnet"), "SubnetId");
    assert_eq!(each(made.get("Subnet"), "Tags", "Key"), ["Name", "empty"]);
    let set = |name: &str, tags: Value| {
        world.ec2(
            name,
            map! { "Resources" => list![subnet.as_str()], "Tags" => tags },
        );
        let shown = world.ec2(
            "DescribeTags",
            map! { "Filters" => list![filter("resource-id", &[&subnet])] },
        );
        each(&shown, "Tags", "Key")
            .into_iter()
            .zip(each(&shown, "Tags", "Value"))
            .collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
    let tag = |key: &str, value: &str| list![map! { "Key" => key, "Value" => value }];
    assert_eq!(
        set("CreateTags", tag("Name", "new")),
        [pair("Name", "new"), pair("empty", "")]
    );
    assert_eq!(
        set("DeleteTags", tag("Name", "old")).len(),
        2,
        "another value"
    );
    assert_eq!(set("DeleteTags", tag("Name", "")).len(), 2, "not empty");
    assert_eq!(set("DeleteTags", tag("empty", "")), [pair("Name", "new")]);
    assert_eq!(set("DeleteTags", list![map! { "Key" => "Name" }]), []);
    set("CreateTags", tag("a", "b"));
    assert_eq!(set("DeleteTags", Value::Null), []);
}

#[test]
fn every_taggable_kind_takes_tags() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let group = world.group(&vpc, "web");
    let rules = world.ec2(
        "DescribeSecurityGroupRules",
        map! { "Filters" => list![filter("group-id", &[&group])] },
    );
    let ids = [
        world.table(&vpc),
        world.internet_gateway(None),
        world.run(&subnet),
        world.interface_endpoint(&vpc, &[&subnet]),
        text(one(&rules, "SecurityGroupRules"), "SecurityGroupRuleId"),
        group,
        vpc,
        subnet,
    ];
    let all: Value = ids.iter().map(String::as_str).collect();
    let tags = list![map! { "Key" => "stage", "Value" => "prod" }];
    world.ec2("CreateTags", map! { "Resources" => all, "Tags" => tags });
    let shown = world.ec2(
        "DescribeTags",
        map! { "Filters" => list![filter("tag:stage", &["p*"])] },
    );
    let mut seen = each(&shown, "Tags", "ResourceId");
    let mut wanted = ids.to_vec();
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
    let found = world.ec2(
        "DescribeSecurityGroupRules",
        map! { "Filters" => list![filter("tag:stage", &["prod"])] },
    );
    assert_eq!(found.get("SecurityGroupRules").list().len(), 1);
}

#[test]
fn dns_attributes_depend_on_each_other() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let set = |name: &'static str, value: bool| {
        let input = map! { "VpcId" => vpc.as_str(), name => map! { "Value" => value } };
        world.call(Service::Ec2, "ModifyVpcAttribute", input)
    };
    set("EnableDnsHostnames", true).unwrap();
    set("EnableDnsSupport", false).unwrap();
    let shown = world.intent().get::<adit_model::Vpc>(&vpc).unwrap().clone();
    assert!(!shown.dns_support && !shown.dns_hostnames);
    assert_eq!(
        set("EnableDnsHostnames", true).unwrap_err().code,
        "InvalidParameter"
    );
}

#[test]
fn zones_and_regions() {
    let world = World::new();
    let zones = world.ec2("DescribeAvailabilityZones", map! {});
    assert_eq!(
        each(&zones, "AvailabilityZones", "ZoneId"),
        ["use1-az1", "use1-az2", "use1-az3"]
    );
    let input = map! { "Filters" => list![filter("zone-name", &["*b"])] };
    assert_eq!(
        each(
            &world.ec2("DescribeAvailabilityZones", input),
            "AvailabilityZones",
            "ZoneName"
        ),
        ["us-east-1b"]
    );
    let regions = world.ec2("DescribeRegions", map! {});
    assert_eq!(
        each(&regions, "Regions", "RegionName"),
        ["eu-west-1", "us-east-1"]
    );
    assert_eq!(
        each(&regions, "Regions", "Endpoint")[0],
        "ec2.eu-west-1.amazonaws.com"
    );
    for (name, input) in [
        (
            "DescribeAvailabilityZones",
            map! { "ZoneNames" => list!["us-east-1z"] },
        ),
        (
            "DescribeAvailabilityZones",
            map! { "ZoneIds" => list!["use1-az9"] },
        ),
        (
            "DescribeRegions",
            map! { "RegionNames" => list!["mars-north-1"] },
        ),
    ] {
        assert_eq!(world.ec2_refused(name, input).0, "InvalidParameterValue");
    }
}
