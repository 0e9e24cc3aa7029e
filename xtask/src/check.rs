//! The inner loop: what can be said about a change in seconds.

use anyhow::Result;

use crate::proc::{cargo, run as run_program};
use crate::tidy;

/// Formats are right, everything compiles, the house rules hold.
pub(crate) fn run() -> Result<()> {
    run_program(cargo().args(["fmt", "--all", "--check"]))?;
    run_program(cargo().args(["check", "--workspace", "--all-targets", "--locked"]))?;
    tidy::run()
}
