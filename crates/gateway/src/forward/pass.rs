//! Pass-through: clients keep the upstream's own credentials, so their requests go out as they came.
//!
//! Adit cannot verify such a signature; the upstream does, before it does anything. Until then the access
//! key id is a claim. So these requests may do nothing but what the upstream is asked to do with exactly
//! the bytes that were decided on, and the operator's map says whose rights count for which key.

use std::sync::Arc;

use adit_upstream::{Answer, Body, UpstreamError};
use adit_wire::ErrorReply;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;

use super::{answer, body, place};
use crate::ask::{Ask, Uses};
use crate::copy_source::CopySource;
use crate::decide::may_know;
use crate::origins::{Origin, Place, has_dots};
use crate::reply::Reply;

/// What a request that passes through carries besides its meaning.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The upstream that knows the key.
    pub(crate) origin: Arc<Origin>,
    /// The headers as they came.
    pub(crate) headers: HeaderMap,
}

/// Operations that pass: those that the upstream answers, and nobody else.
const PASSED: [&str; 19] = [
    "GetObject",
    "HeadObject",
    "PutObject",
    "UploadPart",
    "CopyObject",
    "UploadPartCopy",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "DeleteObject",
    "DeleteObjects",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
];

/// Headers that concern one connection only.
const HOPS: [&str; 8] = [
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Refuses what must not pass, before anything is decided or read.
///
/// # Errors
/// `AccessDenied`: operations that Adit itself would answer, buckets that are elsewhere or named otherwise
/// there, and addresses that the upstream would read differently.
pub(crate) fn check(ask: &Ask<'_>) -> Result<(), ErrorReply> {
    let Some(pass) = &ask.identity.pass else {
        return Ok(());
    };
    let denied = |why: &str| ErrorReply::new("AccessDenied", 403, why);
    if !PASSED.contains(&ask.op.name()) {
        return Err(denied(
            "This access key is known to the bucket's storage only.",
        ));
    }
    let bucket = ask.bucket_name();
    let kept = place(ask)?.filter(|place| place.origin.name == pass.origin.name);
    let same = kept.is_some_and(|place| place.bucket == bucket && place.prefix.is_empty());
    if !same || ask.place.access_point.is_some() {
        return Err(denied("This access key is not known here."));
    }
    if ask.op.name().contains("Copy") {
        let text = ask.header("x-amz-copy-source").unwrap_or_default();
        let source = CopySource::parse(text, ask.snapshot)?;
        let from = match &source.view {
            Some(view) => ask.gateway.origins.find(view)?,
            None => None,
        };
        if from.is_none_or(|from| from.origin.name != pass.origin.name) || has_dots(&source.key) {
            return Err(denied("The source is not kept by the same storage."));
        }
    }
    match reads_the_same(ask, &bucket, pass.origin.virtual_hosted) {
        true => Ok(()),
        false => Err(denied(
            "The bucket is not addressed as its storage reads it.",
        )),
    }
}

/// Whether the upstream finds the same bucket and key in path and host.
fn reads_the_same(ask: &Ask<'_>, bucket: &str, virtual_hosted: bool) -> bool {
    let key = ask.key();
    if has_dots(key) {
        return false;
    }
    let Ok(path) = percent_decode_str(ask.wire.path).decode_utf8() else {
        return false;
    };
    let host = ask.wire.headers.get("host").unwrap_or_default();
    match virtual_hosted {
        true => {
            let named = host.strip_prefix(bucket);
            named.is_some_and(|rest| rest.starts_with('.')) && path.strip_prefix('/') == Some(key)
        }
        false => {
            let rest = path
                .strip_prefix('/')
                .and_then(|path| path.strip_prefix(bucket));
            match rest {
                Some("") => key.is_empty(),
                Some(rest) => rest.strip_prefix('/') == Some(key),
                None => false,
            }
        }
    }
}

/// Asks the upstream with the request as it came, once it was decided.
pub(super) async fn run(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    place: &Place,
    pass: &Pass,
    body: Option<Bytes>,
) -> Result<Reply, ErrorReply> {
    let upstream = &place.origin.upstream;
    let streams = matches!(ask.op.name(), "PutObject" | "UploadPart");
    let answer = match body {
        None if streams => {
            let send = |body| async move {
                let request = request(ask, pass, body)?;
                upstream.send(request).await
            };
            let length = uses.upload.length();
            body::through(uses.upload, length, place, send).await?
        }
        body => {
            let body = body.unwrap_or_default();
            let request = request(ask, pass, Body::bytes(body));
            let request = request.map_err(|why| answer::failed(place, &why))?;
            let sent = upstream.send(request).await;
            sent.map_err(|why| answer::failed(place, &why))?
        }
    };
    told(ask, uses, place, answer).await
}

async fn told(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    place: &Place,
    answer: Answer,
) -> Result<Reply, ErrorReply> {
    if answer.status.is_success() || answer.status == http::StatusCode::NOT_MODIFIED {
        return Ok(answer::object(answer, ask.op.name() == "HeadObject"));
    }
    let why = answer::refused(ask, place, answer).await;
    if matches!(why.code.as_ref(), "NoSuchKey" | "NoSuchVersion")
        && let Some(view) = &ask.place.bucket
    {
        may_know(ask, view, uses.account)?;
    }
    Err(why)
}

fn request(ask: &Ask<'_>, pass: &Pass, body: Body) -> Result<Request<Body>, UpstreamError> {
    let target = match ask.wire.query {
        "" => ask.wire.path.to_owned(),
        query => format!("{}?{query}", ask.wire.path),
    };
    let method = Method::from_bytes(ask.wire.method.as_bytes()).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .map_err(UpstreamError::Request)?;
    let headers = request.headers_mut();
    for (name, value) in &pass.headers {
        if !is_of_this_hop(name, &pass.headers) {
            headers.append(name.clone(), value.clone());
        }
    }
    // HTTP/2 has the host elsewhere; the signature covers it all the same.
    if let (false, Some(host)) = (headers.contains_key(HOST), ask.wire.headers.get("host"))
        && let Ok(value) = HeaderValue::from_str(host)
    {
        headers.insert(HOST, value);
    }
    Ok(request)
}

/// Whether a header ends here: the known ones, the length (which the body gives), and what `Connection`
/// names.
fn is_of_this_hop(name: &HeaderName, headers: &HeaderMap) -> bool {
    let text = name.as_str();
    let named = headers.get_all(CONNECTION).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value
            .split(',')
            .any(|token| token.trim().eq_ignore_ascii_case(text))
    });
    *name == CONNECTION
        || *name == EXPECT
        || *name == CONTENT_LENGTH
        || HOPS.contains(&text)
        // What a signature covers cannot be dropped by naming it so.
        || (named && !text.starts_with("x-amz-") && *name != HOST)
}
