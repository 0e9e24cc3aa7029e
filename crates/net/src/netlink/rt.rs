//! rtnetlink: links, addresses, routes, rules, nexthop objects, neighbours — to and from bytes.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;

use super::message::{ACK, APPEND, CREATE, DUMP, EXCLUSIVE, REPLACE, Writer};
use crate::desired::{IpFamily, Mac, NexthopTarget, PolicyRule, Route, RouteKind};

mod read;

pub(crate) use read::{
    LinkReport, address_of, default_route_devices, link, our_neighbour, our_nexthop, our_route,
    our_rule,
};

/// Marks routes, rules, nexthops, neighbours and addresses as ours.
pub(crate) const PROTOCOL: u8 = 173;
/// Device group of the ends that a group states.
pub(crate) const NEAR: u32 = 0x00ad_1701;
/// Device group of the ends that hang on a link stated elsewhere.
pub(crate) const FAR: u32 = 0x00ad_1702;
/// Device group of devices that somebody else made and lent us.
pub(crate) const LENT: u32 = 0x00ad_1703;

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const NEWNEIGH: u16 = 28;
const DELNEIGH: u16 = 29;
const GETNEIGH: u16 = 30;
const NEWRULE: u16 = 32;
const DELRULE: u16 = 33;
const GETRULE: u16 = 34;
const NEWNEXTHOP: u16 = 104;
const DELNEXTHOP: u16 = 105;
const GETNEXTHOP: u16 = 106;
const NEWLINKPROP: u16 = 108;
const DELLINKPROP: u16 = 109;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_BRIDGE: u8 = 7;

const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_NEW_IFINDEX: u16 = 49;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 2;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
const RTNH_F_ONLINK: u32 = 4;
const RTM_F_CLONED: u32 = 0x200;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const SCOPE_NOWHERE: u8 = 255;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PROTOCOL: u16 = 21;
const FR_ACT_TO_TBL: u8 = 1;

const NHA_ID: u16 = 1;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_PROTOCOL: u16 = 12;
pub(crate) const NUD_PERMANENT: u16 = 0x80;
const NTF_PROXY: u8 = 8;

/// Bytes of an address.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An address from its bytes.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn family(v4: bool) -> u8 {
    if v4 { AF_INET } else { AF_INET6 }
}

fn family_of(family: IpFamily) -> u8 {
    match family {
        IpFamily::V4 => AF_INET,
        IpFamily::V6 => AF_INET6,
    }
}

fn link_header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0u8; 16];
    let parts = [
        index.to_ne_bytes(),
        flags.to_ne_bytes(),
        change.to_ne_bytes(),
    ];
    for (place, byte) in header.iter_mut().skip(4).zip(parts.iter().flatten()) {
        *place = *byte;
    }
    header
}

fn plain_link(name: &str, mac: Option<Mac>, mtu: Option<u32>, group: u32, w: &mut Writer) {
    w.attr_text(IFLA_IFNAME, name);
    w.attr_u32(IFLA_GROUP, group);
    if let Some(mac) = mac {
        w.attr(IFLA_ADDRESS, &mac.0);
    }
    if let Some(mtu) = mtu {
        w.attr_u32(IFLA_MTU, mtu);
    }
}

/// One end of a veth pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// Its number. The two ends must not have the same: the kernel would take a device whose
    /// other end has its own number for one without another end, and let its carrier wait for up
    /// to a second.
    pub(crate) index: u32,
    pub(crate) name: &'a str,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
}

/// Makes a veth pair whose near end is up; the far end cannot be made up in the same message.
pub(crate) fn add_veth(w: &mut Writer, near: End<'_>, far: End<'_>, far_ns: BorrowedFd<'_>) {
    w.message(
        NEWLINK,
        CREATE | EXCLUSIVE | ACK,
        &link_header(near.index, IFF_UP, IFF_UP),
        |w| {
            plain_link(near.name, near.mac, near.mtu, NEAR, w);
            w.nest(IFLA_LINKINFO, |w| {
                w.attr_text(IFLA_INFO_KIND, "veth");
                w.nest(IFLA_INFO_DATA, |w| {
                    w.nest(VETH_INFO_PEER, |w| {
                        w.raw(&link_header(far.index, 0, 0));
                        plain_link(far.name, far.mac, far.mtu, FAR, w);
                        w.attr_u32(IFLA_NET_NS_FD, far_ns.as_raw_fd().unsigned_abs());
                    });
                });
            });
        },
    );
}

