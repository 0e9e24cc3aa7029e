//! From a VPC's view to the desired state of its namespaces: a pure function.
//!
//! Placement: a VPC's router has the VPC's id as namespace name, an
//! endpoint (also of a resolver) its endpoint id, an instance its interface id, the internet gateway `<vpc>-igw`, a site
//! `site-<name>`, a site's host its host id. The shared [`INTERNET`] namespace holds the service's
//! public addresses and belongs to a group of its own.
//!
//! How packets choose their way inside a router:
//! 1. `pre` drops what is not from the port's own address and marks by port: the subnet's table;
//! 2. one policy rule per mark leads to the route table; its `throw` of the VPC's blocks leads back
//!    to `main`, which has every port as a /32;
//! 3. `fwd` asks the sender's groups, then the receiver's.
//!
//! What enters from outside (internet gateway, sites) is marked with `OUTSIDE`, whose table knows
//! the VPC's own blocks and nothing else: a gateway endpoint is out of reach by construction.

mod acl;
mod checks;
pub mod count;
mod filter;
mod ipv6;
mod make;
mod nat;
mod outside;
mod peering;
pub mod place;
mod tables;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use adit_model::net as addresses;
use adit_model::{HostDevice, InterfaceUser, NetworkInterface, NetworkInterfaceId, VpcCidr};
use adit_snapshot::{PortUser, PortView, ResolvedRoute, Target, VpcView};
use ipnet::{IpNet, Ipv4Net};

use crate::desired::*;

pub(crate) use make::*;
pub use outside::{Internet, render_internet};
pub use peering::render_peering;
use place::{
    INTERNET_GATEWAY_DEVICE as IGW_DEVICE, gateway_device, port_device, short, site_device,
};
use tables::{add_tables, rule, throw_local};

/// The namespace that stands for the internet, and the group it belongs to.
pub const INTERNET: &str = "internet";

/// Mark and table of packets that enter a VPC from outside.
const OUTSIDE: u32 = 9_000;
/// Route table `n` is kernel table, mark and rule priority `TABLES + n`.
const TABLES: u32 = 10_000;
/// What a gateway endpoint sends back is marked `REFLECT + n`, so that the router's own ICMP errors
/// about it find the way to the endpoint again.
const REFLECT: u32 = 100_000;
/// Priority of the rules for [`OUTSIDE`] and [`REFLECT`] marks.
const EARLY: u32 = 9_000;

const NEXTHOP_INTERNET: u32 = 1;
const NEXTHOP_GATEWAYS: u32 = 0x1_0000;
const NEXTHOP_SITES: u32 = 0x2_0000;
const NEXTHOP_PEERINGS: u32 = 0x3_0000;

/// Every cable has these two ends; an address on a cable needs no uniqueness beyond it.
pub(crate) const NEAR: Mac = Mac([0x02, 0xad, 0x17, 0, 0, 1]);
pub(crate) const FAR: Mac = Mac([0x02, 0xad, 0x17, 0, 0, 2]);

/// Everything that one VPC shall have in the kernel.
pub fn render(view: &VpcView) -> Desired {
    let mut desired = Desired::default();
    let mut router = router(view);
    for port in &view.ports {
        add_port(&mut router, view, port);
        match &port.user {
            // What is behind a device of the host is somebody else's.
            PortUser::Instance if port.host_device().is_some() => {}
            PortUser::Instance => {
                let name = place::instance(&port.interface.id);
                desired.namespaces.insert(name, instance(port));
            }
            PortUser::NatGateway(id) => {
                let name = place::nat_gateway(id);
                desired.namespaces.insert(name, nat::namespace(port));
            }
            PortUser::Endpoint(_) | PortUser::Resolver(_) => {}
        }
    }
    for gateway in &view.gateways {
        let name = place::endpoint(&gateway.endpoint.id);
        let (near, far) = gateway_link(gateway.endpoint.number);
        let device = gateway_device(&gateway.endpoint.id);
        router.links.push(veth(
            &device,
            Some(gateway.endpoint.id.as_str()),
            &name,
            "eth0",
        ));
        router.addresses.push(on(&device, near, 30));
        router.neighbours.push(neighbour(&device, far, FAR));
        router.sysctls.extend(device_sysctls(&device));
        let id = NEXTHOP_GATEWAYS + u32::from(gateway.endpoint.number);
        router.nexthops.push(nexthop(id, far, &device));
        let mark = REFLECT + u32::from(gateway.endpoint.number);
        router.rules.push(rule(EARLY, mark));
        throw_local(&mut router, view, mark, &[]);
        for prefix in &gateway.prefixes {
            router.routes.push(Route {
                table: mark,
                nexthop: Some(id),
                ..Route::to(IpNet::V4(*prefix))
            });
        }
        desired
            .namespaces
            .insert(name, gateway_namespace(gateway, near, far));
    }
    for endpoint in &view.interfaces {
        let name = place::endpoint(&endpoint.endpoint.id);
        desired
            .namespaces
            .insert(name, interface_namespace(view, &endpoint.interfaces));
    }
    for resolver in &view.resolvers {
        let mut space = interface_namespace(view, &resolver.interfaces);
        add_defaults(&mut space, view, &resolver.interfaces);
        let name = place::resolver(&resolver.endpoint.id);
        desired.namespaces.insert(name, space);
    }
    add_tables(&mut router, view);
    outside::add_internet_gateway(&mut desired, &mut router, view);
    outside::add_sites(&mut desired, &mut router, view);
    peering::add_peerings(&mut desired, &mut router, view);
    router.nft = Some(filter::table(view, &router.addresses));
    desired
        .namespaces
        .insert(place::router(&view.vpc.id), router);
    desired
}

