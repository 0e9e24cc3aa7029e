//! Requests with two meanings, sent as bytes: none may reach what stands behind, which might read them
//! otherwise. An upstream that writes down every head shows it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adit_gateway::{BucketMap, Origin, Origins, Scheme, Settings, Via};
use adit_upstream::{Credentials, Endpoint, Timeouts, Upstream};
use adit_wire::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

/// An upstream that has everything: each head it saw is written down, and answered with two bytes.
pub(crate) async fn recording() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), heads.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"a\"\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, heads)
}

/// A world whose bucket `elsewhere` is at an upstream.
pub(crate) fn world(upstream: SocketAddr) -> World {
    world_at(&format!("http://{upstream}"))
}

/// The same with an upstream that has this URL.
pub(crate) fn world_at(url: &str) -> World {
    let origins = Origins::new(vec![Origin {
        name: "rec".to_owned(),
        upstream: Upstream::new(
            Endpoint::parse(url, None).unwrap(),
            "us-east-1",
            Service::S3,
            Some(Credentials::new("AKIAUPSTREAM00000000", "secret")),
            Timeouts::default(),
        ),
        virtual_hosted: false,
        exact_keys: false,
        buckets: vec![BucketMap {
            name: "elsewhere".to_owned(),
            bucket: "elsewhere".to_owned(),
            prefix: String::new(),
            adopt: true,
        }],
        pass_through: Default::default(),
    }]);
    let world = World::fronting(origins, None, NOW, Settings::default());
    world.intents.edit(|draft| {
        let mut made = bucket("elsewhere", ACCOUNT, "us-east-1");
        made.origin = Some("rec".to_owned());
        // Everybody may: nothing but the form of a request can stop it.
        made.policy = Some(statement(
            "Allow",
            "s3:*",
            r#""arn:aws:s3:::elsewhere/*""#,
            "",
        ));
        draft.put(made);
    });
    world
}

/// Sends bytes and reads until the server closes or is silent.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut space = [0; 4096];
    while let Ok(Ok(count)) =
        tokio::time::timeout(Duration::from_millis(700), stream.read(&mut space)).await
    {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&space[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A signed request as bytes; `change` sees its lines before they are joined.
fn signed(method: &'static str, target: &str, change: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    let ask = ask(method, target).by(USER);
    let mut lines = vec![format!("{method} {} HTTP/1.1", ask.target())];
    lines.extend(
        ask.headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    change(&mut lines);
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

#[tokio::test]
async fn no_request_with_two_meanings_goes_on() {
    let (upstream, heads) = recording().await;
    let world = world(upstream);
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let plain =
        |more: &str| format!("PUT /elsewhere/k HTTP/1.1\r\nHost: localhost\r\n{more}").into_bytes();
    let get = |more: &str| {
        format!("GET /elsewhere/k HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "conflicting lengths",
            plain("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        ),
        (
            "the same length twice in one",
            plain("Content-Length: 3, 3\r\n\r\nabc"),
        ),
        (
            "a length with a sign",
            plain("Content-Length: +3\r\n\r\nabc"),
        ),
        (
            "a length in hexadecimal",
            plain("Content-Length: 0x3\r\n\r\nabc"),
        ),
        (
            "length before encoding",
            plain("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "encoding before length",
            plain("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two encodings",
            plain("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        ),
        (
            "an encoding in disguise",
            plain("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "an encoding behind a tab",
            plain("Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            plain("Content-Length : 3\r\n\r\nabc"),
        ),
        ("a folded header", get("X-Amz-Date: a\r\n b\r\n")),
        (
            "a folded first header",
            b"GET /elsewhere/k HTTP/1.1\r\n Host: localhost\r\n\r\n".to_vec(),
        ),
        (
            "a bare carriage return in a value",
            get("X-Other: a\rContent-Length: 3\r\n"),
        ),
        (
            "a bare line feed as an end",
            b"GET /elsewhere/k HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n".to_vec(),
        ),
        (
            "a bare line feed after the request",
            b"GET /elsewhere/k HTTP/1.1\nHost: localhost\r\n\r\n".to_vec(),
        ),
        ("a null in a value", get("X-Other: a\0b\r\n")),
        ("two hosts", get("Host: s3.amazonaws.com\r\n")),
        ("the same host twice", get("Host: localhost\r\n")),
        (
            "no host",
            b"GET /elsewhere/k HTTP/1.1\r\nX: y\r\n\r\n".to_vec(),
        ),
        (
            "another host in the target",
            b"GET http://s3.amazonaws.com/elsewhere/k HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        (
            "a space in the target",
            b"GET /elsewhere/k k HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        (
            "an unknown version",
            b"GET /elsewhere/k HTTP/3.7\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        (
            "an unsigned S3 header",
            signed("GET", "/elsewhere/k", |lines| {
                lines.push("x-amz-meta-a: b".to_owned());
            }),
        ),
        (
            "a signed header given twice",
            signed("GET", "/elsewhere/k", |lines| {
                let twice = lines.iter().find(|l| l.starts_with("x-amz-date")).cloned();
                lines.extend(twice);
            }),
        ),
        (
            "a signed header with another value",
            signed("GET", "/elsewhere/k", |lines| {
                lines.push("x-amz-date: 20260102T030406Z".to_owned());
            }),
        ),
        (
            "two signatures",
            signed("GET", "/elsewhere/k", |lines| {
                let twice = lines
                    .iter()
                    .find(|l| l.to_ascii_lowercase().starts_with("authorization"))
                    .cloned();
                lines.extend(twice);
            }),
        ),
        (
            "a signature in the query too",
            signed("GET", "/elsewhere/k", |lines| {
                lines[0] = "GET /elsewhere/k?X-Amz-Signature=0 HTTP/1.1".to_owned();
            }),
        ),
        (
            "a head without measure",
            get(&format!("X-Other: {}\r\n", "x".repeat(64 << 10))),
        ),
        ("headers without number", get(&"X-O: y\r\n".repeat(4000))),
    ];
    for (what, bytes) in cases {
        let answer = exchange(port.address, &bytes).await;
        // Some are answered with a refusal, some with nothing but the end; none twice, none well.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{what}: {answer}"
        );
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{what}: {answer}");
        assert_eq!(heads.lock().unwrap().as_slice(), [""; 0], "{what} went on");
    }
    // What has one meaning goes on, once, under the door's own name.
    let good = exchange(port.address, &signed("GET", "/elsewhere/k", |_| {})).await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    let unsigned = exchange(port.address, &get("")).await;
    assert!(unsigned.starts_with("HTTP/1.1 200"), "{unsigned}");
    let heads = heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 2, "{heads:?}");
    for head in heads {
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("GET /elsewhere/k HTTP/1.1\r\n"), "{head}");
        assert!(lower.contains("credential=akiaupstream"), "{head}");
        assert_eq!(lower.matches("\r\nhost:").count(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_request_behind_a_body_is_a_body() {
    let (upstream, heads) = recording().await;
    let world = world(upstream);
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    // Inside a chunked body stands what looks like a request.
    let hidden = "GET /elsewhere/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        format!("Content-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
            hidden.len()
        ),
    ] {
        // The bucket is the embedded store's, and nobody is let in: the body stays unread.
        let request = format!("PUT /reports/k HTTP/1.1\r\nHost: localhost\r\n{framing}");
        let answer = exchange(port.address, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert_eq!(heads.lock().unwrap().len(), 0);
}
