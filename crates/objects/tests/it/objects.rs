//! Put, get, head, delete, copy, tags: one behaviour of S3 per test.

use adit_objects::{
    Attributes, BodyChecks, BodyOptions, Bucket, Checksum, ChecksumAlgorithm, Condition,
    DeleteOptions, Directive, Encryption, Error, EtagKind, EtagMatch, GetOptions, PutOptions,
    Range, ReadConditions, VersionId, Versioning, WriteConditions,
};
use bytes::Bytes;

use crate::lab::{
    Lab, all_files, blob_files, bytes, contains, copy_of, delete, delete_version, drain, get,
    get_version, put, put_parts, put_with, read,
};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn versioned() -> Bucket {
    plain().versioned(Versioning::Enabled)
}

fn suspended() -> Bucket {
    plain().versioned(Versioning::Suspended)
}

#[tokio::test]
async fn bodies_of_all_sizes_come_back_after_a_restart() {
    let mut lab = Lab::new();
    let sizes = [0, 1, 1024, 2048, 2049, 65_536, 262_144, 262_145, 1_000_003];
    for encrypt in [false, true] {
        for size in sizes {
            let options = PutOptions {
                attributes: Attributes {
                    encryption: Encryption::managed(encrypt),
                    ..Attributes::default()
                },
                ..PutOptions::default()
            };
            let key = format!("{encrypt}/{size}");
            let body = bytes(size as u64, size);
            let result = put_with(&lab.store, &plain(), &key, body, options)
                .await
                .unwrap();
            assert_eq!(result.size, size as u64);
        }
    }
    // Half from the cache that puts leave cold, half after a restart.
    for _ in 0..2 {
        for encrypt in [false, true] {
            for size in sizes {
                for _ in 0..2 {
                    let object = get(&lab.store, &plain(), &format!("{encrypt}/{size}"))
                        .await
                        .unwrap();
                    assert_eq!(object.info().attributes.encryption.is_managed(), encrypt);
                    let crc = Checksum::of(ChecksumAlgorithm::Crc64Nvme, &bytes(size as u64, size));
                    assert_eq!(object.info().checksum.value, crc);
                    assert_eq!(drain(object).await.unwrap(), bytes(size as u64, size));
                }
            }
        }
        lab = lab.reopen();
    }
}

#[tokio::test]
async fn sealed_bytes_are_not_readable_on_disk() {
    let lab = Lab::new();
    let text = Bytes::from("a secret nobody should find ".repeat(300));
    let options = PutOptions {
        attributes: Attributes {
            encryption: Encryption::Managed,
            ..Attributes::default()
        },
        ..PutOptions::default()
    };
    put_with(&lab.store, &plain(), "large", text.clone(), options.clone())
        .await
        .unwrap();
    put_with(&lab.store, &plain(), "small", text.slice(..500), options)
        .await
        .unwrap();
    put(
        &lab.store,
        &plain(),
        "open",
        Bytes::from("an open word ".repeat(300)),
    )
    .await;
    assert_eq!(read(&lab.store, &plain(), "large").await, text);
    assert_eq!(read(&lab.store, &plain(), "small").await, text[..500]);
    let everything = all_files(&lab.path());
    assert!(!contains(&everything, b"a secret nobody"));
    assert!(
        contains(&everything, b"an open word"),
        "the search would find it"
    );
}

