"""Temporary credentials with boto3: on the control plane, on S3, through an endpoint, presigned."""

import json
import re
import secrets
import urllib.error
import urllib.request

import pytest
from harness.expect import allowed, denied, refused
from harness.installation import ACCOUNT
from harness.network import Vpc

ME = f"arn:aws:iam::{ACCOUNT}:user/ana"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(principal, **more):
    actions = ["sts:AssumeRole", "sts:TagSession"]
    return policy({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, **more})


@pytest.fixture(scope="module")
def world(installation):
    """A user without rights of its own, whom the role `Reader` trusts: (iam, the user's STS)."""
    installation.used = True
    iam = installation.client("iam")
    iam.create_user(UserName="ana")
    key = iam.create_access_key(UserName="ana")["AccessKey"]
    iam.create_role(RoleName="Reader", Path="/p/", AssumeRolePolicyDocument=trust(ME), MaxSessionDuration=7200)
    everything = policy(allow(["ec2:Describe*", "s3:*", "adit:*"]))
    iam.put_role_policy(RoleName="Reader", PolicyName="p", PolicyDocument=everything)
    return iam, installation.client_of("sts", key)


def assume(world, **more):
    arguments = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/p/Reader", "RoleSessionName": "work"} | more
    return world[1].assume_role(**arguments)["Credentials"]


def test_a_role_session_on_every_service(installation, world):
    bucket = installation.bucket()
    session = assume(world)
    assert session["AccessKeyId"].startswith("ASIA")
    me = installation.client_of("sts", session).get_caller_identity()
    assert me["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/work"
    assert installation.client("sts").get_access_key_info(AccessKeyId=session["AccessKeyId"])["Account"] == ACCOUNT
    ec2, s3 = (installation.client_of(name, session) for name in ("ec2", "s3"))
    ec2.describe_vpcs()
    with refused("UnauthorizedOperation", 403, "assumed-role/Reader/work"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 100_000
    signed = installation.client_of("s3", session, signature_version="s3v4")
    url = signed.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert len(urllib.request.urlopen(url).read()) == 100_000
    # What default clients make: version 2.
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert len(urllib.request.urlopen(url).read()) == 100_000
    # Another's token in the URL is no token of this key.
    other = assume(world)
    forged = installation.client_of("s3", session | {"SessionToken": other["SessionToken"]})
    with refused("InvalidToken", 400):
        forged.get_object(Bucket=bucket, Key="k")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(re.sub("(?i)(security-token=)", r"\1A", url))
    assert caught.value.code in (400, 403)


def test_session_policies_limit_on_both_planes(installation, world):
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    session = assume(world, Policy=policy(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")))
    s3 = installation.client_of("s3", session)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403, "because no session policy allows the s3:PutObject action"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    with refused("UnauthorizedOperation", 403, "because no session policy allows the ec2:DescribeVpcs action"):
        installation.client_of("ec2", session).describe_vpcs()


def test_tags_of_a_session_and_bucket_policies(installation, world):
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    installation.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "blue"}},
    })
    plain = installation.client_of("s3", assume(world))
    with refused("AccessDenied", 403, "with an explicit deny in a resource-based policy"):
        plain.get_object(Bucket=bucket, Key="k")
    tagged = installation.client_of("s3", assume(world, Tags=[{"Key": "team", "Value": "blue"}]))
    assert tagged.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_session_through_a_gateway_endpoint(installation, world):
    vpc = Vpc(installation)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    session = assume(world)
    environment = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    with installation.host(subnet, environment=environment) as host:
        assert allowed(host.s3("get_object", Bucket=bucket, Key="k"))["Body"] == b"x"
        iam = world[0]
        iam.put_role_policy(RoleName="Reader", PolicyName="no", PolicyDocument=policy(
            {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}))
        try:
            # The same session, from the next request on.
            denied(host.s3("get_object", Bucket=bucket, Key="k"), action="s3:GetObject")
        finally:
            iam.delete_role_policy(RoleName="Reader", PolicyName="no")
        allowed(host.s3("get_object", Bucket=bucket, Key="k"))


