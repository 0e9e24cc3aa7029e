//! Headers that objects share: what a request attaches, what an answer shows.

use std::collections::BTreeMap;

use adit_objects::{
    Attributes, ChecksumAlgorithm, ChecksumType, Encryption, EtagMatch, Headers, Object,
    ObjectChecksum, ReadConditions, STANDARD, UnixMillis, VersionId, WriteConditions,
};
use adit_wire::ErrorReply;
use adit_wire::time::{http_date, parse_http_date};
use http::header::{self, HeaderName};

use super::customer::{self, Customer};
use super::lock;
use crate::acl;
use crate::ask::Ask;
use crate::decide::{Pairs, not_implemented, parse_tagging};
use crate::reply::Reply;
use crate::upload::header_of;

/// What a request attaches to an object.
///
/// # Errors
/// Features that are not built: they must not be accepted and forgotten; values that are none.
pub(super) fn attributes(
    ask: &Ask<'_>,
    tags: Pairs,
    (owner, acl): acl::OfNew,
) -> Result<Attributes, ErrorReply> {
    let text = |name: &str| {
        ask.wire
            .headers
            .bytes(name)
            .map(latin)
            .filter(|value| !value.is_empty())
    };
    let mut user = BTreeMap::new();
    for (name, value) in ask.wire.headers.iter() {
        if let Some(name) = strip_meta(name) {
            // A header that is repeated has one value, the parts joined.
            let value = latin(value);
            user.entry(name)
                .and_modify(|known: &mut String| {
                    known.push(',');
                    known.push_str(&value);
                })
                .or_insert(value);
        }
    }
    // What the bucket seals by default, it seals whatever is asked.
    let default = ask.bucket()?.settings.encrypt;
    let encrypt = match ask.header("x-amz-server-side-encryption") {
        None => false,
        Some("AES256") => true,
        Some("aws:kms" | "aws:kms:dsse" | "aws:fsx") => {
            return Err(not_implemented("x-amz-server-side-encryption"));
        }
        Some(other) => {
            return Err(crate::ask::argument(
                "x-amz-server-side-encryption",
                other,
                "The encryption method specified is not supported",
            ));
        }
    };
    Ok(Attributes {
        headers: Headers {
            content_type: text("content-type"),
            cache_control: text("cache-control"),
            content_disposition: text("content-disposition"),
            content_encoding: text("content-encoding").and_then(|value| without_chunked(&value)),
            content_language: text("content-language"),
            expires: text("expires"),
            website_redirect: text("x-amz-website-redirect-location"),
        },
        user,
        tags,
        storage_class: ask
            .header("x-amz-storage-class")
            .unwrap_or(STANDARD)
            .to_owned(),
        acl,
        owner,
        encryption: Encryption::managed(encrypt || default),
        lock: lock::of_headers(ask)?,
    })
}

/// The tags that `x-amz-tagging` sets.
///
/// # Errors
/// Text that is no query string.
pub(super) fn tagging(ask: &Ask<'_>) -> Result<Pairs, ErrorReply> {
    ask.header("x-amz-tagging")
        .map_or(Ok(Vec::new()), parse_tagging)
}

fn strip_meta(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("x-amz-meta-")
        .filter(|rest| !rest.is_empty())
        .map(str::to_owned)
}

