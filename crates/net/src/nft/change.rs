//! From one table to another in a single transaction, touching only what differs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::expr::RuleWriter;
use super::part::Fingerprint;
use super::raw::{RawKey, RawSet, RawValue};
use super::{Base, Chain, ChainKind, Family, Hook, InvalidTable, Rule, Table, Value, Verdict};
use crate::netlink::Writer;
use crate::netlink::message::{ACK, APPEND, CREATE};
use crate::netlink::nf::*;

/// Beginning of the name of the empty chain whose rest is the table's fingerprint.
pub(crate) const MARKER: &str = "adit-is-";
/// Elements per message: their attribute must stay below 64 KiB.
const ELEMENTS: usize = 400;

/// One transaction on a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Make the table, in the place of any of the same name.
    Replace(Arc<Table>),
    /// Turn the first table, which the kernel has, into the second.
    Update(Arc<Table>, Arc<Table>),
    /// Change what a part of the table says, which is all that is known here.
    Part(Box<Part>),
    /// Remove the table.
    Remove(Family, String),
}

/// What goes from a table and what comes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) gone: Table,
    pub(crate) come: Table,
    /// The whole table's fingerprint before and after.
    pub(crate) from: Fingerprint,
    pub(crate) to: Fingerprint,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace(table) => write!(f, "load table {}", table.name),
            Self::Update(_, table) => write!(f, "change table {}", table.name),
            Self::Part(part) => write!(f, "change table {}", part.come.name),
            Self::Remove(_, name) => write!(f, "remove table {name}"),
        }
    }
}

impl Family {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }
}

impl Table {
    /// Whether the kernel would take the table, as far as can be said without asking it.
    ///
    /// # Errors
    /// Names the part that cannot be.
    pub fn check(&self) -> Result<(), InvalidTable> {
        if !self.name.starts_with(super::TABLE_PREFIX) {
            return Err(InvalidTable::Name(self.name.clone()));
        }
        let names = self
            .sets
            .keys()
            .chain(self.chains.keys())
            .chain(self.tallies.keys())
            .chain(&self.counters);
        for name in names.chain([&self.name]) {
            check_name(name)?;
        }
        if let Some(name) = self.chains.keys().find(|name| name.starts_with(MARKER)) {
            return Err(InvalidTable::Name(name.clone()));
        }
        for (name, tally) in &self.tallies {
            tally.check(name)?;
            if self.sets.contains_key(name) {
                return Err(InvalidTable::Name(name.clone()));
            }
        }
        for set in self.raw_sets()?.values() {
            for value in set.elements.values().flatten() {
                if let Value::Verdict(verdict) = value {
                    self.known_chain(verdict)?;
                }
            }
        }
        let mut scratch = Writer::default();
        for (name, chain) in &self.chains {
            for rule in &chain.rules {
                check_comment(name, rule)?;
                RuleWriter::new(self, 0).rule(&mut scratch, rule)?;
            }
        }
        Ok(())
    }

    /// A jump must lead to a chain of this table that the kernel does not call itself.
    pub(super) fn known_chain(&self, verdict: &Verdict) -> Result<(), InvalidTable> {
        let (Verdict::Jump(name) | Verdict::Goto(name)) = verdict else {
            return Ok(());
        };
        match self.chains.get(name) {
            Some(chain) if chain.base.is_none() => Ok(()),
            _ => Err(InvalidTable::Unknown {
                kind: "chain to jump to",
                name: name.clone(),
            }),
        }
    }

    /// A fingerprint of the content, kept in the kernel's table to recognise it later.
    pub(crate) fn marker(&self) -> String {
        marker(self.fingerprint())
    }

    /// How many elements the kernel should show for each set.
    pub(crate) fn element_counts(&self) -> Vec<(&str, usize)> {
        let sets = self.raw_sets().unwrap_or_default();
        sets.into_iter()
            .map(|(name, set)| (name, set.elements.len()))
            .collect()
    }

