//! IPv6 on the real kernel: random worlds held against the pure functions, and what is special to
//! it: egress-only gateways, no gateway endpoints, ICMPv6, and that it comes and goes.

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
use crate::helpers::output_in;
use crate::lab::{Lab, conversation, lab};
use crate::t_render::{endpoint, id, owner};
use crate::world::{
    Dice, Expected, Plan, Standing, addresses, instance, nth, put_interface, settle, vpc_id, world,
};

pub(crate) const TESTS: &[Test] = &[
    (
        "ipv6::predictions_hold_in_random_worlds",
        predictions_hold_in_random_worlds,
    ),
    (
        "ipv6::egress_only_gateways_let_nobody_in",
        egress_only_gateways_let_nobody_in,
    ),
    (
        "ipv6::gateway_endpoints_carry_ipv4_alone",
        gateway_endpoints_carry_ipv4_alone,
    ),
    (
        "ipv6::forged_sources_get_nowhere",
        forged_sources_get_nowhere,
    ),
    (
        "ipv6::echo_requests_need_a_rule_for_icmpv6",
        echo_requests_need_a_rule_for_icmpv6,
    ),
    ("ipv6::it_comes_and_goes", it_comes_and_goes),
];

/// Worlds per run, each with its own seed.
const SEEDS: std::ops::Range<u64> = 1..5;
/// S3's public address in the Region, beside 198.18.0.10.
const SERVICE: &str = "fd00:ad18::c612:a";
const SERVICE_PORT: &str = "[fd00:ad18::c612:a]:443";

/// An address of subnet `n` of VPC `v`.
pub(crate) fn at(v: u64, n: u64, last: &str) -> String {
    format!("fd00:ad17:0:{v}0{n}::{last}")
}

pub(crate) fn asked_at(v: u64, n: u64, last: &str, port: u16) -> String {
    format!("[{}]:{port}", at(v, n, last))
}

/// Gives both VPCs of a world IPv6: blocks, addresses, routes, rules of groups and ACLs, and a
/// dual-stack interface endpoint.
fn add_ipv6(draft: &mut Draft, plan: &Plan, dice: &mut Dice) {
    for v in 1..=2 {
        draft.edit::<Vpc>(vpc_id(v), |vpc| {
            vpc.ipv6 = vec![VpcIpv6Cidr {
                association: id("vpc-cidr-assoc-", nth(v, 90)),
                cidr: format!("fd00:ad17:0:{v}00::/56").parse().unwrap(),
            }];
        });
        draft.put(EgressOnlyInternetGateway {
            id: id("eigw-", v),
            vpc: vpc_id(v),
            owner: owner(),
            tags: Tags::new(),
        });
        put_interface_endpoint(draft, v);
        for n in 1..=3 {
            draft.edit::<Subnet>(id::<SubnetId>("subnet-", nth(v, n)), |subnet| {
                subnet.ipv6 = Some(SubnetIpv6Cidr {
                    association: id("subnet-cidr-assoc-", nth(v, n)),
                    cidr: format!("{}/64", at(v, n, "")).parse().unwrap(),
                });
            });
            for (last, addresses) in [(10, ["a", "b"]), (100, ["c", "d"])] {
                let eni: NetworkInterfaceId = id("eni-", nth(v, n * 1000 + last));
                draft.edit::<NetworkInterface>(eni, |eni| {
                    eni.ipv6 = addresses
                        .map(|last| at(v, n, last).parse().unwrap())
                        .to_vec();
                });
            }
        }
        add_routes(draft, plan, v, dice);
        add_rules(draft, plan, v, dice);
    }
}

fn put_interface_endpoint(draft: &mut Draft, v: u64) {
    let endpoint_id: VpcEndpointId = id("vpce-", 10 + v);
    let user = InterfaceUser::Endpoint {
        endpoint: endpoint_id.clone(),
        attachment: id("eni-attach-", nth(v, 2)),
    };
    put_interface(draft, v, 2, 100, &format!("10.{v}.2."), user, |_| {});
    let kind = EndpointKind::Interface {
        interfaces: vec![id("eni-", nth(v, 2100))],
        subnets: vec![id("subnet-", nth(v, 2))],
        groups: vec![id("sg-", v)],
        dns_suffix: "abcd1234".into(),
        private_dns: false,
        inbound_only: false,
    };
    let mut made = endpoint(&vpc_id(v), 10 + v, 2, kind);
    made.address_type = AddressType::Dualstack;
    draft.put(made);
}

