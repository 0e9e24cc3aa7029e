//! Sets as the kernel wants them: keys as bytes, ranges in canonical form.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Datum, Element, InvalidTable, KeyType, Set, Value, ValueType, Verdict};
use crate::netlink::Writer;
use crate::netlink::nf::*;
use crate::netlink::rt::octets;

/// Longest name of a device, with its terminating zero.
const NAME: usize = 16;

/// A set or map with its elements in the kernel's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawSet {
    pub(crate) shape: Shape,
    pub(crate) elements: BTreeMap<RawKey, Option<RawValue>>,
}

/// Everything about a set that cannot change while it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    key: Vec<KeyType>,
    value: Option<ValueType>,
    interval: bool,
    anonymous: bool,
}

/// First and last key of an element, both included, in comparable form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawKey {
    first: Vec<u8>,
    last: Vec<u8>,
}

/// What a map's element leads to.
pub(crate) type RawValue = Value;

impl KeyType {
    fn bytes(self) -> usize {
        match self {
            Self::Interface => NAME,
            Self::Ipv4 | Self::Mark => 4,
            Self::Ipv6 => 16,
            Self::Port => 2,
            Self::Protocol => 1,
        }
    }

    /// The `nft` command's number for the type, so that it can show the set.
    fn number(self) -> u32 {
        match self {
            Self::Interface => 41,
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Port => 13,
            Self::Protocol => 12,
            Self::Mark => 19,
        }
    }

    fn host_order(self) -> bool {
        matches!(self, Self::Interface | Self::Mark)
    }
}

impl Shape {
    fn concat(&self) -> bool {
        self.key.len() > 1
    }

    /// Bytes of a whole key; parts of a concatenation start at multiples of four.
    fn key_len(&self) -> usize {
        if self.concat() {
            self.key.iter().map(|k| k.bytes().next_multiple_of(4)).sum()
        } else {
            self.key.first().map_or(0, |k| k.bytes())
        }
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.anonymous {
            flags |= SET_ANONYMOUS | SET_CONSTANT;
        }
        if self.interval {
            flags |= SET_INTERVAL;
        }
        if self.value.is_some() {
            flags |= SET_MAP;
        }
        if self.concat() {
            flags |= SET_CONCAT;
        }
        flags
    }

    /// Writes the attributes of `NFT_MSG_NEWSET` behind table and name.
    pub(crate) fn write(&self, w: &mut Writer) {
        let number = self.key.iter().fold(0, |all, k| (all << 6) | k.number());
        w.attr_be32(NFTA_SET_FLAGS, self.flags());
        w.attr_be32(NFTA_SET_KEY_TYPE, number);
        w.attr_be32(NFTA_SET_KEY_LEN, length(self.key_len()));
        if let Some(value) = self.value {
            let (kind, bytes) = match value {
                ValueType::Verdict => (DATA_VERDICT, 0),
                ValueType::Mark => (19, 4),
                ValueType::Ipv4 => (7, 4),
                ValueType::Ipv6 => (8, 16),
            };
            w.attr_be32(NFTA_SET_DATA_TYPE, kind);
            w.attr_be32(NFTA_SET_DATA_LEN, bytes);
        }
        if self.concat() {
            w.nest(NFTA_SET_DESC, |w| {
                w.nest(NFTA_SET_DESC_CONCAT, |w| {
                    for part in &self.key {
                        w.nest(NFTA_LIST_ELEM, |w| {
                            w.attr_be32(NFTA_SET_FIELD_LEN, length(part.bytes()));
                        });
                    }
                });
            });
        }
        // Tells the `nft` command in which byte order to show keys (0) and values (1).
        let host = |host: bool| if host { 1u32 } else { 2 }.to_ne_bytes();
        let [a, b, c, d] = host(!self.concat() && self.key.iter().all(|k| k.host_order()));
        let [e, f, g, h] = host(self.value == Some(ValueType::Mark));
        w.attr(NFTA_SET_USERDATA, &[0, 4, a, b, c, d, 1, 4, e, f, g, h]);
    }
}

impl Value {
    fn kind(&self) -> ValueType {
        match self {
            Self::Verdict(_) => ValueType::Verdict,
            Self::Mark(_) => ValueType::Mark,
            Self::Addr(IpAddr::V4(_)) => ValueType::Ipv4,
            Self::Addr(IpAddr::V6(_)) => ValueType::Ipv6,
        }
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(0)
}

impl RawSet {
    /// The kernel's form of a named set.
    pub(crate) fn named(name: &str, set: &Set) -> Result<Self, InvalidTable> {
        let shape = Shape {
            key: set.key.clone(),
            value: set.value,
            interval: set.interval,
            anonymous: false,
        };
        Self::build(name, shape, &set.elements)
    }

