"""The S3 front door beside other servers, and beside other proxies, in one run: CPU per request and per GiB.

    python run.py [front] [proxy] [checksum]

Needs what the end-to-end tests need (tests/e2e/requirements.txt) and the Debian packages wrk, curl, haproxy and
nginx-light; ADIT_BIN is a release binary. Every number is CPU time of the server's processes (user and system),
the median of interleaved rounds; only ratios of one run mean anything. Ends with each goal, its bar, and whether
it was reached; status 1 if one was not. As root all of it runs in a network namespace of its own, with Linux's
default congestion control for everybody (CONGESTION=bbr, say, sets another): a host's own may pace what never
leaves it, which costs a server the more the more often it writes.

front: 1 KiB GET and PUT, 64 MiB GET and PUT, presigned by a user with a policy, of a bucket with a policy; Adit's
       embedded store, s3s-fs (built here from crates.io), SeaweedFS, and a bare hyper server that answers the same
       bytes from memory and checks nothing.
proxy: GET through TLS to one plain HTTP upstream (nginx, static files); Adit, haproxy and nginx. Adit alone verifies
       a signature and decides by policies.
checksum: 64 MiB uploads to an upstream that keeps nothing, in unsigned chunks, with a CRC-64/NVME behind them and without.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "e2e"))

import boto3  # noqa: E402
from botocore.auth import S3SigV4QueryAuth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from harness.installation import ROOT_ACCESS_KEY, ROOT_SECRET_KEY, Installation, free_port, wait_until  # noqa: E402
from harness.upstream import ACCESS_KEY, SECRET_KEY, Upstream  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
KEYS = 200
CONGESTION = os.environ.get("CONGESTION", "cubic")
IN_NAMESPACE = "ADIT_BENCH_IN_NAMESPACE"
# The peer in Rust; what it does not do (no sync, no policies) is to its advantage.
S3S_FS = "0.14.1"
LARGE = 64 << 20
TRANSFERS = 6


class Goals:
    """What was to be reached, and what was."""

    def __init__(self):
        self.rows = []

    def most(self, name, reached, bar):
        """`reached` should be at most `bar`."""
        self.rows.append((name, reached, bar, reached <= bar))

    def told(self):
        """Prints them; whether all were reached."""
        print(f"\n{'goal':<66} {'reached':>8} {'bar':>7}")
        for name, reached, bar, holds in self.rows:
            print(f"{name:<66} {reached:8.3f} {bar:7.3f}  {'pass' if holds else 'MISSED'}")
        return all(holds for *_, holds in self.rows)


GOALS = Goals()


def tree(pid):
    """A process and everything below it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def cpu(pid):
    """CPU seconds of a process and its children, ended ones included."""
    total = 0
    for each in tree(pid):
        try:
            # The kernel's clock of another process: to the nanosecond, ended threads included.
            total += time.clock_gettime(~each << 3 | 2)
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(fields[at]) for at in (13, 14)) / os.sysconf("SC_CLK_TCK")
    return total


def peak_memory(pid):
    """The most memory a process tree had, in MiB."""
    total = 0
    for each in tree(pid):
        try:
            total += int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{each}/status").read_text()).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def spawn(command, **more):
    """Starts a server as the daemon is started: in a session of its own, which Linux schedules as one."""
    return subprocess.Popen(command, start_new_session=True, **more)


