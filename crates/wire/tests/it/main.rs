//! The crate from outside, one module for each capability.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at what they did not expect"
)]

mod botocore;
mod chunked;
mod codec;
mod common;
mod fuzzed;
mod hostile;
mod s3;
mod sigv4;
mod tables;
mod vectors;
