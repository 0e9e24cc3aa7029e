"""Route 53 Resolver: endpoints, rules, query logs, settings."""

from ..scenario import Pages, Step

IN, RULE = {"ResolverEndpointId": "$inbound"}, {"ResolverRuleId": "$rule"}
LINK = RULE | {"VPCId": "$resolver_vpc"}
LOG = {"ResolverQueryLogConfigId": "$query_log"}
LOG_LINK = LOG | {"ResourceId": "$resolver_vpc"}


def endpoint(direction, **more):
    return Step(
        "CreateResolverEndpoint",
        {
            "CreatorRequestId": direction, "Name": "an endpoint", "Direction": direction,
            "SecurityGroupIds": ["$resolver_group"],
            "IpAddresses": [{"SubnetId": "$resolver_a"}, {"SubnetId": "$resolver_b"}],
        },
        **more,
    )


def subnet(cidr, zone, name):
    return Step(
        "CreateSubnet", {"VpcId": "$resolver_vpc", "CidrBlock": cidr, "AvailabilityZone": zone},
        keep={name: "Subnet.SubnetId"}, service="ec2",
    )


def rule(domain, **more):
    return Step(
        "CreateResolverRule",
        {
            "CreatorRequestId": domain, "Name": "a rule", "RuleType": "FORWARD", "DomainName": domain,
            "TargetIps": [{"Ip": "192.168.0.1"}], "ResolverEndpointId": "$outbound",
        },
        **more,
    )


def query_log(name, **more):
    destination = "arn:aws:logs:us-east-1:123456789012:log-group:/adit/queries"
    return Step(
        "CreateResolverQueryLogConfig", {"Name": name, "DestinationArn": destination, "CreatorRequestId": name}, **more
    )


STEPS = [
    Step("CreateVpc", {"CidrBlock": "10.79.0.0/16"}, keep={"resolver_vpc": "Vpc.VpcId"}, service="ec2"),
    subnet("10.79.1.0/24", "us-east-1a", "resolver_a"),
    subnet("10.79.2.0/24", "us-east-1b", "resolver_b"),
    Step(
        "DescribeSecurityGroups", {"Filters": [{"Name": "vpc-id", "Values": ["$resolver_vpc"]}]},
        keep={"resolver_group": "SecurityGroups[0].GroupId"}, service="ec2",
    ),
    endpoint("INBOUND", keep={"inbound": "ResolverEndpoint.Id", "inbound_arn": "ResolverEndpoint.Arn"}),
    endpoint("OUTBOUND", keep={"outbound": "ResolverEndpoint.Id"}),
    endpoint("INBOUND", refused="ResourceExistsException"),
    Step("GetResolverEndpoint", IN),
    Step("UpdateResolverEndpoint", IN | {"Name": "other"}),
    Step("AssociateResolverEndpointIpAddress", IN | {"IpAddress": {"SubnetId": "$resolver_a", "Ip": "10.79.1.77"}}),
    Step("ListResolverEndpointIpAddresses", IN),
    Pages("ListResolverEndpointIpAddresses", IN),
    Step("DisassociateResolverEndpointIpAddress", IN | {"IpAddress": {"SubnetId": "$resolver_a", "Ip": "10.79.1.77"}}),
    Step("ListResolverEndpoints"),
    Pages("ListResolverEndpoints", single=True),
    rule("one.example", keep={"rule": "ResolverRule.Id"}),
    rule("two.example"),
    rule("three.example"),
    Step("GetResolverRule", RULE),
    Step("UpdateResolverRule", RULE | {"Config": {"Name": "other"}}),
    Step("ListResolverRules"),
    Pages("ListResolverRules"),
    Step("AssociateResolverRule", LINK, keep={"association": "ResolverRuleAssociation.Id"}),
    Step("GetResolverRuleAssociation", {"ResolverRuleAssociationId": "$association"}),
    Step("ListResolverRuleAssociations"),
    Pages("ListResolverRuleAssociations", single=True),
    Step("DisassociateResolverRule", LINK),
    Step("DeleteResolverRule", RULE),
    query_log("one", keep={"query_log": "ResolverQueryLogConfig.Id"}),
    query_log("two"),
    query_log("three"),
    query_log("three", refused="ResourceExistsException"),
    Step("GetResolverQueryLogConfig", LOG),
    Step("ListResolverQueryLogConfigs"),
    Pages("ListResolverQueryLogConfigs"),
    Step("AssociateResolverQueryLogConfig", LOG_LINK, keep={"query_log_link": "ResolverQueryLogConfigAssociation.Id"}),
    Step("GetResolverQueryLogConfigAssociation", {"ResolverQueryLogConfigAssociationId": "$query_log_link"}),
    Step("ListResolverQueryLogConfigAssociations"),
    Pages("ListResolverQueryLogConfigAssociations", single=True),
    Step("DeleteResolverQueryLogConfig", LOG, refused="InvalidRequestException"),
    Step("DisassociateResolverQueryLogConfig", LOG_LINK),
    Step("DeleteResolverQueryLogConfig", LOG),
    Step("GetResolverConfig", {"ResourceId": "$resolver_vpc"}),
    Step("UpdateResolverConfig", {"ResourceId": "$resolver_vpc", "AutodefinedReverseFlag": "DISABLE"}),
    Step("UpdateResolverConfig", {"ResourceId": "$resolver_vpc", "AutodefinedReverseFlag": "ENABLE"}),
    Step("ListResolverConfigs"),
    Pages("ListResolverConfigs", single=True),
    Step("TagResource", {"ResourceArn": "$inbound_arn", "Tags": [{"Key": k, "Value": "v"} for k in ("a", "b", "c")]}),
    Step("ListTagsForResource", {"ResourceArn": "$inbound_arn"}),
    Pages("ListTagsForResource", {"ResourceArn": "$inbound_arn"}),
    Step("UntagResource", {"ResourceArn": "$inbound_arn", "TagKeys": ["a"]}),
    Step("DeleteResolverEndpoint", IN),
]
