"""Names that Adit does not know, asked of a real unbound that the configuration names."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from harness.installation import Installation
from harness.network import Vpc, in_ranges, s3_prefix_list, site
from harness.programs import plain_environment
from harness.upstream import free_ports

UNBOUND = """server:
    interface: 127.0.0.1@{port}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    pidfile: ""
    module-config: "iterator"
    num-threads: 1
    local-zone: "." static
    local-data: "www.corp.example. 77 A 192.0.2.7"
    local-data: "www.corp.example. 77 AAAA 2001:db8::7"
    local-data: "s3.us-east-1.amazonaws.com. A 192.0.2.66"
    local-data: "s3.eu-west-1.amazonaws.com. A 192.0.2.66"
    local-data: "x.s3.us-east-1.vpce.amazonaws.com. A 192.0.2.66"
    local-data: "ip-10-99-0-1.ec2.internal. A 192.0.2.66"
{large}
remote-control:
    control-enable: no
"""
MANY = [f"192.0.2.{last}" for last in range(1, 121)]


class Unbound:
    """unbound on a port of loopback."""

    def __init__(self, port):
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="adit-unbound-"))
        large = "\n".join(f'    local-data: "many.corp.example. A {address}"' for address in MANY)
        (self.folder / "conf").write_text(UNBOUND.format(port=port, large=large))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/unbound", "-d", "-c", str(self.folder / "conf")], env=plain_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert time.monotonic() < deadline and self.process.poll() is None, "unbound does not start"
            time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def place():
    """An installation with two upstream servers, of which the first never answers."""
    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    server = Unbound(free_ports(1)[0])
    addresses = [f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{server.port}"]
    adit = Installation(config=f"[dns]\nupstream = {addresses}\n")
    try:
        server.start()
        adit.start()
        vpc = Vpc(adit)
        subnet = vpc.subnet()
        site(adit, "office", "192.168.0.0/24", vpc)
        with adit.host(subnet) as host, adit.host(site="office") as office:
            yield {"adit": adit, "vpc": vpc, "host": host, "office": office, "server": server}
    finally:
        adit.close()
        server.close()
        silent.close()


@pytest.mark.parametrize("who", ["host", "office"])
def test_other_names_come_from_the_server_that_answers(place, who):
    answer = place[who].lookup("www.corp.example")
    assert (answer.rcode, answer.addresses) == ("NOERROR", ["192.0.2.7"])
    assert answer.ttls == [77], "nothing is kept: the upstream says how long"
    assert place[who].lookup("www.corp.example", "AAAA").addresses == ["2001:db8::7"]
    assert place[who].lookup("none.corp.example").rcode == "NXDOMAIN"


def test_a_large_answer_is_fetched_by_tcp(place):
    over_tcp = place["host"].lookup("many.corp.example", transport="tcp")
    assert sorted(over_tcp.addresses) == sorted(MANY)
    assert place["host"].lookup("many.corp.example").truncated, "and a small client is told to ask again"


def test_adits_own_names_and_private_ones_are_never_asked_of_others(place):
    host = place["host"]
    _, ranges = s3_prefix_list(place["adit"])
    assert all(in_ranges(address, ranges) for address in host.lookup("s3.us-east-1.amazonaws.com").addresses)
    for name in ("s3.eu-west-1.amazonaws.com", "x.s3.us-east-1.vpce.amazonaws.com", "ip-10-99-0-1.ec2.internal"):
        assert host.lookup(name).rcode == "NXDOMAIN", name


def test_a_chain_out_of_a_private_zone_goes_on_upstream(place):
    adit, vpc = place["adit"], place["vpc"]
    adit.ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": True})
    route53 = adit.client("route53")
    zone = route53.create_hosted_zone(
        Name="inside.example", CallerReference="1", VPC={"VPCRegion": "us-east-1", "VPCId": vpc.id}
    )["HostedZone"]["Id"]
    record = {"Name": "out.inside.example", "Type": "CNAME", "TTL": 30, "ResourceRecords": [{"Value": "www.corp.example"}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    answer = place["host"].lookup("out.inside.example")
    assert answer.addresses == ["192.0.2.7"] and answer.ttls == [30, 77]
    assert place["host"].lookup("none.inside.example").rcode == "NXDOMAIN"


def test_without_an_answer_there_is_none(place):
    place["server"].stop()
    try:
        assert place["host"].lookup("www.corp.example").rcode == "SERVFAIL"
        assert place["host"].lookup("s3.us-east-1.amazonaws.com").rcode == "NOERROR", "own names need nobody"
    finally:
        place["server"].start()
    assert place["host"].lookup("www.corp.example").rcode == "NOERROR"
