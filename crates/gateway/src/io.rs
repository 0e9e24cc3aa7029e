//! Two thin layers around a connection's bytes.
//!
//! [`Linger`] stands on the socket: a close that still lets the client read the last answer.
//! [`Guard`] stands below HTTP/1: time limits of heads and writes, and a look at each head as it was
//! sent, because the HTTP library repairs what RFC 9112 §6.3 lets it repair (a head with both
//! `Content-Length` and `Transfer-Encoding`), and we would rather refuse it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memchr::memchr_iter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::pace::Pace;

/// How long and how much a closing connection still reads.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

/// After the last answer was sent and our side was closed, reads and drops what the client was still
/// sending: otherwise the kernel answers it with a reset that can overtake the answer.
#[derive(Debug)]
pub(crate) struct Linger<S> {
    inner: S,
    closing: Option<(Pin<Box<Sleep>>, usize)>,
    quiet: Quiet,
}

/// Says that nothing of a request is on its way: such a connection is closed without waiting.
pub(crate) type Quiet = Arc<AtomicBool>;

impl<S> Linger<S> {
    pub(crate) fn new(inner: S) -> Linger<S> {
        Linger {
            inner,
            closing: None,
            quiet: Quiet::default(),
        }
    }

    /// Whoever sets this spares the connection the wait.
    pub(crate) fn quiet(&self) -> Quiet {
        self.quiet.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A system call for one piece costs less than one for a list of one.
        match data {
            [one] => Pin::new(&mut self.inner).poll_write(cx, one),
            data => Pin::new(&mut self.inner).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        if this.quiet.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let (deadline, left) = this
            .closing
            .get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
        let mut space = [0u8; 4096];
        loop {
            if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf));
            let count = buf.filled().len();
            if read.is_err() || count == 0 || count >= *left {
                return Poll::Ready(Ok(()));
            }
            *left -= count;
        }
    }
}

/// What a [`Guard`] and the requests on its connection tell each other.
#[derive(Debug)]
pub(crate) struct Exchange {
    begun: Instant,
    /// Heads seen on the wire, in the low half; whether one is being answered, in the top bit.
    state: AtomicU32,
    verdict: AtomicU32,
    /// Milliseconds from `begun` to the end of the last answer.
    rested: AtomicU64,
    /// Whether a request's body was not read to its end.
    unread: AtomicBool,
}

impl Default for Exchange {
    fn default() -> Exchange {
        Exchange {
            begun: Instant::now(),
            state: AtomicU32::new(0),
            verdict: AtomicU32::new(0),
            rested: AtomicU64::new(0),
            unread: AtomicBool::new(false),
        }
    }
}

/// The client waits for an answer, or its body is on the way.
const BUSY: u32 = 1 << 31;

/// What is wrong with a head as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Smell {
    /// Nothing.
    Clean = 0,
    /// `Content-Length` and `Transfer-Encoding` together.
    TwoLengths = 1,
    /// A line that ends without a carriage return.
    BareLineFeed = 2,
    /// Sent before the answer to the request before it.
    Pipelined = 3,
}

impl Exchange {
    /// A request's head was parsed; `served` were before it. Says what was wrong with it on the wire.
    pub(crate) fn begin(&self, served: u32) -> Smell {
        let heads = self.state.load(Ordering::Acquire) & !BUSY;
        if heads != (served.wrapping_add(1) & !BUSY) {
            return Smell::Pipelined;
        }
        match self.verdict.load(Ordering::Acquire) {
            1 => Smell::TwoLengths,
            2 => Smell::BareLineFeed,
            _ => Smell::Clean,
        }
    }

    /// The answer was handed over in full: what comes next is a head, and its time begins to run.
    pub(crate) fn end(&self) {
        let passed = self.begun.elapsed().as_millis();
        self.rested
            .store(u64::try_from(passed).unwrap_or(u64::MAX), Ordering::Release);
        self.state.fetch_and(!BUSY, Ordering::AcqRel);
    }

