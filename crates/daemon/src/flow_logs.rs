//! Flow logs: what the routers counted, as records in AWS's formats, in buckets and files.
//!
//! The kernel counts ([`adit_net::render::count`]); this looks at the VPCs that have flow logs every few
//! seconds, keeps sums for the time that a record covers, and writes them when it is over. Memory has a
//! bound: what does not fit is not recorded, and a record says so (`SKIPDATA`), as on AWS.

mod deliver;
mod gather;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_model::{FlowLog, VpcId};
use adit_net::client::Agent;
use adit_net::protocol::Flows;
use adit_net::render;
use adit_objects::Store as Objects;
use adit_plane::metrics::{Family, Kind, Metrics};
use adit_snapshot::{Snapshot, VpcView};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::deliver::Deliverer;
use self::gather::{Differences, Sums};
use crate::planes::net::{Placed, chain};
use crate::up::now_millis;

/// How often the kernel is looked at: well within the time that it keeps a flow without packets.
const PERIOD: Duration = Duration::from_secs(5);

/// What an operator decides.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The most seconds that a record covers, whatever a flow log asks for.
    pub seconds: u32,
}

/// One VPC's flows, and what its logs have of them so far.
#[derive(Default)]
struct Watched {
    /// Whether its router was looked at before.
    seen: bool,
    differences: Differences,
    logs: BTreeMap<String, Sums>,
}

struct Recorder {
    settings: Settings,
    deliverer: Deliverer,
    /// When this daemon began to record: what routers counted before was another daemon's.
    since: i64,
    vpcs: BTreeMap<VpcId, Watched>,
    records: Family,
}

/// Records until the network plane ends or `stop` says so; then what there is is written.
pub async fn run(
    mut placed: watch::Receiver<Placed>,
    settings: Settings,
    objects: Objects,
    state: PathBuf,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut recorder = Recorder {
        settings,
        deliverer: Deliverer::new(objects, state),
        since: now_millis(),
        vpcs: BTreeMap::new(),
        records: metrics.family(
            "adit_flow_log_records_total",
            Kind::Counter,
            "Records of a flow log, by what became of them.",
            &["flow_log_id", "result"],
        ),
    };
    let period = PERIOD.min(Duration::from_secs(u64::from(settings.seconds)) / 2);
    let period = period.max(Duration::from_millis(500));
    loop {
        let now = placed.borrow_and_update().clone();
        if let (Some(agent), Some(snapshot)) = (now.agent, now.snapshot) {
            recorder.look(&agent, &snapshot).await;
            recorder.write(&snapshot, stop.is_cancelled()).await;
        }
        if stop.is_cancelled() || placed.has_changed().is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Recorder {
    /// Takes in what was counted since the last look.
    async fn look(&mut self, agent: &Arc<Agent>, snapshot: &Arc<Snapshot>) {
        let views: Vec<Arc<VpcView>> = snapshot
            .vpcs()
            .filter(|view| !view.flow_logs.is_empty())
            .cloned()
            .collect();
        let ids: BTreeSet<&VpcId> = views.iter().map(|view| &view.vpc.id).collect();
        self.vpcs.retain(|id, _| ids.contains(id));
        for view in &views {
            let watched = self.vpcs.entry(view.vpc.id.clone()).or_default();
            for log in &view.flow_logs {
                let now = now_millis();
                let seconds = log.interval.min(self.settings.seconds).max(1);
                let sums = watched.logs.entry(log.id.to_string());
                sums.or_insert_with(|| Sums::beginning(now, seconds, log.created));
            }
            let (agent, router) = (agent.clone(), render::place::router(&view.vpc.id));
            let read = tokio::task::spawn_blocking(move || agent.flows(&router)).await;
            let flows: Flows = match read {
                Ok(Ok(flows)) => flows,
                Ok(Err(error)) => {
                    // The router is not there yet, or not any more.
                    tracing::debug!(vpc = %view.vpc.id, error = chain(&error), "no flows");
                    continue;
                }
                Err(_) => continue,
            };
            let now = now_millis();
            let fresh = watched.differences.take(&flows, now);
            let first = !std::mem::replace(&mut watched.seen, true);
            let earlier = view.flow_logs.iter().any(|log| log.created < self.since);
            if first && earlier && !flows.flows.is_empty() {
                // Counted for an earlier daemon, which may have recorded it.
                watched.logs.values_mut().for_each(Sums::skip);
                continue;
            }
            for log in &view.flow_logs {
                if let Some(sums) = watched.logs.get_mut(log.id.as_str()) {
                    sums.add(log, view, &fresh);
                    if !flows.full.is_empty() {
                        sums.skip();
                    }
                }
            }
        }
    }

    /// Writes the records of every log whose time is over, or of all at the `end`.
    async fn write(&mut self, snapshot: &Arc<Snapshot>, end: bool) {
        for (vpc, watched) in &mut self.vpcs {
            let Some(view) = snapshot.vpc(vpc) else {
                continue;
            };
            let logs: BTreeMap<&str, &Arc<FlowLog>> = view
                .flow_logs
                .iter()
                .map(|log| (log.id.as_str(), log))
                .collect();
            watched.logs.retain(|id, _| logs.contains_key(id.as_str()));
            for (id, sums) in &mut watched.logs {
                let Some(log) = logs.get(id.as_str()) else {
                    continue;
                };
                let now = now_millis();
                let Some(window) = sums.close(now, end) else {
                    continue;
                };
                let records = record::records(log, view, snapshot, &window);
                let count = records.len() as u64;
                let result = match self.deliverer.deliver(log, snapshot, records, now).await {
                    Ok(()) => "delivered",
                    Err(why) => {
                        tracing::warn!(flow_log = id, why, "records are lost");
                        "lost"
                    }
                };
                self.records.of(&[id, result]).add(count);
            }
        }
    }
}
