//! The API address is shared: what is signed for a control service is somebody else's to answer.

use std::future::Future;
use std::pin::Pin;

use adit_wire::HttpReply;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio_util::task::AbortOnDropHandle;

use crate::connection::{Connection, Via};
use crate::dynamodb;
use crate::gateway::Gateway;
use crate::reply::ReplyBody;
use crate::serve::{self, Gone};

/// A control service's answer, on its way.
pub type ControlAnswer<'a> = Pin<Box<dyn Future<Output = HttpReply> + Send + 'a>>;

/// Answers the control services at the API address. Never asked for requests that came through an
/// endpoint or over the internet.
pub trait Control: Send + Sync {
    /// Whether a request is for a control service; decided by its head alone.
    fn wants(&self, head: &Parts) -> bool;

    /// Answers it. An error is an answer too.
    fn answer<'a>(
        &'a self,
        head: Parts,
        body: Incoming,
        connection: &'a Connection,
    ) -> ControlAnswer<'a>;
}

impl Gateway {
    /// Answers a request by whomever it is for.
    pub(crate) async fn route(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<ReplyBody>, Gone> {
        let snapshot = self.inner.snapshots.borrow().clone();
        if let Some(snapshot) = snapshot
            && dynamodb::is_for(&snapshot, &connection.via)
        {
            return dynamodb::serve(&self.inner, &snapshot, request, connection).await;
        }
        let Some(control) = self
            .inner
            .control
            .as_ref()
            .filter(|_| connection.via == Via::Api)
        else {
            return serve::serve(&self.inner, request, connection).await;
        };
        let (head, body) = request.into_parts();
        if !control.wants(&head) {
            let request = Request::from_parts(head, body);
            return serve::serve(&self.inner, request, connection).await;
        }
        let Some(threads) = &self.inner.threads else {
            return Ok(response(control.answer(head, body, connection).await));
        };
        // A long call must not hold up the connections of this thread.
        let (control, connection) = (control.clone(), connection.clone());
        let call = async move { control.answer(head, body, &connection).await };
        let call = AbortOnDropHandle::new(threads.home().spawn(call));
        match call.await {
            Ok(reply) => Ok(response(reply)),
            // The daemon ends, or the call did.
            Err(_) => Err(Gone),
        }
    }
}

fn response(reply: HttpReply) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::bytes(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value))
            && name != CONTENT_LENGTH
        {
            headers.append(name, value);
        }
    }
    response
}
