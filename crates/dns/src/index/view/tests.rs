//! What a view answers.

use std::net::Ipv4Addr;

use super::*;
use crate::wire::{Class, Message, Query, Rdata, RecordSet, Scratch, Soa};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn zone(apex: &str) -> Zone {
    let soa = Soa {
        primary: name("ns.test"),
        mailbox: name("root.test"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 60,
    };
    Zone::new(name(apex), soa, 900)
}

fn addresses(last: &[u8]) -> RecordSet {
    RecordSet::a(60, last.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)))
}

fn layer(zones: impl IntoIterator<Item = Zone>) -> Layer {
    let mut layer = Layer::new();
    zones
        .into_iter()
        .for_each(|zone| layer.put_zone(Arc::new(zone)));
    layer
}

fn upstreams(via: u64) -> Arc<Upstreams> {
    Arc::new(Upstreams {
        servers: Vec::new(),
        via,
    })
}

/// The reply in one line: code, then records as `owner ttl type data`, authority after `|`.
fn ask(view: View<'_>, asked: &str, rtype: RecordType, rotation: usize) -> (Resolved, String) {
    let mut packet = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    packet.extend_from_slice(name(asked).wire());
    packet.extend_from_slice(&rtype.0.to_be_bytes());
    packet.extend_from_slice(&Class::IN.0.to_be_bytes());
    let mut scratch = Scratch::default();
    let query = Query::parse(&packet, &mut scratch).unwrap();
    let mut buf = Vec::new();
    let mut reply = Reply::new(&mut buf, &query, 4096, rotation);
    let resolved = view.resolve(&query.question, &mut reply);
    let continued = reply
        .continue_at()
        .map(|name| format!(" → {name}"))
        .unwrap_or_default();
    reply.finish();
    let message = Message::parse(&buf).unwrap();
    let mut text = message.rcode().to_string();
    for record in message.records().map(Result::unwrap) {
        text += if record.section == Section::Authority {
            " | "
        } else {
            "; "
        };
        match record.rtype {
            RecordType::SOA => text += &format!("SOA {}", record.owner().unwrap()),
            _ => text += &format!("{record:?}"),
        }
    }
    (resolved, text + &continued)
}

fn answer(view: View<'_>, asked: &str, rtype: RecordType) -> String {
    let (resolved, text) = ask(view, asked, rtype, 0);
    assert_eq!(resolved, Resolved::Answered, "{asked}: {text}");
    text
}

const ENDPOINT: &str = "vpce-1-2.s3.eu-west-2.vpce.amazonaws.com";

/// The public side: the endpoint's names and the service's own address.
fn public() -> Layer {
    let mut endpoints = zone("s3.eu-west-2.vpce.amazonaws.com");
    let wildcard = name(ENDPOINT).prepend("*").unwrap();
    for owner in [&name(ENDPOINT), &wildcard] {
        endpoints.put(owner, &addresses(&[1, 2])).unwrap();
    }
    let mut service = zone("s3.eu-west-2.amazonaws.com");
    for owner in ["s3.eu-west-2.amazonaws.com", "*.s3.eu-west-2.amazonaws.com"] {
        service.put(&name(owner), &addresses(&[99])).unwrap();
    }
    layer([endpoints, service])
}

fn hosted_alias() -> Zone {
    let mut hosted = zone("s3.eu-west-2.amazonaws.com");
    for owner in ["s3.eu-west-2.amazonaws.com", "*.s3.eu-west-2.amazonaws.com"] {
        hosted
            .put_alias(&name(owner), RecordType::A, &name(ENDPOINT))
            .unwrap();
    }
    hosted
}

#[test]
fn positive_and_negative_answers() {
    let public = public();
    let view = View {
        private: &[],
        public: &[&public],
    };
    let a = RecordType::A;
    assert_eq!(
        answer(view, "bucket.vpce-1-2.s3.eu-west-2.vpce.amazonaws.com", a),
        "NOERROR; bucket.vpce-1-2.s3.eu-west-2.vpce.amazonaws.com. 60 A 10.0.0.1\
         ; bucket.vpce-1-2.s3.eu-west-2.vpce.amazonaws.com. 60 A 10.0.0.2"
    );
    // The name exists with another type: no error, no record, a SOA.
    let nodata = "NOERROR | SOA s3.eu-west-2.vpce.amazonaws.com.";
    assert_eq!(answer(view, ENDPOINT, RecordType::AAAA), nodata);
    let wild = "x.y.vpce-1-2.s3.eu-west-2.vpce.amazonaws.com";
    assert_eq!(answer(view, wild, RecordType::AAAA), nodata);
    assert_eq!(
        answer(view, "vpce-9.s3.eu-west-2.vpce.amazonaws.com", a),
        "NXDOMAIN | SOA s3.eu-west-2.vpce.amazonaws.com."
    );
    assert_eq!(ask(view, "example.com", a, 0).0, Resolved::Outside);
}

