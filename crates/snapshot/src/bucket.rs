//! What a bucket's documents say, read once: cross-origin rules, expiry, encryption, access logs, ACL.
//!
//! The documents were checked when they were written; what cannot be read (an older version wrote it)
//! is as if it were not there, which for each of these means *less* is allowed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::acl::{self, Grant};

/// The settings of one bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// Cross-origin rules, in order: the first that fits counts.
    pub cors: Vec<CorsRule>,
    /// Enabled lifecycle rules.
    pub lifecycle: Vec<LifecycleRule>,
    /// Whether objects are sealed that do not ask for it themselves.
    pub encrypt: bool,
    /// Whether nothing may be written with keys that customers bring (SSE-C).
    pub blocks_customer_keys: bool,
    /// Where access logs go.
    pub logging: Option<Logging>,
    /// Grants of the bucket's ACL; none: the owner's alone.
    pub grants: Option<Vec<Grant>>,
}

/// One cross-origin rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CorsRule {
    /// Headers that may be sent; each may hold one `*`.
    pub allowed_headers: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Origins; each may hold one `*`.
    pub allowed_origins: Vec<String>,
    /// Headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer.
    pub max_age_seconds: Option<u32>,
}

/// One lifecycle rule, as it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct LifecycleRule {
    #[serde(rename = "ID")]
    pub id: String,
    pub status: String,
    pub prefix: Option<String>,
    pub filter: Option<LifecycleFilter>,
    pub expiration: Option<LifecycleExpiration>,
    pub noncurrent_version_expiration: Option<NoncurrentExpiration>,
    pub abort_incomplete_multipart_upload: Option<AbortUploads>,
}

/// Which objects a lifecycle rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct LifecycleFilter {
    pub prefix: Option<String>,
    pub tag: Option<Tag>,
    pub tags: Vec<Tag>,
    pub object_size_greater_than: Option<u64>,
    pub object_size_less_than: Option<u64>,
    pub and: Option<Box<LifecycleFilter>>,
}

/// A tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// When current objects go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct LifecycleExpiration {
    pub days: Option<u32>,
    pub date: Option<Moment>,
    pub expired_object_delete_marker: bool,
}

/// When noncurrent versions go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct NoncurrentExpiration {
    pub noncurrent_days: Option<u32>,
    pub newer_noncurrent_versions: u32,
}

/// When uploads that nobody completed go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct AbortUploads {
    pub days_after_initiation: Option<u32>,
}

/// A point in time inside a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Moment {
    /// Milliseconds since the epoch.
    #[serde(rename = "@time")]
    pub millis: i64,
}

/// Object Lock, which a bucket that once got it keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ObjectLock {
    /// What versions get whose writer does not say.
    pub rule: Option<LockRule>,
}

/// The rule of Object Lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct LockRule {
    pub default_retention: DefaultRetention,
}

/// How strictly and how long: days or years.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is the element of its name")]
pub struct DefaultRetention {
    pub mode: String,
    pub days: Option<u32>,
    pub years: Option<u32>,
}

impl ObjectLock {
    /// The document that a bucket with Object Lock has.
    pub const DOCUMENT: &'static str = "object-lock";

    /// Object Lock as a bucket's documents say. A document that cannot be read still means that there is.
    pub fn of(documents: &BTreeMap<String, String>) -> Option<ObjectLock> {
        let text = documents.get(ObjectLock::DOCUMENT)?;
        Some(serde_json::from_str(text).unwrap_or_default())
    }
}

/// Where access logs go, and under which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Logging {
    /// A bucket of the same owner and Region.
    pub target_bucket: String,
    /// What keys begin with.
    pub target_prefix: String,
    /// How keys go on; none: the simple form.
    pub target_object_key_format: Option<KeyFormat>,
}

