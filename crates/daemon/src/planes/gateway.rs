//! The S3 front door's listeners follow what the network plane has placed.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use adit_gateway::{Gateway, Scheme, Via};
use adit_model::{Generation, VpcId};
use adit_net::client::Agent;
use adit_net::protocol::Listen;
use adit_plane::Board;
use adit_snapshot::{PlaneFault, Snapshot, Status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::GATEWAY;
use super::net::{Placed, chain};
use super::sockets::{Door, Doors, doors, internet_doors};

/// How long a door that could not be opened waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The loop: doors are opened and closed until the network plane is gone.
pub async fn run(gateway: Gateway, mut placed: watch::Receiver<Placed>, board: Board) {
    let mut open: BTreeMap<Option<VpcId>, Home> = BTreeMap::new();
    let mut agent_was: Option<Arc<Agent>> = None;
    loop {
        let now = placed.borrow_and_update().clone();
        let mut faults = Vec::new();
        if let (Some(agent), Some(snapshot)) = (now.agent.clone(), now.snapshot.clone()) {
            // Sockets of an agent that is gone are in namespaces that are gone.
            if agent_was
                .as_ref()
                .is_some_and(|was| !Arc::ptr_eq(was, &agent))
            {
                open.values().for_each(Home::close);
                open.clear();
            }
            agent_was = Some(agent.clone());
            let missing = follow(&mut open, &snapshot);
            let opened = tokio::task::spawn_blocking(move || open_doors(&agent, missing)).await;
            for ((vpc, door), listener) in opened.unwrap_or_default() {
                let token = CancellationToken::new();
                let served = listener.and_then(|listener| {
                    let scheme = if door.1.port() == 443 {
                        Scheme::Tls
                    } else {
                        Scheme::Plain
                    };
                    let via = via(&door.0);
                    gateway
                        .serve_listener(listener, via, scheme, token.clone())
                        .map_err(|e| chain(&e))
                });
                let home = open.entry(vpc.clone()).or_default();
                match served {
                    Ok(_) => drop(home.doors.insert(door, token)),
                    Err(what) => {
                        home.seen = None;
                        faults.push(PlaneFault { vpc, what });
                    }
                }
            }
            let status = Status {
                reached: snapshot.generation,
                faults: faults.clone(),
            };
            board.report(GATEWAY, status);
        }
        let changed = async {
            match faults.is_empty() {
                true => placed.changed().await,
                false => tokio::time::timeout(RETRY, placed.changed())
                    .await
                    .unwrap_or(Ok(())),
            }
        };
        if changed.await.is_err() {
            return;
        }
    }
}

fn via(door: &Door) -> Via {
    match door {
        Door::Gateway(endpoint) | Door::Interface(endpoint, _) => Via::Endpoint(endpoint.clone()),
        Door::Internet => Via::Internet,
    }
}

/// The doors of a VPC, or of the internet.
#[derive(Default)]
struct Home {
    /// The generation of the VPC's view that they follow; none while one is missing.
    seen: Option<Generation>,
    doors: BTreeMap<(Door, SocketAddr), CancellationToken>,
}

impl Home {
    fn close(&self) {
        self.doors.values().for_each(CancellationToken::cancel);
    }

    /// Closes what is not wanted any more and returns what is to be opened.
    fn follow(&mut self, wanted: Doors) -> impl Iterator<Item = ((Door, SocketAddr), Listen)> {
        self.doors.retain(|door, token| {
            let stays = wanted.contains_key(door);
            if !stays {
                token.cancel();
            }
            stays
        });
        wanted
            .into_iter()
            .filter(|(door, _)| !self.doors.contains_key(door))
    }
}

type Missing = Vec<((Option<VpcId>, (Door, SocketAddr)), Listen)>;

/// Closes what a snapshot does not ask for and returns what it asks for besides. VPCs that did not
/// change are not looked at.
fn follow(open: &mut BTreeMap<Option<VpcId>, Home>, snapshot: &Snapshot) -> Missing {
    let mut missing = Missing::new();
    open.retain(|vpc, home| {
        let stays = vpc.as_ref().is_none_or(|id| snapshot.vpc(id).is_some());
        if !stays {
            home.close();
        }
        stays
    });
    let mut look = |vpc: Option<&VpcId>, generation, wanted: &dyn Fn() -> Doors| {
        let home = open.entry(vpc.cloned()).or_default();
        if home.seen != Some(generation) {
            home.seen = Some(generation);
            let doors = home.follow(wanted());
            missing.extend(doors.map(|(door, listen)| ((vpc.cloned(), door), listen)));
        }
    };
    look(None, Generation::default(), &internet_doors);
    for view in snapshot.vpcs() {
        look(Some(&view.vpc.id), view.generation, &|| doors(view));
    }
    missing
}

type Opened = Vec<(
    (Option<VpcId>, (Door, SocketAddr)),
    Result<TcpListener, String>,
)>;

fn open_doors(agent: &Agent, wanted: Missing) -> Opened {
    if wanted.is_empty() {
        return Vec::new();
    }
    let (doors, specs): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let opened = agent.listen(&specs).into_iter();
    let opened = opened.map(|socket| {
        let socket = socket.map(TcpListener::from);
        socket.map_err(|error| chain(&error))
    });
    doors.into_iter().zip(opened).collect()
}
