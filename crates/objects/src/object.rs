//! The words of the store's interface: buckets as it sees them, what a caller attaches to an object,
//! what an object is known by, and the conditions of requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::checksum::{ChecksumAlgorithm, ObjectChecksum};
use crate::customer::{CustomerKey, Encryption};
use crate::lock::{Lock, ObjectLock};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds, as HTTP dates have them.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// A bucket's versioning state, which the bucket's settings hold and every call repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versioning {
    /// Never switched on: a key has one object, without a version id.
    #[default]
    Unversioned,
    /// Every write makes a version.
    Enabled,
    /// Writes replace the `null` version; other versions stay.
    Suspended,
}

/// One incarnation of a bucket: an opaque id, never reused, and the settings that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The incarnation's id (not the bucket's name: a name can be deleted and taken again).
    pub id: Arc<str>,
    /// The versioning state at the time of the call.
    pub versioning: Versioning,
    /// Object Lock, where the bucket has it. What is locked stays locked whatever this says.
    pub lock: Option<ObjectLock>,
}

impl Bucket {
    /// The bucket with that id, unversioned.
    pub fn new(id: impl Into<Arc<str>>) -> Bucket {
        Bucket {
            id: id.into(),
            versioning: Versioning::Unversioned,
            lock: None,
        }
    }

    /// The same bucket with another versioning state.
    pub fn versioned(self, versioning: Versioning) -> Bucket {
        Bucket { versioning, ..self }
    }

    /// The same bucket with Object Lock, or without.
    pub fn locked(self, lock: Option<ObjectLock>) -> Bucket {
        Bucket { lock, ..self }
    }
}

/// A version id as clients see it: opaque text, or `null`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(Box<str>);

impl VersionId {
    /// The id of a version written while versioning was off or suspended.
    pub const NULL: &'static str = "null";

    /// The version a client names; whether it exists shows when it is used.
    pub fn new(text: impl Into<Box<str>>) -> VersionId {
        VersionId(text.into())
    }

    /// The `null` version.
    pub fn null() -> VersionId {
        VersionId(VersionId::NULL.into())
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == VersionId::NULL
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The headers S3 keeps with an object and gives back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each is the header of its name, verbatim")]
pub struct Headers {
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
}

/// Object tags in the order given. At most 10, keys unique and at most 128 characters, values at most
/// 256 (checked by the store).
pub type Tags = Vec<(String, String)>;

/// The storage class written when the client names none.
pub const STANDARD: &str = "STANDARD";

/// What a caller attaches to an object, whichever way it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// System headers.
    pub headers: Headers,
    /// `x-amz-meta-*` without the prefix, names in lower case. At most 2,048 bytes in all.
    pub user: BTreeMap<String, String>,
    /// Object tags.
    pub tags: Tags,
    /// Storage class; kept and shown, every class is stored alike.
    pub storage_class: String,
    /// The object's ACL in the caller's own form; none = only the owner.
    pub acl: Option<Vec<u8>>,
    /// The owner (canonical id), for listings; opaque here.
    pub owner: Option<String>,
    /// How the bytes are sealed. A write that brings a key ([`BodyOptions::customer`]) is sealed with that.
    pub encryption: Encryption,
    /// Retention and legal hold. Without a retention the version gets the bucket's default.
    pub lock: Lock,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes {
            headers: Headers::default(),
            user: BTreeMap::new(),
            tags: Vec::new(),
            storage_class: STANDARD.to_owned(),
            acl: None,
            owner: None,
            encryption: Encryption::None,
            lock: Lock::default(),
        }
    }
}

/// What `If-Match` and `If-None-Match` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagMatch {
    /// `*`: any object.
    Any,
    /// One of these entity tags, without quotes.
    Tags(Vec<String>),
}

