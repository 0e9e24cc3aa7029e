//! What of a call's input and output may be written down.

use adit_wire::Value;
use serde_json::{Map, Value as Json, json};

/// What stands in the place of a secret, as in CloudTrail's records.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Words in the names of members that hold secrets, whatever the operation.
const SECRET: &[&str] = &[
    "secret",
    "password",
    "sessiontoken",
    "presharedkey",
    "privatekey",
    // Holds the shared keys of both tunnels.
    "customergatewayconfiguration",
    "authparameter",
];
/// Longest text of one member; policies are shorter.
const TEXT: usize = 32 * 1024;
/// Most members of one record.
const MEMBERS: usize = 2000;

/// A value as it may be written down: members in CloudTrail's spelling, secrets replaced, bounded.
/// None when there is nothing.
pub(super) fn shown(value: &Value) -> Option<Json> {
    let mut left = MEMBERS;
    match convert(value, &mut left) {
        Json::Null => None,
        Json::Object(map) if map.is_empty() => None,
        _ if left == 0 => Some(json!({ "omitted": "too many members" })),
        other => Some(other),
    }
}

fn convert(value: &Value, left: &mut usize) -> Json {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return Json::Null;
    }
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Str(text) if text.len() > TEXT => json!("omitted: too long"),
        Value::Str(text) => json!(text),
        Value::Blob(bytes) => json!(format!("omitted: {} bytes", bytes.len())),
        Value::Time { millis } => json!(adit_wire::time::iso8601(*millis, false)),
        Value::List(all) => all.iter().map(|one| convert(one, left)).collect(),
        Value::Map(map) => {
            let mut shown = Map::new();
            for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                let value = match is_secret(name) {
                    true => json!(HIDDEN),
                    false => convert(value, left),
                };
                shown.insert(lower(name), value);
            }
            Json::Object(shown)
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

/// `VpcEndpointId` as records write it: `vpcEndpointId`.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use adit_wire::{list, map};

    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let value = map! {
            "AccessKey" => map! { "AccessKeyId" => "AKIA", "SecretAccessKey" => "s3cret" },
            "Credentials" => list![map! { "SessionToken" => "s3cret" }],
            "Options" => map! { "TunnelOptions" => list![map! { "PreSharedKey" => "s3cret" }] },
            "CustomerGatewayConfiguration" => "<x>s3cret</x>",
            "UserPassword" => "s3cret",
            "VpcId" => "vpc-1",
            "Nothing" => Value::Null,
        };
        let shown = shown(&value).unwrap();
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
        assert_eq!(shown["vpcId"], "vpc-1");
        assert_eq!(shown["accessKey"]["accessKeyId"], "AKIA");
        assert!(shown.get("nothing").is_none());
    }

    #[test]
    fn nothing_and_too_much() {
        assert_eq!(shown(&map! {}), None);
        let many: Vec<Value> = (0..5000).map(Value::Int).collect();
        let much = shown(&map! { "All" => Value::List(many) }).unwrap();
        assert_eq!(much["omitted"], "too many members");
        let long = shown(&map! { "Text" => "x".repeat(TEXT + 1) }).unwrap();
        assert!(long.to_string().len() < 100);
    }
}
