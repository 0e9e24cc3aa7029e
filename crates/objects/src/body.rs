//! A body on its way in: counted, hashed, sealed if asked, and made durable; in memory while it is small.
//!
//! Bytes are gathered into batches and handed to a blocking thread that hashes and writes them; while it
//! works the next batch gathers. So a body holds at most two batches, and no runtime thread ever hashes
//! or writes more than a small body.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;
use ring::digest;
use tokio::task::JoinHandle;

use crate::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::customer::Sealing;
use crate::error::{DigestName, Doing, Error, Fault};
use crate::files::{Placed, Temporary};
use crate::md5::Md5;
use crate::object::{BodyChecks, BodyOptions, EtagKind, MD5_TAG_MAX};
use crate::schema::sql;
use crate::seal::{CHUNK, DataKey, random};
use crate::store::Inner;
use crate::writer::Tx;

/// Bytes handed to the blocking thread at a time.
const BATCH: usize = 256 * 1024;

/// A body that has ended well.
pub(crate) struct Stored {
    pub(crate) size: u64,
    pub(crate) checksum: Checksum,
    pub(crate) crc64: u64,
    /// A customer's key sealed it.
    customer: bool,
    pub(crate) blob: NewBlob,
}

impl Stored {
    /// The entity tag of an object of this body: its MD5, or a form that no client takes for one.
    pub(crate) fn object_tag(&self) -> Result<String, Error> {
        match self.blob.md5 {
            // Of what a customer sealed S3 shows 32 digits that are no MD5.
            None if !self.customer => opaque_tag(),
            _ => self.part_tag(),
        }
    }

    /// The entity tag of a part of this body, which goes into the object's.
    pub(crate) fn part_tag(&self) -> Result<String, Error> {
        match &self.blob.md5 {
            Some(md5) => Ok(hex(md5)),
            None => Ok(hex(&random::<16>()?)),
        }
    }

    /// Says what the body's MD5 is, which was known before.
    pub(crate) fn known_md5(mut self, md5: Option<[u8; 16]>) -> Stored {
        if !self.customer {
            self.blob.md5 = self.blob.md5.or(md5);
        }
        self
    }
}

/// An entity tag that no client takes for an MD5.
pub(crate) fn opaque_tag() -> Result<String, Error> {
    Ok(hex(&random::<16>()?) + "-1")
}

/// A blob that the index does not know yet.
pub(crate) struct NewBlob {
    pub(crate) id: i64,
    size: u64,
    /// Of the plain bytes, or of the sealed ones where a customer sealed them.
    crc64: u64,
    md5: Option<[u8; 16]>,
    seal: Option<Vec<u8>>,
    bytes: NewBytes,
}

enum NewBytes {
    Memory(Vec<u8>),
    Shared(Bytes),
    File(Placed),
}

impl Tx<'_> {
    /// Writes the row of a new blob, used once.
    pub(crate) fn insert_blob(&mut self, blob: NewBlob) -> Result<i64, Error> {
        let text = "INSERT INTO blob (id, refs, size, crc, md5, seal, file, data)
                    VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (file, data) = match &blob.bytes {
            NewBytes::Memory(data) => (None, Some(data.as_slice())),
            NewBytes::Shared(data) => (None, Some(data.as_ref())),
            NewBytes::File(placed) => (Some(&*placed.name), None),
        };
        let md5 = blob.md5.as_ref().map(<[u8; 16]>::as_slice);
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(rusqlite::params![
            blob.id,
            blob.size,
            blob.crc64 as i64,
            md5,
            blob.seal,
            file,
            data
        ]))?;
        if let NewBytes::File(placed) = blob.bytes {
            self.keep(placed);
        }
        Ok(blob.id)
    }
}

/// The digests of a body.
struct Digests {
    md5: Option<Md5>,
    /// Bytes that the MD5 may still take before it is not wanted any more.
    md5_left: u64,
    crc64: Hasher,
    /// The wanted checksum, unless it is the CRC64 anyway.
    wanted: Option<Hasher>,
    sha256: Option<digest::Context>,
}

struct Computed {
    md5: Option<[u8; 16]>,
    crc64: Checksum,
    checksum: Checksum,
    sha256: Option<[u8; 32]>,
}

