//! Whether a desired state can be: names, references, contradictions. Nothing is changed in the
//! kernel before this has been passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{
    Attachment, Desired, IpFamily, Link, LinkKind, Namespace, NexthopTarget, Route, RouteKind,
};
use crate::nft::InvalidTable;
use crate::patch::Patch;

/// What is wrong with a desired state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDesired {
    /// The name of a group or namespace is not allowed.
    #[error("`{0}` is not a name for a group or namespace (1 to 64 of a-z, 0-9 and -)")]
    Name(String),
    /// Something in a namespace cannot be.
    #[error("namespace `{ns}`, {part}: {reason}")]
    Part {
        /// The namespace.
        ns: String,
        /// The link, route, … at fault.
        part: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The nftables table cannot be.
    #[error("namespace `{ns}`: {source}")]
    Table {
        /// The namespace.
        ns: String,
        /// What is wrong with the table.
        source: InvalidTable,
    },
}

/// A name of a group or namespace: it becomes a file name.
pub(crate) fn name(text: &str) -> Result<(), InvalidDesired> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(good) {
        Ok(())
    } else {
        Err(InvalidDesired::Name(text.to_owned()))
    }
}

impl Desired {
    /// Checks everything that can be checked without the kernel.
    ///
    /// # Errors
    /// Names the first part that cannot be.
    pub fn check(&self) -> Result<(), InvalidDesired> {
        self.check_parts(None)
    }

    /// Checks names and links of the whole, and the rest of some namespaces only.
    pub(crate) fn check_parts(
        &self,
        only: Option<&BTreeSet<String>>,
    ) -> Result<(), InvalidDesired> {
        self.check_some(only, &BTreeMap::new())
    }

    /// Checks a state that was valid before these changes were made to it.
    pub(crate) fn check_change(
        &self,
        patched: &BTreeMap<String, Patch>,
        made: &BTreeSet<String>,
    ) -> Result<(), InvalidDesired> {
        let mut only = made.clone();
        only.extend(patched.keys().cloned());
        // What stays must not hang on what goes.
        let mut by_part = patched.clone();
        for (ns, patch) in patched {
            let links = patch.gone.links.iter();
            let others = links.map(|Link { kind, .. }| {
                let LinkKind::Veth { peer_ns, .. } = kind;
                peer_ns
            });
            let others: Vec<_> = others.cloned().collect();
            let tables = patch.gone.nft.iter().zip(&patch.come.nft);
            let mut chains = tables.flat_map(|(gone, come)| {
                let names = gone.chains.keys();
                names.filter(|name| !come.chains.contains_key(*name))
            });
            if chains.next().is_some() || !others.is_empty() || !patch.gone.nexthops.is_empty() {
                by_part.remove(ns);
            }
            others.iter().for_each(|ns| drop(by_part.remove(ns)));
            only.extend(others);
        }
        self.check_some(Some(&only), &by_part)?;
        for (ns, patch) in patched {
            let Some(namespace) = self.namespaces.get(ns) else {
                continue;
            };
            for come in &patch.come.routes {
                let key = crate::observe::route_key(come);
                let same = |route: &&Route| crate::observe::route_key(route) == key;
                let alone = namespace
                    .routes
                    .iter()
                    .filter(same)
                    .all(|route| route == come);
                let part = At {
                    ns,
                    part: || format!("route {come}"),
                };
                part.must(alone, "another route of the same table, prefix and metric")?;
            }
        }
        Ok(())
    }

