//! Holds an output against its table: for tests of operations.

use crate::tables::{Kind, Shape, Table};
use crate::value::Value;

/// Appends the path of everything in `value` that `shape` has no room for.
pub(super) fn check(
    table: &Table,
    shape: &Shape,
    value: &Value,
    path: &str,
    wrong: &mut Vec<String>,
) {
    let fits = match (&shape.kind, value) {
        (_, Value::Null) => true,
        (Kind::Structure(structure), Value::Map(map)) => {
            for (name, value) in map.iter() {
                let path = format!("{path}.{name}");
                match structure.member(name) {
                    Some(member) => check(table, table.shape(member.shape), value, &path, wrong),
                    None => wrong.push(format!("{path}: no such member of {}", shape.name)),
                }
            }
            true
        }
        (Kind::List { member, .. }, Value::List(items)) => {
            for (at, item) in items.iter().enumerate() {
                check(
                    table,
                    table.shape(*member),
                    item,
                    &format!("{path}[{at}]"),
                    wrong,
                );
            }
            true
        }
        (Kind::Map { value: id, .. }, Value::Map(map)) => {
            for (name, value) in map.iter() {
                check(
                    table,
                    table.shape(*id),
                    value,
                    &format!("{path}[{name}]"),
                    wrong,
                );
            }
            true
        }
        (Kind::String { allowed }, Value::Str(text)) => {
            if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
                wrong.push(format!("{path}: `{text}` is none of {allowed:?}"));
            }
            true
        }
        (Kind::Integer, Value::Int(_))
        | (Kind::Float, Value::Float(_) | Value::Int(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Blob, Value::Blob(_))
        | (Kind::Timestamp(_), Value::Time { .. }) => true,
        _ => false,
    };
    if !fits {
        wrong.push(format!(
            "{path}: a {} does not fit {}",
            value.kind(),
            shape.name
        ));
    }
}
