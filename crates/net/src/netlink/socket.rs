//! A netlink socket: sends rows of messages, collects acknowledgements and dumps.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::message::{Attrs, Message, Messages, Writer, u32_at};
use crate::sys;

const SOL_NETLINK: i32 = 270;
/// Hear one more kind of change.
const ADD_MEMBERSHIP: i32 = 1;
/// Kernel answers carry an explaining text.
const EXT_ACK: i32 = 11;
/// Kernel answers do not repeat the request.
const CAP_ACK: i32 = 10;
/// Dumps honour the filters in their header.
const STRICT_CHECK: i32 = 12;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The dump saw a change half way and must be repeated.
const DUMP_INTERRUPTED: u16 = 0x10;
/// The answer has attributes.
const ACK_TLVS: u16 = 0x200;
/// The answer does not repeat the request's payload.
const CAPPED: u16 = 0x100;

/// Messages per send: their answers must fit into the default receive buffer.
const ROW: usize = 64;
/// The kernel's largest dump datagram is 32 KiB.
const DUMP_BUFFER: usize = 64 * 1024;
/// Acknowledgements and single answers.
const BUFFER: usize = 8 * 1024;
/// A dump that is interrupted this often is given up.
const DUMP_TRIES: usize = 20;

/// What the kernel said when it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelError {
    /// The error number.
    pub(crate) errno: i32,
    /// The kernel's explanation, where it has one.
    pub(crate) message: Option<String>,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.errno))?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KernelError {}

impl From<io::Error> for KernelError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self {
                errno,
                message: None,
            },
            None => Self {
                errno: libc::EIO,
                message: Some(error.to_string()),
            },
        }
    }
}

