"""Buckets whose objects an S3 server of somebody else's keeps: SeaweedFS behind Adit."""

import base64
import os
import re
import secrets
import urllib.error
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError
from harness.expect import allowed, denied
from harness.forms import post, presigned
from harness.installation import ACCOUNT, DidNotStart, Installation, free_port, wait_until
from harness.network import Vpc
from harness.policies import document
from harness.upstream import SECRET_KEY, USER_KEY, USER_SECRET, Upstream

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def metrics():
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def installation(upstream, metrics):
    buckets = [
        {"name": "far-*"},
        {"name": "old"},
        {"name": "shared-*", "upstream": "pool", "prefix": "*/"},
    ]
    user = f"{{{USER_KEY} = 'arn:aws:iam::{ACCOUNT}:user/ana'}}"
    config = upstream.configuration(*buckets, pass_through=user) + f"[metrics]\nlisten = '{metrics}'\n"
    with Installation(config=config) as running:
        yield running


@pytest.fixture(scope="module")
def host(installation):
    vpc = Vpc(installation)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    with installation.host(subnet) as host:
        yield host


@pytest.fixture(params=["far", "shared"])
def bucket(request, installation):
    """A bucket of its own at the upstream, and one that is a part of another there."""
    name = f"{request.param}-{secrets.token_hex(4)}"
    installation.s3.create_bucket(Bucket=name)
    yield name
    for page in installation.s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            installation.s3.delete_object(Bucket=name, Key=entry["Key"])
    installation.s3.delete_bucket(Bucket=name)


def refused(call, **arguments):
    """The code of an error."""
    with pytest.raises(ClientError) as why:
        call(**arguments)
    return why.value.response["Error"]["Code"]


def test_objects_are_kept_there_and_read_through_the_endpoint(upstream, host, bucket):
    key = "a/b c+d&é.txt"
    body = os.urandom(100_000)
    put = host.s3("put_object", Bucket=bucket, Key=key, Body=body, Metadata={"colour": "blue"}, ContentType="text/x")
    etag = allowed(put)["ETag"]
    got = allowed(host.s3("get_object", Bucket=bucket, Key=key))
    assert (got["Body"], got["ETag"], got["Metadata"], got["ContentType"]) == (body, etag, {"colour": "blue"}, "text/x")
    part_of, rest = bucket.split("-")
    there = {"Bucket": bucket, "Key": key} if part_of == "far" else {"Bucket": "pool", "Key": f"{rest}/{key}"}
    assert upstream.s3.get_object(**there)["Body"].read() == body
    part = host.s3("get_object", Bucket=bucket, Key=key, Range="bytes=10-19")
    assert (part.status, part.data["Body"]) == (206, body[10:20])
    assert host.s3("get_object", Bucket=bucket, Key=key, IfNoneMatch=etag).status == 304
    assert host.s3("head_object", Bucket=bucket, Key=key, IfMatch='"x"').status == 412


def test_lists_speak_of_adits_buckets_and_keys(installation, bucket):
    s3 = installation.s3
    for key in ("d/1", "d/2", "e é/3", "f"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    listed = s3.list_objects_v2(Bucket=bucket)
    assert listed["Name"] == bucket
    assert [entry["Key"] for entry in listed["Contents"]] == ["d/1", "d/2", "e é/3", "f"]
    roots = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in roots["CommonPrefixes"]] == ["d/", "e é/"]
    assert [entry["Key"] for entry in roots["Contents"]] == ["f"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="d/", StartAfter="d/1")["Contents"][0]["Key"] == "d/2"
    assert [e["Key"] for e in s3.list_objects(Bucket=bucket, Marker="d/2")["Contents"]] == ["e é/3", "f"]
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert [entry["Key"] for entry in rest["Contents"]] == ["f"]


