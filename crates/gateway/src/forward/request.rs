//! A request as it goes out to an upstream.

use std::borrow::Cow;

use adit_objects::Md5;
use adit_upstream::{Answer, Body, Call, Payload};
use adit_wire::{ErrorReply, OperationRef, s3};
use base64::Engine as _;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::answer::failed;
use crate::ask::{Ask, argument};
use crate::objects::{Encoding, is_of_key, may_go_on};
use crate::origins::Place;

/// What a path keeps as it is, besides letters and digits.
const PATH: &AsciiSet = &QUERY.remove(b'/');
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Headers of a client that an upstream gets, besides the families below. Whatever concerns who may do
/// what (ACLs, owners, payers), signatures, checksums and framing is Adit's own business.
const KEPT: [&str; 30] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-mode",
    "x-amz-copy-source-range",
    "x-amz-max-parts",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-optional-object-attributes",
    "x-amz-part-number-marker",
    "x-amz-rename-source",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];
const FAMILIES: [&str; 2] = ["x-amz-meta-", "x-amz-copy-source-if-"];

/// Query parameters of a client that are a signature's, or a marker that SDKs add; they never go out.
const SIGNATURE: [&str; 4] = ["awsaccesskeyid", "signature", "expires", "x-id"];

/// Parameters that name keys, which have the origin's prefix there.
const KEYS: [&str; 4] = ["prefix", "marker", "start-after", "key-marker"];

/// A request to an upstream, but for its body.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    place: &'a Place,
    method: Method,
    path: String,
    query: String,
    host: Option<String>,
    pub(super) headers: HeaderMap,
    /// How keys will be written in the answer.
    pub(super) encoding: Encoding,
}

impl<'a> Outgoing<'a> {
    /// A client's request, for the place of its bucket.
    ///
    /// # Errors
    /// Parameters that cannot be read; a customer's key where others could read it on its way.
    pub(super) fn of(ask: &Ask<'_>, place: &'a Place) -> Result<Outgoing<'a>, ErrorReply> {
        may_go_on(ask, place)?;
        let key = Some(ask.key()).filter(|key| !key.is_empty());
        let method = Method::from_bytes(ask.wire.method.as_bytes()).unwrap_or_default();
        let query = query(ask.wire.query, &place.prefix, ask.op)?;
        let mut made = Outgoing::bare(ask, place, method, key, query);
        made.encoding = super::encoding(ask)?;
        for (name, value) in ask.wire.headers.iter().filter(|(name, _)| is_kept(name)) {
            if let (Ok(name), Ok(mut value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value),
            ) {
                value.set_sensitive(is_of_key(name.as_str()));
                made.headers.append(name, value);
            }
        }
        if let Some(encoding) = ask.header("content-encoding").and_then(without_chunked)
            && let Ok(value) = HeaderValue::from_str(&encoding)
        {
            made.headers.insert(http::header::CONTENT_ENCODING, value);
        }
        Ok(made)
    }

    /// A request of Adit's own.
    pub(super) fn bare(
        _: &Ask<'_>,
        place: &'a Place,
        method: Method,
        key: Option<&str>,
        query: String,
    ) -> Outgoing<'a> {
        let origin = &place.origin;
        let key = key.unwrap_or_default();
        let mut path =
            String::with_capacity(place.bucket.len() + place.prefix.len() + key.len() + 16);
        path.push('/');
        let host = match origin.virtual_hosted {
            true => {
                let authority = origin.upstream.endpoint().authority();
                Some(format!("{}.{authority}", place.bucket))
            }
            false => {
                path.push_str(&place.bucket);
                if !key.is_empty() {
                    path.push('/');
                }
                None
            }
        };
        if !key.is_empty() {
            path.extend(utf8_percent_encode(&place.prefix, PATH));
            path.extend(utf8_percent_encode(key, PATH));
        }
        Outgoing {
            place,
            method,
            path,
            query,
            host,
            headers: HeaderMap::new(),
            encoding: Encoding::Plain,
        }
    }

    /// The request with a body.
    pub(super) fn call(self, payload: Payload, body: Body) -> Call {
        Call {
            method: self.method,
            path: self.path,
            query: self.query,
            host: self.host,
            headers: self.headers,
            payload,
            body,
        }
    }

    /// Sends it with these bytes.
    ///
    /// # Errors
    /// `ServiceUnavailable` when there is no answer.
    pub(super) async fn send(mut self, body: Bytes) -> Result<Answer, ErrorReply> {
        // S3 wants it of documents; a client's own was checked already.
        self.headers.remove("content-md5");
        let payload = match body.is_empty() {
            true => Payload::Nothing,
            false => {
                let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::of(&body));
                if let Ok(value) = HeaderValue::from_str(&md5) {
                    self.headers
                        .insert(HeaderName::from_static("content-md5"), value);
                }
                let digest = ring::digest::digest(&ring::digest::SHA256, &body);
                Payload::Sha256(crate::upload::hex(digest.as_ref()))
            }
        };
        let place = self.place;
        let call = self.call(payload, Body::bytes(body));
        let sent = place.origin.upstream.call(call).await;
        sent.map_err(|why| failed(place, &why))
    }

    pub(super) fn place(&self) -> &'a Place {
        self.place
    }
}