/// How the keys of access logs are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KeyFormat {
    /// By account, Region, bucket and day.
    pub partitioned_prefix: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Rules<R> {
    #[serde(rename = "Rules", alias = "CORSRules")]
    rules: Vec<R>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionRule {
    apply_server_side_encryption_by_default: Option<serde_json::Value>,
    #[serde(default)]
    blocked_encryption_types: Blocked,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Blocked {
    encryption_type: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingDocument {
    logging_enabled: Option<Logging>,
}

impl BucketSettings {
    /// Reads a bucket's documents.
    pub fn of(documents: &BTreeMap<String, String>) -> BucketSettings {
        let rules = |name: &str| documents.get(name).map(String::as_str);
        let mut lifecycle: Vec<LifecycleRule> = read_rules(rules("lifecycle"));
        lifecycle.retain(|rule| rule.status == "Enabled");
        let encryption: Vec<EncryptionRule> = read_rules(rules("encryption"));
        let logging = rules("logging")
            .and_then(|text| serde_json::from_str::<LoggingDocument>(text).ok())
            .and_then(|document| document.logging_enabled);
        BucketSettings {
            cors: read_rules(rules("cors")),
            lifecycle,
            encrypt: encryption
                .iter()
                .any(|rule| rule.apply_server_side_encryption_by_default.is_some()),
            blocks_customer_keys: encryption.iter().any(|rule| {
                let mut blocked = rule.blocked_encryption_types.encryption_type.iter();
                blocked.any(|kind| kind == "SSE-C")
            }),
            logging,
            grants: rules("acl").and_then(|text| acl::read_kept(text.as_bytes())),
        }
    }
}

fn read_rules<R: DeserializeOwned>(text: Option<&str>) -> Vec<R> {
    text.and_then(|text| serde_json::from_str::<Rules<R>>(text).ok())
        .map(|document| document.rules)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::Grantee;

    fn read(documents: &[(&str, &str)]) -> BucketSettings {
        let documents = documents
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        BucketSettings::of(&documents.collect())
    }

    #[test]
    fn documents_are_read() {
        assert_eq!(read(&[]), BucketSettings::default());
        let settings = read(&[
            (
                "cors",
                r#"{"CORSRules":[{"AllowedMethods":["GET"],"AllowedOrigins":["*"],"MaxAgeSeconds":5}]}"#,
            ),
            (
                "encryption",
                r#"{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}"#,
            ),
            (
                "lifecycle",
                r#"{"Rules":[{"ID":"a","Status":"Enabled","Filter":{"And":{"Prefix":"p","Tags":[{"Key":"k","Value":"v"}]}},"Expiration":{"Date":{"@time":86400000}}},{"ID":"b","Status":"Disabled"}]}"#,
            ),
            (
                "logging",
                r#"{"LoggingEnabled":{"TargetBucket":"logs","TargetPrefix":"a/"}}"#,
            ),
            (
                "acl",
                r#"{"Grants":[{"Grantee":{"Type":"Group","URI":"http://acs.amazonaws.com/groups/global/AllUsers"},"Permission":"READ"},{"Grantee":{"ID":"abc"},"Permission":"WRITE"}]}"#,
            ),
        ]);
        assert_eq!(settings.cors.len(), 1);
        assert_eq!(settings.cors[0].max_age_seconds, Some(5));
        assert!(settings.encrypt && !settings.blocks_customer_keys);
        for (text, encrypts, blocks) in [
            (
                r#"{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BlockedEncryptionTypes":{"EncryptionType":["SSE-C"]}}]}"#,
                true,
                true,
            ),
            (
                r#"{"Rules":[{"BlockedEncryptionTypes":{"EncryptionType":["SSE-C"]}}]}"#,
                false,
                true,
            ),
            (
                r#"{"Rules":[{"BlockedEncryptionTypes":{"EncryptionType":["NONE"]}}]}"#,
                false,
                false,
            ),
        ] {
            let settings = read(&[("encryption", text)]);
            let seen = (settings.encrypt, settings.blocks_customer_keys);
            assert_eq!(seen, (encrypts, blocks), "{text}");
        }
        assert_eq!(settings.lifecycle.len(), 1);
        let expiration = settings.lifecycle[0].expiration.as_ref().unwrap();
        assert_eq!(expiration.date.unwrap().millis, 86_400_000);
        assert_eq!(settings.logging.unwrap().target_bucket, "logs");
        let grants = settings.grants.unwrap();
        assert_eq!(grants[0].grantee, Grantee::AllUsers);
        assert_eq!(grants[1].grantee, Grantee::Account("abc".into()));
    }

    #[test]
    fn object_lock_is_kept_whatever_its_document_says() {
        let read = |text: &str| {
            let document = (ObjectLock::DOCUMENT.to_owned(), text.to_owned());
            ObjectLock::of(&BTreeMap::from([document]))
        };
        assert_eq!(ObjectLock::of(&BTreeMap::new()), None);
        for text in [r#"{"ObjectLockEnabled":"Enabled"}"#, "{}", ""] {
            assert_eq!(read(text), Some(ObjectLock::default()), "{text}");
        }
        let lock = read(r#"{"Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":3}}}"#);
        let default = lock.unwrap().rule.unwrap().default_retention;
        assert_eq!(
            (default.mode.as_str(), default.days),
            ("GOVERNANCE", Some(3))
        );
        assert_eq!(default.years, None);
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for text in ["", "{}"] {
            assert_eq!(
                read(&[("acl", text), ("cors", text)]),
                BucketSettings::default()
            );
        }
    }
}
