"""The story of the README, told with the AWS CLI alone: from nothing to 100 MiB through an endpoint."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from harness.network import S3_SERVICE
from harness.policies import BY_BUCKET_POLICY, document, only_unless

MEBIBYTE = 1 << 20


def query(adit, *command, query):
    """An AWS CLI call; the text of one value of its answer."""
    return adit.aws(*command, "--query", query, "--output", "text").stdout.strip()


@pytest.fixture(scope="module")
def story(installation):
    """Everything the story needs, made by AWS CLI commands; a dict of ids."""
    adit = installation
    installation.used = True
    made = {}

    def ec2(*command, query_=None):
        return query(adit, "ec2", *command, query=query_) if query_ else adit.aws("ec2", *command)

    made["vpc"] = ec2("create-vpc", "--cidr-block", "10.0.0.0/16", query_="Vpc.VpcId")
    made["private"] = ec2(
        "create-subnet", "--vpc-id", made["vpc"], "--cidr-block", "10.0.1.0/24",
        "--availability-zone", "us-east-1a", query_="Subnet.SubnetId",
    )
    made["other"] = ec2(
        "create-subnet", "--vpc-id", made["vpc"], "--cidr-block", "10.0.2.0/24",
        "--availability-zone", "us-east-1b", query_="Subnet.SubnetId",
    )
    made["table"] = ec2("create-route-table", "--vpc-id", made["vpc"], query_="RouteTable.RouteTableId")
    ec2("associate-route-table", "--route-table-id", made["table"], "--subnet-id", made["private"])
    # The other subnet keeps the main table: it leads to the internet, not to the endpoint.
    made["gateway"] = ec2("create-internet-gateway", query_="InternetGateway.InternetGatewayId")
    ec2("attach-internet-gateway", "--internet-gateway-id", made["gateway"], "--vpc-id", made["vpc"])
    main = ec2(
        "describe-route-tables", "--filters", f"Name=vpc-id,Values={made['vpc']}",
        "Name=association.main,Values=true", query_="RouteTables[0].RouteTableId",
    )
    ec2("create-route", "--route-table-id", main, "--destination-cidr-block", "0.0.0.0/0", "--gateway-id", made["gateway"])
    ec2("modify-subnet-attribute", "--subnet-id", made["other"], "--map-public-ip-on-launch")
    made["group"] = ec2(
        "create-security-group", "--group-name", "endpoint", "--description", "S3 endpoint",
        "--vpc-id", made["vpc"], query_="GroupId",
    )
    for cidr in ("10.0.0.0/16", "192.168.0.0/24"):
        ec2("authorize-security-group-ingress", "--group-id", made["group"], "--protocol", "tcp", "--port", "443", "--cidr", cidr)
    made["endpoint"] = ec2(
        "create-vpc-endpoint", "--vpc-id", made["vpc"], "--service-name", S3_SERVICE,
        "--route-table-ids", made["table"], query_="VpcEndpoint.VpcEndpointId",
    )
    made["interface"] = ec2(
        "create-vpc-endpoint", "--vpc-id", made["vpc"], "--service-name", S3_SERVICE, "--vpc-endpoint-type", "Interface",
        "--subnet-ids", made["private"], "--security-group-ids", made["group"], query_="VpcEndpoint.VpcEndpointId",
    )
    made["bucket"] = "first-light"
    adit.aws("s3", "mb", "s3://first-light")
    adit.aws("s3", "mb", "s3://for-the-site")
    adit.adit("site", "create", "office", "--cidr", "192.168.0.0/24", "--vpc", made["vpc"])
    only = only_unless("first-light", "StringNotEquals", "aws:sourceVpce", made["endpoint"])
    adit.aws("s3api", "put-bucket-policy", "--bucket", "first-light", "--policy", document(only))
    return made


def inside(adit, where, *command, check=True, timeout=280):
    """A command on a host of its own, as a person would type it after `eval "$(adit env)"`."""
    environment = adit.client_environment() | adit.env() | {"PATH": f"{os.path.dirname(os.sys.executable)}:{os.environ['PATH']}"}
    return adit.adit("run", *where, "--", *command, environment=environment, check=check, timeout=timeout)


@pytest.mark.heavy
def test_100_mib_through_the_gateway_endpoint_come_back_byte_for_byte(installation, story, tmp_path):
    data = tmp_path / "data"
    digest = hashlib.sha256()
    with open(data, "wb") as out:
        for _ in range(100):
            block = os.urandom(MEBIBYTE)
            digest.update(block)
            out.write(block)
    where = ["--subnet", story["private"]]
    inside(installation, where, "aws", "s3", "cp", data, "s3://first-light/data", "--no-progress")
    back = tmp_path / "back"
    inside(installation, where, "aws", "s3", "cp", "s3://first-light/data", back, "--no-progress")
    assert back.stat().st_size == 100 * MEBIBYTE
    assert hashlib.sha256(back.read_bytes()).hexdigest() == digest.hexdigest()
    listed = inside(installation, where, "aws", "s3", "ls", "s3://first-light/")
    assert str(100 * MEBIBYTE) in listed.stdout and "data" in listed.stdout


def test_the_same_command_from_a_subnet_without_the_route_is_refused_by_the_policy(installation, story, tmp_path):
    small = tmp_path / "small"
    small.write_text("small")
    done = inside(
        installation, ["--subnet", story["other"]], "aws", "s3", "cp", small, "s3://first-light/small", check=False
    )
    assert done.returncode != 0
    assert "(AccessDenied)" in done.stderr and BY_BUCKET_POLICY in done.stderr, done.stderr
    listed = inside(installation, ["--subnet", story["private"]], "aws", "s3", "ls", "s3://first-light/")
    assert "small" not in listed.stdout


def test_from_the_site_the_endpoints_own_name_works_with_tls_verified(installation, story, tmp_path):
    name = query(
        installation, "ec2", "describe-vpc-endpoints", "--vpc-endpoint-ids", story["interface"],
        query="VpcEndpoints[0].DnsEntries[0].DnsName",
    )
    assert name.startswith("*.vpce-")
    url = "https://bucket" + name.removeprefix("*")
    small = tmp_path / "small"
    small.write_text("from the site")
    site = ["--site", "office"]
    inside(installation, site, "aws", "s3", "cp", small, "s3://for-the-site/small", "--endpoint-url", url)
    listed = inside(installation, site, "aws", "s3", "ls", "s3://for-the-site/", "--endpoint-url", url)
    assert "small" in listed.stdout
    buckets = inside(installation, site, "aws", "s3", "ls", "--endpoint-url", url)
    assert "first-light" in buckets.stdout and "for-the-site" in buckets.stdout
    assert "InsecureRequestWarning" not in listed.stderr
    # Verified means: with another CA the same command fails.
    other = tmp_path / "other.pem"
    make_a_foreign_ca(other)
    failed = inside(installation, site, "aws", "s3", "ls", "--endpoint-url", url, "--ca-bundle", other, check=False)
    assert failed.returncode != 0 and "SSL" in failed.stderr


def make_a_foreign_ca(path):
    """A bundle with certificates of others: those that a client library brings along."""
    import botocore

    path.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes())


def test_the_site_is_refused_by_a_bucket_for_the_gateway_endpoint_only(installation, story):
    name = query(
        installation, "ec2", "describe-vpc-endpoints", "--vpc-endpoint-ids", story["interface"],
        query="VpcEndpoints[0].DnsEntries[0].DnsName",
    )
    url = "https://bucket" + name.removeprefix("*")
    done = inside(
        installation, ["--site", "office"], "aws", "s3", "ls", "s3://first-light/", "--endpoint-url", url, check=False
    )
    assert done.returncode != 0 and BY_BUCKET_POLICY in done.stderr


def test_mb_cp_ls_rm_rb_from_inside(installation, story, tmp_path):
    where = ["--subnet", story["private"]]
    text = tmp_path / "note.txt"
    text.write_text("hello")
    script = f"""
