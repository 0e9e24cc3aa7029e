//! What EC2 refuses, with which code and words; nothing changes [ec2-api §2.1].

use adit_wire::{Value, list, map};

use crate::world::*;

/// What there is to go wrong with.
struct Place {
    world: World,
    vpc: String,
    other_vpc: String,
    subnet: String,
    /// In the same zone as `subnet`.
    twin: String,
    foreign_subnet: String,
    table: String,
    foreign_table: String,
    /// Listed by `gateway`.
    used_table: String,
    /// Associated with `subnet`.
    igw: String,
    loose_igw: String,
    foreign_igw: String,
    group: String,
    foreign_group: String,
    default_group: String,
    gateway: String,
    interface: String,
    /// The interface of `interface`.
    eni: String,
    run: String,
    association: String,
    main_association: String,
}

fn place() -> Place {
    let world = World::new();
    let (vpc, other_vpc) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let twin = world.subnet(&vpc, "10.0.2.0/24", "a");
    let foreign_subnet = world.subnet(&other_vpc, "10.1.1.0/24", "a");
    let (table, used_table) = (world.table(&vpc), world.table(&vpc));
    let input = map! { "RouteTableId" => table.as_str(), "SubnetId" => subnet.as_str() };
    let association = text(&world.ec2("AssociateRouteTable", input), "AssociationId");
    let igw = world.internet_gateway(Some(&vpc));
    let route = map! {
        "RouteTableId" => table.as_str(),
        "DestinationCidrBlock" => "0.0.0.0/0",
        "GatewayId" => igw.as_str(),
    };
    world.ec2("CreateRoute", route);
    let group = world.group(&vpc, "web");
    world.ec2("AuthorizeSecurityGroupIngress", ssh(&group, "0.0.0.0/0"));
    let gateway = world.gateway_endpoint(&vpc, &[&used_table]);
    let interface = world.interface_endpoint(&vpc, &[&subnet]);
    let eni = texts(&world.endpoint(&interface), "NetworkInterfaceIds").remove(0);
    let main = world.main_table(&vpc);
    let shown = world.ec2(
        "DescribeRouteTables",
        map! { "RouteTableIds" => list![main] },
    );
    let main_association = text(
        one(one(&shown, "RouteTables"), "Associations"),
        "RouteTableAssociationId",
    );
    Place {
        foreign_table: world.table(&other_vpc),
        loose_igw: world.internet_gateway(None),
        foreign_igw: world.internet_gateway(Some(&other_vpc)),
        foreign_group: world.group(&other_vpc, "web"),
        default_group: world.default_group(&vpc),
        run: world.run(&subnet),
        world,
        vpc,
        other_vpc,
        subnet,
        twin,
        foreign_subnet,
        table,
        used_table,
        igw,
        group,
        gateway,
        interface,
        eni,
        association,
        main_association,
    }
}

fn ssh(group: &str, cidr: &str) -> Value {
    map! { "GroupId" => group, "IpPermissions" => list![tcp(22, 22, "IpRanges", map! { "CidrIp" => cidr })] }
}

fn tcp(from: i64, to: i64, member: &'static str, peer: Value) -> Value {
    map! { "IpProtocol" => "tcp", "FromPort" => from, "ToPort" => to, member => list![peer] }
}

/// Absent ids of the right form.
fn absent(prefix: &str) -> String {
    format!("{prefix}-0123456789abcdef0")
}

struct Case(&'static str, Value, &'static str, String);

impl Place {
    fn refuses(&self, cases: Vec<Case>) {
        for Case(operation, input, code, message) in cases {
            let shown = format!("{operation} {input:?}");
            let (got, said) = self.world.ec2_refused(operation, input);
            assert_eq!(got, code, "{shown}: {said}");
            assert!(
                said.contains(&message),
                "{shown}: {said:?} lacks {message:?}"
            );
        }
    }
}

macro_rules! case {
    ($operation:literal, { $($member:literal: $value:expr),* $(,)? }, $code:literal, $($text:tt)+) => {
        Case($operation, map! { $($member => $value),* }, $code, format!($($text)+))
    };
}

