//! Threads that serve connections, each with its own reactor.
//!
//! A connection stays on one thread with all it does, its upstream connections included. Where threads share
//! a reactor, what one of them sees another one often serves: waking it costs more than a small request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Threads for connections. Clones are the same; they end with the last.
#[derive(Debug, Clone)]
pub struct Threads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Where everything else runs.
    home: Handle,
    threads: Vec<Thread>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a thread, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Starts threads. Must be called inside the runtime where everything else runs.
    ///
    /// # Errors
    /// If a thread or its reactor cannot be made.
    pub fn start(count: usize) -> io::Result<Threads> {
        let stop = CancellationToken::new();
        let ends = stop.clone().drop_guard();
        let threads = (0..count)
            .map(|number| Thread::start(number, stop.clone()))
            .collect::<io::Result<Vec<Thread>>>()?;
        ends.disarm();
        Ok(Threads {
            inner: Arc::new(Inner {
                home: Handle::current(),
                threads,
                stop,
            }),
        })
    }

    /// Where everything else runs.
    pub(crate) fn home(&self) -> &Handle {
        &self.inner.home
    }

    /// The thread with the fewest connections, and a place there.
    pub(crate) fn seat(&self) -> Option<(&Handle, Seat)> {
        let load = |thread: &&Thread| thread.connections.load(Ordering::Relaxed);
        let thread = self.inner.threads.iter().min_by_key(load)?;
        thread.connections.fetch_add(1, Ordering::Relaxed);
        Some((&thread.runtime, Seat(thread.connections.clone())))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Thread {
    fn start(number: usize, stop: CancellationToken) -> io::Result<Thread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name(format!("door-{number}"))
            .spawn(move || {
                runtime.block_on(stop.cancelled());
                // Whoever wanted to wait for connections has done so.
                runtime.shutdown_background();
            })?;
        Ok(Thread {
            runtime: handle,
            connections: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_spread_and_threads_end() {
        let threads = Threads::start(2).unwrap();
        let (first, one) = threads.seat().unwrap();
        let (second, two) = threads.seat().unwrap();
        assert_ne!(first.id(), second.id());
        drop(two);
        let (third, _three) = threads.seat().unwrap();
        assert_eq!(third.id(), second.id(), "the one with fewer");
        drop(one);
        let stays = first.spawn(std::future::pending::<()>());
        drop(threads);
        assert!(stays.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn without_threads_there_is_no_seat() {
        assert!(Threads::start(0).unwrap().seat().is_none());
    }
}
