//! Decision records: one per request, for the one who must say who reached what, and why not.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use serde::Serialize;

/// Which way a request came, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Path<'a> {
    /// `endpoint`, `internet` or `api`.
    pub kind: &'static str,
    /// The endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// The endpoint's VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<&'a str>,
    /// The client's address.
    pub source_ip: IpAddr,
}

/// What was asked and what was decided. Holds no access key and no secret; object keys are part of
/// `resource`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    /// When, ISO 8601, UTC.
    pub time: &'a str,
    /// The id that the client was given.
    pub request_id: &'a str,
    /// The generation of the snapshot that decided.
    pub generation: u64,
    /// Which way it came.
    pub via: Path<'a>,
    /// Who asked: an ARN, or `anonymous`; none when the request was refused before that was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a str>,
    /// The operation, such as `GetObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    /// The action that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    /// The resource that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'a str>,
    /// `Allow`, `Deny`, or `None` when the request was refused before a decision.
    pub decision: &'static str,
    /// The layer that decided: `endpoint`, `identity`, `bucket` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<&'a str>,
    /// The policy of that layer, by its owner's id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<&'a str>,
    /// The statement: its Sid, else its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<&'a str>,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    /// HTTP status of the answer.
    pub status: u16,
    /// The error code of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

impl Record<'_> {
    /// The record as one line of JSON without a line end.
    pub fn json(&self) -> String {
        // Plain data with string keys: serialising it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Takes decision records. Called once per request, before the answer is sent; must not block for long.
pub trait Recorder: Send + Sync {
    /// Takes one.
    fn record(&self, record: &Record<'_>);
}

/// Nobody listens.
impl Recorder for () {
    fn record(&self, _: &Record<'_>) {}
}

/// Writes records as JSON lines from a thread of its own. When the writer cannot keep up, records are
/// counted instead of kept, and the next line says how many are missing: requests never wait for it.
#[derive(Debug)]
pub struct JsonLines {
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
}

/// Records that wait for the writer at most.
const WAITING: usize = 8192;

impl JsonLines {
    /// A recorder that writes to `to`.
    ///
    /// # Errors
    /// If the thread cannot be made.
    pub fn new(to: impl Write + Send + 'static) -> std::io::Result<JsonLines> {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || write_lines(waiting, to, &counter))?;
        Ok(JsonLines { lines, lost })
    }
}

impl Recorder for JsonLines {
    fn record(&self, record: &Record<'_>) {
        let mut line = record.json();
        line.push('\n');
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_lines(waiting: Receiver<String>, mut to: impl Write, lost: &AtomicU64) {
    while let Ok(mut batch) = waiting.recv() {
        // Everything that waits goes out in one write.
        while batch.len() < 256 * 1024 {
            match waiting.try_recv() {
                Ok(line) => batch.push_str(&line),
                Err(_) => break,
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            batch.push_str(&format!("{{\"lostRecords\":{missing}}}\n"));
        }
        if let Err(why) = to.write_all(batch.as_bytes()).and_then(|()| to.flush()) {
            tracing::error!(%why, "cannot write decision records");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            time: "2026-01-02T03:04:05.006Z",
            request_id: "0123456789ABCDEF",
            generation: 7,
            via: Path {
                kind: "endpoint",
                endpoint: Some("vpce-1a2b3c4d"),
                vpc: Some("vpc-1a2b3c4d"),
                source_ip: IpAddr::from([10, 0, 0, 9]),
            },
            principal: Some("arn:aws:iam::123456789012:user/a"),
            operation: Some("GetObject"),
            action: Some("s3:GetObject"),
            resource: Some("arn:aws:s3:::b/k\n\"x\""),
            decision: "Deny",
            layer: Some("endpoint"),
            policy: None,
            statement: None,
            message: None,
            status: 403,
            error: Some("AccessDenied"),
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let line = record().json();
        assert!(!line.contains('\n'), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["via"]["sourceIp"], "10.0.0.9");
        assert_eq!(value["resource"], "arn:aws:s3:::b/k\n\"x\"");
        assert!(value.get("policy").is_none());
    }

    #[test]
    fn lines_come_out_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let recorder = JsonLines::new(file.reopen().unwrap()).unwrap();
        for n in 0..1000 {
            recorder.record(&Record {
                generation: n,
                ..record()
            });
        }
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut lines = Vec::new();
        while lines.len() < 1000 && std::time::Instant::now() < deadline {
            let text = std::fs::read_to_string(file.path()).unwrap();
            lines = text.lines().map(str::to_owned).collect();
        }
        let read = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let generations: Vec<u64> = lines
            .iter()
            .filter_map(|l| read(l)["generation"].as_u64())
            .collect();
        assert_eq!(generations, (0..1000).collect::<Vec<_>>());
    }
}
