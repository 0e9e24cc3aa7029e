"""EC2: networks, groups, endpoints, tags, places."""

from ..scenario import Pages, Step, Wait

S3_SERVICE = "com.amazonaws.us-east-1.s3"
HTTPS = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]

NETWORKS = [
    Step("CreateVpc", {"CidrBlock": "10.0.0.0/16", "TagSpecifications": [
        {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "first"}]},
    ]}, keep={"vpc": "Vpc.VpcId"}),
    Wait("VpcExists", {"VpcIds": ["$vpc"]}),
    Wait("VpcAvailable", {"VpcIds": ["$vpc"]}),
    Step("DescribeVpcs", {"VpcIds": ["$vpc"]}),
    Step("ModifyVpcAttribute", {"VpcId": "$vpc", "EnableDnsHostnames": {"Value": True}}),
    Step("DescribeVpcAttribute", {"VpcId": "$vpc", "Attribute": "enableDnsHostnames"}),
    Step("CreateSubnet", {"VpcId": "$vpc", "CidrBlock": "10.0.1.0/24"}, keep={"subnet": "Subnet.SubnetId"}),
    Wait("SubnetAvailable", {"SubnetIds": ["$subnet"]}),
    Step("DescribeSubnets", {"SubnetIds": ["$subnet"]}),
    Step("ModifySubnetAttribute", {"SubnetId": "$subnet", "MapPublicIpOnLaunch": {"Value": True}}),
    Step("CreateInternetGateway", keep={"igw": "InternetGateway.InternetGatewayId"}),
    Wait("InternetGatewayExists", {"InternetGatewayIds": ["$igw"]}),
    Step("AttachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    Step("DescribeInternetGateways", {"InternetGatewayIds": ["$igw"]}),
    Step("CreateRouteTable", {"VpcId": "$vpc"}, keep={"table": "RouteTable.RouteTableId"}),
    Step("AssociateRouteTable", {"RouteTableId": "$table", "SubnetId": "$subnet"}, keep={"association": "AssociationId"}),
    Step("CreateRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "$igw"}),
    Step("ReplaceRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "$igw"}),
    Step("DescribeRouteTables", {"RouteTableIds": ["$table"]}),
    Step("DeleteRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0"}),
    Step("CreateRouteTable", {"VpcId": "$vpc"}, keep={"other_table": "RouteTable.RouteTableId"}),
    Step("ReplaceRouteTableAssociation", {"AssociationId": "$association", "RouteTableId": "$other_table"},
         keep={"association": "NewAssociationId"}),
    Step("DisassociateRouteTable", {"AssociationId": "$association"}),
    Step("DeleteRouteTable", {"RouteTableId": "$other_table"}),
]

GROUPS = [
    Step("CreateSecurityGroup", {"VpcId": "$vpc", "GroupName": "web", "Description": "web"}, keep={"group": "GroupId"}),
    Wait("SecurityGroupExists", {"GroupIds": ["$group"]}),
    Step("AuthorizeSecurityGroupIngress", {"GroupId": "$group", "IpPermissions": HTTPS},
         keep={"rule": "SecurityGroupRules[0].SecurityGroupRuleId"}),
    Step("AuthorizeSecurityGroupEgress", {"GroupId": "$group", "IpPermissions": HTTPS}),
    Step("UpdateSecurityGroupRuleDescriptionsIngress", {"GroupId": "$group", "IpPermissions": HTTPS}),
    Step("UpdateSecurityGroupRuleDescriptionsEgress", {"GroupId": "$group", "IpPermissions": HTTPS}),
    Step("DescribeSecurityGroups", {"GroupIds": ["$group"]}),
    Step("DescribeSecurityGroupRules", {"SecurityGroupRuleIds": ["$rule"]}),
    Step("GetSecurityGroupsForVpc", {"VpcId": "$vpc"}),
    Step("ModifySecurityGroupRules", {"GroupId": "$group", "SecurityGroupRules": [{
        "SecurityGroupRuleId": "$rule",
        "SecurityGroupRule": {"IpProtocol": "udp", "FromPort": 1, "ToPort": 2, "CidrIpv4": "9.0.0.0/8"},
    }]}),
    Step("RevokeSecurityGroupIngress", {"GroupId": "$group", "SecurityGroupRuleIds": ["$rule"]}),
    Step("RevokeSecurityGroupEgress", {"GroupId": "$group", "IpPermissions": HTTPS}),
    Step("DeleteSecurityGroup", {"GroupId": "$group"}),
    Step("DescribeNetworkAcls"),
]

ENDPOINTS = [
    Step("DescribePrefixLists", keep={"s3_list": "PrefixLists[0].PrefixListId"}),
    Step("DescribeManagedPrefixLists"),
    Step("GetManagedPrefixListEntries", {"PrefixListId": "$s3_list"}),
    Step("DescribeVpcEndpointServices"),
    Step("CreateVpcEndpoint", {"VpcId": "$vpc", "ServiceName": S3_SERVICE, "RouteTableIds": ["$table"]},
         keep={"gateway": "VpcEndpoint.VpcEndpointId"}),
    Step("CreateVpcEndpoint", {"VpcId": "$vpc", "ServiceName": S3_SERVICE, "VpcEndpointType": "Interface",
                               "SubnetIds": ["$subnet"]}, keep={"interface": "VpcEndpoint.VpcEndpointId"}),
    Step("ModifyVpcEndpoint", {"VpcEndpointId": "$gateway", "ResetPolicy": True}),
    Step("DescribeVpcEndpoints", keep={"eni": "VpcEndpoints[].NetworkInterfaceIds[] | [0]"}),
    Step("DescribeNetworkInterfaces", {"NetworkInterfaceIds": ["$eni"]}),
    # An endpoint's own interface goes with the endpoint only.
    Step("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}, refused="OperationNotPermitted"),
]

PLACES = [
    Step("CreateTags", {"Resources": ["$vpc", "$subnet"], "Tags": [{"Key": "team", "Value": "one"}]}),
    Step("DescribeTags", {"Filters": [{"Name": "key", "Values": ["team"]}]}),
    Step("DeleteTags", {"Resources": ["$subnet"], "Tags": [{"Key": "team"}]}),
    Step("DescribeAvailabilityZones", keep={"zone": "AvailabilityZones[2].ZoneName"}),
    Step("DescribeRegions"),
    Step("DescribeAccountAttributes"),
    Step("CreateDefaultVpc", keep={"default_vpc": "Vpc.VpcId"}),
    Step("DescribeSubnets", {"Filters": [
        {"Name": "vpc-id", "Values": ["$default_vpc"]}, {"Name": "availability-zone", "Values": ["$zone"]},
    ]}, keep={"default_subnet": "Subnets[0].SubnetId"}),
    Step("DeleteSubnet", {"SubnetId": "$default_subnet"}),
    Step("CreateDefaultSubnet", {"AvailabilityZone": "$zone"}),
]

# Enough of everything for three pages of five, then the pages.
MANY = [
    Step("CreateVpc", {"CidrBlock": "10.1.0.0/16"}, times=11, keep={"last_vpc": "Vpc.VpcId"}),
    Step("CreateSubnet", {"VpcId": "$last_vpc", "CidrBlock": "10.1.${n}.0/24"}, times=11,
         keep={"last_subnet": "Subnet.SubnetId"}),
    Step("CreateRouteTable", {"VpcId": "$last_vpc"}, times=11, keep={"last_table": "RouteTable.RouteTableId"}),
    Step("CreateSecurityGroup", {"VpcId": "$last_vpc", "GroupName": "g$n", "Description": "d"}, times=11),
    Step("CreateInternetGateway", times=11),
    Step("CreateVpcEndpoint", {"VpcId": "$last_vpc", "ServiceName": S3_SERVICE}, times=11),
    Step("CreateVpcEndpoint", {"VpcId": "$last_vpc", "ServiceName": S3_SERVICE, "VpcEndpointType": "Interface",
                               "SubnetIds": ["$last_subnet"]}, times=7),
    Step("CreateTags", {"Resources": ["$last_vpc"], "Tags": [{"Key": "k$n", "Value": "v"}]}, times=11),
    Pages("DescribeVpcs"),
    Pages("DescribeSubnets"),
    Pages("DescribeRouteTables"),
    Pages("DescribeInternetGateways"),
    Pages("DescribeSecurityGroups"),
    Pages("DescribeSecurityGroupRules"),
    Pages("GetSecurityGroupsForVpc", {"VpcId": "$last_vpc"}),
    Pages("DescribeNetworkInterfaces"),
    Pages("DescribeNetworkAcls"),
    Pages("DescribePrefixLists", single=True),
    Pages("DescribeManagedPrefixLists", single=True),
    Pages("GetManagedPrefixListEntries", {"PrefixListId": "$s3_list"}, single=True),
    Pages("DescribeVpcEndpoints"),
    Pages("DescribeVpcEndpointServices", single=True),
    Pages("DescribeTags"),
]

END = [
    Step("DeleteVpcEndpoints", {"VpcEndpointIds": ["$gateway", "$interface"]}),
    Step("DeleteSubnet", {"SubnetId": "$subnet"}),
    Step("DeleteRouteTable", {"RouteTableId": "$table"}),
    Step("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    Step("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    Step("DeleteVpc", {"VpcId": "$vpc"}),
]

STEPS = [*NETWORKS, *GROUPS, *ENDPOINTS, *PLACES, *MANY, *END]
