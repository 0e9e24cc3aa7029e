//! The built world of one generation, and every decision taken on it.
//!
//! [`build()`] turns an [`Intent`](adit_model::Intent) into a [`Snapshot`]: every reference resolved,
//! every policy compiled, no choice left open. It is a function (I4) and total (I5): what cannot be
//! realised becomes a [`Problem`] on its resource and everything else proceeds. The unit of build
//! is a VPC: [`Snapshot::next`] rebuilds what a transaction touched and shares the rest.
//!
//! [`decide`] holds the questions that planes ask on every packet, name and request. They take
//! everything they need as arguments, cannot fail, and carry their reasons.

pub mod acl;
pub mod bucket;
pub mod build;
pub mod decide;
pub mod identity;
pub mod names;
pub mod session;
pub mod status;
pub mod vpc;

pub use build::{AccessPointView, BucketView, EndpointView, Snapshot, build, endpoint_policy_kind};
pub use identity::{IdentityView, KeyView};
pub use session::{Sessions, SignerError};
pub use status::{PlaneFault, Status, StatusBoard};
pub use vpc::{
    AclView, EdgeView, GatewayView, GroupView, InterfaceView, PeerSet, PeeringView, PortUser,
    PortView, Problem, ResolvedRoute, ResolvedRule, ResolverView, SubnetView, TableView, Target,
    VpcView,
};

#[cfg(test)]
mod tests;
