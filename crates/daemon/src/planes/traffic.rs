//! What passes through the network: the kernel's own counters, told by interface and endpoint, and by the
//! way that S3's bytes take.

mod metrics;
mod paths;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use adit_model::{EndpointKind, NetworkInterfaceId};
use adit_net::client::{Agent, AgentError};
use adit_net::protocol::{Connections, Count, Counters, LentDevice, LinkCount};
use adit_net::render;
use adit_net::render::count::tally;
use adit_snapshot::{PortUser, PortView, Snapshot, Target, VpcView};

pub use metrics::run;
pub use paths::{PathRow, Way, Ways};

/// What passed through one place since its device was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The VPC.
    pub vpc: String,
    /// The subnet; none for a gateway endpoint.
    pub subnet: Option<String>,
    /// The interface; none for a gateway endpoint.
    pub interface: Option<String>,
    /// The endpoint that it belongs to, or is.
    pub endpoint: Option<EndpointLabels>,
    /// Towards the host or endpoint.
    pub into: Count,
    /// From it.
    pub out: Count,
    /// Its connections.
    pub connections: Tallied,
}

/// What CloudWatch tells endpoints apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointLabels {
    /// `Gateway` or `Interface`.
    pub kind: &'static str,
    /// The service's name.
    pub service: String,
    /// The endpoint's id.
    pub id: String,
}

/// What is counted of connections at one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallied {
    /// TCP connections that are being opened or stand.
    pub active: u64,
    /// Connections that were let through towards it.
    pub new_into: u64,
    /// Connections that were let through from it.
    pub new_out: u64,
    /// Packets that its side refused.
    pub dropped: u64,
    /// Resets that it was sent.
    pub resets_into: u64,
    /// Resets that it sent.
    pub resets_out: u64,
}

/// What was counted, everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By interface and gateway endpoint.
    pub rows: Vec<Row>,
    /// Packets that filters dropped, by VPC and the filter's own words.
    pub drops: BTreeMap<(String, String), u64>,
    /// S3's bytes by the way they take.
    pub paths: Vec<PathRow>,
    /// VPCs that could not be read, and why: one whose router is gone hides no other.
    pub unread: BTreeMap<String, String>,
    /// Devices of the host that are lent and not there.
    pub absent: Vec<Absent>,
}

/// A device of the host that is lent and not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What it is lent to: an interface's id, or a site's name.
    pub holder: String,
    /// Its name at the host.
    pub device: String,
    /// Why it is not there.
    pub why: String,
}

/// Reads all counters; blocking.
///
/// # Errors
/// When the agent is gone.
pub fn read(agent: &Agent, snapshot: &Snapshot, ways: &Ways) -> Result<Traffic, AgentError> {
    let mut traffic = gather(snapshot, ways, |router| {
        Ok((agent.counters(router)?, agent.connections(router)?))
    })?;
    traffic.absent = absent(snapshot, &agent.lent_devices()?);
    Ok(traffic)
}

/// Those of the lent devices that are not there.
fn absent(snapshot: &Snapshot, devices: &[LentDevice]) -> Vec<Absent> {
    let holder = |lent: &LentDevice| {
        let site = lent.name == render::place::SITE_LAN;
        let site = lent.ns.strip_prefix("site-").filter(|_| site);
        let ports = snapshot.vpc(&lent.group).map(|view| &view.ports);
        let mut ports = ports.into_iter().flatten();
        let of = |id: &NetworkInterfaceId| render::place::port_device(id) == lent.name;
        let mut port = || ports.find(|port| of(&port.interface.id));
        let name = site.map(str::to_string);
        name.or_else(|| port().map(|port| port.interface.id.to_string()))
    };
    let missing = devices.iter().filter_map(|lent| {
        Some(Absent {
            holder: holder(lent).unwrap_or_else(|| lent.ns.clone()),
            device: lent.device.clone(),
            why: lent.absent.clone()?,
        })
    });
    missing.collect()
}

/// What every VPC's router says when it is asked by `ask`.
fn gather(
    snapshot: &Snapshot,
    ways: &Ways,
    mut ask: impl FnMut(&str) -> Result<(Counters, Connections), AgentError>,
) -> Result<Traffic, AgentError> {
    let mut traffic = Traffic::default();
    for view in snapshot.vpcs() {
        match ask(&render::place::router(&view.vpc.id)) {
            Ok((counters, connections)) => add(&mut traffic, view, ways, &counters, &connections),
            Err(lost @ AgentError::Lost(_)) => return Err(lost),
            // Not there yet, or not any more.
            Err(why) => {
                let why = super::net::chain(&why);
                traffic.unread.insert(view.vpc.id.to_string(), why);
            }
        }
    }
    Ok(traffic)
}