impl EtagMatch {
    /// Reads a header's value: `*`, or entity tags with or without quotes, split by commas. A weak mark
    /// (`W/`) is dropped: S3's entity tags are strong and are compared as text.
    pub fn parse(value: &str) -> EtagMatch {
        if value.trim() == "*" {
            return EtagMatch::Any;
        }
        let bare = |tag: &str| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag.trim_matches('"').to_owned()
        };
        EtagMatch::Tags(
            value
                .split(',')
                .map(bare)
                .filter(|tag| !tag.is_empty())
                .collect(),
        )
    }

    /// Whether an object with this entity tag (without quotes) is meant.
    pub fn matches(&self, etag: &str) -> bool {
        match self {
            EtagMatch::Any => true,
            EtagMatch::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// Conditions of a read or of a copy's source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the header of its name")]
pub struct ReadConditions {
    pub if_match: Option<EtagMatch>,
    pub if_none_match: Option<EtagMatch>,
    pub if_modified_since: Option<UnixMillis>,
    pub if_unmodified_since: Option<UnixMillis>,
}

/// Conditions of a write or of a delete, asked of the key's current object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the header of its name")]
pub struct WriteConditions {
    pub if_match: Option<EtagMatch>,
    pub if_none_match: Option<EtagMatch>,
}

impl WriteConditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

/// What is known of one object version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Entity tag without quotes: 32 hex digits, or with `-N` for a multipart object.
    pub etag: String,
    /// When it was written.
    pub last_modified: UnixMillis,
    /// The stored checksum.
    pub checksum: ObjectChecksum,
    /// Number of parts of an object made by a multipart upload (`x-amz-mp-parts-count`).
    pub parts: Option<u32>,
    /// What the caller attached.
    pub attributes: Attributes,
}

/// The largest body that gets its MD5 as its entity tag where that is not asked for ([`EtagKind::Auto`]).
/// Clients that compare tags send larger bodies in parts (the AWS CLI, SDKs' managers, Terraform and s3cmd
/// from 5 to 16 MiB on), or with `Content-MD5` (rclone).
pub const MD5_TAG_MAX: u64 = 16 << 20;

/// How an entity tag is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EtagKind {
    /// The body's MD5, as S3 does for plain and SSE-S3 objects; clients such as rclone compare it.
    #[default]
    Md5,
    /// [`EtagKind::Md5`] of a body of at most [`MD5_TAG_MAX`] bytes and of every part, [`EtagKind::Opaque`]
    /// of a larger one.
    Auto,
    /// Random digits followed by `-1`, which clients know not to be an MD5 (a multipart object of one part
    /// looks the same). Saves the cost of MD5, by far the slowest thing done to a body; right where the
    /// client gave a checksum of its own. A part's is 32 random digits.
    Opaque,
}

/// How `begin_put` and `begin_part` treat the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyOptions {
    /// The algorithm whose value is stored and returned; none = CRC64NVME (or the upload's own).
    pub checksum: Option<ChecksumAlgorithm>,
    /// Compute the SHA-256 too, to be compared in [`BodyChecks::payload_sha256`].
    pub payload_sha256: bool,
    /// How the entity tag is made.
    pub etag: EtagKind,
    /// `Content-Length` of the decoded body, when known: too large a body is refused at once.
    pub length: Option<u64>,
    /// SSE-C: the key to seal the body with. Then neither an MD5 nor any other digest of the plain bytes is
    /// kept beside the checksum, and the entity tag is 32 random digits whatever `etag` says.
    pub customer: Option<CustomerKey>,
}

/// What the body must turn out to be; known at the latest when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyChecks {
    /// Its length in bytes.
    pub length: Option<u64>,
    /// `Content-MD5`; needs [`EtagKind::Md5`], which alone computes the MD5 of every body.
    pub md5: Option<[u8; 16]>,
    /// `x-amz-checksum-…` from a header or trailer.
    pub checksum: Option<crate::checksum::Checksum>,
    /// `x-amz-content-sha256`; needs [`BodyOptions::payload_sha256`].
    pub payload_sha256: Option<[u8; 32]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_compare_with_and_without_quotes() {
        for value in ["abc", "\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", " abc "] {
            assert!(EtagMatch::parse(value).matches("abc"), "{value}");
            assert!(!EtagMatch::parse(value).matches("ab"), "{value}");
        }
        assert!(EtagMatch::parse(" * ").matches("anything"));
        assert!(!EtagMatch::parse("").matches(""));
    }
}
