//! The agent as the sum of what can be asked of it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::groups::{Directory, Groups};
use super::{Ground, open};
use crate::apply::ApplyError;
use crate::check::{self, InvalidDesired};
use crate::desired::Desired;
use crate::host::Unfit;
use crate::namespace::{Held, Shelf};
use crate::observe::{self, ObserveError};
use crate::plan::Step;
use crate::protocol::{
    Change, Connections, Counters, Flows, LentDevice, Listen, Reply, SocketSpec, Transport,
};
use crate::verify::NotKept;

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
    #[error("cannot use the namespace that was lent as `{ns}`: {source}")]
    Lent { ns: String, source: io::Error },
    #[error(transparent)]
    Unfit(#[from] Unfit),
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
    directory: Directory,
    pub(super) state: Mutex<Groups>,
    ended: AtomicBool,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
        let (at, known) = (Arc::clone(&home), Arc::clone(&directory));
        let mut state = Groups::open(at, ground.host, shelf, known)?;
        if clean {
            state
                .remove_all()
                .map_err(|e| io::Error::other(e.to_string()))?;
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
        let Some(desired) = state.desired(group) else {
            return Err(RequestError::NotApplied(group.to_owned()));
        };
        let steps = state.steps_from_kernel(group, desired)?;
        Ok(steps.iter().map(Step::to_string).collect())
    }

    pub(super) fn remove(&self, group: &str) -> Result<(), RequestError> {
        locked(&self.state).remove(group)
    }

    pub(super) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        locked(&self.state).list()
    }

    pub(super) fn observe(&self, group: &str) -> Result<String, RequestError> {
        let state = locked(&self.state);
        let members = state.members(group);
        if members.is_empty() && state.desired(group).is_none() {
            return Err(RequestError::NoGroup(group.to_owned()));
        }
        let empty = Desired::default();
        let desired = state.desired(group).unwrap_or(&empty);
        let mut text = String::new();
        for (ns, seen) in state.observe_all(&members, desired)? {
            observe::describe(&ns, &seen, &mut text);
        }
        Ok(text)
    }

    /// Keeps a namespace of somebody else's for the apply that will need it.
    pub(super) fn lend(&self, ns: &str, fds: Vec<OwnedFd>) -> Result<(), RequestError> {
        check::name(ns)?;
        let unfit = |why: &'static str| RequestError::Lent {
            ns: ns.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, why),
        };
        let fd = fds.into_iter().next();
        let fd = fd.ok_or_else(|| unfit("no descriptor came along"))?;
        if !crate::sys::is_network_namespace(fd.as_fd()) {
            return Err(unfit("it is no network namespace"));
        }
        let held = Held { fd };
        if locked(&self.state).host.is(&held) {
            return Err(unfit("it is the host's own, in which nothing is ever made"));
        }
        // Entered once, so that who may not is told so now.
        let entered = held.inside(&self.home, || ());
        entered.map_err(|source| RequestError::Lent {
            ns: ns.to_owned(),
            source,
        })?;
        locked(&self.state).lend(ns, held);
        Ok(())
    }

    /// Whether a device could be lent; `from` is the namespace of whoever asks.
    pub(super) fn examine(
        &self,
        device: &str,
        forced: bool,
        from: Vec<OwnedFd>,
    ) -> Result<(), RequestError> {
        let from = super::lending::asker(from);
        locked(&self.state).examine(device, forced, from.as_ref())
    }

    pub(super) fn lent_devices(&self) -> Result<Vec<LentDevice>, RequestError> {
        locked(&self.state).lent_devices()
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

    pub(super) fn flows(&self, ns: &str) -> Result<Flows, RequestError> {
        Ok(observe::flows(ns, &*self.held(ns)?, &self.home)?)
    }

    pub(super) fn connections(&self, ns: &str) -> Result<Connections, RequestError> {
        Ok(observe::connections(ns, &*self.held(ns)?, &self.home)?)
    }

    /// Ends without removing anything.
    pub(super) fn leave(&self) -> Result<(), RequestError> {
        // Nothing may be half done.
        let state = locked(&self.state);
        if self.user.is_some() && !state.list().is_empty() {
            return Err(RequestError::Rootless);
        }
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes everything; the agent ends whether or not that succeeds.
    pub(super) fn shutdown(&self) -> Result<(), RequestError> {
        let mut state = locked(&self.state);
        let result = state.remove_all();
        state.close();
        self.ended.store(true, Ordering::Release);
        result
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}
