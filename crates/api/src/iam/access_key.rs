//! Long-term access keys. A secret is shown once, when its key is made.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::entity::find as find_entity;
use super::{page, time};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// Whose keys a request is about: the named user's, else the caller's.
fn owner(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<KeyOwner, Refusal> {
    match (input.text("UserName"), &ctx.caller.key.user) {
        (Some(name), _) => Ok(KeyOwner::User(
            find_entity::<User>(intent, ctx, name)?.name.clone(),
        )),
        (None, Some(user)) => Ok(KeyOwner::User(
            find_entity::<User>(intent, ctx, &user.name)?.name.clone(),
        )),
        (None, None) if ctx.caller.is_root() => Ok(KeyOwner::Root),
        (None, None) => Err(super::nobody()),
    }
}

fn name_of(owner: &KeyOwner) -> &str {
    match owner {
        KeyOwner::Root => "root",
        KeyOwner::User(name) => name,
        KeyOwner::Session => "",
    }
}

/// The keys of an owner in the caller's account.
fn keys<'a>(
    intent: &'a Intent,
    ctx: &'a Ctx,
    owner: &'a KeyOwner,
) -> impl Iterator<Item = &'a Arc<AccessKey>> {
    let all = intent.access_keys.values();
    all.filter(move |key| key.account == ctx.caller.account && key.owner == *owner)
}

/// The key a request names, which must be the owner's.
fn find(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    owner: &KeyOwner,
) -> Result<Arc<AccessKey>, Refusal> {
    let id = input.required("AccessKeyId")?;
    let key = intent.get::<AccessKey>(id);
    let mine = key.filter(|key| key.account == ctx.caller.account && key.owner == *owner);
    mine.cloned().ok_or_else(|| {
        Refusal::new(
            "NoSuchEntity",
            format!("The Access Key with id {id} cannot be found."),
        )
    })
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let owner = owner(input, draft, ctx)?;
    quotas::ACCESS_KEYS_PER_USER.check(draft, || keys(draft, ctx, &owner).count())?;
    let secret = ctx.ids.secret();
    let key = draft.put(AccessKey {
        id: ctx.ids.unique("AKIA"),
        secret: Secret::new(secret.as_str()),
        account: ctx.caller.account.clone(),
        owner,
        active: true,
        created: ctx.now,
    });
    Ok(Answer::from(map! { "AccessKey" => map! {
        "UserName" => name_of(&key.owner),
        "AccessKeyId" => key.id.as_str(),
        "Status" => status(&key),
        "SecretAccessKey" => secret,
        "CreateDate" => time(key.created),
    }}))
}

fn status(key: &AccessKey) -> &'static str {
    if key.active { "Active" } else { "Inactive" }
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let owner = owner(input, view.intent, ctx)?;
    let mine = keys(view.intent, ctx, &owner);
    page(
        input,
        "AccessKeyMetadata",
        mine,
        |key| key.id.clone(),
        |key| {
            map! {
                "UserName" => name_of(&key.owner),
                "AccessKeyId" => key.id.as_str(),
                "Status" => status(key),
                "CreateDate" => time(key.created),
            }
        },
    )
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let owner = owner(input, draft, ctx)?;
    let key = find(input, draft, ctx, &owner)?;
    let active = match input.required("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => {
            return Err(Refusal::new(
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]"
                ),
            ));
        }
    };
    draft.edit::<AccessKey>(&key.id, |key| key.active = active);
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let owner = owner(input, draft, ctx)?;
    let key = find(input, draft, ctx, &owner)?;
    draft.remove::<AccessKey>(&key.id);
    draft.remove::<KeyUse>(&key.id);
    Ok(Answer::done())
}

/// When one of the account's keys last signed something. What is not written down yet is shown within
/// a minute.
pub(crate) fn last_used(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("AccessKeyId")?;
    let key = view.intent.get::<AccessKey>(id);
    let key = key.filter(|key| key.account == ctx.caller.account);
    let key = key.ok_or_else(|| {
        let text = format!("The Access Key with id {id} cannot be found.");
        Refusal::new("NoSuchEntity", text)
    })?;
    let used = view.intent.get::<KeyUse>(id);
    let or_never = |text: Option<&str>| text.unwrap_or("N/A").to_string();
    Ok(map! {
        "UserName" => name_of(&key.owner),
        "AccessKeyLastUsed" => map! {
            "LastUsedDate" => used.map(|used| time(used.at)),
            "ServiceName" => or_never(used.map(|used| used.service.as_str())),
            "Region" => or_never(used.map(|used| used.region.as_str())),
        },
    })
}
