//! The crate from outside: against another codec, and over real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod forward;
mod lab;
mod oracle;
mod serve;
