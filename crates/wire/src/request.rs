//! A request as plain parts: what the HTTP library of the caller has read, borrowed.

/// A request. Nothing is decoded: signatures are computed over the bytes as sent.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The method in upper case, as sent.
    pub method: &'a str,
    /// The path as sent, percent-encoded, starting with `/`.
    pub path: &'a str,
    /// The query as sent, without `?`; empty when there is none.
    pub query: &'a str,
    /// All header fields in order.
    pub headers: Headers<'a>,
    /// The body, or empty where it streams past the codec.
    pub body: &'a [u8],
}

/// Header fields in the order they came; repeated names stay apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a>(pub &'a [(&'a str, &'a [u8])]);

impl<'a> Headers<'a> {
    /// All fields whose name is `name`, which must be given in lower case.
    pub fn all(self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The first field `name` as bytes.
    pub fn bytes(self, name: &str) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The first field `name` as text; `None` when absent or not UTF-8.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.bytes(name)
            .and_then(|value| std::str::from_utf8(value.trim_ascii()).ok())
    }

    /// True when there is a field `name`.
    pub fn has(self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// All fields.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter().copied()
    }
}
