"""The name plane beside other DNS servers with the same zone, in one run: CPU per query.

    python run.py [ENDPOINTS]

Needs the Debian packages nsd, knot, unbound, bind9 and dnsperf; a server that is not installed is left out. NAMES_BIN is
`target/release/examples/names` (`cargo build --release -p adit-daemon --example names`): the daemon's own name plane on
the daemon's own runtime, answering as a VPC's resolver does, without the kernel's part of an installation. Everything
happens on loopback, in a network namespace of the bench's own where it may make one. Each server has one worker; every
number is the CPU time of its processes, the median of interleaved rounds. Only ratios of one run mean anything, and
nothing else is printed. Ends with status 1 where a bar is missed.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = Path(os.environ.get("NAMES_BIN", ROOT / "target/release/examples/names"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "2"))
QUERIES = 50_000
APEX = "vpce.amazonaws.com"
IN_NAMESPACE = "ADIT_BENCH_NAMESPACE"

# Measured, compared with, and at most this: the goals of the name plane.
BARS = [
    ("mix / the better of nsd and knot", 1.0),
    ("wildcard / exact", 1.3),
    ("missing / exact", 1.3),
    ("100,000 endpoints / 100", 1.5),
]

NSD = """server:
 ip-address: 127.0.0.1@{port}
 server-count: 1
 database: ""
 username: ""
 zonesdir: "{folder}"
 pidfile: "{folder}/nsd.pid"
 xfrdfile: "{folder}/xfrd.state"
 zonelistfile: "{folder}/zone.list"
 rrl-ratelimit: 0
 rrl-whitelist-ratelimit: 0
remote-control:
 control-enable: no
zone:
 name: "{apex}"
 zonefile: "zone"
"""
KNOT = """server:
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  rundir: "{folder}"
database:
  storage: "{folder}/knot"
log:
  - target: stderr
    any: error
zone:
  - domain: {apex}
    storage: "{folder}"
    file: zone
    zonefile-sync: -1
    journal-content: none
"""
UNBOUND = """server:
 interface: 127.0.0.1@{port}
 num-threads: 1
 username: ""
 chroot: ""
 directory: "{folder}"
 pidfile: ""
 use-syslog: no
 module-config: "iterator"
remote-control:
 control-enable: no
auth-zone:
 name: "{apex}"
 zonefile: "zone"
 for-upstream: no
 for-downstream: yes
"""
BIND = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
 recursion no; pid-file none; session-keyfile none; minimal-responses yes; }};
controls {{ }};
zone "{apex}" {{ type primary; file "zone"; }};
"""
PEERS = {
    "nsd": (NSD, ["nsd", "-d", "-c"]),
    "knot": (KNOT, ["knotd", "-c"]),
    "unbound": (UNBOUND, ["unbound", "-d", "-c"]),
    "bind": (BIND, ["named", "-f", "-n", "1", "-c"]),
}


def free_port():
    """A port of loopback that is free for both transports."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def query(name):
    """A query for A records."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


class Server:
    """A server under test; `None` from `start` where it is not installed."""

    def __init__(self, name, command, folder, port):
        self.name, self.port = name, port
        self.log = folder / f"{name}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_for(self, name):
        """Until it answers with NOERROR: the zone is loaded."""
        deadline = time.monotonic() + 90
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.3)
            asking.connect(("127.0.0.1", self.port))
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    asking.send(query(name))
                    reply = asking.recv(2048)
                    if reply[3] & 15 == 0 and reply[7] > 0:
                        return
                    time.sleep(0.1)
                except OSError:
                    time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer: {self.log.read_text()}")

    def cpu(self):
        """CPU nanoseconds of all its threads so far."""
        total, waiting = 0, [self.process.pid]
        while waiting:
            try:
                for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                    total += int((task / "schedstat").read_text().split()[0])
                    waiting += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
        return total

    def cost(self, queries):
        """CPU nanoseconds per answered query of one run of dnsperf."""
        before = self.cpu()
        done = subprocess.run(
            ["dnsperf", "-s", "127.0.0.1", "-p", str(self.port), "-l", str(SECONDS), "-c", "4", "-T", "1", "-q", "100",
             "-d", str(queries)],
            capture_output=True, text=True, check=True, timeout=SECONDS + 60,
        )
        spent = self.cpu() - before
        (line,) = [line for line in done.stdout.splitlines() if "Queries completed:" in line]
        return spent / int(line.split()[2])

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(10)


