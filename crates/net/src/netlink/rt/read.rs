//! What the kernel answers: from bytes to values.

use std::net::IpAddr;

use ipnet::IpNet;

use super::*;
use crate::netlink::message::{Attrs, Message, text, u16_at, u32_at, u64_at};
use crate::protocol::{Count, LinkCount};

/// A device as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkReport {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) altnames: Vec<String>,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    pub(crate) group: u32,
    pub(crate) kind: Option<String>,
    /// The other end's index, in the other end's namespace; or that of the device below it.
    pub(crate) peer: Option<u32>,
    /// Whether `peer` is a number of another namespace.
    pub(crate) peer_is_elsewhere: bool,
    /// The bridge or bond that it is a port of.
    pub(crate) master: Option<u32>,
    pub(crate) loopback: bool,
    /// A text about it.
    pub(crate) alias: String,
    pub(crate) counts: LinkCount,
}

/// Reads a device.
pub(crate) fn link(message: &Message<'_>) -> Option<LinkReport> {
    if message.kind != NEWLINK || message.payload.first() == Some(&AF_BRIDGE) {
        return None;
    }
    let attrs = Attrs::after(message.payload, 16);
    let mac = attrs
        .get(IFLA_ADDRESS)
        .and_then(|b| <[u8; 6]>::try_from(b).ok())
        .map(Mac);
    let stats = attrs.get(IFLA_STATS64).unwrap_or_default();
    let stat = |place: usize| u64_at(stats, place * 8).unwrap_or(0);
    Some(LinkReport {
        index: u32_at(message.payload, 4)?,
        name: attrs.text(IFLA_IFNAME)?.to_owned(),
        altnames: attrs
            .nested(IFLA_PROP_LIST)
            .filter(|(kind, _)| *kind == IFLA_ALT_IFNAME)
            .filter_map(|(_, value)| text(value).map(str::to_owned))
            .collect(),
        mac,
        mtu: attrs.u32(IFLA_MTU)?,
        up: u32_at(message.payload, 8)? & IFF_UP != 0,
        group: attrs.u32(IFLA_GROUP).unwrap_or(0),
        kind: attrs
            .nested(IFLA_LINKINFO)
            .text(IFLA_INFO_KIND)
            .map(str::to_owned),
        peer: attrs.u32(IFLA_LINK),
        peer_is_elsewhere: attrs.get(IFLA_LINK_NETNSID).is_some(),
        master: attrs.u32(IFLA_MASTER),
        loopback: u32_at(message.payload, 8)? & IFF_LOOPBACK != 0,
        alias: attrs.text(IFLA_IFALIAS).unwrap_or_default().to_owned(),
        counts: LinkCount {
            received: Count {
                packets: stat(0),
                bytes: stat(2),
            },
            sent: Count {
                packets: stat(1),
                bytes: stat(3),
            },
        },
    })
}

/// Reads an address: device index, address, whether it is marked as ours.
pub(crate) fn address_of(message: &Message<'_>) -> Option<(u32, IpNet, bool)> {
    if message.kind != NEWADDR {
        return None;
    }
    let attrs = Attrs::after(message.payload, 8);
    let ours = attrs.get(IFA_PROTO) == Some(&[PROTOCOL]);
    let local = address(attrs.get(IFA_LOCAL).or_else(|| attrs.get(IFA_ADDRESS))?)?;
    let length = *message.payload.get(1)?;
    Some((
        u32_at(message.payload, 4)?,
        IpNet::new(local, length).ok()?,
        ours,
    ))
}