def test_multipart_copy_tags_and_deletes(installation, bucket):
    s3 = installation.s3
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m/1", ChecksumAlgorithm="CRC32")
    assert (upload["Bucket"], upload["Key"]) == (bucket, "m/1")
    bodies = [os.urandom(5 * MEBIBYTE), b"end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        done = s3.upload_part(
            Bucket=bucket, Key="m/1", UploadId=upload["UploadId"], PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"
        )
        parts.append({"ETag": done["ETag"], "PartNumber": number})
    listed = s3.list_parts(Bucket=bucket, Key="m/1", UploadId=upload["UploadId"])
    assert [part["Size"] for part in listed["Parts"]] == [5 * MEBIBYTE, 3]
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="m/1", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    assert (done["Bucket"], done["Key"]) == (bucket, "m/1")
    assert s3.get_object(Bucket=bucket, Key="m/1")["Body"].read() == b"".join(bodies)
    s3.copy_object(Bucket=bucket, Key="copy of 1", CopySource={"Bucket": bucket, "Key": "m/1"})
    assert s3.head_object(Bucket=bucket, Key="copy of 1")["ContentLength"] == 5 * MEBIBYTE + 3
    tags = [{"Key": "stage", "Value": "raw"}]
    s3.put_object_tagging(Bucket=bucket, Key="copy of 1", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="copy of 1")["TagSet"] == tags
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "m/1"}, {"Key": "copy of 1"}]})
    assert sorted(entry["Key"] for entry in gone["Deleted"]) == ["copy of 1", "m/1"]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_store_without_policies_gains_them(installation, host, bucket):
    s3 = installation.s3
    s3.put_object(Bucket=bucket, Key="open/x", Body=b"1", Tagging="stage=raw")
    s3.put_object(Bucket=bucket, Key="shut/x", Body=b"2")
    installation.put_policy(
        bucket,
        {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{bucket}/shut/*"],
            "Condition": {"Null": {"aws:sourceVpce": "false"}},
        },
        {
            "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{bucket}/open/*"],
            "Condition": {"StringEquals": {"s3:ExistingObjectTag/stage": "raw"}},
        },
    )
    denied(host.s3("get_object", Bucket=bucket, Key="shut/x"))
    # The upstream would read the same object by these names, which the policy does not see.
    for key in ("/shut/x", "//shut/x", "shut\\x"):
        got = host.s3("get_object", Bucket=bucket, Key=key)
        assert (got.status, got.code) == (400, "InvalidURI"), key
    assert refused(s3.list_objects_v2, Bucket=bucket, Prefix="/shut/") == "InvalidArgument"
    # The tags that the policy asks for are the upstream's.
    denied(host.s3("get_object", Bucket=bucket, Key="open/x"))
    assert s3.get_object(Bucket=bucket, Key="shut/x")["Body"].read() == b"2"
    some = host.s3("delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": "shut/x"}, {"Key": "/open/x"}, {"Key": "open/x"}]})
    answer = allowed(some)
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("shut/x", "AccessDenied"), ("/open/x", "InvalidURI")]
    assert [entry["Key"] for entry in answer["Deleted"]] == ["open/x"]
    s3.delete_bucket_policy(Bucket=bucket)


def test_a_bucket_has_a_list_of_its_own_and_its_objects_have_none(installation):
    """What an upstream thinks of owners and lists is neither asked nor told."""
    s3 = installation.s3
    name = f"far-{secrets.token_hex(4)}"
    owner = s3.list_buckets()["Owner"]["ID"]
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"1", ACL="bucket-owner-full-control")
    url = f"http://{installation.address}/{name}"

    def anonymous(path, **more):
        try:
            with urllib.request.urlopen(urllib.request.Request(url + path, **more)) as answer:
                return answer.status
        except urllib.error.HTTPError as why:
            return why.code

    assert anonymous("?list-type=2") == 403
    s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    assert anonymous("?list-type=2") == 200
    assert anonymous("/new", data=b"2", method="PUT") == 200
    # The list is the bucket's: reading an object is the object's to give, and these are their owner's alone.
    assert (anonymous("/k"), anonymous("/new")) == (403, 403)
    for key in ("k", "new"):
        grants = s3.get_object_acl(Bucket=name, Key=key)["Grants"]
        assert [(grant["Grantee"]["ID"], grant["Permission"]) for grant in grants] == [(owner, "FULL_CONTROL")]
    assert refused(s3.put_object_acl, Bucket=name, Key="k", ACL="public-read") == "NotImplemented"
    assert refused(s3.put_object, Bucket=name, Key="k", Body=b"3", ACL="public-read") == "NotImplemented"
    listed = s3.list_objects_v2(Bucket=name, FetchOwner=True)["Contents"]
    assert [(entry["Key"], entry["Owner"]) for entry in listed] == [("k", {"ID": owner}), ("new", {"ID": owner})]
    # Without lists there is none to go by.
    s3.put_bucket_acl(Bucket=name, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    assert anonymous("?list-type=2") == 403
    for key in ("k", "new"):
        s3.delete_object(Bucket=name, Key=key)
    s3.delete_bucket(Bucket=name)


def test_a_broken_upload_leaves_nothing_there(installation, upstream):
    s3 = installation.s3
    s3.create_bucket(Bucket="far-broken")
    body = os.urandom(3 * MEBIBYTE)
    wrong = (zlib.crc32(body) ^ 1).to_bytes(4, "big")
    code = refused(s3.put_object, Bucket="far-broken", Key="x", Body=body, ChecksumCRC32=base64.b64encode(wrong).decode())
    assert code == "BadDigest"
    assert refused(upstream.s3.head_object, Bucket="far-broken", Key="x") == "404"
    # A key that a server might take for a way out of its bucket goes nowhere.
    for key in ("../ready/k", "a/../../ready/k", "./k"):
        assert refused(s3.get_object, Bucket="far-broken", Key=key) in ("InvalidURI", "400"), key
    s3.delete_bucket(Bucket="far-broken")


def test_a_form_uploads_a_file(installation, upstream, bucket):
    fields = {"x-amz-meta-colour": "blue", "Content-Type": "text/x",
              "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>"}
    conditions = [{"x-amz-meta-colour": "blue"}, {"Content-Type": "text/x"}, ["starts-with", "$tagging", ""],
                  ["starts-with", "$success_action_status", ""], ["content-length-range", 0, 3 * MEBIBYTE]]
    for size in (0, 1000, 3 * MEBIBYTE):
        key, body = f"up/{size} é", os.urandom(size)
        given = presigned(installation, bucket, key, list(conditions), fields) | {"success_action_status": "201"}
        status, headers, text = post(installation, bucket, given, file=body)
        assert status == 201 and f"<Bucket>{bucket}</Bucket><Key>{key}</Key>" in text, text
        got = installation.s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == body
        assert (got["ETag"], got["Metadata"], got["ContentType"]) == (headers["ETag"], {"colour": "blue"}, "text/x")
        tags = installation.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        assert tags == [{"Key": "a", "Value": "b c"}]


def test_a_form_that_is_refused_leaves_nothing_there(installation, upstream, bucket):
    def refusal(size, conditions=None, change=None, **more):
        given = presigned(installation, bucket, "k", conditions) | (change or {})
        status, _, text = post(installation, bucket, given, file=os.urandom(size), **more)
        return status, re.search("<Code>(.*)</Code>", text)[1]

    large = 2 * MEBIBYTE
    assert refusal(large, [["content-length-range", 0, MEBIBYTE]]) == (400, "EntityTooLarge")
    assert refusal(large, [["content-length-range", 3 * MEBIBYTE, 4 * MEBIBYTE]]) == (400, "EntityTooSmall")
    assert refusal(1, [["content-length-range", 2, 4]]) == (400, "EntityTooSmall")
    assert refusal(1, change={"x-amz-signature": "0" * 64}) == (403, "SignatureDoesNotMatch")
    assert refusal(large, after=[("more", "text")]) == (501, "NotImplemented"), "its length does not tell the file's"
    installation.put_policy(bucket, {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:authType": "POST"}},
    })
    assert refusal(1) == (403, "AccessDenied")
    installation.s3.delete_bucket_policy(Bucket=bucket)
    assert "Contents" not in installation.s3.list_objects_v2(Bucket=bucket)


def test_buckets_that_were_there_before(installation, upstream):
    s3 = installation.s3
    upstream.s3.create_bucket(Bucket="old")
    upstream.s3.put_object(Bucket="old", Key="k", Body=b"from before")
    upstream.s3.create_bucket(Bucket="far-taken")
    # Named by the operator: taken over. Only fitting a pattern: somebody else's.
    s3.create_bucket(Bucket="old")
    assert s3.get_object(Bucket="old", Key="k")["Body"].read() == b"from before"
    assert refused(s3.create_bucket, Bucket="far-taken") == "BucketAlreadyExists"
    assert refused(s3.delete_bucket, Bucket="old") == "BucketNotEmpty"
    plain = installation.bucket()
    assert plain not in [entry["Name"] for entry in upstream.s3.list_buckets()["Buckets"]]
    s3.copy_object(Bucket=plain, Key="k", CopySource={"Bucket": "old", "Key": "k"})
    assert s3.get_object(Bucket=plain, Key="k")["Body"].read() == b"from before"


def test_copies_from_one_place_to_another(installation, bucket):
    s3, plain = installation.s3, installation.bucket()
    body = os.urandom(6 * MEBIBYTE)
    kept = {"ContentType": "text/x-kept", "Metadata": {"colour": "blau"}, "Tagging": "stage=raw"}
    for here, there in ((plain, bucket), (bucket, plain)):
        s3.put_object(Bucket=here, Key="a b/1", Body=body, **kept)
        source = {"Bucket": here, "Key": "a b/1"}
        made = s3.copy_object(Bucket=there, Key="copy/1", CopySource=source)["CopyObjectResult"]
        shown = s3.get_object(Bucket=there, Key="copy/1")
        assert shown["Body"].read() == body and shown["ETag"] == made["ETag"]
        assert (shown["ContentType"], shown["Metadata"]) == ("text/x-kept", {"colour": "blau"})
        tags = [{"Key": "stage", "Value": "raw"}]
        assert s3.get_object_tagging(Bucket=there, Key="copy/1")["TagSet"] == tags
        s3.copy_object(
            Bucket=there, Key="copy/2", CopySource=source, MetadataDirective="REPLACE", TaggingDirective="REPLACE",
            ContentType="text/x-new", Metadata={"size": "l"},
        )
        shown = s3.head_object(Bucket=there, Key="copy/2")
        assert (shown["ContentType"], shown["Metadata"]) == ("text/x-new", {"size": "l"})
        assert s3.get_object_tagging(Bucket=there, Key="copy/2")["TagSet"] == []
        _parts(s3, there, source, body)
        nothing = {"Bucket": here, "Key": "empty"}
        s3.put_object(Bucket=here, Key="empty", Body=b"")
        s3.copy_object(Bucket=there, Key="copy/0", CopySource=nothing)
        assert s3.head_object(Bucket=there, Key="copy/0")["ContentLength"] == 0
        stale = {"CopySource": source, "CopySourceIfMatch": '"0123456789abcdef0123456789abcdef"'}
        assert refused(s3.copy_object, Bucket=there, Key="copy/3", **stale) == "PreconditionFailed"
        lost = {"CopySource": {"Bucket": here, "Key": "nope"}}
        assert refused(s3.copy_object, Bucket=there, Key="copy/3", **lost) == "NoSuchKey"
        assert refused(s3.head_object, Bucket=there, Key="copy/3") == "404"


def _parts(s3, bucket, source, body):
    upload = {"Bucket": bucket, "Key": "copy/p"}
    upload["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="copy/p")["UploadId"]
    parts, cut = [], 5 * MEBIBYTE
    for number, (first, last) in enumerate([(0, cut - 1), (cut, len(body) - 1)], 1):
        done = s3.upload_part_copy(
            **upload, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={first}-{last}"
        )
        parts.append({"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]})
    beyond = {"CopySource": source, "CopySourceRange": f"bytes=0-{len(body)}"}
    assert refused(s3.upload_part_copy, **upload, PartNumber=3, **beyond) == "InvalidArgument"
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="copy/p")["Body"].read() == body


def test_what_may_not_be_read_is_not_copied_across(installation, bucket):
    s3, plain = installation.s3, installation.bucket()
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x")
    installation.put_policy(
        bucket,
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/shut"},
    )
    code = refused(s3.copy_object, Bucket=plain, Key="k", CopySource={"Bucket": bucket, "Key": "shut"})
    assert code == "AccessDenied"
    s3.delete_bucket_policy(Bucket=bucket)


def test_what_is_missing_is_told_to_those_who_may_list(installation, host, bucket):
    assert host.s3("get_object", Bucket=bucket, Key="nope").code == "NoSuchKey"
    installation.put_policy(
        bucket,
        {"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
    )
    denied(host.s3("get_object", Bucket=bucket, Key="nope"))
    installation.s3.delete_bucket_policy(Bucket=bucket)


def test_an_upstream_that_is_gone_is_told_and_shown(another, upstream):
    listen = f"127.0.0.1:{free_port()}"
    path = upstream.folder / "gone.toml"
    text = upstream.configuration({"name": "old"})
    path.write_text(text + f"[metrics]\nlisten = '{listen}'\n")
    running = another(arguments=["--config", str(path)]).start()
    running.s3.create_bucket(Bucket="old")
    path.write_text(text)
    upstream.stop()
    try:
        for _ in range(7):
            assert refused(running.s3.list_objects_v2, Bucket="old") == "ServiceUnavailable"
        shown = urllib.request.urlopen(f"http://{listen}/metrics", timeout=5).read().decode()
        assert 'adit_origin_up{origin="weed"} 0' in shown
        failures = int(re.search(r'adit_origin_failures_total{origin="weed"} (\d+)', shown).group(1))
        assert failures == 5, "a circuit that is open asks no more"
        status = running.adit("status", check=False)
        assert status.returncode == 1 and "origin weed\tdown\t" in status.stdout, status.stdout
    finally:
        upstream.start()
    wait_until(lambda: _lists(running), 40, "the upstream is asked again")


def _lists(running):
    try:
        return bool(running.s3.list_objects_v2(Bucket="old"))
    except ClientError:
        return False


def test_requests_are_counted(installation, metrics, bucket):
    installation.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    shown = urllib.request.urlopen(f"http://{metrics}/metrics", timeout=5).read().decode()
    line = f'adit_s3_requests_total{{endpoint="api",bucket="{bucket}",operation="PutObject",outcome="ok"}}'
    assert line in shown
    assert 'adit_origin_up{origin="weed"} 1' in shown


def test_secrets_that_others_can_read_are_refused(another, upstream):
    path = upstream.folder / "open.toml"
    text = upstream.configuration({"name": "far-*"})
    keys = upstream.folder / "open-credentials"
    keys.write_text((upstream.folder / "credentials").read_text())
    keys.chmod(0o644)
    path.write_text(text.replace(str(upstream.folder / "credentials"), str(keys)))
    with pytest.raises(DidNotStart) as why:
        another(arguments=["--config", str(path)]).start()
    assert "can be read by others" in why.value.stderr


def test_clients_may_keep_the_upstreams_own_credentials(installation, upstream, host):
    iam = installation.client("iam")
    iam.create_user(UserName="ana")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::far-own", "arn:aws:s3:::far-own/*"]}
    iam.put_user_policy(UserName="ana", PolicyName="own", PolicyDocument=document(statement))
    s3 = installation.s3
    for bucket in ("far-own", "far-other", "shared-own"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    options = {
        "endpoint": "https://s3.us-east-1.amazonaws.com", "style": "path", "region": "us-east-1",
        "key": USER_KEY, "secret": USER_SECRET,
    }

    def call(operation, **arguments):
        return host.s3(operation, options=dict(options), **arguments)

    body = os.urandom(700_000)
    allowed(call("put_object", Bucket="far-own", Key="a b/c", Body=body))
    assert allowed(call("get_object", Bucket="far-own", Key="a b/c"))["Body"] == body
    assert upstream.s3.get_object(Bucket="far-own", Key="a b/c")["Body"].read() == body
    listed = allowed(call("list_objects_v2", Bucket="far-own"))
    assert [entry["Key"] for entry in listed["Contents"]] == ["a b/c", "k"]
    assert call("get_object", Bucket="far-own", Key="nope").code == "NoSuchKey"
    # The user's own policy, and the bucket's, count here, although the upstream would let the key do anything.
    assert call("get_object", Bucket="far-other", Key="k").code == "AccessDenied"
    shut = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::far-own/k"}
    installation.put_policy("far-own", shut)
    both = {"Objects": [{"Key": "a b/c"}, {"Key": "k"}]}
    assert call("delete_objects", Bucket="far-own", Delete=both).code == "AccessDenied"
    assert allowed(call("list_objects_v2", Bucket="far-own"))["KeyCount"] == 2, "all or nothing"
    allowed(call("delete_objects", Bucket="far-own", Delete={"Objects": [{"Key": "a b/c"}]}))
    # What is not the upstream's to answer, or has another name there, is not the key's.
    for operation, bucket in (("get_bucket_policy", "far-own"), ("get_object_acl", "far-own"), ("list_objects_v2", "shared-own")):
        more = {"Key": "k"} if operation == "get_object_acl" else {}
        assert call(operation, Bucket=bucket, **more).code == "AccessDenied", operation
    assert call("list_buckets").code == "AccessDenied"
    # A wrong secret is the upstream's to refuse, and it does.
    options["secret"] = SECRET_KEY
    assert call("get_object", Bucket="far-own", Key="k").code == "SignatureDoesNotMatch"
    # A bucket in the host would be read differently by a server that looks in the path.
    options |= {"secret": USER_SECRET, "style": "virtual"}
    assert call("get_object", Bucket="far-own", Key="far-other/k").status == 403
    s3.delete_bucket_policy(Bucket="far-own")
