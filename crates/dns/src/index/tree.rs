//! A persistent radix tree over name hashes with pages as leaves. A changed copy shares all but
//! one path with the original; a tree that nobody shares is changed in place.

use std::sync::Arc;

use crate::index::page::{Entry, Page};
use crate::name::{NameRef, hash};

/// Children of a branch: four hash bits.
const FAN: usize = 16;
const BITS: u32 = 4;
/// Levels that use up the lower half of the hash; the upper half is the tag within a page.
const LEVELS: u32 = 8;
/// A page with more names than this is split. Larger pages cost more per change, smaller ones
/// more memory.
const PAGE_NAMES: usize = 24;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Page),
    Branch(Arc<[Node; FAN]>),
}

/// The part of a hash that tells names in one page apart.
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const fn slot(hash: u64, level: u32) -> usize {
    ((hash >> (level * BITS)) as usize) % FAN
}

impl Node {
    pub(super) fn new() -> Self {
        Self::Leaf(Page::empty())
    }

    /// The entry whose name is `head` followed by `tail` and has this hash.
    pub(super) fn find(&self, hash: u64, head: &[u8], tail: &[u8]) -> Option<Entry<'_>> {
        let mut node = self;
        let mut level = 0;
        loop {
            match node {
                Self::Leaf(page) => return page.find(tag(hash), head, tail),
                Self::Branch(children) => {
                    node = children.get(slot(hash, level))?;
                    level += 1;
                }
            }
        }
    }

    /// Puts an entry in place of the one of the same name, or adds it.
    pub(super) fn put(&mut self, hash: u64, body: &[u8]) {
        self.put_at(hash, body, 0);
    }

    fn put_at(&mut self, hash: u64, body: &[u8], level: u32) {
        match self {
            Self::Branch(children) => {
                if let Some(child) = Arc::make_mut(children).get_mut(slot(hash, level)) {
                    child.put_at(hash, body, level + 1);
                }
            }
            Self::Leaf(page) => {
                let page = page.with(tag(hash), body);
                *self = if page.len() > PAGE_NAMES && level < LEVELS {
                    Self::split(&page, level)
                } else {
                    Self::Leaf(page)
                };
            }
        }
    }

    fn split(page: &Page, level: u32) -> Self {
        let mut parts: [Vec<(u32, &[u8])>; FAN] = Default::default();
        for (tag, body) in page.bodies() {
            let name = Entry::read(body).map_or(&[][..], |entry| entry.name);
            if let Some(part) = parts.get_mut(slot(hash(NameRef::trusted(name)), level)) {
                part.push((tag, body));
            }
        }
        Self::Branch(Arc::new(
            parts.map(|part| Self::Leaf(Page::build(part.into_iter()))),
        ))
    }

    /// Takes out the entry of that name. Branches stay: names come and go in the same numbers.
    pub(super) fn remove(&mut self, hash: u64, name: &[u8]) {
        let mut node = self;
        let mut level = 0;
        loop {
            match node {
                Self::Leaf(page) => {
                    *page = page.without(name);
                    return;
                }
                Self::Branch(children) => {
                    let Some(child) = Arc::make_mut(children).get_mut(slot(hash, level)) else {
                        return;
                    };
                    node = child;
                    level += 1;
                }
            }
        }
    }

    /// Calls `visit` with every entry, in no particular order.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(Entry<'_>)) {
        match self {
            Self::Leaf(page) => {
                page.bodies()
                    .filter_map(|(_, body)| Entry::read(body))
                    .for_each(visit);
            }
            Self::Branch(children) => children.iter().for_each(|child| child.visit(visit)),
        }
    }
}
