//! What passes through the network: the kernel's own counters, told by interface and endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adit_model::EndpointKind;
use adit_net::client::{Agent, AgentError};
use adit_net::protocol::{Count, LinkCount};
use adit_net::render;
use adit_plane::metrics::{Kind, Metrics, Sample};
use adit_snapshot::{PortUser, Snapshot, VpcView};
use tokio::sync::watch;

use super::net::Placed;

/// How old the numbers for monitors may be. Reading them takes a look at every VPC's router.
const PERIOD: Duration = Duration::from_secs(5);

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

/// What was counted, everywhere.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// By interface and gateway endpoint.
    pub rows: Vec<Row>,
    /// Packets that filters dropped, by VPC and the filter's own words.
    pub drops: BTreeMap<(String, String), u64>,
}

/// Reads all counters; blocking.
pub fn read(agent: &Agent, snapshot: &Snapshot) -> Result<Traffic, AgentError> {
    let mut traffic = Traffic::default();
    for view in snapshot.vpcs() {
        let counters = agent.counters(&render::place::router(&view.vpc.id))?;
        let vpc = view.vpc.id.to_string();
        for rule in counters.rules {
            let reason = rule.comment.unwrap_or(rule.chain);
            *traffic.drops.entry((vpc.clone(), reason)).or_default() += rule.count.packets;
        }
        rows(view, &counters.links, &mut traffic.rows);
    }
    Ok(traffic)
}

fn rows(view: &VpcView, links: &BTreeMap<String, LinkCount>, rows: &mut Vec<Row>) {
    let vpc = view.vpc.id.to_string();
    for port in &view.ports {
        let Some(link) = links.get(&render::place::port_device(&port.interface.id)) else {
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

/// Keeps the numbers for monitors fresh, for as long as the network plane runs.
pub async fn run(mut placed: watch::Receiver<Placed>, metrics: Metrics) {
    let held: Arc<Mutex<Traffic>> = Arc::default();
    register(&metrics, &held);
    loop {
        let now = placed.borrow_and_update().clone();
        if let (Some(agent), Some(snapshot)) = (now.agent, now.snapshot) {
            let work = tokio::task::spawn_blocking(move || read(&agent, &snapshot));
            if let Ok(Ok(traffic)) = work.await {
                *held.lock().unwrap_or_else(PoisonError::into_inner) = traffic;
            }
        }
        tokio::time::sleep(PERIOD).await;
        if placed.has_changed().is_err() {
            return;
        }
    }
}

fn register(metrics: &Metrics, held: &Arc<Mutex<Traffic>>) {
    let sampled = |held: &Arc<Mutex<Traffic>>, make: fn(&Traffic) -> Vec<Sample>| {
        let held = Arc::clone(held);
        move || make(&held.lock().unwrap_or_else(PoisonError::into_inner))
    };
    const INTERFACE: &[&str] = &["network_interface_id", "subnet_id", "vpc_id", "direction"];
    metrics.sampled(
        "adit_interface_bytes_total",
        Kind::Counter,
        "Bytes into and out of a network interface.",
        INTERFACE,
        sampled(held, |traffic| by_interface(traffic, |count| count.bytes)),
    );
    metrics.sampled(
        "adit_interface_packets_total",
        Kind::Counter,
        "Packets into and out of a network interface.",
        INTERFACE,
        sampled(held, |traffic| by_interface(traffic, |count| count.packets)),
    );
    metrics.sampled(
        "adit_endpoint_bytes_processed_total",
        Kind::Counter,
        "Bytes through a VPC endpoint in both directions: CloudWatch's BytesProcessed.",
        &[
            "endpoint_type",
            "service_name",
            "vpc_endpoint_id",
            "vpc_id",
            "subnet_id",
        ],
        sampled(held, by_endpoint),
    );
    metrics.sampled(
        "adit_packets_dropped_total",
        Kind::Counter,
        "Packets that a VPC's filters dropped, by the filter: PacketsDropped of the whole VPC.",
        &["vpc_id", "filter"],
        sampled(held, |traffic| {
            let drops = traffic.drops.iter();
            drops
                .map(|((vpc, why), n)| (vec![vpc.clone(), why.clone()], *n))
                .collect()
        }),
    );
}

fn by_interface(traffic: &Traffic, number: fn(&Count) -> u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for row in &traffic.rows {
        let (Some(interface), Some(subnet)) = (&row.interface, &row.subnet) else {
            continue;
        };
        for (direction, count) in [("in", &row.into), ("out", &row.out)] {
            let labels = [interface, subnet, &row.vpc].map(String::clone);
            let labels = labels.into_iter().chain([direction.to_string()]).collect();
            samples.push((labels, number(count)));
        }
    }
    samples
}

fn by_endpoint(traffic: &Traffic) -> Vec<Sample> {
    let rows = traffic.rows.iter();
    rows.filter_map(|row| {
        let endpoint = row.endpoint.as_ref()?;
        let labels = vec![
            endpoint.kind.to_string(),
            endpoint.service.clone(),
            endpoint.id.clone(),
            row.vpc.clone(),
            row.subnet.clone().unwrap_or_default(),
        ];
        Some((labels, row.into.bytes + row.out.bytes))
    })
    .collect()
}
