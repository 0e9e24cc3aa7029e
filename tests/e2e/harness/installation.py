"""One running Adit: start it, talk to it, stop it, and leave nothing behind."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import boto3
from botocore.config import Config

from .host import Host
from .policies import document
from .programs import ADIT, AWS, plain_environment

ACCOUNT = "123456789012"
ROOT_ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
ROOT_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

READY = re.compile(r"^adit ready\b.*$")
ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+:\d+)")
START_SECONDS = 60


class DidNotStart(AssertionError):
    """`adit up` ended, or stayed silent, instead of becoming ready."""

    def __init__(self, status, stdout, stderr):
        super().__init__(f"adit up did not become ready (status {status})\n{stdout}\n{stderr}")
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


def free_port():
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=10, what="the condition"):
    """Waits for `condition()` to be true; a test that needs this says what it waits for."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds} s")
        time.sleep(0.05)


def host_links():
    """Names of the links and named namespaces of this host: a bad end would leave some."""
    named = Path("/run/netns")
    spaces = {f"netns {entry.name}" for entry in named.iterdir()} if named.exists() else set()
    return {entry.name for entry in Path("/sys/class/net").iterdir()} | spaces


def assert_gone(adit, traces, links):
    """No process, no file outside its folder, no link of the installation is left."""
    wait_until(lambda: not adit.processes(), 5, "every process of the installation has ended")
    assert [path for path in traces if path.exists()] == []
    assert host_links() - links == set()


def to_loopback(request, **_):
    """Sends a request for a name below `localhost`, which not every resolver knows, where it belongs."""
    host = urllib.parse.urlsplit(request.url).netloc
    if ".localhost:" in host:
        request.headers["Host"] = host
        request.url = request.url.replace(host, "127.0.0.1:" + host.rsplit(":", 1)[1], 1)


