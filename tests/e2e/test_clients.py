"""Real clients inside a VPC, through both types of endpoint, against both kinds of origin.

Two of the four combinations by default, all of them with ADIT_CLIENTS=all, and the sizes of a long run with
ADIT_CLIENTS=long. A client that is not on this machine is reported as skipped, by name.
"""

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from harness.installation import Installation
from harness.network import Vpc
from harness.programs import AWS, INSIDE, PYTHON
from harness.upstream import Upstream

WHICH = os.environ.get("ADIT_CLIENTS", "some")
LONG = WHICH == "long"
PAIRS = [("gateway", "embedded"), ("interface", "upstream"), ("gateway", "upstream"), ("interface", "embedded")]
if WHICH == "some":
    PAIRS = PAIRS[:2]

# Where the JavaScript SDK is kept between runs.
MODULES = Path(os.environ.get("ADIT_NODE_MODULES", Path.home() / ".cache" / "adit-e2e-node"))
SDK = "@aws-sdk/client-s3@3.1175.0"


@pytest.fixture(scope="module")
def installation():
    with Upstream() as upstream, Installation(config=upstream.configuration({"name": "far-*"})) as running:
        yield running


@pytest.fixture(scope="module")
def hosts(installation):
    """A host behind a gateway endpoint and one behind an interface endpoint, with their endpoint URLs."""
    vpc = Vpc(installation, dns_hostnames=True)
    behind, _, _ = vpc.private_subnet_with_gateway("10.0.1.0/24")
    beside = vpc.subnet("10.0.2.0/24", table=vpc.table())
    group = vpc.group("s3", ingress=[("tcp", 443, "10.0.0.0/16")])
    endpoint = vpc.interface_endpoint(beside, groups=[group])
    with installation.host(behind) as first, installation.host(beside) as second:
        yield {
            "gateway": (first, "https://s3.us-east-1.amazonaws.com"),
            "interface": (second, endpoint.url),
        }


class Place:
    """A client's view: a host, the URL it is to use and a bucket."""

    def __init__(self, host, url, bucket, folder):
        self.host = host
        self.url = url
        self.bucket = bucket
        self.folder = folder

    def run(self, *command, seconds=300, **environment):
        """Runs a program on the host; it must succeed. Returns what it printed."""
        done = self.host.shell(*command, seconds=seconds, environment=environment | {"HOME": str(self.folder)})
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def files(self, count, size=2000):
        """A folder with files."""
        folder = self.folder / f"files-{count}"
        for number in range(count):
            path = folder / f"d{number % 5}" / f"f {number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
            # Clients compare times; some servers keep whole seconds only.
            os.utime(path, (time.time() - 100,) * 2)
        return folder


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request, installation, hosts):
    path, origin = request.param
    bucket = {"embedded": "near", "upstream": "far"}[origin] + f"-{path}"
    installation.s3.create_bucket(Bucket=bucket)
    return (*hosts[path], bucket)


@pytest.fixture
def place(pair, tmp_path):
    return Place(*pair, tmp_path)


def same(left, right):
    """Two folders hold the same files."""
    done = subprocess.run(["diff", "-r", left, right], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[:2000]


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"not run: {program} is not installed")


def test_aws_cli(place):
    def aws(*arguments):
        return place.run(AWS, "--endpoint-url", place.url, *arguments)

    made = f"s3://{place.bucket}-cli"
    aws("s3", "mb", made)
    large = place.folder / "large"
    with open(large, "wb") as file:
        file.truncate(5 << 30 if LONG else 20 << 20)
    aws("s3", "cp", large, f"{made}/large")
    aws("s3", "cp", f"{made}/large", place.folder / "back")
    subprocess.run(["cmp", large, place.folder / "back"], check=True)
    large.unlink()
    (place.folder / "back").unlink()
    files = place.files(2000 if LONG else 200)
    aws("s3", "sync", files, f"{made}/tree")
    assert len(aws("s3", "ls", "--recursive", f"{made}/tree/").splitlines()) == (2000 if LONG else 200)
    assert aws("s3", "sync", files, f"{made}/tree") == "", "nothing changed"
    aws("s3", "sync", f"{made}/tree", place.folder / "copy")
    same(files, place.folder / "copy")
    aws("s3", "cp", f"{made}/large", f"{made}/again")
    url = aws("s3", "presign", f"{made}/tree/d0/f 0.bin").strip()
    assert place.host.get(url)["status"] == 200
    aws("s3", "rm", "--recursive", made)
    aws("s3", "rb", made)


