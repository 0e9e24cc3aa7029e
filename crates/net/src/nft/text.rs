//! A table as nftables would write it: for people, golden files and explain. Never fed to anything
//! at run time.

use std::fmt::Write as _;

use super::{
    Base, Chain, ChainKind, CtState, Datum, Element, Expr, Family, Field, FlowOf, Hook, KeyType,
    NatTarget, RejectWith, Rule, Set, Table, Tally, TallyKey, Value, ValueType, Verdict,
};
use crate::desired::IpFamily;

impl Table {
    /// The table in nftables syntax; loading it with the `nft` command gives the same table (less
    /// the marks the agent keeps in it).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "table {} {} {{", self.family.word(), self.name);
        for counter in &self.counters {
            let _ = writeln!(out, "\tcounter {counter} {{\n\t}}");
        }
        for (name, tally) in &self.tallies {
            tally_text(&mut out, name, tally);
        }
        for (name, set) in &self.sets {
            set_text(&mut out, name, set);
        }
        for (name, chain) in &self.chains {
            chain_text(&mut out, self.family, name, chain);
        }
        out.push_str("}\n");
        out
    }
}

impl Family {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        }
    }
}

fn tally_text(out: &mut String, name: &str, tally: &Tally) {
    let key = match tally.by {
        TallyKey::Devices => "ifname . ifname",
        TallyKey::Mark => "mark . ifname",
        TallyKey::Flow(IpFamily::V4) => {
            "iface_index . iface_index . ipv4_addr . ipv4_addr . ipv6_addr"
        }
        TallyKey::Flow(IpFamily::V6) => {
            "iface_index . iface_index . ipv6_addr . ipv6_addr . ipv6_addr"
        }
    };
    let (size, timeout) = (tally.size, tally.timeout);
    let _ = writeln!(
        out,
        "\tset {name} {{\n\t\ttype {key}\n\t\tsize {size}\n\t\tflags dynamic,timeout\n\t\ttimeout {timeout}s\n\t}}"
    );
}

fn set_text(out: &mut String, name: &str, set: &Set) {
    let word = if set.value.is_some() { "map" } else { "set" };
    let key: Vec<_> = set.key.iter().map(|k| key_word(*k)).collect();
    let _ = writeln!(out, "\t{word} {name} {{");
    let _ = write!(out, "\t\ttype {}", key.join(" . "));
    if let Some(value) = set.value {
        let _ = write!(out, " : {}", value_word(value));
    }
    out.push('\n');
    if set.interval {
        out.push_str("\t\tflags interval\n");
        if set.value.is_none() && set.key.len() == 1 {
            out.push_str("\t\tauto-merge\n");
        }
    }
    let mut elements: Vec<&Element> = set.elements.iter().collect();
    elements.sort();
    elements.dedup();
    if !elements.is_empty() {
        out.push_str("\t\telements = {\n");
        for element in elements {
            let _ = writeln!(out, "\t\t\t{},", element_text(element));
        }
        out.push_str("\t\t}\n");
    }
    out.push_str("\t}\n");
}

fn key_word(key: KeyType) -> &'static str {
    match key {
        KeyType::Interface => "ifname",
        KeyType::Ipv4 => "ipv4_addr",
        KeyType::Ipv6 => "ipv6_addr",
        KeyType::Port => "inet_service",
        KeyType::Protocol => "inet_proto",
        KeyType::Mark => "mark",
    }
}

fn value_word(value: ValueType) -> &'static str {
    match value {
        ValueType::Verdict => "verdict",
        ValueType::Mark => "mark",
        ValueType::Ipv4 => "ipv4_addr",
        ValueType::Ipv6 => "ipv6_addr",
    }
}

pub(super) fn element_text(element: &Element) -> String {
    let mut out = element
        .key
        .iter()
        .map(datum_text)
        .collect::<Vec<_>>()
        .join(" . ");
    match &element.value {
        None => {}
        Some(Value::Verdict(verdict)) => {
            let _ = write!(out, " : {}", verdict_text(verdict));
        }
        Some(Value::Mark(mark)) => {
            let _ = write!(out, " : {mark:#x}");
        }
        Some(Value::Addr(addr)) => {
            let _ = write!(out, " : {addr}");
        }
    }
    out
}

