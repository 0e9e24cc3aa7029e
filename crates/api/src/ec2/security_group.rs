//! Security groups [ec2-api §19]. Their rules: [`rule`]; what a request says of rules:
//! [`permission`].

pub(crate) mod peer;
pub(crate) mod permission;
pub(crate) mod rule;
pub(crate) mod rule_update;

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::{IpNet, Ipv4Net};

use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Describe, Query, is_tag_filter, tag_values, tags};
use crate::ec2::{arn, default_vpc};
use crate::input::{Input, malformed_id};
use crate::quotas;
use crate::refusal::Refusal;

/// The name of the group that every VPC has and that cannot be deleted.
pub(crate) const DEFAULT: &str = "default";

/// Every IPv4 address.
const EVERYWHERE: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));

/// Whether a group's outgoing rules are those of a new one: everything, IPv4 alone.
pub(crate) fn lets_everything_out(group: &SecurityGroup) -> bool {
    let mut out = group.rules.iter().filter(|rule| rule.egress);
    let all = |rule: &SecurityGroupRule| {
        rule.protocol == IpProtocol::All && rule.peer == RulePeer::Cidr(EVERYWHERE)
    };
    out.next().is_some_and(all) && out.next().is_none()
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.required("GroupName")?;
    let description = input.required("Description")?;
    check_text("GroupName", name)?;
    check_text("GroupDescription", description)?;
    if name.starts_with("sg-") {
        return Err(Refusal::invalid_value(
            "Invalid security group name: Group names may not be in the format sg-*.",
        ));
    }
    if name.eq_ignore_ascii_case(DEFAULT) {
        let text = format!("Cannot use reserved security group name: {name}");
        return Err(Refusal::new("InvalidGroup.Reserved", text));
    }
    let vpc = match input.text("VpcId") {
        Some(id) => ctx.find::<Vpc>(draft, id)?,
        None => default_vpc::of(draft, &ctx.caller.account, &ctx.region)
            .cloned()
            .ok_or_else(|| Refusal::new("VPCIdNotSpecified", "No default VPC for this user"))?,
    };
    let tags = input.tags("security-group")?;
    let has_name = |group: &SecurityGroup| group.name.eq_ignore_ascii_case(name);
    if draft
        .in_vpc::<SecurityGroup>(&vpc.id)
        .any(|group| has_name(group))
    {
        return Err(Refusal::new(
            "InvalidGroup.Duplicate",
            format!(
                "The security group '{name}' already exists for VPC '{}'",
                vpc.id
            ),
        ));
    }
    let count = || draft.in_vpc::<SecurityGroup>(&vpc.id).count();
    quotas::SECURITY_GROUPS_PER_VPC.check(draft, count)?;
    let id = SecurityGroupId::from_digits(ctx.ids.digits());
    let ipv6 = (!vpc.ipv6.is_empty()).then(|| IpNet::V6(Default::default()));
    let everywhere = std::iter::once(EVERYWHERE).chain(ipv6);
    let group = draft.put(SecurityGroup {
        id,
        vpc: vpc.id.clone(),
        owner: vpc.owner.clone(),
        name: name.to_string(),
        description: description.to_string(),
        rules: everywhere
            .map(|block| rule::allow_all_egress(&mut ctx.ids, block))
            .collect(),
        tags,
    });
    Ok(Answer::from(map! {
        "GroupId" => group.id.as_str(),
        "SecurityGroupArn" => arn(&vpc.region, &group.owner, "security-group", &group.id),
        "Tags" => crate::describe::tags(&group.tags),
    }))
}

/// The characters that names and descriptions may have.
fn check_text(parameter: &str, text: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() > 255 {
        return Err(Refusal::invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. It must have at most 255 characters."
        )));
    }
    if !text.chars().all(allowed) {
        return Err(Refusal::invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. Valid characters are a-zA-Z0-9 ._-:/()#,@[]+=&;{{}}!$*"
        )));
    }
    Ok(())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let group = named(input, draft, ctx)?;
    if group.name == DEFAULT {
        return Err(Refusal::new(
            "CannotDelete",
            format!(
                "the specified group: \"{}\" name: \"{DEFAULT}\" cannot be deleted by a user",
                group.id
            ),
        ));
    }
    if is_used(draft, &group) {
        return Err(Refusal::new(
            "DependencyViolation",
            format!("resource {} has a dependent object", group.id),
        ));
    }
    draft.remove::<SecurityGroup>(&group.id);
    Ok(Answer::from(
        map! { "Return" => true, "GroupId" => group.id.as_str() },
    ))
}

