//! One line of an access log [the fields and their order: S3 user guide, "server access log format"].

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Instant;

use adit_model::Millis;
use adit_objects::{Departure, Gone, VersionId};
use adit_wire::time::iso8601;

/// What is known of a request when its answer begins. Texts are as they came; [`Line::text`] makes them
/// safe to stand in a line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) owner: String,
    pub(crate) bucket: String,
    pub(crate) incarnation: String,
    pub(crate) time: Millis,
    pub(crate) peer: IpAddr,
    pub(crate) requester: Option<String>,
    pub(crate) request_id: String,
    pub(crate) operation: String,
    pub(crate) key: Option<String>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) http: &'static str,
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) begun: Option<Instant>,
    /// From the head to the begin of the answer, in milliseconds.
    pub(crate) turned: u128,
    pub(crate) referer: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) host_id: String,
    pub(crate) signature: Option<&'static str>,
    pub(crate) auth: Option<&'static str>,
    pub(crate) host: String,
    pub(crate) tls: Option<&'static str>,
    pub(crate) access_point: Option<String>,
    pub(crate) acl: bool,
    /// The keys of a request that deletes many: each has a line of its own.
    pub(crate) batch: Vec<Batched>,
}

/// One key of a request that deletes many.
#[derive(Debug, Clone)]
pub(crate) struct Batched {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
}

impl Line {
    /// The lines of the keys that the request was about, if it was about many.
    pub(crate) fn of_keys(&self) -> impl Iterator<Item = String> {
        self.batch.iter().map(|item| {
            format!(
                "{} {} [{}] {} {} {} BATCH.DELETE.OBJECT {} - {} {} - - - - - - {} {} {} - {} {} {} {} -\n",
                word(Some(&self.owner)),
                word(Some(&self.bucket)),
                stamp(self.time),
                self.peer,
                word(self.requester.as_deref()),
                self.request_id,
                word(Some(&item.key)),
                item.status,
                word(item.error.as_deref()),
                word(item.version.as_deref()),
                self.host_id,
                word(self.signature),
                word(self.auth),
                word(Some(&self.host)),
                word(self.tls_version().as_deref()),
                word(self.access_point.as_deref()),
            )
        })
    }

    fn tls_version(&self) -> Option<String> {
        self.tls.map(|version| format!("TLSv{version}"))
    }

    /// The line, with its end; `sent`: bytes of the answer's body that went out.
    pub(crate) fn text(&self, sent: u64) -> String {
        let mut out = String::with_capacity(512);
        let took = self.begun.map_or(0, |at| at.elapsed().as_millis());
        let number = |n: u64| (n > 0).then(|| n.to_string());
        let _ = write!(
            out,
            "{} {} [{}] {} {} {} {} ",
            word(Some(&self.owner)),
            word(Some(&self.bucket)),
            stamp(self.time),
            self.peer,
            word(self.requester.as_deref()),
            self.request_id,
            self.operation,
        );
        let _ = writeln!(
            out,
            "{} \"{} {} {}\" {} {} {} {} {took} {} {} {} {} {} {} - {} {} {} {}",
            word(self.key.as_deref()),
            word(Some(&self.method)),
            word(Some(&without_secrets(&self.target))),
            self.http,
            self.status,
            word(self.error.as_deref()),
            word(number(sent).as_deref()),
            word(self.size.map(|size| size.to_string()).as_deref()),
            self.turned,
            quoted(self.referer.as_deref()),
            quoted(self.user_agent.as_deref()),
            word(self.version.as_deref()),
            self.host_id,
            word(self.signature),
            word(self.auth),
            word(Some(&self.host)),
            word(self.tls_version().as_deref()),
            match (&self.access_point, self.acl) {
                (Some(arn), true) => format!("{} Yes", word(Some(arn))),
                (Some(arn), false) => format!("{} -", word(Some(arn))),
                (None, true) => "- Yes".to_owned(),
                (None, false) => "- -".to_owned(),
            },
        );
        out
    }
}

/// A field without spaces: what could end it, or the line, is percent-encoded. `-` for none.
fn word(text: Option<&str>) -> String {
    match text {
        None | Some("") => "-".to_owned(),
        Some(text) => safe(text, true),
    }
}

