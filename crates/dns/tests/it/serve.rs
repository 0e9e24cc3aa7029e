//! The servers over loopback.

use std::collections::HashSet;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adit_dns::Transport;
use adit_dns::serve::{Limits, ServeError, Server};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::lab::{self, Options, PATIENCE, Resolver, ask_tcp, ask_udp, framed, query, read_framed};

#[tokio::test]
async fn both_transports_answer_alike() {
    let (udp, tcp) = lab::start(Options::default());
    let cases = [
        ("a.test.", RecordType::A, ResponseCode::NoError, 1, 0),
        ("a.test.", RecordType::AAAA, ResponseCode::NoError, 0, 1),
        ("b.test.", RecordType::A, ResponseCode::NXDomain, 0, 1),
        ("elsewhere.", RecordType::A, ResponseCode::Refused, 0, 0),
        ("a.test.", RecordType::AXFR, ResponseCode::Refused, 0, 0),
    ];
    for (owner, rtype, code, answers, authorities) in cases {
        let message = query(owner, rtype, Some(1232));
        for reply in [
            ask_udp(udp.address(), &message).await,
            ask_tcp(tcp.address(), &message).await,
        ] {
            assert_eq!(reply.metadata.id, 0x4242);
            assert_eq!(reply.metadata.response_code, code, "{owner} {rtype}");
            assert_eq!(reply.answers.len(), answers, "{owner} {rtype}");
            assert_eq!(reply.authorities.len(), authorities, "{owner} {rtype}");
            assert_eq!(reply.queries, message.queries);
            assert!(reply.edns.is_some());
        }
    }
    let counts = udp.counters().read();
    assert_eq!((counts.queries, counts.replies), (5, 5));
    assert_eq!((counts.noerror, counts.nxdomain, counts.refused), (2, 1, 2));
    assert_eq!(tcp.counters().read().connections, 5);
}

#[tokio::test]
async fn the_spelling_of_the_question_is_kept() {
    let (udp, _tcp) = lab::start(Options::default());
    let packet = query("A.tEsT.", RecordType::A, None).to_vec().unwrap();
    let reply = lab::over_udp(udp.address(), &packet).await.unwrap();
    assert_eq!(reply[12..packet.len()], packet[12..]);
    assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 1);
}

#[tokio::test]
async fn what_is_too_long_for_udp_comes_whole_over_tcp() {
    let (udp, tcp) = lab::start(Options::default());
    for (payload, limit) in [(None, 512), (Some(700), 700), (Some(4096), 1232)] {
        let message = query("many.test.", RecordType::A, payload);
        let reply = lab::over_udp(udp.address(), &message.to_vec().unwrap())
            .await
            .unwrap();
        assert!(
            reply.len() <= limit && reply.len() > limit - 40,
            "{}",
            reply.len()
        );
        assert!(Message::from_vec(&reply).unwrap().metadata.truncation);
    }
    let whole = ask_tcp(tcp.address(), &query("many.test.", RecordType::A, None)).await;
    assert!(!whole.metadata.truncation);
    let addresses: HashSet<_> = whole.answers.iter().map(|r| r.data.to_string()).collect();
    assert_eq!(addresses.len(), 100);
    assert_eq!(udp.counters().read().truncated, 3);
}

#[tokio::test]
async fn other_classes_opcodes_and_nonsense_are_refused_each_in_its_way() {
    let (udp, _tcp) = lab::start(Options::default());
    let mut chaos = query("version.bind.", RecordType::TXT, None);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let reply = ask_udp(udp.address(), &chaos).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);

    let mut notify = query("a.test.", RecordType::SOA, None).to_vec().unwrap();
    notify[2] = 0x20;
    let reply = lab::over_udp(udp.address(), &notify).await.unwrap();
    assert_eq!(reply, b"\x42\x42\xa0\x04\0\0\0\0\0\0\0\0");

    let cut = &query("a.test.", RecordType::A, None).to_vec().unwrap()[..20];
    let reply = lab::over_udp(udp.address(), cut).await.unwrap();
    assert_eq!(reply, b"\x42\x42\x81\x01\0\0\0\0\0\0\0\0");
    assert_eq!(udp.counters().read().malformed, 2);
}

