//! Starting a program inside a namespace, with the names of that namespace's resolver.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Command;

use crate::sys;

/// Descriptors by which a process can enter a namespace.
#[derive(Debug)]
pub struct NamespaceHandle {
    /// The network namespace.
    pub net: OwnedFd,
    /// The user namespace that owns it, when the agent is rootless.
    pub user: Option<OwnedFd>,
}

/// Which files of `/etc` the program sees replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameFiles {
    /// Content of `/etc/resolv.conf`.
    pub resolv_conf: Option<String>,
    /// Content of `/etc/nsswitch.conf`; see [`nsswitch`].
    pub nsswitch_conf: Option<String>,
}

impl NameFiles {
    /// Ask the given resolver for names, after `/etc/hosts`, and nobody else: not a resolver
    /// daemon of the host that a library could reach through a Unix socket.
    #[must_use]
    pub fn resolver(address: std::net::IpAddr) -> Self {
        Self::resolvers(&[address], None)
    }

    /// The same for several resolvers, asked in this order, and a domain to search for names
    /// without dots.
    #[must_use]
    pub fn resolvers(addresses: &[std::net::IpAddr], search: Option<&str>) -> Self {
        let host = std::fs::read_to_string(NSSWITCH).unwrap_or_default();
        let mut resolv_conf = String::new();
        if let Some(domain) = search {
            resolv_conf.push_str(&format!("search {domain}\n"));
        }
        for address in addresses {
            resolv_conf.push_str(&format!("nameserver {address}\n"));
        }
        Self {
            resolv_conf: Some(resolv_conf),
            nsswitch_conf: Some(nsswitch(&host)),
        }
    }
}

/// The host's `nsswitch.conf` with a `hosts` line that says `files dns`.
#[must_use]
pub fn nsswitch(host: &str) -> String {
    let mut out: String = host
        .lines()
        .filter(|line| !line.trim_start().starts_with("hosts:"))
        .flat_map(|line| [line, "\n"])
        .collect();
    out.push_str("hosts: files dns\n");
    out
}

