//! Matching `*` and `?` in time that is linear in the value, whatever the pattern.
//!
//! A pattern falls apart at its `*` into pieces. The first and the last are anchored; those between
//! are searched from left to right, each at its leftmost place, which never has to be taken back.
//! A piece without `?` is found by substring search; one with `?` by a bit-parallel automaton, up
//! to 512 pattern characters per pass over the value. So nobody can make a decision slow by writing a
//! pattern, or by naming an object.
//!
//! The same code matches patterns as policies write them and patterns in which variables were
//! replaced; in those, wildcards are the bytes [`STAR`] and [`ANY`], which no UTF-8 text contains,
//! so that a `*` that came out of a variable's value is just a character.

/// `*` in a pattern whose variables were replaced.
pub(crate) const STAR: u8 = 0xff;
/// `?` in a pattern whose variables were replaced.
pub(crate) const ANY: u8 = 0xfe;

/// Matches a pattern as written against a value. Both are UTF-8; `?` stands for one character.
pub(crate) fn matches(pattern: &[u8], value: &str) -> bool {
    matches_bytes::<b'*', b'?'>(pattern, value.as_bytes())
}

/// Matches a pattern whose wildcards are [`STAR`] and [`ANY`].
pub(crate) fn matches_replaced(pattern: &[u8], value: &str) -> bool {
    matches_bytes::<STAR, ANY>(pattern, value.as_bytes())
}

fn matches_bytes<const S: u8, const Q: u8>(pattern: &[u8], value: &[u8]) -> bool {
    let Some(first) = memchr::memchr(S, pattern) else {
        return prefix_len::<Q>(pattern, value) == Some(value.len());
    };
    let (head, rest) = pattern.split_at(first);
    let Some(taken) = prefix_len::<Q>(head, value) else {
        return false;
    };
    let last = memchr::memrchr(S, rest).unwrap_or(0);
    let (middle, tail) = rest.split_at(last);
    let Some(left) = suffix_start::<Q>(tail.get(1..).unwrap_or_default(), value) else {
        return false;
    };
    let Some(mut value) = value.get(taken..left) else {
        return false;
    };
    for piece in middle
        .split(|byte| *byte == S)
        .filter(|piece| !piece.is_empty())
    {
        let Some(end) = find::<Q>(piece, value) else {
            return false;
        };
        value = value.get(end..).unwrap_or_default();
    }
    true
}

/// Length of what a piece without `*` takes from the beginning of a value; `None`: no match.
fn prefix_len<const Q: u8>(piece: &[u8], value: &[u8]) -> Option<usize> {
    if memchr::memchr(Q, piece).is_none() {
        return value.starts_with(piece).then_some(piece.len());
    }
    let mut at = 0;
    for byte in piece {
        let len = if *byte == Q {
            char_len(*value.get(at)?)
        } else {
            usize::from(value.get(at)? == byte)
        };
        if len == 0 {
            return None;
        }
        at += len;
    }
    (at <= value.len()).then_some(at)
}

/// Where a piece without `*` begins that ends with the value; `None`: no match.
fn suffix_start<const Q: u8>(piece: &[u8], value: &[u8]) -> Option<usize> {
    if memchr::memchr(Q, piece).is_none() {
        return value.ends_with(piece).then(|| value.len() - piece.len());
    }
    let mut at = value.len();
    for byte in piece.iter().rev() {
        at = at.checked_sub(1)?;
        if *byte == Q {
            while value.get(at).is_some_and(|byte| is_continuation(*byte)) {
                at = at.checked_sub(1)?;
            }
        } else if value.get(at) != Some(byte) {
            return None;
        }
    }
    Some(at)
}

/// End of the leftmost occurrence of a piece without `*`.
fn find<const Q: u8>(piece: &[u8], value: &[u8]) -> Option<usize> {
    if memchr::memchr(Q, piece).is_none() {
        return memchr::memmem::find(value, piece).map(|start| start + piece.len());
    }
    if piece.iter().all(|byte| *byte == Q) {
        return prefix_len::<Q>(piece, value);
    }
    automaton::<Q>(piece, value)
}

/// Bits in a word.
const WORD: usize = 64;

/// Bits that say for each value byte whether the pattern so far may end just before it. Keys are at
/// most 1,024 bytes; longer values (headers) spill to the heap.
type Ends = smallvec::SmallVec<[u64; 32]>;

