//! One caller's way to an etcd through its JSON gateway: a connection that is made again when it breaks.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::Options;

/// How long a server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest answer: a page of the largest resources.
const LARGEST: usize = 256 << 20;

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// None of the servers answers, or the one that did cannot say.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It was asked for a revision that is gone.
    #[error("the revision asked for was compacted")]
    Compacted,
    /// It does not take the call.
    #[error("it refuses: {0}")]
    Refused(String),
    /// What is in it cannot be used.
    #[error("{0}")]
    Content(String),
}

/// A client for one thread.
pub(super) struct Client {
    wish: Options,
    connector: Option<TlsConnector>,
    runtime: tokio::runtime::Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Which server is tried next.
    turn: usize,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(wish: &Options) -> Result<Client, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::Content(format!("no runtime: {e}")))?;
        Ok(Client {
            connector: connector(wish)?,
            wish: wish.clone(),
            runtime,
            connection: None,
            turn: 0,
            token: None,
        })
    }

    /// Calls one of etcd's methods. A call that brought no answer may have been carried out.
    pub(super) fn call(&mut self, method: &str, input: &Value) -> Result<Value, Failure> {
        let (status, body) = match self.once(method, input) {
            // A connection that idled may have been closed: nothing was sent, or etcd's own check
            // of what the call compares makes sending it again safe.
            Err(_) => self.once(method, input)?,
            Ok(answered) => answered,
        };
        let (status, body) = match token_is_stale(status, &body) {
            true => {
                self.token = None;
                self.once(method, input)?
            }
            false => (status, body),
        };
        answer(status, &body)
    }

    fn once(&mut self, method: &str, input: &Value) -> Result<(u16, Bytes), Failure> {
        let Client {
            wish,
            connector,
            runtime,
            connection,
            turn,
            token,
        } = self;
        let taken = connection.take();
        let done = runtime.block_on(async {
            let work = async {
                let mut sender = match taken {
                    Some(sender) if !sender.is_closed() => sender,
                    _ => connect(wish, connector.as_ref(), turn).await?,
                };
                if token.is_none() && wish.login.is_some() {
                    *token = Some(log_in(wish, &mut sender).await?);
                }
                let answer = send(wish, &mut sender, method, input, token.as_deref()).await?;
                let read = whole(answer).await?;
                Ok((sender, read))
            };
            tokio::time::timeout(ANSWER, work)
                .await
                .unwrap_or_else(|_| Err(Failure::Unreachable(format!("no answer in {ANSWER:?}"))))
        });
        match done {
            Ok((sender, read)) => {
                *connection = Some(sender);
                Ok(read)
            }
            Err(failure) => {
                *turn += 1;
                Err(failure)
            }
        }
    }

    /// Calls a method that answers again and again; `each` sees every answer and says whether to go on.
    /// Ends without an error when the server or `each` ends it, or when nothing came for `silence`.
    pub(super) fn stream(
        &mut self,
        method: &str,
        input: &Value,
        silence: Duration,
        mut each: impl FnMut(Option<&Value>) -> bool,
    ) -> Result<(), Failure> {
        let Client {
            wish,
            connector,
            runtime,
            turn,
            token,
            ..
        } = self;
        runtime.block_on(async {
            let mut sender = connect(wish, connector.as_ref(), turn).await?;
            if token.is_none() && wish.login.is_some() {
                *token = Some(log_in(wish, &mut sender).await?);
            }
            let sent = send(wish, &mut sender, method, input, token.as_deref());
            let answer = tokio::time::timeout(ANSWER, sent)
                .await
                .map_err(|_| Failure::Unreachable(format!("no answer in {ANSWER:?}")))??;
            let mut body = answer.into_body();
            let mut read = Vec::new();
            loop {
                let frame = match tokio::time::timeout(silence, body.frame()).await {
                    Err(_) => match each(None) {
                        true => continue,
                        false => return Ok(()),
                    },
                    Ok(None) => return Ok(()),
                    Ok(Some(frame)) => frame.map_err(broken)?,
                };
                read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                if read.len() > LARGEST {
                    return Err(Failure::Content("an answer without an end".into()));
                }
                while let Some(end) = read.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = read.drain(..=end).collect();
                    if let Ok(value) = serde_json::from_slice::<Value>(&line)
                        && !each(Some(&value))
                    {
                        return Ok(());
                    }
                }
            }
        })
    }
}

