//! One UDP socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;

use crate::decide::{Names, Transport};
use crate::serve::Context;
use crate::serve::one::{Handled, Pending};
use crate::wire::{UDP_MAX, UDP_MIN};

/// Room for a request. Honest ones are far smaller; a larger datagram is cut and malformed.
const RECEIVE: usize = 2048;
/// Datagrams taken before other tasks of the runtime get their turn.
const BATCH: usize = 64;

pub(super) async fn run<N: Names>(context: Arc<Context<N>>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let mut rotation = 0usize;
    loop {
        let ready = tokio::select! {
            biased;
            () = context.stop.cancelled() => false,
            ready = socket.readable() => ready.is_ok(),
        };
        drain(&context, &socket, &mut rotation);
        if !ready && context.stop.is_cancelled() {
            return;
        }
    }
}

/// Answers what waits in the socket's queue, up to a batch. Buffers live on the stack: thousands
/// of idle sockets hold none.
fn drain<N: Names>(context: &Arc<Context<N>>, socket: &Arc<UdpSocket>, rotation: &mut usize) {
    let mut packet = [0; RECEIVE];
    let mut out = Vec::with_capacity(UDP_MAX.max(UDP_MIN) + 64);
    for _ in 0..BATCH {
        let (len, peer) = match socket.try_recv_from(&mut packet) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error of an earlier reply: not this query's concern.
            Err(_) => continue,
        };
        out.clear();
        *rotation = rotation.wrapping_add(1);
        let packet = packet.get(..len).unwrap_or(&[]);
        match context.handle(packet, peer, Transport::Udp, *rotation, &mut out) {
            Handled::Send => send(context, socket, &out, peer),
            Handled::Nothing => {}
            Handled::Forward(pending) => forward(context, socket, pending, peer),
        }
    }
}

fn send<N>(context: &Context<N>, socket: &UdpSocket, reply: &[u8], peer: SocketAddr) {
    // A full send buffer loses the reply as a full link would: the client asks again.
    if socket.try_send_to(reply, peer).is_err() {
        context.counters.add(|c| &c.send_failed);
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
        send(&kept, &socket, &out, peer);
    });
}
