//! `adit site`: on-premises networks.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{SiteAction, SiteCommand, Target};
use crate::host_device;

pub(crate) fn run(target: &Target, command: &SiteCommand) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    match &command.action {
        SiteAction::Create {
            name,
            cidr,
            vpc,
            vpn_connection,
            resolver,
            internet,
            interface,
            force,
            address,
        } => {
            let input = json!({
                "Name": name,
                "Cidr": cidr,
                "VpcId": vpc,
                "VpnConnectionId": vpn_connection,
                "Resolver": resolver.map(|address| address.to_string()),
                "Internet": internet,
                "Interface": interface,
                "Force": force,
                "Address": address.map(|address| address.to_string()),
            });
            if let Some(device) = interface {
                host_device::examine(&client, device, *force)?;
            }
            client.adit("CreateSite", input)?;
            if let Some(device) = interface
                && let Err(why) = host_device::demand(&client, device)
            {
                let _ = client.adit("DeleteSite", json!({"Name": name}));
                return Err(why);
            }
            println!("{name}");
        }
        SiteAction::List => {
            let answer = client.adit("ListSites", json!({}))?;
            for site in answer
                .get("Sites")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let text = |name: &str| site.get(name).and_then(Value::as_str).unwrap_or("-");
                println!(
                    "{}\t{}\t{}\t{}",
                    text("Name"),
                    text("Cidr"),
                    text("VpcId"),
                    text("Resolver")
                );
            }
        }
        SiteAction::Delete { name } => {
            client.adit("DeleteSite", json!({"Name": name}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
