//! Just enough of netlink: rows of messages in one buffer, and their acknowledgements.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{recv, send, socket};

pub const REQUEST_ACK: u16 = 0x1 | 0x4;
pub const CREATE: u16 = 0x400;
pub const EXCLUSIVE: u16 = 0x200;
pub const REPLACE: u16 = 0x100;
pub const APPEND: u16 = 0x800;

#[derive(Default)]
pub struct Row {
    pub bytes: Vec<u8>,
    pub messages: u32,
}

impl Row {
    pub fn message(&mut self, kind: u16, flags: u16, header: &[u8], rest: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.messages.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(header);
        self.pad();
        rest(self);
        self.messages += 1;
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    pub fn attr(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
    }

    pub fn text(&mut self, kind: u16, value: &str) {
        self.attr(kind, &[value.as_bytes(), b"\0"].concat());
    }

    pub fn number(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | 0x8000).to_ne_bytes());
        inside(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

pub struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket in the calling thread's namespace.
    pub fn open(protocol: SockProtocol) -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).unwrap();
        Self {
            fd,
            buffer: vec![0; 65536],
        }
    }

    /// Sends a row and demands that the kernel did what `answers` of its messages ask.
    pub fn execute(&mut self, row: &Row, answers: u32) {
        let fd = self.fd.as_raw_fd();
        assert_eq!(send(fd, &row.bytes, MsgFlags::empty()), Ok(row.bytes.len()));
        let mut heard = 0;
        while heard < answers {
            let got = recv(fd, &mut self.buffer, MsgFlags::MSG_DONTWAIT).unwrap();
            let mut rest = &self.buffer[..got];
            while rest.len() >= 20 {
                let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
                let sequence = u32::from_ne_bytes(rest[8..12].try_into().unwrap());
                let error = i32::from_ne_bytes(rest[16..20].try_into().unwrap());
                let what = io::Error::from_raw_os_error(-error);
                assert_eq!(error, 0, "message {sequence}: {what}");
                heard += 1;
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}
