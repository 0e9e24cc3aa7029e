"""Which way a request takes, and that S3 sees it: gateway endpoint, interface endpoint, internet, nothing."""

import ipaddress
import urllib.error
import urllib.request

import pytest
from harness.expect import allowed, denied
from harness.network import Vpc, in_ranges, s3_prefix_list, site
from harness.policies import (
    ALLOW_ALL,
    BY_BUCKET_POLICY,
    BY_ENDPOINT_POLICY,
    NO_ENDPOINT_ALLOW,
    document,
    only_unless,
)


def bucket_only_for(adit, key, value, operator="StringNotEquals"):
    """A bucket with one object and the documented Deny for everybody who comes otherwise."""
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    adit.put_policy(bucket, only_unless(bucket, operator, key, value))
    return bucket


def read(host, bucket, **options):
    """One fresh GetObject: a new connection, the route as it is now."""
    return host.s3("get_object", Bucket=bucket, Key="x", options={"fresh": True, **options})


# ---- gateway endpoint -------------------------------------------------------------------------


def test_only_associated_subnets_use_the_gateway_endpoint(adit, vpc):
    inside, endpoint, _ = vpc.private_subnet_with_gateway()
    public = vpc.public_subnet()
    alone = vpc.subnet("10.0.3.0/24")
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    with adit.host(inside) as a, adit.host(public) as b, adit.host(alone) as c:
        allowed(read(a, bucket))
        denied(read(b, bucket), action="s3:GetObject", layer=BY_BUCKET_POLICY)
        lost = read(c, bucket)
        assert lost.failure == "ConnectTimeoutError", "a subnet without a route reaches nothing"


def test_adding_and_removing_a_subnets_table_takes_effect_at_once(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table)
    endpoint = vpc.gateway_endpoint()
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    with adit.host(subnet) as host:
        assert not read(host, bucket, connect_timeout=1).ok
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])
        allowed(read(host, bucket))
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
        assert not read(host, bucket, connect_timeout=1).ok


def test_two_gateway_endpoints_in_one_vpc_are_two_identities(adit, vpc):
    first, one, _ = vpc.private_subnet_with_gateway("10.0.1.0/24")
    second, two, _ = vpc.private_subnet_with_gateway("10.0.2.0/24")
    for_one, for_two = (bucket_only_for(adit, "aws:sourceVpce", e) for e in (one, two))
    for_vpc = bucket_only_for(adit, "aws:sourceVpc", vpc.id)
    with adit.host(first) as a, adit.host(second) as b:
        allowed(read(a, for_one))
        denied(read(a, for_two), layer=BY_BUCKET_POLICY)
        denied(read(b, for_one), layer=BY_BUCKET_POLICY)
        allowed(read(b, for_two))
        allowed(read(a, for_vpc))
        allowed(read(b, for_vpc))


def test_the_private_address_is_seen_through_an_endpoint(adit, vpc):
    """aws:VpcSourceIp is the client's private address; aws:SourceIp is absent."""
    subnet, _, _ = vpc.private_subnet_with_gateway()
    with adit.host(subnet) as host, adit.host(subnet) as neighbour:
        mine = bucket_only_for(adit, "aws:VpcSourceIp", f"{host.address}/32", "NotIpAddress")
        allowed(read(host, mine))
        denied(read(neighbour, mine), layer=BY_BUCKET_POLICY)
        by_public = bucket_only_for(adit, "aws:SourceIp", "0.0.0.0/0", "NotIpAddress")
        denied(read(host, by_public), layer=BY_BUCKET_POLICY)


def test_nothing_in_a_request_can_claim_a_path(adit, vpc):
    """Headers that speak of sources and endpoints change nothing."""
    inside, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    url = adit.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
    for name, value in {
        "X-Forwarded-For": "10.0.1.4", "Forwarded": "for=10.0.1.4", "X-Amz-Source-Vpce": endpoint,
        "X-Amz-Vpce-Id": endpoint, "X-Amz-Source-Vpc": vpc.id,
    }.items():
        request = urllib.request.Request(url, headers={name: value})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        assert caught.value.code == 403, name


# ---- longest prefix ---------------------------------------------------------------------------


