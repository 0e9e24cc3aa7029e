"""Create, read, change in place, read, delete: what is offered to others, what is recorded, jobs, and the rest of identities.

The third part of test_churn_api.py and test_churn_services.py, by boto3 again: after each write what is read must be what was
written. The last test asks that the three of them, together, change everything that there is an operation for.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness.churn import allow, gone, pairs, tag
from harness.installation import ACCOUNT
from harness.network import S3_SERVICE
from harness.programs import ADIT

# Nothing here needs packets.
UP = {"arguments": ["--planes", "none"]}
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:"
LOG_GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"


@pytest.fixture
def place(adit):
    """A VPC with subnets in two zones; at the end nothing else is left in it."""
    ec2 = adit.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.40.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for n, zone in ((1, "a"), (2, "b"))
    ]
    yield vpc, subnets
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def balancer(adit, name, subnets):
    made = adit.client("elbv2").create_load_balancer(Name=name, Type="network", Scheme="internal", Subnets=subnets)
    return made["LoadBalancers"][0]["LoadBalancerArn"]


def test_load_balancer(adit, place):
    elb, (vpc, subnets) = adit.client("elbv2"), place
    arn = balancer(adit, "backend", subnets)
    elb.get_waiter("load_balancer_exists").wait(LoadBalancerArns=[arn])
    shown = elb.describe_load_balancers(Names=["backend"])["LoadBalancers"][0]
    assert (shown["LoadBalancerArn"], shown["VpcId"], shown["Scheme"], shown["Type"]) == (arn, vpc, "internal", "network")
    assert {zone["SubnetId"] for zone in shown["AvailabilityZones"]} == set(subnets)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    gone(elb.describe_load_balancers, "LoadBalancerNotFound", LoadBalancerArns=[arn])


def test_endpoint_service(adit, place):
    ec2, (_, subnets) = adit.client("ec2"), place
    first, second = balancer(adit, "first", subnets[:1]), balancer(adit, "second", subnets[1:])
    made = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[first], AcceptanceRequired=True, PrivateDnsName="api.example.com",
        TagSpecifications=[{"ResourceType": "vpc-endpoint-service", "Tags": tag("first")}],
    )["ServiceConfiguration"]
    one = {"ServiceId": made["ServiceId"]}

    def shown():
        (found,) = ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[one["ServiceId"]])["ServiceConfigurations"]
        return found

    def principals():
        found = ec2.describe_vpc_endpoint_service_permissions(**one)["AllowedPrincipals"]
        return {principal["Principal"] for principal in found}

    now = shown()
    assert (now["AcceptanceRequired"], now["NetworkLoadBalancerArns"], now["PrivateDnsName"], pairs(now["Tags"])) == (
        True, [first], "api.example.com", {"Name": "first"})
    ec2.modify_vpc_endpoint_service_configuration(
        **one, AcceptanceRequired=False, AddNetworkLoadBalancerArns=[second], RemoveNetworkLoadBalancerArns=[first],
        PrivateDnsName="api2.example.com",
    )
    ec2.modify_vpc_endpoint_service_payer_responsibility(**one, PayerResponsibility="ServiceOwner")
    ec2.create_tags(Resources=[one["ServiceId"]], Tags=tag("second"))
    now = shown()
    assert (now["AcceptanceRequired"], now["NetworkLoadBalancerArns"], now["PayerResponsibility"], pairs(now["Tags"])) == (
        False, [second], "ServiceOwner", {"Name": "second"})
    assert (now["PrivateDnsName"], now["AvailabilityZones"]) == ("api2.example.com", ["us-east-1b"])
    ec2.modify_vpc_endpoint_service_configuration(**one, RemovePrivateDnsName=True)
    assert "PrivateDnsName" not in shown()

    root = f"arn:aws:iam::{ACCOUNT}:root"
    ec2.modify_vpc_endpoint_service_permissions(**one, AddAllowedPrincipals=[root, "*"])
    assert principals() == {root, "*"}
    ec2.modify_vpc_endpoint_service_permissions(**one, RemoveAllowedPrincipals=["*"])
    assert principals() == {root}
    names = ec2.describe_vpc_endpoint_services(ServiceNames=[made["ServiceName"]])
    assert names["ServiceNames"] == [made["ServiceName"]]
    assert ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[one["ServiceId"]])["Unsuccessful"] == []
    gone(ec2.describe_vpc_endpoint_service_configurations, "InvalidVpcEndpointServiceId.NotFound", ServiceIds=[one["ServiceId"]])
    for arn in (first, second):
        adit.client("elbv2").delete_load_balancer(LoadBalancerArn=arn)


def test_connection_and_notification(adit, place):
    ec2, (vpc, subnets) = adit.client("ec2"), place
    arn = balancer(adit, "backend", subnets)
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn])["ServiceConfiguration"]
    one = {"ServiceId": service["ServiceId"]}
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=service["ServiceName"], VpcEndpointType="Interface", SubnetIds=subnets[:1],
    )["VpcEndpoint"]["VpcEndpointId"]

    def states():
        (seen,) = ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "service-id", "Values": [one["ServiceId"]]}])["VpcEndpointConnections"]
        (own,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
        assert seen["VpcEndpointId"] == endpoint
        return {seen["VpcEndpointState"], own["State"]}

    assert states() == {"pendingAcceptance"}
    assert ec2.accept_vpc_endpoint_connections(**one, VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert not states() & {"pendingAcceptance", "rejected"}
    assert ec2.reject_vpc_endpoint_connections(**one, VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert states() == {"rejected"}

    notification = ec2.create_vpc_endpoint_connection_notification(
        **one, ConnectionNotificationArn=f"{TOPIC}first", ConnectionEvents=["Accept"],
    )["ConnectionNotification"]["ConnectionNotificationId"]

    def shown():
        found = ec2.describe_vpc_endpoint_connection_notifications(ConnectionNotificationId=notification)
        (found,) = found["ConnectionNotificationSet"]
        return found["ConnectionNotificationArn"], sorted(found["ConnectionEvents"])

    assert shown() == (f"{TOPIC}first", ["Accept"])
    ec2.modify_vpc_endpoint_connection_notification(
        ConnectionNotificationId=notification, ConnectionNotificationArn=f"{TOPIC}second", ConnectionEvents=["Connect", "Reject"])
    assert shown() == (f"{TOPIC}second", ["Connect", "Reject"])
    assert ec2.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=[notification])["Unsuccessful"] == []
    gone(ec2.describe_vpc_endpoint_connection_notifications, "InvalidConnectionNotification", ConnectionNotificationId=notification)
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"] == []
    ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[one["ServiceId"]])
    adit.client("elbv2").delete_load_balancer(LoadBalancerArn=arn)


def test_policy_and_groups_of_an_endpoint(adit, place):
    ec2, (vpc, subnets) = adit.client("ec2"), place
    group = ec2.create_security_group(GroupName="clients", Description="clients", VpcId=vpc)["GroupId"]
    default = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]["GroupId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=S3_SERVICE, VpcEndpointType="Interface", SubnetIds=subnets[:1], SecurityGroupIds=[default],
    )["VpcEndpoint"]["VpcEndpointId"]

    def shown():
        return ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]

    for actions in (["s3:GetObject"], ["s3:GetObject", "s3:PutObject"]):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": "*"}]}
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps(document))
        assert json.loads(shown()["PolicyDocument"]) == document
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert json.loads(shown()["PolicyDocument"])["Statement"][0]["Action"] == "*"
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[group], RemoveSecurityGroupIds=[default])
    assert [one["GroupId"] for one in shown()["Groups"]] == [group]
    gone(ec2.delete_security_group, "DependencyViolation", GroupId=group)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    ec2.delete_security_group(GroupId=group)


def test_flow_log(adit, place):
    ec2, (vpc, subnets) = adit.client("ec2"), place
    adit.s3.create_bucket(Bucket="flows")
    logs = ec2.create_flow_logs(
        ResourceType="Subnet", ResourceIds=subnets, TrafficType="REJECT", LogDestinationType="s3",
        LogDestination="arn:aws:s3:::flows/net", MaxAggregationInterval=60,
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tag("first")}],
    )["FlowLogIds"]

    def shown():
        return ec2.describe_flow_logs(FlowLogIds=logs)["FlowLogs"]

    assert {one["ResourceId"] for one in shown()} == set(subnets)
    assert {(one["TrafficType"], one["LogDestination"], one["MaxAggregationInterval"]) for one in shown()} == {
        ("REJECT", "arn:aws:s3:::flows/net", 60)}
    ec2.create_tags(Resources=logs, Tags=tag("second"))
    assert [pairs(one["Tags"]) for one in shown()] == [{"Name": "second"}] * 2
    assert ec2.delete_flow_logs(FlowLogIds=logs)["Unsuccessful"] == []
    assert ec2.describe_flow_logs()["FlowLogs"] == []
    adit.s3.delete_bucket(Bucket="flows")


def test_query_log_and_resolver_settings(adit, place):
    resolver, (vpc, _) = adit.client("route53resolver"), place
    made = resolver.create_resolver_query_log_config(
        Name="questions", DestinationArn=f"{LOG_GROUP}/adit/questions", CreatorRequestId="one", Tags=tag("first"),
    )["ResolverQueryLogConfig"]
    one = {"ResolverQueryLogConfigId": made["Id"]}

    def shown():
        found = resolver.get_resolver_query_log_config(**one)["ResolverQueryLogConfig"]
        return found["Name"], found["DestinationArn"], found["AssociationCount"]

    assert shown() == ("questions", f"{LOG_GROUP}/adit/questions", 0)
    resolver.associate_resolver_query_log_config(**one, ResourceId=vpc)
    assert shown()[2] == 1
    listed = resolver.list_resolver_query_log_config_associations()["ResolverQueryLogConfigAssociations"]
    assert [(link["ResourceId"], link["ResolverQueryLogConfigId"]) for link in listed] == [(vpc, made["Id"])]
    gone(resolver.delete_resolver_query_log_config, "InvalidRequestException", **one)
    resolver.untag_resource(ResourceArn=made["Arn"], TagKeys=["Name"])
    assert resolver.list_tags_for_resource(ResourceArn=made["Arn"])["Tags"] == []
    resolver.disassociate_resolver_query_log_config(**one, ResourceId=vpc)
    resolver.delete_resolver_query_log_config(**one)
    gone(resolver.get_resolver_query_log_config, "ResourceNotFoundException", **one)
    for flag, state in (("DISABLE", "DISABLED"), ("ENABLE", "ENABLED")):
        resolver.update_resolver_config(ResourceId=vpc, AutodefinedReverseFlag=flag)
        assert resolver.get_resolver_config(ResourceId=vpc)["ResolverConfig"]["AutodefinedReverse"] == state


def test_authorization_of_another_accounts_vpc(adit, place):
    route53, (vpc, _) = adit.client("route53"), place
    said = adit.adit("account", "create", "other").stdout
    keys = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    theirs = {"key": keys["AWS_ACCESS_KEY_ID"], "secret": keys["AWS_SECRET_ACCESS_KEY"]}
    other = adit.client("ec2", **theirs).create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
    zone = route53.create_hosted_zone(
        Name="corp.example", CallerReference="more", VPC={"VPCRegion": "us-east-1", "VPCId": vpc})["HostedZone"]["Id"]
    link = {"HostedZoneId": zone, "VPC": {"VPCRegion": "us-east-1", "VPCId": other}}

    def authorized():
        return [one["VPCId"] for one in route53.list_vpc_association_authorizations(HostedZoneId=zone)["VPCs"]]

    consumer = adit.client("route53", **theirs)
    gone(consumer.associate_vpc_with_hosted_zone, "NotAuthorizedException", **link)
    route53.create_vpc_association_authorization(**link)
    assert authorized() == [other]
    consumer.associate_vpc_with_hosted_zone(**link)
    route53.delete_vpc_association_authorization(**link)
    assert authorized() == []
    assert {one["VPCId"] for one in route53.get_hosted_zone(Id=zone)["VPCs"]} == {vpc, other}
    consumer.disassociate_vpc_from_hosted_zone(**link)
    route53.delete_hosted_zone(Id=zone)
    adit.client("ec2", **theirs).delete_vpc(VpcId=other)


def test_job(adit):
    iam, control, s3 = adit.client("iam"), adit.client("s3control"), adit.s3
    trust = {"Effect": "Allow", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="jobs", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="jobs", PolicyName="all", PolicyDocument=json.dumps(allow("s3:*")))
    s3.create_bucket(Bucket="things")
    etag = s3.put_object(Bucket="things", Key="list.csv", Body=b"things,list.csv\n")["ETag"]
    mine = {"AccountId": ACCOUNT}
    job = mine | {"JobId": control.create_job(
        **mine, ConfirmationRequired=True, Priority=10, RoleArn=role, ClientRequestToken="one", Description="first",
        Operation={"S3PutObjectTagging": {"TagSet": [{"Key": "team", "Value": "a"}]}}, Report={"Enabled": False},
        Manifest={"Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
                  "Location": {"ObjectArn": "arn:aws:s3:::things/list.csv", "ETag": etag}},
    )["JobId"]}

    def shown():
        return control.describe_job(**job)["Job"]

    assert (shown()["Priority"], shown()["Description"], shown()["RoleArn"]) == (10, "first", role)
    control.update_job_priority(**job, Priority=20)
    assert shown()["Priority"] == 20
    for value in ("first", "second"):
        control.put_job_tagging(**job, Tags=tag(value))
        assert pairs(control.get_job_tagging(**job)["Tags"]) == {"Name": value}
    control.delete_job_tagging(**job)
    assert control.get_job_tagging(**job)["Tags"] == []
    assert [one["JobId"] for one in control.list_jobs(**mine)["Jobs"]] == [job["JobId"]]
    control.update_job_status(**job, RequestedJobStatus="Cancelled")
    assert shown()["Status"] in ("Cancelling", "Cancelled")
    iam.delete_role_policy(RoleName="jobs", PolicyName="all")
    iam.delete_role(RoleName="jobs")
    s3.delete_object(Bucket="things", Key="list.csv")
    s3.delete_bucket(Bucket="things")


def test_rest_of_the_identities(adit):
    iam = adit.client("iam")
    iam.create_account_alias(AccountAlias="first-alias")
    assert iam.list_account_aliases()["AccountAliases"] == ["first-alias"]
    iam.delete_account_alias(AccountAlias="first-alias")
    assert iam.list_account_aliases()["AccountAliases"] == []
    policy = iam.create_policy(PolicyName="look", PolicyDocument=json.dumps(allow("ec2:Describe*")))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(allow("s3:*")))
    for version in ("v2", "v1"):
        iam.set_default_policy_version(PolicyArn=policy, VersionId=version)
        assert iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"] == version
    iam.delete_policy_version(PolicyArn=policy, VersionId="v2")
    iam.tag_policy(PolicyArn=policy, Tags=tag("first"))
    iam.untag_policy(PolicyArn=policy, TagKeys=["Name"])
    assert iam.list_policy_tags(PolicyArn=policy)["Tags"] == []

    iam.create_user(UserName="ann", Tags=tag("first"))
    iam.untag_user(UserName="ann", TagKeys=["Name"])
    assert iam.list_user_tags(UserName="ann")["Tags"] == []
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=policy)
    assert iam.get_user(UserName="ann")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == policy
    iam.delete_user_permissions_boundary(UserName="ann")
    assert "PermissionsBoundary" not in iam.get_user(UserName="ann")["User"]
    iam.create_group(GroupName="readers")
    iam.update_group(GroupName="readers", NewGroupName="lookers", NewPath="/second/")
    assert iam.get_group(GroupName="lookers")["Group"]["Path"] == "/second/"
    iam.create_role(RoleName="reader", Tags=tag("first"), AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
    }))
    iam.untag_role(RoleName="reader", TagKeys=["Name"])
    assert iam.list_role_tags(RoleName="reader")["Tags"] == []
    assert iam.update_role_description(RoleName="reader", Description="second")["Role"]["Description"] == "second"

    kinds = {"user": {"UserName": "ann"}, "group": {"GroupName": "lookers"}, "role": {"RoleName": "reader"}}
    for kind, named in kinds.items():
        getattr(iam, f"attach_{kind}_policy")(**named, PolicyArn=policy)
        listed = getattr(iam, f"list_attached_{kind}_policies")(**named)["AttachedPolicies"]
        assert [one["PolicyArn"] for one in listed] == [policy]
    holders = iam.list_entities_for_policy(PolicyArn=policy)
    assert [len(holders[f"Policy{kind.capitalize()}s"]) for kind in kinds] == [1, 1, 1]
    for kind, named in kinds.items():
        getattr(iam, f"detach_{kind}_policy")(**named, PolicyArn=policy)
        getattr(iam, f"delete_{kind}")(**named)
    iam.delete_policy(PolicyArn=policy)
    assert (iam.list_users()["Users"], iam.list_groups()["Groups"], iam.list_roles()["Roles"]) == ([], [], [])


def test_rest_of_the_network(adit, place):
    ec2, (vpc, subnets) = adit.client("ec2"), place
    # Rules outwards, and their descriptions.
    group = ec2.create_security_group(GroupName="first", Description="first", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "one"}]}
    for way, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        getattr(ec2, f"authorize_security_group_{way}")(GroupId=group, IpPermissions=[rule])
        again = rule | {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "two"}]}
        getattr(ec2, f"update_security_group_rule_descriptions_{way}")(GroupId=group, IpPermissions=[again])
        shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][member]
        assert [one["IpRanges"] for one in shown if one["IpProtocol"] == "tcp"] == [again["IpRanges"]]
        getattr(ec2, f"revoke_security_group_{way}")(GroupId=group, IpPermissions=[rule])
        shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][member]
        assert [one for one in shown if one["IpProtocol"] == "tcp"] == []
    ec2.delete_security_group(GroupId=group)

    # The table of a subnet is replaced by another.
    tables = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    made = ec2.associate_route_table(RouteTableId=tables[0], SubnetId=subnets[0])["AssociationId"]
    moved = ec2.replace_route_table_association(AssociationId=made, RouteTableId=tables[1])["NewAssociationId"]
    (found,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnets[0]]}])["RouteTables"]
    assert found["RouteTableId"] == tables[1]
    ec2.disassociate_route_table(AssociationId=moved)
    for table in tables:
        ec2.delete_route_table(RouteTableId=table)

    # A prefix list goes back to a version; a request for peering is rejected; an address is let go.
    made = ec2.create_managed_prefix_list(PrefixListName="first", AddressFamily="IPv4", MaxEntries=2)["PrefixList"]["PrefixListId"]
    ec2.modify_managed_prefix_list(PrefixListId=made, CurrentVersion=1, AddEntries=[{"Cidr": "192.0.2.0/24"}])
    back = ec2.restore_managed_prefix_list_version(PrefixListId=made, CurrentVersion=2, PreviousVersion=1)["PrefixList"]
    assert (back["Version"], ec2.get_managed_prefix_list_entries(PrefixListId=made)["Entries"]) == (3, [])
    assert ec2.get_managed_prefix_list_associations(PrefixListId=made)["PrefixListAssociations"] == []
    ec2.delete_managed_prefix_list(PrefixListId=made)
    peer = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    peering = {"VpcPeeringConnectionId": ec2.create_vpc_peering_connection(
        VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]["VpcPeeringConnectionId"]}
    ec2.reject_vpc_peering_connection(**peering)
    (shown,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=list(peering.values()))["VpcPeeringConnections"]
    assert shown["Status"]["Code"] == "rejected"
    ec2.delete_vpc_peering_connection(**peering)
    ec2.modify_vpc_tenancy(VpcId=peer, InstanceTenancy="default")
    assert ec2.describe_vpcs(VpcIds=[peer])["Vpcs"][0]["InstanceTenancy"] == "default"
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    (shown,) = ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"]
    assert [one["VpcId"] for one in shown["Attachments"]] == [vpc]
    eni = ec2.create_network_interface(SubnetId=subnets[0])["NetworkInterface"]["NetworkInterfaceId"]
    eip = ec2.allocate_address()["AllocationId"]
    bound = ec2.associate_address(AllocationId=eip, NetworkInterfaceId=eni)["AssociationId"]
    ec2.disassociate_address(AssociationId=bound)
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[eip])["Addresses"][0]
    ec2.release_address(AllocationId=eip)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_vpc(VpcId=peer)


def test_default_vpc(adit):
    ec2 = adit.client("ec2")
    vpc = ec2.create_default_vpc()["Vpc"]["VpcId"]
    (shown,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert (shown["VpcId"], shown["CidrBlock"]) == (vpc, "172.31.0.0/16")
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets(Filters=mine)["Subnets"]}
    ec2.delete_subnet(SubnetId=subnets["us-east-1a"])
    again = ec2.create_default_subnet(AvailabilityZone="us-east-1a")["Subnet"]
    assert again["DefaultForAz"] and again["SubnetId"] != subnets["us-east-1a"]
    for subnet in ec2.describe_subnets(Filters=mine)["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
        ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_vpcs()["Vpcs"] == []


# What makes or changes nothing that could be read back.
NOTHING_TO_READ = {
    # There are no instances, consoles and certificates: these say so (test_conformance.py).
    "AttachNetworkInterface", "DetachNetworkInterface", "DeleteLoginProfile",
    # Asks for a look at the DNS that a person answers for; test_conformance.py drives it.
    "StartVpcEndpointServicePrivateDnsVerification",
}


def test_everything_that_can_be_changed_is(adit):
    """No operation that writes is left out by the three files."""
    listed = subprocess.run([str(ADIT), "api", "operations", "--json"], capture_output=True, text=True, timeout=20, check=True)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    services = ("ec2", "elbv2", "iam", "route53", "route53resolver", "s3control")
    reads = re.compile("Describe|Get|List|Simulate")
    writes = {row["operation"] for row in rows if row["service"] in services and not reads.match(row["operation"])}
    # `attach_{kind}_policy` stands for each kind, `…_{way}` for both ways.
    text = "".join((Path(__file__).parent / f"test_churn_{name}.py").read_text() for name in ("api", "services", "more"))
    called = {re.sub("_", "", name) for name in re.findall(r"\w+", text)}
    for name in re.findall(r'f"(\w+\{(?:kind|way)\}\w*)"', text):
        for value in ("user", "group", "role", "ingress", "egress"):
            called.add(re.sub(r"\{\w+\}|_", lambda found, value=value: "" if found[0] == "_" else value, name))
    missing = {name for name in writes - NOTHING_TO_READ if name.lower() not in called}
    assert len(writes) > 100 and not missing, sorted(missing)
