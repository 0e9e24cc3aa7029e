//! Devices that are lent: which of them can be taken now, which are there, and that they go back.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::groups::{Groups, Site};
use super::state::RequestError;
use crate::apply;
use crate::desired::Desired;
use crate::host::Unfit;
use crate::lent::Lent;
use crate::observe::{self, Owner, Seen, SeenLink};
use crate::plan::{Act, Step};
use crate::protocol::LentDevice;

/// How long a device that the kernel did not let go is left alone.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Devices that the kernel refused and that are remembered.
const MOST_REFUSED: usize = 64;

/// A device that the kernel did not let go: which one it was, why, and when.
pub(super) struct Refusal {
    index: u32,
    why: String,
    at: Instant,
}

impl Groups {
    /// Keeps in mind which of some namespaces state lent devices. Those that do no more are kept until
    /// these are back.
    pub(super) fn note_lending(&mut self, desired: &Desired, scope: &BTreeSet<String>) {
        let lends = |ns: &&String| {
            let namespace = desired.namespaces.get(*ns);
            namespace.is_some_and(|namespace| !namespace.lent.is_empty())
        };
        self.lending.extend(scope.iter().filter(lends).cloned());
    }

    /// Forgets namespaces that neither state lent devices nor have any.
    pub(super) fn settle_lending(&mut self) {
        let stated: BTreeSet<String> = self.stated_lent().map(|(ns, ..)| ns.clone()).collect();
        let empty = |ns: &String| self.lent_in(ns).is_ok_and(|there| there.is_empty());
        let over = self.lending.iter().filter(|ns| !stated.contains(*ns));
        let over: Vec<String> = over.filter(|ns| empty(ns)).cloned().collect();
        for ns in over {
            self.lending.remove(&ns);
        }
    }

