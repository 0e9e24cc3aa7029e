//! Batch jobs: made, shown, listed, moved. The daemon's worker does what they say.

mod read;
mod show;
pub(crate) mod tagging;

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas::{JOBS_PER_REGION, UNFINISHED_JOBS_PER_REGION};
use crate::refusal::Refusal;
use crate::tokens::Token;

/// The highest priority.
const MOST_PRIORITY: i64 = 2_147_483_647;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidRequest", message)
}

/// The caller's job that the request names.
fn find(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<Job>, Refusal> {
    let id = input.text("JobId").unwrap_or_default();
    let key = Job::key_of(ctx.caller.account.as_str(), ctx.region.as_str(), id);
    intent.get::<Job>(key).cloned().ok_or_else(|| {
        Refusal::new("NoSuchJob", "The specified job does not exist.").with("JobId", id)
    })
}

/// Jobs of an account in a Region, by id.
fn of<'a>(
    intent: &'a Intent,
    owner: &AccountId,
    region: &Region,
) -> impl Iterator<Item = &'a Arc<Job>> + use<'a> {
    let from = Job::key_of(owner.as_str(), region.as_str(), "");
    let front = from.clone();
    intent
        .jobs
        .range(from..)
        .take_while(move |(key, _)| key.starts_with(&front))
        .map(|(_, job)| job)
}

fn priority(input: &Input<'_>) -> Result<u32, Refusal> {
    let given = input.get("Priority").int().unwrap_or_default();
    u32::try_from(given)
        .ok()
        .filter(|_| given <= MOST_PRIORITY)
        .ok_or_else(|| invalid(format!("The priority {given} is not valid.")))
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let token = Token::named(input, "ClientRequestToken", "CreateJob", ctx)?;
    if let Some(token) = &token {
        let earlier = token.replay(draft, ctx).map_err(|why| {
            let why = Refusal::new("IdempotencyException", why.message);
            why.status(400)
        })?;
        if let Some(id) = earlier {
            return Ok(Answer::from(map! { "JobId" => id }));
        }
    }
    let (owner, region) = (ctx.caller.account.clone(), ctx.region.clone());
    let job = Job {
        id: ctx.ids.uuid(),
        role: read::role(input, &owner)?,
        priority: priority(input)?,
        description: input.text("Description").map(str::to_string),
        confirmation_required: input.flag("ConfirmationRequired", false),
        operation: read::operation(input.get("Operation"))?,
        manifest: read::manifest(input)?,
        report: read::report(input.get("Report"), draft)?,
        tags: tagging::read(input.get("Tags"))?,
        created: ctx.now,
        status: JobStatus::New,
        status_reason: None,
        suspended: None,
        ended: None,
        failure: None,
        progress: JobProgress::default(),
        owner,
        region,
    };
    let unfinished = |job: &&Arc<Job>| !job.status.is_final();
    UNFINISHED_JOBS_PER_REGION.check(draft, || {
        of(draft, &job.owner, &job.region)
            .filter(unfinished)
            .count()
    })?;
    JOBS_PER_REGION.check(draft, || of(draft, &job.owner, &job.region).count())?;
    let job = draft.put(job);
    if let Some(token) = token {
        token.remember(draft, ctx, job.id.as_str());
    }
    Ok(Answer::from(map! { "JobId" => job.id.as_str() }))
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let job = find(input, view.intent, ctx)?;
    Ok(map! { "Job" => show::whole(&job) })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let after = match input.text("NextToken") {
        None => String::new(),
        Some(token) => URL_SAFE
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                Refusal::new("InvalidNextTokenException", "The NextToken is not valid.")
            })?,
    };
    let size = input.get("MaxResults").int().unwrap_or(1000).clamp(1, 1000) as usize;
    let statuses = input.texts("JobStatuses");
    let mut found = of(view.intent, &ctx.caller.account, &ctx.region).filter(|job| {
        job.id.as_str() > after.as_str()
            && (statuses.is_empty() || statuses.contains(&job.status.as_str()))
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let last = page.last().map(|job| job.id.as_str());
    let token = found.next().and(last).map(|id| URL_SAFE.encode(id));
    Ok(map! {
        "Jobs" => page.iter().map(|job| show::line(job)).collect::<Value>(),
        "NextToken" => token,
    })
}

pub(crate) fn update_priority(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let job = find(input, draft, ctx)?;
    let priority = priority(input)?;
    if job.status.is_final() || job.status.is_ending() {
        return Err(invalid(format!(
            "The priority of a job with the status {} cannot be changed.",
            job.status.as_str()
        )));
    }
    if job.priority != priority {
        draft.edit::<Job>(job.key(), |job| job.priority = priority);
    }
    Ok(Answer::from(map! {
        "JobId" => job.id.as_str(),
        "Priority" => i64::from(priority),
    }))
}

pub(crate) fn update_status(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let job = find(input, draft, ctx)?;
    let asked = input.text("RequestedJobStatus").unwrap_or_default();
    let next = match (asked, job.status) {
        ("Ready", JobStatus::Suspended) => JobStatus::Ready,
        ("Cancelled", JobStatus::Cancelling | JobStatus::Cancelled) => job.status,
        // Nothing was done yet that a report could tell of.
        ("Cancelled", JobStatus::New | JobStatus::Suspended | JobStatus::Ready) => {
            JobStatus::Cancelled
        }
        ("Cancelled", JobStatus::Preparing | JobStatus::Active | JobStatus::Paused) => {
            JobStatus::Cancelling
        }
        (_, status) => {
            return Err(Refusal::new(
                "JobStatusException",
                format!(
                    "A job with the status {} cannot be set to {asked}.",
                    status.as_str()
                ),
            ));
        }
    };
    let reason = input.text("StatusUpdateReason").map(str::to_string);
    let now = ctx.now;
    let shown = draft.edit::<Job>(job.key(), |job| {
        job.status = next;
        job.status_reason = reason;
        if next.is_final() {
            job.ended.get_or_insert(now);
        }
    });
    let job = shown.unwrap_or(job);
    Ok(Answer::from(map! {
        "JobId" => job.id.as_str(),
        "Status" => job.status.as_str(),
        "StatusUpdateReason" => job.status_reason.as_deref(),
    }))
}
