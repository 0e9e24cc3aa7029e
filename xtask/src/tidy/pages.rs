//! Pages of documentation: each is found by following links from the README, and no link leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

const FIRST: &str = "README.md";

/// Links to pages that are not there, headings that are not there, and pages below `docs/` that nobody finds.
/// `pages` are all texts in Markdown, by path; `files` the paths of everything.
pub(super) fn check(pages: &BTreeMap<String, String>, files: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut found = BTreeSet::new();
    let mut open = vec![FIRST.to_owned()];
    while let Some(path) = open.pop() {
        let Some(text) = pages.get(&path).filter(|_| !found.contains(&path)) else {
            continue;
        };
        open.extend(links(text).filter_map(|link| target(&path, link)));
        found.insert(path);
    }
    for (path, text) in pages {
        if path.starts_with("docs/") && !found.contains(path) {
            findings.push(format!("{path}: no link from {FIRST} leads there"));
        }
        for link in links(text) {
            let Some(to) = target(path, link) else {
                continue;
            };
            let is_folder = || files.iter().any(|file| file.starts_with(&format!("{to}/")));
            if !files.contains(&to) && !is_folder() {
                findings.push(format!("{path}: the link to `{link}` leads nowhere"));
            } else if let Some((_, heading)) = link.split_once('#')
                && !pages
                    .get(&to)
                    .is_some_and(|text| has_heading(text, heading))
            {
                findings.push(format!("{path}: `{link}`: there is no such heading"));
            }
        }
    }
    findings
}

/// Where the links of a page lead that are not to other hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    let prose = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let links = prose.flat_map(|line| line.split("](").skip(1));
    let links = links.filter_map(|rest| Some(rest.split_once(')')?.0));
    links.filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
}

/// The path of the file that a link on a page leads to; none when it leaves the repository.
fn target(page: &str, link: &str) -> Option<String> {
    let (file, _) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return Some(page.to_owned());
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a page has a heading of this anchor, as forges make them.
fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .any(|heading| {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-") == anchor
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pages: &[(&str, &str)]) -> Vec<String> {
        let pages: BTreeMap<String, String> = pages
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let mut files: BTreeSet<String> = pages.keys().cloned().collect();
        files.insert("src/main.rs".into());
        check(&pages, &files)
    }

    #[test]
    fn pages_are_found_by_way_of_others() {
        let first = (
            "README.md",
            "see [a](docs/a.md), [code](src/) and [x](https://x.example/y.md)",
        );
        let a = (
            "docs/a.md",
            "# Of *A* things\nsee [b](sub/b.md#the-second-part)",
        );
        let b = (
            "docs/sub/b.md",
            "## The second part\n[back](../a.md#of-a-things)\n```\n[no](no.md)\n```",
        );
        assert_eq!(found(&[first, a, b]), Vec::<String>::new());
        let lost = found(&[first, a, b, ("docs/c.md", "[a](a.md)")]);
        assert_eq!(lost, ["docs/c.md: no link from README.md leads there"]);
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        let first = (
            "README.md",
            "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#none) [d](../out.md)",
        );
        let findings = found(&[first, ("docs/a.md", "# A")]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("docs/b.md"), "{findings:?}");
        assert!(findings[1].contains("a.md#none"), "{findings:?}");
    }
}
