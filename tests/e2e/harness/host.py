"""A host inside a subnet or site: an agent process started by `adit run`, told what to do."""

import base64
import json
import os
import queue
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from .programs import INSIDE, PYTHON

# Cold start of a Python with boto3 on a busy machine.
START_SECONDS = 60


@dataclass
class Reply:
    """What an S3 call brought: the answer, or AWS's error, or why there was none."""

    ok: bool
    data: dict = field(default_factory=dict)
    code: str = ""
    status: int = 0
    message: str = ""
    request_id: str = ""
    failure: str = ""

    def __str__(self):
        if self.ok:
            return f"ok {self.data}"
        return f"{self.code or self.failure} ({self.status}): {self.message}"


@dataclass
class Answer:
    """A DNS answer."""

    rcode: str
    addresses: list
    ttls: list
    names: list
    truncated: bool = False


class Gone(AssertionError):
    """The host's process ended while the test still needed it."""


class Host:
    """Use it in a `with` block; the network interface goes away at the end of it."""

    def __init__(self, installation, where, environment):
        self.installation = installation
        self.where = where
        self.environment = environment or {}

    def __enter__(self):
        exports = {
            name: value
            for name, value in self.installation.env().items()
            # `adit run` must bring its own; a stale endpoint must not reach the client by us.
            if name != "AWS_CA_BUNDLE"
        }
        environment = self.variables_of(self.installation.client_environment() | exports | self.environment)
        self.process = subprocess.Popen(
            self.command(),
            env=environment,
            cwd=self.installation.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **self.installation._as_user(),
        )
        self._errors = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put), daemon=True).start()
        self._error_reader = threading.Thread(
            target=self._read, args=(self.process.stderr, self._errors.append), daemon=True
        )
        self._error_reader.start()
        hello = self._receive(START_SECONDS)
        self.pid = hello["pid"]
        self.variables = hello["environment"]
        self.addresses = hello["addresses"]
        self.address = self.addresses[0] if self.addresses else None
        return self

    def command(self):
        """The command line that starts the agent on the host."""
        python, _ = self._python()
        agent = self._reachable(INSIDE / "agent.py")
        return [str(self.installation.program), "run", *self.where, "--", str(python), str(agent)]

    def variables_of(self, environment):
        """The agent's environment, from what the test and `adit env` say."""
        _, libraries = self._python()
        return environment | ({"PYTHONPATH": str(libraries)} if libraries else {})

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            self.status = self.process.wait(20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        finally:
            try:
                os.killpg(self.process.pid, 9)
            except ProcessLookupError:
                pass
            self.process.wait(10)

    @staticmethod
    def _read(stream, sink):
        for line in stream:
            sink(line)
        sink("")

    def _receive(self, seconds):
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise Gone(f"the host said nothing for {seconds} s\n{self.stderr()}") from None
        if not line:
            status = self.process.wait(20)
            self._error_reader.join(5)
            raise Gone(f"adit run ended with status {status}\n{self.stderr()}")
        return json.loads(line)

    def stderr(self):
        """What the host and `adit run` wrote on standard error."""
        return "".join(self._errors)

    def _python(self):
        """A Python that the installation's user can run, and where its libraries are if not inside."""
        if self.installation.user is None:
            return PYTHON, None
        libraries = self.installation.folder / "python"
        if not libraries.exists():
            copy_libraries(libraries)
        return Path("/usr/bin/python3"), libraries

    def _reachable(self, path):
        if self.installation.user is None:
            return path
        copy = self.installation.folder / path.name
        shutil.copy(path, copy)
        copy.chmod(0o644)
        return copy

    # ---- what a host can do -----------------------------------------------------------------

    def ask(self, *, patience=60, **what):
        """Sends one request to the agent and returns its answer, within `patience` seconds."""
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        answer = self._receive(patience + 10)
        if "trouble" in answer:
            raise AssertionError(f"the agent could not do {what.get('do')}: {answer['trouble']}")
        return answer

    def s3(self, operation, *, options=None, seconds=60, **arguments):
        """Calls a boto3 S3 method. `options`: endpoint, style, region, scheme, fresh, anonymous …"""
        body = arguments.get("Body")
        if isinstance(body, bytes):
            arguments["Body"] = {"base64": base64.b64encode(body).decode()}
        answer = self.ask(
            patience=seconds, do="s3", operation=operation, arguments=arguments, options=options or {}
        )
        reply = Reply(**answer)
        if "Body64" in reply.data:
            reply.data["Body"] = base64.b64decode(reply.data.pop("Body64"))
        return reply

    def lookup(self, name, kind="A", *, server=None, transport="udp"):
        """Asks the resolver of the host's own resolv.conf (or `server`) for a name."""
        return Answer(**self.ask(do="lookup", name=name, kind=kind, server=server, transport=transport))

    def connect(self, address, port=443, *, timeout=3):
        """Tries a TCP connection: `open`, `refused`, `timeout` or `unreachable`."""
        return self.ask(do="connect", address=address, port=port, timeout=timeout)["outcome"]

    def tls(self, server_name, *, address=None, port=443, timeout=10):
        """A TLS handshake verified against the CA bundle of the environment; the names certified."""
        return self.ask(do="tls", name=server_name, address=address, port=port, timeout=timeout)

    def get(self, url, *, method="GET", timeout=20):
        """A plain HTTP request without any SDK: status, headers and body."""
        return self.ask(do="http", url=url, method=method, timeout=timeout)

    def shell(self, *command, seconds=120, environment=None):
        """Runs a program on this host."""
        answer = self.ask(
            patience=seconds,
            do="shell",
            command=[str(part) for part in command],
            environment=environment or {},
            seconds=seconds,
        )
        return subprocess.CompletedProcess(command, answer["status"], answer["stdout"], answer["stderr"])


def copy_libraries(folder):
    """Copies what the agent imports, so that a user who cannot reach our environment can."""
    import boto3
    import botocore
    import dateutil
    import jmespath
    import s3transfer
    import six
    import urllib3

    folder.mkdir(mode=0o755)
    for module in (boto3, botocore, dateutil, jmespath, s3transfer, urllib3):
        source = Path(module.__file__).parent
        shutil.copytree(source, folder / source.name, ignore=_only_s3)
    shutil.copy(six.__file__, folder / "six.py")


def _only_s3(folder, names):
    if Path(folder).name == "data" and Path(folder).parent.name == "botocore":
        return [n for n in names if Path(folder, n).is_dir() and n not in ("s3", "sts")]
    return [n for n in names if n == "__pycache__"]
