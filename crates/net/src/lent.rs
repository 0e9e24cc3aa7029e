//! Devices that somebody else made, taken into one of our namespaces and put back where they were.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::{IpFamily, Namespace, Nexthop, NexthopTarget, Route, RouteKind};
use crate::observe::device_of_sysctl;

/// A device of the network namespace in which the agent was started. While it is stated it is here; then
/// it goes back with its old name. What is stated on it holds while it is there: without it, its
/// addresses and neighbours are left out and its routes drop packets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lent {
    /// Its name here, as for a link.
    pub name: String,
    /// Its name where it comes from: 1 to 15 bytes without `/`, `:` and white space.
    pub device: String,
    /// Take it although a default route of that namespace leads over it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// What a device was before it was taken. It carries that itself, as its alias, so that every later agent
/// can put it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) device: String,
    pub(crate) up: bool,
    pub(crate) group: u32,
    pub(crate) alias: String,
}

/// What an alias of ours begins with.
const MARK: &str = "adit-lent";
/// Bytes of an alias that the kernel keeps.
const LONGEST: usize = 255;

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = if self.up { "up" } else { "down" };
        let text = format!("{MARK} {up} {} {}", self.group, self.device);
        let whole = format!("{text} {}", self.alias);
        // An alias of the owner's that leaves no room is forgotten.
        f.write_str(match whole.len() <= LONGEST && !self.alias.is_empty() {
            true => &whole,
            false => &text,
        })
    }
}

impl Origin {
    /// What an alias says, if it is one of ours.
    pub(crate) fn parse(alias: &str) -> Option<Self> {
        let mut parts = alias.splitn(5, ' ');
        if parts.next() != Some(MARK) {
            return None;
        }
        Some(Self {
            up: parts.next()? == "up",
            group: parts.next()?.parse().ok()?,
            device: parts.next().filter(|name| !name.is_empty())?.to_owned(),
            alias: parts.next().unwrap_or_default().to_owned(),
        })
    }
}

impl Namespace {
    /// What is to be there while some devices are not.
    pub(crate) fn without(&self, absent: &BTreeSet<&str>) -> Self {
        let gone = |device: &str| absent.contains(device);
        let mut rest = self.clone();
        let about = |key: &String| device_of_sysctl(key).is_some_and(gone);
        rest.sysctls.retain(|key, _| !about(key));
        rest.addresses.retain(|address| !gone(&address.device));
        rest.neighbours.retain(|neighbour| !gone(&neighbour.device));
        for Nexthop { target, .. } in &mut rest.nexthops {
            let family = match &*target {
                NexthopTarget::Via { gateway, device } if gone(device) => IpFamily::of(*gateway),
                NexthopTarget::Device { device, family } if gone(device) => *family,
                _ => continue,
            };
            *target = NexthopTarget::Blackhole { family };
        }
        for route in &mut rest.routes {
            if route.device.as_deref().is_some_and(gone) {
                *route = Route {
                    kind: RouteKind::Blackhole,
                    table: route.table,
                    metric: route.metric,
                    ..Route::to(route.destination)
                };
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_says_where_a_device_belongs() {
        let origin = Origin {
            device: "veth 7".replace(' ', ""),
            up: true,
            group: 3,
            alias: "behind the door".into(),
        };
        assert_eq!(origin.to_string(), "adit-lent up 3 veth7 behind the door");
        for alias in ["", "a", "behind the  door"] {
            for up in [true, false] {
                let origin = Origin {
                    up,
                    alias: alias.into(),
                    ..origin.clone()
                };
                assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
            }
        }
        let long = Origin {
            alias: "x".repeat(255),
            ..origin.clone()
        };
        assert_eq!(Origin::parse(&long.to_string()).unwrap().alias, "");
        for strange in [
            "",
            "adit-lent",
            "adit-lent up",
            "adit-lent up x veth7",
            "wan up 0 veth7",
        ] {
            assert_eq!(Origin::parse(strange), None, "{strange}");
        }
    }
}
