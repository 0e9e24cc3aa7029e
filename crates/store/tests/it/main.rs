//! What the store promises, on both homes, and what each of them adds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod backup;
mod etcd;
mod home;
mod promises;
mod sqlite;
mod versions;
