//! `adit az`: availability zones in and out of service.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{AzAction, AzCommand, Target};

pub(crate) fn run(target: &Target, command: &AzCommand) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    match &command.action {
        AzAction::Fail { zone } => {
            client.adit("FailZone", json!({"Zone": zone}))?;
        }
        AzAction::Recover { zone } => {
            client.adit("RecoverZone", json!({"Zone": zone}))?;
        }
        AzAction::List => {
            let answer = client.adit("ListFailedZones", json!({}))?;
            let zones = answer.get("FailedZones").and_then(Value::as_array);
            for zone in zones.into_iter().flatten() {
                if let Some(zone) = zone.get("Zone").and_then(Value::as_str) {
                    println!("{zone}\tfailed");
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
