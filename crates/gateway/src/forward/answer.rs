//! What an upstream said, as Adit tells it.

use adit_upstream::{Answer, UpstreamError};
use adit_wire::ErrorReply;
use adit_wire::xml::{self, Element};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};

use super::MOST;
use crate::ask::Ask;
use crate::objects::Encoding;
use crate::origins::{Place, unavailable};
use crate::reply::{Reply, ReplyBody};

/// Headers of an answer that clients get, besides `x-amz-`.
const KEPT: [&str; 13] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "last-modified",
    "retry-after",
    "allow",
];

/// What `x-amz-` headers say of the upstream itself.
const OWN: [&str; 6] = [
    "x-amz-request-id",
    "x-amz-id-2",
    "x-amz-bucket-region",
    "x-amz-bucket-arn",
    "x-amz-access-point-alias",
    "x-amz-request-charged",
];

/// Most bytes of an error.
const MOST_ERROR: usize = 64 << 10;

/// No answer: logged with its cause, told without.
pub(super) fn failed(place: &Place, why: &UpstreamError) -> ErrorReply {
    tracing::warn!(origin = %place.origin.name, %why, "an upstream did not answer");
    unavailable()
}

/// The headers that a client gets.
fn headers(mut answer: HeaderMap) -> HeaderMap {
    let is_kept = |name: &HeaderName| {
        let text = name.as_str();
        KEPT.contains(&text) || (text.starts_with("x-amz-") && !OWN.contains(&text))
    };
    let others = answer.keys().filter(|name| !is_kept(name));
    let others: Vec<HeaderName> = others.cloned().collect();
    for name in &others {
        answer.remove(name);
    }
    answer
}

/// An object, as it comes.
pub(super) fn object(answer: Answer, head: bool) -> Reply {
    let mut reply = Reply::new(answer.status);
    reply.headers = headers(answer.headers);
    if !head && answer.status != StatusCode::NOT_MODIFIED {
        reply.body = ReplyBody::upstream(answer.body);
    }
    reply
}

/// A document, with Adit's names in it.
pub(super) async fn document(
    ask: &Ask<'_>,
    place: &Place,
    answer: Answer,
    encoding: Encoding,
) -> Result<Reply, ErrorReply> {
    let mut reply = Reply::new(answer.status);
    reply.headers = headers(answer.headers);
    reply.headers.remove(CONTENT_LENGTH);
    let body = answer.body.whole(MOST).await;
    let body = body.map_err(|why| failed(place, &why))?;
    if body.is_empty() {
        reply.headers.remove(CONTENT_TYPE);
        return Ok(reply);
    }
    let Ok(mut tree) = xml::parse(&body) else {
        return Err(strange(place, "its answer is no XML"));
    };
    // Long operations may begin with 200 and fail afterwards.
    if tree.name == "Error" {
        let status = match tree.get("Code") {
            Some("InternalError" | "ServiceUnavailable" | "SlowDown") | None => 503,
            Some(_) => 400,
        };
        return Err(told(ask, place, status, &tree));
    }
    rename(ask, place, &mut tree, encoding);
    reply.set(CONTENT_TYPE, "application/xml");
    reply.body = ReplyBody::bytes(tree.document());
    Ok(reply)
}

/// Puts Adit's bucket and keys into a document.
fn rename(ask: &Ask<'_>, place: &Place, root: &mut Element, encoding: Encoding) {
    if ask.op.name().contains("Tagging") {
        return;
    }
    own(root, &ask.owner().unwrap_or_default());
    let bucket = ask.bucket_name();
    for child in &mut root.children {
        match child.name.as_str() {
            "Name" | "Bucket" => child.text = bucket.clone().into_owned(),
            "Location" => {
                let scheme = if ask.connection.tls.is_some() {
                    "https"
                } else {
                    "http"
                };
                let host = ask.wire.headers.get("host").unwrap_or_default();
                child.text = format!("{scheme}://{host}{}", ask.wire.path);
            }
            _ => {}
        }
    }
    if !place.prefix.is_empty() {
        shorten(root, &place.prefix, encoding);
    }
}

/// Makes the bucket's owner the owner of everything, whoever the upstream thinks it is.
fn own(element: &mut Element, owner: &str) {
    for child in &mut element.children {
        if matches!(child.name.as_str(), "Owner" | "Initiator") {
            child.children = vec![Element::new("ID", owner)];
        } else {
            own(child, owner);
        }
    }
}

/// Takes the origin's prefix off every key.
fn shorten(element: &mut Element, prefix: &str, encoding: Encoding) {
    const KEYS: [&str; 7] = [
        "Key",
        "Prefix",
        "Marker",
        "NextMarker",
        "KeyMarker",
        "NextKeyMarker",
        "StartAfter",
    ];
    for child in &mut element.children {
        if child.children.is_empty() && KEYS.contains(&child.name.as_str()) {
            let key = encoding.read(&child.text);
            if let Some(rest) = key.strip_prefix(prefix) {
                child.text = encoding.text(rest);
            }
        } else {
            shorten(child, prefix, encoding);
        }
    }
}

