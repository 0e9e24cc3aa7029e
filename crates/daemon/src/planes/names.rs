//! The name plane: one decision behind every resolver's sockets.
//!
//! Every name is in an index (`world`): a VPC's private zones and rules first, then what everybody
//! sees. What is not there is a host name, or is asked of the operator's upstream servers where the
//! configuration names some. Queries that a rule sends elsewhere leave from the outbound endpoint's
//! own interfaces (`outbound`).

mod outbound;
mod query_log;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use adit_dns::forward::{ForwardLimits, Forwarder};
use adit_dns::index::{Layer, Resolved, View};
use adit_dns::serve::{Limits, Server, Serving};
use adit_dns::wire::{Owner, Rcode, RecordType, Reply, Soa};
use adit_dns::{Decision, Listener, Name, NameRef, Names, Origin, Question, Upstreams};
use adit_model::{ResolverEndpoint, Site, VpcId};
use adit_net::client::Agent;
use adit_net::protocol::Listen;
use adit_plane::Board;
use adit_snapshot::decide::name::{self, TTL};
use adit_snapshot::names::{self as spelling, DOMAIN};
use adit_snapshot::{PlaneFault, Snapshot};
use tokio::sync::watch;

use super::DNS;
use super::follow::{self, Follower};
use super::net::{Placed, chain};
use super::sockets::{Desk, desks};
use crate::rotate;
use outbound::Outbound;
pub use query_log::Delivery;
use query_log::QueryLog;
use world::public::authority;
use world::{VpcNames, World, reverse_domains};

/// The name plane's decision: answers from the newest world.
#[derive(Clone)]
pub struct WorldNames {
    world: watch::Receiver<Option<Arc<World>>>,
    /// Who is asked what nobody here knows.
    upstream: Option<Arc<Upstreams>>,
}

/// How labels of sites' resolvers begin.
const SITE: &str = "site:";

/// A layer without names.
static EMPTY: LazyLock<Layer> = LazyLock::new(Layer::new);

/// Domains whose names nobody outside may be asked for: Amazon's own names of storage and endpoints
/// mean something else there, and the rest belongs to no public network (RFC 6303, RFC 6761,
/// RFC 9476; [dns §9.1]).
static KEPT: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let fixed = [
        "internal",
        "localhost",
        "invalid",
        "test",
        "local",
        "onion",
        "alt",
        "home.arpa",
        "127.in-addr.arpa",
        "254.169.in-addr.arpa",
        "0.in-addr.arpa",
        "255.255.255.255.in-addr.arpa",
        "d.f.ip6.arpa",
        "8.e.f.ip6.arpa",
        "9.e.f.ip6.arpa",
        "a.e.f.ip6.arpa",
        "b.e.f.ip6.arpa",
    ];
    let carrier = (64..128).map(|n| format!("{n}.100.in-addr.arpa"));
    let benchmark = (18..20).map(|n| format!("{n}.198.in-addr.arpa"));
    let fixed = fixed.iter().map(|text| (*text).to_string());
    let all = fixed
        .chain(carrier)
        .chain(reverse_domains())
        .chain(benchmark);
    all.filter_map(|text| text.parse().ok()).collect()
});

/// The zone behind negative answers that no zone gave: `amazonaws.com`, or the root.
static ZONES: LazyLock<Option<[(Name, Soa); 2]>> = LazyLock::new(|| {
    let zone = |name: &str| Some((name.parse().ok()?, authority()));
    Some([zone(DOMAIN)?, zone(".")?])
});

impl Names for WorldNames {
    fn answer(
        &self,
        question: &Question<'_>,
        origin: &Origin<'_>,
        reply: &mut Reply<'_>,
    ) -> Decision {
        let held = self.world.borrow();
        let Some(world) = &*held else {
            reply.set_rcode(Rcode::SERVFAIL);
            return Decision::Answer;
        };
        let label = &*origin.listener.label;
        // A site's own resolver sees what everybody sees, a VPC's or its inbound endpoint's more.
        let inbound = world.snapshot.intent.get::<ResolverEndpoint>(label);
        let vpc = world.vpc(inbound.map_or(label, |endpoint| endpoint.vpc.as_str()));
        let serves = match vpc {
            Some(names) => names.vpc.dns_support,
            None => label.starts_with(SITE),
        };
        if !serves {
            reply.set_rcode(Rcode::REFUSED);
            return Decision::Answer;
        }
        reply.set_recursion_available(true);
        let view = View {
            private: &[
                vpc.map_or(&*EMPTY, |names| &names.private),
                vpc.filter(|_| inbound.is_some())
                    .map_or(&*EMPTY, |names| &names.inbound),
            ],
            public: &[&world.public],
        };
        match view.resolve(question, reply) {
            Resolved::Answered => Decision::Answer,
            Resolved::Forward(upstreams) => Decision::Forward(upstreams),
            Resolved::Outside => self.outside(vpc.map(|names| &**names), question, reply),
        }
    }
}

