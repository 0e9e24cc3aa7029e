"""Without any privilege: the core of everything, as an ordinary user in a user namespace."""

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
    adit = Installation(user=NOBODY, program=program)
    try:
        yield adit.start()
    finally:
        adit.close()


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
