//! Paths through whole VPCs: who reaches what, seen as whom.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use adit_net::desired::{Namespace, NexthopTarget};
use adit_net::nft::{Datum, Expr, Field, Rule};
use adit_net::protocol::{Listen, Transport};
use socket2::SockAddr;

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, conversation};
use crate::topology::{
    Port, Vpc, address, by_nexthop, dev, internet, ip, mac, neighbour, veth, via,
};

pub(crate) const TESTS: &[Test] = &[
    (
        "paths::gateway_endpoint_keeps_both_addresses",
        gateway_endpoint_keeps_both_addresses,
    ),
    (
        "paths::the_more_specific_route_wins",
        the_more_specific_route_wins,
    ),
    (
        "paths::security_groups_are_stateful",
        security_groups_are_stateful,
    ),
    (
        "paths::network_acls_are_stateless",
        network_acls_are_stateless,
    ),
    (
        "paths::vpcs_of_the_same_addresses_stay_apart",
        vpcs_of_the_same_addresses_stay_apart,
    ),
    (
        "paths::a_spoofed_source_goes_nowhere",
        a_spoofed_source_goes_nowhere,
    ),
    ("paths::a_site_gets_what_it_may", a_site_gets_what_it_may),
    (
        "paths::a_removed_endpoint_takes_its_routes_along",
        a_removed_endpoint_takes_its_routes_along,
    ),
    (
        "paths::a_blackhole_does_not_fall_through",
        a_blackhole_does_not_fall_through,
    ),
    (
        "paths::small_mtu_behind_the_router",
        small_mtu_behind_the_router,
    ),
    (
        "paths::resolver_sockets_answer_from_the_address_asked",
        resolver_sockets,
    ),
];

/// A lab with the internet and one whole VPC, and all servers running.
fn one_vpc() -> Result<(Lab, Vpc), Outcome> {
    let lab = Lab::new()?;
    lab.settle("internet", &internet());
    lab.serve("inet", "internet", &[443, 80]);
    let vpc = Vpc::whole('a', 1);
    lab.settle("vpc-a", &vpc.build());
    serve(&lab, 'a');
    Ok((lab, vpc))
}

fn serve(lab: &Lab, letter: char) {
    let (gateway, interface) = if letter == 'a' {
        ("gateway-a", "interface-a")
    } else {
        ("gateway-b", "interface-b")
    };
    lab.serve(&format!("{letter}-gw"), gateway, &[443, 80]);
    lab.serve(&format!("{letter}-if"), interface, &[443, 80]);
}

macro_rules! vpc {
    () => {
        match one_vpc() {
            Ok(pair) => pair,
            Err(outcome) => return outcome,
        }
    };
}

fn gateway_endpoint_keeps_both_addresses() -> Outcome {
    let (lab, _) = vpc!();
    lab.reaches("a-i1", "54.123.170.7:443", "gateway-a", "10.0.1.10");
    lab.reaches("a-i2", "54.123.170.7:443", "gateway-a", "10.0.1.11");
    lab.reaches("a-i2", "52.217.1.1:80", "gateway-a", "10.0.1.11");
    // The other subnet's route table is not associated: it goes by the internet gateway.
    lab.reaches("a-i3", "54.123.170.7:443", "internet", "198.51.101.13");
    // Another service, too.
    lab.reaches("a-i2", "203.0.113.10:443", "internet", "198.51.101.12");
    // The instance's own group lets it reach the service only.
    lab.blocked("a-i1", "54.123.170.7:80");
    lab.blocked("a-i1", "203.0.113.10:443");
    Outcome::Passed
}

fn the_more_specific_route_wins() -> Outcome {
    let (lab, mut vpc) = vpc!();
    vpc.router()
        .routes
        .push(by_nexthop("54.123.165.0/24", 101, 7));
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.reaches("a-i2", "54.123.165.9:443", "internet", "198.51.101.12");
    lab.reaches("a-i2", "54.123.166.9:443", "gateway-a", "10.0.1.11");
    vpc.router().routes.pop();
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.reaches("a-i2", "54.123.165.9:443", "gateway-a", "10.0.1.11");
    Outcome::Passed
}

