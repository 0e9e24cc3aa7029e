//! Copies whose two sides are kept in different places: read here and written there, piece by piece.
//!
//! The last piece is held back until length and checksum of what was read are known to be right, so that
//! neither side keeps half a copy.

use std::pin::Pin;

use adit_objects::{
    Attributes, BodyOptions, Checksum, ChecksumAlgorithm, Error, GetOptions, Object, PutOptions,
    Range, RunningChecksum, VersionId, WriteConditions,
};
use adit_upstream::{AnswerBody, Body, Feed, Payload};
use adit_wire::ErrorReply;
use adit_wire::time::iso8601;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;

use super::answer::{self, failed, strange};
use super::request::{Outgoing, escaped_all, tagging};
use crate::ask::{Ask, Uses, argument, no_such_bucket, stored_bucket};
use crate::copy_source::CopySource;
use crate::decide::may_know;
use crate::objects::{
    CONDITIONS, copied_conditions, customer, customer_key, etag_kind, passed_on, source_customer,
    store_error,
};
use crate::origins::Place;
use crate::upload::{CHECKSUM_HEADERS, checksum_differs, incomplete};

/// Largest object that one request copies.
const MOST: u64 = 5 << 30;

/// What a copy becomes.
#[derive(Debug)]
pub(crate) enum Becomes {
    /// An object.
    Object {
        /// What the request says is kept with it.
        attributes: Box<Attributes>,
        /// Whether headers and user metadata are the source's instead.
        keeps_metadata: bool,
        /// Whether the tags are.
        keeps_tags: bool,
        /// The checksum that is asked for.
        checksum: Option<ChecksumAlgorithm>,
        conditions: WriteConditions,
    },
    /// A part of an upload, from these bytes of the source.
    Part {
        upload: String,
        number: u32,
        range: Option<(u64, u64)>,
    },
}

/// A copy that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// Without quotes.
    pub(crate) etag: String,
    /// Milliseconds since the epoch.
    pub(crate) modified: i64,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) version: Option<String>,
    pub(crate) source_version: Option<String>,
    /// Whether the copy is sealed with a key of the place where it is kept.
    pub(crate) is_managed: bool,
}

/// Whether a copy's two sides are kept in different places.
///
/// # Errors
/// An origin that is not configured any more.
pub(crate) fn crosses(ask: &Ask<'_>, source: &CopySource) -> Result<bool, ErrorReply> {
    let (from, to) = (source_place(ask, source)?, super::place(ask)?);
    Ok(match (from, to) {
        (None, None) => false,
        (Some(from), Some(to)) => from.origin.name != to.origin.name,
        _ => true,
    })
}

fn source_place(ask: &Ask<'_>, source: &CopySource) -> Result<Option<Place>, ErrorReply> {
    match &source.view {
        Some(view) => ask.gateway.origins.find(view),
        None => Ok(None),
    }
}

/// Makes such a copy. Both sides were decided.
///
/// # Errors
/// Of either side.
pub(crate) async fn copy(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    source: &CopySource,
    becomes: Becomes,
) -> Result<Made, ErrorReply> {
    if ask.identity.pass.is_some() {
        // Their signature is for one of the two places only.
        return Err(super::other_origin());
    }
    let range = match &becomes {
        Becomes::Part { range, .. } => *range,
        Becomes::Object { .. } => None,
    };
    let mut read = match source_place(ask, source)? {
        None => kept_here(ask, uses, source, range).await?,
        Some(place) => {
            let tags = matches!(
                &becomes,
                Becomes::Object {
                    keeps_tags: true,
                    ..
                }
            );
            kept_there(ask, uses, source, &place, range, tags).await?
        }
    };
    if read.left > MOST {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {MOST}"
            ),
        ));
    }
    let source_version = read.version.take();
    let made = match super::place(ask)? {
        None => into_store(ask, read, becomes).await?,
        Some(place) => into_upstream(ask, read, becomes, &place).await?,
    };
    Ok(Made {
        source_version,
        ..made
    })
}

/// The source's bytes, and what is known of it.
struct Reading {
    content: Content,
    left: u64,
    attributes: Attributes,
    version: Option<String>,
    /// What the bytes must come to, while they are counted.
    expected: Option<(Checksum, RunningChecksum)>,
}

enum Content {
    Store(Box<adit_objects::Body>),
    Upstream(Box<AnswerBody>, Place),
}

