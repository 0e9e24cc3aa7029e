//! Intent in etcd, for several nodes.
//!
//! # What is kept where
//!
//! | key below the prefix | holds |
//! |---|---|
//! | `version` | the version of this layout |
//! | `head` | the newest generation |
//! | `t/<generation>` | one transaction: who, what, and every changed resource |
//! | `folded` | the generation up to which transactions were folded into resources |
//! | `r/<kind>/<key>` | a resource as of `folded`, or newer while a fold is under way |
//! | `nodes/<id>` | a node that runs, under a lease |
//! | `planes` | the node whose planes run, under its lease |
//!
//! A write is one etcd transaction: if `head` was not written since it was last read, then write `head` and
//! one `t/…` for each transaction. That is all of the consensus there is: etcd's.
//!
//! The generation is the number in `head`, not etcd's revision: a draft carries its generation before it is
//! written, a revision is known only after, and leases and folds take revisions too. Both only grow, and one
//! generation belongs to exactly one revision.
//!
//! Folding keeps the log short: transactions are applied to `r/…` in their order, in steps that each require
//! `folded` to be unchanged, and are deleted when `folded` moves. Reading begins with `r/…` and applies every
//! `t/…` after `folded`. Applying one twice changes nothing, so a fold that was cut short does no harm.
//!
//! What another node wrote is seen here a moment later. A write that changes something is always built on the
//! newest state; a read, and a refusal, is of the newest state that has arrived.
//!
//! Nobody reads an old revision for longer than one page, so etcd may compact its history whenever it likes.
//! A watch only wakes (I7): what changed is asked of etcd.

mod address;
mod client;
mod convert;
mod follow;

use std::fs::File;
use std::time::{Duration, Instant};

use adit_model::{Draft, Generation, Intent};
use serde_json::{Value, json};

pub use address::{AddressError, Node, Options};
pub(crate) use follow::follow;

use crate::OpenError;
use crate::backend::{AppendError, Backend};
use crate::journal::Entry;
use client::{Client, Failure};
use convert::{Transaction, base64, count, text_of};

/// The version of the layout above. A newer one is refused.
const LAYOUT: &str = "1";
/// Most transactions in one etcd transaction; etcd takes 128 operations unless told otherwise.
const MOST_ENTRIES: usize = 100;
/// Most bytes in one etcd transaction; etcd takes 1.5 MiB unless told otherwise.
const MOST_BYTES: usize = 1 << 20;
/// How many transactions gather before they are folded.
const LOG: u64 = 512;
/// Keys in one answer.
const PAGE: usize = 500;
/// How long a write waits for an etcd that answered a moment ago.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the newest intent, making the layout if there is none.
pub(crate) fn open(wish: &Options, lock: File) -> Result<(Etcd, Intent), OpenError> {
    let bad = |why: String| OpenError::Etcd {
        at: wish.shown(),
        why,
    };
    let client = Client::new(wish).map_err(|e| bad(e.to_string()))?;
    let mut etcd = Etcd {
        client,
        prefix: wish.prefix.clone(),
        head: Head::default(),
        answered: true,
        nonce: nonce().ok_or_else(|| bad("no randomness".into()))?,
        written: 0,
        _lock: lock,
    };
    etcd.make().map_err(|e| bad(e.to_string()))?;
    let intent = etcd.load().map_err(|e| bad(e.to_string()))?;
    Ok((etcd, intent))
}

/// The journal's end of an etcd.
pub(crate) struct Etcd {
    client: Client,
    prefix: String,
    head: Head,
    /// Whether the last call was answered: an etcd that is away is not waited for again and again.
    answered: bool,
    /// What tells this process's transactions from every other's, and their count.
    nonce: String,
    written: u64,
    // Held for its lock: one process per state directory.
    _lock: File,
}

/// What was last read of `head`.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    generation: u64,
    /// The revision that wrote it: nobody wrote since if it is still this.
    revision: i64,
}

impl Etcd {
    fn key(&self, rest: &str) -> String {
        format!("{}/{rest}", self.prefix)
    }

    fn transaction_key(&self, generation: u64) -> String {
        self.key(&format!("t/{generation:020}"))
    }

