//! What the counters of routers tell of connections, endpoints and the ways of S3's bytes.

use std::sync::Arc;

use adit_model::*;
use adit_net::protocol::TallyCount;
use adit_snapshot::build;

use super::*;

fn id<T: std::str::FromStr>(prefix: &str, n: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}{n:017x}").parse().unwrap()
}

fn owner() -> AccountId {
    "111122223333".parse().unwrap()
}

/// A VPC with a subnet, two hosts in it, an interface endpoint and a gateway endpoint for S3, and an
/// internet gateway.
fn put_vpc(draft: &mut Draft, v: u64) {
    let vpc: VpcId = id("vpc-", v);
    draft.put(Vpc {
        id: vpc.clone(),
        owner: owner(),
        region: "us-east-1".parse().unwrap(),
        cidrs: vec![VpcCidr {
            association: id("vpc-cidr-assoc-", v),
            cidr: "10.0.0.0/16".parse().unwrap(),
        }],
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        is_default: false,
        tenancy: "default".into(),
        dhcp_options: DhcpOptionsId::none(),
        tags: Tags::new(),
    });
    draft.put(Subnet {
        id: id("subnet-", v),
        vpc: vpc.clone(),
        owner: owner(),
        zone: "us-east-1a".parse().unwrap(),
        cidr: "10.0.1.0/24".parse().unwrap(),
        ipv6: None,
        map_public_ip: false,
        assign_ipv6: false,
        default_for_az: false,
        tags: Tags::new(),
    });
    draft.put(RouteTable {
        id: id("rtb-", v),
        vpc: vpc.clone(),
        owner: owner(),
        number: 1,
        associations: vec![RouteTableAssociation {
            id: id("rtbassoc-", v),
            subnet: None,
            gateway: None,
        }],
        routes: Vec::new(),
        propagating: Vec::new(),
        tags: Tags::new(),
    });
    draft.put(InternetGateway {
        id: id("igw-", v),
        owner: owner(),
        region: "us-east-1".parse().unwrap(),
        attached: Some(vpc.clone()),
        tags: Tags::new(),
    });
    let endpoint = |n: u64, kind| VpcEndpoint {
        id: id("vpce-", v * 10 + n),
        vpc: vpc.clone(),
        owner: owner(),
        service: "com.amazonaws.us-east-1.s3".into(),
        service_region: None,
        kind,
        policy: "{}".into(),
        number: n as u16,
        changed: Generation(1),
        created: 0,
        client_token: None,
        address_type: AddressType::Ipv4,
        dns_record: None,
        connection: None,
        tags: Tags::new(),
    };
    draft.put(endpoint(
        1,
        EndpointKind::Gateway {
            route_tables: vec![id("rtb-", v)],
        },
    ));
    draft.put(endpoint(
        2,
        EndpointKind::Interface {
            interfaces: vec![id("eni-", v * 10 + 2)],
            subnets: vec![id("subnet-", v)],
            groups: Vec::new(),
            dns_suffix: "abcd1234".into(),
            private_dns: false,
            inbound_only: false,
        },
    ));
    let lease = Lease { pid: 1, started: 1 };
    for (n, user) in [
        (1, InterfaceUser::Run(lease)),
        (
            2,
            InterfaceUser::Endpoint {
                endpoint: id("vpce-", v * 10 + 2),
                attachment: id("eni-attach-", v),
            },
        ),
        (3, InterfaceUser::NatGateway(id("nat-", v))),
    ] {
        draft.put(NetworkInterface {
            id: id("eni-", v * 10 + n),
            vpc: vpc.clone(),
            subnet: id("subnet-", v),
            owner: owner(),
            private_ip: format!("10.0.1.1{n}").parse().unwrap(),
            secondary: Vec::new(),
            ipv6: Vec::new(),
            public_ip: None,
            mac: [2, 0, 0, 0, v as u8, n as u8],
            groups: Vec::new(),
            description: String::new(),
            source_dest_check: true,
            user,
            created: 0,
            tags: Tags::new(),
        });
    }
}

fn world() -> Snapshot {
    let mut draft = Draft::new(&Intent::default());
    draft.put(PrefixList::of_service(
        "pl-63a5400a".parse().unwrap(),
        "com.amazonaws.us-east-1.s3".into(),
        "us-east-1".parse().unwrap(),
        vec!["198.18.0.0/22".parse().unwrap()],
    ));
    put_vpc(&mut draft, 1);
    put_vpc(&mut draft, 2);
    build(&Arc::new(draft.finish().0))
}

fn element(tally: &str, into: &str, out: &str, packets: u64) -> TallyCount {
    TallyCount {
        tally: tally.into(),
        into: into.into(),
        out: out.into(),
        count: Count {
            packets,
            bytes: packets * 100,
        },
    }
}

fn port(v: u64, n: u64) -> String {
    render::place::port_device(&id("eni-", v * 10 + n))
}

