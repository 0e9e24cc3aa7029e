//! The store's errors in S3's words.

use adit_objects::{Error, VersionId};
use adit_wire::ErrorReply;
use adit_wire::time::{http_date, iso8601};

/// An error of the store as S3 tells it. Faults are logged and told to nobody.
pub(crate) fn reply(error: Error) -> ErrorReply {
    let code = error.code();
    let made = |status: u16, message: &str| ErrorReply::new(code, status, message);
    match error {
        Error::NoSuchBucket { .. } => made(404, "The specified bucket does not exist"),
        Error::BucketNotEmpty { only_versions, .. } => made(
            409,
            match only_versions {
                true => "The bucket you tried to delete is not empty. You must delete all versions in the bucket.",
                false => "The bucket you tried to delete is not empty",
            },
        ),
        Error::NoSuchKey { key, delete_marker } => {
            let mut made = made(404, "The specified key does not exist.").with("Key", key);
            if let Some(version) = delete_marker {
                made.headers.push(("x-amz-delete-marker".into(), "true".to_owned()));
                made.headers.push(("x-amz-version-id".into(), version.to_string()));
            }
            made
        }
        Error::NoSuchVersion { key, version_id } => made(404, "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", version_id.as_str()),
        Error::NoSuchUpload { upload_id } => made(
            404,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        )
        .with("UploadId", upload_id),
        Error::InvalidPart { upload_id, part_number, etag } => made(
            400,
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        )
        .with("UploadId", upload_id)
        .with("PartNumber", part_number.to_string())
        .with("ETag", etag),
        Error::InvalidPartOrder { upload_id } => made(
            400,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        )
        .with("UploadId", upload_id),
        Error::InvalidPartNumber { requested, actual } => {
            made(416, "The requested partnumber is not satisfiable")
                .with("PartNumberRequested", requested.to_string())
                .with("ActualPartCount", actual.to_string())
        }
        Error::EntityTooSmall { etag, part_number, proposed_size, min_size_allowed } => {
            made(400, "Your proposed upload is smaller than the minimum allowed size")
                .with("ProposedSize", proposed_size.to_string())
                .with("MinSizeAllowed", min_size_allowed.to_string())
                .with("PartNumber", part_number.to_string())
                .with("ETag", etag)
        }
        Error::EntityTooLarge { proposed_size, max_size_allowed } => {
            made(400, "Your proposed upload exceeds the maximum allowed size")
                .with("ProposedSize", proposed_size.to_string())
                .with("MaxSizeAllowed", max_size_allowed.to_string())
        }
        Error::PreconditionFailed { condition } => {
            made(412, "At least one of the pre-conditions you specified did not hold")
                .with("Condition", condition.to_string())
        }
        Error::NotModified { etag, last_modified, version_id } => {
            let mut made = made(304, "Not Modified");
            made.headers.push(("etag".into(), format!("\"{etag}\"")));
            made.headers.push(("last-modified".into(), http_date(last_modified.0)));
            push_version(&mut made, version_id);
            made
        }
        Error::InvalidRange { range_requested, actual_object_size } => {
            let mut made = made(416, "The requested range is not satisfiable")
                .with("RangeRequested", range_requested)
                .with("ActualObjectSize", actual_object_size.to_string());
            made.headers.push(("content-range".into(), format!("bytes */{actual_object_size}")));
            made
        }
        Error::BadDigest { digest, expected, calculated } => {
            let name = digest.to_string();
            let message = match name.as_str() {
                "Content-MD5" => "The Content-MD5 you specified did not match what we received.".to_owned(),
                name => format!("The {name} you specified did not match the calculated checksum."),
            };
            made(400, &message).with("ExpectedDigest", expected).with("CalculatedDigest", calculated)
        }
        Error::ContentSha256Mismatch { client, computed } => {
            made(400, "The provided 'x-amz-content-sha256' header does not match what was computed.")
                .with("ClientComputedContentSHA256", client)
                .with("S3ComputedContentSHA256", computed)
        }
        Error::IncompleteBody { .. } => {
            made(400, "You did not provide the number of bytes specified by the Content-Length HTTP header")
        }
        Error::ConditionalRequestConflict { condition, key } => made(
            409,
            "The conditional request cannot succeed due to a conflicting operation against this resource.",
        )
        .with("Condition", condition.to_string())
        .with("Key", key),
        Error::MethodNotAllowed { version_id, last_modified, .. } => {
            let mut made = made(405, "The specified method is not allowed against this resource.")
                .with("ResourceType", "DeleteMarker");
            made.headers.push(("allow".into(), "DELETE".to_owned()));
            made.headers.push(("x-amz-delete-marker".into(), "true".to_owned()));
            made.headers.push(("last-modified".into(), http_date(last_modified.0)));
            push_version(&mut made, Some(version_id));
            made
        }
        Error::KeyTooLong { size, max_size_allowed } => made(400, "Your key is too long")
            .with("Size", size.to_string())
            .with("MaxSizeAllowed", max_size_allowed.to_string()),
        Error::InvalidUri { uri } => made(400, "Couldn't parse the specified URI.").with("URI", uri),
        Error::InvalidArgument { name, value, message } => {
            made(400, message).with("ArgumentName", name).with("ArgumentValue", value)
        }
        Error::InvalidRequest { message } => made(400, &message),
        Error::WrongKey => made(403, "Access Denied"),
        Error::TooManyTags => made(400, "Object tags cannot be greater than 10"),
        Error::InvalidTag { key, value, message } => {
            made(400, message).with("TagKey", key).with("TagValue", value)
        }
        Error::MetadataTooLarge { size, max_size_allowed } => {
            made(400, "Your metadata headers exceed the maximum allowed metadata size")
                .with("Size", size.to_string())
                .with("MaxSizeAllowed", max_size_allowed.to_string())
        }
        Error::MalformedXml { .. } => {
            made(400, "The XML you provided was not well-formed or did not validate against our published schema")
        }
        Error::InvalidStorageClass { requested } => {
            made(400, "The storage class you specified is not valid").with("StorageClassRequested", requested)
        }
        Error::ObjectLocked { .. } => {
            made(403, "Access Denied because object protected by object lock.")
        }
        Error::RetainUntilPast { until } => made(400, "The retain until date must be in the future!")
            .with("ArgumentName", "x-amz-object-lock-retain-until-date")
            .with("ArgumentValue", iso8601(until.0, false)),
        Error::Closed => made(503, "Service is unable to handle request."),
        fault => {
            tracing::error!(why = %chain(&fault), "the object store failed");
            made(500, "We encountered an internal error. Please try again.")
        }
    }
}

fn push_version(reply: &mut ErrorReply, version: Option<VersionId>) {
    if let Some(version) = version {
        reply
            .headers
            .push(("x-amz-version-id".into(), version.to_string()));
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
