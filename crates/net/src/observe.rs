//! What the kernel really has, as far as it is ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ipnet::IpNet;

use crate::desired::{Address, IpFamily, Mac, Namespace, NexthopTarget, PolicyRule, Route};
use crate::lent::Origin;
use crate::namespace::Held;
use crate::netlink::rt::{self, LinkReport};
use crate::netlink::{KernelError, Netlink};
use crate::nft::{Family, Table};
use crate::settings::Settings;

mod connections;
mod counters;
mod filter;
mod tally;

pub(crate) use connections::connections;
pub(crate) use counters::counters;
pub(crate) use filter::{Memory, SeenFilter, generation};
pub(crate) use tally::flows;

/// What a namespace contains that is ours, and what its devices are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) links: BTreeMap<String, SeenLink>,
    /// All addresses, and whether they carry our mark. Linux marks them since 5.18: before, those
    /// that are not wanted any more stay unless it is known that they were ours.
    pub(crate) addresses: BTreeMap<Address, bool>,
    pub(crate) routes: BTreeMap<RouteKey, Route>,
    pub(crate) rules: BTreeSet<PolicyRule>,
    pub(crate) nexthops: BTreeMap<u32, NexthopTarget>,
    pub(crate) neighbours: BTreeMap<NeighbourKey, Option<Mac>>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) filter: SeenFilter,
}

/// What makes a route unique in a namespace.
pub(crate) type RouteKey = (u32, IpNet, u32);
/// Device, address, whether it is a proxy entry.
pub(crate) type NeighbourKey = (String, IpAddr, bool);

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenLink {
    /// Its number and that of its other end; unknown when the state is assumed.
    pub(crate) indexes: Option<(u32, Option<u32>)>,
    /// Unknown when the state is assumed and no address was asked for.
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
    pub(crate) up: bool,
    pub(crate) altnames: BTreeSet<String>,
    pub(crate) owner: Owner,
    /// Of a lent device: its name at the host.
    pub(crate) origin: Option<String>,
}

/// Whose a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The near end of a link of ours.
    Near,
    /// The far end of a link of ours.
    Far,
    /// Somebody else's, lent to us.
    Lent,
    /// Somebody else's, or the kernel's.
    Other,
}

/// The number a route is kept under.
pub(crate) fn route_key(route: &Route) -> RouteKey {
    (route.table, route.destination, route.metric)
}

/// The kernel could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read {what} of namespace `{ns}`: {source}")]
pub(crate) struct ObserveError {
    pub(crate) ns: String,
    pub(crate) what: &'static str,
    pub(crate) source: KernelError,
}

/// Reads a namespace. `wanted` says which settings to look at and helps to recognise the table.
pub(crate) fn observe(
    name: &str,
    held: &Held,
    home: &OwnedFd,
    wanted: &Namespace,
    memory: Option<&Memory>,
) -> Result<Seen, ObserveError> {
    let fail = |what| {
        move |source| ObserveError {
            ns: name.to_owned(),
            what,
            source,
        }
    };
    let opened = held.inside(home, || {
        let sockets = Netlink::route().and_then(|rt| Ok((rt, Netlink::netfilter()?)));
        (sockets, Settings::default().read(&wanted.sysctls))
    });
    let (sockets, sysctls) = opened
        .map_err(KernelError::from)
        .map_err(fail("anything"))?;
    let (mut route, mut netfilter) = sockets
        .map_err(KernelError::from)
        .map_err(fail("anything"))?;
    let mut seen = Seen {
        sysctls,
        ..Seen::default()
    };
    let names = seen.read_links(&mut route).map_err(fail("links"))?;
    seen.read_addresses(&mut route, &names)
        .map_err(fail("addresses"))?;
    seen.read_routes(&mut route, &names)
        .map_err(fail("routes"))?;
    seen.read_rest(&mut route, &names)
        .map_err(fail("rules, nexthops and neighbours"))?;
    let candidates = [memory.and_then(|m| m.table.as_deref()), wanted.nft.as_ref()];
    seen.filter = filter::read(&mut netfilter, memory, &candidates).map_err(fail("filters"))?;
    Ok(seen)
}

impl Seen {
    fn read_links(&mut self, route: &mut Netlink) -> Result<Names, KernelError> {
        let mut names = BTreeMap::new();
        route.dump(&rt::dump_links(), |message| {
            if let Some(report) = rt::link(message) {
                names.insert(report.index, report.name.clone());
                let name = report.name.clone();
                self.links.insert(name, SeenLink::from(report));
            }
        })?;
        Ok(Names(names))
    }

