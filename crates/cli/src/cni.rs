//! The CNI plugin: containers join subnets. Specification 1.1: ADD, DEL, CHECK, GC, STATUS, VERSION.
//!
//! The same program under the name `adit-cni`. The runtime says what it wants in the environment and
//! the network's configuration on standard input:
//!
//! ```json
//! {"cniVersion": "1.1.0", "name": "storage", "type": "adit-cni",
//!  "state": "/var/lib/adit", "subnet": "subnet-…", "securityGroups": ["sg-…"]}
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::Target;
use crate::attach::{self, Place};
use crate::client::Client;

/// The name under which the program is the plugin.
const NAME: &str = "adit-cni";
const NEWEST: &str = "1.1.0";
const VERSIONS: [&str; 4] = ["0.3.1", "0.4.0", "1.0.0", NEWEST];

/// Codes of the specification.
const INCOMPATIBLE: u32 = 1;
const UNSUPPORTED: u32 = 2;
const UNKNOWN_CONTAINER: u32 = 3;
const ENVIRONMENT: u32 = 4;
const UNREADABLE: u32 = 6;
const INVALID: u32 = 7;
const UNAVAILABLE: u32 = 50;
/// Codes from 100 on are a plugin's own.
const REFUSED: u32 = 100;

/// The network's configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    #[serde(default)]
    cni_version: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: Option<PathBuf>,
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    subnet: Option<String>,
    #[serde(default)]
    security_groups: Vec<String>,
    #[serde(default, rename = "cni.dev/valid-attachments")]
    valid: Vec<Valid>,
}

/// An attachment that a runtime still knows.
#[derive(Deserialize)]
struct Valid {
    #[serde(rename = "containerID")]
    container: String,
    ifname: String,
}

struct Failure {
    code: u32,
    message: String,
}

fn failure(code: u32, message: impl Into<String>) -> Failure {
    let message = message.into();
    Failure { code, message }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        failure(REFUSED, format!("{error:#}"))
    }
}

/// Whether the program was started as the plugin.
pub(crate) fn is_meant() -> bool {
    let name = std::env::args_os().next();
    name.is_some_and(|name| {
        Path::new(&name)
            .file_name()
            .is_some_and(|name| name == NAME)
    })
}