#[test]
fn addresses_take_turns_in_front() {
    let mut zone = zone("t");
    zone.put(&name("t"), &addresses(&[1, 2, 3])).unwrap();
    let layer = layer([zone]);
    let view = View {
        private: &[&layer],
        public: &[],
    };
    let first = |rotation| {
        let (_, text) = ask(view, "t", RecordType::A, rotation);
        assert_eq!(text.matches(" A ").count(), 3);
        text["NOERROR; t. 60 A 10.0.0.".len()..].chars().next()
    };
    let seen: Vec<_> = (0..4).map(first).map(Option::unwrap).collect();
    assert_eq!(seen, ['1', '2', '3', '1']);
}

#[test]
fn a_hosted_zone_hides_the_public_one_entirely() {
    let public = public();
    let mut hosted = zone("eu-west-2.amazonaws.com");
    hosted
        .put(&name("one.eu-west-2.amazonaws.com"), &addresses(&[7]))
        .unwrap();
    let private = layer([hosted]);
    let view = View {
        private: &[&private],
        public: &[&public],
    };
    let a = RecordType::A;
    assert_eq!(
        answer(view, "s3.eu-west-2.amazonaws.com", a),
        "NXDOMAIN | SOA eu-west-2.amazonaws.com."
    );
    // Public names that the hosted zone does not cover stay visible.
    let elsewhere = "vpce-1-2.s3.eu-west-2.vpce.amazonaws.com";
    assert!(answer(view, elsewhere, a).contains("10.0.0.1"));
}

#[test]
fn the_most_specific_hosted_zone_wins() {
    let (mut wide, mut narrow) = (zone("corp"), zone("s3.corp"));
    wide.put(&name("a.s3.corp"), &addresses(&[1])).unwrap();
    wide.put(&name("b.corp"), &addresses(&[2])).unwrap();
    narrow.put(&name("c.s3.corp"), &addresses(&[3])).unwrap();
    // In whichever layer they are.
    for (first, second) in [(wide.clone(), narrow.clone()), (narrow, wide)] {
        let (first, second) = (layer([first]), layer([second]));
        let view = View {
            private: &[&first, &second],
            public: &[],
        };
        assert_eq!(
            answer(view, "a.s3.corp", RecordType::A),
            "NXDOMAIN | SOA s3.corp."
        );
        assert_eq!(
            answer(view, "b.corp", RecordType::A),
            "NOERROR; b.corp. 60 A 10.0.0.2"
        );
        assert_eq!(
            answer(view, "c.s3.corp", RecordType::A),
            "NOERROR; c.s3.corp. 60 A 10.0.0.3"
        );
    }
}

#[test]
fn an_alias_shows_the_targets_addresses_under_the_asked_name() {
    let (public, private) = (public(), layer([hosted_alias()]));
    let view = View {
        private: &[&private],
        public: &[&public],
    };
    for asked in [
        "s3.eu-west-2.amazonaws.com.",
        "my.bucket.s3.eu-west-2.amazonaws.com.",
    ] {
        assert_eq!(
            answer(view, asked, RecordType::A),
            format!("NOERROR; {asked} 60 A 10.0.0.1; {asked} 60 A 10.0.0.2")
        );
        // Only the type that has an alias.
        let nodata = "NOERROR | SOA s3.eu-west-2.amazonaws.com.";
        assert_eq!(answer(view, asked, RecordType::AAAA), nodata);
    }
}

