//! One UDP socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;

use crate::decide::{Names, Transport};
use crate::serve::Context;
use crate::serve::one::{Handled, Pending};
use crate::wire::UDP_MAX;

mod batch;

/// Room for a request. Honest ones are far smaller; a larger datagram is cut and malformed.
const RECEIVE: usize = 2048;
/// Batches taken before other tasks of the runtime get their turn.
const BATCHES: usize = 4;

pub(super) async fn run<N: Names>(context: Arc<Context<N>>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let mut rotation = 0usize;
    loop {
        let stopped = tokio::select! {
            biased;
            () = context.stop.cancelled() => true,
            _ = socket.readable() => false,
        };
        // On a stop, what already waits in the queue is still answered.
        drain(&context, &socket, &mut rotation);
        if stopped {
            return;
        }
    }
}

/// Answers what waits in the socket's queue: the first datagram by itself, since mostly there is
/// no second, then by batches. Buffers are not the task's: thousands of idle sockets hold none.
fn drain<N: Names>(context: &Arc<Context<N>>, socket: &Arc<UdpSocket>, rotation: &mut usize) {
    let mut packet = [0; RECEIVE];
    match socket.try_recv_from(&mut packet) {
        Ok((len, peer)) => {
            let mut out = Vec::with_capacity(UDP_MAX);
            let packet = packet.get(..len).unwrap_or(&[]);
            if answer(context, socket, packet, peer, rotation, &mut out) {
                // A full send buffer loses the reply as a full link would: the client asks again.
                if socket.try_send_to(&out, peer).is_err() {
                    context.counters.add(|c| &c.send_failed);
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        // An ICMP error of an earlier reply: not the next query's concern.
        Err(_) => {}
    }
    for _ in 0..BATCHES {
        if !batch::drain(context, socket, rotation) {
            return;
        }
    }
}

/// Answers one datagram; true if a reply was appended to `out`.
fn answer<N: Names>(
    context: &Arc<Context<N>>,
    socket: &Arc<UdpSocket>,
    packet: &[u8],
    peer: SocketAddr,
    rotation: &mut usize,
    out: &mut Vec<u8>,
) -> bool {
    *rotation = rotation.wrapping_add(1);
    match context.handle(packet, peer, Transport::Udp, *rotation, out) {
        Handled::Send => true,
        Handled::Nothing => false,
        Handled::Forward(pending) => {
            forward(context, socket, pending, peer);
            false
        }
    }
}

fn forward<N: Names>(
    context: &Arc<Context<N>>,
    socket: &Arc<UdpSocket>,
    pending: Box<Pending>,
    peer: SocketAddr,
) {
    let (kept, socket) = (Arc::clone(context), Arc::clone(socket));
    context.spawn(async move {
        let mut out = Vec::with_capacity(UDP_MAX);
        kept.complete(&pending, &mut out).await;
        if socket.send_to(&out, peer).await.is_err() {
            kept.counters.add(|c| &c.send_failed);
        }
    });
}
