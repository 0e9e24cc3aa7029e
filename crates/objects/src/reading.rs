//! The bytes of an answer: pieces of objects read ahead on blocking threads, opened if sealed, compared
//! with their checksums.

use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::body::job_failed;
use crate::buffers::{Buffers, READ};
use crate::checksum::{ChecksumAlgorithm, Hasher};
use crate::customer::{CustomerKey, is_customers};
use crate::error::{Doing, Error, Fault};
use crate::files::Pinned;
use crate::rows::{Piece, PieceBytes, Record};
use crate::seal::{CHUNK, DataKey, TAG};
use crate::store::Inner;

/// Bytes that are read and hashed at a time.
const STEP: usize = 128 * 1024;

/// The bytes of an answer: a stream of chunks of at most 1 MiB (a small object is one chunk).
///
/// A blob that is read as a whole is compared with its checksum; if it differs the stream ends with an
/// error *instead of* its last chunk, so that the client sees a truncated answer.
pub struct Body {
    remaining: u64,
    ready: Option<Bytes>,
    state: State,
}

/// A reader after a step, and what the step gave.
type Step = (Box<Reader>, Result<Option<Bytes>, Error>);

enum State {
    /// Nothing more to read.
    Done,
    /// All that is left is in memory.
    Memory(VecDeque<Bytes>),
    Idle(Box<Reader>),
    Reading(JoinHandle<Step>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body")
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

impl Body {
    pub(crate) fn empty() -> Body {
        Body {
            remaining: 0,
            ready: None,
            state: State::Done,
        }
    }

    /// `len` bytes of a record from byte `first`. Opens the first file and reads its first chunk, so that
    /// most failures show before an answer has begun. Without pins the record must be in memory. The
    /// customer's key is the one that was admitted to the object.
    pub(crate) async fn open(
        inner: &Arc<Inner>,
        record: &Record,
        pins: Option<Pinned>,
        (first, len): (u64, u64),
        customer: Option<&CustomerKey>,
    ) -> Result<Body, Error> {
        let Some(pins) = pins else {
            let chunks = in_memory(cut(&record.pieces, first, len), customer)?;
            return Ok(Body {
                remaining: len,
                ready: None,
                state: State::Memory(chunks),
            });
        };
        let mut reader = Box::new(Reader::of_pieces(inner, &record.pieces, pins, first, len));
        reader.customer = customer.cloned();
        let (reader, chunk) = tokio::task::spawn_blocking(move || {
            let chunk = reader.next();
            (reader, chunk)
        })
        .await
        .map_err(job_failed)?;
        Ok(Body {
            remaining: len,
            ready: chunk?,
            state: State::Idle(reader),
        })
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// [`Error::Fault`]; nothing follows it.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Body::next`] for adapters to `http_body::Body` and streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if let Some(chunk) = self.ready.take() {
                if matches!(&self.state, State::Idle(reader) if reader.is_sealed()) {
                    self.read_ahead();
                }
                self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
                return Poll::Ready(Some(Ok(chunk)));
            }
            match &mut self.state {
                State::Done => return Poll::Ready(None),
                State::Memory(chunks) => match chunks.pop_front() {
                    Some(chunk) => self.ready = Some(chunk),
                    None => self.state = State::Done,
                },
                State::Idle(reader) => match reader.at_hand() {
                    Some(Ok(chunk)) => self.ready = Some(chunk),
                    Some(Err(error)) => return self.fail(error),
                    None => self.read_ahead(),
                },
                State::Reading(job) => match ready!(std::pin::Pin::new(job).poll(cx)) {
                    Ok((reader, Ok(Some(chunk)))) => {
                        self.state = State::Idle(reader);
                        self.ready = Some(chunk);
                    }
                    Ok((_, Ok(None))) => self.state = State::Done,
                    Ok((_, Err(error))) => return self.fail(error),
                    Err(error) => return self.fail(job_failed(error)),
                },
            }
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes, Error>>> {
        self.state = State::Done;
        Poll::Ready(Some(Err(error)))
    }

    /// Starts to read the next chunk on a thread that may wait for the disk, if there is one to read.
    fn read_ahead(&mut self) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Idle(mut reader) if !reader.at_end() => {
                self.state = State::Reading(tokio::task::spawn_blocking(move || {
                    let chunk = reader.next();
                    (reader, chunk)
                }));
            }
            State::Idle(_) => {}
            other => self.state = other,
        }
    }
}

