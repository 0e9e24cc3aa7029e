//! Connections that were used and can be used again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::body::Body;

/// Kept at most.
const KEPT: usize = 256;
/// How long one is kept: less than most servers keep theirs.
const AGE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(SendRequest<Body>, Instant)>>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Vec<(SendRequest<Body>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if one is still open.
    pub(crate) async fn take(&self) -> Option<SendRequest<Body>> {
        loop {
            let (mut sender, since) = self.lock().pop()?;
            if since.elapsed() > AGE {
                // All below it are older.
                self.lock().clear();
                return None;
            }
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    /// Takes one back when its answer has been read to the end.
    pub(crate) fn give(&self, sender: SendRequest<Body>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.len() >= KEPT {
            idle.remove(0);
        }
        idle.push((sender, Instant::now()));
    }
}
