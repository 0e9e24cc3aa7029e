//! S3 Batch Operations: carries out the jobs that the API took.
//!
//! A job is intent, and so is how far it is: every second or so the worker writes down what it did, so that a killed
//! daemon goes on from there. What it did in between it does again, which copies and tags bear. It acts on objects
//! as anybody does who has the job's role: through the front door, signed with a session of the role, so that every
//! policy has its say and the audit log its line. The connection is one inside this process.
//!
//! Only so many jobs act at once; those of the highest priority do, and one that has to give way is paused.

mod client;
mod manifest;
mod report;
mod task;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_gateway::Gateway;
use adit_model::{Generation, Intent, Job, JobFailure, JobStatus, Kind, Millis};
use adit_plane::Snapshots;
use adit_store::{Author, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::up::now_millis;
use client::Client;
use work::Worker;

/// How many manifests are read at once, and how many reports are written, beside the jobs that act.
const BESIDE: usize = 2;
/// How often the clock is looked at, besides changes.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a job rests whose work ended without getting anywhere, such as when the store does not answer.
const REST: Duration = Duration::from_secs(5);
/// How often old jobs are looked for.
const EXPIRE: Duration = Duration::from_secs(3600);
const DAY: Millis = 24 * 60 * 60 * 1000;
/// How long a job waits for confirmation.
const CONFIRM: Millis = 30 * DAY;
/// How long a job is shown after its end.
const SHOWN: Millis = 90 * DAY;

/// What jobs are carried out with.
pub struct Jobs {
    /// Where they are, and how far.
    pub store: Arc<Store>,
    /// The front door.
    pub gateway: Gateway,
    /// Whom roles trust.
    pub snapshots: Snapshots,
    /// Where rows of reports are kept until they are uploaded.
    pub directory: PathBuf,
    /// How many act at once.
    pub most: usize,
}

/// A job that is being worked on.
struct Running {
    stop: CancellationToken,
    work: JoinHandle<()>,
    began: Instant,
}

impl Jobs {
    /// Works until the process ends.
    pub async fn run(self) {
        let Jobs {
            store,
            gateway,
            snapshots,
            directory,
            most,
        } = self;
        report::sweep(&directory, &store.intent()).await;
        let worker = Arc::new(Worker {
            store: store.clone(),
            client: Arc::new(Client::new(gateway)),
            snapshots,
            directory,
        });
        let mut changes = store.subscribe();
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        let mut resting: BTreeMap<String, Instant> = BTreeMap::new();
        let mut seen: Option<Generation> = None;
        let mut looked: Option<Instant> = None;
        loop {
            let intent = store.intent();
            let mut ended = Vec::new();
            running.retain(|key, running| {
                if running.work.is_finished() {
                    ended.push((key.clone(), running.began));
                }
                !running.work.is_finished()
            });
            for (key, began) in &ended {
                let is_stuck = began.elapsed() < REST
                    && intent
                        .get::<Job>(key)
                        .is_some_and(|job| wants_work(job.status));
                if is_stuck {
                    resting.insert(key.clone(), Instant::now() + REST);
                }
            }
            resting.retain(|_, until| *until > Instant::now());
            if !ended.is_empty() || seen.is_none_or(|seen| touches_jobs(&intent, seen)) {
                let wanted = wanted(&intent, most, |key| resting.contains_key(key));
                for (key, running) in &running {
                    if !wanted.contains(key) {
                        running.stop.cancel();
                    }
                }
                for key in wanted {
                    running.entry(key.clone()).or_insert_with(|| {
                        let stop = CancellationToken::new();
                        let work = worker.clone().work(key, stop.clone());
                        Running {
                            stop,
                            work: tokio::spawn(work),
                            began: Instant::now(),
                        }
                    });
                }
            }
            if looked.is_none_or(|at| at.elapsed() > EXPIRE) {
                looked = Some(Instant::now());
                expire(&store, &intent).await;
            }
            seen = resting.is_empty().then_some(intent.generation);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(PERIOD) => {}
                () = any_ended(&mut running) => {}
            }
        }
    }
}

/// Returns when one of them ended.
async fn any_ended(running: &mut BTreeMap<String, Running>) {
    std::future::poll_fn(|cx| {
        for running in running.values_mut() {
            if std::pin::Pin::new(&mut running.work).poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
        }
        std::task::Poll::Pending
    })
    .await;
}

fn touches_jobs(intent: &Intent, since: Generation) -> bool {
    let touched = intent.changed_since(since);
    touched.is_none_or(|touched| touched.iter().any(|change| change.kind == Kind::Job))
}

/// Whether there is something to do for a job of this status.
fn wants_work(status: JobStatus) -> bool {
    !status.is_final() && status != JobStatus::Suspended
}

/// The jobs that should be worked on now, by their keys: of those whose manifest is to be read, of those that end, and
/// of the others as many as may act, in each case the most important and then the oldest.
fn wanted(intent: &Intent, most: usize, rests: impl Fn(&str) -> bool) -> Vec<String> {
    let mut jobs: Vec<(&String, &Arc<Job>)> = intent
        .jobs
        .iter()
        .filter(|(key, job)| wants_work(job.status) && !rests(key))
        .collect();
    jobs.sort_by_key(|(_, job)| (std::cmp::Reverse(job.priority), job.created));
    let (mut preparing, mut ending, mut acting) = (0, 0, 0);
    jobs.retain(|(_, job)| {
        let (count, most) = match job.status {
            JobStatus::New | JobStatus::Preparing => (&mut preparing, BESIDE),
            status if status.is_ending() => (&mut ending, BESIDE),
            _ => (&mut acting, most),
        };
        *count += 1;
        *count <= most
    });
    jobs.into_iter().map(|(key, _)| key.clone()).collect()
}

/// Ends what waited too long for confirmation, and forgets what ended long ago.
async fn expire(store: &Store, intent: &Intent) {
    let now = now_millis();
    let old = |since: Option<Millis>, most: Millis| since.is_some_and(|at| at + most <= now);
    let waited = |job: &Job| job.status == JobStatus::Suspended && old(job.suspended, CONFIRM);
    let is_due = |job: &Job| waited(job) || old(job.ended, SHOWN);
    let due: Vec<String> = intent
        .jobs
        .iter()
        .filter(|(_, job)| is_due(job))
        .map(|(key, _)| key.clone())
        .collect();
    if due.is_empty() {
        return;
    }
    let author = Author {
        who: "adit",
        operation: "adit:ExpireJobs",
    };
    let done = store.write(author, |draft| {
        for key in &due {
            let Some(job) = draft.get::<Job>(key).cloned() else {
                continue;
            };
            if old(job.ended, SHOWN) {
                draft.remove::<Job>(key);
            } else if waited(&job) {
                draft.edit::<Job>(key, |job| {
                    job.status = JobStatus::Failed;
                    job.ended = Some(now);
                    job.failure = Some(JobFailure {
                        code: "ConfirmationExpired".into(),
                        reason: "Nobody confirmed the job within 30 days.".into(),
                    });
                });
            }
        }
        Ok::<_, std::convert::Infallible>(())
    });
    if let Err(error) = done.await {
        tracing::warn!(%error, "could not end old jobs");
    }
}

#[cfg(test)]
mod tests;
