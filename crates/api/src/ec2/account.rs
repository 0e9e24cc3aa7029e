//! What an account has by default [ec2-api §20].

use adit_wire::{Value, list, map};

use crate::context::{Ctx, View};
use crate::ec2::default_vpc;
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn describe_attributes(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let default = default_vpc::of(view.intent, &ctx.caller.account, &ctx.region);
    let default = default.map_or("none".to_string(), |vpc| vpc.id.to_string());
    let all = [
        ("supported-platforms", "VPC".to_string()),
        ("default-vpc", default),
    ];
    let names = input.texts("AttributeNames");
    if let Some(name) = names
        .iter()
        .find(|name| !all.iter().any(|(known, _)| known == *name))
    {
        return Err(Refusal::invalid_value(format!(
            "Value ({name}) for parameter attributeName is invalid. Unknown attribute."
        )));
    }
    let wanted = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    let show = |(name, value): (&str, String)| {
        map! {
            "AttributeName" => name,
            "AttributeValues" => list![map! { "AttributeValue" => value }],
        }
    };
    Ok(map! { "AccountAttributes" => wanted.map(show).collect::<Value>() })
}
