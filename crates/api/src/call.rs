//! The path of one control call, top to bottom.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use adit_model::{Draft, Generation, Millis, Region};
use adit_snapshot::{Snapshot, StatusBoard};
use adit_store::{Author, Store, WriteError};
use adit_wire::{ErrorReply, HttpReply, OperationRef, Parts, Service, Value, protocol};

use crate::authorise::authorise;
use crate::context::{Answer, Caller, Ctx, View};
use crate::ids::Ids;
use crate::input::Input;
use crate::operations::{self, Run};
use crate::refusal::Refusal;

/// Waits that end when a generation is in force, or when waiting longer is pointless.
pub type Settled<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What the api may know of the planes: never which there are.
pub trait Planes: Send + Sync {
    /// What they report now.
    fn board(&self) -> Arc<StatusBoard>;
    /// The newest snapshot.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// Returns when this node's planes have reached a generation, or after a bounded time.
    fn settled(&self, generation: Generation) -> Settled<'_>;
}

/// One call that was answered, for whoever writes it down. Holds secrets: input and output are as they
/// were on the wire.
#[derive(Debug)]
pub struct Called<'a> {
    /// The id that the caller was given.
    pub request_id: &'a str,
    /// The operation; none when the request names none that there is.
    pub operation: Option<&'a OperationRef>,
    /// The service it was signed for.
    pub service: Service,
    /// Whether it could change anything.
    pub writes: bool,
    /// Who called.
    pub caller: &'a Caller,
    /// The Region it was signed for.
    pub region: &'a Region,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// The clock.
    pub now: Millis,
    /// The decoded input; none when it could not be decoded.
    pub input: Option<&'a Value>,
    /// What was answered.
    pub result: Result<&'a Value, &'a ErrorReply>,
}

/// Is told of every call after it was answered; must not block.
pub trait Observer: Send + Sync {
    /// Takes one.
    fn called(&self, call: &Called<'_>);
}

/// All operations over one store.
pub struct Api {
    store: Arc<Store>,
    planes: Arc<dyn Planes>,
    observer: Option<Arc<dyn Observer>>,
}

/// A request whose signature was verified.
#[derive(Debug)]
pub struct Request<'a> {
    /// The service it was signed for.
    pub service: Service,
    /// Its parts, as received.
    pub parts: Parts<'a>,
    /// Who signed it.
    pub caller: Caller,
    /// The Region it was signed for.
    pub region: Region,
    /// The clock.
    pub now: Millis,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// An api over a store; writes wait for these planes.
    pub fn new(store: Arc<Store>, planes: Arc<dyn Planes>) -> Api {
        Api {
            store,
            planes,
            observer: None,
        }
    }

    /// With somebody who is told of every call.
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Api {
        self.observer = Some(observer);
        self
    }

    /// Answers a request, whatever it is.
    ///
    /// S3 is not served here: whether a caller may is a question of the path that a request came by,
    /// which the front door answers before it uses [`Api::call`].
    pub async fn serve(&self, request: Request<'_>) -> HttpReply {
        let service = request.service;
        let request_id = Ids::random().uuid();
        let (mut op, mut input) = (None, None);
        let result = async {
            if !is_served(service) {
                return Err(front_door_only(service));
            }
            let op = op
                .insert(protocol::identify(service, &request.parts).map_err(|e| e.reply(service))?);
            let input =
                input.insert(protocol::decode(op, &request.parts).map_err(|e| e.reply(service))?);
            let ctx = Ctx {
                caller: request.caller.clone(),
                region: request.region.clone(),
                now: request.now,
                ids: Ids::random(),
            };
            self.call(op, input, ctx).await
        }
        .await;
        if let Some(observer) = &self.observer {
            let row = op
                .as_ref()
                .and_then(|op| operations::find(service, op.name()));
            observer.called(&Called {
                request_id: &request_id,
                operation: op.as_ref(),
                service,
                writes: row.is_some_and(operations::Row::writes),
                caller: &request.caller,
                region: &request.region,
                user_agent: request.parts.headers.get("user-agent"),
                now: request.now,
                input: input.as_ref(),
                result: result.as_ref(),
            });
        }
        match (result, &op) {
            (Ok(output), Some(op)) => protocol::encode(op, &output, &request_id),
            (Err(error), _) => protocol::encode_error(service, &error, &request_id),
            (Ok(_), None) => protocol::encode_error(service, &internal(), &request_id),
        }
    }