fn security_groups_are_stateful() -> Outcome {
    let (lab, mut vpc) = vpc!();
    // A member in the other subnet reaches both ports of the endpoint, on the open port only.
    lab.reaches("a-i3", "10.0.1.100:443", "interface-a", "10.0.2.10");
    lab.reaches("a-i3", "10.0.2.100:443", "interface-a", "10.0.2.10");
    lab.blocked("a-i3", "10.0.2.100:80");
    // No member, same subnet.
    lab.blocked("a-i1", "10.0.1.100:443");

    let mut open = lab
        .connect("a-i3", "10.0.1.100:443", Duration::from_secs(5))
        .unwrap();
    assert!(conversation(&mut open).starts_with("interface-a"));
    let members = |vpc: &mut Vpc, host: &str| {
        let set = vpc.table().sets.get_mut("sg_app_members").unwrap();
        set.elements[0].key = vec![Datum::Addr(ip(host))];
    };
    members(&mut vpc, "10.0.1.10");
    let applied = lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!(
        (applied.steps, applied.touched),
        (1, vec!["a-r".to_owned()])
    );
    // What is open goes on, what is new follows the new rules.
    assert!(conversation(&mut open).starts_with("interface-a"));
    lab.blocked("a-i3", "10.0.1.100:443");
    lab.reaches("a-i1", "10.0.1.100:443", "interface-a", "10.0.1.10");

    // The prefix list decides what an instance may reach.
    vpc.table()
        .sets
        .get_mut("pl_s3")
        .unwrap()
        .elements
        .remove(0);
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.blocked("a-i1", "54.123.170.7:443");
    lab.reaches("a-i1", "52.217.1.1:443", "gateway-a", "10.0.1.10");
    Outcome::Passed
}

fn network_acls_are_stateless() -> Outcome {
    let (lab, mut vpc) = vpc!();
    lab.serve("a-i3", "instance-3", &[443, 80]);
    lab.reaches("a-i2", "10.0.2.10:443", "instance-3", "10.0.1.11");
    // Port 80 leaves subnet 1 but may not enter subnet 2.
    lab.blocked("a-i2", "10.0.2.10:80");
    // Without the ephemeral range the answer cannot come back in.
    let chain = vpc.table().chains.get_mut("acl1_in").unwrap();
    chain.rules.remove(2);
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.blocked("a-i2", "10.0.2.10:443");
    let counters = lab.agent().counters("a-r").unwrap();
    let dropped = counters
        .rules
        .iter()
        .find(|r| r.chain == "acl1_in")
        .unwrap();
    assert!(dropped.count.packets > 0, "{dropped:?}");
    Outcome::Passed
}

fn vpcs_of_the_same_addresses_stay_apart() -> Outcome {
    let (lab, _) = vpc!();
    lab.settle("vpc-b", &Vpc::whole('b', 2).build());
    serve(&lab, 'b');
    let to: SocketAddr = "54.123.170.7:443".parse().unwrap();
    let mut streams: Vec<_> = ["a-i1", "b-i1"]
        .into_iter()
        .map(|ns| {
            let socket = lab.socket(ns, Transport::Tcp);
            let from: SocketAddr = "10.0.1.10:40000".parse().unwrap();
            socket.bind(&SockAddr::from(from)).unwrap();
            socket
                .connect_timeout(&SockAddr::from(to), Duration::from_secs(5))
                .unwrap();
            socket.set_nonblocking(false).unwrap();
            std::net::TcpStream::from(socket)
        })
        .collect();
    let answers: Vec<_> = streams.iter_mut().map(conversation).collect();
    assert_eq!(answers[0], "gateway-a 10.0.1.10 54.123.170.7:443");
    assert_eq!(answers[1], "gateway-b 10.0.1.10 54.123.170.7:443");
    lab.reaches("b-i3", "54.123.170.7:443", "internet", "198.51.102.13");
    Outcome::Passed
}

