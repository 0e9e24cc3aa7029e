//! Words that do not belong in the repository: paths of one machine, hosts of package registries,
//! talk about how the text came about.

/// What is looked for (in any case) and why. Split so that this file does not find itself.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/root", "/."), "a path of one machine"),
    (
        concat!("index.crates", ".io"),
        "the host of a package registry",
    ),
    (
        concat!("static.crates", ".io"),
        "the host of a package registry",
    ),
    (concat!("pypi", ".org"), "the host of a package registry"),
    (
        concat!("pythonhosted", ".org"),
        "the host of a package registry",
    ),
    (
        concat!("registry.npmjs", ".org"),
        "the host of a package registry",
    ),
    (
        concat!("deb.debian", ".org"),
        "the host of a package registry",
    ),
    (
        concat!("coding", " session"),
        "talk about how the text came about",
    ),
    (
        concat!("work", " session"),
        "talk about how the text came about",
    ),
    (
        concat!("an earlier", " session"),
        "talk about how the text came about",
    ),
    (
        concat!("for the next", " session"),
        "talk about how the text came about",
    ),
    (
        concat!("language", " model"),
        "talk about how the text came about",
    ),
    (
        concat!("ai assis", "tant"),
        "talk about how the text came about",
    ),
    (
        concat!("sub", "-agent"),
        "talk about how the text came about",
    ),
    (
        concat!("the integ", "rator"),
        "talk about how the text came about",
    ),
];

/// The lock file names its registry by design.
const EXEMPT: &[&str] = &["Cargo.lock"];

/// Every forbidden word of one file, with its line.
pub(super) fn check(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if EXEMPT.contains(&path) {
        return findings;
    }
    for (number, line) in text.lines().enumerate() {
        let line = line.to_ascii_lowercase();
        for (word, reason) in FORBIDDEN {
            if line.contains(word) {
                findings.push(format!("{path}:{}: `{word}`: {reason}", number + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_words_are_found_in_any_case() {
        for (word, _) in FORBIDDEN {
            let text = format!("fine\nsee {} there\n", word.to_ascii_uppercase());
            let findings = check("README.md", &text);
            assert_eq!(findings.len(), 1, "{word}: {findings:?}");
            assert!(findings[0].starts_with("README.md:2:"), "{findings:?}");
        }
    }

    #[test]
    fn sessions_of_the_trade_are_fine() {
        let text = "an assumed-role session, a TLS session, the session policy of this session\n";
        assert_eq!(check("docs/a.md", text), Vec::<String>::new());
    }

    #[test]
    fn the_lock_file_is_left_alone() {
        assert_eq!(
            check("Cargo.lock", concat!("https://index.crates", ".io/")),
            [""; 0]
        );
    }
}
