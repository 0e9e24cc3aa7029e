//! The client over loopback, with servers that behave as told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adit_upstream::{
    Body, Call, Credentials, Endpoint, Payload, State, Timeouts, Upstream, UpstreamError,
};
use adit_wire::Service;
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server: each connection is handed to `serve` with its number.
async fn server<F, S>(serve: S) -> (Upstream, Arc<AtomicUsize>)
where
    S: Fn(TcpStream, usize) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, count.fetch_add(1, Ordering::SeqCst)));
        }
    });
    (client(&url), accepted)
}

fn client(url: &str) -> Upstream {
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        answer: Duration::from_millis(500),
        still: Duration::from_millis(300),
    };
    let endpoint = Endpoint::parse(url, None).unwrap();
    let credentials = Some(Credentials::new("KEY", "secret"));
    Upstream::new(endpoint, "us-east-1", Service::S3, credentials, timeouts)
}

/// Reads one head.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(text).unwrap())
}

fn call(method: Method, body: Body) -> Call {
    Call {
        method,
        path: "/bucket/a%20b".to_owned(),
        query: "x=1".to_owned(),
        host: None,
        headers: HeaderMap::new(),
        payload: Payload::Unsigned,
        body,
    }
}

async fn get(upstream: &Upstream) -> Result<Bytes, UpstreamError> {
    let answer = upstream.call(call(Method::GET, Body::empty())).await?;
    answer.body.whole(1000).await
}

#[tokio::test]
async fn requests_are_signed_and_connections_used_again() {
    let (upstream, accepted) = server(|mut stream, _| async move {
        while let Some(head) = head(&mut stream).await {
            assert!(
                head.starts_with("GET /bucket/a%20b?x=1 HTTP/1.1\r\n"),
                "{head}"
            );
            assert!(
                head.contains("authorization: AWS4-HMAC-SHA256 Credential=KEY/"),
                "{head}"
            );
            assert!(
                head.contains("x-amz-content-sha256: UNSIGNED-PAYLOAD"),
                "{head}"
            );
            assert!(!head.contains("secret"), "{head}");
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    for _ in 0..10 {
        assert_eq!(get(&upstream).await.unwrap(), "ok");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    assert_eq!(upstream.health().requests, 10);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    // Every connection answers once and is closed a moment later.
    let (upstream, accepted) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
    })
    .await;
    for _ in 0..5 {
        assert_eq!(get(&upstream).await.unwrap(), "ok");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 5);
    assert_eq!(upstream.health().failures, 0);
}

#[tokio::test]
async fn what_writes_goes_out_once_when_a_kept_connection_was_closed() {
    let (upstream, accepted) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(OK).await.unwrap();
    })
    .await;
    for _ in 0..3 {
        let (feed, body) = Body::fed(Some(1));
        let (answer, given) = tokio::join!(
            upstream.call(call(Method::PUT, body)),
            feed.give(Bytes::from_static(b"x"))
        );
        given.unwrap();
        assert_eq!(answer.unwrap().body.whole(1000).await.unwrap(), "ok");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 3);
    assert_eq!(upstream.health().failures, 0);
}

#[tokio::test]
async fn an_answer_wakes_whoever_asked_once() {
    let (upstream, _) = server(|mut stream, _| async move {
        while head(&mut stream).await.is_some() {
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    for kept in [false, true, true] {
        let mut polls = 0;
        let mut asking = pin!(get(&upstream));
        let answered = poll_fn(|cx| {
            polls += 1;
            asking.as_mut().poll(cx)
        });
        assert_eq!(answered.await.unwrap(), "ok");
        // Once to ask, once for the answer; a new connection has to be made before.
        assert!(!kept || polls <= 2, "{polls}");
    }
}

#[tokio::test]
async fn what_only_reads_is_asked_again_and_what_writes_is_not() {
    // The first connection takes a second request and says nothing to it.
    let (upstream, accepted) = server(|mut stream, number| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
        if head(&mut stream).await.is_some() && number > 0 {
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    assert_eq!(get(&upstream).await.unwrap(), "ok");
    assert_eq!(
        get(&upstream).await.unwrap(),
        "ok",
        "asked again on a fresh connection"
    );
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    let (upstream, accepted) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
        head(&mut stream).await;
    })
    .await;
    assert_eq!(get(&upstream).await.unwrap(), "ok");
    let written = upstream.call(call(Method::POST, Body::bytes("x"))).await;
    assert!(
        matches!(written, Err(UpstreamError::Broken(_))),
        "{written:?}"
    );
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_that_is_not_given_to_its_end_is_not_ended() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let (upstream, _) = server(move |mut stream, _| {
        let told = told.clone();
        async move {
            let head = head(&mut stream).await.unwrap_or_default();
            let mut body = Vec::new();
            let _ = stream.read_to_end(&mut body).await;
            told.send((head, body)).unwrap();
        }
    })
    .await;
    for length in [Some(10), None] {
        let (feed, body) = Body::fed(length);
        let sending = upstream.call(call(Method::PUT, body));
        let feeding = async {
            feed.give(Bytes::from_static(b"12345")).await.unwrap();
            // Time for the piece to go out.
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(feed);
        };
        let (answer, ()) = tokio::join!(sending, feeding);
        assert!(answer.is_err(), "{answer:?}");
        let (head, body) = heard.recv().await.unwrap();
        match length {
            Some(_) => assert!(
                head.contains("content-length: 10") && body.len() < 10,
                "{head}"
            ),
            None => assert!(!body.ends_with(b"0\r\n\r\n"), "{body:?}"),
        }
    }
    assert_eq!(
        upstream.health().state,
        State::Up,
        "the upstream did nothing wrong"
    );
}

#[tokio::test]
async fn fed_bodies_arrive_whole() {
    let (upstream, _) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        let mut body = [0; 10];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"1234567890");
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let (feed, body) = Body::fed(Some(10));
    let sending = upstream.call(call(Method::PUT, body));
    let feeding = async {
        for piece in ["123", "4567890"] {
            feed.give(Bytes::from_static(piece.as_bytes()))
                .await
                .unwrap();
        }
    };
    let (answer, ()) = tokio::join!(sending, feeding);
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn silence_is_a_failure_and_failures_open_the_circuit() {
    let (upstream, accepted) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    for _ in 0..5 {
        assert!(matches!(get(&upstream).await, Err(UpstreamError::Slow)));
    }
    assert!(matches!(get(&upstream).await, Err(UpstreamError::Down)));
    assert_eq!(accepted.load(Ordering::SeqCst), 5);
    assert_eq!(upstream.health().state, State::Down);
    // An answer that stops in its middle.
    let (upstream, _) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        stream.write_all(half).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert!(matches!(get(&upstream).await, Err(UpstreamError::Slow)));
    // And one that is longer than it may be.
    let (upstream, _) = server(|mut stream, _| async move {
        head(&mut stream).await.unwrap();
        let long = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{}",
            "x".repeat(2000)
        );
        let _ = stream.write_all(long.as_bytes()).await;
    })
    .await;
    let why = get(&upstream).await.unwrap_err();
    assert!(
        matches!(why, UpstreamError::TooLong { most: 1000 }),
        "{why}"
    );
}
