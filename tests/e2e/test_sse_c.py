"""Objects sealed with keys that clients bring (SSE-C), by unmodified clients inside a VPC, here and at an upstream."""

import base64
import hashlib
import os
import shutil
import subprocess

import pytest
from harness.expect import allowed, denied, refused
from harness.installation import Installation
from harness.network import Vpc
from harness.programs import AWS
from harness.upstream import Upstream

URL = "https://s3.us-east-1.amazonaws.com"
KEY, OTHER = "0123456789abcdef0123456789abcdef", "another-key-of-thirty-two-bytes!"


def sealed(key=KEY, prefix=""):
    """The parameters that bring a key; boto3 adds its MD5."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    state = tmp_path_factory.mktemp("sse-c") / "state"
    with Upstream() as upstream:
        path = upstream.folder / "adit.toml"
        path.write_text(upstream.configuration({"name": "far-*"}))
        running = Installation(state=state, arguments=["--config", str(path)])
        try:
            yield running.start()
        finally:
            running.close()


@pytest.fixture(scope="module")
def host(installation):
    vpc = Vpc(installation)
    subnet, _, _ = vpc.private_subnet_with_gateway()
    with installation.host(subnet) as host:
        yield host


@pytest.fixture(scope="module", params=["near", "far"])
def bucket(request, installation):
    name = f"{request.param}-sse-c"
    installation.s3.create_bucket(Bucket=name)
    return name


def test_boto3_reads_with_the_key_alone(host, bucket):
    body = os.urandom(200_000)
    put = allowed(host.s3("put_object", Bucket=bucket, Key="k", Body=body, Metadata={"a": "b"}, **sealed()))
    assert put["SSECustomerAlgorithm"] == "AES256" and put["SSECustomerKeyMD5"]
    got = allowed(host.s3("get_object", Bucket=bucket, Key="k", **sealed()))
    assert (got["Body"], got["Metadata"]) == (body, {"a": "b"})
    # SeaweedFS says it twice.
    assert set(got["SSECustomerKeyMD5"].split(", ")) == {put["SSECustomerKeyMD5"]}
    ranged = allowed(host.s3("get_object", Bucket=bucket, Key="k", Range="bytes=65530-65545", **sealed()))
    assert ranged["Body"] == body[65530:65546]
    head = allowed(host.s3("head_object", Bucket=bucket, Key="k", **sealed()))
    assert head["ContentLength"] == len(body)
    none = host.s3("get_object", Bucket=bucket, Key="k")
    assert none.status == 400 and none.code == ("InvalidRequest" if bucket.startswith("near") else "InvalidArgument"), none
    wrong = host.s3("get_object", Bucket=bucket, Key="k", **sealed(OTHER))
    assert not wrong.ok and wrong.status in (400, 403), wrong
    copied = host.s3("copy_object", Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", **sealed(OTHER), **sealed(prefix="CopySource"))
    allowed(copied)
    assert allowed(host.s3("get_object", Bucket=bucket, Key="copy", **sealed(OTHER)))["Body"] == body


def test_the_aws_cli_copies_large_files(host, bucket, tmp_path):
    """With a multipart upload, ranged reads and copies."""
    file, key, other = tmp_path / "file", tmp_path / "key", tmp_path / "other"
    file.write_bytes(os.urandom(18 << 20))
    key.write_text(KEY)
    other.write_text(OTHER)

    def cp(*arguments):
        done = host.shell(AWS, "--endpoint-url", URL, "s3", "cp", "--only-show-errors", *arguments)
        return done.returncode, done.stderr

    mine = ["--sse-c", "AES256", "--sse-c-key", f"fileb://{key}"]
    assert cp(*mine, file, f"s3://{bucket}/large") == (0, "")
    assert cp(*mine, f"s3://{bucket}/large", tmp_path / "back") == (0, "")
    subprocess.run(["cmp", file, tmp_path / "back"], check=True)
    status, said = cp(f"s3://{bucket}/large", tmp_path / "no")
    assert status == 1 and "400" in said, said
    if bucket.startswith("far"):
        # SeaweedFS copies no parts of such objects.
        return
    moved = [
        "--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", f"fileb://{key}",
        "--sse-c", "AES256", "--sse-c-key", f"fileb://{other}",
    ]
    assert cp(*moved, f"s3://{bucket}/large", f"s3://{bucket}/moved") == (0, "")
    theirs = ["--sse-c", "AES256", "--sse-c-key", f"fileb://{other}"]
    assert cp(*theirs, f"s3://{bucket}/moved", tmp_path / "again") == (0, "")
    subprocess.run(["cmp", file, tmp_path / "again"], check=True)


def test_rclone(host, bucket, tmp_path):
    if not shutil.which("rclone"):
        pytest.skip("not run: rclone is not installed")
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, size in (("small", 1000), ("large", 11 << 20)):
        (tree / name).write_bytes(os.urandom(size))

    def rclone(*arguments):
        return host.shell(
            "env", "-u", "AWS_CA_BUNDLE", "rclone", *arguments, "--retries", "1", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M",
            environment={
                "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "Other",
                "RCLONE_CONFIG_S3_ENV_AUTH": "true", "RCLONE_CONFIG_S3_REGION": "us-east-1", "RCLONE_CONFIG_S3_ENDPOINT": URL,
                "RCLONE_CONFIG_S3_FORCE_PATH_STYLE": "true", "RCLONE_CONFIG_S3_SSE_CUSTOMER_ALGORITHM": "AES256",
                "RCLONE_CONFIG_S3_SSE_CUSTOMER_KEY": KEY, "HOME": str(tmp_path),
            },
        )

    remote = f"s3:{bucket}/rclone"
    for arguments in (["copy", tree, remote], ["check", "--download", tree, remote], ["copy", remote, tmp_path / "back"]):
        done = rclone(*arguments)
        assert done.returncode == 0, done.stderr
    subprocess.run(["diff", "-r", tree, tmp_path / "back"], check=True)


def test_a_copy_from_one_storage_to_the_other_brings_both_keys(installation, host):
    for name in ("near-from", "far-to"):
        installation.s3.create_bucket(Bucket=name)
    allowed(host.s3("put_object", Bucket="near-from", Key="k", Body=b"there and back", **sealed()))
    there = {"Bucket": "far-to", "Key": "k", "CopySource": "near-from/k"}
    denied(host.s3("copy_object", **there, **sealed(OTHER), **sealed(OTHER, "CopySource")))
    allowed(host.s3("copy_object", **there, **sealed(OTHER), **sealed(prefix="CopySource")))
    back = {"Bucket": "near-from", "Key": "back", "CopySource": "far-to/k"}
    assert not host.s3("copy_object", **back).ok
    allowed(host.s3("copy_object", **back, **sealed(OTHER, "CopySource")))
    assert allowed(host.s3("get_object", Bucket="near-from", Key="back"))["Body"] == b"there and back"


def test_a_key_is_refused_where_others_could_listen(installation, host):
    installation.s3.create_bucket(Bucket="near-plain")
    put = {"Bucket": "near-plain", "Key": "k", "Body": b"x"}
    plain = host.s3("put_object", options={"scheme": "http"}, **put, **sealed())
    assert (plain.code, plain.status) == ("InvalidRequest", 400) and "secure connection" in plain.message, plain
    # Without a key it is as good as ever, and so is the API address on this machine.
    allowed(host.s3("put_object", options={"scheme": "http"}, **put))
    assert installation.address.startswith("127.0.0.1:")
    installation.s3.put_object(**put, **sealed())


def test_buckets_block_such_objects(installation):
    s3, bucket = installation.s3, "near-blocked"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="before", Body=b"x", **sealed())

    def block(*kinds):
        rule = {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BlockedEncryptionTypes": {"EncryptionType": list(kinds)},
        }
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        [shown] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert shown["BlockedEncryptionTypes"] == rule["BlockedEncryptionTypes"]

    block("SSE-C")
    for call in (s3.put_object, s3.create_multipart_upload):
        with refused("AccessDenied", 403):
            call(Bucket=bucket, Key="k", **sealed())
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="before", **sealed())["Body"].read() == b"x"
    block("NONE")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **sealed())
    assert put["SSECustomerAlgorithm"] == "AES256" and "ServerSideEncryption" not in put


def test_versions_tags_and_lists_need_no_key(installation):
    s3, bucket = installation.s3, "near-versions"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old", **sealed())["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new", **sealed(OTHER))
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=old, **sealed())["Body"].read() == b"old"
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k", VersionId=old, **sealed(OTHER))
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert [entry["Size"] for entry in s3.list_object_versions(Bucket=bucket)["Versions"]] == [3, 3]
    attributes = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    with refused("InvalidRequest"):
        s3.get_object_attributes(**attributes)
    # The one operation whose key boto3 neither encodes nor gives an MD5.
    digest = base64.b64encode(hashlib.md5(OTHER.encode()).digest()).decode()
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(OTHER.encode()).decode(), "SSECustomerKeyMD5": digest}
    assert s3.get_object_attributes(**attributes, **key)["ObjectSize"] == 3
    s3.delete_object(Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_key_is_written_nowhere_and_damage_shows_without_it(installation):
    """Last: it looks at what the tests before have left."""
    s3, bucket = installation.s3, "near-damage"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=os.urandom(300_000), **sealed())
    done = installation.adit("objects", "verify")
    assert "only open with keys of customers" in done.stdout and done.stdout.endswith(": 0 problems\n"), done.stdout
    encoded = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    written = {path: path.read_bytes() for path in installation.state.rglob("*") if path.is_file()}
    assert any(b"near-damage" in text for text in written.values())
    for path, text in written.items():
        assert KEY.encode() not in text and encoded.encode() not in text, path
    assert KEY not in installation.stderr_text() and encoded not in installation.stderr_text()
    [file] = [path for path in written if path.stat().st_size == 300_000 + 5 * 16]
    raw = bytearray(written[file])
    raw[1000] ^= 1
    file.write_bytes(raw)
    wrong = installation.adit("objects", "verify", check=False)
    assert wrong.returncode == 1 and "near-damage" in wrong.stdout or "/k version" in wrong.stdout, wrong.stdout
