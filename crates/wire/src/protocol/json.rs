//! JSON 1.0 and 1.1, with a table and without.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::WireError;
use super::scalar::{self, Path};
use super::text::shortened;
use crate::request::Parts;
use crate::tables::{Kind, Operation, ShapeId, Structure, Table, TimeForm};
use crate::value::{Map, Value};

/// Largest JSON body: DynamoDB takes 16 MiB, nothing else comes near.
const MOST_BYTES: usize = 16 << 20;

fn parse(body: &[u8]) -> Result<serde_json::Value, WireError> {
    if body.len() > MOST_BYTES {
        return Err(WireError::TooLarge { what: "JSON body" });
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    // The parser itself stops at a depth of 128.
    serde_json::from_slice(body).map_err(|error| WireError::Malformed {
        reason: error.to_string(),
    })
}

/// Decodes the input of `op`.
pub(super) fn decode(
    table: &'static Table,
    op: &Operation,
    parts: &Parts<'_>,
) -> Result<Value, WireError> {
    let body = parse(parts.body)?;
    let reader = JsonReader { table };
    match op
        .input
        .map(|id| table.shape(id))
        .and_then(|s| s.structure())
    {
        Some(structure) => reader.structure(structure, &body, &Path::Root),
        None => Ok(Value::Map(Map::new())),
    }
}

/// Decodes JSON without a table.
pub(super) fn decode_free(parts: &Parts<'_>) -> Result<Value, WireError> {
    match parse(parts.body)? {
        object @ serde_json::Value::Object(_) => Ok(free(object)),
        _ => Err(WireError::Malformed {
            reason: "the body is no JSON object".to_owned(),
        }),
    }
}

fn free(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::Str(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(free).collect()),
        serde_json::Value::Object(members) => Value::Map(
            members
                .into_iter()
                .map(|(key, value)| (key, free(value)))
                .collect(),
        ),
    }
}

struct JsonReader {
    table: &'static Table,
}

impl JsonReader {
    fn structure(
        &self,
        structure: &'static Structure,
        json: &serde_json::Value,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        let Some(object) = json.as_object() else {
            return Err(self.unlike(path, "", "a structure"));
        };
        let mut map = Map::with_capacity(object.len());
        for (name, value) in object {
            let member = structure
                .members
                .iter()
                .find(|member| member.wire == name)
                .ok_or_else(|| WireError::UnknownParameter {
                    parameter: shortened(name),
                })?;
            if value.is_null() {
                continue;
            }
            let path = Path::Member(path, member);
            map.push(member.name, self.value(member.shape, value, &path)?);
        }
        scalar::complete(self.table.service, path, structure, &map)?;
        Ok(Value::Map(map))
    }

    fn value(
        &self,
        id: ShapeId,
        json: &serde_json::Value,
        path: &Path<'_>,
    ) -> Result<Value, WireError> {
        use serde_json::Value as Json;
        let shape = self.table.shape(id);
        let shown = json
            .as_str()
            .filter(|_| !shape.sensitive)
            .unwrap_or_default();
        let value = match (&shape.kind, json) {
            (Kind::Structure(structure), _) => return self.structure(structure, json, path),
            (Kind::List { member, .. }, Json::Array(items)) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.value(*member, item, &Path::Item(path, at + 1)))
                    .collect::<Result<Vec<Value>, WireError>>()?;
                scalar::length(self.table.service, path, shape, items.len(), "")?;
                return Ok(Value::List(items));
            }
            (Kind::Map { value, .. }, Json::Object(members)) => {
                let mut map = Map::with_capacity(members.len());
                for (key, content) in members {
                    let content = self.value(*value, content, &Path::Key(path, key))?;
                    map.push(key.clone(), content);
                }
                return Ok(Value::Map(map));
            }
            (Kind::String { .. }, Json::String(text)) => Value::Str(text.clone()),
            (Kind::Boolean, Json::Bool(flag)) => Value::Bool(*flag),
            (Kind::Blob, Json::String(text)) => match STANDARD.decode(text) {
                Ok(bytes) => Value::Blob(bytes),
                Err(_) => return Err(self.unlike(path, shown, "base64")),
            },
            (Kind::Integer, Json::Number(number)) => match whole(number) {
                Some(number) => Value::Int(number),
                None => return Err(self.unlike(path, shown, "an integer")),
            },
            (Kind::Float, Json::Number(number)) => {
                Value::Float(number.as_f64().unwrap_or_default())
            }
            (Kind::Timestamp(_), Json::Number(number)) => {
                let seconds = number.as_f64().unwrap_or_default().clamp(-1e12, 1e12);
                Value::Time {
                    millis: (seconds * 1000.0).round() as i64,
                }
            }
            (Kind::Timestamp(_), Json::String(text)) => {
                return scalar::parse(self.table.service, path, shape, TimeForm::Default, text);
            }
            (kind, _) => return Err(self.unlike(path, shown, word(kind))),
        };
        scalar::check(self.table.service, path, shape, value)
    }

    fn unlike(&self, path: &Path<'_>, shown: &str, wanted: &str) -> WireError {
        WireError::InvalidValue {
            parameter: path.show(self.table.service),
            value: shortened(shown),
            expected: format!("Member must be {wanted}"),
        }
    }
}

