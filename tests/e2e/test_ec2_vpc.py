"""EC2: Regions and zones, VPCs, subnets, internet gateways, interfaces, tags."""

import ipaddress
import re

from harness.expect import nothing_changed, refused
from harness.network import Vpc


def tags_of(resource):
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


# ---- Regions and zones ------------------------------------------------------------------------


def test_the_default_region_has_zones_a_b_c(adit):
    (region,) = adit.ec2.describe_regions()["Regions"]
    assert region["RegionName"] == "us-east-1"
    zones = adit.ec2.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert {(zone["State"], zone["RegionName"]) for zone in zones} == {("available", "us-east-1")}
    assert all(re.fullmatch(r"use1-az\d", zone["ZoneId"]) for zone in zones)
    (one,) = adit.ec2.describe_availability_zones(ZoneNames=["us-east-1b"])["AvailabilityZones"]
    assert one["ZoneName"] == "us-east-1b"


def test_an_unknown_zone_or_region_is_an_error(adit):
    with nothing_changed(adit):
        with refused("InvalidParameterValue"):
            adit.ec2.describe_availability_zones(ZoneNames=["us-east-1z"])
        with refused(("InvalidParameterValue", "InvalidRegionName")):
            adit.ec2.describe_regions(RegionNames=["mars-north-1"])


# ---- VPCs -------------------------------------------------------------------------------------


def test_a_new_vpc_comes_with_its_main_table_and_default_group(adit):
    made = adit.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert re.fullmatch(r"vpc-0[0-9a-f]{16}", made["VpcId"])
    assert made["CidrBlock"] == "10.0.0.0/16" and made["IsDefault"] is False
    (shown,) = adit.ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"]
    assert shown["State"] == "available" and shown["InstanceTenancy"] == "default"
    (association,) = shown["CidrBlockAssociationSet"]
    assert association["CidrBlock"] == "10.0.0.0/16"
    assert association["CidrBlockState"]["State"] == "associated"

    (table,) = adit.ec2.describe_route_tables()["RouteTables"]
    (main,) = table["Associations"]
    assert main["Main"] and "SubnetId" not in main
    (local,) = table["Routes"]
    assert (local["DestinationCidrBlock"], local["GatewayId"]) == ("10.0.0.0/16", "local")
    assert (local["Origin"], local["State"]) == ("CreateRouteTable", "active")

    (group,) = adit.ec2.describe_security_groups()["SecurityGroups"]
    assert (group["GroupName"], group["VpcId"]) == ("default", made["VpcId"])
    assert group["Description"] == "default VPC security group"
    (ingress,) = group["IpPermissions"]
    assert ingress["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in ingress["UserIdGroupPairs"]] == [group["GroupId"]]
    (egress,) = group["IpPermissionsEgress"]
    assert egress["IpProtocol"] == "-1"
    assert [r["CidrIp"] for r in egress["IpRanges"]] == ["0.0.0.0/0"]


def test_a_new_vpc_has_the_default_network_acl(adit, vpc):
    """Where DescribeNetworkAcls is not built yet, it says so in AWS's form; it never says `none`."""
    from botocore.exceptions import ClientError

    try:
        (acl,) = adit.ec2.describe_network_acls()["NetworkAcls"]
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("InvalidAction", "UnsupportedOperation")
        return
    assert acl["IsDefault"] and acl["VpcId"] == vpc.id
    rules = {(e["Egress"], e["RuleNumber"]): e["RuleAction"] for e in acl["Entries"]}
    assert rules == {
        (False, 100): "allow", (False, 32767): "deny",
        (True, 100): "allow", (True, 32767): "deny",
    }


def test_a_cidr_with_host_bits_is_canonicalised(adit):
    assert adit.ec2.create_vpc(CidrBlock="100.68.0.18/18")["Vpc"]["CidrBlock"] == "100.68.0.0/18"


def test_vpc_dns_attributes_start_as_awss_and_can_be_changed(adit, vpc):
    def attribute(name):
        shown = adit.ec2.describe_vpc_attribute(VpcId=vpc.id, Attribute=name)
        return shown[name[0].upper() + name[1:]]["Value"]

    assert attribute("enableDnsSupport") is True
    assert attribute("enableDnsHostnames") is False
    adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": True})
    assert attribute("enableDnsHostnames") is True
    adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsSupport={"Value": False})
    assert attribute("enableDnsSupport") is False


