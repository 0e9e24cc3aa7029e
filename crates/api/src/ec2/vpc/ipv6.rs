//! IPv6 blocks of VPCs [ec2-api §16].
//!
//! They come from the installation's own pool, a unique local one: no address of it can be mistaken
//! for one of the public internet.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::{IpNet, Ipv6Net};

use crate::addresses;
use crate::context::{Answer, Ctx};
use crate::ec2::{network_acl, security_group};
use crate::ids::Ids;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// Parameters by which a block would come from somewhere else.
pub(super) const ELSEWHERE: &[&str] = &[
    "Ipv6CidrBlock",
    "Ipv6Pool",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
];

/// Whether a request wants a block, from nowhere else than the installation's pool.
pub(super) fn wanted(input: &Input<'_>, region: &Region) -> Result<bool, Refusal> {
    input.refuse_unbuilt(ELSEWHERE)?;
    match input.text("Ipv6CidrBlockNetworkBorderGroup") {
        Some(group) if group != region.as_str() => Err(Refusal::invalid_value(format!(
            "Value ({group}) for parameter ipv6CidrBlockNetworkBorderGroup is invalid. Expecting {region}."
        ))),
        _ => Ok(input.flag("AmazonProvidedIpv6CidrBlock", false)),
    }
}

/// Gives a VPC a block. With the first one, what nobody has changed of its defaults lets IPv6 pass
/// as it does IPv4: the default network ACL, and the outgoing rules of security groups.
pub(super) fn add(draft: &mut Draft, ids: &mut Ids, vpc: &VpcId) -> Result<VpcIpv6Cidr, Refusal> {
    let there = draft.get::<Vpc>(vpc).map_or(0, |vpc| vpc.ipv6.len());
    quotas::IPV6_CIDR_BLOCKS_PER_VPC.check(draft, || there)?;
    let made = VpcIpv6Cidr {
        association: VpcCidrAssociationId::from_digits(ids.digits()),
        cidr: addresses::ipv6::vpc_block(draft)?,
    };
    draft.edit::<Vpc>(vpc, |vpc| vpc.ipv6.push(made.clone()));
    if there == 0 {
        network_acl::open_to_ipv6(draft, vpc);
        let groups: Vec<Arc<SecurityGroup>> = draft.in_vpc::<SecurityGroup>(vpc).cloned().collect();
        for group in groups {
            if security_group::lets_everything_out(&group) {
                let rule =
                    security_group::rule::allow_all_egress(ids, IpNet::V6(Ipv6Net::default()));
                draft.edit::<SecurityGroup>(&group.id, |group| group.rules.push(rule));
            }
        }
    }
    Ok(made)
}

pub(super) fn associate(draft: &mut Draft, ctx: &mut Ctx, vpc: &Vpc) -> Result<Answer, Refusal> {
    let made = add(draft, &mut ctx.ids, &vpc.id)?;
    Ok(Answer::from(map! {
        "VpcId" => vpc.id.as_str(),
        "Ipv6CidrBlockAssociation" => show(&made, &vpc.region, "associating"),
    }))
}

/// A block in which a subnet has its own stays.
pub(super) fn disassociate(
    draft: &mut Draft,
    vpc: &Vpc,
    block: &VpcIpv6Cidr,
) -> Result<Answer, Refusal> {
    let inside = |subnet: &Arc<Subnet>| {
        let own = subnet.ipv6.as_ref();
        own.is_some_and(|own| block.cidr.contains(&own.cidr))
    };
    if draft.in_vpc::<Subnet>(&vpc.id).any(inside) {
        return Err(super::block::in_use(&block.cidr));
    }
    draft.edit::<Vpc>(&vpc.id, |vpc| {
        vpc.ipv6.retain(|b| b.association != block.association);
    });
    Ok(Answer::from(map! {
        "VpcId" => vpc.id.as_str(),
        "Ipv6CidrBlockAssociation" => show(block, &vpc.region, "disassociating"),
    }))
}

/// One block as shown.
pub(super) fn show(block: &VpcIpv6Cidr, region: &Region, state: &'static str) -> Value {
    map! {
        "AssociationId" => block.association.as_str(),
        "Ipv6CidrBlock" => block.cidr.to_string(),
        "Ipv6CidrBlockState" => map! { "State" => state },
        "NetworkBorderGroup" => region.as_str(),
        "Ipv6Pool" => POOL,
        "Ipv6AddressAttribute" => "public",
        "IpSource" => "amazon",
    }
}

/// The pool of blocks that AWS provides, as shown.
pub(super) const POOL: &str = "Amazon";
