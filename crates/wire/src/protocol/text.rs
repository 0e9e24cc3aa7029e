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

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
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
