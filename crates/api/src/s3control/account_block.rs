//! Block Public Access of a whole account.

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

const SETTINGS: [&str; 4] = [
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
];

/// The settings that a configuration gives; what it leaves out is off.
pub(crate) fn read(configuration: &Value) -> PublicAccessBlock {
    let on = |name: &str| configuration.get(name).bool().unwrap_or(false);
    PublicAccessBlock {
        block_public_acls: on("BlockPublicAcls"),
        ignore_public_acls: on("IgnorePublicAcls"),
        block_public_policy: on("BlockPublicPolicy"),
        restrict_public_buckets: on("RestrictPublicBuckets"),
    }
}

/// The settings as a reply shows them.
pub(crate) fn show(block: PublicAccessBlock) -> Value {
    map! {
        "BlockPublicAcls" => block.block_public_acls,
        "IgnorePublicAcls" => block.ignore_public_acls,
        "BlockPublicPolicy" => block.block_public_policy,
        "RestrictPublicBuckets" => block.restrict_public_buckets,
    }
}

/// Refuses a configuration that says nothing.
pub(crate) fn check_given(configuration: &Value) -> Result<(), Refusal> {
    match SETTINGS
        .iter()
        .any(|name| !configuration.get(name).is_null())
    {
        true => Ok(()),
        false => Err(Refusal::new(
            "InvalidRequest",
            "Must specify at least one configuration.",
        )),
    }
}

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let configuration = input.get("PublicAccessBlockConfiguration");
    check_given(configuration)?;
    let block = read(configuration);
    let account = ctx.caller.account.clone();
    let there = draft.get::<AccountPublicAccessBlock>(&account);
    if there.is_none_or(|there| there.block != block) {
        draft.put(AccountPublicAccessBlock { account, block });
    }
    Ok(Answer::done())
}

pub(crate) fn get(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let account = &ctx.caller.account;
    let kept = view.intent.get::<AccountPublicAccessBlock>(account);
    let kept = kept.ok_or_else(|| {
        Refusal::new(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
        .with("AccountId", account.as_str())
    })?;
    Ok(map! { "PublicAccessBlockConfiguration" => show(kept.block) })
}

pub(crate) fn delete(_: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let account = ctx.caller.account.clone();
    if draft.get::<AccountPublicAccessBlock>(&account).is_some() {
        draft.remove::<AccountPublicAccessBlock>(account);
    }
    Ok(Answer::done())
}