    fn raw_sets(&self) -> Result<BTreeMap<&str, RawSet>, InvalidTable> {
        self.sets
            .iter()
            .map(|(n, s)| Ok((n.as_str(), RawSet::named(n, s)?)))
            .collect()
    }
}

fn marker(fingerprint: Fingerprint) -> String {
    format!("{MARKER}{}", fingerprint.digits())
}

fn check_name(name: &str) -> Result<(), InvalidTable> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    if first && name.len() < 128 && name.bytes().all(good) {
        Ok(())
    } else {
        Err(InvalidTable::Name(name.to_owned()))
    }
}

fn check_comment(chain: &str, rule: &Rule) -> Result<(), InvalidTable> {
    match &rule.comment {
        Some(text)
            if text.is_empty()
                || text.len() > 120
                || text.bytes().any(|b| b == b'"' || b.is_ascii_control()) =>
        {
            Err(InvalidTable::Comment {
                chain: chain.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

impl Change {
    /// The transaction as netlink messages; the last but one asks for the acknowledgement.
    pub(crate) fn encode(&self) -> Result<Writer, InvalidTable> {
        let mut batch = Batch {
            w: Writer::default(),
            next_set: 1,
        };
        begin(&mut batch.w);
        match self {
            Self::Replace(table) => {
                batch.table(table.family, &table.name, NEWTABLE, CREATE);
                batch.table(table.family, &table.name, DELTABLE, 0);
                batch.table(table.family, &table.name, NEWTABLE, CREATE);
                batch.update(&Table::empty_like(table), table)?;
                batch.mark(table, None, table.fingerprint());
            }
            Self::Update(old, new) => {
                batch.update(old, new)?;
                batch.mark(new, Some(old.fingerprint()), new.fingerprint());
            }
            Self::Part(part) => {
                batch.update(&part.gone, &part.come)?;
                batch.mark(&part.come, Some(part.from), part.to);
            }
            Self::Remove(family, name) => batch.table(*family, name, DELTABLE, ACK),
        }
        end(&mut batch.w);
        Ok(batch.w)
    }

    /// Whether [`Change::Update`] can lead from one table to the other.
    pub(crate) fn can_update(old: &Table, new: &Table) -> bool {
        let same_base = |(name, chain): (&String, &Chain)| {
            new.chains.get(name).is_none_or(|n| n.base == chain.base)
        };
        let same_shape = |(name, set): (&String, &super::Set)| {
            new.sets.get(name).is_none_or(|n| set.same_shape(n))
        };
        let same_tally = |(name, tally): (&String, &super::Tally)| {
            let set = new.sets.contains_key(name);
            !set && new.tallies.get(name).is_none_or(|n| n == tally)
        };
        old.family == new.family
            && old.name == new.name
            && old.tallies.iter().all(same_tally)
            && !new.tallies.keys().any(|name| old.sets.contains_key(name))
            && old.chains.iter().all(same_base)
            && old.sets.iter().all(same_shape)
    }
}

impl Table {
    fn empty_like(table: &Self) -> Self {
        Self {
            family: table.family,
            ..Self::new(&table.name)
        }
    }
}

struct Batch {
    w: Writer,
    next_set: u32,
}

impl Batch {
    fn table(&mut self, family: Family, name: &str, kind: u16, flags: u16) {
        self.w.message(kind, flags, &header(family.number()), |w| {
            w.attr_text(NFTA_TABLE_NAME, name);
        });
    }

    fn update(&mut self, old: &Table, new: &Table) -> Result<(), InvalidTable> {
        let (old_sets, new_sets) = (old.raw_sets()?, new.raw_sets()?);
        for name in new.counters.difference(&old.counters) {
            self.counter(new, name, NEWOBJ, CREATE);
        }
        for (name, tally) in new.tallies.iter() {
            if !old.tallies.contains_key(name) {
                self.tally(new, name, tally);
            }
        }
        for (name, set) in new_sets.iter().filter(|(n, _)| !old_sets.contains_key(*n)) {
            self.named_set(new, name, set);
        }
        for (name, chain) in new
            .chains
            .iter()
            .filter(|(n, _)| !old.chains.contains_key(*n))
        {
            self.chain(new, name, chain.base.as_ref(), NEWCHAIN, CREATE);
        }
        // Rules that go away first: they may be what holds old chains and sets.
        let changed = |name: &&String| old.chains.get(*name) != new.chains.get(*name);
        for name in old.chains.keys().filter(changed) {
            self.flush(new, name);
        }
        let none = BTreeMap::new();
        for (name, set) in &old_sets {
            let kept = new_sets.get(name).map_or(&none, |s| &s.elements);
            let gone = set.elements.iter().filter(|(k, v)| kept.get(k) != Some(v));
            self.elements(new, name, set, DELSETELEM, 0, gone);
        }
        for (name, set) in &new_sets {
            let had = old_sets.get(name).map_or(&none, |s| &s.elements);
            let come = set.elements.iter().filter(|(k, v)| had.get(k) != Some(v));
            self.elements(new, name, set, NEWSETELEM, CREATE, come);
        }
        for (name, chain) in new.chains.iter().filter(|(n, _)| changed(n)) {
            for rule in &chain.rules {
                self.rule(new, name, rule)?;
            }
        }
        for name in old.chains.keys().filter(|n| !new.chains.contains_key(*n)) {
            self.chain(new, name, None, DELCHAIN, 0);
        }
        let gone = old_sets.keys().filter(|n| !new_sets.contains_key(*n));
        let tallies = old.tallies.keys().map(String::as_str);
        let tallies = tallies.filter(|name| !new.tallies.contains_key(*name));
        for name in gone.copied().chain(tallies) {
            self.w
                .message(DELSET, 0, &header(new.family.number()), |w| {
                    w.attr_text(NFTA_SET_TABLE, &new.name);
                    w.attr_text(NFTA_SET_NAME, name);
                });
        }
        for name in old.counters.difference(&new.counters) {
            self.counter(new, name, DELOBJ, 0);
        }
        Ok(())
    }

    /// Puts the new marker in the place of the old one; this answers for the whole transaction.
    fn mark(&mut self, table: &Table, old: Option<Fingerprint>, new: Fingerprint) {
        if let Some(old) = old.filter(|old| *old != new) {
            self.chain(table, &marker(old), None, DELCHAIN, 0);
        }
        self.chain(table, &marker(new), None, NEWCHAIN, CREATE | ACK);
    }

    fn counter(&mut self, table: &Table, name: &str, kind: u16, flags: u16) {
        self.w
            .message(kind, flags, &header(table.family.number()), |w| {
                w.attr_text(NFTA_OBJ_TABLE, &table.name);
                w.attr_text(NFTA_OBJ_NAME, name);
                w.attr_be32(NFTA_OBJ_TYPE, OBJECT_COUNTER);
                w.nest(NFTA_OBJ_DATA, |_| {});
            });
    }

    fn named_set(&mut self, table: &Table, name: &str, set: &RawSet) {
        let id = self.next_set;
        self.next_set += 1;
        self.set(table, name, id, set);
    }

    fn tally(&mut self, table: &Table, name: &str, tally: &super::Tally) {
        let id = self.next_set;
        self.next_set += 1;
        self.w
            .message(NEWSET, CREATE, &header(table.family.number()), |w| {
                w.attr_text(NFTA_SET_TABLE, &table.name);
                w.attr_text(NFTA_SET_NAME, name);
                w.attr_be32(NFTA_SET_ID, id);
                tally.write(w);
            });
    }

    fn set(&mut self, table: &Table, name: &str, id: u32, set: &RawSet) {
        self.w
            .message(NEWSET, CREATE, &header(table.family.number()), |w| {
                w.attr_text(NFTA_SET_TABLE, &table.name);
                w.attr_text(NFTA_SET_NAME, name);
                w.attr_be32(NFTA_SET_ID, id);
                set.shape.write(w);
            });
    }

    fn chain(&mut self, table: &Table, name: &str, base: Option<&Base>, kind: u16, flags: u16) {
        self.w
            .message(kind, flags, &header(table.family.number()), |w| {
                w.attr_text(NFTA_CHAIN_TABLE, &table.name);
                w.attr_text(NFTA_CHAIN_NAME, name);
                if let Some(base) = base {
                    base.write(w);
                }
            });
    }

    fn flush(&mut self, table: &Table, chain: &str) {
        self.w
            .message(DELRULE, 0, &header(table.family.number()), |w| {
                w.attr_text(NFTA_RULE_TABLE, &table.name);
                w.attr_text(NFTA_RULE_CHAIN, chain);
            });
    }

    fn elements<'a>(
        &mut self,
        table: &Table,
        name: &str,
        set: &RawSet,
        kind: u16,
        flags: u16,
        elements: impl Iterator<Item = (&'a RawKey, &'a Option<RawValue>)>,
    ) {
        let elements: Vec<_> = elements.collect();
        for part in elements.chunks(ELEMENTS) {
            self.w
                .message(kind, flags, &header(table.family.number()), |w| {
                    w.attr_text(NFTA_SET_ELEM_LIST_TABLE, &table.name);
                    w.attr_text(NFTA_SET_ELEM_LIST_SET, name);
                    w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                        for (key, value) in part {
                            set.shape.write_element(w, key, value.as_ref());
                        }
                    });
                });
        }
    }

    fn rule(&mut self, table: &Table, chain: &str, rule: &Rule) -> Result<(), InvalidTable> {
        // The sets that a rule brings along must come before it, but are known only after it is
        // written: write it aside.
        let mut aside = Writer::default();
        let mut writer = RuleWriter::new(table, self.next_set);
        writer.rule(&mut aside, rule)?;
        for (id, set) in &writer.sets {
            self.next_set = id + 1;
            self.set(table, "__set%d", *id, set);
            self.w
                .message(NEWSETELEM, CREATE, &header(table.family.number()), |w| {
                    w.attr_text(NFTA_SET_ELEM_LIST_TABLE, &table.name);
                    w.attr_text(NFTA_SET_ELEM_LIST_SET, "__set%d");
                    w.attr_be32(NFTA_SET_ELEM_LIST_SET_ID, *id);
                    w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
                        for (key, value) in &set.elements {
                            set.shape.write_element(w, key, value.as_ref());
                        }
                    });
                });
        }
        self.w.message(
            NEWRULE,
            CREATE | APPEND,
            &header(table.family.number()),
            |w| {
                w.attr_text(NFTA_RULE_TABLE, &table.name);
                w.attr_text(NFTA_RULE_CHAIN, chain);
                w.nest(NFTA_RULE_EXPRESSIONS, |w| w.raw(aside.bytes()));
                if let Some(comment) = &rule.comment {
                    let mut data = vec![0, u8::try_from(comment.len() + 1).unwrap_or(0)];
                    data.extend_from_slice(comment.as_bytes());
                    data.push(0);
                    w.attr(NFTA_RULE_USERDATA, &data);
                }
            },
        );
        Ok(())
    }
}

impl Base {
    fn write(&self, w: &mut Writer) {
        let hook = match self.hook {
            Hook::Prerouting => 0,
            Hook::Input => 1,
            Hook::Forward => 2,
            Hook::Output => 3,
            Hook::Postrouting => 4,
        };
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
            ChainKind::Route => "route",
        };
        w.nest(NFTA_CHAIN_HOOK, |w| {
            w.attr_be32(NFTA_HOOK_HOOKNUM, hook);
            w.attr_be32(NFTA_HOOK_PRIORITY, self.priority.cast_unsigned());
        });
        w.attr_text(NFTA_CHAIN_TYPE, kind);
        w.attr_be32(NFTA_CHAIN_POLICY, u32::from(!self.drop));
    }
}
