//! What happens now and then: lifecycle rules, access logs; and how many may come, and go.

use std::time::{Duration, Instant};

use adit_gateway::{Delivered, Scheme, Settings, Via};
use adit_model::Bucket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// S3's name in the Region of these tests, which gateway endpoints serve.
const PUBLIC: &str = "s3.us-east-1.amazonaws.com";

fn document(world: &World, bucket: &str, name: &str, text: &str) {
    world.intents.edit(|draft| {
        draft
            .edit::<Bucket>(bucket, |b| {
                b.documents.insert(name.to_owned(), text.to_owned());
            })
            .unwrap()
    });
}

#[tokio::test]
async fn rules_let_go_and_answers_say_when() {
    let world = World::new();
    let mut api = world.api().await;
    document(
        &world,
        "reports",
        "lifecycle",
        r#"{"Rules":[
            {"ID":"old ones","Status":"Enabled","Filter":{"Prefix":"tmp/"},"Expiration":{"Date":{"@time":1704067200000}}},
            {"ID":"later","Status":"Enabled","Filter":{"Tag":{"Key":"keep","Value":"no"}},"Expiration":{"Days":3}},
            {"ID":"parts","Status":"Enabled","Filter":{},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":2}}]}"#,
    );
    let put = api
        .send(&ask("PUT", "/reports/tmp/a").body("x").root())
        .await
        .is(200);
    let says = r#"expiry-date="Mon, 01 Jan 2024 00:00:00 GMT", rule-id="old%20ones""#;
    assert_eq!(put.header("x-amz-expiration"), says);
    let tagged = ask("PUT", "/reports/tagged").header("x-amz-tagging", "keep=no");
    let put = api.send(&tagged.root()).await.is(200);
    assert!(put.header("x-amz-expiration").contains("rule-id=\"later\""));
    let other = api.send(&ask("PUT", "/reports/other").root()).await.is(200);
    assert_eq!(other.header("x-amz-expiration"), "");
    let head = api
        .send(&ask("HEAD", "/reports/tmp/a").root())
        .await
        .is(200);
    assert_eq!(head.header("x-amz-expiration"), says);
    let begun = api
        .send(&ask("POST", "/reports/big?uploads=").root())
        .await
        .is(200);
    assert_eq!(begun.header("x-amz-abort-rule-id"), "parts");
    assert_eq!(
        begun.header("x-amz-abort-date"),
        "Mon, 05 Jan 2026 00:00:00 GMT"
    );
    let report = world.gateway.expire().await;
    assert_eq!((report.objects, report.uploads), (1, 0));
    api.send(&ask("GET", "/reports/tmp/a").root())
        .await
        .fails(404, "NoSuchKey");
    for key in ["/reports/tagged", "/reports/other"] {
        api.send(&ask("GET", key).root()).await.is(200);
    }
    assert_eq!(world.gateway.expire().await, Default::default());
}

const LOGS_TO_OTHER: &str = r#"{"LoggingEnabled":{"TargetBucket":"other","TargetPrefix":"logs/"}}"#;

/// Lines are written when answers were sent, which a client sees a little earlier.
async fn deliver(world: &World) -> Delivered {
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.gateway.deliver_logs().await
}

async fn delivered(api: &mut Client) -> Vec<(String, String)> {
    let listed = api
        .send(&ask("GET", "/other?prefix=logs/").root())
        .await
        .is(200)
        .text();
    let keys = listed.split("<Key>").skip(1);
    let keys = keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned());
    let mut found = Vec::new();
    for key in keys.collect::<Vec<_>>() {
        let text = api
            .send(&ask("GET", &format!("/other/{key}")).root())
            .await
            .is(200)
            .text();
        found.push((key, text));
    }
    found
}

