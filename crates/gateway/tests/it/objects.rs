//! Operations on buckets and objects, as clients use them.

use adit_gateway::Via;
use adit_wire::sigv4::Sign;

use crate::support::*;

async fn begin() -> (World, Client) {
    let world = World::new();
    let api = world.api().await;
    (world, api)
}

fn md5_etag(body: &[u8]) -> String {
    use md5::Digest as _;
    let hex: String = md5::Md5::digest(body)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("\"{hex}\"")
}

#[tokio::test]
async fn put_get_head_delete() {
    let (world, mut api) = begin().await;
    let put = ask("PUT", "/reports/a%20b/%C3%A9")
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "blue")
        .header("cache-control", "no-cache")
        .header("content-encoding", "gzip")
        .body("hello world");
    let put = api.send(&put.root()).await.is(200);
    assert_eq!(put.header("etag"), md5_etag(b"hello world"));
    assert!(!put.header("x-amz-checksum-crc64nvme").is_empty());
    assert_eq!(put.header("x-amz-request-id").len(), 16);
    let target = "/reports/a%20b/%C3%A9";
    let got = api.send(&ask("GET", target).root()).await.is(200);
    assert_eq!(got.text(), "hello world");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "blue"),
        ("cache-control", "no-cache"),
        ("content-encoding", "gzip"),
        ("content-length", "11"),
        ("accept-ranges", "bytes"),
        ("server", "AmazonS3"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = api.send(&ask("HEAD", target).root()).await.is(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("11", 0));
    let part = api
        .send(&ask("GET", target).header("range", "bytes=6-").root())
        .await
        .is(206);
    assert_eq!(
        (part.text().as_str(), part.header("content-range")),
        ("world", "bytes 6-10/11")
    );
    let last = api
        .send(&ask("HEAD", target).header("range", "bytes=-5").root())
        .await
        .is(206);
    assert_eq!(last.header("content-length"), "5");
    api.send(&ask("GET", target).header("range", "bytes=11-").root())
        .await
        .fails(416, "InvalidRange");
    let etag = got.header("etag").to_owned();
    api.send(&ask("GET", target).header("if-none-match", &etag).root())
        .await
        .is(304);
    api.send(&ask("GET", target).header("if-match", "\"x\"").root())
        .await
        .fails(412, "PreconditionFailed");
    let typed = api
        .send(&ask("GET", &format!("{target}?response-content-type=a%2Fb")).root())
        .await
        .is(200);
    assert_eq!(typed.header("content-type"), "a/b");
    let sum = api
        .send(
            &ask("GET", target)
                .header("x-amz-checksum-mode", "enabled")
                .root(),
        )
        .await
        .is(200);
    assert_eq!(
        sum.header("x-amz-checksum-crc64nvme"),
        put.header("x-amz-checksum-crc64nvme")
    );
    api.send(&ask("DELETE", target).root()).await.is(204);
    api.send(&ask("DELETE", target).root()).await.is(204);
    api.send(&ask("GET", target).root())
        .await
        .fails(404, "NoSuchKey");
    assert_eq!(
        world.records.last()["resource"],
        "arn:aws:s3:::reports/a b/é"
    );
}

#[tokio::test]
async fn bodies_are_what_they_are_said_to_be() {
    let (_world, mut api) = begin().await;
    let put = || ask("PUT", "/reports/k");
    let cases = [
        (
            put()
                .body("hello")
                .signed_for(ROOT, "us-east-1", NOW, Sign::Bytes(b"other")),
            "XAmzContentSHA256Mismatch",
        ),
        (
            put()
                .body("hello")
                .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")
                .root(),
            "BadDigest",
        ),
        (
            put().body("hello").header("content-md5", "x").root(),
            "InvalidDigest",
        ),
        (
            put()
                .body("hello")
                .header("x-amz-checksum-crc32", "AAAAAA==")
                .root(),
            "BadDigest",
        ),
        (
            put()
                .body("hello")
                .header("x-amz-checksum-sha256", "AAAA")
                .root(),
            "InvalidRequest",
        ),
    ];
    for (call, code) in cases {
        api.send(&call).await.fails(400, code);
        api.send(&ask("GET", "/reports/k").root())
            .await
            .fails(404, "NoSuchKey");
    }
    let good = put()
        .body("hello")
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    let done = api.send(&good.root()).await.is(200);
    assert_eq!(done.header("x-amz-checksum-crc32"), "NhCmhg==");
    api.send(&put().header("if-none-match", "*").body("x").root())
        .await
        .fails(412, "PreconditionFailed");
    api.send(
        &put()
            .header("if-match", done.header("etag"))
            .body("x")
            .root(),
    )
    .await
    .is(200);
}

