"""Without any privilege: the core of everything, as an ordinary user in a user namespace."""

import gzip
import os
import shutil
from pathlib import Path

import pytest
from harness.expect import allowed, denied
from harness.installation import Installation, wait_until
from harness.network import Vpc, site
from harness.policies import BY_BUCKET_POLICY, only_unless
from harness.programs import ADIT

NOBODY = 65534


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The binary where another user can reach it."""
    folder = tmp_path_factory.mktemp("bin")
    for parent in [folder, *folder.parents]:
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    copy = folder / "adit"
    shutil.copy(ADIT, copy)
    copy.chmod(0o755)
    return copy


@pytest.fixture(scope="module")
def rootless(program):
    """An ephemeral installation of the user `nobody`."""
    with Installation(user=NOBODY, program=program, config="[flow_logs]\nseconds = 2\n") as adit:
        yield adit


def test_the_daemon_has_no_privilege(rootless):
    status = Path(f"/proc/{rootless.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(NOBODY)] * 4
    # Capabilities, if any, count in its own user namespace only.
    ours, theirs = (os.readlink(f"/proc/{pid}/ns/user") for pid in ("self", rootless.process.pid))
    assert ours != theirs or int(fields["CapEff"], 16) == 0


def test_the_core_path(rootless):
    """Gateway endpoint by policy, a subnet without it, an interface endpoint by name, a site."""
    adit = rootless
    vpc = Vpc(adit)
    inside, endpoint, _ = vpc.private_subnet_with_gateway()
    outside = vpc.public_subnet()
    group = vpc.group("endpoint", ingress=[("tcp", 443, "10.0.0.0/16"), ("tcp", 443, "192.168.0.0/24")])
    interface = vpc.interface_endpoint(inside, groups=[group])
    bucket, for_interface = adit.bucket(), adit.bucket()
    for name, allowed_endpoint in ((bucket, endpoint), (for_interface, interface.id)):
        adit.s3.put_object(Bucket=name, Key="x", Body=b"x")
        adit.put_policy(name, only_unless(name, "StringNotEquals", "aws:sourceVpce", allowed_endpoint))
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(inside) as host:
        body = os.urandom(10 << 20)
        path = adit.make_folder("files") / "data"
        path.write_bytes(body)
        os.chown(path, NOBODY, NOBODY)
        allowed(host.s3("upload_file", Filename=str(path), Bucket=bucket, Key="data"))
        allowed(host.s3("download_file", Filename=str(path) + ".back", Bucket=bucket, Key="data"))
        assert Path(str(path) + ".back").read_bytes() == body
        allowed(host.s3("get_object", Bucket=for_interface, Key="x", options={"endpoint": interface.url}))
        denied(host.s3("get_object", Bucket=for_interface, Key="x"), layer=BY_BUCKET_POLICY)
    with adit.host(outside) as host:
        denied(host.s3("get_object", Bucket=bucket, Key="x"), layer=BY_BUCKET_POLICY)
    with adit.host(site="office") as host:
        allowed(host.s3("get_object", Bucket=for_interface, Key="x", options={"endpoint": interface.url}))


def test_security_groups_filter(rootless):
    adit = rootless
    vpc = Vpc(adit, "10.7.0.0/16")
    subnet = vpc.subnet("10.7.1.0/24")
    endpoint = vpc.interface_endpoint(subnet, groups=[vpc.group("closed")])
    (address,) = endpoint.addresses
    with adit.host(subnet) as host:
        assert host.connect(address, timeout=1) == "timeout"


def test_flows_are_recorded_and_counted(rootless):
    adit = rootless
    vpc = Vpc(adit, "10.8.0.0/16")
    subnet, endpoint, _ = vpc.private_subnet_with_gateway("10.8.1.0/24")
    closed = vpc.interface_endpoint(subnet, groups=[vpc.group("closed")])
    bucket = adit.bucket()
    made = adit.ec2.create_flow_logs(
        ResourceType="VPC", ResourceIds=[vpc.id], TrafficType="ALL", LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}/net", MaxAggregationInterval=60,
    )
    assert not made["Unsuccessful"]
    with adit.host(subnet) as host:
        allowed(host.s3("put_object", Bucket=bucket, Key="own/x", Body="x" * (1 << 20)))
        assert host.connect(closed.addresses[0], timeout=1) == "timeout"

        def records():
            keys = [e["Key"] for e in adit.s3.list_objects_v2(Bucket=bucket, Prefix="net/").get("Contents", [])]
            bodies = [adit.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
            return [line.split() for body in bodies for line in gzip.decompress(body).decode().splitlines()]

        def seen():
            rows = [row for row in records() if row[3] == host.address and row[13] == "OK"]
            ends = {row[12]: int(row[9]) for row in sorted(rows, key=lambda row: int(row[9]))}
            return ends.keys() == {"ACCEPT", "REJECT"} and ends["ACCEPT"] > 1 << 20

        wait_until(seen, 40, "an ACCEPT and a REJECT record")
        assert any(subnet in line and "gateway" in line for line in adit.adit("paths").stdout.splitlines())
        # The host's interface and the endpoint are among what passes.
        shown = adit.adit("top").stdout
        assert endpoint in shown


def test_a_device_of_the_host_is_out_of_reach(rootless):
    vpc = Vpc(rootless, "10.9.0.0/16")
    subnet = vpc.subnet("10.9.1.0/24")
    done = rootless.adit("attach", "--subnet", subnet, "--interface", "eth0", check=False)
    assert done.returncode != 0 and "rootless" in done.stderr
    filters = [{"Name": "subnet-id", "Values": [subnet]}]
    assert not rootless.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]


def test_the_end_leaves_nothing(program):
    adit = Installation(user=NOBODY, program=program)
    try:
        adit.start()
        vpc = Vpc(adit)
        subnet, _, _ = vpc.private_subnet_with_gateway()
        with adit.host(subnet) as host:
            assert host.s3("list_buckets").ok
        assert adit.terminate() == 0
        wait_until(lambda: not adit.processes(), 5, "every process of the installation has ended")
        left = [str(p) for p in (adit.folder / "tmp").rglob("*") if not p.is_dir()]
        assert left == []
    finally:
        adit.close()


def test_a_durable_rootless_installation_takes_over_after_a_crash(program):
    """The namespaces belong to a process that outlives the daemon."""
    adit = Installation(user=NOBODY, program=program)
    adit.state = adit.make_folder("state")
    adit.arguments = ["up", "--state", str(adit.state), "--account", "123456789012"]
    try:
        adit.start()
        vpc = Vpc(adit)
        subnet, _, _ = vpc.private_subnet_with_gateway()
        bucket = adit.bucket()
        with adit.host(subnet) as host:
            allowed(host.s3("put_object", Bucket=bucket, Key="x", Body="x"))
            adit.kill_dash_nine()
            adit.start()
            got = allowed(host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True}))
            assert got["Body"] == b"x"
    finally:
        adit.close()
