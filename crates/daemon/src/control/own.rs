//! Adit's own operations that concern the process rather than intent.

use adit_api::{Caller, Ids};
use adit_model::{Millis, Region};
use adit_snapshot::Snapshot;
use adit_wire::{ErrorReply, HttpReply, OperationRef, Parts, Service, Value, map, protocol};

use super::Desk;
use crate::planes::{self, net::chain};

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
            "GetAccess" | "Reset" | "Down" | "NetPlan" => {
                match snapshot.decide_control(&caller.key, &action, "*", region, now) {
                    Err(why) => Err(ErrorReply::new("AccessDenied", 403, why)),
                    Ok(()) if op.name() == "Reset" => self.reset().await,
                    Ok(()) if op.name() == "Down" => {
                        // The answer still goes out: ending waits for requests in flight.
                        self.down.notify_one();
                        Ok(map! {})
                    }
                    Ok(()) if op.name() == "NetPlan" => self.net_plan().await,
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
            .write(&self.store)
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
