"""The network in the kernel: what others break there comes back, and the plan says what would change."""

import subprocess
import time
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
    assert lines(inside(vpc, "nft", "list", "ruleset")) == lines(whole)


@pytest.mark.parametrize("setting", ["net.ipv4.ip_forward"])
def test_settings_are_found_in_turn(adit, vpc, setting):
    inside(vpc, "sysctl", "-qw", f"{setting}=0")
    wait_until(lambda: plan(adit) == [], 10, "the setting is back")
