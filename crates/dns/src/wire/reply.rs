//! Writing a reply straight into the buffer that is sent.

use crate::name::{Name, NameRef};
use crate::wire::message::Section;
use crate::wire::query::{Edns, Malformed, Query};
use crate::wire::record::{Rcode, RecordType, Soa};
use crate::wire::{HEADER, TCP_MAX, UDP_MAX};

/// Bytes of an EDNS record without options.
const OPT_LEN: usize = 11;
/// Highest offset a compression pointer can hold.
const POINTER_MAX: usize = 0x3fff;

/// Whose record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// The name that was asked, in the client's case.
    Question,
    /// The target of the CNAME record written last.
    Target,
    /// Any other name; the part it shares with the question is compressed.
    Name(NameRef<'a>),
}

/// A reply being written. Records go in by section, answer first; what would exceed the limit is
/// left out and the reply marked as truncated (TC), so the client comes back over TCP.
#[derive(Debug)]
pub struct Reply<'b> {
    buf: &'b mut Vec<u8>,
    /// Where the message starts in `buf`.
    base: usize,
    /// Where the question ends, from `base`.
    question_end: usize,
    /// Most bytes of the message before the EDNS record.
    limit: usize,
    question: NameRef<'b>,
    edns: Option<Edns>,
    flags: u16,
    rcode: Rcode,
    counts: [u16; 3],
    section: Section,
    /// Offset of the name a CNAME record led to last.
    target: Option<u16>,
    continue_at: Option<Name>,
    rotation: usize,
}

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const CD: u16 = 0x0010;
const QR: u16 = 0x8000;

