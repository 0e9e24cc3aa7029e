//! The journal: takes everything that waits, makes it durable at once, tells who waited.
//!
//! A writer that finds nobody at work does it itself, on a disk that is quick: a thread that must be
//! woken, and must wake the writer again, costs as much as the write. Where several write at once, or
//! the disk is slow, a thread does it for all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

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

/// What the journal is told.
pub(crate) enum Message {
    /// Make this durable.
    Write(Entry),
    /// Somebody else may have written. Carries nothing: the backend is asked.
    Look,
}

/// The way to the journal, which ends with it.
#[derive(Debug)]
pub(crate) struct Queue(Arc<Desk>);

impl Queue {
    /// Queues a write; the caller holds the head's lock, so entries arrive in order. It must
    /// [`commit`](Queue::commit) once it let go of that lock, if this says so.
    pub(crate) fn push(&self, entry: Entry) -> Result<bool, String> {
        let mut waiting = lock(&self.0.waiting);
        if waiting.closed {
            return Err("the journal has stopped".to_string());
        }
        waiting.messages.push_back(Message::Write(entry));
        let here = !waiting.busy && self.0.in_place.load(Ordering::Relaxed);
        if here {
            waiting.busy = true;
        } else if !waiting.busy {
            self.0.changed.notify_one();
        }
        Ok(here)
    }

    /// Makes what waits durable on this thread, which saves waking another. Whatever is queued
    /// meanwhile is left to the journal's thread, so that nobody works for others for long.
    pub(crate) fn commit(&self) {
        let batch = lock(&self.0.waiting).take();
        self.0.work(batch);
    }

    /// A way to wake the journal that does not keep it alive.
    pub(crate) fn bell(&self) -> Bell {
        Bell(Arc::downgrade(&self.0))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        lock(&self.0.waiting).closed = true;
        self.0.changed.notify_one();
    }
}

/// Wakes the journal to look for what others wrote.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Weak<Desk>);

impl Bell {
    /// Rings; false when nobody is left to hear it.
    pub(crate) fn ring(&self) -> bool {
        let Some(desk) = self.0.upgrade() else {
            return false;
        };
        let mut waiting = lock(&desk.waiting);
        if waiting.closed {
            return false;
        }
        waiting.messages.push_back(Message::Look);
        desk.changed.notify_one();
        true
    }

    /// Whether the store is still there.
    pub(crate) fn is_heard(&self) -> bool {
        self.0
            .upgrade()
            .is_some_and(|desk| !lock(&desk.waiting).closed)
    }
}

/// Where writes wait, and the journal that whoever is busy works on.
struct Desk {
    waiting: Mutex<Waiting>,
    /// Something waits, and nobody is busy.
    changed: Condvar,
    /// None once the thread has ended: it drops the backend, which may not be dropped anywhere.
    journal: Mutex<Option<Journal>>,
    /// Whether a writer may do the journal's work: the backend allows it, and is quick.
    in_place: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// Somebody works, and will look here again.
    busy: bool,
    /// Nobody queues anything any more.
    closed: bool,
}

impl Waiting {
    fn take(&mut self) -> Vec<Message> {
        let count = self.messages.len().min(BATCH);
        self.messages.drain(..count).collect()
    }
}

impl Desk {
    /// Works on a batch. The caller has made itself busy, and is not any more afterwards.
    fn work(&self, batch: Vec<Message>) {
        let _busy = Busy(self);
        let began = Instant::now();
        let mut journal = lock(&self.journal);
        let Some(journal) = journal.as_mut() else {
            return;
        };
        journal.work(batch);
        let quick = began.elapsed() < QUICK && journal.backend.in_place();
        self.in_place.store(quick, Ordering::Relaxed);
    }

    /// What the thread does, until the store is gone and nothing waits.
    fn run(&self) {
        self.serve();
        drop(lock(&self.journal).take());
    }

    fn serve(&self) {
        let mut waiting = lock(&self.waiting);
        loop {
            while waiting.busy || (waiting.messages.is_empty() && !waiting.closed) {
                waiting = self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.messages.is_empty() {
                return;
            }
            waiting.busy = true;
            let batch = waiting.take();
            drop(waiting);
            self.work(batch);
            waiting = lock(&self.waiting);
        }
    }
}

/// Ends somebody's being busy, and wakes the thread for what came meanwhile.
struct Busy<'a>(&'a Desk);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.busy = false;
        if std::thread::panicking() {
            // What was being written is unknown: nothing may be built on it.
            waiting.closed = true;
            waiting.messages.clear();
        }
        if waiting.closed || !waiting.messages.is_empty() {
            self.0.changed.notify_one();
        }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
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
/// How long a batch may have taken for the next one to be written by a writer itself. A writer is a
/// task of a runtime whose other tasks wait for it: not longer than that.
const QUICK: Duration = Duration::from_millis(1);

/// Starts the thread.
pub(crate) fn start(
    backend: Box<dyn Backend>,
    publish: watch::Sender<Arc<Intent>>,
    head: Arc<Mutex<Head>>,
    followers: Followers,
) -> std::io::Result<Queue> {
    let desk = Arc::new(Desk {
        waiting: Mutex::default(),
        changed: Condvar::new(),
        in_place: AtomicBool::new(backend.in_place()),
        journal: Mutex::new(Some(Journal {
            backend,
            publish,
            head,
            followers,
            line: 0,
            why: Lost::Overtaken,
        })),
    });
    let run = desk.clone();
    std::thread::Builder::new()
        .name("journal".into())
        .spawn(move || run.run())?;
    Ok(Queue(desk))
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
    fn work(&mut self, messages: Vec<Message>) {
        let (mut batch, mut look) = (Vec::with_capacity(messages.len()), false);
        for message in messages {
            match message {
                Message::Write(entry) => batch.push(entry),
                Message::Look => look = true,
            }
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
