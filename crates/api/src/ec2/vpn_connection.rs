//! VPN connections: places at a virtual private gateway where a site is plugged in
//! [ec2-api §18].
//!
//! Adit carries no IPsec: the tunnels are a record for the router at the other side, and their
//! telemetry says whether a site is there (`adit site create … --vpn-connection vpn-…`).

mod configuration;
mod tunnel;

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv4Net;

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::ec2::vpc;
use crate::ec2::vpn_gateway::{check_type, without_pages};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    check_type(input)?;
    input.refuse_unbuilt(&["TransitGatewayId", "VpnConcentratorId"])?;
    let tags = input.tags("vpn-connection")?;
    let customer = ctx.required::<CustomerGateway>(draft, input, "CustomerGatewayId")?;
    let gateway = ctx.required::<VpnGateway>(draft, input, "VpnGatewayId")?;
    let options = Input(input.get("Options"));
    options.refuse_unbuilt(&[
        "EnableAcceleration",
        "LocalIpv6NetworkCidr",
        "RemoteIpv6NetworkCidr",
        "TransportTransitGatewayAttachmentId",
    ])?;
    if options
        .text("TunnelInsideIpVersion")
        .is_some_and(|v| v != "ipv4")
    {
        return Err(Refusal::unsupported(
            "TunnelInsideIpVersion ipv6 is not supported.",
        ));
    }
    let block = |name: &str| match options.text(name) {
        Some(text) => vpc::cidr(text, name),
        None => Ok(Ipv4Net::default()),
    };
    let (local_cidr, remote_cidr) = (
        block("LocalIpv4NetworkCidr")?,
        block("RemoteIpv4NetworkCidr")?,
    );
    let here = || {
        let all = draft.vpn_connections.values();
        all.filter(|there| ctx.sees(draft, &***there)).count()
    };
    quotas::VPN_CONNECTIONS_PER_REGION.check(draft, here)?;
    let tunnels = tunnel::make(&options, draft, ctx)?;
    let connection = draft.put(VpnConnection {
        id: VpnConnectionId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        vpn_gateway: gateway.id.clone(),
        customer_gateway: customer.id.clone(),
        static_routes_only: options.flag("StaticRoutesOnly", false),
        routes: Vec::new(),
        local_cidr,
        remote_cidr,
        tunnels,
        created: ctx.now,
        tags,
    });
    Ok(Answer::later(
        move |view| map! { "VpnConnection" => show(&connection, view) },
    ))
}

/// A site that was plugged in stays, and is reached by nobody.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let connection = ctx.required::<VpnConnection>(draft, input, "VpnConnectionId")?;
    if let Some(site) = site_of(draft, &connection).cloned() {
        // Its VPC is built anew, since its routes change.
        draft.edit::<Site>(&site.name, |_| {});
    }
    draft.remove::<VpnConnection>(&connection.id);
    let customer = connection.customer_gateway.to_string();
    tokens::remember_deletion(draft, ctx, connection.id.as_str(), customer);
    Ok(Answer::done())
}

/// The VPC at our side of a connection.
pub(crate) fn vpc_of<'a>(intent: &'a Intent, connection: &VpnConnection) -> Option<&'a VpcId> {
    let gateway = intent.get::<VpnGateway>(&connection.vpn_gateway)?;
    gateway.attached.as_ref()
}

/// The site at the other side of a connection.
fn site_of<'a>(intent: &'a Intent, connection: &VpnConnection) -> Option<&'a Arc<Site>> {
    intent.site_behind(vpc_of(intent, connection)?, &connection.id)
}

/// The connection and the block of a request about one of its static routes.
fn route(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
) -> Result<(Arc<VpnConnection>, Ipv4Net), Refusal> {
    let connection = ctx.required::<VpnConnection>(draft, input, "VpnConnectionId")?;
    let text = input.required("DestinationCidrBlock")?;
    Ok((connection, vpc::cidr(text, "destinationCidrBlock")?))
}

/// The same route again is no fault.
pub(crate) fn create_route(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (connection, block) = route(input, draft, ctx)?;
    if !connection.static_routes_only {
        return Err(Refusal::new(
            "InvalidVpnConnection.InvalidType",
            format!(
                "The VPN connection {} does not use static routes alone.",
                connection.id
            ),
        ));
    }
    let there = connection.routes.len();
    crate::quotas::PROPAGATED_ROUTES_PER_TABLE.check(draft, || there)?;
    draft.edit::<VpnConnection>(&connection.id, |connection| {
        if !connection.routes.contains(&block) {
            connection.routes.push(block);
        }
    });
    Ok(Answer::done())
}

pub(crate) fn delete_route(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (connection, block) = route(input, draft, ctx)?;
    if !connection.routes.contains(&block) {
        return Err(Refusal::new(
            "InvalidRoute.NotFound",
            format!("The route {block} does not exist in {}", connection.id),
        ));
    }
    draft.edit::<VpnConnection>(&connection.id, |connection| {
        connection.routes.retain(|there| *there != block);
    });
    Ok(Answer::done())
}

/// The blocks that a connection leads to, by its static routes or as its site announces.
pub(crate) fn destinations(intent: &Intent, connection: &VpnConnection) -> Vec<Ipv4Net> {
    let announced = match connection.static_routes_only {
        true => None,
        false => site_of(intent, connection).map(|site| site.cidr),
    };
    let mut blocks: Vec<Ipv4Net> = connection.routes.iter().copied().chain(announced).collect();
    blocks.sort();
    blocks.dedup();
    blocks
}