fn add_routes(draft: &mut Draft, plan: &Plan, v: u64, dice: &mut Dice) {
    let other = 3 - v;
    let middle = RouteTarget::NetworkInterface(id("eni-", nth(v, 2010)));
    let to = |destination: &str, target: RouteTarget| Route {
        destination: destination.parse().unwrap(),
        target,
    };
    let own = format!("fd00:ad17:0:{v}00::/56");
    for n in 1..=3 {
        let mut routes = Vec::new();
        let out = RouteTarget::InternetGateway(id("igw-", v));
        let egress = RouteTarget::EgressOnlyInternetGateway(id("eigw-", v));
        match n {
            1 => routes.push(to("::/0", out)),
            2 => routes.push(to("::/0", egress)),
            _ if dice.chance(3) => routes.push(to("::/0", out)),
            _ if dice.chance(5) => routes.push(to("::/0", egress)),
            _ => {}
        }
        if plan.peering {
            let peer = RouteTarget::VpcPeeringConnection(id("pcx-", 1));
            routes.push(to(&format!("fd00:ad17:0:{other}00::/56"), peer));
        }
        if n == 3 && plan.override_local {
            routes.push(to(&own, middle.clone()));
        }
        if dice.chance(2) {
            // A part of the service's range leads nowhere.
            let gone = RouteTarget::NetworkInterface(id("eni-", 99));
            routes.push(to("fd00:ad18::c612:0/118", gone));
        }
        let table: RouteTableId = id("rtb-", nth(v, n));
        draft.edit::<RouteTable>(table, |table| table.routes.extend(routes));
    }
    if plan.edge {
        let table: RouteTableId = id("rtb-", nth(v, 9));
        draft.edit::<RouteTable>(table, |table| {
            let subnet = format!("{}/64", at(v, 1, ""));
            table.routes.push(to(&subnet, middle));
        });
    }
}

fn add_rules(draft: &mut Draft, plan: &Plan, v: u64, dice: &mut Dice) {
    let rule = |n: u64, egress, port: Option<i32>| SecurityGroupRule {
        id: id("sgr-", nth(v, n)),
        egress,
        protocol: port.map_or(IpProtocol::All, |_| IpProtocol::Tcp),
        from_port: port,
        to_port: port,
        peer: RulePeer::Cidr("::/0".parse().unwrap()),
        description: None,
        tags: Tags::new(),
    };
    let rules = match plan.closed_groups {
        false => vec![rule(11, true, None), rule(12, false, None)],
        // What comes in is a matter of the groups that are named there for both families.
        true => vec![rule(11, true, Some(443))],
    };
    draft.edit::<SecurityGroup>(id::<SecurityGroupId>("sg-", v), |group| {
        group.rules.extend(rules);
    });
    if !plan.acls {
        return;
    }
    for n in 1..=3 {
        let mut entries = Vec::new();
        for egress in [false, true] {
            let mut add = |number, allow, protocol, cidr: &str, ports| {
                entries.push(AclEntry {
                    number,
                    egress,
                    allow,
                    protocol,
                    cidr: cidr.parse().unwrap(),
                    ports,
                    icmp: None,
                });
            };
            if dice.chance(3) {
                add(201, true, IpProtocol::All, "::/0", None);
            }
            if dice.chance(3) {
                let block = format!("{}/64", at(dice.roll(2) + 1, 2, ""));
                add(91, false, IpProtocol::Tcp, &block, Some((443, 443)));
            }
            if dice.chance(9) {
                add(101, true, IpProtocol::Tcp, "::/0", Some((443, 443)));
            }
            if dice.chance(9) {
                add(111, true, IpProtocol::Tcp, "::/0", Some((32_768, 65_535)));
            }
            if dice.chance(2) {
                add(81, false, IpProtocol::All, "fd00:ad18::/96", None);
            }
        }
        draft.edit::<NetworkAcl>(id::<NetworkAclId>("acl-", nth(v, n)), |acl| {
            acl.entries.extend(entries);
        });
    }
}

pub(crate) fn serve(lab: &Lab, snapshot: &Snapshot) {
    let any: IpAddr = [0u16; 8].into();
    for port in [443, 80] {
        let serve = |ns: &str, name| lab.serve_at(&Listen::tcp(ns, any, port), name);
        serve(render::INTERNET, "internet");
        for view in snapshot.vpcs() {
            for endpoint in &view.interfaces {
                serve(endpoint.endpoint.id.as_str(), "interface");
            }
            for port in view.ports.iter().filter(|p| p.user == PortUser::Instance) {
                serve(&place::instance(&port.interface.id), "instance");
            }
        }
    }
}

