"""Object Lock, as boto3 and the AWS CLI see it."""

import datetime
import json
import subprocess

import pytest
from boto3.s3.transfer import TransferConfig
from harness.expect import refused

UTC = datetime.timezone.utc


def after(days):
    """A moment so many days from now, in whole seconds."""
    return (datetime.datetime.now(UTC) + datetime.timedelta(days=days)).replace(microsecond=0)


@pytest.fixture(scope="module")
def locked(installation):
    """A bucket with Object Lock."""
    name = installation.bucket() + "-lock"
    installation.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(s3, bucket, key, **lock):
    return s3.put_object(Bucket=bucket, Key=key, Body=b"x", **lock)["VersionId"]


def test_buckets(installation):
    """Object Lock comes with a bucket or later, with versions, and stays."""
    s3, bucket = installation.s3, installation.bucket()
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=bucket)
    with refused("InvalidBucketState", 409):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == configuration
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    by_default = s3.get_object_retention(Bucket=bucket, Key="k", VersionId=put(s3, bucket, "k"))["Retention"]
    assert by_default["Mode"] == "GOVERNANCE"
    assert abs(by_default["RetainUntilDate"] - after(1)) < datetime.timedelta(minutes=5)
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    free = put(s3, bucket, "k")
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=bucket, Key="k", VersionId=free)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=free)


def test_locked_versions_stay(installation, locked):
    s3 = installation.s3
    until = after(3)
    governed = put(s3, locked, "k", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    held = put(s3, locked, "k", ObjectLockLegalHoldStatus="ON")
    head = s3.head_object(Bucket=locked, Key="k", VersionId=governed)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert s3.get_object(Bucket=locked, Key="k")["ObjectLockLegalHoldStatus"] == "ON"
    for version in (governed, held):
        with refused("AccessDenied", 403, "object protected by object lock"):
            s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    # A key that is refused does not keep the others.
    free = put(s3, locked, "free")
    done = s3.delete_objects(Bucket=locked, Delete={"Objects": [
        {"Key": "k", "VersionId": held}, {"Key": "free", "VersionId": free},
    ]})
    assert [(e["Key"], e["Code"]) for e in done["Errors"]] == [("k", "AccessDenied")]
    assert [d["Key"] for d in done["Deleted"]] == ["free"]
    # A marker covers what is locked, and goes again.
    marker = s3.delete_object(Bucket=locked, Key="k")
    assert marker["DeleteMarker"]
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker["VersionId"])
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=locked)

    s3.put_object_legal_hold(Bucket=locked, Key="k", VersionId=held, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=locked, Key="k", VersionId=held)["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(Bucket=locked, Key="k", VersionId=held)
    s3.delete_objects(
        Bucket=locked, Delete={"Objects": [{"Key": "k", "VersionId": governed}]}, BypassGovernanceRetention=True,
    )
    with refused("404", 404):
        s3.head_object(Bucket=locked, Key="k", VersionId=governed)


def test_retention_is_lengthened_by_anybody_and_shortened_by_few(installation, locked):
    s3 = installation.s3
    version = put(s3, locked, "r", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=after(5))

    def retain(mode, days, **more):
        s3.put_object_retention(
            Bucket=locked, Key="r", VersionId=version, Retention={"Mode": mode, "RetainUntilDate": after(days)}, **more,
        )

    retain("GOVERNANCE", 6)
    with refused("AccessDenied", 403):
        retain("GOVERNANCE", 4)
    retain("GOVERNANCE", 0.01, BypassGovernanceRetention=True)
    s3.put_object_retention(Bucket=locked, Key="r", Retention={}, BypassGovernanceRetention=True)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="r")
    retain("COMPLIANCE", 0.001)
    for days, more in ((0.0005, {}), (0.0005, {"BypassGovernanceRetention": True})):
        with refused("AccessDenied", 403):
            retain("COMPLIANCE", days, **more)
    with refused("InvalidArgument", 400):
        retain("COMPLIANCE", -1)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="r", VersionId=version, BypassGovernanceRetention=True)


def test_uploads_copies_and_forms(installation, locked, tmp_path):
    s3, until = installation.s3, after(2)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "OFF"}
    file = tmp_path / "big"
    file.write_bytes(b"x" * (6 << 20))
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(str(file), locked, "big", ExtraArgs=lock, Config=config)
    s3.copy_object(Bucket=locked, Key="copy", CopySource=f"{locked}/big", **lock)
    form = s3.generate_presigned_post(
        locked, "form",
        Fields={"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until.isoformat(),
                "x-amz-object-lock-legal-hold": "OFF"},
        Conditions=[["starts-with", "$x-amz-object-lock-mode", ""], ["starts-with", "$x-amz-object-lock-legal-hold", ""],
                    ["starts-with", "$x-amz-object-lock-retain-until-date", ""]],
    )
    words = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    status = subprocess.run(
        ["curl", "-s", "-o", str(tmp_path / "said"), "-w", "%{http_code}", *words, "-F", f"file=@{file}", form["url"]],
        capture_output=True, text=True, check=True,
    ).stdout
    assert status == "204", (tmp_path / "said").read_text()
    for key in ("big", "copy", "form"):
        head = s3.head_object(Bucket=locked, Key=key)
        assert {name: head[name] for name in lock} == lock, key
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=locked, Key=key, VersionId=head["VersionId"])
    # The source's lock is not copied.
    s3.copy_object(Bucket=locked, Key="plain", CopySource=f"{locked}/big")
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="plain")


def test_policies_bound_retention(installation):
    s3, bucket = installation.s3, installation.bucket() + "-lock"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectRetention"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}},
    }}))
    put(s3, bucket, "k", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=after(10))
    with refused("AccessDenied", 403):
        put(s3, bucket, "k", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=after(12))
    with refused("AccessDenied", 403):
        s3.put_object_retention(
            Bucket=bucket, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": after(12)},
        )


def test_the_aws_cli(installation, locked, tmp_path):
    def aws(*words):
        return json.loads(installation.aws("s3api", *words, "--output", "json").stdout or "{}")

    on = ["--bucket", locked, "--key", "cli"]
    body = tmp_path / "body"
    body.write_text("x")
    version = aws("put-object", *on, "--body", str(body), "--object-lock-mode", "GOVERNANCE",
                  "--object-lock-retain-until-date", after(1).isoformat())["VersionId"]
    aws("put-object-legal-hold", *on, "--legal-hold", "Status=OFF")
    assert aws("get-object-retention", *on)["Retention"]["Mode"] == "GOVERNANCE"
    aws("delete-object", *on, "--version-id", version, "--bypass-governance-retention")


def test_locks_survive_a_kill(another, tmp_path):
    adit = another(state=tmp_path / "state", arguments=["--planes", "none"]).start()
    s3, bucket = adit.s3, "kept"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    version = put(s3, bucket, "k", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=after(1))
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    adit.kill_dash_nine()
    adit.start()
    head = adit.s3.head_object(Bucket=bucket, Key="k", VersionId=version)
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
    with refused("AccessDenied", 403):
        adit.s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    adit.adit("objects", "verify")
