//! Access points: how they are named, what can be done through one, and that they want TLS.

use std::sync::Arc;

use adit_model::Region;
use adit_snapshot::{AccessPointView, BucketView, Snapshot};
use adit_wire::s3::{self, Bucket};
use adit_wire::sigv4::{self, Claim};
use adit_wire::{ErrorReply, Parts};

use crate::address::Place;
use crate::connection::{Connection, Via};

/// What a name of a bucket leads to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) access_point: Option<Arc<AccessPointView>>,
    pub(crate) bucket: Option<Arc<BucketView>>,
}

impl Found {
    pub(crate) fn through(point: Option<&Arc<AccessPointView>>, snapshot: &Snapshot) -> Found {
        let Some(point) = point else {
            return Found::default();
        };
        // A bucket of that name which somebody else made meanwhile is not the one meant.
        let bucket = snapshot
            .bucket(point.point.bucket.as_str())
            .filter(|view| view.bucket.owner == point.point.bucket_owner);
        Found {
            bucket: bucket.cloned(),
            access_point: Some(point.clone()),
        }
    }
}

/// Finds the bucket that is addressed: by its name, through an access point, or by the alias of one.
/// `region` is the Region that way and host say; where they say none, the signature's does.
pub(crate) fn find(
    named: &Bucket,
    region: Option<&Region>,
    snapshot: &Snapshot,
    wire: &Parts<'_>,
) -> Found {
    match named {
        Bucket::Name(name) => match (snapshot.bucket(name), s3::access_point(name)) {
            (Some(bucket), _) => Found {
                access_point: None,
                bucket: Some(bucket.clone()),
            },
            // Clients put an access point's label below whatever endpoint they were given.
            (None, Some((name, account))) => by_label(name, account, region, snapshot, wire),
            (None, None) => Found::default(),
        },
        Bucket::AccessPoint { name, account } => by_label(name, account, region, snapshot, wire),
        Bucket::Alias(alias) => {
            let point = snapshot.access_point_alias(alias);
            let here = |view: &&Arc<AccessPointView>| {
                region.is_none_or(|region| view.point.region == *region)
            };
            Found::through(point.filter(here), snapshot)
        }
    }
}

fn by_label(
    name: &str,
    account: &str,
    region: Option<&Region>,
    snapshot: &Snapshot,
    wire: &Parts<'_>,
) -> Found {
    let point = match region {
        Some(region) => snapshot.access_point(account, region.as_str(), name),
        None => match sigv4::claim(wire) {
            Ok(Claim::V4(claim)) => snapshot.access_point(account, &claim.region, name),
            _ => None,
        },
    };
    Found::through(point, snapshot)
}

/// The object that an ARN names: `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/object/KEY`.
pub(crate) fn object_of_arn<'a>(
    arn: &'a str,
    snapshot: &Snapshot,
) -> Option<(Arc<AccessPointView>, &'a str)> {
    let rest = arn.strip_prefix("arn:aws:s3:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, rest) = rest.split_once(':')?;
    let (name, key) = rest.strip_prefix("accesspoint/")?.split_once("/object/")?;
    let point = snapshot.access_point(account, region, name)?;
    (!key.is_empty()).then(|| (point.clone(), key))
}

/// Operations that access points support [s3-policy §H].
const SUPPORTED: [&str; 33] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketAcl",
    "GetBucketCors",
    "GetBucketLocation",
    "GetBucketNotificationConfiguration",
    "GetBucketPolicy",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "RestoreObject",
    "UploadPart",
    "UploadPartCopy",
];

/// Refuses what cannot be done through an access point: other operations, and plain HTTP, which is sent
/// on to TLS. The API address has no TLS name to send anybody to, so it serves both.
///
/// # Errors
/// `MethodNotAllowed`; `TemporaryRedirect`.
pub(crate) fn check(
    place: &Place,
    connection: &Connection,
    host: &str,
    wire: &Parts<'_>,
    operation: &str,
) -> Result<(), ErrorReply> {
    if place.access_point.is_none() {
        return Ok(());
    }
    if connection.tls.is_none() && connection.via != Via::Api {
        let mark = if wire.query.is_empty() { "" } else { "?" };
        let host = host.split(':').next().unwrap_or_default();
        let location = format!("https://{host}{}{mark}{}", wire.path, wire.query);
        let mut error = ErrorReply::new(
            "TemporaryRedirect",
            307,
            "Access points are served over HTTPS only. Please resend this request to the specified location.",
        )
        .with("Endpoint", host);
        error.headers.push(("location".into(), location));
        return Err(error);
    }
    if !SUPPORTED.contains(&operation) {
        return Err(ErrorReply::new(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        )
        .with("Method", wire.method)
        .with("ResourceType", "ACCESSPOINT"));
    }
    Ok(())
}
