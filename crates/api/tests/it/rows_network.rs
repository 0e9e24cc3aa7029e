//! The part of the tour that goes around VPCs: ACLs, gateways, addresses, peering, lists.

use adit_wire::{Service, list, map};

use crate::rows::Tour;
use crate::world::*;

pub(crate) fn all(tour: &mut Tour) {
    let vpc = tour.world.vpc("10.0.0.0/16");
    let subnet = tour.world.subnet(&vpc, "10.0.1.0/24", "a");
    blocks(tour, &vpc);
    ipv6(tour);
    acls(tour, &vpc);
    let gateway = tour.world.internet_gateway(Some(&vpc));
    addresses(tour, &subnet);
    vpn(tour, &vpc);
    absent(tour, &vpc);
    options(tour, &vpc);
    peering(tour, &vpc);
    lists(tour);
    let both = map! { "InternetGatewayId" => gateway.as_str(), "VpcId" => vpc.as_str() };
    tour.world.ec2("DetachInternetGateway", both);
    tour.world.ec2(
        "DeleteInternetGateway",
        map! { "InternetGatewayId" => gateway },
    );
    tour.world
        .ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    tour.world.ec2("DeleteVpc", map! { "VpcId" => vpc });
}

fn blocks(tour: &mut Tour, vpc: &str) {
    let made = tour.ec2(
        "AssociateVpcCidrBlock",
        map! { "VpcId" => vpc, "CidrBlock" => "10.1.0.0/16" },
    );
    let id = text(made.get("CidrBlockAssociation"), "AssociationId");
    tour.ec2("DisassociateVpcCidrBlock", map! { "AssociationId" => id });
}

fn ipv6(tour: &mut Tour) {
    let input = map! { "CidrBlock" => "10.2.0.0/16", "AmazonProvidedIpv6CidrBlock" => true };
    let made = tour.world.ec2("CreateVpc", input);
    let vpc = text(made.get("Vpc"), "VpcId");
    let subnet = tour.world.subnet(&vpc, "10.2.1.0/24", "a");
    let input = map! { "SubnetId" => subnet.as_str(), "Ipv6CidrBlock" => "fd00:ad17::/64" };
    let made = tour.ec2("AssociateSubnetCidrBlock", input);
    let id = text(made.get("Ipv6CidrBlockAssociation"), "AssociationId");
    let made = tour.world.ec2(
        "CreateNetworkInterface",
        map! { "SubnetId" => subnet.as_str() },
    );
    let eni = text(made.get("NetworkInterface"), "NetworkInterfaceId");
    let input = map! { "NetworkInterfaceId" => eni.as_str(), "Ipv6AddressCount" => 1i64 };
    let added = tour.ec2("AssignIpv6Addresses", input);
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(),
        "Ipv6Addresses" => texts(&added, "AssignedIpv6Addresses"),
    };
    tour.ec2("UnassignIpv6Addresses", input);
    tour.world.ec2(
        "DeleteNetworkInterface",
        map! { "NetworkInterfaceId" => eni },
    );
    tour.ec2(
        "DisassociateSubnetCidrBlock",
        map! { "AssociationId" => id },
    );
    let made = tour.ec2(
        "CreateEgressOnlyInternetGateway",
        map! { "VpcId" => vpc.as_str() },
    );
    let gateway = text(
        made.get("EgressOnlyInternetGateway"),
        "EgressOnlyInternetGatewayId",
    );
    tour.ec2("DescribeEgressOnlyInternetGateways", map! {});
    let input = map! { "EgressOnlyInternetGatewayId" => gateway };
    tour.ec2("DeleteEgressOnlyInternetGateway", input);
    tour.world
        .ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    tour.world.ec2("DeleteVpc", map! { "VpcId" => vpc });
}

fn acls(tour: &mut Tour, vpc: &str) {
    let made = tour.ec2("CreateNetworkAcl", map! { "VpcId" => vpc });
    let acl = text(made.get("NetworkAcl"), "NetworkAclId");
    let entry = map! {
        "NetworkAclId" => acl.as_str(), "RuleNumber" => 10i64, "Egress" => false,
        "Protocol" => "6", "RuleAction" => "allow", "CidrBlock" => "10.0.0.0/8",
        "PortRange" => map! { "From" => 443i64, "To" => 443i64 },
    };
    tour.ec2("CreateNetworkAclEntry", entry.clone());
    tour.ec2("ReplaceNetworkAclEntry", entry);
    let named = map! { "NetworkAclId" => acl.as_str(), "RuleNumber" => 10i64, "Egress" => false };
    tour.ec2("DeleteNetworkAclEntry", named);
    let filters = list![filter("vpc-id", &[vpc]), filter("default", &["true"])];
    let default = tour
        .world
        .ec2("DescribeNetworkAcls", map! { "Filters" => filters });
    let default = one(&default, "NetworkAcls").clone();
    let association = text(
        &default.get("Associations").list()[0],
        "NetworkAclAssociationId",
    );
    let input = map! { "AssociationId" => association, "NetworkAclId" => acl.as_str() };
    let moved = tour.ec2("ReplaceNetworkAclAssociation", input);
    let back = map! {
        "AssociationId" => text(&moved, "NewAssociationId"),
        "NetworkAclId" => text(&default, "NetworkAclId"),
    };
    tour.ec2("ReplaceNetworkAclAssociation", back);
    tour.ec2("DeleteNetworkAcl", map! { "NetworkAclId" => acl });
}

