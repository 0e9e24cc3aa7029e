//! Where a bucket's access logs go.

use adit_model::*;
use adit_wire::{Value, map};

use super::find;
use crate::context::{Answer, Ctx, View};
use crate::document;
use crate::input::Input;
use crate::refusal::Refusal;

const DOCUMENT: &str = "logging";

/// Whether the target lets the log service write is asked at each delivery, as policies may change.
pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, _: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    let status = input.get("BucketLoggingStatus");
    let enabled = status.get("LoggingEnabled");
    let text = match enabled.is_null() {
        true => None,
        false => {
            check(enabled, &bucket, draft)?;
            Some(document::write(status))
        }
    };
    if bucket.documents.get(DOCUMENT) != text.as_ref() {
        draft.edit::<Bucket>(&bucket.name, |bucket| match text {
            Some(text) => {
                bucket.documents.insert(DOCUMENT.to_string(), text);
            }
            None => {
                bucket.documents.remove(DOCUMENT);
            }
        });
    }
    Ok(Answer::done())
}

fn check(enabled: &Value, bucket: &Bucket, draft: &Draft) -> Result<(), Refusal> {
    if !enabled.get("TargetGrants").list().is_empty() {
        return Err(super::not_implemented("TargetGrants"));
    }
    let format = enabled
        .get("TargetObjectKeyFormat")
        .get("PartitionedPrefix");
    if format.get("PartitionDateSource").str() == Some("EventTime") {
        return Err(super::not_implemented("PartitionDateSource EventTime"));
    }
    let target = enabled.get("TargetBucket").str().unwrap_or_default();
    let there = draft
        .get::<Bucket>(target)
        .filter(|there| there.owner == bucket.owner && there.region == bucket.region);
    match there {
        Some(there) if there.origin.is_some() => {
            Err(super::not_implemented("Access logs in a bucket of an upstream"))
        }
        Some(_) => Ok(()),
        None => Err(Refusal::new(
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group.",
        )
        .with("TargetBucket", target)),
    }
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let kept = bucket.documents.get(DOCUMENT);
    Ok(kept
        .and_then(|text| document::read(text))
        .unwrap_or_else(|| map! {}))
}
