//! The only SQL of the intent: one table of resources, one of events.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::BuildHasher;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use adit_model::{Generation, Intent, LoadError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::backend::{AppendError, Backend};
use crate::journal::Entry;

/// The state file in its directory.
const FILE: &str = "state.sqlite";

/// The write-ahead log beside it.
const LOG: &str = "state.sqlite-wal";

/// The version of the tables below. A newer file is refused; an older one is migrated.
const SCHEMA: i64 = 3;

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
    /// The log that commits go to: synced here, for its data alone.
    log: File,
    rows: Rows,
    /// Why nothing is written any more.
    lost: Option<String>,
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
        let mut rows = Rows::default();
        let intent = load(&connection, &mut rows).map_err(|e| match e {
            Read::Sql(e) => damaged(e.to_string()),
            Read::Twice(why) => damaged(why),
            Read::Body(e) => {
                let cause = std::error::Error::source(&e)
                    .map(|s| format!(": {s}"))
                    .unwrap_or_default();
                damaged(format!("{e}{cause}"))
            }
        })?;
        // A commit may be in the log and not on the disk, if whoever ran before was killed: it is shown
        // from here on, so it must stay.
        let path = directory.join(LOG);
        let log = File::open(&path).map_err(fail(&path))?;
        log.sync_all().map_err(fail(&path))?;
        sync_directory(directory)?;
        Ok((
            Database {
                connection,
                log,
                rows,
                lost: None,
                _lock: lock,
            },
            intent,
        ))
    }

    /// Writes every entry and its changes in one transaction; durable when it returns.
    fn write(&mut self, batch: &[Entry]) -> Result<(), AppendError> {
        if let Some(why) = &self.lost {
            return Err(AppendError::Failed(why.clone()));
        }
        let mut undo = Vec::new();
        let written = run(&self.connection, "BEGIN IMMEDIATE")
            .and_then(|()| put(&self.connection, &mut self.rows, batch, &mut undo))
            .and_then(|()| run(&self.connection, "COMMIT"));
        if let Err(error) = written {
            let _ = run(&self.connection, "ROLLBACK");
            for (place, row) in undo.into_iter().rev() {
                self.rows.set(place, row);
            }
            return Err(AppendError::Failed(error.to_string()));
        }
        self.log.sync_data().map_err(|error| {
            // What the disk has of it nobody knows: the file must be read again before it is written.
            let why = format!("the disk did not keep the state ({error}): start adit again");
            self.lost = Some(why.clone());
            AppendError::Failed(why)
        })
    }
}