impl WorldNames {
    /// A decision that stays with one snapshot and asks nobody else: for measuring it.
    pub fn fixed(snapshot: &Arc<Snapshot>) -> WorldNames {
        let (_, world) = watch::channel(Some(Arc::new(World::build(snapshot))));
        WorldNames {
            world,
            upstream: None,
        }
    }

    /// What no zone and no rule covers: host names, and what others may know.
    fn outside(
        &self,
        vpc: Option<&VpcNames>,
        question: &Question<'_>,
        reply: &mut Reply<'_>,
    ) -> Decision {
        // The end of a chain that leads out of the private zones, or the name itself.
        let end = reply.continue_at().cloned();
        let (name, owner) = match &end {
            Some(end) => (end.as_ref(), Owner::Target),
            None => (question.name, Owner::Question),
        };
        if let Some(names) = vpc
            && name.is_within(names.hosts.as_ref())
        {
            let text = name.to_string();
            match name::host_name(&names.vpc, text.trim_end_matches('.')) {
                Some(address) if matches!(question.rtype, RecordType::A | RecordType::ANY) => {
                    reply.answer(owner, RecordType::A, TTL, &address.octets());
                }
                Some(_) => negative(name, reply),
                None => no_name(name, reply),
            }
            return Decision::Answer;
        }
        if let Some(names) = vpc.filter(|names| names.reverse)
            && let Some(address) = reversed(name)
            && names.vpc.contains(address)
        {
            let [a, b, c, d] = address.octets();
            let host = names.hosts.prepend(&format!("ip-{a}-{b}-{c}-{d}"));
            match (host, question.rtype) {
                (Ok(host), RecordType::PTR | RecordType::ANY) => {
                    reply.answer(owner, RecordType::PTR, TTL, host.wire());
                }
                _ => negative(name, reply),
            }
            return Decision::Answer;
        }
        match &self.upstream {
            Some(upstream) if !is_kept(name) => Decision::Forward(Arc::clone(upstream)),
            _ => {
                no_name(name, reply);
                Decision::Answer
            }
        }
    }
}

/// The address whose reverse name this is.
fn reversed(name: NameRef<'_>) -> Option<Ipv4Addr> {
    let text = name.to_string();
    let mut labels = text.strip_suffix(".in-addr.arpa.")?.split('.').rev();
    let mut next = || labels.next()?.parse::<u8>().ok();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    // Nothing else in front, and no other spelling of the numbers.
    (Name::reverse(address.into()).as_ref() == name).then_some(address)
}

/// Whether a name stays here even if others could be asked.
fn is_kept(name: NameRef<'_>) -> bool {
    // Services of Regions that this installation does not have: a client of a private network must
    // not be led to somebody else's by it.
    let storage = || {
        let text = name.to_string();
        let text = text.trim_end_matches('.');
        spelling::parse(text).is_some() || spelling::dynamodb_region(text).is_some()
    };
    KEPT.iter().any(|kept| name.is_within(kept.as_ref()))
        || (name.is_within(ZONES.as_ref().map_or(name, |[amazon, _]| amazon.0.as_ref()))
            && storage())
}

fn no_name(name: NameRef<'_>, reply: &mut Reply<'_>) {
    reply.set_rcode(Rcode::NXDOMAIN);
    negative(name, reply);
}

fn negative(name: NameRef<'_>, reply: &mut Reply<'_>) {
    let Some([amazon, root]) = &*ZONES else {
        return;
    };
    let (apex, soa) = match name.is_within(amazon.0.as_ref()) {
        true => amazon,
        false => root,
    };
    reply.negative(apex.as_ref(), TTL, soa);
}

/// What the operator decides about names.
pub struct Manners {
    /// Servers that are asked for names which nobody here knows.
    pub upstream: Vec<SocketAddr>,
    /// Where the files of query logs are.
    pub log_folder: PathBuf,
    /// When such a file begins anew.
    pub log_limits: rotate::Limits,
    /// How query logs get into buckets.
    pub delivery: Delivery,
}

