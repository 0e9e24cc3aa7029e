//! The operations, driven as the daemon drives them: through [`adit_api::Api::call`], on a store in
//! a temporary directory, with planes that settle at once or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod authorisation;
mod bootstrap;
mod describe;
mod ec2_errors;
mod endpoints;
mod flow_logs;
mod holds;
mod identity;
mod invariants;
mod ipv6;
mod machine;
mod networks;
mod own;
mod peering;
mod prefix_lists;
mod resolver;
mod roles;
mod route53;
mod rows;
mod rows_network;
mod s3;
mod services;
mod simulate;
mod surroundings;
mod world;
