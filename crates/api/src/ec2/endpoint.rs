//! VPC endpoints [ec2-api §4–§12]: made, changed, deleted, shown.

pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod interface;
pub(crate) mod modify;
pub(crate) mod state;

use std::sync::Arc;

use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Map, Value, list, map};

use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Describe, Query, is_tag_filter, tags};
use crate::ec2::endpoint_service::{self, Offer};
use crate::input::{Input, malformed};
use crate::refusal::Refusal;

/// The policy of an endpoint that was given none: everything is allowed.
fn default_policy(gateway: bool) -> &'static str {
    match gateway {
        true => DEFAULT_GATEWAY_POLICY,
        false => DEFAULT_INTERFACE_POLICY,
    }
}

/// The caller's endpoint with this id; an id of the wrong form is told apart.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<VpcEndpoint>, Refusal> {
    id.parse::<VpcEndpointId>()
        .map_err(|error| malformed("InvalidVpcEndpointId.Malformed", "Id", &error))?;
    ctx.find::<VpcEndpoint>(intent, id)
}

pub(super) fn is_gateway(endpoint: &VpcEndpoint) -> bool {
    matches!(endpoint.kind, EndpointKind::Gateway { .. })
}

fn type_name(endpoint: &VpcEndpoint) -> &'static str {
    match is_gateway(endpoint) {
        true => "Gateway",
        false => "Interface",
    }
}

/// Does something for each id, and answers with those for which it was refused.
pub(super) fn unsuccessful(
    ids: &[&str],
    mut each: impl FnMut(&str) -> Result<(), Refusal>,
) -> Answer {
    let mut unsuccessful = Vec::new();
    for id in ids {
        if let Err(refusal) = each(id) {
            unsuccessful.push(map! {
                "ResourceId" => *id,
                "Error" => map! {
                    "Code" => refusal.code.as_ref(),
                    "Message" => refusal.message,
                },
            });
        }
    }
    Answer::from(map! { "Unsuccessful" => Value::List(unsuccessful) })
}

