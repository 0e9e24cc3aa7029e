//! A change of what is trusted, carried out by its parts: it costs what it changes, whatever the size
//! of the namespaces that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::groups::Groups;
use crate::desired::{Desired, Link, LinkKind, Namespace};
use crate::nft::change::{Change as TableChange, Part};
use crate::observe::{FarEnd, Seen};
use crate::patch::Patch;
use crate::plan::{self, Act, Step, Task};
use crate::protocol::Change;

/// What a change does to a group's desired state, so that it can be taken back.
#[derive(Default)]
pub(super) struct Done {
    patched: BTreeMap<String, Patch>,
    made: BTreeSet<String>,
    removed: BTreeMap<String, Namespace>,
}

impl Done {
    /// Changes a desired state as a change by parts says. None if it does not fit to it.
    pub(super) fn change(desired: &mut Desired, change: &Change) -> Option<Self> {
        let mut done = Self::default();
        for (name, patch) in &change.patches {
            let namespace = desired.namespaces.get_mut(name);
            let Some(true) = namespace.map(|namespace| patch.apply(namespace)) else {
                return None;
            };
            done.patched.insert(name.clone(), patch.clone());
        }
        for name in &change.removed {
            if let Some(old) = desired.namespaces.remove(name) {
                done.removed.insert(name.clone(), old);
            }
        }
        for (name, namespace) in &change.desired.namespaces {
            desired.namespaces.insert(name.clone(), namespace.clone());
            done.made.insert(name.clone());
        }
        Some(done)
    }

    /// Takes it back.
    pub(super) fn undo(self, desired: &mut Desired) {
        for name in &self.made {
            desired.namespaces.remove(name);
        }
        desired.namespaces.extend(self.removed);
        for (name, patch) in self.patched {
            if let Some(namespace) = desired.namespaces.get_mut(&name) {
                // It fits: it was just made.
                let _ = patch.reversed().apply(namespace);
            }
        }
    }

    /// The parts of namespaces that changed, and the names of whole ones that are to be checked.
    pub(super) fn parts(&self) -> (&BTreeMap<String, Patch>, &BTreeSet<String>) {
        (&self.patched, &self.made)
    }
}

fn peer(link: &Link) -> &str {
    let LinkKind::Veth { peer_ns, .. } = &link.kind;
    peer_ns
}

impl Groups {
    /// Whether a change can be carried out by its parts alone: nothing but what it names is touched,
    /// neither in this group nor in another.
    pub(super) fn is_partial(&self, group: &str, desired: &Desired, change: &Change) -> bool {
        let ours = |ns: &str| {
            desired.namespaces.contains_key(ns) || change.desired.namespaces.contains_key(ns)
        };
        let links = change.patches.values().flat_map(|patch| {
            let gone = patch.gone.links.iter();
            gone.chain(&patch.come.links)
        });
        let made = change.desired.namespaces.values();
        let mut links = links.chain(made.flat_map(|namespace| &namespace.links));
        let known = |(ns, patch): (&String, &Patch)| {
            let entry = self.namespaces.get(ns).filter(|entry| entry.group == group);
            entry.is_some_and(|e| patch.come.nft.is_none() || e.memory.table.is_some())
        };
        let mut made = change.desired.namespaces.keys();
        let named = change.patches.keys().chain(&change.removed);
        let come = change.patches.values().map(|patch| &patch.come);
        let mut lent = come.chain(change.desired.namespaces.values());
        change.base.is_some()
            && !self.lends(named)
            && lent.all(|namespace| namespace.lent.is_empty())
            && change.desired.attachments == desired.attachments
            && links.all(|link| ours(peer(link)))
            && change.patches.iter().all(known)
            && made.all(|ns| !desired.namespaces.contains_key(ns))
            && change.removed.iter().all(|ns| {
                let namespace = desired.namespaces.get(ns);
                namespace.is_none_or(|ns| ns.links.iter().all(|link| ours(peer(link))))
            })
    }

    /// The steps of a change that was made to the desired state.
    pub(super) fn steps_of_parts(&self, desired: &Desired, done: &Done) -> Vec<Step> {
        let (mut old, mut new) = (Desired::default(), Desired::default());
        let mut filters = Vec::new();
        for (name, patch) in &done.patched {
            let mut patch = patch.clone();
            if let (Some(gone), Some(come)) = (patch.gone.nft.take(), patch.come.nft.take())
                && let Some(entry) = self.namespaces.get(name)
            {
                let from = entry.memory.fingerprint();
                let to = from.change(&gone, &come);
                let (ns, part) = (
                    name.clone(),
                    Part {
                        gone,
                        come,
                        from,
                        to,
                    },
                );
                let act = Act::Filter(Box::new(TableChange::Part(Box::new(part))));
                filters.push(Step { ns, act });
            }
            old.namespaces.insert(name.clone(), patch.gone);
            new.namespaces.insert(name.clone(), patch.come);
        }
        for (name, namespace) in &done.removed {
            old.namespaces.insert(name.clone(), namespace.clone());
        }
        for name in &done.made {
            if let Some(namespace) = desired.namespaces.get(name) {
                new.namespaces.insert(name.clone(), namespace.clone());
            }
        }
        // Namespaces that stay as they are, at the other ends of cables that do not.
        let all = old.namespaces.values().chain(new.namespaces.values());
        let peers: BTreeSet<String> = all
            .flat_map(|namespace| &namespace.links)
            .map(|link| peer(link).to_owned())
            .filter(|ns| !old.namespaces.contains_key(ns) && !new.namespaces.contains_key(ns))
            .collect();
        for name in peers {
            old.namespaces.insert(name.clone(), Namespace::default());
            new.namespaces.insert(name, Namespace::default());
        }
        let mut far_ends: BTreeMap<&str, Vec<FarEnd>> = BTreeMap::new();
        for link in old
            .namespaces
            .values()
            .flat_map(|namespace| &namespace.links)
        {
            let ends = far_ends.entry(peer(link)).or_default();
            ends.push(plan::far_end(link));
        }
        let mut seen = BTreeMap::new();
        for (name, namespace) in &old.namespaces {
            let far = far_ends.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let table = namespace.nft.clone().map(Arc::new);
            seen.insert(name.clone(), Seen::assume(namespace, far, table));
        }
        let members: BTreeSet<String> = old.namespaces.keys().cloned().collect();
        let mut scope = members.clone();
        scope.extend(new.namespaces.keys().cloned());
        let task = Task {
            lendable: &BTreeSet::new(),
            desired: &new,
            old: Some(&old),
            members: &members,
            scope: &scope,
        };
        let mut steps = plan::plan(&task, seen);
        // Filters before the links that they look at.
        let new = |step: &&Step| matches!(step.act, Act::AddNamespace);
        let at = steps.iter().take_while(new).count();
        steps.splice(at..at, filters);
        steps
    }
}
