//! Signatures: who signed a request, and whether it is true. Also signing, for our own clients and
//! for upstreams.
//!
//! [`claim`] reads what a request says about itself, so that the caller can look the key up;
//! [`verify`] checks it. Neither knows where keys come from, what time it is, or what the caller
//! may do.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::ErrorReply;
use crate::tables::Service;

mod canonical;
mod claim;
mod errors;
mod form;
mod keys;
mod sign;
mod v2;
mod verify;

pub use claim::{claim, without_signature};
pub use form::{FormError, Policy, form_claim, verify_form};
pub use keys::KeyCache;
pub use sign::{Sign, Signer};
pub use v2::{v2_signs, verify_v2};
pub use verify::{check_scope, said_unsigned, verify};

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

    /// True when both are the same, without telling where they differ.
    pub fn matches(&self, other: &str) -> bool {
        same(self.0.as_bytes(), other.as_bytes())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

/// Compares without telling where; only the length shows.
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
    // Keeps the compiler from leaving the loop early.
    std::hint::black_box(difference) == 0
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
    pub(crate) session_token: Option<Token<'a>>,
    /// Key id and scope as sent, which is what signing keys are kept under.
    pub(crate) credential: Cow<'a, str>,
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
    pub(crate) session_token: Option<Token<'a>>,
}

/// A session token as sent; cannot be printed.
#[derive(Clone)]
pub(crate) struct Token<'a>(pub(crate) Cow<'a, str>);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The key that belongs to the claimed access key id.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// Access key id.
    pub access_key_id: &'a str,
    /// Secret access key.
    pub secret: &'a Secret,
    /// For temporary credentials: the token that must come with them. A request with a long-term
    /// key that carries a token is refused, and so is a temporary one without or with another.
    pub session_token: Option<&'a str>,
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
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

/// A signature that holds: what follows from it. Who signed, and for which Region, the claim says,
/// which is true now.
#[derive(Debug, Clone)]
pub struct Verified {
    /// How it travelled.
    pub carrier: Carrier,
    /// `AWS4-HMAC-SHA256` or `AWS`, S3's `s3:signatureversion`.
    pub version: &'static str,
    /// Milliseconds since it was signed, S3's `s3:signatureAge`; 0 for version 2.
    pub age: i64,
    /// What it says about the body.
    pub payload: Payload,
    /// What a chunked body needs to be verified, for the chunked payloads.
    pub chain: Option<crate::chunked::Chain>,
}

/// Why a signature does not hold. Each variant holds what the services' error forms tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No signature where one is needed. Not raised here: anonymous is a claim.
    #[error("the request is not signed")]
    Missing,
    /// No such access key. Not raised here: the caller looks keys up.
    #[error("no access key `{access_key_id}`")]
    UnknownKey {
        /// As claimed.
        access_key_id: String,
    },
    /// Temporary credentials past their end. Not raised here either.
    #[error("the session of `{access_key_id}` has expired")]
    ExpiredToken {
        /// As claimed.
        access_key_id: String,
        /// The token as sent.
        token: Secret,
    },
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
        token: Secret,
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

impl Claim<'_> {
    /// The access key id, if any is claimed.
    pub fn access_key_id(&self) -> Option<&str> {
        match self {
            Claim::Anonymous => None,
            Claim::V4(v4) => Some(&v4.access_key_id),
            Claim::V2(v2) => Some(&v2.access_key_id),
        }
    }

    /// The session token, if one is sent.
    pub fn session_token(&self) -> Option<&str> {
        match self {
            Claim::Anonymous => None,
            Claim::V4(v4) => v4.session_token.as_ref().map(|token| token.0.as_ref()),
            Claim::V2(v2) => v2.session_token.as_ref().map(|token| token.0.as_ref()),
        }
    }
}

impl Key<'_> {
    /// Holds the token of a request against the key's own.
    fn check_token(&self, token: Option<&Token<'_>>) -> Result<(), AuthError> {
        let token = token.map(|token| token.0.as_ref());
        let fine = match (self.session_token, token) {
            (None, None) => true,
            (Some(own), Some(sent)) => same(own.as_bytes(), sent.as_bytes()),
            _ => false,
        };
        if fine {
            return Ok(());
        }
        Err(AuthError::InvalidToken {
            access_key_id: self.access_key_id.to_owned(),
            token: Secret::new(token.unwrap_or_default()),
        })
    }
}

impl AuthError {
    /// The error in the code, status and wording of `service`.
    pub fn reply(&self, service: Service) -> ErrorReply {
        errors::reply(self, service)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.access_key_id)
    }
}
