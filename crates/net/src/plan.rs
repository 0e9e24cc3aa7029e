//! From wish and reality to ordered steps. Pure: the kernel is neither read nor changed here.
//!
//! The order keeps two promises. Nothing passes unfiltered: filters are loaded before the links
//! they look at exist. Nothing falls through: before a device goes, nexthops on it that stay
//! wanted become blackholes, so that their routes do not vanish in favour of less specific ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::desired::{
    Address, Attachment, Desired, IpFamily, Lent, Link, LinkKind, Mac, Namespace, Neighbour,
    Nexthop, NexthopTarget, PolicyRule, Route,
};
use crate::nft::change::Change;
use crate::observe::{FarEnd, Owner, Seen, SeenLink, device_of_sysctl, route_key};

mod step;
#[cfg(test)]
mod tests;

pub(crate) use step::{Act, Step};

/// What is to be made true, and where to look.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    /// The whole desired state.
    pub(crate) desired: &'a Desired,
    /// When the kernel is trusted to be as it was left: how the namespaces that changed were
    /// stated before. Tells where removed links led, and which links need no look.
    pub(crate) old: Option<&'a Desired>,
    /// Existing namespaces of the group.
    pub(crate) members: &'a BTreeSet<String>,
    /// Devices of the host that can be taken now, by their names there. Others stay absent.
    pub(crate) lendable: &'a BTreeSet<String>,
    /// The namespaces to be planned: names of the group and of attachments. Others are as desired.
    pub(crate) scope: &'a BTreeSet<String>,
}

/// The steps from `seen` (existing namespaces in scope) to the task's desired state.
pub(crate) fn plan(task: &Task<'_>, seen: BTreeMap<String, Seen>) -> Vec<Step> {
    let mut planner = Planner {
        task,
        seen,
        phases: Default::default(),
    };
    planner.namespaces();
    planner.links();
    planner.contents();
    planner.removals();
    planner.phases.into_iter().flatten().collect()
}

/// Groups of steps, in the order in which they are carried out.
#[derive(Clone, Copy)]
enum Phase {
    Namespaces,
    Settings,
    Filters,
    Blackholes,
    OldLinks,
    NewLinks,
    DeviceSettings,
    /// Both ends up: a nexthop is refused on a device without carrier.
    Ends,
    Contents,
    OldNamespaces,
}

const PHASES: usize = 10;

struct Planner<'a> {
    task: &'a Task<'a>,
    seen: BTreeMap<String, Seen>,
    phases: [Vec<Step>; PHASES],
}

impl<'a> Planner<'a> {
    fn push(&mut self, phase: Phase, ns: &str, act: Act) {
        if let Some(steps) = self.phases.get_mut(phase as usize) {
            steps.push(Step {
                ns: ns.to_owned(),
                act,
            });
        }
    }

