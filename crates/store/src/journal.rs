//! The journal thread: takes everything that waits, writes it in one transaction, syncs once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use adit_model::{Change, Intent};
use tokio::sync::{oneshot, watch};

use crate::Head;
use crate::sql::{Database, OpenError};

/// One write that waits to become durable.
pub(crate) struct Entry {
    pub(crate) intent: Arc<Intent>,
    pub(crate) changes: Vec<Change>,
    pub(crate) who: String,
    pub(crate) operation: String,
    pub(crate) line: u64,
    pub(crate) tell: oneshot::Sender<Result<Arc<Intent>, String>>,
}

/// The way to the journal thread.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: Sender<Entry>,
}

impl Queue {
    /// Queues a write; the caller holds the head's lock, so entries arrive in order.
    pub(crate) fn push(&self, entry: Entry) -> Result<(), String> {
        self.sender
            .send(entry)
            .map_err(|_| "the journal has stopped".to_string())
    }
}

/// Most writes that share one sync; bounds the size of a transaction.
const BATCH: usize = 1024;

pub(crate) fn start(
    database: Database,
    publish: watch::Sender<Arc<Intent>>,
    head: Arc<Mutex<Head>>,
) -> Result<Queue, OpenError> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || run(database, &receiver, &publish, &head))
        .map_err(OpenError::Thread)?;
    Ok(Queue { sender })
}

fn run(
    mut database: Database,
    receiver: &Receiver<Entry>,
    publish: &watch::Sender<Arc<Intent>>,
    head: &Mutex<Head>,
) {
    // The line of history that is alive: entries of an older line were built on a lost intent.
    let mut line = 0;
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = receiver.try_recv()
        {
            batch.push(next);
        }
        batch.retain_mut(|entry| entry.line == line || refuse_lost(entry));
        let Some(newest) = batch.last().map(|entry| entry.intent.clone()) else {
            continue;
        };
        match database.append(&batch) {
            Ok(()) => {
                publish.send_replace(newest);
                for entry in batch {
                    let _ = entry.tell.send(Ok(entry.intent));
                }
            }
            Err(error) => {
                tracing::error!(%error, "could not write the state");
                line += 1;
                {
                    let mut head = head.lock().unwrap_or_else(PoisonError::into_inner);
                    head.intent = publish.borrow().clone();
                    head.line = line;
                }
                // Wakes writers that only read a lost intent.
                publish.send_modify(|_| {});
                for entry in batch {
                    let _ = entry.tell.send(Err(error.to_string()));
                }
            }
        }
    }
}

/// Answers an entry that was built on an intent that was never made durable; never kept.
fn refuse_lost(entry: &mut Entry) -> bool {
    let (dead, _) = oneshot::channel();
    let tell = std::mem::replace(&mut entry.tell, dead);
    let _ = tell.send(Err("an earlier write was not made durable".into()));
    false
}
