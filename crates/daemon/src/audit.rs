//! The audit log: every control call and every S3 decision as one line of JSON, shaped as CloudTrail's records.
//!
//! Lines are handed to a thread of their own and never waited for. Whatever cannot be kept — the disk is full,
//! or slower than the requests — is counted, and the count is the next line that can be written.

mod event;
mod hide;
mod json;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_api::{Called, Observer};
use adit_gateway::{JsonLines, Record, Recorder};

use crate::rotate::{Limits, Rotating};

pub use event::Refused;

/// The file in its directory; older ones have a number behind it.
pub const FILE: &str = "audit.jsonl";

/// Bytes of room for a record that are kept for the next.
const USUAL: usize = 16 * 1024;

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
        let mut line = Vec::new();
        // Plain data with string keys: serialising it cannot fail.
        if serde_json::to_writer(&mut line, event).is_ok() {
            self.lines.line(&line);
        }
    }
}

thread_local! {
    /// Room for a record: there is one for each request.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Recorder for Audit {
    fn record(&self, record: &Record<'_>) {
        let id = self.ids.next();
        let event = event::data(record, &self.region, &id);
        let mut line = ROOM.take();
        line.clear();
        match json::append(&mut line, &event) {
            Ok(()) => self.lines.line(&line),
            // Not reached: records of requests have nothing else.
            Err(_) => self.write(&event),
        }
        if line.capacity() <= USUAL {
            ROOM.set(line);
        }
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
        for place in (0..16).rev() {
            if matches!(place, 15 | 11) {
                id.push('-');
            }
            let digit = u32::try_from(low >> (4 * place) & 0xf).unwrap_or_default();
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
        assert!(one.ends_with("-8000-000000000000"), "{one}");
        assert!(two.ends_with("-8000-000000000001"), "{two}");
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{one}");
    }
}
