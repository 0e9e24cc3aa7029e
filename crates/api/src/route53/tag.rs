//! Tags of hosted zones.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::{find, invalid_input};
use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// The zone that a request means: there are no health checks here.
fn zone(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    id: &str,
) -> Result<Arc<HostedZone>, Refusal> {
    match input.text("ResourceType") {
        Some("hostedzone") => find(intent, ctx, id),
        _ => Err(Refusal::new(
            "NoSuchHealthCheck",
            format!("A health check with id {id} does not exist."),
        )),
    }
}

pub(crate) fn change(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = zone(input, draft, ctx, input.required("ResourceId")?)?;
    let mut tags = zone.tags.clone();
    for key in input.texts("RemoveTagKeys") {
        tags.remove(key);
    }
    for tag in input.get("AddTags").list() {
        let (key, value) = tag_of(tag).map_err(|refusal| invalid_input(refusal.message))?;
        tags.insert(key.to_string(), value.to_string());
    }
    check_tag_count(&tags).map_err(|refusal| invalid_input(refusal.message))?;
    if tags != zone.tags {
        draft.edit::<HostedZone>(&zone.id, |zone| zone.tags = tags);
    }
    Ok(Answer::done())
}

fn show(zone: &HostedZone) -> Value {
    map! {
        "ResourceType" => "hostedzone",
        "ResourceId" => zone.id.as_str(),
        "Tags" => tags(&zone.tags),
    }
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let zone = zone(input, view.intent, ctx, input.required("ResourceId")?)?;
    Ok(map! { "ResourceTagSet" => show(&zone) })
}

pub(crate) fn list_of_several(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let mut sets = Vec::new();
    for id in input.texts("ResourceIds") {
        sets.push(show(&*zone(input, view.intent, ctx, id)?));
    }
    Ok(map! { "ResourceTagSets" => sets })
}
