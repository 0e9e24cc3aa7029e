"""DynamoDB through a gateway endpoint: its public name leads to its prefix list, and routes lead that to the endpoint."""

import ipaddress
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.installation import ACCOUNT, Installation
from harness.network import Vpc, in_ranges, s3_prefix_list
from harness.programs import PYTHON

NAME = "dynamodb.us-east-1.amazonaws.com"
SERVICE = "com.amazonaws.us-east-1.dynamodb"
LIST = """
import boto3, sys
from botocore.config import Config
once = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
try:
    print(boto3.client("dynamodb", region_name="us-east-1", config=once).list_tables()["TableNames"])
except Exception as error:
    print(type(error).__name__)
"""


class Database(BaseHTTPRequestHandler):
    """A database with one table."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["X-Amz-Target"] == "DynamoDB_20120810.ListTables"
        body = json.dumps({"TableNames": ["orders"]} if known else {"__type": "UnknownOperationException"}).encode()
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def place():
    database = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=database.serve_forever, daemon=True).start()
    adit = Installation()
    keys = adit.folder / "dynamodb-credentials"
    keys.write_text("[default]\naws_access_key_id = AKIAUPSTREAM000000001\naws_secret_access_key = upstream-secret\n")
    keys.chmod(0o600)
    config = adit.folder / "adit.toml"
    config.write_text(
        f'[dynamodb]\nupstream = "http://127.0.0.1:{database.server_port}"\naccount = "{ACCOUNT}"\n'
        f'credentials = {{file = "{keys}"}}\n'
    )
    adit.arguments += ["--config", str(config)]
    try:
        adit.start()
        vpc = Vpc(adit)
        table = vpc.table()
        with_endpoint, without = vpc.subnet("10.0.1.0/24", table=table), vpc.subnet("10.0.2.0/24", table=vpc.table())
        made = adit.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=SERVICE, RouteTableIds=[table])["VpcEndpoint"]
        with adit.host(with_endpoint) as host, adit.host(without) as other:
            yield {"adit": adit, "table": table, "endpoint": made["VpcEndpointId"], "host": host, "other": other}
    finally:
        adit.close()
        database.shutdown()


def test_the_name_has_an_address_of_its_own_prefix_list(place):
    lists = place["adit"].ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [SERVICE]}])
    (found,) = lists["PrefixLists"]
    assert found["PrefixListId"] == "pl-02cd2c6b"
    (address,) = place["host"].lookup(NAME).addresses
    assert in_ranges(address, [ipaddress.ip_network(cidr) for cidr in found["Cidrs"]])
    assert not in_ranges(address, s3_prefix_list(place["adit"])[1])
    assert place["host"].lookup(NAME, "AAAA").rcode == "NOERROR"
    for missing in (f"x.{NAME}", "dynamodb.eu-west-9.amazonaws.com"):
        assert place["host"].lookup(missing).rcode == "NXDOMAIN", missing


def test_an_unmodified_client_reaches_the_database_by_the_endpoint_alone(place):
    assert place["host"].shell(PYTHON, "-c", LIST).stdout.strip() == "['orders']"
    assert place["other"].shell(PYTHON, "-c", LIST).stdout.strip() == "ConnectTimeoutError"
    routes = place["adit"].ec2.describe_route_tables(RouteTableIds=[place["table"]])["RouteTables"][0]["Routes"]
    by_list = [route for route in routes if route.get("DestinationPrefixListId") == "pl-02cd2c6b"]
    assert [route["GatewayId"] for route in by_list] == [place["endpoint"]]


def test_the_endpoints_policy_decides(place):
    adit, endpoint = place["adit"], place["endpoint"]
    deny = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "dynamodb:*", "Resource": "*"}]}
    adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps(deny))
    assert place["host"].shell(PYTHON, "-c", LIST).stdout.strip() == "ClientError"
    adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert place["host"].shell(PYTHON, "-c", LIST).stdout.strip() == "['orders']"