fn router(view: &VpcView) -> Namespace {
    let mut router = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    router
        .sysctls
        .insert("ipv4/conf/default/proxy_arp".into(), "1".into());
    router
        .sysctls
        .insert("ipv4/fwmark_reflect".into(), "1".into());
    // It has few sockets: no search for each packet. And its filter knows who may send its addresses; the
    // kernel would look up the way back of each packet to know.
    router.sysctls.extend(settings(&[
        ("ipv4/ip_early_demux", "0"),
        ("ipv4/conf/all/accept_local", "1"),
    ]));
    for subnet in &view.subnets {
        router
            .addresses
            .push(on("lo", addresses::router(subnet.subnet.cidr), 32));
    }
    router
        .addresses
        .push(on("lo", addresses::resolver(view.vpc.cidr()), 32));
    router
        .addresses
        .push(on("lo", addresses::RESOLVER_LINK_LOCAL, 32));
    ipv6::add_router(&mut router, view);
    // A VPC of one subnet at its base has router and resolver apart; a /28 VPC may not.
    router.addresses.sort();
    router.addresses.dedup();
    for block in &view.vpc.cidrs {
        router.routes.push(Route {
            kind: RouteKind::Blackhole,
            metric: METRIC_LAST,
            ..Route::to(IpNet::V4(block.cidr))
        });
    }
    router
}

/// Settings of every namespace that forwards.
pub(crate) fn forwarding() -> BTreeMap<String, String> {
    let mut sysctls = quiet();
    sysctls.insert("ipv4/ip_forward".into(), "1".into());
    sysctls
}

/// Settings of every namespace: no reverse-path filter (marks choose routes, which it does not
/// understand), no redirects, no IPv6 that nobody asked for.
pub(crate) fn quiet() -> BTreeMap<String, String> {
    settings(&[
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv6/conf/default/disable_ipv6", "1"),
    ])
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    let owned = pairs.map(|(key, value)| (key.to_string(), value.to_string()));
    owned.collect()
}

fn device_sysctls(device: &str) -> [(String, String); 1] {
    [(format!("ipv4/conf/{device}/rp_filter"), "0".into())]
}

/// A port on the router's side: a /32, a permanent neighbour, proxy ARP without delay.
fn add_port(router: &mut Namespace, view: &VpcView, port: &PortView) {
    let eni = &port.interface;
    let device = port_device(&eni.id);
    let (peer_ns, peer_name) = match &port.user {
        PortUser::Instance => (place::instance(&eni.id), port.device().to_string()),
        PortUser::NatGateway(id) => (place::nat_gateway(id), "eth0".to_string()),
        PortUser::Endpoint(endpoint) => {
            if !view.interfaces.iter().any(|e| e.endpoint.id == *endpoint) {
                return;
            }
            (place::endpoint(endpoint), place::endpoint_device(&eni.id))
        }
        PortUser::Resolver(endpoint) => {
            if !view.resolvers.iter().any(|e| e.endpoint.id == *endpoint) {
                return;
            }
            (place::resolver(endpoint), place::endpoint_device(&eni.id))
        }
    };
    match port.host_device() {
        None => router.links.push(Link {
            name: device.clone(),
            altname: Some(eni.id.to_string()),
            mac: Some(NEAR),
            mtu: None,
            kind: LinkKind::Veth {
                peer_ns,
                peer_name,
                peer_mac: Some(Mac(eni.mac)),
            },
        }),
        Some(host) => {
            router.lent.push(lent(&device, host));
            // Who asks for the neighbours behind it does so as the subnet's router.
            let address = addresses::router(port.subnet.cidr);
            router.addresses.push(on(&device, address, 32));
        }
    }
    // Others' namespaces know nobody but the router, by its permanent neighbour entry.
    if matches!(port.user, PortUser::Instance) {
        router.sysctls.extend(device_sysctls(&device));
        router
            .sysctls
            .insert(format!("ipv4/conf/{device}/proxy_arp"), "1".into());
        router
            .sysctls
            .insert(format!("ipv4/neigh/{device}/proxy_delay"), "0".into());
    }
    for address in eni.private_ips() {
        router.routes.push(Route {
            device: Some(device.clone()),
            ..Route::to(host(address))
        });
        // The Ethernet address of what is behind a device of the host is its own.
        if port.host_device().is_none() {
            let mac = Mac(eni.mac);
            router.neighbours.push(neighbour(&device, address, mac));
        }
    }
    match port.host_device() {
        None => ipv6::add_port(router, eni, &device),
        Some(_) => ipv6::add_lent_port(router, eni, &device),
    }
}

