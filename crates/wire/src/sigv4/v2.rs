//! Signature version 2, which unmodified clients still use for presigned URLs in us-east-1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use super::claim::MOST_PARAMETERS;
use super::{AuthError, Carrier, Key, Mismatch, Payload, Secret, V2, Verified};
use crate::protocol::text::{Pair, pairs};
use crate::request::Parts;
use crate::time;

/// How far clocks may be apart.
const SKEW_MILLIS: u64 = 15 * 60 * 1000;

/// Query parameters that are part of the resource.
const SUB_RESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Whether a presigned URL of version 2 signs a query parameter (its decoded name): the sub-resources
/// and, in lower case, the `x-amz-` family. Whoever holds a URL may add any other.
pub fn v2_signs(name: &str) -> bool {
    name.starts_with("x-amz-") || SUB_RESOURCES.contains(&name)
}

/// True when base64 `given` is version 2's signature over `text`.
pub(super) fn holds(secret: &Secret, text: &str, given: &str) -> bool {
    let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    STANDARD
        .decode(given)
        .is_ok_and(|tag| hmac::verify(&key, text.as_bytes(), &tag).is_ok())
}

/// Verifies a version 2 claim of an S3 request; `resource` is `/bucket/key` as the signer meant it,
/// [`crate::s3::Address::v2_resource`].
///
/// Version 2 does not bind the body: [`Verified::payload`] is [`Payload::Unsigned`].
///
/// # Errors
/// [`AuthError::Skewed`], [`AuthError::Expired`], [`AuthError::MissingDate`],
/// [`AuthError::InvalidToken`], [`AuthError::MalformedQuery`], [`AuthError::Mismatch`].
pub fn verify_v2(
    claim: &V2<'_>,
    parts: &Parts<'_>,
    resource: &str,
    key: &Key<'_>,
    now: i64,
) -> Result<Verified, AuthError> {
    match (claim.carrier, claim.expires) {
        (Carrier::Query, Some(expires)) => {
            let expires = expires.saturating_mul(1000);
            if now > expires {
                return Err(AuthError::Expired {
                    validity: None,
                    expires,
                    now,
                });
            }
        }
        _ => {
            let date = parts
                .headers
                .get("x-amz-date")
                .or_else(|| parts.headers.get("date"));
            let at = date
                .and_then(|text| time::parse_http_date(text).or_else(|| time::parse_amz_date(text)))
                .ok_or(AuthError::MissingDate)?;
            if at.abs_diff(now) > SKEW_MILLIS {
                return Err(AuthError::Skewed { request: at, now });
            }
        }
    }
    key.check_token(claim.session_token.as_ref())?;
    let text = string_to_sign(claim, parts, resource)?;
    // Clients sign a bucket as `/bucket/`, with or without a slash in the path they send.
    let bucket = resource.len() > 1 && resource.rfind('/') == Some(0);
    let slashed = || {
        string_to_sign(claim, parts, &format!("{resource}/"))
            .is_ok_and(|text| holds(key.secret, &text, &claim.signature))
    };
    let fine = holds(key.secret, &text, &claim.signature) || (bucket && slashed());
    if !fine {
        return Err(AuthError::Mismatch(Box::new(Mismatch {
            access_key_id: claim.access_key_id.to_string(),
            signature: claim.signature.to_string(),
            string_to_sign: text,
            canonical_request: String::new(),
        })));
    }
    Ok(Verified {
        carrier: claim.carrier,
        version: "AWS",
        age: 0,
        payload: Payload::Unsigned,
        chain: None,
    })
}

fn string_to_sign(claim: &V2<'_>, parts: &Parts<'_>, resource: &str) -> Result<String, AuthError> {
    let query = pairs(parts.query, MOST_PARAMETERS).map_err(|error| AuthError::MalformedQuery {
        reason: error.to_string(),
    })?;
    let presigned = claim.carrier == Carrier::Query;
    // Clients that presign move the headers they signed into the query.
    let moved = |name: &str| {
        presigned
            .then(|| {
                query
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.as_ref())
            })
            .flatten()
    };
    let plain = |name: &str| {
        parts
            .headers
            .get(name)
            .or_else(|| moved(name))
            .unwrap_or_default()
    };
    let mut text = String::with_capacity(256);
    for piece in [parts.method, plain("content-md5"), plain("content-type")] {
        text.push_str(piece);
        text.push('\n');
    }
    match claim.expires {
        Some(expires) if presigned => text.push_str(&expires.to_string()),
        _ if parts.headers.has("x-amz-date") => {}
        _ => text.push_str(parts.headers.get("date").unwrap_or_default()),
    }
    text.push('\n');
    for (name, value) in amz_headers(parts, presigned.then_some(&query)) {
        text.push_str(&name);
        text.push(':');
        text.push_str(&value);
        text.push('\n');
    }
    text.push_str(resource);
    let mut subs: Vec<&Pair<'_>> = query
        .iter()
        .filter(|(name, _)| SUB_RESOURCES.contains(&name.as_ref()))
        .collect();
    subs.sort_unstable();
    for (at, (name, value)) in subs.into_iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    }
    Ok(text)
}

/// The `x-amz-` headers, and of a presigned URL the parameters of that family, sorted and joined.
fn amz_headers(parts: &Parts<'_>, query: Option<&Vec<Pair<'_>>>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in parts.headers.iter() {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") {
            continue;
        }
        let value = String::from_utf8_lossy(value).trim().to_owned();
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, joined)) => {
                joined.push(',');
                joined.push_str(&value);
            }
            None => all.push((name, value)),
        }
    }
    // In any case: what reads these parameters later ignores case too, and must find nothing that
    // was not signed.
    for (name, value) in query.into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !all.iter().any(|(known, _)| *known == name) {
            all.push((name, value.to_string()));
        }
    }
    all.sort_unstable();
    all
}
