//! On-premises sites: a network of its own at the other end of a private link to a VPC, and programs
//! that run there.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::Ipv4Net;

use super::{host_device, lease};
use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::ec2::{vpc, vpn_connection};
use crate::input::Input;
use crate::refusal::Refusal;

/// The longest prefix that leaves a site room for hosts.
const LONGEST_PREFIX: u8 = 28;

/// The shortest prefix of a site: a whole private range.
const SHORTEST_PREFIX: u8 = 8;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let text = input.required("Name")?;
    let name: SiteName = text.parse().map_err(|error: IdError| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter Name is invalid: {error}."
        ))
    })?;
    if draft.get::<Site>(&name).is_some() {
        return Err(Refusal::new(
            "InvalidSite.Duplicate",
            format!("The site '{name}' already exists"),
        ));
    }
    let cidr = vpc::cidr(input.required("Cidr")?, "Cidr")?;
    let vpn = input.text("VpnConnectionId").filter(|id| !id.is_empty());
    let (vpc, vpn) = match vpn {
        None => (ctx.required::<Vpc>(draft, input, "VpcId")?, None),
        Some(id) => {
            let (vpc, connection) = behind(input, draft, ctx, id)?;
            (vpc, Some(connection))
        }
    };
    check_block(draft, &vpc, cidr)?;
    let resolver = match input.text("Resolver").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
            Refusal::invalid_value(format!(
                "Value ({text}) for parameter Resolver is invalid. This is not an IP address."
            ))
        })?),
    };
    let device = host_device::named(input, draft, ctx)?;
    let address = match input.text("Address").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(own_address(cidr, text)?),
    };
    let public_ip = match input.flag("Internet", false) {
        true => Some(addresses::public(draft, &vpc.region)?),
        false => None,
    };
    let number = addresses::number(draft.in_vpc::<Site>(&vpc.id).map(|site| site.number));
    let site = draft.put(Site {
        name,
        owner: ctx.caller.account.clone(),
        cidr,
        vpc: vpc.id.clone(),
        number: number.ok_or_else(|| Refusal::new("SiteLimitExceeded", "No number is left."))?,
        resolver,
        public_ip,
        vpn,
        device,
        address,
        created: ctx.now,
    });
    Ok(Answer::from(map! { "Site" => show(&site) }))
}

/// The address of a site's router that a request asks for.
fn own_address(cidr: Ipv4Net, text: &str) -> Result<Ipv4Addr, Refusal> {
    let inside = |address: &Ipv4Addr| {
        cidr.contains(address) && ![cidr.network(), cidr.broadcast()].contains(address)
    };
    let address = text.parse::<Ipv4Addr>().ok().filter(inside);
    address.ok_or_else(|| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter Address is invalid. It must be an address for a host in {cidr}."
        ))
    })
}

/// The VPC at our side of a VPN connection that no site is plugged into yet.
fn behind(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
    id: &str,
) -> Result<(Arc<Vpc>, VpnConnectionId), Refusal> {
    let connection = ctx.find::<VpnConnection>(draft, id)?;
    let Some(vpc) = vpn_connection::vpc_of(draft, &connection) else {
        return Err(Refusal::new(
            "Gateway.NotAttached",
            format!(
                "resource {} is not attached to a network",
                connection.vpn_gateway
            ),
        ));
    };
    let vpc = ctx.find::<Vpc>(draft, vpc.as_str())?;
    if let Some(other) = input
        .text("VpcId")
        .filter(|other| *other != vpc.id.as_str())
    {
        return Err(Refusal::combination(format!(
            "The VPN connection {id} leads to {}, not to {other}",
            vpc.id
        )));
    }
    if let Some(site) = draft.site_behind(&vpc.id, &connection.id) {
        return Err(Refusal::invalid_value(format!(
            "The site '{}' is plugged into {id} already.",
            site.name
        )));
    }
    Ok((vpc, connection.id.clone()))
}

