//! IPv6 addresses of interfaces [ec2-api §20].

use std::net::Ipv6Addr;

use adit_model::*;
use adit_wire::{Value, map};

use super::change::own;
use crate::addresses::ipv6 as addresses;
use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::refusal::Refusal;

/// The addresses of a new interface: those that the request names, as many as it asks for, or what
/// the subnet gives to every one.
pub(super) fn of_new(
    input: &Input<'_>,
    intent: &Intent,
    subnet: &Subnet,
) -> Result<Vec<Ipv6Addr>, Refusal> {
    let named = input.get("Ipv6Addresses").list().iter();
    let named: Vec<&str> = named
        .map(|item| item.get("Ipv6Address").str().unwrap_or_default())
        .collect();
    match (input.get("Ipv6AddressCount").int(), named.is_empty()) {
        (Some(_), false) => Err(both()),
        (Some(count), true) => {
            let count = addresses::checked_count(intent, count, 0)?;
            addresses::some(intent, subnet, count)
        }
        (None, false) => {
            addresses::check_total(intent, named.len())?;
            let mut found = Vec::new();
            for text in named {
                let address = addresses::designated(intent, subnet, text)?;
                if found.contains(&address) {
                    return Err(twice(text));
                }
                found.push(address);
            }
            Ok(found)
        }
        (None, true) => addresses::on_creation(intent, subnet),
    }
}

fn both() -> Refusal {
    Refusal::combination("The parameter ipv6AddressCount cannot be used with ipv6Addresses")
}

fn twice(text: &str) -> Refusal {
    Refusal::invalid_value(format!("The IPv6 address {text} is given more than once."))
}

pub(crate) fn assign(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv6Prefixes", "Ipv6PrefixCount"])?;
    let eni = own(input, draft, ctx)?;
    let subnet = ctx.find::<Subnet>(draft, eni.subnet.as_str())?;
    let named = input.texts("Ipv6Addresses");
    let new = match (input.get("Ipv6AddressCount").int(), named.is_empty()) {
        (Some(_), false) => return Err(both()),
        (None, true) => return Err(Refusal::missing("ipv6AddressCount")),
        (Some(count), true) => {
            let count = addresses::checked_count(draft, count, eni.ipv6.len())?;
            addresses::some(draft, &subnet, count)?
        }
        (None, false) => {
            let mut found: Vec<Ipv6Addr> = Vec::new();
            for text in named {
                // The same again is no fault.
                let there = text
                    .parse()
                    .is_ok_and(|address| eni.ipv6.contains(&address));
                if there {
                    continue;
                }
                let address = addresses::designated(draft, &subnet, text)?;
                if found.contains(&address) {
                    return Err(twice(text));
                }
                found.push(address);
            }
            addresses::check_total(draft, eni.ipv6.len() + found.len())?;
            found
        }
    };
    draft.edit::<NetworkInterface>(&eni.id, |eni| eni.ipv6.extend(&new));
    Ok(Answer::from(map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "AssignedIpv6Addresses" => texts(&new),
    }))
}

pub(crate) fn unassign(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv6Prefixes"])?;
    let eni = own(input, draft, ctx)?;
    let named = input.texts("Ipv6Addresses");
    if named.is_empty() {
        return Err(Refusal::missing("ipv6Addresses"));
    }
    let mut gone = Vec::new();
    for text in named {
        match text.parse::<Ipv6Addr>() {
            Ok(address) if eni.ipv6.contains(&address) => gone.push(address),
            _ => {
                return Err(Refusal::invalid_value(format!(
                    "Some of the IPv6 addresses ({text}) are not assigned to interface {}",
                    eni.id
                )));
            }
        }
    }
    draft.edit::<NetworkInterface>(&eni.id, |eni| {
        eni.ipv6.retain(|address| !gone.contains(address));
    });
    Ok(Answer::from(map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "UnassignedIpv6Addresses" => texts(&gone),
    }))
}

fn texts(addresses: &[Ipv6Addr]) -> Value {
    addresses.iter().map(Ipv6Addr::to_string).collect()
}

/// An interface's addresses as shown.
pub(super) fn show(eni: &NetworkInterface) -> Value {
    let one = |address: &Ipv6Addr| {
        map! { "Ipv6Address" => address.to_string(), "IsPrimaryIpv6" => false }
    };
    eni.ipv6.iter().map(one).collect()
}
