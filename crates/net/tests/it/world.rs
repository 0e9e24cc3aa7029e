//! Random worlds of two VPCs with network ACLs, NAT gateways, Elastic IPs, further addresses, peering,
//! sites, middleboxes and gateway tables; and what holds predictions about them against the kernel.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::render::{self, place};
use adit_snapshot::decide::path::{Flow, From, answered, path_between};
use adit_snapshot::{Snapshot, VpcView};

use crate::lab::{Lab, conversation};
use crate::t_render::{
    endpoint, id, lease, owner, place_internet, place_vpc, service_list, vpc_of,
};

/// A small generator: the same numbers on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn chance(&mut self, in_ten: u64) -> bool {
        self.roll(10) < in_ten
    }
}

/// What a world has. All choices are made here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) acls: bool,
    pub(crate) nat: bool,
    pub(crate) peering: bool,
    pub(crate) site: bool,
    pub(crate) gateway: bool,
    pub(crate) edge: bool,
    pub(crate) override_local: bool,
    pub(crate) closed_groups: bool,
    pub(crate) seed: u64,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let mut dice = Dice(seed.wrapping_mul(7919));
        Plan {
            acls: dice.chance(7),
            nat: dice.chance(7),
            peering: dice.chance(7),
            site: dice.chance(5),
            gateway: dice.chance(6),
            edge: dice.chance(2),
            override_local: dice.chance(2),
            closed_groups: dice.chance(4),
            seed,
        }
    }
}

/// The number that things of VPC `v` begin with.
pub(crate) fn nth(v: u64, n: u64) -> u64 {
    v * 0x10_0000 + n
}

pub(crate) fn vpc_id(v: u64) -> VpcId {
    id("vpc-", v)
}

pub(crate) fn world(plan: &Plan) -> Draft {
    let mut dice = Dice(plan.seed);
    let mut draft = Draft::new(&Intent::default());
    draft.put(service_list());
    for v in 1..=2 {
        put_vpc(&mut draft, plan, v, &mut dice);
    }
    if plan.peering {
        let side = |v: u64| PeerSide {
            vpc: vpc_id(v),
            owner: owner(),
            region: "us-east-1".parse().unwrap(),
            number: 3,
            allow_dns: false,
            tags: Tags::new(),
        };
        draft.put(VpcPeeringConnection {
            id: id("pcx-", 1),
            requester: side(1),
            accepter: side(2),
            answer: PeeringAnswer::Accepted,
            created: 0,
        });
    }
    draft
}

/// Three subnets, an instance in each; the first one's table leads to the internet.
pub(crate) fn put_vpc(draft: &mut Draft, plan: &Plan, v: u64, dice: &mut Dice) {
    let vpc = vpc_id(v);
    let blocks = [format!("10.{v}.0.0/16"), format!("10.{}.0.0/16", v + 100)];
    draft.put(vpc_of(
        &vpc,
        nth(v, 0),
        &blocks.each_ref().map(String::as_str),
    ));
    draft.put(InternetGateway {
        id: id("igw-", v),
        owner: owner(),
        region: "us-east-1".parse().unwrap(),
        attached: Some(vpc.clone()),
        tags: Tags::new(),
    });
    // The third subnet is in the secondary block.
    for (n, cidr) in [
        (1, format!("10.{v}.1.0/24")),
        (2, format!("10.{v}.2.0/24")),
        (3, format!("10.{}.3.0/24", v + 100)),
    ] {
        draft.put(Subnet {
            id: id("subnet-", nth(v, n)),
            vpc: vpc.clone(),
            owner: owner(),
            zone: "us-east-1a".parse().unwrap(),
            cidr: cidr.parse().unwrap(),
            ipv6: None,
            map_public_ip: false,
            assign_ipv6: false,
            default_for_az: false,
            tags: Tags::new(),
        });
        let base = cidr.trim_end_matches("0/24").to_string();
        let public = |last: u64| format!("198.19.{v}.{}", n * 16 + last);
        put_interface(draft, v, n, 10, &base, InterfaceUser::Run(lease()), |eni| {
            eni.public_ip = (n == 1).then(|| public(1).parse().unwrap());
            eni.secondary = vec![SecondaryAddress {
                private_ip: format!("{base}11").parse().unwrap(),
                public_ip: (n == 1).then(|| public(2).parse().unwrap()),
            }];
        });
        if n == 1 && plan.nat {
            let gateway: NatGatewayId = id("nat-", v);
            put_interface(
                draft,
                v,
                n,
                50,
                &base,
                InterfaceUser::NatGateway(gateway.clone()),
                |eni| {
                    eni.public_ip = Some(public(9).parse().unwrap());
                    eni.source_dest_check = false;
                    eni.groups.clear();
                },
            );
            draft.put(NatGateway {
                id: gateway,
                vpc: vpc.clone(),
                subnet: id("subnet-", nth(v, n)),
                owner: owner(),
                allocation: Some(id("eipalloc-", v)),
                interface: id("eni-", nth(v, n * 1000 + 50)),
                number: 1,
                changed: Generation(1),
                created: 0,
                tags: Tags::new(),
            });
        }
    }
    put_tables(draft, plan, v, dice);
    put_groups(draft, plan, v);
    if plan.acls {
        put_acls(draft, v, dice);
    }
    if plan.gateway {
        let tables = (1..=3)
            .filter(|_| dice.chance(5))
            .map(|n| id("rtb-", nth(v, n)))
            .collect();
        let kind = EndpointKind::Gateway {
            route_tables: tables,
        };
        draft.put(endpoint(&vpc, v, 1, kind));
    }
    if plan.site {
        draft.put(Site {
            name: format!("dc{v}").parse().unwrap(),
            owner: owner(),
            cidr: format!("192.168.{v}.0/24").parse().unwrap(),
            vpc: vpc.clone(),
            number: 1,
            resolver: None,
            vpn: None,
            public_ip: None,
            device: None,
            address: None,
            created: 0,
        });
        draft.put(SiteHost {
            id: format!("host-{v:017}"),
            site: format!("dc{v}").parse().unwrap(),
            vpc,
            ip: format!("192.168.{v}.10").parse().unwrap(),
            mac: [2, 0, 0, 0, 9, v as u8],
            lease: lease(),
        });
    }
}

