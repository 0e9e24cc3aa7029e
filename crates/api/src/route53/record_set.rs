//! Record sets: read from a request, shown, listed.

use adit_model::record::RecordValue;
use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Map, Value, map};

use super::{find, invalid_input, page_size};
use crate::context::{Ctx, View};
use crate::ec2::endpoint;
use crate::input::Input;
use crate::refusal::Refusal;

/// Members of ways to choose among sets that are not built.
const UNBUILT: [&str; 8] = [
    "Weight",
    "Region",
    "GeoLocation",
    "Failover",
    "HealthCheckId",
    "TrafficPolicyInstanceId",
    "CidrRoutingConfig",
    "GeoProximityLocation",
];
/// Most values in a set.
const MOST_VALUES: usize = 400;

/// What tells a set apart, for messages.
pub(super) fn describe(set: &ZoneRecord) -> String {
    let name = record::shown_name(&set.name);
    let mut text = format!("name='{name}', type='{}'", set.rtype);
    if let Some(identifier) = &set.set_identifier {
        text.push_str(&format!(", set identifier='{identifier}'"));
    }
    text
}

/// Reads a set for a zone; what is wrong comes as a message of `InvalidChangeBatch`.
pub(super) fn read(zone: &HostedZone, set: &Value) -> Result<ZoneRecord, String> {
    let given = set.get("Name").str().unwrap_or_default();
    let shown: String = given.chars().take(255).collect();
    let name = record::domain_name(given)
        .map_err(|why| format!("FATAL problem: {} encountered with '{shown}'", why.0))?;
    if !record::is_within(&name, &zone.name) {
        return Err(format!(
            "RRSet with DNS name {} is not permitted in zone {}",
            record::shown_name(&name),
            zone.name
        ));
    }
    let rtype = set.get("Type").str().unwrap_or_default();
    let apex = name == zone.name;
    match rtype {
        "CNAME" if apex => {
            return Err(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {}",
                zone.name
            ));
        }
        "SOA" if !apex => {
            return Err(format!(
                "RRSet of type SOA with DNS name {} is only permitted at apex in zone {}",
                record::shown_name(&name),
                zone.name
            ));
        }
        "NS" if !apex => {
            return Err(format!(
                "RRSet of type NS with DNS name {} is not permitted: a private hosted zone cannot delegate",
                record::shown_name(&name)
            ));
        }
        known if record::TYPES.contains(&known) => {}
        other => return Err(format!("RRSets of type {other} are not supported")),
    }
    let (set_identifier, routing) = routing(set, &name, rtype)?;
    let content = match set.get("AliasTarget") {
        Value::Null => values(set, &name, rtype)?,
        alias => alias_target(zone, set, alias, rtype)?,
    };
    if rtype == "SOA"
        && !matches!(&content, RecordContent::Values { values, .. } if values.len() == 1)
    {
        return Err("A HostedZone must contain exactly one SOA record.".to_string());
    }
    Ok(ZoneRecord {
        zone: zone.id.clone(),
        name,
        rtype: rtype.to_string(),
        set_identifier,
        routing,
        content,
    })
}

fn routing(
    set: &Value,
    name: &str,
    rtype: &str,
) -> Result<(Option<String>, Option<Routing>), String> {
    let what = || {
        format!(
            "RRSet with DNS name {}, type {rtype}",
            record::shown_name(name)
        )
    };
    if let Some(member) = UNBUILT.iter().find(|member| !set.get(member).is_null()) {
        return Err(format!(
            "{}: {member} is not supported; simple and multivalue answer routing are",
            what()
        ));
    }
    let identifier = set.get("SetIdentifier").str();
    let routing = match set.get("MultiValueAnswer").bool() {
        Some(true) => Some(Routing::MultiValue),
        _ => None,
    };
    match (identifier, routing) {
        (None, Some(_)) => Err(format!("Missing field 'SetIdentifier' in {}", what())),
        (Some(_), None) => Err(format!("Missing field 'MultiValueAnswer' in {}", what())),
        (Some(text), _) if text.is_empty() || text.len() > 128 => Err(format!(
            "{}: SetIdentifier must have 1 to 128 characters",
            what()
        )),
        (identifier, routing) => Ok((identifier.map(str::to_string), routing)),
    }
}

fn values(set: &Value, name: &str, rtype: &str) -> Result<RecordContent, String> {
    let what = || {
        format!(
            "RRSet with DNS name {}, type {rtype}",
            record::shown_name(name)
        )
    };
    let Some(ttl) = set.get("TTL").int() else {
        return Err(format!("Missing field 'TTL' in {}", what()));
    };
    let mut values = Vec::new();
    for value in set.get("ResourceRecords").list() {
        let text = value.get("Value").str().unwrap_or_default();
        RecordValue::parse(rtype, text).map_err(|why| {
            let text: String = text.chars().take(255).collect();
            format!(
                "Invalid Resource Record: 'FATAL problem: {} encountered with '{text}''",
                why.0
            )
        })?;
        if values.iter().any(|there| there == text) {
            return Err(format!("Duplicate Resource Record: '{text}'"));
        }
        values.push(text.to_string());
    }
    match values.len() {
        0 => Err(format!("Missing field 'ResourceRecords' in {}", what())),
        n if n > MOST_VALUES => Err(format!("{} has more than {MOST_VALUES} values", what())),
        n if n > 1 && rtype == "CNAME" => Err(format!("{} has more than one value", what())),
        _ => Ok(RecordContent::Values {
            ttl: u32::try_from(ttl).unwrap_or_default(),
            values,
        }),
    }
}

