//! What of a call's input and output may be written down.

use adit_wire::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What stands in the place of a secret, as in CloudTrail's records.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Words in the names of members that hold secrets, whatever the operation; in small letters.
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    value: &'a Value,
    /// Nothing of it: there are too many members.
    omitted: bool,
}

/// A value as it may be written down; none when there is nothing.
pub(super) fn shown(value: &Value) -> Option<Shown<'_>> {
    let nothing = match value {
        Value::Null => true,
        Value::Map(map) => map.iter().all(|(_, value)| value.is_null()),
        _ => false,
    };
    let mut left = MEMBERS;
    count(value, &mut left);
    let omitted = left == 0;
    (!nothing).then_some(Shown { value, omitted })
}

/// Takes the number of values there are away from `left`, and looks no further at none.
fn count(value: &Value, left: &mut usize) {
    *left = left.saturating_sub(1);
    let each = |value: &Value| {
        if *left > 0 && !value.is_null() {
            count(value, left);
        }
    };
    match value {
        Value::List(all) => all.iter().for_each(each),
        Value::Map(map) => map.iter().map(|(_, value)| value).for_each(each),
        _ => {}
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.omitted {
            let mut map = to.serialize_map(Some(1))?;
            map.serialize_entry("omitted", "too many members")?;
            return map.end();
        }
        let omitted = false;
        match self.value {
            Value::Null => to.serialize_unit(),
            Value::Bool(flag) => to.serialize_bool(*flag),
            Value::Int(number) => to.serialize_i64(*number),
            Value::Float(number) => to.serialize_f64(*number),
            Value::Str(text) if text.len() > TEXT => to.serialize_str("omitted: too long"),
            Value::Str(text) => to.serialize_str(text),
            Value::Blob(bytes) => to.collect_str(&format_args!("omitted: {} bytes", bytes.len())),
            Value::Time { millis } => to.serialize_str(&adit_wire::time::iso8601(*millis, false)),
            Value::List(all) => to.collect_seq(all.iter().map(|value| Shown { value, omitted })),
            Value::Map(all) => {
                let mut map = to.serialize_map(None)?;
                for (name, value) in all.iter().filter(|(_, value)| !value.is_null()) {
                    match is_secret(name) {
                        true => map.serialize_entry(&Lower(name), HIDDEN)?,
                        false => map.serialize_entry(&Lower(name), &Shown { value, omitted })?,
                    }
                }
                map.end()
            }
        }
    }
}

/// Whether one of the words is somewhere in a name, in letters of any case.
fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    let begins = |at: usize, word: &&str| {
        let here = name.get(at..at + word.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(word.as_bytes()))
    };
    let letters = name.iter().enumerate();
    // Few letters begin a word.
    letters
        .filter(|(_, letter)| matches!(letter.to_ascii_lowercase(), b's' | b'p' | b'c' | b'a'))
        .any(|(at, _)| SECRET.iter().any(|word| begins(at, word)))
}

/// `VpcEndpointId` as records write it: `vpcEndpointId`.
struct Lower<'a>(&'a str);

impl Serialize for Lower<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Names are short: most fit here, and need no memory of their own.
        let mut short = [0; 64];
        let ascii = self.0.as_bytes().first().is_none_or(u8::is_ascii);
        if ascii && let Some(place) = short.get_mut(..self.0.len()) {
            place.copy_from_slice(self.0.as_bytes());
            if let Some(first) = place.first_mut() {
                first.make_ascii_lowercase();
            }
            if let Ok(text) = std::str::from_utf8(place) {
                return to.serialize_str(text);
            }
        }
        let mut letters = self.0.chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        to.serialize_str(&first.chain(letters).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use adit_wire::{list, map};
    use serde_json::Value as Json;

    use super::*;

    fn json(value: &Value) -> Option<Json> {
        shown(value).map(|shown| serde_json::to_value(shown).unwrap())
    }

    #[test]
    fn every_word_can_be_found() {
        for word in SECRET {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert!(is_secret(word), "{word}");
            assert!(
                is_secret(&format!("X{}y", word.to_ascii_uppercase())),
                "{word}"
            );
        }
        for name in ["", "s", "SecretX".get(..5).unwrap(), "VpcId", "é"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn names_begin_small() {
        let long = "X".repeat(70);
        for (name, expected) in [
            ("VpcId", "vpcId"),
            ("", ""),
            ("Élan", "élan"),
            (&long, &format!("x{}", "X".repeat(69))),
        ] {
            let value = serde_json::to_value(Lower(name)).unwrap();
            assert_eq!(value, *expected);
        }
    }

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
        let shown = json(&value).unwrap();
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
        assert_eq!(shown["vpcId"], "vpc-1");
        assert_eq!(shown["accessKey"]["accessKeyId"], "AKIA");
        assert!(shown.get("nothing").is_none());
    }

    #[test]
    fn nothing_and_too_much() {
        assert_eq!(json(&map! {}), None);
        assert_eq!(json(&map! { "A" => Value::Null }), None);
        let many: Vec<Value> = (0..5000).map(Value::Int).collect();
        let much = json(&map! { "All" => Value::List(many) }).unwrap();
        assert_eq!(much["omitted"], "too many members");
        let long = json(&map! { "Text" => "x".repeat(TEXT + 1) }).unwrap();
        assert!(long.to_string().len() < 100);
    }
}