/// Follows a flow to its end: also into the VPC that the internet leads it to.
fn expected(snapshot: &Snapshot, view: &VpcView, flow: &Flow) -> Expected {
    let (ends, there) = path_between(snapshot, view, flow);
    let Path::Arrives(mut arrival) = there else {
        return None;
    };
    answered(view, flow).ok()?;
    let mut far = snapshot.vpc(&ends)?.clone();
    if let Path::Arrives(Arrival::Peering(id, seen)) = path(view, flow) {
        answered(&far, &beyond(flow, &id, seen)).ok()?;
    }
    if let Arrival::Internet(seen) = arrival {
        let mut all = snapshot.vpcs();
        let owner = all.find(|v| v.blocks().any(|block| block.contains(&flow.destination)));
        let Some(owner) = owner else {
            let service = net::IPV6_PUBLIC.contains(&match flow.destination {
                IpAddr::V6(address) => address,
                IpAddr::V4(_) => return None,
            });
            return service.then(|| ("internet", seen.to_string()));
        };
        let arriving = Flow {
            from: From::Internet,
            source: seen,
            ..flow.clone()
        };
        far = owner.clone();
        match path(&far, &arriving) {
            Path::Arrives(at) => arrival = at,
            Path::Stopped(_) => return None,
        }
        answered(&far, &arriving).ok()?;
    }
    match arrival {
        Arrival::Instance(eni) => {
            let own = far
                .port(&eni)
                .is_some_and(|port| port.has(flow.destination));
            own.then(|| ("instance", flow.source.to_string()))
        }
        Arrival::Interface(..) => Some(("interface", flow.source.to_string())),
        _ => None,
    }
}

fn hold_against(lab: &Lab, snapshot: &Snapshot, plan: &Plan) {
    let mut asked: Vec<(String, u16)> = vec![
        (SERVICE.into(), 443),
        ("fd00:ad18::c612:40a".into(), 443),
        ("fd00:ad19::1".into(), 443),
    ];
    for v in 1..=2 {
        asked.extend((1..=3).map(|n| (at(v, n, "a"), 443)));
        asked.push((at(v, 2, "a"), 80));
        asked.push((at(v, 2, "b"), 443));
        asked.push((at(v, 2, "c"), 443));
        asked.push((at(v, 2, "77"), 443));
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
            for port in view.ports.iter().filter(|p| p.user == PortUser::Instance) {
                let asked = &asked;
                let eni = &port.interface;
                let sender = (
                    From::Port(eni.id.clone()),
                    eni.ipv6[0].into(),
                    place::instance(&eni.id),
                );
                scope.spawn(move || standing.probe(view, sender, asked));
            }
        }
    });
}

fn with_ipv6(plan: &Plan) -> Draft {
    let mut draft = world(plan);
    add_ipv6(&mut draft, plan, &mut Dice(plan.seed.wrapping_mul(104_729)));
    draft
}

fn predictions_hold_in_random_worlds() -> Outcome {
    for seed in SEEDS {
        let lab = lab!();
        let plan = Plan::of(seed);
        let snapshot = build(&Arc::new(with_ipv6(&plan).finish().0));
        settle(&lab, &snapshot);
        serve(&lab, &snapshot);
        hold_against(&lab, &snapshot, &plan);
    }
    Outcome::Passed
}

/// Both VPCs with everything but filters; the third subnets lead nowhere.
pub(crate) fn open_world(peering: bool) -> Snapshot {
    let plan = Plan {
        gateway: true,
        peering,
        seed: 4,
        ..Plan::default()
    };
    let mut draft = with_ipv6(&plan);
    for v in 1..=2 {
        draft.edit::<RouteTable>(id::<RouteTableId>("rtb-", nth(v, 3)), |table| {
            table.routes.clear();
        });
        draft.edit::<VpcEndpoint>(id::<VpcEndpointId>("vpce-", v), |endpoint| {
            let tables = (1..=3).map(|n| id("rtb-", nth(v, n)));
            endpoint.kind = EndpointKind::Gateway {
                route_tables: tables.collect(),
            };
        });
    }
    build(&Arc::new(draft.finish().0))
}

