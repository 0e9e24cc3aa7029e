//! Network ACLs as chains: stateless, before everything that knows connections, asked where a packet
//! leaves its sender's subnet and where it comes into its receiver's.
//!
//! In a chain that is jumped to, "allow" is `return`: `accept` would end the base chain, and the
//! other subnet's ACL would not be asked.

use adit_model::{AclEntry, IpProtocol, NetworkAclId, Subnet};
use adit_snapshot::{AclView, VpcView};
use ipnet::IpNet;

use super::filter::{base, families, name, within};
use super::{count, port_device};
use crate::desired::IpFamily;
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
            if is_open(view, acl, egress) {
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
            if used && !is_open(view, acl, egress) {
                table
                    .chains
                    .insert(acl_chain(&acl.id, egress), rules(view, acl, egress));
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
