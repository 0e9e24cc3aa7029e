//! A store in a directory of its own, and short words for what tests do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use adit_objects::{
    Attributes, BodyChecks, BodyOptions, Bucket, Completion, CopyRequest, DeleteOptions,
    DeleteResult, Directive, Error, EtagKind, GetOptions, Limits, NewUpload, Object, Options,
    PartClaim, PartResult, PutOptions, PutResult, ReadConditions, Source, Store, UnixMillis,
    VersionId, WriteConditions,
};
use bytes::Bytes;

pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    clock: Arc<AtomicI64>,
}

/// 2026-01-01T00:00:00Z.
pub(crate) const EPOCH: i64 = 1_767_225_600_000;

impl Lab {
    /// With small limits, so that files and many parts are cheap to make.
    pub(crate) fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(EPOCH));
        let store = Store::open(&dir.path().join("store"), options(&clock)).unwrap();
        Lab { dir, store, clock }
    }

    pub(crate) fn reopen(self) -> Lab {
        self.reopen_after(|_| ())
    }

    /// Reopens the store after something was done to its directory.
    pub(crate) fn reopen_after(self, change: impl FnOnce(&std::path::Path)) -> Lab {
        let Lab { dir, store, clock } = self;
        drop(store);
        change(&dir.path().join("store"));
        let store = Store::open(&dir.path().join("store"), options(&clock)).unwrap();
        Lab { dir, store, clock }
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }
}

pub(crate) fn options(clock: &Arc<AtomicI64>) -> Options {
    let clock = clock.clone();
    Options {
        limits: Limits {
            max_put: 8 << 20,
            min_part: 1000,
            max_parts: 10_000,
        },
        inline_max: 2048,
        clock: Arc::new(move || UnixMillis(clock.load(Ordering::SeqCst))),
        ..Options::default()
    }
}

/// Bytes that differ everywhere.
pub(crate) fn bytes(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(next).collect()
}

pub(crate) async fn put_with(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    body: impl Into<Bytes>,
    options: PutOptions,
) -> Result<PutResult, Error> {
    let mut writer = store.begin_put(bucket, key, options).await?;
    let mut body = body.into();
    while !body.is_empty() {
        // Frames of the size that a connection delivers.
        writer.write(body.split_to(body.len().min(60_000))).await?;
    }
    writer.finish(BodyChecks::default()).await
}

pub(crate) async fn put(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    body: impl Into<Bytes>,
) -> PutResult {
    put_with(store, bucket, key, body, PutOptions::default())
        .await
        .unwrap()
}

pub(crate) async fn get(store: &Store, bucket: &Bucket, key: &str) -> Result<Object, Error> {
    store.get(bucket, key, &GetOptions::default()).await
}

pub(crate) async fn get_version(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    version: &VersionId,
) -> Result<Object, Error> {
    let options = GetOptions {
        version: Some(version.clone()),
        ..GetOptions::default()
    };
    store.get(bucket, key, &options).await
}

pub(crate) async fn drain(mut object: Object) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    let length = object.length();
    while let Some(chunk) = object.body.next().await {
        let chunk = chunk?;
        assert!(!chunk.is_empty() && chunk.len() <= 1024 * 1024);
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all.len() as u64, length);
    assert_eq!(object.body.remaining(), 0);
    Ok(all)
}

pub(crate) async fn read(store: &Store, bucket: &Bucket, key: &str) -> Vec<u8> {
    drain(get(store, bucket, key).await.unwrap()).await.unwrap()
}

pub(crate) async fn delete(store: &Store, bucket: &Bucket, key: &str) -> DeleteResult {
    store
        .delete(bucket, key, DeleteOptions::default())
        .await
        .unwrap()
}

pub(crate) async fn delete_version(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    version: &VersionId,
) -> DeleteResult {
    let options = DeleteOptions {
        version: Some(version.clone()),
        ..DeleteOptions::default()
    };
    store.delete(bucket, key, options).await.unwrap()
}

pub(crate) async fn upload_part(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    upload: &str,
    number: u32,
    body: impl Into<Bytes>,
) -> Result<PartResult, Error> {
    let options = BodyOptions::default();
    let mut writer = store
        .begin_part(bucket, key, upload, number, options)
        .await?;
    writer.write(body.into()).await?;
    writer.finish(BodyChecks::default()).await
}

/// A multipart object of these parts.
pub(crate) async fn put_parts(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    parts: &[Bytes],
) -> PutResult {
    let upload = store
        .create_upload(bucket, key, NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    let mut claims = Vec::new();
    for (number, body) in (1..).zip(parts) {
        let part = upload_part(store, bucket, key, &upload, number, body.clone())
            .await
            .unwrap();
        claims.push(claim(number, &part));
    }
    let completion = Completion {
        parts: claims,
        ..Completion::default()
    };
    store
        .complete_upload(bucket, key, &upload, completion)
        .await
        .unwrap()
}

pub(crate) fn claim(part_number: u32, part: &PartResult) -> PartClaim {
    PartClaim {
        part_number,
        etag: format!("\"{}\"", part.etag),
        checksum: None,
    }
}

/// Files under `blobs`, once no more are being unlinked than there should be.
pub(crate) async fn blob_files(lab: &Lab, expected: usize) -> usize {
    let mut seen = 0;
    for _ in 0..500 {
        seen = walk(&lab.path().join("blobs")) + walk(&lab.path().join("tmp"));
        if seen == expected {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    seen
}

pub(crate) fn walk(dir: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        count += if path.is_dir() { walk(&path) } else { 1 };
    }
    count
}

/// The bytes of all files.
pub(crate) fn all_files(dir: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let more = if path.is_dir() {
            all_files(&path)
        } else {
            std::fs::read(&path).unwrap()
        };
        all.extend(more);
    }
    all
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// A copy of an object that keeps what it has.
pub(crate) fn copy_of(bucket: &Bucket, key: &str) -> CopyRequest {
    CopyRequest {
        source: Source {
            bucket: bucket.clone(),
            key: key.to_owned(),
            version: None,
            conditions: ReadConditions::default(),
            customer: None,
        },
        attributes: Attributes::default(),
        metadata: Directive::Copy,
        tagging: Directive::Copy,
        restated: false,
        checksum: None,
        etag: EtagKind::Md5,
        conditions: WriteConditions::default(),
        customer: None,
    }
}

/// Takes the index of a closed store back to its first layout.
pub(crate) fn first_layout(dir: &std::path::Path) {
    let index = rusqlite::Connection::open(dir.join("index.sqlite")).unwrap();
    for table in ["version", "upload"] {
        for column in ["customer", "lock_mode", "lock_until", "legal_hold"] {
            let drop = format!("ALTER TABLE {table} DROP COLUMN {column}");
            index.execute_batch(&drop).unwrap();
        }
    }
    index.execute_batch("PRAGMA user_version = 1").unwrap();
}