fn datum_text(datum: &Datum) -> String {
    match datum {
        Datum::Name(name) => format!("\"{name}\""),
        Datum::Addr(addr) => addr.to_string(),
        Datum::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Datum::Net(net) => net.trunc().to_string(),
        Datum::AddrRange(first, last) => format!("{first}-{last}"),
        Datum::Number(number) => number.to_string(),
        Datum::NumberRange(first, last) => format!("{first}-{last}"),
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Drop => "drop".into(),
        Verdict::Return => "return".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

fn chain_text(out: &mut String, family: Family, name: &str, chain: &Chain) {
    let _ = writeln!(out, "\tchain {name} {{");
    if let Some(base) = &chain.base {
        base_text(out, base);
    }
    for rule in &chain.rules {
        let _ = writeln!(out, "\t\t{}", rule_text(family, rule));
    }
    out.push_str("\t}\n");
}

fn base_text(out: &mut String, base: &Base) {
    let kind = match base.kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
        ChainKind::Route => "route",
    };
    let hook = match base.hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    };
    let policy = if base.drop { "drop" } else { "accept" };
    let priority = base.priority;
    let _ = writeln!(
        out,
        "\t\ttype {kind} hook {hook} priority {priority}; policy {policy};"
    );
}

fn rule_text(family: Family, rule: &Rule) -> String {
    let mut parts: Vec<String> = rule
        .exprs
        .iter()
        .map(|expr| expr_text(family, expr))
        .collect();
    if let Some(comment) = &rule.comment {
        parts.push(format!("comment \"{comment}\""));
    }
    parts.join(" ")
}

fn expr_text(family: Family, expr: &Expr) -> String {
    match expr {
        Expr::Match {
            field,
            negate,
            values,
        } => {
            let not = if *negate { "!= " } else { "" };
            let values: Vec<_> = values.iter().map(datum_text).collect();
            match values.as_slice() {
                [one] => format!("{} {not}{one}", field_word(*field)),
                many => format!("{} {not}{{ {} }}", field_word(*field), many.join(", ")),
            }
        }
        Expr::InSet {
            fields,
            negate,
            set,
        } => {
            let not = if *negate { "!= " } else { "" };
            format!("{} {not}@{set}", fields_text(fields))
        }
        Expr::CtState(states) => {
            let states: Vec<_> = states.iter().map(|s| state_word(*s)).collect();
            format!("ct state {}", states.join(","))
        }
        Expr::Family(IpFamily::V4) => "meta nfproto ipv4".into(),
        Expr::Family(IpFamily::V6) => "meta nfproto ipv6".into(),
        Expr::CtDirection { reply: false } => "ct direction original".into(),
        Expr::CtDirection { reply: true } => "ct direction reply".into(),
        Expr::CtMark(mark) => format!("ct mark {mark:#x}"),
        Expr::SetCtMark(mark) => format!("ct mark set {mark:#x}"),
        Expr::TcpSyn => "tcp flags & (syn | rst) == syn".into(),
        Expr::TcpReset => "tcp flags & rst == rst".into(),
        Expr::TallyDevices(name) => format!("update @{name} {{ iifname . oifname counter }}"),
        Expr::TallyMark { tally, into } => {
            let device = if *into { "iifname" } else { "oifname" };
            format!("update @{tally} {{ meta mark . {device} counter }}")
        }
        // For people only: the last part of the key has no word of its own.
        Expr::TallyFlow(name, of) => {
            let of = match of {
                FlowOf::Tcp { flags: true } => "tcp with flags",
                FlowOf::Tcp { flags: false } => "tcp",
                FlowOf::Udp => "udp",
                FlowOf::Other => "other",
            };
            format!("update @{name} {{ flow of {of} counter }}")
        }
        Expr::VerdictFrom { fields, map } => format!("{} vmap @{map}", fields_text(fields)),
        Expr::SetMark(mark) => format!("meta mark set {mark:#x}"),
        Expr::SetMarkFrom { fields, map } => {
            format!("meta mark set {} map @{map}", fields_text(fields))
        }
        Expr::Counter(None) => "counter".into(),
        Expr::Counter(Some(name)) => format!("counter name \"{name}\""),
        Expr::ClampMss => "tcp option maxseg size set rt mtu".into(),
        Expr::Snat(target) => format!("snat {}", target_text(target)),
        Expr::Dnat(target) => format!("dnat {}", target_text(target)),
        Expr::NoTrack => "notrack".into(),
        Expr::Reject(with) => {
            let icmp = match family {
                Family::Inet => "icmpx",
                Family::Ip => "icmp",
                Family::Ip6 => "icmpv6",
            };
            match with {
                RejectWith::TcpReset => "reject with tcp reset".into(),
                RejectWith::PortUnreachable => format!("reject with {icmp} port-unreachable"),
                RejectWith::AdminProhibited => format!("reject with {icmp} admin-prohibited"),
            }
        }
        Expr::Verdict(verdict) => verdict_text(verdict),
    }
}

