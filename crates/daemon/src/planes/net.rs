//! The network plane: each VPC is a group of namespaces that the agent makes true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use adit_model::{Generation, VpcId, VpcPeeringConnectionId};
use adit_net::client::{Agent, AgentError, Options};
use adit_net::desired::Desired;
use adit_net::protocol::Mended;
use adit_net::render::{self, Internet};
use adit_plane::{Board, Snapshots};
use adit_snapshot::{PlaneFault, Snapshot, Status, VpcView};
use tokio::sync::{mpsc, watch};

use super::NET;
use super::traffic::Ways;

/// How long one wait for changes by others lasts; afterwards the agent looks at a few namespaces
/// where nothing was heard of.
const DRIFT_WAIT: Duration = Duration::from_millis(900);
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
    /// Which devices have carried S3's bytes since the daemon began.
    pub ways: Arc<Ways>,
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
    /// Peering connections that stand.
    peerings: BTreeSet<VpcPeeringConnectionId>,
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
            peerings: BTreeSet::new(),
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
                self.peerings.clear();
                self.internet = None;
                self.agent = Some(agent.clone());
                Ok(agent)
            }
        }
    }

    /// Converges on a snapshot; blocking. What was applied without fault is trusted to be there:
    /// the agent hears of changes by others ([`mend`]).
    fn converge(&mut self, snapshot: &Snapshot) -> Vec<PlaneFault> {
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
        if let Err(what) = self.place_internet(&agent, snapshot) {
            self.internet = None;
            faults.push(PlaneFault { vpc: None, what });
        }
        // Both VPCs hang on it: it comes before them and goes after them.
        let peerings = peerings_of(snapshot);
        for id in peerings.difference(&self.peerings.clone()) {
            let desired = Arc::new(render::render_peering(id));
            match apply(&agent, id.as_str(), &desired, true) {
                Ok(()) => drop(self.peerings.insert(id.clone())),
                Err(what) => faults.push(PlaneFault { vpc: None, what }),
            }
        }
        if self.applied.is_empty() {
            self.remove_strangers(&agent, snapshot, &mut faults);
        }
        for view in snapshot.vpcs() {
            let id = &view.vpc.id;
            let done =
                self.applied.get(id) == Some(&view.generation) && !self.faulty.contains_key(id);
            if !done {
                self.place_vpc(&agent, view);
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
        for id in self
            .peerings
            .difference(&peerings)
            .cloned()
            .collect::<Vec<_>>()
        {
            match agent.remove(id.as_str()) {
                Ok(()) => drop(self.peerings.remove(&id)),
                Err(error) => faults.push(PlaneFault {
                    vpc: None,
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

    fn place_vpc(&mut self, agent: &Agent, view: &VpcView) {
        let id = &view.vpc.id;
        let desired = Arc::new(render::render(view));
        let check = self.faulty.contains_key(id) || !self.applied.contains_key(id);
        match apply(agent, id.as_str(), &desired, check) {
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

    fn place_internet(&mut self, agent: &Agent, snapshot: &Snapshot) -> Result<(), String> {
        let internet = internet_of(snapshot);
        if self.internet.as_ref() != Some(&internet) {
            let desired = Arc::new(render::render_internet(&internet));
            let check = self.internet.is_none();
            apply(agent, render::INTERNET, &desired, check)?;
            self.internet = Some(internet);
        }
        Ok(())
    }

    /// Takes in what the agent found while it looked after the kernel. Whether there is anything to
    /// be done.
    fn hear(&mut self, news: News) -> bool {
        let mended = match news {
            News::Lost => {
                self.agent = None;
                return true;
            }
            News::Mended(mended) => mended,
        };
        for (group, steps) in &mended.steps {
            tracing::warn!(group, ?steps, "brought the kernel back to what is stated");
        }
        for (group, what) in &mended.failed {
            match (
                group.parse::<VpcId>(),
                group.parse::<VpcPeeringConnectionId>(),
            ) {
                (Ok(id), _) => drop(self.faulty.insert(id, what.clone())),
                (_, Ok(id)) => drop(self.peerings.remove(&id)),
                _ => self.internet = None,
            }
        }
        !mended.failed.is_empty()
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
        let peerings = peerings_of(snapshot);
        let is_peering = |group: &String| peerings.iter().any(|id| id.as_str() == group);
        for group in groups.keys() {
            if group != render::INTERNET
                && snapshot.vpc(group).is_none()
                && !is_peering(group)
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

/// The peering connections over which packets pass.
fn peerings_of(snapshot: &Snapshot) -> BTreeSet<VpcPeeringConnectionId> {
    let views = snapshot.vpcs().flat_map(|view| &view.peerings);
    views.map(|peering| peering.connection.id.clone()).collect()
}

/// What the internet's namespace holds.
fn internet_of(snapshot: &Snapshot) -> Internet {
    let lists = snapshot
        .intent
        .prefix_lists
        .values()
        .filter(|list| list.owner.is_none());
    let mut service: Vec<_> = lists.flat_map(|list| list.ipv4()).collect();
    service.sort();
    Internet { service }
}

/// What would be done to make the kernel as the snapshot says, by group; blocking. Reads the whole
/// kernel state and changes nothing.
pub fn plan(
    agent: &Agent,
    snapshot: &Snapshot,
) -> Result<BTreeMap<String, Vec<String>>, AgentError> {
    let mut plans = BTreeMap::new();
    let internet = render::render_internet(&internet_of(snapshot));
    plans.insert(
        render::INTERNET.to_string(),
        agent.plan(render::INTERNET, &internet)?,
    );
    for id in peerings_of(snapshot) {
        let steps = agent.plan(id.as_str(), &render::render_peering(&id))?;
        plans.insert(id.to_string(), steps);
    }
    for view in snapshot.vpcs() {
        let group = view.vpc.id.to_string();
        plans.insert(group.clone(), agent.plan(&group, &render::render(view))?);
    }
    let known: BTreeSet<String> = plans.keys().cloned().collect();
    for (group, namespaces) in agent.groups()? {
        if !known.contains(&group) {
            let steps = namespaces
                .iter()
                .map(|ns| format!("{ns}: remove namespace"));
            plans.insert(group, steps.collect());
        }
    }
    Ok(plans)
}

/// What the loop hears of the agent's looking after the kernel.
pub enum News {
    /// Others changed something.
    Mended(Mended),
    /// The agent is gone.
    Lost,
}

/// Has the agent look after the kernel, for as long as the plane runs.
async fn mend(mut placed: watch::Receiver<Placed>, news: mpsc::Sender<News>) {
    let mut lost: Option<Arc<Agent>> = None;
    loop {
        let agent = placed.borrow_and_update().agent.clone();
        let known = |agent: &Arc<Agent>| lost.as_ref().is_none_or(|lost| !Arc::ptr_eq(lost, agent));
        let Some(agent) = agent.filter(known) else {
            if placed.changed().await.is_err() {
                return;
            }
            continue;
        };
        let asked = agent.clone();
        let answer = tokio::task::spawn_blocking(move || asked.mend(DRIFT_WAIT)).await;
        let told = match answer {
            Ok(Ok(mended)) if mended.steps.is_empty() && mended.failed.is_empty() => continue,
            Ok(Ok(mended)) => news.send(News::Mended(mended)).await,
            Ok(Err(AgentError::Lost(_))) => {
                lost = Some(agent);
                news.send(News::Lost).await
            }
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "could not look after the kernel");
                tokio::time::sleep(RETRY).await;
                Ok(())
            }
            Err(_) => return,
        };
        if told.is_err() {
            return;
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

/// The loop: the latest snapshot, what others changed, and the clock for retries.
pub async fn run(
    plane: NetPlane,
    mut snapshots: Snapshots,
    board: Board,
    placed: watch::Sender<Placed>,
) {
    let mut plane = plane;
    let (tell, mut told) = mpsc::channel(4);
    tokio::spawn(mend(placed.subscribe(), tell));
    let ways: Arc<Ways> = Arc::default();
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
            let faults = plane.converge(&at);
            (plane, faults)
        });
        let Ok((back, faults)) = work.await else {
            return;
        };
        plane = back;
        ways.learn(&snapshot);
        let news = Placed {
            snapshot: Some(snapshot.clone()),
            faults: faults.clone(),
            agent: plane.agent.clone(),
            ways: ways.clone(),
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
        loop {
            tokio::select! {
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                heard = told.recv() => match heard {
                    Some(heard) => {
                        if plane.hear(heard) {
                            break;
                        }
                    }
                    None => return,
                },
                () = tokio::time::sleep(RETRY), if !faults.is_empty() => break,
            }
        }
    }
}

fn board_is_behind(board: &Board, status: &Status) -> bool {
    board
        .read()
        .planes()
        .any(|(name, held)| name == NET && held != status)
}
