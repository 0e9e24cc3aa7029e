//! The agent's socket: who may speak, one thread per connection, one answer per question.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::state::Agent;
use crate::protocol::{Hello, Listen, MAX_FRAME, MAX_SOCKETS, Reply, Request, SOCKET, VERSION};
use crate::{sys, wire};

/// Connections at the same time; more are closed at once.
const MOST_CONNECTIONS: usize = 64;

/// Binds the socket under its final name only when it can be connected to.
pub(super) fn bind(state_dir: &Path, allow_uid: Option<u32>) -> io::Result<UnixListener> {
    // Relative to an open directory: a path may be longer than a socket's address.
    let directory = fs::File::open(state_dir)?;
    let short = wire::short_path(&directory);
    let new = short.with_extension("new");
    let _ = fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    if let Some(uid) = allow_uid {
        sys::give_file(&new, uid)?;
    }
    fs::rename(&new, state_dir.join(SOCKET))?;
    Ok(listener)
}

/// Answers until somebody asks for the shutdown.
pub(super) fn serve(listener: &UnixListener, path: &Path, agent: Agent, users: BTreeSet<u32>) {
    let agent = Arc::new(agent);
    let path: Arc<Path> = path.into();
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if agent.ended() {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others will close theirs.
                eprintln!("net-agent: could not accept: {error}");
                thread::sleep(std::time::Duration::from_millis(50));
                continue;
            }
        };
        let known = sys::peer_uid(stream.as_fd()).is_ok_and(|uid| users.contains(&uid));
        if !known || open.load(Ordering::Relaxed) >= MOST_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (agent, counter) = (Arc::clone(&agent), Arc::clone(&open));
        let path = Arc::clone(&path);
        let waiting = listener.try_clone();
        let started = thread::Builder::new()
            .name("connection".into())
            .spawn(move || {
                converse(&stream, &path, &agent);
                counter.fetch_sub(1, Ordering::Relaxed);
                if let (true, Ok(waiting)) = (agent.ended(), waiting) {
                    sys::stop_listening(waiting.as_fd());
                }
            });
        if started.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn converse(stream: &UnixStream, path: &Path, agent: &Agent) {
    while !agent.ended() {
        let (reply, fds) = match wire::receive::<Request>(stream) {
            Ok((request, fds)) => answer(agent, request, fds),
            Err(wire::WireError::Json(error)) => (
                Reply::Failed {
                    message: format!("not a request: {error}"),
                },
                Vec::new(),
            ),
            Err(_) => return,
        };
        if agent.ended() {
            // Who hears that the agent has ended must not find it any more.
            let _ = fs::remove_file(path);
        }
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        match wire::send(stream, &reply, &borrowed) {
            Ok(()) => {}
            Err(wire::WireError::TooLarge(_)) => {
                let message = format!("the answer is larger than {MAX_FRAME} bytes");
                if wire::send(stream, &Reply::Failed { message }, &[]).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn answer(agent: &Agent, request: Request, fds: Vec<OwnedFd>) -> (Reply, Vec<OwnedFd>) {
    let result = match request {
        Request::Hello { .. } => Ok((hello(agent), Vec::new())),
        Request::Listen(specs) => Ok(listen(agent, &specs)),
        Request::Socket(spec) => agent.socket(&spec).map(|fd| (Reply::Socket, vec![fd])),
        Request::NamespaceHandle { ns } => agent.handle(&ns).map(|fds| (Reply::Namespace, fds)),
        Request::Apply(change) => agent.apply(change).map(alone),
        Request::Plan { group, desired } => agent
            .plan(&group, &desired)
            .map(|steps| alone(Reply::Plan { steps })),
        Request::Drift { group } => agent
            .drift(&group)
            .map(|steps| alone(Reply::Plan { steps })),
        Request::Mend { wait } => Ok(alone(Reply::Mended(agent.mend(wait)))),
        Request::Lend { ns } => agent.lend(&ns, fds).map(|()| alone(Reply::Done)),
        Request::Examine { device, forced } => agent
            .examine(&device, forced, fds)
            .map(|()| alone(Reply::Done)),
        Request::LentDevices => agent
            .lent_devices()
            .map(|devices| alone(Reply::LentDevices(devices))),
        Request::Remove { group } => agent.remove(&group).map(|()| alone(Reply::Done)),
        Request::ListGroups => Ok(alone(Reply::Groups(agent.groups()))),
        Request::Observe { group } => agent
            .observe(&group)
            .map(|text| alone(Reply::Text { text })),
        Request::Counters { ns } => agent
            .counters(&ns)
            .map(|counters| alone(Reply::Counters(counters))),
        Request::Flows { ns } => agent.flows(&ns).map(|flows| alone(Reply::Flows(flows))),
        Request::Connections { ns } => agent
            .connections(&ns)
            .map(|connections| alone(Reply::Connections(connections))),
        Request::Leave => agent.leave().map(|()| alone(Reply::Done)),
        Request::Shutdown => agent.shutdown().map(|()| alone(Reply::Done)),
    };
    result.unwrap_or_else(|error| {
        alone(Reply::Failed {
            message: error.to_string(),
        })
    })
}

fn listen(agent: &Agent, specs: &[Listen]) -> (Reply, Vec<OwnedFd>) {
    let (mut said, mut sockets) = (Vec::new(), Vec::new());
    for spec in specs.iter().take(MAX_SOCKETS) {
        match agent.listen(spec) {
            Ok(socket) => {
                said.push(None);
                sockets.push(socket);
            }
            Err(error) => said.push(Some(error.to_string())),
        }
    }
    (Reply::Sockets(said), sockets)
}

fn alone(reply: Reply) -> (Reply, Vec<OwnedFd>) {
    (reply, Vec::new())
}

fn hello(agent: &Agent) -> Reply {
    let (pid, rootless) = (std::process::id(), agent.rootless());
    Reply::Hello(Hello {
        version: VERSION,
        pid,
        rootless,
    })
}
