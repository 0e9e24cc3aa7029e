//! Forwarding to a fake upstream on loopback that does what it is told, honest or not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use adit_dns::forward::ForwardLimits;
use adit_dns::serve::Limits;
use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::lab::{self, Options, ask_tcp, ask_udp, framed, query, read_framed};

/// What the fake upstream does with each UDP query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Wrong id, wrong question, another sender, then the right answer.
    AmidForgeries,
    /// Nothing but forged ids.
    OnlyForgeries,
    /// TC over UDP.
    Truncated,
    Servfail,
    Mute,
    /// Answers after a while.
    Slow,
    /// 80 addresses, whatever the size asked for.
    Huge,
}

fn answer(question: &Message, last: u8) -> Message {
    let mut reply = question.clone();
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.authoritative = true;
    let owner = question.queries[0].name().clone();
    if owner == Name::from_ascii("alias.far.").unwrap() {
        let target = Name::from_ascii("up.far.").unwrap();
        let cname = RData::CNAME(CNAME(target.clone()));
        reply.add_answer(Record::from_rdata(owner, 30, cname));
        reply.add_answer(Record::from_rdata(target, 40, address(last)));
    } else {
        reply.add_answer(Record::from_rdata(owner, 40, address(last)));
    }
    reply
}

fn address(last: u8) -> RData {
    RData::A(Ipv4Addr::new(192, 0, 2, last).into())
}

/// Starts an upstream on a free port, UDP and TCP. Addresses that it gives end in `last`.
async fn upstream(manner: Manner, last: u8) -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // The same port may be taken for TCP.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buf = [0; 1500];
        loop {
            let (len, peer) = udp.recv_from(&mut buf).await.unwrap();
            let question = Message::from_vec(&buf[..len]).unwrap();
            for (forged, reply) in replies(&question, manner, last).await {
                let socket = if forged { &stranger } else { &udp };
                socket
                    .send_to(&reply.to_vec().unwrap(), peer)
                    .await
                    .unwrap();
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            if let Some(question) = read_framed(&mut stream).await {
                // One more, so that the test sees which way was taken.
                let reply = answer(&question, last + 1);
                stream.write_all(&framed(&reply)).await.unwrap();
            }
        }
    });
    address
}

/// The datagrams for a question, and whether each is sent from another socket.
async fn replies(question: &Message, manner: Manner, last: u8) -> Vec<(bool, Message)> {
    let right = answer(question, last);
    let mut wrong_id = answer(question, 66);
    wrong_id.metadata.id ^= 1;
    match manner {
        Manner::Honest => vec![(false, right)],
        Manner::Mute => Vec::new(),
        Manner::Slow => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            vec![(false, right)]
        }
        Manner::OnlyForgeries => vec![(false, wrong_id); 40],
        Manner::AmidForgeries => {
            let mut wrong_question = answer(question, 67);
            let other = Query::query(Name::from_ascii("other.far.").unwrap(), RecordType::A);
            wrong_question.queries = vec![other];
            let mut wrong_type = answer(question, 68);
            wrong_type.queries[0].set_query_type(RecordType::AAAA);
            let mut no_response = answer(question, 69);
            no_response.metadata.message_type = MessageType::Query;
            vec![
                (true, answer(question, 70)),
                (false, wrong_id),
                (false, wrong_question),
                (false, wrong_type),
                (false, no_response),
                (false, right),
            ]
        }
        Manner::Truncated => {
            let mut cut = right;
            cut.answers.clear();
            cut.metadata.truncation = true;
            vec![(false, cut)]
        }
        Manner::Servfail => {
            let mut failed = right;
            failed.answers.clear();
            failed.metadata.response_code = ResponseCode::ServFail;
            vec![(false, failed)]
        }
        Manner::Huge => {
            let mut huge = right;
            let owner = question.queries[0].name().clone();
            for last in 0..80 {
                huge.add_answer(Record::from_rdata(owner.clone(), 40, address(last)));
            }
            vec![(false, huge)]
        }
    }
}

fn addresses(message: &Message) -> Vec<String> {
    message
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect()
}

fn to(servers: Vec<SocketAddr>) -> Options {
    Options {
        servers,
        ..Options::default()
    }
}

