//! Signing keys: derived by a chain of four HMACs, and kept.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac::{HMAC_SHA256, Key, sign};

use super::Secret;

/// Shards, so that threads rarely meet.
const SHARDS: usize = 16;
/// Keys kept in one shard; one more clears it. A key is derived anew in microseconds.
const MOST_KEYS: usize = 512;

/// Derives the key of a scope.
pub(super) fn derive(secret: &Secret, date: &str, region: &str, service: &str) -> Key {
    let start = format!("AWS4{}", secret.expose());
    let mut key = Key::new(HMAC_SHA256, start.as_bytes());
    for piece in [date, region, service, "aws4_request"] {
        let tag = sign(&key, piece.as_bytes());
        key = Key::new(HMAC_SHA256, tag.as_ref());
    }
    key
}

/// A key and the secret it came from: a key id whose secret was replaced must not keep working.
#[derive(Clone)]
struct Kept {
    secret: Secret,
    key: Key,
}

/// Signing keys already derived, shared by all threads; bounded. Only keys of signatures that held
/// are kept, so that strangers cannot push others' keys out.
pub struct KeyCache {
    shards: [RwLock<HashMap<Box<str>, Kept>>; SHARDS],
    hasher: RandomState,
    derivations: AtomicU64,
}

impl Default for KeyCache {
    fn default() -> KeyCache {
        KeyCache {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
            derivations: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache")
            .field("derivations", &self.derivations())
            .finish()
    }
}

/// A key from the cache or fresh.
pub(super) struct Found {
    pub(super) key: Key,
    fresh: bool,
}

impl KeyCache {
    /// An empty cache.
    pub fn new() -> KeyCache {
        KeyCache::default()
    }

    /// How many keys were derived so far.
    pub fn derivations(&self) -> u64 {
        self.derivations.load(Ordering::Relaxed)
    }

    fn shard(&self, credential: &str) -> Option<&RwLock<HashMap<Box<str>, Kept>>> {
        let at = self.hasher.hash_one(credential) % SHARDS as u64;
        self.shards.get(usize::try_from(at).unwrap_or(0))
    }

    /// The key for `credential` (`<id>/<date>/<region>/<service>/aws4_request`).
    pub(super) fn get(
        &self,
        credential: &str,
        secret: &Secret,
        derive: impl FnOnce() -> Key,
    ) -> Found {
        let kept = self.shard(credential).and_then(|shard| {
            // A poisoned lock holds nothing but keys, each whole: reading on is sound.
            let map = shard
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            map.get(credential)
                .filter(|kept| kept.secret.matches(secret.expose()))
                .cloned()
        });
        match kept {
            Some(kept) => Found {
                key: kept.key,
                fresh: false,
            },
            None => {
                self.derivations.fetch_add(1, Ordering::Relaxed);
                Found {
                    key: derive(),
                    fresh: true,
                }
            }
        }
    }

    /// Keeps a key whose signature held.
    pub(super) fn keep(&self, credential: &str, secret: &Secret, found: &Found) {
        if !found.fresh {
            return;
        }
        if let Some(shard) = self.shard(credential) {
            let mut map = shard
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if map.len() >= MOST_KEYS {
                map.clear();
            }
            let kept = Kept {
                secret: secret.clone(),
                key: found.key.clone(),
            };
            map.insert(credential.into(), kept);
        }
    }
}
