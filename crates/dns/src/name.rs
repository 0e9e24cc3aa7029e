//! Domain names in their wire form, always lower-case: what is stored, looked up and compared.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::OnceLock;

/// The longest name on the wire, root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// The longest label (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;
/// The most labels that fit in [`MAX_NAME`] bytes, root not counted.
pub const MAX_LABELS: usize = 127;

/// An owned domain name: uncompressed wire form, ASCII letters lower-case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// A borrowed domain name: uncompressed wire form, ASCII letters lower-case, known to be valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameRef<'a>(&'a [u8]);

/// Why a text or a run of bytes is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label without bytes between two dots, or a leading dot.
    #[error("name `{0}` has an empty label")]
    EmptyLabel(String),
    /// A label longer than 63 bytes.
    #[error("name `{0}` has a label longer than 63 bytes")]
    LabelTooLong(String),
    /// More than 255 bytes on the wire.
    #[error("name `{0}` is longer than 255 bytes")]
    TooLong(String),
    /// A backslash that is not followed by three octal or decimal digits or one other character.
    #[error("name `{0}` has a malformed escape")]
    BadEscape(String),
    /// Bytes that are no uncompressed wire name.
    #[error("bytes are not an uncompressed wire name")]
    BadWire,
}

impl Name {
    /// The root, `.`.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Takes an uncompressed wire name, final zero included, and lower-cases it.
    ///
    /// # Errors
    /// [`NameError::BadWire`] for pointers, over-long labels or names and trailing bytes.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NameError> {
        if wire_len(bytes) != Some(bytes.len()) {
            return Err(NameError::BadWire);
        }
        let mut owned: Box<[u8]> = bytes.into();
        // Length bytes are at most 63 and so never look like an upper-case letter (65-90).
        owned.make_ascii_lowercase();
        Ok(Self(owned))
    }

    /// The borrowed form.
    #[must_use]
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }

    /// The wire bytes, final zero included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The name under `in-addr.arpa` or `ip6.arpa` that holds an address's PTR record
    /// (RFC 1035 section 3.5, RFC 3596 section 2.5).
    #[must_use]
    pub fn reverse(address: IpAddr) -> Self {
        let text = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let nibbles = v6
                    .octets()
                    .into_iter()
                    .rev()
                    .flat_map(|byte| [byte & 15, byte >> 4]);
                nibbles
                    .map(|nibble| format!("{nibble:x}."))
                    .collect::<String>()
                    + "ip6.arpa"
            }
        };
        // Such texts are always valid.
        text.parse().unwrap_or_else(|_| Self::root())
    }

    /// This name with one more label in front.
    ///
    /// # Errors
    /// The label is empty or longer than 63 bytes, or the result longer than 255 bytes.
    pub fn prepend(&self, label: &str) -> Result<Self, NameError> {
        let len = label.len();
        if len == 0 {
            return Err(NameError::EmptyLabel(format!(".{self}")));
        }
        if len > MAX_LABEL {
            return Err(NameError::LabelTooLong(format!("{label}.{self}")));
        }
        if len + 1 + self.0.len() > MAX_NAME {
            return Err(NameError::TooLong(format!("{label}.{self}")));
        }
        let mut wire = Vec::with_capacity(len + 1 + self.0.len());
        wire.push(u8::try_from(len).unwrap_or(0));
        wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        wire.extend_from_slice(&self.0);
        Ok(Self(wire.into()))
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads presentation form, with or without the final dot. `\.` and `\\` escape one character;
    /// `\DDD` is a byte in decimal as in zone files. `*` stands for itself.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label = Vec::new();
        let mut rest = text.bytes().peekable();
        if text == "." || text.is_empty() {
            return Ok(Self::root());
        }
        while let Some(byte) = rest.next() {
            match byte {
                b'.' => end_label(&mut wire, &mut label, text)?,
                b'\\' => label.push(unescape(&mut rest, text)?),
                other => label.push(other.to_ascii_lowercase()),
            }
        }
        if !label.is_empty() {
            end_label(&mut wire, &mut label, text)?;
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong(text.to_owned()));
        }
        Ok(Self(wire.into()))
    }
}

fn end_label(wire: &mut Vec<u8>, label: &mut Vec<u8>, text: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel(text.to_owned()));
    }
    let len = u8::try_from(label.len())
        .ok()
        .filter(|len| usize::from(*len) <= MAX_LABEL);
    let Some(len) = len else {
        return Err(NameError::LabelTooLong(text.to_owned()));
    };
    wire.push(len);
    wire.append(label);
    Ok(())
}

