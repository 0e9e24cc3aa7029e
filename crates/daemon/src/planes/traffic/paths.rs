//! The ways that S3's bytes take out of each subnet: what the router counted by place and device, in the
//! words of who pays for them.

use std::collections::{BTreeMap, BTreeSet};

use adit_model::{Served, VpcEndpointId};
use adit_net::protocol::Counters;
use adit_net::render::count::{self, tally};
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

/// Adds the ways of one VPC.
pub(super) fn add(view: &VpcView, counters: &Counters, rows: &mut Vec<PathRow>) {
    let (places, ways) = (places(view), ways(view));
    let mut sums: BTreeMap<(String, Way, String), (u64, u64)> = BTreeMap::new();
    for element in &counters.tallies {
        let sent = match element.tally.as_str() {
            tally::S3_SENT => true,
            tally::S3_RECEIVED => false,
            _ => continue,
        };
        let (Some(from), Some((way, through))) =
            (places.get(&element.into), ways.get(&element.out))
        else {
            continue;
        };
        let sum = sums.entry((from.clone(), *way, through.clone()));
        let (out, back) = sum.or_default();
        *(if sent { out } else { back }) += element.count.bytes;
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

/// Where bytes of S3 may begin, by what stands for it in the tallies.
fn places(view: &VpcView) -> BTreeMap<String, String> {
    let subnets = view.subnets.iter().map(|at| at.subnet.id.to_string());
    let sites = view.sites.iter().map(|site| place::site(&site.name));
    let peerings = view.peerings.iter();
    let peerings = peerings.map(|peering| peering.connection.id.to_string());
    let all = subnets.chain(sites).chain(peerings);
    all.map(|id| (count::part(&id), id)).collect()
}

/// The devices that carry bytes of S3 on.
fn ways(view: &VpcView) -> BTreeMap<String, (Way, String)> {
    let mut ways = BTreeMap::new();
    let s3: BTreeSet<&VpcEndpointId> = view
        .interfaces
        .iter()
        .map(|view| &view.endpoint)
        .filter(|endpoint| endpoint.serves() == Some(Served::S3))
        .map(|endpoint| &endpoint.id)
        .collect();
    for port in &view.ports {
        let way = match &port.user {
            PortUser::Endpoint(id) if s3.contains(id) => (Way::Interface, id.to_string()),
            PortUser::NatGateway(id) => (Way::Nat, id.to_string()),
            _ => continue,
        };
        ways.insert(place::port_device(&port.interface.id), way);
    }
    for gateway in &view.gateways {
        let id = &gateway.endpoint.id;
        ways.insert(place::gateway_device(id), (Way::Gateway, id.to_string()));
    }
    // Both gateways to the internet stand at the same device.
    let internet = view.internet_gateway.as_ref().map(ToString::to_string);
    let egress_only = view.egress_only.as_ref().map(ToString::to_string);
    if let Some(id) = internet.or(egress_only.filter(|_| view.leads_out())) {
        let device = place::INTERNET_GATEWAY_DEVICE.to_owned();
        ways.insert(device, (Way::Public, id));
    }
    ways
}
