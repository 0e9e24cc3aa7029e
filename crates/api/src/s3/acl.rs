//! Bucket ACLs: the owner has full control, and nobody else has a grant [s3-policy §B.4].

use adit_model::*;
use adit_wire::{Value, list, map};

use super::{find, not_implemented, settings};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

const GRANTS: [&str; 5] = [
    "GrantFullControl",
    "GrantRead",
    "GrantReadACP",
    "GrantWrite",
    "GrantWriteACP",
];

/// The canonical user id by which S3 knows an account.
pub(super) fn canonical_id(intent: &Intent, account: &AccountId) -> Option<String> {
    intent
        .get::<Account>(account)
        .map(|account| account.canonical_id.clone())
}

/// What a new bucket may say of ACLs: that it is private.
pub(super) fn check_on_create(input: &Input<'_>, ownership: &str) -> Result<(), Refusal> {
    let canned = input.text("ACL").unwrap_or("private");
    let grants = GRANTS.iter().any(|name| input.text(name).is_some());
    check_canned(canned)?;
    match (canned, grants) {
        ("private", false) => Ok(()),
        _ if ownership == settings::OWNER_ENFORCED => Err(Refusal::new(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )),
        // A new bucket blocks public ACLs.
        (_, false) => Err(Refusal::new(
            "InvalidBucketAclWithBlockPublicAccessError",
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        )),
        (_, true) => Err(not_implemented("Granting by ACL")),
    }
}

fn check_canned(canned: &str) -> Result<(), Refusal> {
    match canned {
        "private" | "public-read" | "public-read-write" | "authenticated-read" => Ok(()),
        other => Err(Refusal::new("InvalidArgument", "")
            .with("ArgumentName", "x-amz-acl")
            .with("ArgumentValue", other)),
    }
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let id = canonical_id(view.intent, &bucket.owner);
    Ok(map! {
        "Owner" => map! { "ID" => id.clone() },
        "Grants" => list![map! {
            "Grantee" => map! { "Type" => "CanonicalUser", "ID" => id },
            "Permission" => "FULL_CONTROL",
        }],
    })
}

/// Accepts what is so already: full control for the owner alone.
pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    let canned = input.text("ACL");
    let policy = input.get("AccessControlPolicy");
    if let Some(canned) = canned {
        check_canned(canned)?;
    }
    let owner = canonical_id(draft, &bucket.owner);
    let to_owner = policy.get("Grants").list().iter().all(|grant| {
        grant.get("Permission").str() == Some("FULL_CONTROL")
            && grant.get("Grantee").get("ID").str() == owner.as_deref()
    });
    let plain = !policy.is_null() && to_owner && !policy.get("Grants").list().is_empty();
    if plain && canned.is_none() {
        return Ok(Answer::done());
    }
    if bucket.ownership == settings::OWNER_ENFORCED {
        return Err(Refusal::new(
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
        ));
    }
    let blocked = settings::block_of(&bucket, draft).block_public_acls;
    match canned {
        Some("private") => Ok(Answer::done()),
        Some(_) if blocked => Err(Refusal::new(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: s3:PutBucketAcl on resource: \"{}\" because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
                ctx.caller.arn,
                bucket.arn()
            ),
        )),
        _ => Err(not_implemented("Granting by ACL")),
    }
}
