//! Which pairs an operation needs.

use adit_policy::actions::{Api, Facts, On, Operation};

/// `action@resource` of each need.
fn needs(api: Api, name: &str, facts: Facts) -> String {
    let operation = Operation::find(api, name).unwrap_or_else(|| panic!("{name}"));
    let needs = operation.needs(&facts).map(|need| {
        let on = match need.on {
            On::Account => "*",
            On::Bucket => "B",
            On::Object => "O",
            On::SourceObject => "S",
            On::AccessPoint => "AP",
            On::Job => "J",
            On::Named => "ARN",
        };
        format!("{}@{on}", need.action.name().trim_start_matches("s3:"))
    });
    needs.collect::<Vec<_>>().join(" ")
}

#[test]
fn bucket_operations() {
    let none = Facts::default();
    for (name, expected) in [
        ("ListBuckets", "ListAllMyBuckets@*"),
        ("CreateBucket", "CreateBucket@B"),
        ("HeadBucket", "ListBucket@B"),
        ("DeleteBucket", "DeleteBucket@B"),
        ("ListObjects", "ListBucket@B"),
        ("ListObjectsV2", "ListBucket@B"),
        ("ListObjectVersions", "ListBucketVersions@B"),
        ("ListMultipartUploads", "ListBucketMultipartUploads@B"),
        ("GetBucketLocation", "GetBucketLocation@B"),
        ("GetBucketAcl", "GetBucketAcl@B"),
        ("PutBucketAcl", "PutBucketAcl@B"),
        ("DeleteBucketPolicy", "DeleteBucketPolicy@B"),
        ("GetBucketPolicyStatus", "GetBucketPolicyStatus@B"),
        ("GetBucketCors", "GetBucketCORS@B"),
        ("DeleteBucketCors", "PutBucketCORS@B"),
        ("GetBucketEncryption", "GetEncryptionConfiguration@B"),
        ("DeleteBucketEncryption", "PutEncryptionConfiguration@B"),
        (
            "GetBucketLifecycleConfiguration",
            "GetLifecycleConfiguration@B",
        ),
        ("DeleteBucketLifecycle", "PutLifecycleConfiguration@B"),
        ("DeleteBucketReplication", "PutReplicationConfiguration@B"),
        ("DeleteBucketTagging", "PutBucketTagging@B"),
        ("DeleteBucketWebsite", "DeleteBucketWebsite@B"),
        (
            "DeleteBucketOwnershipControls",
            "PutBucketOwnershipControls@B",
        ),
        ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock@B"),
        ("PutBucketVersioning", "PutBucketVersioning@B"),
        (
            "GetBucketNotificationConfiguration",
            "GetBucketNotification@B",
        ),
        ("PutBucketRequestPayment", "PutBucketRequestPayment@B"),
        (
            "GetBucketAccelerateConfiguration",
            "GetAccelerateConfiguration@B",
        ),
        (
            "PutObjectLockConfiguration",
            "PutBucketObjectLockConfiguration@B",
        ),
        (
            "ListBucketInventoryConfigurations",
            "GetInventoryConfiguration@B",
        ),
        (
            "DeleteBucketAnalyticsConfiguration",
            "PutAnalyticsConfiguration@B",
        ),
        ("PutBucketAbac", "PutBucketAbac@B"),
    ] {
        assert_eq!(needs(Api::S3, name, none), expected, "{name}");
    }
    let all = Facts {
        acl: true,
        object_lock: true,
        ownership: true,
        tags: true,
        ..none
    };
    assert_eq!(
        needs(Api::S3, "CreateBucket", all),
        "CreateBucket@B PutBucketAcl@B PutBucketObjectLockConfiguration@B PutBucketVersioning@B \
         PutBucketOwnershipControls@B TagResource@B"
    );
}

