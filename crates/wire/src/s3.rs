//! S3 addressing and recognition: what a host and path mean, and which operation is asked.
//!
//! [`address`] reads host and path, [`recognise`] names the operation, [`decode`] reads its input.
//! Keys are decoded once and never normalised: `a//b` and `a/./b` are keys like any other.

use std::borrow::Cow;

use crate::protocol::rest::Label;
use crate::protocol::{self, ErrorReply, OperationRef, WireError};
use crate::request::Parts;
use crate::tables::Service;
use crate::value::Value;

pub mod acl;
mod form;
mod host;
mod recognise;

pub use form::{FileFacts, FormBodyError, FormReader, FormStep};
pub use host::{address, address_in_path};
pub use recognise::{explains, recognise};

/// The names under which S3 is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The domain of all AWS-like names, `amazonaws.com`.
    pub domain: String,
    /// Further hosts that are the S3 service itself (`localhost`, an address), lower case, without
    /// a port: path-style, and virtual-hosted below them when they are names. There,
    /// `/v20180820/…` is S3 Control: a bucket of that name cannot be reached path-style.
    pub hosts: Vec<String>,
}

impl Names {
    /// The names below `domain`, and nothing else.
    pub fn new(domain: impl Into<String>) -> Names {
        Names {
            domain: domain.into(),
            hosts: Vec::new(),
        }
    }
}

/// Which family of names a host belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// `[part.]vpce-….s3.<region>.vpce.<domain>`.
    Endpoint {
        /// The label that names endpoint and, in zonal names, zone: `vpce-1a2b3c4d-5e6f` or
        /// `vpce-1a2b3c4d-5e6f-us-east-1a`.
        label: String,
    },
    /// `s3.<region>.<domain>`, `s3-accesspoint.<region>…`, `s3-control.<region>…`.
    Regional,
    /// The same with `dualstack`.
    DualStack,
    /// `s3.<domain>` without a Region; means us-east-1.
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
    /// By its name. Below `bucket.vpce-…` and `s3.<region>` a name like `<ap>-<12 digits>` may also
    /// mean an access point where no such bucket exists: see [`access_point`].
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

impl Bucket {
    /// The text that named it.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Bucket::Name(name) | Bucket::Alias(name) => Cow::Borrowed(name),
            Bucket::AccessPoint { name, account } => Cow::Owned(format!("{name}-{account}")),
        }
    }
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

impl Address {
    /// The bucket, where one is addressed.
    pub fn bucket(&self) -> Option<&Bucket> {
        match &self.target {
            Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
            Target::Service | Target::Control(_) => None,
        }
    }

    /// The key, where an object is addressed.
    pub fn key(&self) -> Option<&str> {
        match &self.target {
            Target::Object(_, key) => Some(key),
            _ => None,
        }
    }

    /// The resource as a version 2 signature names it: `/bucket/key`, with the path as sent.
    pub fn v2_resource(&self, path: &str) -> String {
        match (self.style, self.bucket()) {
            (Style::Host, Some(bucket)) => format!("/{}{path}", bucket.text()),
            _ => path.to_owned(),
        }
    }
}

/// Splits `<access point>-<12 digits>` at the last hyphen.
pub fn access_point(label: &str) -> Option<(&str, &str)> {
    let (name, account) = label.rsplit_once('-')?;
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty()).then_some((name, account))
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
    /// A malformed escape, no UTF-8, no bucket, or more `..` than there are segments to leave.
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
        match self {
            AddressError::UnknownHost { host } => {
                ErrorReply::new("InvalidHostHeader", 400, "The host header is not valid.")
                    .with("Host", host)
            }
            AddressError::BadPath { path } => {
                ErrorReply::new("InvalidURI", 400, "Couldn't parse the specified URI.")
                    .with("URI", path)
            }
            AddressError::KeyTooLong { bytes } => {
                ErrorReply::new("KeyTooLongError", 400, "Your key is too long")
                    .with("Size", bytes.to_string())
                    .with("MaxSizeAllowed", host::MOST_KEY_BYTES.to_string())
            }
        }
    }
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

