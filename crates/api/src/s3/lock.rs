//! Object Lock of a bucket: once a bucket has it, it keeps it and its versions for good.

use adit_model::*;
use adit_snapshot::bucket::ObjectLock;
use adit_wire::{Value, map};

use super::{find, settings};
use crate::context::{Answer, Ctx, View};
use crate::document;
use crate::input::Input;
use crate::refusal::Refusal;

/// The longest default retention [S3 User Guide: Object Lock considerations].
const MOST_DAYS: i64 = 36_500;
const MOST_YEARS: i64 = 100;

/// Gives Object Lock to a bucket that is being made.
pub(super) fn enable(bucket: &mut Bucket) {
    bucket.versioning = Some("Enabled".to_string());
    let text = document::write(&map! { "ObjectLockEnabled" => "Enabled" });
    bucket
        .documents
        .insert(ObjectLock::DOCUMENT.to_string(), text);
}

/// Whether a bucket has Object Lock.
pub(super) fn is_enabled(bucket: &Bucket) -> bool {
    bucket.documents.contains_key(ObjectLock::DOCUMENT)
}

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, _: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    let configuration = input.get("ObjectLockConfiguration");
    check(configuration)?;
    if bucket.versioning.as_deref() != Some("Enabled") {
        return Err(invalid_state(
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            &bucket,
        ));
    }
    let text = document::write(configuration);
    if bucket.documents.get(ObjectLock::DOCUMENT) != Some(&text) {
        draft.edit::<Bucket>(&bucket.name, |bucket| {
            bucket
                .documents
                .insert(ObjectLock::DOCUMENT.to_string(), text);
        });
    }
    Ok(Answer::done())
}

/// The refusal of a change that Object Lock and versioning do not allow each other.
pub(super) fn invalid_state(text: &str, bucket: &Bucket) -> Refusal {
    settings::none("InvalidBucketState", text, bucket)
}

fn check(configuration: &Value) -> Result<(), Refusal> {
    if configuration.get("ObjectLockEnabled").str() != Some("Enabled") {
        return Err(settings::malformed());
    }
    let rule = configuration.get("Rule");
    if rule.is_null() {
        return Ok(());
    }
    let default = rule.get("DefaultRetention");
    if !matches!(default.get("Mode").str(), Some("GOVERNANCE" | "COMPLIANCE")) {
        return Err(settings::malformed());
    }
    let (length, most) = match (default.get("Days").int(), default.get("Years").int()) {
        (Some(days), None) => (days, MOST_DAYS),
        (None, Some(years)) => (years, MOST_YEARS),
        _ => return Err(settings::malformed()),
    };
    match length {
        _ if length < 1 => Err(Refusal::new(
            "InvalidRetentionPeriod",
            "Default retention period must be a positive integer value.",
        )),
        _ if length > most => Err(Refusal::new(
            "InvalidRetentionPeriod",
            "Default retention period is too large.",
        )),
        _ => Ok(()),
    }
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let kept = bucket.documents.get(ObjectLock::DOCUMENT);
    match kept.and_then(|text| document::read(text)) {
        Some(configuration) => Ok(map! { "ObjectLockConfiguration" => configuration }),
        None => Err(settings::none(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
            &bucket,
        )),
    }
}
