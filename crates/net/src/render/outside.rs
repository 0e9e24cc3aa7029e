//! What is outside a VPC: its internet gateway, its on-premises sites, and the internet itself.

use std::net::{IpAddr, Ipv4Addr};

use adit_model::{Site, VpcId};
use adit_snapshot::VpcView;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::*;
use crate::nft::{
    Base, Chain, ChainKind, CtState, Datum, Element, Expr, Field, Hook, KeyType, NatTarget, Rule,
    Set, Table, Value, ValueType,
};

/// What the internet namespace holds: the public addresses of the service in every Region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Internet {
    /// The blocks of every Region's prefix list.
    pub service: Vec<Ipv4Net>,
}

/// The router that the cables of all internet gateways and sites lead to: an address that nobody
/// has, reached by its permanent neighbour entry alone.
const TRANSIT: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The other end of such a cable, seen from the internet.
const TRANSIT_FAR: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The desired state of the internet's group.
pub fn render_internet(internet: &Internet) -> Desired {
    let mut space = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    for block in &internet.service {
        space.routes.push(any_ip(*block));
    }
    ipv6::enable_forwarding(&mut space);
    for block in &internet.service {
        space.routes.push(Route {
            kind: RouteKind::Local,
            device: Some("lo".into()),
            table: TABLE_LOCAL,
            ..ipv6::to(addresses::public_ipv6_block(*block))
        });
    }
    space.routes.push(Route {
        kind: RouteKind::Unreachable,
        metric: METRIC_LAST,
        ..ipv6::to(Ipv6Net::default())
    });
    // What belongs to nobody is answered at once, so that a wrong route shows as such.
    space.routes.push(Route {
        kind: RouteKind::Unreachable,
        metric: METRIC_LAST,
        ..Route::to(IpNet::V4(Ipv4Net::default()))
    });
    let mut desired = Desired::default();
    desired.namespaces.insert(INTERNET.into(), space);
    desired
}

/// The internet gateway: 1:1 NAT between private and public addresses; an interface without a
/// public address gets nothing through it. IPv6 passes as it is. An egress-only gateway is the same
/// namespace: what may come in is a matter of the receiver's subnet.
pub(super) fn add_internet_gateway(desired: &mut Desired, router: &mut Namespace, view: &VpcView) {
    if !view.leads_out() {
        return;
    }
    let name = place::internet_gateway(&view.vpc.id);
    let (near, far) = IGW_LINK;
    let altname = match (&view.internet_gateway, &view.egress_only) {
        (Some(id), _) => Some(id.as_str()),
        (None, Some(id)) => Some(id.as_str()),
        (None, None) => None,
    };
    router.links.push(veth(IGW_DEVICE, altname, &name, "vpc"));
    router.addresses.push(on(IGW_DEVICE, near, 30));
    router.neighbours.push(neighbour(IGW_DEVICE, far, FAR));
    router.sysctls.extend(device_sysctls(IGW_DEVICE));
    router
        .nexthops
        .push(nexthop(NEXTHOP_INTERNET, far, IGW_DEVICE));

    let mut pairs: Vec<(Ipv4Addr, Ipv4Addr)> = view
        .ports
        .iter()
        .flat_map(|port| port.interface.public_pairs())
        .collect();
    pairs.sort();
    let mut space = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    space.addresses.push(on("vpc", far, 30));
    space.neighbours.push(neighbour("vpc", near, NEAR));
    for block in &view.vpc.cidrs {
        let to = Route::to(IpNet::V4(block.cidr));
        space.routes.push(Route {
            device: Some("vpc".into()),
            via: Some(IpAddr::V4(near)),
            ..to
        });
    }
    let mut filter = one_to_one(&pairs);
    let public: Vec<Ipv4Addr> = pairs.iter().map(|(_, public)| *public).collect();
    let uplink = uplink(&view.vpc.id, 0);
    attach(desired, &mut space, &uplink, &public);
    if view.has_ipv6() {
        ipv6::add_nexthop(router, NEXTHOP_INTERNET, IGW_DEVICE);
        add_ipv6(desired, &mut space, view, &uplink);
        filter_ipv6(&mut filter, view);
    }
    space.nft = Some(filter);
    desired.namespaces.insert(name, space);
}