/// Runs a statement that is kept prepared.
fn run(connection: &Connection, statement: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

/// Writes entries inside a transaction. Which rows were where before goes to `undo`.
fn put(
    connection: &Connection,
    rows: &mut Rows,
    batch: &[Entry],
    undo: &mut Vec<(Place, Option<i64>)>,
) -> Result<(), rusqlite::Error> {
    let mut add = connection.prepare_cached(
        "INSERT INTO resource (kind, key, body, generation) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut change = connection
        .prepare_cached("UPDATE resource SET body = ?2, generation = ?3 WHERE id = ?1")?;
    let mut delete = connection.prepare_cached("DELETE FROM resource WHERE id = ?1")?;
    let mut event = connection.prepare_cached(
        "INSERT INTO event (generation, at, who, operation) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis() as i64);
    for entry in batch {
        let generation = entry.intent.generation.0 as i64;
        event.execute(params![generation, now, entry.who, entry.operation])?;
        for of in &entry.changes {
            let kind = of.kind.name();
            let place = rows.place(kind, &of.key);
            match (rows.get(place), &of.body) {
                (Some(row), Some(body)) => {
                    change.execute(params![row, body, generation])?;
                }
                (Some(row), None) => {
                    delete.execute([row])?;
                    undo.push((place, rows.set(place, None)));
                }
                (None, Some(body)) => {
                    let row = add.insert(params![kind, of.key, body, generation])?;
                    undo.push((place, rows.set(place, Some(row))));
                }
                (None, None) => {}
            }
        }
    }
    Ok(())
}

/// In which row a resource is. An index of the table would be written with each of its rows, at
/// another place each time; this is made once, when everything is read anyway.
#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<Place, i64>,
    hashers: [RandomState; 2],
}

/// A kind and a key, as 128 bits that nobody outside can aim at: two never share them.
type Place = [u64; 2];

impl Rows {
    fn place(&self, kind: &str, key: &str) -> Place {
        self.hashers.each_ref().map(|h| h.hash_one((kind, key)))
    }

    fn get(&self, place: Place) -> Option<i64> {
        self.rows.get(&place).copied()
    }

    /// Takes note of a row; what was there before is returned.
    fn set(&mut self, place: Place, row: Option<i64>) -> Option<i64> {
        match row {
            Some(row) => self.rows.insert(place, row),
            None => self.rows.remove(&place),
        }
    }
}

impl Backend for Database {
    fn append(&mut self, batch: &[Entry]) -> (usize, Option<AppendError>) {
        match self.write(batch) {
            Ok(()) => (batch.len(), None),
            Err(error) => (0, Some(error)),
        }
    }

    fn in_place(&self) -> bool {
        true
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
    for log in [LOG, "state.sqlite-shm"] {
        let log = directory.join(log);
        remove(&log).map_err(fail(&log))?;
    }
    std::fs::rename(&new, &path).map_err(fail(&path))?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    File::open(directory)
        .and_then(|d| d.sync_all())
        .map_err(|why| OpenError::Directory {
            path: directory.to_path_buf(),
            why,
        })
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
            // NORMAL: the log is synced before its pages go to the file, and the file before the log is
            // begun again. That a commit is durable before it is acknowledged is seen to in `write`.
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
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
    let made = match version {
        ..=0 => connection.execute_batch(&format!(
            "BEGIN; {TABLES}
             CREATE TABLE event (
                 generation INTEGER PRIMARY KEY, at INTEGER NOT NULL,
                 who TEXT NOT NULL, operation TEXT NOT NULL
             );
             PRAGMA user_version = {SCHEMA}; COMMIT;"
        )),
        // The rows of version 1 were ordered by their keys, those of version 2 had an index of them.
        1 | 2 => connection.execute_batch(&format!(
            "BEGIN;
             ALTER TABLE resource RENAME TO resource_old;
             {TABLES}
             INSERT INTO resource (kind, key, body, generation)
                 SELECT kind, key, body, generation FROM resource_old ORDER BY generation;
             DROP TABLE resource_old;
             PRAGMA user_version = {SCHEMA}; COMMIT;"
        )),
        _ => Ok(()),
    };
    made.map_err(damaged)
}

/// Rows in the order in which they were made: what is new goes to the end, wherever its key would be.
const TABLES: &str = "CREATE TABLE resource (
     id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
     body TEXT NOT NULL, generation INTEGER NOT NULL
 );";

enum Read {
    Sql(rusqlite::Error),
    Body(LoadError),
    /// No index sees to it that a resource has one row.
    Twice(String),
}

fn load(connection: &Connection, known: &mut Rows) -> Result<Intent, Read> {
    let mut intent = Intent::default();
    let mut rows = connection
        .prepare("SELECT kind, key, body, id FROM resource")
        .map_err(Read::Sql)?;
    let mut rows = rows.query([]).map_err(Read::Sql)?;
    while let Some(row) = rows.next().map_err(Read::Sql)? {
        let text = |n| {
            row.get_ref(n)
                .and_then(|v| Ok(v.as_str()?))
                .map_err(Read::Sql)
        };
        let (kind, key) = (text(0)?, text(1)?);
        intent.load(kind, key, text(2)?).map_err(Read::Body)?;
        let place = known.place(kind, key);
        if known
            .set(place, Some(row.get(3).map_err(Read::Sql)?))
            .is_some()
        {
            return Err(Read::Twice(format!("there are two rows of {kind} `{key}`")));
        }
    }
    let newest: Option<i64> = connection
        .query_row("SELECT max(generation) FROM event", [], |row| row.get(0))
        .optional()
        .map_err(Read::Sql)?
        .flatten();
    intent.generation = Generation(newest.unwrap_or(0) as u64);
    Ok(intent)
}
