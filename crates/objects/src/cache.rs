//! Records of recently read keys, with the bytes of small objects.
//!
//! The writer clears a key *before* it commits a change to it and lets it be filled again only after the
//! commit, so what is found here is never older than what the index shows. Each shard counts its changes:
//! a reader that looked at the index before a change cannot fill in what it saw after it.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// Bytes an entry costs beside what it holds: the key twice, map and queue slots, the record.
const OVERHEAD: usize = 512;

/// A cache key: bucket row and object key, in one buffer so that looking up needs no allocation.
pub(crate) type CacheKey = Box<[u8]>;

pub(crate) fn cache_key(bucket: i64, key: &str) -> CacheKey {
    [&bucket.to_be_bytes(), key.as_bytes()].concat().into()
}

pub(crate) struct Cache<V> {
    shards: Vec<Mutex<Shard<V>>>,
    hasher: std::hash::RandomState,
    /// Bytes per shard.
    room: usize,
}

struct Shard<V> {
    entries: HashMap<CacheKey, Entry<V>>,
    /// Order of arrival; an entry used since its last turn is given another one.
    queue: VecDeque<CacheKey>,
    bytes: usize,
    changes: u64,
    changing: u32,
}

struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: AtomicBool,
}

/// What a reader must hold to fill the cache with what it is about to read.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u64);

impl<V> Cache<V> {
    pub(crate) fn new(bytes: usize) -> Cache<V> {
        let shard = || {
            Mutex::new(Shard {
                entries: HashMap::new(),
                queue: VecDeque::new(),
                bytes: 0,
                changes: 0,
                changing: 0,
            })
        };
        Cache {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: std::hash::RandomState::new(),
            room: bytes / SHARDS,
        }
    }

    fn shard(&self, key: &[u8]) -> Option<MutexGuard<'_, Shard<V>>> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        let shard = self.shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, bucket: i64, key: &str) -> Option<Arc<V>> {
        let mut buffer = [0u8; 8 + 1024];
        let wanted = buffer.get_mut(..8 + key.len())?;
        let (front, back) = wanted.split_at_mut(8);
        front.copy_from_slice(&bucket.to_be_bytes());
        back.copy_from_slice(key.as_bytes());
        let shard = self.shard(wanted)?;
        let entry = shard.entries.get(&*wanted)?;
        entry.used.store(true, Ordering::Relaxed);
        Some(entry.value.clone())
    }

    /// Take it before reading the index.
    pub(crate) fn ticket(&self, key: &CacheKey) -> Option<Ticket> {
        let shard = self.shard(key)?;
        (shard.changing == 0).then_some(Ticket(shard.changes))
    }

    /// Keeps a value, unless something in its shard changed since the ticket was taken.
    pub(crate) fn fill(&self, ticket: Ticket, key: CacheKey, value: Arc<V>, bytes: usize) {
        let bytes = bytes + 2 * key.len() + OVERHEAD;
        let Some(mut shard) = self.shard(&key) else {
            return;
        };
        if shard.changing > 0 || shard.changes != ticket.0 || bytes > self.room / 4 {
            return;
        }
        let entry = Entry {
            value,
            bytes,
            used: AtomicBool::new(false),
        };
        if shard.entries.insert(key.clone(), entry).is_some() {
            return; // another reader was first; its bytes are counted
        }
        shard.queue.push_back(key);
        shard.bytes += bytes;
        shard.evict(self.room);
    }

    /// Before a commit: forgets the keys and takes none of them until [`Cache::changed`].
    pub(crate) fn changing(&self, keys: &[CacheKey]) {
        for key in keys {
            let Some(mut shard) = self.shard(key) else {
                continue;
            };
            shard.changes += 1;
            shard.changing += 1;
            if let Some(entry) = shard.entries.remove(key) {
                shard.bytes -= entry.bytes;
            }
        }
    }

    /// After the commit, done or not.
    pub(crate) fn changed(&self, keys: &[CacheKey]) {
        for key in keys {
            let Some(mut shard) = self.shard(key) else {
                continue;
            };
            shard.changing = shard.changing.saturating_sub(1);
        }
    }
}

impl<V> Shard<V> {
    fn evict(&mut self, room: usize) {
        // Queue entries whose key was forgotten are dropped as they come up, or all at once if they
        // begin to outnumber the live ones.
        if self.queue.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            let mut seen = std::collections::HashSet::new();
            self.queue
                .retain(|key| entries.contains_key(key) && seen.insert(key.clone()));
        }
        while self.bytes > room {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            match self.entries.get(&key) {
                Some(entry) if entry.used.swap(false, Ordering::Relaxed) => {
                    self.queue.push_back(key)
                }
                Some(entry) => {
                    self.bytes -= entry.bytes;
                    self.entries.remove(&key);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_cannot_fill_in_what_has_changed() {
        let cache = Cache::new(1 << 20);
        let key = cache_key(1, "a");
        let early = cache.ticket(&key).unwrap();
        cache.fill(early, key.clone(), Arc::new(1), 0);
        assert_eq!(cache.get(1, "a").as_deref(), Some(&1));
        cache.changing(std::slice::from_ref(&key));
        assert_eq!(cache.get(1, "a"), None);
        assert!(cache.ticket(&key).is_none(), "in the middle of a change");
        cache.fill(early, key.clone(), Arc::new(1), 0);
        cache.changed(std::slice::from_ref(&key));
        cache.fill(early, key.clone(), Arc::new(1), 0);
        assert_eq!(cache.get(1, "a"), None, "an old ticket");
        let late = cache.ticket(&key).unwrap();
        cache.fill(late, key, Arc::new(2), 0);
        assert_eq!(cache.get(1, "a").as_deref(), Some(&2));
        assert_eq!(cache.get(2, "a"), None);
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let cache = Cache::new(SHARDS * 100_000);
        for n in 0..10_000 {
            let key = cache_key(1, &n.to_string());
            let ticket = cache.ticket(&key).unwrap();
            cache.fill(ticket, key, Arc::new(n), 1000);
            cache.get(1, "0");
        }
        assert_eq!(cache.get(1, "0").as_deref(), Some(&0));
        let held: usize = (0..10_000)
            .filter(|n| cache.get(1, &n.to_string()).is_some())
            .count();
        assert!((200..1100).contains(&held), "{held}");
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            assert!(shard.bytes <= 100_000);
            assert_eq!(
                shard.bytes,
                shard.entries.values().map(|e| e.bytes).sum::<usize>()
            );
        }
    }
}
