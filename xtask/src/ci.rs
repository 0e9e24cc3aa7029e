//! What CI runs, no more, no less: format, lints, documentation, house rules, tests.
//!
//! A failed step does not hide the later ones: every step runs, and the last lines say which failed
//! and how many tests passed.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::proc::{cargo, run as run_program};
use crate::tally::Tally;
use crate::{test, tidy};

/// Runs every step.
///
/// # Errors
/// Names the steps that failed.
pub(crate) fn run() -> Result<()> {
    let mut failed: Vec<&str> = Vec::new();
    for (name, work) in STEPS {
        if let Err(error) = timed(name, work) {
            eprintln!("xtask: {name}: {error:#}");
            failed.push(name);
        }
    }
    let mut sum = Tally::default();
    let tests = timed("tests", || {
        sum = test::all(&test::Options::default())?;
        if sum.failed > 0 {
            bail!("{} tests failed", sum.failed)
        } else {
            Ok(())
        }
    });
    if let Err(error) = tests {
        eprintln!("xtask: tests: {error:#}");
        // A suite that could not even start is not a suite without failures.
        sum.failed = sum.failed.max(1);
        failed.push("tests");
    }
    println!("{}", sum.plain_line());
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed: {}", failed.join(", "))
    }
}

/// A step before the tests.
type Work = fn() -> Result<()>;

const STEPS: [(&str, Work); 4] = [
    ("format", format),
    ("lints", lints),
    ("documentation", documentation),
    ("tidy", tidy::run),
];

fn format() -> Result<()> {
    run_program(cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run_program(cargo().args(arguments))
}

fn documentation() -> Result<()> {
    run_program(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn timed(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n==> {name}");
    let start = Instant::now();
    let result = work();
    println!("<== {name}: {} s", start.elapsed().as_secs());
    result
}
