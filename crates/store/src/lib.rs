//! Intent made durable.
//!
//! One writer at a time works on a private [`Draft`] of the newest intent, under one lock, and
//! never sees half of another's change (I1). What it changed is queued to the journal, which makes
//! everything that waits durable at once, and only then makes the new intent visible and wakes the
//! writers: acknowledged is durable, and many writers share a sync. A writer that is alone does the
//! journal's work itself. The generation is the transaction's number (I3).
//!
//! If that fails, every write that waited fails, and the newest intent falls back to the durable
//! one: what nobody was promised never becomes visible.
//!
//! There are two homes for an intent behind one trait, [`Backend`]: SQLite for one node, and
//! [`etcd`] for several. Where several nodes write, a write that another overtook is run again on
//! what the other wrote, so `work` may be called more than once.

mod backend;
pub mod backup;
pub mod etcd;
mod journal;
mod sql;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use adit_model::{Draft, Generation, Intent};
use tokio::sync::{oneshot, watch};

pub use backend::{AppendError, Backend};
pub use journal::Entry;
use journal::Lost;
pub use sql::{OpenError, lock_directory};

/// The durable intent of one installation.
#[derive(Debug)]
pub struct Store {
    /// The newest intent, durable or about to be: what the next writer builds on.
    head: Arc<Mutex<Head>>,
    durable: watch::Receiver<Arc<Intent>>,
    journal: journal::Queue,
    followers: journal::Followers,
}

#[derive(Debug)]
pub(crate) struct Head {
    intent: Arc<Intent>,
    /// Counts fall-backs after a failed sync: a draft of an older line must not be queued.
    line: u64,
}

/// What a committed write made.
#[derive(Debug)]
pub struct Committed<T> {
    /// What the work returned.
    pub value: T,
    /// The intent right after this write, durable.
    pub intent: Arc<Intent>,
}

/// Why a write did not happen. Nothing of it is visible or durable.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The work itself refused.
    #[error("refused")]
    Refused(E),
    /// The journal could not make it durable.
    #[error("could not write the state: {0}")]
    Journal(String),
    /// The state cannot be reached now; reads go on.
    #[error("the state cannot be reached: {0}")]
    Unreachable(String),
}

/// How often a write is run again because other nodes wrote first.
const ATTEMPTS: u32 = 100;

/// What a write waits for before it is acknowledged.
enum Waits {
    /// The journal's word on its own entry.
    For(oneshot::Receiver<Result<Arc<Intent>, Lost>>),
    /// A generation that somebody else wrote, on this line of history.
    Until(Generation, u64),
}

/// Who writes, for the journal's event table.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// An ARN, or `adit` for the installation itself.
    pub who: &'a str,
    /// The operation, such as `ec2:CreateVpc`.
    pub operation: &'a str,
}

impl Store {
    /// Opens (or makes) the state in a directory and reads the newest intent.
    pub fn open(directory: &Path) -> Result<Store, OpenError> {
        let (database, intent) = sql::Database::open(directory)?;
        Store::start(Box::new(database), intent).map_err(OpenError::Thread)
    }

