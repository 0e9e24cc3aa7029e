"""What exists already joins a subnet: by `adit attach`, and by the CNI plugin as a runtime drives it."""

import json
import os
import subprocess

import pytest
from harness.installation import wait_until
from harness.programs import ADIT


@pytest.fixture
def netns():
    """Makes network namespaces of its own names; they go at the end."""
    made = []

    def make(name):
        name = f"adit-test-{os.getpid()}-{name}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        made.append(name)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        return f"/run/netns/{name}"

    yield make
    for name in made:
        subprocess.run(["ip", "netns", "del", name], check=False)


def inside(path, *command, check=True):
    done = subprocess.run(["nsenter", f"--net={path}", *command], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def addresses(path, device="eth0"):
    shown = json.loads(inside(path, "ip", "-j", "addr", "show", "dev", device, check=False) or "[]")
    return [a["local"] for link in shown for a in link.get("addr_info", []) if a["family"] == "inet"]


def status(path, address):
    """The HTTP status of an anonymous request to S3 at an address, from inside a namespace."""
    return inside(
        path, "curl", "-s", "-o", "/dev/null", "-m", "3", "-w", "%{http_code}", f"http://{address}/", check=False
    )


def test_a_namespace_of_somebody_elses_becomes_a_host(adit, vpc, netns):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    path = netns("host")
    interface, address = adit.adit("attach", "--subnet", subnet, "--netns", path).stdout.split()
    assert addresses(path) == [address.split("/")[0]]
    assert status(path, "198.18.0.10") in ("403", "307", "200")
    (shown,) = adit.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    assert shown["PrivateIpAddress"] == address.split("/")[0]
    # Settings of the namespace are its owner's.
    assert inside(path, "cat", "/proc/sys/net/ipv6/conf/all/disable_ipv6").strip() == "0"

    adit.adit("detach", interface)
    assert addresses(path) == []
    again = netns("again")
    adit.adit("attach", interface, "--netns", again, "--device", "net1")
    assert addresses(again, "net1") == [address.split("/")[0]]
    adit.adit("detach", interface, "--delete")
    assert addresses(again, "net1") == []
    assert not [i for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"] if i["NetworkInterfaceId"] == interface]


def test_an_attachment_for_a_process_ends_with_it(adit, vpc):
    subnet = vpc.subnet()
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != own, 5, "the namespace is there")
        interface, address = adit.adit("attach", "--subnet", subnet, "--pid", str(process.pid)).stdout.split()
        assert addresses(f"/proc/{process.pid}/ns/net") == [address.split("/")[0]]
    finally:
        process.kill()
        process.wait()
    def is_gone():
        return not adit.ec2.describe_network_interfaces()["NetworkInterfaces"]
    wait_until(is_gone, 5, "the interface is gone")


def test_the_hosts_own_namespace_is_refused(adit, vpc):
    subnet = vpc.subnet()
    done = adit.adit("attach", "--subnet", subnet, "--netns", "/proc/self/ns/net", check=False)
    assert done.returncode != 0 and "host's own" in done.stderr
    assert not adit.ec2.describe_network_interfaces()["NetworkInterfaces"]


class Runtime:
    """Drives the plugin as a container runtime does: by the environment and standard input."""

    def __init__(self, adit, folder, subnet, **more):
        self.adit = adit
        self.plugin = folder / "adit-cni"
        self.plugin.symlink_to(ADIT)
        self.network = {
            "cniVersion": "1.1.0", "name": "storage", "type": "adit-cni", "subnet": subnet,
            "endpoint": adit.env()["AWS_ENDPOINT_URL"], **more,
        }

    def call(self, command, container=None, netns=None, ifname="eth0", **config):
        environment = {
            name: value for name, value in self.adit.client_environment().items() if not name.startswith("CNI_")
        } | {"CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin"}
        if container:
            environment |= {"CNI_CONTAINERID": container, "CNI_IFNAME": ifname}
        if netns:
            environment["CNI_NETNS"] = netns
        done = subprocess.run(
            [self.plugin], input=json.dumps(self.network | config), env=environment, capture_output=True, text=True,
            timeout=30, check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else None


def test_the_cni_plugin(adit, vpc, netns, tmp_path):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    runtime = Runtime(adit, tmp_path, subnet)
    code, said = runtime.call("VERSION")
    assert code == 0 and "1.1.0" in said["supportedVersions"]
    assert runtime.call("STATUS")[0] == 0

    one, two = netns("one"), netns("two")
    code, result = runtime.call("ADD", "c1", one)
    assert code == 0, result
    assert result["cniVersion"] == "1.1.0"
    (ip,) = result["ips"]
    assert addresses(one) == [ip["address"].split("/")[0]] and ip["gateway"] == "10.0.1.1"
    assert result["interfaces"][0] | {"mac": ""} == {"name": "eth0", "mac": "", "sandbox": one}
    assert result["dns"]["nameservers"] == ["10.0.0.2"]
    assert status(one, "198.18.0.10") in ("403", "307", "200")
    assert runtime.call("CHECK", "c1", one, prevResult=result)[0] == 0
    assert runtime.call("ADD", "c2", two)[0] == 0

    # The runtime forgot c2; c1 stays.
    assert runtime.call("GC", **{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]})[0] == 0
    assert addresses(two) == [] and addresses(one) != []
    code, said = runtime.call("CHECK", "c2", two, prevResult=result)
    assert code == 1 and said["code"] == 3

    assert runtime.call("DEL", "c1", one)[0] == 0
    assert addresses(one) == []
    assert runtime.call("DEL", "c1", one)[0] == 0, "what is gone is gone"
    assert not adit.ec2.describe_network_interfaces()["NetworkInterfaces"]


def test_the_cni_plugin_says_what_is_wrong(adit, vpc, netns, tmp_path):
    runtime = Runtime(adit, tmp_path, "subnet-0123456789abcdef0")
    path = netns("wrong")
    code, said = runtime.call("ADD", "c1", path)
    assert code == 1 and said["code"] == 100 and "InvalidSubnetID.NotFound" in said["msg"]
    assert runtime.call("ADD", "c1")[1]["code"] == 4
    assert runtime.call("ADD", "c1", path, cniVersion="9.0.0")[1]["code"] == 1
    assert runtime.call("DANCE", "c1", path)[1]["code"] == 2
    runtime.network["subnet"] = vpc.subnet()
    assert runtime.call("ADD", "c1", "/no/such/file")[1]["code"] == 100
    assert not adit.ec2.describe_network_interfaces()["NetworkInterfaces"], "a failed ADD leaves nothing"
