//! Any bytes as an aws-chunked body, whole and in pieces.
#![no_main]

#[path = "../shared/wire.rs"]
#[allow(dead_code, reason = "each target uses one of its checks")]
mod wire;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| wire::chunked(data));