/// A body in the framing of unsigned chunks with a trailer.
fn chunked(chunks: &[&[u8]], trailer: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in chunks {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(format!("0\r\n{trailer}\r\n\r\n").as_bytes());
    framed
}

#[tokio::test]
async fn chunked_uploads_with_a_trailer() {
    let (_world, mut api) = begin().await;
    let put = |body: Vec<u8>, length: &str| {
        ask("PUT", "/reports/k")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", length)
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .header("x-amz-sdk-checksum-algorithm", "CRC32")
            .body(body)
            .signed_for(ROOT, "us-east-1", NOW, Sign::UnsignedWithTrailer)
    };
    let body = chunked(&[b"hello"], "x-amz-checksum-crc32:NhCmhg==");
    let done = api.send(&put(body.clone(), "5")).await.is(200);
    assert_eq!(
        (done.header("etag"), done.header("x-amz-checksum-crc32")),
        (md5_etag(b"hello").as_str(), "NhCmhg==")
    );
    let got = api.send(&ask("GET", "/reports/k").root()).await.is(200);
    assert_eq!(
        (got.text().as_str(), got.header("content-encoding")),
        ("hello", "")
    );
    // The connection is still good, and so is the object after each of these.
    let wrong = chunked(&[b"hello"], "x-amz-checksum-crc32:AAAAAA==");
    api.send(&put(wrong, "5")).await.fails(400, "BadDigest");
    let mut api = _world.api().await;
    api.send(&put(body.clone(), "6")).await.is(400);
    let mut api = _world.api().await;
    api.send(&put(chunked(&[b"hello"], "x-other:1"), "5"))
        .await
        .is(400);
    let mut api = _world.api().await;
    api.send(&put(b"5\r\nhello\r\n".to_vec(), "5"))
        .await
        .is(400);
    let mut api = _world.api().await;
    let mut more = body;
    more.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    api.send(&put(more, "5")).await.is(400);
    assert_eq!(
        _world
            .api()
            .await
            .send(&ask("GET", "/reports/k").root())
            .await
            .is(200)
            .text(),
        "hello"
    );
}

#[tokio::test]
async fn an_upload_of_many_parts() {
    let (_world, mut api) = begin().await;
    let made = api
        .send(
            &ask("POST", "/reports/big?uploads=")
                .header("x-amz-meta-a", "b")
                .root(),
        )
        .await
        .is(200);
    let id = made.element("UploadId");
    assert_eq!(
        (
            made.element("Bucket").as_str(),
            made.element("Key").as_str()
        ),
        ("reports", "big")
    );
    let (first, second) = (vec![1u8; 5 << 20], vec![2u8; 100]);
    let mut tags = Vec::new();
    for (number, body) in [(1, &first), (2, &second)] {
        let put = ask(
            "PUT",
            &format!("/reports/big?partNumber={number}&uploadId={id}"),
        )
        .body(body.clone());
        let done = api.send(&put.root()).await.is(200);
        assert_eq!(done.header("etag"), md5_etag(body));
        tags.push(done.header("etag").to_owned());
    }
    let listed = api
        .send(&ask("GET", &format!("/reports/big?uploadId={id}")).root())
        .await
        .is(200);
    assert_eq!(
        listed.text().matches("<Part>").count(),
        2,
        "{}",
        listed.text()
    );
    let uploads = api
        .send(&ask("GET", "/reports?uploads").root())
        .await
        .is(200);
    assert_eq!(uploads.element("UploadId"), id, "{}", uploads.text());
    api.send(&ask("PUT", &format!("/reports/big?partNumber=0&uploadId={id}")).root())
        .await
        .fails(400, "InvalidArgument");
    let document = |second: &str| {
        format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part><Part><PartNumber>2</PartNumber><ETag>{second}</ETag></Part></CompleteMultipartUpload>",
            tags[0]
        )
    };
    let complete = |body: String| {
        ask("POST", &format!("/reports/big?uploadId={id}"))
            .body(body)
            .root()
    };
    api.send(&complete(document("nonsense")))
        .await
        .fails(400, "InvalidPart");
    api.send(&complete("<x".to_owned()))
        .await
        .fails(400, "MalformedXML");
    let done = api.send(&complete(document(&tags[1]))).await.is(200);
    assert!(
        done.element("ETag").ends_with("-2&quot;") || done.element("ETag").ends_with("-2\""),
        "{}",
        done.text()
    );
    let got = api.send(&ask("GET", "/reports/big").root()).await.is(200);
    assert!(got.body[..5 << 20].iter().all(|b| *b == 1) && got.body[5 << 20..] == second);
    assert_eq!(got.header("x-amz-meta-a"), "b");
    let part = api
        .send(&ask("GET", "/reports/big?partNumber=2").root())
        .await
        .is(206);
    assert_eq!(
        (part.body.len(), part.header("x-amz-mp-parts-count")),
        (100, "2")
    );
    let gone = api
        .send(&ask("POST", "/reports/other?uploads").root())
        .await
        .is(200)
        .element("UploadId");
    api.send(&ask("DELETE", &format!("/reports/other?uploadId={gone}")).root())
        .await
        .is(204);
    api.send(&ask("DELETE", &format!("/reports/other?uploadId={gone}")).root())
        .await
        .fails(404, "NoSuchUpload");
    let range = ask("PUT", &format!("/reports/x?partNumber=1&uploadId={gone}")).body("x");
    api.send(&range.root()).await.fails(404, "NoSuchUpload");
}

