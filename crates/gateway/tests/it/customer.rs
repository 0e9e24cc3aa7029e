//! SSE-C over HTTP: which headers are taken, by which way, and what is told.

use adit_gateway::{Scheme, Via};
use adit_objects::Md5;
use base64::Engine as _;

use crate::smuggle::{recording, world, world_at};
use crate::support::*;
use crate::tls::connect;

const FAMILY: &str = "x-amz-server-side-encryption-customer-";
const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn md5(byte: u8) -> String {
    base64(&Md5::of(&[byte; 32]))
}

/// The request with a key of this byte.
fn keyed(request: Ask, byte: u8) -> Ask {
    with(request, FAMILY, byte)
}

fn with(request: Ask, family: &str, byte: u8) -> Ask {
    request
        .header(&format!("{family}algorithm"), "AES256")
        .header(&format!("{family}key"), &base64(&[byte; 32]))
        .header(&format!("{family}key-MD5"), &md5(byte))
}

#[tokio::test]
async fn objects_are_read_with_their_key_alone() {
    let world = World::new();
    let mut api = world.api().await;
    let put = keyed(ask("PUT", "/reports/k").body("hello"), 1);
    let put = api.send(&put.root()).await.is(200);
    assert_eq!(put.header(&format!("{FAMILY}algorithm")), "AES256");
    assert_eq!(put.header(&format!("{FAMILY}key-md5")), md5(1));
    assert_eq!(put.header(&format!("{FAMILY}key")), "");
    assert_eq!(put.header("x-amz-server-side-encryption"), "");
    let etag = put.header("etag").trim_matches('"').to_owned();
    assert_eq!(etag.len(), 32);
    assert_ne!(etag, "5d41402abc4b2a76b9719d911017c592");

    let got = api
        .send(&keyed(ask("GET", "/reports/k"), 1).root())
        .await
        .is(200);
    assert_eq!(got.text(), "hello");
    assert_eq!(got.header(&format!("{FAMILY}key-md5")), md5(1));
    let ranged = keyed(ask("GET", "/reports/k").header("range", "bytes=1-2"), 1);
    assert_eq!(api.send(&ranged.root()).await.is(206).text(), "el");

    for (request, status, code) in [
        (ask("GET", "/reports/k"), 400, "InvalidRequest"),
        (keyed(ask("GET", "/reports/k"), 2), 403, "AccessDenied"),
        (
            ask("GET", "/reports/k?attributes").header("x-amz-object-attributes", "ETag"),
            400,
            "InvalidRequest",
        ),
    ] {
        api.send(&request.root()).await.fails(status, code);
    }
    for (request, status) in [
        (ask("HEAD", "/reports/k"), 400),
        (keyed(ask("HEAD", "/reports/k"), 2), 403),
        (keyed(ask("HEAD", "/reports/k"), 1), 200),
    ] {
        api.send(&request.root()).await.is(status);
    }
    let attributes = ask("GET", "/reports/k?attributes").header("x-amz-object-attributes", "ETag");
    let told = api.send(&keyed(attributes, 1).root()).await.is(200);
    assert_eq!(told.element("ETag"), etag);
    // What is no content of the object needs no key.
    for target in [
        "/reports/k?tagging",
        "/reports/k?acl",
        "/reports?list-type=2",
    ] {
        api.send(&ask("GET", target).root()).await.is(200);
    }
    // A key for what has none.
    api.send(&ask("PUT", "/reports/open").body("x").root())
        .await
        .is(200);
    api.send(&keyed(ask("GET", "/reports/open"), 1).root())
        .await
        .fails(400, "InvalidRequest");
    api.send(&ask("DELETE", "/reports/k").root()).await.is(204);
    let told = world.records.lines().join("\n");
    assert!(!told.contains(&base64(&[1; 32])), "{told}");
}

