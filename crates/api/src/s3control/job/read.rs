//! What a request says of a new job. What Adit does not do is refused when the job is made, not when it runs.

use adit_model::*;
use adit_wire::Value;

use super::invalid;
use crate::input::Input;
use crate::refusal::Refusal;
use crate::s3::settings;

/// Most tags of an object.
const MOST_TAGS: usize = 10;

fn unbuilt(what: &str) -> Refusal {
    Refusal::new("NotImplemented", format!("{what} is not supported."))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).str().map(str::to_string)
}

/// The role, which must be the account's own. Whether there is one, and whom it trusts, is seen when it is used.
pub(super) fn role(input: &Input<'_>, owner: &AccountId) -> Result<String, Refusal> {
    let arn = input.text("RoleArn").unwrap_or_default();
    let front = format!("arn:aws:iam::{owner}:role/");
    match arn.strip_prefix(&front) {
        Some(name) if !name.is_empty() => Ok(arn.to_string()),
        _ => Err(invalid(format!(
            "The role {arn} is not one of this account."
        ))),
    }
}

/// The name of the bucket that an ARN is of.
fn bucket_of(arn: &str) -> Result<&str, Refusal> {
    arn.strip_prefix("arn:aws:s3:::")
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .ok_or_else(|| invalid(format!("{arn} is not the ARN of a bucket.")))
}

pub(super) fn manifest(input: &Input<'_>) -> Result<JobManifest, Refusal> {
    if !input.get("ManifestGenerator").is_null() {
        return Err(unbuilt("ManifestGenerator"));
    }
    let given = input.get("Manifest");
    let (spec, location) = (given.get("Spec"), given.get("Location"));
    if given.is_null() {
        return Err(invalid("A job needs a manifest."));
    }
    if spec.get("Format").str() != Some("S3BatchOperations_CSV_20180820") {
        return Err(unbuilt("A manifest of an inventory report"));
    }
    let fields: Vec<String> = spec.get("Fields").strings().map(str::to_string).collect();
    let times = |name: &str| fields.iter().filter(|field| *field == name).count();
    if times("Bucket") != 1 || times("Key") != 1 || times("VersionId") > 1 || fields.len() > 64 {
        return Err(invalid(
            "The fields of a manifest must have Bucket and Key once, and VersionId at most once.",
        ));
    }
    let object = location.get("ObjectArn").str().unwrap_or_default();
    let named = object.strip_prefix("arn:aws:s3:::");
    if !named
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    {
        return Err(invalid(format!("{object} is not the ARN of an object.")));
    }
    let etag = location.get("ETag").str().unwrap_or_default();
    Ok(JobManifest {
        fields,
        object: object.to_string(),
        version: text(location, "ObjectVersionId"),
        etag: etag.trim_matches('"').to_string(),
    })
}

pub(super) fn report(given: &Value, intent: &Intent) -> Result<JobReport, Refusal> {
    let report = JobReport {
        enabled: given.get("Enabled").bool().unwrap_or(false),
        bucket: text(given, "Bucket"),
        prefix: text(given, "Prefix"),
        scope: text(given, "ReportScope"),
        expected_owner: text(given, "ExpectedBucketOwner"),
    };
    if !report.enabled {
        return Ok(report);
    }
    let arn = report
        .bucket
        .as_deref()
        .ok_or_else(|| invalid("An enabled report needs a bucket."))?;
    if given.get("Format").is_null() || report.scope.is_none() {
        return Err(invalid("An enabled report needs a format and a scope."));
    }
    if intent.get::<Bucket>(bucket_of(arn)?).is_none() {
        return Err(invalid("The report's bucket does not exist."));
    }
    Ok(report)
}

pub(super) fn operation(given: &Value) -> Result<JobOperation, Refusal> {
    let members = given.map().map(|map| {
        let named = map.iter().filter(|(_, value)| !value.is_null());
        named.collect::<Vec<_>>()
    });
    let members = members.unwrap_or_default();
    let [(name, how)] = members.as_slice() else {
        return Err(invalid("A job needs exactly one operation."));
    };
    match *name {
        "S3PutObjectCopy" => Ok(JobOperation::Copy(Box::new(copy(how)?))),
        "S3PutObjectAcl" => Ok(JobOperation::PutAcl(acl(how.get("AccessControlPolicy"))?)),
        "S3PutObjectTagging" => Ok(JobOperation::PutTagging(tag_set(how.get("TagSet"))?)),
        "S3DeleteObjectTagging" => Ok(JobOperation::DeleteTagging),
        "S3PutObjectRetention" => Ok(JobOperation::PutRetention {
            retention: retention(how.get("Retention"), "Mode", "RetainUntilDate")?,
            bypass: how.get("BypassGovernanceRetention").bool() == Some(true),
        }),
        "S3PutObjectLegalHold" => legal_hold(how.get("LegalHold"), "Status")?
            .map(JobOperation::PutLegalHold)
            .ok_or_else(|| invalid("A legal hold is either ON or OFF.")),
        other => Err(unbuilt(other)),
    }
}

