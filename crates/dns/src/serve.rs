//! Serving bound sockets: one task per socket, an answer from [`Names`] or from upstream.
//!
//! A listener stands for somebody: its socket is bound to one address (possibly in another
//! network namespace), so that replies leave from the address that was asked, and its
//! [`Listener`] is all that tells a decision who is asking.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::decide::{Listener, Names, Transport};
use crate::forward::Forwarder;
use crate::name::NameRef;
use crate::wire::{Class, Message, Rcode, Record, RecordType, Section};

mod counters;
mod one;
mod tcp;
mod udp;

pub use counters::{Counters, Counts};

/// Called with every answered query. It runs on the serving task: it must be quick.
pub type QueryLog = dyn Fn(&QueryRecord<'_>) + Send + Sync;

/// One answered query, with what Resolver query logging tells of it.
#[derive(Debug, Clone, Copy)]
pub struct QueryRecord<'a> {
    /// Which listener was asked.
    pub listener: &'a Listener,
    /// At which of its addresses.
    pub address: SocketAddr,
    /// Who asked.
    pub peer: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The name, lower-case.
    pub name: NameRef<'a>,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: Class,
    /// The response code sent.
    pub rcode: Rcode,
    /// Whether an upstream was asked.
    pub forwarded: bool,
    /// The message sent.
    pub reply: &'a [u8],
}

impl<'a> QueryRecord<'a> {
    /// The records of the answer section; each prints its data in zone file form.
    pub fn answers(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let message = Message::parse(self.reply).ok();
        let records = message.into_iter().flat_map(|message| message.records());
        records
            .filter_map(Result::ok)
            .filter(|record| record.section == Section::Answer)
    }
}

/// Bounds per listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// TCP connections at the same time.
    pub connections: usize,
    /// TCP connections from one address at the same time.
    pub connections_per_peer: usize,
    /// How long a TCP connection may be without a complete query or a reply; also how long a
    /// client may take to accept one.
    pub idle: Duration,
    /// Forwarded queries at the same time: one network's dead upstream must not use up what
    /// others need.
    pub forwards: usize,
    /// Forwarded queries of one TCP connection at the same time; it is not read meanwhile.
    pub forwards_per_connection: usize,
    /// How long a stop waits for queries that are being answered.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_peer: 32,
            idle: Duration::from_secs(10),
            forwards: 512,
            forwards_per_connection: 32,
            grace: Duration::from_secs(5),
        }
    }
}

/// What all listeners of a process share.
pub struct Server<N> {
    shared: Arc<Shared<N>>,
}

struct Shared<N> {
    names: N,
    forwarder: Option<Forwarder>,
    log: Option<Box<QueryLog>>,
    limits: Limits,
}

/// What one socket's tasks share.
struct Context<N> {
    shared: Arc<Shared<N>>,
    listener: Listener,
    address: SocketAddr,
    counters: Arc<Counters>,
    forwards: Arc<Semaphore>,
    /// Take no new queries.
    stop: CancellationToken,
    /// Cut off even what is being answered.
    kill: CancellationToken,
    tasks: TaskTracker,
}

/// Why a socket is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Replies could leave from another address than the one asked.
    #[error("socket {0} is not bound to one address")]
    Unspecified(SocketAddr),
    /// The runtime could not take the socket.
    #[error("could not serve socket of `{label}`")]
    Register {
        /// The listener's label.
        label: Arc<str>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A socket being served. Dropping it stops serving without waiting.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: CancellationToken,
    /// Cut off even what is being answered.
    kill: CancellationToken,
    tasks: TaskTracker,
    grace: Duration,
}

impl<N> std::fmt::Debug for Server<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl<N> Clone for Server<N> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<N: Names> Server<N> {
    /// A server that asks `names`. Without a forwarder, whatever would be forwarded is SERVFAIL.
    #[must_use]
    pub fn new(
        names: N,
        forwarder: Option<Forwarder>,
        log: Option<Box<QueryLog>>,
        limits: Limits,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                names,
                forwarder,
                log,
                limits,
            }),
        }
    }

    /// Serves a bound UDP socket on the current tokio runtime.
    ///
    /// # Errors
    /// The socket is bound to the unspecified address, or the runtime cannot take it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn serve_udp(&self, socket: UdpSocket, listener: Listener) -> Result<Serving, ServeError> {
        let register = |source| ServeError::Register {
            label: Arc::clone(&listener.label),
            source,
        };
        let address = bound(socket.local_addr().map_err(register)?)?;
        socket.set_nonblocking(true).map_err(register)?;
        let socket = tokio::net::UdpSocket::from_std(socket).map_err(register)?;
        let (context, serving) = self.context(address, listener.clone());
        Arc::clone(&context).spawn(udp::run(context, socket));
        Ok(serving)
    }

    /// Serves a bound, listening TCP socket on the current tokio runtime.
    ///
    /// # Errors
    /// The socket is bound to the unspecified address, or the runtime cannot take it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn serve_tcp(
        &self,
        socket: TcpListener,
        listener: Listener,
    ) -> Result<Serving, ServeError> {
        let register = |source| ServeError::Register {
            label: Arc::clone(&listener.label),
            source,
        };
        let address = bound(socket.local_addr().map_err(register)?)?;
        socket.set_nonblocking(true).map_err(register)?;
        let socket = tokio::net::TcpListener::from_std(socket).map_err(register)?;
        let (context, serving) = self.context(address, listener.clone());
        Arc::clone(&context).spawn(tcp::run(context, socket));
        Ok(serving)
    }

    fn context(&self, address: SocketAddr, listener: Listener) -> (Arc<Context<N>>, Serving) {
        let limits = self.shared.limits;
        let serving = Serving {
            address,
            counters: Arc::new(Counters::default()),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
            grace: limits.grace,
        };
        let context = Context {
            shared: Arc::clone(&self.shared),
            listener,
            address,
            counters: Arc::clone(&serving.counters),
            forwards: Arc::new(Semaphore::new(limits.forwards.min(Semaphore::MAX_PERMITS))),
            stop: serving.stop.clone(),
            kill: serving.kill.clone(),
            tasks: serving.tasks.clone(),
        };
        (Arc::new(context), serving)
    }
}

impl<N> Context<N> {
    /// Runs a task that a stop waits for and may cut off.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move {
            kill.run_until_cancelled(task).await;
        });
    }
}

fn bound(address: SocketAddr) -> Result<SocketAddr, ServeError> {
    if address.ip().is_unspecified() {
        return Err(ServeError::Unspecified(address));
    }
    Ok(address)
}

impl Serving {
    /// The address served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Takes no new queries, waits for those being answered up to the grace period, then cuts
    /// off the rest. The socket is closed on return.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.grace, self.tasks.wait())
            .await
            .is_err()
        {
            self.kill.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
