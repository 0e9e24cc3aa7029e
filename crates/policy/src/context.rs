//! The request context: the condition keys of one request with their values.
//!
//! Filling a context copies nothing: values are borrowed from the request and parsed only when a
//! policy asks for them. Up to [`INLINE`] keys need no heap.

use std::net::IpAddr;

use crate::keys::{COUNT, Key};

/// How many keys a context holds without allocating.
pub const INLINE: usize = 20;

/// The value of a condition key in a request.
///
/// A list of two or more makes the key multi-valued: then only operators with `ForAllValues:` or
/// `ForAnyValue:` can match it. A list of one is the same as its element. An empty list is the same
/// as a missing key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// One string, compared as the operator's type demands.
    Text(&'a str),
    /// A list of strings.
    Texts(&'a [&'a str]),
    /// A list of strings that the context owns.
    Owned(Box<[Box<str>]>),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; pass decimals such as `1.2` as text.
    Number(i64),
    /// A time in seconds since 1970.
    Time(i64),
    /// An address.
    Address(IpAddr),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [&'a str]> for Value<'a> {
    fn from(texts: &'a [&'a str]) -> Self {
        Value::Texts(texts)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Owned(Box::new([text.into_boxed_str()]))
    }
}

impl From<Vec<String>> for Value<'_> {
    fn from(texts: Vec<String>) -> Self {
        Value::Owned(texts.into_iter().map(String::into_boxed_str).collect())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Number(value)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(value: IpAddr) -> Self {
        Value::Address(value)
    }
}

/// Names a key: a constant of [`crate::keys`], a family with a tag key, or a name in any case.
#[derive(Clone, Copy, Debug)]
pub enum KeyName<'a> {
    /// A known key.
    Known(Key),
    /// A member of a known family, for example `aws:PrincipalTag/` and `team`.
    Member(Key, &'a str),
    /// Any other name.
    Other(&'a str),
}

impl From<Key> for KeyName<'_> {
    fn from(key: Key) -> Self {
        KeyName::Known(key)
    }
}

impl<'a> From<(Key, &'a str)> for KeyName<'a> {
    fn from((family, tag): (Key, &'a str)) -> Self {
        KeyName::Member(family, tag)
    }
}

impl<'a> From<&'a str> for KeyName<'a> {
    fn from(name: &'a str) -> Self {
        match Key::split(name) {
            Some((key, "")) if !key.is_family() => KeyName::Known(key),
            Some((key, tag)) => KeyName::Member(key, tag),
            None => KeyName::Other(name),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry<'a> {
    /// `None` for keys outside the table, whose whole name is in `name`.
    key: Option<Key>,
    /// Tag key of a family member, or the name of an unknown key; empty otherwise.
    name: &'a str,
    value: Value<'a>,
}

/// The condition keys of one request.
///
/// Keys about the caller and the resource (`aws:PrincipalArn`, `aws:PrincipalAccount`,
/// `aws:PrincipalType`, `aws:username`, `aws:userid`, `aws:PrincipalIsAWSService`,
/// `aws:ResourceAccount`, `s3:ResourceAccount`) follow from the [`crate::Request`] and need not be
/// set; a value set here wins. `aws:EpochTime` follows from `aws:CurrentTime` and the reverse.
/// `aws:ViaAWSService` is `false` unless set.
///
/// ```
/// use adit_policy::{Context, keys};
/// let mut context = Context::new();
/// context.set(keys::SOURCE_VPCE, "vpce-1a2b3c4d");
/// context.set((keys::PRINCIPAL_TAG, "team"), "blue");
/// context.set("aws:securetransport", true);
/// assert!(context.contains("AWS:SourceVpce"));
/// ```
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// For a known key without tag its entry's position plus one; zero means absent.
    slots: [u16; COUNT],
    len: usize,
    inline: [Option<Entry<'a>>; INLINE],
    /// The entries after the inline ones.
    spilled: Vec<Entry<'a>>,
}

impl Default for Context<'_> {
    fn default() -> Self {
        Context {
            slots: [0; COUNT],
            len: 0,
            inline: [const { None }; INLINE],
            spilled: Vec::new(),
        }
    }
}

