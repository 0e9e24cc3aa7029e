"""EC2: endpoint services, their permissions, connections and notifications."""

from ..scenario import Pages, Step, Wait

SERVICES = [
    Step("CreateVpc", {"CidrBlock": "10.80.0.0/16"}, keep={"e_vpc": "Vpc.VpcId"}),
    Step("CreateSubnet", {"VpcId": "$e_vpc", "CidrBlock": "10.80.1.0/24", "AvailabilityZone": "us-east-1a"},
         keep={"e_subnet": "Subnet.SubnetId"}),
    Step("CreateLoadBalancer", {"Name": "service", "Type": "network", "Scheme": "internal", "Subnets": ["$e_subnet"]},
         keep={"lb": "LoadBalancers[0].LoadBalancerArn"}, service="elbv2"),
    Step("DescribeLoadBalancers", {"LoadBalancerArns": ["$lb"]}, service="elbv2"),
    Pages("DescribeLoadBalancers", service="elbv2", single=True),
    Wait("LoadBalancerExists", {"LoadBalancerArns": ["$lb"]}, service="elbv2"),
    Step("CreateVpcEndpointServiceConfiguration",
         {"NetworkLoadBalancerArns": ["$lb"], "AcceptanceRequired": True, "PrivateDnsName": "api.example.com"},
         keep={"service": "ServiceConfiguration.ServiceId", "service_name": "ServiceConfiguration.ServiceName"}),
    Step("DescribeVpcEndpointServiceConfigurations", {"ServiceIds": ["$service"]}),
    Step("ModifyVpcEndpointServiceConfiguration", {"ServiceId": "$service", "AcceptanceRequired": True}),
    Step("ModifyVpcEndpointServicePermissions", {"ServiceId": "$service", "AddAllowedPrincipals": ["arn:aws:iam::123456789012:root"]}),
    Step("DescribeVpcEndpointServicePermissions", {"ServiceId": "$service"}),
    Pages("DescribeVpcEndpointServicePermissions", {"ServiceId": "$service"}, single=True),
    Pages("DescribeVpcEndpointServiceConfigurations", single=True),
    Step("StartVpcEndpointServicePrivateDnsVerification", {"ServiceId": "$service"}),
    Step("ModifyVpcEndpointServicePayerResponsibility", {"ServiceId": "$service", "PayerResponsibility": "ServiceOwner"}),
]

CONNECTIONS = [
    Step("CreateVpcEndpoint", {"VpcId": "$e_vpc", "ServiceName": "$service_name", "VpcEndpointType": "Interface",
                               "SubnetIds": ["$e_subnet"]}, keep={"connection": "VpcEndpoint.VpcEndpointId"}),
    Step("DescribeVpcEndpointConnections", {"Filters": [{"Name": "service-id", "Values": ["$service"]}]}),
    Pages("DescribeVpcEndpointConnections", single=True),
    Step("AcceptVpcEndpointConnections", {"ServiceId": "$service", "VpcEndpointIds": ["$connection"]}),
    Step("RejectVpcEndpointConnections", {"ServiceId": "$service", "VpcEndpointIds": ["$connection"]}),
    Step("DescribeVpcEndpointAssociations"),
    Step("CreateVpcEndpointConnectionNotification", {
        "ServiceId": "$service", "ConnectionNotificationArn": "arn:aws:sns:us-east-1:123456789012:events",
        "ConnectionEvents": ["Accept", "Reject"],
    }, keep={"notification": "ConnectionNotification.ConnectionNotificationId"}),
    Step("ModifyVpcEndpointConnectionNotification", {"ConnectionNotificationId": "$notification", "ConnectionEvents": ["Accept"]}),
    Step("DescribeVpcEndpointConnectionNotifications"),
    Pages("DescribeVpcEndpointConnectionNotifications", single=True),
    Step("DeleteVpcEndpointConnectionNotifications", {"ConnectionNotificationIds": ["$notification"]}),
    Step("DeleteVpcEndpoints", {"VpcEndpointIds": ["$connection"]}),
    Step("DeleteVpcEndpointServiceConfigurations", {"ServiceIds": ["$service"]}),
    Step("DeleteLoadBalancer", {"LoadBalancerArn": "$lb"}, service="elbv2"),
    Wait("LoadBalancersDeleted", {"LoadBalancerArns": ["$lb"]}, service="elbv2"),
]

STEPS = [*SERVICES, *CONNECTIONS]
