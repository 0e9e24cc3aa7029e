//! Addresses of endpoints: each is a network interface that only the endpoint may change.

use adit_model::*;
use adit_wire::{Value, map};

use super::endpoint::{answer, find};
use super::{exists, invalid, invalid_request, moment, not_found, page, said, with_size};
use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The fewest addresses of an endpoint: one may fail.
pub(super) const FEWEST: usize = 2;

/// Makes an address of an endpoint in a subnet of its VPC.
pub(super) fn make(
    draft: &mut Draft,
    ctx: &mut Ctx,
    endpoint: &ResolverEndpointId,
    vpc: &VpcId,
    groups: &[SecurityGroupId],
    wanted: &Value,
) -> Result<ResolverAddress, Refusal> {
    let field = "IpAddresses";
    let id = wanted.get("SubnetId").str().unwrap_or_default();
    let subnet = ctx.find::<Subnet>(draft, id).map_err(|_| {
        invalid(
            field,
            format!(
                "[RSLVR-00403] The subnet ID \"{}\" does not exist.",
                said(id)
            ),
        )
    })?;
    if subnet.vpc != *vpc {
        return Err(invalid(
            field,
            format!("[RSLVR-00412] The subnet \"{id}\" is not in the VPC of the security groups."),
        ));
    }
    if !wanted.get("Ipv6").is_null() {
        return Err(invalid(field, "IPv6 addresses are not supported."));
    }
    let ip = match wanted.get("Ip").str() {
        Some(text) => addresses::designated(draft, &subnet, text),
        None => addresses::private(draft, &subnet),
    };
    let ip = ip.map_err(|refusal| invalid(field, refusal.message))?;
    let interface = draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        private_ip: ip,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        public_ip: None,
        mac: ctx.ids.mac(),
        groups: groups.to_vec(),
        description: format!("Route 53 Resolver: {endpoint}"),
        source_dest_check: true,
        user: InterfaceUser::ResolverEndpoint(endpoint.clone()),
        created: ctx.now,
        tags: Tags::new(),
    });
    Ok(ResolverAddress {
        id: ResolverIpId::from_digits(ctx.ids.digits()),
        interface: interface.id.clone(),
        subnet: subnet.id.clone(),
        ip,
        created: ctx.now,
    })
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let endpoint = find(draft, ctx, input.required("ResolverEndpointId")?)?;
    let wanted = input.get("IpAddress");
    if let Some(ip) = wanted.get("Ip").str()
        && endpoint.addresses.iter().any(|a| a.ip.to_string() == ip)
    {
        return Err(exists(format!(
            "[RSLVR-00503] The IP address {} is already associated with the resolver endpoint.",
            said(ip)
        )));
    }
    quotas::ADDRESSES_PER_RESOLVER_ENDPOINT.check(draft, || endpoint.addresses.len())?;
    let made = make(
        draft,
        ctx,
        &endpoint.id,
        &endpoint.vpc,
        &endpoint.groups,
        wanted,
    )?;
    let changed = draft.generation;
    let edited = draft.edit::<ResolverEndpoint>(&endpoint.id, |endpoint| {
        endpoint.addresses.push(made);
        endpoint.modified = ctx.now;
        endpoint.changed = changed;
    });
    Ok(answer(edited.unwrap_or(endpoint)))
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let endpoint = find(draft, ctx, input.required("ResolverEndpointId")?)?;
    let wanted = input.get("IpAddress");
    let (id, subnet, ip) = (
        wanted.get("IpId").str(),
        wanted.get("SubnetId").str(),
        wanted.get("Ip").str(),
    );
    if id.is_none() && (subnet.is_none() || ip.is_none()) {
        return Err(invalid(
            "IpAddress",
            "Either IpId, or SubnetId and Ip, must be given.",
        ));
    }
    let meant = |address: &&ResolverAddress| {
        id.is_none_or(|id| address.id.as_str() == id)
            && subnet.is_none_or(|subnet| address.subnet.as_str() == subnet)
            && ip.is_none_or(|ip| address.ip.to_string() == ip)
    };
    let Some(gone) = endpoint.addresses.iter().find(meant).cloned() else {
        return Err(not_found(
            "[RSLVR-00504] The IP address is not associated with the resolver endpoint.",
        ));
    };
    if endpoint.addresses.len() <= FEWEST {
        return Err(invalid_request(format!(
            "[RSLVR-00402] Resolver endpoint must have at least {FEWEST} IP addresses."
        )));
    }
    draft.remove_interface(&gone.interface);
    let changed = draft.generation;
    let edited = draft.edit::<ResolverEndpoint>(&endpoint.id, |endpoint| {
        endpoint.addresses.retain(|address| address.id != gone.id);
        endpoint.modified = ctx.now;
        endpoint.changed = changed;
    });
    Ok(answer(edited.unwrap_or(endpoint)))
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let endpoint = find(view.intent, ctx, input.required("ResolverEndpointId")?)?;
    let status = match view.board.reached() >= endpoint.changed {
        true => "ATTACHED",
        false => "ATTACHING",
    };
    let message = match status {
        "ATTACHED" => "This IP address is operational.",
        _ => "This IP address is being attached.",
    };
    let mut sorted: Vec<&ResolverAddress> = endpoint.addresses.iter().collect();
    sorted.sort_by_key(|address| address.id.clone());
    let shown = page(
        input,
        "IpAddresses",
        &[],
        sorted.into_iter(),
        |address| address.id.to_string(),
        |address| {
            map! {
                "IpId" => address.id.as_str(),
                "SubnetId" => address.subnet.as_str(),
                "Ip" => address.ip.to_string(),
                "Status" => status,
                "StatusMessage" => message,
                "CreationTime" => moment(address.created),
                "ModificationTime" => moment(address.created),
            }
        },
    )?;
    Ok(with_size(shown, input))
}