/// Part of a piece.
pub(crate) struct Segment {
    piece: Piece,
    first: u64,
    len: u64,
}

/// The parts of the pieces that make up `len` bytes from `first`.
fn cut(pieces: &[Piece], first: u64, len: u64) -> VecDeque<Segment> {
    let mut segments = VecDeque::new();
    let (mut skip, mut left) = (first, len);
    for piece in pieces {
        if left == 0 {
            break;
        }
        if skip >= piece.size {
            skip -= piece.size;
            continue;
        }
        let len = left.min(piece.size - skip);
        segments.push_back(Segment {
            piece: piece.clone(),
            first: skip,
            len,
        });
        left -= len;
        skip = 0;
    }
    segments
}

fn in_memory(
    segments: VecDeque<Segment>,
    customer: Option<&CustomerKey>,
) -> Result<VecDeque<Bytes>, Error> {
    let mut chunks = VecDeque::with_capacity(segments.len());
    for Segment { piece, first, len } in segments {
        let bytes = match &piece.bytes {
            PieceBytes::Memory(bytes) => slice(bytes, first, len),
            PieceBytes::Sealed { data, seal } => {
                slice(&open_small(piece.size, data, seal, customer)?, first, len)
            }
            PieceBytes::File { .. } => Bytes::new(),
        };
        if !bytes.is_empty() {
            chunks.push_back(bytes);
        }
    }
    Ok(chunks)
}

/// The plain bytes of a small blob that a customer sealed.
fn open_small(
    size: u64,
    data: &[u8],
    seal: &[u8],
    customer: Option<&CustomerKey>,
) -> Result<Bytes, Error> {
    let plain = customers(customer)?.open_data_key(seal)?.open_all(data)?;
    match plain.len() as u64 == size {
        true => Ok(plain.into()),
        false => Err(Error::Fault(Fault::new(
            "open",
            "a small object",
            "the size differs",
        ))),
    }
}

/// The customer's key, where one is needed; who brought none was refused before.
fn customers(key: Option<&CustomerKey>) -> Result<&CustomerKey, Error> {
    key.ok_or_else(|| {
        Error::Fault(Fault::new(
            "open",
            "bytes that a customer sealed",
            "there is no key",
        ))
    })
}

fn slice(bytes: &Bytes, first: u64, len: u64) -> Bytes {
    let first = (first as usize).min(bytes.len());
    let end = first.saturating_add(len as usize).min(bytes.len());
    bytes.slice(first..end)
}

/// Reads segments one chunk at a time; blocks.
pub(crate) struct Reader {
    inner: Arc<Inner>,
    buffers: Arc<Buffers>,
    pins: Pinned,
    segments: VecDeque<Segment>,
    current: Option<Open>,
    customer: Option<CustomerKey>,
}

/// A file being read.
struct Open {
    file: File,
    name: Box<str>,
    /// Plain size of the whole blob.
    size: u64,
    at: u64,
    end: u64,
    key: Option<DataKey>,
    /// Set when the blob is read as a whole: what is hashed, and what must come out.
    check: Option<(Hasher, u64)>,
}

impl Reader {
    /// A reader of `len` bytes from byte `first` of pieces that `pins` keeps.
    pub(crate) fn of_pieces(
        inner: &Arc<Inner>,
        pieces: &[Piece],
        pins: Pinned,
        first: u64,
        len: u64,
    ) -> Reader {
        Reader {
            inner: inner.clone(),
            buffers: inner.buffers.clone(),
            pins,
            segments: cut(pieces, first, len),
            current: None,
            customer: None,
        }
    }

