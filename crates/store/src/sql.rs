//! The only SQL of the intent: one table of resources, one of events.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use adit_model::{Generation, Intent, LoadError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::backend::{AppendError, Backend};
use crate::journal::Entry;

/// The state file in its directory.
const FILE: &str = "state.sqlite";

/// The version of the tables below. A newer file is refused; an older one is migrated.
const SCHEMA: i64 = 2;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be made or opened.
    #[error("cannot use the state directory `{path}`: {why}")]
    Directory {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the state directory `{0}` is in use by another adit; stop that one, or choose another with --state"
    )]
    InUse(PathBuf),
    /// The file is not a state file, or is damaged.
    #[error(
        "the state file `{path}` is damaged ({why}); restore a backup, or move it away to start empty"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A newer adit wrote it.
    #[error(
        "the state file `{path}` has version {found}, this adit knows {SCHEMA}; use a newer adit"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version found.
        found: i64,
    },
    /// No etcd could be used.
    #[error("cannot use the etcd at {at}: {why}")]
    Etcd {
        /// Its address.
        at: String,
        /// Why.
        why: String,
    },
    /// Opening ended before it was done.
    #[error("opening the state was interrupted")]
    Interrupted,
    /// No thread could be started.
    #[error("cannot start the journal thread: {0}")]
    Thread(std::io::Error),
}

#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    // Held for its lock: one process per state directory.
    _lock: File,
}

impl Database {
    pub(crate) fn open(directory: &Path) -> Result<(Database, Intent), OpenError> {
        let fail = |path: &Path| {
            let path = path.to_path_buf();
            move |why| OpenError::Directory { path, why }
        };
        let lock = lock_directory(directory)?;
        let path = directory.join(FILE);
        // Made first so that it never exists with wider permissions: it holds access keys.
        private(&path).map_err(fail(&path))?;
        let damaged = |why: String| OpenError::Damaged {
            path: path.clone(),
            why,
        };
        let connection = Connection::open(&path).map_err(|e| damaged(e.to_string()))?;
        prepare(&connection, &path)?;
        let intent = load(&connection).map_err(|e| match e {
            Read::Sql(e) => damaged(e.to_string()),
            Read::Body(e) => {
                let cause = std::error::Error::source(&e)
                    .map(|s| format!(": {s}"))
                    .unwrap_or_default();
                damaged(format!("{e}{cause}"))
            }
        })?;
        Ok((
            Database {
                connection,
                _lock: lock,
            },
            intent,
        ))
    }

    /// Writes every entry and its changes in one transaction; durable when it returns.
    fn write(&mut self, batch: &[Entry]) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT INTO resource (kind, key, body, generation) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (kind, key) DO UPDATE SET body = ?3, generation = ?4",
            )?;
            let mut delete =
                transaction.prepare_cached("DELETE FROM resource WHERE kind = ?1 AND key = ?2")?;
            let mut event = transaction.prepare_cached(
                "INSERT INTO event (generation, at, who, operation) VALUES (?1, unixepoch('subsec') * 1000, ?2, ?3)",
            )?;
            for entry in batch {
                let generation = entry.intent.generation.0 as i64;
                event.execute(params![generation, entry.who, entry.operation])?;
                for change in &entry.changes {
                    match &change.body {
                        Some(body) => {
                            put.execute(params![change.kind.name(), change.key, body, generation])?
                        }
                        None => delete.execute(params![change.kind.name(), change.key])?,
                    };
                }
            }
        }
        transaction.commit()
    }
}

impl Backend for Database {
    fn append(&mut self, batch: &[Entry]) -> (usize, Option<AppendError>) {
        match self.write(batch) {
            Ok(()) => (batch.len(), None),
            Err(error) => (0, Some(AppendError::Failed(error.to_string()))),
        }
    }

    /// The directory is locked: nobody else writes.
    fn newer(&mut self, _: &Intent) -> Result<Option<Intent>, AppendError> {
        Ok(None)
    }
}

/// Makes a state directory if need be and takes it for this process, for as long as the file is held.
///
/// # Errors
/// When another process has it, or it cannot be made.
pub fn lock_directory(directory: &Path) -> Result<File, OpenError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|why| OpenError::Directory {
            path: directory.to_path_buf(),
            why,
        })?;
    lock(directory)
}