    /// The group's wanted namespaces in scope.
    fn wanted(&self) -> impl Iterator<Item = (&'a String, &'a Namespace)> + use<'a> {
        let scope = self.task.scope;
        self.task
            .desired
            .namespaces
            .iter()
            .filter(move |(name, _)| scope.contains(*name))
    }

    fn namespaces(&mut self) {
        for (name, _) in self.wanted() {
            if !self.task.members.contains(name) {
                self.push(Phase::Namespaces, name, Act::AddNamespace);
                self.seen
                    .insert(name.clone(), Seen::assume(&Namespace::default(), &[], None));
            }
        }
    }

    fn links(&mut self) {
        for (name, wanted) in self.wanted() {
            let names: BTreeSet<&str> = wanted.links.iter().map(|l| l.name.as_str()).collect();
            let stale: Vec<String> = self.near_ends(name, |link| !names.contains(link));
            for link in stale {
                self.remove_link(name, &link);
            }
        }
        self.put_back();
        for owner in [Owner::Near, Owner::Far] {
            for member in self.task.members {
                if !self.task.desired.namespaces.contains_key(member) {
                    self.remove_links(member, owner);
                }
            }
        }
        for (name, wanted) in self.wanted() {
            let settled = self.settled_links(name, wanted);
            for link in wanted
                .links
                .iter()
                .filter(|link| !settled.contains(link.name.as_str()))
            {
                self.link(name, link);
            }
            for lent in &wanted.lent {
                self.take(name, lent);
            }
        }
    }

    /// Puts back what is not lent any more: a namespace that goes would take it along.
    fn put_back(&mut self) {
        let mut stale = Vec::new();
        for (ns, seen) in &self.seen {
            let wanted = self.task.desired.namespaces.get(ns);
            if wanted.is_none() && !self.task.members.contains(ns) {
                continue;
            }
            let stated = wanted.map_or(&[][..], |namespace| &namespace.lent);
            let stays = |(name, link): &(&String, &SeenLink)| {
                let mut same = stated.iter().filter(|lent| lent.name == **name);
                // One that does not stay up here carries nothing.
                link.up && same.any(|lent| link.origin.as_ref() == Some(&lent.device))
            };
            let lent = seen.links.iter().filter(|(_, l)| l.owner == Owner::Lent);
            let gone = lent.filter(|at| !stays(at));
            stale.extend(gone.map(|(name, _)| (ns.clone(), name.clone())));
        }
        for (ns, name) in stale {
            self.push(Phase::OldLinks, &ns, Act::PutBack(name.clone()));
            self.device_goes(&ns, &name);
        }
    }

    /// Takes a device that is lent, if it can be taken.
    fn take(&mut self, ns: &str, lent: &Lent) {
        let found = self.seen.get(ns).and_then(|s| s.links.get(&lent.name));
        match found.map(|found| found.owner) {
            // Those that are not as stated were put back; what is not ours stays in the way.
            Some(Owner::Lent | Owner::Other) => return,
            Some(Owner::Near | Owner::Far) => self.remove_link(ns, &lent.name),
            None => {}
        }
        if self.task.lendable.contains(&lent.device) {
            self.push(Phase::NewLinks, ns, Act::Take(lent.clone()));
            if let Some(seen) = self.seen.get_mut(ns) {
                let link = SeenLink::lent(&lent.device);
                seen.links.insert(lent.name.clone(), link);
            }
        }
    }

    /// Links of a namespace that are trusted to be as stated.
    fn settled_links(&self, ns: &str, wanted: &'a Namespace) -> BTreeSet<&'a str> {
        let Some(old) = self.task.old.filter(|_| self.task.members.contains(ns)) else {
            return BTreeSet::new();
        };
        let names = wanted.links.iter().map(|link| link.name.as_str());
        match old.namespaces.get(ns) {
            None => names.collect(),
            Some(old) => {
                let before: BTreeMap<&str, &Link> = old
                    .links
                    .iter()
                    .map(|link| (link.name.as_str(), link))
                    .collect();
                let same = |link: &&Link| before.get(link.name.as_str()) == Some(link);
                wanted
                    .links
                    .iter()
                    .filter(same)
                    .map(|link| link.name.as_str())
                    .collect()
            }
        }
    }

    fn near_ends(&self, ns: &str, which: impl Fn(&str) -> bool) -> Vec<String> {
        self.ends(ns, Owner::Near, which)
    }

    fn ends(&self, ns: &str, owner: Owner, which: impl Fn(&str) -> bool) -> Vec<String> {
        let Some(seen) = self.seen.get(ns) else {
            return Vec::new();
        };
        let ours = seen.links.iter().filter(|(_, link)| link.owner == owner);
        ours.map(|(name, _)| name.clone())
            .filter(|name| which(name))
            .collect()
    }

    fn link(&mut self, ns: &str, link: &Link) {
        let LinkKind::Veth {
            peer_ns,
            peer_name,
            peer_mac,
        } = &link.kind;
        if !self.connected(ns, link) {
            // Whatever has these names now is in the way; an unmarked device is not ours to
            // remove and lets the step fail instead.
            for (ns, name) in [(ns, &link.name), (peer_ns.as_str(), peer_name)] {
                let found = self.seen.get(ns).and_then(|s| s.links.get(name));
                if found.is_some_and(|f| f.owner != Owner::Other) {
                    self.remove_link(ns, name);
                }
            }
            self.push(Phase::NewLinks, ns, Act::AddLink(Box::new(link.clone())));
            let mut made = Seen::assume(&Namespace::default(), &[far_end(link)], None);
            if let (Some(seen), Some(mut far)) =
                (self.seen.get_mut(peer_ns), made.links.remove(peer_name))
            {
                far.up = false;
                seen.links.insert(peer_name.clone(), far);
            }
            if let Some(seen) = self.seen.get_mut(ns) {
                let near = SeenLink {
                    indexes: None,
                    mac: link.mac,
                    mtu: link.mtu,
                    up: true,
                    altnames: BTreeSet::new(),
                    owner: Owner::Near,
                    origin: None,
                };
                seen.links.insert(link.name.clone(), near);
            }
        }
        self.adjust(ns, &link.name, link.mac, link.mtu);
        self.adjust(peer_ns, peer_name, *peer_mac, link.mtu);
        self.alt_names(ns, link);
    }

    /// Whether both ends exist and belong together.
    fn connected(&self, ns: &str, link: &Link) -> bool {
        let LinkKind::Veth {
            peer_ns, peer_name, ..
        } = &link.kind;
        let near = self.seen.get(ns).and_then(|s| s.links.get(&link.name));
        if !self.task.scope.contains(peer_ns) {
            // The two ends of a cable go together.
            return near.is_some_and(|near| near.owner == Owner::Near);
        }
        let far = self.seen.get(peer_ns).and_then(|s| s.links.get(peer_name));
        let (Some(near), Some(far)) = (near, far) else {
            return false;
        };
        let joined = match (near.indexes, far.indexes) {
            (Some((near, to)), Some((far, back))) => to == Some(far) && back == Some(near),
            _ => true,
        };
        joined && near.owner == Owner::Near && far.owner == Owner::Far
    }

    /// Corrects what can be corrected on an existing device.
    fn adjust(&mut self, ns: &str, name: &str, mac: Option<Mac>, mtu: Option<u32>) {
        let Some(seen) = self.seen.get_mut(ns) else {
            return;
        };
        let Some(link) = seen.links.get(name) else {
            return;
        };
        let mac = mac.filter(|mac| link.mac != Some(*mac));
        let mtu = mtu.filter(|mtu| link.mtu != Some(*mtu));
        if mac.is_none() && mtu.is_none() && link.up {
            return;
        }
        if mac.is_some() {
            // The kernel forgets the neighbours of a device whose own address changes.
            seen.neighbours.retain(|(device, _, _), _| device != name);
        }
        let name = name.to_owned();
        self.push(Phase::Ends, ns, Act::SetLink { name, mac, mtu });
    }

    fn alt_names(&mut self, ns: &str, link: &Link) {
        let seen = self.seen.get(ns).and_then(|s| s.links.get(&link.name));
        let had = seen.map(|s| s.altnames.clone()).unwrap_or_default();
        let name = &link.name;
        for alt in had.iter().filter(|alt| Some(*alt) != link.altname.as_ref()) {
            let act = Act::RemoveAltname {
                name: name.clone(),
                alt: alt.clone(),
            };
            self.push(Phase::Contents, ns, act);
        }
        if let Some(alt) = link.altname.as_ref().filter(|alt| !had.contains(*alt)) {
            let act = Act::AddAltname {
                name: name.clone(),
                alt: alt.clone(),
            };
            self.push(Phase::Contents, ns, act);
        }
    }

    /// Removes a device and its other end, and forgets what goes with them.
    fn remove_link(&mut self, ns: &str, name: &str) {
        let other = self.other_end(ns, name);
        self.push(Phase::OldLinks, ns, Act::RemoveLink(name.to_owned()));
        self.device_goes(ns, name);
        if let Some((ns, name)) = other {
            self.device_goes(&ns, &name);
        }
    }

    /// Removes all links of a namespace that goes: one by one would wait for each.
    fn remove_links(&mut self, ns: &str, owner: Owner) {
        let links = self.ends(ns, owner, |_| true);
        if links.is_empty() {
            return;
        }
        let far = owner == Owner::Far;
        for name in &links {
            let other = self.other_end(ns, name);
            self.device_goes(ns, name);
            if let Some((ns, name)) = other {
                self.device_goes(&ns, &name);
            }
        }
        self.push(Phase::OldLinks, ns, Act::RemoveLinks { far });
    }

    fn device_goes(&mut self, ns: &str, device: &str) {
        let wanted = self.task.desired.namespaces.get(ns);
        let Some(seen) = self.seen.get_mut(ns) else {
            return;
        };
        let mut early = Vec::new();
        let on_device = |target: &NexthopTarget| match target {
            NexthopTarget::Via { device: d, .. } | NexthopTarget::Device { device: d, .. } => {
                d == device
            }
            NexthopTarget::Blackhole { .. } => false,
        };
        let ids: Vec<u32> = seen
            .nexthops
            .iter()
            .filter(|(_, t)| on_device(t))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let stays = wanted.is_some_and(|w| w.nexthops.iter().any(|n| n.id == id));
            if stays {
                let family = seen
                    .nexthops
                    .get(&id)
                    .map_or(IpFamily::V4, NexthopTarget::family);
                let target = NexthopTarget::Blackhole { family };
                seen.nexthops.insert(id, target.clone());
                early.push(Act::PutNexthop(Nexthop { id, target }));
            } else {
                seen.nexthops.remove(&id);
                seen.routes.retain(|_, route| route.nexthop != Some(id));
            }
        }
        seen.forget_device(device);
        for act in early {
            self.push(Phase::Blackholes, ns, act);
        }
    }

    /// Where the other end of a device is, by what was applied before or by the kernel's numbers.
    fn other_end(&self, ns: &str, name: &str) -> Option<(String, String)> {
        for desired in self.task.old.into_iter().chain([self.task.desired]) {
            for (near_ns, namespace) in &desired.namespaces {
                for link in &namespace.links {
                    let LinkKind::Veth {
                        peer_ns, peer_name, ..
                    } = &link.kind;
                    if (near_ns.as_str(), link.name.as_str()) == (ns, name) {
                        return Some((peer_ns.clone(), peer_name.clone()));
                    }
                    if (peer_ns.as_str(), peer_name.as_str()) == (ns, name) {
                        return Some((near_ns.clone(), link.name.clone()));
                    }
                }
            }
        }
        let (index, peer) = self.seen.get(ns)?.links.get(name)?.indexes?;
        let wanted = Some((peer?, Some(index)));
        self.seen.iter().find_map(|(other, seen)| {
            let mut links = seen.links.iter().filter(|_| other != ns);
            // Numbers are unique in one namespace only, and the true other end may be in another
            // group's, out of sight: a device that is known to lead elsewhere is not it.
            let found =
                links.find(|(at, link)| link.indexes == wanted && !self.is_stated(other, at))?;
            Some((other.clone(), found.0.clone()))
        })
    }

    /// Whether a device is an end of a link that is stated now.
    fn is_stated(&self, ns: &str, name: &str) -> bool {
        self.task
            .desired
            .namespaces
            .iter()
            .any(|(near_ns, namespace)| {
                namespace.links.iter().any(|link| {
                    let LinkKind::Veth {
                        peer_ns, peer_name, ..
                    } = &link.kind;
                    (near_ns.as_str(), link.name.as_str()) == (ns, name)
                        || (peer_ns.as_str(), peer_name.as_str()) == (ns, name)
                })
            })
    }

    fn contents(&mut self) {
        let far_ends = self.task.desired.far_ends();
        for (name, wanted) in self.wanted() {
            let Some(seen) = self.seen.remove(name) else {
                continue;
            };
            let mut absent: BTreeSet<&str> = wanted.lent.iter().map(|l| l.name.as_str()).collect();
            absent.retain(|name| seen.links.get(*name).is_none_or(|l| l.owner != Owner::Lent));
            let rest = (!absent.is_empty()).then(|| wanted.without(&absent));
            let wanted = rest.as_ref().unwrap_or(wanted);
            let own = far_ends.get(name.as_str());
            // The far ends of other groups' links, and all on them, are other groups' business.
            let foreign: BTreeSet<&str> = seen
                .links
                .iter()
                .filter(|(_, link)| link.owner == Owner::Far)
                .map(|(device, _)| device.as_str())
                .filter(|device| own.is_none_or(|own| !own.contains(device)))
                .collect();
            self.settings(name, &wanted.sysctls, &seen);
            self.filter(name, wanted, &seen);
            let mine = |device: Option<&str>| device.is_none_or(|d| !foreign.contains(d));
            self.objects(name, &Objects::of(wanted), &seen, &mine);
        }
        for (name, wanted) in &self.task.desired.attachments {
            let Some(seen) = self.seen.remove(name) else {
                continue;
            };
            let Some(own) = far_ends.get(name.as_str()) else {
                continue;
            };
            self.settings(name, &wanted.sysctls, &seen);
            let mine = |device: Option<&str>| device.is_some_and(|d| own.contains(d));
            self.objects(name, &Objects::attached(wanted), &seen, &mine);
        }
    }

    fn settings(&mut self, ns: &str, wanted: &BTreeMap<String, String>, seen: &Seen) {
        for (key, value) in wanted {
            let words: Vec<_> = value.split_whitespace().collect();
            if seen.sysctls.get(key).map(String::as_str) == Some(words.join(" ").as_str()) {
                continue;
            }
            let phase = match device_of_sysctl(key) {
                Some(_) => Phase::DeviceSettings,
                None => Phase::Settings,
            };
            self.push(
                phase,
                ns,
                Act::Set {
                    key: key.clone(),
                    value: value.clone(),
                },
            );
        }
    }

    fn filter(&mut self, ns: &str, wanted: &Namespace, seen: &Seen) {
        let keep = wanted.nft.as_ref().map(|t| (t.family, t.name.as_str()));
        for (family, name) in &seen.filter.tables {
            if keep != Some((*family, name.as_str())) {
                let change = Change::Remove(*family, name.clone());
                self.push(Phase::Filters, ns, Act::Filter(Box::new(change)));
            }
        }
        let Some(table) = &wanted.nft else { return };
        let change = match &seen.filter.known {
            Some(known) if **known == *table => return,
            Some(known) if Change::can_update(known, table) => {
                Change::Update(Arc::clone(known), Arc::new(table.clone()))
            }
            _ => Change::Replace(Arc::new(table.clone())),
        };
        self.push(Phase::Filters, ns, Act::Filter(Box::new(change)));
    }

    /// Addresses, neighbours, nexthops, routes and rules: first what comes or changes, then what
    /// goes.
    fn objects(
        &mut self,
        ns: &str,
        wanted: &Objects<'_>,
        seen: &Seen,
        mine: &dyn Fn(Option<&str>) -> bool,
    ) {
        let mut acts = Vec::new();
        let addresses: BTreeSet<_> = wanted.addresses.iter().collect();
        let missing = addresses
            .iter()
            .filter(|a| !seen.addresses.contains_key(**a));
        acts.extend(missing.map(|a| Act::AddAddress(Address::clone(a))));
        let neighbours: BTreeMap<_, _> = wanted
            .neighbours
            .iter()
            .map(|n| ((&n.device, n.address, n.mac.is_none()), n))
            .collect();
        let current = |n: &Neighbour| {
            seen.neighbours
                .get(&(n.device.clone(), n.address, n.mac.is_none()))
                == Some(&n.mac)
        };
        let missing = neighbours.values().filter(|n| !current(n));
        acts.extend(missing.map(|n| Act::PutNeighbour(Neighbour::clone(n))));
        let missing = wanted
            .nexthops
            .iter()
            .filter(|n| seen.nexthops.get(&n.id) != Some(&n.target));
        acts.extend(missing.map(|n| Act::PutNexthop(n.clone())));
        let routes: BTreeMap<_, _> = wanted.routes.iter().map(|r| (route_key(r), r)).collect();
        let missing = routes
            .iter()
            .filter(|(key, route)| seen.routes.get(*key) != Some(**route));
        acts.extend(missing.map(|(_, route)| Act::PutRoute(Route::clone(route))));
        let missing = wanted.rules.iter().filter(|r| !seen.rules.contains(*r));
        acts.extend(missing.map(|r| Act::AddRule(r.clone())));

        if wanted.whole {
            let rules: BTreeSet<_> = wanted.rules.iter().collect();
            let stale = seen.rules.iter().filter(|r| !rules.contains(r));
            acts.extend(stale.map(|r| Act::RemoveRule(r.clone())));
        }
        let stale = seen
            .routes
            .iter()
            .filter(|(key, _)| !routes.contains_key(*key));
        let stale = stale.filter(|(_, route)| mine(route.device.as_deref()));
        acts.extend(stale.map(|(_, route)| Act::RemoveRoute(route.clone())));
        if wanted.whole {
            let ids: BTreeSet<u32> = wanted.nexthops.iter().map(|n| n.id).collect();
            let stale = seen.nexthops.keys().filter(|id| !ids.contains(id));
            acts.extend(stale.map(|id| Act::RemoveNexthop(*id)));
        }
        let stale = seen
            .neighbours
            .iter()
            .filter(|((device, address, proxy), _)| {
                mine(Some(device)) && !neighbours.contains_key(&(device, *address, *proxy))
            });
        acts.extend(stale.map(|((device, address, _), mac)| {
            let (device, address, mac) = (device.clone(), *address, *mac);
            Act::RemoveNeighbour(Neighbour {
                device,
                address,
                mac,
            })
        }));
        let stale = seen
            .addresses
            .iter()
            .filter(|(_, ours)| **ours)
            .map(|(a, _)| a);
        let stale = stale.filter(|a| mine(Some(&a.device)) && !addresses.contains(a));
        acts.extend(stale.map(|a| Act::RemoveAddress(a.clone())));
        for act in acts {
            self.push(Phase::Contents, ns, act);
        }
    }

    fn removals(&mut self) {
        for member in self.task.members {
            if !self.task.desired.namespaces.contains_key(member) {
                self.push(Phase::OldNamespaces, member, Act::RemoveNamespace);
            }
        }
        // All work in one namespace together: one visit each.
        for phase in [Phase::DeviceSettings, Phase::Ends, Phase::Contents] {
            if let Some(steps) = self.phases.get_mut(phase as usize) {
                steps.sort_by(|a, b| a.ns.cmp(&b.ns));
            }
        }
    }
}

