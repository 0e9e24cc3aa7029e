"""`kill -9` under load: what was acknowledged is there, namespaces stand, clients continue."""

import hashlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from harness.expect import allowed
from harness.host import Host
from harness.installation import wait_until
from harness.network import Vpc
from harness.programs import INSIDE, PYTHON

ROUNDS = 3


@pytest.fixture
def durable(another, tmp_path):
    """An installation that keeps its state, at an address that stays."""
    return another(state=tmp_path / "state").start()


class Uploader:
    """An upload loop on a host: every acknowledged key, as the client printed it."""

    def __init__(self, adit, subnet, bucket):
        exports = {name: value for name, value in adit.env().items() if name != "AWS_CA_BUNDLE"}
        self.process = subprocess.Popen(
            [adit.program, "run", "--subnet", subnet, "--", PYTHON, INSIDE / "uploader.py", bucket],
            env=adit.client_environment() | exports, cwd=adit.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.acknowledged = {}
        self.errors = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            record = json.loads(line)
            self.acknowledged[record["key"]] = record

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(10)


class Changer:
    """A loop of API changes from outside: ids of what was acknowledged."""

    def __init__(self, adit, vpc):
        self.adit = adit
        self.vpc = vpc
        self.groups, self.endpoints, self.deleted = set(), set(), set()
        self.going = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        number = 0
        while self.going:
            number += 1
            try:
                ec2 = self.adit.client("ec2", read_timeout=10)
                made = ec2.create_security_group(GroupName=f"g{number}", Description="x", VpcId=self.vpc.id)["GroupId"]
                self.groups.add(made)
                if number % 5 == 0:
                    self.endpoints.add(self.vpc.gateway_endpoint())
                if number % 3 == 0:
                    ec2.delete_security_group(GroupId=made)
                    self.deleted.add(made)
            except (ClientError, BotoCoreError, OSError):
                time.sleep(0.05)

    def stop(self):
        self.going = False
        self.thread.join(20)


@pytest.mark.heavy
def test_no_acknowledged_object_or_change_is_lost(durable):
    adit = durable
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    uploader, changer = Uploader(adit, subnet, bucket), Changer(adit, vpc)
    try:
        for round_ in range(ROUNDS):
            before = len(uploader.acknowledged)
            wait_until(lambda: len(uploader.acknowledged) >= before + 20, 60, f"uploads of round {round_}: {uploader.errors[-3:]}")
            time.sleep(random.uniform(0, 0.3))
            adit.kill_dash_nine()
            time.sleep(random.uniform(0, 0.3))
            adit.start()
        before = len(uploader.acknowledged)
        wait_until(lambda: len(uploader.acknowledged) >= before + 20, 60, "the client continues after the last restart")
        assert uploader.process.poll() is None, "the client was never interrupted"
    finally:
        uploader.stop()
        changer.stop()

    stored = {}
    for page in adit.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        stored |= {o["Key"]: o for o in page.get("Contents", [])}
    lost = [key for key in uploader.acknowledged if key not in stored]
    assert not lost, f"{len(lost)} of {len(uploader.acknowledged)} acknowledged objects are lost: {lost[:5]}"
    for key, record in uploader.acknowledged.items():
        body = adit.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == record["sha256"], f"{key} is torn"
    unacknowledged = [key for key in stored if key not in uploader.acknowledged]
    for key in unacknowledged:
        body = adit.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert len(body) == stored[key]["Size"], f"{key} is torn"

    groups = {g["GroupId"] for g in adit.ec2.describe_security_groups()["SecurityGroups"]}
    missing = changer.groups - changer.deleted - groups
    # The one whose delete was under way when the daemon died may be gone.
    assert len(missing) <= ROUNDS, f"acknowledged groups are lost: {missing}"
    assert not changer.deleted & groups, "acknowledged deletes came back"
    endpoints = {e["VpcEndpointId"] for e in adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]}
    assert changer.endpoints | {endpoint} <= endpoints
    assert len(changer.groups) >= ROUNDS and len(uploader.acknowledged) >= 20 * ROUNDS


def test_existing_namespaces_are_taken_over(durable):
    """A host lives through the crash: same address, same namespace, same open files."""
    adit = durable
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    interface = vpc.interface_endpoint(subnet)
    bucket = adit.bucket()
    with adit.host(subnet) as host, adit.host(subnet) as neighbour:
        allowed(host.s3("put_object", Bucket=bucket, Key="x", Body="x"))
        before = namespace_of(host)
        adit.kill_dash_nine()
        address = host.address
        adit.start()
        assert namespace_of(host) == before
        assert allowed(host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True}))["Body"] == b"x"
        allowed(host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, "endpoint": interface.url}))
        shown = {i["PrivateIpAddress"] for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"]}
        assert {address, neighbour.address} <= shown
        # And a change reaches it as before.
        adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        assert not host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, "connect_timeout": 1}).ok
    left = [i for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"] if i["InterfaceType"] != "vpc_endpoint"]
    assert left == [], "hosts that ended after the restart are gone"


def namespace_of(host: Host):
    return os.readlink(f"/proc/{host.pid}/ns/net")


def test_a_host_that_ended_while_the_daemon_was_away_is_gone_after_the_restart(durable):
    adit = durable
    vpc = Vpc(adit)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    host = adit.host(subnet).__enter__()
    adit.kill_dash_nine()
    host.__exit__()
    adit.start()
    wait_until(lambda: not adit.ec2.describe_network_interfaces()["NetworkInterfaces"], 10, "the interface's end")


def test_connections_between_hosts_outlive_the_daemon(durable):
    """The routes and filters stand while nobody is there to tend them."""
    adit = durable
    vpc = Vpc(adit)
    subnet = vpc.subnet()
    server = "import socket,time\ns=socket.create_server(('0.0.0.0',8080))\nwhile True:\n c,_=s.accept(); c.close()"
    with adit.host(subnet) as a, adit.host(subnet) as b:
        a.shell("sh", "-c", f"python3 -c \"{server}\" </dev/null >/dev/null 2>&1 &")
        wait_until(lambda: b.connect(a.address, 8080) == "open", 20, "the server on a host")
        adit.kill_dash_nine()
        assert b.connect(a.address, 8080) == "open"
        adit.start()
        assert b.connect(a.address, 8080) == "open"


def test_a_multipart_upload_survives_a_crash_in_between(durable):
    adit = durable
    bucket = adit.bucket()
    upload = adit.s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    block = os.urandom(5 << 20)
    first = adit.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=block)["ETag"]
    adit.kill_dash_nine()
    adit.start()
    second = adit.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=2, Body=b"end")["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    adit.s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert adit.s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == block + b"end"


def test_a_client_token_is_remembered_across_a_crash(durable):
    adit = durable
    vpc = Vpc(adit)
    wanted = {"VpcId": vpc.id, "ServiceName": "com.amazonaws.us-east-1.s3", "ClientToken": "once"}
    first = adit.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
    adit.kill_dash_nine()
    adit.start()
    assert adit.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"] == first
