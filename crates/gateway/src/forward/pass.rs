//! Pass-through: clients keep the upstream's own credentials, so their requests go out as they came.
//!
//! Adit cannot verify such a signature; the upstream does, before it does anything. Until then the access
//! key id is a claim. So these requests may do nothing but what the upstream is asked to do with exactly
//! the bytes that were decided on, and the operator's map says whose rights count for which key.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use adit_upstream::{Answer, Body, UpstreamError};
use adit_wire::{ErrorReply, s3};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;

use super::request::{decoded, is_of_signer};
use super::{answer, body, check_names, place};
use crate::ask::{Ask, Uses, argument};
use crate::copy_source::CopySource;
use crate::decide::may_know;
use crate::origins::{Origin, Place};
use crate::reply::Reply;

/// What a request that passes through carries besides its meaning.
pub(crate) struct Pass {
    /// The upstream that knows the key.
    pub(crate) origin: Arc<Origin>,
    /// The headers as they came.
    pub(crate) headers: HeaderMap,
}

impl fmt::Debug for Pass {
    /// Without the headers, which hold a signature and perhaps a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({})", self.origin.name)
    }
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
    let same = kept.filter(|place| place.bucket == bucket && place.prefix.is_empty());
    let (Some(here), None) = (same, &ask.place.access_point) else {
        return Err(denied("This access key is not known here."));
    };
    check_names(ask, &here)?;
    if let Some(name) = unexplained(ask)? {
        return Err(argument(
            &name,
            "",
            "The parameter is not this operation's.",
        ));
    }
    if ask.op.name().contains("Copy") {
        let text = ask.header("x-amz-copy-source").unwrap_or_default();
        let source = CopySource::parse(text, ask.snapshot)?;
        let from = match &source.view {
            Some(view) => ask.gateway.origins.find(view)?,
            None => None,
        };
        let here = from.filter(|from| from.origin.name == pass.origin.name);
        if here.is_none_or(|from| !from.takes(&source.key)) {
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

/// A query parameter that the upstream may know and the operation that was decided does not, or that stands
/// there twice.
fn unexplained(ask: &Ask<'_>) -> Result<Option<String>, ErrorReply> {
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    for pair in ask.wire.query.split('&').filter(|pair| !pair.is_empty()) {
        let name = decoded(pair.split_once('=').map_or(pair, |(name, _)| name))?;
        if names.contains(&name) || !(s3::explains(ask.op, &name) || is_of_signer(&name)) {
            return Ok(Some(name.into_owned()));
        }
        names.push(name);
    }
    Ok(None)
}

/// Refuses a list of keys that are deleted as the client signed it, if the storage may read one otherwise.
///
/// # Errors
/// `InvalidURI`
pub(crate) fn check_keys<'k>(
    ask: &Ask<'_>,
    mut keys: impl Iterator<Item = &'k str>,
) -> Result<(), ErrorReply> {
    let place = place(ask)?;
    let strange = keys.find(|key| place.as_ref().is_none_or(|place| !place.takes(key)));
    match strange {
        Some(key) => Err(super::bad_key(key)),
        None => Ok(()),
    }
}

/// Whether the upstream finds the same bucket and key in path and host.
fn reads_the_same(ask: &Ask<'_>, bucket: &str, virtual_hosted: bool) -> bool {
    let key = ask.key();
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
