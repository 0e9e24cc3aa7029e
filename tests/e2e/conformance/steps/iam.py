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
    Step("GetAccessKeyLastUsed", {"AccessKeyId": "$ana_key_id"}),
    Step("PutUserPolicy", {"UserName": "ana", "PolicyName": "s3", "PolicyDocument": ALLOW_S3}),
    Step("GetUserPolicy", {"UserName": "ana", "PolicyName": "s3"}),
    Step("ListUserPolicies", {"UserName": "ana"}),
    Step("DeleteUserPolicy", {"UserName": "ana", "PolicyName": "s3"}),
    Step("UpdateAccessKey", {"UserName": "ana", "AccessKeyId": "$ana_key_id", "Status": "Inactive"}),
    Step("DeleteAccessKey", {"UserName": "ana", "AccessKeyId": "$ana_key_id"}),
    Step("UpdateUser", {"UserName": "ana", "NewUserName": "bea"}),
    Step("DeleteUser", {"UserName": "bea"}),
]

TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}})
ALLOW_STS = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}})
POLICY = "arn:aws:iam::123456789012:policy/net/reports"
ANA, STAFF, WORK = {"UserName": "cleo"}, {"GroupName": "staff"}, {"RoleName": "work"}


def holder(kind, whom):
    """Inline and managed policies of a user, a group or a role."""
    inline, managed = whom | {"PolicyName": "inline"}, whom | {"PolicyArn": POLICY}
    return [
        Step(f"Put{kind}Policy", inline | {"PolicyDocument": ALLOW_S3}),
        Step(f"Get{kind}Policy", inline),
        Step(f"List{kind}Policies", whom),
        Step(f"Attach{kind}Policy", managed),
        Step(f"ListAttached{kind}Policies", whom),
    ]


def released(kind, whom):
    """The same, taken away again."""
    return [
        Step(f"Delete{kind}Policy", whom | {"PolicyName": "inline"}),
        Step(f"Detach{kind}Policy", whom | {"PolicyArn": POLICY}),
    ]


POLICIES = [
    Step("CreatePolicy", {"PolicyName": "reports", "Path": "/net/", "PolicyDocument": ALLOW_S3, "Description": "d"}),
    Wait("PolicyExists", {"PolicyArn": POLICY}),
    Step("GetPolicy", {"PolicyArn": POLICY}),
    Step("ListPolicies"),
    Step("CreatePolicyVersion", {"PolicyArn": POLICY, "PolicyDocument": ALLOW_STS, "SetAsDefault": True}),
    Step("GetPolicyVersion", {"PolicyArn": POLICY, "VersionId": "v2"}),
    Step("ListPolicyVersions", {"PolicyArn": POLICY}),
    Step("SetDefaultPolicyVersion", {"PolicyArn": POLICY, "VersionId": "v1"}),
    Step("DeletePolicyVersion", {"PolicyArn": POLICY, "VersionId": "v2"}),
    Step("TagPolicy", {"PolicyArn": POLICY, "Tags": [{"Key": "a", "Value": "b"}]}),
    Step("ListPolicyTags", {"PolicyArn": POLICY}),
    Step("UntagPolicy", {"PolicyArn": POLICY, "TagKeys": ["a"]}),
]

ENTITIES = [
    Step("CreateUser", ANA),
    Step("CreateGroup", STAFF | {"Path": "/s/"}),
    Step("AddUserToGroup", STAFF | ANA),
    Step("GetGroup", STAFF),
    Step("ListGroups"),
    Step("ListGroupsForUser", ANA),
    Step("UpdateGroup", STAFF | {"NewPath": "/t/"}),
    Step("CreateRole", WORK | {"AssumeRolePolicyDocument": TRUST, "Description": "d", "Tags": [{"Key": "a", "Value": "b"}]}),
    Wait("RoleExists", WORK),
    Step("GetRole", WORK),
    Step("ListRoles"),
    Step("UpdateRole", WORK | {"MaxSessionDuration": 7200}),
    Step("UpdateRoleDescription", WORK | {"Description": "e"}),
    Step("UpdateAssumeRolePolicy", WORK | {"PolicyDocument": TRUST}),
    Step("TagRole", WORK | {"Tags": [{"Key": "c", "Value": "d"}]}),
    Step("ListRoleTags", WORK),
    Step("UntagRole", WORK | {"TagKeys": ["c"]}),
    Step("ListInstanceProfilesForRole", WORK),
    Step("ListInstanceProfiles"),
    Step("ListSSHPublicKeys", ANA),
    Step("ListMFADevices", ANA),
    Step("ListVirtualMFADevices"),
    Step("ListSigningCertificates", ANA),
    Step("ListServiceSpecificCredentials", ANA),
    # Nobody has a password: these can only find nothing.
    Step("GetLoginProfile", ANA, refused="NoSuchEntity"),
    Step("DeleteLoginProfile", ANA, refused="NoSuchEntity"),
    Step("PutUserPermissionsBoundary", ANA | {"PermissionsBoundary": POLICY}),
    Step("DeleteUserPermissionsBoundary", ANA),
    Step("PutRolePermissionsBoundary", WORK | {"PermissionsBoundary": POLICY}),
    Step("DeleteRolePermissionsBoundary", WORK),
    *holder("User", ANA), *holder("Group", STAFF), *holder("Role", WORK),
    Step("ListEntitiesForPolicy", {"PolicyArn": POLICY}),
    Step("GetAccountSummary"),
    Step("GetAccountAuthorizationDetails"),
    Step("CreateAccountAlias", {"AccountAlias": "adit-lab"}),
    Step("ListAccountAliases"),
    Pages("ListAccountAliases", single=True),
    Step("DeleteAccountAlias", {"AccountAlias": "adit-lab"}),
]

