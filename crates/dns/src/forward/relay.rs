//! Making an upstream's reply ours: the client's id, the client's spelling of the question, and a
//! size the client accepts.

use crate::wire::{HEADER, Message, Query, Rcode, Record, RecordType, Reply, Section};

use crate::wire::Owner;

/// Appends the relayed reply to `out`; its response code. `chain` is what was written before the
/// question went upstream: CNAME records in wire form and their number.
pub(crate) fn relay(
    query: &Query<'_>,
    chain: (&[u8], u16),
    upstream: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Rcode {
    let Ok(message) = Message::parse(upstream) else {
        return servfail(query, limit, out);
    };
    let rcode = message.rcode();
    if chain.1 == 0 {
        if upstream.len() <= limit {
            copy(query, upstream, out);
        } else {
            let mut reply = Reply::new(out, query, limit, 0);
            reply.set_recursion_available(true);
            reply.set_rcode(rcode);
            reply.set_truncated();
            reply.finish();
        }
        return rcode;
    }
    let start = out.len();
    let mut reply = Reply::new(out, query, limit, 0);
    reply.set_recursion_available(true);
    reply.set_rcode(rcode);
    reply.resume(chain.0, chain.1);
    let whole = message.records().all(|record| {
        record.is_ok_and(|record| {
            record.section == Section::Additional || append(&record, &mut reply)
        })
    });
    if message.truncated() {
        reply.set_truncated();
    }
    if !whole && !reply.truncated() {
        out.truncate(start);
        return servfail(query, limit, out);
    }
    reply.finish();
    rcode
}

/// False if the record is malformed or did not fit.
fn append(record: &Record<'_>, reply: &mut Reply<'_>) -> bool {
    let mut data = Vec::new();
    let Some(owner) = record.owner() else {
        return false;
    };
    if record.rtype == RecordType::OPT || record.expand_rdata(&mut data).is_none() {
        return false;
    }
    reply.record(
        record.section,
        Owner::Name(owner.as_ref()),
        record.rtype,
        record.ttl,
        &data,
    )
}

/// Takes the reply over as it is, signatures and all.
fn copy(query: &Query<'_>, upstream: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(upstream);
    let Some(message) = out.get_mut(start..) else {
        return;
    };
    let question = HEADER..HEADER + query.question_wire.len();
    if let Some(to) = message.get_mut(question) {
        to.copy_from_slice(query.question_wire);
    }
    if let Some([i0, i1, f0, f1]) = message.first_chunk_mut() {
        [*i0, *i1] = query.id.to_be_bytes();
        // Not authoritative here, RD as the client sent it; recursion is what just happened.
        *f0 = (*f0 & !0x05) | u8::from(query.recursion_desired);
        *f1 = (*f1 & !0x10) | 0x80 | u8::from(query.checking_disabled) << 4;
    }
}

/// Appends a SERVFAIL reply.
pub(crate) fn servfail(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Rcode {
    let mut reply = Reply::new(out, query, limit, 0);
    reply.set_recursion_available(true);
    reply.set_rcode(Rcode::SERVFAIL);
    reply.finish();
    Rcode::SERVFAIL
}