def names_of(count):
    """Regional names of the endpoints, as `names zone` has them."""
    text = subprocess.run([NAMES, "zone", str(count)], capture_output=True, text=True, check=True).stdout
    owners = dict.fromkeys(line.split(" ")[0] for line in text.splitlines() if line.startswith("vpce-"))
    return text, [name.rstrip(".") for name in owners if "-us-east-1" not in name]


def question_files(folder, count, names):
    """A file of queries for each kind: 70 % exact, 28 % under wildcards and 2 % missing in the mix."""
    files = {}
    for kind in ("mix", "exact", "wildcard", "missing"):
        files[kind] = folder / f"{kind}-{count}"
        with open(files[kind], "w") as out:
            for n in range(QUERIES):
                name = names[n * 2_654_435_761 % len(names)]
                part = {"exact": 0, "wildcard": 80, "missing": 99}.get(kind, n % 100)
                asked = name if part < 70 else f"my-bucket-{n}.bucket.{name}" if part < 98 else f"missing-{n}.{APEX}"
                kind_of_record = "AAAA" if kind == "mix" and n % 10 == 7 else "A"
                out.write(f"{asked} {kind_of_record}\n")
    return files


def start_peers(folder):
    """The other servers, with the zone file `zone` in the folder."""
    (folder / "knot").mkdir()
    servers = []
    for name, (config, command) in PEERS.items():
        if shutil.which(command[0]) is None:
            print(f"{name} is not installed: left out")
            continue
        port = free_port()
        path = folder / f"{name}.conf"
        path.write_text(config.format(port=port, folder=folder, apex=APEX))
        servers.append(Server(name, [*command, str(path)], folder, port))
    return servers


def start_ours(folder, count):
    port = free_port()
    return Server(f"adit-{count}", [str(NAMES), "serve", str(port), str(count)], folder, port)


def measure(pairs):
    """Medians by key of (key, server, file) runs in interleaved rounds."""
    costs = {}
    for _ in range(ROUNDS):
        for key, server, queries in pairs:
            costs.setdefault(key, []).append(server.cost(queries))
    return {key: statistics.median(values) for key, values in costs.items()}


def run(folder, count):
    zone, names = names_of(count)
    (folder / "zone").write_text(zone)
    files = question_files(folder, count, names)
    small_files = question_files(folder, 100, names_of(100)[1])
    large_files = question_files(folder, 100_000, names_of(100_000)[1])
    servers = []
    try:
        ours = start_ours(folder, count)
        servers.append(ours)
        peers = start_peers(folder)
        servers += peers
        small, large = start_ours(folder, 100), start_ours(folder, 100_000)
        servers += [small, large]
        for server in [ours, *peers]:
            server.wait_for(names[0])
        for server, asked in ((small, small_files), (large, large_files)):
            server.wait_for(asked["exact"].read_text().split()[0])
        found = measure([(server.name, server, files["mix"]) for server in [ours, *peers]])
        # Together in the same rounds: what is compared shares the machine's mood.
        own = measure(
            [(kind, ours, files[kind]) for kind in ("exact", "wildcard", "missing")]
            + [("small", small, small_files["mix"]), ("large", large, large_files["mix"])]
        )
    finally:
        for server in servers:
            server.stop()
    base = found[ours.name]
    print(f"CPU per query, {count:,} endpoints, mix of exact, wildcard and missing names; medians of {ROUNDS} rounds")
    for peer in peers:
        print(f"  adit / {peer.name}: {base / found[peer.name]:.2f}")
    better = [found[name] for name in ("nsd", "knot") if name in found]
    ratios = [
        base / min(better) if better else None,
        own["wildcard"] / own["exact"],
        own["missing"] / own["exact"],
        own["large"] / own["small"],
    ]
    missed = 0
    for (what, bar), ratio in zip(BARS, ratios):
        if ratio is None:
            print(f"  {what}: not measured")
            missed += 1
            continue
        missed += ratio > bar
        print(f"  {what}: {ratio:.2f} (at most {bar}){' MISSED' if ratio > bar else ''}")
    return 1 if missed else 0


def main():
    # A namespace of its own: nobody else's traffic, and none of ours elsewhere.
    if not os.environ.get(IN_NAMESPACE) and shutil.which("unshare") and os.geteuid() == 0:
        inside = 'ip link set lo up && exec "$@"'
        command = ["unshare", "--net", "sh", "-c", inside, "sh", sys.executable, *sys.argv]
        raise SystemExit(subprocess.run(command, env=os.environ | {IN_NAMESPACE: "1"}).returncode)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="adit-dns-") as folder:
        raise SystemExit(run(Path(folder), count))


if __name__ == "__main__":
    main()