/// The headers that a presigned URL carries in its query: signers may move `x-amz-` headers there,
/// and S3 takes them as if they were headers. Names in lower case, values decoded; without the
/// parameters of the signature itself, and without those that `parts` has as headers.
///
/// [`recognise`] and [`decode`] heed them; whoever reads such a header by itself (for a condition
/// key, or to send it on) must too. A query that cannot be decoded yields nothing here: `recognise`
/// refuses it.
pub fn hoisted(parts: &Parts<'_>) -> Vec<(String, String)> {
    const FAMILY: &str = "x-amz-";
    const SIGNATURE: [&str; 8] = [
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    ];
    let in_family = |name: &str| {
        let front = name.as_bytes().get(..FAMILY.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(FAMILY.as_bytes()))
    };
    let signs = |name: &str| SIGNATURE.iter().any(|own| name.eq_ignore_ascii_case(own));
    // Nearly all queries hold none. An escaped name could be anything.
    let escaped = |name: &str| memchr::memchr2(b'%', b'+', name.as_bytes()).is_some();
    let may_be = |name: &str| escaped(name) || (in_family(name) && !signs(name));
    if !protocol::text::raw_pairs(parts.query).any(|(name, _)| may_be(name)) {
        return Vec::new();
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in protocol::text::pairs(parts.query, 1000).unwrap_or_default() {
        let name = name.to_ascii_lowercase();
        let given = parts.headers.has(&name) || found.iter().any(|(known, _)| *known == name);
        if in_family(&name) && !signs(&name) && !given {
            found.push((name, value.into_owned()));
        }
    }
    found
}

/// Runs `work` on `parts` with the headers of its query put among the others.
fn with_hoisted<T>(parts: &Parts<'_>, work: impl FnOnce(&Parts<'_>) -> T) -> T {
    let hoisted = hoisted(parts);
    if hoisted.is_empty() {
        return work(parts);
    }
    let mut headers = parts.headers.0.to_vec();
    headers.extend(
        hoisted
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    work(&Parts {
        headers: crate::Headers(&headers),
        ..*parts
    })
}

/// Reads the input of an S3 or S3 Control operation. `Bucket` and `Key` come from `address` (an
/// access point shows as its host label or alias); S3 Control's `AccountId` comes from the host
/// when the header is absent, and must agree with it when both are there. `parts.body` may be
/// empty where the body streams.
///
/// # Errors
/// As [`crate::protocol::decode`].
pub fn decode(op: &OperationRef, address: &Address, parts: &Parts<'_>) -> Result<Value, WireError> {
    if let Target::Control(account) = &address.target {
        return control(op, account.as_deref(), parts);
    }
    let (Some(table), Some(row)) = (Service::S3.table(), op.table()) else {
        return Err(WireError::NoSuchOperation {
            name: op.name().to_owned(),
        });
    };
    let mut labels: Vec<Label<'_>> = Vec::with_capacity(2);
    if let Some(bucket) = address.bucket() {
        labels.push(("Bucket", bucket.text()));
    }
    if let Some(key) = address.key() {
        labels.push(("Key", Cow::Borrowed(key)));
    }
    with_hoisted(parts, |parts| {
        protocol::rest::decode(table, row, &labels, parts)
    })
}

fn control(
    op: &OperationRef,
    account: Option<&str>,
    parts: &Parts<'_>,
) -> Result<Value, WireError> {
    const HEADER: &str = "x-amz-account-id";
    let Some(account) = account else {
        return protocol::decode(op, parts);
    };
    match parts.headers.get(HEADER) {
        Some(given) if given == account => protocol::decode(op, parts),
        Some(given) => Err(WireError::InvalidValue {
            parameter: HEADER.to_owned(),
            value: protocol::text::shortened(given),
            expected: "Member must be the account of the host name".to_owned(),
        }),
        None => {
            let mut headers = parts.headers.0.to_vec();
            headers.push((HEADER, account.as_bytes()));
            protocol::decode(
                op,
                &Parts {
                    headers: crate::Headers(&headers),
                    ..*parts
                },
            )
        }
    }
}

/// Decodes a path-style request, for callers without an address.
pub(crate) fn decode_path(op: &OperationRef, parts: &Parts<'_>) -> Result<Value, WireError> {
    let labels = recognise_path(parts)?.1;
    let (Some(table), Some(row)) = (Service::S3.table(), op.table()) else {
        return Err(WireError::NoSuchOperation {
            name: op.name().to_owned(),
        });
    };
    with_hoisted(parts, |parts| {
        protocol::rest::decode(table, row, &labels, parts)
    })
}

/// Recognises a request as path-style by its path alone, for callers without an address.
pub(crate) fn recognise_path<'a>(
    parts: &Parts<'a>,
) -> Result<(OperationRef, Vec<Label<'a>>), WireError> {
    let bad = |_| WireError::Malformed {
        reason: "the path cannot be decoded".to_owned(),
    };
    let (bucket, key) = host::split(parts.path).map_err(bad)?;
    let kind = match (&bucket, &key) {
        (None, _) => recognise::Place::Service,
        (Some(_), None) => recognise::Place::Bucket,
        (Some(_), Some(_)) => recognise::Place::Object,
    };
    let op = with_hoisted(parts, |parts| recognise::operation(kind, parts))?;
    let labels = [("Bucket", bucket), ("Key", key)];
    Ok((
        op,
        labels
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .collect(),
    ))
}
