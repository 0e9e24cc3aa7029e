//! Devices of the host that are lent to subnets and sites. They are the operator's: lending one takes it
//! away from the host.

use adit_model::*;

use super::account;
use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// Bytes of a device's name.
const LONGEST: usize = 15;

/// The device that a request names, if it names one and nobody has it yet.
pub(super) fn named(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
) -> Result<Option<HostDevice>, Refusal> {
    let Some(name) = input.text("Interface").filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    account::only_first(intent, ctx, "lend devices of the host")?;
    let good = |c: char| c.is_ascii_graphic() && !"/:%".contains(c);
    if name.len() > LONGEST || !name.chars().all(good) || matches!(name, "." | ".." | "lo") {
        return Err(Refusal::invalid_value(format!(
            "Value ({name}) for parameter Interface is no device of the host that can be lent."
        )));
    }
    if let Some(holder) = holder(intent, name) {
        return Err(Refusal::new(
            "InvalidInterface.InUse",
            format!("The device '{name}' of the host is lent to {holder}."),
        ));
    }
    Ok(Some(HostDevice {
        name: name.to_string(),
        forced: input.flag("Force", false),
    }))
}

/// Who has a device.
fn holder(intent: &Intent, name: &str) -> Option<String> {
    let interfaces = intent.network_interfaces.values();
    let mut interfaces = interfaces.filter(|eni| match &eni.user {
        InterfaceUser::HostDevice(device) => device.name == name,
        _ => false,
    });
    let mut sites = intent.sites.values();
    let held = |site: &&std::sync::Arc<Site>| {
        let device = site.device.as_ref();
        device.is_some_and(|device| device.name == name)
    };
    let interface = interfaces.next().map(|eni| eni.id.to_string());
    interface.or_else(|| sites.find(held).map(|site| format!("site '{}'", site.name)))
}
