"""The EC2 protocol: signatures, filters, pages, dry runs, client tokens, unknown operations, bad input."""

import concurrent.futures
import datetime
import hashlib
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from harness.expect import nothing_changed, refused
from harness.installation import ROOT_ACCESS_KEY, ROOT_SECRET_KEY
from harness.network import S3_SERVICE, Vpc


class SignedAt(botocore.auth.SigV4Auth):
    """SigV4 by a client whose clock is wrong by `offset`."""

    offset = datetime.timedelta()

    def add_auth(self, request):
        real = botocore.auth.get_current_datetime

        def shifted(*arguments, **options):
            return real(*arguments, **options) + self.offset

        botocore.auth.get_current_datetime = shifted
        try:
            super().add_auth(request)
        finally:
            botocore.auth.get_current_datetime = real


def call(adit, parameters, *, offset=0, key=ROOT_ACCESS_KEY, secret=ROOT_SECRET_KEY, method="POST", change=None,
         service="ec2", region="us-east-1"):
    """A hand-made signed EC2 call: (status, error code or action's root element, body)."""
    body = urllib.parse.urlencode(parameters)
    url = f"http://{adit.address}/"
    if method == "GET":
        url, body = f"{url}?{body}", ""
    request = AWSRequest(method=method, url=url, data=body or None, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": adit.address,
    })
    signer = SignedAt(Credentials(key, secret), service, region)
    signer.offset = datetime.timedelta(minutes=offset)
    signer.add_auth(request)
    headers = dict(request.headers.items())
    if change:
        headers, body = change(headers, body)
    connection = http.client.HTTPConnection(adit.address, timeout=20)
    try:
        connection.request(method, url.removeprefix(f"http://{adit.address}"), body, headers)
    except BrokenPipeError:
        # The answer came before the body was through; it is there to be read.
        pass
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    root = ElementTree.fromstring(text)
    code = root.findtext(".//Error/Code")
    return reply.status, code or root.tag, text, reply


CREATE = {"Action": "CreateVpc", "Version": "2016-11-15", "CidrBlock": "10.0.0.0/16"}
DESCRIBE = {"Action": "DescribeVpcs", "Version": "2016-11-15"}
NAMESPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


# ---- envelopes --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_success_has_awss_envelope(adit, method):
    status, root, text, reply = call(adit, DESCRIBE, method=method)
    assert (status, root) == (200, f"{NAMESPACE}DescribeVpcsResponse")
    assert text.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert reply.headers["Content-Type"].replace(" ", "").lower() == "text/xml;charset=utf-8"
    assert ElementTree.fromstring(text).findtext(f"{NAMESPACE}requestId")


def test_an_error_has_awss_envelope(adit):
    status, code, text, _ = call(adit, {**DESCRIBE, "VpcId.1": "vpc-00000000000000001"})
    assert (status, code) == (400, "InvalidVpcID.NotFound")
    root = ElementTree.fromstring(text)
    assert root.tag == "Response" and root.findtext("RequestID")
    assert root.findtext("Errors/Error/Message") == "The vpc ID 'vpc-00000000000000001' does not exist"


# ---- who signs --------------------------------------------------------------------------------


def test_a_wrong_signature_is_refused(adit):
    with nothing_changed(adit):
        assert call(adit, CREATE, secret="not the secret")[:2] == (401, "AuthFailure")


def test_an_unknown_key_is_refused(adit):
    with nothing_changed(adit):
        assert call(adit, CREATE, key="AKIAUNKNOWNUNKNOWN00")[:2] == (401, "AuthFailure")


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_twenty_minutes_off_is_refused(adit, minutes):
    with nothing_changed(adit):
        assert call(adit, CREATE, offset=minutes)[:2] == (400, "RequestExpired")


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_ten_minutes_off_is_fine(adit, minutes):
    assert call(adit, DESCRIBE, offset=minutes)[0] == 200


def test_a_body_changed_after_signing_is_refused(adit):
    def change(headers, body):
        return headers, body.replace("10.0.0.0", "10.9.0.0")

    with nothing_changed(adit):
        assert call(adit, CREATE, change=change)[:2] == (401, "AuthFailure")


def test_a_body_hash_header_does_not_stand_in_for_the_body(adit):
    """The signed hash of another body, announced in a header, must not be believed."""

    def change(headers, body):
        headers["X-Amz-Content-SHA256"] = hashlib.sha256(body.encode()).hexdigest()
        return headers, body.replace("10.0.0.0", "10.9.0.0")

    with nothing_changed(adit):
        status, code, *_ = call(adit, CREATE, change=change)
        assert status in (400, 401, 403), code


