//! Bucket ACLs [s3-policy §B.4]: off unless the bucket's ownership setting turns them on.

use adit_model::*;
use adit_snapshot::acl::{self, AclError, Asked, Grant, OWNER_ENFORCED};
use adit_wire::s3::acl::{given, shown};
use adit_wire::{Value, map};

use super::{find, settings};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// Members of inputs, in the order of [`acl::HEADERS`].
const GRANTS: [&str; 5] = [
    "GrantFullControl",
    "GrantRead",
    "GrantReadACP",
    "GrantWrite",
    "GrantWriteACP",
];

/// Under which name a bucket keeps its list.
const DOCUMENT: &str = "acl";

/// The canonical user id by which S3 knows an account.
pub(super) fn canonical_id(intent: &Intent, account: &AccountId) -> Option<String> {
    intent
        .get::<Account>(account)
        .map(|account| account.canonical_id.clone())
}

/// The list that a new bucket gets, if its request asks for one; `block` is its Block Public Access.
pub(super) fn on_create(
    input: &Input<'_>,
    intent: &Intent,
    owner: &AccountId,
    ownership: &str,
    block: PublicAccessBlock,
) -> Result<Option<String>, Refusal> {
    // Where there are no lists, it does not matter whom one would name.
    if ownership == OWNER_ENFORCED && GRANTS.iter().any(|name| input.text(name).is_some()) {
        return Err(set_by_ownership());
    }
    let owner = canonical_id(intent, owner).unwrap_or_default();
    let Some(grants) = asked(input, intent, &owner)? else {
        return Ok(None);
    };
    if grants == [acl::own(&owner)] {
        return Ok(None);
    }
    if ownership == OWNER_ENFORCED {
        return Err(set_by_ownership());
    }
    if block.block_public_acls && acl::is_public(&grants) {
        return Err(Refusal::new(
            "InvalidBucketAclWithBlockPublicAccessError",
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        ));
    }
    Ok(Some(acl::write(&grants)))
}

/// The refusal of a list where ownership leaves none.
pub(super) fn set_by_ownership() -> Refusal {
    Refusal::new(
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
}

/// The grants that a request asks for; none when it asks for none.
fn asked(input: &Input<'_>, intent: &Intent, owner: &str) -> Result<Option<Vec<Grant>>, Refusal> {
    let headers = acl::HEADERS.into_iter().zip(GRANTS);
    let headers = headers
        .filter_map(|((header, permission), name)| Some((header, permission, input.text(name)?)));
    let policy = input.get("AccessControlPolicy");
    let (named, grants) = given(policy, acl::Given::new);
    let document = acl::Document {
        owner: named,
        grants,
    };
    let asked = Asked {
        canned: input.text("ACL"),
        headers: headers.collect(),
        document: (!policy.is_null()).then_some(document),
    };
    let subject = acl::Subject {
        owner,
        bucket_owner: None,
    };
    let known = |id: &str| intent.accounts.values().any(|a| a.canonical_id == id);
    acl::grants(&asked, subject, known).map_err(refusal)
}

fn refusal(why: AclError) -> Refusal {
    let refusal = Refusal::new(why.code(), why.to_string());
    match why.argument() {
        Some((name, value)) => refusal
            .with("ArgumentName", name)
            .with("ArgumentValue", value),
        None => refusal,
    }
}

/// Grants as replies show them.
fn show(grants: &[Grant]) -> Value {
    let grants = grants.iter();
    grants
        .map(|grant| {
            let (id, uri) = (grant.grantee.account(), grant.grantee.uri());
            shown(id, uri, grant.permission.name())
        })
        .collect()
}

/// The bucket's list; what the owner alone has where there is none, or where lists are off.
fn kept(bucket: &Bucket, owner: &str) -> Vec<Grant> {
    let document = bucket.documents.get(DOCUMENT);
    document
        .filter(|_| bucket.ownership != OWNER_ENFORCED)
        .and_then(|text| acl::read_kept(text.as_bytes()))
        .unwrap_or_else(|| vec![acl::own(owner)])
}

/// Whether a bucket has a list that is more than its owner's own.
pub(super) fn is_set(bucket: &Bucket) -> bool {
    bucket.documents.contains_key(DOCUMENT)
}

/// Keeps a new bucket's list.
pub(super) fn keep(bucket: &mut Bucket, list: Option<String>) {
    match list {
        Some(text) => {
            bucket.documents.insert(DOCUMENT.to_string(), text);
        }
        None => {
            bucket.documents.remove(DOCUMENT);
        }
    }
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let bucket = find(input, view.intent)?;
    let id = canonical_id(view.intent, &bucket.owner).unwrap_or_default();
    Ok(map! {
        "Owner" => map! { "ID" => id.as_str() },
        "Grants" => show(&kept(&bucket, &id)),
    })
}

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let bucket = find(input, draft)?;
    let owner = canonical_id(draft, &bucket.owner).unwrap_or_default();
    let Some(grants) = asked(input, draft, &owner)? else {
        return Err(Refusal::new(
            "MissingSecurityHeader",
            "Your request was missing a required header",
        )
        .with("MissingHeaderName", "x-amz-acl"));
    };
    let plain = grants == [acl::own(&owner)];
    if bucket.ownership == OWNER_ENFORCED {
        // What says the same as no list is let pass, but not by its canned name.
        return match plain && input.text("ACL").is_none() {
            true => Ok(Answer::done()),
            false => Err(Refusal::new(
                "AccessControlListNotSupported",
                "The bucket does not allow ACLs",
            )),
        };
    }
    if settings::block_of(&bucket, draft).block_public_acls && acl::is_public(&grants) {
        return Err(Refusal::new(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: s3:PutBucketAcl on resource: \"{}\" because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
                ctx.caller.arn,
                bucket.arn()
            ),
        ));
    }
    let list = (!plain).then(|| acl::write(&grants));
    if bucket.documents.get(DOCUMENT) != list.as_ref() {
        draft.edit::<Bucket>(&bucket.name, |bucket| keep(bucket, list));
    }
    Ok(Answer::done())
}
