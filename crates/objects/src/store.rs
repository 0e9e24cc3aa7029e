//! Opening and closing the store, and what concerns a bucket as a whole.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

use crate::body::job_failed;
use crate::buffers::Buffers;
use crate::cache::Cache;
use crate::error::{Doing, Error, Fault};
use crate::files::{Files, make_dir, sync_dir};
use crate::ids::Ids;
use crate::object::{Bucket, UnixMillis, VersionId};
use crate::rows::{Record, Which, key_text};
use crate::schema::{INDEX, Readers, meta, open_writer, set_meta, sql};
use crate::seal::{MasterKey, random};
use crate::writer::{Tools, Tx, Writer};

const LOCK: &str = "lock";
const MASTER_KEY: &str = "master.key";
/// Blob numbers begin anew with each run, above those of files that a crashed run may have left behind
/// without a row: a run would have to make 2^24 blobs and lose the rows of all to reach the next one's.
const BLOBS_OF_A_RUN: u32 = 24;
/// Versions and uploads removed in one transaction when a bucket is dropped.
const DROP_STEP: i64 = 500;

/// Where the store reads the time. Times in answers are what this returned at the write.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Sizes that S3 fixes; smaller in tests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of one PUT, one part or one copy, in bytes (S3: 5 GiB).
    pub max_put: u64,
    /// Least size of a part that is not the last, in bytes (S3: 5 MiB).
    pub min_part: u64,
    /// Largest part number (S3: 10,000).
    pub max_parts: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_put: 5 << 30,
            min_part: 5 << 20,
            max_parts: 10_000,
        }
    }
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// S3's sizes.
    pub limits: Limits,
    /// Bodies up to this many bytes live in the index instead of a file: one group-committed `fsync`
    /// makes them durable.
    pub inline_max: usize,
    /// Bytes of records and small bodies kept in memory.
    pub cache_bytes: usize,
    /// The time.
    pub clock: Clock,
    /// How long a completed upload is remembered, so that a repeated completion gets the same answer.
    pub completion_memory_ms: i64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            limits: Limits::default(),
            // A file costs two syncs and an inode; SQLite is the cheaper home up to about here.
            inline_max: 32 * 1024,
            cache_bytes: 32 << 20,
            clock: Arc::new(system_time),
            completion_memory_ms: 24 * 3600 * 1000,
        }
    }
}

fn system_time() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The store. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) files: Arc<Files>,
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) cache: Arc<Cache<Record>>,
    pub(crate) ids: Ids,
    pub(crate) master: MasterKey,
    pub(crate) buffers: Arc<Buffers>,
    buckets: RwLock<HashMap<Arc<str>, i64>>,
    next_blob: AtomicI64,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Current objects (delete markers and noncurrent versions not counted).
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions and delete markers, current ones included.
    pub versions: u64,
    /// Bytes of all versions, current ones included.
    pub version_bytes: u64,
}

impl Store {
    /// Opens the store in `dir`, making it (mode 0700) if it does not exist, and clears what a crash left
    /// behind. Blocks; call it before serving.
    ///
    /// # Errors
    /// [`Error::Fault`] if the directory is in use by another process, was written by a newer version, or
    /// cannot be read, or if the master key is missing or another one although sealed objects exist.
    pub fn open(dir: &Path, options: Options) -> Result<Store, Error> {
        fs::create_dir_all(dir.parent().unwrap_or(dir)).doing("make the directory", dir)?;
        make_dir(dir)?;
        fs::set_permissions(dir, Permissions::from_mode(0o700)).doing("close to others", dir)?;
        let lock = lock(dir)?;
        let conn = open_writer(&dir.join(INDEX))?;
        let master = open_master_key(&dir.join(MASTER_KEY), &conn)?;
        let ids = Ids::new(&meta::<Vec<u8>>(&conn, "id key", || {
            Ok(random::<32>()?.to_vec())
        })?);
        let run = meta::<i64>(&conn, "run", || Ok(0))? + 1;
        set_meta(&conn, "run", &run)?;
        let reserved = meta::<i64>(&conn, "reserved", || Ok(1))?;
        let highest: Option<i64> =
            sql(conn.query_row("SELECT max(id) FROM blob", [], |row| row.get(0)))?;
        let files = Arc::new(Files::open(dir, run as u64)?);
        sync_dir(dir)?;
        let buckets = read_buckets(&conn)?;
        let cache = Arc::new(Cache::new(options.cache_bytes));
        let tools = Tools {
            conn,
            cache: cache.clone(),
            files: files.clone(),
            clock: options.clock.clone(),
            reserved,
            lock,
        };
        let inner = Inner {
            options,
            files: files.clone(),
            readers: Readers::new(dir.join(INDEX)),
            writer: Writer::start(tools)?,
            cache,
            ids,
            master,
            buffers: Arc::default(),
            buckets: RwLock::new(buckets),
            next_blob: AtomicI64::new((highest.unwrap_or(0) + 1).max(run << BLOBS_OF_A_RUN)),
        };
        sweep(files, Readers::new(dir.join(INDEX)), dir)?;
        Ok(Store {
            inner: Arc::new(inner),
        })
    }