    /// Whether any of some namespaces has to do with lent devices.
    pub(super) fn lends<'a>(&self, mut namespaces: impl Iterator<Item = &'a String>) -> bool {
        !self.lending.is_empty() && namespaces.any(|ns| self.lending.contains(ns))
    }

    /// Why a device cannot be taken now.
    fn fit(&self, lent: &Lent) -> Result<(), Unfit> {
        let found = self.host.find(&self.home, &lent.device, lent.forced)?;
        let refusal = self.refused.get(&lent.device);
        match refusal.filter(|r| r.index == found.index && r.at.elapsed() < REFUSED_FOR) {
            Some(refusal) => Err(Unfit::Again(refusal.why.clone())),
            None => Ok(()),
        }
    }

    /// Remembers that the kernel did not let go of a device.
    pub(super) fn refuse(&mut self, device: &str, index: u32, why: String) {
        if self.refused.len() >= MOST_REFUSED {
            self.refused.pop_first();
        }
        let at = Instant::now();
        self.refused
            .insert(device.to_owned(), Refusal { index, why, at });
        self.refusals += 1;
    }

    /// The devices that can be taken into some namespaces now, by their names at the host.
    pub(super) fn lendable(
        &self,
        desired: &Desired,
        scope: &BTreeSet<String>,
        seen: &BTreeMap<String, Seen>,
    ) -> BTreeSet<String> {
        let mut fit = BTreeSet::new();
        for ns in scope {
            let stated = desired.namespaces.get(ns).map_or(&[][..], |ns| &ns.lent);
            for lent in stated {
                let held = |seen: &Seen, name: Option<&str>| {
                    seen.links.iter().any(|(at, link)| {
                        name.is_none_or(|name| name == at && link.up)
                            && link.origin.as_deref() == Some(&lent.device)
                    })
                };
                let there = seen
                    .get(ns)
                    .is_some_and(|seen| held(seen, Some(&lent.name)));
                // What is elsewhere in sight is put back before anything is taken.
                let comes_back = || seen.values().any(|seen| held(seen, None));
                if !there && (comes_back() || self.fit(lent).is_ok()) {
                    fit.insert(lent.device.clone());
                }
            }
        }
        fit
    }

    /// The lent devices that are in a namespace.
    fn lent_in(&self, ns: &str) -> Result<BTreeMap<String, SeenLink>, RequestError> {
        let Some(entry) = self.namespaces.get(ns) else {
            return Ok(BTreeMap::new());
        };
        let mut links = observe::links(ns, entry.held(), &self.home)?;
        links.retain(|_, link| link.owner == Owner::Lent);
        Ok(links)
    }

    /// Corrects an assumed state by the lent devices that are really there: they go and come by
    /// themselves.
    pub(super) fn recall_lent(
        &self,
        seen: &mut BTreeMap<String, Seen>,
    ) -> Result<(), RequestError> {
        for (ns, seen) in seen {
            if !self.lending.contains(ns) {
                continue;
            }
            let there = self.lent_in(ns)?;
            let assumed = seen.links.iter();
            let assumed = assumed.filter(|(_, link)| link.owner == Owner::Lent);
            let gone: Vec<String> = assumed
                .map(|(name, _)| name.clone())
                .filter(|name| !there.contains_key(name))
                .collect();
            gone.iter().for_each(|name| seen.forget_device(name));
            seen.links.extend(there);
        }
        Ok(())
    }

    /// Namespaces whose lent devices can be taken and were not there, by group.
    pub(super) fn returned(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (ns, group, lent) in self.stated_lent() {
            let there = self.lent_in(ns).unwrap_or_default();
            if !there.contains_key(&lent.name) && self.fit(lent).is_ok() {
                let names = found.entry(group.to_owned()).or_default();
                names.insert(ns.clone());
            }
        }
        found
    }

    /// Every lent device that is stated: its namespace and group.
    fn stated_lent(&self) -> impl Iterator<Item = (&String, &str, &Lent)> {
        self.lending.iter().flat_map(|ns| {
            let group = self.namespaces.get(ns).map(|entry| entry.group.as_str());
            let desired = group.and_then(|group| Some((group, self.desired(group)?)));
            let namespace = desired.and_then(|(group, d)| Some((group, d.namespaces.get(ns)?)));
            namespace.into_iter().flat_map(move |(group, namespace)| {
                namespace.lent.iter().map(move |lent| (ns, group, lent))
            })
        })
    }

    /// All lent devices, and why one is not there.
    pub(super) fn lent_devices(&self) -> Result<Vec<LentDevice>, RequestError> {
        let mut devices = Vec::new();
        for (ns, group, lent) in self.stated_lent() {
            let there = self.lent_in(ns)?;
            let held = there.get(&lent.name);
            let held = held.is_some_and(|link| link.origin.as_deref() == Some(&*lent.device));
            let absent = (!held).then(|| match self.fit(lent) {
                Ok(()) => "it is about to be taken".to_owned(),
                Err(why) => why.to_string(),
            });
            devices.push(LentDevice {
                group: group.to_owned(),
                ns: ns.clone(),
                name: lent.name.clone(),
                device: lent.device.clone(),
                absent,
            });
        }
        Ok(devices)
    }

    /// Whether a device could be lent by somebody who speaks from a namespace, if that is known.
    pub(super) fn examine(
        &self,
        device: &str,
        forced: bool,
        from: Option<&crate::namespace::Held>,
    ) -> Result<(), RequestError> {
        if from.is_some_and(|from| !self.host.is(from)) {
            return Err(Unfit::Elsewhere(device.to_owned()).into());
        }
        let (device, name) = (device.to_owned(), String::new());
        let lent = Lent {
            name,
            device,
            forced,
        };
        match self.fit(&lent) {
            Ok(()) => Ok(()),
            Err(Unfit::Missing(device)) => {
                for ns in &self.lending {
                    let mut there = self.lent_in(ns)?.into_iter();
                    let taken = there.find(|(_, link)| link.origin.as_ref() == Some(&device));
                    if let Some((name, _)) = taken {
                        let ns = ns.clone();
                        return Err(Unfit::Taken { device, name, ns }.into());
                    }
                }
                Err(Unfit::Missing(device).into())
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Puts all lent devices of some namespaces back; what went wrong.
    pub(super) fn put_back(&mut self, group: &str, namespaces: &BTreeSet<String>) -> Vec<String> {
        let mut failures = Vec::new();
        let lending: Vec<String> = self.lending.intersection(namespaces).cloned().collect();
        for ns in lending {
            let steps = match self.lent_in(&ns) {
                Ok(there) => there.into_keys().map(|name| Step {
                    ns: ns.clone(),
                    act: Act::PutBack(name),
                }),
                Err(error) => {
                    failures.push(error.to_string());
                    continue;
                }
            };
            let steps: Vec<Step> = steps.collect();
            let result = apply::apply(&mut Site { state: self, group }, &steps);
            failures.extend(result.err().map(|error| error.to_string()));
        }
        failures
    }
}

/// The namespace of whoever asks, from the descriptor that came along.
pub(super) fn asker(fds: Vec<std::os::fd::OwnedFd>) -> Option<crate::namespace::Held> {
    let fd = fds.into_iter().next()?;
    crate::sys::is_network_namespace(fd.as_fd()).then_some(crate::namespace::Held { fd })
}