fn egress_only_gateways_let_nobody_in() -> Outcome {
    let lab = lab!();
    let mut snapshot = open_world(false);
    settle(&lab, &snapshot);
    serve(&lab, &snapshot);
    let (public, private) = (instance(1, 1), instance(1, 2));
    lab.reaches(&public, SERVICE_PORT, "internet", &at(1, 1, "a"));
    lab.reaches(&private, SERVICE_PORT, "internet", &at(1, 2, "a"));
    // From one VPC to the other by the internet: out by either gateway, in by the internet gateway.
    let (in_public, in_private) = (asked_at(2, 1, "a", 443), asked_at(2, 2, "a", 443));
    lab.reaches(&public, &in_public, "instance", &at(1, 1, "a"));
    lab.reaches(&private, &in_public, "instance", &at(1, 2, "a"));
    lab.blocked(&public, &in_private);
    // With the egress-only gateway alone there is a way out, and none in.
    let mut draft = Draft::new(&snapshot.intent);
    draft.edit::<InternetGateway>(id::<InternetGatewayId>("igw-", 2), |igw| {
        igw.attached = None;
    });
    snapshot = snapshot.next(&Arc::new(draft.finish().0));
    settle(&lab, &snapshot);
    lab.blocked(&public, &in_public);
    lab.blocked(&instance(2, 1), SERVICE_PORT);
    lab.reaches(&instance(2, 2), SERVICE_PORT, "internet", &at(2, 2, "a"));
    Outcome::Passed
}

/// The service's prefix list has IPv4 blocks alone: IPv6 goes to the service's public addresses, or
/// nowhere, whatever endpoint the route table has.
fn gateway_endpoints_carry_ipv4_alone() -> Outcome {
    let lab = lab!();
    let snapshot = open_world(false);
    settle(&lab, &snapshot);
    serve(&lab, &snapshot);
    for view in snapshot.vpcs() {
        lab.serve(view.gateways[0].endpoint.id.as_str(), "gateway", &[443]);
        let v6 = Listen::tcp(view.gateways[0].endpoint.id.as_str(), [0u16; 8].into(), 443);
        lab.serve_at(&v6, "gateway");
    }
    lab.reaches(&instance(1, 1), "198.18.0.10:443", "gateway", "10.1.1.10");
    lab.reaches(&instance(1, 1), SERVICE_PORT, "internet", &at(1, 1, "a"));
    lab.reaches(&instance(1, 3), "198.18.0.10:443", "gateway", "10.101.3.10");
    lab.blocked(&instance(1, 3), SERVICE_PORT);
    Outcome::Passed
}

fn forged_sources_get_nowhere() -> Outcome {
    let lab = lab!();
    let snapshot = open_world(true);
    let forwards: NetworkInterfaceId = id("eni-", nth(1, 1010));
    let mut draft = Draft::new(&snapshot.intent);
    draft.edit::<NetworkInterface>(&forwards, |eni| eni.source_dest_check = false);
    let snapshot = snapshot.next(&Arc::new(draft.finish().0));
    settle(&lab, &snapshot);
    let listener = |ns: &str| {
        let any: IpAddr = [0u16; 8].into();
        let socket = lab.agent().listen_udp(&Listen::udp(ns, any, 7000)).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(400)))
            .unwrap();
        socket
    };
    let send = |ns: &str, source: &str, to: &str| {
        let spec = Listen {
            transparent: true,
            ..Listen::udp(ns, source.parse().unwrap(), 0)
        };
        let socket = lab.agent().listen_udp(&spec).unwrap();
        socket.send_to(b"x", to).unwrap();
    };
    let mut buffer = [0; 8];
    let (inside, peer) = (listener(&instance(1, 2)), listener(&instance(2, 2)));
    let outside = listener(render::INTERNET);
    let (honest, checked) = (instance(1, 1), instance(1, 3));
    let to_inside = asked_at(1, 2, "a", 7000);
    let to_peer = asked_at(2, 2, "a", 7000);
    let to_outside = format!("[{SERVICE}]:7000");
    // Whose source is checked sends as nobody else, whoever forwards may inside its VPC.
    send(&checked, &at(1, 3, "b"), &to_inside);
    assert!(inside.recv_from(&mut buffer).is_ok());
    send(&checked, &at(1, 1, "a"), &to_inside);
    assert!(inside.recv_from(&mut buffer).is_err());
    send(&honest, "fd00:ad19::1", &to_inside);
    assert!(inside.recv_from(&mut buffer).is_ok());
    // Beyond its VPC that helps nobody.
    for (to, socket) in [(&to_peer, &peer), (&to_outside, &outside)] {
        send(&honest, &at(1, 1, "a"), to);
        assert!(socket.recv_from(&mut buffer).is_ok(), "{to}");
        for source in [at(2, 1, "a"), "fd00:ad19::1".to_string()] {
            send(&honest, &source, to);
            assert!(socket.recv_from(&mut buffer).is_err(), "{source} at {to}");
        }
    }
    Outcome::Passed
}

