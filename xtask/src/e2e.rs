//! The end-to-end tests: a private Python environment, then pytest against the release binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::proc::{cargo, output, root, run as run_program, run_tests, works};
use crate::tally::{Runner, Tally};

const REQUIREMENTS: &str = "tests/e2e/requirements.txt";

/// Runs pytest with these arguments, paths from the root of the repository.
///
/// # Errors
/// When the environment cannot be made or pytest cannot be started.
pub(crate) fn run(arguments: &[&str]) -> Result<Tally> {
    run_with(&[], arguments)
}

/// Runs pytest with these arguments and environment variables besides.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Tally> {
    let environment = environment()?;
    let mut command = Command::new(environment.join("bin/python"));
    command
        .args(["-m", "pytest"])
        .args(arguments)
        .env("ADIT_BIN", binary()?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .envs(variables.iter().copied());
    run_tests(Runner::Pytest, &mut command)
}

/// Runs the tests that others wrote with these arguments; see tests/targets/run.py.
///
/// # Errors
/// When the environment cannot be made or the script cannot go on.
pub(crate) fn targets(arguments: &[&str]) -> Result<()> {
    let environment = environment()?;
    let mut command = Command::new(environment.join("bin/python"));
    command
        .arg("tests/targets/run.py")
        .args(arguments)
        .env("ADIT_BIN", binary()?)
        .env("PYTHONUNBUFFERED", "1");
    run_program(&mut command)
}

/// Where cargo puts the release binary.
fn binary() -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("cannot read cargo's metadata")?;
    let Some(target) = metadata["target_directory"].as_str() else {
        bail!("cargo's metadata names no target directory");
    };
    Ok(Path::new(target).join("release/adit"))
}

/// The virtual environment, made when it is missing or was made for other requirements.
fn environment() -> Result<PathBuf> {
    let folder = root().join(".venv");
    let requirements = root().join(REQUIREMENTS);
    let text = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let python = output(Command::new("python3").arg("--version"))
        .context("the end-to-end tests need python3 (Debian: apt-get install python3-venv)")?;
    // The folder is part of the key: an environment that was moved has wrong paths inside.
    let key = fingerprint(&[&text, &python, &folder.to_string_lossy()]);
    let stamp = folder.join("made-for");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == key) {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove the old .venv")?;
    }
    make(&folder)?;
    run_program(Command::new(folder.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        REQUIREMENTS,
    ]))?;
    std::fs::write(&stamp, key).context("cannot write in .venv")?;
    Ok(folder)
}

fn make(folder: &Path) -> Result<()> {
    if works(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        return run_program(Command::new("python3").args(["-m", "venv"]).arg(folder));
    }
    if works(Command::new("virtualenv").arg("--version")) {
        return run_program(Command::new("virtualenv").arg(folder));
    }
    bail!(
        "python3 has no venv module: install it (Debian: apt-get install python3-venv) \
         or virtualenv (pip install virtualenv)"
    )
}

/// FNV-1a over the parts: stable between toolchains, and nobody attacks a cache key.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_fingerprint() {
        let one = fingerprint(&["a", "b", "c"]);
        assert_eq!(one, fingerprint(&["a", "b", "c"]));
        for other in [
            ["x", "b", "c"],
            ["a", "x", "c"],
            ["a", "b", "x"],
            ["ab", "", "c"],
        ] {
            assert_ne!(one, fingerprint(&other));
        }
    }

    #[test]
    fn requirements_are_pinned() {
        let text = std::fs::read_to_string(root().join(REQUIREMENTS)).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        for line in lines {
            assert!(line.contains("=="), "`{line}` names no version");
        }
    }
}