impl<'b> Reply<'b> {
    /// Starts a NOERROR reply without records behind whatever `buf` holds.
    ///
    /// `limit` is the most bytes the message may have ([`Query::udp_limit`] over UDP, [`TCP_MAX`]
    /// over TCP). `rotation` turns the order of addresses: the caller counts it up.
    #[must_use]
    pub fn new(buf: &'b mut Vec<u8>, query: &Query<'b>, limit: usize, rotation: usize) -> Self {
        let base = buf.len();
        let mut flags = QR;
        if query.recursion_desired {
            flags |= RD;
        }
        if query.checking_disabled {
            flags |= CD;
        }
        let [i0, i1] = query.id.to_be_bytes();
        buf.extend_from_slice(&[i0, i1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        buf.extend_from_slice(query.question_wire);
        let reserve = if query.edns.is_some() { OPT_LEN } else { 0 };
        Self {
            question_end: buf.len() - base,
            buf,
            base,
            limit: limit.min(TCP_MAX).saturating_sub(reserve),
            question: query.question.name,
            edns: query.edns,
            flags,
            rcode: Rcode::NOERROR,
            counts: [0; 3],
            section: Section::Answer,
            target: None,
            continue_at: None,
            rotation,
        }
    }

    /// The question's name, lower-case.
    #[must_use]
    pub const fn question(&self) -> NameRef<'b> {
        self.question
    }

    /// Sets the response code.
    pub const fn set_rcode(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// The response code so far.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Says whether the answer is authoritative (AA).
    pub const fn set_authoritative(&mut self, on: bool) {
        self.set_flag(AA, on);
    }

    /// Says whether recursion is offered (RA).
    pub const fn set_recursion_available(&mut self, on: bool) {
        self.set_flag(RA, on);
    }

    const fn set_flag(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Whether something did not fit.
    #[must_use]
    pub const fn truncated(&self) -> bool {
        self.flags & TC != 0
    }

    /// Marks the reply as truncated; no further record goes in.
    pub const fn set_truncated(&mut self) {
        self.flags |= TC;
    }

    /// A number that differs from reply to reply, for turning the order of addresses.
    #[must_use]
    pub const fn rotation(&self) -> usize {
        self.rotation
    }

    /// Number of records in the answer section.
    #[must_use]
    pub const fn answer_count(&self) -> u16 {
        self.counts[0]
    }

    /// Notes that the CNAME chain written so far leads to `target`, which is not known here.
    pub fn set_continue_at(&mut self, target: NameRef<'_>) {
        self.continue_at = Some(target.to_name());
    }

    /// The end of a CNAME chain that leads out of the known names.
    #[must_use]
    pub const fn continue_at(&self) -> Option<&Name> {
        self.continue_at.as_ref()
    }

    /// Takes back all records and the response code.
    pub fn clear(&mut self) {
        self.buf.truncate(self.base + self.question_end);
        self.flags &= RD | CD | QR;
        self.rcode = Rcode::NOERROR;
        self.counts = [0; 3];
        self.section = Section::Answer;
        self.target = None;
        self.continue_at = None;
    }

    /// Writes one record into the answer section; false if it did not fit or came too late.
    pub fn answer(&mut self, owner: Owner<'_>, rtype: RecordType, ttl: u32, rdata: &[u8]) -> bool {
        self.record(Section::Answer, owner, rtype, ttl, rdata)
    }

    /// Writes a negative answer's SOA into the authority section. Its TTL is the smaller of the
    /// record's own and the SOA's minimum (RFC 2308 section 5).
    pub fn negative(&mut self, zone: NameRef<'_>, ttl: u32, soa: &Soa) {
        let mut rdata = Vec::with_capacity(64);
        soa.encode(&mut rdata);
        let ttl = ttl.min(soa.minimum);
        self.record(
            Section::Authority,
            Owner::Name(zone),
            RecordType::SOA,
            ttl,
            &rdata,
        );
    }

    /// Writes one record of class IN; false if it did not fit, or belongs to a section before
    /// the current one. `rdata` is in wire form without compression.
    pub fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rtype: RecordType,
        ttl: u32,
        rdata: &[u8],
    ) -> bool {
        if section < self.section || (self.truncated() && section != Section::Answer) {
            return false;
        }
        let Ok(length) = u16::try_from(rdata.len()) else {
            return false;
        };
        if self.truncated() {
            return false;
        }
        let mark = self.buf.len();
        self.write_owner(owner);
        let [t0, t1] = rtype.0.to_be_bytes();
        let [s0, s1, s2, s3] = ttl.to_be_bytes();
        let [l0, l1] = length.to_be_bytes();
        self.buf
            .extend_from_slice(&[t0, t1, 0, 1, s0, s1, s2, s3, l0, l1]);
        let at = self.buf.len() - self.base;
        self.buf.extend_from_slice(rdata);
        if self.buf.len() - self.base > self.limit {
            self.buf.truncate(mark);
            // Left out additional records are no loss worth a second query.
            self.set_flag(TC, section != Section::Additional);
            return false;
        }
        self.section = section;
        if rtype == RecordType::CNAME && section == Section::Answer {
            self.target = u16::try_from(at)
                .ok()
                .filter(|at| usize::from(*at) <= POINTER_MAX);
        }
        if let Some(count) = self.counts.get_mut(section as usize) {
            *count = count.saturating_add(1);
        }
        true
    }

    fn write_owner(&mut self, owner: Owner<'_>) {
        match owner {
            Owner::Question => self.write_pointer(HEADER),
            Owner::Target => match self.target {
                Some(at) => self.write_pointer(usize::from(at)),
                None => self.write_pointer(HEADER),
            },
            Owner::Name(name) => self.write_name(name),
        }
    }

    fn write_pointer(&mut self, at: usize) {
        // Callers pass offsets of at most POINTER_MAX.
        let at = u16::try_from(at).unwrap_or(0) | 0xc000;
        self.buf.extend_from_slice(&at.to_be_bytes());
    }

    /// Writes `name`, replacing the longest part shared with the end of the question by a pointer
    /// into it.
    fn write_name(&mut self, name: NameRef<'_>) {
        let mut rest = name;
        while rest.wire().len() > 1 {
            if let Some(at) = self.suffix_of_question(rest) {
                return self.write_pointer(HEADER + at);
            }
            let Some(parent) = rest.parent() else { break };
            let label = rest.wire().len() - parent.wire().len();
            self.buf
                .extend_from_slice(rest.wire().get(..label).unwrap_or(&[]));
            rest = parent;
        }
        self.buf.push(0);
    }

    /// Where in the question's name its suffix `name` begins. Equal bytes are enough, wherever the
    /// question's labels begin: whoever follows the pointer reads `name`.
    fn suffix_of_question(&self, name: NameRef<'_>) -> Option<usize> {
        let (asked, name) = (self.question.wire(), name.wire());
        asked.ends_with(name).then(|| asked.len() - name.len())
    }

    /// Appends records that are already in wire form with absolute offsets from an earlier reply
    /// to the same question: the CNAME chain in front of a forwarded answer.
    pub(crate) fn resume(&mut self, records: &[u8], count: u16) {
        self.buf.extend_from_slice(records);
        self.counts[0] = count;
    }

    /// The records written so far and their number, for [`Reply::resume`].
    pub(crate) fn written(&self) -> (&[u8], u16) {
        (
            self.buf.get(self.base + self.question_end..).unwrap_or(&[]),
            self.counts[0],
        )
    }

    /// Completes the message: counts, flags and the EDNS record. Its length in bytes.
    pub fn finish(self) -> usize {
        let mut extra = self.counts[2];
        if let Some(edns) = self.edns {
            write_opt(self.buf, self.rcode, edns.dnssec_ok);
            extra = extra.saturating_add(1);
        }
        let flags = self.flags | (self.rcode.0 & 0xf);
        let words = [flags, 1, self.counts[0], self.counts[1], extra];
        let header = self
            .buf
            .get_mut(self.base + 2..self.base + HEADER)
            .unwrap_or(&mut []);
        for (to, word) in header.chunks_exact_mut(2).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        self.buf.len() - self.base
    }
}

/// Appends an EDNS record without options.
fn write_opt(buf: &mut Vec<u8>, rcode: Rcode, dnssec_ok: bool) {
    let [p0, p1] = u16::try_from(UDP_MAX).unwrap_or(512).to_be_bytes();
    let high = (rcode.0 >> 4).to_be_bytes()[1];
    let z = if dnssec_ok { 0x80 } else { 0 };
    buf.extend_from_slice(&[0, 0, 41, p0, p1, high, 0, z, 0, 0, 0]);
}

impl Malformed {
    /// Appends the bare reply; false if nothing is to be sent.
    pub fn encode(self, buf: &mut Vec<u8>) -> bool {
        let Self::Refuse { id, flags, rcode } = self else {
            return false;
        };
        // Opcode and RD are echoed.
        let flags = QR | (flags & 0x7900) | (rcode.0 & 0xf);
        let extended = rcode.0 > 0xf;
        buf.extend_from_slice(&id.to_be_bytes());
        buf.extend_from_slice(&flags.to_be_bytes());
        buf.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, u8::from(extended)]);
        if extended {
            write_opt(buf, rcode, false);
        }
        true
    }
}

#[cfg(test)]
mod tests;
