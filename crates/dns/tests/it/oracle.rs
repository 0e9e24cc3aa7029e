//! The wire path against hickory's codec, in both directions.

use std::net::{Ipv4Addr, Ipv6Addr};

use adit_dns::wire::{
    self, Owner, Query, Rdata, RecordType, Reply, Scratch, Section, Soa, TCP_MAX,
};
use adit_dns::{Name, Names, Origin, Transport};
use hickory_proto::op::{Message, MessageType, OpCode, Query as HickoryQuery};
use hickory_proto::rr::rdata::{CAA, MX, SOA, SRV, TXT};
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType as HickoryType};
use proptest::prelude::*;

use crate::lab;

fn names() -> impl Strategy<Value = String> {
    // hickory takes no text with a hyphen at a border of a label.
    let label = "[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,17}[a-zA-Z0-9_])?";
    prop::collection::vec(label, 1..8).prop_map(|labels| labels.join(".") + ".")
}

fn data() -> impl Strategy<Value = Rdata> {
    let name = || names().prop_map(|text| text.parse::<Name>().unwrap());
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Rdata::A(Ipv4Addr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| Rdata::Aaaa(Ipv6Addr::from(octets))),
        name().prop_map(Rdata::Cname),
        name().prop_map(Rdata::Ns),
        name().prop_map(Rdata::Ptr),
        (any::<u16>(), name()).prop_map(|(preference, exchange)| Rdata::Mx {
            preference,
            exchange
        }),
        (any::<[u16; 3]>(), name()).prop_map(|([priority, weight, port], target)| Rdata::Srv {
            priority,
            weight,
            port,
            target
        }),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..3)
            .prop_map(Rdata::Txt),
        ("[a-z]{1,15}", prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(tag, value)| {
            Rdata::Caa {
                flags: 128,
                tag,
                value,
            }
        }),
        (name(), name(), any::<u32>(), any::<[u16; 3]>()).prop_map(
            |(primary, mailbox, serial, [refresh, retry, expire])| Rdata::Soa(Soa {
                primary,
                mailbox,
                serial,
                refresh: refresh.into(),
                retry: retry.into(),
                expire: expire.into(),
                minimum: 60,
            })
        ),
        // hickory takes no record without data.
        prop::collection::vec(any::<u8>(), 1..40)
            .prop_map(|bytes| Rdata::Raw(RecordType(65_280), bytes)),
    ]
}

/// Our data as hickory's type says it.
fn theirs(data: &Rdata) -> RData {
    let name = |name: &Name| HickoryName::from_ascii(name.to_string()).unwrap();
    match data {
        Rdata::A(address) => RData::A((*address).into()),
        Rdata::Aaaa(address) => RData::AAAA((*address).into()),
        Rdata::Cname(target) => RData::CNAME(hickory_proto::rr::rdata::CNAME(name(target))),
        Rdata::Ns(target) => RData::NS(hickory_proto::rr::rdata::NS(name(target))),
        Rdata::Ptr(target) => RData::PTR(hickory_proto::rr::rdata::PTR(name(target))),
        Rdata::Mx {
            preference,
            exchange,
        } => RData::MX(MX::new(*preference, name(exchange))),
        Rdata::Srv {
            priority,
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(*priority, *weight, *port, name(target))),
        Rdata::Soa(soa) => RData::SOA(SOA::new(
            name(&soa.primary),
            name(&soa.mailbox),
            soa.serial,
            i32::try_from(soa.refresh).unwrap(),
            i32::try_from(soa.retry).unwrap(),
            i32::try_from(soa.expire).unwrap(),
            soa.minimum,
        )),
        Rdata::Txt(_) => {
            let mut bytes = Vec::new();
            data.encode(&mut bytes);
            let mut strings = Vec::new();
            let mut rest = bytes.as_slice();
            while let Some((&len, tail)) = rest.split_first() {
                let (string, tail) = tail.split_at(len.into());
                strings.push(string);
                rest = tail;
            }
            RData::TXT(TXT::from_bytes(strings))
        }
        Rdata::Caa { .. } | Rdata::Raw(..) => unreachable!("compared by bytes"),
    }
}

