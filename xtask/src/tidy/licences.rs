//! Every dependency can be taken under a permissive licence.

use super::workspace::Workspace;

/// SPDX names we accept.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Packages whose licence we may not take, or that state none.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace.packages.values() {
        match &package.licence {
            None => findings.push(format!("package `{}` states no licence", package.name)),
            Some(licence) if !acceptable(licence) => {
                findings.push(format!("package `{}`: licence `{licence}`", package.name));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Whether an SPDX expression can be met with permissive licences alone. What cannot be read is
/// not acceptable. Old packages write `/` for OR.
fn acceptable(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

/// `all OR all OR …`
fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut good = all(rest)?;
    while let [word, tail @ ..] = *rest
        && word.eq_ignore_ascii_case("OR")
    {
        *rest = tail;
        good |= all(rest)?;
    }
    Some(good)
}

/// `one AND one AND …`
fn all(rest: &mut &[&str]) -> Option<bool> {
    let mut good = one(rest)?;
    while let [word, tail @ ..] = *rest
        && word.eq_ignore_ascii_case("AND")
    {
        *rest = tail;
        good &= one(rest)?;
    }
    Some(good)
}

/// `( expression )`, `NAME` or `NAME WITH EXCEPTION`; an exception only ever permits more.
fn one(rest: &mut &[&str]) -> Option<bool> {
    let [word, tail @ ..] = *rest else {
        return None;
    };
    *rest = tail;
    if *word == "(" {
        let good = either(rest)?;
        let [")", tail @ ..] = *rest else { return None };
        *rest = tail;
        return Some(good);
    }
    if let [with, _exception, tail @ ..] = *rest
        && with.eq_ignore_ascii_case("WITH")
    {
        *rest = tail;
    }
    Some(PERMISSIVE.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::workspace::tests::of;
    use super::*;

    #[test]
    fn permissive_expressions_are_accepted() {
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 OR MIT",
            "Apache-2.0 AND ISC",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "MIT OR GPL-3.0-only",
        ] {
            assert!(acceptable(expression), "{expression}");
        }
    }

    #[test]
    fn others_and_nonsense_are_not() {
        for expression in [
            "",
            "GPL-3.0-only",
            "MIT AND AGPL-3.0-or-later",
            "(MIT OR Apache-2.0) AND MPL-2.0",
            "MIT OR",
            "(MIT",
            "MIT Apache-2.0",
        ] {
            assert!(!acceptable(expression), "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_found() {
        let mut workspace = of(&[("adit-model", &["odd"])]);
        if let Some(odd) = workspace.packages.get_mut("odd") {
            odd.licence = None;
        }
        assert_eq!(check(&workspace), ["package `odd` states no licence"]);
    }
}
