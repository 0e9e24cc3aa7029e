//! Signatures: published vectors, clients' habits, and everything that must not pass.

use adit_wire::sigv4::{
    self, AuthError, Body, Carrier, Claim, Expect, Key, KeyCache, Payload, Policy, Secret, Sign,
    Signer, V4, Verified,
};
use adit_wire::{ErrorReply, Headers, Parts, Service, time};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NOON: i64 = 1_369_353_600_000;

/// A request that owns its headers, to be changed by a test.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, query: &str, headers: &[(&str, &str)]) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) -> &mut Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&Parts<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_bytes()))
            .collect();
        work(&Parts {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: Headers(&headers),
            body: &self.body,
        })
    }

    pub(crate) fn sign(&mut self, signer: &Signer<'_>, body: Sign<'_>) {
        let added = self.with(|parts| signer.sign(parts, body));
        for (name, value) in added {
            self.header(name, &value);
        }
    }
}

pub(crate) fn expect_s3() -> Expect<'static> {
    Expect {
        service: Service::S3,
        region: Some("us-east-1"),
        now: NOON,
        body: Body::Streamed,
    }
}

pub(crate) fn check(request: &Request, expect: &Expect<'_>) -> Result<Verified, AuthError> {
    check_with(request, expect, None, &KeyCache::new())
}

fn check_with(
    request: &Request,
    expect: &Expect<'_>,
    token: Option<&str>,
    cache: &KeyCache,
) -> Result<Verified, AuthError> {
    let secret = Secret::new(SECRET);
    request.with(|parts| match sigv4::claim(parts)? {
        Claim::V4(v4) => {
            let key = Key {
                access_key_id: ID,
                secret: &secret,
                session_token: token,
            };
            sigv4::verify(&v4, parts, &key, expect, cache)
        }
        Claim::V2(v2) => {
            let key = Key {
                access_key_id: ID,
                secret: &secret,
                session_token: token,
            };
            sigv4::verify_v2(&v2, parts, &request.path, &key, expect.now)
        }
        Claim::Anonymous => Err(AuthError::Missing),
    })
}

fn authorization(signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ID}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed},Signature={signature}"
    )
}

fn get_object() -> Request {
    let mut request = Request::new(
        "GET",
        "/test.txt",
        "",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        ],
    );
    request.header(
        "Authorization",
        &authorization(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    );
    request
}

