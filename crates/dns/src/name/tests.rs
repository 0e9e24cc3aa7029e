//! Reading and writing names.

use proptest::prelude::*;

use super::*;

#[test]
fn text_and_wire_agree() {
    let cases: [(&str, &[u8], &str); 6] = [
        (".", b"\0", "."),
        ("", b"\0", "."),
        ("A.b", b"\x01a\x01b\0", "a.b."),
        ("*.s3.", b"\x01*\x02s3\0", "*.s3."),
        (r"a\.b.c", b"\x03a.b\x01c\0", r"a\.b.c."),
        (r"\065\000", b"\x02a\0\0", r"a\000."),
    ];
    for (text, wire, shown) in cases {
        let name: Name = text.parse().unwrap();
        assert_eq!(name.wire(), wire, "{text}");
        assert_eq!(name.to_string(), shown, "{text}");
        assert_eq!(Name::from_wire(wire).unwrap(), name);
    }
}

#[test]
fn bad_names_are_told_apart() {
    let long = "a".repeat(64);
    let many = "abcdefg.".repeat(32);
    assert!(matches!(
        "a..b".parse::<Name>(),
        Err(NameError::EmptyLabel(_))
    ));
    assert!(matches!(
        ".a".parse::<Name>(),
        Err(NameError::EmptyLabel(_))
    ));
    assert!(matches!(
        long.parse::<Name>(),
        Err(NameError::LabelTooLong(_))
    ));
    assert!(matches!(many.parse::<Name>(), Err(NameError::TooLong(_))));
    assert!(matches!(
        r"a\2".parse::<Name>(),
        Err(NameError::BadEscape(_))
    ));
    assert!(matches!(
        r"a\999".parse::<Name>(),
        Err(NameError::BadEscape(_))
    ));
    for wire in [
        &b""[..],
        b"\x01",
        b"\x01a",
        b"\x01a\0\0",
        b"\xc0\x0c",
        b"\x40a\0",
    ] {
        assert_eq!(Name::from_wire(wire), Err(NameError::BadWire), "{wire:?}");
    }
    assert_eq!(
        "a".repeat(63).parse::<Name>().map(|n| n.wire().len()),
        Ok(65)
    );
}

#[test]
fn within_respects_label_borders() {
    let within = |name: &str, zone: &str| {
        let (name, zone): (Name, Name) = (name.parse().unwrap(), zone.parse().unwrap());
        name.as_ref().is_within(zone.as_ref())
    };
    assert!(within("a.b.c", "b.c"));
    assert!(within("b.c", "b.c"));
    assert!(within("b.c", "."));
    assert!(!within("ab.c", "b.c"));
    assert!(!within("c", "b.c"));
    // The bytes `\x01b\x01c\0` also end this name, inside of its one long label.
    assert!(!within(r"x\001b\001c", r"b\001c"));
    assert!(!within(r"x\001b.c", "b.c"));
}

#[test]
fn addresses_have_reverse_names() {
    let reverse = |address: &str| Name::reverse(address.parse().unwrap()).to_string();
    assert_eq!(reverse("10.0.1.255"), "255.1.0.10.in-addr.arpa.");
    let zeros = "0.".repeat(24);
    assert_eq!(
        reverse("fd00:ab::1"),
        format!("1.{}b.a.0.0.0.0.d.f.ip6.arpa.", &zeros[..46])
    );
}

#[test]
fn prepend_keeps_the_limits() {
    let base: Name = "s3.example".parse().unwrap();
    assert_eq!(
        base.prepend("Bucket").unwrap().to_string(),
        "bucket.s3.example."
    );
    assert!(base.prepend("").is_err());
    assert!(base.prepend(&"a".repeat(64)).is_err());
    let long: Name = "abcdefg.".repeat(31).parse().unwrap();
    assert!(long.prepend("abcdefg").is_err());
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_and_shows_itself_again(text in "\\PC{0,300}") {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name.clone()));
            prop_assert_eq!(Name::from_wire(name.wire()), Ok(name));
        }
    }

    #[test]
    fn any_bytes_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(name) = Name::from_wire(&bytes) {
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
        }
    }

    #[test]
    fn suffix_hashes_are_the_ancestors_hashes(labels in prop::collection::vec("[a-z]{1,12}", 1..12)) {
        let name: Name = labels.join(".").parse().unwrap();
        let suffixes = Suffixes::of(name.as_ref());
        prop_assert_eq!(suffixes.depth(), labels.len());
        let mut at = Some(name.as_ref());
        let mut depth = labels.len();
        while let Some(ancestor) = at {
            prop_assert_eq!(suffixes.hash(depth), hash(ancestor));
            prop_assert_eq!(&name.wire()[suffixes.start(depth)..], ancestor.wire());
            at = ancestor.parent();
            depth = depth.saturating_sub(1);
        }
    }
}
