//! Rules of security groups: allowed, revoked, described [ec2-api §19].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::IpNet;

use super::permission::{self, Permission, protocol_name, shown_ports};
use super::{find, named, peer};
use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Query, is_tag_filter, tag_values, tags};
use crate::ec2::arn;
use crate::ids::Ids;
use crate::input::{Input, malformed_id};
use crate::quotas;
use crate::refusal::Refusal;

/// The rule of a new group: everything may leave.
pub(crate) fn allow_all_egress(ids: &mut Ids, everybody: IpNet) -> SecurityGroupRule {
    let everybody = Permission {
        protocol: IpProtocol::All,
        ports: None,
        peer: RulePeer::Cidr(everybody),
        description: None,
    };
    made(&everybody, true, Tags::new(), ids)
}

fn made(permission: &Permission, egress: bool, tags: Tags, ids: &mut Ids) -> SecurityGroupRule {
    SecurityGroupRule {
        id: SecurityGroupRuleId::from_digits(ids.digits()),
        egress,
        protocol: permission.protocol,
        from_port: permission.ports.map(|(from, _)| from),
        to_port: permission.ports.map(|(_, to)| to),
        peer: permission.peer.clone(),
        description: permission.description.clone(),
        tags,
    }
}

pub(crate) fn authorize_ingress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    authorize(input, draft, ctx, false)
}

pub(crate) fn authorize_egress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    authorize(input, draft, ctx, true)
}

/// Adds every rule of a request, or none.
fn authorize(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    egress: bool,
) -> Result<Answer, Refusal> {
    let group = named(input, draft, ctx)?;
    let permissions = permission::read(input, draft, ctx, &group)?;
    if permissions.is_empty() {
        return Err(Refusal::missing("ipPermissions"));
    }
    let rule_tags = input.tags("security-group-rule")?;
    let there = || group.rules.iter().filter(|rule| rule.egress == egress);
    if let Some(twice) = permissions.iter().find(|p| there().any(|rule| p.is(rule))) {
        return Err(duplicate(twice));
    }
    let total = || there().count() + permissions.len();
    quotas::RULES_PER_GROUP.check_total(draft, total)?;
    let rules: Vec<SecurityGroupRule> = permissions
        .iter()
        .map(|permission| made(permission, egress, rule_tags.clone(), &mut ctx.ids))
        .collect();
    let group = draft.edit::<SecurityGroup>(&group.id, |group| group.rules.extend(rules.clone()));
    let group = group.ok_or_else(|| SecurityGroup::not_found(""))?;
    Ok(Answer::later(move |view| {
        let shown = rules.iter().map(|rule| show(rule, &group, view.intent));
        map! { "Return" => true, "SecurityGroupRules" => shown.collect::<Value>() }
    }))
}

/// `InvalidPermission.Duplicate`, naming the rule as AWS does.
pub(super) fn duplicate(permission: &Permission) -> Refusal {
    let peer = match &permission.peer {
        RulePeer::Cidr(net) => net.to_string(),
        RulePeer::PrefixList(id) => id.to_string(),
        RulePeer::Group(id) => id.to_string(),
    };
    let any = |value: i32| {
        if value == -1 {
            "ALL".to_string()
        } else {
            value.to_string()
        }
    };
    let what = match (permission.protocol, permission.ports) {
        (IpProtocol::Tcp, Some((from, to))) => format!("TCP, from port: {from}, to port: {to}"),
        (IpProtocol::Udp, Some((from, to))) => format!("UDP, from port: {from}, to port: {to}"),
        (IpProtocol::Icmp | IpProtocol::Icmpv6, ports) => {
            let (kind, code) = ports.unwrap_or((-1, -1));
            let name = protocol_name(permission.protocol).to_uppercase();
            format!("{name}, type: {}, code: {}", any(kind), any(code))
        }
        (IpProtocol::All, _) => "ALL".to_string(),
        (other, _) => protocol_name(other).to_uppercase(),
    };
    Refusal::new(
        "InvalidPermission.Duplicate",
        format!("the specified rule \"peer: {peer}, {what}, ALLOW\" already exists"),
    )
}

pub(crate) fn revoke_ingress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    revoke(input, draft, ctx, false)
}

pub(crate) fn revoke_egress(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    revoke(input, draft, ctx, true)
}

