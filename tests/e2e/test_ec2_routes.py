"""EC2: route tables, routes, prefix lists, and the routes of gateway endpoints."""

import ipaddress
import re

from harness.expect import nothing_changed, refused
from harness.network import S3_SERVICE, Vpc, s3_prefix_list


def table_of(adit, identifier):
    (table,) = adit.ec2.describe_route_tables(RouteTableIds=[identifier])["RouteTables"]
    return table


def routes(adit, table):
    """The routes of a table: destination → (target, state)."""
    return {
        route.get("DestinationCidrBlock") or route["DestinationPrefixListId"]: (route["GatewayId"], route["State"])
        for route in table_of(adit, table)["Routes"]
    }


LOCAL = {"10.0.0.0/16": ("local", "active")}


# ---- tables -----------------------------------------------------------------------------------


def test_the_life_of_a_route_table(adit, vpc):
    table, subnet = vpc.table(), vpc.subnet()
    assert routes(adit, table) == LOCAL
    association = adit.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert association["AssociationState"]["State"] == "associated"
    (shown,) = table_of(adit, table)["Associations"]
    assert (shown["SubnetId"], shown["Main"]) == (subnet, False)
    assert shown["RouteTableAssociationId"] == association["AssociationId"]
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (found,) = adit.ec2.describe_route_tables(Filters=by_subnet)["RouteTables"]
    assert found["RouteTableId"] == table

    with nothing_changed(adit), refused("DependencyViolation", message=table):
        adit.ec2.delete_route_table(RouteTableId=table)
    adit.ec2.disassociate_route_table(AssociationId=association["AssociationId"])
    adit.ec2.delete_route_table(RouteTableId=table)
    with refused("InvalidRouteTableID.NotFound", message=table):
        adit.ec2.describe_route_tables(RouteTableIds=[table])


def test_a_subnet_has_one_table(adit, vpc):
    first, second, subnet = vpc.table(), vpc.table(), vpc.subnet()
    adit.ec2.associate_route_table(RouteTableId=first, SubnetId=subnet)
    with nothing_changed(adit), refused("Resource.AlreadyAssociated"):
        adit.ec2.associate_route_table(RouteTableId=second, SubnetId=subnet)


def test_the_main_table_stays(adit, vpc):
    main = vpc.main_table
    (association,) = table_of(adit, main)["Associations"]
    with nothing_changed(adit):
        with refused("DependencyViolation"):
            adit.ec2.delete_route_table(RouteTableId=main)
        with refused(
            "InvalidParameterValue",
            message=f"cannot disassociate the main route table association {association['RouteTableAssociationId']}",
        ):
            adit.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def test_a_table_and_a_subnet_of_different_vpcs_do_not_meet(adit, vpc):
    other = Vpc(adit, "10.1.0.0/16")
    table, subnet = vpc.table(), other.subnet("10.1.1.0/24")
    with nothing_changed(adit), refused("InvalidParameterValue"):
        adit.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)


# ---- routes -----------------------------------------------------------------------------------


def test_the_life_of_a_route(adit, vpc):
    table, gateway = vpc.table(), vpc.internet_gateway()
    vpc.internet_route(table)
    assert routes(adit, table) == LOCAL | {"0.0.0.0/0": (gateway, "active")}
    (route,) = [r for r in table_of(adit, table)["Routes"] if r["GatewayId"] == gateway]
    assert route["Origin"] == "CreateRoute"
    adit.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    assert routes(adit, table) == LOCAL


def test_a_routes_destination_is_canonicalised(adit, vpc):
    table = vpc.table()
    vpc.internet_route(table, "198.18.7.9/24")
    assert "198.18.7.0/24" in routes(adit, table)


def test_bad_routes_change_nothing(adit, vpc):
    table, gateway = vpc.table(), vpc.internet_gateway()
    vpc.internet_route(table)
    detached = adit.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    other = Vpc(adit, "10.1.0.0/16")
    second = other.internet_gateway()

    def create(**arguments):
        adit.ec2.create_route(**({"RouteTableId": table} | arguments))

    with nothing_changed(adit):
        with refused("RouteAlreadyExists"):
            create(DestinationCidrBlock="0.0.0.0/0", GatewayId="igw-00000000000000001")
        with refused(("InvalidInternetGatewayID.NotFound", "InvalidGatewayID.NotFound")):
            create(DestinationCidrBlock="1.0.0.0/8", GatewayId="igw-00000000000000001")
        with refused("InvalidParameterValue"):
            create(DestinationCidrBlock="1.0.0.0/8", GatewayId=detached)
        with refused("InvalidParameterValue"):
            create(DestinationCidrBlock="1.0.0.0/8", GatewayId=second)
        with refused("InvalidParameterValue"):
            create(DestinationCidrBlock="not-a-cidr", GatewayId=gateway)
        with refused(("MissingParameter", "InvalidParameterCombination")):
            create(DestinationCidrBlock="1.0.0.0/8")
        with refused("MissingParameter"):
            create(GatewayId=gateway)
        with refused("InvalidRouteTableID.NotFound"):
            create(RouteTableId="rtb-00000000000000001", DestinationCidrBlock="1.0.0.0/8", GatewayId=gateway)
        with refused("InvalidRoute.NotFound", message=table):
            adit.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="9.9.9.0/24")
        with refused("InvalidParameterValue"):
            adit.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="10.0.0.0/16")


