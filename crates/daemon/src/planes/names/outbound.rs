//! Where queries to other servers leave from: an outbound resolver endpoint's own interfaces, or the
//! host for the operator's upstream servers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use adit_dns::Transport;
use adit_dns::forward::SocketSource;
use adit_model::Direction;
use adit_net::client::Agent;
use adit_net::protocol::{SocketSpec, Transport as NetTransport};
use adit_net::render::place;
use adit_snapshot::Snapshot;

use super::world::via;
use crate::planes::net::chain;

/// In place of an outbound endpoint's number: the host's own network.
pub(super) const HOST: u64 = u64::MAX;

/// Where outbound endpoints are, for the forwarder.
#[derive(Clone, Default)]
pub(super) struct Outbound(Arc<RwLock<Places>>);

#[derive(Default)]
struct Places {
    agent: Option<Arc<Agent>>,
    /// Namespace and devices by [`via`].
    endpoints: BTreeMap<u64, (String, Vec<String>)>,
    turn: AtomicUsize,
}

impl Outbound {
    /// Takes the endpoints of a snapshot that stands in the kernel.
    pub(super) fn follow(&self, agent: &Arc<Agent>, snapshot: &Snapshot) {
        let all = snapshot.vpcs().flat_map(|vpc| &vpc.resolvers);
        let outbound = all.filter(|r| r.endpoint.direction == Direction::Outbound);
        let endpoints = outbound.map(|resolver| {
            let devices = resolver.interfaces.iter();
            let devices = devices.map(|eni| place::endpoint_device(&eni.id)).collect();
            let id = &resolver.endpoint.id;
            (via(id), (place::resolver(id), devices))
        });
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        places.endpoints = endpoints.collect();
        places.agent = Some(agent.clone());
    }
}

impl SocketSource for Outbound {
    fn open(
        &self,
        via: u64,
        server: SocketAddr,
        transport: Transport,
    ) -> io::Result<socket2::Socket> {
        if via == HOST {
            let kind = match transport {
                Transport::Udp => socket2::Type::DGRAM,
                Transport::Tcp => socket2::Type::STREAM,
            };
            return socket2::Socket::new(socket2::Domain::for_address(server), kind, None);
        }
        let (agent, spec) = {
            let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let gone = || io::Error::other("the outbound endpoint is not there");
            let (ns, devices) = places.endpoints.get(&via).ok_or_else(gone)?;
            // Each attempt leaves by another interface: one zone's trouble is not everybody's.
            let turn = places.turn.fetch_add(1, Ordering::Relaxed) % devices.len().max(1);
            let spec = SocketSpec {
                ns: ns.clone(),
                transport: match transport {
                    Transport::Udp => NetTransport::Udp,
                    Transport::Tcp => NetTransport::Tcp,
                },
                v6: server.is_ipv6(),
                device: devices.get(turn).cloned(),
                mark: None,
            };
            (places.agent.clone().ok_or_else(gone)?, spec)
        };
        let socket = agent
            .socket(&spec)
            .map_err(|error| io::Error::other(chain(&error)))?;
        Ok(socket2::Socket::from(socket))
    }
}
