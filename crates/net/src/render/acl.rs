//! Network ACLs as chains: stateless, before everything that knows connections, asked where a packet
//! leaves its sender's subnet and where it comes into its receiver's.
//!
//! In a chain that is jumped to, "allow" is `return`: `accept` would end the base chain, and the
//! other subnet's ACL would not be asked.
//!
//! Between two ports of a VPC the answer follows from what all packets of a connection in one direction
//! have in common: addresses, protocol, ports. There it is asked once for each direction and remembered in
//! the connection's mark together with what the ACLs were, so that other ACLs are asked anew. ICMP's
//! errors, which belong to a connection but have addresses of their own, are asked each time.

use std::hash::{DefaultHasher, Hash, Hasher};

use adit_model::{AclEntry, IpProtocol, NetworkAclId, Subnet};
use adit_snapshot::{AclView, VpcView};
use ipnet::IpNet;

use super::filter::{families, name, within};
use super::{checks, count, port_device};
use crate::desired::IpFamily;
use crate::nft::{
    Chain, CtState, Datum, Element, Expr, Field, KeyType, Rule, Set, Table, Value, ValueType,
    Verdict,
};

/// The chain that notes in a connection's mark that a packet passed.
const REMEMBER: &str = "remember";

/// The directions that passed, in the last bits of a connection's mark; above them are the ACLs.
const THERE: u32 = 1;
const BACK: u32 = 2;

/// Adds the chains, and the maps that lead a port's packets to its subnet's; the rules that ask them.
pub(super) fn add(table: &mut Table, view: &VpcView) -> Vec<Rule> {
    let (mut into, mut out) = (Vec::new(), Vec::new());
    let mut answers = DefaultHasher::new();
    let mut chains = Vec::new();
    for place in &view.subnets {
        let Some(acl) = view.acl_of(&place.subnet.id) else {
            continue;
        };
        for (egress, elements) in [(false, &mut into), (true, &mut out)] {
            if is_open(view, acl, egress) {
                continue;
            }
            let chain = subnet_chain(&place.subnet, egress);
            chains.push((chain.clone(), boundary(&place.subnet, acl, egress)));
            let ports = view.ports.iter();
            let ports = ports.filter(|port| port.subnet.id == place.subnet.id);
            elements.extend(ports.map(|port| Element {
                key: vec![name(&port_device(&port.interface.id))],
                value: Some(Value::Verdict(Verdict::Jump(chain.clone()))),
            }));
        }
    }
    for acl in &view.acls {
        for egress in [false, true] {
            let used = view.subnets.iter().any(|s| s.acl.as_ref() == Some(&acl.id));
            if used && !is_open(view, acl, egress) {
                chains.push((acl_chain(&acl.id, egress), rules(view, acl, egress)));
            }
        }
    }
    let map = |elements| Set {
        key: vec![KeyType::Interface],
        value: Some(ValueType::Verdict),
        interval: false,
        elements,
    };
    table.sets.insert("acl_in".into(), map(into));
    table.sets.insert("acl_out".into(), map(out));
    if chains.is_empty() {
        return Vec::new();
    }
    chains.hash(&mut answers);
    table.chains.extend(chains);
    let mut asks = vec![
        Rule::from([Expr::vmap(&[Field::Iifname], "acl_out")]),
        Rule::from([Expr::vmap(&[Field::Oifname], "acl_in")]),
    ];
    if checks::is_direct(view) {
        let bytes = answers.finish().to_le_bytes();
        let [a, b, c, d, ..] = bytes;
        let acls = u32::from_le_bytes([a, b, c, d]) & !(THERE | BACK);
        table.chains.insert(REMEMBER.into(), remember(acls));
        asks.insert(
            0,
            Rule::from([
                Expr::CtState(vec![CtState::Established]),
                Expr::CtMark(acls | THERE | BACK),
                Expr::goto(count::PASSED),
            ]),
        );
        asks.extend(between_ports(view));
    }
    asks
}

/// Sends to be remembered what passed between ports of the VPC.
fn between_ports(view: &VpcView) -> impl Iterator<Item = Rule> {
    families(view).iter().map(|family| {
        let blocks = view.blocks();
        let blocks = blocks.filter(|block| IpFamily::of(block.addr()) == *family);
        let blocks: Vec<Datum> = blocks.map(Datum::Net).collect();
        Rule::from([
            Expr::CtState(vec![CtState::Established]),
            Expr::one_of(other_side(false, *family), blocks.clone()),
            Expr::one_of(other_side(true, *family), blocks),
            Expr::jump(REMEMBER),
        ])
    })
}

/// Once packets of both directions passed, the mark says so.
fn remember(acls: u32) -> Chain {
    let rule = |reply: bool, before: Option<u32>, after: u32| {
        let mut exprs = vec![Expr::CtDirection { reply }];
        exprs.extend(before.map(|passed| Expr::CtMark(acls | passed)));
        exprs.extend([Expr::SetCtMark(acls | after), Expr::RETURN]);
        Rule {
            exprs,
            comment: None,
        }
    };
    Chain {
        base: None,
        rules: vec![
            rule(false, Some(BACK), THERE | BACK),
            rule(true, Some(THERE), THERE | BACK),
            rule(false, None, THERE),
            rule(true, None, BACK),
        ],
    }
}

