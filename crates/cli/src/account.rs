//! `adit account`: the installation's accounts.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{AccountAction, AccountCommand, Target};

pub(crate) fn run(target: &Target, command: &AccountCommand) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    match &command.action {
        AccountAction::Create { name, id } => {
            let answer = client.adit("CreateAccount", json!({"Name": name, "AccountId": id}))?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
            // Shown once: the installation never shows a secret again.
            println!("ADIT_ACCOUNT_ID={}", text("AccountId"));
            println!("AWS_ACCESS_KEY_ID={}", text("AccessKeyId"));
            println!("AWS_SECRET_ACCESS_KEY={}", text("SecretAccessKey"));
        }
        AccountAction::List => {
            let answer = client.adit("ListAccounts", json!({}))?;
            let accounts = answer.get("Accounts").and_then(Value::as_array);
            for account in accounts.into_iter().flatten() {
                let text = |name: &str| account.get(name).and_then(Value::as_str).unwrap_or("-");
                println!("{}\t{}", text("AccountId"), text("Name"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