/// Removes every rule that a request names. In a default VPC rules that do not exist are listed; in
/// others they refuse the whole request.
fn revoke(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    egress: bool,
) -> Result<Answer, Refusal> {
    let group = named(input, draft, ctx)?;
    let ids = input.texts("SecurityGroupRuleIds");
    let permissions = permission::read(input, draft, ctx, &group)?;
    match (ids.is_empty(), permissions.is_empty()) {
        (true, true) => return Err(Refusal::missing("ipPermissions")),
        (false, false) => {
            return Err(Refusal::combination(
                "The parameter securityGroupRuleIds may not be used in combination with ipPermissions",
            ));
        }
        _ => {}
    }
    let there = || group.rules.iter().filter(|rule| rule.egress == egress);
    let mut gone: Vec<SecurityGroupRule> = Vec::new();
    for id in ids {
        let rule = there().find(|rule| rule.id.as_str() == id);
        gone.push(rule.ok_or_else(|| no_rule(id))?.clone());
    }
    let mut unknown = Vec::new();
    for permission in &permissions {
        match there().find(|rule| permission.is(rule)) {
            Some(rule) => gone.push(rule.clone()),
            None => unknown.push(permission),
        }
    }
    let is_default = draft
        .get::<Vpc>(&group.vpc)
        .is_some_and(|vpc| vpc.is_default);
    if !unknown.is_empty() && !is_default {
        return Err(Refusal::new(
            "InvalidPermission.NotFound",
            "The specified rule does not exist in this security group.",
        ));
    }
    let unknown: Value = unknown
        .into_iter()
        .map(|p| permission::show_one(p, &group, draft))
        .collect();
    if !gone.is_empty() {
        draft.edit::<SecurityGroup>(&group.id, |group| {
            group
                .rules
                .retain(|rule| !gone.iter().any(|g| g.id == rule.id));
        });
    }
    let revoked: Value = gone.iter().map(|rule| show_revoked(rule, &group)).collect();
    Ok(Answer::from(map! {
        "Return" => true,
        "UnknownIpPermissions" => unknown,
        "RevokedSecurityGroupRules" => revoked,
    }))
}

/// The refusal of a rule that does not exist, or whose id has the wrong form.
pub(super) fn no_rule(id: &str) -> Refusal {
    match id.parse::<SecurityGroupRuleId>() {
        Ok(_) => Refusal::new(
            "InvalidSecurityGroupRuleId.NotFound",
            format!("The security group rule ID '{id}' does not exist"),
        ),
        Err(_) => malformed_id(
            "InvalidSecurityGroupRuleId.Malformed",
            id,
            SecurityGroupRuleId::PREFIX,
        ),
    }
}

/// The value that a group's filter by rule looks at.
pub(super) fn filter(
    rule: &SecurityGroupRule,
    name: &str,
    group: &SecurityGroup,
    intent: &Intent,
) -> Option<String> {
    let (from, to) = shown_ports(rule.protocol, rule.from_port.zip(rule.to_port));
    match (name, &rule.peer) {
        ("protocol", _) => Some(protocol_name(rule.protocol)),
        ("from-port", _) => from.map(|port| port.to_string()),
        ("to-port", _) => to.map(|port| port.to_string()),
        ("cidr", RulePeer::Cidr(IpNet::V4(net))) => Some(net.to_string()),
        ("ipv6-cidr", RulePeer::Cidr(IpNet::V6(net))) => Some(net.to_string()),
        ("prefix-list-id", RulePeer::PrefixList(id)) => Some(id.to_string()),
        ("group-id", RulePeer::Group(id)) => Some(id.to_string()),
        ("group-name", RulePeer::Group(id)) => intent
            .get::<SecurityGroup>(id)
            .map(|other| other.name.clone()),
        ("user-id", RulePeer::Group(id)) => {
            let other = intent.get::<SecurityGroup>(id);
            Some(other.map_or(&group.owner, |other| &other.owner).to_string())
        }
        _ => None,
    }
}