set -e
aws s3 mb s3://from-inside
aws s3 cp {text} s3://from-inside/notes/one.txt
aws s3 cp s3://from-inside/notes/one.txt s3://from-inside/notes/two.txt
aws s3 ls s3://from-inside/
aws s3 ls s3://from-inside/notes/
aws s3 cp s3://from-inside/notes/two.txt -
aws s3 rm s3://from-inside/notes/ --recursive
aws s3 ls s3://from-inside/notes/ || echo empty
aws s3 rb s3://from-inside
"""
    done = inside(installation, where, "bash", "-c", script)
    assert "PRE notes/" in done.stdout
    assert "one.txt" in done.stdout and "two.txt" in done.stdout
    assert "hello" in done.stdout
    assert done.stdout.rstrip().splitlines()[-2:] == ["empty", "remove_bucket: from-inside"]


def test_presign_gives_a_url_that_works_on_the_same_network_only_for_a_while(installation, story):
    where = ["--subnet", story["private"]]
    script = """
set -e
echo shared | aws s3 cp - s3://for-the-site/shared
url=$(aws s3 presign s3://for-the-site/shared --expires-in 60)
python3 - "$url" <<'END'
import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
print(urllib.request.urlopen(sys.argv[1], context=context, timeout=20).read().decode())
END
"""
    assert "shared\n" in inside(installation, where, "bash", "-c", script).stdout


def test_an_error_of_the_cli_names_awss_code(installation, story):
    done = installation.aws("ec2", "create-subnet", "--vpc-id", "vpc-00000000000000001", "--cidr-block", "10.0.3.0/24", check=False)
    assert done.returncode in (254, 255)
    assert "An error occurred (InvalidVpcID.NotFound) when calling the CreateSubnet operation" in done.stderr


def test_describe_answers_fit_the_clis_own_model(installation, story):
    """The CLI's parser drops what it does not know; what it prints must hold what was made."""
    for command, key, count in (
        ("describe-vpcs", "Vpcs", 1),
        ("describe-subnets", "Subnets", 2),
        ("describe-route-tables", "RouteTables", 2),
        ("describe-internet-gateways", "InternetGateways", 1),
        ("describe-security-groups", "SecurityGroups", 2),
        ("describe-network-interfaces", "NetworkInterfaces", 1),
        ("describe-vpc-endpoints", "VpcEndpoints", 2),
        ("describe-prefix-lists", "PrefixLists", None),
    ):
        shown = json.loads(installation.aws("ec2", command, "--output", "json").stdout)[key]
        assert shown if count is None else len(shown) == count, (command, shown)
