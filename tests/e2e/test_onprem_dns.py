"""The three ways to S3's private addresses from a site, with real unbound and BIND as the site's resolver."""

import threading
import time

import pytest
from harness.network import S3_SERVICE, Vpc, in_ranges, s3_prefix_list, site

NAMES = ["s3.us-east-1.amazonaws.com", "my-bucket.s3.us-east-1.amazonaws.com"]

UNBOUND = """server:
    interface: {address}
    access-control: 0.0.0.0/0 allow
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/pid"
    module-config: "{modules}iterator"
    do-not-query-localhost: no
{more}
forward-zone:
    name: "."
    forward-addr: 192.168.0.1
"""

BIND = """options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
    listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
    allow-query {{ any; }}; recursion yes; dnssec-validation no;
    forward only; forwarders {{ 192.168.0.1; }};
    {options}
}};
controls {{ }};
{more}
"""


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


class Resolver:
    """A resolver program on the site's server for the length of a `with`, at most three seconds.

    BIND answers before it has read a policy zone: `rewrites` waits until it has.
    """

    def __init__(self, place, *command, rewrites=False):
        self.place, self.command, self.rewrites = place, command, rewrites

    def __enter__(self):
        work = lambda: self.place["server"].shell("timeout", "-s", "KILL", "3", *self.command, seconds=30)
        self.thread = threading.Thread(target=work)
        self.thread.start()
        deadline = time.monotonic() + 5
        while True:
            try:
                addresses = sorted(self.lookup(NAMES[0]).addresses)
                if addresses and (not self.rewrites or addresses == self.place["private"]):
                    return self
            except AssertionError:
                pass
            assert time.monotonic() < deadline, "the resolver does not answer"
            time.sleep(0.1)

    def lookup(self, name):
        return self.place["client"].lookup(name, server=self.place["server"].address)

    def __exit__(self, *_):
        self.thread.join(30)


def export(place, *options):
    return place["adit"].adit("dns", "export", "--vpc", place["vpc"].id, *options).stdout


def unbound(place, folder, *, modules="", more=""):
    folder.mkdir(exist_ok=True)
    conf = folder / "unbound.conf"
    conf.write_text(UNBOUND.format(address=place["server"].address, folder=folder, modules=modules, more=more))
    return Resolver(place, "/usr/sbin/unbound", "-d", "-c", str(conf))


def bind(place, folder, *, options="", more=""):
    folder.mkdir(exist_ok=True)
    conf = folder / "named.conf"
    conf.write_text(BIND.format(address=place["server"].address, folder=folder, options=options, more=more))
    return Resolver(place, "/usr/sbin/named", "-f", "-c", str(conf), rewrites="response-policy" in options)


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
    with unbound(place, folder / "unbound", modules="respip ", more=rpz) as resolver:
        for name in NAMES:
            assert sorted(resolver.lookup(name).addresses) == place["private"], name
    options = 'response-policy { zone "rpz.adit.internal"; } qname-wait-recurse no;'
    more = f'zone "rpz.adit.internal" {{ type primary; file "{zone}"; }};'
    with bind(place, folder / "bind", options=options, more=more) as resolver:
        for name in NAMES:
            assert sorted(resolver.lookup(name).addresses) == place["private"], name


def test_conditional_forwarding_for_the_service_and_for_one_bucket(place):
    folder = place["adit"].folder / "forward"
    folder.mkdir()
    with unbound(place, folder / "unbound", more=export(place, "--unbound")) as resolver:
        for name in NAMES:
            assert sorted(resolver.lookup(name).addresses) == place["private"], name
    with bind(place, folder / "bind", more=export(place, "--bind", "--bucket", "my-bucket")) as resolver:
        assert sorted(resolver.lookup(NAMES[1]).addresses) == place["private"]
        for name in (NAMES[0], "other.s3.us-east-1.amazonaws.com"):
            assert all(in_ranges(a, place["ranges"]) for a in resolver.lookup(name).addresses), name
