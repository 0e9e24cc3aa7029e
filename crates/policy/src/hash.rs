//! The short hash by which a policy's index and a request find each other.
//!
//! It only narrows a search: equality of text is checked afterwards, so that a collision costs
//! time, never a wrong decision. It is not keyed: policy sizes are bounded, and so is what an
//! author of colliding names can win.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes bytes to 32 bits, eight bytes at a time.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut state = bytes.len() as u64 ^ MULTIPLIER;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state ^ u64::from_le_bytes(*chunk));
    }
    let mut last = 0_u64;
    for byte in rest {
        last = last << 8 | u64::from(*byte);
    }
    state = mix(state ^ last);
    (state ^ state >> 32) as u32
}

fn mix(value: u64) -> u64 {
    let wide = u128::from(value) * u128::from(MULTIPLIER);
    (wide as u64) ^ (wide >> 64) as u64
}
