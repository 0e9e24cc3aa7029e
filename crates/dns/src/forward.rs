//! Asking another server: one query, one socket, nothing believed that was not asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::decide::{Transport, Upstreams};
use crate::wire::{HEADER, Message, Rcode, UDP_MAX};
use silent::Silent;

mod relay;
mod silent;

pub(crate) use relay::{relay, servfail};

/// Wrong datagrams after which a server is asked over TCP instead: somebody is guessing
/// (RFC 5452 section 9.2 asks to notice this).
const MAX_MISMATCHES: usize = 16;
/// Room for a datagram from an upstream; larger ones than announced are cut and refused.
const RECEIVE: usize = 4096;

/// Opens the sockets that upstreams are asked from. They may belong to any network namespace: a
/// socket stays in the one it was made in.
pub trait SocketSource: Send + Sync + 'static {
    /// A fresh, unconnected socket for asking `server`. `via` is [`Upstreams::via`]. Called once
    /// per attempt and on the serving tasks, so it should be quick; left unbound, the kernel
    /// chooses a random source port, which is part of what a forged answer must guess.
    ///
    /// # Errors
    /// Whatever the kernel says; the next server is tried.
    fn open(
        &self,
        via: u64,
        server: SocketAddr,
        transport: Transport,
    ) -> io::Result<socket2::Socket>;
}

/// Sockets of the process's own namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSockets;

impl SocketSource for LocalSockets {
    fn open(
        &self,
        _: u64,
        server: SocketAddr,
        transport: Transport,
    ) -> io::Result<socket2::Socket> {
        let kind = match transport {
            Transport::Udp => socket2::Type::DGRAM,
            Transport::Tcp => socket2::Type::STREAM,
        };
        socket2::Socket::new(socket2::Domain::for_address(server), kind, None)
    }
}

/// Bounds for forwarding.
#[derive(Debug, Clone, Copy)]
pub struct ForwardLimits {
    /// How long one server has to answer over one transport.
    pub attempt: Duration,
    /// How long all servers together have. Stub resolvers ask again after five seconds.
    pub total: Duration,
    /// Queries that may wait at the same time; further ones fail at once.
    pub in_flight: usize,
    /// After how long a server that gave no answer is tried again, beside a query that another one
    /// answers; twice as long each time.
    pub retry: Duration,
    /// The longest such time.
    pub retry_longest: Duration,
}

impl Default for ForwardLimits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_millis(1500),
            total: Duration::from_millis(4500),
            in_flight: 4096,
            retry: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
        }
    }
}

/// Relays queries to other servers.
#[derive(Clone)]
pub struct Forwarder {
    sockets: Arc<dyn SocketSource>,
    limits: ForwardLimits,
    slots: Arc<Semaphore>,
    silent: Arc<Silent>,
}

/// What is asked of an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Question section: uncompressed name, type, class.
    pub question: &'a [u8],
    /// RD.
    pub recursion_desired: bool,
    /// CD.
    pub checking_disabled: bool,
    /// Whether to use EDNS, and if so with which DO flag.
    pub edns: Option<bool>,
}