#[tokio::test]
async fn an_answer_is_relayed_under_the_clients_id_and_spelling() {
    let (udp, tcp) = lab::start(to(vec![upstream(Manner::Honest, 1).await]));
    for payload in [None, Some(1232)] {
        let message = query("Alias.FAR.", RecordType::A, payload);
        let packet = message.to_vec().unwrap();
        let reply = lab::over_udp(udp.address(), &packet).await.unwrap();
        let question = 12..12 + "Alias.FAR.".len() + 1 + 4;
        assert_eq!(reply[question.clone()], packet[question]);
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.id, 0x4242);
        assert!(reply.metadata.recursion_available && !reply.metadata.authoritative);
        assert_eq!(addresses(&reply), ["up.far.", "192.0.2.1"]);
        assert_eq!(reply.edns.is_some(), payload.is_some());
    }
    let reply = ask_tcp(tcp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(addresses(&reply), ["192.0.2.1"]);
    let counts = udp.counters().read();
    assert_eq!(
        (counts.forwarded, counts.forward_failed, counts.replies),
        (2, 0, 2)
    );
}

#[tokio::test]
async fn forged_answers_are_not_believed() {
    let (udp, _tcp) = lab::start(to(vec![upstream(Manner::AmidForgeries, 1).await]));
    for _ in 0..20 {
        let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
        assert_eq!(addresses(&reply), ["192.0.2.1"]);
    }
}

