//! Filters: what our encoder makes is what nftables' own command makes of our text, by whichever
//! way a table came to be.

use std::sync::Arc;

use adit_net::client::Agent;
use adit_net::desired::{Desired, IpFamily, Namespace};
use adit_net::nft::{
    Chain, ChainKind, CtState, Datum, Element, Expr, Family, Field, Hook, KeyType, NatTarget,
    RejectWith, Rule, Set, Table, Value, ValueType, Verdict,
};

use crate::harness::{Outcome, Test};
use crate::helpers::{installed, nft, output_in, with};
use crate::lab::lab;
use crate::topology::{base, ip, net, policy};

pub(crate) const TESTS: &[Test] = &[
    ("filter::text_and_netlink_agree", text_and_netlink_agree),
    (
        "filter::changes_lead_where_loading_leads",
        changes_lead_where_loading_leads,
    ),
    (
        "filter::somebody_elses_changes_are_noticed",
        somebody_elses_changes_are_noticed,
    ),
    ("filter::counters_can_be_read", counters_can_be_read),
    ("filter::large_sets_fit", large_sets_fit),
];

fn group(table: Option<Table>) -> Arc<Desired> {
    let ns = Namespace {
        nft: table,
        ..Namespace::default()
    };
    Arc::new(Desired {
        namespaces: [("f".to_owned(), ns)].into(),
        ..Desired::default()
    })
}