#[test]
fn an_alias_to_nothing_or_to_itself_is_no_data() {
    let mut hosted = zone("t");
    hosted
        .put_alias(&name("a.t"), RecordType::A, &name("b.t"))
        .unwrap();
    hosted
        .put_alias(&name("b.t"), RecordType::A, &name("a.t"))
        .unwrap();
    hosted
        .put_alias(&name("c.t"), RecordType::A, &name("gone.t"))
        .unwrap();
    hosted
        .put_alias(&name("d.t"), RecordType::A, &name("far.away"))
        .unwrap();
    let private = layer([hosted]);
    let view = View {
        private: &[&private],
        public: &[],
    };
    for asked in ["a.t", "c.t", "d.t"] {
        assert_eq!(
            answer(view, asked, RecordType::A),
            "NOERROR | SOA t.",
            "{asked}"
        );
    }
}

#[test]
fn canonical_names_are_followed_inside_the_view() {
    let (mut one, mut two) = (zone("one"), zone("two"));
    one.put(&name("a.one"), &RecordSet::cname(5, name("b.two")))
        .unwrap();
    one.put(&name("lost.one"), &RecordSet::cname(5, name("none.two")))
        .unwrap();
    one.put(&name("out.one"), &RecordSet::cname(5, name("far.away")))
        .unwrap();
    one.put(&name("*.wild.one"), &RecordSet::cname(5, name("a.one")))
        .unwrap();
    two.put(&name("b.two"), &addresses(&[4])).unwrap();
    let private = layer([one, two]);
    let view = View {
        private: &[&private],
        public: &[],
    };
    let a = RecordType::A;
    let chain = "a.one. 5 CNAME b.two.; b.two. 60 A 10.0.0.4";
    assert_eq!(answer(view, "a.one", a), format!("NOERROR; {chain}"));
    assert_eq!(
        answer(view, "x.wild.one", a),
        format!("NOERROR; x.wild.one. 5 CNAME a.one.; {chain}")
    );
    assert_eq!(
        answer(view, "a.one", RecordType::CNAME),
        "NOERROR; a.one. 5 CNAME b.two."
    );
    let any = answer(view, "a.one", RecordType::ANY);
    assert_eq!(any, "NOERROR; a.one. 5 CNAME b.two.");
    assert_eq!(
        answer(view, "a.one", RecordType::TXT),
        "NOERROR; a.one. 5 CNAME b.two. | SOA two."
    );
    assert_eq!(
        answer(view, "lost.one", a),
        "NXDOMAIN; lost.one. 5 CNAME none.two. | SOA two."
    );
    let (resolved, text) = ask(view, "out.one", a, 0);
    assert_eq!(resolved, Resolved::Outside);
    assert_eq!(text, "NOERROR; out.one. 5 CNAME far.away. → far.away.");
}

#[test]
fn a_circle_of_canonical_names_is_servfail() {
    let mut hosted = zone("t");
    hosted
        .put(&name("a.t"), &RecordSet::cname(5, name("b.t")))
        .unwrap();
    hosted
        .put(&name("b.t"), &RecordSet::cname(5, name("a.t")))
        .unwrap();
    let private = layer([hosted]);
    let view = View {
        private: &[&private],
        public: &[],
    };
    assert_eq!(answer(view, "a.t", RecordType::A), "SERVFAIL");
}

#[test]
fn rules_and_zones_by_specificity() {
    let mut own = zone("b.corp");
    own.put(&name("x.b.corp"), &addresses(&[1])).unwrap();
    let mut same = zone("c.corp");
    same.put(&name("x.c.corp"), &addresses(&[2])).unwrap();
    let mut kept = zone("d.corp");
    kept.put(&name("x.d.corp"), &addresses(&[3])).unwrap();
    let mut private = layer([own, same, kept]);
    private.put_rule(name("corp"), Rule::Forward(upstreams(1)));
    private.put_rule(name("c.corp"), Rule::Forward(upstreams(2)));
    private.put_rule(name("e.corp"), Rule::System);
    private.put_rule(name("."), Rule::Forward(upstreams(3)));
    private.put_rule(name("amazonaws.com"), Rule::System);
    let public = public();
    let view = View {
        private: &[&private],
        public: &[&public],
    };
    let cases = [
        // A zone under a forwarded domain is more specific.
        ("x.b.corp", Resolved::Answered),
        ("nothing.b.corp", Resolved::Answered),
        ("x.corp", Resolved::Forward(upstreams(1))),
        // Same name: the rule.
        ("x.c.corp", Resolved::Forward(upstreams(2))),
        ("x.d.corp", Resolved::Answered),
        // A SYSTEM rule keeps its domain out of every wider FORWARD.
        ("x.e.corp", Resolved::Outside),
        ("example.com", Resolved::Forward(upstreams(3))),
        (ENDPOINT, Resolved::Answered),
    ];
    for (asked, expected) in cases {
        assert_eq!(ask(view, asked, RecordType::A, 0).0, expected, "{asked}");
    }
    let mut less = private.clone();
    assert!(less.remove_rule(&name("c.corp")).is_some());
    assert!(less.remove_rule(&name("e.corp")).is_some());
    assert_eq!(less.remove_rule(&name("e.corp")), None);
    let view = View {
        private: &[&less],
        public: &[],
    };
    assert_eq!(
        ask(view, "x.c.corp", RecordType::A, 0).0,
        Resolved::Answered
    );
    assert_eq!(
        ask(view, "x.e.corp", RecordType::A, 0).0,
        Resolved::Forward(upstreams(1))
    );
    // Without the SYSTEM rule, the rule for `.` takes public names along.
    let mut greedy = Layer::new();
    greedy.put_rule(name("."), Rule::Forward(upstreams(3)));
    let view = View {
        private: &[&greedy],
        public: &[&public],
    };
    assert_eq!(
        ask(view, ENDPOINT, RecordType::A, 0).0,
        Resolved::Forward(upstreams(3))
    );
}

