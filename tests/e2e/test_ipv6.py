"""IPv6: endpoints that have it, ways out, and what does not carry it, with real clients."""

import ipaddress
import json
import os
import subprocess

import pytest
from harness.expect import allowed, denied
from harness.network import Vpc
from harness.policies import BY_BUCKET_POLICY, only_unless

SERVICE = "fd00:ad18::c612:a"
RESOLVER = "fd00:ec2::253"


class Six(Vpc):
    """A VPC with an IPv6 block; `/64`s are given in order."""

    def __init__(self, adit, cidr="10.0.0.0/16"):
        super().__init__(adit, cidr, dns_hostnames=True)
        made = self.ec2.associate_vpc_cidr_block(VpcId=self.id, AmazonProvidedIpv6CidrBlock=True)
        self.block = ipaddress.ip_network(made["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"])
        self._blocks = self.block.subnets(new_prefix=64)

    def subnet6(self, cidr, *, table=None, public=False):
        """A subnet whose hosts have IPv6 addresses."""
        subnet = self.subnet(cidr, table=table, public=public)
        self.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=str(next(self._blocks)))
        self.ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
        return subnet

    def route6(self, table, **target):
        self.ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", **target)

    def egress_only(self):
        made = self.ec2.create_egress_only_internet_gateway(VpcId=self.id)["EgressOnlyInternetGateway"]
        return made["EgressOnlyInternetGatewayId"]

    def open_group(self, *rules):
        """A group that lets these (protocol, port, block) in over IPv6, and nothing over IPv4."""
        made = self.group("six")
        permissions = [
            {"IpProtocol": protocol, "FromPort": port, "ToPort": port, "Ipv6Ranges": [{"CidrIpv6": block}]}
            for protocol, port, block in rules
        ]
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=permissions)
        return made


@pytest.fixture
def six(adit):
    """A subnet with everything, one with the egress-only gateway, one without routes."""
    vpc = Six(adit)
    table = vpc.table()
    vpc.internet_route(table)
    vpc.route6(table, GatewayId=vpc.internet_gateway())
    vpc.gateway = vpc.gateway_endpoint(table)
    vpc.public = vpc.subnet6("10.0.1.0/24", table=table, public=True)
    private = vpc.table()
    vpc.route6(private, EgressOnlyInternetGatewayId=vpc.egress_only())
    vpc.private = vpc.subnet6("10.0.2.0/24", table=private)
    alone = vpc.table()
    adit.ec2.modify_vpc_endpoint(VpcEndpointId=vpc.gateway, AddRouteTableIds=[alone])
    vpc.alone = vpc.subnet6("10.0.3.0/24", table=alone)
    return vpc


def own(host):
    """The IPv6 address of a host, and only that: none is made up on the link."""
    shown = json.loads(host.shell("ip", "-j", "-6", "addr", "show", "dev", "eth0").stdout)
    (address,) = [a["local"] for a in shown[0]["addr_info"]]
    return address


def bucket_only_for(adit, key, value, operator="NotIpAddress"):
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    adit.put_policy(bucket, only_unless(bucket, operator, key, value))
    return bucket


def read(host, bucket, **options):
    return host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, "connect_timeout": 2, **options})


def test_an_interface_endpoint_serves_ipv6_by_its_names(adit, six):
    group = six.open_group(("tcp", 443, "::/0"))
    endpoint = six.interface_endpoint(
        six.private, groups=[group], IpAddressType="dualstack", DnsOptions={"DnsRecordIpType": "ipv6"}
    )
    (interface,) = endpoint.interfaces
    (address,) = [one["Ipv6Address"] for one in interface["Ipv6Addresses"]]
    name = f"bucket.{endpoint.names[0]}"
    with adit.host(six.private) as host, adit.host(six.private) as neighbour:
        mine = own(host)
        assert ipaddress.ip_address(mine) in six.block
        assert host.lookup(name, "AAAA").addresses == [address]
        assert host.lookup(name, "A").addresses == []
        assert host.lookup(name, "AAAA", server=RESOLVER, transport="tcp").addresses == [address]
        # The group's rule is for IPv6 alone, and for one port.
        assert host.connect(address, 443) == "open"
        assert host.connect(interface["PrivateIpAddress"], 443, timeout=1) == "timeout"
        assert host.connect(address, 80, timeout=1) == "timeout"

        bucket = bucket_only_for(adit, "aws:VpcSourceIp", f"{mine}/128")
        allowed(read(host, bucket, endpoint=endpoint.url))
        denied(read(neighbour, bucket, endpoint=endpoint.url), layer=BY_BUCKET_POLICY)
        by_endpoint = bucket_only_for(adit, "aws:sourceVpce", endpoint.id, "StringNotEquals")
        allowed(read(host, by_endpoint, endpoint=endpoint.url))
        seen = host.shell("curl", "-6", "-s", "--cacert", host.variables["AWS_CA_BUNDLE"], "-o", "/dev/null", "-m", "10",
                          "-w", "%{http_code} %{remote_ip}", f"https://{name}/{bucket}/x").stdout  # fmt: skip
        assert seen == f"403 {address}"


