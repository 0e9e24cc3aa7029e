"""Hosts that Adit did not make: a network namespace of a test's own, behind a device that is lent."""

import ctypes
import os
import subprocess
from contextlib import contextmanager

from .host import Host
from .programs import INSIDE, PYTHON

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def call(result):
    """The result of a C function, or its error."""
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def own_network():
    """The calling thread, and what it starts from here on, has a network of its own: devices that a test makes
    for "the host" are seen by nobody else. Mounts are the machine's, as a daemon's are."""
    with open("/proc/thread-self/ns/net") as before:
        call(LIBC.unshare(CLONE_NEWNET))
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            call(LIBC.setns(before.fileno(), CLONE_NEWNET))


def ip(*words, check=True):
    """Runs `ip` here; what it printed."""
    done = subprocess.run(["ip", *map(str, words)], check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"ip {words}: {done.stderr}"
    return done.stdout


def device(name):
    """What is shown of a device of this network; nothing if it has none of this name."""
    return ip("-d", "-o", "link", "show", "dev", name, check=False)


class Box:
    """A machine of somebody else's: its network is a namespace, and it has a resolver file of its own."""

    def __init__(self, folder):
        self.resolver = folder / f"resolv-{os.urandom(4).hex()}.conf"
        self.resolver.write_text("")
        script = 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && ip link set lo up && echo ready && exec sleep 600'
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, str(self.resolver)],
            stdout=subprocess.PIPE, text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        """The machine is switched off."""
        self.process.kill()
        self.process.wait(10)

    def command(self, *words):
        """A command inside."""
        return ["nsenter", "-t", str(self.process.pid), "-n", "-m", "--", *map(str, words)]

    def run(self, *words, check=True):
        """Runs a command inside; what it printed."""
        done = subprocess.run(self.command(*words), check=False, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def cable(self, name, address, router, resolver):
        """A cable from the device `name` of this network to the machine, which is configured as its owner would."""
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.process.pid)
        self.run("ip", "address", "add", address, "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", router)
        self.resolver.write_text(f"nameserver {resolver}\n")

    def host(self, installation):
        """What a test tells a host of a subnet, told to this one."""
        return Behind(self, installation)


class Behind(Host):
    """The agent of [`Host`], in a box: nothing but names, routes and the CA tells it of Adit."""

    def __init__(self, box, installation):
        super().__init__(installation, [], None)
        self.box = box

    def command(self):
        """The agent's command line."""
        return self.box.command(PYTHON, INSIDE / "agent.py")

    def variables_of(self, environment):
        """The environment of a client that is told nothing but the CA."""
        bundle = self.installation.env()["AWS_CA_BUNDLE"]
        names = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"]
        kept = {name: value for name, value in environment.items() if not name.startswith("AWS_ENDPOINT_URL")}
        return kept | dict.fromkeys(names, bundle) | {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}

