//! Inbound and outbound endpoints.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::{
    address, arn, exists, invalid, invalid_request, moment, name, not_found, page, said, tags,
    with_size,
};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The caller's endpoint in this Region.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<ResolverEndpoint>, Refusal> {
    match intent.get::<ResolverEndpoint>(id) {
        Some(found) if found.owner == ctx.caller.account && found.region == ctx.region => {
            Ok(found.clone())
        }
        _ => Err(not_found(format!(
            "[RSLVR-00501] Resolver endpoint with ID \"{}\" does not exist.",
            said(id)
        ))),
    }
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let request = input.required("CreatorRequestId")?;
    refuse_unbuilt(input)?;
    let direction = match input.required("Direction")? {
        "INBOUND" => Direction::Inbound,
        "OUTBOUND" => Direction::Outbound,
        other => {
            return Err(invalid(
                "Direction",
                format!("The direction {other} is not supported; INBOUND and OUTBOUND are."),
            ));
        }
    };
    let name = name(input)?;
    let mut mine = draft
        .resolver_endpoints
        .values()
        .filter(|e| e.owner == ctx.caller.account && e.region == ctx.region);
    if mine.any(|endpoint| endpoint.creator_request_id == request) {
        return Err(exists(format!(
            "[RSLVR-00502] Resolver endpoint with creator request ID \"{}\" already exists.",
            said(request)
        )));
    }
    quotas::RESOLVER_ENDPOINTS_PER_REGION.check(draft, || {
        let all = draft.resolver_endpoints.values();
        all.filter(|e| e.owner == ctx.caller.account && e.region == ctx.region)
            .count()
    })?;
    let (vpc, groups) = groups(input, draft, ctx)?;
    let wanted = input.get("IpAddresses").list();
    if wanted.len() < address::FEWEST {
        return Err(invalid(
            "IpAddresses",
            format!(
                "[RSLVR-00404] Resolver endpoint must have at least {} IP addresses.",
                address::FEWEST
            ),
        ));
    }
    quotas::ADDRESSES_PER_RESOLVER_ENDPOINT.check_total(draft, || wanted.len())?;
    let tags = tags(input)?;

    let id = ResolverEndpointId::from_digits(direction, ctx.ids.digits());
    let mut addresses = Vec::new();
    for address in wanted {
        addresses.push(address::make(draft, ctx, &id, &vpc, &groups, address)?);
    }
    let endpoint = draft.put(ResolverEndpoint {
        id,
        vpc,
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        direction,
        name,
        groups,
        addresses,
        creator_request_id: request.to_string(),
        tags,
        created: ctx.now,
        modified: ctx.now,
        changed: draft.generation,
    });
    Ok(answer(endpoint))
}

pub(super) fn answer(endpoint: Arc<ResolverEndpoint>) -> Answer {
    Answer::later(move |view| map! { "ResolverEndpoint" => show(&endpoint, view) })
}

/// What would have to listen or speak and does not.
fn refuse_unbuilt(input: &Input<'_>) -> Result<(), Refusal> {
    if let Some(other) = input.text("ResolverEndpointType").filter(|t| *t != "IPV4") {
        return Err(invalid(
            "ResolverEndpointType",
            format!("The endpoint type {other} is not supported; IPV4 is."),
        ));
    }
    if let Some(other) = input.texts("Protocols").iter().find(|p| **p != "Do53") {
        return Err(invalid(
            "Protocols",
            format!("The protocol {other} is not supported; Do53 is."),
        ));
    }
    let members = [
        "OutpostArn",
        "PreferredInstanceType",
        "Dns64Enabled",
        "Ipv6InternetAccessEnabled",
    ];
    input
        .refuse_unbuilt(&members)
        .map_err(|refusal| invalid_request(refusal.message))
}

