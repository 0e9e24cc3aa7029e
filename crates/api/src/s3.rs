//! S3: buckets and their settings. Objects are not intent; they are the front door's and the object
//! store's.
//!
//! Whether a caller may is decided before these are called, with the path of the request in mind;
//! so is which Region a request belongs to, and that a bucket to delete is empty.

pub(crate) mod acl;
pub(crate) mod bucket;
pub(crate) mod defaults;
pub(crate) mod lock;
pub(crate) mod logging;
pub(crate) mod policy;
pub(crate) mod settings;
pub(crate) mod subresource;

use std::sync::Arc;

use adit_model::*;

use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// The bucket that a request names, which must belong to the account that the caller expects.
fn find(input: &Input<'_>, intent: &Intent) -> Result<Arc<Bucket>, Refusal> {
    let name = input.text("Bucket").unwrap_or_default();
    let bucket = intent.get::<Bucket>(name).cloned().ok_or_else(|| {
        Refusal::new("NoSuchBucket", "The specified bucket does not exist").with("BucketName", name)
    })?;
    match input.text("ExpectedBucketOwner") {
        Some(expected) if expected.parse::<AccountId>().is_err() => Err(Refusal::new(
            "InvalidBucketOwnerAWSAccountID",
            format!(
                "The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
            ),
        )),
        Some(expected) if expected != bucket.owner.as_str() => {
            Err(Refusal::new("AccessDenied", "Access Denied"))
        }
        _ => Ok(bucket),
    }
}

/// Some settings are for the owner's account alone, whatever policies say.
fn owner_only(bucket: &Bucket, ctx: &Ctx) -> Result<(), Refusal> {
    match bucket.owner == ctx.caller.account {
        true => Ok(()),
        false => Err(Refusal::new(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        )),
    }
}

/// A part of an operation that is not built.
fn not_implemented(what: &str) -> Refusal {
    Refusal::new(
        "NotImplemented",
        format!("{what} is not supported. See docs/compatibility.md."),
    )
}
