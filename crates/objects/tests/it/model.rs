//! Random sequences of operations against a plain picture of S3's semantics.

use std::collections::BTreeMap;

use adit_objects::{
    Attributes, BodyOptions, Bucket, CopyRequest, CustomerKey, Directive, Encryption, EtagKind,
    GetOptions, ListQuery, ListStart, PutOptions, ReadConditions, Source, VersionId, VersionQuery,
    Versioning, WriteConditions,
};
use proptest::prelude::*;

use crate::lab::{Lab, bytes, delete, delete_version, drain, put_parts, put_with};

/// Few keys, so that operations meet.
const KEYS: [&str; 6] = ["a", "a/", "a/b", "a/c", "b", "é/x"];

#[derive(Debug, Clone)]
enum Op {
    Put { key: usize, size: usize, seal: Seal },
    Parts { key: usize, count: usize },
    Copy { from: usize, to: usize, seal: Seal },
    CopyVersion { from: usize, nth: usize, to: usize },
    Delete { key: usize },
    DeleteVersion { key: usize, nth: usize },
    Tag { key: usize, tag: u8 },
    Enable,
    Suspend,
    Reopen,
}

/// How something is sealed.
#[derive(Debug, Clone, Copy)]
enum Seal {
    No,
    Managed,
    /// With a customer's key of this byte.
    Customer(u8),
}

impl Seal {
    fn encryption(self) -> Encryption {
        Encryption::managed(matches!(self, Seal::Managed))
    }

    fn key(self) -> Option<CustomerKey> {
        match self {
            Seal::Customer(byte) => CustomerKey::new(&[byte; 32]),
            Seal::No | Seal::Managed => None,
        }
    }
}

fn seal() -> impl Strategy<Value = Seal> {
    prop_oneof![
        2 => Just(Seal::No),
        1 => Just(Seal::Managed),
        2 => (1..3u8).prop_map(Seal::Customer),
    ]
}

/// An object, as the picture has it.
#[derive(Debug, Clone)]
struct Kept {
    body: Vec<u8>,
    tag: Option<u8>,
    seal: Seal,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS.len();
    let size = prop_oneof![Just(0usize), 1..100usize, Just(2048), 2049..20_000usize];
    prop_oneof![
        6 => (key(), size, seal()).prop_map(|(key, size, seal)| Op::Put { key, size, seal }),
        2 => (key(), 1..4usize).prop_map(|(key, count)| Op::Parts { key, count }),
        2 => (key(), key(), seal()).prop_map(|(from, to, seal)| Op::Copy { from, to, seal }),
        1 => (key(), 0..4usize, key()).prop_map(|(from, nth, to)| Op::CopyVersion { from, nth, to }),
        3 => key().prop_map(|key| Op::Delete { key }),
        3 => (key(), 0..4usize).prop_map(|(key, nth)| Op::DeleteVersion { key, nth }),
        1 => (key(), any::<u8>()).prop_map(|(key, tag)| Op::Tag { key, tag }),
        1 => Just(Op::Enable),
        1 => Just(Op::Suspend),
        1 => Just(Op::Reopen),
    ]
}

/// One version, as the picture has it.
#[derive(Debug, Clone)]
struct Version {
    id: VersionId,
    /// None for a delete marker.
    object: Option<Kept>,
}

/// Versions of each key, newest first.
#[derive(Debug)]
struct Picture {
    versioning: Versioning,
    keys: BTreeMap<&'static str, Vec<Version>>,
}

impl Picture {
    fn bucket(&self) -> Bucket {
        Bucket::new("b-1").versioned(self.versioning)
    }

    fn push(&mut self, key: &'static str, id: Option<VersionId>, object: Option<Kept>) {
        let id = match self.versioning {
            Versioning::Enabled => id.unwrap(),
            _ => VersionId::null(),
        };
        let versions = self.keys.entry(key).or_default();
        if id.is_null() {
            versions.retain(|version| !version.id.is_null());
        }
        versions.insert(0, Version { id, object });
    }

    fn delete(&mut self, key: &'static str, marker: Option<VersionId>) {
        match self.versioning {
            Versioning::Unversioned => {
                self.keys.remove(key);
            }
            _ => self.push(key, marker, None),
        }
    }

    fn current(&self, key: &str) -> Option<&Kept> {
        self.keys.get(key)?.first()?.object.as_ref()
    }
}

struct World {
    lab: Option<Lab>,
    picture: Picture,
    step: u64,
}

