"""EC2: what surrounds a VPC, and its further kinds of routes, addresses and filters."""

from ..scenario import Pages, Step, Wait

PLACE = [
    Step("CreateVpc", {"CidrBlock": "10.70.0.0/16"}, keep={"n_vpc": "Vpc.VpcId"}),
    Step("ModifyVpcAttribute", {"VpcId": "$n_vpc", "EnableDnsHostnames": {"Value": True}}),
    Step("CreateSubnet", {"VpcId": "$n_vpc", "CidrBlock": "10.70.1.0/24", "AvailabilityZone": "us-east-1a"},
         keep={"n_subnet": "Subnet.SubnetId"}),
    Step("CreateRouteTable", {"VpcId": "$n_vpc"}, keep={"n_table": "RouteTable.RouteTableId"}),
    Step("CreateInternetGateway", keep={"n_igw": "InternetGateway.InternetGatewayId"}),
    Step("AttachInternetGateway", {"InternetGatewayId": "$n_igw", "VpcId": "$n_vpc"}),
    Step("CreateSecurityGroup", {"VpcId": "$n_vpc", "GroupName": "network", "Description": "network"},
         keep={"n_group": "GroupId"}),
]

CIDRS = [
    Step("AssociateVpcCidrBlock", {"VpcId": "$n_vpc", "CidrBlock": "10.71.0.0/16"},
         keep={"cidr_association": "CidrBlockAssociation.AssociationId"}),
    Step("DisassociateVpcCidrBlock", {"AssociationId": "$cidr_association"}),
    Step("CreateVpc", {"CidrBlock": "10.72.0.0/16", "AmazonProvidedIpv6CidrBlock": True},
         keep={"v6_vpc": "Vpc.VpcId"}, needs="AssociateSubnetCidrBlock"),
    Step("CreateSubnet", {"VpcId": "$v6_vpc", "CidrBlock": "10.72.1.0/24"}, keep={"v6_subnet": "Subnet.SubnetId"}),
    # The first VPC with IPv6 has the first block of the pool.
    Step("AssociateSubnetCidrBlock", {"SubnetId": "$v6_subnet", "Ipv6CidrBlock": "fd00:ad17::/64"},
         keep={"v6_association": "Ipv6CidrBlockAssociation.AssociationId"}),
    Step("CreateNetworkInterface", {"SubnetId": "$v6_subnet"}, keep={"v6_eni": "NetworkInterface.NetworkInterfaceId"}),
    Step("AssignIpv6Addresses", {"NetworkInterfaceId": "$v6_eni", "Ipv6AddressCount": 1},
         keep={"v6_address": "AssignedIpv6Addresses[0]"}),
    Step("UnassignIpv6Addresses", {"NetworkInterfaceId": "$v6_eni", "Ipv6Addresses": ["$v6_address"]}),
    Step("DeleteNetworkInterface", {"NetworkInterfaceId": "$v6_eni"}),
    Step("DisassociateSubnetCidrBlock", {"AssociationId": "$v6_association"}),
    Step("ModifyVpcTenancy", {"VpcId": "$n_vpc", "InstanceTenancy": "default"}),
]

ACLS = [
    Step("CreateNetworkAcl", {"VpcId": "$n_vpc"}, keep={"acl": "NetworkAcl.NetworkAclId"}),
    Step("CreateNetworkAclEntry", {"NetworkAclId": "$acl", "RuleNumber": 100, "Protocol": "6", "RuleAction": "allow",
                                   "Egress": False, "CidrBlock": "10.0.0.0/8", "PortRange": {"From": 443, "To": 443}}),
    Step("ReplaceNetworkAclEntry", {"NetworkAclId": "$acl", "RuleNumber": 100, "Protocol": "-1", "RuleAction": "deny",
                                    "Egress": False, "CidrBlock": "10.0.0.0/8"}),
    Step("DescribeNetworkAcls", {"Filters": [{"Name": "association.subnet-id", "Values": ["$n_subnet"]}]},
         keep={"acl_association": "NetworkAcls[0].Associations[0].NetworkAclAssociationId"}),
    Step("ReplaceNetworkAclAssociation", {"AssociationId": "$acl_association", "NetworkAclId": "$acl"},
         keep={"acl_association": "NewAssociationId"}),
    Step("DescribeNetworkAcls", {"NetworkAclIds": ["$acl"]}),
    Step("DeleteNetworkAclEntry", {"NetworkAclId": "$acl", "RuleNumber": 100, "Egress": False}),
    Step("CreateNetworkAcl", {"VpcId": "$n_vpc"}, keep={"idle_acl": "NetworkAcl.NetworkAclId"}),
    Step("DeleteNetworkAcl", {"NetworkAclId": "$idle_acl"}),
]

