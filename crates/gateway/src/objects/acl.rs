//! GetObjectAcl and PutObjectAcl.

use adit_snapshot::acl::{own, read_kept};
use adit_wire::{ErrorReply, map};
use http::StatusCode;

use super::{read, tags};
use crate::acl;
use crate::ask::{Ask, Uses};
use crate::forward;
use crate::reply::Reply;

/// Most bytes of a list: a hundred grants.
const MAX_LIST: usize = 64 << 10;

/// The owner of an object and its list as they are kept.
struct Kept {
    owner: String,
    list: Option<Vec<u8>>,
}

async fn kept(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Kept, ErrorReply> {
    let view = ask.bucket()?;
    let bucket_owner = ask.owner_of(view).unwrap_or_default();
    if let Some(place) = forward::place(ask)? {
        forward::exists(ask, uses, &place).await?;
        return Ok(Kept {
            owner: bucket_owner,
            list: None,
        });
    }
    let version = ask.version()?;
    let found = ask
        .gateway
        .store
        .peek(&ask.stored()?, ask.key(), version.as_ref())
        .await;
    let object = match found {
        Ok(object) => object,
        Err(why) => return read::missing(ask, uses, why),
    };
    let attributes = &object.info().attributes;
    // Where lists are off, everything is the bucket owner's.
    let (owner, list) = match view.has_object_acls() {
        true => (attributes.owner.clone(), attributes.acl.clone()),
        false => (None, None),
    };
    Ok(Kept {
        owner: owner.unwrap_or(bucket_owner),
        list,
    })
}

pub(super) async fn get(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    tags::authorise(ask, uses, &[]).await?;
    let kept = kept(ask, uses).await?;
    let grants = kept.list.as_deref().and_then(read_kept);
    let grants = grants.unwrap_or_else(|| vec![own(&kept.owner)]);
    Ok(ask.encode(&map! {
        "Owner" => map! { "ID" => kept.owner },
        "Grants" => acl::show(&grants),
    }))
}

pub(super) async fn put(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    tags::authorise(ask, uses, &[]).await?;
    let body = uses.upload.whole(MAX_LIST, &ask.gateway.documents).await?;
    let input = ask.decode(&body)?;
    let policy = Some(input.get("AccessControlPolicy")).filter(|policy| !policy.is_null());
    let kept = kept(ask, uses).await?;
    let view = ask.bucket()?;
    let bucket_owner = ask.owner_of(view).unwrap_or_default();
    let Some(grants) = acl::asked(ask, policy, &kept.owner, &bucket_owner)? else {
        return Err(ErrorReply::new(
            "MissingSecurityHeader",
            400,
            "Your request was missing a required header",
        )
        .with("MissingHeaderName", "x-amz-acl"));
    };
    acl::allowed(ask, view, &grants, &bucket_owner, "s3:PutObjectAcl")?;
    if view.has_object_acls() {
        let list = acl::kept(&grants, &kept.owner);
        let version = ask.version()?;
        let bucket = ask.stored()?;
        let store = &ask.gateway.store;
        let set = store.set_acl(&bucket, ask.key(), version.as_ref(), list);
        if let Err(why) = set.await {
            return read::missing(ask, uses, why);
        }
    }
    Ok(Reply::new(StatusCode::OK))
}
