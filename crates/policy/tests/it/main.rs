//! Integration tests of the policy engine, through its public interface only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod allocations;
mod checks;
mod commands;
mod corpus;
mod differential;
mod evaluation;
mod generate;
mod language;
mod network;
mod operations;
mod reference;
mod scene;
mod targets;
mod words;
