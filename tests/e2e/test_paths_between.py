"""Paths over NAT gateways and peering connections, network ACLs on the way, and the paths that are not there."""

import tempfile

import pytest
from harness.expect import allowed, denied
from harness.network import Vpc, s3_prefix_list, site
from harness.policies import BY_BUCKET_POLICY, only_unless

CONFIG = tempfile.NamedTemporaryFile("w", prefix="adit-e2e-", suffix=".toml")  # noqa: SIM115
CONFIG.write("default_region = 'us-east-1'\n[[region]]\nname = 'us-east-1'\n[[region]]\nname = 'eu-west-1'\n")
CONFIG.flush()
UP = {"arguments": ["--config", CONFIG.name]}

# Nobody listens there: a packet that arrives is refused, one that does not is missed.
PORT = 9


def bucket_only_for(adit, key, value, operator="StringNotEquals"):
    """A bucket with one object and the documented Deny for everybody who comes otherwise."""
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    adit.put_policy(bucket, only_unless(bucket, operator, key, value))
    return bucket


def read(host, bucket, **options):
    """One fresh GetObject: a new connection, the route as it is now."""
    return host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, "connect_timeout": 1, **options})


def arrives(host, address):
    """Whether a packet gets to an address and its answer back."""
    return host.connect(address, PORT, timeout=1) == "refused"


# ---- NAT gateway ------------------------------------------------------------------------------


def test_a_private_subnet_goes_out_by_its_nat_gateway(adit, vpc):
    ec2 = adit.ec2
    outside = vpc.public_subnet("10.0.9.0/24")
    allocation = ec2.allocate_address(Domain="vpc")
    nat = ec2.create_nat_gateway(SubnetId=outside, AllocationId=allocation["AllocationId"])["NatGateway"]["NatGatewayId"]
    table = vpc.table()
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    inside = vpc.subnet("10.0.1.0/24", table=table)
    by_nat = bucket_only_for(adit, "aws:SourceIp", f"{allocation['PublicIp']}/32", "NotIpAddress")
    with adit.host(inside) as host:
        allowed(read(host, by_nat))

        # An endpoint's routes are more specific: what S3 cost by the gateway goes by the endpoint now.
        endpoint = vpc.gateway_endpoint(table)
        denied(read(host, by_nat), layer=BY_BUCKET_POLICY)
        allowed(read(host, bucket_only_for(adit, "aws:sourceVpce", endpoint)))
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        allowed(read(host, by_nat))

        ec2.delete_nat_gateway(NatGatewayId=nat)
        assert not read(host, by_nat).ok
        (shown,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        (route,) = [r for r in shown["Routes"] if r["DestinationCidrBlock"] == "0.0.0.0/0"]
        assert route["State"] == "blackhole"


# ---- peering ----------------------------------------------------------------------------------


def joined(one, other):
    """A peering connection between two VPCs, accepted."""
    region = {"PeerRegion": other.region} if other.region else {}
    made = one.ec2.create_vpc_peering_connection(VpcId=one.id, PeerVpcId=other.id, **region)
    peering = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    other.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    return peering


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_peers_meet_by_their_routes_and_no_further(adit, vpc, region):
    zone = f"{region or 'us-east-1'}a"
    other = Vpc(adit, "10.1.0.0/16", region=region)
    here, there = vpc.table(), other.table()
    near, far = vpc.subnet("10.0.1.0/24", table=here), other.subnet("10.1.1.0/24", zone, table=there)
    rules = [("tcp", None, "10.0.0.0/8")]
    rules = [("-1", None, cidr) for _, _, cidr in rules]
    near_group, far_group = vpc.group("near", ingress=rules), other.group("far", ingress=rules)
    peering = joined(vpc, other)
    gateway = vpc.gateway_endpoint(here)
    interface = vpc.interface_endpoint(near, groups=[near_group])
    for_gateway = bucket_only_for(adit, "aws:sourceVpce", gateway)
    for_interface = bucket_only_for(adit, "aws:sourceVpce", interface.id)
    there_is = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else None
    with adit.host(near, group=near_group) as a, adit.host(far, group=far_group, environment=there_is) as b:
        assert not arrives(a, b.address), "no route there"
        vpc.ec2.create_route(RouteTableId=here, DestinationCidrBlock="10.1.0.0/16", VpcPeeringConnectionId=peering)
        assert not arrives(a, b.address), "no route back"
        other.ec2.create_route(RouteTableId=there, DestinationCidrBlock="10.0.0.0/16", VpcPeeringConnectionId=peering)
        assert arrives(a, b.address)
        assert arrives(b, a.address)

        # The peer's interface endpoint is an address of the peer.
        allowed(read(b, for_interface, endpoint=interface.url, region="us-east-1"))
        # The peer's gateway endpoint is not: routes to it lead nowhere.
        for cidr in s3_prefix_list(adit)[1]:
            other.ec2.create_route(RouteTableId=there, DestinationCidrBlock=str(cidr), VpcPeeringConnectionId=peering)
        allowed(read(a, for_gateway))
        assert not read(b, for_gateway, endpoint="http://s3.us-east-1.amazonaws.com", style="path", region="us-east-1").ok

        other.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
        assert not arrives(a, b.address)


def test_peers_of_a_peer_do_not_meet(adit, vpc):
    """Peering is not transitive: the VPC in the middle passes nothing on."""
    second, third = Vpc(adit, "10.1.0.0/16"), Vpc(adit, "10.2.0.0/16")
    tables = [one.table() for one in (vpc, second, third)]
    subnets = [one.subnet(f"10.{n}.1.0/24", table=tables[n]) for n, one in enumerate((vpc, second, third))]
    groups = [one.group("open", ingress=[("-1", None, "10.0.0.0/8")]) for one in (vpc, second, third)]
    left, right = joined(vpc, second), joined(second, third)
    # Routes as if it were.
    for table, cidr, peering in [
        (tables[0], "10.1.0.0/16", left), (tables[0], "10.2.0.0/16", left), (tables[1], "10.0.0.0/16", left),
        (tables[1], "10.2.0.0/16", right), (tables[2], "10.1.0.0/16", right), (tables[2], "10.0.0.0/16", right),
    ]:
        adit.ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, VpcPeeringConnectionId=peering)
    with (
        adit.host(subnets[0], group=groups[0]) as a,
        adit.host(subnets[1], group=groups[1]) as b,
        adit.host(subnets[2], group=groups[2]) as c,
    ):
        assert arrives(a, b.address)
        assert arrives(b, c.address)
        assert not arrives(a, c.address)


