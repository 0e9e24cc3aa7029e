"""`adit demo`: one command shows who reaches which bucket by which way, and why."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from harness.installation import Installation, free_port, wait_until
from harness.programs import ADIT, AWS



def demo(folder, *arguments, with_aws=False, timeout=240):
    """Runs the demo without a terminal."""
    box = Installation()
    path = box.base.get("PATH", "")
    if with_aws:
        path = f"{AWS.parent}:{path}"
    else:
        # No AWS CLI anywhere on the way: the client that is built in.
        path = ":".join(p for p in path.split(":") if not os.path.exists(os.path.join(p, "aws")))
    try:
        return subprocess.run(
            [str(ADIT), "demo", *arguments], env=box.base | {"PATH": path}, cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout,
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
    for key in ("sourceVpce", "sourceVpc", "VpcSourceIp", "ResourceAccount"):
        assert key.lower() in text.lower(), f"the condition key {key} is not shown\n{text}"
    assert re.search(r"vpce-0[0-9a-f]{16}", text)
    assert not re.search(r"not as expected|unexpected", text, re.IGNORECASE), text


def test_the_demo_leaves_nothing_behind(tmp_path):
    from test_up import kernel_names

    before = kernel_names()
    box = Installation()
    try:
        done = subprocess.run(
            [str(ADIT), "demo"], env=box.base, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=240
        )
        assert done.returncode == 0
        wait_until(lambda: not box.processes(), 5, "every process of the demo has ended")
        assert kernel_names() - before == set()
        assert list(tmp_path.iterdir()) == []
        assert [p for p in (box.folder / "tmp").rglob("*") if not p.is_dir()] == []
    finally:
        box.close()


def test_colour_on_a_terminal(tmp_path):
    box = Installation()
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            [str(ADIT), "demo"], env=box.base | {"TERM": "xterm-256color"}, cwd=tmp_path,
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
            [str(ADIT), "demo", "--keep"], env=box.base, cwd=tmp_path, stdin=subprocess.DEVNULL,
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
    from harness.network import Vpc

    vpc = Vpc(adit)
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [v["VpcId"] for v in adit.ec2.describe_vpcs()["Vpcs"]] == [vpc.id]
