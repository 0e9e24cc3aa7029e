//! Walking a message record by record: upstream replies and our own, for the query log.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::name::{MAX_LABEL, MAX_NAME, Name};
use crate::wire::HEADER;
use crate::wire::query::skip_name;
use crate::wire::record::{Class, Rcode, RecordType};

/// The part of a message a record stands in, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// Who is responsible; the SOA of a negative answer.
    Authority = 1,
    /// What may help.
    Additional = 2,
}

/// Bytes that are no DNS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message is malformed at byte {0}")]
pub struct MessageError(pub usize);

/// A message with exactly one question whose records can be walked.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    flags: u16,
    counts: [u16; 3],
    question_end: usize,
}

/// One record of a [`Message`]. Its parts are read on demand.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    at: usize,
    rdata: (usize, usize),
    /// The section it stands in.
    pub section: Section,
    /// Its type.
    pub rtype: RecordType,
    /// Its class, or an EDNS record's payload size.
    pub class: Class,
    /// Seconds it may be kept, or an EDNS record's flags.
    pub ttl: u32,
}

impl<'a> Message<'a> {
    /// Reads header and question.
    ///
    /// # Errors
    /// The header or the question is cut off or malformed, or there is not one question.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(MessageError(bytes.len()))?;
        let word = |at: usize| {
            u16::from_be_bytes([
                header.get(at).copied().unwrap_or(0),
                header.get(at + 1).copied().unwrap_or(0),
            ])
        };
        if word(4) != 1 {
            return Err(MessageError(4));
        }
        let question_end = skip_name(bytes, HEADER)
            .map(|at| at + 4)
            .filter(|end| *end <= bytes.len())
            .ok_or(MessageError(HEADER))?;
        Ok(Self {
            bytes,
            flags: word(2),
            counts: [word(6), word(8), word(10)],
            question_end,
        })
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.bytes
            .first_chunk()
            .map_or(0, |id: &[u8; 2]| u16::from_be_bytes(*id))
    }

    /// QR: this is a response.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The kind of query; 0 is a standard one.
    #[must_use]
    pub const fn opcode(&self) -> u16 {
        self.flags >> 11 & 0xf
    }

    /// TC: something did not fit.
    #[must_use]
    pub const fn truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// AA: the answer is authoritative.
    #[must_use]
    pub const fn authoritative(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    /// The response code of the header, without the EDNS part.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        Rcode(self.flags & 0xf)
    }

    /// The question section as it stands.
    #[must_use]
    pub fn question_wire(&self) -> &'a [u8] {
        self.bytes.get(HEADER..self.question_end).unwrap_or(&[])
    }

    /// All records in order. Ends early, with an error, at the first malformed one.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'a>, MessageError>> + use<'a> {
        let (bytes, mut at, mut left) = (self.bytes, self.question_end, self.counts);
        std::iter::from_fn(move || {
            let sections = [Section::Answer, Section::Authority, Section::Additional];
            let (count, section) = left
                .iter_mut()
                .zip(sections)
                .find(|(count, _)| **count > 0)?;
            *count -= 1;
            match Record::read(bytes, at, section) {
                Some((record, next)) => {
                    at = next;
                    Some(Ok(record))
                }
                None => {
                    left = [0; 3];
                    Some(Err(MessageError(at)))
                }
            }
        })
    }
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8], at: usize, section: Section) -> Option<(Self, usize)> {
        let fixed = skip_name(bytes, at)?;
        let [t0, t1, c0, c1, s0, s1, s2, s3, l0, l1] = *bytes.get(fixed..)?.first_chunk()?;
        let start = fixed + 10;
        let end = start + usize::from(u16::from_be_bytes([l0, l1]));
        bytes.get(start..end)?;
        let record = Self {
            bytes,
            at,
            rdata: (start, end),
            section,
            rtype: RecordType(u16::from_be_bytes([t0, t1])),
            class: Class(u16::from_be_bytes([c0, c1])),
            ttl: u32::from_be_bytes([s0, s1, s2, s3]),
        };
        Some((record, end))
    }

    /// The owner name in lower case; `None` if it is malformed.
    #[must_use]
    pub fn owner(&self) -> Option<Name> {
        Some(expand(self.bytes, self.at)?.0)
    }

    /// The data as it stands: names in it may be compressed.
    #[must_use]
    pub fn rdata(&self) -> &'a [u8] {
        self.bytes.get(self.rdata.0..self.rdata.1).unwrap_or(&[])
    }

    /// Appends the data with its names expanded (RFC 3597 section 4); `None` if malformed.
    #[must_use]
    pub fn expand_rdata(&self, out: &mut Vec<u8>) -> Option<()> {
        let (fixed, names) = match self.rtype {
            RecordType::NS | RecordType::CNAME | RecordType::PTR => (0, 1),
            RecordType::MX => (2, 1),
            RecordType::SRV => (6, 1),
            RecordType::SOA => (0, 2),
            _ => (self.rdata().len(), 0),
        };
        let (start, end) = self.rdata;
        out.extend_from_slice(self.bytes.get(start..(start + fixed).min(end))?);
        let mut at = start + fixed;
        for _ in 0..names {
            let (name, next) = expand(self.bytes, at)?;
            out.extend_from_slice(name.wire());
            at = next;
        }
        out.extend_from_slice(self.bytes.get(at..end)?);
        Some(())
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner() {
            Some(owner) => write!(f, "{owner} {} {} {self}", self.ttl, self.rtype),
            None => write!(f, "? {} {} {self}", self.ttl, self.rtype),
        }
    }
}

