"""S3: buckets, their settings, and objects."""

import datetime
import json

from ..scenario import Pages, Step, Wait

B = {"Bucket": "reports"}
O = {"Bucket": "reports", "Key": "a/b.txt"}
L = {"Bucket": "locks"}
LATER = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
DENY = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/closed/*",
}})
LOGS_MAY_COME = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::access-logs/*",
}})

BUCKETS = [
    Step("CreateBucket", B),
    Wait("BucketExists", B),
    Step("HeadBucket", B),
    Step("GetBucketLocation", B),
    Step("ListBuckets"),
    Step("PutBucketPolicy", B | {"Policy": DENY}),
    Step("GetBucketPolicy", B),
    Step("GetBucketPolicyStatus", B),
    Step("DeleteBucketPolicy", B),
    Step("PutBucketTagging", B | {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    Step("GetBucketTagging", B),
    Step("DeleteBucketTagging", B),
    Step("PutPublicAccessBlock", B | {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}),
    Step("GetPublicAccessBlock", B),
    Step("DeletePublicAccessBlock", B),
    Step("PutBucketOwnershipControls", B | {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
    Step("GetBucketOwnershipControls", B),
    Step("DeleteBucketOwnershipControls", B),
    Step("PutBucketAcl", B | {"ACL": "private"}),
    Step("GetBucketAcl", B),
    Step("PutBucketCors", B | {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
    Step("GetBucketCors", B),
    Step("DeleteBucketCors", B),
    Step("PutBucketLifecycleConfiguration", B | {"LifecycleConfiguration": {"Rules": [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}},
    ]}}),
    Step("GetBucketLifecycleConfiguration", B),
    Step("DeleteBucketLifecycle", B),
    Step("PutBucketEncryption", B | {"ServerSideEncryptionConfiguration": {"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
    ]}}),
    Step("GetBucketEncryption", B),
    Step("DeleteBucketEncryption", B),
    Step("CreateBucket", {"Bucket": "access-logs"}),
    Step("PutBucketPolicy", {"Bucket": "access-logs", "Policy": LOGS_MAY_COME}),
    Step("PutBucketLogging", B | {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "access-logs", "TargetPrefix": "r/"}}}),
    Step("GetBucketLogging", B),
    Step("PutBucketLogging", B | {"BucketLoggingStatus": {}}),
    # What nobody set: each has its own way of saying so.
    Step("GetBucketWebsite", B, refused="NoSuchWebsiteConfiguration"),
    Step("DeleteBucketWebsite", B),
    Step("GetBucketReplication", B, refused="ReplicationConfigurationNotFoundError"),
    Step("DeleteBucketReplication", B),
    Step("CreateBucket", L | {"ObjectLockEnabledForBucket": True}),
    Step("PutObjectLockConfiguration", L | {"ObjectLockConfiguration": {
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
    }}),
    Step("GetObjectLockConfiguration", L),
    Step("GetBucketAccelerateConfiguration", B),
    Step("GetBucketNotificationConfiguration", B),
    Step("PutBucketNotificationConfiguration", B | {"NotificationConfiguration": {}}),
    Step("GetBucketRequestPayment", B),
    Step("PutBucketRequestPayment", B | {"RequestPaymentConfiguration": {"Payer": "BucketOwner"}}),
    Step("ListBucketAnalyticsConfigurations", B),
    Step("ListBucketInventoryConfigurations", B),
    Step("ListBucketMetricsConfigurations", B),
    Step("ListBucketIntelligentTieringConfigurations", B),
    Step("PutBucketVersioning", B | {"VersioningConfiguration": {"Status": "Enabled"}}),
    Step("GetBucketVersioning", B),
]

OBJECTS = [
    Step("PutObject", O | {"Body": b"one", "Metadata": {"colour": "red"}, "ContentType": "text/plain"}),
    Wait("ObjectExists", O),
    Step("HeadObject", O),
    Step("GetObject", O),
    Step("GetObject", O | {"Range": "bytes=0-1"}),
    Step("GetObjectAttributes", O | {"ObjectAttributes": ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]}),
    Step("GetObjectAcl", O),
    Step("PutObjectAcl", O | {"ACL": "private"}),
    Step("PutObjectTagging", O | {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    Step("GetObjectTagging", O),
    Step("DeleteObjectTagging", O),
    Step("PutObject", L | {"Key": "k", "Body": b"x"}),
    Step("PutObjectRetention", L | {"Key": "k", "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": LATER}}),
    Step("GetObjectRetention", L | {"Key": "k"}),
    Step("PutObjectLegalHold", L | {"Key": "k", "LegalHold": {"Status": "ON"}}),
    Step("GetObjectLegalHold", L | {"Key": "k"}),
    Step("CopyObject", {"Bucket": "reports", "Key": "copy", "CopySource": "reports/a/b.txt"}),
    Step("CreateMultipartUpload", {"Bucket": "reports", "Key": "big"}, keep={"upload": "UploadId"}),
    Step("UploadPart", {"Bucket": "reports", "Key": "big", "UploadId": "$upload", "PartNumber": 1, "Body": b"x" * (5 << 20)},
         keep={"part_1": "ETag"}),
    Step("UploadPartCopy", {"Bucket": "reports", "Key": "big", "UploadId": "$upload", "PartNumber": 2,
                            "CopySource": "reports/a/b.txt"}, keep={"part_2": "CopyPartResult.ETag"}),
    Step("ListParts", {"Bucket": "reports", "Key": "big", "UploadId": "$upload"}),
    Step("ListMultipartUploads", B),
    Pages("ListParts", {"Bucket": "reports", "Key": "big", "UploadId": "$upload"}, single=True),
    Step("CompleteMultipartUpload", {"Bucket": "reports", "Key": "big", "UploadId": "$upload", "MultipartUpload": {
        "Parts": [{"PartNumber": 1, "ETag": "$part_1"}, {"PartNumber": 2, "ETag": "$part_2"}],
    }}),
    Step("CreateMultipartUpload", {"Bucket": "reports", "Key": "left"}, keep={"upload": "UploadId"}),
    Step("AbortMultipartUpload", {"Bucket": "reports", "Key": "left", "UploadId": "$upload"}),
    Step("PutObject", {"Bucket": "reports", "Key": "n$n", "Body": b"x"}, times=5),
    Step("CreateMultipartUpload", {"Bucket": "reports", "Key": "up$n"}, times=5),
    Step("ListObjects", B),
    Step("ListObjectsV2", B | {"Delimiter": "/", "FetchOwner": True}),
    Step("DeleteObject", {"Bucket": "reports", "Key": "n1"}),
    Step("ListObjectVersions", B),
    Step("CreateBucket", {"Bucket": "reports-$n"}, times=5),
    # With a limit, as pages have, buckets show their Region.
    Pages("ListBuckets", {"MaxBuckets": 1000}),
    Pages("ListObjects", B),
    Pages("ListObjectsV2", B),
    Pages("ListObjectVersions", B),
    Pages("ListMultipartUploads", B),
    Step("DeleteObjects", B | {"Delete": {"Objects": [{"Key": "copy"}, {"Key": "n2"}]}}),
    Wait("ObjectNotExists", {"Bucket": "reports", "Key": "copy"}),
    Step("DeleteBucket", {"Bucket": "reports-1"}),
    Wait("BucketNotExists", {"Bucket": "reports-1"}),
]

STEPS = [*BUCKETS, *OBJECTS]
