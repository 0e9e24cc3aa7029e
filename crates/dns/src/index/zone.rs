//! One zone: the names at and under an apex, with the rules of RFC 4592 for names that are not
//! there.

use crate::index::page::{Entry, Set};
use crate::index::tree::Node;
use crate::name::{Name, NameRef, Suffixes, hash, wildcard_hash};
use crate::wire::{Rdata, RecordSet, RecordType, Soa};

/// The wire form of the label `*`.
const STAR: &[u8] = &[1, b'*'];

/// A zone. Cloning is cheap and shares everything; changing a clone leaves the original as it is.
#[derive(Debug, Clone)]
pub struct Zone {
    apex: Name,
    depth: usize,
    /// The start of authority in wire form, and the TTL of negative answers.
    soa: Vec<u8>,
    negative_ttl: u32,
    nodes: Node,
    /// Names that exist, with or without records.
    names: usize,
    /// Labels of the deepest name there ever was: longer names need no lookup.
    deepest: usize,
}

/// Why a zone cannot hold something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The name is not at or under the apex.
    #[error("name `{name}` is outside of zone `{zone}`")]
    OutOfZone {
        /// The name.
        name: Name,
        /// The zone's apex.
        zone: Name,
    },
    /// A record in the set has another type than the set.
    #[error("record set of type {expected} at `{name}` holds a record of type {found}")]
    MixedTypes {
        /// Owner of the set.
        name: Name,
        /// Type of the set.
        expected: RecordType,
        /// Type of the record.
        found: RecordType,
    },
    /// Raw data of a type whose names the server must understand.
    #[error("raw data of type {rtype} at `{name}` is not supported")]
    RawKnownType {
        /// Owner of the set.
        name: Name,
        /// Its type.
        rtype: RecordType,
    },
    /// More than 65,535 records, or data longer than 65,535 bytes.
    #[error("record set of type {rtype} at `{name}` is too large")]
    TooLarge {
        /// Owner of the set.
        name: Name,
        /// Its type.
        rtype: RecordType,
    },
}

/// What a zone says about a name.
pub(super) enum Found<'z> {
    /// The name exists, or a wildcard stands for it.
    Node(Entry<'z>),
    /// Neither.
    NoName,
}

impl Zone {
    /// A zone with nothing but its start of authority, whose own TTL is `soa_ttl` seconds.
    #[must_use]
    pub fn new(apex: Name, soa: Soa, soa_ttl: u32) -> Self {
        let mut zone = Self {
            depth: apex.as_ref().label_count(),
            soa: Vec::new(),
            negative_ttl: 0,
            nodes: Node::new(),
            names: 0,
            deepest: apex.as_ref().label_count(),
            apex,
        };
        zone.set_soa(&soa, soa_ttl);
        let set = Set::encode(&RecordSet::one(soa_ttl, Rdata::Soa(soa)));
        let apex = zone.apex.clone();
        zone.replace(apex.as_ref(), RecordType::SOA, Some(&set));
        zone
    }

    fn set_soa(&mut self, soa: &Soa, ttl: u32) {
        self.soa.clear();
        soa.encode(&mut self.soa);
        self.negative_ttl = ttl.min(soa.minimum);
    }

    /// The zone's name.
    #[must_use]
    pub const fn apex(&self) -> &Name {
        &self.apex
    }

    /// Number of names that exist, empty non-terminals included.
    #[must_use]
    pub const fn name_count(&self) -> usize {
        self.names
    }

    /// Puts a set of records in place of what the name had of that type; an empty set removes it.
    /// A new SOA at the apex also becomes that of negative answers.
    ///
    /// # Errors
    /// The name is out of the zone, or the set is inconsistent or too large.
    pub fn put(&mut self, name: &Name, set: &RecordSet) -> Result<(), ZoneError> {
        self.check(name, set)?;
        if set.data.is_empty() {
            self.remove(name, set.rtype);
            return Ok(());
        }
        if let ([Rdata::Soa(soa)], true) = (set.data.as_slice(), *name == self.apex) {
            self.set_soa(soa, set.ttl);
        }
        self.replace(name.as_ref(), set.rtype, Some(&Set::encode(set)));
        Ok(())
    }

