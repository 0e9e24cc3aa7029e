//! Hosted zones: made, shown, listed in their three orders, deleted.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{association, change_info, find, invalid_input, page_size, show_vpc, show_zone};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The name servers that a private zone shows; nobody asks them.
const NAME_SERVERS: [&str; 4] = [
    "ns-1536.awsdns-00.co.uk.",
    "ns-0.awsdns-00.com.",
    "ns-1024.awsdns-00.org.",
    "ns-512.awsdns-00.net.",
];

/// What a private zone's SOA says after its name servers.
const SOA: &str = "awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = zone_name(input.required("Name")?)?;
    let reference = input.required("CallerReference")?;
    let config = input.get("HostedZoneConfig");
    let vpc = match input.get("VPC") {
        Value::Null => {
            return Err(invalid_input(
                "Only private hosted zones can be created here: name a VPC of this installation in \
                 the parameter VPC.",
            ));
        }
        vpc => association::wanted(draft, vpc)?,
    };
    if config.get("PrivateZone").bool() == Some(false) {
        return Err(invalid_input(
            "When you specify an Amazon VPC, the hosted zone is private: PrivateZone cannot be false.",
        ));
    }
    input
        .refuse_unbuilt(&["DelegationSetId"])
        .map_err(|_| invalid_input("A private hosted zone has no delegation set."))?;
    let mine = || {
        let all = draft.hosted_zones.values();
        all.filter(|zone| zone.owner == ctx.caller.account)
    };
    if mine().any(|zone| zone.caller_reference == reference) {
        return Err(Refusal::new(
            "HostedZoneAlreadyExists",
            format!(
                "A hosted zone has already been created with the specified caller reference: {reference}"
            ),
        )
        .status(409));
    }
    quotas::HOSTED_ZONES_PER_ACCOUNT.check(draft, || mine().count())?;
    if vpc.owner != ctx.caller.account {
        return Err(association::invalid_vpc());
    }
    association::refuse_conflict(draft, &vpc, &name)?;

    let id = new_id(ctx)?;
    let zone = draft.put(HostedZone {
        id: id.clone(),
        owner: ctx.caller.account.clone(),
        name: name.clone(),
        caller_reference: reference.to_string(),
        comment: comment(config.get("Comment").str()),
        records: 2,
        authorized: Vec::new(),
        tags: Tags::new(),
        created: ctx.now,
    });
    for (rtype, ttl, values) in [
        ("NS", 172_800, NAME_SERVERS.map(str::to_string).to_vec()),
        ("SOA", 900, vec![format!("{} {SOA}", NAME_SERVERS[0])]),
    ] {
        draft.put(ZoneRecord {
            zone: id.clone(),
            name: name.clone(),
            rtype: rtype.to_string(),
            set_identifier: None,
            routing: None,
            content: RecordContent::Values { ttl, values },
        });
    }
    draft.put(ZoneAssociation {
        zone: id,
        vpc: vpc.id.clone(),
        region: vpc.region.clone(),
    });
    let change = change_info(ctx, draft.generation, None);
    Ok(Answer::later(move |view| {
        map! {
            "HostedZone" => show_zone(&zone),
            "ChangeInfo" => change(view),
            "VPC" => show_vpc(&vpc.id, &vpc.region),
            "Location" => format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", zone.id),
        }
    }))
}

fn comment(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_string)
}

/// A zone's name in its stored spelling.
fn zone_name(text: &str) -> Result<String, Refusal> {
    let shown: String = text.chars().take(255).collect();
    let invalid = |why: &str| Refusal::new("InvalidDomainName", format!("{why}: '{shown}'"));
    match record::domain_name(text) {
        Ok(name) if name == "." => Err(invalid("This domain name cannot be a hosted zone")),
        Ok(name) if name.starts_with("*.") => Err(invalid("A hosted zone has no wildcard name")),
        Ok(name) => Ok(name),
        Err(why) => Err(invalid(&why.0)),
    }
}

fn new_id(ctx: &mut Ctx) -> Result<HostedZoneId, Refusal> {
    let text = format!(
        "Z{}",
        ctx.ids.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20)
    );
    // The letters are those that the id's form asks for.
    text.parse()
        .map_err(|error: IdError| Refusal::new("InternalError", error.to_string()))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let zone = find(view.intent, ctx, input.required("Id")?)?;
    let vpcs = view
        .intent
        .vpcs_of_zone(&zone.id)
        .map(|association| show_vpc(&association.vpc, &association.region));
    Ok(map! { "HostedZone" => show_zone(&zone), "VPCs" => vpcs.collect::<Value>() })
}

/// The caller's zones in order of their ids.
pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    if let Some(set) = input.text("DelegationSetId") {
        return Err(Refusal::new(
            "NoSuchDelegationSet",
            format!("No delegation set found with ID: {}", super::bare_id(set)),
        )
        .status(400));
    }
    let size = page_size(input, "MaxItems")?;
    let marker = input.text("Marker").unwrap_or_default();
    let from = super::bare_id(marker).to_string();
    let zones = view.intent.hosted_zones.range(from..).map(|(_, zone)| zone);
    let mut zones = zones.filter(|zone| zone.owner == ctx.caller.account);
    let shown: Value = zones
        .by_ref()
        .take(size)
        .map(|zone| show_zone(zone))
        .collect();
    let next = zones.next().map(|zone| zone.id.to_string());
    Ok(map! {
        "HostedZones" => shown,
        "Marker" => marker,
        "IsTruncated" => next.is_some(),
        "NextMarker" => next,
        "MaxItems" => size.to_string(),
    })
}

