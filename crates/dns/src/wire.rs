//! DNS messages (RFC 1035, 6891): queries in, replies out, without allocation on the way.
//!
//! [`Query::parse`] reads one request and says exactly what is wrong with a bad one;
//! [`Reply`] writes the answer straight into the buffer that is sent. [`Message`] walks a reply
//! record by record, for forwarding and for the query log.

mod message;
mod query;
mod record;
mod reply;

pub use message::{Message, MessageError, Record, Section};
pub use query::{Edns, Malformed, Query, Scratch};
pub use record::{Class, Rcode, Rdata, RecordSet, RecordType, Soa};
pub use reply::{Owner, Reply};

/// Fixed length of a message header.
pub const HEADER: usize = 12;
/// The largest UDP payload that is sent or announced: what crosses an Ethernet path with IPv6
/// unfragmented (the figure of DNS Flag Day 2020).
pub const UDP_MAX: usize = 1232;
/// The UDP payload a client without EDNS accepts (RFC 1035 section 4.2.1).
pub const UDP_MIN: usize = 512;
/// The largest message over TCP: what its two-byte length can say.
pub const TCP_MAX: usize = 65_535;
