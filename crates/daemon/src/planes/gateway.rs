//! The S3 front door's listeners follow what the network plane has placed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use adit_gateway::{Gateway, Scheme, Via};
use adit_net::client::Agent;
use adit_net::protocol::Listen;
use adit_plane::Board;
use adit_snapshot::{PlaneFault, Status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::GATEWAY;
use super::net::{Placed, chain};
use super::sockets::{Door, doors};

/// How long a door that could not be opened waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The loop: doors are opened and closed until the network plane is gone.
pub async fn run(gateway: Gateway, mut placed: watch::Receiver<Placed>, board: Board) {
    let mut open: BTreeMap<(Door, u16), CancellationToken> = BTreeMap::new();
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
                open.values().for_each(CancellationToken::cancel);
                open.clear();
            }
            agent_was = Some(agent.clone());
            let wanted = doors(&snapshot);
            open.retain(|door, token| {
                let stays = wanted.contains_key(door);
                if !stays {
                    token.cancel();
                }
                stays
            });
            let missing: Vec<_> = wanted
                .into_iter()
                .filter(|(door, _)| !open.contains_key(door))
                .collect();
            let opened = tokio::task::spawn_blocking(move || open_doors(&agent, missing)).await;
            for (door, listener) in opened.unwrap_or_default() {
                let token = CancellationToken::new();
                let served = listener.and_then(|listener| {
                    let scheme = if door.1 == 443 {
                        Scheme::Tls
                    } else {
                        Scheme::Plain
                    };
                    let via = via(&door.0);
                    gateway
                        .serve_listener(listener, via, scheme, token.clone())
                        .map_err(|e| chain(&e))
                });
                match served {
                    Ok(_) => {
                        open.insert(door, token);
                    }
                    Err(what) => faults.push(fault(&snapshot, &door.0, what)),
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

fn fault(snapshot: &adit_snapshot::Snapshot, door: &Door, what: String) -> PlaneFault {
    let vpc = match door {
        Door::Gateway(id) | Door::Interface(id, _) => {
            snapshot.endpoint(id).map(|view| view.endpoint.vpc.clone())
        }
        Door::Internet => None,
    };
    PlaneFault { vpc, what }
}

type Opened = Vec<((Door, u16), Result<TcpListener, String>)>;

fn open_doors(agent: &Agent, wanted: Vec<((Door, u16), Listen)>) -> Opened {
    let (doors, specs): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let opened = agent.listen(&specs).into_iter();
    let opened = opened.map(|socket| {
        let socket = socket.map(TcpListener::from);
        socket.map_err(|error| chain(&error))
    });
    doors.into_iter().zip(opened).collect()
}
