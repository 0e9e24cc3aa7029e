//! The network plane: each VPC is a group of namespaces that the agent makes true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use adit_model::{Generation, VpcId};
use adit_net::client::{Agent, AgentError, Options};
use adit_net::desired::Desired;
use adit_net::render::{self, Internet};
use adit_plane::{Board, Snapshots};
use adit_snapshot::{PlaneFault, Snapshot, Status, VpcView};
use tokio::sync::watch;

use super::NET;

/// How often the kernel is compared with what was applied.
const DRIFT_CHECK: Duration = Duration::from_millis(900);
/// How long a fault waits before it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What stands in the kernel now.
#[derive(Clone, Default)]
pub struct Placed {
    /// The snapshot that was placed; none before the first pass.
    pub snapshot: Option<Arc<Snapshot>>,
    /// VPCs that are not as stated.
    pub faults: Vec<PlaneFault>,
    /// The agent, for opening sockets; none before the first pass.
    pub agent: Option<Arc<Agent>>,
}

/// The plane and what it remembers of its own work.
pub struct NetPlane {
    options: Options,
    agent: Option<Arc<Agent>>,
    /// Which generation of each VPC's view was applied.
    applied: BTreeMap<VpcId, Generation>,
    /// VPCs whose last attempt failed.
    faulty: BTreeMap<VpcId, String>,
    internet: Option<Internet>,
}

impl NetPlane {
    /// A plane that finds or starts its agent with these options.
    pub fn new(options: Options) -> NetPlane {
        NetPlane {
            options,
            agent: None,
            applied: BTreeMap::new(),
            faulty: BTreeMap::new(),
            internet: None,
        }
    }

    /// Finds or starts the agent.
    pub fn connect(&mut self) -> Result<Arc<Agent>, AgentError> {
        match &self.agent {
            Some(agent) => Ok(agent.clone()),
            None => {
                let agent = Arc::new(Agent::start(&self.options)?);
                // A fresh agent, or one that outlived us: nothing is taken for granted.
                self.applied.clear();
                self.internet = None;
                self.agent = Some(agent.clone());
                Ok(agent)
            }
        }
    }

    /// Converges on a snapshot; blocking. With `check`, looks at the kernel instead of trusting
    /// what was applied.
    fn converge(&mut self, snapshot: &Snapshot, check: bool) -> Vec<PlaneFault> {
        let agent = match self.connect() {
            Ok(agent) => agent,
            Err(error) => {
                return vec![PlaneFault {
                    vpc: None,
                    what: chain(&error),
                }];
            }
        };
        let mut faults = Vec::new();
        if let Err(what) = self.place_internet(&agent, snapshot, check) {
            faults.push(PlaneFault { vpc: None, what });
        }
        if self.applied.is_empty() {
            self.remove_strangers(&agent, snapshot, &mut faults);
        }
        for view in snapshot.vpcs() {
            let id = &view.vpc.id;
            let done =
                self.applied.get(id) == Some(&view.generation) && !self.faulty.contains_key(id);
            if !done || check {
                self.place_vpc(&agent, view, check);
            }
        }
        let gone: Vec<VpcId> = self
            .applied
            .keys()
            .filter(|id| snapshot.vpc(id).is_none())
            .cloned()
            .collect();
        for id in gone {
            match agent.remove(id.as_str()) {
                Ok(()) => {
                    self.applied.remove(&id);
                    self.faulty.remove(&id);
                }
                Err(error) => faults.push(PlaneFault {
                    vpc: Some(id),
                    what: chain(&error),
                }),
            }
        }
        faults.extend(self.faulty.iter().map(|(id, what)| PlaneFault {
            vpc: Some(id.clone()),
            what: what.clone(),
        }));
        faults
    }

    fn place_vpc(&mut self, agent: &Agent, view: &VpcView, check: bool) {
        let id = &view.vpc.id;
        let desired = Arc::new(render::render(view));
        match apply(
            agent,
            id.as_str(),
            &desired,
            check || !self.applied.contains_key(id),
        ) {
            Ok(()) => {
                self.applied.insert(id.clone(), view.generation);
                self.faulty.remove(id);
            }
            Err(what) => {
                self.forget_if_lost(agent);
                self.faulty.insert(id.clone(), what);
            }
        }
    }

