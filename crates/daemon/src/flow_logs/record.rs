//! Records as lines of text, in the format that their log states.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use adit_model::{FlowField, FlowLog, NetworkInterfaceId, net};
use adit_net::render::place;
use adit_snapshot::{PortView, Snapshot, VpcView};

use super::gather::{Key, Sum, Window, ports};

/// What stands for a value that there is none of.
const NONE: &str = "-";
/// Interfaces that are told to have had nothing to say, in one time.
const MOST_SILENT: usize = 10_000;

/// The records of a time that is over. An interface without packets has one that says so.
pub(super) fn records(
    log: &Arc<FlowLog>,
    view: &VpcView,
    snapshot: &Snapshot,
    window: &Window,
) -> Vec<Line> {
    let fields = FlowField::parse(&log.format).unwrap_or_default();
    let writer = Writer {
        version: FlowField::version_of(&fields),
        fields,
        log,
        view,
        snapshot,
        window,
    };
    let mut sums: Vec<&(Key, Sum)> = window.sums.iter().collect();
    sums.sort_by(|a, b| (a.1.first, &a.0).cmp(&(b.1.first, &b.0)));
    let mut heard: BTreeSet<&NetworkInterfaceId> = BTreeSet::new();
    let mut lines = Vec::with_capacity(sums.len());
    for (key, sum) in sums {
        // The interface may be gone by now; its packets are not.
        if let Some(port) = view.port(&key.interface) {
            heard.insert(&key.interface);
            lines.push(writer.line(port, Some((key, sum)), "OK"));
        }
    }
    let silent = ports(log, view).filter(|port| !heard.contains(&port.interface.id));
    for port in silent.take(MOST_SILENT) {
        let status = match window.skipped {
            true => "SKIPDATA",
            false => "NODATA",
        };
        lines.push(writer.line(port, None, status));
    }
    if window.skipped
        && let Some(port) = ports(log, view).find(|p| heard.contains(&p.interface.id))
    {
        lines.push(writer.line(port, None, "SKIPDATA"));
    }
    lines
}

/// A record, and the interface that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) interface: String,
    pub(super) text: String,
}

struct Writer<'a> {
    fields: Vec<FlowField>,
    version: u8,
    log: &'a FlowLog,
    view: &'a VpcView,
    snapshot: &'a Snapshot,
    window: &'a Window,
}

impl Writer<'_> {
    fn line(&self, port: &PortView, sum: Option<(&Key, &Sum)>, status: &str) -> Line {
        let fields = self.fields.iter();
        let words: Vec<String> = fields
            .map(|field| self.word(*field, port, sum, status))
            .collect();
        Line {
            interface: port.interface.id.to_string(),
            text: words.join(" "),
        }
    }

    fn word(
        &self,
        field: FlowField,
        port: &PortView,
        sum: Option<(&Key, &Sum)>,
        status: &str,
    ) -> String {
        let eni = &port.interface;
        let none = || NONE.to_owned();
        match field {
            FlowField::Version => self.version.to_string(),
            FlowField::AccountId => self.log.owner.to_string(),
            FlowField::InterfaceId => eni.id.to_string(),
            FlowField::LogStatus => status.to_owned(),
            FlowField::VpcId => eni.vpc.to_string(),
            FlowField::SubnetId => eni.subnet.to_string(),
            // Hosts here are namespaces and containers: there are no EC2 instances.
            FlowField::InstanceId => none(),
            FlowField::Region => self.view.vpc.region.to_string(),
            FlowField::AzId => {
                let zone = self.snapshot.intent.zone_id(&port.subnet.zone);
                zone.unwrap_or_else(none)
            }
            FlowField::SublocationType | FlowField::SublocationId => none(),
            FlowField::Start => {
                let first = sum.map_or(self.window.begin, |(_, sum)| sum.first);
                seconds(first)
            }
            FlowField::End => {
                let last = sum.map_or(self.window.end, |(_, sum)| sum.last);
                seconds(last)
            }
            _ => match sum {
                Some((key, sum)) => self.of_packets(field, port, key, sum),
                None => none(),
            },
        }
    }

    fn of_packets(&self, field: FlowField, port: &PortView, key: &Key, sum: &Sum) -> String {
        match field {
            // The interface's own end is shown as the interface's address; the packets' own may be
            // another one, where the interface forwards for others.
            FlowField::SrcAddr if !key.ingress => own(port, key.source),
            FlowField::DstAddr if key.ingress => own(port, key.destination),
            FlowField::SrcAddr | FlowField::PktSrcAddr => key.source.to_string(),
            FlowField::DstAddr | FlowField::PktDstAddr => key.destination.to_string(),
            FlowField::SrcPort => key.source_port.to_string(),
            FlowField::DstPort => key.destination_port.to_string(),
            FlowField::Protocol => key.protocol.to_string(),
            FlowField::Packets => sum.count.packets.to_string(),
            FlowField::Bytes => sum.count.bytes.to_string(),
            FlowField::Action if key.accept => "ACCEPT".into(),
            FlowField::Action => "REJECT".into(),
            FlowField::TcpFlags => match key.protocol {
                6 => sum.flags.to_string(),
                _ => "0".into(),
            },
            FlowField::Type if key.source.is_ipv4() => "IPv4".into(),
            FlowField::Type => "IPv6".into(),
            FlowField::PktSrcAwsService => self.service(key.source),
            FlowField::PktDstAwsService => self.service(key.destination),
            FlowField::FlowDirection if key.ingress => "ingress".into(),
            FlowField::FlowDirection => "egress".into(),
            FlowField::TrafficPath => self.path(key).to_owned(),
            _ => NONE.into(),
        }
    }

    /// Whose public address it is, among AWS's services.
    fn service(&self, address: IpAddr) -> String {
        let address = match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(address) => net::public_ipv4(address),
        };
        let within = |address| self.view.s3_blocks.iter().any(|b| b.contains(&address));
        let s3 = address.is_some_and(within);
        let name = if s3 { "S3" } else { NONE };
        name.to_owned()
    }

    /// The way that packets take out of an interface: AWS's numbers, for interfaces of Nitro instances.
    fn path(&self, key: &Key) -> &'static str {
        if key.ingress {
            return NONE;
        }
        let view = self.view;
        let gateway = |device: &str| {
            let mut gateways = view.gateways.iter();
            gateways.any(|g| place::gateway_device(&g.endpoint.id) == device)
        };
        match key.beyond.as_str() {
            device if device == place::INTERNET_GATEWAY_DEVICE => "8",
            device if gateway(device) => "7",
            device => {
                if view
                    .sites
                    .iter()
                    .any(|s| place::site_device(s.number) == device)
                {
                    return "3";
                }
                let peering = view
                    .peerings
                    .iter()
                    .find(|p| place::peering_device(p.number) == device);
                match peering {
                    Some(peering) => {
                        let connection = &peering.connection;
                        let regions = [&connection.requester.region, &connection.accepter.region];
                        if regions[0] == regions[1] { "4" } else { "5" }
                    }
                    None => "1",
                }
            }
        }
    }
}

/// The address if it is the interface's, or else its first.
fn own(port: &PortView, address: IpAddr) -> String {
    match port.has(address) {
        true => address.to_string(),
        false => match (address, port.interface.ipv6.first()) {
            (IpAddr::V6(_), Some(first)) => first.to_string(),
            _ => port.interface.private_ip.to_string(),
        },
    }
}

fn seconds(millis: i64) -> String {
    millis.div_euclid(1000).to_string()
}
