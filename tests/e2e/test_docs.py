"""The command blocks of README.md and the guides, executed as a reader would.

Blocks marked `sh` run in one shell, in order. `sh background` is the other terminal: it must become
ready. `sh crash` kills the daemon and starts it again. A `text` block after a command block lists
lines, each of which must be part of that block's output.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import nullcontext

import pytest
from harness.behind import own_network
from harness.installation import Installation, free_port, wait_until
from harness.programs import ADIT, PYTHON, REPOSITORY

DOCUMENTS = [
    REPOSITORY / "README.md", *sorted((REPOSITORY / "docs/guide").glob("*.md")), REPOSITORY / "docs/on-premises-dns.md",
]

# Too large to run inside a test, and run anyway: by test_demo.py, and by whoever runs this file.
RUN_ELSEWHERE = {"cargo run --release -- demo", "cargo xtask test"}

# Documents that make devices of the host's.
OWN_NETWORK = {"interfaces.md"}

BLOCK = re.compile(r"^```(\S*)[ \t]*(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text):
    """(language, mark, body) of each fenced block."""
    return [match.groups() for match in BLOCK.finditer(text)]


class Reader:
    """A reader with two terminals, an empty home and a free port instead of 4566."""

    def __init__(self):
        self.box = Installation(fixed_keys=False)
        self.port = free_port()
        (self.box.folder / "bin").mkdir()
        (self.box.folder / "bin/adit").symlink_to(ADIT)
        self.work = self.box.make_folder("work")
        self.environment = self.box.base | {
            "PATH": f"{self.box.folder}/bin:{PYTHON.parent}:{self.box.base['PATH']}",
            "ADIT_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "PS4": "",
        }
        self.daemon = None
        self.command = None
        self.shell = subprocess.Popen(
            ["bash", "-e"], env=self.environment, cwd=self.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )

    def background(self, command):
        """The other terminal: `adit up …` on our port, until it is ready."""
        self.command = command
        log = self.box.folder / "daemon.log"
        listening = re.sub(r"\badit up\b", f"exec adit up --listen 127.0.0.1:{self.port}", command)
        with open(log, "w") as out:
            self.daemon = subprocess.Popen(
                ["bash", "-ec", listening], env=self.environment, cwd=self.work, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )

        def ready():
            assert self.daemon.poll() is None, log.read_text()
            return any(line.startswith("adit ready") for line in log.read_text().splitlines())

        wait_until(ready, 60, "the ready line")

    def crash(self):
        """kill -9, and the same command again."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait(10)
        self.background(self.command)

    def type(self, body):
        """Runs one block in the shell; returns its output."""
        end = f"end-of-block-{time.monotonic_ns()}"
        script = self.box.folder / "block.sh"
        script.write_text(body)
        # The commands must not read the shell's own input, which is the rest of the document.
        self.shell.stdin.write(f"source {shlex.quote(str(script))} </dev/null\necho {end}\n")
        self.shell.stdin.flush()
        seen = []
        for line in self.shell.stdout:
            if line.rstrip("\n").endswith(end):
                seen.append(line.rstrip("\n").removesuffix(end))
                return "".join(seen)
            seen.append(line)
        raise AssertionError(f"the shell gave up in\n{body}\n{''.join(seen)}")

    def close(self):
        for process in (self.shell, self.daemon):
            if process is not None and process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait(20)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    process.kill()
                    process.wait(10)
        self.box.close()


@pytest.mark.heavy
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_block_runs(document):
    # Devices that a document makes for "the host" are nobody else's.
    with own_network() if document.name in OWN_NETWORK else nullcontext():
        try:
            follow(document)
        finally:
            if document.name in OWN_NETWORK:
                subprocess.run("ip netns del machine; rm -rf /etc/netns/machine", shell=True, check=False, stderr=subprocess.DEVNULL)


def follow(document):
    """Does what a document says, in its order."""
    reader = Reader()
    output = None
    ran = 0
    try:
        for language, mark, body in blocks(document.read_text()):
            if language == "text" and output is not None:
                for line in body.splitlines():
                    assert line.strip() in output, f"{document.name}: {line!r} is not in\n{output}"
                output = None
            elif language != "sh":
                output = None
            elif body.strip() in RUN_ELSEWHERE:
                output = None
            elif mark == "background":
                reader.background(body)
                output = None
            elif mark == "crash":
                reader.crash()
                output = None
            else:
                assert mark == "", f"unknown mark {mark!r}"
                output = reader.type(body)
                ran += 1
        assert ran > 0, "a document without commands is not a guide"
        if reader.daemon is not None:
            assert reader.daemon.wait(20) == 0, "the document ends its daemon"
    finally:
        reader.close()


def test_links_between_documents_lead_somewhere():
    for document in [*DOCUMENTS, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "docs/compatibility.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_help_text_knows_every_command_of_the_documents():
    shown = subprocess.run([str(ADIT), "--help"], capture_output=True, text=True, timeout=20)
    assert shown.returncode == 0
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    for command in set(re.findall(r"`?adit (up|down|env|run|site|reset|demo)\b", text)):
        assert re.search(rf"^\s+{command}\b", shown.stdout, re.MULTILINE), command
