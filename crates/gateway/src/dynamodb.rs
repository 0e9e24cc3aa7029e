//! DynamoDB through a gateway endpoint: who asks, which tables, may they; then the upstream is asked.
//!
//! Tables are in the request's body, so it is read whole first. How much of all bodies is held at once is
//! bounded, and each is bounded as DynamoDB itself bounds it.

mod tables;

use std::sync::Arc;
use std::time::Instant;

use adit_model::endpoint::Served;
use adit_model::{AccountId, Millis};
use adit_policy::{AclGrant, Action, Context, Value as Fact, keys};
use adit_snapshot::Snapshot;
use adit_snapshot::decide::control::principal_keys;
use adit_snapshot::decide::request::{self, RequestFacts, network_keys};
use adit_snapshot::names;
use adit_upstream::{Body, Call, Payload, Upstream};
use adit_wire::sigv4::{self, Claim, Expect};
use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, Request, Response, request as http_request};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::account::Account;
use crate::address::Way;
use crate::authenticate::{Identity, holder, signer};
use crate::connection::{Connection, Via};
use crate::gateway::Inner;
use crate::head::head;
use crate::ids::RequestId;
use crate::reply::{Reply, ReplyBody};
use crate::serve::Gone;

/// Longest body: what BatchWriteItem takes, escaped.
const MOST: usize = 20 << 20;
/// All bodies at once, in KiB.
const AT_ONCE: usize = 256 << 10;

/// The database behind DynamoDB endpoints.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    /// The client.
    pub upstream: Upstream,
    /// The account that its tables belong to. Others have no way to them: a table has no policy here that
    /// could let them in.
    pub account: AccountId,
}

/// What the front door keeps for it.
#[derive(Debug)]
pub(crate) struct Desk {
    database: Option<DynamoDb>,
    room: Semaphore,
}

impl Desk {
    pub(crate) fn new(database: Option<DynamoDb>) -> Desk {
        Desk {
            database,
            room: Semaphore::new(AT_ONCE),
        }
    }
}

/// Whether a connection came through an endpoint for DynamoDB.
pub(crate) fn is_for(snapshot: &Snapshot, via: &Via) -> bool {
    match via {
        Via::Endpoint(id) => snapshot
            .endpoint(id)
            .is_some_and(|view| view.endpoint.serves() == Some(Served::DynamoDb)),
        Via::Internet | Via::Api => false,
    }
}

/// Answers one request and writes down what was decided.
pub(crate) async fn serve(
    gateway: &Inner,
    snapshot: &Arc<Snapshot>,
    request: Request<Incoming>,
    connection: &Connection,
) -> Result<Response<ReplyBody>, Gone> {
    let id = gateway.ids.next();
    let now = (gateway.clock)();
    let way = Way::of(connection, snapshot)?;
    let mut account = Account {
        generation: snapshot.generation.0,
        begun: Some(Instant::now()),
        ..Account::default()
    };
    account.way(&way);
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let asked = Asked {
        gateway,
        snapshot,
        connection,
        way: &way,
        now,
    };
    let done = asked.answer(&parts, &mut body, &mut account).await;
    let (reply, error) = match done {
        Ok(reply) => (reply, None),
        Err(error) => (
            Reply::error(Service::DynamoDb, &error, &parts.method, &id),
            Some(error.code),
        ),
    };
    let status = reply.status.as_u16();
    account.close(gateway, connection, now, &id, status, error.as_deref());
    Ok(finish(reply, &id, body.is_some()))
}

/// The answer with an id of Adit's.
fn finish(reply: Reply, id: &RequestId, unread: bool) -> Response<ReplyBody> {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
    let mut reply = reply;
    reply.set(REQUEST_ID, id.as_str());
    let mut response = reply.finish(id, unread);
    for name in ["x-amz-request-id", "x-amz-id-2"] {
        response.headers_mut().remove(name);
    }
    response.headers_mut().insert(
        http::header::SERVER,
        http::HeaderValue::from_static("Server"),
    );
    response
}

