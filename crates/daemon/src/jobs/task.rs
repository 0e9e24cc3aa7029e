//! What a job does to one object, as a request.

use adit_model::{JobAcl, JobCopy, JobGrant, JobOperation, JobRetention, Tags};
use adit_wire::protocol::percent_encoded;
use adit_wire::time::{http_date, iso8601};
use adit_wire::xml::Element;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};

use super::client::{Call, HOST};
use super::manifest::Entry;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A path's bytes, percent-encoded but for its slashes.
pub(super) fn encoded(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(percent_encoded).collect();
    parts.join("/")
}

/// Region, account and name of an access point's ARN.
fn point(arn: &str) -> Option<(&str, &str, &str)> {
    let rest = arn.strip_prefix("arn:aws:s3:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, name) = rest.split_once(":accesspoint/")?;
    Some((region, account, name))
}

/// Host and path of an object: of a bucket by name or ARN, or of an access point by ARN.
pub(super) fn place(bucket: &str, key: &str) -> (String, String) {
    match point(bucket) {
        Some((region, account, name)) => (
            format!("{name}-{account}.s3-accesspoint.{region}.amazonaws.com"),
            format!("/{}", encoded(key)),
        ),
        None => {
            let name = bucket.strip_prefix("arn:aws:s3:::").unwrap_or(bucket);
            (
                HOST.into(),
                format!("/{}/{}", percent_encoded(name), encoded(key)),
            )
        }
    }
}

/// The request.
pub(super) fn request(operation: &JobOperation, entry: &Entry) -> Call {
    let on = |method, kind: &str| {
        let mut call = Call::new(method, place(&entry.bucket, &entry.key));
        call.query = match &entry.version {
            Some(version) => format!("{kind}&versionId={}", percent_encoded(version)),
            None => kind.to_string(),
        };
        call
    };
    match operation {
        JobOperation::Copy(how) => copy(how, entry),
        JobOperation::PutAcl(acl) => with_acl(on(Method::PUT, "acl"), acl),
        JobOperation::PutTagging(tags) => with_body(on(Method::PUT, "tagging"), tagging(tags)),
        JobOperation::DeleteTagging => on(Method::DELETE, "tagging"),
        JobOperation::PutRetention { retention, bypass } => {
            let call = on(Method::PUT, "retention");
            let call = with_body(call, retention_document(retention.as_ref()));
            match bypass {
                true => call.header("x-amz-bypass-governance-retention", "true"),
                false => call,
            }
        }
        JobOperation::PutLegalHold(state) => {
            let status = vec![Element::new("Status", on_or_off(*state))];
            with_body(on(Method::PUT, "legal-hold"), document("LegalHold", status))
        }
    }
}

fn with_body(mut call: Call, body: String) -> Call {
    let digest = STANDARD.encode(Md5::digest(body.as_bytes()));
    call.body = Bytes::from(body);
    call.header("content-md5", digest)
}

fn on_or_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

fn document(name: &str, children: Vec<Element>) -> String {
    Element {
        name: name.to_owned(),
        attributes: vec![("xmlns".into(), NAMESPACE.into())],
        children,
        ..Element::default()
    }
    .document()
}

fn retention_document(retention: Option<&JobRetention>) -> String {
    let said = retention.map(|retention| {
        let until = iso8601(retention.until, true);
        vec![
            Element::new("Mode", retention.mode.as_str()),
            Element::new("RetainUntilDate", until),
        ]
    });
    document("Retention", said.unwrap_or_default())
}

fn tagging(tags: &Tags) -> String {
    let tag = |(key, value): (&String, &String)| Element {
        name: "Tag".into(),
        children: vec![
            Element::new("Key", key.as_str()),
            Element::new("Value", value.as_str()),
        ],
        ..Element::default()
    };
    let set = Element {
        name: "TagSet".into(),
        children: tags.iter().map(tag).collect(),
        ..Element::default()
    };
    document("Tagging", vec![set])
}

fn with_acl(mut call: Call, acl: &JobAcl) -> Call {
    if let Some(canned) = &acl.canned {
        call = call.header("x-amz-acl", canned);
    }
    for (permission, header) in [
        ("FULL_CONTROL", "x-amz-grant-full-control"),
        ("READ", "x-amz-grant-read"),
        ("READ_ACP", "x-amz-grant-read-acp"),
        ("WRITE", "x-amz-grant-write"),
        ("WRITE_ACP", "x-amz-grant-write-acp"),
    ] {
        let grants = acl.grants.iter();
        let grants = grants.filter(|grant| grant.permission == permission);
        let who: Vec<String> = grants.map(grantee).collect();
        if !who.is_empty() {
            call = call.header(header, who.join(", "));
        }
    }
    call
}

/// `id="…"`. What a header cannot hold, S3 refuses.
fn grantee(grant: &JobGrant) -> String {
    format!("{}=\"{}\"", grant.kind, grant.identifier)
}

fn copy(how: &JobCopy, entry: &Entry) -> Call {
    let key = match &how.prefix {
        Some(prefix) => format!("{}/{}", prefix.trim_end_matches('/'), entry.key),
        None => entry.key.clone(),
    };
    let from = match point(&entry.bucket) {
        Some(_) => encoded(&format!("{}/object/{}", entry.bucket, entry.key)),
        None => encoded(&format!("{}/{}", entry.bucket, entry.key)),
    };
    let from = match &entry.version {
        Some(version) => format!("{from}?versionId={}", percent_encoded(version)),
        None => from,
    };
    let call = Call::new(Method::PUT, place(&how.target, &key)).header("x-amz-copy-source", from);
    let mut call = with_acl(call, &how.acl);
    // New metadata without a word on it can only be meant to be used.
    let given = how.metadata.as_ref().map(|_| "REPLACE");
    let directive = how.metadata_directive.as_deref().or(given);
    call = call.header("x-amz-metadata-directive", directive.unwrap_or("COPY"));
    if let Some(tags) = &how.tags {
        let pair = |(key, value): (&String, &String)| {
            format!("{}={}", percent_encoded(key), percent_encoded(value))
        };
        let pairs: Vec<String> = tags.iter().map(pair).collect();
        call = call
            .header("x-amz-tagging-directive", "REPLACE")
            .header("x-amz-tagging", pairs.join("&"));
    }
    let metadata = how.metadata.clone().unwrap_or_default();
    let date = |millis: Option<i64>| millis.map(http_date);
    for (name, value) in [
        ("x-amz-storage-class", how.storage_class.clone()),
        ("x-amz-checksum-algorithm", how.checksum.clone()),
        (
            "x-amz-object-lock-legal-hold",
            how.legal_hold.map(|on| on_or_off(on).to_owned()),
        ),
        (
            "x-amz-copy-source-if-modified-since",
            date(how.modified_since),
        ),
        (
            "x-amz-copy-source-if-unmodified-since",
            date(how.unmodified_since),
        ),
        ("cache-control", metadata.cache_control),
        ("content-disposition", metadata.content_disposition),
        ("content-encoding", metadata.content_encoding),
        ("content-language", metadata.content_language),
        ("content-type", metadata.content_type),
        ("expires", date(metadata.expires)),
        ("x-amz-server-side-encryption", metadata.encryption),
    ] {
        if let Some(value) = value {
            call = call.header(name, value);
        }
    }
    if let Some(retention) = &how.retention {
        let until = iso8601(retention.until, true);
        call = call
            .header("x-amz-object-lock-mode", retention.mode.clone())
            .header("x-amz-object-lock-retain-until-date", until);
    }
    for (name, value) in metadata.user {
        call = call.header(format!("x-amz-meta-{}", name.to_ascii_lowercase()), value);
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bucket: &str, version: Option<&str>) -> Entry {
        Entry {
            bucket: bucket.into(),
            key: "a b/ü".into(),
            written: String::new(),
            version: version.map(str::to_string),
        }
    }

    fn value<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
        let mut found = call.headers.iter().filter(|(there, _)| there == name);
        found.next().map(|(_, value)| value.as_str())
    }

    #[test]
    fn tags_are_put_and_deleted_on_the_version() {
        let tags = Tags::from([("a<".to_string(), "1".to_string())]);
        let put = request(&JobOperation::PutTagging(tags), &entry("b", Some("v/1")));
        assert_eq!(put.path, "/b/a%20b/%C3%BC");
        assert_eq!(put.query, "tagging&versionId=v%2F1");
        let body = String::from_utf8_lossy(&put.body);
        assert!(body.contains("<Key>a&lt;</Key><Value>1</Value>"), "{body}");
        let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/p";
        let delete = request(&JobOperation::DeleteTagging, &entry(point, None));
        assert_eq!(
            (
                delete.method.as_str(),
                delete.host.as_str(),
                delete.path.as_str()
            ),
            (
                "DELETE",
                "p-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
                "/a%20b/%C3%BC"
            )
        );
    }

    #[test]
    fn copies_say_what_the_job_said() {
        let mut how = JobCopy {
            target: "arn:aws:s3:::to".into(),
            prefix: Some("old".into()),
            ..JobCopy::default()
        };
        let plain = copy(&how, &entry("from", Some("v")));
        assert_eq!(plain.path, "/to/old/a%20b/%C3%BC");
        assert_eq!(
            value(&plain, "x-amz-copy-source"),
            Some("from/a%20b/%C3%BC?versionId=v")
        );
        assert_eq!(value(&plain, "x-amz-metadata-directive"), Some("COPY"));
        assert_eq!(value(&plain, "x-amz-tagging-directive"), None);
        how.tags = Some(Tags::new());
        let mut metadata = adit_model::JobMetadata::default();
        metadata.user.insert("Team".into(), "one".into());
        metadata.content_type = Some("text/plain".into());
        how.metadata = Some(metadata);
        how.acl.grants = vec![JobGrant {
            kind: "id".into(),
            identifier: "x".into(),
            permission: "READ".into(),
        }];
        let changed = copy(&how, &entry("from", None));
        for (name, expected) in [
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-tagging-directive", "REPLACE"),
            ("x-amz-tagging", ""),
            ("content-type", "text/plain"),
            ("x-amz-meta-team", "one"),
            ("x-amz-grant-read", "id=\"x\""),
        ] {
            assert_eq!(value(&changed, name), Some(expected), "{name}");
        }
    }
}