#[test]
fn a_chain_into_a_forwarded_domain_is_continued_there() {
    let mut hosted = zone("t");
    hosted
        .put(&name("a.t"), &RecordSet::cname(5, name("x.corp")))
        .unwrap();
    let mut private = layer([hosted]);
    private.put_rule(name("corp"), Rule::Forward(upstreams(1)));
    let view = View {
        private: &[&private],
        public: &[],
    };
    let (resolved, text) = ask(view, "a.t", RecordType::A, 0);
    assert_eq!(resolved, Resolved::Forward(upstreams(1)));
    assert_eq!(text, "NOERROR; a.t. 5 CNAME x.corp. → x.corp.");
}

#[test]
fn a_layer_changes_without_touching_its_copies() {
    let mut new = public();
    let old = new.clone();
    let apex = name("s3.eu-west-2.vpce.amazonaws.com");
    let zone = new.zone_mut(&apex).unwrap();
    zone.put(
        &name("vpce-2-3.s3.eu-west-2.vpce.amazonaws.com"),
        &addresses(&[5]),
    )
    .unwrap();
    let asked = "vpce-2-3.s3.eu-west-2.vpce.amazonaws.com";
    let view = View {
        private: &[],
        public: &[&old],
    };
    assert!(answer(view, asked, RecordType::A).starts_with("NXDOMAIN"));
    let view = View {
        private: &[],
        public: &[&new],
    };
    assert!(answer(view, asked, RecordType::A).starts_with("NOERROR"));
    assert!(new.remove_zone(&apex).is_some());
    assert!(new.zone(&apex).is_none());
    let view = View {
        private: &[],
        public: &[&new],
    };
    assert_eq!(ask(view, asked, RecordType::A, 0).0, Resolved::Outside);
}

#[test]
fn several_types_live_at_one_name() {
    let mut hosted = zone("t");
    let mx = Rdata::Mx {
        preference: 10,
        exchange: name("m.t"),
    };
    let srv = Rdata::Srv {
        priority: 1,
        weight: 2,
        port: 443,
        target: name("h.t"),
    };
    for data in [
        mx,
        srv,
        Rdata::Txt(vec![b"v=1".to_vec()]),
        Rdata::Ptr(name("p.t")),
    ] {
        hosted.put(&name("t"), &RecordSet::one(30, data)).unwrap();
    }
    let private = layer([hosted]);
    let view = View {
        private: &[&private],
        public: &[],
    };
    let cases = [
        (RecordType::MX, "NOERROR; t. 30 MX 10 m.t."),
        (RecordType::SRV, "NOERROR; t. 30 SRV 1 2 443 h.t."),
        (RecordType::TXT, "NOERROR; t. 30 TXT \"v=1\""),
        (RecordType::PTR, "NOERROR; t. 30 PTR p.t."),
        (RecordType::SOA, "NOERROR; SOA t."),
        (RecordType::NS, "NOERROR | SOA t."),
    ];
    for (rtype, expected) in cases {
        assert_eq!(answer(view, "t", rtype), expected);
    }
}
