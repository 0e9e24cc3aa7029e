//! What tallies have counted, read out of the kernel.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::counters::count;
use super::{ObserveError, unless_unsupported};
use crate::desired::IpFamily;
use crate::namespace::Held;
use crate::netlink::nf::*;
use crate::netlink::{Attrs, KernelError, Netlink, rt};
use crate::nft::tally::{devices, flow, mark};
use crate::nft::{Family, TABLE_PREFIX, TallyKey};
use crate::protocol::{Count, FlowCount, Flows, TallyCount};

/// The set in the kernel that a tally is.
struct Found {
    table: String,
    name: String,
    by: TallyKey,
    size: u32,
    timeout: u64,
}

/// Our tallies in the namespace of the socket. A tally is known by its form: only it lets packets add
/// elements, and its key's type says what it tells apart.
fn find(socket: &mut Netlink) -> Result<Vec<Found>, KernelError> {
    let mut found = Vec::new();
    let request = dump(GETSET, Family::Inet.number(), |_| {});
    let result = socket.dump(&request, |message| {
        let attrs = Attrs::after(message.payload, 4);
        let ours = attrs
            .text(NFTA_SET_TABLE)
            .filter(|t| t.starts_with(TABLE_PREFIX));
        let by_packets = attrs
            .be32(NFTA_SET_FLAGS)
            .is_some_and(|flags| flags & SET_EVAL != 0);
        let by = match attrs.be32(NFTA_SET_KEY_LEN) {
            Some(32) if attrs.be32(NFTA_SET_KEY_TYPE) == Some(41 << 6 | 41) => TallyKey::Devices,
            Some(32) => TallyKey::Flow(IpFamily::V4),
            Some(20) => TallyKey::Mark,
            Some(56) => TallyKey::Flow(IpFamily::V6),
            _ => return,
        };
        if let (Some(table), true, Some(name)) = (ours, by_packets, attrs.text(NFTA_SET_NAME)) {
            let desc = attrs.nested(NFTA_SET_DESC);
            found.push(Found {
                table: table.to_owned(),
                name: name.to_owned(),
                by,
                size: desc.be32(NFTA_SET_DESC_SIZE).unwrap_or(u32::MAX),
                timeout: attrs.be64(NFTA_SET_TIMEOUT).unwrap_or(0),
            });
        }
    });
    unless_unsupported(result)?;
    Ok(found)
}

/// Every element of a tally: its key, its count, and how long ago it counted last, in milliseconds.
fn elements(
    socket: &mut Netlink,
    tally: &Found,
    mut each: impl FnMut(&[u8], Count, u64),
) -> Result<(), KernelError> {
    let request = dump(GETSETELEM, Family::Inet.number(), |w| {
        w.attr_text(NFTA_SET_ELEM_LIST_TABLE, &tally.table);
        w.attr_text(NFTA_SET_ELEM_LIST_SET, &tally.name);
    });
    socket.stream(&request, |message| {
        let list = Attrs::after(message.payload, 4).nested(NFTA_SET_ELEM_LIST_ELEMENTS);
        for (_, element) in list {
            let attrs = Attrs(element);
            let key = attrs.nested(NFTA_SET_ELEM_KEY).get(NFTA_DATA_VALUE);
            let counter = attrs.nested(NFTA_SET_ELEM_EXPR).nested(NFTA_EXPR_DATA);
            let left = attrs
                .be64(NFTA_SET_ELEM_EXPIRATION)
                .unwrap_or(tally.timeout);
            if let Some(key) = key {
                each(key, count(counter), tally.timeout.saturating_sub(left));
            }
        }
    })
}

/// Reads the tallies by devices, and by mark.
pub(super) fn by_devices(
    socket: &mut Netlink,
    counts: &mut Vec<TallyCount>,
) -> Result<(), KernelError> {
    for tally in find(socket)? {
        elements_of_pairs(socket, &tally, counts)?;
    }
    Ok(())
}

fn elements_of_pairs(
    socket: &mut Netlink,
    tally: &Found,
    counts: &mut Vec<TallyCount>,
) -> Result<(), KernelError> {
    let pair: fn(&[u8]) -> Option<(String, String)> = match tally.by {
        TallyKey::Devices => |key| devices(key).map(|(a, b)| (a.to_owned(), b.to_owned())),
        TallyKey::Mark => |key| mark(key).map(|(a, b)| (format!("{a:08x}"), b.to_owned())),
        TallyKey::Flow(_) => return Ok(()),
    };
    elements(socket, tally, |key, count, _| {
        if let Some((into, out)) = pair(key) {
            counts.push(TallyCount {
                tally: tally.name.clone(),
                into,
                out,
                count,
            });
        }
    })
}

/// Reads the tallies by flow.
pub(crate) fn flows(ns: &str, held: &Held, home: &OwnedFd) -> Result<Flows, ObserveError> {
    let fail = |source| ObserveError {
        ns: ns.to_owned(),
        what: "flows",
        source,
    };
    let opened = held.inside(home, || Ok((Netlink::route()?, Netlink::netfilter()?)));
    let (mut route, mut netfilter) = opened.flatten().map_err(KernelError::from).map_err(fail)?;
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    route
        .dump(&rt::dump_links(), |message| {
            if let Some(link) = rt::link(message) {
                names.insert(link.index, link.name);
            }
        })
        .map_err(fail)?;
    let mut flows = Flows::default();
    for tally in find(&mut netfilter).map_err(fail)? {
        let TallyKey::Flow(family) = tally.by else {
            continue;
        };
        let mut number = 0u32;
        elements(&mut netfilter, &tally, |key, count, idle| {
            number += 1;
            // A device that is gone has no name any more, and its packets no meaning.
            let Some(key) = flow(family, key) else { return };
            let (Some(into), Some(out)) = (names.get(&key.into), names.get(&key.out)) else {
                return;
            };
            flows.flows.push(FlowCount {
                tally: tally.name.clone(),
                into: into.clone(),
                out: out.clone(),
                source: key.source,
                destination: key.destination,
                protocol: key.protocol,
                flags: key.flags,
                source_port: key.source_port,
                destination_port: key.destination_port,
                count,
                idle,
            });
        })
        .map_err(fail)?;
        if number >= tally.size {
            flows.full.push(tally.name);
        }
    }
    Ok(flows)
}
