"""The network in the kernel: what others break there comes back, and the plan says what would change."""

import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from harness.expect import allowed
from harness.installation import wait_until


def inside(vpc, *command):
    """Runs a program of the machine in a VPC's router, as somebody with root could."""
    (namespace,) = Path("/run/adit").glob(f"*/{vpc.id}/{vpc.id}")
    return subprocess.run(
        ["nsenter", f"--net={namespace}", *command], capture_output=True, text=True, check=True
    ).stdout


def plan(adit):
    return adit.adit("net", "plan").stdout.splitlines()


def test_what_others_delete_is_back_within_a_second(adit, vpc):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    device = f"g-{endpoint[-12:]}"
    whole = inside(vpc, "nft", "list", "ruleset")
    with adit.host(subnet) as host:
        for command in (
            ["nft", "flush", "ruleset"],
            ["ip", "link", "del", device],
            ["ip", "link", "set", device, "down"],
            ["ip", "route", "del", "198.18.0.0/22", "table", "10002"],
            ["ip", "rule", "del", "pref", "10002"],
        ):
            inside(vpc, *command)
            start = time.monotonic()
            wait_until(lambda: plan(adit) == [], 5, f"{command} is made good")
            assert time.monotonic() - start < 1.5, command
            allowed(host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True}))
    # The same rules again, not just some; only their counters differ.
    counted = ("counter", "packets", "handle")
    lines = lambda text: [line for line in text.splitlines() if not any(word in line for word in counted)]
    # Sets stand in the order in which they were made, which a load at once changes.
    assert sorted(lines(inside(vpc, "nft", "list", "ruleset"))) == sorted(lines(whole))


@pytest.mark.parametrize("setting", ["net.ipv4.ip_forward"])
def test_settings_are_found_in_turn(adit, vpc, setting):
    inside(vpc, "sysctl", "-qw", f"{setting}=0")
    wait_until(lambda: plan(adit) == [], 10, "the setting is back")


def test_status_and_top_show_what_is(adit, vpc):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    shown = adit.adit("status").stdout
    lines = dict(line.split("\t")[:2] for line in shown.splitlines())
    assert lines["VPC endpoints"] == "1" and lines["buckets"] == "1" and "problem" not in lines
    assert {lines[f"plane {name}"] for name in ("net", "dns", "gateway")} == {lines["generation"]}
    with adit.host(subnet) as host:
        assert host.connect("192.0.2.1", 443, timeout=0.5) != "open"
        # Long enough that the rate is seen whenever the two looks are taken.
        host.s3("put_object", Bucket=bucket, Key="x", Body="x" * (4 << 20))
        table = adit.adit("top", "--interval", "0").stdout.splitlines()
        rows = {line.split("\t")[0]: line.split("\t") for line in table}
        assert rows[endpoint][5] == vpc.id and rows[endpoint][3] == endpoint
        (eni,) = [name for name in rows if name.startswith("eni-")]
        assert rows[eni][4] == subnet
        # The client keeps its connection; what the endpoint was refused and reset is nothing.
        assert int(rows[endpoint][6]) >= 1 and rows[endpoint][8:10] == ["0", "0"]


def paths(adit, *arguments):
    """What `adit paths` shows: rows by subnet and way, and the totals by way."""
    lines = [line.split("\t") for line in adit.adit("paths", *arguments).stdout.splitlines()]
    rows = {(line[0], line[1]): line[2:] for line in lines if line[0] not in ("from", "total")}
    totals = {line[1]: int(line[2]) for line in lines if line[0] == "total"}
    return rows, totals


def test_paths_tell_which_way_s3_takes(adit, vpc):
    """One subnet for each way: gateway, interface, NAT and public; each upload is counted on its own way, once."""
    bucket = adit.bucket()
    gateway_subnet, gateway, _ = vpc.private_subnet_with_gateway("10.0.1.0/24")
    interface_subnet = vpc.subnet("10.0.2.0/24", table=vpc.table())
    open_to_vpc = vpc.group("open", ingress=[("tcp", 443, "10.0.0.0/16")])
    endpoint = vpc.interface_endpoint(interface_subnet, groups=[open_to_vpc])
    public_subnet = vpc.public_subnet("10.0.3.0/24")
    allocation = adit.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = adit.ec2.create_nat_gateway(SubnetId=public_subnet, AllocationId=allocation)["NatGateway"]["NatGatewayId"]
    table = vpc.table()
    adit.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    nat_subnet = vpc.subnet("10.0.4.0/24", table=table)
    size = 1 << 20
    for subnet, options in [
        (gateway_subnet, {}),
        (interface_subnet, {"endpoint": endpoint.url}),
        (public_subnet, {}),
        (nat_subnet, {}),
    ]:
        with adit.host(subnet, public_ip=subnet == public_subnet) as host:
            allowed(host.s3("put_object", Bucket=bucket, Key=subnet, Body="x" * size, options=options))
    # The hosts are gone; what they sent is not.
    rows, totals = paths(adit, "--vpc", vpc.id)
    status = dict(line.split("\t")[:2] for line in adit.adit("status").stdout.splitlines())
    igw = vpc.internet_gateway()
    expected = {
        (gateway_subnet, "gateway"): gateway,
        (interface_subnet, "interface"): endpoint.id,
        (public_subnet, "public"): igw,
        (nat_subnet, "nat"): nat,
    }
    assert {key: row[0] for key, row in rows.items()} == expected
    for key, (_, sent, received, of) in rows.items():
        # A body of 1 MiB and its framing, once; the answers are small.
        assert size < int(sent) < 1.3 * size and 0 < int(received) < size // 4 and of == vpc.id, key
    assert set(totals) == {"gateway", "interface", "nat", "public"} and all(n > size for n in totals.values())
    # Of another VPC nothing is told, and `adit status` has the sums.
    assert paths(adit, "--vpc", "vpc-0123456789abcdef0") == ({}, dict.fromkeys(totals, 0))
    # Connections that close meanwhile add a little.
    assert all(0 <= int(status[f"S3 bytes by {way}"]) - total < 10_000 for way, total in totals.items())


UP_METRICS = "[metrics]\nlisten = '127.0.0.1:{port}'\n"


def test_endpoint_and_interface_counters_for_monitors(another):
    from harness.installation import free_port
    from harness.network import Vpc

    port = free_port()
    adit = another(config=UP_METRICS.format(port=port)).start()
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    with adit.host(subnet) as host:
        allowed(host.s3("put_object", Bucket=bucket, Key="x", Body="x" * (1 << 20)))

        # A closed port of the endpoint's service is refused by reset; another one is not there at all.
        assert host.connect("198.18.0.10", 81, timeout=1) != "open"

        def sample():
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
            found = {}
            for line in text.splitlines():
                if line.startswith("adit_") and endpoint in line or line.startswith("adit_interface_"):
                    found[line.rsplit(" ", 1)[0]] = float(line.rsplit(" ", 1)[1])
            return found

        def counted():
            now = sample()
            processed = [n for name, n in now.items() if name.startswith("adit_endpoint_bytes_processed_total")]
            out = [n for name, n in now.items() if "adit_interface_bytes_total" in name and 'direction="out"' in name]
            of_endpoint = lambda metric: sum(n for name, n in now.items() if name.startswith(f"adit_endpoint_{metric}{{"))
            connections = [of_endpoint(m) for m in ("active_connections", "new_connections_total", "rst_packets_received_total")]
            return processed and processed[0] > 1 << 20 and out and max(out) > 1 << 20 and min(connections) >= 1

        wait_until(counted, 15, "the bytes are counted")
