//! Peering connections as each side sees them.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{Mine, tags_of};
use crate::context::{Ctx, View};
use crate::describe::{Query, is_tag_filter, tag_values, tags};
use crate::input::Input;
use crate::refusal::Refusal;

/// Whether a connection has a side of the caller's here.
pub(crate) fn sees(ctx: &Ctx, connection: &VpcPeeringConnection) -> bool {
    let mine = Mine::of(ctx);
    mine.is(&connection.requester) || mine.is(&connection.accepter)
}

/// The connection with this id, when the caller sees it.
pub(crate) fn find(
    intent: &Intent,
    ctx: &Ctx,
    id: &str,
) -> Result<Arc<VpcPeeringConnection>, Refusal> {
    let found = intent.get::<VpcPeeringConnection>(id);
    // Whoever is asked in another Region is told where to answer, so owners see it everywhere.
    let owns = |connection: &&Arc<VpcPeeringConnection>| {
        let account = &ctx.caller.account;
        connection.requester.owner == *account || connection.accepter.owner == *account
    };
    found.filter(owns).cloned().ok_or_else(|| {
        Refusal::new(
            "InvalidVpcPeeringConnectionID.NotFound",
            format!("The vpcPeeringConnection ID '{id}' does not exist"),
        )
    })
}

/// Where a connection stands, derived, and what AWS says of it.
pub(super) fn state(
    connection: &VpcPeeringConnection,
    intent: &Intent,
    now: Millis,
) -> (&'static str, String) {
    match connection.answer {
        PeeringAnswer::Accepted => ("active", "Active".into()),
        PeeringAnswer::Rejected => (
            "rejected",
            format!("Rejected by {}", connection.accepter.owner),
        ),
        PeeringAnswer::None if overlap(connection, intent) => (
            "failed",
            "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".into(),
        ),
        PeeringAnswer::None if now >= connection.created + VpcPeeringConnection::EXPIRES_AFTER => {
            ("expired", "Expired".into())
        }
        PeeringAnswer::None => (
            "pending-acceptance",
            format!("Pending Acceptance by {}", connection.accepter.owner),
        ),
    }
}

/// Whether the VPCs have addresses in common, so that nothing could tell them apart.
fn overlap(connection: &VpcPeeringConnection, intent: &Intent) -> bool {
    let (requester, accepter) = (&connection.requester.vpc, &connection.accepter.vpc);
    let (Some(a), Some(b)) = (intent.get::<Vpc>(requester), intent.get::<Vpc>(accepter)) else {
        return true;
    };
    let v4 = |a: &VpcCidr| b.cidrs.iter().any(|b| net::overlaps(a.cidr, b.cidr));
    let v6 = |a: &VpcIpv6Cidr| b.ipv6.iter().any(|b| net::overlaps_ipv6(a.cidr, b.cidr));
    a.cidrs.iter().any(v4) || a.ipv6.iter().any(v6)
}

