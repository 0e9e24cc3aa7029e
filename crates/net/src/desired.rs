//! The desired state of the kernel, as plain data.
//!
//! A caller states the whole of one *group* of namespaces (for example a VPC: its router, its
//! endpoints, its internet gateway, its instances) and the agent makes it true. Nothing here knows
//! AWS; everything here can be written down as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use crate::lent::Lent;
use crate::nft::Table;

/// Kernel number of the `main` routing table.
pub const TABLE_MAIN: u32 = 254;
/// Kernel number of the `local` routing table, where the kernel keeps its own addresses.
pub const TABLE_LOCAL: u32 = 255;
/// The metric that makes a route lose against every other one of the same prefix.
pub const METRIC_LAST: u32 = u32::MAX;

/// Everything that one group of namespaces shall contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// The namespaces of the group by name. Names are unique in the whole installation and at
    /// most 64 bytes of `[a-z0-9-]`. A namespace that the group had and that is absent here is
    /// removed.
    pub namespaces: BTreeMap<String, Namespace>,
    /// What the group puts on the far ends of its own links where these ends lie in a namespace
    /// of *another* group (the shared internet namespace, for example).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, Attachment>,
}

/// The content of one network namespace. Loopback is always up and needs no [`Link`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespace {
    /// Settings below `/proc/sys/net`, with `/` between the parts: `ipv4/ip_forward` → `1`,
    /// `ipv4/neigh/p-i1/proxy_delay` → `0`. Those that name a device are set after it exists.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Links whose near end is here. A veth pair is stated once, at its near end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Devices that somebody else made and that are here for a while.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lent: Vec<Lent>,
    /// Addresses of devices here, far ends of other namespaces' links and `lo` included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Routes, in any table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Policy rules: which packet asks which table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PolicyRule>,
    /// Nexthop objects that routes name by [`Route::nexthop`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nexthops: Vec<Nexthop>,
    /// Permanent neighbours, and addresses that a device answers ARP/ND for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
    /// The one nftables table of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nft: Option<Table>,
}

/// What a group states about the far ends of its links in a namespace of another group. All
/// entries must name such a far end as their device; they vanish together with the link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachment {
    /// Settings that name a far end: `ipv4/conf/DEVICE/…` or `ipv4/neigh/DEVICE/…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Addresses of the far ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Routes through the far ends. [`Route::device`] must be given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Neighbours behind the far ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
}

/// A network device and what it is connected to. It is always set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Kernel name, 1 to 15 bytes of `[a-zA-Z0-9._-]`, unique in its namespace.
    pub name: String,
    /// A second, longer name (at most 127 bytes), usually the AWS id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altname: Option<String>,
    /// Ethernet address; without one the kernel chooses at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Largest packet in bytes, for both ends of a veth pair; without one the kernel's 1500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// What kind of device it is.
    pub kind: LinkKind,
}

/// The kinds of device that the agent can make.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkKind {
    /// A cable between two namespaces.
    Veth {
        /// The namespace of the far end: of this group, or one of another group that exists.
        peer_ns: String,
        /// The far end's name there.
        peer_name: String,
        /// The far end's Ethernet address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer_mac: Option<Mac>,
    },
}

/// An address of a device. Where a device has several of one prefix, the namespace needs the setting
/// `ipv4/conf/all/promote_secondaries` = 1: else the first one takes the others along when it goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The device's name.
    pub device: String,
    /// Address and prefix length. IPv6 addresses are added without duplicate detection.
    pub address: IpNet,
}

/// A route. Within a namespace (table, destination, metric) is unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The prefix; host bits must be zero.
    pub destination: IpNet,
    /// Kernel table number.
    #[serde(default = "main_table", skip_serializing_if = "is_main_table")]
    pub table: u32,
    /// Lower wins among routes of the same prefix. IPv6 routes must not use 0 (the kernel would
    /// read it as 1024).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub metric: u32,
    /// What happens to a packet that takes the route.
    #[serde(default, skip_serializing_if = "RouteKind::is_unicast")]
    pub kind: RouteKind,
    /// The next router, reached through `device` without further check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The device to leave by; needed for unicast routes without `nexthop` and for local routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// A [`Nexthop::id`] instead of `via` and `device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop: Option<u32>,
    /// The source address that local senders take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

impl Route {
    /// A unicast route in table `main` that leads nowhere yet: fill in the rest by struct update.
    #[must_use]
    pub fn to(destination: IpNet) -> Self {
        Self {
            destination,
            table: TABLE_MAIN,
            metric: 0,
            kind: RouteKind::Unicast,
            via: None,
            device: None,
            nexthop: None,
            source: None,
        }
    }
}

/// What a route does with a packet.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Sends it on.
    #[default]
    Unicast,
    /// Takes it as addressed to this namespace (AnyIP).
    Local,
    /// Drops it silently.
    Blackhole,
    /// Refuses it with ICMP host unreachable.
    Unreachable,
    /// Leaves this table and goes on with the next rule.
    Throw,
}

