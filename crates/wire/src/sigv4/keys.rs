//! Signing keys: derived by a chain of four HMACs, and kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

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
pub(super) struct Kept {
    secret: Secret,
    pub(super) key: Key,
}

/// Signing keys already derived, shared by all threads; bounded. Only keys of signatures that held
/// are kept, so that strangers cannot push others' keys out.
pub struct KeyCache {
    shards: [Shard; SHARDS],
    derivations: AtomicU64,
}

impl Default for KeyCache {
    fn default() -> KeyCache {
        KeyCache {
            shards: std::array::from_fn(|_| RwLock::default()),
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

/// Keys by credential.
type Shard = RwLock<HashMap<Box<str>, Arc<Kept>>>;

/// A key from the cache or fresh.
pub(super) struct Found {
    pub(super) kept: Arc<Kept>,
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

    /// Any spread will do: the maps inside the shards have hashers of their own.
    fn shard(&self, credential: &str) -> Option<&Shard> {
        let sum: usize = credential.bytes().take(24).map(usize::from).sum();
        self.shards.get(sum % SHARDS)
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
            let map = shard.read().unwrap_or_else(PoisonError::into_inner);
            map.get(credential).cloned()
        });
        match kept.filter(|kept| kept.secret.matches(secret.expose())) {
            Some(kept) => Found { kept, fresh: false },
            None => {
                self.derivations.fetch_add(1, Ordering::Relaxed);
                let kept = Kept {
                    secret: secret.clone(),
                    key: derive(),
                };
                Found {
                    kept: Arc::new(kept),
                    fresh: true,
                }
            }
        }
    }

    /// Keeps a key whose signature held.
    pub(super) fn keep(&self, credential: &str, found: &Found) {
        if !found.fresh {
            return;
        }
        if let Some(shard) = self.shard(credential) {
            let mut map = shard.write().unwrap_or_else(PoisonError::into_inner);
            if map.len() >= MOST_KEYS {
                map.clear();
            }
            map.insert(credential.into(), Arc::clone(&found.kept));
        }
    }
}
