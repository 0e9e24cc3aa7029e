//! Which addresses are taken, and which a new interface gets.

pub(crate) mod ipv6;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use adit_model::*;
use ipnet::Ipv4Net;

use crate::refusal::Refusal;

/// Addresses of a subnet that interfaces have.
pub(crate) fn taken(intent: &Intent, subnet: &Subnet) -> BTreeSet<Ipv4Addr> {
    let there = intent
        .in_vpc::<NetworkInterface>(&subnet.vpc)
        .filter(|eni| eni.subnet == subnet.id);
    there.flat_map(|eni| eni.private_ips()).collect()
}

/// How many addresses of a subnet are left for interfaces.
pub(crate) fn free(intent: &Intent, subnet: &Subnet) -> u32 {
    let taken = intent
        .in_vpc::<NetworkInterface>(&subnet.vpc)
        .filter(|eni| eni.subnet == subnet.id)
        .map(|eni| 1 + eni.secondary.len());
    net::usable(subnet.cidr).saturating_sub(u32::try_from(taken.sum::<usize>()).unwrap_or(u32::MAX))
}

/// The address that a new interface of a subnet gets.
pub(crate) fn private(intent: &Intent, subnet: &Subnet) -> Result<Ipv4Addr, Refusal> {
    let taken = taken(intent, subnet);
    net::first_free(subnet.cidr, |address| taken.contains(&address))
        .ok_or_else(|| none_free(subnet))
}

/// The refusal of a subnet that is full.
pub(crate) fn none_free(subnet: &Subnet) -> Refusal {
    Refusal::new(
        "InsufficientFreeAddressesInSubnet",
        format!(
            "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
            subnet.id
        ),
    )
}

/// An address that a caller designated for a new interface, checked.
pub(crate) fn designated(
    intent: &Intent,
    subnet: &Subnet,
    text: &str,
) -> Result<Ipv4Addr, Refusal> {
    let invalid = |why: &str| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter Ipv4 is invalid. {why}"
        ))
    };
    let address: Ipv4Addr = text
        .parse()
        .map_err(|_| invalid("This is not a valid IPv4 address."))?;
    if !subnet.cidr.contains(&address) {
        return Err(invalid(&format!(
            "Address does not fall within the subnet's address range {}.",
            subnet.cidr
        )));
    }
    if net::is_reserved(subnet.cidr, address) {
        return Err(invalid("Address is in subnet's reserved address range."));
    }
    if taken(intent, subnet).contains(&address) {
        return Err(Refusal::new(
            "InvalidIPAddress.InUse",
            format!("Address {address} is in use."),
        ));
    }
    Ok(address)
}

/// A public address of a Region that nobody has.
pub(crate) fn public(intent: &Intent, region: &Region) -> Result<Ipv4Addr, Refusal> {
    public_but(intent, region, &[])
}

/// A public address of a Region that nobody has, and that is none of these.
pub(crate) fn public_but(
    intent: &Intent,
    region: &Region,
    but: &[Ipv4Addr],
) -> Result<Ipv4Addr, Refusal> {
    let pool = intent
        .get::<RegionInfo>(region)
        .ok_or_else(|| no_public(region))?
        .public_addresses;
    let taken = public_taken(intent, pool);
    net::first_free(pool, |address| {
        taken.contains(&address) || but.contains(&address)
    })
    .ok_or_else(|| no_public(region))
}

fn no_public(region: &Region) -> Refusal {
    Refusal::new(
        "InsufficientAddressCapacity",
        format!("Region {region} has no public address left to satisfy the request."),
    )
    .status(503)
}

/// Public addresses of a pool that somebody has.
fn public_taken(intent: &Intent, pool: Ipv4Net) -> BTreeSet<Ipv4Addr> {
    let interfaces = intent.network_interfaces.values();
    let interfaces = interfaces.filter_map(|eni| eni.public_ip);
    let elastic = intent.elastic_ips.values().map(|eip| eip.ip);
    let sites = intent.sites.values().filter_map(|site| site.public_ip);
    let tunnels = intent.vpn_connections.values().flat_map(|vpn| &vpn.tunnels);
    interfaces
        .chain(elastic)
        .chain(sites)
        .chain(tunnels.map(|tunnel| tunnel.outside_ip))
        .filter(|address| pool.contains(address))
        .collect()
}

/// A public address of a Region that a caller wants, if nobody has it.
pub(crate) fn public_named(
    intent: &Intent,
    region: &Region,
    text: &str,
) -> Result<Ipv4Addr, Refusal> {
    let missing = || {
        Refusal::new(
            "InvalidAddress.NotFound",
            format!("Address '{text}' is not one of Region {region}."),
        )
    };
    let region = intent.get::<RegionInfo>(region).ok_or_else(missing)?;
    let pool = region.public_addresses;
    let address = text.parse::<Ipv4Addr>().ok();
    let address = address.filter(|a| pool.contains(a) && !net::is_reserved(pool, *a));
    let address = address.ok_or_else(missing)?;
    match public_taken(intent, pool).contains(&address) {
        true => Err(Refusal::new(
            "InvalidAddress.InUse",
            format!("Address {address} is in use."),
        )),
        false => Ok(address),
    }
}

/// The smallest number from one on that is not in use.
pub(crate) fn number(used: impl Iterator<Item = u16>) -> Option<u16> {
    let mut used: Vec<u16> = used.filter(|number| *number > 0).collect();
    used.sort_unstable();
    used.dedup();
    // The first place at which the numbers leave one out.
    let gap = (1u32..)
        .zip(&used)
        .find(|(place, number)| *place != u32::from(**number));
    let free = gap.map_or(used.len() + 1, |(free, _)| free as usize);
    u16::try_from(free).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fill_gaps() {
        assert_eq!(number([].into_iter()), Some(1));
        assert_eq!(number([1, 2, 4].into_iter()), Some(3));
        assert_eq!(number(1..=u16::MAX), None);
    }
}
