//! What one client, or one endpoint, may take of the S3 front door.

use std::time::Duration;

use adit_gateway::Settings;
use serde::Deserialize;

/// What one client, or one endpoint, may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections of one address and port.
    pub connections: usize,
    /// Connections of one endpoint, over all its addresses and ports.
    pub endpoint_connections: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes: usize,
    /// Seconds for a request's head, from its first byte.
    pub head_seconds: u32,
    /// Seconds between two requests of a connection.
    pub idle_seconds: u32,
    /// Seconds that a body may stand still, in either direction.
    pub body_seconds: u32,
    /// Bytes a second that a body must move at, on average over `body_seconds` of waiting for the client; 0:
    /// any speed will do.
    pub body_bytes_per_second: u32,
    /// Seconds that requests in flight get when an endpoint goes.
    pub drain_seconds: u32,
}

impl Default for LimitsConfig {
    fn default() -> LimitsConfig {
        let settings = Settings::default();
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        LimitsConfig {
            connections: settings.max_connections,
            endpoint_connections: settings.max_endpoint_connections,
            head_bytes: settings.max_head,
            head_seconds: seconds(settings.head_timeout),
            idle_seconds: seconds(settings.idle_timeout),
            body_seconds: seconds(settings.body_timeout),
            body_bytes_per_second: settings.body_rate,
            drain_seconds: seconds(settings.drain),
        }
    }
}

impl LimitsConfig {
    /// Most connections that a limit may name: more have no descriptors.
    const MOST: usize = 1 << 20;

    /// Puts the limits into the front door's settings; senseless ones become the nearest that work.
    pub(super) fn apply(&self, settings: &mut Settings) {
        let seconds = |count: u32| Duration::from_secs(u64::from(count.clamp(1, 86_400)));
        settings.max_connections = self.connections.clamp(1, LimitsConfig::MOST);
        settings.max_endpoint_connections = self.endpoint_connections.clamp(1, LimitsConfig::MOST);
        settings.max_head = self.head_bytes.clamp(4096, 64 << 10);
        settings.head_timeout = seconds(self.head_seconds);
        settings.handshake_timeout = settings.head_timeout;
        settings.idle_timeout = seconds(self.idle_seconds);
        settings.body_timeout = seconds(self.body_seconds);
        settings.body_rate = self.body_bytes_per_second;
        settings.drain = seconds(self.drain_seconds);
    }
}
