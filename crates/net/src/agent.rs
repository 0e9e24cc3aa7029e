//! The privileged process: owns all namespaces, listens on a Unix socket, outlives the daemon.
//!
//! It is a hidden command of the same program. The daemon starts it ([`crate::client`]); it leaves
//! the daemon's session, says one line if it cannot work, and otherwise stays until it is told to
//! shut down. As root its namespaces are kept as bind mounts and survive even its own death.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::host::Host;
use crate::{namespace, sys};

mod before;
mod groups;
mod lending;
mod mend;
mod open;
mod parts;
mod serve;
mod state;
mod watch;

/// The file in the state directory that only one agent can lock.
const LOCK: &str = "net-agent.lock";

/// How long an agent may take to let go of its lock after it stopped answering.
const ENDING: Duration = Duration::from_secs(5);

/// Why the agent cannot work. Each text is one line and says what can be done.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Usage(String),
    #[error("could not use the directory `{}`: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("another network agent is running for `{}`", .0.display())]
    Running(PathBuf),
    #[error(
        "cannot make network namespaces ({0}): run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN"
    )]
    NoRights(io::Error),
    #[error(
        "cannot make network namespaces: neither CAP_SYS_ADMIN and CAP_NET_ADMIN nor user \
         namespaces are available ({0}): run as root, or allow user namespaces \
         (user.max_user_namespaces > 0, kernel.unprivileged_userns_clone = 1, \
         kernel.apparmor_restrict_unprivileged_userns = 0)"
    )]
    NoUserNamespace(io::Error),
    #[error("could not keep namespaces in `{}`: {source}", path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error("could not listen on the socket in `{}`: {source}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("could not leave the caller's session: {0}")]
    Session(io::Error),
}

#[derive(Debug, Default)]
struct Arguments {
    state_dir: PathBuf,
    run_dir: PathBuf,
    privileged: bool,
    rootless: bool,
    allow_uid: Option<u32>,
    clean: bool,
}

/// Where and with which rights the agent works.
struct Ground {
    /// The agent's own, otherwise unused network namespace.
    home: OwnedFd,
    /// The user namespace of all namespaces, when rootless.
    user: Option<OwnedFd>,
    /// Where the agent was started: the host's, in which nothing is ever made.
    host: Host,
}

/// The body of the hidden command `net-agent`; `arguments` are those after that word.
///
/// Must be called before the process has started any thread or asynchronous runtime: it forks and
/// changes namespaces. Returns at once in the calling process, and when it ends in the agent's.
/// What went wrong is said in one line on standard output, where [`crate::client`] reads it.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), StartError> {
    let arguments = Arguments::parse(arguments)?;
    if !sys::fork().map_err(StartError::Session)? {
        return Ok(());
    }
    sys::new_session().map_err(StartError::Session)?;
    sys::private_files();
    sys::raise_descriptor_limit();
    let state_dir = |source| StartError::Directory {
        path: arguments.state_dir.clone(),
        source,
    };
    fs::create_dir_all(&arguments.state_dir).map_err(state_dir)?;
    let _lock = take_turn(&arguments)?;
    let uid = sys::effective_uid();
    let ground = ground(&arguments)?;
    let agent =
        state::Agent::start(ground, &arguments.run_dir, arguments.clean).map_err(|source| {
            StartError::Keep {
                path: arguments.run_dir.clone(),
                source,
            }
        })?;
    let socket = |source| StartError::Socket {
        path: arguments.state_dir.clone(),
        source,
    };
    let listener = serve::bind(&arguments.state_dir, arguments.allow_uid).map_err(socket)?;
    sys::leave_terminal().map_err(StartError::Session)?;
    let users = [Some(0), Some(uid), arguments.allow_uid]
        .into_iter()
        .flatten()
        .collect();
    let path = arguments.state_dir.join(crate::protocol::SOCKET);
    serve::serve(&listener, &path, agent, users);
    let _ = fs::remove_file(arguments.state_dir.join(LOCK));
    Ok(())
}