/// A field between quotation marks.
fn quoted(text: Option<&str>) -> String {
    match text {
        None | Some("") => "\"-\"".to_owned(),
        Some(text) => format!("\"{}\"", safe(text, false)),
    }
}

fn safe(text: &str, is_word: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = match c {
            '"' => false,
            ' ' => !is_word,
            c => !c.is_control() && c.is_ascii(),
        };
        if plain {
            out.push(c);
        } else {
            let mut space = [0; 4];
            for byte in c.encode_utf8(&mut space).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A request target without what would let its reader in.
fn without_secrets(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let secret = |name: &str| {
        [
            "x-amz-signature",
            "x-amz-security-token",
            "signature",
            "x-amz-server-side-encryption-customer-key",
            "x-amz-copy-source-server-side-encryption-customer-key",
        ]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if secret(name) || name.contains('%') => format!("{name}=REDACTED"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// `02/Jan/2026:03:04:05 +0000`
fn stamp(time: Millis) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = iso8601(time, false);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1).saturating_sub(1);
    let month = MONTHS.get(month).copied().unwrap_or("Jan");
    format!(
        "{}/{month}/{}:{} +0000",
        part(8, 10),
        part(0, 4),
        part(11, 19)
    )
}

/// The line of something that a lifecycle rule let go, which nobody asked for.
pub(crate) fn expired(
    (owner, bucket): (&str, &str),
    time: Millis,
    request_id: &str,
    gone: &Gone,
) -> String {
    let operation = match gone.what {
        Departure::Removed => "S3.EXPIRE.OBJECT",
        Departure::Covered => "S3.CREATE.DELETEMARKER",
        Departure::Aborted => "S3.DELETE.UPLOAD",
    };
    format!(
        "{} {} [{}] - AmazonS3 {request_id} {operation} {} - - - - {} - - - - {} - - - - - - - -\n",
        word(Some(owner)),
        word(Some(bucket)),
        stamp(time),
        word(Some(&gone.key)),
        word((gone.size > 0).then(|| gone.size.to_string()).as_deref()),
        word(gone.version.as_ref().map(VersionId::as_str)),
    )
}

/// The operation's name in a log: `REST.GET.OBJECT`.
pub(crate) fn operation(name: &str, method: &str) -> String {
    let resource = match name {
        "CopyObject" => return "REST.COPY.OBJECT".to_owned(),
        "UploadPartCopy" => return "REST.COPY.PART".to_owned(),
        "Preflight" => return "REST.OPTIONS.PREFLIGHT".to_owned(),
        "GetObject" | "HeadObject" | "PutObject" | "DeleteObject" | "PostObject" => "OBJECT",
        "GetObjectAcl" | "PutObjectAcl" | "GetBucketAcl" | "PutBucketAcl" => "ACL",
        "GetObjectTagging" | "PutObjectTagging" | "DeleteObjectTagging" => "OBJECT_TAGGING",
        "GetObjectAttributes" => "OBJECT_ATTRIBUTES",
        "UploadPart" => "PART",
        "CreateMultipartUpload" | "ListMultipartUploads" => "UPLOADS",
        "CompleteMultipartUpload" | "AbortMultipartUpload" | "ListParts" => "UPLOAD",
        "DeleteObjects" => "MULTI_OBJECT_DELETE",
        "ListObjectVersions" => "BUCKETVERSIONS",
        "GetBucketLocation" => "LOCATION",
        "GetBucketLogging" | "PutBucketLogging" => "LOGGING_STATUS",
        "GetBucketVersioning" | "PutBucketVersioning" => "VERSIONING",
        "GetBucketPolicy" | "PutBucketPolicy" | "DeleteBucketPolicy" => "BUCKETPOLICY",
        "GetBucketPolicyStatus" => "POLICY_STATUS",
        "GetBucketTagging" | "PutBucketTagging" | "DeleteBucketTagging" => "TAGGING",
        "GetBucketCors" | "PutBucketCors" | "DeleteBucketCors" => "CORS",
        "GetBucketLifecycleConfiguration"
        | "PutBucketLifecycleConfiguration"
        | "DeleteBucketLifecycle" => "LIFECYCLE",
        "GetBucketEncryption" | "PutBucketEncryption" | "DeleteBucketEncryption" => "ENCRYPTION",
        "GetPublicAccessBlock" | "PutPublicAccessBlock" | "DeletePublicAccessBlock" => {
            "PUBLIC_ACCESS_BLOCK"
        }
        "GetBucketOwnershipControls"
        | "PutBucketOwnershipControls"
        | "DeleteBucketOwnershipControls" => "OWNERSHIP_CONTROLS",
        // What is asked of the bucket as such: heads, lists, its end.
        _ => "BUCKET",
    };
    format!("REST.{method}.{resource}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_whatever_they_hold() {
        let line = Line {
            owner: "own".into(),
            bucket: "b".into(),
            incarnation: "b-1".into(),
            time: 1_767_323_045_000,
            peer: [10, 0, 0, 1].into(),
            requester: None,
            request_id: "ID".into(),
            operation: operation("GetObject", "GET"),
            key: Some("a b\n\"é".into()),
            method: "GET".into(),
            target: "/b/a?X-Amz-Signature=s3cr3t&x=1&%58-Amz-Signature=t&X-Amz-Server-Side-Encryption-Customer-Key=k".into(),
            http: "HTTP/1.1",
            status: 200,
            error: None,
            size: Some(7),
            begun: None,
            turned: 3,
            referer: Some("\" 200 -\n".into()),
            user_agent: Some("agent 1".into()),
            version: None,
            host_id: "HOST".into(),
            signature: Some("SigV4"),
            auth: Some("QueryString"),
            host: "b.s3.amazonaws.com".into(),
            tls: Some("1.3"),
            access_point: None,
            acl: true,
            batch: vec![Batched {
                key: "a b".into(),
                version: Some("v1".into()),
                status: 403,
                error: Some("AccessDenied".into()),
            }],
        };
        assert_eq!(
            line.text(5),
            "own b [02/Jan/2026:03:04:05 +0000] 10.0.0.1 - ID REST.GET.OBJECT a%20b%0A%22%C3%A9 \"GET /b/a?X-Amz-Signature=REDACTED&x=1&%58-Amz-Signature=REDACTED&X-Amz-Server-Side-Encryption-Customer-Key=REDACTED HTTP/1.1\" 200 - 5 7 0 3 \"%22 200 -%0A\" \"agent 1\" - HOST SigV4 - QueryString b.s3.amazonaws.com TLSv1.3 - Yes\n"
        );
        assert!(line.text(0).contains(" 200 - - 7 "));
        let of_keys: Vec<String> = line.of_keys().collect();
        assert_eq!(
            of_keys,
            [
                "own b [02/Jan/2026:03:04:05 +0000] 10.0.0.1 - ID BATCH.DELETE.OBJECT a%20b - 403 AccessDenied - - - - - - v1 HOST SigV4 - QueryString b.s3.amazonaws.com TLSv1.3 - -\n"
            ]
        );
    }

    #[test]
    fn every_line_has_as_many_fields() {
        let gone = |what| Gone {
            what,
            key: "a b".into(),
            version: None,
            size: 9,
        };
        let line = expired(("own", "b"), 0, "ID", &gone(Departure::Removed));
        assert_eq!(
            line,
            "own b [01/Jan/1970:00:00:00 +0000] - AmazonS3 ID S3.EXPIRE.OBJECT a%20b - - - - 9 - - - - - - - - - - - - -\n"
        );
        for (what, name) in [
            (Departure::Covered, "S3.CREATE.DELETEMARKER"),
            (Departure::Aborted, "S3.DELETE.UPLOAD"),
        ] {
            assert!(expired(("own", "b"), 0, "ID", &gone(what)).contains(name));
        }
    }

    #[test]
    fn operations_have_the_names_of_logs() {
        for (name, method, logged) in [
            ("ListObjectsV2", "GET", "REST.GET.BUCKET"),
            ("CopyObject", "PUT", "REST.COPY.OBJECT"),
            ("UploadPart", "PUT", "REST.PUT.PART"),
            ("CompleteMultipartUpload", "POST", "REST.POST.UPLOAD"),
            ("DeleteObjects", "POST", "REST.POST.MULTI_OBJECT_DELETE"),
            ("PutBucketLogging", "PUT", "REST.PUT.LOGGING_STATUS"),
        ] {
            assert_eq!(operation(name, method), logged);
        }
    }
}
