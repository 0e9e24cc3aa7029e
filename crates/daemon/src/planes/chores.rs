//! What the front door does now and then: applying lifecycle rules, and delivering access logs.

use std::sync::Arc;
use std::time::Duration;

use adit_gateway::Gateway;
use adit_snapshot::Snapshot;
use adit_snapshot::bucket::LifecycleRule;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// How long after a change rules are looked at: changes come in flocks.
const SETTLE: Duration = Duration::from_secs(1);

/// Applies lifecycle rules: at the start, when some bucket's rules changed, and every so often, since
/// things fall due with time. Each run does the same.
pub async fn expire(gateway: Gateway, mut snapshots: Snapshots, every: Duration) {
    let mut known = None;
    loop {
        let rules = rules(snapshots.borrow_and_update().as_deref());
        if rules.is_some() {
            let report = gateway.expire().await;
            if report != Default::default() {
                tracing::info!(?report, "lifecycle rules were applied");
            }
        }
        known = rules.or(known);
        let due = Instant::now() + every;
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                changed = snapshots.changed() => if changed.is_err() {
                    return;
                },
            }
            tokio::time::sleep(SETTLE).await;
            let now = self::rules(snapshots.borrow_and_update().as_deref());
            if now.is_some() && now != known {
                break;
            }
        }
    }
}

/// The lifecycle rules of all buckets that have some, by incarnation; none where there is no world yet.
fn rules(snapshot: Option<&Snapshot>) -> Option<Vec<(String, Vec<LifecycleRule>)>> {
    let buckets = snapshot?.buckets();
    let some = buckets.filter(|view| !view.settings.lifecycle.is_empty());
    let rules = some.map(|view| {
        (
            view.bucket.incarnation.clone(),
            view.settings.lifecycle.clone(),
        )
    });
    Some(rules.collect())
}

/// Delivers access logs every so often, until the world ends; the last delivery is the caller's.
pub async fn deliver_logs(gateway: Gateway, mut snapshots: Snapshots, every: Duration) {
    loop {
        let ended = async { while snapshots.changed().await.is_ok() {} };
        if timeout(every, ended).await.is_ok() {
            return;
        }
        gateway.deliver_logs().await;
    }
}
