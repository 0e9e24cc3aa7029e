//! What `adit status` and `adit top` show: how far the planes are, what is wrong, what passes.

use adit_api::Planes;
use adit_model::VpcId;
use adit_net::protocol::Count;
use adit_snapshot::Snapshot;
use adit_upstream::Upstream;
use adit_wire::{ErrorReply, Value, map};

use super::Desk;
use crate::planes::net::chain;
use crate::planes::traffic::{self, PathRow, Row};

/// Problems in an answer at most.
const SHOWN: usize = 1000;

impl Desk {
    /// Generations, planes, problems, and how much there is of what.
    pub(super) fn status(&self, snapshot: &Snapshot) -> Value {
        let board = self.world.board();
        let planes = board.planes().map(|(name, status)| {
            let faults = status.faults.iter().take(SHOWN).map(|fault| {
                map! {
                    "VpcId" => fault.vpc.as_ref().map(VpcId::to_string),
                    "What" => fault.what.clone(),
                }
            });
            map! {
                "Name" => name,
                "Generation" => number(status.reached.0),
                "Faults" => faults.collect::<Value>(),
            }
        });
        let problems = snapshot.problems().take(SHOWN).map(|problem| {
            map! { "Resource" => problem.resource.clone(), "What" => problem.what.clone() }
        });
        let intent = &snapshot.intent;
        let counts = [
            ("VPCs", intent.vpcs.size()),
            ("subnets", intent.subnets.size()),
            ("route tables", intent.route_tables.size()),
            ("VPC endpoints", intent.vpc_endpoints.size()),
            ("network interfaces", intent.network_interfaces.size()),
            ("sites", intent.sites.size()),
            ("buckets", intent.buckets.size()),
        ];
        let counts = counts.into_iter().map(|(what, count)| {
            map! { "What" => what, "Count" => number(count as u64) }
        });
        map! {
            "Generation" => number(self.store.intent().generation.0),
            "Planes" => planes.collect::<Value>(),
            "Problems" => problems.collect::<Value>(),
            "Counts" => counts.collect::<Value>(),
            "Origins" => self.origins.iter().map(origin).collect::<Value>(),
        }
    }

    /// What has passed through every interface and endpoint, and what was dropped.
    pub(super) async fn net_counters(&self) -> Result<Value, ErrorReply> {
        let failed = |why: String| ErrorReply::new("InternalFailure", 500, why);
        let placed = self.placed.borrow().clone();
        let (Some(agent), Some(snapshot)) = (placed.agent, placed.snapshot) else {
            return Err(failed("the network plane has placed nothing yet".into()));
        };
        let work =
            tokio::task::spawn_blocking(move || traffic::read(&agent, &snapshot, &placed.ways));
        let traffic = work.await.map_err(|e| failed(e.to_string()))?;
        let traffic = traffic.map_err(|e| failed(chain(&e)))?;
        let drops = traffic.drops.iter().map(|((vpc, filter), packets)| {
            map! { "VpcId" => vpc.clone(), "Filter" => filter.clone(), "Packets" => number(*packets) }
        });
        let unread = traffic.unread.iter();
        let unread = unread.map(|(vpc, why)| map! { "VpcId" => vpc.clone(), "Why" => why.clone() });
        let absent = traffic.absent.iter().map(|absent| {
            map! {
                "Holder" => absent.holder.clone(),
                "Interface" => absent.device.clone(),
                "Why" => absent.why.clone(),
            }
        });
        Ok(map! {
            "Absent" => absent.collect::<Value>(),
            "Rows" => traffic.rows.iter().map(row).collect::<Value>(),
            "Drops" => drops.collect::<Value>(),
            "Paths" => traffic.paths.iter().map(path).collect::<Value>(),
            "Unread" => unread.collect::<Value>(),
        })
    }
}

fn origin((name, upstream): &(String, Upstream)) -> Value {
    let health = upstream.health();
    map! {
        "Name" => name.as_str(),
        "Endpoint" => upstream.endpoint().url(),
        "State" => health.state.as_str(),
        "Requests" => number(health.requests),
        "Failures" => number(health.failures),
        "LastFailure" => health.last_failure,
    }
}

fn row(row: &Row) -> Value {
    let count =
        |count: &Count| map! { "Packets" => number(count.packets), "Bytes" => number(count.bytes) };
    map! {
        "VpcId" => row.vpc.clone(),
        "SubnetId" => row.subnet.clone(),
        "NetworkInterfaceId" => row.interface.clone(),
        "VpcEndpointId" => row.endpoint.as_ref().map(|endpoint| endpoint.id.clone()),
        "Service" => row.endpoint.as_ref().map(|endpoint| endpoint.service.clone()),
        "In" => count(&row.into),
        "Out" => count(&row.out),
        "ActiveConnections" => number(row.connections.active),
        "NewConnections" => number(row.connections.new_into + row.connections.new_out),
        "PacketsDropped" => number(row.connections.dropped),
        "RstPackets" => number(row.connections.resets_into + row.connections.resets_out),
    }
}

fn path(row: &PathRow) -> Value {
    map! {
        "VpcId" => row.vpc.clone(),
        "From" => row.from.clone(),
        "Path" => row.way.as_str(),
        "Through" => row.through.clone(),
        "BytesToS3" => number(row.sent),
        "BytesFromS3" => number(row.received),
    }
}

/// The wire's whole numbers are signed.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
