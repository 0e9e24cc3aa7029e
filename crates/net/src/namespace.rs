//! Network namespaces: making, entering, keeping and removing them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::netlink::{Netlink, Writer, rt};
use crate::sys;

/// A namespace that the agent holds open.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) fd: OwnedFd,
}

/// The device and number of a namespace's file.
pub(crate) type Identity = (u64, u64);

fn identity(path: &str) -> Option<Identity> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The calling thread's network namespace, by what tells it from others.
pub(crate) fn own_identity() -> Option<Identity> {
    identity("/proc/thread-self/ns/net")
}

impl Held {
    /// What tells it from other namespaces.
    pub(crate) fn identity(&self) -> Option<Identity> {
        use std::os::fd::AsRawFd;
        identity(&format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    /// Runs `work` on the calling thread inside the namespace and comes back to `home`.
    ///
    /// A thread that cannot come back would do the next work in the wrong place: the process ends
    /// then, and whoever needs the agent starts another one, which adopts the namespaces.
    pub(crate) fn inside<T>(&self, home: &OwnedFd, work: impl FnOnce() -> T) -> io::Result<T> {
        sys::setns(self.fd.as_fd(), libc::CLONE_NEWNET)?;
        let result = work();
        if let Err(error) = sys::setns(home.as_fd(), libc::CLONE_NEWNET) {
            eprintln!("net-agent: could not leave a namespace: {error}");
            std::process::abort();
        }
        Ok(result)
    }
}

/// The calling thread's network namespace.
pub(crate) fn current() -> io::Result<OwnedFd> {
    Ok(fs::File::open("/proc/thread-self/ns/net")?.into())
}

/// Makes a namespace with loopback up, and comes back to `home`.
pub(crate) fn create(home: &OwnedFd) -> io::Result<Held> {
    sys::unshare(libc::CLONE_NEWNET)?;
    let result = prepare();
    if let Err(error) = sys::setns(home.as_fd(), libc::CLONE_NEWNET) {
        eprintln!("net-agent: could not leave a namespace: {error}");
        std::process::abort();
    }
    Ok(Held { fd: result? })
}

/// What every namespace of ours gets at once.
pub(crate) fn prepare() -> io::Result<OwnedFd> {
    let mut row = Writer::default();
    rt::set_link(&mut row, "lo", true, None, None);
    let results = Netlink::route()?.execute(&row)?;
    match results.into_iter().flatten().next() {
        Some(error) => Err(io::Error::from_raw_os_error(error.errno)),
        None => current(),
    }
}

/// The file by which a directory is known to be an agent's.
const MARKER: &str = ".adit-net";

/// The directory in which namespaces outlive the agent: `DIR/GROUP/NAMESPACE` are bind mounts.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// Prepares the directory: a mount of its own, shared, so that removals reach every mount
    /// namespace that was copied from ours. A directory with things in it that no agent put there
    /// is refused: they could be taken for leftovers.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let marker = dir.join(MARKER);
        if !marker.exists() {
            if fs::read_dir(dir)?.next().is_some() {
                let message = "the directory has other things in it; choose an empty one";
                return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, message));
            }
            fs::File::create(&marker)?;
        }
        let path = sys::c_string(dir)?;
        let shared = libc::MS_SHARED | libc::MS_REC;
        if sys::mount(c"none", &path, None, shared, None).is_err() {
            // Not a mount yet.
            sys::mount(&path, &path, None, libc::MS_BIND | libc::MS_REC, None)?;
            sys::mount(c"none", &path, None, shared, None)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn path(&self, group: &str, ns: &str) -> PathBuf {
        self.dir.join(group).join(ns)
    }

    /// Puts a namespace on the shelf.
    pub(crate) fn keep(&self, group: &str, ns: &str, held: &Held) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let path = self.path(group, ns);
        if !self.has_group(group) {
            self.add_group(group)?;
        }
        fs::File::create(&path)?;
        let source = sys::c_string(format!("/proc/self/fd/{}", held.fd.as_raw_fd()))?;
        sys::mount(&source, &sys::c_string(&path)?, None, libc::MS_BIND, None)
            .inspect_err(|_| drop(fs::remove_file(&path)))
    }

    /// Whether a group has its file system. A directory alone may be left from before a restart of
    /// the machine.
    fn has_group(&self, group: &str) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        let own = device(&self.dir.join(group));
        own.is_some() && own != device(&self.dir)
    }

    /// A file system of its own for a group: taken away, it takes all its namespaces along. One by
    /// one the kernel would wait for each.
    fn add_group(&self, group: &str) -> io::Result<()> {
        let dir = self.dir.join(group);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = sys::c_string(&dir)?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        sys::mount(c"adit", &path, Some(c"tmpfs"), flags, Some(c"mode=700"))
            .and_then(|()| sys::mount(c"none", &path, None, libc::MS_SHARED, None))
            .inspect_err(|_| self.forget_group(group))
    }

    /// Takes a whole group off the shelf.
    pub(crate) fn forget_group(&self, group: &str) {
        let dir = self.dir.join(group);
        if let Ok(path) = sys::c_string(&dir) {
            while sys::unmount(&path).is_ok() {}
        }
        let _ = fs::remove_dir(&dir);
    }

    /// Takes a namespace off the shelf. What is not there is fine.
    pub(crate) fn forget(&self, group: &str, ns: &str) -> io::Result<()> {
        let path = self.path(group, ns);
        // May be mounted more than once if an agent died at a bad moment.
        while sys::unmount(&sys::c_string(&path)?).is_ok() {}
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(())
    }

    /// All that is on the shelf: group, name and, if it is one, the namespace.
    pub(crate) fn contents(&self) -> io::Result<Vec<(String, String, Option<Held>)>> {
        let mut found = Vec::new();
        for group in fs::read_dir(&self.dir)? {
            let group = group?;
            let named = group
                .file_name()
                .to_str()
                .is_some_and(|n| crate::check::name(n).is_ok());
            if !named || !group.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(group.path())? {
                let file = file?;
                let names = (
                    group.file_name().into_string(),
                    file.file_name().into_string(),
                );
                if let (Ok(group), Ok(ns)) = names {
                    found.push((group, ns, open_namespace(&file.path())));
                }
            }
        }
        found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Ok(found)
    }

    /// Removes the directory, if nothing is left in it.
    pub(crate) fn close(&self) {
        if let Ok(path) = sys::c_string(&self.dir) {
            let _ = fs::remove_file(self.dir.join(MARKER));
            let _ = sys::unmount(&path);
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// Opens a file if it is a network namespace.
fn open_namespace(path: &Path) -> Option<Held> {
    let file = fs::File::open(path).ok()?;
    let fd = OwnedFd::from(file);
    sys::is_network_namespace(fd.as_fd()).then_some(Held { fd })
}
