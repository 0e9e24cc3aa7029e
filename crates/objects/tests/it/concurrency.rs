//! Many at once: one winner, nothing torn, nothing older than what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use adit_objects::{
    BodyChecks, Bucket, EtagMatch, ListQuery, PutOptions, Store, Versioning, WriteConditions,
};
use tokio::task::JoinSet;

use crate::lab::{Lab, blob_files, bytes, delete, drain, get, put, put_parts, put_with, read};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

fn with(if_match: Option<&str>, if_none_match: Option<&str>) -> PutOptions {
    PutOptions {
        conditions: WriteConditions {
            if_match: if_match.map(EtagMatch::parse),
            if_none_match: if_none_match.map(EtagMatch::parse),
        },
        ..PutOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_creations_have_one_winner() {
    let lab = Lab::new();
    for round in 0..20u64 {
        let key = format!("k{round}");
        let mut tasks = JoinSet::new();
        for n in 0..12u64 {
            let (store, key) = (lab.store.clone(), key.clone());
            tasks.spawn(async move {
                // Half of the bodies are in files.
                let body = bytes(n, 100 + 4000 * (n as usize % 2));
                let mut writer = store
                    .begin_put(&plain(), &key, with(None, Some("*")))
                    .await?;
                writer.write(body).await?;
                tokio::task::yield_now().await;
                writer
                    .finish(BodyChecks::default())
                    .await
                    .map(|result| (n, result.etag))
            });
        }
        let results = tasks.join_all().await;
        let winners: Vec<_> = results.iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        let (n, _) = winners[0];
        assert_eq!(
            read(&lab.store, &plain(), &key).await,
            bytes(*n, 100 + 4000 * (*n as usize % 2))
        );
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(error.code(), "PreconditionFailed");
        }
    }
    assert_eq!(lab.store.verify().await.unwrap().problems, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn compare_and_swap_loses_no_update() {
    let lab = Lab::new();
    put(&lab.store, &plain(), "counter", "0").await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = lab.store.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while done < 25 {
                let object = get(&store, &plain(), "counter").await.unwrap();
                let etag = object.info().etag.clone();
                let count: u64 = String::from_utf8(drain(object).await.unwrap())
                    .unwrap()
                    .parse()
                    .unwrap();
                // Each number has an entity tag of its own, so nothing comes back unseen.
                match put_with(
                    &store,
                    &plain(),
                    "counter",
                    (count + 1).to_string(),
                    with(Some(&etag), None),
                )
                .await
                {
                    Ok(_) => done += 1,
                    Err(error) => {
                        assert!(
                            ["PreconditionFailed", "ConditionalRequestConflict"]
                                .contains(&error.code())
                        );
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(read(&lab.store, &plain(), "counter").await, b"200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_read_and_listed() {
    let lab = Lab::new();
    let mut tasks = JoinSet::new();
    for n in 0..8u64 {
        let store = lab.store.clone();
        tasks.spawn(async move {
            let key = format!("t/{n}");
            for round in 0..40 {
                let size = [10, 5000][round as usize % 2];
                put(&store, &plain(), &key, bytes(n * 1000 + round, size)).await;
                for _ in 0..2 {
                    assert_eq!(
                        read(&store, &plain(), &key).await,
                        bytes(n * 1000 + round, size)
                    );
                }
                assert_eq!(listed(&store, &key).await, Some(size as u64));
                if round % 4 == 3 {
                    delete(&store, &plain(), &key).await;
                    assert_eq!(
                        get(&store, &plain(), &key).await.unwrap_err().code(),
                        "NoSuchKey"
                    );
                    assert_eq!(listed(&store, &key).await, None);
                }
            }
        });
    }
    tasks.join_all().await;
    assert!(lab.store.is_empty(&plain()).await.unwrap());
    assert_eq!(blob_files(&lab, 0).await, 0);
}

async fn listed(store: &Store, key: &str) -> Option<u64> {
    let query = ListQuery {
        prefix: "t/".into(),
        ..ListQuery::default()
    };
    let page = store.list(&plain(), &query).await.unwrap();
    page.objects
        .iter()
        .find(|entry| entry.key == key)
        .map(|entry| entry.size)
}

/// Readers see one version or another or none, never a mixture, while files go under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_are_never_torn() {
    let lab = Lab::new();
    let stop = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU32::new(0));
    let mut readers = JoinSet::new();
    for n in 0..4 {
        let (store, stop, reads) = (lab.store.clone(), stop.clone(), reads.clone());
        readers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let key = ["whole", "parts"][n % 2];
                let Ok(object) = get(&store, &plain(), key).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let size = object.info().size as usize;
                let body = drain(object).await.unwrap();
                // Every body says of itself which it is: all its bytes are its number.
                assert!(body.iter().all(|byte| *byte == body[0]), "torn");
                assert_eq!(size, 300_000 + usize::from(body[0]));
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 1..=60u8 {
        let body = vec![round; 300_000 + usize::from(round)];
        put(&lab.store, &plain(), "whole", body.clone()).await;
        let (first, rest) = body.split_at(100_000);
        let (second, third) = rest.split_at(100_000);
        let parts = [first, second, third].map(bytes::Bytes::copy_from_slice);
        put_parts(&lab.store, &plain(), "parts", &parts).await;
        if round % 8 == 0 {
            delete(&lab.store, &plain(), "whole").await;
            delete(&lab.store, &plain(), "parts").await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    readers.join_all().await;
    assert!(reads.load(Ordering::Relaxed) > 20, "{reads:?}");
    delete(&lab.store, &plain(), "whole").await;
    delete(&lab.store, &plain(), "parts").await;
    assert_eq!(blob_files(&lab, 0).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_is_retired_or_written_never_both() {
    let lab = Lab::new();
    for round in 0..30 {
        let bucket = Bucket::new(format!("b-{round}")).versioned(Versioning::Enabled);
        let (store, to) = (lab.store.clone(), bucket.clone());
        let write =
            tokio::spawn(
                async move { put_with(&store, &to, "k", "v", PutOptions::default()).await },
            );
        let (store, to) = (lab.store.clone(), bucket.clone());
        let retire = tokio::spawn(async move { store.retire_bucket(&to).await });
        let (written, retired) = (write.await.unwrap(), retire.await.unwrap());
        assert_ne!(written.is_ok(), retired.is_ok(), "{written:?} {retired:?}");
        assert_eq!(lab.store.is_empty(&bucket).await.unwrap(), retired.is_ok());
    }
}
