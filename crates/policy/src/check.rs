//! What AWS refuses to store, and what a careful reader would question.
//!
//! Errors are the first kind, warnings and notes the second. A policy that compiles can still have
//! errors here: it has a meaning, but not in this place.

mod conditions;
mod endpoint;
mod lockout;
mod names;
mod statements;

use std::collections::HashSet;

use crate::compiled::Compiled;
use crate::document::{self, Document, Findings};
use crate::finding::{Finding, Severity};
use crate::json::{self, NodeId, Tree};
use crate::kind::PolicyKind;
use crate::messages::{Dialect, Problem};
use crate::policy;

/// What is known about where a policy will be attached.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions<'a> {
    /// The bucket of a `Bucket` policy: resources must be its.
    pub bucket: Option<&'a str>,
    /// The ARN of the access point of an `AccessPoint` policy.
    pub access_point: Option<&'a str>,
    /// The account that owns the resource or identity.
    pub account: Option<&'a str>,
    /// Characters that this place holds, where it is not [`PolicyKind::size_limit`]'s.
    pub size_limit: Option<usize>,
    /// Leave out warnings and notes.
    pub errors_only: bool,
}

/// Checks a document as AWS would when it is stored, then (unless `errors_only`) as a careful reader.
/// In document order; no error among them means that AWS would store it.
///
/// ```
/// use adit_policy::{CheckOptions, PolicyKind, check};
/// let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*",
///     "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",
///     "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}}"#;
/// let findings = check(text, PolicyKind::S3_INTERFACE, &CheckOptions::default());
/// assert_eq!(findings[0].code, "absent-on-endpoint");
/// assert!(findings[0].help.contains("aws:VpcSourceIp"));
/// ```
pub fn check(text: &str, kind: PolicyKind, options: &CheckOptions<'_>) -> Vec<Finding> {
    let mut findings = Findings::new(text, kind);
    whole_text(text, kind, options, &mut findings);
    if let Some(tree) = policy::parse(text, &mut findings)
        && let Some(document) = document::read(&tree, kind, &mut findings)
    {
        let compiled = crate::compile::compile(&tree, &document, kind);
        let mut checker = Checker {
            tree: &tree,
            document: &document,
            compiled: &compiled,
            kind,
            options,
            findings,
        };
        checker.run();
        findings = checker.findings;
    }
    let mut list = findings.list;
    if options.errors_only {
        list.retain(|finding| finding.severity == Severity::Error);
    }
    list.sort_by_key(|finding| (finding.line, finding.column, finding.severity));
    list
}

/// Rules about the text as such.
fn whole_text(
    text: &str,
    kind: PolicyKind,
    options: &CheckOptions<'_>,
    findings: &mut Findings<'_>,
) {
    if findings.dialect == Dialect::S3 && !text.starts_with('{') && Tree::parse(text).is_ok() {
        let help = "nothing, not even white space, may precede it".to_owned();
        findings.error_at(0, String::new(), Problem::FirstByte, help);
    }
    let limit = kind.size_limit();
    let counted = |c: &char| limit.white_space_counts || !c.is_whitespace();
    let size = text.chars().filter(counted).count();
    let most = options.size_limit.unwrap_or(limit.characters);
    if size > most {
        let spaces = if limit.white_space_counts {
            "white space included"
        } else {
            "white space not counted"
        };
        let help = format!("it has {size} characters ({spaces}), at most {most} are stored");
        findings.error_at(0, String::new(), Problem::TooLarge, help);
    }
    if findings.dialect == Dialect::Iam {
        let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
            let help = format!("the character {c:?} cannot be stored; write it as a \\u escape");
            findings.error_at(at, String::new(), Problem::Characters, help);
        }
    }
}

/// A document that means something, about to be looked at closely.
struct Checker<'c, 't> {
    tree: &'c Tree<'t>,
    document: &'c Document,
    compiled: &'c Compiled,
    kind: PolicyKind,
    options: &'c CheckOptions<'c>,
    findings: Findings<'t>,
}

impl Checker<'_, '_> {
    fn run(&mut self) {
        self.version();
        self.sids();
        for at in 0..self.document.statements.len() {
            if self.findings.is_full() {
                return;
            }
            self.statement(at);
            self.conditions(at);
        }
        self.endpoint();
        self.lock_out();
    }

    fn error(&mut self, at: NodeId, problem: Problem<'_>, help: impl Into<String>) {
        self.findings.error(self.tree, at, problem, help.into());
    }

    fn warn(
        &mut self,
        at: NodeId,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.remark(Severity::Warning, at, code, message.into(), help.into());
    }

    fn note(
        &mut self,
        at: NodeId,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.remark(Severity::Note, at, code, message.into(), help.into());
    }

    fn remark(
        &mut self,
        severity: Severity,
        at: NodeId,
        code: &'static str,
        message: String,
        help: String,
    ) {
        if self.findings.is_full() {
            return;
        }
        let (line, column) = json::position(self.findings.text, self.tree.key_start(at));
        let path = self.tree.path(at);
        self.findings.list.push(Finding {
            severity,
            code,
            path,
            line,
            column,
            message,
            help,
        });
    }

    fn version(&mut self) {
        let root = self.tree.root();
        let must_be_new = matches!(
            self.kind,
            PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::ServiceControl
        );
        if self.document.variables {
            return;
        }
        let at = self.document.version.unwrap_or(root);
        if must_be_new {
            self.error(at, Problem::OldVersion, "write \"Version\": \"2012-10-17\"");
        } else if self.findings.text.contains("${") {
            self.warn(
                at,
                "literal-variable",
                "`${…}` is literal text in this policy",
                "variables are replaced only with \"Version\": \"2012-10-17\"",
            );
        } else if self.document.version.is_none() {
            self.note(
                at,
                "no-version",
                "no Version: the rules of 2008-10-17 apply",
                "write \"Version\": \"2012-10-17\"; it is the language's version, not the policy's date",
            );
        }
    }

    fn sids(&mut self) {
        let mut seen = HashSet::new();
        for statement in &self.document.statements {
            let Some(at) = statement.sid else {
                continue;
            };
            let sid = self.tree.text(at);
            let is_iam = self.findings.dialect == Dialect::Iam;
            if is_iam && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let help = format!("`{sid}` has other characters than letters and digits");
                self.error(at, Problem::SidFormat, help);
            }
            if sid.is_empty() {
                continue;
            }
            if !seen.insert(sid) {
                let help = format!("`{sid}` names an earlier statement too");
                if is_iam {
                    self.error(at, Problem::SidTwice, help);
                } else {
                    self.warn(
                        at,
                        "duplicate-sid",
                        "two statements have the same Sid",
                        help,
                    );
                }
            }
        }
    }
}