ADDRESSES = [
    Step("AllocateAddress", {"Domain": "vpc"}, keep={"address": "AllocationId"}),
    Step("AllocateAddress", {"Domain": "vpc"}, keep={"nat_address": "AllocationId"}),
    Step("CreateNetworkInterface", {"SubnetId": "$n_subnet", "Description": "own", "Groups": ["$n_group"]},
         keep={"own_eni": "NetworkInterface.NetworkInterfaceId"}),
    Wait("NetworkInterfaceAvailable", {"NetworkInterfaceIds": ["$own_eni"]}),
    Step("DescribeNetworkInterfaceAttribute", {"NetworkInterfaceId": "$own_eni", "Attribute": "description"}),
    Step("ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": "$own_eni", "Description": {"Value": "changed"}}),
    Step("AssignPrivateIpAddresses", {"NetworkInterfaceId": "$own_eni", "SecondaryPrivateIpAddressCount": 1},
         keep={"second_ip": "AssignedPrivateIpAddresses[0].PrivateIpAddress"}),
    Step("UnassignPrivateIpAddresses", {"NetworkInterfaceId": "$own_eni", "PrivateIpAddresses": ["$second_ip"]}),
    Step("AssociateAddress", {"AllocationId": "$address", "NetworkInterfaceId": "$own_eni"},
         keep={"address_association": "AssociationId"}),
    Step("DescribeAddresses", {"AllocationIds": ["$address"]}),
    Step("DescribeAddressesAttribute", {"AllocationIds": ["$address"]}),
    # There are no instances, and the interface of a service is the service's.
    Step("AttachNetworkInterface", {"NetworkInterfaceId": "$own_eni", "InstanceId": "i-0123456789abcdef0", "DeviceIndex": 1},
         refused="InvalidInstanceID.NotFound"),
    Step("DetachNetworkInterface", {"AttachmentId": "eni-attach-0123456789abcdef0"}, refused="InvalidAttachmentID.NotFound"),
    Step("DisassociateAddress", {"AssociationId": "$address_association"}),
    Step("ReleaseAddress", {"AllocationId": "$address"}),
    Step("DeleteNetworkInterface", {"NetworkInterfaceId": "$own_eni"}),
]

GATEWAYS = [
    Step("CreateNatGateway", {"SubnetId": "$n_subnet", "AllocationId": "$nat_address"}, keep={"nat": "NatGateway.NatGatewayId"}),
    Wait("NatGatewayAvailable", {"NatGatewayIds": ["$nat"]}),
    Step("DescribeNatGateways", {"NatGatewayIds": ["$nat"]}),
    Step("DeleteNatGateway", {"NatGatewayId": "$nat"}),
    Wait("NatGatewayDeleted", {"NatGatewayIds": ["$nat"]}),
    Step("CreateEgressOnlyInternetGateway", {"VpcId": "$n_vpc"}, keep={"eigw": "EgressOnlyInternetGateway.EgressOnlyInternetGatewayId"}),
    Step("DescribeEgressOnlyInternetGateways", {"EgressOnlyInternetGatewayIds": ["$eigw"]}),
    Pages("DescribeEgressOnlyInternetGateways", single=True),
    Step("DeleteEgressOnlyInternetGateway", {"EgressOnlyInternetGatewayId": "$eigw"}),
    Step("CreateDhcpOptions", {"DhcpConfigurations": [{"Key": "domain-name", "Values": ["corp.example"]}]},
         keep={"dhcp": "DhcpOptions.DhcpOptionsId"}, times=6),
    Step("AssociateDhcpOptions", {"DhcpOptionsId": "$dhcp", "VpcId": "$n_vpc"}),
    Step("DescribeDhcpOptions", {"DhcpOptionsIds": ["$dhcp"]}),
    Pages("DescribeDhcpOptions"),
    Step("AssociateDhcpOptions", {"DhcpOptionsId": "default", "VpcId": "$n_vpc"}),
    Step("DeleteDhcpOptions", {"DhcpOptionsId": "$dhcp"}),
]

PEERING = [
    Step("CreateVpc", {"CidrBlock": "10.75.0.0/16"}, keep={"peer_vpc": "Vpc.VpcId"}),
    Step("CreateVpcPeeringConnection", {"VpcId": "$n_vpc", "PeerVpcId": "$peer_vpc"},
         keep={"peering": "VpcPeeringConnection.VpcPeeringConnectionId"}),
    Wait("VpcPeeringConnectionExists", {"VpcPeeringConnectionIds": ["$peering"]}),
    Step("AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": "$peering"}),
    Step("ModifyVpcPeeringConnectionOptions", {
        "VpcPeeringConnectionId": "$peering", "RequesterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True},
    }),
    Step("DescribeVpcPeeringConnections", {"VpcPeeringConnectionIds": ["$peering"]}),
    Step("CreateRoute", {"RouteTableId": "$n_table", "DestinationCidrBlock": "10.75.0.0/16", "VpcPeeringConnectionId": "$peering"}),
    Step("DescribeSecurityGroupReferences", {"GroupId": ["$n_group"]}),
    Step("DescribeStaleSecurityGroups", {"VpcId": "$n_vpc"}),
    Pages("DescribeStaleSecurityGroups", {"VpcId": "$n_vpc"}, single=True),
    Step("DeleteVpcPeeringConnection", {"VpcPeeringConnectionId": "$peering"}),
    Wait("VpcPeeringConnectionDeleted", {"VpcPeeringConnectionIds": ["$peering"]}),
    Step("CreateVpcPeeringConnection", {"VpcId": "$n_vpc", "PeerVpcId": "$peer_vpc"},
         keep={"refused_peering": "VpcPeeringConnection.VpcPeeringConnectionId"}),
    Step("RejectVpcPeeringConnection", {"VpcPeeringConnectionId": "$refused_peering"}),
    Pages("DescribeVpcPeeringConnections", single=True),
]