def test_a_call_without_a_signature_is_refused(adit):
    def change(headers, body):
        headers.pop("Authorization")
        return headers, body

    with nothing_changed(adit):
        status, code, *_ = call(adit, CREATE, change=change)
        assert (status, code) in ((400, "MissingParameter"), (401, "AuthFailure"), (403, "MissingAuthenticationToken"))


def test_a_signature_for_another_region_is_not_one_for_this(adit):
    with nothing_changed(adit):
        status, code, *_ = call(adit, CREATE, region="mars-north-1")
        assert status in (400, 401, 403) and code, code


# ---- operations -------------------------------------------------------------------------------


def test_an_unknown_operation_is_awss_error(adit):
    with nothing_changed(adit):
        assert call(adit, {"Action": "MakeCoffee", "Version": "2016-11-15"})[:2] == (400, "InvalidAction")
        status, code, *_ = call(adit, {"Version": "2016-11-15"})
        assert (status, code) in ((400, "MissingAction"), (400, "MissingParameter"))


def test_an_operation_that_is_not_built_never_succeeds(adit):
    with nothing_changed(adit):
        for operation, arguments in {
            "describe_spot_price_history": {},
            "create_client_vpn_endpoint": {
                "ClientCidrBlock": "10.0.0.0/16", "ServerCertificateArn": "arn:x",
                "AuthenticationOptions": [], "ConnectionLogOptions": {"Enabled": False},
            },
            "import_key_pair": {"KeyName": "k", "PublicKeyMaterial": b"x"},
        }.items():
            with pytest.raises(ClientError) as caught:
                getattr(adit.ec2, operation)(**arguments)
            error = caught.value.response
            assert error["ResponseMetadata"]["HTTPStatusCode"] >= 400
            assert error["Error"]["Code"] in ("InvalidAction", "UnsupportedOperation", "NotImplemented"), error


@pytest.mark.parametrize(
    "service, operation", [("sqs", "list_queues"), ("lambda", "list_functions"), ("sns", "list_topics"), ("dynamodb", "list_tables")]
)
def test_a_service_that_is_not_there_never_succeeds(adit, service, operation):
    with pytest.raises(ClientError) as caught:
        getattr(adit.client(service), operation)()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 400
    assert caught.value.response["Error"]["Code"]


def test_an_unknown_parameter_is_refused(adit):
    with nothing_changed(adit):
        status, code, text, _ = call(adit, {**CREATE, "Flavour": "sweet"})
        assert (status, code) == (400, "UnknownParameter")
        assert b"Flavour" in text


def test_names_and_values_are_case_sensitive(adit):
    with nothing_changed(adit):
        assert call(adit, {"Action": "createvpc", "Version": "2016-11-15", "CidrBlock": "10.0.0.0/16"})[0] == 400
        assert call(adit, {"Action": "CreateVpc", "Version": "2016-11-15", "cidrblock": "10.0.0.0/16"})[0] == 400


def test_a_missing_parameter_is_named(adit):
    with nothing_changed(adit):
        status, code, text, _ = call(adit, {"Action": "CreateSubnet", "Version": "2016-11-15", "CidrBlock": "10.0.0.0/24"})
        assert (status, code) == (400, "MissingParameter")
        assert b"The request must contain the parameter" in text and b"pcId" in text


@pytest.mark.parametrize("parameters", [
    {"DryRun": "perhaps"}, {"MaxResults": "many"}, {"MaxResults": "-5"}, {"Filter.1.Name": "vpc-id", "Filter.x.Value.1": "y"},
], ids=str)
def test_parameters_of_the_wrong_shape_are_refused(adit, parameters):
    status, code, *_ = call(adit, {**DESCRIBE, **parameters})
    assert status == 400
    assert code in ("InvalidParameterValue", "UnknownParameter", "InvalidParameter", "InvalidFilter", "MalformedQueryString")


# ---- dry run ----------------------------------------------------------------------------------


