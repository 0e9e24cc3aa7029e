//! IPv6 addresses of interfaces, and IPv6 blocks of VPCs.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use adit_model::*;
use ipnet::Ipv6Net;

use super::none_free;
use crate::quotas;
use crate::refusal::Refusal;

/// IPv6 addresses of a subnet that interfaces have.
pub(crate) fn taken(intent: &Intent, subnet: &Subnet) -> BTreeSet<Ipv6Addr> {
    let there = intent
        .in_vpc::<NetworkInterface>(&subnet.vpc)
        .filter(|eni| eni.subnet == subnet.id);
    there.flat_map(|eni| eni.ipv6.iter().copied()).collect()
}

/// The IPv6 block of a subnet, which must have one.
pub(crate) fn block_of(subnet: &Subnet) -> Result<Ipv6Net, Refusal> {
    let block = subnet.ipv6.as_ref().map(|block| block.cidr);
    block.ok_or_else(|| {
        Refusal::invalid_value(format!(
            "The subnet '{}' does not have an IPv6 CIDR block associated with it.",
            subnet.id
        ))
    })
}

/// Free addresses of a subnet, as many as are wanted.
pub(crate) fn some(
    intent: &Intent,
    subnet: &Subnet,
    count: usize,
) -> Result<Vec<Ipv6Addr>, Refusal> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let block = block_of(subnet)?;
    let mut taken = taken(intent, subnet);
    let mut found = Vec::new();
    for _ in 0..count {
        let free = net::first_free_ipv6(block, |address| taken.contains(&address));
        let address = free.ok_or_else(|| none_free(subnet))?;
        taken.insert(address);
        found.push(address);
    }
    Ok(found)
}

/// What a new interface gets that asks for nothing: an address where the subnet assigns them.
pub(crate) fn on_creation(intent: &Intent, subnet: &Subnet) -> Result<Vec<Ipv6Addr>, Refusal> {
    some(intent, subnet, usize::from(subnet.assign_ipv6))
}

/// An address that a caller designated, checked.
pub(crate) fn designated(
    intent: &Intent,
    subnet: &Subnet,
    text: &str,
) -> Result<Ipv6Addr, Refusal> {
    let invalid = |why: &str| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter Ipv6 is invalid. {why}"
        ))
    };
    let block = block_of(subnet)?;
    let address: Ipv6Addr = text
        .parse()
        .map_err(|_| invalid("This is not a valid IPv6 address."))?;
    if !block.contains(&address) {
        return Err(invalid(&format!(
            "Address does not fall within the subnet's address range {block}."
        )));
    }
    if net::is_reserved_ipv6(block, address) {
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

/// A number of addresses that a request wants, within what an interface may have.
pub(crate) fn checked_count(intent: &Intent, count: i64, there: usize) -> Result<usize, Refusal> {
    let count = usize::try_from(count).map_err(|_| {
        Refusal::invalid_value(format!(
            "Value ({count}) for parameter ipv6AddressCount is invalid."
        ))
    })?;
    check_total(intent, there.saturating_add(count))?;
    Ok(count)
}

/// Refuses more addresses than an interface may have.
pub(crate) fn check_total(intent: &Intent, total: usize) -> Result<(), Refusal> {
    quotas::IPV6_ADDRESSES_PER_INTERFACE.check_total(intent, || total)
}

/// The first block of the installation's pool that no VPC has.
pub(crate) fn vpc_block(intent: &Intent) -> Result<Ipv6Net, Refusal> {
    let blocks = intent.vpcs.values().flat_map(|vpc| &vpc.ipv6);
    let taken: BTreeSet<Ipv6Net> = blocks.map(|block| block.cidr).collect();
    let mut all = (0..).map_while(|n| net::nth_ipv6_block(net::IPV6_POOL, net::IPV6_VPC_PREFIX, n));
    all.find(|block| !taken.contains(block)).ok_or_else(|| {
        Refusal::new(
            "InsufficientAddressCapacity",
            format!("There is no block left in {}.", net::IPV6_POOL),
        )
        .status(503)
    })
}