/// Whether an interface, an endpoint, a load balancer or a rule of another group names a group.
fn is_used(intent: &Intent, group: &SecurityGroup) -> bool {
    let peer = RulePeer::Group(group.id.clone());
    let endpoint_has = |endpoint: &VpcEndpoint| match &endpoint.kind {
        EndpointKind::Interface { groups, .. } => groups.contains(&group.id),
        EndpointKind::Gateway { .. } => false,
    };
    let vpc = &group.vpc;
    intent
        .in_vpc::<NetworkInterface>(vpc)
        .any(|eni| eni.groups.contains(&group.id))
        || intent
            .in_vpc::<VpcEndpoint>(vpc)
            .any(|endpoint| endpoint_has(endpoint))
        || intent
            .in_vpc::<LoadBalancer>(vpc)
            .any(|balancer| balancer.groups.contains(&group.id))
        || intent
            .in_vpc::<SecurityGroup>(vpc)
            .filter(|other| other.id != group.id)
            .any(|other| other.rules.iter().any(|rule| rule.peer == peer))
}

/// The group with this id; an id of the wrong form is told apart.
pub(crate) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<SecurityGroup>, Refusal> {
    if id.parse::<SecurityGroupId>().is_err() {
        return Err(malformed_id(
            "InvalidGroupId.Malformed",
            id,
            SecurityGroupId::PREFIX,
        ));
    }
    ctx.find::<SecurityGroup>(intent, id)
}

