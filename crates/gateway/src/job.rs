//! What is special about deciding on batch jobs: condition keys of the job, and that whoever makes one hands a role
//! to Batch Operations.

use adit_model::Job;
use adit_policy::{AclGrant, Action, Context, keys};
use adit_snapshot::decide::request::{self, RequestFacts};
use adit_wire::{ErrorReply, Value};

use crate::account::Account;
use crate::ask::Ask;
use crate::decide::{self, Said};

/// The service that a job's role is passed to.
const SERVICE: &str = "batchoperations.s3.amazonaws.com";

/// The operation that a new job asks for, as AWS's key names it.
fn requested(input: &Value) -> Option<&str> {
    let operation = input.get("Operation").map()?;
    let mut named = operation.iter().filter(|(_, value)| !value.is_null());
    named.next().map(|(name, _)| name)
}

/// Sets the keys of a new job.
pub(crate) fn request_keys<'a>(context: &mut Context<'a>, input: &'a Value) {
    context.set_some(keys::S3_REQUEST_JOB_OPERATION, requested(input));
    priority_key(context, input);
}

fn priority_key<'a>(context: &mut Context<'a>, input: &'a Value) {
    context.set_some(keys::S3_REQUEST_JOB_PRIORITY, input.get("Priority").int());
}

/// Sets the keys of a job that is there.
pub(crate) fn existing_keys<'a>(context: &mut Context<'a>, ask: &Ask<'a>, input: &'a Value) {
    priority_key(context, input);
    let text = |name: &str| input.get(name).str().unwrap_or_default();
    let region = ask.identity.region.as_str();
    let key = Job::key_of(text("AccountId"), region, text("JobId"));
    let Some(job) = ask.snapshot.intent.get::<Job>(key) else {
        return;
    };
    context.set(keys::S3_EXISTING_JOB_OPERATION, job.operation.name());
    context.set(keys::S3_EXISTING_JOB_PRIORITY, i64::from(job.priority));
    if job.status == adit_model::JobStatus::Suspended {
        context.set(keys::S3_JOB_SUSPENDED_CAUSE, "AwaitingConfirmation");
    }
}

/// Whether the caller may pass the role to Batch Operations. IAM asks that by itself, so the endpoint that the
/// request came through has no say in it.
///
/// # Errors
/// `AccessDenied`
pub(crate) fn pass_role(
    ask: &Ask<'_>,
    input: &Value,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    let said = Said::default();
    let mut context = decide::context(ask, &said)?;
    context.set(keys::IAM_PASSED_TO_SERVICE, SERVICE);
    let facts = RequestFacts {
        endpoint: None,
        key: ask.identity.key.as_deref(),
        bucket: None,
        action: Action::from("iam:PassRole"),
        resource: input.get("RoleArn").str().unwrap_or_default(),
        context: &context,
        acl: AclGrant::None,
        object_owner: None,
        access_point: None,
    };
    let decision = request::request(&facts, None);
    account.decided(&facts, &decision, ask.gateway.settings.explain_allowed);
    match decision.is_allowed() {
        true => Ok(()),
        false => Err(ErrorReply::new(
            "AccessDenied",
            403,
            request::message(&facts, &decision),
        )),
    }
}
