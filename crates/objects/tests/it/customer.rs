//! SSE-C: sealed with a key that the caller brings each time, and that the store does not keep.

use adit_objects::{
    BodyChecks, BodyOptions, Bucket, ChecksumAlgorithm, Completion, CopyPart, CopyRequest,
    CustomerKey, Encryption, Error, GetOptions, Md5, NewUpload, Object, PutOptions, PutResult,
    Range, Source, Store,
};
use bytes::Bytes;
use rusqlite::Connection;

use crate::lab::{
    Lab, all_files, bytes, claim, contains, copy_of, drain, first_layout, get, put, put_with, read,
};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn key(byte: u8) -> CustomerKey {
    CustomerKey::new(&[byte; 32]).unwrap()
}

fn body_options(customer: Option<CustomerKey>) -> BodyOptions {
    BodyOptions {
        customer,
        ..BodyOptions::default()
    }
}

async fn seal(store: &Store, name: &str, body: Bytes, customer: CustomerKey) -> PutResult {
    let options = PutOptions {
        body: body_options(Some(customer)),
        ..PutOptions::default()
    };
    put_with(store, &plain(), name, body, options)
        .await
        .unwrap()
}

fn with(customer: CustomerKey) -> GetOptions {
    GetOptions {
        customer: Some(customer),
        ..GetOptions::default()
    }
}

async fn open(store: &Store, name: &str, customer: CustomerKey) -> Result<Object, Error> {
    store.get(&plain(), name, &with(customer)).await
}

#[tokio::test]
async fn bodies_of_all_sizes_need_their_key_before_and_after_a_restart() {
    let mut lab = Lab::new();
    let sizes = [0, 1, 2048, 2049, 65_536, 65_537, 262_145, 1_000_003];
    for size in sizes {
        let body = bytes(9, size);
        let put = seal(&lab.store, &size.to_string(), body.clone(), key(1)).await;
        assert_eq!((put.etag.len(), put.size), (32, size as u64));
        assert_ne!(put.etag, hex(&Md5::of(&body)), "{size}");
    }
    for _ in 0..2 {
        for size in sizes {
            let name = size.to_string();
            // The second time from the cache.
            for _ in 0..2 {
                let object = open(&lab.store, &name, key(1)).await.unwrap();
                assert!(object.info().attributes.encryption.is_customer());
                assert_eq!(drain(object).await.unwrap(), bytes(9, size), "{size}");
                let wrong = open(&lab.store, &name, key(2)).await.unwrap_err();
                assert_eq!(wrong.code(), "AccessDenied", "{size}");
                let none = get(&lab.store, &plain(), &name).await.unwrap_err();
                assert_eq!(none.code(), "InvalidRequest", "{size}");
            }
            let head = lab.store.head(&plain(), &name, &with(key(2))).await;
            assert_eq!(head.unwrap_err().code(), "AccessDenied");
            assert!(lab.store.head(&plain(), &name, &with(key(1))).await.is_ok());
            // Who decides about an object needs no key.
            let peek = lab.store.peek(&plain(), &name, None).await.unwrap();
            assert_eq!(peek.info().size, size as u64);
        }
        lab = lab.reopen();
    }
}

#[tokio::test]
async fn a_key_for_what_needs_none_is_refused() {
    let lab = Lab::new();
    put(&lab.store, &plain(), "open", bytes(1, 100)).await;
    let mut options = PutOptions::default();
    options.attributes.encryption = Encryption::Managed;
    put_with(&lab.store, &plain(), "managed", bytes(1, 100), options)
        .await
        .unwrap();
    for name in ["open", "managed"] {
        let refused = open(&lab.store, name, key(1)).await.unwrap_err();
        assert_eq!(refused.code(), "InvalidRequest", "{name}");
    }
}

