//! TLS: which names have a certificate, on which way.

use std::sync::Arc;

use adit_gateway::{Scheme, Via};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::*;

fn config(world: &World, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(world.authority.certificate_pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A connection on which the client has verified `name`.
pub(crate) async fn connect(
    world: &World,
    port: &Port,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(port.address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config(world, &["http/1.1"]))
        .connect(name, tcp)
        .await
}

#[tokio::test]
async fn every_name_of_the_way_verifies() {
    let world = World::new();
    let own = interface_name();
    let zonal = own.replace(".s3.", "-us-east-1a.s3.");
    let way = world.way(INTERFACE);
    for base in [&own, &zonal] {
        for front in [
            "",
            "bucket.",
            "reports.bucket.",
            "my.dotted.bucket.",
            "ap-111122223333.accesspoint.",
            "111122223333.control.",
            "reports.",
        ] {
            let name = format!("{front}{base}");
            connect(&world, &way, &name)
                .await
                .unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    }
    for name in [
        "s3.us-east-1.amazonaws.com",
        "reports.s3.us-east-1.amazonaws.com",
        "111122223333.s3-control.us-east-1.amazonaws.com",
    ] {
        connect(&world, &way, name)
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    // The request itself.
    let stream = connect(&world, &way, &format!("reports.bucket.{own}"))
        .await
        .unwrap();
    let put = ask("PUT", "/k")
        .host(&format!("reports.bucket.{own}"))
        .body("x")
        .root();
    Client::over(stream).await.send(&put).await.is(200);
}

#[tokio::test]
async fn no_other_name_does() {
    let world = World::new();
    let (way, internet, api) = (
        world.way(INTERFACE),
        world.listen(Via::Internet),
        world.listen(Via::Api),
    );
    let own = interface_name();
    let cases = [
        (&way, "example.com".to_owned()),
        (&way, "s3.eu-west-1.amazonaws.com".to_owned()),
        (&way, own.replace(SUFFIX, "00000000")),
        (&way, own.replace(INTERFACE, "vpce-0000000000000ffff")),
        (&way, "localhost".to_owned()),
        (&internet, own.clone()),
        (&internet, "localhost".to_owned()),
        (&api, "example.com".to_owned()),
    ];
    for (port, name) in cases {
        let refused = connect(&world, port, &name).await;
        assert!(refused.is_err(), "{name}");
    }
    // Elsewhere they do.
    connect(&world, &api, "localhost").await.unwrap();
    connect(&world, &api, "reports.localhost").await.unwrap();
    connect(&world, &internet, "reports.s3.amazonaws.com")
        .await
        .unwrap();
}

#[tokio::test]
async fn without_a_name_the_address_is_certified() {
    let world = World::new();
    for via in [
        Via::Endpoint(INTERFACE.parse().unwrap()),
        Via::Internet,
        Via::Api,
    ] {
        let port = world.listen(via);
        connect(&world, &port, "127.0.0.1").await.unwrap();
        assert!(connect(&world, &port, "127.0.0.2").await.is_err());
    }
}

#[tokio::test]
async fn secure_transport_is_what_the_connection_was() {
    let world = World::new();
    let port = world.listen(Via::Api);
    port.client()
        .await
        .send(&ask("PUT", "/reports/k").body("x").root())
        .await
        .is(200);
    let condition = r#"{"Bool":{"aws:SecureTransport":"false"}}"#;
    let secure = statement(
        "Deny",
        "s3:*",
        r#"["arn:aws:s3:::reports","arn:aws:s3:::reports/*"]"#,
        condition,
    );
    world.intents.policy("reports", &secure);
    let get = ask("GET", "/reports/k").root();
    // One port, both schemes.
    port.client()
        .await
        .send(&get)
        .await
        .fails(403, "AccessDenied");
    let mut encrypted = Client::over(connect(&world, &port, "localhost").await.unwrap()).await;
    encrypted.send(&get).await.is(200);
    let old = r#"{"NumericLessThan":{"s3:TlsVersion":"1.3"}}"#;
    world.intents.policy(
        "reports",
        &statement("Deny", "s3:*", r#""arn:aws:s3:::reports/*""#, old),
    );
    encrypted.send(&get).await.is(200);
    world.intents.policy(
        "reports",
        &statement(
            "Deny",
            "s3:*",
            r#""arn:aws:s3:::reports/*""#,
            &old.replace("1.3", "1.4"),
        ),
    );
    encrypted.send(&get).await.fails(403, "AccessDenied");
}

#[tokio::test]
async fn http2_is_spoken_to_those_who_offer_it() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let world = World::new();
    let port = world.listen_as(Via::Internet, Scheme::Tls, "127.0.0.1:0");
    let host = "reports.s3.us-east-1.amazonaws.com";
    let tcp = TcpStream::connect(port.address).await.unwrap();
    let name = ServerName::try_from(host).unwrap();
    let stream = TlsConnector::from(config(&world, &["h2"]))
        .connect(name, tcp)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    for (call, status) in [
        (ask("PUT", "/k").host(host).body("hello").root(), 200),
        (ask("GET", "/k").host(host).root(), 200),
        (ask("GET", "/k").host(host).by(USER), 403),
    ] {
        let mut request = ::http::Request::builder()
            .method(call.method)
            .uri(format!("https://{host}{}", call.path));
        for (name, value) in call.headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(bytes::Bytes::from(call.body.clone())))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        if call.method == "GET" && status == 200 {
            assert_eq!(body, "hello");
        }
    }
    // The client keeps its side open: the end does not wait for it.
    port.token.cancel();
    let begun = std::time::Instant::now();
    port.serving.finished().await;
    assert!(begun.elapsed() < LINGERS, "{:?}", begun.elapsed());
    drop(sender);
}

/// A body that comes in pieces of 100 bytes, one at each tick.
struct Slow {
    clock: tokio::time::Interval,
    left: u32,
}

impl hyper::body::Body for Slow {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        if self.left == 0 {
            return std::task::Poll::Ready(None);
        }
        std::task::ready!(self.clock.poll_tick(cx));
        self.left -= 1;
        let piece = bytes::Bytes::from_static(&[b'x'; 100]);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }
}

/// An upload over HTTP/2 may take longer than anything may stand still.
#[tokio::test]
async fn a_long_upload_over_http2_is_not_broken_off() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let brief = std::time::Duration::from_millis(200);
    let world = World::with(adit_gateway::Settings {
        body_timeout: brief,
        head_timeout: brief,
        ..adit_gateway::Settings::default()
    });
    let port = world.listen_as(Via::Internet, Scheme::Tls, "127.0.0.1:0");
    let host = "reports.s3.us-east-1.amazonaws.com";
    let tcp = TcpStream::connect(port.address).await.unwrap();
    let name = ServerName::try_from(host).unwrap();
    let stream = TlsConnector::from(config(&world, &["h2"]))
        .connect(name, tcp)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let (pieces, whole) = (12, "x".repeat(12 * 100));
    let call = ask("PUT", "/k").host(host).body(whole).root();
    let mut request = ::http::Request::builder()
        .method("PUT")
        .uri(format!("https://{host}/k"))
        .header("content-length", call.body.len());
    for (name, value) in call.headers.iter().filter(|(name, _)| name != "host") {
        request = request.header(name, value);
    }
    let body = Slow {
        clock: tokio::time::interval(brief / 2),
        left: pieces,
    };
    let request = request.body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// A client that takes an answer over HTTP/2 in drops does not hold it for ever.
#[tokio::test]
async fn an_answer_over_http2_that_is_not_taken_ends() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let brief = std::time::Duration::from_millis(100);
    for (rate, whole) in [(100_000_000, false), (1, true)] {
        let world = World::with(adit_gateway::Settings {
            body_timeout: brief,
            body_rate: rate,
            ..adit_gateway::Settings::default()
        });
        let body = vec![b'x'; 4 << 20];
        world
            .api()
            .await
            .send(&ask("PUT", "/reports/k").body(body.clone()).root())
            .await
            .is(200);
        let port = world.listen_as(Via::Internet, Scheme::Tls, "127.0.0.1:0");
        let host = "reports.s3.us-east-1.amazonaws.com";
        let tcp = TcpStream::connect(port.address).await.unwrap();
        let stream = TlsConnector::from(config(&world, &["h2"]))
            .connect(ServerName::try_from(host).unwrap(), tcp)
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(64 << 10)
                .handshake(TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let call = ask("GET", "/k").host(host).root();
        let mut request = ::http::Request::builder().uri(format!("https://{host}/k"));
        for (name, value) in call.headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let mut answer = sender.send_request(request).await.unwrap().into_body();
        let (mut got, mut broken) = (0, false);
        while let Some(frame) = answer.frame().await {
            match frame {
                Ok(frame) => got += frame.data_ref().map_or(0, |data| data.len()),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
            tokio::time::sleep(brief / 40).await;
        }
        assert_eq!(
            (got == body.len(), broken),
            (whole, !whole),
            "{rate}: {got}"
        );
    }
}

/// How long a connection is read on of which something may be on its way.
const LINGERS: std::time::Duration = std::time::Duration::from_millis(1900);
