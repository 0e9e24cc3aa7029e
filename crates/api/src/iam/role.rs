//! Roles.

use adit_model::*;
use adit_policy::PolicyKind;
use adit_wire::{Map, Value, map};

use super::entity::{named, refuse_taken, show_role, under};
use super::{attached, check_document, check_name, check_path, conflict, constraint, page, tagged};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// Longest description.
const DESCRIPTION: usize = 1000;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.required("RoleName")?;
    check_name("RoleName", name, 64)?;
    let path = input.text("Path").unwrap_or("/");
    check_path("Path", path)?;
    let trust = input.required("AssumeRolePolicyDocument")?;
    check_document(trust, PolicyKind::Trust, ctx)?;
    let description = description(input)?;
    let max_session = max_session(input)?.unwrap_or(3600);
    let boundary = attached::boundary(input, draft, ctx)?;
    refuse_taken::<Role>(draft, ctx, name)?;
    let role = draft.put(Role {
        account: ctx.caller.account.clone(),
        name: name.to_string(),
        path: path.to_string(),
        unique_id: ctx.ids.unique("AROA"),
        description,
        trust: trust.to_string(),
        max_session,
        inline_policies: Default::default(),
        attached: Default::default(),
        boundary,
        tags: tagged::read(input)?,
        created: ctx.now,
    });
    Ok(Answer::from(map! { "Role" => show_role(&role, true) }))
}

fn description(input: &Input<'_>) -> Result<Option<String>, Refusal> {
    match input.text("Description") {
        Some(text) if text.chars().count() > DESCRIPTION => Err(constraint(
            "Description",
            text,
            "Member must have length less than or equal to 1000",
        )),
        text => Ok(text.map(str::to_string)),
    }
}

fn max_session(input: &Input<'_>) -> Result<Option<u32>, Refusal> {
    let Some(seconds) = input.get("MaxSessionDuration").int() else {
        return Ok(None);
    };
    let rule = match seconds {
        ..3600 => "Member must have value greater than or equal to 3600",
        43_201.. => "Member must have value less than or equal to 43200",
        fine => return Ok(u32::try_from(fine).ok()),
    };
    Err(constraint("MaxSessionDuration", &seconds.to_string(), rule))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let role = named::<Role>(input, view.intent, ctx)?;
    Ok(map! { "Role" => show_role(&role, true) })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    page(
        input,
        "Roles",
        under::<Role>(input, view.intent, ctx),
        |role| role.name.to_lowercase(),
        |role| show_role(role, false),
    )
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let role = named::<Role>(input, draft, ctx)?;
    let max_session = max_session(input)?;
    let description = description(input)?;
    draft.edit::<Role>(role.key(), |role| {
        role.max_session = max_session.unwrap_or(role.max_session);
        role.description = description.or(role.description.take());
    });
    Ok(Answer::Now(Value::Map(Map::new())))
}

pub(crate) fn update_description(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let role = named::<Role>(input, draft, ctx)?;
    let description = description(input)?;
    let role = draft.edit::<Role>(role.key(), |role| role.description = description);
    let shown = role.map(|role| show_role(&role, true));
    Ok(Answer::from(map! { "Role" => shown }))
}

pub(crate) fn update_trust(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let role = named::<Role>(input, draft, ctx)?;
    let trust = input.required("PolicyDocument")?;
    check_document(trust, PolicyKind::Trust, ctx)?;
    draft.edit::<Role>(role.key(), |role| role.trust = trust.to_string());
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let role = named::<Role>(input, draft, ctx)?;
    if !role.attached.is_empty() {
        return Err(conflict("must detach all policies first"));
    }
    if !role.inline_policies.is_empty() {
        return Err(conflict("must delete policies first"));
    }
    draft.remove::<Role>(role.key());
    Ok(Answer::done())
}
