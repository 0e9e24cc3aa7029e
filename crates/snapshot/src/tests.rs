//! What building promises, on a small hand-made world.

use std::sync::Arc;

use adit_model::*;

use crate::decide::name::{self, Found, NameReason, Viewpoint};
use crate::vpc::{ResolvedRoute, Target};
use crate::{Snapshot, build};

const POLICY: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn id<T: std::str::FromStr>(prefix: &str, n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}{n:017x}").parse().unwrap()
}

/// One VPC of two subnets, one gateway and one interface endpoint.
fn world() -> Draft {
    let mut draft = Draft::new(&Intent::default());
    let owner: AccountId = "111122223333".parse().unwrap();
    let region: Region = "us-east-1".parse().unwrap();
    draft.put(Installation {
        id: "test".into(),
        default_region: region.clone(),
        quotas: Default::default(),
    });
    draft.put(RegionInfo {
        name: region.clone(),
        zones: vec!["us-east-1a".parse().unwrap(), "us-east-1b".parse().unwrap()],
        public_addresses: "198.19.0.0/21".parse().unwrap(),
    });
    draft.put(PrefixList::of_service(
        "pl-63a5400a".parse().unwrap(),
        "com.amazonaws.us-east-1.s3".into(),
        region.clone(),
        vec![
            "198.18.0.0/22".parse().unwrap(),
            "198.18.4.0/23".parse().unwrap(),
        ],
    ));
    let vpc: VpcId = id("vpc-", 1);
    draft.put(Vpc {
        id: vpc.clone(),
        owner: owner.clone(),
        region,
        cidrs: vec![VpcCidr {
            association: id("vpc-cidr-assoc-", 1),
            cidr: "10.0.0.0/16".parse().unwrap(),
        }],
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        is_default: false,
        tenancy: "default".into(),
        dhcp_options: id("dopt-", 1),
        tags: Tags::new(),
    });
    for n in 1..=2u64 {
        draft.put(Subnet {
            id: id("subnet-", n),
            vpc: vpc.clone(),
            owner: owner.clone(),
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
        draft.put(NetworkInterface {
            id: id("eni-", n),
            vpc: vpc.clone(),
            subnet: id("subnet-", n),
            owner: owner.clone(),
            private_ip: format!("10.0.{n}.100").parse().unwrap(),
            secondary: Vec::new(),
            ipv6: Vec::new(),
            public_ip: None,
            mac: [2, 0, 0, 0, 0, n as u8],
            groups: vec![id("sg-", 1)],
            description: String::new(),
            source_dest_check: true,
            user: InterfaceUser::Endpoint {
                endpoint: id("vpce-", 2),
                attachment: id("eni-attach-", n),
            },
            created: 0,
            tags: Tags::new(),
        });
    }
    let table = |n: u64, subnet: Option<SubnetId>, routes| RouteTable {
        id: id("rtb-", n),
        vpc: vpc.clone(),
        owner: owner.clone(),
        number: n as u16,
        associations: vec![RouteTableAssociation {
            id: id("rtbassoc-", n),
            subnet,
            gateway: None,
        }],
        routes,
        propagating: Vec::new(),
        tags: Tags::new(),
    };
    let identical = Route {
        destination: "198.18.4.0/23".parse().unwrap(),
        target: RouteTarget::InternetGateway(id("igw-", 9)),
    };
    draft.put(table(1, None, Vec::new()));
    draft.put(table(2, Some(id("subnet-", 2)), vec![identical]));
    draft.put(SecurityGroup {
        id: id("sg-", 1),
        vpc: vpc.clone(),
        owner: owner.clone(),
        name: "default".into(),
        description: String::new(),
        rules: Vec::new(),
        tags: Tags::new(),
    });
    let endpoint = |n: u64, kind| VpcEndpoint {
        id: id("vpce-", n),
        vpc: vpc.clone(),
        owner: owner.clone(),
        service: "com.amazonaws.us-east-1.s3".into(),
        kind,
        policy: POLICY.into(),
        number: n as u16,
        changed: Generation(1),
        created: 0,
        client_token: None,
        address_type: AddressType::Ipv4,
        dns_record: None,
        service_region: None,
        connection: None,
        tags: Tags::new(),
    };
    draft.put(endpoint(
        1,
        EndpointKind::Gateway {
            route_tables: vec![id("rtb-", 2)],
        },
    ));
    draft.put(endpoint(2, interface(false, false)));
    draft
}

fn interface(private_dns: bool, inbound_only: bool) -> EndpointKind {
    EndpointKind::Interface {
        interfaces: vec![id("eni-", 1), id("eni-", 2)],
        subnets: vec![id("subnet-", 1), id("subnet-", 2)],
        groups: vec![id("sg-", 1)],
        dns_suffix: "abcd1234".into(),
        private_dns,
        inbound_only,
    }
}

fn snapshot(draft: Draft) -> Snapshot {
    build(&Arc::new(draft.finish().0))
}

#[test]
fn i4_build_is_a_function() {
    let intent = Arc::new(world().finish().0);
    let text = |s: &Snapshot| format!("{:?}", s.vpcs().collect::<Vec<_>>());
    assert_eq!(text(&build(&intent)), text(&build(&intent)));
}

#[test]
fn following_equals_building_from_scratch() {
    let mut intent = Arc::new(world().finish().0);
    let mut followed = build(&intent);
    let steps: Vec<fn(&mut Draft)> = vec![
        |d| {
            d.edit::<Vpc>("vpc-00000000000000001", |vpc| vpc.dns_hostnames = false);
        },
        |d| {
            d.remove::<VpcEndpoint>("vpce-00000000000000001");
        },
        |d| {
            d.edit::<PrefixList>("pl-63a5400a", |list| {
                list.entries = vec!["198.18.8.0/24".parse().unwrap()]
            });
        },
        |d| {
            d.remove::<NetworkInterface>("eni-00000000000000002");
        },
        |d| {
            d.remove::<Vpc>("vpc-00000000000000001");
        },
    ];
    for step in steps {
        let mut draft = Draft::new(&intent);
        step(&mut draft);
        intent = Arc::new(draft.finish().0);
        followed = followed.next(&intent);
        let fresh = build(&intent);
        // Views say in which generation they were built; what they say otherwise is the same.
        let text = |s: &Snapshot| {
            let views: Vec<_> = s
                .vpcs()
                .map(|v| format!("{:?} {:?} {:?} {:?}", v.vpc, v.tables, v.ports, v.gateways))
                .collect();
            format!("{views:?} {:?}", s.endpoints().collect::<Vec<_>>())
        };
        assert_eq!(text(&followed), text(&fresh));
    }
    assert_eq!(followed.vpcs().count(), 0);
}

#[test]
fn i5_what_cannot_be_realised_is_a_problem_and_the_rest_proceeds() {
    let mut draft = world();
    draft.remove::<Subnet>("subnet-00000000000000002");
    let snapshot = snapshot(draft);
    let problems: Vec<_> = snapshot.problems().collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("subnet-00000000000000002"));
    assert_eq!(
        snapshot.vpc("vpc-00000000000000001").unwrap().ports.len(),
        1
    );
}

#[test]
fn endpoint_routes_stand_in_associated_tables_and_yield_to_identical_static_ones() {
    let snapshot = snapshot(world());
    let view = snapshot.vpc("vpc-00000000000000001").unwrap();
    assert!(
        view.tables[0].routes.is_empty(),
        "the main table is not associated"
    );
    let route = |destination: &str, target| ResolvedRoute {
        destination: destination.parse().unwrap(),
        target,
    };
    assert_eq!(
        view.tables[1].routes,
        [
            // The gateway of the static route is not attached: a blackhole, but it still wins.
            route("198.18.4.0/23", Target::Blackhole),
            route("198.18.0.0/22", Target::GatewayEndpoint(id("vpce-", 1))),
        ]
    );
}

#[test]
fn names_answer_by_viewpoint() {
    let inside = Viewpoint::Vpc(id("vpc-", 1));
    let inbound = Viewpoint::Inbound(id("vpc-", 1));
    let both = vec!["10.0.1.100".parse().unwrap(), "10.0.2.100".parse().unwrap()];
    let public = vec!["198.18.0.10".parse().unwrap()];
    let regional = "vpce-00000000000000002-abcd1234.s3.us-east-1.vpce.amazonaws.com";
    let zonal = "vpce-00000000000000002-abcd1234-us-east-1b.s3.us-east-1.vpce.amazonaws.com";
    let addresses = |draft: Draft, from: &Viewpoint, asked: &str| {
        name::name(&snapshot(draft), from, asked).found
    };
    for from in [&inside, &inbound, &Viewpoint::Public] {
        assert_eq!(
            addresses(world(), from, regional),
            Found::Addresses(both.clone())
        );
        assert_eq!(
            addresses(world(), from, &format!("b.bucket.{regional}")),
            Found::Addresses(both.clone())
        );
        assert_eq!(
            addresses(world(), from, zonal),
            Found::Addresses(vec![both[1]])
        );
        for asked in [
            "b.s3.us-east-1.amazonaws.com",
            "s3.amazonaws.com",
            "b.s3.amazonaws.com",
            "123456789012.s3-control.us-east-1.amazonaws.com",
        ] {
            assert_eq!(
                addresses(world(), from, asked),
                Found::Addresses(public.clone()),
                "{asked}"
            );
        }
        for asked in [
            "s3.eu-west-1.amazonaws.com",
            "example.com",
            "vpce-00000000000000002-wrong123.s3.us-east-1.vpce.amazonaws.com",
            "vpce-00000000000000001-abcd1234.s3.us-east-1.vpce.amazonaws.com",
        ] {
            assert_eq!(addresses(world(), from, asked), Found::NoName, "{asked}");
        }
    }
    assert_eq!(
        addresses(world(), &inside, "ip-10-0-1-7.ec2.internal"),
        Found::Addresses(vec!["10.0.1.7".parse().unwrap()])
    );
    assert_eq!(
        addresses(world(), &inside, "ip-10-9-1-7.ec2.internal"),
        Found::NoName
    );
    assert_eq!(
        addresses(world(), &Viewpoint::Public, "ip-10-0-1-7.ec2.internal"),
        Found::NoName
    );
}

#[test]
fn private_dns_takes_regional_names_over() {
    let with = |inbound_only| {
        let mut draft = world();
        draft.edit::<VpcEndpoint>("vpce-00000000000000002", |e| {
            e.kind = interface(true, inbound_only)
        });
        snapshot(draft)
    };
    let inside = Viewpoint::Vpc(id("vpc-", 1));
    let inbound = Viewpoint::Inbound(id("vpc-", 1));
    let taken = NameReason::PrivateDns(id("vpce-", 2));
    let asked = "b.s3.us-east-1.amazonaws.com";
    assert_eq!(name::name(&with(false), &inside, asked).reason, taken);
    assert_eq!(name::name(&with(false), &inbound, asked).reason, taken);
    assert_ne!(name::name(&with(true), &inside, asked).reason, taken);
    assert_eq!(name::name(&with(true), &inbound, asked).reason, taken);
    for never in [
        "b.s3.amazonaws.com",
        "b.s3-us-east-1.amazonaws.com",
        "b.s3.dualstack.us-east-1.amazonaws.com",
    ] {
        assert_ne!(
            name::name(&with(false), &inside, never).reason,
            taken,
            "{never}"
        );
    }
    assert_ne!(
        name::name(&with(false), &Viewpoint::Public, asked).reason,
        taken
    );
}

#[test]
fn a_vpc_without_dns_support_answers_nothing() {
    let mut draft = world();
    draft.edit::<Vpc>("vpc-00000000000000001", |vpc| vpc.dns_support = false);
    let found = name::name(
        &snapshot(draft),
        &Viewpoint::Vpc(id("vpc-", 1)),
        "s3.us-east-1.amazonaws.com",
    )
    .found;
    assert_eq!(found, Found::Refused);
}

mod paths {
    use super::*;
    use crate::decide::path::{Arrival, Flow, From, Path, Stop, path};

    /// The world with an internet gateway, two instances and rules that let everything out and 443 in.
    fn peopled() -> Snapshot {
        let mut draft = world();
        let vpc: VpcId = id("vpc-", 1);
        draft.put(InternetGateway {
            id: id("igw-", 9),
            owner: "111122223333".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            attached: Some(vpc.clone()),
            tags: Tags::new(),
        });
        let https = |n: u64, egress: bool, protocol: IpProtocol, ports: Option<i32>, peer: &str| {
            SecurityGroupRule {
                id: id("sgr-", n),
                egress,
                protocol,
                from_port: ports,
                to_port: ports,
                peer: RulePeer::Cidr(peer.parse().unwrap()),
                description: None,
                tags: Tags::new(),
            }
        };
        draft.edit::<SecurityGroup>("sg-00000000000000001", |group| {
            group.rules = vec![
                https(1, true, IpProtocol::All, None, "0.0.0.0/0"),
                https(2, false, IpProtocol::Tcp, Some(443), "10.0.0.0/16"),
            ];
        });
        for n in 1..=2u64 {
            let endpoint = draft
                .get::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", n))
                .unwrap();
            let mut instance = NetworkInterface::clone(endpoint);
            instance.id = id("eni-", n + 10);
            instance.private_ip = format!("10.0.{n}.10").parse().unwrap();
            instance.user = InterfaceUser::Run(Lease { pid: 1, started: 1 });
            draft.put(instance);
        }
        draft.put(Site {
            name: "dc".parse().unwrap(),
            owner: "111122223333".parse().unwrap(),
            cidr: "192.168.50.0/24".parse().unwrap(),
            vpc,
            number: 1,
            resolver: None,
            vpn: None,
            public_ip: None,
            device: None,
            address: None,
            created: 0,
        });
        snapshot(draft)
    }

    fn flow(from: From, source: &str, destination: &str, port: u16) -> Flow {
        Flow {
            from,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: IpProtocol::Tcp,
            port,
            source_port: 40_000,
        }
    }

    #[test]
    fn every_way_and_every_stop() {
        let snapshot = peopled();
        let view = snapshot.vpc("vpc-00000000000000001").unwrap();
        let port = |n: u64| From::Port(id("eni-", n));
        let site = || From::Site("dc".parse().unwrap());
        let cases = [
            // The second subnet's table is the endpoint's; the first one's has no routes.
            (
                flow(port(12), "10.0.2.10", "198.18.0.10", 443),
                Path::Arrives(Arrival::Gateway(
                    id("vpce-", 1),
                    "10.0.2.10".parse().unwrap(),
                )),
            ),
            (
                flow(port(12), "10.0.2.10", "198.18.4.10", 443),
                Path::Stopped(Stop::NoPublicAddress),
            ),
            (
                flow(port(11), "10.0.1.10", "198.18.0.10", 443),
                Path::Stopped(Stop::NoRoute),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.2.100", 443),
                Path::Arrives(Arrival::Interface(id("vpce-", 2), id("eni-", 2))),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.2.100", 80),
                Path::Stopped(Stop::Ingress(id("eni-", 2))),
            ),
            (
                flow(port(11), "10.0.1.99", "10.0.2.100", 443),
                Path::Stopped(Stop::SourceCheck),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.2.10", 443),
                Path::Arrives(Arrival::Instance(id("eni-", 12))),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.2.77", 443),
                Path::Stopped(Stop::NobodyThere),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.0.2", 53),
                Path::Arrives(Arrival::Router),
            ),
            (
                flow(port(11), "10.0.1.10", "10.0.0.2", 443),
                Path::Stopped(Stop::NobodyThere),
            ),
            (
                flow(port(11), "10.0.1.10", "192.168.50.10", 443),
                Path::Arrives(Arrival::Site(
                    "dc".parse().unwrap(),
                    "10.0.1.10".parse().unwrap(),
                )),
            ),
            (
                flow(site(), "192.168.50.10", "10.0.1.100", 443),
                Path::Stopped(Stop::Ingress(id("eni-", 1))),
            ),
            (
                flow(site(), "10.0.2.10", "198.18.0.10", 443),
                Path::Stopped(Stop::Forged),
            ),
            (
                flow(site(), "192.168.50.10", "10.0.0.2", 53),
                Path::Stopped(Stop::NobodyThere),
            ),
            (
                flow(From::Internet, "10.0.2.10", "198.18.0.10", 443),
                Path::Stopped(Stop::Forged),
            ),
            (
                flow(port(77), "10.0.1.10", "10.0.2.10", 443),
                Path::Stopped(Stop::UnknownSender),
            ),
        ];
        for (flow, expected) in cases {
            assert_eq!(path(view, &flow), expected, "{flow:?}");
        }
    }
}
