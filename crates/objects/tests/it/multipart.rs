//! Multipart uploads.

use adit_objects::{
    BodyChecks, BodyOptions, Bucket, Checksum, ChecksumAlgorithm, ChecksumType, Completion,
    CopyPart, Encryption, Error, GetOptions, NewUpload, ObjectChecksum, PartClaim, Range,
    ReadConditions, Source, Versioning, WriteConditions,
};
use bytes::Bytes;

use crate::lab::{
    Lab, blob_files, bytes, claim, delete, drain, get, put, put_parts, read, upload_part,
};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn complete(parts: Vec<PartClaim>) -> Completion {
    Completion {
        parts,
        ..Completion::default()
    }
}

#[tokio::test]
async fn parts_become_one_object_in_their_order() {
    let lab = Lab::new();
    let store = &lab.store;
    let upload = store
        .create_upload(&plain(), "k", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    assert_eq!(
        get(store, &plain(), "k").await.unwrap_err().code(),
        "NoSuchKey"
    );
    let mut claims = Vec::new();
    for number in [3, 1, 2, 9] {
        // The first try of part 1 is replaced.
        if number == 1 {
            upload_part(store, &plain(), "k", &upload, 1, bytes(99, 5000))
                .await
                .unwrap();
        }
        let body = bytes(u64::from(number), 100_000 * number as usize);
        claims.push(claim(
            number,
            &upload_part(store, &plain(), "k", &upload, number, body)
                .await
                .unwrap(),
        ));
    }
    // Part 9 is left out.
    claims.pop();
    claims.sort_by_key(|claim| claim.part_number);
    let result = store
        .complete_upload(&plain(), "k", &upload, complete(claims))
        .await
        .unwrap();
    assert!(result.etag.ends_with("-3"));
    let whole = [bytes(1, 100_000), bytes(2, 200_000), bytes(3, 300_000)].concat();
    assert_eq!(result.size, 600_000);
    assert_eq!(
        result.checksum.value,
        Checksum::of(ChecksumAlgorithm::Crc64Nvme, &whole)
    );
    assert_eq!(read(store, &plain(), "k").await, whole);
    assert_eq!(blob_files(&lab, 3).await, 3);
    for (first, last) in [
        (0, 10),
        (99_990, 100_010),
        (99_999, 300_000),
        (0, 599_999),
        (300_000, 300_000),
    ] {
        let options = GetOptions {
            range: Some(Range::Between(first, last)),
            ..GetOptions::default()
        };
        let seen = drain(store.get(&plain(), "k", &options).await.unwrap())
            .await
            .unwrap();
        assert_eq!(seen, whole[first as usize..=last as usize]);
    }
    let part = GetOptions {
        part: Some(2),
        ..GetOptions::default()
    };
    let object = store.get(&plain(), "k", &part).await.unwrap();
    assert_eq!(
        (object.info().parts, object.partial),
        (Some(3), Some((100_000, 200_000)))
    );
    assert_eq!(drain(object).await.unwrap(), bytes(2, 200_000));
    let beyond = GetOptions {
        part: Some(4),
        ..GetOptions::default()
    };
    match store.head(&plain(), "k", &beyond).await {
        Err(Error::InvalidPartNumber {
            requested: 4,
            actual: 3,
        }) => {}
        other => panic!("{other:?}"),
    }
    let (object, parts) = store.attributes(&plain(), "k", None, 1, 1).await.unwrap();
    assert_eq!(object.info().etag, result.etag);
    let parts = parts.unwrap();
    assert_eq!(
        (parts.total, parts.truncated, parts.next_marker),
        (3, true, 2)
    );
    assert_eq!(parts.parts[0].part.size, 200_000);
    delete(store, &plain(), "k").await;
    assert_eq!(blob_files(&lab, 0).await, 0);
}

#[tokio::test]
async fn a_repeated_completion_gets_the_same_answer_for_a_while() {
    let lab = Lab::new();
    let store = &lab.store;
    let versioned = plain().versioned(Versioning::Enabled);
    let upload = store
        .create_upload(&versioned, "k", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    let part = upload_part(store, &versioned, "k", &upload, 1, "one")
        .await
        .unwrap();
    let completion = complete(vec![claim(1, &part)]);
    let first = store
        .complete_upload(&versioned, "k", &upload, completion.clone())
        .await
        .unwrap();
    let again = store
        .complete_upload(&versioned, "k", &upload, completion.clone())
        .await
        .unwrap();
    assert_eq!(first, again);
    let other = complete(vec![PartClaim {
        part_number: 1,
        etag: "0".repeat(32),
        checksum: None,
    }]);
    let failed = store
        .complete_upload(&versioned, "k", &upload, other)
        .await
        .unwrap_err();
    assert_eq!(failed.code(), "NoSuchUpload");
    assert_eq!(
        store
            .abort_upload(&versioned, "k", &upload)
            .await
            .unwrap_err()
            .code(),
        "NoSuchUpload"
    );
    assert_eq!(store.usage(&versioned).await.unwrap().versions, 1);
    lab.advance(25 * 3600 * 1000);
    put_parts(store, &versioned, "other", &[Bytes::from_static(b"x")]).await;
    let late = store
        .complete_upload(&versioned, "k", &upload, completion)
        .await
        .unwrap_err();
    assert_eq!(late.code(), "NoSuchUpload");
}

#[tokio::test]
async fn wrong_completions_are_refused_and_change_nothing() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "k", "before").await;
    let upload = store
        .create_upload(&plain(), "k", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    let mut parts = Vec::new();
    for (number, size) in [(1, 1000), (2, 999), (3, 1)] {
        let part = upload_part(
            store,
            &plain(),
            "k",
            &upload,
            number,
            bytes(number.into(), size),
        )
        .await
        .unwrap();
        parts.push(claim(number, &part));
    }
    let [one, two, three] = <[PartClaim; 3]>::try_from(parts).unwrap();
    let absent = PartClaim {
        part_number: 4,
        ..one.clone()
    };
    let differs = PartClaim {
        etag: "x".into(),
        ..one.clone()
    };
    let crc = |text: &[u8]| Checksum::of(ChecksumAlgorithm::Crc64Nvme, text);
    let wrong_sum = PartClaim {
        checksum: Some(crc(b"?")),
        ..one.clone()
    };
    let right_sum = PartClaim {
        checksum: Some(crc(&bytes(1, 1000))),
        ..one.clone()
    };
    let whole = crc(&[bytes(1, 1000), bytes(3, 1)].concat());
    let good = complete(vec![right_sum, three.clone()]);
    let conditions = WriteConditions {
        if_none_match: Some(adit_objects::EtagMatch::Any),
        if_match: None,
    };
    let cases = [
        (complete(vec![]), "MalformedXML"),
        (complete(vec![two.clone(), one.clone()]), "InvalidPartOrder"),
        (complete(vec![one.clone(), one.clone()]), "InvalidPartOrder"),
        (complete(vec![one.clone(), absent]), "InvalidPart"),
        (complete(vec![differs, three.clone()]), "InvalidPart"),
        (complete(vec![wrong_sum, three.clone()]), "InvalidPart"),
        (
            complete(vec![one.clone(), two.clone(), three.clone()]),
            "EntityTooSmall",
        ),
        (
            Completion {
                size: Some(1000),
                ..good.clone()
            },
            "InvalidRequest",
        ),
        (
            Completion {
                checksum: Some(ObjectChecksum::full(crc(b"x"))),
                ..good.clone()
            },
            "BadDigest",
        ),
        (
            Completion {
                checksum_type: Some(ChecksumType::Composite),
                ..good.clone()
            },
            "InvalidRequest",
        ),
        (
            Completion {
                conditions,
                ..good.clone()
            },
            "PreconditionFailed",
        ),
    ];
    for (completion, code) in cases {
        let seen = store
            .complete_upload(&plain(), "k", &upload, completion.clone())
            .await
            .unwrap_err();
        assert_eq!(seen.code(), code, "{completion:?}");
        assert_eq!(read(store, &plain(), "k").await, b"before");
    }
    let (_, page) = store
        .list_parts(&plain(), "k", &upload, 0, 1000)
        .await
        .unwrap();
    assert_eq!(page.parts.len(), 3);
    let good = Completion {
        size: Some(1001),
        checksum: Some(ObjectChecksum::full(whole)),
        ..good
    };
    let done = store
        .complete_upload(&plain(), "k", &upload, good)
        .await
        .unwrap();
    assert_eq!(done.checksum.value, whole);
}

#[tokio::test]
async fn checksums_of_all_kinds_cover_the_whole() {
    let lab = Lab::new();
    let store = &lab.store;
    let bodies = [bytes(1, 5000), bytes(2, 1500)];
    for algorithm in ChecksumAlgorithm::ALL {
        for kind in [ChecksumType::FullObject, ChecksumType::Composite] {
            let new = NewUpload {
                checksum: Some(algorithm),
                checksum_type: Some(kind),
                ..NewUpload::default()
            };
            let created = store.create_upload(&plain(), "k", new).await;
            if !algorithm.allows(kind) {
                assert_eq!(created.unwrap_err().code(), "InvalidRequest");
                continue;
            }
            let upload = created.unwrap().upload_id;
            let mut claims = Vec::new();
            for (number, body) in (1..).zip(&bodies) {
                let options = BodyOptions {
                    checksum: Some(algorithm),
                    ..BodyOptions::default()
                };
                let mut writer = store
                    .begin_part(&plain(), "k", &upload, number, options)
                    .await
                    .unwrap();
                writer.write(body.clone()).await.unwrap();
                let sum = Checksum::of(algorithm, body);
                let checks = BodyChecks {
                    checksum: Some(sum),
                    ..BodyChecks::default()
                };
                let part = writer.finish(checks).await.unwrap();
                assert_eq!(part.checksum, sum);
                claims.push(PartClaim {
                    checksum: Some(sum),
                    ..claim(number, &part)
                });
            }
            let other = ChecksumAlgorithm::ALL
                .into_iter()
                .find(|a| *a != algorithm)
                .unwrap();
            let options = BodyOptions {
                checksum: Some(other),
                ..BodyOptions::default()
            };
            let mixed = store.begin_part(&plain(), "k", &upload, 3, options).await;
            assert_eq!(mixed.err().unwrap().code(), "InvalidRequest");
            let done = store
                .complete_upload(&plain(), "k", &upload, complete(claims))
                .await
                .unwrap();
            assert_eq!(done.checksum.kind(), kind);
            let whole = Checksum::of(algorithm, &bodies.concat());
            match kind {
                ChecksumType::FullObject => assert_eq!(done.checksum.value, whole),
                ChecksumType::Composite => {
                    assert!(done.checksum.to_string().ends_with("-2"));
                    assert_ne!(done.checksum.value, whole);
                }
            }
            assert_eq!(
                get(store, &plain(), "k").await.unwrap().info().checksum,
                done.checksum
            );
        }
    }
}

#[tokio::test]
async fn aborted_and_foreign_uploads_do_not_exist() {
    let lab = Lab::new();
    let store = &lab.store;
    let upload = store
        .create_upload(&plain(), "k", NewUpload::default())
        .await
        .unwrap()
        .upload_id;
    upload_part(store, &plain(), "k", &upload, 1, bytes(1, 5000))
        .await
        .unwrap();
    let late = store
        .begin_part(&plain(), "k", &upload, 2, BodyOptions::default())
        .await
        .unwrap();
    for (bucket, key, id) in [
        ("b-1", "other", upload.as_str()),
        ("b-2", "k", &upload),
        ("b-1", "k", "guess"),
    ] {
        let seen = upload_part(store, &Bucket::new(bucket), key, id, 1, "x")
            .await
            .unwrap_err();
        assert_eq!(seen.code(), "NoSuchUpload");
    }
    for number in [0, 10_001] {
        let seen = upload_part(store, &plain(), "k", &upload, number, "x")
            .await
            .unwrap_err();
        assert_eq!(seen.code(), "InvalidArgument");
    }
    store.abort_upload(&plain(), "k", &upload).await.unwrap();
    assert_eq!(
        late.finish(BodyChecks::default()).await.unwrap_err().code(),
        "NoSuchUpload"
    );
    assert_eq!(
        store
            .upload(&plain(), "k", &upload)
            .await
            .unwrap_err()
            .code(),
        "NoSuchUpload"
    );
    assert_eq!(blob_files(&lab, 0).await, 0);
    assert!(store.is_empty(&plain()).await.unwrap());
}

#[tokio::test]
async fn parts_are_copied_whole_or_by_range() {
    let lab = Lab::new();
    let store = &lab.store;
    let body = bytes(5, 300_000);
    put(store, &plain(), "s", body.clone()).await;
    let multi = [bytes(6, 70_000), bytes(7, 80_000)];
    put_parts(store, &plain(), "m", &multi).await;
    let from = |key: &str, range| CopyPart {
        source: Source {
            bucket: plain(),
            key: key.to_owned(),
            version: None,
            conditions: ReadConditions::default(),
            customer: None,
        },
        range,
        customer: None,
    };
    let new = NewUpload {
        checksum: Some(ChecksumAlgorithm::Crc32c),
        ..NewUpload::default()
    };
    let upload = store
        .create_upload(&plain(), "k", new)
        .await
        .unwrap()
        .upload_id;
    let requests = [
        from("s", None),
        from("s", Some((10, 250_009))),
        from("m", Some((70_000, 149_999))),
        from("m", None),
    ];
    let pieces = [
        body.clone(),
        body.slice(10..250_010),
        multi[1].clone(),
        multi.concat().into(),
    ];
    let mut claims = Vec::new();
    for ((number, request), piece) in (1..).zip(requests).zip(&pieces) {
        let copied = store
            .copy_part(&plain(), "k", &upload, number, request)
            .await
            .unwrap();
        assert_eq!((copied.source_version_id, copied.sealed), (None, false));
        let part = copied.part;
        assert_eq!(
            part.checksum,
            Checksum::of(ChecksumAlgorithm::Crc32c, piece)
        );
        assert_eq!(
            part.etag,
            put(store, &plain(), "ref", piece.clone()).await.etag
        );
        claims.push(claim(number, &part));
    }
    let outside = store
        .copy_part(&plain(), "k", &upload, 5, from("s", Some((0, 300_000))))
        .await;
    assert_eq!(outside.unwrap_err().code(), "InvalidArgument");
    store
        .complete_upload(&plain(), "k", &upload, complete(claims))
        .await
        .unwrap();
    for key in ["s", "m", "ref"] {
        delete(store, &plain(), key).await;
    }
    assert_eq!(read(store, &plain(), "k").await, pieces.concat());
    // One shared with `s`, one with a part of `m`, two written anew.
    assert_eq!(blob_files(&lab, 4).await, 4);
}

#[tokio::test]
async fn sealed_uploads_seal_every_part() {
    let lab = Lab::new();
    let store = &lab.store;
    let mut new = NewUpload::default();
    new.attributes.encryption = Encryption::Managed;
    let upload = store
        .create_upload(&plain(), "k", new)
        .await
        .unwrap()
        .upload_id;
    let bodies = [bytes(1, 200_000), bytes(2, 100)];
    let mut claims = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        claims.push(claim(
            number,
            &upload_part(store, &plain(), "k", &upload, number, body.clone())
                .await
                .unwrap(),
        ));
    }
    store
        .complete_upload(&plain(), "k", &upload, complete(claims))
        .await
        .unwrap();
    let lab = lab.reopen();
    let object = get(&lab.store, &plain(), "k").await.unwrap();
    assert!(object.info().attributes.encryption.is_managed());
    assert_eq!(drain(object).await.unwrap(), bodies.concat());
}
