//! Read buffers that are used again: fresh ones of this size would be mapped and faulted in each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::seal::{CHUNK, TAG};

/// Plain bytes of one read, four sealed chunks.
pub(crate) const READ: usize = 4 * CHUNK;
/// Bytes of one read of a large object, while there is room: the fewer pieces, the seldomer a client that is as quick as we are
/// falls asleep and has to be woken.
pub(crate) const LARGE_READ: usize = 1 << 20;

/// Buffers of both sizes.
pub(crate) struct Buffers {
    usual: Arc<Shelf>,
    large: Arc<Shelf>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers {
            // 8 MiB kept when nobody reads.
            usual: Shelf::new(READ + 4 * TAG, 32, usize::MAX),
            // 24 MiB in use at most: who comes then reads in usual pieces.
            large: Shelf::new(LARGE_READ, 8, 24),
        }
    }
}

impl Buffers {
    /// A buffer for [`READ`] bytes of sealed chunks.
    pub(crate) fn usual(&self) -> Buffer {
        let shelf = &self.usual;
        // This shelf always has one.
        let bytes = shelf.take().unwrap_or_default();
        Buffer::new(bytes, shelf)
    }

    /// A buffer for up to `left` bytes: as large as there is room for.
    pub(crate) fn for_bytes(&self, left: u64) -> Buffer {
        let wanted = (left > READ as u64).then(|| self.large.take()).flatten();
        match wanted {
            Some(bytes) => Buffer::new(bytes, &self.large),
            None => self.usual(),
        }
    }
}

/// Buffers of one size.
struct Shelf {
    size: usize,
    /// Kept when nobody uses them.
    most_idle: usize,
    /// In use at a time.
    most: usize,
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Box<[u8]>>,
    used: usize,
}

impl Shelf {
    fn new(size: usize, most_idle: usize, most: usize) -> Arc<Shelf> {
        Arc::new(Shelf {
            size,
            most_idle,
            most,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Box<[u8]>> {
        let idle = {
            let mut state = self.state();
            if state.used >= self.most {
                return None;
            }
            state.used += 1;
            state.idle.pop()
        };
        Some(idle.unwrap_or_else(|| vec![0; self.size].into_boxed_slice()))
    }
}

/// A buffer that goes home when the last [`Bytes`] made of it is dropped.
pub(crate) struct Buffer {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) len: usize,
    home: Arc<Shelf>,
}

impl Buffer {
    fn new(bytes: Box<[u8]>, home: &Arc<Shelf>) -> Buffer {
        Buffer {
            bytes,
            len: 0,
            home: home.clone(),
        }
    }

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
        let mut state = self.home.state();
        state.used = state.used.saturating_sub(1);
        if state.idle.len() < self.home.most_idle {
            state.idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_few_and_come_back() {
        let buffers = Buffers::default();
        let large: Vec<Buffer> = (0..30).map(|_| buffers.for_bytes(1 << 30)).collect();
        let count = |size| large.iter().filter(|b| b.bytes.len() == size).count();
        assert_eq!((count(LARGE_READ), count(READ + 4 * TAG)), (24, 6));
        let kept: Vec<Bytes> = large.into_iter().map(|buffer| buffer.freeze(9)).collect();
        assert_eq!(buffers.for_bytes(1 << 30).bytes.len(), READ + 4 * TAG);
        drop(kept);
        assert_eq!(buffers.large.state().used, 0);
        assert_eq!(buffers.large.state().idle.len(), 8);
        assert_eq!(buffers.for_bytes(1 << 30).bytes.len(), LARGE_READ);
        assert_eq!(buffers.for_bytes(READ as u64).bytes.len(), READ + 4 * TAG);
    }
}