    /// Makes the records of type `rtype` at `name` those that `target` has, looked up at query
    /// time in the same zone, else among the public names, else in the whole view. Answers carry
    /// the target's TTL and do not show the target.
    ///
    /// # Errors
    /// The name is out of the zone.
    pub fn put_alias(
        &mut self,
        name: &Name,
        rtype: RecordType,
        target: &Name,
    ) -> Result<(), ZoneError> {
        self.check_within(name)?;
        self.replace(
            name.as_ref(),
            rtype,
            Some(&Set::encode_alias(rtype, target.wire())),
        );
        Ok(())
    }

    /// Takes away what the name has of that type; false if there was nothing.
    pub fn remove(&mut self, name: &Name, rtype: RecordType) -> bool {
        let held = self
            .entry(name.as_ref())
            .is_some_and(|entry| entry.sets().any(|set| set.rtype == rtype));
        if held {
            self.replace(name.as_ref(), rtype, None);
        }
        held
    }

    /// Takes away everything the name has; false if there was nothing. Names under it stay.
    pub fn remove_name(&mut self, name: &Name) -> bool {
        let types: Vec<RecordType> = self
            .entry(name.as_ref())
            .map(|entry| entry.sets().map(|set| set.rtype).collect())
            .unwrap_or_default();
        for rtype in &types {
            self.replace(name.as_ref(), *rtype, None);
        }
        !types.is_empty()
    }

