//! A page: a few names with their records in one run of bytes, so that a hundred thousand
//! endpoints cost little more memory than their text, and a lookup touches few cache lines.
//!
//! ```text
//! page   = count:u16  tag:u32 × count  offset:u32 × count  body × count
//! body   = name_len:u8  name  children:u32  set …            (to the next offset, or the end)
//! set    = rtype:u16  alias:u8  ttl:u32  count:u16  len:u32  record × count
//! record = len:u16  rdata
//! ```
//! Numbers are little-endian. All bytes come from this module.

use std::sync::Arc;

use crate::wire::{RecordSet, RecordType};

/// Some names with their records, immutable and shared.
#[derive(Debug, Clone)]
pub(super) struct Page(Arc<[u8]>);

/// One name in a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    /// Names directly under this one: it exists while it has any, even without records.
    pub(super) children: u32,
    sets: &'a [u8],
}

/// The records of one type at one name, or the alias that stands for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set<'a> {
    pub(super) rtype: RecordType,
    pub(super) ttl: u32,
    pub(super) count: u16,
    alias: bool,
    records: &'a [u8],
    whole: &'a [u8],
}

const SET_HEAD: usize = 13;

impl Page {
    pub(super) fn empty() -> Self {
        Self(Arc::from([0u8, 0].as_slice()))
    }

    pub(super) fn len(&self) -> usize {
        self.0
            .first_chunk()
            .map_or(0, |count| usize::from(u16::from_le_bytes(*count)))
    }

    /// The entry whose name is `head` followed by `tail`.
    pub(super) fn find(&self, tag: u32, head: &[u8], tail: &[u8]) -> Option<Entry<'_>> {
        let count = self.len();
        let (tags, _) = self.0.get(2..2 + 4 * count)?.as_chunks::<4>();
        let wanted = tag.to_le_bytes();
        for (index, _) in tags.iter().enumerate().filter(|(_, tag)| **tag == wanted) {
            let entry = Entry::read(self.body(index, count)?)?;
            if entry.name.strip_prefix(head) == Some(tail) {
                return Some(entry);
            }
        }
        None
    }

    /// All tags and bodies, in no particular order.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let count = self.len();
        (0..count).filter_map(move |index| {
            let tag = read_u32(&self.0, 2 + 4 * index)?;
            Some((tag, self.body(index, count)?))
        })
    }

    fn body(&self, index: usize, count: usize) -> Option<&[u8]> {
        let offsets = 2 + 4 * count;
        let start = read_u32(&self.0, offsets + 4 * index)? as usize;
        let end = if index + 1 < count {
            read_u32(&self.0, offsets + 4 * (index + 1))? as usize
        } else {
            self.0.len()
        };
        self.0.get(start..end)
    }

    /// This page with `body` in place of the entry of the same name, or added.
    pub(super) fn with(&self, tag: u32, body: &[u8]) -> Self {
        let name = Entry::read(body).map_or(&[][..], |entry| entry.name);
        let kept = self.bodies().filter(|(_, old)| !is_named(old, name));
        Self::build(kept.chain(std::iter::once((tag, body))))
    }

    /// This page without the entry of that name.
    pub(super) fn without(&self, name: &[u8]) -> Self {
        Self::build(self.bodies().filter(|(_, old)| !is_named(old, name)))
    }

    pub(super) fn build<'a>(bodies: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let bodies: Vec<(u32, &[u8])> = bodies.collect();
        let head = 2 + 8 * bodies.len();
        let total = head + bodies.iter().map(|(_, body)| body.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(total);
        // The tree splits pages long before a count or an offset could overflow.
        bytes.extend_from_slice(
            &u16::try_from(bodies.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        for (tag, _) in &bodies {
            bytes.extend_from_slice(&tag.to_le_bytes());
        }
        let mut offset = head;
        for (_, body) in &bodies {
            bytes.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
            offset += body.len();
        }
        for (_, body) in &bodies {
            bytes.extend_from_slice(body);
        }
        Self(bytes.into())
    }
}

fn is_named(body: &[u8], name: &[u8]) -> bool {
    Entry::read(body).is_some_and(|entry| entry.name == name)
}

impl<'a> Entry<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let (&len, rest) = body.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(len))?;
        let (children, sets) = rest.split_first_chunk()?;
        Some(Self {
            name,
            children: u32::from_le_bytes(*children),
            sets,
        })
    }

    /// The bytes of an entry, with `sets` made by [`Set::encode`] or taken from another entry.
    pub(super) fn encode<'s>(
        name: &[u8],
        children: u32,
        sets: impl Iterator<Item = &'s [u8]>,
    ) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(name);
        body.extend_from_slice(&children.to_le_bytes());
        sets.for_each(|set| body.extend_from_slice(set));
        body
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = Set<'a>> + use<'a> {
        let mut rest = self.sets;
        std::iter::from_fn(move || {
            let (set, tail) = Set::read(rest)?;
            rest = tail;
            Some(set)
        })
    }

    pub(super) const fn is_bare(&self) -> bool {
        self.sets.is_empty()
    }
}

impl<'a> Set<'a> {
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, _) = bytes.split_first_chunk::<SET_HEAD>()?;
        let [t0, t1, alias, s0, s1, s2, s3, c0, c1, l0, l1, l2, l3] = *head;
        let end = SET_HEAD + u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let (whole, tail) = bytes.split_at_checked(end)?;
        let set = Self {
            rtype: RecordType(u16::from_le_bytes([t0, t1])),
            ttl: u32::from_le_bytes([s0, s1, s2, s3]),
            count: u16::from_le_bytes([c0, c1]),
            alias: alias != 0,
            records: whole.get(SET_HEAD..)?,
            whole,
        };
        Some((set, tail))
    }

    /// The bytes of a set of records; too long or too many data are left out.
    pub(super) fn encode(set: &RecordSet) -> Vec<u8> {
        let mut records = Vec::with_capacity(32);
        let mut count = 0u16;
        let mut one = Vec::new();
        for data in set.data.iter().take(usize::from(u16::MAX)) {
            one.clear();
            data.encode(&mut one);
            let Ok(len) = u16::try_from(one.len()) else {
                continue;
            };
            records.extend_from_slice(&len.to_le_bytes());
            records.extend_from_slice(&one);
            count += 1;
        }
        Self::assemble(set.rtype, false, set.ttl, count, &records)
    }

    /// The bytes of an alias: records of `rtype` are those of `target`.
    pub(super) fn encode_alias(rtype: RecordType, target: &[u8]) -> Vec<u8> {
        Self::assemble(rtype, true, 0, 0, target)
    }

    fn assemble(rtype: RecordType, alias: bool, ttl: u32, count: u16, records: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SET_HEAD + records.len());
        bytes.extend_from_slice(&rtype.0.to_le_bytes());
        bytes.push(u8::from(alias));
        bytes.extend_from_slice(&ttl.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(records.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(records);
        bytes
    }

    /// The bytes as stored, to be carried into another entry.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The wire name of the alias's target, if this is an alias.
    pub(super) fn alias(&self) -> Option<&'a [u8]> {
        self.alias.then_some(self.records)
    }

    /// The data of each record, in stored order.
    pub(super) fn records(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = if self.alias { &[] } else { self.records };
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk()?;
            let (data, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            rest = tail;
            Some(data)
        })
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
