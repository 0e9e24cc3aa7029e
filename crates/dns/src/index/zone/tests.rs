//! What a zone holds and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn soa() -> Soa {
    Soa {
        primary: name("ns.test"),
        mailbox: name("root.test"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 60,
    }
}

fn zone(apex: &str) -> Zone {
    Zone::new(name(apex), soa(), 900)
}

fn address(last: u8) -> RecordSet {
    RecordSet::a(60, [Ipv4Addr::new(10, 0, 0, last)])
}

/// The name whose records stand for `text`.
fn found(zone: &Zone, text: &str) -> Option<String> {
    let name = name(text);
    match zone.find(name.as_ref(), &Suffixes::of(name.as_ref())) {
        Found::Node(entry) => Some(NameRef::trusted(entry.name).to_string()),
        Found::NoName => None,
    }
}

#[test]
fn wildcards_stand_for_names_under_the_closest_encloser_only() {
    let mut zone = zone("test");
    for text in ["*.s3.test", "b.c.s3.test", "s3.test", "*.deep.x.test"] {
        zone.put(&name(text), &address(1)).unwrap();
    }
    let cases = [
        ("s3.test", Some("s3.test.")),
        ("a.s3.test", Some("*.s3.test.")),
        ("a.b.s3.test", Some("*.s3.test.")),
        ("*.s3.test", Some("*.s3.test.")),
        // An empty non-terminal exists, and keeps the wildcard off the names under it.
        ("c.s3.test", Some("c.s3.test.")),
        ("a.c.s3.test", None),
        ("a.b.c.s3.test", None),
        ("b.c.s3.test", Some("b.c.s3.test.")),
        ("other.test", None),
        ("x.test", Some("x.test.")),
        ("deep.x.test", Some("deep.x.test.")),
        ("a.b.c.d.e.f.g.h.i.deep.x.test", Some("*.deep.x.test.")),
        ("test", Some("test.")),
        // A label that merely looks like a wildcard's first label (RFC 4592 section 2.1.1).
        ("*.a.s3.test", Some("*.s3.test.")),
    ];
    for (asked, expected) in cases {
        assert_eq!(found(&zone, asked).as_deref(), expected, "{asked}");
    }
}

#[test]
fn empty_non_terminals_go_with_their_last_child() {
    let mut zone = zone("test");
    assert_eq!(zone.name_count(), 1);
    zone.put(&name("a.b.c.test"), &address(1)).unwrap();
    zone.put(&name("d.b.c.test"), &address(1)).unwrap();
    assert_eq!(zone.name_count(), 5);
    assert!(zone.remove_name(&name("a.b.c.test")));
    assert!(found(&zone, "b.c.test").is_some());
    assert!(zone.remove(&name("d.b.c.test"), RecordType::A));
    assert!(!zone.remove(&name("d.b.c.test"), RecordType::A));
    assert_eq!(found(&zone, "c.test"), None);
    assert_eq!(zone.name_count(), 1);
}

#[test]
fn a_name_with_children_outlives_its_records() {
    let mut zone = zone("test");
    zone.put(&name("b.test"), &address(1)).unwrap();
    zone.put(&name("a.b.test"), &address(1)).unwrap();
    zone.remove_name(&name("b.test"));
    assert!(found(&zone, "b.test").is_some());
    zone.put(&name("b.test"), &address(2)).unwrap();
    zone.remove_name(&name("a.b.test"));
    assert!(found(&zone, "b.test").is_some());
    zone.remove_name(&name("b.test"));
    assert_eq!(zone.name_count(), 1);
}

#[test]
fn an_apex_always_exists() {
    let mut zone = zone("a.test");
    zone.remove_name(&name("a.test"));
    assert_eq!(found(&zone, "a.test").as_deref(), Some("a.test."));
    assert!(zone.put(&name("b.test"), &address(1)).is_err());
    assert_eq!(zone.name_count(), 1);
}

#[test]
fn inconsistent_sets_are_refused() {
    let mut zone = zone("test");
    let at = name("a.test");
    let mixed = RecordSet {
        rtype: RecordType::AAAA,
        ..address(1)
    };
    assert!(matches!(
        zone.put(&at, &mixed),
        Err(ZoneError::MixedTypes { .. })
    ));
    let raw = RecordSet::one(1, Rdata::Raw(RecordType::CNAME, vec![0xc0]));
    assert!(matches!(
        zone.put(&at, &raw),
        Err(ZoneError::RawKnownType { .. })
    ));
    let long = RecordSet::one(1, Rdata::Raw(RecordType(999), vec![0; 65_536]));
    assert!(matches!(
        zone.put(&at, &long),
        Err(ZoneError::TooLarge { .. })
    ));
    assert_eq!(found(&zone, "a.test"), None);
}

