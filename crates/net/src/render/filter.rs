//! The router's filters: anti-spoofing, the choice of route table, security groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use adit_model::net as addresses;
use adit_model::{IpProtocol, SecurityGroupId, Site};
use adit_snapshot::{GroupView, PeerSet, PortView, ResolvedRule, VpcView};
use ipnet::IpNet;

use super::*;
use crate::nft::{
    Base, Chain, ChainKind, CtState, Datum, Element, Expr, Field, Hook, KeyType, Rule, Set, Table,
    Value, ValueType, Verdict,
};

pub(super) fn table(view: &VpcView) -> Table {
    let mut table = Table::new("adit");
    table.sets.insert("table_of".into(), table_of(view));
    table.sets.insert("checked".into(), checked(view));
    table.sets.insert("own".into(), own(view));
    add_groups(&mut table, view);
    acl::add(&mut table, view);
    count::add(&mut table, view);
    table.chains.insert("pre".into(), pre(view));
    table.chains.insert("input".into(), input(view));
    table.chains.insert("fwd".into(), forward());
    table.chains.insert("fwd_in".into(), forward_in(view));
    table
}

pub(super) fn base(hook: Hook, priority: i32, drop: bool) -> Option<Base> {
    Some(Base {
        kind: ChainKind::Filter,
        hook,
        priority,
        drop,
    })
}

pub(super) fn name(device: &str) -> Datum {
    Datum::name(device)
}

/// Which table a packet asks, by where it came in.
fn table_of(view: &VpcView) -> Set {
    let mut elements: Vec<(String, u32)> = view
        .ports
        .iter()
        .map(|port| {
            (
                port_device(&port.interface.id),
                TABLES + u32::from(port.table),
            )
        })
        .collect();
    for gateway in &view.gateways {
        let mark = REFLECT + u32::from(gateway.endpoint.number);
        elements.push((gateway_device(&gateway.endpoint.id), mark));
    }
    let edge = |table: Option<u16>| table.map_or(OUTSIDE, |number| TABLES + u32::from(number));
    for site in plugged(view) {
        elements.push((site_device(site.number), edge(view.site_table(&site.name))));
    }
    if view.internet_gateway.is_some() {
        elements.push((IGW_DEVICE.to_string(), edge(view.internet_table())));
    }
    for peering in &view.peerings {
        elements.push((peering::device(peering.number), OUTSIDE));
    }
    Set {
        key: vec![KeyType::Interface],
        value: Some(ValueType::Mark),
        interval: false,
        elements: elements
            .into_iter()
            .map(|(device, mark)| Element {
                key: vec![name(&device)],
                value: Some(Value::Mark(mark)),
            })
            .collect(),
    }
}

/// Sites that something passes to and from.
pub(super) fn plugged(view: &VpcView) -> impl Iterator<Item = &std::sync::Arc<Site>> {
    view.sites
        .iter()
        .filter(|site| !view.unplugged.contains(&site.name))
}

/// Devices by which packets enter from outside the VPC.
fn outside_devices(view: &VpcView) -> Vec<Datum> {
    let mut devices: Vec<Datum> = plugged(view)
        .map(|site| name(&site_device(site.number)))
        .collect();
    if view.internet_gateway.is_some() {
        devices.push(name(IGW_DEVICE));
    }
    let peerings = view.peerings.iter();
    devices.extend(peerings.map(|peering| name(&peering::device(peering.number))));
    devices
}

/// Ports whose source and destination are checked. A NAT gateway is there for others' packets.
fn checked(view: &VpcView) -> Set {
    let ports = view.ports.iter().filter(|port| {
        port.interface.source_dest_check && !matches!(port.user, PortUser::NatGateway(_))
    });
    Set {
        key: vec![KeyType::Interface],
        value: None,
        interval: false,
        elements: ports
            .map(|port| Element {
                key: vec![name(&port_device(&port.interface.id))],
                value: None,
            })
            .collect(),
    }
}

/// Each port with its own addresses.
fn own(view: &VpcView) -> Set {
    let elements = |port: &PortView| -> Vec<Element> {
        let device = name(&port_device(&port.interface.id));
        let element = |address| Element {
            key: vec![device.clone(), Datum::Addr(IpAddr::V4(address))],
            value: None,
        };
        port.interface.private_ips().map(element).collect()
    };
    Set {
        key: vec![KeyType::Interface, KeyType::Ipv4],
        value: None,
        interval: false,
        elements: view.ports.iter().flat_map(elements).collect(),
    }
}

