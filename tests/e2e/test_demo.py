"""`adit demo`: one command shows who reaches which bucket by which way, and why."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from harness.installation import Installation, assert_gone, free_port, host_links, wait_until
from harness.network import Vpc
from harness.programs import ADIT, AWS


def environment(box, *, with_aws=False):
    """The demo's environment: with the AWS CLI on the path, or none, so that the built-in client works."""
    folders = box.base["PATH"].split(":")
    if with_aws:
        folders.insert(0, str(AWS.parent))
    else:
        folders = [folder for folder in folders if not os.path.exists(os.path.join(folder, "aws"))]
    return box.base | {"PATH": ":".join(folders), "TERM": "xterm-256color"}


def demo(folder, *, with_aws=False):
    """Runs the demo without a terminal, to its end."""
    box = Installation()
    try:
        return subprocess.run(
            [str(ADIT), "demo"], env=environment(box, with_aws=with_aws), cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=240,
        )
    finally:
        box.close()


@pytest.mark.heavy
@pytest.mark.parametrize("with_aws", [False, True], ids=["built-in client", "AWS CLI"])
def test_every_cell_is_as_expected(tmp_path, with_aws):
    done = demo(tmp_path, with_aws=with_aws)
    text = done.stdout
    assert done.returncode == 0, text + done.stderr
    assert "panicked" not in done.stderr
    assert "\x1b[" not in text, "no colour without a terminal"
    # The table: places, buckets, allowed and refused, the way, the statement that decided.
    assert re.search(r"\ballowed\b", text) and re.search(r"\b(refused|denied)\b", text), text
    for word in ("gateway", "interface", "internet"):
        assert word in text.lower(), f"the route `{word}` is not named\n{text}"
    for what in ("sourceVpce", "sourceVpc", "VpcSourceIp", "ResourceAccount|own account"):
        assert re.search(what, text, re.IGNORECASE), f"{what} is not shown\n{text}"
    assert re.search(r"vpce-0[0-9a-f]{16}", text)
    assert not re.search(r"not as expected|unexpected", text, re.IGNORECASE), text


def test_the_demo_leaves_nothing_behind(tmp_path):
    links = host_links()
    box = Installation()
    try:
        box.process = subprocess.Popen(
            [str(ADIT), "demo"], env=environment(box), cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        traces, deadline = set(), time.monotonic() + 240
        while box.process.poll() is None:
            assert time.monotonic() < deadline, "the demo does not end"
            traces |= box.traces()
            time.sleep(0.2)
        assert box.process.returncode == 0
        assert_gone(box, traces, links)
        assert list(tmp_path.iterdir()) == []
        assert [p for p in (box.folder / "tmp").rglob("*") if not p.is_dir()] == []
    finally:
        box.close()


def test_colour_on_a_terminal(tmp_path):
    box = Installation()
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            [str(ADIT), "demo"], env=environment(box), cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, start_new_session=True,
        )
        os.close(follower)
        seen, deadline = b"", time.monotonic() + 240
        while time.monotonic() < deadline:
            ready, _, _ = select.select([leader], [], [], 1)
            if ready:
                try:
                    part = os.read(leader, 65536)
                except OSError:
                    break
                if not part:
                    break
                seen += part
            elif process.poll() is not None:
                break
        assert process.wait(10) == 0, seen.decode(errors="replace")
        assert b"\x1b[" in seen
    finally:
        os.close(leader)
        box.close()


def test_keep_leaves_it_running_until_told(tmp_path):
    """`--keep` prints the table and stays; SIGINT ends it cleanly."""
    box = Installation()
    try:
        process = subprocess.Popen(
            [str(ADIT), "demo", "--keep"], env=environment(box), cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        box.process = process
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "adit env" in line or "ADIT_ENDPOINT" in line:
                break
        assert process.poll() is None, "".join(lines)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
        assert process.returncode in (0, 130), "".join(lines) + rest
        wait_until(lambda: not box.processes(), 10, "every process of the demo has ended")
    finally:
        box.close()


def test_the_demo_does_not_disturb_an_installation_that_runs(tmp_path, another):
    """It uses a port and a state of its own, whatever else is there."""
    adit = another(port=free_port()).start()
    vpc = Vpc(adit)
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [v["VpcId"] for v in adit.ec2.describe_vpcs()["Vpcs"]] == [vpc.id]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path, number):
    links = host_links()
    box = Installation()
    try:
        box.process = subprocess.Popen(
            [str(ADIT), "demo"], env=environment(box), cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        for line in box.process.stdout:
            if "+ VPC" in line:
                break
        traces = box.traces()
        box.process.send_signal(number)
        box.process.wait(20)
        wait_until(lambda: not box.processes(), 15, "every process of the demo has ended")
        assert_gone(box, traces, links)
    finally:
        box.close()
