"""Devices of the host become ports of subnets and the way to on-premises sites: `--interface DEV`."""

import json

import pytest
from harness.behind import Box, device, ip, own_network
from harness.expect import allowed
from harness.installation import wait_until
from harness.network import Vpc


@pytest.fixture(scope="module", autouse=True)
def network():
    """Everything here happens in a network of its own, the daemon's home included."""
    with own_network():
        yield


@pytest.fixture
def box(tmp_path):
    """Makes machines; they are switched off at the end, and the host's ends of their cables removed."""
    made = []

    def make():
        made.append(Box(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.close()
    for link in json.loads(ip("-j", "link", "show")):
        if link["ifname"] != "lo":
            ip("link", "del", link["ifname"], check=False)


def attach(adit, *words):
    """Attaches a device; the interface's id and address."""
    return adit.adit("attach", *words).stdout.split()


def problems(adit):
    """What `adit status` says is wrong."""
    return [line for line in adit.adit("status", check=False).stdout.splitlines() if line.startswith("problem")]


def test_what_is_behind_a_device_has_ipv6_too(adit, vpc, box):
    """Its owner gives it the interface's address, and the subnet's router is found by neighbour discovery."""
    made = adit.ec2.associate_vpc_cidr_block(VpcId=vpc.id, AmazonProvidedIpv6CidrBlock=True)
    block = made["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet = vpc.subnet()
    adit.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=block)
    adit.ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
    made = adit.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    (own,) = [one["Ipv6Address"] for one in made["Ipv6Addresses"]]
    machine = box()
    machine.cable("v0", f"{made['PrivateIpAddress']}/24", "10.0.1.1", "10.0.0.2")
    machine.run("ip", "-6", "address", "add", f"{own}/128", "dev", "eth0", "nodad")
    machine.run("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")
    interface, _ = attach(adit, made["NetworkInterfaceId"], "--interface", "v0")
    with machine.host(adit) as host, adit.host(subnet) as other:
        shown = json.loads(other.shell("ip", "-j", "-6", "addr", "show", "dev", "eth0").stdout)
        (address,) = [one["local"] for one in shown[0]["addr_info"]]
        # Nobody listens at either: whom a packet reaches, refuses.
        assert host.connect(address, 8080) == "refused"
        assert other.connect(own, 8080) == "refused"
        machine.run("ip", "-6", "neigh", "flush", "all")
        assert other.connect(own, 8080) == "refused"
        assert problems(adit) == []
    adit.adit("detach", interface)


def test_what_is_behind_a_device_is_a_host_of_the_subnet(adit, vpc, box):
    subnet, endpoint, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    machine = box()
    group = vpc.group()
    made = adit.ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    machine.cable("v0", f"{made['PrivateIpAddress']}/24", "10.0.1.1", "10.0.0.2")
    before = device("v0")
    interface, address = attach(adit, made["NetworkInterfaceId"], "--interface", "v0")
    assert (interface, address.split("/")[0]) == (made["NetworkInterfaceId"], made["PrivateIpAddress"])
    assert device("v0") == ""
    (shown,) = adit.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    assert shown["Status"] == "in-use"
    adit.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": endpoint, "aws:VpcSourceIp": address.split("/")[0]}},
    })
    with machine.host(adit) as host:
        # Names come from the VPC, the way is the gateway endpoint, and the address is the interface's.
        assert host.lookup(f"{bucket}.s3.us-east-1.amazonaws.com").addresses[0].startswith("198.18.")
        allowed(host.s3("put_object", Bucket=bucket, Key="of-a-machine", Body="x"))

        # Another host of the subnet finds it: by its address, if its group lets it.
        with adit.host(subnet) as other:
            assert other.connect(host.address, 8080, timeout=1) == "timeout"
            adit.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
            ])
            assert other.connect(host.address, 8080, timeout=3) == "refused"
        # Nobody behind it has any other address.
        machine.run("ip", "address", "add", "10.0.1.77/24", "dev", "eth0")
        forged = ["curl", "-s", "-m", "1", "--interface", "10.0.1.77", "http://198.18.0.10/"]
        assert host.shell(*forged).returncode != 0
        machine.run("ip", "address", "del", "10.0.1.77/24", "dev", "eth0")
        allowed(host.s3("get_object", Bucket=bucket, Key="of-a-machine"))
        # What passed is counted at the interface.
        assert interface in adit.adit("top", "--interval", "1").stdout
        assert problems(adit) == []

        adit.adit("detach", interface)
        assert [part for part in device("v0").split() if part in ("UP", "DOWN")] == \
            [part for part in before.split() if part in ("UP", "DOWN")]
        assert host.connect("198.18.0.10", 443, timeout=1) in ("timeout", "unreachable")
        # Up this time; then it goes with its interface.
        ip("link", "set", "v0", "up")
        attach(adit, interface, "--interface", "v0")
        allowed(host.s3("get_object", Bucket=bucket, Key="of-a-machine"))
    adit.adit("detach", interface, "--delete")
    assert "state UP" in device("v0")
    assert not adit.ec2.describe_network_interfaces(
        Filters=[{"Name": "network-interface-id", "Values": [interface]}]
    )["NetworkInterfaces"]


