//! The ranges of services: the prefix lists that AWS manages, which an operator changes here.
//!
//! Routes to gateway endpoints, rules of security groups and the addresses that names of the service
//! lead to all follow, since each is built from the list.

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::{IpNet, Ipv4Net};

use crate::context::{Answer, Ctx};
use crate::ec2::prefix_list::of_service;
use crate::input::Input;
use crate::own::account::only_first;
use crate::refusal::Refusal;

/// Sets the blocks of a service's list: `Service` is its whole name, or `s3` and the like in the
/// Region of the call.
pub(crate) fn set(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    only_first(draft, ctx, "change the ranges of services")?;
    let service = input.required("Service")?;
    let name = match service.contains('.') {
        true => service.to_string(),
        false => format!("com.amazonaws.{}.{service}", ctx.region),
    };
    let Some(list) = of_service(draft, &name).cloned() else {
        return Err(Refusal::new(
            "InvalidServiceName",
            format!("The service '{name}' has no prefix list."),
        ));
    };
    let mut blocks: Vec<Ipv4Net> = Vec::new();
    for text in input.texts("Cidrs") {
        let block = read(text)?;
        if let Some(other) = blocks.iter().find(|other| net::overlaps(**other, block)) {
            return Err(invalid(text, &format!("It overlaps {other}.")));
        }
        blocks.push(block);
    }
    if blocks.is_empty() {
        return Err(Refusal::missing("Cidrs"));
    }
    for block in &blocks {
        check_free(draft, &list, *block)?;
    }
    let entries: Vec<IpNet> = blocks.into_iter().map(IpNet::V4).collect();
    if list.entries != entries {
        draft.edit::<PrefixList>(&list.id, |list| list.entries = entries.clone());
    }
    Ok(Answer::from(map! {
        "PrefixListId" => list.id.as_str(),
        "PrefixListName" => list.name.as_str(),
        "Cidrs" => entries.iter().map(IpNet::to_string).collect::<Value>(),
    }))
}

fn invalid(text: &str, why: &str) -> Refusal {
    Refusal::invalid_value(format!(
        "Value ({text}) for parameter Cidrs is invalid. {why}"
    ))
}

/// A block of addresses that packets can be routed to.
fn read(text: &str) -> Result<Ipv4Net, Refusal> {
    let block = text.parse::<Ipv4Net>();
    let block = block.map_err(|_| invalid(text, "This is not a valid CIDR block."))?;
    let block = block.trunc();
    let first = block.network();
    match block.prefix_len() {
        8..=28 if !first.is_loopback() && !first.is_multicast() && !first.is_link_local() => {
            Ok(block)
        }
        _ => Err(invalid(
            text,
            "Expecting a block of /8 to /28 of routable addresses.",
        )),
    }
}

/// A service's addresses are nobody else's.
fn check_free(intent: &Intent, list: &PrefixList, block: Ipv4Net) -> Result<(), Refusal> {
    let others = intent.prefix_lists.values();
    let others = others.filter(|other| other.owner.is_none() && other.id != list.id);
    let services = others.flat_map(|other| other.ipv4().map(move |b| (b, other.name.clone())));
    let regions = intent.regions.values();
    let public = regions.map(|r| (r.public_addresses, format!("Region {}", r.name)));
    let mut taken = services.chain(public);
    match taken.find(|(there, _)| net::overlaps(*there, block)) {
        Some((there, of)) => Err(invalid(
            &block.to_string(),
            &format!("It overlaps {there} of {of}."),
        )),
        None => Ok(()),
    }
}