    fn read_addresses(&mut self, route: &mut Netlink, names: &Names) -> Result<(), KernelError> {
        route.dump(&rt::dump_addresses(), |message| {
            if let Some((index, address, ours)) = rt::address_of(message) {
                let device = names.of(index);
                self.addresses.insert(Address { device, address }, ours);
            }
        })
    }

    fn read_routes(&mut self, route: &mut Netlink, names: &Names) -> Result<(), KernelError> {
        for v4 in [true, false] {
            let result = route.dump(&rt::dump_routes(v4), |message| {
                if let Some((mut route, index)) = rt::our_route(message) {
                    route.device = index.map(|i| names.of(i));
                    self.routes.insert(route_key(&route), route);
                }
            });
            unless_unsupported(result)?;
        }
        Ok(())
    }

    fn read_rest(&mut self, route: &mut Netlink, names: &Names) -> Result<(), KernelError> {
        for v4 in [true, false] {
            unless_unsupported(route.dump(&rt::dump_rules(v4), |message| {
                self.rules.extend(rt::our_rule(message));
            }))?;
        }
        unless_unsupported(route.dump(&rt::dump_nexthops(), |message| {
            if let Some(report) = rt::our_nexthop(message) {
                let family = if report.v4 {
                    IpFamily::V4
                } else {
                    IpFamily::V6
                };
                let device = names.of(report.device.unwrap_or(0));
                let target = match report.gateway {
                    _ if report.blackhole => NexthopTarget::Blackhole { family },
                    Some(gateway) => NexthopTarget::Via { gateway, device },
                    None => NexthopTarget::Device { device, family },
                };
                self.nexthops.insert(report.id, target);
            }
        }))?;
        for proxy in [false, true] {
            route.dump(&rt::dump_neighbours(proxy), |message| {
                if let Some((index, address, mac)) = rt::our_neighbour(message) {
                    self.neighbours
                        .insert((names.of(index), address, mac.is_none()), mac);
                }
            })?;
        }
        Ok(())
    }

    /// What a namespace has right after it was made so.
    pub(crate) fn assume(
        wanted: &Namespace,
        far_ends: &[FarEnd],
        table: Option<Arc<Table>>,
    ) -> Self {
        let mut links: BTreeMap<String, SeenLink> = wanted
            .links
            .iter()
            .map(|link| {
                let altnames = link.altname.iter().cloned().collect();
                let seen = SeenLink::assumed(link.mac, link.mtu, altnames, Owner::Near);
                (link.name.clone(), seen)
            })
            .collect();
        links.extend(far_ends.iter().map(|end| {
            let seen = SeenLink::assumed(end.mac, end.mtu, BTreeSet::new(), Owner::Far);
            (end.name.clone(), seen)
        }));
        links.extend(wanted.lent.iter().map(|lent| {
            let seen = SeenLink::lent(&lent.device);
            (lent.name.clone(), seen)
        }));
        let lo = SeenLink::assumed(None, None, BTreeSet::new(), Owner::Other);
        links.insert("lo".to_owned(), lo);
        Self {
            links,
            addresses: wanted.addresses.iter().map(|a| (a.clone(), true)).collect(),
            routes: wanted
                .routes
                .iter()
                .map(|r| (route_key(r), r.clone()))
                .collect(),
            rules: wanted.rules.iter().cloned().collect(),
            nexthops: wanted
                .nexthops
                .iter()
                .map(|n| (n.id, n.target.clone()))
                .collect(),
            neighbours: wanted
                .neighbours
                .iter()
                .map(|n| ((n.device.clone(), n.address, n.mac.is_none()), n.mac))
                .collect(),
            sysctls: wanted.sysctls.clone(),
            filter: SeenFilter::known(table),
        }
    }

    /// Forgets what the kernel drops together with a device. Nexthops are kept: the planner turns
    /// them into blackholes before the device goes, so that no route falls through.
    pub(crate) fn forget_device(&mut self, device: &str) {
        self.links.remove(device);
        self.addresses.retain(|a, _| a.device != device);
        self.routes
            .retain(|_, r| r.device.as_deref() != Some(device));
        self.neighbours.retain(|(d, _, _), _| d != device);
        self.sysctls
            .retain(|key, _| device_of_sysctl(key) != Some(device));
    }
}

/// The far end of a link that is stated in another namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FarEnd {
    pub(crate) name: String,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
}

