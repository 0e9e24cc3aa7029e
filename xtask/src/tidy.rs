//! The house rules that a program can check: who may depend on whom, what the core may not know,
//! licences, words that do not belong in the repository, module docs, `unsafe`, pages that nobody finds.
//!
//! Each rule is a pure function from what was read to a list of findings, so that each rule has
//! tests that make it fail.

mod arrows;
mod licences;
mod pages;
mod sources;
mod words;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::proc::{cargo, output, root};
use workspace::Workspace;

/// Checks every rule.
///
/// # Errors
/// When a rule is broken (each finding is printed) or the repository cannot be read.
pub(crate) fn run() -> Result<()> {
    let workspace = read_workspace()?;
    let mut findings = arrows::check(&workspace);
    findings.extend(arrows::check_purity(&workspace));
    findings.extend(arrows::check_sql(&workspace));
    findings.extend(licences::check(&workspace));
    let mut files = BTreeSet::new();
    let mut documents = BTreeMap::new();
    for path in tracked_files()? {
        let Some(text) = read_text(&path)? else {
            continue;
        };
        findings.extend(words::check(&path, &text));
        findings.extend(sources::check(&path, &text));
        if path.ends_with(".md") {
            documents.insert(path.clone(), text);
        }
        files.insert(path);
    }
    findings.extend(pages::check(&documents, &files));
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    match findings.len() {
        0 => {
            println!(
                "tidy: {} packages looked at, nothing found",
                workspace.packages.len()
            );
            Ok(())
        }
        n => bail!("{n} findings"),
    }
}

fn read_workspace() -> Result<Workspace> {
    let host = output(Command::new("rustc").arg("-vV"))?
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc does not name its host")?;
    let text = output(cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        &host,
    ]))?;
    Workspace::parse(&text)
}

/// Paths of the files git knows, relative to the repository root, and of new ones it would not ignore.
fn tracked_files() -> Result<Vec<String>> {
    let text = output(Command::new("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    Ok(text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The file's text; `None` for what is not a text file.
fn read_text(path: &str) -> Result<Option<String>> {
    let full = root().join(Path::new(path));
    match std::fs::read(&full) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        // Deleted a moment ago, or a nested checkout.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}
