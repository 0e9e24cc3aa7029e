//! What the fuzz targets begin with, and what they once found interesting, again: by the same checks.

use std::path::PathBuf;

#[path = "../../../../fuzz/shared/wire.rs"]
mod wire;

/// Runs a target's check on its seeds and its corpus; there must be some.
fn replay(target: &str, check: fn(&[u8])) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut files = 0;
    for kind in ["seeds", "corpus"] {
        let folder = root.join(kind).join(target);
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
    }
    assert!(files > 3, "{target} has {files} files");
}

#[test]
fn requests() {
    replay("s3_request", wire::request);
}

#[test]
fn chunked_bodies() {
    replay("s3_chunked", wire::chunked);
}

#[test]
fn claims_and_forms() {
    replay("s3_auth", wire::auth);
}

#[test]
fn documents() {
    replay("s3_document", wire::document);
}
