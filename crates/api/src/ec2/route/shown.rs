//! Every route as its table shows it: local, static, to endpoints, to sites [ec2-api §11].

use adit_model::*;
use adit_wire::{Value, map};

use crate::ec2::prefix_list;

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

/// Every route of a table as shown: local, static, to endpoints, to sites.
pub(crate) fn all(table: &RouteTable, intent: &Intent) -> Vec<Value> {
    let vpc = intent.get::<Vpc>(&table.vpc);
    let local = vpc.iter().flat_map(|vpc| &vpc.cidrs).map(|c| {
        map! {
            "DestinationCidrBlock" => c.cidr.to_string(),
            "GatewayId" => "local",
            "Origin" => "CreateRouteTable",
            "State" => "active",
        }
    });
    let fixed = table
        .routes
        .iter()
        .map(|route| show_static(route, table, intent));
    let endpoints = endpoint_routes(table, intent).map(|(list, endpoint)| {
        map! {
            "DestinationPrefixListId" => list.as_str(),
            "GatewayId" => endpoint.as_str(),
            "Origin" => "CreateRoute",
            "State" => "active",
        }
    });
    // A static route with the same destination takes the place of a site's.
    let taken = |site: &Site| {
        table
            .routes
            .iter()
            .any(|route| route.destination == site.cidr.into())
    };
    let sites = intent
        .in_vpc::<Site>(&table.vpc)
        .filter(|site| !taken(site))
        .map(|site| {
            map! {
                "DestinationCidrBlock" => site.cidr.to_string(),
                "GatewayId" => format!("site-{}", site.name),
                "Origin" => "EnableVgwRoutePropagation",
                "State" => "active",
            }
        });
    local.chain(fixed).chain(endpoints).chain(sites).collect()
}

fn show_static(route: &Route, table: &RouteTable, intent: &Intent) -> Value {
    let (gateway, interface, alive) = match &route.target {
        RouteTarget::InternetGateway(id) => {
            let gateway = intent.get::<InternetGateway>(id);
            let alive = gateway.is_some_and(|igw| igw.attached.as_ref() == Some(&table.vpc));
            (Some(id.as_str()), None, alive)
        }
        RouteTarget::NetworkInterface(id) => {
            let interface = intent.get::<NetworkInterface>(id);
            (
                None,
                Some(id.as_str()),
                interface.is_some_and(|eni| eni.vpc == table.vpc),
            )
        }
        _ => (None, None, false),
    };
    map! {
        "DestinationCidrBlock" => route.destination.to_string(),
        "GatewayId" => gateway,
        "NetworkInterfaceId" => interface,
        "Origin" => "CreateRoute",
        "State" => if alive { "active" } else { "blackhole" },
    }
}