fn addresses(tour: &mut Tour, subnet: &str) {
    let eip = text(&tour.ec2("AllocateAddress", map! {}), "AllocationId");
    let made = tour.ec2("CreateNetworkInterface", map! { "SubnetId" => subnet });
    let eni = text(made.get("NetworkInterface"), "NetworkInterfaceId");
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "Description" => map! { "Value" => "mine" },
    };
    tour.ec2("ModifyNetworkInterfaceAttribute", input);
    let input = map! { "NetworkInterfaceId" => eni.as_str(), "Attribute" => "description" };
    tour.ec2("DescribeNetworkInterfaceAttribute", input);
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "SecondaryPrivateIpAddressCount" => 1i64,
    };
    let more = tour.ec2("AssignPrivateIpAddresses", input);
    let more = text(one(&more, "AssignedPrivateIpAddresses"), "PrivateIpAddress");
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "PrivateIpAddresses" => list![more.as_str()],
    };
    tour.ec2("UnassignPrivateIpAddresses", input);
    let input = map! { "AllocationId" => eip.as_str(), "NetworkInterfaceId" => eni.as_str() };
    let bound = text(&tour.ec2("AssociateAddress", input), "AssociationId");
    tour.ec2("DescribeAddresses", map! {});
    tour.ec2("DescribeAddressesAttribute", map! {});
    tour.ec2("DisassociateAddress", map! { "AssociationId" => bound });
    // There are no instances: these two answer by saying so.
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "InstanceId" => "i-0123456789abcdef0",
        "DeviceIndex" => 1i64,
    };
    tour.refused(
        "AttachNetworkInterface",
        input,
        "InvalidInstanceID.NotFound",
    );
    let input = map! { "AttachmentId" => "eni-attach-0123456789abcdef0" };
    tour.refused(
        "DetachNetworkInterface",
        input,
        "InvalidAttachmentID.NotFound",
    );
    tour.world.ec2(
        "DeleteNetworkInterface",
        map! { "NetworkInterfaceId" => eni },
    );

    let input = map! { "SubnetId" => subnet, "AllocationId" => eip.as_str() };
    let nat = text(
        tour.ec2("CreateNatGateway", input).get("NatGateway"),
        "NatGatewayId",
    );
    tour.ec2("DescribeNatGateways", map! {});
    tour.ec2("DeleteNatGateway", map! { "NatGatewayId" => nat });
    tour.ec2("ReleaseAddress", map! { "AllocationId" => eip });
}

fn vpn(tour: &mut Tour, vpc: &str) {
    let made = tour.ec2("CreateVpnGateway", map! { "Type" => "ipsec.1" });
    let gateway = text(made.get("VpnGateway"), "VpnGatewayId");
    let both = map! { "VpnGatewayId" => gateway.as_str(), "VpcId" => vpc };
    tour.ec2("AttachVpnGateway", both.clone());
    tour.ec2("DescribeVpnGateways", map! {});
    let input = map! { "Type" => "ipsec.1", "IpAddress" => "203.0.113.5", "BgpAsn" => 65001i64 };
    let made = tour.ec2("CreateCustomerGateway", input);
    let customer = text(made.get("CustomerGateway"), "CustomerGatewayId");
    tour.ec2("DescribeCustomerGateways", map! {});
    let made = tour.ec2(
        "CreateVpnConnection",
        map! {
            "Type" => "ipsec.1", "CustomerGatewayId" => customer.as_str(),
            "VpnGatewayId" => gateway.as_str(),
            "Options" => map! { "StaticRoutesOnly" => true },
        },
    );
    let vpn = text(made.get("VpnConnection"), "VpnConnectionId");
    let route = map! {
        "VpnConnectionId" => vpn.as_str(), "DestinationCidrBlock" => "192.168.0.0/16",
    };
    tour.ec2("CreateVpnConnectionRoute", route.clone());
    tour.ec2("DescribeVpnConnections", map! {});
    let table = tour.world.main_table(vpc);
    let table = map! { "GatewayId" => gateway.as_str(), "RouteTableId" => table };
    tour.ec2("EnableVgwRoutePropagation", table.clone());
    tour.ec2("DisableVgwRoutePropagation", table);
    tour.ec2("DeleteVpnConnectionRoute", route);
    tour.ec2("DeleteVpnConnection", map! { "VpnConnectionId" => vpn });
    tour.ec2(
        "DeleteCustomerGateway",
        map! { "CustomerGatewayId" => customer },
    );
    tour.ec2("DetachVpnGateway", both);
    tour.ec2("DeleteVpnGateway", map! { "VpnGatewayId" => gateway });
}