#[tokio::test]
async fn copies_are_decided_on_both_sides() {
    let (world, mut api) = begin().await;
    api.send(
        &ask("PUT", "/other/secret")
            .body("secret")
            .header("x-amz-meta-a", "b")
            .root(),
    )
    .await
    .is(200);
    let copy = |key: &str| {
        ask("PUT", "/reports/copy")
            .header("x-amz-copy-source", "/other/secret")
            .by(key)
    };
    let done = api.send(&copy(ROOT)).await.is(200);
    assert!(done.text().contains("CopyObjectResult"), "{}", done.text());
    let got = api.send(&ask("GET", "/reports/copy").root()).await.is(200);
    assert_eq!(
        (got.text().as_str(), got.header("x-amz-meta-a")),
        ("secret", "b")
    );
    // A user who may write here may not read there.
    let allow = |resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}}}"#
        )
    };
    world.intents.user_policy(&allow("arn:aws:s3:::reports/*"));
    let refused = api.send(&copy(USER)).await.fails(403, "AccessDenied");
    assert!(
        refused
            .message()
            .contains("s3:GetObject on resource: \"arn:aws:s3:::other/secret\""),
        "{}",
        refused.text()
    );
    world.intents.user_policy(&allow("arn:aws:s3:::other/*"));
    let refused = api.send(&copy(USER)).await.fails(403, "AccessDenied");
    assert!(
        refused.message().contains("s3:PutObject"),
        "{}",
        refused.text()
    );
    // An endpoint that lets only one bucket through stops it too.
    world.intents.endpoint_policy(
        GATEWAY,
        &statement("Allow", "s3:*", r#""arn:aws:s3:::reports/*""#, ""),
    );
    let mut way = world.way(GATEWAY).client().await;
    let through = ask("PUT", "/reports/copy")
        .host("s3.us-east-1.amazonaws.com")
        .header("x-amz-copy-source", "other/secret");
    let refused = way.send(&through.root()).await.fails(403, "AccessDenied");
    assert!(
        refused.message().contains("VPC endpoint policy"),
        "{}",
        refused.text()
    );
    api.send(
        &ask("PUT", "/reports/c")
            .header("x-amz-copy-source", "other/none")
            .root(),
    )
    .await
    .fails(404, "NoSuchKey");
    api.send(
        &ask("PUT", "/reports/c")
            .header("x-amz-copy-source", "nowhere/k")
            .root(),
    )
    .await
    .fails(404, "NoSuchBucket");
    let id = api
        .send(&ask("POST", "/reports/m?uploads").root())
        .await
        .is(200)
        .element("UploadId");
    let part = ask("PUT", &format!("/reports/m?partNumber=1&uploadId={id}"))
        .header("x-amz-copy-source", "other/secret")
        .header("x-amz-copy-source-range", "bytes=0-2");
    let part = api.send(&part.root()).await.is(200);
    assert!(part.text().contains("CopyPartResult"), "{}", part.text());
}

