//! Prefix lists of customers: entries with versions [ec2-api §15].

use std::collections::BTreeMap;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::IpNet;

use super::{find, show};
use crate::context::{Answer, Ctx, View};
use crate::describe::Query;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

/// How many entries a request may add or remove.
const ENTRIES_PER_REQUEST: usize = 100;

/// How many versions a list remembers; the oldest is forgotten.
const VERSIONS: usize = 1000;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = input.tags("prefix-list")?;
    let token = Token::of(input, "CreateManagedPrefixList", ctx)?;
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let list = match made.and_then(|id| draft.get::<PrefixList>(id).cloned()) {
        Some(list) => list,
        None => {
            let list = make(input, draft, ctx, tags)?;
            if let Some(token) = &token {
                token.remember(draft, ctx, &list.id);
            }
            list
        }
    };
    Ok(Answer::from(map! { "PrefixList" => show(&list) }))
}

fn make(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    tags: Tags,
) -> Result<Arc<PrefixList>, Refusal> {
    let name = name(input.required("PrefixListName")?)?;
    let family = match input.required("AddressFamily")? {
        "IPv4" => AddressFamily::Ipv4,
        "IPv6" => AddressFamily::Ipv6,
        other => {
            return Err(Refusal::invalid_value(format!(
                "Value ({other}) for parameter addressFamily is invalid. Expecting IPv4 or IPv6."
            )));
        }
    };
    let max = input.get("MaxEntries").int();
    let max_entries = max_entries(draft, max.ok_or_else(|| Refusal::missing("MaxEntries"))?)?;
    let account = ctx.caller.account.clone();
    let mine = draft.prefix_lists.values();
    let mine = mine.filter(|l| l.owner.as_ref() == Some(&account) && l.region == ctx.region);
    quotas::PREFIX_LISTS_PER_REGION.check(draft, || mine.count())?;
    let mut entries = Vec::new();
    let mut descriptions = BTreeMap::new();
    for (block, description) in read_entries(input, "Entries", family)? {
        add(&mut entries, &mut descriptions, block, description)?;
    }
    check_size(entries.len(), max_entries)?;
    Ok(draft.put(PrefixList {
        id: PrefixListId::from_digits(ctx.ids.digits()),
        name,
        region: ctx.region.clone(),
        owner: Some(account),
        entries,
        descriptions,
        family,
        max_entries,
        version: 1,
        history: Vec::new(),
        tags,
    }))
}

fn name(text: &str) -> Result<String, Refusal> {
    match text.chars().count() <= 255 && !text.starts_with("com.amazonaws") {
        true => Ok(text.to_string()),
        false => Err(Refusal::invalid_value(format!(
            "Value ({text}) for parameter prefixListName is invalid. A name has up to 255 characters and does not start with com.amazonaws."
        ))),
    }
}

fn max_entries(intent: &Intent, max: i64) -> Result<u32, Refusal> {
    let max = u32::try_from(max).ok().filter(|max| *max > 0);
    let max = max.ok_or_else(|| {
        Refusal::invalid_value("The parameter maxEntries must be a number from 1 on.")
    })?;
    quotas::ENTRIES_PER_PREFIX_LIST.check_total(intent, || max as usize)?;
    Ok(max)
}

fn check_size(entries: usize, max: u32) -> Result<(), Refusal> {
    match entries <= max as usize {
        true => Ok(()),
        false => Err(Refusal::new(
            "PrefixListMaxEntriesExceeded",
            format!("The prefix list would have {entries} entries; its maximum is {max}."),
        )),
    }
}

fn read_entries(
    input: &Input<'_>,
    member: &str,
    family: AddressFamily,
) -> Result<Vec<(IpNet, Option<String>)>, Refusal> {
    let given = input.get(member).list();
    if given.len() > ENTRIES_PER_REQUEST {
        return Err(Refusal::invalid_value(format!(
            "A request may name at most {ENTRIES_PER_REQUEST} entries."
        )));
    }
    let read = |entry: &Value| {
        let text = entry.get("Cidr").str().unwrap_or_default();
        let fits = |block: &IpNet| match (block, family) {
            (IpNet::V4(_), AddressFamily::Ipv4) | (IpNet::V6(_), AddressFamily::Ipv6) => true,
            (IpNet::V4(_), AddressFamily::Ipv6) | (IpNet::V6(_), AddressFamily::Ipv4) => false,
        };
        let block = text.parse::<IpNet>().ok().map(|block| block.trunc());
        let block = block.filter(fits).ok_or_else(|| {
            Refusal::invalid_value(format!(
                "Value ({text}) for parameter cidr is invalid. This is not a valid CIDR block of the list's address family."
            ))
        })?;
        let description = entry
            .get("Description")
            .str()
            .filter(|text| !text.is_empty());
        if description.is_some_and(|text| text.chars().count() > 255) {
            return Err(Refusal::invalid_value(
                "The description of an entry has up to 255 characters.",
            ));
        }
        Ok((block, description.map(str::to_string)))
    };
    given.iter().map(read).collect()
}

