//! What a static route may point at.

use adit_model::*;

use crate::context::Ctx;
use crate::ec2::peering;
use crate::input::Input;
use crate::refusal::Refusal;

/// Targets that are built, by parameter.
const TARGETS: &[&str] = &[
    "GatewayId",
    "NetworkInterfaceId",
    "VpcEndpointId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "VpcPeeringConnectionId",
    "InstanceId",
];

/// Targets that are not built; naming one is refused, never ignored.
const UNBUILT_TARGETS: &[&str] = &[
    "TransitGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
];

/// The id of a target as requests name it.
pub(super) fn target_id(target: &RouteTarget) -> &str {
    match target {
        RouteTarget::InternetGateway(id) => id.as_str(),
        RouteTarget::NetworkInterface(id) => id.as_str(),
        RouteTarget::NatGateway(id) => id.as_str(),
        RouteTarget::EgressOnlyInternetGateway(id) => id.as_str(),
        RouteTarget::VpcPeeringConnection(id) => id.as_str(),
        RouteTarget::VpnGateway(id) => id.as_str(),
        RouteTarget::Local => "local",
    }
}

/// The one target that a request names: the parameter and the id.
pub(super) fn named_target<'a>(input: &Input<'a>) -> Result<(&'static str, &'a str), Refusal> {
    let all = TARGETS.iter().chain(UNBUILT_TARGETS);
    let mut named = all.filter_map(|name| {
        let id = input.text(name).filter(|id| !id.is_empty())?;
        Some((*name, id))
    });
    let Some(target) = named.next() else {
        return Err(Refusal::missing("gatewayId"));
    };
    if named.next().is_some() {
        return Err(Refusal::combination(
            "The request must contain exactly one route target",
        ));
    }
    input.refuse_unbuilt(UNBUILT_TARGETS)?;
    Ok(target)
}

/// Routes to endpoints of our kinds are never made by hand.
pub(super) fn refuse_endpoint_target(
    (_, id): (&str, &str),
    intent: &Intent,
    ctx: &Ctx,
) -> Result<(), Refusal> {
    if !id.starts_with(VpcEndpointId::PREFIX) {
        return Ok(());
    }
    ctx.find::<VpcEndpoint>(intent, id)?;
    Err(Refusal::new(
        "RouteNotSupported",
        format!(
            "Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."
        ),
    ))
}

/// What a named target is, when the table can lead to it.
pub(super) fn target(
    (parameter, id): (&str, &str),
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
) -> Result<RouteTarget, Refusal> {
    match (parameter, id) {
        ("NetworkInterfaceId", id) => interface_target(intent, ctx, table, id),
        ("InstanceId", id) => Err(Refusal::new(
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{id}' does not exist"),
        )),
        ("NatGatewayId", id) => {
            let gateway = ctx.find::<NatGateway>(intent, id)?;
            same_network(table, "NAT gateway", id, &gateway.vpc)?;
            Ok(RouteTarget::NatGateway(gateway.id.clone()))
        }
        ("EgressOnlyInternetGatewayId", id) => {
            let gateway = ctx.find::<EgressOnlyInternetGateway>(intent, id)?;
            same_network(table, "egress only internet gateway", id, &gateway.vpc)?;
            Ok(RouteTarget::EgressOnlyInternetGateway(gateway.id.clone()))
        }
        ("VpcPeeringConnectionId", id) => {
            let connection = peering::find(intent, ctx, id)?;
            match connection.sides(&table.vpc) {
                Some(_) => Ok(RouteTarget::VpcPeeringConnection(connection.id.clone())),
                None => Err(different_networks(table, "vpc peering connection", id)),
            }
        }
        (_, "local") => Ok(RouteTarget::Local),
        (_, id) => gateway_target(intent, ctx, table, id),
    }
}

/// An internet gateway or a virtual private gateway.
fn gateway_target(
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
    id: &str,
) -> Result<RouteTarget, Refusal> {
    let missing = |_| {
        Refusal::new(
            "InvalidGatewayID.NotFound",
            format!("The gateway ID '{id}' does not exist"),
        )
    };
    let (target, attached) = match id.starts_with(VpnGatewayId::PREFIX) {
        true => {
            let gateway = ctx.find::<VpnGateway>(intent, id).map_err(missing)?;
            let target = RouteTarget::VpnGateway(gateway.id.clone());
            (target, gateway.attached.clone())
        }
        false => {
            let gateway = ctx.find::<InternetGateway>(intent, id).map_err(missing)?;
            let target = RouteTarget::InternetGateway(gateway.id.clone());
            (target, gateway.attached.clone())
        }
    };
    match attached.as_ref() == Some(&table.vpc) {
        true => Ok(target),
        false => Err(different_networks(table, "network gateway", id)),
    }
}

fn interface_target(
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
    id: &str,
) -> Result<RouteTarget, Refusal> {
    let interface = ctx.find::<NetworkInterface>(intent, id)?;
    same_network(table, "interface", id, &interface.vpc)?;
    match interface.user {
        InterfaceUser::Available
        | InterfaceUser::Run(_)
        | InterfaceUser::Attached { .. }
        | InterfaceUser::HostDevice(_) => Ok(RouteTarget::NetworkInterface(interface.id.clone())),
        _ => Err(Refusal::invalid(format!(
            "The network interface {id} belongs to {} and cannot be a route target.",
            match interface.user {
                InterfaceUser::Endpoint { .. } => "a VPC endpoint",
                InterfaceUser::ResolverEndpoint(_) => "a Route 53 Resolver endpoint",
                _ => "a service",
            }
        ))),
    }
}

fn same_network(table: &RouteTable, noun: &str, id: &str, vpc: &VpcId) -> Result<(), Refusal> {
    match *vpc == table.vpc {
        true => Ok(()),
        false => Err(different_networks(table, noun, id)),
    }
}

fn different_networks(table: &RouteTable, noun: &str, id: &str) -> Refusal {
    Refusal::invalid_value(format!(
        "route table {} and {noun} {id} belong to different networks",
        table.id
    ))
}
