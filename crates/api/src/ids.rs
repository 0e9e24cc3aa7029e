//! Where operations get what must not be guessed from: ids, suffixes, secrets.

use std::fmt::Write;

/// A source of ids. Seeded in tests, so that an operation's output is reproducible to the byte: a
/// clone of a seeded source repeats it.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: Option<u128>,
}

impl Ids {
    /// Fresh ids from the system's randomness.
    pub fn random() -> Ids {
        Ids { seed: None }
    }

    /// The same ids every time: for tests alone.
    pub fn seeded(seed: u64) -> Ids {
        Ids {
            seed: Some(u128::from(seed) | 1),
        }
    }

    /// 128 bits.
    pub fn digits(&mut self) -> u128 {
        match &mut self.seed {
            Some(state) => {
                // A linear congruential step: distinct and repeatable is all that tests need.
                *state = state
                    .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
                    .wrapping_add(1);
                state.rotate_left(64)
            }
            None => {
                let mut bytes = [0; 16];
                // Without randomness no id is safe; the kernel's source does not fail once it works.
                while getrandom::fill(&mut bytes).is_err() {
                    std::thread::yield_now();
                }
                u128::from_le_bytes(bytes)
            }
        }
    }

    /// `n` characters of an alphabet.
    pub fn text(&mut self, alphabet: &str, n: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..n)
            .map(|_| {
                let at = self.digits() % letters.len().max(1) as u128;
                letters.get(at as usize).copied().unwrap_or('0')
            })
            .collect()
    }

    /// The random part of an endpoint's DNS names: eight lower-case letters and digits [dns §1].
    pub fn dns_suffix(&mut self) -> String {
        self.text("abcdefghijklmnopqrstuvwxyz0123456789", 8)
    }

    /// An id of IAM: a four-letter prefix and sixteen capitals and digits.
    pub fn unique(&mut self, prefix: &str) -> String {
        format!(
            "{prefix}{}",
            self.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        )
    }

    /// A secret access key: forty characters.
    pub fn secret(&mut self) -> String {
        self.text(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            40,
        )
    }

    /// A canonical user id: sixty-four hexadecimal digits.
    pub fn canonical(&mut self) -> String {
        let mut text = String::with_capacity(64);
        for _ in 0..2 {
            let _ = write!(text, "{:032x}", self.digits());
        }
        text
    }

    /// A locally administered hardware address.
    pub fn mac(&mut self) -> [u8; 6] {
        let bytes = self.digits().to_le_bytes();
        [0x02, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]]
    }

    /// A request id: a random UUID.
    pub fn uuid(&mut self) -> String {
        let d = self.digits();
        format!(
            "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
            (d >> 96) as u32,
            (d >> 80) as u16,
            (d >> 64) as u16 & 0xfff,
            8 | ((d >> 62) as u8 & 3),
            (d >> 48) as u16 & 0xfff,
            (d as u64) & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_ids_repeat_and_differ() {
        let (mut a, mut b) = (Ids::seeded(7), Ids::seeded(7));
        let first: Vec<u128> = (0..100).map(|_| a.digits()).collect();
        let second: Vec<u128> = (0..100).map(|_| b.digits()).collect();
        assert_eq!(first, second);
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn forms() {
        let mut ids = Ids::random();
        assert_eq!(ids.uuid().len(), 36);
        assert_eq!(ids.secret().len(), 40);
        assert_eq!(ids.canonical().len(), 64);
        assert_eq!(ids.unique("AKIA").len(), 20);
        assert_eq!(ids.mac()[0] & 3, 2, "locally administered, unicast");
    }
}
