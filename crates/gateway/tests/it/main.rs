//! The gateway over loopback, with real snapshots, a real object store and clients that sign.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod acl;
mod auth;
mod customer;
mod dynamodb;
mod http;
mod lock;
mod manners;
mod objects;
mod paths;
mod proxied;
mod sessions;
mod smuggle;
mod support;
mod tls;
