"""boto3 as an application uses it: the transfer manager, every checksum mode, presigned URLs."""

import hashlib
import io
import os
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config


def main(bucket, endpoint):
    body = os.urandom(12 << 20) + b"end"
    digest = hashlib.sha256(body).hexdigest()
    plans = [("when_supported", None), ("when_required", None), ("when_supported", "SHA256"), ("when_supported", "SHA1")]
    for mode, algorithm in plans:
        config = Config(
            request_checksum_calculation=mode, response_checksum_validation=mode, retries={"total_max_attempts": 1}
        )
        s3 = boto3.client("s3", endpoint_url=endpoint, config=config)
        key = f"boto3/{mode}/{algorithm}"
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        transfer = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
        s3.upload_fileobj(io.BytesIO(body), bucket, key, ExtraArgs=extra or None, Config=transfer)
        got = io.BytesIO()
        s3.download_fileobj(bucket, key, got, Config=transfer)
        assert hashlib.sha256(got.getvalue()).hexdigest() == digest, key
        s3.put_object(Bucket=bucket, Key=key + "/small", Body=b"small", **extra)
        read = s3.get_object(Bucket=bucket, Key=key + "/small", ChecksumMode="ENABLED")
        assert read["Body"].read() == b"small"
    signed = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, config=signed)
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key + "/small"}, ExpiresIn=60)
    assert urllib.request.urlopen(url, timeout=20).read() == b"small"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="boto3/", PaginationConfig={"PageSize": 3})
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    assert len(keys) == 8, keys
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(gone["Deleted"]) == 8, gone
    print("fine")


main(*sys.argv[1:])
