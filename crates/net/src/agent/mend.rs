//! Putting right what others changed: where something was heard at once, everywhere else in turn.
//!
//! The work of one call is bounded, however large the installation is: a change made by a caller
//! never waits long behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use super::groups::Groups;
use super::state::{Agent, RequestError, locked};
use crate::desired::{Desired, LinkKind};
use crate::observe::Seen;
use crate::plan::Step;
use crate::protocol::Mended;
use crate::verify;

/// Namespaces of one call where something was heard.
const MOST_HEARD: usize = 128;
/// Namespaces that a round looks at per [`ROUND`] although nothing was heard.
const IN_TURN: usize = 16;
/// Time between two parts of the round. With the above, 1,000 namespaces are seen each minute.
const ROUND: Duration = Duration::from_millis(900);
/// Who deletes one thing often deletes another.
const BURST: Duration = Duration::from_millis(20);
/// Steps of one group that are told.
const TOLD: usize = 20;

/// Where the round is.
#[derive(Default)]
pub(super) struct Round {
    /// The last namespace looked at.
    last: String,
    at: Option<Instant>,
    /// Groups whose attachments are to be looked at soon.
    attached: BTreeSet<String>,
}

impl Agent {
    /// Waits until something is heard, at most `wait` milliseconds, and puts it right.
    pub(super) fn mend(&self, wait: u32) -> Mended {
        let end = Instant::now() + Duration::from_millis(u64::from(wait));
        let poll = locked(&self.state).watch.poll();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let pause = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            let woken = poll.wait(pause).is_ok_and(|tokens| !tokens.is_empty());
            if self.ended() {
                return Mended::default();
            }
            if woken {
                thread::sleep(BURST);
            }
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.watch.take_in(&BTreeSet::new());
            if !state.watch.is_quiet() || Instant::now() >= end {
                return state.mend();
            }
        }
    }
}

impl Groups {
    fn mend(&mut self) -> Mended {
        let mut work: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let heard = self.watch.take(MOST_HEARD);
        for ns in &heard {
            // What other groups hang there is looked at in turn: there may be very many.
            self.round.attached.extend(self.attached_to(ns));
        }
        let mut looks: Vec<String> = heard.into_iter().collect();
        if self.round.at.is_none_or(|at| at.elapsed() >= ROUND) {
            self.round.at = Some(Instant::now());
            looks.extend(self.next_in_turn());
            let soon: Vec<String> = self.round.attached.iter().take(IN_TURN).cloned().collect();
            for group in soon {
                self.round.attached.remove(&group);
                if let Some(desired) = self.desired(&group) {
                    let names = desired.attachments.keys().cloned().collect();
                    work.insert(group, names);
                }
            }
            for (group, names) in self.returned() {
                work.entry(group).or_default().extend(names);
            }
            // Groups that lost what they hung on: one at a time is looked at as a whole.
            if let Some(group) = self.untrusted() {
                let whole = self.members(&group);
                work.entry(group).or_default().extend(whole);
            }
        }
        for ns in looks {
            if let Some(group) = self.group_of(&ns) {
                work.entry(group).or_default().insert(ns);
            }
        }
        let mut mended = Mended::default();
        for (group, names) in work {
            mended.looked += names.len();
            match self.mend_group(&group, names) {
                Ok(steps) if steps.is_empty() => {}
                Ok(steps) => {
                    let told = steps.iter().take(TOLD).map(Step::to_string).collect();
                    mended.steps.insert(group, told);
                }
                Err(error) => {
                    mended.failed.insert(group, error.to_string());
                }
            }
        }
        mended
    }

    /// The next namespaces of the round.
    fn next_in_turn(&mut self) -> Vec<String> {
        let after = (
            std::ops::Bound::Excluded(self.round.last.clone()),
            std::ops::Bound::Unbounded,
        );
        let next: Vec<String> = self
            .namespaces
            .range::<String, _>(after)
            .take(IN_TURN)
            .map(|(ns, _)| ns.clone())
            .collect();
        self.round.last = next.last().cloned().unwrap_or_default();
        next
    }

    /// Looks at some namespaces of a group and does what is needed there.
    fn mend_group(
        &mut self,
        group: &str,
        names: BTreeSet<String>,
    ) -> Result<Vec<Step>, RequestError> {
        let Some(desired) = self.take_desired(group) else {
            return Ok(Vec::new());
        };
        let result = self.mend_namespaces(group, &desired, names);
        self.listen_to_new();
        self.give_back(group, desired, result.is_ok());
        result
    }

    fn mend_namespaces(
        &mut self,
        group: &str,
        desired: &Desired,
        names: BTreeSet<String>,
    ) -> Result<Vec<Step>, RequestError> {
        let scope = self.widen(desired, names)?;
        let steps = self.reach_from_kernel(group, desired, &scope)?;
        if steps.is_empty() {
            return Ok(steps);
        }
        let own = self.touched(&steps, &scope);
        self.watch.take_in(&own);
        verify::verify(&self.steps_in(group, desired, &scope)?)?;
        Ok(steps)
    }

    /// Adds the namespaces at the other ends of cables that are not as they should be: a cable is
    /// made, and taken away, at both its ends.
    fn widen(
        &self,
        desired: &Desired,
        names: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, RequestError> {
        let mut scope = names.clone();
        let mut fresh = names;
        while !fresh.is_empty() {
            let seen = self.observe_all(&fresh, desired)?;
            let mut next = BTreeSet::new();
            for (near_ns, namespace) in &desired.namespaces {
                for link in &namespace.links {
                    let LinkKind::Veth {
                        peer_ns, peer_name, ..
                    } = &link.kind;
                    if fresh.contains(near_ns) && !is_there(&seen, near_ns, &link.name) {
                        next.insert(peer_ns.clone());
                    }
                    if fresh.contains(peer_ns) && !is_there(&seen, peer_ns, peer_name) {
                        next.insert(near_ns.clone());
                    }
                }
            }
            next.retain(|ns| !scope.contains(ns));
            scope.extend(next.iter().cloned());
            fresh = next;
        }
        Ok(scope)
    }
}

/// Whether a device is there and up.
fn is_there(seen: &BTreeMap<String, Seen>, ns: &str, device: &str) -> bool {
    let link = seen.get(ns).and_then(|seen| seen.links.get(device));
    link.is_some_and(|link| link.up)
}
