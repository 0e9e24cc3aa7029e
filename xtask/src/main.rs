//! Developer commands: everything that CI and a developer run beside plain `cargo`.
//!
//! `cargo xtask` without arguments prints the list. Each command is one module; what they share is
//! [`proc`] (run a program, see what it printed) and [`tally`] (how many tests passed).

mod check;
mod ci;
mod e2e;
mod fuzz;
mod proc;
mod soak;
mod tally;
mod test;
mod tidy;
mod wire_tables;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check                 the inner loop: format, type check, house rules
  tidy                  the house rules alone
  test                  Rust tests, doctests and end-to-end tests
    --e2e-only            only the end-to-end tests (builds the release binary first)
    --rust-only           only the Rust tests and doctests
    -k EXPR               end-to-end tests whose names match (implies --e2e-only)
  ci                    what CI runs: format, lints, documentation, house rules, tests
  compat                rewrite the operation tables of docs/compatibility.md from what the tests see
  wire-tables [ARGS]    regenerate the tables of AWS's wire formats
  targets [AREA…]       tests that others wrote, from PyPI; prints how many pass
  soak [NAME…]          the long tests; without a name, lists them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    match command.as_str() {
        "check" => nothing_more(rest).and_then(|()| check::run()),
        "tidy" => nothing_more(rest).and_then(|()| tidy::run()),
        "test" => test::run(&test::Options::parse(rest)?),
        "ci" => nothing_more(rest).and_then(|()| ci::run()),
        "compat" => nothing_more(rest).and_then(|()| test::compatibility()),
        "wire-tables" => wire_tables::run(rest),
        "targets" => test::targets(rest),
        "soak" => soak::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

fn nothing_more(rest: &[String]) -> Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(extra) => bail!("unexpected argument `{extra}`"),
    }
}