    /// The kernel's form of the values in a condition.
    pub(crate) fn anonymous(key: KeyType, values: &[Datum]) -> Result<Self, InvalidTable> {
        let interval = values.iter().any(|v| !is_single(v));
        let shape = Shape {
            key: vec![key],
            value: None,
            interval,
            anonymous: true,
        };
        let element = |value: &Datum| Element {
            key: vec![value.clone()],
            value: None,
        };
        let elements: Vec<_> = values.iter().map(element).collect();
        Self::build("(values)", shape, &elements)
    }

    fn build(name: &str, shape: Shape, elements: &[Element]) -> Result<Self, InvalidTable> {
        let invalid = |reason: String| InvalidTable::Set {
            set: name.to_owned(),
            reason,
        };
        if shape.key.is_empty() || shape.key.len() > 5 {
            return Err(invalid("a key has one to five parts".into()));
        }
        if shape.interval && !shape.concat() && shape.key.iter().any(|k| k.host_order()) {
            return Err(invalid("device names and marks have no ranges".into()));
        }
        let mut list = Vec::with_capacity(elements.len());
        for element in elements {
            let key = shape.key_of(element).map_err(|reason| {
                invalid(format!(
                    "element `{}`: {reason}",
                    super::text::element_text(element)
                ))
            })?;
            let kind = element.value.as_ref().map(Value::kind);
            let fits = kind == shape.value;
            if !fits {
                let element = super::text::element_text(element);
                return Err(invalid(format!(
                    "element `{element}` has the wrong kind of value"
                )));
            }
            list.push((key, element.value.clone()));
        }
        list.sort();
        list.dedup();
        let list = if shape.interval {
            shape.merge(list)
        } else {
            list
        };
        let count = list.len();
        let elements: BTreeMap<_, _> = list.into_iter().collect();
        if elements.len() != count || shape.overlapping(&elements) {
            return Err(invalid("two elements with different values overlap".into()));
        }
        Ok(Self { shape, elements })
    }
}

fn is_single(datum: &Datum) -> bool {
    match datum {
        Datum::Name(_) | Datum::Addr(_) | Datum::Number(_) => true,
        Datum::Net(net) => net.prefix_len() == net.max_prefix_len(),
        Datum::AddrRange(..) | Datum::NumberRange(..) => false,
    }
}

impl Shape {
    fn key_of(&self, element: &Element) -> Result<RawKey, &'static str> {
        if element.key.len() != self.key.len() {
            return Err("the key has another number of parts");
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (kind, datum) in self.key.iter().zip(&element.key) {
            if !self.interval && !is_single(datum) {
                return Err("a range in a set without ranges");
            }
            let (low, high) = bounds(*kind, datum)?;
            first.extend_from_slice(&low);
            last.extend_from_slice(&high);
            if self.concat() {
                first.resize(first.len().next_multiple_of(4), 0);
                last.resize(last.len().next_multiple_of(4), 0);
            }
        }
        Ok(RawKey { first, last })
    }

    /// Joins what overlaps or touches. In a concatenation only the last part may differ; in a map
    /// only what is contained in an equal value is joined.
    fn merge(&self, sorted: Vec<(RawKey, Option<RawValue>)>) -> Vec<(RawKey, Option<RawValue>)> {
        let last_part = self.key.last().map_or(0, |k| {
            if self.concat() {
                k.bytes().next_multiple_of(4)
            } else {
                k.bytes()
            }
        });
        let head = self.key_len().saturating_sub(last_part);
        let padding = if self.concat() {
            self.key
                .last()
                .map_or(0, |k| k.bytes().next_multiple_of(4) - k.bytes())
        } else {
            0
        };
        let mut merged: Vec<(RawKey, Option<RawValue>)> = Vec::with_capacity(sorted.len());
        for (key, value) in sorted {
            if let Some((before, old)) = merged.last_mut()
                && *old == value
                && before.first.get(..head) == key.first.get(..head)
                && before.last.get(..head) == key.last.get(..head)
                && before.first.get(..head) == before.last.get(..head)
                && (key.first <= before.last
                    || (value.is_none()
                        && successor(&before.last, head, padding)
                            .is_some_and(|next| key.first == next)))
            {
                if key.last > before.last {
                    before.last = key.last;
                }
                continue;
            }
            merged.push((key, value));
        }
        merged
    }

