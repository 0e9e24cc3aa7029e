"""IAM and STS."""

import json

from ..scenario import Pages, Step, Wait

ALLOW_S3 = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})

USERS = [
    Step("CreateUser", {"UserName": "ana", "Path": "/staff/"}),
    Wait("UserExists", {"UserName": "ana"}),
    Step("GetUser", {"UserName": "ana"}),
    Step("ListUsers"),
    Step("TagUser", {"UserName": "ana", "Tags": [{"Key": "team", "Value": "one"}]}),
    Step("ListUserTags", {"UserName": "ana"}),
    Step("UntagUser", {"UserName": "ana", "TagKeys": ["team"]}),
    Step("CreateAccessKey", {"UserName": "ana"}, keep={"ana_key": "AccessKey"}),
    Step("ListAccessKeys", {"UserName": "ana"}, keep={"ana_key_id": "AccessKeyMetadata[0].AccessKeyId"}),
    Step("GetCallerIdentity", service="sts", by="ana_key"),
    Step("GetAccessKeyInfo", {"AccessKeyId": "$ana_key_id"}, service="sts"),
    Step("PutUserPolicy", {"UserName": "ana", "PolicyName": "s3", "PolicyDocument": ALLOW_S3}),
    Step("GetUserPolicy", {"UserName": "ana", "PolicyName": "s3"}),
    Step("ListUserPolicies", {"UserName": "ana"}),
    Step("DeleteUserPolicy", {"UserName": "ana", "PolicyName": "s3"}),
    Step("UpdateAccessKey", {"UserName": "ana", "AccessKeyId": "$ana_key_id", "Status": "Inactive"}),
    Step("DeleteAccessKey", {"UserName": "ana", "AccessKeyId": "$ana_key_id"}),
    Step("UpdateUser", {"UserName": "ana", "NewUserName": "bea"}),
    Step("DeleteUser", {"UserName": "bea"}),
]

MANY = [
    Step("CreateUser", {"UserName": "user$n"}, times=5),
    Step("CreateAccessKey", {"UserName": "user1"}, times=2),
    Step("PutUserPolicy", {"UserName": "user1", "PolicyName": "p$n", "PolicyDocument": ALLOW_S3}, times=5),
    Step("TagUser", {"UserName": "user1", "Tags": [{"Key": "k$n", "Value": "v"}]}, times=5),
    Pages("ListUsers"),
    Pages("ListAccessKeys", {"UserName": "user1"}, single=True),
    Pages("ListUserPolicies", {"UserName": "user1"}),
    Pages("ListUserTags", {"UserName": "user1"}),
]

STEPS = [*USERS, *MANY]
