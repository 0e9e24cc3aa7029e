//! S3 addressing and recognition: what a host and path mean, and which operation is asked.

use crate::protocol::{ErrorReply, OperationRef, WireError};
use crate::request::Parts;
use crate::value::Value;

/// The names under which S3 is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The domain of all AWS-like names, `amazonaws.com`.
    pub domain: String,
    /// Further hosts that are the S3 service itself (`localhost`, an address): path-style, and
    /// virtual-hosted below them when they are names.
    pub hosts: Vec<String>,
}

/// Which family of names a host belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// `[part.]vpce-….s3.<region>.vpce.<domain>`.
    Endpoint {
        /// The endpoint's own label without a zone suffix is unknown to addressing; this is the
        /// whole label, `vpce-1a2b3c4d-5e6f` or `vpce-1a2b3c4d-5e6f-us-east-1a`.
        label: String,
    },
    /// `s3.<region>.<domain>`, `s3-accesspoint.<region>…`, `s3-control.<region>…`.
    Regional,
    /// The same with `dualstack`.
    DualStack,
    /// `s3.<domain>` without a Region.
    LegacyGlobal,
    /// `s3-<region>.<domain>`.
    DashRegion,
    /// Any name with `fips`.
    Fips,
    /// `s3-website-<region>` or `s3-website.<region>`.
    Website,
    /// One of [`Names::hosts`].
    Custom,
}

/// A bucket as addressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// By its name.
    Name(String),
    /// Through an access point, `<name>-<account>` in the host.
    AccessPoint {
        /// Access point name.
        name: String,
        /// 12 digits.
        account: String,
    },
    /// Through an access point alias, `…-s3alias`.
    Alias(String),
}

/// What is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The service: ListBuckets.
    Service,
    /// A bucket.
    Bucket(Bucket),
    /// An object; the key is decoded and otherwise as sent.
    Object(Bucket, String),
    /// S3 Control, with the account of the host if it has one.
    Control(Option<String>),
}

/// How the bucket was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In the path.
    Path,
    /// In the host.
    Host,
}

/// A request's host and path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Family of the host name.
    pub family: Family,
    /// Region in the host name, where it has one.
    pub region: Option<String>,
    /// How the bucket was named.
    pub style: Style,
    /// What is addressed.
    pub target: Target,
}

/// Why host and path mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No name of ours.
    #[error("host `{host}` is not served here")]
    UnknownHost {
        /// As sent, shortened.
        host: String,
    },
    /// A malformed escape, or no UTF-8.
    #[error("path `{path}` cannot be decoded")]
    BadPath {
        /// As sent, shortened.
        path: String,
    },
    /// A key of more than 1024 bytes.
    #[error("the key has {bytes} bytes")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
}

impl AddressError {
    /// The error as S3 tells it.
    pub fn reply(&self) -> ErrorReply {
        ErrorReply::new("InvalidURI", 400, "Couldn't parse the specified URI.")
    }
}

/// Understands host and path.
///
/// # Errors
/// [`AddressError`].
pub fn address(names: &Names, host: &str, path: &str) -> Result<Address, AddressError> {
    let _ = (names, path);
    Err(AddressError::UnknownHost {
        host: host.to_owned(),
    })
}

/// A recognised S3 request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// An operation of S3 or S3 Control.
    Operation(OperationRef),
    /// A browser form upload; not in the model.
    PostObject,
    /// A CORS preflight; unauthenticated, no action.
    Preflight,
}

/// Names the operation of a request to `address`.
///
/// # Errors
/// [`WireError::NotImplemented`] for a sub-resource or method without an operation.
pub fn recognise(address: &Address, parts: &Parts<'_>) -> Result<Recognised, WireError> {
    let _ = address;
    Err(WireError::NotImplemented {
        method: parts.method.to_owned(),
        resource: parts.path.to_owned(),
    })
}

/// Reads the input of an S3 operation; `Bucket` and `Key` come from `address` (an access point
/// shows as its host label or alias). `parts.body` may be empty where the body streams.
///
/// # Errors
/// As [`crate::protocol::decode`].
pub fn decode(op: &OperationRef, address: &Address, parts: &Parts<'_>) -> Result<Value, WireError> {
    let _ = (op, address, parts);
    Err(WireError::Malformed {
        reason: "no decoder yet".to_owned(),
    })
}
