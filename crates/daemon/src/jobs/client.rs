//! Requests of a job: to the front door of this process, signed with a session of the job's role.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use adit_api::ServiceSession;
use adit_gateway::{Connection, Gateway, TlsVersion, Via};
use adit_model::{Job, Millis};
use adit_plane::Snapshots;
use adit_wire::sigv4::{Key, Secret, Sign, Signer};
use adit_wire::{Headers, Parts, Service, xml};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::up::now_millis;

/// The service that a job's role must trust.
pub(super) const SERVICE: &str = "batchoperations.s3.amazonaws.com";
/// A session is replaced when it is half as old as it may become.
const SESSION: Millis = 60 * 60 * 1000;
/// Bytes between the two ends of a connection.
const BETWEEN: usize = 64 << 10;
/// Longest answer: a window of a manifest, and then some.
const LONGEST: usize = 2 << 20;
/// Idle connections that are kept.
const KEPT: usize = 64;
/// How often a request is sent that the other side is too busy for.
const ATTEMPTS: u32 = 4;
/// The host of requests to buckets: any address means the API's own.
pub(super) const HOST: &str = "127.0.0.1";

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// An access point's host, or [`HOST`].
    pub(super) host: String,
    /// Percent-encoded.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn new(method: Method, (host, path): (String, String)) -> Call {
        Call {
            method,
            host,
            path,
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[must_use]
    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Call {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An error as S3 told it, or as it came about on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Refused {
        Refused {
            status,
            code: code.into(),
            message: message.into(),
        }
    }

    fn broken(why: impl std::fmt::Display) -> Refused {
        Refused::new(500, "InternalError", why.to_string())
    }
}

impl Reply {
    /// The answer, or the error that it is. A copy may fail after its status was sent: then the error is in the body.
    fn checked(self) -> Result<Reply, Refused> {
        let is_error = |body: &[u8]| {
            let begin = body.get(..200).unwrap_or(body);
            String::from_utf8_lossy(begin).contains("<Error>")
        };
        let is_xml = self
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().ends_with(b"/xml"));
        if (200..300).contains(&self.status) && !(is_xml && is_error(&self.body)) {
            return Ok(self);
        }
        let tree = xml::parse(&self.body).ok();
        let text = |name: &str| tree.as_ref().and_then(|tree| tree.get(name));
        let status = http::StatusCode::from_u16(self.status).ok();
        let told = status.and_then(|status| status.canonical_reason());
        Err(Refused {
            status: self.status,
            code: text("Code").map_or_else(|| self.status.to_string(), str::to_string),
            message: text("Message").or(told).unwrap_or_default().to_string(),
        })
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// Connections to the front door.
pub(super) struct Client {
    gateway: Gateway,
    idle: Mutex<Vec<Sender>>,
}

impl Client {
    pub(super) fn new(gateway: Gateway) -> Client {
        Client {
            gateway,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sender>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<Sender, Refused> {
        while let Some(sender) = { self.idle().pop() } {
            if sender.is_ready() {
                return Ok(sender);
            }
        }
        let (ours, theirs) = tokio::io::duplex(BETWEEN);
        let gateway = self.gateway.clone();
        tokio::spawn(async move {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let connection = Connection {
                via: Via::Api,
                peer: here,
                local: here,
                // Nothing of it is ever on a wire: a policy that demands encryption gets what it wants.
                tls: Some(TlsVersion::V1_3),
            };
            let service = service_fn(|request| {
                let answer = gateway.handle(request, &connection);
                async { Ok::<_, Infallible>(answer.await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let served = http.serve_connection(TokioIo::new(theirs), service).await;
            if let Err(why) = served {
                tracing::debug!(%why, "a job's connection ended");
            }
        });
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(ours))
            .await
            .map_err(Refused::broken)?;
        tokio::spawn(driver);
        Ok(sender)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Refused> {
        let mut sender = self.connection().await?;
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(Refused::broken)?.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(Refused::broken)?.to_bytes();
        // The connection may want a moment until it takes the next request.
        if sender.ready().await.is_ok() && self.idle().len() < KEPT {
            self.idle().push(sender);
        }
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}

/// A role's credentials, for an hour.
struct Session {
    role: String,
    id: String,
    secret: Secret,
    token: Secret,
    issued: Millis,
}

/// Acts for one job.
pub(super) struct Acting {
    client: Arc<Client>,
    snapshots: Snapshots,
    arn: String,
    source: String,
    name: String,
    region: String,
    session: RwLock<Option<Arc<Session>>>,
}

/// Why nobody acts for a job: its role is not there, or does not trust the service.
pub(super) struct Untrusted;

impl Acting {
    pub(super) fn new(client: Arc<Client>, snapshots: Snapshots, job: &Job) -> Acting {
        Acting {
            client,
            snapshots,
            arn: job.role.clone(),
            source: job.arn(),
            name: format!("s3-batch-operations_{}", job.id),
            region: job.region.to_string(),
            session: RwLock::default(),
        }
    }

    /// Makes sure that there is a session that lasts a while, if the role still trusts the service.
    pub(super) fn refresh(&self) -> Result<(), Untrusted> {
        let snapshot = self.snapshots.borrow().clone().ok_or(Untrusted)?;
        let role = snapshot.role_for_service(&self.arn, SERVICE, &self.source);
        let role = role.ok_or(Untrusted)?;
        let now = now_millis();
        let is_fresh = |session: &Session| {
            session.role == role.unique_id && now < session.issued + SESSION / 2
        };
        if self.session().as_deref().is_some_and(is_fresh) {
            return Ok(());
        }
        let intent = &snapshot.intent;
        let made = ServiceSession::new(intent, &role, &self.name, now, now + SESSION);
        let made = made.ok_or(Untrusted)?;
        let session = Arc::new(Session {
            role: role.unique_id.clone(),
            id: made.access_key_id,
            secret: Secret::new(made.issued.secret.expose()),
            token: Secret::new(made.issued.token.expose()),
            issued: now,
        });
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = Some(session);
        Ok(())
    }

    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        session.clone()
    }

    /// Sends a request and reads the answer whole; again after a while when the other side is too busy.
    pub(super) async fn call(&self, call: &Call) -> Result<Reply, Refused> {
        let mut attempt = 1;
        loop {
            let request = self.signed(call)?;
            let answer = self.client.send(request).await.and_then(Reply::checked);
            match answer {
                Err(why) if matches!(why.status, 500 | 503) && attempt < ATTEMPTS => {
                    let wait = std::time::Duration::from_millis(100 << attempt);
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    fn signed(&self, call: &Call) -> Result<Request<Full<Bytes>>, Refused> {
        let Some(session) = self.session() else {
            return Err(Refused::new(403, "AccessDenied", "Access Denied"));
        };
        let mut fields: Vec<(&str, &[u8])> = vec![("host", call.host.as_bytes())];
        let given = call.headers.iter();
        fields.extend(given.map(|(name, value)| (name.as_str(), value.as_bytes())));
        let parts = Parts {
            method: call.method.as_str(),
            path: &call.path,
            query: &call.query,
            headers: Headers(&fields),
            body: &call.body,
        };
        let signer = Signer {
            key: Key {
                access_key_id: &session.id,
                secret: &session.secret,
                session_token: Some(session.token.expose()),
            },
            region: &self.region,
            service: Service::S3,
            now: now_millis(),
        };
        let added = signer.sign(&parts, Sign::Bytes(&call.body));
        let target = match call.query.is_empty() {
            true => call.path.clone(),
            false => format!("{}?{}", call.path, call.query),
        };
        let invalid = |why: http::Error| Refused::new(400, "InvalidRequest", why.to_string());
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(target)
            .body(Full::new(call.body.clone()))
            .map_err(invalid)?;
        let added = added
            .into_iter()
            .map(|(name, value)| (name.to_string(), value));
        let all = call.headers.iter().cloned().chain(added);
        for (name, value) in all.chain([("host".to_string(), call.host.clone())]) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| invalid(e.into()))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|e| invalid(e.into()))?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}