#[test]
fn published_headers() {
    let verified = check(&get_object(), &expect_s3()).unwrap();
    assert_eq!(
        (verified.carrier, verified.version),
        (Carrier::Header, "AWS4-HMAC-SHA256")
    );
    assert!(matches!(verified.payload, Payload::Sha256(_)));

    let mut put = Request::new(
        "PUT",
        "/test$file.text",
        "",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            (
                "x-amz-content-sha256",
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
        ],
    );
    put.header(
        "Authorization",
        &authorization(
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
    );
    put.body = b"Welcome to Amazon S3.".to_vec();
    check(&put, &expect_s3()).unwrap();
    check(
        &put,
        &Expect {
            body: Body::Whole,
            ..expect_s3()
        },
    )
    .unwrap();
    put.body = b"Welcome to Amazon S4.".to_vec();
    let error = check(
        &put,
        &Expect {
            body: Body::Whole,
            ..expect_s3()
        },
    )
    .unwrap_err();
    assert_eq!(error.reply(Service::S3).code, "XAmzContentSHA256Mismatch");

    for (query, signature) in [
        (
            "lifecycle",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "lifecycle=",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let mut request = Request::new(
            "GET",
            "/",
            query,
            &[
                ("Host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-content-sha256", EMPTY),
            ],
        );
        let signed = "host;x-amz-content-sha256;x-amz-date";
        request.header("Authorization", &authorization(signed, signature));
        check(&request, &expect_s3()).unwrap();
    }
}

#[test]
fn published_presigned_url() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524\
        %2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\
        &X-Amz-SignedHeaders=host&X-Amz-Signature=\
        aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Request::new(
        "GET",
        "/test.txt",
        query,
        &[("host", "examplebucket.s3.amazonaws.com")],
    );
    let late = Expect {
        now: NOON + 86_400_000,
        ..expect_s3()
    };
    let verified = check(&request, &late).unwrap();
    assert_eq!(
        (verified.carrier, verified.age),
        (Carrier::Query, 86_400_000)
    );
    assert_eq!(verified.payload, Payload::Unsigned);

    let over = Expect {
        now: NOON + 86_400_001,
        ..expect_s3()
    };
    let reply = check(&request, &over).unwrap_err().reply(Service::S3);
    assert_eq!(
        (reply.code.as_ref(), reply.message.as_str()),
        ("AccessDenied", "Request has expired")
    );
    assert_eq!(field(&reply, "X-Amz-Expires"), "86400");
    assert_eq!(field(&reply, "Expires"), "2013-05-25T00:00:00Z");
    let early = Expect {
        now: NOON - 901_000,
        ..expect_s3()
    };
    assert!(matches!(
        check(&request, &early),
        Err(AuthError::Skewed { .. })
    ));

    let mut extra = request.clone();
    extra.header("x-amz-acl", "public-read");
    let reply = check(&extra, &expect_s3()).unwrap_err().reply(Service::S3);
    assert_eq!(field(&reply, "HeadersNotSigned"), "x-amz-acl");

    for (from, to) in [
        ("Expires=86400", "Expires=604801"),
        ("Expires=86400", "Expires=0"),
        ("Expires=86400", "Expires=-1"),
        ("Expires=86400", "Expires=x"),
        ("X-Amz-Expires=86400&", ""),
        ("X-Amz-Date=20130524T000000Z&", ""),
        ("us-east-1%2F", ""),
        ("&X-Amz-SignedHeaders=host", "&X-Amz-SignedHeaders=Host"),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Algorithm=AWS4-HMAC-MD5",
        ),
    ] {
        let mut request = request.clone();
        request.query = request.query.replace(from, to);
        let reply = check(&request, &expect_s3())
            .unwrap_err()
            .reply(Service::S3);
        assert_eq!(
            reply.code, "AuthorizationQueryParametersError",
            "{from} -> {to}"
        );
    }
    for (from, to) in [
        ("Expires=86400", "Expires=86401"),
        ("d404", "d405"),
        ("&X-Amz-Signature", "&x=y&X-Amz-Signature"),
    ] {
        let mut request = request.clone();
        request.query = request.query.replace(from, to);
        let reply = check(&request, &expect_s3())
            .unwrap_err()
            .reply(Service::S3);
        assert_eq!(reply.code, "SignatureDoesNotMatch", "{from} -> {to}");
    }
}

fn field<'r>(reply: &'r ErrorReply, name: &str) -> &'r str {
    reply
        .fields
        .iter()
        .find(|(n, _)| n == name)
        .map_or("", |(_, value)| value)
}

