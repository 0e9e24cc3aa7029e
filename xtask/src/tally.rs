//! How many tests passed and failed, read from the closing lines of the runners we use.

/// A number of passed and failed tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and did not pass, whatever the runner calls it (failed, errored, timed out).
    pub(crate) failed: u64,
}

impl Tally {
    /// Adds another runner's numbers.
    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// The line that CI reads: `N passed, N failed`.
    pub(crate) fn plain_line(self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    /// The numbers in `line` if it is a closing line of `cargo test`, nextest or pytest.
    pub(crate) fn of_closing_line(line: &str) -> Option<Tally> {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result:") {
            // test result: ok. 3 passed; 0 failed; 1 ignored; …
            return Some(counted(counts));
        }
        if let Some(rest) = line.strip_prefix("Summary [") {
            // Summary [   0.5s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped
            let (_, counts) = rest.split_once(" run:")?;
            return Some(counted(counts));
        }
        let inner = line.trim_matches('=').trim();
        if inner.len() < line.len() && inner.contains(" in ") {
            // ==== 2 failed, 10 passed, 1 error in 1.23s ====
            let (counts, _) = inner.split_once(" in ")?;
            let any = [
                "passed",
                "failed",
                "error",
                "skipped",
                "deselected",
                "no tests ran",
            ];
            if any.iter().any(|word| counts.contains(word)) {
                return Some(counted(counts));
            }
        }
        None
    }
}

/// Adds up the `N word` pairs of a closing line.
fn counted(text: &str) -> Tally {
    let mut tally = Tally::default();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '.'))
        .filter(|word| !word.is_empty())
        .collect();
    for pair in words.windows(2) {
        let [number, word] = pair else { continue };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match *word {
            "passed" => tally.passed += number,
            "failed" | "error" | "errors" | "timed" | "exec" => tally.failed += number,
            _ => {}
        }
    }
    tally
}

/// `line` without terminal colour sequences.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            // ESC [ … letter
            for c in characters.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_understood() {
        let cases = [
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
                3,
                0,
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; finished in 0.00s",
                3,
                2,
            ),
            (
                "     Summary [   0.005s] 3 tests run: 3 passed, 0 skipped",
                3,
                0,
            ),
            (
                "     Summary [   0.005s] 1 test run: 1 passed (1 slow), 4 skipped",
                1,
                0,
            ),
            (
                "  Summary [ 9s] 6/9 tests run: 3 passed, 1 failed, 2 timed out, 0 skipped",
                3,
                3,
            ),
            (
                "\u{1b}[32m===== \u{1b}[1m10 passed\u{1b}[0m in 1.2s =====\u{1b}[0m",
                10,
                0,
            ),
            (
                "=== 2 failed, 10 passed, 1 error in 65.00s (0:01:05) ===",
                10,
                3,
            ),
            ("=== no tests ran in 0.01s ===", 0, 0),
        ];
        for (line, passed, failed) in cases {
            assert_eq!(
                Tally::of_closing_line(line),
                Some(Tally { passed, failed }),
                "{line}"
            );
        }
    }

    #[test]
    fn other_lines_are_not_counted() {
        for line in [
            "",
            "=====",
            "running 3 tests",
            "I said: 3 passed, 0 failed",
            "=== short test summary info ===",
            "======= FAILURES =======",
            "3 passed",
        ] {
            assert_eq!(Tally::of_closing_line(line), None, "{line}");
        }
    }

    #[test]
    fn sums_are_printed_plainly() {
        let mut sum = Tally {
            passed: 3,
            failed: 0,
        };
        sum.add(Tally {
            passed: 4,
            failed: 1,
        });
        assert_eq!(sum.plain_line(), "7 passed, 1 failed");
    }
}
