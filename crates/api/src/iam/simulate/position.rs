//! Where a statement stands in the text of its policy.

/// Line and column, from 1.
type Place = (i64, i64);

/// Beginning and end (the place after it) of a statement, by its number. The text is a policy that
/// compiles: well-formed JSON whose `Statement` is an object or a list of objects.
pub(super) fn of(text: &str, number: usize) -> Option<(Place, Place)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0;
    let mut key = false;
    // The beginning of the value of the top-level member `Statement`.
    let start = loop {
        match bytes.get(at)? {
            b'"' => {
                let end = string_end(bytes, at)?;
                key = depth == 1 && text.get(at + 1..end)? == "Statement" && is_key(bytes, end + 1);
                at = end;
            }
            b'{' | b'[' if key => break at,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    };
    let mut from = start;
    if bytes.get(start) == Some(&b'[') {
        from = next_object(bytes, start + 1)?;
        for _ in 0..number {
            from = next_object(bytes, value_end(bytes, from)? + 1)?;
        }
    }
    let to = value_end(bytes, from)? + 1;
    Some((place(text, from)?, place(text, to)?))
}

/// The closing quote of a string.
fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
}

/// Whether a colon follows.
fn is_key(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn next_object(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    rest.iter()
        .position(|byte| *byte == b'{')
        .map(|found| at + found)
}

/// The last byte of an object or list.
fn value_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0;
    let mut at = open;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn place(text: &str, at: usize) -> Option<Place> {
    let before = text.get(..at)?;
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    Some((
        i64::try_from(line).ok()? + 1,
        i64::try_from(column).ok()? + 1,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_where_they_stand() {
        let one = r#"{"Id":"Statement","Statement":{"Sid":"}"},"Version":"x"}"#;
        assert_eq!(of(one, 0), Some(((1, 31), (1, 42))));
        let many = "{\n \"Statement\": [\n  {\"Sid\": \"a\\\"]\"},\n  {\"é\": [{}]}, {}\n ]\n}";
        assert_eq!(of(many, 0), Some(((3, 3), (3, 18))));
        assert_eq!(of(many, 1), Some(((4, 3), (4, 14))));
        assert_eq!(of(many, 2), Some(((4, 16), (4, 18))));
        assert_eq!(of(many, 3), None);
        for broken in ["", "{", "{\"Statement\":[{", "{\"Statement\":1"] {
            assert_eq!(of(broken, 0), None, "{broken}");
        }
    }
}
