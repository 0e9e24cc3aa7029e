//! Reading a request: bounds-checked, allocation-free, strict about what is malformed and
//! tolerant of what is merely unknown.

use crate::decide::Question;
use crate::name::{MAX_LABEL, MAX_NAME, NameRef};
use crate::wire::record::{Class, Rcode, RecordType};
use crate::wire::{HEADER, UDP_MAX, UDP_MIN};

/// Room for the lower-cased question name, on the caller's stack.
#[derive(Debug)]
pub struct Scratch([u8; MAX_NAME]);

impl Default for Scratch {
    fn default() -> Self {
        Self([0; MAX_NAME])
    }
}

/// A well-formed standard query with exactly one question.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Chosen by the client, echoed.
    pub id: u16,
    /// RD: the client wants recursion; echoed.
    pub recursion_desired: bool,
    /// CD: the client validates itself; echoed.
    pub checking_disabled: bool,
    /// What is asked, name in lower case.
    pub question: Question<'a>,
    /// The question section as received, letters in the client's case.
    pub question_wire: &'a [u8],
    /// The EDNS pseudo-record, if sent.
    pub edns: Option<Edns>,
}

/// What matters of a client's EDNS record. Options (NSID, cookies, client subnet …) are accepted
/// and ignored, as RFC 6891 section 6.1.2 asks for unknown ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The UDP payload the client accepts, in bytes, as sent.
    pub payload: u16,
    /// DO: the client wants DNSSEC records; echoed, none are signed here.
    pub dnssec_ok: bool,
}

/// Why there is no answer proper to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Not even a header, or itself a response: anything sent back could feed a loop.
    Ignore,
    /// Reply with this code and nothing but the header.
    Refuse {
        /// To echo.
        id: u16,
        /// To echo: the second header half-word.
        flags: u16,
        /// FORMERR, NOTIMP or BADVERS.
        rcode: Rcode,
    },
}

impl<'a> Query<'a> {
    /// Reads one request.
    ///
    /// # Errors
    /// [`Malformed`] says what to send back: FORMERR for a message that breaks the format or has
    /// not exactly one question (RFC 9619), NOTIMP for an opcode other than QUERY, BADVERS for an
    /// EDNS version other than 0.
    pub fn parse(packet: &'a [u8], scratch: &'a mut Scratch) -> Result<Self, Malformed> {
        let header: [u8; HEADER] = take(packet, 0).ok_or(Malformed::Ignore)?;
        let [i0, i1, f0, f1, q0, q1, an0, an1, ns0, ns1, ar0, ar1] = header;
        let (id, flags) = (u16::from_be_bytes([i0, i1]), u16::from_be_bytes([f0, f1]));
        if flags & 0x8000 != 0 {
            return Err(Malformed::Ignore);
        }
        let refuse = |rcode| Malformed::Refuse { id, flags, rcode };
        if (flags >> 11) & 0xf != 0 {
            return Err(refuse(Rcode::NOTIMP));
        }
        if u16::from_be_bytes([q0, q1]) != 1 {
            return Err(refuse(Rcode::FORMERR));
        }
        let name_len = lower_name(packet, scratch).ok_or_else(|| refuse(Rcode::FORMERR))?;
        let [t0, t1, c0, c1] =
            take(packet, HEADER + name_len).ok_or_else(|| refuse(Rcode::FORMERR))?;
        let end = HEADER + name_len + 4;
        let others = [[an0, an1], [ns0, ns1]].map(u16::from_be_bytes);
        let extra = u16::from_be_bytes([ar0, ar1]);
        let edns = records(packet, end, others, extra).map_err(refuse)?;
        let name = scratch.0.get(..name_len).unwrap_or(&[0]);
        Ok(Self {
            id,
            recursion_desired: flags & 0x0100 != 0,
            checking_disabled: flags & 0x0010 != 0,
            question: Question {
                name: NameRef::trusted(name),
                rtype: RecordType(u16::from_be_bytes([t0, t1])),
                class: Class(u16::from_be_bytes([c0, c1])),
            },
            question_wire: packet.get(HEADER..end).unwrap_or(&[]),
            edns,
        })
    }

    /// The largest reply that may go back over UDP, in bytes.
    #[must_use]
    pub fn udp_limit(&self) -> usize {
        self.edns.map_or(UDP_MIN, |edns| {
            usize::from(edns.payload).clamp(UDP_MIN, UDP_MAX)
        })
    }
}

/// `N` bytes at `at`.
fn take<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..)?.first_chunk::<N>().copied()
}

/// Copies the question name in lower case; its length, or `None` for a bad one. Pointers are
/// refused: nothing comes before the question that one could rightly point to.
fn lower_name(packet: &[u8], scratch: &mut Scratch) -> Option<usize> {
    let from = packet.get(HEADER..)?;
    let mut at = 0;
    loop {
        let len = usize::from(*from.get(at)?);
        let next = at + 1 + len;
        if len > MAX_LABEL || next > MAX_NAME {
            return None;
        }
        if len == 0 {
            let to = scratch.0.get_mut(..next)?;
            to.copy_from_slice(from.get(..next)?);
            // Length bytes are at most 63 and so never look like an upper-case letter (65-90).
            to.make_ascii_lowercase();
            return Some(next);
        }
        at = next;
    }
}

/// Walks whatever follows the question and finds the one EDNS record.
fn records(
    packet: &[u8],
    mut at: usize,
    others: [u16; 2],
    extra: u16,
) -> Result<Option<Edns>, Rcode> {
    let mut found = None;
    let skipped = u32::from(others[0]) + u32::from(others[1]);
    for index in 0..skipped + u32::from(extra) {
        let root = packet.get(at) == Some(&0);
        at = skip_name(packet, at).ok_or(Rcode::FORMERR)?;
        let [t0, t1, p0, p1, _, version, z, _, l0, l1]: [u8; 10] =
            take(packet, at).ok_or(Rcode::FORMERR)?;
        at += 10 + usize::from(u16::from_be_bytes([l0, l1]));
        if at > packet.len() {
            return Err(Rcode::FORMERR);
        }
        if u16::from_be_bytes([t0, t1]) != RecordType::OPT.0 {
            continue;
        }
        // One per message, in the additional section, at the root (RFC 6891 section 6.1.1).
        if found.is_some() || !root || index < skipped {
            return Err(Rcode::FORMERR);
        }
        let edns = Edns {
            payload: u16::from_be_bytes([p0, p1]),
            dnssec_ok: z & 0x80 != 0,
        };
        found = Some((edns, version));
    }
    match found {
        Some((_, version)) if version != 0 => Err(Rcode::BADVERS),
        found => Ok(found.map(|(edns, _)| edns)),
    }
}

/// The offset after the name at `at`, not following pointers.
pub(super) fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let len = *packet.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(len),
            192.. => return packet.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
