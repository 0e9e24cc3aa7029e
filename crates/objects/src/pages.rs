//! One page of a listing, read from the index in one snapshot.

use rusqlite::{Connection, Row, params};

use crate::checksum::ChecksumAlgorithm;
use crate::error::Error;
use crate::ids::Ids;
use crate::list::{Entry, Page, UploadEntry, UploadPage, VersionEntry, VersionPage, write_token};
use crate::multipart::checksum_type;
use crate::object::{STANDARD, UnixMillis, VersionId};
use crate::rows::{Which, key_text};
use crate::scan::{Collector, Scan, after_key};
use crate::schema::sql;
use crate::store::Inner;

fn read_entry(row: &Row<'_>, key: &str, at: usize) -> Result<Entry, Error> {
    let composite: Option<u32> = sql(row.get(at + 4))?;
    Ok(Entry {
        key: key.to_owned(),
        size: sql(row.get(at))?,
        etag: sql(row.get(at + 1))?,
        last_modified: UnixMillis(sql(row.get(at + 2))?),
        checksum: ChecksumAlgorithm::from_number(sql(row.get(at + 3))?)
            .unwrap_or(ChecksumAlgorithm::Crc64Nvme),
        checksum_type: checksum_type(composite.is_some()),
        storage_class: sql(row.get::<_, Option<String>>(at + 5))?
            .unwrap_or_else(|| STANDARD.into()),
        owner: sql(row.get(at + 6))?,
    })
}

const ENTRY: &str = "size, etag, modified, algorithm, composite, class, owner";

pub(crate) fn page_of_objects(
    conn: &Connection,
    bucket: i64,
    scan: &Scan,
    from: Vec<u8>,
) -> Result<Page, Error> {
    let text = format!(
        "SELECT key, {ENTRY} FROM version INDEXED BY version_current
         WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND latest = 1 AND marker = 0 ORDER BY key"
    );
    let mut page = Collector::new(scan);
    let read = |row: &Row<'_>, key: &str| read_entry(row, key, 1);
    gather(conn, bucket, scan, &text, from, &mut page, &read)?;
    Ok(objects(page))
}

