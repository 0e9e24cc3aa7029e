//! CompleteMultipartUpload: the named parts become one object, without moving a byte.

use rusqlite::params;

use crate::body::hex;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
use crate::error::{DigestName, Error, echo};
use crate::lock::DefaultRetention;
use crate::md5::Md5;
use crate::multipart::{Completion, PartClaim, UploadAt, UploadInfo, read_upload, stored_checksum};
use crate::object::{Bucket, UnixMillis, VersionId, Versioning};
use crate::put::{Destination, PutResult, default_of};
use crate::rows::read_checksum;
use crate::schema::sql;
use crate::store::{Limits, Store, collect};
use crate::versions::NewVersion;
use crate::writer::Tx;

/// A part as stored.
struct Part {
    number: u32,
    blob: i64,
    size: u64,
    etag: String,
    checksum: Checksum,
    crc64: u64,
}

/// What a completion came to: the answer, its version's row and whether that is a `null` version.
struct Completed {
    result: PutResult,
    row: i64,
    nul: bool,
}

impl Store {
    /// Makes the object out of the named parts. Repeating a completion soon after gives the same answer.
    ///
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `BadDigest`, `InvalidRequest` (size,
    /// checksum type), `MalformedXml` (no parts); `PreconditionFailed`; [`Error::Fault`].
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        completion: Completion,
    ) -> Result<PutResult, Error> {
        let at = self.inner.upload_at(bucket, key, upload_id)?;
        let versioning = bucket.versioning;
        let state = (versioning, default_of(bucket));
        let limits = self.inner.options.limits;
        let memory = self.inner.options.completion_memory_ms;
        if completion.parts.len() > limits.max_parts as usize {
            return Err(Error::MalformedXml {
                what: "too many parts",
            });
        }
        let Completed {
            mut result,
            row,
            nul,
        } = self
            .inner
            .writer
            .submit(move |tx| tx.complete(&at, state, &completion, limits, memory))
            .await?;
        result.version_id = match (versioning, nul) {
            (Versioning::Unversioned, _) => None,
            (_, true) => Some(VersionId::null()),
            (_, false) => Some(self.inner.ids.version(row)),
        };
        Ok(result)
    }
}