/// Header bytes as text: UTF-8 where it is, else each byte a character, so that nothing is lost.
fn latin(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// `Content-Encoding` without the framing of the upload.
fn without_chunked(value: &str) -> Option<String> {
    let kept: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Names of the headers that hold the conditions of a read, in the order of [`ReadConditions`].
pub(crate) type ConditionNames = [&'static str; 4];
/// Of a read of the object that is addressed.
pub(crate) const CONDITIONS: ConditionNames = [
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];
/// Of a read of the source of a copy.
const SOURCE_CONDITIONS: ConditionNames = [
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-unmodified-since",
];

/// The conditions of a read.
pub(super) fn read_conditions(ask: &Ask<'_>, names: ConditionNames) -> ReadConditions {
    let [matches, differs, modified, unmodified] = names.map(|name| ask.header(name));
    // A date that cannot be read is no condition (RFC 9110 §13.1.3).
    let date = |text: Option<&str>| text.and_then(parse_http_date).map(UnixMillis);
    ReadConditions {
        if_match: matches.map(EtagMatch::parse),
        if_none_match: differs.map(EtagMatch::parse),
        if_modified_since: date(modified),
        if_unmodified_since: date(unmodified),
    }
}

/// The conditions on the source of a copy.
pub(crate) fn copied_conditions(ask: &Ask<'_>) -> ReadConditions {
    read_conditions(ask, SOURCE_CONDITIONS)
}

/// The conditions of a write.
///
/// # Errors
/// `If-None-Match` with anything but `*`, or `If-Match: *` of a write, which S3 does not take.
pub(super) fn write_conditions(ask: &Ask<'_>) -> Result<WriteConditions, ErrorReply> {
    let conditions = WriteConditions {
        if_match: ask.header("if-match").map(EtagMatch::parse),
        if_none_match: ask.header("if-none-match").map(EtagMatch::parse),
    };
    if matches!(conditions.if_none_match, Some(EtagMatch::Tags(_))) {
        return Err(not_implemented("If-None-Match"));
    }
    // Only deletes ask whether there is an object at all.
    if conditions.if_match == Some(EtagMatch::Any) && ask.op.name() != "DeleteObject" {
        return Err(not_implemented("If-Match"));
    }
    Ok(conditions)
}

/// The algorithm that `x-amz-checksum-algorithm` names.
///
/// # Errors
/// A name that is none.
pub(super) fn algorithm(ask: &Ask<'_>) -> Result<Option<ChecksumAlgorithm>, ErrorReply> {
    let Some(name) = ask.header("x-amz-checksum-algorithm") else {
        return Ok(None);
    };
    ChecksumAlgorithm::parse(name).map(Some).ok_or_else(|| {
        ErrorReply::new(
            "InvalidRequest",
            400,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

/// The type that `x-amz-checksum-type` names.
///
/// # Errors
/// A name that is none.
pub(super) fn checksum_type(ask: &Ask<'_>) -> Result<Option<ChecksumType>, ErrorReply> {
    let Some(name) = ask.header("x-amz-checksum-type") else {
        return Ok(None);
    };
    ChecksumType::parse(name).map(Some).ok_or_else(|| {
        ErrorReply::new(
            "InvalidRequest",
            400,
            "Value for x-amz-checksum-type header is invalid.",
        )
    })
}

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const WEBSITE_REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");

pub(super) fn etag(reply: &mut Reply, etag: &str) {
    let mut quoted = String::with_capacity(etag.len() + 2);
    quoted.push('"');
    quoted.push_str(etag);
    quoted.push('"');
    reply.set_made(header::ETAG, quoted);
}

pub(super) fn version(reply: &mut Reply, version: Option<&VersionId>) {
    reply.set_some(VERSION_ID, version.map(VersionId::as_str));
}

pub(super) fn checksum(reply: &mut Reply, checksum: &ObjectChecksum) {
    let name = HeaderName::from_static(header_of(checksum.value.algorithm()));
    reply.set(name, checksum.to_string());
    reply.set(
        HeaderName::from_static("x-amz-checksum-type"),
        checksum.kind().name(),
    );
}

/// What an answer shows of an object, but its length and its bytes.
pub(super) fn object(reply: &mut Reply, object: &Object, customer: Option<&Customer>) {
    let info = object.info();
    let attributes = &info.attributes;
    let kept = &attributes.headers;
    etag(reply, &info.etag);
    reply.set_made(header::LAST_MODIFIED, http_date(info.last_modified.0));
    reply.set_static(header::ACCEPT_RANGES, "bytes");
    match kept.content_type.as_deref() {
        Some(kind) => reply.set(header::CONTENT_TYPE, kind),
        None => reply.set_static(header::CONTENT_TYPE, "binary/octet-stream"),
    }
    reply.set_some(header::CACHE_CONTROL, kept.cache_control.as_deref());
    reply.set_some(
        header::CONTENT_DISPOSITION,
        kept.content_disposition.as_deref(),
    );
    reply.set_some(header::CONTENT_ENCODING, kept.content_encoding.as_deref());
    reply.set_some(header::CONTENT_LANGUAGE, kept.content_language.as_deref());
    reply.set_some(header::EXPIRES, kept.expires.as_deref());
    reply.set_some(WEBSITE_REDIRECT, kept.website_redirect.as_deref());
    version(reply, object.version_id.as_ref());
    if attributes.storage_class != STANDARD {
        reply.set(
            HeaderName::from_static("x-amz-storage-class"),
            &attributes.storage_class,
        );
    }
    customer::show(reply, attributes.encryption.is_managed(), customer);
    for (name, value) in &attributes.user {
        if let Ok(name) = HeaderName::from_bytes(format!("x-amz-meta-{name}").as_bytes()) {
            reply.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_framing_is_taken_off_an_encoding() {
        for (value, kept) in [
            ("aws-chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, AWS-Chunked", Some("gzip")),
            ("gzip, br", Some("gzip,br")),
            ("", None),
        ] {
            assert_eq!(without_chunked(value).as_deref(), kept, "{value}");
        }
    }

    #[test]
    fn header_bytes_are_kept() {
        assert_eq!(latin("é".as_bytes()), "é");
        assert_eq!(latin(&[b'a', 0xe9]), "aé");
        assert_eq!(strip_meta("X-Amz-Meta-A").as_deref(), Some("a"));
        assert_eq!(strip_meta("x-amz-meta-"), None);
    }
}
