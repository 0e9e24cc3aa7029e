//! Multipart uploads: create, parts, list, complete, abort.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::body::{BodyWriter, Stored};
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
use crate::customer::{CustomerKey, Sealing};
use crate::error::Error;
use crate::key::{check_attributes, check_key};
use crate::lock::check_lock;
use crate::object::{
    Attributes, BodyChecks, BodyOptions, Bucket, EtagKind, UnixMillis, WriteConditions,
};
use crate::rows::{ATTRIBUTES, AttributeColumns, read_attributes};
use crate::schema::sql;
use crate::store::{Inner, Store, collect};
use crate::writer::Tx;

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
    /// SSE-C: the key that every part will bring again.
    pub customer: Option<CustomerKey>,
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
    /// SSE-C: the upload's key, if it is brought again. It need not be.
    pub customer: Option<CustomerKey>,
}

/// A part's body on its way in. Dropping it leaves no trace.
pub struct PartWriter {
    inner: Arc<Inner>,
    body: BodyWriter,
    at: UploadAt,
    number: u32,
    sealed: bool,
    locked: bool,
}

/// An upload as an operation names it.
#[derive(Clone)]
pub(crate) struct UploadAt {
    pub(crate) row: i64,
    pub(crate) bucket: i64,
    pub(crate) key: String,
    pub(crate) id: String,
}

impl PartWriter {
    /// Whether the bytes are sealed with a key of the store (SSE-S3), as the upload says.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether the upload says how its object is locked.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Takes the next bytes; as [`PutWriter::write`](crate::PutWriter::write).
    ///
    /// # Errors
    /// `EntityTooLarge`, `IncompleteBody` (more than announced); [`Error::Fault`].
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        self.body.write(data).await
    }

    /// Ends the body and makes the part durable; a part of that number is replaced.
    ///
    /// # Errors
    /// As [`PutWriter::finish`](crate::PutWriter::finish); `NoSuchUpload` if the upload ended meanwhile.
    pub async fn finish(self, checks: BodyChecks) -> Result<PartResult, Error> {
        let stored = self.body.finish(checks).await?;
        self.inner.put_part(self.at, self.number, stored).await
    }
}

/// A part about to be written.
pub(crate) struct NewPart {
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
    pub(crate) crc64: u64,
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
        mut upload: NewUpload,
    ) -> Result<UploadInfo, Error> {
        check_key(key)?;
        check_attributes(&upload.attributes)?;
        Sealing::settle(&mut upload.attributes, upload.customer.as_ref())?;
        let now = (self.inner.options.clock)();
        check_lock(bucket, &upload.attributes.lock, now)?;
        let algorithm = upload.checksum.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let checksum_type = upload.checksum_type.unwrap_or(algorithm.default_type());
        if !algorithm.allows(checksum_type) {
            return Err(Error::request(format!(
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                checksum_type.name(),
                algorithm.name().to_ascii_lowercase(),
            )));
        }
        let inner = &self.inner;
        let bucket = inner.bucket_row(&bucket.id).await?;
        let mut info = UploadInfo {
            upload_id: String::new(),
            key: key.to_owned(),
            initiated: UnixMillis::default(),
            initiator: upload.initiator,
            attributes: upload.attributes,
            checksum: upload.checksum,
            checksum_type,
        };
        let (row, mut info) = inner
            .writer
            .submit(move |tx| {
                tx.check_bucket(bucket)?;
                info.initiated = tx.now;
                let row = tx.next_id()?;
                tx.insert_upload(bucket, row, &info)?;
                Ok((row, info))
            })
            .await?;
        info.upload_id = inner.ids.upload(row);
        Ok(info)
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
        let at = self.inner.upload_at(bucket, key, upload_id)?;
        self.inner
            .read(move |inner| inner.readers.with(|conn| read_upload(conn, &at)))
            .await
    }

    /// Begins to store a part. `options.checksum` must be the upload's declared algorithm, or none.
    ///
    /// # Errors
    /// `NoSuchUpload`; `InvalidArgument` for a part number outside 1..=10,000; `InvalidRequest` for another
    /// checksum algorithm or customer key than the upload's; `EntityTooLarge`.
    pub async fn begin_part(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        part_number: u32,
        mut options: BodyOptions,
    ) -> Result<PartWriter, Error> {
        let inner = self.inner.clone();
        let at = inner.upload_at(bucket, key, upload_id)?;
        inner.check_part_number(part_number)?;
        let upload = self.upload(bucket, key, upload_id).await?;
        let declared = upload.checksum;
        if let Some(given) = options
            .checksum
            .filter(|given| declared.is_some_and(|d| d != *given))
        {
            return Err(Error::request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                declared
                    .map_or("null", ChecksumAlgorithm::name)
                    .to_ascii_lowercase(),
                given.name().to_ascii_lowercase(),
            )));
        }
        options.checksum = options.checksum.or(declared);
        if options.etag == EtagKind::Auto {
            options.etag = EtagKind::Md5; // the tag of the whole is made of those of its parts
        }
        let encryption = &upload.attributes.encryption;
        encryption.admits_part(options.customer.as_ref())?;
        let sealing = Sealing::of(encryption, options.customer.as_ref())?;
        let sealed = encryption.is_managed();
        let locked = !upload.attributes.lock.is_empty();
        Ok(PartWriter {
            body: BodyWriter::new(inner.clone(), options, sealing)?,
            inner,
            at,
            number: part_number,
            sealed,
            locked,
        })
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
        let at = self.inner.upload_at(bucket, key, upload_id)?;
        self.inner
            .read(move |inner| {
                inner.readers.snapshot(|conn| {
                    let upload = read_upload(conn, &at)?;
                    let page = page_of_parts(conn, &at, marker, max)?;
                    Ok((upload, page))
                })
            })
            .await
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
        let at = self.inner.upload_at(bucket, key, upload_id)?;
        self.inner
            .writer
            .submit(move |tx| {
                tx.check_upload(&at)?;
                tx.remove_upload(at.row)
            })
            .await
    }
}

