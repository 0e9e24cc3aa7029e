//! Query logs: one JSON line for each query of a VPC that has a query logging configuration, in the
//! shape of Route 53 Resolver's, in a file for each log group, or in objects of a bucket.
//!
//! Queries never wait for a file: what cannot be kept is counted there, as in the audit log.

mod bucket;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use adit_dns::Transport;
use adit_dns::serve::QueryRecord;
use adit_gateway::JsonLines;
use adit_model::*;
use adit_snapshot::PlaneFault;
use adit_wire::time;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::log_groups;
use crate::planes::net::chain;
use crate::rotate::{Limits, Rotating};
use crate::up::now_millis;
use bucket::{Folder, Spool};

/// The version of the records that have all of these members.
const VERSION: &str = "1.100000";

/// The file in a log group's directory.
const FILE: &str = "queries.jsonl";

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sink {
    /// A log group, by its directory below that of all of them.
    Group(PathBuf),
    /// A VPC's folder in a bucket.
    Folder(Folder),
}

impl Sink {
    /// Where a configuration has the lines of a VPC go.
    pub(super) fn of(config: &QueryLogConfig, vpc: &Vpc) -> Sink {
        match &config.target {
            QueryLogTarget::LogGroup(group) => Sink::Group(log_groups::directory(
                config.owner.as_str(),
                config.region.as_str(),
                group.as_str(),
            )),
            QueryLogTarget::Bucket { bucket, prefix } => {
                Sink::Folder(Folder::of(bucket, prefix, vpc))
            }
        }
    }
}

/// What takes lines.
#[derive(Clone)]
enum Open {
    File(Arc<JsonLines>),
    Spool(Arc<Spool>),
}

impl Open {
    fn line(&self, line: &[u8]) {
        match self {
            Open::File(file) => file.line(line),
            Open::Spool(spool) => spool.line(line),
        }
    }
}

/// How lines become objects of a bucket.
pub struct Delivery {
    /// The embedded store.
    pub objects: adit_objects::Store,
    /// How long lines gather.
    pub every: Duration,
    /// What waits when this is cancelled is delivered at once.
    pub ending: CancellationToken,
    /// Is cancelled when nothing waits any more after that.
    pub done: CancellationToken,
}

/// All that queries go to now.
pub(super) struct QueryLog {
    folder: PathBuf,
    limits: Limits,
    world: watch::Receiver<Option<Arc<World>>>,
    /// Whether any is open: most installations log no queries, and then a query costs nothing.
    any: AtomicBool,
    open: RwLock<BTreeMap<Sink, Open>>,
    /// Those that get no more lines, and may hold some.
    leaving: Mutex<Vec<Arc<Spool>>>,
}

#[derive(Serialize)]
struct Line<'a> {
    version: &'static str,
    account_id: &'a str,
    region: &'a str,
    vpc_id: &'a str,
    query_timestamp: String,
    query_name: String,
    query_type: String,
    query_class: String,
    rcode: String,
    answers: Vec<Answered>,
    srcaddr: IpAddr,
    srcport: String,
    transport: &'static str,
    srcids: Sources<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    rdata: String,
    r#type: String,
    class: String,
}

/// What the query passed on its way.
#[derive(Default, Serialize)]
struct Sources<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver_network_interface: Option<&'a str>,
}

impl QueryLog {
    pub(super) fn new(
        folder: PathBuf,
        limits: Limits,
        world: watch::Receiver<Option<Arc<World>>>,
    ) -> QueryLog {
        QueryLog {
            folder,
            limits,
            world,
            any: AtomicBool::new(false),
            open: RwLock::default(),
            leaving: Mutex::default(),
        }
    }

