//! The life of one job, from its manifest to its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_model::{Job, JobFailure, JobProgress, JobStatus};
use adit_plane::Snapshots;
use adit_store::{Author, Store};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::{Acting, Client, SERVICE};
use super::manifest::{Entry, Manifest};
use super::report::{self, Outcome, Rows};
use super::task;
use crate::up::now_millis;

/// Objects between two looks at what the job's owner wants by now.
const CHUNK: usize = 64;
/// Objects that are acted on at once.
const AT_ONCE: usize = 8;
/// How often what was done is written down.
const WRITTEN: Duration = Duration::from_secs(1);
/// A job is given up when more than half of so many objects failed, as on AWS.
const TRIED: u64 = 1000;

/// What every job is worked on with.
pub(super) struct Worker {
    pub(super) store: Arc<Store>,
    pub(super) client: Arc<Client>,
    pub(super) snapshots: Snapshots,
    pub(super) directory: PathBuf,
}

/// Why the work on a job stopped before its end.
enum Halt {
    /// It cannot go on.
    Failed(JobFailure),
    /// Not now: it gives way, its owner wants something else, or the store does not answer.
    Left,
}

impl From<JobFailure> for Halt {
    fn from(failure: JobFailure) -> Halt {
        Halt::Failed(failure)
    }
}

/// What a job did since it was taken up.
struct Run {
    rows: Option<Rows>,
    progress: JobProgress,
    /// When `progress` was written down last.
    clock: Instant,
}

impl Run {
    /// Counts these objects, which end there in the manifest.
    async fn add(&mut self, done: &[(Entry, Outcome)], offset: u64) -> std::io::Result<()> {
        if let Some(rows) = &mut self.rows {
            rows.append(done).await?;
        }
        let failed = done.iter().filter(|(_, outcome)| outcome.is_err()).count();
        self.progress.failed += failed as u64;
        self.progress.succeeded += (done.len() - failed) as u64;
        self.progress.offset = offset;
        Ok(())
    }

    /// Whether so many objects failed that going on makes no sense.
    fn is_hopeless(&self) -> bool {
        let tried = self.progress.failed + self.progress.succeeded;
        tried >= TRIED && self.progress.failed * 2 > tried
    }

    /// Makes the rows durable; what is to be written down.
    async fn sync(&mut self) -> std::io::Result<JobProgress> {
        if let Some(rows) = &mut self.rows {
            self.progress.rows = rows.sync().await?;
        }
        let spent = u64::try_from(self.clock.elapsed().as_millis());
        self.progress.active += spent.unwrap_or_default();
        self.clock = Instant::now();
        Ok(self.progress)
    }
}

