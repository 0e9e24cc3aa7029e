//! CopyObject and UploadPartCopy inside the store. Bytes are shared, not copied, where they can be.

use md5::{Digest as _, Md5};
use rusqlite::{Connection, OptionalExtension, params};

use crate::body::{BodyWriter, hex, job_failed, opaque_tag};
use crate::checksum::{Checksum, ChecksumAlgorithm, Hasher, ObjectChecksum};
use crate::condition::{Subject, check_source};
use crate::customer::{CustomerKey, Encryption, Sealing};
use crate::error::Error;
use crate::get::Located;
use crate::key::{check_attributes, check_key};
use crate::lock::check_lock;
use crate::multipart::{NewPart, PartResult, UploadAt};
use crate::object::{
    Attributes, BodyChecks, BodyOptions, Bucket, EtagKind, MD5_TAG_MAX, ObjectInfo, ReadConditions,
    UnixMillis, VersionId, WriteConditions,
};
use crate::put::{Destination, PutResult, default_of};
use crate::reading::{Body, Reader};
use crate::rows::{Piece, Record};
use crate::schema::sql;
use crate::seal::random;
use crate::store::{Inner, Store};
use crate::versions::NewVersion;
use crate::writer::Tx;

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
    /// SSE-C: the key that it is sealed with.
    pub customer: Option<CustomerKey>,
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
    /// Whether the request itself states a storage class or an encryption, be it the source's: then S3 also
    /// copies an object onto itself.
    pub restated: bool,
    /// The checksum to compute; none = the source's algorithm.
    pub checksum: Option<ChecksumAlgorithm>,
    /// How the entity tag is made when the source's cannot be kept (a multipart object's cannot) and no MD5
    /// of its bytes is known. `Opaque` saves reading the source, and `Auto` that of a large one.
    pub etag: EtagKind,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
    /// SSE-C: the key to seal the copy with.
    pub customer: Option<CustomerKey>,
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
    /// SSE-C: the upload's key.
    pub customer: Option<CustomerKey>,
}

/// What an UploadPartCopy made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCopied {
    /// The part.
    pub part: PartResult,
    /// `x-amz-copy-source-version-id`; none when the source bucket is unversioned.
    pub source_version_id: Option<VersionId>,
    /// Whether its bytes are sealed (SSE-S3), as the upload says.
    pub sealed: bool,
}

