//! Whether anything moves on an HTTP/2 connection, where many requests share one socket and a client
//! can hold back answers without the socket noticing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What happens on one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    begun: Instant,
    /// Milliseconds from `begun` to the last movement.
    last: AtomicU64,
    requests: AtomicUsize,
    /// Requests whose answer has not begun.
    working: AtomicUsize,
}

/// One request on its way; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Active(Arc<Activity>);

/// One answer that is worked on; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Working(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Arc<Activity> {
        Arc::new(Activity {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
        })
    }

    fn moved(&self) {
        let passed = self.begun.elapsed().as_millis();
        self.last
            .store(u64::try_from(passed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Activity>) -> Active {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let active = Active(self.clone());
        active.touch();
        active
    }

    /// Work on an answer begins: as long as it lasts it is not the client who holds things up, and whoever
    /// waits for a request's body has limits of its own for that.
    pub(crate) fn work(self: &Arc<Activity>) -> Working {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self.clone())
    }

    /// Whether no request is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Returns when nothing has moved for too long: `idle` without requests, `busy` with some.
    pub(crate) async fn stalled(&self, idle: Duration, busy: Duration) {
        loop {
            let limit = match self.requests.load(Ordering::Relaxed) {
                0 => idle,
                _ => busy,
            };
            let last = self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let due = last + limit;
            let works = self.working.load(Ordering::Relaxed) > 0;
            let now = Instant::now();
            if now >= due && !works {
                return;
            }
            let next = now + idle.min(busy);
            let next = if now >= due { next } else { due.min(next) };
            tokio::time::sleep_until(next).await;
        }
    }
}

impl Active {
    /// Something moved.
    pub(crate) fn touch(&self) {
        self.0.moved();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.moved();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_and_busy_have_limits_of_their_own() {
        let (idle, busy) = (Duration::from_secs(10), Duration::from_secs(60));
        let activity = Activity::new();
        let begun = Instant::now();
        activity.stalled(idle, busy).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        let active = activity.begin();
        let begun = Instant::now();
        let (watched, moving) = (activity.clone(), async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                active.touch();
            }
        });
        let watch = tokio::spawn(async move { watched.stalled(idle, busy).await });
        moving.await;
        assert!(!watch.is_finished(), "it moves");
        watch.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 310);
        drop(active);
        // A long copy is no client that stands still.
        let (active, working) = (activity.begin(), activity.work());
        let begun = Instant::now();
        let watched = activity.clone();
        let watch = tokio::spawn(async move { watched.stalled(idle, busy).await });
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!watch.is_finished(), "it is worked on");
        drop(working);
        watch.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 660);
        drop(active);
        let begun = Instant::now();
        activity.stalled(idle, busy).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
