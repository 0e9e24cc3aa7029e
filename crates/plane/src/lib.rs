//! What planes share: the newest snapshot, the board they report to, and the numbers they count.
//!
//! A plane is a loop: wait until something changed, take the *latest* snapshot (never the change,
//! I6, I7), converge, report. It never goes backwards (I8), and before its first snapshot it
//! refuses (I11).

pub mod metrics;
pub mod uses;

use std::sync::Arc;
use std::time::Duration;

use adit_model::{Generation, Intent};
use adit_snapshot::{Snapshot, Status, StatusBoard, build};
use tokio::sync::watch;

/// The newest snapshot, for everybody who reads it; none before the first (I11: refuse, never guess).
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// Builds a snapshot of every newer intent and hands it out; for a store to call with each.
pub fn builder(
    publish: watch::Sender<Option<Arc<Snapshot>>>,
) -> impl FnMut(&Arc<Intent>) + Send + 'static {
    move |intent| {
        let held = publish.borrow().clone();
        let next = match held {
            None => Some(build(intent)),
            Some(held) if intent.generation > held.generation => Some(held.next(intent)),
            Some(_) => None,
        };
        if let Some(next) = next {
            publish.send_replace(Some(Arc::new(next)));
        }
    }
}

/// The board on which planes report and callers wait.
#[derive(Debug, Clone)]
pub struct Board {
    sender: Arc<watch::Sender<Arc<StatusBoard>>>,
}

impl Board {
    /// A board that expects these planes.
    pub fn expecting(planes: &[&'static str]) -> Board {
        let (sender, _) = watch::channel(Arc::new(StatusBoard::expecting(planes)));
        Board {
            sender: Arc::new(sender),
        }
    }

    /// What is reported now.
    pub fn read(&self) -> Arc<StatusBoard> {
        self.sender.borrow().clone()
    }

    /// Takes a plane's report.
    pub fn report(&self, plane: &'static str, status: Status) {
        for fault in &status.faults {
            tracing::warn!(
                plane,
                vpc = fault.vpc.as_ref().map(|id| id.as_str()),
                "{}",
                fault.what
            );
        }
        self.sender
            .send_modify(|board| Arc::make_mut(board).report(plane, status));
    }

    /// Returns when every plane has reached a generation, or after `limit`: what is not in force
    /// by then is shown as pending, which is the truth.
    pub async fn settled(&self, generation: Generation, limit: Duration) {
        let mut board = self.sender.subscribe();
        if board.borrow().is_idle() {
            return;
        }
        let reached = board.wait_for(|board| board.reached() >= generation);
        let _ = tokio::time::timeout(limit, reached).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settled_waits_for_every_plane() {
        let board = Board::expecting(&["net", "dns"]);
        let waiting = {
            let board = board.clone();
            tokio::spawn(async move {
                board.settled(Generation(1), Duration::from_secs(60)).await;
                board.read().reached()
            })
        };
        let at = |n| Status {
            reached: Generation(n),
            faults: Vec::new(),
        };
        board.report("net", at(1));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        board.report("dns", at(2));
        assert_eq!(waiting.await.unwrap(), Generation(1));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_when_no_plane_runs() {
        let board = Board::expecting(&[]);
        board.settled(Generation(1), Duration::from_secs(60)).await;
        let vpc = adit_model::VpcId::from_digits(1);
        assert!(!board.read().in_force(&vpc, Generation(1)));
    }

    #[tokio::test]
    async fn settled_gives_up() {
        let board = Board::expecting(&["net"]);
        board.settled(Generation(1), Duration::from_millis(1)).await;
        assert_eq!(board.read().reached(), Generation(0));
    }
}
