"""Route 53: private hosted zones."""

from ..scenario import Pages, Step, Wait

Z = {"HostedZoneId": "$zone_id"}
OTHER = {"VPC": {"VPCRegion": "us-east-1", "VPCId": "$zone_other"}}
TAGGED = {"ResourceType": "hostedzone", "ResourceId": "$zone_id"}


def zone(name, **more):
    return Step(
        "CreateHostedZone",
        {
            "Name": name, "CallerReference": name, "HostedZoneConfig": {"Comment": "c", "PrivateZone": True},
            "VPC": {"VPCRegion": "us-east-1", "VPCId": "$zone_vpc"},
        },
        **more,
    )


RECORD = {"Name": "www.conform.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}

STEPS = [
    Step("CreateVpc", {"CidrBlock": "10.77.0.0/16"}, keep={"zone_vpc": "Vpc.VpcId"}, service="ec2"),
    Step("CreateVpc", {"CidrBlock": "10.78.0.0/16"}, keep={"zone_other": "Vpc.VpcId"}, service="ec2"),
    zone("conform.example", keep={"zone_id": "HostedZone.Id"}),
    zone("two.example"),
    zone("three.example", keep={"zone_three": "HostedZone.Id"}),
    Step("GetHostedZone", {"Id": "$zone_id"}),
    Step("ListHostedZones"),
    Pages("ListHostedZones"),
    Step("ListHostedZonesByName"),
    Step("ListHostedZonesByVPC", {"VPCId": "$zone_vpc", "VPCRegion": "us-east-1"}),
    Step("GetHostedZoneCount"),
    Step("GetHostedZoneLimit", Z | {"Type": "MAX_RRSETS_BY_ZONE"}),
    Step("GetAccountLimit", {"Type": "MAX_HOSTED_ZONES_BY_OWNER"}),
    Step("UpdateHostedZoneComment", {"Id": "$zone_id", "Comment": "d"}),
    Step(
        "ChangeResourceRecordSets",
        Z | {"ChangeBatch": {"Comment": "c", "Changes": [{"Action": "CREATE", "ResourceRecordSet": RECORD}]}},
        keep={"change_id": "ChangeInfo.Id"},
    ),
    Step("GetChange", {"Id": "$change_id"}),
    Wait("ResourceRecordSetsChanged", {"Id": "$change_id"}),
    Step("ListResourceRecordSets", Z),
    Pages("ListResourceRecordSets", Z),
    Step("CreateVPCAssociationAuthorization", Z | OTHER),
    Step("ListVPCAssociationAuthorizations", Z),
    Pages("ListVPCAssociationAuthorizations", Z, single=True),
    Step("AssociateVPCWithHostedZone", Z | OTHER),
    Step("DisassociateVPCFromHostedZone", Z | OTHER),
    Step("DeleteVPCAssociationAuthorization", Z | OTHER),
    Step("ChangeTagsForResource", TAGGED | {"AddTags": [{"Key": "team", "Value": "one"}]}),
    Step("ListTagsForResource", TAGGED),
    Step("ListTagsForResources", {"ResourceType": "hostedzone", "ResourceIds": ["$zone_id"]}),
    Step("DeleteHostedZone", {"Id": "$zone_three"}),
]
