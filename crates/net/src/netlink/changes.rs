//! Hearing of changes: which kinds, and which of them can concern what is ours.

use std::io;

use super::message::Message;
use super::rt::{NUD_PERMANENT, PROTOCOL};
use super::socket::Netlink;

/// Links, neighbours, addresses, routes and rules of both families, nexthops.
const ROUTE_GROUPS: &[i32] = &[1, 3, 5, 7, 8, 9, 11, 19, 32];
/// All of nftables.
const FILTER_GROUPS: &[i32] = &[7];

const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const NEWNEIGH: u16 = 28;
const DELNEIGH: u16 = 29;

/// Routes that the kernel makes by itself, and what a router's advertisement brings.
const KERNEL: u8 = 2;
const ADVERTISED: u8 = 9;

const IFF_UP: u32 = 1;

impl Netlink {
    /// A socket that hears of links, addresses, routes, rules, nexthops and neighbours in the
    /// calling thread's namespace.
    pub(crate) fn route_changes() -> io::Result<Self> {
        Self::monitor(libc::NETLINK_ROUTE, ROUTE_GROUPS)
    }

    /// A socket that hears of changes of filters in the calling thread's namespace.
    pub(crate) fn filter_changes() -> io::Result<Self> {
        Self::monitor(libc::NETLINK_NETFILTER, FILTER_GROUPS)
    }
}

/// Whether a change of links and routes can concern what is ours. What the kernel does by itself
/// (carrier of a cable, link-local addresses, neighbours being resolved) does not.
pub(crate) fn disturbs(message: &Message<'_>) -> bool {
    let byte = |at: usize| message.payload.get(at).copied().unwrap_or(0);
    match message.kind {
        // `struct ifinfomsg`: flags at 8, in the machine's order. A device that is up is as it was, or was made just now.
        NEWLINK => u32::from_ne_bytes([byte(8), byte(9), byte(10), byte(11)]) & IFF_UP == 0,
        NEWADDR => false,
        // `struct rtmsg`: protocol at 5.
        NEWROUTE => !matches!(byte(5), KERNEL | ADVERTISED),
        DELROUTE => byte(5) == PROTOCOL,
        // `struct ndmsg`: state at 8. Ours are permanent; what replaces one is, too.
        NEWNEIGH => u16::from_ne_bytes([byte(8), byte(9)]) & NUD_PERMANENT != 0,
        DELNEIGH => true,
        _ => true,
    }
}