/// A whole number, also when written as `3.0`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "a structure",
        Kind::List { .. } => "a list",
        Kind::Map { .. } => "a map",
        Kind::String { .. } => "a string",
        Kind::Integer => "an integer",
        Kind::Float => "a number",
        Kind::Boolean => "a boolean",
        Kind::Blob => "base64",
        Kind::Timestamp(_) => "a moment",
    }
}

/// Writes JSON. With a table, members that it does not know are left out and moments are seconds;
/// without one, moments are ISO 8601.
pub(super) struct JsonWriter {
    pub(super) table: Option<&'static Table>,
    pub(super) out: Vec<u8>,
}

impl JsonWriter {
    pub(super) fn text(&mut self, text: &str) {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    pub(super) fn structure(&mut self, structure: &Structure, value: &Value) {
        self.out.push(b'{');
        let mut first = true;
        for (name, value) in value.map().into_iter().flat_map(Map::iter) {
            let Some(member) = structure.member(name) else {
                continue;
            };
            if value.is_null() {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.text(member.wire);
            self.out.push(b':');
            self.value(Some(member.shape), value);
        }
        self.out.push(b'}');
    }

    pub(super) fn value(&mut self, id: Option<ShapeId>, value: &Value) {
        let shape = self.table.zip(id).map(|(table, id)| table.shape(id));
        match value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(flag) => {
                self.out
                    .extend_from_slice(if *flag { b"true" } else { b"false" });
            }
            Value::Int(number) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => {
                let _ = serde_json::to_writer(&mut self.out, number);
            }
            Value::Str(text) => self.text(text),
            Value::Blob(bytes) => {
                let text = STANDARD.encode(bytes);
                self.text(&text);
            }
            Value::Time { millis } if shape.is_some() => {
                let seconds = *millis as f64 / 1000.0;
                let _ = serde_json::to_writer(&mut self.out, &seconds);
            }
            Value::Time { millis } => {
                let text = crate::time::iso8601(*millis, false);
                self.text(&text);
            }
            Value::List(items) => {
                let item = match shape.map(|shape| &shape.kind) {
                    Some(Kind::List { member, .. }) => Some(*member),
                    _ => None,
                };
                self.out.push(b'[');
                for (at, value) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.value(item, value);
                }
                self.out.push(b']');
            }
            Value::Map(map) => match shape.map(|shape| &shape.kind) {
                Some(Kind::Structure(structure)) => self.structure(structure, value),
                kind => {
                    let content = match kind {
                        Some(Kind::Map { value, .. }) => Some(*value),
                        _ => None,
                    };
                    self.free_map(map, content);
                }
            },
        }
    }

    fn free_map(&mut self, map: &Map, content: Option<ShapeId>) {
        self.out.push(b'{');
        let mut first = true;
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.text(name);
            self.out.push(b':');
            self.value(content, value);
        }
        self.out.push(b'}');
    }
}
