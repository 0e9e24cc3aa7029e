//! DeleteObject and DeleteObjects, with delete markers.

use crate::error::Error;
use crate::object::{Bucket, VersionId, WriteConditions};
use crate::store::Store;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// Remove this version for good, instead of the current object.
    pub version: Option<VersionId>,
    /// `If-Match` on the current object (or the version).
    pub conditions: WriteConditions,
}

/// What a delete did. Deleting what is not there succeeds, as on S3.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteResult {
    /// Whether a delete marker was made or removed (`x-amz-delete-marker`).
    pub delete_marker: bool,
    /// The marker made, or the version removed.
    pub version_id: Option<VersionId>,
}

impl Store {
    /// Deletes an object, makes a delete marker, or removes a version.
    ///
    /// # Errors
    /// `InvalidArgument` (version id), `PreconditionFailed`, `NoSuchKey` (only with `If-Match`), `KeyTooLong`,
    /// `NoSuchBucket`; [`Error::Fault`].
    pub async fn delete(
        &self,
        bucket: &Bucket,
        key: &str,
        options: DeleteOptions,
    ) -> Result<DeleteResult, Error> {
        let _ = (bucket, key, options);
        Err(Error::Closed)
    }

    /// Deletes many in one transaction; one result per item, in order. An item that fails does not
    /// touch the others.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        items: Vec<(String, DeleteOptions)>,
    ) -> Vec<Result<DeleteResult, Error>> {
        let _ = bucket;
        items.iter().map(|_| Err(Error::Closed)).collect()
    }
}
