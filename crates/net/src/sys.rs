//! System calls that std does not have, as safe functions. One of the few files with `unsafe`.
#![expect(unsafe_code, reason = "the only way to make these system calls")]

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// Most descriptors that one message carries.
const MAX_FDS: usize = crate::protocol::MAX_SOCKETS;

/// Turns the C convention "-1 and errno" into a result.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn check_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Moves the calling thread into a namespace of the given kind.
pub(crate) fn setns(fd: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: takes two integers; the descriptor is open for the borrow's life.
    check(unsafe { libc::setns(fd.as_raw_fd(), kind) }).map(drop)
}

/// Whether a descriptor is that of a network namespace.
pub(crate) fn is_network_namespace(fd: BorrowedFd<'_>) -> bool {
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: the request takes no further argument and returns an integer.
    unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) == libc::CLONE_NEWNET }
}

/// Gives the calling thread new namespaces.
pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes an integer.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// A path or name as the kernel takes it.
pub(crate) fn c_string(text: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(text.as_ref().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a name with a zero byte"))
}

/// `mount(2)`; allocates nothing, so it may run between fork and exec.
pub(crate) fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let kind = kind.map_or(ptr::null(), CStr::as_ptr);
    let data = data.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or zero-terminated strings that live through the call.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, data.cast()) })
        .map(drop)
}

/// Takes a mount away, at once for new look-ups and finally when nobody uses it any more.
pub(crate) fn unmount(target: &CStr) -> io::Result<()> {
    // SAFETY: the pointer is a zero-terminated string that lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// `open(2)` with the close-on-exec flag added; allocates nothing.
pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: libc::mode_t) -> io::Result<OwnedFd> {
    // SAFETY: the pointer is a zero-terminated string that lives through the call.
    let fd = check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `mkdir(2)`; allocates nothing.
pub(crate) fn mkdir(path: &CStr, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: the pointer is a zero-terminated string that lives through the call.
    check(unsafe { libc::mkdir(path.as_ptr(), mode) }).map(drop)
}

/// `fchmod(2)`: a mode that the umask has no say in.
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: takes two integers.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }).map(drop)
}

/// Writes all bytes; allocates nothing.
pub(crate) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: pointer and length describe `bytes`.
        let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        match check_size(written) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `socket(2)` with the close-on-exec flag added.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes three integers.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets a socket option whose value is an `int`.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_option_bytes(fd, level, name, &value.to_ne_bytes())
}

/// Sets a socket option whose value is a text or a structure.
pub(crate) fn set_option_bytes(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &[u8],
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).unwrap_or(0);
    // SAFETY: pointer and length describe `value`.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), length) })
        .map(drop)
}

/// Binds an IP socket.
pub(crate) fn bind_ip(fd: BorrowedFd<'_>, address: std::net::SocketAddr) -> io::Result<()> {
    let (pointer, length);
    let (mut v4, mut v6);
    match address {
        std::net::SocketAddr::V4(address) => {
            // SAFETY: all-zero bytes are a valid value of this plain C structure.
            v4 = unsafe { zeroed::<libc::sockaddr_in>() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            pointer = ptr::from_ref(&v4).cast::<libc::sockaddr>();
            length = size_of::<libc::sockaddr_in>();
        }
        std::net::SocketAddr::V6(address) => {
            // SAFETY: all-zero bytes are a valid value of this plain C structure.
            v6 = unsafe { zeroed::<libc::sockaddr_in6>() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = address.port().to_be();
            v6.sin6_addr.s6_addr = address.ip().octets();
            v6.sin6_scope_id = address.scope_id();
            pointer = ptr::from_ref(&v6).cast::<libc::sockaddr>();
            length = size_of::<libc::sockaddr_in6>();
        }
    }
    let length = libc::socklen_t::try_from(length).unwrap_or(0);
    // SAFETY: pointer and length describe `v4` or `v6`, which live to the end of the function.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, length) }).map(drop)
}

/// Gives a netlink socket an address of its own: one without hears nothing of what the kernel says
/// to everybody.
pub(crate) fn bind_netlink(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut address = unsafe { zeroed::<libc::sockaddr_nl>() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or(0);
    let pointer = ptr::from_ref(&address).cast::<libc::sockaddr>();
    // SAFETY: pointer and length describe `address`.
    check(unsafe { libc::bind(fd.as_raw_fd(), pointer, length) }).map(drop)
}

/// `listen(2)`.
pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    // SAFETY: takes two integers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// Wakes whoever waits in `accept` on this socket, with an error.
pub(crate) fn stop_listening(fd: BorrowedFd<'_>) {
    // SAFETY: takes two integers; that it may fail does not matter.
    unsafe {
        libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR);
    }
}

/// Sends bytes to the kernel's end of a netlink socket.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe `bytes`.
    check_size(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) })
}

/// Receives one datagram; `flags` as of `recv(2)`. The length may exceed the buffer's with
/// `MSG_TRUNC`.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: pointer and length describe `buffer`.
    check_size(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
        )
    })
}