/// A retention in two members; none if neither is there.
fn retention(given: &Value, mode: &str, until: &str) -> Result<Option<JobRetention>, Refusal> {
    match (given.get(mode).str(), given.get(until).millis()) {
        (None, None) => Ok(None),
        (Some(mode @ ("GOVERNANCE" | "COMPLIANCE")), Some(until)) => Ok(Some(JobRetention {
            mode: mode.to_string(),
            until,
        })),
        _ => Err(invalid("A retention has a mode and a date.")),
    }
}

fn legal_hold(given: &Value, name: &str) -> Result<Option<bool>, Refusal> {
    match given.get(name).str() {
        None => Ok(None),
        Some("ON") => Ok(Some(true)),
        Some("OFF") => Ok(Some(false)),
        Some(_) => Err(invalid("A legal hold is either ON or OFF.")),
    }
}

fn tag_set(given: &Value) -> Result<Tags, Refusal> {
    match given.list().len() {
        0..=MOST_TAGS => settings::read_tags(given),
        _ => Err(invalid("An object can have at most 10 tags.")),
    }
}

fn acl(given: &Value) -> Result<JobAcl, Refusal> {
    let list = given.get("AccessControlList");
    let acl = JobAcl {
        canned: text(given, "CannedAccessControlList"),
        grants: grants(list.get("Grants")),
        owner: text(list.get("Owner"), "ID"),
    };
    if acl.canned.is_some() != list.is_null() {
        return Err(invalid(
            "An ACL is either canned or an access control list.",
        ));
    }
    Ok(acl)
}

fn grants(given: &Value) -> Vec<JobGrant> {
    let grant = |given: &Value| {
        let grantee = given.get("Grantee");
        Some(JobGrant {
            kind: text(grantee, "TypeIdentifier")?,
            identifier: text(grantee, "Identifier")?,
            permission: text(given, "Permission")?,
        })
    };
    given.list().iter().filter_map(grant).collect()
}

/// Members of a copy that would have to do something that Adit does not.
const UNBUILT: [&str; 3] = ["RedirectLocation", "SSEAwsKmsKeyId", "BucketKeyEnabled"];

fn copy(given: &Value) -> Result<JobCopy, Refusal> {
    let is_on = |name: &&&str| !matches!(given.get(name), Value::Null | Value::Bool(false));
    if let Some(name) = UNBUILT.iter().find(is_on) {
        return Err(unbuilt(name));
    }
    let target = given.get("TargetResource").str().unwrap_or_default();
    if !target.contains(":accesspoint/") {
        bucket_of(target)?;
    }
    let tagging = given.get("NewObjectTagging");
    Ok(JobCopy {
        target: target.to_string(),
        prefix: text(given, "TargetKeyPrefix"),
        metadata_directive: text(given, "MetadataDirective"),
        metadata: match given.get("NewObjectMetadata") {
            Value::Null => None,
            given => Some(metadata(given)?),
        },
        tags: match tagging {
            Value::Null => None,
            given => Some(tag_set(given)?),
        },
        acl: JobAcl {
            canned: text(given, "CannedAccessControlList"),
            grants: grants(given.get("AccessControlGrants")),
            owner: None,
        },
        storage_class: text(given, "StorageClass"),
        modified_since: given.get("ModifiedSinceConstraint").millis(),
        unmodified_since: given.get("UnModifiedSinceConstraint").millis(),
        checksum: text(given, "ChecksumAlgorithm"),
        retention: retention(given, "ObjectLockMode", "ObjectLockRetainUntilDate")?,
        legal_hold: legal_hold(given, "ObjectLockLegalHoldStatus")?,
    })
}

fn metadata(given: &Value) -> Result<JobMetadata, Refusal> {
    let encryption = text(given, "SSEAlgorithm");
    if encryption.as_deref() == Some("KMS") {
        return Err(unbuilt("SSE-KMS"));
    }
    let user = given.get("UserMetadata").map();
    let user = user.into_iter().flat_map(|map| map.iter());
    Ok(JobMetadata {
        cache_control: text(given, "CacheControl"),
        content_disposition: text(given, "ContentDisposition"),
        content_encoding: text(given, "ContentEncoding"),
        content_language: text(given, "ContentLanguage"),
        content_type: text(given, "ContentType"),
        expires: given.get("HttpExpiresDate").millis(),
        encryption,
        user: user
            .filter_map(|(name, value)| Some((name.to_string(), value.str()?.to_string())))
            .collect(),
    })
}
