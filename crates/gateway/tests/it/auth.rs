//! Who signed, and the holes that other servers had: each is refused here.

use adit_gateway::{Settings, Via};
use adit_wire::sigv4::Sign;

use crate::support::*;

async fn with_object() -> (World, Client) {
    let world = World::new();
    let mut api = world.api().await;
    api.send(&ask("PUT", "/reports/k").body("hello").root())
        .await
        .is(200);
    api.send(&ask("PUT", "/other/secret").body("secret").root())
        .await
        .is(200);
    (world, api)
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let (_world, mut api) = with_object().await;
    let get = ask("GET", "/reports/k");
    let flip = |mut call: Ask| {
        let authorization = &mut call.headers.last_mut().unwrap().1;
        let last = authorization.pop().unwrap();
        authorization.push(if last == '0' { '1' } else { '0' });
        call
    };
    let empty = Sign::Bytes(b"");
    let signed =
        |key: &str, region: &str, now: i64| get.clone().signed_for(key, region, now, empty);
    let cases = [
        (flip(get.clone().root()), 403, "SignatureDoesNotMatch"),
        (
            signed("AKIANOBODY0000000000", "us-east-1", NOW),
            403,
            "InvalidAccessKeyId",
        ),
        (
            signed(INACTIVE, "us-east-1", NOW),
            403,
            "InvalidAccessKeyId",
        ),
        // A Region that does not exist is compared with the one that does.
        (
            signed(ROOT, "mars-west-9", NOW),
            400,
            "AuthorizationHeaderMalformed",
        ),
        (
            signed(ROOT, "us-east-1", NOW - 20 * 60_000),
            403,
            "RequestTimeTooSkewed",
        ),
        (
            signed(ROOT, "us-east-1", NOW + 20 * 60_000),
            403,
            "RequestTimeTooSkewed",
        ),
        // A header that S3 acts on must be signed.
        (
            get.clone().root().header("x-amz-acl", "private"),
            403,
            "AccessDenied",
        ),
        (
            get.clone().root().header("x-amz-security-token", "t"),
            400,
            "InvalidToken",
        ),
        (
            get.clone()
                .header("authorization", "AWS AKIAROOT000000000000:c2ln"),
            400,
            "InvalidRequest",
        ),
        (
            get.clone()
                .header("authorization", "AWS4-HMAC-SHA256 nonsense"),
            400,
            "AuthorizationHeaderMalformed",
        ),
        (
            get.clone()
                .presigned(ROOT, 60)
                .header("authorization", "AWS a:b"),
            400,
            "InvalidArgument",
        ),
        (get.clone(), 403, "AccessDenied"),
    ];
    for (call, status, code) in cases {
        api.send(&call).await.fails(status, code);
    }
    // The path is signed as it is sent: nothing is normalised away.
    let mut other = ask("GET", "/reports/x/../k").root();
    other.path = "/reports/k".to_owned();
    api.send(&other).await.fails(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_signature_for_another_service_is_refused() {
    let (_world, mut api) = with_object().await;
    let mut call = ask("GET", "/reports/k").root();
    let authorization = &mut call.headers.last_mut().unwrap().1;
    *authorization = authorization.replace("/s3/aws4_request", "/ec2/aws4_request");
    let refused = api.send(&call).await.is(400);
    assert_eq!(refused.code(), "AuthorizationHeaderMalformed");
}

#[tokio::test]
async fn presigned_urls() {
    let (_world, mut api) = with_object().await;
    let get = ask("GET", "/reports/k");
    assert_eq!(
        api.send(&get.clone().presigned(ROOT, 3600))
            .await
            .is(200)
            .text(),
        "hello"
    );
    let put = ask("PUT", "/reports/new").presigned(ROOT, 3600).body("new");
    api.send(&put).await.is(200);
    // A month is longer than a presigned URL may live.
    api.send(&get.clone().presigned(ROOT, 30 * 86_400))
        .await
        .fails(400, "AuthorizationQueryParametersError");
    api.send(&get.clone().presigned(ROOT, 0))
        .await
        .fails(400, "AuthorizationQueryParametersError");
    // A presigned PUT is not a copy: the header that would make it one was not signed.
    let copy = put
        .clone()
        .header("x-amz-copy-source", "other/secret")
        .body("");
    api.send(&copy).await.fails(403, "AccessDenied");
    assert_eq!(
        api.send(&ask("GET", "/reports/new").root())
            .await
            .is(200)
            .text(),
        "new"
    );
    // Nor for another method or key.
    let mut stolen = get.clone().presigned(ROOT, 3600);
    stolen.path = "/other/secret".to_owned();
    api.send(&stolen).await.fails(403, "SignatureDoesNotMatch");
    let mut stolen = get.presigned(ROOT, 3600);
    stolen.method = "DELETE";
    api.send(&stolen).await.fails(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn headers_in_a_presigned_url_count() {
    let (world, mut api) = with_object().await;
    let put = |query: &str| {
        ask("PUT", &format!("/reports/k?{query}"))
            .presigned(ROOT, 60)
            .body("x")
    };
    api.send(&put("x-amz-tagging=team%3Dblue&x-amz-meta-a=b"))
        .await
        .is(200);
    let got = api.send(&ask("GET", "/reports/k").root()).await.is(200);
    assert_eq!(
        (
            got.header("x-amz-tagging-count"),
            got.header("x-amz-meta-a")
        ),
        ("1", "b")
    );
    // They are decided like headers, and refused like headers.
    world.intents.policy(
        "reports",
        &statement(
            "Deny",
            "s3:PutObject",
            r#""arn:aws:s3:::reports/*""#,
            r#"{"StringEquals":{"s3:RequestObjectTag/team":"blue"}}"#,
        ),
    );
    api.send(&put("x-amz-tagging=team%3Dblue"))
        .await
        .fails(403, "AccessDenied");
    let sealed = put("x-amz-server-side-encryption-customer-algorithm=AES256");
    api.send(&sealed).await.fails(400, "InvalidArgument");
    // A copy by query is a copy, of what its signer may read.
    let copied = ask("PUT", "/reports/c?x-amz-copy-source=other%2Fsecret").presigned(ROOT, 60);
    assert!(
        api.send(&copied)
            .await
            .is(200)
            .text()
            .contains("CopyObjectResult")
    );
    let copied = ask("PUT", "/reports/c?x-amz-copy-source=other%2Fsecret").presigned(USER, 60);
    api.send(&copied).await.fails(403, "AccessDenied");
}

/// The query of a presigned URL with signature version 2.
fn presign_v2(method: &str, resource: &str, expires: i64) -> String {
    use base64::Engine as _;
    let text = format!("{method}\n\n\n{expires}\n{resource}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let signature =
        base64::engine::general_purpose::STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()));
    let signature = signature
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    format!("AWSAccessKeyId={ROOT}&Signature={signature}&Expires={expires}")
}

#[tokio::test]
async fn signature_version_2_in_urls() {
    let (world, mut api) = with_object().await;
    let url = |resource: &str, expires: i64| {
        format!("/reports/k?{}", presign_v2("GET", resource, expires))
    };
    let (later, earlier) = (NOW / 1000 + 60, NOW / 1000 - 60);
    api.send(&ask("GET", &url("/reports/k", later)))
        .await
        .is(200);
    api.send(&ask("GET", &url("/reports/k", earlier)))
        .await
        .fails(403, "AccessDenied");
    api.send(&ask("GET", &url("/other/secret", later)))
        .await
        .fails(403, "SignatureDoesNotMatch");
    // In the host, as boto3 writes it in us-east-1.
    let query = presign_v2("GET", "/reports/k", later);
    let hosted = ask("GET", &format!("/k?{query}")).host("reports.s3.amazonaws.com");
    world
        .listen(Via::Internet)
        .client()
        .await
        .send(&hosted)
        .await
        .is(200);
    // What makes it another request was not signed: a copy source, in any place and spelling.
    let put = format!("/reports/k?{}", presign_v2("PUT", "/reports/k", later));
    api.send(&ask("PUT", &put).body("hello")).await.is(200);
    for name in [
        "x-amz-copy-source",
        "X-Amz-Copy-Source",
        "%58-amz-copy-source",
        "x-amz-copy%2Dsource",
    ] {
        let call = ask("PUT", &format!("{put}&{name}=other%2Fsecret"));
        api.send(&call).await.is(403);
    }
    let call = ask("PUT", &put).header("x-amz-copy-source", "other/secret");
    api.send(&call).await.fails(403, "SignatureDoesNotMatch");
    for sub in ["acl", "tagging", "uploads", "versionId=null"] {
        api.send(&ask("PUT", &format!("{put}&{sub}")))
            .await
            .fails(403, "SignatureDoesNotMatch");
    }
    assert_eq!(
        api.send(&ask("GET", "/reports/k").root()).await.text(),
        "hello"
    );
    let list = format!("/reports?{}", presign_v2("GET", "/reports", later));
    api.send(&ask("GET", &list)).await.is(200);
    api.send(&ask("GET", &format!("{list}&list-type=2&prefix=k")))
        .await
        .is(200);
    for sub in [
        "encryption",
        "publicAccessBlock",
        "policyStatus",
        "ownershipControls",
    ] {
        api.send(&ask("GET", &format!("{list}&{sub}")))
            .await
            .fails(403, "AccessDenied");
    }
    // Policies can say no, and so can a setting.
    let condition = r#"{"StringEquals":{"s3:signatureversion":"AWS"}}"#;
    world.intents.policy(
        "reports",
        &statement("Deny", "s3:*", r#""arn:aws:s3:::reports/*""#, condition),
    );
    api.send(&ask("GET", &url("/reports/k", later)))
        .await
        .fails(403, "AccessDenied");
    let strict = World::with(Settings {
        signature_v2: false,
        ..Settings::default()
    });
    let mut api = strict.api().await;
    api.send(&ask("PUT", "/reports/k").body("hello").root())
        .await
        .is(200);
    api.send(&ask("GET", &url("/reports/k", later)))
        .await
        .fails(400, "InvalidRequest");
}

/// A presigned URL leaves its holder free to say what the body is. What they say must be true: policies are
/// shown it, and it says how the body is framed.
#[tokio::test]
async fn what_is_said_of_an_unsigned_body_is_held_against_it() {
    const HEADER: &str = "x-amz-content-sha256";
    let hash = |text: &str| adit_wire::sigv4::said_unsigned(text).is_ok();
    let right = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert!(hash(right));
    let (world, mut api) = with_object().await;
    let signed = || ask("PUT", "/reports/k").presigned(ROOT, 60).body("hello");
    let anybody = || ask("PUT", "/reports/k").body("hello");
    let open = statement("Allow", "s3:PutObject", r#""arn:aws:s3:::reports/*""#, "");
    world.intents.policy("reports", &open);
    for request in [signed, anybody] as [fn() -> Ask; 2] {
        api.send(&request().header(HEADER, right)).await.is(200);
        api.send(&request().header(HEADER, "UNSIGNED-PAYLOAD"))
            .await
            .is(200);
        api.send(&request().header(HEADER, &right.replace('2', "3")))
            .await
            .fails(400, "XAmzContentSHA256Mismatch");
        // Chunks that nobody can verify are not stored as they are framed.
        for word in [
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "unsigned-payload",
        ] {
            api.send(&request().header(HEADER, word))
                .await
                .fails(400, "InvalidArgument");
        }
    }
    // The signer may bind that the body is framed, in a header or in the query.
    let framed = |ask: Ask| {
        ask.header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
    };
    let word = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let bound = ask("PUT", "/reports/k")
        .header(HEADER, word)
        .presigned(ROOT, 60);
    let query = ask("PUT", &format!("/reports/k?X-Amz-Content-Sha256={word}"));
    let query = query.presigned(ROOT, 60);
    for request in [bound, query] {
        let done = api.send(&framed(request.clone())).await.is(200);
        assert_eq!(done.header("x-amz-checksum-crc32"), "NhCmhg==");
        let mut wrong = framed(request);
        wrong.body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_vec();
        api.send(&wrong).await.fails(400, "BadDigest");
    }
}

#[tokio::test]
async fn anybody_is_a_principal_too() {
    let (world, mut api) = with_object().await;
    api.send(&ask("GET", "/reports/k"))
        .await
        .fails(403, "AccessDenied");
    assert_eq!(world.records.last()["principal"], "anonymous");
    world.intents.policy(
        "reports",
        &statement("Allow", "s3:GetObject", r#""arn:aws:s3:::reports/*""#, ""),
    );
    api.send(&ask("GET", "/reports/k")).await.is(200);
    api.send(&ask("PUT", "/reports/k").body("x"))
        .await
        .fails(403, "AccessDenied");
    api.send(&ask("GET", "/reports/k?response-content-type=text/html"))
        .await
        .fails(400, "InvalidRequest");
    // Other accounts' keys too, here by the bucket policy alone of an account that may do everything.
    api.send(&ask("GET", "/reports/k").by(FOREIGN))
        .await
        .is(200);
    let refused = api
        .send(&ask("GET", "/other/secret").by(FOREIGN))
        .await
        .fails(403, "AccessDenied");
    assert_eq!(refused.message(), "Access Denied");
    api.send(&ask("GET", "/")).await.fails(403, "AccessDenied");
    // What is no form is refused before its file is read.
    let form = ask("POST", "/reports").header("content-type", "multipart/form-data; boundary=x");
    let refused = api.send(&form.body(vec![b'x'; 100_000])).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[tokio::test]
async fn keys_never_leave_their_bucket() {
    let (world, mut api) = with_object().await;
    world.intents.policy(
        "reports",
        &statement("Allow", "s3:GetObject", r#""arn:aws:s3:::reports/*""#, ""),
    );
    for path in [
        "/reports/../other/secret",
        "/reports/%2E%2E/other/secret",
        "/reports/..%2Fother/secret",
        "/reports/a/../../../other/secret",
    ] {
        let answer = api.send(&ask("GET", path)).await;
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(
            !answer.text().contains("secret\0") && answer.text() != "secret",
            "{path}"
        );
    }
    // Slashes and dots inside are part of a key and nothing else.
    for (key, body) in [
        ("dir//x", "1"),
        ("dir/x", "2"),
        ("x/../y", "3"),
        ("y", "4"),
        ("./y", "5"),
    ] {
        api.send(&ask("PUT", &format!("/reports/{key}")).body(body).root())
            .await
            .is(200);
    }
    for (key, body) in [
        ("dir//x", "1"),
        ("dir/x", "2"),
        ("x/../y", "3"),
        ("y", "4"),
        ("./y", "5"),
    ] {
        assert_eq!(
            api.send(&ask("GET", &format!("/reports/{key}")).root())
                .await
                .is(200)
                .text(),
            body,
            "{key}"
        );
    }
}

#[tokio::test]
async fn a_missing_key_is_told_to_those_who_may_list() {
    let (world, mut api) = with_object().await;
    let get = |key: &str| ask("GET", "/reports/missing").by(key);
    api.send(&get(ROOT)).await.fails(404, "NoSuchKey");
    let allow = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{actions},"Resource":"*"}}}}"#
        )
    };
    world.intents.user_policy(&allow(r#""s3:GetObject""#));
    let refused = api.send(&get(USER)).await.fails(403, "AccessDenied");
    assert!(
        refused.message().contains("s3:ListBucket"),
        "{}",
        refused.text()
    );
    world
        .intents
        .user_policy(&allow(r#"["s3:GetObject","s3:ListBucket"]"#));
    api.send(&get(USER)).await.fails(404, "NoSuchKey");
    let head = api
        .send(&ask("HEAD", "/reports/missing").by(USER))
        .await
        .is(404);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn only_the_owner_touches_the_bucket_policy() {
    let (world, mut api) = with_object().await;
    let open = statement(
        "Allow",
        "s3:*",
        r#"["arn:aws:s3:::reports","arn:aws:s3:::reports/*"]"#,
        "",
    );
    let put = ask("PUT", "/reports?policy").body(open.clone());
    api.send(&put.clone().by(USER))
        .await
        .fails(403, "AccessDenied");
    api.send(&put.clone().root()).await.is(204);
    api.send(&put.by(FOREIGN))
        .await
        .fails(405, "MethodNotAllowed");
    assert_eq!(
        api.send(&ask("GET", "/reports?policy").root())
            .await
            .is(200)
            .text(),
        open
    );
    api.send(&ask("DELETE", "/reports?policy").root())
        .await
        .is(204);
    assert_eq!(
        *world.intents.calls.lock().unwrap(),
        ["PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"]
    );
}
