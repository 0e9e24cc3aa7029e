//! One request, from its head to its answer, phase by phase.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use adit_model::Millis;
use adit_snapshot::Snapshot;
use adit_wire::s3::{self, Bucket, Recognised, Target};
use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service, sigv4};
use http::{Method, Request, Response, request};
use hyper::body::Incoming;

use crate::access_log::Pending;
use crate::account::{Account, Notes};
use crate::address::{self, Place, Way};
use crate::ask::{Ask, Uses, no_such_bucket};
use crate::authenticate::{self, authenticate};
use crate::connection::Connection;
use crate::decide::not_implemented;
use crate::gateway::Inner;
use crate::head::head;
use crate::ids::RequestId;
use crate::io::Smell;
use crate::reply::{self, Reply, ReplyBody};
use crate::upload::Upload;
use crate::{access_point, buckets, cors, forward, objects, version2};

/// The endpoint of a connection exists no more: its connections end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint of this connection is gone")]
pub(crate) struct Gone;

/// Why a request gets no answer of its operation.
enum Stop {
    Gone,
    Refused(ErrorReply),
}

impl From<ErrorReply> for Stop {
    fn from(error: ErrorReply) -> Stop {
        Stop::Refused(error)
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Stop {
        Stop::Gone
    }
}

/// Whether a client waits for `100 Continue` with nothing to send after it: hyper says nothing then. botocore
/// takes that for an early refusal and reads the next answer of the same connection wrongly, where it is
/// told to continue: the connection must end.
fn waits_in_vain(parts: &http::request::Parts, body: &Incoming) -> bool {
    parts.headers.contains_key(http::header::EXPECT)
        && parts.version == http::Version::HTTP_11
        && http_body::Body::is_end_stream(body)
}

/// Answers one request and writes down what was decided.
pub(crate) async fn serve(
    gateway: &Inner,
    request: Request<Incoming>,
    connection: &Connection,
) -> Result<Response<ReplyBody>, Gone> {
    let snapshot = gateway.snapshots.borrow().clone();
    // Fail closed: without a snapshot nothing can be decided.
    let Some(snapshot) = snapshot else {
        return Ok(unavailable(gateway));
    };
    let id = gateway.ids.next();
    let now = (gateway.clock)();
    let (mut parts, body) = request.into_parts();
    let waits = waits_in_vain(&parts, &body);
    let mut upload = Upload::new(body, &gateway.settings);
    let mut account = Account {
        generation: snapshot.generation.0,
        begun: Some(Instant::now()),
        user_agent: user_agent(&parts),
        ..Account::default()
    };
    let uses = Uses {
        upload: &mut upload,
        account: &mut account,
    };
    let done = phases(gateway, &snapshot, connection, &parts, now, &id, uses).await;
    let (reply, error) = match done {
        Ok(reply) => (reply, None),
        Err(Stop::Refused(error)) => (
            Reply::error(service(&parts), &error, &parts.method, &id),
            Some(error.code),
        ),
        Err(Stop::Gone) => return Err(Gone),
    };
    let mut reply = reply;
    cors::decorate(
        &mut reply,
        account.bucket.as_deref(),
        &parts.method,
        &parts.headers,
    );
    account.close(
        gateway,
        connection,
        now,
        &id,
        reply.status.as_u16(),
        error.as_deref(),
    );
    let line = account.line(&parts, connection, now, &id, &reply, error.as_deref());
    reply::use_again(std::mem::take(&mut parts.headers));
    // What was not read stands between this request and the next.
    let response = reply.finish(&id, waits || !upload.is_spent());
    let Some(line) = line else {
        return Ok(response);
    };
    let pending = Pending {
        logs: gateway.access_logs.clone(),
        line,
        sent: 0,
    };
    Ok(response.map(|body| body.logged(pending)))
}

/// Begins the notes for an access log, if the bucket keeps one.
fn note_for_log(account: &mut Account, snapshot: &Snapshot, place: &Place, host: &str) {
    let Some(view) = &place.bucket else { return };
    if view.settings.logging.is_none() {
        return;
    }
    let owner = snapshot.intent.accounts.get(view.bucket.owner.as_str());
    account.log = Some(Box::new(Notes {
        owner: owner.map_or_else(String::new, |owner| owner.canonical_id.clone()),
        key: place.address.key().map(str::to_owned),
        host: host.to_owned(),
        access_point: place.access_point.as_ref().map(|view| view.arn.clone()),
        ..Notes::default()
    }));
}

/// What the client calls itself: for the record, and no longer than one needs.
fn user_agent(parts: &request::Parts) -> Option<String> {
    let value = parts.headers.get(http::header::USER_AGENT)?;
    // Header values that are text are ASCII.
    let text = value.to_str().ok()?;
    Some(text.get(..256).unwrap_or(text).to_owned())
}

async fn phases(
    gateway: &Inner,
    snapshot: &Arc<Snapshot>,
    connection: &Connection,
    parts: &request::Parts,
    now: Millis,
    id: &RequestId,
    mut uses: Uses<'_>,
) -> Result<Reply, Stop> {
    let way = Way::of(connection, snapshot)?;
    uses.account.way(&way);
    let head = head(parts, gateway.settings.max_head)?;
    let wire = Parts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: Headers(&head.fields),
        body: &[],
    };
    let place = address::place(&gateway.names, connection, &way, snapshot, head.host, &wire)?;
    uses.account.bucket = place.bucket.clone();
    note_for_log(uses.account, snapshot, &place, head.host);
    // Two kinds of request carry no signature of their own.
    if matches!(parts.method, Method::OPTIONS | Method::POST) {
        match s3::recognise(&place.address, &wire) {
            Ok(Recognised::Preflight) => {
                uses.account.operation = Some("Preflight".to_owned());
                return Ok(cors::preflight(&place, &wire)?);
            }
            Ok(Recognised::PostObject) => {
                uses.account.operation = Some("PostObject".to_owned());
                check_place(&place, connection, head.host, &wire, "PostObject")?;
                let op = OperationRef::find(Service::S3, "PutObject")
                    .ok_or_else(|| not_implemented("POST"))?;
                let ask = Ask {
                    gateway,
                    snapshot,
                    connection,
                    way: &way,
                    place: &place,
                    wire,
                    identity: &authenticate::nobody(snapshot, &place)?,
                    op: &op,
                    now,
                    id,
                };
                let done = objects::post(&ask, &mut uses).await;
                return done.map_err(|error| Stop::Refused(buckets::with_region(&ask, error)));
            }
            _ => {}
        }
    }
    let service = match place.address.target {
        Target::Control(_) => Service::S3Control,
        _ => Service::S3,
    };
    let identity = authenticate(gateway, snapshot, &wire, &place, service, now)?;
    uses.account.caller = Some(identity.key.clone());
    uses.account.identified(snapshot, &identity);
    // What only the signature needed is done with; what goes on with its signature keeps it.
    let sent = wire;
    let query = match identity.pass {
        Some(_) => Cow::Borrowed(sent.query),
        None => sigv4::without_signature(sent.query),
    };
    let wire = Parts {
        query: &query,
        ..sent
    };
    // Presigned URLs may carry headers in their query: from here on they are headers, for policies and
    // for what is done alike. The signature covered them where they were.
    let carried = s3::hoisted(&wire);
    let fields: Vec<(&str, &[u8])>;
    let wire = if carried.is_empty() {
        wire
    } else {
        let added = carried
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        fields = wire.headers.iter().chain(added).collect();
        Parts {
            headers: Headers(&fields),
            ..wire
        }
    };
    let recognised = s3::recognise(&place.address, &wire).map_err(|why| why.reply(service))?;
    let Recognised::Operation(op) = recognised else {
        return Err(not_implemented(wire.method).into());
    };
    uses.account.operation = Some(op.name().to_owned());
    if identity
        .signature
        .as_ref()
        .is_some_and(|signature| signature.version == "AWS")
    {
        version2::check(&place, &sent, &op)?;
    }
    check_place(&place, connection, head.host, &sent, op.name())?;
    match identity.pass {
        // Goes out as it comes, framing and all.
        Some(_) => uses.upload.expect_raw(),
        None => uses
            .upload
            .expect(wire.headers, identity.signature.as_ref())?,
    }
    let ask = Ask {
        gateway,
        snapshot,
        connection,
        way: &way,
        place: &place,
        wire,
        identity: &identity,
        op: &op,
        now,
        id,
    };
    forward::check_pass(&ask)?;
    let done = match objects::run(&ask, &mut uses).await {
        Some(done) => done,
        None => buckets::run(&ask, &mut uses).await,
    };
    done.map_err(|error| Stop::Refused(buckets::with_region(&ask, error)))
}

