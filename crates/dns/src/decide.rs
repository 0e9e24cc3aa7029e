//! The seam between the wire and whoever knows the names: one question, where it came from, and
//! one decision.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::name::NameRef;
use crate::wire::{Class, RecordType, Reply};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name, lower-case.
    pub name: NameRef<'a>,
    /// The type, possibly `ANY`.
    pub rtype: RecordType,
    /// The class; only `IN` reaches [`Names`].
    pub class: Class,
}

/// The socket a query came in by: its identity says which VPC or inbound endpoint asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Key the owner of the listener chose, for a fast lookup.
    pub id: u64,
    /// The same in words (VPC id, inbound endpoint id), for logs and metrics.
    pub label: Arc<str>,
}

/// How a query travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A stream of length-prefixed messages.
    Tcp,
}

/// Where a query came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The socket it came in by.
    pub listener: &'a Listener,
    /// The client.
    pub peer: SocketAddr,
    /// How it travelled.
    pub transport: Transport,
}

/// Servers to ask instead of answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstreams {
    /// Tried in this order, each at most once per query.
    pub servers: Vec<SocketAddr>,
    /// Key for the [`SocketSource`](crate::forward::SocketSource): through which outbound
    /// endpoint, and so from which namespace, the servers are asked.
    pub via: u64,
}

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send what was written to the reply.
    Answer,
    /// Ask these servers and relay. If the reply already holds a CNAME chain that leads out
    /// ([`Reply::continue_at`]), its end is asked and the answer put behind the chain.
    Forward(Arc<Upstreams>),
    /// Send nothing, as a VPC without DNS support does.
    Ignore,
}

/// Whoever knows the names.
pub trait Names: Send + Sync + 'static {
    /// Decides one query. The reply starts as NOERROR without records. Must not block: it runs
    /// on the task that serves the socket.
    fn answer(
        &self,
        question: &Question<'_>,
        origin: &Origin<'_>,
        reply: &mut Reply<'_>,
    ) -> Decision;
}

impl<N: Names> Names for Arc<N> {
    fn answer(
        &self,
        question: &Question<'_>,
        origin: &Origin<'_>,
        reply: &mut Reply<'_>,
    ) -> Decision {
        N::answer(self, question, origin, reply)
    }
}