impl Digests {
    fn new(options: &BodyOptions) -> Digests {
        let wanted = options
            .checksum
            .filter(|a| *a != ChecksumAlgorithm::Crc64Nvme);
        let md5_left = match options.etag {
            EtagKind::Md5 => u64::MAX,
            EtagKind::Auto if options.length.is_none_or(|length| length <= MD5_TAG_MAX) => {
                MD5_TAG_MAX
            }
            EtagKind::Auto | EtagKind::Opaque => 0,
        };
        Digests {
            md5: (md5_left > 0).then(Md5::default),
            md5_left,
            crc64: Hasher::new(ChecksumAlgorithm::Crc64Nvme),
            wanted: wanted.map(Hasher::new),
            sha256: options
                .payload_sha256
                .then(|| digest::Context::new(&digest::SHA256)),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self.md5_left.checked_sub(data.len() as u64) {
            Some(left) => self.md5_left = left,
            None => self.md5 = None,
        }
        // In pieces that stay in the first cache while every digest reads them.
        for data in data.chunks(16 * 1024) {
            if let Some(md5) = &mut self.md5 {
                md5.update(data);
            }
            self.crc64.update(data);
            if let Some(wanted) = &mut self.wanted {
                wanted.update(data);
            }
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(data);
            }
        }
    }

    fn finish(self) -> Computed {
        let crc64 = self.crc64.finish();
        let sha256 = self.sha256.map(|context| {
            let mut bytes = [0; 32];
            for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
                *to = *from;
            }
            bytes
        });
        Computed {
            md5: self.md5.map(Md5::finish),
            crc64,
            checksum: self.wanted.map_or(crc64, Hasher::finish),
            sha256,
        }
    }
}

