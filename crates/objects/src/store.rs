//! Opening and closing the store, and what concerns a bucket as a whole.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::object::{Bucket, UnixMillis};

/// Where the store reads the time. Times in answers are what this returned at the write.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Sizes that S3 fixes; smaller in tests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of one PUT, one part or one copy, in bytes (S3: 5 GiB).
    pub max_put: u64,
    /// Least size of a part that is not the last, in bytes (S3: 5 MiB).
    pub min_part: u64,
    /// Largest part number (S3: 10,000).
    pub max_parts: u32,
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// S3's sizes.
    pub limits: Limits,
    /// Bodies up to this many bytes live in the index instead of a file: one group-committed `fsync`
    /// makes them durable.
    pub inline_max: usize,
    /// Bytes of records and small bodies kept in memory.
    pub cache_bytes: usize,
    /// The time.
    pub clock: Clock,
    /// How long a completed upload is remembered, so that a repeated completion gets the same answer.
    pub completion_memory_ms: i64,
}

/// The store. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Current objects (delete markers and noncurrent versions not counted).
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions and delete markers, current ones included.
    pub versions: u64,
    /// Bytes of all versions, current ones included.
    pub version_bytes: u64,
}

impl Store {
    /// Opens the store in `dir`, making it (mode 0700) if it does not exist, and clears what a crash left
    /// behind. Blocks; call it before serving.
    ///
    /// # Errors
    /// [`Error::Fault`] if the directory is in use by another process, was written by a newer version, or
    /// cannot be read, or if the master key is missing or another one although sealed objects exist.
    pub fn open(dir: &Path, options: Options) -> Result<Store, Error> {
        let _ = (dir, options);
        Err(Error::Closed)
    }

    /// Declares a bucket deleted, if it has no versions and no delete markers: from here on writes to it
    /// answer `NoSuchBucket`. Unfinished uploads are dropped. Atomic against concurrent writes, so call
    /// it *before* the bucket's intent is removed, and [`Store::restore_bucket`] if that fails.
    ///
    /// # Errors
    /// [`Error::BucketNotEmpty`]; [`Error::Fault`].
    pub async fn retire_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let _ = bucket;
        Err(Error::Closed)
    }

    /// Undoes [`Store::retire_bucket`].
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn restore_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let _ = bucket;
        Err(Error::Closed)
    }

    /// Retires a bucket with everything in it, in bounded steps; may be repeated after a crash.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn drop_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let _ = bucket;
        Err(Error::Closed)
    }

    /// Whether a bucket has no versions and no delete markers.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn is_empty(&self, bucket: &Bucket) -> Result<bool, Error> {
        let _ = bucket;
        Err(Error::Closed)
    }

    /// Counts of a bucket, kept up with every write (not a scan).
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub async fn usage(&self, bucket: &Bucket) -> Result<Usage, Error> {
        let _ = bucket;
        Err(Error::Closed)
    }
}
