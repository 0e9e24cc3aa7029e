//! Network ACLs: asked for every packet that crosses the boundary of a subnet, in both directions,
//! without memory of connections [ec2-api §19].

use std::net::IpAddr;

use adit_model::*;
use ipnet::IpNet;

use super::{Flow, Stop};
use crate::vpc::{AclView, VpcView};

/// Asks a subnet's ACL about a packet that leaves it.
pub(super) fn leave(view: &VpcView, subnet: &Subnet, flow: &Flow) -> Result<(), Stop> {
    if is_inside(subnet, flow.destination) {
        return Ok(());
    }
    view.acl_of(&subnet.id).map_or(Ok(()), |acl| {
        decide(acl, &acl.egress, flow, flow.destination)
    })
}

/// Asks a subnet's ACL about a packet that comes in.
pub(super) fn enter(view: &VpcView, subnet: &Subnet, flow: &Flow) -> Result<(), Stop> {
    if is_inside(subnet, flow.source) {
        return Ok(());
    }
    view.acl_of(&subnet.id)
        .map_or(Ok(()), |acl| decide(acl, &acl.ingress, flow, flow.source))
}

/// What has an address of the same subnet crosses no boundary.
fn is_inside(subnet: &Subnet, other: IpAddr) -> bool {
    match other {
        IpAddr::V4(other) => subnet.cidr.contains(&other),
        IpAddr::V6(other) => subnet
            .ipv6
            .as_ref()
            .is_some_and(|b| b.cidr.contains(&other)),
    }
}

fn decide(acl: &AclView, rules: &[AclEntry], flow: &Flow, peer: IpAddr) -> Result<(), Stop> {
    let first = rules.iter().find(|rule| matches(rule, flow, peer));
    match first {
        Some(rule) if rule.allow => Ok(()),
        other => Err(Stop::Acl(acl.id.clone(), other.map(|rule| rule.number))),
    }
}

fn matches(rule: &AclEntry, flow: &Flow, peer: IpAddr) -> bool {
    let protocol = match rule.protocol {
        IpProtocol::All => true,
        protocol if protocol != flow.protocol => false,
        IpProtocol::Tcp | IpProtocol::Udp => {
            let ports = rule.ports.unwrap_or((0, u16::MAX));
            (ports.0..=ports.1).contains(&flow.port)
        }
        IpProtocol::Icmp | IpProtocol::Icmpv6 => rule
            .icmp
            .is_none_or(|(kind, _)| kind < 0 || i32::from(kind) == i32::from(flow.port)),
        IpProtocol::Number(_) => true,
    };
    let same_family = matches!(
        (rule.cidr, peer),
        (IpNet::V4(_), IpAddr::V4(_)) | (IpNet::V6(_), IpAddr::V6(_))
    );
    protocol && same_family && rule.cidr.contains(&peer)
}
