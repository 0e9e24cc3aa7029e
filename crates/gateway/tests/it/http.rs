//! HTTP as hostile clients speak it.

use std::time::{Duration, Instant};

use adit_gateway::{Scheme, Settings, Via};
use adit_wire::sigv4::Sign;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Sends bytes and reads until the server closes or is silent.
async fn raw(world: &World, text: &str) -> String {
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut space = [0; 4096];
    while let Ok(Ok(count)) =
        tokio::time::timeout(Duration::from_secs(3), stream.read(&mut space)).await
    {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&space[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_with_two_meanings_are_refused() {
    let world = World::new();
    let cases = [
        (
            "two lengths",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        ),
        (
            "a length list",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\nabc",
        ),
        (
            "a signed length",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        ),
        (
            "length and encoding",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "encoding and length",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        ),
        (
            "an unknown encoding",
            "PUT /reports/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
        ),
        (
            "two hosts",
            "GET /reports/k HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        ),
        ("no host", "GET /reports/k HTTP/1.1\r\nX: y\r\n\r\n"),
        (
            "another host",
            "GET http://s3.amazonaws.com/reports/k HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        (
            "a folded header",
            "GET /reports/k HTTP/1.1\r\nHost: localhost\r\nX-Amz-Acl: a\r\n b\r\n\r\n",
        ),
        (
            "a bare carriage return",
            "GET /reports/k HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n",
        ),
        (
            "a bare line feed",
            "GET /reports/k HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        ),
        (
            "a space before the colon",
            "GET /reports/k HTTP/1.1\r\nHost : localhost\r\n\r\n",
        ),
        (
            "a proxy's method",
            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
    ];
    for (what, text) in cases {
        let answer = raw(&world, text).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "{what}: one answer and no more: {answer}"
        );
    }
    // A second request hidden behind the first is not answered.
    let two = "GET /reports/k HTTP/1.1\r\nHost: localhost\r\n\r\nGET /other/k HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = raw(&world, two).await;
    assert_eq!(answer.matches("AccessDenied").count(), 1, "{answer}");
    assert!(answer.contains("InvalidRequest"), "{answer}");
    assert_eq!(world.records.last()["resource"], "arn:aws:s3:::reports/k");
}

#[tokio::test]
async fn a_head_has_limits_of_size_and_time() {
    let world = World::with(Settings {
        head_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(1500),
        handshake_timeout: Duration::from_millis(300),
        ..Settings::default()
    });
    let mut api = world.api().await;
    let long = "x".repeat(20_000);
    api.send(&ask("GET", "/reports/k").header("x-long", &long).root())
        .await
        .fails(400, "RequestHeaderSectionTooLarge");
    // Drop by drop is not in time.
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut slow = TcpStream::connect(port.address).await.unwrap();
    let begun = Instant::now();
    let mut closed = false;
    for byte in "GET /reports/k HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
        .bytes()
        .chain(std::iter::repeat_n(b'x', 100))
    {
        if slow.write_all(&[byte]).await.is_err() {
            closed = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        closed && begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // Idle connections may wait longer, but not for ever.
    let mut client = port.client().await;
    client.send(&ask("GET", "/").root()).await.is(200);
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.send(&ask("GET", "/").root()).await.is(200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(client.try_send(&ask("GET", "/").root()).await.is_err());
    // Somebody who says nothing at all.
    let both = world.listen(Via::Api);
    let mut silent = TcpStream::connect(both.address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(3), silent.read(&mut [0; 1])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test]
async fn a_body_is_asked_for_only_after_the_decision() {
    let world = World::new();
    let head = |call: &Ask| {
        let mut text = format!("{} {} HTTP/1.1\r\n", call.method, call.target());
        for (name, value) in &call.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text + "content-length: 5\r\nexpect: 100-continue\r\n\r\n"
    };
    let put = ask("PUT", "/reports/k").signed_for(ROOT, "us-east-1", NOW, Sign::Bytes(b"hello"));
    let denied = ask("PUT", "/reports/k").signed_for(USER, "us-east-1", NOW, Sign::Bytes(b"hello"));
    let answer = raw(&world, &head(&denied)).await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && !answer.contains("100 Continue"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(head(&put).as_bytes()).await.unwrap();
    let mut space = [0; 4096];
    let count = stream.read(&mut space).await.unwrap();
    assert!(
        space[..count].starts_with(b"HTTP/1.1 100"),
        "{:?}",
        String::from_utf8_lossy(&space[..count])
    );
    stream.write_all(b"hello").await.unwrap();
    let count = stream.read(&mut space).await.unwrap();
    assert!(
        space[..count].starts_with(b"HTTP/1.1 200"),
        "{:?}",
        String::from_utf8_lossy(&space[..count])
    );
}

/// A stranger's list of keys is not waited for where nothing could let a stranger delete.
#[tokio::test]
async fn a_strangers_document_takes_no_room() {
    let world = World::new();
    let answer = raw(
        &world,
        "POST /reports?delete HTTP/1.1\r\nHost: localhost\r\nContent-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

/// A client that is not told to continue must not use the connection again: see `waits_in_vain`.
#[tokio::test]
async fn an_expectation_without_a_body_ends_the_connection() {
    let world = World::new();
    for (expect, ends) in [("expect: 100-continue\r\n", true), ("", false)] {
        let put = ask("PUT", "/reports/k").signed_for(ROOT, "us-east-1", NOW, Sign::Bytes(b""));
        let mut text = format!("PUT {} HTTP/1.1\r\n{expect}", put.target());
        for (name, value) in &put.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        text.push_str("content-length: 0\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut space = [0; 4096];
        let count = stream.read(&mut space).await.unwrap();
        let answer = String::from_utf8_lossy(&space[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.contains("connection: close"), ends, "{answer}");
    }
}

#[tokio::test]
async fn a_refused_upload_reads_its_answer() {
    let world = World::new();
    for _ in 0..20 {
        // No Expect: the body is on its way while the answer comes.
        let put = ask("PUT", "/reports/k").body(vec![7; 300_000]).by(USER);
        world
            .api()
            .await
            .send(&put)
            .await
            .fails(403, "AccessDenied");
    }
}

#[tokio::test]
async fn a_client_that_stands_still_is_let_go() {
    let world = World::with(Settings {
        body_timeout: Duration::from_millis(300),
        ..Settings::default()
    });
    let call = ask("PUT", "/reports/k").signed_for(ROOT, "us-east-1", NOW, Sign::Bytes(b"hello"));
    let mut text = format!("PUT {} HTTP/1.1\r\n", call.target());
    for (name, value) in &call.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let answer = raw(&world, &(text + "content-length: 5\r\n\r\nhel")).await;
    assert!(answer.contains("RequestTimeout"), "{answer}");
    world
        .api()
        .await
        .send(&ask("GET", "/reports/k").root())
        .await
        .fails(404, "NoSuchKey");
}

/// Whoever sends a byte now and then keeps no connection for ever.
#[tokio::test]
async fn a_client_that_dribbles_is_let_go() {
    let world = World::with(Settings {
        body_timeout: Duration::from_millis(500),
        body_rate: 1000,
        ..Settings::default()
    });
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let dribble = |bytes: usize| {
        let body = "x".repeat(100 * bytes);
        let call = ask("PUT", "/reports/k");
        let call = call.signed_for(ROOT, "us-east-1", NOW, Sign::Bytes(body.as_bytes()));
        let mut text = format!("PUT {} HTTP/1.1\r\n", call.target());
        for (name, value) in &call.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        ));
        async move {
            let (mut from, mut to) = TcpStream::connect(port.address).await.unwrap().into_split();
            to.write_all(text.as_bytes()).await.unwrap();
            let sending = async {
                for _ in 0..100 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if to.write_all(&vec![b'x'; bytes]).await.is_err() {
                        break;
                    }
                }
            };
            let mut answer = String::new();
            let receiving = from.read_to_string(&mut answer);
            let _ = tokio::join!(sending, receiving);
            answer
        }
    };
    let (slow, steady) = tokio::join!(dribble(1), dribble(400));
    assert!(slow.contains("RequestTimeout"), "{slow}");
    assert!(steady.starts_with("HTTP/1.1 200"), "{steady}");
}

#[tokio::test]
async fn a_full_house_is_closed() {
    let world = World::with(Settings {
        max_connections: 2,
        ..Settings::default()
    });
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let (mut one, mut two) = (port.client().await, port.client().await);
    one.send(&ask("GET", "/").root()).await.is(200);
    two.send(&ask("GET", "/").root()).await.is(200);
    assert!(
        port.client()
            .await
            .try_send(&ask("GET", "/").root())
            .await
            .is_err()
    );
    drop(one);
    tokio::time::sleep(Duration::from_millis(100)).await;
    port.client()
        .await
        .send(&ask("GET", "/").root())
        .await
        .is(200);
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let world = World::new();
    let mut api = world.api().await;
    api.send(&ask("PUT", "/reports/k").body("x").root())
        .await
        .is(200);
    for target in [
        "/reports/k?torrent",
        "/reports?session",
        "/reports?metadataTable",
    ] {
        api.send(&ask("GET", target).root())
            .await
            .fails(501, "NotImplemented");
    }
    let kms = ask("PUT", "/reports/k").header("x-amz-server-side-encryption", "aws:kms");
    api.send(&kms.body("y").root())
        .await
        .fails(501, "NotImplemented");
    assert_eq!(
        api.send(&ask("GET", "/reports/k").root())
            .await
            .is(200)
            .text(),
        "x"
    );
    let preflight = ask("OPTIONS", "/reports/k").header("origin", "http://a");
    api.send(&preflight.header("access-control-request-method", "GET"))
        .await
        .fails(403, "AccessForbidden");
    let unknown = api.send(&ask("GET", "/reports?thisisnothing").root()).await;
    assert_eq!(
        unknown.status, 200,
        "unknown parameters are ignored, as on S3"
    );
}