    /// Writes the layout's first keys if nobody did, and checks its version.
    fn make(&mut self) -> Result<(), Failure> {
        let version = self.key("version");
        let answer = self.client.call(
            "kv/txn",
            &json!({
                "compare": [absent(&version)],
                "success": [put(&version, LAYOUT), put(&self.key("head"), "0"), put(&self.key("folded"), "0")],
                "failure": [get(&version)],
            }),
        )?;
        if is_true(&answer, "succeeded") {
            return Ok(());
        }
        let found = kvs(&answer, 0)
            .first()
            .and_then(text_of)
            .unwrap_or_default();
        match found.parse::<u32>() {
            Ok(1) => Ok(()),
            Ok(newer) => Err(Failure::Content(format!(
                "the state in it has version {newer}, this adit knows {LAYOUT}; use a newer adit"
            ))),
            Err(_) => Err(Failure::Content(format!(
                "what is below `{}` is no state of adit; choose another prefix",
                self.prefix
            ))),
        }
    }

    /// The whole intent.
    fn load(&mut self) -> Result<Intent, Failure> {
        loop {
            match self.load_at_one_revision() {
                // The revision was compacted between two pages.
                Err(Failure::Compacted) => continue,
                other => return other,
            }
        }
    }

    fn load_at_one_revision(&mut self) -> Result<Intent, Failure> {
        let answer = self.client.call(
            "kv/txn",
            &json!({ "success": [get(&self.key("folded")), get(&self.key("head"))] }),
        )?;
        let folded = number(&kvs(&answer, 0))?;
        let revision = answer["header"]["revision"].clone();
        let mut intent = Intent::default();
        let below = self.key("r/");
        self.pages(&below, &below, Some(&revision), |key, value| {
            let (kind, key) = key
                .split_once('/')
                .ok_or_else(|| Failure::Content(format!("`{key}` is no resource's key")))?;
            intent
                .load(kind, key, value)
                .map_err(|e| Failure::Content(said(&e)))
        })?;
        intent.generation = Generation(folded);
        let from = self.transaction_key(folded + 1);
        let mut intent = Some(intent);
        self.pages(&self.key("t/"), &from, Some(&revision), |_, value| {
            if let Some(before) = intent.take() {
                intent = Some(replay(&before, value)?);
            }
            Ok(())
        })?;
        let intent = intent.unwrap_or_default();
        self.head = head_of(&kvs(&answer, 1))?;
        match intent.generation.0 == self.head.generation {
            true => Ok(intent),
            false => Err(Failure::Content(format!(
                "the newest generation is {}, and transactions lead to {}",
                self.head.generation, intent.generation
            ))),
        }
    }

    /// Walks over every key below a prefix from one on, page by page; keys are given without the prefix.
    fn pages(
        &mut self,
        below: &str,
        from: &str,
        revision: Option<&Value>,
        mut each: impl FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut from = from.to_string();
        loop {
            let mut request = json!({
                "key": base64(&from), "range_end": base64(&after(below)), "limit": PAGE,
            });
            if let Some(revision) = revision {
                request["revision"] = revision.clone();
            }
            let answer = self.client.call("kv/range", &request)?;
            let found = answer["kvs"].as_array().map_or(&[][..], Vec::as_slice);
            for kv in found {
                let (key, value) = convert::pair(kv)?;
                each(key.strip_prefix(below).unwrap_or(&key), &value)?;
                // The next page begins right behind this key.
                from = format!("{key}\0");
            }
            if found.is_empty() || !is_true(&answer, "more") {
                return Ok(());
            }
        }
    }

