//! `adit policy`: the policy engine from a shell; needs no daemon.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use adit_policy::PolicyKind;
use adit_policy::cli::{
    CheckRunOptions, DecideOptions, MAX_LINE, kind_from_name, run_check, run_decide,
};
use anyhow::{Context, bail};

use crate::args::{Policy, PolicyAction};

pub(crate) fn run(options: &Policy) -> anyhow::Result<ExitCode> {
    match &options.action {
        PolicyAction::Check {
            files,
            kind,
            bucket,
            account,
            json,
            deny_warnings,
        } => {
            let kind = kind.as_deref().map(kind_of).transpose()?;
            let mut documents = Vec::new();
            for file in files {
                documents.push((file.display().to_string(), read(file)?));
            }
            let options = CheckRunOptions {
                kind,
                bucket: bucket.clone(),
                account: account.clone(),
                json: *json,
                deny_warnings: *deny_warnings,
            };
            let pairs = documents
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_bytes()));
            let summary = run_check(pairs, BufWriter::new(std::io::stdout().lock()), &options)?;
            Ok(ExitCode::from(summary.exit_status(&options)))
        }
        PolicyAction::Decide {
            cases,
            trace,
            expect,
        } => {
            let options = DecideOptions {
                trace: *trace,
                expect: *expect,
            };
            let out = BufWriter::new(std::io::stdout().lock());
            let summary = match is_standard_input(cases) {
                true => run_decide(std::io::stdin().lock(), out, &options)?,
                false => run_decide(BufReader::new(open(cases)?), out, &options)?,
            };
            let _ = writeln!(std::io::stderr(), "{summary}");
            Ok(ExitCode::from(summary.exit_status()))
        }
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A document, at most as long as a case may be.
fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let most = MAX_LINE as u64 + 1;
    let failed = || format!("cannot read `{}`", path.display());
    match is_standard_input(path) {
        true => std::io::stdin()
            .take(most)
            .read_to_string(&mut text)
            .with_context(failed)?,
        false => open(path)?
            .take(most)
            .read_to_string(&mut text)
            .with_context(failed)?,
    };
    if text.len() > MAX_LINE {
        bail!("`{}` is longer than {MAX_LINE} bytes", path.display());
    }
    Ok(text)
}

fn kind_of(word: &str) -> anyhow::Result<PolicyKind> {
    kind_from_name(word).with_context(|| {
        format!("--kind `{word}` is no kind of policy; see `adit policy check --help`")
    })
}
