"""Private zones, resolver rules and endpoints, asked by hosts in VPCs and at a site."""

import pytest
from harness.network import S3_SERVICE, Vpc, in_ranges, s3_prefix_list, site

SERVER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
query, peer = s.recvfrom(2048)
end = query.index(b"\\0", 12) + 5
answer = query[:2] + b"\\x84\\x00" + b"\\0\\1\\0\\1\\0\\0\\0\\0" + query[12:end]
answer += b"\\xc0\\x0c\\0\\1\\0\\1" + struct.pack(">IH", 7, 4) + socket.inet_aton("192.0.2.7")
s.sendto(answer, peer)
print(peer[0], flush=True)
"""


@pytest.fixture(scope="module")
def place(installation):
    """Two VPCs, one with a site and with resolver endpoints in two zones."""
    installation.used = True
    vpc, other = Vpc(installation, dns_hostnames=True), Vpc(installation, "10.1.0.0/16", dns_hostnames=True)
    a, b = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    group = vpc.group("dns", ingress=[("-1", None, "0.0.0.0/0")])
    site(installation, "office", "192.168.0.0/24", vpc)
    resolver = installation.client("route53resolver")

    def endpoint(direction):
        made = resolver.create_resolver_endpoint(
            CreatorRequestId=direction, Direction=direction, SecurityGroupIds=[group],
            IpAddresses=[{"SubnetId": a}, {"SubnetId": b}],
        )["ResolverEndpoint"]
        assert made["Status"] == "OPERATIONAL"
        listed = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=made["Id"])["IpAddresses"]
        return made["Id"], sorted(address["Ip"] for address in listed)

    with installation.host(a) as host, installation.host(other.subnet("10.1.1.0/24")) as elsewhere:
        with installation.host(site="office") as office:
            yield {
                "adit": installation, "vpc": vpc, "other": other, "subnets": (a, b), "group": group,
                "host": host, "elsewhere": elsewhere, "office": office, "resolver": resolver,
                "inbound": endpoint("INBOUND"), "outbound": endpoint("OUTBOUND"),
            }


def test_a_zone_answers_in_its_vpcs_alone(place):
    route53, vpc, other = place["adit"].client("route53"), place["vpc"], place["other"]
    made = route53.create_hosted_zone(
        Name="corp.example", CallerReference="1", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )
    zone = made["HostedZone"]["Id"]

    def put(name, kind, *values):
        records = [{"Value": value} for value in values]
        change = {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 30, "ResourceRecords": records}}
        return route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})

    put("www.corp.example", "A", "10.0.0.7", "10.0.0.8")
    put("*.wild.corp.example", "A", "10.0.0.9")
    put("alias.corp.example", "CNAME", "www.corp.example")
    changed = put("out.corp.example", "CNAME", "s3.us-east-1.amazonaws.com")
    route53.get_waiter("resource_record_sets_changed").wait(Id=changed["ChangeInfo"]["Id"])
    host, elsewhere = place["host"], place["elsewhere"]
    answer = host.lookup("www.corp.example")
    assert sorted(answer.addresses) == ["10.0.0.7", "10.0.0.8"] and answer.ttls == [30, 30]
    assert host.lookup("a.b.wild.corp.example").addresses == ["10.0.0.9"]
    assert sorted(host.lookup("alias.corp.example").addresses) == ["10.0.0.7", "10.0.0.8"]
    _, ranges = s3_prefix_list(place["adit"])
    out = host.lookup("out.corp.example").addresses
    assert out and all(in_ranges(address, ranges) for address in out), "a chain may lead out of the zone"
    assert host.lookup("none.corp.example").rcode == "NXDOMAIN"
    assert (host.lookup("www.corp.example", "AAAA").rcode, host.lookup("www.corp.example", "AAAA").addresses) == ("NOERROR", [])
    assert elsewhere.lookup("www.corp.example").rcode == "NXDOMAIN"
    route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": "us-east-1", "VPCId": other.id})
    assert sorted(elsewhere.lookup("www.corp.example").addresses) == ["10.0.0.7", "10.0.0.8"]
    # The most specific zone decides, and does not fall back.
    route53.create_hosted_zone(
        Name="wild.corp.example", CallerReference="2", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )
    assert host.lookup("a.wild.corp.example").rcode == "NXDOMAIN"
    assert elsewhere.lookup("a.wild.corp.example").addresses == ["10.0.0.9"]
    # Through an inbound endpoint a site sees what the VPC sees.
    for address in place["inbound"][1]:
        for transport in ("udp", "tcp"):
            answer = place["office"].lookup("www.corp.example", server=address, transport=transport)
            assert sorted(answer.addresses) == ["10.0.0.7", "10.0.0.8"]


def test_a_private_zone_hides_the_public_names_below_it_in_its_vpc_alone(place):
    adit, vpc, domain = place["adit"], place["vpc"], "s3.us-east-1.amazonaws.com"
    route53 = adit.client("route53")
    zone = route53.create_hosted_zone(
        Name=domain, CallerReference="split", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )["HostedZone"]["Id"]
    record = {"Name": f"only.{domain}", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.9.9.9"}]}

    def change(action):
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    _, ranges = s3_prefix_list(adit)
    change("CREATE")
    try:
        assert place["host"].lookup(f"only.{domain}").addresses == ["10.9.9.9"]
        assert place["host"].lookup(f"other.{domain}").rcode == "NXDOMAIN", "the public names are not asked"
        assert place["host"].lookup(domain).addresses == []
        for name in (domain, f"only.{domain}", f"other.{domain}"):
            public = place["elsewhere"].lookup(name).addresses
            assert public and all(in_ranges(address, ranges) for address in public), name
    finally:
        change("DELETE")
        route53.delete_hosted_zone(Id=zone)
    again = place["host"].lookup(domain).addresses
    assert again and all(in_ranges(address, ranges) for address in again)


def test_reverse_names_of_the_vpcs_addresses_can_be_switched_off(place):
    resolver, vpc, host = place["resolver"], place["vpc"].id, place["host"]

    def reverse(address):
        name = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        answer = host.lookup(name, "PTR")
        return answer.rcode, len(answer.names)

    assert resolver.get_resolver_config(ResourceId=vpc)["ResolverConfig"]["AutodefinedReverse"] == "ENABLED"
    assert reverse("10.0.1.7") == ("NOERROR", 1)
    look_up = "import socket; print(socket.gethostbyaddr('10.0.1.7')[0], socket.gethostbyname('ip-10-0-1-7.ec2.internal'))"
    assert host.shell("python3", "-c", look_up).stdout == "ip-10-0-1-7.ec2.internal 10.0.1.7\n"
    assert reverse("10.200.0.1") == ("NXDOMAIN", 0), "another network's"
    assert host.lookup("x.7.1.0.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    assert host.lookup("7.1.0.10.in-addr.arpa", "A").rcode == "NOERROR"
    resolver.update_resolver_config(ResourceId=vpc, AutodefinedReverseFlag="DISABLE")
    assert reverse("10.0.1.7") == ("NXDOMAIN", 0)
    resolver.update_resolver_config(ResourceId=vpc, AutodefinedReverseFlag="ENABLE")
    assert reverse("10.0.1.7") == ("NOERROR", 1)


def test_an_alias_follows_an_endpoint(place):
    adit, vpc = place["adit"], place["vpc"]
    route53 = adit.client("route53")
    endpoint = vpc.interface_endpoint(*place["subnets"])
    entry = endpoint.describe()["DnsEntries"][0]
    zone = route53.create_hosted_zone(
        Name="s3.eu-west-2.amazonaws.com", CallerReference="3", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )["HostedZone"]["Id"]
    target = {"HostedZoneId": entry["HostedZoneId"], "DNSName": entry["DnsName"], "EvaluateTargetHealth": True}
    for name in ("s3.eu-west-2.amazonaws.com", "*.s3.eu-west-2.amazonaws.com"):
        change = {"Action": "CREATE", "ResourceRecordSet": {"Name": name, "Type": "A", "AliasTarget": target}}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    for name in ("s3.eu-west-2.amazonaws.com", "my-bucket.s3.eu-west-2.amazonaws.com"):
        assert sorted(place["host"].lookup(name).addresses) == endpoint.addresses
    # A zone out of service leaves every answer; addresses stay what they are.
    before = endpoint.addresses
    by_zone = {i["AvailabilityZone"]: i["PrivateIpAddress"] for i in endpoint.interfaces}
    regional, (zonal,) = endpoint.names[0], [n for n in endpoint.names if "-us-east-1a." in n]
    adit.adit("az", "fail", "us-east-1a")
    try:
        for name in ("s3.eu-west-2.amazonaws.com", f"bucket.{regional}"):
            assert place["host"].lookup(name).addresses == [by_zone["us-east-1b"]], name
        answer = place["host"].lookup(zonal)
        assert (answer.rcode, answer.addresses) == ("NOERROR", [])
        assert endpoint.addresses == before
    finally:
        adit.adit("az", "recover", "us-east-1a")
    assert sorted(place["host"].lookup(f"bucket.{regional}").addresses) == before


def test_a_rule_asks_from_the_outbound_endpoint(place):
    adit, resolver = place["adit"], place["resolver"]
    identifier, addresses = place["outbound"]
    with adit.host(site="office") as server:
        process = place["office"]
        rule = resolver.create_resolver_rule(
            CreatorRequestId="r", RuleType="FORWARD", DomainName="office.example", ResolverEndpointId=identifier,
            TargetIps=[{"Ip": server.address}],
        )["ResolverRule"]
        resolver.associate_resolver_rule(ResolverRuleId=rule["Id"], VPCId=place["vpc"].id)
        import threading

        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(server.shell("python3", "-c", SERVER, server.address, seconds=30))
        )
        thread.start()
        try:
            for _ in range(20):
                answer = place["host"].lookup("printer.office.example")
                if answer.rcode == "NOERROR":
                    break
            assert (answer.addresses, answer.ttls) == (["192.0.2.7"], [7])
        finally:
            thread.join(40)
        assert seen[0].stdout.split()[1] in addresses, "the query came from the endpoint's own address"
        assert process.lookup("printer.office.example").rcode == "NXDOMAIN", "a rule holds in its VPC alone"
        # Without a server the answer is an error, not another's.
        assert place["host"].lookup("printer.office.example").rcode == "SERVFAIL"
        resolver.disassociate_resolver_rule(ResolverRuleId=rule["Id"], VPCId=place["vpc"].id)
        resolver.delete_resolver_rule(ResolverRuleId=rule["Id"])
        assert place["host"].lookup("printer.office.example").rcode == "NXDOMAIN"


def test_private_names_for_inbound_queries_alone(place):
    adit = place["adit"]
    vpc = Vpc(adit, "10.2.0.0/16", dns_hostnames=True)
    a, b = vpc.subnet("10.2.1.0/24", "us-east-1a"), vpc.subnet("10.2.2.0/24", "us-east-1b")
    group = vpc.group("dns", ingress=[("-1", None, "0.0.0.0/0")])
    site(adit, "branch", "192.168.7.0/24", vpc)
    vpc.gateway_endpoint(vpc.main_table)
    made = adit.ec2.create_vpc_endpoint(
        VpcId=vpc.id, ServiceName=S3_SERVICE, VpcEndpointType="Interface", SubnetIds=[a, b], PrivateDnsEnabled=True,
        DnsOptions={"PrivateDnsOnlyForInboundResolverEndpoint": True},
    )["VpcEndpoint"]
    enis = adit.ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
    private = sorted(eni["PrivateIpAddress"] for eni in enis)
    inbound = place["resolver"].create_resolver_endpoint(
        CreatorRequestId="branch", Direction="INBOUND", SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": a, "Ip": "10.2.1.53"}, {"SubnetId": b, "Ip": "10.2.2.53"}],
    )["ResolverEndpoint"]
    _, ranges = s3_prefix_list(adit)
    with adit.host(a) as inside, adit.host(site="branch") as branch:
        for name in ("s3.us-east-1.amazonaws.com", "my-bucket.s3.us-east-1.amazonaws.com"):
            assert all(in_ranges(address, ranges) for address in inside.lookup(name).addresses), name
            assert sorted(branch.lookup(name, server="10.2.1.53").addresses) == private, name
    place["resolver"].delete_resolver_endpoint(ResolverEndpointId=inbound["Id"])
