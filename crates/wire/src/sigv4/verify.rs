//! Verification of signature version 4.

use std::borrow::Cow;

use ring::digest::{SHA256, digest};
use ring::hmac;

use super::canonical::{self, Covered, Paths};
use super::claim::ALGORITHM;
use super::keys::{Found, KeyCache, derive};
use super::{AuthError, Body, Carrier, Expect, Key, Mismatch, Payload, V4, Verified};
use crate::chunked::Chain;
use crate::protocol::text::{hex, pieces, push_hex, shortened, unhex32};
use crate::request::Parts;
use crate::tables::Service;

/// How far clocks may be apart.
const SKEW_MILLIS: i64 = 15 * 60 * 1000;

/// Headers of the `x-amz-` family that may travel unsigned: what they say is bound by the payload
/// line of the signature, or by the chunks.
const MAY_BE_UNSIGNED: [&str; 4] = [
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-checksum-algorithm",
];

/// Holds the scope and the time of a claim against what is expected; the first half of [`verify`],
/// for callers that answer before they look a key up.
///
/// # Errors
/// [`AuthError::WrongService`], [`AuthError::WrongRegion`], [`AuthError::WrongDate`],
/// [`AuthError::Skewed`], [`AuthError::Expired`].
pub fn check_scope(claim: &V4<'_>, expect: &Expect<'_>) -> Result<(), AuthError> {
    let carrier = claim.carrier;
    let service = expect.service.signing_name();
    if claim.service != service {
        return Err(AuthError::WrongService {
            got: claim.service.to_string(),
            expected: service.to_owned(),
            carrier,
        });
    }
    if let Some(region) = expect.region
        && claim.region != region
    {
        return Err(AuthError::WrongRegion {
            got: claim.region.to_string(),
            expected: region.to_owned(),
            carrier,
        });
    }
    if claim.amz_date.get(..8) != Some(claim.date.as_ref()) {
        return Err(AuthError::WrongDate {
            scope: claim.date.to_string(),
            date: claim.amz_date.to_string(),
            carrier,
        });
    }
    let skewed = AuthError::Skewed {
        request: claim.signed_at,
        now: expect.now,
    };
    match (carrier, claim.expires) {
        (Carrier::Query, Some(validity)) => {
            if claim.signed_at > expect.now.saturating_add(SKEW_MILLIS) {
                return Err(skewed);
            }
            let expires = claim.signed_at.saturating_add(i64::from(validity) * 1000);
            if expect.now > expires {
                return Err(AuthError::Expired {
                    validity: Some(validity),
                    expires,
                    now: expect.now,
                });
            }
        }
        // A form lives as long as its policy says, which is checked with the policy.
        (Carrier::Form, _) => {}
        _ if claim.signed_at.abs_diff(expect.now) > SKEW_MILLIS.unsigned_abs() => {
            return Err(skewed);
        }
        _ => {}
    }
    Ok(())
}

/// Verifies a version 4 claim of `parts` with the key that belongs to its access key id.
///
/// # Errors
/// Every [`AuthError`] but those of reading a claim.
pub fn verify(
    claim: &V4<'_>,
    parts: &Parts<'_>,
    key: &Key<'_>,
    expect: &Expect<'_>,
    cache: &KeyCache,
) -> Result<Verified, AuthError> {
    check_scope(claim, expect)?;
    key.check_token(claim.session_token.as_ref())?;
    let bound = payload(claim, parts, expect)?;

    let skip = (claim.carrier == Carrier::Query).then_some("X-Amz-Signature");
    let found = cache.get(&claim.credential, key.secret, || {
        derive(key.secret, &claim.date, &claim.region, &claim.service)
    });
    let mut paths = Paths::of(expect.service);
    loop {
        let (request, covered) =
            canonical::request(parts, paths, &claim.signed_headers, skip, &bound.line)?;
        check_covered(parts, covered)?;
        let text = string_to_sign(claim, &request);
        if holds(&found, &text, &claim.signature) {
            break;
        }
        // Some clients escape a slash inside a key and sign it so.
        let escaped = parts.path.contains("%2F") || parts.path.contains("%2f");
        if paths == Paths::Once && escaped {
            paths = Paths::OnceKeepingSlashes;
            continue;
        }
        return Err(AuthError::Mismatch(Box::new(Mismatch {
            access_key_id: claim.access_key_id.to_string(),
            signature: claim.signature.to_string(),
            string_to_sign: text,
            canonical_request: String::from_utf8_lossy(&request).into_owned(),
        })));
    }
    cache.keep(&claim.credential, &found);
    check_body(&bound, parts, expect)?;
    Ok(Verified {
        carrier: claim.carrier,
        version: ALGORITHM,
        age: (expect.now - claim.signed_at).max(0),
        chain: match bound.payload {
            Payload::Chunks | Payload::ChunksWithTrailer => {
                Some(chain(claim, found.kept.key.clone()))
            }
            _ => None,
        },
        payload: bound.payload,
    })
}

fn chain(claim: &V4<'_>, key: hmac::Key) -> Chain {
    Chain::new(key, &claim.amz_date, &scope(claim), &claim.signature)
}

/// `<date>/<region>/<service>/aws4_request`.
fn scope(claim: &V4<'_>) -> String {
    format!(
        "{}/{}/{}/aws4_request",
        claim.date, claim.region, claim.service
    )
}

