//! The index of names says what `decide::name` says, however it came to be.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use adit_dns::Transport;
use adit_dns::wire::{Class, Message, Query, Scratch, Section};
use adit_model::*;
use adit_snapshot::build;
use adit_snapshot::decide::name::{Found, Viewpoint};

use super::*;

#[path = "../../../examples/common/endpoints.rs"]
mod endpoints;

use endpoints::{endpoint_id, id, installation, put_endpoint, suffix, zone_of};

const VPC: u64 = 0;
const ENDPOINTS: u64 = 4;

fn names(world: World, upstream: Option<&str>) -> WorldNames {
    let (_, world) = watch::channel(Some(Arc::new(world)));
    let upstream = upstream.map(|text| {
        Arc::new(Upstreams {
            servers: vec![text.parse().unwrap()],
            via: outbound::HOST,
        })
    });
    WorldNames { world, upstream }
}

/// The decision, the code, and the addresses or names of the answer.
fn ask(
    names: &WorldNames,
    label: &str,
    asked: &str,
    rtype: RecordType,
) -> (Decision, Rcode, BTreeSet<String>) {
    let name: Name = asked.parse().unwrap();
    let mut packet = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    packet.extend_from_slice(name.wire());
    packet.extend_from_slice(&rtype.0.to_be_bytes());
    packet.extend_from_slice(&Class::IN.0.to_be_bytes());
    let mut scratch = Scratch::default();
    let query = Query::parse(&packet, &mut scratch).unwrap();
    let mut buf = Vec::new();
    let mut reply = Reply::new(&mut buf, &query, 4096, 0);
    let listener = Listener {
        id: 1,
        label: label.into(),
    };
    let origin = Origin {
        listener: &listener,
        peer: ([127, 0, 0, 1], 9).into(),
        transport: Transport::Udp,
    };
    let decision = names.answer(&query.question, &origin, &mut reply);
    reply.finish();
    let message = Message::parse(&buf).unwrap();
    let answers = message.records().map(Result::unwrap);
    let answers =
        answers.filter(|record| record.section == Section::Answer && record.rtype == rtype);
    let shown = answers.map(|record| match record.rdata() {
        [a, b, c, d] => IpAddr::from([*a, *b, *c, *d]).to_string(),
        other => match <[u8; 16]>::try_from(other) {
            Ok(octets) => Ipv6Addr::from(octets).to_string(),
            Err(_) => Name::from_wire(other).unwrap().to_string(),
        },
    });
    (decision, message.rcode(), shown.collect())
}

/// Every name worth asking for.
fn questions() -> Vec<String> {
    let mut asked: Vec<String> = [
        "s3.us-east-1.amazonaws.com",
        "s3-control.us-east-1.amazonaws.com",
        "s3-accesspoint.us-east-1.amazonaws.com",
        "s3.dualstack.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "s3-us-east-1.amazonaws.com",
        "s3.eu-west-1.amazonaws.com",
        "dynamodb.us-east-1.amazonaws.com",
        "dynamodb.eu-west-1.amazonaws.com",
        "example.com",
        "ip-10-0-1-7.ec2.internal",
        "ip-10-9-1-7.ec2.internal",
    ]
    .map(str::to_string)
    .to_vec();
    for n in 0..=ENDPOINTS {
        for suffix in [suffix(n), "wrong123".to_string()] {
            for zone in ["", "-us-east-1a", "-us-east-1b", "-us-east-1c"] {
                for service in ["s3", "dynamodb"] {
                    let id = endpoint_id(n);
                    asked.push(format!(
                        "{id}-{suffix}{zone}.{service}.us-east-1.vpce.amazonaws.com"
                    ));
                }
            }
        }
    }
    let below = asked.iter().map(|name| format!("x.bucket.{name}"));
    let below: Vec<String> = below.filter(|name| !name.ends_with(".internal")).collect();
    asked.extend(below);
    asked
}

