//! Egress-only internet gateways: IPv6 connections outwards, none inwards [ec2-api §18].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, list, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = input.tags("egress-only-internet-gateway")?;
    let token = Token::of(input, "CreateEgressOnlyInternetGateway", ctx)?;
    let echo = token.as_ref().map(|token| token.text.clone());
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let gateway = match made.and_then(|id| draft.get::<EgressOnlyInternetGateway>(id).cloned()) {
        Some(gateway) => gateway,
        None => {
            let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
            let here = || {
                let all = draft.egress_only_gateways.values();
                all.filter(|gateway| ctx.sees(draft, &***gateway)).count()
            };
            quotas::EGRESS_ONLY_GATEWAYS_PER_REGION.check(draft, here)?;
            let gateway = draft.put(EgressOnlyInternetGateway {
                id: EgressOnlyInternetGatewayId::from_digits(ctx.ids.digits()),
                vpc: vpc.id.clone(),
                owner: vpc.owner.clone(),
                tags,
            });
            if let Some(token) = &token {
                token.remember(draft, ctx, &gateway.id);
            }
            gateway
        }
    };
    Ok(Answer::from(map! {
        "EgressOnlyInternetGateway" => show(&gateway),
        "ClientToken" => echo,
    }))
}

/// Routes to it stay, and lead nowhere.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway: Arc<EgressOnlyInternetGateway> =
        ctx.required(draft, input, "EgressOnlyInternetGatewayId")?;
    draft.remove::<EgressOnlyInternetGateway>(&gateway.id);
    Ok(Answer::from(map! { "ReturnCode" => true }))
}

const DESCRIBE: Describe<EgressOnlyInternetGateway> = Describe {
    ids: "EgressOnlyInternetGatewayIds",
    items: "EgressOnlyInternetGateways",
    pages: 5..=255,
    filters: &[],
    show: |gateway, _| show(gateway),
    filter: |_, _, _| None,
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn show(gateway: &EgressOnlyInternetGateway) -> Value {
    map! {
        "EgressOnlyInternetGatewayId" => gateway.id.as_str(),
        "Attachments" => list![map! { "VpcId" => gateway.vpc.as_str(), "State" => "attached" }],
        "Tags" => tags(&gateway.tags),
    }
}
