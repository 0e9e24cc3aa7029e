//! Random worlds of two VPCs on the real kernel, with network ACLs, NAT gateways, Elastic IPs,
//! further addresses, peering, sites, middleboxes and gateway tables. For every pair of places the
//! path that the pure functions predict, there and back, is what a connection meets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::protocol::Listen;
use adit_net::render::{self, place};
use adit_snapshot::decide::path::{
    Arrival, Flow, From, Path, answered, beyond, path, path_between,
};
use adit_snapshot::{PortUser, Snapshot, VpcView, build};

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, lab};
use crate::t_render::id;
use crate::world::{Expected, Plan, Standing, addresses, instance, nth, settle, world};

pub(crate) const TESTS: &[Test] = &[
    (
        "world::predictions_hold_in_random_worlds",
        predictions_hold_in_random_worlds,
    ),
    (
        "world::a_nat_gateway_shows_its_elastic_ip",
        a_nat_gateway_shows_its_elastic_ip,
    ),
    (
        "world::forged_sources_get_nowhere",
        forged_sources_get_nowhere,
    ),
    (
        "world::gateway_endpoints_are_out_of_a_peers_reach",
        gateway_endpoints_are_out_of_a_peers_reach,
    ),
];

/// Worlds per run. Each has its own seed, so that a failure can be repeated.
const SEEDS: std::ops::Range<u64> = 1..7;

fn serve(lab: &Lab, snapshot: &Snapshot) {
    let any: IpAddr = [0, 0, 0, 0].into();
    for port in [443, 80] {
        let at = |ns: &str, name| lab.serve_at(&Listen::tcp(ns, any, port), name);
        at(render::INTERNET, "internet");
        for view in snapshot.vpcs() {
            for gateway in &view.gateways {
                at(gateway.endpoint.id.as_str(), "gateway");
            }
            for port in view.ports.iter().filter(|p| p.user == PortUser::Instance) {
                at(&place::instance(&port.interface.id), "instance");
            }
            for host in &view.site_hosts {
                at(&host.id, "site");
            }
        }
    }
}

/// What a connection is expected to say: who answers, and as whom it sees the sender.
fn expected(snapshot: &Snapshot, view: &VpcView, flow: &Flow) -> Expected {
    let (ends, there) = path_between(snapshot, view, flow);
    let Path::Arrives(arrival) = there else {
        return None;
    };
    answered(view, flow).ok()?;
    let mut source = flow.source;
    if let Path::Arrives(Arrival::Peering(id, seen)) = path(view, flow) {
        source = seen;
        let far = snapshot.vpc(&ends)?;
        answered(far, &beyond(flow, &id, seen)).ok()?;
    }
    match arrival {
        Arrival::Instance(eni) => {
            let far = snapshot.vpc(&ends)?;
            // A middlebox that does not forward answers nobody.
            let own = far
                .port(&eni)
                .is_some_and(|port| port.has(flow.destination));
            own.then(|| ("instance", source.to_string()))
        }
        Arrival::Gateway(_, seen) => Some(("gateway", seen.to_string())),
        // Of all the internet, the service alone is there.
        Arrival::Internet(public) => {
            let service = flow.destination.to_string().starts_with("198.18.");
            service.then(|| ("internet", public.to_string()))
        }
        Arrival::Site(_, seen) => Some(("site", seen.to_string())),
        _ => None,
    }
}

fn hold_against(lab: &Lab, snapshot: &Snapshot, plan: &Plan) {
    let mut asked: Vec<(String, u16)> = ["198.18.0.10", "198.18.4.10"]
        .map(|a| (a.into(), 443))
        .to_vec();
    for v in 1..=2 {
        let hosts = [
            format!("10.{v}.1.10"),
            format!("10.{v}.2.10"),
            format!("10.{}.3.10", v + 100),
        ];
        asked.extend(hosts.iter().map(|a| (a.clone(), 443)));
        asked.push((hosts[1].clone(), 80));
        asked.push((format!("10.{v}.2.11"), 443));
        asked.push((format!("10.{v}.2.77"), 443));
        asked.push((format!("192.168.{v}.10"), 443));
        if plan.nat {
            asked.push((format!("10.{v}.1.50"), 443));
        }
    }
    let asked = addresses(asked);
    let standing = Standing {
        lab,
        snapshot,
        plan,
        expected,
    };
    std::thread::scope(|scope| {
        for view in snapshot.vpcs() {
            let mut senders: Vec<(From, IpAddr, String)> = Vec::new();
            for port in view.ports.iter().filter(|p| p.user == PortUser::Instance) {
                let eni = &port.interface;
                senders.push((
                    From::Port(eni.id.clone()),
                    eni.private_ip.into(),
                    place::instance(&eni.id),
                ));
            }
            for host in &view.site_hosts {
                senders.push((
                    From::Site(host.site.clone()),
                    host.ip.into(),
                    host.id.clone(),
                ));
            }
            for sender in senders {
                let asked = &asked;
                scope.spawn(move || standing.probe(view, sender, asked));
            }
        }
    });
}

