//! The numbers for monitors, named after CloudWatch's for PrivateLink.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adit_net::protocol::Count;
use adit_plane::metrics::{Kind, Metrics, Sample};
use tokio::sync::watch;

use super::{EndpointLabels, Row, Tallied, Traffic, read};
use crate::planes::net::Placed;

/// How old the numbers for monitors may be. Reading them takes a look at every VPC's router.
const PERIOD: Duration = Duration::from_secs(5);

/// Keeps the numbers for monitors fresh, for as long as the network plane runs.
pub async fn run(mut placed: watch::Receiver<Placed>, metrics: Metrics) {
    let held: Arc<Mutex<Traffic>> = Arc::default();
    register(&metrics, &held);
    loop {
        let now = placed.borrow_and_update().clone();
        if let (Some(agent), Some(snapshot)) = (now.agent, now.snapshot) {
            let work = tokio::task::spawn_blocking(move || read(&agent, &snapshot, &now.ways));
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

const INTERFACE: &[&str] = &["network_interface_id", "subnet_id", "vpc_id", "direction"];
const INTERFACE_ALONE: &[&str] = &["network_interface_id", "subnet_id", "vpc_id"];
/// CloudWatch's dimensions.
const ENDPOINT: &[&str] = &[
    "endpoint_type",
    "service_name",
    "vpc_endpoint_id",
    "vpc_id",
    "subnet_id",
];

fn register(metrics: &Metrics, held: &Arc<Mutex<Traffic>>) {
    let family = |name, kind, help, labels, make: fn(&Traffic) -> Vec<Sample>| {
        let held = Arc::clone(held);
        metrics.sampled(name, kind, help, labels, move || {
            make(&held.lock().unwrap_or_else(PoisonError::into_inner))
        });
    };
    family(
        "adit_interface_bytes_total",
        Kind::Counter,
        "Bytes into and out of a network interface.",
        INTERFACE,
        |traffic| {
            both(traffic, |row| {
                pair(&row.into, &row.out, |count| count.bytes)
            })
        },
    );
    family(
        "adit_interface_packets_total",
        Kind::Counter,
        "Packets into and out of a network interface.",
        INTERFACE,
        |traffic| {
            both(traffic, |row| {
                pair(&row.into, &row.out, |count| count.packets)
            })
        },
    );
    family(
        "adit_interface_new_connections_total",
        Kind::Counter,
        "Connections that were let through towards and from a network interface.",
        INTERFACE,
        |traffic| {
            both(traffic, |row| {
                (row.connections.new_into, row.connections.new_out)
            })
        },
    );
    family(
        "adit_interface_rst_packets_total",
        Kind::Counter,
        "TCP resets that a network interface was sent and sent.",
        INTERFACE,
        |traffic| {
            both(traffic, |row| {
                (row.connections.resets_into, row.connections.resets_out)
            })
        },
    );
    family(
        "adit_interface_active_connections",
        Kind::Gauge,
        "TCP connections of a network interface that are being opened or stand.",
        INTERFACE_ALONE,
        |traffic| by_interface(traffic, |connections| connections.active),
    );
    family(
        "adit_interface_packets_dropped_total",
        Kind::Counter,
        "Packets that the security groups and the network ACL of a network interface refused.",
        INTERFACE_ALONE,
        |traffic| by_interface(traffic, |connections| connections.dropped),
    );
    family(
        "adit_endpoint_bytes_processed_total",
        Kind::Counter,
        "Bytes through a VPC endpoint in both directions: CloudWatch's BytesProcessed.",
        ENDPOINT,
        |traffic| by_endpoint(traffic, |row| row.into.bytes + row.out.bytes),
    );
    family(
        "adit_endpoint_active_connections",
        Kind::Gauge,
        "TCP connections to a VPC endpoint that are being opened or stand: CloudWatch's ActiveConnections.",
        ENDPOINT,
        |traffic| by_endpoint(traffic, |row| row.connections.active),
    );
    family(
        "adit_endpoint_new_connections_total",
        Kind::Counter,
        "Connections to a VPC endpoint that were let through: CloudWatch's NewConnections.",
        ENDPOINT,
        |traffic| by_endpoint(traffic, |row| row.connections.new_into),
    );
    family(
        "adit_endpoint_packets_dropped_total",
        Kind::Counter,
        "Packets that a VPC endpoint's side refused: CloudWatch's PacketsDropped.",
        ENDPOINT,
        |traffic| by_endpoint(traffic, |row| row.connections.dropped),
    );
    family(
        "adit_endpoint_rst_packets_received_total",
        Kind::Counter,
        "TCP resets that came from a VPC endpoint: CloudWatch's RstPacketsReceived.",
        ENDPOINT,
        |traffic| by_endpoint(traffic, |row| row.connections.resets_out),
    );
    family(
        "adit_packets_dropped_total",
        Kind::Counter,
        "Packets that a VPC's filters dropped, by the filter: PacketsDropped of the whole VPC.",
        &["vpc_id", "filter"],
        |traffic| {
            let drops = traffic.drops.iter();
            drops
                .map(|((vpc, why), n)| (vec![vpc.clone(), why.clone()], *n))
                .collect()
        },
    );
    family(
        "adit_s3_path_bytes_total",
        Kind::Counter,
        "Bytes between a subnet, site or peer and S3, by the way they take.",
        &["vpc_id", "from", "path", "through", "direction"],
        by_path,
    );
}

fn pair(into: &Count, out: &Count, number: fn(&Count) -> u64) -> (u64, u64) {
    (number(into), number(out))
}

/// The interfaces with their labels.
fn interfaces(traffic: &Traffic) -> impl Iterator<Item = (Vec<String>, &Row)> {
    traffic.rows.iter().filter_map(|row| {
        let (interface, subnet) = (row.interface.as_ref()?, row.subnet.as_ref()?);
        let labels = [interface, subnet, &row.vpc].map(String::clone);
        Some((labels.to_vec(), row))
    })
}

fn both(traffic: &Traffic, numbers: fn(&Row) -> (u64, u64)) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (labels, row) in interfaces(traffic) {
        let (into, out) = numbers(row);
        for (direction, number) in [("in", into), ("out", out)] {
            let mut labels = labels.clone();
            labels.push(direction.to_owned());
            samples.push((labels, number));
        }
    }
    samples
}

fn by_interface(traffic: &Traffic, number: fn(&Tallied) -> u64) -> Vec<Sample> {
    let found = interfaces(traffic);
    found
        .map(|(labels, row)| (labels, number(&row.connections)))
        .collect()
}

fn by_endpoint(traffic: &Traffic, number: fn(&Row) -> u64) -> Vec<Sample> {
    let labelled = |row: &Row, endpoint: &EndpointLabels| {
        vec![
            endpoint.kind.to_string(),
            endpoint.service.clone(),
            endpoint.id.clone(),
            row.vpc.clone(),
            row.subnet.clone().unwrap_or_default(),
        ]
    };
    let rows = traffic.rows.iter();
    rows.filter_map(|row| Some((labelled(row, row.endpoint.as_ref()?), number(row))))
        .collect()
}

fn by_path(traffic: &Traffic) -> Vec<Sample> {
    let mut samples = Vec::new();
    for row in &traffic.paths {
        for (direction, bytes) in [("to_s3", row.sent), ("from_s3", row.received)] {
            let labels = [
                &row.vpc,
                &row.from,
                row.way.as_str(),
                &row.through,
                direction,
            ];
            samples.push((labels.map(str::to_owned).to_vec(), bytes));
        }
    }
    samples
}