#[tokio::test]
async fn three_headers_must_agree() {
    let world = World::new();
    let mut api = world.api().await;
    let (key, right) = (base64(&[1; 32]), md5(1));
    let (short, long) = (base64(&[1; 16]), base64(&[1; 48]));
    let table: [(&[(&str, &str)], &str); 10] = [
        (&[("algorithm", "AES256")], "secret key"),
        (&[("key", &key)], "encryption algorithm"),
        (&[("key-MD5", &right)], "encryption algorithm"),
        (&[("algorithm", "AES256"), ("key", &key)], "calculated MD5"),
        (
            &[("algorithm", "AES256"), ("key-MD5", &right)],
            "secret key",
        ),
        (
            &[("algorithm", "AES128"), ("key", &key), ("key-MD5", &right)],
            "encryption algorithm",
        ),
        (
            &[("algorithm", "AES256"), ("key", &key), ("key-MD5", &md5(2))],
            "did not match",
        ),
        (
            &[
                ("algorithm", "AES256"),
                ("key", &short),
                ("key-MD5", &right),
            ],
            "invalid for the specified",
        ),
        (
            &[("algorithm", "AES256"), ("key", &long), ("key-MD5", &right)],
            "invalid for the specified",
        ),
        (
            &[
                ("algorithm", "AES256"),
                ("key", "no base64"),
                ("key-MD5", &right),
            ],
            "invalid for the specified",
        ),
    ];
    for (headers, message) in table {
        for request in [
            ask("PUT", "/reports/k").body("x"),
            ask("GET", "/reports/k"),
            ask("POST", "/reports/k?uploads"),
        ] {
            let mut request = request;
            for (name, value) in headers {
                request = request.header(&format!("{FAMILY}{name}"), value);
            }
            let refused = api.send(&request.root()).await;
            let refused = refused.fails(400, "InvalidArgument");
            let text = refused.text();
            assert!(text.contains(message), "{message}: {text}");
            assert!(!text.contains(&key) && !text.contains(&short), "{text}");
        }
    }
    let twice = keyed(ask("PUT", "/reports/k").body("x"), 1);
    let twice = twice.header(&format!("{FAMILY}algorithm"), "AES256");
    api.send(&twice.root()).await.fails(400, "InvalidArgument");
    let both = ask("PUT", "/reports/k").header("x-amz-server-side-encryption", "AES256");
    api.send(&keyed(both.body("x"), 1).root())
        .await
        .fails(400, "InvalidArgument");
    api.send(&ask("GET", "/reports/k").root())
        .await
        .fails(404, "NoSuchKey");
}

#[tokio::test]
async fn a_key_is_taken_where_nobody_listens() {
    let world = World::new();
    let put = |host: &str| {
        let put = ask("PUT", "/k").host(host).body("x");
        keyed(put, 1).root()
    };
    let host = format!("reports.bucket.{}", interface_name());
    for via in [Via::Endpoint(INTERFACE.parse().unwrap()), Via::Internet] {
        let host = match via {
            Via::Internet => "reports.s3.amazonaws.com",
            _ => &host,
        };
        let port = world.listen(via);
        let mut plain = port.client().await;
        plain.send(&put(host)).await.fails(400, "InvalidRequest");
        let stream = connect(&world, &port, host).await.unwrap();
        Client::over(stream).await.send(&put(host)).await.is(200);
    }
}

