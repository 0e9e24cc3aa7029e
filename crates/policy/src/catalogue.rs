//! The actions of Amazon S3: their names, the resource types that they apply to, and the condition
//! keys that belong to them.
//!
//! Facts of AWS's service authorisation reference (180 actions). A catalogued action has a small
//! number, so that a compiled statement can hold its actions as one bit each. Actions of other
//! services have none and are compared by name.

use crate::keys::{self, Key};

/// Number of a catalogued action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActionId(u8);

impl ActionId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Resource types, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types(pub(crate) u8);

impl Types {
    pub(crate) const NONE: Types = Types(0);
    pub(crate) const BUCKET: Types = Types(1);
    pub(crate) const OBJECT: Types = Types(2);
    pub(crate) const ACCESS_POINT: Types = Types(4);
    pub(crate) const ACCESS_POINT_OBJECT: Types = Types(8);
    pub(crate) const JOB: Types = Types(16);
    pub(crate) const OTHER: Types = Types(32);

    pub(crate) fn intersects(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }
}

/// One action of the catalogue.
pub(crate) struct Entry {
    /// `s3:GetObject`
    pub(crate) name: &'static str,
    /// Name without the service, in lower case.
    lower: &'static str,
    /// Empty: the action has no resource and needs `*`.
    pub(crate) types: Types,
    /// Keys besides those that every request has.
    keys: &'static [Key],
}

/// Finds an action by its full name, in any case.
pub(crate) fn find(name: &str) -> Option<ActionId> {
    let (service, name) = name.split_at_checked(3)?;
    if !service.eq_ignore_ascii_case("s3:") {
        return None;
    }
    let fold = |entry: &Entry| {
        entry
            .lower
            .bytes()
            .cmp(name.bytes().map(|b| b.to_ascii_lowercase()))
    };
    let at = TABLE.binary_search_by(fold).ok()?;
    u8::try_from(at).ok().map(ActionId)
}

/// All actions in the order of their numbers.
pub(crate) fn all() -> impl Iterator<Item = (ActionId, &'static Entry)> {
    TABLE
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| Some((ActionId(u8::try_from(at).ok()?), entry)))
}

/// How many actions there are.
pub(crate) const COUNT: usize = TABLE.len();

