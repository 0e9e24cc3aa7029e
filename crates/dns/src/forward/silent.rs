//! Servers that have not answered lately: asked last, and tried again beside a query that others answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Servers that are remembered at most. Further ones are asked in their place, as if nothing was known.
const MOST: usize = 1024;

/// A server, and from where it is asked: it may be reached from one place and not from another.
type Key = (u64, SocketAddr);

#[derive(Debug)]
pub(super) struct Silent {
    first: Duration,
    longest: Duration,
    known: Mutex<HashMap<Key, Silence>>,
}

#[derive(Debug)]
struct Silence {
    pause: Duration,
    /// When it may be tried again.
    again: Instant,
}

impl Silence {
    /// Waits twice as long from now on, unless it is being waited for already: many queries that fail at
    /// the same time are one piece of news.
    fn grow(&mut self, now: Instant, longest: Duration) {
        if now >= self.again {
            self.pause = (self.pause * 2).min(longest);
            self.again = now + self.pause;
        }
    }
}

impl Silent {
    /// Nothing is known. A server that fails is tried again after `first`, then after twice as long each
    /// time, up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Silent {
        Silent {
            first,
            longest,
            known: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Silence>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In which order to ask these servers, and which of the silent ones to try again meanwhile. Says so
    /// once per pause, and only where another server is there to answer.
    pub(super) fn order<'a>(
        &self,
        via: u64,
        servers: &'a [SocketAddr],
    ) -> (Cow<'a, [SocketAddr]>, Vec<SocketAddr>) {
        let mut known = self.lock();
        if known.is_empty() {
            return (Cow::Borrowed(servers), Vec::new());
        }
        let is_silent = |server: &&SocketAddr| known.contains_key(&(via, **server));
        let (silent, mut order): (Vec<_>, Vec<_>) = servers.iter().partition(is_silent);
        if silent.is_empty() || order.is_empty() {
            return (Cow::Borrowed(servers), Vec::new());
        }
        let now = Instant::now();
        let mut due = Vec::new();
        for &server in &silent {
            if let Some(silence) = known.get_mut(&(via, server))
                && now >= silence.again
            {
                silence.grow(now, self.longest);
                due.push(server);
            }
        }
        order.extend(silent);
        (Cow::Owned(order), due)
    }

    /// A server gave an answer.
    pub(super) fn answered(&self, via: u64, server: SocketAddr) {
        let mut known = self.lock();
        if !known.is_empty() {
            known.remove(&(via, server));
        }
    }

    /// A server gave none.
    pub(super) fn failed(&self, via: u64, server: SocketAddr) {
        let now = Instant::now();
        let mut known = self.lock();
        if let Some(silence) = known.get_mut(&(via, server)) {
            silence.grow(now, self.longest);
            return;
        }
        if known.len() >= MOST {
            // Those that nobody asks any more.
            known.retain(|_, silence| now < silence.again + self.longest);
        }
        if known.len() < MOST {
            let silence = Silence {
                pause: self.first,
                again: now + self.first,
            };
            known.insert((via, server), silence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(n: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], n))
    }

    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(4);

    #[tokio::test(start_paused = true)]
    async fn silent_servers_come_last_and_are_tried_less_and_less() {
        let silent = Silent::new(FIRST, LONGEST);
        let all = [server(1), server(2), server(3)];
        let order = |via| {
            let (order, due) = silent.order(via, &all);
            let port = |servers: &[SocketAddr]| servers.iter().map(SocketAddr::port).collect();
            let shown: (Vec<u16>, Vec<u16>) = (port(&order), port(&due));
            shown
        };
        assert_eq!(order(0), (vec![1, 2, 3], vec![]));
        for _ in 0..50 {
            silent.failed(0, server(1));
        }
        assert_eq!(order(0), (vec![2, 3, 1], vec![]));
        assert_eq!(order(9), (vec![1, 2, 3], vec![]), "from elsewhere");
        for pause in [1, 2, 4, 4] {
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert_eq!(order(0), (vec![2, 3, 1], vec![]), "{pause}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(order(0), (vec![2, 3, 1], vec![1]), "{pause}");
            silent.failed(0, server(1));
        }
        // Where nobody answers, all are asked as configured.
        silent.failed(0, server(2));
        silent.failed(0, server(3));
        assert_eq!(order(0), (vec![1, 2, 3], vec![]));
        for n in 1..=3 {
            silent.answered(0, server(n));
        }
        assert_eq!(order(0), (vec![1, 2, 3], vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let silent = Silent::new(FIRST, LONGEST);
        for n in 0..2 * u64::try_from(MOST).unwrap() {
            silent.failed(n, server(1));
        }
        assert_eq!(silent.lock().len(), MOST);
        tokio::time::advance(FIRST + LONGEST).await;
        silent.failed(u64::MAX, server(1));
        assert_eq!(silent.lock().len(), 1);
    }
}
