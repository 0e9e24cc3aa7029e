//! Listings in pages: objects, versions, uploads. A page costs what it shows, not what the bucket holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumType};
use crate::error::Error;
use crate::object::{Bucket, UnixMillis, VersionId};
use crate::pages::{page_of_objects, page_of_uploads, page_of_versions, resume_version};
use crate::scan::Scan;
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

/// Entries and common prefixes of one page, as S3 caps it.
const PAGE_MAX: usize = 1000;

impl Default for VersionQuery {
    fn default() -> VersionQuery {
        VersionQuery {
            prefix: String::new(),
            delimiter: String::new(),
            key_marker: None,
            version_marker: None,
            max_keys: PAGE_MAX,
        }
    }
}

impl Default for UploadQuery {
    fn default() -> UploadQuery {
        UploadQuery {
            prefix: String::new(),
            delimiter: String::new(),
            key_marker: None,
            upload_id_marker: None,
            max_uploads: PAGE_MAX,
        }
    }
}

impl Store {
    /// Lists current objects.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that this store did not give; [`Error::Fault`].
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Page, Error> {
        let scan = Scan::new(
            &query.prefix,
            &query.delimiter,
            query.max_keys.min(PAGE_MAX),
        );
        let from = match &query.start {
            ListStart::Beginning => Vec::new(),
            ListStart::After(marker) => scan.after_marker(marker),
            ListStart::Token(token) => read_token(token)?,
        };
        let Some(row) = self
            .inner
            .known_bucket(&bucket.id)
            .filter(|_| !scan.is_empty())
        else {
            return Ok(Page::default());
        };
        self.inner
            .read(move |inner| {
                inner
                    .readers
                    .snapshot(|conn| page_of_objects(conn, row, &scan, from))
            })
            .await
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
        let within = query
            .version_marker
            .as_ref()
            .map(|marker| self.inner.which(marker))
            .transpose()?;
        if within.is_some() && query.key_marker.is_none() {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(Error::argument("version-id-marker", "", message));
        }
        let scan = Scan::new(
            &query.prefix,
            &query.delimiter,
            query.max_keys.min(PAGE_MAX),
        );
        let key_marker = query.key_marker.clone();
        let Some(row) = self
            .inner
            .known_bucket(&bucket.id)
            .filter(|_| !scan.is_empty())
        else {
            return Ok(VersionPage::default());
        };
        self.inner
            .read(move |inner| {
                inner.readers.snapshot(|conn| {
                    let resume = resume_version(conn, row, key_marker.as_deref(), within)?;
                    page_of_versions(conn, &inner.ids, row, &scan, key_marker.as_deref(), resume)
                })
            })
            .await
    }

    /// Lists unfinished multipart uploads.
    ///
    /// # Errors
    /// `InvalidArgument` for an upload marker of a foreign form; [`Error::Fault`].
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        query: &UploadQuery,
    ) -> Result<UploadPage, Error> {
        // As on S3, an upload marker without a key marker is ignored.
        let named = query
            .upload_id_marker
            .as_deref()
            .filter(|id| !id.is_empty());
        let resume = match (&query.key_marker, named) {
            (Some(key), Some(id)) => {
                let message = "Invalid uploadId marker";
                let unknown = || Error::argument("upload-id-marker", id, message);
                Some((
                    key.clone(),
                    self.inner.ids.upload_row(id).ok_or_else(unknown)?,
                ))
            }
            _ => None,
        };
        let scan = Scan::new(
            &query.prefix,
            &query.delimiter,
            query.max_uploads.min(PAGE_MAX),
        );
        let key_marker = query.key_marker.clone();
        let Some(row) = self
            .inner
            .known_bucket(&bucket.id)
            .filter(|_| !scan.is_empty())
        else {
            return Ok(UploadPage::default());
        };
        self.inner
            .read(move |inner| {
                inner.readers.snapshot(|conn| {
                    page_of_uploads(conn, inner, row, &scan, key_marker.as_deref(), resume)
                })
            })
            .await
    }
}

/// A continuation token: where the next page begins, and a checksum so that foreign text is recognised.
pub(crate) fn write_token(next: &[u8]) -> String {
    let check = Checksum::of(ChecksumAlgorithm::Crc32c, next);
    URL_SAFE_NO_PAD.encode([check.as_bytes(), next].concat())
}

fn read_token(token: &str) -> Result<Vec<u8>, Error> {
    let message = "The continuation token provided is incorrect";
    let wrong = || Error::argument("continuation-token", token, message);
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    let (check, next) = bytes.split_at_checked(4).ok_or_else(wrong)?;
    match Checksum::of(ChecksumAlgorithm::Crc32c, next).as_bytes() == check && !next.is_empty() {
        true => Ok(next.to_vec()),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{after_key, after_prefix};

    #[test]
    fn tokens_are_read_back_and_foreign_ones_refused() {
        for next in [after_key("a"), after_prefix("é/"), vec![0xff]] {
            assert_eq!(read_token(&write_token(&next)).unwrap(), next);
        }
        let cut = &write_token(&after_key("abc"))[1..];
        for token in ["", "x", "AAAAAA", "not base64!", cut] {
            assert!(
                matches!(read_token(token), Err(Error::InvalidArgument { .. })),
                "{token}"
            );
        }
    }
}