impl ActionId {
    /// The number of an action that is known to be in the table; for building tables at compile
    /// time, where a name that is not in it stops the build.
    pub(crate) const fn of(name: &str) -> ActionId {
        let mut at = 0;
        while at < TABLE.len() {
            if same(TABLE[at].name, name) {
                return ActionId(at as u8);
            }
            at += 1;
        }
        #[allow(clippy::panic, reason = "evaluated at compile time only")]
        {
            panic!("no such action in the catalogue")
        }
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Keys that describe the request or the access point, legal for every S3 action.
const COMMON: &[Key] = &[
    keys::S3_RESOURCE_ACCOUNT,
    keys::S3_TLS_VERSION,
    keys::S3_AUTH_TYPE,
    keys::S3_SIGNATURE_AGE,
    keys::S3_SIGNATURE_VERSION,
    keys::S3_X_AMZ_CONTENT_SHA256,
    keys::S3_DATA_ACCESS_POINT_ACCOUNT,
    keys::S3_DATA_ACCESS_POINT_ARN,
    keys::S3_ACCESS_POINT_NETWORK_ORIGIN,
    keys::S3_ACCESS_POINT_TAG,
    keys::S3_ACCESS_GRANTS_INSTANCE_ARN,
    keys::S3_BUCKET_TAG,
];

impl Entry {
    /// Whether an `s3:` key can be present in a request for this action.
    pub(crate) fn has_key(&self, key: Key) -> bool {
        COMMON.contains(&key) || self.keys.contains(&key)
    }
}

macro_rules! catalogue {
    ($($name:ident $lower:ident [$($types:ident)|*] [$($key:ident),*];)*) => {
        static TABLE: [Entry; [$(stringify!($name),)*].len()] = [$(Entry {
            name: concat!("s3:", stringify!($name)),
            lower: stringify!($lower),
            types: Types($(Types::$types.0)|*),
            keys: &[$(keys::$key),*],
        },)*];
    };
}

catalogue! {
    AbortMultipartUpload abortmultipartupload [OBJECT | ACCESS_POINT_OBJECT] [];
    AllowVendedLogDeliveryForResource allowvendedlogdeliveryforresource [BUCKET] [S3_DELIVERY_SOURCE_ARN, S3_LOG_TYPE, S3_RESOURCE_ARN_BEING_AUTHORIZED];
    AssociateAccessGrantsIdentityCenter associateaccessgrantsidentitycenter [OTHER] [RESOURCE_TAG];
    BypassGovernanceRetention bypassgovernanceretention [OBJECT | ACCESS_POINT_OBJECT] [S3_REQUEST_OBJECT_TAG, S3_REQUEST_OBJECT_TAG_KEYS, S3_X_AMZ_ACL, S3_X_AMZ_COPY_SOURCE, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP, S3_X_AMZ_METADATA_DIRECTIVE, S3_X_AMZ_SERVER_SIDE_ENCRYPTION, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM, S3_X_AMZ_STORAGE_CLASS, S3_X_AMZ_WEBSITE_REDIRECT_LOCATION];
    CreateAccessGrant createaccessgrant [OTHER] [REQUEST_TAG, RESOURCE_TAG, S3_ACCESS_GRANT_SCOPE, TAG_KEYS];
    CreateAccessGrantsInstance createaccessgrantsinstance [OTHER] [REQUEST_TAG, RESOURCE_TAG, TAG_KEYS];
    CreateAccessGrantsLocation createaccessgrantslocation [OTHER] [REQUEST_TAG, RESOURCE_TAG, S3_ACCESS_GRANTS_LOCATION_SCOPE, TAG_KEYS];
    CreateAccessPoint createaccesspoint [ACCESS_POINT] [REQUEST_TAG, RESOURCE_TAG, S3_LOCATION_CONSTRAINT, S3_X_AMZ_ACL, TAG_KEYS];
    CreateAccessPointForObjectLambda createaccesspointforobjectlambda [OTHER] [];
    CreateBucket createbucket [BUCKET] [REQUEST_TAG, S3_LOCATION_CONSTRAINT, S3_X_AMZ_ACL, S3_X_AMZ_BUCKET_NAMESPACE, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP, S3_X_AMZ_OBJECT_OWNERSHIP, TAG_KEYS];
    CreateBucketMetadataTableConfiguration createbucketmetadatatableconfiguration [BUCKET] [];
    CreateJob createjob [NONE] [REQUEST_TAG, S3_REQUEST_JOB_OPERATION, S3_REQUEST_JOB_PRIORITY, TAG_KEYS];
    CreateMultiRegionAccessPoint createmultiregionaccesspoint [OTHER] [];
    CreateStorageLensGroup createstoragelensgroup [NONE] [REQUEST_TAG, TAG_KEYS];
    DeleteAccessGrant deleteaccessgrant [OTHER] [RESOURCE_TAG, S3_ACCESS_GRANT_SCOPE];
    DeleteAccessGrantsInstance deleteaccessgrantsinstance [OTHER] [RESOURCE_TAG];
    DeleteAccessGrantsInstanceResourcePolicy deleteaccessgrantsinstanceresourcepolicy [OTHER] [RESOURCE_TAG];
    DeleteAccessGrantsLocation deleteaccessgrantslocation [OTHER] [RESOURCE_TAG, S3_ACCESS_GRANTS_LOCATION_SCOPE];
    DeleteAccessPoint deleteaccesspoint [ACCESS_POINT] [RESOURCE_TAG];
    DeleteAccessPointForObjectLambda deleteaccesspointforobjectlambda [OTHER] [];
    DeleteAccessPointPolicy deleteaccesspointpolicy [ACCESS_POINT] [RESOURCE_TAG];
    DeleteAccessPointPolicyForObjectLambda deleteaccesspointpolicyforobjectlambda [OTHER] [];
    DeleteBucket deletebucket [BUCKET] [];
    DeleteBucketMetadataTableConfiguration deletebucketmetadatatableconfiguration [BUCKET] [];
    DeleteBucketPolicy deletebucketpolicy [BUCKET] [];
    DeleteBucketWebsite deletebucketwebsite [BUCKET] [];
    DeleteJobTagging deletejobtagging [JOB] [S3_EXISTING_JOB_OPERATION, S3_EXISTING_JOB_PRIORITY];
    DeleteMultiRegionAccessPoint deletemultiregionaccesspoint [OTHER] [];
    DeleteObject deleteobject [OBJECT | ACCESS_POINT_OBJECT] [S3_IF_MATCH];
    DeleteObjectAnnotation deleteobjectannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_X_AMZ_OBJECT_IF_MATCH];
    DeleteObjectTagging deleteobjecttagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    DeleteObjectVersion deleteobjectversion [OBJECT | ACCESS_POINT_OBJECT] [S3_VERSION_ID];
    DeleteObjectVersionAnnotation deleteobjectversionannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID, S3_X_AMZ_OBJECT_IF_MATCH];
    DeleteObjectVersionTagging deleteobjectversiontagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    DeleteStorageLensConfiguration deletestoragelensconfiguration [OTHER] [];
    DeleteStorageLensConfigurationTagging deletestoragelensconfigurationtagging [OTHER] [];
    DeleteStorageLensGroup deletestoragelensgroup [OTHER] [];
    DescribeJob describejob [JOB] [];
    DescribeMultiRegionAccessPointOperation describemultiregionaccesspointoperation [OTHER] [];
    DissociateAccessGrantsIdentityCenter dissociateaccessgrantsidentitycenter [OTHER] [RESOURCE_TAG];
    GetAccelerateConfiguration getaccelerateconfiguration [BUCKET] [];
    GetAccessGrant getaccessgrant [OTHER] [RESOURCE_TAG, S3_ACCESS_GRANT_SCOPE];
    GetAccessGrantsInstance getaccessgrantsinstance [OTHER] [RESOURCE_TAG];
    GetAccessGrantsInstanceForPrefix getaccessgrantsinstanceforprefix [OTHER] [RESOURCE_TAG];
    GetAccessGrantsInstanceResourcePolicy getaccessgrantsinstanceresourcepolicy [OTHER] [RESOURCE_TAG];
    GetAccessGrantsLocation getaccessgrantslocation [OTHER] [RESOURCE_TAG, S3_ACCESS_GRANTS_LOCATION_SCOPE];
    GetAccessPoint getaccesspoint [NONE] [RESOURCE_TAG];
    GetAccessPointConfigurationForObjectLambda getaccesspointconfigurationforobjectlambda [OTHER] [];
    GetAccessPointForObjectLambda getaccesspointforobjectlambda [OTHER] [];
    GetAccessPointPolicy getaccesspointpolicy [ACCESS_POINT] [RESOURCE_TAG];
    GetAccessPointPolicyForObjectLambda getaccesspointpolicyforobjectlambda [OTHER] [];
    GetAccessPointPolicyStatus getaccesspointpolicystatus [ACCESS_POINT] [RESOURCE_TAG];
    GetAccessPointPolicyStatusForObjectLambda getaccesspointpolicystatusforobjectlambda [OTHER] [];
    GetAccountPublicAccessBlock getaccountpublicaccessblock [NONE] [];
    GetAnalyticsConfiguration getanalyticsconfiguration [BUCKET] [];
    GetBucketAbac getbucketabac [BUCKET] [];
    GetBucketAcl getbucketacl [BUCKET | ACCESS_POINT] [];
    GetBucketCORS getbucketcors [BUCKET | ACCESS_POINT] [];
    GetBucketLocation getbucketlocation [BUCKET | ACCESS_POINT] [];
    GetBucketLogging getbucketlogging [BUCKET] [];
    GetBucketMetadataTableConfiguration getbucketmetadatatableconfiguration [BUCKET] [];
    GetBucketNotification getbucketnotification [BUCKET | ACCESS_POINT] [];
    GetBucketObjectLockConfiguration getbucketobjectlockconfiguration [BUCKET] [];
    GetBucketOwnershipControls getbucketownershipcontrols [BUCKET] [];
    GetBucketPolicy getbucketpolicy [BUCKET | ACCESS_POINT] [];
    GetBucketPolicyStatus getbucketpolicystatus [BUCKET] [];
    GetBucketPublicAccessBlock getbucketpublicaccessblock [BUCKET] [];
    GetBucketRequestPayment getbucketrequestpayment [BUCKET] [];
    GetBucketTagging getbuckettagging [BUCKET] [];
    GetBucketVersioning getbucketversioning [BUCKET] [];
    GetBucketWebsite getbucketwebsite [BUCKET] [];
    GetDataAccess getdataaccess [OTHER] [RESOURCE_TAG];
    GetEncryptionConfiguration getencryptionconfiguration [BUCKET] [];
    GetIntelligentTieringConfiguration getintelligenttieringconfiguration [BUCKET] [];
    GetInventoryConfiguration getinventoryconfiguration [BUCKET] [];
    GetJobTagging getjobtagging [JOB] [];
    GetLifecycleConfiguration getlifecycleconfiguration [BUCKET] [];
    GetMetricsConfiguration getmetricsconfiguration [BUCKET] [];
    GetMultiRegionAccessPoint getmultiregionaccesspoint [OTHER] [];
    GetMultiRegionAccessPointPolicy getmultiregionaccesspointpolicy [OTHER] [];
    GetMultiRegionAccessPointPolicyStatus getmultiregionaccesspointpolicystatus [OTHER] [];
    GetMultiRegionAccessPointRoutes getmultiregionaccesspointroutes [OTHER] [];
    GetObject getobject [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    GetObjectAcl getobjectacl [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    GetObjectAnnotation getobjectannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    GetObjectAttributes getobjectattributes [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    GetObjectLegalHold getobjectlegalhold [OBJECT | ACCESS_POINT_OBJECT] [];
    GetObjectRetention getobjectretention [OBJECT | ACCESS_POINT_OBJECT] [];
    GetObjectTagging getobjecttagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG];
    GetObjectTorrent getobjecttorrent [OBJECT] [];
    GetObjectVersion getobjectversion [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    GetObjectVersionAcl getobjectversionacl [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    GetObjectVersionAnnotation getobjectversionannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    GetObjectVersionAnnotationForReplication getobjectversionannotationforreplication [OBJECT] [];
    GetObjectVersionAttributes getobjectversionattributes [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    GetObjectVersionForReplication getobjectversionforreplication [OBJECT] [];
    GetObjectVersionTagging getobjectversiontagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID];
    GetObjectVersionTorrent getobjectversiontorrent [OBJECT] [S3_VERSION_ID];
    GetReplicationConfiguration getreplicationconfiguration [BUCKET] [];
    GetStorageLensConfiguration getstoragelensconfiguration [OTHER] [];
    GetStorageLensConfigurationTagging getstoragelensconfigurationtagging [OTHER] [];
    GetStorageLensDashboard getstoragelensdashboard [OTHER] [];
    GetStorageLensGroup getstoragelensgroup [OTHER] [];
    InitiateReplication initiatereplication [OBJECT] [];
    ListAccessGrants listaccessgrants [OTHER] [RESOURCE_TAG];
    ListAccessGrantsInstances listaccessgrantsinstances [NONE] [];
    ListAccessGrantsLocations listaccessgrantslocations [OTHER] [RESOURCE_TAG];
    ListAccessPoints listaccesspoints [NONE] [];
    ListAccessPointsForObjectLambda listaccesspointsforobjectlambda [NONE] [];
    ListAllMyBuckets listallmybuckets [NONE] [];
    ListBucket listbucket [BUCKET | ACCESS_POINT] [S3_DELIMITER, S3_MAX_KEYS, S3_PREFIX];
    ListBucketMultipartUploads listbucketmultipartuploads [BUCKET] [RESOURCE_TAG];
    ListBucketVersions listbucketversions [BUCKET | ACCESS_POINT] [S3_DELIMITER, S3_MAX_KEYS, S3_PREFIX];
    ListCallerAccessGrants listcalleraccessgrants [OTHER] [RESOURCE_TAG];
    ListJobs listjobs [NONE] [];
    ListMultipartUploadParts listmultipartuploadparts [OBJECT | ACCESS_POINT_OBJECT] [];
    ListMultiRegionAccessPoints listmultiregionaccesspoints [NONE] [];
    ListObjectAnnotations listobjectannotations [OBJECT | ACCESS_POINT_OBJECT] [S3_ANNOTATION_PREFIX, S3_EXISTING_OBJECT_TAG, S3_MAX_ANNOTATION_RESULTS];
    ListObjectVersionAnnotations listobjectversionannotations [OBJECT | ACCESS_POINT_OBJECT] [S3_ANNOTATION_PREFIX, S3_EXISTING_OBJECT_TAG, S3_MAX_ANNOTATION_RESULTS, S3_VERSION_ID];
    ListStorageLensConfigurations liststoragelensconfigurations [NONE] [];
    ListStorageLensGroups liststoragelensgroups [NONE] [];
    ListTagsForResource listtagsforresource [BUCKET | ACCESS_POINT | OTHER] [];
    ObjectOwnerOverrideToBucketOwner objectowneroverridetobucketowner [OBJECT] [];
    PauseReplication pausereplication [BUCKET] [S3_DESTINATION_REGION];
    PutAccelerateConfiguration putaccelerateconfiguration [BUCKET] [];
    PutAccessGrantsInstanceResourcePolicy putaccessgrantsinstanceresourcepolicy [OTHER] [RESOURCE_TAG];
    PutAccessPointConfigurationForObjectLambda putaccesspointconfigurationforobjectlambda [OTHER] [];
    PutAccessPointPolicy putaccesspointpolicy [ACCESS_POINT] [];
    PutAccessPointPolicyForObjectLambda putaccesspointpolicyforobjectlambda [OTHER] [];
    PutAccessPointPublicAccessBlock putaccesspointpublicaccessblock [NONE] [];
    PutAccountPublicAccessBlock putaccountpublicaccessblock [NONE] [];
    PutAnalyticsConfiguration putanalyticsconfiguration [BUCKET] [];
    PutBucketAbac putbucketabac [BUCKET] [];
    PutBucketAcl putbucketacl [BUCKET] [S3_X_AMZ_ACL, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP];
    PutBucketCORS putbucketcors [BUCKET] [];
    PutBucketLogging putbucketlogging [BUCKET] [];
    PutBucketNotification putbucketnotification [BUCKET] [];
    PutBucketObjectLockConfiguration putbucketobjectlockconfiguration [BUCKET] [];
    PutBucketOwnershipControls putbucketownershipcontrols [BUCKET] [];
    PutBucketPolicy putbucketpolicy [BUCKET] [];
    PutBucketPublicAccessBlock putbucketpublicaccessblock [BUCKET] [];
    PutBucketRequestPayment putbucketrequestpayment [BUCKET] [];
    PutBucketTagging putbuckettagging [BUCKET] [];
    PutBucketVersioning putbucketversioning [BUCKET] [];
    PutBucketWebsite putbucketwebsite [BUCKET] [];
    PutEncryptionConfiguration putencryptionconfiguration [BUCKET] [];
    PutIntelligentTieringConfiguration putintelligenttieringconfiguration [BUCKET] [];
    PutInventoryConfiguration putinventoryconfiguration [BUCKET] [S3_INVENTORY_ACCESSIBLE_OPTIONAL_FIELDS];
    PutJobTagging putjobtagging [JOB] [REQUEST_TAG, S3_EXISTING_JOB_OPERATION, S3_EXISTING_JOB_PRIORITY, TAG_KEYS];
    PutLifecycleConfiguration putlifecycleconfiguration [BUCKET] [];
    PutMetricsConfiguration putmetricsconfiguration [BUCKET] [];
    PutMultiRegionAccessPointPolicy putmultiregionaccesspointpolicy [OTHER] [];
    PutObject putobject [OBJECT | ACCESS_POINT_OBJECT] [S3_IF_MATCH, S3_IF_NONE_MATCH, S3_OBJECT_CREATION_OPERATION, S3_OBJECT_LOCK_LEGAL_HOLD, S3_OBJECT_LOCK_MODE, S3_OBJECT_LOCK_REMAINING_RETENTION_DAYS, S3_OBJECT_LOCK_RETAIN_UNTIL_DATE, S3_REQUEST_OBJECT_TAG, S3_REQUEST_OBJECT_TAG_KEYS, S3_X_AMZ_ACL, S3_X_AMZ_COPY_SOURCE, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP, S3_X_AMZ_METADATA_DIRECTIVE, S3_X_AMZ_OBJECT_ANNOTATION_DIRECTIVE, S3_X_AMZ_SERVER_SIDE_ENCRYPTION, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM, S3_X_AMZ_STORAGE_CLASS, S3_X_AMZ_WEBSITE_REDIRECT_LOCATION];
    PutObjectAcl putobjectacl [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_X_AMZ_ACL, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP, S3_X_AMZ_STORAGE_CLASS];
    PutObjectAnnotation putobjectannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_X_AMZ_OBJECT_IF_MATCH];
    PutObjectLegalHold putobjectlegalhold [OBJECT | ACCESS_POINT_OBJECT] [S3_OBJECT_LOCK_LEGAL_HOLD];
    PutObjectRetention putobjectretention [OBJECT | ACCESS_POINT_OBJECT] [S3_OBJECT_LOCK_MODE, S3_OBJECT_LOCK_REMAINING_RETENTION_DAYS, S3_OBJECT_LOCK_RETAIN_UNTIL_DATE];
    PutObjectTagging putobjecttagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_REQUEST_OBJECT_TAG, S3_REQUEST_OBJECT_TAG_KEYS];
    PutObjectVersionAcl putobjectversionacl [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID, S3_X_AMZ_ACL, S3_X_AMZ_GRANT_FULL_CONTROL, S3_X_AMZ_GRANT_READ, S3_X_AMZ_GRANT_READ_ACP, S3_X_AMZ_GRANT_WRITE, S3_X_AMZ_GRANT_WRITE_ACP, S3_X_AMZ_STORAGE_CLASS];
    PutObjectVersionAnnotation putobjectversionannotation [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_VERSION_ID, S3_X_AMZ_OBJECT_IF_MATCH];
    PutObjectVersionTagging putobjectversiontagging [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_REQUEST_OBJECT_TAG, S3_REQUEST_OBJECT_TAG_KEYS, S3_VERSION_ID];
    PutReplicationConfiguration putreplicationconfiguration [BUCKET] [S3_IS_REPLICATION_PAUSE_REQUEST];
    PutStorageLensConfiguration putstoragelensconfiguration [NONE] [REQUEST_TAG, TAG_KEYS];
    PutStorageLensConfigurationTagging putstoragelensconfigurationtagging [OTHER] [REQUEST_TAG, TAG_KEYS];
    ReplicateDelete replicatedelete [OBJECT] [];
    ReplicateObject replicateobject [OBJECT] [S3_X_AMZ_SERVER_SIDE_ENCRYPTION, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM];
    ReplicateObjectAnnotation replicateobjectannotation [OBJECT] [];
    ReplicateTags replicatetags [OBJECT] [];
    RestoreObject restoreobject [OBJECT | ACCESS_POINT_OBJECT] [];
    SubmitMultiRegionAccessPointRoutes submitmultiregionaccesspointroutes [OTHER] [];
    TagResource tagresource [BUCKET | ACCESS_POINT | OTHER] [REQUEST_TAG, TAG_KEYS];
    UntagResource untagresource [BUCKET | ACCESS_POINT | OTHER] [TAG_KEYS];
    UpdateAccessGrantsLocation updateaccessgrantslocation [OTHER] [RESOURCE_TAG, S3_ACCESS_GRANTS_LOCATION_SCOPE];
    UpdateBucketMetadataAnnotationTableConfiguration updatebucketmetadataannotationtableconfiguration [BUCKET] [];
    UpdateBucketMetadataInventoryTableConfiguration updatebucketmetadatainventorytableconfiguration [BUCKET] [];
    UpdateBucketMetadataJournalTableConfiguration updatebucketmetadatajournaltableconfiguration [BUCKET] [];
    UpdateJobPriority updatejobpriority [JOB] [S3_EXISTING_JOB_OPERATION, S3_EXISTING_JOB_PRIORITY, S3_REQUEST_JOB_PRIORITY];
    UpdateJobStatus updatejobstatus [JOB] [S3_EXISTING_JOB_OPERATION, S3_EXISTING_JOB_PRIORITY, S3_JOB_SUSPENDED_CAUSE];
    UpdateObjectEncryption updateobjectencryption [OBJECT | ACCESS_POINT_OBJECT] [S3_EXISTING_OBJECT_TAG, S3_X_AMZ_SERVER_SIDE_ENCRYPTION, S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID];
    UpdateStorageLensGroup updatestoragelensgroup [OTHER] [];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_found_in_any_case() {
        for pair in TABLE.windows(2) {
            assert!(
                pair[0].lower < pair[1].lower,
                "{} {}",
                pair[0].lower,
                pair[1].lower
            );
        }
        for (id, entry) in all() {
            assert_eq!(
                entry.name.to_ascii_lowercase(),
                format!("s3:{}", entry.lower)
            );
            assert_eq!(find(&entry.name.to_ascii_uppercase()), Some(id));
        }
        assert_eq!(COUNT, 180);
        assert_eq!(find("s3:GetObjec"), None);
        assert_eq!(find("ec2:GetObject"), None);
        assert_eq!(find("s3"), None);
    }
}
