//! Which operation a request to S3 is.

use adit_wire::s3::{self, Address, Names, Recognised};
use adit_wire::{Headers, Parts, WireError, map};

const HOST: &str = "bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com";

fn find(
    host: &str,
    method: &str,
    uri: &str,
    headers: &[(&str, &[u8])],
) -> Result<(Address, Recognised), WireError> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let address = s3::address(&Names::new("amazonaws.com"), host, path).expect("an address");
    let parts = Parts {
        method,
        path,
        query,
        headers: Headers(headers),
        body: b"",
    };
    s3::recognise(&address, &parts).map(|found| (address, found))
}

fn name(method: &str, uri: &str, headers: &[(&str, &[u8])]) -> String {
    match find(HOST, method, uri, headers) {
        Ok((_, Recognised::Operation(op))) => op.name().to_owned(),
        Ok((_, other)) => format!("{other:?}"),
        Err(WireError::NotImplemented { resource, .. }) => format!("not implemented {resource}"),
        Err(WireError::NoSuchOperation { .. }) => "none".to_owned(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_row_of_the_dispatch_tables() {
    let copy: &[(&str, &[u8])] = &[("X-Amz-Copy-Source", b"b/k")];
    let form: &[(&str, &[u8])] = &[("content-type", b"multipart/form-data; boundary=x")];
    for (method, uri, headers, wanted) in [
        ("GET", "/", &[][..], "ListBuckets"),
        ("GET", "/?prefix=a&max-buckets=5", &[], "ListBuckets"),
        ("PUT", "/b", &[], "CreateBucket"),
        ("HEAD", "/b/", &[], "HeadBucket"),
        ("DELETE", "/b", &[], "DeleteBucket"),
        ("GET", "/b", &[], "ListObjects"),
        ("GET", "/b/?delimiter=%2F&prefix=", &[], "ListObjects"),
        (
            "GET",
            "/b?list-type=2&prefix=&delimiter=%2F&encoding-type=url",
            &[],
            "ListObjectsV2",
        ),
        ("GET", "/b?versions", &[], "ListObjectVersions"),
        ("GET", "/b?uploads=", &[], "ListMultipartUploads"),
        ("POST", "/b?delete", &[], "DeleteObjects"),
        ("POST", "/b/?delete=", &[], "DeleteObjects"),
        ("POST", "/b", form, "PostObject"),
        ("POST", "/b/?x-id=x", form, "PostObject"),
        ("GET", "/b?location=", &[], "GetBucketLocation"),
        ("GET", "/b?policyStatus", &[], "GetBucketPolicyStatus"),
        ("DELETE", "/b?lifecycle", &[], "DeleteBucketLifecycle"),
        (
            "GET",
            "/b?lifecycle",
            &[],
            "GetBucketLifecycleConfiguration",
        ),
        (
            "PUT",
            "/b?notification",
            &[],
            "PutBucketNotificationConfiguration",
        ),
        (
            "GET",
            "/b?analytics",
            &[],
            "ListBucketAnalyticsConfigurations",
        ),
        (
            "GET",
            "/b?analytics&id=x",
            &[],
            "GetBucketAnalyticsConfiguration",
        ),
        ("GET", "/b?object-lock", &[], "GetObjectLockConfiguration"),
        ("GET", "/b/k", &[], "GetObject"),
        (
            "GET",
            "/b/k?x-id=GetObject&response-content-type=x&id=7",
            &[],
            "GetObject",
        ),
        ("GET", "/b/k?versionId=null&partNumber=1", &[], "GetObject"),
        ("HEAD", "/b/k?versionId=null", &[], "HeadObject"),
        (
            "GET",
            "/b/k?attributes&versionId=1",
            &[],
            "GetObjectAttributes",
        ),
        ("PUT", "/b/k", &[], "PutObject"),
        ("PUT", "/b/k", copy, "CopyObject"),
        ("POST", "/b/k?uploads=", &[], "CreateMultipartUpload"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", &[], "UploadPart"),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            copy,
            "UploadPartCopy",
        ),
        ("POST", "/b/k?uploadId=u", &[], "CompleteMultipartUpload"),
        ("DELETE", "/b/k?uploadId=u", &[], "AbortMultipartUpload"),
        ("GET", "/b/k?uploadId=u&max-parts=2", &[], "ListParts"),
        ("DELETE", "/b/k?versionId=1", &[], "DeleteObject"),
        ("GET", "/b/k?acl&versionId=1", &[], "GetObjectAcl"),
        ("PUT", "/b/k?tagging", &[], "PutObjectTagging"),
        ("POST", "/b/k?restore", &[], "RestoreObject"),
        (
            "POST",
            "/b/k?select&select-type=2",
            &[],
            "SelectObjectContent",
        ),
        ("PUT", "/b/k?renameObject", &[], "RenameObject"),
        ("OPTIONS", "/b/k", &[], "Preflight"),
    ] {
        assert_eq!(name(method, uri, headers), wanted, "{method} {uri}");
    }
}

#[test]
fn nothing_is_taken_for_a_cheaper_operation() {
    let copy: &[(&str, &[u8])] = &[("x-amz-copy-source", b"b/k")];
    for (method, uri, headers, wanted) in [
        ("GET", "/b?delete", &[][..], "not implemented delete"),
        ("DELETE", "/b?acl", &[], "not implemented acl"),
        ("DELETE", "/b/k?%61cl", &[], "not implemented acl"),
        ("GET", "/b/k?policy", &[], "not implemented policy"),
        ("GET", "/b?list-type=3", &[], "not implemented list-type"),
        ("GET", "/?acl", &[], "not implemented acl"),
        ("GET", "/b?acl&policy", &[], "not implemented policy"),
        ("PUT", "/b/k?uploadId=u", &[], "not implemented uploadId"),
        (
            "PUT",
            "/b/k?partNumber=1",
            &[],
            "not implemented partNumber",
        ),
        ("PUT", "/b/k?versionId=1", &[], "not implemented versionId"),
        ("GET", "/b?versionId=1", &[], "not implemented versionId"),
        (
            "GET",
            "/b?defaultObjectAcl",
            &[],
            "not implemented defaultObjectAcl",
        ),
        ("PUT", "/b/k?acl", copy, "not implemented acl"),
        ("PUT", "/b", copy, "not implemented x-amz-copy-source"),
        ("PUT", "/", &[], "none"),
        ("POST", "/b/k", &[], "none"),
        ("POST", "/b", &[], "none"),
        ("PATCH", "/b/k", &[], "none"),
        ("get", "/b/k", &[], "none"),
    ] {
        assert_eq!(name(method, uri, headers), wanted, "{method} {uri}");
    }
}

#[test]
fn headers_that_a_signer_moved_to_the_query_count() {
    let uri = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Security-Token=t&X-Amz-Acl=private\
        &x-amz-meta-a=1%202&x-amz-storage-class=GLACIER";
    let (path, query) = uri.split_once('?').unwrap();
    let address = s3::address(&Names::new("amazonaws.com"), HOST, path).unwrap();
    let headers: [(&str, &[u8]); 1] = [("x-amz-storage-class", b"STANDARD_IA")];
    let parts = Parts {
        method: "PUT",
        path,
        query,
        headers: Headers(&headers),
        body: b"",
    };
    let Recognised::Operation(op) = s3::recognise(&address, &parts).unwrap() else {
        panic!("an operation")
    };
    let wanted = map! {
        "ACL" => "private",
        "Bucket" => "b",
        "Key" => "k",
        "Metadata" => map! { "a" => "1 2" },
        "StorageClass" => "STANDARD_IA",
    };
    assert_eq!(s3::decode(&op, &address, &parts).unwrap(), wanted);
    assert_eq!(adit_wire::protocol::decode(&op, &parts).unwrap(), wanted);
    assert_eq!(
        name("PUT", "/b/k?X-Amz-Copy-Source=o%2Fk", &[]),
        "CopyObject"
    );
}

#[test]
fn names_in_the_host_reach_the_input() {
    let v = "vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com";
    for (host, uri, bucket, key) in [
        (format!("my.b.bucket.{v}"), "/a%20b//", "my.b", "a b//"),
        (
            format!("ap-123456789012.accesspoint.{v}"),
            "/k",
            "ap-123456789012",
            "k",
        ),
        (format!("x-s3alias.bucket.{v}"), "/k", "x-s3alias", "k"),
        (format!("bucket.{v}"), "/b/k/", "b", "k/"),
    ] {
        let (path, query) = (uri, "");
        let address = s3::address(&Names::new("amazonaws.com"), &host, path).unwrap();
        let parts = Parts {
            method: "DELETE",
            path,
            query,
            headers: Headers(&[]),
            body: b"",
        };
        let Recognised::Operation(op) = s3::recognise(&address, &parts).unwrap() else {
            panic!("an operation")
        };
        let input = s3::decode(&op, &address, &parts).unwrap();
        assert_eq!(input, map! { "Bucket" => bucket, "Key" => key });
    }
}

#[test]
fn s3_control_takes_the_account_from_host_and_header() {
    let v = "vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com";
    let call = |host: &str, header: Option<&str>| {
        let headers: Vec<(&str, &[u8])> = header
            .iter()
            .map(|text| ("x-amz-account-id", text.as_bytes()))
            .collect();
        let path = "/v20180820/accesspoint/apo";
        let address = s3::address(&Names::new("amazonaws.com"), host, path).unwrap();
        let parts = Parts {
            method: "GET",
            path,
            query: "",
            headers: Headers(&headers),
            body: b"",
        };
        let Recognised::Operation(op) = s3::recognise(&address, &parts).unwrap() else {
            panic!("an operation")
        };
        assert_eq!(op.name(), "GetAccessPoint");
        s3::decode(&op, &address, &parts)
    };
    let wanted = map! { "AccountId" => "123456789012", "Name" => "apo" };
    assert_eq!(
        call(&format!("123456789012.control.{v}"), None).unwrap(),
        wanted
    );
    assert_eq!(
        call(&format!("123456789012.control.{v}"), Some("123456789012")).unwrap(),
        wanted
    );
    assert_eq!(
        call(&format!("control.{v}"), Some("123456789012")).unwrap(),
        wanted
    );
    let refused = call(&format!("123456789012.control.{v}"), Some("999999999999")).unwrap_err();
    assert_eq!(
        refused.reply(adit_wire::Service::S3Control).code,
        "InvalidRequest"
    );
    assert!(matches!(
        call(&format!("control.{v}"), None),
        Err(WireError::MissingParameter { .. })
    ));
}