fn echo_requests_need_a_rule_for_icmpv6() -> Outcome {
    let lab = lab!();
    let mut snapshot = open_world(false);
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let echo = |to: &str| output_in(lab.agent(), &instance(1, 1), program, &["echo-ipv6", to]);
    let peer = at(1, 2, "a");
    for (rule, answer) in [
        (None, "silence"),
        // Another type, and the same number of the other family's protocol.
        (Some((IpProtocol::Icmpv6, 1, "::/0")), "silence"),
        (Some((IpProtocol::Icmp, 128, "::/0")), "silence"),
        (
            Some((IpProtocol::Icmpv6, 128, "fd00:ad17:0:102::/64")),
            "silence",
        ),
        (Some((IpProtocol::Icmpv6, 128, "::/0")), "answered"),
    ] {
        let mut draft = Draft::new(&snapshot.intent);
        draft.edit::<SecurityGroup>(id::<SecurityGroupId>("sg-", 1), |group| {
            group.rules.retain(|rule| rule.egress);
            group
                .rules
                .extend(rule.map(|(protocol, kind, cidr)| SecurityGroupRule {
                    id: id("sgr-", nth(1, 20)),
                    egress: false,
                    protocol,
                    from_port: Some(kind),
                    to_port: Some(-1),
                    peer: RulePeer::Cidr(cidr.parse().unwrap()),
                    description: None,
                    tags: Tags::new(),
                }));
        });
        snapshot = snapshot.next(&Arc::new(draft.finish().0));
        settle(&lab, &snapshot);
        assert_eq!(echo(&peer).trim(), answer, "{rule:?}");
        let flow = Flow {
            from: From::Port(id("eni-", nth(1, 1010))),
            source: at(1, 1, "a").parse().unwrap(),
            destination: peer.parse().unwrap(),
            protocol: IpProtocol::Icmpv6,
            port: 128,
            source_port: 0,
        };
        let arrives = matches!(
            path(snapshot.vpc(vpc_id(1)).unwrap(), &flow),
            Path::Arrives(_)
        );
        assert_eq!(arrives, answer == "answered", "{rule:?}");
    }
    // The subnet's router answers everybody.
    assert_eq!(echo(&at(1, 1, "1")).trim(), "answered");
    assert_eq!(echo(&at(1, 2, "1")).trim(), "answered");
    Outcome::Passed
}

/// A VPC gets its block while it is used, and loses it again; IPv4 does not notice.
fn it_comes_and_goes() -> Outcome {
    let lab = lab!();
    let plan = Plan {
        peering: true,
        seed: 4,
        ..Plan::default()
    };
    let without = build(&Arc::new(world(&plan).finish().0));
    let with = build(&Arc::new(with_ipv6(&plan).finish().0));
    settle(&lab, &without);
    lab.serve(&instance(1, 2), "instance", &[443]);
    let mut stream = lab
        .connect(&instance(1, 1), "10.1.2.10:443", Duration::from_secs(5))
        .unwrap();
    let v6 = asked_at(1, 2, "a", 443);
    lab.blocked(&instance(1, 1), &v6);
    for _ in 0..2 {
        settle(&lab, &with);
        let any: IpAddr = [0u16; 8].into();
        let listener = lab
            .agent()
            .listen_tcp(&Listen::tcp(&instance(1, 2), any, 444))
            .unwrap();
        let to = asked_at(1, 2, "a", 444);
        assert!(
            lab.connect(&instance(1, 1), &to, Duration::from_secs(5))
                .is_ok()
        );
        drop(listener);
        settle(&lab, &without);
        lab.blocked(&instance(1, 1), &to);
        assert_eq!(
            conversation(&mut stream),
            "instance 10.1.1.10 10.1.2.10:443"
        );
    }
    Outcome::Passed
}
