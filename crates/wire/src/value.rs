//! The one value type between the wire and the operations.
//!
//! Keys are the member names of the AWS API reference (`VpcEndpointId`, `Tags`), never wire names
//! (`vpcEndpointIdSet`, `TagSpecification.1`): the codec translates in both directions.

use std::borrow::Cow;

/// A decoded request or a reply to encode.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// No value. A member that is `Null` is left out when encoded.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number; the wire's `integer` and `long`.
    Int(i64),
    /// A decimal number; the wire's `float` and `double`.
    Float(f64),
    /// Text, enumerations included.
    Str(String),
    /// Bytes; base64 on most wires, raw as an HTTP payload.
    Blob(Vec<u8>),
    /// A moment. Written with whole seconds where the milliseconds are zero and the service allows it.
    Time {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        millis: i64,
    },
    /// A list.
    List(Vec<Value>),
    /// A structure, or a map with keys chosen by the caller.
    Map(Map),
}

/// Shared by accessors that must hand out a reference when nothing is there.
static NULL: Value = Value::Null;

impl Value {
    /// The member `name`, or `Null` when this is no map or has no such member.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Value::Map(map) => map.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// True for `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text, if this is text.
    pub fn str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a whole number.
    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, whole or decimal.
    pub fn float(&self) -> Option<f64> {
        match self {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The bytes of a blob, or of text.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Blob(bytes) => Some(bytes),
            Value::Str(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Milliseconds since the epoch, if this is a moment.
    pub fn millis(&self) -> Option<i64> {
        match self {
            Value::Time { millis } => Some(*millis),
            _ => None,
        }
    }

    /// The items; an empty slice when this is no list, so that an absent list reads as empty.
    /// Use [`Value::is_null`] where absent and empty differ.
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The texts of a list of text; other items are passed over.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.list().iter().filter_map(Value::str)
    }

    /// The map, if this is one.
    pub fn map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The map, to change it.
    pub fn map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// One word for the kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::Str(_) => "string",
            Value::Blob(_) => "blob",
            Value::Time { .. } => "timestamp",
            Value::List(_) => "list",
            Value::Map(_) => "structure",
        }
    }
}

/// Members in insertion order. Names of structure members are static, names that a caller chose
/// are owned. Lookups are linear: structures are small, and decoders bound maps that are not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    entries: Vec<(Cow<'static, str>, Value)>,
}

impl Map {
    /// An empty map.
    pub const fn new() -> Map {
        Map {
            entries: Vec::new(),
        }
    }

    /// An empty map with room for `members`.
    pub fn with_capacity(members: usize) -> Map {
        Map {
            entries: Vec::with_capacity(members),
        }
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The value under `name`, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.entries
            .iter_mut()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// True when `name` is there, `Null` or not.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets `name`, keeping its place when it was there; returns what it replaced.
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Option<Value> {
        let name = name.into();
        let value = value.into();
        match self.get_mut(&name) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => {
                self.entries.push((name, value));
                None
            }
        }
    }

    /// Appends without looking whether `name` is there already: for builders that know.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.entries.push((name.into(), value.into()));
    }

    /// Takes `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(key, _)| key == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Members in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_ref(), value))
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no member.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in insertion order, by position.
    pub fn entries(&self) -> &[(Cow<'static, str>, Value)] {
        &self.entries
    }
}

impl IntoIterator for Map {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<K: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Map {
        Map {
            entries: pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        }
    }
}

macro_rules! from {
    ($($ty:ty => |$it:ident| $make:expr;)*) => {
        $(impl From<$ty> for Value {
            fn from($it: $ty) -> Value { $make }
        })*
    };
}

from! {
    bool => |v| Value::Bool(v);
    i64 => |v| Value::Int(v);
    i32 => |v| Value::Int(v.into());
    u32 => |v| Value::Int(v.into());
    u16 => |v| Value::Int(v.into());
    u8 => |v| Value::Int(v.into());
    // Counts and sizes; beyond i64 they saturate, which no counter of ours reaches.
    u64 => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX));
    usize => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX));
    f64 => |v| Value::Float(v);
    &str => |v| Value::Str(v.to_owned());
    String => |v| Value::Str(v);
    &String => |v| Value::Str(v.clone());
    Cow<'_, str> => |v| Value::Str(v.into_owned());
    Vec<u8> => |v| Value::Blob(v);
    Map => |v| Value::Map(v);
    Vec<Value> => |v| Value::List(v);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

macro_rules! from_list {
    ($($ty:ty),*) => {
        $(impl From<Vec<$ty>> for Value {
            fn from(items: Vec<$ty>) -> Value {
                Value::List(items.into_iter().map(Value::from).collect())
            }
        })*
    };
}

from_list!(String, &str, Map, i64, bool);

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

/// Builds a [`Value::Map`]: `map! { "VpcId" => id, "Tags" => tags }`.
///
/// A value that is `None` becomes `Null` and is left out on the wire.
#[macro_export]
macro_rules! map {
    () => { $crate::value::Value::Map($crate::value::Map::new()) };
    ($($name:expr => $value:expr),+ $(,)?) => {{
        let mut map = $crate::value::Map::with_capacity([$(stringify!($name)),+].len());
        $(map.push($name, $value);)+
        $crate::value::Value::Map(map)
    }};
}

/// Builds a [`Value::List`]: `list!["a", "b"]`.
#[macro_export]
macro_rules! list {
    ($($value:expr),* $(,)?) => {
        $crate::value::Value::List(vec![$($crate::value::Value::from($value)),*])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_place() {
        let mut value = map! { "B" => 1i64, "A" => "x", "C" => None::<String> };
        let map = value.map_mut().unwrap();
        map.insert("B", true);
        let names: Vec<&str> = map.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["B", "A", "C"]);
        assert_eq!(map.get("B"), Some(&Value::Bool(true)));
        assert!(value.get("C").is_null());
        assert!(value.get("absent").get("deeper").is_null());
    }

    #[test]
    fn lists_read_as_empty_when_absent() {
        let value = map! { "Ids" => list!["a", "b"] };
        assert_eq!(value.get("Ids").strings().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(value.get("Other").list().len(), 0);
    }
}
