//! Access points as such: made, shown, listed, deleted.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account_block;
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas::ACCESS_POINTS_PER_REGION;
use crate::refusal::Refusal;
use crate::s3::settings;

/// Letters and digits of the random part of an alias.
const ALIAS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
/// How many; AWS's aliases have as many.
const ALIAS_RANDOM: usize = 34;
const ALIAS_END: &str = "-s3alias";
/// An alias is a bucket name.
const ALIAS_MOST: usize = 63;

/// The caller's access point that the request names.
pub(super) fn find(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Arc<AccessPoint>, Refusal> {
    let name = input.text("Name").unwrap_or_default();
    let key = AccessPoint::key_of(ctx.caller.account.as_str(), ctx.region.as_str(), name);
    intent.get::<AccessPoint>(key).cloned().ok_or_else(|| {
        Refusal::new(
            "NoSuchAccessPoint",
            "The specified accesspoint does not exist",
        )
        .with("AccessPointName", name)
    })
}

fn is_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=50).contains(&text.len())
        && text.chars().all(|c| edge(c) || c == '-')
        && text.starts_with(edge)
        && text.ends_with(edge)
        && !text.starts_with("xn--")
        && !text.ends_with("-s3alias")
        && !text.ends_with("--op-s3")
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.text("Name").unwrap_or_default();
    if !is_name(name) {
        return Err(
            Refusal::new("InvalidURI", "Couldn't parse the specified URI.")
                .with("URI", format!("accesspoint/{name}")),
        );
    }
    if !input.get("Scope").is_null() {
        return Err(Refusal::new(
            "NotImplemented",
            "Scopes are for directory buckets, which are not supported.",
        ));
    }
    let bucket = bucket(input, draft, ctx)?;
    let vpc = match input.get("VpcConfiguration").get("VpcId").str() {
        None => None,
        Some(text) => Some(text.parse::<VpcId>().map_err(|_| {
            Refusal::new(
                "InvalidRequest",
                format!("The VPC ID '{text}' is not valid."),
            )
        })?),
    };
    let tags = settings::read_tags(input.get("Tags"))?;
    let (owner, region) = (ctx.caller.account.clone(), ctx.region.clone());
    let key = AccessPoint::key_of(owner.as_str(), region.as_str(), name);
    if draft.get::<AccessPoint>(&key).is_some() {
        return Err(Refusal::new(
            "AccessPointAlreadyOwnedByYou",
            "Your previous request to create the named accesspoint succeeded and you already own it.",
        )
        .status(409)
        .with("AccessPointName", name));
    }
    ACCESS_POINTS_PER_REGION.check(draft, || of(draft, &owner, &region).count())?;
    let alias = alias(ctx, name);
    let point = draft.put(AccessPoint {
        name: name.to_string(),
        owner,
        region,
        bucket: bucket.name.clone(),
        bucket_owner: bucket.owner.clone(),
        vpc,
        alias,
        policy: None,
        public_access_block: match input.get("PublicAccessBlockConfiguration") {
            Value::Null => PublicAccessBlock::default(),
            given => account_block::read(given),
        },
        tags,
        created: ctx.now,
    });
    Ok(Answer::from(map! {
        "AccessPointArn" => point.arn(),
        "Alias" => point.alias.as_str(),
    }))
}

/// The bucket, which must exist here; another account's only when the request says whose it is.
fn bucket(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<Bucket>, Refusal> {
    let expected = input
        .text("BucketAccountId")
        .unwrap_or(ctx.caller.account.as_str());
    let name = input.text("Bucket").unwrap_or_default();
    intent
        .get::<Bucket>(name)
        .filter(|bucket| bucket.owner.as_str() == expected && bucket.region == ctx.region)
        .cloned()
        .ok_or_else(|| {
            Refusal::new(
                "InvalidRequest",
                "Amazon S3 AccessPoint can only be created for existing bucket",
            )
        })
}

/// A new alias: the beginning of the name, then as many random letters as make it the only one.
fn alias(ctx: &mut Ctx, name: &str) -> String {
    let most = ALIAS_MOST - ALIAS_END.len() - ALIAS_RANDOM - 1;
    let front: String = name.chars().take(most).collect();
    let front = front.trim_end_matches('-');
    format!("{front}-{}{ALIAS_END}", ctx.ids.text(ALIAS, ALIAS_RANDOM))
}

/// Access points of an account in a Region, by name.
fn of<'a>(
    intent: &'a Intent,
    owner: &AccountId,
    region: &Region,
) -> impl Iterator<Item = &'a Arc<AccessPoint>> + use<'a> {
    let from = AccessPoint::key_of(owner.as_str(), region.as_str(), "");
    let front = from.clone();
    intent
        .access_points
        .range(from..)
        .take_while(move |(key, _)| key.starts_with(&front))
        .map(|(_, point)| point)
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let point = find(input, view.intent, ctx)?;
    let region = &point.region;
    let endpoint = |middle: &str| format!("s3-accesspoint{middle}.{region}.amazonaws.com");
    Ok(map! {
        "Name" => point.name.as_str(),
        "Bucket" => point.bucket.as_str(),
        "NetworkOrigin" => point.network_origin(),
        "VpcConfiguration" => vpc(&point),
        "PublicAccessBlockConfiguration" => account_block::show(point.public_access_block),
        "CreationDate" => Value::Time { millis: point.created },
        "Alias" => point.alias.as_str(),
        "AccessPointArn" => point.arn(),
        // Names with `fips` are not served, so they are not given out.
        "Endpoints" => map! { "ipv4" => endpoint(""), "dualstack" => endpoint(".dualstack") },
        "BucketAccountId" => point.bucket_owner.as_str(),
    })
}

fn vpc(point: &AccessPoint) -> Option<Map> {
    let vpc = point.vpc.as_ref()?;
    let mut shown = Map::new();
    shown.push("VpcId", vpc.as_str());
    Some(shown)
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let after = match input.text("NextToken") {
        None => String::new(),
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| Refusal::new("InvalidRequest", "The NextToken is not valid."))?,
    };
    let size = input.get("MaxResults").int().unwrap_or(1000).clamp(1, 1000) as usize;
    let bucket = input.text("Bucket");
    let mut found = of(view.intent, &ctx.caller.account, &ctx.region).filter(|point| {
        point.name.as_str() > after.as_str()
            && bucket.is_none_or(|bucket| point.bucket.as_str() == bucket)
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let last = page.last().map(|point| point.name.as_str());
    let token = found
        .next()
        .and(last)
        .map(|name| URL_SAFE_NO_PAD.encode(name));
    let show = |point: &&Arc<AccessPoint>| {
        map! {
            "Name" => point.name.as_str(),
            "NetworkOrigin" => point.network_origin(),
            "VpcConfiguration" => vpc(point),
            "Bucket" => point.bucket.as_str(),
            "AccessPointArn" => point.arn(),
            "Alias" => point.alias.as_str(),
            "BucketAccountId" => point.bucket_owner.as_str(),
        }
    };
    Ok(map! {
        "AccessPointList" => page.iter().map(show).collect::<Value>(),
        "NextToken" => token,
    })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let point = find(input, draft, ctx)?;
    draft.remove::<AccessPoint>(point.key());
    Ok(Answer::done())
}
