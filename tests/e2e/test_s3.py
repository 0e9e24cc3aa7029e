"""S3 through a gateway endpoint with boto3: every operation of the first slice, every address form."""

import base64
import concurrent.futures
import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request

import pytest
from harness.expect import allowed, denied, nothing_changed, refused
from harness.network import Vpc
from harness.policies import broken_bucket_policies, BY_BUCKET_POLICY, document

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def place(installation):
    """A private subnet on a gateway endpoint, a host in it, and a bucket: (host, bucket)."""
    installation.used = True
    vpc = Vpc(installation)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    bucket = installation.bucket()
    with installation.host(subnet) as host:
        yield host, bucket


# ---- objects ----------------------------------------------------------------------------------


def test_put_head_get_list_delete(place):
    host, bucket = place
    body = os.urandom(10_000)
    put = allowed(host.s3("put_object", Bucket=bucket, Key="a/b c+d&é.txt", Body=body, ContentType="text/plain", Metadata={"colour": "blue"}))
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ETag"] == etag
    head = allowed(host.s3("head_object", Bucket=bucket, Key="a/b c+d&é.txt"))
    assert (head["ContentLength"], head["ETag"], head["ContentType"]) == (10_000, etag, "text/plain")
    assert head["Metadata"] == {"colour": "blue"}
    got = allowed(host.s3("get_object", Bucket=bucket, Key="a/b c+d&é.txt"))
    assert got["Body"] == body
    listed = allowed(host.s3("list_objects_v2", Bucket=bucket, Prefix="a/"))
    assert [(o["Key"], o["Size"], o["ETag"]) for o in listed["Contents"]] == [("a/b c+d&é.txt", 10_000, etag)]
    allowed(host.s3("delete_object", Bucket=bucket, Key="a/b c+d&é.txt"))
    gone = host.s3("get_object", Bucket=bucket, Key="a/b c+d&é.txt")
    assert (gone.code, gone.status) == ("NoSuchKey", 404)
    assert allowed(host.s3("delete_object", Bucket=bucket, Key="never was")) is not None


def test_a_range_and_conditions(place):
    host, bucket = place
    etag = allowed(host.s3("put_object", Bucket=bucket, Key="range", Body="0123456789"))["ETag"]
    part = host.s3("get_object", Bucket=bucket, Key="range", Range="bytes=2-4")
    assert (part.status, part.data["Body"], part.data["ContentRange"]) == (206, b"234", "bytes 2-4/10")
    assert host.s3("get_object", Bucket=bucket, Key="range", Range="bytes=-3").data["Body"] == b"789"
    beyond = host.s3("get_object", Bucket=bucket, Key="range", Range="bytes=10-")
    assert (beyond.code, beyond.status) == ("InvalidRange", 416)
    assert host.s3("get_object", Bucket=bucket, Key="range", IfMatch=etag).ok
    assert host.s3("get_object", Bucket=bucket, Key="range", IfMatch='"x"').status == 412
    assert host.s3("get_object", Bucket=bucket, Key="range", IfNoneMatch=etag).status == 304
    overwrite = host.s3("put_object", Bucket=bucket, Key="range", Body="x", IfNoneMatch="*")
    assert (overwrite.code, overwrite.status) == ("PreconditionFailed", 412)


def test_an_empty_object(place):
    host, bucket = place
    allowed(host.s3("put_object", Bucket=bucket, Key="empty", Body=""))
    assert allowed(host.s3("get_object", Bucket=bucket, Key="empty"))["Body"] == b""


def test_an_empty_object_before_another_on_one_connection(place):
    """botocore waits to be told to continue, and has one connection for both."""
    host, _ = place
    bucket, s3 = host.installation.bucket(), host.installation.client("s3")
    for key, body in (("empty", b""), ("full", b"full"), ("empty", b""), ("empty", b""), ("full", b"full")):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body


