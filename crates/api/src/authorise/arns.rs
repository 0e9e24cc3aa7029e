//! What calls of the other services touch.

use adit_model::*;
use adit_wire::{Service, Value};

use super::{Call, Touch};

/// Hosted zones and changes, by their ids, with the keys of record changes [iam-control §5].
pub(super) fn route53<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    let mut touches = Vec::new();
    let change = call.row.name == "GetChange";
    let resource = call.input.text("ResourceId").is_some();
    for name in ["HostedZoneId", "Id", "ResourceId"] {
        let Some(id) = call.input.text(name) else {
            continue;
        };
        let id = id.rsplit('/').next().unwrap_or_default();
        let kind = match call.input.text("ResourceType") {
            Some(kind) if resource => kind,
            _ if change => "change",
            _ => "hostedzone",
        };
        touches.push(Touch::on(format!("arn:aws:route53:::{kind}/{id}")));
    }
    let changes = call.input.get("ChangeBatch").get("Changes").list();
    let each = |find: fn(&Value) -> Option<String>| {
        let mut all: Vec<String> = changes.iter().filter_map(find).collect();
        all.sort();
        all.dedup();
        all
    };
    let vpc = call.input.get("VPC");
    for touch in &mut touches {
        if let (Some(id), Some(region)) = (vpc.get("VPCId").str(), vpc.get("VPCRegion").str()) {
            touch.key("route53:VPCs", format!("VPCId={id},VPCRegion={region}"));
        }
        if changes.is_empty() {
            continue;
        }
        touch.key(
            "route53:ChangeResourceRecordSetsNormalizedRecordNames",
            each(|change| {
                let name = change.get("ResourceRecordSet").get("Name").str()?;
                Some(name.trim_end_matches('.').to_ascii_lowercase())
            }),
        );
        touch.key(
            "route53:ChangeResourceRecordSetsRecordTypes",
            each(|change| {
                change
                    .get("ResourceRecordSet")
                    .get("Type")
                    .str()
                    .map(str::to_string)
            }),
        );
        touch.key(
            "route53:ChangeResourceRecordSetsActions",
            each(|change| change.get("Action").str().map(str::to_string)),
        );
    }
    touches
}

/// Resolver endpoints, rules and the rest, by the prefixes of their ids, and what is made.
pub(super) fn resolver<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    const TYPES: [(&str, &str); 5] = [
        ("rslvr-in-", "resolver-endpoint"),
        ("rslvr-out-", "resolver-endpoint"),
        ("rslvr-rr-", "resolver-rule"),
        ("rslvr-autodefined-rr-", "resolver-rule"),
        ("rqlc-", "resolver-query-log-config"),
    ];
    let arn = |kind: &str, id: &str| {
        let (region, account) = (&call.ctx.region, call.account());
        format!("arn:aws:route53resolver:{region}:{account}:{kind}/{id}")
    };
    let mut touches = by_arn(call);
    let made = match call.row.name {
        "CreateResolverEndpoint" => Some("resolver-endpoint"),
        "CreateResolverRule" => Some("resolver-rule"),
        "CreateResolverQueryLogConfig" => Some("resolver-query-log-config"),
        _ => None,
    };
    touches.extend(made.map(|kind| {
        let mut touch = Touch::on(arn(kind, "*"));
        touch.request_tags(tags(call));
        touch
    }));
    let members = call.input.0.map().into_iter().flat_map(|map| map.iter());
    for id in members.filter_map(|(_, value)| value.str()) {
        if let Some((_, kind)) = TYPES.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            touches.push(Touch::on(arn(kind, id)));
        }
    }
    touches
}

/// The tags of a request.
fn tags<'a>(call: &Call<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    call.input.get("Tags").list().iter().filter_map(|tag| {
        let value = tag.get("Value").str().unwrap_or_default();
        Some((tag.get("Key").str()?, value))
    })
}

/// What a call of another service makes, or names by something else than its ARN.
fn by_name(call: &Call<'_>) -> Option<String> {
    let (region, account) = (&call.ctx.region, call.account());
    let name = call.input.text("Name");
    let balancing = |what: &str, name: &str| {
        format!("arn:aws:elasticloadbalancing:{region}:{account}:{what}/{name}/*")
    };
    match (call.row.service, call.row.name) {
        (Service::Elbv2, "CreateLoadBalancer") => {
            let kind = match call.input.text("Type") {
                Some("network") => "net",
                Some("gateway") => "gwy",
                _ => "app",
            };
            Some(balancing(&format!("loadbalancer/{kind}"), name?))
        }
        (Service::Elbv2, "CreateTargetGroup") => Some(balancing("targetgroup", name?)),
        (Service::Sns, "CreateTopic") => Some(format!("arn:aws:sns:{region}:{account}:{}", name?)),
        (Service::DynamoDb, _) => {
            let table = call.input.text("TableName")?;
            // A table may be named by its ARN.
            Some(match table.starts_with("arn:") {
                true => table.to_string(),
                false => format!("arn:aws:dynamodb:{region}:{account}:table/{table}"),
            })
        }
        _ => None,
    }
}

/// Whatever a call names by its ARN, with the tags that are known of it; and what it makes.
pub(super) fn by_arn<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    if call.row.service == Service::Elbv2 && !call.row.writes() {
        // Load balancing describes without resource level, as EC2 does.
        return Vec::new();
    }
    let members = call.input.0.map().into_iter().flat_map(|map| map.iter());
    let named = members.filter(|(name, _)| name.ends_with("Arn") || name.ends_with("Arns"));
    let named = named
        .flat_map(|(_, value)| value.str().into_iter().chain(value.strings()))
        .filter(|text| text.starts_with("arn:"));
    let mut touches: Vec<Touch<'a>> = named
        .map(|arn| {
            let mut touch = Touch::on(arn);
            for (name, value) in known_tags(call, arn).into_iter().flatten() {
                touch.key(format!("aws:ResourceTag/{name}"), value.clone());
            }
            touch
        })
        .collect();
    touches.extend(by_name(call).map(Touch::on));
    for touch in &mut touches {
        touch.request_tags(tags(call));
    }
    touches
}

/// The tags of what has an ARN for a key, where it is the caller's own.
fn known_tags<'a>(call: &Call<'a>, arn: &str) -> Option<&'a Tags> {
    let intent = call.intent();
    let (owner, tags) = if let Some(found) = intent.get::<LoadBalancer>(arn) {
        (&found.owner, &found.tags)
    } else if let Some(found) = intent.get::<TargetGroup>(arn) {
        (&found.owner, &found.tags)
    } else if let Some(found) = intent.get::<LoadListener>(arn) {
        (&found.owner, &found.tags)
    } else {
        let found = intent.get::<Topic>(arn)?;
        (&found.owner, &found.tags)
    };
    (owner == call.account()).then_some(tags)
}
