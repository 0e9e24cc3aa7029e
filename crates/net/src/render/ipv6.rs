//! IPv6 of a VPC that has a block of it; in others the kernel has none at all.
//!
//! It goes the ways of IPv4 with three differences. Nobody asks for a neighbour or announces a
//! router: every host has one neighbour, the router, by a permanent entry, so that neither network
//! ACLs nor security groups ever meet neighbour discovery. Cables have no addresses of their own: both
//! ends are known by link-local ones that nobody else sees. And nothing is translated on its way out:
//! a VPC's block is unique in the installation, and the internet routes it to the VPC's gateway.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::*;

/// The metric of routes: IPv6 has none without.
pub(super) const METRIC: u32 = 1024;
/// What is added to the number of a nexthop object of IPv4 for the one beside it.
pub(super) const NEXTHOPS: u32 = 0x10_0000;

/// The end of a cable that has the hardware address [`NEAR`].
pub(super) const NEAR_END: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The end of a cable that has the hardware address [`FAR`].
pub(super) const FAR_END: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Turns IPv6 on in a namespace of ours: no addresses but the stated ones, no ear for routers.
pub(super) fn enable(space: &mut Namespace) {
    space.sysctls.extend(settings(&[
        ("ipv6/conf/all/addr_gen_mode", "1"),
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/default/disable_ipv6", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
    ]));
}

/// The same in a namespace that forwards.
pub(super) fn enable_forwarding(space: &mut Namespace) {
    enable(space);
    let key = "ipv6/conf/all/forwarding".to_string();
    space.sysctls.insert(key, "1".into());
}

/// Turns IPv6 on for one device of a namespace that somebody else made.
pub(super) fn enable_device(space: &mut Namespace, device: &str) {
    for (key, value) in [
        ("accept_ra", "0"),
        ("addr_gen_mode", "1"),
        ("disable_ipv6", "0"),
    ] {
        let key = format!("ipv6/conf/{device}/{key}");
        space.sysctls.insert(key, value.into());
    }
}

/// The router's own part: its addresses, and silence for what nobody has.
pub(super) fn add_router(router: &mut Namespace, view: &VpcView) {
    if !view.has_ipv6() {
        return;
    }
    enable_forwarding(router);
    let key = "ipv6/fwmark_reflect".to_string();
    router.sysctls.insert(key, "1".into());
    let subnets = view.subnets.iter().filter_map(|s| s.subnet.ipv6.as_ref());
    let routers = subnets.map(|block| addresses::router_ipv6(block.cidr));
    for own in routers.chain([addresses::RESOLVER_IPV6]) {
        router.addresses.push(address("lo", own));
    }
    for block in &view.vpc.ipv6 {
        router.routes.push(Route {
            kind: RouteKind::Blackhole,
            metric: METRIC_LAST,
            ..to(block.cidr)
        });
    }
}

/// A port on the router's side.
pub(super) fn add_port(router: &mut Namespace, eni: &NetworkInterface, device: &str) {
    for own in &eni.ipv6 {
        router.routes.push(Route {
            device: Some(device.to_string()),
            ..to(Ipv6Net::from(*own))
        });
        router.neighbours.push(known(device, *own, Mac(eni.mac)));
    }
}

/// A port that is a device of the host: what is behind it has addresses of its own on the cable, and both
/// sides ask for each other.
pub(super) fn add_lent_port(router: &mut Namespace, eni: &NetworkInterface, device: &str) {
    if eni.ipv6.is_empty() {
        return;
    }
    let end = Ipv6Net::new(NEAR_END, 64).unwrap_or(Ipv6Net::from(NEAR_END));
    router.addresses.push(Address {
        device: device.to_string(),
        address: IpNet::V6(end),
    });
    for own in &eni.ipv6 {
        router.routes.push(Route {
            device: Some(device.to_string()),
            ..to(Ipv6Net::from(*own))
        });
    }
}

/// A host's side: its addresses, the router as its only neighbour, and the way there in a table.
pub(super) fn add_host(space: &mut Namespace, own: &[Ipv6Addr], device: &str, table: u32) {
    let Some(first) = own.first() else {
        return;
    };
    for own in own {
        space.addresses.push(address(device, *own));
    }
    space.neighbours.push(known(device, NEAR_END, NEAR));
    space.routes.push(Route {
        table,
        // Else the newest address would be the one that others see.
        source: Some(IpAddr::V6(*first)),
        ..via(Ipv6Net::default(), device, NEAR_END)
    });
}

/// The end of a route table: the VPC's blocks are local, unless one of its routes takes the place of
/// such a route, and no route means silence.
pub(super) fn throw_local(
    router: &mut Namespace,
    view: &VpcView,
    table: u32,
    routes: &[ResolvedRoute],
) {
    if !view.has_ipv6() {
        return;
    }
    router.rules.push(PolicyRule {
        family: IpFamily::V6,
        ..rule(table, table)
    });
    let stated = |block: Ipv6Net| routes.iter().any(|r| r.destination == IpNet::V6(block));
    let blocks = view.vpc.ipv6.iter().map(|block| block.cidr);
    for block in blocks.filter(|block| !stated(*block)) {
        router.routes.push(Route {
            table,
            kind: RouteKind::Throw,
            ..to(block)
        });
    }
    router.routes.push(Route {
        table,
        kind: RouteKind::Blackhole,
        metric: METRIC_LAST,
        ..to(Ipv6Net::default())
    });
}

/// A nexthop object beside one of IPv4, for the far end of a cable.
pub(super) fn add_nexthop(router: &mut Namespace, beside: u32, device: &str) {
    router.neighbours.push(known(device, FAR_END, FAR));
    router.nexthops.push(Nexthop {
        id: NEXTHOPS + beside,
        target: NexthopTarget::Via {
            gateway: IpAddr::V6(FAR_END),
            device: device.to_string(),
        },
    });
}

/// A route that still leads nowhere: fill in the rest by struct update.
pub(super) fn to(block: Ipv6Net) -> Route {
    Route {
        metric: METRIC,
        ..Route::to(IpNet::V6(block))
    }
}

/// A route by one end of a cable.
pub(super) fn via(block: Ipv6Net, device: &str, end: Ipv6Addr) -> Route {
    Route {
        device: Some(device.to_string()),
        via: Some(IpAddr::V6(end)),
        ..to(block)
    }
}

pub(super) fn known(device: &str, address: Ipv6Addr, mac: Mac) -> Neighbour {
    Neighbour {
        device: device.to_string(),
        address: IpAddr::V6(address),
        mac: Some(mac),
    }
}

pub(super) fn address(device: &str, address: Ipv6Addr) -> Address {
    Address {
        device: device.to_string(),
        address: IpNet::V6(Ipv6Net::from(address)),
    }
}
