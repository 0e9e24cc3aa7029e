//! Fuzzing: every target for a while, built with the compiler's own coverage and nothing else installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::proc::{cargo, root, run as run_program};

/// What tells the fuzzer which code an input reaches.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// With a target named, the flags are not the build scripts'.
#[cfg(target_arch = "aarch64")]
const TARGET: &str = "aarch64-unknown-linux-gnu";
#[cfg(not(target_arch = "aarch64"))]
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Seconds for each target, unless `ADIT_FUZZ_SECONDS` says otherwise.
const SECONDS: &str = "300";

/// Runs every target, or those that `ADIT_FUZZ_TARGETS` names, one after the other.
///
/// # Errors
/// When a target cannot be built, or finds something: the input is in `fuzz/artifacts`.
pub(crate) fn run() -> Result<()> {
    let fuzz = root().join("fuzz");
    let seconds = std::env::var("ADIT_FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let only = std::env::var("ADIT_FUZZ_TARGETS").unwrap_or_default();
    let built = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory).join("fuzz"),
        None => fuzz.join("target"),
    };
    let mut build = cargo();
    build
        .args(["build", "--release", "--target", TARGET])
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", &built)
        .env("RUSTFLAGS", FLAGS);
    run_program(&mut build)?;
    let mut failed = Vec::new();
    for target in targets(&fuzz)? {
        if !only.is_empty() && !only.split(',').any(|name| name == target) {
            continue;
        }
        let found = built.join("found").join(&target);
        let artifacts = fuzz.join("artifacts").join(&target);
        for folder in [&found, &artifacts] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut program = Command::new(built.join(TARGET).join("release").join(&target));
        program
            .arg(format!("-max_total_time={seconds}"))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(&found);
        // What is known already: read, never written.
        for kind in ["corpus", "seeds"] {
            let known = fuzz.join(kind).join(&target);
            if known.is_dir() {
                program.arg(known);
            }
        }
        if run_program(&mut program).is_err() {
            failed.push(target);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("found something: {}", failed.join(", ")),
    }
}

/// The names of all targets, in order.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let files =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        if let Some(name) = path.file_stem() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
