//! Bucket policies: checked when written, returned as they were given [s3-policy §A.8].

use adit_model::*;
use adit_policy::{Policy, PolicyKind};
use adit_wire::{Value, map};

use super::{find, owner_only, settings};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::policies;
use crate::refusal::Refusal;

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    owner_only(&bucket, ctx)?;
    let text = match input.get("Policy") {
        Value::Str(text) => text.as_str(),
        Value::Blob(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    };
    let name = Some(bucket.name.as_str());
    if let Some(finding) = policies::first_error(text, PolicyKind::Bucket, &bucket.owner, name) {
        return Err(policies::malformed(finding));
    }
    if settings::block_of(&bucket, draft).block_public_policy && is_public(text) {
        return Err(Refusal::new(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \"{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
                ctx.caller.arn,
                bucket.arn()
            ),
        ));
    }
    if bucket.policy.as_deref() != Some(text) {
        draft.edit::<Bucket>(&bucket.name, |bucket| {
            bucket.policy = Some(text.to_string())
        });
    }
    Ok(Answer::done())
}

/// Whether a policy lets the public in; one that cannot be read lets nobody in.
fn is_public(text: &str) -> bool {
    Policy::compile(text, PolicyKind::Bucket).is_ok_and(|policy| policy.is_public())
}

fn none(bucket: &Bucket) -> Refusal {
    Refusal::new("NoSuchBucketPolicy", "The bucket policy does not exist")
        .with("BucketName", bucket.name.as_str())
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    owner_only(&bucket, ctx)?;
    let text = bucket.policy.as_ref().ok_or_else(|| none(&bucket))?;
    Ok(map! { "Policy" => text })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    owner_only(&bucket, ctx)?;
    if bucket.policy.is_some() {
        draft.edit::<Bucket>(&bucket.name, |bucket| bucket.policy = None);
    }
    Ok(Answer::done())
}

pub(crate) fn status(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let text = bucket.policy.as_ref().ok_or_else(|| none(&bucket))?;
    Ok(map! { "PolicyStatus" => map! { "IsPublic" => is_public(text) } })
}
