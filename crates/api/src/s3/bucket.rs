//! Buckets as such: made, deleted, listed, found [s3-policy §E.5].

use adit_model::*;
use adit_snapshot::acl::OWNER_ENFORCED;
use adit_wire::tables::Kind;
use adit_wire::{Map, Service, Value, map};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{acl, find, lock, not_implemented, settings, subresource};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// The Region that has no location constraint.
const FIRST_REGION: &str = "us-east-1";

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let text = input.text("Bucket").unwrap_or_default();
    let name: BucketName = text.parse().map_err(|_| {
        Refusal::new("InvalidBucketName", "The specified bucket is not valid.")
            .with("BucketName", text)
    })?;
    let configuration = input.get("CreateBucketConfiguration");
    check_location(
        draft,
        &ctx.region,
        configuration.get("LocationConstraint").str(),
    )?;
    for unbuilt in ["Location", "Bucket"] {
        if !configuration.get(unbuilt).is_null() {
            return Err(not_implemented(&format!(
                "CreateBucketConfiguration.{unbuilt}"
            )));
        }
    }
    let ownership = input.text("ObjectOwnership").unwrap_or(OWNER_ENFORCED);
    let origin = input.text("Origin").map(str::to_owned);
    let locks = input.flag("ObjectLockEnabledForBucket", false);
    if locks && origin.is_some() {
        return Err(not_implemented("Object Lock in a bucket of an upstream"));
    }
    settings::check_ownership(ownership)?;
    let tags = settings::read_tags(configuration.get("Tags"))?;
    if let Some(there) = draft.get::<Bucket>(&name) {
        return again(there, ctx);
    }
    let block = PublicAccessBlock::default();
    let list = acl::on_create(input, draft, &ctx.caller.account, ownership, block)?;
    let mut bucket = Bucket {
        name,
        incarnation: format!("{:032x}", ctx.ids.digits()),
        origin,
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        policy: None,
        versioning: None,
        ownership: ownership.to_string(),
        public_access_block: Some(block),
        tags,
        documents: Default::default(),
        created: ctx.now,
    };
    acl::keep(&mut bucket, list);
    // As the installation makes buckets; no caller can say it.
    if let Some(algorithm) = input.text("DefaultEncryption") {
        subresource::seal(&mut bucket, algorithm);
    }
    if locks {
        lock::enable(&mut bucket);
    }
    Ok(created(&draft.put(bucket)))
}

fn created(bucket: &Bucket) -> Answer {
    let location = match bucket.region.as_str() {
        FIRST_REGION => format!("/{}", bucket.name),
        _ => format!("http://{}.s3.amazonaws.com/", bucket.name),
    };
    Answer::from(map! { "Location" => location, "BucketArn" => bucket.arn() })
}

/// A name that is taken. The first Region answers its owner as if it had made the bucket just now.
fn again(there: &Bucket, ctx: &Ctx) -> Result<Answer, Refusal> {
    let mine = there.owner == ctx.caller.account;
    let first = ctx.region.as_str() == FIRST_REGION && there.region == ctx.region;
    let (code, text) = match mine {
        true if first => return Ok(created(there)),
        true => (
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ),
        false => (
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
        ),
    };
    Err(Refusal::new(code, text).with("BucketName", there.name.as_str()))
}

