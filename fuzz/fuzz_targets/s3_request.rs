//! Any bytes as a request: host, path, query and headers to an operation and its input.
#![no_main]

#[path = "../shared/wire.rs"]
#[allow(dead_code, reason = "each target uses one of its checks")]
mod wire;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| wire::request(data));
