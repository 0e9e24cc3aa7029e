//! Interfaces that their owner makes and changes: `adit attach` gives them to a host
//! [ec2-api §20].

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::{ipv6, show};
use crate::addresses;
use crate::context::{Answer, Ctx};
use crate::ec2::{address, security_group};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = input.tags("network-interface")?;
    let token = Token::of(input, "CreateNetworkInterface", ctx)?;
    let echo = token.as_ref().map(|token| token.text.clone());
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let eni = match made.and_then(|id| draft.get::<NetworkInterface>(id).cloned()) {
        Some(eni) => eni,
        None => {
            let eni = make(input, draft, ctx, tags)?;
            if let Some(token) = &token {
                token.remember(draft, ctx, &eni.id);
            }
            eni
        }
    };
    Ok(Answer::later(move |view| {
        map! { "NetworkInterface" => show(&eni, view), "ClientToken" => echo }
    }))
}

fn make(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    tags: Tags,
) -> Result<Arc<NetworkInterface>, Refusal> {
    input.refuse_unbuilt(&[
        "Ipv4Prefixes",
        "Ipv4PrefixCount",
        "Ipv6Prefixes",
        "Ipv6PrefixCount",
        "EnablePrimaryIpv6",
        "ConnectionTrackingSpecification",
        "Operator",
    ])?;
    if let Some(kind) = input
        .text("InterfaceType")
        .filter(|kind| *kind != "interface")
    {
        return Err(Refusal::unsupported(format!(
            "InterfaceType {kind} is not supported."
        )));
    }
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let groups = groups(input, draft, ctx, &subnet.vpc)?;
    let (private_ip, secondary) = private_addresses(input, draft, &subnet)?;
    let ipv6 = ipv6::of_new(input, draft, &subnet)?;
    let mine = || {
        draft
            .network_interfaces
            .values()
            .filter(|eni| ctx.sees(draft, &***eni))
    };
    quotas::INTERFACES_PER_REGION.check(draft, || mine().count())?;
    Ok(draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        private_ip,
        secondary,
        ipv6,
        public_ip: None,
        mac: ctx.ids.mac(),
        groups,
        description: input.text("Description").unwrap_or_default().to_string(),
        source_dest_check: true,
        user: InterfaceUser::Available,
        created: ctx.now,
        tags,
    }))
}

/// The groups that `Groups` names, else the VPC's default one.
fn groups(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &VpcId,
) -> Result<Vec<SecurityGroupId>, Refusal> {
    let mut groups = Vec::new();
    for id in input.texts("Groups") {
        let group = security_group::find(intent, ctx, id)?;
        if group.vpc != *vpc {
            return Err(Refusal::invalid(format!(
                "Security group {id} and the network interface belong to different networks."
            )));
        }
        if !groups.contains(&group.id) {
            groups.push(group.id.clone());
        }
    }
    if groups.is_empty() {
        let default = security_group::by_name(intent, vpc, security_group::DEFAULT);
        groups.extend(default.map(|group| group.id.clone()));
    }
    quotas::GROUPS_PER_INTERFACE.check_total(intent, || groups.len())?;
    Ok(groups)
}

/// The primary and the further addresses of a new interface.
fn private_addresses(
    input: &Input<'_>,
    intent: &Intent,
    subnet: &Subnet,
) -> Result<(Ipv4Addr, Vec<SecondaryAddress>), Refusal> {
    let mut primary = input.text("PrivateIpAddress").map(str::to_string);
    let mut others = Vec::new();
    for item in input.get("PrivateIpAddresses").list() {
        let text = item
            .get("PrivateIpAddress")
            .str()
            .unwrap_or_default()
            .to_string();
        match item.get("Primary").bool().unwrap_or(false) {
            true if primary.as_ref().is_some_and(|there| *there != text) => {
                return Err(Refusal::combination(
                    "Only one primary private IP address can be specified",
                ));
            }
            true => primary = Some(text),
            false => others.push(text),
        }
    }
    let mut taken = addresses::taken(intent, subnet);
    let primary = match primary {
        Some(text) => addresses::designated(intent, subnet, &text)?,
        None => {
            // Without a primary one named, the first free address that is not named either.
            let named: Vec<Ipv4Addr> = others.iter().filter_map(|t| t.parse().ok()).collect();
            let free = net::first_free(subnet.cidr, |a| taken.contains(&a) || named.contains(&a));
            free.ok_or_else(|| addresses::none_free(subnet))?
        }
    };
    taken.insert(primary);
    let mut secondary = Vec::new();
    for text in others {
        let address = addresses::designated(intent, subnet, &text)?;
        if !taken.insert(address) {
            return Err(given_twice(&text));
        }
        secondary.push(address);
    }
    let count = input
        .get("SecondaryPrivateIpAddressCount")
        .int()
        .unwrap_or(0);
    if count > 0 && !secondary.is_empty() {
        return Err(Refusal::combination(
            "The parameter secondaryPrivateIpAddressCount cannot be used with privateIpAddresses",
        ));
    }
    for _ in 0..checked_count(intent, count, 1 + secondary.len())? {
        let free = net::first_free(subnet.cidr, |a| taken.contains(&a));
        let address = free.ok_or_else(|| addresses::none_free(subnet))?;
        taken.insert(address);
        secondary.push(address);
    }
    quotas::ADDRESSES_PER_INTERFACE.check_total(intent, || 1 + secondary.len())?;
    Ok((primary, secondary.into_iter().map(without_public).collect()))
}

