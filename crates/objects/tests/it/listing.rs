//! Listings, page by page.

use adit_objects::{
    Bucket, ListQuery, ListStart, NewUpload, Store, UploadQuery, VersionQuery, Versioning,
};

use crate::lab::{Lab, delete, put, upload_part};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

/// Everything a listing shows, in pages of `max`: keys and common prefixes, as two lists.
async fn list(
    store: &Store,
    prefix: &str,
    delimiter: &str,
    max: usize,
    by_marker: bool,
) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    let mut start = ListStart::Beginning;
    loop {
        let query = ListQuery {
            prefix: prefix.into(),
            delimiter: delimiter.into(),
            start,
            max_keys: max,
        };
        let page = store.list(&plain(), &query).await.unwrap();
        assert!(page.objects.len() + page.common_prefixes.len() <= max);
        keys.extend(page.objects.into_iter().map(|entry| entry.key));
        prefixes.extend(page.common_prefixes);
        assert_eq!(page.truncated, page.next_token.is_some());
        if !page.truncated {
            return (keys, prefixes);
        }
        start = match by_marker {
            true => ListStart::After(page.next_marker.unwrap()),
            false => ListStart::Token(page.next_token.unwrap()),
        };
    }
}

#[tokio::test]
async fn pages_of_any_size_show_the_same() {
    let lab = Lab::new();
    let mut keys = vec![
        "a",
        "a/",
        "a/1",
        "a/2",
        "a/b/c",
        "a/b/d",
        "ab",
        "b//x",
        "b//y",
        "c--1",
        "c--2",
        "d",
        "é/1",
        "é/2",
        "\u{10ffff}/x",
    ];
    for key in &keys {
        put(&lab.store, &plain(), key, *key).await;
    }
    keys.sort();
    let fold = |prefix: &str, delimiter: &str| {
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for key in keys.iter().filter(|key| key.starts_with(prefix)) {
            let at = if delimiter.is_empty() {
                None
            } else {
                key[prefix.len()..].find(delimiter)
            };
            match at {
                Some(at) => {
                    let rolled = key[..prefix.len() + at + delimiter.len()].to_owned();
                    if prefixes.last() != Some(&rolled) {
                        prefixes.push(rolled);
                    }
                }
                None => objects.push((*key).to_owned()),
            }
        }
        (objects, prefixes)
    };
    for prefix in ["", "a", "a/", "a/b", "b/", "é", "x", "\u{10ffff}"] {
        for delimiter in ["", "/", "--", "//", "b"] {
            let expected = fold(prefix, delimiter);
            for max in [1, 2, 3, 7, 1000] {
                for by_marker in [false, true] {
                    let seen = list(&lab.store, prefix, delimiter, max, by_marker).await;
                    assert_eq!(
                        seen, expected,
                        "prefix {prefix} delimiter {delimiter} max {max} {by_marker}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn odd_questions_get_s3s_answers() {
    let lab = Lab::new();
    for key in ["a/1", "a/2", "b"] {
        put(&lab.store, &plain(), key, "v").await;
    }
    let ask = |query: ListQuery| {
        let store = lab.store.clone();
        async move { store.list(&plain(), &query).await }
    };
    let none = ask(ListQuery {
        max_keys: 0,
        ..ListQuery::default()
    })
    .await
    .unwrap();
    assert_eq!(
        none,
        Default::default(),
        "max-keys=0 is empty and not truncated"
    );
    let inside = ListQuery {
        delimiter: "/".into(),
        start: ListStart::After("a/1".into()),
        ..ListQuery::default()
    };
    assert_eq!(
        ask(inside).await.unwrap().common_prefixes,
        ["a/"],
        "keys are left after the marker"
    );
    let at = ListQuery {
        delimiter: "/".into(),
        start: ListStart::After("a/".into()),
        ..ListQuery::default()
    };
    assert!(ask(at).await.unwrap().common_prefixes.is_empty());
    for token in ["", "garbage", "YWJj"] {
        let query = ListQuery {
            start: ListStart::Token(token.into()),
            ..ListQuery::default()
        };
        assert_eq!(ask(query).await.unwrap_err().code(), "InvalidArgument");
    }
    let page = lab
        .store
        .list(&Bucket::new("unknown"), &ListQuery::default())
        .await
        .unwrap();
    assert_eq!(page, Default::default());
    let entry = &ask(ListQuery {
        prefix: "b".into(),
        ..ListQuery::default()
    })
    .await
    .unwrap()
    .objects[0];
    assert_eq!(
        (
            entry.size,
            entry.storage_class.as_str(),
            entry.last_modified
        ),
        (1, "STANDARD", lab.now())
    );
}

#[tokio::test]
async fn deleted_keys_are_not_listed_but_their_versions_are() {
    let lab = Lab::new();
    let store = &lab.store;
    let versioned = plain().versioned(Versioning::Enabled);
    let mut expected = Vec::new();
    for key in ["a/1", "b", "c/1", "c/2"] {
        let mut of_key = Vec::new();
        for round in 0..4 {
            of_key.push((
                key,
                put(store, &versioned, key, round.to_string())
                    .await
                    .version_id
                    .unwrap(),
                false,
            ));
        }
        if key != "b" {
            of_key.push((
                key,
                delete(store, &versioned, key).await.version_id.unwrap(),
                true,
            ));
        }
        of_key.reverse();
        expected.extend(of_key);
    }
    let page = store.list(&versioned, &ListQuery::default()).await.unwrap();
    assert_eq!(
        page.objects
            .iter()
            .map(|e| e.key.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
    for max in [1, 2, 3, 5, 1000] {
        let mut seen = Vec::new();
        let mut query = VersionQuery {
            max_keys: max,
            ..VersionQuery::default()
        };
        loop {
            let page = store.list_versions(&versioned, &query).await.unwrap();
            assert!(page.versions.len() <= max);
            seen.extend(
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
        assert_eq!(seen.len(), expected.len());
        let mut last = "";
        for ((key, id, marker, latest), expected) in seen.iter().zip(&expected) {
            assert_eq!(
                (key.as_str(), id, *marker),
                (expected.0, &expected.1, expected.2)
            );
            assert_eq!(*latest, key != last);
            last = key;
        }
    }
    let folded = VersionQuery {
        delimiter: "/".into(),
        max_keys: 1,
        ..VersionQuery::default()
    };
    let page = store.list_versions(&versioned, &folded).await.unwrap();
    assert_eq!(
        (
            page.common_prefixes,
            page.next_key_marker.as_deref(),
            page.next_version_marker
        ),
        (vec!["a/".into()], Some("a/"), None)
    );
    let next = VersionQuery {
        key_marker: Some("a/".into()),
        max_keys: 100,
        ..folded
    };
    let page = store.list_versions(&versioned, &next).await.unwrap();
    assert_eq!(
        (page.versions.len(), page.common_prefixes),
        (4, vec!["c/".to_owned()])
    );
    let without_key = VersionQuery {
        version_marker: Some(expected[0].1.clone()),
        ..VersionQuery::default()
    };
    assert_eq!(
        store
            .list_versions(&versioned, &without_key)
            .await
            .unwrap_err()
            .code(),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn uploads_and_parts_are_listed_in_pages() {
    let lab = Lab::new();
    let store = &lab.store;
    let mut expected = Vec::new();
    for key in ["a/1", "a/1", "a/1", "b", "c/1"] {
        lab.advance(1000);
        let upload = NewUpload {
            initiator: Some("me".into()),
            ..NewUpload::default()
        };
        let info = store.create_upload(&plain(), key, upload).await.unwrap();
        expected.push((key.to_owned(), info.upload_id, info.initiated));
    }
    for max in [1, 2, 1000] {
        let mut seen = Vec::new();
        let mut query = UploadQuery {
            max_uploads: max,
            ..UploadQuery::default()
        };
        loop {
            let page = store.list_uploads(&plain(), &query).await.unwrap();
            seen.extend(
                page.uploads
                    .into_iter()
                    .map(|u| (u.key, u.upload_id, u.initiated)),
            );
            if !page.truncated {
                break;
            }
            (query.key_marker, query.upload_id_marker) =
                (page.next_key_marker, page.next_upload_id_marker);
        }
        assert_eq!(seen, expected);
    }
    let folded = UploadQuery {
        delimiter: "/".into(),
        ..UploadQuery::default()
    };
    let page = store.list_uploads(&plain(), &folded).await.unwrap();
    assert_eq!(
        (page.uploads.len(), page.common_prefixes),
        (1, vec!["a/".into(), "c/".into()])
    );

    let upload = &expected[3].1;
    for number in [5, 1, 3] {
        upload_part(
            store,
            &plain(),
            "b",
            upload,
            number,
            vec![0; number as usize],
        )
        .await
        .unwrap();
    }
    let (info, page) = store.list_parts(&plain(), "b", upload, 0, 2).await.unwrap();
    assert_eq!(info.initiator.as_deref(), Some("me"));
    let numbers: Vec<u32> = page.parts.iter().map(|entry| entry.part_number).collect();
    assert_eq!(
        (numbers, page.truncated, page.next_marker),
        (vec![1, 3], true, 3)
    );
    let (_, page) = store.list_parts(&plain(), "b", upload, 3, 2).await.unwrap();
    assert_eq!(
        (
            page.parts[0].part_number,
            page.parts[0].part.size,
            page.truncated
        ),
        (5, 5, false)
    );
}