def test_listing_in_pages_with_a_delimiter(place):
    host, _ = place
    bucket = host.installation.bucket()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: host.installation.s3.put_object(Bucket=bucket, Key=f"d{n % 3}/f{n:03}", Body=b""), range(30)))
    roots = allowed(host.s3("list_objects_v2", Bucket=bucket, Delimiter="/"))
    assert [p["Prefix"] for p in roots["CommonPrefixes"]] == ["d0/", "d1/", "d2/"]
    assert "Contents" not in roots and roots["KeyCount"] == 3
    keys, token = [], {}
    while True:
        page = allowed(host.s3("list_objects_v2", Bucket=bucket, MaxKeys=7, **token))
        keys += [o["Key"] for o in page["Contents"]]
        assert page["KeyCount"] <= 7
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert keys == sorted(f"d{n % 3}/f{n:03}" for n in range(30))
    bad = host.s3("list_objects_v2", Bucket=bucket, ContinuationToken="nonsense")
    assert (bad.code, bad.status) == ("InvalidArgument", 400)


def test_many_objects_deleted_at_once(place):
    host, _ = place
    bucket = host.installation.bucket()
    for n in range(5):
        allowed(host.s3("put_object", Bucket=bucket, Key=f"k{n}", Body="x"))
    answer = allowed(host.s3("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": f"k{n}"} for n in range(5)]}))
    assert sorted(d["Key"] for d in answer["Deleted"]) == [f"k{n}" for n in range(5)]
    assert allowed(host.s3("list_objects_v2", Bucket=bucket))["KeyCount"] == 0


def test_copy_keeps_the_bytes(place):
    host, bucket = place
    allowed(host.s3("put_object", Bucket=bucket, Key="from", Body="copied"))
    allowed(host.s3("copy_object", Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"}))
    assert allowed(host.s3("get_object", Bucket=bucket, Key="to"))["Body"] == b"copied"


def test_keys_are_opaque(place):
    """Dots, double slashes and a leading slash are part of the name, never a path."""
    host, bucket = place
    keys = ["/leading", "a//b", "a/./b", "a/../b", "trailing/", "%41", "~", "tab\tkey"]
    for number, key in enumerate(keys):
        allowed(host.s3("put_object", Bucket=bucket, Key=key, Body=str(number)))
    for number, key in enumerate(keys):
        assert allowed(host.s3("get_object", Bucket=bucket, Key=key))["Body"] == str(number).encode(), key
    listed = {o["Key"] for o in allowed(host.s3("list_objects_v2", Bucket=bucket))["Contents"]}
    assert set(keys) <= listed


# ---- multipart --------------------------------------------------------------------------------


@pytest.mark.heavy
def test_upload_file_of_100_mib_is_multipart_and_byte_identical(place, tmp_path):
    host, bucket = place
    data, back = tmp_path / "data", tmp_path / "back"
    digest = hashlib.sha256()
    with open(data, "wb") as out:
        for _ in range(100):
            block = os.urandom(MEBIBYTE)
            digest.update(block)
            out.write(block)
    allowed(host.s3("upload_file", Filename=str(data), Bucket=bucket, Key="big", seconds=240))
    head = allowed(host.s3("head_object", Bucket=bucket, Key="big"))
    assert head["ContentLength"] == 100 * MEBIBYTE
    assert head["ETag"].strip('"').endswith("-13"), "100 MiB in parts of 8 MiB"
    allowed(host.s3("download_file", Filename=str(back), Bucket=bucket, Key="big", seconds=240))
    assert hashlib.sha256(back.read_bytes()).hexdigest() == digest.hexdigest()


def test_multipart_by_hand(place):
    host, bucket = place
    upload = allowed(host.s3("create_multipart_upload", Bucket=bucket, Key="parts"))["UploadId"]
    blocks = [os.urandom(5 * MEBIBYTE), b"the end"]
    parts = []
    for number, block in enumerate(blocks, 1):
        etag = host.installation.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=block)["ETag"]
        assert etag.strip('"') == hashlib.md5(block).hexdigest()
        parts.append({"PartNumber": number, "ETag": etag})
    assert host.s3("head_object", Bucket=bucket, Key="parts").status == 404, "nothing to see before it is complete"
    done = allowed(host.s3("complete_multipart_upload", Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}))
    whole = hashlib.md5(b"".join(hashlib.md5(block).digest() for block in blocks)).hexdigest()
    assert done["ETag"] == f'"{whole}-2"'
    got = allowed(host.s3("get_object", Bucket=bucket, Key="parts"))
    assert got["sha256"] == hashlib.sha256(b"".join(blocks)).hexdigest()