#[tokio::test]
async fn uploads_and_copies_bring_the_keys_of_both_sides() {
    let world = World::new();
    let mut api = world.api().await;
    let made = keyed(ask("POST", "/reports/big?uploads"), 1).root();
    let made = api.send(&made).await.is(200);
    assert_eq!(made.header(&format!("{FAMILY}key-md5")), md5(1));
    let id = made.element("UploadId");
    let part = |number: u32| {
        ask(
            "PUT",
            &format!("/reports/big?partNumber={number}&uploadId={id}"),
        )
    };
    api.send(&part(1).body("x").root())
        .await
        .fails(400, "InvalidRequest");
    api.send(&keyed(part(1).body("x"), 2).root())
        .await
        .fails(400, "InvalidRequest");
    let body = vec![7u8; 5 << 20];
    let first = keyed(part(1).body(body.clone()), 1).root();
    let first = api.send(&first).await.is(200);
    assert_eq!(first.header(&format!("{FAMILY}key-md5")), md5(1));

    // A part out of an object that has another key.
    let source = keyed(ask("PUT", "/reports/source").body("source"), 3);
    api.send(&source.root()).await.is(200);
    let copy = || keyed(part(2).header("x-amz-copy-source", "reports/source"), 1);
    api.send(&copy().root()).await.fails(400, "InvalidRequest");
    api.send(&with(copy(), SOURCE, 1).root())
        .await
        .fails(403, "AccessDenied");
    let second = api.send(&with(copy(), SOURCE, 3).root()).await.is(200);
    assert_eq!(second.header(&format!("{FAMILY}key-md5")), md5(1));

    let listed = ask("GET", &format!("/reports/big?uploadId={id}"));
    api.send(&listed.clone().root()).await.is(200);
    api.send(&keyed(listed, 2).root())
        .await
        .fails(403, "AccessDenied");
    let parts = [
        first.header("etag").to_owned(),
        second.element("ETag").replace("&quot;", "\""),
    ];
    let parts: String = (1..)
        .zip(parts)
        .map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let done = ask("POST", &format!("/reports/big?uploadId={id}")).body(format!(
        "<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    ));
    api.send(&done.root()).await.is(200);
    let end = ask("GET", "/reports/big").header("range", "bytes=-7");
    let end = api.send(&keyed(end, 1).root()).await.is(206);
    assert_eq!(end.text(), "\u{7}source");

    // From one key to another, and to none.
    let copy = |to: &str, from: &str| {
        ask("PUT", &format!("/reports/{to}")).header("x-amz-copy-source", from)
    };
    let copied = keyed(with(copy("c", "reports/source"), SOURCE, 3), 4);
    let copied = api.send(&copied.root()).await.is(200);
    assert_eq!(copied.header(&format!("{FAMILY}key-md5")), md5(4));
    let open = with(copy("open", "reports/c"), SOURCE, 4);
    api.send(&open.root()).await.is(200);
    let open = api.send(&ask("GET", "/reports/open").root()).await.is(200);
    assert_eq!(open.text(), "source");
}

#[tokio::test]
async fn buckets_and_policies_refuse_keys() {
    let world = World::new();
    let mut api = world.api().await;
    let put = || ask("PUT", "/reports/k").body("x");
    api.send(&keyed(put(), 1).root()).await.is(200);
    world.intents.policy(
        "reports",
        &statement(
            "Deny",
            "s3:PutObject",
            r#""arn:aws:s3:::reports/*""#,
            r#"{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}"#,
        ),
    );
    api.send(&keyed(put(), 1).root())
        .await
        .fails(403, "AccessDenied");
    api.send(&put().root()).await.is(200);
    world.intents.policy(
        "reports",
        &statement("Allow", "s3:PutObject", r#""arn:aws:s3:::reports/*""#, ""),
    );
    api.send(&keyed(put(), 1).root()).await.is(200);
    let block = r#"{"Rules":[{"BlockedEncryptionTypes":{"EncryptionType":["SSE-C"]}}]}"#;
    world.intents.edit(|draft| {
        draft
            .edit::<adit_model::Bucket>("reports", |bucket| {
                bucket
                    .documents
                    .insert("encryption".to_owned(), block.to_owned());
            })
            .unwrap()
    });
    for request in [put(), ask("POST", "/reports/k?uploads")] {
        api.send(&keyed(request, 1).root())
            .await
            .fails(403, "AccessDenied");
    }
    // What is there already can be read.
    api.send(&keyed(ask("GET", "/reports/k"), 1).root())
        .await
        .is(200);
}

#[tokio::test]
async fn keys_in_a_presigned_url_count_and_are_not_logged() {
    let world = World::new();
    let mut api = world.api().await;
    let escape = |text: String| {
        text.replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    };
    let key = escape(base64(&[5; 32]));
    let query = format!(
        "{FAMILY}algorithm=AES256&{FAMILY}key={key}&{FAMILY}key-MD5={}",
        escape(md5(5))
    );
    let put = ask("PUT", &format!("/reports/k?{query}")).presigned(ROOT, 60);
    api.send(&put.body("hidden")).await.is(200);
    let got = ask("GET", &format!("/reports/k?{query}")).presigned(ROOT, 60);
    assert_eq!(api.send(&got).await.is(200).text(), "hidden");
    api.send(&keyed(ask("GET", "/reports/k"), 5).root())
        .await
        .is(200);
    let told = world.records.lines().join("\n");
    // In whatever form.
    assert!(!told.contains(key.trim_end_matches("%3D")), "{told}");
}

#[tokio::test]
async fn forms_seal_too() {
    let world = World::new();
    let mut api = world.api().await;
    world.intents.policy(
        "reports",
        &statement("Allow", "s3:PutObject", r#""arn:aws:s3:::reports/*""#, ""),
    );
    let mut body = String::new();
    for (name, value) in [
        ("key".to_owned(), "f".to_owned()),
        (format!("{FAMILY}algorithm"), "AES256".to_owned()),
        (format!("{FAMILY}key"), base64(&[6; 32])),
        (format!("{FAMILY}key-MD5"), md5(6)),
    ] {
        body +=
            &format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nform\r\n--x--\r\n";
    let form = ask("POST", "/reports").header("content-type", "multipart/form-data; boundary=x");
    let posted = api.send(&form.body(body)).await.is(204);
    assert_eq!(posted.header(&format!("{FAMILY}key-md5")), md5(6));
    let got = keyed(ask("GET", "/reports/f"), 6).root();
    assert_eq!(api.send(&got).await.is(200).text(), "form");
}

#[tokio::test]
async fn upstreams_get_keys_by_a_way_that_nobody_else_reads() {
    let (address, heads) = recording().await;
    let world = world(address);
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut api = port.client().await;
    let got = keyed(ask("GET", "/elsewhere/k"), 1).root();
    assert_eq!(api.send(&got).await.is(200).text(), "ok");
    let head = heads.lock().unwrap().pop().unwrap().to_ascii_lowercase();
    for name in ["algorithm", "key", "key-md5"] {
        let line = format!("\r\n{FAMILY}{name}: ");
        assert_eq!(head.matches(&line).count(), 1, "{name} in {head}");
        let signed = head.split("signedheaders=").nth(1).unwrap();
        assert!(signed.contains(&format!("{FAMILY}{name}")), "{head}");
    }
    // This upstream knows nothing of keys: what it wrote is not sealed, and that is said.
    for request in [
        ask("PUT", "/elsewhere/k"),
        ask("PUT", "/elsewhere/k?partNumber=1&uploadId=1"),
    ] {
        let put = keyed(request, 1).root();
        api.send(&put).await.fails(501, "NotImplemented");
    }
    let wrong = ask("GET", "/elsewhere/k").header(&format!("{FAMILY}algorithm"), "AES256");
    api.send(&wrong.root()).await.fails(400, "InvalidArgument");

    let far = world_at("http://storage.invalid");
    let mut api = far.api().await;
    for request in [
        ask("GET", "/elsewhere/k"),
        ask("PUT", "/elsewhere/k").body("x"),
    ] {
        let refused = api.send(&keyed(request, 1).root()).await;
        let refused = refused.fails(400, "InvalidRequest");
        assert!(refused.text().contains("secure connection"));
    }
    // The same for a copy that Adit itself carries from one place to the other.
    let copy = ask("PUT", "/reports/k").header("x-amz-copy-source", "elsewhere/k");
    api.send(&with(copy, SOURCE, 1).root())
        .await
        .fails(400, "InvalidRequest");
}