fn connector(wish: &Options) -> Result<Option<TlsConnector>, Failure> {
    if !wish.tls {
        return Ok(None);
    }
    let bad = |why: String| Failure::Content(format!("TLS: {why}"));
    let file = wish
        .authority
        .as_ref()
        .ok_or_else(|| bad("name the authority's certificate with --store-ca".into()))?;
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(|e| bad(format!("`{}`: {e}", file.display())))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| bad(format!("`{}`: {e}", file.display())))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

/// A connection to one of the servers, the one whose turn it is first.
async fn connect(
    wish: &Options,
    connector: Option<&TlsConnector>,
    turn: &mut usize,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let mut why = Failure::Unreachable("no server is named".into());
    for _ in 0..wish.hosts.len() {
        let Some(host) = wish.hosts.get(*turn % wish.hosts.len()) else {
            break;
        };
        match tokio::time::timeout(CONNECT, connect_to(host, connector)).await {
            Ok(Ok(sender)) => return Ok(sender),
            Ok(Err(failure)) => why = failure,
            Err(_) => why = Failure::Unreachable(format!("{host}: no connection in {CONNECT:?}")),
        }
        *turn += 1;
    }
    Err(why)
}

async fn connect_to(
    host: &str,
    connector: Option<&TlsConnector>,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::Unreachable(format!("{host}: {why}"));
    let stream = TcpStream::connect(host).await.map_err(|e| failed(&e))?;
    stream.set_nodelay(true).map_err(|e| failed(&e))?;
    match connector {
        None => handshake(TokioIo::new(stream)).await,
        Some(connector) => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            let name = ServerName::try_from(name.to_string()).map_err(|e| failed(&e))?;
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(|e| failed(&e))?;
            handshake(TokioIo::new(stream)).await
        }
    }
}

async fn handshake<T>(io: T) -> Result<SendRequest<Full<Bytes>>, Failure>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    wish: &Options,
    sender: &mut SendRequest<Full<Bytes>>,
    method: &str,
    input: &Value,
    token: Option<&str>,
) -> Result<hyper::Response<Incoming>, Failure> {
    let mut request = Request::builder()
        .method("POST")
        .uri(format!("/v3/{method}"))
        .header("host", wish.hosts.first().map_or("etcd", String::as_str))
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let request = request
        .body(Full::new(Bytes::from(input.to_string())))
        .map_err(|e| Failure::Content(e.to_string()))?;
    sender.ready().await.map_err(broken)?;
    sender.send_request(request).await.map_err(broken)
}

async fn whole(answer: hyper::Response<Incoming>) -> Result<(u16, Bytes), Failure> {
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|e| Failure::Unreachable(e.to_string()))?;
    Ok((status, body.to_bytes()))
}

async fn log_in(wish: &Options, sender: &mut SendRequest<Full<Bytes>>) -> Result<String, Failure> {
    let Some((name, password)) = &wish.login else {
        return Err(Failure::Refused("it asks for a name and password".into()));
    };
    let input = json!({ "name": name, "password": password });
    let answered = send(wish, sender, "auth/authenticate", &input, None).await?;
    let (status, body) = whole(answered).await?;
    let token = answer(status, &body)?["token"].as_str().map(str::to_string);
    token.ok_or_else(|| Failure::Refused("it gives no token".into()))
}

fn broken(why: hyper::Error) -> Failure {
    Failure::Unreachable(why.to_string())
}

fn token_is_stale(status: u16, body: &[u8]) -> bool {
    status == 401 || (status >= 400 && has(body, "invalid auth token"))
}

fn has(body: &[u8], words: &str) -> bool {
    body.windows(words.len())
        .any(|part| part == words.as_bytes())
}

fn answer(status: u16, body: &[u8]) -> Result<Value, Failure> {
    if status == 200 {
        return serde_json::from_slice(body).map_err(|e| {
            Failure::Content(format!(
                "the answer is not JSON: {e}; is it etcd 3.4 or newer?"
            ))
        });
    }
    if has(body, "has been compacted") {
        return Err(Failure::Compacted);
    }
    let said = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|v| {
            v["message"]
                .as_str()
                .or(v["error"].as_str())
                .map(str::to_string)
        })
        .unwrap_or_else(|| format!("HTTP {status}"));
    match status {
        // No leader, too many requests, a server that is starting: another moment may be better.
        429 | 500..=599 if !has(body, "request is too large") => Err(Failure::Unreachable(said)),
        _ => Err(Failure::Refused(said)),
    }
}