    fn check_some(
        &self,
        only: Option<&BTreeSet<String>>,
        patched: &BTreeMap<String, Patch>,
    ) -> Result<(), InvalidDesired> {
        let mut altnames: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut devices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (ns, namespace) in &self.namespaces {
            name(ns)?;
            devices.entry(ns).or_default().insert("lo");
            for link in &namespace.links {
                let LinkKind::Veth {
                    peer_ns, peer_name, ..
                } = &link.kind;
                name(peer_ns)?;
                for (ns, device) in [(ns, &link.name), (peer_ns, peer_name)] {
                    let part = At {
                        ns,
                        part: || format!("link `{device}`"),
                    };
                    part.must(device_name(device, 15), "not a name for a device")?;
                    let new = devices.entry(ns).or_default().insert(device);
                    part.must(new, "two devices of the same name")?;
                }
                if let Some(alt) = &link.altname {
                    let part = At {
                        ns,
                        part: || format!("link `{}`", link.name),
                    };
                    part.must(device_name(alt, 127), "not a second name for a device")?;
                    let new = altnames.insert((ns, alt));
                    part.must(new, "two devices of the same name")?;
                }
                let part = At {
                    ns,
                    part: || format!("link `{}`", link.name),
                };
                let mtu = link.mtu.is_none_or(|mtu| (68..=65535).contains(&mtu));
                part.must(mtu, "an MTU must be between 68 and 65535")?;
                part.must(ns != peer_ns, "both ends in the same namespace")?;
            }
        }
        let mut hosts: BTreeSet<&str> = BTreeSet::new();
        for (ns, namespace) in &self.namespaces {
            for lent in &namespace.lent {
                let part = At {
                    ns,
                    part: || format!("lent device `{}`", lent.name),
                };
                part.must(device_name(&lent.name, 15), "not a name for a device")?;
                let good = |c: char| !c.is_control() && !c.is_whitespace() && !"/:%".contains(c);
                let known = (1..=15).contains(&lent.device.len()) && lent.device.chars().all(good);
                part.must(known, "not the name of a device")?;
                let new = devices.entry(ns).or_default().insert(&lent.name);
                part.must(new, "two devices of the same name")?;
                let once = hosts.insert(&lent.device);
                part.must(once, "the same device is lent twice")?;
            }
        }
        let doubled = |(ns, alt): &&(&str, &str)| devices.get(ns).is_some_and(|d| d.contains(alt));
        if let Some((ns, alt)) = altnames.iter().find(doubled) {
            let part = At {
                ns,
                part: || format!("link `{alt}`"),
            };
            part.must(false, "two devices of the same name")?;
        }
        let none = BTreeSet::new();
        let chosen = |ns: &String| only.is_none_or(|only| only.contains(ns));
        for (ns, namespace) in self.namespaces.iter().filter(|(ns, _)| chosen(ns)) {
            let known = devices.get(ns.as_str()).unwrap_or(&none);
            Checker {
                ns,
                known,
                nexthops: nexthop_families(ns, namespace)?,
            }
            .namespace(patched.get(ns).map_or(namespace, |patch| &patch.come))?;
        }
        let far_ends = self.far_ends();
        for (ns, attachment) in &self.attachments {
            let part = At {
                ns,
                part: || "attachment".to_owned(),
            };
            part.must(
                !self.namespaces.contains_key(ns),
                "it is a namespace of the group",
            )?;
            let known = far_ends.get(ns.as_str()).unwrap_or(&none);
            Checker {
                ns,
                known,
                nexthops: BTreeMap::new(),
            }
            .attachment(attachment)?;
        }
        Ok(())
    }

    /// Namespaces of other groups that this state needs.
    pub(crate) fn needed(&self) -> BTreeSet<&str> {
        let mut needed: BTreeSet<&str> = self.attachments.keys().map(String::as_str).collect();
        needed.extend(self.far_ends().keys());
        needed.retain(|ns| !self.namespaces.contains_key(*ns));
        needed
    }
}

/// Where we are, for error messages.
struct At<'a, P: Fn() -> String> {
    ns: &'a str,
    part: P,
}

impl<P: Fn() -> String> At<'_, P> {
    fn must(&self, holds: bool, reason: &'static str) -> Result<(), InvalidDesired> {
        if holds {
            Ok(())
        } else {
            Err(InvalidDesired::Part {
                ns: self.ns.to_owned(),
                part: (self.part)(),
                reason,
            })
        }
    }
}

fn device_name(text: &str, most: usize) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let reserved = ["lo", "all", "default", ".", ".."];
    (1..=most).contains(&text.len()) && text.bytes().all(good) && !reserved.contains(&text)
}

fn nexthop_families(ns: &str, namespace: &Namespace) -> Result<Families, InvalidDesired> {
    let mut families = BTreeMap::new();
    for nexthop in &namespace.nexthops {
        let part = At {
            ns,
            part: || format!("nexthop {}", nexthop.id),
        };
        part.must(nexthop.id != 0, "the number 0")?;
        let family = match &nexthop.target {
            NexthopTarget::Via { gateway, .. } => IpFamily::of(*gateway),
            NexthopTarget::Device { family, .. } | NexthopTarget::Blackhole { family } => *family,
        };
        let new = families.insert(nexthop.id, family).is_none();
        part.must(new, "two nexthops of the same number")?;
    }
    Ok(families)
}

type Families = BTreeMap<u32, IpFamily>;

struct Checker<'a> {
    ns: &'a str,
    known: &'a BTreeSet<&'a str>,
    nexthops: Families,
}