fn add(
    entries: &mut Vec<IpNet>,
    descriptions: &mut BTreeMap<IpNet, String>,
    block: IpNet,
    description: Option<String>,
) -> Result<(), Refusal> {
    if entries.contains(&block) {
        return Err(Refusal::new(
            "InvalidPrefixListModification",
            format!("The prefix list already has the entry {block}."),
        ));
    }
    entries.push(block);
    if let Some(description) = description {
        descriptions.insert(block, description);
    }
    Ok(())
}

/// A list that the caller may change.
fn own(input: &Input<'_>, draft: &Draft, ctx: &Ctx) -> Result<Arc<PrefixList>, Refusal> {
    let list = find(draft, ctx, input.required("PrefixListId")?)?.clone();
    match list.owner {
        Some(_) => Ok(list),
        None => Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "The prefix list '{}' is managed by AWS; adit prefix-list set changes it.",
                list.id
            ),
        )),
    }
}

fn check_version(input: &Input<'_>, list: &PrefixList) -> Result<(), Refusal> {
    let current = input.get("CurrentVersion").int();
    let current = current.ok_or_else(|| Refusal::missing("CurrentVersion"))?;
    match u64::try_from(current) == Ok(list.version) {
        true => Ok(()),
        false => Err(Refusal::new(
            "PrefixListVersionMismatch",
            format!(
                "The prefix list has the incorrect version number: {current} was given, {} is current.",
                list.version
            ),
        )),
    }
}

/// Keeps the entries there are as an earlier version, and counts on.
fn remember(list: &mut PrefixList) {
    list.history.push(PrefixListVersion {
        version: list.version,
        entries: list.entries.clone(),
        descriptions: list.descriptions.clone(),
    });
    if list.history.len() >= VERSIONS {
        list.history.remove(0);
    }
    list.version += 1;
}

/// Changed entries make a new version; a name or a size does not.
pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["IpamPrefixListResolverSyncEnabled"])?;
    let list = own(input, draft, ctx)?;
    let new = read_entries(input, "AddEntries", list.family)?;
    let gone = read_entries(input, "RemoveEntries", list.family)?;
    let max = input.get("MaxEntries").int();
    let named = match input.text("PrefixListName") {
        Some(text) => Some(name(text)?),
        None => None,
    };
    let entries_change = !new.is_empty() || !gone.is_empty();
    if entries_change && max.is_some() {
        return Err(Refusal::combination(
            "The parameter maxEntries cannot be used together with entries",
        ));
    }
    if !entries_change && max.is_none() && named.is_none() {
        return Err(Refusal::invalid_value(
            "Nothing of the prefix list would be modified.",
        ));
    }
    let mut changed = PrefixList::clone(&list);
    if entries_change {
        if let Some((block, _)) = new.iter().find(|(n, _)| gone.iter().any(|(g, _)| g == n)) {
            return Err(Refusal::invalid_value(format!(
                "Request cannot contain Cidr {block} in both AddPrefixListEntries and RemovePrefixListEntries"
            )));
        }
        check_version(input, &list)?;
        remember(&mut changed);
        for (block, _) in &gone {
            if !changed.entries.contains(block) {
                return Err(Refusal::new(
                    "InvalidPrefixListModification",
                    format!("The prefix list has no entry {block}."),
                ));
            }
            changed.entries.retain(|there| there != block);
            changed.descriptions.remove(block);
        }
        for (block, description) in new {
            let PrefixList {
                entries,
                descriptions,
                ..
            } = &mut changed;
            add(entries, descriptions, block, description)?;
        }
        check_size(changed.entries.len(), changed.max_entries)?;
    }
    if let Some(max) = max {
        changed.max_entries = max_entries(draft, max)?;
        check_size(changed.entries.len(), changed.max_entries)?;
    }
    if let Some(name) = named {
        changed.name = name;
    }
    let changed = draft.put(changed);
    Ok(Answer::from(map! { "PrefixList" => show(&changed) }))
}