    fn at_end(&self) -> bool {
        self.current.is_none() && self.segments.is_empty()
    }

    /// Whether the file being read has to be opened chunk by chunk, which takes its time.
    fn is_sealed(&self) -> bool {
        self.current.as_ref().is_some_and(|open| open.key.is_some())
    }

    /// The next chunk, if the kernel has it in memory: two threads and a copy between their processors'
    /// caches are saved. None says nothing: [`Reader::next`] knows.
    fn at_hand(&mut self) -> Option<Result<Bytes, Error>> {
        let open = self.current.as_mut()?;
        let chunk = open.at_hand(&self.buffers)?;
        if open.at >= open.end {
            self.current = None;
        }
        Some(chunk)
    }

    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut open = match self.current.take() {
            Some(open) => open,
            None => match self.segments.pop_front() {
                None => return Ok(None),
                Some(segment) => match self.open(segment)? {
                    Ok(open) => open,
                    Err(bytes) => return Ok(Some(bytes)),
                },
            },
        };
        let chunk = open.next(&self.buffers)?;
        if open.at < open.end {
            self.current = Some(open);
        }
        Ok(Some(chunk))
    }

    /// A file to read, or bytes that need none.
    fn open(&self, segment: Segment) -> Result<Result<Open, Bytes>, Error> {
        let Segment { piece, first, len } = segment;
        match piece.bytes {
            PieceBytes::Memory(bytes) => Ok(Err(slice(&bytes, first, len))),
            PieceBytes::Sealed { data, seal } => {
                let plain = open_small(piece.size, &data, &seal, self.customer.as_ref())?;
                Ok(Err(slice(&plain, first, len)))
            }
            PieceBytes::File { name, crc, seal } => {
                let of_customer = seal.as_deref().is_some_and(is_customers);
                let key = match &seal {
                    None => None,
                    Some(seal) if of_customer => {
                        Some(customers(self.customer.as_ref())?.open_data_key(seal)?)
                    }
                    Some(seal) => Some(self.inner.master.open_data_key(seal)?),
                };
                // What a customer sealed has a checksum of the sealed bytes; its chunks vouch for themselves.
                let whole = first == 0 && len == piece.size && !of_customer;
                let file = self.pins.open(&name)?;
                let hasher = || (Hasher::new(ChecksumAlgorithm::Crc64Nvme), crc);
                Ok(Ok(Open {
                    file,
                    name,
                    size: piece.size,
                    at: first,
                    end: first + len,
                    key,
                    check: whole.then(hasher),
                }))
            }
        }
    }
}

impl Open {
    fn next(&mut self, buffers: &Arc<Buffers>) -> Result<Bytes, Error> {
        let left = self.end - self.at;
        let Some(key) = &self.key else {
            let mut buffer = buffers.for_bytes(left);
            let whole = |file: &File, into: &mut [u8], at| {
                file.read_exact_at(into, at)?;
                Ok(into.len())
            };
            let read = self.fill(&mut buffer.bytes, whole);
            let read = read.doing("read", &*self.name)?;
            return self.checked(buffer.freeze(read));
        };
        let mut buffer = buffers.usual();
        let (skip, plain) = self.open_chunks(key, &mut buffer.bytes)?;
        let take = (plain - skip).min(left as usize);
        let bytes = buffer.freeze(skip + take).slice(skip..);
        self.count(&bytes);
        self.checked(bytes)
    }

