//! What a site's resolver needs to lead S3's names into a VPC: where the endpoint's own name is, and
//! which inbound addresses answer.

use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Value, map};

use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let vpc = ctx.required::<Vpc>(view.intent, input, "VpcId")?;
    let service = format!("com.amazonaws.{}.s3", vpc.region);
    let endpoints = view.intent.in_vpc::<VpcEndpoint>(&vpc.id);
    let target = endpoints
        .filter(|e| e.service == service)
        .find_map(|e| match &e.kind {
            EndpointKind::Interface { dns_suffix, .. } => {
                Some(names::regional(&e.id, dns_suffix, "s3", &vpc.region))
            }
            EndpointKind::Gateway { .. } => None,
        });
    let inbound = view.intent.in_vpc::<ResolverEndpoint>(&vpc.id);
    let inbound = inbound.filter(|e| e.direction == Direction::Inbound);
    let servers: Vec<String> = inbound
        .flat_map(|e| &e.addresses)
        .map(|address| address.ip.to_string())
        .collect();
    Ok(map! {
        "Names" => names::private_names(&vpc.region),
        "Endpoint" => target,
        "InboundAddresses" => servers,
    })
}
