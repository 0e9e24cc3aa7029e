//! Server access logs: what was asked of a bucket, in AWS's format, delivered to a bucket of the same
//! owner as objects of many lines.
//!
//! As on AWS a delivery is best effort: lines wait in memory, bounded, and a delivery that the target
//! does not allow is dropped.

mod deliver;
mod line;
mod notes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use adit_model::Millis;

pub use deliver::Delivered;
pub(crate) use line::{Batched, Line, expired, operation};

/// Most bytes that wait for one bucket's delivery, and for all.
const MOST_OF_ONE: usize = 4 << 20;
const MOST: usize = 64 << 20;

/// Lines that wait, by bucket.
#[derive(Debug, Default)]
pub(crate) struct AccessLogs {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: BTreeMap<String, Batch>,
    bytes: usize,
}

/// What waits for one delivery.
#[derive(Debug, Default)]
struct Batch {
    /// The bucket's incarnation: a bucket of the same name is another.
    incarnation: String,
    text: Vec<u8>,
    /// When its first line came.
    since: Millis,
    /// Lines for which there was no room.
    lost: u64,
}

impl AccessLogs {
    pub(crate) fn add(&self, bucket: &str, incarnation: &str, now: Millis, line: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { batches, bytes } = &mut *waiting;
        let batch = batches.entry(bucket.to_owned()).or_default();
        if batch.incarnation != incarnation {
            *bytes = bytes.saturating_sub(batch.text.len());
            *batch = Batch {
                incarnation: incarnation.to_owned(),
                since: now,
                ..Batch::default()
            };
        }
        if batch.text.len() + line.len() > MOST_OF_ONE || *bytes + line.len() > MOST {
            batch.lost += 1;
            return;
        }
        *bytes += line.len();
        batch.text.extend_from_slice(line.as_bytes());
    }

    /// Takes all that waits.
    fn take(&self) -> BTreeMap<String, Batch> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.batches)
    }
}

/// A line whose answer is still being sent: it is written down when that ends, with what was sent.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) logs: Arc<AccessLogs>,
    pub(crate) line: Line,
    pub(crate) sent: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let text = self.line.text(self.sent);
        let line = &self.line;
        let add = |text: &str| {
            self.logs
                .add(&line.bucket, &line.incarnation, line.time, text);
        };
        add(&text);
        line.of_keys().for_each(|text| add(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_of_one_bucket() {
        let logs = AccessLogs::default();
        let line = "x".repeat(MOST_OF_ONE / 2);
        for _ in 0..3 {
            logs.add("a", "a-1", 5, &line);
        }
        let batches = logs.take();
        assert_eq!(
            (
                batches["a"].text.len(),
                batches["a"].lost,
                batches["a"].since
            ),
            (MOST_OF_ONE, 1, 5)
        );
        logs.add("a", "a-1", 6, "old");
        logs.add("a", "a-2", 7, "new");
        assert_eq!(logs.take()["a"].text, b"new");
        for at in 0..40 {
            logs.add(&at.to_string(), "i", 0, &line);
        }
        let held: usize = logs.take().values().map(|batch| batch.text.len()).sum();
        assert_eq!(held, MOST);
        assert!(logs.take().is_empty());
    }
}