/// An upstream's error, for a client of Adit.
pub(super) async fn refused(ask: &Ask<'_>, place: &Place, answer: Answer) -> ErrorReply {
    let status = answer.status.as_u16();
    let kept = headers(answer.headers);
    let body = answer.body.whole(MOST_ERROR).await.unwrap_or_default();
    let tree = xml::parse(&body).ok().filter(|tree| tree.name == "Error");
    let mut error = match (tree, status) {
        (Some(tree), _) => told(ask, place, status, &tree),
        (None, 404) if ask.key().is_empty() => error("NoSuchBucket", 404, ask),
        (None, 404) => error("NoSuchKey", 404, ask),
        (None, 403) => error("AccessDenied", 403, ask),
        (None, 412) => error("PreconditionFailed", 412, ask),
        (None, 416) => error("InvalidRange", 416, ask),
        (None, 429 | 503) => error("SlowDown", 503, ask),
        (None, 400..=499) => error("InvalidRequest", status, ask),
        (None, _) => strange(place, &format!("it answered {status}")),
    };
    for name in [
        "x-amz-delete-marker",
        "x-amz-version-id",
        "last-modified",
        "content-range",
        "retry-after",
        "allow",
    ] {
        if let Some(value) = kept.get(name).and_then(|value| value.to_str().ok()) {
            error.headers.push((name.into(), value.to_owned()));
        }
    }
    error
}

fn error(code: &'static str, status: u16, ask: &Ask<'_>) -> ErrorReply {
    let made = |message: &str| ErrorReply::new(code, status, message);
    match code {
        "NoSuchBucket" => made("The specified bucket does not exist")
            .with("BucketName", ask.bucket_name().into_owned()),
        "NoSuchKey" => made("The specified key does not exist.").with("Key", ask.key()),
        "AccessDenied" => made("Access Denied"),
        "PreconditionFailed" => {
            made("At least one of the pre-conditions you specified did not hold")
        }
        "InvalidRange" => made("The requested range is not satisfiable"),
        "SlowDown" => made("Please reduce your request rate."),
        _ => made("The request is not valid."),
    }
}

/// An error document, with Adit's names and without what only the upstream's operator should see.
fn told(ask: &Ask<'_>, place: &Place, status: u16, tree: &Element) -> ErrorReply {
    let code = tree.get("Code").unwrap_or("InternalError").to_owned();
    match code.as_str() {
        // The client's own credentials at the upstream.
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "RequestTimeTooSkewed"
        | "ExpiredToken"
            if ask.identity.pass.is_some() =>
        {
            let message = tree.get("Message").unwrap_or_default().to_owned();
            return ErrorReply::new(code, status, message);
        }
        // About Adit's own credentials or configuration: nothing that the client did.
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthorizationHeaderMalformed"
        | "AuthorizationQueryParametersError"
        | "RequestTimeTooSkewed"
        | "InvalidToken"
        | "ExpiredToken"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "IncorrectEndpoint" => {
            return strange(place, &format!("it answered {code}"));
        }
        "NoSuchBucket" => return error("NoSuchBucket", 404, ask),
        "AccessDenied" => return error("AccessDenied", 403, ask),
        _ => {}
    }
    let message = tree.get("Message").unwrap_or_default().to_owned();
    let mut made = ErrorReply::new(code, status, message);
    for child in &tree.children {
        let value = match child.name.as_str() {
            "Code" | "Message" | "RequestId" | "HostId" | "Resource" | "Endpoint" | "Region" => {
                continue;
            }
            "Bucket" | "BucketName" => ask.bucket_name().into_owned(),
            "Key" => match child.text.strip_prefix(&place.prefix) {
                Some(key) => key.to_owned(),
                None => ask.key().to_owned(),
            },
            _ if child.children.is_empty() => child.text.clone(),
            _ => continue,
        };
        made.fields.push((child.name.clone().into(), value));
    }
    made
}

/// Makes sure that an upstream which took a customer's key has used it: one that knows nothing of such keys
/// keeps the object for everybody to read.
///
/// # Errors
/// `NotImplemented`
pub(super) fn is_sealed(place: &Place, headers: &HeaderMap) -> Result<(), ErrorReply> {
    if headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
        return Ok(());
    }
    tracing::debug!(origin = %place.origin.name, "an upstream does not say that it used a customer's key");
    Err(ErrorReply::new(
        "NotImplemented",
        501,
        "The storage of this bucket does not say that it used the customer provided key. What was written may be kept unsealed.",
    ))
}

/// Something that only the operator can mend.
pub(super) fn strange(place: &Place, what: &str) -> ErrorReply {
    tracing::error!(origin = %place.origin.name, "an upstream cannot be used: {what}");
    ErrorReply::new(
        "InternalError",
        500,
        "We encountered an internal error. Please try again.",
    )
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_known_headers_come_back() {
        let mut sent = HeaderMap::new();
        for name in [
            "etag",
            "x-amz-meta-a",
            "x-amz-request-id",
            "server",
            "set-cookie",
            "access-control-allow-origin",
            "x-amz-version-id",
            "connection",
        ] {
            sent.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let kept = headers(sent);
        let mut names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["etag", "x-amz-meta-a", "x-amz-version-id"]);
    }

    #[test]
    fn keys_lose_the_prefix_in_both_encodings() {
        let text =
            "<R><Prefix>p%2Fa</Prefix><C><Key>p/a+b</Key></C><P><Prefix>p/d/</Prefix></P></R>";
        let mut tree = xml::parse(text.as_bytes()).unwrap();
        shorten(&mut tree, "p/", Encoding::Url);
        assert_eq!(tree.get("Prefix"), Some("a"));
        assert_eq!(tree.child("C").unwrap().get("Key"), Some("a+b"));
        assert_eq!(tree.child("P").unwrap().get("Prefix"), Some("d/"));
    }
}
