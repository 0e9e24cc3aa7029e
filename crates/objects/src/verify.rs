//! Reading every stored byte and comparing it with its checksum.

use std::sync::Arc;

use md5::{Digest as _, Md5};
use rusqlite::{Connection, params};

use crate::customer::is_customers;
use crate::error::{Doing, Error, Fault};
use crate::files::relative;
use crate::ids::Ids;
use crate::object::VersionId;
use crate::reading::Reader;
use crate::rows::{Piece, PieceBytes, key_text, load_blob};
use crate::schema::{INDEX, sql};
use crate::seal::sealed_len;
use crate::store::{Inner, Store, collect};

/// Something wrong with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The bucket id, key and version (or upload and part) concerned, if any.
    pub object: Option<String>,
    /// The file (relative to the store) or index row.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What [`Store::verify`] saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Object versions looked at.
    pub versions: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blobs among them that only a customer's key opens (SSE-C). They were compared as they are stored, with
    /// the checksum of their sealed bytes: damage shows, but nobody without the key can say what is in them.
    pub sealed: u64,
    /// Problems, the first 10,000.
    pub problems: Vec<Problem>,
    /// Number of all problems.
    pub problem_count: u64,
}

/// Problems that a report names.
const NAMED: usize = 10_000;
/// Problems for which the object concerned is looked up (a scan each).
const EXPLAINED: usize = 100;
/// Blobs looked at between two looks at the index.
const STEP: usize = 256;

impl Store {
    /// Reads every blob once and compares it with its checksums, and the index with itself. Runs beside
    /// other traffic; what is deleted meanwhile is not a problem. What was written is not read back from
    /// the disk if the kernel still has it in memory.
    ///
    /// # Errors
    /// [`Error::Fault`] if the index cannot be read at all.
    pub async fn verify(&self) -> Result<VerifyReport, Error> {
        let inner = self.inner.clone();
        self.inner
            .read(move |_| {
                let mut report = VerifyReport::default();
                inner
                    .readers
                    .snapshot(|conn| check_index(conn, &mut report))?;
                let mut after = 0;
                while let Some(last) = check_blobs(&inner, after, &mut report)? {
                    after = last;
                }
                Ok(report)
            })
            .await
    }
}

impl VerifyReport {
    fn add(&mut self, object: Option<String>, place: String, what: String) {
        self.problem_count += 1;
        if self.problems.len() < NAMED {
            self.problems.push(Problem {
                object,
                place,
                what,
            });
        }
    }
}

