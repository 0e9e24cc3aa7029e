//! The AWS-compatible operations.
//!
//! An operation is a function of its input, the caller and a draft (or, for reads, the newest
//! intent); it chooses everything there is to choose — ids, addresses, names — so that building the
//! world from the result leaves no choice open (I2). It has no other effect. One visible table,
//! [`OPERATIONS`], lists them with the action that a caller must be allowed.
//!
//! [`Api::call`] is the whole path of a control request after its signature was verified: find the
//! row, decode, authorise, run in a transaction, wait until this node's planes have reached it,
//! encode. What is not in the table answers with the service's own error, never with success.

mod addresses;
mod authorise;
pub mod bootstrap;
mod call;
mod context;
mod describe;
pub mod document;
mod ec2;
mod elbv2;
mod iam;
mod ids;
mod input;
mod operations;
mod own;
mod policies;
mod quotas;
mod refusal;
mod route53;
mod route53resolver;
mod s3;
mod s3control;
mod sts;
mod tokens;

pub use call::{Api, Called, Observer, Planes, Request, Settled};
pub use context::{Caller, Ctx, Source, View};
pub use ids::Ids;
pub use operations::{OPERATIONS, Row};
pub use own::account::is_first as is_first_account;
pub use refusal::Refusal;
pub use sts::ServiceSession;
