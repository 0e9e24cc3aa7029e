//! Secondary blocks of VPCs, IPv4 and IPv6 [ec2-api §16].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv4Net;

use super::{ipv6, vpc_cidr};
use crate::context::{Answer, Ctx};
use crate::ec2::peering;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    input.refuse_unbuilt(&["Ipv4IpamPoolId"])?;
    if ipv6::wanted(input, &vpc.region)? {
        if input.text("CidrBlock").is_some() {
            return Err(Refusal::combination(
                "The request must contain exactly one of cidrBlock and amazonProvidedIpv6CidrBlock",
            ));
        }
        return ipv6::associate(draft, ctx, &vpc);
    }
    let cidr = vpc_cidr(input.required("CidrBlock")?)?;
    check(draft, &vpc, cidr)?;
    check_peerings(draft, &vpc, cidr, ctx.now)?;
    quotas::CIDR_BLOCKS_PER_VPC.check(draft, || vpc.cidrs.len())?;
    let made = VpcCidr {
        association: VpcCidrAssociationId::from_digits(ctx.ids.digits()),
        cidr,
    };
    draft.edit::<Vpc>(&vpc.id, |vpc| vpc.cidrs.push(made.clone()));
    Ok(Answer::from(map! {
        "VpcId" => vpc.id.as_str(),
        "CidrBlockAssociation" => show(&made, "associating"),
    }))
}

/// A block that a VPC may have besides those it has.
fn check(intent: &Intent, vpc: &Vpc, cidr: Ipv4Net) -> Result<(), Refusal> {
    let conflict = |why: String| Err(Refusal::new("InvalidVpc.Range", why));
    if vpc.cidrs.iter().any(|c| net::overlaps(c.cidr, cidr)) {
        return conflict(format!(
            "The CIDR '{cidr}' conflicts with another CIDR of {}.",
            vpc.id
        ));
    }
    if let Some(range) = restricted(vpc, cidr) {
        return conflict(format!(
            "The CIDR '{cidr}' is restricted. It lies in {range}, which cannot be added to a VPC with the block {}.",
            vpc.cidr()
        ));
    }
    let tables = intent.in_vpc::<RouteTable>(&vpc.id);
    let mut routes = tables.flat_map(|table| table.routes.iter().map(move |r| (table, r)));
    let inside = |route: &Route| match route.destination {
        Destination::Ipv4(block) => cidr.contains(&block),
        _ => false,
    };
    if let Some((table, route)) = routes.find(|(_, route)| inside(route)) {
        return conflict(format!(
            "The CIDR '{cidr}' is the same as or larger than the destination {} of a route in {}.",
            route.destination, table.id
        ));
    }
    let mut sites = intent.in_vpc::<Site>(&vpc.id);
    if let Some(site) = sites.find(|site| net::overlaps(site.cidr, cidr)) {
        return conflict(format!(
            "The CIDR '{cidr}' overlaps the block {} of site '{}'.",
            site.cidr, site.name
        ));
    }
    Ok(())
}

/// What peering connections say to another block: an active one allows none that overlaps the other
/// side's, and one that waits for its answer none at all at the side that asked. The side that was asked
/// may add any; one that overlaps fails the connection [ec2-api §16].
fn check_peerings(intent: &Intent, vpc: &Vpc, cidr: Ipv4Net, now: Millis) -> Result<(), Refusal> {
    for connection in intent.in_vpc::<VpcPeeringConnection>(&vpc.id) {
        let Some((_, peer)) = connection.sides(&vpc.id) else {
            continue;
        };
        let peer = intent.get::<Vpc>(&peer.vpc);
        let mut blocks = peer.iter().flat_map(|peer| &peer.cidrs);
        if connection.is_active() {
            if blocks.any(|block| net::overlaps(block.cidr, cidr)) {
                return Err(Refusal::new(
                    "InvalidVpc.Range",
                    format!(
                        "The CIDR '{cidr}' overlaps a block of the VPC at the other side of {}.",
                        connection.id
                    ),
                ));
            }
        } else if connection.requester.vpc == vpc.id && peering::holds(connection, intent, now) {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!(
                    "A CIDR cannot be added to {} while {} waits for acceptance.",
                    vpc.id, connection.id
                ),
            ));
        }
    }
    Ok(())
}

