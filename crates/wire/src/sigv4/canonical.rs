//! The canonical request: the bytes that both sides must agree on.

use std::borrow::Cow;

use super::AuthError;
use crate::protocol::text::{
    hex_digit, is_canonical, pairs, percent_encode, percent_encoded, pieces, raw_pairs,
};
use crate::request::{Headers, Parts};
use crate::tables::Service;

/// How a service makes a path canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    /// S3: escaped once, nothing normalised.
    Once,
    /// S3 as some clients sign it: an escaped slash stays escaped.
    OnceKeepingSlashes,
    /// All others: dot segments and double slashes taken out, escaped once more.
    Twice,
}

impl Paths {
    pub(super) fn of(service: Service) -> Paths {
        match service {
            Service::S3 | Service::S3Control => Paths::Once,
            _ => Paths::Twice,
        }
    }
}

/// Appends the canonical path.
fn path(out: &mut Vec<u8>, path: &str, paths: Paths) {
    match paths {
        Paths::Once | Paths::OnceKeepingSlashes => {
            let bytes = if path.is_empty() {
                b"/"
            } else {
                path.as_bytes()
            };
            if memchr::memchr(b'%', bytes).is_none() {
                percent_encode(out, bytes, true);
                return;
            }
            let mut at = 0;
            while let Some(&byte) = bytes.get(at) {
                let escaped = (byte == b'%')
                    .then(|| {
                        let high = hex_digit(*bytes.get(at + 1)?)?;
                        Some(high << 4 | hex_digit(*bytes.get(at + 2)?)?)
                    })
                    .flatten();
                match escaped {
                    Some(b'/') if paths == Paths::OnceKeepingSlashes => {
                        out.extend_from_slice(b"%2F")
                    }
                    Some(byte) => percent_encode(out, &[byte], true),
                    None => percent_encode(out, &[byte], true),
                }
                at += if escaped.is_some() { 3 } else { 1 };
            }
        }
        Paths::Twice => {
            let mut kept: Vec<&str> = Vec::new();
            for segment in path.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => {
                        kept.pop();
                    }
                    other => kept.push(other),
                }
            }
            for segment in &kept {
                out.push(b'/');
                percent_encode(out, segment.as_bytes(), false);
            }
            if kept.is_empty() || path.ends_with('/') {
                out.push(b'/');
            }
        }
    }
}

/// Appends the canonical query, without parameter `skip`.
pub(super) fn query(out: &mut Vec<u8>, text: &str, skip: Option<&str>) -> Result<(), AuthError> {
    if text.is_empty() || as_sent(out, text, skip) {
        return Ok(());
    }
    let mut encoded = match canonical_pairs(text, skip) {
        Some(pairs) => pairs,
        None => encoded_pairs(text, skip)?,
    };
    encoded.sort_unstable();
    for (at, (name, value)) in encoded.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
    Ok(())
}

/// Appends a query that was sent as it is signed, in order and so encoded: as signers write it. Appends nothing and says so
/// where it was not.
fn as_sent(out: &mut Vec<u8>, text: &str, skip: Option<&str>) -> bool {
    let start = out.len();
    let mut last = None;
    for (at, (name, value)) in raw_pairs(text).enumerate() {
        if skip == Some(name) {
            continue;
        }
        let fits = is_canonical(name) && is_canonical(value) && last < Some((name, value));
        if !fits || at >= super::claim::MOST_PARAMETERS {
            out.truncate(start);
            return false;
        }
        last = Some((name, value));
        if out.len() > start {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
    true
}

/// Names and values, percent-encoded.
type Encoded<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The pairs as they were sent, if that is how they are encoded.
fn canonical_pairs<'a>(text: &'a str, skip: Option<&str>) -> Option<Encoded<'a>> {
    let mut pairs = Vec::with_capacity(8);
    for (name, value) in raw_pairs(text) {
        if !is_canonical(name) || !is_canonical(value) {
            return None;
        }
        if pairs.len() == super::claim::MOST_PARAMETERS {
            return None;
        }
        if skip.is_none_or(|skip| skip != name) {
            pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
    }
    Some(pairs)
}

/// The pairs, decoded and encoded again.
fn encoded_pairs<'a>(text: &str, skip: Option<&str>) -> Result<Encoded<'a>, AuthError> {
    let all =
        pairs(text, super::claim::MOST_PARAMETERS).map_err(|error| AuthError::MalformedQuery {
            reason: error.to_string(),
        })?;
    let kept = all
        .iter()
        .filter(|(name, _)| skip.is_none_or(|skip| skip != name));
    Ok(kept
        .map(|(name, value)| {
            (
                Cow::Owned(percent_encoded(name)),
                Cow::Owned(percent_encoded(value)),
            )
        })
        .collect())
}

/// Appends a header's value: trimmed, runs of spaces one.
fn value(out: &mut Vec<u8>, bytes: &[u8]) {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |at| at + 1);
    let bytes = bytes.get(start..end).unwrap_or_default();
    if memchr::memchr(b' ', bytes).is_none() {
        out.extend_from_slice(bytes);
        return;
    }
    let mut space = false;
    for byte in bytes {
        if *byte != b' ' || !space {
            out.push(*byte);
        }
        space = *byte == b' ';
    }
}

