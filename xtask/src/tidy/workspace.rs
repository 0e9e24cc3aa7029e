//! What tidy needs of `cargo metadata`: packages, their licences and their arrows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// The packages of the workspace and everything they are built from on this platform.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// By cargo's package id.
    pub(super) packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Debug, Default)]
pub(super) struct Package {
    /// Its name, such as `adit-model`.
    pub(super) name: String,
    /// Whether it lives in this repository.
    pub(super) member: bool,
    /// The licence expression it states.
    pub(super) licence: Option<String>,
    /// Ids of the packages that its library, binaries and build script use.
    pub(super) uses: BTreeSet<String>,
}

impl Package {
    /// The room's name in the documents: `adit-model` is `model`, `adit` is `cli`.
    pub(super) fn room(&self) -> &str {
        match self.name.as_str() {
            "adit" => "cli",
            name => name.strip_prefix("adit-").unwrap_or(name),
        }
    }
}

impl Workspace {
    /// Reads the output of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// When it is not that.
    pub(super) fn parse(text: &str) -> Result<Workspace> {
        let metadata: Value = serde_json::from_str(text).context("cannot read cargo's metadata")?;
        let members: BTreeSet<&str> = list(&metadata["workspace_members"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut packages = BTreeMap::new();
        for package in list(&metadata["packages"]) {
            let id = package["id"].as_str().context("a package without an id")?;
            packages.insert(
                id.to_owned(),
                Package {
                    name: package["name"]
                        .as_str()
                        .context("a package without a name")?
                        .to_owned(),
                    member: members.contains(id),
                    licence: package["license"].as_str().map(str::to_owned),
                    uses: BTreeSet::new(),
                },
            );
        }
        let nodes = list(&metadata["resolve"]["nodes"]);
        let mut resolved = BTreeSet::new();
        for node in nodes {
            let id = node["id"].as_str().context("a node without an id")?;
            resolved.insert(id.to_owned());
            let Some(package) = packages.get_mut(id) else {
                continue;
            };
            package.uses = list(&node["deps"])
                .iter()
                .filter(|dependency| !only_for_tests(dependency))
                .filter_map(|dependency| dependency["pkg"].as_str().map(str::to_owned))
                .collect();
        }
        // Packages for other platforms are listed but not part of what is built here.
        packages.retain(|id, _| resolved.contains(id));
        Ok(Workspace { packages })
    }

    /// The packages that live in this repository.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.member)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a resolved dependency is a dev-dependency and nothing else.
fn only_for_tests(dependency: &Value) -> bool {
    let kinds = list(&dependency["dep_kinds"]);
    !kinds.is_empty() && kinds.iter().all(|kind| kind["kind"] == "dev")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A workspace from `name → names it uses`; names starting with `adit` and `xtask` are members.
    pub(in crate::tidy) fn of(arrows: &[(&str, &[&str])]) -> Workspace {
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        for (name, uses) in arrows {
            for each in std::iter::once(name).chain(*uses) {
                let package = packages.entry((*each).to_owned()).or_default();
                package.name = (*each).to_owned();
                package.member = each.starts_with("adit") || *each == "xtask";
                package.licence = Some("MIT".to_owned());
            }
            if let Some(package) = packages.get_mut(*name) {
                package
                    .uses
                    .extend(uses.iter().map(|used| (*used).to_owned()));
            }
        }
        Workspace { packages }
    }

    #[test]
    fn metadata_becomes_packages_without_dev_arrows_and_foreign_platforms() {
        let text = r#"{
          "packages": [
            {"id": "a 1", "name": "adit-model", "license": "MIT"},
            {"id": "b 1", "name": "serde", "license": null},
            {"id": "c 1", "name": "proptest", "license": "MIT"},
            {"id": "w 1", "name": "windows", "license": "MIT"}],
          "workspace_members": ["a 1"],
          "resolve": {"nodes": [
            {"id": "a 1", "deps": [
              {"pkg": "b 1", "dep_kinds": [{"kind": null}]},
              {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "b 1", "deps": []}, {"id": "c 1", "deps": []}]}}"#;
        let workspace = Workspace::parse(text).unwrap();
        assert_eq!(workspace.packages.len(), 3);
        let model = &workspace.packages["a 1"];
        assert!(model.member);
        assert_eq!(model.room(), "model");
        assert_eq!(model.uses.iter().collect::<Vec<_>>(), ["b 1"]);
        assert_eq!(workspace.packages["b 1"].licence, None);
    }
}
