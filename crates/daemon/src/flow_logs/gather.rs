//! From counters of the kernel to sums for one record's time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use adit_model::{FlowLog, FlowLogResource, NetworkInterfaceId, TrafficType};
use adit_net::protocol::{Count, FlowCount, Flows};
use adit_net::render::count::Stage;
use adit_net::render::place;
use adit_snapshot::{PortView, VpcView};

/// Records of one log and time at most.
const MOST: usize = 100_000;

/// What tells one element of the kernel's tallies from others.
type Element = (String, String, String, IpAddr, IpAddr, u8, u8, u16, u16);

fn element(flow: &FlowCount) -> Element {
    (
        flow.tally.clone(),
        flow.into.clone(),
        flow.out.clone(),
        flow.source,
        flow.destination,
        flow.protocol,
        flow.flags,
        flow.source_port,
        flow.destination_port,
    )
}

/// Packets of one flow since the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fresh {
    /// The flow, and how many packets and bytes since.
    pub(super) flow: FlowCount,
    /// When the first of them came, as far as is known: milliseconds since the epoch.
    pub(super) first: i64,
    /// When the last one came.
    pub(super) last: i64,
}

/// The counters as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Differences {
    before: HashMap<Element, Count>,
    at: i64,
}

impl Differences {
    /// What came since the last look. An element that counts less than before was made anew.
    pub(super) fn take(&mut self, flows: &Flows, now: i64) -> Vec<Fresh> {
        let mut next = HashMap::with_capacity(flows.flows.len());
        let mut fresh = Vec::new();
        for flow in &flows.flows {
            let key = element(flow);
            let before = self.before.get(&key).copied();
            let before = before.filter(|b| b.packets <= flow.count.packets);
            let base = before.unwrap_or_default();
            let count = Count {
                packets: flow.count.packets - base.packets,
                bytes: flow.count.bytes.saturating_sub(base.bytes),
            };
            next.insert(key, flow.count);
            if count.packets == 0 {
                continue;
            }
            let last = now - i64::try_from(flow.idle).unwrap_or(0).max(0);
            // One packet came when it came; of more the first came after the last look.
            let first = match count.packets {
                1 => last,
                _ => self.at.clamp(last - 60_000, last),
            };
            let flow = FlowCount {
                count,
                ..flow.clone()
            };
            fresh.push(Fresh { flow, first, last });
        }
        self.before = next;
        self.at = now;
        fresh
    }
}

/// What tells one record from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// The interface whose record it is.
    pub(super) interface: NetworkInterfaceId,
    /// Whether the packets came into the interface.
    pub(super) ingress: bool,
    /// Whether they were let through.
    pub(super) accept: bool,
    /// The device at the router's other side.
    pub(super) beyond: String,
    /// The packets' own addresses.
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
}

/// The sums of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: Count,
    /// FIN, SYN, RST, and ACK where it came with SYN.
    pub(super) flags: u8,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// One log's sums for the time that goes on.
#[derive(Debug)]
pub(super) struct Sums {
    /// How long one time is, in milliseconds.
    length: i64,
    begin: i64,
    skipped: bool,
    sums: HashMap<Key, Sum>,
}

/// A time that is over.
#[derive(Debug)]
pub(super) struct Window {
    /// From when to when, in milliseconds since the epoch.
    pub(super) begin: i64,
    pub(super) end: i64,
    /// Whether something is missing.
    pub(super) skipped: bool,
    pub(super) sums: Vec<(Key, Sum)>,
}

impl Sums {
    /// Sums from now on, for times of so many seconds that begin at whole multiples of it.
    pub(super) fn beginning(now: i64, seconds: u32, created: i64) -> Sums {
        let length = i64::from(seconds) * 1000;
        Sums {
            length,
            begin: (now - now.rem_euclid(length)).max(created.min(now)),
            skipped: false,
            sums: HashMap::new(),
        }
    }

    /// Something could not be recorded.
    pub(super) fn skip(&mut self) {
        self.skipped = true;
    }

    /// Adds what concerns the log.
    pub(super) fn add(&mut self, log: &FlowLog, view: &VpcView, fresh: &[Fresh]) {
        let ports: HashMap<String, &PortView> = view
            .ports
            .iter()
            .map(|port| (place::port_device(&port.interface.id), port))
            .collect();
        for fresh in fresh {
            let Some(stage) = Stage::of(&fresh.flow.tally) else {
                continue;
            };
            let flow = &fresh.flow;
            if let Some(port) = ports.get(&flow.into) {
                let accept = stage != Stage::RefusedOut;
                self.count(log, port, (false, accept, &flow.out), fresh);
            }
            // What its sender was refused never came here.
            if let Some(port) = ports.get(&flow.out)
                && stage != Stage::RefusedOut
            {
                let accept = stage == Stage::Passed;
                self.count(log, port, (true, accept, &flow.into), fresh);
            }
        }
    }

