//! Limits of accounts and zones, as they are and as they are used.

use adit_model::*;
use adit_wire::{Value, map};

use super::{find, invalid_input};
use crate::context::{Ctx, View};
use crate::input::Input;
use crate::quotas::{self, Quota};
use crate::refusal::Refusal;

fn shown(kind: &str, quota: &Quota, intent: &Intent, count: usize) -> Value {
    map! {
        "Limit" => map! {
            "Type" => kind,
            "Value" => i64::from(quota.value(intent).unwrap_or(u32::MAX)),
        },
        "Count" => count,
    }
}

pub(crate) fn of_zone(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let zone = find(view.intent, ctx, input.required("HostedZoneId")?)?;
    let kind = input.required("Type")?;
    match kind {
        "MAX_RRSETS_BY_ZONE" => {
            let count = zone.records as usize;
            Ok(shown(kind, &quotas::RECORDS_PER_ZONE, view.intent, count))
        }
        _ => {
            let count = view.intent.vpcs_of_zone(&zone.id).count();
            Ok(shown(kind, &quotas::VPCS_PER_ZONE, view.intent, count))
        }
    }
}

pub(crate) fn of_account(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    match input.required("Type")? {
        kind @ "MAX_HOSTED_ZONES_BY_OWNER" => {
            let zones = view.intent.hosted_zones.values();
            let count = zones
                .filter(|zone| zone.owner == ctx.caller.account)
                .count();
            let quota = &quotas::HOSTED_ZONES_PER_ACCOUNT;
            Ok(shown(kind, quota, view.intent, count))
        }
        other => Err(invalid_input(format!("There is no limit {other} here."))),
    }
}