/// Refuses a filter by what is no group's id; wildcards may stand for one.
fn check_groups(input: &Input<'_>) -> Result<(), Refusal> {
    let filters = input.get("Filters").list().iter();
    let by_group = filters.filter(|filter| filter.get("Name").str() == Some("group-id"));
    for value in by_group.flat_map(|filter| filter.get("Values").list()) {
        let id = value.str().unwrap_or_default();
        if !id.contains(['*', '?']) && id.parse::<SecurityGroupId>().is_err() {
            return Err(Refusal::new(
                "InvalidGroupId.Malformed",
                format!("The security group ID '{id}' is malformed"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let ids = input.texts("SecurityGroupRuleIds");
    let query = Query::of(input, !ids.is_empty(), &(5..=1000), |name| {
        matches!(name, "group-id" | "security-group-rule-id") || is_tag_filter(name)
    })?;
    check_groups(input)?;
    let groups = view
        .intent
        .security_groups
        .values()
        .filter(|g| ctx.sees(view.intent, &***g));
    let all = groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let mut wanted: Vec<(&Arc<SecurityGroup>, &SecurityGroupRule)> = all
        .filter(|(_, rule)| ids.is_empty() || ids.contains(&rule.id.as_str()))
        .filter(|(group, rule)| {
            query.matches(|name| match name {
                "group-id" => vec![group.id.to_string()],
                "security-group-rule-id" => vec![rule.id.to_string()],
                other => tag_values(&rule.tags, other).unwrap_or_default(),
            })
        })
        .collect();
    if let Some(id) = ids
        .iter()
        .find(|id| !wanted.iter().any(|(_, r)| r.id.as_str() == **id))
    {
        return Err(no_rule(id));
    }
    wanted.sort_by_key(|(_, rule)| &rule.id);
    let (items, next) = query.page(
        wanted.into_iter(),
        |(_, rule)| rule.id.to_string(),
        |(group, rule)| show(rule, group, view.intent),
    );
    let mut output = Map::new();
    output.push("SecurityGroupRules", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

/// A rule's peer under the member names of `SecurityGroupRule`.
struct ShownPeer {
    cidr4: Option<String>,
    cidr6: Option<String>,
    prefix_list: Option<String>,
    group: Option<String>,
}

fn shown_peer(peer: &RulePeer) -> ShownPeer {
    let mut shown = ShownPeer {
        cidr4: None,
        cidr6: None,
        prefix_list: None,
        group: None,
    };
    match peer {
        RulePeer::Cidr(IpNet::V4(net)) => shown.cidr4 = Some(net.to_string()),
        RulePeer::Cidr(IpNet::V6(net)) => shown.cidr6 = Some(net.to_string()),
        RulePeer::PrefixList(id) => shown.prefix_list = Some(id.to_string()),
        RulePeer::Group(id) => shown.group = Some(id.to_string()),
    }
    shown
}

fn show(rule: &SecurityGroupRule, group: &SecurityGroup, intent: &Intent) -> Value {
    let shown = shown_peer(&rule.peer);
    let region = group.region(intent);
    let referenced = match &rule.peer {
        RulePeer::Group(id) => {
            let mut shown = peer::show(id, group, intent);
            if !shown.contains("VpcId") {
                shown.push("VpcId", group.vpc.as_str());
            }
            Value::Map(shown)
        }
        _ => Value::Null,
    };
    map! {
        "SecurityGroupRuleId" => rule.id.as_str(),
        "SecurityGroupRuleArn" =>
            region.map(|r| arn(r, &group.owner, "security-group-rule", &rule.id)),
        "GroupId" => group.id.as_str(),
        "GroupOwnerId" => group.owner.as_str(),
        "IsEgress" => rule.egress,
        "IpProtocol" => protocol_name(rule.protocol),
        // Unlike the form by group, this one always has ports; -1 means all.
        "FromPort" => rule.from_port.unwrap_or(-1),
        "ToPort" => rule.to_port.unwrap_or(-1),
        "CidrIpv4" => shown.cidr4,
        "CidrIpv6" => shown.cidr6,
        "PrefixListId" => shown.prefix_list,
        "ReferencedGroupInfo" => referenced,
        "Description" => rule.description.as_ref(),
        "Tags" => tags(&rule.tags),
    }
}

fn show_revoked(rule: &SecurityGroupRule, group: &SecurityGroup) -> Value {
    let peer = shown_peer(&rule.peer);
    map! {
        "SecurityGroupRuleId" => rule.id.as_str(),
        "GroupId" => group.id.as_str(),
        "IsEgress" => rule.egress,
        "IpProtocol" => protocol_name(rule.protocol),
        "FromPort" => rule.from_port.unwrap_or(-1),
        "ToPort" => rule.to_port.unwrap_or(-1),
        "CidrIpv4" => peer.cidr4,
        "CidrIpv6" => peer.cidr6,
        "PrefixListId" => peer.prefix_list,
        "ReferencedGroupId" => peer.group,
        "Description" => rule.description.as_ref(),
    }
}

/// The group that an operation on rules needs by id.
pub(super) fn group_by_id(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Arc<SecurityGroup>, Refusal> {
    find(intent, ctx, input.required("GroupId")?)
}
