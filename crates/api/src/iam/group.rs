//! Groups, and who is in them.

use adit_model::*;
use adit_wire::{Value, map};

use super::entity::{all, named, refuse_taken, show_group, show_user, under};
use super::{check_name, check_path, conflict, page};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.required("GroupName")?;
    check_name("GroupName", name, 128)?;
    let path = input.text("Path").unwrap_or("/");
    check_path("Path", path)?;
    refuse_taken::<Group>(draft, ctx, name)?;
    let group = draft.put(Group {
        account: ctx.caller.account.clone(),
        name: name.to_string(),
        path: path.to_string(),
        unique_id: ctx.ids.unique("AGPA"),
        inline_policies: Default::default(),
        attached: Default::default(),
        created: ctx.now,
    });
    Ok(Answer::from(map! { "Group" => show_group(&group) }))
}

/// A group with a page of its users.
pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let group = named::<Group>(input, view.intent, ctx)?;
    let users = all::<User>(view.intent, &ctx.caller.account);
    let members = users.filter(|user| user.groups.contains(&group.name));
    let mut output = page(
        input,
        "Users",
        members,
        |user| user.name.to_lowercase(),
        |user| show_user(user, false),
    )?;
    if let Some(map) = output.map_mut() {
        map.push("Group", show_group(&group));
    }
    Ok(output)
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    page(
        input,
        "Groups",
        under::<Group>(input, view.intent, ctx),
        |group| group.name.to_lowercase(),
        |group| show_group(group),
    )
}

/// The groups of a user.
pub(crate) fn list_for_user(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let user = named::<User>(input, view.intent, ctx)?;
    let groups = all::<Group>(view.intent, &ctx.caller.account);
    page(
        input,
        "Groups",
        groups.filter(|group| user.groups.contains(&group.name)),
        |group| group.name.to_lowercase(),
        |group| show_group(group),
    )
}

/// Renames or moves a group; its users follow.
pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let old = named::<Group>(input, draft, ctx)?;
    let mut new = Group::clone(&old);
    if let Some(path) = input.text("NewPath") {
        check_path("NewPath", path)?;
        new.path = path.to_string();
    }
    if let Some(name) = input.text("NewGroupName") {
        check_name("NewGroupName", name, 128)?;
        if !name.eq_ignore_ascii_case(&old.name) {
            refuse_taken::<Group>(draft, ctx, name)?;
        }
        new.name = name.to_string();
    }
    if new.name == old.name && new.path == old.path {
        return Ok(Answer::done());
    }
    draft.remove::<Group>(old.key());
    let new = draft.put(new);
    for key in members(draft, ctx, &old.name) {
        draft.edit::<User>(key, |user| {
            user.groups.remove(&old.name);
            user.groups.insert(new.name.clone());
        });
    }
    Ok(Answer::done())
}

/// The keys of a group's users.
fn members(intent: &Intent, ctx: &Ctx, group: &str) -> Vec<String> {
    let users = all::<User>(intent, &ctx.caller.account);
    let members = users.filter(|user| user.groups.contains(group));
    members.map(|user| user.key()).collect()
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let group = named::<Group>(input, draft, ctx)?;
    if !members(draft, ctx, &group.name).is_empty() {
        return Err(conflict("must remove users from group first"));
    }
    if !group.attached.is_empty() {
        return Err(conflict("must detach all policies first"));
    }
    if !group.inline_policies.is_empty() {
        return Err(conflict("must delete policies first"));
    }
    draft.remove::<Group>(group.key());
    Ok(Answer::done())
}

pub(crate) fn add_user(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let group = named::<Group>(input, draft, ctx)?;
    let user = named::<User>(input, draft, ctx)?;
    if !user.groups.contains(&group.name) {
        quotas::GROUPS_PER_USER.check(draft, || user.groups.len())?;
        draft.edit::<User>(user.key(), |user| {
            user.groups.insert(group.name.clone());
        });
    }
    Ok(Answer::done())
}

pub(crate) fn remove_user(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let group = named::<Group>(input, draft, ctx)?;
    let user = named::<User>(input, draft, ctx)?;
    if !user.groups.contains(&group.name) {
        return Err(Refusal::new(
            "NoSuchEntity",
            format!("The user with name {} is not in the group.", user.name),
        ));
    }
    draft.edit::<User>(user.key(), |user| {
        user.groups.remove(&group.name);
    });
    Ok(Answer::done())
}
