//! Which VPCs' resolvers answer from a zone, and who may say so across accounts.

use std::sync::Arc;

use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Value, map};

use super::{change_info, find, invalid_input, no_zone, page_size, show_vpc};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(super) fn invalid_vpc() -> Refusal {
    Refusal::new("InvalidVPCId", "The VPC ID is invalid.")
}

/// The VPC that a request means; its Region must be the VPC's.
pub(super) fn wanted(intent: &Intent, vpc: &Value) -> Result<Arc<Vpc>, Refusal> {
    let Some(id) = vpc.get("VPCId").str() else {
        return Err(invalid_vpc());
    };
    let region = vpc.get("VPCRegion").str();
    let found = intent.get::<Vpc>(id);
    found
        .filter(|vpc| region.is_none_or(|region| region == vpc.region.as_str()))
        .cloned()
        .ok_or_else(invalid_vpc)
}

/// No two zones of one name in a VPC; an endpoint's private DNS counts as one.
pub(super) fn refuse_conflict(intent: &Intent, vpc: &Vpc, name: &str) -> Result<(), Refusal> {
    let taken = |zone: &str| {
        Refusal::new(
            "ConflictingDomainExists",
            format!(
                "The VPC {} in region {} has already been associated with the hosted zone {zone} with the same domain name.",
                vpc.id, vpc.region
            ),
        )
    };
    if let Some(zone) = super::zone_in_vpc(intent, &vpc.id, name) {
        return Err(taken(zone.id.as_str()));
    }
    let bare = name.trim_end_matches('.');
    let mut endpoints = intent.in_vpc::<VpcEndpoint>(&vpc.id);
    let private = endpoints.find(|endpoint| {
        matches!(
            &endpoint.kind,
            EndpointKind::Interface {
                private_dns: true,
                ..
            }
        ) && endpoint.service.ends_with(".s3")
            && names::private_names(&vpc.region).iter().any(|n| n == bare)
    });
    match private {
        Some(endpoint) => Err(taken(&format!("of VPC endpoint {}", endpoint.id))),
        None => Ok(()),
    }
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("HostedZoneId")?;
    let zone = draft.get::<HostedZone>(super::bare_id(id)).cloned();
    let zone = zone.ok_or_else(|| no_zone(id))?;
    let vpc = wanted(draft, input.get("VPC"))?;
    let caller = &ctx.caller.account;
    let authorized = zone.authorized.iter().any(|wanted| wanted.vpc == vpc.id);
    // Whose VPC it is says so; the zone's owner must have agreed.
    if vpc.owner != *caller || !(zone.owner == *caller || authorized) {
        return Err(match zone.owner == *caller || authorized {
            false if vpc.owner != *caller => no_zone(id),
            _ => Refusal::new(
                "NotAuthorizedException",
                "User is not authorized to associate the hosted zone with the VPC: an association \
                 authorization by the owner of the hosted zone is required, and the VPC must be yours.",
            )
            .status(401),
        });
    }
    refuse_conflict(draft, &vpc, &zone.name)?;
    quotas::VPCS_PER_ZONE.check(draft, || draft.vpcs_of_zone(&zone.id).count())?;
    draft.put(ZoneAssociation {
        zone: zone.id.clone(),
        vpc: vpc.id.clone(),
        region: vpc.region.clone(),
    });
    let change = change_info(ctx, draft.generation, input.text("Comment"));
    Ok(Answer::later(
        move |view| map! { "ChangeInfo" => change(view) },
    ))
}

/// Either owner, the zone's or the VPC's, may end an association.
pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("HostedZoneId")?;
    let zone = draft.get::<HostedZone>(super::bare_id(id)).cloned();
    let zone = zone.ok_or_else(|| no_zone(id))?;
    let vpc = wanted(draft, input.get("VPC"))?;
    let caller = &ctx.caller.account;
    if zone.owner != *caller && vpc.owner != *caller {
        return Err(no_zone(id));
    }
    let association = ZoneAssociation {
        zone: zone.id.clone(),
        vpc: vpc.id.clone(),
        region: vpc.region.clone(),
    };
    if draft.get::<ZoneAssociation>(association.key()).is_none() {
        return Err(Refusal::new(
            "VPCAssociationNotFound",
            format!(
                "The VPC {} and hosted zone {} are not associated.",
                vpc.id, zone.id
            ),
        )
        .status(404));
    }
    if draft.vpcs_of_zone(&zone.id).count() == 1 {
        return Err(Refusal::new(
            "LastVPCAssociation",
            format!(
                "The VPC {} is the last one that the hosted zone {} is associated with.",
                vpc.id, zone.id
            ),
        ));
    }
    draft.remove::<ZoneAssociation>(association.key());
    let change = change_info(ctx, draft.generation, input.text("Comment"));
    Ok(Answer::later(
        move |view| map! { "ChangeInfo" => change(view) },
    ))
}

pub(crate) fn authorize(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = find(draft, ctx, input.required("HostedZoneId")?)?;
    let vpc = wanted(draft, input.get("VPC"))?;
    let answer = map! {
        "HostedZoneId" => zone.id.as_str(),
        "VPC" => show_vpc(&vpc.id, &vpc.region),
    };
    if zone.authorized.iter().any(|known| known.vpc == vpc.id) {
        return Ok(Answer::from(answer));
    }
    quotas::AUTHORIZATIONS_PER_ZONE.check(draft, || zone.authorized.len())?;
    draft.edit::<HostedZone>(&zone.id, |zone| {
        zone.authorized.push(AuthorizedVpc {
            vpc: vpc.id.clone(),
            region: vpc.region.clone(),
        });
    });
    Ok(Answer::from(answer))
}

pub(crate) fn deauthorize(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = find(draft, ctx, input.required("HostedZoneId")?)?;
    let id = input.get("VPC").get("VPCId").str().unwrap_or_default();
    if !zone.authorized.iter().any(|known| known.vpc.as_str() == id) {
        return Err(Refusal::new(
            "VPCAssociationAuthorizationNotFound",
            "The VPC that you specified is not authorized to be associated with the hosted zone.",
        )
        .status(404));
    }
    draft.edit::<HostedZone>(&zone.id, |zone| {
        zone.authorized.retain(|known| known.vpc.as_str() != id);
    });
    Ok(Answer::done())
}

pub(crate) fn authorizations(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let zone = find(view.intent, ctx, input.required("HostedZoneId")?)?;
    let size = page_size(input, "MaxResults")?;
    let skip = match input.text("NextToken") {
        None | Some("") => 0,
        Some(after) => match zone.authorized.iter().position(|v| v.vpc.as_str() == after) {
            Some(at) => at + 1,
            None => return Err(invalid_input("The value of NextToken is invalid.")),
        },
    };
    let rest = zone.authorized.get(skip..).unwrap_or_default();
    let shown = rest.get(..size).unwrap_or(rest);
    let next = shown.last().filter(|_| rest.len() > size);
    let vpcs = shown
        .iter()
        .map(|known| show_vpc(&known.vpc, &known.region));
    Ok(map! {
        "HostedZoneId" => zone.id.as_str(),
        "NextToken" => next.map(|known| known.vpc.to_string()),
        "VPCs" => vpcs.collect::<Value>(),
    })
}
