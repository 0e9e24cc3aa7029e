//! The daemon's side: finds or starts the agent and asks it for things.
//!
//! All calls block; from async code call them in `spawn_blocking`. An [`Agent`] can be shared
//! between threads, each call uses a connection of its own.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::desired::Desired;
use crate::exec::NamespaceHandle;
use crate::patch::Patch;
use crate::protocol::{
    Applied, Change, Connections, Counters, Flows, Hello, LentDevice, Listen, MAX_SOCKETS, Mended,
    Reply, Request, SOCKET, SocketSpec, Transport, VERSION,
};
use crate::wire::{self, WireError};

/// How the agent is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The program that calls [`crate::agent::main`], usually the caller's own executable.
    pub program: PathBuf,
    /// What makes it do so, usually the one word `net-agent`.
    pub args: Vec<String>,
    /// Directory of the agent's socket, lock and log; made if missing, mode 0700.
    pub state_dir: PathBuf,
    /// As root: where namespaces are bind-mounted, so that they outlive the agent.
    pub run_dir: PathBuf,
    /// With which rights.
    pub mode: Mode,
    /// A user besides the agent's own who may speak to it: the one the daemon changes to. The
    /// socket is given to that user; `state_dir` must be searchable for it.
    pub allow_uid: Option<u32>,
    /// Remove what an earlier agent left in `run_dir` instead of adopting it.
    pub clean: bool,
}

/// With which rights the agent works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its own if they suffice, otherwise a user namespace.
    #[default]
    Auto,
    /// Its own: CAP_SYS_ADMIN and CAP_NET_ADMIN are needed.
    Privileged,
    /// Those of a user namespace.
    Rootless,
}

/// Why the agent could not be found, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The state directory cannot be used.
    #[error("could not use the directory `{}`", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("could not start the network agent `{}`", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent started and gave up, with a line that says why and what to do.
    #[error("the network agent did not start: {0}")]
    DidNotStart(String),
    /// An agent with another version of the protocol runs.
    #[error(
        "a network agent of another version (protocol {0}, not {VERSION}) is running: stop the \
         instances that it serves and end it"
    )]
    OtherVersion(u32),
    /// The agent is gone: start it again and apply everything anew.
    #[error("the network agent cannot be reached")]
    Lost(#[source] WireError),
    /// The agent refused or failed.
    #[error("{0}")]
    Failed(String),
    /// The agent answered something else.
    #[error("the network agent gave an answer that does not fit the question")]
    Confused,
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    hello: Hello,
    idle: Mutex<Vec<UnixStream>>,
    groups: Mutex<BTreeMap<String, (u64, Arc<Desired>)>>,
}

