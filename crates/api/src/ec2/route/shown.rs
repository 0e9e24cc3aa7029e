//! Every route as its table shows it: local, static, to endpoints, propagated, to sites
//! [ec2-api §11, §17].

use adit_model::*;
use adit_wire::{Map, Value, map};

use crate::ec2::{prefix_list, vpn_connection};

/// The prefix lists that a table leads to endpoints.
pub(super) fn endpoint_routes<'a>(
    table: &'a RouteTable,
    intent: &'a Intent,
) -> impl Iterator<Item = (PrefixListId, VpcEndpointId)> + 'a {
    intent
        .in_vpc::<VpcEndpoint>(&table.vpc)
        .filter_map(move |endpoint| match &endpoint.kind {
            EndpointKind::Gateway { route_tables } if route_tables.contains(&table.id) => {
                let list = prefix_list::of_service(intent, &endpoint.service)?;
                Some((list.id.clone(), endpoint.id.clone()))
            }
            _ => None,
        })
}

/// Every route of a table as shown.
pub(crate) fn all(table: &RouteTable, intent: &Intent) -> Vec<Value> {
    let mut shown = local(table, intent);
    let statics = table.routes.iter();
    let statics = statics.filter(|route| !locals(table, intent).contains(&route.destination));
    shown.extend(statics.map(|route| show_static(route, table, intent, "CreateRoute")));
    shown.extend(endpoint_routes(table, intent).map(|(list, endpoint)| {
        map! {
            "DestinationPrefixListId" => list.as_str(),
            "GatewayId" => endpoint.as_str(),
            "Origin" => "CreateRoute",
            "State" => "active",
        }
    }));
    shown.extend(propagated(table, intent));
    shown
}

/// The VPC's own blocks.
fn locals(table: &RouteTable, intent: &Intent) -> Vec<Destination> {
    let Some(vpc) = intent.get::<Vpc>(&table.vpc) else {
        return Vec::new();
    };
    let v4 = vpc.cidrs.iter().map(|c| c.cidr.into());
    let v6 = vpc.ipv6.iter().map(|c| c.cidr.into());
    v4.chain(v6).collect()
}

/// Routes to the VPC's own blocks; one that is led elsewhere takes the place of the local one.
fn local(table: &RouteTable, intent: &Intent) -> Vec<Value> {
    let blocks = locals(table, intent).into_iter();
    let show = |destination: Destination| {
        let mut routes = table.routes.iter();
        match routes.find(|route| route.destination == destination) {
            Some(route) => show_static(route, table, intent, "CreateRouteTable"),
            None => {
                let mut shown = Map::new();
                shown.push(member(&destination), destination.to_string());
                shown.push("GatewayId", "local");
                shown.push("Origin", "CreateRouteTable");
                shown.push("State", "active");
                Value::Map(shown)
            }
        }
    };
    blocks.map(show).collect()
}

/// The member that shows a destination.
fn member(destination: &Destination) -> &'static str {
    match destination {
        Destination::Ipv4(_) => "DestinationCidrBlock",
        Destination::Ipv6(_) => "DestinationIpv6CidrBlock",
        Destination::PrefixList(_) => "DestinationPrefixListId",
    }
}

/// Routes that a virtual private gateway announces, and sites that every table leads to. A static
/// route with the same destination takes the place of one.
fn propagated<'a>(table: &'a RouteTable, intent: &'a Intent) -> impl Iterator<Item = Value> + 'a {
    let mut found = Vec::new();
    for gateway in &table.propagating {
        let attached = intent.get::<VpnGateway>(gateway);
        if attached.and_then(|g| g.attached.as_ref()) != Some(&table.vpc) {
            continue;
        }
        for connection in intent.related_to::<VpnConnection>(gateway.as_str()) {
            let blocks = vpn_connection::destinations(intent, connection).into_iter();
            found.extend(blocks.map(|block| (block, gateway.to_string())));
        }
    }
    for site in intent.in_vpc::<Site>(&table.vpc) {
        if site.vpn.is_none() {
            found.push((site.cidr, format!("site-{}", site.name)));
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    let taken = |destination: Destination| {
        let mut routes = table.routes.iter();
        routes.any(|route| route.destination == destination)
    };
    let found = found.into_iter();
    let free = found.filter(move |(block, _)| !taken((*block).into()));
    free.map(|(block, gateway)| {
        map! {
            "DestinationCidrBlock" => block.to_string(),
            "GatewayId" => gateway,
            "Origin" => "EnableVgwRoutePropagation",
            "State" => "active",
        }
    })
}

fn show_static(route: &Route, table: &RouteTable, intent: &Intent, origin: &'static str) -> Value {
    let vpc = &table.vpc;
    let (target, id, alive) = match &route.target {
        RouteTarget::InternetGateway(id) => {
            let gateway = intent.get::<InternetGateway>(id);
            let alive = gateway.is_some_and(|g| g.attached.as_ref() == Some(vpc));
            ("GatewayId", id.as_str(), alive)
        }
        RouteTarget::VpnGateway(id) => {
            let gateway = intent.get::<VpnGateway>(id);
            let alive = gateway.is_some_and(|g| g.attached.as_ref() == Some(vpc));
            ("GatewayId", id.as_str(), alive)
        }
        RouteTarget::Local => ("GatewayId", "local", true),
        RouteTarget::NetworkInterface(id) => {
            let interface = intent.get::<NetworkInterface>(id);
            let alive = interface.is_some_and(|eni| {
                eni.vpc == *vpc && !matches!(eni.user, InterfaceUser::Available)
            });
            ("NetworkInterfaceId", id.as_str(), alive)
        }
        RouteTarget::NatGateway(id) => {
            let gateway = intent.get::<NatGateway>(id);
            let alive = gateway.is_some_and(|g| g.vpc == *vpc);
            ("NatGatewayId", id.as_str(), alive)
        }
        RouteTarget::EgressOnlyInternetGateway(id) => {
            let gateway = intent.get::<EgressOnlyInternetGateway>(id);
            let alive = gateway.is_some_and(|g| g.vpc == *vpc);
            ("EgressOnlyInternetGatewayId", id.as_str(), alive)
        }
        RouteTarget::VpcPeeringConnection(id) => {
            let connection = intent.get::<VpcPeeringConnection>(id);
            let alive = connection.is_some_and(|there| there.is_active());
            ("VpcPeeringConnectionId", id.as_str(), alive)
        }
    };
    let mut shown = Map::new();
    shown.push(member(&route.destination), route.destination.to_string());
    shown.push(target, id);
    shown.push("Origin", origin);
    shown.push("State", if alive { "active" } else { "blackhole" });
    Value::Map(shown)
}
