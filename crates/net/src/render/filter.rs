//! The router's filters: what it takes itself, what it forwards, security groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use adit_model::net as addresses;
use adit_model::{IpProtocol, SecurityGroupId, Site};
use adit_snapshot::{GroupView, PeerSet, ResolvedRule, VpcView};
use ipnet::IpNet;

use super::*;
use crate::nft::{
    Base, Chain, ChainKind, CtState, Datum, Element, Expr, Field, Hook, KeyType, Rule, Set, Table,
    Value, ValueType, Verdict,
};

/// The router's table. `router` are its own addresses.
pub(super) fn table(view: &VpcView, router: &[Address]) -> Table {
    let mut table = Table::new("adit");
    checks::add(&mut table, view, router);
    add_groups(&mut table, view);
    let acls = acl::add(&mut table, view);
    count::add(&mut table, view);
    table.chains.insert("input".into(), input(view));
    table.chains.insert("fwd".into(), forward(view, acls));
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

/// Sites that something passes to and from.
pub(super) fn plugged(view: &VpcView) -> impl Iterator<Item = &std::sync::Arc<Site>> {
    view.sites
        .iter()
        .filter(|site| !view.unplugged.contains(&site.name))
}

/// Devices by which packets enter from outside the VPC.
pub(super) fn outside_devices(view: &VpcView) -> Vec<Datum> {
    let mut devices: Vec<Datum> = plugged(view)
        .map(|site| name(&site_device(site.number)))
        .collect();
    if view.leads_out() {
        devices.push(name(IGW_DEVICE));
    }
    let peerings = view.peerings.iter();
    devices.extend(peerings.map(|peering| name(&peering::device(peering.number))));
    devices
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
            Expr::is(Field::Iifname, name(checks::PORTS)),
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
    if view.has_ipv6() {
        rules.push(Rule::from([
            Expr::is(Field::Icmpv6Type, Datum::Number(128)),
            Expr::ACCEPT,
        ]));
        rules.extend([names(&twin, 17), names(&twin, 6)]);
        if let Some(from) = checks::asking_ports(view) {
            let rule = [from, checks::neighbour_discovery(), Expr::ACCEPT];
            rules.push(Rule::from(rule));
        }
    }
    Chain {
        base: base(Hook::Input, 0, true),
        rules,
    }
}

/// What every packet between two ports is asked; `acls` are the rules that ask network ACLs.
fn forward(view: &VpcView, acls: Vec<Rule>) -> Chain {
    let mut rules = checks::destinations(view);
    rules.extend(acls);
    rules.extend([
        Rule::from([
            Expr::CtState(vec![CtState::Established, CtState::Related]),
            Expr::goto(count::PASSED),
        ]),
        Rule::from([
            Expr::CtState(vec![CtState::Invalid]),
            Expr::goto(count::REFUSED_IN),
        ]),
        Rule::from([Expr::vmap(&[Field::Iifname], "groups_out")]),
        Rule::from([Expr::jump("fwd_in")]),
    ]);
    Chain {
        base: base(Hook::Forward, 0, true),
        rules,
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
            Expr::goto(count::OPENED),
        ]));
    }
    Chain { base: None, rules }
}