#[tokio::test]
async fn listings() {
    let (world, mut api) = begin().await;
    for key in ["a", "b/1", "b/2", "c%20d", "e"] {
        api.send(&ask("PUT", &format!("/reports/{key}")).body("x").root())
            .await
            .is(200);
    }
    let list = |query: &str| ask("GET", &format!("/reports?{query}")).root();
    let all = api
        .send(&list("list-type=2&encoding-type=url"))
        .await
        .is(200)
        .text();
    assert_eq!(all.matches("<Contents>").count(), 5, "{all}");
    assert!(
        all.contains("<Key>c+d</Key>") && all.contains("<KeyCount>5</KeyCount>"),
        "{all}"
    );
    let rolled = api
        .send(&list("list-type=2&delimiter=%2F&prefix="))
        .await
        .is(200)
        .text();
    assert!(
        rolled.contains("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"),
        "{rolled}"
    );
    let mut keys = Vec::new();
    let mut query = "list-type=2&max-keys=2".to_owned();
    loop {
        let page = api.send(&list(&query)).await.is(200);
        let text = page.text();
        keys.extend(
            text.split("<Key>")
                .skip(1)
                .map(|rest| rest.split("</Key>").next().unwrap().to_owned()),
        );
        let token = page.element("NextContinuationToken");
        if token.is_empty() {
            break;
        }
        query = format!(
            "list-type=2&max-keys=2&continuation-token={}",
            token
                .replace('+', "%2B")
                .replace('=', "%3D")
                .replace('/', "%2F")
        );
    }
    assert_eq!(keys, ["a", "b/1", "b/2", "c d", "e"]);
    api.send(&list("list-type=2&continuation-token=nonsense!"))
        .await
        .fails(400, "InvalidArgument");
    api.send(&list("list-type=2&encoding-type=x"))
        .await
        .fails(400, "InvalidArgument");
    let first = api.send(&list("marker=b/2")).await.is(200).text();
    assert!(
        first.contains("<Owner><ID>") && !first.contains("<Key>b/1</Key>"),
        "{first}"
    );
    // What policies see is what is listed.
    let condition = r#"{"StringLike":{"s3:prefix":"b/*"}}"#;
    world.intents.user_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{condition}}}}}"#
    ));
    let mine = |query: &str| ask("GET", &format!("/reports?{query}")).by(USER);
    api.send(&mine("list-type=2&prefix=b%2F")).await.is(200);
    api.send(&mine("list-type=2"))
        .await
        .fails(403, "AccessDenied");
    let twice = api.send(&mine("list-type=2&prefix=b%2F&prefix=")).await;
    assert!(!twice.text().contains("<Key>a</Key>"), "{}", twice.text());
}

