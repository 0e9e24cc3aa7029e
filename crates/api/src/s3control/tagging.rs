//! Tags of what S3 Control names by ARN: access points and buckets.

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::Input;
use crate::refusal::Refusal;
use crate::s3::settings;

/// What an ARN of the caller's names.
enum Named {
    Point(String),
    Bucket(BucketName),
}

fn named(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Named, Refusal> {
    let arn = input.text("ResourceArn").unwrap_or_default();
    let none = || {
        Refusal::new("NoSuchResource", "The specified resource doesn't exist.")
            .with("ResourceArn", arn)
    };
    if let Some(name) = arn.strip_prefix("arn:aws:s3:::") {
        let bucket = intent.get::<Bucket>(name).ok_or_else(none)?;
        return match bucket.owner == ctx.caller.account {
            true => Ok(Named::Bucket(bucket.name.clone())),
            false => Err(none()),
        };
    }
    let (account, region) = (ctx.caller.account.as_str(), ctx.region.as_str());
    let front = AccessPoint::arn_of(account, region, "");
    let name = arn.strip_prefix(&front).ok_or_else(none)?;
    let key = AccessPoint::key_of(account, region, name);
    match intent.get::<AccessPoint>(&key) {
        Some(_) => Ok(Named::Point(key)),
        None => Err(none()),
    }
}

fn tags_of(named: &Named, intent: &Intent) -> Tags {
    match named {
        Named::Point(key) => intent.get::<AccessPoint>(key).map(|p| p.tags.clone()),
        Named::Bucket(name) => intent.get::<Bucket>(name).map(|b| b.tags.clone()),
    }
    .unwrap_or_default()
}

fn set(named: &Named, draft: &mut Draft, tags: Tags) {
    if tags_of(named, draft) == tags {
        return;
    }
    match named {
        Named::Point(key) => {
            draft.edit::<AccessPoint>(key, |point| point.tags = tags);
        }
        Named::Bucket(name) => {
            draft.edit::<Bucket>(name, |bucket| bucket.tags = tags);
        }
    }
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let named = named(input, view.intent, ctx)?;
    Ok(map! { "Tags" => tags(&tags_of(&named, view.intent)) })
}

pub(crate) fn tag(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let named = named(input, draft, ctx)?;
    let mut all = tags_of(&named, draft);
    all.extend(settings::read_tags(input.get("Tags"))?);
    if all.len() > 50 {
        return Err(Refusal::new(
            "BadRequest",
            "The tag count cannot be greater than 50",
        ));
    }
    set(&named, draft, all);
    Ok(Answer::done())
}

pub(crate) fn untag(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let named = named(input, draft, ctx)?;
    let mut all = tags_of(&named, draft);
    for key in input.texts("TagKeys") {
        all.remove(key);
    }
    set(&named, draft, all);
    Ok(Answer::done())
}
