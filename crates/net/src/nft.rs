//! One nftables table as data: how it is stated, shown as text, encoded and changed.
//!
//! The words are nftables' own. What cannot be said here cannot be applied: no text is ever parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(crate) mod change;
mod connection;
mod expr;
pub(crate) mod part;
mod raw;
pub(crate) mod tally;
mod text;

/// The prefix that every table of ours has; tables named otherwise are never touched.
pub const TABLE_PREFIX: &str = "adit";

/// A table with all it contains.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Which packets its chains see.
    #[serde(default)]
    pub family: Family,
    /// Its name, beginning with [`TABLE_PREFIX`].
    pub name: String,
    /// Named counters, which rules use by [`Expr::Counter`] and which survive changes of chains.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub counters: BTreeSet<String>,
    /// Tallies: counters that the packets themselves make, by [`Expr::TallyDevices`] or [`Expr::TallyFlow`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tallies: BTreeMap<String, Tally>,
    /// Named sets and maps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sets: BTreeMap<String, Set>,
    /// Chains.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chains: BTreeMap<String, Chain>,
}

impl Table {
    /// An empty table of family `inet`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            family: Family::Inet,
            name: name.to_owned(),
            counters: BTreeSet::new(),
            tallies: BTreeMap::new(),
            sets: BTreeMap::new(),
            chains: BTreeMap::new(),
        }
    }
}

/// A set whose elements are made by the packets that a rule tallies, each with a counter. It
/// shares its names with the table's sets, and what it has counted is no part of the stated table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// What packets are told apart by.
    pub by: TallyKey,
    /// Elements at most; a packet that would need one more is not counted.
    pub size: u32,
    /// Seconds without a packet after which an element goes.
    pub timeout: u32,
}

/// What a tally tells packets apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TallyKey {
    /// The devices by which they come in and leave.
    Devices,
    /// The packets' mark, and one of these devices.
    Mark,
    /// Devices, addresses, protocol, ports and (where asked for) TCP flags, of IPv4 or IPv6.
    Flow(crate::desired::IpFamily),
}

/// Whose flows [`Expr::TallyFlow`] counts: what a packet has depends on its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOf {
    /// TCP with its ports; its flags as well when `flags`.
    Tcp {
        /// Whether FIN, SYN, RST and ACK tell flows apart.
        flags: bool,
    },
    /// UDP with its ports.
    Udp,
    /// Whatever else, without ports. The rule must have made sure that it is neither TCP nor UDP.
    Other,
}

/// The family of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4 and IPv6.
    #[default]
    Inet,
    /// IPv4 only.
    Ip,
    /// IPv6 only.
    Ip6,
}

/// A named set, or a map when it has a value type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The key: one type, or several for a concatenation.
    pub key: Vec<KeyType>,
    /// For maps, what an element leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueType>,
    /// Elements may be ranges and prefixes. In a set overlapping ones are merged; in a map they
    /// must not overlap. Sets of plain values should leave it off: they are hash tables then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interval: bool,
    /// The elements, in any order; equal ones count once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// One value per type of [`Set::key`].
    pub key: Vec<Datum>,
    /// What it leads to; only and always in a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The type of a key or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// A device's name.
    Interface,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A TCP or UDP port.
    Port,
    /// An IP protocol number.
    Protocol,
    /// A packet mark.
    Mark,
}

/// The type of a map's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// What to do with the packet.
    Verdict,
    /// A packet mark.
    Mark,
    /// An IPv4 address, for NAT.
    Ipv4,
    /// An IPv6 address, for NAT.
    Ipv6,
}

/// A value to compare with, or a part of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Datum {
    /// A device's name; in [`Expr::Match`] a trailing `*` matches any rest.
    Name(String),
    /// One address.
    Addr(IpAddr),
    /// A prefix.
    Net(IpNet),
    /// First and last address.
    AddrRange(IpAddr, IpAddr),
    /// A port, protocol number, mark, ICMP type or code, according to the field.
    Number(u32),
    /// First and last number.
    NumberRange(u32, u32),
}

impl Datum {
    /// The name of a device.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

/// What a map's element leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A verdict.
    Verdict(Verdict),
    /// A mark.
    Mark(u32),
    /// An address.
    Addr(IpAddr),
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passes this base chain.
    Accept,
    /// It is dropped silently.
    Drop,
    /// Back to the calling chain, or to the policy of a base chain.
    Return,
    /// To another chain, and back.
    Jump(String),
    /// To another chain, without coming back.
    Goto(String),
}

