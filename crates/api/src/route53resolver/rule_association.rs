//! In which VPCs a rule holds.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::rule::{INTERNET_RULE, find as find_rule, unknown as unknown_rule};
use super::{exists, find_vpc, invalid_request, name, not_found, page, said, with_size};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let rule = find_rule(draft, ctx, input.required("ResolverRuleId")?)?;
    let vpc = find_vpc(draft, ctx, "VPCId", input.required("VPCId")?)?;
    let name = name(input)?;
    for other in draft.in_vpc::<RuleAssociation>(&vpc.id) {
        if other.rule == rule.id {
            return Err(exists(format!(
                "[RSLVR-00801] Resolver rule \"{}\" is already associated with the VPC \"{}\".",
                rule.id, vpc.id
            )));
        }
        let domain = draft
            .get::<ResolverRule>(&other.rule)
            .map(|rule| &rule.domain);
        if domain == Some(&rule.domain) {
            return Err(invalid_request(format!(
                "[RSLVR-00802] Cannot associate rules with same domain name with same VPC. Conflict with resolver rule \"{}\"",
                other.rule
            )));
        }
    }
    quotas::RULE_ASSOCIATIONS_PER_REGION.check(draft, || {
        let all = draft.rule_associations.values();
        all.filter(|a| a.owner == ctx.caller.account).count()
    })?;
    let association = draft.put(RuleAssociation {
        id: RuleAssociationId::from_digits(ctx.ids.digits()),
        rule: rule.id.clone(),
        vpc: vpc.id.clone(),
        owner: ctx.caller.account.clone(),
        name,
    });
    Ok(answer(association, draft.generation))
}

fn answer(association: Arc<RuleAssociation>, generation: Generation) -> Answer {
    Answer::later(move |view| {
        let status = match view.board.reached() >= generation {
            true => "COMPLETE",
            false => "CREATING",
        };
        map! { "ResolverRuleAssociation" => show(&association, status) }
    })
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let rule = input.required("ResolverRuleId")?;
    let vpc = input.required("VPCId")?;
    if rule == INTERNET_RULE {
        return Err(invalid_request(
            "[RSLVR-00803] An autodefined rule cannot be disassociated.",
        ));
    }
    find_rule(draft, ctx, rule)?;
    let mut all = draft.rule_associations.values();
    let found = all
        .find(|a| a.rule.as_str() == rule && a.vpc.as_str() == vpc)
        .cloned();
    let Some(found) = found else {
        return Err(not_found(format!(
            "[RSLVR-00805] Resolver rule \"{rule}\" is not associated with the VPC \"{}\".",
            said(vpc)
        )));
    };
    draft.remove::<RuleAssociation>(&found.id);
    Ok(Answer::from(
        map! { "ResolverRuleAssociation" => show(&found, "DELETING") },
    ))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("ResolverRuleAssociationId")?;
    let shown = match view.intent.get::<RuleAssociation>(id) {
        Some(found) if found.owner == ctx.caller.account => Some(show(found, "COMPLETE")),
        _ => autodefined(view.intent, ctx)
            .find(|(known, _)| known == id)
            .map(|(_, shown)| shown),
    };
    let shown = shown.ok_or_else(|| {
        not_found(format!(
            "[RSLVR-00807] Resolver rule association with ID \"{}\" does not exist.",
            said(id)
        ))
    })?;
    Ok(map! { "ResolverRuleAssociation" => shown })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let here = |a: &&Arc<RuleAssociation>| {
        let region = view.intent.get::<Vpc>(&a.vpc).map(|vpc| &vpc.region);
        a.owner == ctx.caller.account && region == Some(&ctx.region)
    };
    let mine = view.intent.rule_associations.values().filter(here);
    let mine = mine.map(|a| (a.id.to_string(), show(a, "COMPLETE")));
    // Autodefined ids sort before those that somebody made.
    let shown = page(
        input,
        "ResolverRuleAssociations",
        &[
            ("Name", "Name"),
            ("ResolverRuleId", "ResolverRuleId"),
            ("Status", "Status"),
            ("VPCId", "VPCId"),
        ],
        autodefined(view.intent, ctx).chain(mine),
        |(id, _)| id.clone(),
        |(_, shown)| shown.clone(),
    )?;
    Ok(with_size(shown, input))
}

/// The internet rule holds in every VPC.
fn autodefined<'a>(intent: &'a Intent, ctx: &'a Ctx) -> impl Iterator<Item = (String, Value)> + 'a {
    let vpcs = intent.vpcs.values().filter(|vpc| ctx.sees(intent, &***vpc));
    vpcs.map(|vpc| {
        let id = format!("rslvr-autodefined-assoc-{}-internet-resolver", vpc.id);
        let shown = map! {
            "Id" => id.as_str(),
            "ResolverRuleId" => INTERNET_RULE,
            "Name" => "System Rule Association",
            "VPCId" => vpc.id.as_str(),
            "Status" => "COMPLETE",
            "StatusMessage" => "",
        };
        (id, shown)
    })
}

fn show(association: &RuleAssociation, status: &str) -> Value {
    map! {
        "Id" => association.id.as_str(),
        "ResolverRuleId" => association.rule.as_str(),
        "Name" => association.name.clone(),
        "VPCId" => association.vpc.as_str(),
        "Status" => status,
        "StatusMessage" => "",
    }
}

/// The rule that an ARN or id names, for tags.
pub(super) fn rule_of(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<ResolverRule>, Refusal> {
    find_rule(intent, ctx, id).map_err(|_| unknown_rule(id))
}
