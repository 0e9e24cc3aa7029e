//! The one writer of the index. All operations that wait share a transaction and its `fsync`; each is
//! answered after the commit. An operation that is refused leaves the others alone.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use crate::cache::{Cache, CacheKey, cache_key};
use crate::error::{Doing, Error, Fault};
use crate::files::{Files, Placed};
use crate::object::UnixMillis;
use crate::rows::Record;
use crate::schema::{INDEX, set_meta, sql};
use crate::store::Clock;

/// Operations that may wait for the writer; more wait to be let in.
const QUEUE: usize = 1024;
/// Operations in one transaction.
const BATCH: usize = 512;
/// Row numbers reserved with one write; a crash wastes the rest.
const RESERVE: i64 = 4096;
/// How often, and for how long, a batch waits to become as large as the last one.
const PATIENCE: usize = 3;
const MOMENT: Duration = Duration::from_micros(20);
/// Pages in the log at which it is written back into the index.
const CHECKPOINT_PAGES: i64 = 2000;
/// Pages at which the log must begin anew even if readers have to be waited for.
const RESTART_PAGES: i64 = 20 * CHECKPOINT_PAGES;

type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The transaction as an operation sees it, and what is to be done once it is committed.
pub(crate) struct Tx<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) now: UnixMillis,
    next: &'c mut i64,
    reserved: &'c mut i64,
    usage: Vec<(i64, Delta)>,
    touched: Vec<CacheKey>,
    freed: Vec<(i64, Box<str>)>,
    placed: Vec<Placed>,
    /// An operation failed after it wrote.
    spoiled: bool,
}

/// How an operation changes a bucket's counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
    pub(crate) versions: i64,
    pub(crate) version_bytes: i64,
}

impl Tx<'_> {
    /// A row number higher than all before, for a version or an upload.
    pub(crate) fn next_id(&mut self) -> Result<i64, Error> {
        if *self.next >= *self.reserved {
            let reserved = *self.next + RESERVE;
            set_meta(self.conn, "reserved", &reserved)?;
            *self.reserved = reserved;
        }
        *self.next += 1;
        Ok(*self.next - 1)
    }

    /// A key whose current version changes.
    pub(crate) fn touch(&mut self, bucket: i64, key: &str) {
        self.touched.push(cache_key(bucket, key));
    }

    pub(crate) fn count(&mut self, bucket: i64, delta: Delta) {
        self.usage.push((bucket, delta));
    }

    /// A blob whose row is gone; its file is unlinked after the commit.
    pub(crate) fn freed(&mut self, blob: i64, file: Box<str>) {
        self.freed.push((blob, file));
    }

    /// A file that the index knows after the commit.
    pub(crate) fn keep(&mut self, file: Placed) {
        self.placed.push(file);
    }

    /// Runs one operation. It must look before it writes: one that fails after it wrote fails the whole
    /// transaction, with all that share it (it would be a fault of the index; a savepoint for each
    /// operation would cost a copy of every page it touches).
    pub(crate) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // After some failures SQLite has rolled everything back: nothing may run outside a transaction.
        if self.spoiled || self.conn.is_autocommit() {
            self.spoiled = true;
            let cause = "an operation before it failed";
            return Err(Error::Fault(Fault::new("use the index", INDEX, cause)));
        }
        let before = self.conn.total_changes();
        let result = work(self);
        self.spoiled = result.is_err() && self.conn.total_changes() != before;
        result
    }
}

/// What the thread works with.
pub(crate) struct Tools {
    pub(crate) conn: Connection,
    pub(crate) cache: Arc<Cache<Record>>,
    pub(crate) files: Arc<Files>,
    pub(crate) clock: Clock,
    /// Everything below was given out before.
    pub(crate) reserved: i64,
    /// Held until the thread has ended.
    pub(crate) lock: std::fs::File,
}

