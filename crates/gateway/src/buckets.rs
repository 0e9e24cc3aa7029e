//! Operations on buckets and accounts: decided here; what changes intent goes to [`Operations`].
//!
//! [`Operations`]: crate::Operations

use adit_policy::actions::Facts;
use adit_wire::s3::Bucket;
use adit_wire::{ErrorReply, Service, Value};
use http::StatusCode;
use http::header::HeaderName;

use crate::ask::{Ask, Uses, no_such_bucket};
use crate::decide::{self, Said};
use crate::forward;
use crate::objects::store_error;
use crate::reply::Reply;
use crate::s3control;

/// Most bytes of a settings document.
pub(crate) const MAX_DOCUMENT: usize = 1 << 20;

const REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// Decides and carries out an operation that is not one on objects.
pub(crate) async fn run(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    if ask.op.service() == Service::S3Control {
        return s3control::run(ask, uses).await;
    }
    match ask.op.name() {
        "HeadBucket" => head(ask, uses),
        "CreateBucket" => create(ask, uses).await,
        "DeleteBucket" => delete(ask, uses).await,
        _ => settings(ask, uses).await,
    }
}

fn head(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let view = ask.bucket()?;
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    let mut reply = Reply::new(StatusCode::OK);
    reply.set(REGION, view.bucket.region.as_str());
    let alias = matches!(ask.address().bucket(), Some(Bucket::Alias(_)));
    reply.set(
        HeaderName::from_static("x-amz-access-point-alias"),
        alias.to_string(),
    );
    reply.set(
        HeaderName::from_static("x-amz-bucket-arn"),
        view.bucket.arn(),
    );
    reply.set(http::header::CONTENT_TYPE, "application/xml");
    Ok(reply)
}

async fn create(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    // Policies may look at the Region and the tags, which are in the body.
    let body = uses
        .upload
        .whole(MAX_DOCUMENT, &ask.gateway.documents)
        .await?;
    let mut input = ask.decode(&body)?;
    let has = |name: &str| ask.wire.headers.has(name);
    let grants = ["full-control", "read", "read-acp", "write", "write-acp"];
    let facts = Facts {
        acl: has("x-amz-acl")
            || grants
                .iter()
                .any(|name| has(&format!("x-amz-grant-{name}"))),
        object_lock: ask
            .header("x-amz-bucket-object-lock-enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        ownership: has("x-amz-object-ownership"),
        tags: !input
            .get("CreateBucketConfiguration")
            .get("Tags")
            .list()
            .is_empty(),
        ..Facts::default()
    };
    decide::all(
        ask,
        &Said {
            input: Some(&input),
            ..Said::default()
        },
        &facts,
        uses.account,
    )?;
    let name = ask.bucket_name();
    match ask.gateway.origins.choose(&name) {
        // A bucket that is there already is answered as such, wherever it is.
        Some(place) if ask.snapshot.bucket(&name).is_none() => {
            forward::create(ask, &place).await?;
            // Not a member of AWS's: the codec takes it from nobody.
            if let Some(members) = input.map_mut() {
                members.insert("Origin", place.origin.name.as_str());
            }
            call(ask, &input).await
        }
        _ => {
            if let (true, Some(members)) = (ask.gateway.settings.seal_new_buckets, input.map_mut())
            {
                members.insert("DefaultEncryption", "AES256");
            }
            call(ask, &input).await
        }
    }
}

/// The store is asked first and in one step says both that the bucket is empty and that it stays so;
/// only then the intent goes. If that fails the store takes its word back.
async fn delete(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    if let Some(place) = forward::place(ask)? {
        forward::delete_bucket(ask, &place).await?;
        return call(ask, &input).await;
    }
    let bucket = ask.stored()?;
    let store = &ask.gateway.store;
    store
        .retire_bucket(&bucket)
        .await
        .map_err(|why| store_error(why).with("BucketName", ask.bucket_name().into_owned()))?;
    let done = call(ask, &input).await;
    if done.is_err()
        && let Err(why) = store.restore_bucket(&bucket).await
    {
        tracing::error!(%why, bucket = %ask.bucket_name(), "a bucket that was not deleted takes no objects");
    }
    done
}

/// Settings whose documents S3 takes only with a digest, from whatever client; DeleteObjects is another such.
const DIGESTED: [&str; 2] = ["PutBucketCors", "PutBucketLifecycleConfiguration"];

/// Everything else: decided by its table row, carried out elsewhere.
async fn settings(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    if ask.place.bucket.is_none() && ask.place.address.bucket().is_some() {
        return Err(no_such_bucket(&ask.bucket_name()));
    }
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    if DIGESTED.contains(&ask.op.name()) {
        uses.upload.require_digest()?;
    }
    let body = uses
        .upload
        .whole(MAX_DOCUMENT, &ask.gateway.documents)
        .await?;
    let mut input = ask.decode(&body)?;
    if ask.place.access_point.is_some()
        && let Some(members) = input.map_mut()
    {
        // Operations know buckets by their own names alone.
        members.insert("Bucket", ask.real_bucket());
    }
    forward::setting(ask, &body).await?;
    let mut reply = call(ask, &input).await?;
    // The model says 200.
    if ask.op.name() == "PutBucketTagging" && ask.op.service() == Service::S3 {
        reply.status = StatusCode::NO_CONTENT;
    }
    Ok(reply)
}

pub(crate) async fn call(ask: &Ask<'_>, input: &Value) -> Result<Reply, ErrorReply> {
    let caller = ask.caller();
    let region = &ask.identity.region;
    let operations = &ask.gateway.operations;
    let output = operations
        .call(ask.op, input, &caller, region, ask.now)
        .await?;
    Ok(ask.encode(&output))
}

/// Adds to an error about a bucket where the bucket is, which clients go by.
pub(crate) fn with_region(ask: &Ask<'_>, mut error: ErrorReply) -> ErrorReply {
    if let Some(view) = &ask.place.bucket
        && ask.op.service() == Service::S3
        && !error
            .headers
            .iter()
            .any(|(name, _)| name == REGION.as_str())
    {
        error.headers.push((
            REGION.as_str().to_owned().into(),
            view.bucket.region.to_string(),
        ));
    }
    error
}
