//! Rules as the kernel's expressions: small instructions on registers.

use super::connection;
use super::raw::{RawSet, bounds, write_verdict};
use super::{
    Datum, Expr, Family, Field, InvalidTable, KeyType, NatTarget, RejectWith, Rule, Table,
    ValueType, Verdict,
};
use crate::desired::IpFamily;
use crate::netlink::Writer;
use crate::netlink::nf::{NFTA_DATA_VALUE, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_LIST_ELEM};
use crate::netlink::rt::octets;

/// The first of the sixteen 4-byte registers.
pub(super) const REGISTER: u32 = 8;
/// The register that holds the verdict.
const VERDICT: u32 = 0;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Values of one condition and conditions of one rule: what fits into one attribute.
const MOST_VALUES: usize = 400;
const MOST_EXPRS: usize = 64;

pub(super) const EQUAL: u32 = 0;
pub(super) const NOT_EQUAL: u32 = 1;

/// Writes one rule's expressions and collects the sets of its conditions with several values.
pub(super) struct RuleWriter<'a> {
    pub(super) table: &'a Table,
    /// Sets without a name, each with its number in the transaction.
    pub(super) sets: Vec<(u32, RawSet)>,
    next_set: u32,
    nfproto: Option<u8>,
    l4proto: Option<u8>,
}

fn network_of(family: IpFamily) -> u8 {
    match family {
        IpFamily::V4 => NFPROTO_IPV4,
        IpFamily::V6 => NFPROTO_IPV6,
    }
}

impl Field {
    /// The type that a set must have to be asked for this field.
    pub(super) fn key_type(self) -> Option<KeyType> {
        Some(match self {
            Self::Iifname | Self::Oifname => KeyType::Interface,
            Self::Mark => KeyType::Mark,
            Self::L4proto => KeyType::Protocol,
            Self::IpSaddr | Self::IpDaddr => KeyType::Ipv4,
            Self::Ip6Saddr | Self::Ip6Daddr => KeyType::Ipv6,
            Self::TcpSport
            | Self::TcpDport
            | Self::UdpSport
            | Self::UdpDport
            | Self::ThSport
            | Self::ThDport => KeyType::Port,
            Self::IcmpType | Self::IcmpCode | Self::Icmpv6Type | Self::Icmpv6Code => {
                return None;
            }
        })
    }

    /// The type its values have (ICMP types and codes are bytes, like protocol numbers).
    fn value_type(self) -> KeyType {
        self.key_type().unwrap_or(KeyType::Protocol)
    }

    fn network(self) -> Option<u8> {
        match self {
            Self::IpSaddr | Self::IpDaddr => Some(NFPROTO_IPV4),
            Self::Ip6Saddr | Self::Ip6Daddr => Some(NFPROTO_IPV6),
            _ => None,
        }
    }

    fn transport(self) -> Option<u8> {
        match self {
            Self::TcpSport | Self::TcpDport => Some(TCP),
            Self::UdpSport | Self::UdpDport => Some(UDP),
            Self::IcmpType | Self::IcmpCode => Some(ICMP),
            Self::Icmpv6Type | Self::Icmpv6Code => Some(ICMPV6),
            _ => None,
        }
    }
}

impl<'a> RuleWriter<'a> {
    pub(super) fn new(table: &'a Table, next_set: u32) -> Self {
        Self {
            table,
            sets: Vec::new(),
            next_set,
            nfproto: None,
            l4proto: None,
        }
    }

    /// Writes all expressions of a rule.
    pub(super) fn rule(&mut self, w: &mut Writer, rule: &Rule) -> Result<(), InvalidTable> {
        if rule.exprs.len() > MOST_EXPRS {
            return Err(InvalidTable::TooLong);
        }
        rule.exprs.iter().try_for_each(|expr| self.expr(w, expr))
    }