/// Changes a device that is named by its name.
pub(crate) fn set_link(w: &mut Writer, name: &str, up: bool, mac: Option<Mac>, mtu: Option<u32>) {
    let up = if up { IFF_UP } else { 0 };
    w.message(NEWLINK, ACK, &link_header(0, up, up), |w| {
        w.attr_text(IFLA_IFNAME, name);
        if let Some(mac) = mac {
            w.attr(IFLA_ADDRESS, &mac.0);
        }
        if let Some(mtu) = mtu {
            w.attr_u32(IFLA_MTU, mtu);
        }
    });
}

/// A device on its way to another namespace.
pub(crate) struct Move<'a> {
    /// Its number now.
    pub(crate) index: u32,
    pub(crate) to: BorrowedFd<'a>,
    /// Its number there; without one the kernel keeps it or finds another.
    pub(crate) number: Option<u32>,
    /// Its name there; one with `%d` gets the first number that makes it unique.
    pub(crate) name: &'a str,
    pub(crate) group: u32,
    pub(crate) alias: &'a str,
    pub(crate) up: bool,
}

/// Moves a device and all that it is to be there. One message: nobody sees it half done, and who is
/// killed leaves it here or there.
pub(crate) fn move_link(w: &mut Writer, link: Move<'_>) {
    let up = if link.up { IFF_UP } else { 0 };
    let header = link_header(link.index, up, IFF_UP);
    w.message(NEWLINK, ACK, &header, |w| {
        w.attr_text(IFLA_IFNAME, link.name);
        w.attr_u32(IFLA_NET_NS_FD, link.to.as_raw_fd().unsigned_abs());
        if let Some(number) = link.number {
            w.attr_u32(IFLA_NEW_IFINDEX, number);
        }
        w.attr_u32(IFLA_GROUP, link.group);
        w.attr(IFLA_IFALIAS, link.alias.as_bytes());
    });
}

/// Gives a device another name beside its name, or takes it away.
pub(crate) fn alt_name(w: &mut Writer, name: &str, alt: &str, add: bool) {
    let (kind, flags) = if add {
        (NEWLINKPROP, ACK | CREATE | EXCLUSIVE | APPEND)
    } else {
        (DELLINKPROP, ACK)
    };
    w.message(kind, flags, &link_header(0, 0, 0), |w| {
        w.attr_text(IFLA_IFNAME, name);
        w.nest(IFLA_PROP_LIST, |w| w.attr_text(IFLA_ALT_IFNAME, alt));
    });
}

/// Removes a device, and the far end with it.
pub(crate) fn remove_link(w: &mut Writer, name: &str) {
    w.message(DELLINK, ACK, &link_header(0, 0, 0), |w| {
        w.attr_text(IFLA_IFNAME, name)
    });
}

/// Removes all devices of ours whose near (or far) ends are here, and their other ends.
pub(crate) fn remove_links(w: &mut Writer, far: bool) {
    w.message(DELLINK, ACK, &link_header(0, 0, 0), |w| {
        w.attr_u32(IFLA_GROUP, if far { FAR } else { NEAR });
    });
}

/// Adds or removes an address.
pub(crate) fn put_address(w: &mut Writer, index: u32, net: &IpNet, add: bool) {
    let local = net.addr();
    let (kind, flags) = if add {
        (NEWADDR, ACK | CREATE | REPLACE)
    } else {
        (DELADDR, ACK)
    };
    let scope = if local.is_loopback() {
        SCOPE_HOST
    } else {
        SCOPE_UNIVERSE
    };
    let mut header = vec![family(local.is_ipv4()), net.prefix_len(), 0, scope];
    header.extend_from_slice(&index.to_ne_bytes());
    w.message(kind, flags, &header, |w| {
        w.attr(IFA_LOCAL, &octets(local));
        w.attr(IFA_ADDRESS, &octets(local));
        if add {
            w.attr(IFA_PROTO, &[PROTOCOL]);
            if local.is_ipv6() {
                w.attr_u32(IFA_FLAGS, IFA_F_NODAD);
            }
        }
    });
}

