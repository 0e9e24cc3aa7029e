//! `adit prefix-list`: the ranges of services.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{PrefixListAction, PrefixListCommand, Target};

pub(crate) fn run(target: &Target, command: &PrefixListCommand) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    match &command.action {
        PrefixListAction::Set { service, cidrs } => {
            let input = json!({"Service": service, "Cidrs": cidrs});
            let answer = client.adit("SetPrefixList", input)?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("-");
            println!("{}\t{}", text("PrefixListId"), text("PrefixListName"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