/// Reads one of our routes; the device is still an index.
pub(crate) fn our_route(message: &Message<'_>) -> Option<(Route, Option<u32>)> {
    let payload = message.payload;
    if message.kind != NEWROUTE
        || *payload.get(5)? != PROTOCOL
        || u32_at(payload, 8)? & RTM_F_CLONED != 0
    {
        return None;
    }
    let attrs = Attrs::after(payload, 12);
    let v4 = *payload.first()? == AF_INET;
    let zero = if v4 {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    let destination = attrs.get(RTA_DST).map_or(Some(zero), address)?;
    let nexthop = attrs.u32(RTA_NH_ID);
    let kind = route_kind(*payload.get(7)?)?;
    // With a nexthop object the kernel also shows what is behind it; IPv6 shows `lo` as the
    // device of routes that drop.
    let own = nexthop.is_none()
        && !matches!(
            kind,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Throw
        );
    let via = attrs
        .get(RTA_GATEWAY)
        .or_else(|| attrs.get(RTA_VIA).and_then(|v| v.get(2..)));
    let route = Route {
        destination: IpNet::new(destination, *payload.get(1)?).ok()?,
        table: attrs
            .u32(RTA_TABLE)
            .or_else(|| payload.get(4).map(|t| u32::from(*t)))?,
        metric: attrs.u32(RTA_PRIORITY).unwrap_or(0),
        kind: if nexthop.is_some() {
            RouteKind::Unicast
        } else {
            kind
        },
        via: via.and_then(address).filter(|_| own),
        device: None,
        nexthop,
        source: attrs.get(RTA_PREFSRC).and_then(address),
    };
    Some((route, attrs.u32(RTA_OIF).filter(|_| own)))
}

/// The devices that a default route leads over, whoever made it.
pub(crate) fn default_route_devices(message: &Message<'_>) -> Vec<u32> {
    let byte = |at: usize| message.payload.get(at).copied();
    // `struct rtmsg`: length of the prefix at 1, type at 7.
    if message.kind != NEWROUTE || byte(1) != Some(0) || byte(7) != Some(1) {
        return Vec::new();
    }
    let attrs = Attrs::after(message.payload, 12);
    let mut devices: Vec<u32> = attrs.u32(RTA_OIF).into_iter().collect();
    // `struct rtnexthop`: its own length, flags and hops, the device; then attributes.
    let mut hops = attrs.get(RTA_MULTIPATH).unwrap_or_default();
    while let Some(length) = u16_at(hops, 0).filter(|length| *length >= 8) {
        devices.extend(u32_at(hops, 4));
        let next = usize::from(length).next_multiple_of(4);
        hops = hops.get(next..).unwrap_or_default();
    }
    devices
}

/// Reads one of our policy rules.
pub(crate) fn our_rule(message: &Message<'_>) -> Option<PolicyRule> {
    if message.kind != NEWRULE {
        return None;
    }
    let payload = message.payload;
    let attrs = Attrs::after(payload, 12);
    if attrs.get(FRA_PROTOCOL) != Some(&[PROTOCOL]) {
        return None;
    }
    let net = |kind: u16, length: usize| {
        IpNet::new(address(attrs.get(kind)?)?, *payload.get(length)?).ok()
    };
    Some(PolicyRule {
        priority: attrs.u32(FRA_PRIORITY).unwrap_or(0),
        family: if *payload.first()? == AF_INET {
            IpFamily::V4
        } else {
            IpFamily::V6
        },
        mark: attrs.u32(FRA_FWMARK),
        iif: attrs.text(FRA_IIFNAME).map(str::to_owned),
        oif: attrs.text(FRA_OIFNAME).map(str::to_owned),
        from: net(FRA_SRC, 2),
        to: net(FRA_DST, 1),
        table: attrs.u32(FRA_TABLE)?,
    })
}

/// A nexthop object as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NexthopReport {
    pub(crate) id: u32,
    pub(crate) v4: bool,
    pub(crate) blackhole: bool,
    pub(crate) device: Option<u32>,
    pub(crate) gateway: Option<IpAddr>,
}

/// Reads one of our nexthop objects.
pub(crate) fn our_nexthop(message: &Message<'_>) -> Option<NexthopReport> {
    if message.kind != NEWNEXTHOP || *message.payload.get(2)? != PROTOCOL {
        return None;
    }
    let attrs = Attrs::after(message.payload, 8);
    Some(NexthopReport {
        id: attrs.u32(NHA_ID)?,
        v4: *message.payload.first()? == AF_INET,
        blackhole: attrs.get(NHA_BLACKHOLE).is_some(),
        device: attrs.u32(NHA_OIF),
        gateway: attrs.get(NHA_GATEWAY).and_then(address),
    })
}

/// Reads one of our neighbours: device index, address, MAC (none for a proxy entry).
pub(crate) fn our_neighbour(message: &Message<'_>) -> Option<(u32, IpAddr, Option<Mac>)> {
    let payload = message.payload;
    if message.kind != NEWNEIGH || *payload.first()? == AF_BRIDGE {
        return None;
    }
    let attrs = Attrs::after(payload, 12);
    if attrs.get(NDA_PROTOCOL) != Some(&[PROTOCOL]) {
        return None;
    }
    let mac = if *payload.get(10)? & NTF_PROXY != 0 {
        None
    } else {
        Some(Mac(attrs.get(NDA_LLADDR)?.try_into().ok()?))
    };
    Some((u32_at(payload, 4)?, address(attrs.get(NDA_DST)?)?, mac))
}

fn route_kind(number: u8) -> Option<RouteKind> {
    Some(match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        9 => RouteKind::Throw,
        _ => return None,
    })
}
