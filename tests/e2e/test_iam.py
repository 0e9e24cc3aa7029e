"""Users, groups, roles and policies with boto3: who may do what in the control plane and on S3."""

import json
import secrets

import pytest
from botocore.exceptions import ClientError
from harness.expect import refused
from harness.installation import ACCOUNT

UP = {"arguments": ["--planes", "none"]}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture(scope="module")
def iam(installation):
    """IAM as the account's root. The module's tests share one installation under different names."""
    installation.used = True
    return installation.client("iam")


@pytest.fixture
def user(iam):
    """A new user without any right: its name and its access key."""
    name = f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return name, key


def test_who_may_only_look_sees_endpoints_and_makes_none(installation, iam, user):
    """The mission's example: describe is allowed, create is not, a dry run neither."""
    name, key = user
    vpc = installation.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    endpoint = installation.ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3")
    iam.put_user_policy(UserName=name, PolicyName="look", PolicyDocument=policy(allow("ec2:DescribeVpcEndpoints")))
    ec2 = installation.client_of("ec2", key)
    seen = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert [e["VpcEndpointId"] for e in seen] == [endpoint["VpcEndpoint"]["VpcEndpointId"]]
    for dry_run in (False, True):
        with refused("UnauthorizedOperation", 403, "You are not authorized to perform this operation.") as caught:
            ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", DryRun=dry_run)
    message = caught.value.response["Error"]["Message"]
    assert f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: ec2:CreateVpcEndpoint" in message
    assert "because no identity-based policy allows the ec2:CreateVpcEndpoint action" in message
    # The encoded part is for whoever may decode it.
    sealed = message.split("Encoded authorization failure message: ")[1]
    opened = installation.client("sts").decode_authorization_message(EncodedMessage=sealed)
    assert json.loads(opened["DecodedMessage"])["context"]["action"] == "ec2:CreateVpcEndpoint"
    with refused("UnauthorizedOperation", 403):
        ec2.describe_vpcs()
    with refused("AccessDenied", 403):
        installation.client_of("iam", key).list_users()
    # With the right it goes on to say what a dry run says.
    iam.put_user_policy(UserName=name, PolicyName="make", PolicyDocument=policy(allow("ec2:CreateVpcEndpoint")))
    with refused("DryRunOperation", 412):
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", DryRun=True)
    installation.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpoint"]["VpcEndpointId"]])


def test_resources_and_condition_keys(installation, iam, user):
    name, key = user
    ec2 = installation.client_of("ec2", key)
    blue, red = (installation.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2))
    installation.ec2.create_tags(Resources=[blue], Tags=[{"Key": "team", "Value": "blue"}])
    iam.put_user_policy(
        UserName=name,
        PolicyName="p",
        PolicyDocument=policy(
            allow("ec2:CreateSubnet", f"arn:aws:ec2:*:{ACCOUNT}:subnet/*"),
            allow("ec2:CreateSubnet", f"arn:aws:ec2:*:{ACCOUNT}:vpc/*",
                  Condition={"StringEquals": {"aws:ResourceTag/team": "blue"}}),
            allow("ec2:CreateTags", "*", Condition={"StringEquals": {"ec2:CreateAction": "CreateSubnet"}}),
            allow("ec2:DeleteSubnet", "*"),
            {"Effect": "Deny", "Action": "ec2:*", "Resource": "*",
             "Condition": {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}},
            allow("ec2:DescribeSubnets", Condition={
                "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"}}),
        ),
    )
    tags = [{"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = ec2.create_subnet(VpcId=blue, CidrBlock="10.0.0.0/24", TagSpecifications=tags)["Subnet"]["SubnetId"]
    with refused("UnauthorizedOperation", 403, f"vpc/{red}"):
        ec2.create_subnet(VpcId=red, CidrBlock="10.0.0.0/24")
    with refused("UnauthorizedOperation", 403, "ec2:CreateTags"):
        ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "c"}])
    with refused("UnauthorizedOperation", 403, "ec2:DescribeSubnets"):
        ec2.describe_subnets()
    secure = f"https://{installation.address}"
    found = installation.client_of("ec2", key, endpoint=secure).describe_subnets()["Subnets"]
    assert [subnet["SubnetId"] for subnet in found] == [made]
    ec2.delete_subnet(SubnetId=made)