/// Asks for everything from everywhere and compares.
fn agree(snapshot: &Arc<Snapshot>, world: World, after: &str) {
    let names = names(world, None);
    let vpc: VpcId = id("vpc-", VPC);
    let inbound = format!("rslvr-in-{:017x}", 5);
    let places = [
        (vpc.to_string(), Viewpoint::Vpc(vpc.clone())),
        (inbound, Viewpoint::Inbound(vpc)),
        ("site:office".to_string(), Viewpoint::Public),
    ];
    for (label, from) in &places {
        for asked in questions() {
            let expected = name::name(snapshot, from, &asked).found;
            let (_, code, v4) = ask(&names, label, &asked, RecordType::A);
            let (_, code6, v6) = ask(&names, label, &asked, RecordType::AAAA);
            let (want, addresses) = match expected {
                Found::Addresses(addresses) => (Rcode::NOERROR, addresses),
                Found::NoData => (Rcode::NOERROR, Vec::new()),
                Found::NoName => (Rcode::NXDOMAIN, Vec::new()),
                Found::Refused => (Rcode::REFUSED, Vec::new()),
            };
            let (want4, want6): (Vec<IpAddr>, Vec<IpAddr>) =
                addresses.iter().partition(|a| a.is_ipv4());
            let text =
                |all: Vec<IpAddr>| all.iter().map(IpAddr::to_string).collect::<BTreeSet<_>>();
            assert_eq!((code, code6), (want, want), "{after}: {asked} at {label}");
            assert_eq!(
                (v4, v6),
                (text(want4), text(want6)),
                "{after}: {asked} at {label}"
            );
        }
    }
}

fn first() -> Draft {
    let mut draft = installation(ENDPOINTS);
    draft.put(ResolverEndpoint {
        id: format!("rslvr-in-{:017x}", 5).parse().unwrap(),
        vpc: id("vpc-", VPC),
        owner: endpoints::owner(),
        region: endpoints::region(),
        direction: Direction::Inbound,
        name: None,
        groups: Vec::new(),
        addresses: Vec::new(),
        creator_request_id: String::new(),
        tags: Tags::new(),
        created: 0,
        modified: 0,
        changed: Generation(1),
    });
    draft
}

fn edit_endpoint(draft: &mut Draft, n: u64, change: impl FnOnce(&mut VpcEndpoint)) {
    draft.edit::<VpcEndpoint>(endpoint_id(n).as_str(), change);
}

#[test]
fn the_index_follows_every_change_and_equals_the_decision() {
    type Step = (&'static str, fn(&mut Draft));
    let steps: Vec<Step> = vec![
        ("a new endpoint", |d| put_endpoint(d, ENDPOINTS)),
        ("an endpoint less", |d| {
            d.remove::<VpcEndpoint>(endpoint_id(1).as_str());
        }),
        ("private names", |d| {
            edit_endpoint(d, 2, |e| {
                if let EndpointKind::Interface { private_dns, .. } = &mut e.kind {
                    *private_dns = true;
                }
            });
        }),
        ("IPv6 beside IPv4", |d| {
            d.edit::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", 4).as_str(), |eni| {
                eni.ipv6 = vec!["fd00::4".parse().unwrap()];
            });
            edit_endpoint(d, 2, |e| e.address_type = AddressType::Dualstack);
        }),
        ("one more IPv6 address", |d| {
            d.edit::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", 5).as_str(), |eni| {
                eni.ipv6 = vec!["fd00::5".parse().unwrap()];
            });
        }),
        ("records as the service has them", |d| {
            edit_endpoint(d, 2, |e| e.dns_record = Some(DnsRecordType::ServiceDefined));
        }),
        ("private names for inbound queries", |d| {
            edit_endpoint(d, 2, |e| {
                if let EndpointKind::Interface { inbound_only, .. } = &mut e.kind {
                    *inbound_only = true;
                }
            });
        }),
        ("a zone out of service", |d| {
            d.put(FailedZone {
                zone: zone_of('a'),
                since: 0,
            });
        }),
        ("both zones out of service", |d| {
            d.put(FailedZone {
                zone: zone_of('b'),
                since: 0,
            });
        }),
        ("zones back", |d| {
            d.remove::<FailedZone>(zone_of('a').as_str());
            d.remove::<FailedZone>(zone_of('b').as_str());
        }),
        ("one interface less", |d| {
            edit_endpoint(d, 3, |e| {
                if let EndpointKind::Interface {
                    interfaces,
                    subnets,
                    ..
                } = &mut e.kind
                {
                    interfaces.pop();
                    subnets.pop();
                }
            });
            d.remove::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", 7).as_str());
        }),
        ("other public addresses", |d| {
            d.edit::<PrefixList>("pl-63a5400a", |list| {
                list.entries = vec!["198.18.8.0/24".parse().unwrap()];
            });
        }),
        ("a service more", |d| {
            d.put(PrefixList::of_service(
                "pl-02cd2c6b".parse().unwrap(),
                "com.amazonaws.us-east-1.dynamodb".into(),
                endpoints::region(),
                vec!["198.18.6.0/24".parse().unwrap()],
            ));
        }),
        ("no host names", |d| {
            d.edit::<Vpc>(id::<VpcId>("vpc-", VPC).as_str(), |vpc| {
                vpc.dns_hostnames = false
            });
        }),
        ("no DNS support", |d| {
            d.edit::<Vpc>(id::<VpcId>("vpc-", VPC).as_str(), |vpc| {
                vpc.dns_support = false
            });
        }),
        ("no VPC", |d| {
            d.remove::<Vpc>(id::<VpcId>("vpc-", VPC).as_str());
        }),
    ];
    let mut intent = Arc::new(first().finish().0);
    let mut snapshot = Arc::new(build(&intent));
    let mut followed = World::build(&snapshot);
    agree(&snapshot, World::build(&snapshot), "at first");
    for (what, step) in steps {
        let mut draft = Draft::new(&intent);
        step(&mut draft);
        intent = Arc::new(draft.finish().0);
        snapshot = Arc::new(snapshot.next(&intent));
        followed = followed.next(&snapshot);
        agree(
            &snapshot,
            World::build(&snapshot),
            &format!("built after {what}"),
        );
        let again = followed.next(&snapshot);
        agree(&snapshot, again, &format!("followed {what}"));
    }
}

