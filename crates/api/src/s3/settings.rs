//! Settings of a bucket that have a form of their own: versioning, tags, Block Public Access,
//! ownership.

use adit_model::*;
use adit_snapshot::acl::{OWNER_ENFORCED, OWNER_PREFERRED};
use adit_wire::{Value, list, map};

use super::{acl, find, lock, not_implemented};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;
use crate::s3control::account_block;

/// Changes a bucket, unless the change makes no difference.
fn edit(
    input: &Input<'_>,
    draft: &mut Draft,
    change: impl FnOnce(&mut Bucket) -> Result<bool, Refusal>,
) -> Result<Answer, Refusal> {
    let mut bucket = Bucket::clone(&*find(input, draft)?);
    if change(&mut bucket)? {
        draft.put(bucket);
    }
    Ok(Answer::done())
}

pub(super) fn malformed() -> Refusal {
    Refusal::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// The refusal of a setting that was never made.
pub(super) fn none(code: &'static str, text: &str, bucket: &Bucket) -> Refusal {
    Refusal::new(code, text).with("BucketName", bucket.name.as_str())
}

pub(crate) fn put_versioning(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let wanted = input.get("VersioningConfiguration");
    if wanted.get("MFADelete").str() == Some("Enabled") {
        return Err(not_implemented("MFADelete"));
    }
    let status = match wanted.get("Status").str() {
        Some(status @ ("Enabled" | "Suspended")) => status.to_string(),
        Some(_) => return Err(malformed()),
        None => {
            return Err(Refusal::new(
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
    };
    edit(input, draft, |bucket| {
        let differs = bucket.versioning.as_ref() != Some(&status);
        if lock::is_enabled(bucket) && status != "Enabled" {
            let text = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(lock::invalid_state(text, bucket));
        }
        bucket.versioning = Some(status);
        Ok(differs)
    })
}

pub(crate) fn get_versioning(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    Ok(map! { "Status" => bucket.versioning.clone() })
}

/// The tags of a `TagSet` [s3: as many as fifty, each key once].
pub(crate) fn read_tags(set: &Value) -> Result<Tags, Refusal> {
    let invalid = |text: &str, key: &str| Err(Refusal::new("InvalidTag", text).with("TagKey", key));
    let mut tags = Tags::new();
    for tag in set.list() {
        let key = tag.get("Key").str().unwrap_or_default();
        let value = tag.get("Value").str().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 {
            return invalid("The TagKey you have provided is invalid", key);
        }
        if value.chars().count() > 256 {
            return invalid("The TagValue you have provided is invalid", key);
        }
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester", key);
        }
        if tags.insert(key.to_string(), value.to_string()).is_some() {
            return invalid("Cannot provide multiple Tags with the same key", key);
        }
    }
    match tags.len() {
        0..=50 => Ok(tags),
        _ => Err(Refusal::new(
            "BadRequest",
            "Bucket tag count cannot be greater than 50",
        )),
    }
}

pub(crate) fn put_tagging(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = read_tags(input.get("Tagging").get("TagSet"))?;
    edit(input, draft, |bucket| {
        let differs = bucket.tags != tags;
        bucket.tags = tags;
        Ok(differs)
    })
}

pub(crate) fn get_tagging(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    match bucket.tags.is_empty() {
        true => Err(none("NoSuchTagSet", "The TagSet does not exist", &bucket)),
        false => Ok(map! { "TagSet" => crate::describe::tags(&bucket.tags) }),
    }
}

pub(crate) fn delete_tagging(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    edit(input, draft, |bucket| {
        Ok(!std::mem::take(&mut bucket.tags).is_empty())
    })
}

pub(crate) fn put_public_access_block(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let wanted = input.get("PublicAccessBlockConfiguration");
    let block = account_block::read(wanted);
    edit(input, draft, |bucket| {
        account_block::check_given(wanted)?;
        Ok(bucket.public_access_block.replace(block) != Some(block))
    })
}

pub(crate) fn get_public_access_block(
    input: &Input<'_>,
    view: View<'_>,
    _: &Ctx,
) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let block = bucket.public_access_block.ok_or_else(|| {
        let text = "The public access block configuration was not found";
        none("NoSuchPublicAccessBlockConfiguration", text, &bucket)
    })?;
    Ok(map! { "PublicAccessBlockConfiguration" => account_block::show(block) })
}

pub(crate) fn delete_public_access_block(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    edit(input, draft, |bucket| {
        Ok(bucket.public_access_block.take().is_some())
    })
}

/// Block Public Access of a bucket and its owner's account together.
pub(super) fn block_of(bucket: &Bucket, intent: &Intent) -> PublicAccessBlock {
    let account = intent.get::<AccountPublicAccessBlock>(&bucket.owner);
    let account = account.map_or(PublicAccessBlock::OFF, |kept| kept.block);
    let own = bucket.public_access_block.unwrap_or(PublicAccessBlock::OFF);
    own.and(account)
}

/// Refuses a setting that there is not.
pub(super) fn check_ownership(text: &str) -> Result<(), Refusal> {
    match text {
        OWNER_ENFORCED | OWNER_PREFERRED | "ObjectWriter" => Ok(()),
        _ => Err(malformed()),
    }
}

pub(crate) fn put_ownership(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let [rule] = input.get("OwnershipControls").get("Rules").list() else {
        return Err(malformed());
    };
    let ownership = rule.get("ObjectOwnership").str().unwrap_or_default();
    edit(input, draft, |bucket| {
        check_ownership(ownership)?;
        if ownership == OWNER_ENFORCED && acl::is_set(bucket) {
            return Err(acl::set_by_ownership());
        }
        let differs = bucket.ownership != ownership;
        bucket.ownership = ownership.to_string();
        Ok(differs)
    })
}

pub(crate) fn get_ownership(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    match bucket.ownership.as_str() {
        "" => Err(none(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            &bucket,
        )),
        ownership => Ok(map! { "OwnershipControls" => map! {
            "Rules" => list![map! { "ObjectOwnership" => ownership }],
        }}),
    }
}

/// Without ownership controls, ACLs are on as they were before there were such controls.
pub(crate) fn delete_ownership(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    edit(input, draft, |bucket| {
        Ok(!std::mem::take(&mut bucket.ownership).is_empty())
    })
}
