"""EC2: security groups and their rules."""

from harness.expect import nothing_changed, refused
from harness.network import Vpc, permissions, s3_prefix_list


def group_of(adit, identifier):
    (group,) = adit.ec2.describe_security_groups(GroupIds=[identifier])["SecurityGroups"]
    return group


def test_a_new_group_lets_everything_out_and_nothing_in(adit, vpc):
    made = adit.ec2.create_security_group(GroupName="web", Description="web servers", VpcId=vpc.id)
    group = group_of(adit, made["GroupId"])
    assert (group["GroupName"], group["Description"], group["VpcId"]) == ("web", "web servers", vpc.id)
    assert group["OwnerId"] == "123456789012"
    assert group["IpPermissions"] == []
    (egress,) = group["IpPermissionsEgress"]
    assert egress["IpProtocol"] == "-1" and egress["IpRanges"][0]["CidrIp"] == "0.0.0.0/0"


def test_rules_can_name_ranges_groups_and_prefix_lists(adit, vpc):
    prefix_list, _ = s3_prefix_list(adit)
    group = vpc.group(
        ingress=[("tcp", 443, "10.0.0.0/16"), ("tcp", 443, vpc.default_group), ("icmp", -1, "10.0.0.0/8")],
        egress=[("tcp", 443, prefix_list)],
    )
    shown = group_of(adit, group)
    (egress,) = shown["IpPermissionsEgress"]
    assert [p["PrefixListId"] for p in egress["PrefixListIds"]] == [prefix_list]
    assert (egress["IpProtocol"], egress["FromPort"], egress["ToPort"]) == ("tcp", 443, 443)
    https = [p for p in shown["IpPermissions"] if p["IpProtocol"] == "tcp"]
    ranges = [r["CidrIp"] for p in https for r in p["IpRanges"]]
    pairs = [g["GroupId"] for p in https for g in p["UserIdGroupPairs"]]
    assert ranges == ["10.0.0.0/16"] and pairs == [vpc.default_group]


def test_rules_can_be_taken_back(adit, vpc):
    rules = permissions([("tcp", 443, "10.0.0.0/16"), ("udp", 53, "10.0.0.0/16")])
    group = vpc.group(ingress=[("tcp", 443, "10.0.0.0/16"), ("udp", 53, "10.0.0.0/16")])
    adit.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules[:1])
    (left,) = group_of(adit, group)["IpPermissions"]
    assert (left["IpProtocol"], left["FromPort"]) == ("udp", 53)
    with nothing_changed(adit), refused("InvalidPermission.NotFound"):
        adit.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules[:1])


def test_a_rule_twice_is_refused_whole(adit, vpc):
    group = vpc.group(ingress=[("tcp", 22, "0.0.0.0/0")])
    message = 'the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists'
    with nothing_changed(adit), refused("InvalidPermission.Duplicate", message=message):
        adit.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=permissions([("tcp", 80, "0.0.0.0/0"), ("tcp", 22, "0.0.0.0/0")])
        )


def test_bad_groups_and_rules_change_nothing(adit, vpc):
    group = vpc.group()
    other = Vpc(adit, "10.1.0.0/16")

    def authorize(rule):
        adit.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions([rule]))

    with nothing_changed(adit):
        with refused("InvalidGroup.Duplicate"):
            vpc.group()
        with refused("InvalidVpcID.NotFound"):
            adit.ec2.create_security_group(GroupName="x", Description="x", VpcId="vpc-00000000000000001")
        with refused("InvalidParameterValue"):
            authorize(("tcp", 443, "10.0.0.0/40"))
        with refused(("InvalidParameterValue", "InvalidPermission.Malformed")):
            authorize(("tcp", 70000, "10.0.0.0/8"))
        with refused(("InvalidParameterValue", "InvalidPermission.Malformed")):
            authorize(("nonsense", 1, "10.0.0.0/8"))
        with refused("InvalidGroup.NotFound"):
            authorize(("tcp", 1, "sg-00000000000000001"))
        with refused("InvalidGroup.NotFound"):
            authorize(("tcp", 1, other.default_group))
        with refused(("InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound")):
            authorize(("tcp", 1, "pl-00000000"))
        with refused("InvalidGroup.NotFound", message="sg-00000000000000001"):
            adit.ec2.describe_security_groups(GroupIds=["sg-00000000000000001"])
        with refused("CannotDelete"):
            adit.ec2.delete_security_group(GroupId=vpc.default_group)
        with refused("InvalidGroup.NotFound"):
            adit.ec2.delete_security_group(GroupId="sg-00000000000000001")


def test_a_group_in_use_cannot_be_deleted(adit, vpc):
    group = vpc.group("endpoint", ingress=[("tcp", 443, "10.0.0.0/16")])
    endpoint = vpc.interface_endpoint(vpc.subnet(), groups=[group])
    with nothing_changed(adit), refused("DependencyViolation", message=group):
        adit.ec2.delete_security_group(GroupId=group)
    adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])
    assert group_of(adit, group), "deleting an endpoint leaves its groups"
    adit.ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        group_of(adit, group)


def test_a_group_that_another_names_cannot_be_deleted(adit, vpc):
    named = vpc.group("named")
    vpc.group("naming", ingress=[("tcp", 443, named)])
    with nothing_changed(adit), refused("DependencyViolation"):
        adit.ec2.delete_security_group(GroupId=named)
