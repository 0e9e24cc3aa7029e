//! What an operation may answer instead of a result.
//!
//! Every variant but the last two is a fixed S3 answer: [`Error::code`] is the S3 code, the fields are
//! the extra elements S3 puts beside it. [`Error::Fault`] is ours and is shown to nobody in detail.

use std::fmt;

use crate::object::{UnixMillis, VersionId};

/// The largest number of bytes of caller's text that an error repeats.
const ECHO: usize = 256;

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bucket incarnation was retired ([`Store::retire_bucket`](crate::Store::retire_bucket)).
    #[error("the bucket `{bucket}` does not exist")]
    NoSuchBucket {
        /// The store's bucket id.
        bucket: String,
    },
    /// A bucket with versions or delete markers in it cannot be retired.
    #[error("the bucket `{bucket}` is not empty")]
    BucketNotEmpty {
        /// The store's bucket id.
        bucket: String,
        /// Whether what is left are only noncurrent versions or delete markers.
        only_versions: bool,
    },
    /// The key has no current object.
    #[error("the key `{key}` does not exist")]
    NoSuchKey {
        /// The key asked for.
        key: String,
        /// Set when the current version is a delete marker: S3 then sends `x-amz-delete-marker: true`
        /// and this as `x-amz-version-id`.
        delete_marker: Option<VersionId>,
    },
    /// The key has no such version.
    #[error("the version `{version_id}` of `{key}` does not exist")]
    NoSuchVersion {
        /// The key asked for.
        key: String,
        /// The version asked for.
        version_id: VersionId,
    },
    /// The upload never existed, was aborted, or was completed.
    #[error("the multipart upload `{upload_id}` does not exist")]
    NoSuchUpload {
        /// The upload id as given.
        upload_id: String,
    },
    /// A part named in a completion is absent or has another entity tag or checksum.
    #[error("part {part_number} of upload `{upload_id}` is absent or differs")]
    InvalidPart {
        /// The upload.
        upload_id: String,
        /// The part.
        part_number: u32,
        /// The entity tag as given.
        etag: String,
    },
    /// The parts of a completion are not in ascending order.
    #[error("the parts of upload `{upload_id}` are not in ascending order")]
    InvalidPartOrder {
        /// The upload.
        upload_id: String,
    },
    /// `partNumber` of a read is beyond the object's parts (416).
    #[error("part {requested} was requested, the object has {actual}")]
    InvalidPartNumber {
        /// `PartNumberRequested`.
        requested: u32,
        /// `ActualPartCount`.
        actual: u32,
    },
    /// A part other than the last is too small.
    #[error("part {part_number} has {proposed_size} bytes, the least is {min_size_allowed}")]
    EntityTooSmall {
        /// The part's entity tag.
        etag: String,
        /// The part.
        part_number: u32,
        /// Its size in bytes.
        proposed_size: u64,
        /// The least size in bytes.
        min_size_allowed: u64,
    },
    /// More bytes than one request or one object may have.
    #[error("{proposed_size} bytes are more than {max_size_allowed}")]
    EntityTooLarge {
        /// Bytes offered (so far).
        proposed_size: u64,
        /// Bytes allowed.
        max_size_allowed: u64,
    },
    /// A condition of the request did not hold (412).
    #[error("the condition `{condition}` did not hold")]
    PreconditionFailed {
        /// Which one.
        condition: Condition,
    },
    /// The object is what the caller already has (304).
    #[error("the object was not modified")]
    NotModified {
        /// For the answer's `ETag`, without quotes.
        etag: String,
        /// For the answer's `Last-Modified`.
        last_modified: UnixMillis,
        /// For the answer's `x-amz-version-id`.
        version_id: Option<VersionId>,
    },
    /// The range begins at or after the end of the object (416).
    #[error("the range `{range_requested}` is outside of {actual_object_size} bytes")]
    InvalidRange {
        /// The range as `bytes=…`.
        range_requested: String,
        /// The object's size in bytes.
        actual_object_size: u64,
    },
    /// The body has another digest than the caller gave.
    #[error("the body's {digest} is `{calculated}`, not `{expected}`")]
    BadDigest {
        /// Which digest.
        digest: DigestName,
        /// What the caller gave, in base64.
        expected: String,
        /// What was calculated, in base64.
        calculated: String,
    },
    /// The body has another SHA-256 than `x-amz-content-sha256` says.
    #[error("the body's SHA-256 is `{computed}`, not `{client}`")]
    ContentSha256Mismatch {
        /// `ClientComputedContentSHA256`, in hex.
        client: String,
        /// `S3ComputedContentSHA256`, in hex.
        computed: String,
    },
    /// The body ended early or went on for too long.
    #[error("the body has {received} bytes, {expected} were announced")]
    IncompleteBody {
        /// Bytes announced.
        expected: u64,
        /// Bytes received.
        received: u64,
    },
    /// A condition held when the request began and another writer overtook it (409).
    #[error("another write to `{key}` overtook this one (`{condition}`)")]
    ConditionalRequestConflict {
        /// Which condition.
        condition: Condition,
        /// The key.
        key: String,
    },
    /// The version asked for is a delete marker (405).
    #[error("the version `{version_id}` of `{key}` is a delete marker")]
    MethodNotAllowed {
        /// The key.
        key: String,
        /// The marker's version id.
        version_id: VersionId,
        /// The marker's time, for `Last-Modified`.
        last_modified: UnixMillis,
    },
    /// The key has more than 1,024 bytes.
    #[error("the key has {size} bytes, the most is {max_size_allowed}")]
    KeyTooLong {
        /// Bytes of the key.
        size: usize,
        /// The most.
        max_size_allowed: usize,
    },
    /// The key climbs above its beginning with `..` segments.
    #[error("the key `{uri}` climbs above its beginning")]
    InvalidUri {
        /// The key.
        uri: String,
    },
    /// One argument has a value that S3 does not take.
    #[error("{message}")]
    InvalidArgument {
        /// `ArgumentName`.
        name: &'static str,
        /// `ArgumentValue`, cut if long.
        value: String,
        /// S3's message.
        message: &'static str,
    },
    /// The request contradicts itself or the state it names.
    #[error("{message}")]
    InvalidRequest {
        /// S3's message.
        message: String,
    },
    /// The object is sealed with another customer key than the one that was brought (403).
    #[error("the object is sealed with another key")]
    WrongKey,
    /// More tags than an object may have.
    #[error("an object can have at most 10 tags")]
    TooManyTags,
    /// A tag is too long, doubled or AWS's own.
    #[error("{message}")]
    InvalidTag {
        /// `TagKey`.
        key: String,
        /// `TagValue`.
        value: String,
        /// S3's message.
        message: &'static str,
    },
    /// User metadata is larger than 2 KB.
    #[error("the user metadata has {size} bytes, the most is {max_size_allowed}")]
    MetadataTooLarge {
        /// Bytes of names and values.
        size: usize,
        /// The most.
        max_size_allowed: usize,
    },
    /// A completion without parts, or one like it.
    #[error("the request is not well-formed: {what}")]
    MalformedXml {
        /// What was wrong.
        what: &'static str,
    },
    /// The version is locked (403).
    #[error("a lock protects `{key}`")]
    ObjectLocked {
        /// The key.
        key: String,
    },
    /// A retention would be over already.
    #[error("the retain until date must be in the future")]
    RetainUntilPast {
        /// As given.
        until: UnixMillis,
    },
    /// The storage class is none that S3 knows.
    #[error("the storage class `{requested}` is not valid")]
    InvalidStorageClass {
        /// As given.
        requested: String,
    },
    /// The disk or the index failed us, or stored bytes are damaged. Log it; answer `InternalError`.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The store is closed or closing. Answer `ServiceUnavailable`.
    #[error("the object store is closed")]
    Closed,
}