    /// Calls `visit` with every name that has records and the types it has, in no particular
    /// order.
    pub fn visit(&self, visit: &mut dyn FnMut(NameRef<'_>, &[RecordType])) {
        self.nodes.visit(&mut |entry| {
            let types: Vec<RecordType> = entry.sets().map(|set| set.rtype).collect();
            if !types.is_empty() {
                visit(NameRef::trusted(entry.name), &types);
            }
        });
    }

    fn check(&self, name: &Name, set: &RecordSet) -> Result<(), ZoneError> {
        self.check_within(name)?;
        let rtype = set.rtype;
        let too_large = || ZoneError::TooLarge {
            name: name.clone(),
            rtype,
        };
        u16::try_from(set.data.len()).map_err(|_| too_large())?;
        let mut one = Vec::new();
        for data in &set.data {
            if data.rtype() != rtype {
                let (expected, found) = (rtype, data.rtype());
                return Err(ZoneError::MixedTypes {
                    name: name.clone(),
                    expected,
                    found,
                });
            }
            if matches!(data, Rdata::Raw(..)) && has_variant(rtype) {
                return Err(ZoneError::RawKnownType {
                    name: name.clone(),
                    rtype,
                });
            }
            one.clear();
            data.encode(&mut one);
            u16::try_from(one.len()).map_err(|_| too_large())?;
        }
        Ok(())
    }

    fn check_within(&self, name: &Name) -> Result<(), ZoneError> {
        if name.as_ref().is_within(self.apex.as_ref()) {
            Ok(())
        } else {
            Err(ZoneError::OutOfZone {
                name: name.clone(),
                zone: self.apex.clone(),
            })
        }
    }

    fn entry(&self, name: NameRef<'_>) -> Option<Entry<'_>> {
        self.nodes.find(hash(name), &[], name.wire())
    }

    /// Exchanges one set of a name, and keeps the names above it in existence as long as needed.
    fn replace(&mut self, name: NameRef<'_>, rtype: RecordType, set: Option<&[u8]>) {
        let hash = hash(name);
        let old = self.nodes.find(hash, &[], name.wire());
        let children = old.map_or(0, |entry| entry.children);
        let existed = old.is_some();
        let kept = old.into_iter().flat_map(|entry| entry.sets());
        let kept = kept.filter(|set| set.rtype != rtype).map(|set| set.bytes());
        let body = Entry::encode(name.wire(), children, kept.chain(set));
        let bare = Entry::read(&body).is_none_or(|entry| entry.is_bare());
        if bare && children == 0 && name != self.apex.as_ref() {
            if existed {
                self.nodes.remove(hash, name.wire());
                self.names -= 1;
                self.count_child(name, false);
            }
            return;
        }
        self.nodes.put(hash, &body);
        if !existed {
            self.names += 1;
            self.deepest = self.deepest.max(name.label_count());
            self.count_child(name, true);
        }
    }

    /// Counts one child more or less at the parent of `name`, which begins or ceases to exist
    /// with its first or last child (RFC 4592 section 2.2.2).
    fn count_child(&mut self, name: NameRef<'_>, more: bool) {
        let Some(parent) = name.parent().filter(|_| name != self.apex.as_ref()) else {
            return;
        };
        let hash = hash(parent);
        let old = self.nodes.find(hash, &[], parent.wire());
        let before = old.map_or(0, |entry| entry.children);
        let children = if more {
            before.saturating_add(1)
        } else {
            before.saturating_sub(1)
        };
        let existed = old.is_some();
        let bare = old.is_none_or(|entry| entry.is_bare());
        if children == 0 && bare && parent != self.apex.as_ref() {
            self.nodes.remove(hash, parent.wire());
            self.names -= 1;
            return self.count_child(parent, false);
        }
        let kept = old
            .into_iter()
            .flat_map(|entry| entry.sets())
            .map(|set| set.bytes());
        let body = Entry::encode(parent.wire(), children, kept);
        self.nodes.put(hash, &body);
        if !existed {
            self.names += 1;
            self.count_child(parent, true);
        }
    }

    /// The start of authority for a negative answer: apex, TTL, wire data.
    pub(super) fn negative(&self) -> (NameRef<'_>, u32, &[u8]) {
        (self.apex.as_ref(), self.negative_ttl, &self.soa)
    }

    /// Looks up a name at or under the apex.
    pub(super) fn find(&self, name: NameRef<'_>, suffixes: &Suffixes) -> Found<'_> {
        let depth = suffixes.depth();
        let at = |depth: usize| {
            let wire = name.wire().get(suffixes.start(depth)..).unwrap_or(&[0]);
            (suffixes.hash(depth), wire)
        };
        if depth <= self.deepest {
            let (hash, wire) = at(depth);
            if let Some(entry) = self.nodes.find(hash, &[], wire) {
                return Found::Node(entry);
            }
        }
        // Ancestors exist from the apex down to the closest encloser and not beyond: search the
        // border by halves, so that a name of a hundred labels costs no more than a few lookups.
        let mut exists = self.depth;
        let mut absent = depth.min(self.deepest + 1);
        while exists + 1 < absent {
            // The border lies near the longer end almost always: try that first, once.
            let middle = if absent - exists <= 3 {
                absent - 1
            } else {
                exists.midpoint(absent)
            };
            let (hash, wire) = at(middle);
            if self.nodes.find(hash, &[], wire).is_some() {
                exists = middle;
            } else {
                absent = middle;
            }
        }
        let (hash, wire) = at(exists);
        match self.nodes.find(wildcard_hash(hash), STAR, wire) {
            Some(entry) => Found::Node(entry),
            None => Found::NoName,
        }
    }
}

/// Types whose data has a variant of its own, because it holds names or must be well-formed.
const fn has_variant(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::A
            | RecordType::AAAA
            | RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::SOA
            | RecordType::TXT
            | RecordType::SRV
            | RecordType::MX
            | RecordType::CAA
    )
}

#[cfg(test)]
mod tests;