/// What the kernel has, without the marker chain and with nothing but ours.
fn listing(agent: &Agent, ns: &str) -> Vec<String> {
    let text = output_in(agent, ns, "nft", &["-n", "list", "ruleset"]);
    let mut lines: Vec<String> = Vec::new();
    let mut skip = 0;
    for line in text.lines() {
        if line.trim().starts_with("chain adit-is-") {
            skip = 2;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        // The command's own note on how to add elements; it makes no difference to packets.
        if line.trim() != "auto-merge" && !line.trim().is_empty() {
            lines.push(line.trim().to_owned());
        }
    }
    lines
}

/// The listing with elements in order, as hash tables show theirs in none.
fn canonical(lines: &[String]) -> Vec<String> {
    let text = lines.join("\n");
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find('{') {
        out.push(rest[..=start].to_owned());
        rest = &rest[start + 1..];
        let (Some(end), next) = (rest.find('}'), rest.find('{')) else {
            break;
        };
        if next.is_none_or(|next| end < next) {
            let mut elements: Vec<&str> = rest[..end].split(',').map(str::trim).collect();
            if elements.len() > 1 {
                elements.sort_unstable();
                out.push(elements.join(", "));
                rest = &rest[end..];
            }
        }
    }
    out.push(rest.to_owned());
    out
}

macro_rules! needs_nft {
    ($lab:ident) => {
        if !installed("nft") {
            return Outcome::Ignored("nft is not installed to compare with".into());
        }
        if $lab.agent().hello().rootless {
            return Outcome::Ignored("needs root to run nft in the namespaces".into());
        }
    };
}

/// A table with everything that can be said.
fn everything() -> Table {
    let mut table = policy();
    table.counters.insert("total".into());
    let number = |field, n| Expr::is(field, Datum::Number(n));
    let mut rules = vec![
        Rule::from([Expr::Counter(Some("total".into()))]),
        Rule::from([
            Expr::is(Field::Ip6Saddr, Datum::Net(net("fd00::/7"))),
            Expr::DROP,
        ]),
        Rule::from([
            Expr::is(Field::Ip6Daddr, Datum::Addr(ip("fd00::1"))),
            Expr::DROP,
        ]),
        Rule::from([number(Field::Mark, 0x201), Expr::SetMark(7)]),
        Rule::from([
            number(Field::UdpDport, 53),
            Expr::Reject(RejectWith::PortUnreachable),
        ]),
        Rule::from([
            number(Field::TcpSport, 25),
            Expr::Reject(RejectWith::TcpReset),
        ]),
        Rule::from([
            number(Field::UdpSport, 1),
            Expr::Reject(RejectWith::AdminProhibited),
        ]),
        Rule::from([number(Field::Icmpv6Type, 135), Expr::ACCEPT]),
        Rule::from([
            number(Field::IcmpType, 3),
            number(Field::IcmpCode, 4),
            Expr::ACCEPT,
        ]),
        Rule::from([
            number(Field::L4proto, 6),
            number(Field::ThSport, 9),
            Expr::DROP,
        ]),
        Rule::from([
            Expr::CtState(vec![CtState::New, CtState::Untracked]),
            Expr::COUNTER,
        ]),
        Rule::from([Expr::is(
            Field::IpSaddr,
            Datum::AddrRange(ip("10.0.0.1"), ip("10.0.0.9")),
        )]),
        Rule::from([Expr::Match {
            field: Field::TcpDport,
            negate: true,
            values: vec![
                Datum::NumberRange(1, 9),
                Datum::Number(20),
                Datum::NumberRange(5, 12),
            ],
        }]),
        Rule::from([Expr::Match {
            field: Field::Oifname,
            negate: true,
            values: vec![Datum::name("p-*")],
        }]),
        Rule::from([Expr::vmap(&[Field::IpSaddr, Field::TcpDport], "two_parts")]),
        Rule::from([Expr::vmap(&[Field::TcpDport], "ports")]),
    ];
    rules[3].comment = Some("for people: ä".into());
    table
        .chains
        .insert("total".into(), Chain { base: None, rules });
    let raw = base(ChainKind::Filter, Hook::Prerouting, -300, false);
    table.chains.insert(
        "raw_pre".into(),
        Chain {
            base: raw,
            rules: vec![Rule::from([Expr::NoTrack])],
        },
    );
    let output = base(ChainKind::Route, Hook::Output, 0, false);
    table.chains.insert(
        "outp".into(),
        Chain {
            base: output,
            rules: Vec::new(),
        },
    );
    let nat = base(ChainKind::Nat, Hook::Prerouting, -100, false);
    let map = NatTarget::Map {
        fields: vec![Field::IpDaddr],
        map: "to_inner".into(),
        family: IpFamily::V4,
    };
    let rules = vec![
        Rule::from([Expr::Dnat(map)]),
        Rule::from([Expr::Dnat(NatTarget::Addr(ip("fd00::9")))]),
    ];
    table
        .chains
        .insert("dst_nat".into(), Chain { base: nat, rules });
    let element = |key: Vec<Datum>, value| Element {
        key,
        value: Some(value),
    };
    let jump = || Value::Verdict(Verdict::Jump("sg_open_in".into()));
    table.sets.insert(
        "to_inner".into(),
        Set {
            key: vec![KeyType::Ipv4],
            value: Some(ValueType::Ipv4),
            interval: false,
            elements: vec![element(
                vec![Datum::Addr(ip("198.51.100.1"))],
                Value::Addr(ip("10.0.0.9")),
            )],
        },
    );
    table.sets.insert(
        "ports".into(),
        Set {
            key: vec![KeyType::Port],
            value: Some(ValueType::Verdict),
            interval: true,
            elements: vec![
                element(vec![Datum::NumberRange(10, 19)], jump()),
                element(
                    vec![Datum::NumberRange(20, 65535)],
                    Value::Verdict(Verdict::Drop),
                ),
                element(vec![Datum::Number(1)], Value::Verdict(Verdict::Accept)),
            ],
        },
    );
    table.sets.insert(
        "two_parts".into(),
        Set {
            key: vec![KeyType::Ipv4, KeyType::Port],
            value: Some(ValueType::Verdict),
            interval: true,
            elements: vec![
                element(
                    vec![Datum::Net(net("10.0.0.0/8")), Datum::Number(80)],
                    jump(),
                ),
                element(
                    vec![Datum::Net(net("11.0.0.0/24")), Datum::NumberRange(1, 1000)],
                    Value::Verdict(Verdict::Return),
                ),
            ],
        },
    );
    for (name, kind) in [
        ("six", KeyType::Ipv6),
        ("marks", KeyType::Mark),
        ("protos", KeyType::Protocol),
    ] {
        let datum = match kind {
            KeyType::Ipv6 => Datum::Addr(ip("fd00::7")),
            _ => Datum::Number(17),
        };
        let elements = vec![Element {
            key: vec![datum],
            value: None,
        }];
        table.sets.insert(
            name.into(),
            Set {
                key: vec![kind],
                value: None,
                interval: false,
                elements,
            },
        );
    }
    for (set, device, host) in [
        ("sg_in", "p-1", 1),
        ("sg_in", "p-2", 2),
        ("sg_out", "p-1", 3),
    ] {
        let chain = if host == 2 { "sg_app_in" } else { "sg_open_in" };
        let value = Value::Verdict(Verdict::Jump(chain.into()));
        let elements = &mut table.sets.get_mut(set).unwrap().elements;
        elements.push(element(vec![Datum::name(device)], value));
        let source = vec![
            Datum::name(device),
            Datum::Net(net(&format!("10.0.{host}.0/28"))),
        ];
        let elements = &mut table.sets.get_mut("port_src").unwrap().elements;
        elements.push(Element {
            key: source,
            value: None,
        });
    }
    table
}

fn text_and_netlink_agree() -> Outcome {
    let lab = lab!();
    needs_nft!(lab);
    let mut four = Table {
        family: Family::Ip,
        ..Table::new("adit-four")
    };
    let rules = vec![
        Rule::from([
            Expr::is(Field::IpSaddr, Datum::Addr(ip("10.0.0.1"))),
            Expr::ACCEPT,
        ]),
        Rule::from([Expr::Reject(RejectWith::AdminProhibited)]),
    ];
    let input = base(ChainKind::Filter, Hook::Input, 5, true);
    four.chains
        .insert("inp".into(), Chain { base: input, rules });
    for table in [everything(), policy(), four] {
        let text = table.to_text();
        let both = with(&group(Some(table)), |d| {
            d.namespaces.insert("text".into(), Namespace::default());
        });
        lab.settle("g", &both);
        nft(lab.agent(), "text", &text);
        let (ours, theirs) = (listing(lab.agent(), "f"), listing(lab.agent(), "text"));
        let differing: Vec<_> = canonical(&ours)
            .into_iter()
            // What NAT to an IPv6 address needs is not implied for the command.
            .map(|line| line.replace("meta nfproto 10 dnat", "dnat"))
            .zip(canonical(&theirs))
            .filter(|(ours, theirs)| ours != theirs)
            .collect();
        assert_eq!(differing, []);
        nft(lab.agent(), "text", "flush ruleset");
    }
    Outcome::Passed
}

fn changes_lead_where_loading_leads() -> Outcome {
    let lab = lab!();
    needs_nft!(lab);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |most: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        u32::try_from(seed % u64::from(most)).unwrap()
    };
    for round in 0..80 {
        let mut table = everything();
        for name in ["acl1_in", "sg_s3only_out", "pre"] {
            let rules = &mut table.chains.get_mut(name).unwrap().rules;
            rules.truncate(usize::try_from(next(4)).unwrap() + 1);
        }
        if next(3) == 0 {
            // A chain and all that lead to it.
            table.chains.retain(|name, _| name != "sg_app_in");
            let elements = &mut table.sets.get_mut("sg_in").unwrap().elements;
            elements.retain(|e| e.value != Some(Value::Verdict(Verdict::Jump("sg_app_in".into()))));
        }
        if next(3) == 0 {
            table.chains.remove("total");
            table.sets.remove("two_parts");
            table.sets.remove("ports");
            table.counters.remove("total");
        }
        for _ in 0..next(12) {
            let prefix = 20 + next(13);
            let start = 0x0a00_0000 + next(0x4000);
            let address = std::net::Ipv4Addr::from(start).into();
            let range = ipnet::IpNet::new(address, u8::try_from(prefix).unwrap())
                .unwrap()
                .trunc();
            let key = vec![Datum::Net(range)];
            table
                .sets
                .get_mut("pl_s3")
                .unwrap()
                .elements
                .push(Element { key, value: None });
            let device = format!("p-{}", next(4));
            let key = vec![Datum::Name(device.clone()), Datum::Addr(address)];
            table
                .sets
                .get_mut("port_src")
                .unwrap()
                .elements
                .push(Element { key, value: None });
            let elements = &mut table.sets.get_mut("port_rtb").unwrap().elements;
            let key = vec![Datum::Name(device)];
            elements.retain(|e| e.key != key);
            elements.push(Element {
                key,
                value: Some(Value::Mark(next(3))),
            });
        }
        if let Some(ports) = table.sets.get_mut("ports") {
            let mut from = next(100);
            ports.elements.clear();
            for _ in 0..next(6) {
                let to = from + next(50);
                let value = if next(2) == 0 {
                    Verdict::Accept
                } else {
                    Verdict::Drop
                };
                let (key, value) = (
                    vec![Datum::NumberRange(from, to)],
                    Some(Value::Verdict(value)),
                );
                ports.elements.push(Element { key, value });
                from = to + 1 + next(2) * next(10);
            }
        }
        let changed = group(Some(table));
        lab.agent()
            .apply("g", &changed)
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(
            lab.agent().drift("g").unwrap(),
            Vec::<String>::new(),
            "round {round}"
        );
        let by_change = listing(lab.agent(), "f");
        let fresh = with(&Desired::default(), |d| {
            let ns = changed.namespaces["f"].clone();
            d.namespaces.insert("fresh".into(), ns);
        });
        lab.agent().apply("other", &fresh).unwrap();
        let by_load = listing(lab.agent(), "fresh");
        // Chains come in the order in which they were made.
        let sorted = |lines: &[String]| {
            let mut lines = canonical(lines).join("\n");
            lines = lines
                .replace("\n}\nchain", "\n}\u{1}chain")
                .replace("\n}\nset", "\n}\u{1}set");
            lines = lines
                .replace("\n}\nmap", "\n}\u{1}map")
                .replace("\n}\ncounter", "\n}\u{1}counter");
            let mut parts: Vec<_> = lines
                .split('\u{1}')
                .map(|p| p.trim_end_matches(['}', '\n', ' ']).to_owned())
                .collect();
            parts.sort();
            parts
        };
        assert_eq!(sorted(&by_change), sorted(&by_load), "round {round}");
        lab.agent().remove("other").unwrap();
    }
    let log = std::fs::read_to_string(lab.options.state_dir.join("net-agent.log")).unwrap();
    assert_eq!(log, "", "every change was one transaction");
    Outcome::Passed
}