fn given_twice(address: &str) -> Refusal {
    Refusal::invalid_value(format!(
        "The private IP address {address} is given more than once."
    ))
}

fn without_public(private_ip: Ipv4Addr) -> SecondaryAddress {
    SecondaryAddress {
        private_ip,
        public_ip: None,
    }
}

/// A number of addresses that a request wants, within what an interface may have.
fn checked_count(intent: &Intent, count: i64, there: usize) -> Result<usize, Refusal> {
    let count = usize::try_from(count).map_err(|_| {
        Refusal::invalid_value(format!(
            "Value ({count}) for parameter secondaryPrivateIpAddressCount is invalid."
        ))
    })?;
    quotas::ADDRESSES_PER_INTERFACE.check_total(intent, || there.saturating_add(count))?;
    Ok(count)
}

/// An interface that its owner may change: not one of a service.
pub(super) fn own(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
) -> Result<Arc<NetworkInterface>, Refusal> {
    let eni = ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    match eni.user {
        InterfaceUser::Available
        | InterfaceUser::Run(_)
        | InterfaceUser::Attached { .. }
        | InterfaceUser::HostDevice(_) => Ok(eni),
        _ => Err(super::managed(&eni)),
    }
}

pub(crate) fn assign(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv4Prefixes", "Ipv4PrefixCount"])?;
    let eni = own(input, draft, ctx)?;
    let Some(subnet) = draft.get::<Subnet>(&eni.subnet).cloned() else {
        return Err(Refusal::invalid(format!(
            "Subnet {} does not exist.",
            eni.subnet
        )));
    };
    let count = input.get("SecondaryPrivateIpAddressCount").int();
    let named = input.texts("PrivateIpAddresses");
    let mut taken = addresses::taken(draft, &subnet);
    let mut new = Vec::new();
    match (count, named.is_empty()) {
        (Some(_), false) => {
            return Err(Refusal::combination(
                "The parameter secondaryPrivateIpAddressCount cannot be used with privateIpAddress",
            ));
        }
        (None, true) => return Err(Refusal::missing("secondaryPrivateIpAddressCount")),
        (Some(count), true) => {
            for _ in 0..checked_count(draft, count, 1 + eni.secondary.len())? {
                let free = net::first_free(subnet.cidr, |a| taken.contains(&a));
                let address = free.ok_or_else(|| addresses::none_free(&subnet))?;
                taken.insert(address);
                new.push(address);
            }
        }
        (None, false) => {
            for text in named {
                if new.iter().any(|there: &Ipv4Addr| there.to_string() == text) {
                    return Err(given_twice(text));
                }
                let address = match text.parse::<Ipv4Addr>() {
                    // The same again is no fault.
                    Ok(address) if eni.private_ips().any(|there| there == address) => continue,
                    Ok(address)
                        if taken.contains(&address) && input.flag("AllowReassignment", false) =>
                    {
                        take_over(draft, &subnet, address)?;
                        address
                    }
                    _ => addresses::designated(draft, &subnet, text)?,
                };
                new.push(address);
            }
        }
    }
    let total = 1 + eni.secondary.len() + new.len();
    quotas::ADDRESSES_PER_INTERFACE.check_total(draft, || total)?;
    draft.edit::<NetworkInterface>(&eni.id, |eni| {
        eni.secondary
            .extend(new.iter().copied().map(without_public));
    });
    let shown = |ip: &Ipv4Addr| map! { "PrivateIpAddress" => ip.to_string() };
    Ok(Answer::from(map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "AssignedPrivateIpAddresses" => new.iter().map(shown).collect::<Value>(),
    }))
}

