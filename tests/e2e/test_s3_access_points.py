"""Access points: made by S3 Control, used by every form of their names, on every path."""

import json
import os

import pytest
from harness.expect import allowed, denied, refused
from harness.network import Vpc
from harness.policies import BY_BUCKET_POLICY, NO_ENDPOINT_ALLOW, document
from harness.programs import AWS

ACCOUNT = "111122223333"
UP = {"account": ACCOUNT}
ARN = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/"


@pytest.fixture(scope="module")
def place(installation):
    """A subnet with both kinds of endpoint, and a host in it: (vpc, interface endpoint, host)."""
    installation.used = True
    vpc = Vpc(installation, dns_hostnames=True)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    endpoint = vpc.interface_endpoint(subnet)
    with installation.host(subnet) as host:
        yield vpc, endpoint, host


@pytest.fixture
def control(installation):
    return installation.client("s3control")


def point(installation, control, name, **more):
    """A bucket with one object and an access point on it: (bucket, ARN, alias)."""
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    made = control.create_access_point(AccountId=ACCOUNT, Name=name, Bucket=bucket, **more)
    return bucket, made["AccessPointArn"], made["Alias"]


# ---- the control API --------------------------------------------------------------------------


def test_the_life_of_an_access_point(installation, control):
    installation.used = True
    bucket, arn, alias = point(installation, control, "first")
    assert arn == ARN + "first"
    assert alias.startswith("first-") and alias.endswith("-s3alias") and len(alias) <= 63
    got = control.get_access_point(AccountId=ACCOUNT, Name="first")
    assert (got["Bucket"], got["NetworkOrigin"], got["BucketAccountId"]) == (bucket, "Internet", ACCOUNT)
    assert got["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    assert got["Endpoints"]["ipv4"] == "s3-accesspoint.us-east-1.amazonaws.com"
    with refused("AccessPointAlreadyOwnedByYou", 409):
        control.create_access_point(AccountId=ACCOUNT, Name="first", Bucket=bucket)
    with refused("BucketHasAccessPointsAttached"):
        installation.s3.delete_object(Bucket=bucket, Key="x")
        installation.s3.delete_bucket(Bucket=bucket)
    control.create_access_point(
        AccountId=ACCOUNT, Name="second", Bucket=bucket, VpcConfiguration={"VpcId": "vpc-1a2b3c4d"},
        PublicAccessBlockConfiguration={"BlockPublicAcls": True}, Tags=[{"Key": "team", "Value": "red"}],
    )
    second = control.get_access_point(AccountId=ACCOUNT, Name="second")
    assert second["VpcConfiguration"] == {"VpcId": "vpc-1a2b3c4d"} and second["NetworkOrigin"] == "VPC"
    assert second["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] is False
    tags = control.list_tags_for_resource(AccountId=ACCOUNT, ResourceArn=ARN + "second")["Tags"]
    assert tags == [{"Key": "team", "Value": "red"}]
    listed, token = [], {}
    while token is not None:
        page = control.list_access_points(AccountId=ACCOUNT, Bucket=bucket, MaxResults=1, **token)
        listed += [p["Name"] for p in page["AccessPointList"]]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert listed == ["first", "second"]
    for name in ("first", "second"):
        control.delete_access_point(AccountId=ACCOUNT, Name=name)
    with refused("NoSuchAccessPoint", 404):
        control.get_access_point(AccountId=ACCOUNT, Name="first")
    installation.s3.delete_bucket(Bucket=bucket)


def test_names_and_buckets_are_checked(installation, control):
    installation.used = True
    bucket = installation.bucket()
    for name in ("-ab", "a_b", "Abc", "abc-s3alias"):
        with refused("InvalidURI"):
            control.create_access_point(AccountId=ACCOUNT, Name=name, Bucket=bucket)
    with refused("InvalidRequest", message="only be created for existing bucket"):
        control.create_access_point(AccountId=ACCOUNT, Name="abc", Bucket="no-such-bucket-anywhere")
    with refused("AccessDenied", 403):
        control.create_access_point(AccountId="444455556666", Name="abc", Bucket=bucket)
    with refused("NoSuchAccessPoint", 404):
        control.get_access_point_policy(AccountId=ACCOUNT, Name="never-was")


def test_policies_are_checked_and_kept_as_given(installation, control):
    installation.used = True
    _, arn, _ = point(installation, control, "policies")
    with refused("NoSuchAccessPointPolicy", 404):
        control.get_access_point_policy(AccountId=ACCOUNT, Name="policies")
    text = document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:GetObject", "Resource": f"{arn}/object/*"})
    control.put_access_point_policy(AccountId=ACCOUNT, Name="policies", Policy=text)
    assert control.get_access_point_policy(AccountId=ACCOUNT, Name="policies")["Policy"] == text
    status = control.get_access_point_policy_status(AccountId=ACCOUNT, Name="policies")
    assert status["PolicyStatus"] == {"IsPublic": False}
    with refused("MalformedPolicy"):
        control.put_access_point_policy(AccountId=ACCOUNT, Name="policies", Policy=text.replace("Effect", "Affect"))
    with refused("MalformedPolicy"):
        control.put_access_point_policy(AccountId=ACCOUNT, Name="policies", Policy=text.replace("/policies/", "/another/"))
    with refused("AccessDenied", 403, "BlockPublicPolicy"):
        public = document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{arn}/object/*"})
        control.put_access_point_policy(AccountId=ACCOUNT, Name="policies", Policy=public)
    control.delete_access_point_policy(AccountId=ACCOUNT, Name="policies")
    with refused("NoSuchAccessPointPolicy", 404):
        control.get_access_point_policy(AccountId=ACCOUNT, Name="policies")


# ---- addressing -------------------------------------------------------------------------------


def test_every_form_of_the_name_through_a_gateway_endpoint(installation, control, place):
    _, _, host = place
    bucket, arn, alias = point(installation, control, "forms")
    for name, options in (
        (arn, {"region": "us-east-1"}),
        (alias, {"style": "path"}),
        (alias, {"style": "virtual"}),
        (f"forms-{ACCOUNT}", {"style": "virtual"}),
    ):
        assert allowed(host.s3("get_object", Bucket=name, Key="x", options=options))["Body"] == b"x", (name, options)
        assert [o["Key"] for o in allowed(host.s3("list_objects_v2", Bucket=name, options=options))["Contents"]] == ["x"]
    allowed(host.s3("put_object", Bucket=arn, Key="dir/a b", Body="y"))
    assert allowed(host.s3("get_object", Bucket=bucket, Key="dir/a b"))["Body"] == b"y"
    source = f"{arn}/object/dir/a b"
    allowed(host.s3("copy_object", Bucket=arn, Key="copy", CopySource=source))
    assert allowed(host.s3("get_object", Bucket=alias, Key="copy"))["Body"] == b"y"
    gone = allowed(host.s3("delete_objects", Bucket=arn, Delete={"Objects": [{"Key": "copy"}, {"Key": "dir/a b"}]}))
    assert len(gone["Deleted"]) == 2
    no = host.s3("get_object", Bucket=ARN + "nobody", Key="x")
    assert (no.code, no.status) == ("NoSuchAccessPoint", 404)


def test_every_form_of_the_name_through_an_interface_endpoint(installation, control, place):
    _, endpoint, host = place
    _, arn, alias = point(installation, control, "private")
    for name in endpoint.names:
        for bucket, prefix in ((arn, "accesspoint"), (arn, "bucket"), (alias, "bucket"), (alias, "accesspoint")):
            options = {"endpoint": f"https://{prefix}.{name}"}
            got = allowed(host.s3("get_object", Bucket=bucket, Key="x", options=options))
            assert got["Body"] == b"x", (bucket, options)
        certified = host.tls(f"private-{ACCOUNT}.accesspoint.{name}", address=endpoint.addresses[0])
        assert certified["ok"], certified
    foreign = arn.replace("us-east-1", "eu-west-2")
    wrong = host.s3("get_object", Bucket=foreign, Key="x", options={"endpoint": f"https://accesspoint.{endpoint.names[0]}"})
    assert (wrong.code, wrong.status) == ("AuthorizationHeaderMalformed", 400)


def test_only_what_an_access_point_can_do(installation, control, place):
    _, _, host = place
    _, arn, alias = point(installation, control, "limits")
    assert allowed(host.s3("head_bucket", Bucket=alias))["AccessPointAlias"] is True
    assert allowed(host.s3("get_bucket_location", Bucket=alias))["LocationConstraint"] is None
    for operation, more in (("put_bucket_policy", {"Policy": "{}"}), ("delete_bucket", {}), ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}})):
        answer = host.s3(operation, Bucket=alias, **more)
        assert (answer.code, answer.status) == ("MethodNotAllowed", 405), operation
    plain = host.get(f"http://limits-{ACCOUNT}.s3-accesspoint.us-east-1.amazonaws.com/x")
    assert plain["status"] in (307, 403), "plain HTTP is sent on to TLS, and there nobody anonymous is served"


# ---- decisions --------------------------------------------------------------------------------


def delegating(bucket):
    """The documented way to leave decisions to the policies of access points."""
    return {
        "Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"StringEquals": {"s3:DataAccessPointAccount": ACCOUNT}},
    }


def test_the_bucket_delegates_to_the_access_point(installation, control, place):
    _, _, host = place
    bucket, arn, _ = point(installation, control, "delegate")
    installation.put_policy(bucket, delegating(bucket))
    user = installation.client("iam").create_user(UserName="reader")["User"]["Arn"]
    keys = installation.client("iam").create_access_key(UserName="reader")["AccessKey"]
    as_user = {"key": keys["AccessKeyId"], "secret": keys["SecretAccessKey"], "region": "us-east-1"}
    denied(host.s3("get_object", Bucket=arn, Key="x", options=as_user))
    control.put_access_point_policy(AccountId=ACCOUNT, Name="delegate", Policy=document(
        {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "s3:GetObject", "Resource": f"{arn}/object/x*"}))
    allowed(host.s3("get_object", Bucket=arn, Key="x", options=as_user))
    denied(host.s3("get_object", Bucket=bucket, Key="x", options=as_user))
    denied(host.s3("put_object", Bucket=arn, Key="x", Body="", options=as_user), action="s3:PutObject")
    missing = host.s3("get_object", Bucket=arn, Key="xx", options=as_user)
    denied(missing, action="s3:ListBucket")


def test_a_vpc_access_point_serves_only_its_vpc(installation, control, place):
    vpc, endpoint, host = place
    _, arn, alias = point(installation, control, "inside", VpcConfiguration={"VpcId": vpc.id})
    allowed(host.s3("get_object", Bucket=arn, Key="x"))
    options = {"endpoint": f"https://accesspoint.{endpoint.names[0]}"}
    allowed(host.s3("get_object", Bucket=arn, Key="x", options=options))
    other = Vpc(installation, "10.1.0.0/16")
    subnet, _, _ = other.private_subnet_with_gateway("10.1.1.0/24")
    with installation.host(subnet) as stranger:
        denied(stranger.s3("get_object", Bucket=arn, Key="x"), action="s3:GetObject", layer=BY_BUCKET_POLICY)
    with refused("AccessDenied", 403):
        installation.s3.get_object(Bucket=alias, Key="x")


def test_an_endpoint_policy_must_allow_both_names(installation, control, place):
    vpc, _, _ = place
    bucket, arn, _ = point(installation, control, "both")
    on_bucket = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    on_point = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"{arn}/object/*"]}
    table = vpc.table()
    subnet = vpc.subnet("10.0.7.0/24", table=table)
    endpoint = vpc.gateway_endpoint(table, policy=document(on_bucket))
    with installation.host(subnet) as host:
        denied(host.s3("get_object", Bucket=arn, Key="x"), layer=NO_ENDPOINT_ALLOW)
        installation.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=document(on_point))
        denied(host.s3("get_object", Bucket=arn, Key="x"), layer=NO_ENDPOINT_ALLOW)
        installation.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=document(on_bucket, on_point))
        allowed(host.s3("get_object", Bucket=arn, Key="x"))


def test_keys_of_the_access_point_are_seen_by_the_bucket_policy(installation, control, place):
    _, _, host = place
    bucket, arn, _ = point(installation, control, "keys")
    for key, value in (("s3:DataAccessPointArn", arn), ("s3:AccessPointNetworkOrigin", "Internet")):
        only = {
            "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"StringNotEquals": {key: value}},
        }
        installation.put_policy(bucket, only)
        allowed(host.s3("get_object", Bucket=arn, Key="x"))
        denied(host.s3("get_object", Bucket=bucket, Key="x"), layer=BY_BUCKET_POLICY)


def test_the_cli_uses_an_access_point_by_its_arn(installation, control, place):
    """As the documents show it, through an interface endpoint: s3control lists it, s3api takes its ARN."""
    _, endpoint, host = place
    _, arn, _ = point(installation, control, "by-cli")
    name = endpoint.names[0]

    def aws(*command):
        done = host.shell(AWS, *command, "--output", "json", environment={"PATH": os.environ["PATH"]})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    listed = aws("s3control", "list-access-points", "--account-id", ACCOUNT, "--endpoint-url", f"https://control.{name}")
    assert "by-cli" in [p["Name"] for p in listed["AccessPointList"]]
    objects = aws("s3api", "list-objects-v2", "--bucket", arn, "--endpoint-url", f"https://accesspoint.{name}")
    assert [o["Key"] for o in objects["Contents"]] == ["x"]
