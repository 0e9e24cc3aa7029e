//! What `verify` finds, and what readers see of damage.

use std::path::PathBuf;

use adit_objects::{Attributes, Bucket, Encryption, PutOptions};
use rusqlite::Connection;

use crate::lab::{Lab, bytes, drain, get, put, put_parts, put_with};

fn plain() -> Bucket {
    Bucket::new("b-1")
}

async fn filled() -> Lab {
    let lab = Lab::new();
    let sealed = PutOptions {
        attributes: Attributes {
            encryption: Encryption::Managed,
            ..Attributes::default()
        },
        ..PutOptions::default()
    };
    put(&lab.store, &plain(), "row", bytes(1, 900)).await;
    put(&lab.store, &plain(), "file", bytes(2, 400_000)).await;
    put_with(&lab.store, &plain(), "sealed", bytes(3, 400_000), sealed)
        .await
        .unwrap();
    put_parts(
        &lab.store,
        &plain(),
        "parts",
        &[bytes(4, 5000), bytes(5, 6000)],
    )
    .await;
    lab
}

fn index(lab: &Lab) -> Connection {
    Connection::open(lab.path().join("index.sqlite")).unwrap()
}

/// The file of an object, or of its first part.
fn file_of(lab: &Lab, key: &str) -> PathBuf {
    let name: String = index(lab)
        .query_row(
            "SELECT b.file FROM version v LEFT JOIN piece p ON p.version = v.id
             JOIN blob b ON b.id = coalesce(v.blob, p.blob) WHERE v.key = ?1 LIMIT 1",
            [key.as_bytes()],
            |row| row.get(0),
        )
        .unwrap();
    lab.path()
        .join("blobs")
        .join(&name[..2])
        .join(&name[2..3])
        .join(name)
}

#[tokio::test]
async fn a_sound_store_has_no_problems() {
    let lab = filled().await;
    let report = lab.store.verify().await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.versions, report.blobs, report.bytes),
        (4, 5, 811_900)
    );
}

#[tokio::test]
async fn flipped_bytes_are_found_and_not_served() {
    for (key, at) in [
        ("file", 0),
        ("file", 399_999),
        ("sealed", 70_000),
        ("parts", 4999),
    ] {
        let lab = filled().await;
        let path = file_of(&lab, key);
        let mut raw = std::fs::read(&path).unwrap();
        raw[at] ^= 0x10;
        std::fs::write(&path, raw).unwrap();
        let report = lab.store.verify().await.unwrap();
        assert_eq!(report.problem_count, 1, "{key}");
        let problem = &report.problems[0];
        assert_eq!(
            problem.object.as_deref(),
            Some(format!("b-1/{key} version null").as_str())
        );
        assert!(path.ends_with(&problem.place), "{}", problem.place);
        let served = match get(&lab.store, &plain(), key).await {
            Ok(object) => drain(object).await,
            Err(error) => Err(error),
        };
        assert_eq!(served.unwrap_err().code(), "InternalError", "{key}");
    }
}

#[tokio::test]
async fn lost_cut_and_lengthened_files_are_found() {
    let lab = filled().await;
    std::fs::remove_file(file_of(&lab, "parts")).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(file_of(&lab, "file"))
        .unwrap();
    file.set_len(399_999).unwrap();
    let sealed = std::fs::OpenOptions::new()
        .write(true)
        .open(file_of(&lab, "sealed"))
        .unwrap();
    sealed.set_len(500_000).unwrap();
    let report = lab.store.verify().await.unwrap();
    let mut objects: Vec<_> = report
        .problems
        .iter()
        .filter_map(|p| p.object.as_deref())
        .collect();
    objects.sort();
    let expected = [
        "b-1/file version null",
        "b-1/parts version null",
        "b-1/sealed version null",
    ];
    assert_eq!(objects, expected);
    assert!(
        get(&lab.store, &plain(), "parts").await.is_err(),
        "before an answer begins"
    );
}

#[tokio::test]
async fn a_damaged_index_is_found() {
    let changes = [
        (
            "UPDATE blob SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE data IS NOT NULL",
            "the checksum of a small object",
        ),
        (
            "UPDATE blob SET refs = 2 WHERE id = (SELECT min(id) FROM blob)",
            "the count of users",
        ),
        (
            "UPDATE bucket SET bytes = bytes + 1",
            "the counts of the bucket",
        ),
        (
            "UPDATE version SET size = size + 1 WHERE key = CAST('file' AS BLOB)",
            "the blob has another size",
        ),
        (
            "DELETE FROM piece WHERE number = 2",
            "the pieces do not add up",
        ),
        (
            "UPDATE version SET latest = 0 WHERE key = CAST('file' AS BLOB)",
            "the newest version is not",
        ),
        (
            "UPDATE blob SET md5 = zeroblob(16) WHERE id = (SELECT min(id) FROM blob)",
            "the MD5 differs",
        ),
    ];
    for (change, what) in changes {
        let lab = filled().await;
        assert!(index(&lab).execute(change, []).unwrap() > 0, "{change}");
        let report = lab.store.verify().await.unwrap();
        let found = report
            .problems
            .iter()
            .any(|problem| problem.what.contains(what));
        assert!(found, "{change}: {:?}", report.problems);
    }
}