/// The source as it was found.
struct Taken {
    located: Located,
    version_id: Option<VersionId>,
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
        check_key(key)?;
        check_attributes(&request.attributes)?;
        let now = (self.inner.options.clock)();
        check_lock(bucket, &request.attributes.lock, now)?;
        let row = self.inner.bucket_row(&bucket.id).await?;
        self.inner
            .check_early(row, key, &request.conditions)
            .await?;
        for _ in 0..RETRIES {
            let taken = self.take(&request.source).await?;
            let record = &taken.located.record;
            self.check_copy(bucket, key, &request, record)?;
            let mut attributes = merge(&request, &record.info.attributes);
            let sealing = Sealing::settle(&mut attributes, request.customer.as_ref())?;
            let to = Destination {
                bucket: row,
                versioning: bucket.versioning,
                key: key.to_owned(),
                attributes,
                conditions: request.conditions.clone(),
                default: default_of(bucket),
            };
            let source_version_id = taken.version_id.clone();
            let put = if must_rewrite(record, &sealing) {
                let mut options = body_options(&request, &record.info);
                let md5 = self.known_md5(record).await?;
                if md5.is_some() {
                    options.etag = EtagKind::Opaque; // nothing to compute
                }
                let (whole, key) = ((0, record.info.size), request.source.customer.as_ref());
                let writer = BodyWriter::new(self.inner.clone(), options, sealing)?;
                let rewrite = self.rewrite(taken.located, whole, key, writer).await?;
                let stored = rewrite.finish(BodyChecks::default()).await?;
                let stored = stored.known_md5(md5);
                Some(self.inner.put_stored(to, stored).await?)
            } else {
                self.share(taken.located, to, &request).await?
            };
            if let Some(put) = put {
                return Ok(CopyResult {
                    etag: put.etag,
                    last_modified: put.last_modified,
                    checksum: put.checksum,
                    version_id: put.version_id,
                    source_version_id,
                });
            }
        }
        Err(Error::NoSuchKey {
            key: request.source.key,
            delete_marker: None,
        })
    }

    /// Makes a part out of (a range of) an object. Also returns `x-amz-copy-source-version-id`.
    ///
    /// # Errors
    /// As a read of the source and [`Store::begin_part`]; `InvalidArgument` for a range that is not inside
    /// the source.
    pub async fn copy_part(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        part_number: u32,
        request: CopyPart,
    ) -> Result<PartCopied, Error> {
        let at = self.inner.upload_at(bucket, key, upload_id)?;
        self.inner.check_part_number(part_number)?;
        let upload = self.upload(bucket, key, upload_id).await?;
        let encryption = &upload.attributes.encryption;
        encryption.admits_part(request.customer.as_ref())?;
        let sealing = Sealing::of(encryption, request.customer.as_ref())?;
        for _ in 0..RETRIES {
            let taken = self.take(&request.source).await?;
            let record = taken.located.record.clone();
            let (first, len) = part_range(request.range, record.info.size)?;
            let done = match whole_piece(&record, first, len) {
                Some(piece) if !must_rewrite(&record, &sealing) => {
                    let options = BodyOptions {
                        checksum: upload.checksum,
                        ..BodyOptions::default()
                    };
                    self.share_part(taken.located, piece, options, at.clone(), part_number)
                        .await?
                }
                _ => {
                    let options = BodyOptions {
                        checksum: upload.checksum,
                        length: Some(len),
                        ..BodyOptions::default()
                    };
                    let source = request.source.customer.as_ref();
                    let writer = BodyWriter::new(self.inner.clone(), options, sealing.clone())?;
                    let rewrite = self.rewrite(taken.located, (first, len), source, writer);
                    let stored = rewrite.await?.finish(BodyChecks::default()).await?;
                    Some(self.inner.put_part(at.clone(), part_number, stored).await?)
                }
            };
            if let Some(part) = done {
                return Ok(PartCopied {
                    part,
                    source_version_id: taken.version_id,
                    sealed: upload.attributes.encryption.is_managed(),
                });
            }
        }
        Err(Error::NoSuchKey {
            key: request.source.key,
            delete_marker: None,
        })
    }

    /// Finds the source and asks its conditions.
    async fn take(&self, source: &Source) -> Result<Taken, Error> {
        let version = source.version.as_ref();
        let found = self
            .inner
            .locate(&source.bucket, &source.key, version, true)
            .await;
        let located = found.map_err(|error| match error {
            Error::MethodNotAllowed { .. } => Error::request(
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ),
            other => other,
        })?;
        let record = &located.record;
        let encryption = &record.info.attributes.encryption;
        encryption.admits(source.customer.as_ref())?;
        let subject = Subject {
            etag: &record.info.etag,
            last_modified: record.info.last_modified,
        };
        check_source(&source.conditions, subject)?;
        let version_id = self
            .inner
            .shown_id(source.bucket.versioning, record.row, record.nul);
        Ok(Taken {
            located,
            version_id,
        })
    }

    fn check_copy(
        &self,
        bucket: &Bucket,
        key: &str,
        request: &CopyRequest,
        record: &Record,
    ) -> Result<(), Error> {
        let max = self.inner.options.limits.max_put;
        if record.info.size > max {
            return Err(Error::request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {max}"
            )));
        }
        let source = &request.source;
        let itself = source.bucket.id == bucket.id && source.key == key && source.version.is_none();
        let old = &record.info.attributes;
        let unchanged = request.metadata == Directive::Copy
            && !request.restated
            && request.attributes.storage_class == old.storage_class
            && request.attributes.encryption == old.encryption
            && request.customer.is_none()
            && request.attributes.headers.website_redirect.is_none();
        if itself && unchanged {
            return Err(Error::request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        Ok(())
    }

    /// Copies by using the same blobs; none if they went meanwhile.
    async fn share(
        &self,
        located: Located,
        mut to: Destination,
        request: &CopyRequest,
    ) -> Result<Option<PutResult>, Error> {
        let record = located.record.clone();
        let (etag, checksum) = self.digests_of(located, request).await?;
        let size = record.info.size;
        let versioning = to.versioning;
        let done = self
            .inner
            .writer
            .submit(move |tx| {
                let head = tx.settled_head(&mut to)?;
                // Look before writing: the source may have gone meanwhile.
                for piece in &record.pieces {
                    if blob_digests(tx.conn, piece.blob)?.is_none() {
                        return Ok(None);
                    }
                }
                for piece in &record.pieces {
                    tx.share(piece.blob)?;
                }
                let single = match record.pieces.as_slice() {
                    [one] => Some(one.blob),
                    _ => None,
                };
                let version = NewVersion {
                    size,
                    etag: &etag,
                    checksum,
                    parts: None,
                    blob: single,
                    attributes: &to.attributes,
                };
                let row = tx.write_version(&to, head.as_ref(), &version)?;
                if single.is_none() {
                    tx.insert_pieces(row, &record.pieces)?;
                }
                Ok(Some((row, etag, tx.now)))
            })
            .await?;
        Ok(done.map(|(row, etag, last_modified)| {
            let version_id = self.inner.written_id(versioning, row);
            PutResult {
                etag,
                version_id,
                checksum,
                size,
                last_modified,
            }
        }))
    }

    /// The copy's entity tag and checksum: the source's where they hold, else computed.
    async fn digests_of(
        &self,
        located: Located,
        request: &CopyRequest,
    ) -> Result<(String, ObjectChecksum), Error> {
        let record = located.record.clone();
        let info = &record.info;
        let algorithm = request.checksum.unwrap_or(info.checksum.value.algorithm());
        let known = (info.checksum.parts.is_none() && info.checksum.value.algorithm() == algorithm)
            .then_some(info.checksum);
        let compute = match request.etag {
            EtagKind::Md5 => true,
            EtagKind::Auto => info.size <= MD5_TAG_MAX,
            EtagKind::Opaque => false,
        };
        let etag = match info.parts {
            None => Some(info.etag.clone()),
            Some(_) => match self.known_md5(&record).await? {
                Some(md5) => Some(hex(&md5)),
                None if compute => None,
                None => Some(opaque_tag()?),
            },
        };
        if let (Some(etag), Some(known)) = (&etag, known) {
            return Ok((etag.clone(), known));
        }
        let want = (etag.is_none(), known.is_none().then_some(algorithm));
        let (md5, checksum) = self.hash(located, 0, info.size, want).await?;
        let etag = etag.unwrap_or_else(|| hex(&md5));
        let computed = checksum.map(ObjectChecksum::full);
        let checksum = known.or(computed).unwrap_or(info.checksum);
        Ok((etag, checksum))
    }

    /// The MD5 of all bytes of a record, if it was computed when they were written.
    async fn known_md5(&self, record: &Record) -> Result<Option<[u8; 16]>, Error> {
        let [piece] = record.pieces.as_slice() else {
            return Ok(None);
        };
        let blob = piece.blob;
        let read = move |inner: &Inner| inner.readers.with(|conn| blob_digests(conn, blob));
        let digests = self.inner.read(read).await?;
        Ok(digests.and_then(|(_, md5)| md5))
    }

    /// Makes a part of a blob that is one piece of the source; none if it went meanwhile.
    async fn share_part(
        &self,
        located: Located,
        piece: Piece,
        options: BodyOptions,
        at: UploadAt,
        number: u32,
    ) -> Result<Option<PartResult>, Error> {
        let other = options
            .checksum
            .filter(|a| *a != ChecksumAlgorithm::Crc64Nvme);
        let checksum = match other {
            None => None,
            Some(other) => {
                let (first, len) = span(&located.record, &piece);
                self.hash(located, first, len, (false, Some(other)))
                    .await?
                    .1
            }
        };
        let spare = random::<16>()?;
        self.inner
            .writer
            .submit(move |tx| {
                tx.check_upload(&at)?;
                let Some((crc64, md5)) = blob_digests(tx.conn, piece.blob)? else {
                    return Ok(None);
                };
                tx.share(piece.blob)?;
                let part = NewPart {
                    size: piece.size,
                    etag: hex(&md5.unwrap_or(spare)),
                    checksum: checksum.unwrap_or(Checksum::from_crc64(crc64)),
                    crc64,
                };
                tx.put_part(at.row, number, piece.blob, part).map(Some)
            })
            .await
    }

    /// Reads bytes of a record for their digests: the MD5 if wanted, and a checksum if one is.
    async fn hash(
        &self,
        located: Located,
        first: u64,
        len: u64,
        (md5, algorithm): (bool, Option<ChecksumAlgorithm>),
    ) -> Result<([u8; 16], Option<Checksum>), Error> {
        let inner = self.inner.clone();
        let Located { record, pins } = located;
        let work = move || {
            let pins = pins.unwrap_or_else(|| inner.files.pin(std::iter::empty()));
            let mut reader = Reader::of_pieces(&inner, &record.pieces, pins, first, len);
            let mut hasher = algorithm.map(Hasher::new);
            let mut digest = Md5::new();
            while let Some(chunk) = reader.next()? {
                if md5 {
                    digest.update(&chunk);
                }
                if let Some(hasher) = &mut hasher {
                    hasher.update(&chunk);
                }
            }
            Ok((digest.finalize().into(), hasher.map(Hasher::finish)))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(job_failed)?
    }

    /// Reads bytes of a record and writes them as a new body, whose options say how many they are.
    async fn rewrite(
        &self,
        located: Located,
        span: (u64, u64),
        customer: Option<&CustomerKey>,
        mut writer: BodyWriter,
    ) -> Result<BodyWriter, Error> {
        let Located { record, pins } = located;
        let mut body = Body::open(&self.inner, &record, pins, span, customer).await?;
        while let Some(chunk) = body.next().await {
            writer.write(chunk?).await?;
        }
        Ok(writer)
    }
}

/// A blob's CRC64, and its MD5 unless its entity tag is opaque.
type BlobDigests = (u64, Option<[u8; 16]>);

/// How often a copy begins again because its source was replaced under it.
const RETRIES: usize = 8;

/// What the copy will have.
fn merge(request: &CopyRequest, source: &Attributes) -> Attributes {
    let mut merged = request.attributes.clone();
    if request.metadata == Directive::Copy {
        let redirect = merged.headers.website_redirect.take();
        merged.headers = source.headers.clone();
        // The redirect is never copied: it is the request's.
        merged.headers.website_redirect = redirect;
        merged.user = source.user.clone();
    }
    if request.tagging == Directive::Copy {
        merged.tags = source.tags.clone();
    }
    merged
}

/// Whether the bytes must be written anew: because the copy is to be sealed and the source is not, or because a
/// customer's key is to open them no longer, or from now on.
fn must_rewrite(record: &Record, sealing: &Sealing) -> bool {
    match (sealing, &record.info.attributes.encryption) {
        (Sealing::Customer(_), _) | (_, Encryption::Customer(_)) => true,
        (Sealing::Managed, Encryption::None) => true,
        (Sealing::Managed, Encryption::Managed) | (Sealing::None, _) => false,
    }
}

fn body_options(request: &CopyRequest, info: &ObjectInfo) -> BodyOptions {
    BodyOptions {
        checksum: Some(request.checksum.unwrap_or(info.checksum.value.algorithm())),
        payload_sha256: false,
        etag: request.etag,
        length: Some(info.size),
        customer: request.customer.clone(),
    }
}

/// First byte and count of a part copy.
fn part_range(range: Option<(u64, u64)>, size: u64) -> Result<(u64, u64), Error> {
    let Some((first, last)) = range else {
        return Ok((0, size));
    };
    if first > last || last >= size {
        let message = "Range specified is not valid for source object.";
        let value = format!("bytes={first}-{last}");
        return Err(Error::argument("x-amz-copy-source-range", &value, message));
    }
    Ok((first, last - first + 1))
}

/// The piece that is exactly these bytes.
fn whole_piece(record: &Record, first: u64, len: u64) -> Option<Piece> {
    record
        .pieces
        .iter()
        .find(|piece| span(record, piece) == (first, len))
        .cloned()
}

/// Where a piece of a record begins, and its size.
fn span(record: &Record, piece: &Piece) -> (u64, u64) {
    let before = record
        .pieces
        .iter()
        .take_while(|other| other.number < piece.number);
    (before.map(|piece| piece.size).sum(), piece.size)
}

impl Tx<'_> {
    /// Rows of an object that is not a multipart one although it has several pieces.
    fn insert_pieces(&mut self, version: i64, pieces: &[Piece]) -> Result<(), Error> {
        let text = "INSERT INTO piece (version, number, blob, size, checksum)
                    VALUES (?1, ?2, ?3, ?4, x'')";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        for piece in pieces {
            sql(statement.execute(params![version, piece.number, piece.blob, piece.size]))?;
        }
        Ok(())
    }
}

/// A blob's CRC64 and MD5; none if it is gone.
fn blob_digests(conn: &Connection, blob: i64) -> Result<Option<BlobDigests>, Error> {
    let text = "SELECT crc, md5 FROM blob WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?));
    let mut statement = sql(conn.prepare_cached(text))?;
    sql(statement.query_row([blob], read).optional())
}