# ---- network ACLs -----------------------------------------------------------------------------


def test_an_acl_has_no_memory_and_counts_at_the_subnets_edge(adit, vpc):
    ec2 = adit.ec2
    one, two = vpc.subnet("10.0.1.0/24"), vpc.subnet("10.0.2.0/24")
    group = vpc.group("open", ingress=[("-1", None, "10.0.0.0/16")])
    acl = ec2.create_network_acl(VpcId=vpc.id)["NetworkAcl"]["NetworkAclId"]
    (held,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [two]}])["NetworkAcls"]
    (association,) = [a for a in held["Associations"] if a["SubnetId"] == two]

    def entry(number, egress, ports, action="allow"):
        ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=number, Egress=egress, Protocol="6", RuleAction=action, CidrBlock="10.0.0.0/16",
            PortRange=dict(zip(("From", "To"), ports, strict=True)),
        )

    with adit.host(one, group=group) as a, adit.host(two, group=group) as b, adit.host(two, group=group) as neighbour:
        assert arrives(a, b.address)
        ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
        assert not arrives(a, b.address), "a new ACL allows nothing"
        entry(100, False, (PORT, PORT))
        assert not arrives(a, b.address), "the answer is a packet like any other"
        entry(100, True, (1024, 65535))
        assert arrives(a, b.address)
        assert not arrives(b, a.address), "the way out was opened for answers alone"
        assert arrives(neighbour, b.address), "what stays in the subnet is not asked"
        entry(50, False, (PORT, PORT), "deny")
        assert not arrives(a, b.address), "the lowest number decides"
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Egress=False)
        assert arrives(a, b.address)


# ---- side by side -----------------------------------------------------------------------------


def test_a_site_and_the_vpc_use_an_endpoint_each(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table)
    gateway = vpc.gateway_endpoint(table)
    group = vpc.group("endpoint", ingress=[("tcp", 443, "192.168.0.0/24")])
    interface = vpc.interface_endpoint(subnet, groups=[group])
    for_gateway = bucket_only_for(adit, "aws:sourceVpce", gateway)
    for_interface = bucket_only_for(adit, "aws:sourceVpce", interface.id)
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(subnet) as inside, adit.host(site="office") as outside:
        allowed(read(inside, for_gateway))
        denied(read(inside, for_interface), layer=BY_BUCKET_POLICY)
        allowed(read(outside, for_interface, endpoint=interface.url))
        denied(read(outside, for_gateway, endpoint=interface.url), layer=BY_BUCKET_POLICY)


def test_a_forged_source_reaches_no_endpoint(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet("10.0.1.0/24", table=table)
    vpc.gateway_endpoint(table)
    other = vpc.subnet("10.0.2.0/24")
    address = "198.18.0.10"
    site(adit, "office", "192.168.0.0/24", vpc)
    attempt = (
        "import socket,sys\n"
        "s=socket.socket(); s.settimeout(1); s.setsockopt(0,15,1)\n"
        "s.bind((sys.argv[1],0))\n"
        "try: s.connect((sys.argv[2],80)); print('open')\n"
        "except OSError as error: print('nothing')\n"
    )

    def tries(host, source):
        done = host.shell("python3", "-c", attempt, source, address)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with adit.host(subnet) as host, adit.host(other) as elsewhere, adit.host(site="office") as outside:
        assert tries(host, host.address) == "open"
        # A neighbour's address, from the neighbour's subnet and from one without the endpoint.
        assert tries(host, "10.0.1.99") == "nothing"
        assert tries(elsewhere, host.address) == "nothing"
        # An address of the VPC, from the site.
        outside.shell("ip", "route", "replace", f"{address}/32", "via", "192.168.0.1")
        assert tries(outside, host.address) == "nothing"