#[tokio::test]
async fn ranges_open_what_they_name() {
    let lab = Lab::new();
    let body = bytes(7, 300_000);
    seal(&lab.store, "large", body.clone(), key(1)).await;
    seal(&lab.store, "small", body.slice(..2000), key(1)).await;
    let ranges = [
        Range::Between(0, 0),
        Range::Between(65_535, 65_536),
        Range::Between(1000, 299_999),
        Range::From(1999),
        Range::Last(5),
    ];
    for (name, body) in [("large", body.clone()), ("small", body.slice(..2000))] {
        for range in ranges {
            let Some((first, len)) = range.resolve(body.len() as u64) else {
                continue;
            };
            let options = GetOptions {
                range: Some(range),
                ..with(key(1))
            };
            let object = lab.store.get(&plain(), name, &options).await.unwrap();
            let (first, len) = (first as usize, len as usize);
            assert_eq!(
                drain(object).await.unwrap(),
                &body[first..first + len],
                "{name} {range}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_is_checked_although_its_digests_are_not_kept() {
    let lab = Lab::new();
    let body = bytes(3, 5000);
    for (md5, expected) in [(Md5::of(&body), None), ([0; 16], Some("BadDigest"))] {
        let options = PutOptions {
            body: body_options(Some(key(1))),
            ..PutOptions::default()
        };
        let begun = lab.store.begin_put(&plain(), "k", options).await;
        let mut writer = begun.unwrap();
        writer.write(body.clone()).await.unwrap();
        let checks = BodyChecks {
            md5: Some(md5),
            ..BodyChecks::default()
        };
        let done = writer.finish(checks).await;
        assert_eq!(done.err().map(|why| why.code()), expected);
    }
    let kept: i64 = Connection::open(lab.path().join("index.sqlite"))
        .unwrap()
        .query_row(
            "SELECT count(*) FROM blob WHERE md5 IS NOT NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn neither_key_nor_bytes_lie_on_the_disk() {
    let lab = Lab::new();
    let secret = CustomerKey::new(&bytes(99, 32)).unwrap();
    seal(&lab.store, "row", bytes(1, 2000), secret.clone()).await;
    seal(&lab.store, "file", bytes(2, 9000), secret.clone()).await;
    for object in ["row", "file"] {
        drain(open(&lab.store, object, secret.clone()).await.unwrap())
            .await
            .unwrap();
    }
    let lab = lab.reopen();
    let disk = all_files(&lab.path());
    for (what, text) in [
        ("the key", bytes(99, 32)),
        ("a small body", bytes(1, 2000)),
        ("a body", bytes(2, 9000)),
    ] {
        assert!(!contains(&disk, &text[..32]), "{what}");
    }
}

/// An upload of these parts, all with the key.
async fn upload(store: &Store, name: &str, bodies: &[Bytes], customer: CustomerKey) -> PutResult {
    let id = begin(store, name, Some(customer.clone())).await;
    let mut claims = Vec::new();
    for (number, body) in (1..).zip(bodies) {
        let part = part(store, name, &id, number, body, Some(customer.clone())).await;
        claims.push(claim(number, &part.unwrap()));
    }
    let completion = Completion {
        parts: claims,
        ..Completion::default()
    };
    let done = store.complete_upload(&plain(), name, &id, completion).await;
    done.unwrap()
}

async fn begin(store: &Store, name: &str, customer: Option<CustomerKey>) -> String {
    let new = NewUpload {
        customer,
        ..NewUpload::default()
    };
    let begun = store.create_upload(&plain(), name, new).await;
    begun.unwrap().upload_id
}

async fn part(
    store: &Store,
    name: &str,
    upload: &str,
    number: u32,
    body: &Bytes,
    customer: Option<CustomerKey>,
) -> Result<adit_objects::PartResult, Error> {
    let options = body_options(customer);
    let mut writer = store
        .begin_part(&plain(), name, upload, number, options)
        .await?;
    writer.write(body.clone()).await?;
    writer.finish(BodyChecks::default()).await
}

#[tokio::test]
async fn all_parts_of_an_upload_have_one_key() {
    let lab = Lab::new();
    let store = &lab.store;
    let bodies = [bytes(1, 200_000), bytes(2, 1500), bytes(3, 100)];
    let made = upload(store, "k", &bodies, key(1)).await;
    assert!(made.etag.ends_with("-3"), "{}", made.etag);
    let lab = lab.reopen();
    let object = open(&lab.store, "k", key(1)).await.unwrap();
    let crc = adit_objects::Checksum::of(ChecksumAlgorithm::Crc64Nvme, &bodies.concat());
    assert_eq!(object.info().checksum.value, crc);
    assert_eq!(drain(object).await.unwrap(), bodies.concat());
    let second = GetOptions {
        part: Some(2),
        ..with(key(1))
    };
    let object = lab.store.get(&plain(), "k", &second).await.unwrap();
    assert_eq!(drain(object).await.unwrap(), bodies[1]);

    let store = &lab.store;
    let sealed = begin(store, "s", Some(key(1))).await;
    let open_one = begin(store, "o", None).await;
    for (name, id, customer) in [
        ("s", &sealed, None),
        ("s", &sealed, Some(key(2))),
        ("o", &open_one, Some(key(1))),
    ] {
        let refused = part(store, name, id, 1, &bodies[0], customer).await;
        assert_eq!(refused.unwrap_err().code(), "InvalidRequest", "{name}");
    }
    // A completion may bring the key, but no other.
    let stored = part(store, "s", &sealed, 1, &bodies[0], Some(key(1))).await;
    let mut completion = Completion {
        parts: vec![claim(1, &stored.unwrap())],
        customer: Some(key(2)),
        ..Completion::default()
    };
    let refused = store
        .complete_upload(&plain(), "s", &sealed, completion.clone())
        .await;
    assert_eq!(refused.unwrap_err().code(), "InvalidRequest");
    completion.customer = Some(key(1));
    store
        .complete_upload(&plain(), "s", &sealed, completion)
        .await
        .unwrap();
}

fn copy(from: &str, source: Option<u8>, to: Option<u8>) -> CopyRequest {
    let mut request = copy_of(&plain(), from);
    request.source.customer = source.map(key);
    request.customer = to.map(key);
    request
}

#[tokio::test]
async fn copies_are_sealed_anew() {
    let lab = Lab::new();
    let store = &lab.store;
    for (name, size) in [("small", 900), ("large", 200_000)] {
        let body = bytes(size, size as usize);
        seal(store, name, body.clone(), key(1)).await;
        // Another key, no key, and a key where there was none.
        for (from, source, to) in [
            (name, Some(1), Some(2)),
            ("copy", Some(2), None),
            ("copy", None, Some(3)),
            // Onto itself: with the same key again.
            ("copy", Some(3), Some(3)),
        ] {
            let made = store.copy(&plain(), "copy", copy(from, source, to)).await;
            let made = made.unwrap();
            let options = GetOptions {
                customer: to.map(key),
                ..GetOptions::default()
            };
            let object = store.get(&plain(), "copy", &options).await.unwrap();
            assert_eq!(
                object.info().attributes.encryption.is_customer(),
                to.is_some()
            );
            assert_eq!(drain(object).await.unwrap(), body);
            assert_eq!(made.etag == hex(&Md5::of(&body)), to.is_none());
        }
        for (source, code) in [(None, "InvalidRequest"), (Some(2), "AccessDenied")] {
            let refused = store.copy(&plain(), "no", copy(name, source, None)).await;
            assert_eq!(refused.unwrap_err().code(), code);
        }
    }
}

#[tokio::test]
async fn parts_are_copied_with_both_keys() {
    let lab = Lab::new();
    let store = &lab.store;
    let body = bytes(4, 100_000);
    seal(store, "source", body.clone(), key(1)).await;
    let id = begin(store, "k", Some(key(2))).await;
    let copied = |source: u8, to: u8, range| CopyPart {
        source: Source {
            customer: Some(key(source)),
            ..copy_of(&plain(), "source").source
        },
        range,
        customer: Some(key(to)),
    };
    for (source, to, code) in [(2, 2, "AccessDenied"), (1, 1, "InvalidRequest")] {
        let refused = store
            .copy_part(&plain(), "k", &id, 1, copied(source, to, None))
            .await;
        assert_eq!(refused.unwrap_err().code(), code);
    }
    let mut claims = Vec::new();
    for (number, range) in [(1, None), (2, Some((70_000, 70_099)))] {
        let part = store
            .copy_part(&plain(), "k", &id, number, copied(1, 2, range))
            .await;
        claims.push(claim(number, &part.unwrap().part));
    }
    let completion = Completion {
        parts: claims,
        ..Completion::default()
    };
    store
        .complete_upload(&plain(), "k", &id, completion)
        .await
        .unwrap();
    let object = open(store, "k", key(2)).await.unwrap();
    let expected = [&body[..], &body[70_000..70_100]].concat();
    assert_eq!(drain(object).await.unwrap(), expected);
}

#[tokio::test]
async fn damage_is_found_without_the_key() {
    let lab = Lab::new();
    seal(&lab.store, "row", bytes(1, 900), key(1)).await;
    seal(&lab.store, "file", bytes(2, 200_000), key(1)).await;
    upload(&lab.store, "parts", &[bytes(3, 5000), bytes(4, 10)], key(1)).await;
    put(&lab.store, &plain(), "open", bytes(5, 9000)).await;
    let report = lab.store.verify().await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.blobs, report.sealed), (5, 4));

    let index = Connection::open(lab.path().join("index.sqlite")).unwrap();
    let flip = "UPDATE blob SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE size = 900";
    assert_eq!(index.execute(flip, []).unwrap(), 1);
    let name: String = index
        .query_row("SELECT file FROM blob WHERE size = 200000", [], |row| {
            row.get(0)
        })
        .unwrap();
    let blobs = lab.path().join("blobs");
    let path = blobs.join(&name[..2]).join(&name[2..3]).join(&name);
    let mut raw = std::fs::read(&path).unwrap();
    raw[150_000] ^= 1;
    std::fs::write(&path, raw).unwrap();
    let report = lab.store.verify().await.unwrap();
    assert_eq!(report.problem_count, 2, "{:?}", report.problems);
    // Nor is it served to who has the key: the first chunks are, and then the answer breaks off.
    let object = open(&lab.store, "file", key(1)).await;
    let served = match object {
        Ok(object) => drain(object).await,
        Err(why) => Err(why),
    };
    assert_eq!(served.unwrap_err().code(), "InternalError");
}

#[tokio::test]
async fn a_store_of_the_layout_before_is_taken_over() {
    let lab = Lab::new();
    put(&lab.store, &plain(), "old", bytes(1, 100)).await;
    let lab = lab.reopen_after(first_layout);
    assert_eq!(read(&lab.store, &plain(), "old").await, bytes(1, 100));
    seal(&lab.store, "new", bytes(2, 100), key(1)).await;
    assert!(open(&lab.store, "new", key(1)).await.is_ok());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
