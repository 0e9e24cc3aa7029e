//! The steps of a plan, and how people read them.

use std::fmt;

use crate::desired::{
    Address, Lent, Link, LinkKind, Mac, Neighbour, Nexthop, NexthopTarget, PolicyRule, Route,
};
use crate::nft::change::Change;

/// One thing to do in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) ns: String,
    pub(crate) act: Act,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    AddNamespace,
    RemoveNamespace,
    Set {
        key: String,
        value: String,
    },
    Filter(Box<Change>),
    AddLink(Box<Link>),
    RemoveLink(String),
    /// Take a device of the host in.
    Take(Lent),
    /// Put a device of the host back.
    PutBack(String),
    /// All links of ours whose near (or far) ends are here.
    RemoveLinks {
        far: bool,
    },
    SetLink {
        name: String,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    AddAltname {
        name: String,
        alt: String,
    },
    RemoveAltname {
        name: String,
        alt: String,
    },
    AddAddress(Address),
    RemoveAddress(Address),
    PutNeighbour(Neighbour),
    RemoveNeighbour(Neighbour),
    PutNexthop(Nexthop),
    RemoveNexthop(u32),
    PutRoute(Route),
    RemoveRoute(Route),
    AddRule(PolicyRule),
    RemoveRule(PolicyRule),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.ns)?;
        match &self.act {
            Act::AddNamespace => write!(f, "add namespace"),
            Act::RemoveNamespace => write!(f, "remove namespace"),
            Act::Set { key, value } => write!(f, "set {key} = {value}"),
            Act::Filter(change) => write!(f, "{change}"),
            Act::AddLink(link) => {
                let LinkKind::Veth {
                    peer_ns, peer_name, ..
                } = &link.kind;
                write!(f, "add link {} to {peer_name} in {peer_ns}", link.name)
            }
            Act::Take(lent) => write!(f, "take {} from the host as {}", lent.device, lent.name),
            Act::PutBack(name) => write!(f, "put {name} back to the host"),
            Act::RemoveLink(name) => write!(f, "remove link {name}"),
            Act::RemoveLinks { far } => {
                write!(
                    f,
                    "remove all links whose {} ends are here",
                    if *far { "far" } else { "near" }
                )
            }
            Act::SetLink { name, mac, mtu } => {
                write!(f, "set link {name} up")?;
                mac.map_or(Ok(()), |mac| write!(f, " mac {mac}"))?;
                mtu.map_or(Ok(()), |mtu| write!(f, " mtu {mtu}"))
            }
            Act::AddAltname { name, alt } => write!(f, "name link {name} also {alt}"),
            Act::RemoveAltname { name, alt } => write!(f, "name link {name} no longer {alt}"),
            Act::AddAddress(a) => write!(f, "add address {} on {}", a.address, a.device),
            Act::RemoveAddress(a) => write!(f, "remove address {} on {}", a.address, a.device),
            Act::PutNeighbour(n) => write!(f, "set neighbour {} on {}", n.address, n.device),
            Act::RemoveNeighbour(n) => write!(f, "remove neighbour {} on {}", n.address, n.device),
            Act::PutNexthop(n) => write!(f, "set nexthop {} {}", n.id, n.target),
            Act::RemoveNexthop(id) => write!(f, "remove nexthop {id}"),
            Act::PutRoute(route) => write!(f, "set route {route}"),
            Act::RemoveRoute(route) => write!(f, "remove route {route}"),
            Act::AddRule(rule) => write!(f, "add rule {rule}"),
            Act::RemoveRule(rule) => write!(f, "remove rule {rule}"),
        }
    }
}

impl Act {
    /// The device whose number the step needs.
    pub(crate) fn device(&self) -> Option<&str> {
        match self {
            Self::AddAddress(a) | Self::RemoveAddress(a) => Some(&a.device),
            Self::PutNeighbour(n) | Self::RemoveNeighbour(n) => Some(&n.device),
            Self::PutRoute(route) => route.device.as_deref(),
            Self::PutNexthop(Nexthop { target, .. }) => match target {
                NexthopTarget::Via { device, .. } | NexthopTarget::Device { device, .. } => {
                    Some(device)
                }
                NexthopTarget::Blackhole { .. } => None,
            },
            _ => None,
        }
    }

    /// Whether it takes something away, so that not finding it is success.
    pub(crate) fn removes(&self) -> bool {
        matches!(
            self,
            Self::RemoveNamespace
                | Self::RemoveLink(_)
                | Self::RemoveLinks { .. }
                | Self::RemoveAltname { .. }
                | Self::RemoveAddress(_)
                | Self::RemoveNeighbour(_)
                | Self::RemoveNexthop(_)
                | Self::RemoveRoute(_)
                | Self::RemoveRule(_)
        )
    }
}
