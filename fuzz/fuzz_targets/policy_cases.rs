//! Any bytes as a case file: every line that is not blank gets one answer.
#![no_main]

use adit_policy::cli::{CheckRunOptions, DecideOptions, run_check, run_decide};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut out = Vec::new();
    let options = DecideOptions {
        trace: true,
        expect: true,
    };
    let summary = run_decide(data, &mut out, &options).expect("no input or output can fail here");
    let out = String::from_utf8(out).expect("answers are text");
    assert_eq!(out.lines().count() as u64, summary.cases);
    assert_eq!(
        summary.allowed + summary.denied + summary.errors,
        summary.cases
    );
    let mut out = Vec::new();
    let checked = run_check(
        [("x", data)],
        &mut out,
        &CheckRunOptions {
            json: true,
            ..CheckRunOptions::default()
        },
    );
    assert_eq!(checked.expect("no output can fail here").files, 1);
});
