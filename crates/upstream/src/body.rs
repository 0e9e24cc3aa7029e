//! A request's body on its way to an upstream: nothing, some bytes, or what somebody feeds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// What is sent.
#[derive(Debug)]
pub struct Body {
    content: Content,
    progress: Progress,
}

/// How many pieces of a body were taken so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn pieces(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    Fed {
        from: mpsc::Receiver<Bytes>,
        left: u64,
    },
}

/// Feeds a body. Dropping it before all bytes were given breaks the request off, so that the upstream
/// keeps nothing of it.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Bytes>);

/// Nobody takes the body any more: the upstream answered early or is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody takes the body")]
pub struct Gone;

/// The body ended before its announced length.
#[derive(Debug, thiserror::Error)]
#[error("the body was broken off")]
pub struct BrokenOff;

impl Feed {
    /// Gives bytes; returns when there is room for more.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn give(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(bytes).await.map_err(|_| Gone)
    }
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::bytes(Bytes::new())
    }

    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Body {
        Body::of(Content::Bytes(bytes.into()))
    }

    /// `length` bytes, to be fed.
    pub fn fed(length: u64) -> (Feed, Body) {
        // One piece on its way and one ready: enough to keep the socket busy, and a bound on memory.
        let (to, from) = mpsc::channel(1);
        (Feed(to), Body::of(Content::Fed { from, left: length }))
    }

    fn of(content: Content) -> Body {
        Body {
            content,
            progress: Progress::default(),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The same once more, if it is not fed.
    pub(crate) fn again(&self) -> Option<Body> {
        match &self.content {
            Content::Bytes(bytes) => Some(Body::bytes(bytes.clone())),
            Content::Fed { .. } => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.progress.0.fetch_add(1, Ordering::Relaxed);
        match &mut self.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Fed { left: 0, .. } => Poll::Ready(None),
            Content::Fed { from, left } => from.poll_recv(cx).map(|got| {
                let bytes = match got {
                    Some(bytes) if bytes.len() as u64 <= *left => bytes,
                    _ => return Some(Err(BrokenOff)),
                };
                *left -= bytes.len() as u64;
                Some(Ok(Frame::data(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(http_body::Body::size_hint(self).exact(), Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Fed { left, .. } => *left,
        })
    }
}
