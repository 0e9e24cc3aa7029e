//! `adit attach` and `adit detach`: namespaces that somebody else made, and devices of the host.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::args::{self, Target};
use crate::client::Client;
use crate::host_device;

/// Where an interface is to be put.
pub(crate) struct Place<'a> {
    /// The namespace, as a file.
    pub(crate) netns: &'a Path,
    /// The device's name there.
    pub(crate) device: &'a str,
    /// The process it is for, if it goes away with one.
    pub(crate) pid: Option<u32>,
}

/// Makes an interface that nobody uses; its id.
pub(crate) fn make(
    client: &Client,
    subnet: &str,
    groups: &[String],
    name: &str,
) -> anyhow::Result<String> {
    let mut input = json!({"SubnetId": subnet, "Name": name});
    if !groups.is_empty() {
        input["SecurityGroupIds"] = json!(groups);
    }
    let made = client.adit("CreateInterface", input)?;
    let id = made.get("NetworkInterfaceId").and_then(Value::as_str);
    id.map(str::to_string)
        .context("adit's answer lacks NetworkInterfaceId")
}

/// Lends the namespace to the network agent, then has the interface put into it. The description of
/// the attachment.
pub(crate) fn put(client: &Client, interface: &str, place: &Place<'_>) -> anyhow::Result<Value> {
    let shown = place.netns.display();
    let namespace = File::open(place.netns).with_context(|| format!("cannot open `{shown}`"))?;
    let agent = host_device::agent(client)?;
    agent.lend(interface, namespace.as_fd())?;
    let mut input = json!({"NetworkInterfaceId": interface, "Device": place.device});
    if let Some(pid) = place.pid {
        let lease = adit_daemon::leases::lease_of(pid);
        let lease = lease.with_context(|| format!("there is no process {pid}"))?;
        input["Pid"] = json!(lease.pid);
        input["Started"] = json!(lease.started);
    }
    client.adit("AttachInterface", input)
}

/// Makes a device of the host an interface's port. The description of the attachment.
fn plug(client: &Client, interface: &str, device: &str, force: bool) -> anyhow::Result<Value> {
    let input = json!({"NetworkInterfaceId": interface, "Interface": device, "Force": force});
    let attached = client.adit("AttachInterface", input)?;
    if let Err(why) = host_device::demand(client, device) {
        let _ = take(client, interface, false);
        return Err(why);
    }
    Ok(attached)
}

/// Takes an interface out of its namespace, or gives its device back to the host.
pub(crate) fn take(client: &Client, interface: &str, delete: bool) -> anyhow::Result<()> {
    let input = json!({"NetworkInterfaceId": interface, "Delete": delete});
    client.adit("DetachInterface", input).map(drop)
}

pub(crate) fn attach(target: &Target, options: &args::Attach) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    if let Some(device) = &options.host_device {
        host_device::examine(&client, device, options.force)?;
    }
    let netns = match (&options.netns, options.pid) {
        (Some(path), _) => path.clone(),
        (None, pid) => PathBuf::from(format!("/proc/{}/ns/net", pid.unwrap_or_default())),
    };
    let place = Place {
        netns: &netns,
        device: &options.device,
        pid: options.pid,
    };
    let (interface, made) = match (&options.interface, &options.subnet) {
        (Some(interface), _) => (interface.clone(), false),
        (None, Some(subnet)) => {
            let groups = &options.security_groups;
            (make(&client, subnet, groups, "adit attach")?, true)
        }
        (None, None) => anyhow::bail!("say what: an interface, or --subnet ID"),
    };
    let attached = match &options.host_device {
        Some(device) => plug(&client, &interface, device, options.force),
        None => put(&client, &interface, &place),
    };
    let attached = match attached {
        Ok(attached) => attached,
        Err(error) => {
            if made {
                let _ = take(&client, &interface, true);
            }
            return Err(error);
        }
    };
    let address = attached.get("Address").and_then(Value::as_str);
    println!("{interface}\t{}", address.unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn detach(target: &Target, options: &args::Detach) -> anyhow::Result<ExitCode> {
    take(&target.client()?, &options.interface, options.delete)?;
    Ok(ExitCode::SUCCESS)
}