/// The caller's zones in order of their names, labels reversed.
pub(crate) fn list_by_name(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let size = page_size(input, "MaxItems")?;
    let (name, id) = (input.text("DNSName"), input.text("HostedZoneId"));
    if id.is_some() && name.is_none() {
        return Err(invalid_input(
            "When you specify hostedzoneid, you must also specify dnsname.",
        ));
    }
    let from = match name {
        None => (String::new(), String::new()),
        Some(name) => (
            reversed(&zone_name(name)?),
            super::bare_id(id.unwrap_or_default()).to_string(),
        ),
    };
    let key = |zone: &HostedZone| (reversed(&zone.name), zone.id.to_string());
    let mut zones: Vec<&Arc<HostedZone>> = view
        .intent
        .hosted_zones
        .values()
        .filter(|zone| zone.owner == ctx.caller.account && key(zone) >= from)
        .collect();
    zones.sort_by_cached_key(|zone| key(zone));
    let next = zones.get(size);
    let mut output = Map::new();
    let shown = zones.iter().take(size).map(|zone| show_zone(zone));
    output.push("HostedZones", shown.collect::<Value>());
    output.push("DNSName", name);
    output.push("HostedZoneId", id);
    output.push("IsTruncated", next.is_some());
    output.push(
        "NextDNSName",
        next.map(|zone| record::shown_name(&zone.name)),
    );
    output.push("NextHostedZoneId", next.map(|zone| zone.id.to_string()));
    output.push("MaxItems", size.to_string());
    Ok(Value::Map(output))
}

/// The zones that a VPC's resolver answers from, whoever owns them.
pub(crate) fn list_by_vpc(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("VPCId")?;
    let region = input.required("VPCRegion")?;
    let vpc = view
        .intent
        .get::<Vpc>(id)
        .filter(|vpc| vpc.owner == ctx.caller.account && vpc.region.as_str() == region)
        .ok_or_else(|| invalid_input(format!("The VPC {id} in region {region} does not exist")))?;
    let size = page_size(input, "MaxItems")?;
    let after = input.text("NextToken").unwrap_or_default();
    if !after.is_empty() && after.parse::<HostedZoneId>().is_err() {
        return Err(Refusal::new(
            "InvalidPaginationToken",
            "The value that you specified for NextToken is invalid.",
        ));
    }
    let zones = view
        .intent
        .in_vpc::<ZoneAssociation>(&vpc.id)
        .filter_map(|association| view.intent.get::<HostedZone>(&association.zone));
    let mut zones = zones.filter(|zone| zone.id.as_str() > after);
    let shown: Vec<&Arc<HostedZone>> = zones.by_ref().take(size).collect();
    let more = zones.next().is_some();
    let next = shown
        .last()
        .filter(|_| more)
        .map(|zone| zone.id.to_string());
    let summary = |zone: &&Arc<HostedZone>| {
        map! {
            "HostedZoneId" => zone.id.as_str(),
            "Name" => record::shown_name(&zone.name),
            "Owner" => map! { "OwningAccount" => zone.owner.as_str() },
        }
    };
    Ok(map! {
        "HostedZoneSummaries" => shown.iter().map(summary).collect::<Value>(),
        "MaxItems" => size.to_string(),
        "NextToken" => next,
    })
}

pub(crate) fn count(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let mine = view.intent.hosted_zones.values();
    let mine = mine.filter(|zone| zone.owner == ctx.caller.account).count();
    Ok(map! { "HostedZoneCount" => mine })
}

pub(crate) fn update_comment(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = find(draft, ctx, input.required("Id")?)?;
    let comment = comment(input.text("Comment"));
    let changed = draft.edit::<HostedZone>(&zone.id, |zone| zone.comment = comment);
    let zone = changed.unwrap_or(zone);
    Ok(Answer::from(map! { "HostedZone" => show_zone(&zone) }))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = find(draft, ctx, input.required("Id")?)?;
    let of_itself =
        |record: &ZoneRecord| record.name == zone.name && matches!(&*record.rtype, "NS" | "SOA");
    let records: Vec<Arc<ZoneRecord>> = draft.records_of_zone(&zone.id).cloned().collect();
    if records.iter().any(|record| !of_itself(record)) {
        return Err(Refusal::new(
            "HostedZoneNotEmpty",
            "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.",
        ));
    }
    for record in records {
        draft.remove::<ZoneRecord>(record.key());
    }
    let associations: Vec<String> = draft.vpcs_of_zone(&zone.id).map(|a| a.key()).collect();
    for key in associations {
        draft.remove::<ZoneAssociation>(key);
    }
    draft.remove::<HostedZone>(&zone.id);
    let change = change_info(ctx, draft.generation, None);
    Ok(Answer::later(
        move |view| map! { "ChangeInfo" => change(view) },
    ))
}
