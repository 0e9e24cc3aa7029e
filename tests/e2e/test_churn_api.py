"""Create, read, change in place, read, delete: for every kind of resource of EC2's networking, by boto3.

test_churn_services.py does the same for IAM, Route 53, its Resolver and S3 Control.

After each write the resource is read back and compared with what was written, as Terraform does: an answer that
differs from what was asked for would show there as a change that nobody made. At the end nothing is left.
"""

import ipaddress

import pytest
from harness.churn import gone

VPC = "10.40.0.0/16"


class Place:
    """What most resources need: a VPC with two subnets and an internet gateway."""

    def __init__(self, adit):
        self.ec2 = adit.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock=VPC)["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnet, self.other = (
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.40.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")
            ["Subnet"]["SubnetId"] for n, zone in ((1, "a"), (2, "b"))
        )
        self.gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]

    def leave(self):
        self.ec2.delete_route_table(RouteTableId=self.table)
        self.ec2.detach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.ec2.delete_internet_gateway(InternetGatewayId=self.gateway)
        for subnet in (self.subnet, self.other):
            self.ec2.delete_subnet(SubnetId=subnet)
        self.ec2.delete_vpc(VpcId=self.vpc)

    def tagged(self, kind, name="first"):
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]

    def routes(self, table=None):
        """{destination: (target, state)} of a table, without its local route."""
        shown = self.ec2.describe_route_tables(RouteTableIds=[table or self.table])["RouteTables"][0]["Routes"]
        names = ("GatewayId", "NatGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId")
        found = {}
        for route in shown:
            target = next(route[name] for name in names if name in route)
            destination = route.get("DestinationCidrBlock") or route["DestinationPrefixListId"]
            if target != "local":
                found[destination] = (target, route["State"])
        return found


@pytest.fixture
def place(adit):
    made = Place(adit)
    yield made
    made.leave()
    ec2 = made.ec2
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert ec2.describe_network_acls()["NetworkAcls"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_addresses()["Addresses"] == []


def names(resource):
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", resource.get("TagSet", []))}


def retag(ec2, resource):
    ec2.create_tags(Resources=[resource], Tags=[{"Key": "Name", "Value": "second"}])


def test_vpc_and_subnet(place):
    ec2 = place.ec2
    made = ec2.associate_vpc_cidr_block(VpcId=place.vpc, CidrBlock="10.41.0.0/16")["CidrBlockAssociation"]

    def blocks():
        shown = ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["CidrBlockAssociationSet"]
        return [(one["CidrBlock"], one["CidrBlockState"]["State"]) for one in shown]

    assert blocks() == [(VPC, "associated"), ("10.41.0.0/16", "associated")]
    subnet = ec2.create_subnet(VpcId=place.vpc, CidrBlock="10.41.1.0/24", TagSpecifications=place.tagged("subnet"))["Subnet"]
    assert names(subnet) == {"Name": "first"}
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0]["MapPublicIpOnLaunch"]
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.disassociate_vpc_cidr_block(AssociationId=made["AssociationId"])
    assert blocks() == [(VPC, "associated")]


def test_attributes_of_a_vpc(place):
    ec2 = place.ec2

    def shown(name):
        answer = ec2.describe_vpc_attribute(VpcId=place.vpc, Attribute=name)
        return answer[name[0].upper() + name[1:]]["Value"]

    for value in (False, True):
        ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": value})
        assert (shown("enableDnsSupport"), shown("enableDnsHostnames")) == (True, value)
    ec2.create_tags(Resources=[place.vpc], Tags=[{"Key": "Name", "Value": "first"}, {"Key": "Other", "Value": ""}])
    retag(ec2, place.vpc)
    ec2.delete_tags(Resources=[place.vpc], Tags=[{"Key": "Other"}])
    assert names(ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]) == {"Name": "second"}
    # A subnet's table: the main one, another, the main one again.
    made = ec2.associate_route_table(RouteTableId=place.table, SubnetId=place.subnet)["AssociationId"]

    def subnets():
        table = ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]
        return [(one["RouteTableAssociationId"], one["SubnetId"]) for one in table["Associations"]]

    assert subnets() == [(made, place.subnet)]
    ec2.disassociate_route_table(AssociationId=made)
    assert subnets() == []


