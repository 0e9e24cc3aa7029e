//! The ways that S3's bytes take out of each subnet: what the router counted by pair of devices, in the
//! words of who pays for them.

use std::collections::BTreeMap;

use adit_model::Served;
use adit_net::protocol::Counters;
use adit_net::render::count::tally;
use adit_net::render::place;
use adit_snapshot::{PortUser, VpcView};

/// A way to S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Through a gateway endpoint.
    Gateway,
    /// Through an interface endpoint.
    Interface,
    /// Through a NAT gateway.
    Nat,
    /// Straight through the internet gateway, with a public address.
    Public,
}

impl Way {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Way; 4] = [Way::Gateway, Way::Interface, Way::Nat, Way::Public];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Gateway => "gateway",
            Way::Interface => "interface",
            Way::Nat => "nat",
            Way::Public => "public",
        }
    }
}

/// S3's bytes between a place and S3 on one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRow {
    /// The VPC that the way begins in.
    pub vpc: String,
    /// Where the bytes begin: a subnet, a site (`site-NAME`) or a peering connection, by id.
    pub from: String,
    /// The way.
    pub way: Way,
    /// What carries them: the id of an endpoint or gateway.
    pub through: String,
    /// Bytes towards S3.
    pub sent: u64,
    /// Bytes from S3.
    pub received: u64,
}

/// What a device is on S3's ways.
enum Part {
    /// Where bytes begin.
    Place(String),
    /// What carries them on.
    Way(Way, String),
}

/// Adds the ways of one VPC.
pub(super) fn add(view: &VpcView, counters: &Counters, rows: &mut Vec<PathRow>) {
    let parts = parts(view);
    let mut sums: BTreeMap<(String, Way, String), (u64, u64)> = BTreeMap::new();
    for element in counters.tallies.iter().filter(|t| t.tally == tally::S3) {
        let bytes = element.count.bytes;
        match (parts.get(&element.into), parts.get(&element.out)) {
            (Some(Part::Place(from)), Some(Part::Way(way, through))) => {
                let sum = sums.entry((from.clone(), *way, through.clone()));
                sum.or_default().0 += bytes;
            }
            (Some(Part::Way(way, through)), Some(Part::Place(from))) => {
                let sum = sums.entry((from.clone(), *way, through.clone()));
                sum.or_default().1 += bytes;
            }
            // From one part of a way to the next (a NAT gateway to the internet gateway): these bytes
            // were counted where they began.
            _ => {}
        }
    }
    rows.extend(
        sums.into_iter()
            .map(|((from, way, through), (sent, received))| PathRow {
                vpc: view.vpc.id.to_string(),
                from,
                way,
                through,
                sent,
                received,
            }),
    );
}

/// Every device of the router that bytes of S3 may pass.
fn parts(view: &VpcView) -> BTreeMap<String, Part> {
    let mut parts = BTreeMap::new();
    for port in &view.ports {
        let s3 = |id| {
            let mut endpoints = view.interfaces.iter().map(|view| &view.endpoint);
            endpoints.any(|e| e.id == id && e.serves() == Some(Served::S3))
        };
        let part = match &port.user {
            PortUser::Endpoint(id) if s3(id.clone()) => Part::Way(Way::Interface, id.to_string()),
            PortUser::NatGateway(id) => Part::Way(Way::Nat, id.to_string()),
            _ => Part::Place(port.subnet.id.to_string()),
        };
        parts.insert(place::port_device(&port.interface.id), part);
    }
    for gateway in &view.gateways {
        let id = &gateway.endpoint.id;
        let way = Part::Way(Way::Gateway, id.to_string());
        parts.insert(place::gateway_device(id), way);
    }
    if let Some(id) = &view.internet_gateway {
        let way = Part::Way(Way::Public, id.to_string());
        parts.insert(place::INTERNET_GATEWAY_DEVICE.to_owned(), way);
    }
    for site in &view.sites {
        let part = Part::Place(place::site(&site.name));
        parts.insert(place::site_device(site.number), part);
    }
    for peering in &view.peerings {
        let part = Part::Place(peering.connection.id.to_string());
        parts.insert(place::peering_device(peering.number), part);
    }
    parts
}
