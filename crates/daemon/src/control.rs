//! The API address: control services for whoever signs for them, S3 for the rest.
//!
//! One port, one gateway: it accepts, speaks TLS and HTTP, and guards against ambiguous requests.
//! What is signed for a control service comes here: read, authenticate, hand to the api.

mod own;
mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_api::{Api, Called, Caller, Ctx, Ids, Observer as _, Planes, Request, Settled, Source};
use adit_gateway::ca::Authority;
use adit_gateway::{
    Call, Caller as S3Caller, Connection, DynamoDb, Gateway, Origins, Scheme, Settings, Setup,
    Threads, Via,
};
use adit_model::{Generation, Millis, Region};
use adit_plane::metrics::Metrics;
use adit_plane::uses::Uses;
use adit_plane::{Board, Snapshots};
use adit_snapshot::{KeyView, Sessions, SignerError, Snapshot, StatusBoard};
use adit_store::Store;
use adit_upstream::Upstream;
use adit_wire::sigv4::{self, AuthError, Body, Claim, Expect, Key, KeyCache, Secret};
use adit_wire::{
    ErrorReply, Headers, HttpReply, OperationRef, Parts as WireParts, Service, Value, protocol,
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::audit::{Audit, Refused};
use crate::planes::net::{Placed, chain};
use crate::up::{FirstState, now_millis};

/// Largest body of a control request: the longest policy, many times over.
const MOST: usize = 1 << 20;
/// How long a caller may take to send one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the API address is made of.
pub struct Parts {
    /// Durable intent.
    pub store: Arc<Store>,
    /// What planes report.
    pub board: Board,
    /// The newest snapshot.
    pub snapshots: Snapshots,
    /// How long a change waits for the planes.
    pub settle: Duration,
    /// The local certificate authority.
    pub authority: Arc<Authority>,
    /// Objects.
    pub objects: adit_objects::Store,
    /// Upstreams.
    pub origins: Origins,
    /// The database behind DynamoDB endpoints.
    pub dynamodb: Option<DynamoDb>,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// The front door's settings.
    pub settings: Settings,
    /// Where commands find the network agent.
    pub agent_directory: PathBuf,
    /// The authority's certificate.
    pub ca_bundle: PathBuf,
    /// What a reset makes again.
    pub first: FirstState,
    /// Whether a reset is allowed.
    pub ephemeral: bool,
    /// What stands in the kernel.
    pub placed: watch::Receiver<Placed>,
    /// Told when the daemon is to end and take its network along.
    pub down: Arc<Notify>,
    /// The bound API address.
    pub listener: tokio::net::TcpListener,
}

/// The API address, being served.
pub struct Control {
    gateway: Gateway,
    shutdown: CancellationToken,
    serving: adit_gateway::Serving,
}

/// What answers control requests.
struct Desk {
    api: Api,
    world: Arc<World>,
    keys: KeyCache,
    sessions: Sessions,
    uses: Arc<Uses>,
    store: Arc<Store>,
    audit: Arc<Audit>,
    objects: adit_objects::Store,
    agent_directory: PathBuf,
    ca_bundle: PathBuf,
    first: FirstState,
    ephemeral: bool,
    placed: watch::Receiver<Placed>,
    down: Arc<Notify>,
    verifying: own::Verifying,
    /// Upstreams by their names.
    origins: Vec<(String, Upstream)>,
}

/// What the api may know of the planes.
struct World {
    board: Board,
    snapshots: Snapshots,
    settle: Duration,
}

impl Planes for World {
    fn board(&self) -> Arc<StatusBoard> {
        self.board.read()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone().unwrap_or_default()
    }

    fn settled(&self, generation: Generation) -> Settled<'_> {
        // The snapshot is there: it is built before a write returns.
        Box::pin(self.board.settled(generation, self.settle))
    }
}