impl World {
    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    async fn apply(&mut self, op: &Op) {
        self.step += 1;
        self.lab().advance(1000);
        let bucket = self.picture.bucket();
        let store = self.lab().store.clone();
        match *op {
            Op::Put { key, size, seal } => {
                let body = bytes(self.step, size);
                let attributes = Attributes {
                    encryption: seal.encryption(),
                    ..Attributes::default()
                };
                let options = PutOptions {
                    attributes,
                    body: BodyOptions {
                        customer: seal.key(),
                        ..BodyOptions::default()
                    },
                    ..PutOptions::default()
                };
                let result = put_with(&store, &bucket, KEYS[key], body.clone(), options)
                    .await
                    .unwrap();
                self.picture.push(
                    KEYS[key],
                    result.version_id,
                    Some(Kept {
                        body: body.to_vec(),
                        tag: None,
                        seal,
                    }),
                );
            }
            Op::Parts { key, count } => {
                let parts: Vec<_> = (0..count)
                    .map(|n| {
                        bytes(
                            self.step * 10 + n as u64,
                            if n + 1 == count { 7 } else { 1000 + 3000 * n },
                        )
                    })
                    .collect();
                let result = put_parts(&store, &bucket, KEYS[key], &parts).await;
                self.picture.push(
                    KEYS[key],
                    result.version_id,
                    Some(Kept {
                        body: parts.concat(),
                        tag: None,
                        seal: Seal::No,
                    }),
                );
            }
            Op::Copy { from, to, seal } => self.copy(KEYS[from], None, KEYS[to], seal).await,
            Op::CopyVersion { from, nth, to } => {
                let versions = self.picture.keys.get(KEYS[from]).into_iter().flatten();
                let named = versions.filter(|version| version.object.is_some()).nth(nth);
                if let Some(id) = named.map(|version| version.id.clone()) {
                    self.copy(KEYS[from], Some(id), KEYS[to], Seal::No).await;
                }
            }
            Op::Delete { key } => {
                let result = delete(&store, &bucket, KEYS[key]).await;
                assert_eq!(
                    result.delete_marker,
                    self.picture.versioning != Versioning::Unversioned
                );
                self.picture.delete(KEYS[key], result.version_id);
            }
            Op::DeleteVersion { key, nth } => {
                let versions = self
                    .picture
                    .keys
                    .get(KEYS[key])
                    .map_or(&[][..], Vec::as_slice);
                // One past the end: a version that is gone.
                let id = versions
                    .get(nth)
                    .map_or(VersionId::null(), |version| version.id.clone());
                let was_marker = versions.iter().any(|v| v.id == id && v.object.is_none());
                let result = delete_version(&store, &bucket, KEYS[key], &id).await;
                assert_eq!(result.delete_marker, was_marker);
                if let Some(versions) = self.picture.keys.get_mut(KEYS[key]) {
                    versions.retain(|version| version.id != id);
                }
            }
            Op::Tag { key, tag } => {
                let tags = vec![("t".to_owned(), tag.to_string())];
                let done = store.set_tags(&bucket, KEYS[key], None, tags).await;
                assert_eq!(done.is_ok(), self.picture.current(KEYS[key]).is_some());
                if done.is_ok() {
                    let newest = &mut self.picture.keys.get_mut(KEYS[key]).unwrap()[0];
                    newest.object.as_mut().unwrap().tag = Some(tag);
                }
            }
            Op::Enable => self.picture.versioning = Versioning::Enabled,
            Op::Suspend if self.picture.versioning == Versioning::Enabled => {
                self.picture.versioning = Versioning::Suspended;
            }
            Op::Suspend => {}
            Op::Reopen => {
                drop(store);
                self.lab = Some(self.lab.take().unwrap().reopen());
            }
        }
    }

    async fn copy(
        &mut self,
        from: &'static str,
        version: Option<VersionId>,
        to: &'static str,
        seal: Seal,
    ) {
        let bucket = self.picture.bucket();
        let expected = match &version {
            None => self.picture.current(from).cloned(),
            Some(id) => self.picture.keys[from]
                .iter()
                .find(|v| v.id == *id)
                .unwrap()
                .object
                .clone(),
        };
        let request = CopyRequest {
            source: Source {
                bucket: bucket.clone(),
                key: from.into(),
                version: version.clone(),
                conditions: ReadConditions::default(),
                customer: expected.as_ref().and_then(|object| object.seal.key()),
            },
            attributes: Attributes {
                encryption: seal.encryption(),
                ..Attributes::default()
            },
            metadata: Directive::Replace,
            tagging: Directive::Copy,
            restated: false,
            checksum: None,
            etag: EtagKind::Md5,
            conditions: WriteConditions::default(),
            customer: seal.key(),
        };
        match (self.lab().store.copy(&bucket, to, request).await, expected) {
            (Ok(result), Some(object)) => {
                let copy = Kept { seal, ..object };
                self.picture.push(to, result.version_id, Some(copy));
            }
            (Err(error), None) => assert_eq!(error.code(), "NoSuchKey"),
            (result, expected) => panic!("{result:?} but {expected:?}"),
        }
    }