/// Does what the environment says; the result or the error is JSON on standard output.
pub(crate) fn main() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().take(1 << 20).read_to_string(&mut text);
    let network: Result<Network, _> = serde_json::from_str(&text);
    let version = network
        .as_ref()
        .ok()
        .and_then(|network| network.cni_version.clone())
        .unwrap_or_else(|| NEWEST.into());
    let done = match (variable("CNI_COMMAND"), network) {
        (Some(command), _) if command == "VERSION" => Ok(Some(
            json!({"cniVersion": version, "supportedVersions": VERSIONS}),
        )),
        (None, _) => Err(failure(ENVIRONMENT, "CNI_COMMAND is not set")),
        (_, Err(error)) => Err(failure(UNREADABLE, format!("the configuration: {error}"))),
        (Some(_), Ok(_)) if read.is_err() => Err(failure(UNREADABLE, "no configuration")),
        (Some(command), Ok(network)) => run(&command, &network, &version),
    };
    match done {
        Ok(result) => {
            if let Some(result) = result {
                println!("{result}");
            }
            ExitCode::SUCCESS
        }
        Err(Failure { code, message }) => {
            println!(
                "{}",
                json!({"cniVersion": version, "code": code, "msg": message})
            );
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn needed(name: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| failure(ENVIRONMENT, format!("{name} is not set")))
}

fn run(command: &str, network: &Network, version: &str) -> Result<Option<Value>, Failure> {
    if !VERSIONS.contains(&version) {
        let message = format!("version {version} of the specification is not spoken");
        return Err(failure(INCOMPATIBLE, message));
    }
    let target = Target {
        endpoint: network.endpoint.clone(),
        state: network.state.clone(),
    };
    let client = target
        .client()
        .map_err(|e| failure(UNAVAILABLE, format!("{e:#}")))?;
    match command {
        "ADD" => add(&client, network, version).map(Some),
        "DEL" => delete(&client, network).map(|()| None),
        "CHECK" => check(&client, network).map(|()| None),
        "GC" => collect(&client, network).map(|()| None),
        "STATUS" => status(&client).map(|()| None),
        other => Err(failure(
            UNSUPPORTED,
            format!("the command {other} is not known"),
        )),
    }
}

/// How an attachment is found again: by what the runtime calls it.
fn name_of(network: &Network, container: &str, device: &str) -> String {
    format!("cni {}/{container}/{device}", network.name)
}

fn own_name(network: &Network) -> Result<(String, String), Failure> {
    let (container, device) = (needed("CNI_CONTAINERID")?, needed("CNI_IFNAME")?);
    Ok((name_of(network, &container, &device), device))
}

fn attachments(client: &Client) -> Result<Vec<Value>, Failure> {
    let answer = client.adit("ListAttachments", json!({}))?;
    let list = answer.get("Attachments").and_then(Value::as_array);
    Ok(list.cloned().unwrap_or_default())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn find(client: &Client, name: &str) -> Result<Option<Value>, Failure> {
    let all = attachments(client)?;
    Ok(all.into_iter().find(|one| text(one, "Name") == name))
}

fn add(client: &Client, network: &Network, version: &str) -> Result<Value, Failure> {
    let (name, device) = own_name(network)?;
    let netns = PathBuf::from(needed("CNI_NETNS")?);
    let Some(subnet) = &network.subnet else {
        return Err(failure(INVALID, "the configuration names no `subnet`"));
    };
    let id = attach::make(client, subnet, &network.security_groups, &name)?;
    let place = Place {
        netns: &netns,
        device: &device,
        pid: None,
    };
    let attached = attach::put(client, &id, &place).inspect_err(|_| {
        // What failed half way leaves nothing.
        let _ = attach::take(client, &id, true);
    })?;
    Ok(json!({
        "cniVersion": version,
        "interfaces": [{
            "name": device,
            "mac": text(&attached, "MacAddress"),
            "sandbox": netns,
        }],
        "ips": [{
            "address": text(&attached, "Address"),
            "gateway": text(&attached, "Router"),
            "interface": 0,
        }],
        "routes": [{"dst": "0.0.0.0/0", "gw": text(&attached, "Router")}],
        "dns": {
            "nameservers": attached.get("Resolvers"),
            "search": attached.get("SearchDomain").and_then(Value::as_str).into_iter().collect::<Vec<_>>(),
        },
    }))
}

/// What is gone already is gone.
fn delete(client: &Client, network: &Network) -> Result<(), Failure> {
    let (name, _) = own_name(network)?;
    if let Some(attached) = find(client, &name)? {
        attach::take(client, text(&attached, "NetworkInterfaceId"), true)?;
    }
    Ok(())
}

fn check(client: &Client, network: &Network) -> Result<(), Failure> {
    let (name, device) = own_name(network)?;
    match find(client, &name)? {
        Some(attached) if text(&attached, "Device") == device => Ok(()),
        _ => Err(failure(
            UNKNOWN_CONTAINER,
            format!("there is no attachment `{name}`"),
        )),
    }
}

/// Takes away every attachment of the network that the runtime does not know any more.
fn collect(client: &Client, network: &Network) -> Result<(), Failure> {
    let ours = format!("cni {}/", network.name);
    let valid: Vec<String> = network
        .valid
        .iter()
        .map(|valid| name_of(network, &valid.container, &valid.ifname))
        .collect();
    for attached in attachments(client)? {
        let name = text(&attached, "Name").to_string();
        if name.starts_with(&ours) && !valid.contains(&name) {
            attach::take(client, text(&attached, "NetworkInterfaceId"), true)?;
        }
    }
    Ok(())
}

fn status(client: &Client) -> Result<(), Failure> {
    let answer = client.adit("GetAccess", json!({}));
    answer
        .map(drop)
        .map_err(|e| failure(UNAVAILABLE, format!("{e:#}")))
}
