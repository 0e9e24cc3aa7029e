//! Buckets at an upstream: made and deleted there too; their settings are Adit's but for what only the
//! keeper of the objects can do.

use adit_wire::ErrorReply;
use adit_wire::xml;
use bytes::Bytes;
use http::{Method, StatusCode};

use super::answer::{failed, refused, strange};
use super::request::Outgoing;
use super::{MOST, place};
use crate::ask::Ask;
use crate::decide::not_implemented;
use crate::origins::Place;

/// Prepares the place of a bucket that is about to be made.
///
/// # Errors
/// `BucketAlreadyExists` when the upstream has such a bucket and it must not be taken over.
pub(crate) async fn create(ask: &Ask<'_>, place: &Place) -> Result<(), ErrorReply> {
    let outgoing = Outgoing::bare(ask, place, Method::HEAD, None, String::new());
    let answer = outgoing.send(Bytes::new()).await?;
    match answer.status {
        // A prefix of its own: what the bucket holds besides is somebody else's.
        status if status.is_success() && (place.adopt || !place.prefix.is_empty()) => Ok(()),
        status if status.is_success() => Err(taken(ask)),
        StatusCode::NOT_FOUND => {
            let outgoing = Outgoing::bare(ask, place, Method::PUT, None, String::new());
            let answer = outgoing.send(Bytes::new()).await?;
            match answer.status.is_success() {
                true => Ok(()),
                false => Err(refused(ask, place, answer).await),
            }
        }
        StatusCode::FORBIDDEN => Err(taken(ask)),
        _ => Err(refused(ask, place, answer).await),
    }
}

fn taken(ask: &Ask<'_>) -> ErrorReply {
    ErrorReply::new(
        "BucketAlreadyExists",
        409,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    )
    .with("BucketName", ask.bucket_name().into_owned())
}

/// Deletes a bucket at its upstream, or makes sure that there is nothing in its part of one. Not every
/// server refuses to delete a bucket that holds objects: that is looked at here.
///
/// # Errors
/// `BucketNotEmpty`
pub(crate) async fn delete(ask: &Ask<'_>, place: &Place) -> Result<(), ErrorReply> {
    for list in ["list-type=2", "versions="] {
        if !is_empty(ask, place, list).await? {
            return Err(ErrorReply::new(
                "BucketNotEmpty",
                409,
                "The bucket you tried to delete is not empty",
            )
            .with("BucketName", ask.bucket_name().into_owned()));
        }
    }
    if !place.prefix.is_empty() {
        return Ok(());
    }
    let outgoing = Outgoing::bare(ask, place, Method::DELETE, None, String::new());
    let answer = outgoing.send(Bytes::new()).await?;
    match answer.status {
        status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
        _ => Err(refused(ask, place, answer).await),
    }
}

async fn is_empty(ask: &Ask<'_>, place: &Place, list: &str) -> Result<bool, ErrorReply> {
    let prefix = super::request::escaped_all(&place.prefix);
    let query = format!("{list}&max-keys=1&prefix={prefix}");
    let outgoing = Outgoing::bare(ask, place, Method::GET, None, query);
    let answer = outgoing.send(Bytes::new()).await?;
    match answer.status {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND => return Ok(true),
        // A server without versions has none.
        StatusCode::NOT_IMPLEMENTED if list == "versions=" => return Ok(true),
        _ => return Err(refused(ask, place, answer).await),
    }
    let body = answer.body.whole(MOST).await;
    let body = body.map_err(|why| failed(place, &why))?;
    let tree = xml::parse(&body).map_err(|_| strange(place, "its list is no XML"))?;
    let held = ["Contents", "Version", "DeleteMarker"];
    Ok(held.iter().all(|name| tree.child(name).is_none()))
}

/// Does at the upstream what a setting needs of the keeper of the objects, before it becomes intent.
///
/// # Errors
/// Settings that an upstream is not asked to keep: they must not be accepted and forgotten.
pub(crate) async fn setting(ask: &Ask<'_>, body: &Bytes) -> Result<(), ErrorReply> {
    let Some(place) = place(ask)? else {
        return Ok(());
    };
    match ask.op.name() {
        "PutBucketVersioning" if place.prefix.is_empty() => {
            let query = "versioning=".to_owned();
            let outgoing = Outgoing::bare(ask, &place, Method::PUT, None, query);
            let answer = outgoing.send(body.clone()).await?;
            match answer.status.is_success() {
                true => Ok(()),
                false => Err(refused(ask, &place, answer).await),
            }
        }
        "PutBucketVersioning"
        | "PutBucketLifecycleConfiguration"
        | "PutBucketEncryption"
        | "PutBucketReplication"
        | "PutObjectLockConfiguration" => Err(not_implemented(ask.op.name())),
        _ => Ok(()),
    }
}
