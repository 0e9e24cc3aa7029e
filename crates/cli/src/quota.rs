//! `adit quota`: the installation's limits.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{QuotaAction, QuotaCommand, Target};

pub(crate) fn run(target: &Target, command: &QuotaCommand) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    match &command.action {
        QuotaAction::Set { name, limit } => {
            print(&client.adit("SetQuota", json!({"Name": name, "Limit": limit}))?);
        }
        QuotaAction::List => {
            let answer = client.adit("ListQuotas", json!({}))?;
            let quotas = answer.get("Quotas").and_then(Value::as_array);
            quotas.into_iter().flatten().for_each(print);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One limit: name, limit, default.
fn print(quota: &Value) {
    let name = quota.get("Name").and_then(Value::as_str).unwrap_or("-");
    let number = |name: &str| match quota.get(name).and_then(Value::as_u64) {
        Some(number) => number.to_string(),
        None => "-".to_string(),
    };
    println!("{name}\t{}\t{}", number("Limit"), number("Default"));
}