/// What must hold between the rows: a question that finds the rows for which it does not, as a place.
const RULES: [(&str, &str); 10] = [
    (
        "the blob is not there",
        "SELECT 'version ' || v.id FROM version v LEFT JOIN blob b ON b.id = v.blob
         WHERE v.blob IS NOT NULL AND b.id IS NULL
         UNION ALL SELECT 'piece ' || p.number || ' of version ' || p.version
         FROM piece p LEFT JOIN blob b ON b.id = p.blob WHERE b.id IS NULL
         UNION ALL SELECT 'part ' || p.number || ' of upload ' || p.upload
         FROM part p LEFT JOIN blob b ON b.id = p.blob WHERE b.id IS NULL",
    ),
    (
        "the blob has another size",
        "SELECT 'version ' || v.id FROM version v JOIN blob b ON b.id = v.blob WHERE b.size <> v.size
         UNION ALL SELECT 'piece ' || p.number || ' of version ' || p.version
         FROM piece p JOIN blob b ON b.id = p.blob WHERE b.size <> p.size
         UNION ALL SELECT 'part ' || p.number || ' of upload ' || p.upload
         FROM part p JOIN blob b ON b.id = p.blob WHERE b.size <> p.size",
    ),
    (
        "the pieces do not add up to the object's size",
        "SELECT 'version ' || v.id FROM version v WHERE v.blob IS NULL AND v.marker = 0
         AND v.size <> (SELECT coalesce(sum(size), 0) FROM piece WHERE version = v.id)",
    ),
    (
        "the count of users is wrong",
        "SELECT 'blob ' || b.id FROM blob b LEFT JOIN (SELECT blob, count(*) AS n FROM (
           SELECT blob FROM version WHERE blob IS NOT NULL
           UNION ALL SELECT blob FROM piece UNION ALL SELECT blob FROM part) GROUP BY blob) u
         ON u.blob = b.id WHERE b.refs <> coalesce(u.n, 0)",
    ),
    (
        "the piece belongs to no version",
        "SELECT 'version ' || p.version FROM piece p LEFT JOIN version v ON v.id = p.version
         WHERE v.id IS NULL",
    ),
    (
        "the part belongs to no upload",
        "SELECT 'upload ' || p.upload FROM part p LEFT JOIN upload u ON u.id = p.upload
         WHERE u.id IS NULL",
    ),
    (
        "the newest version is not the current one",
        "SELECT 'version ' || id FROM version v WHERE latest <> (id = (SELECT max(id) FROM version w
         WHERE w.bucket = v.bucket AND w.key = v.key))",
    ),
    (
        "the key has two null versions",
        "SELECT 'version ' || max(id) FROM version WHERE nul = 1 GROUP BY bucket, key
         HAVING count(*) > 1",
    ),
    (
        "the lock is none",
        "SELECT 'version ' || id FROM version WHERE (lock_mode IS NULL) <> (lock_until IS NULL)
           OR lock_mode NOT IN (1, 2) OR legal_hold NOT IN (0, 1)
           OR (marker = 1 AND coalesce(lock_mode, legal_hold) IS NOT NULL)
         UNION ALL SELECT 'upload ' || id FROM upload
         WHERE (lock_mode IS NULL) <> (lock_until IS NULL) OR lock_mode NOT IN (1, 2)
           OR legal_hold NOT IN (0, 1)",
    ),
    (
        "the counts of the bucket are wrong",
        "SELECT 'bucket ' || b.name FROM bucket b LEFT JOIN (SELECT bucket,
           sum(latest AND NOT marker) AS objects, sum((latest AND NOT marker) * size) AS bytes,
           count(*) AS versions, sum(size) AS version_bytes FROM version GROUP BY bucket) v
         ON v.bucket = b.id WHERE (b.objects, b.bytes, b.versions, b.version_bytes) IS NOT
           (coalesce(v.objects, 0), coalesce(v.bytes, 0), coalesce(v.versions, 0),
            coalesce(v.version_bytes, 0))",
    ),
];

fn check_index(conn: &Connection, report: &mut VerifyReport) -> Result<(), Error> {
    let checks = collect(conn, "PRAGMA quick_check(100)", [], |row| {
        sql(row.get::<_, String>(0))
    })?;
    for what in checks.into_iter().filter(|line| line != "ok") {
        report.add(None, INDEX.to_owned(), what);
    }
    for (what, question) in RULES {
        for place in collect(conn, question, [], |row| sql(row.get::<_, String>(0)))? {
            report.add(None, format!("{INDEX}: {place}"), what.to_owned());
        }
    }
    let text = "SELECT count(*) FROM version WHERE marker = 0";
    report.versions = sql(conn.query_row(text, [], |row| row.get(0)))?;
    Ok(())
}

/// Reads the next blobs; the last one's row, or none at the end.
fn check_blobs(
    inner: &Arc<Inner>,
    after: i64,
    report: &mut VerifyReport,
) -> Result<Option<i64>, Error> {
    let text = "SELECT id, md5 FROM blob WHERE id > ?1 ORDER BY id LIMIT ?2";
    let blobs: Vec<(i64, Option<[u8; 16]>)> = inner.readers.with(|conn| {
        collect(conn, text, params![after, STEP as i64], |row| {
            Ok((sql(row.get(0))?, sql(row.get(1))?))
        })
    })?;
    for (blob, md5) in &blobs {
        match check_blob(inner, *blob, *md5) {
            Ok(None) => {}
            Ok(Some(read)) => {
                report.blobs += 1;
                report.bytes += read.bytes;
                report.sealed += u64::from(read.sealed);
            }
            Err(error) => report_blob(inner, *blob, &error, report)?,
        }
    }
    Ok(blobs.last().map(|(blob, _)| *blob))
}

/// A blob that was found well.
struct Read {
    bytes: u64,
    /// Whether only a customer's key opens it.
    sealed: bool,
}

