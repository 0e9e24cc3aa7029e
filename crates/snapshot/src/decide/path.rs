//! Which way a packet takes, and where it is stopped: the routes and filters of one VPC as a pure
//! function. The kernel does the same with the same views; tests hold them against each other.

use std::net::Ipv4Addr;

use adit_model::*;
use ipnet::{IpNet, Ipv4Net};

use crate::vpc::{GroupView, PeerSet, PortUser, PortView, ResolvedRule, Target, VpcView};

/// The first packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where it enters the VPC.
    pub from: From,
    /// Its source address.
    pub source: Ipv4Addr,
    /// Its destination address.
    pub destination: Ipv4Addr,
    /// Its protocol.
    pub protocol: IpProtocol,
    /// Its destination port; for ICMP the type.
    pub port: u16,
}

/// Where a packet enters a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// By a network interface.
    Port(NetworkInterfaceId),
    /// From an on-premises site.
    Site(SiteName),
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
    /// At a gateway endpoint.
    Gateway(VpcEndpointId),
    /// At the internet, with this public source address.
    Internet(Ipv4Addr),
    /// At a site.
    Site(SiteName),
    /// At the VPC's resolver or a subnet's router.
    Router,
}

/// Why a packet is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It does not carry the interface's own address.
    SourceCheck,
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
    /// The sender has no public address.
    NoPublicAddress,
    /// It does not exist here.
    UnknownSender,
}

/// Follows a packet through its VPC.
pub fn path(view: &VpcView, flow: &Flow) -> Path {
    follow(view, flow).map_or_else(Path::Stopped, Path::Arrives)
}

fn follow(view: &VpcView, flow: &Flow) -> Result<Arrival, Stop> {
    let sender = sender(view, flow)?;
    if let Some(port) = sender
        && port.interface.source_dest_check
        && port.interface.private_ip != flow.source
    {
        return Err(Stop::SourceCheck);
    }
    let next = route(view, sender, flow.destination)?;
    if let Next::Router = next {
        return match serves(view, sender, flow) {
            true => Ok(Arrival::Router),
            false => Err(Stop::NobodyThere),
        };
    }
    if let Some(port) = sender
        && !allows(view, port, flow, true)
    {
        return Err(Stop::Egress(port.interface.id.clone()));
    }
    match next {
        Next::Port(receiver) => enter(view, receiver, flow),
        Next::Gateway(id) => Ok(Arrival::Gateway(id)),
        Next::Site(name) => Ok(Arrival::Site(name)),
        Next::Internet => match sender.and_then(|port| port.interface.public_ip) {
            Some(public) => Ok(Arrival::Internet(public)),
            None => Err(Stop::NoPublicAddress),
        },
        Next::Router => Ok(Arrival::Router),
    }
}

fn sender<'a>(view: &'a VpcView, flow: &Flow) -> Result<Option<&'a PortView>, Stop> {
    match &flow.from {
        From::Port(id) => view.port(id).map(Some).ok_or(Stop::UnknownSender),
        From::Site(name) => match view.sites.iter().any(|site| site.name == *name) {
            true => Ok(None),
            false => Err(Stop::UnknownSender),
        },
        From::Internet => match view.internet_gateway.is_some() {
            true => Ok(None),
            false => Err(Stop::UnknownSender),
        },
    }
}

enum Next<'a> {
    Port(&'a PortView),
    Gateway(VpcEndpointId),
    Site(SiteName),
    Internet,
    Router,
}