impl<'a> Context<'a> {
    /// An empty context.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key, replacing what it had.
    pub fn set(&mut self, name: impl Into<KeyName<'a>>, value: impl Into<Value<'a>>) {
        let (key, name) = match name.into() {
            KeyName::Known(key) => (Some(key), ""),
            KeyName::Member(key, tag) => (Some(key), tag),
            KeyName::Other(name) => (None, name),
        };
        let value = value.into();
        if let Some(at) = self.position(key, name) {
            if let Some(entry) = self.entry_mut(at) {
                entry.value = value;
            }
            return;
        }
        let entry = Entry { key, name, value };
        match self.inline.get_mut(self.len) {
            Some(place) => *place = Some(entry),
            None => self.spilled.push(entry),
        }
        self.len += 1;
        if let Some(key) = key
            && name.is_empty()
            && let Some(slot) = self.slots.get_mut(usize::from(key.0))
        {
            // A position past the 65,534th is not remembered and found by the slow way.
            *slot = u16::try_from(self.len).unwrap_or(u16::MAX);
        }
    }

    /// Sets a key if there is a value.
    pub fn set_some(&mut self, name: impl Into<KeyName<'a>>, value: Option<impl Into<Value<'a>>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Whether the key is present with at least one value.
    pub fn contains(&self, name: impl Into<KeyName<'a>>) -> bool {
        self.get(name).is_some()
    }

    /// The value of a key; an empty list counts as absent.
    pub fn get(&self, name: impl Into<KeyName<'a>>) -> Option<&Value<'a>> {
        match name.into() {
            KeyName::Known(key) => self.lookup(Some(key), ""),
            KeyName::Member(key, tag) => self.lookup(Some(key), tag),
            KeyName::Other(name) => self.lookup(None, name),
        }
    }

    /// How many keys are set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no key is set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The keys that are set, as (name or family, tag key or empty, value).
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Value<'a>)> {
        (0..self.len)
            .filter_map(|at| self.entry(at))
            .map(|entry| match entry.key {
                Some(key) => (key.name(), entry.name, &entry.value),
                None => (entry.name, "", &entry.value),
            })
    }

    pub(crate) fn lookup(&self, key: Option<Key>, name: &str) -> Option<&Value<'a>> {
        let entry = self.entry(self.position(key, name)?)?;
        let empty = match &entry.value {
            Value::Texts(texts) => texts.is_empty(),
            Value::Owned(texts) => texts.is_empty(),
            _ => false,
        };
        (!empty).then_some(&entry.value)
    }

    fn position(&self, key: Option<Key>, name: &str) -> Option<usize> {
        if let Some(key) = key
            && name.is_empty()
        {
            let slot = *self.slots.get(usize::from(key.0))?;
            if slot < u16::MAX {
                return usize::from(slot).checked_sub(1);
            }
        }
        let is_it = |entry: &Entry<'_>| entry.key == key && entry.name.eq_ignore_ascii_case(name);
        (0..self.len).find(|at| self.entry(*at).is_some_and(is_it))
    }

    fn entry(&self, at: usize) -> Option<&Entry<'a>> {
        match self.inline.get(at) {
            Some(entry) => entry.as_ref(),
            None => self.spilled.get(at - INLINE),
        }
    }

    fn entry_mut(&mut self, at: usize) -> Option<&mut Entry<'a>> {
        match self.inline.get_mut(at) {
            Some(entry) => entry.as_mut(),
            None => self.spilled.get_mut(at - INLINE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    #[test]
    fn names_are_case_insensitive_and_replace() {
        let mut context = Context::new();
        context.set("aws:sourcevpce", "vpce-1");
        context.set(keys::SOURCE_VPCE, "vpce-2");
        context.set("aws:PrincipalTag/Team", "red");
        context.set((keys::PRINCIPAL_TAG, "team"), "blue");
        context.set("my:Key", "1");
        context.set("MY:KEY", "2");
        assert_eq!(context.len(), 3);
        assert_eq!(context.get("aws:SourceVpce"), Some(&Value::Text("vpce-2")));
        assert_eq!(
            context.get("aws:principaltag/TEAM"),
            Some(&Value::Text("blue"))
        );
        assert_eq!(context.get("my:key"), Some(&Value::Text("2")));
        assert_eq!(context.get("aws:PrincipalTag/other"), None);
    }

    #[test]
    fn an_empty_list_is_absent() {
        let mut context = Context::new();
        context.set(keys::TAG_KEYS, Vec::<String>::new());
        assert!(!context.contains(keys::TAG_KEYS));
    }

    #[test]
    fn many_keys_are_kept() {
        let names: Vec<String> = (0..70_000).map(|n| format!("k:{n}")).collect();
        let mut context = Context::new();
        for name in &names[..50] {
            context.set(name.as_str(), name.as_str());
        }
        context.set(keys::SOURCE_IP, "10.0.0.1");
        assert_eq!(context.get("k:49"), Some(&Value::Text("k:49")));
        assert_eq!(context.get(keys::SOURCE_IP), Some(&Value::Text("10.0.0.1")));
    }
}