#[tokio::test]
async fn a_decision_to_ignore_and_responses_get_nothing() {
    let (udp, _tcp) = lab::start(Options::default());
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(udp.address()).await.unwrap();
    let mut response = query("a.test.", RecordType::A, None).to_vec().unwrap();
    response[2] |= 0x80;
    let ignored = query("silent.", RecordType::A, None).to_vec().unwrap();
    let answered = query("b.test.", RecordType::A, None).to_vec().unwrap();
    for packet in [&response, &ignored, &answered] {
        socket.send(packet).await.unwrap();
    }
    // Only the last one comes back, and it would come after the others.
    let mut buf = [0; 512];
    let len = timeout(PATIENCE, socket.recv(&mut buf))
        .await
        .unwrap()
        .unwrap();
    let reply = Message::from_vec(&buf[..len]).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(udp.counters().read().ignored, 2);
}

#[tokio::test]
async fn a_burst_is_answered_to_each_sender() {
    for loopback in ["127.0.0.1:0", "[::1]:0"] {
        let server = Server::new(Resolver::new(Vec::new()), None, None, Limits::default());
        let socket = UdpSocket::bind(loopback).unwrap();
        let udp = server.serve_udp(socket, lab::listener()).unwrap();
        // The server's task has no turn before all of them wait.
        let clients: Vec<_> = (0..3u16)
            .map(|_| UdpSocket::bind(loopback).unwrap())
            .collect();
        for id in 0..100u16 {
            let owner = if id % 2 == 0 { "a.test." } else { "b.test." };
            let mut message = query(owner, RecordType::A, None);
            message.metadata.id = id;
            let client = &clients[usize::from(id % 3)];
            client
                .send_to(&message.to_vec().unwrap(), udp.address())
                .unwrap();
        }
        for (index, client) in (0u16..).zip(clients) {
            client.set_nonblocking(true).unwrap();
            let client = tokio::net::UdpSocket::from_std(client).unwrap();
            for id in (0..100u16).filter(|id| id % 3 == index) {
                let mut buf = [0; 512];
                let received = timeout(PATIENCE, client.recv_from(&mut buf)).await.unwrap();
                let (len, sender) = received.unwrap();
                let reply = Message::from_vec(&buf[..len]).unwrap();
                assert_eq!(sender, udp.address());
                assert_eq!(reply.metadata.id, id);
                assert_eq!(reply.answers.len(), usize::from(id % 2 == 0));
            }
        }
        assert_eq!(udp.counters().read().replies, 100);
    }
}

#[tokio::test]
async fn many_queries_share_a_connection_however_they_are_cut() {
    let (_udp, tcp) = lab::start(Options::default());
    let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
    let mut bytes = Vec::new();
    for id in 0..50u16 {
        let mut message = query("many.test.", RecordType::A, None);
        message.metadata.id = id;
        bytes.extend_from_slice(&framed(&message));
    }
    let (first, second) = bytes.split_at(bytes.len() / 2 + 1);
    stream.write_all(first).await.unwrap();
    for byte in second {
        stream.write_all(&[*byte]).await.unwrap();
    }
    for id in 0..50u16 {
        let reply = read_framed(&mut stream).await.unwrap();
        assert_eq!((reply.metadata.id, reply.answers.len()), (id, 100));
    }
}

