//! Tags of resources that exist [ec2-api §20].

use adit_model::*;
use adit_wire::{Map, Value, map};

use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::Query;
use crate::ec2::{peering, prefix_list};
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// How a set of tags is changed.
type Change<'a> = &'a dyn Fn(&mut Tags) -> Result<(), Refusal>;

/// Kinds that can be tagged: how their ids start, how they are changed and listed. Rules of security groups live inside their groups and are treated apart.
struct Taggable {
    prefix: &'static str,
    edit: fn(&mut Draft, &Ctx, &str, Change<'_>) -> Result<(), Refusal>,
    list: fn(&Intent, &Ctx, &mut Vec<Tagged>),
}

/// One tag of one resource.
struct Tagged {
    resource: String,
    kind: &'static str,
    key: String,
    value: String,
}

macro_rules! taggable {
    ($($type:ident $prefix:expr, $name:literal;)*) => {
        &[
            $(Taggable {
                prefix: $prefix,
                edit: |draft, ctx, id, change| edit::<$type>(draft, ctx, id, change, |r| &mut r.tags),
                list: |intent, ctx, all| list::<$type>(intent, ctx, $name, all),
            },)*
            Taggable {
                prefix: VpcPeeringConnectionId::PREFIX,
                edit: edit_peering,
                list: list_peerings,
            },
            Taggable {
                prefix: PrefixListId::PREFIX,
                edit: edit_prefix_list,
                list: list_prefix_lists,
            },
            Taggable {
                prefix: SecurityGroupRuleId::PREFIX,
                edit: edit_rule,
                list: list_rules,
            },
        ]
    };
}

/// Of two kinds whose prefixes an id has, the first is its own.
static TAGGABLE: &[Taggable] = taggable! {
    Vpc VpcId::PREFIX, "vpc";
    Subnet SubnetId::PREFIX, "subnet";
    RouteTable RouteTableId::PREFIX, "route-table";
    InternetGateway InternetGatewayId::PREFIX, "internet-gateway";
    EgressOnlyInternetGateway EgressOnlyInternetGatewayId::PREFIX, "egress-only-internet-gateway";
    SecurityGroup SecurityGroupId::PREFIX, "security-group";
    NetworkInterface NetworkInterfaceId::PREFIX, "network-interface";
    EndpointService VpcEndpointServiceId::PREFIX, "vpc-endpoint-service";
    FlowLog FlowLogId::PREFIX, "vpc-flow-log";
    VpcEndpoint VpcEndpointId::PREFIX, "vpc-endpoint";
    NetworkAcl NetworkAclId::PREFIX, "network-acl";
    NatGateway NatGatewayId::PREFIX, "natgateway";
    ElasticIp AllocationId::PREFIX, "elastic-ip";
    VpnGateway VpnGatewayId::PREFIX, "vpn-gateway";
    CustomerGateway CustomerGatewayId::PREFIX, "customer-gateway";
    VpnConnection VpnConnectionId::PREFIX, "vpn-connection";
    DhcpOptions DhcpOptionsId::PREFIX, "dhcp-options";
};

fn edit<R: Owned + Clone>(
    draft: &mut Draft,
    ctx: &Ctx,
    id: &str,
    change: Change<'_>,
    tags: fn(&mut R) -> &mut Tags,
) -> Result<(), Refusal> {
    let mut resource = R::clone(&*ctx.find::<R>(draft, id)?);
    let before = resource.tags().clone();
    change(tags(&mut resource))?;
    if *resource.tags() != before {
        draft.put(resource);
    }
    Ok(())
}

fn edit_peering(draft: &mut Draft, ctx: &Ctx, id: &str, change: Change<'_>) -> Result<(), Refusal> {
    let mut connection = VpcPeeringConnection::clone(&*peering::find(draft, ctx, id)?);
    change(peering::tags_of_mut(&mut connection, ctx))?;
    draft.put(connection);
    Ok(())
}

fn list_peerings(intent: &Intent, ctx: &Ctx, all: &mut Vec<Tagged>) {
    let seen = intent.peering_connections.values();
    for connection in seen.filter(|connection| peering::sees(ctx, connection)) {
        let (id, tags) = (connection.id.as_str(), peering::tags_of(connection, ctx));
        push_all(id, "vpc-peering-connection", tags, all);
    }
}

fn edit_prefix_list(
    draft: &mut Draft,
    ctx: &Ctx,
    id: &str,
    change: Change<'_>,
) -> Result<(), Refusal> {
    let mut list = PrefixList::clone(prefix_list::find(draft, ctx, id)?);
    if list.owner.is_none() {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!("The prefix list '{id}' is managed by a service and cannot be tagged."),
        ));
    }
    change(&mut list.tags)?;
    draft.put(list);
    Ok(())
}

fn list_prefix_lists(intent: &Intent, ctx: &Ctx, all: &mut Vec<Tagged>) {
    for list in intent.prefix_lists.values() {
        if list.owner.as_ref() == Some(&ctx.caller.account) && list.region == ctx.region {
            push_all(list.id.as_str(), "prefix-list", &list.tags, all);
        }
    }
}

