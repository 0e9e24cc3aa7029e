"""Route 53 Resolver: endpoints, rules, query logs, settings of VPCs."""

from ..scenario import Pages, Step

EC2 = "ec2"

PLACES = [
    Step("CreateVpc", {"CidrBlock": "10.60.0.0/16"}, keep={"r_vpc": "Vpc.VpcId"}, service=EC2),
    Step("CreateSubnet", {"VpcId": "$r_vpc", "CidrBlock": "10.60.1.0/24", "AvailabilityZone": "us-east-1a"},
         keep={"r_subnet_a": "Subnet.SubnetId"}, service=EC2),
    Step("CreateSubnet", {"VpcId": "$r_vpc", "CidrBlock": "10.60.2.0/24", "AvailabilityZone": "us-east-1b"},
         keep={"r_subnet_b": "Subnet.SubnetId"}, service=EC2),
    Step("CreateSecurityGroup", {"VpcId": "$r_vpc", "GroupName": "resolver", "Description": "resolver"},
         keep={"r_group": "GroupId"}, service=EC2),
]


def endpoint(direction, name):
    """The input that makes an endpoint."""
    return {
        "CreatorRequestId": name, "Name": name, "SecurityGroupIds": ["$r_group"], "Direction": direction,
        "IpAddresses": [{"SubnetId": "$r_subnet_a"}, {"SubnetId": "$r_subnet_b"}],
    }


ENDPOINTS = [
    Step("CreateResolverEndpoint", endpoint("INBOUND", "in"), keep={"inbound": "ResolverEndpoint.Id"}),
    Step("CreateResolverEndpoint", endpoint("OUTBOUND", "out"),
         keep={"outbound": "ResolverEndpoint.Id", "outbound_arn": "ResolverEndpoint.Arn"}),
    Step("GetResolverEndpoint", {"ResolverEndpointId": "$inbound"}),
    Step("ListResolverEndpoints"),
    Step("UpdateResolverEndpoint", {"ResolverEndpointId": "$inbound", "Name": "inbound"}),
    Step("AssociateResolverEndpointIpAddress", {"ResolverEndpointId": "$inbound", "IpAddress": {"SubnetId": "$r_subnet_a"}}),
    Step("ListResolverEndpointIpAddresses", {"ResolverEndpointId": "$inbound"}, keep={"ip_id": "IpAddresses[2].IpId"}),
    Pages("ListResolverEndpointIpAddresses", {"ResolverEndpointId": "$inbound"}),
    Step("DisassociateResolverEndpointIpAddress", {"ResolverEndpointId": "$inbound", "IpAddress": {"IpId": "$ip_id"}}),
    Step("TagResource", {"ResourceArn": "$outbound_arn", "Tags": [{"Key": "team$n", "Value": "one"}]}, times=5),
    Step("ListTagsForResource", {"ResourceArn": "$outbound_arn"}),
    Pages("ListTagsForResource", {"ResourceArn": "$outbound_arn"}),
    Step("UntagResource", {"ResourceArn": "$outbound_arn", "TagKeys": ["team1"]}),
]

RULES = [
    Step("CreateResolverRule", {
        "CreatorRequestId": "rule$n", "Name": "rule$n", "RuleType": "FORWARD", "DomainName": "n${n}.example",
        "TargetIps": [{"Ip": "192.0.2.53", "Port": 53}], "ResolverEndpointId": "$outbound",
    }, keep={"rule": "ResolverRule.Id"}, times=4),
    Step("GetResolverRule", {"ResolverRuleId": "$rule"}),
    Step("UpdateResolverRule", {"ResolverRuleId": "$rule", "Config": {"Name": "renamed"}}),
    Step("ListResolverRules"),
    Pages("ListResolverRules"),
    Step("AssociateResolverRule", {"ResolverRuleId": "$rule", "VPCId": "$r_vpc", "Name": "a"},
         keep={"rule_association": "ResolverRuleAssociation.Id"}),
    Step("GetResolverRuleAssociation", {"ResolverRuleAssociationId": "$rule_association"}),
    Step("ListResolverRuleAssociations"),
    Pages("ListResolverRuleAssociations", single=True),
    Step("DisassociateResolverRule", {"ResolverRuleId": "$rule", "VPCId": "$r_vpc"}),
    Step("DeleteResolverRule", {"ResolverRuleId": "$rule"}),
]

LOGS = [
    Step("CreateBucket", {"Bucket": "query-logs"}, service="s3"),
    Step("CreateResolverQueryLogConfig", {
        "Name": "log$n", "CreatorRequestId": "log$n", "DestinationArn": "arn:aws:s3:::query-logs",
    }, keep={"log_config": "ResolverQueryLogConfig.Id"}, times=4),
    Step("GetResolverQueryLogConfig", {"ResolverQueryLogConfigId": "$log_config"}),
    Step("ListResolverQueryLogConfigs"),
    Pages("ListResolverQueryLogConfigs"),
    Step("AssociateResolverQueryLogConfig", {"ResolverQueryLogConfigId": "$log_config", "ResourceId": "$r_vpc"},
         keep={"log_association": "ResolverQueryLogConfigAssociation.Id"}),
    Step("GetResolverQueryLogConfigAssociation", {"ResolverQueryLogConfigAssociationId": "$log_association"}),
    Step("ListResolverQueryLogConfigAssociations"),
    Pages("ListResolverQueryLogConfigAssociations", single=True),
    Step("DisassociateResolverQueryLogConfig", {"ResolverQueryLogConfigId": "$log_config", "ResourceId": "$r_vpc"}),
    Step("DeleteResolverQueryLogConfig", {"ResolverQueryLogConfigId": "$log_config"}),
]

END = [
    Step("UpdateResolverConfig", {"ResourceId": "$r_vpc", "AutodefinedReverseFlag": "DISABLE"}),
    Step("GetResolverConfig", {"ResourceId": "$r_vpc"}),
    Step("ListResolverConfigs"),
    Pages("ListResolverConfigs"),
    Step("CreateResolverEndpoint", endpoint("INBOUND", "in$n"), times=2),
    Pages("ListResolverEndpoints"),
    Step("DeleteResolverEndpoint", {"ResolverEndpointId": "$inbound"}),
]

STEPS = [*PLACES, *ENDPOINTS, *RULES, *LOGS, *END]
