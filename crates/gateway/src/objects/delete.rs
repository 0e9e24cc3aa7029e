//! DeleteObject, and DeleteObjects with a decision for every key.

use adit_objects::{DeleteOptions, EtagMatch, VersionId, WriteConditions};
use adit_policy::Action;
use adit_policy::actions::Facts;
use adit_snapshot::BucketView;
use adit_wire::{ErrorReply, Map, Value, map};
use http::StatusCode;
use http::header::HeaderName;

use super::errors::reply as store_error;
use super::headers;
use crate::access_log::Batched;
use crate::acl;
use crate::ask::{Ask, Uses};
use crate::decide::{self, Question, Said, may, not_implemented, object_arn};
use crate::forward;
use crate::reply::Reply;

/// Most keys of one request, and most bytes of its body.
const MAX_KEYS: usize = 1000;
const MAX_BODY: usize = 4 << 20;

pub(super) async fn one(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let version = ask.version()?;
    let facts = Facts {
        version_id: version.is_some(),
        bypass_governance: bypass(ask),
        ..Facts::default()
    };
    let said = Said {
        subject: acl::look(ask, ask.bucket()?, ask.key(), version.as_ref()).await,
        ..Said::default()
    };
    decide::all(ask, &said, &facts, uses.account)?;
    let conditions = headers::write_conditions(ask)?;
    // The answer tells whether the object has this tag.
    if tells_etag(&conditions) {
        decide::also(ask, &said, "s3:GetObject", uses.account)?;
    }
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let options = DeleteOptions {
        version,
        conditions,
        bypass_governance: bypass(ask),
    };
    let done = ask
        .gateway
        .store
        .delete(&bucket, ask.key(), options)
        .await
        .map_err(store_error)?;
    let mut reply = Reply::new(StatusCode::NO_CONTENT);
    if done.delete_marker {
        reply.set(HeaderName::from_static("x-amz-delete-marker"), "true");
    }
    headers::version(&mut reply, done.version_id.as_ref());
    Ok(reply)
}

fn tells_etag(conditions: &WriteConditions) -> bool {
    matches!(conditions.if_match, Some(EtagMatch::Tags(_)))
}

