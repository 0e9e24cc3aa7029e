//! Further accounts of an installation: buckets of others, and callers who are not one's own.

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// The name of the account that a first start makes; it alone may make others.
const FIRST: &str = "main";

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    only_first(draft, ctx, "make accounts")?;
    let id: AccountId = match input.text("AccountId") {
        Some(text) => text.parse().map_err(|_| {
            Refusal::invalid_value(format!(
                "Value ({text}) for parameter AccountId is invalid. Expecting twelve digits."
            ))
        })?,
        None => fresh(draft, ctx)?,
    };
    let name = input.text("Name").unwrap_or(id.as_str()).to_string();
    let taken = |account: &Account| account.id == id || account.name == name;
    if draft.accounts.values().any(|account| taken(account)) {
        return Err(Refusal::new(
            "EntityAlreadyExists",
            format!("There is an account with the id '{id}' or the name '{name}' already."),
        ));
    }
    draft.put(Account {
        id: id.clone(),
        canonical_id: ctx.ids.canonical(),
        name: name.clone(),
        created: ctx.now,
    });
    let key = draft.put(AccessKey {
        id: ctx.ids.unique("AKIA"),
        secret: Secret::new(ctx.ids.secret()),
        account: id.clone(),
        owner: KeyOwner::Root,
        active: true,
        created: ctx.now,
    });
    Ok(Answer::from(map! {
        "AccountId" => id.as_str(),
        "Name" => name,
        "AccessKeyId" => key.id.as_str(),
        "SecretAccessKey" => key.secret.expose(),
    }))
}

/// Refuses what concerns every account to all but the first one.
pub(super) fn only_first(intent: &Intent, ctx: &Ctx, what: &str) -> Result<(), Refusal> {
    match is_first(intent, &ctx.caller.account) {
        true => Ok(()),
        false => Err(Refusal::new(
            "AccessDenied",
            format!("Only the installation's first account may {what}."),
        )),
    }
}

/// Whether this is the account that a first start made: its users may do what concerns the whole
/// installation.
pub fn is_first(intent: &Intent, id: &AccountId) -> bool {
    intent
        .get::<Account>(id)
        .is_some_and(|account| account.name == FIRST)
}

/// Twelve digits that no account has.
fn fresh(draft: &Draft, ctx: &mut Ctx) -> Result<AccountId, Refusal> {
    for _ in 0..100 {
        let digits = ctx.ids.digits() % 900_000_000_000 + 100_000_000_000;
        if let Ok(id) = digits.to_string().parse::<AccountId>()
            && draft.get::<Account>(&id).is_none()
        {
            return Ok(id);
        }
    }
    Err(Refusal::new("LimitExceeded", "No account id is left."))
}

pub(crate) fn list(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let all = is_first(view.intent, &ctx.caller.account);
    let seen = view
        .intent
        .accounts
        .values()
        .filter(|a| all || a.id == ctx.caller.account);
    let show = |account: &std::sync::Arc<Account>| {
        map! { "AccountId" => account.id.as_str(), "Name" => account.name.as_str() }
    };
    Ok(map! { "Accounts" => seen.map(show).collect::<Value>() })
}
