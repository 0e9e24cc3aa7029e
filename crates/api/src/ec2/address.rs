//! Elastic IPs: public addresses that an account keeps, and which interface has them
//! [ec2-api §18, §20].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use crate::addresses;
use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Query, is_tag_filter, tag_values, tags};
use crate::ids::Ids;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The pool that AWS names for addresses of its own.
const POOL: &str = "amazon";

pub(crate) fn allocate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["CustomerOwnedIpv4Pool", "IpamPoolId"])?;
    if let Some(pool) = input.text("PublicIpv4Pool").filter(|pool| *pool != POOL) {
        return Err(Refusal::unsupported(format!(
            "The address pool {pool} is not supported: there is {POOL} alone."
        )));
    }
    if input.text("Domain").is_some_and(|domain| domain != "vpc") {
        return Err(Refusal::unsupported("Domain standard is not supported."));
    }
    if let Some(group) = input
        .text("NetworkBorderGroup")
        .filter(|g| *g != ctx.region.as_str())
    {
        return Err(Refusal::invalid_value(format!(
            "Value ({group}) for parameter networkBorderGroup is invalid. Expecting {}.",
            ctx.region
        )));
    }
    let tags = input.tags("elastic-ip")?;
    let account = &ctx.caller.account;
    let mine = draft.elastic_ips.values();
    let mine = mine.filter(|eip| eip.owner == *account && eip.region == ctx.region);
    quotas::ADDRESSES_PER_REGION.check(draft, || mine.count())?;
    let ip = match input.text("Address").filter(|text| !text.is_empty()) {
        Some(text) => addresses::public_named(draft, &ctx.region, text)?,
        None => addresses::public(draft, &ctx.region)?,
    };
    let eip = draft.put(ElasticIp {
        id: AllocationId::from_digits(ctx.ids.digits()),
        ip,
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        association: None,
        tags,
    });
    Ok(Answer::from(map! {
        "AllocationId" => eip.id.as_str(),
        "PublicIp" => eip.ip.to_string(),
        "Domain" => "vpc",
        "PublicIpv4Pool" => POOL,
        "NetworkBorderGroup" => eip.region.as_str(),
    }))
}

/// The Elastic IP that a request names, by allocation or by address.
fn named(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<ElasticIp>, Refusal> {
    match (input.text("AllocationId"), input.text("PublicIp")) {
        (Some(id), _) => ctx.find::<ElasticIp>(intent, id),
        (None, Some(ip)) => by_address(intent, ctx, ip),
        (None, None) => Err(Refusal::missing("AllocationId")),
    }
}

fn by_address(intent: &Intent, ctx: &Ctx, ip: &str) -> Result<Arc<ElasticIp>, Refusal> {
    let mine = intent.elastic_ips.values();
    let mut mine = mine.filter(|eip| ctx.sees(intent, &***eip));
    let found = mine.find(|eip| eip.ip.to_string() == ip).cloned();
    found.ok_or_else(|| {
        Refusal::new(
            "InvalidAddress.NotFound",
            format!("Address '{ip}' not found."),
        )
    })
}

pub(crate) fn release(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let eip = named(input, draft, ctx)?;
    if eip.association.is_some() {
        return Err(Refusal::new(
            "InvalidIPAddress.InUse",
            format!("Address {} is in use.", eip.ip),
        ));
    }
    draft.remove::<ElasticIp>(&eip.id);
    Ok(Answer::done())
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let eip = named(input, draft, ctx)?;
    if let Some(instance) = input.text("InstanceId") {
        return Err(Refusal::new(
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{instance}' does not exist"),
        ));
    }
    let eni = ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    check_user(&eni)?;
    let private_ip = match input
        .text("PrivateIpAddress")
        .filter(|text| !text.is_empty())
    {
        None => eni.private_ip,
        Some(text) => eni
            .private_ips()
            .find(|ip| ip.to_string() == text)
            .ok_or_else(|| {
                Refusal::invalid_value(format!(
                    "The private IP address {text} is not assigned to the network interface {}",
                    eni.id
                ))
            })?,
    };
    check_place(draft, &eip, &eni)?;
    match &eip.association {
        // The same association again is answered with the one there is.
        Some(there) if there.interface == eni.id && there.private_ip == private_ip => {
            return Ok(Answer::from(map! { "AssociationId" => there.id.as_str() }));
        }
        Some(_) if !input.flag("AllowReassociation", true) => {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "resource {} is already associated with associate-id {}",
                    eip.id,
                    association_id(&eip)
                ),
            ));
        }
        // What a service uses is not taken from it.
        Some(there) => check_bound(draft, there)?,
        None => {}
    }
    let id = bind(draft, &mut ctx.ids, &eip.id, &eni.id, private_ip);
    Ok(Answer::from(map! { "AssociationId" => id.as_str() }))
}

