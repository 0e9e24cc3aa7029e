//! `adit objects`: the embedded object store.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{ObjectsAction, ObjectsCommand, Target};

pub(crate) fn run(target: &Target, command: &ObjectsCommand) -> anyhow::Result<ExitCode> {
    match command.action {
        ObjectsAction::Verify => verify(target),
    }
}

/// One line per problem, then what was looked at.
fn verify(target: &Target) -> anyhow::Result<ExitCode> {
    let running = target.endpoint.is_some()
        || target
            .client_file()
            .is_ok_and(|file| adit_daemon::leases::lease_of(file.pid).is_some());
    let report = match running {
        // The daemon holds the store: it looks itself.
        true => loop {
            let answer = target.client()?.adit("VerifyObjects", json!({}))?;
            if answer.get("State").and_then(Value::as_str) != Some("running") {
                break answer;
            }
        },
        false => adit_daemon::verify_objects(&target.state_dir()?)?,
    };
    let problems = report.get("Problems").and_then(Value::as_array);
    for problem in problems.into_iter().flatten() {
        let text = |name: &str| {
            problem
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let object = match text("Object") {
            "" => String::new(),
            object => format!(" ({object})"),
        };
        println!("{}: {}{object}", text("Place"), text("What"));
    }
    let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or_default();
    let wrong = number("ProblemCount");
    if number("Sealed") > 0 {
        println!(
            "{} blobs only open with keys of customers (SSE-C): their sealed bytes are as they were written",
            number("Sealed")
        );
    }
    println!(
        "{} versions, {} blobs, {} bytes: {wrong} problems",
        number("Versions"),
        number("Blobs"),
        number("Bytes")
    );
    Ok(match wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
