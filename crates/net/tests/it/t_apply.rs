//! Applying: idempotence, drift and its repair, changes that leave the rest alone, refusals.

use std::sync::Arc;

use adit_net::desired::{
    Desired, LinkKind, METRIC_LAST, Mac, Namespace, Nexthop, NexthopTarget, Route, RouteKind,
};
use adit_net::nft::{Datum, Expr, Rule};

use crate::harness::{Outcome, Test};
use crate::helpers::{ip, output_in, with};
use crate::lab::{Lab, lab};
use crate::topology::{Vpc, address, dev, internet, neighbour, net, nowhere, veth};

pub(crate) const TESTS: &[Test] = &[
    ("apply::whole_topology_settles", whole_topology_settles),
    ("apply::lost_things_come_back", lost_things_come_back),
    ("apply::a_lost_table_comes_back", a_lost_table_comes_back),
    (
        "apply::a_failed_shortcut_looks_again",
        a_failed_shortcut_looks_again,
    ),
    ("apply::what_is_not_ours_stays", what_is_not_ours_stays),
    ("apply::links_change_in_place", links_change_in_place),
    ("apply::links_move", links_move),
    ("apply::groups_share_a_namespace", groups_share_a_namespace),
    ("apply::nonsense_is_refused", nonsense_is_refused),
    (
        "apply::ipv6_and_all_kinds_of_routes",
        ipv6_and_all_kinds_of_routes,
    ),
    (
        "apply::random_changes_reach_the_same",
        random_changes_reach_the_same,
    ),
];

