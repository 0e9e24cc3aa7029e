//! Answers: one body type, and the one place that renders errors.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use adit_wire::{ErrorReply, HttpReply, Service, protocol};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::access_log::Pending;
use crate::activity::Active;
use crate::ids::RequestId;
use crate::io::Exchange;
use crate::pace::Pace;

/// The body of an answer: nothing, bytes in memory, or an object's bytes as they come from the store.
#[derive(Debug)]
pub struct ReplyBody {
    content: Content,
    ends: Option<Ends>,
    stream: Option<Stream>,
    log: Option<Box<Pending>>,
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    Object(Box<adit_objects::Body>),
    Upstream(Box<adit_upstream::AnswerBody>),
}

/// Why an answer could not be sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The embedded store.
    #[error(transparent)]
    Store(#[from] adit_objects::Error),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] adit_upstream::UpstreamError),
    /// The client takes it too slowly.
    #[error("the client reads too slowly")]
    TooSlow,
}

/// An answer that shares its connection with others: what the client does not take shows here alone.
#[derive(Debug)]
struct Stream {
    active: Active,
    pace: Pace,
    /// When the last piece was handed over, and its bytes; until the next one is asked for.
    handed: Option<(Instant, usize)>,
}

impl Stream {
    /// The next piece is asked for. False when the client took the last one too slowly.
    fn asked(&mut self) -> bool {
        self.active.touch();
        match self.handed.take() {
            Some((at, bytes)) => self.pace.keeps(at.elapsed(), bytes),
            None => true,
        }
    }
}

/// Tells the connection that the answer was handed over, or given up.
#[derive(Debug)]
struct Ends(Arc<Exchange>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ReplyBody {
    pub(crate) fn empty() -> ReplyBody {
        ReplyBody::bytes(Bytes::new())
    }

    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> ReplyBody {
        ReplyBody {
            content: Content::Bytes(bytes.into()),
            ends: None,
            stream: None,
            log: None,
        }
    }

    pub(crate) fn object(body: adit_objects::Body) -> ReplyBody {
        ReplyBody {
            content: Content::Object(Box::new(body)),
            ends: None,
            stream: None,
            log: None,
        }
    }

    pub(crate) fn upstream(body: adit_upstream::AnswerBody) -> ReplyBody {
        ReplyBody {
            content: Content::Upstream(Box::new(body)),
            ends: None,
            stream: None,
            log: None,
        }
    }

    pub(crate) fn during(mut self, active: Active, pace: Pace) -> ReplyBody {
        self.stream = Some(Stream {
            active,
            pace,
            handed: None,
        });
        self
    }

    /// Writes a line of an access log when the answer is sent.
    pub(crate) fn logged(mut self, pending: Pending) -> ReplyBody {
        self.log = Some(Box::new(pending));
        self
    }

    pub(crate) fn ending(mut self, exchange: Arc<Exchange>) -> ReplyBody {
        self.ends = Some(Ends(exchange));
        self
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(stream) = &mut self.stream
            && !stream.asked()
        {
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        let next = self.content.next(cx);
        if let (Some(stream), Poll::Ready(Some(Ok(frame)))) = (&mut self.stream, &next) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            stream.handed = Some((Instant::now(), bytes));
        }
        if let (Some(log), Poll::Ready(Some(Ok(frame)))) = (&mut self.log, &next) {
            log.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Object(body) => body.remaining() == 0,
            Content::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Object(body) => SizeHint::with_exact(body.remaining()),
            Content::Upstream(body) => body.size_hint(),
        }
    }
}

impl Content {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Object(body) => body.poll_next(cx).map(|next| {
                if let Some(Err(why)) = &next {
                    tracing::error!(%why, "an object's bytes could not be sent to their end");
                }
                next.map(|data| Ok(Frame::data(data?)))
            }),
            // A client that sees less than was announced knows; the frames are data only, as trailers of
            // HTTP mean nothing to S3.
            Content::Upstream(body) => Pin::new(body.as_mut()).poll_frame(cx).map(|next| {
                if let Some(Err(why)) = &next {
                    tracing::warn!(%why, "an upstream's bytes could not be sent to their end");
                }
                next.map(|frame| Ok(Frame::data(frame?.into_data().unwrap_or_default())))
            }),
        }
    }
}

thread_local! {
    /// The headers of the last request that was answered on this thread, emptied.
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// More headers than nearly all requests have: larger room is given back.
const MOST_SPARE: usize = 64;

/// Takes the room of headers that nobody needs any more for those of a coming answer.
pub(crate) fn use_again(mut headers: HeaderMap) {
    if headers.capacity() <= MOST_SPARE {
        headers.clear();
        SPARE.set(Some(headers));
    }
}

fn room_for_headers() -> HeaderMap {
    // Answers have about a dozen: room for them from the start.
    let spare = SPARE.take();
    spare.unwrap_or_else(|| HeaderMap::with_capacity(12))
}

/// An answer without the headers that every answer has.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
}

impl Reply {
    pub(crate) fn new(status: StatusCode) -> Reply {
        Reply {
            status,
            headers: room_for_headers(),
            body: ReplyBody::empty(),
        }
    }

    /// Adds a header; a value that cannot stand in one is left out.
    pub(crate) fn set(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.insert(name, value);
        }
    }

    /// Adds a header whose value was made for it: it is not copied.
    pub(crate) fn set_made(&mut self, name: HeaderName, value: String) {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            self.headers.insert(name, value);
        }
    }

    /// Adds a header whose value is always the same.
    pub(crate) fn set_static(&mut self, name: HeaderName, value: &'static str) {
        self.headers.insert(name, HeaderValue::from_static(value));
    }

    /// Adds a header if there is a value.
    pub(crate) fn set_some(&mut self, name: HeaderName, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// An answer of the codec.
    pub(crate) fn of(reply: HttpReply) -> Reply {
        let mut made = Reply::new(
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        );
        for (name, value) in &reply.headers {
            let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value.as_bytes()),
            ) else {
                continue;
            };
            made.headers.append(name, value);
        }
        made.body = ReplyBody::bytes(reply.body);
        made
    }

    /// An error in S3's form; the answer to HEAD, and 304, have no body.
    pub(crate) fn error(
        service: Service,
        error: &ErrorReply,
        method: &Method,
        id: &RequestId,
    ) -> Reply {
        let mut reply = Reply::of(protocol::encode_error(service, error, id.as_str()));
        if *method == Method::HEAD || reply.status == StatusCode::NOT_MODIFIED {
            reply.body = ReplyBody::empty();
            reply.headers.remove(CONTENT_LENGTH);
            if reply.status == StatusCode::NOT_MODIFIED {
                reply.headers.remove(CONTENT_TYPE);
            }
        }
        reply
    }

    /// The whole answer.
    pub(crate) fn finish(self, id: &RequestId, close: bool) -> Response<ReplyBody> {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
        const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.insert(REQUEST_ID, value);
        }
        if let Ok(value) = HeaderValue::from_bytes(&id.host_id()) {
            headers.insert(HOST_ID, value);
        }
        headers.insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
        if close {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
