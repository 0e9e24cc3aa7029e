//! S3 Batch Operations: what a job was asked to do, and how far it is.
//!
//! A job's status is a record of work done, not of what planes reached: the daemon's worker and the
//! caller's requests move it, each in a transaction.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::resources::{Millis, Tags};

/// One batch job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its id, a UUID.
    pub id: String,
    /// The account it belongs to.
    pub owner: AccountId,
    /// Where it was created and runs.
    pub region: Region,
    /// ARN of the role with whose rights it reads the manifest, acts on objects and writes the report.
    pub role: String,
    /// Higher ones run first.
    pub priority: u32,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it waits for somebody's word once it is prepared.
    pub confirmation_required: bool,
    /// What is done to each object.
    pub operation: JobOperation,
    /// Which objects.
    pub manifest: JobManifest,
    /// What is written down of it.
    pub report: JobReport,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
    /// Where it stands.
    pub status: JobStatus,
    /// Why its owner changed the status last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When it began to wait for confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Millis>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Millis>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<JobFailure>,
    /// How far it is.
    #[serde(default)]
    pub progress: JobProgress,
}

impl Job {
    /// The key under which an intent keeps a job.
    pub fn key_of(owner: &str, region: &str, id: &str) -> String {
        format!("{owner}/{region}/{id}")
    }

    /// Its key.
    pub fn key(&self) -> String {
        Job::key_of(self.owner.as_str(), self.region.as_str(), &self.id)
    }

    /// The ARN of a job.
    pub fn arn_of(owner: &str, region: &str, id: &str) -> String {
        format!("arn:aws:s3:{region}:{owner}:job/{id}")
    }

    /// `arn:aws:s3:REGION:ACCOUNT:job/ID`.
    pub fn arn(&self) -> String {
        Job::arn_of(self.owner.as_str(), self.region.as_str(), &self.id)
    }
}

/// Where a job stands, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobStatus {
    /// Made.
    New,
    /// Its manifest is being read.
    Preparing,
    /// Waits for confirmation.
    Suspended,
    /// Waits for its turn.
    Ready,
    /// Acts on objects.
    Active,
    /// Gave way to one of higher priority; goes on later.
    Paused,
    /// Every object was tried; the report is being written.
    Completing,
    /// Done; single objects may have failed.
    Complete,
    /// To be cancelled; the report of what was done is being written.
    Cancelling,
    /// Cancelled.
    Cancelled,
    /// Cannot go on; the report of what was done is being written.
    Failing,
    /// Failed.
    Failed,
}

impl JobStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            JobStatus::New => "New",
            JobStatus::Preparing => "Preparing",
            JobStatus::Suspended => "Suspended",
            JobStatus::Ready => "Ready",
            JobStatus::Active => "Active",
            JobStatus::Paused => "Paused",
            JobStatus::Completing => "Completing",
            JobStatus::Complete => "Complete",
            JobStatus::Cancelling => "Cancelling",
            JobStatus::Cancelled => "Cancelled",
            JobStatus::Failing => "Failing",
            JobStatus::Failed => "Failed",
        }
    }

    /// Whether nothing more happens to the job.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            JobStatus::Complete | JobStatus::Cancelled | JobStatus::Failed
        )
    }

    /// Whether its end is decided: only the report is missing.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            JobStatus::Completing | JobStatus::Cancelling | JobStatus::Failing
        )
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// A code.
    pub code: String,
    /// A sentence.
    pub reason: String,
}

/// What a job does to each object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobOperation {
    /// `S3PutObjectCopy`
    Copy(Box<JobCopy>),
    /// `S3PutObjectAcl`
    PutAcl(JobAcl),
    /// `S3PutObjectTagging`: these tags in place of all others.
    PutTagging(Tags),
    /// `S3DeleteObjectTagging`
    DeleteTagging,
    /// `S3PutObjectRetention`: this retention, or with none no more.
    PutRetention {
        /// The retention.
        retention: Option<JobRetention>,
        /// Whether governance is to be gone past.
        bypass: bool,
    },
    /// `S3PutObjectLegalHold`: on or off.
    PutLegalHold(bool),
}