    fn count(
        &mut self,
        log: &FlowLog,
        port: &PortView,
        (ingress, accept, beyond): (bool, bool, &str),
        fresh: &Fresh,
    ) {
        if !concerns(log, port) || !wanted(log.traffic, accept) {
            return;
        }
        let flow = &fresh.flow;
        let key = Key {
            interface: port.interface.id.clone(),
            ingress,
            accept,
            beyond: beyond.to_owned(),
            source: flow.source,
            destination: flow.destination,
            protocol: flow.protocol,
            source_port: flow.source_port,
            destination_port: flow.destination_port,
        };
        if self.sums.len() >= MOST && !self.sums.contains_key(&key) {
            self.skipped = true;
            return;
        }
        let (first, last) = (fresh.first.max(self.begin), fresh.last.max(self.begin));
        let sum = self.sums.entry(key).or_insert(Sum {
            count: Count::default(),
            flags: 0,
            first,
            last,
        });
        sum.count.packets += flow.count.packets;
        sum.count.bytes += flow.count.bytes;
        sum.flags |= shown_flags(flow.flags);
        sum.first = sum.first.min(first);
        sum.last = sum.last.max(last);
    }

    /// The time that is over, if it is, or at the `end` in any case; the next one begins.
    pub(super) fn close(&mut self, now: i64, end: bool) -> Option<Window> {
        let over = now - now.rem_euclid(self.length);
        if over <= self.begin && !end {
            return None;
        }
        let window = Window {
            begin: self.begin,
            end: now,
            skipped: std::mem::take(&mut self.skipped),
            sums: self.sums.drain().collect(),
        };
        self.begin = now;
        Some(window)
    }
}

/// Whether a port is among what a log watches.
pub(super) fn concerns(log: &FlowLog, port: &PortView) -> bool {
    match &log.resource {
        FlowLogResource::Vpc => true,
        FlowLogResource::Subnet(id) => port.subnet.id == *id,
        FlowLogResource::Interface(id) => port.interface.id == *id,
    }
}

fn wanted(traffic: TrafficType, accept: bool) -> bool {
    match traffic {
        TrafficType::All => true,
        TrafficType::Accept => accept,
        TrafficType::Reject => !accept,
    }
}

/// ACK is on nearly every segment: it says something beside SYN alone.
fn shown_flags(flags: u8) -> u8 {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    match flags & SYN {
        0 => flags & !ACK,
        _ => flags,
    }
}

/// The ports that a log watches.
pub(super) fn ports<'a>(
    log: &'a Arc<FlowLog>,
    view: &'a VpcView,
) -> impl Iterator<Item = &'a PortView> {
    view.ports.iter().filter(|port| concerns(log, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(tally: &str, flags: u8, packets: u64) -> FlowCount {
        FlowCount {
            tally: tally.into(),
            into: "p-1".into(),
            out: "p-2".into(),
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 6,
            flags,
            source_port: 40_000,
            destination_port: 443,
            count: Count {
                packets,
                bytes: packets * 100,
            },
            idle: 1000,
        }
    }

    fn flows(flows: Vec<FlowCount>) -> Flows {
        Flows {
            flows,
            full: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_new_counts() {
        let mut differences = Differences::default();
        let first = differences.take(&flows(vec![flow("flows4", 2, 1)]), 100_000);
        assert_eq!((first[0].first, first[0].last), (99_000, 99_000));
        // Nothing came.
        assert!(
            differences
                .take(&flows(vec![flow("flows4", 2, 1)]), 105_000)
                .is_empty()
        );
        let more = differences.take(&flows(vec![flow("flows4", 2, 5)]), 110_000);
        assert_eq!(
            more[0].flow.count,
            Count {
                packets: 4,
                bytes: 400
            }
        );
        assert_eq!((more[0].first, more[0].last), (105_000, 109_000));
        // The element had gone and was made anew.
        let anew = differences.take(&flows(vec![flow("flows4", 2, 2)]), 115_000);
        assert_eq!(anew[0].flow.count.packets, 2);
    }

    #[test]
    fn a_time_ends_at_a_multiple_of_its_length() {
        let mut sums = Sums::beginning(125_000, 60, 0);
        assert!(sums.close(179_999, false).is_none());
        let window = sums.close(181_000, false).unwrap();
        assert_eq!((window.begin, window.end), (120_000, 181_000));
        assert!(sums.close(239_000, false).is_none());
        assert!(sums.close(239_000, true).is_some());
        sums.skip();
        assert!(sums.close(240_000, false).unwrap().skipped);
        assert!(!sums.close(300_000, false).unwrap().skipped);
        // Nothing is said of the time before there was a log.
        assert_eq!(Sums::beginning(125_000, 60, 124_000).begin, 124_000);
    }

    #[test]
    fn acknowledgements_alone_are_no_flag() {
        assert_eq!([2, 16, 17, 18, 20].map(shown_flags), [2, 0, 1, 18, 4]);
    }
}
