"""ACLs, Object Ownership and default encryption, as boto3 sees them, with callers of two accounts and none."""

import os
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from harness.expect import refused

ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
OFF = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False)


@pytest.fixture(scope="module")
def partner(installation):
    """S3 as the root of another account."""
    said = installation.adit("account", "create", "partner").stdout
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    keys = {"AccessKeyId": shown["AWS_ACCESS_KEY_ID"], "SecretAccessKey": shown["AWS_SECRET_ACCESS_KEY"]}
    client = installation.client_of("s3", keys)
    client.me = client.list_buckets()["Owner"]["ID"]
    return client


@pytest.fixture(scope="module")
def nobody(installation):
    """S3 without credentials."""
    exports = installation.env()
    return boto3.session.Session().client(
        "s3", endpoint_url=exports["AWS_ENDPOINT_URL"], region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def open_bucket(installation, ownership="ObjectWriter"):
    """A bucket with ACLs and without Block Public Access."""
    bucket = installation.bucket()
    installation.s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]}
    )
    installation.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OFF)
    return bucket


def test_new_buckets_have_no_acls(installation, nobody):
    s3, bucket = installation.s3, installation.bucket()
    with refused("AccessControlListNotSupported", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with refused("AccessControlListNotSupported", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="k")
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.create_bucket(Bucket=bucket + "-2", ACL="public-read")
    assert [g["Permission"] for g in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]] == ["FULL_CONTROL"]


def test_public_lists_open_buckets_and_objects(installation, nobody):
    s3, bucket = installation.s3, open_bucket(installation)
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x")
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="open")["Body"].read() == b"x"
    for key in ("shut", "none"):
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=bucket, Key=key)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert {k["Key"] for k in nobody.list_objects_v2(Bucket=bucket)["Contents"]} == {"open", "shut"}
    with refused("NoSuchKey", 404):
        nobody.get_object(Bucket=bucket, Key="none")
    with refused("AccessDenied", 403):
        nobody.put_object(Bucket=bucket, Key="new", Body=b"x")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert {"Grantee": {"Type": "Group", "URI": ALL}, "Permission": "READ"} in grants
    # A copy and a part-wise upload have lists of their own.
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/open")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="copy")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"y")["ETag"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    assert nobody.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"y"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OFF | {"IgnorePublicAcls": True})
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=bucket, Key="open")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OFF | {"BlockPublicAcls": True})
    with refused("AccessDenied", 403, "BlockPublicAcls"):
        s3.put_object_acl(Bucket=bucket, Key="shut", ACL="public-read")
    with refused("AccessDenied", 403, "BlockPublicAcls"):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")


def test_objects_of_another_account(installation, partner):
    s3, bucket = installation.s3, open_bucket(installation)
    s3.put_bucket_acl(Bucket=bucket, GrantWrite=f"id={partner.me}")
    partner.put_object(Bucket=bucket, Key="theirs", Body=b"x")
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="theirs")
    acl = partner.get_object_acl(Bucket=bucket, Key="theirs")
    assert acl["Owner"]["ID"] == partner.me
    mine = s3.list_buckets()["Owner"]["ID"]
    acl["Grants"].append({"Grantee": {"Type": "CanonicalUser", "ID": mine}, "Permission": "READ"})
    partner.put_object_acl(
        Bucket=bucket, Key="theirs", AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]}
    )
    assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"x"
    listed = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]
    assert [k["Owner"]["ID"] for k in listed] == [partner.me]
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    )
    partner.put_object(Bucket=bucket, Key="given", Body=b"x", ACL="bucket-owner-full-control")
    assert s3.get_object_acl(Bucket=bucket, Key="given")["Owner"]["ID"] == mine
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
    s3.delete_object(Bucket=bucket, Key="theirs")


def test_a_policy_may_demand_a_list(installation, partner):
    """The known recipe: others may write only if they leave what they write to the bucket's owner."""
    s3, bucket = installation.s3, open_bucket(installation)
    account = {"AWS": "*"}
    installation.put_policy(bucket, {
        "Effect": "Allow", "Principal": account, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    })
    with refused("AccessDenied", 403):
        partner.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("AccessDenied", 403):
        partner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="private")
    partner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_what_a_bucket_seals_by_default(installation):
    s3, bucket = installation.s3, installation.bucket()
    body = os.urandom(200_000)
    plain = s3.put_object(Bucket=bucket, Key="plain", Body=body)
    assert "ServerSideEncryption" not in plain
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}],
    })
    assert s3.put_object(Bucket=bucket, Key="sealed", Body=body)["ServerSideEncryption"] == "AES256"
    assert s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/plain")["ServerSideEncryption"] == "AES256"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")
    assert upload["ServerSideEncryption"] == "AES256"
    ids = {"Bucket": bucket, "Key": "parts", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**ids, PartNumber=1, Body=body)
    assert part["ServerSideEncryption"] == "AES256"
    done = s3.complete_multipart_upload(**ids, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert done["ServerSideEncryption"] == "AES256"
    for key in ("sealed", "copy", "parts"):
        got = s3.get_object(Bucket=bucket, Key=key)
        assert (got["Body"].read(), got["ServerSideEncryption"]) == (body, "AES256")
        assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=70000-70009")["Body"].read() == body[70000:70010]
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="plain")
    blobs = [path.read_bytes() for path in (Path(installation.env()["AWS_CA_BUNDLE"]).parents[1] / "objects" / "blobs").rglob("*") if path.is_file()]
    assert sum(body[:1000] in blob for blob in blobs) == 1, "only the plain one's bytes are on disk"
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="other", Body=b"x", ServerSideEncryption="aws:kms")