    /// Declares a bucket deleted, if it has no versions and no delete markers: from here on writes to it
    /// answer `NoSuchBucket`. Unfinished uploads are dropped. Atomic against concurrent writes, so call
    /// it *before* the bucket's intent is removed, and [`Store::restore_bucket`] if that fails.
    ///
    /// # Errors
    /// [`Error::BucketNotEmpty`]; [`Error::Fault`].
    pub async fn retire_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let row = self.inner.bucket_row(&bucket.id).await?;
        let name = bucket.id.to_string();
        self.inner
            .writer
            .submit(move |tx| {
                if !no_versions(tx.conn, row)? {
                    let only_versions = usage(tx.conn, row)?.objects == 0;
                    return Err(Error::BucketNotEmpty {
                        bucket: name,
                        only_versions,
                    });
                }
                tx.set_retired(row, true)
            })
            .await?;
        self.drop_contents(row).await
    }

    /// Undoes [`Store::retire_bucket`].
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn restore_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let row = self.inner.bucket_row(&bucket.id).await?;
        self.inner
            .writer
            .submit(move |tx| tx.set_retired(row, false))
            .await
    }

    /// Retires a bucket with everything in it, in bounded steps; may be repeated after a crash.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn drop_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let row = self.inner.bucket_row(&bucket.id).await?;
        self.inner
            .writer
            .submit(move |tx| tx.set_retired(row, true))
            .await?;
        self.drop_contents(row).await
    }

    async fn drop_contents(&self, row: i64) -> Result<(), Error> {
        while self
            .inner
            .writer
            .submit(move |tx| tx.drop_step(row))
            .await?
        {}
        Ok(())
    }

    /// Whether a bucket has no versions and no delete markers.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn is_empty(&self, bucket: &Bucket) -> Result<bool, Error> {
        let Some(row) = self.inner.known_bucket(&bucket.id) else {
            return Ok(true);
        };
        self.inner
            .read(move |inner| inner.readers.with(|conn| no_versions(conn, row)))
            .await
    }

    /// Counts of a bucket, kept up with every write (not a scan).
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn usage(&self, bucket: &Bucket) -> Result<Usage, Error> {
        let Some(row) = self.inner.known_bucket(&bucket.id) else {
            return Ok(Usage::default());
        };
        self.inner
            .read(move |inner| inner.readers.with(|conn| usage(conn, row)))
            .await
    }
}

impl Inner {
    /// Runs a read on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Inner>,
        read: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.clone();
        tokio::task::spawn_blocking(move || read(&inner))
            .await
            .map_err(job_failed)?
    }

    /// The row of a bucket that was ever written to.
    pub(crate) fn known_bucket(&self, id: &str) -> Option<i64> {
        self.buckets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .copied()
    }

    /// The row of a bucket, made if there is none.
    pub(crate) async fn bucket_row(&self, id: &Arc<str>) -> Result<i64, Error> {
        if let Some(row) = self.known_bucket(id) {
            return Ok(row);
        }
        let name = id.to_string();
        let row = self
            .writer
            .submit(move |tx| {
                let put = "INSERT INTO bucket (name) VALUES (?1) ON CONFLICT (name) DO NOTHING";
                sql(tx.conn.execute(put, [&name]))?;
                let get = "SELECT id FROM bucket WHERE name = ?1";
                sql(tx.conn.query_row(get, [&name], |row| row.get(0)))
            })
            .await?;
        self.buckets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), row);
        Ok(row)
    }

    pub(crate) fn next_blob(&self) -> i64 {
        self.next_blob.fetch_add(1, Ordering::Relaxed)
    }

    /// The version a client names.
    pub(crate) fn which(&self, version: &VersionId) -> Result<Which, Error> {
        if version.is_null() {
            return Ok(Which::Null);
        }
        let unknown = || {
            Error::argument(
                "versionId",
                version.as_str(),
                "Invalid version id specified",
            )
        };
        self.ids
            .version_row(version)
            .map(Which::Row)
            .ok_or_else(unknown)
    }
}