fn alias_target(
    zone: &HostedZone,
    set: &Value,
    alias: &Value,
    rtype: &str,
) -> Result<RecordContent, String> {
    if !set.get("TTL").is_null() || !set.get("ResourceRecords").list().is_empty() {
        return Err("An alias has neither a TTL nor ResourceRecords".to_string());
    }
    let of = super::bare_id(alias.get("HostedZoneId").str().unwrap_or_default());
    let text = alias.get("DNSName").str().unwrap_or_default();
    let shown: String = text.chars().take(255).collect();
    let target = record::domain_name(text)
        .map_err(|why| format!("FATAL problem: {} encountered with '{shown}'", why.0))?;
    let tried = format!(
        "Tried to create an alias that targets {}, type {rtype} in zone {of}, but",
        record::shown_name(&target)
    );
    if of == zone.id.as_str() {
        if !record::is_within(&target, &zone.name) {
            return Err(format!(
                "{tried} the alias target name does not lie within the target zone"
            ));
        }
        if matches!(rtype, "NS" | "SOA") {
            return Err(format!("{tried} an alias cannot be of this type"));
        }
    } else {
        // An endpoint's name, as `DnsEntries` shows it.
        let bare = target.trim_end_matches('.').trim_start_matches("*.");
        let region = match names::parse(bare) {
            Some(names::S3Name::Endpoint(name)) => Some(name.region),
            _ => None,
        };
        if region
            .map(|region| endpoint::endpoint_zone(&region))
            .as_deref()
            != Some(of)
        {
            return Err(format!(
                "{tried} the alias target name does not lie within the target zone"
            ));
        }
        if !matches!(rtype, "A" | "AAAA") {
            return Err(format!(
                "{tried} the name of a VPC endpoint has no such type"
            ));
        }
    }
    Ok(RecordContent::Alias {
        zone: of.to_string(),
        target,
        evaluate: alias.get("EvaluateTargetHealth").bool().unwrap_or(false),
    })
}

fn show(set: &ZoneRecord) -> Value {
    let mut output = Map::new();
    output.push("Name", record::shown_name(&set.name));
    output.push("Type", set.rtype.as_str());
    output.push("SetIdentifier", set.set_identifier.clone());
    match set.routing {
        Some(Routing::MultiValue) => output.push("MultiValueAnswer", true),
        None => {}
    }
    match &set.content {
        RecordContent::Values { ttl, values } => {
            output.push("TTL", i64::from(*ttl));
            let value = |text: &String| map! { "Value" => text.as_str() };
            output.push(
                "ResourceRecords",
                values.iter().map(value).collect::<Value>(),
            );
        }
        RecordContent::Alias {
            zone,
            target,
            evaluate,
        } => output.push(
            "AliasTarget",
            map! {
                "HostedZoneId" => zone.as_str(),
                "DNSName" => record::shown_name(target),
                "EvaluateTargetHealth" => *evaluate,
            },
        ),
    }
    Value::Map(output)
}

/// Sets in order of their names with the labels reversed, then by type and identifier.
pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let zone = find(view.intent, ctx, input.required("HostedZoneId")?)?;
    let size = page_size(input, "MaxItems")?;
    let (name, rtype) = (input.text("StartRecordName"), input.text("StartRecordType"));
    let identifier = input.text("StartRecordIdentifier");
    if (rtype.is_some() && name.is_none()) || (identifier.is_some() && rtype.is_none()) {
        return Err(invalid_input(
            "The request must contain a start record name with a start record type, and both with a start record identifier.",
        ));
    }
    let from = match name {
        None => format!("{} ", zone.id),
        Some(name) => {
            let name = record::domain_name(name).map_err(|why| invalid_input(why.0))?;
            match rtype {
                None => format!("{} {} ", zone.id, reversed(&name)),
                Some(rtype) => record_key(&zone.id, &name, rtype, identifier),
            }
        }
    };
    let mut sets = view.intent.records_from(&zone.id, from);
    let shown: Value = sets.by_ref().take(size).map(|set| show(set)).collect();
    let next = sets.next();
    Ok(map! {
        "ResourceRecordSets" => shown,
        "IsTruncated" => next.is_some(),
        "NextRecordName" => next.map(|set| record::shown_name(&set.name)),
        "NextRecordType" => next.map(|set| set.rtype.clone()),
        "NextRecordIdentifier" => next.and_then(|set| set.set_identifier.clone()),
        "MaxItems" => size.to_string(),
    })
}
