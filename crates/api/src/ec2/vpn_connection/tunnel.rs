//! The two tunnels of a VPN connection, as far as they are a record.

use std::collections::BTreeSet;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv4Net;

use crate::addresses;
use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// Where the links inside tunnels have their blocks.
const INSIDE: &str = "169.254.0.0/16";

/// Blocks of it that AWS keeps for itself.
const KEPT: [&str; 7] = [
    "169.254.0.0/30",
    "169.254.1.0/30",
    "169.254.2.0/30",
    "169.254.3.0/30",
    "169.254.4.0/30",
    "169.254.5.0/30",
    "169.254.169.252/30",
];

/// What can be said of a tunnel that nobody would act on.
const UNBUILT: &[&str] = &[
    "TunnelInsideIpv6Cidr",
    "Phase1LifetimeSeconds",
    "Phase2LifetimeSeconds",
    "RekeyMarginTimeSeconds",
    "RekeyFuzzPercentage",
    "ReplayWindowSize",
    "DPDTimeoutSeconds",
    "DPDTimeoutAction",
    "Phase1EncryptionAlgorithms",
    "Phase2EncryptionAlgorithms",
    "Phase1IntegrityAlgorithms",
    "Phase2IntegrityAlgorithms",
    "Phase1DHGroupNumbers",
    "Phase2DHGroupNumbers",
    "IKEVersions",
    "StartupAction",
    "EnableTunnelLifecycleControl",
];

/// The tunnels of a new connection: what the request says of them, and choices for the rest.
pub(super) fn make(
    options: &Input<'_>,
    draft: &Draft,
    ctx: &mut Ctx,
) -> Result<Vec<VpnTunnel>, Refusal> {
    let given = options.get("TunnelOptions").list();
    if given.len() > 2 {
        return Err(Refusal::invalid_value("A VPN connection has two tunnels."));
    }
    let connections = draft.vpn_connections.values();
    let mut inside: BTreeSet<Ipv4Net> = connections
        .flat_map(|vpn| vpn.tunnels.iter().map(|tunnel| tunnel.inside_cidr))
        .collect();
    let mut tunnels = Vec::new();
    for index in 0..2 {
        let wish = Input(given.get(index).unwrap_or(&Value::Null));
        wish.refuse_unbuilt(UNBUILT)?;
        let inside_cidr = match wish.text("TunnelInsideCidr") {
            Some(text) => designated(text)?,
            None => free(&inside, ctx)?,
        };
        inside.insert(inside_cidr);
        let pre_shared_key = match wish.text("PreSharedKey") {
            Some(text) => key(text)?,
            None => ctx.ids.text(LETTERS, 32),
        };
        let taken: Vec<_> = tunnels.iter().map(|t: &VpnTunnel| t.outside_ip).collect();
        tunnels.push(VpnTunnel {
            outside_ip: addresses::public_but(draft, &ctx.region, &taken)?,
            inside_cidr,
            pre_shared_key: Secret::new(pre_shared_key),
        });
    }
    Ok(tunnels)
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn designated(text: &str) -> Result<Ipv4Net, Refusal> {
    let all: Option<Ipv4Net> = INSIDE.parse().ok();
    let block = text.parse::<Ipv4Net>().ok().map(|block| block.trunc());
    let block = block.filter(|b| b.prefix_len() == 30 && all.is_some_and(|all| all.contains(b)));
    match block {
        Some(block) if !KEPT.contains(&block.to_string().as_str()) => Ok(block),
        _ => Err(Refusal::invalid_value(format!(
            "Value ({text}) for parameter tunnelInsideCidr is invalid. Expecting a free /30 of {INSIDE}."
        ))),
    }
}

/// A block that no other tunnel has.
fn free(taken: &BTreeSet<Ipv4Net>, ctx: &mut Ctx) -> Result<Ipv4Net, Refusal> {
    for _ in 0..1000 {
        let n = (ctx.ids.digits() % (1 << 14)) as u32;
        let text = format!("169.254.{}.{}/30", n >> 6, (n & 63) << 2);
        if let Ok(block) = designated(&text)
            && !taken.contains(&block)
        {
            return Ok(block);
        }
    }
    Err(Refusal::new(
        "VpnConnectionLimitExceeded",
        "The maximum number of VPN connections has been reached.",
    ))
}

fn key(text: &str) -> Result<String, Refusal> {
    let well = (8..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
        && !text.starts_with('0');
    match well {
        true => Ok(text.to_string()),
        // The key is a secret: it is not repeated.
        false => Err(Refusal::invalid_value(
            "The pre-shared key must have 8 to 64 letters, digits, periods and underscores, and not start with 0.",
        )),
    }
}

pub(super) fn show(tunnel: &VpnTunnel) -> Value {
    map! {
        "OutsideIpAddress" => tunnel.outside_ip.to_string(),
        "TunnelInsideCidr" => tunnel.inside_cidr.to_string(),
        "PreSharedKey" => tunnel.pre_shared_key.expose(),
    }
}
