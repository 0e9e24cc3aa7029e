//! How a listing walks an index: where it begins and ends, what is rolled up, and what a page holds.
//!
//! Keys order by bytes. A bound is always "from here on", so "after key k" is k followed by a zero byte,
//! and "after everything that begins with p" is p with its last byte raised.

/// The range and the folding of one listing.
pub(crate) struct Scan {
    prefix: String,
    delimiter: String,
    end: Vec<u8>,
    max: usize,
}

/// The least bound above a key.
pub(crate) fn after_key(key: &str) -> Vec<u8> {
    [key.as_bytes(), &[0]].concat()
}

/// The least bound above all keys that begin so. UTF-8 has no byte 0xff, so raising the last byte is
/// always possible, and 0xff is above every key.
pub(crate) fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut bound = prefix.as_bytes().to_vec();
    match bound.last_mut() {
        Some(last) => *last = last.saturating_add(1),
        None => bound.push(0xff),
    }
    bound
}

impl Scan {
    pub(crate) fn new(prefix: &str, delimiter: &str, max: usize) -> Scan {
        Scan {
            prefix: prefix.to_owned(),
            delimiter: delimiter.to_owned(),
            end: after_prefix(prefix),
            max,
        }
    }

    /// The bound that no key of this listing reaches.
    pub(crate) fn end(&self) -> &[u8] {
        &self.end
    }

    /// A bound, raised to where the prefix begins.
    pub(crate) fn clamp(&self, from: Vec<u8>) -> Vec<u8> {
        if from.as_slice() < self.prefix.as_bytes() {
            self.prefix.as_bytes().to_vec()
        } else {
            from
        }
    }

    /// Whether nothing is asked for. Such a page is not truncated, as on S3.
    pub(crate) fn is_empty(&self) -> bool {
        self.max == 0
    }

    /// Whether a key is listed itself.
    pub(crate) fn shows(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && self.roll(key).is_none()
    }

    /// Where a listing after `marker` begins. A marker that is itself a common prefix of this listing (as
    /// the one before returned it) passes over everything below it.
    pub(crate) fn after_marker(&self, marker: &str) -> Vec<u8> {
        match self.roll(marker) {
            Some(prefix) if prefix == marker => after_prefix(marker),
            _ => after_key(marker),
        }
    }

    /// The common prefix that a key is rolled up into: up to and with the first delimiter after the prefix.
    pub(crate) fn roll<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let at = rest.find(self.delimiter.as_str())?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }
}

/// A page being filled.
pub(crate) struct Collector<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) truncated: bool,
    /// Where the next page begins.
    pub(crate) next: Vec<u8>,
    pub(crate) ends_with_prefix: bool,
    max: usize,
}

impl<T> Collector<T> {
    pub(crate) fn new(scan: &Scan) -> Collector<T> {
        Collector {
            entries: Vec::new(),
            prefixes: Vec::new(),
            truncated: false,
            next: Vec::new(),
            ends_with_prefix: false,
            max: scan.max,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() + self.prefixes.len() >= self.max
    }

    pub(crate) fn add(&mut self, entry: T, next: Vec<u8>) {
        self.entries.push(entry);
        self.next = next;
        self.ends_with_prefix = false;
    }

    /// Adds a common prefix and returns where to go on.
    pub(crate) fn add_prefix(&mut self, prefix: &str) -> Vec<u8> {
        self.next = after_prefix(prefix);
        self.prefixes.push(prefix.to_owned());
        self.ends_with_prefix = true;
        self.next.clone()
    }

    /// The last key or common prefix.
    pub(crate) fn last_name(&self, key: impl Fn(&T) -> String) -> Option<String> {
        match self.ends_with_prefix {
            true => self.prefixes.last().cloned(),
            false => self.entries.last().map(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_roll_up_at_the_first_delimiter_after_the_prefix() {
        // prefix, delimiter, key, common prefix
        let cases = [
            ("", "/", "a/b/c", Some("a/")),
            ("a/", "/", "a/b/c", Some("a/b/")),
            ("a", "/", "a/b", Some("a/")),
            ("a/", "/", "a/b", None),
            ("", "", "a/b", None),
            ("", "--", "a-b--c--d", Some("a-b--")),
            ("", "é", "caféé", Some("café")),
            ("", "/", "/x", Some("/")),
        ];
        for (prefix, delimiter, key, expected) in cases {
            assert_eq!(Scan::new(prefix, delimiter, 1).roll(key), expected, "{key}");
        }
    }

    #[test]
    fn bounds_are_tight() {
        assert!(after_key("a").as_slice() > "a".as_bytes());
        assert!(after_key("a").as_slice() <= "a\0".as_bytes());
        for inside in ["a/", "a/b", "a/\u{10ffff}"] {
            assert!(inside.as_bytes() < after_prefix("a/").as_slice());
        }
        assert!("a0".as_bytes() >= after_prefix("a/").as_slice());
        assert!("\u{10ffff}".as_bytes() < after_prefix("").as_slice());
        let scan = Scan::new("", "/", 1);
        assert_eq!(scan.after_marker("a/"), after_prefix("a/"));
        assert_eq!(scan.after_marker("a/b"), after_key("a/b"));
    }
}
