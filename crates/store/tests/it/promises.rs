//! What holds wherever the intent lives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_model::{Account, AccountId, Generation};
use adit_store::WriteError;

use crate::home::{AUTHOR, Home, account, put};

async fn a_refused_write_leaves_no_mark(home: Home) {
    let store = home.open();
    let refused = store
        .write(AUTHOR, |draft| -> Result<(), &str> {
            draft.put(account(1));
            Err("no")
        })
        .await;
    assert!(matches!(refused, Err(WriteError::Refused("no"))));
    assert_eq!(store.intent().accounts.size(), 0);
    assert_eq!(store.intent().generation, Generation(0));
}

async fn generations_count_transactions_and_survive(home: Home) {
    {
        let store = Arc::new(home.open());
        let writers: Vec<_> = (0..50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { put(&store, n).await.intent.generation })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for writer in writers {
            seen.insert(writer.await.unwrap());
        }
        assert_eq!(seen.len(), 50, "each write has its own generation");
        assert_eq!(store.intent().generation, Generation(50));
    }
    let store = home.open();
    assert_eq!(store.intent().accounts.size(), 50);
    assert_eq!(store.intent().generation, Generation(50));
    assert_eq!(put(&store, 99).await.intent.generation, Generation(51));
}

async fn unchanged_makes_no_generation(home: Home) {
    let store = home.open();
    put(&store, 1).await;
    let read = store
        .write::<_, ()>(AUTHOR, |draft| Ok(draft.accounts.size()))
        .await
        .unwrap();
    assert_eq!((read.value, read.intent.generation), (1, Generation(1)));
}

async fn what_was_deleted_stays_deleted(home: Home) {
    let before = {
        let store = home.open();
        for n in 0..3 {
            put(&store, n).await;
        }
        let id: AccountId = "000000000001".parse().unwrap();
        let done = store
            .write::<_, ()>(AUTHOR, |draft| Ok(draft.remove::<Account>(&id)))
            .await
            .unwrap();
        assert!(done.value.is_some());
        done.intent.dump()
    };
    assert_eq!(before.len(), 2);
    assert_eq!(home.open().intent().dump(), before);
}

async fn a_follower_sees_an_intent_before_its_writer(home: Home) {
    let store = home.open();
    put(&store, 0).await;
    let newest = Arc::new(AtomicU64::new(0));
    let shown = newest.clone();
    store.follow(move |intent| {
        let before = shown.swap(intent.generation.0, Ordering::SeqCst);
        assert!(before <= intent.generation.0, "history goes on");
    });
    assert_eq!(
        newest.load(Ordering::SeqCst),
        1,
        "it begins with what is there"
    );
    for n in 1..20 {
        let written = put(&store, n).await.intent.generation;
        let seen = newest.load(Ordering::SeqCst);
        assert!(seen >= written.0, "{seen} of {written}");
    }
}

/// Few keys, changed and removed and made again, several in one write and in many at once.
async fn what_was_written_often_is_there_once(home: Home) {
    let before = {
        let store = Arc::new(home.open());
        let mut random = 1u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..20 {
            let writers: Vec<_> = (0..8)
                .map(|_| {
                    let steps: Vec<(u64, u64)> = (0..3).map(|_| (next(9), next(3))).collect();
                    let store = store.clone();
                    tokio::spawn(async move {
                        let work = |draft: &mut adit_model::Draft| {
                            for (n, what) in &steps {
                                let mut new = account(*n);
                                new.created = draft.generation.0 as i64;
                                match what {
                                    0 => drop(draft.remove::<Account>(&new.id)),
                                    _ => drop(draft.put(new)),
                                }
                            }
                            Ok::<_, ()>(())
                        };
                        store.write(AUTHOR, work).await.unwrap();
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
        }
        store.intent().dump()
    };
    assert_eq!(home.open().intent().dump(), before);
}

macro_rules! on_both {
    ($($test:ident as $name:ident;)*) => {
        mod directory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$test(super::Home::directory()).await }
            )*
        }
        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$test(super::Home::etcd()).await }
            )*
        }
    };
}

on_both! {
    a_refused_write_leaves_no_mark as i1_a_refused_write_leaves_no_mark;
    generations_count_transactions_and_survive as i3_generations_count_transactions_and_survive;
    unchanged_makes_no_generation as unchanged_makes_no_generation;
    a_follower_sees_an_intent_before_its_writer as a_follower_sees_an_intent_before_its_writer;
    what_was_deleted_stays_deleted as what_was_deleted_stays_deleted;
    what_was_written_often_is_there_once as what_was_written_often_is_there_once;
}
