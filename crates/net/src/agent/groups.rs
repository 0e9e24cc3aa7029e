//! The groups: what was applied, how the next state is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::before::Before;
use super::lending::Refusal;
use super::mend::Round;
use super::parts::Done;
use super::state::{RequestError, locked};
use super::watch::Watch;
use crate::apply::{self, Place};
use crate::check;
use crate::desired::{Attachment, Desired, LinkKind, Namespace};
use crate::host::Host;
use crate::namespace::{self, Held, Shelf};
use crate::nft::change::Change as TableChange;
use crate::observe::{self, FarEnd, Memory, Owner, Seen};
use crate::plan::{self, Act, Step, Task};
use crate::protocol::{Applied, Change, Reply};
use crate::verify;

/// Namespaces that can be entered while a change is under way.
pub(super) type Directory = Arc<Mutex<BTreeMap<String, Arc<Held>>>>;

/// All namespaces and the groups they belong to.
pub(super) struct Groups {
    pub(super) home: Arc<OwnedFd>,
    pub(super) host: Host,
    shelf: Option<Shelf>,
    directory: Directory,
    pub(super) namespaces: BTreeMap<String, Entry>,
    groups: BTreeMap<String, Group>,
    revision: u64,
    /// The next free number for a device.
    number: AtomicU32,
    /// Hears what others change.
    pub(super) watch: Watch,
    pub(super) round: Round,
    /// Namespaces that were just made: what we do there ourselves need not be heard.
    unheard: Vec<(String, Arc<Held>)>,
    /// Namespaces that others made, waiting for the apply that names them.
    lent: BTreeMap<String, Held>,
    /// Namespaces that have, or shall have, devices of the host.
    pub(super) lending: BTreeSet<String>,
    pub(super) refused: BTreeMap<String, Refusal>,
    /// How often the kernel refused a device.
    pub(super) refusals: u64,
}

impl Entry {
    pub(super) fn held(&self) -> &Held {
        &self.held
    }
}

pub(super) struct Entry {
    held: Arc<Held>,
    pub(super) group: String,
    pub(super) memory: Memory,
}

#[derive(Default)]
struct Group {
    desired: Desired,
    revision: u64,
    /// Whether the kernel is believed to be as `desired` says.
    trusted: bool,
}

/// Namespaces that are lent and not used yet.
const MOST_LENT: usize = 64;

/// Devices that somebody else makes in a namespace get small numbers.
const FIRST_NUMBER: u32 = 10_000;

impl Groups {
    /// Takes over what is on the shelf.
    pub(super) fn open(
        home: Arc<OwnedFd>,
        host: Host,
        shelf: Option<Shelf>,
        directory: Directory,
    ) -> io::Result<Self> {
        let mut groups = Self {
            home,
            host,
            shelf,
            directory,
            namespaces: BTreeMap::new(),
            groups: BTreeMap::new(),
            revision: 0,
            number: AtomicU32::new(FIRST_NUMBER),
            watch: Watch::new()?,
            round: Round::default(),
            unheard: Vec::new(),
            lent: BTreeMap::new(),
            lending: BTreeSet::new(),
            refused: BTreeMap::new(),
            refusals: 0,
        };
        groups.adopt()?;
        Ok(groups)
    }

    fn adopt(&mut self) -> io::Result<()> {
        let Some(shelf) = &self.shelf else {
            return Ok(());
        };
        for (group, ns, held) in shelf.contents()? {
            match held {
                Some(held) if !self.namespaces.contains_key(&ns) => {
                    let links = observe::links(&ns, &held, &self.home);
                    let links = links.map_err(|error| io::Error::other(error.to_string()))?;
                    let numbers = links.values().filter_map(|link| Some(link.indexes?.0));
                    let highest = numbers.max().unwrap_or(0);
                    self.number.fetch_max(highest + 1, Ordering::Relaxed);
                    if links.values().any(|link| link.owner == Owner::Lent) {
                        self.lending.insert(ns.clone());
                    }
                    self.watch.listen(&ns, &held, &self.home);
                    let held = Arc::new(held);
                    locked(&self.directory).insert(ns.clone(), Arc::clone(&held));
                    let entry = Entry {
                        held,
                        group,
                        memory: Memory::default(),
                    };
                    self.namespaces.insert(ns, entry);
                }
                // An empty file, left by an agent that died while making a namespace.
                _ => shelf.forget(&group, &ns)?,
            }
        }
        Ok(())
    }

