//! Between our values and etcd's JSON: keys and values in base64, numbers as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Failure;
use crate::journal::Entry;

/// One transaction as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transaction {
    /// Its generation.
    pub(super) generation: u64,
    /// Like no other's: who wrote a generation knows its own again.
    id: String,
    /// When, in milliseconds since the epoch.
    at: u64,
    who: String,
    operation: String,
    /// Kind, key and new body of what changed.
    pub(super) changes: Vec<(String, String, Option<String>)>,
}

impl Transaction {
    /// An entry of the journal as text, with an id of its own.
    pub(super) fn write(entry: &Entry, id: String) -> String {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let transaction = Transaction {
            generation: entry.intent.generation.0,
            id,
            at: since.map_or(0, |d| d.as_millis() as u64),
            who: entry.who.clone(),
            operation: entry.operation.clone(),
            changes: entry
                .changes
                .iter()
                .map(|c| (c.kind.name().to_string(), c.key.clone(), c.body.clone()))
                .collect(),
        };
        // Plain data with string keys: serialising it cannot fail.
        serde_json::to_string(&transaction).unwrap_or_default()
    }

    /// The transaction of such a text.
    pub(super) fn read(text: &str) -> Result<Transaction, Failure> {
        serde_json::from_str(text)
            .map_err(|why| Failure::Content(format!("a transaction cannot be read: {why}")))
    }
}

/// Text as etcd's JSON wants it.
pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn plain(value: &Value) -> Option<String> {
    // An empty value is left out.
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).ok()?;
    String::from_utf8(bytes).ok()
}

/// Key and value of one of etcd's pairs.
pub(super) fn pair(kv: &Value) -> Result<(String, String), Failure> {
    plain(&kv["key"])
        .zip(plain(&kv["value"]))
        .ok_or_else(|| Failure::Content("a key or value is no text".into()))
}

/// The value of one of etcd's pairs.
pub(super) fn text_of(kv: &Value) -> Option<String> {
    plain(&kv["value"])
}

/// A number: etcd writes 64 bits as text.
pub(super) fn count(value: &Value) -> i64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| value.as_i64())
        .unwrap_or_default()
}
