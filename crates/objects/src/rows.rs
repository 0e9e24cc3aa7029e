//! Reading rows of the index as values.

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use crate::checksum::{Checksum, ChecksumAlgorithm, ObjectChecksum};
use crate::customer::{Encryption, KeyCheck, is_customers};
use crate::error::{Error, Fault};
use crate::lock::{lock_columns, read_lock};
use crate::object::{Attributes, Headers, ObjectInfo, STANDARD, Tags, UnixMillis};
use crate::schema::{INDEX, sql};
use crate::seal::{MasterKey, sealed_len};

/// One version of a key.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) row: i64,
    pub(crate) nul: bool,
    pub(crate) info: ObjectInfo,
    /// The bytes, in order; empty when only the record was asked for.
    pub(crate) pieces: Vec<Piece>,
}

/// A run of an object's bytes: one blob.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// The part's number, 1 for an object that was put at once.
    pub(crate) number: u32,
    pub(crate) size: u64,
    pub(crate) blob: i64,
    pub(crate) bytes: PieceBytes,
}

/// Where a piece's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum PieceBytes {
    Memory(Bytes),
    /// Bytes that only a customer's key opens: they stay sealed while nobody brings it.
    Sealed {
        data: Bytes,
        seal: Box<[u8]>,
    },
    File {
        name: Box<str>,
        crc: u64,
        seal: Option<Box<[u8]>>,
    },
}

impl Record {
    /// Whether reading it needs files.
    pub(crate) fn in_memory(&self) -> bool {
        self.pieces
            .iter()
            .all(|piece| !matches!(piece.bytes, PieceBytes::File { .. }))
    }

    /// Bytes it costs to keep.
    pub(crate) fn weight(&self) -> usize {
        let held = |piece: &Piece| match &piece.bytes {
            PieceBytes::Memory(bytes) => bytes.len() + 64,
            PieceBytes::Sealed { data, .. } => data.len() + 192,
            PieceBytes::File { .. } => 256,
        };
        let attributes = &self.info.attributes;
        let user: usize = attributes
            .user
            .iter()
            .map(|(n, v)| n.len() + v.len() + 64)
            .sum();
        let tags: usize = attributes
            .tags
            .iter()
            .map(|(n, v)| n.len() + v.len() + 64)
            .sum();
        let acl = attributes.acl.as_ref().map_or(0, Vec::len);
        self.pieces.iter().map(held).sum::<usize>() + user + tags + acl + 512
    }
}

/// What a look at a key can find.
pub(crate) enum Found {
    Object(Box<Record>),
    Marker {
        row: i64,
        nul: bool,
        modified: UnixMillis,
    },
}

impl Found {
    fn is_null(&self) -> bool {
        match self {
            Found::Object(record) => record.nul,
            Found::Marker { nul, .. } => *nul,
        }
    }
}

#[derive(Serialize, Deserialize, Default)]
struct Meta {
    #[serde(default)]
    h: Headers,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    u: std::collections::BTreeMap<String, String>,
}

fn damaged(what: &'static str) -> Error {
    Error::Fault(Fault::new("read a row of", INDEX, what))
}

fn encode_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Fault(Fault::new("encode for", INDEX, e)))
}

fn decode_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::Fault(Fault::new("read a row of", INDEX, e)))
}

/// A key as stored.
pub(crate) fn key_text(value: ValueRef<'_>) -> Result<&str, Error> {
    let bytes = value
        .as_blob()
        .map_err(|_| damaged("a key is not a blob"))?;
    std::str::from_utf8(bytes).map_err(|_| damaged("a key is not UTF-8"))
}

/// The columns of [`Attributes`], in the order of [`AttributeColumns`] values.
pub(crate) const ATTRIBUTES: &str =
    "class, sse, owner, meta, tags, acl, customer, lock_mode, lock_until, legal_hold";

/// [`Attributes`] as columns.
pub(crate) struct AttributeColumns<'a> {
    pub(crate) class: Option<&'a str>,
    pub(crate) sse: bool,
    pub(crate) owner: Option<&'a str>,
    pub(crate) meta: Option<String>,
    pub(crate) tags: Option<String>,
    pub(crate) acl: Option<&'a [u8]>,
    pub(crate) customer: Option<&'a [u8]>,
    pub(crate) lock_mode: Option<i64>,
    pub(crate) lock_until: Option<i64>,
    pub(crate) legal_hold: Option<bool>,
}

