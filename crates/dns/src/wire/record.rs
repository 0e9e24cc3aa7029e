//! Types, classes, codes and record data.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::name::Name;

/// A record type by its number, so that unknown ones pass through (RFC 3597).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// A class by its number. Only `IN` is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

/// A response code by its number, extended ones included (RFC 6895).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

macro_rules! known {
    ($kind:ident, $prefix:literal, $( $(#[$doc:meta])* $const:ident = $number:literal, $text:literal; )*) => {
        impl $kind {
            $( $(#[$doc])* pub const $const: Self = Self($number); )*
            const KNOWN: &'static [(u16, &'static str)] = &[ $( ($number, $text) ),* ];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match Self::KNOWN.iter().find(|(number, _)| *number == self.0) {
                    Some((_, text)) => f.pad(text),
                    None => write!(f, concat!($prefix, "{}"), self.0),
                }
            }
        }

        impl FromStr for $kind {
            type Err = UnknownMnemonic;

            fn from_str(text: &str) -> Result<Self, UnknownMnemonic> {
                let known = Self::KNOWN.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
                if let Some((number, _)) = known {
                    return Ok(Self(*number));
                }
                let prefix = text.get(..$prefix.len()).filter(|p| p.eq_ignore_ascii_case($prefix));
                prefix
                    .and_then(|p| text.get(p.len()..))
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| UnknownMnemonic(text.to_owned()))
            }
        }
    };
}

/// A text that names no record type, class or response code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no known DNS mnemonic")]
pub struct UnknownMnemonic(pub String);

known! { RecordType, "TYPE",
    /// IPv4 address.
    A = 1, "A";
    /// Name server.
    NS = 2, "NS";
    /// Canonical name.
    CNAME = 5, "CNAME";
    /// Start of authority.
    SOA = 6, "SOA";
    /// Pointer, for reverse names.
    PTR = 12, "PTR";
    /// Mail exchange.
    MX = 15, "MX";
    /// Text.
    TXT = 16, "TXT";
    /// IPv6 address.
    AAAA = 28, "AAAA";
    /// Service location.
    SRV = 33, "SRV";
    /// Name authority pointer.
    NAPTR = 35, "NAPTR";
    /// EDNS pseudo-record.
    OPT = 41, "OPT";
    /// Delegation signer.
    DS = 43, "DS";
    /// SSH key fingerprint.
    SSHFP = 44, "SSHFP";
    /// Certificate association.
    TLSA = 52, "TLSA";
    /// Service binding.
    SVCB = 64, "SVCB";
    /// Service binding for HTTPS.
    HTTPS = 65, "HTTPS";
    /// SPF as a type of its own; obsolete, but a Route 53 type.
    SPF = 99, "SPF";
    /// Transaction signature.
    TSIG = 250, "TSIG";
    /// Incremental zone transfer.
    IXFR = 251, "IXFR";
    /// Zone transfer.
    AXFR = 252, "AXFR";
    /// Any type.
    ANY = 255, "ANY";
    /// Which authorities may issue certificates.
    CAA = 257, "CAA";
}

known! { Class, "CLASS",
    /// Internet.
    IN = 1, "IN";
    /// Chaos, used for server identity.
    CH = 3, "CH";
    /// Any class.
    ANY = 255, "ANY";
}

known! { Rcode, "RCODE",
    /// No error; with no record of the type it means NODATA.
    NOERROR = 0, "NOERROR";
    /// The query was malformed.
    FORMERR = 1, "FORMERR";
    /// The server could not find out.
    SERVFAIL = 2, "SERVFAIL";
    /// The name does not exist.
    NXDOMAIN = 3, "NXDOMAIN";
    /// The kind of query is not implemented.
    NOTIMP = 4, "NOTIMP";
    /// The server will not answer this client or question.
    REFUSED = 5, "REFUSED";
    /// The EDNS version is unknown (extended).
    BADVERS = 16, "BADVERS";
}

/// The fields of a zone's start of authority that are not its owner name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// Primary name server.
    pub primary: Name,
    /// Mailbox of the person in charge, as a name.
    pub mailbox: Name,
    /// Serial number.
    pub serial: u32,
    /// Seconds between checks by a secondary.
    pub refresh: u32,
    /// Seconds before a failed check is tried again.
    pub retry: u32,
    /// Seconds after which a secondary gives up.
    pub expire: u32,
    /// Upper bound in seconds for the TTL of a negative answer (RFC 2308 section 4).
    pub minimum: u32,
}