/// The loop: sockets follow what the network plane has placed.
pub async fn run(placed: watch::Receiver<Placed>, board: Board, manners: Manners) {
    let (publish, world) = watch::channel(None::<Arc<World>>);
    let outbound = Outbound::default();
    let forwarder = Forwarder::new(Arc::new(outbound.clone()), ForwardLimits::default());
    let upstream = (!manners.upstream.is_empty()).then(|| {
        Arc::new(Upstreams {
            servers: manners.upstream,
            via: outbound::HOST,
        })
    });
    let log = Arc::new(QueryLog::new(
        manners.log_folder,
        manners.log_limits,
        world.clone(),
    ));
    let (logging, delivering) = (log.clone(), log.clone());
    tokio::spawn(async move { delivering.deliver(manners.delivery).await });
    let names = WorldNames { world, upstream };
    let server = Server::new(
        names,
        Some(forwarder),
        Some(Box::new(move |record| logging.record(record))),
        Limits::default(),
    );
    let desks = Desks {
        publish,
        outbound,
        log,
        server,
        open: BTreeMap::new(),
        next_id: 0,
    };
    follow::follow(desks, DNS, placed, board).await;
}

/// The resolvers' sockets, and what must know of a new world before they answer from it.
struct Desks {
    publish: watch::Sender<Option<Arc<World>>>,
    outbound: Outbound,
    log: Arc<QueryLog>,
    server: Server<WorldNames>,
    open: BTreeMap<(Desk, IpAddr), Vec<Serving>>,
    /// The number of the listener that was opened last.
    next_id: u64,
}

impl Follower for Desks {
    fn forget(&mut self) {
        self.open.clear();
    }

    async fn follow(&mut self, agent: &Arc<Agent>, snapshot: &Arc<Snapshot>) -> Vec<PlaneFault> {
        self.outbound.follow(agent, snapshot);
        let held = self.publish.borrow().clone();
        let next = match held {
            Some(held) => held.next(snapshot),
            None => World::build(snapshot),
        };
        self.publish.send_replace(Some(Arc::new(next)));
        let (log, of) = (self.log.clone(), snapshot.clone());
        let files = tokio::task::spawn_blocking(move || log.follow(&of.intent)).await;
        let mut faults = files.unwrap_or_default();
        let wanted = desks(snapshot);
        self.open.retain(|key, _| wanted.contains_key(key));
        let mut missing: Vec<_> = wanted.into_iter().collect();
        missing.retain(|(key, _)| !self.open.contains_key(key));
        let agent = agent.clone();
        let opened = tokio::task::spawn_blocking(move || open_sockets(&agent, missing)).await;
        for (key, sockets) in opened.unwrap_or_default() {
            self.next_id += 1;
            let served =
                sockets.and_then(|sockets| serve(&self.server, &key.0, self.next_id, sockets));
            match served {
                Ok(serving) => drop(self.open.insert(key, serving)),
                Err(what) => {
                    let vpc = vpc_of(&key.0, snapshot);
                    faults.push(PlaneFault { vpc, what });
                }
            }
        }
        faults
    }
}

fn vpc_of(desk: &Desk, snapshot: &Snapshot) -> Option<VpcId> {
    match desk {
        Desk::Vpc(vpc) | Desk::Inbound(vpc, _) => Some(vpc.clone()),
        Desk::Site(name) => snapshot.intent.get::<Site>(name).map(|s| s.vpc.clone()),
    }
}

fn serve(
    server: &Server<WorldNames>,
    desk: &Desk,
    id: u64,
    (udp, tcp): Sockets,
) -> Result<Vec<Serving>, String> {
    let label: Arc<str> = match desk {
        Desk::Vpc(vpc) => vpc.as_str().into(),
        Desk::Inbound(_, endpoint) => endpoint.as_str().into(),
        Desk::Site(site) => format!("{SITE}{site}").into(),
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
type Opened = Vec<((Desk, IpAddr), Result<Sockets, String>)>;

fn open_sockets(agent: &Agent, wanted: Vec<((Desk, IpAddr), String)>) -> Opened {
    wanted
        .into_iter()
        .map(|(key, ns)| {
            let address = key.1;
            let sockets = agent
                .listen_udp(&Listen::udp(&ns, address, 53))
                .and_then(|udp| Ok((udp, agent.listen_tcp(&Listen::tcp(&ns, address, 53))?)))
                .map_err(|error| chain(&error));
            (key, sockets)
        })
        .collect()
}

#[cfg(test)]
mod tests;
