//! The words of Adit: identifiers, addresses, resources, and the `Intent` that holds them all.
//!
//! Everything here is a value. Nothing here reads a clock, a file or a socket, and nothing decides
//! policy. A resource is stated once, in [`resources`], with exactly the choices that its owner or
//! the API made at write time; everything else about it is derived by later crates.
//!
//! [`Intent`] is one persistent value: cloning it is O(1) and changing the clone costs what the
//! change touches, so a transaction can work on a private [`Draft`] with any number of resources
//! in the installation.

pub mod aws_managed;
pub mod endpoint;
pub mod flow_log;
pub mod id;
pub mod identity;
pub mod intent;
pub mod job;
pub mod names;
pub mod net;
pub mod network;
pub mod query_log;
pub mod record;
pub mod resources;
pub mod s3;
pub mod secret;
pub mod service;

pub use aws_managed::*;
pub use endpoint::*;
pub use flow_log::{FlowField, FormatError};
pub use id::*;
pub use identity::*;
pub use intent::{Change, Draft, Generation, Intent, Kind, LoadError, Resource, Table, Touched};
pub use job::*;
pub use names::*;
pub use network::*;
pub use query_log::{
    LogGroupError, LogGroupName, QueryLogAssociation, QueryLogConfig, QueryLogTarget,
};
pub use resources::*;
pub use s3::*;
pub use secret::Secret;
pub use service::*;
