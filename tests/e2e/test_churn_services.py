"""Create, read, change in place, read, delete: IAM, Route 53, its Resolver and S3's access points, by boto3.

The other half of test_churn_api.py: after each write what is read must be what was written.
"""

import json

import pytest
from harness.churn import allow, gone, pairs, tag


def trust(account):
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def account(adit):
    return adit.client("sts").get_caller_identity()["Account"]


@pytest.fixture
def vpcs(adit):
    """Two VPCs, the first with subnets in two zones."""
    ec2 = adit.client("ec2")
    made = [ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"] for cidr in ("10.40.0.0/16", "10.41.0.0/16")]
    subnets = [
        ec2.create_subnet(VpcId=made[0], CidrBlock=f"10.40.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for n, zone in ((1, "a"), (2, "b"))
    ]
    return made, subnets


def test_user_group_and_access_key(adit):
    iam = adit.client("iam")
    iam.create_user(UserName="ann", Path="/first/", Tags=tag("first"))

    def shown(name="ann"):
        return iam.get_user(UserName=name)["User"]

    assert (shown()["Path"], pairs(shown()["Tags"])) == ("/first/", {"Name": "first"})
    iam.update_user(UserName="ann", NewUserName="anna", NewPath="/second/")
    iam.tag_user(UserName="anna", Tags=tag("second"))
    assert (shown("anna")["Path"], pairs(shown("anna")["Tags"])) == ("/second/", {"Name": "second"})
    gone(iam.get_user, "NoSuchEntity", UserName="ann")

    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="anna")
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="anna")["Groups"]] == ["readers"]
    for document in (allow("s3:GetObject"), allow("s3:GetObject", "s3:ListBucket")):
        iam.put_group_policy(GroupName="readers", PolicyName="read", PolicyDocument=json.dumps(document))
        assert iam.get_group_policy(GroupName="readers", PolicyName="read")["PolicyDocument"] == document
        iam.put_user_policy(UserName="anna", PolicyName="own", PolicyDocument=json.dumps(document))
        assert iam.get_user_policy(UserName="anna", PolicyName="own")["PolicyDocument"] == document

    key = iam.create_access_key(UserName="anna")["AccessKey"]["AccessKeyId"]
    for status in ("Inactive", "Active"):
        iam.update_access_key(UserName="anna", AccessKeyId=key, Status=status)
        assert [(one["AccessKeyId"], one["Status"]) for one in iam.list_access_keys(UserName="anna")["AccessKeyMetadata"]] == [
            (key, status),
        ]
    gone(iam.delete_user, "DeleteConflict", UserName="anna")
    iam.delete_access_key(UserName="anna", AccessKeyId=key)
    iam.delete_user_policy(UserName="anna", PolicyName="own")
    iam.remove_user_from_group(GroupName="readers", UserName="anna")
    iam.delete_user(UserName="anna")
    iam.delete_group_policy(GroupName="readers", PolicyName="read")
    iam.delete_group(GroupName="readers")
    gone(iam.get_user, "NoSuchEntity", UserName="anna")
    gone(iam.get_group, "NoSuchEntity", GroupName="readers")