impl Tx<'_> {
    fn set_retired(&self, bucket: i64, retired: bool) -> Result<(), Error> {
        let text = "UPDATE bucket SET retired = ?2 WHERE id = ?1";
        sql(self.conn.execute(text, params![bucket, retired])).map(drop)
    }

    /// Removes some of what a retired bucket holds; false when nothing is left.
    fn drop_step(&mut self, bucket: i64) -> Result<bool, Error> {
        let text = "SELECT id, key FROM version WHERE bucket = ?1 LIMIT ?2";
        let versions = collect(self.conn, text, params![bucket, DROP_STEP], |row| {
            Ok((
                sql(row.get::<_, i64>(0))?,
                key_text(sql(row.get_ref(1))?)?.to_owned(),
            ))
        })?;
        for (row, key) in &versions {
            self.remove_version(bucket, key, *row)?;
        }
        let text = "SELECT id FROM upload WHERE bucket = ?1 LIMIT ?2";
        // An upload may have many parts: few at a time.
        let uploads = collect(self.conn, text, params![bucket, 10], |row| sql(row.get(0)))?;
        for upload in &uploads {
            self.remove_upload(*upload)?;
        }
        Ok(!versions.is_empty() || !uploads.is_empty())
    }
}

/// All rows of a query as values.
pub(crate) fn collect<T>(
    conn: &Connection,
    text: &str,
    values: impl rusqlite::Params,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = sql(conn.prepare_cached(text))?;
    let mut rows = sql(statement.query(values))?;
    let mut all = Vec::new();
    while let Some(row) = sql(rows.next())? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn no_versions(conn: &Connection, bucket: i64) -> Result<bool, Error> {
    let text = "SELECT NOT EXISTS (SELECT 1 FROM version WHERE bucket = ?1)";
    sql(conn.query_row(text, [bucket], |row| row.get(0)))
}

fn usage(conn: &Connection, bucket: i64) -> Result<Usage, Error> {
    let text = "SELECT objects, bytes, versions, version_bytes FROM bucket WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Usage {
            objects: row.get(0)?,
            bytes: row.get(1)?,
            versions: row.get(2)?,
            version_bytes: row.get(3)?,
        })
    };
    Ok(sql(conn.query_row(text, [bucket], read).optional())?.unwrap_or_default())
}

fn read_buckets(conn: &Connection) -> Result<HashMap<Arc<str>, i64>, Error> {
    let text = "SELECT name, id FROM bucket";
    let all = collect(conn, text, [], |row| {
        Ok((Arc::from(sql(row.get::<_, String>(0))?), sql(row.get(1))?))
    })?;
    Ok(all.into_iter().collect())
}

/// One process at a time.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .doing("open", &path)?;
    file.try_lock()
        .doing("lock (is another process using the store?)", &path)?;
    Ok(file)
}

/// Reads the master key, or makes it if no object was ever sealed with one.
fn open_master_key(path: &Path, conn: &Connection) -> Result<MasterKey, Error> {
    let refuse = |cause: &str| {
        Err(Error::Fault(Fault::new(
            "use the master key",
            path.display().to_string(),
            cause,
        )))
    };
    let known: Option<Vec<u8>> = sql(conn
        .query_row(
            "SELECT value FROM meta WHERE name = 'master key'",
            [],
            |row| row.get(0),
        )
        .optional())?;
    let bytes = match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(64).read_to_end(&mut bytes).doing("read", path)?;
            bytes
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && known.is_none() => {
            make_master_key(path)?
        }
        Err(error) => return Err(error).doing("read", path),
    };
    if bytes.len() != 32 {
        return refuse("it must have 32 bytes");
    }
    let key = MasterKey::new(&bytes)?;
    match known {
        Some(known) if known != key.fingerprint() => refuse("it is not the key of this store"),
        Some(_) => Ok(key),
        None => {
            set_meta(conn, "master key", &key.fingerprint().as_slice())?;
            Ok(key)
        }
    }
}

fn make_master_key(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes: [u8; 32] = random()?;
    // Under another name first, so that a crash leaves a whole key or none.
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .doing("create", &draft)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .doing("write", &draft)?;
    fs::rename(&draft, path).doing("rename", path)?;
    sync_dir(path.parent().unwrap_or(path))?;
    Ok(bytes.to_vec())
}

/// Unlinks files of earlier runs that the index does not know, beside everything else.
fn sweep(files: Arc<Files>, readers: Readers, dir: &Path) -> Result<(), Error> {
    let work = move || {
        let known = |blob: i64, name: &str| {
            readers.with(|conn| {
                let text = "SELECT 1 FROM blob WHERE id = ?1 AND file = ?2";
                sql(conn
                    .prepare_cached(text)
                    .and_then(|mut s| s.exists(params![blob, name])))
            })
        };
        let swept = files.for_each_old(|blob, name| {
            if let Ok(false) = known(blob, name) {
                files.discard(blob, name.into());
            }
        });
        if let Err(error) = swept {
            tracing::warn!(?error, "could not sweep orphaned blobs");
        }
    };
    std::thread::Builder::new()
        .name("objects-sweep".into())
        .spawn(work)
        .doing("start a thread for", dir)
        .map(drop)
}
