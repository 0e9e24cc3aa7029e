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
        /// None where the end tells the length.
        left: Option<u64>,
        ended: bool,
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

/// The body was not given to its end.
#[derive(Debug, thiserror::Error)]
#[error("the body was broken off")]
pub struct BrokenOff;

impl Feed {
    /// Gives bytes; returns when there is room for more.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn give(&self, bytes: Bytes) -> Result<(), Gone> {
        // Nothing is no piece, and means the end below.
        match bytes.is_empty() {
            true => Ok(()),
            false => self.0.send(bytes).await.map_err(|_| Gone),
        }
    }

    /// Says that everything was given, where no length was announced.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn end(&self) -> Result<(), Gone> {
        self.0.send(Bytes::new()).await.map_err(|_| Gone)
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

    /// A body to be fed: `length` bytes, or as many as come before [`Feed::end`].
    pub fn fed(length: Option<u64>) -> (Feed, Body) {
        // One piece on its way and one ready: enough to keep the socket busy, and a bound on memory.
        let (to, from) = mpsc::channel(1);
        (
            Feed(to),
            Body::of(Content::Fed {
                from,
                left: length,
                ended: length == Some(0),
            }),
        )
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
            Content::Fed { ended: true, .. } => Poll::Ready(None),
            Content::Fed { from, left, ended } => from.poll_recv(cx).map(|got| {
                let Some(bytes) = got else {
                    return Some(Err(BrokenOff));
                };
                match left {
                    None if bytes.is_empty() => {
                        *ended = true;
                        return None;
                    }
                    None => {}
                    Some(left) => match left.checked_sub(bytes.len() as u64) {
                        None => return Some(Err(BrokenOff)),
                        Some(rest) => {
                            *left = rest;
                            *ended = rest == 0;
                        }
                    },
                }
                Some(Ok(Frame::data(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Fed { ended, .. } => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Fed {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Content::Fed { left: None, .. } => SizeHint::default(),
        }
    }
}
