"""S3 Control: access points and their policies, account settings, tags."""

import json

from harness.installation import ACCOUNT

from ..scenario import Step

A = {"AccountId": ACCOUNT}
P = A | {"Name": "point"}
ARN = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/point"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "s3:GetObject",
    "Resource": f"{ARN}/object/*",
}})

STEPS = [
    Step("CreateBucket", {"Bucket": "for-points"}, service="s3"),
    Step("CreateAccessPoint", P | {"Bucket": "for-points"}),
    Step("GetAccessPoint", P),
    Step("ListAccessPoints", A),
    Step("PutAccessPointPolicy", P | {"Policy": POLICY}),
    Step("GetAccessPointPolicy", P),
    Step("GetAccessPointPolicyStatus", P),
    Step("DeleteAccessPointPolicy", P),
    Step("TagResource", A | {"ResourceArn": ARN, "Tags": [{"Key": "team", "Value": "one"}]}),
    Step("ListTagsForResource", A | {"ResourceArn": ARN}),
    Step("UntagResource", A | {"ResourceArn": ARN, "TagKeys": ["team"]}),
    Step("PutPublicAccessBlock", A | {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}}),
    Step("GetPublicAccessBlock", A),
    Step("DeletePublicAccessBlock", A),
    Step("DeleteAccessPoint", P),
]