VPN = [
    Step("CreateVpnGateway", {"Type": "ipsec.1"}, keep={"vgw": "VpnGateway.VpnGatewayId"}),
    Step("AttachVpnGateway", {"VpnGatewayId": "$vgw", "VpcId": "$n_vpc"}),
    Step("DescribeVpnGateways", {"VpnGatewayIds": ["$vgw"]}),
    Step("EnableVgwRoutePropagation", {"GatewayId": "$vgw", "RouteTableId": "$n_table"}),
    Step("DisableVgwRoutePropagation", {"GatewayId": "$vgw", "RouteTableId": "$n_table"}),
    Step("CreateCustomerGateway", {"Type": "ipsec.1", "BgpAsn": 65000, "IpAddress": "203.0.113.9"},
         keep={"cgw": "CustomerGateway.CustomerGatewayId"}),
    Wait("CustomerGatewayAvailable", {"CustomerGatewayIds": ["$cgw"]}),
    Step("DescribeCustomerGateways", {"CustomerGatewayIds": ["$cgw"]}),
    Step("CreateVpnConnection", {"Type": "ipsec.1", "CustomerGatewayId": "$cgw", "VpnGatewayId": "$vgw",
                                 "Options": {"StaticRoutesOnly": True}}, keep={"vpn": "VpnConnection.VpnConnectionId"}),
    Wait("VpnConnectionAvailable", {"VpnConnectionIds": ["$vpn"]}),
    Step("CreateVpnConnectionRoute", {"VpnConnectionId": "$vpn", "DestinationCidrBlock": "192.168.9.0/24"}),
    Step("DescribeVpnConnections", {"VpnConnectionIds": ["$vpn"]}),
    Step("DeleteVpnConnectionRoute", {"VpnConnectionId": "$vpn", "DestinationCidrBlock": "192.168.9.0/24"}),
    Step("DeleteVpnConnection", {"VpnConnectionId": "$vpn"}),
    Wait("VpnConnectionDeleted", {"VpnConnectionIds": ["$vpn"]}),
    Step("DeleteCustomerGateway", {"CustomerGatewayId": "$cgw"}),
    Step("DetachVpnGateway", {"VpnGatewayId": "$vgw", "VpcId": "$n_vpc"}),
    Step("DeleteVpnGateway", {"VpnGatewayId": "$vgw"}),
]

LISTS = [
    Step("CreateManagedPrefixList", {"PrefixListName": "offices", "MaxEntries": 10, "AddressFamily": "IPv4", "Entries": [
        {"Cidr": "192.0.2.0/24", "Description": "first"},
    ]}, keep={"list": "PrefixList.PrefixListId"}),
    Step("ModifyManagedPrefixList", {"PrefixListId": "$list", "CurrentVersion": 1, "AddEntries": [{"Cidr": "198.51.100.0/24"}]}),
    Step("RestoreManagedPrefixListVersion", {"PrefixListId": "$list", "PreviousVersion": 1, "CurrentVersion": 2}),
    Step("GetManagedPrefixListEntries", {"PrefixListId": "$list"}),
    Step("GetManagedPrefixListAssociations", {"PrefixListId": "$list"}),
    Pages("GetManagedPrefixListAssociations", {"PrefixListId": "$list"}, single=True),
    Step("DeleteManagedPrefixList", {"PrefixListId": "$list"}),
]

FLOW = [
    Step("CreateBucket", {"Bucket": "flow-logs"}, service="s3"),
    Step("CreateFlowLogs", {"ResourceIds": ["$n_vpc"], "ResourceType": "VPC", "TrafficType": "ALL",
                            "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::flow-logs"},
         keep={"flow_log": "FlowLogIds[0]"}),
    Step("DescribeFlowLogs", {"FlowLogIds": ["$flow_log"]}),
    Pages("DescribeFlowLogs", single=True),
    Step("DeleteFlowLogs", {"FlowLogIds": ["$flow_log"]}),
]

ABSENT = [
    Step("DescribeInstances"),
    Pages("DescribeInstances", single=True),
    Step("DescribeInstanceStatus"),
    Pages("DescribeInstanceStatus", single=True),
    Step("DescribeTransitGateways"),
    Pages("DescribeTransitGateways", single=True),
    Step("DescribeTransitGatewayVpcAttachments"),
    Pages("DescribeTransitGatewayVpcAttachments", single=True),
]

PAGES = [
    Pages("DescribeNatGateways", single=True),
    Pages("DescribeAddressesAttribute", single=True),
]

STEPS = [*PLACE, *CIDRS, *ACLS, *ADDRESSES, *GATEWAYS, *PEERING, *VPN, *LISTS, *FLOW, *ABSENT, *PAGES]
