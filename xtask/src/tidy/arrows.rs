//! Who may use whom, what the pure crates may never reach, and where the database lives.

use std::collections::BTreeSet;

use super::workspace::{Package, Workspace};

/// The allowed arrows: a room and the rooms it may use. The words (`model`) are open to all but
/// themselves, and dev-dependencies are free except that nobody tests through `daemon` or `cli`.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("policy", &["model"]),
    ("wire", &["model"]),
    ("snapshot", &["model", "policy"]),
    ("store", &["model"]),
    ("api", &["model", "store", "wire", "policy", "snapshot"]),
    ("plane", &["model", "snapshot"]),
    ("net", &["model", "plane", "snapshot"]),
    ("dns", &["model", "plane", "snapshot"]),
    ("l4", &["model", "plane", "snapshot"]),
    (
        "gateway",
        &[
            "model", "plane", "snapshot", "wire", "policy", "objects", "upstream",
        ],
    ),
    ("objects", &["model", "wire"]),
    ("upstream", &["wire"]),
    (
        "daemon",
        &[
            "model", "policy", "wire", "snapshot", "store", "api", "plane", "net", "dns", "l4",
            "gateway", "objects", "upstream",
        ],
    ),
    ("cli", &["model", "daemon", "policy", "wire", "net"]),
    (
        "testkit",
        &[
            "model", "policy", "wire", "snapshot", "store", "plane", "net", "objects",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that decide: no runtime, socket, file, clock or randomness in the tree.
const PURE: &[&str] = &["model", "policy", "wire", "snapshot"];

/// What betrays such a thing, directly or through others.
const IMPURE: &[&str] = &[
    "async-std",
    "getrandom",
    "hyper",
    "hyper-util",
    "libc",
    "libsqlite3-sys",
    "mio",
    "nix",
    "rand",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-rustls",
];

/// `ring` reads random bytes through libc; the pure crates use its hashes and signatures only.
const LOOKED_PAST: &[&str] = &["ring"];

/// Rooms that may speak SQL.
const SQL: &[&str] = &["store", "objects"];

/// Every arrow between our crates is in the table.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace.members() {
        let room = package.room();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            findings.push(format!(
                "crate `{room}` has no line in the table of allowed arrows"
            ));
            continue;
        };
        for used in used_by(workspace, package).filter(|used| used.member) {
            if !allowed.contains(&used.room()) {
                findings.push(format!("crate `{room}` may not use `{}`", used.room()));
            }
        }
    }
    findings
}

/// The pure crates reach nothing impure.
pub(super) fn check_purity(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace
        .members()
        .filter(|package| PURE.contains(&package.room()))
    {
        let mut seen = BTreeSet::new();
        let mut open = vec![(package, package.room().to_owned())];
        while let Some((here, way)) = open.pop() {
            for used in used_by(workspace, here) {
                if LOOKED_PAST.contains(&used.name.as_str()) || !seen.insert(&used.name) {
                    continue;
                }
                let way = format!("{way} → {}", used.room());
                if IMPURE.contains(&used.name.as_str()) {
                    findings.push(format!("pure crate reaches `{}`: {way}", used.name));
                } else {
                    open.push((used, way));
                }
            }
        }
    }
    findings
}

/// Only the rooms that keep things know the database.
pub(super) fn check_sql(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace
        .members()
        .filter(|package| !SQL.contains(&package.room()))
    {
        for used in used_by(workspace, package) {
            if matches!(
                used.name.as_str(),
                "rusqlite" | "libsqlite3-sys" | "sqlx" | "diesel"
            ) {
                findings.push(format!(
                    "crate `{}` may not use `{}`",
                    package.room(),
                    used.name
                ));
            }
        }
    }
    findings
}

fn used_by<'a>(
    workspace: &'a Workspace,
    package: &'a Package,
) -> impl Iterator<Item = &'a Package> {
    package
        .uses
        .iter()
        .filter_map(|id| workspace.packages.get(id))
}

#[cfg(test)]
mod tests {
    use super::super::workspace::tests::of;
    use super::*;

    #[test]
    fn the_drawn_arrows_are_allowed() {
        let workspace = of(&[
            ("adit-model", &["serde"]),
            ("adit-snapshot", &["adit-model", "adit-policy"]),
            ("adit-gateway", &["adit-plane", "adit-wire", "hyper"]),
            ("adit", &["adit-daemon", "adit-net", "clap"]),
        ]);
        assert_eq!(check(&workspace), Vec::<String>::new());
    }

    #[test]
    fn other_arrows_are_found() {
        for (from, to, says) in [
            ("adit-dns", "adit-store", "crate `dns` may not use `store`"),
            ("adit-net", "adit-dns", "crate `net` may not use `dns`"),
            (
                "adit-policy",
                "adit-wire",
                "crate `policy` may not use `wire`",
            ),
            (
                "adit-plane",
                "adit-testkit",
                "crate `plane` may not use `testkit`",
            ),
            ("adit", "adit-store", "crate `cli` may not use `store`"),
            ("xtask", "adit-model", "crate `xtask` may not use `model`"),
        ] {
            assert_eq!(check(&of(&[(from, &[to])])), [says]);
        }
    }

    #[test]
    fn a_new_crate_needs_a_line_in_the_table() {
        let findings = check(&of(&[("adit-shiny", &[])]));
        assert_eq!(
            findings,
            ["crate `shiny` has no line in the table of allowed arrows"]
        );
    }

    #[test]
    fn impurity_is_found_through_others() {
        let workspace = of(&[
            ("adit-wire", &["fast"]),
            ("fast", &["middle"]),
            ("middle", &["tokio"]),
        ]);
        assert_eq!(
            check_purity(&workspace),
            ["pure crate reaches `tokio`: wire → fast → middle → tokio"]
        );
    }

    #[test]
    fn impurity_of_other_crates_and_behind_ring_is_fine() {
        let workspace = of(&[
            ("adit-dns", &["tokio"]),
            ("adit-wire", &["ring"]),
            ("ring", &["getrandom"]),
            ("getrandom", &["libc"]),
        ]);
        assert_eq!(check_purity(&workspace), Vec::<String>::new());
    }

    #[test]
    fn sql_stays_in_its_rooms() {
        let fine = of(&[
            ("adit-store", &["rusqlite"]),
            ("adit-objects", &["rusqlite"]),
        ]);
        assert_eq!(check_sql(&fine), Vec::<String>::new());
        let wrong = of(&[("adit-api", &["rusqlite"])]);
        assert_eq!(check_sql(&wrong), ["crate `api` may not use `rusqlite`"]);
    }
}
