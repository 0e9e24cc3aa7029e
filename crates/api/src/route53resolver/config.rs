//! What differs from the default in a VPC's resolver: whether it answers reverse names.

use adit_model::*;
use adit_wire::{Value, map};

use super::{find_vpc, invalid, page};
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
    let autodefined_reverse = match input.required("AutodefinedReverseFlag")? {
        "ENABLE" => true,
        "DISABLE" => false,
        other => {
            return Err(invalid(
                "AutodefinedReverseFlag",
                format!("{other} is not supported; ENABLE and DISABLE are."),
            ));
        }
    };
    let id = match draft.get::<ResolverConfig>(&vpc.id) {
        Some(held) => held.id.clone(),
        None => ResolverConfigId::from_digits(ctx.ids.digits()),
    };
    draft.put(ResolverConfig {
        id,
        vpc: vpc.id.clone(),
        autodefined_reverse,
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
    let held = intent.get::<ResolverConfig>(&vpc.id);
    let enabled = held.is_none_or(|held| held.autodefined_reverse);
    // The id of a configuration that nobody changed follows from the VPC's.
    let id = held.map_or_else(
        || format!("{}{}", ResolverConfigId::PREFIX, vpc.id.digits()),
        |held| held.id.to_string(),
    );
    map! {
        "Id" => id,
        "ResourceId" => vpc.id.as_str(),
        "OwnerId" => vpc.owner.as_str(),
        "AutodefinedReverse" => if enabled { "ENABLED" } else { "DISABLED" },
    }
}
