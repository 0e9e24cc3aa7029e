//! What the router counts: connections, resets and refusals by pair of devices, S3's bytes by the way
//! they take, and, where a flow log asks for it, every flow.
//!
//! Counting is left to the kernel's own sets, whose elements packets make themselves: nothing has to
//! listen, nothing is lost while nobody looks, and memory has a bound. Accepted packets are counted behind
//! every filter, refused ones where they are refused; the chain says at whose side that was.

use adit_model::{FlowField, Served};
use adit_snapshot::VpcView;
use ipnet::IpNet;

use super::*;
use crate::nft::{
    Chain, CtState, Datum, Element, Expr, Field, FlowOf, KeyType, Rule, Set, Table, Tally,
    TallyKey, Value, ValueType,
};

/// Tallies by devices.
pub mod tally {
    /// Connections that were let through.
    pub const NEW: &str = "new";
    /// Packets that broke a connection off.
    pub const RESETS: &str = "resets";
    /// Packets refused where they left their sender.
    pub const REFUSED_OUT: &str = "refused_out";
    /// Packets refused where they were to come in.
    pub const REFUSED_IN: &str = "refused_in";
    /// Packets to S3: by where they begin ([`super::part`]) and the device that carries them on.
    pub const S3_SENT: &str = "s3_sent";
    /// Packets from S3: by where they go ([`super::part`]) and the device that brought them.
    pub const S3_RECEIVED: &str = "s3_received";
    /// Flows that were let through; the ending says the family of addresses.
    pub const FLOWS: &str = "flows";
}

/// The chains that end a packet's way, by the side at which it was refused.
pub(super) const REFUSED_OUT: &str = tally::REFUSED_OUT;
pub(super) const REFUSED_IN: &str = tally::REFUSED_IN;

/// The chain of what opens a connection that every filter lets through.
pub(super) const OPENED: &str = "opened";
/// The chain of all that is let through.
pub(super) const PASSED: &str = "passed";

/// The map from device to place.
const PLACES: &str = "place_of";

/// Pairs of devices in one tally.
const PAIRS: u32 = 65_536;
/// How long a pair without packets is remembered: what is gone for good must make room some day.
const PAIRS_TIMEOUT: u32 = 7 * 24 * 3600;
/// Flows in one tally.
const FLOWS: u32 = 65_536;
/// How long a flow without packets stays: long enough that whoever reads every few seconds sees it.
pub const FLOWS_TIMEOUT: u32 = 30;

const FAMILIES: [(IpFamily, &str); 2] = [(IpFamily::V4, "4"), (IpFamily::V6, "6")];

/// The tally of the flows of one family: those let through, or those refused at a side.
fn flow_tally(stage: &str, family: &str) -> String {
    match stage {
        tally::FLOWS => format!("flows{family}"),
        refused => format!("flows{family}_{refused}"),
    }
}

/// How a flow ended, by the name of its tally: let through, refused by its sender's side, or by its
/// receiver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It was let through.
    Passed,
    /// The sender's groups or network ACL refused it.
    RefusedOut,
    /// The receiver's did.
    RefusedIn,
}

impl Stage {
    /// What the name of a tally by flow says; `None` when it is none of ours.
    pub fn of(tally: &str) -> Option<Stage> {
        let rest = tally.strip_prefix("flows")?;
        match rest.get(1..)? {
            "" => Some(Stage::Passed),
            "_refused_out" => Some(Stage::RefusedOut),
            "_refused_in" => Some(Stage::RefusedIn),
            _ => None,
        }
    }
}

/// What stands for a place in which S3's bytes begin: eight hexadecimal digits that follow from its id
/// (of a site: its namespace's name). A subnet's stay while its interfaces come and go.
pub fn part(id: &str) -> String {
    format!("{:08x}", mark(id))
}

/// FNV-1a: short, and the same in every build.
fn mark(id: &str) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    id.bytes().fold(0x811c_9dc5, mix)
}

/// Adds the tallies, the chains that count and let pass, and those that refuse.
pub(super) fn add(table: &mut Table, view: &VpcView) {
    for name in [
        tally::NEW,
        tally::RESETS,
        tally::REFUSED_OUT,
        tally::REFUSED_IN,
    ] {
        table.tallies.insert(name.into(), pairs());
    }
    let opened = vec![
        Rule::from([
            Expr::CtState(vec![CtState::New]),
            Expr::TallyDevices(tally::NEW.into()),
        ]),
        Rule::from([Expr::goto(PASSED)]),
    ];
    let mut passed = vec![Rule::from([
        Expr::TcpReset,
        Expr::TallyDevices(tally::RESETS.into()),
    ])];
    add_s3(table, view, &mut passed);
    let mut refused: Vec<(&str, Vec<Rule>)> = [REFUSED_OUT, REFUSED_IN]
        .map(|side| (side, vec![Rule::from([Expr::TallyDevices(side.into())])]))
        .to_vec();
    if !view.flow_logs.is_empty() {
        passed.extend(flows(table, view, tally::FLOWS));
        for (side, rules) in &mut refused {
            rules.extend(flows(table, view, side));
        }
    }
    passed.push(Rule::from([Expr::ACCEPT]));
    for (_, rules) in &mut refused {
        rules.push(Rule::from([Expr::DROP]));
    }
    let chains = refused
        .into_iter()
        .chain([(OPENED, opened), (PASSED, passed)]);
    for (name, rules) in chains {
        table
            .chains
            .insert(name.into(), Chain { base: None, rules });
    }
}

fn pairs() -> Tally {
    Tally {
        by: TallyKey::Devices,
        size: PAIRS,
        timeout: PAIRS_TIMEOUT,
    }
}

