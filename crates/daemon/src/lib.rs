//! The adit daemon: configuration, wiring, listeners, signals.
//!
//! [`up`] opens the store, makes the first state if there is none, starts the loops that keep this
//! node true to the newest snapshot, opens the API and waits for a signal. It decides nothing: it
//! connects the crates that do.

pub mod audit;
pub mod certificates;
pub mod config;
pub mod control;
pub mod flow_logs;
pub mod jobs;
pub mod leases;
mod log_groups;
mod log_objects;
pub mod metrics;
pub mod name_export;
pub mod operations;
pub mod origins;
pub mod places;
pub mod planes;
pub mod restore;
pub mod rotate;
mod up;
mod uses;
mod verify;

pub use adit_store::etcd::Options as EtcdOptions;
pub use config::DEFAULT_LISTEN;
pub use up::{PlaneChoice, UpError, UpOptions, down, up};
pub use verify::verify_objects;

/// The hidden command under which the `adit` binary is the network agent.
pub const AGENT_COMMAND: &str = "net-agent";