def test_ipv6(adit):
    ec2 = adit.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=VPC, AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]

    def block(kind, **named):
        shown = getattr(ec2, f"describe_{kind}s")(**named)[f"{kind.capitalize()}s"][0]["Ipv6CidrBlockAssociationSet"]
        return [(one["Ipv6CidrBlock"], one["Ipv6CidrBlockState"]["State"], one["AssociationId"]) for one in shown]

    cidr, state, first = block("vpc", VpcIds=[vpc])[0]
    assert state == "associated"
    more = ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]["AssociationId"]
    assert [one[2] for one in block("vpc", VpcIds=[vpc])] == [first, more]
    ec2.disassociate_vpc_cidr_block(AssociationId=more)

    own = str(next(ipaddress.ip_network(cidr).subnets(new_prefix=64)))
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=own)["Ipv6CidrBlockAssociation"]["AssociationId"]
    assert block("subnet", SubnetIds=[subnet]) == [(own, "associated", made)]
    ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AssignIpv6AddressOnCreation"]
    eni = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]

    def addresses():
        shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Ipv6Addresses"]
        return [one["Ipv6Address"] for one in shown]

    given = addresses()
    assert len(given) == 1
    new = own.replace("/64", "beef")
    ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[new])
    assert addresses() == [*given, new]
    ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=given)
    assert addresses() == [new]

    gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0"}
    ec2.create_route(**route, EgressOnlyInternetGatewayId=gateway)

    def out():
        shown = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return [(one["State"], one.get("EgressOnlyInternetGatewayId")) for one in shown if one.get("DestinationIpv6CidrBlock") == "::/0"]

    assert out() == [("active", gateway)]
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)
    assert out() == [("blackhole", gateway)]
    ec2.delete_route(**route)
    assert out() == []
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.disassociate_subnet_cidr_block(AssociationId=made)
    assert block("subnet", SubnetIds=[subnet]) == []
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=first)
    assert block("vpc", VpcIds=[vpc]) == []
    ec2.delete_vpc(VpcId=vpc)


def test_network_acl(place):
    ec2 = place.ec2
    acl = ec2.create_network_acl(VpcId=place.vpc, TagSpecifications=place.tagged("network-acl"))["NetworkAcl"]["NetworkAclId"]

    def shown():
        return ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]

    def rules():
        return [entry for entry in shown()["Entries"] if entry["RuleNumber"] < 32767]

    rule = {"RuleNumber": 100, "Egress": False, "Protocol": "6", "RuleAction": "allow", "CidrBlock": "10.0.0.0/8",
            "PortRange": {"From": 443, "To": 443}}
    ping = {"RuleNumber": 110, "Egress": True, "Protocol": "1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0",
            "IcmpTypeCode": {"Type": 8, "Code": -1}}
    for one in (rule, ping):
        ec2.create_network_acl_entry(NetworkAclId=acl, **one)
    assert rules() == [ping, rule]
    rule["PortRange"] = {"From": 1024, "To": 65535}
    ec2.replace_network_acl_entry(NetworkAclId=acl, **rule)
    assert rules() == [ping, rule]
    retag(ec2, acl)
    assert names(shown()) == {"Name": "second"}
    found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [place.subnet]}])["NetworkAcls"][0]
    old = next(one for one in found["Associations"] if one["SubnetId"] == place.subnet)
    new = ec2.replace_network_acl_association(AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl)
    assert shown()["Associations"] == [
        {"NetworkAclAssociationId": new["NewAssociationId"], "NetworkAclId": acl, "SubnetId": place.subnet},
    ]
    ec2.replace_network_acl_association(AssociationId=new["NewAssociationId"], NetworkAclId=found["NetworkAclId"])
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    assert rules() == [ping]
    ec2.delete_network_acl(NetworkAclId=acl)
    gone(ec2.describe_network_acls, "InvalidNetworkAclID.NotFound", NetworkAclIds=[acl])