/// A bucket is made in the Region that the request was sent to.
fn check_location(intent: &Intent, here: &Region, wanted: Option<&str>) -> Result<(), Refusal> {
    let illegal = |what: &str| {
        Err(Refusal::new(
            "IllegalLocationConstraintException",
            format!(
                "The {what} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        ))
    };
    let first = here.as_str() == FIRST_REGION;
    match wanted.filter(|text| !text.is_empty()) {
        None if first => Ok(()),
        None => illegal("unspecified"),
        Some(text) if first && (!is_location(intent, text) || text == FIRST_REGION) => {
            Err(Refusal::new(
                "InvalidLocationConstraint",
                "The specified location-constraint is not valid",
            )
            .with("LocationConstraint", text))
        }
        Some(text) if text == here.as_str() => Ok(()),
        Some("EU") if here.as_str() == "eu-west-1" => Ok(()),
        Some(text) => illegal(text),
    }
}

/// Whether a text names a Region: of this installation or of AWS.
fn is_location(intent: &Intent, text: &str) -> bool {
    if intent.get::<RegionInfo>(text).is_some() {
        return true;
    }
    let Some(table) = Service::S3.table() else {
        return false;
    };
    let member = |shape, name: &str| {
        table
            .shape(shape)
            .structure()
            .and_then(|structure| structure.member(name))
            .map(|m| m.shape)
    };
    let input = table
        .operation("CreateBucket")
        .and_then(|operation| operation.input);
    let configuration = input.and_then(|input| member(input, "CreateBucketConfiguration"));
    let location = configuration.and_then(|shape| member(shape, "LocationConstraint"));
    match location.map(|shape| &table.shape(shape).kind) {
        Some(Kind::String { allowed }) => allowed.contains(&text) || text == FIRST_REGION,
        _ => false,
    }
}

pub(crate) fn delete(input: &Input<'_>, draft: &mut Draft, _: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    let mut points = draft.access_points.values();
    if points.any(|p| p.bucket == bucket.name && p.bucket_owner == bucket.owner) {
        return Err(Refusal::new(
            "BucketHasAccessPointsAttached",
            "The bucket you tried to delete has access points attached. Delete them first.",
        )
        .with("BucketName", bucket.name.as_str()));
    }
    draft.remove::<Bucket>(&bucket.name);
    Ok(Answer::done())
}

pub(crate) fn head(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    Ok(map! {
        "BucketArn" => bucket.arn(),
        "BucketRegion" => bucket.region.as_str(),
        "AccessPointAlias" => false,
    })
}

pub(crate) fn location(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let region = Some(bucket.region.as_str()).filter(|region| *region != FIRST_REGION);
    Ok(map! { "LocationConstraint" => region })
}

/// The caller's buckets in every Region, in the order of their names.
pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let after = match input.text("ContinuationToken") {
        None => None,
        Some(token) => Some(read_token(token)?),
    };
    let size = input
        .get("MaxBuckets")
        .int()
        .unwrap_or(10_000)
        .clamp(1, 10_000) as usize;
    let (prefix, region) = (input.text("Prefix"), input.text("BucketRegion"));
    let mut mine = view.intent.buckets.values().filter(|bucket| {
        bucket.owner == ctx.caller.account
            && after
                .as_deref()
                .is_none_or(|after| bucket.name.as_str() > after)
            && prefix.is_none_or(|prefix| bucket.name.as_str().starts_with(prefix))
            && region.is_none_or(|region| bucket.region.as_str() == region)
    });
    let page: Vec<_> = mine.by_ref().take(size).collect();
    let last = page
        .last()
        .map(|bucket| bucket.name.as_str())
        .unwrap_or_default();
    let token = mine.next().map(|_| URL_SAFE_NO_PAD.encode(last));
    // Regions are shown when the caller asks for pages or Regions, as AWS does.
    let paged = input.get("MaxBuckets").int().is_some() || region.is_some();
    let show = |bucket: &&std::sync::Arc<Bucket>| {
        map! {
            "Name" => bucket.name.as_str(),
            "CreationDate" => Value::Time { millis: bucket.created },
            "BucketRegion" => paged.then(|| bucket.region.to_string()),
            "BucketArn" => bucket.arn(),
        }
    };
    let mut output = Map::new();
    output.push("Buckets", page.iter().map(show).collect::<Value>());
    output.push(
        "Owner",
        map! { "ID" => acl::canonical_id(view.intent, &ctx.caller.account) },
    );
    output.push("ContinuationToken", token);
    output.push("Prefix", prefix);
    Ok(Value::Map(output))
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            Refusal::new(
                "InvalidArgument",
                "The continuation token provided is incorrect",
            )
            .with("ArgumentName", "continuation-token")
            .with("ArgumentValue", token)
        })
}