/// An earlier version's entries become a new version.
pub(crate) fn restore(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let list = own(input, draft, ctx)?;
    check_version(input, &list)?;
    let previous = input.get("PreviousVersion").int();
    let previous = previous.ok_or_else(|| Refusal::missing("PreviousVersion"))?;
    let (entries, descriptions) = version(&list, previous)?;
    check_size(entries.len(), list.max_entries)?;
    let mut changed = PrefixList::clone(&list);
    remember(&mut changed);
    changed.entries = entries;
    changed.descriptions = descriptions;
    let changed = draft.put(changed);
    Ok(Answer::from(map! { "PrefixList" => show(&changed) }))
}

type Entries = (Vec<IpNet>, BTreeMap<IpNet, String>);

/// The entries of a version.
fn version(list: &PrefixList, wanted: i64) -> Result<Entries, Refusal> {
    let is_it = |version: u64| u64::try_from(wanted) == Ok(version);
    if is_it(list.version) {
        return Ok((list.entries.clone(), list.descriptions.clone()));
    }
    let found = list.history.iter().find(|version| is_it(version.version));
    found
        .map(|version| (version.entries.clone(), version.descriptions.clone()))
        .ok_or_else(|| {
            Refusal::invalid_value(format!(
                "The version {wanted} of the prefix list {} does not exist.",
                list.id
            ))
        })
}

/// What refers to a list: route tables and security groups of its Region, with their owners.
fn references(intent: &Intent, list: &PrefixList) -> Vec<(String, AccountId)> {
    let routes = |table: &&Arc<RouteTable>| {
        let mut routes = table.routes.iter();
        routes.any(|r| matches!(&r.destination, Destination::PrefixList(id) if *id == list.id))
    };
    let rules = |group: &&Arc<SecurityGroup>| {
        let mut rules = group.rules.iter();
        rules.any(|r| matches!(&r.peer, RulePeer::PrefixList(id) if *id == list.id))
    };
    let tables = intent.route_tables.values().filter(routes);
    let groups = intent.security_groups.values().filter(rules);
    let tables = tables.map(|table| (table.id.to_string(), table.owner.clone()));
    let groups = groups.map(|group| (group.id.to_string(), group.owner.clone()));
    tables.chain(groups).collect()
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let list = own(input, draft, ctx)?;
    if let Some((resource, _)) = references(draft, &list).first() {
        return Err(Refusal::new(
            "DependencyViolation",
            format!(
                "The prefix list '{}' is used by {resource} and cannot be deleted.",
                list.id
            ),
        ));
    }
    draft.remove::<PrefixList>(&list.id);
    let mut shown = show(&list);
    if let Some(map) = shown.map_mut() {
        map.insert("State", "delete-complete");
    }
    Ok(Answer::from(map! { "PrefixList" => shown }))
}

pub(crate) fn associations(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let list = find(view.intent, ctx, input.required("PrefixListId")?)?;
    if list.owner.is_none() {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "The associations of '{}', which AWS manages, are not shown.",
                list.id
            ),
        ));
    }
    let query = Query::of(input, false, &(1..=255), |_| false)?;
    let mut all = references(view.intent, list);
    all.sort();
    let (items, next) = query.page(
        all.into_iter(),
        |(resource, _)| resource.clone(),
        |(resource, owner)| map! { "ResourceId" => resource, "ResourceOwner" => owner.as_str() },
    );
    let mut output = Map::new();
    output.push("PrefixListAssociations", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

/// The entries of the current version or of the one that is asked for.
pub(crate) fn entries(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let list = find(view.intent, ctx, input.required("PrefixListId")?)?;
    let target = input.get("TargetVersion").int();
    if target.is_some() && list.owner.is_none() {
        return Err(Refusal::invalid_value(format!(
            "The prefix list '{}' has no versions.",
            list.id
        )));
    }
    let query = Query::of(input, false, &(1..=100), |_| false)?;
    let (mut blocks, descriptions) = match target {
        Some(wanted) => version(list, wanted)?,
        None => (list.entries.clone(), list.descriptions.clone()),
    };
    // Pages go by key, so the order is that of the keys.
    let key = |block: &IpNet| {
        let digits = match block {
            IpNet::V4(block) => format!("{:08x}", u32::from(block.network())),
            IpNet::V6(block) => format!("{:032x}", u128::from(block.network())),
        };
        format!("{digits}/{:03}", block.prefix_len())
    };
    blocks.sort_by_key(key);
    let show = |block: IpNet| {
        map! { "Cidr" => block.to_string(), "Description" => descriptions.get(&block).cloned() }
    };
    let (items, next) = query.page(blocks.into_iter(), key, show);
    let mut output = Map::new();
    output.push("Entries", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}