pub(crate) fn put_interface(
    draft: &mut Draft,
    v: u64,
    n: u64,
    last: u64,
    base: &str,
    user: InterfaceUser,
    change: impl FnOnce(&mut NetworkInterface),
) {
    let mut eni = NetworkInterface {
        id: id("eni-", nth(v, n * 1000 + last)),
        vpc: vpc_id(v),
        subnet: id("subnet-", nth(v, n)),
        owner: owner(),
        private_ip: format!("{base}{last}").parse().unwrap(),
        secondary: Vec::new(),
        ipv6: Vec::new(),
        public_ip: None,
        mac: [2, 0, 0, v as u8, n as u8, last as u8],
        groups: vec![id("sg-", v)],
        description: String::new(),
        source_dest_check: true,
        user,
        created: 0,
        tags: Tags::new(),
    };
    change(&mut eni);
    draft.put(eni);
}

fn put_tables(draft: &mut Draft, plan: &Plan, v: u64, dice: &mut Dice) {
    let other = 3 - v;
    let to = |destination: &str, target: RouteTarget| Route {
        destination: destination.parse().unwrap(),
        target,
    };
    let peer: VpcPeeringConnectionId = id("pcx-", 1);
    let middle = || RouteTarget::NetworkInterface(id("eni-", nth(v, 2010)));
    for n in 1..=3u64 {
        let mut routes = Vec::new();
        let gateway = RouteTarget::InternetGateway(id("igw-", v));
        match n {
            1 => routes.push(to("0.0.0.0/0", gateway)),
            2 if plan.nat => routes.push(to("0.0.0.0/0", RouteTarget::NatGateway(id("nat-", v)))),
            3 if dice.chance(3) => routes.push(to("0.0.0.0/0", gateway)),
            // A NAT gateway that is not there any more.
            3 if dice.chance(3) => {
                routes.push(to("0.0.0.0/0", RouteTarget::NatGateway(id("nat-", 99))));
            }
            _ => {}
        }
        if plan.peering && dice.chance(8) {
            let target = || RouteTarget::VpcPeeringConnection(peer.clone());
            routes.push(to(&format!("10.{other}.0.0/16"), target()));
            if dice.chance(5) {
                routes.push(to(&format!("10.{}.0.0/16", other + 100), target()));
            }
        }
        if plan.override_local && n == 3 {
            routes.push(to(&format!("10.{v}.0.0/16"), middle()));
        }
        let mut associations = vec![RouteTableAssociation {
            id: id("rtbassoc-", nth(v, n)),
            subnet: (n != 3).then(|| id("subnet-", nth(v, n))),
            gateway: None,
        }];
        if n == 3 {
            // The main table.
            associations[0].subnet = None;
        }
        draft.put(RouteTable {
            id: id("rtb-", nth(v, n)),
            vpc: vpc_id(v),
            owner: owner(),
            number: n as u16,
            associations,
            routes,
            propagating: Vec::new(),
            tags: Tags::new(),
        });
    }
    if plan.edge {
        draft.put(RouteTable {
            id: id("rtb-", nth(v, 9)),
            vpc: vpc_id(v),
            owner: owner(),
            number: 9,
            associations: vec![RouteTableAssociation {
                id: id("rtbassoc-", nth(v, 9)),
                subnet: None,
                gateway: Some(EdgeGateway::Internet(id("igw-", v))),
            }],
            routes: vec![to(&format!("10.{v}.1.0/24"), middle())],
            propagating: Vec::new(),
            tags: Tags::new(),
        });
    }
}

