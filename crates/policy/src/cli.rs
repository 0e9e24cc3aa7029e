//! The bodies of `adit policy decide` and `adit policy check`, as functions over readers and writers.

use std::io::{self, BufRead, Write};

use crate::kind::PolicyKind;

/// Options of `adit policy decide`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecideOptions {
    /// Print the trace of each decision.
    pub trace: bool,
    /// Compare with each case's `expected`.
    pub expect: bool,
}

/// What `adit policy decide` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecideSummary {
    /// Lines that were not blank.
    pub cases: u64,
    /// Decided allow.
    pub allowed: u64,
    /// Decided deny.
    pub denied: u64,
    /// Not decided: malformed line, policy or request.
    pub errors: u64,
    /// With `expect`: cases whose answer differs from `expected`.
    pub mismatches: u64,
}

impl DecideSummary {
    /// The exit status: 0, or 1 if there were errors or mismatches.
    pub fn exit_status(&self) -> u8 {
        u8::from(self.errors > 0 || self.mismatches > 0)
    }
}

/// Decides the cases of a JSON Lines input, one answer line per case, in order.
pub fn run_decide(
    reader: impl BufRead,
    writer: impl Write,
    options: &DecideOptions,
) -> io::Result<DecideSummary> {
    let _ = (reader, writer, options);
    Err(io::Error::other("cases cannot be decided yet"))
}

/// Options of `adit policy check`.
#[derive(Clone, Debug, Default)]
pub struct CheckRunOptions {
    /// Where the policies belong; `None`: guessed from each document.
    pub kind: Option<PolicyKind>,
    /// The bucket of a bucket policy.
    pub bucket: Option<String>,
    /// Findings as JSON Lines instead of text.
    pub json: bool,
    /// Exit with 1 for warnings too.
    pub deny_warnings: bool,
}

/// What `adit policy check` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// Documents looked at.
    pub files: u64,
    /// Errors found.
    pub errors: u64,
    /// Warnings found.
    pub warnings: u64,
    /// Notes found.
    pub notes: u64,
}

impl CheckSummary {
    /// The exit status: 0, or 1 if there were errors (or warnings, with `deny_warnings`).
    pub fn exit_status(&self, options: &CheckRunOptions) -> u8 {
        u8::from(self.errors > 0 || options.deny_warnings && self.warnings > 0)
    }
}

/// Checks documents given as (name, text) and prints `name:line:column: severity: …` lines.
pub fn run_check<'a>(
    documents: impl IntoIterator<Item = (&'a str, &'a str)>,
    writer: impl Write,
    options: &CheckRunOptions,
) -> io::Result<CheckSummary> {
    let _ = (documents.into_iter().count(), writer, options);
    Err(io::Error::other("policies cannot be checked yet"))
}
