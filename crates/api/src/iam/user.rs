//! Users.

use adit_model::*;
use adit_wire::{Value, map};

use super::entity::{find, named, refuse_taken, show_user, under};
use super::{attached, check_name, check_path, conflict, page, tagged, time};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.required("UserName")?;
    check_name("UserName", name, 64)?;
    let path = input.text("Path").unwrap_or("/");
    check_path("Path", path)?;
    let boundary = attached::boundary(input, draft, ctx)?;
    refuse_taken::<User>(draft, ctx, name)?;
    let tags = tagged::read(input)?;
    let user = draft.put(User {
        account: ctx.caller.account.clone(),
        name: name.to_string(),
        path: path.to_string(),
        unique_id: ctx.ids.unique("AIDA"),
        inline_policies: Default::default(),
        attached: Default::default(),
        boundary,
        groups: Default::default(),
        tags,
        created: ctx.now,
    });
    Ok(Answer::from(map! { "User" => show_user(&user, true) }))
}

/// The user with a name; without one the caller, who may be the account itself.
pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let user = match (input.text("UserName"), &ctx.caller.key.user) {
        (Some(name), _) => find::<User>(view.intent, ctx, name)?,
        (None, Some(user)) => find::<User>(view.intent, ctx, &user.name)?,
        (None, None) if ctx.caller.is_root() => return root(view, ctx),
        (None, None) => return Err(super::nobody()),
    };
    Ok(map! { "User" => show_user(&user, true) })
}

fn root(view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let account = view.intent.get::<Account>(&ctx.caller.account);
    Ok(map! { "User" => map! {
        "Path" => "/",
        "UserName" => "root",
        "UserId" => ctx.caller.account.as_str(),
        "Arn" => ctx.caller.arn.as_str(),
        "CreateDate" => account.map(|account| time(account.created)),
    }})
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    page(
        input,
        "Users",
        under::<User>(input, view.intent, ctx),
        |user| user.name.to_lowercase(),
        |user| show_user(user, false),
    )
}

/// Renames or moves a user; its keys follow.
pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let old = named::<User>(input, draft, ctx)?;
    let mut new = User::clone(&old);
    if let Some(path) = input.text("NewPath") {
        check_path("NewPath", path)?;
        new.path = path.to_string();
    }
    if let Some(name) = input.text("NewUserName") {
        check_name("NewUserName", name, 64)?;
        // Another spelling of its own name is free.
        if !name.eq_ignore_ascii_case(&old.name) {
            refuse_taken::<User>(draft, ctx, name)?;
        }
        new.name = name.to_string();
    }
    let renamed = new.name != old.name;
    if !renamed && new.path == old.path {
        return Ok(Answer::done());
    }
    draft.remove::<User>(old.key());
    let new = draft.put(new);
    for id in keys_of(draft, &old).into_iter().filter(|_| renamed) {
        draft.edit::<AccessKey>(id, |key| key.owner = KeyOwner::User(new.name.clone()));
    }
    Ok(Answer::done())
}

/// The ids of a user's keys.
fn keys_of(intent: &Intent, user: &User) -> Vec<String> {
    let owner = KeyOwner::User(user.name.clone());
    let all = intent.access_keys.values();
    let mine = all.filter(|key| key.account == user.account && key.owner == owner);
    mine.map(|key| key.id.clone()).collect()
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let user = named::<User>(input, draft, ctx)?;
    let obstacles = [
        (
            !user.groups.is_empty(),
            "must remove user from groups first",
        ),
        (!user.attached.is_empty(), "must detach all policies first"),
        (
            !user.inline_policies.is_empty(),
            "must delete policies first",
        ),
        (
            !keys_of(draft, &user).is_empty(),
            "must delete access keys first",
        ),
    ];
    match obstacles.iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(conflict(what)),
        None => {
            draft.remove::<User>(user.key());
            Ok(Answer::done())
        }
    }
}