impl<'a> AttributeColumns<'a> {
    pub(crate) fn new(attributes: &'a Attributes) -> Result<AttributeColumns<'a>, Error> {
        let plain = attributes.user.is_empty() && attributes.headers == Headers::default();
        let meta = || {
            encode_json(&Meta {
                h: attributes.headers.clone(),
                u: attributes.user.clone(),
            })
        };
        let (lock_mode, lock_until, legal_hold) = lock_columns(&attributes.lock);
        Ok(AttributeColumns {
            class: Some(attributes.storage_class.as_str()).filter(|class| *class != STANDARD),
            sse: attributes.encryption.is_managed(),
            owner: attributes.owner.as_deref(),
            meta: (!plain).then(meta).transpose()?,
            tags: encode_tags(&attributes.tags)?,
            acl: attributes.acl.as_deref(),
            customer: match &attributes.encryption {
                Encryption::Customer(check) => Some(check.as_bytes()),
                Encryption::None | Encryption::Managed => None,
            },
            lock_mode,
            lock_until,
            legal_hold,
        })
    }
}

pub(crate) fn encode_tags(tags: &Tags) -> Result<Option<String>, Error> {
    (!tags.is_empty()).then(|| encode_json(tags)).transpose()
}

pub(crate) fn decode_tags(row: &Row<'_>, at: usize) -> Result<Tags, Error> {
    match sql(row.get_ref(at))? {
        ValueRef::Text(text) => decode_json(std::str::from_utf8(text).unwrap_or_default()),
        _ => Ok(Tags::new()),
    }
}

/// Reads [`ATTRIBUTES`] beginning at column `at`.
pub(crate) fn read_attributes(row: &Row<'_>, at: usize) -> Result<Attributes, Error> {
    let meta = match sql(row.get_ref(at + 3))? {
        ValueRef::Text(text) => decode_json(std::str::from_utf8(text).unwrap_or_default())?,
        _ => Meta::default(),
    };
    let tags = decode_tags(row, at + 4)?;
    let encryption = match sql(row.get::<_, Option<Vec<u8>>>(at + 6))? {
        Some(check) => Encryption::Customer(KeyCheck::from_column(check)),
        None if sql(row.get(at + 1))? => Encryption::Managed,
        None => Encryption::None,
    };
    Ok(Attributes {
        headers: meta.h,
        user: meta.u,
        tags,
        storage_class: sql(row.get::<_, Option<String>>(at))?.unwrap_or_else(|| STANDARD.into()),
        acl: sql(row.get(at + 5))?,
        owner: sql(row.get(at + 2))?,
        encryption,
        lock: sql(read_lock(row, at + 7))?,
    })
}

/// Reads algorithm, value and number of parts beginning at column `at`.
pub(crate) fn read_checksum(row: &Row<'_>, at: usize) -> Result<ObjectChecksum, Error> {
    let algorithm = ChecksumAlgorithm::from_number(sql(row.get(at))?);
    let value = sql(sql(row.get_ref(at + 1))?.as_blob().map_err(Into::into))?;
    algorithm
        .and_then(|algorithm| Checksum::from_bytes(algorithm, value))
        .map(|value| {
            Ok(ObjectChecksum {
                value,
                parts: sql(row.get(at + 2))?,
            })
        })
        .unwrap_or_else(|| Err(damaged("a checksum has a wrong form")))
}

const VERSION: &str = "id, marker, nul, modified, size, etag, parts, blob,
    algorithm, checksum, composite, class, sse, owner, meta, tags, acl, customer, lock_mode,
    lock_until, legal_hold";

/// Which version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Null,
    Row(i64),
}

