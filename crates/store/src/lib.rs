//! Intent made durable.
//!
//! One writer at a time works on a private [`Draft`] of the newest intent, under one lock, and
//! never sees half of another's change (I1). What it changed is queued to the journal, which
//! writes everything that waits in one SQLite transaction, syncs it once, and only then makes the
//! new intent visible and wakes the writers: acknowledged is durable, and many writers share a
//! sync. The generation is the transaction's number (I3).
//!
//! If the disk fails, every write that waited fails, and the newest intent falls back to the
//! durable one: what nobody was promised never becomes visible.

mod journal;
mod sql;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use adit_model::{Draft, Generation, Intent};
use tokio::sync::{oneshot, watch};

pub use sql::OpenError;

/// The durable intent of one installation.
#[derive(Debug)]
pub struct Store {
    /// The newest intent, durable or about to be: what the next writer builds on.
    head: Arc<Mutex<Head>>,
    durable: watch::Receiver<Arc<Intent>>,
    journal: journal::Queue,
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
}

/// What a write waits for before it is acknowledged.
enum Waits {
    /// The journal's word on its own entry.
    For(oneshot::Receiver<Result<Arc<Intent>, String>>),
    /// A generation that somebody else wrote.
    Until(Generation),
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
        let intent = Arc::new(intent);
        let (publish, durable) = watch::channel(intent.clone());
        let head = Arc::new(Mutex::new(Head { intent, line: 0 }));
        let journal = journal::start(database, publish, head.clone())?;
        Ok(Store {
            head,
            durable,
            journal,
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

    /// Runs `work` on a draft and makes the result durable; on refusal nothing happened.
    ///
    /// A draft that changed nothing is not written and makes no generation.
    pub async fn write<T, E>(
        &self,
        author: Author<'_>,
        work: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<Committed<T>, WriteError<E>> {
        let (value, done) = self.submit(author, work)?;
        let done = match done {
            Waits::For(done) => done,
            // What it read may still be on its way to the disk: wait for that generation.
            Waits::Until(seen) => {
                let intent = self.reached(seen).await.map_err(WriteError::Journal)?;
                return Ok(Committed { value, intent });
            }
        };
        match done.await {
            Ok(Ok(intent)) => Ok(Committed { value, intent }),
            Ok(Err(why)) => Err(WriteError::Journal(why)),
            Err(_) => Err(WriteError::Journal("the journal has stopped".into())),
        }
    }

    /// Runs the work under the lock and queues what it changed.
    fn submit<T, E>(
        &self,
        author: Author<'_>,
        work: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<(T, Waits), WriteError<E>> {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = Draft::new(&head.intent);
        let value = work(&mut draft).map_err(WriteError::Refused)?;
        if draft.is_unchanged() {
            return Ok((value, Waits::Until(head.intent.generation)));
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
        self.journal.push(entry).map_err(WriteError::Journal)?;
        head.intent = intent;
        Ok((value, Waits::For(done)))
    }

    /// Waits until a generation is durable (or lost).
    async fn reached(&self, generation: Generation) -> Result<Arc<Intent>, String> {
        let mut durable = self.durable.clone();
        let head = self.head.clone();
        loop {
            let intent = durable.borrow_and_update().clone();
            let lost = head
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .intent
                .generation
                < generation;
            if intent.generation >= generation {
                return Ok(intent);
            }
            if lost {
                return Err("the state read was not made durable".into());
            }
            durable
                .changed()
                .await
                .map_err(|_| "the journal has stopped".to_string())?;
        }
    }
}

#[cfg(test)]
mod tests;
