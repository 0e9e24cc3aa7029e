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
    assert lines(inside(vpc, "nft", "list", "ruleset")) == lines(whole)


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


UP_METRICS = "[metrics]\nlisten = '127.0.0.1:{port}'\n"


def test_endpoint_and_interface_counters_for_monitors(another, tmp_path):
    from harness.installation import free_port
    from harness.network import Vpc

    port = free_port()
    config = tmp_path / "adit.toml"
    config.write_text(UP_METRICS.format(port=port))
    adit = another(arguments=["--config", str(config)])
    adit.start()
    vpc = Vpc(adit)
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    with adit.host(subnet) as host:
        allowed(host.s3("put_object", Bucket=bucket, Key="x", Body="x" * (1 << 20)))

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
            return processed and processed[0] > 1 << 20 and out and max(out) > 1 << 20

        wait_until(counted, 15, "the bytes are counted")