/// Which headers a signature covers: by place, as bits, and whether the host is among them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Covered {
    /// Of the first 128 headers; the caller refuses a request with more.
    pub(super) headers: u128,
    pub(super) host: bool,
}

/// Most headers of a signed request; servers take fewer.
pub(super) const MOST_HEADERS: usize = 128;

/// Appends one canonical header line for each of the signed names.
pub(super) fn headers(out: &mut Vec<u8>, headers: Headers<'_>, signed: &str) -> Covered {
    let mut covered = Covered::default();
    for name in pieces(signed, b';') {
        covered.host |= name == "host";
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        let mut first = true;
        for (at, (key, bytes)) in headers.iter().enumerate().take(MOST_HEADERS) {
            if key.len() != name.len() || !key.eq_ignore_ascii_case(name) {
                continue;
            }
            covered.headers |= 1 << at;
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            value(out, bytes);
        }
        out.push(b'\n');
    }
    covered
}

/// The canonical request. Header values are bytes, and so is this.
pub(super) fn request(
    parts: &Parts<'_>,
    paths: Paths,
    signed: &str,
    skip: Option<&str>,
    payload: &str,
) -> Result<(Vec<u8>, Covered), AuthError> {
    // Nearly always enough, and no more than the allocator has at hand.
    let mut out = Vec::with_capacity(512 + parts.path.len() + parts.query.len());
    out.extend_from_slice(parts.method.as_bytes());
    out.push(b'\n');
    path(&mut out, parts.path, paths);
    out.push(b'\n');
    query(&mut out, parts.query, skip)?;
    out.push(b'\n');
    let covered = headers(&mut out, parts.headers, signed);
    out.push(b'\n');
    out.extend_from_slice(signed.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Ok((out, covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str, paths: Paths) -> String {
        let mut out = Vec::new();
        path(&mut out, text, paths);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn s3_paths_are_escaped_once_and_kept() {
        for (sent, wanted) in [
            ("/a/../b//c/./", "/a/../b//c/./"),
            ("/a%20b+c$(d)", "/a%20b%2Bc%24%28d%29"),
            ("/%7euser/%c3%a9", "/~user/%C3%A9"),
            ("/100%", "/100%25"),
            ("", "/"),
        ] {
            assert_eq!(canonical(sent, Paths::Once), wanted);
        }
        assert_eq!(canonical("/a%2fb", Paths::Once), "/a/b");
        assert_eq!(canonical("/a%2fb", Paths::OnceKeepingSlashes), "/a%2Fb");
    }

    #[test]
    fn other_paths_are_normalised_and_escaped_again() {
        for (sent, wanted) in [
            ("/", "/"),
            ("", "/"),
            ("/a/./b/../c//d", "/a/c/d"),
            ("/../..", "/"),
            (
                "/2013-04-01/hostedzone/%2Fhostedzone%2FZ1",
                "/2013-04-01/hostedzone/%252Fhostedzone%252FZ1",
            ),
            ("/rrset/", "/rrset/"),
        ] {
            assert_eq!(canonical(sent, Paths::Twice), wanted);
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        let canonical = |text, skip| {
            let mut out = Vec::new();
            query(&mut out, text, skip).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(canonical("uploads", None), "uploads=");
        assert_eq!(canonical("b=2&a=%2F&a=+&&A=", None), "A=&a=%20&a=%2F&b=2");
        // Sent as they are signed, and not: both ways come to the same.
        for (sent, signed) in [
            ("b&a=%2F%3D~", "a=%2F%3D~&b="),
            ("a=%2f", "a=%2F"),
            ("a=%41", "a=A"),
            ("a=%C3%A9", "a=%C3%A9"),
            ("a=/", "a=%2F"),
            ("a=b=c", "a=b%3Dc"),
        ] {
            assert_eq!(canonical(sent, None), signed);
        }
        for bad in ["a=%", "a=%2", "a=%zz", "a=%ff"] {
            query(&mut Vec::new(), bad, None).unwrap_err();
        }
        assert_eq!(
            canonical("a=1&X-Amz-Signature=x", Some("X-Amz-Signature")),
            "a=1"
        );
    }

    #[test]
    fn header_values_are_trimmed_and_joined() {
        let sent: [(&str, &[u8]); 3] = [("A", b"  x   y "), ("b", b"1"), ("a", b"\"z  z\"")];
        let mut out = Vec::new();
        let covered = headers(&mut out, Headers(&sent), "a;absent;b");
        assert_eq!(
            covered,
            Covered {
                headers: 0b111,
                host: false
            }
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a:x y,\"z z\"\nabsent:\nb:1\n"
        );
    }
}
