//! The planner as a function: values in, steps out.

use super::*;
use crate::desired::{RouteKind, TABLE_MAIN};
use crate::nft::Table;

fn mac(last: u8) -> Option<Mac> {
    Some(Mac([2, 0, 0, 0, 0, last]))
}

fn link(name: &str, peer_ns: &str) -> Link {
    Link {
        name: name.into(),
        altname: Some(format!("long-{name}")),
        mac: mac(1),
        mtu: Some(8500),
        kind: LinkKind::Veth {
            peer_ns: peer_ns.into(),
            peer_name: "eth0".into(),
            peer_mac: mac(2),
        },
    }
}

/// A router with one endpoint, and an attachment to a namespace of another group.
fn group() -> Desired {
    let mut router = Namespace {
        nft: Some(Table::new("adit")),
        ..Namespace::default()
    };
    router.links = vec![link("vpce-1", "endpoint"), link("out", "shared")];
    router.sysctls.insert("ipv4/ip_forward".into(), "1".into());
    router
        .sysctls
        .insert("ipv4/neigh/vpce-1/proxy_delay".into(), "0".into());
    router.addresses = vec![Address {
        device: "vpce-1".into(),
        address: "169.254.0.1/30".parse().unwrap(),
    }];
    let gateway = "169.254.0.2".parse().unwrap();
    let target = NexthopTarget::Via {
        gateway,
        device: "vpce-1".into(),
    };
    router.nexthops = vec![Nexthop { id: 21, target }];
    let prefix = "54.123.160.0/19".parse().unwrap();
    router.routes = vec![Route {
        nexthop: Some(21),
        table: 101,
        ..Route::to(prefix)
    }];
    router.rules = vec![PolicyRule {
        priority: 5,
        mark: Some(101),
        table: 101,
        ..Default::default()
    }];
    let local = Route {
        kind: RouteKind::Local,
        device: Some("lo".into()),
        ..Route::to("54.123.160.0/19".parse().unwrap())
    };
    let endpoint = Namespace {
        routes: vec![local],
        ..Namespace::default()
    };
    let attachment = Attachment {
        addresses: vec![Address {
            device: "eth0".into(),
            address: "198.51.100.1/30".parse().unwrap(),
        }],
        ..Attachment::default()
    };
    Desired {
        namespaces: [("router".into(), router), ("endpoint".into(), endpoint)].into(),
        attachments: [("shared".into(), attachment)].into(),
    }
}

/// What the kernel has when a state was applied, with devices of other groups in the shared
/// namespace.
fn applied(desired: &Desired) -> BTreeMap<String, Seen> {
    let mut seen = BTreeMap::new();
    for (name, ns) in &desired.namespaces {
        let far: Vec<_> = desired
            .namespaces
            .values()
            .flat_map(|ns| &ns.links)
            .filter(|link| matches!(&link.kind, LinkKind::Veth { peer_ns, .. } if peer_ns == name))
            .map(far_end)
            .collect();
        let table = ns.nft.clone().map(Arc::new);
        seen.insert(name.clone(), Seen::assume(ns, &far, table));
    }
    let end = |name: &str| FarEnd {
        name: name.into(),
        mac: mac(2),
        mtu: Some(8500),
    };
    let mut shared = Seen::assume(&Namespace::default(), &[end("eth0"), end("other")], None);
    let attached = desired
        .attachments
        .get("shared")
        .into_iter()
        .flat_map(|a| &a.addresses);
    shared.addresses.extend(attached.map(|a| (a.clone(), true)));
    let theirs = Address {
        device: "other".into(),
        address: "198.51.100.9/30".parse().unwrap(),
    };
    shared.addresses.insert(theirs, true);
    seen.insert("shared".into(), shared);
    seen
}

fn steps(desired: &Desired, seen: BTreeMap<String, Seen>) -> Vec<String> {
    steps_with(desired, seen, &[])
}

/// The steps while some devices of the host can be taken.
fn steps_with(desired: &Desired, seen: BTreeMap<String, Seen>, lendable: &[&str]) -> Vec<String> {
    let lendable: BTreeSet<String> = lendable.iter().map(|name| name.to_string()).collect();
    let names = |seen: &BTreeMap<String, Seen>| -> BTreeSet<String> {
        seen.keys()
            .filter(|name| *name != "shared")
            .cloned()
            .collect()
    };
    let members = names(&seen);
    let mut scope = members.clone();
    scope.extend(desired.namespaces.keys().cloned());
    scope.insert("shared".into());
    let task = Task {
        lendable: &lendable,
        desired,
        old: None,
        members: &members,
        scope: &scope,
    };
    plan(&task, seen).iter().map(Step::to_string).collect()
}

