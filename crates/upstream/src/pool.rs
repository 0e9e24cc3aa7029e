//! Connections to an upstream, and those that were used and can be used again.
//!
//! A connection has no task of its own: whoever uses it drives it, so that a request and its answer pass
//! through one task on one thread. While it is kept nobody looks at it; what happened to it meanwhile shows
//! when it is taken.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep};

use crate::body::Body;
use crate::connect::Stream;

/// Kept at most by a runtime.
const KEPT: usize = 256;
/// How long one is kept: less than most servers keep theirs.
const AGE: Duration = Duration::from_secs(20);

type Driven = Connection<TokioIo<Stream>, Body>;

/// One connection and the handle to send on it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) sender: SendRequest<Body>,
    pub(crate) patience: Patience,
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
            patience: Patience::default(),
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

/// A connection's alarm. It rings when something is due, or earlier: what comes in time moves no timer.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// Whether `due` has passed; else sees to being woken when it does.
    pub(crate) fn is_over(&mut self, due: Instant, cx: &mut Context<'_>) -> bool {
        let alarm = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return true;
            }
            alarm.as_mut().reset(due);
        }
        false
    }
}

/// Kept connections. A socket wakes through the runtime that it was opened in, so each runtime has its own.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Id, Idle>>,
}

/// Kept connections of one runtime, in the order in which they were given back.
type Idle = Vec<(Link, Instant)>;

fn here() -> Id {
    Handle::current().id()
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    pub(crate) async fn take(&self) -> Option<Link> {
        loop {
            let (mut link, since) = self.lock().get_mut(&here())?.pop()?;
            if since.elapsed() > AGE {
                // All below it are older.
                let old = self.lock().remove(&here());
                drop(old);
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
        let mut all = self.lock();
        let idle = all.entry(here()).or_default();
        if idle.len() >= KEPT {
            idle.remove(0);
        }
        idle.push((link, Instant::now()));
    }
}
