//! Parts of tables: what differs between two of them, and fingerprints that can be reckoned from it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Chain, Expr, NatTarget, Set, Table, Value, Verdict};
use crate::patch;

/// A fingerprint of a table's content: the sum of those of its pieces, so that pieces can be added
/// and taken away. If another version of the compiler or of this crate hashes differently, tables
/// are loaded once more, nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 2]);

impl Fingerprint {
    fn add(&mut self, piece: impl Hash) {
        // Two runs of SipHash with different beginnings.
        for (seed, sum) in self.0.iter_mut().enumerate() {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            piece.hash(&mut hasher);
            *sum = sum.wrapping_add(hasher.finish());
        }
    }

    /// That of the whole after a part went and another came.
    pub(crate) fn change(self, gone: &Table, come: &Table) -> Self {
        let (gone, come) = (gone.fingerprint(), come.fingerprint());
        let mut sums = self.0;
        for ((sum, gone), come) in sums.iter_mut().zip(gone.0).zip(come.0) {
            *sum = sum.wrapping_sub(gone).wrapping_add(come);
        }
        Self(sums)
    }

    /// As text.
    pub(crate) fn digits(self) -> String {
        let [first, second] = self.0;
        format!("{first:016x}{second:016x}")
    }
}

impl Table {
    /// The fingerprint of what the table, or a part of one, says.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut sum = Fingerprint::default();
        sum.add((self.family, &self.name));
        for counter in &self.counters {
            sum.add(("counter", counter));
        }
        for tally in &self.tallies {
            sum.add(("tally", tally));
        }
        for (name, set) in &self.sets {
            sum.add(("set", name, &set.key, set.value, set.interval));
            for element in &set.elements {
                sum.add(("element", name, element));
            }
        }
        for chain in &self.chains {
            sum.add(("chain", chain));
        }
        sum
    }

    /// What only this table has and what only the other one has, each with the sets and chains that
    /// it refers to (sets without elements, chains without rules); none if more differs than
    /// elements and rules.
    pub(crate) fn difference(&self, new: &Self) -> Option<(Self, Self)> {
        let same = self.family == new.family
            && self.name == new.name
            && self.counters == new.counters
            && self.tallies == new.tallies
            && self.sets.len() == new.sets.len();
        if !same {
            return None;
        }
        let empty = Self {
            sets: BTreeMap::new(),
            chains: BTreeMap::new(),
            name: self.name.clone(),
            family: self.family,
            counters: self.counters.clone(),
            tallies: self.tallies.clone(),
        };
        let (mut gone, mut come) = (empty.clone(), empty);
        for (name, old) in &self.sets {
            let set = new.sets.get(name)?;
            if old == set {
                continue;
            }
            if !old.same_shape(set) {
                return None;
            }
            // Ranges are merged: one element's coming changes others.
            let (from, to) = match set.interval {
                true => (old.elements.clone(), set.elements.clone()),
                false => patch::lists(&old.elements, &set.elements)?,
            };
            gone.sets.insert(name.clone(), old.with(from));
            come.sets.insert(name.clone(), set.with(to));
        }
        for (name, old) in &self.chains {
            match new.chains.get(name) {
                Some(chain) if chain == old => {}
                Some(chain) if chain.base != old.base => return None,
                _ => drop(gone.chains.insert(name.clone(), old.clone())),
            }
        }
        for (name, chain) in &new.chains {
            if self.chains.get(name) != Some(chain) {
                come.chains.insert(name.clone(), chain.clone());
            }
        }
        self.add_context(&mut gone, &mut come);
        new.add_context(&mut come, &mut gone);
        Some((gone, come))
    }

    /// Adds to a part of this table what it refers to, and to the other part as well: there it is
    /// seen to stay.
    fn add_context(&self, part: &mut Self, other: &mut Self) {
        let (mut chains, mut sets) = (BTreeSet::new(), BTreeSet::new());
        for element in part.sets.values().flat_map(|set| &set.elements) {
            if let Some(Value::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) =
                &element.value
            {
                chains.insert(chain.clone());
            }
        }
        let rules = part.chains.values().flat_map(|chain| &chain.rules);
        for expr in rules.flat_map(|rule| &rule.exprs) {
            match expr {
                Expr::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => {
                    chains.insert(chain.clone());
                }
                asking => sets.extend(asking.named_set().map(str::to_owned)),
            }
        }
        for name in chains {
            if let Some(chain) = self.chains.get(&name)
                && !part.chains.contains_key(&name)
                && !other.chains.contains_key(&name)
            {
                let stub = Chain {
                    base: chain.base,
                    rules: Vec::new(),
                };
                part.chains.insert(name.clone(), stub.clone());
                other.chains.insert(name, stub);
            }
        }
        for name in sets {
            if let Some(set) = self.sets.get(&name)
                && !part.sets.contains_key(&name)
            {
                part.sets.insert(name.clone(), set.with(Vec::new()));
                other.sets.insert(name, set.with(Vec::new()));
            }
        }
    }

    /// Turns the table into the one that differs so; whether all that goes was there.
    #[must_use]
    pub(crate) fn patch(&mut self, gone: &Self, come: &Self) -> bool {
        for (name, from) in &gone.sets {
            let (Some(set), Some(to)) = (self.sets.get_mut(name), come.sets.get(name)) else {
                return false;
            };
            if !patch::replace(&mut set.elements, &from.elements, &to.elements) {
                return false;
            }
        }
        let changes = |from: &BTreeMap<String, Chain>, to: &BTreeMap<String, Chain>| {
            let changed = from.iter().filter(|(n, chain)| to.get(*n) != Some(*chain));
            let changed = changed.map(|(name, chain)| (name.clone(), chain.clone()));
            changed.collect::<BTreeMap<_, _>>()
        };
        let leaving = changes(&gone.chains, &come.chains);
        for (name, chain) in leaving {
            if self.chains.remove(&name) != Some(chain) {
                return false;
            }
        }
        self.chains.extend(changes(&come.chains, &gone.chains));
        come.sets.keys().all(|name| gone.sets.contains_key(name))
    }
}