#[test]
fn a_changed_clone_leaves_the_original() {
    let mut old = zone("test");
    for i in 0..2000 {
        old.put(&name(&format!("n{i}.test")), &address(1)).unwrap();
    }
    let mut new = old.clone();
    for i in 0..2000 {
        if i % 2 == 0 {
            new.remove_name(&name(&format!("n{i}.test")));
        }
        new.put(&name(&format!("m{i}.test")), &address(2)).unwrap();
    }
    assert_eq!((old.name_count(), new.name_count()), (2001, 3001));
    for i in 0..2000 {
        assert!(found(&old, &format!("n{i}.test")).is_some());
        assert!(found(&old, &format!("m{i}.test")).is_none());
        assert_eq!(found(&new, &format!("n{i}.test")).is_some(), i % 2 == 1);
        assert!(found(&new, &format!("m{i}.test")).is_some());
    }
}

#[test]
fn the_closest_encloser_is_found_among_a_hundred_labels() {
    let mut zone = zone("test");
    let deep = format!("{}test", "a.".repeat(100));
    zone.put(&name(&deep), &address(1)).unwrap();
    assert_eq!(zone.name_count(), 101);
    let missing = format!("b.{}", "a.".repeat(60)) + "test";
    assert_eq!(found(&zone, &missing), None);
    zone.put(&name(&format!("*.{}test", "a.".repeat(60))), &address(1))
        .unwrap();
    assert!(found(&zone, &missing).is_some());
    assert!(found(&zone, &format!("x.y.z.{missing}")).is_some());
}

/// RFC 4592 written down the slow way.
#[derive(Default)]
struct Model {
    names: BTreeMap<String, BTreeSet<u16>>,
}

impl Model {
    fn exists(&self, text: &str) -> bool {
        text == "t."
            || self
                .names
                .keys()
                .any(|n| n == text || n.ends_with(&format!(".{text}")))
    }

    fn find(&self, text: &str) -> Option<String> {
        if self.exists(text) {
            return Some(text.to_owned());
        }
        let mut rest = text;
        while let Some((_, parent)) = rest.split_once('.') {
            if self.exists(parent) {
                let star = format!("*.{parent}");
                return self.exists(&star).then_some(star);
            }
            rest = parent;
        }
        None
    }
}

#[derive(Debug, Clone)]
enum Change {
    Put(String, u16),
    Remove(String, u16),
    RemoveName(String),
}

fn names() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["*", "a", "b", "c"]);
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        labels
            .iter()
            .map(|label| format!("{label}."))
            .collect::<String>()
            + "t."
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let rtype = || prop::sample::select(vec![1u16, 999]);
    prop_oneof![
        3 => (names(), rtype()).prop_map(|(name, rtype)| Change::Put(name, rtype)),
        1 => (names(), rtype()).prop_map(|(name, rtype)| Change::Remove(name, rtype)),
        1 => names().prop_map(Change::RemoveName),
    ]
}

proptest! {
    #[test]
    fn zone_agrees_with_the_slow_rules(
        changes in prop::collection::vec(changes(), 0..60),
        asked in prop::collection::vec(names(), 30),
    ) {
        let mut zone = zone("t");
        zone.remove_name(&name("t"));
        let mut model = Model::default();
        for change in changes {
            match change {
                Change::Put(text, rtype) => {
                    let set = match rtype {
                        1 => address(1),
                        other => RecordSet::one(1, Rdata::Raw(RecordType(other), vec![1, 2])),
                    };
                    zone.put(&name(&text), &set).unwrap();
                    model.names.entry(text).or_default().insert(rtype);
                }
                Change::Remove(text, rtype) => {
                    let held = model.names.get_mut(&text).is_some_and(|set| set.remove(&rtype));
                    prop_assert_eq!(zone.remove(&name(&text), RecordType(rtype)), held);
                    model.names.retain(|_, types| !types.is_empty());
                }
                Change::RemoveName(text) => {
                    let held = model.names.remove(&text).is_some();
                    prop_assert_eq!(zone.remove_name(&name(&text)), held);
                }
            }
        }
        for text in asked {
            prop_assert_eq!(found(&zone, &text), model.find(&text), "{}", text);
        }
        let mut held = BTreeMap::new();
        zone.visit(&mut |name, types| {
            held.insert(name.to_string(), types.iter().map(|t| t.0).collect::<BTreeSet<u16>>());
        });
        prop_assert_eq!(held, model.names);
    }
}