#[test]
fn from_nothing_filters_come_before_links_and_links_before_routes() {
    let desired = group();
    let mut seen = applied(&desired);
    seen.retain(|name, _| name == "shared");
    seen.get_mut("shared").unwrap().forget_device("eth0");
    assert_eq!(
        steps(&desired, seen),
        [
            "endpoint: add namespace",
            "router: add namespace",
            "router: set ipv4/ip_forward = 1",
            "router: load table adit",
            "router: add link vpce-1 to eth0 in endpoint",
            "router: add link out to eth0 in shared",
            "router: set ipv4/neigh/vpce-1/proxy_delay = 0",
            "endpoint: set link eth0 up",
            "shared: set link eth0 up",
            "endpoint: set route local 54.123.160.0/19 dev lo table 254",
            "router: name link vpce-1 also long-vpce-1",
            "router: name link out also long-out",
            "router: add address 169.254.0.1/30 on vpce-1",
            "router: set nexthop 21 via 169.254.0.2 dev vpce-1",
            "router: set route 54.123.160.0/19 nexthop 21 table 101",
            "router: add rule 5: mark 0x65 table 101",
            "shared: add address 198.51.100.1/30 on eth0",
        ]
    );
}

#[test]
fn where_all_is_as_desired_there_is_nothing_to_do() {
    let desired = group();
    assert_eq!(steps(&desired, applied(&desired)), Vec::<String>::new());
}

#[test]
fn a_link_that_must_be_made_again_leaves_a_blackhole_meanwhile() {
    let desired = group();
    let mut seen = applied(&desired);
    // Both ends exist but belong to other cables.
    let router = seen.get_mut("router").unwrap();
    router.links.get_mut("vpce-1").unwrap().indexes = Some((7, Some(9)));
    let endpoint = seen.get_mut("endpoint").unwrap();
    endpoint.links.get_mut("eth0").unwrap().indexes = Some((8, Some(7)));
    let steps = steps(&desired, seen);
    let at = |text: &str| {
        steps
            .iter()
            .position(|s| s == text)
            .unwrap_or_else(|| panic!("{text}: {steps:?}"))
    };
    let hole = at("router: set nexthop 21 blackhole");
    let gone = at("router: remove link vpce-1");
    let made = at("router: add link vpce-1 to eth0 in endpoint");
    let back = at("router: set nexthop 21 via 169.254.0.2 dev vpce-1");
    assert!(hole < gone && gone < made && made < back, "{steps:?}");
    at("router: set ipv4/neigh/vpce-1/proxy_delay = 0");
    at("router: add address 169.254.0.1/30 on vpce-1");
    // The route names the nexthop, which never went: it stays.
    assert!(
        !steps.iter().any(|s| s.contains(": set route")),
        "{steps:?}"
    );
}

#[test]
fn removed_namespaces_lose_their_links_first() {
    let desired = group();
    let seen = applied(&desired);
    let mut less = desired.clone();
    less.namespaces.remove("endpoint");
    let router = less.namespaces.get_mut("router").unwrap();
    router.links.remove(0);
    (router.addresses, router.nexthops, router.routes) = Default::default();
    router.sysctls.remove("ipv4/neigh/vpce-1/proxy_delay");
    let mut seen = seen;
    seen.get_mut("router")
        .unwrap()
        .links
        .get_mut("vpce-1")
        .unwrap()
        .indexes = Some((7, Some(8)));
    seen.get_mut("endpoint")
        .unwrap()
        .links
        .get_mut("eth0")
        .unwrap()
        .indexes = Some((8, Some(7)));
    // The kernel takes address, nexthop and route along with the link.
    assert_eq!(
        steps(&less, seen),
        ["router: remove link vpce-1", "endpoint: remove namespace"]
    );
}

