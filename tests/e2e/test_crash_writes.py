"""`kill -9` in the middle of changes: after a restart every acknowledged change is there, every other one wholly or
not at all.

The control plane alone, so that only the store decides. ADIT_CRASH_SEQUENCES makes it long: `cargo xtask soak crash`.
"""

import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from harness.network import S3_SERVICE

SEQUENCES = int(os.environ.get("ADIT_CRASH_SEQUENCES", "12"))
WRITERS = 4


class Writer:
    """A thread that makes and deletes things, each of which is several resources in one transaction."""

    def __init__(self, ec2, name, vpcs):
        self.ec2 = ec2
        self.name = name
        self.vpcs = list(vpcs)
        # Names of what was acknowledged, and of what was asked for when the daemon died.
        self.made, self.deleted, self.open = {}, set(), set()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        number = 0
        try:
            while True:
                number += 1
                label = f"{self.name}-{number}"
                if self.vpcs and number % 3 == 0:
                    self._delete(self.vpcs.pop())
                else:
                    self._make(label)
        except (ClientError, BotoCoreError, OSError):
            # The daemon died under it.
            return

    def _make(self, label):
        self.open.add(label)
        tags = [{"Key": "Name", "Value": label}, {"Key": "second", "Value": label}]
        made = self.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
        vpc = made["Vpc"]["VpcId"]
        self.made[label] = vpc
        self.open.discard(label)
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName=S3_SERVICE, VpcEndpointType="Interface", SubnetIds=[subnet], ClientToken=label,
        )

    def _delete(self, vpc):
        self.open.add(vpc)
        self.ec2.delete_vpc(VpcId=vpc)
        self.deleted.add(vpc)
        self.open.discard(vpc)


@pytest.mark.heavy
def test_every_change_is_wholly_there_or_wholly_not(another, tmp_path):
    adit = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    clients = [adit.client("ec2", read_timeout=10) for _ in range(WRITERS)]
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    acknowledged, gone, killed_in_flight = {}, set(), 0
    for sequence in range(SEQUENCES):
        empty = [adit.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"] for _ in range(WRITERS)]
        writers = [Writer(clients[n], f"s{sequence}w{n}", [empty[n]]) for n in range(WRITERS)]
        time.sleep(chance.uniform(0.01, 0.4))
        adit.kill_dash_nine()
        for writer in writers:
            writer.thread.join(20)
            assert not writer.thread.is_alive()
            acknowledged |= writer.made
            gone |= writer.deleted
            killed_in_flight += bool(writer.open)
        adit.start()
        may_be_gone = {item for writer in writers for item in writer.open} | gone
        check(adit, acknowledged, gone, may_be_gone, set(empty))
        clear(adit)
        acknowledged, gone = {}, set()
    # Otherwise nothing was tested: kills between changes prove nothing.
    assert killed_in_flight >= SEQUENCES, f"{killed_in_flight} changes were under way at {SEQUENCES} kills"


def check(adit, acknowledged, gone, may_be_gone, empty):
    vpcs = {vpc["VpcId"]: vpc for vpc in adit.ec2.describe_vpcs()["Vpcs"]}
    lost = {name for name, vpc in acknowledged.items() if vpc not in vpcs}
    assert not lost, f"acknowledged and lost: {lost}"
    assert not gone & vpcs.keys(), "acknowledged deletions came back"
    assert empty - vpcs.keys() <= may_be_gone, "deleted though nobody asked"
    # What is there is whole: its two tags, its main table, its default group, and nothing of what is not there.
    parts = [
        ("RouteTables", adit.ec2.describe_route_tables()["RouteTables"]),
        ("SecurityGroups", adit.ec2.describe_security_groups()["SecurityGroups"]),
        ("NetworkAcls", adit.ec2.describe_network_acls()["NetworkAcls"]),
    ]
    for name, found in parts:
        owners = [part["VpcId"] for part in found]
        assert sorted(owners) == sorted(vpcs), f"{name} that fit no VPC, or VPCs without"
    for vpc in vpcs.values():
        tags = {tag["Key"]: tag["Value"] for tag in vpc.get("Tags", [])}
        assert set(tags) in (set(), {"Name", "second"}) and len(set(tags.values())) <= 1, tags
    # An endpoint and its interfaces are one change, and so is the token that was used for it.
    endpoints = adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    interfaces = {i["NetworkInterfaceId"] for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert {i for endpoint in endpoints for i in endpoint["NetworkInterfaceIds"]} == interfaces
    assert all(len(endpoint["NetworkInterfaceIds"]) == 1 and endpoint["VpcId"] in vpcs for endpoint in endpoints)


def clear(adit):
    """Each sequence begins with little, so that the last is as quick as the first."""
    endpoints = [endpoint["VpcEndpointId"] for endpoint in adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]]
    if endpoints:
        assert adit.ec2.delete_vpc_endpoints(VpcEndpointIds=endpoints)["Unsuccessful"] == []
    for subnet in adit.ec2.describe_subnets()["Subnets"]:
        adit.ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for vpc in adit.ec2.describe_vpcs()["Vpcs"]:
        adit.ec2.delete_vpc(VpcId=vpc["VpcId"])
