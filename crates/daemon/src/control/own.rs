//! Adit's own operations that concern the process rather than intent.

use std::path::PathBuf;
use std::time::Duration;

use adit_api::{Caller, Ids};
use adit_model::{Millis, Region};
use adit_objects::VerifyReport;
use adit_snapshot::Snapshot;
use adit_wire::{ErrorReply, HttpReply, OperationRef, Parts, Service, Value, map, protocol};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::Desk;
use crate::planes::{self, net::chain};

/// A look at every stored byte that is on its way.
pub(super) type Verifying = Mutex<Option<JoinHandle<Result<VerifyReport, adit_objects::Error>>>>;

/// How long a caller waits before it is told to ask again.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// Problems in an answer at most.
const SHOWN: usize = 1000;

impl Desk {
    /// Answers an operation of the process; `None` when it is one of the api's.
    pub(super) async fn own(
        &self,
        parts: &Parts<'_>,
        caller: &Caller,
        region: &Region,
        now: Millis,
        snapshot: &Snapshot,
    ) -> Option<Result<HttpReply, ErrorReply>> {
        let op = protocol::identify(Service::Adit, parts).ok()?;
        let action = format!("adit:{}", op.name());
        let answer = match op.name() {
            "GetBackup" => {
                return Some(
                    match snapshot.decide_control(&caller.key, &action, "*", region, now) {
                        Err(why) => Err(ErrorReply::new("AccessDenied", 403, why)),
                        Ok(()) => self.backup(caller).await,
                    },
                );
            }
            "GetAccess" | "Reset" | "Down" | "NetPlan" | "NetCounters" | "Status"
            | "VerifyObjects" => {
                match snapshot.decide_control(&caller.key, &action, "*", region, now) {
                    Err(why) => Err(ErrorReply::new("AccessDenied", 403, why)),
                    Ok(()) if op.name() == "Reset" => self.reset().await,
                    Ok(()) if op.name() == "Down" => {
                        // The answer still goes out: ending waits for requests in flight.
                        self.down.notify_one();
                        Ok(map! {})
                    }
                    Ok(()) if op.name() == "NetPlan" => self.net_plan().await,
                    Ok(()) if op.name() == "NetCounters" => self.net_counters().await,
                    Ok(()) if op.name() == "Status" => Ok(self.status(snapshot)),
                    Ok(()) if op.name() == "VerifyObjects" => self.verify_objects().await,
                    Ok(()) => Ok(map! {
                        "AgentDirectory" => self.agent_directory.display().to_string(),
                        "CaBundle" => self.ca_bundle.display().to_string(),
                    }),
                }
            }
            _ => return None,
        };
        Some(answer.map(|output| reply(&op, &output)))
    }

    /// The whole intent and the certificate authority, as a backup: lines of JSON, secrets included.
    async fn backup(&self, caller: &Caller) -> Result<HttpReply, ErrorReply> {
        let intent = self.store.intent();
        if !adit_api::is_first_account(&intent, &caller.account) {
            let why =
                "Only the installation's first account may take a backup: it holds every secret.";
            return Err(ErrorReply::new("AccessDenied", 403, why));
        }
        let authority = self
            .ca_bundle
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default();
        let made = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
            let mut files = Vec::new();
            for name in [
                adit_gateway::ca::CERTIFICATE_FILE,
                adit_gateway::ca::KEY_FILE,
            ] {
                files.push((format!("ca/{name}"), std::fs::read(authority.join(name))?));
            }
            let mut body = Vec::new();
            adit_store::backup::write(&intent, &files, &mut body)?;
            Ok(body)
        });
        let failed = |why: String| ErrorReply::new("InternalFailure", 500, why);
        let body = made
            .await
            .map_err(|e| failed(e.to_string()))?
            .map_err(|e| failed(e.to_string()))?;
        Ok(HttpReply {
            status: 200,
            headers: vec![("content-type".into(), "application/jsonl".into())],
            body,
        })
    }

    /// What the network plane would do to make the kernel as the newest snapshot says.
    async fn net_plan(&self) -> Result<Value, ErrorReply> {
        let failed = |why: String| ErrorReply::new("InternalFailure", 500, why);
        let agent = self.placed.borrow().agent.clone();
        let agent = agent.ok_or_else(|| failed("the network plane has no agent yet".into()))?;
        use adit_api::Planes;
        let snapshot = self.world.snapshot();
        let work = tokio::task::spawn_blocking(move || planes::net::plan(&agent, &snapshot));
        let plans = work.await.map_err(|e| failed(e.to_string()))?;
        let plans = plans.map_err(|e| failed(chain(&e)))?;
        let group = |(name, steps): (String, Vec<String>)| {
            let steps: Vec<Value> = steps.into_iter().map(Value::from).collect();
            map! {"Group" => name, "Steps" => steps}
        };
        let groups: Vec<Value> = plans.into_iter().map(group).collect();
        Ok(map! {"Groups" => groups})
    }

    /// Reads every stored byte, or goes on waiting for that. Answers `running` when it takes longer than a
    /// caller waits: who wants to know asks again.
    async fn verify_objects(&self) -> Result<Value, ErrorReply> {
        let mut running = self.verifying.lock().await;
        let objects = self.objects.clone();
        let work =
            running.get_or_insert_with(|| tokio::spawn(async move { objects.verify().await }));
        let Ok(done) = tokio::time::timeout(LOOK_AGAIN, work).await else {
            return Ok(map! {"State" => "running"});
        };
        *running = None;
        let failed = |why: String| ErrorReply::new("InternalFailure", 500, why);
        let report = done.map_err(|e| failed(e.to_string()))?;
        let report = report.map_err(|e| failed(chain(&e)))?;
        let problems = report.problems.into_iter().take(SHOWN).map(|problem| {
            map! {
                "Object" => problem.object,
                "Place" => problem.place,
                "What" => problem.what,
            }
        });
        Ok(map! {
            "State" => "done",
            "Versions" => report.versions,
            "Blobs" => report.blobs,
            "Bytes" => report.bytes,
            "Sealed" => report.sealed,
            "ProblemCount" => report.problem_count,
            "Problems" => problems.collect::<Value>(),
        })
    }

    /// Back to the first state: the same account and keys, nothing else.
    async fn reset(&self) -> Result<Value, ErrorReply> {
        if !self.ephemeral {
            return Err(ErrorReply::new(
                "UnsupportedOperation",
                400,
                "Only an installation started with --ephemeral can be reset.",
            ));
        }
        let failed = |why: String| ErrorReply::new("InternalFailure", 500, why);
        let buckets: Vec<_> = self.store.intent().buckets.values().cloned().collect();
        self.first
            .reset(&self.store)
            .await
            .map_err(|e| failed(chain(&e)))?;
        for bucket in buckets {
            let objects = adit_objects::Bucket::new(bucket.incarnation.as_str());
            self.objects
                .drop_bucket(&objects)
                .await
                .map_err(|e| failed(chain(&e)))?;
        }
        use adit_api::Planes;
        self.world.settled(self.store.intent().generation).await;
        Ok(map! {})
    }
}

fn reply(op: &OperationRef, output: &Value) -> HttpReply {
    protocol::encode(op, output, &Ids::random().uuid())
}
