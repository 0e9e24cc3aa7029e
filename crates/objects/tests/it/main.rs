//! The object store as the front door uses it: one binary, one module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod concurrency;
mod crash;
mod customer;
mod lab;
mod lifecycle;
mod listing;
mod lock;
mod model;
mod multipart;
mod objects;
mod parsers;
mod tags;
mod verify;