fn route_type(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Throw => 9,
    }
}

/// Adds a route or replaces the one with the same table, prefix and metric; or removes it.
pub(crate) fn put_route(w: &mut Writer, route: &Route, device: Option<u32>, add: bool) {
    let v4 = route.destination.addr().is_ipv4();
    let scope = match route.kind {
        _ if !add => SCOPE_NOWHERE,
        RouteKind::Local if v4 => SCOPE_HOST,
        RouteKind::Unicast if v4 && route.via.is_none() && route.nexthop.is_none() => SCOPE_LINK,
        _ => SCOPE_UNIVERSE,
    };
    let flags = if route.via.is_some() {
        RTNH_F_ONLINK
    } else {
        0
    };
    let small = u8::try_from(route.table).unwrap_or(0);
    let kind = route_type(route.kind);
    let length = route.destination.prefix_len();
    let mut header = vec![family(v4), length, 0, 0, small, PROTOCOL, scope, kind];
    header.extend_from_slice(&flags.to_ne_bytes());
    let (message, message_flags) = if add {
        (NEWROUTE, ACK | CREATE | REPLACE)
    } else {
        (DELROUTE, ACK)
    };
    w.message(message, message_flags, &header, |w| {
        w.attr(RTA_DST, &octets(route.destination.network()));
        w.attr_u32(RTA_TABLE, route.table);
        if route.metric != 0 {
            w.attr_u32(RTA_PRIORITY, route.metric);
        }
        if !add {
            return;
        }
        if let Some(id) = route.nexthop {
            w.attr_u32(RTA_NH_ID, id);
        }
        if let Some(index) = device {
            w.attr_u32(RTA_OIF, index);
        }
        match route.via {
            Some(via) if via.is_ipv4() == v4 => w.attr(RTA_GATEWAY, &octets(via)),
            Some(via) => {
                let mut value = u16::from(family(via.is_ipv4())).to_ne_bytes().to_vec();
                value.extend_from_slice(&octets(via));
                w.attr(RTA_VIA, &value);
            }
            None => {}
        }
        if let Some(source) = route.source {
            w.attr(RTA_PREFSRC, &octets(source));
        }
    });
}

/// Adds or removes a policy rule.
pub(crate) fn put_rule(w: &mut Writer, rule: &PolicyRule, add: bool) {
    let length = |net: &Option<IpNet>| net.map_or(0, |n| n.prefix_len());
    let small = u8::try_from(rule.table).unwrap_or(0);
    let header = [
        family_of(rule.family),
        length(&rule.to),
        length(&rule.from),
        0,
        small,
        0,
        0,
        FR_ACT_TO_TBL,
        0,
        0,
        0,
        0,
    ];
    let (kind, flags) = if add {
        (NEWRULE, ACK | CREATE | EXCLUSIVE)
    } else {
        (DELRULE, ACK)
    };
    w.message(kind, flags, &header, |w| {
        w.attr_u32(FRA_PRIORITY, rule.priority);
        w.attr_u32(FRA_TABLE, rule.table);
        w.attr(FRA_PROTOCOL, &[PROTOCOL]);
        if let Some(mark) = rule.mark {
            w.attr_u32(FRA_FWMARK, mark);
            w.attr_u32(FRA_FWMASK, u32::MAX);
        }
        if let Some(iif) = &rule.iif {
            w.attr_text(FRA_IIFNAME, iif);
        }
        if let Some(oif) = &rule.oif {
            w.attr_text(FRA_OIFNAME, oif);
        }
        if let Some(from) = rule.from {
            w.attr(FRA_SRC, &octets(from.network()));
        }
        if let Some(to) = rule.to {
            w.attr(FRA_DST, &octets(to.network()));
        }
    });
}

