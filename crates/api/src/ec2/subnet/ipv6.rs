//! IPv6 blocks of subnets: a /64 of their VPC's [ec2-api §16].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv6Net;

use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::refusal::Refusal;

/// How long the prefix of a subnet's block is.
const PREFIX: u8 = 64;

/// A block that a subnet of a VPC may have: a /64 inside the VPC's, free.
pub(super) fn check_block(intent: &Intent, vpc: &Vpc, text: &str) -> Result<Ipv6Net, Refusal> {
    let cidr: Ipv6Net = text.parse().map_err(|_| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block."
        ))
    })?;
    let cidr = cidr.trunc();
    let inside = vpc.ipv6.iter().any(|block| block.cidr.contains(&cidr));
    if cidr.prefix_len() != PREFIX || !inside {
        return Err(Refusal::new(
            "InvalidSubnet.Range",
            format!("The CIDR '{cidr}' is invalid."),
        ));
    }
    let has = |subnet: &Arc<Subnet>| subnet.ipv6.as_ref().is_some_and(|own| own.cidr == cidr);
    match intent.in_vpc::<Subnet>(&vpc.id).any(has) {
        true => Err(Refusal::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        )),
        false => Ok(cidr),
    }
}

/// A subnet has one block at most.
pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv6IpamPoolId", "Ipv6NetmaskLength"])?;
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let vpc = ctx.find::<Vpc>(draft, subnet.vpc.as_str())?;
    if let Some(there) = &subnet.ipv6 {
        return Err(Refusal::invalid_value(format!(
            "The subnet '{}' already has the IPv6 CIDR block {}.",
            subnet.id, there.cidr
        )));
    }
    let made = SubnetIpv6Cidr {
        association: SubnetCidrAssociationId::from_digits(ctx.ids.digits()),
        cidr: check_block(draft, &vpc, input.required("Ipv6CidrBlock")?)?,
    };
    let answer = map! {
        "SubnetId" => subnet.id.as_str(),
        "Ipv6CidrBlockAssociation" => show(&made, "associating"),
    };
    draft.edit::<Subnet>(&subnet.id, |subnet| subnet.ipv6 = Some(made));
    Ok(Answer::from(answer))
}

/// A block of which an interface has an address stays.
pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("AssociationId")?;
    let is_it = |block: &SubnetIpv6Cidr| block.association.as_str() == id;
    let mut mine = draft.subnets.values().filter(|s| ctx.sees(draft, &***s));
    let found = mine.find(|subnet| subnet.ipv6.as_ref().is_some_and(is_it));
    let Some((subnet, block)) = found.and_then(|s| Some((s.clone(), s.ipv6.clone()?))) else {
        return Err(Refusal::new(
            "InvalidSubnetCidrBlockAssociationID.NotFound",
            format!("The subnet CIDR block association ID '{id}' does not exist"),
        ));
    };
    let uses = |eni: &Arc<NetworkInterface>| eni.subnet == subnet.id && !eni.ipv6.is_empty();
    if draft.in_vpc::<NetworkInterface>(&subnet.vpc).any(uses) {
        return Err(Refusal::new(
            "DependencyViolation",
            format!(
                "The subnet CIDR block {} has dependencies and cannot be disassociated.",
                block.cidr
            ),
        ));
    }
    draft.edit::<Subnet>(&subnet.id, |subnet| {
        subnet.ipv6 = None;
        subnet.assign_ipv6 = false;
    });
    Ok(Answer::from(map! {
        "SubnetId" => subnet.id.as_str(),
        "Ipv6CidrBlockAssociation" => show(&block, "disassociating"),
    }))
}

/// A block as shown.
pub(super) fn show(block: &SubnetIpv6Cidr, state: &'static str) -> Value {
    map! {
        "AssociationId" => block.association.as_str(),
        "Ipv6CidrBlock" => block.cidr.to_string(),
        "Ipv6CidrBlockState" => map! { "State" => state },
        "Ipv6AddressAttribute" => "public",
        "IpSource" => "amazon",
    }
}