/// The way out for IPv6, and the internet's way to the VPC's blocks.
fn add_ipv6(desired: &mut Desired, space: &mut Namespace, view: &VpcView, far_name: &str) {
    ipv6::enable_forwarding(space);
    space
        .neighbours
        .push(ipv6::known("vpc", ipv6::NEAR_END, NEAR));
    space.neighbours.push(ipv6::known("up", ipv6::FAR_END, FAR));
    let all = Ipv6Net::default();
    space.routes.push(ipv6::via(all, "up", ipv6::FAR_END));
    let far = desired.attachments.entry(INTERNET.into()).or_default();
    far.neighbours
        .push(ipv6::known(far_name, ipv6::NEAR_END, NEAR));
    for block in view.vpc.ipv6.iter().map(|block| block.cidr) {
        space.routes.push(ipv6::via(block, "vpc", ipv6::NEAR_END));
        far.routes.push(ipv6::via(block, far_name, ipv6::NEAR_END));
    }
}

/// Nobody sends with others' addresses, and what leaves by an egress-only gateway gets answers alone.
fn filter_ipv6(table: &mut Table, view: &VpcView) {
    let nets = |blocks: Vec<Ipv6Net>| -> Vec<Datum> {
        let nets = blocks.into_iter().map(IpNet::V6);
        nets.map(Datum::Net).collect()
    };
    let own = view.vpc.ipv6.iter().map(|block| block.cidr).collect();
    let foreign = Rule {
        exprs: vec![
            Expr::is(Field::Iifname, Datum::name("vpc")),
            Expr::Match {
                field: Field::Ip6Saddr,
                negate: true,
                values: nets(own),
            },
            Expr::COUNTER,
            Expr::DROP,
        ],
        comment: Some("not an address of the VPC".into()),
    };
    if let Some(chain) = table.chains.get_mut("unknown") {
        chain.rules.push(foreign);
    }
    let closed = nets(view.closed_blocks());
    if closed.is_empty() {
        return;
    }
    let base = Base {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority: 0,
        drop: false,
    };
    let answers = Rule::from([
        Expr::CtState(vec![CtState::Established, CtState::Related]),
        Expr::ACCEPT,
    ]);
    let new = Rule {
        exprs: vec![
            Expr::is(Field::Iifname, Datum::name("up")),
            Expr::one_of(Field::Ip6Daddr, closed),
            Expr::COUNTER,
            Expr::DROP,
        ],
        comment: Some("egress only".into()),
    };
    table.chains.insert(
        "forward".into(),
        Chain {
            base: Some(base),
            rules: vec![answers, new],
        },
    );
}

/// The name of a cable's end in the internet: of a VPC's internet gateway (0) or a site (its number).
fn uplink(vpc: &VpcId, number: u16) -> String {
    let digits = vpc.digits();
    let tail = digits
        .get(digits.len().saturating_sub(8)..)
        .unwrap_or(digits);
    format!("u{number}-{tail}")
}

/// Connects a namespace to the internet, which routes these public addresses to it.
fn attach(desired: &mut Desired, space: &mut Namespace, far_name: &str, public: &[Ipv4Addr]) {
    space.links.push(veth("up", None, INTERNET, far_name));
    space.sysctls.extend(device_sysctls("up"));
    space.neighbours.push(neighbour("up", TRANSIT, FAR));
    space.routes.push(default_via("up", TRANSIT));
    let far = desired.attachments.entry(INTERNET.into()).or_default();
    far.sysctls.extend(device_sysctls(far_name));
    far.neighbours.push(neighbour(far_name, TRANSIT_FAR, NEAR));
    for address in public {
        let to = Route::to(host(*address));
        let device = Some(far_name.to_string());
        far.routes.push(Route {
            device,
            via: Some(IpAddr::V4(TRANSIT_FAR)),
            ..to
        });
    }
}