/// Whether a direction lets everything pass at once, as the default ACL does: then it costs nothing.
fn is_open(view: &VpcView, acl: &AclView, egress: bool) -> bool {
    let rules = if egress { &acl.egress } else { &acl.ingress };
    let open = |family: &IpFamily| {
        let first = rules.iter().find(|rule| family_of(rule) == *family);
        first.is_some_and(|rule| {
            rule.allow && rule.protocol == IpProtocol::All && rule.cidr.prefix_len() == 0
        })
    };
    families(view).iter().all(open)
}

fn family_of(entry: &AclEntry) -> IpFamily {
    IpFamily::of(entry.cidr.addr())
}

/// The address of a packet at the other side of the boundary.
fn other_side(egress: bool, family: IpFamily) -> Field {
    match (egress, family) {
        (true, IpFamily::V4) => Field::IpDaddr,
        (true, IpFamily::V6) => Field::Ip6Daddr,
        (false, IpFamily::V4) => Field::IpSaddr,
        (false, IpFamily::V6) => Field::Ip6Saddr,
    }
}

fn direction(egress: bool) -> &'static str {
    if egress { "out" } else { "in" }
}

/// Where a refused packet's way ends.
fn refused(egress: bool) -> &'static str {
    if egress {
        count::REFUSED_OUT
    } else {
        count::REFUSED_IN
    }
}

fn subnet_chain(subnet: &Subnet, egress: bool) -> String {
    format!("subnet_{}_{}", direction(egress), subnet.id.digits())
}

fn acl_chain(acl: &NetworkAclId, egress: bool) -> String {
    format!("acl_{}_{}", direction(egress), acl.digits())
}

/// What stays in the subnet crosses no boundary.
fn boundary(subnet: &Subnet, acl: &AclView, egress: bool) -> Chain {
    let v6 = subnet.ipv6.as_ref().map(|block| IpNet::V6(block.cidr));
    let own = [Some(IpNet::V4(subnet.cidr)), v6].into_iter().flatten();
    let mut rules: Vec<Rule> = own
        .map(|own| {
            let other = other_side(egress, IpFamily::of(own.addr()));
            Rule::from([Expr::is(other, Datum::Net(own)), Expr::RETURN])
        })
        .collect();
    rules.push(Rule::from([Expr::goto(&acl_chain(&acl.id, egress))]));
    Chain { base: None, rules }
}

fn rules(view: &VpcView, acl: &AclView, egress: bool) -> Chain {
    let entries = if egress { &acl.egress } else { &acl.ingress };
    let rules = entries.iter().filter_map(|entry| encode(view, acl, entry));
    let mut rules: Vec<Rule> = rules.collect();
    rules.push(Rule {
        exprs: vec![Expr::COUNTER, Expr::goto(refused(egress))],
        comment: Some(format!("{} *", acl.id)),
    });
    Chain { base: None, rules }
}

/// One rule; nothing when no packet can match it.
fn encode(view: &VpcView, acl: &AclView, entry: &AclEntry) -> Option<Rule> {
    let family = family_of(entry);
    if !families(view).contains(&family) {
        return None;
    }
    let other = other_side(entry.egress, family);
    let mut exprs = Vec::new();
    exprs.extend(within(view, other, entry.cidr));
    let number = |field, number: u32| Expr::is(field, Datum::Number(number));
    match entry.protocol {
        IpProtocol::All => {}
        IpProtocol::Tcp | IpProtocol::Udp => {
            let tcp = entry.protocol == IpProtocol::Tcp;
            exprs.push(number(Field::L4proto, if tcp { 6 } else { 17 }));
            if let Some((from, to)) = entry.ports {
                let range = Datum::NumberRange(from.into(), to.into());
                let field = if tcp {
                    Field::TcpDport
                } else {
                    Field::UdpDport
                };
                exprs.push(match from == to {
                    true => number(field, from.into()),
                    false => Expr::one_of(field, vec![range]),
                });
            }
        }
        IpProtocol::Icmp | IpProtocol::Icmpv6 => {
            let (own, of, types) = match entry.protocol {
                IpProtocol::Icmp => (1, IpFamily::V4, [Field::IcmpType, Field::IcmpCode]),
                _ => (58, IpFamily::V6, [Field::Icmpv6Type, Field::Icmpv6Code]),
            };
            if of != family {
                return None;
            }
            exprs.push(number(Field::L4proto, own));
            if let Some((kind, code)) = entry.icmp {
                let parts = types.into_iter().zip([kind, code]);
                let given = parts.filter_map(|(f, n)| Some((f, u32::try_from(n).ok()?)));
                exprs.extend(given.map(|(field, n)| number(field, n)));
            }
        }
        IpProtocol::Number(n) => exprs.push(number(Field::L4proto, n.into())),
    }
    match entry.allow {
        true => exprs.push(Expr::RETURN),
        false => exprs.extend([Expr::COUNTER, Expr::goto(refused(entry.egress))]),
    }
    Some(Rule {
        exprs,
        comment: Some(format!("{} {}", acl.id, entry.number)),
    })
}
