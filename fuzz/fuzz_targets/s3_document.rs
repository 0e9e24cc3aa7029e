//! Any bytes as the XML body of the operations that have one.
#![no_main]

#[path = "../shared/wire.rs"]
#[allow(dead_code, reason = "each target uses one of its checks")]
mod wire;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| wire::document(data));
