//! NAT gateways: outgoing connections of private subnets leave with their address [ec2-api §18].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, list, map};

use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::ec2::address;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = input.tags("natgateway")?;
    let token = Token::of(input, "CreateNatGateway", ctx)?;
    let echo = token.as_ref().map(|token| token.text.clone());
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let gateway = match made.and_then(|id| draft.get::<NatGateway>(id).cloned()) {
        Some(gateway) => gateway,
        None => {
            let gateway = make(input, draft, ctx, tags)?;
            if let Some(token) = &token {
                token.remember(draft, ctx, &gateway.id);
            }
            gateway
        }
    };
    Ok(Answer::later(
        move |view| map! { "NatGateway" => show(&gateway, view), "ClientToken" => echo },
    ))
}

fn make(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    tags: Tags,
) -> Result<Arc<NatGateway>, Refusal> {
    input.refuse_unbuilt(&[
        "AvailabilityZoneAddresses",
        "SecondaryAllocationIds",
        "SecondaryPrivateIpAddresses",
        "SecondaryPrivateIpAddressCount",
    ])?;
    if input.text("AvailabilityMode") == Some("regional") {
        return Err(Refusal::unsupported(
            "AvailabilityMode regional is not supported.",
        ));
    }
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let public = match input.text("ConnectivityType").unwrap_or("public") {
        "public" => true,
        "private" => false,
        other => {
            return Err(Refusal::invalid_value(format!(
                "Value ({other}) for parameter connectivityType is invalid. Expecting public or private."
            )));
        }
    };
    let allocation = match (public, input.text("AllocationId")) {
        (true, None) => return Err(Refusal::missing("AllocationId")),
        (false, Some(_)) => {
            return Err(Refusal::combination(
                "AllocationId cannot be specified for a private NAT gateway",
            ));
        }
        (false, None) => None,
        (true, Some(id)) => Some(free_allocation(draft, ctx, id)?),
    };
    if public {
        address::has_internet(draft, &subnet.vpc)?;
    }
    let in_zone = |gateway: &&Arc<NatGateway>| {
        let at = draft.get::<Subnet>(&gateway.subnet);
        at.is_some_and(|at| at.zone == subnet.zone)
    };
    let there = || draft.in_vpc::<NatGateway>(&subnet.vpc);
    quotas::NAT_GATEWAYS_PER_ZONE.check(draft, || there().filter(in_zone).count())?;
    let number = addresses::number(there().map(|gateway| gateway.number));
    let number = number.ok_or_else(|| {
        Refusal::new(
            "NatGatewayLimitExceeded",
            "The maximum number of NAT gateways has been reached.",
        )
    })?;
    let private_ip = match input
        .text("PrivateIpAddress")
        .filter(|text| !text.is_empty())
    {
        Some(text) => addresses::designated(draft, &subnet, text)?,
        None => addresses::private(draft, &subnet)?,
    };
    let id = NatGatewayId::from_digits(ctx.ids.digits());
    let interface = draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        private_ip,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        public_ip: None,
        mac: ctx.ids.mac(),
        groups: Vec::new(),
        description: format!("Interface for NAT Gateway {id}"),
        source_dest_check: false,
        user: InterfaceUser::NatGateway(id.clone()),
        created: ctx.now,
        tags: Tags::new(),
    });
    if let Some(allocation) = &allocation {
        address::bind(draft, &mut ctx.ids, allocation, &interface.id, private_ip);
    }
    let changed = draft.generation;
    Ok(draft.put(NatGateway {
        id,
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        allocation,
        interface: interface.id.clone(),
        number,
        changed,
        created: ctx.now,
        tags,
    }))
}

/// An Elastic IP that nobody uses.
fn free_allocation(draft: &Draft, ctx: &Ctx, id: &str) -> Result<AllocationId, Refusal> {
    let eip = ctx.find::<ElasticIp>(draft, id)?;
    match &eip.association {
        None => Ok(eip.id.clone()),
        Some(_) => Err(Refusal::new(
            "Resource.AlreadyAssociated",
            format!("Elastic IP address [{id}] is already associated"),
        )),
    }
}

/// The gateway's interface goes with it; its Elastic IP stays with the account.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<NatGateway>(draft, input, "NatGatewayId")?;
    draft.remove_interface(&gateway.interface);
    draft.remove::<NatGateway>(&gateway.id);
    Ok(Answer::from(map! { "NatGatewayId" => gateway.id.as_str() }))
}

const DESCRIBE: Describe<NatGateway> = Describe {
    ids: "NatGatewayIds",
    items: "NatGateways",
    pages: 5..=1000,
    filters: &["nat-gateway-id", "state", "subnet-id", "vpc-id"],
    show,
    filter: |gateway, name, view| {
        Some(match name {
            "nat-gateway-id" => vec![gateway.id.to_string()],
            "state" => vec![state(gateway, view).to_string()],
            "subnet-id" => vec![gateway.subnet.to_string()],
            "vpc-id" => vec![gateway.vpc.to_string()],
            _ => return None,
        })
    },
};

/// The filters of this operation have a parameter name of their own.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

/// Derived, never set (I9).
fn state(gateway: &NatGateway, view: View<'_>) -> &'static str {
    match view.board.in_force(&gateway.vpc, gateway.changed) {
        true => "available",
        false => "pending",
    }
}

fn show(gateway: &NatGateway, view: View<'_>) -> Value {
    let interface = view.intent.get::<NetworkInterface>(&gateway.interface);
    let allocation = gateway.allocation.as_ref();
    let eip = allocation.and_then(|id| view.intent.get::<ElasticIp>(id));
    let association = eip.and_then(|eip| eip.association.as_ref());
    let address = map! {
        "AllocationId" => allocation.map(String::from),
        "AssociationId" => association.map(|a| a.id.to_string()),
        "NetworkInterfaceId" => gateway.interface.as_str(),
        "PrivateIp" => interface.map(|eni| eni.private_ip.to_string()),
        "PublicIp" => eip.map(|eip| eip.ip.to_string()),
        "IsPrimary" => true,
        "Status" => "succeeded",
    };
    map! {
        "NatGatewayId" => gateway.id.as_str(),
        "VpcId" => gateway.vpc.as_str(),
        "SubnetId" => gateway.subnet.as_str(),
        "State" => state(gateway, view),
        "ConnectivityType" => if allocation.is_some() { "public" } else { "private" },
        "AvailabilityMode" => "zonal",
        "CreateTime" => Value::Time { millis: gateway.created },
        "NatGatewayAddresses" => list![address],
        "Tags" => tags(&gateway.tags),
    }
}