def test_a_dry_run_does_nothing_and_says_it_would_have(adit, vpc):
    table, subnet = vpc.table(), vpc.subnet()
    endpoint = vpc.gateway_endpoint(table)
    empty = Vpc(adit, "10.2.0.0/16")
    calls = {
        "create_vpc": {"CidrBlock": "10.1.0.0/16"},
        "delete_vpc": {"VpcId": empty.id},
        "create_subnet": {"VpcId": vpc.id, "CidrBlock": "10.0.7.0/24"},
        "delete_subnet": {"SubnetId": subnet},
        "create_route_table": {"VpcId": vpc.id},
        "associate_route_table": {"RouteTableId": table, "SubnetId": subnet},
        "create_internet_gateway": {},
        "create_security_group": {"GroupName": "x", "Description": "x", "VpcId": vpc.id},
        "create_vpc_endpoint": {"VpcId": vpc.id, "ServiceName": S3_SERVICE},
        "modify_vpc_endpoint": {"VpcEndpointId": endpoint, "ResetPolicy": True},
        "delete_vpc_endpoints": {"VpcEndpointIds": [endpoint]},
        "create_tags": {"Resources": [vpc.id], "Tags": [{"Key": "a", "Value": "b"}]},
        "describe_vpcs": {},
        "describe_vpc_endpoints": {},
    }
    with nothing_changed(adit):
        for operation, arguments in calls.items():
            with refused("DryRunOperation", 412, "Request would have succeeded, but DryRun flag is set."):
                getattr(adit.ec2, operation)(DryRun=True, **arguments)


def test_a_dry_run_of_a_bad_call_says_what_is_bad(adit):
    with nothing_changed(adit), refused("InvalidVpcID.NotFound"):
        adit.ec2.create_subnet(VpcId="vpc-00000000000000001", CidrBlock="10.0.7.0/24", DryRun=True)


# ---- client tokens ----------------------------------------------------------------------------


def test_a_repeated_client_token_gives_the_first_answer(adit, vpc):
    table = vpc.table()
    wanted = {"VpcId": vpc.id, "ServiceName": S3_SERVICE, "RouteTableIds": [table], "ClientToken": "once"}
    first = adit.ec2.create_vpc_endpoint(**wanted)
    again = adit.ec2.create_vpc_endpoint(**wanted)
    assert again["VpcEndpoint"]["VpcEndpointId"] == first["VpcEndpoint"]["VpcEndpointId"]
    assert first["ClientToken"] == again["ClientToken"] == "once"
    assert len(adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 1
    with nothing_changed(adit), refused("IdempotentParameterMismatch"):
        adit.ec2.create_vpc_endpoint(**{**wanted, "RouteTableIds": []})
    other = adit.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=S3_SERVICE, ClientToken="another")
    assert other["VpcEndpoint"]["VpcEndpointId"] != first["VpcEndpoint"]["VpcEndpointId"]