    /// Something of the request stays unread: the client may still be sending it.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }

    /// Since when nothing is asked.
    fn rests_since(&self) -> Instant {
        self.begun + Duration::from_millis(self.rested.load(Ordering::Acquire))
    }

    fn is_busy(&self) -> bool {
        self.state.load(Ordering::Acquire) & BUSY != 0
    }

    fn head_seen(&self, smell: Smell) {
        self.verdict.store(smell as u32, Ordering::Release);
        let heads = self.state.load(Ordering::Acquire) & !BUSY;
        self.state
            .store((heads.wrapping_add(1) & !BUSY) | BUSY, Ordering::Release);
    }
}

/// Time limits of a [`Guard`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From a head's first byte to its last.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
    /// A write that makes no progress.
    pub(crate) write: Duration,
    /// Least bytes a second that a client must read.
    pub(crate) rate: u32,
}

/// Watches an HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    inner: S,
    exchange: Arc<Exchange>,
    quiet: Quiet,
    patience: Patience,
    /// The begin of a head that has not come to its end.
    head: Vec<u8>,
    max_head: usize,
    /// When that head must have ended.
    due: Option<Instant>,
    /// Rings when it may be time, or earlier: a request that comes and goes moves no timer.
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    /// Since when a write waits for the client.
    waits: Option<Instant>,
    pace: Pace,
}

impl<S> Guard<S> {
    pub(crate) fn new(
        inner: S,
        quiet: Quiet,
        patience: Patience,
        max_head: usize,
    ) -> (Guard<S>, Arc<Exchange>) {
        let exchange = Arc::new(Exchange::default());
        let guard = Guard {
            inner,
            exchange: exchange.clone(),
            quiet,
            patience,
            head: Vec::new(),
            max_head,
            due: None,
            reading: None,
            writing: None,
            waits: None,
            pace: Pace::new(patience.rate, patience.write),
        };
        (guard, exchange)
    }

    /// Looks at bytes that came while a head was expected.
    fn look(&mut self, data: &[u8]) {
        // Nearly every head comes whole, and is looked at where it is.
        let found = match self.head.is_empty() {
            true => smell(data, 0),
            false => {
                let from = self.head.len().saturating_sub(3);
                self.head.extend_from_slice(data);
                smell(&self.head, from)
            }
        };
        if let Some(smell) = found {
            self.exchange.head_seen(smell);
            self.head = Vec::new();
            self.due = None;
            return;
        }
        if self.head.is_empty() && !data.is_empty() {
            self.head.extend_from_slice(data);
            // From the first byte on the head's own time runs.
            self.due = Some(Instant::now() + self.patience.head);
        }
        // A head that does not end is refused by the HTTP library at its own limit.
        self.head.truncate(self.max_head.saturating_mul(4));
    }

    /// Whether what is waited for should have come by now; else sees to being woken when that is so.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let busy = self.exchange.is_busy();
            let due = match self.due {
                Some(due) => due,
                None if busy => Instant::now() + self.patience.idle,
                None => self.exchange.rests_since() + self.patience.idle,
            };
            let timer = self
                .reading
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if !busy && Instant::now() >= due {
                return true;
            }
            timer.as_mut().reset(due);
        }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// Arms a timer, or lets it run on.
