//! Sockets on loopback, messages by hickory, and a resolver with a few names.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use adit_dns::forward::{ForwardLimits, Forwarder, LocalSockets};
use adit_dns::index::{Layer, Resolved, View, Zone};
use adit_dns::serve::{Limits, QueryLog, Server, Serving};
use adit_dns::wire::{Rcode, RecordSet, Reply, Soa};
use adit_dns::{Decision, Listener, Name, Names, Origin, Question, Upstreams};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name as HickoryName, RecordType as HickoryType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Names under `test.`: `a` has one address, `many` has 100, `out` leads to `up.far.`; `silent.`
/// is ignored; everything else goes upstream.
pub(crate) struct Resolver {
    layer: Layer,
    pub(crate) upstreams: Arc<Upstreams>,
}

impl Resolver {
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        let soa = Soa {
            primary: name("ns.test"),
            mailbox: name("root.test"),
            serial: 1,
            refresh: 2,
            retry: 3,
            expire: 4,
            minimum: 60,
        };
        let mut zone = Zone::new(name("test"), soa, 900);
        let addresses = |count: u8| (0..count).map(|last| Ipv4Addr::new(10, 0, 0, last));
        for (owner, count) in [("a.test", 1), ("many.test", 100)] {
            zone.put(&name(owner), &RecordSet::a(60, addresses(count)))
                .unwrap();
        }
        zone.put(&name("out.test"), &RecordSet::cname(5, name("up.far")))
            .unwrap();
        let mut layer = Layer::new();
        layer.put_zone(Arc::new(zone));
        Self {
            layer,
            upstreams: Arc::new(Upstreams { servers, via: 0 }),
        }
    }
}

impl Names for Resolver {
    fn answer(&self, question: &Question<'_>, _: &Origin<'_>, reply: &mut Reply<'_>) -> Decision {
        reply.set_recursion_available(true);
        if question.name == name("silent").as_ref() {
            return Decision::Ignore;
        }
        let view = View {
            private: &[],
            public: &[&self.layer],
        };
        match view.resolve(question, reply) {
            Resolved::Answered => Decision::Answer,
            Resolved::Forward(upstreams) => Decision::Forward(upstreams),
            Resolved::Outside if self.upstreams.servers.is_empty() => {
                reply.set_rcode(Rcode::REFUSED);
                Decision::Answer
            }
            Resolved::Outside => Decision::Forward(Arc::clone(&self.upstreams)),
        }
    }
}

pub(crate) fn listener() -> Listener {
    Listener {
        id: 7,
        label: "vpc-1".into(),
    }
}

pub(crate) struct Options {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) limits: Limits,
    pub(crate) forward: ForwardLimits,
    pub(crate) log: Option<Box<QueryLog>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            limits: Limits::default(),
            forward: ForwardLimits {
                attempt: Duration::from_secs(1),
                total: Duration::from_secs(4),
                in_flight: 100,
                ..ForwardLimits::default()
            },
            log: None,
        }
    }
}

/// A server with one UDP and one TCP socket on free ports of loopback.
pub(crate) fn start(options: Options) -> (Serving, Serving) {
    let forwarder = Forwarder::new(Arc::new(LocalSockets), options.forward);
    let names = Resolver::new(options.servers);
    let server = Server::new(names, Some(forwarder), options.log, options.limits);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = server.serve_udp(udp, listener()).unwrap();
    (udp, server.serve_tcp(tcp, listener()).unwrap())
}

/// A query as hickory writes it.
pub(crate) fn query(owner: &str, rtype: HickoryType, payload: Option<u16>) -> Message {
    let mut message = Message::new(0x4242, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(HickoryName::from_ascii(owner).unwrap(), rtype));
    if let Some(payload) = payload {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message
}

/// Sends over UDP and waits for the reply.
pub(crate) async fn over_udp(server: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut buf = vec![0; 65_536];
    let len = timeout(PATIENCE, socket.recv(&mut buf))
        .await
        .ok()?
        .unwrap();
    buf.truncate(len);
    Some(buf)
}

pub(crate) async fn ask_udp(server: SocketAddr, message: &Message) -> Message {
    let reply = over_udp(server, &message.to_vec().unwrap())
        .await
        .expect("no reply");
    Message::from_vec(&reply).unwrap()
}

pub(crate) fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.to_vec().unwrap();
    [
        &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..],
        &bytes,
    ]
    .concat()
}

pub(crate) async fn read_framed(stream: &mut TcpStream) -> Option<Message> {
    let len = timeout(PATIENCE, stream.read_u16())
        .await
        .expect("no reply")
        .ok()?;
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await.unwrap();
    Some(Message::from_vec(&reply).unwrap())
}

pub(crate) async fn ask_tcp(server: SocketAddr, message: &Message) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&framed(message)).await.unwrap();
    read_framed(&mut stream).await.expect("closed")
}