/// One chain per set of groups that some port has, in each direction, and the maps that lead there.
fn add_groups(table: &mut Table, view: &VpcView) {
    let groups: BTreeMap<&SecurityGroupId, &GroupView> =
        view.groups.iter().map(|g| (&g.id, g)).collect();
    let mut combinations: BTreeSet<Vec<&SecurityGroupId>> = BTreeSet::new();
    let (mut into, mut out) = (Vec::new(), Vec::new());
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
            into.push(pass(Verdict::Goto(count::OPENED.into())));
            out.push(pass(Verdict::Goto("fwd_in".into())));
            continue;
        }
        let lead = |direction: &str| Element {
            key: vec![device.clone()],
            value: Some(Value::Verdict(Verdict::Goto(chain_name(direction, &ids)))),
        };
        into.push(lead("in"));
        out.push(lead("out"));
        combinations.insert(ids);
    }
    let map = |elements| Set {
        key: vec![KeyType::Interface],
        value: Some(ValueType::Verdict),
        interval: false,
        elements,
    };
    table.sets.insert("groups_in".into(), map(into));
    table.sets.insert("groups_out".into(), map(out));
    for ids in combinations {
        let members = || ids.iter().filter_map(|id| groups.get(id));
        let (mut ingress, mut egress) = (Vec::new(), Vec::new());
        for group in members() {
            for family in families(view) {
                for rule in &group.ingress {
                    ingress.extend(encode(table, view, rule, (*family, false), &group.id));
                }
                for rule in &group.egress {
                    egress.extend(encode(table, view, rule, (*family, true), &group.id));
                }
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

/// The families of packets that there are in a VPC.
pub(super) fn families(view: &VpcView) -> &'static [IpFamily] {
    match view.has_ipv6() {
        true => &[IpFamily::V4, IpFamily::V6],
        false => &[IpFamily::V4],
    }
}

/// That an address lies in a block; nothing to ask where every packet's does.
pub(super) fn within(view: &VpcView, field: Field, block: IpNet) -> Option<Expr> {
    match (block.prefix_len(), view.has_ipv6()) {
        (0, false) => None,
        (0, true) => Some(Expr::Family(IpFamily::of(block.addr()))),
        _ => Some(Expr::is(field, Datum::Net(block))),
    }
}

/// One rule of a group, in a direction; nothing when it can match no packet of this family.
fn encode(
    table: &mut Table,
    view: &VpcView,
    rule: &ResolvedRule,
    (family, egress): (IpFamily, bool),
    group: &SecurityGroupId,
) -> Option<Rule> {
    let peer = match (family, egress) {
        (IpFamily::V4, false) => Field::IpSaddr,
        (IpFamily::V4, true) => Field::IpDaddr,
        (IpFamily::V6, false) => Field::Ip6Saddr,
        (IpFamily::V6, true) => Field::Ip6Daddr,
    };
    let is_of = |block: &IpNet| IpFamily::of(block.addr()) == family;
    let mut exprs = Vec::new();
    match &rule.peers {
        PeerSet::Cidr(block) if !is_of(block) => return None,
        PeerSet::Cidr(block) => exprs.extend(within(view, peer, *block)),
        PeerSet::Named { name, blocks } => {
            let (prefix, key) = match family {
                IpFamily::V4 => ("s", KeyType::Ipv4),
                IpFamily::V6 => ("s6", KeyType::Ipv6),
            };
            let set_name = format!("{prefix}_{}", name.replace('-', "_"));
            let blocks = blocks.iter().filter(|block| is_of(block));
            let elements = blocks
                .map(|b| Element {
                    key: vec![Datum::Net(*b)],
                    value: None,
                })
                .collect();
            let set = Set {
                key: vec![key],
                value: None,
                interval: true,
                elements,
            };
            table.sets.insert(set_name.clone(), set);
            exprs.push(Expr::in_set(&[peer], &set_name));
        }
    }
    exprs.extend(protocol(rule, family)?);
    exprs.push(match egress {
        true => Expr::goto("fwd_in"),
        false => Expr::goto(count::OPENED),
    });
    Some(Rule {
        exprs,
        comment: Some(group.to_string()),
    })
}

/// The protocol's conditions; `None` when no packet of the family has it.
fn protocol(rule: &ResolvedRule, family: IpFamily) -> Option<Vec<Expr>> {
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
        (IpProtocol::Icmp, ports) if family == IpFamily::V4 => {
            icmp(1, Field::IcmpType, Field::IcmpCode, ports)
        }
        (IpProtocol::Icmpv6, ports) if family == IpFamily::V6 => {
            icmp(58, Field::Icmpv6Type, Field::Icmpv6Code, ports)
        }
        (IpProtocol::Icmp | IpProtocol::Icmpv6, _) => return None,
        (IpProtocol::Number(number), _) => vec![l4(u32::from(number))],
    })
}

/// A protocol that has types and codes; -1 stands for every type, and for every code.
fn icmp(protocol: u32, kind: Field, code: Field, wanted: Option<(i32, i32)>) -> Vec<Expr> {
    let number = |field, n: i32| Some(Expr::is(field, Datum::Number(u32::try_from(n).ok()?)));
    let mut conditions = vec![Expr::is(Field::L4proto, Datum::Number(protocol))];
    let wanted = wanted.filter(|(kind, _)| *kind >= 0);
    conditions.extend(wanted.and_then(|(n, _)| number(kind, n)));
    conditions.extend(wanted.and_then(|(_, n)| number(code, n)));
    conditions
}