def test_boto3(place):
    assert "fine" in place.run(PYTHON, INSIDE / "client_boto3.py", place.bucket, place.url)


def test_javascript_sdk(place):
    needs("node", "npm")
    if not (MODULES / "node_modules" / "@aws-sdk" / "client-s3").exists():
        MODULES.mkdir(parents=True, exist_ok=True)
        (MODULES / "package.json").write_text('{"private": true}\n')
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", SDK],
            cwd=MODULES, capture_output=True, text=True,
        )
        if done.returncode != 0:
            pytest.skip(f"not run: npm cannot install {SDK}: {done.stderr[-200:]}")
    assert "fine" in place.run("node", INSIDE / "client_sdk.mjs", place.bucket, place.url, MODULES)


def rclone(place):
    """Runs rclone with a remote `s3:`."""
    def run(*arguments, **options):
        return place.run(
            # It cannot use a bundle that is named so.
            "env", "-u", "AWS_CA_BUNDLE", "rclone", *arguments, "--retries", "1",
            RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_S3_TYPE="s3", RCLONE_CONFIG_S3_PROVIDER="Other",
            RCLONE_CONFIG_S3_ENV_AUTH="true", RCLONE_CONFIG_S3_REGION="us-east-1",
            RCLONE_CONFIG_S3_ENDPOINT=place.url, RCLONE_CONFIG_S3_FORCE_PATH_STYLE="true",
            **options,
        )
    return run


def test_rclone(place, installation):
    needs("rclone")
    run = rclone(place)
    files, remote = place.files(60), f"s3:{place.bucket}/rclone"
    big = files / "big"
    big.write_bytes(os.urandom(12 << 20))
    run("copy", files, remote, "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M")
    run("check", files, remote)
    # In one request of more than 16 MiB: it gives the MD5, gets it as the tag, and compares.
    single = place.folder / "single"
    single.mkdir()
    (single / "large").write_bytes(os.urandom(17 << 20))
    run("copy", single, f"{remote}-single", "--s3-upload-cutoff", "100M")
    run("check", single, f"{remote}-single")
    if place.bucket.startswith("near"):
        tag = installation.s3.head_object(Bucket=place.bucket, Key="rclone-single/large")["ETag"]
        assert tag.strip('"') == hashlib.md5((single / "large").read_bytes()).hexdigest()
    run("purge", f"{remote}-single")
    (files / "d0" / "f 0.bin").write_bytes(b"changed")
    (files / "d1" / "f 1.bin").unlink()
    run("sync", files, remote)
    run("check", files, remote)
    run("copy", remote, place.folder / "back")
    same(files, place.folder / "back")
    run("purge", remote)


def test_s3cmd(place):
    needs("s3cmd")
    host = place.url.removeprefix("https://")

    def s3cmd(*arguments):
        variables = place.host.variables
        return place.run(
            "s3cmd", "--config=/dev/null", f"--host={host}", f"--host-bucket={host}", "--region=us-east-1",
            f"--ca-certs={variables['SSL_CERT_FILE']}", "--no-progress",
            f"--access_key={variables['AWS_ACCESS_KEY_ID']}", f"--secret_key={variables['AWS_SECRET_ACCESS_KEY']}",
            *arguments,
        )

    file = place.folder / "file"
    file.write_bytes(os.urandom(17 << 20))
    base = f"s3://{place.bucket}/s3cmd"
    s3cmd("put", file, f"{base}/file", "--multipart-chunk-size-mb=5")
    s3cmd("get", f"{base}/file", place.folder / "back")
    subprocess.run(["cmp", file, place.folder / "back"], check=True)
    # In one request, which it does not give the MD5 of: the tag is one that it does not compare.
    s3cmd("put", file, f"{base}/file", "--disable-multipart")
    s3cmd("get", "--force", f"{base}/file", place.folder / "back")
    subprocess.run(["cmp", file, place.folder / "back"], check=True)
    tree = place.files(20)
    s3cmd("sync", f"{tree}/", f"{base}/tree/")
    assert len(s3cmd("ls", "--recursive", f"{base}/tree/").splitlines()) == 20
    assert "MD5 sum" in s3cmd("info", f"{base}/tree/d0/f 0.bin")
    s3cmd("del", "--recursive", "--force", f"{base}/")
    assert s3cmd("ls", "--recursive", f"{base}/") == ""


