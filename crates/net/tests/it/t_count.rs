//! What routers count: flows, let through and refused, connections, resets, and S3's bytes by the way
//! they take.

use std::io::Write;
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::protocol::{Count, FlowCount, Transport};
use adit_net::render::count::{Stage, part, tally};
use adit_net::render::place;
use adit_snapshot::build;
use socket2::SockAddr;

use crate::harness::{Outcome, Test};
use crate::helpers::{installed, output_in};
use crate::lab::{Lab, conversation, lab, wait};
use crate::t_render::{VPC, id, owner, place_internet, place_vpc, serve, world};
use crate::{t_ipv6, world};

pub(crate) const TESTS: &[Test] = &[
    (
        "count::flows_are_seen_as_they_are",
        flows_are_seen_as_they_are,
    ),
    ("count::flows_of_ipv6_are_seen", flows_of_ipv6_are_seen),
    (
        "count::connections_and_resets_are_told_by_device",
        connections_and_resets_are_told_by_device,
    ),
    (
        "count::a_change_keeps_what_was_counted",
        a_change_keeps_what_was_counted,
    ),
];

fn flow_log(format: &str) -> FlowLog {
    FlowLog {
        id: id("fl-", 1),
        owner: owner(),
        vpc: VPC.parse().unwrap(),
        resource: FlowLogResource::Vpc,
        traffic: TrafficType::All,
        destination: FlowLogDestination::LogGroup("g".into()),
        format: format.into(),
        interval: 60,
        role: None,
        created: 0,
        tags: Tags::new(),
    }
}

fn settled(log: Option<FlowLog>) -> Result<Lab, Outcome> {
    let lab = Lab::new()?;
    let mut draft = world();
    if let Some(log) = log {
        draft.put(log);
    }
    let snapshot = build(&Arc::new(draft.finish().0));
    place_internet(&lab);
    place_vpc(&lab, snapshot.vpc(VPC).unwrap());
    serve(&lab);
    Ok(lab)
}

fn instance(n: u64) -> String {
    place::instance(&id("eni-", n * 1000 + 10))
}

fn port(eni: u64) -> String {
    place::port_device(&id("eni-", eni))
}

/// The flows from one address to another at a stage, with the port in the middle of it.
fn between(lab: &Lab, from: &str, to: &str, stage: Stage, server: u16) -> Vec<FlowCount> {
    let flows = lab.agent().flows(VPC).unwrap();
    assert_eq!(flows.full, Vec::<String>::new());
    let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let mut found = flows.flows;
    found.retain(|flow| {
        let ports = [flow.source_port, flow.destination_port];
        (flow.source, flow.destination) == (from, to)
            && Stage::of(&flow.tally) == Some(stage)
            && ports.contains(&server)
    });
    found
}

