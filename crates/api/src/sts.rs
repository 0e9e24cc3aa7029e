//! STS: who a caller is [iam-control §4].

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// Nobody needs a permission to ask who they are.
pub(crate) fn caller_identity(_: &Input<'_>, _: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let caller = &ctx.caller;
    let user_id = match &caller.key.user {
        Some(user) => user.unique_id.clone(),
        None => caller.account.to_string(),
    };
    Ok(map! {
        "UserId" => user_id,
        "Account" => caller.account.as_str(),
        "Arn" => caller.arn.as_str(),
    })
}

/// The account of any key of the installation, whoever asks.
pub(crate) fn access_key_info(
    input: &Input<'_>,
    view: View<'_>,
    _: &Ctx,
) -> Result<Value, Refusal> {
    let id = input.required("AccessKeyId")?;
    match view.intent.get::<AccessKey>(id) {
        Some(key) => Ok(map! { "Account" => key.account.as_str() }),
        None => Err(Refusal::new("ValidationError", "Invalid AccessKeyId")),
    }
}