#[tokio::test]
async fn entity_tag_is_the_md5_and_checksums_are_checked() {
    let lab = Lab::new();
    let md5 = [
        0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f,
        0x72,
    ];
    let result = put(&lab.store, &plain(), "k", "abc").await;
    assert_eq!(result.etag, "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(result.version_id, None);
    for algorithm in ChecksumAlgorithm::ALL {
        let body = BodyOptions {
            checksum: Some(algorithm),
            payload_sha256: true,
            ..BodyOptions::default()
        };
        let options = PutOptions {
            body,
            ..PutOptions::default()
        };
        let right = Checksum::of(algorithm, b"abc");
        let sha256: [u8; 32] = Checksum::of(ChecksumAlgorithm::Sha256, b"abc")
            .as_bytes()
            .try_into()
            .unwrap();
        let good = BodyChecks {
            length: Some(3),
            md5: Some(md5),
            checksum: Some(right),
            payload_sha256: Some(sha256),
        };
        let cases = [
            (good.clone(), "ok"),
            (
                BodyChecks {
                    length: Some(4),
                    ..good.clone()
                },
                "IncompleteBody",
            ),
            (
                BodyChecks {
                    md5: Some([0; 16]),
                    ..good.clone()
                },
                "BadDigest",
            ),
            (
                BodyChecks {
                    checksum: Some(Checksum::of(algorithm, b"x")),
                    ..good.clone()
                },
                "BadDigest",
            ),
            (
                BodyChecks {
                    payload_sha256: Some([0; 32]),
                    ..good.clone()
                },
                "XAmzContentSHA256Mismatch",
            ),
        ];
        for (checks, expected) in cases {
            let mut writer = lab
                .store
                .begin_put(&plain(), "c", options.clone())
                .await
                .unwrap();
            writer.write(Bytes::from_static(b"abc")).await.unwrap();
            let seen = writer.finish(checks.clone()).await;
            assert_eq!(
                seen.as_ref().map_or_else(Error::code, |_| "ok"),
                expected,
                "{checks:?}"
            );
            if let Ok(result) = seen {
                assert_eq!(result.checksum.value, right);
                let object = get(&lab.store, &plain(), "c").await.unwrap();
                assert_eq!(object.info().checksum, result.checksum);
            }
        }
        // The wrong ones left the right one in place.
        assert_eq!(read(&lab.store, &plain(), "c").await, b"abc");
    }
    let body = BodyOptions {
        etag: EtagKind::Opaque,
        ..BodyOptions::default()
    };
    let opaque = put_with(
        &lab.store,
        &plain(),
        "o",
        "abc",
        PutOptions {
            body,
            ..PutOptions::default()
        },
    )
    .await
    .unwrap();
    assert!(opaque.etag.len() == 34 && opaque.etag.ends_with("-1"));
    assert!(!opaque.etag.starts_with(&result.etag));
}

#[tokio::test]
async fn dropped_and_oversized_bodies_leave_nothing() {
    let lab = Lab::new();
    let big = bytes(1, 300_000);
    let mut writer = lab
        .store
        .begin_put(&plain(), "k", PutOptions::default())
        .await
        .unwrap();
    writer.write(big.clone()).await.unwrap();
    writer.write(big.clone()).await.unwrap();
    drop(writer);
    let mut writer = lab
        .store
        .begin_put(&plain(), "k", PutOptions::default())
        .await
        .unwrap();
    let mut last = Ok(());
    for _ in 0..40 {
        last = writer.write(big.clone()).await;
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err().code(), "EntityTooLarge");
    drop(writer);
    let body = BodyOptions {
        length: Some(9 << 20),
        ..BodyOptions::default()
    };
    let early = lab
        .store
        .begin_put(
            &plain(),
            "k",
            PutOptions {
                body,
                ..PutOptions::default()
            },
        )
        .await;
    assert_eq!(early.err().unwrap().code(), "EntityTooLarge");
    let body = BodyOptions {
        length: Some(10),
        ..BodyOptions::default()
    };
    let mut writer = lab
        .store
        .begin_put(
            &plain(),
            "k",
            PutOptions {
                body,
                ..PutOptions::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(
        writer
            .write(Bytes::from_static(b"more than ten"))
            .await
            .unwrap_err()
            .code(),
        "IncompleteBody"
    );
    drop(writer);
    assert_eq!(
        get(&lab.store, &plain(), "k").await.unwrap_err().code(),
        "NoSuchKey"
    );
    let short = PutOptions {
        body: BodyOptions {
            length: Some(10),
            ..BodyOptions::default()
        },
        ..PutOptions::default()
    };
    let ended_early = put_with(&lab.store, &plain(), "k", "nine byte", short)
        .await
        .unwrap_err();
    assert_eq!(ended_early.code(), "IncompleteBody");
    assert_eq!(blob_files(&lab, 0).await, 0);
    assert_eq!(lab.store.usage(&plain()).await.unwrap().versions, 0);
}

#[tokio::test]
async fn overwriting_and_deleting_frees_files() {
    let lab = Lab::new();
    for round in 0..3 {
        put(&lab.store, &plain(), "k", bytes(round, 10_000)).await;
    }
    assert_eq!(blob_files(&lab, 1).await, 1);
    delete(&lab.store, &plain(), "k").await;
    assert_eq!(blob_files(&lab, 0).await, 0);
    assert!(lab.store.is_empty(&plain()).await.unwrap());
}

#[tokio::test]
async fn keys_are_not_paths() {
    let lab = Lab::new();
    let keys = [
        "a",
        "a/b",
        "a/b/",
        "dir//x",
        "x/../y",
        "y",
        "/",
        "//",
        "/etc/passwd",
        "é ü",
        "a\nb\0c",
        "😀",
    ];
    for (n, key) in keys.iter().enumerate() {
        put(&lab.store, &plain(), key, bytes(n as u64, 5000 + n)).await;
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(
            read(&lab.store, &plain(), key).await,
            bytes(n as u64, 5000 + n),
            "{key}"
        );
    }
    let begun = lab
        .store
        .begin_put(&plain(), "../other/secret", PutOptions::default())
        .await;
    assert_eq!(begun.err().unwrap().code(), "InvalidURI");
    let got = get(&lab.store, &plain(), "../other/secret").await;
    assert_eq!(got.unwrap_err().code(), "InvalidURI");
    assert_eq!(
        get(&lab.store, &Bucket::new("b-2"), "a")
            .await
            .unwrap_err()
            .code(),
        "NoSuchKey"
    );
}

#[tokio::test]
async fn ranges_read_what_they_name() {
    let lab = Lab::new();
    let body = bytes(7, 700_000);
    for encrypt in [false, true] {
        let attributes = Attributes {
            encryption: Encryption::managed(encrypt),
            ..Attributes::default()
        };
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        put_with(&lab.store, &plain(), "file", body.clone(), options.clone())
            .await
            .unwrap();
        put_with(&lab.store, &plain(), "row", body.slice(..1000), options)
            .await
            .unwrap();
        for (key, size) in [("file", 700_000u64), ("row", 1000)] {
            let ranges = [
                Range::From(0),
                Range::From(size - 1),
                Range::From(size / 2 + 7),
                Range::Between(0, 0),
                Range::Between(65_530 % size, 65_550 % size + 20),
                Range::Between(3, size * 2),
                Range::Last(1),
                Range::Last(size + 5),
            ];
            for range in ranges {
                let options = GetOptions {
                    range: Some(range),
                    ..GetOptions::default()
                };
                let object = lab.store.get(&plain(), key, &options).await.unwrap();
                let (first, count) = object.partial.unwrap();
                assert_eq!(Some((first, count)), range.resolve(size));
                let expected = body.slice(first as usize..(first + count) as usize);
                assert_eq!(
                    drain(object).await.unwrap(),
                    expected,
                    "{key} {range} {encrypt}"
                );
                assert_eq!(
                    lab.store
                        .head(&plain(), key, &options)
                        .await
                        .unwrap()
                        .length(),
                    count
                );
            }
            let options = GetOptions {
                range: Some(Range::From(size)),
                ..GetOptions::default()
            };
            match lab.store.get(&plain(), key, &options).await {
                Err(Error::InvalidRange {
                    actual_object_size,
                    range_requested,
                }) => {
                    assert_eq!(actual_object_size, size);
                    assert_eq!(range_requested, format!("bytes={size}-"));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn attributes_come_back() {
    let lab = Lab::new();
    let mut attributes = Attributes {
        tags: vec![("team".into(), "a b".into()), ("z".into(), String::new())],
        storage_class: "STANDARD_IA".into(),
        acl: Some(vec![1, 2, 3]),
        owner: Some("owner-id".into()),
        ..Attributes::default()
    };
    attributes.headers.content_type = Some("text/plain".into());
    attributes.headers.expires = Some("never".into());
    attributes
        .user
        .insert("mtime".into(), "1700000000.5".into());
    let options = PutOptions {
        attributes: attributes.clone(),
        ..PutOptions::default()
    };
    put_with(&lab.store, &plain(), "k", "v", options)
        .await
        .unwrap();
    put(&lab.store, &plain(), "bare", "v").await;
    let lab = lab.reopen();
    let head = lab
        .store
        .head(&plain(), "k", &GetOptions::default())
        .await
        .unwrap();
    assert_eq!(head.info().attributes, attributes);
    assert_eq!(head.info().last_modified, lab.now());
    assert_eq!(head.body.remaining(), 0);
    let bare = lab
        .store
        .head(&plain(), "bare", &GetOptions::default())
        .await
        .unwrap();
    assert_eq!(bare.info().attributes, Attributes::default());
}

#[tokio::test]
async fn tags_and_acls_change_in_place() {
    let lab = Lab::new();
    let first = put(&lab.store, &versioned(), "k", "1")
        .await
        .version_id
        .unwrap();
    let second = put(&lab.store, &versioned(), "k", "2")
        .await
        .version_id
        .unwrap();
    let tags = vec![("a".to_owned(), "1".to_owned())];
    let store = &lab.store;
    // Warm the cache: a change must show at once.
    get(store, &versioned(), "k").await.unwrap();
    assert_eq!(
        store
            .set_tags(&versioned(), "k", None, tags.clone())
            .await
            .unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        store.tags(&versioned(), "k", None).await.unwrap(),
        (tags.clone(), Some(second))
    );
    assert_eq!(
        store.tags(&versioned(), "k", Some(&first)).await.unwrap().0,
        vec![]
    );
    store
        .set_tags(&versioned(), "k", None, vec![])
        .await
        .unwrap();
    assert_eq!(store.tags(&versioned(), "k", None).await.unwrap().0, vec![]);
    store
        .set_acl(&versioned(), "k", Some(&first), Some(vec![9]))
        .await
        .unwrap();
    let old = get_version(store, &versioned(), "k", &first).await.unwrap();
    assert_eq!(old.info().attributes.acl, Some(vec![9]));
    assert_eq!(
        store
            .set_tags(&plain(), "none", None, tags)
            .await
            .unwrap_err()
            .code(),
        "NoSuchKey"
    );
    let twice = vec![
        ("a".to_owned(), "1".to_owned()),
        ("a".to_owned(), "2".to_owned()),
    ];
    assert_eq!(
        store
            .set_tags(&versioned(), "k", None, twice)
            .await
            .unwrap_err()
            .code(),
        "InvalidTag"
    );
}

#[tokio::test]
async fn versions_stack_up_and_markers_cover_them() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "k", "null one").await;
    let first = put(store, &versioned(), "k", "first")
        .await
        .version_id
        .unwrap();
    let second = put(store, &versioned(), "k", "second")
        .await
        .version_id
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(read(store, &versioned(), "k").await, b"second");
    let null = VersionId::null();
    for (version, text) in [(&first, "first"), (&second, "second"), (&null, "null one")] {
        let object = get_version(store, &versioned(), "k", version)
            .await
            .unwrap();
        assert_eq!(object.version_id.as_ref(), Some(version));
        assert_eq!(drain(object).await.unwrap(), text.as_bytes());
    }
    let marker = delete(store, &versioned(), "k").await;
    assert!(marker.delete_marker);
    let marker = marker.version_id.unwrap();
    match get(store, &versioned(), "k").await {
        Err(Error::NoSuchKey { delete_marker, .. }) => {
            assert_eq!(delete_marker.as_ref(), Some(&marker))
        }
        other => panic!("{other:?}"),
    }
    match get_version(store, &versioned(), "k", &marker).await {
        Err(Error::MethodNotAllowed {
            version_id,
            last_modified,
            ..
        }) => {
            assert_eq!((version_id, last_modified), (marker.clone(), lab.now()));
        }
        other => panic!("{other:?}"),
    }
    // Removing the marker brings the object back; removing the newest version shows the one below.
    let removed = delete_version(store, &versioned(), "k", &marker).await;
    assert_eq!(
        (removed.delete_marker, removed.version_id.as_ref()),
        (true, Some(&marker))
    );
    assert_eq!(read(store, &versioned(), "k").await, b"second");
    let removed = delete_version(store, &versioned(), "k", &second).await;
    assert_eq!(
        (removed.delete_marker, removed.version_id),
        (false, Some(second.clone()))
    );
    assert_eq!(read(store, &versioned(), "k").await, b"first");
    assert_eq!(
        get_version(store, &versioned(), "k", &second)
            .await
            .unwrap_err()
            .code(),
        "NoSuchVersion"
    );
    let usage = store.usage(&plain()).await.unwrap();
    assert_eq!(
        (
            usage.objects,
            usage.bytes,
            usage.versions,
            usage.version_bytes
        ),
        (1, 5, 2, 13)
    );
}

#[tokio::test]
async fn suspended_buckets_replace_only_the_null_version() {
    let lab = Lab::new();
    let store = &lab.store;
    let kept = put(store, &versioned(), "k", "kept")
        .await
        .version_id
        .unwrap();
    for text in ["one", "two"] {
        let result = put(store, &suspended(), "k", text).await;
        assert_eq!(result.version_id, Some(VersionId::null()));
        assert_eq!(read(store, &suspended(), "k").await, text.as_bytes());
    }
    assert_eq!(store.usage(&plain()).await.unwrap().versions, 2);
    // A null version that is no longer the newest is replaced too.
    put(store, &versioned(), "k", "newer").await;
    put(store, &suspended(), "k", "three").await;
    assert_eq!(store.usage(&plain()).await.unwrap().versions, 3);
    let marker = delete(store, &suspended(), "k").await;
    assert_eq!(
        (marker.delete_marker, marker.version_id),
        (true, Some(VersionId::null()))
    );
    assert_eq!(
        store.usage(&plain()).await.unwrap().versions,
        3,
        "the marker took the null version's place"
    );
    let kept = get_version(store, &suspended(), "k", &kept).await.unwrap();
    assert_eq!(drain(kept).await.unwrap(), b"kept");
    delete_version(store, &suspended(), "k", &VersionId::null()).await;
    assert_eq!(read(store, &suspended(), "k").await, b"newer");
}

#[tokio::test]
async fn unversioned_buckets_take_null_for_the_object() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "k", "v").await;
    let object = get_version(store, &plain(), "k", &VersionId::null())
        .await
        .unwrap();
    assert_eq!(object.version_id, None);
    let odd = get_version(store, &plain(), "k", &VersionId::new("no such form")).await;
    assert_eq!(odd.unwrap_err().code(), "InvalidArgument");
    assert_eq!(delete(store, &plain(), "missing").await, Default::default());
    assert_eq!(
        delete_version(store, &plain(), "k", &VersionId::null())
            .await
            .version_id,
        None
    );
    assert_eq!(
        get(store, &plain(), "k").await.unwrap_err().code(),
        "NoSuchKey"
    );
}

#[tokio::test]
async fn a_marker_is_made_even_for_a_key_that_never_was() {
    let lab = Lab::new();
    let marker = delete(&lab.store, &versioned(), "ghost").await;
    assert!(marker.delete_marker && marker.version_id.is_some());
    assert!(!lab.store.is_empty(&plain()).await.unwrap());
    let failed = lab.store.retire_bucket(&plain()).await.unwrap_err();
    assert!(matches!(
        failed,
        Error::BucketNotEmpty {
            only_versions: true,
            ..
        }
    ));
}

#[tokio::test]
async fn deletes_of_many_answer_one_by_one() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "a", "1").await;
    put(store, &plain(), "b", "2").await;
    let wrong = DeleteOptions {
        conditions: WriteConditions {
            if_match: Some(EtagMatch::parse("x")),
            if_none_match: None,
        },
        ..DeleteOptions::default()
    };
    let bad_version = DeleteOptions {
        version: Some(VersionId::new("?")),
        ..DeleteOptions::default()
    };
    let items = vec![
        ("a".to_owned(), DeleteOptions::default()),
        ("b".to_owned(), wrong),
        ("../x".to_owned(), DeleteOptions::default()),
        ("missing".to_owned(), DeleteOptions::default()),
        ("b".to_owned(), bad_version),
    ];
    let codes: Vec<&str> = store
        .delete_many(&plain(), items)
        .await
        .iter()
        .map(|result| result.as_ref().map_or_else(Error::code, |_| "ok"))
        .collect();
    assert_eq!(
        codes,
        [
            "ok",
            "PreconditionFailed",
            "InvalidURI",
            "ok",
            "InvalidArgument"
        ]
    );
    assert_eq!(
        get(store, &plain(), "a").await.unwrap_err().code(),
        "NoSuchKey"
    );
    assert_eq!(read(store, &plain(), "b").await, b"2");
    assert!(store.delete_many(&plain(), vec![]).await.is_empty());
}

#[tokio::test]
async fn conditional_writes_ask_the_current_object() {
    let lab = Lab::new();
    let store = &lab.store;
    let with = |if_match: Option<&str>, if_none_match: Option<&str>| PutOptions {
        conditions: WriteConditions {
            if_match: if_match.map(EtagMatch::parse),
            if_none_match: if_none_match.map(EtagMatch::parse),
        },
        ..PutOptions::default()
    };
    let missing = put_with(store, &plain(), "k", "0", with(Some("x"), None)).await;
    assert_eq!(missing.unwrap_err().code(), "NoSuchKey");
    let first = put_with(store, &plain(), "k", "1", with(None, Some("*")))
        .await
        .unwrap();
    match put_with(store, &plain(), "k", "2", with(None, Some("*"))).await {
        Err(Error::PreconditionFailed { condition }) => {
            assert_eq!(condition, Condition::IfNoneMatch)
        }
        other => panic!("{other:?}"),
    }
    put_with(store, &plain(), "k", "3", with(Some(&first.etag), None))
        .await
        .unwrap();
    let stale = put_with(store, &plain(), "k", "4", with(Some(&first.etag), None)).await;
    assert_eq!(stale.unwrap_err().code(), "PreconditionFailed");
    assert_eq!(read(store, &plain(), "k").await, b"3");
    // Overtaken between the first look and the end.
    let etag = store
        .head(&plain(), "k", &GetOptions::default())
        .await
        .unwrap()
        .info()
        .etag
        .clone();
    let slow = store
        .begin_put(&plain(), "k", with(Some(&etag), None))
        .await
        .unwrap();
    put(store, &plain(), "k", "5").await;
    let overtaken = slow.finish(BodyChecks::default()).await.unwrap_err();
    assert_eq!(overtaken.code(), "ConditionalRequestConflict");
    // A delete marker is no object.
    delete(store, &versioned(), "k").await;
    put_with(store, &versioned(), "k", "6", with(None, Some("*")))
        .await
        .unwrap();
}

#[tokio::test]
async fn conditional_reads_tell_not_modified() {
    let lab = Lab::new();
    let etag = put(&lab.store, &plain(), "k", "v").await.etag;
    let with = |conditions| GetOptions {
        conditions,
        ..GetOptions::default()
    };
    let same = with(ReadConditions {
        if_none_match: Some(EtagMatch::parse(&etag)),
        ..ReadConditions::default()
    });
    for _ in 0..2 {
        match lab.store.get(&plain(), "k", &same).await {
            Err(Error::NotModified {
                etag: seen,
                last_modified,
                ..
            }) => {
                assert_eq!((seen, last_modified), (etag.clone(), lab.now()));
            }
            other => panic!("{other:?}"),
        }
    }
    let other = with(ReadConditions {
        if_match: Some(EtagMatch::parse("x")),
        ..ReadConditions::default()
    });
    assert_eq!(
        lab.store
            .head(&plain(), "k", &other)
            .await
            .unwrap_err()
            .code(),
        "PreconditionFailed"
    );
}

#[tokio::test]
async fn copies_share_bytes_and_outlive_their_source() {
    let lab = Lab::new();
    let store = &lab.store;
    let body = bytes(3, 500_000);
    let attributes = Attributes {
        tags: vec![("a".into(), "1".into())],
        ..Attributes::default()
    };
    let mut options = PutOptions {
        attributes,
        ..PutOptions::default()
    };
    options.attributes.headers.content_type = Some("text/x".into());
    options.attributes.user.insert("m".into(), "1".into());
    let source = put_with(store, &plain(), "s", body.clone(), options)
        .await
        .unwrap();
    let other = Bucket::new("b-2").versioned(Versioning::Enabled);
    let copy = store
        .copy(&other, "d", copy_of(&plain(), "s"))
        .await
        .unwrap();
    assert_eq!((&copy.etag, copy.checksum), (&source.etag, source.checksum));
    assert!(copy.version_id.is_some());
    assert_eq!(copy.source_version_id, None);
    assert_eq!(blob_files(&lab, 1).await, 1, "shared");
    let found = get(store, &other, "d").await.unwrap();
    assert_eq!(
        found.info().attributes.tags,
        [("a".to_owned(), "1".to_owned())]
    );
    assert_eq!(
        found.info().attributes.headers.content_type.as_deref(),
        Some("text/x")
    );
    drop(found);
    delete(store, &plain(), "s").await;
    assert_eq!(read(store, &other, "d").await, body);
    assert_eq!(blob_files(&lab, 1).await, 1);
    delete_version(store, &other, "d", &copy.version_id.unwrap()).await;
    assert_eq!(blob_files(&lab, 0).await, 0);
    assert_eq!(
        store
            .copy(&other, "d", copy_of(&plain(), "s"))
            .await
            .unwrap_err()
            .code(),
        "NoSuchKey"
    );
}

#[tokio::test]
async fn copies_replace_what_the_request_says() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "s", bytes(1, 9000)).await;
    let onto_itself = store
        .copy(&plain(), "s", copy_of(&plain(), "s"))
        .await
        .unwrap_err();
    assert_eq!(onto_itself.code(), "InvalidRequest");
    let mut stated = copy_of(&plain(), "s");
    stated.restated = true;
    store.copy(&plain(), "s", stated).await.unwrap();
    let mut request = copy_of(&plain(), "s");
    request.metadata = Directive::Replace;
    request.tagging = Directive::Replace;
    request
        .attributes
        .user
        .insert("mode".into(), "33188".into());
    request.attributes.tags = vec![("t".into(), "2".into())];
    request.checksum = Some(ChecksumAlgorithm::Sha256);
    let copy = store.copy(&plain(), "s", request.clone()).await.unwrap();
    assert_eq!(
        copy.checksum.value,
        Checksum::of(ChecksumAlgorithm::Sha256, &bytes(1, 9000))
    );
    let found = get(store, &plain(), "s").await.unwrap();
    assert_eq!(found.info().attributes.user["mode"], "33188");
    assert_eq!(found.info().attributes.tags, request.attributes.tags);
    assert_eq!(drain(found).await.unwrap(), bytes(1, 9000));
    assert_eq!(blob_files(&lab, 1).await, 1);
    // To be sealed, the bytes are written anew.
    let mut request = copy_of(&plain(), "s");
    request.attributes.encryption = Encryption::Managed;
    store.copy(&plain(), "s", request).await.unwrap();
    assert_eq!(read(store, &plain(), "s").await, bytes(1, 9000));
    assert_eq!(blob_files(&lab, 1).await, 1);
    assert!(!contains(
        &all_files(&lab.path().join("blobs")),
        &bytes(1, 9000)[..64]
    ));
    let mut request = copy_of(&plain(), "s");
    request.source.conditions.if_match = Some(EtagMatch::parse("x"));
    match store.copy(&plain(), "d", request).await {
        Err(Error::PreconditionFailed { condition }) => {
            assert_eq!(condition.to_string(), "x-amz-copy-source-If-Match");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn copies_of_multipart_objects_have_a_plain_entity_tag() {
    let lab = Lab::new();
    let store = &lab.store;
    let parts = [bytes(1, 40_000), bytes(2, 50_000), bytes(3, 10)];
    let whole = parts.concat();
    let result = put_parts(store, &plain(), "s", &parts).await;
    assert!(result.etag.ends_with("-3"));
    let copy = store
        .copy(&plain(), "d", copy_of(&plain(), "s"))
        .await
        .unwrap();
    let reference = put(store, &plain(), "r", whole.clone()).await;
    assert_eq!(copy.etag, reference.etag);
    assert_eq!(copy.checksum, reference.checksum);
    let found = get(store, &plain(), "d").await.unwrap();
    assert_eq!(found.info().parts, None);
    assert_eq!(drain(found).await.unwrap(), whole);
    delete(store, &plain(), "s").await;
    assert_eq!(read(store, &plain(), "d").await, whole);
    // Neither a marker by version id nor a key whose newest version is one can be copied.
    let marker = delete(store, &versioned(), "gone").await.version_id;
    let mut request = copy_of(&versioned(), "gone");
    assert_eq!(
        store
            .copy(&plain(), "d", request.clone())
            .await
            .unwrap_err()
            .code(),
        "NoSuchKey"
    );
    request.source.version = marker;
    assert_eq!(
        store.copy(&plain(), "d", request).await.unwrap_err().code(),
        "InvalidRequest"
    );
    // An old version copied over the current one brings it back.
    let old = put(store, &versioned(), "v", "old").await.version_id;
    put(store, &versioned(), "v", "new").await;
    let mut request = copy_of(&versioned(), "v");
    request.source.version = old.clone();
    let back = store.copy(&versioned(), "v", request).await.unwrap();
    assert_eq!(back.source_version_id, old);
    assert_eq!(read(store, &versioned(), "v").await, b"old");
}

#[tokio::test]
async fn retired_buckets_refuse_writes_and_dropped_ones_are_gone() {
    let lab = Lab::new();
    let store = &lab.store;
    put(store, &plain(), "k", bytes(1, 5000)).await;
    assert_eq!(
        store.retire_bucket(&plain()).await.unwrap_err().code(),
        "BucketNotEmpty"
    );
    let late = store
        .begin_put(&plain(), "late", PutOptions::default())
        .await
        .unwrap();
    delete(store, &plain(), "k").await;
    store.retire_bucket(&plain()).await.unwrap();
    assert_eq!(
        late.finish(BodyChecks::default()).await.unwrap_err().code(),
        "NoSuchBucket"
    );
    store.restore_bucket(&plain()).await.unwrap();
    put(store, &plain(), "k", "v").await;
    for n in 0..1200 {
        if n % 400 == 0 {
            put_parts(store, &versioned(), "m", &[bytes(n, 3000)]).await;
        }
        delete(store, &versioned(), "k").await;
    }
    store.drop_bucket(&plain()).await.unwrap();
    assert!(store.is_empty(&plain()).await.unwrap());
    assert_eq!(store.usage(&plain()).await.unwrap(), Default::default());
    assert_eq!(blob_files(&lab, 0).await, 0);
    let lab = lab.reopen();
    let refused = put_with(&lab.store, &plain(), "k", "v", PutOptions::default()).await;
    assert_eq!(refused.unwrap_err().code(), "NoSuchBucket");
}

#[tokio::test]
async fn one_process_has_a_store_and_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    put(&lab.store, &plain(), "k", bytes(1, 5000)).await;
    let second = adit_objects::Store::open(&lab.path(), Default::default());
    assert!(second.err().unwrap().to_string().contains("lock"));
    let mut queue = vec![lab.path()];
    while let Some(path) = queue.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            mode,
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
        if path.is_dir() {
            queue.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
}

#[tokio::test]
async fn a_store_is_not_opened_with_another_master_key() {
    let lab = Lab::new();
    let (dir, key) = (lab.path(), lab.path().join("master.key"));
    let Lab {
        dir: keep, store, ..
    } = lab;
    drop(store);
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, [9; 32]).unwrap();
    assert!(adit_objects::Store::open(&dir, Default::default()).is_err());
    std::fs::remove_file(&key).unwrap();
    assert!(
        adit_objects::Store::open(&dir, Default::default()).is_err(),
        "nor without"
    );
    std::fs::write(&key, right).unwrap();
    assert!(adit_objects::Store::open(&dir, Default::default()).is_ok());
    drop(keep);
}
