//! What daemon and agent say to each other: one JSON value per frame, file descriptors beside it.
//!
//! A frame is a 4-byte little-endian length and that many bytes of JSON. A reply that carries
//! descriptors carries them with its first byte. Frames above [`MAX_FRAME`] end the connection.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::patch::Patch;

/// Version of the protocol; an agent that speaks another one is replaced, not spoken to.
pub const VERSION: u32 = 6;
/// Largest frame in bytes: a VPC of 20,000 ports fits.
pub const MAX_FRAME: u32 = 64 * 1024 * 1024;
/// File name of the agent's socket inside the state directory.
pub const SOCKET: &str = "net-agent.sock";

/// Most sockets that one answer brings.
pub const MAX_SOCKETS: usize = 16;

/// What the daemon asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who are you?
    Hello {
        /// The caller's [`VERSION`].
        version: u32,
    },
    /// Make this the state of the group.
    Apply(Change),
    /// What would [`Request::Apply`] with a look at the whole kernel state do? Changes nothing.
    Plan {
        /// The group.
        group: String,
        /// Its whole desired state.
        desired: Desired,
    },
    /// What has the kernel lost or changed since the last apply? Changes nothing.
    Drift {
        /// The group.
        group: String,
    },
    /// Wait until somebody else changes something in a namespace, at most so many milliseconds,
    /// and put it right. Also looks at a few namespaces in turn where nothing was heard of.
    Mend {
        /// How long to wait.
        wait: u32,
    },
    /// When a namespace of this name is to be made, take the one whose descriptor comes along
    /// instead: one that somebody else made. What is in it and not ours stays as it is.
    Lend {
        /// The name that it will have here.
        ns: String,
    },
    /// Could this device be lent, by somebody in the namespace whose descriptor comes along? Changes
    /// nothing.
    Examine {
        /// Its name in the namespace in which the agent was started.
        device: String,
        /// Even if a default route leads over it.
        forced: bool,
    },
    /// Every device that is lent, and whether it is there.
    LentDevices,
    /// Remove the group's namespaces and forget it.
    Remove {
        /// The group.
        group: String,
    },
    /// Names of all groups and of their namespaces.
    ListGroups,
    /// The kernel's state of the group, for people.
    Observe {
        /// The group.
        group: String,
    },
    /// Bound and, for TCP, listening sockets, at most [`MAX_SOCKETS`].
    Listen(Vec<Listen>),
    /// A fresh unconnected socket.
    Socket(SocketSpec),
    /// Descriptors of a namespace.
    NamespaceHandle {
        /// The namespace.
        ns: String,
    },
    /// Packet and byte counts of a namespace.
    Counters {
        /// The namespace.
        ns: String,
    },
    /// The flows that a namespace's tallies have counted.
    Flows {
        /// The namespace.
        ns: String,
    },
    /// The TCP connections that a namespace tracks, by their two ends.
    Connections {
        /// The namespace.
        ns: String,
    },
    /// Remove everything and end.
    Shutdown,
    /// End and leave everything to the next agent; refused where it would not outlive this one.
    /// Keeps its form in all versions of the protocol, as [`Request::Hello`] does.
    Leave,
}

/// A new desired state of a group, whole or as a difference to the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The group: at most 64 bytes of `[a-z0-9-]`.
    pub group: String,
    /// With a number: `desired.namespaces` holds only namespaces that differ from what the group had
    /// at this revision, `patches` the others, and the reply is [`Reply::Stale`] when the agent is
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// The desired state.
    pub desired: Desired,
    /// With `base`: what differs in namespaces that are not stated as a whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patches: BTreeMap<String, Patch>,
    /// With `base`: namespaces that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Read the kernel's state of all namespaces of the group first, instead of trusting that
    /// what was applied is still there.
    #[serde(default)]
    pub check: bool,
}

/// A listening socket to be made in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The namespace.
    pub ns: String,
    /// Accept only what comes in by this device (`SO_BINDTODEVICE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The address to bind.
    pub address: IpAddr,
    /// The port to bind; 0 lets the kernel choose.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// TCP: how many connections may wait to be accepted.
    #[serde(default = "default_backlog")]
    pub backlog: u32,
    /// Accept connections to addresses that are not the namespace's own.
    #[serde(default)]
    pub transparent: bool,
    /// IPv6 socket takes no IPv4.
    #[serde(default)]
    pub v6only: bool,
}

impl Listen {
    /// A TCP listener without further wishes.
    #[must_use]
    pub fn tcp(ns: &str, address: IpAddr, port: u16) -> Self {
        Self {
            ns: ns.to_owned(),
            device: None,
            address,
            port,
            transport: Transport::Tcp,
            backlog: default_backlog(),
            transparent: false,
            v6only: address.is_ipv6(),
        }
    }

    /// A bound UDP socket without further wishes. It reports the address each datagram was sent
    /// to (`IP_PKTINFO`).
    #[must_use]
    pub fn udp(ns: &str, address: IpAddr, port: u16) -> Self {
        Self {
            transport: Transport::Udp,
            ..Self::tcp(ns, address, port)
        }
    }
}

