//! The S3 front door's listeners follow what the network plane has placed.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use adit_gateway::{Gateway, Scheme, Via};
use adit_model::{Generation, VpcId};
use adit_net::client::Agent;
use adit_net::protocol::Listen;
use adit_plane::Board;
use adit_snapshot::{PlaneFault, Snapshot};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::GATEWAY;
use super::follow::{self, Follower};
use super::net::{Placed, chain};
use super::sockets::{Door, Doors, doors, internet_doors};

/// The loop: doors are opened and closed until the network plane is gone.
pub async fn run(gateway: Gateway, placed: watch::Receiver<Placed>, board: Board) {
    let open = BTreeMap::new();
    follow::follow(FrontDoor { gateway, open }, GATEWAY, placed, board).await;
}

/// The front door with the doors that are open, by VPC; those of the internet under none.
struct FrontDoor {
    gateway: Gateway,
    open: BTreeMap<Option<VpcId>, Home>,
}

impl Follower for FrontDoor {
    fn forget(&mut self) {
        self.open.values().for_each(Home::close);
        self.open.clear();
    }

    async fn follow(&mut self, agent: &Arc<Agent>, snapshot: &Arc<Snapshot>) -> Vec<PlaneFault> {
        let mut faults = Vec::new();
        let (agent, missing) = (agent.clone(), missing(&mut self.open, snapshot));
        let opened = tokio::task::spawn_blocking(move || open_doors(&agent, missing)).await;
        for ((vpc, door), listener) in opened.unwrap_or_default() {
            let served = listener.and_then(|listener| self.serve(&door, listener));
            let home = self.open.entry(vpc.clone()).or_default();
            match served {
                Ok(token) => drop(home.doors.insert(door, token)),
                Err(what) => {
                    home.seen = None;
                    faults.push(PlaneFault { vpc, what });
                }
            }
        }
        faults
    }
}

impl FrontDoor {
    /// Serves what was opened, until the token is cancelled.
    fn serve(
        &self,
        (door, address): &(Door, SocketAddr),
        listener: TcpListener,
    ) -> Result<CancellationToken, String> {
        let scheme = match address.port() {
            443 => Scheme::Tls,
            _ => Scheme::Plain,
        };
        let token = CancellationToken::new();
        let served = self
            .gateway
            .serve_listener(listener, via(door), scheme, token.clone());
        served.map(|_| token).map_err(|error| chain(&error))
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
fn missing(open: &mut BTreeMap<Option<VpcId>, Home>, snapshot: &Snapshot) -> Missing {
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