    fn place_internet(
        &mut self,
        agent: &Agent,
        snapshot: &Snapshot,
        check: bool,
    ) -> Result<(), String> {
        let lists = snapshot
            .intent
            .prefix_lists
            .values()
            .filter(|list| list.owner.is_none());
        let mut service: Vec<_> = lists.flat_map(|list| list.ipv4()).collect();
        service.sort();
        let internet = Internet { service };
        let known = self.internet.as_ref() == Some(&internet);
        if !known || check {
            let desired = Arc::new(render::render_internet(&internet));
            apply(
                agent,
                render::INTERNET,
                &desired,
                check || self.internet.is_none(),
            )?;
            self.internet = Some(internet);
        }
        Ok(())
    }

    /// Groups that an earlier daemon left and no VPC has any more.
    fn remove_strangers(&self, agent: &Agent, snapshot: &Snapshot, faults: &mut Vec<PlaneFault>) {
        let groups = match agent.groups() {
            Ok(groups) => groups,
            Err(error) => {
                return faults.push(PlaneFault {
                    vpc: None,
                    what: chain(&error),
                });
            }
        };
        for group in groups.keys() {
            if group != render::INTERNET
                && snapshot.vpc(group).is_none()
                && let Err(error) = agent.remove(group)
            {
                faults.push(PlaneFault {
                    vpc: None,
                    what: chain(&error),
                });
            }
        }
    }

    /// An agent that is gone is started again by the next pass, which then applies everything.
    fn forget_if_lost(&mut self, agent: &Agent) {
        if matches!(agent.groups(), Err(AgentError::Lost(_))) {
            self.agent = None;
        }
    }
}

fn apply(agent: &Agent, group: &str, desired: &Arc<Desired>, check: bool) -> Result<(), String> {
    let done = match check {
        true => agent.reconcile(group, desired),
        false => agent.apply(group, desired),
    };
    match done {
        Ok(applied) => {
            if check && applied.steps > 0 {
                tracing::debug!(
                    group,
                    steps = applied.steps,
                    "brought the kernel back to what is stated"
                );
            }
            Ok(())
        }
        Err(error) => Err(chain(&error)),
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The loop: the latest snapshot, then the clock for drift and retries.
pub async fn run(
    plane: NetPlane,
    mut snapshots: Snapshots,
    board: Board,
    placed: watch::Sender<Placed>,
) {
    let mut plane = plane;
    let mut look = false;
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let Some(snapshot) = snapshot else {
            if snapshots.changed().await.is_err() {
                return;
            }
            continue;
        };
        let at = snapshot.clone();
        let work = tokio::task::spawn_blocking(move || {
            let faults = plane.converge(&at, look);
            (plane, faults)
        });
        let Ok((back, faults)) = work.await else {
            return;
        };
        plane = back;
        let pause = if faults.is_empty() {
            DRIFT_CHECK
        } else {
            RETRY
        };
        let news = Placed {
            snapshot: Some(snapshot.clone()),
            faults: faults.clone(),
            agent: plane.agent.clone(),
        };
        placed.send_if_modified(|held| {
            let changed = held.snapshot.as_ref().map(Arc::as_ptr)
                != news.snapshot.as_ref().map(Arc::as_ptr)
                || held.faults != news.faults
                || held.agent.as_ref().map(Arc::as_ptr) != news.agent.as_ref().map(Arc::as_ptr);
            if changed {
                *held = news;
            }
            changed
        });
        let known: BTreeSet<_> = board
            .read()
            .planes()
            .flat_map(|(_, s)| s.faults.clone())
            .map(|f| f.what)
            .collect();
        let status = Status {
            reached: snapshot.generation,
            faults: faults.clone(),
        };
        if faults.iter().any(|fault| !known.contains(&fault.what))
            || board_is_behind(&board, &status)
        {
            board.report(NET, status);
        }
        look = tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
            () = tokio::time::sleep(pause) => true,
        };
    }
}

fn board_is_behind(board: &Board, status: &Status) -> bool {
    board
        .read()
        .planes()
        .any(|(name, held)| name == NET && held != status)
}
