//! Percent-encoding and forms, as bytes come in.

use std::borrow::Cow;

use super::WireError;

/// Decodes `%XX`, and `+` as a space where `plus` says so. `None` for a malformed escape or when
/// the result is no UTF-8.
pub(crate) fn percent_decode(text: &str, plus: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || (plus && b == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let high = hex_digit(*bytes.get(at + 1)?)?;
                let low = hex_digit(*bytes.get(at + 2)?)?;
                out.push(high << 4 | low);
                at += 3;
                continue;
            }
            b'+' if plus => out.push(b' '),
            other => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Values of hexadecimal digits; 0xff for every other byte.
const DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut at = 0;
    while at < 10 {
        table[b'0' as usize + at] = at as u8;
        at += 1;
    }
    while at < 16 {
        table[b'a' as usize + at - 10] = at as u8;
        table[b'A' as usize + at - 10] = at as u8;
        at += 1;
    }
    table
};

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match DIGITS[usize::from(byte)] {
        0xff => None,
        digit => Some(digit),
    }
}

/// Appends `text` percent-encoded as SigV4 wants it: all but `A-Za-z0-9-_.~`, and `/` if `slash`.
pub(crate) fn percent_encode(out: &mut Vec<u8>, text: &[u8], slash: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (slash && byte == b'/');
        if plain {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// `text` percent-encoded: all but `A-Za-z0-9-_.~` (RFC 3986 §2.3).
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = Vec::with_capacity(text.len() * 2);
    percent_encode(&mut encoded, text.as_bytes(), false);
    // What was written is ASCII.
    encoded.into_iter().map(char::from).collect()
}

/// A name and its value, decoded.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The name-value pairs of a query or form, decoded, in order. Pieces that are empty are passed over.
///
/// # Errors
/// A malformed escape, or more than `most` pairs.
pub(crate) fn pairs<'a>(text: &'a str, most: usize) -> Result<Vec<Pair<'a>>, WireError> {
    let mut out = Vec::new();
    for piece in text.split('&').filter(|piece| !piece.is_empty()) {
        if out.len() == most {
            return Err(WireError::TooLarge { what: "parameters" });
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        match (percent_decode(name, true), percent_decode(value, true)) {
            (Some(name), Some(value)) => out.push((name, value)),
            _ => {
                return Err(WireError::Malformed {
                    reason: format!("parameter `{}` is not well encoded", shortened(name)),
                });
            }
        }
    }
    Ok(out)
}

/// At most 100 characters of what somebody sent, for messages.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    out
}

/// Appends lower-case hex.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// 32 bytes from 64 lower-case hex digits.
pub(crate) fn unhex32(text: &str) -> Option<[u8; 32]> {
    /// The digits without the upper-case letters.
    const LOWER: [u8; 256] = {
        let mut table = DIGITS;
        let mut at = b'A' as usize;
        while at <= b'F' as usize {
            table[at] = 0xff;
            at += 1;
        }
        table
    };
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut out = [0; 32];
    let mut wrong = 0;
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| LOWER[usize::from(digit)]);
        wrong |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (wrong & 0xf0 == 0).then_some(out)
}

/// Cuts at the first `separator`, like `split_once`, which is slower on texts of this size.
pub(crate) fn cut(text: &str, separator: u8) -> (&str, Option<&str>) {
    match memchr::memchr(separator, text.as_bytes()) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// The pieces of `text` between separators, like `split`.
pub(crate) fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (head, tail) = cut(rest?, separator);
        rest = tail;
        Some(head)
    })
}