/// Why a program could not be prepared for a namespace.
#[derive(Debug, thiserror::Error)]
#[error("could not prepare the program for its network namespace")]
pub struct ExecError(#[from] io::Error);

const NSSWITCH: &str = "/etc/nsswitch.conf";
/// Where the replaced files are written for a moment, in the program's own mount namespace.
const SCRATCH: &CStr = c"/tmp";
/// The directory of a name cache daemon's socket, which namespaces do not separate.
const NAME_CACHE: &CStr = c"/run/nscd";

/// A command that will run `program` inside the namespace.
///
/// Arguments, environment, working directory and standard streams are the caller's to set, as are
/// signals and the exit status. Between fork and exec the child enters the user namespace (if
/// any) and the network namespace, gets a mount namespace of its own and sees `files` in the place
/// of the host's, whether these exist, are symbolic links or are missing. Nothing else is mounted
/// but an empty directory over the socket of a name cache daemon. The host's files are not
/// changed.
///
/// Works as root and, with a rootless agent, for the agent's user. Failures in the child show as
/// the error of `spawn`.
///
/// # Errors
/// When the descriptors cannot be duplicated or a content holds a zero byte.
pub fn command_in(
    handle: &NamespaceHandle,
    program: impl AsRef<OsStr>,
    files: &NameFiles,
) -> Result<Command, ExecError> {
    let net = handle.net.try_clone()?;
    let user = handle.user.as_ref().map(OwnedFd::try_clone).transpose()?;
    let mut replaced = Vec::new();
    if let Some(content) = &files.resolv_conf {
        replaced.push(Replaced::new("resolv.conf", content)?);
    }
    if let Some(content) = &files.nsswitch_conf {
        replaced.push(Replaced::new("nsswitch.conf", content)?);
    }
    let mut command = Command::new(program);
    sys::before_exec(&mut command, move || {
        enter(net.as_fd(), user.as_ref().map(AsFd::as_fd))?;
        if replaced.is_empty() {
            Ok(())
        } else {
            replace_files(&replaced)
        }
    });
    Ok(command)
}

/// A file of `/etc` to be replaced, with all texts made before the fork.
struct Replaced {
    target: CString,
    scratch: CString,
    upper: CString,
    content: Vec<u8>,
}

impl Replaced {
    fn new(name: &str, content: &str) -> io::Result<Self> {
        Ok(Self {
            target: sys::c_string(format!("/etc/{name}"))?,
            scratch: sys::c_string(format!("/tmp/{name}"))?,
            upper: sys::c_string(format!("/tmp/upper/{name}"))?,
            content: content.as_bytes().to_vec(),
        })
    }
}

fn enter(net: BorrowedFd<'_>, user: Option<BorrowedFd<'_>>) -> io::Result<()> {
    if let Some(user) = user {
        sys::setns(user, libc::CLONE_NEWUSER)?;
    }
    sys::setns(net, libc::CLONE_NEWNET)?;
    sys::unshare(libc::CLONE_NEWNS)?;
    // Mounts made here must not reach the host; removals made there must reach us, or this
    // program would hold removed namespaces alive.
    sys::mount(c"none", c"/", None, libc::MS_REC | libc::MS_SLAVE, None)
}

fn replace_files(files: &[Replaced]) -> io::Result<()> {
    // Existing targets are opened before the scratch file system hides any part of their path.
    let mut targets: [Option<OwnedFd>; 2] = [None, None];
    for (file, target) in files.iter().zip(&mut targets) {
        *target = match sys::open(&file.target, libc::O_PATH, 0) {
            Ok(fd) => Some(fd),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
    }
    let missing = targets.iter().take(files.len()).any(Option::is_none);
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(
        c"tmpfs",
        SCRATCH,
        Some(c"tmpfs"),
        flags,
        Some(c"mode=755,size=1m"),
    )?;
    if missing {
        // There is nothing to put a file over: lay a directory with the files over /etc.
        sys::mkdir(c"/tmp/upper", 0o755)?;
        sys::mkdir(c"/tmp/work", 0o755)?;
        for file in files {
            write_file(&file.upper, &file.content)?;
        }
        let options = c"lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work";
        sys::mount(c"overlay", c"/etc", Some(c"overlay"), flags, Some(options))?;
    } else {
        for (file, target) in files.iter().zip(&targets) {
            write_file(&file.scratch, &file.content)?;
            if let Some(target) = target {
                let path = FdPath::of(target.as_raw_fd());
                sys::mount(&file.scratch, path.as_c_str(), None, libc::MS_BIND, None)?;
            }
        }
    }
    sys::unmount(SCRATCH)?;
    match sys::mount(
        c"tmpfs",
        NAME_CACHE,
        Some(c"tmpfs"),
        flags,
        Some(c"mode=755,size=4k"),
    ) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_file(path: &CStr, content: &[u8]) -> io::Result<()> {
    let file = sys::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o644)?;
    sys::set_mode(file.as_fd(), 0o644)?;
    sys::write_all(file.as_fd(), content)
}

/// `/proc/self/fd/N`, made without allocation.
struct FdPath([u8; 32]);

impl FdPath {
    fn of(fd: RawFd) -> Self {
        const PREFIX: &[u8] = b"/proc/self/fd/";
        let mut digits = [0u8; 10];
        let mut rest = fd.unsigned_abs();
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        let mut path = [0u8; 32];
        let text = PREFIX.iter().chain(digits.iter().skip(10 - count));
        for (place, byte) in path.iter_mut().zip(text) {
            *place = *byte;
        }
        Self(path)
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_line_is_replaced_and_the_rest_kept() {
        let host =
            "passwd: files systemd\nhosts: files resolve [!UNAVAIL=return] dns\nshadow: files\n";
        assert_eq!(
            nsswitch(host),
            "passwd: files systemd\nshadow: files\nhosts: files dns\n"
        );
        assert_eq!(nsswitch(""), "hosts: files dns\n");
    }

    #[test]
    fn descriptor_paths() {
        for (fd, path) in [
            (0, c"/proc/self/fd/0"),
            (7, c"/proc/self/fd/7"),
            (1_048_575, c"/proc/self/fd/1048575"),
        ] {
            assert_eq!(FdPath::of(fd).as_c_str(), path);
        }
    }
}