fn whole_topology_settles() -> Outcome {
    let lab = lab!();
    lab.settle("internet", &internet());
    for (letter, number) in [('a', 1), ('b', 2)] {
        let vpc = Vpc::whole(letter, number).build();
        let group = format!("vpc-{letter}");
        let applied = lab.settle(&group, &vpc);
        assert!(applied.steps > 100);
        let again = lab.agent().reconcile(&group, &vpc).unwrap();
        assert_eq!((again.steps, again.touched), (0, vec![]));
        let again = lab.agent().apply(&group, &vpc).unwrap();
        assert_eq!(again.steps, 0);
    }
    let groups = lab.agent().groups().unwrap();
    assert_eq!(groups["internet"], ["inet"]);
    assert_eq!(
        groups["vpc-a"],
        ["a-gw", "a-i1", "a-i2", "a-i3", "a-if", "a-igw", "a-r"]
    );
    let text = lab.agent().observe("vpc-a").unwrap();
    for part in [
        "link vpce-1 up mtu 8500",
        "vpce-0123456789abcdef0",
        "nexthop 7",
        "map sg_in {",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    lab.agent().remove("vpc-b").unwrap();
    assert!(!lab.agent().groups().unwrap().contains_key("vpc-b"));
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    assert!(!ip(lab.agent(), "inet", "link").contains("to-b"));
    Outcome::Passed
}

/// A lab with the internet and a whole VPC.
fn ready() -> Result<(Lab, Vpc), Outcome> {
    let lab = Lab::new()?;
    lab.settle("internet", &internet());
    let vpc = Vpc::whole('a', 1);
    lab.settle("vpc-a", &vpc.build());
    Ok((lab, vpc))
}

macro_rules! ready {
    () => {
        match ready() {
            Ok(pair) => pair,
            Err(outcome) => return outcome,
        }
    };
}

/// Programs in a rootless agent's namespaces have no rights there.
macro_rules! meddling {
    ($lab:ident) => {
        if $lab.agent().hello().rootless {
            return Outcome::Ignored("needs root to meddle with the namespaces".into());
        }
    };
}

fn lost_things_come_back() -> Outcome {
    let (lab, vpc) = ready!();
    meddling!(lab);
    let vpc = vpc.build();
    let meddling = [
        (
            "a-r",
            "route del 54.123.160.0/19 table 101",
            "set route 54.123.160.0/19",
        ),
        (
            "a-r",
            "route replace blackhole 54.123.160.0/19 table 101 proto 173",
            "set route",
        ),
        ("a-r", "rule del pref 1101", "add rule 1101"),
        ("a-r", "nexthop del id 7", "set nexthop 7"),
        (
            "a-r",
            "neigh del 10.0.1.10 dev p-i1",
            "set neighbour 10.0.1.10",
        ),
        (
            "a-r",
            "addr del 10.0.0.2/32 dev lo",
            "add address 10.0.0.2/32",
        ),
        ("a-r", "link set p-i1 down", "set link p-i1"),
        ("a-r", "link set p-i1 mtu 1400", "set link p-i1"),
        (
            "a-r",
            "link set vpce-1 address 02:00:00:00:00:99",
            "set link vpce-1",
        ),
        (
            "a-r",
            "link property del dev vpce-1 altname vpce-0123456789abcdef0",
            "name link vpce-1",
        ),
        ("a-r", "link del vpce-1", "add link vpce-1"),
        ("a-i1", "link del eth0", "add link p-i1"),
        ("a-i1", "link set eth0 name other", "add link p-i1"),
        ("inet", "link del to-a", "add link upl"),
        (
            "inet",
            "route del 198.51.101.0/24",
            "set route 198.51.101.0/24",
        ),
        (
            "a-r",
            "route add 7.7.7.0/24 dev igw proto 173",
            "remove route 7.7.7.0/24",
        ),
        ("a-r", "rule add pref 9 lookup 9 proto 173", "remove rule 9"),
        (
            "a-r",
            "nexthop add id 99 dev igw proto 173",
            "remove nexthop 99",
        ),
    ];
    for (ns, line, step) in meddling {
        ip(lab.agent(), ns, line);
        let drift = lab.agent().drift("vpc-a").unwrap();
        assert!(drift.iter().any(|s| s.contains(step)), "{line}: {drift:?}");
        lab.settle("vpc-a", &vpc);
    }
    let file = "/proc/sys/net/ipv4/ip_forward";
    output_in(
        lab.agent(),
        "a-r",
        "sh",
        &["-c", &format!("echo 0 > {file}")],
    );
    assert_eq!(
        lab.agent().drift("vpc-a").unwrap(),
        ["a-r: set ipv4/ip_forward = 1"]
    );
    lab.settle("vpc-a", &vpc);
    assert_eq!(output_in(lab.agent(), "a-r", "cat", &[file]), "1\n");
    Outcome::Passed
}

fn a_lost_table_comes_back() -> Outcome {
    let (lab, vpc) = ready!();
    meddling!(lab);
    lab.serve("a-gw", "gateway", &[443]);
    let exe = std::env::current_exe().unwrap();
    output_in(
        lab.agent(),
        "a-r",
        exe.to_str().unwrap(),
        &["remove-tables"],
    );
    lab.blocked("a-i2", "54.123.170.7:443");
    assert_eq!(
        lab.agent().drift("vpc-a").unwrap(),
        ["a-r: load table adit"]
    );
    lab.settle("vpc-a", &vpc.build());
    lab.reaches("a-i2", "54.123.170.7:443", "gateway", "10.0.1.11");
    Outcome::Passed
}

/// Without being told to look, the agent relies on what it left. Where that is gone and a step
/// fails, it looks by itself.
fn a_failed_shortcut_looks_again() -> Outcome {
    let (lab, mut vpc) = ready!();
    meddling!(lab);
    ip(lab.agent(), "a-r", "link del p-i3");
    let exe = std::env::current_exe().unwrap();
    output_in(
        lab.agent(),
        "a-r",
        exe.to_str().unwrap(),
        &["remove-tables"],
    );
    vpc.router().routes.push(dev("10.0.2.77/32", "p-i3"));
    vpc.add(
        "sg_app_members",
        vec![Datum::Addr([10, 0, 2, 77].into())],
        None,
    );
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    Outcome::Passed
}

fn what_is_not_ours_stays() -> Outcome {
    let (lab, mut vpc) = ready!();
    meddling!(lab);
    let lines = [
        "addr add 10.7.7.7/32 dev lo",
        "addr add 10.0.1.77/24 dev eth0",
        "route add 10.8.0.0/16 via 10.0.1.1",
        "rule add pref 77 from 10.7.7.7 lookup 77",
        "route add default via 10.0.1.1 table 77",
        "link add own0 type veth peer name own1",
    ];
    for line in lines {
        ip(lab.agent(), "a-i1", line);
    }
    let before = ip(lab.agent(), "a-i1", "route show table all");
    // Neither a look nor changes nearby touch them.
    lab.settle("vpc-a", &vpc.build());
    let ns = vpc.ns("i1");
    vpc.desired
        .namespaces
        .get_mut(&ns)
        .unwrap()
        .addresses
        .push(address("lo", "10.9.9.9/32"));
    lab.settle("vpc-a", &vpc.build());
    vpc.desired.namespaces.get_mut(&ns).unwrap().addresses.pop();
    lab.settle("vpc-a", &vpc.build());
    assert_eq!(ip(lab.agent(), "a-i1", "route show table all"), before);
    let addresses = ip(lab.agent(), "a-i1", "addr");
    assert!(addresses.contains("10.7.7.7/32") && addresses.contains("10.0.1.77/24"));
    assert!(addresses.contains("own1"));
    assert!(ip(lab.agent(), "a-i1", "rule").contains("77:"));
    Outcome::Passed
}

fn links_change_in_place() -> Outcome {
    let (lab, mut vpc) = ready!();
    let index = |lab: &Lab| {
        ip(lab.agent(), "a-r", "-o link show vpce-1")
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    let before = index(&lab);
    let link = vpc
        .router()
        .links
        .iter_mut()
        .find(|l| l.name == "vpce-1")
        .unwrap();
    link.mtu = Some(1400);
    link.altname = Some("vpce-0fedcba9876543210".into());
    link.mac = Some(Mac([2, 0, 0, 0, 0, 77]));
    let LinkKind::Veth { peer_mac, .. } = &mut link.kind else {
        unreachable!()
    };
    *peer_mac = Some(Mac([2, 0, 0, 0, 0, 78]));
    let applied = lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    // Both ends, two names, and the neighbours that the kernel forgets with the address.
    assert_eq!(applied.steps, 6, "{applied:?}");
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    assert_eq!(index(&lab), before);
    let end = ip(lab.agent(), "a-gw", "link show eth0");
    assert!(
        end.contains("02:00:00:00:00:4e") && end.contains("mtu 1400"),
        "{end}"
    );
    let near = ip(lab.agent(), "a-r", "link show vpce-0fedcba9876543210");
    assert!(
        near.contains("02:00:00:00:00:4d") && !near.contains("vpce-0123"),
        "{near}"
    );
    Outcome::Passed
}

/// The far end goes to another namespace: another link under the same name.
fn links_move() -> Outcome {
    let lab = lab!();
    let make = |to: &str| {
        let mut all = Desired::default();
        for ns in ["one", "two", "three"] {
            all.namespaces.insert(ns.into(), Namespace::default());
        }
        let (near, far) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let one = all.namespaces.get_mut("one").unwrap();
        one.links.push(veth("port", near, to, "eth0", far));
        one.addresses.push(address("port", "10.1.0.1/24"));
        one.nexthops
            .push(crate::topology::nexthop(5, "10.1.0.2", "port"));
        one.routes
            .push(crate::topology::by_nexthop("10.2.0.0/16", 254, 5));
        one.neighbours.push(neighbour("port", "10.1.0.2", far));
        let end = all.namespaces.get_mut(to).unwrap();
        end.addresses.push(address("eth0", "10.1.0.2/24"));
        Arc::new(all)
    };
    lab.settle("g", &make("two"));
    lab.agent().apply("g", &make("three")).unwrap();
    assert_eq!(lab.agent().drift("g").unwrap(), Vec::<String>::new());
    assert!(!ip(lab.agent(), "two", "link").contains("eth0"));
    lab.settle("g", &make("two"));
    assert!(ip(lab.agent(), "two", "addr").contains("10.1.0.2/24"));
    // The whole group shrinks to nothing.
    lab.agent().apply("g", &Arc::default()).unwrap();
    assert_eq!(lab.agent().groups().unwrap()["g"], Vec::<String>::new());
    Outcome::Passed
}

fn groups_share_a_namespace() -> Outcome {
    let (lab, vpc) = ready!();
    // The owner of the shared namespace sees nothing to do because of its guests.
    lab.settle("internet", &internet());
    assert!(ip(lab.agent(), "inet", "addr").contains("to-a"));
    let changed = with(&internet(), |d| {
        d.namespaces
            .get_mut("inet")
            .unwrap()
            .addresses
            .push(address("lo", "203.0.113.11/32"));
    });
    assert_eq!(lab.agent().apply("internet", &changed).unwrap().steps, 1);
    // If it goes, the guest loses its link, notices, and cannot come back before it is there.
    lab.agent().remove("internet").unwrap();
    let error = lab.agent().apply("vpc-a", &vpc.build()).unwrap_err();
    assert_eq!(error.to_string(), "there is no namespace `inet`");
    lab.settle("internet", &internet());
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    lab.serve("inet", "internet", &[443]);
    lab.reaches("a-i2", "203.0.113.10:443", "internet", "198.51.101.12");
    // Nobody takes a device or a namespace of another group.
    let mut twin = Vpc::whole('a', 1);
    let ns = std::mem::take(&mut twin.desired.namespaces);
    twin.desired.namespaces = ns
        .into_iter()
        .map(|(name, ns)| (format!("twin-{name}"), ns))
        .collect();
    for namespace in twin.desired.namespaces.values_mut() {
        for link in &mut namespace.links {
            let LinkKind::Veth { peer_ns, .. } = &mut link.kind else {
                unreachable!()
            };
            if peer_ns != "inet" {
                *peer_ns = format!("twin-{peer_ns}");
            }
        }
    }
    let error = lab.agent().apply("twin", &twin.build()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the device `to-a` in namespace `inet` belongs to the group `vpc-a`"
    );
    let thief = with(&Desired::default(), |d| {
        d.namespaces.insert("inet".into(), Namespace::default());
    });
    let error = lab.agent().apply("thief", &thief).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the namespace `inet` belongs to the group `internet`"
    );
    Outcome::Passed
}

fn nonsense_is_refused() -> Outcome {
    let (lab, vpc) = ready!();
    let router = |change: fn(&mut Namespace)| {
        with(&vpc.desired, |d| {
            change(d.namespaces.get_mut("a-r").unwrap())
        })
    };
    let cases = [
        (
            router(|r| r.routes.push(dev("10.0.0.1/16", "igw"))),
            "host bits are set",
        ),
        (
            router(|r| r.routes.push(dev("10.0.0.0/16", "gone"))),
            "an unknown device",
        ),
        (
            router(|r| r.routes.push(dev("fd00::/64", "igw"))),
            "an IPv6 route needs a metric",
        ),
        (router(|r| r.nexthops.clear()), "an unknown nexthop"),
        (
            router(|r| r.links[0].name = "a-name-that-is-too-long".into()),
            "not a name for a device",
        ),
        (
            router(|r| r.links[0].name = "igw".into()),
            "two devices of the same name",
        ),
        (
            router(|r| drop(r.sysctls.insert("../../kernel/panic".into(), "1".into()))),
            "not a path",
        ),
        (
            router(|r| r.nft.as_mut().unwrap().name = "filter".into()),
            "`filter` is not allowed",
        ),
        (
            router(|r| drop(r.nft.as_mut().unwrap().chains.remove("acl1_in"))),
            "no chain to jump to `acl1_in`",
        ),
        (
            router(|r| drop(r.nft.as_mut().unwrap().sets.remove("pl_s3"))),
            "no set `pl_s3`",
        ),
    ];
    for (desired, reason) in cases {
        let error = lab
            .agent()
            .apply("vpc-a", &desired)
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    }
    for name in ["", "UP", "a/b", "..", &"x".repeat(65)] {
        assert!(lab.agent().apply(name, &Arc::default()).is_err(), "{name}");
    }
    // What only the kernel can refuse is refused with the step that failed, and mended later.
    let bad = router(|r| {
        let chain = r.nft.as_mut().unwrap().chains.get_mut("pre").unwrap();
        chain
            .rules
            .push(Rule::from([Expr::Snat(adit_net::nft::NatTarget::Addr(
                [1, 2, 3, 4].into(),
            ))]));
    });
    let error = lab.agent().apply("vpc-a", &bad).unwrap_err().to_string();
    assert!(
        error.starts_with("could not a-r: change table adit: "),
        "{error}"
    );
    let applied = lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!(applied.steps, 0);
    Outcome::Passed
}

fn ipv6_and_all_kinds_of_routes() -> Outcome {
    let lab = lab!();
    let (near, far) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let mut one = Namespace {
        links: vec![veth("port", near, "two", "eth0", far)],
        ..Namespace::default()
    };
    let promote = "ipv4/conf/all/promote_secondaries".to_owned();
    one.sysctls.insert(promote, "1".into());
    one.addresses = vec![
        address("port", "10.1.0.1/24"),
        address("port", "fd00::1/64"),
        address("port", "10.1.0.3/24"),
    ];
    let metric = 512;
    for (v4, v6, kind) in [
        ("10.2.0.0/16", "fd02::/64", RouteKind::Blackhole),
        ("10.3.0.0/16", "fd03::/64", RouteKind::Unreachable),
        ("10.4.0.0/16", "fd04::/64", RouteKind::Throw),
    ] {
        one.routes.push(nowhere(v4, 1000, kind, METRIC_LAST));
        one.routes.push(nowhere(v6, 1000, kind, METRIC_LAST));
        one.routes.push(nowhere(v4, 254, kind, 0));
        one.routes.push(nowhere(v6, 254, kind, metric));
    }
    one.routes.push(Route {
        metric,
        kind: RouteKind::Local,
        table: 255,
        ..dev("fd05::/64", "lo")
    });
    one.routes.push(Route {
        metric,
        via: Some("fd00::2".parse().unwrap()),
        ..dev("fd06::/64", "port")
    });
    one.routes.push(Route {
        metric,
        ..dev("fd07::/64", "port")
    });
    one.routes.push(Route {
        source: Some([10, 1, 0, 3].into()),
        ..dev("10.5.0.0/16", "port")
    });
    one.routes.push(Route {
        via: Some("fd00::2".parse().unwrap()),
        ..dev("10.6.0.0/16", "port")
    });
    one.routes.push(Route {
        metric,
        nexthop: Some(1),
        ..Route::to(net("fd08::/64"))
    });
    one.routes.push(Route {
        nexthop: Some(2),
        ..Route::to(net("10.7.0.0/16"))
    });
    one.routes.push(Route {
        metric,
        nexthop: Some(3),
        ..Route::to(net("fd09::/64"))
    });
    one.routes.push(Route {
        nexthop: Some(4),
        ..Route::to(net("10.8.0.0/16"))
    });
    let v6 = adit_net::desired::IpFamily::V6;
    let v4 = adit_net::desired::IpFamily::V4;
    one.nexthops = vec![
        Nexthop {
            id: 1,
            target: NexthopTarget::Via {
                gateway: "fd00::2".parse().unwrap(),
                device: "port".into(),
            },
        },
        Nexthop {
            id: 2,
            target: NexthopTarget::Device {
                device: "port".into(),
                family: v4,
            },
        },
        Nexthop {
            id: 3,
            target: NexthopTarget::Blackhole { family: v6 },
        },
        Nexthop {
            id: 4,
            target: NexthopTarget::Blackhole { family: v4 },
        },
    ];
    one.neighbours = vec![
        neighbour("port", "fd00::2", far),
        neighbour("port", "10.1.0.2", far),
    ];
    for proxied in ["10.9.0.1", "fd0a::1"] {
        one.neighbours.push(adit_net::desired::Neighbour {
            device: "port".into(),
            address: proxied.parse().unwrap(),
            mac: None,
        });
    }
    one.rules = vec![
        adit_net::desired::PolicyRule {
            priority: 10,
            family: v6,
            iif: Some("port".into()),
            table: 1000,
            ..Default::default()
        },
        adit_net::desired::PolicyRule {
            priority: 11,
            oif: Some("port".into()),
            table: 1000,
            ..Default::default()
        },
        adit_net::desired::PolicyRule {
            priority: 12,
            family: v6,
            from: Some(net("fd00::/64")),
            to: Some(net("fd02::/64")),
            mark: Some(0x1_0001),
            table: 77,
            ..Default::default()
        },
    ];
    one.sysctls
        .insert("ipv6/conf/port/accept_ra".into(), "0".into());
    one.sysctls
        .insert("ipv4/ip_local_port_range".into(), "20000 30000".into());
    let two = Namespace {
        addresses: vec![address("eth0", "fd00::2/64")],
        ..Namespace::default()
    };
    let mut desired = Desired::default();
    desired
        .namespaces
        .extend([("one".into(), one), ("two".into(), two)]);
    let whole = Arc::new(desired.clone());
    lab.settle("g", &whole);
    // Every single part can go and come back, and nothing else is touched by that.
    let count = desired.namespaces["one"].routes.len();
    for index in 0..count {
        let less = with(&desired, |d| {
            drop(d.namespaces.get_mut("one").unwrap().routes.remove(index))
        });
        let applied = lab.agent().apply("g", &less).unwrap();
        assert_eq!(applied.steps, 1);
        assert_eq!(
            lab.agent().drift("g").unwrap(),
            Vec::<String>::new(),
            "without route {index}"
        );
        assert_eq!(lab.agent().apply("g", &whole).unwrap().steps, 1);
        assert_eq!(
            lab.agent().drift("g").unwrap(),
            Vec::<String>::new(),
            "with route {index}"
        );
    }
    let bare = with(&desired, |d| {
        let one = d.namespaces.get_mut("one").unwrap();
        one.routes.clear();
        one.rules.clear();
        one.neighbours.clear();
        one.nexthops.clear();
        one.addresses.remove(0);
    });
    lab.agent().apply("g", &bare).unwrap();
    assert_eq!(lab.agent().drift("g").unwrap(), Vec::<String>::new());
    assert!(ip(lab.agent(), "one", "addr").contains("10.1.0.3/24"));
    lab.settle("g", &whole);
    Outcome::Passed
}

/// Changes of all sorts, one after the other by the short way, end where a look would end.
fn random_changes_reach_the_same() -> Outcome {
    let lab = lab!();
    lab.settle("internet", &internet());
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most as u64).unwrap()
    };
    for round in 0..60 {
        let mut vpc = Vpc::new('a', 1);
        for host in 10..14u8 {
            if next(3) > 0 {
                let (name, ns) = (format!("p-{host}"), format!("i{host}"));
                let subnet = u8::try_from(next(2) + 1).unwrap();
                vpc.instance(&crate::topology::Port {
                    name: &name,
                    ns: &ns,
                    device: "eth0",
                    subnet,
                    host,
                    groups: (
                        "sg_app_in",
                        if next(2) == 0 {
                            "sg_open_out"
                        } else {
                            "sg_s3only_out"
                        },
                    ),
                });
            }
        }
        if next(3) > 0 {
            vpc.gateway_endpoint(if next(2) == 0 { &[101] } else { &[101, 102] });
        }
        if next(3) > 0 {
            vpc.internet_gateway();
        }
        if next(2) > 0 {
            vpc.interface_endpoint();
        }
        if next(2) > 0 {
            vpc.site();
        }
        for _ in 0..next(5) {
            let (start, length) = (next(250), next(4) + 22);
            let prefix = ipnet::IpNet::new(
                [10, 3, u8::try_from(start).unwrap(), 0].into(),
                u8::try_from(length).unwrap(),
            )
            .unwrap();
            vpc.add("pl_s3", vec![Datum::Net(prefix.trunc())], None);
        }
        let desired = vpc.build();
        lab.agent()
            .apply("vpc-a", &desired)
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(
            lab.agent().drift("vpc-a").unwrap(),
            Vec::<String>::new(),
            "round {round}"
        );
    }
    let log = std::fs::read_to_string(lab.options.state_dir.join("net-agent.log")).unwrap();
    assert_eq!(log, "", "the short way always sufficed");
    Outcome::Passed
}