const TEN: &str = "10.0.0.0/8";
const ONE_SEVEN_TWO: &str = "172.16.0.0/12";
const ONE_NINE_TWO: &str = "192.168.0.0/16";
const SHARED: &str = "198.19.0.0/16";

/// Ranges that a VPC whose primary block is in the first may not add.
const APART: &[(&str, &[&str])] = &[
    (TEN, &[ONE_SEVEN_TWO, ONE_NINE_TWO, SHARED]),
    (ONE_SEVEN_TWO, &[TEN, ONE_NINE_TWO, "172.31.0.0/16", SHARED]),
    (ONE_NINE_TWO, &[TEN, ONE_SEVEN_TWO, SHARED]),
    (SHARED, &[TEN, ONE_SEVEN_TWO, ONE_NINE_TWO]),
    ("0.0.0.0/0", &[TEN, ONE_SEVEN_TWO, ONE_NINE_TWO, SHARED]),
];

/// The range that AWS does not let a VPC add this block of [ec2-api §16].
fn restricted(vpc: &Vpc, cidr: Ipv4Net) -> Option<Ipv4Net> {
    let within = |text: &str, block: Ipv4Net| {
        let range: Ipv4Net = text.parse().ok()?;
        range.contains(&block).then_some(range)
    };
    if let Some(range) = within("169.254.0.0/16", cidr) {
        return Some(range);
    }
    let (_, apart) = APART
        .iter()
        .find(|(range, _)| within(range, vpc.cidr()).is_some())?;
    apart.iter().find_map(|range| within(range, cidr))
}

/// The primary block stays; one in which something stands, too.
pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("AssociationId")?;
    let mine = || draft.vpcs.values().filter(|vpc| ctx.sees(draft, &***vpc));
    let mut all = mine().flat_map(|vpc| vpc.ipv6.iter().map(move |b| (vpc, b)));
    let found = all.find(|(_, b)| b.association.as_str() == id);
    if let Some((vpc, block)) = found.map(|(vpc, b)| (vpc.clone(), b.clone())) {
        return ipv6::disassociate(draft, &vpc, &block);
    }
    let mut all = mine().flat_map(|vpc| vpc.cidrs.iter().map(move |c| (vpc, c)));
    let found = all.find(|(_, c)| c.association.as_str() == id);
    let Some((vpc, block)) = found.map(|(vpc, c)| (vpc.clone(), c.clone())) else {
        return Err(Refusal::new(
            "InvalidVpcCidrBlockAssociationID.NotFound",
            format!("The vpc CIDR block association ID '{id}' does not exist"),
        ));
    };
    if block.cidr == vpc.cidr() {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
            ),
        ));
    }
    let inside = |subnet: &Arc<Subnet>| block.cidr.contains(&subnet.cidr);
    if draft.in_vpc::<Subnet>(&vpc.id).any(inside) {
        return Err(in_use(&block.cidr));
    }
    draft.edit::<Vpc>(&vpc.id, |vpc| {
        vpc.cidrs.retain(|c| c.association != block.association);
    });
    Ok(Answer::from(map! {
        "VpcId" => vpc.id.as_str(),
        "CidrBlockAssociation" => show(&block, "disassociating"),
    }))
}

/// The refusal to take away a block in which something stands.
pub(super) fn in_use(block: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        "DependencyViolation",
        format!("The vpc CIDR block {block} has dependencies and cannot be disassociated."),
    )
}

fn show(block: &VpcCidr, state: &'static str) -> Value {
    map! {
        "AssociationId" => block.association.as_str(),
        "CidrBlock" => block.cidr.to_string(),
        "CidrBlockState" => map! { "State" => state },
    }
}
