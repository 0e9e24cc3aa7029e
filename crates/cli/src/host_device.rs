//! Devices of the host that are to be lent: asked about before, and looked for afterwards.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use adit_net::client::Agent;
use anyhow::Context;
use serde_json::{Value, json};

use crate::client::Client;

/// The network agent of the daemon that is asked.
pub(crate) fn agent(client: &Client) -> anyhow::Result<Agent> {
    let access = client.adit("GetAccess", json!({}))?;
    let directory = access.get("AgentDirectory").and_then(Value::as_str);
    let directory = PathBuf::from(directory.context("adit's answer lacks AgentDirectory")?);
    Agent::find(&directory)?.with_context(|| {
        let directory = directory.display();
        format!("the network agent of adit is not there (looked in `{directory}`)")
    })
}

/// Says why a device cannot be lent, if so.
pub(crate) fn examine(client: &Client, device: &str, force: bool) -> anyhow::Result<()> {
    let here = File::open("/proc/self/ns/net").context("cannot open /proc/self/ns/net")?;
    agent(client)?.examine(device, force, here.as_fd())?;
    Ok(())
}

/// Demands that a device that was just lent is there: what only the kernel knows shows then.
pub(crate) fn demand(client: &Client, device: &str) -> anyhow::Result<()> {
    let devices = agent(client)?.lent_devices()?;
    let lent = devices.into_iter().find(|lent| lent.device == device);
    match lent.map(|lent| lent.absent) {
        Some(None) => Ok(()),
        Some(Some(why)) => anyhow::bail!("{why}"),
        None => anyhow::bail!("the device `{device}` was not taken: see `adit status`"),
    }
}
