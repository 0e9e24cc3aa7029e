//! A number of small GETs over one connection, for an instruction counter: run it with two numbers of requests, subtract,
//! and what remains is what a request costs.
//!
//! ```text
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/front signed 3000
//! ```
//!
//! `signed`: presigned by a user whose policy allows it, in a bucket that has a policy; `open`: the same object,
//! unsigned; `bare`: hyper alone answers the same request with the same number of bytes. `serve` prints where it listens and a
//! presigned URL for reading and for writing an object of any size, and serves until it is ended.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot be made may end as it likes"
)]

#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod support;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use adit_gateway::{JsonLines, Settings, Via};
use bytes::Bytes;
use http_body_util::Full;
use support::{NOW, ROOT, USER, World, ask, statement};

const SIZE: usize = 1024;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "signed".to_owned());
    let count: u32 = arguments
        .next()
        .map_or(3000, |text| text.parse().expect("a number of requests"));
    let mut runtime = match kind.as_str() {
        "serve" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(run(&kind, count));
}

async fn run(kind: &str, count: u32) {
    let lines = JsonLines::new(std::io::sink()).expect("a thread");
    let world = World::recorded(
        Some(Arc::new(lines)),
        Default::default(),
        None,
        NOW,
        Settings::default(),
    );
    world.intents.user_policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::reports/*"}]}"#,
    );
    let everybody = statement("Allow", "s3:GetObject", r#""arn:aws:s3:::reports/*""#, "");
    let nobody = statement(
        "Deny",
        "s3:*",
        r#""arn:aws:s3:::reports/*""#,
        r#"{"StringEquals":{"aws:sourceVpce":"vpce-0"}}"#,
    );
    let policy = if kind == "open" { everybody } else { nobody };
    world.intents.policy("reports", &policy);
    let port = world.listen(Via::Api);
    let mut client = port.client().await;
    let put = ask("PUT", "/reports/k1").body(vec![b'x'; SIZE]).by(ROOT);
    client.send(&put).await.is(200);
    let host = format!("localhost:{}", port.address.port());
    if kind == "serve" {
        for method in ["GET", "PUT"] {
            let url = ask(method, "/reports/large").host(&host);
            println!("http://{host}{}", url.presigned(ROOT, 86_400).target());
        }
        return std::future::pending().await;
    }
    let get = ask("GET", "/reports/k1").host(&host);
    let get = if kind == "open" {
        get
    } else {
        get.presigned(USER, 86_400)
    };
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", get.target());
    let address = match kind {
        "bare" => bare().await,
        _ => port.address,
    };
    tokio::task::spawn_blocking(move || ask_often(address, request.as_bytes(), count))
        .await
        .expect("every answer is a success");
}

/// Asks on one connection; every answer is as long as the first.
fn ask_often(address: SocketAddr, request: &[u8], count: u32) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream.write_all(request).expect("a request");
    let mut space = [0; 16 * 1024];
    let mut length = 0;
    loop {
        length += stream.read(&mut space[length..]).expect("an answer");
        let head = space[..length].windows(4).position(|w| w == b"\r\n\r\n");
        if head.is_some_and(|head| length >= head + 4 + SIZE) {
            break;
        }
    }
    assert!(space.starts_with(b"HTTP/1.1 200 "));
    for _ in 1..count {
        stream.write_all(request).expect("a request");
        stream.read_exact(&mut space[..length]).expect("an answer");
        assert!(space.starts_with(b"HTTP/1.1 200 "));
    }
}

/// A server that checks nothing.
async fn bare() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let body = Bytes::from(vec![b'x'; SIZE]);
        let (stream, _) = listener.accept().await.expect("a connection");
        let service = hyper::service::service_fn(|_| {
            let answer = hyper::Response::new(Full::new(body.clone()));
            async move { Ok::<_, Infallible>(answer) }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
            .await;
    });
    address
}
