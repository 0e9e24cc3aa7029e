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
ROLE = f"arn:aws:iam::{ACCOUNT}:role/for-jobs"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}, "Action": "sts:AssumeRole",
}})
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
J = A | {"JobId": "$job"}

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
    Step("CreateRole", {"RoleName": "for-jobs", "AssumeRolePolicyDocument": TRUST}, service="iam"),
    Step("PutRolePolicy", {"RoleName": "for-jobs", "PolicyName": "all", "PolicyDocument": EVERYTHING}, service="iam"),
    Step("PutObject", {"Bucket": "for-points", "Key": "list.csv", "Body": b"for-points,key\n"}, {"etag": "ETag"}, service="s3"),
    Step("CreateJob", A | {
        "ConfirmationRequired": True,
        "Operation": {"S3PutObjectTagging": {"TagSet": [{"Key": "team", "Value": "one"}]}},
        "Report": {
            "Enabled": True, "Bucket": "arn:aws:s3:::for-points", "Format": "Report_CSV_20180820", "ReportScope": "AllTasks",
        },
        "ClientRequestToken": "token",
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": "arn:aws:s3:::for-points/list.csv", "ETag": "$etag"},
        },
        "Priority": 10,
        "RoleArn": ROLE,
    }, {"job": "JobId"}),
    Step("DescribeJob", J),
    Step("ListJobs", A),
    Step("UpdateJobPriority", J | {"Priority": 20}),
    Step("PutJobTagging", J | {"Tags": [{"Key": "team", "Value": "one"}]}),
    Step("GetJobTagging", J),
    Step("DeleteJobTagging", J),
    Step("UpdateJobStatus", J | {"RequestedJobStatus": "Cancelled", "StatusUpdateReason": "enough"}),
    Step("DescribeJob", J),
]
