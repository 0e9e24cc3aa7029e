//! Operations on objects, against the store. The hot ones (GetObject, HeadObject, PutObject, UploadPart)
//! are typed from the head to the answer; the others take the codec's input and give its output.

mod acl;
mod copy;
mod customer;
mod delete;
mod errors;
mod form;
mod headers;
mod list;
mod lock;
mod multipart;
mod read;
mod tags;
mod write;

pub(crate) use customer::{
    etag as etag_kind, is_ours as is_of_key, key as customer_key, may_go_on, of as customer,
    of_source as source_customer, passed_on,
};
pub(crate) use errors::reply as store_error;
pub(crate) use form::{FormFile, post};
pub(crate) use headers::{CONDITIONS, copied_conditions};
pub(crate) use list::Encoding;
pub(crate) use lock::lock_keys;

use adit_wire::ErrorReply;

use crate::ask::{Ask, Uses};
use crate::decide::not_implemented;
use crate::reply::Reply;

/// The operations on objects that are built. Others of S3's are refused or belong to the api.
pub static OBJECT_OPERATIONS: &[&str] = &[
    "GetObject",
    "HeadObject",
    "PutObject",
    "UploadPart",
    "CopyObject",
    "UploadPartCopy",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "DeleteObject",
    "DeleteObjects",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
    "GetObjectAttributes",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetObjectRetention",
    "PutObjectRetention",
    "GetObjectLegalHold",
    "PutObjectLegalHold",
];

/// Decides and carries out an operation on objects; none when `op` is not one.
pub(crate) async fn run(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Option<Result<Reply, ErrorReply>> {
    Some(match ask.op.name() {
        "GetObject" => read::get(ask, uses, true).await,
        "HeadObject" => read::get(ask, uses, false).await,
        "PutObject" => write::put(ask, uses).await,
        "UploadPart" => write::part(ask, uses).await,
        "CopyObject" => copy::object(ask, uses).await,
        "UploadPartCopy" => copy::part(ask, uses).await,
        "CreateMultipartUpload" => multipart::create(ask, uses).await,
        "CompleteMultipartUpload" => multipart::complete(ask, uses).await,
        "AbortMultipartUpload" => multipart::abort(ask, uses).await,
        "ListParts" => multipart::parts(ask, uses).await,
        "ListMultipartUploads" => multipart::uploads(ask, uses).await,
        "ListObjects" => list::v1(ask, uses).await,
        "ListObjectsV2" => list::v2(ask, uses).await,
        "ListObjectVersions" => list::versions(ask, uses).await,
        "DeleteObject" => delete::one(ask, uses).await,
        "DeleteObjects" => delete::many(ask, uses).await,
        "GetObjectTagging" => tags::get(ask, uses).await,
        "PutObjectTagging" => tags::put(ask, uses).await,
        "DeleteObjectTagging" => tags::delete(ask, uses).await,
        "GetObjectAttributes" => tags::attributes(ask, uses).await,
        "GetObjectAcl" => acl::get(ask, uses).await,
        "PutObjectAcl" => acl::put(ask, uses).await,
        "GetObjectRetention" => lock::get_retention(ask, uses).await,
        "PutObjectRetention" => lock::put_retention(ask, uses).await,
        "GetObjectLegalHold" => lock::get_legal_hold(ask, uses).await,
        "PutObjectLegalHold" => lock::put_legal_hold(ask, uses).await,
        "GetObjectTorrent" | "RestoreObject" | "SelectObjectContent" | "UpdateObjectEncryption" => {
            Err(not_implemented(ask.op.name()))
        }
        _ => return None,
    })
}
