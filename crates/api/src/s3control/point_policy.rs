//! Policies of access points: checked when written, returned as they were given.

use adit_model::*;
use adit_policy::{Policy, PolicyKind};
use adit_wire::{Value, map};

use super::access_point::find;
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::policies;
use crate::refusal::Refusal;

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let point = find(input, draft, ctx)?;
    let text = input.text("Policy").unwrap_or_default();
    policies::check_access_point(text, &point)?;
    let account = draft.get::<AccountPublicAccessBlock>(&point.owner);
    let block = account.map_or(PublicAccessBlock::OFF, |kept| kept.block);
    if point.public_access_block.and(block).block_public_policy && is_public(&point, text) {
        return Err(Refusal::new(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: s3:PutAccessPointPolicy on resource: \"{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
                ctx.caller.arn,
                point.arn()
            ),
        ));
    }
    if point.policy.as_deref() != Some(text) {
        draft.edit::<AccessPoint>(point.key(), |point| point.policy = Some(text.to_string()));
    }
    Ok(Answer::done())
}

/// Whether a policy lets the public in. Through an access point of a VPC nobody comes who is public.
fn is_public(point: &AccessPoint, text: &str) -> bool {
    point.vpc.is_none()
        && Policy::compile(text, PolicyKind::AccessPoint).is_ok_and(|policy| policy.is_public())
}

fn policy_of(point: &AccessPoint) -> Result<&str, Refusal> {
    point.policy.as_deref().ok_or_else(|| {
        Refusal::new(
            "NoSuchAccessPointPolicy",
            "The specified accesspoint policy does not exist",
        )
        .with("AccessPointName", point.name.as_str())
    })
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let point = find(input, view.intent, ctx)?;
    Ok(map! { "Policy" => policy_of(&point)? })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let point = find(input, draft, ctx)?;
    if point.policy.is_some() {
        draft.edit::<AccessPoint>(point.key(), |point| point.policy = None);
    }
    Ok(Answer::done())
}

pub(crate) fn status(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let point = find(input, view.intent, ctx)?;
    let public = is_public(&point, policy_of(&point)?);
    Ok(map! { "PolicyStatus" => map! { "IsPublic" => public } })
}