/// A block that a new site of a VPC may have: nothing that already leads elsewhere from there.
fn check_block(intent: &Intent, vpc: &Vpc, cidr: Ipv4Net) -> Result<(), Refusal> {
    let refused = |why: String| {
        Err(Refusal::invalid_value(format!(
            "Value ({cidr}) for parameter Cidr is invalid. {why}"
        )))
    };
    if !(SHORTEST_PREFIX..=LONGEST_PREFIX).contains(&cidr.prefix_len()) {
        return refused(format!(
            "A site has a block of /{SHORTEST_PREFIX} to /{LONGEST_PREFIX}."
        ));
    }
    let special = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::LOCALHOST,
        net::RESOLVER_LINK_LOCAL,
    ];
    let first = cidr.network();
    if first.is_multicast() || first.is_broadcast() || special.iter().any(|a| cidr.contains(a)) {
        return refused("Its addresses are not for hosts.".into());
    }
    if let Some(block) = vpc
        .cidrs
        .iter()
        .find(|block| net::overlaps(block.cidr, cidr))
    {
        return refused(format!(
            "It overlaps the block {} of {}.",
            block.cidr, vpc.id
        ));
    }
    let sites = || intent.in_vpc::<Site>(&vpc.id);
    if let Some(other) = sites().find(|other| net::overlaps(other.cidr, cidr)) {
        return refused(format!(
            "It overlaps the block {} of site '{}'.",
            other.cidr, other.name
        ));
    }
    let lists = intent
        .prefix_lists
        .values()
        .filter(|list| list.owner.is_none());
    let services = lists.flat_map(|list| list.ipv4());
    let public = intent
        .regions
        .values()
        .map(|region| region.public_addresses);
    if let Some(block) = services
        .chain(public)
        .find(|block| net::overlaps(*block, cidr))
    {
        return refused(format!(
            "It overlaps the public addresses {block} of this installation."
        ));
    }
    Ok(())
}

/// The caller's site with this name. Sites know no Region: their VPC does.
fn find(intent: &Intent, ctx: &Ctx, name: &str) -> Result<Arc<Site>, Refusal> {
    let found = intent
        .get::<Site>(name)
        .filter(|site| site.owner == ctx.caller.account);
    found.cloned().ok_or_else(|| {
        Refusal::new(
            "InvalidSite.NotFound",
            format!("The site '{name}' does not exist"),
        )
    })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let site = find(draft, ctx, input.required("Name")?)?;
    if hosts(draft, &site).next().is_some() {
        return Err(Refusal::dependency(&format!("site '{}'", site.name)));
    }
    draft.remove::<Site>(&site.name);
    Ok(Answer::done())
}

fn hosts<'a>(intent: &'a Intent, site: &'a Site) -> impl Iterator<Item = &'a Arc<SiteHost>> {
    intent
        .in_vpc::<SiteHost>(&site.vpc)
        .filter(move |host| host.site == site.name)
}

pub(crate) fn list(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let mine = view
        .intent
        .sites
        .values()
        .filter(|site| site.owner == ctx.caller.account);
    let mut output = Map::new();
    output.push("Sites", mine.map(|site| show(site)).collect::<Value>());
    Ok(Value::Map(output))
}

fn show(site: &Site) -> Value {
    map! {
        "Name" => site.name.as_str(),
        "Cidr" => site.cidr.to_string(),
        "VpcId" => site.vpc.as_str(),
        "VpnConnectionId" => site.vpn.as_ref().map(String::from),
        "Resolver" => site.resolver.map(|address| address.to_string()),
        "PublicIpAddress" => site.public_ip.map(|address| address.to_string()),
        "Interface" => site.device.as_ref().map(|device| device.name.clone()),
        "Address" => site.router().to_string(),
        "Internet" => site.public_ip.is_some(),
    }
}

/// Makes a host at a site for a process.
pub(crate) fn create_run(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let site = find(draft, ctx, input.required("Site")?)?;
    let lease = lease(input)?;
    let taken: BTreeSet<Ipv4Addr> = hosts(draft, &site).map(|host| host.ip).collect();
    let taken = |address| taken.contains(&address) || address == site.router();
    let ip = net::first_free(site.cidr, taken).ok_or_else(|| {
        Refusal::new(
            "InsufficientAddressCapacity",
            format!(
                "There are not enough free addresses at site '{}'.",
                site.name
            ),
        )
    })?;
    // The form of the ids of EC2.
    let digits = ctx.ids.digits() & u128::from(u64::MAX);
    let host = draft.put(SiteHost {
        id: format!("host-0{digits:016x}"),
        site: site.name.clone(),
        vpc: site.vpc.clone(),
        ip,
        mac: ctx.ids.mac(),
        lease,
    });
    // Without a resolver of its own the site's router answers public names.
    let router = IpAddr::V4(site.router());
    Ok(Answer::from(map! {
        "HostId" => host.id.as_str(),
        "IpAddress" => ip.to_string(),
        "Namespace" => host.id.as_str(),
        "Resolver" => site.resolver.unwrap_or(router).to_string(),
    }))
}

/// Takes a host away; one that is gone already is gone.
pub(crate) fn delete_run(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("HostId")?;
    let mine = draft
        .get::<SiteHost>(id)
        .and_then(|host| draft.get::<Site>(&host.site));
    if mine.is_some_and(|site| site.owner == ctx.caller.account) {
        draft.remove::<SiteHost>(id);
    }
    Ok(Answer::done())
}