/// Adds a nexthop object or replaces the one with the same id.
pub(crate) fn put_nexthop(w: &mut Writer, id: u32, target: &NexthopTarget, device: Option<u32>) {
    let (family, flags) = match target {
        NexthopTarget::Via { gateway, .. } => (family(gateway.is_ipv4()), RTNH_F_ONLINK),
        NexthopTarget::Device { family, .. } | NexthopTarget::Blackhole { family } => {
            (family_of(*family), 0)
        }
    };
    let mut header = vec![family, 0, PROTOCOL, 0];
    header.extend_from_slice(&flags.to_ne_bytes());
    w.message(NEWNEXTHOP, ACK | CREATE | REPLACE, &header, |w| {
        w.attr_u32(NHA_ID, id);
        match target {
            NexthopTarget::Blackhole { .. } => w.attr(NHA_BLACKHOLE, &[]),
            NexthopTarget::Device { .. } => w.attr_u32(NHA_OIF, device.unwrap_or(0)),
            NexthopTarget::Via { gateway, .. } => {
                w.attr_u32(NHA_OIF, device.unwrap_or(0));
                w.attr(NHA_GATEWAY, &octets(*gateway));
            }
        }
    });
}

/// Removes a nexthop object and all routes that name it.
pub(crate) fn remove_nexthop(w: &mut Writer, id: u32) {
    w.message(DELNEXTHOP, ACK, &[0; 8], |w| w.attr_u32(NHA_ID, id));
}

/// Adds or replaces a permanent neighbour or, without `mac`, a proxy entry; or removes it.
pub(crate) fn put_neighbour(w: &mut Writer, index: u32, to: IpAddr, mac: Option<Mac>, add: bool) {
    let mut header = vec![family(to.is_ipv4()), 0, 0, 0];
    header.extend_from_slice(&index.to_ne_bytes());
    header.extend_from_slice(&NUD_PERMANENT.to_ne_bytes());
    header.extend_from_slice(&[if mac.is_none() { NTF_PROXY } else { 0 }, 0]);
    let (kind, flags) = if add {
        (NEWNEIGH, ACK | CREATE | REPLACE)
    } else {
        (DELNEIGH, ACK)
    };
    w.message(kind, flags, &header, |w| {
        w.attr(NDA_DST, &octets(to));
        if add {
            if let Some(mac) = mac {
                w.attr(NDA_LLADDR, &mac.0);
            }
            w.attr(NDA_PROTOCOL, &[PROTOCOL]);
        }
    });
}

/// Asks for all devices.
pub(crate) fn dump_links() -> Writer {
    dump(GETLINK, &link_header(0, 0, 0), |_| {})
}

/// Asks for one device by name.
pub(crate) fn get_link(name: &str) -> Writer {
    let mut w = Writer::default();
    w.message(GETLINK, 0, &link_header(0, 0, 0), |w| {
        w.attr_text(IFLA_IFNAME, name)
    });
    w
}

/// Asks for all addresses.
pub(crate) fn dump_addresses() -> Writer {
    dump(GETADDR, &[0; 8], |_| {})
}

/// Asks for our routes.
pub(crate) fn dump_routes(v4: bool) -> Writer {
    let mut header = [0u8; 12];
    header[0] = family(v4);
    header[5] = PROTOCOL;
    dump(GETROUTE, &header, |_| {})
}

/// Asks for all routes, whoever made them.
pub(crate) fn dump_every_route(v4: bool) -> Writer {
    let mut header = [0u8; 12];
    header[0] = family(v4);
    dump(GETROUTE, &header, |_| {})
}

/// Asks for all policy rules.
pub(crate) fn dump_rules(v4: bool) -> Writer {
    let mut header = [0u8; 12];
    header[0] = family(v4);
    dump(GETRULE, &header, |_| {})
}

/// Asks for all nexthop objects.
pub(crate) fn dump_nexthops() -> Writer {
    dump(GETNEXTHOP, &[0; 8], |_| {})
}

/// Asks for all neighbours, or all proxy entries.
pub(crate) fn dump_neighbours(proxy: bool) -> Writer {
    let mut header = [0u8; 12];
    header[10] = if proxy { NTF_PROXY } else { 0 };
    dump(GETNEIGH, &header, |_| {})
}

fn dump(kind: u16, header: &[u8], attributes: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::default();
    w.message(kind, DUMP, header, attributes);
    w
}