/// The security groups, and the one VPC that they are in.
fn groups(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<(VpcId, Vec<SecurityGroupId>), Refusal> {
    let field = "SecurityGroupIds";
    let mut groups = Vec::new();
    let mut vpc: Option<VpcId> = None;
    for id in input.texts(field) {
        if id.parse::<SecurityGroupId>().is_err() {
            return Err(invalid(
                field,
                format!(
                    "[RSLVR-00408] Malformed security group ID: \"Invalid id: \"{}\" (expecting \"sg-...\")\".",
                    said(id)
                ),
            ));
        }
        let group = ctx.find::<SecurityGroup>(intent, id).map_err(|_| {
            invalid(
                field,
                format!("[RSLVR-00406] The security group \"{id}\" does not exist."),
            )
        })?;
        match &vpc {
            Some(vpc) if *vpc != group.vpc => {
                return Err(invalid(
                    field,
                    "[RSLVR-00411] The security groups are not all in one VPC.",
                ));
            }
            _ => vpc = Some(group.vpc.clone()),
        }
        if !groups.contains(&group.id) {
            groups.push(group.id.clone());
        }
    }
    let Some(vpc) = vpc else {
        return Err(invalid(
            field,
            "[RSLVR-00405] At least one security group is required.",
        ));
    };
    quotas::GROUPS_PER_INTERFACE.check_total(intent, || groups.len())?;
    Ok((vpc, groups))
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let endpoint = find(draft, ctx, input.required("ResolverEndpointId")?)?;
    refuse_unbuilt(input)?;
    if !input.get("UpdateIpAddresses").list().is_empty() {
        return Err(invalid_request(
            "UpdateIpAddresses is not supported: endpoints have IPv4 addresses.",
        ));
    }
    let name = match input.text("Name") {
        None => endpoint.name.clone(),
        Some(_) => name(input)?,
    };
    let changed = draft.generation;
    let edited = draft.edit::<ResolverEndpoint>(&endpoint.id, |endpoint| {
        endpoint.name = name;
        endpoint.modified = ctx.now;
        endpoint.changed = changed;
    });
    Ok(answer(edited.unwrap_or(endpoint)))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let endpoint = find(draft, ctx, input.required("ResolverEndpointId")?)?;
    let of_it = |rule: &&Arc<ResolverRule>| matches!(&rule.action, RuleAction::Forward { endpoint: of, .. } if *of == endpoint.id);
    let rules: Vec<String> = draft
        .resolver_rules
        .values()
        .filter(of_it)
        .map(|rule| rule.id.to_string())
        .collect();
    if !rules.is_empty() {
        return Err(invalid_request(format!(
            "[RSLVR-00806] Cannot delete resolver endpoint unless its related resolver rules are deleted. The following resolver rules still exist for this resolver endpoint: {}",
            rules.join(", ")
        )));
    }
    for address in &endpoint.addresses {
        draft.remove_interface(&address.interface);
    }
    draft.remove::<ResolverEndpoint>(&endpoint.id);
    Ok(Answer::later(move |view| {
        let mut shown = show(&endpoint, view);
        if let Some(members) = shown.map_mut() {
            members.insert("Status", "DELETING");
            members.insert("StatusMessage", "Deleting the Resolver Endpoint");
        }
        map! { "ResolverEndpoint" => shown }
    }))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let endpoint = find(view.intent, ctx, input.required("ResolverEndpointId")?)?;
    Ok(map! { "ResolverEndpoint" => show(&endpoint, view) })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let all = view.intent.resolver_endpoints.values();
    let mine = all.filter(|e| e.owner == ctx.caller.account && e.region == ctx.region);
    let shown = page(
        input,
        "ResolverEndpoints",
        &[
            ("CreatorRequestId", "CreatorRequestId"),
            ("Direction", "Direction"),
            ("HostVPCId", "HostVPCId"),
            ("IpAddressCount", "IpAddressCount"),
            ("Name", "Name"),
            ("SecurityGroupIds", "SecurityGroupIds"),
            ("Status", "Status"),
        ],
        mine,
        |endpoint| endpoint.id.to_string(),
        |endpoint| show(endpoint, view),
    )?;
    Ok(with_size(shown, input))
}

/// The state is what the planes made of it (I9).
fn status(endpoint: &ResolverEndpoint, view: View<'_>) -> (&'static str, String) {
    if let Some(fault) = view.board.fault(&endpoint.vpc) {
        return ("ACTION_NEEDED", fault.what.chars().take(255).collect());
    }
    match view.board.reached() >= endpoint.changed {
        true => (
            "OPERATIONAL",
            "This Resolver Endpoint is operational.".into(),
        ),
        false if endpoint.modified == endpoint.created => {
            ("CREATING", "Creating the Resolver Endpoint".into())
        }
        false => ("UPDATING", "Updating the Resolver Endpoint".into()),
    }
}

fn show(endpoint: &ResolverEndpoint, view: View<'_>) -> Value {
    let (status, message) = status(endpoint, view);
    let groups = endpoint.groups.iter().map(SecurityGroupId::as_str);
    map! {
        "Id" => endpoint.id.as_str(),
        "CreatorRequestId" => endpoint.creator_request_id.as_str(),
        "Arn" => arn(&endpoint.region, &endpoint.owner, "resolver-endpoint", &endpoint.id),
        "Name" => endpoint.name.clone(),
        "SecurityGroupIds" => groups.collect::<Value>(),
        "Direction" => endpoint.direction.as_str(),
        "IpAddressCount" => endpoint.addresses.len(),
        "HostVPCId" => endpoint.vpc.as_str(),
        "Status" => status,
        "StatusMessage" => message,
        "CreationTime" => moment(endpoint.created),
        "ModificationTime" => moment(endpoint.modified),
        "ResolverEndpointType" => "IPV4",
        "Protocols" => vec!["Do53"],
    }
}
