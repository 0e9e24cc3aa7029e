//! Random sequences of calls against models of a few lines: whether each succeeds, and what there is after it.
//!
//! [`super::invariants`] asks whether what there is makes sense; this asks whether it is what was asked for.
//! Each module models one neighbourhood of the API; what they share is here.

mod interfaces;
mod ipv6;
mod links;
mod services;
mod vpcs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use adit_wire::{Service, Value, map};

use crate::invariants;
use crate::world::{World, each};

/// What calls are made on, and what of it they deleted.
struct Driver {
    world: World,
    deleted: Vec<Deleted>,
}

/// How something was deleted.
#[derive(Debug, Clone)]
struct Deleted {
    name: &'static str,
    member: &'static str,
    id: String,
}

impl Driver {
    fn new() -> Driver {
        Driver {
            world: World::new(),
            deleted: Vec::new(),
        }
    }

    /// Calls EC2, and holds the outcome against what the model expects.
    fn expect(&self, model: &dyn Debug, name: &str, input: Value, allowed: bool) -> Option<Value> {
        self.expect_at(Service::Ec2, model, name, input, allowed)
    }

    fn expect_at(
        &self,
        service: Service,
        model: &dyn Debug,
        name: &str,
        input: Value,
        allowed: bool,
    ) -> Option<Value> {
        let shown = format!("{name} {input:?}");
        match (self.world.call(service, name, input), allowed) {
            (Ok(answer), true) => Some(answer),
            (Err(_), false) => None,
            (Ok(_), false) => panic!("{shown} succeeded in\n{model:#?}"),
            (Err(why), true) => panic!("{shown} was refused: {why:?} in\n{model:#?}"),
        }
    }

    /// Deletes, and remembers what is gone.
    fn delete(
        &mut self,
        model: &dyn Debug,
        name: &'static str,
        member: &'static str,
        id: &str,
        allowed: bool,
    ) -> bool {
        let done = self.expect(model, name, map! { member => id }, allowed);
        if done.is_some() {
            let id = id.to_string();
            self.deleted.push(Deleted { name, member, id });
        }
        done.is_some()
    }

    /// What is gone cannot be deleted once more.
    fn delete_again(&self, model: &dyn Debug, n: u8) {
        let all = self.deleted.len().max(1);
        if let Some(Deleted { name, member, id }) = self.deleted.get(usize::from(n) % all).cloned()
        {
            self.expect(model, name, map! { member => id }, false);
        }
    }

    /// The ids that a describe shows.
    fn shown(&self, name: &str, list: &str, member: &str) -> BTreeSet<String> {
        let all = self.world.ec2(name, map! {});
        each(&all, list, member).into_iter().collect()
    }

    /// What must hold whatever was called.
    fn check(&self) {
        let gone = self.deleted.iter().map(|deleted| deleted.id.clone());
        invariants::hold(&self.world.intent(), &gone.collect());
    }
}

/// A model beside what is driven.
struct Machine<M> {
    driver: Driver,
    model: M,
}

impl<M: Debug> Machine<M> {
    fn expect(&self, name: &str, input: Value, allowed: bool) -> Option<Value> {
        self.driver.expect(&self.model, name, input, allowed)
    }

    fn delete(&mut self, name: &'static str, member: &'static str, id: &str, good: bool) -> bool {
        self.driver.delete(&self.model, name, member, id, good)
    }
}

/// The `n`-th key, counted round.
fn pick<V>(of: &BTreeMap<String, V>, n: u8) -> Option<String> {
    of.keys().nth(usize::from(n) % of.len().max(1)).cloned()
}

fn keys<V>(of: &BTreeMap<String, V>) -> BTreeSet<String> {
    of.keys().cloned().collect()
}

/// Few in CI; `cargo xtask soak machine` says more.
fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(12)
}
