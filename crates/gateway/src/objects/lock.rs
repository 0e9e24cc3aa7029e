//! Object Lock: what requests say of it, what answers and policies are told, and the operations that ask
//! for it and change it. What a lock does is the store's.

use adit_objects::{Lock, LockMode, Retention, UnixMillis};
use adit_policy::actions::Facts;
use adit_policy::{Context, Value as Fact, keys};
use adit_wire::time::{iso8601, parse_iso8601};
use adit_wire::{ErrorReply, Value, map};
use bytes::Bytes;
use http::header::HeaderName;

use super::delete::bypass;
use super::read;
use crate::acl;
use crate::ask::{Ask, Uses, argument, stored_bucket};
use crate::decide::{self, Pairs, Said, asks_existing_tags, malformed};
use crate::forward;
use crate::reply::Reply;
use crate::upload::Upload;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";

/// Most bytes of a document about a lock.
const MAX_DOCUMENT: usize = 16 << 10;
const DAY: i64 = 24 * 3600 * 1000;

/// The lock that the headers of a write give to the object.
///
/// # Errors
/// Half a retention; values that are none.
pub(super) fn of_headers(ask: &Ask<'_>) -> Result<Lock, ErrorReply> {
    let retention = match (ask.header(MODE), ask.header(UNTIL)) {
        (None, None) => None,
        (Some(mode), Some(until)) => Some(Retention {
            mode: LockMode::parse(mode)
                .ok_or_else(|| argument(MODE, mode, "Unknown wormMode directive."))?,
            until: parse_iso8601(until).map(UnixMillis).ok_or_else(|| {
                argument(
                    UNTIL,
                    until,
                    "The retain until date must be provided in ISO 8601 format",
                )
            })?,
        }),
        (mode, until) => {
            let missing = if mode.is_none() { MODE } else { UNTIL };
            return Err(argument(
                missing,
                mode.or(until).unwrap_or_default(),
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ));
        }
    };
    let legal_hold = match ask.header(HOLD) {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(other) => {
            return Err(argument(
                HOLD,
                other,
                "Legal Hold must be either of 'ON' or 'OFF'",
            ));
        }
    };
    Ok(Lock {
        retention,
        legal_hold,
    })
}

/// Refuses a body that nothing but its length vouches for, where it could not be put right afterwards.
///
/// # Errors
/// `InvalidRequest`
pub(super) fn check_vouched(upload: &Upload, locks: bool, what: &str) -> Result<(), ErrorReply> {
    if !locks || upload.declared().any() {
        return Ok(());
    }
    Err(ErrorReply::new(
        "InvalidRequest",
        400,
        format!(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for {what} requests with Object Lock parameters"
        ),
    ))
}

