//! Decision records: one per request, for the one who must say who reached what, and why not.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

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
    /// The account of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
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
    /// The account of who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
    /// The Region that the way led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'a str>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
    /// The account of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<&'a str>,
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

/// Writes records as JSON lines from a thread of its own. Under load many go out in one write. When the
/// writer cannot keep up, records are counted instead of kept, and a line says how many are missing:
/// requests never wait for it. Dropping it writes what is left.
#[derive(Debug)]
pub struct JsonLines {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    /// The writer sleeps until it is woken.
    asleep: bool,
    closed: bool,
}

/// Bytes that wait for the writer at most.
const WAITING: usize = 8 << 20;
/// How long the writer lets records gather after it wrote some.
const GATHER: Duration = Duration::from_millis(5);
/// How long it waits before it tries again to write where there was no room.
const RETRY: Duration = Duration::from_secs(1);

impl JsonLines {
    /// A recorder that writes to `to`.
    ///
    /// # Errors
    /// If the thread cannot be made.
    pub fn new(to: impl Write + Send + 'static) -> std::io::Result<JsonLines> {
        let queue = Arc::new(Queue::default());
        let waiting = queue.clone();
        let writer = std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || waiting.write(to))?;
        Ok(JsonLines {
            queue,
            writer: Some(writer),
        })
    }
}

impl Recorder for JsonLines {
    fn record(&self, record: &Record<'_>) {
        self.line(record.json().as_bytes());
    }
}

impl JsonLines {
    /// Takes one line, without its end. Never waits.
    pub fn line(&self, line: &[u8]) {
        let mut state = self.queue.lock();
        if state.lines.len() + line.len() >= WAITING {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        state.lines.push(b'\n');
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.queue.changed.notify_one();
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut to: impl Write) {
        let mut batch = Vec::new();
        let mut failing = false;
        loop {
            let mut state = self.lock();
            while state.lines.is_empty() && state.lost == 0 && !state.closed {
                state.asleep = true;
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.asleep = false;
            std::mem::swap(&mut state.lines, &mut batch);
            let (lost, closed) = (std::mem::take(&mut state.lost), state.closed);
            drop(state);
            if lost > 0 {
                batch.extend_from_slice(format!("{{\"lostRecords\":{lost}}}\n").as_bytes());
            }
            let written = to.write_all(&batch).and_then(|()| to.flush());
            if let Err(why) = &written {
                // What could not be written is counted, and the count is written when there is room again:
                // requests go on, and nobody can take a gap for silence.
                let missed = batch.iter().filter(|byte| **byte == b'\n').count() as u64;
                let missed = missed - u64::from(lost > 0) + lost;
                self.lock().lost += missed;
                if !failing {
                    tracing::error!(%why, "cannot write records; they are counted until it works again");
                }
            }
            failing = written.is_err();
            batch.clear();
            if closed {
                return;
            }
            std::thread::sleep(if failing { RETRY } else { GATHER });
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
                account: None,
                source_ip: IpAddr::from([10, 0, 0, 9]),
            },
            principal: Some("arn:aws:iam::123456789012:user/a"),
            account: None,
            region: None,
            user_agent: None,
            owner: None,
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
        drop(recorder);
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let read = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let generations: Vec<u64> = lines
            .iter()
            .filter_map(|l| read(l)["generation"].as_u64())
            .collect();
        assert_eq!(generations, (0..1000).collect::<Vec<_>>());
    }
}