impl Inner {
    /// Makes a body that has ended a part.
    pub(crate) async fn put_part(
        &self,
        at: UploadAt,
        number: u32,
        stored: Stored,
    ) -> Result<PartResult, Error> {
        let etag = stored.part_tag()?;
        self.writer
            .submit(move |tx| {
                tx.check_upload(&at)?;
                let part = NewPart {
                    size: stored.size,
                    etag,
                    checksum: stored.checksum,
                    crc64: stored.crc64,
                };
                let blob = tx.insert_blob(stored.blob)?;
                tx.put_part(at.row, number, blob, part)
            })
            .await
    }

    /// The upload a client names, if the id has the form of one.
    pub(crate) fn upload_at(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
    ) -> Result<UploadAt, Error> {
        let unknown = || Error::no_such_upload(upload_id);
        Ok(UploadAt {
            row: self.ids.upload_row(upload_id).ok_or_else(unknown)?,
            bucket: self.known_bucket(&bucket.id).ok_or_else(unknown)?,
            key: key.to_owned(),
            id: upload_id.to_owned(),
        })
    }

    pub(crate) fn check_part_number(&self, number: u32) -> Result<(), Error> {
        if (1..=self.options.limits.max_parts).contains(&number) {
            return Ok(());
        }
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        Err(Error::argument("partNumber", &number.to_string(), message))
    }
}

/// Reads an upload, if it is the one that is named.
pub(crate) fn read_upload(conn: &Connection, at: &UploadAt) -> Result<UploadInfo, Error> {
    let text = format!(
        "SELECT initiated, initiator, algorithm, composite, {ATTRIBUTES} FROM upload
         WHERE id = ?1 AND bucket = ?2 AND key = ?3"
    );
    let read = |row: &Row<'_>| -> Result<UploadInfo, Error> {
        let algorithm: Option<i64> = sql(row.get(2))?;
        let composite: bool = sql(row.get(3))?;
        Ok(UploadInfo {
            upload_id: at.id.clone(),
            key: at.key.clone(),
            initiated: UnixMillis(sql(row.get(0))?),
            initiator: sql(row.get(1))?,
            checksum: algorithm.and_then(ChecksumAlgorithm::from_number),
            checksum_type: checksum_type(composite),
            attributes: read_attributes(row, 4)?,
        })
    };
    let mut statement = sql(conn.prepare_cached(&text))?;
    let mut rows = sql(statement.query(params![at.row, at.bucket, at.key.as_bytes()]))?;
    match sql(rows.next())? {
        Some(row) => read(row),
        None => Err(Error::no_such_upload(&at.id)),
    }
}

pub(crate) fn checksum_type(composite: bool) -> ChecksumType {
    if composite {
        ChecksumType::Composite
    } else {
        ChecksumType::FullObject
    }
}

