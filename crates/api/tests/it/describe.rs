//! What every `Describe…` has: filters, ids, pages.

use std::collections::BTreeSet;

use adit_wire::{Service, list, map};

use crate::world::*;

/// Every filter of [ec2-api Appendix C] for what is built, by operation; and the operation's list.
const FILTERS: &[(&str, &str, &str)] = &[
    (
        "DescribeVpcEndpoints",
        "VpcEndpoints",
        "ip-address-type service-name service-region tag-key vpc-id vpc-endpoint-id vpc-endpoint-state vpc-endpoint-type",
    ),
    (
        "DescribeVpcEndpointServices",
        "ServiceDetails",
        "owner service-name service-region service-type supported-ip-address-types tag-key",
    ),
    (
        "DescribePrefixLists",
        "PrefixLists",
        "prefix-list-id prefix-list-name",
    ),
    (
        "DescribeManagedPrefixLists",
        "PrefixLists",
        "owner-id prefix-list-id prefix-list-name",
    ),
    (
        "DescribeVpcs",
        "Vpcs",
        "cidr cidr-block-association.cidr-block cidr-block-association.association-id cidr-block-association.state dhcp-options-id ipv6-cidr-block-association.ipv6-cidr-block ipv6-cidr-block-association.association-id ipv6-cidr-block-association.state is-default owner-id state tag-key vpc-id",
    ),
    (
        "DescribeSubnets",
        "Subnets",
        "availability-zone availability-zone-id available-ip-address-count cidr-block default-for-az enable-dns64 ipv6-cidr-block-association.ipv6-cidr-block ipv6-cidr-block-association.association-id ipv6-cidr-block-association.state ipv6-native map-public-ip-on-launch owner-id private-dns-name-options-on-launch.hostname-type private-dns-name-options-on-launch.enable-resource-name-dns-a-record private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record state subnet-arn subnet-id tag-key vpc-id",
    ),
    (
        "DescribeRouteTables",
        "RouteTables",
        "association.gateway-id association.route-table-association-id association.route-table-id association.subnet-id association.main owner-id route-table-id route.destination-cidr-block route.destination-ipv6-cidr-block route.destination-prefix-list-id route.egress-only-internet-gateway-id route.gateway-id route.instance-id route.nat-gateway-id route.transit-gateway-id route.origin route.state route.vpc-peering-connection-id tag-key vpc-id",
    ),
    (
        "DescribeInternetGateways",
        "InternetGateways",
        "attachment.state attachment.vpc-id internet-gateway-id owner-id tag-key",
    ),
    (
        "DescribeSecurityGroups",
        "SecurityGroups",
        "description egress.ip-permission.cidr egress.ip-permission.from-port egress.ip-permission.group-id egress.ip-permission.group-name egress.ip-permission.ipv6-cidr egress.ip-permission.prefix-list-id egress.ip-permission.protocol egress.ip-permission.to-port egress.ip-permission.user-id group-id group-name ip-permission.cidr ip-permission.from-port ip-permission.group-id ip-permission.group-name ip-permission.ipv6-cidr ip-permission.prefix-list-id ip-permission.protocol ip-permission.to-port ip-permission.user-id owner-id tag-key vpc-id",
    ),
    (
        "DescribeSecurityGroupRules",
        "SecurityGroupRules",
        "group-id security-group-rule-id tag-key",
    ),
    (
        "DescribeNetworkInterfaces",
        "NetworkInterfaces",
        "association.allocation-id association.association-id addresses.association.owner-id addresses.association.public-ip addresses.primary addresses.private-ip-address association.ip-owner-id association.public-ip association.public-dns-name attachment.attach-time attachment.attachment-id attachment.delete-on-termination attachment.device-index attachment.instance-id attachment.instance-owner-id attachment.status availability-zone availability-zone-id description group-id ipv6-addresses.ipv6-address interface-type mac-address network-interface-id operator.managed operator.principal owner-id private-dns-name private-ip-address requester-id requester-managed source-dest-check status subnet-id tag-key vpc-id",
    ),
    (
        "DescribeNetworkAcls",
        "NetworkAcls",
        "association.association-id association.network-acl-id association.subnet-id default entry.cidr entry.icmp.code entry.icmp.type entry.ipv6-cidr entry.port-range.from entry.port-range.to entry.protocol entry.rule-action entry.egress entry.rule-number network-acl-id owner-id tag-key vpc-id",
    ),
    (
        "DescribeAvailabilityZones",
        "AvailabilityZones",
        "group-name message opt-in-status parent-zone-id parent-zone-name region-name state zone-id zone-name zone-type",
    ),
    (
        "DescribeRegions",
        "Regions",
        "endpoint opt-in-status region-name",
    ),
    (
        "DescribeTags",
        "Tags",
        "key resource-id resource-type value",
    ),
];

