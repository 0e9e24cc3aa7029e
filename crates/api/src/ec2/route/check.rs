//! Which destinations a static route may have, with which target.

use adit_model::*;
use ipnet::{Ipv4Net, Ipv6Net};

use super::shown::endpoint_routes;
use crate::quotas;
use crate::refusal::Refusal;

/// Instance metadata and the like live here: no route may lead there.
const LINK_LOCAL: &str = "169.254.168.0/22";

/// The same for IPv6.
const LINK_LOCAL_IPV6: &str = "fd00:ec2::/32";

/// What a destination may be: not link-local; and inside a VPC's block only that block or a whole
/// subnet, led through an interface or a NAT gateway. The table of a gateway knows nothing else.
pub(super) fn check_destination(
    intent: &Intent,
    table: &RouteTable,
    destination: &Destination,
    target: &RouteTarget,
) -> Result<(), Refusal> {
    let edge = table.associations.iter().any(|a| a.gateway.is_some());
    match (destination, target) {
        (
            Destination::Ipv4(_) | Destination::PrefixList(_),
            RouteTarget::EgressOnlyInternetGateway(id),
        ) => {
            return Err(Refusal::invalid_value(format!(
                "The egress only internet gateway {id} carries IPv6 alone; the destination is {destination}."
            )));
        }
        (_, RouteTarget::Local) if !edge => {
            return Err(Refusal::unsupported("A route to `local` cannot be made."));
        }
        _ => {}
    }
    match destination {
        Destination::Ipv4(block) => check_ipv4(intent, table, *block, target, edge),
        Destination::Ipv6(block) => check_ipv6(intent, table, *block, target, edge),
        Destination::PrefixList(list) if edge => Err(Refusal::invalid_value(format!(
            "The prefix list {list} cannot be a destination: the route table {} is associated with a gateway.",
            table.id
        ))),
        Destination::PrefixList(_) => Ok(()),
    }
}

fn link_local(destination: impl std::fmt::Display, inside: &str) -> Refusal {
    Refusal::invalid_value(format!(
        "The destination CIDR block {destination} is inside {inside}, to which no route can lead."
    ))
}

fn check_ipv4(
    intent: &Intent,
    table: &RouteTable,
    destination: Ipv4Net,
    target: &RouteTarget,
    edge: bool,
) -> Result<(), Refusal> {
    let kept = LINK_LOCAL.parse::<Ipv4Net>();
    if kept.is_ok_and(|block| block.contains(&destination)) {
        return Err(link_local(destination, LINK_LOCAL));
    }
    let Some(vpc) = intent.get::<Vpc>(&table.vpc) else {
        return Ok(());
    };
    let own = vpc.cidrs.iter().any(|c| c.cidr == destination);
    let inside = vpc.cidrs.iter().any(|c| c.cidr.contains(&destination));
    let whole = intent
        .in_vpc::<Subnet>(&vpc.id)
        .any(|s| s.cidr == destination);
    check_local(destination, own, inside, whole, target, edge)
}

fn check_ipv6(
    intent: &Intent,
    table: &RouteTable,
    destination: Ipv6Net,
    target: &RouteTarget,
    edge: bool,
) -> Result<(), Refusal> {
    let kept = LINK_LOCAL_IPV6.parse::<Ipv6Net>();
    if kept.is_ok_and(|block| block.contains(&destination)) {
        return Err(link_local(destination, LINK_LOCAL_IPV6));
    }
    let Some(vpc) = intent.get::<Vpc>(&table.vpc) else {
        return Ok(());
    };
    let own = vpc.ipv6.iter().any(|c| c.cidr == destination);
    let inside = vpc.ipv6.iter().any(|c| c.cidr.contains(&destination));
    let mut subnets = intent.in_vpc::<Subnet>(&vpc.id);
    let whole = subnets.any(|s| s.ipv6.as_ref().is_some_and(|b| b.cidr == destination));
    check_local(destination, own, inside, whole, target, edge)
}

/// The rule for blocks of the VPC itself: `own` is one of its blocks, `inside` in one of them,
/// `whole` a whole subnet's.
fn check_local(
    destination: impl std::fmt::Display,
    own: bool,
    inside: bool,
    whole: bool,
    target: &RouteTarget,
    edge: bool,
) -> Result<(), Refusal> {
    let through = match target {
        RouteTarget::NetworkInterface(_) => true,
        RouteTarget::NatGateway(_) => !edge,
        RouteTarget::Local => edge,
        _ => false,
    };
    match (inside, through, own || whole) {
        (false, _, _) if edge => Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is outside the VPC: the table of a gateway leads into the VPC alone."
        ))),
        (false, _, _) | (true, true, true) => Ok(()),
        (true, false, _) => Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        ))),
        (true, true, false) => Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is more specific than one of this VPC's CIDR blocks and does not match any subnet CIDR block."
        ))),
    }
}

/// Whether a destination is one of the VPC's own blocks.
pub(super) fn is_local(intent: &Intent, table: &RouteTable, destination: &Destination) -> bool {
    let Some(vpc) = intent.get::<Vpc>(&table.vpc) else {
        return false;
    };
    match destination {
        Destination::Ipv4(block) => vpc.cidrs.iter().any(|c| c.cidr == *block),
        Destination::Ipv6(block) => vpc.ipv6.iter().any(|c| c.cidr == *block),
        Destination::PrefixList(_) => false,
    }
}

/// How many routes a destination counts as: a customer's prefix list as many as it may have
/// entries, a service's as one.
fn weight(intent: &Intent, destination: &Destination) -> usize {
    match destination {
        Destination::PrefixList(id) => {
            let list = intent.get::<PrefixList>(id);
            list.map_or(1, |list| (list.max_entries as usize).max(1))
        }
        _ => 1,
    }
}

/// Refuses a route beyond the limit; each endpoint route counts as one. IPv4 and IPv6 are counted
/// apart.
pub(crate) fn check_room_for(
    intent: &Intent,
    table: &RouteTable,
    destination: &Destination,
) -> Result<(), Refusal> {
    let is_ipv6 = |destination: &Destination| match destination {
        Destination::Ipv4(_) => false,
        Destination::Ipv6(_) => true,
        Destination::PrefixList(id) => intent
            .get::<PrefixList>(id)
            .is_some_and(|list| list.family == AddressFamily::Ipv6),
    };
    let ipv6 = is_ipv6(destination);
    let total = || {
        let routes = table.routes.iter().map(|route| &route.destination);
        let fixed: usize = routes
            .filter(|there| is_ipv6(there) == ipv6)
            .map(|there| weight(intent, there))
            .sum();
        let endpoints = if ipv6 {
            0
        } else {
            endpoint_routes(table, intent).count()
        };
        fixed + endpoints + weight(intent, destination)
    };
    quotas::ROUTES_PER_TABLE.check_total(intent, total)
}

/// The same for one more endpoint.
pub(crate) fn check_room(intent: &Intent, table: &RouteTable) -> Result<(), Refusal> {
    check_room_for(intent, table, &Destination::Ipv4(Ipv4Net::default()))
}
