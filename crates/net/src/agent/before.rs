//! A change of a group's desired state: what it was, and what the change can touch.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Attachment, Desired, Link, LinkKind, Namespace};

/// What was, where the new state differs.
pub(super) struct Before {
    pub(super) namespaces: BTreeMap<String, Option<Namespace>>,
    pub(super) attachments: BTreeMap<String, Attachment>,
}

/// Links that are not in both lists.
fn differing<'a>(old: &'a [Link], new: &'a [Link]) -> impl Iterator<Item = &'a Link> {
    let by_name = |links: &'a [Link]| -> BTreeMap<&'a str, &'a Link> {
        links
            .iter()
            .map(|link| (link.name.as_str(), link))
            .collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let gone = old
        .iter()
        .filter(move |link| after.get(link.name.as_str()) != Some(link));
    gone.chain(
        new.iter()
            .filter(move |link| before.get(link.name.as_str()) != Some(link)),
    )
}

impl Desired {
    /// Turns into the new state and returns what differed.
    pub(super) fn change(&mut self, partial: bool, new: Self, removed: &[String]) -> Before {
        let mut namespaces = BTreeMap::new();
        let gone: Vec<String> = if partial {
            removed.to_vec()
        } else {
            self.namespaces
                .keys()
                .filter(|n| !new.namespaces.contains_key(*n))
                .cloned()
                .collect()
        };
        for name in gone {
            if let Some(old) = self.namespaces.remove(&name) {
                namespaces.insert(name, Some(old));
            }
        }
        for (name, namespace) in new.namespaces {
            if self.namespaces.get(&name) != Some(&namespace) {
                let old = self.namespaces.insert(name.clone(), namespace);
                namespaces.insert(name, old);
            }
        }
        let attachments = std::mem::replace(&mut self.attachments, new.attachments);
        Before {
            namespaces,
            attachments,
        }
    }

    /// Takes a change back.
    pub(super) fn restore(&mut self, before: Before) {
        for (name, namespace) in before.namespaces {
            match namespace {
                Some(namespace) => self.namespaces.insert(name, namespace),
                None => self.namespaces.remove(&name),
            };
        }
        self.attachments = before.attachments;
    }
}

impl Before {
    /// The namespaces in which the change to `desired` can have any effect.
    pub(super) fn scope(&self, desired: &Desired) -> BTreeSet<String> {
        let mut scope: BTreeSet<String> = self.namespaces.keys().cloned().collect();
        for (name, old) in &self.namespaces {
            let old = old.as_ref().map_or(&[][..], |ns| &ns.links);
            let new = desired.namespaces.get(name).map_or(&[][..], |ns| &ns.links);
            for link in differing(old, new) {
                let LinkKind::Veth { peer_ns, .. } = &link.kind;
                scope.insert(peer_ns.clone());
            }
        }
        if self.attachments != desired.attachments {
            scope.extend(desired.attachments.keys().cloned());
            scope.extend(self.attachments.keys().cloned());
        }
        scope
    }

    /// All namespaces as they were before the change that led to `now`.
    pub(super) fn whole<'a>(&'a self, now: &'a Desired) -> BTreeMap<&'a str, &'a Namespace> {
        let mut all: BTreeMap<_, _> = now
            .namespaces
            .iter()
            .map(|(name, ns)| (name.as_str(), ns))
            .collect();
        for (name, namespace) in &self.namespaces {
            match namespace {
                Some(namespace) => all.insert(name, namespace),
                None => all.remove(name.as_str()),
            };
        }
        all
    }
}

impl Attachment {
    pub(super) fn as_namespace(&self) -> Namespace {
        Namespace {
            sysctls: self.sysctls.clone(),
            addresses: self.addresses.clone(),
            routes: self.routes.clone(),
            neighbours: self.neighbours.clone(),
            ..Namespace::default()
        }
    }
}
