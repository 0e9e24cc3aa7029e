//! Decisions that other projects' tests expect, in the case format of `adit policy decide`.
//!
//! The cases are not part of this repository: they are looked for in the folder `shared` beside it,
//! or where the variable says.

use std::io::BufReader;
use std::path::PathBuf;

use adit_policy::cli::{DecideOptions, run_decide};

/// Cases in which AWS's rules and the expectation differ, with the reason. None so far.
const ARGUED: &[(&str, &str)] = &[];

#[test]
fn every_target_case_agrees() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/targets/policy-cases.jsonl");
    let path = std::env::var_os("ADIT_POLICY_CASES").map_or(beside, PathBuf::from);
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: no case file at {}", path.display());
        return;
    };
    let mut out = Vec::new();
    let options = DecideOptions {
        trace: false,
        expect: true,
    };
    let summary = run_decide(BufReader::new(file), &mut out, &options).unwrap();
    let out = String::from_utf8(out).unwrap();
    let disagreeing: Vec<&str> = out
        .lines()
        .filter(|line| line.contains("\"expected\":") || line.contains("\"decision\":\"error\""))
        .filter(|line| !ARGUED.iter().any(|(id, _)| line.contains(id)))
        .collect();
    assert!(
        disagreeing.is_empty(),
        "{summary}\n{}",
        disagreeing.join("\n")
    );
    assert!(summary.cases > 300, "{summary}");
}
