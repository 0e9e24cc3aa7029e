//! VPC peering connections, between any accounts and Regions of the installation [ec2-api §18].
//!
//! Both sides see a connection, each in the Region of its VPC. What the accepter said is kept; the
//! state is derived from that, from the blocks of both VPCs and from the clock.

mod shown;

pub(crate) use shown::describe;
pub(crate) use shown::{find, sees};

use std::sync::Arc;

use adit_model::*;
use adit_wire::map;

use crate::addresses;
use crate::context::{Answer, Ctx, Owned};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use shown::{show, state};

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let tags = input.tags("vpc-peering-connection")?;
    let peer = input.required("PeerVpcId")?;
    let owner = input.text("PeerOwnerId").unwrap_or(vpc.owner.as_str());
    let region = input.text("PeerRegion").unwrap_or(ctx.region.as_str());
    let is_it =
        |found: &&Arc<Vpc>| found.owner.as_str() == owner && found.region.as_str() == region;
    let Some(peer) = draft.get::<Vpc>(peer).filter(is_it).cloned() else {
        return Err(Vpc::not_found(peer));
    };
    if peer.id == vpc.id {
        return Err(Refusal::invalid_value(
            "A VPC cannot be peered with itself: the VPC ids must be different.",
        ));
    }
    let between = |there: &&Arc<VpcPeeringConnection>| there.sides(&peer.id).is_some();
    let there = draft
        .in_vpc::<VpcPeeringConnection>(&vpc.id)
        .filter(between)
        .find(|there| holds(there, draft, ctx.now))
        .cloned();
    if let Some(there) = there {
        return Err(Refusal::new(
            "VpcPeeringConnectionAlreadyExists",
            format!(
                "The VPC peering connection {} already exists between {} and {}",
                there.id, vpc.id, peer.id
            ),
        ));
    }
    let waiting = |there: &&Arc<VpcPeeringConnection>| {
        there.requester.vpc == vpc.id && state(there, draft, ctx.now).0 == "pending-acceptance"
    };
    let asked = draft
        .in_vpc::<VpcPeeringConnection>(&vpc.id)
        .filter(waiting);
    quotas::OUTSTANDING_PEERINGS.check(draft, || asked.count())?;
    let side = |vpc: &Vpc, tags: Tags| -> Result<PeerSide, Refusal> {
        let numbers = draft.in_vpc::<VpcPeeringConnection>(&vpc.id);
        let numbers = numbers.filter_map(|there| there.sides(&vpc.id).map(|(own, _)| own.number));
        Ok(PeerSide {
            vpc: vpc.id.clone(),
            owner: vpc.owner.clone(),
            region: vpc.region.clone(),
            number: addresses::number(numbers).ok_or_else(full)?,
            allow_dns: false,
            tags,
        })
    };
    let (requester, accepter) = (side(&vpc, tags)?, side(&peer, Tags::new())?);
    let made = draft.put(VpcPeeringConnection {
        id: VpcPeeringConnectionId::from_digits(ctx.ids.digits()),
        requester,
        accepter,
        answer: PeeringAnswer::None,
        created: ctx.now,
    });
    let mine = Mine::of(ctx);
    Ok(Answer::later(move |view| {
        map! { "VpcPeeringConnection" => show(&made, view.intent, view.now, &mine) }
    }))
}

/// Whether a VPC is kept by a connection: one that is active, or waits for its answer.
pub(crate) fn holds(connection: &VpcPeeringConnection, intent: &Intent, now: Millis) -> bool {
    matches!(
        state(connection, intent, now).0,
        "active" | "pending-acceptance"
    )
}

/// Who looks, from where: a connection shows each side its own tags.
#[derive(Debug, Clone)]
pub(crate) struct Mine {
    account: AccountId,
    region: Region,
}

impl Mine {
    fn of(ctx: &Ctx) -> Mine {
        Mine {
            account: ctx.caller.account.clone(),
            region: ctx.region.clone(),
        }
    }

    fn is(&self, side: &PeerSide) -> bool {
        side.owner == self.account && side.region == self.region
    }
}

fn full() -> Refusal {
    Refusal::new(
        "VpcPeeringConnectionsPerVpcLimitExceeded",
        "The maximum number of VPC peering connections has been reached.",
    )
}

fn wrong_state(connection: &VpcPeeringConnection, from: &str, to: &str) -> Refusal {
    Refusal::new(
        "InvalidStateTransition",
        format!(
            "Invalid state transition for {}, attempted to transition from {from} to {to}",
            connection.id
        ),
    )
}

/// The connection that the accepter's side, and nobody else, answers.
fn to_answer(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
    verb: &str,
) -> Result<Arc<VpcPeeringConnection>, Refusal> {
    let connection = find(draft, ctx, input.required("VpcPeeringConnectionId")?)?;
    let accepter = &connection.accepter;
    if accepter.owner != ctx.caller.account {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "User {} cannot {verb} peering {}",
                ctx.caller.account, connection.id
            ),
        ));
    }
    if accepter.region != ctx.region {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "Incorrect region ({}) specified for this request. VPC peering connection {} must be {verb}ed in region {}",
                ctx.region, connection.id, accepter.region
            ),
        ));
    }
    Ok(connection)
}

