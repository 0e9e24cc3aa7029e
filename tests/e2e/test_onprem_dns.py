"""The three ways to S3's private addresses from a site, with real unbound and BIND as the site's resolver."""

import pytest
from harness import resolvers
from harness.network import S3_SERVICE, Vpc, in_ranges, s3_prefix_list, site

NAMES = ["s3.us-east-1.amazonaws.com", "my-bucket.s3.us-east-1.amazonaws.com"]

# The site's router, which knows public names: what the site's own resolver asks for the rest.
ROUTER = "192.168.0.1"


@pytest.fixture(scope="module")
def place(installation):
    """A VPC with an interface endpoint whose private names are for inbound queries, and a site."""
    installation.used = True
    vpc = Vpc(installation, dns_hostnames=True)
    a, b = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    group = vpc.group("open", ingress=[("-1", None, "0.0.0.0/0")])
    vpc.gateway_endpoint(vpc.main_table)
    made = installation.ec2.create_vpc_endpoint(
        VpcId=vpc.id, ServiceName=S3_SERVICE, VpcEndpointType="Interface", SubnetIds=[a, b], PrivateDnsEnabled=True,
        SecurityGroupIds=[group], DnsOptions={"PrivateDnsOnlyForInboundResolverEndpoint": True},
    )["VpcEndpoint"]
    enis = installation.ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])
    installation.client("route53resolver").create_resolver_endpoint(
        CreatorRequestId="r", Direction="INBOUND", SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": a}, {"SubnetId": b}],
    )
    site(installation, "office", "192.168.0.0/24", vpc)
    private = sorted(eni["PrivateIpAddress"] for eni in enis["NetworkInterfaces"])
    name = made["DnsEntries"][0]["DnsName"].removeprefix("*.")
    with installation.host(site="office") as server, installation.host(site="office") as client:
        yield {
            "adit": installation, "vpc": vpc, "private": private, "name": name, "server": server, "client": client,
            "ranges": s3_prefix_list(installation)[1],
        }


def export(place, *options):
    return place["adit"].adit("dns", "export", "--vpc", place["vpc"].id, *options).stdout


def lookup(place, name):
    """What the site's own resolver answers, sorted."""
    return sorted(place["client"].lookup(name, server=place["server"].address).addresses)


def unbound(place, folder, **more):
    return resolvers.unbound(place["server"], folder, ROUTER, lambda: lookup(place, NAMES[0]), **more)


def bind(place, folder, *, rewrites=False, **more):
    """BIND answers before it has read a policy zone: then it is ready when it has."""
    ready = lambda: lookup(place, NAMES[0]) == place["private"] if rewrites else lookup(place, NAMES[0])
    return resolvers.bind(place["server"], folder, ROUTER, ready, **more)


def test_endpoint_names_need_no_change_of_dns(place):
    for prefix in ("bucket.", "my-bucket.bucket.", "control."):
        assert sorted(place["client"].lookup(prefix + place["name"]).addresses) == place["private"]
    assert all(in_ranges(a, place["ranges"]) for a in place["client"].lookup(NAMES[0]).addresses)


def test_a_policy_zone_rewrites_for_both_programs(place):
    folder = place["adit"].folder / "rpz"
    folder.mkdir()
    zone = folder / "rpz.zone"
    zone.write_text(export(place, "--rpz"))
    rpz = f'rpz:\n    name: "rpz.adit.internal."\n    zonefile: "{zone}"\n'
    with unbound(place, folder / "unbound", modules="respip ", more=rpz):
        for name in NAMES:
            assert lookup(place, name) == place["private"], name
    options = 'response-policy { zone "rpz.adit.internal"; } qname-wait-recurse no;'
    more = f'zone "rpz.adit.internal" {{ type primary; file "{zone}"; }};'
    with bind(place, folder / "bind", rewrites=True, options=options, more=more):
        for name in NAMES:
            assert lookup(place, name) == place["private"], name


def test_conditional_forwarding_for_the_service_and_for_one_bucket(place):
    folder = place["adit"].folder / "forward"
    folder.mkdir()
    with unbound(place, folder / "unbound", more=export(place, "--unbound")):
        for name in NAMES:
            assert lookup(place, name) == place["private"], name
    with bind(place, folder / "bind", more=export(place, "--bind", "--bucket", "my-bucket")):
        assert lookup(place, NAMES[1]) == place["private"]
        for name in (NAMES[0], "other.s3.us-east-1.amazonaws.com"):
            assert all(in_ranges(a, place["ranges"]) for a in lookup(place, name)), name
