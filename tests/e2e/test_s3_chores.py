"""What the front door does by itself: lifecycle rules and access logs, on a daemon that does both often."""

import re
import time

import pytest
from harness.expect import refused
from harness.installation import ACCOUNT, Installation


@pytest.fixture(scope="module")
def installation():
    config = '[s3]\naccess_log_seconds = 1\ndefault_encryption = "AES256"\n[s3.limits]\nhead_bytes = 8192\n'
    with Installation(config=config) as running:
        yield running


def until(what, seconds=20):
    """What `what()` returns once it returns something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def test_rules_are_applied_soon_after_they_are_made(installation):
    s3, bucket = installation.s3, installation.bucket()
    for key in ("tmp/a", "tmp/b", "kept"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="tmp/tagged", Body=b"x", Tagging="keep=yes")
    rules = [
        {"ID": "past", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Date": "2024-01-01T00:00:00Z"}},
        {"ID": "later", "Status": "Enabled", "Filter": {"Prefix": "kept"}, "Expiration": {"Days": 3}},
        {"ID": "off", "Status": "Disabled", "Filter": {}, "Expiration": {"Date": "2024-01-01T00:00:00Z"}},
    ]
    rules[0]["Filter"] = {"And": {"Prefix": "tmp/", "ObjectSizeGreaterThan": 0}}
    with refused("InvalidArgument", 400, "midnight"):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
            {"ID": "noon", "Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2024-01-01T12:00:00Z"}},
        ]})
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    until(lambda: [k["Key"] for k in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"])
    assert 'rule-id="later"' in s3.head_object(Bucket=bucket, Key="kept")["Expiration"]
    # In a bucket with versions a marker covers what goes.
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="tmp/c", Body=b"x")["VersionId"]
    rules[0]["ID"] = "again"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    markers = until(lambda: s3.list_object_versions(Bucket=bucket).get("DeleteMarkers"))
    assert [m["Key"] for m in markers] == ["tmp/c"]
    assert s3.get_object(Bucket=bucket, Key="tmp/c", VersionId=version)["Body"].read() == b"x"


def test_access_logs_come_to_their_bucket(installation):
    s3, source, target = installation.s3, installation.bucket(), installation.bucket()
    with refused("InvalidTargetBucketForLogging", 400):
        s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": "never-was-here", "TargetPrefix": ""},
        })
    status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "logs/"}}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status)
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"] == status["LoggingEnabled"]
    installation.put_policy(target, {
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/logs/*", "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    })
    s3.put_object(Bucket=source, Key="a b", Body=b"hello")
    got = s3.get_object(Bucket=source, Key="a b")
    assert got["Body"].read() == b"hello"
    request = got["ResponseMetadata"]["RequestId"]

    def lines(of=request):
        keys = [k["Key"] for k in s3.list_objects_v2(Bucket=target).get("Contents", [])]
        assert all(re.fullmatch(r"logs/\d{4}(-\d\d){5}-[0-9A-F]{16}", key) for key in keys), keys
        text = "".join(s3.get_object(Bucket=target, Key=key)["Body"].read().decode() for key in keys)
        return [line for line in text.splitlines() if of in line]

    def split(line):
        fields = re.findall(r'\[[^\]]*\]|"[^"]*"|\S+', line)
        assert len(fields) == 26, fields
        return fields

    (line,) = until(lines)
    fields = split(line)
    assert fields[1] == source and fields[6:8] == ["REST.GET.OBJECT", "a%20b"]
    assert fields[9:13] == ["200", "-", "5", "5"] and fields[19:22] == ["SigV4", "-", "AuthHeader"], fields
    assert "boto3" in fields[16].lower() or "botocore" in fields[16].lower()
    # What deletes many keys has a line for each.
    gone = s3.delete_objects(Bucket=source, Delete={"Objects": [{"Key": "a b"}, {"Key": "never there"}]})
    request = gone["ResponseMetadata"]["RequestId"]
    found = until(lambda: [split(line) for line in lines(request)])
    assert [(fields[6], fields[7], fields[9]) for fields in found] == [
        ("REST.POST.MULTI_OBJECT_DELETE", "-", "200"),
        ("BATCH.DELETE.OBJECT", "a%20b", "204"),
        ("BATCH.DELETE.OBJECT", "never%20there", "204"),
    ]
    # And so has what goes by itself.
    s3.put_object(Bucket=source, Key="old", Body=b"12345")
    s3.put_bucket_lifecycle_configuration(Bucket=source, LifecycleConfiguration={"Rules": [
        {"ID": "past", "Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2024-01-01T00:00:00Z"}},
    ]})
    (line,) = until(lambda: lines("S3.EXPIRE.OBJECT"))
    fields = split(line)
    assert (fields[3], fields[4], fields[7], fields[12]) == ("-", "AmazonS3", "old", "5")
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_new_buckets_seal_where_the_installation_says_so(installation):
    s3, bucket = installation.s3, installation.bucket()
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"hello")["ServerSideEncryption"] == "AES256"
    # Every step of an upload says so.
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload["UploadId"]}
    part = s3.upload_part_copy(**where, PartNumber=1, CopySource={"Bucket": bucket, "Key": "k"})
    assert part["ServerSideEncryption"] == upload["ServerSideEncryption"] == "AES256"
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    assert s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})["ServerSideEncryption"] == "AES256"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="k", Body=b"hello")


def test_limits_are_the_configurations(installation):
    with refused(("RequestHeaderSectionTooLarge", "MetadataTooLarge", "InvalidRequest", "400"), 400):
        installation.s3.put_object(Bucket=installation.bucket(), Key="k", Metadata={"a": "x" * 9000})