impl Expr {
    /// The set or map that it asks.
    fn named_set(&self) -> Option<&str> {
        match self {
            Self::InSet { set, .. } => Some(set),
            Self::VerdictFrom { map, .. } | Self::SetMarkFrom { map, .. } => Some(map),
            Self::Snat(NatTarget::Map { map, .. }) | Self::Dnat(NatTarget::Map { map, .. }) => {
                Some(map)
            }
            _ => None,
        }
    }
}

impl Set {
    /// Whether another set differs from it in its elements alone.
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value && self.interval == other.interval
    }

    fn with(&self, elements: Vec<super::Element>) -> Self {
        Self {
            key: self.key.clone(),
            value: self.value,
            interval: self.interval,
            elements,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Base, ChainKind, Datum, Element, Field, Hook, KeyType, Rule, ValueType};

    /// A table of ports, each led to the chain of its group.
    fn table(ports: &[(&str, u32)], rules: u32) -> Table {
        let mut table = Table::new("adit");
        let elements = ports.iter().map(|(port, group)| Element {
            key: vec![Datum::name(port)],
            value: Some(Value::Verdict(Verdict::Goto(format!("in_{group}")))),
        });
        let set = |value, interval, key, elements| Set {
            key: vec![key],
            value,
            interval,
            elements,
        };
        let map = set(
            Some(ValueType::Verdict),
            false,
            KeyType::Interface,
            elements.collect(),
        );
        table.sets.insert("groups".into(), map);
        let nets = (0..rules).map(|n| Element {
            key: vec![Datum::Net(format!("10.{n}.0.0/16").parse().unwrap())],
            value: None,
        });
        let nets = set(None, true, KeyType::Ipv4, nets.collect());
        table.sets.insert("nets".into(), nets);
        for (_, group) in ports {
            let rules = (0..rules).map(|_| {
                let known = Expr::in_set(&[Field::IpSaddr], "nets");
                Rule::from([known, Expr::ACCEPT])
            });
            let (base, rules) = (None, rules.collect());
            table
                .chains
                .insert(format!("in_{group}"), Chain { base, rules });
        }
        let base = Some(Base {
            kind: ChainKind::Filter,
            hook: Hook::Forward,
            priority: 0,
            drop: true,
        });
        let rules = vec![Rule::from([Expr::vmap(&[Field::Oifname], "groups")])];
        table.chains.insert("fwd".into(), Chain { base, rules });
        table
    }

    #[test]
    fn parts_lead_from_one_table_to_the_other() {
        let tables = [
            table(&[], 1),
            table(&[("a", 1)], 1),
            table(&[("a", 1), ("b", 1), ("c", 2)], 1),
            table(&[("a", 2), ("c", 1)], 1),
            table(&[("c", 2), ("d", 3)], 3),
            table(&[("c", 2), ("d", 3)], 2),
        ];
        for old in &tables {
            for new in &tables {
                let (gone, come) = old.difference(new).unwrap();
                come.check().unwrap();
                let mut patched = old.clone();
                assert!(patched.patch(&gone, &come));
                for set in patched.sets.values_mut() {
                    set.elements.sort();
                }
                assert_eq!(patched, *new);
                let reckoned = old.fingerprint().change(&gone, &come);
                assert_eq!(reckoned, new.fingerprint());
                assert_eq!(reckoned == old.fingerprint(), old == new);
                // What it refers to stays as it is.
                for (name, chain) in &gone.chains {
                    let stub = come.chains.get(name) == Some(chain);
                    assert!(!stub || old.chains[name] == new.chains[name]);
                }
            }
        }
    }

    #[test]
    fn more_than_elements_and_rules_needs_the_whole() {
        let old = table(&[("a", 1)], 1);
        let mut new = old.clone();
        new.counters.insert("seen".into());
        assert_eq!(old.difference(&new), None);
        let mut new = old.clone();
        new.sets.remove("nets");
        assert_eq!(old.difference(&new), None);
        let mut new = old.clone();
        new.chains.get_mut("fwd").unwrap().base = None;
        assert_eq!(old.difference(&new), None);
    }
}