/// How strictly and until when objects are retained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRetention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// Until when.
    pub until: Millis,
}

impl JobOperation {
    /// The name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            JobOperation::Copy(_) => "S3PutObjectCopy",
            JobOperation::PutAcl(_) => "S3PutObjectAcl",
            JobOperation::PutTagging(_) => "S3PutObjectTagging",
            JobOperation::DeleteTagging => "S3DeleteObjectTagging",
            JobOperation::PutRetention { .. } => "S3PutObjectRetention",
            JobOperation::PutLegalHold(_) => "S3PutObjectLegalHold",
        }
    }
}

/// How objects are copied. What is absent was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCopy {
    /// ARN of the bucket or access point that takes the copies.
    pub target: String,
    /// Put before the key, with a slash between.
    pub prefix: Option<String>,
    /// `COPY` or `REPLACE`.
    pub metadata_directive: Option<String>,
    /// The copies' metadata, in place of the source's.
    pub metadata: Option<JobMetadata>,
    /// The copies' tags, in place of the source's.
    pub tags: Option<Tags>,
    /// Who may do what with the copies.
    pub acl: JobAcl,
    /// Their storage class.
    pub storage_class: Option<String>,
    /// Only objects that changed since.
    pub modified_since: Option<Millis>,
    /// Only objects that did not.
    pub unmodified_since: Option<Millis>,
    /// The algorithm of the copies' checksums.
    pub checksum: Option<String>,
    /// The copies' retention.
    #[serde(default)]
    pub retention: Option<JobRetention>,
    /// Their legal hold.
    #[serde(default)]
    pub legal_hold: Option<bool>,
}

/// Headers of a copy. What is absent was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMetadata {
    /// `Cache-Control`
    pub cache_control: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
    /// `Content-Encoding`
    pub content_encoding: Option<String>,
    /// `Content-Language`
    pub content_language: Option<String>,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Expires`
    pub expires: Option<Millis>,
    /// `x-amz-server-side-encryption`
    pub encryption: Option<String>,
    /// `x-amz-meta-…`
    pub user: BTreeMap<String, String>,
}

/// An ACL by name, or by grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAcl {
    /// A canned ACL.
    pub canned: Option<String>,
    /// Single grants.
    pub grants: Vec<JobGrant>,
    /// The owner that an access control list names.
    pub owner: Option<String>,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobGrant {
    /// `id`, `emailAddress` or `uri`.
    pub kind: String,
    /// Who.
    pub identifier: String,
    /// `READ` and so on.
    pub permission: String,
}

/// Which objects: a list in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobManifest {
    /// What its columns are: `Bucket`, `Key`, `VersionId` or `Ignore`.
    pub fields: Vec<String>,
    /// ARN of the object.
    pub object: String,
    /// The object's version.
    pub version: Option<String>,
    /// What its ETag must be: the list that was reviewed, and no other.
    pub etag: String,
}

/// What is written down of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Whether anything is.
    pub enabled: bool,
    /// ARN of the bucket that takes it.
    pub bucket: Option<String>,
    /// Put before its keys.
    pub prefix: Option<String>,
    /// `AllTasks` or `FailedTasksOnly`.
    pub scope: Option<String>,
    /// The account that must own the bucket.
    pub expected_owner: Option<String>,
}

/// How far a job is: everything before `offset` was tried and is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Objects in the manifest; known once it is prepared.
    pub total: u64,
    /// Of these, done.
    pub succeeded: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Bytes of the manifest that are done.
    pub offset: u64,
    /// Bytes of the report's rows that belong to them: of those that succeeded, of those that failed.
    pub rows: (u64, u64),
    /// Milliseconds spent acting.
    pub active: u64,
}
