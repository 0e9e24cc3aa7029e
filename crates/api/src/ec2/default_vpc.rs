//! The VPC and the subnets that AWS gives every account in every Region [ec2-api §16].

use std::sync::Arc;

use adit_model::*;
use adit_wire::map;
use ipnet::Ipv4Net;

use crate::context::{Answer, Ctx, Home};
use crate::ec2::{network_acl, place, subnet, vpc};
use crate::input::Input;
use crate::refusal::Refusal;

/// The block of a default VPC.
const BLOCK: &str = "172.31.0.0/16";

/// The length of the prefix of a default subnet.
const SUBNET_PREFIX: u8 = 20;

/// The default VPC of an account in a Region.
pub(crate) fn of<'a>(
    intent: &'a Intent,
    account: &AccountId,
    region: &Region,
) -> Option<&'a Arc<Vpc>> {
    let mut all = intent.vpcs.values();
    all.find(|vpc| vpc.is_default && vpc.owner == *account && vpc.region == *region)
}

pub(crate) fn create(_: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    if of(draft, &ctx.caller.account, &ctx.region).is_some() {
        return Err(Refusal::new(
            "DefaultVpcAlreadyExists",
            "A Default VPC already exists for this account in this region.",
        ));
    }
    let vpc = make(draft, &mut ctx.home())?;
    Ok(Answer::later(move |_| map! { "Vpc" => vpc::show(&vpc) }))
}

/// Makes a default VPC: a subnet in every zone, an internet gateway, a route to it.
pub(crate) fn make(draft: &mut Draft, home: &mut Home<'_>) -> Result<Vpc, Refusal> {
    let cidr = vpc::cidr(BLOCK, "cidrBlock")?;
    let vpc = vpc::make(draft, home, cidr, "default".into(), Tags::new(), true);
    let gateway = draft.put(InternetGateway {
        id: InternetGatewayId::from_digits(home.ids.digits()),
        owner: home.account.clone(),
        region: home.region.clone(),
        attached: Some(vpc.id.clone()),
        tags: Tags::new(),
    });
    if let Some(main) = draft
        .main_route_table(&vpc.id)
        .map(|table| table.id.clone())
    {
        draft.edit::<RouteTable>(main, |table| {
            table.routes.push(Route {
                destination: Ipv4Net::default().into(),
                target: RouteTarget::InternetGateway(gateway.id.clone()),
            });
        });
    }
    let region = draft.get::<RegionInfo>(&home.region).cloned();
    for zone in region.iter().flat_map(|region| &region.zones) {
        make_subnet(draft, home, &vpc, zone.clone())?;
    }
    Ok(vpc)
}

pub(crate) fn create_subnet(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    if input.flag("Ipv6Native", false) {
        return Err(Refusal::unsupported("Ipv6Native is not supported."));
    }
    let zone = place::zone_of(input, draft, &ctx.region)?
        .ok_or_else(|| Refusal::missing("AvailabilityZone"))?;
    let Some(vpc) = of(draft, &ctx.caller.account, &ctx.region).cloned() else {
        return Err(Refusal::new(
            "DefaultVpcDoesNotExist",
            "A Default VPC does not exist for this account in this region.",
        ));
    };
    let is_it = |subnet: &Subnet| subnet.default_for_az && subnet.zone == zone;
    if let Some(there) = draft.in_vpc::<Subnet>(&vpc.id).find(|subnet| is_it(subnet)) {
        return Err(Refusal::new(
            "DefaultSubnetAlreadyExistsInAvailabilityZone",
            format!("'{}' is already the default subnet in {zone}.", there.id),
        ));
    }
    let made = make_subnet(draft, &mut ctx.home(), &vpc, zone)?;
    Ok(Answer::later(
        move |view| map! { "Subnet" => subnet::show(&made, view) },
    ))
}

/// Makes a zone's default subnet in the first free block.
fn make_subnet(
    draft: &mut Draft,
    home: &mut Home<'_>,
    vpc: &Vpc,
    zone: Zone,
) -> Result<Arc<Subnet>, Refusal> {
    let blocks = vpc.cidr().subnets(SUBNET_PREFIX).into_iter().flatten();
    let mut free = blocks.filter(|block| subnet::check_block(draft, vpc, *block).is_ok());
    let cidr = free.next().ok_or_else(|| {
        let text = format!("There is no room for another default subnet in {}.", vpc.id);
        Refusal::new("InsufficientAddressCapacity", text)
    })?;
    let subnet = draft.put(Subnet {
        id: SubnetId::from_digits(home.ids.digits()),
        vpc: vpc.id.clone(),
        owner: home.account.clone(),
        zone,
        cidr,
        ipv6: None,
        map_public_ip: true,
        assign_ipv6: false,
        default_for_az: true,
        tags: Tags::new(),
    });
    network_acl::join(draft, home.ids, &subnet);
    Ok(subnet)
}