fn unescape(
    rest: &mut std::iter::Peekable<std::str::Bytes<'_>>,
    text: &str,
) -> Result<u8, NameError> {
    let bad = || NameError::BadEscape(text.to_owned());
    let first = rest.next().ok_or_else(bad)?;
    if !first.is_ascii_digit() {
        return Ok(first.to_ascii_lowercase());
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(u8::is_ascii_digit).ok_or_else(bad)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value)
        .map(|b| b.to_ascii_lowercase())
        .map_err(|_| bad())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl<'a> NameRef<'a> {
    /// Wraps bytes that the caller has already validated and lower-cased.
    pub(crate) const fn trusted(wire: &'a [u8]) -> Self {
        Self(wire)
    }

    /// The wire bytes, final zero included.
    #[must_use]
    pub const fn wire(self) -> &'a [u8] {
        self.0
    }

    /// Number of labels, root not counted.
    #[must_use]
    pub fn label_count(self) -> usize {
        self.labels().count()
    }

    /// The labels from left to right, without length bytes and root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            let label = tail
                .get(..usize::from(len))
                .filter(|label| !label.is_empty())?;
            rest = tail.get(usize::from(len)..)?;
            Some(label)
        })
    }

    /// This name without its leftmost label; `None` for the root.
    #[must_use]
    pub fn parent(self) -> Option<NameRef<'a>> {
        let (&len, tail) = self.0.split_first()?;
        if len == 0 {
            return None;
        }
        tail.get(usize::from(len)..).map(NameRef)
    }

    /// Whether this name is `zone` or lies under it.
    #[must_use]
    pub fn is_within(self, zone: NameRef<'_>) -> bool {
        let mut at = self;
        while at.0.len() > zone.0.len() {
            match at.parent() {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        at.0 == zone.0
    }

    /// An owned copy.
    #[must_use]
    pub fn to_name(self) -> Name {
        Name(self.0.into())
    }
}

impl fmt::Display for NameRef<'_> {
    /// Presentation form with the final dot, special bytes escaped as in zone files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            write_label(f, label)?;
            f.write_str(".")?;
        }
        Ok(())
    }
}

fn write_label(f: &mut fmt::Formatter<'_>, label: &[u8]) -> fmt::Result {
    for &byte in label {
        match byte {
            b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                write!(f, "\\{}", char::from(byte))?;
            }
            b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
            other => write!(f, "\\{other:03}")?,
        }
    }
    Ok(())
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Length of the uncompressed wire name at the start of `bytes`, final zero included; `None` if
/// there is none (pointer, reserved label type, too long, cut off).
pub(crate) fn wire_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        if len > MAX_LABEL || at + 1 + len > MAX_NAME {
            return None;
        }
        at += 1 + len;
        if len == 0 {
            return Some(at);
        }
    }
}

/// The hash of every suffix of one name, computed in one pass from the root outwards, so that a
/// lookup which tries several ancestors touches the name's bytes only once.
pub(crate) struct Suffixes {
    /// `hashes[d]`: hash of the suffix with `d` labels.
    hashes: [u64; MAX_LABELS + 1],
    /// `starts[i]`: offset in the wire form of the label with `i` labels before it.
    starts: [u8; MAX_LABELS + 1],
    depth: usize,
}

impl Suffixes {
    pub(crate) fn of(name: NameRef<'_>) -> Self {
        let wire = name.wire();
        let mut starts = [0u8; MAX_LABELS + 1];
        let mut depth = 0;
        let mut at = 0;
        while let Some(&len) = wire.get(at).filter(|len| **len != 0) {
            if let Some(slot) = starts.get_mut(depth) {
                // A valid name is at most 255 bytes long, so the offset fits, and its labels too.
                *slot = u8::try_from(at).unwrap_or(u8::MAX);
            }
            depth += 1;
            at += 1 + usize::from(len);
        }
        if let Some(slot) = starts.get_mut(depth) {
            *slot = u8::try_from(at).unwrap_or(u8::MAX);
        }
        let mut hashes = [0; MAX_LABELS + 1];
        let mut hash = root_hash();
        hashes[0] = hash;
        for (slot, &start) in hashes
            .iter_mut()
            .skip(1)
            .zip(starts.iter().take(depth).rev())
        {
            let from = usize::from(start);
            let len = usize::from(wire.get(from).copied().unwrap_or(0));
            hash = extend(hash, wire.get(from + 1..from + 1 + len).unwrap_or(&[]));
            *slot = hash;
        }
        Self {
            hashes,
            starts,
            depth,
        }
    }

    /// Number of labels of the whole name.
    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    /// Hash of the suffix with `depth` labels.
    pub(crate) fn hash(&self, depth: usize) -> u64 {
        self.hashes.get(depth).copied().unwrap_or(0)
    }

    /// Where in the wire form the suffix with `depth` labels starts.
    pub(crate) fn start(&self, depth: usize) -> usize {
        let before = self.depth.saturating_sub(depth);
        self.starts.get(before).copied().map_or(0, usize::from)
    }
}

/// The hash of a whole name, equal to the last of its [`Suffixes`].
pub(crate) fn hash(name: NameRef<'_>) -> u64 {
    let suffixes = Suffixes::of(name);
    suffixes.hash(suffixes.depth())
}

/// The hash of the wildcard right under the name with hash `parent`.
pub(crate) fn wildcard_hash(parent: u64) -> u64 {
    extend(parent, b"*")
}

/// A secret start value, so that nobody can choose names that collide.
fn root_hash() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| RandomState::new().hash_one(0u8))
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn extend(hash: u64, label: &[u8]) -> u64 {
    let mut state = fold(hash ^ (label.len() as u64), FACTOR);
    let (words, tail) = label.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), FACTOR);
    }
    let mut last = [0u8; 8];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    // The start value comes in twice: a known state alone does not tell the next one.
    fold(
        state ^ u64::from_le_bytes(last),
        FACTOR ^ root_hash().rotate_left(17),
    )
}

/// Multiplies to 128 bits and folds: every input bit reaches every output bit.
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[cfg(test)]
mod tests;