    async fn check_key(&self, key: &str) {
        let (store, bucket) = (&self.lab().store, self.picture.bucket());
        let expected = self.picture.current(key);
        let mut options = GetOptions {
            customer: expected.and_then(|object| object.seal.key()),
            ..GetOptions::default()
        };
        let found = store.get(&bucket, key, &options).await;
        // Another key, or one for what has none, opens nothing.
        options.customer = CustomerKey::new(&[9; 32]);
        assert!(store.get(&bucket, key, &options).await.is_err());
        match (found, expected) {
            (Ok(object), Some(expected)) => {
                let tags: Vec<_> = expected
                    .tag
                    .iter()
                    .map(|tag| ("t".to_owned(), tag.to_string()))
                    .collect();
                assert_eq!(object.info().attributes.tags, tags);
                assert_eq!(drain(object).await.unwrap(), expected.body);
            }
            (Err(error), None) => assert_eq!(error.code(), "NoSuchKey"),
            (result, expected) => panic!("{key}: {result:?} but {expected:?}"),
        }
    }

    async fn check_all(&self) {
        let (store, bucket) = (&self.lab().store, self.picture.bucket());
        for (key, versions) in &self.picture.keys {
            self.check_key(key).await;
            for version in versions {
                let options = GetOptions {
                    version: Some(version.id.clone()),
                    customer: version.object.as_ref().and_then(|kept| kept.seal.key()),
                    ..GetOptions::default()
                };
                let found = store.get(&bucket, key, &options).await;
                match (found, &version.object) {
                    (Ok(object), Some(expected)) => {
                        assert_eq!(drain(object).await.unwrap(), expected.body)
                    }
                    (Err(error), None) => assert_eq!(error.code(), "MethodNotAllowed"),
                    (result, expected) => panic!("{key}: {result:?} but {expected:?}"),
                }
            }
        }
        self.check_listings().await;
        let all = || self.picture.keys.values().flatten();
        let size = |version: &Version| {
            version
                .object
                .as_ref()
                .map_or(0, |object| object.body.len() as u64)
        };
        let current = || {
            self.picture
                .keys
                .keys()
                .filter_map(|key| self.picture.current(key))
        };
        let usage = store.usage(&bucket).await.unwrap();
        assert_eq!(usage.objects, current().count() as u64);
        assert_eq!(
            usage.bytes,
            current()
                .map(|object| object.body.len() as u64)
                .sum::<u64>()
        );
        assert_eq!(usage.versions, all().count() as u64);
        assert_eq!(usage.version_bytes, all().map(size).sum::<u64>());
        assert_eq!(
            store.is_empty(&bucket).await.unwrap(),
            all().next().is_none()
        );
        assert_eq!(store.verify().await.unwrap().problems, []);
    }

    async fn check_listings(&self) {
        let (store, bucket) = (&self.lab().store, self.picture.bucket());
        let mut listed = Vec::new();
        let mut query = VersionQuery {
            max_keys: 3,
            ..VersionQuery::default()
        };
        loop {
            let page = store.list_versions(&bucket, &query).await.unwrap();
            listed.extend(
                page.versions
                    .into_iter()
                    .map(|v| (v.entry.key, v.version_id, v.delete_marker, v.is_latest)),
            );
            if !page.truncated {
                break;
            }
            (query.key_marker, query.version_marker) =
                (page.next_key_marker, page.next_version_marker);
        }
        let expected: Vec<_> = self
            .picture
            .keys
            .iter()
            .flat_map(|(key, versions)| {
                versions
                    .iter()
                    .enumerate()
                    .map(|(n, v)| ((*key).to_owned(), v.id.clone(), v.object.is_none(), n == 0))
            })
            .collect();
        assert_eq!(listed, expected);
        for (prefix, delimiter) in [("", ""), ("", "/"), ("a", "/"), ("a/", "/")] {
            let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
            let mut start = ListStart::Beginning;
            loop {
                let query = ListQuery {
                    prefix: prefix.into(),
                    delimiter: delimiter.into(),
                    start,
                    max_keys: 2,
                };
                let page = store.list(&bucket, &query).await.unwrap();
                keys.extend(page.objects.into_iter().map(|entry| entry.key));
                prefixes.extend(page.common_prefixes);
                let Some(token) = page.next_token else { break };
                start = ListStart::Token(token);
            }
            let (mut expected, mut folded) = (Vec::new(), Vec::new());
            for key in self
                .picture
                .keys
                .keys()
                .filter(|key| self.picture.current(key).is_some())
            {
                let Some(rest) = key.strip_prefix(prefix) else {
                    continue;
                };
                match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
                    Some(at) => folded.push(key[..prefix.len() + at + 1].to_owned()),
                    None => expected.push((*key).to_owned()),
                }
            }
            folded.dedup();
            assert_eq!((keys, prefixes), (expected, folded));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_what_s3_would_be(ops in prop::collection::vec(op(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let picture = Picture { versioning: Versioning::Unversioned, keys: BTreeMap::new() };
            let mut world = World { lab: Some(Lab::new()), picture, step: 0 };
            for op in &ops {
                world.apply(op).await;
                for key in KEYS {
                    world.check_key(key).await;
                }
            }
            world.check_all().await;
        });
    }
}