impl Checker<'_> {
    fn at<P: Fn() -> String>(&self, part: P) -> At<'_, P> {
        At { ns: self.ns, part }
    }

    fn knows(&self, device: &str) -> bool {
        self.known.contains(device)
    }

    fn namespace(&self, ns: &Namespace) -> Result<(), InvalidDesired> {
        self.sysctls(&ns.sysctls)?;
        self.objects(&ns.addresses, &ns.routes, &ns.neighbours)?;
        for nexthop in &ns.nexthops {
            let device = match &nexthop.target {
                NexthopTarget::Via { device, .. } | NexthopTarget::Device { device, .. } => {
                    self.knows(device)
                }
                NexthopTarget::Blackhole { .. } => true,
            };
            self.at(|| format!("nexthop {}", nexthop.id))
                .must(device, "an unknown device")?;
        }
        for rule in &ns.rules {
            let at = self.at(|| format!("rule {rule}"));
            let fits = |net: &Option<ipnet::IpNet>| {
                net.is_none_or(|net| IpFamily::of(net.addr()) == rule.family && net.trunc() == net)
            };
            at.must(
                fits(&rule.from) && fits(&rule.to),
                "a prefix of another family or length",
            )?;
            at.must(rule.table != 0, "the table number 0")?;
        }
        if let Some(table) = &ns.nft {
            let fail = |source| InvalidDesired::Table {
                ns: self.ns.to_owned(),
                source,
            };
            table.check().map_err(fail)?;
        }
        Ok(())
    }

    fn attachment(&self, attachment: &Attachment) -> Result<(), InvalidDesired> {
        self.sysctls(&attachment.sysctls)?;
        for key in attachment.sysctls.keys() {
            let own = crate::observe::device_of_sysctl(key).is_some_and(|d| self.knows(d));
            self.at(|| format!("setting `{key}`"))
                .must(own, "not about a far end of the group")?;
        }
        for route in &attachment.routes {
            let own = route.device.is_some();
            self.at(|| format!("route {route}"))
                .must(own, "it needs a device")?;
        }
        self.objects(
            &attachment.addresses,
            &attachment.routes,
            &attachment.neighbours,
        )
    }

    fn objects(
        &self,
        addresses: &[crate::desired::Address],
        routes: &[Route],
        neighbours: &[crate::desired::Neighbour],
    ) -> Result<(), InvalidDesired> {
        for address in addresses {
            let at = self.at(|| format!("address {}", address.address));
            at.must(self.knows(&address.device), "an unknown device")?;
        }
        let mut seen = BTreeMap::new();
        for route in routes {
            self.route(route)?;
            let before = seen.insert(crate::observe::route_key(route), route);
            let new = before.is_none_or(|before| before == route);
            self.at(|| format!("route {route}"))
                .must(new, "another route of the same table, prefix and metric")?;
        }
        let mut seen = BTreeMap::new();
        for neighbour in neighbours {
            let at = self.at(|| format!("neighbour {}", neighbour.address));
            at.must(self.knows(&neighbour.device), "an unknown device")?;
            at.must(neighbour.device != "lo", "loopback has no neighbours")?;
            let key = (
                &neighbour.device,
                neighbour.address,
                neighbour.mac.is_none(),
            );
            let before = seen.insert(key, neighbour.mac);
            at.must(
                before.is_none_or(|mac| mac == neighbour.mac),
                "two Ethernet addresses",
            )?;
        }
        Ok(())
    }

    fn route(&self, route: &Route) -> Result<(), InvalidDesired> {
        let at = self.at(|| format!("route {route}"));
        let family = IpFamily::of(route.destination.addr());
        at.must(
            route.destination.trunc() == route.destination,
            "host bits are set",
        )?;
        at.must(route.table != 0, "the table number 0")?;
        at.must(
            family == IpFamily::V4 || route.metric != 0,
            "an IPv6 route needs a metric",
        )?;
        at.must(
            route.device.as_ref().is_none_or(|d| self.knows(d)),
            "an unknown device",
        )?;
        let source = route.source.is_none_or(|s| IpFamily::of(s) == family);
        at.must(source, "a source of another family")?;
        match route.kind {
            RouteKind::Unicast => match route.nexthop {
                Some(id) => {
                    let alone = route.via.is_none() && route.device.is_none();
                    at.must(alone, "both a nexthop and a router or device")?;
                    at.must(self.nexthops.contains_key(&id), "an unknown nexthop")?;
                    let fits = self.nexthops.get(&id) == Some(&family);
                    at.must(fits, "a nexthop of another family")
                }
                None => at.must(route.device.is_some(), "no device and no nexthop"),
            },
            RouteKind::Local => {
                let plain = route.via.is_none() && route.nexthop.is_none();
                at.must(
                    plain && route.device.is_some(),
                    "a local route has a device only",
                )
            }
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Throw => {
                let plain =
                    route.via.is_none() && route.nexthop.is_none() && route.device.is_none();
                at.must(
                    plain && route.source.is_none(),
                    "a route that leads nowhere has no target",
                )
            }
        }
    }

    fn sysctls(&self, sysctls: &BTreeMap<String, String>) -> Result<(), InvalidDesired> {
        for (key, value) in sysctls {
            let at = self.at(|| format!("setting `{key}`"));
            let good = |part: &str| {
                let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
                !part.is_empty() && part != ".." && part != "." && part.bytes().all(byte)
            };
            at.must(
                key.contains('/') && key.split('/').all(good),
                "not a path below net/",
            )?;
            let print = !value.is_empty() && value.len() <= 256;
            at.must(print && !value.contains(['\n', '\0']), "not a value")?;
            if let Some(device) = crate::observe::device_of_sysctl(key) {
                at.must(self.knows(device), "an unknown device")?;
            }
        }
        Ok(())
    }
}
