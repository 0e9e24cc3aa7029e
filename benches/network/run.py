"""The network in the kernel beside what the kernel itself asks, in one run: CPU per endpoint, TCP through a router.

    python run.py [endpoints] [router]

Needs root, what the end-to-end tests need (tests/e2e/requirements.txt), cargo for the floor, and the Debian packages
iproute2, nftables and util-linux; ADIT_BIN is a release binary. Everything happens in namespaces of the run's own.
Only ratios of one run mean anything.

endpoints: 1,000 interface endpoints with two subnets each, in 20 VPCs. After each call returns, one TLS handshake with
           the new endpoint's name from an instance of its VPC, first attempt, no retry. CPU of the daemon and its agent per
           endpoint (all of it, what handshakes cost taken off), over what the same objects cost by bare netlink
           messages, made in turns with them.
router:    one TCP connection, turns on one connection, and fresh connections, through a VPC's router with 1,000 ports
           whose security groups and network ACLs are full, over the same through a namespace that only forwards; in
           short turns, median of the rounds' ratios and the middle half of them. Both ends share one processor, which
           nobody else gets meanwhile (SCHED_FIFO): what is done in a second is then what a second of processor time
           does, the kernel's work for packets included, and a busy machine disturbs little.
"""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "e2e"))

from harness.installation import Installation  # noqa: E402
from harness.network import Vpc  # noqa: E402

VPCS = int(os.environ.get("VPCS", "20"))
EACH = int(os.environ.get("EACH", "50"))
PORTS = int(os.environ.get("PORTS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "31"))
SECONDS = os.environ.get("SECONDS_EACH", "0.2")
# The last processor, before all others' programs.
ALONE = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0))), "chrt", "--fifo", "20"]


def build():
    """The floor's program."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "floor" / "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE / "floor", check=True)
    return target / "release" / "network-floor"


def cpu(*pids):
    """CPU microseconds of whole processes so far, exact, ended threads included."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids) * 1e6


def agent_of(adit):
    """The process of the installation's network agent."""
    for pid in adit.processes():
        if b"net-agent" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return pid
    raise AssertionError("no network agent")


def inside(space, *command, by=()):
    done = subprocess.run([*by, "nsenter", f"--net={space}", *command], capture_output=True, text=True, check=True)
    return done.stdout


def inventory(space):
    """What a namespace holds, counted by kind."""
    def lines(*command):
        return len([line for line in inside(space, "ip", "-o", *command).splitlines() if line.strip()])

    return {
        "links": lines("link", "show", "type", "veth"),
        "addresses": lines("-4", "addr", "show", "scope", "global"),
        "routes": lines("-4", "route", "show", "table", "all"),
        "rules": lines("rule", "show"),
        "neighbours": lines("neigh", "show", "nud", "permanent"),
    }


# ---- endpoints --------------------------------------------------------------------------------


