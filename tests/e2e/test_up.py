"""`adit up` and the commands around it: becoming ready, credentials, restarting, ending."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from harness.expect import nothing_changed, picture
from harness.installation import (
    ACCOUNT,
    ROOT_ACCESS_KEY,
    ROOT_SECRET_KEY,
    DidNotStart,
    assert_gone,
    free_port,
    host_links,
    wait_until,
)
from harness.network import Vpc
from harness.programs import ADIT, AWS

NOBODY = 65534


def owner(adit):
    """The account that owns what is made here."""
    return Vpc(adit).ec2.describe_vpcs()["Vpcs"][0]["OwnerId"]


# ---- becoming ready ---------------------------------------------------------------------------


def test_the_ready_line_tells_where_what_and_how(adit):
    line = adit.ready_line
    assert line.startswith("adit ready")
    assert adit.address in line
    assert re.search(r"\bus-east-1\b", line), line
    assert "adit env" in line, "the line says how to get credentials"
    assert adit.stdout_text().splitlines()[0] == line, "it is the first line of standard output"


def test_an_ephemeral_installation_takes_its_keys_and_account_from_its_starter(adit):
    exports = adit.env()
    assert exports["AWS_ACCESS_KEY_ID"] == ROOT_ACCESS_KEY
    assert exports["AWS_SECRET_ACCESS_KEY"] == ROOT_SECRET_KEY
    assert owner(adit) == ACCOUNT


def test_env_sets_what_a_client_needs(adit):
    exports = adit.env()
    assert exports["AWS_ENDPOINT_URL"] == f"http://{adit.address}"
    assert exports["AWS_DEFAULT_REGION"] == "us-east-1"
    assert exports.get("AWS_REGION", "us-east-1") == "us-east-1"
    bundle = Path(exports["AWS_CA_BUNDLE"]).read_text()
    assert "BEGIN CERTIFICATE" in bundle
    assert "PRIVATE KEY" not in bundle


def test_the_aws_cli_works_at_once_after_eval_env(adit):
    done = adit.run(
        ["bash", "-ec", 'eval "$("$0" env)"; "$1" ec2 describe-availability-zones --query "AvailabilityZones[].ZoneName" --output text',
         adit.program, AWS]
    )
    assert done.stdout.split() == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_the_api_address_speaks_http_and_tls_on_one_port(adit):
    plain = adit.client("ec2", endpoint=f"http://{adit.address}")
    secure = adit.client("ec2", endpoint=f"https://{adit.address}")
    assert plain.describe_vpcs()["Vpcs"] == secure.describe_vpcs()["Vpcs"] == []
    name = f"both-{os.urandom(4).hex()}"
    adit.client("s3", endpoint=f"https://{adit.address}").create_bucket(Bucket=name)
    found = adit.client("s3", endpoint=f"http://{adit.address}").list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in found] == [name]


def test_default_vpc_gives_each_region_awss_default_vpc(another):
    adit = another(default_vpc=True).start()
    (vpc,) = adit.ec2.describe_vpcs()["Vpcs"]
    assert vpc["IsDefault"] and vpc["CidrBlock"] == "172.31.0.0/16"
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        shown = adit.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        assert shown[attribute[0].upper() + attribute[1:]]["Value"], attribute
    subnets = adit.ec2.describe_subnets()["Subnets"]
    assert sorted(s["AvailabilityZone"] for s in subnets) == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert all(s["DefaultForAz"] and s["MapPublicIpOnLaunch"] for s in subnets)
    assert all(s["CidrBlock"].endswith("/20") for s in subnets)
    (gateway,) = adit.ec2.describe_internet_gateways()["InternetGateways"]
    (table,) = adit.ec2.describe_route_tables()["RouteTables"]
    assert {r.get("DestinationCidrBlock"): r["GatewayId"] for r in table["Routes"]} == {
        "172.31.0.0/16": "local",
        "0.0.0.0/0": gateway["InternetGatewayId"],
    }
    adit.reset()
    assert len(adit.ec2.describe_vpcs()["Vpcs"]) == 1, "the first state has the default VPC"


def test_a_configuration_file_adds_regions(another):
    config = '[[region]]\nname = "us-east-1"\n[[region]]\nname = "eu-west-2"\nzones = ["a", "b"]\n'
    adit = another(config=config).start()
    names = {region["RegionName"] for region in adit.ec2.describe_regions()["Regions"]}
    assert names == {"us-east-1", "eu-west-2"}
    there = adit.client("ec2", region="eu-west-2")
    zones = there.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == ["eu-west-2a", "eu-west-2b"]
    made = there.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert [v["VpcId"] for v in there.describe_vpcs()["Vpcs"]] == [made]
    assert adit.ec2.describe_vpcs()["Vpcs"] == [], "a VPC is seen in its own Region only"


# ---- state ------------------------------------------------------------------------------------


def test_the_first_start_makes_private_keys_that_only_the_owner_can_read(another, tmp_path):
    adit = another(state=tmp_path / "state", fixed_keys=False).start()
    private = []
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if b"PRIVATE KEY" in data or adit_secret(adit).encode() in data:
                private.append(path)
    assert private, "neither the CA's key nor the root secret is in the state directory"
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def adit_secret(adit):
    """The root secret of a durable installation, as `adit env` prints it."""
    return durable_env(adit)["AWS_SECRET_ACCESS_KEY"]


def durable_env(adit):
    """`adit env` of a durable installation, signed with the key in its state directory."""
    environment = adit.client_environment()
    script = 'eval "$("$0" env --state "$1")"; env -0'
    shown = adit.run(["bash", "-ec", script, adit.program, adit.state], environment=environment).stdout
    return dict(item.split("=", 1) for item in shown.split("\0") if "=" in item)


def test_client_commands_sign_with_the_state_directorys_key_by_default(another):
    # No --state anywhere: the XDG state home, and no key in the environment.
    adit = another(fixed_keys=False)
    adit.state = Path(adit.base["XDG_STATE_HOME"]) / "adit"
    adit.arguments = ["up", "--account", ACCOUNT]
    adit.start()
    assert any(Path(adit.base["XDG_STATE_HOME"]).rglob("*")), "the state is in the XDG state home"
    exports = adit.env()
    assert exports["AWS_ACCESS_KEY_ID"].startswith("AKIA")
    vpc = Vpc(adit)
    subnet = vpc.subnet()
    done = adit.adit("run", "--subnet", subnet, "--", "echo", "hello")
    assert done.stdout == "hello\n"


def test_state_survives_a_restart(another, tmp_path):
    adit = another(state=tmp_path / "state").start()
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="kept", Body=b"kept through a restart")
    before = picture(adit)
    assert adit.terminate() == 0
    adit.start()
    assert picture(adit) == before
    assert adit.s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept through a restart"
    with adit.host(subnet) as host:
        assert host.s3("head_object", Bucket=bucket, Key="kept").ok


def test_reset_puts_an_ephemeral_installation_back_to_its_first_state(adit):
    first = picture(adit)
    vpc = Vpc(adit)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    with adit.host(subnet) as host:
        assert host.s3("get_object", Bucket=bucket, Key="x").ok
    assert picture(adit) != first
    adit.adit("reset")
    assert picture(adit) == first
    # And it is usable at once, with the same keys, account and names.
    again = Vpc(adit)
    subnet, _, _ = again.private_subnet_with_gateway()
    adit.s3.create_bucket(Bucket=bucket)
    with adit.host(subnet) as host:
        assert host.s3("list_objects_v2", Bucket=bucket).data.get("KeyCount") == 0


def test_reset_is_refused_for_an_installation_that_keeps_its_state(another, tmp_path):
    adit = another(state=tmp_path / "state").start()
    Vpc(adit)
    with nothing_changed(adit):
        done = adit.adit("reset", check=False)
        assert done.returncode != 0
        assert one_line(done.stderr)


# ---- ending -----------------------------------------------------------------------------------


def test_sigterm_ends_it_cleanly_and_an_ephemeral_one_removes_everything(another):
    links = host_links()
    adit = another().start()
    vpc = Vpc(adit)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    with adit.host(subnet) as host:
        host.connect("198.18.0.1", timeout=0.1)
    traces = adit.traces()
    assert traces, "a running installation has some"
    assert adit.terminate() == 0
    assert_gone(adit, traces, links)
    left = [p for name in ("tmp", "xdg-state", "xdg-runtime") for p in (adit.folder / name).iterdir()]
    assert left == []


def test_the_daemon_needs_no_other_program(another):
    """Nothing on the PATH: links, routes and filters are made without `ip` or `nft`."""
    adit = another(daemon_environment={"PATH": "/nonexistent"}).start()
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    with adit.host(subnet) as host:
        assert host.s3("put_object", Bucket=bucket, Key="x", Body="x").ok


def test_sigint_ends_it_too(another):
    adit = another().start()
    adit.process.send_signal(signal.SIGINT)
    assert adit.process.wait(20) == 0


def test_down_ends_the_daemon_and_removes_what_it_made(another, tmp_path):
    links = host_links()
    adit = another(state=tmp_path / "state").start()
    vpc = Vpc(adit)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    vpc.interface_endpoint(subnet)
    traces = adit.traces()
    adit.adit("down")
    adit.process.wait(20)
    assert_gone(adit, traces, links)
    # The intent stays: the next start makes it true again.
    adit.start()
    assert [v["VpcId"] for v in adit.ec2.describe_vpcs()["Vpcs"]] == [vpc.id]
    with adit.host(subnet) as host:
        assert host.s3("list_buckets").ok


# ---- what goes wrong --------------------------------------------------------------------------


def one_line(text):
    """Whether `text` is one clear line: no panic, no back trace, no list of causes."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == 1 and "panicked" not in text


