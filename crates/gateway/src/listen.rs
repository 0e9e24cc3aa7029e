//! Listeners: accept, serve each connection, and leave in good order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::connection::{Connection, Scheme, Via};
use crate::gateway::Gateway;
use crate::hello::Stream;
use crate::io::{Exchange, Guard, Patience};
use crate::pace::Pace;
use crate::reply::ReplyBody;
use crate::serve::{self, Gone};
use crate::threads::Threads;

/// A listener that is being served. Dropping it changes nothing: cancel the token to stop.
#[derive(Debug)]
pub struct Serving {
    local: SocketAddr,
    connections: TaskTracker,
}

impl Serving {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Returns when the listener was stopped and its last connection is gone, at most
    /// [`Settings::drain`](crate::Settings::drain) after it was stopped.
    pub async fn finished(&self) {
        self.connections.wait().await;
    }
}

/// How long to wait when the process has no file descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(50);

impl Gateway {
    /// Serves a listener that is already bound, in whatever namespace. Must be called inside a tokio
    /// runtime; returns at once.
    ///
    /// When `shutdown` is cancelled the listener is closed, idle connections are closed, requests in
    /// flight get [`Settings::drain`](crate::Settings::drain) to end, and no further request is answered
    /// on any of its connections.
    ///
    /// # Errors
    /// If the listener cannot be used.
    pub fn serve_listener(
        &self,
        listener: TcpListener,
        via: Via,
        scheme: Scheme,
        shutdown: CancellationToken,
    ) -> io::Result<Serving> {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let connections = TaskTracker::new();
        let tracker = connections.clone();
        let gateway = self.clone();
        let accepting = async move {
            let settings = &gateway.inner.settings;
            let slots = Arc::new(Semaphore::new(settings.max_connections));
            let most = settings.max_endpoint_connections;
            let shared = gateway.inner.crowd.places(&via, most);
            let mut closed = pin!(shutdown.cancelled());
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = &mut closed => break,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((tcp, _)) => {
                        // A full house closes the door at once, so that the client can go elsewhere.
                        let Some(slot) = slot(&slots, shared.as_ref()) else {
                            gateway.inner.counts.turned_away(via_label(&via));
                            continue;
                        };
                        let (gateway, via, shutdown) =
                            (gateway.clone(), via.clone(), shutdown.clone());
                        let seat = gateway.inner.threads.clone();
                        match seat.as_ref().and_then(Threads::seat) {
                            None => tracker.spawn(async move {
                                gateway.connection(tcp, via, scheme, shutdown, slot).await
                            }),
                            Some((thread, seat)) => {
                                let moved = tcp.into_std();
                                let there = async move {
                                    let _seat = seat;
                                    match moved.and_then(TcpStream::from_std) {
                                        Ok(tcp) => {
                                            gateway
                                                .connection(tcp, via, scheme, shutdown, slot)
                                                .await
                                        }
                                        Err(why) => {
                                            tracing::warn!(%why, "cannot serve a connection")
                                        }
                                    }
                                };
                                tracker.spawn_on(there, thread)
                            }
                        };
                    }
                    Err(why) if is_of_one_connection(&why) => {}
                    Err(why) => {
                        tracing::warn!(%why, %local, "cannot accept");
                        tokio::time::sleep(EXHAUSTED).await;
                    }
                }
            }
            tracker.close();
        };
        connections.spawn(accepting);
        Ok(Serving { local, connections })
    }

    async fn connection(
        self,
        tcp: TcpStream,
        via: Via,
        scheme: Scheme,
        shutdown: CancellationToken,
        _slot: Slot,
    ) {
        let hello = self.hello(tcp, via, scheme);
        let ready = tokio::select! {
            ready = hello => ready,
            () = shutdown.cancelled() => return,
        };
        let (stream, connection) = match ready {
            Ok(ready) => ready,
            Err(why) => return tracing::debug!(%why, "no connection"),
        };
        self.inner.counts.connection(via_label(&connection.via));
        self.serve_connection(stream, connection, shutdown).await;
    }

    /// Speaks HTTP on a connection until it ends or `shutdown` is cancelled.
    async fn serve_connection(
        &self,
        stream: Stream,
        connection: Connection,
        shutdown: CancellationToken,
    ) {
        let done = if stream.is_http2() {
            self.serve_http2(stream, connection, &shutdown).await
        } else {
            self.serve_http1(stream, connection, &shutdown).await
        };
        if let Err(why) = done {
            tracing::debug!(%why, "connection ended");
        }
    }

    async fn serve_http1(
        &self,
        stream: Stream,
        connection: Connection,
        shutdown: &CancellationToken,
    ) -> Result<(), hyper::Error> {
        let settings = &self.inner.settings;
        let patience = Patience {
            head: settings.head_timeout,
            idle: settings.idle_timeout,
            write: settings.body_timeout,
            rate: settings.body_rate,
        };
        let quiet = stream.quiet();
        let (stream, exchange) = Guard::new(stream, quiet, patience, settings.max_head);
        let served = AtomicU32::new(0);
        let service = service_fn(|request| {
            let number = served.fetch_add(1, Ordering::Relaxed);
            self.one(request, &connection, shutdown, Some((&exchange, number)))
        });
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            // The guard below keeps the time: it tells idle connections from slow heads.
            .header_read_timeout(None)
            .half_close(false)
            .max_buf_size(settings.max_head.saturating_mul(4).max(16 * 1024))
            .serve_connection(TokioIo::new(stream), service);
        let mut http = pin!(http);
        tokio::select! {
            done = &mut http => return done,
            () = shutdown.cancelled() => http.as_mut().graceful_shutdown(),
        }
        tokio::time::timeout(settings.drain, http)
            .await
            .unwrap_or(Ok(()))
    }

    async fn serve_http2(
        &self,
        stream: Stream,
        connection: Connection,
        shutdown: &CancellationToken,
    ) -> Result<(), hyper::Error> {
        let settings = &self.inner.settings;
        let connection = Arc::new(connection);
        let quiet = stream.quiet();
        let activity = Activity::new();
        let pace = Pace::new(settings.body_rate, settings.body_timeout);
        let (gateway, token, moves) = (self.clone(), shutdown.clone(), activity.clone());
        let service = service_fn(move |request| {
            let (gateway, connection, token) = (gateway.clone(), connection.clone(), token.clone());
            let (active, working) = (moves.begin(), moves.work());
            let pace = pace.clone();
            async move {
                let response = gateway.one(request, &connection, &token, None).await;
                drop(working);
                response.map(|response| response.map(|body| body.during(active, pace)))
            }
        });
        let http = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(settings.idle_timeout)
            .keep_alive_timeout(settings.head_timeout)
            // What a client asks for and does not take is held: so much of each, and so many at once.
            .max_concurrent_streams(64)
            .max_header_list_size(
                u32::try_from(settings.max_head.saturating_mul(2)).unwrap_or(u32::MAX),
            )
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_frame_size(256 << 10)
            .max_send_buf_size(256 << 10)
            .serve_connection(TokioIo::new(stream), service);
        let mut http = pin!(http);
        tokio::select! {
            done = &mut http => return done,
            () = shutdown.cancelled() => {
                // Nothing is on its way that a close could overtake.
                quiet.store(activity.is_idle(), Ordering::Release);
                http.as_mut().graceful_shutdown();
            }
            () = activity.stalled(settings.idle_timeout, settings.body_timeout) => {
                http.as_mut().graceful_shutdown();
                // A client that does not move does not say goodbye either.
                return tokio::time::timeout(settings.head_timeout, http).await.unwrap_or(Ok(()));
            }
        }
        tokio::time::timeout(settings.drain, http)
            .await
            .unwrap_or(Ok(()))
    }

    /// One request of a connection of ours.
    async fn one(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
        shutdown: &CancellationToken,
        exchange: Option<(&Arc<Exchange>, u32)>,
    ) -> Result<Response<ReplyBody>, Gone> {
        // Requests that were on their way when the listener was removed: its identity is no more.
        if shutdown.is_cancelled() {
            return Err(Gone);
        }
        let Some((exchange, number)) = exchange else {
            return self.route(request, connection).await;
        };
        let response = match exchange.begin(number) {
            crate::io::Smell::Clean => self.route(request, connection).await?,
            smell => serve::ambiguous(&self.inner, smell),
        };
        let closes = response.headers().get(http::header::CONNECTION);
        if closes.is_some_and(|value| value == "close") {
            exchange.leave_unread();
        }
        Ok(response.map(|body| body.ending(exchange.clone())))
    }
}

/// A connection's places: its listener's, and its endpoint's.
type Slot = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Takes the places of one more connection, if there are any.
fn slot(own: &Arc<Semaphore>, shared: Option<&Arc<Semaphore>>) -> Option<Slot> {
    let own = own.clone().try_acquire_owned().ok()?;
    let shared = match shared {
        Some(shared) => Some(shared.clone().try_acquire_owned().ok()?),
        None => None,
    };
    Some((own, shared))
}

/// What a way is called in numbers.
fn via_label(via: &Via) -> &str {
    match via {
        Via::Endpoint(id) => id.as_str(),
        Via::Internet => "internet",
        Via::Api => "api",
    }
}

/// Errors that concern the connection, not the listener.
fn is_of_one_connection(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
