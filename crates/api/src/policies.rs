//! Policies are checked when they are written, so that what is stored can be enforced.

use adit_model::{AccessPoint, AccountId};
use adit_policy::{CheckOptions, Finding, Policy, PolicyKind, Severity};

use crate::refusal::Refusal;

/// The first thing for which AWS would not store a policy in its place.
pub(crate) fn first_error(
    text: &str,
    kind: PolicyKind,
    owner: &AccountId,
    bucket: Option<&str>,
) -> Option<Finding> {
    let options = CheckOptions {
        bucket,
        account: Some(owner.as_str()),
        ..CheckOptions::default()
    };
    first_error_with(text, kind, &options)
}

/// Refuses what AWS would not store as the policy of an access point.
pub(crate) fn check_access_point(text: &str, point: &AccessPoint) -> Result<(), Refusal> {
    let arn = point.arn();
    let options = CheckOptions {
        access_point: Some(&arn),
        account: Some(point.owner.as_str()),
        ..CheckOptions::default()
    };
    match first_error_with(text, PolicyKind::AccessPoint, &options) {
        None => Ok(()),
        Some(finding) => Err(malformed(finding)),
    }
}

/// What S3 says of a policy that it does not store.
pub(crate) fn malformed(finding: Finding) -> Refusal {
    let refusal = Refusal::new("MalformedPolicy", finding.message);
    match finding.path.is_empty() {
        true => refusal,
        false => refusal.with("Detail", finding.path),
    }
}

fn first_error_with(text: &str, kind: PolicyKind, options: &CheckOptions<'_>) -> Option<Finding> {
    // What does not compile could not be enforced, whatever else may be said of it.
    if let Err(errors) = Policy::compile(text, kind)
        && let Some(finding) = errors.findings().first()
    {
        return Some(finding.clone());
    }
    let options = CheckOptions {
        errors_only: true,
        ..*options
    };
    let findings = adit_policy::check(text, kind, &options);
    findings
        .into_iter()
        .find(|finding| finding.severity == Severity::Error)
}
