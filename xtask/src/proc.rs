//! Running programs: always from the repository root, never with standard input, always announced.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tally::{Runner, Tally};

/// The repository root: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// The cargo that started us, so that a toolchain override holds for what we start.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Set for this process by `cargo run`; the cargo below must find its own.
    command
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_PKG_NAME");
    command
}

/// Runs `command` with its output passed through.
///
/// # Errors
/// When it cannot be started or exits with anything but 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command
        .current_dir(root())
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a test runner with its output passed through, and adds up the closing lines it printed.
///
/// A runner that failed without saying how many tests failed counts as one failure, so that no sum
/// can look better than the run was.
///
/// # Errors
/// Only when it cannot be started or its output cannot be read; failed tests are in the tally.
pub(crate) fn run_tests(runner: Runner, command: &mut Command) -> Result<Tally> {
    announce(command);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("cannot share a pipe")?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    // `command` holds the pipe's writing ends; without this the reader below would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut sum = Tally::default();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut out = std::io::stdout();
    while reader
        .read_until(b'\n', &mut line)
        .context("cannot read a test runner's output")?
        > 0
    {
        out.write_all(&line)
            .and_then(|()| out.flush())
            .context("cannot write")?;
        if let Some(tally) = Tally::of_closing_line(runner, &String::from_utf8_lossy(&line)) {
            sum.add(tally);
        }
        line.clear();
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot await {}", shown(command)))?;
    if !status.success() && sum.failed == 0 {
        sum.failed = 1;
    }
    Ok(sum)
}

/// Runs `command` quietly and returns what it wrote on standard output.
///
/// # Errors
/// When it cannot be started or exits with anything but 0; the message holds its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}: {}",
            shown(command),
            output.status,
            said.trim()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} wrote something that is not text", shown(command)))
}

/// Whether a program can be started and exits with 0; its output is thrown away.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy();
    let mut text = name.into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