impl Reading {
    /// The next bytes; none when all came that were announced.
    async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        let data = match &mut self.content {
            Content::Store(body) => body.next().await.transpose().map_err(store_error)?,
            Content::Upstream(body, place) => loop {
                let next = std::future::poll_fn(|cx| Pin::new(body.as_mut()).poll_frame(cx)).await;
                match next.transpose().map_err(|why| failed(place, &why))? {
                    None => break None,
                    Some(frame) => {
                        if let Ok(data) = frame.into_data() {
                            break Some(data);
                        }
                    }
                }
            },
        };
        let Some(data) = data else {
            return match self.left {
                0 => Ok(None),
                _ => Err(incomplete()),
            };
        };
        let len = data.len() as u64;
        self.left = self.left.checked_sub(len).ok_or_else(incomplete)?;
        if let Some((_, running)) = &mut self.expected {
            running.update(&data);
        }
        if self.left == 0
            && let Some((expected, running)) = self.expected.take()
            && running.finish() != expected
        {
            return Err(checksum_differs(expected.algorithm()));
        }
        Ok(Some(data))
    }
}

/// A source in the embedded store, which compares what it reads by itself.
async fn kept_here(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    source: &CopySource,
    range: Option<(u64, u64)>,
) -> Result<Reading, ErrorReply> {
    let view = source
        .view
        .as_ref()
        .ok_or_else(|| no_such_bucket(&source.bucket))?;
    let options = GetOptions {
        version: source.version.as_deref().map(VersionId::new),
        range: range.map(|(first, last)| Range::Between(first, last)),
        conditions: copied_conditions(ask),
        customer: customer_key(source_customer(ask)?.as_ref()),
        ..GetOptions::default()
    };
    let store = &ask.gateway.store;
    let object: Object = match store
        .get(&stored_bucket(&view.bucket), &source.key, &options)
        .await
    {
        Ok(object) => object,
        Err(why) => {
            if matches!(why, Error::NoSuchKey { .. } | Error::NoSuchVersion { .. }) {
                may_know(ask, view, uses.account)?;
            }
            return Err(match why {
                Error::NotModified { .. } => precondition(),
                Error::InvalidRange {
                    actual_object_size, ..
                } => outside(ask, actual_object_size),
                why => store_error(why),
            });
        }
    };
    within(ask, range, object.info().size)?;
    Ok(Reading {
        left: object.length(),
        attributes: object.info().attributes.clone(),
        version: object.version_id.as_ref().map(ToString::to_string),
        content: Content::Store(Box::new(object.body)),
        expected: None,
    })
}

/// A source at an upstream, asked with the checksum it may have.
async fn kept_there(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    source: &CopySource,
    place: &Place,
    range: Option<(u64, u64)>,
    tags: bool,
) -> Result<Reading, ErrorReply> {
    if !place.takes(&source.key) {
        let message = "Invalid copy source encoding.";
        return Err(argument("x-amz-copy-source", &source.key, message));
    }
    let query = source
        .version
        .as_deref()
        .map_or_else(String::new, |id| format!("versionId={}", escaped_all(id)));
    let mut outgoing = Outgoing::bare(ask, place, Method::GET, Some(&source.key), query);
    source_customer(ask)?;
    outgoing.headers = passed_on(ask, place, true)?;
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            outgoing
                .headers
                .insert(HeaderName::from_static(name), value);
        }
    };
    for name in CONDITIONS {
        if let Some(value) = ask.header(&format!("x-amz-copy-source-{name}")) {
            set(name, value);
        }
    }
    match range {
        Some((first, last)) => set("range", &format!("bytes={first}-{last}")),
        None => set("x-amz-checksum-mode", "ENABLED"),
    }
    let sent = outgoing.send(Bytes::new()).await?;
    match sent.status {
        status if status.is_success() => {}
        StatusCode::NOT_MODIFIED => return Err(precondition()),
        StatusCode::NOT_FOUND => {
            if let Some(view) = &source.view {
                may_know(ask, view, uses.account)?;
            }
            let message = "The specified key does not exist.";
            return Err(ErrorReply::new("NoSuchKey", 404, message).with("Key", &source.key));
        }
        _ => return Err(answer::refused(ask, place, sent).await),
    }
    let text = |name: &str| sent.headers.get(name).and_then(|value| value.to_str().ok());
    let length = text("content-length").and_then(|text| text.parse::<u64>().ok());
    let Some(left) = length else {
        return Err(strange(place, "it does not say how long an object is"));
    };
    if let Some((first, last)) = range {
        // An upstream that knows no ranges sends all of it.
        if sent.status != StatusCode::PARTIAL_CONTENT || left != last - first + 1 {
            let whole =
                text("content-range").and_then(|text| text.rsplit_once('/')?.1.parse().ok());
            return Err(outside(ask, whole.unwrap_or(left)));
        }
    }
    let expected = CHECKSUM_HEADERS.iter().find_map(|(name, algorithm)| {
        // Those of uploads in parts, `…-3`, are over the parts' own.
        let checksum = Checksum::from_base64(*algorithm, text(name).filter(|_| range.is_none())?)?;
        Some((checksum, RunningChecksum::new(*algorithm)))
    });
    let mut attributes = attributes(&sent.headers);
    let version = text("x-amz-version-id").map(str::to_owned);
    if tags {
        attributes.tags = super::tags(ask, place, &source.key, source.version.as_deref()).await;
    }
    Ok(Reading {
        content: Content::Upstream(Box::new(sent.body), place.clone()),
        left,
        attributes,
        version,
        expected,
    })
}

