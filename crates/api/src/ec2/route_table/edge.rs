//! Route tables of gateways: what enters a VPC through one is routed by them [ec2-api §17].

use adit_model::*;

use super::{User, associate_to};
use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::refusal::Refusal;

pub(super) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    table: &RouteTable,
) -> Result<Answer, Refusal> {
    let gateway = gateway(draft, ctx, table, input.required("GatewayId")?)?;
    let there = association_of(draft, &table.vpc, &gateway);
    associate_to(draft, ctx, table, there, User::Gateway(gateway), |intent| {
        if table.associations.iter().any(|a| a.gateway.is_none()) {
            return Err(Refusal::invalid_value(format!(
                "The route table {} is associated with subnets and cannot be one of a gateway.",
                table.id
            )));
        }
        check_routes(intent, table)
    })
}

/// Forgets a gateway that leaves its VPC: no table routes for it, or takes over its routes, any more.
pub(crate) fn forget(draft: &mut Draft, vpc: &VpcId, gateway: &EdgeGateway) {
    let propagates = |id: &VpnGatewayId| id.as_str() == gateway.as_str();
    let tables: Vec<RouteTableId> = draft
        .in_vpc::<RouteTable>(vpc)
        .filter(|table| {
            let mut uses = table.associations.iter();
            uses.any(|a| a.gateway.as_ref() == Some(gateway))
                || table.propagating.iter().any(propagates)
        })
        .map(|table| table.id.clone())
        .collect();
    for table in tables {
        draft.edit::<RouteTable>(table, |table| {
            table.propagating.retain(|id| !propagates(id));
            table
                .associations
                .retain(|a| a.gateway.as_ref() != Some(gateway));
        });
    }
}

/// The table that routes for a gateway, and the association.
fn association_of(
    intent: &Intent,
    vpc: &VpcId,
    gateway: &EdgeGateway,
) -> Option<(RouteTableId, RouteTableAssociationId)> {
    let tables = intent.in_vpc::<RouteTable>(vpc);
    let mut uses = tables.flat_map(|t| t.associations.iter().map(move |a| (&t.id, a)));
    let (of, found) = uses.find(|(_, a)| a.gateway.as_ref() == Some(gateway))?;
    Some((of.clone(), found.id.clone()))
}

fn gateway(
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
    id: &str,
) -> Result<EdgeGateway, Refusal> {
    let (gateway, attached) = match id.starts_with(VpnGatewayId::PREFIX) {
        true => {
            let found = ctx.find::<VpnGateway>(intent, id)?;
            (EdgeGateway::Vpn(found.id.clone()), found.attached.clone())
        }
        false => {
            let found = ctx.find::<InternetGateway>(intent, id)?;
            let gateway = EdgeGateway::Internet(found.id.clone());
            (gateway, found.attached.clone())
        }
    };
    match attached.as_ref() == Some(&table.vpc) {
        true => Ok(gateway),
        false => Err(Refusal::new(
            "Gateway.NotAttached",
            format!("resource {id} is not attached to network {}", table.vpc),
        )),
    }
}

/// The table of a gateway leads into the VPC alone, and takes over no routes.
pub(super) fn check_routes(intent: &Intent, table: &RouteTable) -> Result<(), Refusal> {
    let refused = |why: String| {
        Err(Refusal::invalid_value(format!(
            "The route table {} cannot be associated with a gateway: {why}",
            table.id
        )))
    };
    if let Some(gateway) = table.propagating.first() {
        return refused(format!("it takes over the routes of {gateway}."));
    }
    let vpc = intent.get::<Vpc>(&table.vpc);
    let inside = |destination: &Destination| match (destination, vpc) {
        (Destination::Ipv4(block), Some(vpc)) => vpc.cidrs.iter().any(|c| c.cidr.contains(block)),
        (Destination::Ipv6(block), Some(vpc)) => vpc.ipv6.iter().any(|c| c.cidr.contains(block)),
        _ => false,
    };
    let fits = |route: &&Route| {
        let target = &route.target;
        let through = matches!(
            target,
            RouteTarget::NetworkInterface(_) | RouteTarget::Local
        );
        !through || !inside(&route.destination)
    };
    match table.routes.iter().find(fits) {
        Some(route) => refused(format!(
            "its route to {} leads out of the VPC.",
            route.destination
        )),
        None => Ok(()),
    }
}