#[tokio::test]
async fn access_logs_say_what_was_asked() {
    let world = World::new();
    let mut api = world.api().await;
    document(&world, "reports", "logging", LOGS_TO_OTHER);
    world.intents.policy(
        "other",
        r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::other/logs/*",
            "Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::reports"},"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}"#,
    );
    let put = ask("PUT", "/reports/a%20b")
        .body("hello")
        .header("user-agent", "tester \"1\"");
    api.send(&put.root()).await.is(200);
    api.send(
        &ask("GET", "/reports/a%20b")
            .header("range", "bytes=1-2")
            .root(),
    )
    .await
    .is(206);
    api.send(&ask("GET", "/reports/a%20b"))
        .await
        .fails(403, "AccessDenied");
    api.send(&ask("GET", "/reports/a%20b").presigned(ROOT, 60))
        .await
        .is(200);
    api.send(&ask("GET", "/other/not-logged").root())
        .await
        .fails(404, "NoSuchKey");
    assert_eq!(
        deliver(&world).await,
        Delivered {
            objects: 1,
            dropped: 0
        }
    );
    let logs = delivered(&mut api).await;
    let [(key, text)] = logs.as_slice() else {
        panic!("{logs:?}")
    };
    assert!(key.starts_with("logs/2026-01-02-03-04-05-"), "{key}");
    let lines: Vec<&str> = text.lines().collect();
    let owner = format!("{:064}", 111122223333u64);
    let begin = format!("{owner} reports [02/Jan/2026:03:04:05 +0000] 127.0.0.1 ");
    assert_eq!(lines.len(), 4, "{text}");
    for (line, (who, operation, request, rest, auth)) in lines.iter().zip([
        (
            owner.as_str(),
            "REST.PUT.OBJECT",
            "PUT /reports/a%20b",
            "200 - - 5 ",
            "SigV4 - AuthHeader",
        ),
        (
            &owner,
            "REST.GET.OBJECT",
            "GET /reports/a%20b",
            "206 - 2 5 ",
            "SigV4 - AuthHeader",
        ),
        (
            "-",
            "REST.GET.OBJECT",
            "GET /reports/a%20b",
            "403 AccessDenied ",
            "- - -",
        ),
        (
            &owner,
            "REST.GET.OBJECT",
            "GET /reports/a%20b?",
            "200 - 5 5 ",
            "SigV4 - QueryString",
        ),
    ]) {
        let rest_of = line
            .strip_prefix(&begin)
            .unwrap_or_else(|| panic!("{line}"));
        assert!(rest_of.starts_with(&format!("{who} ")), "{line}");
        assert!(
            line.contains(&format!(" {operation} a%20b \"{request}")),
            "{line}"
        );
        assert!(line.contains(&format!("\" {rest}")), "{line}");
        assert!(line.contains(&format!(" {auth} localhost ")), "{line}");
        assert!(line.ends_with(" localhost - - -"), "{line}");
    }
    assert!(lines[0].contains("\"tester %221%22\""), "{}", lines[0]);
    assert!(
        lines[3].contains("X-Amz-Signature=REDACTED"),
        "{}",
        lines[3]
    );
    // Nothing waits, nothing comes.
    assert_eq!(deliver(&world).await, Delivered::default());
}

#[tokio::test]
async fn a_target_decides_whether_logs_come() {
    let world = World::new();
    let mut api = world.api().await;
    document(&world, "reports", "logging", LOGS_TO_OTHER);
    let mut ask_and_deliver = async || {
        api.send(&ask("GET", "/reports/k").root())
            .await
            .fails(404, "NoSuchKey");
        deliver(&world).await.objects
    };
    // Without leave they are dropped; for another source they are.
    assert_eq!(ask_and_deliver().await, 0);
    let policy = |account: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"logging.s3.amazonaws.com"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::other/*","Condition":{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}}}]}}"#
        )
    };
    world.intents.policy("other", &policy("444455556666"));
    assert_eq!(ask_and_deliver().await, 0);
    world.intents.policy("other", &policy(ACCOUNT));
    assert_eq!(ask_and_deliver().await, 1);
    // By the group of the log service, where ACLs are on.
    world
        .intents
        .edit(|draft| draft.edit::<Bucket>("other", |b| b.policy = None).unwrap());
    document(
        &world,
        "other",
        "acl",
        r#"{"Grants":[{"Grantee":{"URI":"http://acs.amazonaws.com/groups/s3/LogDelivery"},"Permission":"WRITE"}]}"#,
    );
    assert_eq!(ask_and_deliver().await, 0);
    world.intents.edit(|draft| {
        draft
            .edit::<Bucket>("other", |b| b.ownership = "ObjectWriter".to_owned())
            .unwrap()
    });
    assert_eq!(ask_and_deliver().await, 1);
    // By day, in folders.
    document(
        &world,
        "reports",
        "logging",
        r#"{"LoggingEnabled":{"TargetBucket":"other","TargetPrefix":"logs/","TargetObjectKeyFormat":{"PartitionedPrefix":{"PartitionDateSource":"DeliveryTime"}}}}"#,
    );
    assert_eq!(ask_and_deliver().await, 1);
    let logs = delivered(&mut api).await;
    let folder = "logs/111122223333/us-east-1/reports/2026/01/02/2026-01-02-03-04-05-";
    assert_eq!(
        logs.iter()
            .filter(|(key, _)| key.starts_with(folder))
            .count(),
        1,
        "{logs:?}"
    );
}

#[tokio::test]
async fn an_endpoint_takes_no_more_than_its_share() {
    let world = World::with(Settings {
        max_endpoint_connections: 2,
        ..Settings::default()
    });
    // Two addresses of one endpoint share its places.
    let (one, two) = (world.way(INTERFACE), world.way(INTERFACE));
    let list = ask("GET", "/reports").host(&interface_name()).root();
    let public = ask("GET", "/reports").host(PUBLIC).root();
    let (mut first, mut second) = (one.client().await, two.client().await);
    first.send(&list).await.is(200);
    second.send(&list).await.is(200);
    for port in [&one, &two] {
        assert!(port.client().await.try_send(&list).await.is_err());
    }
    // Others are not touched.
    let mut other = world.way(GATEWAY).client().await;
    other.send(&public).await.is(200);
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    two.client().await.send(&list).await.is(200);
}

#[tokio::test]
async fn an_idle_connection_holds_nothing_up() {
    let world = World::new();
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream
        .write_all(b"GET /reports/k HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut space = [0; 4096];
    assert!(stream.read(&mut space).await.unwrap() > 0);
    port.token.cancel();
    let begun = Instant::now();
    port.serving.finished().await;
    assert!(
        begun.elapsed() < Duration::from_millis(1000),
        "{:?}",
        begun.elapsed()
    );
    // One that was refused in the midst of its body reads the answer, not a reset.
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let head = "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 250_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(&[b'x'; 250_000]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("AccessDenied"), "{answer}");
}

#[tokio::test]
async fn requests_in_flight_are_drained() {
    let world = World::new();
    let port = world.way(GATEWAY);
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let put = ask("PUT", "/reports/slow")
        .host(PUBLIC)
        .body("0123456789")
        .root();
    let mut head = format!("PUT {} HTTP/1.1\r\nContent-Length: 10\r\n", put.target());
    for (name, value) in &put.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream
        .write_all(format!("{head}\r\n01234").as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    port.token.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(
        TcpStream::connect(port.address).await.is_err(),
        "nobody new"
    );
    stream.write_all(b"56789").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    port.serving.finished().await;
    let mut api = world.api().await;
    let kept = api.send(&ask("GET", "/reports/slow").root()).await.is(200);
    assert_eq!(kept.text(), "0123456789");
}
