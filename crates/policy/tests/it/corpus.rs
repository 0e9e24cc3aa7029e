//! What the fuzz targets once found interesting, again: nothing may panic, every line is answered.

use std::path::PathBuf;

use adit_policy::cli::{CheckRunOptions, DecideOptions, run_check, run_decide};
use adit_policy::{Policy, PolicyKind};

/// The files of a corpus; at least one, or the test would test nothing.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files: Vec<_> = entries
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn documents() {
    for data in corpus("policy_compile") {
        let documents = [("x", data.get(1..).unwrap_or_default())];
        let summary = run_check(documents, Vec::new(), &CheckRunOptions::default()).unwrap();
        assert_eq!(summary.files, 1);
        if let Ok(text) = std::str::from_utf8(documents[0].1) {
            for kind in [
                PolicyKind::Identity,
                PolicyKind::Bucket,
                PolicyKind::S3_GATEWAY,
            ] {
                if let Ok(policy) = Policy::compile(text, kind) {
                    assert_eq!(policy.text(), text);
                }
            }
        }
    }
}

#[test]
fn case_files() {
    for data in corpus("policy_cases") {
        let mut out = Vec::new();
        let options = DecideOptions {
            trace: true,
            expect: true,
        };
        let summary = run_decide(&*data, &mut out, &options).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap().lines().count() as u64,
            summary.cases
        );
    }
}
