"""Flow logs: what passes and what is refused, as records in a bucket and in a log group's files."""

import gzip
import re
import tempfile
import time
from pathlib import Path

import pytest
from harness.expect import allowed
from harness.installation import ACCOUNT, wait_until
from harness.network import Vpc

CONFIG = Path(tempfile.mkdtemp(prefix="adit-flow-logs-")) / "adit.toml"
STATE = CONFIG.parent / "state"
UP = {"arguments": ["--config", str(CONFIG)], "state": STATE}
CONFIG.write_text("[flow_logs]\nseconds = 2\n")

FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
    " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id pkt-src-aws-service"
    " pkt-dst-aws-service flow-direction traffic-path"
).split()
DEFAULT = FIELDS[:14]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/logs"


@pytest.fixture(scope="module", autouse=True)
def folder():
    """The configuration's folder goes at the end."""
    import shutil

    yield
    shutil.rmtree(CONFIG.parent, ignore_errors=True)


def records(adit, bucket):
    """Every record in a bucket, as dicts by the names in the first line of its file."""
    found = []
    for entry in adit.s3.list_objects_v2(Bucket=bucket, Prefix="net/").get("Contents", []):
        body = adit.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        first, *lines = gzip.decompress(body).decode().splitlines()
        assert first.split() == FIELDS
        found += [dict(zip(FIELDS, line.split(), strict=True)) for line in lines]
    return found


def test_records_say_what_packets_did(adit):
    vpc = Vpc(adit)
    subnet, gateway, _ = vpc.private_subnet_with_gateway()
    closed = vpc.group("closed", ingress=[("tcp", 443, "10.0.0.0/16")])
    endpoint = vpc.interface_endpoint(subnet, groups=[closed])
    (eni,) = endpoint.interfaces
    bucket = adit.bucket("flow-records")
    made = adit.ec2.create_flow_logs(
        ResourceType="VPC", ResourceIds=[vpc.id], TrafficType="ALL", LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}/net", MaxAggregationInterval=60,
        LogFormat=" ".join(f"${{{name}}}" for name in FIELDS),
        DestinationOptions={"FileFormat": "plain-text", "HiveCompatiblePartitions": False, "PerHourPartition": True},
    )
    assert not made["Unsuccessful"]
    (log,) = made["FlowLogIds"]
    made = adit.ec2.create_flow_logs(
        ResourceType="NetworkInterface", ResourceIds=[eni["NetworkInterfaceId"]], TrafficType="REJECT",
        LogGroupName="net/refused", DeliverLogsPermissionArn=ROLE,
    )
    assert not made["Unsuccessful"]
    begun = int(time.time())
    with adit.host(subnet) as host:
        allowed(host.s3("put_object", Bucket=bucket, Key="own/x", Body="x" * (1 << 20)))
        assert host.connect(eni["PrivateIpAddress"], 443) == "open"
        assert host.connect(eni["PrivateIpAddress"], 80, timeout=1) == "timeout"
        (own,) = [i for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"] if i["InterfaceType"] != "vpc_endpoint"]

        def seen():
            rows = [r for r in records(adit, bucket) if r["log-status"] == "OK"]
            refused = [r for r in rows if r["action"] == "REJECT"]
            upload = [r for r in rows if r["traffic-path"] == "7" and int(r["bytes"]) > 1 << 20]
            return (rows, refused, upload) if refused and upload else None

        rows, refused, upload = wait_until(seen, 30, "an ACCEPT and a REJECT record")
    # The upload left the host's interface for the gateway endpoint.
    upload = upload[0]
    assert upload == upload | {
        "version": "5", "account-id": ACCOUNT, "interface-id": own["NetworkInterfaceId"], "srcaddr": own["PrivateIpAddress"],
        "pkt-srcaddr": own["PrivateIpAddress"], "dstport": "443", "protocol": "6", "action": "ACCEPT", "vpc-id": vpc.id,
        "subnet-id": subnet, "instance-id": "-", "type": "IPv4", "region": "us-east-1", "az-id": "use1-az1",
        "pkt-src-aws-service": "-", "pkt-dst-aws-service": "S3", "flow-direction": "egress",
    }
    assert upload["dstaddr"].startswith("198.18.") and int(upload["packets"]) > 10
    assert int(upload["tcp-flags"]) & 2
    assert begun - 2 <= int(upload["start"]) <= int(upload["end"]) <= time.time()
    # The endpoint's interface refused port 80; the host's own let it go, to another interface of the VPC.
    (refused,) = [r for r in refused if r["interface-id"] == eni["NetworkInterfaceId"]][:1]
    assert refused == refused | {
        "srcaddr": own["PrivateIpAddress"], "dstaddr": eni["PrivateIpAddress"], "dstport": "80", "protocol": "6",
        "flow-direction": "ingress", "traffic-path": "-", "tcp-flags": "2",
    }
    (sent,) = [r for r in rows if r["interface-id"] == own["NetworkInterfaceId"] and r["dstport"] == "80"][:1]
    assert (sent["action"], sent["traffic-path"], sent["flow-direction"]) == ("ACCEPT", "1", "egress")
    # Keys are AWS's.
    keys = [e["Key"] for e in adit.s3.list_objects_v2(Bucket=bucket)["Contents"] if not e["Key"].startswith("own/")]
    form = rf"net/AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/\d{{4}}/\d\d/\d\d/\d\d/{ACCOUNT}_vpcflowlogs_us-east-1_{log}_\d{{8}}T\d{{4}}Z_[0-9a-f]{{8}}\.log\.gz"
    assert all(re.fullmatch(form, key) for key in keys), keys

    # The log group: the default format, the one interface, refusals alone.
    path = STATE / "log-groups" / ACCOUNT / "us-east-1" / "net" / "refused" / f"{eni['NetworkInterfaceId']}-reject.log"
    lines = wait_until(lambda: path.exists() and [line for line in path.read_text().splitlines() if " REJECT OK" in line], 10)
    row = dict(zip(DEFAULT, lines[0].split(), strict=True))
    assert (row["version"], row["dstport"], row["action"]) == ("2", "80", "REJECT")

    # A silent time is told so; a deleted log says no more.
    wait_until(lambda: any(r["log-status"] == "NODATA" for r in records(adit, bucket)), 15, "a NODATA record")
    assert not adit.ec2.delete_flow_logs(FlowLogIds=[log])["Unsuccessful"]
    wait_until(lambda: not [x for x in adit.ec2.describe_flow_logs()["FlowLogs"] if x["FlowLogId"] == log], 5)
