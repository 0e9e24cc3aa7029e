//! One listening TCP socket and its connections (RFC 7766).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::decide::{Names, Transport};
use crate::serve::one::{Handled, Pending};
use crate::serve::{Context, Counters};

/// The longest request that is read. The length prefix could say 64 KiB, but no query needs it.
const REQUEST_MAX: usize = 4096;
/// Replies are written out once this much has gathered.
const FLUSH: usize = 64 * 1024;
/// Pause after a failed accept: mostly the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn run<N: Names>(context: Arc<Context<N>>, socket: TcpListener) {
    let gate = Arc::new(Gate::default());
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let label = &context.listener.label;
                tracing::warn!(%label, %error, "could not accept a DNS connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(pass) = Gate::admit(&gate, &context, peer.ip()) else {
            context.counters.add(|c| &c.connections_refused);
            continue;
        };
        let kept = Arc::clone(&context);
        context.spawn(async move {
            kept.counters.add(|c| &c.connections);
            let _open = Open::new(Arc::clone(&kept.counters), pass);
            Connection::new(kept, stream, peer).run().await;
        });
    }
}

/// Counts a connection as open as long as its task lives, however it ends.
struct Open {
    counters: Arc<Counters>,
    _pass: Pass,
}

impl Open {
    fn new(counters: Arc<Counters>, pass: Pass) -> Self {
        counters.add(|c| &c.connections_open);
        Self {
            counters,
            _pass: pass,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.connections_open.fetch_sub(1, Relaxed);
    }
}

/// Counts open connections, in all and by peer.
#[derive(Default)]
struct Gate {
    open: Mutex<HashMap<IpAddr, usize>>,
}

struct Pass {
    gate: Arc<Gate>,
    peer: IpAddr,
}

impl Gate {
    fn admit<N>(gate: &Arc<Self>, context: &Context<N>, peer: IpAddr) -> Option<Pass> {
        let limits = context.shared.limits;
        let mut open = gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        if total >= limits.connections {
            return None;
        }
        let mine = open.entry(peer).or_default();
        if *mine >= limits.connections_per_peer {
            return None;
        }
        *mine += 1;
        drop(open);
        Some(Pass {
            gate: Arc::clone(gate),
            peer,
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self
            .gate
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.peer) {
            *mine -= 1;
            if *mine == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

struct Connection<N> {
    context: Arc<Context<N>>,
    stream: TcpStream,
    peer: SocketAddr,
    /// Bytes read and not yet taken apart.
    input: Vec<u8>,
    rotation: usize,
    /// Forwarded queries that have not come back.
    waiting: usize,
    back: (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>),
}

/// Whether to go on with a connection.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    /// The client has sent its last query, or sends nonsense.
    Finish,
    Close,
}

impl<N: Names> Connection<N> {
    fn new(context: Arc<Context<N>>, stream: TcpStream, peer: SocketAddr) -> Self {
        // Replies are written whole: waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let back = mpsc::channel(context.shared.limits.forwards_per_connection.max(1));
        Self {
            context,
            stream,
            peer,
            input: Vec::new(),
            rotation: 0,
            waiting: 0,
            back,
        }
    }

    async fn run(mut self) {
        let limits = self.context.shared.limits;
        let stop = self.context.stop.clone();
        let mut deadline = Instant::now() + limits.idle;
        let mut finishing = false;
        loop {
            if finishing && self.waiting == 0 {
                return;
            }
            let may_read = !finishing && self.waiting < limits.forwards_per_connection.max(1);
            let next = tokio::select! {
                biased;
                Some(reply) = self.back.1.recv(), if self.waiting > 0 => {
                    self.waiting -= 1;
                    deadline = Instant::now() + limits.idle;
                    // There may be whole queries left from before reading was paused.
                    match self.write(&reply).await {
                        Next::Go if !finishing => self.take_queries(&mut deadline).await,
                        next => next,
                    }
                }
                () = stop.cancelled(), if !finishing => Next::Finish,
                read = self.stream.read_buf(&mut self.input), if may_read => match read {
                    Ok(0) => Next::Finish,
                    Ok(_) => self.take_queries(&mut deadline).await,
                    Err(_) => Next::Close,
                },
                () = sleep_until(deadline) => {
                    if self.waiting == 0 { Next::Close } else {
                        deadline = Instant::now() + limits.idle;
                        Next::Go
                    }
                }
            };
            match next {
                Next::Go => {}
                Next::Finish => finishing = true,
                Next::Close => return,
            }
        }
    }

    /// Answers every whole query in the input.
    async fn take_queries(&mut self, deadline: &mut Instant) -> Next {
        let limits = self.context.shared.limits;
        let mut out = Vec::new();
        let mut at = 0;
        let mut next = Next::Go;
        while self.waiting < limits.forwards_per_connection.max(1) {
            let rest = self.input.get(at..).unwrap_or(&[]);
            let Some((prefix, rest)) = rest.split_first_chunk() else {
                break;
            };
            let len = usize::from(u16::from_be_bytes(*prefix));
            if len > REQUEST_MAX {
                next = Next::Finish;
                break;
            }
            let Some(packet) = rest.get(..len) else { break };
            *deadline = Instant::now() + limits.idle;
            at += 2 + len;
            self.rotation = self.rotation.wrapping_add(1);
            let start = out.len();
            out.extend_from_slice(&[0, 0]);
            let rotation = self.rotation;
            match self
                .context
                .handle(packet, self.peer, Transport::Tcp, rotation, &mut out)
            {
                Handled::Send => frame(&mut out, start),
                Handled::Nothing => out.truncate(start),
                Handled::Forward(pending) => {
                    out.truncate(start);
                    self.forward(pending);
                }
            }
            if out.len() >= FLUSH {
                if self.write(&out).await == Next::Close {
                    return Next::Close;
                }
                out.clear();
            }
        }
        self.input.drain(..at);
        match self.write(&out).await {
            Next::Go => next,
            other => other,
        }
    }

    fn forward(&mut self, pending: Box<Pending>) {
        self.waiting += 1;
        let (context, back) = (Arc::clone(&self.context), self.back.0.clone());
        self.context.spawn(async move {
            let mut out = vec![0, 0];
            context.complete(&pending, &mut out).await;
            frame(&mut out, 0);
            // The connection is gone: nobody waits for this.
            let _ = back.send(out).await;
        });
    }

    async fn write(&mut self, bytes: &[u8]) -> Next {
        if bytes.is_empty() {
            return Next::Go;
        }
        let idle = self.context.shared.limits.idle;
        match timeout(idle, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Next::Go,
            _ => {
                self.context.counters.add(|c| &c.send_failed);
                Next::Close
            }
        }
    }
}

/// Sets the length in front of the message that begins at `start`.
fn frame(out: &mut [u8], start: usize) {
    let Some(message) = out.get_mut(start..) else {
        return;
    };
    let len = u16::try_from(message.len().saturating_sub(2)).unwrap_or(u16::MAX);
    if let Some(prefix) = message.first_chunk_mut() {
        *prefix = len.to_be_bytes();
    }
}