/// An unconnected socket to be made in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketSpec {
    /// The namespace.
    pub ns: String,
    /// TCP or UDP.
    pub transport: Transport,
    /// An IPv6 socket instead of an IPv4 one.
    #[serde(default)]
    pub v6: bool,
    /// Send and receive by this device only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Mark on all packets sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// The group is as desired now.
    Applied(Applied),
    /// The agent is not at the `base` of the change: send the whole state.
    Stale,
    /// The steps that would be taken, for people.
    Plan {
        /// In order; empty when nothing is to do.
        steps: Vec<String>,
    },
    /// To [`Request::Mend`].
    Mended(Mended),
    /// To [`Request::ListGroups`].
    Groups(BTreeMap<String, Vec<String>>),
    /// To [`Request::LentDevices`].
    LentDevices(Vec<LentDevice>),
    /// Text for people.
    Text {
        /// The text.
        text: String,
    },
    /// One descriptor comes along: a socket.
    Socket,
    /// Descriptors come along: the sockets that could be made, in the order asked for. For the others
    /// it says why not.
    Sockets(Vec<Option<String>>),
    /// Descriptors come along: the network namespace, and when rootless its user namespace.
    Namespace,
    /// To [`Request::Counters`].
    Counters(Counters),
    /// To [`Request::Flows`].
    Flows(Flows),
    /// To [`Request::Connections`].
    Connections(Connections),
    /// Done, nothing to say.
    Done,
    /// Refused or failed; nothing more was done.
    Failed {
        /// One line.
        message: String,
    },
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its [`VERSION`].
    pub version: u32,
    /// Its process id.
    pub pid: u32,
    /// Whether all namespaces live in a user namespace of the agent's own.
    pub rootless: bool,
}

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The group's revision in the life of this agent, for [`Change::base`].
    pub revision: u64,
    /// How many steps were needed; 0 when the kernel was as desired.
    pub steps: usize,
    /// Namespaces in which something was done.
    pub touched: Vec<String>,
}

/// What was found changed by others and put right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// How many namespaces were looked at.
    pub looked: usize,
    /// The steps that were taken, by group.
    pub steps: BTreeMap<String, Vec<String>>,
    /// Groups that could not be put right, and why.
    pub failed: BTreeMap<String, String>,
}

/// A device of the host that is stated in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentDevice {
    /// The group of the namespace.
    pub group: String,
    /// The namespace.
    pub ns: String,
    /// The device's name there.
    pub name: String,
    /// Its name at the host.
    pub device: String,
    /// Why it is not there; none if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// Counts of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Named counters of the table.
    pub named: BTreeMap<String, Count>,
    /// Counters inside rules, in the order of the chains' rules.
    pub rules: Vec<RuleCount>,
    /// Devices by name.
    pub links: BTreeMap<String, LinkCount>,
    /// What tallies by devices have counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<TallyCount>,
}

/// One element of a tally by devices. It starts again at 0 after a time without packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyCount {
    /// The tally.
    pub tally: String,
    /// The device by which the packets came in; of a tally by mark, their mark in eight hexadecimal
    /// digits.
    pub into: String,
    /// The device by which they left, or would have left; of a tally by mark, the device that it
    /// tells.
    pub out: String,
    /// How many there were.
    pub count: Count,
}

/// What tallies by flow have counted since the elements were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// Every element.
    pub flows: Vec<FlowCount>,
    /// Tallies that had no room left: some flows are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<String>,
}

/// One element of a tally by flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCount {
    /// The tally.
    pub tally: String,
    /// The device by which the packets came in.
    pub into: String,
    /// The device by which they left, or would have left.
    pub out: String,
    /// Their source.
    pub source: IpAddr,
    /// Their destination.
    pub destination: IpAddr,
    /// The number of the transport protocol.
    pub protocol: u8,
    /// The TCP flags FIN, SYN, RST and ACK, where the tally tells them apart.
    #[serde(default)]
    pub flags: u8,
    /// Source port; 0 for what has none.
    pub source_port: u16,
    /// Destination port; 0 for what has none.
    pub destination_port: u16,
    /// How many there were.
    pub count: Count,
    /// How many milliseconds ago the last packet came.
    pub idle: u64,
}

/// TCP connections that are being opened or stand, by their two ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Who opened them, whereto, and how many of them there are.
    pub pairs: Vec<(IpAddr, IpAddr, u64)>,
    /// Connections of further pairs, which are not told apart.
    #[serde(default)]
    pub others: u64,
}

/// A pair of counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say all")]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

/// The counter of a rule. It starts again at 0 when its chain changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The chain.
    pub chain: String,
    /// The rule's place in its chain, from 0.
    pub index: usize,
    /// The rule's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What it counted.
    pub count: Count,
}

/// Counts of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCount {
    /// What came in.
    pub received: Count,
    /// What went out.
    pub sent: Count,
}

fn default_backlog() -> u32 {
    4096
}
