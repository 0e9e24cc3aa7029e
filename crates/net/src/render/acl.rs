//! Network ACLs as chains: stateless, before everything that knows connections, asked where a packet
//! leaves its sender's subnet and where it comes into its receiver's.
//!
//! In a chain that is jumped to, "allow" is `return`: `accept` would end the base chain, and the
//! other subnet's ACL would not be asked.

use adit_model::{AclEntry, IpProtocol, NetworkAclId, Subnet};
use adit_snapshot::{AclView, VpcView};
use ipnet::IpNet;

use super::filter::{base, name};
use super::{count, port_device};
use crate::nft::{
    Chain, Datum, Element, Expr, Field, Hook, KeyType, Rule, Set, Table, Value, ValueType, Verdict,
};

/// Adds the chains, and the maps that lead a port's packets to its subnet's.
pub(super) fn add(table: &mut Table, view: &VpcView) {
    let (mut into, mut out) = (Vec::new(), Vec::new());
    for place in &view.subnets {
        let Some(acl) = view.acl_of(&place.subnet.id) else {
            continue;
        };
        for (egress, elements) in [(false, &mut into), (true, &mut out)] {
            if is_open(acl, egress) {
                continue;
            }
            let chain = subnet_chain(&place.subnet, egress);
            table
                .chains
                .insert(chain.clone(), boundary(&place.subnet, acl, egress));
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
            if used && !is_open(acl, egress) {
                table
                    .chains
                    .insert(acl_chain(&acl.id, egress), rules(acl, egress));
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
    let ask = |field, map: &str| Rule::from([Expr::vmap(&[field], map)]);
    table.chains.insert(
        "acl".into(),
        Chain {
            base: base(Hook::Forward, -10, false),
            rules: vec![
                ask(Field::Iifname, "acl_out"),
                ask(Field::Oifname, "acl_in"),
            ],
        },
    );
}

/// Whether a direction lets everything pass at once, as the default ACL does: then it costs nothing.
fn is_open(acl: &AclView, egress: bool) -> bool {
    let rules = if egress { &acl.egress } else { &acl.ingress };
    let first = rules.iter().find(|rule| matches!(rule.cidr, IpNet::V4(_)));
    first.is_some_and(|rule| {
        rule.allow && rule.protocol == IpProtocol::All && rule.cidr.prefix_len() == 0
    })
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
    let other = if egress {
        Field::IpDaddr
    } else {
        Field::IpSaddr
    };
    let own = Datum::Net(IpNet::V4(subnet.cidr));
    Chain {
        base: None,
        rules: vec![
            Rule::from([Expr::is(other, own), Expr::RETURN]),
            Rule::from([Expr::goto(&acl_chain(&acl.id, egress))]),
        ],
    }
}

fn rules(acl: &AclView, egress: bool) -> Chain {
    let entries = if egress { &acl.egress } else { &acl.ingress };
    let mut rules: Vec<Rule> = entries.iter().filter_map(|e| encode(acl, e)).collect();
    rules.push(Rule {
        exprs: vec![Expr::COUNTER, Expr::goto(refused(egress))],
        comment: Some(format!("{} *", acl.id)),
    });
    Chain { base: None, rules }
}

/// One rule; nothing when no IPv4 packet can match it.
fn encode(acl: &AclView, entry: &AclEntry) -> Option<Rule> {
    let other = if entry.egress {
        Field::IpDaddr
    } else {
        Field::IpSaddr
    };
    let mut exprs = Vec::new();
    match entry.cidr {
        IpNet::V6(_) => return None,
        IpNet::V4(block) if block.prefix_len() == 0 => {}
        block => exprs.push(Expr::is(other, Datum::Net(block))),
    }
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
        IpProtocol::Icmp => {
            exprs.push(number(Field::L4proto, 1));
            if let Some((kind, code)) = entry.icmp {
                let parts = [(Field::IcmpType, kind), (Field::IcmpCode, code)];
                let given = parts
                    .iter()
                    .filter_map(|(f, n)| Some((*f, u32::try_from(*n).ok()?)));
                exprs.extend(given.map(|(field, n)| number(field, n)));
            }
        }
        IpProtocol::Icmpv6 => return None,
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