def test_deleting_a_vpc_takes_its_defaults_along(adit, vpc):
    adit.ec2.delete_vpc(VpcId=vpc.id)
    assert adit.ec2.describe_vpcs()["Vpcs"] == []
    assert adit.ec2.describe_route_tables()["RouteTables"] == []
    assert adit.ec2.describe_security_groups()["SecurityGroups"] == []
    with refused("InvalidVpcID.NotFound"):
        adit.ec2.describe_vpcs(VpcIds=[vpc.id])


def test_a_vpc_in_use_cannot_be_deleted(adit, vpc):
    subnet = vpc.subnet()
    with nothing_changed(adit), refused("DependencyViolation"):
        adit.ec2.delete_vpc(VpcId=vpc.id)
    adit.ec2.delete_subnet(SubnetId=subnet)
    vpc.internet_gateway()
    with nothing_changed(adit), refused("DependencyViolation"):
        adit.ec2.delete_vpc(VpcId=vpc.id)


def test_overlapping_vpcs_are_normal(adit):
    first, second = Vpc(adit), Vpc(adit)
    assert first.id != second.id
    assert len(adit.ec2.describe_vpcs()["Vpcs"]) == 2


# ---- subnets ----------------------------------------------------------------------------------


def test_a_subnet_counts_the_addresses_that_are_free(adit, vpc):
    made = adit.ec2.create_subnet(VpcId=vpc.id, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]
    assert re.fullmatch(r"subnet-0[0-9a-f]{16}", made["SubnetId"])
    (shown,) = adit.ec2.describe_subnets(SubnetIds=[made["SubnetId"]])["Subnets"]
    assert (shown["State"], shown["AvailabilityZone"], shown["VpcId"]) == ("available", "us-east-1b", vpc.id)
    assert shown["AvailableIpAddressCount"] == 251, "four at the start and the last are reserved"
    assert shown["MapPublicIpOnLaunch"] is False and shown["DefaultForAz"] is False
    assert shown["SubnetArn"] == f"arn:aws:ec2:us-east-1:123456789012:subnet/{made['SubnetId']}"
    vpc.interface_endpoint(made["SubnetId"])
    (shown,) = adit.ec2.describe_subnets(SubnetIds=[made["SubnetId"]])["Subnets"]
    assert shown["AvailableIpAddressCount"] == 250


def test_a_subnet_without_a_zone_gets_one(adit, vpc):
    made = adit.ec2.create_subnet(VpcId=vpc.id, CidrBlock="10.0.1.0/24")["Subnet"]
    assert made["AvailabilityZone"] in ("us-east-1a", "us-east-1b", "us-east-1c")


def test_map_public_ip_on_launch_can_be_switched(adit, vpc):
    subnet = vpc.subnet()
    for value in (True, False):
        adit.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": value})
        (shown,) = adit.ec2.describe_subnets()["Subnets"]
        assert shown["MapPublicIpOnLaunch"] is value


def test_a_subnet_with_interfaces_cannot_be_deleted(adit, vpc):
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet)
    with nothing_changed(adit), refused("DependencyViolation", message=subnet):
        adit.ec2.delete_subnet(SubnetId=subnet)
    adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])
    adit.ec2.delete_subnet(SubnetId=subnet)
    assert adit.ec2.describe_subnets()["Subnets"] == []


# ---- internet gateways ------------------------------------------------------------------------


