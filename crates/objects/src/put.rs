//! PutObject: a body streamed in, durable and visible at once when `finish` returns.

use std::sync::Arc;

use bytes::Bytes;

use crate::body::{BodyWriter, Stored};
use crate::checksum::ObjectChecksum;
use crate::condition::check_write;
use crate::customer::Sealing;
use crate::error::{Condition, Error};
use crate::key::{check_attributes, check_key};
use crate::lock::{DefaultRetention, check_lock};
use crate::object::{
    Attributes, BodyChecks, BodyOptions, Bucket, UnixMillis, VersionId, Versioning, WriteConditions,
};
use crate::store::{Inner, Store};
use crate::versions::{Head, NewVersion, head};
use crate::writer::Tx;

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
pub struct PutWriter {
    inner: Arc<Inner>,
    body: BodyWriter,
    destination: Destination,
}

/// Where and as what an object is written.
pub(crate) struct Destination {
    pub(crate) bucket: i64,
    pub(crate) versioning: Versioning,
    pub(crate) key: String,
    pub(crate) attributes: Attributes,
    pub(crate) conditions: WriteConditions,
    /// What the version is retained for if its attributes do not say.
    pub(crate) default: Option<DefaultRetention>,
}

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
        mut options: PutOptions,
    ) -> Result<PutWriter, Error> {
        check_key(key)?;
        check_attributes(&options.attributes)?;
        let sealing = Sealing::settle(&mut options.attributes, options.body.customer.as_ref())?;
        let inner = self.inner.clone();
        check_lock(bucket, &options.attributes.lock, (inner.options.clock)())?;
        let row = inner.bucket_row(&bucket.id).await?;
        inner.check_early(row, key, &options.conditions).await?;
        let body = BodyWriter::new(inner.clone(), options.body, sealing)?;
        let destination = Destination {
            bucket: row,
            versioning: bucket.versioning,
            key: key.to_owned(),
            attributes: options.attributes,
            conditions: options.conditions,
            default: default_of(bucket),
        };
        Ok(PutWriter {
            inner,
            body,
            destination,
        })
    }
}

/// What a bucket retains versions for whose writer does not say.
pub(crate) fn default_of(bucket: &Bucket) -> Option<DefaultRetention> {
    bucket.lock.and_then(|lock| lock.default)
}

impl PutWriter {
    /// Takes the next bytes. Waits while the disk is behind: at most about 1 MiB is held per body.
    ///
    /// # Errors
    /// `EntityTooLarge`, `IncompleteBody` (more than announced); [`Error::Fault`].
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        self.body.write(data).await
    }

    /// Ends the body, compares it with `checks` and makes the object durable and visible.
    ///
    /// # Errors
    /// `IncompleteBody`, `BadDigest`, `ContentSha256Mismatch`; `PreconditionFailed`,
    /// `ConditionalRequestConflict`; `NoSuchBucket`; [`Error::Fault`].
    pub async fn finish(self, checks: BodyChecks) -> Result<PutResult, Error> {
        let stored = self.body.finish(checks).await?;
        self.inner.put_stored(self.destination, stored).await
    }
}

impl Inner {
    /// Makes a body that has ended an object.
    pub(crate) async fn put_stored(
        &self,
        mut to: Destination,
        stored: Stored,
    ) -> Result<PutResult, Error> {
        let checksum = ObjectChecksum::full(stored.checksum);
        let etag = stored.object_tag()?;
        let (size, versioning) = (stored.size, to.versioning);
        let (row, etag, last_modified) = self
            .writer
            .submit(move |tx| {
                let head = tx.settled_head(&mut to)?;
                let blob = tx.insert_blob(stored.blob)?;
                let version = NewVersion {
                    size,
                    etag: &etag,
                    checksum,
                    parts: None,
                    blob: Some(blob),
                    attributes: &to.attributes,
                };
                let row = tx.write_version(&to, head.as_ref(), &version)?;
                Ok((row, etag, tx.now))
            })
            .await?;
        let version_id = self.written_id(versioning, row);
        Ok(PutResult {
            etag,
            version_id,
            checksum,
            size,
            last_modified,
        })
    }

    /// Conditions asked before a body is read, so that it need not be.
    pub(crate) async fn check_early(
        self: &Arc<Inner>,
        bucket: i64,
        key: &str,
        conditions: &WriteConditions,
    ) -> Result<(), Error> {
        if conditions.is_empty() {
            return Ok(());
        }
        let (key, conditions) = (key.to_owned(), conditions.clone());
        self.read(move |inner| {
            let head = inner.readers.with(|conn| head(conn, bucket, &key))?;
            check_write(&conditions, &key, head.as_ref().and_then(Head::object_etag))
        })
        .await
    }

    /// The id a write in a bucket of this state returns.
    pub(crate) fn written_id(&self, versioning: Versioning, row: i64) -> Option<VersionId> {
        match versioning {
            Versioning::Unversioned => None,
            Versioning::Enabled => Some(self.ids.version(row)),
            Versioning::Suspended => Some(VersionId::null()),
        }
    }
}

impl Tx<'_> {
    /// The key's newest version, after the conditions were asked of it; from now on the retention is known.
    /// The conditions held before the body was read, so an `If-Match` that fails now was overtaken by another
    /// writer.
    pub(crate) fn settled_head(&self, to: &mut Destination) -> Result<Option<Head>, Error> {
        let key = to.key.as_str();
        self.check_bucket(to.bucket)?;
        let head = head(self.conn, to.bucket, key)?;
        check_write(
            &to.conditions,
            key,
            head.as_ref().and_then(Head::object_etag),
        )
        .map_err(|error| match error {
            Error::PreconditionFailed {
                condition: Condition::IfMatch,
            } => Error::ConditionalRequestConflict {
                condition: Condition::IfMatch,
                key: key.to_owned(),
            },
            other => other,
        })?;
        let nul = to.versioning != Versioning::Enabled;
        self.check_room(to.bucket, key, head.as_ref(), nul)?;
        if let Some(default) = to.default {
            let lock = &mut to.attributes.lock;
            lock.retention.get_or_insert_with(|| default.from(self.now));
        }
        Ok(head)
    }

    /// Writes a version as the bucket's versioning state wants it; returns its row.
    pub(crate) fn write_version(
        &mut self,
        to: &Destination,
        head: Option<&Head>,
        version: &NewVersion<'_>,
    ) -> Result<i64, Error> {
        let nul = to.versioning != Versioning::Enabled;
        if let Some(head) = head.filter(|head| nul && head.nul && !head.marker) {
            self.overwrite_version(to.bucket, &to.key, head, version)?;
            return Ok(head.row);
        }
        self.make_way(to.bucket, &to.key, head, nul)?;
        let row = self.next_id()?;
        self.insert_version((to.bucket, &to.key), row, nul, version)?;
        Ok(row)
    }
}