#[tokio::test]
async fn under_a_flood_of_forgeries_the_server_is_asked_over_tcp() {
    let (udp, _tcp) = lab::start(to(vec![upstream(Manner::OnlyForgeries, 1).await]));
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(addresses(&reply), ["192.0.2.2"]);
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp() {
    let (udp, _tcp) = lab::start(to(vec![upstream(Manner::Truncated, 1).await]));
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert!(!reply.metadata.truncation);
    assert_eq!(addresses(&reply), ["192.0.2.2"]);
}

#[tokio::test]
async fn an_answer_too_long_for_the_client_is_truncated_and_whole_over_tcp() {
    let (udp, tcp) = lab::start(to(vec![upstream(Manner::Huge, 1).await]));
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert!(reply.metadata.truncation);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    let whole = ask_tcp(tcp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(whole.answers.len(), 81);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let good = upstream(Manner::Honest, 9).await;
    for first in [
        closed,
        upstream(Manner::Mute, 1).await,
        upstream(Manner::Servfail, 1).await,
    ] {
        let (udp, _tcp) = lab::start(to(vec![first, good]));
        let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
        assert_eq!(addresses(&reply), ["192.0.2.9"]);
    }
}

/// An upstream that counts what it is asked over UDP, and answers when it is told to.
async fn counting() -> (SocketAddr, Arc<AtomicU32>, Arc<AtomicBool>) {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let (asked, answers) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, told) = (asked.clone(), answers.clone());
    tokio::spawn(async move {
        let mut buf = [0; 1500];
        loop {
            let (len, peer) = udp.recv_from(&mut buf).await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            if told.load(Ordering::SeqCst) {
                let question = Message::from_vec(&buf[..len]).unwrap();
                let reply = answer(&question, 1).to_vec().unwrap();
                udp.send_to(&reply, peer).await.unwrap();
            }
        }
    });
    (address, asked, answers)
}

/// A forwarder that gives up on a server soon, and tries it again after `retry`.
fn impatient(servers: Vec<SocketAddr>, retry: Duration) -> Options {
    Options {
        servers,
        forward: ForwardLimits {
            attempt: Duration::from_secs(1),
            retry,
            retry_longest: retry,
            ..Options::default().forward
        },
        ..Options::default()
    }
}

#[tokio::test]
async fn a_silent_server_costs_one_query_its_time_and_no_other() {
    let (mute, asked, _) = counting().await;
    let good = upstream(Manner::Honest, 9).await;
    let hour = Duration::from_secs(3600);
    let (udp, tcp) = lab::start(impatient(vec![mute, good], hour));
    for _ in 0..20 {
        let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
        assert_eq!(addresses(&reply), ["192.0.2.9"]);
        let reply = ask_tcp(tcp.address(), &query("x.far.", RecordType::A, None)).await;
        assert_eq!(addresses(&reply), ["192.0.2.9"]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_answers_again_is_asked_again() {
    let (first, asked, answers) = counting().await;
    let good = upstream(Manner::Honest, 9).await;
    let (udp, _tcp) = lab::start(impatient(vec![first, good], Duration::ZERO));
    let message = query("x.far.", RecordType::A, None);
    // While it is silent it is tried beside queries that the other one answers.
    while asked.load(Ordering::SeqCst) < 3 {
        let reply = ask_udp(udp.address(), &message).await;
        assert_eq!(addresses(&reply), ["192.0.2.9"]);
    }
    answers.store(true, Ordering::SeqCst);
    while addresses(&ask_udp(udp.address(), &message).await) != ["192.0.2.1"] {}
}

#[tokio::test]
async fn when_nobody_answers_the_client_hears_servfail_in_time() {
    let mute = upstream(Manner::Mute, 1).await;
    let forward = ForwardLimits {
        attempt: Duration::from_millis(80),
        total: Duration::from_millis(200),
        in_flight: 10,
        ..ForwardLimits::default()
    };
    let (udp, _tcp) = lab::start(Options {
        servers: vec![mute; 20],
        forward,
        ..Options::default()
    });
    let start = Instant::now();
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert!(start.elapsed() < Duration::from_millis(1500));
    assert_eq!(udp.counters().read().forward_failed, 1);
}

#[tokio::test]
async fn the_last_servers_own_refusal_is_relayed() {
    let (udp, _tcp) = lab::start(to(vec![upstream(Manner::Servfail, 1).await]));
    let reply = ask_udp(udp.address(), &query("x.far.", RecordType::A, None)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(udp.counters().read().forward_failed, 0);
}

#[tokio::test]
async fn waiting_queries_are_bounded_and_others_go_on() {
    let servers = vec![upstream(Manner::Mute, 1).await];
    let limits = Limits {
        forwards: 3,
        ..Limits::default()
    };
    let (udp, _tcp) = lab::start(Options {
        servers,
        limits,
        ..Options::default()
    });
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(udp.address()).await.unwrap();
    let message = query("x.far.", RecordType::A, None).to_vec().unwrap();
    for _ in 0..4 {
        socket.send(&message).await.unwrap();
    }
    // The fourth fails at once, long before the others time out.
    let start = Instant::now();
    let mut buf = [0; 512];
    let len = socket.recv(&mut buf).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(900));
    let reply = Message::from_vec(&buf[..len]).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    // Names that are known are answered all the same.
    let reply = ask_udp(udp.address(), &query("a.test.", RecordType::A, None)).await;
    assert_eq!(reply.answers.len(), 1);
}

#[tokio::test]
async fn a_chain_that_leads_out_is_completed_upstream() {
    for (manner, address) in [
        (Manner::Honest, "192.0.2.1"),
        (Manner::Truncated, "192.0.2.2"),
    ] {
        let (udp, _tcp) = lab::start(to(vec![upstream(manner, 1).await]));
        let reply = ask_udp(udp.address(), &query("oUt.test.", RecordType::A, None)).await;
        let shown: Vec<_> = reply
            .answers
            .iter()
            .map(|r| (r.name.to_string(), r.ttl))
            .collect();
        assert_eq!(
            shown,
            [("oUt.test.".to_owned(), 5), ("up.far.".to_owned(), 40)]
        );
        assert_eq!(addresses(&reply), ["up.far.", address]);
        assert_eq!(reply.queries[0].name().to_string(), "oUt.test.");
    }
}

#[tokio::test]
async fn slow_answers_do_not_hold_up_the_connection() {
    let (_udp, tcp) = lab::start(to(vec![upstream(Manner::Slow, 1).await]));
    let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
    for (id, owner) in [(1, "x.far."), (2, "a.test.")] {
        let mut message = query(owner, RecordType::A, None);
        message.metadata.id = id;
        stream.write_all(&framed(&message)).await.unwrap();
    }
    let ids = [
        read_framed(&mut stream).await,
        read_framed(&mut stream).await,
    ];
    assert_eq!(ids.map(|reply| reply.unwrap().metadata.id), [2, 1]);
}

#[tokio::test]
async fn more_forwards_than_a_connection_may_have_wait_their_turn() {
    let limits = Limits {
        forwards_per_connection: 2,
        ..Limits::default()
    };
    let servers = vec![upstream(Manner::Honest, 1).await];
    let (_udp, tcp) = lab::start(Options {
        servers,
        limits,
        ..Options::default()
    });
    let mut stream = TcpStream::connect(tcp.address()).await.unwrap();
    let message = framed(&query("x.far.", RecordType::A, None)).repeat(20);
    stream.write_all(&message).await.unwrap();
    stream.shutdown().await.unwrap();
    for _ in 0..20 {
        assert_eq!(
            addresses(&read_framed(&mut stream).await.unwrap()),
            ["192.0.2.1"]
        );
    }
    assert!(read_framed(&mut stream).await.is_none());
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let (udp, _tcp) = lab::start(to(vec![upstream(Manner::Slow, 1).await]));
    let counters = std::sync::Arc::clone(udp.counters());
    let address = udp.address();
    let asked =
        tokio::spawn(async move { ask_udp(address, &query("x.far.", RecordType::A, None)).await });
    while counters.read().forwarded == 0 {
        tokio::task::yield_now().await;
    }
    udp.stop().await;
    assert_eq!(addresses(&asked.await.unwrap()), ["192.0.2.1"]);
}