impl SeenLink {
    fn assumed(
        mac: Option<Mac>,
        mtu: Option<u32>,
        altnames: BTreeSet<String>,
        owner: Owner,
    ) -> Self {
        Self {
            indexes: None,
            mac,
            mtu,
            up: true,
            altnames,
            owner,
            origin: None,
        }
    }

    /// A device that was just taken.
    pub(crate) fn lent(device: &str) -> Self {
        Self {
            origin: Some(device.to_owned()),
            ..Self::assumed(None, None, BTreeSet::new(), Owner::Lent)
        }
    }
}

impl From<LinkReport> for SeenLink {
    fn from(report: LinkReport) -> Self {
        let origin = Origin::parse(&report.alias).filter(|_| report.group == rt::LENT);
        let owner = match (report.kind.as_deref(), report.group) {
            _ if origin.is_some() => Owner::Lent,
            (Some("veth"), rt::NEAR) => Owner::Near,
            (Some("veth"), rt::FAR) => Owner::Far,
            _ => Owner::Other,
        };
        Self {
            indexes: Some((report.index, report.peer)),
            mac: report.mac,
            mtu: Some(report.mtu),
            up: report.up,
            altnames: report.altnames.into_iter().collect(),
            owner,
            origin: origin.map(|origin| origin.device),
        }
    }
}

/// The devices of a namespace.
pub(crate) fn links(
    ns: &str,
    held: &Held,
    home: &OwnedFd,
) -> Result<BTreeMap<String, SeenLink>, ObserveError> {
    let fail = |source| ObserveError {
        ns: ns.to_owned(),
        what: "links",
        source,
    };
    let opened = held.inside(home, Netlink::route).flatten();
    let mut socket = opened.map_err(KernelError::from).map_err(fail)?;
    let mut seen = Seen::default();
    seen.read_links(&mut socket).map_err(fail)?;
    Ok(seen.links)
}

/// Names of devices by number.
struct Names(BTreeMap<u32, String>);

impl Names {
    fn of(&self, index: u32) -> String {
        self.0
            .get(&index)
            .cloned()
            .unwrap_or_else(|| format!("#{index}"))
    }
}

/// A kernel without IPv6 or without nexthop objects has none of ours.
fn unless_unsupported(result: Result<(), KernelError>) -> Result<(), KernelError> {
    match result {
        Err(error)
            if matches!(
                error.errno,
                libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::ENOENT
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The device that a setting is about, if it is about one.
pub(crate) fn device_of_sysctl(key: &str) -> Option<&str> {
    let mut parts = key.split('/');
    let (_, kind, device) = (parts.next()?, parts.next()?, parts.next()?);
    let about = matches!(kind, "conf" | "neigh") && !matches!(device, "all" | "default" | "lo");
    (about && parts.next().is_some()).then_some(device)
}

/// A namespace for people.
pub(crate) fn describe(name: &str, seen: &Seen, out: &mut String) {
    let _ = writeln!(out, "namespace {name}");
    for (link, seen) in &seen.links {
        let mac = seen.mac.map(|m| m.to_string()).unwrap_or_default();
        let mtu = seen.mtu.unwrap_or(0);
        let up = if seen.up { "up" } else { "down" };
        let names: Vec<_> = seen.altnames.iter().map(String::as_str).collect();
        let _ = writeln!(
            out,
            "  link {link} {up} mtu {mtu} {mac} {}",
            names.join(" ")
        );
        if let Some(device) = &seen.origin {
            let _ = writeln!(out, "    lent by the host, there {device}");
        }
    }
    for address in seen.addresses.keys() {
        let _ = writeln!(out, "  address {} on {}", address.address, address.device);
    }
    for rule in &seen.rules {
        let _ = writeln!(out, "  rule {rule}");
    }
    for (id, target) in &seen.nexthops {
        let _ = writeln!(out, "  nexthop {id} {target}");
    }
    for route in seen.routes.values() {
        let _ = writeln!(out, "  route {route}");
    }
    for ((device, address, _), mac) in &seen.neighbours {
        let mac = mac.map_or_else(|| "proxy".to_owned(), |m| m.to_string());
        let _ = writeln!(out, "  neighbour {address} on {device} {mac}");
    }
    for (family, table) in &seen.filter.tables {
        let _ = writeln!(out, "  table {} {table}", family.word());
    }
    if let Some(table) = &seen.filter.known {
        for line in table.to_text().lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
}

/// Used by [`filter`] to say which table it means.
pub(crate) fn named(table: &Table) -> (Family, String) {
    (table.family, table.name.clone())
}