    fn expr(&mut self, w: &mut Writer, expr: &Expr) -> Result<(), InvalidTable> {
        match expr {
            Expr::Match {
                field,
                negate,
                values,
            } => self.condition(w, *field, *negate, values)?,
            Expr::InSet {
                fields,
                negate,
                set,
            } => {
                self.lookup(w, fields, set, None, None, *negate)?;
            }
            Expr::VerdictFrom { fields, map } => {
                self.lookup(
                    w,
                    fields,
                    map,
                    Some(ValueType::Verdict),
                    Some(VERDICT),
                    false,
                )?;
            }
            Expr::SetMarkFrom { fields, map } => {
                self.lookup(w, fields, map, Some(ValueType::Mark), Some(REGISTER), false)?;
                set_meta_mark(w);
            }
            Expr::SetMark(mark) => {
                immediate(w, &mark.to_ne_bytes());
                set_meta_mark(w);
            }
            Expr::CtState(states) => connection::state(w, states),
            Expr::Family(family) => self.need_network(w, network_of(*family))?,
            Expr::CtDirection { reply } => connection::direction(w, *reply),
            Expr::CtMark(mark) => connection::mark(w, *mark),
            Expr::SetCtMark(mark) => connection::set_mark(w, *mark),
            Expr::TcpSyn => {
                self.need_transport(w, TCP);
                payload(w, 2, 13, 1, REGISTER);
                bitwise(w, &[0x06]);
                compare(w, EQUAL, &[0x02]);
            }
            Expr::TcpReset => {
                self.need_transport(w, TCP);
                super::tally::reset(w);
            }
            Expr::ClampMss => {
                self.need_transport(w, TCP);
                clamp(w);
            }
            Expr::TallyDevices(name) => self.tally_devices(w, name)?,
            Expr::TallyMark { tally, into } => self.tally_mark(w, tally, *into)?,
            Expr::TallyFlow(name, of) => self.tally_flow(w, name, *of)?,
            Expr::Counter(None) => named(w, "counter", |_| {}),
            Expr::Counter(Some(name)) => {
                if !self.table.counters.contains(name) {
                    return Err(InvalidTable::Unknown {
                        kind: "counter",
                        name: name.clone(),
                    });
                }
                named(w, "objref", |w| {
                    w.attr_be32(1, 1);
                    w.attr_text(2, name);
                });
            }
            Expr::Snat(target) => self.nat(w, 0, target)?,
            Expr::Dnat(target) => self.nat(w, 1, target)?,
            Expr::NoTrack => named(w, "notrack", |_| {}),
            Expr::Reject(with) => self.reject(w, *with),
            Expr::Verdict(verdict) => self.verdict(w, verdict)?,
        }
        Ok(())
    }

    fn condition(
        &mut self,
        w: &mut Writer,
        field: Field,
        negate: bool,
        values: &[Datum],
    ) -> Result<(), InvalidTable> {
        let kind = field.value_type();
        let invalid = |reason: &str| InvalidTable::Condition {
            field: format!("{field:?}"),
            reason: reason.to_owned(),
        };
        let operator = if negate { NOT_EQUAL } else { EQUAL };
        match values {
            [] => Err(invalid("no value to compare with")),
            many if many.len() > MOST_VALUES => Err(invalid("too many values: use a named set")),
            [Datum::Name(name)] if kind == KeyType::Interface && name.ends_with('*') => {
                self.load(w, field, REGISTER)?;
                let prefix = name.trim_end_matches('*').as_bytes();
                if prefix.is_empty() || prefix.len() > 15 {
                    return Err(invalid("not the beginning of a device's name"));
                }
                compare(w, operator, prefix);
                Ok(())
            }
            [one] => {
                let (first, last) = bounds(kind, one).map_err(invalid)?;
                self.load(w, field, REGISTER)?;
                if first == last {
                    compare(w, operator, &first);
                } else if let Datum::Net(net) = one {
                    // The form that the `nft` command shows as a prefix.
                    bitwise(w, &octets(net.netmask()));
                    compare(w, operator, &first);
                } else {
                    range(w, operator, &first, &last);
                }
                Ok(())
            }
            many => {
                let set = RawSet::anonymous(kind, many)?;
                self.load(w, field, REGISTER)?;
                let id = self.next_set;
                self.next_set += 1;
                self.sets.push((id, set));
                lookup(w, "__set%d", Some(id), None, negate);
                Ok(())
            }
        }
    }