impl Error {
    /// The S3 error code of `reference: S3 API, Error responses`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NoSuchBucket { .. } => "NoSuchBucket",
            Error::BucketNotEmpty { .. } => "BucketNotEmpty",
            Error::NoSuchKey { .. } => "NoSuchKey",
            Error::NoSuchVersion { .. } => "NoSuchVersion",
            Error::NoSuchUpload { .. } => "NoSuchUpload",
            Error::InvalidPart { .. } => "InvalidPart",
            Error::InvalidPartOrder { .. } => "InvalidPartOrder",
            Error::InvalidPartNumber { .. } => "InvalidPartNumber",
            Error::EntityTooSmall { .. } => "EntityTooSmall",
            Error::EntityTooLarge { .. } => "EntityTooLarge",
            Error::PreconditionFailed { .. } => "PreconditionFailed",
            Error::NotModified { .. } => "NotModified",
            Error::InvalidRange { .. } => "InvalidRange",
            Error::BadDigest { .. } => "BadDigest",
            Error::ContentSha256Mismatch { .. } => "XAmzContentSHA256Mismatch",
            Error::IncompleteBody { .. } => "IncompleteBody",
            Error::ConditionalRequestConflict { .. } => "ConditionalRequestConflict",
            Error::MethodNotAllowed { .. } => "MethodNotAllowed",
            Error::KeyTooLong { .. } => "KeyTooLongError",
            Error::InvalidUri { .. } => "InvalidURI",
            Error::InvalidArgument { .. } => "InvalidArgument",
            Error::InvalidRequest { .. } => "InvalidRequest",
            Error::InvalidTag { .. } => "InvalidTag",
            Error::TooManyTags => "BadRequest",
            Error::WrongKey => "AccessDenied",
            Error::MetadataTooLarge { .. } => "MetadataTooLarge",
            Error::MalformedXml { .. } => "MalformedXML",
            Error::ObjectLocked { .. } => "AccessDenied",
            Error::RetainUntilPast { .. } => "InvalidArgument",
            Error::InvalidStorageClass { .. } => "InvalidStorageClass",
            Error::Fault(_) => "InternalError",
            Error::Closed => "ServiceUnavailable",
        }
    }

    pub(crate) fn argument(name: &'static str, value: &str, message: &'static str) -> Error {
        Error::InvalidArgument {
            name,
            value: echo(value),
            message,
        }
    }

    pub(crate) fn locked(key: &str) -> Error {
        Error::ObjectLocked {
            key: key.to_owned(),
        }
    }

    pub(crate) fn request(message: impl Into<String>) -> Error {
        Error::InvalidRequest {
            message: message.into(),
        }
    }

    pub(crate) fn no_such_upload(upload_id: &str) -> Error {
        Error::NoSuchUpload {
            upload_id: echo(upload_id),
        }
    }
}

