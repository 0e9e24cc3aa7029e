"""Names in a VPC and at a site, asked by a small resolver client on a host there."""

import pytest
from harness.network import Vpc, in_ranges, s3_prefix_list, site


@pytest.fixture(scope="module")
def place(installation):
    """A VPC with a two-zone interface endpoint, a host in it and one at a site: a dict."""
    installation.used = True
    vpc = Vpc(installation)
    one, two = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    endpoint = vpc.interface_endpoint(one, two)
    site(installation, "office", "192.168.0.0/24", vpc)
    _, ranges = s3_prefix_list(installation)
    with installation.host(one) as host, installation.host(site="office") as office:
        yield {"vpc": vpc, "endpoint": endpoint, "host": host, "office": office, "ranges": ranges}


PUBLIC = [
    "s3.us-east-1.amazonaws.com",
    "my-bucket.s3.us-east-1.amazonaws.com",
    "my.dotted.bucket.s3.us-east-1.amazonaws.com",
    "s3.amazonaws.com",
    "my-bucket.s3.amazonaws.com",
    "s3.dualstack.us-east-1.amazonaws.com",
    "my-bucket.s3.dualstack.us-east-1.amazonaws.com",
    "123456789012.s3-control.us-east-1.amazonaws.com",
    "my-ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com",
]


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("who", ["host", "office"])
def test_s3s_public_names_have_prefix_list_addresses(place, name, who):
    answer = place[who].lookup(name)
    assert answer.rcode == "NOERROR"
    assert answer.addresses and all(in_ranges(a, place["ranges"]) for a in answer.addresses)


@pytest.mark.parametrize("who", ["host", "office"])
def test_the_endpoints_regional_name_has_every_address(place, who):
    regional = place["endpoint"].names[0]
    for name in (regional, f"bucket.{regional}", f"my-bucket.bucket.{regional}", f"x.y.accesspoint.{regional}", f"123456789012.control.{regional}"):
        answer = place[who].lookup(name)
        assert answer.rcode == "NOERROR", name
        assert sorted(answer.addresses) == place["endpoint"].addresses, name
        assert answer.ttls == [60, 60]


@pytest.mark.parametrize("who", ["host", "office"])
def test_a_zonal_name_has_the_zones_address_only(place, who):
    endpoint = place["endpoint"]
    by_zone = {i["AvailabilityZone"]: i["PrivateIpAddress"] for i in endpoint.interfaces}
    for zone, address in by_zone.items():
        (name,) = [n for n in endpoint.names if f"-{zone}." in n]
        for asked in (name, f"bucket.{name}", f"my-bucket.bucket.{name}"):
            assert place[who].lookup(asked).addresses == [address], asked


def test_both_resolver_addresses_answer_on_udp_and_tcp(place):
    host = place["host"]
    for server in ("10.0.0.2", "169.254.169.253"):
        for transport in ("udp", "tcp"):
            answer = host.lookup("s3.us-east-1.amazonaws.com", server=server, transport=transport)
            assert answer.rcode == "NOERROR" and answer.addresses, (server, transport)


def test_resolv_conf_names_the_vpcs_resolver(place):
    done = place["host"].shell("cat", "/etc/resolv.conf")
    assert "nameserver 10.0.0.2" in done.stdout or "nameserver 169.254.169.253" in done.stdout


def test_names_are_matched_in_any_case(place):
    answer = place["host"].lookup("S3.Us-East-1.AmazonAWS.com")
    assert answer.rcode == "NOERROR" and answer.addresses


def test_an_ipv4_name_has_no_ipv6_address_and_says_so(place):
    regional = place["endpoint"].names[0]
    for name in ("s3.us-east-1.amazonaws.com", regional):
        answer = place["host"].lookup(name, "AAAA")
        assert (answer.rcode, answer.addresses) == ("NOERROR", []), name


def test_names_that_do_not_exist_do_not(place):
    unknown = "vpce-0123456789abcdef0-abcdefgh.s3.us-east-1.vpce.amazonaws.com"
    for name in (unknown, f"bucket.{unknown}"):
        answer = place["host"].lookup(name)
        assert (answer.rcode, answer.addresses) == ("NXDOMAIN", []), name


def test_other_vpcs_can_look_up_an_endpoints_public_name(place):
    """Endpoint-specific names are public names with private answers."""
    adit = place["host"].installation
    other = Vpc(adit, "10.0.0.0/16")
    with adit.host(other.subnet("10.0.5.0/24")) as host:
        answer = host.lookup(f"bucket.{place['endpoint'].names[0]}")
        assert sorted(answer.addresses) == place["endpoint"].addresses


def test_the_ordinary_library_resolves_too(place):
    script = "import socket; print(sorted({a[4][0] for a in socket.getaddrinfo('s3.us-east-1.amazonaws.com', 443, socket.AF_INET)}))"
    done = place["host"].shell("python3", "-c", script)
    assert done.returncode == 0 and done.stdout.strip() != "[]", done


def test_rubbish_does_not_hurt_the_resolver(place):
    script = """
import os, socket
for server in ("10.0.0.2", "169.254.169.253"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for size in (0, 1, 11, 12, 13, 40, 512, 1400):
        s.sendto(os.urandom(size), (server, 53))
    pointer = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\xc0\\x0c\\x00\\x01\\x00\\x01"
    s.sendto(pointer, (server, 53))
    t = socket.create_connection((server, 53), timeout=5)
    t.sendall(b"\\xff\\xff" + b"x" * 1000)
    t.close()
print("sent")
"""
    assert place["host"].shell("python3", "-c", script).stdout == "sent\n"
    assert place["host"].lookup("s3.us-east-1.amazonaws.com").rcode == "NOERROR"