/// Takes a further address from the interface of the subnet that has it.
fn take_over(draft: &mut Draft, subnet: &Subnet, address: Ipv4Addr) -> Result<(), Refusal> {
    let has = |eni: &&Arc<NetworkInterface>| eni.secondary.iter().any(|s| s.private_ip == address);
    let other = draft
        .in_vpc::<NetworkInterface>(&subnet.vpc)
        .find(has)
        .cloned();
    let Some(other) = other else {
        return Err(Refusal::invalid_value(format!(
            "The private IP address {address} is the primary address of another network interface."
        )));
    };
    drop_address(draft, &other, address);
    Ok(())
}

fn drop_address(draft: &mut Draft, eni: &NetworkInterface, address: Ipv4Addr) {
    let bound = address::bound_to(draft, eni);
    let bound: Vec<AllocationId> = bound
        .filter(|(_, association)| association.private_ip == address)
        .map(|(id, _)| id)
        .collect();
    for allocation in bound {
        address::unbind(draft, &allocation);
    }
    draft.edit::<NetworkInterface>(&eni.id, |eni| {
        eni.secondary.retain(|s| s.private_ip != address);
    });
}

pub(crate) fn unassign(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv4Prefixes"])?;
    let eni = own(input, draft, ctx)?;
    let named = input.texts("PrivateIpAddresses");
    if named.is_empty() {
        return Err(Refusal::missing("privateIpAddress"));
    }
    for text in named {
        let mut secondary = eni.secondary.iter().map(|s| s.private_ip);
        let Some(address) = secondary.find(|ip| ip.to_string() == text) else {
            return Err(Refusal::invalid_value(format!(
                "Some of the private IP addresses ({text}) are not assigned to interface {} as secondary addresses",
                eni.id
            )));
        };
        drop_address(draft, &eni, address);
    }
    Ok(Answer::done())
}

/// One attribute for each call.
pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&[
        "EnaSrdSpecification",
        "EnablePrimaryIpv6",
        "ConnectionTrackingSpecification",
        "AssociatePublicIpAddress",
        "AssociatedSubnetIds",
        "Attachment",
    ])?;
    let eni = own(input, draft, ctx)?;
    let description = input
        .get("Description")
        .get("Value")
        .str()
        .map(str::to_string);
    let check = input.get("SourceDestCheck").get("Value").bool();
    let named = !input.texts("Groups").is_empty();
    let given = [description.is_some(), check.is_some(), named];
    match given.iter().filter(|given| **given).count() {
        0 => return Err(Refusal::missing("Description")),
        1 => {}
        _ => {
            return Err(Refusal::combination(
                "Only one attribute can be modified in a request",
            ));
        }
    }
    let groups = match named {
        true => Some(groups(input, draft, ctx, &eni.vpc)?),
        false => None,
    };
    draft.edit::<NetworkInterface>(&eni.id, |eni| {
        eni.source_dest_check = check.unwrap_or(eni.source_dest_check);
        if let Some(description) = description {
            eni.description = description;
        }
        if let Some(groups) = groups {
            eni.groups = groups;
        }
    });
    Ok(Answer::done())
}

/// There are no instances that an interface could be attached to by API: a host is made one with
/// `adit attach`.
pub(crate) fn attach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    let instance = input.required("InstanceId")?;
    Err(Refusal::new(
        "InvalidInstanceID.NotFound",
        format!("The instance ID '{instance}' does not exist"),
    ))
}

/// Whatever an interface is attached to, it is not an instance of the API.
pub(crate) fn detach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("AttachmentId")?;
    let mine = draft.network_interfaces.values();
    let mut mine = mine.filter(|eni| ctx.sees(draft, &***eni));
    let found = mine.find(|eni| super::attachment_of(eni).as_deref() == Some(id));
    Err(match found {
        None => Refusal::new(
            "InvalidAttachmentID.NotFound",
            format!("The attachment ID '{id}' does not exist"),
        ),
        Some(eni) => match eni.user {
            InterfaceUser::Run(_)
            | InterfaceUser::Attached { .. }
            | InterfaceUser::HostDevice(_) => Refusal::new(
                "OperationNotPermitted",
                format!(
                    "The network interface '{}' is attached by adit run or adit attach, and is detached the same way.",
                    eni.id
                ),
            ),
            _ => super::managed(eni),
        },
    })
}
