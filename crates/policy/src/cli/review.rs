//! `adit policy check`: findings of documents, with line and column.

use std::io::{self, Write};

use crate::check::{CheckOptions, check};
use crate::facts::head_of;
use crate::finding::{Finding, Severity};
use crate::json::{Kind, NodeId, Tree, push_string};
use crate::kind::PolicyKind;

/// Options of `adit policy check`.
#[derive(Clone, Debug, Default)]
pub struct CheckRunOptions {
    /// Where the policies belong; `None`: guessed from each document and its name.
    pub kind: Option<PolicyKind>,
    /// The bucket of a bucket policy.
    pub bucket: Option<String>,
    /// The account that owns the bucket or identity.
    pub account: Option<String>,
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

impl std::fmt::Display for CheckSummary {
    /// `2 documents: 0 errors, 1 warnings, 3 notes`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CheckSummary {
            files,
            errors,
            warnings,
            notes,
        } = self;
        write!(
            f,
            "{files} documents: {errors} errors, {warnings} warnings, {notes} notes"
        )
    }
}

/// The kind of policy that a command line names: `identity`, `bucket`, `access-point`, `endpoint`
/// (an interface endpoint of S3), `gateway-endpoint`, `boundary`, `session`, `scp`, `rcp`, `trust` or
/// `resource`.
pub fn kind_from_name(name: &str) -> Option<PolicyKind> {
    Some(match name {
        "identity" => PolicyKind::Identity,
        "bucket" => PolicyKind::Bucket,
        "access-point" => PolicyKind::AccessPoint,
        "endpoint" | "interface-endpoint" => PolicyKind::S3_INTERFACE,
        "gateway-endpoint" => PolicyKind::S3_GATEWAY,
        "boundary" => PolicyKind::Boundary,
        "session" => PolicyKind::Session,
        "scp" => PolicyKind::ServiceControl,
        "rcp" => PolicyKind::ResourceControl,
        "trust" => PolicyKind::Trust,
        "resource" => PolicyKind::Resource,
        _ => return None,
    })
}

fn name_of(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Identity => "identity",
        PolicyKind::Bucket => "bucket",
        PolicyKind::AccessPoint => "access-point",
        PolicyKind::VpcEndpoint { gateway: true, .. } => "gateway-endpoint",
        PolicyKind::VpcEndpoint { .. } => "endpoint",
        PolicyKind::Boundary => "boundary",
        PolicyKind::Session => "session",
        PolicyKind::ServiceControl => "scp",
        PolicyKind::ResourceControl => "rcp",
        PolicyKind::Trust => "trust",
        PolicyKind::Resource => "resource",
    }
}

/// Checks documents given as (name, content) and prints `name:line:column: severity: …` lines, or one
/// JSON object per finding. Content that is not UTF-8 is one error. Errors are those of writing only.
pub fn run_check<'a>(
    documents: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    mut writer: impl Write,
    options: &CheckRunOptions,
) -> io::Result<CheckSummary> {
    let mut summary = CheckSummary::default();
    for (name, content) in documents {
        summary.files += 1;
        let (kind, findings) = match std::str::from_utf8(content) {
            Ok(text) => {
                let kind = options.kind.unwrap_or_else(|| guess(name, text));
                (kind, check(text, kind, &check_options(options, kind)))
            }
            Err(error) => (PolicyKind::Identity, vec![not_text(error.valid_up_to())]),
        };
        for finding in &findings {
            match finding.severity {
                Severity::Error => summary.errors += 1,
                Severity::Warning => summary.warnings += 1,
                Severity::Note => summary.notes += 1,
            }
            if options.json {
                writeln!(writer, "{}", json_line(name, kind, finding))?;
            } else {
                writeln!(writer, "{name}:{finding}")?;
            }
        }
        if options.kind.is_none() && !options.json {
            let kind = name_of(kind);
            writeln!(
                writer,
                "{name}: checked as a policy of kind {kind} (guessed; see --kind)"
            )?;
        }
    }
    writer.flush()?;
    Ok(summary)
}

fn check_options(options: &CheckRunOptions, kind: PolicyKind) -> CheckOptions<'_> {
    CheckOptions {
        bucket: options
            .bucket
            .as_deref()
            .filter(|_| kind == PolicyKind::Bucket),
        account: options.account.as_deref(),
        ..CheckOptions::default()
    }
}

fn not_text(offset: usize) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "not-utf8",
        path: String::new(),
        line: 1,
        column: 1,
        message: "the document is not UTF-8".to_owned(),
        help: format!("at byte {offset}"),
    }
}