    pub(super) fn members(&self, group: &str) -> BTreeSet<String> {
        let ours = self
            .namespaces
            .iter()
            .filter(|(_, entry)| entry.group == group);
        ours.map(|(ns, _)| ns.clone()).collect()
    }

    /// What was applied last to a group.
    pub(super) fn desired(&self, group: &str) -> Option<&Desired> {
        self.groups.get(group).map(|group| &group.desired)
    }

    /// Keeps a namespace that somebody else made for the apply that names it.
    pub(super) fn lend(&mut self, ns: &str, held: Held) {
        // Whoever lent and never had it attached does not fill the agent up.
        if self.lent.len() >= MOST_LENT {
            self.lent.pop_first();
        }
        self.lent.insert(ns.to_owned(), held);
    }

    /// The group that a namespace belongs to.
    pub(super) fn group_of(&self, ns: &str) -> Option<String> {
        self.namespaces.get(ns).map(|entry| entry.group.clone())
    }

    /// Groups that put something into a namespace of another group.
    pub(super) fn attached_to(&self, ns: &str) -> Vec<String> {
        let attached = self
            .groups
            .iter()
            .filter(|(_, group)| group.desired.attachments.contains_key(ns));
        attached.map(|(name, _)| name.clone()).collect()
    }

    /// A group that is not known to be as desired.
    pub(super) fn untrusted(&self) -> Option<String> {
        let mut lost = self.groups.iter().filter(|(_, group)| !group.trusted);
        lost.next().map(|(name, _)| name.clone())
    }

    /// Takes a group's desired state out for work on it; [`Groups::give_back`] must follow.
    pub(super) fn take_desired(&mut self, group: &str) -> Option<Desired> {
        let group = self.groups.get_mut(group)?;
        Some(std::mem::take(&mut group.desired))
    }

    /// Puts a desired state back, and whether the kernel is believed to be so.
    pub(super) fn give_back(&mut self, group: &str, desired: Desired, trusted: bool) {
        if let Some(group) = self.groups.get_mut(group) {
            group.desired = desired;
            group.trusted = trusted;
        }
    }

    /// The namespaces in which steps can have been heard.
    pub(super) fn touched(&self, steps: &[Step], scope: &BTreeSet<String>) -> BTreeSet<String> {
        let mut touched = scope.clone();
        for step in steps {
            touched.insert(step.ns.clone());
            if let Act::AddLink(link) = &step.act {
                let LinkKind::Veth { peer_ns, .. } = &link.kind;
                touched.insert(peer_ns.clone());
            }
        }
        touched
    }

    /// All groups and their namespaces.
    pub(super) fn list(&self) -> BTreeMap<String, Vec<String>> {
        let known = self.groups.keys().map(|group| (group.clone(), Vec::new()));
        let mut groups: BTreeMap<String, Vec<String>> = known.collect();
        for (ns, entry) in &self.namespaces {
            groups
                .entry(entry.group.clone())
                .or_default()
                .push(ns.clone());
        }
        groups
    }

    /// Removes all groups, as far as possible.
    pub(super) fn remove_all(&mut self) -> Result<(), RequestError> {
        let mut failures = Vec::new();
        for group in self.list().into_keys() {
            failures.extend(self.remove(&group).err().map(|error| error.to_string()));
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(RequestError::Leftovers(failures.join("; ")))
        }
    }

