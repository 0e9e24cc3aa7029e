"""Where the state lives: several nodes on one etcd, backups, and what a restart finds."""

import shutil
import subprocess

import pytest
from botocore.exceptions import ClientError
from harness.installation import free_port, wait_until


class Etcd:
    """An etcd on loopback, in a folder of its own."""

    def __init__(self, folder):
        assert shutil.which("etcd"), "these tests need etcd (Debian: apt-get install etcd-server)"
        self.folder, self.port, self.peer = folder, free_port(), free_port()
        self.process = None

    def start(self):
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", self.folder, "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
             "--log-level", "error"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def etcd(tmp_path):
    one = Etcd(tmp_path / "etcd").start()
    yield one
    one.kill()


def node(another, etcd, path):
    """A control plane on the etcd."""
    options = ["--planes", "none", "--store", f"etcd://127.0.0.1:{etcd.port}"]

    def started():
        try:
            return another(state=path, arguments=options).start()
        except AssertionError as why:
            # etcd takes a moment to answer.
            assert "does not answer" in str(why)
            return None

    return wait_until(started, 30, "a node on etcd")


def vpcs(adit):
    return {vpc["VpcId"] for vpc in adit.ec2.describe_vpcs()["Vpcs"]}


def test_two_nodes_share_one_state(another, etcd, tmp_path):
    one, two = node(another, etcd, tmp_path / "one"), node(another, etcd, tmp_path / "two")
    # One account and root key for both: the second found what the first had made.
    first = one.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    wait_until(lambda: first in vpcs(two), 5, "the other's VPC")
    second = two.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    wait_until(lambda: vpcs(one) == {first, second}, 5, "both VPCs")
    two.ec2.delete_vpc(VpcId=first)
    wait_until(lambda: vpcs(one) == {second}, 5, "the deletion")

    # Away: reads go on, changes are refused in words, and nothing is half done.
    etcd.kill()
    assert vpcs(one) == {second}
    with pytest.raises(ClientError) as refused:
        one.ec2.create_vpc(CidrBlock="10.2.0.0/16")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    etcd.start()

    def made():
        try:
            return one.ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
        except ClientError:
            return None

    third = wait_until(made, 20, "changes after etcd came back")
    wait_until(lambda: third in vpcs(two), 10, "the other's VPC after etcd came back")

    # And after a crash a node finds it all again.
    two.kill_dash_nine()
    two.start()
    assert {second, third} <= vpcs(two) == vpcs(one)


def test_a_backup_of_a_running_daemon_comes_back(another, etcd, tmp_path):
    adit = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    first = adit.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    adit.bucket("reports")
    file = tmp_path / "backup.jsonl"
    adit.adit("backup", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert adit.adit("backup", file, check=False).returncode != 0, "a backup overwrites nothing"
    authority = (adit.state / "ca/ca.pem").read_bytes()
    second = adit.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]

    # Not below a running daemon, and not over a state unless told.
    assert "in use" in adit.adit("restore", "--state", adit.state, "--force", file, check=False).stderr
    assert vpcs(adit) == {first, second}
    adit.terminate()
    assert "--force" in adit.adit("restore", "--state", adit.state, file, check=False).stderr
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(file.read_bytes()[:-20])
    assert "cut short" in adit.adit("restore", "--state", adit.state, "--force", cut, check=False).stderr
    adit.start()
    assert vpcs(adit) == {first, second}, "what was refused changed nothing"
    adit.terminate()

    adit.adit("restore", "--state", adit.state, "--force", file)
    adit.start()
    assert vpcs(adit) == {first}
    assert [bucket["Name"] for bucket in adit.s3.list_buckets()["Buckets"]] == ["reports"]

    # The same into an empty directory, and into an etcd.
    fresh = another(state=tmp_path / "fresh", arguments=["--planes", "none"])
    fresh.adit("restore", "--state", fresh.state, file, environment=fresh.base)
    assert (fresh.state / "ca/ca.pem").read_bytes() == authority
    assert vpcs(fresh.start()) == {first}
    there = another(state=tmp_path / "there", arguments=["--planes", "none", "--store", f"etcd://127.0.0.1:{etcd.port}"])
    restore = ["restore", "--state", there.state, "--store", f"etcd://127.0.0.1:{etcd.port}", file]
    wait_until(lambda: there.adit(*restore, environment=there.base, check=False).returncode == 0, 30, "etcd takes the backup")
    assert vpcs(there.start()) == {first}


def test_another_account_gets_no_backup(another, tmp_path):
    adit = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    made = adit.adit("account", "create", "other").stdout
    keys = dict(line.split("=", 1) for line in made.replace("export ", "").splitlines() if "=" in line)
    environment = adit.client_environment(**{name: value.strip("\"'") for name, value in keys.items()})
    refused = adit.adit("backup", tmp_path / "no", environment=environment, check=False)
    assert refused.returncode != 0 and "AccessDenied" in refused.stderr, (made, refused.stderr)
    assert not (tmp_path / "no").exists()
