//! Backups: whole or refused, and put back in one step.

use adit_store::backup::{Backup, BackupError, write};
use adit_store::{OpenError, Store};

use crate::home::{Etcd, account, patiently, put};

async fn made(directory: &std::path::Path, count: u64) -> Vec<u8> {
    let store = Store::open(directory).unwrap();
    for n in 0..count {
        put(&store, n).await;
    }
    let mut text = Vec::new();
    let files = [("ca/ca-key.pem".to_string(), b"key".to_vec())];
    write(&store.intent(), &files, &mut text).unwrap();
    text
}

#[tokio::test]
async fn a_backup_comes_back_whole() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = made(from.path(), 5).await;
    let before = patiently(|| Store::open(from.path())).intent();
    Backup::read(text.as_slice())
        .unwrap()
        .restore(to.path(), false)
        .unwrap();
    let store = Store::open(to.path()).unwrap();
    assert_eq!(store.intent().dump(), before.dump());
    assert_eq!(store.intent().generation, before.generation);
    assert_eq!(
        std::fs::read(to.path().join("ca/ca-key.pem")).unwrap(),
        b"key"
    );
    // And goes on from there.
    assert_eq!(put(&store, 9).await.intent.generation.0, 6);
}

#[tokio::test]
async fn a_state_is_replaced_only_when_told_and_only_when_nobody_uses_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup = made(from.path(), 2).await;
    let backup = Backup::read(backup.as_slice()).unwrap();
    let store = Store::open(to.path()).unwrap();
    for n in 10..14 {
        put(&store, n).await;
    }
    let refused = backup.restore(to.path(), true).unwrap_err();
    assert!(
        matches!(refused, BackupError::Open(OpenError::InUse(_))),
        "{refused}"
    );
    drop(store);
    patiently(|| Store::open(to.path()));
    let refused = loop {
        match backup.restore(to.path(), false).unwrap_err() {
            BackupError::Open(OpenError::InUse(_)) => std::thread::yield_now(),
            other => break other,
        }
    };
    assert!(matches!(refused, BackupError::NotEmpty(_)), "{refused}");
    assert_eq!(
        patiently(|| Store::open(to.path()))
            .intent()
            .accounts
            .size(),
        4
    );
    while let Err(BackupError::Open(OpenError::InUse(_))) = backup.restore(to.path(), true) {
        std::thread::yield_now();
    }
    let intent = patiently(|| Store::open(to.path())).intent();
    assert_eq!(intent.accounts.size(), 2);
    assert!(intent.get::<adit_model::Account>(account(1).id).is_some());
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused() {
    let from = tempfile::tempdir().unwrap();
    let text = String::from_utf8(made(from.path(), 3).await).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |n: usize| {
        let left: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != n)
            .map(|(_, l)| *l)
            .collect();
        left.join("\n")
    };
    for n in 0..lines.len() {
        assert!(
            Backup::read(without(n).as_bytes()).is_err(),
            "without line {n}"
        );
    }
    for end in 0..text.len() - 1 {
        assert!(
            Backup::read(&text.as_bytes()[..end]).is_err(),
            "cut at {end}"
        );
    }
    let changed = text.replace("\"a1\"", "\"b1\"").replace("a1", "b1");
    assert!(Backup::read(changed.as_bytes()).is_err());
    let newer = text.replace("\"adit_backup\":1", "\"adit_backup\":2");
    assert!(matches!(
        Backup::read(newer.as_bytes()),
        Err(BackupError::Newer(2))
    ));
    let outside = text.replace("ca/ca-key.pem", "../ca-key.pem");
    assert!(
        Backup::read(outside.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("inside")
    );
    assert!(Backup::read(&b"hello\n"[..]).is_err());
    assert!(Backup::read(&b""[..]).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_directory_can_go_into_an_etcd() {
    let (from, to, etcd) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        Etcd::start(),
    );
    let text = made(from.path(), 300).await;
    let backup = Backup::read(text.as_slice()).unwrap();
    let wish = etcd.options("one", false);
    let there = to.path().to_path_buf();
    tokio::task::spawn_blocking(move || backup.restore_to_etcd(&there, &wish, false))
        .await
        .unwrap()
        .unwrap();
    let store = patiently(|| Store::connect(to.path(), &etcd.options("two", false)));
    assert_eq!(store.intent().accounts.size(), 300);
}