def test_role_and_managed_policy(adit, account):
    iam = adit.client("iam")
    policy = iam.create_policy(PolicyName="look", PolicyDocument=json.dumps(allow("ec2:Describe*")), Tags=tag("first"))["Policy"]["Arn"]

    def document():
        version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]

    assert document() == allow("ec2:Describe*")
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(allow("s3:*")), SetAsDefault=True)
    assert document() == allow("s3:*")
    iam.tag_policy(PolicyArn=policy, Tags=tag("second"))
    assert pairs(iam.list_policy_tags(PolicyArn=policy)["Tags"]) == {"Name": "second"}

    iam.create_role(
        RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust(account)), Description="first",
        MaxSessionDuration=3600, Tags=tag("first"),
    )

    def shown():
        return iam.get_role(RoleName="reader")["Role"]

    assert (shown()["AssumeRolePolicyDocument"], shown()["Description"]) == (trust(account), "first")
    iam.update_role(RoleName="reader", Description="second", MaxSessionDuration=7200)
    closed = trust(account) | {"Statement": [trust(account)["Statement"][0] | {"Effect": "Deny"}]}
    iam.update_assume_role_policy(RoleName="reader", PolicyDocument=json.dumps(closed))
    iam.tag_role(RoleName="reader", Tags=tag("second"))
    iam.put_role_permissions_boundary(RoleName="reader", PermissionsBoundary=policy)
    now = shown()
    assert (now["AssumeRolePolicyDocument"], now["Description"], now["MaxSessionDuration"], pairs(now["Tags"])) == (
        closed, "second", 7200, {"Name": "second"})
    assert now["PermissionsBoundary"]["PermissionsBoundaryArn"] == policy
    iam.attach_role_policy(RoleName="reader", PolicyArn=policy)
    assert [one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName="reader")["AttachedPolicies"]] == [policy]
    gone(iam.delete_policy, "DeleteConflict", PolicyArn=policy)
    iam.detach_role_policy(RoleName="reader", PolicyArn=policy)
    iam.delete_role_permissions_boundary(RoleName="reader")
    iam.delete_role(RoleName="reader")
    gone(iam.get_role, "NoSuchEntity", RoleName="reader")
    iam.delete_policy_version(PolicyArn=policy, VersionId="v1")
    iam.delete_policy(PolicyArn=policy)
    gone(iam.get_policy, "NoSuchEntity", PolicyArn=policy)


def test_hosted_zone_and_records(adit, vpcs):
    route53, ((first, second), _) = adit.client("route53"), vpcs
    there = {"VPCRegion": "us-east-1", "VPCId": first}
    zone = route53.create_hosted_zone(
        Name="corp.example", CallerReference="churn", VPC=there, HostedZoneConfig={"Comment": "first", "PrivateZone": True},
    )["HostedZone"]["Id"].rsplit("/", 1)[-1]

    def shown():
        return route53.get_hosted_zone(Id=zone)

    def vpcs_of():
        return {one["VPCId"] for one in shown()["VPCs"]}

    assert (shown()["HostedZone"]["Config"], vpcs_of()) == ({"Comment": "first", "PrivateZone": True}, {first})
    route53.update_hosted_zone_comment(Id=zone, Comment="second")
    also = {"VPCRegion": "us-east-1", "VPCId": second}
    route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=also)
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=tag("first"))
    assert (shown()["HostedZone"]["Config"]["Comment"], vpcs_of()) == ("second", {first, second})
    tags = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]["Tags"]
    assert pairs(tags) == {"Name": "first"}

    def change(action, record):
        changes = [{"Action": action, "ResourceRecordSet": record}]
        done = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        route53.get_waiter("resource_record_sets_changed").wait(Id=done["ChangeInfo"]["Id"])

    def records():
        found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [one for one in found if one["Type"] not in ("SOA", "NS")]

    record = {"Name": "www.corp.example.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "10.40.1.7"}]}
    change("CREATE", record)
    assert records() == [record]
    record |= {"TTL": 60, "ResourceRecords": [{"Value": "10.40.1.8"}, {"Value": "10.40.1.9"}]}
    change("UPSERT", record)
    assert records() == [record]
    gone(route53.delete_hosted_zone, "HostedZoneNotEmpty", Id=zone)
    change("DELETE", record)
    assert records() == []
    route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=also)
    assert vpcs_of() == {first}
    route53.delete_hosted_zone(Id=zone)
    gone(route53.get_hosted_zone, "NoSuchHostedZone", Id=zone)