/// What the router of VPC `v` could say.
fn said(v: u64) -> (Counters, Connections) {
    let (host, endpoint, nat) = (port(v, 1), port(v, 2), port(v, 3));
    let gateway = render::place::gateway_device(&id("vpce-", v * 10 + 1));
    let subnet = render::count::part(id::<SubnetId>("subnet-", v).as_str());
    let mut counters = Counters {
        tallies: vec![
            element(tally::NEW, &host, &endpoint, 5),
            element(tally::RESETS, &endpoint, &host, 2),
            element(tally::REFUSED_IN, &host, &endpoint, 3),
            element(tally::REFUSED_OUT, &host, "igw", 4),
            element(tally::S3_SENT, &subnet, &endpoint, 10),
            element(tally::S3_RECEIVED, &subnet, &endpoint, 20),
            element(tally::S3_SENT, &subnet, &gateway, 30),
            element(tally::S3_SENT, &subnet, &nat, 40),
            element(tally::S3_RECEIVED, &subnet, "igw", 50),
            // Of a subnet that is gone.
            element(tally::S3_SENT, "00000000", &gateway, 60),
        ],
        ..Counters::default()
    };
    for device in [&host, &endpoint, &nat, &gateway] {
        counters.links.insert(device.clone(), LinkCount::default());
    }
    let pair = |to: &str, n| ([10, 0, 1, 11].into(), to.parse().unwrap(), n);
    let connections = Connections {
        pairs: vec![pair("10.0.1.12", 7), pair("198.18.0.10", 8)],
        others: 0,
    };
    (counters, connections)
}

fn known(snapshot: &Snapshot) -> Ways {
    let ways = Ways::default();
    ways.learn(snapshot);
    ways
}

/// What all routers say together.
fn all(snapshot: &Snapshot, ways: &Ways) -> Traffic {
    gather(snapshot, ways, |router| {
        Ok(said(if router.ends_with('1') { 1 } else { 2 }))
    })
    .unwrap()
}

#[test]
fn a_router_that_is_gone_hides_no_other() {
    let snapshot = world();
    let gone = "vpc-00000000000000001";
    let traffic = gather(&snapshot, &known(&snapshot), |router| {
        match router == gone {
            true => Err(AgentError::Failed("there is no namespace".into())),
            false => Ok(said(2)),
        }
    })
    .unwrap();
    assert_eq!(traffic.unread.keys().collect::<Vec<_>>(), [gone]);
    assert!(!traffic.rows.is_empty());
    assert!(traffic.rows.iter().all(|row| row.vpc != gone));
}

#[test]
fn connections_are_told_by_both_ends() {
    let snapshot = world();
    let traffic = all(&snapshot, &known(&snapshot));
    let of = |id: &str| {
        let found = traffic.rows.iter().find(|row| {
            row.interface.as_deref() == Some(id)
                || row.interface.is_none() && row.endpoint.as_ref().is_some_and(|e| e.id == id)
        });
        found.unwrap().connections
    };
    let endpoint = of(id::<NetworkInterfaceId>("eni-", 12).as_str());
    let expected = Tallied {
        active: 7,
        new_into: 5,
        new_out: 0,
        dropped: 3,
        resets_into: 0,
        resets_out: 2,
    };
    assert_eq!(endpoint, expected);
    let host = of(id::<NetworkInterfaceId>("eni-", 11).as_str());
    assert_eq!((host.active, host.new_out, host.dropped), (15, 5, 4));
    let gateway = of(id::<VpcEndpointId>("vpce-", 11).as_str());
    assert_eq!(gateway.active, 8);
}

#[test]
fn bytes_are_counted_once_where_they_begin() {
    let snapshot = world();
    let traffic = all(&snapshot, &known(&snapshot));
    let paths = traffic.paths;
    let mine = paths.iter().filter(|row| row.vpc.ends_with('1'));
    let shown: Vec<_> = mine
        .map(|row| (row.way, row.through.as_str(), row.sent, row.received))
        .collect();
    let (gateway, interface): (VpcEndpointId, VpcEndpointId) = (id("vpce-", 11), id("vpce-", 12));
    let (nat, igw): (NatGatewayId, InternetGatewayId) = (id("nat-", 1), id("igw-", 1));
    assert_eq!(
        shown,
        [
            (Way::Gateway, gateway.as_str(), 3000, 0),
            (Way::Interface, interface.as_str(), 1000, 2000),
            (Way::Nat, nat.as_str(), 4000, 0),
            (Way::Public, igw.as_str(), 0, 5000),
        ]
    );
    let subnet: SubnetId = id("subnet-", 1);
    assert!(
        paths
            .iter()
            .filter(|r| r.vpc.ends_with('1'))
            .all(|r| r.from == subnet.as_str())
    );
}

#[test]
fn what_an_interface_carried_outlives_it() {
    let snapshot = world();
    let ways = known(&snapshot);
    let endpoint: VpcEndpointId = id("vpce-", 12);
    let carried = |snapshot: &Snapshot| {
        let paths = all(snapshot, &ways).paths.into_iter();
        let mut paths = paths.filter(|row| row.through == endpoint.as_str());
        paths.next().map(|row| (row.sent, row.received))
    };
    assert_eq!(carried(&snapshot), Some((1000, 2000)));
    // The endpoint leaves the subnet; whoever is there goes on, and the kernel remembers the device.
    let mut draft = Draft::new(&snapshot.intent);
    draft.remove::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", 12));
    draft.edit::<VpcEndpoint>(&endpoint, |endpoint| {
        if let EndpointKind::Interface { interfaces, .. } = &mut endpoint.kind {
            interfaces.clear();
        }
    });
    let snapshot = snapshot.next(&Arc::new(draft.finish().0));
    ways.learn(&snapshot);
    assert_eq!(carried(&snapshot), Some((1000, 2000)));
    // With the endpoint its numbers go.
    let mut draft = Draft::new(&snapshot.intent);
    draft.remove::<VpcEndpoint>(&endpoint);
    let snapshot = snapshot.next(&Arc::new(draft.finish().0));
    ways.learn(&snapshot);
    assert_eq!(carried(&snapshot), None);
}