    /// As [`Open::next`], without waiting for the disk. Sealed chunks are left to threads that may take
    /// their time.
    fn at_hand(&mut self, buffers: &Arc<Buffers>) -> Option<Result<Bytes, Error>> {
        if self.key.is_some() {
            return None;
        }
        let mut buffer = buffers.for_bytes(self.end - self.at);
        let ready = |file: &File, into: &mut [u8], at| {
            let want = into.len();
            let read = preadv2(
                file,
                &mut [IoSliceMut::new(into)],
                at,
                ReadWriteFlags::NOWAIT,
            );
            // A small part, an error, or a file system that cannot say: all are for the other way.
            Ok(read
                .ok()
                .filter(|read| *read == want || *read >= CHUNK)
                .unwrap_or(0))
        };
        let read = self.fill(&mut buffer.bytes, ready).ok();
        let read = read.filter(|read| *read > 0)?;
        Some(self.checked(buffer.freeze(read)))
    }

    /// Reads until `buffer` is full, the end is reached, or `read` gives less than it was asked for; counts what was read.
    /// In steps that are still in the processor's cache when they are hashed.
    fn fill(
        &mut self,
        buffer: &mut [u8],
        read: impl Fn(&File, &mut [u8], u64) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        let want = (buffer.len() as u64).min(self.end - self.at) as usize;
        let mut done = 0;
        for step in buffer.get_mut(..want).unwrap_or_default().chunks_mut(STEP) {
            let count = read(&self.file, step, self.at)?;
            self.count(step.get(..count).unwrap_or_default());
            done += count;
            if count < step.len() {
                break;
            }
        }
        Ok(done)
    }

    /// Goes on behind these bytes, and hashes them if their blob is to be checked.
    fn count(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        if let Some((hasher, _)) = &mut self.check {
            hasher.update(bytes);
        }
    }

    /// The bytes, unless they are a checked blob's last and it turns out to be damaged.
    fn checked(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        if self.at == self.end {
            self.compare()?;
        }
        Ok(bytes)
    }

    /// Reads and opens the sealed chunks from the current place on; returns where the wanted bytes begin
    /// in `buffer` and how many plain bytes there are.
    fn open_chunks(&self, key: &DataKey, buffer: &mut [u8]) -> Result<(usize, usize), Error> {
        let (chunk, sealed) = (CHUNK as u64, (CHUNK + TAG) as u64);
        let first = self.at / chunk;
        let last = self.size.div_ceil(chunk).saturating_sub(1);
        let until = ((self.end - 1) / chunk).min(first + (READ / CHUNK) as u64 - 1);
        let on_disk = |n: u64| (self.size - n * chunk).min(chunk) as usize + TAG;
        let total = (first..=until).map(on_disk).sum();
        let raw = buffer.get_mut(..total).unwrap_or_default();
        self.file
            .read_exact_at(raw, first * sealed)
            .doing("read", &*self.name)?;
        let (mut from, mut to) = (0, 0);
        for n in first..=until {
            let end = from + on_disk(n);
            let plain = key.open(n, n == last, raw.get_mut(from..end).unwrap_or_default())?;
            raw.copy_within(from..from + plain, to);
            to += plain;
            from = end;
        }
        Ok(((self.at - first * chunk) as usize, to))
    }

    fn compare(&mut self) -> Result<(), Error> {
        let Some((hasher, expected)) = self.check.take() else {
            return Ok(());
        };
        if hasher.finish().as_u64() == expected {
            return Ok(());
        }
        Err(Error::Fault(Fault::new(
            "trust the bytes of",
            &*self.name,
            "the checksum differs",
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_across_pieces() {
        let piece = |number: u32, text: &'static str| Piece {
            number,
            size: text.len() as u64,
            blob: 0,
            bytes: PieceBytes::Memory(Bytes::from_static(text.as_bytes())),
        };
        let pieces = [
            piece(1, "abc"),
            piece(2, ""),
            piece(3, "defg"),
            piece(4, "h"),
        ];
        let whole = b"abcdefgh";
        for first in 0..=8 {
            for len in 0..=(8 - first) {
                let bytes: Vec<u8> = in_memory(cut(&pieces, first as u64, len as u64), None)
                    .unwrap()
                    .into_iter()
                    .flatten()
                    .collect();
                assert_eq!(bytes, &whole[first..first + len]);
            }
        }
    }
}
