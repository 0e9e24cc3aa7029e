//! PutObject: a body streamed in, durable and visible at once when `finish` returns.

use bytes::Bytes;

use crate::checksum::ObjectChecksum;
use crate::error::Error;
use crate::object::{
    Attributes, BodyChecks, BodyOptions, Bucket, UnixMillis, VersionId, WriteConditions,
};
use crate::store::Store;

/// How an object is put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// What is kept with the object.
    pub attributes: Attributes,
    /// How the body is treated.
    pub body: BodyOptions,
    /// Asked once before the body and again, in order with all other writes, when it is complete.
    pub conditions: WriteConditions,
}

/// What was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResult {
    /// Entity tag without quotes.
    pub etag: String,
    /// The new version; none when the bucket is unversioned.
    pub version_id: Option<VersionId>,
    /// The stored checksum.
    pub checksum: ObjectChecksum,
    /// Bytes.
    pub size: u64,
    /// When it became visible.
    pub last_modified: UnixMillis,
}

/// A body on its way in. Dropping it leaves no trace.
pub struct PutWriter {}

impl Store {
    /// Begins to put an object.
    ///
    /// # Errors
    /// `KeyTooLong`, `InvalidUri`, `MetadataTooLarge`, `InvalidTag`, `InvalidStorageClass`, `EntityTooLarge`;
    /// `PreconditionFailed` or `NoSuchKey` if a condition fails already.
    pub async fn begin_put(
        &self,
        bucket: &Bucket,
        key: &str,
        options: PutOptions,
    ) -> Result<PutWriter, Error> {
        let _ = (bucket, key, options);
        Err(Error::Closed)
    }
}

impl PutWriter {
    /// Takes the next bytes. Waits while the disk is behind: at most about 1 MiB is held per body.
    ///
    /// # Errors
    /// `EntityTooLarge`; [`Error::Fault`].
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        let _ = data;
        Err(Error::Closed)
    }

    /// Ends the body, compares it with `checks` and makes the object durable and visible.
    ///
    /// # Errors
    /// `IncompleteBody`, `BadDigest`, `ContentSha256Mismatch`; `PreconditionFailed`,
    /// `ConditionalRequestConflict`; `NoSuchBucket`; [`Error::Fault`].
    pub async fn finish(self, checks: BodyChecks) -> Result<PutResult, Error> {
        let _ = checks;
        Err(Error::Closed)
    }
}
