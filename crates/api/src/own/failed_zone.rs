//! Availability zones that the operator takes out of service: names stop leading to interfaces there,
//! which keep their addresses.

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::own::account::only_first;
use crate::refusal::Refusal;

/// The zone that a request names, which must be one of the installation's.
fn zone(input: &Input<'_>, intent: &Intent) -> Result<Zone, Refusal> {
    let text = input.required("Zone")?;
    let zone = text.parse::<Zone>().ok();
    let zone = zone.filter(|zone| {
        let region = intent.get::<RegionInfo>(zone.region());
        region.is_some_and(|region| region.zones.contains(zone))
    });
    zone.ok_or_else(|| Refusal::invalid_value(format!("Invalid availability zone: [{text}]")))
}

/// Failing a failed zone changes nothing.
pub(crate) fn fail(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    only_first(draft, ctx, "fail zones")?;
    let zone = zone(input, draft)?;
    if !draft.is_failed(&zone) {
        draft.put(FailedZone {
            zone,
            since: ctx.now,
        });
    }
    Ok(Answer::done())
}

pub(crate) fn recover(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    only_first(draft, ctx, "recover zones")?;
    let zone = zone(input, draft)?;
    draft.remove::<FailedZone>(&zone);
    Ok(Answer::done())
}

pub(crate) fn list(_: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let show = |failed: &std::sync::Arc<FailedZone>| {
        map! { "Zone" => failed.zone.as_str(), "Since" => failed.since }
    };
    Ok(map! { "FailedZones" => view.intent.failed_zones.values().map(show).collect::<Value>() })
}