fn target_text(target: &NatTarget) -> String {
    match target {
        NatTarget::Addr(addr) if addr.is_ipv4() => format!("ip to {addr}"),
        NatTarget::Addr(addr) => format!("ip6 to {addr}"),
        NatTarget::Map {
            fields,
            map,
            family,
        } => {
            let family = match family {
                IpFamily::V4 => "ip",
                IpFamily::V6 => "ip6",
            };
            format!("{family} to {} map @{map}", fields_text(fields))
        }
    }
}

fn fields_text(fields: &[Field]) -> String {
    fields
        .iter()
        .map(|f| field_word(*f))
        .collect::<Vec<_>>()
        .join(" . ")
}

fn field_word(field: Field) -> &'static str {
    match field {
        Field::Iifname => "iifname",
        Field::Oifname => "oifname",
        Field::Mark => "meta mark",
        Field::L4proto => "meta l4proto",
        Field::IpSaddr => "ip saddr",
        Field::IpDaddr => "ip daddr",
        Field::Ip6Saddr => "ip6 saddr",
        Field::Ip6Daddr => "ip6 daddr",
        Field::TcpSport => "tcp sport",
        Field::TcpDport => "tcp dport",
        Field::UdpSport => "udp sport",
        Field::UdpDport => "udp dport",
        Field::ThSport => "th sport",
        Field::ThDport => "th dport",
        Field::IcmpType => "icmp type",
        Field::IcmpCode => "icmp code",
        Field::Icmpv6Type => "icmpv6 type",
        Field::Icmpv6Code => "icmpv6 code",
    }
}

fn state_word(state: CtState) -> &'static str {
    match state {
        CtState::New => "new",
        CtState::Established => "established",
        CtState::Related => "related",
        CtState::Invalid => "invalid",
        CtState::Untracked => "untracked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::Element;

    #[test]
    fn a_table_reads_like_nftables_own() {
        let mut table = Table::new("adit");
        table.counters.insert("seen".into());
        let net = |text: &str| Datum::Net(text.parse().unwrap());
        let elements = vec![
            Element {
                key: vec![net("54.123.160.0/19")],
                value: None,
            },
            Element {
                key: vec![net("192.0.2.1/32")],
                value: None,
            },
        ];
        let (key, interval) = (vec![KeyType::Ipv4], true);
        table.sets.insert(
            "pl".into(),
            Set {
                key,
                value: None,
                interval,
                elements,
            },
        );
        let jump = Some(Value::Verdict(Verdict::Jump("web".into())));
        let elements = vec![Element {
            key: vec![Datum::name("p-1")],
            value: jump,
        }];
        let (key, value) = (vec![KeyType::Interface], Some(ValueType::Verdict));
        table.sets.insert(
            "sg".into(),
            Set {
                key,
                value,
                interval: false,
                elements,
            },
        );
        let rules = vec![
            Rule::from([
                Expr::CtState(vec![CtState::Established, CtState::Related]),
                Expr::ACCEPT,
            ]),
            Rule::from([Expr::TcpSyn, Expr::ClampMss]),
            Rule::from([Expr::vmap(&[Field::Iifname], "sg")]),
        ];
        let (kind, hook) = (ChainKind::Filter, Hook::Forward);
        let base = Some(Base {
            kind,
            hook,
            priority: 0,
            drop: true,
        });
        table.chains.insert("fwd".into(), Chain { base, rules });
        let mut last = Rule::from([
            Expr::is(Field::TcpDport, Datum::NumberRange(80, 90)),
            Expr::not_in_set(&[Field::IpDaddr], "pl"),
            Expr::Counter(Some("seen".into())),
            Expr::DROP,
        ]);
        last.comment = Some("why".into());
        table.chains.insert(
            "web".into(),
            Chain {
                base: None,
                rules: vec![last],
            },
        );
        table.check().unwrap();
        let expected = "\
table inet adit {
	counter seen {
	}
	set pl {
		type ipv4_addr
		flags interval
		auto-merge
		elements = {
			54.123.160.0/19,
			192.0.2.1,
		}
	}
	map sg {
		type ifname : verdict
		elements = {
			\"p-1\" : jump web,
		}
	}
	chain fwd {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
		iifname vmap @sg
	}
	chain web {
		tcp dport 80-90 ip daddr != @pl counter name \"seen\" drop comment \"why\"
	}
}
";
        assert_eq!(table.to_text(), expected);
    }
}
