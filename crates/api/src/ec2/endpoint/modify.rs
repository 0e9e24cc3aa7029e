//! `ModifyVpcEndpoint` [ec2-api §6]: an endpoint changes whole or not at all.

use std::sync::Arc;

use adit_model::*;
use adit_wire::map;

use super::create::refuse_route_tables;
use super::{check, default_policy, find, interface, is_gateway};
use crate::context::{Answer, Ctx};
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
    check::ip_address_type(input.text("IpAddressType"))?;
    let mut new = VpcEndpoint::clone(&old);
    policy(input, &mut new)?;
    let gateway = is_gateway(&old);
    let dns = check::dns_options(input.get("DnsOptions"), gateway)?;
    new.dns_record = dns.record.or(old.dns_record);
    if gateway {
        refuse_interface_parts(input)?;
        route_tables(input, draft, ctx, &mut new)?;
        if dns.record == Some(DnsRecordType::Ipv4) {
            check::dns_attributes(&vpc)?;
        }
    } else {
        refuse_route_tables(input, &["AddRouteTableIds", "RemoveRouteTableIds"])?;
        groups(input, draft, ctx, &mut new)?;
        subnets(input, draft, ctx, &mut new)?;
        private_dns(input, draft, &vpc, dns.inbound_only, &mut new)?;
    }
    let same =
        (&new.kind, &new.policy, &new.dns_record) == (&old.kind, &old.policy, &old.dns_record);
    if !same {
        new.changed = draft.generation;
        draft.put(new);
    }
    Ok(Answer::from(map! { "Return" => true }))
}

fn policy(input: &Input<'_>, new: &mut VpcEndpoint) -> Result<(), Refusal> {
    let gateway = is_gateway(new);
    match (
        input.text("PolicyDocument"),
        input.flag("ResetPolicy", false),
    ) {
        (Some(_), true) => {
            return Err(Refusal::combination(
                "PolicyDocument and ResetPolicy cannot be used in the same request",
            ));
        }
        (Some(text), false) => {
            check::policy(text, gateway, &new.owner)?;
            new.policy = text.to_string();
        }
        (None, true) => new.policy = default_policy(gateway).to_string(),
        (None, false) => {}
    }
    Ok(())
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

/// Removes, adds and moves interfaces. One whose address changes is replaced by a new one.
fn subnets(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let (id, vpc) = (new.id.clone(), new.vpc.clone());
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
    for (wanted, designated) in interface::wanted(input, "AddSubnetIds")? {
        let subnet = check::subnet(draft, ctx, &vpc, wanted)?;
        let at = subnets.iter().position(|there| *there == subnet.id);
        let old = at
            .and_then(|at| interfaces.get(at))
            .and_then(|eni| draft.get(eni))
            .cloned();
        if !moves(old.as_ref(), designated) {
            continue;
        }
        let address = interface::address(draft, &subnet, designated)?;
        let made = interface::make(draft, ctx, &id, &subnet, address, groups);
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
    check::zones(&places)
}

/// Whether a wish for a subnet asks for another interface than there is.
fn moves(old: Option<&Arc<NetworkInterface>>, designated: Option<&str>) -> bool {
    match (old, designated) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(eni), Some(address)) => eni.private_ip.to_string() != address,
    }
}

fn private_dns(
    input: &Input<'_>,
    intent: &Intent,
    vpc: &Vpc,
    wish: Option<bool>,
    new: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    let (id, service) = (new.id.clone(), new.service.clone());
    let EndpointKind::Interface {
        private_dns,
        inbound_only,
        ..
    } = &mut new.kind
    else {
        return Ok(());
    };
    let before = (*private_dns, *inbound_only);
    let on = input
        .get("PrivateDnsEnabled")
        .bool()
        .unwrap_or(*private_dns);
    let only = match (on, wish) {
        (false, Some(true)) => return Err(inbound_needs_private()),
        (false, _) => false,
        (true, Some(only)) => only,
        (true, None) if *private_dns => *inbound_only,
        // Switched on without saying more.
        (true, None) => true,
    };
    if on && (on, only) != before {
        check::private_dns(intent, vpc, &service, Some(&id), only)?;
    }
    (*private_dns, *inbound_only) = (on, only);
    Ok(())
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

pub(super) fn inbound_needs_private() -> Refusal {
    Refusal::invalid(
        "PrivateDnsOnlyForInboundResolverEndpoint can be set to true only when private DNS is enabled.",
    )
}