def part_of_the_s3_range(host, ranges):
    """A /24 around an address that S3's name has here, and that address."""
    address = host.lookup("s3.us-east-1.amazonaws.com").addresses[0]
    part = ipaddress.ip_network(f"{address}/24", strict=False)
    assert any(part.subnet_of(whole) and part != whole for whole in ranges)
    return str(part), address


def test_a_more_specific_static_route_wins_and_its_removal_gives_the_traffic_back(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table, public=True)
    endpoint = vpc.gateway_endpoint(table)
    _, ranges = s3_prefix_list(adit)
    by_endpoint = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    by_internet = bucket_only_for(adit, "aws:SourceIp", "0.0.0.0/0", "NotIpAddress")
    at_address = {"style": "path"}
    with adit.host(subnet) as host:
        part, address = part_of_the_s3_range(host, ranges)
        there = {"endpoint": "http://s3.us-east-1.amazonaws.com", **at_address}
        allowed(read(host, by_endpoint, **there))
        denied(read(host, by_internet, **there), layer=BY_BUCKET_POLICY)

        vpc.internet_route(table, part)
        denied(read(host, by_endpoint, **there), layer=BY_BUCKET_POLICY)
        allowed(read(host, by_internet, **there))

        adit.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=part)
        allowed(read(host, by_endpoint, **there))
        denied(read(host, by_internet, **there), layer=BY_BUCKET_POLICY)


def test_a_default_route_does_not_beat_the_endpoint(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table, public=True)
    endpoint = vpc.gateway_endpoint(table)
    vpc.internet_route(table)
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    with adit.host(subnet) as host:
        allowed(read(host, bucket))


def test_a_static_route_to_exactly_the_range_wins(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table, public=True)
    endpoint = vpc.gateway_endpoint(table)
    _, ranges = s3_prefix_list(adit)
    for whole in ranges:
        vpc.internet_route(table, str(whole))
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint)
    with adit.host(subnet) as host:
        denied(read(host, bucket), layer=BY_BUCKET_POLICY)
        for whole in ranges:
            adit.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=str(whole))
        allowed(read(host, bucket))


def test_deleting_the_endpoint_sends_traffic_elsewhere_or_nowhere(adit, vpc):
    with_internet, private = vpc.table(), vpc.table()
    vpc.internet_route(with_internet)
    public_subnet = vpc.subnet("10.0.1.0/24", table=with_internet, public=True)
    private_subnet = vpc.subnet("10.0.2.0/24", table=private)
    endpoint = vpc.gateway_endpoint(with_internet, private)
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    by_internet = bucket_only_for(adit, "aws:SourceIp", "0.0.0.0/0", "NotIpAddress")
    with adit.host(public_subnet) as a, adit.host(private_subnet) as b:
        allowed(read(a, bucket))
        allowed(read(b, bucket))
        denied(read(a, by_internet), layer=BY_BUCKET_POLICY)
        adit.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        allowed(read(a, by_internet))
        assert not read(b, bucket, connect_timeout=1).ok


# ---- the internet -----------------------------------------------------------------------------


def test_the_internet_gateway_drops_hosts_without_a_public_address(adit, vpc):
    table = vpc.table()
    vpc.internet_route(table)
    subnet = vpc.subnet(table=table)
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    with adit.host(subnet) as without, adit.host(subnet, public_ip=True) as with_one:
        assert read(without, bucket, connect_timeout=1).failure == "ConnectTimeoutError"
        allowed(read(with_one, bucket))


def test_on_the_internet_the_public_address_is_seen_and_no_vpc_key_is_there(adit, vpc):
    subnet = vpc.public_subnet()
    with adit.host(subnet) as host, adit.host(subnet) as other:
        (interface,) = [
            i for i in adit.ec2.describe_network_interfaces()["NetworkInterfaces"] if i["PrivateIpAddress"] == host.address
        ]
        public = interface["Association"]["PublicIp"]
        mine = bucket_only_for(adit, "aws:SourceIp", f"{public}/32", "NotIpAddress")
        allowed(read(host, mine))
        denied(read(other, mine), layer=BY_BUCKET_POLICY)
        for key in ("aws:sourceVpc", "aws:sourceVpce", "aws:VpcSourceIp"):
            bucket = adit.bucket()
            adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
            adit.put_policy(bucket, {
                "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
                "Condition": {"Null": {key: "false"}},
            })
            allowed(read(host, bucket))