/// The user at the other end of a Unix socket.
pub(crate) fn peer_uid(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut cred = unsafe { zeroed::<libc::ucred>() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: pointer and length describe `cred`.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            ptr::from_mut(&mut cred).cast(),
            &raw mut length,
        )
    })?;
    Ok(cred.uid)
}

/// Room for a control message with [`MAX_FDS`] descriptors, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 16 + MAX_FDS * size_of::<RawFd>()]);

/// Sends bytes and, with the first of them, descriptors over a Unix socket. Returns how many
/// bytes were taken.
pub(crate) fn send_with_fds(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut iov = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 16 + MAX_FDS * size_of::<RawFd>()]);
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut message = unsafe { zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    let fds: Vec<RawFd> = fds.iter().take(MAX_FDS).map(AsRawFd::as_raw_fd).collect();
    if !fds.is_empty() {
        let payload = u32::try_from(fds.len() * size_of::<RawFd>()).unwrap_or(0);
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: pure arithmetic on a length.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(payload) } as _;
        // SAFETY: `msg_control` points to `control`, which has room for one header and MAX_FDS
        // descriptors; CMSG_FIRSTHDR and CMSG_DATA stay within it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(payload) as _;
            ptr::copy_nonoverlapping(
                fds.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                fds.len() * size_of::<RawFd>(),
            );
        }
    }
    // SAFETY: the message describes `iov`, `bytes` and `control`, which outlive the call; the
    // kernel does not write to the bytes.
    check_size(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })
}

/// Receives bytes and any descriptors that come along with them.
pub(crate) fn receive_with_fds(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut iov = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut control = Control([0; 16 + MAX_FDS * size_of::<RawFd>()]);
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut message = unsafe { zeroed::<libc::msghdr>() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the message describes `iov`, `buffer` and `control`, which outlive the call.
    let count = check_size(unsafe {
        libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC)
    })?;
    // SAFETY: the kernel filled `control` and set its length; the CMSG macros stay within it, and
    // every descriptor in an SCM_RIGHTS message is new and ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let payload = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for index in 0..payload / size_of::<RawFd>() {
                    let raw =
                        ptr::read_unaligned(libc::CMSG_DATA(header).cast::<RawFd>().add(index));
                    fds.push(OwnedFd::from_raw_fd(raw));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(count)
}

/// The effective user.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: cannot fail, takes nothing.
    unsafe { libc::geteuid() }
}

/// The effective group.
pub(crate) fn effective_gid() -> u32 {
    // SAFETY: cannot fail, takes nothing.
    unsafe { libc::getegid() }
}

/// Takes an exclusive lock on an open file, if nobody else has it.
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes two integers.
    check(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

/// Splits the process in two; true in the child. Only for a process with a single thread.
pub(crate) fn fork() -> io::Result<bool> {
    // SAFETY: called before any thread exists, so the child is a whole copy of the process.
    Ok(check(unsafe { libc::fork() })? == 0)
}

/// Starts a session without terminal.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Makes the descriptor `number` (one of the standard ones) mean what `fd` means.
pub(crate) fn replace_standard(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: only 0, 1 and 2 are replaced, which std itself never closes.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// Raises the limit of open descriptors as far as allowed.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to `limit`.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Lets files made from here on be the owner's alone.
pub(crate) fn private_files() {
    // SAFETY: cannot fail, takes an integer.
    unsafe {
        libc::umask(0o077);
    }
}

/// Gives a file to another user.
pub(crate) fn give_file(path: &Path, uid: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(uid), None)
}

/// Closes the standard input, output and error of a program that goes on alone: input and output
/// become `/dev/null` and the error stream.
pub(crate) fn leave_terminal() -> io::Result<()> {
    use std::os::fd::AsFd;
    let null = std::fs::File::open("/dev/null")?;
    replace_standard(null.as_fd(), 0)?;
    replace_standard(io::stderr().as_fd(), 1)
}

/// Lets `prepare` run in the child of `command`, after fork and before exec.
///
/// `prepare` must do nothing but system calls: no locks, no allocation that another thread of the
/// parent could have left half done.
pub(crate) fn before_exec(
    command: &mut std::process::Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt;
    // SAFETY: the callers pass functions that only make system calls on values prepared before.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Many descriptors, waited on together.
#[derive(Debug)]
pub(crate) struct Poll(OwnedFd);

impl Poll {
    /// One that waits for nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes an integer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for the descriptor too, until it is closed. `token` is what [`Poll::wait`] says.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        let (poll, fd) = (self.0.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: the pointer is to `event`, which lives through the call.
        check(unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
    }

    /// Tokens of descriptors that can be read, at most 256; waits up to `milliseconds` for one.
    pub(crate) fn wait(&self, milliseconds: i32) -> io::Result<Vec<u64>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        let most = libc::c_int::try_from(events.len()).unwrap_or(1);
        // SAFETY: pointer and count describe `events`, which lives through the call.
        let count = check(unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, milliseconds)
        })?;
        let count = usize::try_from(count).unwrap_or(0);
        Ok(events.iter().take(count).map(|event| event.u64).collect())
    }
}