/// Accepting again is no fault.
pub(crate) fn accept(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let connection = to_answer(input, draft, ctx, "accept")?;
    match state(&connection, draft, ctx.now).0 {
        "active" => {}
        "pending-acceptance" => {
            for vpc in [&connection.requester.vpc, &connection.accepter.vpc] {
                let there = draft.in_vpc::<VpcPeeringConnection>(vpc);
                let active = there.filter(|there| there.is_active());
                quotas::PEERINGS_PER_VPC.check(draft, || active.count())?;
            }
            draft.edit::<VpcPeeringConnection>(&connection.id, |connection| {
                connection.answer = PeeringAnswer::Accepted;
            });
        }
        other => return Err(wrong_state(&connection, other, "active")),
    }
    let (id, mine) = (connection.id.clone(), Mine::of(ctx));
    Ok(Answer::later(move |view| {
        let shown = view.intent.get::<VpcPeeringConnection>(&id);
        let shown = shown.map(|there| show(there, view.intent, view.now, &mine));
        map! { "VpcPeeringConnection" => shown }
    }))
}

pub(crate) fn reject(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let connection = to_answer(input, draft, ctx, "reject")?;
    match state(&connection, draft, ctx.now).0 {
        "rejected" => {}
        "pending-acceptance" => {
            draft.edit::<VpcPeeringConnection>(&connection.id, |connection| {
                connection.answer = PeeringAnswer::Rejected;
            });
        }
        other => return Err(wrong_state(&connection, other, "rejected")),
    }
    Ok(Answer::from(map! { "Return" => true }))
}

/// Either side may end a connection that is active or over; one that waits only who asked for it.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let connection = find(draft, ctx, input.required("VpcPeeringConnectionId")?)?;
    let requester = connection.requester.owner == ctx.caller.account;
    if state(&connection, draft, ctx.now).0 == "pending-acceptance" && !requester {
        return Err(wrong_state(&connection, "pending-acceptance", "deleted"));
    }
    draft.remove::<VpcPeeringConnection>(&connection.id);
    Ok(Answer::from(map! { "Return" => true }))
}

/// Options that belonged to networks which no longer exist anywhere.
const CLASSIC: [&str; 2] = [
    "AllowEgressFromLocalClassicLinkToRemoteVpc",
    "AllowEgressFromLocalVpcToRemoteClassicLink",
];

pub(crate) fn modify_options(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let connection = find(draft, ctx, input.required("VpcPeeringConnectionId")?)?;
    let now = state(&connection, draft, ctx.now).0;
    if now != "active" {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "The options of peering {} cannot be modified while it is {now}",
                connection.id
            ),
        ));
    }
    let mine = Mine::of(ctx);
    let wish = |name: &str, side: &PeerSide| -> Result<Option<bool>, Refusal> {
        let options = Input(input.get(name));
        options.refuse_unbuilt(&CLASSIC)?;
        let Some(wish) = options.get("AllowDnsResolutionFromRemoteVpc").bool() else {
            return Ok(None);
        };
        if !mine.is(side) {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!(
                    "User {} cannot modify these peering options of {} in {}",
                    ctx.caller.account, connection.id, ctx.region
                ),
            ));
        }
        let vpc = draft.get::<Vpc>(&side.vpc);
        if wish && !vpc.is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames) {
            return Err(Refusal::new(
                "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled",
                format!("DNS hostnames are disabled in {}", side.vpc),
            ));
        }
        Ok(Some(wish))
    };
    let requester = wish("RequesterPeeringConnectionOptions", &connection.requester)?;
    let accepter = wish("AccepterPeeringConnectionOptions", &connection.accepter)?;
    draft.edit::<VpcPeeringConnection>(&connection.id, |connection| {
        let side = &mut connection.requester;
        side.allow_dns = requester.unwrap_or(side.allow_dns);
        let side = &mut connection.accepter;
        side.allow_dns = accepter.unwrap_or(side.allow_dns);
    });
    let shown = |set: Option<bool>| set.map(shown::options);
    Ok(Answer::from(map! {
        "RequesterPeeringConnectionOptions" => shown(requester),
        "AccepterPeeringConnectionOptions" => shown(accepter),
    }))
}

/// The tags of the caller's side; of the requester's where both sides are the caller's.
pub(crate) fn tags_of<'a>(connection: &'a VpcPeeringConnection, ctx: &Ctx) -> &'a Tags {
    match Mine::of(ctx).is(&connection.requester) {
        true => &connection.requester.tags,
        false => &connection.accepter.tags,
    }
}

/// The same, to be changed.
pub(crate) fn tags_of_mut<'a>(connection: &'a mut VpcPeeringConnection, ctx: &Ctx) -> &'a mut Tags {
    match Mine::of(ctx).is(&connection.requester) {
        true => &mut connection.requester.tags,
        false => &mut connection.accepter.tags,
    }
}