fn pre(view: &VpcView) -> Chain {
    let spoofed = Rule {
        exprs: vec![
            Expr::in_set(&[Field::Iifname], "checked"),
            Expr::not_in_set(&[Field::Iifname, Field::IpSaddr], "own"),
            Expr::COUNTER,
            Expr::DROP,
        ],
        comment: Some("source check".into()),
    };
    let mark = Expr::SetMarkFrom {
        fields: vec![Field::Iifname],
        map: "table_of".into(),
    };
    let mut rules = vec![spoofed];
    let outside = outside_devices(view);
    if !outside.is_empty() {
        let own = view.vpc.cidrs.iter();
        let own = own.map(|block| Datum::Net(IpNet::V4(block.cidr)));
        rules.push(Rule {
            exprs: vec![
                Expr::one_of(Field::Iifname, outside),
                Expr::one_of(Field::IpSaddr, own.collect()),
                Expr::COUNTER,
                Expr::DROP,
            ],
            comment: Some("forged source".into()),
        });
    }
    rules.push(Rule::from([mark]));
    Chain {
        base: base(Hook::Prerouting, -150, false),
        rules,
    }
}

/// The router itself answers echo requests and, to ports of the VPC, names.
fn input(view: &VpcView) -> Chain {
    let resolvers = [
        addresses::resolver(view.vpc.cidr()),
        addresses::RESOLVER_LINK_LOCAL,
    ]
    .map(|address| Datum::Addr(IpAddr::V4(address)))
    .to_vec();
    let resolvers = Expr::one_of(Field::IpDaddr, resolvers);
    let twin = Expr::is(
        Field::Ip6Daddr,
        Datum::Addr(IpAddr::V6(addresses::RESOLVER_IPV6)),
    );
    let names = |resolver: &Expr, protocol: u32| Rule {
        exprs: vec![
            Expr::in_set(&[Field::Iifname], "ports"),
            resolver.clone(),
            Expr::is(Field::L4proto, Datum::Number(protocol)),
            Expr::is(Field::ThDport, Datum::Number(53)),
            Expr::ACCEPT,
        ],
        comment: Some("resolver".into()),
    };
    let mut rules = vec![
        Rule::from([
            Expr::CtState(vec![CtState::Established, CtState::Related]),
            Expr::ACCEPT,
        ]),
        Rule::from([Expr::is(Field::Iifname, name("lo")), Expr::ACCEPT]),
        Rule::from([Expr::is(Field::IcmpType, Datum::Number(8)), Expr::ACCEPT]),
        names(&resolvers, 17),
        names(&resolvers, 6),
    ];
    if !view.vpc.ipv6.is_empty() {
        rules.extend([names(&twin, 17), names(&twin, 6)]);
    }
    Chain {
        base: base(Hook::Input, 0, true),
        rules,
    }
}

fn forward() -> Chain {
    let misdirected = Rule {
        exprs: vec![
            Expr::in_set(&[Field::Oifname], "checked"),
            Expr::not_in_set(&[Field::Oifname, Field::IpDaddr], "own"),
            Expr::COUNTER,
            Expr::DROP,
        ],
        comment: Some("destination check".into()),
    };
    Chain {
        base: base(Hook::Forward, 0, true),
        rules: vec![
            misdirected,
            Rule::from([
                Expr::CtState(vec![CtState::Established, CtState::Related]),
                Expr::ACCEPT,
            ]),
            Rule::from([
                Expr::CtState(vec![CtState::Invalid]),
                Expr::goto(count::REFUSED_IN),
            ]),
            Rule::from([Expr::vmap(&[Field::Iifname], "groups_out")]),
            Rule::from([Expr::jump("fwd_in")]),
        ],
    }
}

/// The receiver's side: its groups, or a gateway, which has none.
fn forward_in(view: &VpcView) -> Chain {
    let mut gateways: Vec<Datum> = view
        .gateways
        .iter()
        .map(|g| name(&gateway_device(&g.endpoint.id)))
        .collect();
    gateways.extend(outside_devices(view));
    let mut rules = vec![Rule::from([Expr::vmap(&[Field::Oifname], "groups_in")])];
    if !gateways.is_empty() {
        rules.push(Rule::from([
            Expr::one_of(Field::Oifname, gateways),
            Expr::ACCEPT,
        ]));
    }
    Chain { base: None, rules }
}

