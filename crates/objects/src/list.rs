//! Listings in pages: objects, versions, uploads. A page costs what it shows, not what the bucket holds.

use crate::checksum::{ChecksumAlgorithm, ChecksumType};
use crate::error::Error;
use crate::object::{Bucket, UnixMillis, VersionId};
use crate::store::Store;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListStart {
    /// At the beginning.
    #[default]
    Beginning,
    /// After this key (`marker`, `start-after`). A common prefix equal to it is passed over too.
    After(String),
    /// Where the page that gave this `continuation-token` ended.
    Token(String),
}

/// ListObjects or ListObjectsV2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that have this after the prefix are rolled up; may be longer than a character. Empty = none.
    pub delimiter: String,
    /// Where to begin.
    pub start: ListStart,
    /// At most this many objects and common prefixes together (capped at 1,000).
    pub max_keys: usize,
}

impl Default for ListQuery {
    fn default() -> ListQuery {
        ListQuery {
            prefix: String::new(),
            delimiter: String::new(),
            start: ListStart::Beginning,
            max_keys: 1000,
        }
    }
}

/// A current object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in ObjectInfo")]
pub struct Entry {
    pub key: String,
    pub size: u64,
    pub etag: String,
    pub last_modified: UnixMillis,
    pub storage_class: String,
    pub owner: Option<String>,
    pub checksum: ChecksumAlgorithm,
    pub checksum_type: ChecksumType,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Objects, by key in byte order.
    pub objects: Vec<Entry>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
    /// Whether there are more.
    pub truncated: bool,
    /// `NextContinuationToken`, if truncated.
    pub next_token: Option<String>,
    /// `NextMarker` of ListObjects: the last key or common prefix, if truncated.
    pub next_marker: Option<String>,
}

/// ListObjectVersions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionQuery {
    /// Only keys that begin so.
    pub prefix: String,
    /// As in [`ListQuery`].
    pub delimiter: String,
    /// After all versions of this key, or, with `version_marker`, after that version of it.
    pub key_marker: Option<String>,
    /// `version-id-marker`; needs `key_marker`.
    pub version_marker: Option<VersionId>,
    /// As in [`ListQuery`].
    pub max_keys: usize,
}

/// A version or a delete marker in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEntry {
    /// Its id (`null` for versions written while versioning was off).
    pub version_id: VersionId,
    /// Whether it is the key's current version.
    pub is_latest: bool,
    /// Whether it is a delete marker (size, entity tag and checksum mean nothing then).
    pub delete_marker: bool,
    /// The rest.
    pub entry: Entry,
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// Versions and delete markers: by key, newest first.
    pub versions: Vec<VersionEntry>,
    /// Common prefixes.
    pub common_prefixes: Vec<String>,
    /// Whether there are more.
    pub truncated: bool,
    /// `NextKeyMarker`, if truncated.
    pub next_key_marker: Option<String>,
    /// `NextVersionIdMarker`, if truncated (none after a common prefix).
    pub next_version_marker: Option<VersionId>,
}

/// ListMultipartUploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadQuery {
    /// Only keys that begin so.
    pub prefix: String,
    /// As in [`ListQuery`].
    pub delimiter: String,
    /// After all uploads of this key, or, with `upload_id_marker`, after that upload of it.
    pub key_marker: Option<String>,
    /// `upload-id-marker`; needs `key_marker`.
    pub upload_id_marker: Option<String>,
    /// At most this many (capped at 1,000).
    pub max_uploads: usize,
}

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in UploadInfo")]
pub struct UploadEntry {
    pub key: String,
    pub upload_id: String,
    pub initiated: UnixMillis,
    pub initiator: Option<String>,
    pub owner: Option<String>,
    pub storage_class: String,
    pub checksum: Option<ChecksumAlgorithm>,
    pub checksum_type: ChecksumType,
}

/// A page of uploads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadPage {
    /// Uploads: by key, then by age, oldest first.
    pub uploads: Vec<UploadEntry>,
    /// Common prefixes.
    pub common_prefixes: Vec<String>,
    /// Whether there are more.
    pub truncated: bool,
    /// `NextKeyMarker`, if truncated.
    pub next_key_marker: Option<String>,
    /// `NextUploadIdMarker`, if truncated (none after a common prefix).
    pub next_upload_id_marker: Option<String>,
}

impl Store {
    /// Lists current objects.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that this store did not give; [`Error::Fault`].
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Page, Error> {
        let _ = (bucket, query);
        Err(Error::Closed)
    }

    /// Lists all versions and delete markers.
    ///
    /// # Errors
    /// `InvalidArgument` for a version marker without a key marker or of a foreign form; [`Error::Fault`].
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        query: &VersionQuery,
    ) -> Result<VersionPage, Error> {
        let _ = (bucket, query);
        Err(Error::Closed)
    }

    /// Lists unfinished multipart uploads.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        query: &UploadQuery,
    ) -> Result<UploadPage, Error> {
        let _ = (bucket, query);
        Err(Error::Closed)
    }
}
