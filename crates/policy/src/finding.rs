//! What is wrong, or worth a second look, in a policy document.

use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// AWS refuses to store the policy.
    Error,
    /// AWS stores it, but it hardly does what its author wants.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One observation about a policy document, tied to its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable name for programs: `duplicate-key`, `lock-out`.
    pub code: &'static str,
    /// The place inside the document: `Statement[1].Condition.StringEquals.aws:SourceVpce`; empty
    /// for the whole document.
    pub path: String,
    /// Line of the place, from 1.
    pub line: u32,
    /// Column of the place in characters, from 1.
    pub column: u32,
    /// For errors the text that AWS answers with, word for word where it is known; for the others
    /// our words.
    pub message: String,
    /// What exactly is at fault and what would mend it; may be empty.
    pub help: String,
}

impl Finding {
    /// Message and help in one sentence or two, with the path.
    pub fn explanation(&self) -> String {
        let mut text = self.message.clone();
        if !self.path.is_empty() {
            text.push_str(" (at ");
            text.push_str(&self.path);
            text.push(')');
        }
        if !self.help.is_empty() {
            text.push_str(": ");
            text.push_str(&self.help);
        }
        text
    }
}

impl fmt::Display for Finding {
    /// `3:14: error: Missing required field Action (at Statement[0]): … [missing-field]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = (self.line, self.column);
        let severity = self.severity.as_str();
        write!(
            f,
            "{line}:{column}: {severity}: {} [{}]",
            self.explanation(),
            self.code
        )
    }
}

/// Why a document is not a policy: at least one finding of severity error, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub(crate) Vec<Finding>);

impl Errors {
    /// The findings.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// AWS's text of the first one, for `MalformedPolicy` and `MalformedPolicyDocument` answers.
    pub fn message(&self) -> &str {
        self.0.first().map_or("", |finding| &finding.message)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
