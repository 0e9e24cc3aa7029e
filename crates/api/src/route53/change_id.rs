//! Ids of changes: they say the generation that made the change and when, so that nothing needs to
//! be kept for `GetChange`, however many changes there were.

use adit_model::{AccountId, Generation, Millis};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
/// Letters after the `C`: 125 bits hold a generation (48), a time (48) and a check (29).
const LETTERS: usize = 25;

/// The id of a change.
pub(super) fn encode(account: &AccountId, generation: Generation, at: Millis) -> String {
    let at = u128::from(at.cast_unsigned() & MASK);
    let payload = u128::from(generation.0 & MASK) << 48 | at;
    let mut bits = payload << 29 | u128::from(check(account, payload));
    let mut letters = [b'0'; LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    format!("C{}", String::from_utf8_lossy(&letters))
}

/// What an id says; `None` if it was not given to this account.
pub(super) fn decode(account: &AccountId, text: &str) -> Option<(Generation, Millis)> {
    let letters = text.strip_prefix('C').filter(|l| l.len() == LETTERS)?;
    let mut bits = 0u128;
    for letter in letters.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 5 | value as u128;
    }
    let payload = bits >> 29;
    if u128::from(check(account, payload)) != bits & ((1 << 29) - 1) {
        return None;
    }
    let generation = Generation((payload >> 48) as u64 & MASK);
    Some((generation, (payload as u64 & MASK).cast_signed()))
}

const MASK: u64 = (1 << 48) - 1;

/// Tells a mistyped or foreign id apart. It is no secret: an id gives away nothing but a time.
fn check(account: &AccountId, payload: u128) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in account.as_str().bytes().chain(payload.to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash >> 35) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_they_were_made_of_to_their_account_alone() {
        let account = |text: &str| text.parse::<AccountId>().unwrap();
        let (mine, other) = (account("123456789012"), account("210987654321"));
        for (generation, at) in [(1, 1_700_000_000_123), (u64::from(u32::MAX), 0), (7, 1)] {
            let id = encode(&mine, Generation(generation), at);
            assert!(
                id.len() == 26 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
                "{id}"
            );
            assert_eq!(decode(&mine, &id), Some((Generation(generation), at)));
            assert_eq!(decode(&other, &id), None);
        }
        for bad in ["", "C", "C123", "CZZZZZZZZZZZZZZZZZZZZZZZZZ", "Cé"] {
            assert_eq!(decode(&mine, bad), None, "{bad}");
        }
    }
}
