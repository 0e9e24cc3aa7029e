//! States of earlier versions are read by today's code, those of later ones are refused in words.

use std::path::Path;

use adit_model::Intent;
use adit_store::{OpenError, Store};

use crate::home::{AUTHOR, patiently};

/// The state of the first version, with every kind of resource there was, as its own code wrote it.
const FIRST: &str = include_str!("fixtures/state-1.sql");

fn state_of(text: &str, directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join("state.sqlite")).unwrap();
    connection.execute_batch(text).unwrap();
}

#[test]
fn the_first_version_is_read_whole() {
    let directory = tempfile::tempdir().unwrap();
    state_of(FIRST, directory.path());
    let intent = Store::open(directory.path()).unwrap().intent();
    let rows = FIRST.matches("INSERT INTO \"resource\"").count();
    assert_eq!(intent.dump().len(), rows, "every row is read");
    let kinds: std::collections::BTreeSet<_> = intent
        .dump()
        .into_iter()
        .map(|(kind, ..)| kind.name())
        .collect();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    let events = FIRST.matches("INSERT INTO \"event\"").count() as u64;
    assert_eq!(intent.generation.0, events);
    // What it says is what it said: members, tags, the policy as it was written.
    let vpc = intent
        .vpcs
        .values()
        .find(|v| v.tags.get("Name").is_some_and(|n| n == "first"));
    let vpc = vpc.expect("the tagged VPC");
    assert_eq!(intent.in_vpc::<adit_model::VpcEndpoint>(&vpc.id).count(), 2);
    assert_eq!(intent.in_vpc::<adit_model::Site>(&vpc.id).count(), 1);
    assert_eq!(intent.buckets.size(), 1);
    // What today's code writes of it, it reads again.
    let mut again = Intent::default();
    for (kind, key, body) in intent.dump() {
        again.load(kind.name(), &key, &body).unwrap();
    }
    assert_eq!(again.dump(), intent.dump());
}

/// The state of the second version: the same rows with an index of their keys.
#[tokio::test]
async fn the_second_version_is_read_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    state_of(FIRST, directory.path());
    state_of(
        "ALTER TABLE resource RENAME TO first;
         CREATE TABLE resource (
             id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL,
             body TEXT NOT NULL, generation INTEGER NOT NULL, UNIQUE (kind, key)
         );
         INSERT INTO resource (kind, key, body, generation)
             SELECT kind, key, body, generation FROM first ORDER BY generation;
         DROP TABLE first;
         PRAGMA user_version = 2;",
        directory.path(),
    );
    let open = || patiently(|| Store::open(directory.path()));
    let store = open();
    let rows = FIRST.matches("INSERT INTO \"resource\"").count();
    assert_eq!(store.intent().dump().len(), rows, "every row is read");
    // What was there is changed and removed where it is, and the rest is left alone.
    let key = store.intent().buckets.keys().next().unwrap().clone();
    let vpc = store.intent().vpcs.keys().next().unwrap().clone();
    let work = |draft: &mut adit_model::Draft| {
        draft.remove::<adit_model::Bucket>(&key);
        draft.edit::<adit_model::Vpc>(&vpc, |vpc| {
            vpc.tags.insert("k".into(), "v".into());
        });
        Ok::<_, ()>(())
    };
    store.write(AUTHOR, work).await.unwrap();
    let before = store.intent().dump();
    assert_eq!(before.len(), rows - 1);
    drop(store);
    assert_eq!(open().intent().dump(), before);
}

#[test]
fn a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    state_of(FIRST, directory.path());
    state_of("PRAGMA user_version = 99;", directory.path());
    let refused = Store::open(directory.path()).unwrap_err();
    assert!(
        matches!(refused, OpenError::Newer { found: 99, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("use a newer adit"));
}

#[test]
fn a_resource_of_an_unknown_kind_is_named() {
    let directory = tempfile::tempdir().unwrap();
    state_of(FIRST, directory.path());
    let row =
        "INSERT INTO resource (kind, key, body, generation) VALUES ('teapot', 't-1', '{}', 1);";
    state_of(row, directory.path());
    let refused = Store::open(directory.path()).unwrap_err().to_string();
    assert!(refused.contains("teapot"), "{refused}");
}