impl fmt::Display for Record<'_> {
    /// The data in zone file form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = Vec::new();
        if self.expand_rdata(&mut data).is_none() {
            return f.write_str("malformed");
        }
        write_rdata(f, self.rtype, &data)
    }
}

/// Writes uncompressed record data in zone file form; unknown or odd data as in RFC 3597.
pub(crate) fn write_rdata(f: &mut dyn fmt::Write, rtype: RecordType, data: &[u8]) -> fmt::Result {
    match text_of(rtype, data) {
        Some(text) => f.write_str(&text),
        None => {
            write!(f, "\\# {}", data.len())?;
            if !data.is_empty() {
                f.write_char(' ')?;
            }
            data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
}

fn text_of(rtype: RecordType, data: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?));
    let name_at = |at: usize| {
        let rest = data.get(at..)?;
        Name::from_wire(rest.get(..crate::name::wire_len(rest)?)?).ok()
    };
    let text = match rtype {
        RecordType::A => Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
        RecordType::AAAA => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
        RecordType::NS | RecordType::CNAME | RecordType::PTR => name_at(0)?.to_string(),
        RecordType::MX => format!("{} {}", word(0)?, name_at(2)?),
        RecordType::SRV => format!("{} {} {} {}", word(0)?, word(2)?, word(4)?, name_at(6)?),
        RecordType::SOA => {
            let (primary, mut at) = (name_at(0)?, name_at(0)?.wire().len());
            let mailbox = name_at(at)?;
            at += mailbox.wire().len();
            let (numbers, _) = data.get(at..)?.as_chunks::<4>();
            let [serial, refresh, retry, expire, minimum] = <[[u8; 4]; 5]>::try_from(numbers)
                .ok()?
                .map(u32::from_be_bytes);
            format!("{primary} {mailbox} {serial} {refresh} {retry} {expire} {minimum}")
        }
        RecordType::TXT | RecordType::SPF => strings(data)?,
        RecordType::CAA => {
            let (&[flags, len], rest) = data.split_first_chunk()?;
            let (tag, value) = rest.split_at_checked(usize::from(len))?;
            format!(
                "{flags} {} {}",
                std::str::from_utf8(tag).ok()?,
                quoted(value)
            )
        }
        _ => return None,
    };
    Some(text)
}

fn strings(mut data: &[u8]) -> Option<String> {
    let mut text = String::new();
    while let Some((&len, rest)) = data.split_first() {
        let (string, rest) = rest.split_at_checked(usize::from(len))?;
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&quoted(string));
        data = rest;
    }
    (!text.is_empty()).then_some(text)
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("\\{other:03}")),
        }
    }
    text.push('"');
    text
}

/// The name at `at` with pointers followed, in lower case, and the offset after it. A pointer
/// must lead to before the place where the name or the last jump began, so it cannot loop.
fn expand(bytes: &[u8], mut at: usize) -> Option<(Name, usize)> {
    let mut wire = Vec::with_capacity(64);
    let (mut after, mut low) = (None, at);
    loop {
        let len = *bytes.get(at)?;
        match len {
            0 => {
                wire.push(0);
                let name = Name::from_wire(&wire).ok()?;
                return Some((name, after.unwrap_or(at + 1)));
            }
            192.. => {
                let to = usize::from(u16::from_be_bytes([len & 0x3f, *bytes.get(at + 1)?]));
                after = after.or(Some(at + 2));
                if to >= low {
                    return None;
                }
                (at, low) = (to, to);
            }
            len if usize::from(len) <= MAX_LABEL => {
                let end = at + 1 + usize::from(len);
                wire.extend_from_slice(bytes.get(at..end)?);
                if wire.len() >= MAX_NAME {
                    return None;
                }
                at = end;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