# ---- interface endpoint -----------------------------------------------------------------------


def test_an_interface_endpoint_by_its_own_names(adit, vpc):
    one, two = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
    endpoint = vpc.interface_endpoint(one, two)
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint.id)
    regional, *zonal = endpoint.names
    with adit.host(one) as host:
        for name in (regional, *zonal):
            allowed(read(host, bucket, endpoint=f"https://bucket.{name}"))
            allowed(read(host, bucket, endpoint=f"https://bucket.{name}", style="virtual"))
        allowed(read(host, bucket, endpoint=f"http://{regional}"))
        assert not read(host, bucket, connect_timeout=1).ok, "the public names do not lead there"


def test_the_vpc_chooses_between_both_types_by_name(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table)
    gateway = vpc.gateway_endpoint(table)
    interface = vpc.interface_endpoint(subnet)
    for_gateway = bucket_only_for(adit, "aws:sourceVpce", gateway)
    for_interface = bucket_only_for(adit, "aws:sourceVpce", interface.id)
    with adit.host(subnet) as host:
        allowed(read(host, for_gateway))
        denied(read(host, for_interface), layer=BY_BUCKET_POLICY)
        denied(read(host, for_gateway, endpoint=interface.url), layer=BY_BUCKET_POLICY)
        allowed(read(host, for_interface, endpoint=interface.url))


def test_private_dns_sends_the_usual_names_to_the_interfaces(adit):
    vpc = Vpc(adit, dns_hostnames=True)
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet, private_dns=True)
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint.id)
    with adit.host(subnet) as host:
        for style in ("path", "virtual"):
            allowed(read(host, bucket, style=style, global_endpoint=False))


def test_an_interface_endpoint_answers_on_its_ports_only(adit, vpc):
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet)
    (address,) = endpoint.addresses
    with adit.host(subnet) as host:
        assert host.connect(address, 443) == host.connect(address, 80) == "open"
        for port in (22, 53, 8080):
            assert host.connect(address, port, timeout=1) != "open", port


# ---- on-premises ------------------------------------------------------------------------------


def test_a_site_reaches_interface_endpoints_and_not_gateway_endpoints(adit, vpc):
    table = vpc.table()
    subnet = vpc.subnet(table=table)
    gateway = vpc.gateway_endpoint(table)
    group = vpc.group("endpoint", ingress=[("tcp", 443, "192.168.0.0/24")])
    endpoint = vpc.interface_endpoint(subnet, groups=[group])
    bucket = bucket_only_for(adit, "aws:sourceVpce", endpoint.id)
    for_gateway = bucket_only_for(adit, "aws:sourceVpce", gateway)
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(site="office") as host:
        assert ipaddress.ip_address(host.address) in ipaddress.ip_network("192.168.0.0/24")
        allowed(read(host, bucket, endpoint=endpoint.url))
        # The public names lead over the site's own internet, if anywhere, never into the VPC's endpoint.
        assert not read(host, for_gateway, connect_timeout=1).ok
        denied(read(host, for_gateway, endpoint=endpoint.url), layer=BY_BUCKET_POLICY)


def test_a_sites_private_address_is_seen(adit, vpc):
    subnet = vpc.subnet()
    group = vpc.group("endpoint", ingress=[("tcp", 443, "192.168.0.0/24")])
    endpoint = vpc.interface_endpoint(subnet, groups=[group])
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(site="office") as host:
        bucket = bucket_only_for(adit, "aws:VpcSourceIp", f"{host.address}/32", "NotIpAddress")
        allowed(read(host, bucket, endpoint=endpoint.url))
        elsewhere = bucket_only_for(adit, "aws:VpcSourceIp", "10.0.0.0/16", "NotIpAddress")
        denied(read(host, elsewhere, endpoint=endpoint.url), layer=BY_BUCKET_POLICY)


def test_a_group_that_does_not_name_the_site_keeps_it_out(adit, vpc):
    subnet = vpc.subnet()
    group = vpc.group("endpoint", ingress=[("tcp", 443, "10.0.0.0/16")])
    endpoint = vpc.interface_endpoint(subnet, groups=[group])
    (address,) = endpoint.addresses
    site(adit, "office", "192.168.0.0/24", vpc)
    with adit.host(site="office") as host:
        assert host.connect(address, timeout=1) == "timeout"
        adit.ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="192.168.0.0/24")
        assert host.connect(address) == "open"