const DESCRIBE: Describe<VpcEndpoint> = Describe {
    ids: "VpcEndpointIds",
    items: "VpcEndpoints",
    pages: 1..=1000,
    filters: &[
        "ip-address-type",
        "service-name",
        "service-region",
        "vpc-id",
        "vpc-endpoint-id",
        "vpc-endpoint-state",
        "vpc-endpoint-type",
    ],
    show,
    filter: |endpoint, name, view| {
        Some(match name {
            "ip-address-type" => vec![endpoint.address_type.as_str().into()],
            "service-name" => vec![endpoint.service.clone()],
            "service-region" => service_region_name(endpoint, view.intent)
                .map(str::to_string)
                .into_iter()
                .collect(),
            "vpc-id" => vec![endpoint.vpc.to_string()],
            "vpc-endpoint-id" => vec![endpoint.id.to_string()],
            "vpc-endpoint-state" => vec![state::of(endpoint, view).word.into()],
            "vpc-endpoint-type" => vec![type_name(endpoint).into()],
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run_with(input, view, ctx, |id| find(view.intent, ctx, id))
}

/// Associations are what endpoints of resources and of service networks have; there are none here.
pub(crate) fn describe_associations(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let ids = input.texts("VpcEndpointIds");
    for id in &ids {
        find(view.intent, ctx, id)?;
    }
    let known = [
        "vpc-endpoint-id",
        "associated-resource-accessibility",
        "association-id",
        "associated-resource-id",
        "service-network-arn",
        "resource-configuration-group-arn",
    ];
    Query::of(input, false, &(1..=100), |name| {
        known.contains(&name) || is_tag_filter(name)
    })?;
    let mut output = Map::new();
    output.push("VpcEndpointAssociations", list![]);
    Ok(Value::Map(output))
}

/// The Region of the service: the VPC's own unless the endpoint reaches across.
fn service_region<'a>(endpoint: &'a VpcEndpoint, intent: &'a Intent) -> Option<&'a Region> {
    endpoint
        .service_region
        .as_ref()
        .or_else(|| endpoint.region(intent))
}

/// The same as text, which the name of the service has in it: the VPC need not be looked up.
fn service_region_name<'a>(endpoint: &'a VpcEndpoint, intent: &'a Intent) -> Option<&'a str> {
    match endpoint.region_in_name() {
        Some(region) => Some(region),
        None => service_region(endpoint, intent).map(Region::as_str),
    }
}

fn show(endpoint: &VpcEndpoint, view: View<'_>) -> Value {
    let gateway = is_gateway(endpoint);
    let (mut route_tables, mut private_dns, mut inbound_only) = (Vec::new(), false, None);
    let (mut subnets, mut interfaces, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    match &endpoint.kind {
        EndpointKind::Gateway {
            route_tables: tables,
        } => {
            route_tables = tables.iter().map(String::from).collect();
        }
        EndpointKind::Interface {
            interfaces: enis,
            subnets: of,
            groups: ids,
            private_dns: on,
            inbound_only: only,
            ..
        } => {
            subnets = of.iter().map(String::from).collect();
            interfaces = enis.iter().map(String::from).collect();
            groups = ids
                .iter()
                .filter_map(|id| view.intent.get::<SecurityGroup>(id))
                .collect();
            private_dns = *on;
            // Only services with both types of endpoint know the option.
            inbound_only = (endpoint.serves() == Some(Served::S3)).then_some(*only);
        }
    }
    let group = |group: &Arc<SecurityGroup>| {
        map! { "GroupId" => group.id.as_str(), "GroupName" => group.name.as_str() }
    };
    let state = state::of(endpoint, view);
    // Gateway endpoints have whole seconds, the others milliseconds [ec2-api §1].
    let created = match gateway {
        true => endpoint.created - endpoint.created.rem_euclid(1000),
        false => endpoint.created,
    };
    map! {
        "VpcEndpointId" => endpoint.id.as_str(),
        "VpcEndpointType" => type_name(endpoint),
        "VpcId" => endpoint.vpc.as_str(),
        "ServiceName" => endpoint.service.as_str(),
        "ServiceRegion" => service_region_name(endpoint, view.intent),
        "State" => state.word,
        "PolicyDocument" => endpoint.policy.as_str(),
        "RouteTableIds" => route_tables,
        "SubnetIds" => subnets,
        "Groups" => groups.into_iter().map(group).collect::<Value>(),
        "IpAddressType" => endpoint.address_type.as_str(),
        "DnsOptions" => map! {
            "DnsRecordIpType" => record_type(endpoint).as_str(),
            "PrivateDnsOnlyForInboundResolverEndpoint" => inbound_only,
        },
        "PrivateDnsEnabled" => private_dns,
        "RequesterManaged" => false,
        "NetworkInterfaceIds" => interfaces,
        "DnsEntries" => dns_entries(endpoint, view.intent),
        "CreationTimestamp" => Value::Time { millis: created },
        "Tags" => tags(&endpoint.tags),
        "OwnerId" => endpoint.owner.as_str(),
        "LastError" => state.error.as_ref().map(|error| {
            map! { "Code" => error.code, "Message" => error.message.as_str() }
        }),
        "FailureReason" => state.failure_reason(),
    }
}

/// Which records the names of an endpoint have: what its owner chose, else what goes with its kind
/// and addresses [dns §5].
fn record_type(endpoint: &VpcEndpoint) -> DnsRecordType {
    let default = match (is_gateway(endpoint), endpoint.address_type) {
        (true, _) => DnsRecordType::ServiceDefined,
        (false, AddressType::Ipv4) => DnsRecordType::Ipv4,
        (false, AddressType::Ipv6) => DnsRecordType::Ipv6,
        (false, AddressType::Dualstack) => DnsRecordType::Dualstack,
    };
    endpoint.dns_record.unwrap_or(default)
}

/// The names of an interface endpoint: regional, one for each zone, then private ones. One that
/// reaches into another Region has the regional name alone [dns §1].
pub(super) fn dns_entries(endpoint: &VpcEndpoint, intent: &Intent) -> Value {
    let EndpointKind::Interface {
        subnets,
        dns_suffix: suffix,
        private_dns,
        ..
    } = &endpoint.kind
    else {
        return list![];
    };
    let Some(region) = service_region(endpoint, intent) else {
        return list![];
    };
    let short = endpoint_service::short_name(&endpoint.service);
    let zone_id = endpoint_zone(region);
    // S3 shows its names with a wildcard: clients put `bucket` and the like in front.
    let front = match endpoint.serves() {
        Some(Served::S3) => "*.",
        _ => "",
    };
    let entry = |name: String, zone: &str| map! { "DnsName" => name, "HostedZoneId" => zone };
    let regional = names::regional(&endpoint.id, suffix, short, region);
    let mut entries = vec![entry(format!("{front}{regional}"), &zone_id)];
    if endpoint.service_region.is_none() {
        for subnet in subnets.iter().filter_map(|id| intent.get::<Subnet>(id)) {
            let name = names::zonal(&endpoint.id, suffix, &subnet.zone, short, region);
            entries.push(entry(format!("{front}{name}"), &zone_id));
        }
    }
    if *private_dns && let Some(offer) = endpoint_service::of(intent, endpoint) {
        for name in offer.private_names() {
            let zone = hosted_zone(&format!("{} {name}", endpoint.id));
            let shown = match offer {
                Offer::Own(..) => format!("*.{name}"),
                Offer::Customer(_) => name,
            };
            entries.push(entry(shown, &zone));
        }
    }
    Value::List(entries)
}

/// The hosted zone in which AWS keeps the names of all endpoints of a Region [dns §1].
pub(crate) fn endpoint_zone(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "Z7HUB22UULQXV".to_string(),
        "us-west-2" => "Z1YSA3EXCYUU9Z".to_string(),
        other => hosted_zone(other),
    }
}

/// The id of a hosted zone that follows from what it is for.
fn hosted_zone(what: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = ring::digest::digest(&ring::digest::SHA256, what.as_bytes());
    let letters = digest
        .as_ref()
        .iter()
        .take(20)
        .map(|byte| LETTERS[usize::from(byte % 32)]);
    std::iter::once('Z')
        .chain(letters.map(char::from))
        .collect()
}
