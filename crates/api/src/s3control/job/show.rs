//! Jobs as replies show them: what was said when they were made, and how far they are.

use adit_model::*;
use adit_wire::{Map, Value, map};

use crate::describe::tags;

const FORMAT: &str = "S3BatchOperations_CSV_20180820";

fn time(millis: Option<Millis>) -> Value {
    millis.map_or(Value::Null, |millis| Value::Time { millis })
}

fn progress(job: &Job) -> Value {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    map! {
        "TotalNumberOfTasks" => count(job.progress.total),
        "NumberOfTasksSucceeded" => count(job.progress.succeeded),
        "NumberOfTasksFailed" => count(job.progress.failed),
        "Timers" => map! { "ElapsedTimeInActiveSeconds" => count(job.progress.active / 1000) },
    }
}

/// One line of a list.
pub(super) fn line(job: &Job) -> Value {
    map! {
        "JobId" => job.id.as_str(),
        "Description" => job.description.as_deref(),
        "Operation" => job.operation.name(),
        "Priority" => i64::from(job.priority),
        "Status" => job.status.as_str(),
        "CreationTime" => time(Some(job.created)),
        "TerminationDate" => time(job.ended),
        "ProgressSummary" => progress(job),
    }
}

/// All of it.
pub(super) fn whole(job: &Job) -> Value {
    let failures = job.failure.iter().map(|failure| {
        map! { "FailureCode" => failure.code.as_str(), "FailureReason" => failure.reason.as_str() }
    });
    let cause = job
        .suspended
        .map(|_| "AwaitingConfirmation")
        .filter(|_| job.status == JobStatus::Suspended);
    map! {
        "JobId" => job.id.as_str(),
        "ConfirmationRequired" => job.confirmation_required,
        "Description" => job.description.as_deref(),
        "JobArn" => job.arn(),
        "Status" => job.status.as_str(),
        "Manifest" => manifest(&job.manifest),
        "Operation" => operation(&job.operation),
        "Priority" => i64::from(job.priority),
        "ProgressSummary" => progress(job),
        "StatusUpdateReason" => job.status_reason.as_deref(),
        "FailureReasons" => failures.collect::<Value>(),
        "Report" => report(&job.report),
        "CreationTime" => time(Some(job.created)),
        "TerminationDate" => time(job.ended),
        "RoleArn" => job.role.as_str(),
        "SuspendedDate" => time(job.suspended),
        "SuspendedCause" => cause,
    }
}

fn manifest(manifest: &JobManifest) -> Value {
    map! {
        "Spec" => map! {
            "Format" => FORMAT,
            "Fields" => manifest.fields.iter().map(String::as_str).collect::<Value>(),
        },
        "Location" => map! {
            "ObjectArn" => manifest.object.as_str(),
            "ObjectVersionId" => manifest.version.as_deref(),
            "ETag" => manifest.etag.as_str(),
        },
    }
}

fn report(report: &JobReport) -> Value {
    map! {
        "Bucket" => report.bucket.as_deref(),
        "Format" => report.enabled.then_some("Report_CSV_20180820"),
        "Enabled" => report.enabled,
        "Prefix" => report.prefix.as_deref(),
        "ReportScope" => report.scope.as_deref(),
        "ExpectedBucketOwner" => report.expected_owner.as_deref(),
    }
}

fn operation(operation: &JobOperation) -> Value {
    let shown = match operation {
        JobOperation::Copy(how) => copy(how),
        JobOperation::PutAcl(acl) => map! { "AccessControlPolicy" => policy(acl) },
        JobOperation::PutTagging(set) => map! { "TagSet" => tags(set) },
        JobOperation::DeleteTagging => Value::Map(Map::new()),
        JobOperation::PutRetention { retention, bypass } => map! {
            "BypassGovernanceRetention" => *bypass,
            "Retention" => map! {
                "Mode" => retention.as_ref().map(|retention| retention.mode.as_str()),
                "RetainUntilDate" => time(retention.as_ref().map(|retention| retention.until)),
            },
        },
        JobOperation::PutLegalHold(on) => {
            map! { "LegalHold" => map! { "Status" => on_or_off(*on) } }
        }
    };
    let mut one = Map::new();
    one.push(operation.name(), shown);
    Value::Map(one)
}

fn on_or_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

fn grants(acl: &JobAcl) -> Value {
    let shown = acl.grants.iter().map(|grant| {
        map! {
            "Grantee" => map! {
                "TypeIdentifier" => grant.kind.as_str(),
                "Identifier" => grant.identifier.as_str(),
            },
            "Permission" => grant.permission.as_str(),
        }
    });
    shown.collect()
}

fn policy(acl: &JobAcl) -> Value {
    let list = acl.owner.as_ref().map(|owner| {
        map! { "Owner" => map! { "ID" => owner.as_str() }, "Grants" => grants(acl) }
    });
    map! {
        "AccessControlList" => list,
        "CannedAccessControlList" => acl.canned.as_deref(),
    }
}

fn copy(how: &JobCopy) -> Value {
    let granted = (!how.acl.grants.is_empty()).then(|| grants(&how.acl));
    map! {
        "TargetResource" => how.target.as_str(),
        "CannedAccessControlList" => how.acl.canned.as_deref(),
        "AccessControlGrants" => granted,
        "MetadataDirective" => how.metadata_directive.as_deref(),
        "ModifiedSinceConstraint" => time(how.modified_since),
        "NewObjectMetadata" => how.metadata.as_ref().map(metadata),
        "NewObjectTagging" => how.tags.as_ref().map(tags),
        "StorageClass" => how.storage_class.as_deref(),
        "UnModifiedSinceConstraint" => time(how.unmodified_since),
        "TargetKeyPrefix" => how.prefix.as_deref(),
        "ChecksumAlgorithm" => how.checksum.as_deref(),
        "ObjectLockMode" => how.retention.as_ref().map(|retention| retention.mode.as_str()),
        "ObjectLockRetainUntilDate" => time(how.retention.as_ref().map(|kept| kept.until)),
        "ObjectLockLegalHoldStatus" => how.legal_hold.map(on_or_off),
    }
}

fn metadata(given: &JobMetadata) -> Value {
    let user: Map = given
        .user
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str()))
        .collect();
    map! {
        "CacheControl" => given.cache_control.as_deref(),
        "ContentDisposition" => given.content_disposition.as_deref(),
        "ContentEncoding" => given.content_encoding.as_deref(),
        "ContentLanguage" => given.content_language.as_deref(),
        "UserMetadata" => user,
        "ContentType" => given.content_type.as_deref(),
        "HttpExpiresDate" => time(given.expires),
        "SSEAlgorithm" => given.encryption.as_deref(),
    }
}