/// What an answer says is kept with an object.
fn attributes(headers: &HeaderMap) -> Attributes {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let mut made = Attributes::default();
    made.headers.content_type = text("content-type");
    made.headers.cache_control = text("cache-control");
    made.headers.content_disposition = text("content-disposition");
    made.headers.content_encoding = text("content-encoding");
    made.headers.content_language = text("content-language");
    made.headers.expires = text("expires");
    made.headers.website_redirect = text("x-amz-website-redirect-location");
    made.user = headers
        .keys()
        .filter_map(|name| {
            let short = name.as_str().strip_prefix("x-amz-meta-")?;
            Some((short.to_owned(), text(name.as_str())?))
        })
        .collect();
    made
}

/// The headers that make an upstream keep this with an object.
fn kept_headers(attributes: &Attributes, customer: HeaderMap) -> HeaderMap {
    let mut made = HeaderMap::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let (Ok(name), Some(Ok(value))) = (
            HeaderName::from_bytes(name.as_bytes()),
            value.map(HeaderValue::from_str),
        ) {
            made.insert(name, value);
        }
    };
    let kept = &attributes.headers;
    set("content-type", kept.content_type.as_deref());
    set("cache-control", kept.cache_control.as_deref());
    set("content-disposition", kept.content_disposition.as_deref());
    set("content-encoding", kept.content_encoding.as_deref());
    set("content-language", kept.content_language.as_deref());
    set("expires", kept.expires.as_deref());
    set(
        "x-amz-website-redirect-location",
        kept.website_redirect.as_deref(),
    );
    for (name, value) in &attributes.user {
        set(&format!("x-amz-meta-{name}"), Some(value));
    }
    let pairs = attributes.tags.iter().map(|(key, value)| (key, value));
    set("x-amz-tagging", tagging(pairs).as_deref());
    if attributes.storage_class != adit_objects::STANDARD {
        set("x-amz-storage-class", Some(&attributes.storage_class));
    }
    if let Some(retention) = attributes.lock.retention {
        let until = iso8601(retention.until.0, true);
        set("x-amz-object-lock-mode", Some(retention.mode.name()));
        set("x-amz-object-lock-retain-until-date", Some(&until));
    }
    if let Some(on) = attributes.lock.legal_hold {
        let state = if on { "ON" } else { "OFF" };
        set("x-amz-object-lock-legal-hold", Some(state));
    }
    if attributes.encryption.is_managed() && customer.is_empty() {
        set("x-amz-server-side-encryption", Some("AES256"));
    }
    made.extend(customer);
    made
}

/// The attributes of the copy.
fn merged(
    mut asked: Attributes,
    source: &mut Attributes,
    keeps_metadata: bool,
    keeps_tags: bool,
) -> Attributes {
    if keeps_metadata {
        asked.headers = std::mem::take(&mut source.headers);
        asked.user = std::mem::take(&mut source.user);
    }
    if keeps_tags {
        asked.tags = std::mem::take(&mut source.tags);
    }
    asked
}

async fn into_store(
    ask: &Ask<'_>,
    mut read: Reading,
    becomes: Becomes,
) -> Result<Made, ErrorReply> {
    let bucket = ask.stored()?;
    let store = &ask.gateway.store;
    let customer = customer(ask)?;
    let body = |checksum| BodyOptions {
        checksum,
        payload_sha256: false,
        etag: etag_kind(customer.as_ref(), ask.gateway.settings.etag),
        length: Some(read.left),
        customer: customer_key(customer.as_ref()),
    };
    let source_algorithm = read.expected.as_ref().map(|(sum, _)| sum.algorithm());
    match becomes {
        Becomes::Object {
            attributes,
            keeps_metadata,
            keeps_tags,
            checksum,
            conditions,
        } => {
            let body = body(checksum.or(source_algorithm));
            let encrypt = attributes.encryption.is_managed();
            let options = PutOptions {
                attributes: merged(
                    *attributes,
                    &mut read.attributes,
                    keeps_metadata,
                    keeps_tags,
                ),
                body,
                conditions,
            };
            let begun = store.begin_put(&bucket, ask.key(), options).await;
            let mut writer = begun.map_err(store_error)?;
            while let Some(data) = read.next().await? {
                writer.write(data).await.map_err(store_error)?;
            }
            let put = writer.finish(Default::default()).await;
            let put = put.map_err(store_error)?;
            Ok(Made {
                etag: put.etag,
                modified: put.last_modified.0,
                checksum: Some(put.checksum.value),
                version: put.version_id.map(|id| id.to_string()),
                source_version: None,
                is_managed: encrypt,
            })
        }
        Becomes::Part { upload, number, .. } => {
            let begun = store.begin_part(&bucket, ask.key(), &upload, number, body(None));
            let mut writer = begun.await.map_err(store_error)?;
            while let Some(data) = read.next().await? {
                writer.write(data).await.map_err(store_error)?;
            }
            let part = writer.finish(Default::default()).await;
            let part = part.map_err(store_error)?;
            Ok(Made {
                etag: part.etag,
                modified: part.last_modified.0,
                checksum: Some(part.checksum),
                version: None,
                source_version: None,
                is_managed: false,
            })
        }
    }
}

