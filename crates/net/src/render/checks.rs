//! Whose packets they are: each port sends and gets its own addresses, nobody outside sends the VPC's;
//! and the route table that a packet asks.
//!
//! Every packet pays for this, so nearly all are done with one question: is this address that of this
//! port? The answer is the mark of its route table. Only what has no answer (gateways, whoever may send
//! others' addresses, forgers) is looked at further.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use adit_snapshot::{PortUser, PortView, Target, VpcView};
use ipnet::{IpNet, Ipv6Net};

use super::filter::{base, name, outside_devices, plugged};
use super::*;
use crate::nft::{
    Chain, Datum, Element, Expr, Field, Hook, KeyType, Rule, Set, Table, Value, ValueType,
};

/// Addresses that are known on one link alone.
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// What the names of all ports' devices begin with.
pub(super) const PORTS: &str = "p-*";

/// One family's maps and fields.
struct Of {
    known: &'static str,
    own: &'static str,
    router: &'static str,
    number: IpFamily,
    key: KeyType,
    source: Field,
    destination: Field,
    addresses: fn(&PortView) -> Vec<IpAddr>,
}

const V4: Of = Of {
    known: "known",
    own: "own",
    router: "router",
    number: IpFamily::V4,
    key: KeyType::Ipv4,
    source: Field::IpSaddr,
    destination: Field::IpDaddr,
    addresses: |port| port.interface.private_ips().map(IpAddr::V4).collect(),
};
const V6: Of = Of {
    known: "known6",
    own: "own6",
    router: "router6",
    number: IpFamily::V6,
    key: KeyType::Ipv6,
    source: Field::Ip6Saddr,
    destination: Field::Ip6Daddr,
    addresses: |port| {
        port.interface
            .ipv6
            .iter()
            .copied()
            .map(IpAddr::V6)
            .collect()
    },
};

fn families(view: &VpcView) -> impl Iterator<Item = Of> {
    [(true, V4), (view.has_ipv6(), V6)]
        .into_iter()
        .filter_map(|(has, family)| has.then_some(family))
}

/// Adds the sets, and the chain that asks first. `router` are the router's own addresses.
pub(super) fn add(table: &mut Table, view: &VpcView, router: &[Address]) {
    let set = |key, value, elements| Set {
        key: vec![key],
        value,
        interval: false,
        elements,
    };
    for family in families(view) {
        table.sets.insert(family.known.into(), known(view, &family));
        table.sets.insert(family.own.into(), own(view, &family));
        let addresses = router.iter().map(|held| held.address.addr());
        let addresses = addresses.filter(|address| IpFamily::of(*address) == family.number);
        // A subnet's router has its address on every lent device of the subnet as well.
        let addresses: BTreeSet<IpAddr> = addresses.collect();
        let addresses = addresses.into_iter().map(Datum::Addr).map(plain);
        let addresses = set(family.key, None, addresses.collect());
        table.sets.insert(family.router.into(), addresses);
    }
    let marks = table_of(view);
    let marks = set(KeyType::Interface, Some(ValueType::Mark), marks);
    table.sets.insert("table_of".into(), marks);
    let devices = targets(view).map(|port| plain(name(&port_device(&port.interface.id))));
    let devices = set(KeyType::Interface, None, devices.collect());
    table.sets.insert("targets".into(), devices);
    table.chains.insert("pre".into(), pre(view));
}

fn plain(datum: Datum) -> Element {
    Element {
        key: vec![datum],
        value: None,
    }
}

/// A NAT gateway is there for others' packets, and so is an interface whose check is off.
fn is_checked(port: &PortView) -> bool {
    port.interface.source_dest_check && !matches!(port.user, PortUser::NatGateway(_))
}

fn own_table(port: &PortView) -> u32 {
    TABLES + u32::from(port.table)
}

