//! Writing replies.

use super::*;
use crate::name::Name;
use crate::wire::{Message, Rdata, Scratch};

const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01B\x02S3\x07Example\0\0\x01\0\x01";
const EDNS: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

fn with_edns() -> Vec<u8> {
    let mut packet = [QUERY, EDNS].concat();
    packet[11] = 1;
    packet
}

fn build(packet: &[u8], limit: usize, write: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
    let mut scratch = Scratch::default();
    let query = Query::parse(packet, &mut scratch).unwrap();
    // Something in front, as with TCP's length.
    let mut buf = b"xy".to_vec();
    let mut reply = Reply::new(&mut buf, &query, limit, 0);
    write(&mut reply);
    let len = reply.finish();
    assert_eq!(len, buf.len() - 2);
    assert!(len <= limit);
    buf.split_off(2)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn soa() -> Soa {
    Soa {
        primary: name("ns.example"),
        mailbox: name("root.example"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 60,
    }
}

#[test]
fn the_question_comes_back_in_its_own_case_and_the_owner_points_to_it() {
    let bytes = build(QUERY, 512, |reply| {
        reply.set_recursion_available(true);
        reply.set_authoritative(true);
        assert!(reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]));
    });
    assert_eq!(&bytes[12..QUERY.len()], &QUERY[12..]);
    assert_eq!(&bytes[..12], b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0");
    assert_eq!(
        &bytes[QUERY.len()..],
        b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01"
    );
}

#[test]
fn owners_share_what_they_can_with_the_question() {
    let cases: [(&str, &[u8]); 5] = [
        ("b.s3.example", b"\xc0\x0c"),
        ("s3.example", b"\xc0\x0e"),
        ("x.s3.example", b"\x01x\xc0\x0e"),
        (".", b"\0"),
        ("other", b"\x05other\0"),
    ];
    for (owner, wire) in cases {
        let owner = name(owner);
        let bytes = build(QUERY, 512, |reply| {
            reply.answer(Owner::Name(owner.as_ref()), RecordType::TXT, 1, b"\0");
        });
        let written = &bytes[QUERY.len()..QUERY.len() + wire.len()];
        assert_eq!(written, wire, "{owner}");
        let message = Message::parse(&bytes).unwrap();
        let record = message.records().next().unwrap().unwrap();
        assert_eq!(record.owner(), Some(owner));
    }
}

#[test]
fn an_owner_may_be_found_inside_of_a_label() {
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03x\x01b\x01c\0\0\x01\0\x01";
    let bytes = build(query, 512, |reply| {
        reply.answer(Owner::Name(name("b.c").as_ref()), RecordType::TXT, 1, b"\0");
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        message.records().next().unwrap().unwrap().owner(),
        Some(name("b.c"))
    );
}

#[test]
fn a_chain_points_to_its_last_target() {
    let bytes = build(QUERY, 512, |reply| {
        let target = name("far.away");
        assert!(reply.answer(Owner::Question, RecordType::CNAME, 5, target.wire()));
        assert!(reply.answer(Owner::Target, RecordType::A, 59, &[10, 0, 0, 1]));
    });
    let message = Message::parse(&bytes).unwrap();
    let owners: Vec<_> = message
        .records()
        .map(|r| r.unwrap().owner().unwrap())
        .collect();
    assert_eq!(owners, [name("b.s3.example"), name("far.away")]);
}

#[test]
fn a_negative_answer_keeps_the_smaller_ttl() {
    for (own, ttl) in [(900, 60), (5, 5)] {
        let bytes = build(QUERY, 512, |reply| {
            reply.set_rcode(Rcode::NXDOMAIN);
            reply.negative(name("s3.example").as_ref(), own, &soa());
        });
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.rcode(), Rcode::NXDOMAIN);
        let record = message.records().next().unwrap().unwrap();
        assert_eq!((record.section, record.ttl), (Section::Authority, ttl));
        assert_eq!(record.to_string(), "ns.example. root.example. 1 2 3 4 60");
    }
}

#[test]
fn what_does_not_fit_sets_tc_and_leaves_whole_records() {
    for packet in [QUERY.to_vec(), with_edns()] {
        let bytes = build(&packet, 512, |reply| {
            let fitting = (0..100)
                .take_while(|i| reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, *i]));
            assert!(fitting.count() < 35);
            assert!(!reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]));
            reply.negative(name("example").as_ref(), 1, &soa());
        });
        let message = Message::parse(&bytes).unwrap();
        assert!(message.truncated());
        assert!(
            message
                .records()
                .all(|r| r.is_ok_and(|r| r.section != Section::Authority))
        );
        assert!(bytes.len() > 480);
    }
}

#[test]
fn additional_records_are_dropped_without_tc() {
    let bytes = build(QUERY, 60, |reply| {
        assert!(reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]));
        let section = Section::Additional;
        assert!(!reply.record(section, Owner::Question, RecordType::TXT, 1, &[0; 40]));
        assert!(!reply.truncated());
    });
    assert_eq!(bytes.len(), QUERY.len() + 16);
}

#[test]
fn edns_is_answered_with_edns() {
    let bytes = build(&with_edns(), 1232, |reply| {
        reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]);
    });
    assert!(bytes.ends_with(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"));
    assert_eq!(bytes[11], 1);
    let plain = build(QUERY, 512, |_| ());
    assert_eq!(plain.len(), QUERY.len());
}

#[test]
fn sections_come_in_order() {
    build(QUERY, 512, |reply| {
        reply.negative(name("example").as_ref(), 1, &soa());
        assert!(!reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]));
        reply.clear();
        assert!(reply.answer(Owner::Question, RecordType::A, 60, &[10, 0, 0, 1]));
    });
}

#[test]
fn malformed_queries_get_a_bare_header() {
    let refuse = |rcode| Malformed::Refuse {
        id: 0x1234,
        flags: 0x2910,
        rcode,
    };
    let mut buf = Vec::new();
    assert!(refuse(Rcode::NOTIMP).encode(&mut buf));
    assert_eq!(buf, b"\x12\x34\xa9\x04\0\0\0\0\0\0\0\0");
    buf.clear();
    assert!(refuse(Rcode::BADVERS).encode(&mut buf));
    assert_eq!(
        buf,
        b"\x12\x34\xa9\0\0\0\0\0\0\0\0\x01\0\0\x29\x04\xd0\x01\0\0\0\0\0"
    );
    assert!(!Malformed::Ignore.encode(&mut buf));
}

#[test]
fn text_longer_than_255_bytes_is_split() {
    let mut out = Vec::new();
    Rdata::Txt(vec![vec![b'a'; 300], Vec::new()]).encode(&mut out);
    assert_eq!((out[0], out[256], out[302], out.len()), (255, 45, 0, 303));
}
