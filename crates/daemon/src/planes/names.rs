//! The name plane: one decision behind every resolver's sockets.
//!
//! A VPC's private zones and rules come first (`world`); what they do not cover is a host name, a
//! name of an endpoint or a public one. Queries that a rule sends elsewhere leave from the outbound
//! endpoint's own interfaces (`outbound`).

mod outbound;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use adit_dns::forward::{ForwardLimits, Forwarder};
use adit_dns::index::{Layer, Resolved, View};
use adit_dns::serve::{Limits, Server, Serving};
use adit_dns::wire::{Owner, Rcode, RecordType, Reply, Soa};
use adit_dns::{Decision, Listener, Name, Names, Origin, Question};
use adit_model::{ResolverEndpoint, Site, Vpc, VpcId};
use adit_net::client::Agent;
use adit_net::protocol::Listen;
use adit_plane::{Board, Snapshots};
use adit_snapshot::decide::name::{self, Found, TTL, Viewpoint};
use adit_snapshot::{PlaneFault, Snapshot, Status};
use tokio::sync::watch;

use super::DNS;
use super::net::{Placed, chain};
use super::sockets::{Desk, desks};
use outbound::Outbound;
use world::World;

/// Answers from the newest snapshot.
#[derive(Clone)]
pub struct SnapshotNames {
    snapshots: Snapshots,
    world: watch::Receiver<Arc<World>>,
}

/// The layer of a VPC that has no names of its own.
static EMPTY: LazyLock<Layer> = LazyLock::new(Layer::new);

/// What stands behind a negative answer: how long it may be kept.
static ZONES: LazyLock<Option<[(Name, Soa); 2]>> = LazyLock::new(|| {
    let zone = |name: &str| {
        let apex: Name = name.parse().ok()?;
        let soa = Soa {
            primary: "ns.adit.invalid".parse().ok()?,
            mailbox: "hostmaster.adit.invalid".parse().ok()?,
            serial: 1,
            refresh: 7200,
            retry: 900,
            expire: 1_209_600,
            minimum: 5,
        };
        Some((apex, soa))
    };
    Some([zone("amazonaws.com")?, zone(".")?])
});

impl Names for SnapshotNames {
    fn answer(
        &self,
        question: &Question<'_>,
        origin: &Origin<'_>,
        reply: &mut Reply<'_>,
    ) -> Decision {
        let Some(snapshot) = self.snapshots.borrow().clone() else {
            reply.set_rcode(Rcode::SERVFAIL);
            return Decision::Answer;
        };
        let label = &*origin.listener.label;
        let from = match label.parse::<VpcId>() {
            Ok(vpc) => Viewpoint::Vpc(vpc),
            Err(_) => match snapshot.intent.get::<ResolverEndpoint>(label) {
                Some(endpoint) => Viewpoint::Inbound(endpoint.vpc.clone()),
                None => Viewpoint::Public,
            },
        };
        reply.set_recursion_available(true);
        match self.private(&snapshot, &from, question, reply) {
            Resolved::Answered => return Decision::Answer,
            Resolved::Forward(upstreams) => return Decision::Forward(upstreams),
            Resolved::Outside => {}
        }
        // The end of a chain that leads out of the private zones, or the name itself.
        let end = reply.continue_at().cloned();
        let owner = match end {
            Some(_) => Owner::Target,
            None => Owner::Question,
        };
        let asked = match &end {
            Some(end) => end.to_string(),
            None => question.name.to_string(),
        };
        let answer = name::name(&snapshot, &from, asked.trim_end_matches('.'));
        match answer.found {
            Found::Refused => reply.set_rcode(Rcode::REFUSED),
            Found::NoName => {
                reply.set_rcode(Rcode::NXDOMAIN);
                negative(question, reply);
            }
            Found::Addresses(addresses)
                if matches!(question.rtype, RecordType::A | RecordType::ANY) =>
            {
                add(reply, owner, &addresses);
            }
            Found::Addresses(_) | Found::NoData => negative(question, reply),
        }
        Decision::Answer
    }
}

