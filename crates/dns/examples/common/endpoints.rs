//! The zone of the benches: four names per endpoint, and a resolver for them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_dns::index::{Layer, Resolved, View, Zone};
use adit_dns::wire::{Rcode, RecordSet, Reply, Soa};
use adit_dns::{Decision, Name, Names, Origin, Question};

pub(crate) const APEX: &str = "s3.us-east-1.vpce.amazonaws.com";
pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn endpoint(i: u32) -> String {
    // Spread like ids, so that neighbours share nothing.
    let id = u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
    format!("vpce-{id:017x}-{:08x}.{APEX}", id >> 20 & 0xffff_ffff)
}

pub(crate) struct Endpoints(pub(crate) Layer);

impl Names for Endpoints {
    fn answer(&self, question: &Question<'_>, _: &Origin<'_>, reply: &mut Reply<'_>) -> Decision {
        reply.set_recursion_available(true);
        let view = View {
            private: &[],
            public: &[&self.0],
        };
        if view.resolve(question, reply) != Resolved::Answered {
            reply.set_rcode(Rcode::REFUSED);
        }
        Decision::Answer
    }
}

/// Four names per endpoint, like the zone of the comparison with other servers.
pub(crate) fn names(count: u32) -> Endpoints {
    let soa = Soa {
        primary: name("ns.test"),
        mailbox: name("root.test"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 60,
    };
    let mut zone = Zone::new(name(APEX), soa, 900);
    for i in 0..count {
        add(&mut zone, i);
    }
    let mut layer = Layer::new();
    layer.put_zone(Arc::new(zone));
    Endpoints(layer)
}

pub(crate) fn add(zone: &mut Zone, i: u32) {
    let [_, b, c, d] = i.to_be_bytes();
    let both = [Ipv4Addr::new(10, b, c, d), Ipv4Addr::new(10, b ^ 1, c, d)];
    let regional = name(&endpoint(i));
    let set = RecordSet::a(60, both);
    for owner in [
        &regional,
        &regional.prepend("*").unwrap(),
        &regional.prepend("bucket").unwrap(),
    ] {
        zone.put(owner, &set).unwrap();
    }
    let (id, rest) = regional
        .to_string()
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    zone.put(
        &name(&format!("{id}-us-east-1a.{rest}")),
        &RecordSet::a(60, [both[0]]),
    )
    .unwrap();
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