def test_restic(place):
    needs("restic")
    files = place.files(30, 20_000)

    def restic(*arguments):
        return place.run(
            "restic", "--repo", f"s3:{place.url}/{place.bucket}/restic", "--no-cache",
            "--cacert", place.host.variables["SSL_CERT_FILE"], *arguments,
            RESTIC_PASSWORD="x", AWS_DEFAULT_REGION="us-east-1",
        )

    restic("init")
    restic("backup", files)
    restic("check", "--read-data")
    restic("restore", "latest", "--target", place.folder / "restored")
    same(files, place.folder / "restored" / str(files).lstrip("/"))


def test_pyarrow(place):
    assert "fine" in place.run(PYTHON, INSIDE / "client_arrow.py", place.bucket, place.url)


def test_duckdb(place):
    assert "fine" in place.run(PYTHON, INSIDE / "client_duckdb.py", place.bucket, place.url)


def can_mount():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        pytest.skip("not run: /dev/fuse cannot be opened")


def mounted(place, command, **environment):
    """Mounts in a mount namespace of its own, uses the file system, and looks at what it left."""
    script = f"""
    set -e
    mkdir -p {place.folder}/mnt
    {command}
    for n in $(seq 100); do mountpoint -q {place.folder}/mnt && break; sleep 0.1; done
    mountpoint -q {place.folder}/mnt || {{ cat {place.folder}/log >&2; exit 1; }}
    cd {place.folder}/mnt
    mkdir -p dir
    head -c 300000 /dev/urandom > dir/file
    cp dir/file dir/copy
    cmp dir/file dir/copy
    mv dir/copy dir/moved
    ls dir | sort | tr '\\n' ' '
    rm -r dir
    cd /
    umount {place.folder}/mnt
    wait
    """
    out = place.run("unshare", "--mount", "--propagation", "private", "bash", "-c", script, **environment)
    assert "file moved" in out


def test_rclone_mount(place):
    needs("rclone", "fusermount")
    can_mount()
    folder = place.folder
    environment = {
        "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "Other",
        "RCLONE_CONFIG_S3_ENV_AUTH": "true", "RCLONE_CONFIG_S3_REGION": "us-east-1",
        "RCLONE_CONFIG_S3_ENDPOINT": place.url, "RCLONE_CONFIG_S3_FORCE_PATH_STYLE": "true",
    }
    mounted(
        place,
        f"env -u AWS_CA_BUNDLE rclone mount s3:{place.bucket} {folder}/mnt --vfs-cache-mode writes --vfs-write-back 0s --cache-dir {folder}/c > {folder}/log 2>&1 &",
        **environment,
    )


def test_s3fs(place):
    needs("s3fs")
    can_mount()
    variables = place.host.variables
    keys = place.folder / "keys"
    keys.write_text(f"{variables['AWS_ACCESS_KEY_ID']}:{variables['AWS_SECRET_ACCESS_KEY']}\n")
    keys.chmod(0o600)
    # It trusts the system's folder of authorities only: in its own mount namespace that has ours.
    trusted = place.folder / "trusted"
    trusted.mkdir()
    shutil.copy(variables["SSL_CERT_FILE"], trusted / "adit.pem")
    mounted(
        place,
        f"mount --bind {trusted} /etc/ssl/certs\n"
        f"s3fs {place.bucket} {place.folder}/mnt -f -o url={place.url},use_path_request_style,endpoint=us-east-1"
        f" -o passwd_file={keys} -o retries=1 > {place.folder}/log 2>&1 &",
    )