SIMULATED = {"ActionNames": ["s3:GetObject", "s3:PutObject", "ec2:CreateVpc"], "ResourceArns": ["arn:aws:s3:::b/k"]}
SIMULATIONS = [
    Step("SimulatePrincipalPolicy", SIMULATED | {"PolicySourceArn": "arn:aws:iam::123456789012:user/cleo"}),
    Step("SimulateCustomPolicy", SIMULATED | {"PolicyInputList": [ALLOW_S3]}),
    Step("GetContextKeysForPrincipalPolicy", {"PolicySourceArn": "arn:aws:iam::123456789012:user/cleo"}),
    Step("GetContextKeysForCustomPolicy", {"PolicyInputList": [ALLOW_S3]}),
    Pages("SimulatePrincipalPolicy", SIMULATED | {"PolicySourceArn": "arn:aws:iam::123456789012:user/cleo"}),
    Pages("SimulateCustomPolicy", SIMULATED | {"PolicyInputList": [ALLOW_S3]}),
]

SESSIONS = [
    Step("PutUserPolicy", ANA | {"PolicyName": "sts", "PolicyDocument": ALLOW_STS}),
    Step("CreateAccessKey", ANA, keep={"cleo_key": "AccessKey"}),
    Step(
        "AssumeRole",
        {"RoleArn": "arn:aws:iam::123456789012:role/work", "RoleSessionName": "tour", "Policy": ALLOW_S3,
         "Tags": [{"Key": "team", "Value": "one"}], "TransitiveTagKeys": ["team"]},
        service="sts", by="cleo_key", keep={"session": "Credentials"},
    ),
    Step("GetCallerIdentity", service="sts", by="session"),
    Step("GetSessionToken", service="sts", by="cleo_key"),
    Step("GetFederationToken", {"Name": "guest", "Policy": ALLOW_S3}, service="sts", by="cleo_key"),
    # Encoded messages come in errors, which steps do not keep.
    Step("DecodeAuthorizationMessage", {"EncodedMessage": "x"}, service="sts", refused="InvalidAuthorizationMessageException"),
    Step("DeleteUserPolicy", ANA | {"PolicyName": "sts"}),
]

LEAVE = [
    *released("User", ANA), *released("Group", STAFF), *released("Role", WORK),
    Step("RemoveUserFromGroup", STAFF | ANA),
    Step("DeleteGroup", STAFF),
    Step("DeleteRole", WORK),
    Step("DeletePolicy", {"PolicyArn": POLICY}),
]

MANY_ENTITIES = [
    Step("CreateGroup", {"GroupName": "group$n"}, times=3),
    Step("AddUserToGroup", {"GroupName": "group$n", "UserName": "user1"}, times=3),
    Step("AddUserToGroup", {"GroupName": "group1", "UserName": "user$n"}, times=3),
    Step("CreateRole", {"RoleName": "role$n", "AssumeRolePolicyDocument": TRUST}, times=3),
    Step("CreatePolicy", {"PolicyName": "policy$n", "PolicyDocument": ALLOW_S3}, times=3),
    Step("CreatePolicyVersion", {"PolicyArn": "arn:aws:iam::123456789012:policy/policy1", "PolicyDocument": ALLOW_S3}, times=3),
    Step("TagPolicy", {"PolicyArn": "arn:aws:iam::123456789012:policy/policy1", "Tags": [{"Key": "k$n", "Value": "v"}]}, times=3),
    Step("TagRole", {"RoleName": "role1", "Tags": [{"Key": "k$n", "Value": "v"}]}, times=3),
    Step("PutGroupPolicy", {"GroupName": "group1", "PolicyName": "p$n", "PolicyDocument": ALLOW_S3}, times=3),
    Step("PutRolePolicy", {"RoleName": "role1", "PolicyName": "p$n", "PolicyDocument": ALLOW_S3}, times=3),
    *[
        Step(f"Attach{kind}Policy", {f"{kind}Name": name, "PolicyArn": "arn:aws:iam::123456789012:policy/policy$n"}, times=3)
        for kind, name in [("User", "user1"), ("Group", "group1"), ("Role", "role1")]
    ],
    Pages("GetGroup", {"GroupName": "group1"}),
    Pages("ListGroups"),
    Pages("ListGroupsForUser", {"UserName": "user1"}),
    Pages("ListRoles"),
    Pages("ListPolicies"),
    Pages("ListPolicyVersions", {"PolicyArn": "arn:aws:iam::123456789012:policy/policy1"}),
    Pages("ListPolicyTags", {"PolicyArn": "arn:aws:iam::123456789012:policy/policy1"}),
    Pages("ListEntitiesForPolicy", {"PolicyArn": "arn:aws:iam::123456789012:policy/policy1"}),
    Pages("ListRoleTags", {"RoleName": "role1"}),
    Pages("ListGroupPolicies", {"GroupName": "group1"}),
    Pages("ListRolePolicies", {"RoleName": "role1"}),
    Pages("ListAttachedUserPolicies", {"UserName": "user1"}),
    Pages("ListAttachedGroupPolicies", {"GroupName": "group1"}),
    Pages("ListAttachedRolePolicies", {"RoleName": "role1"}),
    Pages("ListInstanceProfilesForRole", {"RoleName": "role1"}, single=True),
    *[
        Pages(operation, single=True)
        for operation in ["ListInstanceProfiles", "ListSSHPublicKeys", "ListMFADevices", "ListVirtualMFADevices", "ListSigningCertificates"]
    ],
    Pages("GetAccountAuthorizationDetails"),
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

STEPS = [*USERS, *POLICIES, *ENTITIES, *SIMULATIONS, *SESSIONS, *LEAVE, *MANY, *MANY_ENTITIES]