/// Whether there is a state file with anything in it, or one that cannot be read.
pub(crate) fn holds_a_state(directory: &Path) -> bool {
    let path = directory.join(FILE);
    if !path.exists() {
        return false;
    }
    let rows = Connection::open(&path).and_then(|c| {
        c.query_row("SELECT count(*) FROM resource", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    !matches!(rows, Ok(0))
}

/// Puts a state file with this intent in the place of the one there, if any, in one step. The
/// directory's lock is held by the caller.
pub(crate) fn replace(directory: &Path, intent: &Intent) -> Result<(), OpenError> {
    let (path, new) = (directory.join(FILE), directory.join("state.restoring"));
    let fail = |path: &Path| {
        let path = path.to_path_buf();
        move |why| OpenError::Directory { path, why }
    };
    let damaged = |e: rusqlite::Error| OpenError::Damaged {
        path: new.clone(),
        why: e.to_string(),
    };
    remove(&new).map_err(fail(&new))?;
    private(&new).map_err(fail(&new))?;
    let mut connection = Connection::open(&new).map_err(damaged)?;
    prepare(&connection, &new)?;
    let generation = intent.generation.0 as i64;
    let transaction = connection.transaction().map_err(damaged)?;
    for (kind, key, body) in intent.dump() {
        transaction
            .execute(
                "INSERT INTO resource (kind, key, body, generation) VALUES (?1, ?2, ?3, ?4)",
                params![kind.name(), key, body, generation],
            )
            .map_err(damaged)?;
    }
    transaction
        .execute(
            "INSERT INTO event (generation, at, who, operation)
             VALUES (?1, unixepoch('subsec') * 1000, 'adit', 'adit:Restore')",
            [generation],
        )
        .map_err(damaged)?;
    transaction.commit().map_err(damaged)?;
    // Everything into the one file, so that renaming it moves everything.
    connection
        .execute_batch("PRAGMA journal_mode = DELETE")
        .map_err(damaged)?;
    connection.close().map_err(|(_, e)| damaged(e))?;
    // The old file's log must not be taken for the new one's. While the old file stands, it stands whole.
    if let Ok(old) = Connection::open(&path) {
        let _ = old.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;");
    }
    for log in ["state.sqlite-wal", "state.sqlite-shm"] {
        let log = directory.join(log);
        remove(&log).map_err(fail(&log))?;
    }
    std::fs::rename(&new, &path).map_err(fail(&path))?;
    File::open(directory)
        .and_then(|d| d.sync_all())
        .map_err(fail(directory))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let file = private(&path).map_err(|why| OpenError::Directory { path, why })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_path_buf())),
        Err(std::fs::TryLockError::Error(why)) => Err(OpenError::Directory {
            path: directory.to_path_buf(),
            why,
        }),
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let damaged = |e: rusqlite::Error| OpenError::Damaged {
        path: path.to_path_buf(),
        why: e.to_string(),
    };
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(damaged)?;
    if version > SCHEMA {
        return Err(OpenError::Newer {
            path: path.to_path_buf(),
            found: version,
        });
    }
    connection
        .execute_batch(
            // FULL: a commit in the write-ahead log is synced before it returns.
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;",
        )
        .map_err(damaged)?;
    let sound: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(damaged)?;
    if sound != "ok" {
        return Err(OpenError::Damaged {
            path: path.to_path_buf(),
            why: sound,
        });
    }
    if version < 1 {
        connection
            .execute_batch(
                "BEGIN;
                 CREATE TABLE resource (
                     id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
                     body TEXT NOT NULL, generation INTEGER NOT NULL, UNIQUE (kind, key)
                 );
                 CREATE TABLE event (
                     generation INTEGER PRIMARY KEY, at INTEGER NOT NULL,
                     who TEXT NOT NULL, operation TEXT NOT NULL
                 );
                 PRAGMA user_version = 2;
                 COMMIT;",
            )
            .map_err(damaged)?;
    }
    if version == 1 {
        // Rows in the order they were made, apart from their keys: a write touches fewer pages.
        connection
            .execute_batch(
                "BEGIN;
                 ALTER TABLE resource RENAME TO resource_1;
                 CREATE TABLE resource (
                     id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
                     body TEXT NOT NULL, generation INTEGER NOT NULL, UNIQUE (kind, key)
                 );
                 INSERT INTO resource (kind, key, body, generation)
                     SELECT kind, key, body, generation FROM resource_1 ORDER BY generation;
                 DROP TABLE resource_1;
                 PRAGMA user_version = 2;
                 COMMIT;",
            )
            .map_err(damaged)?;
    }
    Ok(())
}

enum Read {
    Sql(rusqlite::Error),
    Body(LoadError),
}

fn load(connection: &Connection) -> Result<Intent, Read> {
    let mut intent = Intent::default();
    let mut rows = connection
        .prepare("SELECT kind, key, body FROM resource")
        .map_err(Read::Sql)?;
    let mut rows = rows.query([]).map_err(Read::Sql)?;
    while let Some(row) = rows.next().map_err(Read::Sql)? {
        let text = |n| {
            row.get_ref(n)
                .and_then(|v| Ok(v.as_str()?))
                .map_err(Read::Sql)
        };
        intent
            .load(text(0)?, text(1)?, text(2)?)
            .map_err(Read::Body)?;
    }
    let newest: Option<i64> = connection
        .query_row("SELECT max(generation) FROM event", [], |row| row.get(0))
        .optional()
        .map_err(Read::Sql)?
        .flatten();
    intent.generation = Generation(newest.unwrap_or(0) as u64);
    Ok(intent)
}