    /// Whether ranges of a key with one part overlap (concatenations are left to the kernel).
    fn overlapping(&self, elements: &BTreeMap<RawKey, Option<RawValue>>) -> bool {
        if self.concat() {
            return false;
        }
        elements
            .keys()
            .zip(elements.keys().skip(1))
            .any(|(a, b)| b.first <= a.last)
    }

    /// Writes one element (or the two ends of it, as ranges of a single part are kept).
    pub(crate) fn write_element(&self, w: &mut Writer, key: &RawKey, value: Option<&RawValue>) {
        let paired = self.interval && !self.concat();
        w.nest(NFTA_LIST_ELEM, |w| {
            w.nest(NFTA_SET_ELEM_KEY, |w| w.attr(NFTA_DATA_VALUE, &key.first));
            if self.interval && self.concat() {
                w.nest(NFTA_SET_ELEM_KEY_END, |w| {
                    w.attr(NFTA_DATA_VALUE, &key.last)
                });
            }
            match value {
                None => {}
                Some(Value::Verdict(verdict)) => {
                    w.nest(NFTA_SET_ELEM_DATA, |w| write_verdict(w, verdict));
                }
                Some(Value::Mark(mark)) => {
                    w.nest(NFTA_SET_ELEM_DATA, |w| {
                        w.attr(NFTA_DATA_VALUE, &mark.to_ne_bytes())
                    });
                }
                Some(Value::Addr(addr)) => {
                    w.nest(NFTA_SET_ELEM_DATA, |w| {
                        w.attr(NFTA_DATA_VALUE, &octets(*addr))
                    });
                }
            }
        });
        if paired && let Some(end) = successor(&key.last, 0, 0) {
            w.nest(NFTA_LIST_ELEM, |w| {
                w.nest(NFTA_SET_ELEM_KEY, |w| w.attr(NFTA_DATA_VALUE, &end));
                w.attr_be32(NFTA_SET_ELEM_FLAGS, ELEM_INTERVAL_END);
            });
        }
    }
}

/// The next number, counting only in the bytes from `head` on and before the padding.
fn successor(key: &[u8], head: usize, padding: usize) -> Option<Vec<u8>> {
    let mut next = key.to_vec();
    let end = next.len().checked_sub(padding)?;
    for byte in next.get_mut(head..end)?.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            return Some(next);
        }
    }
    None
}

/// Writes a verdict as data.
pub(crate) fn write_verdict(w: &mut Writer, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3i32, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5, None),
    };
    w.nest(NFTA_DATA_VERDICT, |w| {
        w.attr_be32(NFTA_VERDICT_CODE, code.cast_unsigned());
        if let Some(chain) = chain {
            w.attr_text(NFTA_VERDICT_CHAIN, chain);
        }
    });
}

/// First and last value as bytes that compare like the values (network byte order, except marks).
pub(crate) fn bounds(kind: KeyType, datum: &Datum) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    match (kind, datum) {
        (KeyType::Interface, Datum::Name(name)) => {
            let bytes = name.as_bytes();
            if bytes.is_empty() || bytes.len() >= NAME || name.ends_with('*') {
                return Err("not the name of one device");
            }
            let mut key = bytes.to_vec();
            key.resize(NAME, 0);
            Ok((key.clone(), key))
        }
        (KeyType::Ipv4 | KeyType::Ipv6, datum) => addresses(kind == KeyType::Ipv4, datum),
        (KeyType::Mark, Datum::Number(number)) => {
            let key = number.to_ne_bytes().to_vec();
            Ok((key.clone(), key))
        }
        (KeyType::Port, datum) => {
            let (low, high) = numbers(datum, u32::from(u16::MAX))?;
            let bytes = |n: u32| u16::try_from(n).unwrap_or(0).to_be_bytes().to_vec();
            Ok((bytes(low), bytes(high)))
        }
        (KeyType::Protocol, datum) => {
            let (low, high) = numbers(datum, u32::from(u8::MAX))?;
            let bytes = |n: u32| vec![u8::try_from(n).unwrap_or(0)];
            Ok((bytes(low), bytes(high)))
        }
        _ => Err("not a value of this type"),
    }
}