fn predictions_hold_in_random_worlds() -> Outcome {
    for seed in SEEDS {
        let lab = lab!();
        let plan = Plan::of(seed);
        let snapshot = build(&Arc::new(world(&plan).finish().0));
        settle(&lab, &snapshot);
        serve(&lab, &snapshot);
        hold_against(&lab, &snapshot, &plan);
    }
    Outcome::Passed
}

/// A world with everything but filters.
fn open_world() -> Snapshot {
    let plan = Plan {
        nat: true,
        peering: true,
        site: true,
        gateway: true,
        seed: 4,
        ..Plan::default()
    };
    let mut draft = world(&plan);
    for v in 1..=2 {
        let other = 3 - v;
        let mut tables = Vec::new();
        for n in 1..=3 {
            tables.push(id("rtb-", nth(v, n)));
            draft.edit::<RouteTable>(id::<RouteTableId>("rtb-", nth(v, n)), |table| {
                table
                    .routes
                    .retain(|route| !matches!(route.target, RouteTarget::VpcPeeringConnection(_)));
                for block in [other, other + 100] {
                    table.routes.push(Route {
                        destination: format!("10.{block}.0.0/16").parse().unwrap(),
                        target: RouteTarget::VpcPeeringConnection(id("pcx-", 1)),
                    });
                }
            });
        }
        if v == 2 {
            draft.edit::<VpcEndpoint>(id::<VpcEndpointId>("vpce-", v), |endpoint| {
                endpoint.kind = EndpointKind::Gateway {
                    route_tables: tables,
                };
            });
        } else {
            draft.remove::<VpcEndpoint>(id::<VpcEndpointId>("vpce-", v));
        }
    }
    build(&Arc::new(draft.finish().0))
}

fn a_nat_gateway_shows_its_elastic_ip() -> Outcome {
    let lab = lab!();
    let snapshot = open_world();
    settle(&lab, &snapshot);
    serve(&lab, &snapshot);
    lab.reaches(
        &instance(1, 2),
        "198.18.0.10:443",
        "internet",
        "198.19.1.25",
    );
    lab.reaches(
        &instance(1, 1),
        "198.18.0.10:443",
        "internet",
        "198.19.1.17",
    );
    // Nobody reaches the gateway itself, from inside or outside.
    lab.blocked(&instance(1, 1), "10.1.1.50:443");
    lab.blocked(render::INTERNET, "198.19.1.25:443");
    lab.reaches_from(
        render::INTERNET,
        "198.18.0.10",
        "198.19.1.17:443",
        "instance 198.18.0.10 10.1.1.10:443",
    );
    Outcome::Passed
}

fn gateway_endpoints_are_out_of_a_peers_reach() -> Outcome {
    let lab = lab!();
    let snapshot = open_world();
    settle(&lab, &snapshot);
    serve(&lab, &snapshot);
    // The peer's own hosts use their endpoint.
    lab.reaches(&instance(2, 2), "198.18.0.10:443", "gateway", "10.2.2.10");
    lab.reaches(&instance(1, 2), "10.2.2.10:443", "instance", "10.1.2.10");
    lab.reaches(
        &instance(1, 2),
        "198.18.0.10:443",
        "internet",
        "198.19.1.25",
    );
    Outcome::Passed
}

/// Who may forward may also send with any source address; outside its VPC that helps nobody.
fn forged_sources_get_nowhere() -> Outcome {
    let lab = lab!();
    let snapshot = open_world();
    let mut draft = Draft::new(&snapshot.intent);
    draft.edit::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", nth(1, 2010)), |eni| {
        eni.source_dest_check = false;
    });
    let snapshot = snapshot.next(&Arc::new(draft.finish().0));
    settle(&lab, &snapshot);
    serve(&lab, &snapshot);
    let listener = |ns: &str| {
        let any: IpAddr = [0, 0, 0, 0].into();
        let socket = lab.agent().listen_udp(&Listen::udp(ns, any, 7000)).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(400)))
            .unwrap();
        socket
    };
    let send = |source: &str, to: &str| {
        let spec = Listen {
            transparent: true,
            ..Listen::udp(&instance(1, 2), source.parse().unwrap(), 0)
        };
        let socket = lab.agent().listen_udp(&spec).unwrap();
        socket.send_to(b"x", to).unwrap();
    };
    let mut buffer = [0; 8];
    let peer = listener(&instance(2, 2));
    send("10.1.2.10", "10.2.2.10:7000");
    assert!(peer.recv_from(&mut buffer).is_ok(), "an honest one arrives");
    // An address of the peer's own VPC, and one of nobody's.
    for source in ["10.2.1.10", "192.0.2.1"] {
        send(source, "10.2.2.10:7000");
        assert!(
            peer.recv_from(&mut buffer).is_err(),
            "{source} was let through"
        );
    }
    let gateway = listener("vpce-00000000000000002");
    for source in ["10.2.1.10", "10.1.2.10"] {
        send(source, "198.18.0.10:7000");
        assert!(
            gateway.recv_from(&mut buffer).is_err(),
            "{source} reached the endpoint"
        );
    }
    Outcome::Passed
}
