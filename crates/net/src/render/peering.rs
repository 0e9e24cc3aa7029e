//! Peering connections: a small router between the two VPCs' routers, with a cable to each.
//!
//! It belongs to a group of its own, so that each VPC states its side alone and neither waits for
//! the other. It forwards only between addresses that the two VPCs have: whoever claims another one
//! is stopped by its strict reverse-path filter, and with IPv6, which has none, by the other side's
//! router.

use adit_model::VpcPeeringConnectionId;
use ipnet::Ipv6Net;

use super::*;

/// The router's end of a cable that needs no address: known by its permanent neighbour entry.
const ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The desired state of a peering connection's group.
pub fn render_peering(id: &VpcPeeringConnectionId) -> Desired {
    let mut space = Namespace {
        sysctls: forwarding(),
        ..Namespace::default()
    };
    for key in ["all", "default"] {
        let key = format!("ipv4/conf/{key}/rp_filter");
        space.sysctls.insert(key, "1".into());
    }
    space.routes.push(Route {
        kind: RouteKind::Blackhole,
        metric: METRIC_LAST,
        ..Route::to(IpNet::V4(Ipv4Net::default()))
    });
    // Either side may get IPv6 one day. Where it has none, no route leads to it.
    ipv6::enable_forwarding(&mut space);
    space.routes.push(Route {
        kind: RouteKind::Blackhole,
        metric: METRIC_LAST,
        ..ipv6::to(Ipv6Net::default())
    });
    let mut desired = Desired::default();
    desired.namespaces.insert(place::peering(id), space);
    desired
}

/// The router's device of a peering connection.
pub(super) fn device(number: u16) -> String {
    format!("x-{number}")
}

/// This VPC's side of its peering connections.
pub(super) fn add_peerings(desired: &mut Desired, router: &mut Namespace, view: &VpcView) {
    for peering in &view.peerings {
        let id = &peering.connection.id;
        let (ns, device) = (place::peering(id), device(peering.number));
        let far_name = if peering.requester {
            "requester"
        } else {
            "accepter"
        };
        let (near, far) = link(192, peering.number);
        router
            .links
            .push(veth(&device, Some(id.as_str()), &ns, far_name));
        router.addresses.push(on(&device, near, 30));
        router.neighbours.push(neighbour(&device, far, FAR));
        router.sysctls.extend(device_sysctls(&device));
        let nexthop_id = NEXTHOP_PEERINGS + u32::from(peering.number);
        router.nexthops.push(nexthop(nexthop_id, far, &device));
        let beyond = peering.blocks.iter();
        for block in beyond.filter(|block| matches!(block, IpNet::V4(_))) {
            // The router's own packets (errors) find the other VPC too.
            router.routes.push(Route {
                nexthop: Some(nexthop_id),
                ..Route::to(*block)
            });
        }
        if view.has_ipv6() {
            ipv6::add_nexthop(router, nexthop_id, &device);
            for block in &peering.blocks {
                if let IpNet::V6(block) = block {
                    router.routes.push(Route {
                        nexthop: Some(ipv6::NEXTHOPS + nexthop_id),
                        ..ipv6::to(*block)
                    });
                }
            }
        }
        let end = desired.attachments.entry(ns).or_default();
        if view.has_ipv6() {
            end.neighbours
                .push(ipv6::known(far_name, ipv6::NEAR_END, NEAR));
        }
        for block in &view.vpc.ipv6 {
            end.routes
                .push(ipv6::via(block.cidr, far_name, ipv6::NEAR_END));
        }
        end.neighbours.push(neighbour(far_name, ROUTER, NEAR));
        for block in &view.vpc.cidrs {
            end.routes.push(Route {
                device: Some(far_name.into()),
                via: Some(IpAddr::V4(ROUTER)),
                ..Route::to(IpNet::V4(block.cidr))
            });
        }
    }
}
