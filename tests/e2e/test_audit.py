"""The audit log: every control call and every S3 decision, shaped as CloudTrail's records, without a secret."""

import json

import pytest
from botocore.exceptions import ClientError
from harness.expect import denied
from harness.installation import ROOT_SECRET_KEY, wait_until

REQUIRED = {
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
    "requestParameters", "responseElements", "eventID", "readOnly", "eventType", "managementEvent", "eventCategory",
}

# An endpoint policy that lets nothing be read.
NOTHING_READ = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": "*", "Action": "s3:ListAllMyBuckets", "Resource": "*",
}})


def log(adit):
    """Every record so far. The state of an ephemeral installation is below its folder."""
    (path,) = [adit.state / "audit.jsonl"] if adit.state else list(adit.folder.rglob("audit.jsonl"))
    assert path.stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in path.read_text().splitlines()]


def event(adit, seconds=5, **wanted):
    """The one record with these members, once it is there."""
    def found():
        return [r for r in log(adit) if all(r.get(name) == value for name, value in wanted.items())]

    records = wait_until(found, seconds, f"a record with {wanted}")
    assert len(records) == 1, records
    assert REQUIRED <= records[0].keys(), REQUIRED - records[0].keys()
    return records[0]


def test_control_calls_are_recorded(adit):
    made = adit.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    record = event(adit, eventName="CreateVpc")
    assert record["eventSource"] == "ec2.amazonaws.com" and record["readOnly"] is False
    assert record["requestID"] == made["ResponseMetadata"]["RequestId"]
    assert record["requestParameters"]["cidrBlock"] == "10.0.0.0/16"
    assert record["responseElements"]["vpc"]["vpcId"] == made["Vpc"]["VpcId"]
    assert record["userIdentity"]["type"] == "Root" and record["userIdentity"]["accountId"] == "123456789012"
    assert record["sourceIPAddress"] == "127.0.0.1" and "Boto3" in record["userAgent"]
    assert record["recipientAccountId"] == "123456789012" and record["awsRegion"] == "us-east-1"
    adit.ec2.describe_vpcs()
    read = event(adit, eventName="DescribeVpcs")
    assert read["readOnly"] is True and read["responseElements"] is None
    with pytest.raises(ClientError):
        adit.ec2.delete_vpc(VpcId="vpc-00000000000000001")
    refused = event(adit, eventName="DeleteVpc")
    assert refused["errorCode"] == "Client.InvalidVpcID.NotFound"
    assert "does not exist" in refused["errorMessage"] and refused["responseElements"] is None


def test_who_may_not_is_recorded_and_so_is_who_is_nobody(adit):
    iam = adit.client("iam")
    iam.create_user(UserName="ana")
    key = iam.create_access_key(UserName="ana")["AccessKey"]
    ana = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    with pytest.raises(ClientError):
        adit.client("ec2", **ana).create_internet_gateway()
    record = event(adit, eventName="CreateInternetGateway")
    assert record["errorCode"] == "Client.UnauthorizedOperation"
    assert record["userIdentity"]["type"] == "IAMUser" and record["userIdentity"]["userName"] == "ana"
    with pytest.raises(ClientError):
        adit.client("ec2", key=key["AccessKeyId"], secret="wrong").create_route_table(VpcId="vpc-1")
    record = event(adit, eventName="CreateRouteTable")
    assert record["userIdentity"] == {"type": "Unknown"} and record["errorCode"] == "AuthFailure"


def test_a_denial_by_an_endpoint_is_a_network_activity_event(adit, vpc):
    bucket = adit.bucket()
    created = event(adit, eventName="CreateBucket")
    assert created["requestParameters"] == {"bucketName": bucket} and created["eventCategory"] == "Management"
    subnet, endpoint, _ = vpc.private_subnet_with_gateway(policy=NOTHING_READ)
    with adit.host(subnet) as host:
        reply = host.s3("get_object", Bucket=bucket, Key="x")
        denied(reply)
        address = host.address
    record = event(adit, requestID=reply.request_id)
    assert record["eventType"] == "AwsVpceEvent" and record["eventCategory"] == "NetworkActivity"
    assert record["errorCode"] == "VpceAccessDenied" and record["vpcEndpointId"] == endpoint
    assert record["errorMessage"] == "The request was denied due to a VPC endpoint policy"
    assert record["requestParameters"] is None and "resources" not in record
    assert record["sourceIPAddress"] == address and record["vpcEndpointAccountId"] == "123456789012"
    assert record["additionalEventData"]["layer"] == "vpc-endpoint"


def test_objects_are_data_events(adit, vpc):
    bucket = adit.bucket()
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    with adit.host(subnet) as host:
        reply = host.s3("put_object", Bucket=bucket, Key="a/b", Body="x")
    record = event(adit, requestID=reply.request_id)
    assert (record["eventName"], record["eventCategory"], record["eventType"]) == ("PutObject", "Data", "AwsApiCall")
    assert record["requestParameters"] == {"bucketName": bucket, "key": "a/b"} and record["readOnly"] is False
    assert record["resources"][0]["ARN"] == f"arn:aws:s3:::{bucket}/a/b" and record["vpcEndpointId"] == endpoint
    assert "errorCode" not in record and record["additionalEventData"]["decision"] == "Allow"


def test_no_secret_of_a_run_is_in_the_log(adit):
    """Everything that hands out or takes a secret; none of them is in any line."""
    secrets = [ROOT_SECRET_KEY]
    iam, sts = adit.client("iam"), adit.client("sts")
    iam.create_user(UserName="ana")
    key = iam.create_access_key(UserName="ana")["AccessKey"]
    secrets.append(key["SecretAccessKey"])
    ana = adit.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    session = ana.get_session_token()["Credentials"]
    secrets += [session["SecretAccessKey"], session["SessionToken"]]
    trust = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole",
    }})
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_user_policy(UserName="ana", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role},
    }))
    assumed = ana.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    secrets += [assumed["SecretAccessKey"], assumed["SessionToken"]]
    with pytest.raises(ClientError):
        sts.get_session_token(SerialNumber="arn:aws:iam::123456789012:mfa/x", TokenCode="123456")
    made = adit.adit("account", "create", "other").stdout
    secrets += [line.rsplit("=", 1)[1].strip("\"'") for line in made.splitlines() if "SECRET" in line.upper()]
    bucket = adit.bucket()
    url = adit.s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "x"})
    secrets += [part.split("=", 1)[1] for part in url.split("?")[1].split("&") if part.startswith(("Signature", "X-Amz-Signature"))]
    adit.adit("backup", adit.folder / "backup.jsonl")
    event(adit, eventName="GetBackup")
    event(adit, eventName="AssumeRole")
    text = "\n".join(json.dumps(record) for record in log(adit))
    assert len(secrets) >= 7 and "HIDDEN_DUE_TO_SECURITY_REASONS" in text
    for secret in secrets:
        assert len(secret) > 8 and secret not in text, "a secret is in the log"