/// Takes the lock of the state directory. Waits for an agent that is just ending; gives up at once
/// if it is alive.
fn take_turn(arguments: &Arguments) -> Result<fs::File, StartError> {
    let path = arguments.state_dir.join(LOCK);
    let fail = |source| StartError::Directory {
        path: path.clone(),
        source,
    };
    let end = Instant::now() + ENDING;
    loop {
        let lock = fs::File::create(&path).map_err(fail)?;
        match sys::try_lock(lock.as_fd()) {
            Ok(()) if same_file(&lock, &path) => return Ok(lock),
            // The one who had it removed it when it ended.
            Ok(()) => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(fail(error)),
        }
        if crate::client::Agent::find(&arguments.state_dir).is_ok_and(|agent| agent.is_some())
            || Instant::now() > end
        {
            return Err(StartError::Running(arguments.state_dir.clone()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn same_file(open: &fs::File, path: &Path) -> bool {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (open.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => id(open) == id(named),
        _ => false,
    }
}

impl Arguments {
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, StartError> {
        let mut parsed = Self::default();
        let mut rest = arguments.into_iter();
        while let Some(argument) = rest.next() {
            let usage = |what: &str| StartError::Usage(format!("net-agent: {what}"));
            let mut value = || {
                rest.next()
                    .ok_or_else(|| usage("an option without its value"))
            };
            match argument.to_str() {
                Some("--state-dir") => parsed.state_dir = absolute(value()?)?,
                Some("--run-dir") => parsed.run_dir = absolute(value()?)?,
                Some("--privileged") => parsed.privileged = true,
                Some("--rootless") => parsed.rootless = true,
                Some("--clean") => parsed.clean = true,
                Some("--allow-uid") => {
                    let text = value()?;
                    let uid = text.to_str().and_then(|text| text.parse().ok());
                    parsed.allow_uid =
                        Some(uid.ok_or_else(|| usage("--allow-uid wants a user's number"))?);
                }
                _ => return Err(usage(&format!("unknown option {}", argument.display()))),
            }
        }
        if parsed.state_dir.as_os_str().is_empty() || parsed.run_dir.as_os_str().is_empty() {
            let message = "net-agent: --state-dir and --run-dir are needed";
            return Err(StartError::Usage(message.to_owned()));
        }
        Ok(parsed)
    }
}

fn absolute(path: OsString) -> Result<PathBuf, StartError> {
    let path = PathBuf::from(path);
    std::path::absolute(&path).map_err(|source| StartError::Directory { path, source })
}

/// Gets the rights to make namespaces, and an empty namespace to work from, so that nothing can
/// ever be made in the host's.
fn ground(arguments: &Arguments) -> Result<Ground, StartError> {
    if !arguments.rootless {
        let host = Host::here(false);
        match sys::unshare(libc::CLONE_NEWNET).and_then(|()| namespace::prepare()) {
            Ok(home) => {
                let user = None;
                return Ok(Ground { home, user, host });
            }
            Err(error) if arguments.privileged => return Err(StartError::NoRights(error)),
            Err(_) => {}
        }
    }
    let host = Host::here(true);
    let (home, user) = user_namespace().map_err(StartError::NoUserNamespace)?;
    Ok(Ground {
        home,
        user: Some(user),
        host,
    })
}

/// Enters a user namespace in which the caller has all rights and stays who it is: programs run
/// in the namespaces see themselves as the user who started them.
fn user_namespace() -> io::Result<(OwnedFd, OwnedFd)> {
    let (uid, gid) = (sys::effective_uid(), sys::effective_gid());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    let home = namespace::prepare()?;
    let user = fs::File::open("/proc/self/ns/user")?;
    // Not to hold a file system of the host that somebody wants to unmount.
    env::set_current_dir("/")?;
    Ok((home, user.into()))
}
