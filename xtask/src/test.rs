//! Every test there is: Rust tests, doctests, and end-to-end tests against the release binary.

use anyhow::{Result, bail};

use crate::e2e;
use crate::proc::{cargo, run as run_program, run_tests, works};
use crate::tally::{Runner, Tally};

/// What `cargo xtask test` was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Leave out the Rust tests.
    e2e_only: bool,
    /// Leave out the end-to-end tests.
    rust_only: bool,
    /// Only end-to-end tests whose names match this pytest expression.
    expression: Option<String>,
}

impl Options {
    /// Reads the arguments after `cargo xtask test`.
    ///
    /// # Errors
    /// Names the argument that is not understood.
    pub(crate) fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--e2e-only" => options.e2e_only = true,
                "--rust-only" => options.rust_only = true,
                "-k" => {
                    let Some(expression) = rest.next() else {
                        bail!("`-k` needs an expression")
                    };
                    options.expression = Some(expression.clone());
                    options.e2e_only = true;
                }
                other => bail!("unexpected argument `{other}`"),
            }
        }
        if options.e2e_only && options.rust_only {
            bail!("`--rust-only` leaves out what `--e2e-only` and `-k` ask for");
        }
        Ok(options)
    }
}

/// Runs the tests and prints the sum.
///
/// # Errors
/// When a test failed or a runner could not run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let sum = all(options)?;
    println!("{}", sum.plain_line());
    if sum.failed > 0 {
        bail!("{} tests failed", sum.failed);
    }
    Ok(())
}

/// Runs the tests and returns the sum; the end-to-end tests come last.
///
/// # Errors
/// When the binary does not build or a runner cannot be started.
pub(crate) fn all(options: &Options) -> Result<Tally> {
    let mut sum = Tally::default();
    if !options.rust_only {
        build()?;
    }
    if !options.e2e_only {
        sum.add(rust_tests()?);
        let mut doctests = cargo();
        doctests.args(["test", "--workspace", "--locked", "--doc"]);
        sum.add(run_tests(Runner::Cargo, &mut doctests)?);
    }
    if !options.rust_only {
        let chosen = options.expression.as_deref();
        let arguments = match chosen {
            Some(expression) => vec!["tests/e2e", "-k", expression],
            None => vec!["tests/e2e"],
        };
        sum.add(e2e::run(&arguments)?);
    }
    Ok(sum)
}

/// Lets the conformance test rewrite the operation tables of `docs/compatibility.md`.
///
/// # Errors
/// When the binary does not build, or the test found something else wrong.
pub(crate) fn compatibility() -> Result<()> {
    build()?;
    let sum = e2e::run(&["tests/e2e/test_conformance.py", "--write-compatibility"])?;
    if sum.failed > 0 {
        bail!("{} tests failed", sum.failed);
    }
    Ok(())
}

/// Runs tests that others wrote and prints how many pass.
///
/// # Errors
/// When the binary does not build, or a download fails.
pub(crate) fn targets(arguments: &[String]) -> Result<()> {
    build()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    e2e::targets(&arguments)
}

fn build() -> Result<()> {
    run_program(cargo().args(["build", "--release", "--locked", "--package", "adit"]))
}

/// nextest where it is installed (a process per test, and a hung test is ended), else `cargo test`.
fn rust_tests() -> Result<Tally> {
    let mut command = cargo();
    if works(cargo().args(["nextest", "--version"])) {
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--profile",
            "ci",
        ]);
        return run_tests(Runner::Nextest, &mut command);
    }
    // Doctests run as a step of their own.
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(["--lib", "--bins", "--tests"]);
    run_tests(Runner::Cargo, &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(
            &arguments
                .iter()
                .map(|a| (*a).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn an_expression_means_end_to_end_only() {
        let options = parse(&["-k", "dns and not slow"]).unwrap();
        assert!(options.e2e_only);
        assert_eq!(options.expression.as_deref(), Some("dns and not slow"));
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["-k"][..],
            &["--e2e"],
            &["--e2e-only", "--rust-only"],
            &["dns"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