/// The group that a request names by id, or by name in the default VPC.
fn named(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<SecurityGroup>, Refusal> {
    if let Some(id) = input.text("GroupId") {
        return find(intent, ctx, id);
    }
    match input.text("GroupName") {
        Some(name) => in_default_vpc(intent, ctx, name),
        None => Err(Refusal::new(
            "MissingParameter",
            "The request must contain the parameter groupName or groupId",
        )),
    }
}

fn in_default_vpc(intent: &Intent, ctx: &Ctx, name: &str) -> Result<Arc<SecurityGroup>, Refusal> {
    let vpc = default_vpc::of(intent, &ctx.caller.account, &ctx.region);
    let found = vpc.and_then(|vpc| by_name(intent, &vpc.id, name));
    found.ok_or_else(|| {
        let place = vpc.map_or("default VPC".into(), |vpc| {
            format!("default VPC '{}'", vpc.id)
        });
        let text = format!("The security group '{name}' does not exist in {place}");
        Refusal::new(SecurityGroup::NOT_FOUND, text)
    })
}

/// The group of a VPC with this name.
pub(crate) fn by_name(intent: &Intent, vpc: &VpcId, name: &str) -> Option<Arc<SecurityGroup>> {
    intent
        .in_vpc::<SecurityGroup>(vpc)
        .find(|group| group.name == name)
        .cloned()
}

const FILTERS: &[&str] = &[
    "group-id",
    "group-name",
    "description",
    "vpc-id",
    "ip-permission.cidr",
    "ip-permission.from-port",
    "ip-permission.group-id",
    "ip-permission.group-name",
    "ip-permission.ipv6-cidr",
    "ip-permission.prefix-list-id",
    "ip-permission.protocol",
    "ip-permission.to-port",
    "ip-permission.user-id",
    "egress.ip-permission.cidr",
    "egress.ip-permission.from-port",
    "egress.ip-permission.group-id",
    "egress.ip-permission.group-name",
    "egress.ip-permission.ipv6-cidr",
    "egress.ip-permission.prefix-list-id",
    "egress.ip-permission.protocol",
    "egress.ip-permission.to-port",
    "egress.ip-permission.user-id",
];

const DESCRIBE: Describe<SecurityGroup> = Describe {
    ids: "GroupIds",
    items: "SecurityGroups",
    pages: 5..=1000,
    filters: FILTERS,
    show,
    filter: |group, name, view| {
        let egress = name.strip_prefix("egress.");
        if let Some(of_rule) = egress.unwrap_or(name).strip_prefix("ip-permission.") {
            let rules = group
                .rules
                .iter()
                .filter(|rule| rule.egress == egress.is_some());
            let values = rules.filter_map(|rule| rule::filter(rule, of_rule, group, view.intent));
            return Some(values.collect());
        }
        Some(match name {
            "group-id" => vec![group.id.to_string()],
            "group-name" => vec![group.name.clone()],
            "description" => vec![group.description.clone()],
            "vpc-id" => vec![group.vpc.to_string()],
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let run =
        |input: &Input<'_>| DESCRIBE.run_with(input, view, ctx, |id| find(view.intent, ctx, id));
    let names = input.texts("GroupNames");
    if names.is_empty() {
        return run(input);
    }
    // Names are another way to say ids.
    let mut ids: Vec<String> = input
        .texts("GroupIds")
        .iter()
        .map(|id| id.to_string())
        .collect();
    for name in names {
        ids.push(in_default_vpc(view.intent, ctx, name)?.id.to_string());
    }
    let mut by_id = input.0.map().cloned().unwrap_or_default();
    by_id.insert("GroupIds", ids);
    run(&Input(&Value::Map(by_id)))
}

fn show(group: &SecurityGroup, view: View<'_>) -> Value {
    let region = group.region(view.intent);
    map! {
        "GroupId" => group.id.as_str(),
        "GroupName" => group.name.as_str(),
        "Description" => group.description.as_str(),
        "VpcId" => group.vpc.as_str(),
        "OwnerId" => group.owner.as_str(),
        "SecurityGroupArn" => region.map(|r| arn(r, &group.owner, "security-group", &group.id)),
        "IpPermissions" => permission::show(group, false, view.intent),
        "IpPermissionsEgress" => permission::show(group, true, view.intent),
        "Tags" => tags(&group.tags),
    }
}

/// VPCs at the other side of an active peering connection whose groups name one of these in a rule.
pub(crate) fn references(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let ids = input.texts("GroupId");
    if ids.is_empty() {
        return Err(Refusal::missing("GroupId"));
    }
    let mut found = Vec::new();
    for id in ids {
        let group = find(view.intent, ctx, id)?;
        for peering in view.intent.in_vpc::<VpcPeeringConnection>(&group.vpc) {
            let Some((_, peer)) = peering.sides(&group.vpc).filter(|_| peering.is_active()) else {
                continue;
            };
            let names = |other: &Arc<SecurityGroup>| {
                let mut rules = other.rules.iter();
                rules.any(|rule| rule.peer == RulePeer::Group(group.id.clone()))
            };
            if view.intent.in_vpc::<SecurityGroup>(&peer.vpc).any(names) {
                found.push(map! {
                    "GroupId" => group.id.as_str(),
                    "ReferencingVpcId" => peer.vpc.as_str(),
                    "VpcPeeringConnectionId" => peering.id.as_str(),
                });
            }
        }
    }
    Ok(map! { "SecurityGroupReferenceSet" => Value::List(found) })
}

pub(crate) fn describe_for_vpc(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let vpc = ctx.required::<Vpc>(view.intent, input, "VpcId")?;
    let known = [
        "group-id",
        "description",
        "group-name",
        "owner-id",
        "primary-vpc-id",
    ];
    let query = Query::of(input, false, &(5..=1000), |name| {
        known.contains(&name) || is_tag_filter(name)
    })?;
    let wanted = view
        .intent
        .in_vpc::<SecurityGroup>(&vpc.id)
        .filter(|group| {
            query.matches(|name| match name {
                "group-id" => vec![group.id.to_string()],
                "description" => vec![group.description.clone()],
                "group-name" => vec![group.name.clone()],
                "owner-id" => vec![group.owner.to_string()],
                "primary-vpc-id" => vec![group.vpc.to_string()],
                other => tag_values(&group.tags, other).unwrap_or_default(),
            })
        });
    let (items, next) = query.page(
        wanted,
        |group| group.key(),
        |group| {
            map! {
                "GroupId" => group.id.as_str(),
                "GroupName" => group.name.as_str(),
                "Description" => group.description.as_str(),
                "OwnerId" => group.owner.as_str(),
                "PrimaryVpcId" => group.vpc.as_str(),
                "Tags" => tags(&group.tags),
            }
        },
    );
    let mut output = Map::new();
    output.push("SecurityGroupForVpcs", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}
