//! The thread that hears of other nodes' writes, and lets them hear of this one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::address::Options;
use super::client::{Client, Failure};
use super::convert::{base64, count, text_of};
use super::{absent, after, get, is_true, kvs, put};
use crate::OpenError;
use crate::journal::Bell;

/// How long a node that fell silent counts as running, in seconds.
const LEASE: u64 = 10;
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How long to wait before an etcd that went away is tried again.
const PAUSE: Duration = Duration::from_millis(300);

/// Registers this node and follows what others write until the store is gone.
pub(crate) fn follow(wish: &Options, bell: Bell) -> Result<(), OpenError> {
    let bad = |why: String| OpenError::Etcd {
        at: wish.shown(),
        why,
    };
    let mut follower = Follower {
        client: Client::new(wish).map_err(|e| bad(e.to_string()))?,
        wish: wish.clone(),
        lease: 0,
    };
    follower.register().map_err(|e| bad(e.to_string()))?;
    std::thread::Builder::new()
        .name("etcd".into())
        .spawn(move || follower.run(&bell))
        .map(|_| ())
        .map_err(OpenError::Thread)
}

struct Follower {
    client: Client,
    wish: Options,
    lease: i64,
}

impl Follower {
    fn key(&self, rest: &str) -> String {
        format!("{}/{rest}", self.wish.prefix)
    }

    /// Takes a lease and puts this node below it; refused when another node's planes run.
    fn register(&mut self) -> Result<(), Failure> {
        let granted = self.client.call("lease/grant", &json!({ "TTL": LEASE }))?;
        self.lease = count(&granted["ID"]);
        let node = &self.wish.node;
        let (id, lease) = (node.id.clone(), self.lease.to_string());
        let seen =
            json!({ "id": node.id, "address": node.address, "planes": node.planes }).to_string();
        let leased = |key: String, value: &str| {
            let mut request = put(&key, value);
            request["request_put"]["lease"] = json!(lease);
            request
        };
        let own = leased(self.key(&format!("nodes/{id}")), &seen);
        if !node.planes {
            return self
                .client
                .call("kv/txn", &json!({ "success": [own] }))
                .map(|_| ());
        }
        let planes = self.key("planes");
        let take = json!([own, leased(planes.clone(), &id)]);
        let mut compare = absent(&planes);
        for _ in 0..2 {
            let request =
                json!({ "compare": [compare], "success": take, "failure": [get(&planes)] });
            let answer = self.client.call("kv/txn", &request)?;
            if is_true(&answer, "succeeded") {
                return Ok(());
            }
            let holder = kvs(&answer, 0)
                .first()
                .and_then(text_of)
                .unwrap_or_default();
            if holder != id {
                let gone = json!({ "ID": self.lease.to_string() });
                let _ = self.client.call("lease/revoke", &gone);
                return Err(Failure::Refused(format!(
                    "the planes of node `{holder}` run already, and only one node's may: start this one with --planes none, or in {LEASE} s if that node is gone"
                )));
            }
            // This node's own entry, from before it was restarted.
            compare = json!({ "key": base64(&planes), "target": "VALUE", "result": "EQUAL", "value": base64(&id) });
        }
        Err(Failure::Unreachable(
            "the entry of this node changes all the time".into(),
        ))
    }

    fn run(mut self, bell: &Bell) {
        let mut told = false;
        while bell.is_heard() {
            match self.watch(bell) {
                Ok(()) => told = false,
                Err(error) => {
                    if !told {
                        tracing::warn!(%error, "etcd is away; reads go on, and nothing can be changed");
                    }
                    told = true;
                    std::thread::sleep(PAUSE);
                }
            }
        }
        let gone = json!({ "ID": self.lease.to_string() });
        let _ = self.client.call("lease/revoke", &gone);
    }

    /// Watches transactions until the watch ends, whatever ends it; rings for each.
    fn watch(&mut self, bell: &Bell) -> Result<(), Failure> {
        self.renew()?;
        let below = self.key("t/");
        let request = json!({ "create_request": { "key": base64(&below), "range_end": base64(&after(&below)) } });
        let renewed = Instant::now();
        // The first answer says that the watch stands: what came before it is asked for then. A watch is
        // made again when the lease is due: nothing is missed, since ringing is all that it does.
        self.client.stream("watch", &request, RENEW, |answer| {
            let canceled = answer.is_some_and(is_canceled);
            if answer.is_some() && !bell.ring() {
                return false;
            }
            !canceled && bell.is_heard() && renewed.elapsed() < RENEW
        })
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let input = json!({ "ID": self.lease.to_string() });
        let answer = self.client.call("lease/keepalive", &input)?;
        if count(&answer["result"]["TTL"]) > 0 {
            return Ok(());
        }
        tracing::warn!("the lease of this node ended while etcd was away; it is taken again");
        self.register()
    }
}

/// A watch of a revision that was compacted, or that the server ends.
fn is_canceled(answer: &Value) -> bool {
    answer["result"]["canceled"].as_bool() == Some(true) || !answer["error"].is_null()
}