def test_a_session_ends_with_its_role(installation, world):
    iam, sts = world
    name = f"Gone-{secrets.token_hex(3)}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(ME))
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    session = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="s1")["Credentials"]
    ec2, s3 = (installation.client_of(service, session) for service in ("ec2", "s3"))
    ec2.describe_vpcs()
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    with refused("UnauthorizedOperation", 403):
        ec2.describe_vpcs()
    iam.delete_role(RoleName=name)
    with refused("AuthFailure", 401):
        ec2.describe_vpcs()
    with refused("InvalidToken", 400):
        s3.list_buckets()
    with refused("InvalidClientTokenId", 403):
        installation.client_of("sts", session).get_caller_identity()


def test_external_ids_across_accounts(installation, world):
    iam, _ = world
    said = installation.adit("account", "create", "partner").stdout
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    partner = {"AccessKeyId": shown["AWS_ACCESS_KEY_ID"], "SecretAccessKey": shown["AWS_SECRET_ACCESS_KEY"]}
    theirs = installation.client_of("iam", partner)
    theirs.create_user(UserName="eve")
    theirs.put_user_policy(UserName="eve", PolicyName="p", PolicyDocument=policy(allow("sts:AssumeRole")))
    eve = installation.client_of("sts", theirs.create_access_key(UserName="eve")["AccessKey"])
    iam.create_role(RoleName="Partner", AssumeRolePolicyDocument=trust(
        shown["ADIT_ACCOUNT_ID"], Condition={"StringEquals": {"sts:ExternalId": "our-secret"}}))
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Partner", "RoleSessionName": "eve"}
    for wrong in ({}, {"ExternalId": "other"}):
        with refused("AccessDenied", 403, "is not authorized to perform: sts:AssumeRole on resource:"):
            eve.assume_role(**role, **wrong)
    session = eve.assume_role(**role, ExternalId="our-secret")["Credentials"]
    assert installation.client_of("sts", session).get_caller_identity()["Account"] == ACCOUNT


def test_what_sts_refuses(world):
    _, sts = world
    for arguments, code in [
        ({"RoleArn": "arn:a:::something/test-role"}, "ValidationError"),
        ({"RoleSessionName": "a:b"}, "ValidationError"),
        ({"DurationSeconds": 7201}, "ValidationError"),
        ({"Policy": "{}x"}, "MalformedPolicyDocument"),
        ({"TransitiveTagKeys": ["t"]}, "InvalidParameterValue"),
    ]:
        with refused(code):
            assume((None, sts), **arguments)


def test_tokens_for_oneself_and_for_guests(installation, world):
    iam, sts = world
    mine = sts.get_session_token(DurationSeconds=900)["Credentials"]
    me = installation.client_of("sts", mine).get_caller_identity()
    assert me["Arn"] == ME
    guest = installation.client("sts").get_federation_token(Name="guest", Policy=policy(allow("ec2:Describe*")))
    ec2 = installation.client_of("ec2", guest["Credentials"])
    ec2.describe_vpcs()
    with refused("UnauthorizedOperation", 403, f"arn:aws:sts::{ACCOUNT}:federated-user/guest"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")


def test_no_secret_of_a_session_is_written_down(installation, world):
    session = assume(world)
    installation.client_of("s3", session).list_buckets()
    installation.client_of("ec2", session).describe_vpcs()
    written = installation.stdout_text() + installation.stderr_text()
    for folder in [installation.folder]:
        for path in folder.rglob("*"):
            if path.is_file():
                written += path.read_bytes().decode(errors="replace")
    assert session["SecretAccessKey"] not in written
    assert session["SessionToken"] not in written


def test_sessions_outlive_the_daemon(another, tmp_path):
    """A session is its token: what issued it may have been killed since."""
    durable = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    iam = durable.client("iam")
    iam.create_user(UserName="ana")
    key = iam.create_access_key(UserName="ana")["AccessKey"]
    iam.create_role(RoleName="Reader", AssumeRolePolicyDocument=trust(ME))
    sts = durable.client_of("sts", key)
    session = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Reader", RoleSessionName="s1")["Credentials"]
    durable.kill_dash_nine()
    durable.start()
    me = durable.client_of("sts", session).get_caller_identity()
    assert me["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/s1"