/// Looks a version up, without its bytes. The second value is the blob of an object in one piece.
pub(crate) fn find(
    conn: &Connection,
    bucket: i64,
    key: &str,
    which: Which,
) -> Result<Option<(Found, Option<i64>)>, Error> {
    let read = |row: &Row<'_>| -> Result<(Found, Option<i64>), Error> {
        let (id, nul) = (sql(row.get(0))?, sql(row.get(2))?);
        let modified = UnixMillis(sql(row.get(3))?);
        if sql(row.get(1))? {
            return Ok((
                Found::Marker {
                    row: id,
                    nul,
                    modified,
                },
                None,
            ));
        }
        let info = ObjectInfo {
            key: key.to_owned(),
            size: sql(row.get(4))?,
            etag: sql(row.get(5))?,
            last_modified: modified,
            checksum: read_checksum(row, 8)?,
            parts: sql(row.get(6))?,
            attributes: read_attributes(row, 11)?,
        };
        let blob = sql(row.get(7))?;
        let record = Record {
            row: id,
            nul,
            info,
            pieces: Vec::new(),
        };
        Ok((Found::Object(Box::new(record)), blob))
    };
    let one = |tail: &str, id: i64| {
        let text = format!("SELECT {VERSION} FROM version WHERE bucket = ?1 AND key = ?2 {tail}");
        let mut statement = sql(conn.prepare_cached(&text))?;
        let mut rows = sql(statement.query(params![bucket, key.as_bytes(), id]))?;
        sql(rows.next())?.map(read).transpose()
    };
    const NEWEST: &str = "AND ?3 = 0 ORDER BY id DESC LIMIT 1";
    match which {
        Which::Current => one(NEWEST, 0),
        Which::Row(id) => one("AND id = ?3", id),
        Which::Null => match one("AND ?3 = 0 AND nul = 1 AND latest = 0", 0)? {
            Some(found) => Ok(Some(found)),
            None => Ok(one(NEWEST, 0)?.filter(|(found, _)| found.is_null())),
        },
    }
}

/// Fills in where a record's bytes are; small ones are opened.
pub(crate) fn load_pieces(
    conn: &Connection,
    master: &MasterKey,
    record: &mut Record,
    blob: Option<i64>,
) -> Result<(), Error> {
    if let Some(blob) = blob {
        let size = record.info.size;
        record.pieces = vec![load_piece(conn, master, 1, size, blob)?];
        return Ok(());
    }
    let text = "SELECT number, blob, size FROM piece WHERE version = ?1 ORDER BY number";
    let mut statement = sql(conn.prepare_cached(text))?;
    let mut rows = sql(statement.query([record.row]))?;
    while let Some(row) = sql(rows.next())? {
        let (number, blob, size) = (sql(row.get(0))?, sql(row.get(1))?, sql(row.get(2))?);
        record
            .pieces
            .push(load_piece(conn, master, number, size, blob)?);
    }
    Ok(())
}

fn load_piece(
    conn: &Connection,
    master: &MasterKey,
    number: u32,
    size: u64,
    blob: i64,
) -> Result<Piece, Error> {
    match load_blob(conn, master, blob)? {
        Some(piece) if piece.size == size => Ok(Piece { number, ..piece }),
        Some(_) => Err(damaged("a version and its blob differ in size")),
        None => Err(damaged("a version names a blob that is not there")),
    }
}

/// Where a blob's bytes are; those in the index are compared with their checksum, and opened before that
/// unless only a customer can.
pub(crate) fn load_blob(
    conn: &Connection,
    master: &MasterKey,
    blob: i64,
) -> Result<Option<Piece>, Error> {
    let text = "SELECT crc, seal, file, data, size FROM blob WHERE id = ?1";
    let mut statement = sql(conn.prepare_cached(text))?;
    let mut rows = sql(statement.query([blob]))?;
    let Some(row) = sql(rows.next())? else {
        return Ok(None);
    };
    let crc = sql(row.get::<_, i64>(0))? as u64;
    let seal: Option<Vec<u8>> = sql(row.get(1))?;
    let size: u64 = sql(row.get(4))?;
    let bytes = match sql(row.get::<_, Option<String>>(2))? {
        Some(name) => PieceBytes::File {
            name: name.into(),
            crc,
            seal: seal.map(Into::into),
        },
        None => {
            let data: Vec<u8> = sql(row.get::<_, Option<Vec<u8>>>(3))?.unwrap_or_default();
            let sealed = seal.as_deref().is_some_and(is_customers);
            let (checked, len) = match &seal {
                Some(_) if sealed => (data, sealed_len(size)),
                Some(seal) => (master.open_data_key(seal)?.open_all(&data)?, size),
                None => (data, size),
            };
            let seen = Checksum::of(ChecksumAlgorithm::Crc64Nvme, &checked).as_u64();
            if checked.len() as u64 != len || seen != crc {
                return Err(damaged("the checksum of a small object differs"));
            }
            match seal {
                Some(seal) if sealed => PieceBytes::Sealed {
                    data: checked.into(),
                    seal: seal.into(),
                },
                _ => PieceBytes::Memory(checked.into()),
            }
        }
    };
    Ok(Some(Piece {
        number: 1,
        size,
        blob,
        bytes,
    }))
}
