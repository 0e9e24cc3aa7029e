//! Signatures: who signed a request, and whether it is true. Also signing, for our own clients and
//! for upstreams.
//!
//! [`claim`] reads what a request says about itself, so that the caller can look the key up;
//! [`verify`] checks it. Neither knows where keys come from, what time it is, or what the caller
//! may do.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::ErrorReply;
use crate::request::Parts;
use crate::tables::Service;

/// A secret: cannot be printed, and is compared without leaking where it differs.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<Box<str>>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself. Only for deriving keys and for sealing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a request claims about its signer.
#[derive(Debug, Clone)]
pub enum Claim<'a> {
    /// Nothing: an anonymous request.
    Anonymous,
    /// Signature version 4.
    V4(V4<'a>),
    /// Signature version 2, header or presigned query.
    V2(V2<'a>),
}

/// How the signature travels; S3's `s3:authType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization` header: `REST-HEADER`.
    Header,
    /// Presigned URL: `REST-QUERY-STRING`.
    Query,
    /// Browser form: `POST`.
    Form,
}

/// A claim of signature version 4.
#[derive(Debug, Clone)]
pub struct V4<'a> {
    /// Header, query or form.
    pub carrier: Carrier,
    /// Access key id.
    pub access_key_id: Cow<'a, str>,
    /// Scope date, `20130524`.
    pub date: Cow<'a, str>,
    /// Scope region.
    pub region: Cow<'a, str>,
    /// Scope service.
    pub service: Cow<'a, str>,
    /// Signed header names, lower case, `;` between.
    pub signed_headers: Cow<'a, str>,
    /// The signature, hex.
    pub signature: Cow<'a, str>,
    /// When it was signed, in the basic ISO form that goes into the string to sign.
    pub amz_date: Cow<'a, str>,
    /// The same in milliseconds since the epoch.
    pub signed_at: i64,
    /// Seconds of validity of a presigned URL.
    pub expires: Option<u32>,
    /// Session token.
    pub session_token: Option<Cow<'a, str>>,
}

/// A claim of signature version 2.
#[derive(Debug, Clone)]
pub struct V2<'a> {
    /// Header or query.
    pub carrier: Carrier,
    /// Access key id.
    pub access_key_id: Cow<'a, str>,
    /// The signature, base64.
    pub signature: Cow<'a, str>,
    /// Seconds since the epoch after which a presigned URL is dead.
    pub expires: Option<i64>,
    /// Session token.
    pub session_token: Option<Cow<'a, str>>,
}

/// The key that belongs to the claimed access key id.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Access key id.
    pub access_key_id: &'a str,
    /// Secret access key.
    pub secret: &'a Secret,
    /// For temporary credentials: the token that must come with them. A request with a long-term
    /// key that carries a token is refused, and so is a temporary one without or with another.
    pub session_token: Option<&'a str>,
}

/// What the server expects of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The service that was addressed.
    pub service: Service,
    /// The Region that was addressed; `None` accepts any (the caller checks it then).
    pub region: Option<&'a str>,
    /// Now, milliseconds since the epoch.
    pub now: i64,
    /// Whether `parts.body` is the whole body, or streams past.
    pub body: Body,
}

/// Where the body is while a signature is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// `parts.body` is all of it: its hash is checked here.
    Whole,
    /// It streams: the caller checks it against [`Verified::payload`].
    Streamed,
}

/// What the signature says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Not bound.
    Unsigned,
    /// Must have this SHA-256.
    Sha256([u8; 32]),
    /// Signed chunks.
    Chunks,
    /// Signed chunks and a signed trailer.
    ChunksWithTrailer,
    /// Unsigned chunks with a trailer.
    UnsignedWithTrailer,
}

/// A signature that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Access key id.
    pub access_key_id: String,
    /// How it travelled.
    pub carrier: Carrier,
    /// `AWS4-HMAC-SHA256` or `AWS`, S3's `s3:signatureversion`.
    pub version: &'static str,
    /// Milliseconds since it was signed, S3's `s3:signatureAge`; 0 for version 2.
    pub age: i64,
    /// What it says about the body.
    pub payload: Payload,
    /// The value of `x-amz-content-sha256` as sent, S3's key of that name.
    pub content_sha256: Option<String>,
    /// Scope Region; empty for version 2.
    pub region: String,
    /// What a chunked body needs to be verified, for the chunked payloads.
    pub chain: Option<crate::chunked::Chain>,
}

/// Signing keys already derived, shared by all threads; bounded.
#[derive(Debug, Default)]
pub struct KeyCache {
    _private: (),
}