#[test]
fn a_changed_request_does_not_match() {
    let changes: [fn(&mut Request); 7] = [
        |r| r.method = "PUT".to_owned(),
        |r| r.path = "/test.tx".to_owned(),
        |r| r.path = "/./test.txt".to_owned(),
        |r| r.path = "//test.txt".to_owned(),
        |r| r.query = "acl".to_owned(),
        |r| r.headers[0].1 = "otherbucket.s3.amazonaws.com".to_owned(),
        |r| {
            r.header("Range", "bytes=0-99");
        },
    ];
    for change in changes {
        let mut request = get_object();
        change(&mut request);
        let error = check(&request, &expect_s3()).unwrap_err();
        assert!(matches!(error, AuthError::Mismatch(_)), "{error}");
        let reply = error.reply(Service::S3);
        assert_eq!(
            (reply.code.as_ref(), reply.status),
            ("SignatureDoesNotMatch", 403)
        );
        assert!(field(&reply, "StringToSign").starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n"));
        assert!(field(&reply, "CanonicalRequest").contains("host:"));
        assert!(field(&reply, "StringToSignBytes").starts_with("41 57 53 34"));
        assert_eq!(error.reply(Service::Ec2).code, "AuthFailure");
        assert_eq!(error.reply(Service::Sts).code, "SignatureDoesNotMatch");
        assert_eq!(
            error.reply(Service::DynamoDb).code,
            "InvalidSignatureException"
        );
    }
}

#[test]
fn what_must_be_signed() {
    for name in [
        "x-amz-acl",
        "X-Amz-Copy-Source",
        "x-amz-security-token",
        "x-amz-target",
    ] {
        let mut request = get_object();
        request.header(name, "x");
        let error = check_with(&request, &expect_s3(), Some("x"), &KeyCache::new()).unwrap_err();
        let wanted = name.to_ascii_lowercase();
        match error {
            AuthError::HeadersNotSigned { headers } => assert_eq!(headers, wanted),
            AuthError::InvalidToken { .. } => assert_ne!(wanted, "x-amz-security-token"),
            other => panic!("{other}"),
        }
    }
    for name in [
        "x-amz-decoded-content-length",
        "x-amz-trailer",
        "x-amzn-trace-id",
        "cookie",
    ] {
        let mut request = get_object();
        request.header(name, "1");
        check(&request, &expect_s3()).unwrap();
    }
    let mut request = get_object();
    request.headers.pop();
    request.header(
        "Authorization",
        &authorization("range;x-amz-content-sha256;x-amz-date", &"0".repeat(64)),
    );
    let error = check(&request, &expect_s3()).unwrap_err();
    assert_eq!(
        error,
        AuthError::HeadersNotSigned {
            headers: "host".to_owned()
        }
    );
}

#[test]
fn scope_and_clock() {
    let request = get_object();
    let reply = check(
        &request,
        &Expect {
            region: Some("eu-west-2"),
            ..expect_s3()
        },
    )
    .unwrap_err()
    .reply(Service::S3);
    assert_eq!(
        (reply.code.as_ref(), reply.status),
        ("AuthorizationHeaderMalformed", 400)
    );
    assert_eq!(
        reply.message,
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting \
         'eu-west-2'"
    );
    assert_eq!(field(&reply, "Region"), "eu-west-2");
    let error = check(
        &request,
        &Expect {
            service: Service::Ec2,
            ..expect_s3()
        },
    )
    .unwrap_err();
    assert!(matches!(error, AuthError::WrongService { .. }));
    for (shift, fine) in [
        (900_000, true),
        (-900_000, true),
        (900_001, false),
        (-900_001, false),
    ] {
        let found = check(
            &request,
            &Expect {
                now: NOON + shift,
                ..expect_s3()
            },
        );
        assert_eq!(found.is_ok(), fine, "{shift}");
    }
    let error = check(
        &request,
        &Expect {
            now: NOON + 900_001,
            ..expect_s3()
        },
    )
    .unwrap_err();
    let reply = error.reply(Service::S3);
    assert_eq!(
        (reply.code.as_ref(), reply.status),
        ("RequestTimeTooSkewed", 403)
    );
    assert_eq!(field(&reply, "RequestTime"), "20130524T000000Z");
    assert_eq!(error.reply(Service::Ec2).code, "RequestExpired");
    let mut request = get_object();
    request.headers[3].1 = "20130525T000000Z".to_owned();
    let later = Expect {
        now: NOON + 86_400_000,
        ..expect_s3()
    };
    assert!(matches!(
        check(&request, &later),
        Err(AuthError::WrongDate { .. })
    ));
}

#[test]
fn headers_that_cannot_be_read() {
    let good = get_object();
    let auth = good.headers[4].1.clone();
    for (bad, code) in [
        (
            "AWS4-HMAC-SHA256".to_owned(),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("Signature=", "Sig="),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("/aws4_request", ""),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("aws4_request", "aws5_request"),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("20130524", "2013052"),
            "AuthorizationHeaderMalformed",
        ),
        (
            format!("{auth},Signature=x"),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("host;", "Host;"),
            "AuthorizationHeaderMalformed",
        ),
        (
            auth.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            "InvalidRequest",
        ),
        ("Bearer x".to_owned(), "InvalidRequest"),
        ("AWS x".to_owned(), "AuthorizationHeaderMalformed"),
    ] {
        let mut request = good.clone();
        request.headers[4].1.clone_from(&bad);
        assert_eq!(
            check(&request, &expect_s3())
                .unwrap_err()
                .reply(Service::S3)
                .code,
            code,
            "{bad}"
        );
    }
    let mut twice = good.clone();
    twice.header("authorization", &auth);
    assert_eq!(
        check(&twice, &expect_s3()).unwrap_err(),
        AuthError::TwoMechanisms
    );
    for query in [
        "X-Amz-Signature=x",
        "AWSAccessKeyId=a&Signature=b&Expires=1",
    ] {
        let mut both = good.clone();
        both.query = query.to_owned();
        let reply = check(&both, &expect_s3()).unwrap_err().reply(Service::S3);
        assert_eq!(
            (reply.code.as_ref(), reply.status),
            ("InvalidArgument", 400)
        );
    }
    let mut none = good.clone();
    none.headers.remove(2);
    assert_eq!(
        check(&none, &expect_s3()).unwrap_err(),
        AuthError::MissingHeader {
            name: "x-amz-content-sha256"
        }
    );
    none.headers[2].1 = "yesterday".to_owned();
    assert_eq!(
        check(&none, &expect_s3()).unwrap_err(),
        AuthError::MissingDate
    );
}

fn signer<'a>(secret: &'a Secret, service: Service, token: Option<&'a str>) -> Signer<'a> {
    Signer {
        key: Key {
            access_key_id: ID,
            secret,
            session_token: token,
        },
        region: "us-east-1",
        service,
        now: NOON,
    }
}

#[test]
fn what_is_signed_here_verifies_here() {
    let secret = Secret::new(SECRET);
    for service in Service::ALL {
        for token in [None, Some("token/+==")] {
            let mut request = Request::new(
                "POST",
                "/a%20b/../c//%E2%82%AC",
                "b=2&a=%2F+x&uploads",
                &[("host", "h:8443"), ("content-type", "text/x;  y")],
            );
            request.body = b"body".to_vec();
            request.sign(&signer(&secret, service, token), Sign::Bytes(b"body"));
            let expect = Expect {
                service,
                body: Body::Whole,
                ..expect_s3()
            };
            check_with(&request, &expect, token, &KeyCache::new()).unwrap();
            request.body = b"bodi".to_vec();
            assert!(check_with(&request, &expect, token, &KeyCache::new()).is_err());
            let mut url =
                Request::new("GET", "/x", "response-content-type=a%2Fb", &[("host", "h")]);
            url.query = url.with(|parts| signer(&secret, service, token).presign(parts, 60));
            check_with(&url, &expect, token, &KeyCache::new()).unwrap();
        }
    }
}

#[test]
fn tokens_must_belong_to_the_key() {
    let secret = Secret::new(SECRET);
    for (sent, own, fine) in [
        (Some("t"), Some("t"), true),
        (Some("t"), Some("u"), false),
        (Some("t"), None, false),
        (None, Some("t"), false),
    ] {
        let mut request = Request::new("GET", "/", "", &[("host", "h")]);
        request.sign(&signer(&secret, Service::S3, sent), Sign::Bytes(b""));
        let found = check_with(&request, &expect_s3(), own, &KeyCache::new());
        assert_eq!(found.is_ok(), fine, "{sent:?} {own:?}");
        if let Err(error) = found {
            assert_eq!(error.reply(Service::S3).code, "InvalidToken");
            assert_eq!(error.reply(Service::Iam).code, "InvalidClientTokenId");
        }
    }
}

#[test]
fn keys_are_derived_once_and_never_outlive_their_secret() {
    let cache = KeyCache::new();
    for _ in 0..5 {
        check_with(&get_object(), &expect_s3(), None, &cache).unwrap();
    }
    assert_eq!(cache.derivations(), 1);
    let other = Secret::new("another secret");
    let refused = get_object().with(|parts| match sigv4::claim(parts).unwrap() {
        Claim::V4(v4) => {
            let key = Key {
                access_key_id: ID,
                secret: &other,
                session_token: None,
            };
            sigv4::verify(&v4, parts, &key, &expect_s3(), &cache)
        }
        _ => panic!("a claim of version 4"),
    });
    assert!(matches!(refused, Err(AuthError::Mismatch(_))));
}

#[test]
fn an_escaped_slash_may_be_signed_either_way() {
    let secret = Secret::new(SECRET);
    let mut request = Request::new("GET", "/b/a/c", "", &[("host", "h")]);
    request.sign(&signer(&secret, Service::S3, None), Sign::Bytes(b""));
    request.path = "/b/a%2Fc".to_owned();
    check(&request, &expect_s3()).unwrap();
}

#[test]
fn payload_words() {
    let secret = Secret::new(SECRET);
    for (word, payload) in [
        ("UNSIGNED-PAYLOAD", Some(Payload::Unsigned)),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Some(Payload::UnsignedWithTrailer),
        ),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Some(Payload::Chunks)),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Some(Payload::ChunksWithTrailer),
        ),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", None),
        ("unsigned-payload", None),
        ("", None),
    ] {
        let mut request = Request::new("PUT", "/b/k", "", &[("host", "h")]);
        request.sign(&signer(&secret, Service::S3, None), Sign::Sha256(word));
        match (check(&request, &expect_s3()), payload) {
            (Ok(verified), Some(payload)) => {
                assert_eq!(verified.payload, payload);
                let chunks = matches!(payload, Payload::Chunks | Payload::ChunksWithTrailer);
                assert_eq!(verified.chain.is_some(), chunks);
            }
            (Err(AuthError::BadPayloadHash { .. }), None) => {}
            (found, _) => panic!("{word}: {found:?}"),
        }
    }
}