struct Asked<'a> {
    gateway: &'a Inner,
    snapshot: &'a Arc<Snapshot>,
    connection: &'a Connection,
    way: &'a Way,
    now: Millis,
}

fn refused(code: &'static str, status: u16, message: impl Into<String>) -> ErrorReply {
    ErrorReply::new(code, status, message)
}

impl Asked<'_> {
    /// Takes `body` when it was read to its end.
    async fn answer(
        &self,
        parts: &http_request::Parts,
        body: &mut Option<Incoming>,
        account: &mut Account,
    ) -> Result<Reply, ErrorReply> {
        let head = head(parts, self.gateway.settings.max_head)?;
        self.check_host(head.host)?;
        let operation = operation(parts)?;
        account.operation = Some(format!("dynamodb:{}", operation.name()));
        let length = parts
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let length = length
            .ok_or_else(|| refused("SerializationException", 411, "A Content-Length is needed."))?;
        if length > MOST {
            return Err(refused(
                "RequestEntityTooLarge",
                413,
                format!("The request has more than {MOST} bytes."),
            ));
        }
        let kib = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let room = self.gateway.dynamodb.room.acquire_many(kib).await;
        let _room = room.map_err(|_| refused("InternalServerError", 500, ""))?;
        let bytes = self.read(body, length).await?;
        let wire = Parts {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: Headers(&head.fields),
            body: &bytes,
        };
        let identity = self.authenticate(&wire)?;
        account.caller = Some(identity.key.clone());
        let database = self.gateway.dynamodb.database.as_ref().ok_or_else(|| {
            refused(
                "NotImplementedException",
                501,
                "This installation has no DynamoDB to ask. See [dynamodb] in its configuration.",
            )
        })?;
        let asked = tables::asked(operation.name(), &bytes)?;
        for (action, table) in &asked {
            let resource = table.arn(&identity.region, &database.account);
            self.may(&identity, database, action, &resource, account)?;
        }
        forward(database, parts, bytes).await
    }

    /// The name that clients use, or the address itself.
    fn check_host(&self, named: &str) -> Result<(), ErrorReply> {
        let bare = named.rsplit_once(':').map_or(named, |(name, port)| {
            match port.bytes().all(|b| b.is_ascii_digit()) {
                true => name,
                false => named,
            }
        });
        let region = self.way.region.as_ref();
        let own = region.is_some_and(|region| bare.eq_ignore_ascii_case(&names::dynamodb(region)))
            || bare.parse() == Ok(self.connection.local.ip());
        match own {
            true => Ok(()),
            false => Err(refused(
                "InvalidEndpointException",
                400,
                "The host is not served through this endpoint.",
            )),
        }
    }

    async fn read(&self, body: &mut Option<Incoming>, length: usize) -> Result<Bytes, ErrorReply> {
        let incomplete = || refused("SerializationException", 400, "The body is not complete.");
        let Some(incoming) = body.as_mut() else {
            return Err(incomplete());
        };
        let mut all = BytesMut::with_capacity(length.min(64 << 10));
        loop {
            let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *incoming).poll_frame(cx));
            let next = tokio::time::timeout(self.gateway.settings.body_timeout, next).await;
            match next {
                Err(_) | Ok(Some(Err(_))) => return Err(incomplete()),
                Ok(None) => break,
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        all.extend_from_slice(&data);
                    }
                }
            }
            if all.len() > length {
                return Err(incomplete());
            }
        }
        *body = None;
        match all.len() == length {
            true => Ok(all.freeze()),
            false => Err(incomplete()),
        }
    }

    fn authenticate(&self, wire: &Parts<'_>) -> Result<Identity, ErrorReply> {
        const SERVICE: Service = Service::DynamoDb;
        let refuse = |why: sigv4::AuthError| why.reply(SERVICE);
        let claim = sigv4::claim(wire).map_err(refuse)?;
        let region = self.way.region.clone();
        let region = region.ok_or_else(|| refused("InternalServerError", 500, ""))?;
        let token = claim.session_token();
        let Claim::V4(v4) = &claim else {
            return Err(refused(
                "MissingAuthenticationTokenException",
                400,
                "Request is missing Authentication Token",
            ));
        };
        let id = &v4.access_key_id;
        let view = signer(self.gateway, self.snapshot, SERVICE, id, token, self.now)?;
        let (gateway, now) = (self.gateway, self.now);
        holder(gateway, view, token, SERVICE, region, now, |key, region| {
            let expect = Expect {
                service: SERVICE,
                region: Some(region),
                now,
                body: sigv4::Body::Whole,
            };
            sigv4::verify(v4, wire, key, &expect, &gateway.keys)
        })
    }

    fn may(
        &self,
        identity: &Identity,
        database: &DynamoDb,
        action: &str,
        resource: &str,
        account: &mut Account,
    ) -> Result<(), ErrorReply> {
        let endpoint = self.way.endpoint.as_deref();
        let mut context = Context::new();
        network_keys(&mut context, endpoint, self.connection.peer.ip());
        context.set(keys::SECURE_TRANSPORT, self.connection.tls.is_some());
        context.set(keys::CURRENT_TIME, Fact::Time(self.now.div_euclid(1000)));
        context.set(keys::REQUESTED_REGION, identity.region.as_str());
        let Some(key) = identity.key.as_deref() else {
            return Err(refused("AccessDeniedException", 400, "Access denied"));
        };
        principal_keys(&mut context, key);
        let facts = RequestFacts {
            endpoint,
            key: Some(key),
            bucket: None,
            action: Action::from(action),
            resource,
            context: &context,
            acl: AclGrant::None,
            object_owner: None,
            access_point: None,
        };
        let decision = request::request(&facts, None);
        let explain = self.gateway.settings.explain_allowed;
        account.decided(&facts, &decision, explain);
        // Across accounts a table's own policy would have to say yes, and tables have none here.
        let own = key.key.account == database.account;
        let foreign = resource != "*" && !resource.contains(&format!(":{}:", database.account));
        if decision.is_allowed() && own && !foreign {
            return Ok(());
        }
        let message = match decision.is_allowed() {
            true => format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} because no resource-based policy allows the {action} action",
                key.arn
            ),
            false => request::message(&facts, &decision),
        };
        Err(refused("AccessDeniedException", 400, message))
    }
}