#[test]
fn what_others_have_in_a_shared_namespace_is_not_touched() {
    let mut desired = group();
    let seen = applied(&desired);
    // The group's own address goes, the other group's stays.
    desired
        .attachments
        .get_mut("shared")
        .unwrap()
        .addresses
        .clear();
    assert_eq!(
        steps(&desired, seen),
        ["shared: remove address 198.51.100.1/30 on eth0"]
    );

    // The owner of the shared namespace does not see its guests either.
    let owner = Desired {
        namespaces: [("shared".into(), Namespace::default())].into(),
        ..Desired::default()
    };
    let members = BTreeSet::from(["shared".to_owned()]);
    let task = Task {
        lendable: &BTreeSet::new(),
        desired: &owner,
        old: None,
        members: &members,
        scope: &members,
    };
    let seen = applied(&group())
        .into_iter()
        .filter(|(name, _)| name == "shared")
        .collect();
    assert_eq!(plan(&task, seen), []);
}

#[test]
fn a_device_that_is_not_ours_is_not_removed_for_one_that_is() {
    let desired = group();
    let mut seen = applied(&desired);
    seen.get_mut("endpoint")
        .unwrap()
        .links
        .get_mut("eth0")
        .unwrap()
        .owner = Owner::Other;
    let steps = steps(&desired, seen);
    assert!(
        !steps.contains(&"endpoint: remove link eth0".to_owned()),
        "{steps:?}"
    );
    // The step fails in the kernel, which says that the name is taken.
    assert!(
        steps.contains(&"router: add link vpce-1 to eth0 in endpoint".to_owned()),
        "{steps:?}"
    );
}

#[test]
fn routes_differ_by_table_prefix_and_metric() {
    let mut desired = group();
    let seen = applied(&desired);
    let router = desired.namespaces.get_mut("router").unwrap();
    router.routes[0].table = TABLE_MAIN;
    assert_eq!(
        steps(&desired, seen),
        [
            "router: set route 54.123.160.0/19 nexthop 21 table 254",
            "router: remove route 54.123.160.0/19 nexthop 21 table 101",
        ]
    );
}

/// The group with the host's device `veth7` in the place of the endpoint's link.
fn lending() -> Desired {
    let mut desired = group();
    let router = desired.namespaces.get_mut("router").unwrap();
    router.links.remove(0);
    router.lent = vec![Lent {
        name: "vpce-1".into(),
        device: "veth7".into(),
        forced: false,
    }];
    router.routes.push(Route {
        device: Some("vpce-1".into()),
        ..Route::to("10.0.1.10/32".parse().unwrap())
    });
    desired
}

#[test]
fn what_is_on_a_lent_device_waits_for_it() {
    let desired = lending();
    let mut seen = applied(&desired);
    seen.get_mut("router").unwrap().forget_device("vpce-1");
    // Absent: its addresses and settings are left out, and what leads over it leads nowhere.
    let absent = [
        "router: set nexthop 21 blackhole",
        "router: set route blackhole 10.0.1.10/32 table 254",
    ];
    assert_eq!(steps(&desired, seen.clone()), absent);
    // It can be taken: before what is on it.
    assert_eq!(
        steps_with(&desired, seen, &["veth7"]),
        [
            "router: take veth7 from the host as vpce-1",
            "router: set ipv4/neigh/vpce-1/proxy_delay = 0",
            "router: add address 169.254.0.1/30 on vpce-1",
            "router: set route 10.0.1.10/32 dev vpce-1 table 254",
        ]
    );
    assert_eq!(steps(&desired, applied(&desired)), Vec::<String>::new());
}

#[test]
fn a_lent_device_goes_back_before_what_would_take_it_along() {
    let desired = lending();
    let mut other = desired.clone();
    other.namespaces.get_mut("router").unwrap().lent[0].device = "veth8".into();
    let swapped = steps_with(&other, applied(&desired), &["veth8"]);
    assert_eq!(
        swapped.iter().take(3).collect::<Vec<_>>(),
        [
            "router: set nexthop 21 blackhole",
            "router: put vpce-1 back to the host",
            "router: take veth8 from the host as vpce-1",
        ]
    );
    let nothing = Desired::default();
    let gone = steps(&nothing, applied(&desired));
    let at = |step: &str| gone.iter().position(|s| s == step).unwrap();
    let back = at("router: put vpce-1 back to the host");
    assert!(
        back < at("router: remove all links whose near ends are here"),
        "{gone:?}"
    );
    assert!(back < at("router: remove namespace"), "{gone:?}");
    // One that does not stay up is taken anew.
    let mut seen = applied(&desired);
    let links = &mut seen.get_mut("router").unwrap().links;
    links.get_mut("vpce-1").unwrap().up = false;
    let again = steps_with(&desired, seen, &["veth7"]);
    assert!(again.contains(&"router: take veth7 from the host as vpce-1".to_owned()));
}