/// The data of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rdata {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Canonical name.
    Cname(Name),
    /// Name server.
    Ns(Name),
    /// Pointer.
    Ptr(Name),
    /// Start of authority.
    Soa(Soa),
    /// Character strings of at most 255 bytes each; longer ones are split.
    Txt(Vec<Vec<u8>>),
    /// Service location.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// Port of the service.
        port: u16,
        /// Host of the service.
        target: Name,
    },
    /// Mail exchange.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Host of the mail exchange.
        exchange: Name,
    },
    /// Certificate authority authorisation (RFC 8659).
    Caa {
        /// 128 marks a critical property.
        flags: u8,
        /// Property, such as `issue`.
        tag: String,
        /// Value of the property.
        value: Vec<u8>,
    },
    /// Data of another type, as on the wire without compression.
    Raw(RecordType, Vec<u8>),
}

/// All records of one type at one name: they share one TTL (RFC 2181 section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Type of every record in the set.
    pub rtype: RecordType,
    /// Seconds a resolver may keep the set.
    pub ttl: u32,
    /// The data, in the order given.
    pub data: Vec<Rdata>,
}

impl Rdata {
    /// The type of this data.
    #[must_use]
    pub const fn rtype(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Cname(_) => RecordType::CNAME,
            Self::Ns(_) => RecordType::NS,
            Self::Ptr(_) => RecordType::PTR,
            Self::Soa(_) => RecordType::SOA,
            Self::Txt(_) => RecordType::TXT,
            Self::Srv { .. } => RecordType::SRV,
            Self::Mx { .. } => RecordType::MX,
            Self::Caa { .. } => RecordType::CAA,
            Self::Raw(rtype, _) => *rtype,
        }
    }

    /// Appends the wire form without compression and without the length in front.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::A(address) => out.extend_from_slice(&address.octets()),
            Self::Aaaa(address) => out.extend_from_slice(&address.octets()),
            Self::Cname(name) | Self::Ns(name) | Self::Ptr(name) => {
                out.extend_from_slice(name.wire());
            }
            Self::Soa(soa) => soa.encode(out),
            Self::Txt(strings) => encode_strings(strings, out),
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => {
                for number in [priority, weight, port] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                out.extend_from_slice(target.wire());
            }
            Self::Mx {
                preference,
                exchange,
            } => {
                out.extend_from_slice(&preference.to_be_bytes());
                out.extend_from_slice(exchange.wire());
            }
            Self::Caa { flags, tag, value } => {
                let tag = tag.as_bytes().get(..tag.len().min(255)).unwrap_or(&[]);
                out.extend_from_slice(&[*flags, u8::try_from(tag.len()).unwrap_or(0)]);
                out.extend_from_slice(tag);
                out.extend_from_slice(value);
            }
            Self::Raw(_, bytes) => out.extend_from_slice(bytes),
        }
    }
}

impl Soa {
    /// Appends the wire form without compression.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.primary.wire());
        out.extend_from_slice(self.mailbox.wire());
        for number in [
            self.serial,
            self.refresh,
            self.retry,
            self.expire,
            self.minimum,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl RecordSet {
    /// IPv4 addresses.
    #[must_use]
    pub fn a(ttl: u32, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        Self {
            rtype: RecordType::A,
            ttl,
            data: addresses.into_iter().map(Rdata::A).collect(),
        }
    }

    /// IPv6 addresses.
    #[must_use]
    pub fn aaaa(ttl: u32, addresses: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        let data = addresses.into_iter().map(Rdata::Aaaa).collect();
        Self {
            rtype: RecordType::AAAA,
            ttl,
            data,
        }
    }

    /// One canonical name.
    #[must_use]
    pub fn cname(ttl: u32, target: Name) -> Self {
        Self {
            rtype: RecordType::CNAME,
            ttl,
            data: vec![Rdata::Cname(target)],
        }
    }

    /// One record of any type.
    #[must_use]
    pub fn one(ttl: u32, data: Rdata) -> Self {
        Self {
            rtype: data.rtype(),
            ttl,
            data: vec![data],
        }
    }
}

fn encode_strings(strings: &[Vec<u8>], out: &mut Vec<u8>) {
    for string in strings {
        if string.is_empty() {
            out.push(0);
        }
        for chunk in string.chunks(255) {
            out.push(u8::try_from(chunk.len()).unwrap_or(0));
            out.extend_from_slice(chunk);
        }
    }
    if strings.is_empty() {
        out.push(0);
    }
}
