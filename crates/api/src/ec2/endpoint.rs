//! VPC endpoints [ec2-api §4–§12]: made, changed, deleted, shown.

pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod interface;
pub(crate) mod modify;

use std::sync::Arc;

use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Value, list, map};

use crate::context::{Ctx, Owned, View};
use crate::describe::{Describe, tags};
use crate::ec2::endpoint_service;
use crate::input::{Input, malformed};
use crate::refusal::Refusal;

/// The policy of an endpoint that was given none: everything is allowed.
fn default_policy(gateway: bool) -> &'static str {
    if gateway {
        DEFAULT_GATEWAY_POLICY
    } else {
        DEFAULT_INTERFACE_POLICY
    }
}

/// The caller's endpoint with this id; an id of the wrong form is told apart.
fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<VpcEndpoint>, Refusal> {
    id.parse::<VpcEndpointId>()
        .map_err(|error| malformed("InvalidVpcEndpointId.Malformed", "Id", &error))?;
    ctx.find::<VpcEndpoint>(intent, id)
}

fn is_gateway(endpoint: &VpcEndpoint) -> bool {
    matches!(endpoint.kind, EndpointKind::Gateway { .. })
}

fn type_name(endpoint: &VpcEndpoint) -> &'static str {
    if is_gateway(endpoint) {
        "Gateway"
    } else {
        "Interface"
    }
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
            "ip-address-type" => vec!["ipv4".into()],
            "service-name" => vec![endpoint.service.clone()],
            "service-region" => endpoint
                .region(view.intent)
                .map(Region::to_string)
                .into_iter()
                .collect(),
            "vpc-id" => vec![endpoint.vpc.to_string()],
            "vpc-endpoint-id" => vec![endpoint.id.to_string()],
            "vpc-endpoint-state" => vec![state(endpoint, view).into()],
            "vpc-endpoint-type" => vec![type_name(endpoint).into()],
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run_with(input, view, ctx, |id| find(view.intent, ctx, id))
}

/// What the planes have made of an endpoint (I9): nobody sets this.
fn state(endpoint: &VpcEndpoint, view: View<'_>) -> &'static str {
    match view.board.in_force(&endpoint.vpc, endpoint.changed) {
        true => "available",
        false => "pending",
    }
}

fn show(endpoint: &VpcEndpoint, view: View<'_>) -> Value {
    let gateway = is_gateway(endpoint);
    let mut route_tables = Vec::new();
    let (mut subnets, mut interfaces, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut private_dns = false;
    let mut inbound_only = None;
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
            inbound_only = Some(*only);
        }
    }
    let group = |group: &Arc<SecurityGroup>| {
        map! { "GroupId" => group.id.as_str(), "GroupName" => group.name.as_str() }
    };
    // A fault of the VPC is why the endpoint is not what it should be.
    let fault = view.board.fault(&endpoint.vpc);
    let last_error =
        fault.map(|fault| map! { "Code" => "InternalError", "Message" => fault.what.as_str() });
    // Gateway endpoints have whole seconds, the others milliseconds [ec2-api §1].
    let created = if gateway {
        endpoint.created - endpoint.created.rem_euclid(1000)
    } else {
        endpoint.created
    };
    map! {
        "VpcEndpointId" => endpoint.id.as_str(),
        "VpcEndpointType" => type_name(endpoint),
        "VpcId" => endpoint.vpc.as_str(),
        "ServiceName" => endpoint.service.as_str(),
        "ServiceRegion" => endpoint.region(view.intent).map(Region::to_string),
        "State" => state(endpoint, view),
        "PolicyDocument" => endpoint.policy.as_str(),
        "RouteTableIds" => route_tables,
        "SubnetIds" => subnets,
        "Groups" => groups.into_iter().map(group).collect::<Value>(),
        "IpAddressType" => "ipv4",
        "DnsOptions" => map! {
            "DnsRecordIpType" => dns_record(endpoint),
            "PrivateDnsOnlyForInboundResolverEndpoint" => inbound_only,
        },
        "PrivateDnsEnabled" => private_dns,
        "RequesterManaged" => false,
        "NetworkInterfaceIds" => interfaces,
        "DnsEntries" => dns_entries(endpoint, view.intent),
        "CreationTimestamp" => Value::Time { millis: created },
        "Tags" => tags(&endpoint.tags),
        "OwnerId" => endpoint.owner.as_str(),
        "LastError" => last_error,
    }
}

fn dns_record(endpoint: &VpcEndpoint) -> &'static str {
    let default = match is_gateway(endpoint) {
        true => DnsRecordType::ServiceDefined,
        false => DnsRecordType::Ipv4,
    };
    endpoint.dns_record.unwrap_or(default).as_str()
}

/// The names of an interface endpoint: regional, one for each zone, then private ones [dns §1].
fn dns_entries(endpoint: &VpcEndpoint, intent: &Intent) -> Value {
    let EndpointKind::Interface {
        subnets,
        dns_suffix: suffix,
        private_dns,
        ..
    } = &endpoint.kind
    else {
        return list![];
    };
    let Some(region) = endpoint.region(intent) else {
        return list![];
    };
    let short = endpoint_service::short_name(&endpoint.service);
    let zone_id = endpoint_zone(region);
    let entry = |name: String, zone: &str| {
        // S3 shows its names with a wildcard: clients put `bucket` and the like in front.
        map! { "DnsName" => format!("*.{name}"), "HostedZoneId" => zone }
    };
    let mut entries = vec![entry(
        names::regional(&endpoint.id, suffix, short, region),
        &zone_id,
    )];
    for subnet in subnets.iter().filter_map(|id| intent.get::<Subnet>(id)) {
        let name = names::zonal(&endpoint.id, suffix, &subnet.zone, short, region);
        entries.push(entry(name, &zone_id));
    }
    if *private_dns {
        for name in names::private_names(region) {
            let zone = hosted_zone(&format!("{} {name}", endpoint.id));
            entries.push(entry(name, &zone));
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