/// Where the sender's route table leads: the VPC's own blocks are local, unless a longer prefix of
/// the table says otherwise. What enters from outside knows the VPC's own blocks and nothing else.
fn route<'a>(
    view: &'a VpcView,
    sender: Option<&PortView>,
    destination: Ipv4Addr,
) -> Result<Next<'a>, Stop> {
    // The router's own addresses are found before any table is asked.
    if is_router(view, destination) {
        return Ok(Next::Router);
    }
    let local = view
        .vpc
        .cidrs
        .iter()
        .map(|c| c.cidr)
        .filter(|c| c.contains(&destination));
    let local = local.map(|c| c.prefix_len()).max();
    let table = sender.and_then(|port| view.tables.iter().find(|t| t.number == port.table));
    let routes = table.map_or(&[][..], |table| &table.routes);
    let best = routes
        .iter()
        .filter(|route| route.destination.contains(&destination))
        .max_by_key(|route| route.destination.prefix_len());
    let longer = best.filter(|r| local.is_none_or(|length| r.destination.prefix_len() > length));
    match (longer.map(|route| &route.target), local) {
        (None, None) => Err(Stop::NoRoute),
        (None, Some(_)) => {
            let port = view
                .ports
                .iter()
                .find(|p| p.interface.private_ip == destination);
            port.map(Next::Port).ok_or(Stop::NobodyThere)
        }
        (Some(Target::Blackhole), _) => Err(Stop::Blackhole),
        (Some(Target::InternetGateway(_)), _) => Ok(Next::Internet),
        (Some(Target::GatewayEndpoint(id)), _) => Ok(Next::Gateway(id.clone())),
        (Some(Target::Site(name)), _) => Ok(Next::Site(name.clone())),
        (Some(Target::Interface(id, _)), _) => view.port(id).map(Next::Port).ok_or(Stop::Blackhole),
    }
}

fn is_router(view: &VpcView, address: Ipv4Addr) -> bool {
    address == net::RESOLVER_LINK_LOCAL
        || address == net::resolver(view.vpc.cidr())
        || view
            .subnets
            .iter()
            .any(|s| net::router(s.subnet.cidr) == address)
}

/// The router answers echo requests to everybody, and names to ports of the VPC.
fn serves(view: &VpcView, sender: Option<&PortView>, flow: &Flow) -> bool {
    let resolver = flow.destination == net::RESOLVER_LINK_LOCAL
        || flow.destination == net::resolver(view.vpc.cidr());
    match flow.protocol {
        IpProtocol::Icmp => flow.port == 8,
        IpProtocol::Tcp | IpProtocol::Udp => resolver && sender.is_some() && flow.port == 53,
        _ => false,
    }
}

fn enter(view: &VpcView, receiver: &PortView, flow: &Flow) -> Result<Arrival, Stop> {
    let eni = &receiver.interface;
    if eni.source_dest_check && eni.private_ip != flow.destination {
        return Err(Stop::DestinationCheck);
    }
    if !allows(view, receiver, flow, false) {
        return Err(Stop::Ingress(eni.id.clone()));
    }
    Ok(match &receiver.user {
        PortUser::Instance => Arrival::Instance(eni.id.clone()),
        PortUser::Endpoint(id) => Arrival::Interface(id.clone(), eni.id.clone()),
        PortUser::Resolver(id) => Arrival::Resolver(id.clone(), eni.id.clone()),
    })
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

fn matches(rule: &ResolvedRule, flow: &Flow, peer: Ipv4Addr) -> bool {
    let within = |from: i32, to: i32| (from..=to).contains(&i32::from(flow.port));
    let protocol = match (rule.protocol, rule.ports) {
        (IpProtocol::All, _) => true,
        (protocol, _) if protocol != flow.protocol => false,
        (IpProtocol::Icmp, Some((kind, _))) => kind < 0 || i32::from(flow.port) == kind,
        (IpProtocol::Tcp | IpProtocol::Udp, Some((from, to))) => within(from, to),
        _ => true,
    };
    let blocks = |blocks: &[Ipv4Net]| blocks.iter().any(|block| block.contains(&peer));
    protocol
        && match &rule.peers {
            PeerSet::Cidr(IpNet::V4(block)) => block.contains(&peer),
            PeerSet::Cidr(IpNet::V6(_)) => false,
            PeerSet::Named { blocks: named, .. } => blocks(named),
        }
}
