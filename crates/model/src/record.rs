//! Domain names and record values as hosted zones write them.
//!
//! One reader for everybody: the API refuses what it cannot read, the name plane serves what it
//! reads. Names keep Route 53's spelling: lower case, other characters as `\` and three octal
//! digits, a final dot.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest name in characters without escapes (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 254;
/// Longest label.
const LONGEST_LABEL: usize = 63;

/// The record types that hosted zones may hold here.
pub const TYPES: &[&str] = &[
    "A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SPF", "SRV", "TXT",
];

/// A record's value, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordValue {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Canonical name.
    Cname(String),
    /// Name server.
    Ns(String),
    /// Pointer.
    Ptr(String),
    /// Mail exchange: preference and host.
    Mx(u16, String),
    /// Text (TXT and SPF): character strings.
    Txt(Vec<Vec<u8>>),
    /// Service location: priority, weight, port, host.
    Srv(u16, u16, u16, String),
    /// Certificate authority authorisation: flags, tag, value.
    Caa(u8, String, Vec<u8>),
    /// Start of authority: primary, mailbox, serial and the four times.
    Soa(String, String, [u32; 5]),
}

/// Why a name or value cannot be read; complete as a sentence's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);

fn error<T>(text: impl Into<String>) -> Result<T, RecordError> {
    Err(RecordError(text.into()))
}

/// A domain name in the one spelling that is stored. A leading `*` label stays as it is and is
/// shown as `\052`.
pub fn domain_name(text: &str) -> Result<String, RecordError> {
    let bytes = unescape(text.as_bytes())?;
    let bytes = match bytes.last() {
        Some((b'.', false)) => &bytes[..bytes.len() - 1],
        _ => &bytes[..],
    };
    if bytes.is_empty() {
        return match text {
            "." => Ok(".".to_string()),
            _ => error("Domain name is empty"),
        };
    }
    if bytes.len() >= LONGEST_NAME {
        return error("Domain name is too long");
    }
    let mut name = String::with_capacity(bytes.len() + 1);
    for (index, label) in bytes.split(|byte| *byte == (b'.', false)).enumerate() {
        if label.is_empty() {
            return error("Domain label is empty");
        }
        if label.len() > LONGEST_LABEL {
            return error("Domain label is too long");
        }
        // Only a label of its own at the front is a wildcard.
        if index == 0 && matches!(label, [(b'*', _)]) {
            name.push('*');
        } else {
            label.iter().for_each(|(byte, _)| push(&mut name, *byte));
        }
        name.push('.');
    }
    Ok(name)
}

/// A stored name as Route 53 shows it.
pub fn shown_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("\\052.{rest}"),
        None => name.to_string(),
    }
}

/// Whether a stored name is at or under a stored domain.
pub fn is_within(name: &str, domain: &str) -> bool {
    domain == "."
        || name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn push(name: &mut String, byte: u8) {
    match byte.to_ascii_lowercase() {
        byte @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => name.push(char::from(byte)),
        byte => {
            name.push('\\');
            for shift in [6, 3, 0] {
                name.push(char::from(b'0' + (byte >> shift & 7)));
            }
        }
    }
}

/// Bytes with `\nnn` (octal, as Route 53 writes) and `\c` resolved; true marks what was escaped.
fn unescape(text: &[u8]) -> Result<Vec<(u8, bool)>, RecordError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            bytes.push((*byte, false));
            continue;
        }
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push(((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), true));
                rest = tail;
            }
            [b'0'..=b'9', ..] => return error("Domain name has an invalid escape"),
            [byte, tail @ ..] => {
                bytes.push((*byte, true));
                rest = tail;
            }
            [] => return error("Domain name ends in an escape"),
        }
    }
    Ok(bytes)
}

impl RecordValue {
    /// Reads a value of a type.
    ///
    /// # Errors
    /// The type is not one of [`TYPES`], or the value is not of its form.
    pub fn parse(rtype: &str, text: &str) -> Result<RecordValue, RecordError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let name = |text: &str| domain_name(text);
        match (rtype, fields.as_slice()) {
            ("A", [address]) => match address.parse() {
                Ok(address) => Ok(RecordValue::A(address)),
                Err(_) => error(format!("Value is not a valid IPv4 address: '{text}'")),
            },
            ("AAAA", [address]) => match address.parse() {
                Ok(address) => Ok(RecordValue::Aaaa(address)),
                Err(_) => error(format!("Value is not a valid IPv6 address: '{text}'")),
            },
            ("CNAME", [target]) => Ok(RecordValue::Cname(name(target)?)),
            ("NS", [target]) => Ok(RecordValue::Ns(name(target)?)),
            ("PTR", [target]) => Ok(RecordValue::Ptr(name(target)?)),
            ("MX", [preference, host]) => Ok(RecordValue::Mx(number(preference)?, name(host)?)),
            ("SRV", [priority, weight, port, host]) => Ok(RecordValue::Srv(
                number(priority)?,
                number(weight)?,
                number(port)?,
                name(host)?,
            )),
            ("SOA", [primary, mailbox, times @ ..]) if times.len() == 5 => {
                let mut read = [0; 5];
                for (to, from) in read.iter_mut().zip(times) {
                    *to = number(from)?;
                }
                Ok(RecordValue::Soa(name(primary)?, name(mailbox)?, read))
            }
            ("TXT" | "SPF", _) => Ok(RecordValue::Txt(character_strings(text)?)),
            ("CAA", [flags, tag, ..]) => {
                let (_, value) = text.split_once(tag).unwrap_or_default();
                let mut strings = character_strings(value.trim())?;
                match (strings.pop(), strings.is_empty()) {
                    (Some(value), true) if is_caa_tag(tag) => {
                        Ok(RecordValue::Caa(number(flags)?, tag.to_string(), value))
                    }
                    _ => error("CAA record does not have flags, a tag and one quoted value"),
                }
            }
            (rtype, _) if TYPES.contains(&rtype) => {
                error(format!("Value is not a valid {rtype} record: '{text}'"))
            }
            (other, _) => error(format!("Records of type {other} are not supported")),
        }
    }
}