def test_an_aborted_or_unknown_upload(place):
    host, bucket = place
    upload = allowed(host.s3("create_multipart_upload", Bucket=bucket, Key="aborted"))["UploadId"]
    allowed(host.s3("abort_multipart_upload", Bucket=bucket, Key="aborted", UploadId=upload))
    late = host.s3("upload_part", Bucket=bucket, Key="aborted", UploadId=upload, PartNumber=1, Body="x")
    assert (late.code, late.status) == ("NoSuchUpload", 404)
    assert host.s3("head_object", Bucket=bucket, Key="aborted").status == 404
    upload = allowed(host.s3("create_multipart_upload", Bucket=bucket, Key="wrong"))["UploadId"]
    bad = host.s3("complete_multipart_upload", Bucket=bucket, Key="wrong", UploadId=upload,
                  MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]})
    assert (bad.code, bad.status) == ("InvalidPart", 400)


# ---- integrity --------------------------------------------------------------------------------


def test_a_wrong_checksum_stores_nothing(place):
    host, bucket = place
    bad = host.s3("put_object", Bucket=bucket, Key="damaged", Body="data", ChecksumCRC32="AAAAAA==")
    assert (bad.code, bad.status) == ("BadDigest", 400)
    bad = host.s3("put_object", Bucket=bucket, Key="damaged", Body="data", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert (bad.code, bad.status) == ("BadDigest", 400)
    assert host.s3("head_object", Bucket=bucket, Key="damaged").status == 404


def test_checksums_are_kept_and_returned(place):
    host, bucket = place
    put = allowed(host.s3("put_object", Bucket=bucket, Key="summed", Body="data", ChecksumAlgorithm="SHA256"))
    head = allowed(host.s3("head_object", Bucket=bucket, Key="summed", ChecksumMode="ENABLED"))
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"data").digest()).decode()


# ---- buckets ----------------------------------------------------------------------------------


def test_the_life_of_a_bucket(place):
    host, _ = place
    allowed(host.s3("create_bucket", Bucket="life-of-a-bucket"))
    assert "life-of-a-bucket" in [b["Name"] for b in allowed(host.s3("list_buckets"))["Buckets"]]
    assert allowed(host.s3("get_bucket_location", Bucket="life-of-a-bucket")).get("LocationConstraint") is None
    assert host.s3("head_bucket", Bucket="life-of-a-bucket").ok
    allowed(host.s3("put_object", Bucket="life-of-a-bucket", Key="x", Body="x"))
    full = host.s3("delete_bucket", Bucket="life-of-a-bucket")
    assert (full.code, full.status) == ("BucketNotEmpty", 409)
    allowed(host.s3("delete_object", Bucket="life-of-a-bucket", Key="x"))
    allowed(host.s3("delete_bucket", Bucket="life-of-a-bucket"))
    assert host.s3("head_bucket", Bucket="life-of-a-bucket").status == 404
    missing = host.s3("list_objects_v2", Bucket="life-of-a-bucket")
    assert (missing.code, missing.status) == ("NoSuchBucket", 404)


def test_creating_ones_own_bucket_again_is_fine_in_us_east_1(place):
    host, bucket = place
    assert host.s3("create_bucket", Bucket=bucket).status == 200


