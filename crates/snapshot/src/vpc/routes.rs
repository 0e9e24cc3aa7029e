//! Route tables, complete: what is stated, what endpoints and gateways add, what is gone.

use std::net::IpAddr;
use std::sync::Arc;

use adit_model::*;
use ipnet::{IpNet, Ipv4Net};

use super::{EdgeView, GatewayView, ResolvedRoute, TableView, Target};

pub(super) fn service_prefixes(intent: &Intent, service: &str) -> Vec<Ipv4Net> {
    intent
        .prefix_lists
        .values()
        .find(|list| list.owner.is_none() && list.name == service)
        .map(|list| list.ipv4().collect())
        .unwrap_or_default()
}

/// The public blocks of S3, of every Region, in order.
pub(super) fn s3_blocks(intent: &Intent) -> Vec<Ipv4Net> {
    let lists = intent.prefix_lists.values();
    let lists = lists.filter(|list| list.owner.is_none() && list.name.ends_with(".s3"));
    let mut blocks: Vec<Ipv4Net> = lists.flat_map(|list| list.ipv4()).collect();
    blocks.sort();
    blocks
}

/// Static routes, then routes to prefix lists, endpoints and sites: a destination that is there
/// already wins, which is AWS's order for equal ranges [ec2-api §11]. Longer prefixes win in the
/// kernel.
pub(super) fn build_table(
    intent: &Intent,
    vpc: &Vpc,
    table: &RouteTable,
    gateways: &[GatewayView],
    sites: &[Arc<Site>],
) -> TableView {
    let mut routes = Routes::default();
    let fixed = statics(intent, table);
    for (destination, target) in &fixed {
        if let (RouteTarget::VpnGateway(gateway), IpNet::V4(block)) = (target, destination) {
            for (block, site) in behind(intent, vpc, gateway, *block, &fixed) {
                routes.add(IpNet::V4(block), site);
            }
        }
        routes.add(*destination, resolve(intent, vpc, target, destination));
    }
    // What nobody stated never takes the place of the local routes.
    let foreign = |block: &Ipv4Net| !vpc.cidrs.iter().any(|own| own.cidr == *block);
    for gateway in gateways {
        let EndpointKind::Gateway { route_tables } = &gateway.endpoint.kind else {
            continue;
        };
        if route_tables.contains(&table.id) {
            let target = Target::GatewayEndpoint(gateway.endpoint.id.clone());
            for prefix in gateway.prefixes.iter().filter(|block| foreign(block)) {
                routes.add(IpNet::V4(*prefix), target.clone());
            }
        }
    }
    for gateway in &table.propagating {
        for (block, site) in behind(intent, vpc, gateway, Ipv4Net::default(), &[]) {
            if foreign(&block) {
                routes.add(IpNet::V4(block), site);
            }
        }
    }
    for site in sites.iter().filter(|site| site.vpn.is_none()) {
        if foreign(&site.cidr) {
            routes.add(IpNet::V4(site.cidr), Target::Site(site.name.clone()));
        }
    }
    // The table of a gateway leads to interfaces of the VPC and to nothing else.
    if table.associations.iter().any(|a| a.gateway.is_some()) {
        let inside = |target: &Target| matches!(target, Target::Interface(..) | Target::Local);
        routes.0.retain(|route| inside(&route.target));
    }
    TableView {
        id: table.id.clone(),
        number: table.number,
        routes: routes.0,
    }
}

/// Routes in the order of their precedence.
#[derive(Default)]
struct Routes(Vec<ResolvedRoute>);

impl Routes {
    /// Adds a route unless its destination is there already.
    fn add(&mut self, destination: IpNet, target: Target) {
        if !self.0.iter().any(|route| route.destination == destination) {
            self.0.push(ResolvedRoute {
                destination,
                target,
            });
        }
    }
}

/// The tables of gateways, with what is behind these.
pub(super) fn build_edges(intent: &Intent, vpc: &VpcId) -> Vec<EdgeView> {
    let mut edges = Vec::new();
    for table in intent.in_vpc::<RouteTable>(vpc) {
        for gateway in table.associations.iter().filter_map(|a| a.gateway.clone()) {
            let sites = match &gateway {
                EdgeGateway::Internet(_) => Vec::new(),
                EdgeGateway::Vpn(id) => {
                    let connections = intent.related_to::<VpnConnection>(id.as_str());
                    connections
                        .filter_map(|connection| intent.site_behind(vpc, &connection.id))
                        .map(|site| site.name.clone())
                        .collect()
                }
            };
            edges.push(EdgeView {
                gateway,
                table: table.number,
                sites,
            });
        }
    }
    edges
}

/// Whether a site's way into its VPC is there: its VPN connection leads to a gateway of the VPC. A
/// site without a connection hangs on the VPC itself.
pub(super) fn is_plugged(intent: &Intent, site: &Site) -> bool {
    let Some(id) = &site.vpn else { return true };
    let gateway = intent
        .get::<VpnConnection>(id)
        .and_then(|connection| intent.get::<VpnGateway>(&connection.vpn_gateway));
    gateway.is_some_and(|gateway| gateway.attached.as_ref() == Some(&site.vpc))
}