fn expired(timer: &mut Option<Pin<Box<Sleep>>>, after: Duration, cx: &mut Context<'_>) -> bool {
    timer
        .get_or_insert_with(|| Box::pin(tokio::time::sleep(after)))
        .as_mut()
        .poll(cx)
        .is_ready()
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let busy = this.exchange.is_busy();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if busy => Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => {
                this.look(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
            Poll::Pending if this.is_late(cx) => Poll::Ready(Err(timed_out("no request in time"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let done = match progress {
            Poll::Pending if expired(&mut self.writing, self.patience.write, cx) => {
                return Poll::Ready(Err(timed_out("the client does not read")));
            }
            Poll::Pending => {
                self.waits.get_or_insert_with(Instant::now);
                return Poll::Pending;
            }
            Poll::Ready(done) => done,
        };
        self.writing = None;
        let waited = self.waits.take().map(|since| since.elapsed());
        let moved = done.as_ref().map_or(0, bytes);
        match self.pace.keeps(waited.unwrap_or_default(), moved) {
            true => Poll::Ready(done),
            false => Poll::Ready(Err(timed_out("the client reads too slowly"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write(cx, data);
        self.written(cx, progress, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.written(cx, progress, |count| *count)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.inner).poll_flush(cx);
        self.written(cx, progress, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unread = self.exchange.unread.load(Ordering::Acquire);
        if self.head.is_empty() && !unread && !self.exchange.is_busy() {
            self.quiet.store(true, Ordering::Release);
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What is wrong with a head, if `data` holds all of it; `from`: where bytes begin that were not looked at.
fn smell(data: &[u8], from: usize) -> Option<Smell> {
    let skipped = data
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n'))
        .count();
    let data = data.get(skipped..)?;
    // The blank line can have begun in what was seen before.
    let from = from.saturating_sub(skipped + 3);
    let ends = |at: &usize| matches!(data.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..]));
    let end = memchr_iter(b'\n', data.get(from..)?)
        .map(|at| from + at)
        .find(ends)?;
    let (mut length, mut encoding, mut start) = (false, false, 0);
    for at in memchr_iter(b'\n', data.get(..=end)?) {
        let line = data.get(start..at)?;
        start = at + 1;
        let Some(line) = line.strip_suffix(b"\r") else {
            return Some(Smell::BareLineFeed);
        };
        length |= is_field(line, b"content-length");
        encoding |= is_field(line, b"transfer-encoding");
    }
    if data.get(end + 1) == Some(&b'\n') {
        return Some(Smell::BareLineFeed);
    }
    Some(if length && encoding {
        Smell::TwoLengths
    } else {
        Smell::Clean
    })
}

/// Whether a line is a field of this name.
fn is_field(line: &[u8], name: &[u8]) -> bool {
    match line.split_at_checked(name.len()) {
        Some((front, [b':', ..])) => front.eq_ignore_ascii_case(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_judged_when_they_are_complete() {
        let cases: [(&str, Option<Smell>); 8] = [
            ("GET / HTTP/1.1\r\nHost: a\r\n", None),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Smell::Clean)),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Smell::Clean)),
            (
                "PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
                Some(Smell::Clean),
            ),
            (
                "PUT / HTTP/1.1\r\ncontent-length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Some(Smell::TwoLengths),
            ),
            (
                "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 1\r\n\r\n",
                Some(Smell::TwoLengths),
            ),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Some(Smell::BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: a\n\n", Some(Smell::BareLineFeed)),
        ];
        for (text, expected) in cases {
            assert_eq!(smell(text.as_bytes(), 0), expected, "{text:?}");
            // Byte by byte, as a slow client sends it: the same verdict, at the head's last byte.
            let mut found = None;
            for end in 1..=text.len() {
                found = found.or(smell(&text.as_bytes()[..end], end - 1));
            }
            assert_eq!(found, expected, "{text:?} in pieces");
        }
    }

    #[test]
    fn a_request_without_a_head_of_its_own_was_pipelined() {
        let exchange = Exchange::default();
        exchange.head_seen(Smell::Clean);
        assert_eq!(exchange.begin(0), Smell::Clean);
        assert!(exchange.is_busy());
        exchange.end();
        assert!(!exchange.is_busy());
        assert_eq!(exchange.begin(1), Smell::Pipelined);
        exchange.head_seen(Smell::TwoLengths);
        assert_eq!(exchange.begin(1), Smell::TwoLengths);
    }
}