    fn lookup(
        &mut self,
        w: &mut Writer,
        fields: &[Field],
        name: &str,
        value: Option<ValueType>,
        target: Option<u32>,
        negate: bool,
    ) -> Result<(), InvalidTable> {
        let Some(set) = self.table.sets.get(name) else {
            return Err(InvalidTable::Unknown {
                kind: "set",
                name: name.to_owned(),
            });
        };
        let types: Vec<_> = fields.iter().filter_map(|f| f.key_type()).collect();
        if types != set.key || types.len() != fields.len() || set.value != value {
            return Err(InvalidTable::Set {
                set: name.to_owned(),
                reason: format!("it cannot be asked for {fields:?}"),
            });
        }
        let mut register = REGISTER;
        for (field, kind) in fields.iter().zip(&types) {
            self.load(w, *field, register)?;
            register += match kind {
                KeyType::Interface | KeyType::Ipv6 => 4,
                _ => 1,
            };
        }
        lookup(w, name, None, target, negate);
        Ok(())
    }

    fn load(&mut self, w: &mut Writer, field: Field, register: u32) -> Result<(), InvalidTable> {
        if let Some(network) = field.network() {
            self.need_network(w, network)?;
        }
        if let Some(transport) = field.transport() {
            self.need_transport(w, transport);
        }
        match field {
            Field::Iifname => meta(w, 6, register),
            Field::Oifname => meta(w, 7, register),
            Field::Mark => meta(w, 3, register),
            Field::L4proto => meta(w, 16, register),
            Field::IpSaddr => payload(w, 1, 12, 4, register),
            Field::IpDaddr => payload(w, 1, 16, 4, register),
            Field::Ip6Saddr => payload(w, 1, 8, 16, register),
            Field::Ip6Daddr => payload(w, 1, 24, 16, register),
            Field::TcpSport | Field::UdpSport | Field::ThSport => payload(w, 2, 0, 2, register),
            Field::TcpDport | Field::UdpDport | Field::ThDport => payload(w, 2, 2, 2, register),
            Field::IcmpType | Field::Icmpv6Type => payload(w, 2, 0, 1, register),
            Field::IcmpCode | Field::Icmpv6Code => payload(w, 2, 1, 1, register),
        }
        Ok(())
    }

    /// The packet must be of this network protocol for what follows.
    pub(super) fn need_network(&mut self, w: &mut Writer, network: u8) -> Result<(), InvalidTable> {
        let fits = match self.table.family {
            Family::Inet => true,
            Family::Ip => network == NFPROTO_IPV4,
            Family::Ip6 => network == NFPROTO_IPV6,
        };
        if !fits {
            return Err(InvalidTable::Family);
        }
        if self.table.family == Family::Inet && self.nfproto != Some(network) {
            self.nfproto = Some(network);
            // The last register: the parts of a longer key may be loaded already.
            meta(w, 15, REGISTER + 15);
            compare_in(w, REGISTER + 15, EQUAL, &[network]);
        }
        Ok(())
    }

    /// The packet must be of this transport protocol for what follows.
    pub(super) fn need_transport(&mut self, w: &mut Writer, transport: u8) {
        if self.l4proto != Some(transport) {
            self.l4proto = Some(transport);
            meta(w, 16, REGISTER + 15);
            compare_in(w, REGISTER + 15, EQUAL, &[transport]);
        }
    }

    fn nat(&mut self, w: &mut Writer, kind: u32, target: &NatTarget) -> Result<(), InvalidTable> {
        let family = match target {
            NatTarget::Addr(addr) => IpFamily::of(*addr),
            NatTarget::Map { family, .. } => *family,
        };
        let network = network_of(family);
        let value = match family {
            IpFamily::V4 => ValueType::Ipv4,
            IpFamily::V6 => ValueType::Ipv6,
        };
        self.need_network(w, network)?;
        match target {
            NatTarget::Addr(addr) => immediate(w, &octets(*addr)),
            NatTarget::Map { fields, map, .. } => {
                self.lookup(w, fields, map, Some(value), Some(REGISTER), false)?;
            }
        }
        named(w, "nat", |w| {
            w.attr_be32(1, kind);
            w.attr_be32(2, u32::from(network));
            w.attr_be32(3, REGISTER);
        });
        Ok(())
    }

    fn reject(&mut self, w: &mut Writer, with: RejectWith) {
        let (kind, code) = match with {
            RejectWith::TcpReset => {
                self.need_transport(w, TCP);
                (1, 0)
            }
            RejectWith::PortUnreachable => (2, 1),
            RejectWith::AdminProhibited => (2, 3),
        };
        // In tables of one family the kernel has only that family's codes.
        let (kind, code) = match (kind, self.table.family) {
            (2, Family::Ip) => (0, if code == 1 { 3u8 } else { 13 }),
            (2, Family::Ip6) => (0, if code == 1 { 4 } else { 1 }),
            _ => (kind, code),
        };
        named(w, "reject", |w| {
            w.attr_be32(1, kind);
            w.attr(2, &[code]);
        });
    }

