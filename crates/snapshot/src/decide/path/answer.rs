//! Whether the answer to a packet finds back: its receiver's routes, and the network ACLs, which
//! remember no connection. Security groups do, and are not asked.

use std::net::IpAddr;

use adit_model::*;

use super::{Flow, From, Next, Stop, acl, route, sender, table, translated};
use crate::vpc::{PortUser, PortView, VpcView};

/// Follows the answer to a packet that arrives. What is beyond a gateway is taken to answer; what is
/// beyond a peering connection is to be asked of the other VPC's view.
///
/// # Errors
/// Where the answer is stopped.
pub fn answered(view: &VpcView, flow: &Flow) -> Result<(), Stop> {
    let from = sender(view, flow)?;
    match route(view, table(view, &flow.from), flow.destination)? {
        Next::Port(receiver) => {
            if let PortUser::NatGateway(_) = receiver.user {
                answered(view, &translated(receiver, flow))?;
            }
            back(view, receiver, flow)
        }
        Next::Router => Ok(()),
        Next::Internet => {
            let to = route(view, view.internet_table(), flow.source)?;
            home(view, from, to, flow)
        }
        Next::Site(name) => {
            let to = route(view, view.site_table(&name), flow.source)?;
            home(view, from, to, flow)
        }
        Next::Gateway(_) | Next::Peering(_) => match from {
            Some(port) => into(view, port, flow),
            None => Ok(()),
        },
    }
}

/// The answer of a port of this VPC to whoever sent the packet.
fn back(view: &VpcView, receiver: &PortView, flow: &Flow) -> Result<(), Stop> {
    let reply = reply(flow, receiver);
    acl::leave(view, &receiver.subnet, &reply)?;
    match (&flow.from, route(view, Some(receiver.table), flow.source)?) {
        (From::Port(id), Next::Port(port)) if port.interface.id == *id => into(view, port, flow),
        (From::Site(name), Next::Site(there)) if there == *name => Ok(()),
        (From::Peering(id), Next::Peering(there)) if there == *id => Ok(()),
        (From::Internet, Next::Internet) => Ok(()),
        // By another way: it arrives, if at all, where nobody waits for it.
        _ => Err(Stop::NoRoute),
    }
}

/// The answer from outside, at the sender's port.
fn home(view: &VpcView, from: Option<&PortView>, to: Next<'_>, flow: &Flow) -> Result<(), Stop> {
    match (from, to) {
        (Some(sender), Next::Port(port)) if port.interface.id == sender.interface.id => {
            into(view, port, flow)
        }
        (None, _) => Ok(()),
        _ => Err(Stop::NoRoute),
    }
}

/// The answer, coming into the sender's subnet.
fn into(view: &VpcView, port: &PortView, flow: &Flow) -> Result<(), Stop> {
    acl::enter(view, &port.subnet, &reversed(flow, flow.destination))
}

fn reply(flow: &Flow, receiver: &PortView) -> Flow {
    Flow {
        from: From::Port(receiver.interface.id.clone()),
        ..reversed(flow, flow.destination)
    }
}

fn reversed(flow: &Flow, source: IpAddr) -> Flow {
    let (port, source_port) = match flow.protocol {
        // The answer to an echo request.
        IpProtocol::Icmp if flow.port == 8 => (0, 0),
        IpProtocol::Icmpv6 if flow.port == 128 => (129, 0),
        _ => (flow.source_port, flow.port),
    };
    Flow {
        from: flow.from.clone(),
        source,
        destination: flow.source,
        protocol: flow.protocol,
        port,
        source_port,
    }
}