class Server:
    """A server under test: its process, and presigned URLs of small and large objects."""

    def __init__(self, name, pid, s3=None, bucket=None, plain=None, like=None):
        """`plain`: of a server that checks nothing; it is asked by the same URLs as `like`, if that is given."""
        self.name, self.pid = name, pid
        if like:
            self.gets = [f"{plain}/{url.split('/', 3)[3]}" for url in like.gets]
            self.large = f"{plain}/{like.large.split('/', 3)[3]}"
            self.puts = self.large_put = None
            return
        if plain:
            self.gets, self.large = [f"{plain}/bench/k{n}" for n in range(KEYS)], f"{plain}/bench/large"
            self.puts = self.large_put = None
            return

        def sign(operation, key):
            return s3.generate_presigned_url(operation, {"Bucket": bucket, "Key": key}, ExpiresIn=86400)

        self.gets = [sign("get_object", f"k{n}") for n in range(KEYS)]
        self.puts = [sign("put_object", f"k{n}") for n in range(KEYS)]
        self.large, self.large_put = sign("get_object", "large"), sign("put_object", "large")

    def small(self, folder, method="GET"):
        """CPU microseconds per 1 KiB request; every answer must be a success."""
        urls = self.gets if method == "GET" else self.puts
        script = folder / f"{self.name}-{method}.lua"
        paths = ",\n".join('"' + url.split("/", 3)[3] + '"' for url in urls)
        body = 'wrk.body = string.rep("x", 1024)\n' if method == "PUT" else ""
        script.write_text(
            f'wrk.method = "{method}"\n{body}local paths = {{{paths}}}\nlocal at = 0\n'
            'request = function() at = at % #paths + 1; return wrk.format(nil, "/" .. paths[at]) end\n'
        )
        base = "/".join(urls[0].split("/", 3)[:3])
        before = cpu(self.pid)
        done = subprocess.run(
            ["wrk", "-t1", "-c8", f"-d{SECONDS}s", "-s", script, base], capture_output=True, text=True, check=True
        )
        spent = cpu(self.pid) - before
        count = int(re.search(r"(\d+) requests in", done.stdout).group(1))
        assert "Non-2xx" not in done.stdout and count > 10, done.stdout
        return spent / count * 1e6

    def big(self, folder, method="GET"):
        """CPU seconds per GiB of 64 MiB transfers."""
        before = cpu(self.pid)
        for _ in range(TRANSFERS):
            if method == "GET":
                command = ["curl", "-ksf", "-o", "/dev/null", self.large]
            else:
                command = ["curl", "-ksf", "-T", folder / "large", self.large_put]
            subprocess.run(command, check=True)
        return (cpu(self.pid) - before) / (TRANSFERS * LARGE / (1 << 30))


def client(url, key, secret, **more):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, read_timeout=120)
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret,
        config=config, **more,
    )


def fill(s3, bucket, folder):
    s3.create_bucket(Bucket=bucket)
    for n in range(KEYS):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x" * 1024)
    s3.upload_file(str(folder / "large"), bucket, "large")


def compare(title, unit, servers, measure, goals=()):
    """Interleaved rounds; prints medians, and the first as a multiple of everybody; `goals`: (name, peer, bar).
    Returns what was measured of each, by name."""
    taken = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            taken[server.name].append(measure(server))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    own = medians[servers[0].name]
    print(f"\n{title} ({unit}, median of {ROUNDS})")
    for name, value in medians.items():
        spread = f"{min(taken[name]):.3g}-{max(taken[name]):.3g}"
        print(f"  {name:<12} {value:10.3g}   adit/{name} = {own / value if value else float('inf'):.2f}   [{spread}]")
    for name, peer, bar in goals:
        GOALS.most(f"{name} {title}, of {peer}", own / medians[peer], bar)
    return taken