    fn verdict(&self, w: &mut Writer, verdict: &Verdict) -> Result<(), InvalidTable> {
        self.table.known_chain(verdict)?;
        named(w, "immediate", |w| {
            w.attr_be32(1, VERDICT);
            w.nest(2, |w| write_verdict(w, verdict));
        });
        Ok(())
    }
}

pub(super) fn named(w: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    w.nest(NFTA_LIST_ELEM, |w| {
        w.attr_text(NFTA_EXPR_NAME, name);
        w.nest(NFTA_EXPR_DATA, data);
    });
}

fn value(w: &mut Writer, kind: u16, bytes: &[u8]) {
    w.nest(kind, |w| w.attr(NFTA_DATA_VALUE, bytes));
}

pub(super) fn meta(w: &mut Writer, key: u32, register: u32) {
    named(w, "meta", |w| {
        w.attr_be32(2, key);
        w.attr_be32(1, register);
    });
}

fn set_meta_mark(w: &mut Writer) {
    named(w, "meta", |w| {
        w.attr_be32(2, 3);
        w.attr_be32(3, REGISTER);
    });
}

pub(super) fn payload(w: &mut Writer, base: u32, offset: u32, length: u32, register: u32) {
    named(w, "payload", |w| {
        w.attr_be32(1, register);
        w.attr_be32(2, base);
        w.attr_be32(3, offset);
        w.attr_be32(4, length);
    });
}

pub(super) fn compare(w: &mut Writer, operator: u32, bytes: &[u8]) {
    compare_in(w, REGISTER, operator, bytes);
}

pub(super) fn compare_in(w: &mut Writer, register: u32, operator: u32, bytes: &[u8]) {
    named(w, "cmp", |w| {
        w.attr_be32(1, register);
        w.attr_be32(2, operator);
        value(w, 3, bytes);
    });
}

fn range(w: &mut Writer, operator: u32, first: &[u8], last: &[u8]) {
    named(w, "range", |w| {
        w.attr_be32(1, REGISTER);
        w.attr_be32(2, operator);
        value(w, 3, first);
        value(w, 4, last);
    });
}

pub(super) fn bitwise(w: &mut Writer, mask: &[u8]) {
    bitwise_in(w, REGISTER, mask);
}

pub(super) fn bitwise_in(w: &mut Writer, register: u32, mask: &[u8]) {
    named(w, "bitwise", |w| {
        w.attr_be32(1, register);
        w.attr_be32(2, register);
        w.attr_be32(3, u32::try_from(mask.len()).unwrap_or(0));
        value(w, 4, mask);
        value(w, 5, &vec![0; mask.len()]);
    });
}

pub(super) fn immediate(w: &mut Writer, bytes: &[u8]) {
    immediate_in(w, REGISTER, bytes);
}

pub(super) fn immediate_in(w: &mut Writer, register: u32, bytes: &[u8]) {
    named(w, "immediate", |w| {
        w.attr_be32(1, register);
        value(w, 2, bytes);
    });
}

fn lookup(w: &mut Writer, set: &str, id: Option<u32>, target: Option<u32>, negate: bool) {
    named(w, "lookup", |w| {
        w.attr_text(1, set);
        w.attr_be32(2, REGISTER);
        if let Some(target) = target {
            w.attr_be32(3, target);
        }
        if let Some(id) = id {
            w.attr_be32(4, id);
        }
        if negate {
            w.attr_be32(5, 1);
        }
    });
}

/// `tcp option maxseg size set rt mtu`.
fn clamp(w: &mut Writer) {
    named(w, "rt", |w| {
        w.attr_be32(2, 3);
        w.attr_be32(1, REGISTER);
    });
    named(w, "byteorder", |w| {
        w.attr_be32(1, REGISTER);
        w.attr_be32(2, REGISTER);
        w.attr_be32(3, 1);
        w.attr_be32(4, 2);
        w.attr_be32(5, 2);
    });
    named(w, "exthdr", |w| {
        w.attr(2, &[2]);
        w.attr_be32(3, 2);
        w.attr_be32(4, 2);
        w.attr_be32(6, 1);
        w.attr_be32(7, REGISTER);
    });
}