/// Why a signature does not hold. Each variant holds what the services' error forms tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Header and query both carry a signature.
    #[error("more than one authentication mechanism")]
    TwoMechanisms,
    /// The Authorization header cannot be read.
    #[error("the authorization header is malformed: {reason}")]
    MalformedHeader {
        /// What is wrong.
        reason: String,
    },
    /// The query parameters of a presigned URL are incomplete or malformed.
    #[error("the query signature is malformed: {reason}")]
    MalformedQuery {
        /// AWS's text.
        reason: String,
    },
    /// Neither `x-amz-date` nor `date`, or unreadable.
    #[error("no usable date")]
    MissingDate,
    /// Signed with a mechanism that is not served here.
    #[error("authentication mechanism `{mechanism}` is not supported")]
    UnsupportedMechanism {
        /// Its name.
        mechanism: String,
    },
    /// Scope of another Region.
    #[error("signed for region `{got}`, not `{expected}`")]
    WrongRegion {
        /// Region of the scope.
        got: String,
        /// Region that was addressed.
        expected: String,
        /// Header or query.
        carrier: Carrier,
    },
    /// Scope of another service.
    #[error("signed for service `{got}`, not `{expected}`")]
    WrongService {
        /// Service of the scope.
        got: String,
        /// Service that was addressed.
        expected: String,
        /// Header or query.
        carrier: Carrier,
    },
    /// Scope date and request date differ.
    #[error("scope date `{scope}` is not the date of `{date}`")]
    WrongDate {
        /// Date of the scope.
        scope: String,
        /// Date of the request.
        date: String,
        /// Header or query.
        carrier: Carrier,
    },
    /// More than 15 minutes off.
    #[error("the request is from {request}, it is {now}")]
    Skewed {
        /// Milliseconds since the epoch.
        request: i64,
        /// Milliseconds since the epoch.
        now: i64,
    },
    /// A presigned URL or form past its end.
    #[error("the request expired at {expires}, it is {now}")]
    Expired {
        /// `X-Amz-Expires`, for version 4.
        validity: Option<u32>,
        /// Milliseconds since the epoch.
        expires: i64,
        /// Milliseconds since the epoch.
        now: i64,
    },
    /// Headers that must be signed are not.
    #[error("headers not signed: {headers}")]
    HeadersNotSigned {
        /// Their names, `, ` between.
        headers: String,
    },
    /// `x-amz-content-sha256` is absent where S3 needs it.
    #[error("header `{name}` is missing")]
    MissingHeader {
        /// Its name.
        name: &'static str,
    },
    /// `x-amz-content-sha256` is no hash and no known word.
    #[error("`{value}` is no payload hash")]
    BadPayloadHash {
        /// As sent.
        value: String,
    },
    /// The body does not have the promised hash.
    #[error("the body's hash differs from x-amz-content-sha256")]
    PayloadMismatch {
        /// As promised, hex.
        client: String,
        /// As computed, hex.
        computed: String,
    },
    /// The key belongs to other credentials: no key, or the wrong session token.
    #[error("the security token of `{access_key_id}` is missing or wrong")]
    InvalidToken {
        /// Access key id.
        access_key_id: String,
        /// The token as sent; empty when absent.
        token: String,
    },
    /// The signature differs.
    #[error("the signature of `{0}` does not match")]
    Mismatch(Box<Mismatch>),
}

/// What a service tells about a signature that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Access key id.
    pub access_key_id: String,
    /// As sent.
    pub signature: String,
    /// As we built it.
    pub string_to_sign: String,
    /// As we built it; empty for version 2.
    pub canonical_request: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.access_key_id)
    }
}

/// Reads who claims to have signed `parts`.
///
/// # Errors
/// When a signature is there but cannot be read, or more than one is.
pub fn claim<'a>(parts: &Parts<'a>) -> Result<Claim<'a>, AuthError> {
    let _ = parts;
    Err(AuthError::UnsupportedMechanism {
        mechanism: String::new(),
    })
}

/// Verifies a version 4 claim of `parts` with the key that belongs to its access key id.
///
/// # Errors
/// Every other [`AuthError`].
pub fn verify(
    claim: &V4<'_>,
    parts: &Parts<'_>,
    key: &Key<'_>,
    expect: &Expect<'_>,
    cache: &KeyCache,
) -> Result<Verified, AuthError> {
    let _ = (claim, parts, key, expect, cache);
    Err(AuthError::UnsupportedMechanism {
        mechanism: String::new(),
    })
}

/// Verifies a version 2 claim; `resource` is `/bucket/key` as the signer meant it (the bucket put
/// in front for virtual-hosted requests, percent-encoded as sent).
///
/// # Errors
/// Every other [`AuthError`].
pub fn verify_v2(
    claim: &V2<'_>,
    parts: &Parts<'_>,
    resource: &str,
    key: &Key<'_>,
    now: i64,
) -> Result<Verified, AuthError> {
    let _ = (claim, parts, resource, key, now);
    Err(AuthError::UnsupportedMechanism {
        mechanism: String::new(),
    })
}

impl AuthError {
    /// The error in the code, status and wording of `service`.
    pub fn reply(&self, service: Service) -> ErrorReply {
        let _ = service;
        ErrorReply::new("AccessDenied", 403, "Access Denied")
    }
}

/// Signs for a client of ours.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The key; its session token is sent along.
    pub key: Key<'a>,
    /// Scope Region.
    pub region: &'a str,
    /// Scope service and its rules.
    pub service: Service,
    /// Now, milliseconds since the epoch.
    pub now: i64,
}

/// What a signer says about the body.
#[derive(Debug, Clone, Copy)]
pub enum Sign<'a> {
    /// The hash of these bytes.
    Bytes(&'a [u8]),
    /// A hash known already, hex.
    Sha256(&'a str),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`; the caller sends the trailer.
    UnsignedWithTrailer,
}

impl Signer<'_> {
    /// The header fields to add to a request: `x-amz-date`, `x-amz-content-sha256`,
    /// `x-amz-security-token` and `authorization`. All headers of `parts` are signed, which must
    /// include `host` and must not include any that a hop may change.
    pub fn sign(&self, parts: &Parts<'_>, body: Sign<'_>) -> Vec<(&'static str, String)> {
        let _ = (parts, body);
        Vec::new()
    }

    /// The query of a presigned URL for `parts`, valid for `expires` seconds.
    pub fn presign(&self, parts: &Parts<'_>, expires: u32) -> String {
        let _ = (parts, expires);
        String::new()
    }
}