fn flows_are_seen_as_they_are() -> Outcome {
    let format = "${version} ${tcp-flags}";
    let lab = match settled(Some(flow_log(format))) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    // An instance of subnet 1 asks one of subnet 2: both directions, by their devices.
    lab.reaches(&instance(1), "10.0.2.10:443", "instance", "10.0.1.10");
    let there = || between(&lab, "10.0.1.10", "10.0.2.10", Stage::Passed, 443);
    let flags = |flows: &[FlowCount]| flows.iter().fold(0, |all, flow| all | flow.flags);
    // The connection is closed by then; FIN, SYN and ACK have been.
    wait(|| flags(&there()) & 0x13 == 0x13);
    for flow in there() {
        assert_eq!(
            (flow.into.as_str(), flow.out.as_str()),
            (&*port(1010), &*port(2010))
        );
        assert_eq!((flow.protocol, flow.destination_port), (6, 443));
        assert!(flow.source_port > 1024 && flow.idle < 10_000, "{flow:?}");
    }
    let syn: Vec<Count> = there()
        .iter()
        .filter(|f| f.flags == 2)
        .map(|f| f.count)
        .collect();
    assert_eq!(
        syn,
        [Count {
            packets: 1,
            bytes: 60
        }]
    );
    let back = between(&lab, "10.0.2.10", "10.0.1.10", Stage::Passed, 443);
    assert!(back.iter().any(|flow| flow.flags == 0x12), "{back:?}");

    // To the gateway endpoint, with the address that was asked.
    lab.reaches(&instance(1), "198.18.0.10:443", "gateway", "10.0.1.10");
    let out = place::gateway_device(&id("vpce-", 1));
    let there = between(&lab, "10.0.1.10", "198.18.0.10", Stage::Passed, 443);
    assert!(
        !there.is_empty() && there.iter().all(|flow| flow.out == out),
        "{there:?}"
    );

    // Refused by the receiver's group: an endpoint's interface takes 443 alone.
    lab.blocked(&instance(1), "10.0.2.100:80");
    let refused = between(&lab, "10.0.1.10", "10.0.2.100", Stage::RefusedIn, 80);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (refused[0].out.as_str(), refused[0].flags),
        (&*port(2100), 2)
    );
    assert!(refused[0].count.packets >= 1);
    assert!(between(&lab, "10.0.1.10", "10.0.2.100", Stage::Passed, 80).is_empty());

    // UDP with its ports, and ICMP without.
    let udp = lab.socket(&instance(1), Transport::Udp);
    let to: std::net::SocketAddr = "10.0.2.10:9999".parse().unwrap();
    for _ in 0..3 {
        udp.send_to(&[0; 100], &SockAddr::from(to)).unwrap();
    }
    let seen = || between(&lab, "10.0.1.10", "10.0.2.10", Stage::Passed, 9999);
    wait(|| {
        seen().iter().any(|f| {
            f.protocol == 17
                && f.count
                    == Count {
                        packets: 3,
                        bytes: 384,
                    }
        })
    });
    if installed("ping") {
        output_in(
            lab.agent(),
            &instance(1),
            "ping",
            &["-c1", "-W2", "10.0.2.10"],
        );
        let echo = between(&lab, "10.0.1.10", "10.0.2.10", Stage::Passed, 0);
        assert_eq!(
            (echo[0].protocol, echo[0].count.packets),
            (1, 1),
            "{echo:?}"
        );
    }
    // Whoever looks with nftables' own command is shown the table.
    if installed("nft") && !lab.agent().hello().rootless {
        let text = output_in(lab.agent(), VPC, "nft", &["list", "table", "inet", "adit"]);
        assert!(text.contains("set flows4_refused_in"), "{text}");
    }
    Outcome::Passed
}

fn flows_of_ipv6_are_seen() -> Outcome {
    let lab = lab!();
    let mut draft = Draft::new(&t_ipv6::open_world(false).intent);
    draft.put(FlowLog {
        vpc: world::vpc_id(1),
        ..flow_log("${version} ${tcp-flags}")
    });
    let snapshot = build(&Arc::new(draft.finish().0));
    world::settle(&lab, &snapshot);
    t_ipv6::serve(&lab, &snapshot);
    let (one, two) = (world::instance(1, 1), t_ipv6::at(1, 2, "a"));
    let own = t_ipv6::at(1, 1, "a");
    let asked = t_ipv6::asked_at(1, 2, "a", 443);
    lab.reaches(&one, &asked, "instance", &own);
    let seen = |from: &str, to: &str| {
        let flows = lab.agent().flows(world::vpc_id(1).as_str()).unwrap();
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let mut found = flows.flows;
        found.retain(|flow| (flow.source, flow.destination) == (from, to));
        found
    };
    let device = |n: u64| place::port_device(&id("eni-", world::nth(1, n)));
    let there = seen(&own, &two);
    assert!(!there.is_empty());
    for flow in &there {
        assert_eq!(Stage::of(&flow.tally), Some(Stage::Passed), "{flow:?}");
        assert_eq!((&flow.into, &flow.out), (&device(1010), &device(2010)));
        assert_eq!((flow.protocol, flow.destination_port), (6, 443), "{flow:?}");
    }
    // The first packet is a SYN without options of IPv6: 40 bytes and TCP's 40.
    let syn = there.iter().find(|flow| flow.flags == 2).unwrap();
    assert_eq!((syn.count.packets, syn.count.bytes), (1, 80));
    assert!(seen(&two, &own).iter().any(|flow| flow.flags == 0x12));
    // What is counted by pairs of devices knows no families.
    let counters = lab.agent().counters(world::vpc_id(1).as_str()).unwrap();
    let tallies = counters.tallies.iter();
    let mut new = tallies.filter(|t| t.tally == tally::NEW && t.into == device(1010));
    assert!(new.any(|t| t.out == device(2010)));
    Outcome::Passed
}

/// What a tally has for a pair of devices.
fn tallied(lab: &Lab, name: &str, into: &str, out: &str) -> Count {
    let counters = lab.agent().counters(VPC).unwrap();
    let found = counters
        .tallies
        .iter()
        .find(|t| (&*t.tally, &*t.into, &*t.out) == (name, into, out));
    found.map(|t| t.count).unwrap_or_default()
}

