//! The canonical request: the bytes that both sides must agree on.

use std::borrow::Cow;

use super::AuthError;
use crate::protocol::text::{hex_digit, pairs, percent_encode};
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
fn path(out: &mut String, path: &str, paths: Paths) {
    match paths {
        Paths::Once | Paths::OnceKeepingSlashes => {
            let bytes = if path.is_empty() {
                b"/"
            } else {
                path.as_bytes()
            };
            let mut at = 0;
            while let Some(&byte) = bytes.get(at) {
                let escaped = (byte == b'%')
                    .then(|| {
                        let high = hex_digit(*bytes.get(at + 1)?)?;
                        Some(high << 4 | hex_digit(*bytes.get(at + 2)?)?)
                    })
                    .flatten();
                match escaped {
                    Some(b'/') if paths == Paths::OnceKeepingSlashes => out.push_str("%2F"),
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
                out.push('/');
                percent_encode(out, segment.as_bytes(), false);
            }
            if kept.is_empty() || path.ends_with('/') {
                out.push('/');
            }
        }
    }
}

/// Appends the canonical query, without parameter `skip`.
pub(super) fn query(out: &mut String, text: &str, skip: Option<&str>) -> Result<(), AuthError> {
    if text.is_empty() {
        return Ok(());
    }
    let all =
        pairs(text, super::claim::MOST_PARAMETERS).map_err(|error| AuthError::MalformedQuery {
            reason: error.to_string(),
        })?;
    let mut encoded: Vec<(String, String)> = all
        .iter()
        .filter(|(name, _)| skip.is_none_or(|skip| skip != name))
        .map(|(name, value)| {
            let (mut n, mut v) = (String::new(), String::new());
            percent_encode(&mut n, name.as_bytes(), false);
            percent_encode(&mut v, value.as_bytes(), false);
            (n, v)
        })
        .collect();
    encoded.sort_unstable();
    for (at, (name, value)) in encoded.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    Ok(())
}

/// Appends a header's value: trimmed, runs of spaces one.
fn value(out: &mut String, bytes: &[u8]) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Both sides see the same bytes; Latin-1 keeps them apart.
        Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect::<String>()),
    };
    let text = text.trim_matches([' ', '\t']);
    if text.contains("  ") {
        let mut space = false;
        for c in text.chars() {
            if c != ' ' || !space {
                out.push(c);
            }
            space = c == ' ';
        }
    } else {
        out.push_str(text);
    }
}

/// Appends one canonical header line for each of the signed names.
pub(super) fn headers(out: &mut String, headers: Headers<'_>, signed: &str) {
    for name in signed.split(';') {
        out.push_str(name);
        out.push(':');
        let mut first = true;
        for (_, bytes) in headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            value(out, bytes);
        }
        out.push('\n');
    }
}

/// The canonical request.
pub(super) fn request(
    parts: &Parts<'_>,
    paths: Paths,
    signed: &str,
    skip: Option<&str>,
    payload: &str,
) -> Result<String, AuthError> {
    let mut out = String::with_capacity(512 + parts.path.len() + parts.query.len() * 2);
    out.push_str(parts.method);
    out.push('\n');
    path(&mut out, parts.path, paths);
    out.push('\n');
    query(&mut out, parts.query, skip)?;
    out.push('\n');
    headers(&mut out, parts.headers, signed);
    out.push('\n');
    out.push_str(signed);
    out.push('\n');
    out.push_str(payload);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str, paths: Paths) -> String {
        let mut out = String::new();
        path(&mut out, text, paths);
        out
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
            let mut out = String::new();
            query(&mut out, text, skip).unwrap();
            out
        };
        assert_eq!(canonical("uploads", None), "uploads=");
        assert_eq!(canonical("b=2&a=%2F&a=+&&A=", None), "A=&a=%20&a=%2F&b=2");
        assert_eq!(
            canonical("a=1&X-Amz-Signature=x", Some("X-Amz-Signature")),
            "a=1"
        );
    }

    #[test]
    fn header_values_are_trimmed_and_joined() {
        let sent: [(&str, &[u8]); 3] = [("A", b"  x   y "), ("b", b"1"), ("a", b"\"z  z\"")];
        let mut out = String::new();
        headers(&mut out, Headers(&sent), "a;absent;b");
        assert_eq!(out, "a:x y,\"z z\"\nabsent:\nb:1\n");
    }
}