#[test]
fn only_what_belongs_to_nobody_here_goes_upstream() {
    let snapshot = Arc::new(build(&Arc::new(first().finish().0)));
    let names = names(World::build(&snapshot), Some("192.0.2.53:53"));
    let vpc = id::<VpcId>("vpc-", VPC).to_string();
    for asked in [
        "example.com",
        "ec2.us-east-1.amazonaws.com",
        "8.8.8.8.in-addr.arpa",
        ".",
    ] {
        for label in [vpc.as_str(), "site:office"] {
            let (decision, ..) = ask(&names, label, asked, RecordType::A);
            assert!(
                matches!(decision, Decision::Forward(_)),
                "{asked} at {label}"
            );
        }
    }
    for asked in [
        "vpce-0123456789abcdef0-abcdefgh.s3.us-east-1.vpce.amazonaws.com",
        "s3.eu-west-1.amazonaws.com",
        "dynamodb.eu-west-1.amazonaws.com",
        "b.s3.dualstack.eu-west-1.amazonaws.com",
        "ip-10-200-0-1.ec2.internal",
        "ip-10-0-0-9.eu-west-1.compute.internal",
        "9.0.200.10.in-addr.arpa",
        "1.1.31.172.in-addr.arpa",
        "printer.local",
        "localhost",
    ] {
        let (decision, code, _) = ask(&names, &vpc, asked, RecordType::A);
        assert_eq!(
            (decision, code),
            (Decision::Answer, Rcode::NXDOMAIN),
            "{asked}"
        );
    }
    // A VPC that is gone, and one without a resolver, ask nobody.
    let (decision, code, _) = ask(
        &names,
        "vpc-00000000000000099",
        "example.com",
        RecordType::A,
    );
    assert_eq!((decision, code), (Decision::Answer, Rcode::REFUSED));
}

#[test]
fn i11_before_the_first_world_nothing_is_answered() {
    let (_, world) = watch::channel(None);
    let names = WorldNames {
        world,
        upstream: None,
    };
    let (decision, code, _) = ask(&names, "site:office", "s3.amazonaws.com", RecordType::A);
    assert_eq!((decision, code), (Decision::Answer, Rcode::SERVFAIL));
}