fn connections_and_resets_are_told_by_device() -> Outcome {
    let lab = lab!();
    let snapshot = build(&Arc::new(world().finish().0));
    place_internet(&lab);
    place_vpc(&lab, snapshot.vpc(VPC).unwrap());
    serve(&lab);
    let (one, endpoint) = (port(1010), port(2100));
    let mut open = Vec::new();
    for _ in 0..3 {
        let stream = lab.connect(&instance(1), "10.0.2.100:443", Duration::from_secs(5));
        let mut stream = stream.unwrap();
        conversation(&mut stream);
        open.push(stream);
    }
    assert_eq!(tallied(&lab, tally::NEW, &one, &endpoint).packets, 3);
    let active = || {
        let connections = lab.agent().connections(VPC).unwrap();
        assert_eq!(connections.others, 0);
        let (from, to): (IpAddr, IpAddr) = ([10, 0, 1, 10].into(), [10, 0, 2, 100].into());
        let pair = connections.pairs.iter().find(|p| (p.0, p.1) == (from, to));
        pair.map_or(0, |pair| pair.2)
    };
    assert_eq!(active(), 3);
    // One ends as connections should, one is broken off.
    open[0].shutdown(Shutdown::Both).unwrap();
    let reset = socket2::Socket::from(open.remove(1));
    reset.set_linger(Some(Duration::ZERO)).unwrap();
    drop(reset);
    wait(|| active() == 1);
    assert_eq!(tallied(&lab, tally::RESETS, &one, &endpoint).packets, 1);
    // A refusal is told by device too.
    lab.blocked(&instance(1), "10.0.2.100:80");
    assert!(tallied(&lab, tally::REFUSED_IN, &one, &endpoint).packets >= 1);

    // S3's bytes by the way they take: interface, gateway, and the internet gateway.
    let sent = |from: u64, by: &str| {
        let from = part(id::<SubnetId>("subnet-", from).as_str());
        tallied(&lab, tally::S3_SENT, &from, by).bytes
    };
    let received = |to: u64, by: &str| {
        let to = part(id::<SubnetId>("subnet-", to).as_str());
        tallied(&lab, tally::S3_RECEIVED, &to, by).bytes
    };
    let gateway = place::gateway_device(&id("vpce-", 1));
    assert!(sent(1, &endpoint) > 0 && received(1, &endpoint) > 0);
    let mut stream = lab
        .connect(&instance(1), "198.18.0.10:443", Duration::from_secs(5))
        .unwrap();
    for _ in 0..64 {
        stream.write_all(&[7; 1000]).unwrap();
    }
    wait(|| sent(1, &gateway) > 64_000);
    assert_eq!(sent(1, "igw"), 0);
    lab.reaches(&instance(2), "198.18.0.10:443", "internet", "198.19.0.5");
    assert!(sent(2, "igw") > 0 && received(2, "igw") > 0);
    // What is not S3 is not counted.
    lab.reaches(&instance(1), "10.0.2.10:443", "instance", "10.0.1.10");
    assert_eq!(sent(1, &port(2010)), 0);
    Outcome::Passed
}

fn a_change_keeps_what_was_counted() -> Outcome {
    let lab = match settled(Some(flow_log(&FlowField::default_format()))) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.reaches(&instance(1), "10.0.2.100:443", "interface", "10.0.1.10");
    let (one, endpoint) = (port(1010), port(2100));
    let seen = between(&lab, "10.0.1.10", "10.0.2.100", Stage::Passed, 443);
    // Nobody asked for flags: one element for the whole direction.
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].count.packets >= 4 && seen[0].flags == 0);
    // Another group, and a flow log of another form.
    let mut draft = world();
    draft.put(flow_log("${tcp-flags}"));
    draft.edit::<SecurityGroup>("sg-00000000000000002", |group| {
        group.rules.retain(|rule| rule.id != id("sgr-", 4));
    });
    let snapshot = build(&Arc::new(draft.finish().0));
    place_vpc(&lab, snapshot.vpc(VPC).unwrap());
    assert_eq!(tallied(&lab, tally::NEW, &one, &endpoint).packets, 1);
    let seen = between(&lab, "10.0.1.10", "10.0.2.100", Stage::Passed, 443);
    assert!(!seen.is_empty());
    // Without a flow log nothing is kept of flows.
    let snapshot = build(&Arc::new(world().finish().0));
    place_vpc(&lab, snapshot.vpc(VPC).unwrap());
    assert_eq!(lab.agent().flows(VPC).unwrap().flows, Vec::new());
    assert_eq!(tallied(&lab, tally::NEW, &one, &endpoint).packets, 1);
    Outcome::Passed
}
