//! Changes to rules that are there: `ModifySecurityGroupRules` and descriptions [ec2-api §19].

use adit_model::*;
use adit_wire::{Value, map};

use super::permission::{self, Permission};
use super::rule::{duplicate, group_by_id, no_rule};
use super::{named, peer};
use crate::context::{Answer, Ctx};
use crate::ec2::prefix_list;
use crate::input::Input;
use crate::refusal::Refusal;

/// Replaces rules, all or none. A rule keeps its direction and the kind of its peer.
pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let group = group_by_id(input, draft, ctx)?;
    let updates = input.get("SecurityGroupRules").list();
    if updates.is_empty() {
        return Err(Refusal::missing("SecurityGroupRule"));
    }
    let mut rules = group.rules.clone();
    for update in updates {
        let id = update.get("SecurityGroupRuleId").str().unwrap_or_default();
        let at = rules.iter().position(|rule| rule.id.as_str() == id);
        let at = at.ok_or_else(|| no_rule(id))?;
        let Some(old) = rules.get(at).cloned() else {
            return Err(no_rule(id));
        };
        let new = updated(update.get("SecurityGroupRule"), &old, draft, ctx, &group)?;
        let others = rules.iter().enumerate().filter(|(index, _)| *index != at);
        let mut twins = others.filter(|(_, rule)| rule.egress == old.egress && new.is(rule));
        if twins.next().is_some() {
            return Err(duplicate(&new));
        }
        if let Some(rule) = rules.get_mut(at) {
            rule.protocol = new.protocol;
            rule.from_port = new.ports.map(|(from, _)| from);
            rule.to_port = new.ports.map(|(_, to)| to);
            rule.peer = new.peer;
            rule.description = new.description;
        }
    }
    draft.edit::<SecurityGroup>(&group.id, |group| group.rules = rules);
    Ok(Answer::from(map! { "Return" => true }))
}

/// A rule as a request wants it: the whole of it, as AWS asks for.
fn updated(
    wanted: &Value,
    old: &SecurityGroupRule,
    intent: &Intent,
    ctx: &Ctx,
    group: &SecurityGroup,
) -> Result<Permission, Refusal> {
    let Some(protocol) = wanted.get("IpProtocol").str() else {
        return Err(Refusal::invalid_value(
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.",
        ));
    };
    let protocol = permission::protocol(protocol)?;
    let port = |name: &str| wanted.get(name).int();
    let ports = permission::ports(protocol, port("FromPort"), port("ToPort"))?;
    let text = |name: &str| wanted.get(name).str();
    let kinds = ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"];
    let mut peers = Vec::new();
    for (kind, value) in kinds
        .into_iter()
        .filter_map(|kind| Some((kind, text(kind)?)))
    {
        peers.push(match kind {
            "CidrIpv4" => permission::cidr4(value)?,
            "CidrIpv6" => permission::cidr6(value)?,
            "PrefixListId" => {
                RulePeer::PrefixList(prefix_list::find(intent, ctx, value)?.id.clone())
            }
            _ => peer::named(intent, ctx, group, value, None, None)?,
        });
    }
    if peers.len() > 1 {
        return Err(Refusal::combination(
            "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        ));
    }
    let Some(peer) = peers.pop() else {
        return Err(Refusal::new(
            "MissingParameter",
            "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId",
        ));
    };
    if !same_kind(&peer, &old.peer) {
        return Err(Refusal::invalid_value(format!(
            "The kind of source or destination of security group rule {} cannot be changed",
            old.id
        )));
    }
    let description = permission::description(text("Description"))?;
    Ok(Permission {
        protocol,
        ports,
        peer,
        description,
    })
}

fn same_kind(a: &RulePeer, b: &RulePeer) -> bool {
    match (a, b) {
        (RulePeer::Cidr(a), RulePeer::Cidr(b)) => a.addr().is_ipv4() == b.addr().is_ipv4(),
        (RulePeer::PrefixList(_), RulePeer::PrefixList(_)) => true,
        (RulePeer::Group(_), RulePeer::Group(_)) => true,
        _ => false,
    }
}

pub(crate) fn describe_ingress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    update_descriptions(input, draft, ctx, false)
}

pub(crate) fn describe_egress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    update_descriptions(input, draft, ctx, true)
}

/// Gives rules new descriptions, by id or by what they say; without a text a description goes.
fn update_descriptions(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    egress: bool,
) -> Result<Answer, Refusal> {
    let group = named(input, draft, ctx)?;
    let by_id = input.get("SecurityGroupRuleDescriptions").list();
    let permissions = permission::read(input, draft, ctx, &group)?;
    if by_id.is_empty() == permissions.is_empty() {
        return Err(Refusal::combination(
            "Exactly one of ipPermissions and securityGroupRuleDescriptions must be given",
        ));
    }
    let mut rules = group.rules.clone();
    for one in by_id {
        let id = one.get("SecurityGroupRuleId").str().unwrap_or_default();
        let description = permission::description(one.get("Description").str())?;
        let mut there = rules.iter_mut();
        match there.find(|rule| rule.egress == egress && rule.id.as_str() == id) {
            Some(rule) => rule.description = description,
            None => return Err(no_rule(id)),
        }
    }
    for permission in permissions {
        let mut there = rules.iter_mut();
        match there.find(|rule| rule.egress == egress && permission.is(rule)) {
            Some(rule) => rule.description = permission.description,
            None => {
                return Err(Refusal::new(
                    "InvalidPermission.NotFound",
                    "The specified rule does not exist in this security group.",
                ));
            }
        }
    }
    draft.edit::<SecurityGroup>(&group.id, |group| group.rules = rules);
    Ok(Answer::from(map! { "Return" => true }))
}