def test_racing_calls_with_one_token_make_one_endpoint(adit, vpc):
    wanted = {"VpcId": vpc.id, "ServiceName": S3_SERVICE, "ClientToken": "race"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: adit.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"], range(8)))
    assert len(set(made)) == 1
    assert len(adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 1


def test_a_token_that_is_too_long_is_refused(adit, vpc):
    with nothing_changed(adit), pytest.raises(ClientError) as caught:
        adit.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=S3_SERVICE, ClientToken="x" * 65)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


# ---- filters ----------------------------------------------------------------------------------


def test_filters_are_anded_values_are_ored_wildcards_work(adit):
    first, second = Vpc(adit, "10.0.0.0/16"), Vpc(adit, "10.1.0.0/16")
    third = Vpc(adit, "192.168.0.0/16")
    adit.ec2.create_tags(Resources=[first.id, third.id], Tags=[{"Key": "stage", "Value": "prod-1"}])
    adit.ec2.create_tags(Resources=[second.id], Tags=[{"Key": "stage", "Value": "test"}])

    def found(**filters):
        wanted = [{"Name": name.replace("__", ":").replace("_", "-"), "Values": values} for name, values in filters.items()]
        return {vpc["VpcId"] for vpc in adit.ec2.describe_vpcs(Filters=wanted)["Vpcs"]}

    assert found(vpc_id=[first.id, second.id]) == {first.id, second.id}
    assert found(tag__stage=["prod-*"]) == {first.id, third.id}
    assert found(tag__stage=["prod-?"]) == {first.id, third.id}
    assert found(tag__stage=["prod-"]) == set()
    assert found(tag__stage=["PROD-1"]) == set(), "values are case-sensitive"
    assert found(tag_key=["stage"]) == {first.id, second.id, third.id}
    assert found(tag__stage=["prod-*"], cidr=["10.0.0.0/16"]) == {first.id}
    assert found(tag__stage=["test"], cidr=["10.0.0.0/16"]) == set()
    assert found(state=["available"], is_default=["false"]) == {first.id, second.id, third.id}


def test_endpoints_can_be_filtered(adit, vpc):
    gateway = vpc.gateway_endpoint(vpc.table())
    interface = vpc.interface_endpoint(vpc.subnet()).id

    def found(name, *values):
        shown = adit.ec2.describe_vpc_endpoints(Filters=[{"Name": name, "Values": list(values)}])
        return {endpoint["VpcEndpointId"] for endpoint in shown["VpcEndpoints"]}

    assert found("vpc-endpoint-type", "Gateway") == {gateway}
    assert found("vpc-endpoint-type", "Interface") == {interface}
    assert found("vpc-endpoint-state", "available") == {gateway, interface}
    assert found("service-name", S3_SERVICE) == {gateway, interface}
    assert found("vpc-id", vpc.id) == {gateway, interface}
    assert found("vpc-id", "vpc-00000000000000001") == set()
    assert found("vpc-endpoint-id", interface) == {interface}


@pytest.mark.parametrize(
    "operation",
    ["describe_vpcs", "describe_subnets", "describe_route_tables", "describe_internet_gateways", "describe_security_groups",
     "describe_network_interfaces", "describe_vpc_endpoints", "describe_prefix_lists", "describe_vpc_endpoint_services"],
)
def test_an_unknown_filter_is_refused_everywhere(adit, operation):
    with refused(("InvalidParameterValue", "InvalidFilter"), message="flavour"):
        getattr(adit.ec2, operation)(Filters=[{"Name": "flavour", "Values": ["sweet"]}])


# ---- pages ------------------------------------------------------------------------------------


def test_pages_hold_everything_once(adit, vpc):
    made = {vpc.subnet(f"10.0.{n}.0/24") for n in range(12)}
    seen, sizes = [], []
    for page in adit.ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5}):
        sizes.append(len(page["Subnets"]))
        seen += [subnet["SubnetId"] for subnet in page["Subnets"]]
    assert sorted(seen) == sorted(made), "each one, and none twice"
    assert max(sizes) <= 5 and len(sizes) >= 3


def test_pages_survive_creates_and_deletes_in_between(adit, vpc):
    made = [vpc.subnet(f"10.0.{n}.0/24") for n in range(12)]
    first = adit.ec2.describe_subnets(MaxResults=5)
    gone = first["Subnets"][0]["SubnetId"]
    adit.ec2.delete_subnet(SubnetId=gone)
    for n in range(20, 25):
        vpc.subnet(f"10.0.{n}.0/24")
    seen = [s["SubnetId"] for s in first["Subnets"]]
    token = first["NextToken"]
    while token:
        page = adit.ec2.describe_subnets(MaxResults=5, NextToken=token)
        seen += [s["SubnetId"] for s in page["Subnets"]]
        token = page.get("NextToken")
    assert len(seen) == len(set(seen)), "none twice"
    assert set(made) <= set(seen), "what was there all the time is there"


def test_paginators_work_on_every_describe(adit, vpc):
    vpc.gateway_endpoint(vpc.table())
    vpc.interface_endpoint(vpc.subnet())
    for operation in (
        "describe_vpcs", "describe_subnets", "describe_route_tables", "describe_internet_gateways",
        "describe_security_groups", "describe_network_interfaces", "describe_vpc_endpoints",
        "describe_vpc_endpoint_services", "describe_prefix_lists",
    ):
        pages = list(adit.ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": 5}))
        assert pages, operation


def test_bad_pages_are_refused(adit, vpc):
    vpc.subnet()
    with refused(("InvalidNextToken", "InvalidPaginationToken", "InvalidParameterValue")):
        adit.ec2.describe_subnets(MaxResults=5, NextToken="nonsense")
    with refused("InvalidParameterCombination"):
        adit.ec2.describe_vpcs(VpcIds=[vpc.id], MaxResults=5)
    assert call(adit, {**DESCRIBE, "MaxResults": "4"})[:2] == (400, "InvalidParameterValue")


# ---- malformed CIDRs and unknown ids ----------------------------------------------------------


@pytest.mark.parametrize("cidr", ["nonsense", "10.0.0.0", "300.0.0.0/16", "10.0.0.0/33", "10.0.0.0/-1", "::/16", "", "10.0.0.0/16 "])
def test_a_malformed_cidr_is_refused(adit, vpc, cidr):
    with nothing_changed(adit):
        with refused(("InvalidParameterValue", "MissingParameter") if cidr == "" else "InvalidParameterValue"):
            adit.ec2.create_vpc(CidrBlock=cidr)
        with refused(("InvalidParameterValue", "MissingParameter") if cidr == "" else "InvalidParameterValue"):
            adit.ec2.create_subnet(VpcId=vpc.id, CidrBlock=cidr)


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "10.0.0.0/15", "10.0.0.0/29", "10.0.0.0/32"])
def test_a_vpc_is_between_16_and_28(adit, cidr):
    with nothing_changed(adit), refused(("InvalidVpcRange", "InvalidVpc.Range")):
        adit.ec2.create_vpc(CidrBlock=cidr)