const FILTERS: &[&str] = &[
    "accepter-vpc-info.cidr-block",
    "accepter-vpc-info.owner-id",
    "accepter-vpc-info.vpc-id",
    "expiration-time",
    "requester-vpc-info.cidr-block",
    "requester-vpc-info.owner-id",
    "requester-vpc-info.vpc-id",
    "status-code",
    "status-message",
    "vpc-peering-connection-id",
];

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let intent = view.intent;
    let ids = input.texts("VpcPeeringConnectionIds");
    for id in &ids {
        find(intent, ctx, id)?;
    }
    let query = Query::of(input, !ids.is_empty(), &(5..=1000), |name| {
        FILTERS.contains(&name) || is_tag_filter(name)
    })?;
    let mine = Mine::of(ctx);
    let wanted = intent.peering_connections.values().filter(|there| {
        let named = ids.contains(&there.id.as_str());
        (named || (ids.is_empty() && sees(ctx, there)))
            && query.matches(|name| {
                tag_values(tags_of(there, ctx), name)
                    .unwrap_or_else(|| values(there, name, intent, view.now))
            })
    });
    let show = |there: &Arc<VpcPeeringConnection>| show(there, intent, view.now, &mine);
    let (items, next) = query.page(wanted, |there| there.id.to_string(), show);
    let mut output = Map::new();
    output.push("VpcPeeringConnections", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

fn values(
    connection: &VpcPeeringConnection,
    name: &str,
    intent: &Intent,
    now: Millis,
) -> Vec<String> {
    let (code, message) = state(connection, intent, now);
    let (side, member) = match name.split_once("-vpc-info.") {
        Some(("accepter", member)) => (&connection.accepter, member),
        Some((_, member)) => (&connection.requester, member),
        None => (&connection.requester, name),
    };
    match member {
        "cidr-block" => blocks(side, intent),
        "owner-id" => vec![side.owner.to_string()],
        "vpc-id" => vec![side.vpc.to_string()],
        "status-code" => vec![code.to_string()],
        "status-message" => vec![message],
        "vpc-peering-connection-id" => vec![connection.id.to_string()],
        // Times are not matched as text.
        _ => Vec::new(),
    }
}

fn blocks(side: &PeerSide, intent: &Intent) -> Vec<String> {
    let vpc = intent.get::<Vpc>(&side.vpc);
    let cidrs = vpc.iter().flat_map(|vpc| &vpc.cidrs);
    cidrs.map(|c| c.cidr.to_string()).collect()
}

/// The options of one side as shown.
pub(super) fn options(allow_dns: bool) -> Value {
    map! {
        "AllowDnsResolutionFromRemoteVpc" => allow_dns,
        "AllowEgressFromLocalClassicLinkToRemoteVpc" => false,
        "AllowEgressFromLocalVpcToRemoteClassicLink" => false,
    }
}

pub(super) fn show(
    connection: &VpcPeeringConnection,
    intent: &Intent,
    now: Millis,
    mine: &Mine,
) -> Value {
    let (code, message) = state(connection, intent, now);
    let active = code == "active";
    let other_region = connection.requester.region != connection.accepter.region;
    let side = |side: &PeerSide, known: bool| {
        let vpc = intent.get::<Vpc>(&side.vpc).filter(|_| known);
        let cidr = |block: String| map! { "CidrBlock" => block };
        let ipv6 = |c: &VpcIpv6Cidr| map! { "Ipv6CidrBlock" => c.cidr.to_string() };
        let all = vpc.map(|_| {
            blocks(side, intent)
                .into_iter()
                .map(cidr)
                .collect::<Value>()
        });
        let ipv6 = vpc
            .filter(|vpc| !vpc.ipv6.is_empty())
            .map(|vpc| vpc.ipv6.iter().map(ipv6).collect::<Value>());
        map! {
            "CidrBlock" => vpc.map(|vpc| vpc.cidr().to_string()),
            "CidrBlockSet" => all,
            "Ipv6CidrBlockSet" => ipv6,
            "OwnerId" => side.owner.as_str(),
            "VpcId" => side.vpc.as_str(),
            "Region" => side.region.as_str(),
            "PeeringOptions" => active.then(|| options(side.allow_dns)),
        }
    };
    let expires = connection.created + VpcPeeringConnection::EXPIRES_AFTER;
    let shown_tags = match mine.is(&connection.requester) {
        true => &connection.requester.tags,
        false => &connection.accepter.tags,
    };
    map! {
        "VpcPeeringConnectionId" => connection.id.as_str(),
        "RequesterVpcInfo" => side(&connection.requester, true),
        // What is asked in another Region is told only when it has said yes.
        "AccepterVpcInfo" => side(&connection.accepter, active || !other_region),
        "ExpirationTime" =>
            (code == "pending-acceptance").then_some(Value::Time { millis: expires }),
        "Status" => map! { "Code" => code, "Message" => message },
        "Tags" => tags(shown_tags),
    }
}
