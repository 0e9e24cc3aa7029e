//! What differs between two states of a namespace, so that a change costs what it changes.
//!
//! A router of a thousand ports is sent, checked, planned and remembered by the few things that came
//! and went. Where such a difference would not tell everything, the namespace is stated as a whole.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::desired::{Link, LinkKind, Namespace};

/// What goes from a namespace and what comes into it; everything else stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// What goes. A setting is named with the value that it had.
    pub gone: Namespace,
    /// What comes. Of a table both sides have what differs and what that refers to.
    pub come: Namespace,
}

impl Patch {
    /// The difference between two states; none if only the whole new state says it.
    pub(crate) fn between(old: &Namespace, new: &Namespace) -> Option<Self> {
        let mut patch = Self::default();
        let Self { gone, come } = &mut patch;
        let sysctls = |from: &Namespace, to: &Namespace| -> BTreeMap<String, String> {
            let differs = |(key, value): &(&String, &String)| to.sysctls.get(*key) != Some(*value);
            let parts = from.sysctls.iter().filter(differs);
            parts.map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        (gone.sysctls, come.sysctls) = (sysctls(old, new), sysctls(new, old));
        (gone.links, come.links) = lists(&old.links, &new.links)?;
        (gone.lent, come.lent) = lists(&old.lent, &new.lent)?;
        (gone.addresses, come.addresses) = lists(&old.addresses, &new.addresses)?;
        (gone.routes, come.routes) = lists(&old.routes, &new.routes)?;
        (gone.rules, come.rules) = lists(&old.rules, &new.rules)?;
        (gone.nexthops, come.nexthops) = lists(&old.nexthops, &new.nexthops)?;
        (gone.neighbours, come.neighbours) = lists(&old.neighbours, &new.neighbours)?;
        match (&old.nft, &new.nft) {
            (old, new) if old == new => {}
            (Some(old), Some(new)) => {
                let (from, to) = old.difference(new)?;
                (gone.nft, come.nft) = (Some(from), Some(to));
            }
            _ => return None,
        }
        (!patch.remakes_links()).then_some(patch)
    }

    /// Whether a device goes and another of its name comes: what stays on it would go with it.
    fn remakes_links(&self) -> bool {
        let ends = |links: &[Link]| -> Vec<(Option<String>, String)> {
            let both = links.iter().flat_map(|link| {
                let LinkKind::Veth {
                    peer_ns, peer_name, ..
                } = &link.kind;
                [
                    (None, link.name.clone()),
                    (Some(peer_ns.clone()), peer_name.clone()),
                ]
            });
            both.collect()
        };
        let come = ends(&self.come.links);
        let mut lent = self.gone.lent.iter();
        ends(&self.gone.links).iter().any(|end| come.contains(end))
            || lent.any(|gone| self.come.lent.iter().any(|come| come.name == gone.name))
    }

    /// Turns the old state into the new one. Whether everything that goes was there; if not, the
    /// namespace is of no use any more.
    #[must_use]
    pub(crate) fn apply(&self, to: &mut Namespace) -> bool {
        let Self { gone, come } = self;
        for key in gone.sysctls.keys() {
            to.sysctls.remove(key);
        }
        to.sysctls.extend(come.sysctls.clone());
        let tables = match (&mut to.nft, &gone.nft, &come.nft) {
            (_, None, None) => true,
            (Some(table), Some(gone), Some(come)) => table.patch(gone, come),
            _ => false,
        };
        replace(&mut to.links, &gone.links, &come.links)
            && replace(&mut to.lent, &gone.lent, &come.lent)
            && replace(&mut to.addresses, &gone.addresses, &come.addresses)
            && replace(&mut to.routes, &gone.routes, &come.routes)
            && replace(&mut to.rules, &gone.rules, &come.rules)
            && replace(&mut to.nexthops, &gone.nexthops, &come.nexthops)
            && replace(&mut to.neighbours, &gone.neighbours, &come.neighbours)
            && tables
    }

    /// The way back.
    pub(crate) fn reversed(self) -> Self {
        Self {
            gone: self.come,
            come: self.gone,
        }
    }
}

/// What is in one list only; none if something is twice where they differ.
pub(crate) fn lists<T: Clone + Eq + Hash>(old: &[T], new: &[T]) -> Option<(Vec<T>, Vec<T>)> {
    let same = |(a, b): &(&T, &T)| a == b;
    let front = old.iter().zip(new).take_while(same).count();
    let (old, new) = (old.get(front..)?, new.get(front..)?);
    let backwards = old.iter().rev().zip(new.iter().rev());
    let back = backwards.take_while(same).count();
    let (old, new) = (old.get(..old.len() - back)?, new.get(..new.len() - back)?);
    let (before, after): (HashSet<&T>, HashSet<&T>) = (old.iter().collect(), new.iter().collect());
    if before.len() != old.len() || after.len() != new.len() {
        return None;
    }
    let only = |list: &[T], other: &HashSet<&T>| -> Vec<T> {
        let only = list.iter().filter(|item| !other.contains(item));
        only.cloned().collect()
    };
    Some((only(old, &after), only(new, &before)))
}

/// Takes each of `gone` out of a list once and adds `come`; whether all were there.
pub(crate) fn replace<T: Clone + PartialEq>(list: &mut Vec<T>, gone: &[T], come: &[T]) -> bool {
    for item in gone {
        match list.iter().position(|held| held == item) {
            Some(at) => drop(list.swap_remove(at)),
            None => return false,
        }
    }
    list.extend_from_slice(come);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_by_what_is_in_one_only() {
        let check = |old: &str, new: &str, gone: &str, come: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let found = lists(&chars(old), &chars(new)).unwrap();
            assert_eq!(found, (chars(gone), chars(come)), "{old} {new}");
            let mut list = chars(old);
            assert!(replace(&mut list, &found.0, &found.1));
            let mut wanted = chars(new);
            list.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(list, wanted);
        };
        check("", "", "", "");
        check("abc", "abc", "", "");
        check("abc", "axbc", "", "x");
        check("abcd", "acd", "b", "");
        check("abcd", "dbca", "", "");
        check("abcde", "axcye", "bd", "xy");
        check("", "ab", "", "ab");
        check("ab", "", "ab", "");
        assert_eq!(lists(&['a', 'b', 'b', 'c'], &['c']), None);
        assert!(!replace(&mut vec!['a'], &['b'], &[]));
    }
}
