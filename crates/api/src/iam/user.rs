//! Users.

use adit_model::*;
use adit_wire::{Value, map};

use super::{check_name, check_path, find_user, page, time};
use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::{Input, check_tag_count, tag_of};
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
    input.refuse_unbuilt(&["PermissionsBoundary"])?;
    refuse_taken(draft, ctx, name)?;
    let tags = read_tags(input)?;
    let user = draft.put(User {
        account: ctx.caller.account.clone(),
        name: name.to_string(),
        path: path.to_string(),
        unique_id: ctx.ids.unique("AIDA"),
        inline_policies: Default::default(),
        attached: Default::default(),
        boundary: None,
        groups: Default::default(),
        tags,
        created: ctx.now,
    });
    Ok(Answer::from(map! { "User" => show(&user, true) }))
}

fn refuse_taken(intent: &Intent, ctx: &Ctx, name: &str) -> Result<(), Refusal> {
    match intent.get::<User>(identity_key(&ctx.caller.account, name)) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            "EntityAlreadyExists",
            format!("User with name {name} already exists."),
        )),
    }
}

fn read_tags(input: &Input<'_>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) =
            tag_of(tag).map_err(|refusal| Refusal::new("InvalidInput", refusal.message))?;
        if tags.keys().any(|there| there.eq_ignore_ascii_case(key)) {
            return Err(Refusal::new(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.to_string(), value.to_string());
    }
    limit(&tags)?;
    Ok(tags)
}

fn limit(tags: &Tags) -> Result<(), Refusal> {
    check_tag_count(tags).map_err(|refusal| Refusal::new("LimitExceeded", refusal.message))
}

/// The user with a name; without one the caller, who may be the account itself.
pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let user = match (input.text("UserName"), &ctx.caller.key.user) {
        (Some(name), _) => find_user(view.intent, ctx, name)?,
        (None, Some(user)) => find_user(view.intent, ctx, &user.name)?,
        (None, None) if ctx.caller.is_root() => return root(view, ctx),
        (None, None) => return Err(super::nobody()),
    };
    Ok(map! { "User" => show(&user, true) })
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
    let prefix = input.text("PathPrefix").unwrap_or("/");
    let first = identity_key(&ctx.caller.account, "");
    let all = view
        .intent
        .users
        .range(first.clone()..)
        .map(|(_, user)| user);
    let mine = all.take_while(|user| user.account == ctx.caller.account);
    let wanted = mine.filter(|user| user.path.starts_with(prefix));
    page(
        input,
        "Users",
        wanted,
        |user| user.name.to_lowercase(),
        |user| show(user, false),
    )
}

/// Renames or moves a user; its keys follow.
pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let old = find_user(draft, ctx, input.required("UserName")?)?;
    let mut new = User::clone(&old);
    if let Some(path) = input.text("NewPath") {
        check_path("NewPath", path)?;
        new.path = path.to_string();
    }
    if let Some(name) = input.text("NewUserName") {
        check_name("NewUserName", name, 64)?;
        // Another spelling of its own name is free.
        if !name.eq_ignore_ascii_case(&old.name) {
            refuse_taken(draft, ctx, name)?;
        }
        new.name = name.to_string();
    }
    let renamed = new.name != old.name;
    if !renamed && new.path == old.path {
        return Ok(Answer::done());
    }
    draft.remove::<User>(identity_key(&old.account, &old.name));
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
    let user = find_user(draft, ctx, input.required("UserName")?)?;
    let what = match (
        user.inline_policies.is_empty(),
        keys_of(draft, &user).is_empty(),
    ) {
        (false, _) => "must delete policies first",
        (true, false) => "must delete access keys first",
        (true, true) => {
            draft.remove::<User>(identity_key(&user.account, &user.name));
            return Ok(Answer::done());
        }
    };
    Err(Refusal::new(
        "DeleteConflict",
        format!("Cannot delete entity, {what}."),
    ))
}

pub(crate) fn tag(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let user = find_user(draft, ctx, input.required("UserName")?)?;
    let mut tags = user.tags.clone();
    for (key, value) in read_tags(input)? {
        tags.retain(|there, _| !there.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    limit(&tags)?;
    draft.edit::<User>(identity_key(&user.account, &user.name), |user| {
        user.tags = tags
    });
    Ok(Answer::done())
}

pub(crate) fn untag(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let user = find_user(draft, ctx, input.required("UserName")?)?;
    let gone = input.texts("TagKeys");
    draft.edit::<User>(identity_key(&user.account, &user.name), |user| {
        user.tags
            .retain(|key, _| !gone.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
    });
    Ok(Answer::done())
}

pub(crate) fn list_tags(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let user = find_user(view.intent, ctx, input.required("UserName")?)?;
    let show = |(key, value): (&String, &String)| map! { "Key" => key, "Value" => value };
    page(
        input,
        "Tags",
        user.tags.iter(),
        |(key, _)| key.to_string(),
        show,
    )
}

/// A user as shown; lists leave its tags out, as AWS's do.
fn show(user: &User, with_tags: bool) -> Value {
    let shown = (with_tags && !user.tags.is_empty()).then(|| tags(&user.tags));
    map! {
        "Path" => user.path.as_str(),
        "UserName" => user.name.as_str(),
        "UserId" => user.unique_id.as_str(),
        "Arn" => user.arn(),
        "CreateDate" => time(user.created),
        "Tags" => shown,
    }
}