class Installation:
    """A daemon of our own in a folder of its own.

    By default an ephemeral one with known root keys on a free port. `state` makes it a durable
    one; `user` runs it (and its clients) as that user id; `arguments` are added to `adit up`, and
    `config` is the text of its configuration file.
    """

    def __init__(
        self,
        *,
        state=None,
        port=0,
        account=ACCOUNT,
        default_vpc=False,
        arguments=(),
        config=None,
        environment=None,
        daemon_environment=None,
        user=None,
        program=ADIT,
        fixed_keys=True,
    ):
        self.folder = Path(tempfile.mkdtemp(prefix="adit-e2e-"))
        self.folder.chmod(0o755)
        self.marker = secrets.token_hex(8)
        self.user = user
        self.program = Path(program)
        self.state = Path(state) if state else None
        self.port = port
        self.arguments = ["up"]
        if self.state:
            self.arguments += ["--state", str(self.state)]
        else:
            self.arguments += ["--ephemeral"]
        if account:
            self.arguments += ["--account", account]
        if default_vpc:
            self.arguments += ["--default-vpc"]
        self.arguments += arguments
        if config is not None:
            path = self.folder / "adit.toml"
            path.write_text(config)
            path.chmod(0o644)
            self.arguments += ["--config", str(path)]
        self.base = plain_environment() | {
            "ADIT_E2E": self.marker,
            "TMPDIR": str(self.make_folder("tmp")),
            "HOME": str(self.make_folder("home")),
            "XDG_STATE_HOME": str(self.make_folder("xdg-state")),
            "XDG_RUNTIME_DIR": str(self.make_folder("xdg-runtime")),
        }
        if fixed_keys:
            self.base |= {
                "ADIT_ROOT_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
                "ADIT_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
            }
        self.base |= environment or {}
        self.daemon_environment = self.base | (daemon_environment or {})
        self.fixed_keys = fixed_keys
        self.process = None
        self.ready_line = None
        self.address = None
        self.exports = None

    def make_folder(self, name):
        """A private folder below ours that the installation's user owns."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            os.chown(folder, self.user, self.user)
        return folder

    # ---- the daemon -------------------------------------------------------------------------

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Starts the daemon and waits for its ready line."""
        assert self.process is None or self.process.poll() is not None, "already running"
        self.stderr_path = self.folder / "stderr"
        self.stdout_path = self.folder / "stdout"
        command = [str(self.program), *self.arguments, "--listen", f"127.0.0.1:{self.port}"]
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                command,
                env=self.daemon_environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                **self._as_user(),
            )
        self._ready, self.ready_line, self._ended = threading.Event(), None, False
        self._reader = threading.Thread(target=self._read_stdout, args=(self.process, self._ready), daemon=True)
        self._reader.start()
        self._ready.wait(START_SECONDS)
        if self.ready_line is None:
            if self.process.poll() is None and not self._ended:
                self._kill_group()
            status = self.process.wait(10)
            self._reader.join(5)
            raise DidNotStart(status, self.stdout_text(), self.stderr_text())
        if self.port == 0 and self.state:
            # A durable installation is found again at the same address after a restart.
            self.port = int(self.address.rsplit(":", 1)[1])
        return self

    def _read_stdout(self, process, ready):
        with open(self.stdout_path, "ab") as copy:
            for raw in process.stdout:
                copy.write(raw)
                copy.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                if self.ready_line is None and READY.match(line):
                    found = ADDRESS.search(line)
                    assert found, f"no address in {line!r}"
                    self.address = found.group(1)
                    self.ready_line = line
                    ready.set()
        # The last words of a daemon that was killed may come after the next one was started.
        if self.process is process:
            self._ended = True
        ready.set()

    def running(self):
        """Whether the daemon's process is there."""
        return self.process is not None and self.process.poll() is None

    def terminate(self, seconds=30):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill_dash_nine(self):
        """SIGKILL for the daemon alone, as a crash would be: its children and namespaces stay."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def _kill_group(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        """Stops the daemon, whatever state the test left it in, and removes every trace."""
        try:
            if self.process is not None:
                if self.state and not self.running():
                    # What a crash left in the kernel is taken down by the next start.
                    try:
                        self.start()
                    except AssertionError:
                        pass
                if self.state and self.running():
                    try:
                        self.adit("down", check=False, timeout=30)
                        self.process.wait(10)
                    except (subprocess.TimeoutExpired, AssertionError):
                        pass
                if self.running():
                    try:
                        self.terminate(20)
                    except subprocess.TimeoutExpired:
                        pass
        finally:
            if self.process is not None:
                self._kill_group()
                self.process.wait(10)
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self):
        """Process ids that carry this installation's mark: the daemon, its children, its clients."""
        mark = f"ADIT_E2E={self.marker}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def traces(self):
        """Paths outside our folder that this installation made and must take away again."""
        found = set()
        if self.address:
            found.add(Path("/run/adit/by-address") / re.sub(r":", "_", self.address))
        for pid in self.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "--run-dir" in words:
                found.add(Path(words[words.index("--run-dir") + 1]))
        return {path for path in found if path.exists()}

    def stdout_text(self):
        """What the daemon wrote on standard output so far."""
        return self.stdout_path.read_text(errors="replace") if self.stdout_path.exists() else ""

    def stderr_text(self):
        """What the daemon wrote on standard error so far."""
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    # ---- clients ----------------------------------------------------------------------------

    def _as_user(self):
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def client_environment(self, **changes):
        """The environment of a client command: this daemon's address, its root key."""
        environment = self.base | {"ADIT_ENDPOINT": f"http://{self.address}"}
        if self.fixed_keys:
            environment |= {
                "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
            }
        environment |= changes
        return {name: value for name, value in environment.items() if value is not None}

    def run(self, command, *, environment=None, check=True, timeout=120, input=None):
        """Runs a program with the client environment; returns the completed process (text)."""
        done = subprocess.run(
            [str(part) for part in command],
            env=environment if environment is not None else self.client_environment(),
            cwd=self.folder,
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            **self._as_user(),
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def adit(self, *arguments, **options):
        """Runs an `adit` client command."""
        return self.run([self.program, *arguments], **options)

    def env(self):
        """The variables that `eval "$(adit env)"` sets, as a shell sees them."""
        if self.exports is None:
            script = 'eval "$("$0" env)"; env -0'
            shown = self.run(["bash", "-c", script, self.program]).stdout
            after = dict(item.split("=", 1) for item in shown.split("\0") if "=" in item)
            given = self.client_environment()
            self.exports = {
                name: value
                for name, value in after.items()
                if name.startswith(("AWS_", "ADIT_", "SSL_", "REQUESTS_", "CURL_", "NODE_"))
                and (given.get(name) != value or name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
            }
        return self.exports

    def client(self, service, *, region=None, key=None, secret=None, token=None, endpoint=None, **config):
        """A boto3 client for `service`, set up by what `adit env` prints."""
        exports = self.env()
        config.setdefault("retries", {"total_max_attempts": 1})
        config.setdefault("connect_timeout", 5)
        config.setdefault("read_timeout", 60)
        endpoint = endpoint or exports["AWS_ENDPOINT_URL"]
        prefixed = service == "s3control"
        if prefixed:
            # Clients put the account in front of the host, which must be a name for that.
            endpoint = endpoint.replace("127.0.0.1", "localhost")
        client = boto3.session.Session().client(
            service,
            endpoint_url=endpoint,
            region_name=region or exports["AWS_DEFAULT_REGION"],
            aws_access_key_id=key or exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or exports["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=token,
            verify=exports["AWS_CA_BUNDLE"],
            config=Config(**config),
        )
        if prefixed:
            client.meta.events.register("before-send", to_loopback)
        return client

    def client_of(self, service, credentials, **options):
        """A boto3 client with an access key or with `Credentials` as IAM and STS show them."""
        return self.client(
            service,
            key=credentials["AccessKeyId"],
            secret=credentials["SecretAccessKey"],
            token=credentials.get("SessionToken"),
            **options,
        )

    @property
    def ec2(self):
        """EC2, as the account's root."""
        return self._cached("ec2")

    @property
    def s3(self):
        """S3 on the API address (the public path), as the account's root."""
        return self._cached("s3")

    def _cached(self, service):
        cache = self.__dict__.setdefault("_clients", {})
        key = (service, self.address)
        if key not in cache:
            cache[key] = self.client(service)
        return cache[key]

    def aws(self, *arguments, check=True, timeout=120, **changes):
        """Runs the AWS CLI with what `adit env` prints in its environment."""
        environment = self.base | self.env() | changes
        return self.run([AWS, *arguments], environment=environment, check=check, timeout=timeout)

    def host(self, subnet=None, *, site=None, group=None, public_ip=False, environment=None):
        """A host in a subnet or site: `adit run` with an agent that does what the test says."""
        where = ["--site", site] if site else ["--subnet", subnet]
        if group:
            where += ["--security-group", group]
        if public_ip:
            where += ["--public-ip"]
        return Host(self, where, environment)

    # ---- what a test needs often ------------------------------------------------------------

    def bucket(self, name=None):
        """A new bucket, made on the public path."""
        name = name or f"bucket-{secrets.token_hex(6)}"
        self.s3.create_bucket(Bucket=name)
        return name

    def put_policy(self, bucket, *statements):
        """Sets the bucket's policy to these statements."""
        self.s3.put_bucket_policy(Bucket=bucket, Policy=document(*statements))

    def reset(self):
        """Back to the first state."""
        self.adit("reset")

    def decisions(self, request_id, seconds=5):
        """Every JSON line about one request in what the daemon wrote: output and files of its state."""
        def found():
            lines = []
            folders = [self.folder] + ([self.state] if self.state else [])
            for folder in folders:
                for path in folder.rglob("*"):
                    if path.is_file() and path.suffix in ("", ".json", ".jsonl", ".log", ".ndjson"):
                        try:
                            text = path.read_text(errors="replace")
                        except OSError:
                            continue
                        lines += [line for line in text.splitlines() if request_id in line]
            records = []
            for line in lines:
                try:
                    records.append(json.loads(line))
                except ValueError:
                    pass
            return records

        return wait_until(found, seconds, f"a decision record of request {request_id}")