#[tokio::test]
async fn deleting_many_decides_for_every_key() {
    let (world, mut api) = begin().await;
    for key in ["mine/1", "mine/2", "yours/1"] {
        api.send(&ask("PUT", &format!("/reports/{key}")).body("x").root())
            .await
            .is(200);
    }
    world.intents.user_policy(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::reports/mine/*"}}"#,
    );
    let keys = |keys: &[&str]| {
        let objects: String = keys
            .iter()
            .map(|key| format!("<Object><Key>{key}</Key></Object>"))
            .collect();
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
    };
    let delete = ask("POST", "/reports?delete")
        .body(keys(&["mine/1", "yours/1", "mine/none"]))
        .digested()
        .by(USER);
    let done = api.send(&delete).await.is(200);
    let text = done.text();
    assert_eq!(text.matches("<Deleted>").count(), 2, "{text}");
    assert!(
        text.contains("<Error><Key>yours/1</Key><Code>AccessDenied</Code>"),
        "{text}"
    );
    api.send(&ask("HEAD", "/reports/yours/1").root())
        .await
        .is(200);
    api.send(&ask("HEAD", "/reports/mine/1").root())
        .await
        .is(404);
    // A version id asks for another action.
    let version = "<Delete><Object><Key>mine/2</Key><VersionId>null</VersionId></Object></Delete>";
    let done = api
        .send(
            &ask("POST", "/reports?delete")
                .body(version)
                .digested()
                .by(USER),
        )
        .await
        .is(200);
    assert!(done.text().contains("AccessDenied"), "{}", done.text());
    api.send(
        &ask("POST", "/reports?delete")
            .body("<Delete></Delete>")
            .digested()
            .root(),
    )
    .await
    .fails(400, "MalformedXML");
}

/// Deletes with a condition: who may not read the object does not learn its tag by them.
#[tokio::test]
async fn conditional_deletes() {
    let (world, mut api) = begin().await;
    let tag = md5_etag(b"x");
    let put = ask("PUT", "/reports/k").body("x").root();
    api.send(&put).await.is(200);
    let delete = |condition: &str| ask("DELETE", "/reports/k").header("if-match", condition);
    let many = |tag: &str| {
        let tag = tag.replace('"', "&quot;");
        let object = format!("<Object><Key>k</Key><ETag>{tag}</ETag></Object>");
        ask("POST", "/reports?delete")
            .body(format!("<Delete>{object}</Delete>"))
            .digested()
    };
    api.send(&delete("\"y\"").root())
        .await
        .fails(412, "PreconditionFailed");
    let done = api.send(&many("\"y\"").root()).await.is(200);
    assert_eq!(done.code(), "PreconditionFailed", "{}", done.text());
    // A tag is asked of readers only, whether it is there just asks who may delete.
    let may = |actions: &str| {
        let allow = format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}"#);
        format!(r#"{{"Version":"2012-10-17","Statement":{allow}}}"#)
    };
    world.intents.user_policy(&may(r#""s3:DeleteObject""#));
    for condition in ["\"y\"", tag.as_str()] {
        let refused = api.send(&delete(condition).by(USER)).await;
        assert!(
            refused
                .fails(403, "AccessDenied")
                .message()
                .contains("s3:GetObject ")
        );
        let done = api.send(&many(condition).by(USER)).await.is(200);
        assert_eq!(done.code(), "AccessDenied", "{}", done.text());
    }
    api.send(&delete("*").by(USER)).await.is(204);
    api.send(&delete("*").by(USER))
        .await
        .fails(412, "PreconditionFailed");
    api.send(&put).await.is(200);
    // A policy may demand a condition, of each key by itself.
    world
        .intents
        .user_policy(&may(r#""s3:DeleteObject","s3:GetObject""#));
    let bare = statement(
        "Deny",
        "s3:DeleteObject",
        r#""arn:aws:s3:::reports/*""#,
        r#"{"Null":{"s3:if-match":"true"}}"#,
    );
    world.intents.policy("reports", &bare);
    api.send(&ask("DELETE", "/reports/k").by(USER))
        .await
        .fails(403, "AccessDenied");
    let done = api.send(&many("").by(USER)).await.is(200);
    assert_eq!(done.code(), "AccessDenied", "{}", done.text());
    let done = api.send(&many(&tag).by(USER)).await.is(200);
    assert_eq!(done.code(), "", "{}", done.text());
    api.send(&put).await.is(200);
    api.send(&delete(&tag).by(USER)).await.is(204);
}

/// S3 takes some documents only with a digest; the hash that the signature binds is none.
#[tokio::test]
async fn some_documents_need_a_digest() {
    let (world, mut api) = begin().await;
    let delete =
        ask("POST", "/reports?delete").body("<Delete><Object><Key>k</Key></Object></Delete>");
    let cors = ask("PUT", "/reports?cors").body("<CORSConfiguration></CORSConfiguration>");
    let lifecycle =
        ask("PUT", "/reports?lifecycle").body("<LifecycleConfiguration></LifecycleConfiguration>");
    for request in [&delete, &cors, &lifecycle] {
        let refused = api.send(&request.clone().root()).await;
        let refused = refused.fails(400, "InvalidRequest");
        assert_eq!(
            refused.message(),
            "Missing required header for this request: Content-MD5"
        );
        api = world.api().await;
    }
    api.send(&delete.clone().digested().root()).await.is(200);
    let crc = adit_objects::Checksum::of(adit_objects::ChecksumAlgorithm::Crc32, &delete.body);
    let delete = delete.header("x-amz-checksum-crc32", &crc.to_string());
    api.send(&delete.root()).await.is(200);
}

#[tokio::test]
async fn versions_need_their_own_actions() {
    let (world, mut api) = begin().await;
    let status = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    api.send(&ask("PUT", "/reports?versioning").body(status).root())
        .await
        .is(200);
    let old = api
        .send(&ask("PUT", "/reports/k").body("old").root())
        .await
        .is(200)
        .header("x-amz-version-id")
        .to_owned();
    api.send(&ask("PUT", "/reports/k").body("new").root())
        .await
        .is(200);
    assert_eq!(
        api.send(&ask("GET", "/reports/k").root()).await.text(),
        "new"
    );
    let versioned = format!("/reports/k?versionId={old}");
    assert_eq!(
        api.send(&ask("GET", &versioned).root())
            .await
            .is(200)
            .text(),
        "old"
    );
    world.intents.user_policy(r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject","s3:DeleteObject"],"Resource":"*"}}"#);
    api.send(&ask("GET", "/reports/k").by(USER)).await.is(200);
    let refused = api
        .send(&ask("GET", &versioned).by(USER))
        .await
        .fails(403, "AccessDenied");
    assert!(
        refused.message().contains("s3:GetObjectVersion"),
        "{}",
        refused.text()
    );
    api.send(&ask("DELETE", &versioned).by(USER))
        .await
        .fails(403, "AccessDenied");
    let marker = api
        .send(&ask("DELETE", "/reports/k").by(USER))
        .await
        .is(204);
    assert_eq!(marker.header("x-amz-delete-marker"), "true");
    let listed = api
        .send(&ask("GET", "/reports?versions").root())
        .await
        .is(200)
        .text();
    assert_eq!(
        (
            listed.matches("<Version>").count(),
            listed.matches("<DeleteMarker>").count()
        ),
        (2, 1),
        "{listed}"
    );
    let gone = api
        .send(&ask("GET", "/reports/k").root())
        .await
        .fails(404, "NoSuchKey");
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
}

#[tokio::test]
async fn tags_and_what_policies_see_of_them() {
    let (world, mut api) = begin().await;
    api.send(
        &ask("PUT", "/reports/k")
            .header("x-amz-tagging", "team=blue&x=1")
            .body("x")
            .root(),
    )
    .await
    .is(200);
    let tags = api
        .send(&ask("GET", "/reports/k?tagging").root())
        .await
        .is(200)
        .text();
    assert!(
        tags.contains("<Key>team</Key><Value>blue</Value>"),
        "{tags}"
    );
    assert_eq!(
        api.send(&ask("GET", "/reports/k").root())
            .await
            .header("x-amz-tagging-count"),
        "2"
    );
    let policy = |key: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"blue"}}}}}}}}"#
        )
    };
    world
        .intents
        .user_policy(&policy("s3:ExistingObjectTag/team"));
    api.send(&ask("GET", "/reports/k").by(USER)).await.is(200);
    let red = "<Tagging><TagSet><Tag><Key>team</Key><Value>red</Value></Tag></TagSet></Tagging>";
    api.send(&ask("PUT", "/reports/k?tagging").body(red).root())
        .await
        .is(200);
    api.send(&ask("GET", "/reports/k").by(USER))
        .await
        .fails(403, "AccessDenied");
    world
        .intents
        .user_policy(&policy("s3:RequestObjectTag/team"));
    api.send(&ask("PUT", "/reports/k?tagging").body(red).by(USER))
        .await
        .fails(403, "AccessDenied");
    api.send(
        &ask("PUT", "/reports/k?tagging")
            .body(red.replace("red", "blue"))
            .by(USER),
    )
    .await
    .is(200);
    api.send(&ask("DELETE", "/reports/k?tagging").root())
        .await
        .is(204);
    let attributes =
        ask("GET", "/reports/k?attributes").header("x-amz-object-attributes", "ETag,ObjectSize");
    let shown = api.send(&attributes.root()).await.is(200).text();
    assert!(
        shown.contains("<ObjectSize>1</ObjectSize>") && !shown.contains("StorageClass"),
        "{shown}"
    );
    let acl = api
        .send(&ask("GET", "/reports/k?acl").root())
        .await
        .is(200)
        .text();
    assert!(acl.contains("FULL_CONTROL"), "{acl}");
    api.send(
        &ask("PUT", "/reports/k")
            .header("x-amz-acl", "public-read")
            .body("x")
            .root(),
    )
    .await
    .fails(400, "AccessControlListNotSupported");
    api.send(
        &ask("PUT", "/reports/k")
            .header("x-amz-acl", "bucket-owner-full-control")
            .body("x")
            .root(),
    )
    .await
    .is(200);
}

#[tokio::test]
async fn buckets_come_and_go_whole() {
    let (world, mut api) = begin().await;
    api.send(&ask("PUT", "/fresh").root()).await.is(200);
    let head = api.send(&ask("HEAD", "/fresh").root()).await.is(200);
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    assert_eq!(head.header("x-amz-bucket-arn"), "arn:aws:s3:::fresh");
    let listed = api.send(&ask("GET", "/").root()).await.is(200).text();
    assert!(listed.contains("<Name>fresh</Name>"), "{listed}");
    assert!(
        api.send(&ask("GET", "/fresh?location").root())
            .await
            .is(200)
            .text()
            .contains("LocationConstraint")
    );
    api.send(&ask("PUT", "/fresh/k").body("x").root())
        .await
        .is(200);
    let full = api
        .send(&ask("DELETE", "/fresh").root())
        .await
        .fails(409, "BucketNotEmpty");
    assert_eq!(full.element("BucketName"), "fresh");
    assert!(
        !world
            .intents
            .calls
            .lock()
            .unwrap()
            .contains(&"DeleteBucket".to_owned()),
        "nothing was half deleted"
    );
    api.send(&ask("DELETE", "/fresh/k").root()).await.is(204);
    // The intent cannot be changed: the bucket goes on taking objects.
    *world.intents.fail.lock().unwrap() = true;
    api.send(&ask("DELETE", "/fresh").root())
        .await
        .fails(500, "InternalError");
    *world.intents.fail.lock().unwrap() = false;
    api.send(&ask("PUT", "/fresh/k").body("x").root())
        .await
        .is(200);
    api.send(&ask("DELETE", "/fresh/k").root()).await.is(204);
    api.send(&ask("DELETE", "/fresh").root()).await.is(204);
    api.send(&ask("GET", "/fresh/k").root())
        .await
        .fails(404, "NoSuchBucket");
    api.send(&ask("HEAD", "/fresh").root()).await.is(404);
    // Nobody who may not.
    api.send(&ask("PUT", "/second").by(USER))
        .await
        .fails(403, "AccessDenied");
    api.send(&ask("DELETE", "/reports").by(FOREIGN))
        .await
        .fails(403, "AccessDenied");
    let owner = ask("GET", "/reports")
        .header("x-amz-expected-bucket-owner", STRANGER)
        .root();
    api.send(&owner).await.fails(403, "AccessDenied");
}

#[tokio::test]
async fn virtual_hosts() {
    let world = World::new();
    let mut internet = world.listen(Via::Internet).client().await;
    let put = ask("PUT", "/k")
        .host("reports.s3.amazonaws.com")
        .body("x")
        .root();
    internet.send(&put).await.is(200);
    for host in [
        "reports.s3.us-east-1.amazonaws.com",
        "reports.s3.dualstack.us-east-1.amazonaws.com",
        "reports.s3.amazonaws.com:80",
    ] {
        assert_eq!(
            internet
                .send(&ask("GET", "/k").host(host).root())
                .await
                .is(200)
                .text(),
            "x",
            "{host}"
        );
    }
    let mut api = world.api().await;
    assert_eq!(
        api.send(&ask("GET", "/k").host("reports.localhost:4566").root())
            .await
            .is(200)
            .text(),
        "x"
    );
    // Access points are not built: they do not exist.
    let access_point =
        ask("GET", "/k").host("ap-111122223333.s3-accesspoint.us-east-1.amazonaws.com");
    internet
        .send(&access_point.root())
        .await
        .fails(404, "NoSuchAccessPoint");
}

/// The published example of a chunked upload: 65 KiB of `a` in chunks of 64 KiB, each signed.
#[tokio::test]
async fn chunks_that_are_signed() {
    // 2013-05-24T00:00:00Z
    let world = World::at(1_369_353_600_000, adit_gateway::Settings::default());
    world.intents.edit(|draft| {
        draft.put(bucket("examplebucket", ACCOUNT, "us-east-1"));
        draft.put(adit_model::AccessKey {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: adit_model::Secret::new(SECRET),
            account: ACCOUNT.parse().unwrap(),
            owner: adit_model::KeyOwner::Root,
            active: true,
            created: NOW,
        });
    });
    let upload = |last: &str| {
        let mut body = Vec::new();
        let chunks = [
            (
                65_536,
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                1024,
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (0, last),
        ];
        for (size, signature) in chunks {
            body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
            body.extend(std::iter::repeat_n(b'a', size));
            body.extend_from_slice(b"\r\n");
        }
        assert_eq!(body.len(), 66_824);
        ask("PUT", "/examplebucket/chunkObject.txt")
            .host("s3.amazonaws.com")
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "66560")
            .header("content-length", "66824")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
            .body(body)
    };
    let mut internet = world.listen(Via::Internet).client().await;
    let good = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
    let done = internet.send(&upload(good)).await.is(200);
    assert_eq!(done.header("etag"), md5_etag(&vec![b'a'; 66_560]));
    // The last chunk's signature alone is wrong: nothing is kept of what came before it.
    world.intents.edit(|draft| {
        draft.remove::<adit_model::Bucket>("examplebucket");
        draft.put(bucket("examplebucket", ACCOUNT, "us-east-1"));
    });
    internet
        .send(&upload(&good.replace('b', "c")))
        .await
        .fails(403, "SignatureDoesNotMatch");
    let list = ask("GET", "/examplebucket").host("s3.amazonaws.com");
    let list = list.signed_for(
        "AKIAIOSFODNN7EXAMPLE",
        "us-east-1",
        1_369_353_600_000,
        Sign::Bytes(b""),
    );
    assert!(
        !internet
            .send(&list)
            .await
            .is(200)
            .text()
            .contains("<Contents>")
    );
}

#[tokio::test]
async fn a_signed_trailer_must_be_announced() {
    let world = World::new();
    let mut api = world.listen(Via::Api).client().await;
    let put = ask("PUT", "/reports/k")
        .header("x-amz-decoded-content-length", "0")
        .body("0;chunk-signature=00\r\n\r\n");
    let say = Sign::Sha256("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
    api.send(&put.signed_for(ROOT, "us-east-1", NOW, say))
        .await
        .fails(400, "MalformedTrailerError");
}

#[tokio::test]
async fn documents_take_of_a_room_that_is_bounded() {
    let settings = adit_gateway::Settings {
        max_documents: 10_000,
        ..adit_gateway::Settings::default()
    };
    let world = World::at(NOW, settings);
    let port = world.listen(Via::Api);
    let delete = |count: usize| {
        let keys = "<Object><Key>k</Key></Object>".repeat(count);
        ask("POST", "/reports?delete")
            .body(format!("<Delete>{keys}</Delete>"))
            .digested()
            .root()
    };
    // What one takes is free when it is answered.
    for (count, status) in [(200, 200), (900, 503), (200, 200), (300, 200)] {
        let answer = port.client().await.send(&delete(count)).await;
        assert_eq!(answer.status, status, "{count}: {}", answer.text());
    }
}
