//! Regions and availability zones: which this installation has [ec2-api §20].

use adit_model::*;
use adit_wire::{Value, list, map};

use crate::context::{Ctx, View};
use crate::describe::Query;
use crate::input::Input;
use crate::refusal::Refusal;

/// The zone that a request names by name or id, if it names one.
pub(crate) fn zone_of(
    input: &Input<'_>,
    intent: &Intent,
    region: &Region,
) -> Result<Option<Zone>, Refusal> {
    let zones = intent
        .get::<RegionInfo>(region)
        .map(|r| r.zones.clone())
        .unwrap_or_default();
    let refused = |text: &str, parameter: &str, all: Vec<String>| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. Subnets can currently only be created in the following availability zones: {}.",
            all.join(", ")
        ))
    };
    let named = |parameter| input.text(parameter).filter(|text: &&str| !text.is_empty());
    let by_name = match named("AvailabilityZone") {
        None => None,
        Some(text) => match zones.iter().find(|zone| zone.as_str() == text) {
            Some(zone) => Some(zone.clone()),
            None => {
                let all = zones.iter().map(Zone::to_string).collect();
                return Err(refused(text, "availabilityZone", all));
            }
        },
    };
    let id_of = |zone: &Zone| intent.zone_id(zone).unwrap_or_default();
    let by_id = match named("AvailabilityZoneId") {
        None => None,
        Some(text) => match zones.iter().find(|zone| id_of(zone) == text) {
            Some(zone) => Some(zone.clone()),
            None => {
                let all = zones.iter().map(id_of).collect();
                return Err(refused(text, "availabilityZoneId", all));
            }
        },
    };
    match (by_name, by_id) {
        (Some(name), Some(id)) if name != id => Err(Refusal::combination(
            "AvailabilityZone and AvailabilityZoneId name different availability zones",
        )),
        (name, id) => Ok(name.or(id)),
    }
}

const ZONE_FILTERS: &[&str] = &[
    "group-name",
    "message",
    "opt-in-status",
    "parent-zone-id",
    "parent-zone-name",
    "parentZoneId",
    "parentZoneName",
    "region-name",
    "state",
    "zone-id",
    "zone-name",
    "zone-type",
];

pub(crate) fn describe_zones(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let zones = match view.intent.get::<RegionInfo>(&ctx.region) {
        Some(region) => region.zones.clone(),
        None => Vec::new(),
    };
    let id_of = |zone: &Zone| view.intent.zone_id(zone).unwrap_or_default();
    let (names, ids) = (input.texts("ZoneNames"), input.texts("ZoneIds"));
    for name in &names {
        if !zones.iter().any(|zone| zone.as_str() == *name) {
            return Err(Refusal::invalid_value(format!(
                "Invalid availability zone: [{name}]"
            )));
        }
    }
    for id in &ids {
        if !zones.iter().any(|zone| id_of(zone) == *id) {
            return Err(Refusal::invalid_value(format!(
                "Invalid availability zone-id: [{id}]"
            )));
        }
    }
    let group = format!("{}-zg-1", ctx.region);
    let query = Query::of(input, false, &(1..=1000), |name| {
        ZONE_FILTERS.contains(&name)
    })?;
    let wanted = zones.iter().filter(|zone| {
        let named = names.contains(&zone.as_str()) || ids.contains(&id_of(zone).as_str());
        (named || (names.is_empty() && ids.is_empty()))
            && query.matches(|name| match name {
                "group-name" => vec![group.clone()],
                "opt-in-status" => vec!["opt-in-not-required".into()],
                "region-name" => vec![ctx.region.to_string()],
                "state" => vec!["available".into()],
                "zone-id" => vec![id_of(zone)],
                "zone-name" => vec![zone.to_string()],
                "zone-type" => vec!["availability-zone".into()],
                _ => Vec::new(),
            })
    });
    let show = |zone: &Zone| {
        map! {
            "ZoneName" => zone.as_str(),
            "ZoneId" => id_of(zone),
            "State" => "available",
            "RegionName" => ctx.region.as_str(),
            "OptInStatus" => "opt-in-not-required",
            "GroupName" => group.as_str(),
            "NetworkBorderGroup" => ctx.region.as_str(),
            "ZoneType" => "availability-zone",
            "Messages" => list![],
        }
    };
    Ok(map! { "AvailabilityZones" => wanted.map(show).collect::<Value>() })
}

pub(crate) fn describe_regions(
    input: &Input<'_>,
    view: View<'_>,
    _: &Ctx,
) -> Result<Value, Refusal> {
    let names = input.texts("RegionNames");
    for name in &names {
        if view.intent.get::<RegionInfo>(name).is_none() {
            return Err(Refusal::invalid_value(format!(
                "Invalid region names: [{name}]"
            )));
        }
    }
    let query = Query::of(input, false, &(1..=1000), |name| {
        matches!(name, "endpoint" | "opt-in-status" | "region-name")
    })?;
    let endpoint = |region: &Region| format!("ec2.{region}.amazonaws.com");
    let wanted = view.intent.regions.values().filter(|region| {
        (names.is_empty() || names.contains(&region.name.as_str()))
            && query.matches(|name| match name {
                "endpoint" => vec![endpoint(&region.name)],
                "opt-in-status" => vec!["opt-in-not-required".into()],
                _ => vec![region.name.to_string()],
            })
    });
    let show = |region: &std::sync::Arc<RegionInfo>| {
        map! {
            "RegionName" => region.name.as_str(),
            "Endpoint" => endpoint(&region.name),
            "OptInStatus" => "opt-in-not-required",
        }
    };
    Ok(map! { "Regions" => wanted.map(show).collect::<Value>() })
}
