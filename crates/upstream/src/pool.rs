//! Connections to an upstream, and those that were used and can be used again.
//!
//! A connection has no task of its own: whoever uses it drives it, so that a request and its answer pass
//! through one task on one thread. While it is kept nobody looks at it; what happened to it meanwhile shows
//! when it is taken.
//!
//! A connection, the request that is sent on it and its answer wake each other. All of them are polled
//! together here, so each has the connection's [`Bell`] for a waker: what rings while they are polled is
//! seen to at once, and does not make the task, with all that stands around it, run once more.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
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
    bell: Arc<Bell>,
    /// Rings the bell. What is sent and answered on this connection must be polled with it.
    pub(crate) waker: Waker,
}

impl Link {
    pub(crate) async fn over(stream: Stream) -> Result<Link, hyper::Error> {
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await?;
        let bell = Arc::<Bell>::default();
        Ok(Link {
            sender,
            patience: Patience::default(),
            connection: Some(Box::pin(connection)),
            waker: bell.clone().into(),
            bell,
        })
    }

    /// Moves what waits to be read or written. From here on the bell is not heard, until [`Link::rest`]:
    /// whoever cannot go on must call that, and whoever can will come here again.
    pub(crate) fn drive(&mut self, cx: &Context<'_>) {
        self.bell.attend(cx.waker());
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(ended) = connection
                .as_mut()
                .poll(&mut Context::from_waker(&self.waker))
        {
            if let Err(why) = ended {
                tracing::debug!(%why, "a connection to an upstream ended");
            }
            self.connection = None;
        }
    }

    /// Sees to it that the task of the last [`Link::drive`] is woken by what happens from here on, or has
    /// happened since.
    pub(crate) fn rest(&self) {
        self.bell.rest();
    }

    /// Whether it can take a request, once what it was used for before is over.
    async fn ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            if self.connection.is_none() {
                return Poll::Ready(false);
            }
            let ready = self
                .sender
                .poll_ready(&mut Context::from_waker(&self.waker));
            if ready.is_pending() {
                self.rest();
            }
            ready.map(|ready| ready.is_ok())
        })
        .await
    }
}

/// Wakes whoever drives a connection, unless they are at it.
#[derive(Debug, Default)]
struct Bell(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// Whether somebody looks at the connection, and will look at `rung` before they leave it.
    attended: bool,
    rung: bool,
    to: Option<Waker>,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attend(&self, waker: &Waker) {
        let mut ring = self.lock();
        ring.attended = true;
        ring.rung = false;
        if !ring.to.as_ref().is_some_and(|to| to.will_wake(waker)) {
            ring.to = Some(waker.clone());
        }
    }

    fn rest(&self) {
        let mut ring = self.lock();
        ring.attended = false;
        if ring.rung
            && let Some(to) = ring.to.take()
        {
            drop(ring);
            to.wake();
        }
    }

    /// Nobody is to be woken: a kept connection must not hold on to the task that it served last.
    fn forget(&self) {
        self.lock().to = None;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        let mut ring = self.lock();
        ring.rung = true;
        if !ring.attended
            && let Some(to) = ring.to.take()
        {
            drop(ring);
            to.wake();
        }
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

/// Kept connections. A socket wakes through the runtime that it was opened in, so each runtime has its own;
/// there are few.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(Id, Idle)>>,
}

/// Kept connections of one runtime, in the order in which they were given back.
type Idle = Vec<(Link, Instant)>;

/// Those of one runtime.
fn of(all: &mut [(Id, Idle)], id: Id) -> Option<&mut Idle> {
    let mine = all.iter_mut().find(|(of, _)| *of == id);
    mine.map(|(_, idle)| idle)
}

fn here() -> Id {
    Handle::current().id()
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Vec<(Id, Idle)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    pub(crate) async fn take(&self) -> Option<Link> {
        loop {
            let (mut link, since) = of(&mut self.lock(), here())?.pop()?;
            if since.elapsed() > AGE {
                // All below it are older.
                let old = of(&mut self.lock(), here()).map(std::mem::take);
                drop(old);
                return None;
            }
            // Whether it was closed meanwhile shows before a request is written; it is given back then.
            if link.sender.is_ready() || link.ready().await {
                return Some(link);
            }
        }
    }

    /// Takes one back when its answer has been read to the end.
    pub(crate) fn give(&self, link: Link) {
        if link.connection.is_none() || link.sender.is_closed() {
            return;
        }
        link.bell.forget();
        let (id, kept) = (here(), (link, Instant::now()));
        let mut all = self.lock();
        match of(&mut all, id) {
            Some(idle) => {
                if idle.len() >= KEPT {
                    idle.remove(0);
                }
                idle.push(kept);
            }
            None => all.push((id, vec![kept])),
        }
    }
}