/// Whether the caller, who was asked for the right to, wants to go past governance.
pub(super) fn bypass(ask: &Ask<'_>) -> bool {
    ask.header("x-amz-bypass-governance-retention")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Refuses a stranger whom no policy and no list can let delete anything, before their document takes of the
/// room that all share.
fn refuse_strangers(
    ask: &Ask<'_>,
    view: &BucketView,
    uses: &mut Uses<'_>,
) -> Result<(), ErrorReply> {
    let closed = view.policy.is_none() && view.settings.grants.is_none();
    if ask.identity.is_signed() || !closed {
        return Ok(());
    }
    let context = decide::context(ask, &Said::default())?;
    let question = Question {
        action: Action::from("s3:DeleteObject"),
        resource: &object_arn(&ask.real_bucket(), "*"),
        bucket: Some(view),
        access_point: None,
        subject: None,
    };
    may(ask, &context, question, uses.account)
}

/// One key of the request, until it is answered.
struct Item {
    key: String,
    version: Option<String>,
    /// The tag that the object must have, as sent.
    etag: Option<String>,
    refused: Option<ErrorReply>,
    options: DeleteOptions,
}

pub(super) async fn many(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let view = ask.bucket()?;
    uses.upload.require_digest()?;
    refuse_strangers(ask, view, uses)?;
    // Which resources it is about is in the body: it must be read first.
    let body = uses.upload.whole(MAX_BODY, &ask.gateway.documents).await?;
    let input = ask.decode(&body)?;
    let objects = input.get("Delete").get("Objects").list();
    if objects.is_empty() || objects.len() > MAX_KEYS {
        return Err(decide::malformed());
    }
    let quiet = input.get("Delete").get("Quiet").bool() == Some(true);
    let mut context = decide::context(ask, &Said::default())?;
    let mut items: Vec<Item> = objects
        .iter()
        .map(|object| item(object, bypass(ask)))
        .collect();
    let forwarded = forward::place(ask)?.is_some() && ask.identity.pass.is_none();
    for item in &mut items {
        let resource = object_arn(&ask.real_bucket(), &item.key);
        let mut actions = vec![match item.version {
            Some(_) => "s3:DeleteObjectVersion",
            None => "s3:DeleteObject",
        }];
        if bypass(ask) {
            actions.push("s3:BypassGovernanceRetention");
        }
        if tells_etag(&item.options.conditions) {
            actions.push("s3:GetObject");
        }
        context.set(
            adit_policy::keys::S3_IF_MATCH,
            item.etag.iter().cloned().collect::<Vec<_>>(),
        );
        context.set(
            adit_policy::keys::S3_VERSION_ID,
            match &item.version {
                Some(version) => vec![version.clone()],
                None => Vec::new(),
            },
        );
        let version = item.version.as_deref().map(VersionId::new);
        let subject = acl::look(ask, view, &item.key, version.as_ref()).await;
        let point = ask.place.access_point.as_deref();
        let through = point.map(|point| (point, format!("{}/object/{}", point.arn, item.key)));
        for action in actions {
            let question = Question {
                action: Action::from(action),
                resource: &resource,
                bucket: Some(&**view),
                access_point: through.as_ref().map(|(point, arn)| (*point, arn.as_str())),
                subject: Some(&subject),
            };
            if let Err(why) = may(ask, &context, question, uses.account) {
                item.refused = Some(why);
            }
        }
        // An upstream that does not know conditions would delete without.
        if forwarded && item.etag.is_some() && item.refused.is_none() {
            item.refused = Some(not_implemented("ETag"));
        }
    }
    if ask.identity.pass.is_some() {
        // What the client signed goes out whole or not at all.
        forward::check_keys(ask, items.iter().map(|item| item.key.as_str()))?;
        if let Some(why) = items.iter_mut().find_map(|item| item.refused.take()) {
            return Err(why);
        }
        if let Some(done) = forward::object(ask, uses, Some(body)).await {
            return done;
        }
    }
    let allowed = items.iter().filter(|item| item.refused.is_none());
    let done = match forward::place(ask)? {
        None => {
            let work = allowed
                .map(|item| (item.key.clone(), item.options.clone()))
                .collect();
            let bucket = ask.stored()?;
            let done = ask.gateway.store.delete_many(&bucket, work).await;
            done.into_iter()
                .map(|result| {
                    let done = result.map_err(store_error)?;
                    let version = done.version_id.map(|id| id.to_string());
                    Ok(done.delete_marker.then_some(version))
                })
                .collect::<Vec<Result<_, ErrorReply>>>()
        }
        Some(place) => {
            let keys: Vec<_> = allowed
                .map(|item| (item.key.clone(), item.version.clone()))
                .collect();
            let done = forward::delete_many(ask, &place, &keys).await?;
            done.into_iter()
                .map(|result| Ok(result?.marker))
                .collect::<Vec<_>>()
        }
    };
    let mut done = done.into_iter();
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for item in items {
        let outcome = match item.refused {
            Some(why) => Err(why),
            None => match done.next() {
                Some(result) => result,
                None => Err(ErrorReply::new(
                    "InternalError",
                    500,
                    "We encountered an internal error. Please try again.",
                )),
            },
        };
        if let Some(log) = &mut uses.account.log {
            let made = outcome.as_ref().ok().cloned().flatten().flatten();
            let why = outcome.as_ref().err();
            log.batch.push(Batched {
                key: item.key.clone(),
                version: item.version.clone().or(made),
                status: why.map_or(204, |why| why.status),
                error: why.map(|why| why.code.to_string()),
            });
        }
        let mut shown = Map::new();
        shown.push("Key", item.key.as_str());
        shown.push("VersionId", item.version.as_deref());
        match outcome {
            Ok(marker) if !quiet => {
                if let Some(version) = marker {
                    shown.push("DeleteMarker", true);
                    shown.push("DeleteMarkerVersionId", version);
                }
                deleted.push(shown);
            }
            Ok(_) => {}
            Err(why) => {
                shown.push("Code", why.code.as_ref());
                shown.push("Message", why.message);
                errors.push(shown);
            }
        }
    }
    Ok(ask.encode(&map! { "Deleted" => deleted, "Errors" => errors }))
}

fn item(object: &Value, bypass_governance: bool) -> Item {
    let version = object
        .get("VersionId")
        .str()
        .filter(|id| !id.is_empty())
        .map(str::to_owned);
    let etag = object.get("ETag").str().filter(|tag| !tag.is_empty());
    Item {
        etag: etag.map(str::to_owned),
        key: object.get("Key").str().unwrap_or_default().to_owned(),
        options: DeleteOptions {
            version: version.as_deref().map(VersionId::new),
            conditions: WriteConditions {
                if_match: etag.map(EtagMatch::parse),
                if_none_match: None,
            },
            bypass_governance,
        },
        version,
        refused: None,
    }
}