/// Why there is no answer from upstream.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Too many queries wait already.
    #[error("too many forwarded queries are waiting")]
    Busy,
    /// The list of servers is empty.
    #[error("there is no server to forward to")]
    NoServers,
    /// No server gave a usable answer; this is what the last one did.
    #[error("could not get an answer from {server}")]
    Unanswered {
        /// The last server tried.
        server: SocketAddr,
        /// What happened there.
        #[source]
        source: io::Error,
    },
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Forwarder {
    /// A forwarder without anything in flight.
    #[must_use]
    pub fn new(sockets: Arc<dyn SocketSource>, limits: ForwardLimits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS)));
        Self {
            sockets,
            limits,
            slots,
            silent: Arc::new(Silent::new(limits.retry, limits.retry_longest)),
        }
    }

    /// Asks the servers in turn, each over UDP and, if its answer is truncated, over TCP; those that
    /// have not answered lately come last. The reply has passed every check (id, question, sender) and
    /// has at least its question intact.
    ///
    /// # Errors
    /// [`ForwardError`]; a server that says SERVFAIL, REFUSED or NOTIMP is no error if it is the
    /// last: its reply is returned.
    pub async fn ask(&self, ask: &Ask<'_>, upstreams: &Upstreams) -> Result<Vec<u8>, ForwardError> {
        let _slot = self.slots.try_acquire().map_err(|_| ForwardError::Busy)?;
        let end = Instant::now() + self.limits.total;
        let mut refused = None;
        let mut last = None;
        let (order, due) = self.silent.order(upstreams.via, &upstreams.servers);
        for server in due {
            self.try_again(ask, upstreams.via, server);
        }
        for &server in order.iter() {
            if Instant::now() >= end {
                break;
            }
            let asked = match encode(ask) {
                Ok(query) => self.ask_server(&query, upstreams.via, server, end).await,
                Err(why) => Err(why),
            };
            match asked {
                Ok(reply) if is_helpless(&reply) => refused = Some(reply),
                Ok(reply) => return Ok(reply),
                Err(source) => last = Some(ForwardError::Unanswered { server, source }),
            }
        }
        refused.ok_or_else(|| last.unwrap_or(ForwardError::NoServers))
    }

    /// Asks a server that was silent, to see whether it still is: nobody waits for it.
    fn try_again(&self, ask: &Ask<'_>, via: u64, server: SocketAddr) {
        let (Ok(slot), Ok(query)) = (self.slots.clone().try_acquire_owned(), encode(ask)) else {
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let end = Instant::now() + this.limits.total;
            // What comes of it is remembered there.
            let _ = this.ask_server(&query, via, server, end).await;
        });
    }

    /// Asks one server, and remembers whether it answered.
    async fn ask_server(
        &self,
        query: &[u8],
        via: u64,
        server: SocketAddr,
        end: Instant,
    ) -> io::Result<Vec<u8>> {
        let had_its_time = Instant::now() + self.limits.attempt <= end;
        let reply = self.ask_both_ways(query, via, server, end).await;
        match &reply {
            Ok(_) => self.silent.answered(via, server),
            Err(why) if had_its_time || why.kind() != io::ErrorKind::TimedOut => {
                self.silent.failed(via, server);
            }
            Err(_) => {}
        }
        reply
    }

    async fn ask_both_ways(
        &self,
        query: &[u8],
        via: u64,
        server: SocketAddr,
        end: Instant,
    ) -> io::Result<Vec<u8>> {
        let until = || end.min(Instant::now() + self.limits.attempt);
        let over_udp = timeout_at(until(), self.ask_udp(query, via, server)).await;
        let truncated = match over_udp.map_err(|_| io::ErrorKind::TimedOut)?? {
            Some(reply) if !is_truncated(&reply) => return Ok(reply),
            truncated => truncated,
        };
        let over_tcp = timeout_at(until(), self.ask_tcp(query, via, server)).await;
        match (over_tcp, truncated) {
            (Ok(Ok(whole)), _) => Ok(whole),
            // Better a truncated answer than none: the client sees TC and decides.
            (_, Some(truncated)) => Ok(truncated),
            (Ok(Err(error)), None) => Err(error),
            (Err(_), None) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// `None`: too many forged datagrams came in.
    async fn ask_udp(
        &self,
        query: &[u8],
        via: u64,
        server: SocketAddr,
    ) -> io::Result<Option<Vec<u8>>> {
        let socket = self.sockets.open(via, server, Transport::Udp)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket.into())?;
        // Connected, so that the kernel drops what comes from elsewhere and reports refusals.
        socket.connect(server).await?;
        socket.send(query).await?;
        let mut buf = vec![0; RECEIVE];
        for _ in 0..MAX_MISMATCHES {
            let len = socket.recv(&mut buf).await?;
            if matches(query, buf.get(..len).unwrap_or(&[])) {
                buf.truncate(len);
                return Ok(Some(buf));
            }
        }
        Ok(None)
    }

    async fn ask_tcp(&self, query: &[u8], via: u64, server: SocketAddr) -> io::Result<Vec<u8>> {
        let socket = self.sockets.open(via, server, Transport::Tcp)?;
        socket.set_nonblocking(true)?;
        let mut stream = TcpSocket::from_std_stream(socket.into())
            .connect(server)
            .await?;
        let mut framed = Vec::with_capacity(2 + query.len());
        let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(query);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut reply = vec![0; usize::from(length)];
        stream.read_exact(&mut reply).await?;
        if matches(query, &reply) {
            Ok(reply)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// A query with a fresh random id.
fn encode(ask: &Ask<'_>) -> io::Result<Vec<u8>> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|_| io::Error::other("could not get a random query id"))?;
    let flags = u16::from(ask.recursion_desired) << 8 | u16::from(ask.checking_disabled) << 4;
    let mut query = Vec::with_capacity(HEADER + ask.question.len() + 11);
    query.extend_from_slice(&id);
    query.extend_from_slice(&flags.to_be_bytes());
    query.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(ask.edns.is_some())]);
    query.extend_from_slice(ask.question);
    if let Some(dnssec_ok) = ask.edns {
        let [p0, p1] = u16::try_from(UDP_MAX).unwrap_or(512).to_be_bytes();
        let z = if dnssec_ok { 0x80 } else { 0 };
        query.extend_from_slice(&[0, 0, 41, p0, p1, 0, 0, z, 0, 0, 0]);
    }
    Ok(query)
}

/// Whether `reply` answers exactly `query`: same id, a response to a standard query, and the same
/// question but for the case of letters.
fn matches(query: &[u8], reply: &[u8]) -> bool {
    let (Ok(asked), Ok(message)) = (Message::parse(query), Message::parse(reply)) else {
        return false;
    };
    message.is_response()
        && message.opcode() == 0
        && message.id() == asked.id()
        && message
            .question_wire()
            .eq_ignore_ascii_case(asked.question_wire())
        && message.records().all(|record| record.is_ok())
}

fn is_truncated(reply: &[u8]) -> bool {
    Message::parse(reply).is_ok_and(|message| message.truncated())
}

/// Whether another server may know better.
fn is_helpless(reply: &[u8]) -> bool {
    Message::parse(reply).is_ok_and(|message| {
        matches!(
            message.rcode(),
            Rcode::SERVFAIL | Rcode::REFUSED | Rcode::NOTIMP
        )
    })
}