fn edit_rule(draft: &mut Draft, ctx: &Ctx, id: &str, change: Change<'_>) -> Result<(), Refusal> {
    let groups = draft
        .security_groups
        .values()
        .filter(|group| ctx.sees(draft, &***group));
    let has = |group: &SecurityGroup| group.rules.iter().any(|rule| rule.id.as_str() == id);
    let Some(mut group) = groups.map(|g| &**g).find(|group| has(group)).cloned() else {
        return Err(Refusal::new(
            "InvalidSecurityGroupRuleId.NotFound",
            format!("The security group rule ID '{id}' does not exist"),
        ));
    };
    for rule in group.rules.iter_mut().filter(|rule| rule.id.as_str() == id) {
        change(&mut rule.tags)?;
    }
    draft.put(group);
    Ok(())
}

fn list<R: Owned>(intent: &Intent, ctx: &Ctx, kind: &'static str, all: &mut Vec<Tagged>) {
    for (id, resource) in R::table(intent)
        .iter()
        .filter(|(_, r)| ctx.sees(intent, &***r))
    {
        push_all(id, kind, resource.tags(), all);
    }
}

fn list_rules(intent: &Intent, ctx: &Ctx, all: &mut Vec<Tagged>) {
    let groups = intent
        .security_groups
        .values()
        .filter(|group| ctx.sees(intent, &***group));
    for rule in groups.flat_map(|group| &group.rules) {
        push_all(rule.id.as_str(), "security-group-rule", &rule.tags, all);
    }
}

fn push_all(id: &str, kind: &'static str, tags: &Tags, all: &mut Vec<Tagged>) {
    all.extend(tags.iter().map(|(key, value)| Tagged {
        resource: id.to_string(),
        kind,
        key: key.clone(),
        value: value.clone(),
    }));
}

/// Changes the tags of every resource that a request names, or of none.
fn change_all(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &Ctx,
    change: Change<'_>,
) -> Result<Answer, Refusal> {
    let ids = input.texts("Resources");
    if ids.is_empty() {
        return Err(Refusal::missing("resourceIdSet"));
    }
    for id in ids {
        match TAGGABLE.iter().find(|kind| id.starts_with(kind.prefix)) {
            Some(kind) => (kind.edit)(draft, ctx, id, change)?,
            None => {
                return Err(Refusal::new(
                    "InvalidID",
                    format!("The ID '{id}' is not valid"),
                ));
            }
        }
    }
    Ok(Answer::done())
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let mut new = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) = tag_of(tag)?;
        if new.insert(key.to_string(), value.to_string()).is_some() {
            return Err(Refusal::invalid_value(format!(
                "Duplicate tag key '{key}' specified."
            )));
        }
    }
    if new.is_empty() {
        return Err(Refusal::missing("tagSet"));
    }
    change_all(input, draft, ctx, &|tags| {
        tags.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
        check_tag_count(tags)
    })
}

/// Without a value a tag goes whatever its value is; with one only when it has that value; without
/// any tag named, all go.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let named = input.get("Tags").list();
    change_all(input, draft, ctx, &|tags| {
        if named.is_empty() {
            tags.clear();
        }
        for tag in named {
            let key = tag.get("Key").str().unwrap_or_default();
            let value = tag.get("Value").str();
            if tags
                .get(key)
                .is_some_and(|there| value.is_none_or(|value| value == there))
            {
                tags.remove(key);
            }
        }
        Ok(())
    })
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let query = Query::of(input, false, &(5..=1000), |name| {
        matches!(name, "key" | "resource-id" | "resource-type" | "value")
            || name.starts_with("tag:")
    })?;
    let mut all = Vec::new();
    for kind in TAGGABLE {
        (kind.list)(view.intent, ctx, &mut all);
    }
    all.sort_by_key(key);
    let wanted = all.into_iter().filter(|tag| {
        query.matches(|name| match name {
            "key" => vec![tag.key.clone()],
            "resource-id" => vec![tag.resource.clone()],
            "resource-type" => vec![tag.kind.to_string()],
            "value" => vec![tag.value.clone()],
            other => match other.strip_prefix("tag:") {
                Some(key) if key == tag.key => vec![tag.value.clone()],
                _ => Vec::new(),
            },
        })
    });
    let (items, next) = query.page(wanted, key, |tag| {
        map! {
            "ResourceId" => tag.resource,
            "ResourceType" => tag.kind,
            "Key" => tag.key,
            "Value" => tag.value,
        }
    });
    let mut output = Map::new();
    output.push("Tags", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

fn key(tag: &Tagged) -> String {
    format!("{}\0{}", tag.resource, tag.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_the_kind_with_its_whole_prefix() {
        for kind in TAGGABLE {
            let id = format!("{}0123456789abcdef0", kind.prefix);
            let first = TAGGABLE.iter().find(|k| id.starts_with(k.prefix));
            assert_eq!(first.map(|k| k.prefix), Some(kind.prefix));
        }
    }
}
