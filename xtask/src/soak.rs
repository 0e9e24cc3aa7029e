//! The long tests: too slow for CI, which runs a small version of each.

use anyhow::{Result, bail};

use crate::proc::{cargo, run as run_program};
use crate::{e2e, fuzz};

/// A long test: its name, what it does, and the program that runs it.
struct Soak {
    name: &'static str,
    says: &'static str,
    run: fn() -> Result<()>,
}

/// Every long test there is. A new one is a line here and a small version in the ordinary tests.
const SOAKS: [Soak; 6] = [
    Soak {
        name: "machine",
        says: "2,000 random sequences of calls against a model of what there must be; about ten minutes",
        run: || {
            let mut tests = cargo();
            tests.args([
                "test",
                "--package",
                "adit-api",
                "--locked",
                "--test",
                "it",
                "machine::",
            ]);
            run_program(tests.env("PROPTEST_CASES", "2000"))
        },
    },
    Soak {
        name: "crash",
        says: "200 sequences of changes, each cut by kill -9; about two minutes",
        run: || {
            let long = [("ADIT_CRASH_SEQUENCES", "200")];
            end_to_end(&long, "tests/e2e/test_crash_writes.py")
        },
    },
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
    Soak {
        name: "fuzz",
        says: "every fuzz target for five minutes, beginning with its seeds and corpus",
        run: fuzz::run,
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

/// Runs the named long tests; without a name, lists what there is.
///
/// # Errors
/// When a name is unknown, before any is run, or when one fails, after all have run.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        for soak in &SOAKS {
            println!("{:<16} {}", soak.name, soak.says);
        }
        return Ok(());
    }
    let named: Vec<&Soak> = arguments
        .iter()
        .map(|name| match SOAKS.iter().find(|soak| soak.name == name) {
            Some(soak) => Ok(soak),
            None => bail!("no long test is named `{name}`; `cargo xtask soak` lists them"),
        })
        .collect::<Result<_>>()?;
    let mut failed = Vec::new();
    for soak in named {
        let begun = std::time::Instant::now();
        println!("\n==> {}: {}", soak.name, soak.says);
        let done = (soak.run)();
        println!("<== {}: {} s", soak.name, begun.elapsed().as_secs());
        if let Err(error) = done {
            eprintln!("xtask: {}: {error:#}", soak.name);
            failed.push(soak.name);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("failed: {}", failed.join(", ")),
    }
}
