"""EC2: VPC endpoints of both types, their services and their policies, as the control plane shows them."""

import json
import re

from harness.expect import nothing_changed, refused
from harness.network import S3_SERVICE, Vpc
from harness.policies import ALLOW_ALL, document

DEFAULT_GATEWAY_POLICY = (
    '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
)


def endpoint_of(adit, identifier):
    (endpoint,) = adit.ec2.describe_vpc_endpoints(VpcEndpointIds=[identifier])["VpcEndpoints"]
    return endpoint


# ---- services ---------------------------------------------------------------------------------


def test_the_s3_service_is_offered_in_both_types(adit):
    shown = adit.ec2.describe_vpc_endpoint_services(ServiceNames=[S3_SERVICE])
    assert shown["ServiceNames"] == [S3_SERVICE]
    by_type = {service["ServiceType"][0]["ServiceType"]: service for service in shown["ServiceDetails"]}
    assert set(by_type) == {"Gateway", "Interface"}
    for service in by_type.values():
        assert service["Owner"] == "amazon"
        assert service["VpcEndpointPolicySupported"] is True
        assert service["AcceptanceRequired"] is False
        assert service["AvailabilityZones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert by_type["Gateway"]["BaseEndpointDnsNames"] == ["s3.us-east-1.amazonaws.com"]
    assert by_type["Interface"]["BaseEndpointDnsNames"] == ["s3.us-east-1.vpce.amazonaws.com"]
    assert by_type["Interface"]["PrivateDnsName"] == "*.s3.us-east-1.amazonaws.com"
    with refused("InvalidServiceName", message="does not exist"):
        adit.ec2.describe_vpc_endpoint_services(ServiceNames=["com.amazonaws.us-east-1.nonsense"])


# ---- gateway endpoints ------------------------------------------------------------------------


def test_a_gateway_endpoint_is_available_when_the_call_returns(adit, vpc):
    table = vpc.table()
    made = adit.ec2.create_vpc_endpoint(VpcId=vpc.id, ServiceName=S3_SERVICE, RouteTableIds=[table])["VpcEndpoint"]
    assert re.fullmatch(r"vpce-0[0-9a-f]{16}", made["VpcEndpointId"])
    assert made["VpcEndpointType"] == "Gateway", "Gateway is the default type"
    assert made["State"] == "available"
    shown = endpoint_of(adit, made["VpcEndpointId"])
    assert (shown["VpcId"], shown["ServiceName"], shown["OwnerId"]) == (vpc.id, S3_SERVICE, "123456789012")
    assert shown["PolicyDocument"] == DEFAULT_GATEWAY_POLICY, "byte for byte"
    assert shown["RouteTableIds"] == [table]
    for empty in ("SubnetIds", "Groups", "NetworkInterfaceIds", "DnsEntries"):
        assert shown[empty] == [], empty
    assert shown["PrivateDnsEnabled"] is False and shown["RequesterManaged"] is False
    assert shown["IpAddressType"] == "ipv4"
    assert shown["DnsOptions"]["DnsRecordIpType"] == "service-defined"


def test_a_gateway_endpoint_may_have_no_table(adit, vpc):
    assert endpoint_of(adit, vpc.gateway_endpoint())["RouteTableIds"] == []


def test_several_gateway_endpoints_on_different_tables(adit, vpc):
    first, second = vpc.gateway_endpoint(vpc.table()), vpc.gateway_endpoint(vpc.table())
    assert {e["VpcEndpointId"] for e in adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]} == {first, second}


# ---- interface endpoints ----------------------------------------------------------------------


def test_an_interface_endpoint_has_a_name_and_an_address_per_zone(adit, vpc):
    one, two = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    made = adit.ec2.create_vpc_endpoint(
        VpcId=vpc.id, ServiceName=S3_SERVICE, VpcEndpointType="Interface", SubnetIds=[one, two]
    )["VpcEndpoint"]
    assert made["State"] in ("pending", "available")
    assert len(made["DnsEntries"]) == 3 and len(made["NetworkInterfaceIds"]) == 2

    shown = endpoint_of(adit, made["VpcEndpointId"])
    assert shown["State"] == "available", "usable when the call returned"
    assert sorted(shown["SubnetIds"]) == sorted([one, two])
    assert [group["GroupId"] for group in shown["Groups"]] == [vpc.default_group]
    assert shown["RouteTableIds"] == []
    assert shown["PrivateDnsEnabled"] is False, "for S3 the default is off"
    policy = json.loads(shown["PolicyDocument"])
    assert policy["Statement"] == [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]

    identifier = made["VpcEndpointId"]
    regional, *zonal = [entry["DnsName"] for entry in shown["DnsEntries"]]
    pattern = rf"\*\.{identifier}-([a-z0-9]{{8}})\.s3\.us-east-1\.vpce\.amazonaws\.com"
    suffix = re.fullmatch(pattern, regional).group(1)
    assert sorted(zonal) == [
        f"*.{identifier}-{suffix}-us-east-1{zone}.s3.us-east-1.vpce.amazonaws.com" for zone in "ab"
    ]
    assert all(entry["HostedZoneId"] for entry in shown["DnsEntries"])


