"""Queries of a VPC as lines of its log groups or of objects, in the shape of Route 53 Resolver's query logs."""

import gzip
import json
import re
import stat

import pytest
from botocore.exceptions import ClientError
from harness.installation import ACCOUNT, Installation, wait_until
from harness.network import Vpc, site

GROUP = "/adit/queries"
DESTINATION = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two VPCs, one with a site and an inbound endpoint; its queries are logged."""
    folder = tmp_path_factory.mktemp("query-log")
    state = folder / "state"
    (folder / "adit.toml").write_text("[dns]\nbucket_log_seconds = 1\n")
    adit = Installation(state=state, arguments=["--config", str(folder / "adit.toml")])
    try:
        adit.start()
        resolver = adit.client("route53resolver")
        vpc, other = Vpc(adit), Vpc(adit, "10.1.0.0/16")
        a, b = vpc.subnet("10.0.1.0/24", "us-east-1a"), vpc.subnet("10.0.2.0/24", "us-east-1b")
        group = vpc.group("dns", ingress=[("-1", None, "0.0.0.0/0")])
        endpoint = vpc.interface_endpoint(a, b)
        inbound = resolver.create_resolver_endpoint(
            CreatorRequestId="in", Direction="INBOUND", SecurityGroupIds=[group],
            IpAddresses=[{"SubnetId": a, "Ip": "10.0.1.53"}, {"SubnetId": b, "Ip": "10.0.2.53"}],
        )["ResolverEndpoint"]
        site(adit, "office", "192.168.0.0/24", vpc)
        config = resolver.create_resolver_query_log_config(
            Name="queries", DestinationArn=DESTINATION, CreatorRequestId="1"
        )["ResolverQueryLogConfig"]
        linked = resolver.associate_resolver_query_log_config(
            ResolverQueryLogConfigId=config["Id"], ResourceId=vpc.id
        )["ResolverQueryLogConfigAssociation"]
        assert linked["Status"] == "ACTIVE", "when the call returns, queries are logged"
        with adit.host(a) as host, adit.host(other.subnet("10.1.1.0/24")) as elsewhere, adit.host(site="office") as office:
            yield {
                "adit": adit, "resolver": resolver, "vpc": vpc, "other": other, "endpoint": endpoint, "inbound": inbound,
                "config": config["Id"], "host": host, "elsewhere": elsewhere, "office": office,
                "file": state / "log-groups" / ACCOUNT / "us-east-1" / "adit" / "queries" / "queries.jsonl",
            }
    finally:
        adit.close()


def logged(place, name):
    """The lines about a name."""
    if not place["file"].exists():
        return []
    lines = [json.loads(line) for line in place["file"].read_text().splitlines()]
    return [line for line in lines if line.get("query_name") == f"{name}."]


def one(place, name):
    """The line about a name that was asked for once."""
    (line,) = wait_until(lambda: logged(place, name), 5, f"a line about {name}")
    return line


def test_a_line_tells_who_asked_what_and_what_was_said(place):
    name = f"once.bucket.{place['endpoint'].names[0]}"
    place["host"].lookup(name)
    line = one(place, name)
    assert list(line) == [
        "version", "account_id", "region", "vpc_id", "query_timestamp", "query_name", "query_type", "query_class",
        "rcode", "answers", "srcaddr", "srcport", "transport", "srcids",
    ]
    assert (line["version"], line["account_id"], line["region"]) == ("1.100000", ACCOUNT, "us-east-1")
    assert (line["vpc_id"], line["srcaddr"]) == (place["vpc"].id, place["host"].address)
    assert (line["query_type"], line["query_class"], line["rcode"], line["transport"]) == ("A", "IN", "NOERROR", "UDP")
    assert sorted(answer["Rdata"] for answer in line["answers"]) == place["endpoint"].addresses
    assert {(answer["Type"], answer["Class"]) for answer in line["answers"]} == {("A", "IN")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["query_timestamp"])
    assert line["srcport"].isdigit() and line["srcids"] == {}
    assert stat.S_IMODE(place["file"].stat().st_mode) == 0o600
    assert stat.S_IMODE(place["file"].parent.stat().st_mode) == 0o700


def test_tcp_negative_answers_and_other_types_are_logged(place):
    place["host"].lookup("missing.example", "AAAA", transport="tcp")
    line = one(place, "missing.example")
    assert (line["query_type"], line["rcode"], line["transport"], line["answers"]) == ("AAAA", "NXDOMAIN", "TCP", [])


def test_a_query_through_an_inbound_endpoint_says_so(place):
    place["office"].lookup("from-office.example", server="10.0.2.53")
    line = one(place, "from-office.example")
    listed = place["resolver"].list_resolver_endpoint_ip_addresses(ResolverEndpointId=place["inbound"]["Id"])
    assert line["vpc_id"] == place["vpc"].id and line["srcaddr"] == place["office"].address
    assert line["srcids"]["resolver_endpoint"] == place["inbound"]["Id"]
    enis = place["adit"].ec2.describe_network_interfaces(
        Filters=[{"Name": "addresses.private-ip-address", "Values": ["10.0.2.53"]}]
    )["NetworkInterfaces"]
    assert line["srcids"]["resolver_network_interface"] == enis[0]["NetworkInterfaceId"]
    assert len(listed["IpAddresses"]) == 2


def test_other_vpcs_and_sites_own_queries_are_not_logged(place):
    place["elsewhere"].lookup("elsewhere.example")
    place["office"].lookup("own.example")
    place["host"].lookup("marker.example")
    one(place, "marker.example")
    assert logged(place, "elsewhere.example") == [] and logged(place, "own.example") == []


def test_a_configuration_in_use_stays_and_a_disassociated_one_logs_nothing(place):
    resolver, config = place["resolver"], place["config"]
    (shown,) = resolver.list_resolver_query_log_configs()["ResolverQueryLogConfigs"]
    assert (shown["Id"], shown["AssociationCount"], shown["DestinationArn"]) == (config, 1, DESTINATION)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        resolver.delete_resolver_query_log_config(ResolverQueryLogConfigId=config)
    with pytest.raises(ClientError, match="ResourceExistsException"):
        resolver.associate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=place["vpc"].id)
    gone = resolver.disassociate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=place["vpc"].id)
    assert gone["ResolverQueryLogConfigAssociation"]["Status"] == "DELETING"
    place["host"].lookup("afterwards.example")
    resolver.associate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=place["vpc"].id)
    place["host"].lookup("again.example")
    one(place, "again.example")
    assert logged(place, "afterwards.example") == []


def test_queries_of_a_vpc_become_objects_of_a_bucket(place):
    adit, resolver, other = place["adit"], place["resolver"], place["other"]
    adit.s3.create_bucket(Bucket="dns-logs")
    config = resolver.create_resolver_query_log_config(
        Name="bucket", DestinationArn="arn:aws:s3:::dns-logs/dns", CreatorRequestId="bucket"
    )["ResolverQueryLogConfig"]
    resolver.associate_resolver_query_log_config(ResolverQueryLogConfigId=config["Id"], ResourceId=other.id)
    for number in range(3):
        place["elsewhere"].lookup(f"to-bucket-{number}.example")
    folder = f"dns/AWSLogs/{ACCOUNT}/vpcdnsquerylogs/{other.id}/"

    def lines():
        found = []
        for entry in adit.s3.list_objects_v2(Bucket="dns-logs").get("Contents", []):
            assert re.fullmatch(
                rf"{folder}\d{{4}}/\d\d/\d\d/{other.id}_vpcdnsquerylogs_{ACCOUNT}_\d{{8}}T\d{{4}}Z_[0-9a-f]{{8}}\.log\.gz", entry["Key"]
            )
            body = adit.s3.get_object(Bucket="dns-logs", Key=entry["Key"])["Body"].read()
            found += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return found

    wait_until(lambda: len(lines()) >= 3, 20, "the lines")
    # Objects of one minute stand in any order.
    first = {f"to-bucket-{number}.example." for number in range(3)}
    assert {line["query_name"] for line in lines()} == first and len(lines()) == 3
    assert {(line["vpc_id"], line["srcaddr"]) for line in lines()} == {(other.id, place["elsewhere"].address)}
    # What waits when the configuration goes is delivered, too.
    place["elsewhere"].lookup("the-last.example")
    resolver.disassociate_resolver_query_log_config(ResolverQueryLogConfigId=config["Id"], ResourceId=other.id)
    place["elsewhere"].lookup("afterwards.example")
    wait_until(lambda: len(lines()) >= 4, 20, "the last line")
    assert {line["query_name"] for line in lines()} == first | {"the-last.example."}
    resolver.delete_resolver_query_log_config(ResolverQueryLogConfigId=config["Id"])


@pytest.mark.parametrize("destination", [
    "arn:aws:s3:::no-such-bucket",
    "arn:aws:s3:::no-such-bucket/AWSLogs/x",
    f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:x",
    "arn:aws:logs:us-east-1:999999999999:log-group:x",
    f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:has space",
])
def test_a_destination_that_is_not_there_is_refused(place, destination):
    with pytest.raises(ClientError, match="InvalidParameterException"):
        place["resolver"].create_resolver_query_log_config(
            Name="other", DestinationArn=destination, CreatorRequestId=destination
        )


def test_lists_are_filtered_and_sorted(place):
    resolver = place["resolver"]
    for name in ("b", "a", "c"):
        resolver.create_resolver_query_log_config(Name=name, DestinationArn=DESTINATION, CreatorRequestId=name)
    by_name = resolver.list_resolver_query_log_configs(SortBy="Name", SortOrder="DESCENDING")
    assert [config["Name"] for config in by_name["ResolverQueryLogConfigs"]] == ["queries", "c", "b", "a"]
    some = resolver.list_resolver_query_log_configs(Filters=[{"Name": "Name", "Values": ["a", "c"]}], MaxResults=1)
    assert (some["TotalCount"], some["TotalFilteredCount"], len(some["ResolverQueryLogConfigs"])) == (4, 2, 1)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        resolver.list_resolver_query_log_configs(SortBy="Colour")