def test_a_real_network_becomes_a_site(adit, vpc, box):
    subnet = vpc.subnet()
    group = vpc.group("endpoint", ingress=[("tcp", 443, "192.168.7.0/24")])
    endpoint = vpc.interface_endpoint(subnet, groups=[group])
    bucket = adit.bucket()
    machine = box()
    machine.cable("v0", "192.168.7.20/24", "192.168.7.254", "192.168.7.254")
    adit.adit(
        "site", "create", "office", "--cidr", "192.168.7.0/24", "--vpc", vpc.id, "--interface", "v0",
        "--address", "192.168.7.254",
    )
    with machine.host(adit) as host, adit.host(site="office") as other:
        name = endpoint.url.removeprefix("https://")
        assert set(host.lookup(f"{bucket}.{name}").addresses) <= set(endpoint.addresses)
        allowed(host.s3("put_object", Bucket=bucket, Key="key", Body="x", options={"endpoint": endpoint.url}))
        # A gateway endpoint's service has no way from here.
        assert host.connect("198.18.0.10", 443, timeout=1) in ("timeout", "unreachable", "refused")
        # Programs that run at the site are in the same network.
        assert other.address.startswith("192.168.7.")
        assert host.connect(other.address, 9, timeout=3) == "refused"
        assert other.connect(host.address, 9, timeout=3) == "refused"
    # Its owner takes the device away, and brings it back.
    machine.run("ip", "link", "del", "eth0")
    wait_until(lambda: any("office" in line and "absent" in line for line in problems(adit)), 20, "it is missed")
    machine.cable("v0", "192.168.7.20/24", "192.168.7.254", "192.168.7.254")
    wait_until(lambda: problems(adit) == [], 20, "it is there again")
    with machine.host(adit) as host:
        allowed(host.s3("get_object", Bucket=bucket, Key="key", options={"endpoint": endpoint.url}))
    adit.adit("site", "delete", "office")
    assert device("v0") != ""


def test_what_cannot_be_lent_is_said_before(adit, vpc, box):
    subnet = vpc.subnet()
    machine = box()
    machine.cable("v0", "10.0.1.10/24", "10.0.1.1", "10.0.0.2")

    def refused(name, *more, within=None):
        command = [adit.program, "attach", "--subnet", subnet, "--interface", name, *more]
        done = adit.run(within.command(*command) if within else command, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "no network device `nowhere`" in refused("nowhere")
    assert "loopback" in refused("lo")
    ip("link", "set", "v0", "up")
    ip("address", "add", "172.31.0.1/24", "dev", "v0")
    ip("route", "add", "default", "via", "172.31.0.2")
    assert "default route" in refused("v0")
    assert not adit.ec2.describe_network_interfaces()["NetworkInterfaces"]
    interface, _ = attach(adit, "--subnet", subnet, "--interface", "v0", "--force")
    assert "lent already" in refused("v0")
    (other,) = adit.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert other["NetworkInterfaceId"] == interface
    adit.adit("detach", interface, "--delete")
    assert len(adit.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 0


def test_a_crash_keeps_it_and_down_gives_it_back(another, box, tmp_path):
    adit = another(state=tmp_path / "state").start()
    vpc = Vpc(adit)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = adit.bucket()
    machine, office = box(), box()
    interface, address = None, "10.0.1.10/24"
    machine.cable("v0", address, "10.0.1.1", "10.0.0.2")
    office.cable("v1", "192.168.7.20/24", "192.168.7.1", "192.168.7.1")
    ip("link", "set", "v1", "up")
    interface, shown = attach(adit, "--subnet", subnet, "--interface", "v0")
    assert shown == address
    adit.adit("site", "create", "office", "--cidr", "192.168.7.0/24", "--vpc", vpc.id, "--interface", "v1")
    with machine.host(adit) as host:
        allowed(host.s3("put_object", Bucket=bucket, Key="key", Body="x"))
        adit.kill_dash_nine()
        assert device("v0") == "" and device("v1") == ""
        adit.start()
        allowed(host.s3("get_object", Bucket=bucket, Key="key"))
        assert problems(adit) == []
    adit.adit("down")
    adit.process.wait(20)
    assert "state UP" in device("v1")
    assert device("v0") != "" and "adit" not in device("v0")
    # The next start has them again.
    adit.start()
    assert device("v0") == "" and problems(adit) == []
    with machine.host(adit) as host:
        allowed(host.s3("get_object", Bucket=bucket, Key="key"))
    adit.adit("detach", interface, "--delete")
    assert device("v0") != ""