def test_interface_address_and_nat_gateway(place):
    ec2 = place.ec2
    eni = ec2.create_network_interface(
        SubnetId=place.subnet, Description="first", PrivateIpAddress="10.40.1.40",
        TagSpecifications=place.tagged("network-interface"),
    )["NetworkInterface"]["NetworkInterfaceId"]
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni])

    def shown():
        return ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]

    assert (shown()["Description"], shown()["PrivateIpAddress"], names(shown())) == ("first", "10.40.1.40", {"Name": "first"})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Description={"Value": "second"})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.40.1.41"])
    assert (shown()["Description"], shown()["SourceDestCheck"]) == ("second", False)
    assert [one["PrivateIpAddress"] for one in shown()["PrivateIpAddresses"]] == ["10.40.1.40", "10.40.1.41"]

    eip = ec2.allocate_address(Domain="vpc", TagSpecifications=place.tagged("elastic-ip"))
    bound = ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=eni, PrivateIpAddress="10.40.1.41")
    address = ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0]
    assert (address["AssociationId"], address["PrivateIpAddress"], address["NetworkInterfaceId"], address["PublicIp"]) == (
        bound["AssociationId"], "10.40.1.41", eni, eip["PublicIp"])
    assert shown()["PrivateIpAddresses"][1]["Association"]["PublicIp"] == eip["PublicIp"]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.40.1.41"])
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0]

    route = {"RouteTableId": place.table, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(**route, NetworkInterfaceId=eni)
    nat = ec2.create_nat_gateway(
        SubnetId=place.subnet, AllocationId=eip["AllocationId"], TagSpecifications=place.tagged("natgateway"),
    )["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat])
    gateway = ec2.describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [place.vpc]}])["NatGateways"][0]
    assert (gateway["NatGatewayId"], gateway["ConnectivityType"], gateway["NatGatewayAddresses"][0]["PublicIp"]) == (
        nat, "public", eip["PublicIp"])
    ec2.replace_route(**route, NatGatewayId=nat)
    assert place.routes() == {"0.0.0.0/0": (nat, "active")}
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat])
    assert place.routes() == {"0.0.0.0/0": (nat, "blackhole")}
    ec2.delete_route(**route)
    ec2.release_address(AllocationId=eip["AllocationId"])
    gone(ec2.describe_addresses, "InvalidAllocationID.NotFound", AllocationIds=[eip["AllocationId"]])
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    gone(ec2.describe_network_interfaces, "InvalidNetworkInterfaceID.NotFound", NetworkInterfaceIds=[eni])


def test_peering(place):
    ec2 = place.ec2
    peer = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=peer, EnableDnsHostnames={"Value": True})
    made = ec2.create_vpc_peering_connection(
        VpcId=place.vpc, PeerVpcId=peer, TagSpecifications=place.tagged("vpc-peering-connection"),
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.get_waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[made])

    def shown():
        return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[made])["VpcPeeringConnections"][0]

    assert shown()["Status"]["Code"] == "pending-acceptance"
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made)
    assert (shown()["Status"]["Code"], shown()["AccepterVpcInfo"]["CidrBlock"]) == ("active", "10.50.0.0/16")
    on = {"AllowDnsResolutionFromRemoteVpc": True}
    ec2.modify_vpc_peering_connection_options(VpcPeeringConnectionId=made, RequesterPeeringConnectionOptions=on)
    sides = [shown()[side]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] for side in ("RequesterVpcInfo", "AccepterVpcInfo")]
    assert sides == [True, False]
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="10.50.0.0/16", VpcPeeringConnectionId=made)
    assert place.routes() == {"10.50.0.0/16": (made, "active")}
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made)
    ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[made])
    assert place.routes() == {"10.50.0.0/16": (made, "blackhole")}
    ec2.delete_vpc(VpcId=peer)


def test_vpn(place):
    ec2 = place.ec2
    vgw = ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64700, TagSpecifications=place.tagged("vpn-gateway"))
    vgw = vgw["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=vgw, VpcId=place.vpc)
    shown = ec2.describe_vpn_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [place.vpc]}])["VpnGateways"][0]
    assert (shown["VpnGatewayId"], shown["AmazonSideAsn"], shown["VpcAttachments"][0]["State"]) == (vgw, 64700, "attached")
    cgw = ec2.create_customer_gateway(Type="ipsec.1", BgpAsn=65020, IpAddress="203.0.113.20", DeviceName="router")
    cgw = cgw["CustomerGateway"]["CustomerGatewayId"]
    vpn = ec2.create_vpn_connection(
        Type="ipsec.1", CustomerGatewayId=cgw, VpnGatewayId=vgw,
        Options={"StaticRoutesOnly": True, "TunnelOptions": [{"TunnelInsideCidr": "169.254.99.0/30"}]},
    )["VpnConnection"]["VpnConnectionId"]
    ec2.get_waiter("vpn_connection_available").wait(VpnConnectionIds=[vpn])

    def connection():
        return ec2.describe_vpn_connections(VpnConnectionIds=[vpn])["VpnConnections"][0]

    assert connection()["Options"]["TunnelOptions"][0]["TunnelInsideCidr"] == "169.254.99.0/30"
    ec2.create_vpn_connection_route(VpnConnectionId=vpn, DestinationCidrBlock="192.168.60.0/24")
    assert [route["DestinationCidrBlock"] for route in connection()["Routes"]] == ["192.168.60.0/24"]
    ec2.enable_vgw_route_propagation(GatewayId=vgw, RouteTableId=place.table)
    assert place.routes() == {"192.168.60.0/24": (vgw, "active")}
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="192.168.0.0/16", GatewayId=vgw)
    assert place.routes()["192.168.0.0/16"] == (vgw, "active")
    ec2.delete_route(RouteTableId=place.table, DestinationCidrBlock="192.168.0.0/16")
    ec2.disable_vgw_route_propagation(GatewayId=vgw, RouteTableId=place.table)
    assert place.routes() == {}
    ec2.delete_vpn_connection_route(VpnConnectionId=vpn, DestinationCidrBlock="192.168.60.0/24")
    assert connection()["Routes"] == []
    ec2.delete_vpn_connection(VpnConnectionId=vpn)
    ec2.get_waiter("vpn_connection_deleted").wait(VpnConnectionIds=[vpn])
    ec2.delete_customer_gateway(CustomerGatewayId=cgw)
    ec2.detach_vpn_gateway(VpnGatewayId=vgw, VpcId=place.vpc)
    ec2.delete_vpn_gateway(VpnGatewayId=vgw)
    gone(ec2.describe_vpn_gateways, "InvalidVpnGatewayID.NotFound", VpnGatewayIds=[vgw])


