//! What can be changed on, or asked of, an object that exists: tags, ACL, attributes.

use crate::error::Error;
use crate::multipart::PartPage;
use crate::object::{Bucket, ObjectInfo, Tags, VersionId};
use crate::store::Store;

impl Store {
    /// The tags of an object (empty if it has none), and its version.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
    ) -> Result<(Tags, Option<VersionId>), Error> {
        let _ = (bucket, key, version);
        Err(Error::Closed)
    }

    /// Replaces the tags of an object; empty = delete them. Returns its version.
    ///
    /// # Errors
    /// `InvalidTag`; as [`Store::head`].
    pub async fn set_tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        tags: Tags,
    ) -> Result<Option<VersionId>, Error> {
        let _ = (bucket, key, version, tags);
        Err(Error::Closed)
    }

    /// Replaces the ACL of an object (its present one is in [`ObjectInfo`]). Returns its version.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn set_acl(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        acl: Option<Vec<u8>>,
    ) -> Result<Option<VersionId>, Error> {
        let _ = (bucket, key, version, acl);
        Err(Error::Closed)
    }

    /// GetObjectAttributes: what is known of an object, and the parts of a multipart one after `marker`.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn attributes(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        marker: u32,
        max_parts: usize,
    ) -> Result<(ObjectInfo, Option<PartPage>), Error> {
        let _ = (bucket, key, version, marker, max_parts);
        Err(Error::Closed)
    }
}