impl Computed {
    fn check(&self, received: u64, checks: &BodyChecks) -> Result<(), Error> {
        if let Some(expected) = checks.length.filter(|expected| *expected != received) {
            return Err(Error::IncompleteBody { expected, received });
        }
        let bad = |digest, expected, calculated| {
            Err(Error::BadDigest {
                digest,
                expected,
                calculated,
            })
        };
        if let Some(expected) = checks.md5 {
            let Some(md5) = self.md5 else {
                return Err(Error::request(
                    "Content-MD5 was announced too late to be checked.",
                ));
            };
            if md5 != expected {
                return bad(DigestName::ContentMd5, base64(&expected), base64(&md5));
            }
        }
        if let Some(expected) = &checks.checksum {
            if expected.algorithm() != self.checksum.algorithm() {
                return Err(Error::request(format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                    self.checksum.algorithm().name().to_ascii_lowercase(),
                    expected.algorithm().name().to_ascii_lowercase(),
                )));
            }
            if *expected != self.checksum {
                let name = DigestName::Checksum(expected.algorithm());
                return bad(name, expected.to_string(), self.checksum.to_string());
            }
        }
        match (checks.payload_sha256, self.sha256) {
            (Some(client), Some(computed)) if client != computed => {
                Err(Error::ContentSha256Mismatch {
                    client: hex(&client),
                    computed: hex(&computed),
                })
            }
            (Some(_), None) => Err(Error::request(
                "x-amz-content-sha256 was announced too late to be checked.",
            )),
            _ => Ok(()),
        }
    }

    /// Forgets what nobody may learn of bytes that a customer sealed.
    fn seal(mut self, sealing: &Sealing) -> Computed {
        self.md5 = self.md5.filter(|_| !sealing.is_customer());
        self
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(*DIGITS.get(usize::from(n)).unwrap_or(&b'0'));
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The body's file, and everything that happens to its bytes. Used on blocking threads only.
struct Sink {
    temporary: Temporary,
    digests: Digests,
    sealer: Option<Sealer>,
}

struct Sealer {
    key: DataKey,
    sealed_key: Vec<u8>,
    chunk: Vec<u8>,
    number: u64,
    /// Set when what lies on the disk is all that can be checked without the customer's key.
    sealed_crc: Option<Hasher>,
}

/// How a body was sealed.
struct Sealed {
    key: Vec<u8>,
    /// The checksum of the sealed bytes, where the index is to have that.
    crc64: Option<u64>,
}

impl Sink {
    fn take(&mut self, batch: &[Bytes]) -> Result<(), Error> {
        for data in batch {
            self.digests.update(data);
        }
        let Some(sealer) = &mut self.sealer else {
            return write_all(&self.temporary.file, batch).doing("write", "a new blob");
        };
        for data in batch {
            sealer.take(data, &mut self.temporary)?;
        }
        Ok(())
    }
}

/// Writes everything with as few calls as there can be: what is written at once lies in few, large pieces of the kernel's
/// memory, which are read faster as well.
fn write_all(mut file: &File, batch: &[Bytes]) -> std::io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|data| IoSlice::new(data)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

impl Sealer {
    /// None where nothing is to be sealed.
    fn new(inner: &Inner, sealing: &Sealing) -> Result<Option<Sealer>, Error> {
        let (key, sealed_key) = match sealing {
            Sealing::None => return Ok(None),
            Sealing::Managed => inner.master.new_data_key()?,
            Sealing::Customer(key) => key.new_data_key()?,
        };
        let crc = || Hasher::new(ChecksumAlgorithm::Crc64Nvme);
        Ok(Some(Sealer {
            key,
            sealed_key,
            chunk: Vec::new(),
            number: 0,
            sealed_crc: sealing.is_customer().then(crc),
        }))
    }

    /// Seals a whole small body.
    fn whole(mut self, body: &[u8]) -> Result<(Sealed, Vec<u8>), Error> {
        let bytes = self.key.seal_all(body)?;
        if let Some(crc) = &mut self.sealed_crc {
            crc.update(&bytes);
        }
        Ok((self.done(), bytes))
    }

    fn done(self) -> Sealed {
        Sealed {
            key: self.sealed_key,
            crc64: self.sealed_crc.map(|crc| crc.finish().as_u64()),
        }
    }

    /// A full chunk is held back until more comes: only then is it known not to be the last.
    fn take(&mut self, mut data: &[u8], to: &mut Temporary) -> Result<(), Error> {
        while !data.is_empty() {
            if self.chunk.len() == CHUNK {
                self.flush(false, to)?;
            }
            let (now, rest) = data.split_at(data.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            data = rest;
        }
        Ok(())
    }

    fn flush(&mut self, last: bool, to: &mut Temporary) -> Result<(), Error> {
        self.key.seal(self.number, last, &mut self.chunk)?;
        if let Some(crc) = &mut self.sealed_crc {
            crc.update(&self.chunk);
        }
        to.file
            .write_all(&self.chunk)
            .doing("write", "a new blob")?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

/// A body on its way in.
pub(crate) struct BodyWriter {
    inner: Arc<Inner>,
    options: BodyOptions,
    sealing: Sealing,
    blob: i64,
    limit: u64,
    received: u64,
    waiting: Vec<Bytes>,
    waiting_len: usize,
    /// The sink, unless a job has it or the body is still small.
    sink: Option<Sink>,
    job: Option<JoinHandle<Result<Sink, Error>>>,
    spilled: bool,
}

impl BodyWriter {
    pub(crate) fn new(
        inner: Arc<Inner>,
        options: BodyOptions,
        sealing: Sealing,
    ) -> Result<BodyWriter, Error> {
        let limit = inner.options.limits.max_put;
        if let Some(proposed_size) = options.length.filter(|length| *length > limit) {
            return Err(Error::EntityTooLarge {
                proposed_size,
                max_size_allowed: limit,
            });
        }
        Ok(BodyWriter {
            blob: inner.next_blob(),
            inner,
            options,
            sealing,
            limit,
            received: 0,
            waiting: Vec::new(),
            waiting_len: 0,
            sink: None,
            job: None,
            spilled: false,
        })
    }

    pub(crate) async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        self.received += data.len() as u64;
        if self.received > self.limit {
            return Err(Error::EntityTooLarge {
                proposed_size: self.received,
                max_size_allowed: self.limit,
            });
        }
        if let Some(expected) = self.options.length.filter(|length| self.received > *length) {
            return Err(Error::IncompleteBody {
                expected,
                received: self.received,
            });
        }
        self.waiting_len += data.len();
        if !data.is_empty() {
            self.waiting.push(data);
        }
        if self.waiting_len >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    /// Hands what waits to a blocking thread, when the one before is done.
    async fn flush(&mut self) -> Result<(), Error> {
        self.join().await?;
        let batch = std::mem::take(&mut self.waiting);
        self.waiting_len = 0;
        let sink = self.sink.take();
        if sink.is_none() && self.spilled {
            return Err(Error::Closed); // an earlier batch failed
        }
        self.spilled = true;
        let fresh = sink.is_none().then(|| Digests::new(&self.options));
        let (inner, blob, sealing) = (self.inner.clone(), self.blob, self.sealing.clone());
        self.job = Some(tokio::task::spawn_blocking(move || {
            let mut sink = match (sink, fresh) {
                (Some(sink), _) => sink,
                (None, Some(digests)) => Sink {
                    temporary: inner.files.create(blob)?,
                    digests,
                    sealer: Sealer::new(&inner, &sealing)?,
                },
                (None, None) => return Err(Error::Closed),
            };
            sink.take(&batch)?;
            Ok(sink)
        }));
        Ok(())
    }

    async fn join(&mut self) -> Result<(), Error> {
        // Kept in its place while waiting, so that a dropped call loses nothing.
        if let Some(job) = &mut self.job {
            let done = job.await;
            self.job = None;
            self.sink = Some(done.map_err(job_failed)??);
        }
        Ok(())
    }

    /// Ends the body; the file, if it has one, is durable.
    pub(crate) async fn finish(mut self, mut checks: BodyChecks) -> Result<Stored, Error> {
        checks.length = checks.length.or(self.options.length);
        if !self.spilled && self.received <= self.inner.options.inline_max as u64 {
            return self.finish_small(&checks);
        }
        self.flush().await?;
        self.join().await?;
        let Some(sink) = self.sink.take() else {
            return Err(Error::Closed);
        };
        let (received, blob, sealing) = (self.received, self.blob, self.sealing);
        let job = move || {
            let Sink {
                mut temporary,
                digests,
                sealer,
            } = sink;
            let computed = digests.finish();
            computed.check(received, &checks)?;
            let computed = computed.seal(&sealing);
            let mut sealed = None;
            if let Some(mut sealer) = sealer {
                if !sealer.chunk.is_empty() {
                    sealer.flush(true, &mut temporary)?;
                }
                sealed = Some(sealer.done());
            }
            let bytes = NewBytes::File(temporary.place()?);
            Ok(Stored::new(received, &computed, blob, sealed, bytes))
        };
        tokio::task::spawn_blocking(job).await.map_err(job_failed)?
    }

    fn finish_small(self, checks: &BodyChecks) -> Result<Stored, Error> {
        let body = match <[Bytes; 1]>::try_from(self.waiting) {
            Ok([one]) => one,
            Err(many) => many.concat().into(),
        };
        let mut digests = Digests::new(&self.options);
        digests.update(&body);
        let computed = digests.finish();
        computed.check(self.received, checks)?;
        let computed = computed.seal(&self.sealing);
        let (sealed, bytes) = match Sealer::new(&self.inner, &self.sealing)? {
            Some(sealer) => {
                let (sealed, bytes) = sealer.whole(&body)?;
                (Some(sealed), NewBytes::Memory(bytes))
            }
            None => (None, NewBytes::Shared(body)),
        };
        Ok(Stored::new(
            self.received,
            &computed,
            self.blob,
            sealed,
            bytes,
        ))
    }
}

impl Stored {
    fn new(
        size: u64,
        computed: &Computed,
        id: i64,
        sealed: Option<Sealed>,
        bytes: NewBytes,
    ) -> Stored {
        let crc64 = computed.crc64.as_u64();
        let of_sealed = sealed.as_ref().and_then(|sealed| sealed.crc64);
        let blob = NewBlob {
            id,
            size,
            crc64: of_sealed.unwrap_or(crc64),
            md5: computed.md5,
            seal: sealed.map(|sealed| sealed.key),
            bytes,
        };
        Stored {
            size,
            customer: of_sealed.is_some(),
            checksum: computed.checksum,
            crc64,
            blob,
        }
    }
}

pub(crate) fn job_failed(error: tokio::task::JoinError) -> Error {
    Error::Fault(Fault::new("run", "a blocking task", error))
}
