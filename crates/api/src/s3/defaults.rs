//! Features of buckets that are not built: read as AWS answers for a bucket that does not use them,
//! refused when somebody wants to use them.

use adit_model::*;
use adit_wire::{Value, map};

use super::{find, not_implemented, settings};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// The refusal of a read of what the bucket has not.
fn absent(
    input: &Input<'_>,
    view: View<'_>,
    code: &'static str,
    text: &str,
) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    Err(settings::none(code, text, &bucket))
}

pub(crate) fn website(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let text = "The specified bucket does not have a website configuration";
    absent(input, view, "NoSuchWebsiteConfiguration", text)
}

pub(crate) fn replication(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let text = "The replication configuration was not found";
    absent(input, view, "ReplicationConfigurationNotFoundError", text)
}

/// Acceleration, notifications: an empty configuration.
pub(crate) fn nothing(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    find(input, view.intent)?;
    Ok(map! {})
}

/// Analytics, inventory, metrics, intelligent tiering: a list without members.
pub(crate) fn no_page(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    find(input, view.intent)?;
    Ok(map! { "IsTruncated" => false })
}

pub(crate) fn payment(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    find(input, view.intent)?;
    Ok(map! { "Payer" => "BucketOwner" })
}

pub(crate) fn put_payment(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    find(input, draft)?;
    match input.get("RequestPaymentConfiguration").get("Payer").str() {
        Some("BucketOwner") => Ok(Answer::done()),
        _ => Err(not_implemented("Requester pays")),
    }
}

/// Removing what is not there succeeds, as on AWS.
pub(crate) fn remove(input: &Input<'_>, draft: &mut Draft, _: &mut Ctx) -> Result<Answer, Refusal> {
    find(input, draft)?;
    Ok(Answer::done())
}

/// An empty configuration is what the bucket has.
pub(crate) fn put_notification(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    find(input, draft)?;
    let wanted = input.get("NotificationConfiguration");
    let given = wanted.map().is_some_and(|members| {
        let mut all = members.iter();
        all.any(|(_, value)| !value.list().is_empty() || value.map().is_some())
    });
    match given {
        true => Err(not_implemented("Notifications")),
        false => Ok(Answer::done()),
    }
}