impl Writer {
    pub(crate) fn start(tools: Tools) -> Result<Writer, Error> {
        let (jobs, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("objects-index".into())
            .spawn(move || serve(tools, inbox))
            .doing("start the writer of", INDEX)?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` in the next transaction and answers when it is durable. If the caller goes away the
    /// work may still be done.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.attempt(work);
            Box::new(move |committed| {
                let _ = answer.send(committed.and(result));
            })
        });
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(job).await.map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(tools: Tools, mut inbox: mpsc::Receiver<Job>) {
    let Tools {
        mut conn,
        cache,
        files,
        clock,
        reserved,
        lock,
    } = tools;
    let mut log = Log::watch(&mut conn);
    let mut next = reserved;
    let mut reserved = reserved;
    let mut last = 1;
    while let Some(first) = inbox.blocking_recv() {
        let batch = gather(first, &mut inbox, last);
        last = batch.len();
        let ids = (&mut next, &mut reserved);
        let done = commit(&conn, &cache, &files, clock(), ids, batch);
        if done == Outcome::Broken {
            break;
        }
        // A log that cannot grow begins anew once it is written back.
        if (done == Outcome::Failed || log.is_due()) && !log.write_back(&conn) {
            break;
        }
    }
    log.write_back(&conn);
    drop(conn);
    drop(lock);
}

/// All that waits. Those answered together come back together: if fewer are here than there were the
/// last time, a moment's patience saves a sync of its own for the first of them.
fn gather(first: Job, inbox: &mut mpsc::Receiver<Job>, last: usize) -> Vec<Job> {
    let mut batch = vec![first];
    for patience in (0..PATIENCE).rev() {
        while batch.len() < BATCH
            && let Ok(job) = inbox.try_recv()
        {
            batch.push(job);
        }
        if batch.len() >= last || patience == 0 {
            break;
        }
        std::thread::sleep(MOMENT);
    }
    batch
}

/// How a transaction ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
    /// There may be no further one.
    Broken,
}

/// Runs a batch in one transaction and answers it.
fn commit(
    conn: &Connection,
    cache: &Cache<Record>,
    files: &Files,
    now: UnixMillis,
    (next, reserved): (&mut i64, &mut i64),
    batch: Vec<Job>,
) -> Outcome {
    let mut tx = Tx {
        conn,
        now,
        next,
        reserved,
        usage: Vec::new(),
        touched: Vec::new(),
        freed: Vec::new(),
        placed: Vec::new(),
        spoiled: false,
    };
    let mut answers = Vec::with_capacity(batch.len());
    let mut result = run(conn, "BEGIN IMMEDIATE");
    if result.is_ok() {
        answers.extend(batch.into_iter().map(|job| job(&mut tx)));
        result = settle(conn, &tx.usage);
    }
    if tx.spoiled {
        result = Err(Error::Fault(Fault::new(
            "use the index",
            INDEX,
            "an operation failed half-way",
        )));
    }
    cache.changing(&tx.touched);
    if result.is_ok() {
        result = run(conn, "COMMIT");
        // A commit that failed may still be found in the log after a crash: the files stay for the next
        // start to judge.
        std::mem::take(&mut tx.placed)
            .into_iter()
            .for_each(Placed::keep);
    }
    if result.is_err() && !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
    }
    cache.changed(&tx.touched);
    match result {
        Ok(()) => {
            tx.freed
                .into_iter()
                .for_each(|(blob, file)| files.discard(blob, file));
            answers.into_iter().for_each(|answer| answer(Ok(())));
            Outcome::Done
        }
        Err(error) => {
            *tx.reserved = *tx.next;
            let sound = !sync_failed(&error);
            tracing::error!(error = ?error, sound, "could not commit to the object index");
            for answer in answers {
                let fault = Fault::new("commit to the index", INDEX, error.to_string());
                answer(Err(Error::Fault(fault)));
            }
            if sound {
                Outcome::Failed
            } else {
                Outcome::Broken
            }
        }
    }
}

/// After a failed sync nobody knows what is on the disk, and the next sync may succeed without it: the
/// store takes no more writes until it is opened again.
fn sync_failed(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    let Some(rusqlite::Error::SqliteFailure(failure, _)) = cause else {
        return false;
    };
    const FAILED: [c_int; 2] = [
        rusqlite::ffi::SQLITE_IOERR_FSYNC,
        rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC,
    ];
    FAILED.contains(&failure.extended_code)
}

fn run(conn: &Connection, text: &str) -> Result<(), Error> {
    sql(conn
        .prepare_cached(text)
        .and_then(|mut statement| statement.execute([])))
    .map(drop)
}

/// Adds up what the operations counted: one update per bucket.
fn settle(conn: &Connection, usage: &[(i64, Delta)]) -> Result<(), Error> {
    let mut sums: HashMap<i64, Delta> = HashMap::new();
    for (bucket, delta) in usage {
        let sum = sums.entry(*bucket).or_default();
        sum.objects += delta.objects;
        sum.bytes += delta.bytes;
        sum.versions += delta.versions;
        sum.version_bytes += delta.version_bytes;
    }
    for (bucket, sum) in sums {
        if sum == Delta::default() {
            continue;
        }
        let update = "UPDATE bucket SET objects = objects + ?2, bytes = bytes + ?3,
                      versions = versions + ?4, version_bytes = version_bytes + ?5 WHERE id = ?1";
        let values = params![
            bucket,
            sum.objects,
            sum.bytes,
            sum.versions,
            sum.version_bytes
        ];
        sql(conn
            .prepare_cached(update)
            .and_then(|mut s| s.execute(values)))?;
    }
    Ok(())
}

/// The index's write-ahead log, which this thread writes back when it has answered.
struct Log {
    /// Pages in it, as the last commit left it.
    pages: Arc<AtomicI64>,
    written_back: i64,
}

impl Log {
    fn watch(conn: &mut Connection) -> Log {
        let pages = Arc::new(AtomicI64::new(0));
        let count = pages.clone();
        let hook = move |_: &mut Wal, pages: c_int| {
            count.store(pages.into(), Ordering::Relaxed);
            Ok(())
        };
        if let Err(error) = conn.wal_hook(Some(hook)) {
            tracing::warn!(%error, "the index log is written back only at the end");
        }
        Log {
            pages,
            written_back: 0,
        }
    }

    fn is_due(&mut self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.written_back {
            // It has begun anew.
            self.written_back = 0;
        }
        pages - self.written_back >= CHECKPOINT_PAGES
    }

    /// False if there may be no further commit.
    fn write_back(&mut self, conn: &Connection) -> bool {
        self.written_back = self.pages.load(Ordering::Relaxed);
        // Readers keep the log from beginning anew; when it has become long they are waited for.
        let how = match self.written_back >= RESTART_PAGES {
            true => "PRAGMA wal_checkpoint(RESTART)",
            false => "PRAGMA wal_checkpoint(PASSIVE)",
        };
        let done = sql(conn.query_row(how, [], |_| Ok(())));
        let Err(error) = done else { return true };
        tracing::error!(?error, "could not write the index log back");
        !sync_failed(&error)
    }
}
