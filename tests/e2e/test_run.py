"""`adit run`: any program as a host in a subnet."""

import ipaddress
import os
import shlex
import signal
import subprocess

import pytest
from harness.expect import nothing_changed
from harness.installation import wait_until
from harness.network import Vpc, s3_prefix_list


@pytest.fixture(scope="module")
def subnet(installation):
    """A subnet for tests that only look at the program."""
    installation.used = True
    return Vpc(installation).subnet()


def run(installation, subnet, *command, **options):
    return installation.adit("run", "--subnet", subnet, "--", *command, **options)


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_the_programs(installation, subnet, status):
    assert run(installation, subnet, "sh", "-c", f"exit {status}", check=False).returncode == status


def test_a_program_ended_by_a_signal_reads_as_a_shell_would_say(installation, subnet):
    done = run(installation, subnet, "sh", "-c", "kill -TERM $$", check=False)
    assert done.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_a_program_that_is_not_there(installation, subnet):
    with nothing_changed(installation):
        done = run(installation, subnet, "no-such-program-anywhere", check=False)
        assert done.returncode in (126, 127)
        assert "no-such-program-anywhere" in done.stderr


def test_standard_streams_pass_through_untouched(installation, subnet):
    data = os.urandom(1 << 20)
    done = subprocess.run(
        [installation.program, "run", "--subnet", subnet, "--", "sh", "-c", "echo oops >&2; exec cat"],
        input=data, capture_output=True, env=installation.client_environment(), timeout=60,
    )
    assert done.stdout == data and done.stderr == b"oops\n"


def test_arguments_arrive_as_they_were_given(installation, subnet):
    arguments = ["a b", "", "$HOME", "--subnet", "--", "*", "é", "-x"]
    done = run(installation, subnet, "printf", "%s\\n", *arguments)
    assert done.stdout == "".join(f"{a}\n" for a in arguments)


def test_the_environment_is_the_callers_without_endpoint_urls(installation, subnet):
    given = installation.client_environment(
        AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_ENDPOINT_URL_S3="http://127.0.0.1:2", AWS_ENDPOINT_URL_EC2="http://127.0.0.1:3",
        FLAVOUR="sweet", AWS_SESSION_TOKEN=None,
    )
    shown = run(installation, subnet, "env", "-0", environment=given).stdout
    seen = dict(item.split("=", 1) for item in shown.split("\0") if item)
    assert not [name for name in seen if name.startswith("AWS_ENDPOINT_URL")]
    assert seen["FLAVOUR"] == "sweet"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PATH", "HOME"):
        assert seen[name] == given[name]
    bundle = seen["AWS_CA_BUNDLE"]
    assert "BEGIN CERTIFICATE" in run(installation, subnet, "cat", bundle).stdout


def test_the_working_directory_is_the_callers(installation, subnet):
    assert run(installation, subnet, "pwd").stdout.strip() == str(installation.folder)


def test_a_host_sees_its_own_interface_and_nobody_elses(installation, subnet):
    with installation.host(subnet) as host:
        (address,) = host.addresses
        assert ipaddress.ip_address(address) in ipaddress.ip_network("10.0.1.0/24")
        assert int(address.rsplit(".", 1)[1]) not in (0, 1, 2, 3, 255), "reserved addresses stay free"
        links = set(host.shell("ls", "/sys/class/net").stdout.split())
        devices = [line.split(":")[0].strip() for line in host.shell("cat", "/proc/net/dev").stdout.splitlines()[2:]]
        assert "lo" in devices and len(devices) == 2, (devices, links)


def test_hosts_have_addresses_of_their_own(installation, subnet):
    with installation.host(subnet) as a, installation.host(subnet) as b, installation.host(subnet) as c:
        assert len({a.address, b.address, c.address}) == 3


