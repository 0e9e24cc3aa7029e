//! An upstream's answer, and its body as it comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

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
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl AnswerBody {
    pub(crate) fn new(
        body: Incoming,
        link: Link,
        pool: Arc<Pool>,
        patience: Duration,
    ) -> AnswerBody {
        let mut made = AnswerBody {
            body,
            connection: Some((link, pool)),
            patience,
            waiting: None,
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
        if let Some((link, _)) = &mut this.connection {
            link.drive(cx);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
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
                let patience = this.patience;
                let sleep = this
                    .waiting
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                match sleep.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        this.connection = None;
                        Poll::Ready(Some(Err(UpstreamError::Slow)))
                    }
                    Poll::Pending => Poll::Pending,
                }
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