#[test]
fn vpcs_and_subnets() {
    let place = place();
    let Place { vpc, subnet, .. } = &place;
    let (vpc, subnet) = (vpc.as_str(), subnet.as_str());
    place.refuses(vec![
        case!("CreateVpc", {}, "MissingParameter", "The request must contain the parameter CidrBlock"),
        case!("CreateVpc", { "CidrBlock": "10.0.0.0/33" }, "InvalidParameterValue", "10.0.0.0/33"),
        case!("CreateVpc", { "CidrBlock": "10.0.0.0/8" }, "InvalidVpcRange", "The CIDR '10.0.0.0/8' is invalid."),
        case!("CreateVpc", { "CidrBlock": "10.0.0.0/29" }, "InvalidVpcRange", ""),
        case!("CreateVpc", { "CidrBlock": "10.9.0.0/16", "TagSpecifications": tagged("subnet", &[("a", "b")]) },
            "InvalidParameterValue", "'subnet' is not a valid taggable resource type for this operation."),
        case!("CreateVpc", { "CidrBlock": "10.9.0.0/16", "TagSpecifications": tagged("vpc", &[("aws:a", "b")]) },
            "InvalidParameterValue", "aws:"),
        case!("DeleteVpc", { "VpcId": absent("vpc") }, "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist", absent("vpc")),
        case!("DeleteVpc", { "VpcId": "nonsense" }, "InvalidVpcID.NotFound", "The vpc ID 'nonsense' does not exist"),
        case!("DeleteVpc", { "VpcId": vpc }, "DependencyViolation", "The vpc '{vpc}' has dependencies and cannot be deleted."),
        case!("ModifyVpcAttribute", { "VpcId": vpc }, "MissingParameter", ""),
        case!("ModifyVpcAttribute", {
            "VpcId": vpc,
            "EnableDnsSupport": map! { "Value" => true },
            "EnableDnsHostnames": map! { "Value" => true },
        }, "InvalidParameterCombination", ""),
        case!("DescribeVpcAttribute", { "VpcId": vpc, "Attribute": "nonsense" }, "InvalidParameterValue", "nonsense"),
        case!("CreateSubnet", { "VpcId": absent("vpc"), "CidrBlock": "10.0.9.0/24" }, "InvalidVpcID.NotFound", "{}", absent("vpc")),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.1.0.0/24" }, "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid."),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.0.0/15" }, "InvalidSubnet.Range", ""),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.9.0/29" }, "InvalidSubnet.Range", ""),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.1.128/25" }, "InvalidSubnet.Conflict", "The CIDR '10.0.1.128/25' conflicts with another subnet"),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.0.0/16" }, "InvalidSubnet.Conflict", ""),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.9.0/24", "AvailabilityZone": "us-east-1z" }, "InvalidParameterValue",
            "Value (us-east-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c."),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.9.0/24", "AvailabilityZoneId": "use1-az9" }, "InvalidParameterValue", "use1-az1"),
        case!("CreateSubnet", {
            "VpcId": vpc, "CidrBlock": "10.0.9.0/24",
            "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az2",
        }, "InvalidParameterCombination", ""),
        case!("DeleteSubnet", { "SubnetId": subnet }, "DependencyViolation", "The subnet '{subnet}' has dependencies and cannot be deleted."),
        case!("DeleteSubnet", { "SubnetId": absent("subnet") }, "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist", absent("subnet")),
        case!("ModifySubnetAttribute", { "SubnetId": subnet }, "MissingParameter", ""),
        case!("ModifySubnetAttribute", { "SubnetId": subnet, "EnableDns64": map! { "Value" => true } }, "UnsupportedOperation", ""),
        case!("CreateDefaultSubnet", { "AvailabilityZone": "us-east-1a" }, "DefaultVpcDoesNotExist", ""),
    ]);
    place.world.ec2("CreateDefaultVpc", map! {});
    place.refuses(vec![
        case!("CreateDefaultVpc", {}, "DefaultVpcAlreadyExists", ""),
        case!("CreateDefaultSubnet", { "AvailabilityZone": "us-east-1a" }, "DefaultSubnetAlreadyExistsInAvailabilityZone", "us-east-1a"),
        case!("CreateDefaultSubnet", {}, "MissingParameter", "AvailabilityZone"),
    ]);
}

