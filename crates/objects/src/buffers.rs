//! Read buffers that are used again: fresh ones of this size would be mapped and faulted in each time.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::seal::{CHUNK, TAG};

/// Plain bytes of one read, four sealed chunks.
pub(crate) const READ: usize = 4 * CHUNK;
/// Room of one buffer.
const ROOM: usize = READ + 4 * TAG;
/// Buffers kept when nobody uses them (8 MiB).
const IDLE: usize = 32;

#[derive(Default)]
pub(crate) struct Buffers {
    idle: Mutex<Vec<Box<[u8]>>>,
}

impl Buffers {
    pub(crate) fn take(self: &Arc<Buffers>) -> Buffer {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let bytes = idle.unwrap_or_else(|| vec![0; ROOM].into_boxed_slice());
        Buffer {
            bytes,
            len: 0,
            home: self.clone(),
        }
    }
}

/// A buffer that goes home when the last [`Bytes`] made of it is dropped.
pub(crate) struct Buffer {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) len: usize,
    home: Arc<Buffers>,
}

impl Buffer {
    /// The first `len` bytes, without copying.
    pub(crate) fn freeze(mut self, len: usize) -> Bytes {
        self.len = len;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut idle = self
            .home
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}
