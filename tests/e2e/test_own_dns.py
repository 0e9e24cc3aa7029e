"""A VPC that runs its own DNS server: DHCP options name it, and it forwards to the VPC's resolver."""

import pytest
from harness.network import Vpc, in_ranges, s3_prefix_list
from harness.resolvers import unbound

OWN = """    local-zone: "corp.example." static
    local-data: "printer.corp.example. A 10.0.1.200"
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
        # A host takes the options when it starts, as one does that asks for a lease.
        with adit.host(subnet) as client:
            told = client.shell("cat", "/etc/resolv.conf").stdout
            assert [line for line in told.splitlines() if line.startswith("nameserver")] == [f"nameserver {server.address}"]
            assert "search corp.example" in told
            folder = adit.folder / f"unbound-{resolver}"
            ready = lambda: client.lookup("printer.corp.example").addresses
            with unbound(server, folder, resolver, ready, more=OWN):
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
