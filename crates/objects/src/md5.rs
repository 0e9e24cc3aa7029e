//! MD5, for entity tags and `Content-MD5`: the slowest of S3's digests by far, so nothing computes it
//! unasked, and what is computed is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use md5::Digest as _;

/// Bytes hashed by this process.
static HASHED: AtomicU64 = AtomicU64::new(0);

/// A running MD5.
#[derive(Debug, Clone, Default)]
pub struct Md5(md5::Md5);

impl Md5 {
    /// The digest of these bytes.
    pub fn of(data: &[u8]) -> [u8; 16] {
        let mut running = Md5::default();
        running.update(data);
        running.finish()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        HASHED.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.0.update(data);
    }

    /// The digest of all bytes.
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }

    /// How many bytes this process has hashed so far, for those who must not pay for it.
    pub fn hashed() -> u64 {
        HASHED.load(Ordering::Relaxed)
    }
}