/// What a namespace or attachment states, without links, settings and filter.
struct Objects<'a> {
    addresses: &'a [Address],
    neighbours: &'a [Neighbour],
    nexthops: &'a [Nexthop],
    routes: &'a [Route],
    rules: &'a [PolicyRule],
    /// Whether rules and nexthops that are not stated are to go.
    whole: bool,
}

impl<'a> Objects<'a> {
    fn of(ns: &'a Namespace) -> Self {
        Self {
            addresses: &ns.addresses,
            neighbours: &ns.neighbours,
            nexthops: &ns.nexthops,
            routes: &ns.routes,
            rules: &ns.rules,
            whole: true,
        }
    }

    fn attached(attachment: &'a Attachment) -> Self {
        Self {
            addresses: &attachment.addresses,
            neighbours: &attachment.neighbours,
            nexthops: &[],
            routes: &attachment.routes,
            rules: &[],
            whole: false,
        }
    }
}

/// The far end of a link.
pub(crate) fn far_end(link: &Link) -> FarEnd {
    let LinkKind::Veth {
        peer_name,
        peer_mac,
        ..
    } = &link.kind;
    FarEnd {
        name: peer_name.clone(),
        mac: *peer_mac,
        mtu: link.mtu,
    }
}

impl NexthopTarget {
    fn family(&self) -> IpFamily {
        match self {
            Self::Via { gateway, .. } => IpFamily::of(*gateway),
            Self::Device { family, .. } | Self::Blackhole { family } => *family,
        }
    }
}
