//! Which (action, resource) pairs an S3 or S3 Control operation needs.
//!
//! An operation's name says little about its action: `HeadBucket` needs `s3:ListBucket`, deleting a
//! CORS configuration needs `s3:PutBucketCORS`, a version id turns `s3:GetObject` into
//! `s3:GetObjectVersion`, and headers add actions. The table below has one row per operation of the
//! public API models; what a request carries comes in as [`Facts`].
//!
//! ```
//! use adit_policy::actions::{Api, Facts, On, Operation};
//! let put = Operation::find(Api::S3, "PutObject").unwrap();
//! let facts = Facts { acl: true, ..Facts::default() };
//! let needs: Vec<_> = put.needs(&facts).map(|need| (need.action.name(), need.on)).collect();
//! assert_eq!(needs, [("s3:PutObject", On::Object), ("s3:PutObjectAcl", On::Object)]);
//! ```

use crate::catalogue::ActionId;
use crate::request::Action;

/// Which of the two S3 APIs an operation belongs to; some names occur in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    /// Buckets and objects.
    S3,
    /// `/v20180820/…` (access points, jobs, account settings).
    S3Control,
}

/// What a request carries that changes the actions it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `versionId` for the object (for `DeleteObjects`: of this key).
    pub version_id: bool,
    /// `versionId` inside `x-amz-copy-source`.
    pub source_version_id: bool,
    /// `x-amz-acl`, an `x-amz-grant-*` header, or the form field `acl`.
    pub acl: bool,
    /// `x-amz-tagging` with at least one tag, or the form field `tagging`.
    pub tagging: bool,
    /// A copy that takes the source's tags along (`x-amz-tagging-directive` COPY, where the source
    /// has tags or it is not known whether it has).
    pub copies_tags: bool,
    /// `x-amz-object-lock-mode` or `x-amz-object-lock-retain-until-date`.
    pub retention: bool,
    /// `x-amz-object-lock-legal-hold`.
    pub legal_hold: bool,
    /// `x-amz-bypass-governance-retention: true`.
    pub bypass_governance: bool,
    /// CreateBucket: `x-amz-bucket-object-lock-enabled: true`.
    pub object_lock: bool,
    /// CreateBucket: `x-amz-object-ownership`.
    pub ownership: bool,
    /// CreateBucket or CreateAccessPoint: tags in the body.
    pub tags: bool,
}

/// The resource that an action is asked for on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// `*`
    Account,
    /// `arn:aws:s3:::BUCKET`; through an access point also the access point's ARN.
    Bucket,
    /// `arn:aws:s3:::BUCKET/KEY`; through an access point also `…/object/KEY`.
    Object,
    /// The object named by `x-amz-copy-source`.
    SourceObject,
    /// `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`
    AccessPoint,
    /// `arn:aws:s3:REGION:ACCOUNT:job/ID`
    Job,
    /// The ARN in the request's path.
    Named,
}

/// One pair that must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The action.
    pub action: Action<'static>,
    /// On what.
    pub on: On,
}

/// An operation of the table.
#[derive(Debug)]
pub struct Operation {
    /// Its API.
    pub api: Api,
    /// Its name in the public API model, for example `ListObjectsV2`; `PostObject` for form uploads.
    pub name: &'static str,
    /// False for operations of S3 features that Adit has not: answer 501 `NotImplemented`. They are
    /// in the table so that a front door can tell "unknown" from "known and refused".
    pub supported: bool,
    rows: &'static [Row],
}

#[derive(Debug)]
struct Row {
    action: Action<'static>,
    /// The action instead, when there is a version id.
    versioned: Option<Action<'static>>,
    on: On,
    when: When,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Always,
    Acl,
    Tagging,
    CopiesTags,
    Retention,
    LegalHold,
    Bypass,
    ObjectLock,
    Ownership,
    Tags,
}

impl Operation {
    /// Finds an operation by its exact name.
    pub fn find(api: Api, name: &str) -> Option<&'static Operation> {
        let order = |operation: &Operation| (operation.api, operation.name).cmp(&(api, name));
        TABLE
            .binary_search_by(order)
            .ok()
            .and_then(|at| TABLE.get(at))
    }

    /// All operations, ordered by API and name.
    pub fn all() -> &'static [Operation] {
        TABLE
    }

    /// The pairs that must all be allowed, the main one first (for copies: the source first). Empty
    /// only for operations that are not supported.
    pub fn needs(&'static self, facts: &Facts) -> impl Iterator<Item = Need> + use<> {
        let facts = *facts;
        self.rows
            .iter()
            .filter(move |row| row.when.holds(&facts))
            .map(move |row| {
                let version = match row.on {
                    On::SourceObject => facts.source_version_id,
                    _ => facts.version_id,
                };
                let action = row.versioned.filter(|_| version).unwrap_or(row.action);
                Need { action, on: row.on }
            })
    }
}