def test_prefix_list(place):
    ec2 = place.ec2
    made = ec2.create_managed_prefix_list(
        PrefixListName="first", AddressFamily="IPv4", MaxEntries=5, Entries=[{"Cidr": "192.0.2.0/24", "Description": "one"}],
        TagSpecifications=place.tagged("prefix-list"),
    )["PrefixList"]["PrefixListId"]

    def shown():
        return ec2.describe_managed_prefix_lists(PrefixListIds=[made])["PrefixLists"][0]

    def entries(**version):
        pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=made, **version)
        return [(one["Cidr"], one.get("Description")) for page in pages for one in page["Entries"]]

    assert (shown()["PrefixListName"], shown()["Version"], names(shown())) == ("first", 1, {"Name": "first"})
    ec2.modify_managed_prefix_list(PrefixListId=made, PrefixListName="second")
    ec2.modify_managed_prefix_list(PrefixListId=made, CurrentVersion=1, AddEntries=[{"Cidr": "198.51.100.0/24"}])
    assert (shown()["PrefixListName"], shown()["Version"]) == ("second", 2)
    assert entries() == [("192.0.2.0/24", "one"), ("198.51.100.0/24", None)]
    assert entries(TargetVersion=1) == [("192.0.2.0/24", "one")]
    ec2.create_route(RouteTableId=place.table, DestinationPrefixListId=made, GatewayId=place.gateway)
    assert place.routes() == {made: (place.gateway, "active")}
    gone(ec2.delete_managed_prefix_list, "DependencyViolation", PrefixListId=made)
    ec2.delete_route(RouteTableId=place.table, DestinationPrefixListId=made)
    ec2.delete_managed_prefix_list(PrefixListId=made)
    gone(ec2.describe_managed_prefix_lists, "InvalidPrefixListID.NotFound", PrefixListIds=[made])


def test_dhcp_options(place):
    ec2 = place.ec2
    wanted = [
        {"Key": "domain-name", "Values": [{"Value": "corp.example"}]},
        {"Key": "domain-name-servers", "Values": [{"Value": "10.40.1.53"}]},
    ]
    plain = [{"Key": one["Key"], "Values": [value["Value"] for value in one["Values"]]} for one in wanted]
    made = ec2.create_dhcp_options(DhcpConfigurations=plain)["DhcpOptions"]["DhcpOptionsId"]
    assert ec2.describe_dhcp_options(DhcpOptionsIds=[made])["DhcpOptions"][0]["DhcpConfigurations"] == wanted

    def of_vpc():
        return ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["DhcpOptionsId"]

    first = of_vpc()
    ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=place.vpc)
    assert of_vpc() == made
    gone(ec2.delete_dhcp_options, "DependencyViolation", DhcpOptionsId=made)
    ec2.associate_dhcp_options(DhcpOptionsId=first, VpcId=place.vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=made)
    gone(ec2.describe_dhcp_options, "InvalidDhcpOptionID.NotFound", DhcpOptionsIds=[made])