fn options(tour: &mut Tour, vpc: &str) {
    let servers = map! { "Key" => "domain-name-servers", "Values" => list!["10.0.0.9"] };
    let made = tour.ec2(
        "CreateDhcpOptions",
        map! { "DhcpConfigurations" => list![servers] },
    );
    let options = text(made.get("DhcpOptions"), "DhcpOptionsId");
    tour.ec2(
        "AssociateDhcpOptions",
        map! { "DhcpOptionsId" => options.as_str(), "VpcId" => vpc },
    );
    tour.ec2("DescribeDhcpOptions", map! {});
    let none = map! { "DhcpOptionsId" => "default", "VpcId" => vpc };
    tour.ec2("AssociateDhcpOptions", none);
    tour.ec2("DeleteDhcpOptions", map! { "DhcpOptionsId" => options });
}

fn peering(tour: &mut Tour, vpc: &str) {
    let peer = tour.world.vpc("10.9.0.0/16");
    let both = map! { "VpcId" => vpc, "PeerVpcId" => peer.as_str() };
    let made = tour.ec2("CreateVpcPeeringConnection", both.clone());
    let refused = text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId");
    let id = map! { "VpcPeeringConnectionId" => refused };
    tour.ec2("RejectVpcPeeringConnection", id);
    let made = tour.ec2("CreateVpcPeeringConnection", both);
    let id = text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId");
    let id = map! { "VpcPeeringConnectionId" => id };
    tour.ec2("AcceptVpcPeeringConnection", id.clone());
    tour.ec2("ModifyVpcPeeringConnectionOptions", id.clone());
    tour.ec2("DescribeVpcPeeringConnections", map! {});
    tour.ec2("DeleteVpcPeeringConnection", id);
    tour.world.ec2("DeleteVpc", map! { "VpcId" => peer });
}

fn lists(tour: &mut Tour) {
    let input = map! {
        "PrefixListName" => "mine", "AddressFamily" => "IPv4", "MaxEntries" => 3i64,
        "Entries" => list![map! { "Cidr" => "192.0.2.0/24" }],
    };
    let made = tour.ec2("CreateManagedPrefixList", input);
    let list_id = text(made.get("PrefixList"), "PrefixListId");
    let input = map! {
        "PrefixListId" => list_id.as_str(), "CurrentVersion" => 1i64,
        "AddEntries" => list![map! { "Cidr" => "198.51.100.0/24", "Description" => "two" }],
    };
    tour.ec2("ModifyManagedPrefixList", input);
    let input = map! {
        "PrefixListId" => list_id.as_str(), "CurrentVersion" => 2i64, "PreviousVersion" => 1i64,
    };
    tour.ec2("RestoreManagedPrefixListVersion", input);
    let named = map! { "PrefixListId" => list_id };
    tour.ec2("GetManagedPrefixListAssociations", named.clone());
    tour.ec2("DeleteManagedPrefixList", named);
    let blocks = list!["198.18.0.0/20", "198.18.16.0/24"];
    let input = map! { "Service" => "s3", "Cidrs" => blocks };
    tour.at(Service::Adit, "SetPrefixList", input);
}

fn absent(tour: &mut Tour, vpc: &str) {
    let tenancy = map! { "VpcId" => vpc, "InstanceTenancy" => "default" };
    tour.ec2("ModifyVpcTenancy", tenancy);
    let group = tour.world.default_group(vpc);
    let input = map! { "GroupId" => list![group] };
    tour.ec2("DescribeSecurityGroupReferences", input);
    tour.ec2("DescribeStaleSecurityGroups", map! { "VpcId" => vpc });
    for (name, list) in [
        ("DescribeInstances", "Reservations"),
        ("DescribeInstanceStatus", "InstanceStatuses"),
        ("DescribeTransitGateways", "TransitGateways"),
        (
            "DescribeTransitGatewayVpcAttachments",
            "TransitGatewayVpcAttachments",
        ),
    ] {
        assert_eq!(tour.ec2(name, map! {}).get(list).list().len(), 0);
    }
}
