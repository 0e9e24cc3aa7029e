//! How many tests passed and failed, read from the closing lines of the runners we use.

/// A number of passed and failed tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and did not pass, whatever the runner calls it (failed, errored, timed out).
    pub(crate) failed: u64,
}

/// A program that runs tests. Each has closing lines of its own, and a failed test may print those
/// of another in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo test`: a line per test binary.
    Cargo,
    /// `cargo nextest run`: one line.
    Nextest,
    /// pytest: one line.
    Pytest,
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

    /// The numbers in `line` if it is a closing line of this runner.
    pub(crate) fn of_closing_line(runner: Runner, line: &str) -> Option<Tally> {
        let line = without_colour(line);
        match runner {
            // test result: ok. 3 passed; 0 failed; 1 ignored; …
            Runner::Cargo => line.strip_prefix("test result:").map(counted),
            // Summary [   0.5s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped
            Runner::Nextest => {
                let (_, counts) = line.trim().strip_prefix("Summary [")?.split_once(" run:")?;
                Some(counted(counts))
            }
            // ==== 2 failed, 10 passed, 1 error in 1.23s ====
            Runner::Pytest => {
                let (counts, _) = line
                    .trim()
                    .strip_prefix('=')?
                    .trim_matches('=')
                    .split_once(" in ")?;
                let any = [
                    "passed",
                    "failed",
                    "error",
                    "skipped",
                    "deselected",
                    "no tests ran",
                ];
                any.iter()
                    .any(|word| counts.contains(word))
                    .then(|| counted(counts))
            }
        }
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
        use Runner::{Cargo, Nextest, Pytest};
        let cases = [
            (
                Cargo,
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured",
                3,
                0,
            ),
            (
                Cargo,
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; finished in 0.00s",
                3,
                2,
            ),
            (
                Nextest,
                "     Summary [   0.005s] 3 tests run: 3 passed, 0 skipped",
                3,
                0,
            ),
            (
                Nextest,
                "     Summary [   0.005s] 1 test run: 1 passed (1 slow), 4 skipped",
                1,
                0,
            ),
            (
                Nextest,
                "  Summary [ 9s] 6/9 tests run: 3 passed, 1 failed, 2 timed out, 0 skipped",
                3,
                3,
            ),
            (
                Pytest,
                "\u{1b}[32m===== \u{1b}[1m10 passed\u{1b}[0m in 1.2s =====\u{1b}[0m",
                10,
                0,
            ),
            (
                Pytest,
                "=== 2 failed, 10 passed, 1 error in 65.00s (0:01:05) ===",
                10,
                3,
            ),
            (Pytest, "=== no tests ran in 0.01s ===", 0, 0),
        ];
        for (runner, line, passed, failed) in cases {
            let found = Tally::of_closing_line(runner, line);
            assert_eq!(found, Some(Tally { passed, failed }), "{line}");
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
            // A failed test's own output, as nextest shows it.
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.09s",
        ] {
            for runner in [Runner::Cargo, Runner::Nextest, Runner::Pytest] {
                assert_eq!(Tally::of_closing_line(runner, line), None, "{line}");
            }
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
