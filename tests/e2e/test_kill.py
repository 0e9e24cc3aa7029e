"""Mixed work from many threads while the daemon is killed at random: nothing acknowledged is lost.

Half a minute in every run; `cargo xtask soak kill` runs it for ten.
"""

import hashlib
import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from harness.installation import wait_until

SECONDS = int(os.environ.get("ADIT_KILL_SECONDS", "25"))
THREADS = 24
KEYS = 5
GONE = None


def body_of(seed, size):
    """A body that tells its own seed and size, so that half of one is noticed."""
    head = f"{seed:032x}{size:016d}".encode()
    block = hashlib.sha256(head).digest()
    return (head + block * (size // 32 + 1))[: max(size, 48)]


def check(body):
    """The seed of a body, if it is whole."""
    seed, size = int(body[:32], 16), int(body[32:48])
    assert body == body_of(seed, size), f"a torn read of {len(body)} bytes"
    return seed


class Worker(threading.Thread):
    """Owns some keys, and knows for each what may be there: one thing, or two after an unanswered write."""

    def __init__(self, adit, bucket, number, going):
        super().__init__(daemon=True)
        self.adit, self.bucket, self.number, self.going = adit, bucket, number, going
        self.random = random.Random(number)
        self.may = {f"w{number}/k{n}": {GONE} for n in range(KEYS)}
        self.done = {"put": 0, "get": 0, "delete": 0, "multipart": 0, "unanswered": 0}
        self.trouble = None

    def run(self):
        try:
            s3 = self.adit.client("s3", read_timeout=20, connect_timeout=2, max_pool_connections=1)
            while self.going.is_set():
                self.step(s3)
        except BaseException as why:  # told by the test
            self.trouble = why

    def step(self, s3):
        kind = self.random.choices(["put", "get", "delete", "multipart"], [45, 35, 10, 10])[0]
        key = self.random.choice(list(self.may))
        if kind == "get":
            try:
                found = self.read(s3, key)
            except (BotoCoreError, OSError):
                return time.sleep(0.05)
            except ClientError as why:
                assert why.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, why
                return time.sleep(0.05)
            assert found in self.may[key], f"{key}: {found} is none of {self.may[key]}"
            self.done["get"] += 1
            return None
        seed = self.random.getrandbits(128) if kind != "delete" else GONE
        size = self.random.choice([48, 1000, 20_000, 40_000, 300_000])
        before = self.may[key]
        # From here on either may be there, whatever happens to the answer.
        self.may[key] = before | {seed}
        try:
            if kind == "put":
                s3.put_object(Bucket=self.bucket, Key=key, Body=body_of(seed, size))
            elif kind == "delete":
                s3.delete_object(Bucket=self.bucket, Key=key)
            else:
                self.multipart(s3, key, body_of(seed, size))
        except (BotoCoreError, OSError):
            self.done["unanswered"] += 1
            return time.sleep(0.05)
        except ClientError as why:
            # An upload may be answered by a daemon that never saw its beginning; nothing else may fail.
            code = why.response["Error"]["Code"]
            assert kind == "multipart" and code in ("NoSuchUpload", "InvalidPart") or code.startswith("Service"), why
            self.done["unanswered"] += 1
            return None
        self.may[key] = {seed}
        self.done[kind] += 1
        return None

    def multipart(self, s3, key, body):
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        part = s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=1, Body=body)
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        s3.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def read(self, s3, key):
        """The seed of what is there, or GONE."""
        try:
            return check(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except ClientError as why:
            if why.response["Error"]["Code"] == "NoSuchKey":
                return GONE
            raise


@pytest.mark.heavy
@pytest.mark.timeout(SECONDS + 240)
def test_nothing_acknowledged_is_lost_by_kills(another, tmp_path):
    adit = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    adit.env()
    bucket = adit.bucket()
    going = threading.Event()
    going.set()
    workers = [Worker(adit, bucket, number, going) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    kills, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until and not any(worker.trouble for worker in workers):
        time.sleep(random.uniform(0.5, 4))
        adit.kill_dash_nine()
        kills += 1
        adit.start()
    going.clear()
    for worker in workers:
        worker.join(60)
        if worker.trouble:
            raise worker.trouble
        assert not worker.is_alive()
    totals = {name: sum(worker.done[name] for worker in workers) for name in workers[0].done}
    print(f"{kills} kills in {SECONDS} s; {totals}")
    assert kills >= 3 and totals["put"] > 100 and totals["multipart"] > 10, totals
    s3 = adit.client("s3")
    there = set()
    for worker in workers:
        for key, may in worker.may.items():
            found = worker.read(s3, key)
            assert found in may, f"{key}: {found} is none of {may}"
            if found is not GONE:
                there.add(key)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    assert listed == there
    verified = adit.adit("objects", "verify")
    assert verified.stdout.endswith(" 0 problems\n"), verified.stdout
    # And from the disk alone, after one more kill.
    adit.kill_dash_nine()
    wait_until(lambda: not adit.running(), 5, "the daemon is gone")
    environment = {k: v for k, v in adit.client_environment().items() if k != "ADIT_ENDPOINT"}
    verified = adit.run([adit.program, "objects", "verify", "--state", adit.state], environment=environment)
    assert verified.stdout.endswith(" 0 problems\n"), verified.stdout