    /// Writes some transactions if nobody wrote since `head` was read.
    fn commit(
        &mut self,
        entries: &[Entry],
        bodies: &[(String, String)],
    ) -> Result<(), AppendError> {
        let Some((last, first)) = entries.last().zip(bodies.first()) else {
            return Ok(());
        };
        let generation = last.intent.generation.0;
        let head = self.key("head");
        let mut success = vec![put(&head, &generation.to_string())];
        success.extend(bodies.iter().map(|(key, body)| put(key, body)));
        let request = json!({
            "compare": [{
                "key": base64(&head), "target": "MOD", "result": "EQUAL",
                "mod_revision": self.head.revision.to_string(),
            }],
            "success": success,
            "failure": [get(&head), get(&first.0)],
        });
        let patience = if self.answered {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let deadline = Instant::now() + patience;
        let answer = loop {
            match self.client.call("kv/txn", &request) {
                Ok(answer) => break answer,
                Err(Failure::Unreachable(_)) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(Failure::Unreachable(why)) => {
                    self.answered = false;
                    return Err(AppendError::Unreachable(format!(
                        "{why}; whether the change was made shows when it answers again"
                    )));
                }
                Err(other) => return Err(AppendError::Failed(other.to_string())),
            }
        };
        self.answered = true;
        let revision = answer["header"]["revision"]
            .as_str()
            .and_then(|r| r.parse().ok());
        if is_true(&answer, "succeeded") {
            let revision =
                revision.ok_or_else(|| AppendError::Failed("etcd names no revision".into()))?;
            self.head = Head {
                generation,
                revision,
            };
            return Ok(());
        }
        // A call whose answer was lost may have been carried out: then what stands there is ours.
        let there = kvs(&answer, 1).first().and_then(text_of);
        let newest = head_of(&kvs(&answer, 0)).map_err(|e| AppendError::Failed(e.to_string()))?;
        if there.as_deref() == Some(first.1.as_str()) && newest.generation == generation {
            self.head = newest;
            return Ok(());
        }
        Err(AppendError::Overtaken)
    }

    /// Folds the transactions after `folded` into resources. Another node may do the same at the same time.
    fn fold(&mut self) -> Result<(), Failure> {
        let folded_key = self.key("folded");
        let answer = self
            .client
            .call("kv/range", &json!({ "key": base64(&folded_key) }))?;
        let found = answer["kvs"].as_array().map_or(&[][..], Vec::as_slice);
        let (folded, revision) = (
            number(found)?,
            found.first().map(|kv| count(&kv["mod_revision"])),
        );
        let goal = self.head.generation;
        if goal.saturating_sub(folded) < LOG {
            return Ok(());
        }
        let mut newest = std::collections::BTreeMap::new();
        let (below, from) = (self.key("t/"), self.transaction_key(folded + 1));
        self.pages(&below, &from, None, |_, value| {
            let transaction = Transaction::read(value)?;
            if transaction.generation <= goal {
                for (kind, key, body) in transaction.changes {
                    newest.insert(format!("r/{kind}/{key}"), body);
                }
            }
            Ok(())
        })?;
        let unchanged = json!([{
            "key": base64(&folded_key), "target": "MOD", "result": "EQUAL",
            "mod_revision": revision.unwrap_or_default().to_string(),
        }]);
        let mut steps: Vec<Value> = newest
            .into_iter()
            .map(|(key, body)| match body {
                Some(body) => put(&self.key(&key), &body),
                None => json!({ "request_delete_range": { "key": base64(&self.key(&key)) } }),
            })
            .collect();
        let mut sent = steps.drain(..).peekable();
        while sent.peek().is_some() {
            let (mut step, mut size) = (Vec::new(), 0);
            while let Some(one) = sent.next_if(|one| {
                size += one.to_string().len();
                step.len() < MOST_ENTRIES && (step.is_empty() || size < MOST_BYTES)
            }) {
                step.push(one);
            }
            let answer = self.client.call(
                "kv/txn",
                &json!({ "compare": unchanged.clone(), "success": step }),
            )?;
            if !is_true(&answer, "succeeded") {
                return Ok(());
            }
        }
        let end = json!([
            put(&folded_key, &goal.to_string()),
            { "request_delete_range": {
                "key": base64(&from), "range_end": base64(&self.transaction_key(goal + 1)),
            }},
        ]);
        self.client
            .call("kv/txn", &json!({ "compare": unchanged, "success": end }))
            .map(|_| ())
    }
}

impl Backend for Etcd {
    fn append(&mut self, batch: &[Entry]) -> (usize, Option<AppendError>) {
        let mut done = 0;
        let mut waiting = batch;
        while !waiting.is_empty() {
            let (mut bodies, mut size) = (Vec::new(), 0);
            for entry in waiting.iter().take(MOST_ENTRIES) {
                let generation = entry.intent.generation.0;
                self.written += 1;
                let body = Transaction::write(entry, format!("{}-{}", self.nonce, self.written));
                size += body.len() * 4 / 3;
                if size > MOST_BYTES && !bodies.is_empty() {
                    break;
                }
                bodies.push((self.transaction_key(generation), body));
            }
            let (now, later) = waiting.split_at(bodies.len());
            if let Err(why) = self.commit(now, &bodies) {
                return (done, Some(why));
            }
            done += now.len();
            waiting = later;
        }
        let newest = batch.last().map_or(0, |entry| entry.intent.generation.0);
        if newest.is_multiple_of(LOG / 2)
            && let Err(error) = self.fold()
        {
            tracing::warn!(%error, "could not shorten the log in etcd; it is tried again");
        }
        (done, None)
    }

