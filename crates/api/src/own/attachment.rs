//! Attachments: a network namespace that somebody else made, as a host in a subnet; or a device of the
//! host, behind which there is one.
//!
//! An interface is made first (here, or by `CreateNetworkInterface`), its namespace is lent to the
//! network agent under the interface's id, then it is attached.

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{host_device, lease, names_of, run};
use crate::context::{Answer, Ctx, View};
use crate::ec2::network_interface;
use crate::input::Input;
use crate::refusal::Refusal;

/// Makes an interface that nobody uses yet.
pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = input.text("Name").unwrap_or_default();
    let (_, interface) = run::place(input, draft, ctx, name, |_| Ok(InterfaceUser::Available))?;
    Ok(Answer::from(
        map! { "NetworkInterfaceId" => interface.id.as_str() },
    ))
}

/// Attaches an interface that nobody uses to the namespace that was lent under its id, or to a device of
/// the host.
pub(crate) fn attach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let interface = ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    if interface.user != InterfaceUser::Available {
        return Err(Refusal::new(
            "InvalidNetworkInterface.InUse",
            format!("Network interface '{}' is currently in use.", interface.id),
        ));
    }
    if let Some(device) = host_device::named(input, draft, ctx)? {
        draft.edit::<NetworkInterface>(&interface.id, |eni| {
            eni.user = InterfaceUser::HostDevice(device);
        });
        return Ok(shown(draft, &interface.id));
    }
    let device = input.required("Device")?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let reserved = ["lo", "all", "default", ".", ".."];
    if device.len() > 15 || !device.bytes().all(good) || reserved.contains(&device) {
        return Err(Refusal::invalid_value(format!(
            "Value ({device}) for parameter Device is no name for a network device."
        )));
    }
    let lease = match input.get("Pid") {
        Value::Null => None,
        _ => Some(lease(input)?),
    };
    let device = device.to_string();
    draft.edit::<NetworkInterface>(&interface.id, |eni| {
        eni.user = InterfaceUser::Attached { device, lease };
    });
    Ok(shown(draft, &interface.id))
}

fn shown(intent: &Intent, id: &NetworkInterfaceId) -> Answer {
    let interface = intent.get::<NetworkInterface>(id);
    Answer::from(interface.map_or(Value::Null, |eni| show(intent, eni)))
}

/// Detaches an interface; with `Delete`, it goes away. One that is gone already is gone.
pub(crate) fn detach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("NetworkInterfaceId")?;
    let delete = input.get("Delete").bool().unwrap_or(false);
    let there = draft.get::<NetworkInterface>(id);
    let Some(eni) = there.filter(|eni| eni.owner == ctx.caller.account).cloned() else {
        return Ok(Answer::done());
    };
    match &eni.user {
        InterfaceUser::Attached { .. }
        | InterfaceUser::HostDevice(_)
        | InterfaceUser::Available
            if delete =>
        {
            draft.remove_interface(id);
        }
        InterfaceUser::Attached { .. } | InterfaceUser::HostDevice(_) => {
            draft.edit::<NetworkInterface>(id, |eni| eni.user = InterfaceUser::Available);
        }
        InterfaceUser::Available => {}
        _ => {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!("The network interface {id} is not attached to a namespace."),
            ));
        }
    }
    Ok(Answer::done())
}

/// Every attachment of the caller's account.
pub(crate) fn list(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let interfaces = view.intent.network_interfaces.values();
    let mine = interfaces.filter(|eni| eni.owner == ctx.caller.account);
    let attached = mine.filter(|eni| {
        let user = &eni.user;
        matches!(
            user,
            InterfaceUser::Attached { .. } | InterfaceUser::HostDevice(_)
        )
    });
    let mut output = Map::new();
    let shown = attached.map(|eni| show(view.intent, eni));
    output.push("Attachments", shown.collect::<Value>());
    Ok(output.into())
}

fn show(intent: &Intent, eni: &NetworkInterface) -> Value {
    let subnet = intent.get::<Subnet>(&eni.subnet).map(|subnet| subnet.cidr);
    let subnet = subnet.unwrap_or_default();
    let vpc = intent.get::<Vpc>(&eni.vpc);
    let (resolvers, domain) = vpc.map(|vpc| names_of(intent, vpc)).unwrap_or_default();
    let device = match &eni.user {
        InterfaceUser::Attached { device, .. } => Some(device.clone()),
        _ => None,
    };
    let host = match &eni.user {
        InterfaceUser::HostDevice(device) => Some(device.name.clone()),
        _ => None,
    };
    map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "Name" => eni.description.clone(),
        "Device" => device,
        "Interface" => host,
        "MacAddress" => network_interface::mac(eni),
        "Address" => format!("{}/{}", eni.private_ip, subnet.prefix_len()),
        "PublicIpAddress" => eni.public_ip.map(|ip| ip.to_string()),
        "Router" => net::router(subnet).to_string(),
        "Resolver" => resolvers.first().map(ToString::to_string),
        "Resolvers" => super::addresses(&resolvers),
        "SearchDomain" => domain,
    }
}