/// Each checked port with its own addresses, and the table it asks.
fn known(view: &VpcView, family: &Of) -> Set {
    let elements = |port: &PortView| -> Vec<Element> {
        let device = name(&port_device(&port.interface.id));
        let element = |address| Element {
            key: vec![device.clone(), Datum::Addr(address)],
            value: Some(Value::Mark(own_table(port))),
        };
        (family.addresses)(port).into_iter().map(element).collect()
    };
    let ports = view.ports.iter().filter(|port| is_checked(port));
    Set {
        key: vec![KeyType::Interface, family.key],
        value: Some(ValueType::Mark),
        interval: false,
        elements: ports.flat_map(elements).collect(),
    }
}

/// Which table a packet asks, by where it came in, for all that may send what is not theirs.
fn table_of(view: &VpcView) -> Vec<Element> {
    let ports = view.ports.iter().filter(|port| !is_checked(port));
    let ports = ports.map(|port| (port_device(&port.interface.id), own_table(port)));
    let mut elements: Vec<(String, u32)> = ports.collect();
    for gateway in &view.gateways {
        let mark = REFLECT + u32::from(gateway.endpoint.number);
        elements.push((gateway_device(&gateway.endpoint.id), mark));
    }
    let edge = |table: Option<u16>| table.map_or(OUTSIDE, |number| TABLES + u32::from(number));
    for site in plugged(view) {
        elements.push((site_device(site.number), edge(view.site_table(&site.name))));
    }
    if view.leads_out() {
        elements.push((IGW_DEVICE.to_string(), edge(view.internet_table())));
    }
    for peering in &view.peerings {
        elements.push((peering::device(peering.number), OUTSIDE));
    }
    let element = |(device, mark): (String, u32)| Element {
        key: vec![name(&device)],
        value: Some(Value::Mark(mark)),
    };
    elements.into_iter().map(element).collect()
}

/// Checked ports to which a route leads others' packets. To all other ones lead their own addresses alone.
fn targets(view: &VpcView) -> impl Iterator<Item = &PortView> {
    let routes = view.tables.iter().flat_map(|table| &table.routes);
    let led: BTreeSet<_> = routes
        .filter_map(|route| match &route.target {
            Target::Interface(id, _) => Some(id),
            _ => None,
        })
        .collect();
    let ports = view.ports.iter();
    ports.filter(move |port| is_checked(port) && led.contains(&port.interface.id))
}

/// The addresses of the ports that are asked for their destination.
fn own(view: &VpcView, family: &Of) -> Set {
    let elements = |port: &PortView| -> Vec<Element> {
        let device = name(&port_device(&port.interface.id));
        let element = |address| Element {
            key: vec![device.clone(), Datum::Addr(address)],
            value: None,
        };
        (family.addresses)(port).into_iter().map(element).collect()
    };
    Set {
        key: vec![KeyType::Interface, family.key],
        value: None,
        interval: false,
        elements: targets(view).flat_map(elements).collect(),
    }
}

fn refused(conditions: impl IntoIterator<Item = Expr>, why: &str) -> Rule {
    let end = [Expr::COUNTER, Expr::DROP];
    Rule {
        exprs: conditions.into_iter().chain(end).collect(),
        comment: Some(why.into()),
    }
}

fn pre(view: &VpcView) -> Chain {
    let mark = |fields: &[Field], map: &str| {
        let (fields, map) = (fields.to_vec(), map.into());
        Rule::from([Expr::SetMarkFrom { fields, map }, Expr::ACCEPT])
    };
    let mut rules: Vec<Rule> = families(view)
        .map(|family| mark(&[Field::Iifname, family.source], family.known))
        .collect();
    let mut devices = outside_devices(view);
    let gateways = view.gateways.iter();
    devices.extend(gateways.map(|g| name(&gateway_device(&g.endpoint.id))));
    for family in families(view) {
        // The kernel is told not to ask this (`accept_local`): it would look up each packet's way back.
        let elsewhere = Expr::Match {
            field: Field::Iifname,
            negate: true,
            values: vec![name("lo")],
        };
        let router = Expr::in_set(&[family.source], family.router);
        rules.push(refused([elsewhere, router], "the router's address"));
        if !devices.is_empty() {
            let own = view.blocks();
            let own = own.filter(|block| IpFamily::of(block.addr()) == family.number);
            let own = Expr::one_of(family.source, own.map(Datum::Net).collect());
            let outside = Expr::one_of(Field::Iifname, devices.clone());
            rules.push(refused([own, outside], "forged source"));
        }
    }
    if view.has_ipv6() {
        add_ipv6_sources(&mut rules, view);
    }
    rules.push(mark(&[Field::Iifname], "table_of"));
    let port = Expr::is(Field::Iifname, name(PORTS));
    rules.push(refused([port], "source check"));
    Chain {
        base: base(Hook::Prerouting, -150, false),
        rules,
    }
}

