//! Requests to one upstream.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adit_wire::sigv4::{KeyCache, Sign, Signer};
use adit_wire::{Headers, Parts, Service};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use tokio::time::Instant;

use crate::answer::{Answer, AnswerBody};
use crate::body::Body;
use crate::connect::connect;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::health::{Breaker, Health};
use crate::pool::{Link, Pool};

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A connection, with its TLS handshake.
    pub connect: Duration,
    /// The begin of an answer, once the request was sent. Completing a large upload takes a while.
    pub answer: Duration,
    /// How long a body may stand still.
    pub still: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(300),
            still: Duration::from_secs(60),
        }
    }
}

/// One upstream. Clones are the same.
#[derive(Debug, Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    region: String,
    service: Service,
    credentials: Option<Credentials>,
    keys: KeyCache,
    timeouts: Timeouts,
    pool: Arc<Pool>,
    breaker: Breaker,
}

/// A request to be signed and sent.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path as it goes out, percent-encoded, beginning with `/`.
    pub path: String,
    /// The query as it goes out, without `?`; empty when there is none.
    pub query: String,
    /// The `Host`; the endpoint's own when none is given.
    pub host: Option<String>,
    /// Headers but for `host`, the length and what a signature adds.
    pub headers: HeaderMap,
    /// What the signature says of the body.
    pub payload: Payload,
    /// The body.
    pub body: Body,
}

