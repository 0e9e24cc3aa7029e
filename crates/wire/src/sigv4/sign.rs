//! Signing: for our own clients, for presigned URLs and for upstreams.

use std::borrow::Cow;

use ring::digest::{SHA256, digest};
use ring::hmac;

use super::Key;
use super::canonical::{self, Paths};
use super::claim::ALGORITHM;
use super::keys::{KeyCache, derive};
use super::verify::{CONTENT_HASH, UNSIGNED, query_hash};
use crate::protocol::text::{hex, percent_encoded, push_hex};
use crate::request::{Headers, Parts};
use crate::tables::Service;
use crate::time;

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
    /// A hash known already, lower-case hex.
    Sha256(&'a str),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`; the caller sends the trailer.
    UnsignedWithTrailer,
}

impl Sign<'_> {
    fn line(self) -> String {
        match self {
            Sign::Bytes(bytes) => hex(digest(&SHA256, bytes).as_ref()),
            Sign::Sha256(text) => text.to_owned(),
            Sign::Unsigned => UNSIGNED.to_owned(),
            Sign::UnsignedWithTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

impl Signer<'_> {
    /// The header fields to add to a request: `x-amz-date`, `x-amz-content-sha256`,
    /// `x-amz-security-token` and `authorization`. All headers of `parts` are signed, which must
    /// include `host`, must not include those named here, nor any that a hop may change.
    pub fn sign(&self, parts: &Parts<'_>, body: Sign<'_>) -> Vec<(&'static str, String)> {
        self.add(parts, body, None)
    }

    /// The same with a cache of signing keys, for whoever signs much.
    pub fn sign_with(
        &self,
        parts: &Parts<'_>,
        body: Sign<'_>,
        keys: &KeyCache,
    ) -> Vec<(&'static str, String)> {
        self.add(parts, body, Some(keys))
    }

    fn add(
        &self,
        parts: &Parts<'_>,
        body: Sign<'_>,
        keys: Option<&KeyCache>,
    ) -> Vec<(&'static str, String)> {
        let line = body.line();
        let date = time::amz_date(self.now);
        let credential = self.credential(&date);
        let mut headers: Vec<(&str, &[u8])> = Vec::with_capacity(parts.headers.0.len() + 3);
        headers.extend(parts.headers.iter());
        headers.push(("x-amz-date", date.as_bytes()));
        let with_hash = matches!(self.service, Service::S3 | Service::S3Control);
        if with_hash {
            headers.push(("x-amz-content-sha256", line.as_bytes()));
        }
        if let Some(token) = self.key.session_token {
            headers.push(("x-amz-security-token", token.as_bytes()));
        }
        let signed = names(&headers);
        let request = Parts {
            headers: Headers(&headers),
            ..*parts
        };
        let signature = self.signature(&request, &signed, &line, (&date, &credential), keys);
        let authorization = [
            ALGORITHM,
            " Credential=",
            &credential,
            ", SignedHeaders=",
            &signed,
            ", Signature=",
            &signature,
        ]
        .concat();
        let mut added = Vec::with_capacity(4);
        added.push(("x-amz-date", date));
        if with_hash {
            added.push(("x-amz-content-sha256", line));
        }
        if let Some(token) = self.key.session_token {
            added.push(("x-amz-security-token", token.to_owned()));
        }
        added.push(("authorization", authorization));
        added
    }

    /// The query of a presigned URL for `parts` (its own query included), valid for `expires`
    /// seconds. All headers of `parts`, which must include `host`, have to be sent with it.
    pub fn presign(&self, parts: &Parts<'_>, expires: u32) -> String {
        let date = time::amz_date(self.now);
        let headers: Vec<(&str, &[u8])> = parts.headers.iter().collect();
        let signed = names(&headers);
        let mut query = parts.query.to_owned();
        let credential = self.credential(&date);
        let expires = expires.to_string();
        let mut all = vec![
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &date),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", &signed),
        ];
        all.extend(
            self.key
                .session_token
                .map(|token| ("X-Amz-Security-Token", token)),
        );
        for (name, value) in all {
            append(&mut query, name, value);
        }
        let line = match self.service {
            Service::S3 | Service::S3Control => {
                // Whoever binds the body says so in the header, or in the query.
                let bound = parts.headers.get(CONTENT_HASH).or(query_hash(parts));
                bound.unwrap_or(UNSIGNED).to_owned()
            }
            _ => Sign::Bytes(parts.body).line(),
        };
        let parts = Parts {
            query: &query,
            ..*parts
        };
        let signature = self.signature(&parts, &signed, &line, (&date, &credential), None);
        append(&mut query, "X-Amz-Signature", &signature);
        query
    }

    /// `<id>/<day>/<region>/<service>/aws4_request`.
    fn credential(&self, date: &str) -> String {
        let day = date.get(..8).unwrap_or_default();
        let service = self.service.signing_name();
        [
            self.key.access_key_id,
            day,
            self.region,
            service,
            "aws4_request",
        ]
        .join("/")
    }

    fn signature(
        &self,
        parts: &Parts<'_>,
        signed: &str,
        line: &str,
        (date, credential): (&str, &str),
        keys: Option<&KeyCache>,
    ) -> String {
        // A query that cannot be decoded cannot be signed either; the server will say so.
        let request = canonical::request(parts, Paths::of(self.service), signed, None, line)
            .map(|(request, _)| request)
            .unwrap_or_default();
        let scope = credential.get(self.key.access_key_id.len() + 1..);
        let mut text = String::with_capacity(160);
        for line in [ALGORITHM, date, scope.unwrap_or_default()] {
            text.push_str(line);
            text.push('\n');
        }
        push_hex(&mut text, digest(&SHA256, &request).as_ref());
        let day = date.get(..8).unwrap_or_default();
        let derive = || {
            derive(
                self.key.secret,
                day,
                self.region,
                self.service.signing_name(),
            )
        };
        let tag = match keys {
            None => hmac::sign(&derive(), text.as_bytes()),
            Some(keys) => {
                let found = keys.get(credential, self.key.secret, derive);
                keys.keep(credential, &found);
                hmac::sign(&found.kept.key, text.as_bytes())
            }
        };
        hex(tag.as_ref())
    }
}

/// Header names as they are signed: lower case, sorted, each once.
fn names(headers: &[(&str, &[u8])]) -> String {
    let lower = |name| match str::bytes(name).any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    let mut names: Vec<Cow<'_, str>> = headers.iter().map(|(name, _)| lower(name)).collect();
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

fn append(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.push_str(&percent_encoded(value));
}
