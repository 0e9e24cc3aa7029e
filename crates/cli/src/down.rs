//! `adit down`: the daemon ends and takes along what it made in the kernel.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use crate::args::Target;
use crate::client::Refused;

/// How long the daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(target: &Target) -> anyhow::Result<ExitCode> {
    let running = target
        .client_file()
        .ok()
        .and_then(|f| adit_daemon::leases::lease_of(f.pid));
    let state = target.state_dir()?;
    let told = target
        .client()
        .and_then(|client| client.adit("Down", json!({})));
    match (told, running) {
        (Ok(_), Some(lease)) => {
            let from = std::time::Instant::now();
            while adit_daemon::leases::lease_of(lease.pid).as_ref() == Some(&lease) {
                if from.elapsed() > PATIENCE {
                    bail!("the daemon (process {}) has not ended yet", lease.pid);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        (Ok(_), None) => {}
        (Err(error), _) if error.downcast_ref::<Refused>().is_some() => return Err(error),
        // Nobody answers: what a killed daemon left is removed from here.
        (Err(_), None) => adit_daemon::down(&state)?,
        (Err(error), Some(_)) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}
