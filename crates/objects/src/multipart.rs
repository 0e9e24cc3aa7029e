//! Multipart uploads: create, parts, list, complete, abort.

use bytes::Bytes;

use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
use crate::error::Error;
use crate::object::{Attributes, BodyChecks, BodyOptions, Bucket, UnixMillis, WriteConditions};
use crate::put::PutResult;
use crate::store::Store;

/// A CreateMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUpload {
    /// What the object will have.
    pub attributes: Attributes,
    /// `x-amz-checksum-algorithm`; none = CRC64NVME over the object, computed by the store.
    pub checksum: Option<ChecksumAlgorithm>,
    /// `x-amz-checksum-type`; none = the algorithm's default.
    pub checksum_type: Option<ChecksumType>,
    /// Who began it (canonical id or ARN), for listings; opaque here.
    pub initiator: Option<String>,
}

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInfo {
    /// The id clients use.
    pub upload_id: String,
    /// The key.
    pub key: String,
    /// When it began.
    pub initiated: UnixMillis,
    /// Who began it.
    pub initiator: Option<String>,
    /// What the object will have.
    pub attributes: Attributes,
    /// The declared algorithm.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Its type; with no declared algorithm, full object.
    pub checksum_type: ChecksumType,
}

/// A part stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartResult {
    /// Entity tag without quotes.
    pub etag: String,
    /// The part's checksum in the upload's algorithm.
    pub checksum: Checksum,
    /// Bytes.
    pub size: u64,
    /// When it was stored.
    pub last_modified: UnixMillis,
}

/// A part as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEntry {
    /// 1 to 10,000.
    pub part_number: u32,
    /// The part.
    pub part: PartResult,
}

/// A page of ListParts, or of the parts of a completed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPage {
    /// Parts, ascending.
    pub parts: Vec<PartEntry>,
    /// Whether there are more.
    pub truncated: bool,
    /// `NextPartNumberMarker`: the last part's number, 0 if none.
    pub next_marker: u32,
    /// Number of all parts (`TotalPartsCount` of GetObjectAttributes).
    pub total: u32,
}

/// A part as a completion names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartClaim {
    /// Its number.
    pub part_number: u32,
    /// Its entity tag, with or without quotes.
    pub etag: String,
    /// Its checksum, if the client sends it.
    pub checksum: Option<Checksum>,
}

/// A CompleteMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// The parts, ascending.
    pub parts: Vec<PartClaim>,
    /// `x-amz-checksum-…`: what the whole object's checksum must be.
    pub checksum: Option<ObjectChecksum>,
    /// `x-amz-checksum-type`: must be the upload's.
    pub checksum_type: Option<ChecksumType>,
    /// `x-amz-mp-object-size`: what the object's size must be.
    pub size: Option<u64>,
    /// Conditions on the key's current object.
    pub conditions: WriteConditions,
}

/// A part's body on its way in. Dropping it leaves no trace.
pub struct PartWriter {}

impl PartWriter {
    /// Takes the next bytes; as [`PutWriter::write`](crate::PutWriter::write).
    ///
    /// # Errors
    /// `EntityTooLarge`; [`Error::Fault`].
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        let _ = data;
        Err(Error::Closed)
    }

    /// Ends the body and makes the part durable; a part of that number is replaced.
    ///
    /// # Errors
    /// As [`PutWriter::finish`](crate::PutWriter::finish); `NoSuchUpload` if the upload ended meanwhile.
    pub async fn finish(self, checks: BodyChecks) -> Result<PartResult, Error> {
        let _ = checks;
        Err(Error::Closed)
    }
}

impl Store {
    /// Begins a multipart upload.
    ///
    /// # Errors
    /// As [`Store::begin_put`]; `InvalidRequest` for a checksum type the algorithm does not have.
    pub async fn create_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: NewUpload,
    ) -> Result<UploadInfo, Error> {
        let _ = (bucket, key, upload);
        Err(Error::Closed)
    }

    /// What is known of an upload that is neither completed nor aborted.
    ///
    /// # Errors
    /// `NoSuchUpload`; [`Error::Fault`].
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
    ) -> Result<UploadInfo, Error> {
        let _ = (bucket, key, upload_id);
        Err(Error::Closed)
    }

    /// Begins to store a part. `options.checksum` must be the upload's declared algorithm, or none.
    ///
    /// # Errors
    /// `NoSuchUpload`; `InvalidArgument` for a part number outside 1..=10,000; `InvalidRequest` for another
    /// checksum algorithm; `EntityTooLarge`.
    pub async fn begin_part(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        part_number: u32,
        options: BodyOptions,
    ) -> Result<PartWriter, Error> {
        let _ = (bucket, key, upload_id, part_number, options);
        Err(Error::Closed)
    }

    /// The parts stored so far, after number `marker`, at most `max` (capped at 1,000).
    ///
    /// # Errors
    /// `NoSuchUpload`; [`Error::Fault`].
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        marker: u32,
        max: usize,
    ) -> Result<(UploadInfo, PartPage), Error> {
        let _ = (bucket, key, upload_id, marker, max);
        Err(Error::Closed)
    }

    /// Makes the object out of the named parts. Repeating a completion soon after gives the same answer.
    ///
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `BadDigest`, `InvalidRequest` (size,
    /// checksum type), `MalformedXml` (no parts); `PreconditionFailed`; [`Error::Fault`].
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        completion: Completion,
    ) -> Result<PutResult, Error> {
        let _ = (bucket, key, upload_id, completion);
        Err(Error::Closed)
    }

    /// Ends an upload and frees its parts.
    ///
    /// # Errors
    /// `NoSuchUpload`; [`Error::Fault`].
    pub async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
    ) -> Result<(), Error> {
        let _ = (bucket, key, upload_id);
        Err(Error::Closed)
    }
}
