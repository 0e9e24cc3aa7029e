//! The S3 front door: what a client meets at the end of an endpoint.
//!
//! One request passes through these phases, each a plain function, called in order by `serve`:
//!
//! | phase | file | question |
//! |---|---|---|
//! | hello | `hello` | plain or TLS; which certificate |
//! | head | `head` | is the request within limits and unambiguous |
//! | address | `address` | which Region, bucket and key do host and path name |
//! | authenticate | `authenticate` | who signed it |
//! | recognise | `recognise` | which operation; which actions on which resources |
//! | facts, decide | `decide` | may they; asked of the newest snapshot, before any body byte |
//! | objects, operations | `objects`, [`Operations`] | do it |
//! | forward | `forward` | the same for buckets that an upstream keeps |
//! | account | `account` | one [`Record`] per request |
//!
//! # The identity of a request's path
//!
//! The accepting listener says through which endpoint a request came ([`Via`]); the peer's address is
//! its source. Nothing inside a request can claim either: no header is looked at for them.
//!
//! # What is re-read
//!
//! A connection holds no decision. Each request reads the newest [`Snapshot`](adit_snapshot::Snapshot),
//! so a changed policy, a deactivated key or a deleted endpoint counts from the next request on, also on
//! a connection that was kept alive. Without a snapshot nothing is served (fail closed).

mod access_log;
mod access_point;
mod account;
mod acl;
mod activity;
mod address;
mod ask;
mod authenticate;
mod buckets;
pub mod ca;
mod certificates;
mod connection;
mod control;
mod copy_source;
mod cors;
mod counts;
mod crowd;
mod decide;
mod dynamodb;
mod forward;
mod gateway;
mod head;
mod hello;
mod ids;
mod io;
mod job;
mod lifecycle;
mod listen;
mod objects;
mod operations;
mod origins;
mod own_certificate;
mod pace;
mod record;
mod reply;
mod s3control;
mod serve;
mod settings;
mod threads;
mod upload;
mod version2;

pub use access_log::Delivered;
pub use ask::stored_bucket;
pub use certificates::Certificates;
pub use connection::{Connection, Scheme, TlsVersion, Via};
pub use control::{Control, ControlAnswer};
pub use dynamodb::DynamoDb;
pub use gateway::{Clock, Gateway, Setup, Snapshots};
pub use hello::Stream;
pub use listen::Serving;
pub use objects::OBJECT_OPERATIONS;
pub use operations::{Call, Caller, Operations};
pub use origins::{BucketMap, MapError, Origin, Origins};
pub use own_certificate::OwnCertificate;
pub use record::{JsonLines, Path, Record, Recorder};
pub use reply::{BodyError, ReplyBody};
pub use settings::Settings;
pub use threads::Threads;
