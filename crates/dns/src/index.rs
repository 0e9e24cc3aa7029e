//! The names a resolver knows: zones that many views share, and the lookup over them.
//!
//! A [`Zone`] is a persistent map: a clone costs nothing, and a change copies a few kilobytes,
//! however many names there are. A [`Layer`] is a small set of zones and resolver rules by domain
//! (what one VPC adds, or what all share), and a [`View`] puts layers over each other for one
//! question. Nothing here locks, waits or allocates per query.

mod page;
mod tree;
mod view;
mod zone;

pub use view::{Layer, Resolved, Rule, View};
pub use zone::{Zone, ZoneError};
