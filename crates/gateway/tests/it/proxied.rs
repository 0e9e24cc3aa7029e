//! Bodies on their way to an upstream: what is computed of them, and what reaches the upstream.

use std::sync::{Arc, Mutex};

use adit_gateway::{Scheme, Via};
use adit_objects::{Checksum, ChecksumAlgorithm, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::smuggle::{exchange, world};
use crate::support::statement;

/// An upstream that takes whole bodies and keeps them; what is broken off it keeps as nothing.
async fn taking() -> (std::net::SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), bodies.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, kept.clone()));
        }
    });
    (address, bodies)
}

async fn take(mut stream: TcpStream, kept: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte.to_ascii_lowercase()),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_ok() {
        kept.lock().unwrap().push(body);
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"a\"\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// An unsigned upload in chunks with a checksum behind them, as SDKs send it.
fn upload(path: &str, body: &[u8], checksum: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(64 << 10) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed
        .extend_from_slice(format!("0\r\nx-amz-checksum-crc64nvme:{checksum}\r\n\r\n").as_bytes());
    let mut request = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: aws-chunked\r\n\
         x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
         x-amz-decoded-content-length: {}\r\nx-amz-trailer: x-amz-checksum-crc64nvme\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        framed.len()
    )
    .into_bytes();
    request.extend_from_slice(&framed);
    request
}

#[tokio::test]
async fn a_body_passes_without_md5_and_only_if_its_checksum_is_right() {
    let (address, bodies) = taking().await;
    let world = world(address);
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    let gateway = port.address;
    let open = statement("Allow", "s3:*", r#""arn:aws:s3:::reports/*""#, "");
    world.intents.policy("reports", &open);
    let body: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let right = Checksum::of(ChecksumAlgorithm::Crc64Nvme, &body).to_string();
    let before = Md5::hashed();
    let answer = exchange(gateway, &upload("/elsewhere/k", &body, &right)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(Md5::hashed(), before, "the upstream's tag is passed on");
    assert_eq!(*bodies.lock().unwrap(), std::slice::from_ref(&body));
    let answer = exchange(gateway, &upload("/elsewhere/k", &body, "AAAAAAAAAAA=")).await;
    assert!(answer.contains("<Code>BadDigest</Code>"), "{answer}");
    assert_eq!(bodies.lock().unwrap().len(), 1, "broken off");
    // Where the tag is Adit's own, it is MD5, and seen.
    let answer = exchange(gateway, &upload("/reports/k", &body, &right)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(Md5::hashed() - before, body.len() as u64);
}

#[tokio::test]
async fn names_that_storage_reads_otherwise_stay_here() {
    let (address, _) = taking().await;
    let world = world(address);
    let port = world.listen_as(Via::Api, Scheme::Plain, "127.0.0.1:0");
    for (target, code) in [
        ("/elsewhere/secret//x", "InvalidURI"),
        ("/elsewhere//secret/x", "InvalidURI"),
        ("/elsewhere/secret%2F%2Fx", "InvalidURI"),
        ("/elsewhere/secret%5Cx", "InvalidURI"),
        ("/elsewhere/secret/%2e/x", "InvalidURI"),
        ("/elsewhere/a/%2e%2e/x", "InvalidURI"),
        ("/elsewhere?list-type=2&prefix=/secret/", "AccessDenied"),
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(port.address, request.as_bytes()).await;
        assert!(
            answer.contains(&format!("<Code>{code}</Code>")),
            "{target}: {answer}"
        );
    }
    // A name in another spelling is that name: a version needs another permission.
    let open = statement("Allow", "s3:GetObject", r#""arn:aws:s3:::reports/*""#, "");
    world.intents.policy("reports", &open);
    for name in ["versionId", "%76ersionId", "version%49d"] {
        let request = format!(
            "GET /reports/k?{name}=null HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(port.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{name}: {answer}");
    }
}