@pytest.mark.parametrize(
    "arguments",
    [
        ["office", "--cidr", "192.168.0.0/24", "--vpc", "vpc-00000000000000001"],
        ["office", "--cidr", "nonsense", "--vpc", "VPC"],
        ["office", "--cidr", "10.0.1.0/24", "--vpc", "VPC"],
        ["bad name!", "--cidr", "192.168.0.0/24", "--vpc", "VPC"],
        ["office", "--cidr", "192.168.0.0/24", "--vpc", "VPC", "--resolver", "nonsense"],
    ],
    ids=["unknown VPC", "malformed CIDR", "CIDR of the VPC", "bad name", "malformed resolver"],
)
def test_a_wrong_site_is_refused(adit, vpc, arguments):
    done = adit.adit("site", "create", *[a.replace("VPC", vpc.id) for a in arguments], check=False)
    assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr
    assert adit.adit("run", "--site", "office", "--", "true", check=False).returncode != 0, "and does not exist"


def test_a_second_site_of_the_same_name_is_refused(adit, vpc):
    site(adit, "office", "192.168.0.0/24", vpc)
    done = adit.adit("site", "create", "office", "--cidr", "192.168.1.0/24", "--vpc", vpc.id, check=False)
    assert done.returncode != 0 and "office" in done.stderr


# ---- same addresses, different VPCs -----------------------------------------------------------


def test_two_vpcs_with_one_cidr_each_admit_their_own_clients_only(adit):
    one, two = Vpc(adit, "10.0.0.0/16"), Vpc(adit, "10.0.0.0/16")
    (first, first_endpoint, _), (second, second_endpoint, _) = (
        v.private_subnet_with_gateway("10.0.1.0/24") for v in (one, two)
    )
    for_one, for_two = (bucket_only_for(adit, "aws:sourceVpc", v.id) for v in (one, two))
    at_address = None
    with adit.host(first) as a, adit.host(second) as b:
        assert a.address == b.address, "the first host of each subnet has the same address"
        at_address = bucket_only_for(adit, "aws:VpcSourceIp", f"{a.address}/32", "NotIpAddress")
        for _ in range(3):
            allowed(read(a, for_one))
            denied(read(a, for_two), layer=BY_BUCKET_POLICY)
            denied(read(b, for_one), layer=BY_BUCKET_POLICY)
            allowed(read(b, for_two))
        allowed(read(a, at_address))
        allowed(read(b, at_address))
        by_endpoint = bucket_only_for(adit, "aws:sourceVpce", second_endpoint)
        denied(read(a, by_endpoint), layer=BY_BUCKET_POLICY)
        allowed(read(b, by_endpoint))


def test_hosts_of_different_vpcs_do_not_meet(adit):
    one, two = Vpc(adit, "10.0.0.0/16"), Vpc(adit, "10.0.0.0/16")
    first, second = one.subnet("10.0.1.0/24"), two.subnet("10.0.2.0/24")
    everything = ("-1", None, "0.0.0.0/0")
    open_one, open_two = one.group("open", ingress=[everything]), two.group("open", ingress=[everything])
    with adit.host(first, group=open_one) as a, adit.host(second, group=open_two) as b:
        assert a.connect(b.address, 443, timeout=1) in ("timeout", "unreachable")


# ---- endpoint policies ------------------------------------------------------------------------