fn is_caa_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.len() <= 15 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, RecordError> {
    text.parse()
        .or_else(|_| error(format!("'{text}' is not a number in range")))
}

/// Quoted character strings, each of at most 255 bytes.
fn character_strings(text: &str) -> Result<Vec<Vec<u8>>, RecordError> {
    let invalid = "CharacterStringInvalid: value should be enclosed in quotation marks";
    let mut strings = Vec::new();
    let mut rest = text.trim_start().as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'"' {
            return error(format!("{invalid}: '{text}'"));
        }
        let mut end = 0;
        while tail.get(end).is_some_and(|byte| *byte != b'"') {
            end += if tail.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        let Some(inside) = tail.get(..end).filter(|_| end < tail.len()) else {
            return error(format!("{invalid}: '{text}'"));
        };
        let bytes: Vec<u8> = unescape(inside)?
            .into_iter()
            .map(|(byte, _)| byte)
            .collect();
        if bytes.len() > 255 {
            return error("CharacterStringTooLong: value has more than 255 characters");
        }
        strings.push(bytes);
        rest = tail.get(end + 1..).unwrap_or_default().trim_ascii_start();
    }
    match strings.is_empty() {
        true => error(format!("{invalid}: '{text}'")),
        false => Ok(strings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (text, stored) in [
            ("Example.COM", "example.com."),
            ("example.com.", "example.com."),
            ("*.example.com", "*.example.com."),
            (r"\052.example.com", "*.example.com."),
            ("a*.example.com", r"a\052.example.com."),
            (r"a\.b.example.com", r"a\056b.example.com."),
            ("_srv._tcp.x.", "_srv._tcp.x."),
            (".", "."),
        ] {
            assert_eq!(domain_name(text).as_deref(), Ok(stored), "{text}");
            assert_eq!(domain_name(stored).as_deref(), Ok(stored), "{stored}");
        }
        let long = "a".repeat(64);
        let longer = "a.".repeat(130);
        for bad in [
            "",
            "..",
            "a..b",
            long.as_str(),
            longer.as_str(),
            r"\999.x",
            "x\\",
        ] {
            assert!(domain_name(bad).is_err(), "{bad}");
        }
        assert_eq!(shown_name("*.x."), r"\052.x.");
        assert!(is_within("a.x.", "x.") && is_within("x.", "x.") && is_within("x.", "."));
        assert!(!is_within("ax.", "x.") && !is_within("x.", "a.x."));
    }

    #[test]
    fn values_are_read_or_refused() {
        for (rtype, text) in [
            ("A", "10.0.0.1"),
            ("AAAA", "fd00::1"),
            ("CNAME", "x.example.com"),
            ("MX", "10 mail.example.com"),
            ("SRV", "1 2 443 host.example.com."),
            ("TXT", r#""a b" "c\"d""#),
            ("CAA", r#"0 issue "ca.example.net; x=1""#),
            ("SOA", "ns.x. host.x. 1 7200 900 1209600 86400"),
            ("NS", "ns.x."),
            ("PTR", "host.x."),
        ] {
            assert!(RecordValue::parse(rtype, text).is_ok(), "{rtype} {text}");
        }
        for (rtype, text) in [
            ("A", "10.0.0.256"),
            ("A", "10.0.0.1 10.0.0.2"),
            ("AAAA", "10.0.0.1"),
            ("CNAME", "a..b"),
            ("MX", "mail.example.com"),
            ("MX", "70000 mail"),
            ("SRV", "1 2 host"),
            ("TXT", "bare"),
            ("TXT", r#""open"#),
            ("CAA", "0 issue"),
            ("SOA", "a b 1 2 3"),
            ("HTTPS", "1 ."),
        ] {
            assert!(RecordValue::parse(rtype, text).is_err(), "{rtype} {text}");
        }
        assert_eq!(
            RecordValue::parse("TXT", r#""a\100" "b""#),
            Ok(RecordValue::Txt(vec![b"a@".to_vec(), b"b".to_vec()]))
        );
    }
}
