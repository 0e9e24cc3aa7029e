//! `adit net`: what stands in the kernel.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{NetAction, NetCommand, Target};

pub(crate) fn run(target: &Target, command: &NetCommand) -> anyhow::Result<ExitCode> {
    match command.action {
        NetAction::Plan => plan(target),
    }
}

/// One line per step; nothing when the kernel is as stated.
fn plan(target: &Target) -> anyhow::Result<ExitCode> {
    let answer = target.client()?.adit("NetPlan", json!({}))?;
    let list = |value: &Value, name: &str| {
        let found = value.get(name).and_then(Value::as_array).cloned();
        found.unwrap_or_default()
    };
    for group in list(&answer, "Groups") {
        for step in list(&group, "Steps") {
            println!("{}", step.as_str().unwrap_or_default());
        }
    }
    Ok(ExitCode::SUCCESS)
}
