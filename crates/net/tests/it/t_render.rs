//! Rendered VPCs on the real kernel, with `decide::path` as prophet: for every pair of places the
//! path that the pure function predicts is the path that a packet takes.

use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::protocol::Listen;
use adit_net::render::{self, Internet, place};
use adit_snapshot::decide::path::{Arrival, Flow, From, Path, path};
use adit_snapshot::{PortUser, Snapshot, VpcView, build};

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, conversation, lab};

pub(crate) const TESTS: &[Test] = &[
    (
        "render::predictions_hold_in_a_vpc_with_everything",
        predictions_hold_in_a_vpc_with_everything,
    ),
    (
        "render::predictions_hold_after_each_change",
        predictions_hold_after_each_change,
    ),
    (
        "render::an_unchanged_vpc_needs_no_step",
        an_unchanged_vpc_needs_no_step,
    ),
];

/// Every place that is asked for, with the port.
const ASKED: &[(&str, u16)] = &[
    ("198.18.0.10", 443),
    ("198.18.4.10", 443),
    ("10.0.1.100", 443),
    ("10.0.2.100", 443),
    ("10.0.1.100", 80),
    ("10.0.1.10", 443),
    ("10.0.2.10", 443),
    ("10.0.2.77", 443),
    ("192.168.50.10", 443),
];

pub(crate) const VPC: &str = "vpc-00000000000000001";

pub(crate) fn id<T: std::str::FromStr>(prefix: &str, n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}{n:017x}").parse().unwrap()
}

pub(crate) fn owner() -> AccountId {
    "111122223333".parse().unwrap()
}

/// A VPC of two subnets with an instance and an endpoint interface each; one table leads to the
/// gateway endpoint, the other to the internet gateway; a site with one host.
pub(crate) fn world() -> Draft {
    let mut draft = Draft::new(&Intent::default());
    draft.put(service_list());
    let vpc: VpcId = id("vpc-", 1);
    draft.put(vpc_of(&vpc, 1, &["10.0.0.0/16"]));
    put_subnets(&mut draft, &vpc);
    put_routing(&mut draft, &vpc);
    put_groups(&mut draft, &vpc);
    put_endpoints(&mut draft, &vpc);
    draft.put(Site {
        name: "dc".parse().unwrap(),
        owner: owner(),
        cidr: "192.168.50.0/24".parse().unwrap(),
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
        id: "host-00000000000000001".into(),
        site: "dc".parse().unwrap(),
        vpc,
        ip: "192.168.50.10".parse().unwrap(),
        mac: [2, 0, 0, 0, 9, 9],
        lease: lease(),
    });
    draft
}

pub(crate) fn lease() -> Lease {
    Lease { pid: 1, started: 1 }
}

fn put_subnets(draft: &mut Draft, vpc: &VpcId) {
    for n in 1..=2u64 {
        draft.put(Subnet {
            id: id("subnet-", n),
            vpc: vpc.clone(),
            owner: owner(),
            zone: if n == 1 { "us-east-1a" } else { "us-east-1b" }
                .parse()
                .unwrap(),
            cidr: format!("10.0.{n}.0/24").parse().unwrap(),
            ipv6: None,
            map_public_ip: false,
            assign_ipv6: false,
            default_for_az: false,
            tags: Tags::new(),
        });
        let attachment = id("eni-attach-", n);
        let endpoint = id("vpce-", 2);
        let users = [
            (10, InterfaceUser::Run(lease())),
            (
                100,
                InterfaceUser::Endpoint {
                    endpoint,
                    attachment,
                },
            ),
        ];
        for (last, user) in users {
            draft.put(NetworkInterface {
                id: id("eni-", n * 1000 + last),
                vpc: vpc.clone(),
                subnet: id("subnet-", n),
                owner: owner(),
                private_ip: format!("10.0.{n}.{last}").parse().unwrap(),
                secondary: Vec::new(),
                ipv6: Vec::new(),
                public_ip: (n == 2 && last == 10).then(|| "198.19.0.5".parse().unwrap()),
                mac: [2, 0, 0, 0, n as u8, last as u8],
                groups: vec![id("sg-", if last == 10 { 1 } else { 2 })],
                description: String::new(),
                source_dest_check: true,
                user,
                created: 0,
                tags: Tags::new(),
            });
        }
    }
}

