//! Values as text: how sub-resources of a bucket are kept.
//!
//! The text is JSON. What JSON has no form for stands in an object with one member whose name no
//! structure has: moments as `{"@time": milliseconds}`, bytes as `{"@bytes": base64}`.

use adit_wire::{Map, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const TIME: &str = "@time";
const BYTES: &str = "@bytes";

/// A value as text.
pub fn write(value: &Value) -> String {
    to_json(value).to_string()
}

/// The value that a text of [`write()`] stands for; `None` when the text is no such text.
pub fn read(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().map(from_json)
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Str(text) => json!(text),
        Value::Blob(bytes) => json!({ BYTES: STANDARD.encode(bytes) }),
        Value::Time { millis } => json!({ TIME: millis }),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => {
            let members = map.iter().filter(|(_, value)| !value.is_null());
            let members = members.map(|(name, value)| (name.to_string(), to_json(value)));
            serde_json::Value::Object(members.collect())
        }
    }
}

fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::Str(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(members) => special(&members).unwrap_or_else(|| {
            let members = members
                .into_iter()
                .map(|(name, value)| (name, from_json(value)));
            Value::Map(members.collect::<Map>())
        }),
    }
}

fn special(members: &serde_json::Map<String, serde_json::Value>) -> Option<Value> {
    if members.len() != 1 {
        return None;
    }
    match (members.get(TIME), members.get(BYTES)) {
        (Some(millis), _) => Some(Value::Time {
            millis: millis.as_i64()?,
        }),
        (_, Some(bytes)) => Some(Value::Blob(STANDARD.decode(bytes.as_str()?).ok()?)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use adit_wire::{list, map};

    use super::*;

    #[test]
    fn values_come_back() {
        let value = map! {
            "Rules" => list![
                map! { "ID" => "a", "Days" => 3i64, "On" => true },
                map! { "Date" => Value::Time { millis: 1_700_000_000_123 }, "Ratio" => 0.5 },
            ],
            "Raw" => Value::Blob(vec![0, 255]),
            "Empty" => list![],
        };
        assert_eq!(read(&write(&value)), Some(value));
        assert_eq!(read("{"), None);
    }
}