    /// Connects to an etcd, makes the state if there is none, and follows what other nodes write.
    /// The directory is locked, so that one process uses what else is in it.
    ///
    /// # Errors
    /// When no etcd answers, or what it holds is not ours to use.
    pub fn connect(directory: &Path, wish: &etcd::Options) -> Result<Store, OpenError> {
        let lock = sql::lock_directory(directory)?;
        // Its client has a runtime of its own, which must not begin inside another.
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let (backend, intent) = etcd::open(wish, lock)?;
                let store = Store::start(Box::new(backend), intent).map_err(OpenError::Thread)?;
                etcd::follow(wish, store.journal.bell())?;
                Ok(store)
            });
            work.join().unwrap_or_else(|_| Err(OpenError::Interrupted))
        })
    }

    fn start(backend: Box<dyn Backend>, intent: Intent) -> std::io::Result<Store> {
        let intent = Arc::new(intent);
        let (publish, durable) = watch::channel(intent.clone());
        let head = Arc::new(Mutex::new(Head { intent, line: 0 }));
        let followers = journal::Followers::default();
        let journal = journal::start(backend, publish, head.clone(), followers.clone())?;
        Ok(Store {
            head,
            durable,
            journal,
            followers,
        })
    }

    /// The newest durable intent.
    pub fn intent(&self) -> Arc<Intent> {
        self.durable.borrow().clone()
    }

    /// Follows the durable intent.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Intent>> {
        self.durable.clone()
    }

    /// Shows `follower` the newest durable intent, and every later one before whoever wrote it is
    /// told: what it makes of an intent is there when the write returns. It must be quick, and
    /// must not write. An intent that another overtook at once is not shown.
    pub fn follow(&self, follower: impl FnMut(&Arc<Intent>) + Send + 'static) {
        self.followers.add(Box::new(follower), || self.intent());
    }

    /// Runs `work` on a draft and makes the result durable; on refusal nothing happened.
    ///
    /// A draft that changed nothing is not written and makes no generation. Where other nodes write
    /// too, `work` is run again when one of them was faster.
    pub async fn write<T, E>(
        &self,
        author: Author<'_>,
        mut work: impl FnMut(&mut Draft) -> Result<T, E>,
    ) -> Result<Committed<T>, WriteError<E>> {
        for _ in 0..ATTEMPTS {
            let (value, waits) = self.submit(author, &mut work)?;
            let done = match waits {
                Waits::For(done) => done.await.unwrap_or_else(|_| Err(stopped())),
                // What it read may still be on its way to the disk: wait for that generation.
                Waits::Until(seen, line) => self.reached(seen, line).await,
            };
            match done {
                Ok(intent) => return Ok(Committed { value, intent }),
                Err(Lost::Overtaken) => continue,
                Err(Lost::Failed(AppendError::Unreachable(why))) => {
                    return Err(WriteError::Unreachable(why));
                }
                Err(Lost::Failed(error)) => return Err(WriteError::Journal(error.to_string())),
            }
        }
        let why = format!("other nodes wrote first {ATTEMPTS} times in a row");
        Err(WriteError::Journal(why))
    }

    /// Runs the work under the lock and queues what it changed.
    fn submit<T, E>(
        &self,
        author: Author<'_>,
        work: &mut impl FnMut(&mut Draft) -> Result<T, E>,
    ) -> Result<(T, Waits), WriteError<E>> {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft::new(&head.intent);
        let value = work(&mut draft).map_err(WriteError::Refused)?;
        if draft.is_unchanged() {
            return Ok((value, Waits::Until(head.intent.generation, head.line)));
        }
        let (intent, changes) = draft.finish();
        let intent = Arc::new(intent);
        let (tell, done) = oneshot::channel();
        let (who, operation) = (author.who.to_string(), author.operation.to_string());
        let entry = journal::Entry {
            intent: intent.clone(),
            changes,
            who,
            operation,
            line: head.line,
            tell,
        };
        let here = self.journal.push(entry).map_err(WriteError::Journal)?;
        // What it replaces may be the last of an older intent: it is freed without the lock.
        let replaced = std::mem::replace(&mut head.intent, intent);
        drop(head);
        if here {
            self.journal.commit();
        }
        drop(replaced);
        Ok((value, Waits::For(done)))
    }

    /// Waits until a generation of a line of history is durable, or lost with its line.
    async fn reached(&self, generation: Generation, line: u64) -> Result<Arc<Intent>, Lost> {
        let mut durable = self.durable.clone();
        let head = self.head.clone();
        loop {
            let intent = durable.borrow_and_update().clone();
            if head.lock().unwrap_or_else(PoisonError::into_inner).line != line {
                return Err(Lost::Overtaken);
            }
            if intent.generation >= generation {
                return Ok(intent);
            }
            durable.changed().await.map_err(|_| stopped())?;
        }
    }
}

fn stopped() -> Lost {
    Lost::Failed(AppendError::Failed("the journal has stopped".into()))
}
