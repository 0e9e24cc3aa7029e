//! Prefix lists: the installation's own, one for each service with gateway endpoints, and those of
//! customers [ec2-api §15].

mod managed;

pub(crate) use managed::{associations, create, delete, entries, modify, restore};

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::IpNet;

use crate::context::{Ctx, View};
use crate::describe::{Pages, Query, is_tag_filter, tag_values, tags};
use crate::input::Input;
use crate::refusal::Refusal;

/// The prefix list of a service, which has the service's name.
pub(crate) fn of_service<'a>(intent: &'a Intent, service: &str) -> Option<&'a Arc<PrefixList>> {
    intent
        .prefix_lists
        .values()
        .find(|list| list.owner.is_none() && list.name == service)
}

/// The prefix list with this id, when the caller sees it.
pub(crate) fn find<'a>(
    intent: &'a Intent,
    ctx: &Ctx,
    id: &str,
) -> Result<&'a Arc<PrefixList>, Refusal> {
    if id.parse::<PrefixListId>().is_err() {
        return Err(Refusal::new(
            "InvalidPrefixListId.Malformed",
            format!("The prefix list ID '{id}' is malformed"),
        ));
    }
    intent
        .get::<PrefixList>(id)
        .filter(|list| sees(ctx, list))
        .ok_or_else(|| {
            Refusal::new(
                "InvalidPrefixListID.NotFound",
                format!("The prefix list ID '{id}' does not exist"),
            )
        })
}

/// Lists of the installation are everybody's in their Region.
fn sees(ctx: &Ctx, list: &PrefixList) -> bool {
    let mine = list.owner.is_none() || list.owner.as_ref() == Some(&ctx.caller.account);
    mine && list.region == ctx.region
}

/// The lists that a request asks for, one page of them.
fn run(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
    pages: Pages,
    wanted: impl Fn(&PrefixList) -> bool,
    show: impl Fn(&PrefixList) -> Value,
) -> Result<Value, Refusal> {
    let ids = input.texts("PrefixListIds");
    for id in &ids {
        find(view.intent, ctx, id)?;
    }
    let query = Query::of(input, !ids.is_empty(), &pages, |name| {
        matches!(name, "prefix-list-id" | "prefix-list-name" | "owner-id") || is_tag_filter(name)
    })?;
    let all = view.intent.prefix_lists.values().filter(|list| {
        sees(ctx, list)
            && wanted(list)
            && (ids.is_empty() || ids.contains(&list.id.as_str()))
            && query.matches(|name| match name {
                "prefix-list-id" => vec![list.id.to_string()],
                "prefix-list-name" => vec![list.name.clone()],
                "owner-id" => vec![owner(list)],
                name => tag_values(&list.tags, name).unwrap_or_default(),
            })
    });
    let (items, next) = query.page(all, |list| list.id.to_string(), |list| show(list));
    let mut output = Map::new();
    output.push("PrefixLists", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

fn owner(list: &PrefixList) -> String {
    list.owner
        .as_ref()
        .map_or("AWS".to_string(), AccountId::to_string)
}

fn cidrs(list: &PrefixList) -> Value {
    list.entries.iter().map(IpNet::to_string).collect()
}

/// The lists of services: those that gateway endpoints lead to.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    run(
        input,
        view,
        ctx,
        1..=1000,
        |list| list.owner.is_none(),
        |list| {
            map! {
                "PrefixListId" => list.id.as_str(),
                "PrefixListName" => list.name.as_str(),
                "Cidrs" => cidrs(list),
            }
        },
    )
}

/// Every list.
pub(crate) fn describe_managed(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    run(input, view, ctx, 1..=100, |_| true, show)
}

/// A list as shown; those of services have neither a version nor a size.
fn show(list: &PrefixList) -> Value {
    let account = list.owner.as_ref().map_or("aws", AccountId::as_str);
    let state = match list.version {
        0 | 1 => "create-complete",
        _ => "modify-complete",
    };
    map! {
        "PrefixListId" => list.id.as_str(),
        "AddressFamily" => match list.family {
            AddressFamily::Ipv4 => "IPv4",
            AddressFamily::Ipv6 => "IPv6",
        },
        "State" => state,
        "PrefixListArn" =>
            format!("arn:aws:ec2:{}:{account}:prefix-list/{}", list.region, list.id),
        "PrefixListName" => list.name.as_str(),
        "MaxEntries" => list.owner.as_ref().map(|_| list.max_entries),
        "Version" => list.owner.as_ref().map(|_| i64::try_from(list.version).unwrap_or(i64::MAX)),
        "OwnerId" => owner(list),
        "Tags" => tags(&list.tags),
    }
}
