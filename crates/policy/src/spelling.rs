//! What a misspelt name may have meant.

/// The candidate with the fewest edits, if they are few.
pub(crate) fn nearest<'n>(
    name: &str,
    candidates: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let name = name.to_ascii_lowercase();
    let most = if name.len() < 6 { 1 } else { 3 };
    if name.len() > 80 {
        return None;
    }
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most)
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let best = (left + 1)
                .min(*cell + 1)
                .min(diagonal + usize::from(x != y));
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_edits_are_near() {
        assert_eq!(distance("kitten", "sitting"), 3);
        let names = ["StringEquals", "StringLike"];
        assert_eq!(
            nearest("stringequal", names.into_iter()),
            Some("StringEquals")
        );
        assert_eq!(nearest("Date", names.into_iter()), None);
    }
}