const DESCRIBE: Describe<VpnConnection> = Describe {
    ids: "VpnConnectionIds",
    items: "VpnConnections",
    pages: 1..=1000,
    filters: &[
        "bgp-asn",
        "customer-gateway-configuration",
        "customer-gateway-id",
        "option.static-routes-only",
        "route.destination-cidr-block",
        "state",
        "transit-gateway-id",
        "type",
        "vpn-connection-id",
        "vpn-gateway-id",
    ],
    show,
    filter: |connection, name, view| {
        let customer = view
            .intent
            .get::<CustomerGateway>(&connection.customer_gateway);
        Some(match name {
            "bgp-asn" => customer.iter().map(|c| c.asn.to_string()).collect(),
            "customer-gateway-configuration" => {
                vec![configuration::text(connection, view.intent)]
            }
            "customer-gateway-id" => vec![connection.customer_gateway.to_string()],
            "option.static-routes-only" => vec![connection.static_routes_only.to_string()],
            "route.destination-cidr-block" => {
                connection.routes.iter().map(Ipv4Net::to_string).collect()
            }
            "state" => vec!["available".to_string()],
            "transit-gateway-id" => Vec::new(),
            "type" => vec!["ipsec.1".to_string()],
            "vpn-connection-id" => vec![connection.id.to_string()],
            "vpn-gateway-id" => vec![connection.vpn_gateway.to_string()],
            _ => return None,
        })
    },
};

/// This operation has no pages. Connections that were deleted are shown as such for a while to who
/// asks for them by id: SDKs wait to see it.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let ids = input.texts(DESCRIBE.ids);
    let gone = |id: &&str| {
        let there = view.intent.get::<VpnConnection>(id).is_some();
        let customer = tokens::deleted(view.intent, ctx, id).filter(|_| !there)?;
        Some(map! {
            "VpnConnectionId" => *id,
            "State" => "deleted",
            "Type" => "ipsec.1",
            "Category" => "VPN",
            "CustomerGatewayId" => customer,
        })
    };
    let shown: Vec<Value> = ids.iter().filter_map(gone).collect();
    if shown.is_empty() {
        return DESCRIBE.run(input, view, ctx).map(without_pages);
    }
    let rest: Vec<&str> = ids.into_iter().filter(|id| gone(id).is_none()).collect();
    let mut all = shown;
    if !rest.is_empty() {
        let mut wanted = input.0.clone();
        if let Some(wanted) = wanted.map_mut() {
            wanted.insert(DESCRIBE.ids, rest);
        }
        let found = DESCRIBE.run(&Input(&wanted), view, ctx)?;
        all.extend(found.get(DESCRIBE.items).list().iter().cloned());
    }
    Ok(map! { DESCRIBE.items => Value::List(all) })
}

fn show(connection: &VpnConnection, view: View<'_>) -> Value {
    let route = |block: &Ipv4Net| {
        map! {
            "DestinationCidrBlock" => block.to_string(),
            "Source" => "Static",
            "State" => "available",
        }
    };
    let telemetry = telemetry(connection, view);
    map! {
        "VpnConnectionId" => connection.id.as_str(),
        "State" => "available",
        "Type" => "ipsec.1",
        "Category" => "VPN",
        "CustomerGatewayId" => connection.customer_gateway.as_str(),
        "VpnGatewayId" => connection.vpn_gateway.as_str(),
        "GatewayAssociationState" => "associated",
        "CustomerGatewayConfiguration" => configuration::text(connection, view.intent),
        "Options" => map! {
            "EnableAcceleration" => false,
            "StaticRoutesOnly" => connection.static_routes_only,
            "LocalIpv4NetworkCidr" => connection.local_cidr.to_string(),
            "RemoteIpv4NetworkCidr" => connection.remote_cidr.to_string(),
            "OutsideIpAddressType" => "PublicIpv4",
            "TunnelInsideIpVersion" => "ipv4",
            "TunnelOptions" => connection.tunnels.iter().map(tunnel::show).collect::<Value>(),
        },
        "Routes" => connection.routes.iter().map(route).collect::<Value>(),
        "VgwTelemetry" => telemetry,
        "Tags" => tags(&connection.tags),
    }
}

/// The addresses of the link inside a tunnel: ours and theirs.
fn tunnel_sides(tunnel: &VpnTunnel) -> (String, String) {
    let side = |n| net::nth(tunnel.inside_cidr, n).map_or_else(String::new, |ip| ip.to_string());
    (side(1), side(2))
}

/// Both tunnels are up while a site is at the other end and the VPC is as stated.
fn telemetry(connection: &VpnConnection, view: View<'_>) -> Value {
    let site = site_of(view.intent, connection);
    let up = site.filter(|site| view.board.fault(&site.vpc).is_none());
    let message = match (site, up) {
        (None, _) => "No site is plugged in.",
        (Some(_), None) => "The network of the VPC is not as stated.",
        (Some(_), Some(_)) => "",
    };
    let routes = match up {
        Some(_) => destinations(view.intent, connection).len(),
        None => 0,
    };
    let changed = site.map_or(connection.created, |site| site.created);
    let tunnel = |tunnel: &VpnTunnel| {
        map! {
            "OutsideIpAddress" => tunnel.outside_ip.to_string(),
            "Status" => if up.is_some() { "UP" } else { "DOWN" },
            "StatusMessage" => message,
            "AcceptedRouteCount" => i64::try_from(routes).unwrap_or(i64::MAX),
            "LastStatusChange" => Value::Time { millis: changed },
        }
    };
    connection.tunnels.iter().map(tunnel).collect()
}