fn somebody_elses_changes_are_noticed() -> Outcome {
    let lab = lab!();
    needs_nft!(lab);
    let desired = group(Some(everything()));
    lab.settle("g", &desired);
    for meddling in [
        "add rule inet adit sg_open_in drop",
        "flush chain inet adit acl1_in",
        "add element inet adit pl_s3 { 8.8.8.8 }",
        "delete element inet adit sg_in { \"p-1\" }",
        "add chain inet adit extra",
        "delete table inet adit",
    ] {
        nft(lab.agent(), "f", meddling);
        assert_eq!(
            lab.agent().drift("g").unwrap(),
            ["f: load table adit"],
            "{meddling}"
        );
        lab.settle("g", &desired);
    }
    // Another's table is another's, and no reason to load ours again.
    nft(
        lab.agent(),
        "f",
        "table inet own {\nchain c {\ntype filter hook input priority 0;\n}\n}",
    );
    assert_eq!(lab.agent().drift("g").unwrap(), Vec::<String>::new());
    lab.settle("g", &group(None));
    let left = listing(lab.agent(), "f");
    assert!(left[0].contains("table inet own") && !left.iter().any(|l| l.contains("adit")));
    Outcome::Passed
}

fn counters_can_be_read() -> Outcome {
    let lab = lab!();
    let mut table = Table::new("adit");
    table.counters.insert("seen".into());
    let rules = vec![
        Rule::from([
            Expr::is(Field::UdpDport, Datum::Number(9)),
            Expr::Counter(Some("seen".into())),
        ]),
        Rule {
            comment: Some("total".into()),
            ..Rule::from([Expr::is(Field::UdpDport, Datum::Number(9)), Expr::COUNTER])
        },
    ];
    let input = base(ChainKind::Filter, Hook::Input, 0, false);
    table
        .chains
        .insert("inp".into(), Chain { base: input, rules });
    lab.settle("g", &group(Some(table)));
    let socket = std::net::UdpSocket::from(lab.socket("f", adit_net::protocol::Transport::Udp));
    for _ in 0..3 {
        socket.send_to(&[0; 72], "127.0.0.1:9").unwrap();
    }
    let counters = lab.agent().counters("f").unwrap();
    assert_eq!(
        (counters.named["seen"].packets, counters.named["seen"].bytes),
        (3, 300)
    );
    assert_eq!(counters.rules.len(), 1);
    let rule = &counters.rules[0];
    assert_eq!(
        (rule.chain.as_str(), rule.index, rule.count.packets),
        ("inp", 1, 3)
    );
    assert_eq!(rule.comment.as_deref(), Some("total"));
    assert!(counters.links["lo"].sent.packets >= 3);
    Outcome::Passed
}

/// A table larger than the kernel's default socket buffers, by whichever rights.
fn large_sets_fit() -> Outcome {
    let lab = lab!();
    let mut table = Table::new("adit");
    let elements = (0..30_000u32)
        .map(|n| {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + n * 2).into();
            Element {
                key: vec![Datum::Addr(address)],
                value: None,
            }
        })
        .collect();
    let set = Set {
        key: vec![KeyType::Ipv4],
        value: None,
        interval: true,
        elements,
    };
    table.sets.insert("large".into(), set);
    lab.settle("g", &group(Some(table.clone())));
    table.sets.get_mut("large").unwrap().elements.truncate(3);
    lab.settle("g", &group(Some(table)));
    Outcome::Passed
}