/// The operation that a request names.
fn operation(parts: &http_request::Parts) -> Result<OperationRef, ErrorReply> {
    let unknown = || refused("UnknownOperationException", 400, "");
    if parts.method != Method::POST || parts.uri.path() != "/" {
        return Err(unknown());
    }
    let target = parts.headers.get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    let name = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
    name.and_then(|name| OperationRef::find(Service::DynamoDb, name))
        .ok_or_else(unknown)
}

/// Asks the database, with credentials of its own.
async fn forward(
    database: &DynamoDb,
    parts: &http_request::Parts,
    body: Bytes,
) -> Result<Reply, ErrorReply> {
    let mut headers = HeaderMap::new();
    for name in ["x-amz-target", "accept-encoding"] {
        if let Some(value) = parts.headers.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    let content = parts.headers.get(CONTENT_TYPE).cloned();
    let content = content.unwrap_or(http::HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.insert(CONTENT_TYPE, content);
    let hash = ring::digest::digest(&ring::digest::SHA256, &body);
    let answer = database.upstream.call(Call {
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        host: None,
        headers,
        payload: Payload::Sha256(crate::upload::hex(hash.as_ref())),
        body: Body::bytes(body),
    });
    let answer = answer.await.map_err(|why| {
        tracing::warn!(%why, "DynamoDB's upstream did not answer");
        refused(
            "ServiceUnavailable",
            503,
            "The database does not answer. Please try again.",
        )
    })?;
    let mut reply = Reply::new(answer.status);
    for name in [
        "content-type",
        "content-length",
        "content-encoding",
        "x-amz-crc32",
    ] {
        if let Some(value) = answer.headers.get(name) {
            reply
                .headers
                .insert(HeaderName::from_static(name), value.clone());
        }
    }
    reply.body = ReplyBody::upstream(answer.body);
    Ok(reply)
}
