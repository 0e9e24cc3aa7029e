//! `x-amz-copy-source`: which object is copied.

use std::sync::Arc;

use adit_snapshot::{AccessPointView, BucketView, Snapshot};
use adit_wire::ErrorReply;
use percent_encoding::percent_decode_str;

use crate::access_point::{Found, object_of_arn};

/// The object a copy is made of.
#[derive(Debug, Clone)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    /// The access point that the header names.
    pub(crate) access_point: Option<Arc<AccessPointView>>,
    /// The bucket, if it exists.
    pub(crate) view: Option<Arc<BucketView>>,
}

impl CopySource {
    /// Reads the header: `bucket/key`, with or without a slash in front, percent-encoded, with
    /// `?versionId=` behind it; or the ARN of an object of an access point. The bucket may be the alias
    /// of one.
    ///
    /// # Errors
    /// Text of another form; an access point that does not exist.
    pub(crate) fn parse(text: &str, snapshot: &Snapshot) -> Result<CopySource, ErrorReply> {
        let invalid = || {
            ErrorReply::new(
                "InvalidArgument",
                400,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
            .with("ArgumentName", "x-amz-copy-source")
            .with("ArgumentValue", text.chars().take(256).collect::<String>())
        };
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let version = match query {
            None => None,
            Some(query) => {
                let id = query
                    .strip_prefix("versionId=")
                    .filter(|id| !id.is_empty())
                    .ok_or_else(invalid)?;
                Some(
                    percent_decode_str(id)
                        .decode_utf8()
                        .map_err(|_| invalid())?
                        .into_owned(),
                )
            }
        };
        let path = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| invalid())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        if path.starts_with("arn:") {
            let (point, key) = object_of_arn(path, snapshot).ok_or_else(invalid)?;
            return Ok(CopySource::through(point, key, version, snapshot));
        }
        let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(invalid());
        }
        if let Some(point) = snapshot.access_point_alias(bucket) {
            return Ok(CopySource::through(point.clone(), key, version, snapshot));
        }
        let view = snapshot.bucket(bucket).cloned();
        Ok(CopySource {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version,
            access_point: None,
            view,
        })
    }

    fn through(
        point: Arc<AccessPointView>,
        key: &str,
        version: Option<String>,
        snapshot: &Snapshot,
    ) -> CopySource {
        let found = Found::through(Some(&point), snapshot);
        CopySource {
            bucket: point.point.bucket.to_string(),
            key: key.to_owned(),
            version,
            access_point: found.access_point,
            view: found.bucket,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_source_is_read() {
        let snapshot = Snapshot::default();
        let parse = |text| CopySource::parse(text, &snapshot).map(|s| (s.bucket, s.key, s.version));
        let is = |bucket: &str, key: &str, version: Option<&str>| {
            (
                bucket.to_owned(),
                key.to_owned(),
                version.map(str::to_owned),
            )
        };
        for (text, expected) in [
            ("b/k", is("b", "k", None)),
            ("/b/k", is("b", "k", None)),
            ("b%2Fa%20b/c", is("b", "a b/c", None)),
            ("b/k?versionId=3%2B4", is("b", "k", Some("3+4"))),
            // An escaped question mark belongs to the key.
            ("b/k%3FversionId=1", is("b", "k?versionId=1", None)),
            // Dots are a key like any other; they never leave the bucket.
            ("b/../c/k", is("b", "../c/k", None)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "",
            "b",
            "b/",
            "/k",
            "//k",
            "b/k?versionId=",
            "b/k?x=1",
            "b/%ff",
            "arn:aws:s3:us-east-1:1:accesspoint/a/object/k",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
