//! Settings of a VPC's resolver: whether it answers reverse names of its own, which it does not.

use adit_model::*;
use adit_wire::{Value, map};

use super::{find_vpc, invalid, page};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("ResourceId")?;
    let vpc = find_vpc(view.intent, ctx, "ResourceId", id)?;
    Ok(map! { "ResolverConfig" => show(&vpc) })
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = find_vpc(draft, ctx, "ResourceId", input.required("ResourceId")?)?;
    match input.required("AutodefinedReverseFlag")? {
        "DISABLE" => Ok(Answer::from(map! { "ResolverConfig" => show(&vpc) })),
        other => Err(invalid(
            "AutodefinedReverseFlag",
            format!("{other} is not supported: the resolver answers no reverse names of its own."),
        )),
    }
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let vpcs = view.intent.vpcs.values();
    let vpcs = vpcs.filter(|vpc| ctx.sees(view.intent, &***vpc));
    let shown = page(
        input,
        "ResolverConfigs",
        &[],
        vpcs,
        |vpc| vpc.id.to_string(),
        |vpc| show(vpc),
    )?;
    Ok(Value::Map(shown))
}

fn show(vpc: &Vpc) -> Value {
    map! {
        // The id follows from the VPC's: there is nothing to keep.
        "Id" => format!("{}{}", ResolverConfigId::PREFIX, vpc.id.digits()),
        "ResourceId" => vpc.id.as_str(),
        "OwnerId" => vpc.owner.as_str(),
        "AutodefinedReverse" => "DISABLED",
    }
}