impl Worker {
    /// Works on a job until it ends, waits for somebody, or has to give way.
    pub(super) async fn work(self: Arc<Self>, key: String, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(job) = self.store.intent().get::<Job>(&key).cloned() else {
                return;
            };
            let done = match job.status {
                JobStatus::New | JobStatus::Preparing => self.prepare(&job, &stop).await,
                JobStatus::Ready | JobStatus::Paused | JobStatus::Active => {
                    self.act(&job, &stop).await
                }
                JobStatus::Completing | JobStatus::Cancelling | JobStatus::Failing => {
                    self.finish(&job).await
                }
                _ => return,
            };
            match done {
                Ok(()) => {}
                Err(Halt::Failed(failure)) => {
                    if self.fail(&job, failure).await.is_none() {
                        return;
                    }
                }
                // What its owner wants instead is seen in the next round.
                Err(Halt::Left) => {
                    let now = self.status(&key);
                    if now.is_none_or(|now| !now.is_ending()) {
                        return;
                    }
                }
            }
        }
    }

    fn status(&self, key: &str) -> Option<JobStatus> {
        self.store.intent().get::<Job>(key).map(|job| job.status)
    }

    /// Changes the job in a transaction; none when it is gone or the store does not answer.
    async fn change(&self, key: &str, mut work: impl FnMut(&mut Job)) -> Option<Arc<Job>> {
        let author = Author {
            who: "adit",
            operation: "adit:WorkOnJob",
        };
        let done = self.store.write(author, |draft| {
            Ok::<_, std::convert::Infallible>(draft.edit::<Job>(key, &mut work))
        });
        match done.await {
            Ok(committed) => committed.value,
            Err(error) => {
                tracing::error!(%error, job = key, "could not write down the progress of a job");
                None
            }
        }
    }

    async fn fail(&self, job: &Job, failure: JobFailure) -> Option<Arc<Job>> {
        self.change(&job.key(), |job| {
            if job.status.is_final() {
                return;
            }
            job.failure.get_or_insert_with(|| failure.clone());
            // Of what was not begun there is nothing to report; and no use when the report is what failed.
            let tried = job.progress.succeeded + job.progress.failed;
            if tried > 0 && job.report.enabled && !job.status.is_ending() {
                job.status = JobStatus::Failing;
            } else {
                job.status = JobStatus::Failed;
                job.ended = Some(now_millis());
            }
        })
        .await
    }

    fn acting(&self, job: &Job) -> Result<Acting, JobFailure> {
        let acting = Acting::new(self.client.clone(), self.snapshots.clone(), job);
        refresh(&acting, job)?;
        Ok(acting)
    }

    /// Reads the manifest from end to end: is it the right one, and how much is there to do?
    async fn prepare(&self, job: &Job, stop: &CancellationToken) -> Result<(), Halt> {
        let key = job.key();
        let begun = self.change(&key, |job| {
            if job.status == JobStatus::New {
                job.status = JobStatus::Preparing;
            }
        });
        begun.await.ok_or(Halt::Left)?;
        let acting = self.acting(job)?;
        let mut manifest = Manifest::open(&acting, job, 0).await?;
        let mut total: u64 = 0;
        while manifest.next().await?.is_some() {
            total += 1;
            if total.is_multiple_of(1024)
                && (stop.is_cancelled() || self.status(&key) != Some(JobStatus::Preparing))
            {
                return Err(Halt::Left);
            }
        }
        let done = self.change(&key, |job| {
            if job.status != JobStatus::Preparing {
                return;
            }
            job.progress.total = total;
            if job.confirmation_required {
                job.status = JobStatus::Suspended;
                job.suspended = Some(now_millis());
            } else {
                job.status = JobStatus::Ready;
            }
        });
        done.await.map(|_| ()).ok_or(Halt::Left)
    }

    /// Acts on one object after the other, from where the job was left.
    async fn act(&self, job: &Job, stop: &CancellationToken) -> Result<(), Halt> {
        let key = job.key();
        let begun = self.change(&key, |job| {
            if matches!(job.status, JobStatus::Ready | JobStatus::Paused) {
                job.status = JobStatus::Active;
            }
        });
        let job = begun.await.ok_or(Halt::Left)?;
        if job.status != JobStatus::Active {
            return Ok(());
        }
        let acting = Arc::new(self.acting(&job)?);
        let mut run = Run {
            rows: Rows::open(&self.directory, &job).await.map_err(unwritten)?,
            progress: job.progress,
            clock: Instant::now(),
        };
        let mut manifest = Manifest::open(&acting, &job, run.progress.offset).await?;
        loop {
            let entries = match refresh(&acting, &job) {
                Ok(()) => manifest.some(CHUNK).await,
                Err(failure) => Err(failure),
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(failure) => {
                    self.note(&key, &mut run, JobStatus::Active).await?;
                    return Err(failure.into());
                }
            };
            let at_end = entries.len() < CHUNK;
            let done = act_on(&acting, &job, entries).await;
            run.add(&done, manifest.offset()).await.map_err(unwritten)?;
            let wanted = self.status(&key);
            let next = match () {
                () if wanted != Some(JobStatus::Active) => JobStatus::Active,
                () if at_end => JobStatus::Completing,
                () if run.is_hopeless() => JobStatus::Failing,
                () if stop.is_cancelled() => JobStatus::Paused,
                () => JobStatus::Active,
            };
            let goes_on = next == JobStatus::Active && wanted == Some(JobStatus::Active);
            if goes_on && run.clock.elapsed() < WRITTEN {
                continue;
            }
            self.note(&key, &mut run, next).await?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Writes down how far the job is, and what it does next if its owner did not decide otherwise.
    async fn note(&self, key: &str, run: &mut Run, next: JobStatus) -> Result<(), Halt> {
        let done = run.sync().await.map_err(unwritten)?;
        let noted = self.change(key, |job| {
            job.progress = done;
            if job.status == JobStatus::Active {
                job.status = next;
                if next == JobStatus::Failing {
                    job.failure.get_or_insert_with(|| JobFailure {
                        code: "TooManyFailures".into(),
                        reason: "More than half of the objects that were tried failed.".into(),
                    });
                }
            }
        });
        noted.await.map(|_| ()).ok_or(Halt::Left)
    }

    /// Writes the report, and sets the final status.
    async fn finish(&self, job: &Job) -> Result<(), Halt> {
        let tried = job.progress.succeeded + job.progress.failed;
        if job.report.enabled && (tried > 0 || job.status == JobStatus::Completing) {
            let acting = self.acting(job)?;
            let uploaded = report::upload(&acting, &self.directory, job).await;
            uploaded.map_err(|why| JobFailure {
                code: "ReportWriteFailed".into(),
                reason: format!("The report could not be written. {why}")
                    .chars()
                    .take(256)
                    .collect(),
            })?;
        }
        let key = job.key();
        let done = self.change(&key, |job| {
            job.status = match job.status {
                JobStatus::Completing => JobStatus::Complete,
                JobStatus::Cancelling => JobStatus::Cancelled,
                JobStatus::Failing => JobStatus::Failed,
                other => other,
            };
            job.ended.get_or_insert_with(now_millis);
        });
        done.await.ok_or(Halt::Left)?;
        report::forget(&self.directory, job).await;
        Ok(())
    }
}

fn refresh(acting: &Acting, job: &Job) -> Result<(), JobFailure> {
    acting.refresh().map_err(|_| JobFailure {
        code: "RoleNotAssumable".into(),
        reason: format!(
            "The role {} does not exist, or does not trust {SERVICE}.",
            job.role
        )
        .chars()
        .take(256)
        .collect(),
    })
}

fn unwritten(why: std::io::Error) -> JobFailure {
    JobFailure {
        code: "ReportRowsLost".into(),
        reason: format!("The rows of the report could not be kept: {why}.")
            .chars()
            .take(256)
            .collect(),
    }
}

/// Acts on these objects, a few at once; what became of each, in their order.
async fn act_on(
    acting: &Arc<Acting>,
    job: &Arc<Job>,
    entries: Vec<Entry>,
) -> Vec<(Entry, Outcome)> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let (acting, job, slots) = (acting.clone(), job.clone(), slots.clone());
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let call = task::request(&job.operation, &entry);
            let outcome = acting.call(&call).await.map(|_| ());
            (at, entry, outcome)
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(at, ..)| *at);
    let done = done.into_iter();
    done.map(|(_, entry, outcome)| (entry, outcome)).collect()
}
