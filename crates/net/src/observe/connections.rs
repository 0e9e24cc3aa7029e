//! The TCP connections that a namespace tracks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use super::ObserveError;
use crate::namespace::Held;
use crate::netlink::message::{DUMP, Message, Writer};
use crate::netlink::nf::header;
use crate::netlink::{Attrs, KernelError, Netlink};
use crate::protocol::Connections;

/// `IPCTNL_MSG_CT_GET` of the subsystem for connection tracking.
const GET: u16 = 1 << 8 | 1;
const TUPLE_ORIGINAL: u16 = 1;
const PROTOCOL_INFO: u16 = 4;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const INFO_TCP: u16 = 1;
const TCP_STATE: u16 = 1;
const TCP: u8 = 6;
/// SYN_SENT, SYN_RECV and ESTABLISHED: what counts as an active connection.
const ACTIVE: std::ops::RangeInclusive<u8> = 1..=3;
const FAMILIES: [u8; 2] = [2, 10];

/// Pairs of addresses that are told apart: a stranger can make up sources.
const MOST_PAIRS: usize = 16_384;

/// Counts the active TCP connections by their two ends.
pub(crate) fn connections(
    ns: &str,
    held: &Held,
    home: &OwnedFd,
) -> Result<Connections, ObserveError> {
    let fail = |source| ObserveError {
        ns: ns.to_owned(),
        what: "connections",
        source,
    };
    let opened = held.inside(home, Netlink::netfilter).flatten();
    let mut socket = opened.map_err(KernelError::from).map_err(fail)?;
    let mut pairs: HashMap<(IpAddr, IpAddr), u64> = HashMap::new();
    let mut others = 0;
    for family in FAMILIES {
        let mut request = Writer::default();
        request.message(GET, DUMP, &header(family), |_| {});
        let read = socket.stream(&request, |message| {
            let Some(pair) = active(message) else { return };
            if pairs.len() < MOST_PAIRS || pairs.contains_key(&pair) {
                *pairs.entry(pair).or_default() += 1;
            } else {
                others += 1;
            }
        });
        super::unless_unsupported(read).map_err(fail)?;
    }
    let pairs = pairs.into_iter().map(|((a, b), count)| (a, b, count));
    Ok(Connections {
        pairs: pairs.collect(),
        others,
    })
}

/// The two ends of an active TCP connection, the one that opened it first.
fn active(message: &Message<'_>) -> Option<(IpAddr, IpAddr)> {
    let attrs = Attrs::after(message.payload, 4);
    let tuple = attrs.nested(TUPLE_ORIGINAL);
    let protocol = tuple.nested(TUPLE_PROTOCOL).get(PROTOCOL_NUMBER)?.first()?;
    let info = attrs.nested(PROTOCOL_INFO).nested(INFO_TCP);
    let state = info.get(TCP_STATE)?.first()?;
    if *protocol != TCP || !ACTIVE.contains(state) {
        return None;
    }
    let addresses = tuple.nested(TUPLE_ADDRESSES);
    let v4 = |kind| {
        let bytes: [u8; 4] = addresses.get(kind)?.try_into().ok()?;
        Some(IpAddr::from(Ipv4Addr::from(bytes)))
    };
    let v6 = |kind| {
        let bytes: [u8; 16] = addresses.get(kind)?.try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(bytes)))
    };
    Some((v4(1).or_else(|| v6(3))?, v4(2).or_else(|| v6(4))?))
}
