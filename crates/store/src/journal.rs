//! The journal thread: takes everything that waits, makes it durable at once, tells who waited.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use adit_model::{Change, Intent};
use tokio::sync::{oneshot, watch};

use crate::Head;
use crate::backend::{AppendError, Backend};

/// One write that waits to become durable.
#[derive(Debug)]
pub struct Entry {
    /// The intent that it makes.
    pub intent: Arc<Intent>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Who wrote: an ARN, or `adit`.
    pub who: String,
    /// The operation.
    pub operation: String,
    pub(crate) line: u64,
    pub(crate) tell: oneshot::Sender<Result<Arc<Intent>, Lost>>,
}

/// Why a write that was queued is not durable.
#[derive(Debug, Clone)]
pub(crate) enum Lost {
    /// It was built on an intent that is not the newest any more: it may be run again.
    Overtaken,
    /// It could not be made durable.
    Failed(AppendError),
}

/// What the journal thread is told.
pub(crate) enum Message {
    /// Make this durable.
    Write(Entry),
    /// Somebody else may have written. Carries nothing: the backend is asked.
    Look,
}

/// The way to the journal thread, which ends with it.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: Arc<Sender<Message>>,
}

impl Queue {
    /// Queues a write; the caller holds the head's lock, so entries arrive in order.
    pub(crate) fn push(&self, entry: Entry) -> Result<(), String> {
        self.sender
            .send(Message::Write(entry))
            .map_err(|_| "the journal has stopped".to_string())
    }

    /// A way to wake the journal that does not keep it alive.
    pub(crate) fn bell(&self) -> Bell {
        Bell(Arc::downgrade(&self.sender))
    }
}

/// Wakes the journal to look for what others wrote.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Weak<Sender<Message>>);

impl Bell {
    /// Rings; false when nobody is left to hear it.
    pub(crate) fn ring(&self) -> bool {
        self.0
            .upgrade()
            .is_some_and(|sender| sender.send(Message::Look).is_ok())
    }

    /// Whether the store is still there.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.strong_count() > 0
    }
}

type Follower = Box<dyn FnMut(&Arc<Intent>) + Send>;

/// Who sees an intent before those who wrote it are told.
#[derive(Clone, Default)]
pub(crate) struct Followers(Arc<Mutex<Vec<Follower>>>);

impl Followers {
    /// Adds one, which begins with what is newest.
    pub(crate) fn add(&self, mut follower: Follower, newest: impl FnOnce() -> Arc<Intent>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        follower(&newest());
        all.push(follower);
    }

    /// Makes an intent visible and shows it to all of them, so that none misses one.
    fn show(&self, intent: Arc<Intent>, publish: &watch::Sender<Arc<Intent>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        publish.send_replace(intent.clone());
        all.iter_mut().for_each(|follower| follower(&intent));
    }
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Followers")
    }
}

/// Most writes that are made durable together; bounds the size of a transaction.
const BATCH: usize = 1024;

/// Starts the thread.
pub(crate) fn start(
    backend: Box<dyn Backend>,
    publish: watch::Sender<Arc<Intent>>,
    head: Arc<Mutex<Head>>,
    followers: Followers,
) -> std::io::Result<Queue> {
    let (sender, receiver) = channel();
    let journal = Journal {
        backend,
        publish,
        head,
        followers,
        line: 0,
        why: Lost::Overtaken,
    };
    std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || journal.run(&receiver))?;
    Ok(Queue {
        sender: Arc::new(sender),
    })
}

struct Journal {
    backend: Box<dyn Backend>,
    publish: watch::Sender<Arc<Intent>>,
    head: Arc<Mutex<Head>>,
    followers: Followers,
    /// The line of history that is alive: entries of an older line were built on a lost intent.
    line: u64,
    /// Why the line before was lost.
    why: Lost,
}

impl Journal {
    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(first) = receiver.recv() {
            let (mut batch, mut look) = (Vec::new(), false);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(entry) => batch.push(entry),
                    Message::Look => look = true,
                }
                next = match batch.len() < BATCH {
                    true => receiver.try_recv().ok(),
                    false => None,
                };
            }
            if look {
                self.catch_up();
            }
            let (alive, dead): (Vec<Entry>, Vec<Entry>) =
                batch.into_iter().partition(|entry| entry.line == self.line);
            for entry in dead {
                let _ = entry.tell.send(Err(self.why.clone()));
            }
            if !alive.is_empty() {
                self.append(alive);
            }
        }
    }

    fn append(&mut self, mut batch: Vec<Entry>) {
        let (done, stopped) = self.backend.append(&batch);
        let lost = batch.split_off(done.min(batch.len()));
        if let Some(newest) = batch.last() {
            self.followers.show(newest.intent.clone(), &self.publish);
        }
        for entry in batch {
            let _ = entry.tell.send(Ok(entry.intent));
        }
        let why = match stopped {
            None => return,
            Some(AppendError::Overtaken) => Lost::Overtaken,
            Some(error) => {
                tracing::error!(%error, "could not write the state");
                Lost::Failed(error)
            }
        };
        // Where another node writes too, what it wrote is what to build on next.
        if !self.catch_up() {
            let durable = self.publish.borrow().clone();
            self.start_over(why.clone(), durable);
        }
        for entry in lost {
            let _ = entry.tell.send(Err(why.clone()));
        }
    }

    /// Takes over what others wrote; whether there was anything.
    fn catch_up(&mut self) -> bool {
        let durable = self.publish.borrow().clone();
        match self.backend.newer(&durable) {
            Ok(Some(intent)) => {
                self.start_over(Lost::Overtaken, Arc::new(intent));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "cannot follow the state");
                false
            }
        }
    }

    /// A new line of history begins at this intent; whatever was built on another is lost.
    fn start_over(&mut self, why: Lost, intent: Arc<Intent>) {
        self.line += 1;
        self.why = why;
        {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            head.intent = intent.clone();
            head.line = self.line;
        }
        // Wakes also those who only read a lost intent.
        self.followers.show(intent, &self.publish);
    }
}
