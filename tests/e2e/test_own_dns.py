"""A VPC that runs its own DNS server: DHCP options name it, and it forwards to the VPC's resolver."""

import threading
import time

import pytest
from harness.network import Vpc, in_ranges, s3_prefix_list

UNBOUND = """server:
    interface: {address}
    access-control: 10.0.0.0/16 allow
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    module-config: "iterator"
    num-threads: 1
    local-zone: "corp.example." static
    local-data: "printer.corp.example. A 10.0.1.200"
forward-zone:
    name: "."
    forward-addr: {resolver}
remote-control:
    control-enable: no
"""
LOOK_UP = "import socket, sys; print(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 443, socket.AF_INET)}))"


@pytest.mark.parametrize("resolver", ["10.0.0.2", "169.254.169.253"])
def test_hosts_ask_the_server_and_the_server_the_resolver(adit, resolver):
    vpc = Vpc(adit, dns_hostnames=True)
    subnet = vpc.subnet()
    endpoint = vpc.interface_endpoint(subnet, private_dns=True)
    open_53 = vpc.group("dns", ingress=[("udp", 53, "10.0.0.0/16"), ("tcp", 53, "10.0.0.0/16")])
    with adit.host(subnet, group=open_53) as server:
        options = adit.ec2.create_dhcp_options(DhcpConfigurations=[
            {"Key": "domain-name-servers", "Values": [server.address]},
            {"Key": "domain-name", "Values": ["corp.example"]},
        ])["DhcpOptions"]["DhcpOptionsId"]
        adit.ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc.id)
        folder = adit.folder / f"unbound-{resolver}"
        folder.mkdir()
        conf = folder / "unbound.conf"
        conf.write_text(UNBOUND.format(address=server.address, folder=folder, resolver=resolver))
        run = ("timeout", "-s", "KILL", "4", "/usr/sbin/unbound", "-d", "-c", str(conf))
        thread = threading.Thread(target=lambda: server.shell(*run, seconds=30))
        thread.start()
        try:
            # A host takes the options when it starts, as one does that asks for a lease.
            with adit.host(subnet) as client:
                told = client.shell("cat", "/etc/resolv.conf").stdout
                assert [line for line in told.splitlines() if line.startswith("nameserver")] == [f"nameserver {server.address}"]
                assert "search corp.example" in told
                wait_for(client, "printer.corp.example")
                for name, addresses in {
                    "printer.corp.example": ["10.0.1.200"],
                    "printer": ["10.0.1.200"],
                    "s3.us-east-1.amazonaws.com": endpoint.addresses,
                    "my-bucket.s3.us-east-1.amazonaws.com": endpoint.addresses,
                    f"bucket.{endpoint.names[0]}": endpoint.addresses,
                }.items():
                    seen = client.shell("python3", "-c", LOOK_UP, name).stdout.strip()
                    assert seen == str(addresses), name
                _, ranges = s3_prefix_list(adit)
                for transport in ("udp", "tcp"):
                    public = client.lookup("s3.amazonaws.com", transport=transport).addresses
                    assert public and all(in_ranges(address, ranges) for address in public)
        finally:
            thread.join(40)


def wait_for(client, name):
    deadline = time.monotonic() + 3
    while True:
        try:
            if client.lookup(name).addresses:
                return
        except AssertionError:
            pass
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.05)
