//! The audit log: every control call and every S3 decision as one line of JSON, shaped as CloudTrail's records.
//!
//! Lines are handed to a thread of their own and never waited for. Whatever cannot be kept — the disk is full,
//! or slower than the requests — is counted, and the count is the next line that can be written.

mod event;
mod hide;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_api::{Called, Observer};
use adit_gateway::{JsonLines, Record, Recorder};

use crate::rotate::{Limits, Rotating};

pub use event::Refused;

/// The file in its directory; older ones have a number behind it.
pub const FILE: &str = "audit.jsonl";

/// Bytes of most records.
const USUAL: usize = 1536;

/// Writes the log.
#[derive(Debug)]
pub struct Audit {
    lines: JsonLines,
    /// The Region of what names none.
    region: String,
    ids: EventIds,
}

impl Audit {
    /// Opens the log in a state directory.
    ///
    /// # Errors
    /// If it cannot be opened or its thread cannot be made.
    pub fn open(state: &Path, limits: Limits, region: String) -> std::io::Result<Arc<Audit>> {
        let file = Rotating::open(&state.join(FILE), limits)?;
        Ok(Arc::new(Audit {
            lines: JsonLines::new(file)?,
            region,
            ids: EventIds::new(),
        }))
    }

    /// Takes a control call that nobody could be found to have signed.
    pub fn refused(&self, call: &Refused<'_>) {
        self.write(&event::refused(call, &self.region, &self.ids.next()));
    }

    fn write(&self, event: &impl serde::Serialize) {
        let mut line = Vec::with_capacity(USUAL);
        // Plain data with string keys: serialising it cannot fail.
        if serde_json::to_writer(&mut line, event).is_ok() {
            self.lines.line(&line);
        }
    }
}

impl Recorder for Audit {
    fn record(&self, record: &Record<'_>) {
        self.write(&event::data(record, &self.region, &self.ids.next()));
    }
}

impl Observer for Audit {
    fn called(&self, call: &Called<'_>) {
        self.write(&event::control(call, &self.ids.next()));
    }
}

/// Ids of events: unlike any other, and cheap, since there is one for each request.
#[derive(Debug)]
struct EventIds {
    /// Random for this process: the first 64 bits in a UUID's form.
    process: String,
    count: AtomicU64,
}

impl EventIds {
    fn new() -> EventIds {
        let uuid = adit_api::Ids::random().uuid();
        EventIds {
            process: uuid.chars().take(18).collect(),
            count: AtomicU64::new(0),
        }
    }

    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // The variant's bits, as RFC 9562 has them.
        let low = (count & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let mut id = String::with_capacity(36);
        id.push_str(&self.process);
        for at in 0..16 {
            if matches!(at, 0 | 4) {
                id.push('-');
            }
            let digit = (low >> (60 - 4 * at) & 15) as u32;
            id.extend(char::from_digit(digit, 16));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_uuids_that_differ() {
        let ids = EventIds::new();
        let (one, two) = (ids.next(), ids.next());
        assert_ne!(one, two);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{one}");
    }
}