/// Interfaces of services keep the addresses that their services gave them.
fn check_user(eni: &NetworkInterface) -> Result<(), Refusal> {
    match eni.user {
        InterfaceUser::Available
        | InterfaceUser::Run(_)
        | InterfaceUser::Attached { .. }
        | InterfaceUser::HostDevice(_) => Ok(()),
        _ => Err(Refusal::new(
            "OperationNotPermitted",
            format!(
                "You are not allowed to manage '{}': it is managed by a service.",
                eni.id
            ),
        )),
    }
}

/// The same for what an address leads to now.
fn check_bound(intent: &Intent, association: &AddressAssociation) -> Result<(), Refusal> {
    match intent.get::<NetworkInterface>(&association.interface) {
        Some(eni) => check_user(eni),
        None => Ok(()),
    }
}

/// An address leads only to interfaces of its Region, in VPCs with an internet gateway.
pub(crate) fn check_place(
    intent: &Intent,
    eip: &ElasticIp,
    eni: &NetworkInterface,
) -> Result<(), Refusal> {
    let vpc = intent.get::<Vpc>(&eni.vpc);
    if vpc.is_none_or(|vpc| vpc.region != eip.region) {
        return Err(NetworkInterface::not_found(eni.id.as_str()));
    }
    has_internet(intent, &eni.vpc)
}

/// Refuses public addresses in a VPC that no internet gateway is attached to.
pub(crate) fn has_internet(intent: &Intent, vpc: &VpcId) -> Result<(), Refusal> {
    match intent.in_vpc::<InternetGateway>(vpc).next() {
        Some(_) => Ok(()),
        None => Err(Refusal::new(
            "Gateway.NotAttached",
            format!("Network {vpc} is not attached to any internet gateway"),
        )),
    }
}

fn association_id(eip: &ElasticIp) -> String {
    let association = eip.association.as_ref();
    association.map_or_else(String::new, |a| a.id.to_string())
}

/// Leads an Elastic IP to a private address of an interface; whatever led there before, and
/// wherever it led before, does so no more.
pub(crate) fn bind(
    draft: &mut Draft,
    ids: &mut Ids,
    allocation: &AllocationId,
    eni: &NetworkInterfaceId,
    private_ip: std::net::Ipv4Addr,
) -> AddressAssociationId {
    unbind(draft, allocation);
    let id = AddressAssociationId::from_digits(ids.digits());
    let (Some(eip), Some(interface)) = (
        draft.get::<ElasticIp>(allocation).cloned(),
        draft.get::<NetworkInterface>(eni).cloned(),
    ) else {
        return id;
    };
    let others: Vec<AllocationId> = bound_to(draft, &interface)
        .filter(|(_, association)| association.private_ip == private_ip)
        .map(|(other, _)| other)
        .collect();
    for other in others {
        unbind(draft, &other);
    }
    draft.edit::<ElasticIp>(allocation, |eip| {
        eip.association = Some(AddressAssociation {
            id: id.clone(),
            interface: interface.id.clone(),
            vpc: interface.vpc.clone(),
            private_ip,
        });
    });
    lead(draft, eni, private_ip, Some(eip.ip));
    id
}

/// Ends what an Elastic IP leads to.
pub(crate) fn unbind(draft: &mut Draft, allocation: &AllocationId) {
    let eip = draft.get::<ElasticIp>(allocation).cloned();
    if let Some(association) = eip.and_then(|eip| eip.association.clone()) {
        draft.edit::<ElasticIp>(allocation, |eip| eip.association = None);
        lead(draft, &association.interface, association.private_ip, None);
    }
}

/// Says at the interface which public address leads to one of its private ones.
fn lead(
    draft: &mut Draft,
    eni: &NetworkInterfaceId,
    private_ip: std::net::Ipv4Addr,
    public_ip: Option<std::net::Ipv4Addr>,
) {
    draft.edit::<NetworkInterface>(eni, |eni| {
        if eni.private_ip == private_ip {
            eni.public_ip = public_ip;
        }
        let secondary = eni.secondary.iter_mut();
        for address in secondary.filter(|address| address.private_ip == private_ip) {
            address.public_ip = public_ip;
        }
    });
}

