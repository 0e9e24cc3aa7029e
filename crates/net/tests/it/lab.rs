//! An agent for one test, and clients and servers inside its namespaces.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use adit_net::client::{Agent, Mode, Options};
use adit_net::desired::Desired;
use adit_net::protocol::{Applied, Listen, SOCKET, SocketSpec, Transport};
use socket2::{SockAddr, Socket};
use tempfile::TempDir;

use crate::harness::Outcome;
use crate::helpers::{guard, options};

/// How long a connection may take that is expected to be made.
const SOON: Duration = Duration::from_secs(5);
/// How long to wait for what must not happen.
const NEVER: Duration = Duration::from_millis(400);

/// An agent with its directories; everything goes when it is dropped.
pub(crate) struct Lab {
    pub(crate) agent: Option<Agent>,
    pub(crate) options: Options,
    pub(crate) dir: TempDir,
}

impl Lab {
    /// A lab, or why this machine cannot have one.
    pub(crate) fn new() -> Result<Self, Outcome> {
        Self::with(Mode::Auto)
    }

    pub(crate) fn with(mode: Mode) -> Result<Self, Outcome> {
        let dir = tempfile::Builder::new()
            .prefix("adit-net-")
            .tempdir()
            .unwrap();
        guard(dir.path());
        let options = options(dir.path(), mode);
        match Agent::start(&options) {
            Ok(agent) => Ok(Self {
                agent: Some(agent),
                options,
                dir,
            }),
            Err(error) if error.to_string().contains("cannot make network namespaces") => {
                Err(Outcome::Ignored(error.to_string()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    /// Applies a state by looking at the kernel, and demands that a second time nothing is to do.
    pub(crate) fn settle(&self, group: &str, desired: &Arc<Desired>) -> Applied {
        let applied = self.agent().reconcile(group, desired).unwrap();
        assert_eq!(
            self.agent().drift(group).unwrap(),
            Vec::<String>::new(),
            "{group}"
        );
        applied
    }

    /// Starts servers that answer every connection with their name, the peer's address and the
    /// address that was asked for.
    pub(crate) fn serve(&self, ns: &str, name: &'static str, ports: &[u16]) {
        for port in ports {
            let any = IpAddr::from([0, 0, 0, 0]);
            self.serve_at(&Listen::tcp(ns, any, *port), name);
        }
    }

    pub(crate) fn serve_at(&self, listen: &Listen, name: &'static str) {
        let listener = self.agent().listen_tcp(listen).unwrap();
        listener.set_nonblocking(false).unwrap();
        answer_all(listener, name);
    }

    /// A socket in a namespace, to be connected by the test.
    pub(crate) fn socket(&self, ns: &str, transport: Transport) -> Socket {
        self.socket_of(ns, transport, false)
    }

    fn socket_of(&self, ns: &str, transport: Transport, v6: bool) -> Socket {
        let spec = SocketSpec {
            ns: ns.into(),
            transport,
            v6,
            device: None,
            mark: None,
        };
        let fd: OwnedFd = self.agent().socket(&spec).unwrap();
        Socket::from(fd)
    }

    /// Connects from a namespace.
    pub(crate) fn connect(
        &self,
        ns: &str,
        to: &str,
        within: Duration,
    ) -> std::io::Result<TcpStream> {
        let v6 = to.starts_with('[');
        connect(self.socket_of(ns, Transport::Tcp, v6), to, within)
    }

    /// Connects from an address of a namespace.
    pub(crate) fn connect_from(
        &self,
        ns: &str,
        from: IpAddr,
        to: &str,
        within: Duration,
    ) -> std::io::Result<TcpStream> {
        let socket = self.socket_of(ns, Transport::Tcp, from.is_ipv6());
        socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
        connect(socket, to, within)
    }

    /// Demands that this answers a call from this address. A namespace that has all its addresses by
    /// routes alone (the internet's) leaves the kernel none to choose from.
    pub(crate) fn reaches_from(&self, ns: &str, from: &str, to: &str, answer: &str) {
        let from: IpAddr = from.parse().unwrap();
        let socket = self.socket(ns, Transport::Tcp);
        socket
            .bind(&SockAddr::from(SocketAddr::new(from, 0)))
            .unwrap();
        let said = match connect(socket, to, SOON) {
            Ok(mut stream) => conversation(&mut stream),
            Err(error) => format!("no connection: {error}"),
        };
        assert_eq!(said, answer, "from {ns}");
    }

    /// What the server says: `NAME peer asked`.
    pub(crate) fn ask(&self, ns: &str, to: &str) -> String {
        match self.connect(ns, to, SOON) {
            Ok(mut stream) => conversation(&mut stream),
            Err(error) => format!("no connection: {error}"),
        }
    }

    /// Demands that the server is reached and sees the address.
    pub(crate) fn reaches(&self, ns: &str, to: &str, server: &str, seen_as: &str) {
        assert_eq!(
            self.ask(ns, to),
            format!("{server} {seen_as} {to}"),
            "from {ns}"
        );
    }

    /// Demands that no connection is made (silence or refusal).
    pub(crate) fn blocked(&self, ns: &str, to: &str) {
        if let Ok(mut stream) = self.connect(ns, to, NEVER) {
            panic!("{ns} reached {to}: {}", conversation(&mut stream));
        }
    }
}

/// Answers whoever connects.
pub(crate) fn answer_all(listener: TcpListener, name: &'static str) {
    // Ends with the process; the tests' servers are few.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || answer(stream, name));
        }
    });
}

/// Sends a line and reads the answer.
pub(crate) fn conversation(stream: &mut TcpStream) -> String {
    let mut buffer = [0u8; 256];
    if let Err(error) = stream.write_all(b"?") {
        return format!("no question: {error}");
    }
    match stream.read(&mut buffer) {
        Ok(count) => String::from_utf8_lossy(&buffer[..count]).into_owned(),
        Err(error) => format!("no answer: {error}"),
    }
}

fn answer(mut stream: TcpStream, name: &str) {
    let peer = stream.peer_addr().unwrap().ip();
    let asked = stream.local_addr().unwrap();
    let mut buffer = [0u8; 16];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
        if stream
            .write_all(format!("{name} {peer} {asked}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let agent = self
            .agent
            .take()
            .or_else(|| Agent::find(&self.options.state_dir).ok()?);
        if let Some(agent) = agent {
            let result = agent.shutdown();
            wait(|| !self.options.state_dir.join(SOCKET).exists());
            if !thread::panicking() {
                result.unwrap();
            }
        }
    }
}

/// A lab, or the end of the test.
macro_rules! lab {
    () => {
        match $crate::lab::Lab::new() {
            Ok(lab) => lab,
            Err(outcome) => return outcome,
        }
    };
}
pub(crate) use lab;

/// Waits until something holds.
pub(crate) fn wait(holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + SOON;
    while !holds() {
        assert!(std::time::Instant::now() < end, "waited in vain");
        thread::sleep(Duration::from_millis(2));
    }
}

fn connect(socket: Socket, to: &str, within: Duration) -> std::io::Result<TcpStream> {
    let to: SocketAddr = to.parse().unwrap();
    socket.connect_timeout(&SockAddr::from(to), within)?;
    socket.set_nonblocking(false)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}
