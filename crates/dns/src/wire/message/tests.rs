//! Walking messages.

use proptest::prelude::*;

use super::*;

/// A response to `a.bc` type MX whose record data is compressed.
const MX: &[u8] = b"\0\x07\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x02bc\0\0\x0f\0\x01\
    \xc0\x0c\0\x0f\0\x01\0\0\0\x05\0\x06\0\x0a\x01m\xc0\x0e";

#[test]
fn compressed_names_are_expanded() {
    let message = Message::parse(MX).unwrap();
    assert_eq!(message.id(), 7);
    assert!(message.is_response() && !message.truncated());
    let record = message.records().next().unwrap().unwrap();
    assert_eq!(record.owner().unwrap().to_string(), "a.bc.");
    assert_eq!(record.to_string(), "10 m.bc.");
    let mut data = Vec::new();
    record.expand_rdata(&mut data).unwrap();
    assert_eq!(data, b"\0\x0a\x01m\x02bc\0");
}

#[test]
fn pointers_only_lead_back() {
    // The exchange points to itself, then forward, then just before itself in a circle.
    for target in [0x27u8, 0x28, 0x25] {
        let mut bytes = MX.to_vec();
        let at = bytes.len() - 1;
        bytes[at] = target;
        let message = Message::parse(&bytes).unwrap();
        let record = message.records().next().unwrap().unwrap();
        assert_eq!(record.expand_rdata(&mut Vec::new()), None, "{target:x}");
        assert_eq!(record.to_string(), "malformed");
    }
}

#[test]
fn a_record_past_the_end_is_an_error_and_the_last_item() {
    let message = Message::parse(&MX[..MX.len() - 1]).unwrap();
    let items: Vec<_> = message.records().collect();
    assert_eq!(items.len(), 1);
    assert!(items[0].is_err());
}

#[test]
fn data_is_shown_in_zone_file_form() {
    let cases: [(RecordType, &[u8], &str); 8] = [
        (RecordType::A, &[10, 0, 0, 1], "10.0.0.1"),
        (
            RecordType::AAAA,
            &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "fd00::1",
        ),
        (RecordType::TXT, b"\x03a\"b\x01\x07", r#""a\"b" "\007""#),
        (
            RecordType::SRV,
            b"\0\x01\0\x02\x01\xbb\x01h\0",
            "1 2 443 h.",
        ),
        (
            RecordType::CAA,
            b"\x80\x05issueca.test",
            r#"128 issue "ca.test""#,
        ),
        (RecordType::CNAME, b"\x01c\0", "c."),
        (RecordType(999), b"\x01\xff", r"\# 2 01ff"),
        (RecordType::A, b"\x01", r"\# 1 01"),
    ];
    for (rtype, data, shown) in cases {
        let mut text = String::new();
        write_rdata(&mut text, rtype, data).unwrap();
        assert_eq!(text, shown);
    }
}

proptest! {
    #[test]
    fn walking_any_bytes_ends(
        from in 0usize..40,
        tail in prop::collection::vec(any::<u8>(), 0..600),
        counts in any::<[u8; 6]>(),
    ) {
        let mut bytes = [&MX[..from.min(MX.len())], &tail].concat();
        if let Some(slots) = bytes.get_mut(6..12) {
            slots.copy_from_slice(&counts);
        }
        if let Ok(message) = Message::parse(&bytes) {
            for record in message.records().filter_map(Result::ok) {
                let _ = format!("{record:?}");
            }
        }
    }
}
