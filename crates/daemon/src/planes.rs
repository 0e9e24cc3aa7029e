//! The loops that keep this node true to the newest snapshot.
//!
//! The network plane goes first: sockets can only be opened in namespaces that stand. What it has
//! placed is the name and gateway planes' cue; each reports for itself.

pub mod chores;
mod follow;
pub mod gateway;
pub mod names;
pub mod net;
pub mod sockets;
pub mod traffic;

/// The planes' names on the board.
pub const NET: &str = "net";
/// The name plane.
pub const DNS: &str = "dns";
/// The S3 front door.
pub const GATEWAY: &str = "gateway";