/// Counts what goes to and comes from S3: by its public addresses, and by the interface endpoints.
fn add_s3(table: &mut Table, view: &VpcView, rules: &mut Vec<Rule>) {
    // Behind all that routes by it, the packet's mark is free to say where its bytes begin.
    let count = |condition, sent: bool| {
        let (place, name) = match sent {
            true => (Field::Iifname, tally::S3_SENT),
            false => (Field::Oifname, tally::S3_RECEIVED),
        };
        let (fields, map) = (vec![place], PLACES.into());
        let (tally, into) = (name.into(), !sent);
        Rule::from([
            condition,
            Expr::SetMarkFrom { fields, map },
            Expr::TallyMark { tally, into },
        ])
    };
    let set = |key, interval, elements: Vec<Datum>| Set {
        key: vec![key],
        value: None,
        interval,
        elements: elements
            .into_iter()
            .map(|datum| Element {
                key: vec![datum],
                value: None,
            })
            .collect(),
    };
    let ports: Vec<Datum> = s3_ports(view)
        .map(|id| Datum::name(&port_device(id)))
        .collect();
    let mut any = !ports.is_empty();
    if any {
        let ports = set(KeyType::Interface, false, ports);
        table.sets.insert("s3_ports".into(), ports);
        for (field, sent) in [(Field::Oifname, true), (Field::Iifname, false)] {
            rules.push(count(Expr::in_set(&[field], "s3_ports"), sent));
        }
    }
    // Without a way out nothing has S3's public addresses.
    let leads_out = !view.gateways.is_empty()
        || view.leads_out()
        || !view.peerings.is_empty()
        || !view.sites.is_empty();
    if leads_out && !view.s3_blocks.is_empty() {
        any = true;
        let blocks = view.s3_blocks.iter();
        let blocks = blocks.map(|block| Datum::Net(IpNet::V4(*block))).collect();
        let blocks = set(KeyType::Ipv4, true, blocks);
        table.sets.insert("s3_blocks".into(), blocks);
        for (field, sent) in [(Field::IpDaddr, true), (Field::IpSaddr, false)] {
            rules.push(count(Expr::in_set(&[field], "s3_blocks"), sent));
        }
        if view.has_ipv6() {
            let blocks = view.s3_blocks.iter().copied();
            let blocks = blocks.map(|block| IpNet::V6(addresses::public_ipv6_block(block)));
            let blocks = set(KeyType::Ipv6, true, blocks.map(Datum::Net).collect());
            table.sets.insert("s3_blocks6".into(), blocks);
            for (field, sent) in [(Field::Ip6Daddr, true), (Field::Ip6Saddr, false)] {
                rules.push(count(Expr::in_set(&[field], "s3_blocks6"), sent));
            }
        }
    }
    if any {
        let by = TallyKey::Mark;
        for name in [tally::S3_SENT, tally::S3_RECEIVED] {
            table.tallies.insert(name.into(), Tally { by, ..pairs() });
        }
        table.sets.insert(PLACES.into(), places(view));
    }
}

/// The place that each device is the way to, as a mark. What carries S3's bytes on has none: what comes
/// from there was counted where it began.
fn places(view: &VpcView) -> Set {
    let mut places: Vec<(String, u32)> = Vec::new();
    for port in &view.ports {
        if let PortUser::Instance | PortUser::Resolver(_) = port.user {
            let device = port_device(&port.interface.id);
            places.push((device, mark(port.subnet.id.as_str())));
        }
    }
    for site in &view.sites {
        let name = place::site(&site.name);
        places.push((site_device(site.number), mark(&name)));
    }
    for peering in &view.peerings {
        let id = peering.connection.id.as_str();
        places.push((super::peering::device(peering.number), mark(id)));
    }
    Set {
        key: vec![KeyType::Interface],
        value: Some(ValueType::Mark),
        interval: false,
        elements: places
            .into_iter()
            .map(|(device, mark)| Element {
                key: vec![Datum::name(&device)],
                value: Some(Value::Mark(mark)),
            })
            .collect(),
    }
}

/// The interfaces of S3's interface endpoints.
fn s3_ports(view: &VpcView) -> impl Iterator<Item = &NetworkInterfaceId> {
    let endpoints = view.interfaces.iter();
    let endpoints = endpoints.filter(|view| view.endpoint.serves() == Some(Served::S3));
    endpoints.flat_map(|view| view.interfaces.iter().map(|eni| &eni.id))
}

/// The rules that count every flow, and their tallies.
fn flows(table: &mut Table, view: &VpcView, stage: &str) -> Vec<Rule> {
    let flags = view
        .flow_logs
        .iter()
        .any(|log| FlowField::parse(&log.format).is_ok_and(|f| f.contains(&FlowField::TcpFlags)));
    let mut rules = Vec::new();
    for (family, word) in FAMILIES {
        let name = flow_tally(stage, word);
        table.tallies.insert(
            name.clone(),
            Tally {
                by: TallyKey::Flow(family),
                size: FLOWS,
                timeout: FLOWS_TIMEOUT,
            },
        );
        let neither = Expr::Match {
            field: Field::L4proto,
            negate: true,
            values: vec![Datum::Number(6), Datum::Number(17)],
        };
        let count = |of| Expr::TallyFlow(name.clone(), of);
        rules.push(Rule::from([count(FlowOf::Tcp { flags })]));
        rules.push(Rule::from([count(FlowOf::Udp)]));
        rules.push(Rule::from([neither, count(FlowOf::Other)]));
    }
    rules
}
