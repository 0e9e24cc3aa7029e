//! Finding the few statements that can apply without looking at all.
//!
//! A statement whose resources all begin with a literal head (for S3 a bucket's ARN) is filed under
//! that head's hash; within a head, the last eight bytes of the literal prefix of each pattern tell
//! prefixes apart. Everything else is looked at for every request. The index only leaves out what
//! cannot match: whether a statement applies is decided by the statement.

use crate::compiled::{Compiled, Flags, NO_TOKENS, Shape, Text};
use crate::facts::{Facts, head_of};
use crate::hash::hash;
use crate::trace::Effect;

/// Fewer statements than this are quicker looked at one by one.
const MIN_STATEMENTS: usize = 9;

/// The statements of one effect.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Statements to look at for every request, in document order.
    generic: Box<[u32]>,
    /// Open hash table of positions in `groups`, plus one; zero is free.
    slots: Box<[u32]>,
    groups: Box<[Group]>,
    candidates: Box<[Candidate]>,
}

/// The statements filed under one head.
#[derive(Debug)]
struct Group {
    hash: u32,
    /// Where its candidates begin.
    candidates: u32,
}

/// A statement with one of its patterns.
#[derive(Debug)]
struct Candidate {
    /// The last eight bytes of the pattern's literal prefix, and where they begin.
    want: [u8; 8],
    offset: u32,
    statement: u32,
}

impl Index {
    /// Indexes the statements with the given effect.
    pub(crate) fn build(compiled: &Compiled, effect: Effect) -> Index {
        let of_effect: Vec<usize> = (0..compiled.statements.len())
            .filter(|at| {
                compiled
                    .statements
                    .get(*at)
                    .is_some_and(|s| s.effect == effect)
            })
            .collect();
        let mut generic = Vec::new();
        let mut filed: Vec<(u32, Candidate)> = Vec::new();
        for at in &of_effect {
            match candidates(compiled, *at) {
                Some(list) if of_effect.len() >= MIN_STATEMENTS => filed.extend(list),
                _ => generic.push(number(*at)),
            }
        }
        filed.sort_by_key(|(hash, candidate)| (*hash, candidate.statement));
        let mut groups: Vec<Group> = Vec::new();
        for (at, (hash, _)) in filed.iter().enumerate() {
            if groups.last().is_none_or(|group| group.hash != *hash) {
                groups.push(Group {
                    hash: *hash,
                    candidates: number(at),
                });
            }
        }
        let mut slots = vec![
            0;
            if groups.is_empty() {
                0
            } else {
                slot_count(groups.len())
            }
        ];
        for (at, group) in groups.iter().enumerate() {
            let mut slot = group.hash as usize;
            while let Some(taken) = slots.get(slot % slots.len())
                && *taken != 0
            {
                slot += 1;
            }
            let slot = slot % slots.len();
            if let Some(free) = slots.get_mut(slot) {
                *free = number(at + 1);
            }
        }
        Index {
            generic: generic.into(),
            slots: slots.into(),
            groups: groups.into(),
            candidates: filed.into_iter().map(|(_, candidate)| candidate).collect(),
        }
    }

    /// Whether some statements are filed under heads.
    pub(crate) fn has_filed(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Statements that are not filed under a head.
    pub(crate) fn generic(&self) -> &[u32] {
        &self.generic
    }

    /// Statements filed under the resource's head whose literal prefix it may have; one statement
    /// may come several times, in document order.
    pub(crate) fn filed<'i>(&'i self, facts: &Facts<'i>) -> impl Iterator<Item = u32> + use<'i> {
        let group = self.group(facts.head_hash());
        let resource = facts.resource.as_bytes();
        group.iter().filter_map(move |candidate| {
            let from = candidate.offset as usize;
            let found = resource.get(from..from + 8)?;
            (found == candidate.want).then_some(candidate.statement)
        })
    }

    fn group(&self, hash: u32) -> &[Candidate] {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        while let Some(at) = self.slots.get(slot).and_then(|at| at.checked_sub(1)) {
            let at = at as usize;
            if let Some(group) = self.groups.get(at)
                && group.hash == hash
            {
                let next = self
                    .groups
                    .get(at + 1)
                    .map(|group| group.candidates as usize);
                let bounds = group.candidates as usize..next.unwrap_or(self.candidates.len());
                return self.candidates.get(bounds).unwrap_or_default();
            }
            slot = (slot + 1) & mask;
        }
        &[]
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        use std::mem::size_of_val;
        size_of_val(&*self.generic)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.groups)
            + size_of_val(&*self.candidates)
    }
}

/// A power of two that leaves at least a third free, so that every search ends.
fn slot_count(groups: usize) -> usize {
    (groups * 3 / 2 + 1).next_power_of_two()
}

fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The statement under the head of each of its patterns; `None` if one has no literal head.
fn candidates(compiled: &Compiled, at: usize) -> Option<Vec<(u32, Candidate)>> {
    let statement = compiled.statements.get(at)?;
    let flags = statement.flags;
    if flags.has(Flags::NOT_RESOURCE) || flags.has(Flags::NO_RESOURCE) {
        return None;
    }
    let place = |text: &Text| {
        let literal = literal_prefix(compiled, text)?;
        let head = head_of(literal);
        let is_whole = text.shape == Shape::Exact && text.tokens == NO_TOKENS;
        if head.len() == literal.len() && !is_whole {
            return None;
        }
        let offset = literal.len().checked_sub(8)?;
        let want = literal.as_bytes().get(offset..)?.try_into().ok()?;
        let candidate = Candidate {
            want,
            offset: number(offset),
            statement: number(at),
        };
        Some((hash(head.as_bytes()), candidate))
    };
    compiled.resources_of(statement).iter().map(place).collect()
}

/// What every value that matches begins with.
fn literal_prefix<'c>(compiled: &'c Compiled, text: &Text) -> Option<&'c str> {
    let pattern = compiled.get(text.span);
    match text.shape {
        Shape::Any | Shape::Never | Shape::Arn => return None,
        Shape::Exact | Shape::Prefix | Shape::Glob => {}
    }
    let mut end = memchr::memchr2(b'*', b'?', pattern.as_bytes()).unwrap_or(pattern.len());
    if text.tokens != NO_TOKENS {
        end = end.min(pattern.find("${").unwrap_or(pattern.len()));
    }
    pattern.get(..end)
}
