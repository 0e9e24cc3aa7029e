//! Operations of S3 Control: access points, account settings, jobs. Decided here, carried out by
//! [`Operations`](crate::Operations).

use adit_model::{AccessPoint, Job};
use adit_policy::actions::Facts;
use adit_wire::{ErrorReply, Value};

use crate::ask::{Ask, Uses};
use crate::buckets::{MAX_DOCUMENT, call};
use crate::decide::{self, Said};
use crate::job;
use crate::reply::Reply;

/// Decides and carries out one.
pub(crate) async fn run(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    // Whoever did not sign has no account to speak of, and is not read any further.
    if !ask.identity.is_signed() {
        return Err(denied());
    }
    // Policies may look at the network origin and the tags, which are in the body.
    let body = uses
        .upload
        .whole(MAX_DOCUMENT, &ask.gateway.documents)
        .await?;
    let input = ask.decode(&body)?;
    let account = own_account(ask, &input)?;
    let resource = resource(ask, &input, account);
    let facts = Facts {
        tags: !input.get("Tags").list().is_empty(),
        ..Facts::default()
    };
    let said = Said {
        input: Some(&input),
        control: &resource,
        ..Said::default()
    };
    decide::all(ask, &said, &facts, uses.account)?;
    if ask.op.name() == "CreateJob" {
        job::pass_role(ask, &input, uses.account)?;
    }
    call(ask, &input).await
}

/// S3 Control names an account in every request: it must be the caller's own.
fn own_account<'v>(ask: &Ask<'_>, input: &'v Value) -> Result<&'v str, ErrorReply> {
    let caller = ask
        .identity
        .key
        .as_ref()
        .map(|key| key.key.account.as_str());
    match input.get("AccountId").str() {
        Some(account) if Some(account) == caller => Ok(account),
        _ => Err(denied()),
    }
}

/// The ARN that the operation is about.
fn resource(ask: &Ask<'_>, input: &Value, account: &str) -> String {
    let region = ask.identity.region.as_str();
    if let Some(name) = input.get("Name").str() {
        return AccessPoint::arn_of(account, region, name);
    }
    if let Some(id) = input.get("JobId").str() {
        return Job::arn_of(account, region, id);
    }
    input.get("ResourceArn").str().unwrap_or("*").to_owned()
}

fn denied() -> ErrorReply {
    ErrorReply::new("AccessDenied", 403, "Access Denied")
}