    fn newer(&mut self, than: &Intent) -> Result<Option<Intent>, AppendError> {
        let read = |etcd: &mut Etcd| -> Result<Option<Intent>, Failure> {
            let answer = etcd.client.call(
                "kv/txn",
                &json!({ "success": [get(&etcd.key("folded")), get(&etcd.key("head"))] }),
            )?;
            let (folded, head) = (number(&kvs(&answer, 0))?, head_of(&kvs(&answer, 1))?);
            if head.generation == than.generation.0 {
                etcd.head = head;
                return Ok(None);
            }
            // A backup was put back: what is known here is from another history.
            if folded > than.generation.0 || head.generation < than.generation.0 {
                return etcd.load().map(Some);
            }
            let (below, from) = (etcd.key("t/"), etcd.transaction_key(than.generation.0 + 1));
            let mut intent = Some(than.clone());
            etcd.pages(
                &below,
                &from,
                Some(&answer["header"]["revision"]),
                |_, value| {
                    if let Some(before) = intent.take() {
                        intent = Some(replay(&before, value)?);
                    }
                    Ok(())
                },
            )?;
            etcd.head = head;
            Ok(intent)
        };
        match read(self) {
            Err(Failure::Compacted) => self.load().map(Some),
            other => other,
        }
        .inspect(|_| self.answered = true)
        .map_err(|failure| match failure {
            Failure::Unreachable(why) => AppendError::Unreachable(why),
            other => AppendError::Failed(other.to_string()),
        })
    }
}

fn nonce() -> Option<String> {
    let bytes: [u8; 8] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .ok()?
        .expose();
    Some(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// The intent after one more transaction, which must be the next.
fn replay(before: &Intent, body: &str) -> Result<Intent, Failure> {
    let transaction = Transaction::read(body)?;
    let mut draft = Draft::new(before);
    if draft.generation.0 != transaction.generation {
        return Err(Failure::Content(format!(
            "generation {} follows {}",
            transaction.generation, before.generation
        )));
    }
    for (kind, key, body) in &transaction.changes {
        draft
            .replay(kind, key, body.as_deref())
            .map_err(|e| Failure::Content(said(&e)))?;
    }
    Ok(draft.finish().0)
}

/// An error with its cause, which names what is wrong with a body.
fn said(error: &adit_model::LoadError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}; another node may run a newer adit"),
        None => format!("{error}; another node may run a newer adit"),
    }
}

/// The end of the range of every key that begins with this.
fn after(prefix: &str) -> String {
    // Prefixes end in `/`; `0` is the next character.
    format!("{}0", prefix.trim_end_matches('/'))
}

fn put(key: &str, value: &str) -> Value {
    json!({ "request_put": { "key": base64(key), "value": base64(value) } })
}

fn get(key: &str) -> Value {
    json!({ "request_range": { "key": base64(key) } })
}

fn absent(key: &str) -> Value {
    json!({ "key": base64(key), "target": "VERSION", "result": "EQUAL", "version": "0" })
}

fn is_true(answer: &Value, name: &str) -> bool {
    answer[name].as_bool() == Some(true)
}

/// The keys that the `n`-th request of a transaction read.
fn kvs(answer: &Value, n: usize) -> Vec<Value> {
    answer["responses"][n]["response_range"]["kvs"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn number(found: &[Value]) -> Result<u64, Failure> {
    let text = found.first().and_then(text_of);
    text.as_deref()
        .and_then(|t| t.parse().ok())
        .ok_or_else(|| Failure::Content("the state has no generation: was it removed?".into()))
}

fn head_of(found: &[Value]) -> Result<Head, Failure> {
    let generation = number(found)?;
    let revision = found.first().map(|kv| count(&kv["mod_revision"]));
    Ok(Head {
        generation,
        revision: revision.unwrap_or_default(),
    })
}
