//! CopyObject and UploadPartCopy inside the store. Bytes are shared, not copied, where they can be.

use crate::checksum::{ChecksumAlgorithm, ObjectChecksum};
use crate::error::Error;
use crate::multipart::PartResult;
use crate::object::{Attributes, Bucket, ReadConditions, UnixMillis, VersionId, WriteConditions};
use crate::store::Store;

/// The object a copy is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its bucket.
    pub bucket: Bucket,
    /// Its key.
    pub key: String,
    /// Its version; none = the current one.
    pub version: Option<VersionId>,
    /// `x-amz-copy-source-if-*`.
    pub conditions: ReadConditions,
}

/// Whether something is taken from the source or from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Directive {
    /// From the source.
    #[default]
    Copy,
    /// From the request's attributes.
    Replace,
}

/// A CopyObject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRequest {
    /// What is copied.
    pub source: Source,
    /// Headers and user metadata (with `Replace`), tags (with `Replace`), and always: storage class, ACL,
    /// owner, encryption.
    pub attributes: Attributes,
    /// `x-amz-metadata-directive`.
    pub metadata: Directive,
    /// `x-amz-tagging-directive`.
    pub tagging: Directive,
    /// The checksum to compute; none = the source's algorithm.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyResult {
    /// Entity tag of the copy, without quotes.
    pub etag: String,
    /// When it became visible.
    pub last_modified: UnixMillis,
    /// Its stored checksum.
    pub checksum: ObjectChecksum,
    /// Its version; none when its bucket is unversioned.
    pub version_id: Option<VersionId>,
    /// `x-amz-copy-source-version-id`; none when the source bucket is unversioned.
    pub source_version_id: Option<VersionId>,
}

/// An UploadPartCopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPart {
    /// What is copied.
    pub source: Source,
    /// First and last byte, both included and both inside the source; none = all of it.
    pub range: Option<(u64, u64)>,
}

impl Store {
    /// Copies an object to `key` of `bucket`.
    ///
    /// # Errors
    /// As a read of the source and a put of the destination; `InvalidRequest` for a copy onto itself that
    /// changes nothing, or of more than 5 GiB.
    pub async fn copy(
        &self,
        bucket: &Bucket,
        key: &str,
        request: CopyRequest,
    ) -> Result<CopyResult, Error> {
        let _ = (bucket, key, request);
        Err(Error::Closed)
    }

    /// Makes a part out of (a range of) an object. Also returns `x-amz-copy-source-version-id`.
    ///
    /// # Errors
    /// As a read of the source and [`Store::begin_part`]; `InvalidRange` (as `InvalidArgument`) for a range
    /// that is not inside the source.
    pub async fn copy_part(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        part_number: u32,
        request: CopyPart,
    ) -> Result<(PartResult, Option<VersionId>), Error> {
        let _ = (bucket, key, upload_id, part_number, request);
        Err(Error::Closed)
    }
}