def test_private_dns_adds_its_names(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    endpoint = vpc.interface_endpoint(vpc.subnet(), private_dns=True)
    shown = endpoint.describe()
    assert shown["PrivateDnsEnabled"] is True
    names = [entry["DnsName"].removeprefix("*.") for entry in shown["DnsEntries"]]
    assert "s3.us-east-1.amazonaws.com" in names[2:]


def test_private_dns_needs_both_dns_attributes(adit, vpc):
    subnet = vpc.subnet()
    message = f"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc.id}"
    with nothing_changed(adit), refused("InvalidParameter", message=message):
        vpc.interface_endpoint(subnet, private_dns=True)


def test_two_endpoints_cannot_own_the_same_private_names(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    subnet = vpc.subnet()
    vpc.interface_endpoint(subnet, private_dns=True)
    with nothing_changed(adit), refused("InvalidParameter", message="conflicting DNS domain"):
        vpc.interface_endpoint(subnet, private_dns=True)
    vpc.interface_endpoint(subnet)


def test_private_dns_for_inbound_only_needs_a_gateway_endpoint(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    subnet = vpc.subnet()
    wanted = {"PrivateDnsEnabled": True}
    message = f"the VPC {vpc.id} must have a Gateway endpoint for the service"
    with nothing_changed(adit), refused("InvalidParameter", message=message):
        vpc.interface_endpoint(subnet, **wanted)
    vpc.gateway_endpoint()
    shown = vpc.interface_endpoint(subnet, **wanted).describe()
    assert shown["DnsOptions"]["PrivateDnsOnlyForInboundResolverEndpoint"] is True


def test_both_types_live_side_by_side(adit, vpc):
    table, subnet = vpc.table(), vpc.subnet()
    vpc.gateway_endpoint(table)
    vpc.interface_endpoint(subnet)
    types = [e["VpcEndpointType"] for e in adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]]
    assert sorted(types) == ["Gateway", "Interface"]


# ---- modifying and deleting -------------------------------------------------------------------


def test_a_policy_can_be_set_replaced_and_reset(adit, vpc):
    first = document({**ALLOW_ALL, "Sid": "First"})
    endpoint = vpc.gateway_endpoint(vpc.table(), policy=first)
    assert endpoint_of(adit, endpoint)["PolicyDocument"] == first, "returned as it was written"
    spaced = json.dumps(json.loads(document({**ALLOW_ALL, "Sid": "Second"})), indent=4)
    adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=spaced)
    assert endpoint_of(adit, endpoint)["PolicyDocument"] == spaced
    adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert endpoint_of(adit, endpoint)["PolicyDocument"] == DEFAULT_GATEWAY_POLICY


def test_deleting_an_interface_endpoint_removes_its_interfaces(adit, vpc):
    endpoint = vpc.interface_endpoint(vpc.subnet())
    assert len(adit.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    assert adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])["Unsuccessful"] == []
    assert adit.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    left = adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert [e["State"] for e in left] in ([], ["deleted"])


def test_deleting_many_reports_the_ones_that_failed(adit, vpc):
    endpoint = vpc.gateway_endpoint(vpc.table())
    missing = "vpce-00000000000000001"
    answer = adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[missing, endpoint])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    (failed,) = answer["Unsuccessful"]
    assert failed["ResourceId"] == missing
    assert failed["Error"]["Code"] in ("InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound")
    states = [e["State"] for e in adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]]
    assert states in ([], ["deleted"])


def test_deleting_an_endpoint_twice_is_not_found(adit, vpc):
    endpoint = vpc.gateway_endpoint(vpc.table())
    adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    (failed,) = adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"]
    assert failed["Error"]["Code"] in ("InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound")


# ---- bad input --------------------------------------------------------------------------------


