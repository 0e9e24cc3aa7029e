//! An upstream's answer, and its body as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::client::UpstreamError;
use crate::pool::{Link, Pool};

/// What an upstream said.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, all of them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: AnswerBody,
}

/// The body of an answer. When it was read to its end its connection serves the next request; dropped
/// before that, the connection is closed.
#[derive(Debug)]
pub struct AnswerBody {
    body: Incoming,
    connection: Option<(Link, Arc<Pool>)>,
    /// How long it may stand still.
    still: Duration,
    /// Until when it must move.
    due: Option<Instant>,
}

impl AnswerBody {
    pub(crate) fn new(body: Incoming, link: Link, pool: Arc<Pool>, still: Duration) -> AnswerBody {
        let mut made = AnswerBody {
            body,
            connection: Some((link, pool)),
            still,
            due: None,
        };
        if made.body.is_end_stream() {
            made.release();
        }
        made
    }

    fn release(&mut self) {
        if let Some((link, pool)) = self.connection.take() {
            pool.give(link);
        }
    }

    /// What comes next, as far as it is here.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((link, _)) = &mut self.connection else {
            return Pin::new(&mut self.body).poll_frame(cx);
        };
        // The connection reads nothing that was not asked for.
        let asked = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&link.waker));
        if asked.is_ready() {
            return asked;
        }
        link.drive(cx);
        Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&link.waker))
    }

    /// The whole body.
    ///
    /// # Errors
    /// More than `most` bytes; an upstream that stands still or goes away.
    pub async fn whole(mut self, most: usize) -> Result<Bytes, UpstreamError> {
        let mut all = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await
        {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if all.len() + data.len() > most {
                return Err(UpstreamError::TooLong { most });
            }
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        match this.next(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.due = None;
                if this.body.is_end_stream() {
                    this.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(why))) => {
                this.connection = None;
                Poll::Ready(Some(Err(UpstreamError::Broken(why))))
            }
            Poll::Ready(None) => {
                this.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let due = *this.due.get_or_insert_with(|| Instant::now() + this.still);
                let late = match &mut this.connection {
                    Some((link, _)) => link.patience.is_over(due, cx),
                    // Nobody would bring the rest.
                    None => true,
                };
                if !late {
                    if let Some((link, _)) = &this.connection {
                        link.rest();
                    }
                    return Poll::Pending;
                }
                this.connection = None;
                Poll::Ready(Some(Err(UpstreamError::Slow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
