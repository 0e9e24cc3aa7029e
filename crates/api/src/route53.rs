//! Route 53: private hosted zones, their associations with VPCs and their records [dns §6, §8].
//!
//! Public zones are refused: nobody outside could ask for them. A change has no row of its own; its
//! id says the generation that made it, and whether that is in force is read from the board.

pub(crate) mod association;
pub(crate) mod change;
pub(crate) mod hosted_zone;
pub(crate) mod limit;
pub(crate) mod record_set;
pub(crate) mod tag;

mod change_id;

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// How many items a page has when the caller does not say, and at most.
const PAGE: usize = 100;

/// The id without the `/hostedzone/` or `/change/` that clients may put before it.
fn bare_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn no_zone(id: &str) -> Refusal {
    let id: String = bare_id(id).chars().take(64).collect();
    Refusal::new(
        "NoSuchHostedZone",
        format!("No hosted zone found with ID: {id}"),
    )
}

/// The caller's zone with this id.
fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<HostedZone>, Refusal> {
    match intent.get::<HostedZone>(bare_id(id)) {
        Some(zone) if zone.owner == ctx.caller.account => Ok(zone.clone()),
        _ => Err(no_zone(id)),
    }
}

fn invalid_input(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidInput", message)
}

/// The zone of this name that a VPC's resolver answers from, if there is one.
pub(crate) fn zone_in_vpc(intent: &Intent, vpc: &VpcId, name: &str) -> Option<Arc<HostedZone>> {
    let zones = intent
        .in_vpc::<ZoneAssociation>(vpc)
        .filter_map(|association| intent.get::<HostedZone>(&association.zone));
    zones.into_iter().find(|zone| zone.name == name).cloned()
}

/// Takes a VPC that is being deleted out of zones, rules and query logs.
pub(crate) fn forget_vpc(draft: &mut Draft, vpc: &VpcId) {
    fn drop_all<R: Resource>(draft: &mut Draft, vpc: &VpcId) {
        let keys: Vec<String> = draft.in_vpc::<R>(vpc).map(|r| r.key()).collect();
        for key in keys {
            draft.remove::<R>(key);
        }
    }
    drop_all::<ZoneAssociation>(draft, vpc);
    drop_all::<RuleAssociation>(draft, vpc);
    drop_all::<QueryLogAssociation>(draft, vpc);
    drop_all::<ResolverConfig>(draft, vpc);
}

/// How many items a page may have: `MaxItems` is text on this wire.
fn page_size(input: &Input<'_>, parameter: &str) -> Result<usize, Refusal> {
    match input.text(parameter) {
        None => Ok(PAGE),
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > 0 => Ok(size.min(PAGE)),
            _ => Err(invalid_input(format!(
                "The value '{}' of {parameter} is not a number from 1 to {PAGE}",
                text.chars().take(32).collect::<String>()
            ))),
        },
    }
}

fn show_zone(zone: &HostedZone) -> Value {
    map! {
        "Id" => format!("/hostedzone/{}", zone.id),
        "Name" => record::shown_name(&zone.name),
        "CallerReference" => zone.caller_reference.as_str(),
        "Config" => map! {
            "Comment" => zone.comment.clone(),
            "PrivateZone" => true,
        },
        "ResourceRecordSetCount" => i64::from(zone.records),
    }
}

fn show_vpc(vpc: &VpcId, region: &Region) -> Value {
    map! { "VPCRegion" => region.as_str(), "VPCId" => vpc.as_str() }
}

/// What a change answers: its id, and whether it is in force.
fn change_info(
    ctx: &Ctx,
    generation: Generation,
    comment: Option<&str>,
) -> impl FnOnce(View<'_>) -> Value + Send + 'static {
    let id = change_id::encode(&ctx.caller.account, generation, ctx.now);
    let (now, comment) = (ctx.now, comment.map(str::to_string));
    move |view| {
        map! {
            "Id" => format!("/change/{id}"),
            "Status" => status(view, generation),
            "SubmittedAt" => Value::Time { millis: now },
            "Comment" => comment,
        }
    }
}

fn status(view: View<'_>, generation: Generation) -> &'static str {
    match view.board.reached() >= generation {
        true => "INSYNC",
        false => "PENDING",
    }
}

pub(crate) fn get_change(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let text = bare_id(input.required("Id")?);
    let known = change_id::decode(&ctx.caller.account, text)
        .filter(|(generation, _)| *generation <= view.intent.generation);
    let (generation, at) = known.ok_or_else(|| {
        let text: String = text.chars().take(64).collect();
        Refusal::new(
            "NoSuchChange",
            format!("Could not find resource with ID: {text}"),
        )
    })?;
    Ok(map! { "ChangeInfo" => map! {
        "Id" => format!("/change/{text}"),
        "Status" => status(view, generation),
        "SubmittedAt" => Value::Time { millis: at },
    }})
}
