//! What the store promises, on a real directory.

use adit_model::{Account, AccountId};

use super::*;

const AUTHOR: Author<'static> = Author {
    who: "adit",
    operation: "test",
};

fn account(n: u64) -> Account {
    let id: AccountId = format!("{n:012}").parse().unwrap();
    Account {
        id,
        canonical_id: "c".into(),
        name: format!("a{n}"),
        created: 0,
    }
}

async fn put(store: &Store, n: u64) -> Committed<()> {
    store
        .write::<_, ()>(AUTHOR, |draft| {
            draft.put(account(n));
            Ok(())
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn i1_a_refused_write_leaves_no_mark() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_generations_count_transactions_and_survive() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = Arc::new(Store::open(directory.path()).unwrap());
        let writers: Vec<_> = (0..50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { put(&store, n).await.intent.generation })
            })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for writer in writers {
            seen.insert(writer.await.unwrap());
        }
        assert_eq!(seen.len(), 50, "each write has its own generation");
        assert_eq!(store.intent().generation, Generation(50));
    }
    let store = reopen(directory.path());
    assert_eq!(store.intent().accounts.size(), 50);
    assert_eq!(store.intent().generation, Generation(50));
    assert_eq!(put(&store, 99).await.intent.generation, Generation(51));
}

/// The journal thread lets go of the lock a moment after its store is dropped.
fn reopen(directory: &Path) -> Store {
    for _ in 0..200 {
        match Store::open(directory) {
            Err(OpenError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other.unwrap(),
        }
    }
    panic!("the lock was never released");
}

#[tokio::test]
async fn unchanged_makes_no_generation() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    put(&store, 1).await;
    let read = store
        .write::<_, ()>(AUTHOR, |draft| Ok(draft.accounts.size()))
        .await
        .unwrap();
    assert_eq!((read.value, read.intent.generation), (1, Generation(1)));
}

#[test]
fn a_second_process_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Store::open(directory.path()).unwrap();
    let second = Store::open(directory.path()).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
}

#[test]
fn a_damaged_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("state.sqlite"),
        "this is not a database, not at all",
    )
    .unwrap();
    let error = Store::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("state.sqlite") && error.contains("damaged"),
        "{error}"
    );
}

#[test]
fn secrets_are_in_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let _store = Store::open(directory.path()).unwrap();
    let mode = std::fs::metadata(directory.path().join("state.sqlite"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