/// A chain; one with a base is called by the kernel, others by jumps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chain {
    /// Where the kernel calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The rules, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Where and when the kernel calls a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// What the chain may do.
    pub kind: ChainKind,
    /// The place in the packet's way.
    pub hook: Hook,
    /// Order among chains of the same hook, lower first: -300 raw, -150 mangle, -100 dstnat,
    /// 0 filter, 100 srcnat.
    pub priority: i32,
    /// Whether a packet that no rule decides is dropped (instead of accepted).
    pub drop: bool,
}

/// What a base chain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// Accept and drop.
    Filter,
    /// Translate addresses; sees the first packet of a connection only.
    Nat,
    /// Re-route locally made packets when it changes their mark (hook `output` only).
    Route,
}

/// A place in the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "netfilter's own words")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// A rule: expressions that must all hold, then what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Conditions and actions, in order. Conditions on the protocol that a field needs (an IPv4
    /// address in an `inet` table, a TCP port) are put in front by the encoder.
    pub exprs: Vec<Expr>,
    /// Words for people, at most 120 bytes, kept with the rule and its counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl<const N: usize> From<[Expr; N]> for Rule {
    fn from(exprs: [Expr; N]) -> Self {
        Self {
            exprs: exprs.into(),
            comment: None,
        }
    }
}

/// One condition or action of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// The field has one of the values (with `negate`: none of them).
    Match {
        /// What is looked at.
        field: Field,
        /// Whether the field must *not* have any of the values.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        negate: bool,
        /// At least one.
        values: Vec<Datum>,
    },
    /// The fields together are (with `negate`: are not) an element of a named set.
    InSet {
        /// One field per type of the set's key.
        fields: Vec<Field>,
        /// Whether they must *not* be an element.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        negate: bool,
        /// The set's name.
        set: String,
    },
    /// The connection is in one of the states. Turns connection tracking on in the namespace.
    CtState(Vec<CtState>),
    /// The packet is of this family.
    Family(crate::desired::IpFamily),
    /// The packet goes the way of the one that opened its connection or, with `reply`, the other way.
    CtDirection {
        /// Whether it answers.
        reply: bool,
    },
    /// Its connection has this mark.
    CtMark(u32),
    /// Marks its connection.
    SetCtMark(u32),
    /// A TCP segment that opens a connection (SYN without RST).
    TcpSyn,
    /// Does what a verdict map says; goes on when it says nothing.
    VerdictFrom {
        /// One field per type of the map's key.
        fields: Vec<Field>,
        /// The map's name.
        map: String,
    },
    /// Marks the packet.
    SetMark(u32),
    /// Marks the packet with what a map says; the rule ends when it says nothing.
    SetMarkFrom {
        /// One field per type of the map's key.
        fields: Vec<Field>,
        /// The map's name.
        map: String,
    },
    /// Counts packets and bytes, in the rule itself or in a named counter.
    Counter(Option<String>),
    /// Counts the packet in an element of a tally by [`TallyKey::Devices`], which is made where it is
    /// missing; the rule ends when there is no room.
    TallyDevices(String),
    /// The same for a tally by [`TallyKey::Mark`], with the device by which the packet leaves or,
    /// with `into`, the one by which it came in.
    TallyMark {
        /// The tally.
        tally: String,
        /// Which device.
        into: bool,
    },
    /// The same for a tally by [`TallyKey::Flow`].
    TallyFlow(String, FlowOf),
    /// A TCP segment that breaks a connection off (RST).
    TcpReset,
    /// Lowers the segment size that a TCP SYN offers to what the route's MTU allows.
    ClampMss,
    /// Rewrites the source address.
    Snat(NatTarget),
    /// Rewrites the destination address.
    Dnat(NatTarget),
    /// Keeps the packet out of connection tracking (hook prerouting or output, priority -300).
    NoTrack,
    /// Refuses the packet with an answer.
    Reject(RejectWith),
    /// Decides.
    Verdict(Verdict),
}

impl Expr {
    /// `field value`
    #[must_use]
    pub fn is(field: Field, value: Datum) -> Self {
        Self::Match {
            field,
            negate: false,
            values: vec![value],
        }
    }