fn put_routing(draft: &mut Draft, vpc: &VpcId) {
    let default = Route {
        destination: "0.0.0.0/0".parse().unwrap(),
        target: RouteTarget::InternetGateway(id("igw-", 1)),
    };
    for (n, subnet, routes) in [
        (1, None, Vec::new()),
        (2, Some(id("subnet-", 2)), vec![default]),
    ] {
        draft.put(RouteTable {
            id: id("rtb-", n),
            vpc: vpc.clone(),
            owner: owner(),
            number: n as u16,
            associations: vec![RouteTableAssociation {
                id: id("rtbassoc-", n),
                subnet,
                gateway: None,
            }],
            routes,
            propagating: Vec::new(),
            tags: Tags::new(),
        });
    }
    draft.put(InternetGateway {
        id: id("igw-", 1),
        owner: owner(),
        region: "us-east-1".parse().unwrap(),
        attached: Some(vpc.clone()),
        tags: Tags::new(),
    });
}

fn put_groups(draft: &mut Draft, vpc: &VpcId) {
    let any = || RulePeer::Cidr("0.0.0.0/0".parse().unwrap());
    let rule = |n: u64, egress, port: Option<i32>, peer| SecurityGroupRule {
        id: id("sgr-", n),
        egress,
        protocol: port.map_or(IpProtocol::All, |_| IpProtocol::Tcp),
        from_port: port,
        to_port: port,
        peer,
        description: None,
        tags: Tags::new(),
    };
    // Instances take each other's connections; endpoints take 443 from instances and the site.
    let own = RulePeer::Group(id("sg-", 1));
    let site = RulePeer::Cidr("192.168.50.0/24".parse().unwrap());
    let groups = [
        (
            1,
            vec![
                rule(1, true, None, any()),
                rule(2, false, None, own.clone()),
            ],
        ),
        (
            2,
            vec![
                rule(3, false, Some(443), own),
                rule(4, false, Some(443), site),
            ],
        ),
    ];
    for (n, rules) in groups {
        draft.put(SecurityGroup {
            id: id("sg-", n),
            vpc: vpc.clone(),
            owner: owner(),
            name: format!("g{n}"),
            description: String::new(),
            rules,
            tags: Tags::new(),
        });
    }
}

fn put_endpoints(draft: &mut Draft, vpc: &VpcId) {
    let gateway = EndpointKind::Gateway {
        route_tables: vec![id("rtb-", 1)],
    };
    let interface = EndpointKind::Interface {
        interfaces: vec![id("eni-", 1100), id("eni-", 2100)],
        subnets: vec![id("subnet-", 1), id("subnet-", 2)],
        groups: vec![id("sg-", 2)],
        dns_suffix: "abcd1234".into(),
        private_dns: false,
        inbound_only: false,
    };
    for (n, kind) in [(1, gateway), (2, interface)] {
        draft.put(endpoint(vpc, n, n as u16, kind));
    }
}

/// An S3 endpoint: the `n`-th, with this number in its VPC.
pub(crate) fn endpoint(vpc: &VpcId, n: u64, number: u16, kind: EndpointKind) -> VpcEndpoint {
    VpcEndpoint {
        id: id("vpce-", n),
        vpc: vpc.clone(),
        owner: owner(),
        service: "com.amazonaws.us-east-1.s3".into(),
        kind,
        policy: "{}".into(),
        number,
        changed: Generation(1),
        created: 0,
        client_token: None,
        address_type: AddressType::Ipv4,
        dns_record: None,
        service_region: None,
        connection: None,
        tags: Tags::new(),
    }
}

