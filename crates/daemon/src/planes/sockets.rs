//! Which sockets a snapshot asks for, and the difference to those that are open.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use adit_model::{
    Direction, ResolverEndpointId, Served, SiteName, VpcEndpoint, VpcEndpointId, VpcId, net,
};
use adit_net::protocol::Listen;
use adit_net::render::{self, place};
use adit_snapshot::{Snapshot, VpcView};

/// Where an S3 listener stands, and so what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// A gateway endpoint: every address of its namespace.
    Gateway(VpcEndpointId),
    /// One interface of an interface endpoint, by its device.
    Interface(VpcEndpointId, String),
    /// The service's public addresses.
    Internet,
}

/// Listeners of the front door by where they stand, and their address and port: 443 and 80 each.
pub type Doors = BTreeMap<(Door, SocketAddr), Listen>;

fn open(doors: &mut Doors, door: &Door, ns: &str, address: IpAddr) {
    // Not bound to a device: a socket would stay with the number of one that was made anew.
    for port in [443, 80] {
        let at = SocketAddr::new(address, port);
        doors.insert((door.clone(), at), Listen::tcp(ns, address, port));
    }
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The S3 listeners on the service's public addresses.
pub fn internet_doors() -> Doors {
    let mut doors = Doors::new();
    for any in [ANY, ANY_IPV6] {
        open(&mut doors, &Door::Internet, render::INTERNET, any);
    }
    doors
}

/// The S3 listeners that a VPC asks for.
pub fn doors(vpc: &VpcView) -> Doors {
    let mut doors = Doors::new();
    for gateway in vpc.gateways.iter().filter(|g| has_door(&g.endpoint)) {
        let id = &gateway.endpoint.id;
        let door = Door::Gateway(id.clone());
        open(&mut doors, &door, &place::endpoint(id), ANY);
    }
    for endpoint in vpc.interfaces.iter().filter(|i| is_s3(&i.endpoint)) {
        let id = &endpoint.endpoint.id;
        let ns = place::endpoint(id);
        for eni in &endpoint.interfaces {
            let door = Door::Interface(id.clone(), place::endpoint_device(&eni.id));
            // An interface has a private IPv4 address in any case; the type says who is served.
            let types = endpoint.endpoint.address_type;
            let v4 = types.has_v4().then_some(IpAddr::V4(eni.private_ip));
            let v6 = eni.ipv6.iter().filter(|_| types.has_v6());
            for address in v4.into_iter().chain(v6.copied().map(IpAddr::V6)) {
                open(&mut doors, &door, &ns, address);
            }
        }
    }
    doors
}

/// Which gateway endpoints lead to the front door.
fn has_door(endpoint: &VpcEndpoint) -> bool {
    matches!(endpoint.serves(), Some(Served::S3 | Served::DynamoDb))
}

/// Only interface endpoints of S3 lead to the front door.
fn is_s3(endpoint: &VpcEndpoint) -> bool {
    endpoint.serves() == Some(Served::S3)
}

/// Whose names a resolver socket answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Desk {
    /// A VPC's resolver.
    Vpc(VpcId),
    /// An inbound endpoint of a VPC's resolver.
    Inbound(VpcId, ResolverEndpointId),
    /// A site's own resolver: public names.
    Site(SiteName),
}

/// The resolver sockets that a snapshot asks for, by desk and address.
pub fn desks(snapshot: &Snapshot) -> BTreeMap<(Desk, IpAddr), String> {
    let mut desks = BTreeMap::new();
    for view in snapshot.vpcs() {
        let vpc = &view.vpc;
        let ns = place::router(&vpc.id);
        let twin = (!vpc.ipv6.is_empty()).then_some(IpAddr::V6(net::RESOLVER_IPV6));
        let addresses = [
            IpAddr::V4(net::resolver(vpc.cidr())),
            IpAddr::V4(net::RESOLVER_LINK_LOCAL),
        ];
        for address in addresses.into_iter().chain(twin) {
            desks.insert((Desk::Vpc(vpc.id.clone()), address), ns.clone());
        }
        let inbound = view.resolvers.iter();
        for resolver in inbound.filter(|r| r.endpoint.direction == Direction::Inbound) {
            let id = &resolver.endpoint.id;
            for eni in &resolver.interfaces {
                let desk = Desk::Inbound(vpc.id.clone(), id.clone());
                desks.insert((desk, IpAddr::V4(eni.private_ip)), place::resolver(id));
            }
        }
        for site in &view.sites {
            let address = site.router();
            desks.insert(
                (Desk::Site(site.name.clone()), IpAddr::V4(address)),
                place::site(&site.name),
            );
        }
    }
    desks
}