def s3s_program():
    """The peer in Rust, built if it is not."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "floor" / "target"))
    program = target / "peers" / "bin" / "s3s-fs"
    if not program.exists():
        subprocess.run(
            ["cargo", "install", "s3s-fs", "--version", f"={S3S_FS}", "--features", "binary", "--locked",
             "--root", target / "peers"],
            check=True,
        )
    return program


def s3s_fs(folder):
    """The peer in Rust on a directory of its own: its process and a client."""
    program = s3s_program()
    root, port = folder / "s3s", free_port()
    root.mkdir()
    process = spawn(
        [program, "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, "--host", "127.0.0.1", "--port", str(port), root],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"RUST_LOG": "error"},
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", url]).returncode == 0)
    return process, client(url, ACCESS_KEY, SECRET_KEY)


def user(adit):
    """A client of a user whose own policy lets it use the bucket, which has a policy of its own as well."""
    iam = adit.client("iam")
    iam.create_user(UserName="bench")
    allow = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::bench/*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    iam.put_user_policy(UserName="bench", PolicyName="bench", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    adit.s3.put_bucket_policy(Bucket="bench", Policy=json.dumps(BUCKET_POLICY))
    return client(f"http://{adit.address}", key["AccessKeyId"], key["SecretAccessKey"])


BUCKET_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bench/*",
            "Condition": {"StringEquals": {"aws:sourceVpce": "vpce-0"}},
        },
    ],
}
OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bench/open-*"}


def unsigned(adit, folder):
    """What is left when nothing is signed: the same objects, open to everybody."""
    adit.s3.delete_public_access_block(Bucket="bench")
    policy = BUCKET_POLICY | {"Statement": [*BUCKET_POLICY["Statement"], OPEN]}
    adit.s3.put_bucket_policy(Bucket="bench", Policy=json.dumps(policy))
    for n in range(KEYS):
        adit.s3.put_object(Bucket="bench", Key=f"open-{n}", Body=b"x" * 1024)
    server = Server("unsigned", adit.process.pid, plain=f"http://{adit.address}")
    server.gets = [f"http://{adit.address}/bench/open-{n}" for n in range(KEYS)]
    return server


def floor_program():
    """The bare hyper server, built."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "floor" / "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE / "floor", check=True)
    return target / "release" / "s3-front-floor"


def floor(size):
    """A bare hyper server that answers `size` bytes."""
    program = floor_program()
    port = free_port()
    process = spawn([program, f"127.0.0.1:{port}", str(size)])
    return process, f"http://127.0.0.1:{port}"


def front(folder):
    adit = Installation(state=folder / "state", arguments=["--planes", "none"]).start()
    adit.env()
    (folder / "md5.toml").write_text("[s3]\netag = 'md5'\n")
    more = ["--planes", "none", "--config", str(folder / "md5.toml")]
    hashing = Installation(state=folder / "md5", arguments=more).start()
    hashing.env()
    running = []
    try:
        with Upstream() as weed:
            own = client(f"http://{adit.address}", ROOT_ACCESS_KEY, ROOT_SECRET_KEY)
            fill(own, "bench", folder)
            fill(client(weed.url, ACCESS_KEY, SECRET_KEY), "bench", folder)
            small, small_url = floor(1024)
            running.append(small)
            large, large_url = floor(LARGE)
            running.append(large)
            peer, peer_s3 = s3s_fs(folder)
            running.append(peer)
            fill(peer_s3, "bench", folder)
            ours = Server("adit", adit.process.pid, user(adit), "bench")
            theirs = Server("seaweedfs", weed.process.pid, client(weed.url, ACCESS_KEY, SECRET_KEY), "bench")
            rust = Server("s3s-fs", peer.pid, peer_s3, "bench")
            bare_small = Server("bare-hyper", small.pid, plain=small_url, like=ours)
            bare_large = Server("bare-hyper", large.pid, plain=large_url, like=ours)
            for server in (ours, theirs, rust):
                # The expiry, which the signature covers: all three check it.
                wrong = server.gets[0].replace("X-Amz-Expires=86400", "X-Amz-Expires=86401")
                refused = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", wrong], capture_output=True)
                assert refused.stdout == b"403", f"{server.name} refuses what was not signed"
            compare(
                "1 KiB GET", "us CPU", [ours, theirs, rust, bare_small], lambda s: s.small(folder),
                [("F1", "bare-hyper", 2), ("F2", "s3s-fs", 1 / 5), ("F2", "seaweedfs", 1 / 40)],
            )
            open_to_all = unsigned(adit, folder)
            taken = compare(
                "1 KiB GET, signed or not", "us CPU", [ours, open_to_all, bare_small], lambda s: s.small(folder)
            )
            more = statistics.median(on - off for on, off in zip(taken["adit"], taken["unsigned"]))
            # On a slow machine microseconds mean little: there it is a share of what a bare server takes.
            bar = max(3, 0.35 * statistics.median(taken["bare-hyper"]))
            GOALS.most("F3 signature and user's policy, us", more, bar)
            compare(
                "1 KiB PUT, durable", "us CPU", [ours, theirs, rust], lambda s: s.small(folder, "PUT"),
                [("F6", "s3s-fs", 1 / 5)],
            )
            compare(
                "64 MiB GET", "CPU s/GiB", [ours, theirs, rust, bare_large], lambda s: s.big(folder),
                [("F4", "bare-hyper", 1.3), ("F4", "s3s-fs", 1 / 4), ("F4", "seaweedfs", 1)],
            )
            own = client(f"http://{hashing.address}", ROOT_ACCESS_KEY, ROOT_SECRET_KEY)
            fill(own, "bench", folder)
            # Told, and no goal: what it costs to have the MD5 of large single uploads as their tags, too.
            dearer = Server("adit-md5", hashing.process.pid, own, "bench")
            compare(
                "64 MiB PUT, durable", "CPU s/GiB", [ours, theirs, rust, dearer], lambda s: s.big(folder, "PUT"),
                [("F5", "s3s-fs", 1 / 2), ("F5", "seaweedfs", 1 / 6)],
            )
            peaks = memory(ours, theirs)
            GOALS.most("F7 peak memory of 32 transfers of 64 MiB, MiB", peaks["adit"], 96)
            GOALS.most("F7 the same, of seaweedfs", peaks["adit"] / peaks["seaweedfs"], 1 / 5)
    finally:
        for process in running:
            process.kill()
            process.wait()
        adit.close()
        hashing.close()