/// One of everything.
fn full() -> World {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let table = world.table(&vpc);
    world.internet_gateway(Some(&vpc));
    world.gateway_endpoint(&vpc, &[&table]);
    world.interface_endpoint(&vpc, &[&subnet]);
    let tags = list![map! { "Key" => "a", "Value" => "b" }];
    world.ec2(
        "CreateTags",
        map! { "Resources" => list![vpc.as_str()], "Tags" => tags },
    );
    let public = map! {
        "SubnetId" => subnet.as_str(), "PublicIp" => true, "Pid" => 1i64, "Started" => 1i64,
    };
    world.ok(Service::Adit, "CreateRun", public);
    world
}

#[test]
fn every_filter_is_known_and_what_is_not_is_refused() {
    let (full, empty) = (full(), World::new());
    for (operation, _, names) in FILTERS {
        for name in names.split(' ') {
            full.ec2(
                operation,
                map! { "Filters" => list![filter(name, &["x*"])] },
            );
        }
        let unknown = map! { "Filters" => list![filter("flavour", &["sweet"])] };
        // Also where there is nothing to be filtered.
        for world in [&full, &empty] {
            let (code, message) = world.ec2_refused(operation, unknown.clone());
            assert_eq!(
                (code.as_str(), message.as_str()),
                ("InvalidParameterValue", "The filter 'flavour' is invalid")
            );
        }
    }
}

#[test]
fn filters_find_what_they_name() {
    let world = full();
    for (operation, items, wanted) in [
        ("DescribeVpcs", "Vpcs", filter("tag:a", &["?"])),
        (
            "DescribeVpcs",
            "Vpcs",
            filter("cidr", &["10.1.*", "10.0.*"]),
        ),
        (
            "DescribeSubnets",
            "Subnets",
            filter("availability-zone-id", &["use1-az1"]),
        ),
        (
            "DescribeSubnets",
            "Subnets",
            filter("available-ip-address-count", &["249"]),
        ),
        (
            "DescribeRouteTables",
            "RouteTables",
            filter("route.destination-prefix-list-id", &["pl-*"]),
        ),
        (
            "DescribeInternetGateways",
            "InternetGateways",
            filter("attachment.state", &["available"]),
        ),
        (
            "DescribeVpcEndpoints",
            "VpcEndpoints",
            filter("vpc-endpoint-type", &["Gateway"]),
        ),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaces",
            filter("association.public-ip", &["198.19.0.*"]),
        ),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaces",
            filter("requester-managed", &["true"]),
        ),
        (
            "DescribeManagedPrefixLists",
            "PrefixLists",
            filter("owner-id", &["AWS"]),
        ),
        ("DescribeTags", "Tags", filter("value", &["b"])),
    ] {
        let shown = world.ec2(operation, map! { "Filters" => list![wanted.clone()] });
        one(&shown, items);
        let both = list![
            wanted,
            filter(
                if operation == "DescribeTags" {
                    "key"
                } else {
                    "tag-key"
                },
                &["none"]
            )
        ];
        if !operation.ends_with("PrefixLists") {
            let shown = world.ec2(operation, map! { "Filters" => both });
            assert_eq!(shown.get(items), &list![], "{operation}: filters are anded");
        }
    }
}

#[test]
fn pages_hold_everything_once_whatever_comes_and_goes() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let made: BTreeSet<String> = (0..12)
        .map(|n| world.subnet(&vpc, &format!("10.0.{n}.0/24"), "a"))
        .collect();
    let page = |token: Option<String>| {
        let shown = world.ec2(
            "DescribeSubnets",
            map! { "MaxResults" => 5i64, "NextToken" => token },
        );
        (
            each(&shown, "Subnets", "SubnetId"),
            shown.get("NextToken").str().map(str::to_string),
        )
    };
    let (mut seen, mut token) = page(None);
    assert_eq!(seen.len(), 5);
    // The last one seen goes away, and more come.
    world.ec2("DeleteSubnet", map! { "SubnetId" => seen[4].as_str() });
    for n in 20..25 {
        world.subnet(&vpc, &format!("10.0.{n}.0/24"), "b");
    }
    while let Some(next) = token {
        let (more, then) = page(Some(next));
        assert!(more.len() <= 5);
        seen.extend(more);
        token = then;
    }
    let once: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "none twice");
    assert!(
        made.is_subset(&once),
        "what was there all the time is there"
    );
}