    /// Runs one decoded operation.
    pub async fn call(
        &self,
        op: &OperationRef,
        input: &Value,
        ctx: Ctx,
    ) -> Result<Value, ErrorReply> {
        let service = op.service();
        let Some(row) = operations::find(service, op.name()) else {
            return Err(not_built(op));
        };
        let input = Input(input);
        let shown = |refusal: Refusal| ErrorReply::from(refusal);
        authorise(row, input, &ctx, &self.planes.snapshot()).map_err(shown)?;
        let dry = service == Service::Ec2 && input.flag("DryRun", false);
        match row.run {
            Run::Read(read) => {
                if dry {
                    return Err(dry_run().into());
                }
                let (intent, board) = (self.store.intent(), self.planes.board());
                read(
                    &input,
                    View {
                        intent: &intent,
                        board: &board,
                        now: ctx.now,
                    },
                    &ctx,
                )
                .map_err(shown)
            }
            Run::Write(write) if dry => {
                let mut ctx = ctx;
                let mut draft = Draft::new(&self.store.intent());
                write(&input, &mut draft, &mut ctx).map_err(shown)?;
                Err(dry_run().into())
            }
            Run::Write(write) => {
                let mut ctx = ctx;
                let who = ctx.caller.arn.clone();
                let operation = format!("{}:{}", service.name(), row.name);
                let author = Author {
                    who: &who,
                    operation: &operation,
                };
                let done = self
                    .store
                    .write(author, |draft| write(&input, draft, &mut ctx))
                    .await;
                let committed = match done {
                    Ok(committed) => committed,
                    Err(WriteError::Refused(refusal)) => return Err(refusal.into()),
                    Err(WriteError::Unreachable(why)) => {
                        tracing::error!(why, operation, "the state cannot be reached");
                        return Err(unreachable_state());
                    }
                    Err(WriteError::Journal(why)) => {
                        tracing::error!(why, operation, "could not make a change durable");
                        return Err(internal());
                    }
                };
                self.planes.settled(committed.intent.generation).await;
                Ok(match committed.value {
                    Answer::Now(value) => value,
                    Answer::Later(show) => {
                        let board = self.planes.board();
                        show(View {
                            intent: &committed.intent,
                            board: &board,
                            now: ctx.now,
                        })
                    }
                })
            }
        }
    }
}

/// Whether requests of a service are answered without a front door of its own.
fn is_served(service: Service) -> bool {
    !matches!(service, Service::S3 | Service::S3Control)
}

fn front_door_only(service: Service) -> ErrorReply {
    ErrorReply::new(
        "InvalidRequest",
        400,
        format!("Requests of {} are not answered here.", service.name()),
    )
}

fn dry_run() -> Refusal {
    Refusal::new(
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
}

fn internal() -> ErrorReply {
    ErrorReply::new(
        "InternalError",
        500,
        "An internal error has occurred. Retry your request, but if the problem persists, look at the log of adit.",
    )
}

/// Reads go on with what is known; a change needs the state to answer.
fn unreachable_state() -> ErrorReply {
    ErrorReply::new(
        "ServiceUnavailable",
        503,
        "The state of this installation cannot be reached now, so nothing can be changed. Reads still work.",
    )
}

/// An operation that the service has and Adit does not: never a success.
fn not_built(op: &OperationRef) -> ErrorReply {
    match op.service() {
        Service::Ec2 => ErrorReply::new(
            "UnsupportedOperation",
            400,
            format!(
                "The operation {} is not built yet. See docs/compatibility.md.",
                op.name()
            ),
        ),
        Service::Adit => ErrorReply::new(
            "InvalidAction",
            400,
            format!("There is no operation {}.", op.name()),
        ),
        _ => ErrorReply::new(
            "NotImplemented",
            501,
            format!(
                "The operation {} is not built yet. See docs/compatibility.md.",
                op.name()
            ),
        ),
    }
}
