//! Many datagrams per system call: under load, half of a query's cost is crossing into the kernel.

use std::array::from_fn;
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::decide::Names;
use crate::serve::Context;
use crate::serve::udp::{RECEIVE, answer};

/// Datagrams per call.
const SIZE: usize = 32;

/// Buffers of one runtime thread, used by whichever socket has work on it.
struct Buffers {
    packets: Box<[[u8; RECEIVE]]>,
    /// Replies one after another.
    out: Vec<u8>,
    replies: Vec<(Range<usize>, Option<SockaddrStorage>)>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        packets: vec![[0; RECEIVE]; SIZE].into(),
        out: Vec::new(),
        replies: Vec::with_capacity(SIZE),
    });
}

/// Answers one batch; false once nothing waits.
pub(super) fn drain<N: Names>(
    context: &Arc<Context<N>>,
    socket: &Arc<UdpSocket>,
    rotation: &mut usize,
) -> bool {
    BUFFERS.with(|buffers| {
        // Borrowed already only if a decision serves a socket itself; it can wait for its turn.
        let Ok(mut buffers) = buffers.try_borrow_mut() else {
            return false;
        };
        let Buffers {
            packets,
            out,
            replies,
        } = &mut *buffers;
        let mut received = [(0, None); SIZE];
        let count = match receive(socket, packets, &mut received) {
            Ok(count) => count,
            // An ICMP error of an earlier reply does not mean that the queue is empty.
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        };
        out.clear();
        replies.clear();
        for ((len, address), packet) in received.iter().zip(packets.iter()).take(count) {
            let Some(peer) = address.as_ref().and_then(socket_address) else {
                continue;
            };
            let (packet, start) = (packet.get(..*len).unwrap_or(&[]), out.len());
            if answer(context, socket, packet, peer, rotation, out) {
                replies.push((start..out.len(), *address));
            }
        }
        send(context, socket, out, replies);
        true
    })
}

fn receive(
    socket: &UdpSocket,
    packets: &mut [[u8; RECEIVE]],
    received: &mut [(usize, Option<SockaddrStorage>); SIZE],
) -> io::Result<usize> {
    // Made anew each time: the kernel writes into them what the next call would have to undo.
    let mut headers = MultiHeaders::preallocate(SIZE, None);
    let mut packets = packets.iter_mut();
    let mut slices: [[IoSliceMut<'_>; 1]; SIZE] = from_fn(|_| {
        [IoSliceMut::new(
            packets.next().map_or(&mut [], |packet| packet),
        )]
    });
    socket.try_io(Interest::READABLE, || {
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(
            socket.as_raw_fd(),
            &mut headers,
            slices.iter_mut(),
            flags,
            None,
        )?;
        let mut count = 0;
        for (message, slot) in messages.zip(received) {
            *slot = (message.bytes, message.address);
            count += 1;
        }
        Ok(count)
    })
}

/// Sends all replies. What the kernel does not take is lost, as on a full link: clients ask again.
fn send<N>(
    context: &Context<N>,
    socket: &UdpSocket,
    out: &[u8],
    replies: &[(Range<usize>, Option<SockaddrStorage>)],
) {
    let mut left = replies;
    while !left.is_empty() {
        let mut headers = MultiHeaders::preallocate(left.len(), None);
        let slices: [[IoSlice<'_>; 1]; SIZE] = from_fn(|index| {
            let range = left.get(index).map_or(0..0, |(range, _)| range.clone());
            [IoSlice::new(out.get(range).unwrap_or(&[]))]
        });
        let addresses: [Option<SockaddrStorage>; SIZE] =
            from_fn(|index| left.get(index).and_then(|(_, address)| *address));
        let sent = socket.try_io(Interest::WRITABLE, || {
            let addresses = addresses.get(..left.len()).unwrap_or(&[]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let slices = slices.iter();
            let fd = socket.as_raw_fd();
            Ok(sendmmsg(fd, &mut headers, slices, addresses, [], flags)?.count())
        });
        // The kernel stops at the first reply it does not take: leave that one out.
        let done = sent.unwrap_or(0);
        let failed = usize::from(done < left.len());
        for _ in 0..failed {
            context.counters.add(|c| &c.send_failed);
        }
        left = left.get(done + failed..).unwrap_or(&[]);
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    address
        .as_sockaddr_in6()
        .map(|v6| SocketAddr::V6((*v6).into()))
}
