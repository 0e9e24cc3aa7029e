//! The bodies of `adit policy decide` and `adit policy check`, as functions over readers and writers.

mod case;
mod review;

use std::io::{self, BufRead, Read, Write};

use crate::json::{self, Kind, Tree};

pub use review::{CheckRunOptions, CheckSummary, kind_from_name, run_check};

/// Longest line of a case file that is read, in bytes.
pub const MAX_LINE: usize = 16 << 20;

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
    /// With `expect`: errors where `error` was expected.
    pub expected_errors: u64,
    /// With `expect`: cases whose answer differs from `expected`.
    pub mismatches: u64,
}

impl DecideSummary {
    /// The exit status: 0, or 1 if there were errors that were not expected, or mismatches.
    pub fn exit_status(&self) -> u8 {
        u8::from(self.errors > self.expected_errors || self.mismatches > 0)
    }
}

impl std::fmt::Display for DecideSummary {
    /// `312 cases: 138 allowed, 174 denied, 0 errors, 0 mismatches`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let DecideSummary {
            cases,
            allowed,
            denied,
            errors,
            mismatches,
            ..
        } = self;
        write!(
            f,
            "{cases} cases: {allowed} allowed, {denied} denied, {errors} errors, \
             {mismatches} mismatches"
        )
    }
}

/// Decides the cases of a JSON Lines input, one answer line per case, in order:
/// `{"id":…,"decision":"allow"|"deny"|"error","detail":…}`, for errors also `"line"`, with
/// [`DecideOptions::trace`] also `"trace"`, with [`DecideOptions::expect`] also `"expected"` where
/// the answer differs.
///
/// A case has the fields `id`, `identityPolicies`, `resourcePolicy`, `endpointPolicies`,
/// `accessPointPolicy`, `boundary`, `sessionPolicy`, `scps`, `rcps`, `expected`, `endpointType`
/// (`interface`, the default, or `gateway`) and `request` with `principal`, `action`, `resource`,
/// `resourceAccount` and `context`. Missing or null means none. Errors are those of reading and
/// writing only.
pub fn run_decide(
    mut reader: impl BufRead,
    mut writer: impl Write,
    options: &DecideOptions,
) -> io::Result<DecideSummary> {
    let mut summary = DecideSummary::default();
    let mut line = Vec::new();
    let mut out = String::new();
    for number in 1_u64.. {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.trim_ascii_end();
        let is_too_long = line.len() > MAX_LINE && !line.ends_with(b"\n");
        if is_too_long {
            skip_line(&mut reader)?;
        }
        if text.is_empty() {
            continue;
        }
        out.clear();
        answer_line(text, number, is_too_long, options, &mut summary, &mut out);
        out.push('\n');
        writer.write_all(out.as_bytes())?;
    }
    writer.flush()?;
    Ok(summary)
}

/// Reads past the end of the line.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, found) = match reader.fill_buf()? {
            [] => return Ok(()),
            buffer => match memchr::memchr(b'\n', buffer) {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            },
        };
        reader.consume(used);
        if found {
            return Ok(());
        }
    }
}

/// Decides one line and appends the answer.
fn answer_line(
    line: &[u8],
    number: u64,
    is_too_long: bool,
    options: &DecideOptions,
    summary: &mut DecideSummary,
    out: &mut String,
) {
    summary.cases += 1;
    let tree = match std::str::from_utf8(line) {
        _ if is_too_long => Err(format!("the line is longer than {MAX_LINE} bytes")),
        Err(error) => Err(format!("not UTF-8 at byte {}", error.valid_up_to())),
        Ok(text) => Tree::parse(text).map_err(|error| {
            let (_, column) = json::position(text, error.at);
            format!("no JSON at column {column}: {}", error.problem)
        }),
    };
    let (id, expected) = match &tree {
        Ok(tree) => (member(tree, "id"), member(tree, "expected")),
        Err(_) => (None, None),
    };
    let answer = tree
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|tree| case::answer(tree, options.trace));
    out.push_str("{\"id\":");
    out.push_str(id.unwrap_or("null"));
    let (decision, detail, trace) = match answer {
        Ok(answer) if answer.decision.is_allowed() => ("allow", answer.detail, answer.trace),
        Ok(answer) => ("deny", answer.detail, answer.trace),
        Err(problem) => ("error", format!("line {number}: {problem}"), None),
    };
    match decision {
        "allow" => summary.allowed += 1,
        "deny" => summary.denied += 1,
        _ => {
            summary.errors += 1;
            out.push_str(&format!(",\"line\":{number}"));
        }
    }
    out.push_str(&format!(",\"decision\":\"{decision}\",\"detail\":"));
    json::push_string(out, &detail);
    if let Some(expected) = expected.filter(|_| options.expect) {
        if expected.trim_matches('"') != decision {
            summary.mismatches += 1;
            out.push_str(",\"expected\":");
            out.push_str(expected);
        } else if decision == "error" {
            summary.expected_errors += 1;
        }
    }
    if let Some(trace) = trace {
        out.push_str(",\"trace\":");
        out.push_str(&trace.to_json());
    }
    out.push('}');
}

/// A top-level member's JSON, if it is a string or a number.
fn member<'t>(tree: &Tree<'t>, name: &str) -> Option<&'t str> {
    let id = tree.member(tree.root(), name)?;
    matches!(tree.kind(id), Kind::String | Kind::Number).then(|| tree.source(id))
}
