//! Whether an upstream answers, and a circuit breaker that gives it time when it does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which nothing is asked for a while.
const TRIES: u32 = 5;
/// How long, the first time; twice as long each time, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Whether an upstream is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers, as far as is known.
    Up,
    /// It failed lately and is still asked.
    Failing,
    /// It is not asked but for one request now and then.
    Down,
}

impl State {
    /// `up`, `failing` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Failing => "failing",
            State::Down => "down",
        }
    }
}

/// What is known of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it is asked.
    pub state: State,
    /// Requests sent since the process began.
    pub requests: u64,
    /// Those of them that got no answer.
    pub failures: u64,
    /// Why the last of them got none.
    pub last_failure: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    requests: u64,
    failures: u64,
    last_failure: Option<String>,
    /// Failures since the last success.
    row: u32,
    /// When the next request may try.
    closed_until: Option<Instant>,
    pause: Duration,
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may be sent now. While the circuit is open one request per pause may try.
    pub(crate) fn admit(&self) -> bool {
        let mut inner = self.lock();
        if let Some(until) = inner.closed_until {
            let now = Instant::now();
            if now < until {
                return false;
            }
            // The others wait for what comes of this one.
            inner.closed_until = Some(now + inner.pause);
        }
        inner.requests += 1;
        true
    }

    /// An answer began.
    pub(crate) fn answered(&self) {
        let mut inner = self.lock();
        inner.row = 0;
        inner.closed_until = None;
        inner.pause = Duration::ZERO;
    }

    /// No answer.
    pub(crate) fn failed(&self, why: &str) {
        let mut inner = self.lock();
        inner.failures += 1;
        inner.last_failure = Some(why.to_owned());
        inner.row = inner.row.saturating_add(1);
        if inner.row >= TRIES {
            inner.pause = (inner.pause * 2).clamp(SHORTEST, LONGEST);
            inner.closed_until = Some(Instant::now() + inner.pause);
        }
    }

    pub(crate) fn health(&self) -> Health {
        let inner = self.lock();
        let state = match (inner.closed_until, inner.row) {
            (Some(_), _) => State::Down,
            (None, 0) => State::Up,
            (None, _) => State::Failing,
        };
        Health {
            state,
            requests: inner.requests,
            failures: inner.failures,
            last_failure: inner.last_failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_request_per_pause_tries_an_upstream_that_is_down() {
        let breaker = Breaker::default();
        for _ in 0..TRIES {
            assert!(breaker.admit());
            breaker.failed("refused");
        }
        assert_eq!(breaker.health().state, State::Down);
        assert!(!breaker.admit());
        tokio::time::advance(SHORTEST).await;
        assert!(breaker.admit(), "one may try");
        assert!(!breaker.admit(), "and only one");
        breaker.failed("refused");
        tokio::time::advance(SHORTEST).await;
        assert!(!breaker.admit(), "the pause grows");
        tokio::time::advance(SHORTEST).await;
        assert!(breaker.admit());
        breaker.answered();
        assert_eq!(breaker.health().state, State::Up);
        assert!(breaker.admit() && breaker.admit());
        assert_eq!(breaker.health().failures, u64::from(TRIES) + 1);
    }
}