#[test]
fn version_2_urls_and_headers() {
    // As botocore presigns in us-east-1.
    let query = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=PLACE&Expires=1369353900\
                 &response-content-type=text%2Fplain&x-amz-security-token=t";
    let text =
        "GET\n\n\n1369353900\nx-amz-security-token:t\n/b/a%20b?response-content-type=text/plain";
    let tag = hmac_sha1(SECRET, text);
    let mut request = Request::new("GET", "/b/a%20b", query, &[("host", "h")]);
    request.query = request
        .query
        .replace("PLACE", &tag.replace('+', "%2B").replace('=', "%3D"));
    let verified = check_with(&request, &expect_s3(), Some("t"), &KeyCache::new()).unwrap();
    assert_eq!(
        (verified.version, verified.age, verified.carrier),
        ("AWS", 0, Carrier::Query)
    );
    assert!(check_with(&request, &expect_s3(), None, &KeyCache::new()).is_err());
    let late = Expect {
        now: 1_369_353_900_001,
        ..expect_s3()
    };
    let reply = check_with(&request, &late, Some("t"), &KeyCache::new())
        .unwrap_err()
        .reply(Service::S3);
    assert_eq!(
        (field(&reply, "X-Amz-Expires"), reply.message.as_str()),
        ("", "Request has expired")
    );
    // What readers take for a header, in whatever case, cannot be added to a signed URL.
    for added in [
        "x-amz-copy-source",
        "X-Amz-Copy-Source",
        "X-AMZ-copy-source",
    ] {
        let mut more = request.clone();
        more.query.push_str(&format!("&{added}=b%2Fsecret"));
        assert!(
            matches!(
                check_with(&more, &expect_s3(), Some("t"), &KeyCache::new()),
                Err(AuthError::Mismatch(_))
            ),
            "{added}"
        );
    }
    let mut other = request.clone();
    other.path = "/b/a%20c".to_owned();
    assert!(matches!(
        check_with(&other, &expect_s3(), Some("t"), &KeyCache::new()),
        Err(AuthError::Mismatch(_))
    ));

    // A bucket is signed with a slash at its end, and sent with or without.
    for (path, text) in [("/b", "/b/?acl"), ("/b/", "/b/?acl"), ("/b", "/b?acl")] {
        let tag = hmac_sha1(SECRET, &format!("GET\n\n\n1369353900\n{text}"));
        let tag = tag.replace('+', "%2B").replace('=', "%3D");
        let query = format!("acl&AWSAccessKeyId={ID}&Expires=1369353900&Signature={tag}");
        check(
            &Request::new("GET", path, &query, &[("host", "h")]),
            &expect_s3(),
        )
        .unwrap();
    }

    let date = time::http_date(NOON);
    let text = format!(
        "PUT\nmd5\ntext/plain\n{date}\nx-amz-acl:private\nx-amz-meta-a:1,2\n/b/k?acl&partNumber=3"
    );
    let tag = hmac_sha1(SECRET, &text);
    let mut request = Request::new(
        "PUT",
        "/b/k",
        "partNumber=3&acl&x-id=PutObjectAcl",
        &[
            ("content-md5", "md5"),
            ("content-type", "text/plain"),
            ("date", &date),
            ("x-amz-meta-a", "1"),
            ("X-Amz-Acl", "private"),
            ("X-Amz-Meta-A", "2"),
        ],
    );
    request.header("authorization", &format!("AWS {ID}:{tag}"));
    check(&request, &expect_s3()).unwrap();
    request.header("x-amz-grant-read", "x");
    assert!(matches!(
        check(&request, &expect_s3()),
        Err(AuthError::Mismatch(_))
    ));
}

