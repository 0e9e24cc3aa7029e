//! Which way a packet takes, and where it is stopped: the routes and filters of one VPC as a pure
//! function. The kernel does the same with the same views; tests hold them against each other.

use std::net::IpAddr;

use adit_model::*;
use ipnet::IpNet;

use crate::build::Snapshot;
use crate::vpc::{GroupView, PeerSet, PortUser, PortView, ResolvedRule, Target, VpcView};

mod acl;
mod answer;

pub use answer::answered;

/// The first packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where it enters the VPC.
    pub from: From,
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: IpProtocol,
    /// Its destination port; for ICMP the type.
    pub port: u16,
    /// Its source port, to which answers go.
    pub source_port: u16,
}

/// Where a packet enters a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// By a network interface.
    Port(NetworkInterfaceId),
    /// From an on-premises site.
    Site(SiteName),
    /// From the VPC at the other side of a peering connection.
    Peering(VpcPeeringConnectionId),
    /// From the internet, after the gateway's address translation.
    Internet,
}

/// What becomes of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// It arrives.
    Arrives(Arrival),
    /// It is dropped here.
    Stopped(Stop),
}

/// Where a packet arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// At an instance.
    Instance(NetworkInterfaceId),
    /// At an interface endpoint, by this interface.
    Interface(VpcEndpointId, NetworkInterfaceId),
    /// At a resolver endpoint, by this interface.
    Resolver(ResolverEndpointId, NetworkInterfaceId),
    /// At a gateway endpoint, with this source address.
    Gateway(VpcEndpointId, IpAddr),
    /// At the internet, with this public source address.
    Internet(IpAddr),
    /// At a site, with this source address.
    Site(SiteName, IpAddr),
    /// At the VPC at the other side of a peering connection, with this source address.
    Peering(VpcPeeringConnectionId, IpAddr),
    /// At the VPC's resolver or a subnet's router.
    Router,
}

/// Why a packet is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It does not carry the interface's own address.
    SourceCheck,
    /// It comes from outside and claims an address of the VPC.
    Forged,
    /// It is not for the interface it would leave by.
    DestinationCheck,
    /// No route leads there.
    NoRoute,
    /// A route leads there, but its target is gone.
    Blackhole,
    /// An address of the VPC that nobody has.
    NobodyThere,
    /// No rule of the sender's groups lets it out.
    Egress(NetworkInterfaceId),
    /// No rule of the receiver's groups lets it in.
    Ingress(NetworkInterfaceId),
    /// A network ACL denies it: which rule, and none for the last one.
    Acl(NetworkAclId, Option<u16>),
    /// The sender has no public address.
    NoPublicAddress,
    /// An egress-only gateway lets connections out and none in.
    EgressOnly,
    /// It does not exist here.
    UnknownSender,
}

/// NAT gateways that lead to NAT gateways: more than a route table can mean to say.
const MOST_TRANSLATIONS: usize = 4;

/// Follows a packet through its VPC.
pub fn path(view: &VpcView, flow: &Flow) -> Path {
    follow(view, flow, 0).map_or_else(Path::Stopped, Path::Arrives)
}

/// Follows a packet, also into the VPC at the other side of a peering connection. Returns the VPC
/// where its way ends.
pub fn path_between(snapshot: &Snapshot, view: &VpcView, flow: &Flow) -> (VpcId, Path) {
    let here = path(view, flow);
    let Path::Arrives(Arrival::Peering(id, source)) = &here else {
        return (view.vpc.id.clone(), here);
    };
    let there = view.peerings.iter().find(|p| p.connection.id == *id);
    let Some(there) = there.and_then(|peering| snapshot.vpc(&peering.other)) else {
        return (view.vpc.id.clone(), Path::Stopped(Stop::Blackhole));
    };
    (
        there.vpc.id.clone(),
        path(there, &beyond(flow, id, *source)),
    )
}

/// A flow as it enters the VPC at the other side of a peering connection.
pub fn beyond(flow: &Flow, peering: &VpcPeeringConnectionId, source: IpAddr) -> Flow {
    Flow {
        from: From::Peering(peering.clone()),
        source,
        ..flow.clone()
    }
}