/// Whether an operation can be done at a place at all.
fn check_place(
    place: &Place,
    connection: &Connection,
    host: &str,
    wire: &Parts<'_>,
    operation: &str,
) -> Result<(), ErrorReply> {
    access_point::check(place, connection, host, wire, operation)?;
    if operation != "CreateBucket" {
        place.check_region()?;
        if let (Some(named), None) = (place.address.bucket(), &place.bucket) {
            return Err(nowhere(place, named));
        }
    }
    Ok(())
}

/// The answer about a bucket that does not exist.
fn nowhere(place: &Place, named: &Bucket) -> ErrorReply {
    if let Some(view) = &place.access_point {
        return no_such_bucket(view.point.bucket.as_str());
    }
    match named {
        Bucket::Name(name) => no_such_bucket(name),
        Bucket::AccessPoint { name, .. } | Bucket::Alias(name) => ErrorReply::new(
            "NoSuchAccessPoint",
            404,
            "The specified accesspoint does not exist",
        )
        .with("AccessPointName", name),
    }
}

/// Whose error form a request gets before it is known what it asks.
fn service(parts: &request::Parts) -> Service {
    match parts.uri.path().starts_with("/v20180820/") {
        true => Service::S3Control,
        false => Service::S3,
    }
}

/// The answer while nothing can be decided.
pub(crate) fn unavailable(gateway: &Inner) -> Response<ReplyBody> {
    refuse(
        gateway,
        &ErrorReply::new(
            "ServiceUnavailable",
            503,
            "Service is unable to handle request.",
        ),
    )
}

/// The answer to a request that others might read differently.
pub(crate) fn ambiguous(gateway: &Inner, smell: Smell) -> Response<ReplyBody> {
    let message = match smell {
        Smell::TwoLengths => "A request must not have both Content-Length and Transfer-Encoding.",
        Smell::BareLineFeed => "Header lines must end with a carriage return and a line feed.",
        Smell::Pipelined => "A request must not be sent before the answer to the one before it.",
        Smell::Clean => "The request cannot be read.",
    };
    refuse(gateway, &ErrorReply::new("InvalidRequest", 400, message))
}

fn refuse(gateway: &Inner, error: &ErrorReply) -> Response<ReplyBody> {
    let id = gateway.ids.next();
    Reply::error(Service::S3, error, &Method::GET, &id).finish(&id, true)
}