def test_table_of_a_gateway(place):
    ec2 = place.ec2
    table = ec2.create_route_table(VpcId=place.vpc)["RouteTable"]["RouteTableId"]
    made = ec2.associate_route_table(RouteTableId=table, GatewayId=place.gateway)["AssociationId"]
    found = ec2.describe_route_tables(Filters=[{"Name": "association.gateway-id", "Values": [place.gateway]}])["RouteTables"]
    assert [(one["RouteTableId"], one["Associations"][0]["Main"]) for one in found] == [(table, False)]
    eni = ec2.create_network_interface(SubnetId=place.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.40.2.0/24", NetworkInterfaceId=eni)
    # Nobody stands behind the interface yet.
    assert place.routes(table) == {"10.40.2.0/24": (eni, "blackhole")}
    gone(ec2.create_route, "InvalidParameterValue", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=place.gateway)
    ec2.disassociate_route_table(AssociationId=made)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    gone(ec2.describe_route_tables, "InvalidRouteTableID.NotFound", RouteTableIds=[table])


def test_security_group(place):
    ec2 = place.ec2
    group = ec2.create_security_group(GroupName="first", Description="first", VpcId=place.vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "one"}]}
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])["SecurityGroupRules"][0]
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{
        "SecurityGroupRuleId": made["SecurityGroupRuleId"],
        "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "CidrIpv4": "10.0.0.0/8", "Description": "two"},
    }])
    shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert [(one["FromPort"], one["ToPort"], one["IpRanges"]) for one in shown] == [
        (80, 81, [{"CidrIp": "10.0.0.0/8", "Description": "two"}]),
    ]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[made["SecurityGroupRuleId"]])
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"] == []
    ec2.delete_security_group(GroupId=group)
    gone(ec2.describe_security_groups, "InvalidGroup.NotFound", GroupIds=[group])


def test_endpoints(place):
    ec2 = place.ec2
    service = "com.amazonaws.us-east-1.s3"
    gateway = ec2.create_vpc_endpoint(VpcId=place.vpc, ServiceName=service, RouteTableIds=[place.table])["VpcEndpoint"]["VpcEndpointId"]

    def shown(endpoint):
        return ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]

    assert (shown(gateway)["State"], shown(gateway)["RouteTableIds"]) == ("available", [place.table])
    ec2.modify_vpc_endpoint(VpcEndpointId=gateway, RemoveRouteTableIds=[place.table])
    assert (shown(gateway)["RouteTableIds"], place.routes()) == ([], {})
    interface = ec2.create_vpc_endpoint(
        VpcId=place.vpc, ServiceName=service, VpcEndpointType="Interface", SubnetIds=[place.subnet],
        TagSpecifications=place.tagged("vpc-endpoint"),
    )["VpcEndpoint"]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=interface, AddSubnetIds=[place.other])
    retag(ec2, interface)
    assert (set(shown(interface)["SubnetIds"]), names(shown(interface))) == ({place.subnet, place.other}, {"Name": "second"})
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway, interface])["Unsuccessful"] == []
    gone(ec2.describe_vpc_endpoints, "InvalidVpcEndpointId.NotFound", VpcEndpointIds=[gateway])


def test_an_operator_sets_a_limit(adit):
    ec2 = adit.client("ec2")
    adit.adit("quota", "set", "vpcs-per-region", "0")
    gone(ec2.create_vpc, "VpcLimitExceeded", CidrBlock=VPC)
    assert "vpcs-per-region\t0\t-" in adit.adit("quota", "list").stdout
    adit.adit("quota", "set", "vpcs-per-region")
    ec2.delete_vpc(VpcId=ec2.create_vpc(CidrBlock=VPC)["Vpc"]["VpcId"])


def test_an_operator_changes_the_ranges_of_a_service(place, adit):
    """`adit prefix-list set`: the list, the route to it and the name of the service follow."""
    ec2 = place.ec2
    endpoint = ec2.create_vpc_endpoint(
        VpcId=place.vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[place.table],
    )["VpcEndpoint"]["VpcEndpointId"]
    listed = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.s3"]}])
    before = listed["PrefixLists"][0]["Cidrs"]
    done = adit.adit("prefix-list", "set", "s3", "198.18.200.0/24")
    assert done.returncode == 0, done.stderr
    shown = ec2.describe_prefix_lists(PrefixListIds=[listed["PrefixLists"][0]["PrefixListId"]])["PrefixLists"][0]
    assert shown["Cidrs"] == ["198.18.200.0/24"]
    refused = adit.adit("prefix-list", "set", "s3", "198.19.0.0/16", check=False)
    assert refused.returncode != 0
    assert "InvalidParameterValue" in refused.stderr
    assert adit.adit("prefix-list", "set", "s3", *before).returncode == 0
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