fn follow(view: &VpcView, flow: &Flow, translations: usize) -> Result<Arrival, Stop> {
    let sender = sender(view, flow)?;
    match sender {
        Some(port) if port.interface.source_dest_check && !port.has(flow.source) => {
            return Err(Stop::SourceCheck);
        }
        None if view.blocks().any(|block| block.contains(&flow.source)) => {
            return Err(Stop::Forged);
        }
        _ => {}
    }
    if let (From::Internet, IpAddr::V6(to)) = (&flow.from, flow.destination)
        && view.closed_blocks().iter().any(|block| block.contains(&to))
    {
        return Err(Stop::EgressOnly);
    }
    let next = route(view, table(view, &flow.from), flow.destination)?;
    if let Next::Router = next {
        return match serves(view, sender, flow) {
            true => Ok(Arrival::Router),
            false => Err(Stop::NobodyThere),
        };
    }
    if let Some(port) = sender {
        if !is_translator(port) && !allows(view, port, flow, true) {
            return Err(Stop::Egress(port.interface.id.clone()));
        }
        acl::leave(view, &port.subnet, flow)?;
    }
    match next {
        Next::Port(receiver) => enter(view, receiver, flow, translations),
        Next::Gateway(id) => Ok(Arrival::Gateway(id, flow.source)),
        Next::Site(name) => Ok(Arrival::Site(name, flow.source)),
        Next::Peering(id) => Ok(Arrival::Peering(id, flow.source)),
        Next::Internet => public(view, sender, flow.source).ok_or(Stop::NoPublicAddress),
        Next::Router => Ok(Arrival::Router),
    }
}

/// What the internet gateway makes of a packet: IPv6 passes as it is, from the VPC's own addresses.
fn public(view: &VpcView, sender: Option<&PortView>, source: IpAddr) -> Option<Arrival> {
    match source {
        IpAddr::V6(_) => {
            let own = view.blocks().any(|block| block.contains(&source));
            own.then_some(Arrival::Internet(source))
        }
        IpAddr::V4(source) => {
            let mut pairs = sender?.interface.public_pairs();
            let (_, public) = pairs.find(|(private, _)| *private == source)?;
            Some(Arrival::Internet(public.into()))
        }
    }
}

fn sender<'a>(view: &'a VpcView, flow: &Flow) -> Result<Option<&'a PortView>, Stop> {
    let known = match &flow.from {
        From::Port(id) => return view.port(id).map(Some).ok_or(Stop::UnknownSender),
        From::Site(name) => {
            let there = view.sites.iter().any(|site| site.name == *name);
            there && !view.unplugged.contains(name)
        }
        From::Peering(id) => {
            let peering = view.peerings.iter().find(|p| p.connection.id == *id);
            // The other VPC's own addresses and no others.
            peering.is_some_and(|p| p.blocks.iter().any(|b| b.contains(&flow.source)))
        }
        From::Internet => match flow.destination {
            IpAddr::V4(_) => view.internet_gateway.is_some(),
            IpAddr::V6(_) => view.has_ipv6() && view.leads_out(),
        },
    };
    match known {
        true => Ok(None),
        false => Err(Stop::UnknownSender),
    }
}

fn is_translator(port: &PortView) -> bool {
    matches!(port.user, PortUser::NatGateway(_))
}

enum Next<'a> {
    Port(&'a PortView),
    Gateway(VpcEndpointId),
    Site(SiteName),
    Peering(VpcPeeringConnectionId),
    Internet,
    Router,
}

/// The number of the route table that a packet asks. What enters from outside knows the VPC's own
/// blocks and nothing else, unless its gateway has a table of its own.
fn table(view: &VpcView, from: &From) -> Option<u16> {
    match from {
        From::Port(id) => view.port(id).map(|port| port.table),
        From::Internet => view.internet_table(),
        From::Site(name) => view.site_table(name),
        From::Peering(_) => None,
    }
}

/// Where a route table leads: the VPC's own blocks are local, unless the table has a route that is
/// as long or longer.
fn route(view: &VpcView, table: Option<u16>, destination: IpAddr) -> Result<Next<'_>, Stop> {
    // The router's own addresses are found before any table is asked.
    if is_router(view, destination) {
        return Ok(Next::Router);
    }
    let local = view.blocks().filter(|block| block.contains(&destination));
    let local = local.map(|block| block.prefix_len()).max();
    let table = table.and_then(|number| view.tables.iter().find(|t| t.number == number));
    let routes = table.map_or(&[][..], |table| &table.routes);
    let best = routes
        .iter()
        .filter(|route| route.destination.contains(&destination))
        .max_by_key(|route| route.destination.prefix_len());
    let chosen = best.filter(|r| local.is_none_or(|length| r.destination.prefix_len() >= length));
    let inside = || {
        let port = view.port_at(destination);
        port.map(Next::Port).ok_or(Stop::NobodyThere)
    };
    let Some(chosen) = chosen else {
        return local.map_or(Err(Stop::NoRoute), |_| inside());
    };
    match &chosen.target {
        Target::Blackhole => Err(Stop::Blackhole),
        Target::InternetGateway(_) | Target::EgressOnly(_) => Ok(Next::Internet),
        Target::GatewayEndpoint(id) => Ok(Next::Gateway(id.clone())),
        Target::Site(name) if view.unplugged.contains(name) => Err(Stop::Blackhole),
        Target::Site(name) => Ok(Next::Site(name.clone())),
        Target::Peering(id) => Ok(Next::Peering(id.clone())),
        Target::Interface(id, _) | Target::NatGateway(_, id, _) => {
            view.port(id).map(Next::Port).ok_or(Stop::Blackhole)
        }
        Target::Local => inside(),
    }
}

