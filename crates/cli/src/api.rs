//! `adit api`: what this program has of AWS's APIs.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use crate::args::{Api, ApiAction};

pub(crate) fn run(command: &Api) -> anyhow::Result<ExitCode> {
    match command.action {
        ApiAction::Operations { json } => operations(json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn operations(as_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for built in adit_daemon::operations::built() {
        let (service, name) = (built.service, built.operation);
        if as_json {
            let row = json!({ "service": service, "operation": name, "writes": built.writes });
            writeln!(out, "{row}")?;
        } else {
            let does = if built.writes { "write" } else { "read" };
            writeln!(out, "{service}\t{name}\t{does}")?;
        }
    }
    out.flush()
}