fn a_spoofed_source_goes_nowhere() -> Outcome {
    let (lab, mut vpc) = vpc!();
    let udp = Rule::from([Expr::is(Field::L4proto, Datum::Number(17)), Expr::RETURN]);
    vpc.table()
        .chains
        .get_mut("acl1_out")
        .unwrap()
        .rules
        .insert(0, udp);
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    let receiver = lab
        .agent()
        .listen_udp(&Listen::udp("a-gw", ip("0.0.0.0"), 443))
        .unwrap();
    receiver.set_nonblocking(false).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_millis(400)))
        .unwrap();
    let mut buffer = [0; 16];
    let to = "54.123.170.7:443";
    for (source, arrives) in [
        ("10.0.1.11", true),
        ("10.0.1.10", false),
        ("10.9.9.9", false),
    ] {
        let spec = Listen {
            transparent: true,
            ..Listen::udp("a-i2", ip(source), 0)
        };
        let sender = lab.agent().listen_udp(&spec).unwrap();
        sender.send_to(source.as_bytes(), to).unwrap();
        let came = receiver.recv_from(&mut buffer);
        assert_eq!(came.is_ok(), arrives, "{source}: {came:?}");
    }
    let counters = lab.agent().counters("a-r").unwrap();
    let check = counters
        .rules
        .iter()
        .find(|r| r.comment.as_deref() == Some("source check"));
    assert_eq!(check.unwrap().count.packets, 2);
    Outcome::Passed
}

fn a_site_gets_what_it_may() -> Outcome {
    let (lab, mut vpc) = vpc!();
    vpc.site();
    lab.settle("vpc-a", &vpc.build());
    lab.reaches("a-site", "10.0.1.100:443", "interface-a", "192.168.50.10");
    lab.reaches("a-site", "10.0.2.100:443", "interface-a", "192.168.50.10");
    // By no route does it get to the gateway endpoint, not even under an address of the VPC.
    lab.blocked("a-site", "54.123.170.7:443");
    let receiver = lab
        .agent()
        .listen_udp(&Listen::udp("a-gw", ip("0.0.0.0"), 443))
        .unwrap();
    receiver.set_nonblocking(false).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    for source in ["192.168.50.10", "10.0.1.10"] {
        let spec = Listen {
            transparent: true,
            ..Listen::udp("a-site", ip(source), 0)
        };
        let sender = lab.agent().listen_udp(&spec).unwrap();
        sender.send_to(b"?", "54.123.170.7:443").unwrap();
        assert!(receiver.recv_from(&mut [0; 16]).is_err(), "{source}");
    }
    Outcome::Passed
}

fn a_removed_endpoint_takes_its_routes_along() -> Outcome {
    let (lab, vpc) = vpc!();
    lab.reaches("a-i2", "54.123.170.7:443", "gateway-a", "10.0.1.11");
    let mut open = lab
        .connect("a-i2", "54.123.170.7:443", Duration::from_secs(5))
        .unwrap();
    assert!(conversation(&mut open).starts_with("gateway-a"));
    // The same VPC without the endpoint.
    let mut without = Vpc {
        desired: vpc.desired.clone(),
        ..Vpc::new('a', 1)
    };
    without.desired.namespaces.remove("a-gw");
    let router = without.router();
    router.links.retain(|l| l.name != "vpce-1");
    router.addresses.retain(|a| a.device != "vpce-1");
    router.neighbours.retain(|n| n.device != "vpce-1");
    router.nexthops.retain(|n| n.id != 21);
    router.routes.retain(|r| r.nexthop != Some(21));
    lab.agent().apply("vpc-a", &without.build()).unwrap();
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    lab.reaches("a-i2", "54.123.170.7:443", "internet", "198.51.101.12");
    // The open connection does not go on with somebody else.
    assert!(conversation(&mut open).starts_with("no "));
    // And back again.
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.serve("a-gw", "gateway-a", &[443]);
    lab.reaches("a-i2", "54.123.170.7:443", "gateway-a", "10.0.1.11");
    Outcome::Passed
}

fn a_blackhole_does_not_fall_through() -> Outcome {
    let (lab, mut vpc) = vpc!();
    let target = NexthopTarget::Blackhole {
        family: Default::default(),
    };
    let before = std::mem::replace(&mut find(&mut vpc).target, target);
    let applied = lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!(applied.steps, 1);
    lab.blocked("a-i2", "54.123.170.7:443");
    lab.reaches("a-i2", "203.0.113.10:443", "internet", "198.51.101.12");
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    find(&mut vpc).target = before;
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    lab.reaches("a-i2", "54.123.170.7:443", "gateway-a", "10.0.1.11");
    Outcome::Passed
}

fn find(vpc: &mut Vpc) -> &mut adit_net::desired::Nexthop {
    vpc.router()
        .nexthops
        .iter_mut()
        .find(|n| n.id == 21)
        .unwrap()
}