#[test]
fn route_tables_and_routes() {
    let place = place();
    let Place {
        table,
        used_table,
        subnet,
        foreign_subnet,
        igw,
        loose_igw,
        foreign_igw,
        ..
    } = &place;
    let Place {
        association,
        main_association,
        gateway,
        interface,
        eni,
        foreign_table,
        ..
    } = &place;
    let (table, igw) = (table.as_str(), igw.as_str());
    let main = place.world.main_table(&place.vpc);
    let list = "pl-63a5400a";
    let create = |destination: &str, target: &'static str, id: &str| {
        map! { "RouteTableId" => table, "DestinationCidrBlock" => destination, target => id }
    };
    let case_of = |input, code, text: String| Case("CreateRoute", input, code, text);
    place.refuses(vec![
        case!("CreateRouteTable", { "VpcId": absent("vpc") }, "InvalidVpcID.NotFound", ""),
        case!("DeleteRouteTable", { "RouteTableId": table }, "DependencyViolation", "The routeTable '{table}' has dependencies and cannot be deleted."),
        case!("DeleteRouteTable", { "RouteTableId": main }, "DependencyViolation", ""),
        case!("DeleteRouteTable", { "RouteTableId": absent("rtb") }, "InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist", absent("rtb")),
        case!("AssociateRouteTable", { "RouteTableId": "nonsense", "SubnetId": subnet }, "InvalidRouteTableID.NotFound", "nonsense"),
        case!("AssociateRouteTable", { "RouteTableId": table, "SubnetId": absent("subnet") }, "InvalidSubnetID.NotFound", ""),
        case!("AssociateRouteTable", { "RouteTableId": table, "SubnetId": foreign_subnet }, "InvalidParameterValue", "belong to different networks"),
        case!("AssociateRouteTable", { "RouteTableId": used_table, "SubnetId": subnet }, "Resource.AlreadyAssociated", "{used_table}"),
        case!("AssociateRouteTable", { "RouteTableId": table, "GatewayId": igw }, "InvalidParameterValue", "associated with subnets"),
        case!("DisassociateRouteTable", { "AssociationId": main_association }, "InvalidParameterValue",
            "cannot disassociate the main route table association {main_association}"),
        case!("DisassociateRouteTable", { "AssociationId": absent("rtbassoc") }, "InvalidAssociationID.NotFound", "{}", absent("rtbassoc")),
        case!("ReplaceRouteTableAssociation", { "AssociationId": association, "RouteTableId": foreign_table }, "InvalidParameterValue", "different networks"),

        case_of(create("0.0.0.0/0", "GatewayId", &absent("igw")), "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists.".into()),
        case_of(create("1.0.0.0/8", "GatewayId", &absent("igw")), "InvalidGatewayID.NotFound", absent("igw")),
        case_of(create("1.0.0.0/8", "GatewayId", loose_igw), "InvalidParameterValue", format!("route table {table} and network gateway {loose_igw} belong to different networks")),
        case_of(create("1.0.0.0/8", "GatewayId", foreign_igw), "InvalidParameterValue", "different networks".into()),
        case_of(create("1.0.0.0/8", "GatewayId", "local"), "UnsupportedOperation", String::new()),
        case_of(create("1.0.0.0/8", "NatGatewayId", "nat-0123456789abcdef0"), "NatGatewayNotFound", "nat-0123456789abcdef0".into()),
        case_of(create("1.0.0.0/8", "NetworkInterfaceId", &absent("eni")), "InvalidNetworkInterfaceID.NotFound", absent("eni")),
        case_of(create("1.0.0.0/8", "NetworkInterfaceId", eni), "InvalidParameter", eni.clone()),
        case_of(create("1.0.0.0/8", "VpcEndpointId", interface), "RouteNotSupported",
            format!("Route table contains unsupported route target: {interface}. VPC Endpoints of this type cannot be used as route targets.")),
        case_of(create("1.0.0.0/8", "GatewayId", gateway), "RouteNotSupported", gateway.clone()),
        case_of(create("1.0.0.0/8", "VpcEndpointId", &absent("vpce")), "InvalidVpcEndpointId.NotFound", absent("vpce")),
        case_of(create("nonsense", "GatewayId", igw), "InvalidParameterValue", "nonsense".into()),
        case_of(create("10.0.0.0/16", "GatewayId", igw), "RouteAlreadyExists", "10.0.0.0/16".into()),
        case_of(create("10.0.1.0/24", "GatewayId", igw), "InvalidParameterValue", "can target only an interface".into()),
        case_of(create("10.0.1.0/25", "NetworkInterfaceId", &place.run), "InvalidParameterValue", "does not match any subnet CIDR block".into()),
        case_of(create("169.254.169.0/24", "GatewayId", igw), "InvalidParameterValue", "169.254.168.0/22".into()),
        case!("CreateRoute", { "RouteTableId": table, "DestinationCidrBlock": "1.0.0.0/8" }, "MissingParameter", ""),
        case!("CreateRoute", { "RouteTableId": table, "GatewayId": igw }, "MissingParameter", "DestinationCidrBlock"),
        case!("CreateRoute", { "RouteTableId": table, "DestinationCidrBlock": "1.0.0.0/8", "GatewayId": igw, "NetworkInterfaceId": place.run.as_str() },
            "InvalidParameterCombination", "exactly one"),
        case!("CreateRoute", { "RouteTableId": table, "DestinationCidrBlock": "1.0.0.0/8", "DestinationPrefixListId": list, "GatewayId": igw },
            "InvalidParameterCombination", "exactly one"),
        case!("CreateRoute", { "RouteTableId": table, "DestinationPrefixListId": list, "VpcEndpointId": gateway }, "RouteNotSupported", ""),

        case!("ReplaceRoute", { "RouteTableId": table, "DestinationCidrBlock": "9.0.0.0/8", "GatewayId": igw }, "InvalidParameterValue", "9.0.0.0/8"),
        case!("ReplaceRoute", { "RouteTableId": used_table, "DestinationPrefixListId": list, "GatewayId": igw }, "InvalidParameterValue", "{list}"),
        case!("ReplaceRoute", { "RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": igw }, "InvalidParameterValue", "10.0.0.0/16"),
        case!("ReplaceRoute", { "RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "LocalTarget": true }, "InvalidParameterValue", ""),
        case!("DeleteRoute", { "RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/16" }, "InvalidParameterValue", "local route 10.0.0.0/16"),
        case!("DeleteRoute", { "RouteTableId": table, "DestinationCidrBlock": "9.0.0.0/8" }, "InvalidRoute.NotFound",
            "no route with destination-cidr-block 9.0.0.0/8 in route table {table}"),
        case!("DeleteRoute", { "RouteTableId": used_table, "DestinationPrefixListId": list }, "InvalidParameterValue", "cannot remove VPC endpoint route {list}"),
        case!("DeleteRoute", { "RouteTableId": table, "DestinationPrefixListId": list }, "InvalidRoute.NotFound", "{list}"),
    ]);
}

#[test]
fn internet_gateways_and_interfaces() {
    let place = place();
    let Place {
        vpc,
        other_vpc,
        igw,
        loose_igw,
        eni,
        run,
        ..
    } = &place;
    place.refuses(vec![
        case!("AttachInternetGateway", { "InternetGatewayId": igw, "VpcId": other_vpc }, "Resource.AlreadyAssociated", "{vpc}"),
        case!("AttachInternetGateway", { "InternetGatewayId": loose_igw, "VpcId": vpc }, "InvalidParameterValue", "already has an internet gateway attached"),
        case!("AttachInternetGateway", { "InternetGatewayId": absent("igw"), "VpcId": vpc }, "InvalidInternetGatewayID.NotFound",
            "The internetGateway ID '{}' does not exist", absent("igw")),
        case!("DetachInternetGateway", { "InternetGatewayId": igw, "VpcId": other_vpc }, "Gateway.NotAttached", "{igw}"),
        case!("DetachInternetGateway", { "InternetGatewayId": loose_igw, "VpcId": vpc }, "Gateway.NotAttached", ""),
        case!("DeleteInternetGateway", { "InternetGatewayId": igw }, "DependencyViolation", "The internetGateway '{igw}' has dependencies and cannot be deleted."),
        case!("DeleteNetworkInterface", { "NetworkInterfaceId": eni }, "OperationNotPermitted", "{eni}"),
        case!("DeleteNetworkInterface", { "NetworkInterfaceId": run }, "InvalidNetworkInterface.InUse", "{run}"),
        case!("DeleteNetworkInterface", { "NetworkInterfaceId": absent("eni") }, "InvalidNetworkInterfaceID.NotFound",
            "The networkInterface ID '{}' does not exist", absent("eni")),
    ]);
    // A public address holds the gateway where it is.
    let public = map! {
        "SubnetId" => place.subnet.as_str(), "PublicIp" => true, "Pid" => 1i64, "Started" => 1i64,
    };
    place
        .world
        .ok(adit_wire::Service::Adit, "CreateRun", public);
    place.refuses(vec![case!("DetachInternetGateway", { "InternetGatewayId": igw, "VpcId": vpc }, "DependencyViolation", "mapped public address")]);
}

#[test]
fn security_groups() {
    let place = place();
    let Place {
        vpc,
        group,
        foreign_group,
        default_group,
        ..
    } = &place;
    let rule = |permission: Value| map! { "GroupId" => group.as_str(), "IpPermissions" => list![permission] };
    let with = |member: &'static str, peer: Value| rule(tcp(1, 1, member, peer));
    let ingress = "AuthorizeSecurityGroupIngress";
    let cidr = |cidr: &str| map! { "CidrIp" => cidr };
    let on = |input, code, text: String| Case(ingress, input, code, text);
    let icmp = |kind: i64, code: i64| {
        rule(
            map! { "IpProtocol" => "icmp", "FromPort" => kind, "ToPort" => code, "IpRanges" => list![cidr("9.0.0.0/8")] },
        )
    };
    let many: Value = (0..60).map(|n| cidr(&format!("9.0.{n}.0/24"))).collect();
    place.refuses(vec![
        case!("CreateSecurityGroup", { "GroupName": "web", "Description": "d", "VpcId": vpc }, "InvalidGroup.Duplicate",
            "The security group 'web' already exists for VPC '{vpc}'"),
        case!("CreateSecurityGroup", { "GroupName": "WEB", "Description": "d", "VpcId": vpc }, "InvalidGroup.Duplicate", ""),
        case!("CreateSecurityGroup", { "GroupName": "default", "Description": "d", "VpcId": vpc }, "InvalidGroup.Reserved", ""),
        case!("CreateSecurityGroup", { "GroupName": "sg-x", "Description": "d", "VpcId": vpc }, "InvalidParameterValue", "sg-*"),
        case!("CreateSecurityGroup", { "GroupName": "naïve", "Description": "d", "VpcId": vpc }, "InvalidParameterValue", "GroupName"),
        case!("CreateSecurityGroup", { "GroupName": "x".repeat(256), "Description": "d", "VpcId": vpc }, "InvalidParameterValue", "255"),
        case!("CreateSecurityGroup", { "GroupName": "x", "Description": "d" }, "VPCIdNotSpecified", ""),
        case!("CreateSecurityGroup", { "GroupName": "x", "Description": "d", "VpcId": absent("vpc") }, "InvalidVpcID.NotFound", ""),
        case!("DeleteSecurityGroup", { "GroupId": default_group }, "CannotDelete", "{default_group}"),
        case!("DeleteSecurityGroup", { "GroupId": absent("sg") }, "InvalidGroup.NotFound", "The security group '{}' does not exist", absent("sg")),
        case!("DeleteSecurityGroup", { "GroupId": "nonsense" }, "InvalidGroupId.Malformed", "Invalid id: \"nonsense\" (expecting \"sg-...\")"),
        case!("DeleteSecurityGroup", { "GroupName": "nonsense" }, "InvalidGroup.NotFound", "nonsense"),
        case!("DeleteSecurityGroup", {}, "MissingParameter", "groupName or groupId"),
        on(with("IpRanges", cidr("10.0.0.0/40")), "InvalidParameterValue", "CIDR block 10.0.0.0/40 is malformed".into()),
        on(with("IpRanges", cidr("10.0.0.1")), "InvalidParameterValue", "CIDR block 10.0.0.1 is malformed".into()),
        on(with("Ipv6Ranges", map! { "CidrIpv6" => "10.0.0.0/8" }), "InvalidParameterValue", String::new()),
        on(with("IpRanges", map! { "CidrIp" => "9.0.0.0/8", "Description" => "é" }), "InvalidParameterValue", "description".into()),
        on(with("UserIdGroupPairs", map! { "GroupId" => absent("sg") }), "InvalidGroup.NotFound", absent("sg")),
        on(with("UserIdGroupPairs", map! { "GroupId" => foreign_group }), "InvalidGroup.NotFound", "different networks".into()),
        on(with("UserIdGroupPairs", map! { "GroupId" => default_group, "UserId" => "999999999999" }), "InvalidGroup.NotFound", String::new()),
        on(with("UserIdGroupPairs", map! { "GroupId" => default_group, "VpcPeeringConnectionId" => "pcx-1" }), "InvalidParameterValue", String::new()),
        on(with("PrefixListIds", map! { "PrefixListId" => "pl-00000000" }), "InvalidPrefixListID.NotFound", "pl-00000000".into()),
        on(with("PrefixListIds", map! { "PrefixListId" => "nonsense" }), "InvalidPrefixListId.Malformed", "nonsense".into()),
        on(rule(tcp(0, 65536, "IpRanges", cidr("9.0.0.0/8"))), "InvalidParameterValue", "65536".into()),
        on(rule(tcp(2, 1, "IpRanges", cidr("9.0.0.0/8"))), "InvalidParameterValue", "2-1".into()),
        on(rule(map! { "IpProtocol" => "tcp", "IpRanges" => list![cidr("9.0.0.0/8")] }), "InvalidParameterValue", "Must specify both".into()),
        on(rule(map! { "IpProtocol" => "nonsense", "IpRanges" => list![cidr("9.0.0.0/8")] }), "InvalidParameterValue", "Unknown protocol".into()),
        on(rule(map! { "IpProtocol" => "256", "IpRanges" => list![cidr("9.0.0.0/8")] }), "InvalidParameterValue", "256".into()),
        on(rule(map! { "IpProtocol" => "-1" }), "MissingParameter", String::new()),
        on(icmp(-1, 3), "InvalidParameterValue", "ICMP code".into()),
        on(icmp(256, 0), "InvalidParameterValue", "256".into()),
        on(map! { "GroupId" => group.as_str() }, "MissingParameter", "ipPermissions".into()),
        on(ssh(group, "0.0.0.0/0"), "InvalidPermission.Duplicate",
            "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW\" already exists".into()),
        on(map! { "GroupId" => group.as_str(), "IpPermissions" => list![
            tcp(1, 1, "IpRanges", cidr("9.0.0.0/8")), tcp(1, 1, "IpRanges", cidr("9.1.2.3/8")),
        ]}, "InvalidParameterValue", "multiple times".into()),
        on(map! { "GroupId" => group.as_str(), "IpProtocol" => "tcp", "IpPermissions" => list![tcp(1, 1, "IpRanges", cidr("9.0.0.0/8"))] },
            "InvalidParameterCombination", String::new()),
        on(rule(map! { "IpProtocol" => "-1", "IpRanges" => many }), "RulesPerSecurityGroupLimitExceeded", String::new()),
        case!("RevokeSecurityGroupIngress", { "GroupId": group, "IpPermissions": list![tcp(1, 1, "IpRanges", cidr("9.0.0.0/8"))] },
            "InvalidPermission.NotFound", "The specified rule does not exist in this security group."),
        case!("RevokeSecurityGroupIngress", { "GroupId": group, "SecurityGroupRuleIds": list![absent("sgr")] },
            "InvalidSecurityGroupRuleId.NotFound", "{}", absent("sgr")),
        case!("RevokeSecurityGroupIngress", { "GroupId": group, "SecurityGroupRuleIds": list!["nonsense"] }, "InvalidSecurityGroupRuleId.Malformed", ""),
        case!("RevokeSecurityGroupIngress", { "GroupId": group }, "MissingParameter", ""),
        case!("DescribeSecurityGroupRules", { "SecurityGroupRuleIds": list![absent("sgr")] }, "InvalidSecurityGroupRuleId.NotFound", ""),
        case!("ModifySecurityGroupRules", { "GroupId": group, "SecurityGroupRules": list![map! { "SecurityGroupRuleId" => absent("sgr") }] },
            "InvalidSecurityGroupRuleId.NotFound", ""),
    ]);
    // A group that another names, or that an interface has, stays.
    let named = place.world.group(vpc, "named");
    place.world.ec2(
        ingress,
        with("UserIdGroupPairs", map! { "GroupId" => named.as_str() }),
    );
    place.refuses(vec![case!("DeleteSecurityGroup", { "GroupId": named.as_str() }, "DependencyViolation", "resource {named} has a dependent object")]);
}

#[test]
fn rules_keep_their_kind() {
    let place = place();
    let group = place.group.as_str();
    let shown = place.world.ec2(
        "DescribeSecurityGroupRules",
        map! { "Filters" => list![filter("group-id", &[group])] },
    );
    let rules = shown.get("SecurityGroupRules").list();
    let ssh_rule = rules
        .iter()
        .find(|rule| rule.get("IsEgress").bool() == Some(false))
        .unwrap();
    let id = text(ssh_rule, "SecurityGroupRuleId");
    let second = ssh(group, "8.0.0.0/8");
    place.world.ec2("AuthorizeSecurityGroupIngress", second);
    let to = |wanted: Value| {
        map! { "GroupId" => group, "SecurityGroupRules" => list![map! { "SecurityGroupRuleId" => id.as_str(), "SecurityGroupRule" => wanted }] }
    };
    let modify =
        |wanted, code, text: &str| Case("ModifySecurityGroupRules", to(wanted), code, text.into());
    let ssh = |name: &'static str, value: &str| map! { "IpProtocol" => "tcp", "FromPort" => 22i64, "ToPort" => 22i64, "Description" => "seven", name => value };
    place.refuses(vec![
        modify(
            ssh("PrefixListId", "pl-63a5400a"),
            "InvalidParameterValue",
            "cannot be changed",
        ),
        modify(
            ssh("CidrIpv6", "::/0"),
            "InvalidParameterValue",
            "cannot be changed",
        ),
        modify(
            ssh("CidrIpv4", "8.0.0.0/8"),
            "InvalidPermission.Duplicate",
            "8.0.0.0/8",
        ),
        modify(
            map! { "IpProtocol" => "-1", "CidrIpv4" => "8.0.0.0/8", "CidrIpv6" => "::/0" },
            "InvalidParameterCombination",
            "Only one of",
        ),
        modify(
            map! { "CidrIpv4" => "7.0.0.0/8" },
            "InvalidParameterValue",
            "'null' for protocol",
        ),
        modify(
            map! { "IpProtocol" => "tcp", "ToPort" => 22i64, "CidrIpv4" => "7.0.0.0/8" },
            "InvalidParameterValue",
            "portRange",
        ),
        modify(
            map! { "IpProtocol" => "-1" },
            "MissingParameter",
            "exactly one of",
        ),
        Case(
            "DescribeSecurityGroupRules",
            map! { "Filters" => list![map! { "Name" => "group-id", "Values" => list!["foobar"] }] },
            "InvalidGroupId.Malformed",
            "'foobar'".into(),
        ),
    ]);
    place
        .world
        .ec2("ModifySecurityGroupRules", to(ssh("CidrIpv4", "7.0.0.0/8")));
    let shown = place.world.ec2(
        "DescribeSecurityGroupRules",
        map! { "SecurityGroupRuleIds" => list![id.as_str()] },
    );
    let rule = one(&shown, "SecurityGroupRules");
    assert_eq!(
        (text(rule, "CidrIpv4"), text(rule, "Description")),
        ("7.0.0.0/8".into(), "seven".into())
    );
}

#[test]
fn creating_endpoints() {
    let place = place();
    let Place {
        vpc,
        subnet,
        twin,
        foreign_subnet,
        table,
        used_table,
        foreign_table,
        ..
    } = &place;
    let Place {
        group,
        foreign_group,
        ..
    } = &place;
    let create = |more: Value| {
        let mut input = map! { "VpcId" => vpc.as_str(), "ServiceName" => S3 };
        for (name, value) in more.map().unwrap().clone() {
            input.map_mut().unwrap().insert(name, value);
        }
        input
    };
    let gateway =
        |more: Value, code, text: String| Case("CreateVpcEndpoint", create(more), code, text);
    let interface = |more: Value, code, text: String| {
        let mut more = more;
        more.map_mut()
            .unwrap()
            .insert("VpcEndpointType", "Interface");
        Case("CreateVpcEndpoint", create(more), code, text)
    };
    let only = |name: &'static str, id: &str| map! { name => list![id] };
    let at = |address: &str| {
        map! { "SubnetConfigurations" => list![map! { "SubnetId" => subnet.as_str(), "Ipv4" => address }] }
    };
    let taken = place
        .world
        .intent()
        .get::<adit_model::NetworkInterface>(&place.eni)
        .unwrap()
        .private_ip;
    let groups: Value = (0..6)
        .map(|n| place.world.group(vpc, &format!("g{n}")))
        .collect();
    let s3_names = |name: &str| map! { "ServiceName" => name };
    let none = String::new;
    place.refuses(vec![
        Case("CreateVpcEndpoint", map! { "ServiceName" => S3 }, "MissingParameter", "VpcId".into()),
        gateway(map! { "VpcId" => absent("vpc") }, "InvalidVpcID.NotFound", absent("vpc")),
        gateway(map! { "VpcId" => "nonsense" }, "InvalidVpcID.Malformed", "nonsense".into()),
        Case("CreateVpcEndpoint", map! { "VpcId" => vpc.as_str() }, "MissingParameter", "ServiceName".into()),
        gateway(map! { "ServiceNetworkArn" => "arn:aws:x" }, "InvalidParameterCombination", none()),
        gateway(s3_names("com.amazonaws.us-east-1.s4"), "InvalidServiceName", "The Vpc Endpoint Service 'com.amazonaws.us-east-1.s4' does not exist".into()),
        gateway(s3_names("com.amazonaws.eu-west-1.s3"), "InvalidServiceName", none()),
        gateway(map! { "ServiceRegion" => "eu-west-1" }, "InvalidServiceName", none()),
        gateway(map! { "VpcEndpointType" => "Nonsense" }, "InvalidVpcEndpointType", "Nonsense".into()),
        gateway(map! { "VpcEndpointType" => "GatewayLoadBalancer" }, "InvalidParameter",
            "Endpoint type (GatewayLoadBalancer) does not match available service types ([Gateway, Interface]).".into()),
        interface(only("RouteTableIds", table), "InvalidParameter", "Route table IDs are only supported for Gateway type VPC Endpoint.".into()),
        gateway(only("SubnetIds", subnet), "InvalidParameter", "Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.".into()),
        gateway(at("10.0.1.50"), "InvalidParameter", "Subnet IDs".into()),
        gateway(only("SecurityGroupIds", group), "InvalidParameter", none()),
        gateway(map! { "PrivateDnsEnabled" => true }, "InvalidParameter", none()),
        gateway(map! { "IpAddressType" => "ipv5" }, "InvalidParameterValue", "ipv5".into()),
        gateway(only("RouteTableIds", &absent("rtb")), "InvalidRouteTableId.NotFound", absent("rtb")),
        gateway(only("RouteTableIds", ""), "InvalidRouteTableId.Malformed",
            "Invalid Id: '' (expecting 'rtb-...; the Id may only contain lowercase alphanumeric characters and a single dash')".into()),
        gateway(only("RouteTableIds", foreign_table), "InvalidParameter", foreign_table.clone()),
        gateway(map! { "RouteTableIds" => list![table.as_str(), used_table.as_str()] }, "RouteAlreadyExists",
            format!("route table {used_table} already has a route with destination-prefix-list-id pl-63a5400a")),
        interface(only("SubnetIds", &absent("subnet")), "InvalidSubnetId.NotFound", absent("subnet")),
        interface(only("SubnetIds", "x"), "InvalidSubnetId.Malformed",
            "Invalid Subnet Id: 'x' (expecting 'subnet-...; the Id may only contain lowercase alphanumeric characters and a single dash')".into()),
        interface(only("SubnetIds", foreign_subnet), "InvalidParameter", foreign_subnet.clone()),
        interface(map! { "SubnetIds" => list![subnet.as_str(), twin.as_str()] }, "DuplicateSubnetsInSameZone",
            format!("Found another VPC endpoint subnet in the availability zone of {twin}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.")),
        interface(only("SecurityGroupIds", &absent("sg")), "InvalidSecurityGroupID.NotFound", absent("sg")),
        interface(only("SecurityGroupIds", foreign_group), "InvalidParameter", foreign_group.clone()),
        interface(map! { "SecurityGroupIds" => groups }, "SecurityGroupsPerInterfaceLimitExceeded", none()),
        interface(at("10.0.2.50"), "InvalidParameterValue", "10.0.1.0/24".into()),
        interface(at("10.0.1.2"), "InvalidParameterValue", "reserved".into()),
        interface(at("10.0.1.255"), "InvalidParameterValue", "reserved".into()),
        interface(at("nonsense"), "InvalidParameterValue", none()),
        interface(at(&taken.to_string()), "InvalidIPAddress.InUse", taken.to_string()),
        gateway(map! { "PolicyDocument" => "{" }, "InvalidPolicyDocument", "The Policy Document is not valid.".into()),
        gateway(map! { "PolicyDocument" => r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"# }, "InvalidPolicyDocument", "Principal".into()),
        gateway(map! { "PolicyDocument" => format!("{ALLOW_ALL}{}", " ".repeat(20_480)) }, "InvalidPolicyDocument", none()),
        interface(map! { "PrivateDnsEnabled" => true }, "InvalidParameter",
            format!("Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc}")),
        gateway(map! { "DnsOptions" => map! { "DnsRecordIpType" => "ipv4" } }, "InvalidParameter", vpc.clone()),
        gateway(map! { "DnsOptions" => map! { "DnsRecordIpType" => "dualstack" } }, "InvalidParameter", "dualstack".into()),
        interface(map! { "DnsOptions" => map! { "DnsRecordIpType" => "service-defined" } }, "InvalidParameter", none()),
        interface(map! { "DnsOptions" => map! { "PrivateDnsPreference" => "ALL_DOMAINS" } }, "InvalidParameter", none()),
        gateway(map! { "DnsOptions" => map! { "PrivateDnsOnlyForInboundResolverEndpoint" => false } }, "InvalidParameter",
            "DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints.".into()),
        interface(map! { "DnsOptions" => map! { "PrivateDnsOnlyForInboundResolverEndpoint" => true } }, "InvalidParameter", none()),
        gateway(map! { "TagSpecifications" => tagged("vpc", &[("a", "b")]) }, "InvalidParameterValue", "taggable".into()),
        gateway(map! { "ClientToken" => "x".repeat(65) }, "InvalidClientToken", none()),
    ]);
}

#[test]
fn changing_and_deleting_endpoints() {
    let place = place();
    let Place {
        gateway,
        interface,
        table,
        used_table,
        subnet,
        twin,
        group,
        default_group,
        ..
    } = &place;
    let (g, i) = (gateway.as_str(), interface.as_str());
    let modify = |id: &str, name: &'static str, value: Value, code, text: &str| {
        let input = map! { "VpcEndpointId" => id, name => value };
        Case("ModifyVpcEndpoint", input, code, text.to_string())
    };
    place.refuses(vec![
        modify(&absent("vpce"), "ResetPolicy", true.into(), "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id"),
        modify("nonsense", "ResetPolicy", true.into(), "InvalidVpcEndpointId.Malformed", "expecting 'vpce-..."),
        case!("ModifyVpcEndpoint", { "VpcEndpointId": g, "ResetPolicy": true, "PolicyDocument": ALLOW_ALL }, "InvalidParameterCombination", ""),
        modify(g, "PolicyDocument", "{}".into(), "InvalidPolicyDocument", ""),
        modify(g, "AddRouteTableIds", list![absent("rtb")], "InvalidRouteTableId.NotFound", ""),
        modify(g, "RemoveRouteTableIds", list![table.as_str()], "InvalidParameter", table),
        modify(g, "AddSubnetIds", list![subnet.as_str()], "InvalidParameter", "Subnet IDs"),
        modify(g, "AddSecurityGroupIds", list![group.as_str()], "InvalidParameter", "Security group"),
        modify(g, "PrivateDnsEnabled", true.into(), "InvalidParameter", "Private DNS"),
        modify(i, "AddRouteTableIds", list![table.as_str()], "InvalidParameter", "Route table IDs"),
        modify(i, "AddSubnetIds", list![twin.as_str()], "DuplicateSubnetsInSameZone", ""),
        modify(i, "RemoveSubnetIds", list![twin.as_str()], "InvalidParameter", twin),
        modify(i, "RemoveSecurityGroupIds", list![group.as_str()], "InvalidParameter", group),
        modify(i, "RemoveSecurityGroupIds", list![default_group.as_str()], "InvalidParameter", "at least one security group"),
        modify(i, "PrivateDnsEnabled", true.into(), "InvalidParameter", "enableDnsHostnames"),
        modify(i, "IpAddressType", "ipv6".into(), "InvalidParameter", "ipv6"),
        case!("DeleteVpcEndpoints", {}, "MissingParameter", "VpcEndpointId"),
        case!("DescribeVpcEndpoints", { "VpcEndpointIds": list![g, absent("vpce")] }, "InvalidVpcEndpointId.NotFound", "{}", absent("vpce")),
        case!("DescribeVpcEndpoints", { "VpcEndpointIds": list!["nonsense"] }, "InvalidVpcEndpointId.Malformed", ""),
        case!("DescribeVpcEndpointServices", { "ServiceNames": list!["nonsense"] }, "InvalidServiceName", "The Vpc Endpoint Service 'nonsense' does not exist"),
    ]);
    let second = place.world.gateway_endpoint(&place.vpc, &[]);
    place.refuses(vec![modify(
        &second,
        "AddRouteTableIds",
        list![used_table.as_str()],
        "RouteAlreadyExists",
        used_table,
    )]);
}

#[test]
fn tags() {
    let place = place();
    let vpc = place.vpc.as_str();
    let tag = |key: &str, value: &str| list![map! { "Key" => key, "Value" => value }];
    let on = |resources: Value, tags: Value, code, text: &str| {
        Case(
            "CreateTags",
            map! { "Resources" => resources, "Tags" => tags },
            code,
            text.into(),
        )
    };
    let many: Value = (0..51)
        .map(|n| map! { "Key" => format!("k{n}"), "Value" => "" })
        .collect();
    place.refuses(vec![
        on(
            list![vpc, "nonsense"],
            tag("a", "b"),
            "InvalidID",
            "The ID 'nonsense' is not valid",
        ),
        on(
            list![vpc, absent("vpc")],
            tag("a", "b"),
            "InvalidVpcID.NotFound",
            "does not exist",
        ),
        on(
            list![absent("sgr")],
            tag("a", "b"),
            "InvalidSecurityGroupRuleId.NotFound",
            "",
        ),
        on(
            list!["pl-63a5400a"],
            tag("a", "b"),
            "OperationNotPermitted",
            "pl-63a5400a",
        ),
        on(
            list![vpc],
            tag("aws:x", "b"),
            "InvalidParameterValue",
            "aws:",
        ),
        on(list![vpc], tag("AWS:x", "b"), "InvalidParameterValue", ""),
        on(list![vpc], tag("", "b"), "InvalidParameterValue", ""),
        on(
            list![vpc],
            tag(&"k".repeat(129), "b"),
            "InvalidParameterValue",
            "128",
        ),
        on(
            list![vpc],
            tag("a", &"v".repeat(257)),
            "InvalidParameterValue",
            "256",
        ),
        on(list![vpc], many, "TagLimitExceeded", "50"),
        on(list![vpc], list![], "MissingParameter", ""),
        on(list![], tag("a", "b"), "MissingParameter", ""),
    ]);
}

#[test]
fn limits_of_a_vpc() {
    let place = place();
    let world = &place.world;
    world.write(|draft| {
        let installation = draft.installation().unwrap().clone();
        draft.edit::<adit_model::Installation>(&installation.id, |installation| {
            for name in [
                "vpcs-per-region",
                "subnets-per-vpc",
                "route-tables-per-vpc",
                "routes-per-table",
                "internet-gateways-per-region",
                "security-groups-per-vpc",
                "gateway-endpoints-per-region",
                "interface-endpoints-per-vpc",
            ] {
                installation.quotas.insert(name.into(), 1);
            }
        });
    });
    let vpc = place.vpc.as_str();
    place.refuses(vec![
        case!("CreateVpc", { "CidrBlock": "10.9.0.0/16" }, "VpcLimitExceeded", "The maximum number of VPCs has been reached."),
        case!("CreateSubnet", { "VpcId": vpc, "CidrBlock": "10.0.9.0/24" }, "SubnetLimitExceeded", ""),
        case!("CreateRouteTable", { "VpcId": vpc }, "RouteTableLimitExceeded", ""),
        case!("CreateInternetGateway", {}, "InternetGatewayLimitExceeded", ""),
        case!("CreateSecurityGroup", { "VpcId": vpc, "GroupName": "x", "Description": "x" }, "SecurityGroupLimitExceeded", ""),
        case!("CreateRoute", { "RouteTableId": place.table.as_str(), "DestinationCidrBlock": "1.0.0.0/8", "GatewayId": place.igw.as_str() }, "RouteLimitExceeded", ""),
        case!("CreateVpcEndpoint", { "VpcId": vpc, "ServiceName": S3 }, "VpcEndpointLimitExceeded", ""),
        case!("CreateVpcEndpoint", { "VpcId": vpc, "ServiceName": S3, "VpcEndpointType": "Interface" }, "VpcEndpointLimitExceeded", ""),
        case!("CreateVpcEndpoint", { "VpcId": vpc, "ServiceName": S3, "RouteTableIds": list![place.table.as_str()] }, "RouteLimitExceeded", ""),
    ]);
}

#[test]
fn what_is_not_built_says_so() {
    let world = World::new();
    for (service, name, code, status) in [
        (
            adit_wire::Service::Ec2,
            "CreateTransitGateway",
            "UnsupportedOperation",
            400,
        ),
        (
            adit_wire::Service::Iam,
            "CreateLoginProfile",
            "NotImplemented",
            501,
        ),
        (
            adit_wire::Service::S3,
            "PutBucketWebsite",
            "NotImplemented",
            501,
        ),
        (adit_wire::Service::Adit, "Nonsense", "InvalidAction", 400),
    ] {
        let error = world.refused(service, name, map! {});
        assert_eq!(
            (error.code.as_ref(), error.status),
            (code, status),
            "{name}"
        );
    }
}