@pytest.mark.parametrize("name", ["UPPER", "ab", "x" * 64, "dot..dot", "192.168.1.1", "-dash", "under_score"])
def test_a_bad_bucket_name_is_refused(place, name):
    host, _ = place
    with nothing_changed(host.installation):
        bad = host.s3("create_bucket", Bucket=name, options={"style": "path"})
        assert (bad.code, bad.status) == ("InvalidBucketName", 400), str(bad)


def test_a_bucket_in_another_region_is_refused_here(place):
    host, _ = place
    with nothing_changed(host.installation):
        bad = host.s3("create_bucket", Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        assert (bad.code, bad.status) == ("IllegalLocationConstraintException", 400)


def test_bucket_policy_put_get_delete(place):
    host, bucket = place
    missing = host.s3("get_bucket_policy", Bucket=bucket)
    assert (missing.code, missing.status) == ("NoSuchBucketPolicy", 404)
    text = document({
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/secret/*",
    })
    allowed(host.s3("put_bucket_policy", Bucket=bucket, Policy=text))
    assert allowed(host.s3("get_bucket_policy", Bucket=bucket))["Policy"] == text
    allowed(host.s3("put_object", Bucket=bucket, Key="secret/x", Body="x"))
    denied(host.s3("get_object", Bucket=bucket, Key="secret/x"), action="s3:GetObject", layer=BY_BUCKET_POLICY)
    allowed(host.s3("delete_bucket_policy", Bucket=bucket))
    assert host.s3("get_object", Bucket=bucket, Key="secret/x").ok
    assert host.s3("get_bucket_policy", Bucket=bucket).code == "NoSuchBucketPolicy"


def test_a_broken_bucket_policy_changes_nothing(place):
    host, bucket = place
    s3 = host.installation.s3
    good = document({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3.put_bucket_policy(Bucket=bucket, Policy=good)
    with nothing_changed(host.installation):
        for text in broken_bucket_policies(bucket).values():
            with refused("MalformedPolicy"):
                s3.put_bucket_policy(Bucket=bucket, Policy=text)
    s3.delete_bucket_policy(Bucket=bucket)


def test_the_root_can_always_repair_a_bucket_policy(place):
    host, _ = place
    bucket = host.installation.bucket()
    lock_out = document({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]})
    allowed(host.s3("put_bucket_policy", Bucket=bucket, Policy=lock_out))
    denied(host.s3("list_objects_v2", Bucket=bucket), action="s3:ListBucket", layer=BY_BUCKET_POLICY)
    assert allowed(host.s3("get_bucket_policy", Bucket=bucket))["Policy"] == lock_out
    allowed(host.s3("delete_bucket_policy", Bucket=bucket))
    assert host.s3("list_objects_v2", Bucket=bucket).ok


def test_an_operation_that_is_not_built_never_succeeds(place):
    host, bucket = place
    bad = host.s3("get_bucket_inventory_configuration", Bucket=bucket, Id="x")
    assert not bad.ok and bad.status in (400, 405, 501), str(bad)
    bad = host.s3("put_bucket_accelerate_configuration", Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert not bad.ok and bad.status in (400, 405, 501), str(bad)


# ---- addresses, TLS, signatures ---------------------------------------------------------------


ADDRESSES = {
    "virtual-hosted": {"style": "virtual"},
    "path-style": {"style": "path"},
    "regional name": {"style": "virtual", "global_endpoint": False},
    "regional name, path-style": {"style": "path", "global_endpoint": False},
    "plain HTTP": {"style": "virtual", "scheme": "http"},
    "plain HTTP, path-style": {"style": "path", "scheme": "http"},
    "dualstack name": {"endpoint": "https://s3.dualstack.us-east-1.amazonaws.com"},
    "SigV4": {"signature": "s3v4"},
}


@pytest.mark.parametrize("options", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_every_address_form_reaches_the_same_object(place, options):
    host, bucket = place
    body = os.urandom(100_000)
    allowed(host.s3("put_object", Bucket=bucket, Key="addressed", Body=body, options=dict(options)))
    assert allowed(host.s3("get_object", Bucket=bucket, Key="addressed", options=dict(options)))["Body"] == body
    assert host.s3("get_object", Bucket=bucket, Key="addressed").data["Body"] == body


def test_a_bucket_with_dots(place):
    host, _ = place
    allowed(host.s3("create_bucket", Bucket="dotted.bucket.name"))
    allowed(host.s3("put_object", Bucket="dotted.bucket.name", Key="x", Body="x"))
    assert host.s3("get_object", Bucket="dotted.bucket.name", Key="x", options={"scheme": "http", "style": "virtual"}).ok


def test_the_certificate_is_for_the_name_and_by_our_ca(place):
    host, bucket = place
    for name in ("s3.amazonaws.com", f"{bucket}.s3.amazonaws.com", "s3.us-east-1.amazonaws.com", f"{bucket}.s3.us-east-1.amazonaws.com"):
        seen = host.tls(name)
        assert seen["ok"], (name, seen)
        assert seen["version"] in ("TLSv1.2", "TLSv1.3")


def test_no_certificate_for_names_that_are_not_ours(place):
    host, _ = place
    address = host.lookup("s3.us-east-1.amazonaws.com").addresses[0]
    for name in ("example.com", "ec2.us-east-1.amazonaws.com.evil.example"):
        assert not host.tls(name, address=address)["ok"], name


def test_an_unknown_host_is_refused(place):
    host, _ = place
    address = host.lookup("s3.us-east-1.amazonaws.com").addresses[0]
    done = host.shell(
        "python3", "-c",
        "import http.client,sys\n"
        f"c = http.client.HTTPConnection('{address}', 80, timeout=10)\n"
        "c.request('GET', '/', headers={'Host': 'example.com'})\n"
        "print(c.getresponse().status)",
    )
    assert done.stdout.strip() in ("400", "403", "421"), done


def test_a_wrong_secret_and_an_unknown_key(place):
    host, bucket = place
    bad = host.s3("get_object", Bucket=bucket, Key="x", options={"key": "AKIAIOSFODNN7EXAMPLE", "secret": "wrong"})
    assert (bad.code, bad.status) == ("SignatureDoesNotMatch", 403)
    bad = host.s3("get_object", Bucket=bucket, Key="x", options={"key": "AKIAUNKNOWNUNKNOWN00", "secret": "wrong"})
    assert (bad.code, bad.status) == ("InvalidAccessKeyId", 403)
    bad = host.s3("put_object", Bucket=bucket, Key="by a stranger", Body="x", options={"key": "AKIAIOSFODNN7EXAMPLE", "secret": "wrong"})
    assert bad.code == "SignatureDoesNotMatch"
    assert host.s3("head_object", Bucket=bucket, Key="by a stranger").status == 404


def test_a_signature_for_another_region_is_told_the_right_one(place):
    host, bucket = place
    bad = host.s3("list_objects_v2", Bucket=bucket, options={"region": "eu-west-2", "endpoint": "https://s3.us-east-1.amazonaws.com"})
    # boto3 repairs itself once it is told the Region; so either it was told, or it gave up with the code.
    assert bad.ok or bad.code == "AuthorizationHeaderMalformed", str(bad)


def test_a_clock_twenty_minutes_off_is_refused(place):
    host, bucket = place
    script = (
        "import datetime, botocore.auth, boto3\n"
        "real = botocore.auth.get_current_datetime\n"
        "botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(minutes={minutes})\n"
        "from botocore.exceptions import ClientError\n"
        "try:\n"
        "    boto3.client('s3').put_object(Bucket='{bucket}', Key='late', Body=b'x')\n"
        "except ClientError as e:\n"
        "    print(e.response['Error']['Code'], e.response['ResponseMetadata']['HTTPStatusCode'])\n"
    )
    for minutes in (-20, 20):
        done = host.shell(os.sys.executable, "-c", script.format(minutes=minutes, bucket=bucket))
        assert done.stdout.split() == ["RequestTimeTooSkewed", "403"], done
    assert host.s3("head_object", Bucket=bucket, Key="late").status == 404


def test_anonymous_requests_are_refused_plainly(place):
    host, bucket = place
    allowed(host.s3("put_object", Bucket=bucket, Key="private", Body="x"))
    bad = host.s3("get_object", Bucket=bucket, Key="private", options={"anonymous": True})
    assert (bad.code, bad.status, bad.message) == ("AccessDenied", 403, "Access Denied")


@pytest.mark.parametrize("signature", ["s3v4", "s3"], ids=["SigV4", "SigV2"])
def test_presigned_urls(place, signature):
    host, bucket = place
    allowed(host.s3("put_object", Bucket=bucket, Key="shared file", Body="shared"))
    options = {"signature": signature}
    url = allowed(host.s3("generate_presigned_url", ClientMethod="get_object", Params={"Bucket": bucket, "Key": "shared file"}, ExpiresIn=60, options=dict(options)))["value"]
    assert ("X-Amz-Signature" in url) == (signature == "s3v4")
    got = host.get(url)
    assert (got["status"], got["body"]) == (200, "shared")
    assert host.get(url.replace("shared%20file", "another"))["status"] == 403
    assert host.get(url, method="DELETE")["status"] == 403
    parts = urllib.parse.urlsplit(url)
    names = dict(urllib.parse.parse_qsl(parts.query))
    broken = url.replace(urllib.parse.quote(names.get("X-Amz-Signature") or names["Signature"], safe=""), "0" * 16)
    assert host.get(broken)["status"] == 403
    past = allowed(host.s3("generate_presigned_url", ClientMethod="get_object", Params={"Bucket": bucket, "Key": "shared file"}, ExpiresIn=1, options=dict(options)))["value"]
    host.shell("sleep", "2.5")
    expired = host.get(past)
    assert expired["status"] == 403 and "Request has expired" in expired["body"]


def test_a_policy_can_deny_signature_version_2(place):
    host, _ = place
    bucket = host.installation.bucket()
    allowed(host.s3("put_object", Bucket=bucket, Key="x", Body="x"))
    host.installation.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}},
    })
    for signature, status in (("s3v4", 200), ("s3", 403)):
        url = allowed(host.s3("generate_presigned_url", ClientMethod="get_object", Params={"Bucket": bucket, "Key": "x"}, options={"signature": signature}))["value"]
        assert host.get(url)["status"] == status, signature


def test_a_setting_turns_signature_version_2_off(another):
    adit = another(config="[s3]\nsignature_v2 = false\n").start()
    bucket = adit.bucket()
    adit.s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    for signature, status in (("s3v4", 200), ("s3", 400)):
        url = adit.client("s3", signature_version=signature).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
        try:
            found = urllib.request.urlopen(url, timeout=10).status
        except urllib.error.HTTPError as error:
            found = error.code
            assert b"<Code>InvalidRequest</Code>" in error.read()
        assert found == status, signature


# ---- the public path --------------------------------------------------------------------------


def test_the_api_address_is_s3_too(place):
    host, bucket = place
    adit = host.installation
    for scheme in ("http", "https"):
        client = adit.client("s3", endpoint=f"{scheme}://{adit.address}")
        body = os.urandom(100_000)
        client.put_object(Bucket=bucket, Key=scheme, Body=body)
        assert host.s3("get_object", Bucket=bucket, Key=scheme).data["Body"] == body


def test_an_error_carries_a_request_id(place):
    host, _ = place
    bad = host.s3("get_object", Bucket="no-such-bucket-anywhere", Key="x")
    assert (bad.code, bad.status) == ("NoSuchBucket", 404)
    assert len(bad.request_id) == 16
