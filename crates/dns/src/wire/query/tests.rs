//! Reading queries, good and bad.

use proptest::prelude::*;

use super::*;

const QUERY: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x03wWw\x07Example\0\0\x01\0\x01";
const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\0";

fn with_opt(opt: &[u8], count: u8) -> Vec<u8> {
    let mut packet = [QUERY, opt].concat();
    packet[11] = count;
    packet
}

fn refused(packet: &[u8]) -> Option<Rcode> {
    match Query::parse(packet, &mut Scratch::default()) {
        Err(Malformed::Refuse { id, rcode, .. }) => {
            assert_eq!(id, 0x1234);
            Some(rcode)
        }
        _ => None,
    }
}

#[test]
fn a_plain_query_is_read_in_lower_case_and_kept_as_sent() {
    let mut scratch = Scratch::default();
    let query = Query::parse(QUERY, &mut scratch).unwrap();
    assert_eq!(query.id, 0x1234);
    assert!(query.recursion_desired && query.checking_disabled);
    assert_eq!(query.question.name.to_string(), "www.example.");
    assert_eq!(query.question.rtype, RecordType::A);
    assert_eq!(query.question.class, Class::IN);
    assert_eq!(query.question_wire, &QUERY[12..]);
    assert_eq!(query.edns, None);
    assert_eq!(query.udp_limit(), 512);
}

#[test]
fn edns_sizes_are_held_between_512_and_1232() {
    for (sent, limit) in [
        (0u16, 512),
        (511, 512),
        (800, 800),
        (1232, 1232),
        (4096, 1232),
    ] {
        let mut opt = OPT.to_vec();
        opt[3..5].copy_from_slice(&sent.to_be_bytes());
        let packet = with_opt(&opt, 1);
        let mut scratch = Scratch::default();
        let query = Query::parse(&packet, &mut scratch).unwrap();
        assert_eq!(query.udp_limit(), limit, "{sent}");
        assert!(query.edns.unwrap().dnssec_ok);
    }
}

#[test]
fn edns_options_are_tolerated() {
    // NSID (3, empty) and a client cookie (10, eight bytes).
    let packet = with_opt(
        b"\0\0\x29\x10\0\0\0\0\0\0\x10\0\x03\0\0\0\x0a\0\x08abcdefgh",
        1,
    );
    assert!(Query::parse(&packet, &mut Scratch::default()).is_ok());
}

#[test]
fn trailing_bytes_after_the_records_are_tolerated() {
    let packet = [QUERY, b"junk"].concat();
    assert!(Query::parse(&packet, &mut Scratch::default()).is_ok());
}

#[test]
fn each_fault_has_its_code() {
    let edit = |at: usize, byte: u8| {
        let mut packet = QUERY.to_vec();
        packet[at] = byte;
        packet
    };
    let cases: Vec<(&str, Vec<u8>, Rcode)> = vec![
        ("opcode STATUS", edit(2, 0x10), Rcode::NOTIMP),
        ("opcode UPDATE", edit(2, 0x28), Rcode::NOTIMP),
        ("no question", edit(5, 0), Rcode::FORMERR),
        ("two questions", edit(5, 2), Rcode::FORMERR),
        ("pointer in the question", edit(12, 0xc0), Rcode::FORMERR),
        ("reserved label type", edit(12, 0x40), Rcode::FORMERR),
        ("label past the end", edit(12, 63), Rcode::FORMERR),
        (
            "cut in the type",
            QUERY[..QUERY.len() - 3].to_vec(),
            Rcode::FORMERR,
        ),
        ("missing answer", edit(7, 1), Rcode::FORMERR),
        ("missing additional", edit(11, 1), Rcode::FORMERR),
        (
            "two EDNS records",
            with_opt(&[OPT, OPT].concat(), 2),
            Rcode::FORMERR,
        ),
        (
            "EDNS owner not root",
            with_opt(b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0", 1),
            Rcode::FORMERR,
        ),
        (
            "EDNS version 1",
            with_opt(b"\0\0\x29\x10\0\0\x01\0\0\0\0", 1),
            Rcode::BADVERS,
        ),
        (
            "EDNS data past the end",
            with_opt(b"\0\0\x29\x10\0\0\0\0\0\0\x01", 1),
            Rcode::FORMERR,
        ),
        (
            "EDNS in the answer section",
            {
                let mut packet = with_opt(OPT, 0);
                packet[7] = 1;
                packet
            },
            Rcode::FORMERR,
        ),
    ];
    for (what, packet, rcode) in cases {
        assert_eq!(refused(&packet), Some(rcode), "{what}");
    }
}

#[test]
fn a_name_of_256_bytes_is_refused_and_one_of_255_is_not() {
    let query = |labels: &[usize]| {
        let mut packet = QUERY[..12].to_vec();
        for &len in labels {
            packet.push(u8::try_from(len).unwrap());
            packet.extend(std::iter::repeat_n(b'a', len));
        }
        packet.extend_from_slice(b"\0\0\x01\0\x01");
        packet
    };
    assert!(Query::parse(&query(&[63, 63, 63, 61]), &mut Scratch::default()).is_ok());
    assert_eq!(refused(&query(&[63, 63, 63, 62])), Some(Rcode::FORMERR));
}

#[test]
fn responses_and_fragments_get_no_reply() {
    let mut response = QUERY.to_vec();
    response[2] |= 0x80;
    for packet in [response.as_slice(), &QUERY[..11], b""] {
        let mut scratch = Scratch::default();
        let parsed = Query::parse(packet, &mut scratch);
        assert_eq!(parsed.err(), Some(Malformed::Ignore));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        head in prop::collection::vec(any::<u8>(), 0..40),
        tail in prop::collection::vec(any::<u8>(), 0..600),
        from in 0usize..30,
    ) {
        let _ = Query::parse(&head, &mut Scratch::default());
        let packet = [&QUERY[..from], &tail].concat();
        let _ = Query::parse(&packet, &mut Scratch::default());
    }

    #[test]
    fn every_cut_and_flip_is_survived(at in 0usize..60, byte in any::<u8>(), cut in 0usize..60) {
        let mut packet = with_opt(OPT, 1);
        if let Some(slot) = packet.get_mut(at) {
            *slot = byte;
        }
        packet.truncate(cut);
        let _ = Query::parse(&packet, &mut Scratch::default());
    }
}