impl Agent {
    /// The agent that serves a state directory, if one is running that speaks to this user.
    ///
    /// # Errors
    /// When it speaks another version.
    pub fn find(state_dir: &Path) -> Result<Option<Self>, AgentError> {
        let socket = state_dir.join(SOCKET);
        let Ok(stream) = connect(&socket) else {
            return Ok(None);
        };
        let reply = match ask(&stream, &Request::Hello { version: VERSION }) {
            Ok((reply, _)) => reply,
            // It was just ending, or does not want to speak to this user.
            Err(AgentError::Lost(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Reply::Hello(hello) = reply else {
            return Err(AgentError::Confused);
        };
        if hello.version != VERSION {
            return Err(AgentError::OtherVersion(hello.version));
        }
        Ok(Some(Self {
            socket,
            hello,
            idle: Mutex::new(vec![stream]),
            groups: Mutex::default(),
        }))
    }

    /// The agent that serves the options' state directory; starts one if none is running.
    ///
    /// # Errors
    /// When it cannot be started; the message says what is missing.
    pub fn start(options: &Options) -> Result<Self, AgentError> {
        let state_dir = |source| AgentError::StateDir {
            path: options.state_dir.clone(),
            source,
        };
        make_private_dir(&options.state_dir).map_err(state_dir)?;
        match Self::find(&options.state_dir) {
            Ok(Some(agent)) => return Ok(agent),
            Ok(None) => {}
            // Left over from before an update. As root another one takes over where it was.
            Err(AgentError::OtherVersion(version)) => replace(&options.state_dir, version)?,
            Err(error) => return Err(error),
        }
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(options.state_dir.join("net-agent.log"))
            .map_err(state_dir)?;
        let spawn = |source| AgentError::Spawn {
            program: options.program.clone(),
            source,
        };
        let mut child = options.command().stderr(log).spawn().map_err(spawn)?;
        // The agent says one line, then lets go of the pipe.
        let mut said = String::new();
        if let Some(mut pipe) = child.stdout.take() {
            let _ = pipe.read_to_string(&mut said);
        }
        let _ = child.wait();
        // Even if it says that another one was faster, that one will do.
        match Self::find(&options.state_dir)? {
            Some(agent) => Ok(agent),
            None if said.trim().is_empty() => Err(AgentError::DidNotStart(format!(
                "it ended without a word; see {}",
                options.state_dir.join("net-agent.log").display()
            ))),
            None => Err(AgentError::DidNotStart(said.trim().to_owned())),
        }
    }

    /// Who the agent is.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Makes `desired` the state of the group, trusting that the kernel still has what was applied
    /// before. Only what differs is sent and done.
    ///
    /// # Errors
    /// When the desired state is refused (nothing was changed) or a step fails (earlier steps
    /// stay; applying again goes on from there).
    pub fn apply(&self, group: &str, desired: &Arc<Desired>) -> Result<Applied, AgentError> {
        self.change(group, desired, false)
    }

    /// Like [`Agent::apply`], but looks at the kernel first and repairs whatever was lost.
    ///
    /// # Errors
    /// As [`Agent::apply`].
    pub fn reconcile(&self, group: &str, desired: &Arc<Desired>) -> Result<Applied, AgentError> {
        self.change(group, desired, true)
    }

    fn change(
        &self,
        group: &str,
        desired: &Arc<Desired>,
        check: bool,
    ) -> Result<Applied, AgentError> {
        let known = self
            .groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(group)
            .cloned();
        if let Some((base, old)) = known {
            let change = difference(group, base, &old, desired, check);
            match self.request(&Request::Apply(change))?.0 {
                Reply::Stale => {}
                Reply::Applied(applied) => return Ok(self.remember(group, applied, desired)),
                _ => return Err(AgentError::Confused),
            }
        }
        let change = Change {
            group: group.to_owned(),
            base: None,
            desired: Desired::clone(desired),
            patches: BTreeMap::new(),
            removed: Vec::new(),
            check,
        };
        match self.request(&Request::Apply(change))?.0 {
            Reply::Applied(applied) => Ok(self.remember(group, applied, desired)),
            _ => Err(AgentError::Confused),
        }
    }

    fn remember(&self, group: &str, applied: Applied, desired: &Arc<Desired>) -> Applied {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group.to_owned(), (applied.revision, Arc::clone(desired)));
        applied
    }

    /// The steps that [`Agent::reconcile`] would take.
    ///
    /// # Errors
    /// When the desired state is refused or the kernel cannot be read.
    pub fn plan(&self, group: &str, desired: &Desired) -> Result<Vec<String>, AgentError> {
        let (group, desired) = (group.to_owned(), desired.clone());
        match self.request(&Request::Plan { group, desired })?.0 {
            Reply::Plan { steps } => Ok(steps),
            _ => Err(AgentError::Confused),
        }
    }

    /// The steps that would bring the kernel back to what was applied last.
    ///
    /// # Errors
    /// When the group is unknown or the kernel cannot be read.
    pub fn drift(&self, group: &str) -> Result<Vec<String>, AgentError> {
        match self
            .request(&Request::Drift {
                group: group.to_owned(),
            })?
            .0
        {
            Reply::Plan { steps } => Ok(steps),
            _ => Err(AgentError::Confused),
        }
    }

    /// Waits until somebody else changes something in a namespace, at most `wait`, and has it put
    /// right; looks at a few other namespaces in turn as well. To be called over and over.
    ///
    /// # Errors
    /// When the agent is gone.
    pub fn mend(&self, wait: Duration) -> Result<Mended, AgentError> {
        let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        match self.request(&Request::Mend { wait })?.0 {
            Reply::Mended(mended) => Ok(mended),
            _ => Err(AgentError::Confused),
        }
    }

    /// Lends a network namespace that somebody else made: the next apply that is to make a namespace
    /// of this name takes it instead.
    ///
    /// # Errors
    /// When the descriptor is no network namespace, is the host's own, or cannot be entered by the
    /// agent.
    pub fn lend(&self, ns: &str, namespace: BorrowedFd<'_>) -> Result<(), AgentError> {
        let request = Request::Lend { ns: ns.to_owned() };
        match self.request_with(&request, &[namespace])?.0 {
            Reply::Done => Ok(()),
            _ => Err(AgentError::Confused),
        }
    }

    /// Whether a device of the host could be lent, by somebody in this network namespace.
    ///
    /// # Errors
    /// Says why it could not.
    pub fn examine(
        &self,
        device: &str,
        forced: bool,
        namespace: BorrowedFd<'_>,
    ) -> Result<(), AgentError> {
        let device = device.to_owned();
        let request = Request::Examine { device, forced };
        match self.request_with(&request, &[namespace])?.0 {
            Reply::Done => Ok(()),
            _ => Err(AgentError::Confused),
        }
    }

    /// Every device of the host that is stated in a namespace, and whether it is there.
    ///
    /// # Errors
    /// When the agent is gone or the kernel cannot be read.
    pub fn lent_devices(&self) -> Result<Vec<LentDevice>, AgentError> {
        match self.request(&Request::LentDevices)?.0 {
            Reply::LentDevices(devices) => Ok(devices),
            _ => Err(AgentError::Confused),
        }
    }

    /// Removes a group with all its namespaces. An unknown group is no error.
    ///
    /// # Errors
    /// When something could not be removed.
    pub fn remove(&self, group: &str) -> Result<(), AgentError> {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(group);
        self.done(&Request::Remove {
            group: group.to_owned(),
        })
    }

    /// All groups and their namespaces.
    ///
    /// # Errors
    /// When the agent is gone.
    pub fn groups(&self) -> Result<BTreeMap<String, Vec<String>>, AgentError> {
        match self.request(&Request::ListGroups)?.0 {
            Reply::Groups(groups) => Ok(groups),
            _ => Err(AgentError::Confused),
        }
    }

    /// The kernel's state of a group, for people.
    ///
    /// # Errors
    /// When the group is unknown or the kernel cannot be read.
    pub fn observe(&self, group: &str) -> Result<String, AgentError> {
        match self
            .request(&Request::Observe {
                group: group.to_owned(),
            })?
            .0
        {
            Reply::Text { text } => Ok(text),
            _ => Err(AgentError::Confused),
        }
    }

    /// A TCP listener inside a namespace; non-blocking. `spec.transport` is ignored.
    ///
    /// # Errors
    /// When namespace or device are unknown or the address is in use.
    pub fn listen_tcp(&self, spec: &Listen) -> Result<TcpListener, AgentError> {
        let spec = Listen {
            transport: Transport::Tcp,
            ..spec.clone()
        };
        self.listen_one(spec).map(TcpListener::from)
    }

    /// A bound UDP socket inside a namespace; non-blocking. `spec.transport` is ignored.
    ///
    /// # Errors
    /// When namespace or device are unknown or the address is in use.
    pub fn listen_udp(&self, spec: &Listen) -> Result<UdpSocket, AgentError> {
        let spec = Listen {
            transport: Transport::Udp,
            ..spec.clone()
        };
        self.listen_one(spec).map(UdpSocket::from)
    }

    fn listen_one(&self, spec: Listen) -> Result<OwnedFd, AgentError> {
        let mut opened = self.listen(&[spec]).into_iter();
        opened.next().unwrap_or(Err(AgentError::Confused))
    }

    /// Bound and, for TCP, listening sockets inside namespaces, in the order of `specs`; non-blocking.
    /// Each fails by itself: when its namespace or device are unknown, or its address is in use.
    pub fn listen(&self, specs: &[Listen]) -> Vec<Result<OwnedFd, AgentError>> {
        let mut opened = Vec::with_capacity(specs.len());
        for some in specs.chunks(MAX_SOCKETS) {
            let end = opened.len() + some.len();
            match self.request(&Request::Listen(some.to_vec())) {
                Ok((Reply::Sockets(said), fds)) => {
                    let mut fds = fds.into_iter();
                    let one = |why: Option<String>| match why {
                        Some(why) => Err(AgentError::Failed(why)),
                        None => fds.next().ok_or(AgentError::Confused),
                    };
                    opened.extend(said.into_iter().map(one).take(some.len()));
                }
                Ok(_) => opened.push(Err(AgentError::Confused)),
                Err(error) => opened.push(Err(error)),
            }
            // One error stands for all that it kept from being asked for.
            while opened.len() < end {
                opened.push(Err(AgentError::Confused));
            }
        }
        opened
    }

    /// A fresh unconnected socket inside a namespace; non-blocking.
    ///
    /// # Errors
    /// When namespace or device are unknown.
    pub fn socket(&self, spec: &SocketSpec) -> Result<OwnedFd, AgentError> {
        self.socket_from(Request::Socket(spec.clone()))
    }

    fn socket_from(&self, request: Request) -> Result<OwnedFd, AgentError> {
        match self.request(&request)? {
            (Reply::Socket, fds) => fds.into_iter().next().ok_or(AgentError::Confused),
            _ => Err(AgentError::Confused),
        }
    }

    /// What a process needs to enter a namespace; see [`crate::exec`].
    ///
    /// # Errors
    /// When the namespace is unknown.
    pub fn namespace(&self, ns: &str) -> Result<NamespaceHandle, AgentError> {
        match self.request(&Request::NamespaceHandle { ns: ns.to_owned() })? {
            (Reply::Namespace, fds) => {
                let mut fds = fds.into_iter();
                let net = fds.next().ok_or(AgentError::Confused)?;
                Ok(NamespaceHandle {
                    net,
                    user: fds.next(),
                })
            }
            _ => Err(AgentError::Confused),
        }
    }

    /// Packet and byte counts of a namespace.
    ///
    /// # Errors
    /// When the namespace is unknown or the kernel cannot be read.
    pub fn counters(&self, ns: &str) -> Result<Counters, AgentError> {
        match self.request(&Request::Counters { ns: ns.to_owned() })?.0 {
            Reply::Counters(counters) => Ok(counters),
            _ => Err(AgentError::Confused),
        }
    }

    /// The flows that a namespace's tallies have counted.
    ///
    /// # Errors
    /// When the namespace is unknown or the kernel cannot be read.
    pub fn flows(&self, ns: &str) -> Result<Flows, AgentError> {
        match self.request(&Request::Flows { ns: ns.to_owned() })?.0 {
            Reply::Flows(flows) => Ok(flows),
            _ => Err(AgentError::Confused),
        }
    }

    /// The TCP connections that a namespace tracks.
    ///
    /// # Errors
    /// When the namespace is unknown or the kernel cannot be read.
    pub fn connections(&self, ns: &str) -> Result<Connections, AgentError> {
        match self.request(&Request::Connections { ns: ns.to_owned() })?.0 {
            Reply::Connections(connections) => Ok(connections),
            _ => Err(AgentError::Confused),
        }
    }

    /// Ends the agent and leaves everything to the next one, which goes on from there.
    ///
    /// # Errors
    /// Without root, when there are namespaces: they would not outlive it.
    pub fn leave(self) -> Result<(), AgentError> {
        self.done(&Request::Leave)
    }

    /// Removes everything and ends the agent.
    ///
    /// # Errors
    /// When something could not be removed; the agent ends all the same.
    pub fn shutdown(self) -> Result<(), AgentError> {
        self.done(&Request::Shutdown)
    }

    fn done(&self, request: &Request) -> Result<(), AgentError> {
        match self.request(request)?.0 {
            Reply::Done => Ok(()),
            _ => Err(AgentError::Confused),
        }
    }

    fn request(&self, request: &Request) -> Result<(Reply, Vec<OwnedFd>), AgentError> {
        self.request_with(request, &[])
    }

    fn request_with(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), AgentError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let stream = match idle {
            Some(stream) => stream,
            None => connect(&self.socket).map_err(|e| AgentError::Lost(e.into()))?,
        };
        let answer = ask_with(&stream, request, fds)?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stream);
        match answer {
            (Reply::Failed { message }, _) => Err(AgentError::Failed(message)),
            answer => Ok(answer),
        }
    }
}

