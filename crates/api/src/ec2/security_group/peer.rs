//! Groups that rules of another group name: of the same VPC, or of one that it is peered with in its
//! Region [ec2-api §19].
//!
//! A rule keeps the id alone. When the other group or the peering connection goes away, the rule
//! stays, matches nobody, and is shown as stale.

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{find, permission};
use crate::context::{Ctx, View};
use crate::describe::Query;
use crate::ec2::security_group;
use crate::input::Input;
use crate::refusal::Refusal;

/// The group that a rule of another names in a request.
pub(super) fn read(
    pair: &Value,
    intent: &Intent,
    ctx: &Ctx,
    group: &SecurityGroup,
) -> Result<RulePeer, Refusal> {
    let id = match (pair.get("GroupId").str(), pair.get("GroupName").str()) {
        (Some(id), _) => id.to_string(),
        (None, Some(name)) => {
            let other = security_group::by_name(intent, &group.vpc, name);
            let missing = || not_found(format!("The security group '{name}' does not exist"));
            other.ok_or_else(missing)?.id.to_string()
        }
        (None, None) => return Err(Refusal::missing("IpPermissions.Groups.GroupId")),
    };
    let user = pair.get("UserId").str();
    let peering = pair.get("VpcPeeringConnectionId").str();
    match named(intent, ctx, group, &id, user, peering) {
        Ok(peer) => Ok(peer),
        // What a stale rule names is not there, and can be named to revoke the rule.
        Err(refusal) => {
            let stale = |rule: &&SecurityGroupRule| matches!(&rule.peer, RulePeer::Group(there) if there.as_str() == id);
            let stale = group.rules.iter().find(stale);
            stale.map(|rule| rule.peer.clone()).ok_or(refusal)
        }
    }
}

/// A group by its id, as a rule of another may name it; `user` and `peering` narrow it down.
pub(super) fn named(
    intent: &Intent,
    ctx: &Ctx,
    group: &SecurityGroup,
    id: &str,
    user: Option<&str>,
    peering: Option<&str>,
) -> Result<RulePeer, Refusal> {
    let missing = || not_found(format!("The security group '{id}' does not exist"));
    let other = match find(intent, ctx, id) {
        Ok(other) => other,
        // One of another account is known to whoever is peered with its VPC.
        Err(refusal) => {
            let there = intent.get::<SecurityGroup>(id).cloned();
            let there = there.filter(|other| connection(intent, group, &other.vpc).is_some());
            there.ok_or(refusal)?
        }
    };
    if user.is_some_and(|user| user != other.owner.as_str()) {
        return Err(missing());
    }
    if other.vpc == group.vpc {
        return match peering {
            None => Ok(RulePeer::Group(other.id.clone())),
            Some(peering) => Err(Refusal::invalid_value(format!(
                "The security group '{id}' is not at the other side of {peering}."
            ))),
        };
    }
    match connection(intent, group, &other.vpc) {
        Some(there) if peering.is_none_or(|peering| peering == there.id.as_str()) => {
            Ok(RulePeer::Group(other.id.clone()))
        }
        Some(_) => Err(Refusal::new(
            "InvalidVpcPeeringConnectionID.NotFound",
            format!(
                "The vpcPeeringConnection ID '{}' does not exist between the networks of the security groups",
                peering.unwrap_or_default()
            ),
        )),
        None => Err(not_found(
            "You have specified two resources that belong to different networks.".to_string(),
        )),
    }
}

fn not_found(text: String) -> Refusal {
    Refusal::new("InvalidGroup.NotFound", text)
}

/// The connection over which a group's rules may name groups of another VPC.
fn connection<'a>(
    intent: &'a Intent,
    group: &SecurityGroup,
    other: &VpcId,
) -> Option<&'a VpcPeeringConnection> {
    let connections = intent.in_vpc::<VpcPeeringConnection>(&group.vpc);
    let mut there = connections.filter(|c| c.carries_groups());
    let found = there.find(|c| {
        c.sides(&group.vpc)
            .is_some_and(|(_, side)| side.vpc == *other)
    });
    found.map(|connection| &**connection)
}

/// The group that a rule names, with what is known of it.
pub(super) fn show(id: &SecurityGroupId, group: &SecurityGroup, intent: &Intent) -> Map {
    let other = intent.get::<SecurityGroup>(id);
    let owner = other.map_or(&group.owner, |other| &other.owner);
    let mut shown = Map::new();
    shown.push("GroupId", id.as_str());
    shown.push("UserId", owner.as_str());
    let Some(away) = other.filter(|other| other.vpc != group.vpc) else {
        if other.is_none() {
            shown.push("PeeringStatus", "deleted");
        }
        return shown;
    };
    shown.push("VpcId", away.vpc.as_str());
    match connection(intent, group, &away.vpc) {
        Some(connection) => {
            shown.push("VpcPeeringConnectionId", connection.id.as_str());
            shown.push("PeeringStatus", "active");
        }
        None => shown.push("PeeringStatus", "deleted"),
    }
    shown
}

/// Whether a rule names a group that is not there any more, or not joined any more.
fn is_stale(rule: &SecurityGroupRule, group: &SecurityGroup, intent: &Intent) -> bool {
    let RulePeer::Group(id) = &rule.peer else {
        return false;
    };
    match intent.get::<SecurityGroup>(id) {
        None => true,
        Some(other) => other.vpc != group.vpc && connection(intent, group, &other.vpc).is_none(),
    }
}

/// Groups of a VPC with stale rules, and these rules.
pub(crate) fn describe_stale(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let intent = view.intent;
    let vpc = ctx.required::<Vpc>(intent, input, "VpcId")?;
    let query = Query::of(input, false, &(5..=255), |_| false)?;
    let stale = |group: &SecurityGroup| {
        let mut group = group.clone();
        let all = std::mem::take(&mut group.rules).into_iter();
        group.rules = all.filter(|rule| is_stale(rule, &group, intent)).collect();
        group
    };
    let groups = intent.in_vpc::<SecurityGroup>(&vpc.id);
    let groups = groups.map(|group| stale(group));
    let wanted = groups.filter(|group| !group.rules.is_empty());
    let show = |group: SecurityGroup| {
        map! {
            "GroupId" => group.id.as_str(),
            "GroupName" => group.name.as_str(),
            "Description" => group.description.as_str(),
            "VpcId" => group.vpc.as_str(),
            "StaleIpPermissions" => permission::show_stale(&group, false, intent),
            "StaleIpPermissionsEgress" => permission::show_stale(&group, true, intent),
        }
    };
    let (items, next) = query.page(wanted, |group| group.id.to_string(), show);
    let mut output = Map::new();
    output.push("StaleSecurityGroupSet", Value::List(items));
    output.push("NextToken", next);
    Ok(output.into())
}