/// An instance: its address in its subnet, the router as default.
fn instance(port: &PortView) -> Namespace {
    let eni = &port.interface;
    let router = addresses::router(port.subnet.cidr);
    let device = port.device();
    let mut space = Namespace::default();
    // The settings of a namespace that somebody else made are theirs.
    if !matches!(eni.user, InterfaceUser::Attached { .. }) {
        space.sysctls = quiet();
        // Removing an address must not take the others of its subnet along.
        let key = "ipv4/conf/all/promote_secondaries".to_string();
        space.sysctls.insert(key, "1".into());
        if !eni.ipv6.is_empty() {
            ipv6::enable(&mut space);
        }
    } else if !eni.ipv6.is_empty() {
        ipv6::enable_device(&mut space, device);
    }
    ipv6::add_host(&mut space, &eni.ipv6, device, TABLE_MAIN);
    for address in eni.private_ips() {
        let prefix = port.subnet.cidr.prefix_len();
        space.addresses.push(on(device, address, prefix));
    }
    space.neighbours.push(neighbour(device, router, NEAR));
    space.routes.push(default_via(device, router));
    space
}

/// An endpoint that takes every address of its service (AnyIP) from one cable.
fn gateway_namespace(
    gateway: &adit_snapshot::GatewayView,
    near: Ipv4Addr,
    far: Ipv4Addr,
) -> Namespace {
    let mut space = Namespace {
        sysctls: quiet(),
        ..Namespace::default()
    };
    space.addresses.push(on("eth0", far, 30));
    space.neighbours.push(neighbour("eth0", near, NEAR));
    space.routes.push(default_via("eth0", near));
    for prefix in &gateway.prefixes {
        space.routes.push(any_ip(*prefix));
    }
    space
}

/// An endpoint with one port per subnet; replies leave by the port that was asked.
fn interface_namespace(
    view: &VpcView,
    interfaces: &[std::sync::Arc<NetworkInterface>],
) -> Namespace {
    // It forwards nothing and sends no redirects; each setting more costs as much as a route.
    let sysctls = [
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/arp_ignore", "1"),
        ("ipv6/conf/all/disable_ipv6", "1"),
    ];
    let mut space = Namespace {
        sysctls: settings(&sysctls),
        ..Namespace::default()
    };
    for eni in interfaces {
        let Some(port) = view.port(&eni.id) else {
            continue;
        };
        let device = place::endpoint_device(&eni.id);
        let router = addresses::router(port.subnet.cidr);
        // The subnet's place in its VPC is a number that stays while other subnets come and go.
        let table = 100 + u32::from(eni.private_ip) % 0xffff_ff00;
        space.addresses.push(on(&device, eni.private_ip, 32));
        space.neighbours.push(neighbour(&device, router, NEAR));
        space.routes.push(Route {
            table,
            ..default_via(&device, router)
        });
        space.rules.push(PolicyRule {
            priority: 100,
            from: Some(host(eni.private_ip)),
            table,
            ..PolicyRule::default()
        });
        if !eni.ipv6.is_empty() {
            ipv6::enable(&mut space);
        }
        ipv6::add_host(&mut space, &eni.ipv6, &device, table);
        for own in &eni.ipv6 {
            space.rules.push(PolicyRule {
                priority: 100,
                family: IpFamily::V6,
                from: Some(IpNet::from(IpAddr::V6(*own))),
                table,
                ..PolicyRule::default()
            });
        }
    }
    space
}

/// Ways out for sockets that are bound to a device and to no address yet, one by each port.
fn add_defaults(
    space: &mut Namespace,
    view: &VpcView,
    interfaces: &[std::sync::Arc<NetworkInterface>],
) {
    for (metric, eni) in (1..).zip(interfaces) {
        if let Some(port) = view.port(&eni.id) {
            let router = addresses::router(port.subnet.cidr);
            space.routes.push(Route {
                metric,
                ..default_via(&place::endpoint_device(&eni.id), router)
            });
        }
    }
}
