//! The condition keys that Adit knows, each with its type, interned as one byte.
//!
//! A key name is case-insensitive. A name that ends in `/` is a family (`aws:PrincipalTag/`): what
//! follows the slash is the tag key, case-insensitive too. A key that is not in the table is not an
//! error anywhere in a decision: it is compared by its name. Types are those of AWS's service
//! authorisation reference; a lint uses them, a decision does not.

/// A condition key of the table, one of the constants of this module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(crate) u8);

/// What kind of value a key carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// One string.
    String,
    /// A list of strings, to be tested with `ForAllValues:` or `ForAnyValue:`.
    Strings,
    /// An ARN.
    Arn,
    /// `true` or `false`.
    Bool,
    /// An integer or a decimal number.
    Number,
    /// A time: ISO 8601 or seconds since 1970.
    Date,
    /// An IPv4 or IPv6 address.
    Ip,
}

struct Info {
    name: &'static str,
    lower: &'static str,
    kind: KeyType,
}

impl Key {
    /// Finds a key by its whole name, in any case: `aws:sourcevpce`. Members of a family
    /// (`aws:PrincipalTag/team`) are not found here, see [`Key::split`].
    pub fn find(name: &str) -> Option<Key> {
        let at = TABLE
            .binary_search_by(|info| compare_lower(info.lower, name))
            .ok()?;
        u8::try_from(at).ok().map(Key)
    }

    /// Splits a name as a policy writes it into a known key and, for a member of a family, the part
    /// after the slash. `None` means that the key is unknown.
    pub fn split(name: &str) -> Option<(Key, &str)> {
        if let Some(slash) = name.find('/')
            && let Some(family) = name.get(..=slash).and_then(Key::find)
        {
            return Some((family, name.get(slash + 1..).unwrap_or_default()));
        }
        Key::find(name)
            .filter(|key| !key.is_family())
            .map(|key| (key, ""))
    }

