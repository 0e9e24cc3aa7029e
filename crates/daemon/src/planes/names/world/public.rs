//! What everybody sees, kept as an index: the names of endpoints and the public names of S3.
//!
//! What a name means is decided by `decide::name` alone: here its answers are kept, so that a query
//! costs one lookup however many endpoints there are, and a change costs the names it touched.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use adit_dns::Name;
use adit_dns::index::{Layer, Zone};
use adit_dns::wire::{RecordSet, RecordType, Soa};
use adit_model::*;
use adit_snapshot::Snapshot;
use adit_snapshot::decide::name::{self, Found, TTL, Viewpoint};
use adit_snapshot::names as spelling;

/// Seconds for which somebody may remember that a public name does not exist: one that is made
/// next should not wait long for those who were too early.
const NEGATIVE_TTL: u32 = 5;

/// The domain of all names of endpoints: one zone, whatever their services and Regions.
static ENDPOINTS: LazyLock<Name> = LazyLock::new(|| domain(&format!("vpce.{}", spelling::DOMAIN)));

/// A name that leads nowhere: an alias to it stands for "there is such a name, without addresses".
static NOWHERE: LazyLock<Name> = LazyLock::new(|| domain("adit.invalid"));

fn domain(text: &str) -> Name {
    // Spelled by this crate and by parsed ids: always a name.
    text.parse().unwrap_or_else(|_| Name::root())
}

/// The start of authority behind negative answers for public names.
pub(in crate::planes::names) fn authority() -> Soa {
    Soa {
        primary: domain("ns.adit.invalid"),
        mailbox: domain("hostmaster.adit.invalid"),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        minimum: NEGATIVE_TTL,
    }
}

/// Every public name, from nothing.
pub(super) fn build(snapshot: &Snapshot) -> Layer {
    let mut layer = Layer::new();
    let mut zone = Zone::new(ENDPOINTS.clone(), authority(), TTL);
    for endpoint in snapshot.intent.vpc_endpoints.values() {
        for name in endpoint_names(&snapshot.intent, endpoint) {
            put(&mut zone, snapshot, &name);
        }
    }
    layer.put_zone(Arc::new(zone));
    put_services(&mut layer, snapshot);
    layer
}

/// Brings the names of one endpoint from one snapshot to the next.
pub(super) fn follow(layer: &mut Layer, old: &Snapshot, new: &Snapshot, id: &str) {
    let Some(zone) = layer.zone_mut(&ENDPOINTS) else {
        return;
    };
    let names = |snapshot: &Snapshot| {
        let endpoint = snapshot.intent.get::<VpcEndpoint>(id);
        endpoint.map_or_else(Vec::new, |e| endpoint_names(&snapshot.intent, e))
    };
    let now = names(new);
    for gone in names(old).iter().filter(|name| !now.contains(name)) {
        let name = domain(gone);
        zone.remove_name(&name);
        if let Ok(below) = name.prepend("*") {
            zone.remove_name(&below);
        }
    }
    for name in &now {
        put(zone, new, name);
    }
}

/// The public names of S3 and DynamoDB in every Region.
pub(super) fn put_services(layer: &mut Layer, snapshot: &Snapshot) {
    let mut put_service = |text: String, below: bool| {
        let apex = domain(&text);
        let found = name::name(snapshot, &Viewpoint::Public, &text).found;
        if found == Found::NoName {
            layer.remove_zone(&apex);
            return;
        }
        let mut zone = Zone::new(apex.clone(), authority(), TTL);
        set(&mut zone, &apex, &found);
        if let (true, Ok(below)) = (below, apex.prepend("*")) {
            set(&mut zone, &below, &found);
        }
        layer.put_zone(Arc::new(zone));
    };
    put_service(format!("s3.{}", spelling::DOMAIN), true);
    for region in snapshot.intent.regions.values().map(|info| &info.name) {
        put_service(format!("s3-{region}.{}", spelling::DOMAIN), true);
        put_service(spelling::dynamodb(region), false);
        for service in ["s3", "s3-control", "s3-accesspoint"] {
            for family in ["", "dualstack."] {
                put_service(
                    format!("{service}.{family}{region}.{}", spelling::DOMAIN),
                    true,
                );
            }
        }
    }
}

fn endpoint_names(intent: &Intent, endpoint: &VpcEndpoint) -> Vec<String> {
    let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else {
        return Vec::new();
    };
    let enis = interfaces
        .iter()
        .filter_map(|id| intent.get::<NetworkInterface>(id));
    let subnets = enis.filter_map(|eni| intent.get::<Subnet>(&eni.subnet));
    spelling::of_endpoint(endpoint, subnets.map(|subnet| &subnet.zone))
}

/// Keeps what a name leads to, and with it everything below: clients put buckets in front.
fn put(zone: &mut Zone, snapshot: &Snapshot, text: &str) {
    let name = domain(text);
    let found = name::name(snapshot, &Viewpoint::Public, text).found;
    for owner in [name.prepend("*").ok(), Some(name)].into_iter().flatten() {
        set(zone, &owner, &found);
    }
}

/// Makes a name of a zone lead to what was found.
pub(super) fn set(zone: &mut Zone, owner: &Name, found: &Found) {
    let addresses: &[IpAddr] = match found {
        Found::Addresses(addresses) => addresses,
        Found::NoData => &[],
        Found::NoName | Found::Refused => {
            zone.remove_name(owner);
            return;
        }
    };
    let (v4, v6) = sets(addresses);
    let empty = v4.data.is_empty() && v6.data.is_empty();
    // Neither can be refused: the name is in the zone, and the sets are what they say.
    let _ = zone.put(owner, &v6);
    let _ = match empty {
        true => zone.put_alias(owner, RecordType::A, &NOWHERE),
        false => zone.put(owner, &v4),
    };
}

/// Addresses by family, as records.
pub(super) fn sets(addresses: &[IpAddr]) -> (RecordSet, RecordSet) {
    let v4 = addresses.iter().filter_map(|a| match a {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    let v6 = addresses.iter().filter_map(|a| match a {
        IpAddr::V6(v6) => Some(*v6),
        IpAddr::V4(_) => None,
    });
    (RecordSet::a(TTL, v4), RecordSet::aaaa(TTL, v6))
}
