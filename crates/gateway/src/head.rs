//! The head of a request: within limits, and with one meaning only.

use adit_wire::ErrorReply;
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{Method, Version};

/// A request's head and the host it names.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// As sent, with a port.
    pub(crate) host: &'a str,
    /// All header fields, for the codec. HTTP/2's authority stands as `host`.
    pub(crate) fields: Vec<(&'a str, &'a [u8])>,
}

/// Checks a head.
///
/// # Errors
/// As S3: too large, no host or several, a host that the request line contradicts, a body length that
/// is no number.
pub(crate) fn head<'a>(parts: &'a Parts, max: usize) -> Result<Head<'a>, ErrorReply> {
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let fields = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    if target + fields.sum::<usize>() > max {
        return Err(ErrorReply::new(
            "RequestHeaderSectionTooLarge",
            400,
            "Your request header section exceeds the maximum allowed request header section size.",
        )
        .with("MaxSizeAllowed", max.to_string()));
    }
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(ErrorReply::new(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        )
        .with("Method", parts.method.as_str()));
    }
    let host = host(parts)?;
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
        if !digits || lengths.next().is_some() {
            return Err(bad("The Content-Length header is not valid."));
        }
    }
    let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(parts.headers.len() + 1);
    if !parts.headers.contains_key(HOST) {
        fields.push(("host", host.as_bytes()));
    }
    fields.extend(
        parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    Ok(Head { host, fields })
}

/// The one host that a request names.
fn host(parts: &Parts) -> Result<&str, ErrorReply> {
    let mut named = parts.headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(bad("The request has more than one Host header."));
    }
    let header = match header.map(|value| value.to_str()) {
        Some(Err(_)) => return Err(bad("The Host header is not valid.")),
        Some(Ok(host)) => Some(host),
        None => None,
    };
    // HTTP/2 has an authority; HTTP/1 has one when the request line is in absolute form.
    let authority = parts.uri.authority();
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("The request target is not valid."));
    }
    let authority = authority.map(|authority| authority.as_str());
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => Err(bad(
            "The Host header and the request target name different hosts.",
        )),
        (Some(header), Some(_)) if parts.version <= Version::HTTP_11 && !is_plain(parts) => {
            let _ = header;
            Err(bad("The request target is not valid."))
        }
        (Some(host), _) | (None, Some(host)) if !host.is_empty() => Ok(host),
        _ => Err(bad("The request names no host.")),
    }
}

/// An absolute request target must be one of HTTP.
fn is_plain(parts: &Parts) -> bool {
    parts
        .uri
        .scheme_str()
        .is_none_or(|scheme| matches!(scheme, "http" | "https"))
}

fn bad(message: &str) -> ErrorReply {
    ErrorReply::new("InvalidRequest", 400, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<String, String> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        head(&parts, 1000)
            .map(|head| head.host.to_owned())
            .map_err(|why| format!("{}: {}", why.code, why.message))
    }

    #[test]
    fn a_request_names_one_host() {
        assert_eq!(check("/k", &[("host", "a:80")]).unwrap(), "a:80");
        assert_eq!(check("http://a/k", &[("host", "A")]).unwrap(), "A");
        assert_eq!(check("http://a/k", &[]).unwrap(), "a");
        for (uri, headers) in [
            ("/k", vec![]),
            ("/k", vec![("host", "a"), ("host", "a")]),
            ("/k", vec![("host", "a"), ("host", "b")]),
            ("http://b/k", vec![("host", "a")]),
            ("http://u@a/k", vec![("host", "u@a")]),
            ("ftp://a/k", vec![("host", "a")]),
        ] {
            assert!(
                check(uri, &headers)
                    .unwrap_err()
                    .starts_with("InvalidRequest"),
                "{uri} {headers:?}"
            );
        }
    }

    #[test]
    fn lengths_and_sizes() {
        let with = |name, value| check("/k", &[("host", "a"), (name, value)]);
        with("content-length", "0").unwrap();
        for bad in ["-1", "+1", "1,1", "0x1", ""] {
            with("content-length", bad).unwrap_err();
        }
        // S3 takes any expectation, and meets one.
        for expectation in ["100-Continue", "tea", ""] {
            with("expect", expectation).unwrap();
        }
        let long = "x".repeat(1000);
        assert!(
            with("x-long", &long)
                .unwrap_err()
                .starts_with("RequestHeaderSectionTooLarge")
        );
        assert!(
            check(&format!("/{long}"), &[("host", "a")])
                .unwrap_err()
                .contains("TooLarge")
        );
    }
}