def test_the_life_of_an_internet_gateway(adit, vpc):
    gateway = adit.ec2.create_internet_gateway()["InternetGateway"]
    identifier = gateway["InternetGatewayId"]
    assert gateway["Attachments"] == []
    adit.ec2.attach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc.id)
    (shown,) = adit.ec2.describe_internet_gateways(InternetGatewayIds=[identifier])["InternetGateways"]
    assert shown["Attachments"] == [{"State": "available", "VpcId": vpc.id}]

    other = Vpc(adit, "10.1.0.0/16")
    with nothing_changed(adit):
        with refused("Resource.AlreadyAssociated"):
            adit.ec2.attach_internet_gateway(InternetGatewayId=identifier, VpcId=other.id)
        with refused("DependencyViolation", message=identifier):
            adit.ec2.delete_internet_gateway(InternetGatewayId=identifier)
    adit.ec2.detach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc.id)
    with nothing_changed(adit), refused("Gateway.NotAttached"):
        adit.ec2.detach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc.id)
    adit.ec2.delete_internet_gateway(InternetGatewayId=identifier)
    assert adit.ec2.describe_internet_gateways()["InternetGateways"] == []


# ---- interfaces -------------------------------------------------------------------------------


def test_a_running_host_is_a_network_interface_of_its_subnet(adit, vpc):
    subnet = vpc.subnet()
    with adit.host(subnet) as host:
        (interface,) = adit.ec2.describe_network_interfaces()["NetworkInterfaces"]
        assert interface["PrivateIpAddress"] == host.address
        assert ipaddress.ip_address(host.address) in ipaddress.ip_network("10.0.1.0/24")
        assert (interface["SubnetId"], interface["VpcId"]) == (subnet, vpc.id)
        assert interface["Status"] == "in-use"
        assert [group["GroupId"] for group in interface["Groups"]] == [vpc.default_group]
        by_address = [{"Name": "addresses.private-ip-address", "Values": [host.address]}]
        assert adit.ec2.describe_network_interfaces(Filters=by_address)["NetworkInterfaces"] == [interface]
    assert adit.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_an_endpoints_interface_is_requester_managed(adit, vpc):
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet)
    (interface,) = adit.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert interface["Description"] == f"VPC Endpoint Interface {endpoint.id}"
    assert interface["InterfaceType"] == "vpc_endpoint"
    assert interface["RequesterManaged"] is True
    assert interface["Status"] == "in-use"
    assert interface["SubnetId"] == subnet


# ---- tags -------------------------------------------------------------------------------------


def test_tags_on_create_and_afterwards(adit, vpc):
    specification = [{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": "private"}]}]
    subnet = adit.ec2.create_subnet(VpcId=vpc.id, CidrBlock="10.0.1.0/24", TagSpecifications=specification)["Subnet"]
    assert tags_of(subnet) == {"Name": "private"}
    table = vpc.table()
    adit.ec2.create_tags(
        Resources=[subnet["SubnetId"], table, vpc.id],
        Tags=[{"Key": "Name", "Value": "renamed"}, {"Key": "stage", "Value": ""}],
    )
    wanted = {"Name": "renamed", "stage": ""}
    assert tags_of(adit.ec2.describe_subnets()["Subnets"][0]) == wanted
    assert tags_of(adit.ec2.describe_vpcs()["Vpcs"][0]) == wanted
    (found,) = adit.ec2.describe_route_tables(Filters=[{"Name": "tag:stage", "Values": [""]}])["RouteTables"]
    assert found["RouteTableId"] == table and tags_of(found) == wanted


def test_a_bad_tag_changes_nothing(adit, vpc):
    with nothing_changed(adit):
        with refused("InvalidParameterValue"):
            adit.ec2.create_tags(Resources=[vpc.id], Tags=[{"Key": "aws:mine", "Value": "x"}])
        with refused("InvalidParameterValue"):
            adit.ec2.create_tags(Resources=[vpc.id], Tags=[{"Key": "k" * 129, "Value": "x"}])
        with refused("InvalidID"):
            adit.ec2.create_tags(Resources=[vpc.id, "nonsense"], Tags=[{"Key": "a", "Value": "b"}])
        with refused("InvalidVpcID.NotFound"):
            adit.ec2.create_tags(
                Resources=[vpc.id, "vpc-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}]
            )
        with refused("InvalidParameterValue"):
            adit.ec2.create_vpc(
                CidrBlock="10.9.0.0/16",
                TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b"}]}],
            )
        with refused("TagLimitExceeded"):
            adit.ec2.create_tags(
                Resources=[vpc.id], Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(51)]
            )