/// Reads a blob against its checksums; none if it is gone.
fn check_blob(inner: &Arc<Inner>, blob: i64, md5: Option<[u8; 16]>) -> Result<Option<Read>, Error> {
    let gate = inner.files.gate();
    let Some(mut piece) = inner
        .readers
        .with(|conn| load_blob(conn, &inner.master, blob))?
    else {
        return Ok(None);
    };
    let pins = inner.files.pin(std::iter::once(blob));
    drop(gate);
    let size = piece.size;
    let extra = match &piece.bytes {
        PieceBytes::File { name, seal, .. } => {
            let on_disk = pins
                .open(name)?
                .metadata()
                .doing("read the size of", &**name)?
                .len();
            on_disk
                != if seal.is_some() {
                    sealed_len(size)
                } else {
                    size
                }
        }
        // Those in the index were compared when they were loaded.
        PieceBytes::Memory(_) | PieceBytes::Sealed { .. } => false,
    };
    let sealed = as_stored(&mut piece);
    let mut reader = Reader::of_pieces(inner, &[piece.clone()], pins, 0, piece.size);
    let mut hasher = Md5::new();
    while let Some(chunk) = reader.next()? {
        hasher.update(&chunk);
    }
    let seen: [u8; 16] = hasher.finalize().into();
    let wrong = |what| {
        Err(Error::Fault(Fault::new(
            "trust",
            format!("blob {blob}"),
            what,
        )))
    };
    match md5 {
        Some(md5) if md5 != seen => wrong("the MD5 differs"),
        _ if extra => wrong("the file has another size"),
        _ => Ok(Some(Read {
            bytes: size,
            sealed,
        })),
    }
}

/// Makes what a customer sealed be read as it is stored, which its checksum is of; whether it was that.
fn as_stored(piece: &mut Piece) -> bool {
    let size = sealed_len(piece.size);
    match &mut piece.bytes {
        PieceBytes::File { seal, .. } if seal.as_deref().is_some_and(is_customers) => *seal = None,
        PieceBytes::Sealed { data, .. } => piece.bytes = PieceBytes::Memory(data.clone()),
        _ => return false,
    }
    piece.size = size;
    true
}

fn report_blob(
    inner: &Inner,
    blob: i64,
    error: &Error,
    report: &mut VerifyReport,
) -> Result<(), Error> {
    let (file, object) = inner.readers.with(|conn| {
        let text = "SELECT file FROM blob WHERE id = ?1";
        let file = collect(conn, text, [blob], |row| {
            sql(row.get::<_, Option<String>>(0))
        })?
        .pop();
        let explain = file.is_some() && report.problems.len() < EXPLAINED;
        let object = explain
            .then(|| user_of(conn, &inner.ids, blob))
            .transpose()?
            .flatten();
        Ok((file, object))
    })?;
    // Deleted while it was read.
    let Some(file) = file else { return Ok(()) };
    let place = match file {
        Some(name) => relative(&name).display().to_string(),
        None => format!("{INDEX}: blob {blob}"),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    report.add(
        object,
        place,
        format!("{error}{}", cause.unwrap_or_default()),
    );
    Ok(())
}

/// An object or part that uses a blob, as a person names it.
fn user_of(conn: &Connection, ids: &Ids, blob: i64) -> Result<Option<String>, Error> {
    let text = "SELECT b.name, v.key, v.id, v.nul FROM version v JOIN bucket b ON b.id = v.bucket
        WHERE v.blob = ?1 OR v.id IN (SELECT version FROM piece WHERE blob = ?1) LIMIT 1";
    let version = collect(conn, text, [blob], |row| {
        let nul: bool = sql(row.get(3))?;
        let id = if nul {
            VersionId::null()
        } else {
            ids.version(sql(row.get(2))?)
        };
        let (bucket, key) = (
            sql(row.get::<_, String>(0))?,
            key_text(sql(row.get_ref(1))?)?,
        );
        Ok(format!("{bucket}/{key} version {id}"))
    })?
    .pop();
    if version.is_some() {
        return Ok(version);
    }
    let text = "SELECT b.name, u.key, p.number FROM part p JOIN upload u ON u.id = p.upload
        JOIN bucket b ON b.id = u.bucket WHERE p.blob = ?1 LIMIT 1";
    let part = collect(conn, text, [blob], |row| {
        let (bucket, key) = (
            sql(row.get::<_, String>(0))?,
            key_text(sql(row.get_ref(1))?)?,
        );
        Ok(format!(
            "{bucket}/{key} part {}",
            sql(row.get::<_, u32>(2))?
        ))
    })?;
    Ok(part.into_iter().next())
}
