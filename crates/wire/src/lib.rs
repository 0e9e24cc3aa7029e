//! AWS on the wire, as a server: bytes in, values out, and back.
//!
//! The crate answers four questions about a request that somebody else has read from a socket,
//! and writes the replies:
//!
//! 1. *Who signed it?* — [`sigv4`] reads the claim and verifies it; [`chunked`] does the same for
//!    streamed upload bodies.
//! 2. *Which operation is it?* — [`protocol::identify`] for the control services; [`s3`] turns host
//!    and path into an address and names the S3 operation.
//! 3. *What does it say?* — [`protocol::decode`] yields one [`value::Value`] keyed by the member
//!    names of the AWS API reference, validated against the [`tables`].
//! 4. *How is it answered?* — [`protocol::encode`] and [`protocol::encode_error`].
//!
//! Everything is driven by [`tables`]: facts of the public service models in a compact form.
//! No code here knows a parameter name that a table knows.
//!
//! ```
//! use adit_wire::{Headers, Parts, Service, list, map, protocol};
//!
//! let request = Parts {
//!     method: "POST",
//!     path: "/",
//!     query: "",
//!     headers: Headers(&[]),
//!     body: b"Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1",
//! };
//! let op = protocol::identify(Service::Ec2, &request)?;
//! assert_eq!(op.name(), "DescribeVpcs");
//! assert_eq!(protocol::decode(&op, &request)?, map! { "VpcIds" => list!["vpc-1"] });
//!
//! let output = map! { "Vpcs" => list![map! { "VpcId" => "vpc-1", "NoSuchThing" => None::<bool> }] };
//! let reply = protocol::encode(&op, &output, "request-1");
//! assert!(reply.body.ends_with(
//!     b"<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
//! ));
//! # Ok::<(), adit_wire::WireError>(())
//! ```
//!
//! The crate refuses to know sockets, files, clocks and randomness: time and request ids are
//! arguments. All input is hostile: every decoder is bounded and none panics.

pub mod chunked;
pub mod protocol;
pub mod request;
pub mod s3;
pub mod sigv4;
pub mod tables;
pub mod time;
pub mod value;
pub mod xml;

pub use protocol::{ErrorReply, HttpReply, OperationRef, WireError};
pub use request::{Headers, Parts};
pub use tables::Service;
pub use value::{Map, Value};