proptest! {
    #[test]
    fn we_read_queries_as_they_are_written(
        owner in names(),
        rtype in any::<u16>(),
        payload in prop::option::of(any::<u16>()),
    ) {
        // hickory reads some numbers as pseudo-types of its own.
        prop_assume!(rtype != 41 && rtype != 250 && rtype != 0);
        let message = lab::query(&owner, HickoryType::from(rtype), payload);
        let packet = message.to_vec().unwrap();
        let mut scratch = Scratch::default();
        let query = Query::parse(&packet, &mut scratch).unwrap();
        prop_assert_eq!(query.id, 0x4242);
        prop_assert_eq!(query.question.name.to_string(), owner.to_ascii_lowercase());
        prop_assert_eq!(query.question.rtype, RecordType(rtype));
        prop_assert_eq!(query.edns.is_some(), payload.is_some());
        if let (Some(edns), Some(payload)) = (query.edns, payload) {
            // hickory raises small sizes to 512 itself.
            prop_assert_eq!(edns.payload.max(512), payload.max(512));
        }
    }

    #[test]
    fn they_read_our_replies(
        asked in names(),
        records in prop::collection::vec((names(), any::<u16>(), data()), 0..12),
    ) {
        let packet = lab::query(&asked, HickoryType::A, Some(1232)).to_vec().unwrap();
        let mut scratch = Scratch::default();
        let query = Query::parse(&packet, &mut scratch).unwrap();
        let mut buf = Vec::new();
        let mut reply = Reply::new(&mut buf, &query, TCP_MAX, 0);
        for (owner, ttl, data) in &records {
            let owner: Name = format!("{owner}{asked}").parse().unwrap_or(Name::root());
            let mut bytes = Vec::new();
            data.encode(&mut bytes);
            prop_assert!(reply.record(
                Section::Answer, Owner::Name(owner.as_ref()), data.rtype(), (*ttl).into(), &bytes,
            ));
        }
        reply.finish();

        // Our own reading gives back what was written.
        let ours = wire::Message::parse(&buf).unwrap();
        let read: Vec<_> = ours.records().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len() + 1);
        for (record, (owner, ttl, data)) in read.iter().zip(&records) {
            let owner: Name = format!("{owner}{asked}").parse().unwrap_or(Name::root());
            prop_assert_eq!(record.owner(), Some(owner));
            prop_assert_eq!(record.ttl, u32::from(*ttl));
            let (mut written, mut expanded) = (Vec::new(), Vec::new());
            data.encode(&mut written);
            prop_assert_eq!(record.expand_rdata(&mut expanded), Some(()));
            prop_assert_eq!(written, expanded);
        }

        // hickory's reading agrees.
        let message = Message::from_vec(&buf).unwrap();
        prop_assert_eq!(message.answers.len(), records.len());
        for (record, (_, ttl, data)) in message.answers.iter().zip(&records) {
            prop_assert_eq!(record.ttl, u32::from(*ttl));
            prop_assert_eq!(u16::from(record.record_type()), data.rtype().0);
            match (data, &record.data) {
                (Rdata::Raw(..), _) => {}
                (Rdata::Caa { tag, value, .. }, RData::CAA(CAA { tag: t, value: v, .. })) => {
                    prop_assert_eq!((tag, value), (t, v));
                }
                (data, read) => prop_assert_eq!(&theirs(data), read),
            }
        }
    }

    #[test]
    fn every_answer_is_well_formed_and_within_its_limit(
        labels in prop::collection::vec(prop::sample::select(vec!["a", "many", "out", "x"]), 0..4),
        rtype in prop::sample::select(vec![1u16, 5, 6, 16, 28, 255, 999]),
        limit in 512usize..5000,
    ) {
        let asked = labels.iter().map(|label| format!("{label}.")).collect::<String>() + "test.";
        let packet = lab::query(&asked, HickoryType::from(rtype), Some(1232)).to_vec().unwrap();
        let mut scratch = Scratch::default();
        let query = Query::parse(&packet, &mut scratch).unwrap();
        let mut buf = Vec::new();
        let mut reply = Reply::new(&mut buf, &query, limit, 3);
        let listener = lab::listener();
        let peer = "127.0.0.1:1".parse().unwrap();
        let origin = Origin { listener: &listener, peer, transport: Transport::Udp };
        lab::Resolver::new(Vec::new()).answer(&query.question, &origin, &mut reply);
        let truncated = reply.truncated();
        let len = reply.finish();
        prop_assert!(len <= limit && len == buf.len());
        let message = Message::from_vec(&buf).unwrap();
        prop_assert_eq!(message.metadata.truncation, truncated);
        prop_assert!(truncated || !message.answers.is_empty() || !message.authorities.is_empty());
    }

    #[test]
    fn we_read_compressed_responses(
        asked in names(),
        records in prop::collection::vec((names(), data()), 0..12),
    ) {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        let owner = |text: &str| HickoryName::from_ascii(text).unwrap();
        message.add_query(HickoryQuery::query(owner(&asked), HickoryType::A));
        let records: Vec<_> = records
            .into_iter()
            .filter(|(_, data)| !matches!(data, Rdata::Raw(..) | Rdata::Caa { .. }))
            .collect();
        for (name, data) in &records {
            message.add_answer(Record::from_rdata(owner(name), 60, theirs(data)));
        }
        let bytes = message.to_vec().unwrap();
        let ours = wire::Message::parse(&bytes).unwrap();
        let read: Vec<_> = ours.records().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        for (record, (name, data)) in read.iter().zip(&records) {
            prop_assert_eq!(record.owner().unwrap().to_string(), name.to_ascii_lowercase());
            let (mut written, mut expanded) = (Vec::new(), Vec::new());
            data.encode(&mut written);
            prop_assert_eq!(record.expand_rdata(&mut expanded), Some(()));
            prop_assert_eq!(written, expanded);
        }
    }
}