/// The prefix list of S3 in the Region.
pub(crate) fn service_list() -> PrefixList {
    PrefixList::of_service(
        "pl-63a5400a".parse().unwrap(),
        "com.amazonaws.us-east-1.s3".into(),
        "us-east-1".parse().unwrap(),
        vec![
            "198.18.0.0/22".parse().unwrap(),
            "198.18.4.0/23".parse().unwrap(),
        ],
    )
}

/// A VPC with these blocks; `first` is the number of the first one's association.
pub(crate) fn vpc_of(vpc: &VpcId, first: u64, cidrs: &[&str]) -> Vpc {
    let blocks = cidrs.iter().zip(first..);
    Vpc {
        id: vpc.clone(),
        owner: owner(),
        region: "us-east-1".parse().unwrap(),
        cidrs: blocks
            .map(|(cidr, n)| VpcCidr {
                association: id("vpc-cidr-assoc-", n),
                cidr: cidr.parse().unwrap(),
            })
            .collect(),
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        is_default: false,
        tenancy: "default".into(),
        dhcp_options: id("dopt-", 1),
        tags: Tags::new(),
    }
}

pub(crate) fn place_internet(lab: &Lab) {
    let service = vec![
        "198.18.0.0/22".parse().unwrap(),
        "198.18.4.0/23".parse().unwrap(),
    ];
    lab.settle(
        render::INTERNET,
        &Arc::new(render::render_internet(&Internet { service })),
    );
}

pub(crate) fn place_vpc(lab: &Lab, view: &VpcView) {
    lab.settle(view.vpc.id.as_str(), &Arc::new(render::render(view)));
}

/// Servers in every namespace where a packet may arrive. They name the place.
pub(crate) fn serve(lab: &Lab) {
    for port in [443, 80] {
        lab.serve(render::INTERNET, "internet", &[port]);
        lab.serve("vpce-00000000000000001", "gateway", &[port]);
        for eni in [id::<NetworkInterfaceId>("eni-", 1100), id("eni-", 2100)] {
            let device = place::endpoint_device(&eni);
            let any = [0, 0, 0, 0].into();
            let listen = Listen {
                device: Some(device),
                ..Listen::tcp("vpce-00000000000000002", any, port)
            };
            lab.serve_at(&listen, "interface");
        }
        for eni in [id::<NetworkInterfaceId>("eni-", 1010), id("eni-", 2010)] {
            lab.serve(&place::instance(&eni), "instance", &[port]);
        }
        lab.serve("host-00000000000000001", "site", &[port]);
    }
}

/// Asks from every place for every place, and compares with the prediction.
fn hold_against(lab: &Lab, view: &VpcView) {
    let mut senders: Vec<(From, String, String)> = Vec::new();
    for port in view.ports.iter().filter(|p| p.user == PortUser::Instance) {
        senders.push((
            From::Port(port.interface.id.clone()),
            port.interface.private_ip.to_string(),
            place::instance(&port.interface.id),
        ));
    }
    for host in &view.site_hosts {
        senders.push((
            From::Site(host.site.clone()),
            host.ip.to_string(),
            host.id.clone(),
        ));
    }
    for (from, source, ns) in &senders {
        for (asked, port) in ASKED {
            // What a site asks of itself or of the internet never enters the VPC.
            let local = !asked.starts_with("10.");
            if (matches!(from, From::Site(_)) && local) || asked == source {
                continue;
            }
            let flow = Flow {
                from: from.clone(),
                source: source.parse().unwrap(),
                destination: asked.parse().unwrap(),
                protocol: IpProtocol::Tcp,
                port: *port,
                source_port: 40_000,
            };
            let expected = match path(view, &flow) {
                Path::Arrives(Arrival::Instance(_)) => Some(("instance", source.clone())),
                Path::Arrives(Arrival::Interface(..)) => Some(("interface", source.clone())),
                Path::Arrives(Arrival::Resolver(..)) => Some(("resolver", source.clone())),
                Path::Arrives(Arrival::Gateway(_, seen)) => Some(("gateway", seen.to_string())),
                Path::Arrives(Arrival::Internet(public)) => Some(("internet", public.to_string())),
                Path::Arrives(Arrival::Site(..) | Arrival::Peering(..)) => {
                    Some(("site", source.clone()))
                }
                Path::Arrives(Arrival::Router) | Path::Stopped(_) => None,
            };
            let to = format!("{asked}:{port}");
            let within = match expected {
                Some(_) => Duration::from_secs(5),
                None => Duration::from_millis(250),
            };
            let found = lab
                .connect(ns, &to, within)
                .ok()
                .map(|mut s| conversation(&mut s));
            let expected = expected.map(|(server, seen_as)| format!("{server} {seen_as} {to}"));
            assert_eq!(
                found,
                expected,
                "{flow:?} is predicted as {:?}",
                path(view, &flow)
            );
        }
    }
}