/// Behind an instance's port there is a tunnel with a smaller MTU. Large answers of the endpoint
/// get through with the segment size lowered on the way, or by the ICMP errors that find their way
/// back; with neither they do not.
fn small_mtu_behind_the_router() -> Outcome {
    let (lab, whole) = vpc!();
    for (clamp, reflect) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut vpc = Vpc {
            desired: whole.desired.clone(),
            ..Vpc::new('a', 1)
        };
        tunnel(&mut vpc);
        if !clamp {
            let rules = &mut vpc.table().chains.get_mut("vpcfwd").unwrap().rules;
            rules.retain(|rule| !rule.exprs.contains(&Expr::ClampMss));
        }
        if !reflect {
            vpc.router().rules.retain(|rule| rule.priority != 1900);
        }
        // A fresh address each time: what the kernel has learned of a path lasts ten minutes.
        lab.agent().remove("vpc-a").unwrap();
        lab.settle("vpc-a", &vpc.build());
        let listener = lab
            .agent()
            .listen_tcp(&Listen::tcp("a-gw", ip("0.0.0.0"), 443))
            .unwrap();
        listener.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(&vec![7; 500_000]);
        });
        let mut stream = lab
            .connect("a-far", "54.123.170.7:443", Duration::from_secs(5))
            .unwrap();
        let patience = if clamp || reflect { 5000 } else { 700 };
        stream
            .set_read_timeout(Some(Duration::from_millis(patience)))
            .unwrap();
        let result = stream.read_to_end(&mut Vec::new());
        assert_eq!(
            result.is_ok(),
            clamp || reflect,
            "{clamp} {reflect}: {result:?}"
        );
    }
    Outcome::Passed
}

/// Puts the instance with the address 10.0.1.12 behind one more router, with a link of 1300 bytes
/// between that and the VPC's.
fn tunnel(vpc: &mut Vpc) {
    vpc.port(&Port {
        name: "p-t",
        ns: "t",
        device: "eth0",
        subnet: 1,
        host: 12,
        groups: ("sg_open_in", "sg_open_out"),
    });
    vpc.router()
        .links
        .iter_mut()
        .find(|l| l.name == "p-t")
        .unwrap()
        .mtu = Some(1300);
    let (near, far) = (mac(1, 6, 6, 1), mac(1, 6, 6, 2));
    let t = vpc.desired.namespaces.get_mut("a-t").unwrap();
    t.addresses = vec![
        address("eth0", "169.254.9.2/32"),
        address("down", "169.254.9.1/32"),
    ];
    t.sysctls.insert("ipv4/ip_forward".into(), "1".into());
    t.links.push(veth("down", near, "a-far", "up", far));
    t.routes = vec![
        via("0.0.0.0/0", "10.0.1.1", "eth0"),
        dev("10.0.1.12/32", "down"),
    ];
    t.neighbours.push(neighbour("down", "10.0.1.12", far));
    let instance = Namespace {
        addresses: vec![address("up", "10.0.1.12/32")],
        routes: vec![via("0.0.0.0/0", "169.254.9.1", "up")],
        neighbours: vec![neighbour("up", "169.254.9.1", near)],
        ..Namespace::default()
    };
    vpc.desired.namespaces.insert("a-far".into(), instance);
}

fn resolver_sockets() -> Outcome {
    let (lab, _) = vpc!();
    for address in ["10.0.0.2", "169.254.169.253"] {
        let server = lab
            .agent()
            .listen_udp(&Listen::udp("a-r", ip(address), 53))
            .unwrap();
        server.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((count, peer)) = server.recv_from(&mut buffer) {
                let _ = server.send_to(&buffer[..count], peer);
            }
        });
        for ns in ["a-i1", "a-i3"] {
            let client = std::net::UdpSocket::from(lab.socket(ns, Transport::Udp));
            client.set_nonblocking(false).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            client.connect((ip(address), 53)).unwrap();
            client.send(b"name?").unwrap();
            assert_eq!(client.recv(&mut [0; 64]).unwrap(), 5, "{ns} {address}");
        }
    }
    // The VPC's own ACL rules keep other ports of the router closed.
    lab.serve("a-r", "router", &[8080]);
    lab.blocked("a-i1", "10.0.0.2:8080");
    Outcome::Passed
}