fn one_to_one(pairs: &[(Ipv4Addr, Ipv4Addr)]) -> Table {
    let mut table = Table::new("adit");
    let address = |a: Ipv4Addr| Datum::Addr(IpAddr::V4(a));
    let map = |pick: fn(&(Ipv4Addr, Ipv4Addr)) -> (Ipv4Addr, Ipv4Addr)| Set {
        key: vec![KeyType::Ipv4],
        value: Some(ValueType::Ipv4),
        interval: false,
        elements: pairs
            .iter()
            .map(pick)
            .map(|(from, to)| Element {
                key: vec![address(from)],
                value: Some(Value::Addr(IpAddr::V4(to))),
            })
            .collect(),
    };
    table.sets.insert(
        "public_of".into(),
        map(|(private, public)| (*private, *public)),
    );
    table.sets.insert(
        "private_of".into(),
        map(|(private, public)| (*public, *private)),
    );
    let known = Set {
        key: vec![KeyType::Ipv4],
        value: None,
        interval: false,
        elements: pairs
            .iter()
            .map(|(p, _)| Element {
                key: vec![address(*p)],
                value: None,
            })
            .collect(),
    };
    table.sets.insert("known".into(), known);
    let base = |kind, hook, priority| {
        Some(Base {
            kind,
            hook,
            priority,
            drop: false,
        })
    };
    let from = |device: &str| Expr::is(Field::Iifname, Datum::name(device));
    table.chains.insert(
        "unknown".into(),
        Chain {
            base: base(ChainKind::Filter, Hook::Prerouting, -300),
            rules: vec![Rule {
                exprs: vec![
                    from("vpc"),
                    Expr::not_in_set(&[Field::IpSaddr], "known"),
                    Expr::COUNTER,
                    Expr::DROP,
                ],
                comment: Some("no public address".into()),
            }],
        },
    );
    let nat = |field, name: &str| NatTarget::Map {
        fields: vec![field],
        map: name.into(),
        family: IpFamily::V4,
    };
    table.chains.insert(
        "in".into(),
        Chain {
            base: base(ChainKind::Nat, Hook::Prerouting, -100),
            rules: vec![Rule::from([
                from("up"),
                Expr::Dnat(nat(Field::IpDaddr, "private_of")),
            ])],
        },
    );
    table.chains.insert(
        "out".into(),
        Chain {
            base: base(ChainKind::Nat, Hook::Postrouting, 100),
            rules: vec![Rule::from([
                Expr::is(Field::Oifname, Datum::name("up")),
                Expr::Snat(nat(Field::IpSaddr, "public_of")),
            ])],
        },
    );
    table
}

/// On-premises sites: a router of their own at the other end of a private link.
pub(super) fn add_sites(desired: &mut Desired, router: &mut Namespace, view: &VpcView) {
    for site in &view.sites {
        let name = place::site(&site.name);
        let (near, far) = site_link(site.number);
        let mut space = site_namespace(site);
        if !view.unplugged.contains(&site.name) {
            plug_in(router, site);
            space.addresses.push(on("vpn", far, 30));
            space.neighbours.push(neighbour("vpn", near, NEAR));
            for block in &view.vpc.cidrs {
                let to = Route::to(IpNet::V4(block.cidr));
                space.routes.push(Route {
                    device: Some("vpn".into()),
                    via: Some(IpAddr::V4(near)),
                    ..to
                });
            }
        }
        if let Some(public) = site.public_ip {
            space.nft = Some(masquerade(public));
            attach(
                desired,
                &mut space,
                &uplink(&view.vpc.id, site.number),
                &[public],
            );
        }
        let router_ip = site.router();
        if let Some(host) = &site.device {
            let hosts = view.site_hosts.iter().filter(|at| at.site == site.name);
            add_lan(&mut space, site, host, hosts.map(|at| at.ip));
        }
        for at in view.site_hosts.iter().filter(|at| at.site == site.name) {
            let digits = at.id.rsplit('-').next().unwrap_or(&at.id);
            let device = format!("h-{}", short(digits));
            space.links.push(Link {
                name: device.clone(),
                altname: Some(at.id.clone()),
                mac: Some(NEAR),
                mtu: None,
                kind: LinkKind::Veth {
                    peer_ns: at.id.clone(),
                    peer_name: "eth0".into(),
                    peer_mac: Some(Mac(at.mac)),
                },
            });
            space
                .sysctls
                .insert(format!("ipv4/conf/{device}/proxy_arp"), "1".into());
            space
                .sysctls
                .insert(format!("ipv4/neigh/{device}/proxy_delay"), "0".into());
            space.routes.push(Route {
                device: Some(device.clone()),
                ..Route::to(host(at.ip))
            });
            space
                .neighbours
                .push(neighbour(&device, at.ip, Mac(at.mac)));
            let mut inside = Namespace {
                sysctls: quiet(),
                ..Namespace::default()
            };
            inside
                .addresses
                .push(on("eth0", at.ip, site.cidr.prefix_len()));
            inside.neighbours.push(neighbour("eth0", router_ip, NEAR));
            inside.routes.push(default_via("eth0", router_ip));
            desired.namespaces.insert(at.id.clone(), inside);
        }
        desired.namespaces.insert(name, space);
    }
}

