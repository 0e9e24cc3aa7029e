//! Request ids: unique, and in the forms that clients know.

use std::sync::atomic::{AtomicU64, Ordering};

/// Makes the two ids of an answer out of a counter and a random beginning. They identify; they are no
/// secrets.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    next: AtomicU64,
}

/// `x-amz-request-id` and `x-amz-id-2`.
#[derive(Debug, Clone)]
pub(crate) struct RequestId {
    number: u64,
    text: [u8; 16],
}

impl Ids {
    pub(crate) fn new() -> Ids {
        let mut bytes = [0u8; 8];
        // Without randomness ids of two runs may repeat; nothing else depends on it.
        let _ = getrandom::fill(&mut bytes);
        Ids {
            seed: u64::from_ne_bytes(bytes),
            next: AtomicU64::new(1),
        }
    }

    pub(crate) fn next(&self) -> RequestId {
        let number = mix(self.seed ^ mix(self.next.fetch_add(1, Ordering::Relaxed)));
        let digit = |at: u32| match (number >> (60 - 4 * at) & 15) as u8 {
            digit @ 0..10 => b'0' + digit,
            digit => b'A' + digit - 10,
        };
        let mut text = [0; 16];
        for (at, byte) in (0..).zip(&mut text) {
            *byte = digit(at);
        }
        RequestId { number, text }
    }
}

impl RequestId {
    /// 16 hexadecimal digits.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// 76 characters of base64, as S3's host id has.
    pub(crate) fn host_id(&self) -> [u8; 76] {
        use base64::Engine as _;
        let (mut bytes, mut text) = ([0u8; 56], [b'='; 76]);
        let mut state = self.number;
        for chunk in bytes.chunks_mut(8) {
            state = mix(state);
            chunk.copy_from_slice(&state.to_be_bytes());
        }
        // 56 bytes are 76 characters: there is room.
        let _ = base64::engine::general_purpose::STANDARD.encode_slice(bytes, &mut text);
        text
    }
}

/// A bijection that spreads neighbouring numbers (the finaliser of splitmix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_have_their_forms() {
        let ids = Ids::new();
        let made: std::collections::HashSet<String> = (0..10_000)
            .map(|_| ids.next().as_str().to_owned())
            .collect();
        assert_eq!(made.len(), 10_000);
        let id = ids.next();
        assert_eq!(id.as_str(), format!("{:016X}", id.number));
        assert!(id.host_id().ends_with(b"="), "padded");
        assert_ne!(id.host_id(), ids.next().host_id());
    }
}
