"""Networks in a few words: a VPC with its subnets, route tables, gateways and endpoints."""

import ipaddress

S3_SERVICE = "com.amazonaws.us-east-1.s3"


class Vpc:
    """A VPC made for one test; methods make things in it and return their ids."""

    def __init__(self, adit, cidr="10.0.0.0/16", *, dns_hostnames=False, region=None):
        self.adit = adit
        self.ec2 = adit.client("ec2", region=region) if region else adit.ec2
        self.region = region
        self.cidr = cidr
        self.id = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        if dns_hostnames:
            self.ec2.modify_vpc_attribute(VpcId=self.id, EnableDnsHostnames={"Value": True})
        self._gateway = None

    def _of_vpc(self, **more):
        return [{"Name": "vpc-id", "Values": [self.id]}] + [
            {"Name": name.replace("_", "-"), "Values": [value]} for name, value in more.items()
        ]

    @property
    def main_table(self):
        """The main route table."""
        filters = self._of_vpc() + [{"Name": "association.main", "Values": ["true"]}]
        (table,) = self.ec2.describe_route_tables(Filters=filters)["RouteTables"]
        return table["RouteTableId"]

    @property
    def default_group(self):
        """The default security group."""
        (group,) = self.ec2.describe_security_groups(Filters=self._of_vpc(group_name="default"))["SecurityGroups"]
        return group["GroupId"]

    def subnet(self, cidr="10.0.1.0/24", zone="us-east-1a", *, table=None, public=False):
        """A subnet; `table` is associated with it; `public` maps public addresses on launch."""
        subnet = self.ec2.create_subnet(VpcId=self.id, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        if table:
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        if public:
            self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        return subnet

    def table(self):
        """A route table with only its local route."""
        return self.ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]

    def internet_gateway(self):
        """The VPC's internet gateway, made and attached the first time."""
        if self._gateway is None:
            self._gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            self.ec2.attach_internet_gateway(InternetGatewayId=self._gateway, VpcId=self.id)
        return self._gateway

    def internet_route(self, table, destination="0.0.0.0/0"):
        """A route of `table` to the internet gateway."""
        self.ec2.create_route(
            RouteTableId=table, DestinationCidrBlock=destination, GatewayId=self.internet_gateway()
        )

    def public_subnet(self, cidr="10.0.9.0/24", zone="us-east-1a"):
        """A subnet whose hosts have public addresses and whose table leads to the internet."""
        table = self.table()
        self.internet_route(table)
        return self.subnet(cidr, zone, table=table, public=True)

    def gateway_endpoint(self, *tables, policy=None, **more):
        """A gateway endpoint for S3, associated with these route tables."""
        if policy is not None:
            more["PolicyDocument"] = policy
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.id, ServiceName=S3_SERVICE, RouteTableIds=list(tables), **more
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    def interface_endpoint(self, *subnets, groups=(), policy=None, private_dns=False, **more):
        """An interface endpoint for S3; the whole description, as it is when the call returned."""
        if policy is not None:
            more["PolicyDocument"] = policy
        if groups:
            more["SecurityGroupIds"] = list(groups)
        if private_dns:
            more["PrivateDnsEnabled"] = True
            more["DnsOptions"] = {"PrivateDnsOnlyForInboundResolverEndpoint": False}
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.id,
            ServiceName=S3_SERVICE,
            VpcEndpointType="Interface",
            SubnetIds=list(subnets),
            **more,
        )
        return Endpoint(self.adit, made["VpcEndpoint"]["VpcEndpointId"])

    def private_subnet_with_gateway(self, cidr="10.0.1.0/24", policy=None):
        """The commonest picture: a private subnet whose table has an S3 gateway endpoint."""
        table = self.table()
        subnet = self.subnet(cidr, table=table)
        return subnet, self.gateway_endpoint(table, policy=policy), table

    def group(self, name="group", *, ingress=(), egress=None):
        """A security group. `ingress`/`egress` are (protocol, port or None, CIDR) triples."""
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)["GroupId"]
        if ingress:
            self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=permissions(ingress))
        if egress is not None:
            everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            self.ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything)
            if egress:
                self.ec2.authorize_security_group_egress(GroupId=made, IpPermissions=permissions(egress))
        return made


class Endpoint:
    """An endpoint by its id, with the names and addresses that DescribeVpcEndpoints gives."""

    def __init__(self, adit, identifier):
        self.adit = adit
        self.id = identifier

    def describe(self):
        (endpoint,) = self.adit.ec2.describe_vpc_endpoints(VpcEndpointIds=[self.id])["VpcEndpoints"]
        return endpoint

    @property
    def names(self):
        """DNS names in order: the regional one, then one per zone; without the leading `*.`."""
        return [entry["DnsName"].removeprefix("*.") for entry in self.describe()["DnsEntries"]]

    @property
    def url(self):
        """The endpoint URL a client is given for buckets."""
        return f"https://bucket.{self.names[0]}"

    @property
    def interfaces(self):
        """Its network interfaces, as DescribeNetworkInterfaces shows them."""
        ids = self.describe()["NetworkInterfaceIds"]
        return self.adit.ec2.describe_network_interfaces(NetworkInterfaceIds=ids)["NetworkInterfaces"]

    @property
    def addresses(self):
        """The private addresses of its network interfaces."""
        return sorted(interface["PrivateIpAddress"] for interface in self.interfaces)


def permissions(rules):
    """EC2's form of (protocol, port or None, CIDR or group or prefix list) triples."""
    found = []
    for protocol, port, peer in rules:
        rule = {"IpProtocol": protocol}
        if port is not None:
            rule |= {"FromPort": port, "ToPort": port}
        if peer.startswith("sg-"):
            rule["UserIdGroupPairs"] = [{"GroupId": peer}]
        elif peer.startswith("pl-"):
            rule["PrefixListIds"] = [{"PrefixListId": peer}]
        else:
            rule["IpRanges"] = [{"CidrIp": peer}]
        found.append(rule)
    return found


def s3_prefix_list(adit):
    """The S3 prefix list of us-east-1: its id and its ranges."""
    filters = [{"Name": "prefix-list-name", "Values": [S3_SERVICE]}]
    (found,) = adit.ec2.describe_prefix_lists(Filters=filters)["PrefixLists"]
    return found["PrefixListId"], [ipaddress.ip_network(cidr) for cidr in found["Cidrs"]]


def in_ranges(address, ranges):
    """Whether `address` is in one of the networks."""
    return any(ipaddress.ip_address(address) in network for network in ranges)


def site(adit, name, cidr, vpc, *, resolver=None):
    """Attaches an on-premises network to a VPC."""
    more = ["--resolver", resolver] if resolver else []
    adit.adit("site", "create", name, "--cidr", cidr, "--vpc", vpc.id, *more)
    return name