    /// Opens and closes files as configurations come and go; blocking. What could not be opened is
    /// a fault of the VPCs that it belongs to.
    pub(super) fn follow(&self, intent: &Intent) -> Vec<PlaneFault> {
        let mut wanted: BTreeMap<Sink, BTreeSet<&VpcId>> = BTreeMap::new();
        for association in intent.query_log_associations.values() {
            if let Some(config) = intent.get::<QueryLogConfig>(&association.config)
                && let Some(vpc) = intent.get::<Vpc>(&association.vpc)
            {
                let vpcs = wanted.entry(Sink::of(config, vpc)).or_default();
                vpcs.insert(&association.vpc);
            }
        }
        let mut held = self.held();
        // Closing one waits for its last lines, and must not keep queries waiting.
        let mut faults = Vec::new();
        held.retain(|sink, _| wanted.contains_key(sink));
        for (sink, vpcs) in &wanted {
            if held.contains_key(sink) {
                continue;
            }
            let group = match sink {
                Sink::Group(group) => group,
                Sink::Folder(folder) => {
                    let spool = Arc::new(Spool::new(folder.clone()));
                    held.insert(sink.clone(), Open::Spool(spool));
                    continue;
                }
            };
            match self.open(group) {
                Ok(file) => drop(held.insert(sink.clone(), Open::File(Arc::new(file)))),
                Err(error) => {
                    let what = format!(
                        "cannot log queries to `{}`: {}",
                        group.display(),
                        chain(&error)
                    );
                    faults.extend(vpcs.iter().map(|vpc| PlaneFault {
                        vpc: Some((*vpc).clone()),
                        what: what.clone(),
                    }));
                }
            }
        }
        self.any.store(!held.is_empty(), Ordering::Release);
        let before = {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *open, held)
        };
        let left = before.into_iter().filter_map(|(sink, open)| match open {
            Open::Spool(spool) if !self.is_open(&sink) => Some(spool),
            _ => None,
        });
        self.leaving().extend(left);
        faults
    }

    fn held(&self) -> BTreeMap<Sink, Open> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone()
    }

    fn is_open(&self, sink: &Sink) -> bool {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(sink)
    }

    fn leaving(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Spool>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes objects of lines as they gather, until all ends.
    pub(super) async fn deliver(&self, delivery: Delivery) {
        let _done = delivery.done.drop_guard();
        while !delivery.ending.is_cancelled() {
            tokio::select! {
                () = delivery.ending.cancelled() => {}
                () = tokio::time::sleep(delivery.every) => {}
            }
            let left = std::mem::take(&mut *self.leaving());
            let held = self.held().into_values().filter_map(|open| match open {
                Open::Spool(spool) => Some(spool),
                Open::File(_) => None,
            });
            let spools: Vec<Arc<Spool>> = left.into_iter().chain(held).collect();
            if spools.is_empty() {
                continue;
            }
            let Some(world) = self.world.borrow().clone() else {
                continue;
            };
            let intent = &world.snapshot.intent;
            for spool in spools {
                let delivered = spool.deliver(&delivery.objects, intent, now_millis());
                if let Err(why) = delivered.await {
                    let bucket = &spool.folder().bucket;
                    tracing::warn!(%bucket, why, "cannot deliver query logs");
                }
            }
        }
    }

    fn open(&self, group: &Path) -> std::io::Result<JsonLines> {
        use std::os::unix::fs::DirBuilderExt;
        let directory = self.folder.join(group);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&directory)?;
        JsonLines::new(Rotating::open(&directory.join(FILE), self.limits)?)
    }

    /// Takes an answered query.
    pub(super) fn record(&self, record: &QueryRecord<'_>) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let Some(world) = self.world.borrow().clone() else {
            return;
        };
        let label = &*record.listener.label;
        let inbound = world.snapshot.intent.get::<ResolverEndpoint>(label);
        let vpc = inbound.map_or(label, |endpoint| endpoint.vpc.as_str());
        let Some(names) = world.vpc(vpc).filter(|names| !names.logs.is_empty()) else {
            return;
        };
        // Plain data with string keys: serialising it cannot fail.
        let line = serde_json::to_vec(&line(record, &names.vpc, inbound.map(|e| &**e)))
            .unwrap_or_default();
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        for open in names.logs.iter().filter_map(|sink| open.get(sink)) {
            open.line(&line);
        }
    }
}

fn line<'a>(
    record: &QueryRecord<'_>,
    vpc: &'a Vpc,
    inbound: Option<&'a ResolverEndpoint>,
) -> Line<'a> {
    let class = record.class.to_string();
    let answers = record.answers().map(|answer| Answered {
        rdata: answer.to_string(),
        r#type: answer.rtype.to_string(),
        class: class.clone(),
    });
    let interface = inbound.and_then(|endpoint| {
        let mut addresses = endpoint.addresses.iter();
        addresses.find(|address| IpAddr::V4(address.ip) == record.address.ip())
    });
    Line {
        version: VERSION,
        account_id: vpc.owner.as_str(),
        region: vpc.region.as_str(),
        vpc_id: vpc.id.as_str(),
        query_timestamp: time::iso8601(now_millis() / 1000 * 1000, false),
        query_name: record.name.to_string(),
        query_type: record.rtype.to_string(),
        query_class: class.clone(),
        rcode: record.rcode.to_string(),
        answers: answers.collect(),
        srcaddr: record.peer.ip(),
        srcport: record.peer.port().to_string(),
        transport: match record.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        },
        srcids: Sources {
            resolver_endpoint: inbound.map(|endpoint| endpoint.id.as_str()),
            resolver_network_interface: interface.map(|address| address.interface.as_str()),
        },
    }
}