/// One chain per set of groups that some port has, in each direction, and the maps that lead there.
fn add_groups(table: &mut Table, view: &VpcView) {
    let groups: BTreeMap<&SecurityGroupId, &GroupView> =
        view.groups.iter().map(|g| (&g.id, g)).collect();
    let mut combinations: BTreeSet<Vec<&SecurityGroupId>> = BTreeSet::new();
    let (mut into, mut out, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for port in &view.ports {
        let mut ids: Vec<&SecurityGroupId> = port.interface.groups.iter().collect();
        ids.sort();
        ids.dedup();
        let device = name(&port_device(&port.interface.id));
        if let PortUser::NatGateway(_) = port.user {
            // It has no groups: what is routed to it passes.
            let pass = |verdict| Element {
                key: vec![device.clone()],
                value: Some(Value::Verdict(verdict)),
            };
            into.push(pass(Verdict::Accept));
            out.push(pass(Verdict::Goto("fwd_in".into())));
            continue;
        }
        let lead = |direction: &str| Element {
            key: vec![device.clone()],
            value: Some(Value::Verdict(Verdict::Goto(chain_name(direction, &ids)))),
        };
        into.push(lead("in"));
        out.push(lead("out"));
        ports.push(Element {
            key: vec![device.clone()],
            value: None,
        });
        combinations.insert(ids);
    }
    let set = |value, elements| Set {
        key: vec![KeyType::Interface],
        value,
        interval: false,
        elements,
    };
    table
        .sets
        .insert("groups_in".into(), set(Some(ValueType::Verdict), into));
    table
        .sets
        .insert("groups_out".into(), set(Some(ValueType::Verdict), out));
    table.sets.insert("ports".into(), set(None, ports));
    for ids in combinations {
        let members = || ids.iter().filter_map(|id| groups.get(id));
        let (mut ingress, mut egress) = (Vec::new(), Vec::new());
        for group in members() {
            for rule in &group.ingress {
                ingress.extend(encode(table, rule, Field::IpSaddr, Expr::ACCEPT, &group.id));
            }
            for rule in &group.egress {
                egress.extend(encode(
                    table,
                    rule,
                    Field::IpDaddr,
                    Expr::goto("fwd_in"),
                    &group.id,
                ));
            }
        }
        let refuse = |what: &str, side: &str| Rule {
            exprs: vec![Expr::COUNTER, Expr::goto(side)],
            comment: Some(format!("no {what} rule")),
        };
        ingress.push(refuse("ingress", count::REFUSED_IN));
        egress.push(refuse("egress", count::REFUSED_OUT));
        table.chains.insert(
            chain_name("in", &ids),
            Chain {
                base: None,
                rules: ingress,
            },
        );
        table.chains.insert(
            chain_name("out", &ids),
            Chain {
                base: None,
                rules: egress,
            },
        );
    }
}

/// The chain of a set of groups. Two groups make a chain of their own: their rules add up.
fn chain_name(direction: &str, ids: &[&SecurityGroupId]) -> String {
    let digits: Vec<&str> = ids.iter().map(|id| id.digits()).collect();
    format!("{direction}_{}", digits.join("_"))
}

/// One rule of a group; nothing when it can match no IPv4 packet.
fn encode(
    table: &mut Table,
    rule: &ResolvedRule,
    peer: Field,
    then: Expr,
    group: &SecurityGroupId,
) -> Vec<Rule> {
    let mut exprs = Vec::new();
    match &rule.peers {
        PeerSet::Cidr(IpNet::V6(_)) => return Vec::new(),
        PeerSet::Cidr(IpNet::V4(block)) if block.prefix_len() == 0 => {}
        PeerSet::Cidr(block) => exprs.push(Expr::is(peer, Datum::Net(*block))),
        PeerSet::Named { name, blocks } => {
            let set_name = format!("s_{}", name.replace('-', "_"));
            let v4 = blocks.iter().filter(|b| matches!(b, IpNet::V4(_)));
            let elements = v4
                .map(|b| Element {
                    key: vec![Datum::Net(*b)],
                    value: None,
                })
                .collect();
            let set = Set {
                key: vec![KeyType::Ipv4],
                value: None,
                interval: true,
                elements,
            };
            table.sets.insert(set_name.clone(), set);
            exprs.push(Expr::in_set(&[peer], &set_name));
        }
    }
    match protocol(rule) {
        Some(conditions) => exprs.extend(conditions),
        None => return Vec::new(),
    }
    exprs.push(then);
    vec![Rule {
        exprs,
        comment: Some(group.to_string()),
    }]
}

/// The protocol's conditions; `None` when no IPv4 packet has it.
fn protocol(rule: &ResolvedRule) -> Option<Vec<Expr>> {
    let l4 = |number: u32| Expr::is(Field::L4proto, Datum::Number(number));
    let range = |field: Field, from: i32, to: i32| {
        let (from, to) = (
            u32::try_from(from).unwrap_or(0),
            u32::try_from(to).unwrap_or(0),
        );
        match from == to {
            true => Expr::is(field, Datum::Number(from)),
            false => Expr::one_of(field, vec![Datum::NumberRange(from, to)]),
        }
    };
    Some(match (rule.protocol, rule.ports) {
        (IpProtocol::All, _) => Vec::new(),
        (IpProtocol::Tcp, Some((from, to))) => vec![range(Field::TcpDport, from, to)],
        (IpProtocol::Udp, Some((from, to))) => vec![range(Field::UdpDport, from, to)],
        (IpProtocol::Tcp, None) => vec![l4(6)],
        (IpProtocol::Udp, None) => vec![l4(17)],
        (IpProtocol::Icmp, ports) => {
            let mut conditions = vec![l4(1)];
            // -1 stands for every type, and for every code.
            if let Some((kind, code)) = ports.filter(|(kind, _)| *kind >= 0) {
                conditions.push(range(Field::IcmpType, kind, kind));
                if code >= 0 {
                    conditions.push(range(Field::IcmpCode, code, code));
                }
            }
            conditions
        }
        (IpProtocol::Icmpv6, _) => return None,
        (IpProtocol::Number(number), _) => vec![l4(u32::from(number))],
    })
}