#[test]
fn object_operations() {
    let none = Facts::default();
    let version = Facts {
        version_id: true,
        ..none
    };
    for (name, expected, with_version) in [
        ("GetObject", "GetObject@O", "GetObjectVersion@O"),
        ("HeadObject", "GetObject@O", "GetObjectVersion@O"),
        ("GetObjectAttributes", "GetObject@O", "GetObjectVersion@O"),
        ("DeleteObject", "DeleteObject@O", "DeleteObjectVersion@O"),
        ("DeleteObjects", "DeleteObject@O", "DeleteObjectVersion@O"),
        ("GetObjectAcl", "GetObjectAcl@O", "GetObjectVersionAcl@O"),
        ("PutObjectAcl", "PutObjectAcl@O", "PutObjectVersionAcl@O"),
        (
            "GetObjectTagging",
            "GetObjectTagging@O",
            "GetObjectVersionTagging@O",
        ),
        (
            "PutObjectTagging",
            "PutObjectTagging@O",
            "PutObjectVersionTagging@O",
        ),
        (
            "DeleteObjectTagging",
            "DeleteObjectTagging@O",
            "DeleteObjectVersionTagging@O",
        ),
        (
            "GetObjectRetention",
            "GetObjectRetention@O",
            "GetObjectRetention@O",
        ),
        ("PutObject", "PutObject@O", "PutObject@O"),
        ("UploadPart", "PutObject@O", "PutObject@O"),
        ("CompleteMultipartUpload", "PutObject@O", "PutObject@O"),
        (
            "AbortMultipartUpload",
            "AbortMultipartUpload@O",
            "AbortMultipartUpload@O",
        ),
        (
            "ListParts",
            "ListMultipartUploadParts@O",
            "ListMultipartUploadParts@O",
        ),
        ("RestoreObject", "RestoreObject@O", "RestoreObject@O"),
        ("SelectObjectContent", "GetObject@O", "GetObject@O"),
        (
            "UploadPartCopy",
            "GetObject@S PutObject@O",
            "GetObject@S PutObject@O",
        ),
        (
            "UpdateObjectEncryption",
            "UpdateObjectEncryption@O PutObject@O",
            "UpdateObjectEncryption@O PutObject@O",
        ),
    ] {
        assert_eq!(needs(Api::S3, name, none), expected, "{name}");
        assert_eq!(
            needs(Api::S3, name, version),
            with_version,
            "{name} with a version"
        );
    }
}

#[test]
fn headers_add_actions() {
    let all = Facts {
        acl: true,
        tagging: true,
        retention: true,
        legal_hold: true,
        bypass_governance: true,
        ..Facts::default()
    };
    let put =
        "PutObject@O PutObjectAcl@O PutObjectTagging@O PutObjectRetention@O PutObjectLegalHold@O";
    for name in ["PutObject", "CreateMultipartUpload", "PostObject"] {
        assert_eq!(needs(Api::S3, name, all), put, "{name}");
    }
    assert_eq!(needs(Api::S3, "UploadPart", all), "PutObject@O");
    assert_eq!(
        needs(Api::S3, "DeleteObject", all),
        "DeleteObject@O BypassGovernanceRetention@O"
    );
    assert_eq!(
        needs(Api::S3, "PutObjectRetention", all),
        "PutObjectRetention@O BypassGovernanceRetention@O"
    );
    let copy = Facts {
        source_version_id: true,
        copies_tags: true,
        acl: true,
        ..Facts::default()
    };
    assert_eq!(
        needs(Api::S3, "CopyObject", copy),
        "GetObjectVersion@S GetObjectVersionTagging@S PutObject@O PutObjectAcl@O PutObjectTagging@O"
    );
    assert_eq!(
        needs(Api::S3, "CopyObject", Facts::default()),
        "GetObject@S PutObject@O"
    );
}

#[test]
fn control_operations() {
    for (name, expected) in [
        ("CreateAccessPoint", "CreateAccessPoint@AP"),
        ("GetAccessPoint", "GetAccessPoint@*"),
        ("DeleteAccessPoint", "DeleteAccessPoint@AP"),
        ("ListAccessPoints", "ListAccessPoints@*"),
        ("PutAccessPointPolicy", "PutAccessPointPolicy@AP"),
        (
            "GetAccessPointPolicyStatus",
            "GetAccessPointPolicyStatus@AP",
        ),
        ("GetPublicAccessBlock", "GetAccountPublicAccessBlock@*"),
        ("DeletePublicAccessBlock", "PutAccountPublicAccessBlock@*"),
        ("CreateJob", "CreateJob@*"),
        ("ListJobs", "ListJobs@*"),
        ("DescribeJob", "DescribeJob@J"),
        ("UpdateJobStatus", "UpdateJobStatus@J"),
        ("PutJobTagging", "PutJobTagging@J"),
        ("TagResource", "TagResource@ARN"),
        ("UntagResource", "UntagResource@ARN"),
        ("ListTagsForResource", "ListTagsForResource@ARN"),
    ] {
        assert_eq!(
            needs(Api::S3Control, name, Facts::default()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn what_is_not_supported_is_known_and_needs_nothing() {
    for (api, name) in [
        (Api::S3, "CreateSession"),
        (Api::S3, "RenameObject"),
        (Api::S3, "WriteGetObjectResponse"),
        (Api::S3, "CreateBucketMetadataConfiguration"),
        (Api::S3Control, "CreateMultiRegionAccessPoint"),
        (Api::S3Control, "PutAccessPointScope"),
        (Api::S3Control, "GetBucketPolicy"),
    ] {
        let operation = Operation::find(api, name).unwrap();
        assert!(!operation.supported, "{name}");
        assert_eq!(needs(api, name, Facts::default()), "", "{name}");
    }
    // 111 and 97 of the API models, and the form upload.
    assert_eq!(Operation::all().len(), 111 + 97 + 1);
}
