//! Signing: for our own clients, for presigned URLs and for upstreams.

use ring::digest::{SHA256, digest};
use ring::hmac;

use super::Key;
use super::canonical::{self, Paths};
use super::claim::ALGORITHM;
use super::keys::derive;
use crate::protocol::text::{hex, percent_encoded};
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
            Sign::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Sign::UnsignedWithTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

impl Signer<'_> {
    /// The header fields to add to a request: `x-amz-date`, `x-amz-content-sha256`,
    /// `x-amz-security-token` and `authorization`. All headers of `parts` are signed, which must
    /// include `host`, must not include those named here, nor any that a hop may change.
    pub fn sign(&self, parts: &Parts<'_>, body: Sign<'_>) -> Vec<(&'static str, String)> {
        let line = body.line();
        let date = time::amz_date(self.now);
        let mut added = vec![("x-amz-date", date.clone())];
        if matches!(self.service, Service::S3 | Service::S3Control) {
            added.push(("x-amz-content-sha256", line.clone()));
        }
        if let Some(token) = self.key.session_token {
            added.push(("x-amz-security-token", token.to_owned()));
        }
        let mut headers: Vec<(&str, &[u8])> = parts.headers.iter().collect();
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let signed = names(&headers);
        let parts = Parts {
            headers: Headers(&headers),
            ..*parts
        };
        let signature = self.signature(&parts, &signed, &line, &date);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={signed}, Signature={signature}",
            self.key.access_key_id,
            self.scope(&date)
        );
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
        let credential = format!("{}/{}", self.key.access_key_id, self.scope(&date));
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
            Service::S3 | Service::S3Control => Sign::Unsigned.line(),
            _ => Sign::Bytes(parts.body).line(),
        };
        let parts = Parts {
            query: &query,
            ..*parts
        };
        let signature = self.signature(&parts, &signed, &line, &date);
        append(&mut query, "X-Amz-Signature", &signature);
        query
    }

    fn scope(&self, date: &str) -> String {
        let day = date.get(..8).unwrap_or_default();
        format!(
            "{day}/{}/{}/aws4_request",
            self.region,
            self.service.signing_name()
        )
    }

    fn signature(&self, parts: &Parts<'_>, signed: &str, line: &str, date: &str) -> String {
        // A query that cannot be decoded cannot be signed either; the server will say so.
        let request = canonical::request(parts, Paths::of(self.service), signed, None, line)
            .map(|(request, _)| request)
            .unwrap_or_default();
        let text = format!(
            "{ALGORITHM}\n{date}\n{}\n{}",
            self.scope(date),
            hex(digest(&SHA256, &request).as_ref())
        );
        let day = date.get(..8).unwrap_or_default();
        let key = derive(
            self.key.secret,
            day,
            self.region,
            self.service.signing_name(),
        );
        hex(hmac::sign(&key, text.as_bytes()).as_ref())
    }
}

/// Header names as they are signed: lower case, sorted, each once.
fn names(headers: &[(&str, &[u8])]) -> String {
    let mut names: Vec<String> = headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
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