/// The cable between a site and the VPC's router.
fn plug_in(router: &mut Namespace, site: &Site) {
    let name = place::site(&site.name);
    let (near, far) = site_link(site.number);
    let device = site_device(site.number);
    router.links.push(veth(&device, Some(&name), &name, "vpn"));
    router.addresses.push(on(&device, near, 30));
    router.neighbours.push(neighbour(&device, far, FAR));
    router.sysctls.extend(device_sysctls(&device));
    let id = NEXTHOP_SITES + u32::from(site.number);
    router.nexthops.push(nexthop(id, far, &device));
    // The router's own packets (errors, answers of the resolver) find the site too.
    router.routes.push(Route {
        nexthop: Some(id),
        ..Route::to(IpNet::V4(site.cidr))
    });
}

fn site_namespace(site: &Site) -> Namespace {
    let mut space = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    space.addresses.push(on("lo", site.router(), 32));
    space.routes.push(Route {
        kind: RouteKind::Unreachable,
        metric: METRIC_LAST,
        ..Route::to(IpNet::V4(site.cidr))
    });
    // Where nothing else leads, say so at once.
    space.routes.push(Route {
        kind: RouteKind::Unreachable,
        metric: METRIC_LAST,
        ..Route::to(IpNet::V4(Ipv4Net::default()))
    });
    space
}

/// A real network behind a device of the host: it has the rest of the site's block.
fn add_lan(
    space: &mut Namespace,
    site: &Site,
    host: &HostDevice,
    hosts: impl Iterator<Item = Ipv4Addr>,
) {
    let device = place::SITE_LAN;
    space.lent.push(lent(device, host));
    space.addresses.push(on(device, site.router(), 32));
    space.sysctls.extend(device_sysctls(device));
    let delay = format!("ipv4/neigh/{device}/proxy_delay");
    space.sysctls.insert(delay, "0".into());
    space.routes.push(Route {
        device: Some(device.to_string()),
        ..Route::to(IpNet::V4(site.cidr))
    });
    // Its hosts find those that run here; for nothing else there this answers.
    for address in hosts {
        space.neighbours.push(Neighbour {
            device: device.to_string(),
            address: IpAddr::V4(address),
            mac: None,
        });
    }
}

fn masquerade(public: Ipv4Addr) -> Table {
    let mut table = Table::new("adit");
    table.chains.insert(
        "out".into(),
        Chain {
            base: Some(Base {
                kind: ChainKind::Nat,
                hook: Hook::Postrouting,
                priority: 100,
                drop: false,
            }),
            rules: vec![Rule::from([
                Expr::is(Field::Oifname, Datum::name("up")),
                Expr::Snat(NatTarget::Addr(IpAddr::V4(public))),
            ])],
        },
    );
    table
}