def test_groups_managed_policies_and_boundaries(installation, iam, user):
    name, key = user
    ec2 = installation.client_of("ec2", key)
    group = f"group-{name}"
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.attach_group_policy(GroupName=group, PolicyArn="arn:aws:iam::aws:policy/AmazonVPCReadOnlyAccess")
    ec2.describe_vpcs()
    limit = iam.create_policy(PolicyName=f"limit-{name}", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=limit)
    with refused("UnauthorizedOperation", 403, "because no permissions boundary allows the ec2:DescribeVpcs action"):
        ec2.describe_vpcs()
    iam.create_policy_version(PolicyArn=limit, PolicyDocument=policy(allow("*")), SetAsDefault=True)
    ec2.describe_vpcs()
    # Terraform's order of deleting, each step refused before its time.
    with refused("DeleteConflict", 409):
        iam.delete_user(UserName=name)
    iam.delete_user_permissions_boundary(UserName=name)
    iam.delete_policy_version(PolicyArn=limit, VersionId="v1")
    iam.delete_policy(PolicyArn=limit)
    iam.remove_user_from_group(GroupName=group, UserName=name)
    iam.detach_group_policy(GroupName=group, PolicyArn="arn:aws:iam::aws:policy/AmazonVPCReadOnlyAccess")
    iam.delete_group(GroupName=group)
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)
    with refused("AuthFailure", 401):
        ec2.describe_vpcs()


def test_boundaries_and_managed_policies_decide_on_s3_too(installation, iam, user):
    name, key = user
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3 = installation.client_of("s3", key)
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k")
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    iam.put_user_permissions_boundary(
        UserName=name, PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403, "because no permissions boundary allows the s3:PutObject action"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y")


def test_documents_come_back_and_pages_are_whole(iam):
    document = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "arn:aws:s3:::b/ü+ %20")]}
    for n in range(5):
        iam.create_policy(PolicyName=f"page-{n}", PolicyDocument=json.dumps(document))
    pages = iam.get_paginator("list_policies").paginate(Scope="Local", PaginationConfig={"PageSize": 2})
    names = [p["PolicyName"] for page in pages for p in page["Policies"]]
    assert [n for n in names if n.startswith("page-")] == [f"page-{n}" for n in range(5)]
    arn = f"arn:aws:iam::{ACCOUNT}:policy/page-0"
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert (version["Document"], version["IsDefaultVersion"]) == (document, True)
    details = iam.get_paginator("get_account_authorization_details").paginate(Filter=["LocalManagedPolicy"])
    assert {f"page-{n}" for n in range(5)} <= {p["PolicyName"] for page in details for p in page["Policies"]}
    assert iam.get_account_summary()["SummaryMap"]["Policies"] >= 5


def test_what_is_not_built_says_so(iam):
    with pytest.raises(ClientError) as caught:
        iam.create_login_profile(UserName="nobody", Password="x" * 12)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_accounts_are_strangers_to_each_other(installation):
    """`adit account create` prints a root key once; nothing of one account is seen in another."""
    said = installation.adit("account", "create", "second").stdout
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    account, credentials = shown["ADIT_ACCOUNT_ID"], {
        "AccessKeyId": shown["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": shown["AWS_SECRET_ACCESS_KEY"],
    }
    assert credentials["SecretAccessKey"] not in installation.adit("account", "list").stdout
    assert account in installation.adit("account", "list").stdout
    me = installation.client_of("sts", credentials).get_caller_identity()
    assert (me["Account"], me["Arn"]) == (account, f"arn:aws:iam::{account}:root")
    mine = installation.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    theirs = installation.client_of("ec2", credentials)
    assert theirs.describe_vpcs()["Vpcs"] == []
    with refused("InvalidVpcID.NotFound"):
        theirs.delete_vpc(VpcId=mine)
    again = installation.adit("account", "create", "second", check=False)
    assert again.returncode != 0 and "EntityAlreadyExists" in again.stderr