def test_the_interface_goes_away_with_the_program(installation, subnet):
    def interfaces():
        return installation.ec2.describe_network_interfaces()["NetworkInterfaces"]

    before = interfaces()
    run(installation, subnet, "true")
    assert interfaces() == before, "at once, when the command has returned"
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(
            [installation.program, "run", "--subnet", subnet, "--", "sleep", "60"],
            env=installation.client_environment(), start_new_session=True,
        )
        wait_until(lambda: len(interfaces()) == len(before) + 1, what="the interface of the host")
        process.send_signal(number)
        process.wait(10)
        wait_until(lambda: interfaces() == before, 10, f"the interface's end after {number.name}")
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_signals_reach_the_program(installation, subnet):
    process = subprocess.Popen(
        [installation.program, "run", "--subnet", subnet, "--", "sh", "-c",
         "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done"],
        env=installation.client_environment(), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "caught\n"
        assert process.wait(10) == 3
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize(
    "arguments",
    [
        ["--subnet", "subnet-00000000000000001"],
        ["--subnet", "nonsense"],
        ["--site", "nowhere"],
        ["--subnet", "SUBNET", "--security-group", "sg-00000000000000001"],
        ["--subnet", "SUBNET", "--site", "office"],
        [],
    ],
    ids=["unknown subnet", "malformed subnet", "unknown site", "unknown group", "both", "neither"],
)
def test_a_wrong_place_is_refused(installation, subnet, arguments):
    with nothing_changed(installation):
        filled = [a.replace("SUBNET", subnet) for a in arguments]
        done = installation.adit("run", *filled, "--", "echo", "ran", check=False)
        assert done.returncode != 0 and "ran" not in done.stdout
        assert done.stderr.strip() and "panicked" not in done.stderr


def test_a_full_subnet_says_so(adit, vpc):
    """A /28 has eleven addresses to give."""
    subnet = vpc.subnet("10.0.1.0/28")
    processes = []
    try:
        for _ in range(11):
            processes.append(subprocess.Popen(
                [adit.program, "run", "--subnet", subnet, "--", "sleep", "60"],
                env=adit.client_environment(), start_new_session=True,
            ))
        wait_until(lambda: len(adit.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 11, 30, "eleven hosts")
        (shown,) = adit.ec2.describe_subnets()["Subnets"]
        assert shown["AvailableIpAddressCount"] == 0
        done = adit.adit("run", "--subnet", subnet, "--", "true", check=False)
        assert done.returncode != 0 and done.stderr.strip()
    finally:
        for process in processes:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for process in processes:
            process.wait(20)


# ---- security groups, with packets ------------------------------------------------------------


SERVER = (
    "import socket; s = socket.create_server(('0.0.0.0', {port})); print('up', flush=True)\n"
    "while True:\n    c, _ = s.accept(); c.sendall(b'hello'); c.close()"
)


def serve(host, port):
    """Starts a TCP server on a host, in the background."""
    script = shlex.quote(SERVER.format(port=port))
    host.shell("sh", "-c", f"python3 -c {script} </dev/null >/dev/null 2>&1 &")
    wait_until(lambda: host.connect(host.address, port) == "open", 20, "the server on a host")


def test_hosts_of_one_default_group_meet_and_others_do_not(adit, vpc):
    subnet = vpc.subnet()
    lonely = vpc.group("lonely")
    with adit.host(subnet) as server, adit.host(subnet) as friend, adit.host(subnet, group=lonely) as stranger:
        serve(server, 8080)
        assert friend.connect(server.address, 8080) == "open"
        assert stranger.connect(server.address, 8080, timeout=1) == "timeout"


def test_a_group_opens_ports_to_ranges(adit, vpc):
    first, second = vpc.subnet("10.0.1.0/24"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    group = vpc.group("web", ingress=[("tcp", 8080, "10.0.2.0/24")])
    lonely = vpc.group("lonely")
    with (
        adit.host(first, group=group) as server,
        adit.host(first, group=lonely) as near,
        adit.host(second, group=lonely) as far,
    ):
        serve(server, 8080)
        serve(server, 8081)
        assert far.connect(server.address, 8080) == "open"
        assert far.connect(server.address, 8081, timeout=1) == "timeout"
        assert near.connect(server.address, 8080, timeout=1) == "timeout"


def test_egress_by_prefix_list_lets_s3_through_and_nothing_else(adit, vpc):
    prefix_list, _ = s3_prefix_list(adit)
    table = vpc.table()
    subnet = vpc.subnet(table=table)
    vpc.gateway_endpoint(table)
    only_s3 = vpc.group("only-s3", egress=[("tcp", 443, prefix_list)])
    nothing = vpc.group("nothing", egress=[])
    with adit.host(subnet, group=only_s3) as host, adit.host(subnet, group=nothing) as closed:
        assert host.s3("list_buckets").ok, "name lookups are not filtered"
        address = host.lookup("s3.us-east-1.amazonaws.com").addresses[0]
        assert host.connect(address, 80, timeout=1) == "timeout"
        assert closed.connect(address, 443, timeout=1) == "timeout"


def test_an_endpoints_group_filters(adit, vpc):
    subnet = vpc.subnet()
    member, outsider = vpc.group("member"), vpc.group("outsider")
    door = vpc.group("door", ingress=[("tcp", 443, member)])
    endpoint = vpc.interface_endpoint(subnet, groups=[door])
    (address,) = endpoint.addresses
    with adit.host(subnet, group=member) as inside, adit.host(subnet, group=outsider) as outside:
        assert inside.connect(address) == "open"
        assert inside.connect(address, 80, timeout=1) == "timeout"
        assert outside.connect(address, timeout=1) == "timeout"
        adit.ec2.authorize_security_group_ingress(GroupId=door, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.0.0.0/16")
        assert outside.connect(address) == "open"


def test_without_a_default_group_rule_the_endpoint_is_closed_to_strangers(adit, vpc):
    """The endpoint has the VPC's default group: members come in, others do not."""
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet)
    (address,) = endpoint.addresses
    with adit.host(subnet) as member, adit.host(subnet, group=vpc.group("other")) as other:
        assert member.connect(address) == "open"
        assert other.connect(address, timeout=1) == "timeout"


def test_a_forged_source_address_does_not_get_through(adit, vpc):
    """A host that gives itself a neighbour's address reaches nothing with it."""
    subnet, _, _ = vpc.private_subnet_with_gateway()
    forge = (
        "import socket, sys\n"
        "s = socket.socket(); s.settimeout(1)\n"
        "s.setsockopt(socket.SOL_IP, 19, 1)\n"  # IP_TRANSPARENT: bind to an address that is not ours
        "s.bind((sys.argv[1], 0))\n"
        "s.connect((sys.argv[2], 443))\n"
    )
    with adit.host(subnet) as host, adit.host(subnet) as neighbour:
        address = host.lookup("s3.us-east-1.amazonaws.com").addresses[0]
        assert host.connect(address) == "open"
        done = host.shell("python3", "-c", forge, neighbour.address, address)
        assert done.returncode != 0, "a connection with a neighbour's address was accepted"