/// The Elastic IPs that lead to an interface, and how.
pub(crate) fn bound_to<'a>(
    intent: &'a Intent,
    eni: &'a NetworkInterface,
) -> impl Iterator<Item = (AllocationId, AddressAssociation)> + 'a {
    intent.in_vpc::<ElasticIp>(&eni.vpc).filter_map(|eip| {
        let association = eip.association.as_ref()?;
        (association.interface == eni.id).then(|| (eip.id.clone(), association.clone()))
    })
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let eip = match (input.text("AssociationId"), input.text("PublicIp")) {
        (Some(id), _) => {
            let mine = draft.elastic_ips.values();
            let mut mine = mine.filter(|eip| ctx.sees(draft, &***eip));
            let has = |eip: &&Arc<ElasticIp>| association_id(eip) == id;
            mine.find(has).cloned().ok_or_else(|| {
                Refusal::new(
                    "InvalidAssociationID.NotFound",
                    format!("The association ID '{id}' does not exist"),
                )
            })?
        }
        (None, Some(ip)) => by_address(draft, ctx, ip)?,
        (None, None) => return Err(Refusal::missing("AssociationId")),
    };
    if let Some(association) = &eip.association {
        check_bound(draft, association)?;
    }
    unbind(draft, &eip.id);
    Ok(Answer::done())
}

const FILTERS: &[&str] = &[
    "allocation-id",
    "association-id",
    "domain",
    "instance-id",
    "network-border-group",
    "network-interface-id",
    "network-interface-owner-id",
    "private-ip-address",
    "public-ip",
];

/// This operation has no pages.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let intent = view.intent;
    let (ids, ips) = (input.texts("AllocationIds"), input.texts("PublicIps"));
    for id in &ids {
        ctx.find::<ElasticIp>(intent, id)?;
    }
    for ip in &ips {
        by_address(intent, ctx, ip)?;
    }
    let query = Query::of(input, false, &(1..=1000), |name| {
        FILTERS.contains(&name) || is_tag_filter(name)
    })?;
    let mine = intent.elastic_ips.values();
    let wanted = mine.filter(|eip| {
        ctx.sees(intent, &***eip)
            && (ids.is_empty() || ids.contains(&eip.id.as_str()))
            && (ips.is_empty() || ips.contains(&eip.ip.to_string().as_str()))
            && query
                .matches(|name| tag_values(&eip.tags, name).unwrap_or_else(|| values(eip, name)))
    });
    let (items, _) = query.page(wanted, |eip| eip.id.to_string(), |eip| show(eip, intent));
    let mut output = Map::new();
    output.push("Addresses", Value::List(items));
    Ok(Value::Map(output))
}

/// The one attribute that an address can have is a name that its address leads back to. None has.
pub(crate) fn describe_attribute(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let intent = view.intent;
    let ids = input.texts("AllocationIds");
    for id in &ids {
        ctx.find::<ElasticIp>(intent, id)?;
    }
    let query = Query::of(input, !ids.is_empty(), &(1..=1000), |_| false)?;
    let mine = intent.elastic_ips.values();
    let wanted = mine.filter(|eip| {
        ctx.sees(intent, &***eip) && (ids.is_empty() || ids.contains(&eip.id.as_str()))
    });
    let show = |eip: &Arc<ElasticIp>| {
        map! { "AllocationId" => eip.id.as_str(), "PublicIp" => eip.ip.to_string() }
    };
    let (items, next) = query.page(wanted, |eip| eip.id.to_string(), show);
    let mut output = Map::new();
    output.push("Addresses", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

fn values(eip: &ElasticIp, name: &str) -> Vec<String> {
    let association = eip.association.iter();
    match name {
        "allocation-id" => vec![eip.id.to_string()],
        "association-id" => association.map(|a| a.id.to_string()).collect(),
        "domain" => vec!["vpc".to_string()],
        "network-border-group" => vec![eip.region.to_string()],
        "network-interface-id" => association.map(|a| a.interface.to_string()).collect(),
        "network-interface-owner-id" => association.map(|_| eip.owner.to_string()).collect(),
        "private-ip-address" => association.map(|a| a.private_ip.to_string()).collect(),
        "public-ip" => vec![eip.ip.to_string()],
        _ => Vec::new(),
    }
}

fn show(eip: &ElasticIp, intent: &Intent) -> Value {
    let association = eip.association.as_ref();
    let eni = association.and_then(|a| intent.get::<NetworkInterface>(&a.interface));
    map! {
        "AllocationId" => eip.id.as_str(),
        "PublicIp" => eip.ip.to_string(),
        "Domain" => "vpc",
        "PublicIpv4Pool" => POOL,
        "NetworkBorderGroup" => eip.region.as_str(),
        "AssociationId" => association.map(|a| a.id.to_string()),
        "NetworkInterfaceId" => association.map(|a| a.interface.to_string()),
        "NetworkInterfaceOwnerId" => eni.map(|eni| eni.owner.to_string()),
        "PrivateIpAddress" => association.map(|a| a.private_ip.to_string()),
        "Tags" => tags(&eip.tags),
    }
}