fn page_of_parts(
    conn: &Connection,
    at: &UploadAt,
    marker: u32,
    max: usize,
) -> Result<PartPage, Error> {
    let max = max.min(1000);
    let text = "SELECT number, size, etag, checksum, modified FROM part
                WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let mut parts = collect(conn, text, params![at.row, marker, max as i64 + 1], |row| {
        Ok(PartEntry {
            part_number: sql(row.get(0))?,
            part: PartResult {
                size: sql(row.get(1))?,
                etag: sql(row.get(2))?,
                checksum: sql(stored_checksum(row, 3))?,
                last_modified: UnixMillis(sql(row.get(4))?),
            },
        })
    })?;
    let truncated = max > 0 && parts.len() > max;
    parts.truncate(max);
    let count = "SELECT count(*) FROM part WHERE upload = ?1";
    Ok(PartPage {
        truncated,
        next_marker: parts.last().map_or(0, |last| last.part_number),
        total: sql(conn.query_row(count, [at.row], |row| row.get(0)))?,
        parts,
    })
}

/// A part's checksum: the algorithm's number, then the value.
pub(crate) fn stored_checksum(row: &Row<'_>, at: usize) -> rusqlite::Result<Checksum> {
    let raw = row.get_ref(at)?.as_blob()?;
    raw.split_first()
        .and_then(|(number, value)| {
            Checksum::from_bytes(ChecksumAlgorithm::from_number(i64::from(*number))?, value)
        })
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(at, 0))
}

/// The inverse of [`stored_checksum`].
pub(crate) fn checksum_column(checksum: &Checksum) -> Vec<u8> {
    let number = checksum.algorithm().number() as u8;
    [&[number], checksum.as_bytes()].concat()
}

impl Tx<'_> {
    fn insert_upload(&mut self, bucket: i64, row: i64, upload: &UploadInfo) -> Result<(), Error> {
        let columns = AttributeColumns::new(&upload.attributes)?;
        let text = format!(
            "INSERT INTO upload (id, bucket, key, initiated, initiator, algorithm, composite, {ATTRIBUTES})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        );
        let mut statement = sql(self.conn.prepare_cached(&text))?;
        sql(statement.execute(params![
            row,
            bucket,
            upload.key.as_bytes(),
            upload.initiated.0,
            upload.initiator,
            upload.checksum.map(ChecksumAlgorithm::number),
            upload.checksum_type == ChecksumType::Composite,
            columns.class,
            columns.sse,
            columns.owner,
            columns.meta,
            columns.tags,
            columns.acl,
            columns.customer,
            columns.lock_mode,
            columns.lock_until,
            columns.legal_hold,
        ]))
        .map(drop)
    }

    /// Refuses an upload that has ended.
    pub(crate) fn check_upload(&self, at: &UploadAt) -> Result<(), Error> {
        let text = "SELECT 1 FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        match sql(statement.exists(params![at.row, at.bucket, at.key.as_bytes()]))? {
            true => Ok(()),
            false => Err(Error::no_such_upload(&at.id)),
        }
    }

    /// Writes a part over whatever had its number.
    pub(crate) fn put_part(
        &mut self,
        upload: i64,
        number: u32,
        blob: i64,
        part: NewPart,
    ) -> Result<PartResult, Error> {
        let text = "SELECT blob FROM part WHERE upload = ?1 AND number = ?2";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        let old: Option<i64> = sql(statement
            .query_row(params![upload, number], |row| row.get(0))
            .optional())?;
        drop(statement);
        if let Some(old) = old {
            self.release(old)?;
        }
        let text = "INSERT OR REPLACE INTO part
            (upload, number, blob, size, etag, checksum, crc64, modified)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![
            upload,
            number,
            blob,
            part.size,
            part.etag,
            checksum_column(&part.checksum),
            part.crc64 as i64,
            self.now.0,
        ]))?;
        Ok(PartResult {
            etag: part.etag,
            checksum: part.checksum,
            size: part.size,
            last_modified: self.now,
        })
    }

    /// Forgets an upload and lets go of its parts.
    pub(crate) fn remove_upload(&mut self, upload: i64) -> Result<(), Error> {
        let text = "DELETE FROM part WHERE upload = ?1 RETURNING blob";
        let blobs = collect(self.conn, text, [upload], |row| sql(row.get(0)))?;
        for blob in blobs {
            self.release(blob)?;
        }
        let text = "DELETE FROM upload WHERE id = ?1";
        sql(self
            .conn
            .prepare_cached(text)
            .and_then(|mut s| s.execute([upload])))
        .map(drop)
    }
}