#[test]
fn every_list_pages() {
    let world = full();
    for n in 0..7 {
        let vpc = world.vpc(&format!("10.{}.0.0/16", n + 1));
        let subnet = world.subnet(&vpc, &format!("10.{}.1.0/24", n + 1), "a");
        world.interface_endpoint(&vpc, &[&subnet]);
        world.internet_gateway(None);
        let tags = list![map! { "Key" => "a", "Value" => "b" }];
        world.ec2(
            "CreateTags",
            map! { "Resources" => list![vpc], "Tags" => tags },
        );
    }
    for (operation, items, _) in FILTERS {
        if matches!(*operation, "DescribeAvailabilityZones" | "DescribeRegions") {
            continue;
        }
        let all = world.ec2(operation, map! {}).get(items).list().to_vec();
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        loop {
            let shown = world.ec2(
                operation,
                map! { "MaxResults" => 5i64, "NextToken" => token },
            );
            seen.extend(shown.get(items).list().to_vec());
            token = shown.get("NextToken").str().map(str::to_string);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all, "{operation}");
    }
}

#[test]
fn bad_pages_are_refused() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    for (operation, input, code) in [
        (
            "DescribeVpcs",
            map! { "MaxResults" => 4i64 },
            "InvalidParameterValue",
        ),
        (
            "DescribeVpcs",
            map! { "MaxResults" => 0i64 },
            "InvalidParameterValue",
        ),
        (
            "DescribeVpcs",
            map! { "MaxResults" => -1i64 },
            "InvalidParameterValue",
        ),
        (
            "DescribeVpcs",
            map! { "MaxResults" => 5i64, "NextToken" => "no token!" },
            "InvalidNextToken",
        ),
        (
            "DescribeVpcs",
            map! { "MaxResults" => 5i64, "VpcIds" => list![vpc.as_str()] },
            "InvalidParameterCombination",
        ),
    ] {
        assert_eq!(world.ec2_refused(operation, input).0, code);
    }
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let input = map! { "Filters" => list![filter("vpc-id", &many)] };
    assert_eq!(
        world.ec2_refused("DescribeVpcs", input).0,
        "FilterLimitExceeded"
    );
    // Larger than the largest is the largest.
    world.ec2("DescribeVpcs", map! { "MaxResults" => 100_000i64 });
}

#[test]
fn an_id_that_is_not_there_refuses_the_whole_call() {
    let world = full();
    for (operation, ids, prefix, code) in [
        ("DescribeVpcs", "VpcIds", "vpc", "InvalidVpcID.NotFound"),
        (
            "DescribeSubnets",
            "SubnetIds",
            "subnet",
            "InvalidSubnetID.NotFound",
        ),
        (
            "DescribeRouteTables",
            "RouteTableIds",
            "rtb",
            "InvalidRouteTableID.NotFound",
        ),
        (
            "DescribeInternetGateways",
            "InternetGatewayIds",
            "igw",
            "InvalidInternetGatewayID.NotFound",
        ),
        (
            "DescribeSecurityGroups",
            "GroupIds",
            "sg",
            "InvalidGroup.NotFound",
        ),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaceIds",
            "eni",
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            "DescribeVpcEndpoints",
            "VpcEndpointIds",
            "vpce",
            "InvalidVpcEndpointId.NotFound",
        ),
        (
            "DescribeNetworkAcls",
            "NetworkAclIds",
            "acl",
            "InvalidNetworkAclID.NotFound",
        ),
        (
            "DescribePrefixLists",
            "PrefixListIds",
            "pl",
            "InvalidPrefixListID.NotFound",
        ),
    ] {
        let id = format!("{prefix}-0123456789abcdef0");
        let (got, message) = world.ec2_refused(operation, map! { ids => list![id.as_str()] });
        assert_eq!(got, code);
        assert!(message.contains(&id), "{message}");
    }
}
