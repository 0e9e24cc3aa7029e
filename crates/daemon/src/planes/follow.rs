//! The loop that the planes behind the network plane share: sockets follow what that has placed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use adit_net::client::Agent;
use adit_plane::Board;
use adit_snapshot::{PlaneFault, Snapshot, Status};
use tokio::sync::watch;

use super::net::Placed;

/// How long sockets that could not be opened wait before they are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A plane whose sockets are in the namespaces that the network plane has made.
pub(super) trait Follower: Send {
    /// Closes every socket: the agent that opened them is gone, and with it their namespaces.
    fn forget(&mut self);

    /// Opens and closes sockets as a snapshot asks for, and says what could not be opened.
    fn follow(
        &mut self,
        agent: &Arc<Agent>,
        snapshot: &Arc<Snapshot>,
    ) -> impl Future<Output = Vec<PlaneFault>> + Send;
}

/// Follows, and reports under the plane's name, until the network plane is gone.
pub(super) async fn follow(
    mut plane: impl Follower,
    name: &'static str,
    mut placed: watch::Receiver<Placed>,
    board: Board,
) {
    let mut agent_was: Option<Arc<Agent>> = None;
    loop {
        let now = placed.borrow_and_update().clone();
        let mut whole = true;
        if let (Some(agent), Some(snapshot)) = (now.agent, now.snapshot) {
            let another = |was: &Arc<Agent>| !Arc::ptr_eq(was, &agent);
            if agent_was.as_ref().is_some_and(another) {
                plane.forget();
            }
            agent_was = Some(agent.clone());
            let faults = plane.follow(&agent, &snapshot).await;
            whole = faults.is_empty();
            let status = Status {
                reached: snapshot.generation,
                faults,
            };
            board.report(name, status);
        }
        let changed = match whole {
            true => placed.changed().await,
            false => tokio::time::timeout(RETRY, placed.changed())
                .await
                .unwrap_or(Ok(())),
        };
        if changed.is_err() {
            return;
        }
    }
}
