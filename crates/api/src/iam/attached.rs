//! Managed policies of users, groups and roles, and permissions boundaries.

use adit_model::*;
use adit_wire::{Value, map};

use super::entity::{Bounded, Entity, named};
use super::managed_policy::{document, name_of, path_of};
use super::{check_arn, page};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The ARN of a policy that the caller's account can attach.
fn attachable<'a>(
    input: &Input<'a>,
    parameter: &'static str,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<&'a str, Refusal> {
    let arn = input.required(parameter)?;
    check_arn(arn)?;
    match document(intent, &ctx.caller.account, arn) {
        Some(_) => Ok(arn),
        None => Err(Refusal::new(
            "NoSuchEntity",
            format!("Policy {arn} does not exist or is not attachable."),
        )),
    }
}

pub(crate) fn attach<E: Entity>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    let arn = attachable(input, "PolicyArn", draft, ctx)?;
    // Attaching again changes nothing.
    if !entity.attached().contains(arn) {
        quotas::POLICIES_PER_IDENTITY.check(draft, || entity.attached().len())?;
        draft.edit::<E>(entity.key(), |entity| {
            entity.attached_mut().insert(arn.to_string());
        });
    }
    Ok(Answer::done())
}

pub(crate) fn detach<E: Entity>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    let arn = input.required("PolicyArn")?;
    check_arn(arn)?;
    if !entity.attached().contains(arn) {
        return Err(Refusal::new(
            "NoSuchEntity",
            format!("Policy {arn} was not found."),
        ));
    }
    draft.edit::<E>(entity.key(), |entity| {
        entity.attached_mut().remove(arn);
    });
    Ok(Answer::done())
}

pub(crate) fn list<E: Entity>(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let entity = named::<E>(input, view.intent, ctx)?;
    let prefix = input.text("PathPrefix").unwrap_or("/");
    let wanted = entity.attached().iter();
    let wanted = wanted.filter(|arn| path_of(arn).starts_with(prefix));
    page(
        input,
        "AttachedPolicies",
        wanted,
        |arn| arn.to_string(),
        |arn| show(arn),
    )
}

/// An attached policy as lists show it.
pub(super) fn show(arn: &str) -> Value {
    map! { "PolicyName" => name_of(arn), "PolicyArn" => arn }
}

/// The boundary that a new or existing entity is given; none when the request has none.
pub(super) fn boundary(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Option<String>, Refusal> {
    match input.text("PermissionsBoundary") {
        None => Ok(None),
        Some(_) => {
            attachable(input, "PermissionsBoundary", intent, ctx).map(|arn| Some(arn.into()))
        }
    }
}

pub(crate) fn put_boundary<E: Bounded>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    let arn = attachable(input, "PermissionsBoundary", draft, ctx)?.to_string();
    draft.edit::<E>(entity.key(), |entity| *entity.boundary_mut() = Some(arn));
    Ok(Answer::done())
}

pub(crate) fn delete_boundary<E: Bounded>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    draft.edit::<E>(entity.key(), |entity| *entity.boundary_mut() = None);
    Ok(Answer::done())
}