fn put_groups(draft: &mut Draft, plan: &Plan, v: u64) {
    let rule = |n: u64, egress, port: Option<i32>, peer| SecurityGroupRule {
        id: id("sgr-", nth(v, n)),
        egress,
        protocol: port.map_or(IpProtocol::All, |_| IpProtocol::Tcp),
        from_port: port,
        to_port: port,
        peer,
        description: None,
        tags: Tags::new(),
    };
    let any = || RulePeer::Cidr("0.0.0.0/0".parse().unwrap());
    let rules = match plan.closed_groups {
        false => vec![rule(1, true, None, any()), rule(2, false, None, any())],
        // Members of both VPCs' groups may ask on 443.
        true => vec![
            rule(1, true, Some(443), any()),
            rule(2, false, Some(443), RulePeer::Group(id("sg-", v))),
            rule(3, false, Some(443), RulePeer::Group(id("sg-", 3 - v))),
        ],
    };
    draft.put(SecurityGroup {
        id: id("sg-", v),
        vpc: vpc_id(v),
        owner: owner(),
        name: "g".into(),
        description: String::new(),
        rules,
        tags: Tags::new(),
    });
}

/// An ACL per subnet with rules that forbid some of what is asked, or the way back.
fn put_acls(draft: &mut Draft, v: u64, dice: &mut Dice) {
    for n in 1..=3u64 {
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
            let tcp = IpProtocol::Tcp;
            if dice.chance(3) {
                add(200, true, IpProtocol::All, "0.0.0.0/0", None);
            }
            if dice.chance(3) {
                add(
                    90,
                    false,
                    tcp,
                    &format!("10.{}.2.0/24", dice.roll(2) + 1),
                    Some((443, 443)),
                );
            }
            if dice.chance(9) {
                add(100, true, tcp, "0.0.0.0/0", Some((443, 443)));
            }
            if dice.chance(9) {
                add(110, true, tcp, "0.0.0.0/0", Some((32_768, 65_535)));
            }
            if dice.chance(2) {
                add(80, false, IpProtocol::All, "198.18.0.0/22", None);
            }
        }
        draft.put(NetworkAcl {
            id: id("acl-", nth(v, n)),
            vpc: vpc_id(v),
            owner: owner(),
            is_default: n == 1,
            entries,
            associations: vec![AclAssociation {
                id: id("aclassoc-", nth(v, n)),
                subnet: id("subnet-", nth(v, n)),
            }],
            tags: Tags::new(),
        });
    }
}

/// Makes a world true.
pub(crate) fn settle(lab: &Lab, snapshot: &Snapshot) {
    place_internet(lab);
    for view in snapshot.vpcs() {
        for peering in &view.peerings {
            let id = &peering.connection.id;
            let desired = Arc::new(render::render_peering(id));
            lab.agent().apply(id.as_str(), &desired).unwrap();
        }
    }
    for view in snapshot.vpcs() {
        place_vpc(lab, view);
    }
}

pub(crate) fn instance(v: u64, n: u64) -> String {
    place::instance(&id("eni-", nth(v, n * 1000 + 10)))
}

/// Who answers a flow, and as whom it sees the sender; none when nobody does.
pub(crate) type Expected = Option<(&'static str, String)>;

/// Addresses and ports, read.
pub(crate) fn addresses(said: Vec<(String, u16)>) -> Vec<SocketAddr> {
    said.into_iter()
        .map(|(address, port)| SocketAddr::new(address.parse().unwrap(), port))
        .collect()
}

/// A world that stands, and what is predicted of it.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) plan: &'a Plan,
    pub(crate) expected: fn(&Snapshot, &VpcView, &Flow) -> Expected,
}

impl Standing<'_> {
    /// Holds the predictions for a sender of a VPC, at an address in a namespace, against what its
    /// connections meet.
    pub(crate) fn probe(
        &self,
        view: &VpcView,
        (from, source, ns): (From, IpAddr, String),
        asked: &[SocketAddr],
    ) {
        for to in asked {
            let destination = to.ip();
            let sender = match &from {
                From::Port(id) => view.port(id),
                _ => None,
            };
            // What a site asks of others than its VPC never enters the VPC; a host's own addresses are
            // its own.
            let elsewhere =
                matches!(from, From::Site(_)) && !view.blocks().any(|b| b.contains(&destination));
            if elsewhere || sender.is_some_and(|port| port.has(destination)) {
                continue;
            }
            let flow = Flow {
                from: from.clone(),
                source,
                destination,
                protocol: IpProtocol::Tcp,
                port: to.port(),
                source_port: 40_000,
            };
            let expected = (self.expected)(self.snapshot, view, &flow);
            let to = to.to_string();
            let within = match expected {
                Some(_) => Duration::from_secs(5),
                None => Duration::from_millis(250),
            };
            // Of IPv4 addresses the kernel takes the interface's first; of IPv6 addresses it may take any.
            let found = match source {
                IpAddr::V4(_) => self.lab.connect(&ns, &to, within),
                IpAddr::V6(_) => self.lab.connect_from(&ns, source, &to, within),
            };
            let found = found.ok().map(|mut stream| conversation(&mut stream));
            let expected = expected.map(|(server, seen)| format!("{server} {seen} {to}"));
            assert_eq!(
                found,
                expected,
                "{:?}\n{flow:?} is predicted as {:?}, answer {:?}",
                self.plan,
                path_between(self.snapshot, view, &flow),
                answered(view, &flow)
            );
        }
    }
}