def memory(*servers):
    """The most memory with 32 transfers at once."""
    print("\n32 transfers of 64 MiB at once (peak MiB)")
    peaks = {}
    for server in servers:
        for each in tree(server.pid):
            try:
                Path(f"/proc/{each}/clear_refs").write_text("5")
            except OSError:
                pass
        transfers = [subprocess.Popen(["curl", "-sf", "-o", "/dev/null", server.large]) for _ in range(32)]
        assert all(transfer.wait() == 0 for transfer in transfers)
        peaks[server.name] = peak_memory(server.pid)
        print(f"  {server.name:<12} {peaks[server.name]:8.0f}")
    return peaks


def negotiated(url):
    """Version and cipher of TLS that a server and OpenSSL's defaults, which wrk has, agree on."""
    host = url.split("/")[2]
    told = subprocess.run(["openssl", "s_client", "-connect", host], input="", capture_output=True, text=True).stdout
    return re.search(r"New, (TLSv[0-9.]+), Cipher is (\S+)", told).groups()


def proxy(folder):
    files = folder / "www" / "bench"
    files.mkdir(parents=True)
    for n in range(KEYS):
        (files / f"k{n}").write_bytes(b"x" * 1024)
    os.link(folder / "large", files / "large")
    for path in (folder, folder / "www", files):
        path.chmod(0o755)
    certificate, key = folder / "c.pem", folder / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )
    (folder / "both.pem").write_text(certificate.read_text() + key.read_text())
    back, nginx_port, haproxy_port = free_port(), free_port(), free_port()
    common = "access_log off; keepalive_requests 1000000; sendfile on; tcp_nodelay on;"
    begin = "daemon off; master_process on; worker_processes 2; error_log {0}/{1}.log; pid {0}/{1}.pid; events {{}}"

    def nginx(name, http):
        path = folder / f"{name}.conf"
        path.write_text(begin.format(folder, name) + "\nuser root; http { " + common + http + " }\n")
        return spawn(["nginx", "-c", path, "-p", folder])

    running = [
        nginx("back", f"server {{ listen 127.0.0.1:{back}; root {folder}/www; location = /bench {{ return 200; }} }}"),
        nginx(
            "proxy",
            f"upstream back {{ server 127.0.0.1:{back}; keepalive 64; keepalive_requests 1000000; }} "
            f"server {{ listen 127.0.0.1:{nginx_port} ssl; ssl_protocols TLSv1.3; "
            f"ssl_certificate {certificate}; ssl_certificate_key {key}; "
            "location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ''; "
            "proxy_buffering off; } }",
        ),
    ]
    (folder / "haproxy.cfg").write_text(
        "global\n  nbthread 2\n  maxconn 1000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n"
        f"  timeout server 60s\n  option http-keep-alive\n  http-reuse always\nfrontend f\n"
        f"  bind 127.0.0.1:{haproxy_port} ssl crt {folder}/both.pem ssl-min-ver TLSv1.3\n  default_backend b\n"
        f"backend b\n  server s 127.0.0.1:{back}\n"
    )
    running.append(spawn(["haproxy", "-f", folder / "haproxy.cfg"]))
    keys = folder / "keys"
    keys.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
    keys.chmod(0o600)
    (folder / "adit.toml").write_text(
        f"[[origin]]\nname = 'back'\nendpoint = 'http://127.0.0.1:{back}'\ncredentials = {{file = '{keys}'}}\n"
        f"[[origin.bucket]]\nname = 'bench'\n[[certificate]]\nnames = ['localhost']\n"
        f"certificate = '{certificate}'\nkey = '{key}'\n"
    )
    adit = Installation(arguments=["--planes", "none", "--config", str(folder / "adit.toml")]).start()
    adit.env()
    try:
        wait_until(lambda: subprocess.run(["curl", "-sf", f"http://127.0.0.1:{back}/bench/k0"], capture_output=True).returncode == 0)
        port = adit.address.split(":")[1]
        s3 = client(f"https://localhost:{port}", ROOT_ACCESS_KEY, ROOT_SECRET_KEY, verify=False)
        adit.s3.create_bucket(Bucket="bench")
        adit.s3.put_bucket_policy(Bucket="bench", Policy=json.dumps(BUCKET_POLICY))
        servers = [
            Server("adit", adit.process.pid, s3, "bench"),
            Server("haproxy", running[2].pid, plain=f"https://localhost:{haproxy_port}"),
            Server("nginx", running[1].pid, plain=f"https://localhost:{nginx_port}"),
        ]
        spoken = {server.name: negotiated(server.large) for server in servers}
        assert len(set(spoken.values())) == 1, spoken
        for title, unit, measure, bar in (
            ("1 KiB GET through TLS to HTTP", "us CPU", Server.small, 1.5),
            ("64 MiB GET through TLS to HTTP", "CPU s/GiB", Server.big, 1),
        ):
            taken = compare(title, unit, servers, lambda server, measure=measure: measure(server, folder))
            medians = {name: statistics.median(values) for name, values in taken.items()}
            better = min(medians["haproxy"], medians["nginx"])
            GOALS.most(f"{title}, of the better of haproxy and nginx", medians["adit"] / better, bar)
    finally:
        for process in running:
            process.terminate()
            process.wait()
        adit.close()