impl Options {
    fn command(&self) -> Command {
        // The agent works in `/`.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or(path.to_owned());
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command.arg("--state-dir").arg(absolute(&self.state_dir));
        command.arg("--run-dir").arg(absolute(&self.run_dir));
        match self.mode {
            Mode::Auto => {}
            Mode::Privileged => drop(command.arg("--privileged")),
            Mode::Rootless => drop(command.arg("--rootless")),
        }
        if let Some(uid) = self.allow_uid {
            command.arg("--allow-uid").arg(uid.to_string());
        }
        if self.clean {
            command.arg("--clean");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .current_dir("/");
        command
    }
}

/// What the agent has to be told when it has `old` at revision `base`.
fn difference(group: &str, base: u64, old: &Desired, new: &Desired, check: bool) -> Change {
    let (mut namespaces, mut patches) = (BTreeMap::new(), BTreeMap::new());
    for (name, ns) in &new.namespaces {
        let before = old.namespaces.get(name);
        if before == Some(ns) {
            continue;
        }
        match before.and_then(|before| Patch::between(before, ns)) {
            Some(patch) => drop(patches.insert(name.clone(), patch)),
            None => drop(namespaces.insert(name.clone(), ns.clone())),
        }
    }
    let gone = |name: &&String| !new.namespaces.contains_key(*name);
    Change {
        group: group.to_owned(),
        base: Some(base),
        desired: Desired {
            namespaces,
            attachments: new.attachments.clone(),
        },
        patches,
        removed: old.namespaces.keys().filter(gone).cloned().collect(),
        check,
    }
}

/// Asks an agent of another version to make room.
fn replace(state_dir: &Path, version: u32) -> Result<(), AgentError> {
    let other = |_| AgentError::OtherVersion(version);
    let stream = connect(&state_dir.join(SOCKET)).map_err(other)?;
    match ask(&stream, &Request::Leave) {
        Ok((Reply::Done, _)) => Ok(()),
        _ => Err(AgentError::OtherVersion(version)),
    }
}

fn ask(stream: &UnixStream, request: &Request) -> Result<(Reply, Vec<OwnedFd>), AgentError> {
    ask_with(stream, request, &[])
}

fn ask_with(
    stream: &UnixStream,
    request: &Request,
    fds: &[BorrowedFd<'_>],
) -> Result<(Reply, Vec<OwnedFd>), AgentError> {
    wire::send(stream, request, fds).map_err(AgentError::Lost)?;
    wire::receive(stream).map_err(AgentError::Lost)
}

/// Connects to a Unix socket whose path may be longer than the kernel's 107 bytes.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    if socket.as_os_str().len() < 100 {
        return UnixStream::connect(socket);
    }
    let parent = socket.parent().unwrap_or(Path::new("/"));
    let directory = fs::File::open(parent)?;
    UnixStream::connect(crate::wire::short_path(&directory))
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
    {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