/// Leftmost match of a piece with `?`: the shift-and automaton, with as many pattern bytes in one pass
/// as the piece needs, up to 512; what is longer takes several passes.
fn automaton<const Q: u8>(piece: &[u8], value: &[u8]) -> Option<usize> {
    match piece.len().div_ceil(WORD) {
        ..2 => passes::<1, Q>(piece, value),
        2 => passes::<2, Q>(piece, value),
        3..5 => passes::<4, Q>(piece, value),
        5..8 => passes::<7, Q>(piece, value),
        8.. => passes::<8, Q>(piece, value),
    }
}

fn passes<const W: usize, const Q: u8>(piece: &[u8], value: &[u8]) -> Option<usize> {
    let mut blocks = piece.chunks(WORD * W).peekable();
    let mut ends: Option<Ends> = None;
    while let Some(block) = blocks.next() {
        if blocks.peek().is_none() {
            return pass::<W, Q>(block, value, ends.as_ref(), None);
        }
        let mut next: Ends = smallvec::smallvec![0; value.len() / WORD + 1];
        pass::<W, Q>(block, value, ends.as_ref(), Some(&mut next));
        ends = Some(next);
    }
    None
}

/// One pass. Bit `i` of the state after a value byte says whether the first `i + 1` pattern bytes of
/// the block match a stretch that ends there, which began where `starts` allows. Returns the first end
/// of the whole block, or notes all of them in `ends`.
fn pass<const W: usize, const Q: u8>(
    block: &[u8],
    value: &[u8],
    starts: Option<&Ends>,
    mut ends: Option<&mut Ends>,
) -> Option<usize> {
    let mut rows = [[0_u64; W]; 256];
    let mut wild = [0_u64; W];
    for (bit, byte) in block.iter().enumerate() {
        let row = if *byte == Q {
            Some(&mut wild)
        } else {
            rows.get_mut(usize::from(*byte))
        };
        if let Some(word) = row.and_then(|row| row.get_mut(bit / WORD)) {
            *word |= 1 << (bit % WORD);
        }
    }
    for (byte, row) in (0..=u8::MAX).zip(&mut rows) {
        if !is_continuation(byte) {
            for (word, wild) in row.iter_mut().zip(&wild) {
                *word |= wild;
            }
        }
    }
    let (top_word, top_bit) = ((block.len() - 1) / WORD, (block.len() - 1) % WORD);
    let mut state = [0_u64; W];
    for (at, byte) in value.iter().enumerate() {
        let mut carry = match starts {
            None => 1,
            Some(starts) => starts.get(at / WORD).copied().unwrap_or(0) >> (at % WORD) & 1,
        };
        let row = rows.get(usize::from(*byte))?;
        let before = state;
        for (word, row) in state.iter_mut().zip(row) {
            let shifted = *word << 1 | carry;
            carry = *word >> 63;
            *word = shifted & row;
        }
        if is_continuation(*byte) {
            // A `?` takes a whole character: its continuation bytes stay where its first byte led.
            for ((word, before), wild) in state.iter_mut().zip(&before).zip(&wild) {
                *word |= before & wild;
            }
        }
        if state.get(top_word)? >> top_bit & 1 == 0 {
            continue;
        }
        let end = at + 1;
        match &mut ends {
            None if value.get(end).is_some_and(|byte| is_continuation(*byte)) => {}
            None => return Some(end),
            Some(ends) => {
                if let Some(word) = ends.get_mut(end / WORD) {
                    *word |= 1 << (end % WORD);
                }
            }
        }
    }
    None
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Bytes of the character that begins with this byte; 0 if none does.
fn char_len(byte: u8) -> usize {
    match byte {
        0..0x80 => 1,
        0x80..0xc0 => 0,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}

/// Matches an action pattern: ASCII case does not matter. Names are short, patterns are the policy's
/// own, so the simple method with one point of return is enough: its cost is bounded by the product.
pub(crate) fn matches_ignoring_case(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (pattern.as_bytes(), value.as_bytes());
    let (mut p, mut v) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), value.get(v)) {
            (Some(b'*'), _) => {
                back = Some((p + 1, v));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(b'?'), Some(byte)) if !is_continuation(*byte) => {
                p += 1;
                v += char_len(*byte).max(1);
                continue;
            }
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {
                p += 1;
                v += 1;
                continue;
            }
            (_, None) => return false,
            _ => {}
        }
        let Some((after_star, taken)) = back else {
            return false;
        };
        if taken >= value.len() {
            return false;
        }
        back = Some((after_star, taken + 1));
        (p, v) = (after_star, taken + 1);
    }
}

