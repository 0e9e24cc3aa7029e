//! Percent-encoding and forms, as bytes come in.

use std::borrow::Cow;

use super::WireError;

/// Decodes `%XX`, and `+` as a space where `plus` says so. `None` for a malformed escape or when
/// the result is no UTF-8.
pub(crate) fn percent_decode(text: &str, plus: bool) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let special = |bytes: &[u8]| match plus {
        true => memchr::memchr2(b'%', b'+', bytes),
        false => memchr::memchr(b'%', bytes),
    };
    let Some(mut next) = special(bytes) else {
        return Some(Cow::Borrowed(text));
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        out.extend_from_slice(rest.get(..next)?);
        rest = match rest.get(next..)? {
            [b'%', high, low, rest @ ..] => {
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest
            }
            [b'+', rest @ ..] if plus => {
                out.push(b' ');
                rest
            }
            _ => return None,
        };
        match special(rest) {
            Some(at) => next = at,
            None => break,
        }
    }
    out.extend_from_slice(rest);
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
    let plain = |byte: &u8| is_unreserved(*byte) || (slash && *byte == b'/');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !plain(byte)) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let Some((byte, tail)) = rest.get(at..).and_then(<[u8]>::split_first) else {
            return;
        };
        out.extend_from_slice(&[
            b'%',
            HEX[usize::from(byte >> 4)],
            HEX[usize::from(byte & 15)],
        ]);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// Bytes that never need an escape (RFC 3986 §2.3).
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        at += 1;
    }
    table
};

fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[usize::from(byte)]
}

/// Whether [`percent_encode`] of what a text stands for is the text itself: as all clients that were made
/// for signatures send it.
pub(crate) fn is_canonical(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| !is_unreserved(*byte)) {
        let escape = |high: u8, low: u8| {
            let upper = |digit: u8| digit.is_ascii_digit() || matches!(digit, b'A'..=b'F');
            if !upper(high) || !upper(low) {
                return None;
            }
            Some(hex_digit(high)? << 4 | hex_digit(low)?)
        };
        rest = match rest.get(at..) {
            // Longer characters would have to be looked at as a whole.
            Some([b'%', high, low, rest @ ..])
                if escape(*high, *low).is_some_and(|b| b.is_ascii() && !is_unreserved(b)) =>
            {
                rest
            }
            _ => return false,
        };
    }
    true
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
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut out = Vec::with_capacity(8);
    for (name, value) in raw_pairs(text) {
        if out.len() == most {
            return Err(WireError::TooLarge { what: "parameters" });
        }
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

/// The name-value pairs of a query, as they were sent. Pieces that are empty are passed over.
pub(crate) fn raw_pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    pieces(text, b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = cut(piece, b'=');
            (name, value.unwrap_or_default())
        })
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
    // In pieces: a string that grows looks at its room each time.
    for piece in bytes.chunks(16) {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(piece) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        let digits = digits.get(..piece.len() * 2).unwrap_or_default();
        out.push_str(std::str::from_utf8(digits).unwrap_or_default());
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
