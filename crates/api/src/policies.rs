//! Policies are checked when they are written, so that what is stored can be enforced.

use adit_model::AccountId;
use adit_policy::{CheckOptions, Finding, Policy, PolicyKind, Severity};

/// The first thing for which AWS would not store a policy in its place.
pub(crate) fn first_error(
    text: &str,
    kind: PolicyKind,
    owner: &AccountId,
    bucket: Option<&str>,
) -> Option<Finding> {
    // What does not compile could not be enforced, whatever else may be said of it.
    if let Err(errors) = Policy::compile(text, kind)
        && let Some(finding) = errors.findings().first()
    {
        return Some(finding.clone());
    }
    let options = CheckOptions {
        bucket,
        account: Some(owner.as_str()),
        errors_only: true,
        ..CheckOptions::default()
    };
    let findings = adit_policy::check(text, kind, &options);
    findings
        .into_iter()
        .find(|finding| finding.severity == Severity::Error)
}