/// Reads a page, or what is still missing of one, from the keys at and after `from`.
fn gather<T>(
    conn: &Connection,
    bucket: i64,
    scan: &Scan,
    text: &str,
    from: Vec<u8>,
    page: &mut Collector<T>,
    read: &impl Fn(&Row<'_>, &str) -> Result<T, Error>,
) -> Result<(), Error> {
    let mut statement = sql(conn.prepare_cached(text))?;
    let mut from = scan.clamp(from);
    loop {
        let mut rows = sql(statement.query(params![bucket, from, scan.end()]))?;
        from = loop {
            let Some(row) = sql(rows.next())? else {
                return Ok(());
            };
            let key = key_text(sql(row.get_ref(0))?)?;
            if page.is_full() {
                page.truncated = true;
                return Ok(());
            }
            match scan.roll(key) {
                Some(prefix) => break page.add_prefix(prefix),
                None => {
                    let next = after_key(key);
                    page.add(read(row, key)?, next);
                }
            }
        };
    }
}

/// Reads the entries of one key beyond `id`: those of a marker's key that are still to come. Whether the
/// page has room for more.
fn gather_rest<T>(
    conn: &Connection,
    bucket: i64,
    text: &str,
    (key, id): (&str, i64),
    page: &mut Collector<T>,
    read: &impl Fn(&Row<'_>, &str) -> Result<T, Error>,
) -> Result<bool, Error> {
    let mut statement = sql(conn.prepare_cached(text))?;
    let mut rows = sql(statement.query(params![bucket, key.as_bytes(), id]))?;
    while let Some(row) = sql(rows.next())? {
        if page.is_full() {
            page.truncated = true;
            return Ok(false);
        }
        page.add(read(row, key)?, after_key(key));
    }
    Ok(true)
}

/// Where a listing that is resumed at a key goes on once that key is done.
fn after_marker(scan: &Scan, key: Option<&str>) -> Vec<u8> {
    key.map(|key| scan.after_marker(key)).unwrap_or_default()
}

fn objects(page: Collector<Entry>) -> Page {
    let last = page.last_name(|entry| entry.key.clone());
    Page {
        next_token: page.truncated.then(|| write_token(&page.next)),
        next_marker: last.filter(|_| page.truncated),
        truncated: page.truncated,
        objects: page.entries,
        common_prefixes: page.prefixes,
    }
}

/// The versions of the marker's key that are still to come: those with a lower row.
pub(crate) fn resume_version(
    conn: &Connection,
    bucket: i64,
    key: Option<&str>,
    within: Option<Which>,
) -> Result<Option<(String, i64)>, Error> {
    let (Some(key), Some(within)) = (key, within) else {
        return Ok(None);
    };
    let row = match within {
        Which::Row(row) => Some(row),
        // If the null version went meanwhile, the rest of its key is passed over.
        Which::Null | Which::Current => {
            let text = "SELECT id FROM version WHERE bucket = ?1 AND key = ?2 AND nul = 1 LIMIT 1";
            let mut statement = sql(conn.prepare_cached(text))?;
            let mut rows = sql(statement.query(params![bucket, key.as_bytes()]))?;
            sql(rows.next())?.map(|row| sql(row.get(0))).transpose()?
        }
    };
    Ok(row.map(|row| (key.to_owned(), row)))
}

pub(crate) fn page_of_versions(
    conn: &Connection,
    ids: &Ids,
    bucket: i64,
    scan: &Scan,
    key_marker: Option<&str>,
    resume: Option<(String, i64)>,
) -> Result<VersionPage, Error> {
    let mut page = Collector::new(scan);
    let read = |row: &Row<'_>, key: &str| -> Result<VersionEntry, Error> {
        let id: i64 = sql(row.get(1))?;
        let nul: bool = sql(row.get(4))?;
        Ok(VersionEntry {
            version_id: if nul {
                VersionId::null()
            } else {
                ids.version(id)
            },
            is_latest: sql(row.get(2))?,
            delete_marker: sql(row.get(3))?,
            entry: read_entry(row, key, 5)?,
        })
    };
    let columns = format!("key, id, latest, marker, nul, {ENTRY}");
    if let Some((key, id)) = resume.filter(|(key, _)| scan.shows(key)) {
        let text = format!(
            "SELECT {columns} FROM version INDEXED BY version_by_key
             WHERE bucket = ?1 AND key = ?2 AND id < ?3 ORDER BY id DESC"
        );
        if !gather_rest(conn, bucket, &text, (&key, id), &mut page, &read)? {
            return Ok(versions(page));
        }
    }
    let text = format!(
        "SELECT {columns} FROM version INDEXED BY version_by_key
         WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key, id DESC"
    );
    let from = after_marker(scan, key_marker);
    gather(conn, bucket, scan, &text, from, &mut page, &read)?;
    Ok(versions(page))
}

fn versions(page: Collector<VersionEntry>) -> VersionPage {
    let last_key = page.last_name(|version| version.entry.key.clone());
    let last_version = match page.ends_with_prefix {
        true => None,
        false => page
            .entries
            .last()
            .map(|version| version.version_id.clone()),
    };
    VersionPage {
        truncated: page.truncated,
        next_key_marker: last_key.filter(|_| page.truncated),
        next_version_marker: last_version.filter(|_| page.truncated),
        versions: page.entries,
        common_prefixes: page.prefixes,
    }
}

pub(crate) fn page_of_uploads(
    conn: &Connection,
    inner: &Inner,
    bucket: i64,
    scan: &Scan,
    key_marker: Option<&str>,
    resume: Option<(String, i64)>,
) -> Result<UploadPage, Error> {
    let mut page = Collector::new(scan);
    let read = |row: &Row<'_>, key: &str| -> Result<UploadEntry, Error> {
        let algorithm: Option<i64> = sql(row.get(4))?;
        Ok(UploadEntry {
            key: key.to_owned(),
            upload_id: inner.ids.upload(sql(row.get(1))?),
            initiated: UnixMillis(sql(row.get(2))?),
            initiator: sql(row.get(3))?,
            checksum: algorithm.and_then(ChecksumAlgorithm::from_number),
            checksum_type: checksum_type(sql(row.get(5))?),
            storage_class: sql(row.get::<_, Option<String>>(6))?.unwrap_or_else(|| STANDARD.into()),
            owner: sql(row.get(7))?,
        })
    };
    let columns = "key, id, initiated, initiator, algorithm, composite, class, owner";
    if let Some((key, id)) = resume.filter(|(key, _)| scan.shows(key)) {
        let text = format!(
            "SELECT {columns} FROM upload WHERE bucket = ?1 AND key = ?2 AND id > ?3 ORDER BY id"
        );
        if !gather_rest(conn, bucket, &text, (&key, id), &mut page, &read)? {
            return Ok(uploads(page));
        }
    }
    let text = format!(
        "SELECT {columns} FROM upload INDEXED BY upload_by_key
         WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key, id"
    );
    let from = after_marker(scan, key_marker);
    gather(conn, bucket, scan, &text, from, &mut page, &read)?;
    Ok(uploads(page))
}

fn uploads(page: Collector<UploadEntry>) -> UploadPage {
    let last_key = page.last_name(|upload| upload.key.clone());
    let last_id = match page.ends_with_prefix {
        true => None,
        false => page.entries.last().map(|upload| upload.upload_id.clone()),
    };
    UploadPage {
        truncated: page.truncated,
        next_key_marker: last_key.filter(|_| page.truncated),
        next_upload_id_marker: last_id.filter(|_| page.truncated),
        uploads: page.entries,
        common_prefixes: page.prefixes,
    }
}