def test_bad_endpoints_change_nothing(adit, vpc):
    subnet, table = vpc.subnet(), vpc.table()
    same_zone = vpc.subnet("10.0.2.0/24", "us-east-1a")
    other = Vpc(adit, "10.1.0.0/16")
    foreign_table, foreign_subnet = other.table(), other.subnet("10.1.1.0/24")

    def create(**arguments):
        adit.ec2.create_vpc_endpoint(**({"VpcId": vpc.id, "ServiceName": S3_SERVICE} | arguments))

    interface = {"VpcEndpointType": "Interface"}
    with nothing_changed(adit):
        with refused("InvalidVpcID.NotFound"):
            create(VpcId="vpc-00000000000000001")
        with refused(("InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "InvalidVpcId.Malformed")):
            create(VpcId="nonsense")
        with refused("InvalidServiceName", message="The Vpc Endpoint Service 'com.amazonaws.us-east-1.s4' does not exist"):
            create(ServiceName="com.amazonaws.us-east-1.s4")
        with refused("InvalidServiceName"):
            create(ServiceName="com.amazonaws.eu-west-2.s3")
        with refused(("InvalidVpcEndpointType", "InvalidParameterValue")):
            create(VpcEndpointType="Nonsense")
        with refused("InvalidParameter", message="Endpoint type (GatewayLoadBalancer) does not match available service types"):
            create(VpcEndpointType="GatewayLoadBalancer", SubnetIds=[subnet])
        with refused("InvalidParameter", message="Route table IDs are only supported for Gateway type VPC Endpoint."):
            create(**interface, RouteTableIds=[table])
        with refused("InvalidParameter", message="Subnet IDs are only supported for Interface"):
            create(SubnetIds=[subnet])
        with refused("InvalidParameter"):
            create(SecurityGroupIds=[vpc.default_group])
        with refused("InvalidParameter"):
            create(PrivateDnsEnabled=True)
        with refused("InvalidRouteTableId.NotFound"):
            create(RouteTableIds=["rtb-00000000000000001"])
        with refused("InvalidRouteTableId.Malformed", message="expecting 'rtb-...; the Id may only contain lowercase alphanumeric characters and a single dash')"):
            create(RouteTableIds=["rtb_nonsense!"])
        with refused(("InvalidParameter", "InvalidRouteTableId.NotFound")):
            create(RouteTableIds=[foreign_table])
        with refused("InvalidSubnetId.NotFound"):
            create(**interface, SubnetIds=["subnet-00000000000000001"])
        with refused("InvalidSubnetId.Malformed"):
            create(**interface, SubnetIds=["nonsense"])
        with refused(("InvalidParameter", "InvalidSubnetId.NotFound")):
            create(**interface, SubnetIds=[foreign_subnet])
        with refused("DuplicateSubnetsInSameZone", message="Found another VPC endpoint subnet in the availability zone of"):
            create(**interface, SubnetIds=[subnet, same_zone])
        with refused(("InvalidSecurityGroupID.NotFound", "InvalidGroup.NotFound")):
            create(**interface, SubnetIds=[subnet], SecurityGroupIds=["sg-00000000000000001"])
        with refused(("InvalidParameter", "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound")):
            create(**interface, SubnetIds=[subnet], SecurityGroupIds=[other.default_group])
        with refused(("InvalidParameter", "InvalidParameterValue", "TagLimitExceeded")):
            create(TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}])
        with refused("InvalidParameter", message="DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints."):
            create(DnsOptions={"PrivateDnsOnlyForInboundResolverEndpoint": True})


BROKEN_POLICIES = {
    "not JSON": "this is no policy",
    "cut off": '{"Version":"2012-10-17","Statement":[',
    "empty object": "{}",
    "a list": "[]",
    "no effect": document({"Principal": "*", "Action": "*", "Resource": "*"}),
    "bad effect": document({"Effect": "Perhaps", "Principal": "*", "Action": "*", "Resource": "*"}),
    "no principal": document({"Effect": "Allow", "Action": "*", "Resource": "*"}),
    "bad version": document(ALLOW_ALL, version="2020-01-01"),
    "bad operator": document({**ALLOW_ALL, "Condition": {"StringIsh": {"aws:SourceVpc": "vpc-1"}}}),
    "key twice": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}',
    "too long": document({**ALLOW_ALL, "Sid": "x" * 20480}),
    "deep": "[" * 10_000 + "]" * 10_000,
}


def test_a_broken_policy_changes_nothing(adit, vpc):
    table = vpc.table()
    endpoint = vpc.gateway_endpoint(table)
    with nothing_changed(adit):
        for name, text in BROKEN_POLICIES.items():
            codes = ("InvalidPolicyDocument", "InvalidParameter") if name == "too long" else "InvalidPolicyDocument"
            with refused(codes):
                adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=text)
            with refused(codes):
                vpc.gateway_endpoint(policy=text)


def test_bad_modifications_change_nothing(adit, vpc):
    table, unassociated = vpc.table(), vpc.table()
    endpoint = vpc.gateway_endpoint(table)
    interface = vpc.interface_endpoint(vpc.subnet())

    def modify(identifier, **arguments):
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=identifier, **arguments)

    with nothing_changed(adit):
        with refused("InvalidVpcEndpointId.NotFound"):
            modify("vpce-00000000000000001", ResetPolicy=True)
        with refused("InvalidVpcEndpointId.Malformed"):
            modify("nonsense", ResetPolicy=True)
        with refused(("InvalidRouteTableId.NotFound", "InvalidRouteTableID.NotFound")):
            modify(endpoint, AddRouteTableIds=["rtb-00000000000000001"])
        with refused("InvalidParameter"):
            modify(endpoint, RemoveRouteTableIds=[unassociated])
        with refused("InvalidParameter"):
            modify(interface.id, AddRouteTableIds=[table])
        with refused("InvalidParameterCombination"):
            modify(endpoint, ResetPolicy=True, PolicyDocument=document(ALLOW_ALL))
        with refused("InvalidVpcEndpointId.NotFound"):
            adit.ec2.describe_vpc_endpoints(VpcEndpointIds=["vpce-00000000000000001", endpoint])