impl When {
    fn holds(self, facts: &Facts) -> bool {
        match self {
            When::Always => true,
            When::Acl => facts.acl,
            When::Tagging => facts.tagging,
            When::CopiesTags => facts.copies_tags,
            When::Retention => facts.retention,
            When::LegalHold => facts.legal_hold,
            When::Bypass => facts.bypass_governance,
            When::ObjectLock => facts.object_lock,
            When::Ownership => facts.ownership,
            When::Tags => facts.tags,
        }
    }
}

/// Whether only the bucket owner's account may do the action, whatever policies say; other callers
/// are answered 405 `MethodNotAllowed`.
pub fn is_owner_only(action: &str) -> bool {
    [
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
    ]
    .iter()
    .any(|name| name.eq_ignore_ascii_case(action))
}

macro_rules! action {
    ($name:ident) => {
        Action::known(
            concat!("s3:", stringify!($name)),
            ActionId::of(concat!("s3:", stringify!($name))),
        )
    };
}

macro_rules! versioned {
    () => {
        None
    };
    ($name:ident) => {
        Some(action!($name))
    };
}

macro_rules! when {
    () => {
        When::Always
    };
    ($when:ident) => {
        When::$when
    };
}

macro_rules! supported {
    () => {
        false
    };
    ($($row:tt)+) => {
        true
    };
}

/// `Name: Action / VersionedAction on Resource when Fact, …;` A name without rows is not supported.
macro_rules! operations {
    ($($api:ident { $($name:ident:
        $($action:ident $(/ $versioned:ident)? on $on:ident $(when $when:ident)?),* ;)* })*) => {
        static TABLE: &[Operation] = &[$($(Operation {
            api: Api::$api,
            name: stringify!($name),
            supported: supported!($($action)*),
            rows: &[$(Row {
                action: action!($action),
                versioned: versioned!($($versioned)?),
                on: On::$on,
                when: when!($($when)?),
            },)*],
        },)*)*];
    };
}