impl Control {
    /// Serves the API address.
    pub fn start(parts: Parts) -> Result<Control, String> {
        let world = Arc::new(World {
            board: parts.board,
            snapshots: parts.snapshots.clone(),
            settle: parts.settle,
        });
        let (uses, store) = (Arc::new(Uses::default()), parts.store.clone());
        let desk = Arc::new(Desk {
            api: Api::new(parts.store.clone(), world.clone()).observed_by(parts.audit.clone()),
            world,
            keys: KeyCache::default(),
            sessions: Sessions::default(),
            uses: uses.clone(),
            store: parts.store,
            audit: parts.audit.clone(),
            objects: parts.objects.clone(),
            agent_directory: parts.agent_directory,
            ca_bundle: parts.ca_bundle,
            first: parts.first,
            ephemeral: parts.ephemeral,
            placed: parts.placed,
            down: parts.down,
            verifying: own::Verifying::default(),
            origins: parts
                .origins
                .iter()
                .map(|origin| (origin.name.clone(), origin.upstream.clone()))
                .collect(),
        });
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Threads::start(threads).map_err(|e| e.to_string())?;
        let gateway = Gateway::new(Setup {
            snapshots: parts.snapshots,
            store: parts.objects,
            origins: parts.origins,
            dynamodb: parts.dynamodb,
            operations: desk.clone(),
            control: Some(desk),
            recorder: parts.audit.clone(),
            authority: parts.authority,
            metrics: parts.metrics,
            clock: None,
            threads: Some(threads),
            settings: parts.settings,
        })
        .map_err(|e| chain(&e))?;
        tokio::spawn(crate::uses::run(store, gateway.clone(), uses));
        let shutdown = CancellationToken::new();
        let listener = parts.listener.into_std().map_err(|e| e.to_string())?;
        let serving = gateway
            .serve_listener(listener, Via::Api, Scheme::Both, shutdown.clone())
            .map_err(|e| e.to_string())?;
        Ok(Control {
            gateway,
            shutdown,
            serving,
        })
    }

    /// The S3 front door, for further listeners.
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// Stops taking requests and waits a moment for those in flight.
    pub async fn stop(self) {
        self.shutdown.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.serving.finished()).await;
    }
}

/// The service a request is signed for, by its credential scope alone.
fn signed_for(head: &http::request::Parts) -> Option<&str> {
    let header = head
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok());
    let credential = match header {
        Some(header) => {
            let (_, rest) = header.split_once("Credential=")?;
            rest.split([',', ' ']).next()?
        }
        None => {
            const CREDENTIAL: &str = "X-Amz-Credential=";
            let query = head.uri.query()?;
            query
                .match_indices(CREDENTIAL)
                .filter(|(at, _)| matches!(query.get(..*at), Some(front) if front.is_empty() || front.ends_with('&')))
                .find_map(|(at, _)| query.get(at + CREDENTIAL.len()..)?.split('&').next())?
        }
    };
    scope(credential).nth(3)
}

