//! GetObject and HeadObject.

use adit_objects::{Error, GetOptions, Object, Range, VersionId};
use adit_policy::actions::Facts;
use adit_wire::ErrorReply;
use http::StatusCode;
use http::header::{self, HeaderName};

use super::customer::{self, Customer};
use super::errors::reply as store_error;
use super::{headers, lock};
use crate::acl;
use crate::ask::{Ask, Uses};
use crate::decide::{self, Said, asks_existing_tags, may_know};
use crate::forward;
use crate::lifecycle;
use crate::reply::{Reply, ReplyBody};

/// Query parameters that replace headers of the answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", header::CONTENT_TYPE),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-expires", header::EXPIRES),
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
];

/// Those that a request can have: nearly none has any.
fn overrides(ask: &Ask<'_>) -> impl Iterator<Item = (&'static str, HeaderName)> {
    let any = ask.wire.query.contains("response-");
    OVERRIDES.into_iter().filter(move |_| any)
}

pub(super) async fn get(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    body: bool,
) -> Result<Reply, ErrorReply> {
    let version = ask.version()?;
    authorise(ask, uses, version.as_ref()).await?;
    if !ask.identity.is_signed() {
        for (parameter, _) in overrides(ask) {
            if ask.query(parameter)?.is_some() {
                return Err(ErrorReply::new(
                    "InvalidRequest",
                    400,
                    "Request specific response headers cannot be used for anonymous GET requests.",
                ));
            }
        }
    }
    let customer = customer::of(ask)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let options = GetOptions {
        version,
        range: ask.header("range").and_then(parse_range),
        part: ask.query_number("partNumber")?,
        conditions: headers::read_conditions(ask, headers::CONDITIONS),
        customer: customer::key(customer.as_ref()),
    };
    if options.range.is_some() && options.part.is_some() {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    let found = match body {
        true => ask.gateway.store.get(&bucket, ask.key(), &options).await,
        false => ask.gateway.store.head(&bucket, ask.key(), &options).await,
    };
    match found {
        Ok(object) => shown(ask, object, &options, customer.as_ref(), body),
        Err(why) => missing(ask, uses, why),
    }
}

async fn authorise(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    version: Option<&VersionId>,
) -> Result<(), ErrorReply> {
    let view = ask.bucket()?;
    let existing = match asks_existing_tags(ask, Some(view)) {
        true => existing_tags(ask, version).await,
        false => Vec::new(),
    };
    let said = Said {
        existing: &existing,
        subject: acl::look(ask, view, ask.key(), version).await,
        ..Said::default()
    };
    let facts = Facts {
        version_id: version.is_some(),
        ..Facts::default()
    };
    decide::all(ask, &said, &facts, uses.account)
}

/// The tags of the object that is asked for; none when there is no such object.
pub(super) async fn existing_tags(ask: &Ask<'_>, version: Option<&VersionId>) -> decide::Pairs {
    if let Ok(Some(place)) = forward::place(ask) {
        let version = version.map(VersionId::as_str);
        return forward::tags(ask, &place, ask.key(), version).await;
    }
    let Ok(bucket) = ask.stored() else {
        return Vec::new();
    };
    match ask.gateway.store.tags(&bucket, ask.key(), version).await {
        Ok((tags, _)) => tags,
        Err(_) => Vec::new(),
    }
}

/// Whether the caller may read the tags: only then it is told how many there are.
fn may_count_tags(ask: &Ask<'_>, options: &GetOptions, tags: &decide::Pairs) -> bool {
    let said = Said {
        existing: tags,
        ..Said::default()
    };
    let action = match options.version {
        Some(_) => "s3:GetObjectVersionTagging",
        None => "s3:GetObjectTagging",
    };
    decide::quietly(ask, &said, action)
}

/// An error about something that is not there: told only to those who may list the bucket.
pub(super) fn missing<T>(ask: &Ask<'_>, uses: &mut Uses<'_>, why: Error) -> Result<T, ErrorReply> {
    if matches!(why, Error::NoSuchKey { .. } | Error::NoSuchVersion { .. }) {
        may_know(ask, ask.bucket()?, uses.account)?;
    }
    let marker = matches!(why, Error::MethodNotAllowed { .. });
    let error = store_error(why);
    Err(match marker {
        true => error.with("Method", ask.wire.method),
        false => error,
    })
}

fn shown(
    ask: &Ask<'_>,
    object: Object,
    options: &GetOptions,
    customer: Option<&Customer>,
    body: bool,
) -> Result<Reply, ErrorReply> {
    let info = object.info();
    let mut reply = Reply::new(StatusCode::OK);
    headers::object(&mut reply, &object, customer);
    if options.version.is_none() {
        // Rules about current objects say nothing of a version.
        lifecycle::tell(&mut reply, &ask.bucket()?.settings, info);
    }
    let length = match object.partial {
        Some((first, count)) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            let last = (first + count).saturating_sub(1);
            reply.set(
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{}", info.size),
            );
            count
        }
        None => info.size,
    };
    reply.headers.insert(header::CONTENT_LENGTH, length.into());
    if let (Some(parts), Some(_)) = (info.parts, options.part) {
        reply.set(
            HeaderName::from_static("x-amz-mp-parts-count"),
            parts.to_string(),
        );
    }
    if !info.attributes.tags.is_empty() && may_count_tags(ask, options, &info.attributes.tags) {
        let count = info.attributes.tags.len();
        reply.set(
            HeaderName::from_static("x-amz-tagging-count"),
            count.to_string(),
        );
    }
    if !info.attributes.lock.is_empty() {
        let attributes = &info.attributes;
        lock::show(ask, &mut reply, &attributes.lock, &attributes.tags);
    }
    // A checksum of the whole says nothing about a piece.
    let wanted = ask
        .header("x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    if wanted && (object.partial.is_none() || length == info.size) {
        headers::checksum(&mut reply, &info.checksum);
    }
    for (parameter, name) in overrides(ask) {
        let Some(value) = ask.query(parameter)? else {
            continue;
        };
        reply.set(name, value.as_bytes());
    }
    if body {
        reply.body = ReplyBody::object(object.body);
    }
    Ok(reply)
}

/// One range; several, or what is none, is as if there were no header (RFC 9110 §14.2).
fn parse_range(text: &str) -> Option<Range> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond all sizes is as good as the largest.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Range::Last),
        (first, "") => number(first).map(Range::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range::Between(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, range) in [
            ("bytes=0-9", Some(Range::Between(0, 9))),
            ("bytes=5-", Some(Range::From(5))),
            ("Bytes = -3", Some(Range::Last(3))),
            (
                "bytes=0-99999999999999999999999",
                Some(Range::Between(0, u64::MAX)),
            ),
            ("bytes=9-0", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
            ("", None),
        ] {
            assert_eq!(parse_range(text), range, "{text}");
        }
    }
}