operations! {
    S3 {
        AbortMultipartUpload: AbortMultipartUpload on Object;
        CompleteMultipartUpload: PutObject on Object;
        CopyObject:
            GetObject / GetObjectVersion on SourceObject,
            GetObjectTagging / GetObjectVersionTagging on SourceObject when CopiesTags,
            PutObject on Object,
            PutObjectAcl on Object when Acl,
            PutObjectTagging on Object when Tagging,
            PutObjectTagging on Object when CopiesTags,
            PutObjectRetention on Object when Retention,
            PutObjectLegalHold on Object when LegalHold;
        CreateBucket:
            CreateBucket on Bucket,
            PutBucketAcl on Bucket when Acl,
            PutBucketObjectLockConfiguration on Bucket when ObjectLock,
            PutBucketVersioning on Bucket when ObjectLock,
            PutBucketOwnershipControls on Bucket when Ownership,
            TagResource on Bucket when Tags;
        CreateBucketMetadataConfiguration: ;
        CreateBucketMetadataTableConfiguration: ;
        CreateMultipartUpload:
            PutObject on Object,
            PutObjectAcl on Object when Acl,
            PutObjectTagging on Object when Tagging,
            PutObjectRetention on Object when Retention,
            PutObjectLegalHold on Object when LegalHold;
        CreateSession: ;
        DeleteBucket: DeleteBucket on Bucket;
        DeleteBucketAnalyticsConfiguration: PutAnalyticsConfiguration on Bucket;
        DeleteBucketCors: PutBucketCORS on Bucket;
        DeleteBucketEncryption: PutEncryptionConfiguration on Bucket;
        DeleteBucketIntelligentTieringConfiguration: PutIntelligentTieringConfiguration on Bucket;
        DeleteBucketInventoryConfiguration: PutInventoryConfiguration on Bucket;
        DeleteBucketLifecycle: PutLifecycleConfiguration on Bucket;
        DeleteBucketMetadataConfiguration: ;
        DeleteBucketMetadataTableConfiguration: ;
        DeleteBucketMetricsConfiguration: PutMetricsConfiguration on Bucket;
        DeleteBucketOwnershipControls: PutBucketOwnershipControls on Bucket;
        DeleteBucketPolicy: DeleteBucketPolicy on Bucket;
        DeleteBucketReplication: PutReplicationConfiguration on Bucket;
        DeleteBucketTagging: PutBucketTagging on Bucket;
        DeleteBucketWebsite: DeleteBucketWebsite on Bucket;
        DeleteObject:
            DeleteObject / DeleteObjectVersion on Object,
            BypassGovernanceRetention on Object when Bypass;
        DeleteObjectTagging: DeleteObjectTagging / DeleteObjectVersionTagging on Object;
        DeleteObjects:
            DeleteObject / DeleteObjectVersion on Object,
            BypassGovernanceRetention on Object when Bypass;
        DeletePublicAccessBlock: PutBucketPublicAccessBlock on Bucket;
        GetBucketAbac: GetBucketAbac on Bucket;
        GetBucketAccelerateConfiguration: GetAccelerateConfiguration on Bucket;
        GetBucketAcl: GetBucketAcl on Bucket;
        GetBucketAnalyticsConfiguration: GetAnalyticsConfiguration on Bucket;
        GetBucketCors: GetBucketCORS on Bucket;
        GetBucketEncryption: GetEncryptionConfiguration on Bucket;
        GetBucketIntelligentTieringConfiguration: GetIntelligentTieringConfiguration on Bucket;
        GetBucketInventoryConfiguration: GetInventoryConfiguration on Bucket;
        GetBucketLifecycle: GetLifecycleConfiguration on Bucket;
        GetBucketLifecycleConfiguration: GetLifecycleConfiguration on Bucket;
        GetBucketLocation: GetBucketLocation on Bucket;
        GetBucketLogging: GetBucketLogging on Bucket;
        GetBucketMetadataConfiguration: ;
        GetBucketMetadataTableConfiguration: ;
        GetBucketMetricsConfiguration: GetMetricsConfiguration on Bucket;
        GetBucketNotification: GetBucketNotification on Bucket;
        GetBucketNotificationConfiguration: GetBucketNotification on Bucket;
        GetBucketOwnershipControls: GetBucketOwnershipControls on Bucket;
        GetBucketPolicy: GetBucketPolicy on Bucket;
        GetBucketPolicyStatus: GetBucketPolicyStatus on Bucket;
        GetBucketReplication: GetReplicationConfiguration on Bucket;
        GetBucketRequestPayment: GetBucketRequestPayment on Bucket;
        GetBucketTagging: GetBucketTagging on Bucket;
        GetBucketVersioning: GetBucketVersioning on Bucket;
        GetBucketWebsite: GetBucketWebsite on Bucket;
        GetObject: GetObject / GetObjectVersion on Object;
        GetObjectAcl: GetObjectAcl / GetObjectVersionAcl on Object;
        GetObjectAttributes: GetObject / GetObjectVersion on Object;
        GetObjectLegalHold: GetObjectLegalHold on Object;
        GetObjectLockConfiguration: GetBucketObjectLockConfiguration on Bucket;
        GetObjectRetention: GetObjectRetention on Object;
        GetObjectTagging: GetObjectTagging / GetObjectVersionTagging on Object;
        GetObjectTorrent: GetObjectTorrent on Object;
        GetPublicAccessBlock: GetBucketPublicAccessBlock on Bucket;
        HeadBucket: ListBucket on Bucket;
        HeadObject: GetObject / GetObjectVersion on Object;
        ListBucketAnalyticsConfigurations: GetAnalyticsConfiguration on Bucket;
        ListBucketIntelligentTieringConfigurations: GetIntelligentTieringConfiguration on Bucket;
        ListBucketInventoryConfigurations: GetInventoryConfiguration on Bucket;
        ListBucketMetricsConfigurations: GetMetricsConfiguration on Bucket;
        ListBuckets: ListAllMyBuckets on Account;
        ListDirectoryBuckets: ;
        ListMultipartUploads: ListBucketMultipartUploads on Bucket;
        ListObjectVersions: ListBucketVersions on Bucket;
        ListObjects: ListBucket on Bucket;
        ListObjectsV2: ListBucket on Bucket;
        ListParts: ListMultipartUploadParts on Object;
        PostObject:
            PutObject on Object,
            PutObjectAcl on Object when Acl,
            PutObjectTagging on Object when Tagging,
            PutObjectRetention on Object when Retention,
            PutObjectLegalHold on Object when LegalHold;
        PutBucketAbac: PutBucketAbac on Bucket;
        PutBucketAccelerateConfiguration: PutAccelerateConfiguration on Bucket;
        PutBucketAcl: PutBucketAcl on Bucket;
        PutBucketAnalyticsConfiguration: PutAnalyticsConfiguration on Bucket;
        PutBucketCors: PutBucketCORS on Bucket;
        PutBucketEncryption: PutEncryptionConfiguration on Bucket;
        PutBucketIntelligentTieringConfiguration: PutIntelligentTieringConfiguration on Bucket;
        PutBucketInventoryConfiguration: PutInventoryConfiguration on Bucket;
        PutBucketLifecycle: PutLifecycleConfiguration on Bucket;
        PutBucketLifecycleConfiguration: PutLifecycleConfiguration on Bucket;
        PutBucketLogging: PutBucketLogging on Bucket;
        PutBucketMetricsConfiguration: PutMetricsConfiguration on Bucket;
        PutBucketNotification: PutBucketNotification on Bucket;
        PutBucketNotificationConfiguration: PutBucketNotification on Bucket;
        PutBucketOwnershipControls: PutBucketOwnershipControls on Bucket;
        PutBucketPolicy: PutBucketPolicy on Bucket;
        PutBucketReplication: PutReplicationConfiguration on Bucket;
        PutBucketRequestPayment: PutBucketRequestPayment on Bucket;
        PutBucketTagging: PutBucketTagging on Bucket;
        PutBucketVersioning: PutBucketVersioning on Bucket;
        PutBucketWebsite: PutBucketWebsite on Bucket;
        PutObject:
            PutObject on Object,
            PutObjectAcl on Object when Acl,
            PutObjectTagging on Object when Tagging,
            PutObjectRetention on Object when Retention,
            PutObjectLegalHold on Object when LegalHold;
        PutObjectAcl: PutObjectAcl / PutObjectVersionAcl on Object;
        PutObjectLegalHold: PutObjectLegalHold on Object;
        PutObjectLockConfiguration: PutBucketObjectLockConfiguration on Bucket;
        PutObjectRetention:
            PutObjectRetention on Object,
            BypassGovernanceRetention on Object when Bypass;
        PutObjectTagging: PutObjectTagging / PutObjectVersionTagging on Object;
        PutPublicAccessBlock: PutBucketPublicAccessBlock on Bucket;
        RenameObject: ;
        RestoreObject: RestoreObject on Object;
        SelectObjectContent: GetObject on Object;
        UpdateBucketMetadataInventoryTableConfiguration: ;
        UpdateBucketMetadataJournalTableConfiguration: ;
        UpdateObjectEncryption: UpdateObjectEncryption on Object, PutObject on Object;
        UploadPart: PutObject on Object;
        UploadPartCopy: GetObject / GetObjectVersion on SourceObject, PutObject on Object;
        WriteGetObjectResponse: ;
    }
    S3Control {
        AssociateAccessGrantsIdentityCenter: ;
        CreateAccessGrant: ;
        CreateAccessGrantsInstance: ;
        CreateAccessGrantsLocation: ;
        CreateAccessPoint: CreateAccessPoint on AccessPoint, TagResource on AccessPoint when Tags;
        CreateAccessPointForObjectLambda: ;
        CreateBucket: ;
        CreateJob: CreateJob on Account;
        CreateMultiRegionAccessPoint: ;
        CreateStorageLensGroup: ;
        DeleteAccessGrant: ;
        DeleteAccessGrantsInstance: ;
        DeleteAccessGrantsInstanceResourcePolicy: ;
        DeleteAccessGrantsLocation: ;
        DeleteAccessPoint: DeleteAccessPoint on AccessPoint;
        DeleteAccessPointForObjectLambda: ;
        DeleteAccessPointPolicy: DeleteAccessPointPolicy on AccessPoint;
        DeleteAccessPointPolicyForObjectLambda: ;
        DeleteAccessPointScope: ;
        DeleteBucket: ;
        DeleteBucketLifecycleConfiguration: ;
        DeleteBucketPolicy: ;
        DeleteBucketReplication: ;
        DeleteBucketTagging: ;
        DeleteJobTagging: DeleteJobTagging on Job;
        DeleteMultiRegionAccessPoint: ;
        DeletePublicAccessBlock: PutAccountPublicAccessBlock on Account;
        DeleteStorageLensConfiguration: ;
        DeleteStorageLensConfigurationTagging: ;
        DeleteStorageLensGroup: ;
        DescribeJob: DescribeJob on Job;
        DescribeMultiRegionAccessPointOperation: ;
        DissociateAccessGrantsIdentityCenter: ;
        GetAccessGrant: ;
        GetAccessGrantsInstance: ;
        GetAccessGrantsInstanceForPrefix: ;
        GetAccessGrantsInstanceResourcePolicy: ;
        GetAccessGrantsLocation: ;
        GetAccessPoint: GetAccessPoint on Account;
        GetAccessPointConfigurationForObjectLambda: ;
        GetAccessPointForObjectLambda: ;
        GetAccessPointPolicy: GetAccessPointPolicy on AccessPoint;
        GetAccessPointPolicyForObjectLambda: ;
        GetAccessPointPolicyStatus: GetAccessPointPolicyStatus on AccessPoint;
        GetAccessPointPolicyStatusForObjectLambda: ;
        GetAccessPointScope: ;
        GetBucket: ;
        GetBucketLifecycleConfiguration: ;
        GetBucketPolicy: ;
        GetBucketReplication: ;
        GetBucketTagging: ;
        GetBucketVersioning: ;
        GetDataAccess: ;
        GetJobTagging: GetJobTagging on Job;
        GetMultiRegionAccessPoint: ;
        GetMultiRegionAccessPointPolicy: ;
        GetMultiRegionAccessPointPolicyStatus: ;
        GetMultiRegionAccessPointRoutes: ;
        GetPublicAccessBlock: GetAccountPublicAccessBlock on Account;
        GetStorageLensConfiguration: ;
        GetStorageLensConfigurationTagging: ;
        GetStorageLensGroup: ;
        ListAccessGrants: ;
        ListAccessGrantsInstances: ;
        ListAccessGrantsLocations: ;
        ListAccessPoints: ListAccessPoints on Account;
        ListAccessPointsForDirectoryBuckets: ;
        ListAccessPointsForObjectLambda: ;
        ListCallerAccessGrants: ;
        ListJobs: ListJobs on Account;
        ListMultiRegionAccessPoints: ;
        ListRegionalBuckets: ;
        ListStorageLensConfigurations: ;
        ListStorageLensGroups: ;
        ListTagsForResource: ListTagsForResource on Named;
        PutAccessGrantsInstanceResourcePolicy: ;
        PutAccessPointConfigurationForObjectLambda: ;
        PutAccessPointPolicy: PutAccessPointPolicy on AccessPoint;
        PutAccessPointPolicyForObjectLambda: ;
        PutAccessPointScope: ;
        PutBucketLifecycleConfiguration: ;
        PutBucketPolicy: ;
        PutBucketReplication: ;
        PutBucketTagging: ;
        PutBucketVersioning: ;
        PutJobTagging: PutJobTagging on Job;
        PutMultiRegionAccessPointPolicy: ;
        PutPublicAccessBlock: PutAccountPublicAccessBlock on Account;
        PutStorageLensConfiguration: ;
        PutStorageLensConfigurationTagging: ;
        SubmitMultiRegionAccessPointRoutes: ;
        TagResource: TagResource on Named;
        UntagResource: UntagResource on Named;
        UpdateAccessGrantsLocation: ;
        UpdateJobPriority: UpdateJobPriority on Job;
        UpdateJobStatus: UpdateJobStatus on Job;
        UpdateStorageLensGroup: ;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_needs_something() {
        for pair in TABLE.windows(2) {
            let order = |operation: &Operation| (operation.api, operation.name);
            assert!(order(&pair[0]) < order(&pair[1]), "{}", pair[1].name);
        }
        for operation in Operation::all() {
            let found = Operation::find(operation.api, operation.name).unwrap();
            assert!(std::ptr::eq(found, operation));
            assert_eq!(
                operation.needs(&Facts::default()).count() > 0,
                operation.supported
            );
        }
        assert!(Operation::find(Api::S3, "GetObjects").is_none());
    }
}