fn addresses(v4: bool, datum: &Datum) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let (first, last) = match datum {
        Datum::Addr(addr) => (*addr, *addr),
        Datum::Net(net) => (net.network(), net.broadcast()),
        Datum::AddrRange(first, last) if first <= last => (*first, *last),
        Datum::AddrRange(..) => return Err("a range that ends before it begins"),
        _ => return Err("not an address"),
    };
    if first.is_ipv4() != v4 || last.is_ipv4() != v4 {
        return Err("an address of the wrong family");
    }
    Ok((octets(first), octets(last)))
}

fn numbers(datum: &Datum, most: u32) -> Result<(u32, u32), &'static str> {
    let (low, high) = match datum {
        Datum::Number(number) => (*number, *number),
        Datum::NumberRange(low, high) => (*low, *high),
        _ => return Err("not a number"),
    };
    if high > most {
        return Err("a number that is too large");
    }
    if low > high {
        return Err("a range that ends before it begins");
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Datum {
        Datum::Net(text.parse().unwrap())
    }

    fn set(interval: bool, key: &[KeyType], elements: &[&[Datum]]) -> Result<RawSet, InvalidTable> {
        let elements = elements
            .iter()
            .map(|key| Element {
                key: key.to_vec(),
                value: None,
            })
            .collect();
        RawSet::named(
            "s",
            &Set {
                key: key.to_vec(),
                value: None,
                interval,
                elements,
            },
        )
    }

    #[test]
    fn ranges_that_overlap_or_touch_are_joined() {
        let one = set(
            true,
            &[KeyType::Ipv4],
            &[
                &[net("10.1.0.0/16")],
                &[net("10.0.0.0/8")],
                &[net("11.0.0.0/8")],
                &[net("13.0.0.0/8")],
            ],
        )
        .unwrap();
        let keys: Vec<_> = one.elements.keys().collect();
        assert_eq!(keys.len(), 2);
        assert_eq!((keys[0].first[0], keys[0].last[0]), (10, 11));
        let all = set(
            true,
            &[KeyType::Ipv4],
            &[&[net("0.0.0.0/1")], &[net("128.0.0.0/1")]],
        )
        .unwrap();
        assert_eq!(all.elements.len(), 1);
    }

    #[test]
    fn concatenations_join_only_the_last_part() {
        let name = Datum::name("p-1");
        let other = Datum::name("p-2");
        let set = set(
            true,
            &[KeyType::Interface, KeyType::Port],
            &[
                &[name.clone(), Datum::Number(80)],
                &[name, Datum::NumberRange(81, 90)],
                &[other, Datum::Number(91)],
            ],
        )
        .unwrap();
        assert_eq!(set.elements.len(), 2);
        assert!(set.elements.keys().all(|k| k.first.len() == 20));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases: [(bool, KeyType, Datum); 8] = [
            (false, KeyType::Ipv4, net("10.0.0.0/8")),
            (true, KeyType::Ipv4, net("2001:db8::/32")),
            (true, KeyType::Interface, Datum::name("p-1")),
            (false, KeyType::Interface, Datum::name("p-*")),
            (false, KeyType::Interface, Datum::name("a-name-too-long-")),
            (true, KeyType::Port, Datum::NumberRange(90, 80)),
            (false, KeyType::Port, Datum::Number(65536)),
            (false, KeyType::Protocol, Datum::Number(256)),
        ];
        for (interval, key, datum) in cases {
            assert!(
                set(interval, &[key], &[std::slice::from_ref(&datum)]).is_err(),
                "{datum:?}"
            );
        }
    }

    #[test]
    fn maps_refuse_contradictions() {
        let element = |text: &str, mark| Element {
            key: vec![net(text)],
            value: Some(Value::Mark(mark)),
        };
        let map = |elements| {
            let (key, value) = (vec![KeyType::Ipv4], Some(ValueType::Mark));
            RawSet::named(
                "m",
                &Set {
                    key,
                    value,
                    interval: true,
                    elements,
                },
            )
        };
        assert!(map(vec![element("10.0.0.0/8", 1), element("10.1.0.0/16", 2)]).is_err());
        assert!(map(vec![element("10.0.0.0/8", 1), element("10.0.0.0/8", 2)]).is_err());
        let touching = map(vec![element("10.0.0.0/8", 1), element("11.0.0.0/8", 1)]).unwrap();
        assert_eq!(touching.elements.len(), 2);
    }
}
