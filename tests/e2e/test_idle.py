"""Many connections that want nothing, and some that never finish asking: others are served as before.

A thousand and fifty in every run; `cargo xtask soak idle` holds 10,000 and 200.
"""

import os
import resource
import socket
import statistics
import threading
import time
import urllib.parse

import pytest
from harness.installation import wait_until

IDLE = int(os.environ.get("ADIT_IDLE", "1000"))
SLOW = max(IDLE // 50, 20)
# Other programs share the machine: a short run is only to notice what is grossly wrong.
FLOOR = 0.9 if IDLE >= 10_000 else 0.6
ROUNDS, WINDOW = (9, 1.0) if IDLE >= 10_000 else (5, 0.4)


class Getter:
    """Asks for one small object again and again on one connection."""

    def __init__(self, adit, url):
        parts = urllib.parse.urlsplit(url)
        self.request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        host, port = adit.address.split(":")
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once(self):
        self.socket.sendall(self.request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(65536)
        head, body = answer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200"), head
        while len(body) < 1024:
            body += self.socket.recv(65536)

    def rate(self, seconds):
        """Requests per second."""
        count, begun = 0, time.monotonic()
        while time.monotonic() - begun < seconds:
            self.once()
            count += 1
        return count / (time.monotonic() - begun)


def opened(adit, pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Resident memory in MiB."""
    with open(f"/proc/{pid}/status") as status:
        [line] = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def idle_connection(adit, request):
    host, port = adit.address.split(":")
    made = socket.create_connection((host, int(port)), 10)
    made.sendall(request)
    answer = made.recv(65536)
    assert answer.startswith(b"HTTP/1.1"), answer
    return made


class Slow(threading.Thread):
    """Connections that send a byte of their head now and then, and come again when they are closed."""

    def __init__(self, adit, count):
        super().__init__(daemon=True)
        self.adit, self.count, self.going, self.closed = adit, count, True, 0

    def connect(self):
        host, port = self.adit.address.split(":")
        made = socket.create_connection((host, int(port)), 10)
        made.setblocking(False)
        return made

    def run(self):
        sockets = [self.connect() for _ in range(self.count)]
        text = b"GET /bucket/key HTTP/1.1\r\nX-Slow: " + b"a" * 100_000
        at = [0] * self.count
        while self.going:
            for n, each in enumerate(sockets):
                try:
                    each.send(text[at[n] : at[n] + 1])
                    at[n] += 1
                except OSError:
                    each.close()
                    sockets[n], at[n] = self.connect(), 0
                    self.closed += 1
            time.sleep(0.25)
        for each in sockets:
            each.close()


@pytest.mark.heavy
def test_idle_and_slow_connections_cost_others_nothing(another):
    needed = IDLE + SLOW + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"not run: the limit of open files is {hard}, not {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    adit = another(arguments=["--planes", "none"]).start()
    adit.env()
    pid = adit.process.pid
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 1024)
    s3 = adit.client("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=3600)
    getter = Getter(adit, url)
    getter.rate(0.5)
    files, before_memory = opened(adit, pid), memory(pid)
    alone = [getter.rate(WINDOW) for _ in range(ROUNDS)]
    wanted = b"HEAD /bucket HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    idle = [idle_connection(adit, wanted) for _ in range(IDLE)]
    slow = Slow(adit, SLOW)
    slow.start()
    wait_until(lambda: opened(adit, pid) >= files + IDLE + SLOW, 20, "all connections are held")
    held_memory = memory(pid)
    beside = [getter.rate(WINDOW) for _ in range(ROUNDS)]
    still = opened(adit, pid) - files
    ratio = statistics.median(beside) / statistics.median(alone)
    slow.going = False
    slow.join(20)
    for each in idle:
        each.close()
    wait_until(lambda: opened(adit, pid) <= files + 5, 30, "every connection is gone")
    after_memory = memory(pid)
    print(
        f"{IDLE} idle and {SLOW} slow: {statistics.median(alone):.0f}/s alone, {statistics.median(beside):.0f}/s beside "
        f"({ratio:.2f}x); memory {before_memory:.0f} -> {held_memory:.0f} -> {after_memory:.0f} MiB; {slow.closed} closed"
    )
    assert still >= IDLE, "the idle ones are held"
    assert ratio >= FLOOR, f"{alone} alone, {beside} beside"
    # A connection that waits costs a few KiB.
    assert held_memory - before_memory < (IDLE + SLOW) * 32 / 1024 + 16
