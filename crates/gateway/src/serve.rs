//! One request, from its head to its answer, phase by phase.

use http::{Request, Response};
use hyper::body::Incoming;

use adit_wire::{ErrorReply, Service};

use crate::connection::Connection;
use crate::gateway::Inner;
use crate::io::Smell;
use crate::reply::{Reply, ReplyBody};

/// The endpoint of a connection exists no more: its connections end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint of this connection is gone")]
pub(crate) struct Gone;

/// Answers one request.
pub(crate) async fn serve(
    gateway: &Inner,
    request: Request<Incoming>,
    connection: &Connection,
) -> Result<Response<ReplyBody>, Gone> {
    let _ = (
        gateway.snapshots.borrow().is_some(),
        request.method(),
        connection,
    );
    Ok(unavailable(gateway))
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
    Reply::error(Service::S3, error, &http::Method::GET, &id).finish(&id, true)
}