    /// The name as AWS writes it; a family's ends in `/`.
    pub fn name(self) -> &'static str {
        TABLE.get(usize::from(self.0)).map_or("", |info| info.name)
    }

    /// The type of the key's value.
    pub fn kind(self) -> KeyType {
        TABLE
            .get(usize::from(self.0))
            .map_or(KeyType::String, |info| info.kind)
    }

    /// Whether the name is a prefix for tag keys.
    pub fn is_family(self) -> bool {
        self.name().ends_with('/')
    }

    /// All keys of the table in the order of their lower-case names.
    pub fn all() -> impl Iterator<Item = Key> {
        (0..TABLE.len()).filter_map(|at| u8::try_from(at).ok().map(Key))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Orders a lower-case table name against a name in any case.
fn compare_lower(lower: &str, name: &str) -> std::cmp::Ordering {
    lower
        .bytes()
        .cmp(name.bytes().map(|b| b.to_ascii_lowercase()))
}

/// How many keys the table holds.
pub(crate) const COUNT: usize = TABLE.len();

macro_rules! keys {
    ($($ident:ident $name:literal $lower:literal $kind:ident;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the constants")]
        #[repr(u8)]
        enum Number { $($ident,)* }

        $(
            #[doc = concat!("`", $name, "`")]
            pub const $ident: Key = Key(Number::$ident as u8);
        )*

        static TABLE: [Info; [$($name,)*].len()] =
            [$(Info { name: $name, lower: $lower, kind: KeyType::$kind },)*];
    };
}

keys! {
    ASSUMED_ROOT "aws:AssumedRoot" "aws:assumedroot" Bool;
    CALLED_VIA "aws:CalledVia" "aws:calledvia" Strings;
    CALLED_VIA_FIRST "aws:CalledViaFirst" "aws:calledviafirst" String;
    CALLED_VIA_LAST "aws:CalledViaLast" "aws:calledvialast" String;
    CHATBOT_SOURCE_ARN "aws:ChatbotSourceArn" "aws:chatbotsourcearn" Arn;
    CURRENT_TIME "aws:CurrentTime" "aws:currenttime" Date;
    EC2_INSTANCE_SOURCE_PRIVATE_IPV4 "aws:Ec2InstanceSourcePrivateIPv4" "aws:ec2instancesourceprivateipv4" Ip;
    EC2_INSTANCE_SOURCE_VPC "aws:Ec2InstanceSourceVpc" "aws:ec2instancesourcevpc" String;
    EPOCH_TIME "aws:EpochTime" "aws:epochtime" Date;
    FEDERATED_PROVIDER "aws:FederatedProvider" "aws:federatedprovider" String;
    MULTI_FACTOR_AUTH_AGE "aws:MultiFactorAuthAge" "aws:multifactorauthage" Number;
    MULTI_FACTOR_AUTH_PRESENT "aws:MultiFactorAuthPresent" "aws:multifactorauthpresent" Bool;
    PRINCIPAL_ACCOUNT "aws:PrincipalAccount" "aws:principalaccount" String;
    PRINCIPAL_ARN "aws:PrincipalArn" "aws:principalarn" Arn;
    PRINCIPAL_IS_AWS_SERVICE "aws:PrincipalIsAWSService" "aws:principalisawsservice" Bool;
    PRINCIPAL_ORG_ID "aws:PrincipalOrgID" "aws:principalorgid" String;
    PRINCIPAL_ORG_PATHS "aws:PrincipalOrgPaths" "aws:principalorgpaths" Strings;
    PRINCIPAL_SERVICE_NAME "aws:PrincipalServiceName" "aws:principalservicename" String;
    PRINCIPAL_SERVICE_NAMES_LIST "aws:PrincipalServiceNamesList" "aws:principalservicenameslist" Strings;
    PRINCIPAL_TAG "aws:PrincipalTag/" "aws:principaltag/" String;
    PRINCIPAL_TYPE "aws:PrincipalType" "aws:principaltype" String;
    REFERER "aws:Referer" "aws:referer" String;
    REQUESTED_REGION "aws:RequestedRegion" "aws:requestedregion" String;
    REQUEST_TAG "aws:RequestTag/" "aws:requesttag/" String;
    RESOURCE_ACCOUNT "aws:ResourceAccount" "aws:resourceaccount" String;
    RESOURCE_ORG_ID "aws:ResourceOrgID" "aws:resourceorgid" String;
    RESOURCE_ORG_PATHS "aws:ResourceOrgPaths" "aws:resourceorgpaths" Strings;
    RESOURCE_TAG "aws:ResourceTag/" "aws:resourcetag/" String;
    SECURE_TRANSPORT "aws:SecureTransport" "aws:securetransport" Bool;
    SOURCE_ACCOUNT "aws:SourceAccount" "aws:sourceaccount" String;
    SOURCE_ARN "aws:SourceArn" "aws:sourcearn" Arn;
    SOURCE_IDENTITY "aws:SourceIdentity" "aws:sourceidentity" String;
    SOURCE_IP "aws:SourceIp" "aws:sourceip" Ip;
    SOURCE_ORG_ID "aws:SourceOrgID" "aws:sourceorgid" String;
    SOURCE_ORG_PATHS "aws:SourceOrgPaths" "aws:sourceorgpaths" Strings;
    SOURCE_OWNER "aws:SourceOwner" "aws:sourceowner" String;
    SOURCE_VPC "aws:SourceVpc" "aws:sourcevpc" String;
    SOURCE_VPC_ARN "aws:SourceVpcArn" "aws:sourcevpcarn" Arn;
    SOURCE_VPCE "aws:SourceVpce" "aws:sourcevpce" String;
    TAG_KEYS "aws:TagKeys" "aws:tagkeys" Strings;
    TOKEN_ISSUE_TIME "aws:TokenIssueTime" "aws:tokenissuetime" Date;
    USER_AGENT "aws:UserAgent" "aws:useragent" String;
    USER_ID "aws:userid" "aws:userid" String;
    USER_NAME "aws:username" "aws:username" String;
    VIA_AWS_SERVICE "aws:ViaAWSService" "aws:viaawsservice" Bool;
    VPCE_ACCOUNT "aws:VpceAccount" "aws:vpceaccount" String;
    VPCE_ORG_ID "aws:VpceOrgID" "aws:vpceorgid" String;
    VPCE_ORG_PATHS "aws:VpceOrgPaths" "aws:vpceorgpaths" Strings;
    VPC_SOURCE_IP "aws:VpcSourceIp" "aws:vpcsourceip" Ip;
    EC2_ACCEPTER_VPC "ec2:AccepterVpc" "ec2:acceptervpc" Arn;
    EC2_ATTRIBUTE "ec2:Attribute" "ec2:attribute" String;
    EC2_ATTRIBUTE_NAMED "ec2:Attribute/" "ec2:attribute/" String;
    EC2_AUTHORIZED_SERVICE "ec2:AuthorizedService" "ec2:authorizedservice" String;
    EC2_AUTHORIZED_USER "ec2:AuthorizedUser" "ec2:authorizeduser" String;
    EC2_AVAILABILITY_ZONE "ec2:AvailabilityZone" "ec2:availabilityzone" String;
    EC2_AVAILABILITY_ZONE_ID "ec2:AvailabilityZoneId" "ec2:availabilityzoneid" String;
    EC2_CREATE_ACTION "ec2:CreateAction" "ec2:createaction" String;
    EC2_INTERNET_GATEWAY_ID "ec2:InternetGatewayID" "ec2:internetgatewayid" String;
    EC2_NETWORK_ACL_ID "ec2:NetworkAclID" "ec2:networkaclid" String;
    EC2_NETWORK_INTERFACE_ID "ec2:NetworkInterfaceID" "ec2:networkinterfaceid" String;
    EC2_OWNER "ec2:Owner" "ec2:owner" String;
    EC2_PERMISSION "ec2:Permission" "ec2:permission" String;
    EC2_REGION "ec2:Region" "ec2:region" String;
    EC2_REQUESTER_VPC "ec2:RequesterVpc" "ec2:requestervpc" Arn;
    EC2_RESOURCE_TAG "ec2:ResourceTag/" "ec2:resourcetag/" String;
    EC2_ROUTE_TABLE_ID "ec2:RouteTableID" "ec2:routetableid" String;
    EC2_SECURITY_GROUP_ID "ec2:SecurityGroupID" "ec2:securitygroupid" String;
    EC2_SUBNET "ec2:Subnet" "ec2:subnet" Arn;
    EC2_SUBNET_ID "ec2:SubnetID" "ec2:subnetid" String;
    EC2_TENANCY "ec2:Tenancy" "ec2:tenancy" String;
    EC2_VPC "ec2:Vpc" "ec2:vpc" Arn;
    EC2_VPCE_MULTI_REGION "ec2:VpceMultiRegion" "ec2:vpcemultiregion" String;
    EC2_VPCE_PRIVATE_DNS_PREFERENCE "ec2:VpcePrivateDnsPreference" "ec2:vpceprivatednspreference" String;
    EC2_VPCE_PRIVATE_DNS_SPECIFIED_DOMAINS "ec2:VpcePrivateDnsSpecifiedDomains" "ec2:vpceprivatednsspecifieddomains" Strings;
    EC2_VPCE_SERVICE_NAME "ec2:VpceServiceName" "ec2:vpceservicename" String;
    EC2_VPCE_SERVICE_OWNER "ec2:VpceServiceOwner" "ec2:vpceserviceowner" String;
    EC2_VPCE_SERVICE_PRIVATE_DNS_NAME "ec2:VpceServicePrivateDnsName" "ec2:vpceserviceprivatednsname" String;
    EC2_VPCE_SERVICE_REGION "ec2:VpceServiceRegion" "ec2:vpceserviceregion" String;
    EC2_VPCE_SUPPORTED_REGION "ec2:VpceSupportedRegion" "ec2:vpcesupportedregion" String;
    EC2_VPC_ID "ec2:VpcID" "ec2:vpcid" String;
    EC2_VPC_PEERING_CONNECTION_ID "ec2:VpcPeeringConnectionID" "ec2:vpcpeeringconnectionid" String;
    IAM_ASSOCIATED_RESOURCE_ARN "iam:AssociatedResourceArn" "iam:associatedresourcearn" Arn;
    IAM_AWS_SERVICE_NAME "iam:AWSServiceName" "iam:awsservicename" String;
    IAM_ORGANIZATIONS_POLICY_ID "iam:OrganizationsPolicyId" "iam:organizationspolicyid" String;
    IAM_PASSED_TO_SERVICE "iam:PassedToService" "iam:passedtoservice" String;
    IAM_PERMISSIONS_BOUNDARY "iam:PermissionsBoundary" "iam:permissionsboundary" Arn;
    IAM_POLICY_ARN "iam:PolicyARN" "iam:policyarn" Arn;
    IAM_RESOURCE_TAG "iam:ResourceTag/" "iam:resourcetag/" String;
    ROUTE53_CHANGE_RESOURCE_RECORD_SETS_ACTIONS "route53:ChangeResourceRecordSetsActions" "route53:changeresourcerecordsetsactions" Strings;
    ROUTE53_CHANGE_RESOURCE_RECORD_SETS_NORMALIZED_RECORD_NAMES "route53:ChangeResourceRecordSetsNormalizedRecordNames" "route53:changeresourcerecordsetsnormalizedrecordnames" Strings;
    ROUTE53_CHANGE_RESOURCE_RECORD_SETS_RECORD_TYPES "route53:ChangeResourceRecordSetsRecordTypes" "route53:changeresourcerecordsetsrecordtypes" Strings;
    ROUTE53_VPCS "route53:VPCs" "route53:vpcs" String;
    S3_ACCESS_GRANT_SCOPE "s3:AccessGrantScope" "s3:accessgrantscope" String;
    S3_ACCESS_GRANTS_INSTANCE_ARN "s3:AccessGrantsInstanceArn" "s3:accessgrantsinstancearn" Arn;
    S3_ACCESS_GRANTS_LOCATION_SCOPE "s3:AccessGrantsLocationScope" "s3:accessgrantslocationscope" String;
    S3_ACCESS_POINT_NETWORK_ORIGIN "s3:AccessPointNetworkOrigin" "s3:accesspointnetworkorigin" String;
    S3_ACCESS_POINT_TAG "s3:AccessPointTag/" "s3:accesspointtag/" String;
    S3_ANNOTATION_PREFIX "s3:annotation-prefix" "s3:annotation-prefix" String;
    S3_AUTH_TYPE "s3:authType" "s3:authtype" String;
    S3_BUCKET_TAG "s3:BucketTag/" "s3:buckettag/" String;
    S3_DATA_ACCESS_POINT_ACCOUNT "s3:DataAccessPointAccount" "s3:dataaccesspointaccount" String;
    S3_DATA_ACCESS_POINT_ARN "s3:DataAccessPointArn" "s3:dataaccesspointarn" Arn;
    S3_DELIMITER "s3:delimiter" "s3:delimiter" String;
    S3_DELIVERY_SOURCE_ARN "s3:deliverySourceArn" "s3:deliverysourcearn" Arn;
    S3_DESTINATION_REGION "s3:destinationRegion" "s3:destinationregion" String;
    S3_EXISTING_JOB_OPERATION "s3:ExistingJobOperation" "s3:existingjoboperation" String;
    S3_EXISTING_JOB_PRIORITY "s3:ExistingJobPriority" "s3:existingjobpriority" Number;
    S3_EXISTING_OBJECT_TAG "s3:ExistingObjectTag/" "s3:existingobjecttag/" String;
    S3_IF_MATCH "s3:if-match" "s3:if-match" String;
    S3_IF_NONE_MATCH "s3:if-none-match" "s3:if-none-match" String;
    S3_INVENTORY_ACCESSIBLE_OPTIONAL_FIELDS "s3:InventoryAccessibleOptionalFields" "s3:inventoryaccessibleoptionalfields" Strings;
    S3_IS_REPLICATION_PAUSE_REQUEST "s3:isReplicationPauseRequest" "s3:isreplicationpauserequest" Bool;
    S3_JOB_SUSPENDED_CAUSE "s3:JobSuspendedCause" "s3:jobsuspendedcause" String;
    S3_LOCATION_CONSTRAINT "s3:locationconstraint" "s3:locationconstraint" String;
    S3_LOG_TYPE "s3:logType" "s3:logtype" String;
    S3_MAX_ANNOTATION_RESULTS "s3:max-annotation-results" "s3:max-annotation-results" Number;
    S3_MAX_KEYS "s3:max-keys" "s3:max-keys" Number;
    S3_OBJECT_LOCK_LEGAL_HOLD "s3:object-lock-legal-hold" "s3:object-lock-legal-hold" String;
    S3_OBJECT_LOCK_MODE "s3:object-lock-mode" "s3:object-lock-mode" String;
    S3_OBJECT_LOCK_REMAINING_RETENTION_DAYS "s3:object-lock-remaining-retention-days" "s3:object-lock-remaining-retention-days" Number;
    S3_OBJECT_LOCK_RETAIN_UNTIL_DATE "s3:object-lock-retain-until-date" "s3:object-lock-retain-until-date" Date;
    S3_OBJECT_CREATION_OPERATION "s3:ObjectCreationOperation" "s3:objectcreationoperation" Bool;
    S3_PREFIX "s3:prefix" "s3:prefix" String;
    S3_REQUEST_JOB_OPERATION "s3:RequestJobOperation" "s3:requestjoboperation" String;
    S3_REQUEST_JOB_PRIORITY "s3:RequestJobPriority" "s3:requestjobpriority" Number;
    S3_REQUEST_OBJECT_TAG "s3:RequestObjectTag/" "s3:requestobjecttag/" String;
    S3_REQUEST_OBJECT_TAG_KEYS "s3:RequestObjectTagKeys" "s3:requestobjecttagkeys" Strings;
    S3_RESOURCE_ACCOUNT "s3:ResourceAccount" "s3:resourceaccount" String;
    S3_RESOURCE_ARN_BEING_AUTHORIZED "s3:resourceArnBeingAuthorized" "s3:resourcearnbeingauthorized" Arn;
    S3_SIGNATURE_AGE "s3:signatureAge" "s3:signatureage" Number;
    S3_SIGNATURE_VERSION "s3:signatureversion" "s3:signatureversion" String;
    S3_TLS_VERSION "s3:TlsVersion" "s3:tlsversion" Number;
    S3_VERSION_ID "s3:versionid" "s3:versionid" String;
    S3_X_AMZ_ACL "s3:x-amz-acl" "s3:x-amz-acl" String;
    S3_X_AMZ_BUCKET_NAMESPACE "s3:x-amz-bucket-namespace" "s3:x-amz-bucket-namespace" String;
    S3_X_AMZ_CONTENT_SHA256 "s3:x-amz-content-sha256" "s3:x-amz-content-sha256" String;
    S3_X_AMZ_COPY_SOURCE "s3:x-amz-copy-source" "s3:x-amz-copy-source" String;
    S3_X_AMZ_GRANT_FULL_CONTROL "s3:x-amz-grant-full-control" "s3:x-amz-grant-full-control" String;
    S3_X_AMZ_GRANT_READ "s3:x-amz-grant-read" "s3:x-amz-grant-read" String;
    S3_X_AMZ_GRANT_READ_ACP "s3:x-amz-grant-read-acp" "s3:x-amz-grant-read-acp" String;
    S3_X_AMZ_GRANT_WRITE "s3:x-amz-grant-write" "s3:x-amz-grant-write" String;
    S3_X_AMZ_GRANT_WRITE_ACP "s3:x-amz-grant-write-acp" "s3:x-amz-grant-write-acp" String;
    S3_X_AMZ_METADATA_DIRECTIVE "s3:x-amz-metadata-directive" "s3:x-amz-metadata-directive" String;
    S3_X_AMZ_OBJECT_ANNOTATION_DIRECTIVE "s3:x-amz-object-annotation-directive" "s3:x-amz-object-annotation-directive" String;
    S3_X_AMZ_OBJECT_IF_MATCH "s3:x-amz-object-if-match" "s3:x-amz-object-if-match" String;
    S3_X_AMZ_OBJECT_OWNERSHIP "s3:x-amz-object-ownership" "s3:x-amz-object-ownership" String;
    S3_X_AMZ_SERVER_SIDE_ENCRYPTION "s3:x-amz-server-side-encryption" "s3:x-amz-server-side-encryption" String;
    S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID "s3:x-amz-server-side-encryption-aws-kms-key-id" "s3:x-amz-server-side-encryption-aws-kms-key-id" Arn;
    S3_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM "s3:x-amz-server-side-encryption-customer-algorithm" "s3:x-amz-server-side-encryption-customer-algorithm" String;
    S3_X_AMZ_STORAGE_CLASS "s3:x-amz-storage-class" "s3:x-amz-storage-class" String;
    S3_X_AMZ_WEBSITE_REDIRECT_LOCATION "s3:x-amz-website-redirect-location" "s3:x-amz-website-redirect-location" String;
    STS_AWS_SERVICE_NAME "sts:AWSServiceName" "sts:awsservicename" String;
    STS_DURATION_SECONDS "sts:DurationSeconds" "sts:durationseconds" Number;
    STS_EXTERNAL_ID "sts:ExternalId" "sts:externalid" String;
    STS_ROLE_SESSION_NAME "sts:RoleSessionName" "sts:rolesessionname" String;
    STS_SOURCE_IDENTITY "sts:SourceIdentity" "sts:sourceidentity" String;
    STS_TRANSITIVE_TAG_KEYS "sts:TransitiveTagKeys" "sts:transitivetagkeys" Strings;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_consistent() {
        for pair in TABLE.windows(2) {
            assert!(
                pair[0].lower < pair[1].lower,
                "{} {}",
                pair[0].lower,
                pair[1].lower
            );
        }
        for key in Key::all() {
            let info = &TABLE[usize::from(key.0)];
            assert_eq!(info.name.to_ascii_lowercase(), info.lower);
            assert_eq!(Key::find(&info.name.to_ascii_uppercase()), Some(key));
        }
    }

    #[test]
    fn names_split_into_key_and_tag() {
        assert_eq!(Key::split("AWS:sourcevpce"), Some((SOURCE_VPCE, "")));
        assert_eq!(
            Key::split("aws:principaltag/Team/x"),
            Some((PRINCIPAL_TAG, "Team/x"))
        );
        assert_eq!(Key::split("ec2:Attribute"), Some((EC2_ATTRIBUTE, "")));
        assert_eq!(
            Key::split("ec2:attribute/DnsOptions"),
            Some((EC2_ATTRIBUTE_NAMED, "DnsOptions"))
        );
        assert_eq!(Key::split("aws:PrincipalTag"), None);
        assert_eq!(Key::split("made:up"), None);
    }
}