/// A key in a path.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// A value in a query.
pub(super) fn escaped_all(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// Tags as `x-amz-tagging` holds them; none where there are none.
pub(super) fn tagging<'t>(tags: impl Iterator<Item = (&'t String, &'t String)>) -> Option<String> {
    let pairs: Vec<String> = tags
        .map(|(key, value)| format!("{}={}", escaped_all(key), escaped_all(value)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

/// The query as the upstream gets it.
fn query(query: &str, prefix: &str, op: &OperationRef) -> Result<String, ErrorReply> {
    let lists = matches!(
        op.name(),
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" | "ListMultipartUploads"
    );
    let mut out: Vec<String> = Vec::new();
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    let mut has_prefix = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, mut value) = (decoded(name)?, decoded(value)?);
        // Servers have parameters of their own, which nothing here has decided on, and some take the last of
        // two where Adit takes the first.
        if is_of_signer(&name) || !s3::explains(op, &name) || names.contains(&name) {
            continue;
        }
        names.push(name.clone());
        if lists && KEYS.contains(&&*name) && (name == "prefix" || !value.is_empty()) {
            value.to_mut().insert_str(0, prefix);
            has_prefix |= name == "prefix";
        }
        out.push(format!("{}={}", escaped_all(&name), escaped_all(&value)));
    }
    if lists && !has_prefix && !prefix.is_empty() {
        out.push(format!("prefix={}", escaped_all(prefix)));
    }
    Ok(out.join("&"))
}

/// Whether a header of a client goes out.
fn is_kept(name: &str) -> bool {
    let is = |kept: &&str| kept.eq_ignore_ascii_case(name);
    KEPT.iter().any(is) || FAMILIES.iter().any(|family| begins(name, family)) || is_of_key(name)
}

/// Whether a parameter belongs to a signature, and so ends here.
pub(super) fn is_of_signer(name: &str) -> bool {
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    begins(name, "x-amz-") || SIGNATURE.iter().any(is)
}

/// Whether a text begins so, in whatever case.
fn begins(text: &str, front: &str) -> bool {
    let begin = text.get(..front.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(front))
}

pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, ErrorReply> {
    let refused = || argument("query", text, "The value is not valid UTF-8.");
    if !text.contains('+') {
        return percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| refused());
    }
    let plain = text.replace('+', " ");
    let decoded = percent_decode_str(&plain).decode_utf8();
    Ok(Cow::Owned(decoded.map_err(|_| refused())?.into_owned()))
}

/// A content encoding but for what was taken off already.
fn without_chunked(value: &str) -> Option<String> {
    let left: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty() && !token.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!left.is_empty()).then(|| left.join(","))
}

#[cfg(test)]
mod tests {
    use adit_wire::Service;

    use super::*;

    #[test]
    fn queries_lose_signatures_and_gain_the_prefix() {
        for (sent, operation, expected) in [
            (
                "X-Amz-Signature=1&x-id=GetObject&versionId=a%2Bb",
                "GetObject",
                "versionId=a%2Bb",
            ),
            (
                "AWSAccessKeyId=a&Signature=b&Expires=1&partNumber=2",
                "GetObject",
                "partNumber=2",
            ),
            (
                "list-type=2&prefix=&delimiter=%2F",
                "ListObjectsV2",
                "list-type=2&prefix=p%2F&delimiter=%2F",
            ),
            (
                "list-type=2&start-after=a+b",
                "ListObjectsV2",
                "list-type=2&start-after=p%2Fa%20b&prefix=p%2F",
            ),
            ("marker=", "ListObjects", "marker=&prefix=p%2F"),
            ("uploads", "CreateMultipartUpload", "uploads="),
            // What the operation does not have is not the upstream's to read.
            ("prefix=x&partNumber=1", "GetObject", "partNumber=1"),
            ("append&position=0&rgwx-uid=root", "PutObject", ""),
            ("versionId=1&%76ersionId=2", "GetObject", "versionId=1"),
        ] {
            let op = OperationRef::find(Service::S3, operation).unwrap();
            assert_eq!(query(sent, "p/", &op).unwrap(), expected, "{sent}");
        }
        let op = OperationRef::find(Service::S3, "GetObject").unwrap();
        assert!(query("a=%ff", "", &op).is_err());
    }

    #[test]
    fn the_framing_is_taken_off_the_encoding() {
        for (value, expected) in [
            ("aws-chunked", None),
            ("gzip", Some("gzip")),
            ("aws-chunked, gzip", Some("gzip")),
            ("gzip,aws-chunked,br", Some("gzip,br")),
        ] {
            assert_eq!(without_chunked(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn keys_are_escaped_once() {
        assert_eq!(escaped("a b/c+d/é%2F*~"), "a%20b/c%2Bd/%C3%A9%252F%2A~");
    }
}