/// Sets the keys of the lock that a request gives. A write that does not say takes the bucket's default: of
/// it policies are told, too.
pub(crate) fn lock_keys(context: &mut Context<'_>, ask: &Ask<'_>, said: &Said<'_>, creates: bool) {
    let now = UnixMillis(ask.now);
    let retention = match said.lock {
        Some(lock) => lock.retention,
        // Half a retention, or one that cannot be read, is refused before it can matter.
        None if creates && ask.wire.headers.has(MODE) => {
            of_headers(ask).ok().and_then(|lock| lock.retention)
        }
        None if creates => ask.place.bucket.as_ref().and_then(|view| {
            let default = stored_bucket(&view.bucket).lock?.default?;
            Some(default.from(now))
        }),
        None => None,
    };
    if let Some(retention) = retention {
        context.set(keys::S3_OBJECT_LOCK_MODE, retention.mode.name());
        context.set(
            keys::S3_OBJECT_LOCK_RETAIN_UNTIL_DATE,
            Fact::Time(retention.until.seconds()),
        );
        // A day that has begun counts: "in ten days" stays ten while the request is under way.
        let left = retention.until.0.saturating_sub(now.0);
        let days = left.div_euclid(DAY) + i64::from(left.rem_euclid(DAY) > 0);
        context.set(keys::S3_OBJECT_LOCK_REMAINING_RETENTION_DAYS, days);
    }
    if let Some(on) = said.lock.and_then(|lock| lock.legal_hold) {
        context.set(keys::S3_OBJECT_LOCK_LEGAL_HOLD, on_or_off(on));
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// Shows the lock of an object to those who may ask for it.
pub(super) fn show(ask: &Ask<'_>, reply: &mut Reply, lock: &Lock, tags: &Pairs) {
    let said = Said {
        existing: tags,
        ..Said::default()
    };
    if let Some(retention) = lock.retention
        && decide::quietly(ask, &said, "s3:GetObjectRetention")
    {
        reply.set(HeaderName::from_static(MODE), retention.mode.name());
        let until = iso8601(retention.until.0, true);
        reply.set(HeaderName::from_static(UNTIL), until);
    }
    if let Some(on) = lock.legal_hold
        && decide::quietly(ask, &said, "s3:GetObjectLegalHold")
    {
        reply.set(HeaderName::from_static(HOLD), on_or_off(on));
    }
}

async fn authorise(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    lock: Option<&Lock>,
    bypass_governance: bool,
) -> Result<(), ErrorReply> {
    let (view, version) = (ask.bucket()?, ask.version()?);
    let existing = match asks_existing_tags(ask, Some(view)) {
        true => read::existing_tags(ask, version.as_ref()).await,
        false => Vec::new(),
    };
    let said = Said {
        existing: &existing,
        subject: acl::look(ask, view, ask.key(), version.as_ref()).await,
        lock,
        ..Said::default()
    };
    let facts = Facts {
        version_id: version.is_some(),
        bypass_governance,
        ..Facts::default()
    };
    decide::all(ask, &said, &facts, uses.account)
}

/// What locks the object that is asked for; none of it: `NoSuchObjectLockConfiguration`.
async fn get<T>(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    part: impl Fn(&Lock) -> Option<T>,
    shown: impl Fn(T) -> Value,
) -> Result<Reply, ErrorReply> {
    authorise(ask, uses, None, false).await?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let (bucket, version) = (ask.stored()?, ask.version()?);
    let store = &ask.gateway.store;
    match store.lock(&bucket, ask.key(), version.as_ref()).await {
        Ok((lock, _)) => match part(&lock) {
            Some(part) => Ok(ask.encode(&shown(part))),
            None => Err(ErrorReply::new(
                "NoSuchObjectLockConfiguration",
                404,
                "The specified object does not have a ObjectLock configuration",
            )),
        },
        Err(why) => read::missing(ask, uses, why),
    }
}

pub(super) async fn get_retention(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let shown = |retention: Retention| {
        map! { "Retention" => map! {
            "Mode" => retention.mode.name(),
            "RetainUntilDate" => Value::Time { millis: retention.until.0 },
        }}
    };
    get(ask, uses, |lock| lock.retention, shown).await
}

pub(super) async fn get_legal_hold(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
) -> Result<Reply, ErrorReply> {
    let shown = |on| map! { "LegalHold" => map! { "Status" => on_or_off(on) } };
    get(ask, uses, |lock| lock.legal_hold, shown).await
}

/// Policies look at what is to be set: the document comes before the decision.
async fn document(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<(Bytes, Value), ErrorReply> {
    if !uses.upload.declared().any() {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    let room = &ask.gateway.documents;
    let body = uses.upload.whole(MAX_DOCUMENT, room).await?;
    let input = ask.decode(&body)?;
    Ok((body, input))
}

pub(super) async fn put_retention(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let (body, input) = document(ask, uses).await?;
    let given = input.get("Retention");
    if given.is_null() {
        return Err(malformed());
    }
    // An empty one lifts what there is.
    let retention = match (given.get("Mode"), given.get("RetainUntilDate").millis()) {
        (Value::Null, None) => None,
        (mode, Some(until)) => Some(Retention {
            mode: mode.str().and_then(LockMode::parse).ok_or_else(malformed)?,
            until: UnixMillis(until),
        }),
        _ => return Err(malformed()),
    };
    let lock = Lock {
        retention,
        legal_hold: None,
    };
    authorise(ask, uses, Some(&lock), bypass(ask)).await?;
    if let Some(done) = forward::object(ask, uses, Some(body)).await {
        return done;
    }
    let (bucket, version) = (ask.stored()?, ask.version()?);
    let (store, key) = (&ask.gateway.store, ask.key());
    let done = store.set_retention(&bucket, key, version.as_ref(), retention, bypass(ask));
    match done.await {
        Ok(_) => Ok(ask.encode(&map! {})),
        Err(why) => read::missing(ask, uses, why),
    }
}

pub(super) async fn put_legal_hold(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
) -> Result<Reply, ErrorReply> {
    let (body, input) = document(ask, uses).await?;
    let on = match input.get("LegalHold").get("Status").str() {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(malformed()),
    };
    let lock = Lock {
        retention: None,
        legal_hold: Some(on),
    };
    authorise(ask, uses, Some(&lock), false).await?;
    if let Some(done) = forward::object(ask, uses, Some(body)).await {
        return done;
    }
    let (bucket, version) = (ask.stored()?, ask.version()?);
    let (store, key) = (&ask.gateway.store, ask.key());
    let done = store.set_legal_hold(&bucket, key, version.as_ref(), on);
    match done.await {
        Ok(_) => Ok(ask.encode(&map! {})),
        Err(why) => read::missing(ask, uses, why),
    }
}
