//! Connections of endpoints to a provider's service: seen, accepted, rejected [privatelink §2].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::configuration::find;
use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Query, is_tag_filter, tags};
use crate::ec2::endpoint::{self, state, unsuccessful};
use crate::input::Input;
use crate::refusal::Refusal;

/// A connection as its provider sees it.
struct Shown<'a> {
    service: &'a Arc<EndpointService>,
    endpoint: &'a Arc<VpcEndpoint>,
    connection: &'a Connection,
}

impl Shown<'_> {
    fn key(&self) -> String {
        format!("{} {}", self.service.id, self.endpoint.id)
    }

    fn values(&self, filter: &str, view: View<'_>) -> Vec<String> {
        let endpoint = self.endpoint;
        match filter {
            "ip-address-type" => vec![endpoint.address_type.as_str().into()],
            "service-id" => vec![self.service.id.to_string()],
            "vpc-endpoint-owner" => vec![endpoint.owner.to_string()],
            "vpc-endpoint-id" => vec![endpoint.id.to_string()],
            "vpc-endpoint-state" => vec![state::of(endpoint, view).word.into()],
            "vpc-endpoint-region" => {
                let region = endpoint.region(view.intent);
                let mut values: Vec<String> = region.map(Region::to_string).into_iter().collect();
                if region.is_some_and(|region| *region != self.service.region) {
                    values.push("cross-region".into());
                }
                values
            }
            _ => Vec::new(),
        }
    }

    fn show(&self, view: View<'_>) -> Value {
        let endpoint = self.endpoint;
        map! {
            "ServiceId" => self.service.id.as_str(),
            "VpcEndpointId" => endpoint.id.as_str(),
            "VpcEndpointOwner" => endpoint.owner.as_str(),
            "VpcEndpointState" => state::of(endpoint, view).word,
            "CreationTimestamp" => Value::Time { millis: endpoint.created },
            "DnsEntries" => endpoint::dns_entries(endpoint, view.intent),
            "NetworkLoadBalancerArns" =>
                self.service.load_balancers.iter().map(String::as_str).collect::<Value>(),
            "IpAddressType" => endpoint.address_type.as_str(),
            "VpcEndpointConnectionId" => self.connection.id.as_str(),
            "Tags" => tags(&Tags::new()),
            "VpcEndpointRegion" => endpoint.region(view.intent).map(Region::to_string),
        }
    }
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let known = [
        "ip-address-type",
        "service-id",
        "vpc-endpoint-owner",
        "vpc-endpoint-id",
        "vpc-endpoint-state",
        "vpc-endpoint-region",
    ];
    let query = Query::of(input, false, &(5..=1000), |name| {
        known.contains(&name) || is_tag_filter(name)
    })?;
    let services = view
        .intent
        .endpoint_services
        .values()
        .filter(|service| ctx.sees(view.intent, &***service));
    let all = services.flat_map(|service| {
        let endpoints = view.intent.related_to::<VpcEndpoint>(service.id.as_str());
        endpoints.filter_map(move |endpoint| {
            let connection = endpoint.connection.as_ref()?;
            Some(Shown {
                service,
                endpoint,
                connection,
            })
        })
    });
    let wanted = all.filter(|shown| query.matches(|name| shown.values(name, view)));
    let (items, next) = query.page(wanted, |shown| shown.key(), |shown| shown.show(view));
    let mut output = Map::new();
    output.push("VpcEndpointConnections", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

pub(crate) fn accept(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    answer(input, draft, ctx, ConnectionAnswer::Accepted)
}

pub(crate) fn reject(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    answer(input, draft, ctx, ConnectionAnswer::Rejected)
}

/// Says the same to every connection named. A provider may change its mind either way; what was
/// said already is not said again.
fn answer(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &Ctx,
    answer: ConnectionAnswer,
) -> Result<Answer, Refusal> {
    let service = find(draft, ctx, input.required("ServiceId")?)?;
    let ids = input.texts("VpcEndpointIds");
    if ids.is_empty() {
        return Err(Refusal::missing("VpcEndpointId"));
    }
    Ok(unsuccessful(&ids, |id| {
        let endpoint = draft.get::<VpcEndpoint>(id);
        let connection = endpoint.and_then(|endpoint| endpoint.connection.as_ref());
        match connection.filter(|connection| connection.service == service.id) {
            None => return Err(VpcEndpoint::not_found(id)),
            Some(connection) if connection.answer == answer => return Ok(()),
            Some(_) => {}
        }
        let generation = draft.generation;
        draft.edit::<VpcEndpoint>(id, |endpoint| {
            if let Some(connection) = &mut endpoint.connection {
                connection.answer = answer;
            }
            endpoint.changed = generation;
        });
        Ok(())
    }))
}
