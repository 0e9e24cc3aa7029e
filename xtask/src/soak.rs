//! The long tests: too slow for CI, which runs a small version of each.

use anyhow::{Result, bail};

use crate::e2e;
use crate::proc::{cargo, run as run_program};

/// A long test: its name, what it does, and the program that runs it.
struct Soak {
    name: &'static str,
    says: &'static str,
    run: fn() -> Result<()>,
}

/// Every long test there is. A new one is a line here and a small version in the ordinary tests.
const SOAKS: [Soak; 3] = [
    Soak {
        name: "kill",
        says: "24 threads of mixed work, ten minutes of random kills, nothing acknowledged lost",
        run: || end_to_end(&[("ADIT_KILL_SECONDS", "600")], "tests/e2e/test_kill.py"),
    },
    Soak {
        name: "idle",
        says: "10,000 idle connections and 200 slow ones, beside small reads",
        run: || end_to_end(&[("ADIT_IDLE", "10000")], "tests/e2e/test_idle.py"),
    },
    Soak {
        name: "clients",
        says: "every client through both endpoints against both origins, with 5 GiB objects",
        run: || end_to_end(&[("ADIT_CLIENTS", "long")], "tests/e2e/test_clients.py"),
    },
];

/// The long form of end-to-end tests, which these variables choose.
fn end_to_end(variables: &[(&str, &str)], file: &str) -> Result<()> {
    run_program(cargo().args(["build", "--release", "--locked", "--package", "adit"]))?;
    let sum = e2e::run_with(variables, &["-s", "--timeout", "3600", file])?;
    match sum.failed {
        0 => Ok(()),
        failed => bail!("{failed} tests failed"),
    }
}

/// Runs the named long test; without a name, lists what there is.
///
/// # Errors
/// When the name is unknown or the test fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
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