fn view(snapshot: &Snapshot) -> Arc<VpcView> {
    snapshot.vpc(VPC).unwrap().clone()
}

fn predictions_hold_in_a_vpc_with_everything() -> Outcome {
    let lab = lab!();
    let snapshot = build(&Arc::new(world().finish().0));
    place_internet(&lab);
    place_vpc(&lab, &view(&snapshot));
    serve(&lab);
    hold_against(&lab, &view(&snapshot));
    Outcome::Passed
}

fn predictions_hold_after_each_change() -> Outcome {
    let lab = lab!();
    let mut intent = Arc::new(world().finish().0);
    let mut snapshot = build(&intent);
    place_internet(&lab);
    place_vpc(&lab, &view(&snapshot));
    serve(&lab);
    let changes: &[fn(&mut Draft)] = &[
        // A static route for a part of the service's range wins over the endpoint's.
        |d| {
            d.edit::<RouteTable>("rtb-00000000000000001", |table| {
                table.routes.push(Route {
                    destination: "198.18.0.0/24".parse().unwrap(),
                    target: RouteTarget::InternetGateway(id("igw-", 1)),
                });
            });
            d.edit::<NetworkInterface>("eni-000000000000003f2", |eni| {
                eni.public_ip = Some("198.19.0.6".parse().unwrap());
            });
        },
        |d| {
            d.edit::<RouteTable>("rtb-00000000000000001", |table| table.routes.clear());
        },
        // The other subnet's table is associated instead.
        |d| {
            d.edit::<VpcEndpoint>("vpce-00000000000000001", |endpoint| {
                endpoint.kind = EndpointKind::Gateway {
                    route_tables: vec![id("rtb-", 2)],
                };
            });
        },
        |d| {
            d.edit::<SecurityGroup>("sg-00000000000000001", |group| {
                group.rules.retain(|rule| !rule.egress);
            });
        },
        |d| {
            d.edit::<InternetGateway>("igw-00000000000000001", |igw| igw.attached = None);
        },
    ];
    for change in changes {
        let mut draft = Draft::new(&intent);
        change(&mut draft);
        intent = Arc::new(draft.finish().0);
        snapshot = snapshot.next(&intent);
        place_vpc(&lab, &view(&snapshot));
        hold_against(&lab, &view(&snapshot));
    }
    Outcome::Passed
}

fn an_unchanged_vpc_needs_no_step() -> Outcome {
    let lab = lab!();
    let snapshot = build(&Arc::new(world().finish().0));
    place_internet(&lab);
    let desired = Arc::new(render::render(&view(&snapshot)));
    assert!(lab.agent().apply(VPC, &desired).unwrap().steps > 0);
    assert_eq!(lab.agent().apply(VPC, &desired).unwrap().steps, 0);
    assert_eq!(lab.agent().reconcile(VPC, &desired).unwrap().steps, 0);
    Outcome::Passed
}