@contextlib.contextmanager
def raw(floor, folder):
    """The floor while the block runs: what makes one more endpoint and says its CPU, and a namespace of it."""
    spaces = folder / "raw"
    spaces.mkdir()
    command = ["unshare", "--mount", "--propagation", "private", floor, "raw", str(VPCS), spaces]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def one_more(router):
        process.stdin.write(f"{router}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        pid = process.stdout.readline().strip()
        yield one_more, f"/proc/{pid}/root{spaces}/raw-0-0"
    finally:
        process.stdin.close()
        process.wait()
        shutil.rmtree(spaces)


def endpoints(folder):
    floor = build()
    adit = Installation().start()
    try:
        adit.env()
        daemon, agent = adit.process.pid, agent_of(adit)
        good, spent, bare, took, wrong = 0, [0.0, 0.0], [], [], []
        with raw(floor, folder) as (one_more, bare_space):
            for number in range(VPCS):
                vpc = Vpc(adit)
                subnets = [vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")]
                group = vpc.group("https", ingress=[("tcp", 443, "10.0.0.0/16")])
                with adit.host(subnets[0]) as host:
                    start = [cpu(daemon), cpu(agent)]
                    for _ in range(EACH):
                        asked = time.monotonic()
                        endpoint = made(adit, vpc, subnets, group)
                        shake = host.tls(f"bucket.{endpoint}")
                        took.append(time.monotonic() - asked)
                        good += shake["ok"]
                        if not shake["ok"]:
                            wrong.append(f"{endpoint}: {shake['why']}")
                        # In turns, so that both find the machine in the same state.
                        bare.append(one_more(number))
                    middle = [cpu(daemon), cpu(agent)]
                    for _ in range(EACH):
                        assert host.tls(f"bucket.{endpoint}")["ok"]
                    end = [cpu(daemon), cpu(agent)]
                for at in range(2):
                    spent[at] += (middle[at] - start[at]) - (end[at] - middle[at])
            theirs, ours = inventory(bare_space), sample(agent)
    finally:
        adit.close()
    total, floor_each = VPCS * EACH, statistics.mean(bare)
    print("\n".join(wrong[:10]))
    print(f"first TLS handshakes after the call: {good} of {total} succeeded")
    print(f"CPU per endpoint / raw netlink: {sum(spent) / total / floor_each:.2f}")
    print(f"  of it the network agent {spent[1] / total / floor_each:.2f}, the daemon {spent[0] / total / floor_each:.2f}")
    print(f"call to handshake, slowest / median: {max(took) / statistics.median(took):.1f}")
    print(f"an endpoint's namespace: {ours}; raw: {theirs}")
    assert good == total


def made(adit, vpc, subnets, group):
    """Makes an endpoint; its first name."""
    answer = adit.ec2.create_vpc_endpoint(
        VpcId=vpc.id, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Interface", SubnetIds=subnets,
        SecurityGroupIds=[group], PrivateDnsEnabled=False,
    )
    return answer["VpcEndpoint"]["DnsEntries"][0]["DnsName"].removeprefix("*.")


def sample(agent):
    """What the namespace of some interface endpoint holds."""
    words = Path(f"/proc/{agent}/cmdline").read_bytes().decode().split("\0")
    shelf = Path(f"/proc/{agent}/root{words[words.index('--run-dir') + 1]}")
    spaces = sorted(path for path in shelf.glob("*/vpce-*"))
    return inventory(spaces[0])


# ---- router -----------------------------------------------------------------------------------


class Spaces:
    """Namespaces of this run; they go at the end of the block."""

    def __enter__(self):
        self.prefix, self.names = f"adit-bench-{os.getpid()}", []
        return self

    def make(self):
        name = f"{self.prefix}-{len(self.names)}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.names.append(name)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        return f"/run/netns/{name}"

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def bare_router(spaces):
    """Two hosts and a namespace that only forwards: the server's namespace and address, the client's."""
    left, router, right = spaces.make(), spaces.make(), spaces.make()
    inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for number, host in enumerate((left, right)):
        name = Path(host).name
        inside(router, "ip", "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        inside(router, "ip", "addr", "add", f"10.9.{number}.1/24", "dev", f"p{number}")
        inside(router, "ip", "link", "set", f"p{number}", "up")
        inside(host, "ip", "addr", "add", f"10.9.{number}.2/24", "dev", "eth0")
        inside(host, "ip", "link", "set", "eth0", "up")
        inside(host, "ip", "route", "add", "default", "via", f"10.9.{number}.1")
    return left, "10.9.0.2", right


def full_groups(vpc):
    """Five groups of sixty rules in each direction; the last rule of the last one lets the traffic pass."""
    groups = []
    for number in range(5):
        def rules(count):
            return [("tcp", 1 + at, f"172.{16 + number}.{at}.0/24") for at in range(count)]

        ingress, egress = rules(60), rules(60)
        if number == 4:
            ingress[-1] = egress[-1] = ("tcp", 5201, "10.0.0.0/16")
        groups.append(vpc.group(f"full-{number}", ingress=ingress, egress=egress))
    return groups


def full_acl(vpc, subnets):
    """Twenty entries in each direction, denials first; the traffic passes by the last one."""
    for subnet in subnets:
        acl = vpc.ec2.create_network_acl(VpcId=vpc.id)["NetworkAcl"]["NetworkAclId"]
        for egress in (False, True):
            for at in range(19):
                vpc.ec2.create_network_acl_entry(
                    NetworkAclId=acl, Egress=egress, RuleNumber=100 + at, Protocol="6", RuleAction="deny",
                    CidrBlock=f"192.0.{at}.0/24", PortRange={"From": 100 * at, "To": 100 * at + 50},
                )
            vpc.ec2.create_network_acl_entry(
                NetworkAclId=acl, Egress=egress, RuleNumber=200, Protocol="6", RuleAction="allow",
                CidrBlock="10.0.0.0/16", PortRange={"From": 1024, "To": 65535},
            )
        (held,) = vpc.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
        (association,) = [a for a in held["Associations"] if a["SubnetId"] == subnet]
        vpc.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)


def vpc_router(adit, spaces):
    """Two hosts of two subnets of a VPC, and as many further ports as make the number full."""
    vpc = Vpc(adit)
    subnets = [vpc.subnet("10.0.16.0/20"), vpc.subnet("10.0.32.0/20")]
    full_acl(vpc, subnets)
    groups = [word for group in full_groups(vpc) for word in ("--security-group", group)]
    hosts = []
    for number in range(PORTS):
        space = spaces.make()
        shown = adit.adit("attach", "--subnet", subnets[number % 2], "--netns", space, *groups).stdout
        if number < 2:
            hosts.append((space, shown.split()[1].split("/")[0]))
    (left, address), (right, _) = hosts
    return left, address, right


def drive(floor, kind, way):
    """What is done in a second."""
    _, address, client = way
    done, took = map(float, inside(client, floor, "load", kind, f"{address}:5201", SECONDS, by=ALONE).split())
    return done / took


def router(_):
    floor = build()
    with Spaces() as spaces:
        adit = Installation().start()
        servers = []
        try:
            adit.env()
            ways = {"vpc": vpc_router(adit, spaces), "bare": bare_router(spaces)}
            for server, _, _ in ways.values():
                command = [*ALONE, "nsenter", f"--net={server}", floor, "serve", "5201"]
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                servers.append(process)
                assert process.stdout.readline() == "ready\n"
            for kind, title in (("bulk", "one connection"), ("turns", "turns"), ("fresh", "fresh connections")):
                ratios = []
                for number in range(ROUNDS):
                    # Who begins takes turns as well.
                    order = list(ways) if number % 2 else list(reversed(ways))
                    taken = {way: drive(floor, kind, ways[way]) for way in order}
                    ratios.append(taken["vpc"] / taken["bare"])
                low, median, high = statistics.quantiles(ratios, n=4)
                print(f"{title:<18} VPC with {PORTS} ports / bare: {median:.2f} [{low:.2f}-{high:.2f}]", flush=True)
        finally:
            for process in servers:
                process.kill()
                process.wait()
            adit.close()


def main():
    folder = Path(tempfile.mkdtemp(prefix="adit-bench-"))
    try:
        which = sys.argv[1:] or ["endpoints", "router"]
        if "endpoints" in which:
            endpoints(folder)
        if "router" in which:
            router(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
