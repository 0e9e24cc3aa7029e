"""Batch jobs of S3 Control: what they do to objects, with whose rights, what they report, and what stops them."""

import csv
import datetime
import hashlib
import io
import json
import time
import urllib.parse
import uuid

import pytest
from harness.expect import refused
from harness.installation import ACCOUNT, Installation, wait_until
from harness.policies import document

UP = {"arguments": ["--planes", "none"]}
SERVICE = "batchoperations.s3.amazonaws.com"
CSV = "S3BatchOperations_CSV_20180820"


class Jobs:
    """A bucket with a list of objects, a role that may do everything with them, and jobs over the list."""

    def __init__(self, adit):
        self.adit, self.s3, self.control = adit, adit.s3, adit.client("s3control")
        self.bucket, self.reports = adit.bucket(), adit.bucket()
        self.iam = adit.client("iam")
        self.role = self.make_role("worker", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})

    def make_role(self, name, *statements, service=SERVICE):
        """A role for this service with these rights; its ARN."""
        trust = document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=document(*statements))
        return role["Arn"]

    def put(self, *keys, bucket=None):
        """Objects whose bodies are their keys."""
        for key in keys:
            self.s3.put_object(Bucket=bucket or self.bucket, Key=key, Body=key.encode())

    def manifest(self, *rows, fields=("Bucket", "Key")):
        """The parameter `Manifest` for these rows."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        put = self.s3.put_object(Bucket=self.bucket, Key="manifest.csv", Body=text.getvalue())
        return {
            "Spec": {"Format": CSV, "Fields": list(fields)},
            "Location": {"ObjectArn": f"arn:aws:s3:::{self.bucket}/manifest.csv", "ETag": put["ETag"]},
        }

    def of_keys(self, *keys):
        """The manifest of objects of the bucket."""
        return self.manifest(*((self.bucket, urllib.parse.quote(key, safe="")) for key in keys))

    def create(self, manifest, operation, *, control=None, **options):
        """A job; its id."""
        options.setdefault("RoleArn", self.role)
        options.setdefault("Priority", 10)
        options.setdefault("ConfirmationRequired", False)
        options.setdefault("ClientRequestToken", str(uuid.uuid4()))
        options.setdefault("Report", self.report())
        made = (control or self.control).create_job(
            AccountId=ACCOUNT, Manifest=manifest, Operation=operation, **options
        )
        return made["JobId"]

    def report(self, scope="AllTasks"):
        """The parameter `Report`."""
        return {
            "Enabled": True,
            "Bucket": f"arn:aws:s3:::{self.reports}",
            "Format": "Report_CSV_20180820",
            "Prefix": "reports",
            "ReportScope": scope,
        }

    def describe(self, job):
        """The job as it is shown."""
        return self.control.describe_job(AccountId=ACCOUNT, JobId=job)["Job"]

    def status(self, job):
        """Its status."""
        return self.describe(job)["Status"]

    def until(self, job, *statuses, seconds=30):
        """Waits until the job has one of these statuses; the job."""
        final = {"Complete", "Failed", "Cancelled"}

        def look():
            shown = self.describe(job)
            assert shown["Status"] in statuses or shown["Status"] not in final, shown
            return shown if shown["Status"] in statuses else None

        return wait_until(look, seconds, f"{' or '.join(statuses)} of job {job}")

    def progress(self, job):
        """Objects in the manifest, those done, those that failed."""
        shown = self.describe(job)["ProgressSummary"]
        names = "TotalNumberOfTasks", "NumberOfTasksSucceeded", "NumberOfTasksFailed"
        return tuple(shown[name] for name in names)

    def rows(self, job):
        """The rows of the report, sorted; checks what the summary says of them."""
        front = f"reports/job-{job}/"
        raw = self.s3.get_object(Bucket=self.reports, Key=front + "manifest.json")["Body"].read()
        digest = self.s3.get_object(Bucket=self.reports, Key=front + "manifest.json.md5")["Body"].read()
        assert digest.decode() == hashlib.md5(raw).hexdigest()
        summary = json.loads(raw)
        assert summary["Format"] == "Report_CSV_20180820"
        assert summary["ReportSchema"].split(", ")[3:5] == ["TaskStatus", "ErrorCode"]
        rows = []
        for result in summary["Results"]:
            assert result["Bucket"] == self.reports and result["Key"].startswith(front + "results/")
            body = self.s3.get_object(Bucket=self.reports, Key=result["Key"])["Body"].read()
            assert hashlib.md5(body).hexdigest() == result["MD5Checksum"]
            found = list(csv.reader(io.StringIO(body.decode())))
            assert {row[3] for row in found} == {result["TaskExecutionStatus"]}
            rows += found
        return sorted(rows)

    def tags(self, key, **options):
        """The tags of an object of the bucket."""
        shown = self.s3.get_object_tagging(Bucket=self.bucket, Key=key, **options)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in shown}


def tag_with(**tags):
    """The operation that puts these tags."""
    return {"S3PutObjectTagging": {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}}


@pytest.fixture
def jobs(adit):
    return Jobs(adit)


# ---- what jobs do -----------------------------------------------------------------------------


def test_a_job_tags_what_there_is_and_reports_what_there_is_not(jobs):
    keys = ["plain", "with space", "slash/and,comma", 'quote"', "plus+ü"]
    jobs.put(*keys)
    job = jobs.create(jobs.of_keys(*keys, "missing"), tag_with(team="one"), Description="first")
    shown = jobs.until(job, "Complete")
    assert jobs.progress(job) == (6, 5, 1)
    assert [jobs.tags(key) for key in keys] == [{"team": "one"}] * 5
    rows = jobs.rows(job)
    assert {urllib.parse.unquote(row[1]): row[3:6] for row in rows} == {
        **{key: ["succeeded", "", "200"] for key in keys},
        "missing": ["failed", "NoSuchKey", "404"],
    }
    assert (shown["JobArn"], shown["Description"]) == (f"arn:aws:s3:us-east-1:{ACCOUNT}:job/{job}", "first")
    assert shown["TerminationDate"] >= shown["CreationTime"]
    assert shown["Operation"] == tag_with(team="one")
    job = jobs.create(jobs.of_keys(*keys), {"S3DeleteObjectTagging": {}}, Report=jobs.report("FailedTasksOnly"))
    jobs.until(job, "Complete")
    assert jobs.progress(job) == (5, 5, 0)
    assert [jobs.tags(key) for key in keys] == [{}] * 5
    assert jobs.rows(job) == []


def test_a_job_copies_with_new_metadata_and_tags(jobs):
    jobs.put("a", "folder/b")
    jobs.s3.put_object_tagging(Bucket=jobs.bucket, Key="a", Tagging={"TagSet": [{"Key": "old", "Value": "1"}]})
    target = jobs.adit.bucket()
    copy = {"TargetResource": f"arn:aws:s3:::{target}", "TargetKeyPrefix": "copies"}
    jobs.until(jobs.create(jobs.of_keys("a", "folder/b"), {"S3PutObjectCopy": copy}), "Complete")
    for key in "a", "folder/b":
        assert jobs.s3.get_object(Bucket=target, Key=f"copies/{key}")["Body"].read() == key.encode()
    assert jobs.s3.get_object_tagging(Bucket=target, Key="copies/a")["TagSet"] == [{"Key": "old", "Value": "1"}]
    copy = {
        "TargetResource": f"arn:aws:s3:::{target}",
        "MetadataDirective": "REPLACE",
        "NewObjectMetadata": {"ContentType": "text/plain", "UserMetadata": {"Team": "two"}, "CacheControl": "no-store"},
        "NewObjectTagging": [{"Key": "new", "Value": "2"}],
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "SHA256",
    }
    job = jobs.create(jobs.of_keys("a"), {"S3PutObjectCopy": copy})
    assert jobs.until(job, "Complete")["Operation"] == {"S3PutObjectCopy": copy}
    got = jobs.s3.get_object(Bucket=target, Key="a", ChecksumMode="ENABLED")
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("text/plain", "no-store", {"team": "two"})
    assert "ChecksumSHA256" in got
    assert jobs.s3.get_object_tagging(Bucket=target, Key="a")["TagSet"] == [{"Key": "new", "Value": "2"}]


def test_a_job_cannot_copy_what_a_customers_key_seals(jobs):
    jobs.put("open")
    jobs.s3.put_object(Bucket=jobs.bucket, Key="sealed", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    copy = {"TargetResource": f"arn:aws:s3:::{jobs.adit.bucket()}"}
    job = jobs.create(jobs.of_keys("open", "sealed"), {"S3PutObjectCopy": copy})
    jobs.until(job, "Complete")
    assert {row[1]: row[3:6] for row in jobs.rows(job)} == {
        "open": ["succeeded", "", "200"],
        "sealed": ["failed", "InvalidRequest", "400"],
    }
    assert any("correct parameters" in row[6] for row in jobs.rows(job))


def test_versions_and_access_points_are_named_by_the_manifest(jobs):
    jobs.s3.put_bucket_versioning(Bucket=jobs.bucket, VersioningConfiguration={"Status": "Enabled"})
    old = jobs.s3.put_object(Bucket=jobs.bucket, Key="k", Body=b"old")["VersionId"]
    jobs.put("k")
    point = jobs.control.create_access_point(AccountId=ACCOUNT, Name="for-jobs", Bucket=jobs.bucket)["AccessPointArn"]
    manifest = jobs.manifest(
        ("x", "k", jobs.bucket, old), ("x", "k", point, ""), fields=("Ignore", "Key", "Bucket", "VersionId")
    )
    job = jobs.create(manifest, tag_with(which="old"))
    jobs.until(job, "Complete")
    assert jobs.progress(job) == (2, 2, 0), jobs.rows(job)
    assert jobs.tags("k", VersionId=old) == {"which": "old"} == jobs.tags("k")
    target = jobs.adit.bucket()
    copy = {"S3PutObjectCopy": {"TargetResource": f"arn:aws:s3:::{target}"}}
    jobs.until(jobs.create(jobs.manifest((jobs.bucket, "k", old), fields=("Bucket", "Key", "VersionId")), copy), "Complete")
    assert jobs.s3.get_object(Bucket=target, Key="k")["Body"].read() == b"old"
    job = jobs.create(jobs.manifest((point, "k")), copy)
    jobs.until(job, "Complete")
    assert jobs.rows(job)[0][3] == "succeeded", jobs.rows(job)
    assert jobs.s3.get_object(Bucket=target, Key="k")["Body"].read() == b"k"


# ---- whose rights -----------------------------------------------------------------------------


def test_every_object_is_decided_with_the_rights_of_the_role(jobs):
    jobs.put("mine/a", "theirs/a", "tagged")
    role = jobs.make_role(
        "narrow",
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"arn:aws:s3:::{jobs.bucket}/manifest.csv"},
        {"Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": f"arn:aws:s3:::{jobs.bucket}/mine/*"},
        {"Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": f"arn:aws:s3:::{jobs.bucket}/tagged"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{jobs.reports}/*"},
    )
    jobs.adit.put_policy(
        jobs.bucket,
        {
            "Effect": "Deny",
            "Principal": {"AWS": role},
            "Action": "s3:PutObjectTagging",
            "Resource": f"arn:aws:s3:::{jobs.bucket}/tagged",
        },
    )
    job = jobs.create(jobs.of_keys("mine/a", "theirs/a", "tagged"), tag_with(a="b"), RoleArn=role)
    jobs.until(job, "Complete")
    assert jobs.progress(job) == (3, 1, 2)
    shown = {urllib.parse.unquote(row[1]): row for row in jobs.rows(job)}
    assert shown["mine/a"][3] == "succeeded"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/narrow/s3-batch-operations_{job}"
    assert shown["theirs/a"][4:6] == ["AccessDenied", "403"] and session in shown["theirs/a"][6]
    assert "explicit deny in a resource-based policy" in shown["tagged"][6]
    assert jobs.tags("theirs/a") == {} == jobs.tags("tagged")


def test_a_role_must_be_there_trust_the_service_and_be_passed(jobs):
    jobs.put("a")
    manifest = jobs.of_keys("a")
    for role in jobs.make_role("other", service="lambda.amazonaws.com"), f"arn:aws:iam::{ACCOUNT}:role/nobody":
        job = jobs.create(manifest, tag_with(a="b"), RoleArn=role)
        shown = jobs.until(job, "Failed")
        assert shown["FailureReasons"][0]["FailureCode"] == "RoleNotAssumable", shown
    assert jobs.tags("a") == {}
    with refused("AccessDenied", 403):
        jobs.create(manifest, tag_with(a="b"), RoleArn="arn:aws:iam::999988887777:role/worker")
    jobs.iam.create_user(UserName="ana")
    key = jobs.iam.create_access_key(UserName="ana")["AccessKey"]
    control = jobs.adit.client_of("s3control", key)
    passes = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": jobs.role}
    passes["Condition"] = {"StringEquals": {"iam:PassedToService": SERVICE}}
    creates = {"Effect": "Allow", "Action": "s3:CreateJob", "Resource": "*"}
    creates["Condition"] = {
        "StringEquals": {"s3:RequestJobOperation": "S3PutObjectTagging"},
        "NumericLessThanEquals": {"s3:RequestJobPriority": "20"},
    }

    def may(*statements):
        jobs.iam.put_user_policy(UserName="ana", PolicyName="may", PolicyDocument=document(*statements))

    may(creates)
    with refused("AccessDenied", 403, "iam:PassRole"):
        jobs.create(manifest, tag_with(a="b"), control=control)
    may(creates, passes)
    with refused("AccessDenied", 403, "s3:CreateJob"):
        jobs.create(manifest, tag_with(a="b"), control=control, Priority=21)
    with refused("AccessDenied", 403, "s3:CreateJob"):
        jobs.create(manifest, {"S3DeleteObjectTagging": {}}, control=control)
    jobs.until(jobs.create(manifest, tag_with(a="b"), control=control), "Complete")
    assert jobs.tags("a") == {"a": "b"}


# ---- what stops jobs --------------------------------------------------------------------------


def test_a_manifest_must_be_the_one_that_was_meant(jobs):
    jobs.put("a")
    manifest = jobs.of_keys("a")
    wrong = json.loads(json.dumps(manifest))
    wrong["Location"]["ETag"] = "0" * 32
    missing = json.loads(json.dumps(manifest))
    missing["Location"]["ObjectArn"] += ".gone"
    broken = jobs.manifest(("only-a-bucket",))
    broken["Location"]["ObjectArn"] = broken["Location"]["ObjectArn"].replace("manifest.csv", "broken.csv")
    put = jobs.s3.put_object(Bucket=jobs.bucket, Key="broken.csv", Body=b"only-a-bucket\n")
    broken["Location"]["ETag"] = put["ETag"]
    jobs.of_keys("a")
    for given, code in (
        (wrong, "ManifestETagMismatch"),
        (missing, "ManifestNotFound"),
        (broken, "ManifestInvalid"),
    ):
        shown = jobs.until(jobs.create(given, tag_with(a="b")), "Failed")
        assert [why["FailureCode"] for why in shown["FailureReasons"]] == [code]
    assert jobs.tags("a") == {}


def test_a_job_that_needs_confirmation_waits_for_it(jobs):
    jobs.put("a")
    job = jobs.create(jobs.of_keys("a"), tag_with(a="b"), ConfirmationRequired=True)
    shown = jobs.until(job, "Suspended")
    assert shown["SuspendedCause"] == "AwaitingConfirmation" and shown["SuspendedDate"]
    assert jobs.progress(job) == (1, 0, 0)
    time.sleep(0.3)
    assert jobs.tags("a") == {}
    update = jobs.control.update_job_status
    made = update(AccountId=ACCOUNT, JobId=job, RequestedJobStatus="Ready", StatusUpdateReason="looks good")
    assert (made["JobId"], made["StatusUpdateReason"]) == (job, "looks good")
    assert jobs.until(job, "Complete")["StatusUpdateReason"] == "looks good"
    assert jobs.tags("a") == {"a": "b"}
    for status in "Ready", "Cancelled":
        with refused("JobStatusException"):
            update(AccountId=ACCOUNT, JobId=job, RequestedJobStatus=status)
    job = jobs.create(jobs.of_keys("a"), {"S3DeleteObjectTagging": {}}, ConfirmationRequired=True)
    jobs.until(job, "Suspended")
    assert update(AccountId=ACCOUNT, JobId=job, RequestedJobStatus="Cancelled")["Status"] == "Cancelled"
    assert jobs.describe(job)["TerminationDate"]
    assert jobs.tags("a") == {"a": "b"}


def test_requests_that_make_no_job(jobs):
    manifest = jobs.of_keys("a")
    nowhere = jobs.report() | {"Bucket": "arn:aws:s3:::no-such-bucket-here"}
    no_key = manifest | {"Spec": {"Format": CSV, "Fields": ["Bucket", "Ignore"]}}
    for options in (
        {"operation": {"S3PutObjectTagging": {"TagSet": []}, "S3DeleteObjectTagging": {}}},
        {"operation": {}},
        {"Report": nowhere},
        {"Report": {"Enabled": True}},
        {"manifest": no_key},
        {"operation": {"S3PutObjectCopy": {"TargetResource": "arn:aws:s3:::a/b"}}},
    ):
        options = {"manifest": manifest, "operation": tag_with(a="b")} | options
        with refused("InvalidRequest"):
            jobs.create(options.pop("manifest"), options.pop("operation"), **options)
    for operation in (
        {"S3InitiateRestoreObject": {"ExpirationInDays": 1}},
        {"S3PutObjectCopy": {"TargetResource": "arn:aws:s3:::a", "SSEAwsKmsKeyId": "key"}},
    ):
        with refused("NotImplemented", 501):
            jobs.create(manifest, operation)
    with refused("NoSuchJob", 404):
        jobs.describe("00000000-0000-4000-8000-000000000000")
    token = str(uuid.uuid4())
    first = jobs.create(manifest, tag_with(a="b"), ClientRequestToken=token)
    assert jobs.create(manifest, tag_with(a="b"), ClientRequestToken=token) == first
    with refused("IdempotencyException"):
        jobs.create(manifest, tag_with(a="c"), ClientRequestToken=token)


def test_jobs_are_listed_in_pages_and_tagged(jobs):
    manifest = jobs.of_keys()
    made = [
        jobs.create(manifest, tag_with(a="b"), ConfirmationRequired=True, Tags=[{"Key": "n", "Value": str(n)}])
        for n in range(5)
    ]
    for job in made:
        jobs.until(job, "Suspended")
    pages, more = [], {}
    while not pages or more:
        page = jobs.control.list_jobs(AccountId=ACCOUNT, MaxResults=2, **more)
        pages.append([job["JobId"] for job in page["Jobs"]])
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert [len(page) for page in pages] == [2, 2, 1] and sorted(sum(pages, [])) == sorted(made)
    assert jobs.control.list_jobs(AccountId=ACCOUNT, JobStatuses=["Complete"])["Jobs"] == []
    [line] = [job for job in jobs.control.list_jobs(AccountId=ACCOUNT)["Jobs"] if job["JobId"] == made[0]]
    assert (line["Operation"], line["Status"], line["Priority"]) == ("S3PutObjectTagging", "Suspended", 10)
    one = {"AccountId": ACCOUNT, "JobId": made[3]}
    assert jobs.control.get_job_tagging(**one)["Tags"] == [{"Key": "n", "Value": "3"}]
    jobs.control.put_job_tagging(**one, Tags=[{"Key": "x", "Value": "y"}])
    assert jobs.control.get_job_tagging(**one)["Tags"] == [{"Key": "x", "Value": "y"}]
    jobs.control.delete_job_tagging(**one)
    assert jobs.control.get_job_tagging(**one)["Tags"] == []
    assert jobs.control.update_job_priority(**one, Priority=77)["Priority"] == 77
    assert jobs.describe(made[3])["Priority"] == 77


# ---- order, and the end of the daemon ---------------------------------------------------------


def many(jobs, count):
    """A manifest that names a thousand times as many lines as there are objects."""
    keys = [f"k{n}" for n in range(10)]
    jobs.put(*keys)
    return jobs.of_keys(*(keys * (count // 10)))


def test_jobs_give_way_are_cancelled_and_go_on_after_a_crash(tmp_path):
    config = tmp_path / "adit.toml"
    config.write_text("[jobs]\nconcurrent = 1\n")
    adit = Installation(state=tmp_path / "state", arguments=["--planes", "none", "--config", str(config)])
    try:
        jobs = Jobs(adit.start())
        # So many that no machine is through with them before it is told to stop.
        lines = 200_000
        manifest = many(jobs, lines)
        low = jobs.create(manifest, tag_with(by="low"), Priority=1)
        jobs.until(low, "Active")
        waiting = jobs.create(manifest, tag_with(by="waiting"), Priority=1)
        high = jobs.create(manifest, tag_with(by="high"), Priority=5)
        jobs.until(high, "Active")
        assert jobs.until(low, "Paused")["ProgressSummary"]["NumberOfTasksFailed"] == 0
        # It may have had the turn for a moment, between the others.
        shown = jobs.until(waiting, "Ready", "Paused", seconds=60)
        assert shown["ProgressSummary"]["TotalNumberOfTasks"] == lines
        # The priority of one that waits can be raised at any time.
        jobs.control.update_job_priority(AccountId=ACCOUNT, JobId=low, Priority=9)
        jobs.until(low, "Active")
        jobs.until(high, "Paused")
        jobs.control.update_job_status(AccountId=ACCOUNT, JobId=high, RequestedJobStatus="Cancelled")
        before = wait_until(lambda: jobs.progress(low)[1] > 200 and jobs.progress(low), 30, "some progress")
        adit.kill_dash_nine()
        adit.start()
        jobs = again(jobs, adit)
        after = jobs.progress(low)
        assert before[1] <= after[1] < lines and after[2] == 0
        assert jobs.until(high, "Cancelled")["ProgressSummary"]["NumberOfTasksSucceeded"] > 0
        assert len(jobs.rows(high)) == jobs.progress(high)[1], "the report of a cancelled job tells what it did"
        jobs.control.update_job_status(AccountId=ACCOUNT, JobId=waiting, RequestedJobStatus="Cancelled")
        wait_until(lambda: jobs.progress(low)[1] > after[1], 30, "progress after the crash")
        jobs.control.update_job_status(AccountId=ACCOUNT, JobId=low, RequestedJobStatus="Cancelled")
        jobs.until(low, "Cancelled")
        rows = jobs.rows(low)
        assert len(rows) == jobs.progress(low)[1] and {row[3] for row in rows} == {"succeeded"}
        assert list((tmp_path / "state" / "jobs").iterdir()) == []
    finally:
        adit.close()


def again(jobs, adit):
    """The same after a restart: with new connections."""
    jobs.adit, jobs.s3, jobs.control = adit, adit.s3, adit.client("s3control")
    return jobs


def test_a_job_is_given_up_when_most_objects_fail(jobs):
    manifest = jobs.of_keys(*(f"missing{n}" for n in range(3000)))
    job = jobs.create(manifest, tag_with(a="b"))
    shown = jobs.until(job, "Failed")
    assert shown["FailureReasons"][0]["FailureCode"] == "TooManyFailures"
    total, succeeded, failed = jobs.progress(job)
    assert (total, succeeded) == (3000, 0) and 1000 <= failed < 3000
    assert len(jobs.rows(job)) == failed


def test_jobs_lock_objects(jobs):
    """Retention and legal hold of what there is, and of copies."""
    s3, until = jobs.s3, datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    s3.put_bucket_versioning(Bucket=jobs.bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=jobs.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    jobs.put("a", "b")
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    for operation in (
        {"S3PutObjectRetention": {"Retention": retention}},
        {"S3PutObjectLegalHold": {"LegalHold": {"Status": "ON"}}},
        {"S3PutObjectCopy": {
            "TargetResource": f"arn:aws:s3:::{jobs.bucket}", "TargetKeyPrefix": "copies", "ObjectLockMode": "GOVERNANCE",
            "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "OFF",
        }},
    ):
        job = jobs.create(jobs.of_keys("a", "b"), operation)
        shown = jobs.until(job, "Complete")
        assert jobs.progress(job) == (2, 2, 0), jobs.rows(job)
        (name, how), = operation.items()
        assert how.items() <= shown["Operation"][name].items()
    for key, hold in (("a", "ON"), ("b", "ON"), ("copies/a", "OFF"), ("copies/b", "OFF")):
        head = s3.head_object(Bucket=jobs.bucket, Key=key)
        assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until), key
        assert head["ObjectLockLegalHoldStatus"] == hold, key
    # Lifting it needs the word, as for anybody.
    for bypass, done in ((False, (2, 0, 2)), (True, (2, 2, 0))):
        lift = {"S3PutObjectRetention": {"BypassGovernanceRetention": bypass, "Retention": {}}}
        job = jobs.create(jobs.of_keys("a", "b"), lift)
        jobs.until(job, "Complete")
        assert jobs.progress(job) == done, jobs.rows(job)
