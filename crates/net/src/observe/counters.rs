//! Packet and byte counts of a namespace.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::{ObserveError, tally, unless_unsupported};
use crate::namespace::Held;
use crate::netlink::nf::*;
use crate::netlink::rt;
use crate::netlink::{Attrs, KernelError, Netlink};
use crate::nft::{Family, TABLE_PREFIX};
use crate::protocol::{Count, Counters, RuleCount};

/// Reads all counters.
pub(crate) fn counters(ns: &str, held: &Held, home: &OwnedFd) -> Result<Counters, ObserveError> {
    let fail = |source| ObserveError {
        ns: ns.to_owned(),
        what: "counters",
        source,
    };
    let opened = held.inside(home, || Ok((Netlink::route()?, Netlink::netfilter()?)));
    let (mut route, mut netfilter) = opened.flatten().map_err(KernelError::from).map_err(fail)?;
    let mut counters = Counters::default();
    route
        .dump(&rt::dump_links(), |message| {
            if let Some(link) = rt::link(message) {
                counters.links.insert(link.name, link.counts);
            }
        })
        .map_err(fail)?;
    for family in [Family::Inet, Family::Ip, Family::Ip6] {
        read_named(&mut netfilter, family, &mut counters).map_err(fail)?;
        read_rules(&mut netfilter, family, &mut counters).map_err(fail)?;
    }
    tally::by_devices(&mut netfilter, &mut counters.tallies).map_err(fail)?;
    Ok(counters)
}

fn read_named(
    socket: &mut Netlink,
    family: Family,
    counters: &mut Counters,
) -> Result<(), KernelError> {
    let result = socket.dump(&dump(GETOBJ, family.number(), |_| {}), |message| {
        let attrs = Attrs::after(message.payload, 4);
        let ours = attrs
            .text(NFTA_OBJ_TABLE)
            .is_some_and(|t| t.starts_with(TABLE_PREFIX));
        if let (true, Some(OBJECT_COUNTER), Some(name)) =
            (ours, attrs.be32(NFTA_OBJ_TYPE), attrs.text(NFTA_OBJ_NAME))
        {
            counters
                .named
                .insert(name.to_owned(), count(attrs.nested(NFTA_OBJ_DATA)));
        }
    });
    unless_unsupported(result)
}

fn read_rules(
    socket: &mut Netlink,
    family: Family,
    counters: &mut Counters,
) -> Result<(), KernelError> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let result = socket.dump(&dump(GETRULE, family.number(), |_| {}), |message| {
        let attrs = Attrs::after(message.payload, 4);
        let ours = attrs
            .text(NFTA_RULE_TABLE)
            .is_some_and(|t| t.starts_with(TABLE_PREFIX));
        let Some(chain) = attrs.text(NFTA_RULE_CHAIN).filter(|_| ours) else {
            return;
        };
        let place = places.entry(chain.to_owned()).or_default();
        let index = *place;
        *place += 1;
        let is_counter =
            |(_, expr): &(u16, &[u8])| Attrs(expr).text(NFTA_EXPR_NAME) == Some("counter");
        if let Some((_, expr)) = attrs.nested(NFTA_RULE_EXPRESSIONS).find(is_counter) {
            counters.rules.push(RuleCount {
                chain: chain.to_owned(),
                index,
                comment: comment(attrs),
                count: count(Attrs(expr).nested(NFTA_EXPR_DATA)),
            });
        }
    });
    unless_unsupported(result)
}

/// Both kinds of counter keep bytes in attribute 1 and packets in attribute 2.
pub(super) fn count(attrs: Attrs<'_>) -> Count {
    Count {
        packets: attrs.be64(2).unwrap_or(0),
        bytes: attrs.be64(1).unwrap_or(0),
    }
}

fn comment(attrs: Attrs<'_>) -> Option<String> {
    // Kind 0, length, text, zero.
    let data = attrs.get(NFTA_RULE_USERDATA)?;
    let text = data.get(2..).filter(|_| data.first() == Some(&0))?;
    crate::netlink::message::text(text).map(str::to_owned)
}