/// Adds what one VPC's router has counted.
fn add(
    traffic: &mut Traffic,
    view: &VpcView,
    ways: &Ways,
    counters: &Counters,
    connections: &Connections,
) {
    let vpc = view.vpc.id.to_string();
    for rule in &counters.rules {
        let reason = rule.comment.as_ref().unwrap_or(&rule.chain);
        let drops = traffic.drops.entry((vpc.clone(), reason.clone()));
        *drops.or_default() += rule.count.packets;
    }
    let mut tallied = by_device(counters);
    count_active(view, connections, &mut tallied);
    rows(view, &counters.links, &tallied, &mut traffic.rows);
    let ways = ways.of(&view.vpc.id);
    paths::add(view, &ways, counters, &mut traffic.paths);
}

/// What tallies say of each device.
fn by_device(counters: &Counters) -> HashMap<String, Tallied> {
    let mut all: HashMap<String, Tallied> = HashMap::new();
    let mut of = |device: &String, add: &dyn Fn(&mut Tallied)| {
        add(all.entry(device.clone()).or_default());
    };
    for element in &counters.tallies {
        let n = element.count.packets;
        match element.tally.as_str() {
            tally::NEW => {
                of(&element.into, &|t| t.new_out += n);
                of(&element.out, &|t| t.new_into += n);
            }
            tally::RESETS => {
                of(&element.into, &|t| t.resets_out += n);
                of(&element.out, &|t| t.resets_into += n);
            }
            tally::REFUSED_OUT => of(&element.into, &|t| t.dropped += n),
            tally::REFUSED_IN => of(&element.out, &|t| t.dropped += n),
            _ => {}
        }
    }
    all
}

/// Adds the connections that stand to both of their ends.
fn count_active(view: &VpcView, connections: &Connections, tallied: &mut HashMap<String, Tallied>) {
    let mut ports: HashMap<IpAddr, &PortView> = HashMap::new();
    for port in &view.ports {
        ports.extend(port.addresses().map(|address| (address, port)));
    }
    let mut count = |device: String, n: u64| tallied.entry(device).or_default().active += n;
    for (from, to, n) in &connections.pairs {
        let sender = ports.get(from);
        for port in [sender, ports.get(to)].into_iter().flatten() {
            count(render::place::port_device(&port.interface.id), *n);
        }
        if let Some(sender) = sender
            && let Some(device) = gateway_of(view, sender.table, *to)
        {
            count(device, *n);
        }
    }
}

/// The device of the gateway endpoint to which a route table leads an address.
fn gateway_of(view: &VpcView, table: u16, address: IpAddr) -> Option<String> {
    if view.gateways.is_empty() || view.blocks().any(|block| block.contains(&address)) {
        return None;
    }
    let table = view.tables.iter().find(|t| t.number == table)?;
    let routes = table.routes.iter();
    let routes = routes.filter(|route| route.destination.contains(&address));
    match &routes
        .max_by_key(|route| route.destination.prefix_len())?
        .target
    {
        Target::GatewayEndpoint(id) => Some(render::place::gateway_device(id)),
        _ => None,
    }
}

fn rows(
    view: &VpcView,
    links: &BTreeMap<String, LinkCount>,
    tallied: &HashMap<String, Tallied>,
    rows: &mut Vec<Row>,
) {
    let vpc = view.vpc.id.to_string();
    let connections = |device: &str| tallied.get(device).copied().unwrap_or_default();
    for port in &view.ports {
        let device = render::place::port_device(&port.interface.id);
        let Some(link) = links.get(&device) else {
            continue;
        };
        let endpoint = match &port.user {
            PortUser::Endpoint(id) => view.interfaces.iter().find(|e| e.endpoint.id == *id),
            _ => None,
        };
        rows.push(Row {
            vpc: vpc.clone(),
            subnet: Some(port.subnet.id.to_string()),
            interface: Some(port.interface.id.to_string()),
            endpoint: endpoint.map(|view| labels(&view.endpoint)),
            // The router sends what goes into the port.
            into: link.sent,
            out: link.received,
            connections: connections(&device),
        });
    }
    for gateway in &view.gateways {
        let device = render::place::gateway_device(&gateway.endpoint.id);
        if let Some(link) = links.get(&device) {
            rows.push(Row {
                vpc: vpc.clone(),
                subnet: None,
                interface: None,
                endpoint: Some(labels(&gateway.endpoint)),
                into: link.sent,
                out: link.received,
                connections: connections(&device),
            });
        }
    }
}

fn labels(endpoint: &adit_model::VpcEndpoint) -> EndpointLabels {
    EndpointLabels {
        kind: match endpoint.kind {
            EndpointKind::Gateway { .. } => "Gateway",
            _ => "Interface",
        },
        service: endpoint.service.clone(),
        id: endpoint.id.to_string(),
    }
}

#[cfg(test)]
mod tests;