async fn into_upstream(
    ask: &Ask<'_>,
    mut read: Reading,
    becomes: Becomes,
    place: &Place,
) -> Result<Made, ErrorReply> {
    super::check_names(ask, place)?;
    let query = match &becomes {
        Becomes::Object { .. } => String::new(),
        Becomes::Part { upload, number, .. } => {
            format!("partNumber={number}&uploadId={}", escaped_all(upload))
        }
    };
    let mut outgoing = Outgoing::bare(ask, place, Method::PUT, Some(ask.key()), query);
    let customer = passed_on(ask, place, false)?;
    let brought = !customer.is_empty();
    if let Becomes::Object {
        attributes,
        keeps_metadata,
        keeps_tags,
        ..
    } = becomes
    {
        let all = merged(
            *attributes,
            &mut read.attributes,
            keeps_metadata,
            keeps_tags,
        );
        outgoing.headers = kept_headers(&all, customer);
        for name in ["if-match", "if-none-match"] {
            if let Some(Ok(value)) = ask.header(name).map(HeaderValue::from_str) {
                outgoing
                    .headers
                    .insert(HeaderName::from_static(name), value);
            }
        }
    } else {
        outgoing.headers = customer;
    }
    let sent = send(outgoing, read).await?;
    if !sent.status.is_success() {
        return Err(answer::refused(ask, place, sent).await);
    }
    if brought {
        answer::is_sealed(place, &sent.headers)?;
    }
    let text = |name: &str| sent.headers.get(name).and_then(|value| value.to_str().ok());
    let made = Made {
        etag: text("etag")
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned(),
        modified: ask.now.div_euclid(1000) * 1000,
        checksum: None,
        version: text("x-amz-version-id").map(str::to_owned),
        source_version: None,
        is_managed: text("x-amz-server-side-encryption").is_some(),
    };
    // The connection is good for more.
    let _ = sent.body.whole(super::MOST).await;
    Ok(made)
}

/// Sends a request with what is read as its body.
async fn send(
    outgoing: Outgoing<'_>,
    mut read: Reading,
) -> Result<adit_upstream::Answer, ErrorReply> {
    let place = outgoing.place();
    let upstream = &place.origin.upstream;
    let call = |body| upstream.call(outgoing.call(Payload::Unsigned, body));
    if read.left == 0 {
        while read.next().await?.is_some() {}
        return call(Body::empty()).await.map_err(|why| failed(place, &why));
    }
    let (feed, body) = Body::fed(Some(read.left));
    let mut sending = std::pin::pin!(call(body));
    let early = {
        let mut pumping = std::pin::pin!(pump(&mut read, feed));
        tokio::select! {
            answer = &mut sending => Some(answer),
            pumped = &mut pumping => {
                pumped?;
                None
            }
        }
    };
    let answer = match early {
        Some(answer) => answer,
        None => sending.await,
    };
    answer.map_err(|why| failed(place, &why))
}

/// Feeds all that is read. Where nobody takes it any more the answer tells why.
async fn pump(read: &mut Reading, feed: Feed) -> Result<(), ErrorReply> {
    while let Some(data) = read.next().await? {
        if feed.give(data).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn precondition() -> ErrorReply {
    ErrorReply::new(
        "PreconditionFailed",
        412,
        "At least one of the pre-conditions you specified did not hold",
    )
}

/// Refuses a range that ends beyond the source: a part would be shorter than was said.
fn within(ask: &Ask<'_>, range: Option<(u64, u64)>, size: u64) -> Result<(), ErrorReply> {
    match range {
        Some((_, last)) if last >= size => Err(outside(ask, size)),
        _ => Ok(()),
    }
}

fn outside(ask: &Ask<'_>, size: u64) -> ErrorReply {
    argument(
        "x-amz-copy-source-range",
        ask.header("x-amz-copy-source-range").unwrap_or_default(),
        &format!("Range specified is not valid for source object of size: {size}"),
    )
}