/// The text that the signature is over.
fn string_to_sign(claim: &V4<'_>, request: &[u8]) -> String {
    let mut text = String::with_capacity(160);
    text.push_str(ALGORITHM);
    text.push('\n');
    text.push_str(&claim.amz_date);
    text.push('\n');
    text.push_str(&claim.date);
    text.push('/');
    text.push_str(&claim.region);
    text.push('/');
    text.push_str(&claim.service);
    text.push_str("/aws4_request\n");
    push_hex(&mut text, digest(&SHA256, request).as_ref());
    text
}

/// True when `signature` is over `text`; compared in constant time.
pub(super) fn holds(found: &Found, text: &str, signature: &str) -> bool {
    unhex32(signature)
        .is_some_and(|bytes| hmac::verify(&found.kept.key, text.as_bytes(), &bytes).is_ok())
}

/// Refuses a signature that leaves out what must be signed.
fn check_covered(parts: &Parts<'_>, covered: Covered) -> Result<(), AuthError> {
    let mut missing: Vec<String> = Vec::new();
    if !covered.host {
        missing.push("host".to_owned());
    }
    for (at, (name, _)) in parts.headers.iter().enumerate() {
        if at >= canonical::MOST_HEADERS {
            missing.push("more than 128 headers".to_owned());
            break;
        }
        let ours = name
            .get(..6)
            .is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
        if ours && covered.headers >> at & 1 == 0 {
            let name = name.to_ascii_lowercase();
            if !MAY_BE_UNSIGNED.contains(&name.as_str()) && !missing.contains(&name) {
                missing.push(name);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(AuthError::HeadersNotSigned {
        headers: missing.join(", "),
    })
}

/// What the signature says about the body.
struct Bound<'a> {
    payload: Payload,
    /// The last line of the canonical request.
    line: Cow<'a, str>,
}

/// The header that says what the body is.
pub(super) const CONTENT_HASH: &str = "x-amz-content-sha256";
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

fn payload<'a>(
    claim: &V4<'_>,
    parts: &Parts<'a>,
    expect: &Expect<'_>,
) -> Result<Bound<'a>, AuthError> {
    let header = parts.headers.get(CONTENT_HASH);
    let missing = AuthError::MissingHeader { name: CONTENT_HASH };
    if !matches!(expect.service, Service::S3 | Service::S3Control) {
        return match expect.body {
            // The body is at hand: what a header says about it does not matter.
            Body::Whole => {
                let hash = digest(&SHA256, parts.body);
                let mut bytes = [0; 32];
                bytes.copy_from_slice(hash.as_ref());
                Ok(Bound {
                    payload: Payload::Sha256(bytes),
                    line: hex(&bytes).into(),
                })
            }
            Body::Streamed => {
                let line = header.ok_or(missing)?;
                let bytes = unhex32(line).ok_or_else(|| AuthError::BadPayloadHash {
                    value: line.to_owned(),
                })?;
                Ok(Bound {
                    payload: Payload::Sha256(bytes),
                    line: line.into(),
                })
            }
        };
    }
    if claim.carrier == Carrier::Query {
        let signed = pieces(&claim.signed_headers, b';').any(|name| name == CONTENT_HASH);
        let line = match (header, query_hash(parts)) {
            (Some(line), _) if signed => line,
            (_, Some(line)) => line,
            _ => UNSIGNED,
        };
        let payload = said_unsigned(line)?;
        return Ok(Bound {
            payload,
            line: line.into(),
        });
    }
    let line = header.ok_or(missing)?;
    let payload = match line {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Chunks,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::ChunksWithTrailer,
        other => said_unsigned(other)?,
    };
    Ok(Bound {
        payload,
        line: line.into(),
    })
}

/// What `x-amz-content-sha256` says of a body where no chunk of it is signed: with a signature that came in
/// the query, or with none.
///
/// # Errors
/// [`AuthError::BadPayloadHash`] for anything else, chunks that are signed included.
pub fn said_unsigned(value: &str) -> Result<Payload, AuthError> {
    match value {
        UNSIGNED => Ok(Payload::Unsigned),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Payload::UnsignedWithTrailer),
        hash => match unhex32(hash) {
            Some(bytes) => Ok(Payload::Sha256(bytes)),
            None => Err(AuthError::BadPayloadHash {
                value: shortened(hash),
            }),
        },
    }
}

/// A payload hash that the signer of a URL bound.
pub(super) fn query_hash<'a>(parts: &Parts<'a>) -> Option<&'a str> {
    pieces(parts.query, b'&').find_map(|piece| piece.strip_prefix("X-Amz-Content-Sha256="))
}

/// Holds a whole body against its hash.
fn check_body(bound: &Bound<'_>, parts: &Parts<'_>, expect: &Expect<'_>) -> Result<(), AuthError> {
    let Payload::Sha256(wanted) = bound.payload else {
        return Ok(());
    };
    if expect.body == Body::Streamed {
        return Ok(());
    }
    let computed = digest(&SHA256, parts.body);
    if computed.as_ref() == wanted {
        return Ok(());
    }
    Err(AuthError::PayloadMismatch {
        client: hex(&wanted),
        computed: hex(computed.as_ref()),
    })
}
