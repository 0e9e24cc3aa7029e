"""Route 53: private hosted zones, their VPCs and records."""

from ..scenario import Pages, Step, Wait

EC2 = "ec2"
REGION = "us-east-1"


def record(name, *values, action="CREATE", type="A"):
    """One change of a record set."""
    return {"Action": action, "ResourceRecordSet": {
        "Name": name, "Type": type, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values],
    }}


ZONES = [
    Step("CreateVpc", {"CidrBlock": "10.50.0.0/16"}, keep={"zone_vpc": "Vpc.VpcId"}, service=EC2),
    Step("CreateVpc", {"CidrBlock": "10.51.0.0/16"}, keep={"other_vpc": "Vpc.VpcId"}, service=EC2),
    Step("ModifyVpcAttribute", {"VpcId": "$zone_vpc", "EnableDnsHostnames": {"Value": True}}, service=EC2),
    Step("ModifyVpcAttribute", {"VpcId": "$other_vpc", "EnableDnsHostnames": {"Value": True}}, service=EC2),
    Step("CreateHostedZone", {
        "Name": "corp.example", "CallerReference": "one", "VPC": {"VPCRegion": REGION, "VPCId": "$zone_vpc"},
        "HostedZoneConfig": {"Comment": "first", "PrivateZone": True},
    }, keep={"zone": "HostedZone.Id"}),
    Step("GetHostedZone", {"Id": "$zone"}),
    Step("UpdateHostedZoneComment", {"Id": "$zone", "Comment": "second"}),
    Step("ListHostedZones"),
    Step("ListHostedZonesByName"),
    Step("ListHostedZonesByVPC", {"VPCId": "$zone_vpc", "VPCRegion": REGION}),
    Step("GetHostedZoneCount"),
    Step("GetHostedZoneLimit", {"HostedZoneId": "$zone", "Type": "MAX_RRSETS_BY_ZONE"}),
    Step("GetAccountLimit", {"Type": "MAX_HOSTED_ZONES_BY_OWNER"}),
    Step("CreateVPCAssociationAuthorization", {"HostedZoneId": "$zone", "VPC": {"VPCRegion": REGION, "VPCId": "$other_vpc"}}),
    Step("ListVPCAssociationAuthorizations", {"HostedZoneId": "$zone"}),
    Pages("ListVPCAssociationAuthorizations", {"HostedZoneId": "$zone"}, single=True),
    Step("DeleteVPCAssociationAuthorization", {"HostedZoneId": "$zone", "VPC": {"VPCRegion": REGION, "VPCId": "$other_vpc"}}),
    Step("AssociateVPCWithHostedZone", {"HostedZoneId": "$zone", "VPC": {"VPCRegion": REGION, "VPCId": "$other_vpc"}}),
    Step("DisassociateVPCFromHostedZone", {"HostedZoneId": "$zone", "VPC": {"VPCRegion": REGION, "VPCId": "$other_vpc"}}),
    Step("ChangeTagsForResource", {"ResourceType": "hostedzone", "ResourceId": "$zone", "AddTags": [{"Key": "team", "Value": "one"}]}),
    Step("ListTagsForResource", {"ResourceType": "hostedzone", "ResourceId": "$zone"}),
    Step("ListTagsForResources", {"ResourceType": "hostedzone", "ResourceIds": ["$zone"]}),
]

RECORDS = [
    Step("ChangeResourceRecordSets", {"HostedZoneId": "$zone", "ChangeBatch": {"Changes": [
        record("a.corp.example", "10.0.0.1", "10.0.0.2"), record("b.corp.example", "10.0.0.3"),
        record("c.corp.example", '"text"', type="TXT"), record("d.corp.example", "a.corp.example", type="CNAME"),
    ]}}, keep={"change": "ChangeInfo.Id"}),
    Step("GetChange", {"Id": "$change"}),
    Wait("ResourceRecordSetsChanged", {"Id": "$change"}),
    Step("ListResourceRecordSets", {"HostedZoneId": "$zone"}),
    Pages("ListResourceRecordSets", {"HostedZoneId": "$zone"}),
    Step("CreateHostedZone", {
        "Name": "z${n}.example", "CallerReference": "z$n", "VPC": {"VPCRegion": REGION, "VPCId": "$other_vpc"},
    }, times=5),
    Pages("ListHostedZones"),
    Step("ChangeResourceRecordSets", {"HostedZoneId": "$zone", "ChangeBatch": {"Changes": [
        record("a.corp.example", "10.0.0.1", "10.0.0.2", action="DELETE"), record("b.corp.example", "10.0.0.3", action="DELETE"),
        record("c.corp.example", '"text"', type="TXT", action="DELETE"),
        record("d.corp.example", "a.corp.example", type="CNAME", action="DELETE"),
    ]}}),
    Step("DeleteHostedZone", {"Id": "$zone"}),
]

STEPS = [*ZONES, *RECORDS]
