//! Connections to an upstream, and those that were used and can be used again.
//!
//! A connection has no task of its own: whoever uses it drives it, so that a request and its answer pass
//! through one task on one thread. While it is kept nobody looks at it; what happened to it meanwhile shows
//! when it is taken.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::body::Body;
use crate::connect::Stream;

/// Kept at most.
const KEPT: usize = 256;
/// How long one is kept: less than most servers keep theirs.
const AGE: Duration = Duration::from_secs(20);

type Driven = Connection<TokioIo<Stream>, Body>;

/// One connection and the handle to send on it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) sender: SendRequest<Body>,
    /// None when it ended.
    connection: Option<Pin<Box<Driven>>>,
}

impl Link {
    pub(crate) async fn over(stream: Stream) -> Result<Link, hyper::Error> {
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Link {
            sender,
            connection: Some(Box::pin(connection)),
        })
    }

    /// Moves what waits to be read or written.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(ended) = connection.as_mut().poll(cx)
        {
            if let Err(why) = ended {
                tracing::debug!(%why, "a connection to an upstream ended");
            }
            self.connection = None;
        }
    }

    /// Whether it can take a request, once what it was used for before is over.
    async fn ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            match &self.connection {
                None => Poll::Ready(false),
                Some(_) => self.sender.poll_ready(cx).map(|ready| ready.is_ok()),
            }
        })
        .await
    }
}

#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(Link, Instant)>>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Vec<(Link, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    pub(crate) async fn take(&self) -> Option<Link> {
        loop {
            let (mut link, since) = self.lock().pop()?;
            if since.elapsed() > AGE {
                // All below it are older.
                self.lock().clear();
                return None;
            }
            if link.ready().await {
                return Some(link);
            }
        }
    }

    /// Takes one back when its answer has been read to the end.
    pub(crate) fn give(&self, link: Link) {
        if link.connection.is_none() || link.sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.len() >= KEPT {
            idle.remove(0);
        }
        idle.push((link, Instant::now()));
    }
}