def test_an_endpoint_policy_restricts_buckets(adit, vpc):
    shown, hidden = adit.bucket(), adit.bucket()
    for bucket in (shown, hidden):
        adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    only_shown = document({**ALLOW_ALL, "Action": "s3:*", "Resource": [f"arn:aws:s3:::{shown}", f"arn:aws:s3:::{shown}/*"]})
    subnet, endpoint, _ = vpc.private_subnet_with_gateway(policy=only_shown)
    with adit.host(subnet) as host:
        allowed(read(host, shown))
        denied(read(host, hidden), action="s3:GetObject", layer=f"{NO_ENDPOINT_ALLOW} s3:GetObject action")
        denied(host.s3("list_objects_v2", Bucket=hidden), action="s3:ListBucket", layer=f"{NO_ENDPOINT_ALLOW} s3:ListBucket action")
        denied(host.s3("list_buckets"), layer=f"{NO_ENDPOINT_ALLOW} s3:ListAllMyBuckets action")
        denied(
            host.s3("copy_object", Bucket=shown, Key="y", CopySource={"Bucket": hidden, "Key": "x"}),
            layer=NO_ENDPOINT_ALLOW,
        )
        with_deny = document(ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny", "Resource": f"arn:aws:s3:::{hidden}/*"})
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=with_deny)
        denied(read(host, hidden), action="s3:GetObject", layer=BY_ENDPOINT_POLICY)
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
        allowed(read(host, hidden))


def test_an_endpoint_policy_with_only_a_deny_allows_nothing(adit, vpc):
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    deny_others = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"s3:ResourceAccount": "123456789012"}},
    }
    subnet, endpoint, _ = vpc.private_subnet_with_gateway(policy=document(deny_others))
    with adit.host(subnet) as host:
        denied(read(host, bucket), layer=NO_ENDPOINT_ALLOW)
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=document(ALLOW_ALL, deny_others))
        allowed(read(host, bucket))
        others = {**deny_others, "Condition": {"StringNotEquals": {"s3:ResourceAccount": "999999999999"}}}
        adit.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=document(ALLOW_ALL, others))
        denied(read(host, bucket), layer=BY_ENDPOINT_POLICY)


def test_an_endpoint_policy_stops_even_the_root_from_changing_a_bucket_policy(adit, vpc):
    bucket = adit.bucket()
    no_policies = document(ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny", "Action": "s3:*BucketPolicy"})
    subnet, _, _ = vpc.private_subnet_with_gateway(policy=no_policies)
    with adit.host(subnet) as host:
        denied(host.s3("delete_bucket_policy", Bucket=bucket), action="s3:DeleteBucketPolicy", layer=BY_ENDPOINT_POLICY)


def test_an_endpoint_policy_does_not_grant(adit, vpc):
    """Anonymous requests stay refused behind an endpoint that allows everything."""
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    with adit.host(subnet) as host:
        bad = read(host, bucket, anonymous=True)
        assert (bad.code, bad.message) == ("AccessDenied", "Access Denied")


def test_anonymous_readers_can_be_admitted_by_the_endpoint_they_use(adit, vpc):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    adit.put_policy(bucket, {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"aws:sourceVpce": endpoint}},
    })
    with adit.host(subnet) as host, adit.host(vpc.public_subnet()) as outside:
        allowed(read(host, bucket, anonymous=True))
        bad = read(outside, bucket, anonymous=True)
        assert (bad.code, bad.status) == ("AccessDenied", 403)


# ---- condition operators ----------------------------------------------------------------------


def test_documented_operators_with_the_key_there_and_missing(adit, vpc):
    """Each condition on a Deny: (through the endpoint, over the internet) → does the Deny match?"""
    inside, endpoint, _ = vpc.private_subnet_with_gateway()
    outside = vpc.public_subnet()
    arn = "arn:aws:iam::123456789012:root"
    cases = [
        ({"StringNotEquals": {"aws:SourceVpce": endpoint}}, False, True),
        ({"StringNotEqualsIfExists": {"aws:SourceVpce": endpoint}}, False, True),
        ({"StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-0123456789abcdef0"}, "Null": {"aws:SourceVpce": "false"}}, True, False),
        ({"StringEquals": {"aws:SourceVpce": endpoint}}, True, False),
        ({"StringEqualsIfExists": {"aws:SourceVpce": endpoint}}, True, True),
        ({"StringLike": {"aws:SourceVpce": "vpce-*"}}, True, False),
        ({"StringNotLike": {"aws:sourcevpc": "vpc-*"}}, False, True),
        ({"Null": {"aws:SourceVpc": "true"}}, False, True),
        ({"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/16"}}, True, False),
        ({"NotIpAddress": {"aws:VpcSourceIp": "10.0.0.0/16"}}, False, True),
        ({"NotIpAddress": {"aws:SourceIp": "198.51.100.0/32"}}, True, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True, True),
        ({"ArnEquals": {"aws:PrincipalArn": arn}}, True, True),
        ({"ArnNotEquals": {"aws:PrincipalArn": arn}}, False, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}, True, True),
        ({"StringEquals": {"aws:PrincipalAccount": ["111111111111", "123456789012"]}}, True, True),
        ({"StringNotEquals": {"aws:SourceVpce": endpoint, "aws:SourceVpc": "vpc-0123456789abcdef0"}}, False, True),
    ]
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    wrong = []
    with adit.host(inside) as a, adit.host(outside) as b:
        for condition, through_endpoint, over_internet in cases:
            adit.put_policy(bucket, {
                "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition,
            })
            for host, where, matches in ((a, "endpoint", through_endpoint), (b, "internet", over_internet)):
                reply = host.s3("get_object", Bucket=bucket, Key="x")
                if reply.ok == matches:
                    wrong.append(f"{condition} by {where}: {reply}")
    assert not wrong, "\n".join(wrong)


def test_secure_transport_is_about_the_clients_connection(adit, vpc):
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    adit.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
    with adit.host(subnet) as host:
        allowed(read(host, bucket))
        denied(read(host, bucket, scheme="http"), layer=BY_BUCKET_POLICY)


def test_a_principal_can_be_named(adit, vpc):
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    with adit.host(subnet) as host:
        for principal, matches in (
            ({"AWS": "arn:aws:iam::123456789012:root"}, True),
            ({"AWS": "123456789012"}, True),
            ({"AWS": "*"}, True),
            ({"AWS": "arn:aws:iam::111111111111:root"}, False),
        ):
            adit.put_policy(bucket, {"Effect": "Deny", "Principal": principal, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
            assert read(host, bucket).ok != matches, principal


# ---- reasons ----------------------------------------------------------------------------------


def test_a_refusal_says_who_may_not_do_what_and_why(adit, vpc):
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.put_policy(bucket, only_unless(bucket, "StringNotEquals", "aws:sourceVpce", "vpce-0123456789abcdef0"))
    with adit.host(subnet) as host:
        bad = read(host, bucket)
    assert bad.message == (
        "User: arn:aws:iam::123456789012:root is not authorized to perform: s3:GetObject "
        f'on resource: "arn:aws:s3:::{bucket}/x" with an explicit deny in a resource-based policy'
    )


def test_every_refusal_leaves_a_decision_record(adit, vpc):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    adit.put_policy(bucket, only_unless(bucket, "StringNotEquals", "aws:sourceVpce", "vpce-0123456789abcdef0", sid="NotFromThere"))
    with adit.host(subnet) as host:
        bad = read(host, bucket)
        address = host.address
    (record,) = adit.decisions(bad.request_id)
    text = str(record)
    for part in ("s3:GetObject", f"arn:aws:s3:::{bucket}/x", endpoint, vpc.id, address, "NotFromThere"):
        assert part in text, f"{part} is not in the record: {text}"
    assert "arn:aws:iam::123456789012:root" in text
    assert "wJalrXUtnFEMI" not in text


def test_every_allowed_request_leaves_a_decision_record_too(adit, vpc):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    with adit.host(subnet) as host:
        good = host.s3("put_object", Bucket=bucket, Key="x", Body="x")
    (record,) = adit.decisions(good.request_id)
    assert "s3:PutObject" in str(record) and endpoint in str(record)


def test_no_secret_is_written_anywhere(adit, vpc):
    """After signed, presigned and refused requests, no log or record holds the secret key."""
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    with adit.host(subnet) as host:
        host.s3("put_object", Bucket=bucket, Key="x", Body="x")
        host.s3("get_object", Bucket=bucket, Key="x", options={"key": "AKIAIOSFODNN7EXAMPLE", "secret": "a wrong secret"})
        url = host.s3("generate_presigned_url", ClientMethod="get_object", Params={"Bucket": bucket, "Key": "x"}).data["value"]
        host.get(url)
    said = adit.stdout_text() + adit.stderr_text()
    assert "wJalrXUtnFEMI" not in said and "a wrong secret" not in said


def test_prefix_list_addresses_are_what_clients_connect_to(adit, vpc):
    subnet, _, _ = vpc.private_subnet_with_gateway()
    _, ranges = s3_prefix_list(adit)
    with adit.host(subnet) as host:
        seen = host.tls("s3.us-east-1.amazonaws.com")
        assert seen["ok"] and in_ranges(seen["peer"], ranges)
