//! The index: its tables, and how its connections are opened.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::{Doing, Error, Fault};

pub(crate) const INDEX: &str = "index.sqlite";

/// What changed of the tables since the first layout, in order: the layout of a file is one more than how many
/// of these it has seen. New files see all of them.
const CHANGES: [&str; 2] = [
    // SSE-C: what tells the customer's key again.
    "ALTER TABLE version ADD COLUMN customer BLOB; ALTER TABLE upload ADD COLUMN customer BLOB;",
    // Object Lock.
    "ALTER TABLE version ADD COLUMN lock_mode INTEGER;
     ALTER TABLE version ADD COLUMN lock_until INTEGER;
     ALTER TABLE version ADD COLUMN legal_hold INTEGER;
     ALTER TABLE upload ADD COLUMN lock_mode INTEGER;
     ALTER TABLE upload ADD COLUMN lock_until INTEGER;
     ALTER TABLE upload ADD COLUMN legal_hold INTEGER;",
];

/// The first layout. Keys are blobs so that they order by bytes and may hold anything. Row numbers of versions rise with
/// time and are never reused: they are the order of versions and the substance of version ids.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE bucket (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    retired INTEGER NOT NULL DEFAULT 0,
    objects INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    versions INTEGER NOT NULL DEFAULT 0,
    version_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    latest INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    nul INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    superseded INTEGER,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    algorithm INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    composite INTEGER,
    parts INTEGER,
    blob INTEGER,
    class TEXT,
    sse INTEGER NOT NULL,
    owner TEXT,
    meta TEXT,
    tags TEXT,
    acl BLOB
) STRICT;
CREATE UNIQUE INDEX version_by_key ON version (bucket, key, id DESC);
CREATE UNIQUE INDEX version_current ON version (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE UNIQUE INDEX version_null ON version (bucket, key) WHERE nul = 1 AND latest = 0;

CREATE TABLE piece (
    version INTEGER NOT NULL,
    number INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (version, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,
    size INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    md5 BLOB,
    seal BLOB,
    file TEXT,
    data BLOB
) STRICT;

CREATE TABLE upload (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    initiated INTEGER NOT NULL,
    initiator TEXT,
    algorithm INTEGER,
    composite INTEGER NOT NULL,
    class TEXT,
    sse INTEGER NOT NULL,
    owner TEXT,
    meta TEXT,
    tags TEXT,
    acl BLOB
) STRICT;
CREATE UNIQUE INDEX upload_by_key ON upload (bucket, key, id);

CREATE TABLE part (
    upload INTEGER NOT NULL,
    number INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    checksum BLOB NOT NULL,
    crc64 INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE completed (
    upload INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    nul INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    algorithm INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    composite INTEGER
) STRICT;
";

/// What is being done when a statement fails; the statement itself is in the cause.
pub(crate) fn sql<T>(result: rusqlite::Result<T>) -> Result<T, Error> {
    result.doing("use the index", INDEX)
}

/// The writer's connection, with the tables made.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    // Made by us, so that it and its log have our mode whatever the umask is.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::Fault(Fault::new(
                "create",
                path.display().to_string(),
                error,
            )));
        }
        _ => {}
    }
    let conn = sql(Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    ))?;
    prepare(&conn, 128)?;
    // Checkpoints are the writer's, after it has answered.
    sql(conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
    ))?;
    let layout: i64 = sql(conn.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
    let (tables, seen) = match layout {
        0 => (TABLES, 0),
        layout => ("", usize::try_from(layout - 1).unwrap_or(usize::MAX)),
    };
    let newest = CHANGES.len() + 1;
    let Some(changes) = CHANGES.get(seen..) else {
        let cause = format!("layout {layout} is not known to this program ({newest})");
        return Err(Error::Fault(Fault::new(
            "open",
            path.display().to_string(),
            cause,
        )));
    };
    if !(tables.is_empty() && changes.is_empty()) {
        let changes = changes.concat();
        sql(conn.execute_batch(&format!(
            "BEGIN IMMEDIATE; {tables} {changes} PRAGMA user_version = {newest}; COMMIT;"
        )))?;
    }
    Ok(conn)
}

/// What every connection has. Without the stable plans, SQLite would plan a statement anew whenever a
/// value bound to it could matter to a partial index.
fn prepare(conn: &Connection, statements: usize) -> Result<(), Error> {
    sql(conn.busy_timeout(Duration::from_secs(5)))?;
    sql(conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true))?;
    conn.set_prepared_statement_cache_capacity(statements);
    Ok(())
}

/// A value of `meta`, made if it is not there.
pub(crate) fn meta<T: rusqlite::types::FromSql + rusqlite::ToSql>(
    conn: &Connection,
    name: &str,
    make: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let found = sql(conn
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional())?;
    if let Some(value) = found {
        return Ok(value);
    }
    let value = make()?;
    set_meta(conn, name, &value)?;
    Ok(value)
}

pub(crate) fn set_meta(
    conn: &Connection,
    name: &str,
    value: &dyn rusqlite::ToSql,
) -> Result<(), Error> {
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sql(conn
        .prepare_cached(put)
        .and_then(|mut s| s.execute(rusqlite::params![name, value])))?;
    Ok(())
}

/// Connections of readers; each is used by one thread at a time.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Idle connections kept; more are opened when needed and closed after.
const IDLE: usize = 8;

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Readers {
        Readers {
            path,
            idle: Mutex::default(),
        }
    }

    /// Runs `read` with a connection. Blocks.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.open()?,
        };
        let result = read(&conn);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(conn);
        }
        result
    }

    /// [`Readers::with`], with all statements seeing one state of the index.
    pub(crate) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(|conn| {
            let transaction = sql(conn.unchecked_transaction())?;
            let result = read(&transaction);
            sql(transaction.rollback())?;
            result
        })
    }

    fn open(&self) -> Result<Connection, Error> {
        let conn = sql(Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        ))?;
        prepare(&conn, 64)?;
        sql(conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;"))?;
        Ok(conn)
    }
}
