//! Writing and reading netlink messages. Bytes in, values out; nothing here can panic on what the
//! kernel (or a broken kernel) sends.

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Set on attributes that hold attributes.
const NESTED: u16 = 0x8000;

/// Flags of `struct nlmsghdr`.
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

/// Builds a row of messages in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Writer {
    /// Writes one message; its sequence number is its place in the row.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        attributes: impl FnOnce(&mut Self),
    ) {
        let start = self.bytes.len();
        let sequence = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.starts.push(start);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes
            .extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        self.pad();
        attributes(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Writes an attribute.
    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    /// Writes a number in the machine's byte order, as rtnetlink has it.
    pub(crate) fn attr_u32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// Writes a number in network byte order, as nftables has it.
    pub(crate) fn attr_be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// Writes a zero-terminated text.
    pub(crate) fn attr_text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes);
    }

    /// Writes an attribute that holds attributes. Their length must stay below 64 KiB.
    pub(crate) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.attr(kind | NESTED, &[]);
        inside(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Writes bytes as they are (a C structure inside an attribute).
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the messages `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &[u8] {
        let start = self.starts.get(from).copied().unwrap_or(self.bytes.len());
        let end = self.starts.get(to).copied().unwrap_or(self.bytes.len());
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn patch(&mut self, start: usize, value: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(start).zip(value) {
            *place = *byte;
        }
    }
}

/// A received message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of a received datagram.
#[derive(Debug)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_at(self.0, 0)? as usize;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, 8)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes in a piece of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The attributes behind a C structure of the given length.
    pub(crate) fn after(payload: &'a [u8], header: usize) -> Self {
        Self(
            payload
                .get(header.next_multiple_of(4)..)
                .unwrap_or_default(),
        )
    }

    /// The value of the first attribute of a kind.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|(k, _)| *k == kind)
            .map(|(_, value)| value)
    }

    /// The attributes inside an attribute.
    pub(crate) fn nested(self, kind: u16) -> Self {
        Self(self.get(kind).unwrap_or_default())
    }

    /// A number in the machine's byte order.
    pub(crate) fn u32(self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0)
    }

    /// A number in network byte order.
    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0).map(u32::from_be)
    }

    /// A large number in network byte order.
    pub(crate) fn be64(self, kind: u16) -> Option<u64> {
        let bytes = self.get(kind)?.get(..8)?.try_into().ok()?;
        Some(u64::from_be_bytes(bytes))
    }

    /// A zero-terminated text.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        text(self.get(kind)?)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A zero-terminated text.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    std::str::from_utf8(bytes.get(..end)?).ok()
}

/// A number at a place in bytes, in the machine's byte order.
pub(crate) fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(place..place + 2)?.try_into().ok()?,
    ))
}

/// A number at a place in bytes, in the machine's byte order.
pub(crate) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(place..place + 4)?.try_into().ok()?,
    ))
}

/// A large number at a place in bytes, in the machine's byte order.
pub(crate) fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(
        bytes.get(place..place + 8)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = Writer::default();
        writer.message(16, ACK, &[1, 2, 3, 4], |w| {
            w.attr_text(3, "p-i1");
            w.nest(18, |w| w.attr_u32(1, 7));
        });
        writer.message(17, 0, &[9], |w| w.attr_be32(1, 7));
        let messages: Vec<_> = Messages(writer.bytes()).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(
            (messages[0].kind, messages[0].flags, messages[0].sequence),
            (16, 5, 0)
        );
        let attrs = Attrs::after(messages[0].payload, 4);
        assert_eq!(attrs.text(3), Some("p-i1"));
        assert_eq!(attrs.nested(18).u32(1), Some(7));
        assert_eq!(attrs.text(4), None);
        let attrs = Attrs::after(messages[1].payload, 1);
        assert_eq!(attrs.be32(1), Some(7));
        assert_eq!(
            writer.slice(1, 2).len() + writer.slice(0, 1).len(),
            writer.bytes().len()
        );
    }

    #[test]
    fn broken_bytes_end_the_iteration() {
        let mut writer = Writer::default();
        writer.message(16, 0, &[0; 16], |w| w.attr_text(3, "p-i1"));
        let whole = writer.bytes().to_vec();
        for end in 0..whole.len() {
            for message in Messages(&whole[..end]) {
                assert!(Attrs::after(message.payload, 16).count() <= 1);
            }
        }
        let mut lying = whole;
        lying[0] = 0xff;
        assert_eq!(Messages(&lying).count(), 0);
        assert_eq!(Attrs(&[0, 0, 1, 0]).count(), 0);
        assert_eq!(Attrs(&[3, 0, 1, 0]).count(), 0);
    }
}