def test_a_route_whose_gateway_goes_away_is_a_black_hole(adit, vpc):
    table, gateway = vpc.table(), vpc.internet_gateway()
    vpc.internet_route(table)
    adit.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)
    assert routes(adit, table)["0.0.0.0/0"] == (gateway, "blackhole")


# ---- prefix lists -----------------------------------------------------------------------------


def test_the_s3_prefix_list_is_shown_with_its_ranges(adit):
    found = {p["PrefixListName"]: p for p in adit.ec2.describe_prefix_lists()["PrefixLists"]}
    s3 = found[S3_SERVICE]
    assert re.fullmatch(r"pl-[0-9a-f]{8}", s3["PrefixListId"])
    virtual = ipaddress.ip_network("198.18.0.0/15")
    assert s3["Cidrs"]
    assert all(ipaddress.ip_network(cidr).subnet_of(virtual) for cidr in s3["Cidrs"])
    by_id = adit.ec2.describe_prefix_lists(PrefixListIds=[s3["PrefixListId"]])["PrefixLists"]
    assert by_id == [s3]
    with refused(("InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound")):
        adit.ec2.describe_prefix_lists(PrefixListIds=["pl-00000000"])


# ---- routes of gateway endpoints --------------------------------------------------------------


def test_a_gateway_endpoint_puts_its_route_into_its_tables_only(adit, vpc):
    prefix_list, _ = s3_prefix_list(adit)
    mine, other = vpc.table(), vpc.table()
    endpoint = vpc.gateway_endpoint(mine)
    assert routes(adit, mine) == LOCAL | {prefix_list: (endpoint, "active")}
    assert routes(adit, other) == LOCAL
    (route,) = [r for r in table_of(adit, mine)["Routes"] if r["GatewayId"] == endpoint]
    assert route["Origin"] == "CreateRoute" and "DestinationCidrBlock" not in route

    adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[other], RemoveRouteTableIds=[mine])
    assert routes(adit, mine) == LOCAL
    assert routes(adit, other) == LOCAL | {prefix_list: (endpoint, "active")}
    (shown,) = adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert shown["RouteTableIds"] == [other]

    adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert routes(adit, other) == LOCAL


def test_an_endpoint_route_cannot_be_made_or_removed_by_hand(adit, vpc):
    prefix_list, _ = s3_prefix_list(adit)
    table, empty = vpc.table(), vpc.table()
    endpoint = vpc.gateway_endpoint(table)
    with nothing_changed(adit):
        with refused("InvalidParameterValue", message=prefix_list):
            adit.ec2.delete_route(RouteTableId=table, DestinationPrefixListId=prefix_list)
        with refused(("InvalidParameterValue", "RouteNotSupported", "InvalidParameter", "InvalidVpcEndpointType")):
            adit.ec2.create_route(RouteTableId=empty, DestinationPrefixListId=prefix_list, VpcEndpointId=endpoint)
        with refused(("InvalidParameterValue", "RouteNotSupported", "InvalidGatewayID.NotFound")):
            adit.ec2.create_route(RouteTableId=empty, DestinationPrefixListId=prefix_list, GatewayId=endpoint)


def test_a_second_s3_gateway_endpoint_on_one_table_is_refused(adit, vpc):
    prefix_list, _ = s3_prefix_list(adit)
    table, free = vpc.table(), vpc.table()
    vpc.gateway_endpoint(table)
    message = f"route table {table} already has a route with destination-prefix-list-id {prefix_list}"
    with nothing_changed(adit), refused("RouteAlreadyExists", message=message):
        vpc.gateway_endpoint(free, table)
    second = vpc.gateway_endpoint(free)
    with nothing_changed(adit), refused("RouteAlreadyExists", message=message):
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=second, AddRouteTableIds=[table])


def test_a_table_that_only_an_endpoint_lists_can_be_deleted(adit, vpc):
    table, kept = vpc.table(), vpc.table()
    vpc.gateway_endpoint(table, kept)
    adit.ec2.delete_route_table(RouteTableId=table)
    (shown,) = adit.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert shown["RouteTableIds"] == [kept]
