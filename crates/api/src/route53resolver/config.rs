//! Settings of a VPC's resolver: whether it answers reverse names of its own.

use adit_model::*;
use adit_wire::{Value, map};

use super::{find_vpc, invalid, page, said};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("ResourceId")?;
    let vpc = find_vpc(view.intent, ctx, "ResourceId", id)?;
    Ok(map! { "ResolverConfig" => show(view.intent, &vpc) })
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = find_vpc(draft, ctx, "ResourceId", input.required("ResourceId")?)?;
    let reverse = match input.required("AutodefinedReverseFlag")? {
        "ENABLE" => true,
        "DISABLE" => false,
        other => {
            return Err(invalid(
                "AutodefinedReverseFlag",
                format!("{} is not supported: use ENABLE or DISABLE.", said(other)),
            ));
        }
    };
    draft.put(ResolverConfig {
        vpc: vpc.id.clone(),
        reverse,
    });
    Ok(Answer::from(map! { "ResolverConfig" => show(draft, &vpc) }))
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
        |vpc| show(view.intent, vpc),
    )?;
    Ok(Value::Map(shown))
}

fn show(intent: &Intent, vpc: &Vpc) -> Value {
    let reverse = match intent.has_reverse_names(&vpc.id) {
        true => "ENABLED",
        false => "DISABLED",
    };
    map! {
        // The id follows from the VPC's.
        "Id" => format!("{}{}", ResolverConfigId::PREFIX, vpc.id.digits()),
        "ResourceId" => vpc.id.as_str(),
        "OwnerId" => vpc.owner.as_str(),
        "AutodefinedReverse" => reverse,
    }
}