/// The pieces of a credential, whose slashes may be escaped.
fn scope(credential: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(credential);
    std::iter::from_fn(move || {
        let text = rest?;
        let slash = |(at, byte): (usize, u8)| match byte {
            b'/' => Some((at, 1)),
            b'%' => {
                let escape = text.get(at + 1..at + 3)?;
                escape.eq_ignore_ascii_case("2f").then_some((at, 3))
            }
            _ => None,
        };
        match text.bytes().enumerate().find_map(slash) {
            Some((at, width)) => {
                rest = text.get(at + width..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
}

impl adit_gateway::Control for Desk {
    fn wants(&self, head: &http::request::Parts) -> bool {
        match signed_for(head) {
            Some(service) => service != "s3",
            // Not signed: a form or a JSON target at the root is no S3 request.
            None => {
                head.uri.path() == "/"
                    && head.method == http::Method::POST
                    && !head
                        .headers
                        .get("content-type")
                        .is_some_and(|v| v.as_bytes().starts_with(b"multipart/"))
            }
        }
    }

    fn answer<'a>(
        &'a self,
        head: http::request::Parts,
        body: Incoming,
        connection: &'a Connection,
    ) -> adit_gateway::ControlAnswer<'a> {
        Box::pin(async move {
            let name = signed_for(&head);
            let service = name.map_or(Some(Service::Ec2), Service::from_signing_name);
            let Some(service) = service else {
                let what = name.unwrap_or_default();
                let message =
                    format!("The service {what} is not served here. See docs/compatibility.md.");
                let error = ErrorReply::new("UnknownOperationException", 501, message);
                return protocol::encode_error(Service::Adit, &error, &Ids::random().uuid());
            };
            let refused =
                |error: ErrorReply| protocol::encode_error(service, &error, &Ids::random().uuid());
            let body = match read(body).await {
                Ok(body) => body,
                Err(error) => return refused(error),
            };
            self.dispatch(service, &head, &body, connection)
                .await
                .unwrap_or_else(refused)
        })
    }
}

async fn read(body: Incoming) -> Result<Vec<u8>, ErrorReply> {
    let all = tokio::time::timeout(PATIENCE, Limited::new(body, MOST).collect()).await;
    match all {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(_)) => Err(ErrorReply::new(
            "RequestEntityTooLarge",
            413,
            format!("The request body is incomplete or longer than {MOST} bytes."),
        )),
        Err(_) => Err(ErrorReply::new(
            "RequestTimeout",
            408,
            "The request body did not arrive in time.",
        )),
    }
}

impl Desk {
    async fn dispatch(
        &self,
        service: Service,
        head: &http::request::Parts,
        body: &[u8],
        connection: &Connection,
    ) -> Result<HttpReply, ErrorReply> {
        let fields: Vec<(&str, &[u8])> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let parts = WireParts {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: Headers(&fields),
            body,
        };
        let now = now_millis();
        let snapshot = self.world.snapshot();
        let (key, region) = self
            .authenticate(service, &parts, &snapshot, now)
            .inspect_err(|error| self.note_refused(service, &parts, connection, now, error))?;
        let caller = Caller::of(&key).from(Source {
            address: connection.peer.ip(),
            tls: connection.tls.is_some(),
        });
        if service == Service::Adit
            && let Some(answer) = self.own(&parts, &caller, &region, now, &snapshot).await
        {
            self.note_own(&parts, &caller, &region, now, &answer);
            return answer;
        }
        Ok(self
            .api
            .serve(Request {
                service,
                parts,
                caller,
                region,
                now,
            })
            .await)
    }

    /// Writes down a call that nobody signed, or not as they should.
    fn note_refused(
        &self,
        service: Service,
        parts: &WireParts<'_>,
        connection: &Connection,
        now: Millis,
        error: &ErrorReply,
    ) {
        let op = protocol::identify(service, parts).ok();
        self.audit.refused(&Refused {
            service,
            operation: op.as_ref().map(OperationRef::name),
            source: connection.peer.ip(),
            user_agent: parts.headers.get("user-agent"),
            error,
            now,
        });
    }

    /// Writes down a call of the process's own operations.
    fn note_own(
        &self,
        parts: &WireParts<'_>,
        caller: &Caller,
        region: &Region,
        now: Millis,
        answer: &Result<HttpReply, ErrorReply>,
    ) {
        let op = protocol::identify(Service::Adit, parts).ok();
        self.audit.called(&Called {
            request_id: "-",
            operation: op.as_ref(),
            service: Service::Adit,
            writes: true,
            caller,
            region,
            user_agent: parts.headers.get("user-agent"),
            now,
            input: None,
            result: answer.as_ref().map(|_| &Value::Null),
        });
    }

    /// Who signed the request, and for which Region.
    fn authenticate(
        &self,
        service: Service,
        parts: &WireParts<'_>,
        snapshot: &Snapshot,
        now: Millis,
    ) -> Result<(Arc<KeyView>, Region), ErrorReply> {
        let refuse = |error: AuthError| error.reply(service);
        let claim = sigv4::claim(parts).map_err(refuse)?;
        let token = claim.session_token().map(str::to_string);
        let claim = match claim {
            Claim::V4(claim) => claim,
            Claim::Anonymous => return Err(unsigned(service)),
            Claim::V2(_) => {
                return Err(refuse(AuthError::UnsupportedMechanism {
                    mechanism: "AWS".into(),
                }));
            }
        };
        let id = claim.access_key_id.as_ref();
        let signer = self.sessions.signer(snapshot, id, token.as_deref(), now);
        let view = signer.map_err(|why| match why {
            SignerError::Expired => refuse(AuthError::ExpiredToken {
                access_key_id: id.chars().take(128).collect(),
                token: Secret::new(token.clone().unwrap_or_default()),
            }),
            SignerError::Unknown | SignerError::InvalidToken => unknown_key(service),
        })?;
        let secret = Secret::new(view.key.secret.expose());
        let key = Key {
            access_key_id: &view.key.id,
            secret: &secret,
            session_token: token.as_deref(),
        };
        let expect = Expect {
            service,
            region: None,
            now,
            body: Body::Whole,
        };
        sigv4::verify(&claim, parts, &key, &expect, &self.keys).map_err(refuse)?;
        let region = self.region(service, &claim.region, snapshot)?;
        if view.session.is_none() {
            let name = service.signing_name();
            self.uses.note(&view.key.id, name, region.as_str(), now);
        }
        Ok((view, region))
    }

    /// The Region a request was signed for must be one of the installation's. Global services sign
    /// for us-east-1 wherever they are; Adit's own operations know no Region.
    fn region(
        &self,
        service: Service,
        signed: &str,
        snapshot: &Snapshot,
    ) -> Result<Region, ErrorReply> {
        let known = signed
            .parse::<Region>()
            .ok()
            .filter(|r| snapshot.intent.get::<adit_model::RegionInfo>(r).is_some());
        let fallback = || {
            snapshot
                .intent
                .installation()
                .map(|i| i.default_region.clone())
        };
        let global = matches!(
            service,
            Service::Iam | Service::Sts | Service::Route53 | Service::Adit
        );
        match known {
            Some(region) => Ok(region),
            None if global => fallback().ok_or_else(|| unknown_region(service, signed)),
            None => Err(unknown_region(service, signed)),
        }
    }
}

fn unsigned(service: Service) -> ErrorReply {
    match service {
        Service::Ec2 => ErrorReply::new(
            "AuthFailure",
            401,
            "AWS was not able to validate the provided access credentials",
        ),
        _ => ErrorReply::new(
            "MissingAuthenticationToken",
            403,
            "Request is missing Authentication Token",
        ),
    }
}

fn unknown_key(service: Service) -> ErrorReply {
    match service {
        Service::Ec2 => ErrorReply::new(
            "AuthFailure",
            401,
            "AWS was not able to validate the provided access credentials",
        ),
        _ => ErrorReply::new(
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid.",
        ),
    }
}

fn unknown_region(service: Service, region: &str) -> ErrorReply {
    let message =
        format!("Credential should be scoped to a Region of this installation, not '{region}'.");
    match service {
        Service::Ec2 => ErrorReply::new("AuthFailure", 401, message),
        _ => ErrorReply::new("SignatureDoesNotMatch", 403, message),
    }
}

impl adit_gateway::Operations for Desk {
    fn call<'a>(
        &'a self,
        op: &'a OperationRef,
        input: &'a Value,
        caller: &'a S3Caller,
        region: &'a Region,
        now: Millis,
    ) -> Call<'a> {
        Box::pin(async move {
            let S3Caller::Signed(key) = caller else {
                return Err(ErrorReply::new("AccessDenied", 403, "Access Denied"));
            };
            let ctx = Ctx {
                caller: Caller::of(key),
                region: region.clone(),
                now,
                ids: Ids::random(),
            };
            self.api.call(op, input, ctx).await
        })
    }
}