/// Whether a pattern has wildcards.
pub(crate) fn has_wildcard(pattern: &str) -> bool {
    memchr::memchr2(b'*', b'?', pattern.as_bytes()).is_some()
}

/// Matches two texts as [`matches`] does.
pub(crate) fn matches_text(pattern: &str, value: &str) -> bool {
    matches(pattern.as_bytes(), value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        super::matches(pattern.as_bytes(), value)
    }

    /// By definition, character by character.
    fn naive(pattern: &[char], value: &[char]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some(('*', rest)) => (0..=value.len()).any(|at| naive(rest, &value[at..])),
            Some(('?', rest)) => !value.is_empty() && naive(rest, &value[1..]),
            Some((c, rest)) => value.first() == Some(c) && naive(rest, &value[1..]),
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn replaced(pattern: &str) -> Vec<u8> {
        let wild = |b| match b {
            b'*' => STAR,
            b'?' => ANY,
            b => b,
        };
        pattern.bytes().map(wild).collect()
    }

    #[test]
    fn table() {
        for (pattern, value, expected) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("*/x", "a/b/x", true),
            ("?", "é", true),
            ("??", "é", false),
            ("*?é*", "xé", true),
            ("*é?é*", "aéxé", true),
            ("*?x", "éx", true),
            ("a?c*e?g", "abcdefg", true),
            ("**", "x", true),
            ("*?*?*", "é", false),
            ("*?*?*", "éa", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
            assert_eq!(
                matches_replaced(&replaced(pattern), value),
                expected,
                "{pattern} {value}"
            );
        }
    }

    #[test]
    fn stars_from_values_are_literal() {
        assert!(matches_replaced(b"a*", "a*"));
        assert!(!matches_replaced(b"a*", "ab"));
        assert!(!matches_replaced(b"a?", "ab"));
    }

    #[test]
    fn pieces_longer_than_a_word_are_carried_over() {
        let long = format!("*{}?{}*", "ab".repeat(50), "c".repeat(40));
        let hit = format!("xx{}é{}yy", "ab".repeat(51), "c".repeat(41));
        assert!(matches(&long, &hit));
        assert!(!matches(&long, &hit.replace('é', "éé")));
        for gap in ["x", "é", "😀"] {
            for before in [
                1, 60, 61, 62, 63, 64, 65, 66, 186, 254, 255, 256, 257, 510, 511, 512, 513, 1030,
            ] {
                let pattern = format!("*{}?{}*", "a".repeat(before), "b".repeat(70));
                let value = format!("{}{gap}{}", "a".repeat(before + 3), "b".repeat(70));
                assert!(matches(&pattern, &value), "{before} {gap}");
                let without = format!("{}{}", "a".repeat(before), "b".repeat(70));
                assert!(!matches(&pattern, &without), "{before} {gap}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn same_as_naive(pattern in "[ab*?é]{0,10}", value in "[abé]{0,12}") {
            let expected = naive(&chars(&pattern), &chars(&value));
            prop_assert_eq!(matches(&pattern, &value), expected);
            prop_assert_eq!(matches_replaced(&replaced(&pattern), &value), expected);
            prop_assert_eq!(matches_ignoring_case(&pattern.to_uppercase().replace('É', "é"), &value), expected);
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn long_pieces_same_as_naive(
            piece in "[ab?]{60,140}",
            fill in "[abé]{0,4}",
            pick in proptest::collection::vec(prop_oneof![Just('a'), Just('b'), Just('é')], 140),
        ) {
            // A value made from the piece itself, so that it often matches.
            let value: String = piece.chars().zip(&pick)
                .map(|(c, other)| if c == '?' { *other } else { c }).collect();
            let value = format!("{fill}{value}{fill}");
            let pattern = format!("*{piece}*");
            prop_assert!(matches(&pattern, &value));
            let spoiled = value.replacen('b', "c", 1);
            let expected = naive(&chars(&pattern), &chars(&spoiled));
            prop_assert_eq!(matches(&pattern, &spoiled), expected);
        }
    }
}