/// A caller's text, cut to a length that is fit to be repeated.
pub(crate) fn echo(text: &str) -> String {
    let mut end = text.len().min(ECHO);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// A header that carries a condition, spelled as S3 spells it in `Condition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the header of its name")]
pub enum Condition {
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
    CopySourceIfMatch,
    CopySourceIfNoneMatch,
    CopySourceIfModifiedSince,
    CopySourceIfUnmodifiedSince,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::IfMatch => "If-Match",
            Condition::IfNoneMatch => "If-None-Match",
            Condition::IfModifiedSince => "If-Modified-Since",
            Condition::IfUnmodifiedSince => "If-Unmodified-Since",
            Condition::CopySourceIfMatch => "x-amz-copy-source-If-Match",
            Condition::CopySourceIfNoneMatch => "x-amz-copy-source-If-None-Match",
            Condition::CopySourceIfModifiedSince => "x-amz-copy-source-If-Modified-Since",
            Condition::CopySourceIfUnmodifiedSince => "x-amz-copy-source-If-Unmodified-Since",
        })
    }
}

/// The digest a [`Error::BadDigest`] is about; prints as S3's messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestName {
    /// `Content-MD5`.
    ContentMd5,
    /// `x-amz-checksum-…`.
    Checksum(crate::ChecksumAlgorithm),
}

impl fmt::Display for DigestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DigestName::ContentMd5 => f.write_str("Content-MD5"),
            DigestName::Checksum(algorithm) => f.write_str(algorithm.name()),
        }
    }
}

/// A failure of the disk, of the index, or of stored bytes.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} `{subject}`")]
pub struct Fault {
    doing: &'static str,
    subject: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Fault {
    pub(crate) fn new(
        doing: &'static str,
        subject: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Fault {
        Fault {
            doing,
            subject: subject.into(),
            source: source.into(),
        }
    }
}

/// Adds what was being done to a foreign error.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, subject: impl AsRef<std::path::Path>) -> Result<T, Error>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, subject: impl AsRef<std::path::Path>) -> Result<T, Error> {
        self.map_err(|source| {
            Error::Fault(Fault::new(
                doing,
                subject.as_ref().display().to_string(),
                source,
            ))
        })
    }
}