impl Tx<'_> {
    fn complete(
        &mut self,
        at: &UploadAt,
        (versioning, default): (Versioning, Option<DefaultRetention>),
        completion: &Completion,
        limits: Limits,
        memory: i64,
    ) -> Result<Completed, Error> {
        self.check_bucket(at.bucket)?;
        let upload = match read_upload(self.conn, at) {
            Err(Error::NoSuchUpload { .. }) => return self.completed_before(at, completion),
            other => other?,
        };
        if completion.customer.is_some() {
            let encryption = &upload.attributes.encryption;
            encryption.admits_part(completion.customer.as_ref())?;
        }
        let stored = self.stored_parts(at.row)?;
        let chosen = choose(at, &stored, &completion.parts, limits)?;
        let size = chosen.iter().map(|part| part.size).sum();
        if let Some(claimed) = completion.size.filter(|claimed| *claimed != size) {
            return Err(Error::request(format!(
                "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {size}"
            )));
        }
        let checksum = whole_checksum(&upload, &chosen)?;
        check_whole(&upload, completion, &checksum)?;
        let mut to = Destination {
            bucket: at.bucket,
            versioning,
            key: at.key.clone(),
            attributes: upload.attributes,
            conditions: completion.conditions.clone(),
            default,
        };
        let head = self.settled_head(&mut to)?;
        let etag = composite_etag(chosen.iter().map(|part| part.etag.as_str()));
        let version = NewVersion {
            size,
            etag: &etag,
            checksum,
            parts: Some(chosen.len() as u32),
            blob: None,
            attributes: &to.attributes,
        };
        let row = self.write_version(&to, head.as_ref(), &version)?;
        self.move_parts(at.row, row, &stored, &chosen)?;
        let result = PutResult {
            etag,
            version_id: None,
            checksum,
            size,
            last_modified: self.now,
        };
        let nul = versioning != Versioning::Enabled;
        self.remember(at, row, nul, &result, memory)?;
        Ok(Completed { result, row, nul })
    }

    fn stored_parts(&self, upload: i64) -> Result<Vec<Part>, Error> {
        let text = "SELECT number, blob, size, etag, checksum, crc64 FROM part
                    WHERE upload = ?1 ORDER BY number";
        collect(self.conn, text, [upload], |row| {
            Ok(Part {
                number: sql(row.get(0))?,
                blob: sql(row.get(1))?,
                size: sql(row.get(2))?,
                etag: sql(row.get(3))?,
                checksum: sql(stored_checksum(row, 4))?,
                crc64: sql(row.get::<_, i64>(5))? as u64,
            })
        })
    }

    /// The chosen parts become pieces of the version; the others and the upload go.
    fn move_parts(
        &mut self,
        upload: i64,
        version: i64,
        stored: &[Part],
        chosen: &[&Part],
    ) -> Result<(), Error> {
        let is_chosen = |part: &&Part| {
            chosen
                .binary_search_by_key(&part.number, |part| part.number)
                .is_ok()
        };
        for part in stored.iter().filter(|part| !is_chosen(part)) {
            self.release(part.blob)?;
            let text = "DELETE FROM part WHERE upload = ?1 AND number = ?2";
            let mut statement = sql(self.conn.prepare_cached(text))?;
            sql(statement.execute(params![upload, part.number]))?;
        }
        let moves = [
            "INSERT INTO piece (version, number, blob, size, checksum)
             SELECT ?2, number, blob, size, checksum FROM part WHERE upload = ?1",
            "DELETE FROM part WHERE upload = ?1 AND ?2 = ?2",
        ];
        for text in moves {
            let mut statement = sql(self.conn.prepare_cached(text))?;
            sql(statement.execute(params![upload, version]))?;
        }
        self.remove_upload(upload)
    }

    fn remember(
        &mut self,
        at: &UploadAt,
        row: i64,
        nul: bool,
        result: &PutResult,
        memory: i64,
    ) -> Result<(), Error> {
        // A few old ones go with each new one.
        let text = "DELETE FROM completed WHERE upload IN
                    (SELECT upload FROM completed WHERE at < ?1 ORDER BY upload LIMIT 4)";
        let before = self.now.0.saturating_sub(memory);
        sql(self
            .conn
            .prepare_cached(text)
            .and_then(|mut s| s.execute([before])))?;
        let text = "INSERT INTO completed
            (upload, bucket, key, at, version, nul, size, etag, algorithm, checksum, composite)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![
            at.row,
            at.bucket,
            at.key.as_bytes(),
            self.now.0,
            row,
            nul,
            result.size,
            result.etag,
            result.checksum.value.algorithm().number(),
            result.checksum.value.as_bytes(),
            result.checksum.parts,
        ]))
        .map(drop)
    }

    /// The answer of an earlier completion with the same parts.
    fn completed_before(&self, at: &UploadAt, completion: &Completion) -> Result<Completed, Error> {
        let text =
            "SELECT at, version, nul, size, etag, algorithm, checksum, composite FROM completed
                    WHERE upload = ?1 AND bucket = ?2 AND key = ?3";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        let mut rows = sql(statement.query(params![at.row, at.bucket, at.key.as_bytes()]))?;
        let Some(row) = sql(rows.next())? else {
            return Err(Error::no_such_upload(&at.id));
        };
        let etag: String = sql(row.get(4))?;
        let claimed: Vec<&str> = completion.parts.iter().map(bare_etag).collect();
        if composite_etag(claimed.iter().copied()) != etag {
            return Err(Error::no_such_upload(&at.id));
        }
        let result = PutResult {
            etag,
            version_id: None,
            checksum: read_checksum(row, 5)?,
            size: sql(row.get(3))?,
            last_modified: UnixMillis(sql(row.get(0))?),
        };
        Ok(Completed {
            result,
            row: sql(row.get(1))?,
            nul: sql(row.get(2))?,
        })
    }
}

fn bare_etag(claim: &PartClaim) -> &str {
    claim.etag.trim().trim_matches('"')
}

