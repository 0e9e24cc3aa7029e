//! What a directory adds.

use adit_model::{Account, Draft};
use adit_store::{OpenError, Store, WriteError};

use crate::home::{AUTHOR, Home, account, patiently, put};

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

/// A runtime of one thread, whose writer does the journal's work; and many writers, who do not.
#[tokio::test]
async fn alone_or_not_every_write_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Store::open(directory.path()).unwrap());
    for n in 0..5 {
        assert_eq!(put(&store, n).await.intent.generation.0, n + 1);
    }
    let writers: Vec<_> = (5..105)
        .map(|n| {
            let store = store.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.unwrap().block_on(put(&store, n)).intent.generation
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(store.intent().generation.0, 105);
    drop(store);
    let again = patiently(|| Store::open(directory.path()));
    assert_eq!(again.intent().accounts.size(), 105);
}

/// Where rows are is known in memory: what a failed write said of it must not stay.
#[tokio::test]
async fn a_write_that_the_file_refuses_leaves_no_mark() {
    let home = Home::directory();
    let store = home.open();
    put(&store, 1).await;
    let Home::Directory(directory) = &home else {
        panic!("it is a directory");
    };
    let other = rusqlite::Connection::open(directory.path().join("state.sqlite")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON resource WHEN NEW.key = '000000000003'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END;",
        )
        .unwrap();
    let refused = store
        .write::<_, ()>(AUTHOR, |draft| {
            draft.remove::<Account>(account(1).id);
            draft.put(account(2));
            draft.put(account(3));
            Ok(())
        })
        .await;
    match refused {
        Err(WriteError::Journal(why)) => assert!(why.contains("not this one"), "{why}"),
        other => panic!("{other:?}"),
    }
    other.execute_batch("DROP TRIGGER refuse;").unwrap();
    let work = |draft: &mut Draft| {
        draft.edit::<Account>(account(1).id, |one| one.name = "changed".into());
        draft.put(account(2));
        Ok::<_, ()>(())
    };
    store.write(AUTHOR, work).await.unwrap();
    let before = store.intent().dump();
    assert_eq!(before.len(), 2);
    drop((store, other));
    assert_eq!(home.open().intent().dump(), before);
}

#[test]
fn two_rows_of_one_resource_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    let row = "INSERT INTO resource (kind, key, body, generation) VALUES ('account', 'a',
        '{\"id\":\"000000000001\",\"canonical_id\":\"c\",\"name\":\"n\",\"created\":0}', 1);";
    let connection = rusqlite::Connection::open(directory.path().join("state.sqlite")).unwrap();
    connection.execute_batch(&row.repeat(2)).unwrap();
    drop(connection);
    let refused = patiently_refused(directory.path());
    assert!(refused.contains("two rows of account `a`"), "{refused}");
}

fn patiently_refused(directory: &std::path::Path) -> String {
    loop {
        match Store::open(directory) {
            Err(OpenError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other.unwrap_err().to_string(),
        }
    }
}