def failed_start(installation):
    with pytest.raises(DidNotStart) as caught:
        installation.start()
    assert caught.value.status not in (0, None)
    assert "adit ready" not in caught.value.stdout
    return caught.value


def test_a_second_up_on_the_same_state_says_so(another, tmp_path):
    first = another(state=tmp_path / "state").start()
    Vpc(first)
    with nothing_changed(first):
        failure = failed_start(another(state=tmp_path / "state"))
        assert one_line(failure.stderr), failure.stderr
        assert str(tmp_path / "state") in failure.stderr
        assert re.search("already|another|in use|running", failure.stderr), failure.stderr


def test_a_port_in_use_is_one_clear_line(another):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failure = failed_start(another(port=port))
    assert one_line(failure.stderr), failure.stderr
    assert f"127.0.0.1:{port}" in failure.stderr
    assert "--listen" in failure.stderr, "the line says what to do"


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_a_corrupt_state_directory_is_one_clear_line(another, tmp_path, damage):
    state = tmp_path / "state"
    adit = another(state=state).start()
    Vpc(adit)
    adit.adit("down")
    adit.process.wait(20)
    databases = [p for p in state.rglob("*") if p.is_file() and p.read_bytes()[:15] == b"SQLite format 3"]
    assert databases, "the state directory holds a SQLite database"
    for path in databases:
        data = path.read_bytes()
        if damage == "garbage":
            path.write_bytes(b"this is not a database " * 1000)
        else:
            path.write_bytes(data[: len(data) // 2 - 100])
        for beside in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            beside.unlink(missing_ok=True)
    before = {p: p.read_bytes() for p in databases}
    broken = another(state=state)
    failure = failed_start(broken)
    assert one_line(failure.stderr), failure.stderr
    assert str(state) in failure.stderr
    assert {p: p.read_bytes() for p in databases} == before, "a damaged database is not written over"
    broken.process = None


def test_a_state_path_that_is_no_directory_is_one_clear_line(another, tmp_path):
    path = tmp_path / "state"
    path.write_text("a file")
    adit = another(state=path)
    failure = failed_start(adit)
    assert one_line(failure.stderr), failure.stderr
    assert str(path) in failure.stderr
    assert path.read_text() == "a file"
    adit.process = None


def test_no_privileges_and_no_user_namespaces_is_one_clear_line(another, tmp_path):
    """A caller without capabilities, in a user namespace where no further ones may be made."""
    adit = another()
    script = (
        "echo 0 > /proc/sys/user/max_user_namespaces && "
        'exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh",
         str(ADIT), "up", "--ephemeral", "--listen", "127.0.0.1:0"],
        env=adit.base, cwd=adit.folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode != 0
    assert "adit ready" not in done.stdout
    assert one_line(done.stderr), done.stderr
    assert re.search("root|user namespace|CAP_", done.stderr), "the line says what would help"


@pytest.mark.parametrize(
    "arguments",
    [["--listen", "nonsense"], ["--account", "12"], ["--account", "abcdefghijkl"], ["--config", "/nonexistent.toml"], ["--nonsense"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_wrong_option_is_refused(another, arguments):
    adit = another()
    done = subprocess.run(
        [str(ADIT), "up", "--ephemeral", *arguments],
        env=adit.base, cwd=adit.folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30,
    )
    assert done.returncode != 0
    assert "adit ready" not in done.stdout
    assert arguments[-1] in done.stderr, "the message names what was wrong"
    assert "panicked" not in done.stderr


def test_an_unknown_configuration_key_is_refused(another, tmp_path):
    config = tmp_path / "adit.toml"
    config.write_text('regoins = ["us-east-1"]\n')
    failure = failed_start(another(arguments=["--config", str(config)]))
    assert "regoins" in failure.stderr and str(config) in failure.stderr


# ---- who may ----------------------------------------------------------------------------------


COMMANDS = [
    ["reset"],
    ["down"],
    ["site", "create", "office", "--cidr", "192.168.0.0/24", "--vpc", "VPC"],
    ["run", "--subnet", "SUBNET", "--", "true"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "keys",
    [
        {"AWS_SECRET_ACCESS_KEY": "not/the/secret/but/just/as/long/as/it/was"},
        {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWNUNKNOWN00"},
    ],
    ids=["wrong secret", "unknown key"],
)
def test_client_commands_without_a_valid_key_are_refused(another, command, keys):
    adit = another().start()
    vpc = Vpc(adit)
    subnet = vpc.subnet()
    filled = [part.replace("VPC", vpc.id).replace("SUBNET", subnet) for part in command]
    with nothing_changed(adit):
        done = adit.adit(*filled, environment=adit.client_environment(**keys), check=False, timeout=30)
        assert done.returncode != 0
        assert done.stderr.strip()
        assert "panicked" not in done.stderr
    assert adit.running()


@pytest.mark.parametrize("command", COMMANDS + [["env"]], ids=lambda command: command[0])
def test_another_user_without_keys_is_refused(another, command):
    """The state directory's root key is for its owner alone."""
    adit = another().start()
    vpc = Vpc(adit)
    subnet = vpc.subnet()
    filled = [part.replace("VPC", vpc.id).replace("SUBNET", subnet) for part in command]
    program = adit.folder / "adit"
    shutil.copy(ADIT, program)
    nowhere = adit.folder / "nowhere"
    nowhere.mkdir(mode=0o700, exist_ok=True)
    os.chown(nowhere, NOBODY, NOBODY)
    environment = adit.client_environment(
        AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, ADIT_ROOT_ACCESS_KEY_ID=None, ADIT_ROOT_SECRET_ACCESS_KEY=None,
        HOME=str(nowhere), XDG_STATE_HOME=str(nowhere), XDG_RUNTIME_DIR=str(nowhere), TMPDIR=str(nowhere),
    )
    with nothing_changed(adit):
        done = subprocess.run(
            [program, *filled], env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=30, user=NOBODY, group=NOBODY, extra_groups=[],
        )
        assert done.returncode != 0
        assert one_line(done.stderr), done.stderr
        assert ROOT_SECRET_KEY not in done.stdout + done.stderr
    assert adit.running()


def test_an_unsigned_call_is_refused(adit):
    body = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16"
    with nothing_changed(adit):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(f"http://{adit.address}/", data=body), timeout=10)
        assert caught.value.code in (400, 401, 403)
        assert b"<Code>" in caught.value.read()


def test_client_commands_say_when_nobody_listens(another):
    adit = another()
    adit.address = f"127.0.0.1:{free_port()}"
    done = adit.adit("run", "--subnet", "subnet-00000000000000000", "--", "true", check=False)
    assert done.returncode != 0
    assert one_line(done.stderr), done.stderr
    assert adit.address in done.stderr


def test_the_endpoint_option_goes_before_the_environment(adit, vpc):
    subnet = vpc.subnet()
    wrong = adit.client_environment(ADIT_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    done = adit.adit("run", "--endpoint", f"http://{adit.address}", "--subnet", subnet, "--", "echo", "there", environment=wrong)
    assert done.stdout == "there\n"


# ---- side by side -----------------------------------------------------------------------------


def test_two_installations_on_one_host_do_not_see_each_other(another):
    """Same account, same VPC CIDR, same bucket name, same client address: two worlds."""
    worlds = [another().start(), another().start()]
    hosts = []
    try:
        for number, adit in enumerate(worlds):
            vpc = Vpc(adit)
            subnet, endpoint, _ = vpc.private_subnet_with_gateway()
            adit.s3.create_bucket(Bucket="same-name")
            adit.s3.put_object(Bucket="same-name", Key="which", Body=f"world {number}".encode())
            hosts.append(adit.host(subnet).__enter__())
        for number, host in enumerate(hosts):
            assert host.s3("get_object", Bucket="same-name", Key="which").data["Body"] == f"world {number}".encode()
        assert worlds[0].terminate() == 0
        assert hosts[1].s3("get_object", Bucket="same-name", Key="which", options={"fresh": True}).ok, (
            "the end of one installation does not touch the other"
        )
    finally:
        for host in hosts:
            host.__exit__()


def test_one_installations_keys_open_nothing_in_another(adit, another):
    other = another(
        environment={"ADIT_ROOT_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHER0", "ADIT_ROOT_SECRET_ACCESS_KEY": "other" * 8},
    ).start()
    client = boto3.session.Session().client(
        "ec2", endpoint_url=f"http://{other.address}", region_name="us-east-1",
        aws_access_key_id=ROOT_ACCESS_KEY, aws_secret_access_key=ROOT_SECRET_KEY,
    )
    with pytest.raises(ClientError) as caught:
        client.describe_vpcs()
    assert caught.value.response["Error"]["Code"] == "AuthFailure"
