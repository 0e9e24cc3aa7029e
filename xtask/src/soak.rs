//! The long tests: too slow for CI, which runs a small version of each.

use anyhow::{Result, bail};

/// A long test: its name, what it does, and the program that runs it.
struct Soak {
    name: &'static str,
    says: &'static str,
    run: fn() -> Result<()>,
}

/// Every long test there is. A new one is a line here and a small version in the ordinary tests.
const SOAKS: [Soak; 0] = [];

/// Runs the named long test; without a name, lists what there is.
///
/// # Errors
/// When the name is unknown or the test fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            if SOAKS.is_empty() {
                println!("no long tests yet; the end-to-end tests marked `heavy` are the closest");
            }
            for soak in &SOAKS {
                println!("{:<16} {}", soak.name, soak.says);
            }
            Ok(())
        }
        [name] => match SOAKS.iter().find(|soak| soak.name == name) {
            Some(soak) => (soak.run)(),
            None => bail!("no long test is named `{name}`; `cargo xtask soak` lists them"),
        },
        [_, extra, ..] => bail!("unexpected argument `{extra}`"),
    }
}