fn json_line(name: &str, kind: PolicyKind, finding: &Finding) -> String {
    let mut out = String::from("{\"file\":");
    push_string(&mut out, name);
    let (line, column, severity) = (finding.line, finding.column, finding.severity.as_str());
    let (code, kind) = (finding.code, name_of(kind));
    out.push_str(&format!(
        ",\"kind\":\"{kind}\",\"line\":{line},\"column\":{column},\"severity\":\"{severity}\",\
         \"code\":\"{code}\""
    ));
    for (field, text) in [
        ("path", &finding.path),
        ("message", &finding.message),
        ("help", &finding.help),
    ] {
        out.push_str(&format!(",\"{field}\":"));
        push_string(&mut out, text);
    }
    out.push('}');
    out
}

/// Guesses where a document belongs: by words in its name, then by what its statements have.
fn guess(name: &str, text: &str) -> PolicyKind {
    let name = name
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or(name)
        .to_ascii_lowercase();
    let hints = [
        ("gateway", PolicyKind::S3_GATEWAY),
        ("endpoint", PolicyKind::S3_INTERFACE),
        ("vpce", PolicyKind::S3_INTERFACE),
        ("bucket", PolicyKind::Bucket),
        ("access-point", PolicyKind::AccessPoint),
        ("accesspoint", PolicyKind::AccessPoint),
        ("trust", PolicyKind::Trust),
        ("boundary", PolicyKind::Boundary),
        ("session", PolicyKind::Session),
        ("scp", PolicyKind::ServiceControl),
        ("rcp", PolicyKind::ResourceControl),
        ("identity", PolicyKind::Identity),
    ];
    if let Some((_, kind)) = hints.iter().find(|(word, _)| name.contains(word)) {
        return *kind;
    }
    Tree::parse(text).map_or(PolicyKind::Identity, |tree| guess_from_statements(&tree))
}

fn guess_from_statements(tree: &Tree<'_>) -> PolicyKind {
    let Some(statement) = tree.member(tree.root(), "Statement") else {
        return PolicyKind::Identity;
    };
    let statements: Vec<NodeId> = match tree.kind(statement) {
        Kind::Array => tree.children(statement).collect(),
        _ => vec![statement],
    };
    let has = |names: [&str; 2]| {
        statements
            .iter()
            .any(|id| names.iter().any(|name| tree.member(*id, name).is_some()))
    };
    if !has(["Principal", "NotPrincipal"]) {
        return PolicyKind::Identity;
    }
    if !has(["Resource", "NotResource"]) {
        return PolicyKind::Trust;
    }
    let texts = |name: &str| -> Vec<&str> {
        let members = statements.iter().filter_map(|id| tree.member(*id, name));
        let values = members.flat_map(|id| match tree.kind(id) {
            Kind::Array => tree.children(id).collect(),
            _ => vec![id],
        });
        values.map(|id| tree.text(id)).collect()
    };
    let (actions, resources) = (texts("Action"), texts("Resource"));
    let is_s3 = |action: &&str| *action == "*" || action.to_ascii_lowercase().starts_with("s3:");
    if !actions.is_empty() && !actions.iter().any(is_s3) {
        return PolicyKind::Resource;
    }
    if !resources.is_empty() && resources.iter().all(|text| text.contains(":accesspoint/")) {
        return PolicyKind::AccessPoint;
    }
    // A bucket's policy names one bucket; an endpoint's names several, or patterns.
    let mut buckets: Vec<&str> = resources.iter().map(|text| head_of(text)).collect();
    buckets.dedup();
    match buckets.as_slice() {
        [one] if one.starts_with("arn:") && !crate::pattern::has_wildcard(one) => {
            PolicyKind::Bucket
        }
        _ => PolicyKind::S3_INTERFACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_guessed() {
        let statement = |rest: &str| format!(r#"{{"Statement":{{"Effect":"Allow",{rest}}}}}"#);
        for (name, rest, kind) in [
            (
                "x.json",
                r#""Action":"s3:*","Resource":"*""#,
                PolicyKind::Identity,
            ),
            (
                "x.json",
                r#""Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*""#,
                PolicyKind::Bucket,
            ),
            (
                "x.json",
                r#""Principal":"*","Action":"s3:*","Resource":"*""#,
                PolicyKind::S3_INTERFACE,
            ),
            (
                "x.json",
                r#""Principal":"*","Action":"sts:AssumeRole""#,
                PolicyKind::Trust,
            ),
            (
                "x.json",
                r#""Principal":"*","Action":"sns:Publish","Resource":"*""#,
                PolicyKind::Resource,
            ),
            (
                "my-endpoint.json",
                r#""Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"#,
                PolicyKind::S3_INTERFACE,
            ),
        ] {
            assert_eq!(guess(name, &statement(rest)), kind, "{rest}");
        }
        for kind in [
            "identity",
            "bucket",
            "access-point",
            "endpoint",
            "gateway-endpoint",
            "boundary",
            "session",
            "scp",
            "rcp",
            "trust",
            "resource",
        ] {
            assert_eq!(name_of(kind_from_name(kind).unwrap()), kind);
        }
    }
}