def test_changing_the_type_of_an_endpoint_opens_and_closes_it(adit, six):
    group = six.open_group(("tcp", 443, "::/0"))
    endpoint = six.interface_endpoint(six.public, groups=[group], IpAddressType="ipv4")
    assert not endpoint.interfaces[0]["Ipv6Addresses"]
    with adit.host(six.public) as host:
        name = endpoint.names[0]
        assert host.lookup(name, "AAAA").addresses == []
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, IpAddressType="dualstack")
        (address,) = [one["Ipv6Address"] for one in endpoint.interfaces[0]["Ipv6Addresses"]]
        assert host.connect(address) == "open"
        assert host.lookup(name, "AAAA").addresses == [address]
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, IpAddressType="ipv4")
        assert host.connect(address, timeout=1) == "timeout"


def test_gateway_endpoints_do_not_carry_ipv6(adit, six):
    """S3's dual-stack name over IPv6 goes by the internet gateway past the endpoint, or nowhere."""
    through = bucket_only_for(adit, "aws:sourceVpce", six.gateway, "StringNotEquals")
    v6 = {"endpoint": f"http://[{SERVICE}]", "style": "path"}
    v4 = {"endpoint": "http://198.18.0.10", "style": "path"}
    with adit.host(six.public) as host, adit.host(six.alone) as lost:
        dualstack = "s3.dualstack.us-east-1.amazonaws.com"
        assert host.lookup(dualstack, "AAAA").addresses == [SERVICE]
        assert host.lookup("s3.us-east-1.amazonaws.com", "AAAA").addresses == []
        allowed(read(host, through, **v4))
        denied(read(host, through, **v6), layer=BY_BUCKET_POLICY)
        by_address = bucket_only_for(adit, "aws:SourceIp", f"{own(host)}/128")
        allowed(read(host, by_address, **v6))
        denied(read(host, by_address, **v4), layer=BY_BUCKET_POLICY)
        allowed(read(lost, through, **v4))
        assert lost.connect(SERVICE, 80, timeout=1) == "timeout"
        assert host.shell("curl", "-6", "-s", "-o", "/dev/null", "-m", "10", "-w", "%{remote_ip}", f"http://{dualstack}/").stdout == SERVICE


def test_an_egress_only_gateway_lets_answers_in_and_nobody_else(adit, six):
    other = Six(adit, "10.9.0.0/16")
    table = other.table()
    other.route6(table, GatewayId=other.internet_gateway())
    outside = other.subnet6("10.9.1.0/24", table=table)
    group = six.open_group(("tcp", 443, "::/0"))
    with (
        adit.host(six.private, group=group) as private,
        adit.host(six.public, group=group) as public,
        adit.host(outside) as stranger,
    ):
        assert private.connect(SERVICE) == "open"
        # Nobody listens: whom a packet reaches, refuses.
        assert stranger.connect(own(public)) == "refused"
        assert stranger.connect(own(public), 80, timeout=1) == "timeout"
        assert stranger.connect(own(private), timeout=1) == "timeout"
        assert public.connect(own(private)) == "refused"


def test_an_address_comes_and_goes_while_a_host_runs(adit, six):
    with adit.host(six.alone) as host:
        (interface,) = adit.ec2.describe_network_interfaces(
            Filters=[{"Name": "private-ip-address", "Values": [host.address]}, {"Name": "vpc-id", "Values": [six.id]}]
        )["NetworkInterfaces"]
        eni = interface["NetworkInterfaceId"]
        (first,) = [one["Ipv6Address"] for one in interface["Ipv6Addresses"]]
        assert own(host) == first
        made = adit.ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6AddressCount=1)["AssignedIpv6Addresses"]
        adit.ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[first])
        assert [own(host)] == made
        adit.ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=made)
        assert host.shell("ip", "-6", "addr", "show", "dev", "eth0").stdout == ""


def test_a_namespace_of_somebody_elses_gets_ipv6_for_its_device_alone(adit, six):
    name = f"adit-test-{os.getpid()}-six"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=True)
        interface, _ = adit.adit("attach", "--subnet", six.public, "--netns", f"/run/netns/{name}").stdout.split()
        (shown,) = adit.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
        (address,) = [one["Ipv6Address"] for one in shown["Ipv6Addresses"]]
        seen = subprocess.run([*inside, "ip", "-6", "addr", "show", "dev", "eth0"], capture_output=True, text=True, check=True)
        assert f"{address}/128" in seen.stdout
        asked = ["curl", "-6", "-s", "-o", "/dev/null", "-m", "10", "-w", "%{http_code}", f"http://[{SERVICE}]/"]
        status = subprocess.run([*inside, *asked], capture_output=True, text=True, check=False).stdout
        assert status in ("403", "307", "200")
        adit.adit("detach", interface, "--delete")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