fn hmac_sha1(secret: &str, text: &str) -> String {
    use base64::Engine as _;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = ring::hmac::sign(&key, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(tag)
}

/// The form of S3's own example.
const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";

fn form() -> Vec<(&'static str, &'static str)> {
    vec![
        ("key", "user/user1/photo.jpg"),
        ("acl", "public-read"),
        (
            "success_action_redirect",
            "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        ),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        (
            "X-Amz-Credential",
            "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        ),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", POLICY),
        (
            "X-Amz-Signature",
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
        ),
    ]
}

#[test]
fn published_form() {
    let fields = form();
    let secret = Secret::new(SECRET);
    let key = Key {
        access_key_id: ID,
        secret: &secret,
        session_token: None,
    };
    let expect = Expect {
        now: 1_451_433_600_000,
        ..expect_s3()
    };
    let claim = sigv4::form_claim(&fields).unwrap();
    let cache = KeyCache::new();
    let verified = sigv4::verify_form(&claim, &fields, &key, &expect, &cache).unwrap();
    assert_eq!(
        (verified.carrier, verified.age),
        (Carrier::Form, 86_400_000)
    );
    let policy = Policy::parse(POLICY).unwrap();
    let now = expect.now;
    policy.check(&fields, "sigv4examplebucket", now).unwrap();
    let refused = |fields: &[(&str, &str)], bucket: &str, now: i64| {
        policy
            .check(fields, bucket, now)
            .unwrap_err()
            .reply()
            .message
    };
    assert_eq!(
        refused(&fields, "other", now),
        "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$bucket\", \"sigv4examplebucket\"]"
    );
    assert_eq!(
        refused(&fields, "sigv4examplebucket", 1_451_476_800_001),
        "Invalid according to Policy: Policy expired."
    );
    let mut extra = fields.clone();
    extra.push(("x-amz-storage-class", "GLACIER"));
    extra.push(("x-ignore-me", "1"));
    assert_eq!(
        refused(&extra, "sigv4examplebucket", now),
        "Invalid according to Policy: Extra input fields: x-amz-storage-class"
    );
    let mut moved = fields.clone();
    moved[0].1 = "user/user2/photo.jpg";
    assert!(refused(&moved, "sigv4examplebucket", now).contains("starts-with"));
    let mut types = fields.clone();
    types[3].1 = "image/png,text/html";
    assert!(refused(&types, "sigv4examplebucket", now).contains("$content-type"));

    let mut forged = fields.clone();
    forged[10].1 = "e30=";
    let claim = sigv4::form_claim(&forged).unwrap();
    assert!(sigv4::verify_form(&claim, &forged, &key, &expect, &cache).is_err());
    let unsigned: Vec<(&str, &str)> = fields
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .copied()
        .collect();
    let reply = sigv4::form_claim(&unsigned).unwrap_err().reply(Service::S3);
    assert_eq!(
        (reply.code.as_ref(), reply.message.as_str()),
        (
            "InvalidArgument",
            "Bucket POST must contain a field named 'X-Amz-Signature'.  If it is specified, \
             please check the order of the fields."
        )
    );
}

#[test]
fn form_lengths_and_broken_policies() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let policy = Policy::parse(&encode(
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range",2,"5"]]}"#,
    ))
    .unwrap();
    assert_eq!(
        policy.check_length(1).unwrap_err().reply().code,
        "EntityTooSmall"
    );
    assert_eq!(
        policy.check_length(6).unwrap_err().reply().code,
        "EntityTooLarge"
    );
    policy.check_length(5).unwrap();
    for text in [
        "",
        "[]",
        r#"{"conditions":[]}"#,
        r#"{"expiration":"soon","conditions":[]}"#,
        r#"{"expiration":"2030-01-01","conditions":[]}"#,
        r#"{"expiration":"2030-01-01 00:00:00Z","conditions":[]}"#,
        r#"{"expiration":"2030-01-01T00:00:00+00:00","conditions":[]}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z"}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[],"x":1}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[["ends-with","$key","x"]]}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","key","x"]]}"#,
        r#"{"expiration":"2030-01-01T00:00:00Z","conditions":[{"a":"b","c":"d"}]}"#,
    ] {
        let error = Policy::parse(&encode(text)).unwrap_err();
        assert_eq!(error.reply().code, "InvalidPolicyDocument", "{text}");
    }
    assert!(Policy::parse("!").is_err());
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::new("hush");
    let mut request = get_object();
    request.header("x-amz-security-token", "hush");
    let shown = request.with(|parts| match sigv4::claim(parts).unwrap() {
        Claim::V4(v4) => {
            let v4: V4<'_> = v4;
            format!("{v4:?}")
        }
        _ => String::new(),
    });
    assert!(shown.contains(ID));
    let key = Key {
        access_key_id: ID,
        secret: &secret,
        session_token: Some("hush"),
    };
    let error = AuthError::InvalidToken {
        access_key_id: ID.to_owned(),
        token: Secret::new("hush"),
    };
    for text in [
        shown,
        format!("{secret:?}"),
        format!("{key:?}"),
        format!("{error:?} {error}"),
    ] {
        assert!(!text.contains("hush"), "{text}");
    }
}