# ---- attributes and private names -------------------------------------------------------------


def test_without_dns_support_the_resolver_answers_nothing(adit, vpc):
    subnet = vpc.subnet()
    with adit.host(subnet) as host:
        assert host.lookup("s3.us-east-1.amazonaws.com").rcode == "NOERROR"
        adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsSupport={"Value": False})
        with pytest.raises(AssertionError, match="Timeout|timed out|Refused|refused"):
            answer = host.lookup("s3.us-east-1.amazonaws.com")
            assert answer.rcode != "REFUSED", "refused"
            assert answer.rcode != "SERVFAIL", "refused"
        adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsSupport={"Value": True})
        assert host.lookup("s3.us-east-1.amazonaws.com").rcode == "NOERROR"


PRIVATE = [
    "s3.us-east-1.amazonaws.com",
    "my-bucket.s3.us-east-1.amazonaws.com",
    "123456789012.s3-control.us-east-1.amazonaws.com",
    "my-ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com",
]


def test_private_dns_names_lead_to_the_interfaces_inside_the_vpc_only(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    other = Vpc(adit, "10.1.0.0/16")
    _, ranges = s3_prefix_list(adit)
    endpoint = vpc.interface_endpoint(vpc.subnet(), private_dns=True)
    with adit.host(vpc.subnet("10.0.2.0/24", "us-east-1b")) as inside, adit.host(other.subnet("10.1.1.0/24")) as outside:
        for name in PRIVATE:
            assert inside.lookup(name).addresses == endpoint.addresses, name
            assert all(in_ranges(a, ranges) for a in outside.lookup(name).addresses), name
        for name in ("s3.amazonaws.com", "my-bucket.s3.amazonaws.com"):
            assert all(in_ranges(a, ranges) for a in inside.lookup(name).addresses), "the global names stay public"


def test_private_dns_can_be_switched_off_and_on(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    _, ranges = s3_prefix_list(adit)
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet, private_dns=True)
    with adit.host(subnet) as host:
        assert host.lookup(PRIVATE[0]).addresses == endpoint.addresses
        adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])
        assert all(in_ranges(a, ranges) for a in host.lookup(PRIVATE[0]).addresses)


def test_a_deleted_endpoints_name_is_gone(adit, vpc):
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet)
    name = f"bucket.{endpoint.names[0]}"
    with adit.host(subnet) as host:
        assert host.lookup(name).addresses
        adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint.id])
        assert host.lookup(name).rcode == "NXDOMAIN"


def test_a_name_answers_when_the_call_that_made_it_returns(adit):
    """No first attempt fails, and none succeeds after the end: endpoints, their zones, private names, records."""
    vpc = Vpc(adit, dns_hostnames=True)
    one, two = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    _, ranges = s3_prefix_list(adit)
    route53 = adit.client("route53")
    zone = route53.create_hosted_zone(
        Name="corp.example", CallerReference="1", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )["HostedZone"]["Id"]
    with adit.host(one) as host:
        for turn in range(10):
            made = adit.ec2.create_vpc_endpoint(
                VpcId=vpc.id, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Interface", SubnetIds=[one],
                PrivateDnsEnabled=True, DnsOptions={"PrivateDnsOnlyForInboundResolverEndpoint": False},
            )["VpcEndpoint"]
            name = made["DnsEntries"][0]["DnsName"].removeprefix("*.")
            first = host.lookup(f"bucket.{name}")
            taken = host.lookup(PRIVATE[1])
            assert (first.rcode, len(first.addresses)) == ("NOERROR", 1) and taken.addresses == first.addresses, turn
            adit.ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], AddSubnetIds=[two])
            assert len(host.lookup(f"bucket.{name}").addresses) == 2, turn
            zonal = name.replace(".s3.", "-us-east-1b.s3.", 1)
            assert len(host.lookup(zonal).addresses) == 1, turn
            record = {"Name": f"n{turn}.corp.example", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "10.0.0.7"}]}
            change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
            assert host.lookup(record["Name"]).addresses == ["10.0.0.7"], turn
            adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
            assert host.lookup(f"bucket.{name}").rcode == "NXDOMAIN", turn
            assert all(in_ranges(address, ranges) for address in host.lookup(PRIVATE[1]).addresses), turn


def test_a_site_can_have_a_resolver_of_its_own(adit, vpc):
    subnet = vpc.subnet()
    open_53 = vpc.group("resolver", ingress=[("udp", 53, "192.168.0.0/24")])
    with adit.host(subnet, group=open_53) as server:
        site(adit, "office", "192.168.0.0/24", vpc, resolver=server.address)
        with adit.host(site="office") as office:
            assert f"nameserver {server.address}" in office.shell("cat", "/etc/resolv.conf").stdout


def test_the_vpcs_resolver_does_not_serve_the_site(adit, vpc):
    vpc.subnet()
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(site="office") as office:
        with pytest.raises(AssertionError, match="agent could not do lookup"):
            office.lookup("s3.us-east-1.amazonaws.com", server="10.0.0.2")
