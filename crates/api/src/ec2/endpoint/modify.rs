//! `ModifyVpcEndpoint` [ec2-api §6]: an endpoint changes whole or not at all.

use std::sync::Arc;

use adit_model::*;
use adit_wire::map;

use super::create::refuse_route_tables;
use super::{check, default_policy, find, interface, is_gateway};
use crate::context::{Answer, Ctx};
use crate::ec2::endpoint_service::{self, Offer};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let old = find(draft, ctx, input.required("VpcEndpointId")?)?;
    let Some(vpc) = draft.get::<Vpc>(&old.vpc).cloned() else {
        return Err(Refusal::invalid(format!("VPC {} does not exist.", old.vpc)));
    };
    let Some(offer) = endpoint_service::of(draft, &old) else {
        return Err(endpoint_service::unknown(&old.service));
    };
    let rejected = |connection: &Connection| connection.answer == ConnectionAnswer::Rejected;
    if old.connection.as_ref().is_some_and(rejected) {
        return Err(Refusal::new(
            "IncorrectState",
            format!(
                "The VPC endpoint {} is in state rejected and cannot be modified.",
                old.id
            ),
        ));
    }
    let mut new = VpcEndpoint::clone(&old);
    policy(input, &offer, &mut new)?;
    let gateway = is_gateway(&old);
    if let Some(text) = input.text("IpAddressType") {
        new.address_type = check::address_type(text)?;
        check::addresses(new.address_type, &offer, &[])?;
    }
    let dns = check::dns_options(input.get("DnsOptions"), gateway, new.address_type)?;
    new.dns_record = dns.record.or(old.dns_record);
    // What was chosen before must fit addresses that are chosen now.
    if let Some(record) = new.dns_record {
        check::record_fits(record, gateway, new.address_type)?;
    }
    if gateway {
        refuse_interface_parts(input)?;
        route_tables(input, draft, ctx, &mut new)?;
        if dns
            .record
            .is_some_and(|r| r != DnsRecordType::ServiceDefined)
        {
            check::dns_attributes(&vpc)?;
        }
    } else {
        refuse_route_tables(input, &["AddRouteTableIds", "RemoveRouteTableIds"])?;
        groups(input, draft, ctx, &mut new)?;
        subnets(input, draft, ctx, &offer, &vpc, &mut new)?;
        private_dns(input, draft, &vpc, &offer, dns.inbound_only, &mut new)?;
    }
    let same = new.kind == old.kind
        && new.policy == old.policy
        && new.dns_record == old.dns_record
        && new.address_type == old.address_type;
    if !same {
        new.changed = draft.generation;
        draft.put(new);
    }
    Ok(Answer::from(map! { "Return" => true }))
}

fn policy(input: &Input<'_>, offer: &Offer, new: &mut VpcEndpoint) -> Result<(), Refusal> {
    let text = input.text("PolicyDocument");
    match (text, input.flag("ResetPolicy", false)) {
        (Some(_), true) => Err(Refusal::combination(
            "PolicyDocument and ResetPolicy cannot be used in the same request",
        )),
        (Some(text), false) => {
            check::policy(text, offer, new)?;
            new.policy = text.to_string();
            Ok(())
        }
        (None, true) => {
            new.policy = default_policy(is_gateway(new)).to_string();
            Ok(())
        }
        (None, false) => Ok(()),
    }
}

fn route_tables(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &Ctx,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let (id, vpc, service) = (new.id.clone(), new.vpc.clone(), new.service.clone());
    let EndpointKind::Gateway { route_tables } = &mut new.kind else {
        return Ok(());
    };
    for table in input.texts("RemoveRouteTableIds") {
        let before = route_tables.len();
        route_tables.retain(|there| there.as_str() != table);
        if route_tables.len() == before {
            return Err(Refusal::invalid(format!(
                "Route table {table} is not associated with VPC endpoint {id}."
            )));
        }
    }
    for table in input.texts("AddRouteTableIds") {
        // One that is there already stays; one that another endpoint has is refused.
        if !route_tables.iter().any(|there| there.as_str() == table) {
            let table = without(draft, &id, |rest| {
                check::route_table(rest, ctx, &vpc, &service, table)
            })?;
            route_tables.push(table.id.clone());
        }
    }
    Ok(())
}

/// Checks against the intent as it is without this endpoint: what it has must not be in its own way.
fn without<T>(intent: &Intent, id: &VpcEndpointId, check: impl FnOnce(&Intent) -> T) -> T {
    let mut rest = Draft::new(intent);
    rest.remove::<VpcEndpoint>(id);
    check(&rest)
}

