//! Virtual private gateways: the VPC's side of its on-premises connections [ec2-api §18].

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::ec2::route_table::edge;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The autonomous system number of our side unless another is asked for.
const ASN: i64 = 64512;

/// The one type of VPN there is.
pub(crate) fn check_type(input: &Input<'_>) -> Result<(), Refusal> {
    match input.required("Type")? {
        "ipsec.1" => Ok(()),
        other => Err(Refusal::invalid_value(format!(
            "Value ({other}) for parameter type is invalid. Expecting ipsec.1."
        ))),
    }
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    check_type(input)?;
    let tags = input.tags("vpn-gateway")?;
    let zone = crate::ec2::place::zone_of(input, draft, &ctx.region)?;
    let asn = match input.get("AmazonSideAsn").int() {
        None => ASN,
        Some(asn @ (64512..=65534 | 4_200_000_000..=4_294_967_294)) => asn,
        Some(asn) => {
            return Err(Refusal::invalid_value(format!(
                "Value ({asn}) for parameter amazonSideAsn is invalid. Expecting a private ASN."
            )));
        }
    };
    let here = || {
        let all = draft.vpn_gateways.values();
        all.filter(|there| ctx.sees(draft, &***there)).count()
    };
    quotas::VPN_GATEWAYS_PER_REGION.check(draft, here)?;
    let gateway = draft.put(VpnGateway {
        id: VpnGatewayId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        zone,
        asn,
        attached: None,
        tags,
    });
    Ok(Answer::from(map! { "VpnGateway" => show(&gateway) }))
}

/// One gateway for a VPC, one VPC for a gateway.
pub(crate) fn attach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<VpnGateway>(draft, input, "VpnGatewayId")?;
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    match &gateway.attached {
        Some(there) if *there == vpc.id => {}
        Some(other) => {
            return Err(Refusal::new(
                "VpnGatewayAttachmentLimitExceeded",
                format!(
                    "The vpnGateway {} is already attached to {other}",
                    gateway.id
                ),
            ));
        }
        None if draft.in_vpc::<VpnGateway>(&vpc.id).next().is_some() => {
            return Err(Refusal::new(
                "InvalidVpcState",
                format!("Network {} already has a VPN gateway attached", vpc.id),
            ));
        }
        None => {
            draft.edit::<VpnGateway>(&gateway.id, |gateway| {
                gateway.attached = Some(vpc.id.clone());
            });
        }
    }
    let attachment = map! { "VpcId" => vpc.id.as_str(), "State" => "attached" };
    Ok(Answer::from(map! { "VpcAttachment" => attachment }))
}

/// Tables no longer take over the routes of a gateway that is not there, and none routes for it.
pub(crate) fn detach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<VpnGateway>(draft, input, "VpnGatewayId")?;
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    if gateway.attached.as_ref() != Some(&vpc.id) {
        return Err(Refusal::new(
            "InvalidVpnGatewayAttachment.NotFound",
            format!(
                "The attachment with vpn gateway ID '{}' and vpc ID '{}' does not exist",
                gateway.id, vpc.id
            ),
        ));
    }
    edge::forget(draft, &vpc.id, &EdgeGateway::Vpn(gateway.id.clone()));
    draft.edit::<VpnGateway>(&gateway.id, |gateway| gateway.attached = None);
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<VpnGateway>(draft, input, "VpnGatewayId")?;
    if gateway.attached.is_some() || in_use(draft, gateway.id.as_str()) {
        return Err(Refusal::new(
            "IncorrectState",
            format!("The vpnGateway '{}' is in use.", gateway.id),
        ));
    }
    draft.remove::<VpnGateway>(&gateway.id);
    Ok(Answer::done())
}

/// Whether a VPN connection uses a gateway.
pub(crate) fn in_use(intent: &Intent, gateway: &str) -> bool {
    let mut connections = intent.related_to::<VpnConnection>(gateway);
    connections.next().is_some()
}

/// Whether a table may take over a gateway's routes.
fn propagation(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
) -> Result<(RouteTableId, VpnGatewayId), Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    let id = input.required("GatewayId")?;
    let gateway = ctx.find::<VpnGateway>(draft, id).map_err(|_| {
        Refusal::new(
            "InvalidGatewayID.NotFound",
            format!("The gateway ID '{id}' does not exist"),
        )
    })?;
    if gateway.attached.as_ref() != Some(&table.vpc) {
        return Err(Refusal::new(
            "Gateway.NotAttached",
            format!("resource {id} is not attached to network {}", table.vpc),
        ));
    }
    if table.associations.iter().any(|a| a.gateway.is_some()) {
        return Err(Refusal::invalid_value(format!(
            "route table {} is associated with a gateway and cannot take over routes",
            table.id
        )));
    }
    Ok((table.id.clone(), gateway.id.clone()))
}

pub(crate) fn enable_propagation(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (table, gateway) = propagation(input, draft, ctx)?;
    draft.edit::<RouteTable>(table, |table| {
        if !table.propagating.contains(&gateway) {
            table.propagating.push(gateway);
        }
    });
    Ok(Answer::done())
}

pub(crate) fn disable_propagation(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    let id = input.required("GatewayId")?;
    draft.edit::<RouteTable>(&table.id, |table| {
        table.propagating.retain(|there| there.as_str() != id);
    });
    Ok(Answer::done())
}

const DESCRIBE: Describe<VpnGateway> = Describe {
    ids: "VpnGatewayIds",
    items: "VpnGateways",
    pages: 1..=1000,
    filters: &[
        "amazon-side-asn",
        "attachment.state",
        "attachment.vpc-id",
        "availability-zone",
        "state",
        "type",
        "vpn-gateway-id",
    ],
    show: |gateway, _| show(gateway),
    filter: |gateway, name, _| {
        let attached = gateway.attached.iter();
        Some(match name {
            "amazon-side-asn" => vec![gateway.asn.to_string()],
            "attachment.state" => attached.map(|_| "attached".to_string()).collect(),
            "attachment.vpc-id" => attached.map(String::from).collect(),
            "availability-zone" => gateway.zone.iter().map(String::from).collect(),
            "state" => vec!["available".to_string()],
            "type" => vec!["ipsec.1".to_string()],
            "vpn-gateway-id" => vec![gateway.id.to_string()],
            _ => return None,
        })
    },
};

/// This operation has no pages.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx).map(without_pages)
}

/// An answer of an operation that has no pages.
pub(crate) fn without_pages(mut answer: Value) -> Value {
    if let Some(map) = answer.map_mut() {
        map.remove("NextToken");
    }
    answer
}

fn show(gateway: &VpnGateway) -> Value {
    let attachment = |vpc: &VpcId| map! { "VpcId" => vpc.as_str(), "State" => "attached" };
    map! {
        "VpnGatewayId" => gateway.id.as_str(),
        "State" => "available",
        "Type" => "ipsec.1",
        "AmazonSideAsn" => gateway.asn,
        "AvailabilityZone" => gateway.zone.as_ref().map(String::from),
        "VpcAttachments" => gateway.attached.iter().map(attachment).collect::<Value>(),
        "Tags" => tags(&gateway.tags),
    }
}
