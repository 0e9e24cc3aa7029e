//! The pieces that desired states are made of: cables, addresses, neighbours, routes.

use super::*;

/// Both ends of the cable to gateway endpoint `n`.
pub(super) fn gateway_link(n: u16) -> (Ipv4Addr, Ipv4Addr) {
    link(64, n)
}

/// Both ends of the cable to site `n`.
pub(super) fn site_link(n: u16) -> (Ipv4Addr, Ipv4Addr) {
    link(128, n)
}

/// Cable `n` of a range of link-local addresses: 4,096 cables above 169.254.`third`.0. The ranges
/// keep clear of 169.254.169.253, the resolver's.
pub(super) fn link(third: u8, n: u16) -> (Ipv4Addr, Ipv4Addr) {
    let n = n % 2_560;
    let [high, low] = (n * 4).to_be_bytes();
    let near = Ipv4Addr::new(169, 254, third.saturating_add(high), low | 1);
    let far = Ipv4Addr::new(169, 254, third.saturating_add(high), low | 2);
    (near, far)
}

/// Both ends of the cable to the internet gateway.
pub(super) const IGW_LINK: (Ipv4Addr, Ipv4Addr) = (
    Ipv4Addr::new(169, 254, 10, 1),
    Ipv4Addr::new(169, 254, 10, 2),
);

pub(crate) fn nexthop(id: u32, gateway: Ipv4Addr, device: &str) -> Nexthop {
    let (gateway, device) = (IpAddr::V4(gateway), device.to_string());
    Nexthop {
        id,
        target: NexthopTarget::Via { gateway, device },
    }
}

pub(crate) fn veth(name: &str, altname: Option<&str>, peer_ns: &str, peer_name: &str) -> Link {
    Link {
        name: name.to_string(),
        altname: altname.map(str::to_string),
        mac: Some(NEAR),
        mtu: None,
        kind: LinkKind::Veth {
            peer_ns: peer_ns.to_string(),
            peer_name: peer_name.to_string(),
            peer_mac: Some(FAR),
        },
    }
}

pub(crate) fn lent(name: &str, host: &HostDevice) -> Lent {
    Lent {
        name: name.to_string(),
        device: host.name.clone(),
        forced: host.forced,
    }
}

pub(crate) fn on(device: &str, address: Ipv4Addr, prefix: u8) -> Address {
    let net = Ipv4Net::new(address, prefix).unwrap_or_else(|_| Ipv4Net::from(address));
    Address {
        device: device.to_string(),
        address: IpNet::V4(net),
    }
}

pub(crate) fn host(address: Ipv4Addr) -> IpNet {
    IpNet::V4(Ipv4Net::from(address))
}

pub(crate) fn neighbour(device: &str, address: Ipv4Addr, mac: Mac) -> Neighbour {
    Neighbour {
        device: device.to_string(),
        address: IpAddr::V4(address),
        mac: Some(mac),
    }
}

pub(crate) fn default_via(device: &str, router: Ipv4Addr) -> Route {
    Route {
        device: Some(device.to_string()),
        via: Some(IpAddr::V4(router)),
        ..Route::to(IpNet::V4(Ipv4Net::default()))
    }
}

/// Takes a whole block as addressed to this namespace.
pub(crate) fn any_ip(block: Ipv4Net) -> Route {
    Route {
        kind: RouteKind::Local,
        device: Some("lo".into()),
        table: TABLE_LOCAL,
        ..Route::to(IpNet::V4(block))
    }
}
