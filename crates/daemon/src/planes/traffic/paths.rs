//! The ways that S3's bytes take out of each subnet: what the router counted by place and device, in the
//! words of who pays for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adit_model::{Generation, Served, VpcEndpointId, VpcId};
use adit_net::protocol::Counters;
use adit_net::render::count::{self, tally};
use adit_net::render::place;
use adit_snapshot::{PortUser, Snapshot, VpcView};

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

/// The devices that carry S3's bytes on, with the id of what they belong to.
type Carriers = BTreeMap<String, (Way, String)>;

/// Most devices of one VPC that are gone and remembered.
const MOST_GONE: usize = 4096;

/// The devices that carry S3's bytes, and those that did: what an interface carried before its endpoint left
/// its subnet stays the endpoint's, for as long as that stands. Else a sum that only grows would shrink.
#[derive(Debug, Default)]
pub struct Ways(Mutex<BTreeMap<VpcId, Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The generation of the VPC's view that was learned last.
    seen: Generation,
    carriers: Arc<Carriers>,
}

impl Ways {
    /// Learns what a snapshot has. VPCs that did not change are not looked at.
    pub fn learn(&self, snapshot: &Snapshot) {
        let mut known = self.known();
        known.retain(|vpc, _| snapshot.vpc(vpc).is_some());
        for view in snapshot.vpcs() {
            let of = known.entry(view.vpc.id.clone()).or_default();
            if of.seen != view.generation || of.carriers.is_empty() {
                of.seen = view.generation;
                of.carriers = Arc::new(carriers(view, &of.carriers));
            }
        }
    }

    /// What is known of a VPC.
    pub(super) fn of(&self, vpc: &VpcId) -> Arc<Carriers> {
        let known = self.known();
        known
            .get(vpc)
            .map(|of| of.carriers.clone())
            .unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<VpcId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the ways of one VPC.
pub(super) fn add(view: &VpcView, ways: &Carriers, counters: &Counters, rows: &mut Vec<PathRow>) {
    let places = places(view);
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

/// The devices that carry bytes of S3 on, and those of `before` whose endpoint still stands.
fn carriers(view: &VpcView, before: &Carriers) -> Carriers {
    let mut ways = Carriers::new();
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
    let standing: BTreeSet<&str> = s3.iter().map(|id| id.as_str()).collect();
    let gone = before.iter().filter(|(device, (_, through))| {
        !ways.contains_key(*device) && standing.contains(through.as_str())
    });
    let gone: Vec<_> = gone.take(MOST_GONE).collect();
    ways.extend(
        gone.into_iter()
            .map(|(device, way)| (device.clone(), way.clone())),
    );
    // Both gateways to the internet stand at the same device.
    let internet = view.internet_gateway.as_ref().map(ToString::to_string);
    let egress_only = view.egress_only.as_ref().map(ToString::to_string);
    if let Some(id) = internet.or(egress_only.filter(|_| view.leads_out())) {
        let device = place::INTERNET_GATEWAY_DEVICE.to_owned();
        ways.insert(device, (Way::Public, id));
    }
    ways
}
