//! Route tables of a VPC as kernel tables.

use super::*;

/// Every route table: back to `main` for the VPC's own, then its routes, then silence.
pub(super) fn add_tables(router: &mut Namespace, view: &VpcView) {
    router.rules.push(rule(EARLY, OUTSIDE));
    throw_local(router, view, OUTSIDE, &[]);
    ipv6::throw_local(router, view, OUTSIDE, &[]);
    for table in &view.tables {
        let number = TABLES + u32::from(table.number);
        router.rules.push(rule(number, number));
        throw_local(router, view, number, &table.routes);
        ipv6::throw_local(router, view, number, &table.routes);
        for route in &table.routes {
            let to = match route.destination {
                IpNet::V4(_) => Route::to(route.destination),
                IpNet::V6(block) if view.has_ipv6() => ipv6::to(block),
                IpNet::V6(_) => continue,
            };
            let to = Route {
                table: number,
                ..to
            };
            let way = target(view, &route.target, IpFamily::of(route.destination.addr()));
            router.routes.push(match way {
                Some(Way::Local) => Route {
                    kind: RouteKind::Throw,
                    ..to
                },
                Some(Way::Nexthop(id)) => Route {
                    nexthop: Some(id),
                    ..to
                },
                Some(Way::Port(device, address)) => Route {
                    device: Some(device),
                    via: Some(address),
                    ..to
                },
                None => Route {
                    kind: RouteKind::Blackhole,
                    ..to
                },
            });
        }
    }
}

enum Way {
    Nexthop(u32),
    Port(String, IpAddr),
    Local,
}

/// How a target is reached; `None` when it is not there, or not for this family.
fn target(view: &VpcView, target: &Target, family: IpFamily) -> Option<Way> {
    let nexthop = |id: u32| match family {
        IpFamily::V4 => Way::Nexthop(id),
        IpFamily::V6 => Way::Nexthop(ipv6::NEXTHOPS + id),
    };
    match target {
        Target::InternetGateway(id) => {
            (view.internet_gateway.as_ref() == Some(id)).then_some(nexthop(NEXTHOP_INTERNET))
        }
        // Endpoints of services and sites have IPv4 alone.
        Target::GatewayEndpoint(_) | Target::Site(_) if family == IpFamily::V6 => None,
        Target::GatewayEndpoint(id) => {
            let gateway = view.gateways.iter().find(|g| g.endpoint.id == *id)?;
            Some(Way::Nexthop(
                NEXTHOP_GATEWAYS + u32::from(gateway.endpoint.number),
            ))
        }
        Target::Site(name) if view.unplugged.contains(name) => None,
        Target::Site(name) => {
            let site = view.sites.iter().find(|s| s.name == *name)?;
            Some(Way::Nexthop(NEXTHOP_SITES + u32::from(site.number)))
        }
        Target::Interface(_, address) | Target::NatGateway(.., address)
            if IpFamily::of(*address) != family =>
        {
            None
        }
        Target::Interface(id, address) | Target::NatGateway(_, id, address) => {
            view.port(id).map(|_| Way::Port(port_device(id), *address))
        }
        Target::Peering(id) => {
            let peering = view.peerings.iter().find(|p| p.connection.id == *id)?;
            Some(nexthop(NEXTHOP_PEERINGS + u32::from(peering.number)))
        }
        Target::Local => Some(Way::Local),
        Target::EgressOnly(id) => {
            let there = family == IpFamily::V6 && view.egress_only.as_ref() == Some(id);
            there.then_some(nexthop(NEXTHOP_INTERNET))
        }
        Target::Blackhole => None,
    }
}

/// What every table has: the VPC's blocks are local, unless one of its routes takes the place of such
/// a route, and no route means silence, as on AWS.
pub(super) fn throw_local(
    router: &mut Namespace,
    view: &VpcView,
    table: u32,
    routes: &[ResolvedRoute],
) {
    let stated = |block: &&VpcCidr| {
        let block = IpNet::V4(block.cidr);
        routes.iter().any(|route| route.destination == block)
    };
    for block in view.vpc.cidrs.iter().filter(|block| !stated(block)) {
        let to = Route {
            table,
            ..Route::to(IpNet::V4(block.cidr))
        };
        router.routes.push(Route {
            kind: RouteKind::Throw,
            ..to
        });
    }
    let last = Route {
        table,
        metric: METRIC_LAST,
        ..Route::to(IpNet::V4(Ipv4Net::default()))
    };
    router.routes.push(Route {
        kind: RouteKind::Blackhole,
        ..last
    });
}

pub(super) fn rule(priority: u32, mark: u32) -> PolicyRule {
    PolicyRule {
        priority,
        mark: Some(mark),
        table: mark,
        ..PolicyRule::default()
    }
}