/// What a signature says of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing (`UNSIGNED-PAYLOAD`): TLS, or the checksum that goes along, protects it.
    Unsigned,
    /// That there is none.
    Nothing,
    /// Its SHA-256, in lower-case hexadecimal digits.
    Sha256(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It failed too often lately.
    #[error("the upstream has not answered lately")]
    Down,
    /// No connection.
    #[error("cannot connect to the upstream: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection to the upstream broke: {0}")]
    Broken(#[source] hyper::Error),
    /// It stood still for too long.
    #[error("the upstream does not answer in time")]
    Slow,
    /// An answer that must be read whole is too long for that.
    #[error("the upstream's answer has more than {most} bytes")]
    TooLong {
        /// The most that is read.
        most: usize,
    },
    /// The request cannot be written as HTTP.
    #[error("the request cannot be sent: {0}")]
    Request(#[source] http::Error),
    /// There are no credentials to sign with.
    #[error("there are no credentials for the upstream")]
    NoCredentials,
}

impl Upstream {
    /// A client; connects when something is asked.
    pub fn new(
        endpoint: Endpoint,
        region: impl Into<String>,
        service: Service,
        credentials: Option<Credentials>,
        timeouts: Timeouts,
    ) -> Upstream {
        Upstream {
            inner: Arc::new(Inner {
                endpoint,
                region: region.into(),
                service,
                credentials,
                keys: KeyCache::new(),
                timeouts,
                pool: Arc::default(),
                breaker: Breaker::default(),
            }),
        }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.inner.breaker.health()
    }

    /// How long what may take.
    pub fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// Signs a request and sends it. Returns at the begin of the answer; a body that is fed must be fed
    /// meanwhile.
    ///
    /// # Errors
    /// [`UpstreamError`]; an error status is an answer.
    pub async fn call(&self, mut call: Call) -> Result<Answer, UpstreamError> {
        let body = std::mem::replace(&mut call.body, Body::empty());
        let spare = body.again().filter(|_| call.method.is_safe());
        let request = self.signed(&call, body)?;
        self.ask(request, || Some(self.signed(&call, spare?))).await
    }

    /// Sends a request as it is: the caller has signed it, or somebody before it.
    ///
    /// # Errors
    /// [`UpstreamError`]; an error status is an answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, UpstreamError> {
        let spare = copy(&request);
        self.ask(request, || spare.map(Ok)).await
    }

    /// Sends a request. `again` makes the same once more, when asking twice does nothing twice.
    async fn ask(
        &self,
        request: Request<Body>,
        again: impl FnOnce() -> Option<Result<Request<Body>, UpstreamError>>,
    ) -> Result<Answer, UpstreamError> {
        let inner = &*self.inner;
        if !inner.breaker.admit() {
            return Err(UpstreamError::Down);
        }
        let answer = self.once_or_twice(request, again).await;
        match &answer {
            Ok(_) => inner.breaker.answered(),
            // What the client broke off says nothing about the upstream.
            Err(UpstreamError::Broken(why)) if why.is_user() => inner.breaker.answered(),
            Err(why) => inner.breaker.failed(&chain(why)),
        }
        answer
    }

    async fn once_or_twice(
        &self,
        request: Request<Body>,
        again: impl FnOnce() -> Option<Result<Request<Body>, UpstreamError>>,
    ) -> Result<Answer, UpstreamError> {
        let Some(link) = self.inner.pool.take().await else {
            return self.fresh(request).await;
        };
        match self.exchange(link, request).await {
            Ok(answer) => Ok(answer),
            // Not a byte was sent.
            Err((_, Some(unsent))) => self.fresh(unsent).await,
            // The connection was closed while it was kept: what only reads may be asked again.
            Err((why @ UpstreamError::Broken(_), None)) => match again() {
                Some(spare) => self.fresh(spare?).await,
                None => Err(why),
            },
            Err((why, None)) => Err(why),
        }
    }

    async fn fresh(&self, request: Request<Body>) -> Result<Answer, UpstreamError> {
        let inner = &*self.inner;
        let connected = tokio::time::timeout(inner.timeouts.connect, connect(&inner.endpoint));
        let stream = match connected.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => return Err(UpstreamError::Connect(why)),
            Err(_) => return Err(UpstreamError::Slow),
        };
        let link = Link::over(stream).await.map_err(UpstreamError::Broken)?;
        self.exchange(link, request).await.map_err(|(why, _)| why)
    }

    async fn exchange(
        &self,
        mut link: Link,
        request: Request<Body>,
    ) -> Result<Answer, (UpstreamError, Option<Request<Body>>)> {
        let inner = &*self.inner;
        let progress = request.body().progress();
        let mut pieces = progress.pieces();
        let mut due = Instant::now() + inner.timeouts.answer;
        let mut answering = pin!(link.sender.try_send_request(request));
        let answered = poll_fn(|cx| {
            link.drive(cx);
            let mut inner_cx = Context::from_waker(&link.waker);
            if let Poll::Ready(answer) = answering.as_mut().poll(&mut inner_cx) {
                return Poll::Ready(Some(answer));
            }
            while link.patience.is_over(due, cx) {
                // A large body may take its time as long as it moves.
                let before = std::mem::replace(&mut pieces, progress.pieces());
                if before == pieces {
                    return Poll::Ready(None);
                }
                due = Instant::now() + inner.timeouts.answer;
            }
            link.rest();
            Poll::Pending
        });
        let answer = match answered.await {
            Some(Ok(answer)) => answer,
            Some(Err(mut why)) => {
                let unsent = why.take_message();
                return Err((UpstreamError::Broken(why.into_error()), unsent));
            }
            None => return Err((UpstreamError::Slow, None)),
        };
        let (head, body) = answer.into_parts();
        let body = AnswerBody::new(body, link, inner.pool.clone(), inner.timeouts.still);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    fn signed(&self, call: &Call, body: Body) -> Result<Request<Body>, UpstreamError> {
        let inner = &*self.inner;
        let credentials = inner
            .credentials
            .as_ref()
            .ok_or(UpstreamError::NoCredentials)?;
        let host = call.host.as_deref();
        let host = host.unwrap_or_else(|| inner.endpoint.authority());
        let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(call.headers.len() + 1);
        fields.push(("host", host.as_bytes()));
        fields.extend(
            call.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        let parts = Parts {
            method: call.method.as_str(),
            path: &call.path,
            query: &call.query,
            headers: Headers(&fields),
            body: &[],
        };
        let signer = Signer {
            key: credentials.key(),
            region: &inner.region,
            service: inner.service,
            now: now(),
        };
        let payload = match &call.payload {
            Payload::Unsigned => Sign::Unsigned,
            Payload::Nothing => Sign::Sha256(EMPTY_SHA256),
            Payload::Sha256(hash) => Sign::Sha256(hash),
        };
        let added = signer.sign_with(&parts, payload, &inner.keys);
        let mut target = String::with_capacity(call.path.len() + call.query.len() + 1);
        target.push_str(&call.path);
        if !call.query.is_empty() {
            target.push('?');
            target.push_str(&call.query);
        }
        let mut headers = HeaderMap::with_capacity(call.headers.len() + added.len() + 1);
        let failed = |why: http::header::InvalidHeaderValue| UpstreamError::Request(why.into());
        headers.insert(HOST, HeaderValue::from_str(host).map_err(failed)?);
        for (name, value) in &call.headers {
            headers.append(name, value.clone());
        }
        for (name, value) in added {
            let value = HeaderValue::try_from(value).map_err(failed)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let target = http::Uri::try_from(target);
        let target = target.map_err(|why| UpstreamError::Request(why.into()))?;
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The hash of no bytes.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The same request once more, when asking twice does nothing twice.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    if !request.method().is_safe() {
        return None;
    }
    let mut copy = Request::new(request.body().again()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