def test_resolver_endpoints_and_rules(adit, vpcs):
    resolver, ec2, ((first, _), subnets) = adit.client("route53resolver"), adit.client("ec2"), vpcs
    group = ec2.create_security_group(GroupName="dns", Description="dns", VpcId=first)["GroupId"]

    def made(direction):
        return resolver.create_resolver_endpoint(
            CreatorRequestId=direction, Direction=direction, Name="first", SecurityGroupIds=[group],
            IpAddresses=[{"SubnetId": subnets[0], "Ip": "10.40.1.53"} if direction == "INBOUND" else {"SubnetId": subnets[0]},
                         {"SubnetId": subnets[1]}],
        )["ResolverEndpoint"]["Id"]

    inbound, outbound = made("INBOUND"), made("OUTBOUND")

    def shown(endpoint):
        return resolver.get_resolver_endpoint(ResolverEndpointId=endpoint)["ResolverEndpoint"]

    def addresses(endpoint):
        listed = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"]
        return {one["Ip"]: one["IpId"] for one in listed}

    assert (shown(inbound)["Name"], shown(inbound)["SecurityGroupIds"], "10.40.1.53" in addresses(inbound)) == ("first", [group], True)
    resolver.update_resolver_endpoint(ResolverEndpointId=inbound, Name="second")
    assert shown(inbound)["Name"] == "second"
    resolver.associate_resolver_endpoint_ip_address(
        ResolverEndpointId=inbound, IpAddress={"SubnetId": subnets[0], "Ip": "10.40.1.54"})
    assert {"10.40.1.53", "10.40.1.54"} <= addresses(inbound).keys()
    resolver.disassociate_resolver_endpoint_ip_address(
        ResolverEndpointId=inbound, IpAddress={"IpId": addresses(inbound)["10.40.1.53"]})
    assert "10.40.1.53" not in addresses(inbound)

    rule = resolver.create_resolver_rule(
        CreatorRequestId="rule", RuleType="FORWARD", DomainName="office.example", Name="first",
        TargetIps=[{"Ip": "192.168.0.53", "Port": 53}], ResolverEndpointId=outbound, Tags=tag("first"),
    )["ResolverRule"]
    named = {"ResolverRuleId": rule["Id"]}

    def targets():
        found = resolver.get_resolver_rule(**named)["ResolverRule"]
        return found["Name"], [(one["Ip"], one["Port"]) for one in found["TargetIps"]]

    assert targets() == ("first", [("192.168.0.53", 53)])
    resolver.update_resolver_rule(**named, Config={"Name": "second", "TargetIps": [{"Ip": "192.168.0.54", "Port": 5353}]})
    assert targets() == ("second", [("192.168.0.54", 5353)])
    resolver.tag_resource(ResourceArn=rule["Arn"], Tags=tag("second"))
    assert pairs(resolver.list_tags_for_resource(ResourceArn=rule["Arn"])["Tags"]) == {"Name": "second"}
    association = resolver.associate_resolver_rule(**named, VPCId=first, Name="here")["ResolverRuleAssociation"]["Id"]
    found = resolver.get_resolver_rule_association(ResolverRuleAssociationId=association)["ResolverRuleAssociation"]
    assert (found["VPCId"], found["ResolverRuleId"], found["Status"]) == (first, rule["Id"], "COMPLETE")
    gone(resolver.delete_resolver_rule, "ResourceInUseException", **named)
    resolver.disassociate_resolver_rule(**named, VPCId=first)
    resolver.delete_resolver_rule(**named)
    gone(resolver.get_resolver_rule, "ResourceNotFoundException", **named)
    for endpoint in (inbound, outbound):
        resolver.delete_resolver_endpoint(ResolverEndpointId=endpoint)
        gone(resolver.get_resolver_endpoint, "ResourceNotFoundException", ResolverEndpointId=endpoint)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_access_point_and_public_access_block(adit, account, vpcs):
    control, s3, ((first, _), _) = adit.client("s3control"), adit.client("s3"), vpcs
    s3.create_bucket(Bucket="data")
    named = {"AccountId": account, "Name": "reports"}
    control.create_access_point(**named, Bucket="data", VpcConfiguration={"VpcId": first})
    shown = control.get_access_point(**named)
    assert (shown["Bucket"], shown["NetworkOrigin"], shown["VpcConfiguration"]) == ("data", "VPC", {"VpcId": first})
    arn = f"arn:aws:s3:us-east-1:{account}:accesspoint/reports"
    for actions in (["s3:GetObject"], ["s3:GetObject", "s3:PutObject"]):
        statement = {"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": f"{arn}/object/*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        control.put_access_point_policy(**named, Policy=json.dumps(document))
        assert json.loads(control.get_access_point_policy(**named)["Policy"]) == document
    control.delete_access_point_policy(**named)
    gone(control.get_access_point_policy, "NoSuchAccessPointPolicy", **named)
    control.delete_access_point(**named)
    gone(control.get_access_point, "NoSuchAccessPoint", **named)

    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    for wanted in (block, block | {"RestrictPublicBuckets": True}):
        control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=wanted)
        assert control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"] == wanted
    control.delete_public_access_block(AccountId=account)
    gone(control.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", AccountId=account)
    s3.delete_bucket(Bucket="data")
