"""What tests say about errors: which one, with which status, and that nothing changed."""

from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code, status=400, message=None):
    """The block must end in AWS's error `code` (or one of several) with HTTP `status`."""
    with pytest.raises(ClientError) as caught:
        yield caught
    response = caught.value.response
    codes = (code,) if isinstance(code, str) else code
    assert response["Error"]["Code"] in codes, f"{response['Error']} instead of {code}"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status, response
    assert response["ResponseMetadata"].get("RequestId"), "an error has a request id"
    assert response["Error"]["Message"], "an error says what is wrong"
    if message is not None:
        assert message in response["Error"]["Message"], response["Error"]["Message"]


def picture(adit):
    """Everything the control plane can show, to compare before and after."""
    ec2, s3 = adit.ec2, adit.s3
    shown = {
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "tables": ec2.describe_route_tables()["RouteTables"],
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "endpoints": ec2.describe_vpc_endpoints()["VpcEndpoints"],
        "buckets": s3.list_buckets()["Buckets"],
    }
    for bucket in shown["buckets"]:
        try:
            found = s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"]
        except ClientError as error:
            found = error.response["Error"]["Code"]
        shown[f"policy of {bucket['Name']}"] = found
    return shown


@contextmanager
def nothing_changed(adit):
    """Whatever happens in the block leaves the control plane as it was."""
    before = picture(adit)
    yield
    assert picture(adit) == before


def denied(reply, *, action=None, layer=None):
    """The reply is S3's AccessDenied; optionally for this action, by this layer's words."""
    assert not reply.ok, f"allowed, but should not be: {reply}"
    assert (reply.code, reply.status) == ("AccessDenied", 403), str(reply)
    if action:
        assert f"is not authorized to perform: {action} on resource:" in reply.message, reply.message
    if layer:
        assert layer in reply.message, reply.message


def allowed(reply):
    """The reply is a success; returns its data."""
    assert reply.ok, str(reply)
    return reply.data