def test_a_subnet_stays_inside_its_vpc_and_apart_from_others(adit, vpc):
    vpc.subnet("10.0.1.0/24")

    def create(cidr, **more):
        adit.ec2.create_subnet(VpcId=vpc.id, CidrBlock=cidr, **more)

    with nothing_changed(adit):
        for outside in ("10.1.0.0/24", "192.168.0.0/24", "10.0.0.0/15"):
            with refused("InvalidSubnet.Range"):
                create(outside)
        for conflict in ("10.0.1.0/24", "10.0.1.128/25", "10.0.0.0/22"):
            with refused("InvalidSubnet.Conflict"):
                create(conflict)
        with refused(("InvalidSubnet.Range", "InvalidParameterValue")):
            create("10.0.2.0/29")
        with refused("InvalidParameterValue", message="availabilityZone"):
            create("10.0.2.0/24", AvailabilityZone="us-east-1z")
        with refused("InvalidVpcID.NotFound"):
            adit.ec2.create_subnet(VpcId="vpc-00000000000000001", CidrBlock="10.0.2.0/24")


UNKNOWN = {
    "describe_vpcs": ("VpcIds", "vpc-00000000000000001", "InvalidVpcID.NotFound"),
    "describe_subnets": ("SubnetIds", "subnet-00000000000000001", "InvalidSubnetID.NotFound"),
    "describe_route_tables": ("RouteTableIds", "rtb-00000000000000001", "InvalidRouteTableID.NotFound"),
    "describe_internet_gateways": ("InternetGatewayIds", "igw-00000000000000001", "InvalidInternetGatewayID.NotFound"),
    "describe_security_groups": ("GroupIds", "sg-00000000000000001", "InvalidGroup.NotFound"),
    "describe_network_interfaces": ("NetworkInterfaceIds", "eni-00000000000000001", "InvalidNetworkInterfaceID.NotFound"),
    "describe_vpc_endpoints": ("VpcEndpointIds", "vpce-00000000000000001", "InvalidVpcEndpointId.NotFound"),
    "delete_vpc": ("VpcId", "vpc-00000000000000001", "InvalidVpcID.NotFound"),
    "delete_subnet": ("SubnetId", "subnet-00000000000000001", "InvalidSubnetID.NotFound"),
    "delete_route_table": ("RouteTableId", "rtb-00000000000000001", "InvalidRouteTableID.NotFound"),
    "delete_internet_gateway": ("InternetGatewayId", "igw-00000000000000001", "InvalidInternetGatewayID.NotFound"),
    "disassociate_route_table": ("AssociationId", "rtbassoc-00000000000000001", "InvalidAssociationID.NotFound"),
}


@pytest.mark.parametrize("operation", UNKNOWN)
def test_an_unknown_id_is_not_found(adit, operation):
    parameter, identifier, code = UNKNOWN[operation]
    value = [identifier] if parameter.endswith("Ids") else identifier
    with nothing_changed(adit), refused(code, message=identifier):
        getattr(adit.ec2, operation)(**{parameter: value})


def test_bodies_beyond_reason_are_refused_without_harm(adit):
    """A stranger's ten megabytes, a thousand parameters, and bytes that are no text."""
    with nothing_changed(adit):
        assert call(adit, {**CREATE, "CidrBlock": "x" * (10 << 20)})[0] in (400, 413)
        assert call(adit, {**DESCRIBE, **{f"VpcId.{n}": "vpc-00000000000000001" for n in range(1, 1501)}})[0] == 400
        assert call(adit, {**CREATE, "CidrBlock": b"\xff\xfe\x00"})[0] == 400
        assert call(adit, {**DESCRIBE, "VpcId.99999999999": "vpc-00000000000000001"})[0] == 400
    assert adit.running()