/// The static routes of a table, with prefix lists as their blocks: those come last, since a
/// block that is stated itself wins over the same one of a list.
fn statics<'a>(intent: &Intent, table: &'a RouteTable) -> Vec<(IpNet, &'a RouteTarget)> {
    let mut routes = Vec::new();
    for route in &table.routes {
        match route.destination {
            Destination::Ipv4(block) => routes.push((IpNet::V4(block), &route.target)),
            Destination::Ipv6(block) => routes.push((IpNet::V6(block), &route.target)),
            Destination::PrefixList(_) => {}
        }
    }
    for route in &table.routes {
        if let Destination::PrefixList(id) = &route.destination
            && let Some(list) = intent.get::<PrefixList>(id)
        {
            routes.extend(list.entries.iter().map(|block| (*block, &route.target)));
        }
    }
    routes
}

/// What a virtual private gateway leads to of a destination: the routes of its VPN connections that
/// have a site at the other end. A block that a longer route of the table takes elsewhere is left out.
fn behind(
    intent: &Intent,
    vpc: &Vpc,
    gateway: &VpnGatewayId,
    destination: Ipv4Net,
    fixed: &[(IpNet, &RouteTarget)],
) -> Vec<(Ipv4Net, Target)> {
    let attached = intent.get::<VpnGateway>(gateway);
    if attached.and_then(|gateway| gateway.attached.as_ref()) != Some(&vpc.id) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for connection in intent.related_to::<VpnConnection>(gateway.as_str()) {
        let Some(site) = intent.site_behind(&vpc.id, &connection.id) else {
            continue;
        };
        let announced = (!connection.static_routes_only).then_some(site.cidr);
        for block in connection.routes.iter().copied().chain(announced) {
            let Some(shared) = shared(block, destination) else {
                continue;
            };
            let elsewhere = fixed.iter().any(|(other, _)| {
                other.prefix_len() > destination.prefix_len() && other.contains(&IpNet::V4(shared))
            });
            if !elsewhere {
                found.push((shared, Target::Site(site.name.clone())));
            }
        }
    }
    found
}

/// The addresses that two blocks share.
fn shared(a: Ipv4Net, b: Ipv4Net) -> Option<Ipv4Net> {
    match (a.contains(&b), b.contains(&a)) {
        (true, _) => Some(b),
        (_, true) => Some(a),
        _ => None,
    }
}

/// Where a static route leads now; a target that is gone or elsewhere leads nowhere.
fn resolve(intent: &Intent, vpc: &Vpc, target: &RouteTarget, destination: &IpNet) -> Target {
    let found = match target {
        RouteTarget::InternetGateway(id) => intent
            .get::<InternetGateway>(id)
            .filter(|igw| igw.attached.as_ref() == Some(&vpc.id))
            .map(|igw| Target::InternetGateway(igw.id.clone())),
        RouteTarget::NetworkInterface(id) => intent
            .get::<NetworkInterface>(id)
            .filter(|eni| eni.vpc == vpc.id)
            .and_then(|eni| Some(Target::Interface(id.clone(), address(eni, destination)?))),
        RouteTarget::NatGateway(id) => intent
            .get::<NatGateway>(id)
            .filter(|gateway| gateway.vpc == vpc.id)
            // It translates IPv4 alone.
            .filter(|_| matches!(destination, IpNet::V4(_)))
            .and_then(|gateway| intent.get::<NetworkInterface>(&gateway.interface))
            .map(|eni| Target::NatGateway(id.clone(), eni.id.clone(), eni.private_ip.into())),
        RouteTarget::EgressOnlyInternetGateway(id) => intent
            .get::<EgressOnlyInternetGateway>(id)
            .filter(|gateway| gateway.vpc == vpc.id)
            .map(|gateway| Target::EgressOnly(gateway.id.clone())),
        RouteTarget::VpcPeeringConnection(id) => intent
            .get::<VpcPeeringConnection>(id)
            .filter(|connection| connection.is_active())
            .filter(|connection| {
                let other = connection.sides(&vpc.id).map(|(_, other)| &other.vpc);
                other.is_some_and(|other| intent.get::<Vpc>(other).is_some())
            })
            .map(|connection| Target::Peering(connection.id.clone())),
        // What no connection of the gateway leads to is dropped there.
        RouteTarget::VpnGateway(_) => None,
        RouteTarget::Local => Some(Target::Local),
    };
    found.unwrap_or(Target::Blackhole)
}

/// An interface's address of the destination's family.
fn address(eni: &NetworkInterface, destination: &IpNet) -> Option<IpAddr> {
    match destination {
        IpNet::V4(_) => Some(eni.private_ip.into()),
        IpNet::V6(_) => eni.ipv6.first().copied().map(IpAddr::V6),
    }
}
