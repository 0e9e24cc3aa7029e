//! Which entity tags are MD5s, and which look like none.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use adit_objects::{
    Attributes, BodyChecks, BodyOptions, Bucket, CopyRequest, Directive, Encryption, EtagKind,
    Limits, MD5_TAG_MAX, Md5, Options, PutOptions, ReadConditions, Source, Store, WriteConditions,
};
use bytes::Bytes;

use crate::lab::{bytes, options, put_parts};

const LARGEST: usize = MD5_TAG_MAX as usize;

fn place() -> Bucket {
    Bucket::new("b-1")
}

/// A store that takes bodies larger than those that get their MD5.
fn open(dir: &tempfile::TempDir) -> Store {
    let usual = options(&Arc::new(AtomicI64::new(0)));
    let limits = Limits {
        max_put: 4 * MD5_TAG_MAX,
        ..usual.limits
    };
    Store::open(&dir.path().join("store"), Options { limits, ..usual }).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a tag is this body's MD5; else it must be one that no client compares.
fn is_md5(tag: &str, body: &[u8]) -> bool {
    let md5 = tag == hex(&Md5::of(body));
    assert!(md5 || (tag.len() == 34 && tag.ends_with("-1")), "{tag}");
    md5
}

#[tokio::test]
async fn bodies_that_clients_compare_have_their_md5_as_tag() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let body = bytes(1, LARGEST + 1);
    let (auto, small) = (EtagKind::Auto, 3000);
    // How, bytes, whether the length is announced: whether the tag is the MD5.
    for (etag, size, announced, md5) in [
        (auto, 0, true, true),
        (auto, small, true, true),
        (auto, small, false, true),
        (auto, LARGEST, true, true),
        (auto, LARGEST, false, true),
        (auto, LARGEST + 1, true, false),
        (auto, LARGEST + 1, false, false),
        (EtagKind::Md5, LARGEST + 1, false, true),
        (EtagKind::Opaque, small, true, false),
        (EtagKind::Opaque, LARGEST + 1, true, false),
    ] {
        let body = body.slice(..size);
        let options = PutOptions {
            body: BodyOptions {
                etag,
                length: announced.then_some(size as u64),
                ..BodyOptions::default()
            },
            ..PutOptions::default()
        };
        let mut writer = store.begin_put(&place(), "k", options).await.unwrap();
        for piece in body.chunks(100_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let put = writer.finish(BodyChecks::default()).await.unwrap();
        assert_eq!(is_md5(&put.etag, &body), md5, "{etag:?} {size} {announced}");
        let shown = store.head(&place(), "k", &Default::default()).await;
        assert_eq!(shown.unwrap().info().etag, put.etag);
    }
}

#[tokio::test]
async fn parts_have_their_md5_as_tag_however_large() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let body = bytes(2, LARGEST + 1);
    let upload = store
        .create_upload(&place(), "k", Default::default())
        .await
        .unwrap()
        .upload_id;
    let options = BodyOptions {
        etag: EtagKind::Auto,
        length: Some(body.len() as u64),
        ..BodyOptions::default()
    };
    let begun = store.begin_part(&place(), "k", &upload, 1, options).await;
    let mut writer = begun.unwrap();
    writer.write(body.clone()).await.unwrap();
    let part = writer.finish(BodyChecks::default()).await.unwrap();
    assert_eq!(part.etag, hex(&Md5::of(&body)));
}

#[tokio::test]
async fn copies_keep_tags_and_get_md5s_that_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let large = bytes(3, LARGEST + 1);
    let half = LARGEST / 2 + 1;
    for (key, etag) in [("md5", EtagKind::Md5), ("opaque", EtagKind::Auto)] {
        let options = PutOptions {
            body: BodyOptions {
                etag,
                length: Some(large.len() as u64),
                ..BodyOptions::default()
            },
            ..PutOptions::default()
        };
        let mut writer = store.begin_put(&place(), key, options).await.unwrap();
        writer.write(large.clone()).await.unwrap();
        writer.finish(BodyChecks::default()).await.unwrap();
    }
    let two = [large.slice(..half), large.slice(half..)];
    put_parts(&store, &place(), "two", &two).await;
    put_parts(
        &store,
        &place(),
        "few",
        &[large.slice(..2000), large.slice(..9)],
    )
    .await;
    put_parts(&store, &place(), "one", std::slice::from_ref(&large)).await;
    let few = [large.slice(..2000), large.slice(..9)].concat();
    // Source, whether the copy alone is sealed, how its tag is made: whether it is the MD5.
    for (key, encrypt, etag, md5) in [
        ("md5", false, EtagKind::Auto, true),
        ("md5", true, EtagKind::Auto, true),
        ("md5", true, EtagKind::Opaque, true),
        ("opaque", false, EtagKind::Auto, false),
        ("opaque", true, EtagKind::Auto, false),
        ("opaque", true, EtagKind::Md5, true),
        ("two", false, EtagKind::Auto, false),
        ("two", false, EtagKind::Md5, true),
        ("two", true, EtagKind::Auto, false),
        ("few", false, EtagKind::Auto, true),
        ("few", true, EtagKind::Auto, true),
        ("few", false, EtagKind::Opaque, false),
        ("one", false, EtagKind::Auto, true),
        ("one", true, EtagKind::Auto, true),
    ] {
        let request = CopyRequest {
            source: Source {
                bucket: place(),
                key: key.to_owned(),
                version: None,
                customer: None,
                conditions: ReadConditions::default(),
            },
            attributes: Attributes {
                encryption: Encryption::managed(encrypt),
                ..Attributes::default()
            },
            metadata: Directive::Copy,
            tagging: Directive::Copy,
            restated: false,
            checksum: None,
            etag,
            customer: None,
            conditions: WriteConditions::default(),
        };
        let copied = store.copy(&place(), "copy", request).await.unwrap();
        let body = if key == "few" { &few[..] } else { &large };
        assert_eq!(is_md5(&copied.etag, body), md5, "{key} {encrypt} {etag:?}");
    }
    // The last copy is sealed anew, with an MD5 that was not computed again.
    let report = store.verify().await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}