impl SnapshotNames {
    /// What a VPC's private zones and rules say.
    fn private(
        &self,
        snapshot: &Snapshot,
        from: &Viewpoint,
        question: &Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Resolved {
        let (vpc, inbound) = match from {
            Viewpoint::Public => return Resolved::Outside,
            Viewpoint::Vpc(vpc) => (vpc, false),
            Viewpoint::Inbound(vpc) => (vpc, true),
        };
        let supported = snapshot.intent.get::<Vpc>(vpc);
        if !supported.is_some_and(|vpc| vpc.dns_support) {
            return Resolved::Outside;
        }
        let Some(names) = self.world.borrow().vpc(vpc).cloned() else {
            return Resolved::Outside;
        };
        let more = match inbound {
            true => &names.inbound,
            false => &*EMPTY,
        };
        let view = View {
            private: &[&names.private, more],
            public: &[],
        };
        view.resolve(question, reply)
    }
}

/// Addresses in turning order, so that clients spread over zones.
fn add(reply: &mut Reply<'_>, owner: Owner<'_>, addresses: &[Ipv4Addr]) {
    let from = reply.rotation() % addresses.len().max(1);
    let (before, after) = addresses.split_at(from.min(addresses.len()));
    for address in after.iter().chain(before) {
        reply.answer(owner, RecordType::A, TTL, &address.octets());
    }
}

fn negative(question: &Question<'_>, reply: &mut Reply<'_>) {
    let Some([amazon, root]) = &*ZONES else {
        return;
    };
    let (apex, soa) = match question.name.is_within(amazon.0.as_ref()) {
        true => amazon,
        false => root,
    };
    reply.negative(apex.as_ref(), TTL, soa);
}

/// How long a socket that could not be opened waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The loop: sockets follow what the network plane has placed.
pub async fn run(mut placed: watch::Receiver<Placed>, snapshots: Snapshots, board: Board) {
    let (publish, world) = watch::channel(Arc::new(World::default()));
    let outbound = Outbound::default();
    let forwarder = Forwarder::new(Arc::new(outbound.clone()), ForwardLimits::default());
    let names = SnapshotNames { snapshots, world };
    let server = Server::new(names, Some(forwarder), None, Limits::default());
    let mut open: BTreeMap<(Desk, Ipv4Addr), Vec<Serving>> = BTreeMap::new();
    let mut agent_was: Option<Arc<Agent>> = None;
    let mut next_id = 0;
    loop {
        let now = placed.borrow_and_update().clone();
        let mut faults = Vec::new();
        if let (Some(agent), Some(snapshot)) = (now.agent.clone(), now.snapshot.clone()) {
            // Sockets of an agent that is gone are in namespaces that are gone.
            if agent_was
                .as_ref()
                .is_some_and(|was| !Arc::ptr_eq(was, &agent))
            {
                open.clear();
            }
            agent_was = Some(agent.clone());
            outbound.follow(&agent, &snapshot);
            let held = publish.borrow().clone();
            publish.send_replace(Arc::new(held.next(&snapshot)));
            let wanted = desks(&snapshot);
            open.retain(|key, _| wanted.contains_key(key));
            let missing: Vec<_> = wanted
                .into_iter()
                .filter(|(key, _)| !open.contains_key(key))
                .collect();
            let opened = tokio::task::spawn_blocking(move || open_sockets(&agent, missing)).await;
            for (key, sockets) in opened.unwrap_or_default() {
                next_id += 1;
                let served = sockets.and_then(|sockets| serve(&server, &key.0, next_id, sockets));
                match served {
                    Ok(serving) => {
                        open.insert(key, serving);
                    }
                    Err(what) => {
                        let vpc = match &key.0 {
                            Desk::Vpc(vpc) | Desk::Inbound(vpc, _) => Some(vpc.clone()),
                            Desk::Site(name) => {
                                snapshot.intent.get::<Site>(name).map(|s| s.vpc.clone())
                            }
                        };
                        faults.push(PlaneFault { vpc, what });
                    }
                }
            }
            let status = Status {
                reached: snapshot.generation,
                faults: faults.clone(),
            };
            board.report(DNS, status);
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

fn serve(
    server: &Server<SnapshotNames>,
    desk: &Desk,
    id: u64,
    (udp, tcp): Sockets,
) -> Result<Vec<Serving>, String> {
    let label: Arc<str> = match desk {
        Desk::Vpc(vpc) => vpc.as_str().into(),
        Desk::Inbound(_, endpoint) => endpoint.as_str().into(),
        Desk::Site(site) => format!("site:{site}").into(),
    };
    let listener = Listener { id, label };
    let udp = server
        .serve_udp(udp, listener.clone())
        .map_err(|e| chain(&e))?;
    Ok(vec![
        udp,
        server.serve_tcp(tcp, listener).map_err(|e| chain(&e))?,
    ])
}

type Sockets = (std::net::UdpSocket, std::net::TcpListener);
type Opened = Vec<((Desk, Ipv4Addr), Result<Sockets, String>)>;

fn open_sockets(agent: &Agent, wanted: Vec<((Desk, Ipv4Addr), String)>) -> Opened {
    wanted
        .into_iter()
        .map(|(key, ns)| {
            let address = IpAddr::V4(key.1);
            let sockets = agent
                .listen_udp(&Listen::udp(&ns, address, 53))
                .and_then(|udp| Ok((udp, agent.listen_tcp(&Listen::tcp(&ns, address, 53))?)))
                .map_err(|error| chain(&error));
            (key, sockets)
        })
        .collect()
}
