//! Holds `docs/operate/configuration.md` against what the file may hold: every key, and every default that is
//! written as a value.

use std::collections::BTreeSet;

use super::*;

const PAGE: &str = include_str!("../../../../docs/operate/configuration.md");

/// Values for what has no default.
const SAMPLES: &[(&str, &str)] = &[
    ("region.name", "'us-east-1'"),
    ("certificate.names", "['a.example']"),
    ("certificate.certificate", "'a.pem'"),
    ("certificate.key", "'a-key.pem'"),
    ("origin.name", "'there'"),
    ("origin.endpoint", "'http://127.0.0.1:9000'"),
    ("origin.credentials", "{ file = 'credentials' }"),
    ("origin.bucket.name", "'far-*'"),
    ("dynamodb.upstream", "'http://127.0.0.1:8000'"),
    ("dynamodb.credentials", "{ file = 'credentials' }"),
    ("dynamodb.account", "'123456789012'"),
];

/// One section of the page: a table of the file.
struct Section {
    /// As in TOML: `[s3]`, `[[origin]]`; empty at the top.
    header: String,
    /// Keys, and what stands in the column of defaults.
    rows: Vec<(String, String)>,
}

impl Section {
    fn path(&self) -> &str {
        self.header.trim_matches(['[', ']'])
    }

    /// The path of a key.
    fn key(&self, name: &str) -> String {
        match self.path() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

/// The one text in backticks that a cell holds, if that is all.
fn literal(cell: &str) -> Option<&str> {
    let inner = cell.strip_prefix('`')?.strip_suffix('`')?;
    (!inner.contains('`')).then_some(inner)
}

fn sections() -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let header = literal(title).unwrap_or_default().to_owned();
            let rows = Vec::new();
            all.push(Section { header, rows });
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(section), ["", key, default, ..]) = (all.last_mut(), &*cells)
            && let Some(key) = literal(key)
        {
            section.rows.push((key.to_owned(), (*default).to_owned()));
        }
    }
    all.retain(|section| !section.rows.is_empty());
    all
}

/// What the file may hold in a table, as the parser says when it meets what it may not.
fn keys_of(sections: &[Section], section: &Section) -> BTreeSet<String> {
    // A list of tables stands in one of its parent's.
    let parent = section.path().rsplit_once('.').and_then(|(parent, _)| {
        let mut all = sections.iter();
        all.find(|other| other.path() == parent && other.header.starts_with("[["))
    });
    let parent = parent.map_or("", |parent| &parent.header);
    let text = format!("{parent}\n{}\nno_such_key = 1\n", section.header);
    let said = toml::from_str::<Config>(&text).unwrap_err();
    let (_, expected) = said.message().split_once("expected").unwrap();
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_has_every_key_and_no_other() {
    let all = sections();
    for section in &all {
        let tables = all.iter().filter_map(|table| {
            let (parent, name) = table.path().rsplit_once('.').unwrap_or(("", table.path()));
            (parent == section.path() && !name.is_empty()).then(|| name.to_owned())
        });
        let rows = section.rows.iter().map(|(key, _)| key.clone());
        let written: BTreeSet<String> = rows.chain(tables).collect();
        assert_eq!(written, keys_of(&all, section), "{}", section.header);
    }
}

#[test]
fn the_defaults_of_the_page_are_what_is_assumed() {
    let (mut least, mut full) = (String::new(), String::new());
    for section in sections() {
        for text in [&mut least, &mut full] {
            text.push_str(&format!("{}\n", section.header));
        }
        for (key, default) in &section.rows {
            let path = section.key(key);
            if default == "required" {
                let sample = SAMPLES.iter().find(|(of, _)| *of == path);
                let (_, sample) = sample.unwrap_or_else(|| panic!("no sample of {path}"));
                for text in [&mut least, &mut full] {
                    text.push_str(&format!("{key} = {sample}\n"));
                }
            } else if let Some(default) = literal(default) {
                full.push_str(&format!("{key} = {default}\n"));
            }
        }
    }
    let read = |text: &str| format!("{:#?}", toml::from_str::<Config>(text).unwrap());
    assert_eq!(read(&full), read(&least));
    assert!(full.len() > least.len());
    // Defaults that are words.
    assert!(PAGE.contains(&format!("| `listen` | {DEFAULT_LISTEN} |")));
    let answer = adit_upstream::Timeouts::default().answer.as_secs();
    assert!(PAGE.contains(&format!("| `timeout` | {answer} |")));
}
