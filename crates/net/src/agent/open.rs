//! Sockets made inside a namespace, to be handed to the daemon.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use crate::protocol::{Listen, SocketSpec, Transport};
use crate::sys;

/// Congestion control of TCP sockets. The host's default may be one that halves the throughput
/// inside a busy machine (BBR), and a namespace may not choose its own.
const CONGESTION: &[u8] = b"cubic";

/// Makes a bound and, for TCP, listening socket in the calling thread's namespace.
pub(super) fn listen(spec: &Listen) -> io::Result<OwnedFd> {
    let v6 = spec.address.is_ipv6();
    let socket = new(spec.transport, v6)?;
    let fd = socket.as_fd();
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if let Some(device) = &spec.device {
        bind_device(&socket, device)?;
    }
    if v6 {
        let only = i32::from(spec.v6only);
        sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only)?;
    }
    if spec.transparent {
        if v6 {
            sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)?;
        } else {
            sys::set_option(fd, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)?;
        }
    }
    if spec.transport == Transport::Udp {
        // Lets the server answer from the address it was asked at.
        sys::set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        if v6 {
            sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        }
    }
    sys::bind_ip(fd, SocketAddr::new(spec.address, spec.port))?;
    if spec.transport == Transport::Tcp {
        sys::listen(fd, spec.backlog)?;
    }
    Ok(socket)
}

/// Makes an unconnected socket in the calling thread's namespace.
pub(super) fn socket(spec: &SocketSpec) -> io::Result<OwnedFd> {
    let socket = new(spec.transport, spec.v6)?;
    if let Some(device) = &spec.device {
        bind_device(&socket, device)?;
    }
    if let Some(mark) = spec.mark {
        let mark = mark.cast_signed();
        sys::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_MARK, mark)?;
    }
    Ok(socket)
}

fn new(transport: Transport, v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let kind = match transport {
        Transport::Tcp => libc::SOCK_STREAM,
        Transport::Udp => libc::SOCK_DGRAM,
    };
    let socket = sys::socket(family, kind | libc::SOCK_NONBLOCK, 0)?;
    if transport == Transport::Tcp {
        // Built into nearly every kernel; where it is missing the default must do.
        let fd = socket.as_fd();
        let _ = sys::set_option_bytes(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION, CONGESTION);
    }
    Ok(socket)
}

fn bind_device(socket: &OwnedFd, device: &str) -> io::Result<()> {
    let (level, name) = (libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
    sys::set_option_bytes(socket.as_fd(), level, name, device.as_bytes())
}