fn is_router(view: &VpcView, address: IpAddr) -> bool {
    is_resolver(view, address)
        || view.subnets.iter().any(|place| match address {
            IpAddr::V4(address) => net::router(place.subnet.cidr) == address,
            IpAddr::V6(address) => {
                let block = place.subnet.ipv6.as_ref();
                block.is_some_and(|block| net::router_ipv6(block.cidr) == address)
            }
        })
}

fn is_resolver(view: &VpcView, address: IpAddr) -> bool {
    address == IpAddr::V4(net::RESOLVER_LINK_LOCAL)
        || address == IpAddr::V4(net::resolver(view.vpc.cidr()))
        || (address == IpAddr::V6(net::RESOLVER_IPV6) && !view.vpc.ipv6.is_empty())
}

/// The router answers echo requests to everybody, and names to ports of the VPC.
fn serves(view: &VpcView, sender: Option<&PortView>, flow: &Flow) -> bool {
    match flow.protocol {
        IpProtocol::Icmp => flow.port == 8,
        IpProtocol::Icmpv6 => flow.port == 128,
        IpProtocol::Tcp | IpProtocol::Udp => {
            is_resolver(view, flow.destination) && sender.is_some() && flow.port == 53
        }
        _ => false,
    }
}

fn enter(
    view: &VpcView,
    receiver: &PortView,
    flow: &Flow,
    translations: usize,
) -> Result<Arrival, Stop> {
    let eni = &receiver.interface;
    acl::enter(view, &receiver.subnet, flow)?;
    if let PortUser::NatGateway(_) = receiver.user {
        // It takes no connections itself.
        if receiver.has(flow.destination) || flow.destination.is_ipv6() {
            return Err(Stop::NobodyThere);
        }
        if translations == MOST_TRANSLATIONS {
            return Err(Stop::NoRoute);
        }
        return follow(view, &translated(receiver, flow), translations + 1);
    }
    if eni.source_dest_check && !receiver.has(flow.destination) {
        return Err(Stop::DestinationCheck);
    }
    if !allows(view, receiver, flow, false) {
        return Err(Stop::Ingress(eni.id.clone()));
    }
    Ok(match &receiver.user {
        PortUser::Instance | PortUser::NatGateway(_) => Arrival::Instance(eni.id.clone()),
        PortUser::Endpoint(id) => Arrival::Interface(id.clone(), eni.id.clone()),
        PortUser::Resolver(id) => Arrival::Resolver(id.clone(), eni.id.clone()),
    })
}

/// A flow as it leaves a NAT gateway.
fn translated(gateway: &PortView, flow: &Flow) -> Flow {
    Flow {
        from: From::Port(gateway.interface.id.clone()),
        source: gateway.interface.private_ip.into(),
        ..flow.clone()
    }
}

/// Whether a rule of the port's groups lets the packet out, or in.
fn allows(view: &VpcView, port: &PortView, flow: &Flow, egress: bool) -> bool {
    let groups = view
        .groups
        .iter()
        .filter(|group| port.interface.groups.contains(&group.id));
    let peer = if egress {
        flow.destination
    } else {
        flow.source
    };
    let rules = |group: &GroupView| {
        if egress {
            group.egress.clone()
        } else {
            group.ingress.clone()
        }
    };
    groups
        .flat_map(rules)
        .any(|rule| matches(&rule, flow, peer))
}

fn matches(rule: &ResolvedRule, flow: &Flow, peer: IpAddr) -> bool {
    let within = |from: i32, to: i32| (from..=to).contains(&i32::from(flow.port));
    let protocol = match (rule.protocol, rule.ports) {
        (IpProtocol::All, _) => true,
        (protocol, _) if protocol != flow.protocol => false,
        (IpProtocol::Icmp | IpProtocol::Icmpv6, Some((kind, _))) => {
            kind < 0 || i32::from(flow.port) == kind
        }
        (IpProtocol::Tcp | IpProtocol::Udp, Some((from, to))) => within(from, to),
        _ => true,
    };
    let blocks = |blocks: &[IpNet]| blocks.iter().any(|block| block.contains(&peer));
    protocol
        && match &rule.peers {
            PeerSet::Cidr(block) => block.contains(&peer),
            PeerSet::Named { blocks: named, .. } => blocks(named),
        }
}