class Sink(BaseHTTPRequestHandler):
    """Storage that takes everything and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("ETag", '"a"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = answer

    def log_message(self, *_):
        pass


def framed(folder, name, trailer):
    """The large object as a body of chunks of 64 KiB, as SDKs frame it."""
    path = folder / name
    with open(folder / "large", "rb") as file, open(path, "wb") as out:
        while chunk := file.read(64 << 10):
            out.write(b"%x\r\n" % len(chunk) + chunk + b"\r\n")
        out.write(b"0\r\n" + trailer + b"\r\n")
    return path


class Upload:
    """A presigned upload in unsigned chunks, whose signature covers its headers."""

    def __init__(self, name, adit, path, trailer):
        self.name, self.pid, self.path = name, adit.process.pid, path
        self.headers = {
            "x-amz-decoded-content-length": str(LARGE),
            "Content-Encoding": "aws-chunked",
        } | trailer
        request = AWSRequest("PUT", f"http://{adit.address}/bench/large", headers=dict(self.headers))
        keys = Credentials(ROOT_ACCESS_KEY, ROOT_SECRET_KEY)
        S3SigV4QueryAuth(keys, "s3", "us-east-1", expires=86400).add_auth(request)
        self.url = request.url
        # In a URL's signature it would stand for the payload, which is not signed.
        self.headers["x-amz-content-sha256"] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def send(self):
        """CPU seconds per GiB."""
        command = ["curl", "-sSf", "-o", "/dev/null", "-T", self.path, self.url]
        for name, value in self.headers.items():
            command += ["-H", f"{name}: {value}"]
        # The clock ticks in hundredths of a second: enough transfers that one per cent is seen.
        count = TRANSFERS * 3
        before = cpu(self.pid)
        for _ in range(count):
            subprocess.run(command, check=True)
        return (cpu(self.pid) - before) / (count * LARGE / (1 << 30))


def checksum(folder):
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    Thread(target=sink.serve_forever, daemon=True).start()
    keys = folder / "keys"
    keys.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
    keys.chmod(0o600)
    path = folder / "sink.toml"
    path.write_text(
        f"[[origin]]\nname = 'sink'\nendpoint = 'http://127.0.0.1:{sink.server_port}'\n"
        f"credentials = {{file = '{keys}'}}\n[[origin.bucket]]\nname = 'bench'\n"
    )
    adit = Installation(state=folder / "proxying", arguments=["--planes", "none", "--config", str(path)]).start()
    adit.env()
    try:
        adit.s3.create_bucket(Bucket="bench")
        adit.s3.create_bucket(Bucket="kept-here")
        plain = adit.client("s3", request_checksum_calculation="when_required")
        with open(folder / "large", "rb") as body:
            value = plain.put_object(Bucket="kept-here", Key="large", Body=body)["ChecksumCRC64NVME"]
        name = "x-amz-checksum-crc64nvme"
        trailer = {"x-amz-trailer": name}
        with_it = Upload("with", adit, framed(folder, "with", f"{name}:{value}\r\n".encode()), trailer)
        without = Upload("without", adit, framed(folder, "without", b""), {})
        taken = compare("64 MiB PUT through, CRC-64/NVME", "CPU s/GiB", [with_it, without], Upload.send)
        part = 1 - statistics.median(taken["without"]) / statistics.median(taken["with"])
        GOALS.most("G4 the checksum's part of the request's CPU", part, 0.1)
        wrong = Upload("wrong", adit, framed(folder, "wrong", f"{name}:AAAAAAAAAAA=\r\n".encode()), trailer)
        try:
            wrong.send()
        except subprocess.CalledProcessError:
            return
        raise AssertionError("a wrong checksum was taken")
    finally:
        adit.close()
        sink.shutdown()


def into_namespace(which):
    """Runs this again in a network namespace of its own, once everything is built that comes over the network."""
    if "front" in which:
        s3s_program()
        floor_program()
    inside = "ip link set lo up && sysctl -qw net.ipv4.tcp_congestion_control=$1 && shift && exec \"$@\""
    command = ["unshare", "--net", "sh", "-c", inside, "sh", CONGESTION, sys.executable, *sys.argv]
    os.execvpe(command[0], command, os.environ | {IN_NAMESPACE: "1"})


def main():
    which = sys.argv[1:] or ["front", "proxy", "checksum"]
    if IN_NAMESPACE not in os.environ and os.geteuid() == 0:
        into_namespace(which)
    folder = Path(tempfile.mkdtemp(prefix="adit-bench-"))
    with open(folder / "large", "wb") as file:
        for _ in range(LARGE >> 20):
            file.write(os.urandom(1 << 20))
    try:
        if "front" in which:
            front(folder)
        if "proxy" in which:
            proxy(folder)
        if "checksum" in which:
            checksum(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if GOALS.told() else 1


if __name__ == "__main__":
    sys.exit(main())
