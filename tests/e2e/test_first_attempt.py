"""A change is in force when the API call returns: 200 of 200 first attempts, no retry, no wait."""

import pytest
from harness.network import Vpc
from harness.policies import ALLOW_ALL, document, only_unless

POLICY_CHANGES = 80
ENDPOINT_POLICY_CHANGES = 40
ROUTE_CHANGES = 40
NEW_ENDPOINTS = 40


@pytest.fixture(scope="module")
def count():
    """Every first attempt of this module; the last test adds them up."""
    return {"attempts": 0, "wrong": []}


def attempt(count, what, reply, should_succeed):
    count["attempts"] += 1
    if reply.ok != should_succeed:
        count["wrong"].append(f"{what}: {reply}")


@pytest.fixture(scope="module")
def world(installation):
    """A private subnet on a gateway endpoint, a host in it, a bucket with an object."""
    installation.used = True
    vpc = Vpc(installation)
    subnet, endpoint, table = vpc.private_subnet_with_gateway()
    bucket = installation.bucket()
    installation.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    with installation.host(subnet) as host:
        yield {"adit": installation, "vpc": vpc, "subnet": subnet, "endpoint": endpoint, "table": table, "bucket": bucket, "host": host}


def test_a_bucket_policy_is_in_force_at_once(world, count):
    adit, host, bucket = world["adit"], world["host"], world["bucket"]
    for number in range(POLICY_CHANGES // 2):
        wrong_endpoint = f"vpce-0{number:016x}"
        adit.put_policy(bucket, only_unless(bucket, "StringNotEquals", "aws:sourceVpce", wrong_endpoint))
        attempt(count, f"policy {number} denies", host.s3("get_object", Bucket=bucket, Key="x"), False)
        adit.put_policy(bucket, only_unless(bucket, "StringNotEquals", "aws:sourceVpce", world["endpoint"]))
        attempt(count, f"policy {number} allows", host.s3("get_object", Bucket=bucket, Key="x"), True)
    adit.s3.delete_bucket_policy(Bucket=bucket)
    assert not count["wrong"]


def test_an_endpoint_policy_is_in_force_at_once(world, count):
    adit, host, bucket = world["adit"], world["host"], world["bucket"]
    deny = document(ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny", "Action": "s3:GetObject"})
    for number in range(ENDPOINT_POLICY_CHANGES // 2):
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=world["endpoint"], PolicyDocument=deny)
        attempt(count, f"endpoint policy {number} denies", host.s3("get_object", Bucket=bucket, Key="x"), False)
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=world["endpoint"], ResetPolicy=True)
        attempt(count, f"endpoint policy {number} allows", host.s3("get_object", Bucket=bucket, Key="x"), True)
    assert not count["wrong"]


def test_a_new_gateway_endpoint_carries_the_first_request(world, count):
    adit, vpc, bucket = world["adit"], world["vpc"], world["bucket"]
    table = vpc.table()
    subnet = vpc.subnet("10.0.50.0/24", table=table)
    with adit.host(subnet) as host:
        for number in range(ROUTE_CHANGES):
            endpoint = vpc.gateway_endpoint(table)
            adit.put_policy(bucket, only_unless(bucket, "StringNotEquals", "aws:sourceVpce", endpoint))
            reply = host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, "connect_timeout": 2})
            attempt(count, f"gateway endpoint {number}", reply, True)
            adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    adit.s3.delete_bucket_policy(Bucket=bucket)
    assert not count["wrong"]


def test_a_new_interface_endpoint_answers_by_name_and_tls_at_once(world, count):
    adit, vpc, host, bucket = world["adit"], world["vpc"], world["host"], world["bucket"]
    subnets = [world["subnet"], vpc.subnet("10.0.60.0/24", "us-east-1b")]
    for number in range(NEW_ENDPOINTS):
        endpoint = vpc.interface_endpoint(*subnets)
        reply = host.s3(
            "get_object", Bucket=bucket, Key="x", options={"fresh": True, "endpoint": endpoint.url, "connect_timeout": 2}
        )
        attempt(count, f"interface endpoint {number}", reply, True)
        adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])
    assert not count["wrong"]


def test_two_hundred_of_two_hundred(count):
    assert count["attempts"] == 200, "the tests above made them"
    assert not count["wrong"], "\n".join(count["wrong"])