/// The stored parts that are named, in order, each the one that was meant and large enough.
fn choose<'p>(
    at: &UploadAt,
    stored: &'p [Part],
    claims: &[PartClaim],
    limits: Limits,
) -> Result<Vec<&'p Part>, Error> {
    if claims.is_empty() {
        return Err(Error::MalformedXml {
            what: "no parts are named",
        });
    }
    if !claims.is_sorted_by(|a, b| a.part_number < b.part_number) {
        return Err(Error::InvalidPartOrder {
            upload_id: at.id.clone(),
        });
    }
    let mut chosen = Vec::with_capacity(claims.len());
    for claim in claims {
        let wrong = || Error::InvalidPart {
            upload_id: at.id.clone(),
            part_number: claim.part_number,
            etag: echo(bare_etag(claim)),
        };
        let found = stored.binary_search_by_key(&claim.part_number, |part| part.number);
        let part = found.ok().and_then(|at| stored.get(at)).ok_or_else(wrong)?;
        if part.etag != bare_etag(claim) {
            return Err(wrong());
        }
        // A client may name the CRC64 that S3 computed although it declared no algorithm.
        if claim
            .checksum
            .is_some_and(|c| c != part.checksum && !is_crc64(&c, part.crc64))
        {
            return Err(wrong());
        }
        chosen.push(part);
    }
    for part in chosen.iter().take(chosen.len() - 1) {
        if part.size < limits.min_part {
            return Err(Error::EntityTooSmall {
                etag: part.etag.clone(),
                part_number: part.number,
                proposed_size: part.size,
                min_size_allowed: limits.min_part,
            });
        }
    }
    Ok(chosen)
}

fn is_crc64(claimed: &Checksum, crc64: u64) -> bool {
    claimed.algorithm() == ChecksumAlgorithm::Crc64Nvme && claimed.as_u64() == crc64
}

/// MD5 of the parts' entity tags as bytes, and their number.
fn composite_etag<'a>(etags: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Md5::default();
    let mut count = 0;
    for etag in etags {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
        let bytes: Vec<u8> = etag
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |value, byte| value << 4 | digit(*byte)))
            .collect();
        hasher.update(&bytes);
        count += 1;
    }
    format!("{}-{count}", hex(&hasher.finish()))
}

/// The object's checksum, made of the parts'.
fn whole_checksum(upload: &UploadInfo, parts: &[&Part]) -> Result<ObjectChecksum, Error> {
    let algorithm = upload.checksum.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    if upload.checksum_type == ChecksumType::Composite {
        let checksums = parts.iter().map(|part| &part.checksum);
        return Ok(ObjectChecksum::composite(algorithm, checksums));
    }
    let mut whole = Checksum::of(algorithm, b"");
    for part in parts {
        let crc64 = Checksum::from_crc64(part.crc64);
        let next = if algorithm == ChecksumAlgorithm::Crc64Nvme {
            &crc64
        } else {
            &part.checksum
        };
        whole = whole
            .followed_by(next, part.size)
            .ok_or_else(|| Error::request("The parts have checksums of another algorithm."))?;
    }
    Ok(ObjectChecksum::full(whole))
}

/// What the client says of the whole must be so.
fn check_whole(
    upload: &UploadInfo,
    completion: &Completion,
    computed: &ObjectChecksum,
) -> Result<(), Error> {
    if let Some(given) = completion
        .checksum_type
        .filter(|given| *given != upload.checksum_type)
    {
        return Err(Error::request(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode ({} was given).",
            upload.checksum_type.name(),
            given.name(),
        )));
    }
    let Some(expected) = &completion.checksum else {
        return Ok(());
    };
    let same_value = expected.value == computed.value;
    // The count of a composite value may be left out.
    if same_value
        && expected
            .parts
            .is_none_or(|parts| Some(parts) == computed.parts)
    {
        return Ok(());
    }
    if expected.value.algorithm() != computed.value.algorithm() {
        return Err(Error::request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            computed.value.algorithm().name().to_ascii_lowercase(),
            expected.value.algorithm().name().to_ascii_lowercase(),
        )));
    }
    Err(Error::BadDigest {
        digest: DigestName::Checksum(expected.value.algorithm()),
        expected: expected.to_string(),
        calculated: computed.to_string(),
    })
}