    /// Removes the shelf, once empty.
    pub(super) fn close(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.close();
        }
    }

    /// Names are unique over all groups, and what a group hangs on must exist.
    pub(super) fn check_owners(&self, group: &str, desired: &Desired) -> Result<(), RequestError> {
        for ns in desired.namespaces.keys() {
            if let Some(entry) = self.namespaces.get(ns).filter(|entry| entry.group != group) {
                let (ns, group) = (ns.clone(), entry.group.clone());
                return Err(RequestError::Taken { ns, group });
            }
        }
        let needed = desired.needed();
        for ns in &needed {
            let entry = self.namespaces.get(*ns);
            if entry.is_none_or(|entry| entry.group == group) {
                return Err(RequestError::NoNamespace((*ns).to_owned()));
            }
        }
        if needed.is_empty() {
            return Ok(());
        }
        let own = desired.far_ends();
        for (name, other) in self.groups.iter().filter(|(name, _)| *name != group) {
            for (ns, theirs) in other.desired.far_ends() {
                let ours = own.get(ns).into_iter().flatten();
                if let Some(device) = ours.into_iter().find(|device| theirs.contains(*device)) {
                    return Err(RequestError::DeviceTaken {
                        device: (*device).to_owned(),
                        ns: ns.to_owned(),
                        group: name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    pub(super) fn observe_all(
        &self,
        names: &BTreeSet<String>,
        desired: &Desired,
    ) -> Result<BTreeMap<String, Seen>, RequestError> {
        let empty = Namespace::default();
        let mut all = BTreeMap::new();
        for ns in names {
            let Some(entry) = self.namespaces.get(ns) else {
                continue;
            };
            let attached = desired.attachments.get(ns).map(|attachment| Namespace {
                sysctls: attachment.sysctls.clone(),
                ..Namespace::default()
            });
            let wanted = desired
                .namespaces
                .get(ns)
                .or(attached.as_ref())
                .unwrap_or(&empty);
            let memory = Some(&entry.memory);
            let seen = observe::observe(ns, &entry.held, &self.home, wanted, memory)?;
            all.insert(ns.clone(), seen);
        }
        Ok(all)
    }

    /// The steps from what the kernel really has, everywhere.
    pub(super) fn steps_from_kernel(
        &self,
        group: &str,
        desired: &Desired,
    ) -> Result<Vec<Step>, RequestError> {
        self.steps_in(group, desired, &self.everywhere(group, desired))
    }

    /// All namespaces that a group has to do with.
    fn everywhere(&self, group: &str, desired: &Desired) -> BTreeSet<String> {
        let mut scope = self.members(group);
        scope.extend(desired.namespaces.keys().cloned());
        scope.extend(desired.needed().into_iter().map(str::to_owned));
        scope
    }

    /// The steps from what the kernel has in some namespaces; the others are as desired.
    pub(super) fn steps_in(
        &self,
        group: &str,
        desired: &Desired,
        scope: &BTreeSet<String>,
    ) -> Result<Vec<Step>, RequestError> {
        let members = self.members(group);
        let seen = self.observe_all(scope, desired)?;
        let lendable = self.lendable(desired, scope, &seen);
        let task = Task {
            lendable: &lendable,
            desired,
            old: None,
            members: &members,
            scope,
        };
        Ok(plan::plan(&task, seen))
    }

    pub(super) fn apply(&mut self, mut change: Change) -> Result<Reply, RequestError> {
        check::name(&change.group)?;
        let known = self.groups.get(&change.group);
        if change.base.is_some() && change.base != known.map(|g| g.revision) {
            return Ok(Reply::Stale);
        }
        let mut group = self.groups.remove(&change.group).unwrap_or_default();
        let trusted = group.trusted && !change.check;
        if trusted && self.is_partial(&change.group, &group.desired, &change) {
            return self.apply_parts(change, group);
        }
        if !whole_again(&mut change, &group.desired) {
            self.groups.insert(change.group, group);
            return Ok(Reply::Stale);
        }
        let before = group
            .desired
            .change(change.base.is_some(), change.desired, &change.removed);
        // What is trusted was checked before.
        let changed = trusted.then(|| before.scope(&group.desired));
        let valid = group
            .desired
            .check_parts(changed.as_ref())
            .map_err(RequestError::from);
        if let Err(error) = valid.and_then(|()| self.check_owners(&change.group, &group.desired)) {
            group.desired.restore(before);
            if group.revision != 0 {
                self.groups.insert(change.group, group);
            }
            return Err(error);
        }
        let scope = before.scope(&group.desired);
        let steps = trusted.then(|| self.steps_from_memory(&change.group, &group.desired, &before));
        let steps = steps.and_then(Result::ok);
        self.carry_out(change.group, group, steps, &scope)
    }

    /// Applies a change of what is trusted by its parts.
    fn apply_parts(&mut self, change: Change, mut group: Group) -> Result<Reply, RequestError> {
        let Some(done) = Done::change(&mut group.desired, &change) else {
            // Half changed: the next apply states the whole.
            group.trusted = false;
            group.revision = 0;
            self.groups.insert(change.group, group);
            return Ok(Reply::Stale);
        };
        let (patched, made) = done.parts();
        let valid = group.desired.check_change(patched, made);
        let valid = valid.map_err(RequestError::from);
        if let Err(error) = valid.and_then(|()| self.check_owners(&change.group, &group.desired)) {
            done.undo(&mut group.desired);
            self.groups.insert(change.group, group);
            return Err(error);
        }
        let steps = self.steps_of_parts(&group.desired, &done);
        let scope = steps.iter().map(|step| step.ns.clone()).collect();
        self.carry_out(change.group, group, Some(steps), &scope)
    }

    /// Makes a group's desired state true, by steps if it is known which, and keeps it.
    fn carry_out(
        &mut self,
        name: String,
        mut group: Group,
        steps: Option<Vec<Step>>,
        scope: &BTreeSet<String>,
    ) -> Result<Reply, RequestError> {
        group.trusted = false;
        self.note_lending(&group.desired, scope);
        // What was heard until now is not our own doing.
        self.watch.take_in(&BTreeSet::new());
        let result = self.reach(&name, &group.desired, steps);
        self.listen_to_new();
        let own = self.touched(result.as_deref().unwrap_or_default(), scope);
        self.watch.take_in(&own);
        group.trusted = result.is_ok();
        self.revision += 1;
        group.revision = self.revision;
        self.groups.insert(name, group);
        let steps = result?;
        self.settle_lending();
        let touched: BTreeSet<_> = steps.iter().map(|step| step.ns.clone()).collect();
        let touched = touched.into_iter().collect();
        Ok(Reply::Applied(Applied {
            revision: self.revision,
            steps: steps.len(),
            touched,
        }))
    }

    /// Begins to listen to the namespaces that were made.
    pub(super) fn listen_to_new(&mut self) {
        for (ns, held) in std::mem::take(&mut self.unheard) {
            if self.namespaces.contains_key(&ns) {
                self.watch.listen(&ns, &held, &self.home);
            }
        }
    }

    /// Makes the desired state true and returns what that took.
    fn reach(
        &mut self,
        group: &str,
        desired: &Desired,
        known: Option<Vec<Step>>,
    ) -> Result<Vec<Step>, RequestError> {
        if let Some(steps) = known {
            match apply::apply(&mut Site { state: self, group }, &steps) {
                Ok(()) => return Ok(steps),
                // The kernel is not as it was left: look, and do what is really needed.
                Err(error) => eprintln!("net-agent: {group} has drifted: {error}"),
            }
        }
        let scope = self.everywhere(group, desired);
        let steps = self.reach_from_kernel(group, desired, &scope)?;
        if !steps.is_empty() {
            verify::verify(&self.steps_from_kernel(group, desired)?)?;
        }
        for (ns, namespace) in &desired.namespaces {
            if let (Some(entry), Some(table)) = (self.namespaces.get_mut(ns), &namespace.nft) {
                // Found as it should be: as good as loaded by ourselves.
                entry.memory.found(table);
            }
        }
        Ok(steps)
    }

    /// Does what the kernel needs in some namespaces. A device that it does not let go stays absent.
    pub(super) fn reach_from_kernel(
        &mut self,
        group: &str,
        desired: &Desired,
        scope: &BTreeSet<String>,
    ) -> Result<Vec<Step>, RequestError> {
        loop {
            let refusals = self.refusals;
            let steps = self.steps_in(group, desired, scope)?;
            match apply::apply(&mut Site { state: self, group }, &steps) {
                Ok(()) => return Ok(steps),
                Err(error) if self.refusals == refusals => return Err(error.into()),
                Err(error) => eprintln!("net-agent: {group}: {error}"),
            }
        }
    }

    /// The steps from what was applied before, only where something differs.
    fn steps_from_memory(
        &self,
        group: &str,
        desired: &Desired,
        before: &Before,
    ) -> Result<Vec<Step>, RequestError> {
        let members = self.members(group);
        let scope = before.scope(desired);
        let old = before.whole(desired);
        let mut far_ends: BTreeMap<&str, Vec<FarEnd>> = BTreeMap::new();
        for namespace in old.values() {
            for link in &namespace.links {
                let LinkKind::Veth { peer_ns, .. } = &link.kind;
                far_ends
                    .entry(peer_ns)
                    .or_default()
                    .push(plan::far_end(link));
            }
        }
        let mut seen = BTreeMap::new();
        for ns in scope.iter().filter(|ns| self.namespaces.contains_key(*ns)) {
            let far = far_ends.get(ns.as_str()).map_or(&[][..], Vec::as_slice);
            let attached = before.attachments.get(ns).map(Attachment::as_namespace);
            let was = old.get(ns.as_str()).copied().or(attached.as_ref());
            let empty = Namespace::default();
            let table = self
                .namespaces
                .get(ns)
                .and_then(|entry| entry.memory.table.clone());
            seen.insert(ns.clone(), Seen::assume(was.unwrap_or(&empty), far, table));
        }
        self.recall_lent(&mut seen)?;
        let lendable = self.lendable(desired, &scope, &seen);
        let changed = before.namespaces.iter();
        let old = Desired {
            namespaces: changed
                .filter_map(|(n, ns)| Some((n.clone(), ns.clone()?)))
                .collect(),
            attachments: BTreeMap::new(),
        };
        let task = Task {
            lendable: &lendable,
            desired,
            old: Some(&old),
            members: &members,
            scope: &scope,
        };
        Ok(plan::plan(&task, seen))
    }

    /// Removes a group. Links first: their routes go at once and open connections with them, also
    /// where somebody still holds a namespace.
    pub(super) fn remove(&mut self, group: &str) -> Result<(), RequestError> {
        let members = self.members(group);
        self.watch.take_in(&BTreeSet::new());
        let mut failures = self.put_back(group, &members);
        // Near ends first: a router's go all at once.
        for far in [false, true] {
            for ns in &members {
                let step = Step {
                    ns: ns.clone(),
                    act: Act::RemoveLinks { far },
                };
                let result = apply::apply(&mut Site { state: self, group }, &[step]);
                failures.extend(result.err().map(|error| error.to_string()));
            }
        }
        if let Some(shelf) = &self.shelf {
            shelf.forget_group(group);
        }
        let mut own = members.clone();
        if let Some(gone) = self.groups.remove(group) {
            own.extend(gone.desired.needed().into_iter().map(str::to_owned));
        }
        self.watch.take_in(&own);
        for ns in &members {
            self.forget(group, ns);
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(RequestError::Leftovers(failures.join("; ")))
        }
    }

    /// Lets go of a namespace.
    fn forget(&mut self, group: &str, ns: &str) {
        locked(&self.directory).remove(ns);
        self.watch.forget(ns);
        self.namespaces.remove(ns);
        self.lending.remove(ns);
        // Groups that hung on it have lost links: their next apply must look.
        for (name, other) in &mut self.groups {
            if name != group && other.trusted && other.desired.needed().contains(ns) {
                other.trusted = false;
            }
        }
    }
}

/// States namespaces as a whole of which a change has only what differs. Whether it fits to the
/// state that it is about.
fn whole_again(change: &mut Change, desired: &Desired) -> bool {
    for (name, patch) in std::mem::take(&mut change.patches) {
        let Some(mut namespace) = desired.namespaces.get(&name).cloned() else {
            return false;
        };
        if !patch.apply(&mut namespace) {
            return false;
        }
        change.desired.namespaces.insert(name, namespace);
    }
    true
}

/// The state as steps of one group act on it.
pub(super) struct Site<'a> {
    pub(super) state: &'a mut Groups,
    pub(super) group: &'a str,
}

impl Place for Site<'_> {
    fn add(&mut self, ns: &str) -> io::Result<()> {
        let held = match self.state.lent.remove(ns) {
            Some(lent) => lent,
            None => namespace::create(&self.state.home)?,
        };
        let held = Arc::new(held);
        if let Some(shelf) = &self.state.shelf {
            shelf.keep(self.group, ns, &held)?;
        }
        self.state.unheard.push((ns.to_owned(), Arc::clone(&held)));
        locked(&self.state.directory).insert(ns.to_owned(), Arc::clone(&held));
        let entry = Entry {
            held,
            group: self.group.to_owned(),
            memory: Memory::default(),
        };
        self.state.namespaces.insert(ns.to_owned(), entry);
        Ok(())
    }

    fn remove(&mut self, ns: &str) -> io::Result<()> {
        if let Some(shelf) = &self.state.shelf {
            shelf.forget(self.group, ns)?;
        }
        self.state.forget(self.group, ns);
        Ok(())
    }

    fn get(&self, ns: &str) -> Option<&Held> {
        self.state.namespaces.get(ns).map(|entry| &*entry.held)
    }

    fn home(&self) -> &OwnedFd {
        &self.state.home
    }

    fn host(&self) -> &Host {
        &self.state.host
    }

    fn refused(&mut self, device: &str, index: u32, why: String) {
        self.state.refuse(device, index, why);
    }

    fn numbers(&self) -> (u32, u32) {
        let first = self.state.number.fetch_add(2, Ordering::Relaxed);
        (first, first + 1)
    }

    fn filtered(&mut self, ns: &str, change: &TableChange, generation: Option<u32>) {
        if let Some(entry) = self.state.namespaces.get_mut(ns) {
            entry.memory.take_in(change, generation);
        }
    }
}