#[tokio::test]
async fn idle_and_dawdling_connections_are_closed() {
    let limits = Limits {
        idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let (_udp, tcp) = lab::start(Options {
        limits,
        ..Options::default()
    });
    let mut idle = TcpStream::connect(tcp.address()).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, idle.read(&mut [0; 10]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    // A byte now and then does not keep a connection open.
    let mut dawdler = TcpStream::connect(tcp.address()).await.unwrap();
    let bytes = framed(&query("a.test.", RecordType::A, None));
    let mut sent = 0;
    for byte in &bytes {
        tokio::time::sleep(Duration::from_millis(30)).await;
        if dawdler.write_all(&[*byte]).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < bytes.len());
}

#[tokio::test]
async fn a_connection_in_use_outlives_the_idle_time() {
    let limits = Limits {
        idle: Duration::from_millis(400),
        ..Limits::default()
    };
    let (_udp, tcp) = lab::start(Options {
        limits,
        ..Options::default()
    });
    let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
    for _ in 0..4 {
        stream
            .write_all(&framed(&query("a.test.", RecordType::A, None)))
            .await
            .unwrap();
        assert!(read_framed(&mut stream).await.is_some());
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test]
async fn connections_are_capped_by_peer_and_in_all() {
    for limits in [
        Limits {
            connections_per_peer: 2,
            ..Limits::default()
        },
        Limits {
            connections: 2,
            ..Limits::default()
        },
    ] {
        let (_udp, tcp) = lab::start(Options {
            limits,
            ..Options::default()
        });
        let message = framed(&query("a.test.", RecordType::A, None));
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
            stream.write_all(&message).await.unwrap();
            assert!(read_framed(&mut stream).await.is_some());
            open.push(stream);
        }
        let mut third = TcpStream::connect(tcp.address()).await.unwrap();
        let closed = timeout(PATIENCE, third.read(&mut [0; 10])).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)));
        assert_eq!(tcp.counters().read().connections_refused, 1);
        // A place that was given back can be taken.
        drop(open.pop());
        while tcp.counters().read().connections_open > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            ask_tcp(tcp.address(), &query("a.test.", RecordType::A, None))
                .await
                .answers
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn an_over_long_message_ends_the_connection() {
    let (_udp, tcp) = lab::start(Options::default());
    let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
    stream
        .write_all(&framed(&query("a.test.", RecordType::A, None)))
        .await
        .unwrap();
    stream.write_all(&[0xff, 0xff, 1, 2, 3]).await.unwrap();
    assert!(read_framed(&mut stream).await.is_some());
    let closed = timeout(PATIENCE, stream.read(&mut [0; 10])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_stop_frees_the_address_and_ends_connections() {
    let (udp, tcp) = lab::start(Options::default());
    let (udp_address, tcp_address) = (udp.address(), tcp.address());
    let mut stream = TcpStream::connect(tcp_address).await.unwrap();
    stream
        .write_all(&framed(&query("a.test.", RecordType::A, None)))
        .await
        .unwrap();
    assert!(read_framed(&mut stream).await.is_some());
    timeout(PATIENCE, async { tokio::join!(udp.stop(), tcp.stop()) })
        .await
        .unwrap();
    assert_eq!(
        timeout(PATIENCE, stream.read(&mut [0; 10]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    UdpSocket::bind(udp_address).unwrap();
    assert!(TcpStream::connect(tcp_address).await.is_err());
}

#[tokio::test]
async fn every_answer_is_logged_once_with_its_records() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let log = move |record: &adit_dns::serve::QueryRecord<'_>| {
        let answers: Vec<_> = record
            .answers()
            .map(|r| format!("{} {} {r}", r.rtype, r.class))
            .collect();
        let transport = if record.transport == Transport::Udp {
            "UDP"
        } else {
            "TCP"
        };
        kept.lock().unwrap().push(format!(
            "{} {} {} {} {} {transport} {:?} {}",
            record.listener.label,
            record.name,
            record.rtype,
            record.class,
            record.rcode,
            answers,
            record.peer.ip(),
        ));
    };
    let (udp, tcp) = lab::start(Options {
        log: Some(Box::new(log)),
        ..Options::default()
    });
    ask_udp(udp.address(), &query("A.test.", RecordType::A, None)).await;
    ask_tcp(tcp.address(), &query("b.test.", RecordType::AAAA, None)).await;
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "vpc-1 a.test. A IN NOERROR UDP [\"A IN 10.0.0.0\"] 127.0.0.1",
            "vpc-1 b.test. AAAA IN NXDOMAIN TCP [] 127.0.0.1",
        ]
    );
}

#[tokio::test]
async fn a_socket_bound_to_every_address_is_refused() {
    let server = Server::new(Resolver::new(Vec::new()), None, None, Limits::default());
    let udp = server.serve_udp(UdpSocket::bind("0.0.0.0:0").unwrap(), lab::listener());
    assert!(matches!(udp, Err(ServeError::Unspecified(_))));
    let tcp = server.serve_tcp(TcpListener::bind("[::]:0").unwrap(), lab::listener());
    assert!(matches!(tcp, Err(ServeError::Unspecified(_))));
}

#[tokio::test]
async fn without_a_forwarder_forwarding_is_servfail() {
    let names = Resolver::new(vec!["127.0.0.1:9".parse().unwrap()]);
    let server = Server::new(names, None, None, Limits::default());
    let udp = server
        .serve_udp(UdpSocket::bind("127.0.0.1:0").unwrap(), lab::listener())
        .unwrap();
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.metadata.op_code, OpCode::Query);
}