impl RouteKind {
    fn is_unicast(&self) -> bool {
        *self == Self::Unicast
    }
}

/// An address family.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum IpFamily {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// A rule that sends packets to a routing table.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Order among the rules; the kernel's own are 0 (local), 32766 (main) and 32767 (default).
    pub priority: u32,
    /// Which packets it is for.
    #[serde(default)]
    pub family: IpFamily,
    /// The packet's mark must equal this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// The packet came in by this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// The local sender's socket is bound to this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// The packet's source lies in this prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
    /// The packet's destination lies in this prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<IpNet>,
    /// The table to ask.
    pub table: u32,
}

/// A nexthop object: one message re-points all routes that name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nexthop {
    /// Its number in the namespace, not 0.
    pub id: u32,
    /// Where it leads.
    pub target: NexthopTarget,
}

/// Where a [`Nexthop`] leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NexthopTarget {
    /// To a router behind a device.
    Via {
        /// The router.
        gateway: IpAddr,
        /// The device.
        device: String,
    },
    /// Straight out of a device.
    Device {
        /// The device.
        device: String,
        /// The family of the routes that may use it.
        #[serde(default)]
        family: IpFamily,
    },
    /// Nowhere: packets are dropped, and do not fall through to a less specific route.
    Blackhole {
        /// The family of the routes that may use it.
        #[serde(default)]
        family: IpFamily,
    },
}

/// A permanent neighbour entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// The device behind which the neighbour is.
    pub device: String,
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its Ethernet address. Without one the entry is a *proxy* entry: the device itself answers
    /// ARP or ND requests for `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
}

/// An Ethernet address, written `02:00:00:00:00:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<Self, InvalidMac> {
        text.parse()
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut octets = [0u8; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2);
            *octet = part
                .and_then(|p| u8::from_str_radix(p, 16).ok())
                .ok_or_else(|| InvalidMac(text.to_owned()))?;
        }
        if parts.next().is_some() {
            return Err(InvalidMac(text.to_owned()));
        }
        Ok(Self(octets))
    }
}

/// A text that is no Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Ethernet address like 02:00:00:00:00:01")]
pub struct InvalidMac(String);

impl Desired {
    /// The far ends of this group's links, by namespace.
    pub(crate) fn far_ends(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut ends: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for namespace in self.namespaces.values() {
            for link in &namespace.links {
                let LinkKind::Veth {
                    peer_ns, peer_name, ..
                } = &link.kind;
                ends.entry(peer_ns).or_default().insert(peer_name);
            }
        }
        ends
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RouteKind::Unicast => "",
            RouteKind::Local => "local ",
            RouteKind::Blackhole => "blackhole ",
            RouteKind::Unreachable => "unreachable ",
            RouteKind::Throw => "throw ",
        };
        write!(f, "{kind}{}", self.destination)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        if let Some(id) = self.nexthop {
            write!(f, " nexthop {id}")?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        write!(f, " table {}", self.table)?;
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        if let Some(mark) = self.mark {
            write!(f, " mark {mark:#x}")?;
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        write!(f, " table {}", self.table)
    }
}

impl fmt::Display for NexthopTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Via { gateway, device } => write!(f, "via {gateway} dev {device}"),
            Self::Device { device, .. } => write!(f, "dev {device}"),
            Self::Blackhole { .. } => write!(f, "blackhole"),
        }
    }
}

fn main_table() -> u32 {
    TABLE_MAIN
}

fn is_main_table(table: &u32) -> bool {
    *table == TABLE_MAIN
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_texts() {
        let mac: Mac = "02:00:0a:00:01:ff".parse().unwrap();
        assert_eq!(mac, Mac([2, 0, 10, 0, 1, 255]));
        assert_eq!(mac.to_string(), "02:00:0a:00:01:ff");
        for bad in [
            "",
            "02:00:0a:00:01",
            "02:00:0a:00:01:ff:00",
            "2:0:a:0:1:f",
            "02:00:0a:00:01:zz",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_round_trip_is_compact() {
        let route = Route {
            device: Some("p-i1".into()),
            ..Route::to("10.0.1.10/32".parse().unwrap())
        };
        let json = serde_json::to_string(&route).unwrap();
        assert_eq!(json, r#"{"destination":"10.0.1.10/32","device":"p-i1"}"#);
        assert_eq!(serde_json::from_str::<Route>(&json).unwrap(), route);
        let link = Link {
            name: "vpce-1".into(),
            altname: Some("vpce-0123456789abcdef0".into()),
            mac: None,
            mtu: Some(8500),
            kind: LinkKind::Veth {
                peer_ns: "e".into(),
                peer_name: "eth0".into(),
                peer_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            },
        };
        let json = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<Link>(&json).unwrap(), link);
    }
}
