//! What the agent knows: its namespaces, the groups they belong to, what was applied last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Ground, open};
use crate::apply::{self, ApplyError, Place};
use crate::check::{self, InvalidDesired};
use crate::desired::{Attachment, Desired, Link, LinkKind, Namespace};
use crate::namespace::{self, Held, Shelf};
use crate::nft::change::Change as TableChange;
use crate::observe::{self, FarEnd, Memory, ObserveError, Seen};
use crate::plan::{self, Act, Step, Task};
use crate::protocol::{Applied, Change, Counters, Listen, Reply, SocketSpec, Transport};
use crate::verify::{self, NotKept};

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Invalid(#[from] InvalidDesired),
    #[error("there is no namespace `{0}`")]
    NoNamespace(String),
    #[error("there is no group `{0}`")]
    NoGroup(String),
    #[error("the namespace `{ns}` belongs to the group `{group}`")]
    Taken { ns: String, group: String },
    #[error("the device `{device}` in namespace `{ns}` belongs to the group `{group}`")]
    DeviceTaken {
        device: String,
        ns: String,
        group: String,
    },
    #[error("group `{0}` was not applied since the agent started")]
    NotApplied(String),
    #[error("could not open a {what} in namespace `{ns}`: {source}")]
    Open {
        what: String,
        ns: String,
        source: io::Error,
    },
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    NotKept(#[from] NotKept),
    #[error("without root, namespaces do not outlive the agent: shut it down instead")]
    Rootless,
    #[error("could not remove everything: {0}")]
    Leftovers(String),
}

/// The agent: namespaces can be looked up while a change is under way.
pub(super) struct Agent {
    home: Arc<OwnedFd>,
    user: Option<OwnedFd>,
    directory: Arc<Mutex<BTreeMap<String, Arc<Held>>>>,
    state: Mutex<State>,
    ended: AtomicBool,
}

struct State {
    home: Arc<OwnedFd>,
    shelf: Option<Shelf>,
    directory: Arc<Mutex<BTreeMap<String, Arc<Held>>>>,
    namespaces: BTreeMap<String, Entry>,
    groups: BTreeMap<String, Group>,
    revision: u64,
    /// The next free number for a device.
    number: AtomicU32,
}

struct Entry {
    held: Arc<Held>,
    group: String,
    memory: Memory,
}

#[derive(Default)]
struct Group {
    desired: Desired,
    revision: u64,
    /// Whether the kernel is believed to be as `desired` says.
    trusted: bool,
}

/// Devices that somebody else makes in a namespace get small numbers.
const FIRST_NUMBER: u32 = 10_000;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    /// Takes over (or removes) what an earlier agent left on the shelf.
    pub(super) fn start(ground: Ground, run_dir: &Path, clean: bool) -> io::Result<Self> {
        let home = Arc::new(ground.home);
        let directory = Arc::new(Mutex::new(BTreeMap::new()));
        let shelf = match &ground.user {
            Some(_) => None,
            None => Some(Shelf::open(run_dir)?),
        };
        let mut state = State {
            home: Arc::clone(&home),
            shelf,
            directory: Arc::clone(&directory),
            namespaces: BTreeMap::new(),
            groups: BTreeMap::new(),
            revision: 0,
            number: AtomicU32::new(FIRST_NUMBER),
        };
        state.adopt()?;
        if clean {
            let groups: BTreeSet<_> = state.namespaces.values().map(|e| e.group.clone()).collect();
            for group in groups {
                state
                    .remove(&group)
                    .map_err(|e| io::Error::other(e.to_string()))?;
            }
        }
        let (state, ended) = (Mutex::new(state), AtomicBool::new(false));
        Ok(Self {
            home,
            user: ground.user,
            directory,
            state,
            ended,
        })
    }

    pub(super) fn rootless(&self) -> bool {
        self.user.is_some()
    }

    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn apply(&self, change: Change) -> Result<Reply, RequestError> {
        locked(&self.state).apply(change)
    }

    pub(super) fn plan(&self, group: &str, desired: &Desired) -> Result<Vec<String>, RequestError> {
        check::name(group)?;
        desired.check()?;
        let state = locked(&self.state);
        state.check_owners(group, desired)?;
        let steps = state.steps_from_kernel(group, desired)?;
        Ok(steps.iter().map(Step::to_string).collect())
    }

    pub(super) fn drift(&self, group: &str) -> Result<Vec<String>, RequestError> {
        let state = locked(&self.state);
        let Some(known) = state.groups.get(group) else {
            return Err(RequestError::NotApplied(group.to_owned()));
        };
        let steps = state.steps_from_kernel(group, &known.desired)?;
        Ok(steps.iter().map(Step::to_string).collect())
    }

    pub(super) fn remove(&self, group: &str) -> Result<(), RequestError> {
        locked(&self.state).remove(group)
    }

    pub(super) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        let state = locked(&self.state);
        let mut groups: BTreeMap<String, Vec<String>> = state
            .groups
            .keys()
            .map(|group| (group.clone(), Vec::new()))
            .collect();
        for (ns, entry) in &state.namespaces {
            groups
                .entry(entry.group.clone())
                .or_default()
                .push(ns.clone());
        }
        groups
    }

    pub(super) fn observe(&self, group: &str) -> Result<String, RequestError> {
        let state = locked(&self.state);
        let members = state.members(group);
        if members.is_empty() && !state.groups.contains_key(group) {
            return Err(RequestError::NoGroup(group.to_owned()));
        }
        let empty = Desired::default();
        let desired = state.groups.get(group).map_or(&empty, |g| &g.desired);
        let mut text = String::new();
        for (ns, seen) in state.observe_all(&members, desired)? {
            observe::describe(&ns, &seen, &mut text);
        }
        Ok(text)
    }

    fn held(&self, ns: &str) -> Result<Arc<Held>, RequestError> {
        let found = locked(&self.directory).get(ns).cloned();
        found.ok_or_else(|| RequestError::NoNamespace(ns.to_owned()))
    }

    pub(super) fn listen(&self, spec: &Listen) -> Result<OwnedFd, RequestError> {
        let fail = |source| RequestError::Open {
            what: format!(
                "{} listener on {} port {}",
                word(spec.transport),
                spec.address,
                spec.port
            ),
            ns: spec.ns.clone(),
            source,
        };
        let socket = self
            .held(&spec.ns)?
            .inside(&self.home, || open::listen(spec));
        socket.flatten().map_err(fail)
    }

    pub(super) fn socket(&self, spec: &SocketSpec) -> Result<OwnedFd, RequestError> {
        let fail = |source| RequestError::Open {
            what: format!("{} socket", word(spec.transport)),
            ns: spec.ns.clone(),
            source,
        };
        let socket = self
            .held(&spec.ns)?
            .inside(&self.home, || open::socket(spec));
        socket.flatten().map_err(fail)
    }

    pub(super) fn handle(&self, ns: &str) -> Result<Vec<OwnedFd>, RequestError> {
        let fail = |source| {
            let (what, ns) = ("namespace handle".to_owned(), ns.to_owned());
            RequestError::Open { what, ns, source }
        };
        let mut fds = vec![self.held(ns)?.fd.try_clone().map_err(fail)?];
        if let Some(user) = &self.user {
            fds.push(user.try_clone().map_err(fail)?);
        }
        Ok(fds)
    }

    pub(super) fn counters(&self, ns: &str) -> Result<Counters, RequestError> {
        Ok(observe::counters(ns, &*self.held(ns)?, &self.home)?)
    }

    /// Ends without removing anything.
    pub(super) fn leave(&self) -> Result<(), RequestError> {
        // Nothing may be half done.
        let state = locked(&self.state);
        if state.shelf.is_none() && !state.namespaces.is_empty() {
            return Err(RequestError::Rootless);
        }
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes everything; the agent ends whether or not that succeeds.
    pub(super) fn shutdown(&self) -> Result<(), RequestError> {
        let mut state = locked(&self.state);
        let mut groups: BTreeSet<_> = state.groups.keys().cloned().collect();
        groups.extend(state.namespaces.values().map(|e| e.group.clone()));
        let mut failures = Vec::new();
        for group in groups {
            failures.extend(state.remove(&group).err().map(|e| e.to_string()));
        }
        if let Some(shelf) = &state.shelf {
            shelf.close();
        }
        self.ended.store(true, Ordering::Release);
        if failures.is_empty() {
            Ok(())
        } else {
            Err(RequestError::Leftovers(failures.join("; ")))
        }
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}

/// What was, where the new state differs.
struct Before {
    namespaces: BTreeMap<String, Option<Namespace>>,
    attachments: BTreeMap<String, Attachment>,
}

impl State {
    fn adopt(&mut self) -> io::Result<()> {
        let Some(shelf) = &self.shelf else {
            return Ok(());
        };
        for (group, ns, held) in shelf.contents()? {
            match held {
                Some(held) if !self.namespaces.contains_key(&ns) => {
                    let highest = observe::highest_number(&held, &self.home)?;
                    self.number.fetch_max(highest + 1, Ordering::Relaxed);
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

    fn members(&self, group: &str) -> BTreeSet<String> {
        let ours = self
            .namespaces
            .iter()
            .filter(|(_, entry)| entry.group == group);
        ours.map(|(ns, _)| ns.clone()).collect()
    }

    /// Names are unique over all groups, and what a group hangs on must exist.
    fn check_owners(&self, group: &str, desired: &Desired) -> Result<(), RequestError> {
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

    fn observe_all(
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
    fn steps_from_kernel(&self, group: &str, desired: &Desired) -> Result<Vec<Step>, RequestError> {
        let members = self.members(group);
        let mut scope = members.clone();
        scope.extend(desired.namespaces.keys().cloned());
        scope.extend(desired.needed().into_iter().map(str::to_owned));
        let seen = self.observe_all(&scope, desired)?;
        let task = Task {
            desired,
            old: None,
            members: &members,
            scope: &scope,
        };
        Ok(plan::plan(&task, seen))
    }

    fn apply(&mut self, change: Change) -> Result<Reply, RequestError> {
        check::name(&change.group)?;
        let known = self.groups.get(&change.group);
        if change.base.is_some() && change.base != known.map(|g| g.revision) {
            return Ok(Reply::Stale);
        }
        let mut group = self.groups.remove(&change.group).unwrap_or_default();
        let trusted = group.trusted && !change.check;
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
        group.trusted = false;
        let result = self.reach(&change.group, &group.desired, trusted, &before);
        group.trusted = result.is_ok();
        self.revision += 1;
        group.revision = self.revision;
        self.groups.insert(change.group, group);
        let steps = result?;
        let touched: BTreeSet<_> = steps.iter().map(|step| step.ns.clone()).collect();
        let touched = touched.into_iter().collect();
        Ok(Reply::Applied(Applied {
            revision: self.revision,
            steps: steps.len(),
            touched,
        }))
    }

    /// Makes the desired state true and returns what that took.
    fn reach(
        &mut self,
        group: &str,
        desired: &Desired,
        trusted: bool,
        before: &Before,
    ) -> Result<Vec<Step>, RequestError> {
        if trusted {
            let steps = self.steps_from_memory(group, desired, before);
            match apply::apply(&mut Site { state: self, group }, &steps) {
                Ok(()) => return Ok(steps),
                // The kernel is not as it was left: look, and do what is really needed.
                Err(error) => eprintln!("net-agent: {group} has drifted: {error}"),
            }
        }
        let steps = self.steps_from_kernel(group, desired)?;
        apply::apply(&mut Site { state: self, group }, &steps)?;
        if !steps.is_empty() {
            verify::verify(&self.steps_from_kernel(group, desired)?)?;
        }
        for (ns, namespace) in &desired.namespaces {
            if let (Some(entry), Some(table)) = (self.namespaces.get_mut(ns), &namespace.nft) {
                // Found as it should be: as good as loaded by ourselves.
                entry
                    .memory
                    .table
                    .get_or_insert_with(|| Arc::new(table.clone()));
            }
        }
        Ok(steps)
    }

    /// The steps from what was applied before, only where something differs.
    fn steps_from_memory(&self, group: &str, desired: &Desired, before: &Before) -> Vec<Step> {
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
        let changed = before.namespaces.iter();
        let old = Desired {
            namespaces: changed
                .filter_map(|(n, ns)| Some((n.clone(), ns.clone()?)))
                .collect(),
            attachments: BTreeMap::new(),
        };
        let task = Task {
            desired,
            old: Some(&old),
            members: &members,
            scope: &scope,
        };
        plan::plan(&task, seen)
    }

    /// Removes a group. Links first: their routes go at once and open connections with them, also
    /// where somebody still holds a namespace.
    fn remove(&mut self, group: &str) -> Result<(), RequestError> {
        let members = self.members(group);
        let mut failures = Vec::new();
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
        self.groups.remove(group);
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
        self.namespaces.remove(ns);
        // Groups that hung on it have lost links: their next apply must look.
        for (name, other) in &mut self.groups {
            if name != group && other.trusted && other.desired.needed().contains(ns) {
                other.trusted = false;
            }
        }
    }
}

/// Links that are not in both lists.
fn differing<'a>(old: &'a [Link], new: &'a [Link]) -> impl Iterator<Item = &'a Link> {
    let by_name = |links: &'a [Link]| -> BTreeMap<&'a str, &'a Link> {
        links
            .iter()
            .map(|link| (link.name.as_str(), link))
            .collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let gone = old
        .iter()
        .filter(move |link| after.get(link.name.as_str()) != Some(link));
    gone.chain(
        new.iter()
            .filter(move |link| before.get(link.name.as_str()) != Some(link)),
    )
}

impl Desired {
    /// Turns into the new state and returns what differed.
    fn change(&mut self, partial: bool, new: Self, removed: &[String]) -> Before {
        let mut namespaces = BTreeMap::new();
        let gone: Vec<String> = if partial {
            removed.to_vec()
        } else {
            self.namespaces
                .keys()
                .filter(|n| !new.namespaces.contains_key(*n))
                .cloned()
                .collect()
        };
        for name in gone {
            if let Some(old) = self.namespaces.remove(&name) {
                namespaces.insert(name, Some(old));
            }
        }
        for (name, namespace) in new.namespaces {
            if self.namespaces.get(&name) != Some(&namespace) {
                let old = self.namespaces.insert(name.clone(), namespace);
                namespaces.insert(name, old);
            }
        }
        let attachments = std::mem::replace(&mut self.attachments, new.attachments);
        Before {
            namespaces,
            attachments,
        }
    }

    /// Takes a change back.
    fn restore(&mut self, before: Before) {
        for (name, namespace) in before.namespaces {
            match namespace {
                Some(namespace) => self.namespaces.insert(name, namespace),
                None => self.namespaces.remove(&name),
            };
        }
        self.attachments = before.attachments;
    }
}

impl Before {
    /// The namespaces in which the change to `desired` can have any effect.
    fn scope(&self, desired: &Desired) -> BTreeSet<String> {
        let mut scope: BTreeSet<String> = self.namespaces.keys().cloned().collect();
        for (name, old) in &self.namespaces {
            let old = old.as_ref().map_or(&[][..], |ns| &ns.links);
            let new = desired.namespaces.get(name).map_or(&[][..], |ns| &ns.links);
            for link in differing(old, new) {
                let LinkKind::Veth { peer_ns, .. } = &link.kind;
                scope.insert(peer_ns.clone());
            }
        }
        if self.attachments != desired.attachments {
            scope.extend(desired.attachments.keys().cloned());
            scope.extend(self.attachments.keys().cloned());
        }
        scope
    }

    /// All namespaces as they were before the change that led to `now`.
    fn whole<'a>(&'a self, now: &'a Desired) -> BTreeMap<&'a str, &'a Namespace> {
        let mut all: BTreeMap<_, _> = now
            .namespaces
            .iter()
            .map(|(name, ns)| (name.as_str(), ns))
            .collect();
        for (name, namespace) in &self.namespaces {
            match namespace {
                Some(namespace) => all.insert(name, namespace),
                None => all.remove(name.as_str()),
            };
        }
        all
    }
}

impl Attachment {
    fn as_namespace(&self) -> Namespace {
        Namespace {
            sysctls: self.sysctls.clone(),
            addresses: self.addresses.clone(),
            routes: self.routes.clone(),
            neighbours: self.neighbours.clone(),
            ..Namespace::default()
        }
    }
}

/// The state as steps of one group act on it.
struct Site<'a> {
    state: &'a mut State,
    group: &'a str,
}

impl Place for Site<'_> {
    fn add(&mut self, ns: &str) -> io::Result<()> {
        let held = Arc::new(namespace::create(&self.state.home)?);
        if let Some(shelf) = &self.state.shelf {
            shelf.keep(self.group, ns, &held)?;
        }
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

    fn numbers(&self) -> (u32, u32) {
        let first = self.state.number.fetch_add(2, Ordering::Relaxed);
        (first, first + 1)
    }

    fn filtered(&mut self, ns: &str, change: &TableChange, generation: Option<u32>) {
        let Some(entry) = self.state.namespaces.get_mut(ns) else {
            return;
        };
        let table = match change {
            TableChange::Replace(table) | TableChange::Update(_, table) => Some(Arc::clone(table)),
            TableChange::Remove(..) => None,
        };
        entry.memory = Memory { table, generation };
    }
}