    /// `field { values }`
    #[must_use]
    pub fn one_of(field: Field, values: Vec<Datum>) -> Self {
        Self::Match {
            field,
            negate: false,
            values,
        }
    }

    /// `fields @set`
    #[must_use]
    pub fn in_set(fields: &[Field], set: &str) -> Self {
        Self::InSet {
            fields: fields.to_vec(),
            negate: false,
            set: set.to_owned(),
        }
    }

    /// `fields != @set`
    #[must_use]
    pub fn not_in_set(fields: &[Field], set: &str) -> Self {
        Self::InSet {
            fields: fields.to_vec(),
            negate: true,
            set: set.to_owned(),
        }
    }

    /// `fields vmap @map`
    #[must_use]
    pub fn vmap(fields: &[Field], map: &str) -> Self {
        Self::VerdictFrom {
            fields: fields.to_vec(),
            map: map.to_owned(),
        }
    }

    /// `accept`
    pub const ACCEPT: Self = Self::Verdict(Verdict::Accept);
    /// `drop`
    pub const DROP: Self = Self::Verdict(Verdict::Drop);
    /// `return`
    pub const RETURN: Self = Self::Verdict(Verdict::Return);
    /// `counter`
    pub const COUNTER: Self = Self::Counter(None);

    /// `jump chain`
    #[must_use]
    pub fn jump(chain: &str) -> Self {
        Self::Verdict(Verdict::Jump(chain.to_owned()))
    }

    /// `goto chain`
    #[must_use]
    pub fn goto(chain: &str) -> Self {
        Self::Verdict(Verdict::Goto(chain.to_owned()))
    }
}

/// Where NAT sends a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatTarget {
    /// Always this address.
    Addr(IpAddr),
    /// The address that a map gives; the rule ends when it gives none.
    Map {
        /// One field per type of the map's key.
        fields: Vec<Field>,
        /// The map's name; its values are addresses of the family `family`.
        map: String,
        /// The family of the packets and of the map's values.
        #[serde(default)]
        family: crate::desired::IpFamily,
    },
}

/// How a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectWith {
    /// A TCP reset; the packet must be TCP.
    TcpReset,
    /// ICMP or ICMPv6 port unreachable.
    PortUnreachable,
    /// ICMP or ICMPv6 administratively prohibited.
    AdminProhibited,
}

/// The state of a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "conntrack's own words")]
pub enum CtState {
    New,
    Established,
    Related,
    Invalid,
    Untracked,
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The device the packet came in by.
    Iifname,
    /// The device it leaves by.
    Oifname,
    /// The packet's mark.
    Mark,
    /// The transport protocol's number.
    L4proto,
    /// IPv4 source.
    IpSaddr,
    /// IPv4 destination.
    IpDaddr,
    /// IPv6 source.
    Ip6Saddr,
    /// IPv6 destination.
    Ip6Daddr,
    /// TCP source port.
    TcpSport,
    /// TCP destination port.
    TcpDport,
    /// UDP source port.
    UdpSport,
    /// UDP destination port.
    UdpDport,
    /// Source port of whatever transport; check [`Field::L4proto`] first.
    ThSport,
    /// Destination port of whatever transport; check [`Field::L4proto`] first.
    ThDport,
    /// ICMP type.
    IcmpType,
    /// ICMP code.
    IcmpCode,
    /// ICMPv6 type.
    Icmpv6Type,
    /// ICMPv6 code.
    Icmpv6Code,
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTable {
    /// A name is not allowed.
    #[error("nftables name `{0}` is not allowed")]
    Name(String),
    /// A rule names something that the table does not have.
    #[error("the table has no {kind} `{name}`")]
    Unknown {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A set contradicts itself.
    #[error("nftables set `{set}`: {reason}")]
    Set {
        /// The set.
        set: String,
        /// What is wrong.
        reason: String,
    },
    /// A condition cannot be.
    #[error("nftables condition on {field}: {reason}")]
    Condition {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A rule looks at an address of a family that the table does not see.
    #[error("a rule looks at a family of addresses that the table does not see")]
    Family,
    /// A rule has more conditions and actions than fit.
    #[error("a rule has too many conditions and actions")]
    TooLong,
    /// A comment is empty, too long or has quotes or control characters.
    #[error(
        "a comment in chain `{chain}` is empty, too long or has characters that are not allowed"
    )]
    Comment {
        /// The chain.
        chain: String,
    },
}