fn groups(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &Ctx,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let id = new.id.clone();
    let EndpointKind::Interface {
        groups, interfaces, ..
    } = &mut new.kind
    else {
        return Ok(());
    };
    let before = groups.clone();
    for group in input.texts("AddSecurityGroupIds") {
        let group = check::group(draft, ctx, &new.vpc, group)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for group in input.texts("RemoveSecurityGroupIds") {
        if !groups.iter().any(|there| there.as_str() == group) {
            return Err(Refusal::invalid(format!(
                "Security group {group} is not associated with VPC endpoint {id}."
            )));
        }
        groups.retain(|there| there.as_str() != group);
    }
    if groups.is_empty() {
        return Err(Refusal::invalid(format!(
            "VPC endpoint {id} must have at least one security group."
        )));
    }
    check::group_count(draft, groups)?;
    if *groups != before {
        for interface in interfaces.iter() {
            draft.edit::<NetworkInterface>(interface, |eni| eni.groups = groups.clone());
        }
    }
    Ok(())
}

/// Removes, adds and moves interfaces. One whose addresses change is replaced by a new one.
fn subnets(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    offer: &Offer,
    vpc: &Vpc,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let (id, types) = (new.id.clone(), new.address_type);
    let EndpointKind::Interface {
        interfaces,
        subnets,
        groups,
        ..
    } = &mut new.kind
    else {
        return Ok(());
    };
    for subnet in input.texts("RemoveSubnetIds") {
        let Some(at) = subnets.iter().position(|there| there.as_str() == subnet) else {
            return Err(Refusal::invalid(format!(
                "Subnet {subnet} is not associated with VPC endpoint {id}."
            )));
        };
        subnets.remove(at);
        draft.remove_interface(interfaces.remove(at));
    }
    for wanted in interface::wanted(input, "AddSubnetIds")? {
        let subnet = check::subnet(draft, ctx, &vpc.id, wanted.subnet)?;
        let at = subnets.iter().position(|there| *there == subnet.id);
        let old = at.and_then(|at| draft.get::<NetworkInterface>(interfaces.get(at)?));
        if old.is_some_and(|old| !wanted.differs(old)) {
            continue;
        }
        let addresses = wanted.addresses(draft, &subnet, types)?;
        let made = interface::make(draft, ctx, &id, &subnet, addresses, groups);
        match at.and_then(|at| interfaces.get_mut(at)) {
            Some(slot) => {
                draft.remove_interface(std::mem::replace(slot, made.id.clone()));
            }
            None => {
                subnets.push(subnet.id.clone());
                interfaces.push(made.id.clone());
            }
        }
    }
    let places: Vec<Arc<Subnet>> = subnets
        .iter()
        .filter_map(|id| draft.get::<Subnet>(id))
        .cloned()
        .collect();
    check::zones(draft, offer, &vpc.region, &places)?;
    check::addresses(types, offer, &places)?;
    interface::fit(draft, interfaces, types)
}

fn private_dns(
    input: &Input<'_>,
    intent: &Intent,
    vpc: &Vpc,
    offer: &Offer,
    wish: Option<bool>,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let EndpointKind::Interface {
        private_dns: was,
        inbound_only: was_only,
        ..
    } = new.kind
    else {
        return Ok(());
    };
    let on = input.get("PrivateDnsEnabled").bool().unwrap_or(was);
    check_inbound_only(wish, on, offer)?;
    let only = match (on, wish) {
        (false, _) => false,
        (true, Some(only)) => only,
        (true, None) if was => was_only,
        // Switched on without saying more.
        (true, None) => offer.types().contains(&"Gateway"),
    };
    if on && (on, only) != (was, was_only) {
        check::private_dns(intent, vpc, offer, new, only)?;
    }
    if let EndpointKind::Interface {
        private_dns,
        inbound_only,
        ..
    } = &mut new.kind
    {
        (*private_dns, *inbound_only) = (on, only);
    }
    Ok(())
}

/// Only private DNS can be for inbound queries alone, and only where a gateway endpoint carries
/// the rest.
pub(super) fn check_inbound_only(
    wish: Option<bool>,
    private: bool,
    offer: &Offer,
) -> Result<(), Refusal> {
    if wish != Some(true) {
        return Ok(());
    }
    if !private {
        return Err(Refusal::invalid(
            "PrivateDnsOnlyForInboundResolverEndpoint can be set to true only when private DNS is enabled.",
        ));
    }
    match offer.types().contains(&"Gateway") {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "PrivateDnsOnlyForInboundResolverEndpoint is not supported by the service {}.",
            offer.name()
        ))),
    }
}

/// Refuses what only interface endpoints have.
fn refuse_interface_parts(input: &Input<'_>) -> Result<(), Refusal> {
    let has = |name: &str| !input.get(name).list().is_empty();
    if has("AddSubnetIds") || has("RemoveSubnetIds") || has("SubnetConfigurations") {
        return Err(no_subnets());
    }
    if has("AddSecurityGroupIds") || has("RemoveSecurityGroupIds") {
        return Err(no_groups());
    }
    if input.flag("PrivateDnsEnabled", false) {
        return Err(no_private_dns());
    }
    Ok(())
}

pub(super) fn no_subnets() -> Refusal {
    Refusal::invalid(
        "Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.",
    )
}

pub(super) fn no_groups() -> Refusal {
    Refusal::invalid("Security group IDs are only supported for Interface type VPC Endpoints.")
}

pub(super) fn no_private_dns() -> Refusal {
    Refusal::invalid("Private DNS can only be enabled for Interface type VPC Endpoints.")
}
