//! One query from bytes to bytes, whatever it travelled by.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::decide::{Decision, Names, Origin, Transport, Upstreams};
use crate::forward::{Ask, relay, servfail};
use crate::name::Name;
use crate::serve::{Context, QueryRecord};
use crate::wire::{Class, Malformed, Message, Query, Rcode, RecordType, Reply, Scratch, TCP_MAX};

/// What to do after a query was looked at.
pub(super) enum Handled {
    /// The reply was appended to the buffer.
    Send,
    /// Nothing is sent.
    Nothing,
    /// An upstream has to be asked first.
    Forward(Box<Pending>),
}

/// A query that waits for an upstream.
pub(super) struct Pending {
    packet: Box<[u8]>,
    peer: SocketAddr,
    transport: Transport,
    upstreams: Arc<Upstreams>,
    /// CNAME records that come before the upstream's answer, and their number.
    chain: (Vec<u8>, u16),
    continue_at: Option<Name>,
    _slot: OwnedSemaphorePermit,
}

impl<N: Names> Context<N> {
    /// Answers one message. `out` is appended to only for [`Handled::Send`].
    pub(super) fn handle(
        &self,
        packet: &[u8],
        peer: SocketAddr,
        transport: Transport,
        rotation: usize,
        out: &mut Vec<u8>,
    ) -> Handled {
        let mut scratch = Scratch::default();
        let query = match Query::parse(packet, &mut scratch) {
            Ok(query) => query,
            Err(malformed) => return self.refuse(malformed, out),
        };
        self.counters.add(|c| &c.queries);
        let start = out.len();
        let mut reply = Reply::new(out, &query, limit(&query, transport), rotation);
        let decision = match unanswerable(&query) {
            Some(rcode) => {
                reply.set_rcode(rcode);
                Decision::Answer
            }
            None => {
                let origin = Origin {
                    listener: &self.listener,
                    peer,
                    transport,
                };
                self.shared
                    .names
                    .answer(&query.question, &origin, &mut reply)
            }
        };
        match decision {
            Decision::Answer => {}
            Decision::Ignore => {
                out.truncate(start);
                self.counters.add(|c| &c.ignored);
                return Handled::Nothing;
            }
            Decision::Forward(upstreams) => {
                self.counters.add(|c| &c.forwarded);
                if let Some(slot) = self.slot() {
                    let (records, count) = reply.written();
                    let pending = Pending {
                        packet: packet.into(),
                        peer,
                        transport,
                        upstreams,
                        chain: (records.to_vec(), count),
                        continue_at: reply.continue_at().cloned(),
                        _slot: slot,
                    };
                    out.truncate(start);
                    return Handled::Forward(Box::new(pending));
                }
                self.counters.add(|c| &c.forward_failed);
                reply.clear();
                reply.set_recursion_available(true);
                reply.set_rcode(Rcode::SERVFAIL);
            }
        }
        let (rcode, truncated) = (reply.rcode(), reply.truncated());
        reply.finish();
        self.counters.count_reply(rcode, truncated);
        self.log(
            &query,
            peer,
            transport,
            rcode,
            false,
            out.get(start..).unwrap_or(&[]),
        );
        Handled::Send
    }

    /// A place among the forwarded queries; `None` if there is none or no forwarder.
    fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.forwarder.as_ref()?;
        Arc::clone(&self.forwards).try_acquire_owned().ok()
    }

    fn refuse(&self, malformed: Malformed, out: &mut Vec<u8>) -> Handled {
        if malformed.encode(out) {
            self.counters.add(|c| &c.queries);
            self.counters.add(|c| &c.malformed);
            self.counters.add(|c| &c.replies);
            Handled::Send
        } else {
            self.counters.add(|c| &c.ignored);
            Handled::Nothing
        }
    }

    /// Asks upstream and appends the reply to `out`.
    pub(super) async fn complete(&self, pending: &Pending, out: &mut Vec<u8>) {
        let mut scratch = Scratch::default();
        // The packet was parsed before: this cannot fail.
        let Ok(query) = Query::parse(&pending.packet, &mut scratch) else {
            return;
        };
        let limit = limit(&query, pending.transport);
        let continued = pending.continue_at.as_ref().map(|name| {
            let mut question = name.wire().to_vec();
            question.extend_from_slice(&query.question.rtype.0.to_be_bytes());
            question.extend_from_slice(&query.question.class.0.to_be_bytes());
            question
        });
        let ask = Ask {
            question: continued.as_deref().unwrap_or(query.question_wire),
            recursion_desired: query.recursion_desired,
            checking_disabled: query.checking_disabled,
            edns: query.edns.map(|edns| edns.dnssec_ok),
        };
        let answer = match &self.shared.forwarder {
            Some(forwarder) => forwarder
                .ask(&ask, &pending.upstreams)
                .await
                .inspect_err(|error| {
                    let label = &self.listener.label;
                    tracing::debug!(%label, error = error as &dyn Error, "could not forward");
                })
                .ok(),
            None => None,
        };
        let start = out.len();
        let rcode = match answer {
            Some(answer) => {
                let chain = (pending.chain.0.as_slice(), pending.chain.1);
                relay(&query, chain, &answer, limit, out)
            }
            None => {
                self.counters.add(|c| &c.forward_failed);
                servfail(&query, limit, out)
            }
        };
        let reply = out.get(start..).unwrap_or(&[]);
        let truncated = Message::parse(reply).is_ok_and(|message| message.truncated());
        self.counters.count_reply(rcode, truncated);
        self.log(&query, pending.peer, pending.transport, rcode, true, reply);
    }

    fn log(
        &self,
        query: &Query<'_>,
        peer: SocketAddr,
        transport: Transport,
        rcode: Rcode,
        forwarded: bool,
        reply: &[u8],
    ) {
        let Some(log) = &self.shared.log else { return };
        log(&QueryRecord {
            listener: &self.listener,
            address: self.address,
            peer,
            transport,
            name: query.question.name,
            rtype: query.question.rtype,
            class: query.question.class,
            rcode,
            forwarded,
            reply,
        });
    }
}

fn limit(query: &Query<'_>, transport: Transport) -> usize {
    match transport {
        Transport::Udp => query.udp_limit(),
        Transport::Tcp => TCP_MAX,
    }
}

/// The code for questions that no names can answer: classes other than IN, zone transfers, and
/// types that are no record types.
fn unanswerable(query: &Query<'_>) -> Option<Rcode> {
    let question = query.question;
    if question.class != Class::IN {
        return Some(Rcode::REFUSED);
    }
    match question.rtype {
        RecordType::AXFR | RecordType::IXFR => Some(Rcode::REFUSED),
        RecordType::OPT | RecordType(0) => Some(Rcode::FORMERR),
        RecordType::ANY => None,
        // Meta and query types (RFC 6895 section 3.1).
        RecordType(128..=255) => Some(Rcode::NOTIMP),
        _ => None,
    }
}