/// A socket to one part of the kernel in the namespace where it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a socket for links, addresses, routes in the calling thread's namespace.
    pub(crate) fn route() -> io::Result<Self> {
        Self::open(libc::NETLINK_ROUTE)
    }

    /// Opens a socket for nftables in the calling thread's namespace.
    pub(crate) fn netfilter() -> io::Result<Self> {
        Self::open(libc::NETLINK_NETFILTER)
    }

    /// Opens a socket that hears what changes in the calling thread's namespace; `groups` are the
    /// kernel's numbers of the kinds of change.
    pub(crate) fn monitor(protocol: i32, groups: &[i32]) -> io::Result<Self> {
        let fd = sys::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_NONBLOCK,
            protocol,
        )?;
        sys::bind_netlink(fd.as_fd())?;
        for group in groups {
            sys::set_option(fd.as_fd(), SOL_NETLINK, ADD_MEMBERSHIP, *group)?;
        }
        // Short messages: one buffer of this kind per namespace must stay small.
        Ok(Self {
            fd,
            buffer: Vec::new(),
        })
    }

    /// The descriptor, to be waited on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reads all that a monitor has heard. `each` judges a message; the answer is whether any was
    /// judged true, or something was lost because nobody had listened for too long.
    pub(crate) fn heard(
        &self,
        buffer: &mut [u8],
        mut each: impl FnMut(&Message<'_>) -> bool,
    ) -> bool {
        let mut any = false;
        loop {
            match sys::receive(self.fd.as_fd(), buffer, 0) {
                Ok(length) => {
                    for message in Messages(buffer.get(..length).unwrap_or(buffer)) {
                        any |= each(&message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return any,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(_) => return true,
            }
        }
    }

    fn open(protocol: i32) -> io::Result<Self> {
        let fd = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
        for option in [EXT_ACK, CAP_ACK, STRICT_CHECK] {
            sys::set_option(fd.as_fd(), SOL_NETLINK, option, 1)?;
        }
        Ok(Self {
            fd,
            buffer: vec![0; BUFFER],
        })
    }

    /// Makes room for one message row of this many bytes. Beyond the system's limit this needs
    /// rights in the first user namespace; without them the limit stands.
    pub(crate) fn make_room(&self, bytes: usize) {
        let wanted = i32::try_from(bytes.saturating_mul(2)).unwrap_or(i32::MAX);
        let fd = self.fd.as_fd();
        if sys::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wanted).is_err() {
            let _ = sys::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, wanted);
        }
    }

    /// Carries out a row of messages that all ask for an acknowledgement. The result has an entry
    /// per message: `None` means done. Later messages are carried out even if earlier ones fail.
    pub(crate) fn execute(&mut self, row: &Writer) -> io::Result<Vec<Option<KernelError>>> {
        let mut results = vec![None; row.len()];
        let mut from = 0;
        while from < row.len() {
            let to = row.len().min(from + ROW);
            sys::send(self.fd.as_fd(), row.slice(from, to))?;
            self.collect(to - from, &mut results)?;
            from = to;
        }
        Ok(results)
    }

    /// Reads acknowledgements. The kernel works while we send: all answers wait already.
    fn collect(&mut self, count: usize, results: &mut [Option<KernelError>]) -> io::Result<()> {
        let mut answered = 0;
        while answered < count {
            let length = sys::receive(self.fd.as_fd(), &mut self.buffer, libc::MSG_DONTWAIT)?;
            for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                answered += 1;
                if let Some(place) = results.get_mut(message.sequence as usize) {
                    *place = error_of(&message);
                }
            }
        }
        Ok(())
    }

    /// Carries out a transaction: all messages or none. Only the last needs to be acknowledged.
    pub(crate) fn transact(&mut self, row: &Writer) -> Result<(), (usize, KernelError)> {
        self.make_room(row.bytes().len());
        sys::send(self.fd.as_fd(), row.bytes()).map_err(|e| (0, KernelError::from(e)))?;
        let mut first: Option<(usize, KernelError)> = None;
        let mut answered = false;
        loop {
            match sys::receive(self.fd.as_fd(), &mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(length) => {
                    for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                        if message.kind == NLMSG_ERROR {
                            answered = true;
                            if let (None, Some(error)) = (&first, error_of(&message)) {
                                first = Some((message.sequence as usize, error));
                            }
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err((0, KernelError::from(error))),
            }
        }
        match first {
            Some(failure) => Err(failure),
            None if answered => Ok(()),
            None => Err((
                0,
                KernelError {
                    errno: libc::EIO,
                    message: Some("no answer".into()),
                },
            )),
        }
    }

    /// Sends one dump request and hands every message of the answer to `each`.
    pub(crate) fn dump(
        &mut self,
        request: &Writer,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), KernelError> {
        // An interrupted dump is thrown away, so nothing may be handed over before it is whole.
        for _ in 0..DUMP_TRIES {
            if let Some(datagrams) = self.dump_once(request)? {
                for datagram in &datagrams {
                    Messages(datagram)
                        .filter(|m| m.kind != NLMSG_DONE && m.kind != NLMSG_ERROR)
                        .for_each(|m| each(&m));
                }
                return Ok(());
            }
        }
        Err(KernelError {
            errno: libc::EINTR,
            message: Some("the state keeps changing".into()),
        })
    }

    /// The same without waiting for the end, for what is too much to be kept and may be a little off:
    /// what changes meanwhile may be missing or come twice.
    pub(crate) fn stream(
        &mut self,
        request: &Writer,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), KernelError> {
        sys::send(self.fd.as_fd(), request.bytes())?;
        loop {
            let length = sys::receive(self.fd.as_fd(), &mut self.buffer, 0)?;
            for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                match message.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        return match error_of(&message) {
                            Some(error) => Err(error),
                            None => Ok(()),
                        };
                    }
                    _ => each(&message),
                }
            }
        }
    }

    fn dump_once(&mut self, request: &Writer) -> Result<Option<Vec<Vec<u8>>>, KernelError> {
        self.buffer.resize(DUMP_BUFFER, 0);
        sys::send(self.fd.as_fd(), request.bytes())?;
        let mut datagrams = Vec::new();
        let mut interrupted = false;
        loop {
            let length = sys::receive(self.fd.as_fd(), &mut self.buffer, 0)?;
            let bytes = self.buffer.get(..length).unwrap_or_default();
            let mut done = false;
            for message in Messages(bytes) {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        done = true;
                        if let Some(error) = error_of(&message) {
                            return Err(error);
                        }
                    }
                    _ => {}
                }
            }
            datagrams.push(bytes.to_vec());
            if done {
                return Ok((!interrupted).then_some(datagrams));
            }
        }
    }

    /// Sends a request that has exactly one answer and hands it to `each`.
    pub(crate) fn get(
        &mut self,
        request: &Writer,
        each: impl FnOnce(&Message<'_>),
    ) -> Result<(), KernelError> {
        sys::send(self.fd.as_fd(), request.bytes())?;
        let length = sys::receive(self.fd.as_fd(), &mut self.buffer, 0)?;
        if let Some(message) = Messages(self.buffer.get(..length).unwrap_or_default()).next() {
            // Only an error begins with its number: other answers begin with anything.
            match message.kind {
                NLMSG_ERROR => {
                    if let Some(error) = error_of(&message) {
                        return Err(error);
                    }
                    each(&message);
                }
                _ => each(&message),
            }
        }
        Ok(())
    }
}

/// The error in an acknowledgement or end of a dump; none if it says all is well.
fn error_of(message: &Message<'_>) -> Option<KernelError> {
    let code = u32_at(message.payload, 0)?.cast_signed();
    if code >= 0 {
        return None;
    }
    let mut text = None;
    if message.flags & ACK_TLVS != 0 {
        let skip = match message.kind {
            NLMSG_DONE => 4,
            _ if message.flags & CAPPED != 0 => 4 + 16,
            _ => 4 + (u32_at(message.payload, 4)? as usize).next_multiple_of(4),
        };
        text = Attrs::after(message.payload, skip)
            .text(1)
            .map(str::to_owned);
    }
    Some(KernelError {
        errno: code.saturating_neg(),
        message: text,
    })
}