/// What else IPv6 may not come from: neighbours nobody asks for, and peers with others' addresses.
fn add_ipv6_sources(rules: &mut Vec<Rule>, view: &VpcView) {
    // A host's questions for its neighbours: it knows the only one.
    let unspecified = Datum::Addr(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let link_local = Datum::Net(IpNet::V6(LINK_LOCAL));
    let local = Expr::one_of(Field::Ip6Saddr, vec![unspecified, link_local]);
    if let Some(from) = asking_ports(view) {
        // Somebody else's host has to ask for the router, and the router for it.
        let rule = [from, local.clone(), neighbour_discovery(), Expr::ACCEPT];
        rules.push(Rule::from(rule));
    }
    rules.push(Rule::from([local, Expr::DROP]));
    for peering in &view.peerings {
        let from = Expr::is(Field::Iifname, name(&peering::device(peering.number)));
        let blocks = peering.blocks.iter().copied();
        let blocks = blocks.filter(|block| matches!(block, IpNet::V6(_)));
        let blocks: Vec<Datum> = blocks.map(Datum::Net).collect();
        let other = match blocks.is_empty() {
            true => Expr::Family(IpFamily::V6),
            false => Expr::Match {
                field: Field::Ip6Saddr,
                negate: true,
                values: blocks,
            },
        };
        rules.push(refused([from, other], "not an address of the peer"));
    }
}

/// That a packet comes from a port with IPv6 that is a device of the host, if there is one.
pub(super) fn asking_ports(view: &VpcView) -> Option<Expr> {
    let ports = view.ports.iter();
    let lent = ports.filter(|port| port.host_device().is_some() && !port.interface.ipv6.is_empty());
    let devices: Vec<Datum> = lent
        .map(|port| name(&port_device(&port.interface.id)))
        .collect();
    (!devices.is_empty()).then(|| Expr::one_of(Field::Iifname, devices))
}

/// Questions for neighbours, and answers.
pub(super) fn neighbour_discovery() -> Expr {
    let kinds = [135, 136].map(Datum::Number).to_vec();
    Expr::one_of(Field::Icmpv6Type, kinds)
}

/// The rules by which no port gets what is not for it.
pub(super) fn destinations(view: &VpcView) -> Vec<Rule> {
    if targets(view).next().is_none() {
        return Vec::new();
    }
    let rule = |family: Of| {
        let target = Expr::in_set(&[Field::Oifname], "targets");
        let foreign = Expr::not_in_set(&[Field::Oifname, family.destination], family.own);
        refused([target, foreign], "destination check")
    };
    families(view).map(rule).collect()
}

/// Whether a packet's addresses alone say which ports it comes from and goes to, if both are the VPC's:
/// nobody sends others' packets on, and no route within the VPC leads elsewhere.
pub(super) fn is_direct(view: &VpcView) -> bool {
    let blocks: Vec<IpNet> = view.blocks().collect();
    let detour = |route: &ResolvedRoute| {
        let inside = |block: &IpNet| block.contains(&route.destination);
        route.target != Target::Local && blocks.iter().any(inside)
    };
    let forwards =
        |port: &PortView| !is_checked(port) && !matches!(port.user, PortUser::NatGateway(_));
    let mut routes = view.tables.iter().flat_map(|table| &table.routes);
    !routes.any(detour) && !view.ports.iter().any(forwards)
}
